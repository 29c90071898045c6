// paths: what customers went through before they bought or did not: channels in order, and how often.
//
// Layer 5. Pure. A channel is a number from 0 in order of first appearance; names mean nothing but themselves, so that
// one called "(null)" is a channel like others. Paths of the same steps are one row: counts and values are added up.
// Values are added with twice the digits of a double and rounded when read, so that the order of the rows does not
// show. A path without a step is counted apart: no channel can have credit for it.
// Memory: everything belongs to the set, between paths_init and paths_release; a failed call leaves it releasable.
// Threads: one writer; any number of readers when it is done.
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/diag.h"

enum { PATHS_CHANNELS_MAX = 65535, PATHS_NAME_BYTES = 1024, PATHS_STEPS_MAX = 1 << 24 };
#define PATHS_WEIGHT_MAX (UINT64_C(1) << 63) // all conversions and all that ended without one, together

typedef uint16_t paths_step; // a channel

struct paths_row {
  size_t begin; // of its steps
  uint32_t count, hash;
  uint64_t conversions, nulls;
  double value, value_rest; // read with paths_value
};

struct paths_names {
  struct bytes *names;
  uint32_t *slots; // index + 1; 0: free
  size_t count, capacity, slot_count;
};

struct paths {
  struct paths_names channels;
  paths_step *steps;
  size_t step_count, step_capacity;
  struct paths_row *rows;
  uint64_t *slots; // hash << 32 | index + 1; 0: free
  size_t row_count, row_capacity, slot_count;
  struct paths_row empty;      // paths without a step, all in one
  uint64_t conversions, nulls; // of rows and of empty
  size_t rows_read;            // before equal ones were made one
  bool has_value, has_nulls;
};

void paths_init(struct paths *paths);
void paths_release(struct paths *paths);

// The number of a channel, a new one when the name is. ERR_LIMIT code "too_many_channels" or "too_large", ERR_INVALID
// code "invalid_utf8". The name is copied.
enum err paths_channel(struct paths *paths, struct bytes name, paths_step *channel, struct diag *diag);

// The channel's number, or -1.
int64_t paths_channel_find(const struct paths *paths, struct bytes name);

// The numbers that one row stands for. `value` and `value_rest` as in a row.
struct paths_figures {
  uint64_t conversions, nulls;
  double value, value_rest;
};

// Adds a path. ERR_LIMIT code "too_large": more steps than PATHS_STEPS_MAX, or counts above PATHS_WEIGHT_MAX.
enum err paths_add(struct paths *paths, const paths_step *steps, size_t count, const struct paths_figures *figures,
                   struct diag *diag);

// Adds figures to a row that is there; `row` as an index, or SIZE_MAX for paths without a step.
enum err paths_add_to(struct paths *paths, size_t row, const struct paths_figures *figures, struct diag *diag);

// The index of the row that paths_add of these steps added to, SIZE_MAX for none.
size_t paths_find(const struct paths *paths, const paths_step *steps, size_t count);

static inline const paths_step *paths_steps(const struct paths *paths, const struct paths_row *row) {
  return paths->steps + row->begin;
}

static inline double paths_value(const struct paths_row *row) {
  return row->value + row->value_rest;
}

// What is added to *sum goes to *rest where it has no room in it: the two together are exact (Knuth's TwoSum).
static inline void paths_sum(double *sum, double *rest, double more) {
  double total = *sum + more, part = total - *sum;
  *rest += (*sum - (total - part)) + (more - part);
  *sum = total;
}

// --- transforms ----------------------------------------------------------------------------------------------

enum paths_transform {
  PATHS_UNIQUE,                     // as it is
  PATHS_EXPOSURE,                   // of repeats in a row the first
  PATHS_FIRST,                      // of each channel the first
  PATHS_FREQUENCY,                  // of each channel the first, named with how often it is there: "mail(3)"
  PATHS_REMOVE_IF_NOT_ALL,          // without these channels, when there is another one
  PATHS_REMOVE_IF_LAST_AND_NOT_ALL, // without these channels at the end, when there is another one
  PATHS_LAST,                       // the last so many
  PATHS_TRANSFORM_COUNT
};

// "exposure", "remove_if_not_all"; NULL behind the last.
const char *paths_transform_name(enum paths_transform transform);

// Fills the empty set `out` with the paths of `in` transformed. `removed` says of each channel whether it is one of
// "these"; NULL where none is asked for. `last`: how many of the last steps PATHS_LAST keeps. Channels keep their
// numbers, but of PATHS_FREQUENCY, whose names are new.
enum err paths_transform(const struct paths *in, enum paths_transform transform, const bool *removed, size_t last,
                         struct paths *out, struct diag *diag);
