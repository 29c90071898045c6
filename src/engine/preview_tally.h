// preview_tally: what one thread has counted for a preview; tallies of several are added up.
//
// The sample is of the members with the lowest random numbers, and a member's number depends on her id alone: whoever
// counts what, the sum is the same.
#pragma once

#include "engine/preview.h"
#include "segment/definition.h"

struct preview_pick {
  uint64_t random, customer;
};

// One value of a trait; `packed` in the tally's arena.
struct preview_value {
  struct bytes packed;
  uint64_t members;
};

enum { PREVIEW_SLOTS = 2048 }; // of a table, by a hash of the value; more than twice PREVIEW_VALUES_MAX

struct preview_values {
  struct preview_value slots[PREVIEW_SLOTS];
  size_t count;
  uint64_t other, missing;
};

struct preview_tally {
  struct arena arena;
  uint64_t looked_at, members, unknown;
  uint64_t removed[SEGMENT_EXCLUSIONS_MAX];
  struct preview_pick picks[PREVIEW_SAMPLE_MAX]; // ascending by random
  size_t pick_count, pick_limit;
  struct preview_values *values; // by trait
  size_t trait_count;
};

enum err preview_tally_init(struct preview_tally *tally, size_t pick_limit, size_t trait_count);
void preview_tally_release(struct preview_tally *tally);

// A number that is the same for this customer at all times, and else random.
uint64_t preview_random(uint64_t number);

void preview_tally_pick(struct preview_tally *tally, uint64_t customer);
// An absent or null value is missing.
enum err preview_tally_value(struct preview_tally *tally, size_t trait, struct value value);
enum err preview_tally_add(struct preview_tally *sum, const struct preview_tally *part);

// The most frequent values, the first first; equal ones in order of their bytes. Returns how many.
size_t preview_tally_top(const struct preview_values *values, const struct preview_value *top[PREVIEW_VALUES_SHOWN]);
