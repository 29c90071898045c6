// paths_transform: paths rewritten one by one into another set, which makes equal ones one again.
//
// The names and what they do are those of dbt-snowplow-attribution and of Google's fractribution.
#include "attribution/paths.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static const char *const transform_names[PATHS_TRANSFORM_COUNT] = {
    [PATHS_UNIQUE] = "unique",
    [PATHS_EXPOSURE] = "exposure",
    [PATHS_FIRST] = "first",
    [PATHS_FREQUENCY] = "frequency",
    [PATHS_REMOVE_IF_NOT_ALL] = "remove_if_not_all",
    [PATHS_REMOVE_IF_LAST_AND_NOT_ALL] = "remove_if_last_and_not_all",
    [PATHS_LAST] = "last",
};

const char *paths_transform_name(enum paths_transform transform) {
  return transform < PATHS_TRANSFORM_COUNT ? transform_names[transform] : NULL;
}

struct rewriting {
  const struct paths *in;
  struct paths *out;
  const bool *removed;
  size_t last;
  paths_step *steps; // the path being made
  uint32_t *seen;    // by channel: how often in this path; all 0 between paths
  struct diag *diag;
};

static size_t exposure(const paths_step *steps, size_t count, paths_step *out) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (i == 0 || steps[i] != steps[i - 1]) out[kept++] = steps[i];
  return kept;
}

// Counts each channel of the path in `seen`, which the caller empties again with forget.
static size_t first(struct rewriting *rewriting, const paths_step *steps, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (rewriting->seen[steps[i]]++ == 0) rewriting->steps[kept++] = steps[i];
  return kept;
}

static void forget(struct rewriting *rewriting, const paths_step *steps, size_t count) {
  for (size_t i = 0; i < count; i++) rewriting->seen[steps[i]] = 0;
}

static enum err name_by_frequency(struct rewriting *rewriting, size_t count) {
  char name[PATHS_NAME_BYTES + 16];
  enum err err = ERR_OK;
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    paths_step step = rewriting->steps[i];
    int size = snprintf(name, sizeof name, "%.*s(%u)", BYTES_ARG(rewriting->in->channels.names[step]),
                        (unsigned)rewriting->seen[step]);
    err = paths_channel(rewriting->out, bytes_of(name, (size_t)size), &rewriting->steps[i], rewriting->diag);
  }
  return err;
}

static size_t without(const struct rewriting *rewriting, const paths_step *steps, size_t count, bool only_last) {
  size_t kept = 0, end = count;
  while (end > 0 && rewriting->removed[steps[end - 1]]) end--;
  if (end == 0) end = count;
  for (size_t i = 0; i < end; i++)
    if (only_last || !rewriting->removed[steps[i]]) rewriting->steps[kept++] = steps[i];
  if (kept > 0) return kept;
  memcpy(rewriting->steps, steps, count * sizeof *steps); // all of them are
  return count;
}

static enum err rewrite(struct rewriting *rewriting, const struct paths_row *row, enum paths_transform transform) {
  const paths_step *steps = paths_steps(rewriting->in, row), *made = rewriting->steps;
  size_t count = row->count;
  enum err err = ERR_OK;
  switch (transform) {
  case PATHS_EXPOSURE:
    count = exposure(steps, count, rewriting->steps);
    break;
  case PATHS_FIRST:
  case PATHS_FREQUENCY:
    count = first(rewriting, steps, count);
    if (transform == PATHS_FREQUENCY) err = name_by_frequency(rewriting, count);
    forget(rewriting, steps, row->count);
    break;
  case PATHS_REMOVE_IF_NOT_ALL:
  case PATHS_REMOVE_IF_LAST_AND_NOT_ALL:
    count = without(rewriting, steps, count, transform == PATHS_REMOVE_IF_LAST_AND_NOT_ALL);
    break;
  case PATHS_LAST:
    count = count < rewriting->last ? count : rewriting->last;
    made = steps + row->count - count;
    break;
  default:
    made = steps;
    break;
  }
  const struct paths_figures figures = {row->conversions, row->nulls, row->value, row->value_rest};
  return err == ERR_OK ? paths_add(rewriting->out, made, count, &figures, rewriting->diag) : err;
}

static enum err copy_channels(const struct paths *in, struct paths *out, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < in->channels.count && err == ERR_OK; i++) {
    paths_step same;
    err = paths_channel(out, in->channels.names[i], &same, diag);
  }
  return err;
}

enum err paths_transform(const struct paths *in, enum paths_transform transform, const bool *removed, size_t last,
                         struct paths *out, struct diag *diag) {
  size_t longest = 1;
  for (size_t i = 0; i < in->row_count; i++) longest = in->rows[i].count > longest ? in->rows[i].count : longest;
  struct rewriting rewriting = {.in = in, .out = out, .removed = removed, .last = last, .diag = diag};
  rewriting.steps = alloc_get(longest * sizeof *rewriting.steps);
  rewriting.seen = alloc_zero(in->channels.count + 1, sizeof *rewriting.seen);
  enum err err = rewriting.steps == NULL || rewriting.seen == NULL ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK && transform != PATHS_FREQUENCY) err = copy_channels(in, out, diag);
  for (size_t i = 0; i < in->row_count && err == ERR_OK; i++) err = rewrite(&rewriting, &in->rows[i], transform);
  alloc_free(rewriting.steps);
  alloc_free(rewriting.seen);
  if (err != ERR_OK) return err;
  const struct paths_figures empty = {in->empty.conversions, in->empty.nulls, in->empty.value, in->empty.value_rest};
  out->has_value = in->has_value;
  out->has_nulls = in->has_nulls;
  err = in->rows_read > 0 ? paths_add(out, NULL, 0, &empty, diag) : ERR_OK;
  out->rows_read = in->rows_read;
  return err;
}
