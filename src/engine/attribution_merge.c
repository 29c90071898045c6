// attribution_merge: journeys of parts, and the parts made one.
//
// Steps get their numbers three times: in a part, in order of what comes first; over all parts, by name; and at last in
// the order in which the sorted paths have them. The last is that of a reader of a file of these paths, who therefore
// gets the same figures to the last bit; for the same reason the value of a path is rounded to a double here.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/attribution_pool.h"

#define DAY_US ((double)CLOCK_DAY_US)

// --- a part ----------------------------------------------------------------------------------------------------

enum err attribution_part_open(struct attribution_part *part, const struct attribution_walk *walk, struct diag *diag) {
  const struct attribution_settings *settings = walk->settings;
  paths_init(&part->steps);
  paths_init(&part->group_names);
  paths_init(&part->all.paths);
  paths_init(&part->fresh.paths);
  if (rule_machine_open(&part->machine, NULL) != ERR_OK) return diag_no_memory(diag);
  part->lag_count = (size_t)(settings->lookback_us / CLOCK_DAY_US) + 1;
  part->lags = alloc_zero(part->lag_count, sizeof *part->lags);
  if (part->lags == NULL) return diag_no_memory(diag);
  enum err err = ERR_OK;
  bool by_label = walk->by == ATTRIBUTION_BY_CAMPAIGN || walk->by == ATTRIBUTION_BY_CREATIVE;
  for (size_t i = 0; i < settings->name_count && err == ERR_OK && !by_label; i++) {
    paths_step step;
    err = paths_channel(&part->steps, settings->names[i], &step, diag);
  }
  return err;
}

void attribution_pool_release(struct attribution_pool *pool) {
  paths_release(&pool->paths);
  alloc_free(pool->timed);
  pool->timed = NULL;
}

void attribution_part_release(struct attribution_part *part) {
  if (part->machine != NULL) rule_machine_close(part->machine);
  for (size_t i = 0; i < part->group_count; i++) attribution_pool_release(&part->groups[i]);
  alloc_free(part->groups);
  alloc_free(part->lags);
  attribution_pool_release(&part->all);
  attribution_pool_release(&part->fresh);
  paths_release(&part->steps);
  paths_release(&part->group_names);
}

