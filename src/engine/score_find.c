// score_find.c: the thresholds of a score, over everybody's orders.
//
// Each part of the walk gathers a line for each customer and range: how old the last order is, how many there are, for
// how much. Lines of one range are put side by side and each measure is sorted, so that bounds do not depend on how the
// walk went. Ranges of an "auto" are numbered by each part as they come, and by their names at the end.
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/score.h"

enum { FIRST_ROOM = 256 };

struct line {
  double amount;
  int32_t recency_days;
  uint32_t orders;
};

struct gathered {
  struct line line;
  uint32_t range; // 0: all products; else the part's own number + 1
};

struct part {
  struct roster ranges;
  struct gathered *items;
  size_t count, room;
};

struct finding {
  const struct trade *trade;
  struct scheme *scheme;
  const struct rule_zone *zone;
  int64_t at_us, today;
  struct part parts[WALK_PARTS];
};

// --- gathering -------------------------------------------------------------------------------------------------

static enum err gather(struct part *part, uint32_t range, const struct rfm_summary *summary) {
  if (summary->orders == 0) return ERR_OK;
  if (part->count == part->room) {
    size_t room = part->room == 0 ? FIRST_ROOM : part->room * 2;
    struct gathered *more = alloc_resize(part->items, room * sizeof *more);
    if (more == NULL) return ERR_NO_MEMORY;
    part->items = more;
    part->room = room;
  }
  bool huge = summary->orders > UINT32_MAX;
  part->items[part->count++] = (struct gathered){.range = range,
                                                 .line = {.amount = rfm_double(summary->amount),
                                                          .recency_days = (int32_t)summary->recency_days,
                                                          .orders = huge ? UINT32_MAX : (uint32_t)summary->orders}};
  return ERR_OK;
}

static enum err number_ranges(struct part *part, const struct trade_order *orders, size_t count) {
  uint32_t number;
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; err == ERR_OK && k < orders[i].item_count && part->ranges.count < RFM_RANGES_MAX; k++) {
      struct bytes range = orders[i].items[k].range;
      if (orders[i].returned || range.size_bytes == 0 || range.size_bytes > SCHEME_RANGE_BYTES) continue;
      if (!bytes_equal(range, BYTES(SCHEME_ALL))) err = roster_number(&part->ranges, range, &number);
    }
  return err;
}

static enum err look(void *state, size_t part_index, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct finding *finding = state;
  struct part *part = &finding->parts[part_index];
  const struct scheme *scheme = finding->scheme;
  const struct trade_order *orders;
  size_t count;
  bool items = scheme->automatic || scheme->range_count > 0;
  enum err err =
      trade_orders(finding->trade, facts, INT64_MIN, finding->at_us + 1, items, arena, &orders, &count, diag);
  if (err != ERR_OK || count == 0) return err;
  if (scheme->automatic) err = number_ranges(part, orders, count);
  if (err != ERR_OK) return diag_no_memory(diag);
  struct score_slot *slots = arena_take_zero(arena, part->ranges.count + 1, sizeof *slots);
  if (slots == NULL) return diag_no_memory(diag);
  struct score_tally tally = {finding->zone, scheme->length, &part->ranges};
  // A customer whose sums are out of bounds has no score, and no part in the thresholds.
  if (score_add_up(&tally, orders, count, finding->at_us, slots, NULL) != ERR_OK) return ERR_OK;
  for (size_t i = 0; err == ERR_OK && i <= part->ranges.count; i++) {
    struct rfm_summary summary = score_summary(finding->zone, &slots[i], finding->today);
    err = gather(part, (uint32_t)i, &summary);
  }
  return err == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

// --- ranges that were seen -------------------------------------------------------------------------------------

struct seen {
  struct bytes name;
  uint64_t customers;
};

static int by_customers(const void *left, const void *right) {
  const struct seen *a = left, *b = right;
  if (a->customers != b->customers) return a->customers > b->customers ? -1 : 1;
  return bytes_compare(a->name, b->name);
}

static int by_name(const void *left, const void *right) {
  return bytes_compare(((const struct seen *)left)->name, ((const struct seen *)right)->name);
}

// `seen` has room for all.
static enum err count_part(const struct part *part, struct roster *all, struct seen *seen) {
  uint32_t number = 0;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < part->ranges.count; i++) {
    err = roster_number(all, part->ranges.items[i], &number);
    if (err == ERR_OK) seen[number].name = all->items[number];
  }
  for (size_t i = 0; err == ERR_OK && i < part->count; i++)
    if (part->items[i].range > 0 && roster_find(all, part->ranges.items[part->items[i].range - 1], &number))
      seen[number].customers++;
  return err;
}

