// paths_text: a path as text, "mail > search > mail", and its steps.
//
// Layer 5. Pure. Steps stand between separators; blanks around a step are not part of it, so "mail>search" is the same
// path, and a step of nothing is none. A step in double quotes is taken as it stands, separators and all, and a doubled
// quote in it is one: "a > b" > c has two steps. A quote anywhere else, or one that is not closed before a separator or
// the end, is text like other text.
#pragma once

#include "attribution/paths.h"

// The steps of the path read last. Memory: its own, until paths_text_release.
struct paths_text {
  struct bytes separator; // without blanks around it, unless it is nothing else
  paths_step *steps;
  size_t count, capacity;
  struct buffer name;
};

// `separator` is borrowed, and not empty.
void paths_text_init(struct paths_text *text, struct bytes separator);
void paths_text_release(struct paths_text *text);

// Reads `path` to text->steps; its channels become channels of `paths`. Fails as paths_channel and paths_add do.
enum err paths_text_read(struct paths_text *text, struct bytes path, struct paths *paths, struct diag *diag);

// Appends the steps as text that reads back as the same.
void paths_text_write(struct buffer *out, const struct paths *paths, const paths_step *steps, size_t count,
                      struct bytes separator);