enum err attribution_group(struct attribution_part *part, struct bytes name, struct attribution_pool **pool,
                           struct diag *diag) {
  paths_step number;
  enum err err = paths_channel(&part->group_names, name, &number, diag);
  if (err != ERR_OK) return err;
  if (number >= ATTRIBUTION_GROUPS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_groups", "there are more than %d groups", ATTRIBUTION_GROUPS_MAX);
  if (number == part->group_capacity) {
    size_t capacity = part->group_capacity == 0 ? 8 : 2 * part->group_capacity;
    struct attribution_pool *grown = alloc_resize(part->groups, capacity * sizeof *grown);
    if (grown == NULL) return diag_no_memory(diag);
    part->groups = grown;
    part->group_capacity = capacity;
  }
  if (number == part->group_count) {
    part->groups[part->group_count] = (struct attribution_pool){0};
    paths_init(&part->groups[part->group_count++].paths);
  }
  *pool = &part->groups[number];
  return ERR_OK;
}

// --- a journey -------------------------------------------------------------------------------------------------

static bool more_timed(struct attribution_pool *pool, size_t count) {
  if (count <= pool->timed_capacity) return true;
  size_t capacity = pool->timed_capacity == 0 ? 16 : pool->timed_capacity;
  while (capacity < count) capacity *= 2;
  struct attribution_timed *grown = alloc_resize(pool->timed, capacity * sizeof *grown);
  if (grown == NULL) return false;
  memset(grown + pool->timed_capacity, 0, (capacity - pool->timed_capacity) * sizeof *grown);
  pool->timed = grown;
  pool->timed_capacity = capacity;
  return true;
}

static void add_to(struct attribution_sum *sum, double more) {
  paths_sum(&sum->sum, &sum->rest, more);
}

enum { TOUCHES_AT_ONCE = 256 };

struct shares {
  paths_step steps[TOUCHES_AT_ONCE];
  double ages[TOUCHES_AT_ONCE], decay[TOUCHES_AT_ONCE], w[TOUCHES_AT_ONCE];
};

static void add_timed(struct attribution_pool *pool, const struct journey *journey, double value, const double *decay,
                      const double *w) {
  for (size_t i = 0; i < journey->count; i++) {
    struct attribution_timed *timed = &pool->timed[journey->touches[i].step];
    add_to(&timed->decay_conversions, decay[i]);
    add_to(&timed->decay_value, decay[i] * value);
    add_to(&timed->w_conversions, w[i]);
    add_to(&timed->w_value, w[i] * value);
  }
}

static enum err take_times(struct attribution_pool *pool, const struct journey *journey, double value,
                           const struct attribution_settings *settings, double *ages, double *decay, double *w) {
  paths_step most = 0;
  for (size_t i = 0; i < journey->count; i++) {
    ages[i] = (double)(journey->conversion->time_us - journey->touches[i].time_us) / DAY_US;
    if (journey->touches[i].step > most) most = journey->touches[i].step;
  }
  if (!more_timed(pool, (size_t)most + 1)) return ERR_NO_MEMORY;
  heuristics_decay(ages, journey->count, (double)settings->half_life_us / DAY_US, decay);
  heuristics_w(journey->count, journey->lead, journey->close, w);
  add_timed(pool, journey, value, decay, w);
  return ERR_OK;
}

static enum err add_path(struct attribution_pool *pool, const struct journey *journey, double value,
                         const struct attribution_settings *settings, struct shares *shares, double *ages,
                         paths_step *steps, struct diag *diag) {
  bool converts = journey->conversion != NULL;
  const struct paths_figures figures = {converts, !converts, value, 0};
  for (size_t i = 0; i < journey->count; i++) steps[i] = journey->touches[i].step;
  enum err err = paths_add(&pool->paths, steps, journey->count, &figures, diag);
  if (err != ERR_OK || !converts || journey->count == 0) return err;
  double *decay = ages == shares->ages ? shares->decay : ages + journey->count;
  double *w = ages == shares->ages ? shares->w : decay + journey->count;
  return take_times(pool, journey, value, settings, ages, decay, w) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

enum err attribution_pool_add(struct attribution_pool *pool, const struct journey *journey, double value,
                              const struct attribution_settings *settings, struct diag *diag) {
  struct shares shares;
  if (pool->paths.row_count > ATTRIBUTION_ROWS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_paths",
                    "there are more than %d different paths; a transform such as \"exposure\" or \"last\": 20 in the "
                    "settings makes them fewer",
                    ATTRIBUTION_ROWS_MAX);
  if (journey->count <= TOUCHES_AT_ONCE)
    return add_path(pool, journey, value, settings, &shares, shares.ages, shares.steps, diag);
  double *ages = alloc_get(3 * journey->count * sizeof *ages);
  paths_step *steps = alloc_get(journey->count * sizeof *steps);
  enum err err = ages == NULL || steps == NULL ? diag_no_memory(diag)
                                               : add_path(pool, journey, value, settings, &shares, ages, steps, diag);
  alloc_free(ages);
  alloc_free(steps);
  return err;
}

// --- all parts -------------------------------------------------------------------------------------------------

struct merging {
  struct attribution_part *parts;
  struct paths steps;              // what steps are called, over all parts
  paths_step *numbers[WALK_PARTS]; // by a part's number: the number over all parts
  paths_step *final;               // by the number over all parts
  struct buffer translated;
  struct diag *diag;
};

static enum err number_steps(struct merging *merging) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < WALK_PARTS && err == ERR_OK; i++) {
    const struct paths_names *names = &merging->parts[i].steps.channels;
    if (names->count == 0) continue;
    merging->numbers[i] = alloc_get(names->count * sizeof(paths_step));
    if (merging->numbers[i] == NULL) return diag_no_memory(merging->diag);
    for (size_t j = 0; j < names->count && err == ERR_OK; j++)
      err = paths_channel(&merging->steps, names->names[j], &merging->numbers[i][j], merging->diag);
  }
  return err;
}