// Those that most customers bought of, at most SCHEME_RANGES_MAX, by their names.
static enum err choose(struct scheme *scheme, struct seen *seen, size_t count, struct arena *arena) {
  if (count > 1) qsort(seen, count, sizeof *seen, by_customers);
  if (count > SCHEME_RANGES_MAX) count = SCHEME_RANGES_MAX;
  if (count > 1) qsort(seen, count, sizeof *seen, by_name);
  enum err err = scheme_make_room(scheme, count, arena);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    scheme->ranges[i] = arena_copy(arena, seen[i].name);
    if (scheme->ranges[i].data == NULL) err = ERR_NO_MEMORY;
  }
  return err;
}

static enum err choose_ranges(struct finding *finding, struct arena *arena) {
  struct roster all;
  size_t room = 1;
  roster_init(&all);
  for (size_t i = 0; i < WALK_PARTS; i++) room += finding->parts[i].ranges.count;
  struct seen *seen = alloc_zero(room, sizeof *seen);
  enum err err = seen == NULL ? ERR_NO_MEMORY : ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < WALK_PARTS; i++) err = count_part(&finding->parts[i], &all, seen);
  if (err == ERR_OK) err = choose(finding->scheme, seen, all.count, arena);
  alloc_free(seen);
  roster_release(&all);
  return err;
}

// --- bounds ----------------------------------------------------------------------------------------------------

// The scheme's number of a part's range, 0 for all products; UINT32_MAX: it is none of the scheme's.
static uint32_t *map_ranges(const struct scheme *scheme, const struct part *part) {
  uint32_t *map = alloc_zero(part->ranges.count + 1, sizeof *map);
  for (size_t i = 0; map != NULL && i < part->ranges.count; i++) {
    map[i + 1] = UINT32_MAX;
    for (size_t k = 0; k < scheme->range_count; k++)
      if (bytes_equal(scheme->ranges[k], part->ranges.items[i])) map[i + 1] = (uint32_t)k + 1;
  }
  return map;
}

struct sorting {
  size_t ends[SCHEME_RANGES_MAX + 2]; // of each range: first how many lines, then where the next goes
  struct line *lines;
};

// Each line's number becomes that of the scheme.
static enum err renumber(struct finding *finding, struct sorting *sorting) {
  for (size_t i = 0; i < WALK_PARTS; i++) {
    struct part *part = &finding->parts[i];
    uint32_t *map = map_ranges(finding->scheme, part);
    if (map == NULL) return ERR_NO_MEMORY;
    for (size_t k = 0; k < part->count; k++) {
      part->items[k].range = map[part->items[k].range];
      if (part->items[k].range != UINT32_MAX) sorting->ends[part->items[k].range]++;
    }
    alloc_free(map);
  }
  return ERR_OK;
}

