// clv_groups: equal histories counted, and the different values of each number found.
//
// Sorted by frequency, age, recency and weight, so that the order of the customers changes nothing but which of two
// equal ones is read first.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "scoring/clv_private.h"
#include "scoring/special.h"

static int by_number(double a, double b) {
  return (a > b) - (a < b);
}

static int by_history(const void *left, const void *right) {
  const struct clv_history *a = left, *b = right;
  int order = by_number(a->frequency, b->frequency);
  if (order == 0) order = by_number(a->age, b->age);
  if (order == 0) order = by_number(a->recency, b->recency);
  return order != 0 ? order : by_number(a->weight, b->weight);
}

static int by_value(const void *left, const void *right) {
  return by_number(*(const double *)left, *(const double *)right);
}

static bool same(const struct clv_history *a, const struct clv_history *b) {
  return a->frequency == b->frequency && a->age == b->age && a->recency == b->recency;
}

// Equal neighbours become one; returns how many are left.
static size_t merge_equal(struct clv_history *sorted, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (kept > 0 && same(&sorted[kept - 1], &sorted[i]))
      sorted[kept - 1].weight += sorted[i].weight;
    else
      sorted[kept++] = sorted[i];
  }
  return kept;
}

static double number_of(const struct clv_history *history, int which) {
  return which == 0 ? history->frequency : which == 1 ? history->recency : history->age;
}

static bool axis_init(struct clv_axis *axis, const struct clv_history *rows, size_t count, int which) {
  axis->values = alloc_zero(count, sizeof *axis->values);
  axis->logs = alloc_zero(count, sizeof *axis->logs);
  axis->inverses = alloc_zero(count, sizeof *axis->inverses);
  if (axis->values == NULL || axis->logs == NULL || axis->inverses == NULL) return false;
  for (size_t i = 0; i < count; i++) axis->values[i] = number_of(&rows[i], which);
  qsort(axis->values, count, sizeof *axis->values, by_value);
  for (size_t i = 0; i < count; i++)
    if (axis->count == 0 || axis->values[axis->count - 1] != axis->values[i])
      axis->values[axis->count++] = axis->values[i];
  return true;
}

static uint32_t axis_find(const struct clv_axis *axis, double value) {
  size_t least = 0, most = axis->count;
  while (most - least > 1) {
    size_t middle = least + (most - least) / 2;
    if (axis->values[middle] <= value)
      least = middle;
    else
      most = middle;
  }
  return (uint32_t)least;
}

static void axis_release(struct clv_axis *axis) {
  alloc_free(axis->values);
  alloc_free(axis->logs);
  alloc_free(axis->inverses);
}

static void fill(struct clv_groups *groups, const struct clv_history *rows) {
  struct special_sum customers = {0}, ages = {0};
  for (size_t i = 0; i < groups->count; i++) {
    groups->frequency[i] = axis_find(&groups->frequencies, rows[i].frequency);
    groups->recency[i] = axis_find(&groups->recencies, rows[i].recency);
    groups->age[i] = axis_find(&groups->ages, rows[i].age);
    groups->weight[i] = rows[i].weight;
    groups->frequency_weight[groups->frequency[i]] += rows[i].weight;
    special_sum_add(&customers, rows[i].weight);
    special_sum_add(&ages, rows[i].weight * rows[i].age);
  }
  groups->customers = special_sum_total(&customers);
  groups->age_scale = special_sum_total(&ages) / groups->customers;
}

static bool rooms_init(struct clv_groups *groups, const struct clv_history *rows) {
  size_t count = groups->count;
  groups->frequency = alloc_zero(count, sizeof *groups->frequency);
  groups->recency = alloc_zero(count, sizeof *groups->recency);
  groups->age = alloc_zero(count, sizeof *groups->age);
  groups->weight = alloc_zero(count, sizeof *groups->weight);
  if (groups->frequency == NULL || groups->recency == NULL || groups->age == NULL || groups->weight == NULL)
    return false;
  if (!axis_init(&groups->frequencies, rows, count, 0) || !axis_init(&groups->recencies, rows, count, 1) ||
      !axis_init(&groups->ages, rows, count, 2))
    return false;
  groups->frequency_weight = alloc_zero(groups->frequencies.count, sizeof *groups->frequency_weight);
  return groups->frequency_weight != NULL;
}

enum err clv_groups_init(struct clv_groups *groups, const struct clv_history *histories, size_t count,
                         struct diag *diag) {
  *groups = (struct clv_groups){0};
  if (count > UINT32_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_customers",
                    "more than 4,294,967,295 customers cannot be fitted at once");
  struct clv_history *rows = count == 0 ? NULL : alloc_zero(count, sizeof *rows);
  if (rows == NULL) return diag_no_memory(diag);
  memcpy(rows, histories, count * sizeof *rows);
  qsort(rows, count, sizeof *rows, by_history);
  groups->count = merge_equal(rows, count);
  bool made = rooms_init(groups, rows);
  if (made) fill(groups, rows);
  alloc_free(rows);
  return made ? ERR_OK : diag_no_memory(diag);
}

void clv_groups_release(struct clv_groups *groups) {
  alloc_free(groups->frequency);
  alloc_free(groups->recency);
  alloc_free(groups->age);
  alloc_free(groups->weight);
  alloc_free(groups->frequency_weight);
  axis_release(&groups->frequencies);
  axis_release(&groups->recencies);
  axis_release(&groups->ages);
}

struct clv_history clv_groups_row(const struct clv_groups *groups, size_t index) {
  return (struct clv_history){.frequency = groups->frequencies.values[groups->frequency[index]],
                              .recency = groups->recencies.values[groups->recency[index]],
                              .age = groups->ages.values[groups->age[index]],
                              .weight = groups->weight[index]};
}