static enum err translate(struct merging *merging, const paths_step *steps, size_t count, const paths_step *numbers,
                          const paths_step **out) {
  buffer_clear(&merging->translated);
  if (!buffer_reserve(&merging->translated, (count + 1) * sizeof *steps)) return diag_no_memory(merging->diag);
  paths_step *to = (paths_step *)(void *)merging->translated.data;
  for (size_t i = 0; i < count; i++) to[i] = numbers[steps[i]];
  *out = to;
  return ERR_OK;
}

static struct paths_figures figures_of(const struct paths_row *row) {
  return (struct paths_figures){row->conversions, row->nulls, row->value, row->value_rest};
}

static void add_sum(struct attribution_sum *sum, const struct attribution_sum *more) {
  add_to(sum, more->sum);
  sum->rest += more->rest;
}

static enum err add_pool(struct merging *merging, const struct attribution_pool *pool, size_t part,
                         struct attribution_pool *into) {
  const paths_step *numbers = merging->numbers[part];
  size_t step_count = merging->parts[part].steps.channels.count;
  const struct paths *paths = &pool->paths;
  struct paths_figures figures = figures_of(&paths->empty);
  enum err err =
      figures.conversions > 0 || figures.nulls > 0 ? paths_add(&into->paths, NULL, 0, &figures, merging->diag) : ERR_OK;
  for (size_t i = 0; i < paths->row_count && err == ERR_OK; i++) {
    const paths_step *steps = NULL;
    figures = figures_of(&paths->rows[i]);
    err = translate(merging, paths_steps(paths, &paths->rows[i]), paths->rows[i].count, numbers, &steps);
    if (err == ERR_OK) err = paths_add(&into->paths, steps, paths->rows[i].count, &figures, merging->diag);
  }
  if (err == ERR_OK && !more_timed(into, merging->steps.channels.count)) return diag_no_memory(merging->diag);
  for (size_t i = 0; i < pool->timed_capacity && i < step_count && err == ERR_OK; i++) {
    const struct attribution_timed *timed = &pool->timed[i];
    struct attribution_timed *to = &into->timed[numbers[i]];
    add_sum(&to->decay_conversions, &timed->decay_conversions);
    add_sum(&to->decay_value, &timed->decay_value);
    add_sum(&to->w_conversions, &timed->w_conversions);
    add_sum(&to->w_value, &timed->w_value);
  }
  return err;
}

// --- the order of its own --------------------------------------------------------------------------------------

struct ordering {
  const struct paths *paths, *names;
};

static int by_text(const struct ordering *ordering, const struct paths_row *a, const struct paths_row *b) {
  const paths_step *left = paths_steps(ordering->paths, a), *right = paths_steps(ordering->paths, b);
  for (size_t i = 0; i < a->count && i < b->count; i++) {
    if (left[i] == right[i]) continue;
    return bytes_compare(ordering->names->channels.names[left[i]], ordering->names->channels.names[right[i]]);
  }
  return (a->count > b->count) - (a->count < b->count);
}

static int by_weight(const void *left, const void *right, void *context) {
  const struct ordering *ordering = context;
  const struct paths_row *a = &ordering->paths->rows[*(const uint32_t *)left];
  const struct paths_row *b = &ordering->paths->rows[*(const uint32_t *)right];
  if (a->conversions != b->conversions) return a->conversions > b->conversions ? -1 : 1;
  if (paths_value(a) != paths_value(b)) return paths_value(a) > paths_value(b) ? -1 : 1;
  if (a->nulls != b->nulls) return a->nulls > b->nulls ? -1 : 1;
  return by_text(ordering, a, b);
}

static uint32_t *sorted_rows(const struct paths *paths, const struct paths *names) {
  struct ordering ordering = {paths, names};
  uint32_t *order = alloc_get((paths->row_count + 1) * sizeof *order);
  if (order == NULL) return NULL;
  for (size_t i = 0; i < paths->row_count; i++) order[i] = (uint32_t)i;
  qsort_r(order, paths->row_count, sizeof *order, by_weight, &ordering);
  return order;
}

// Gives numbers to steps as they appear; of a set whose steps have them already nothing is new.
static enum err number_finally(struct merging *merging, const struct paths *paths, const uint32_t *order,
                               struct paths *out) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < paths->row_count && err == ERR_OK; i++) {
    const struct paths_row *row = &paths->rows[order[i]];
    const paths_step *steps = paths_steps(paths, row);
    for (size_t j = 0; j < row->count && err == ERR_OK; j++)
      if (merging->final[steps[j]] == UINT16_MAX)
        err = paths_channel(out, merging->steps.channels.names[steps[j]], &merging->final[steps[j]], merging->diag);
  }
  return err;
}