static enum err put_side_by_side(struct finding *finding, struct sorting *sorting) {
  size_t sum = 0;
  for (size_t i = 0; i <= finding->scheme->range_count; i++) {
    size_t here = sorting->ends[i];
    sorting->ends[i] = sum;
    sum += here;
  }
  sorting->lines = alloc_get((sum + 1) * sizeof *sorting->lines);
  if (sorting->lines == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < WALK_PARTS; i++) {
    struct part *part = &finding->parts[i];
    for (size_t k = 0; k < part->count; k++)
      if (part->items[k].range != UINT32_MAX)
        sorting->lines[sorting->ends[part->items[k].range]++] = part->items[k].line;
    alloc_free(part->items); // half of the memory, as soon as it can be given back
    part->items = NULL;
  }
  return ERR_OK;
}

static void find_bounds(const struct scheme *scheme, const struct line *lines, size_t count, double *values,
                        struct rfm_thresholds *bounds) {
  *bounds = (struct rfm_thresholds){.bins = count == 0 ? 0 : scheme->bins};
  for (int measure = 0; count > 0 && measure < RFM_MEASURES; measure++) {
    for (size_t i = 0; i < count; i++)
      values[i] = measure == RFM_RECENCY     ? lines[i].recency_days
                  : measure == RFM_FREQUENCY ? lines[i].orders
                                             : lines[i].amount;
    rfm_bounds_find(scheme->method, scheme->bins, values, count, bounds->bounds[measure]);
  }
}

static enum err find_all(struct finding *finding) {
  struct scheme *scheme = finding->scheme;
  struct sorting sorting = {.lines = NULL};
  size_t most = 0, begin = 0;
  enum err err = renumber(finding, &sorting);
  for (size_t i = 0; i <= scheme->range_count; i++)
    if (sorting.ends[i] > most) most = sorting.ends[i];
  if (err == ERR_OK) err = put_side_by_side(finding, &sorting);
  double *values = err == ERR_OK ? alloc_get((most + 1) * sizeof *values) : NULL;
  if (err == ERR_OK && values == NULL) err = ERR_NO_MEMORY;
  for (size_t i = 0; err == ERR_OK && i <= scheme->range_count; begin = sorting.ends[i++])
    find_bounds(scheme, sorting.lines + begin, sorting.ends[i] - begin, values, &scheme->bounds[i]);
  alloc_free(values);
  alloc_free(sorting.lines);
  return err;
}

// --- the whole -------------------------------------------------------------------------------------------------

static enum err prepare(struct finding *finding) {
  const struct scheme *scheme = finding->scheme;
  enum err err = ERR_OK;
  uint32_t number;
  for (size_t i = 0; i < WALK_PARTS; i++) {
    roster_init(&finding->parts[i].ranges);
    for (size_t k = 0; err == ERR_OK && !scheme->automatic && k < scheme->range_count; k++)
      err = roster_number(&finding->parts[i].ranges, scheme->ranges[k], &number);
  }
  return err;
}

enum err score_find(struct engine_view *view, const struct trade *trade, int64_t at_us,
                    engine_query_progress_fn *progress, void *context, struct arena *arena, struct scheme *scheme,
                    struct diag *diag) {
  struct walk_options walk = {.view = view, .progress = progress, .context = context};
  struct finding *finding = alloc_zero(1, sizeof *finding);
  if (finding == NULL) return diag_no_memory(diag);
  finding->trade = trade;
  finding->scheme = scheme;
  finding->zone = engine_zone(view->engine);
  finding->at_us = at_us;
  finding->today = score_day(finding->zone, at_us);
  walk.name_count = trade_names(trade, &walk.names);
  enum err err = prepare(finding);
  if (err != ERR_OK) err = diag_no_memory(diag);
  if (err == ERR_OK) err = walk_customers(&walk, look, finding, diag);
  if (err == ERR_OK && scheme->automatic && choose_ranges(finding, arena) != ERR_OK) err = diag_no_memory(diag);
  if (err == ERR_OK && find_all(finding) != ERR_OK) err = diag_no_memory(diag);
  for (size_t i = 0; i < WALK_PARTS; i++) {
    roster_release(&finding->parts[i].ranges);
    alloc_free(finding->parts[i].items);
  }
  alloc_free(finding);
  return err;
}
