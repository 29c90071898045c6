// What the tests of attribution share: paths from text, shared files, and a plain reference of the Markov model.
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attribution/paths_csv.h"
#include "attribution/paths_text.h"
#include "base/alloc.h"

static inline void kit_near(double got, double wanted, double within) {
  if (!(fabs(got - wanted) <= within)) fail_msg("%.17g is not %.17g within %g", got, wanted, within);
}

// Reads CSV text in so many threads; the set is the caller's to release.
static inline void kit_read(struct paths *paths, struct bytes csv, unsigned threads) {
  const struct paths_csv_options options = {.threads = threads};
  struct diag diag;
  diag_init(&diag);
  paths_init(paths);
  if (paths_csv_read(csv, &options, paths, &diag) != ERR_OK) fail_msg("%s: %s", diag.field, diag.message);
}

static inline void kit_read_text(struct paths *paths, const char *csv) {
  kit_read(paths, bytes_from_text(csv), 1);
}

static inline size_t kit_channel(const struct paths *paths, const char *name) {
  int64_t channel = paths_channel_find(paths, bytes_from_text(name));
  if (channel < 0) fail_msg("there is no channel %s", name);
  return (size_t)channel;
}

// A file below the shared data. False, and says so, when it is not there.
static inline bool kit_shared(const char *name, struct buffer *text) {
  const char *shared = getenv("RAPPORT_SHARED");
  char path[4096];
  if (shared != NULL)
    snprintf(path, sizeof path, "%s/data/%s", shared, name);
  else
    snprintf(path, sizeof path, "%.*s/../../../shared/data/%s", (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__,
             name);
  buffer_init(text);
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    print_message("skipped: there is no %s (RAPPORT_SHARED names the folder above data/)\n", path);
    return false;
  }
  uint8_t block[65536];
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;) buffer_append(text, block, got);
  fclose(file);
  assert_false(text->failed);
  return true;
}

static const char kit_path_data[] = "channelattribution_pathdata/Data.csv";

static inline uint64_t kit_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

// --- the reference -------------------------------------------------------------------------------------------

// The Markov model as the textbook has it: a matrix of all states, probabilities, (I - Q) x = r by Gauss with pivots,
// once with all states and once without each channel's. Small chains only.
struct kit_state {
  paths_step channels[4];
  size_t count;
};

struct kit_reference {
  struct kit_state *states;
  size_t count;
  double *weight;                           // count x count
  double *start, *converted, *lost, *value; // by state
};

static inline size_t kit_state_of(struct kit_reference *reference, const paths_step *steps, size_t count) {
  for (size_t i = 0; i < reference->count; i++)
    if (reference->states[i].count == count && memcmp(reference->states[i].channels, steps, count * sizeof *steps) == 0)
      return i;
  memcpy(reference->states[reference->count].channels, steps, count * sizeof *steps);
  reference->states[reference->count].count = count;
  return reference->count++;
}

static inline void kit_reference_init(struct kit_reference *reference, const struct paths *paths, unsigned order,
                                      bool without_nulls, size_t states_max) {
  reference->states = calloc(states_max, sizeof *reference->states);
  reference->weight = calloc(states_max * states_max, sizeof(double));
  reference->start = calloc(4 * states_max, sizeof(double));
  reference->converted = reference->start + states_max;
  reference->lost = reference->converted + states_max;
  reference->value = reference->lost + states_max;
  reference->count = 0;
  for (size_t i = 0; i < paths->row_count; i++) {
    const struct paths_row *row = &paths->rows[i];
    const paths_step *steps = paths_steps(paths, row);
    size_t size = row->count < order ? row->count : order, last = SIZE_MAX;
    double nulls = without_nulls ? 0 : (double)row->nulls, weight = (double)row->conversions + nulls;
    if (weight == 0) continue;
    for (size_t at = 0; at + size <= row->count; at++) {
      size_t state = kit_state_of(reference, steps + at, size);
      assert_true(reference->count < states_max);
      if (last == SIZE_MAX) reference->start[state] += weight;
      if (last != SIZE_MAX && last != state) reference->weight[last * states_max + state] += weight;
      last = state;
    }
    reference->converted[last] += (double)row->conversions;
    reference->lost[last] += nulls;
    reference->value[last] += paths_value(row);
  }
}

static inline void kit_reference_release(struct kit_reference *reference) {
  free(reference->states);
  free(reference->weight);
  free(reference->start);
}

static inline bool kit_has(const struct kit_state *state, size_t channel) {
  for (size_t i = 0; i < state->count; i++)
    if (state->channels[i] == channel) return true;
  return false;
}

// Solves m, n rows of n + 2 columns, in place: the two right sides become the two solutions.
static inline void kit_gauss(double *m, size_t n) {
  size_t width = n + 2;
  for (size_t k = 0; k < n; k++) {
    size_t best = k;
    for (size_t i = k + 1; i < n; i++)
      if (fabs(m[i * width + k]) > fabs(m[best * width + k])) best = i;
    for (size_t j = 0; j < width && best != k; j++) {
      double kept = m[k * width + j];
      m[k * width + j] = m[best * width + j];
      m[best * width + j] = kept;
    }
    for (size_t i = 0; i < n; i++) {
      double factor = m[i * width + k] / m[k * width + k];
      if (i == k || factor == 0) continue;
      for (size_t j = k; j < width; j++) m[i * width + j] -= factor * m[k * width + j];
    }
  }
  for (size_t i = 0; i < n; i++) {
    m[i * width + n] /= m[i * width + i];
    m[i * width + n + 1] /= m[i * width + i];
  }
}

// The probability to convert, and the value a path brings, without the states of `removed` (SIZE_MAX: with all).
static inline void kit_reference_solve(const struct kit_reference *reference, size_t states_max, size_t removed,
                                       double *conversion, double *value) {
  size_t n = reference->count, width = n + 2;
  double *m = calloc(n * width + 1, sizeof *m), starts = 0;
  for (size_t i = 0; i < n; i++) {
    double whole = reference->converted[i] + reference->lost[i];
    for (size_t j = 0; j < n; j++) whole += reference->weight[i * states_max + j];
    m[i * width + i] = 1;
    starts += reference->start[i];
    if (removed != SIZE_MAX && kit_has(&reference->states[i], removed)) continue;
    for (size_t j = 0; j < n; j++) m[i * width + j] -= reference->weight[i * states_max + j] / whole;
    m[i * width + n] = reference->converted[i] / whole;
    m[i * width + n + 1] = reference->value[i] / whole;
  }
  kit_gauss(m, n);
  *conversion = *value = 0;
  for (size_t i = 0; i < n; i++) {
    *conversion += reference->start[i] / starts * m[i * width + n];
    *value += reference->start[i] / starts * m[i * width + n + 1];
  }
  free(m);
}