static enum err add_in_order(struct merging *merging, const struct paths *paths, const uint32_t *order,
                             struct paths *out) {
  enum err err = number_finally(merging, paths, order, out);
  for (size_t i = 0; i < paths->row_count && err == ERR_OK; i++) {
    const struct paths_row *row = &paths->rows[order[i]];
    const struct paths_figures figures = {row->conversions, row->nulls, paths_value(row), 0};
    const paths_step *steps = NULL;
    err = translate(merging, paths_steps(paths, row), row->count, merging->final, &steps);
    if (err == ERR_OK) err = paths_add(out, steps, row->count, &figures, merging->diag);
  }
  const struct paths_figures empty = {paths->empty.conversions, paths->empty.nulls, paths_value(&paths->empty), 0};
  if (err == ERR_OK && (empty.conversions > 0 || empty.nulls > 0)) err = paths_add(out, NULL, 0, &empty, merging->diag);
  return err;
}

// `raw` in its order. `numbered`: a set whose channels come first; NULL: none.
static enum err finish(struct merging *merging, const struct attribution_pool *raw, const struct paths *numbered,
                       struct attribution_pool *out) {
  enum err err = ERR_OK;
  for (size_t i = 0; numbered != NULL && i < numbered->channels.count && err == ERR_OK; i++) {
    paths_step step;
    err = paths_channel(&out->paths, numbered->channels.names[i], &step, merging->diag);
  }
  uint32_t *order = sorted_rows(&raw->paths, &merging->steps);
  if (order == NULL) err = diag_no_memory(merging->diag);
  if (err == ERR_OK) err = add_in_order(merging, &raw->paths, order, &out->paths);
  if (err == ERR_OK && !more_timed(out, out->paths.channels.count + 1)) err = diag_no_memory(merging->diag);
  for (size_t i = 0; i < merging->steps.channels.count && err == ERR_OK; i++)
    if (i < raw->timed_capacity && merging->final[i] != UINT16_MAX) out->timed[merging->final[i]] = raw->timed[i];
  out->paths.has_value = out->paths.has_nulls = true;
  alloc_free(order);
  return err;
}

// The pools that `which` finds in the parts (NULL: that part has none) become one.
typedef const struct attribution_pool *which_fn(const struct attribution_part *part, struct bytes name);

static enum err merge_pools(struct merging *merging, which_fn *which, struct bytes name, const struct paths *numbered,
                            struct attribution_pool *out) {
  struct attribution_pool raw = {0};
  enum err err = ERR_OK;
  paths_init(&raw.paths);
  paths_init(&out->paths);
  for (size_t i = 0; i < WALK_PARTS && err == ERR_OK; i++) {
    const struct attribution_part *part = &merging->parts[i];
    const struct attribution_pool *pool = part->machine != NULL ? which(part, name) : NULL;
    if (pool != NULL) err = add_pool(merging, pool, i, &raw);
  }
  if (err == ERR_OK) err = finish(merging, &raw, numbered, out);
  attribution_pool_release(&raw);
  return err;
}

static const struct attribution_pool *of_all(const struct attribution_part *part, struct bytes name) {
  (void)name;
  return &part->all;
}
static const struct attribution_pool *of_fresh(const struct attribution_part *part, struct bytes name) {
  (void)name;
  return &part->fresh;
}
static const struct attribution_pool *of_group(const struct attribution_part *part, struct bytes name) {
  int64_t number = paths_channel_find(&part->group_names, name);
  return number < 0 ? NULL : &part->groups[number];
}

// --- groups ----------------------------------------------------------------------------------------------------

