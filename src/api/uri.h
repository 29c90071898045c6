// uri: the request target, split and percent-decoded once, strictly.
//
// Layer 8. A segment or a parameter that does not decode to UTF-8 without NUL is refused with a code; nothing is
// guessed. Segments are split before decoding, so that an identifier may hold an encoded slash.
// Memory: decoded views live in the arena given. Threads: none shared.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

enum { URI_TARGET_BYTES_MAX = 8192, URI_SEGMENTS_MAX = 8, URI_PARAMETERS_MAX = 64 };

struct uri_parameter {
  struct bytes name, value;
};

struct uri {
  struct bytes segments[URI_SEGMENTS_MAX]; // "/v1/customers/c1" has three; one trailing slash is ignored
  size_t segment_count;
  struct uri_parameter parameters[URI_PARAMETERS_MAX];
  size_t parameter_count;
};

// Reads "/path?query" (or the absolute form). ERR_INVALID with code "bad_target", "path_too_long",
// "bad_percent_encoding", "nul_in_path", "invalid_utf8", "too_many_parameters"; more segments than URI_SEGMENTS_MAX
// match no route and give ERR_NOT_FOUND code "no_route".
enum err uri_parse(struct uri *uri, struct bytes target, struct arena *arena, struct diag *diag);

// The value of the parameter `name`; absent: *value has data NULL. Given twice: ERR_INVALID code
// "duplicate_parameter".
enum err uri_find(const struct uri *uri, const char *name, struct bytes *value, struct diag *diag);

// Decodes %xx, and '+' as a space when `plus`. ERR_INVALID with the codes above.
enum err uri_decode(struct bytes text, bool plus, struct arena *arena, struct bytes *out, struct diag *diag);