static int by_bytes(const void *a, const void *b) {
  return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static enum err name_groups(struct merging *merging, struct attribution_journeys *journeys) {
  struct paths names;
  paths_init(&names);
  enum err err = ERR_OK;
  for (size_t i = 0; i < WALK_PARTS; i++)
    for (size_t j = 0; j < merging->parts[i].group_names.channels.count && err == ERR_OK; j++) {
      paths_step number;
      err = paths_channel(&names, merging->parts[i].group_names.channels.names[j], &number, merging->diag);
    }
  size_t count = names.channels.count;
  if (err == ERR_OK && count > ATTRIBUTION_GROUPS_MAX)
    err = diag_set(merging->diag, ERR_LIMIT, "too_many_groups", "there are %zu groups; at most %d are taken", count,
                   ATTRIBUTION_GROUPS_MAX);
  if (err == ERR_OK) {
    journeys->group_names = arena_take(&journeys->arena, (count + 1) * sizeof *journeys->group_names);
    if (journeys->group_names == NULL) err = diag_no_memory(merging->diag);
  }
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    journeys->group_names[i] = arena_copy(&journeys->arena, names.channels.names[i]);
    if (journeys->group_names[i].data == NULL) err = diag_no_memory(merging->diag);
  }
  paths_release(&names);
  if (err != ERR_OK) return err;
  if (count > 0) qsort(journeys->group_names, count, sizeof *journeys->group_names, by_bytes);
  journeys->groups = alloc_zero(count + 1, sizeof *journeys->groups);
  journeys->group_count = journeys->groups == NULL ? 0 : count;
  return journeys->groups == NULL ? diag_no_memory(merging->diag) : ERR_OK;
}

static enum err merge_lags(struct merging *merging, const struct attribution_settings *settings,
                           struct attribution_journeys *journeys) {
  journeys->lag_count = (size_t)(settings->lookback_us / CLOCK_DAY_US) + 1;
  journeys->lags = arena_take_zero(&journeys->arena, journeys->lag_count, sizeof *journeys->lags);
  if (journeys->lags == NULL) return diag_no_memory(merging->diag);
  for (size_t i = 0; i < WALK_PARTS; i++) {
    const struct attribution_part *part = &merging->parts[i];
    journeys->customers += part->customers;
    journeys->touches += part->touches;
    for (size_t j = 0; j < part->lag_count && part->lags != NULL; j++) {
      journeys->lags[j].conversions += part->lags[j].conversions;
      add_sum(&journeys->lags[j].value, &part->lags[j].value);
    }
  }
  return ERR_OK;
}

static enum err merge_all(struct merging *merging, const struct attribution_walk *walk,
                          struct attribution_journeys *journeys) {
  enum err err = number_steps(merging);
  if (err != ERR_OK) return err;
  size_t count = merging->steps.channels.count;
  merging->final = alloc_get((count + 1) * sizeof *merging->final);
  if (merging->final == NULL) return diag_no_memory(merging->diag);
  memset(merging->final, 0xff, (count + 1) * sizeof *merging->final);
  err = merge_pools(merging, of_all, BYTES(""), NULL, &journeys->all);
  const struct paths *numbered = &journeys->all.paths;
  if (err == ERR_OK) err = merge_pools(merging, of_fresh, BYTES(""), numbered, &journeys->fresh);
  if (err == ERR_OK) err = name_groups(merging, journeys);
  for (size_t i = 0; i < journeys->group_count && err == ERR_OK; i++)
    err = merge_pools(merging, of_group, journeys->group_names[i], numbered, &journeys->groups[i]);
  return err == ERR_OK ? merge_lags(merging, walk->settings, journeys) : err;
}

enum err attribution_merge(struct attribution_part *parts, const struct attribution_walk *walk,
                           struct attribution_journeys *journeys, struct diag *diag) {
  struct merging merging = {.parts = parts, .diag = diag};
  paths_init(&merging.steps);
  buffer_init(&merging.translated);
  enum err err = merge_all(&merging, walk, journeys);
  for (size_t i = 0; i < WALK_PARTS; i++) alloc_free(merging.numbers[i]);
  alloc_free(merging.final);
  buffer_release(&merging.translated);
  paths_release(&merging.steps);
  return err;
}

void attribution_journeys_release(struct attribution_journeys *journeys) {
  for (size_t i = 0; i < journeys->group_count; i++) attribution_pool_release(&journeys->groups[i]);
  alloc_free(journeys->groups);
  attribution_pool_release(&journeys->all);
  attribution_pool_release(&journeys->fresh);
  arena_release(&journeys->arena);
}
