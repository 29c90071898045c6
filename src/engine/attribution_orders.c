// attribution_orders: orders gathered by parts of the walk, and told in order of time.
//
// Invariants:
//   1. An order's shares are those of markov_path_shares over the journey as the paths have it: transforms are done.
//   2. The order of rows is that of (time, customer, ordinal), which no two orders share: parts and threads do not
//   show.
#include "engine/attribution_orders.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "customer/record.h"
#include "engine/trade.h"

// --- what came twice -------------------------------------------------------------------------------------------

static enum err read_ids(struct attribution_hand *hand, const struct journey_conversion *conversions, size_t count,
                         struct arena *arena, struct bytes *ids) {
  for (size_t i = 0; i < count; i++) {
    struct bytes id;
    hand_take(hand, conversions[i].event);
    enum err err = hand_label(hand, hand->settings->order_id, arena, &id);
    if (err != ERR_OK) return err;
    if (id.size_bytes == 0) continue;
    ids[i] = arena_copy(arena, id); // it may lie in the message
    if (ids[i].data == NULL) return ERR_NO_MEMORY;
  }
  return ERR_OK;
}

static enum err drop_repeats(struct journey_conversion *conversions, struct bytes *ids, size_t *count,
                             struct arena *arena) {
  size_t kept = 0;
  bool *drop;
  enum err err = trade_repeats(ids, *count, arena, &drop);
  if (err != ERR_OK || drop == NULL) return err;
  for (size_t i = 0; i < *count; i++) {
    if (drop[i]) continue;
    conversions[kept] = conversions[i];
    ids[kept++] = ids[i];
  }
  *count = kept;
  return ERR_OK;
}

enum err attribution_orders_once(struct attribution_hand *hand, bool told, struct journey_conversion *conversions,
                                 size_t *count, struct arena *arena, struct bytes **ids) {
  *ids = NULL;
  if (!told && (*count < 2 || hand->settings->order_id == NULL)) return ERR_OK;
  *ids = arena_take_zero(arena, *count + 1, sizeof **ids);
  if (*ids == NULL) return ERR_NO_MEMORY;
  enum err err = read_ids(hand, conversions, *count, arena, *ids);
  return err == ERR_OK ? drop_repeats(conversions, *ids, count, arena) : err;
}

// --- gathering -------------------------------------------------------------------------------------------------

void attribution_orders_init(struct attribution_orders *orders, const struct paths *paths,
                             const struct markov *markov) {
  *orders = (struct attribution_orders){.paths = paths, .markov = markov};
  for (size_t i = 0; i < WALK_PARTS; i++) arena_init(&orders->parts[i].arena, 0);
}

void attribution_orders_release(struct attribution_orders *orders) {
  for (size_t i = 0; i < WALK_PARTS; i++) {
    arena_release(&orders->parts[i].arena);
    alloc_free(orders->parts[i].items);
    orders->parts[i].items = NULL;
  }
}

static bool more_orders(struct attribution_orders_part *part) {
  if (part->count < part->capacity) return true;
  size_t capacity = part->capacity == 0 ? 64 : 2 * part->capacity;
  struct attribution_order *grown = alloc_resize(part->items, capacity * sizeof *grown);
  if (grown == NULL) return false;
  part->items = grown;
  part->capacity = capacity;
  return true;
}

// The journey's steps by the numbers of all journeys. An exclusion that asks for something as of now can let a customer
// in whom the walk before left out: a channel that she alone has is of no effect, and is passed over.
static size_t number_steps(const struct attribution_orders *orders, const struct paths_names *names,
                           const struct journey *journey, paths_step *steps) {
  size_t count = 0;
  for (size_t i = 0; i < journey->count; i++) {
    int64_t number = paths_channel_find(orders->paths, names->names[journey->touches[i].step]);
    if (number >= 0) steps[count++] = (paths_step)number;
  }
  return count;
}

static bool keep_shares(struct attribution_orders_part *part, const paths_step *channels, const double *shares,
                        struct attribution_order *order) {
  paths_step *kept_channels = arena_take(&part->arena, (order->count + 1) * sizeof *kept_channels);
  double *kept_shares = arena_take(&part->arena, (order->count + 1) * sizeof *kept_shares);
  if (kept_channels == NULL || kept_shares == NULL) return false;
  for (size_t i = 0; i < order->count; i++) {
    kept_channels[i] = channels[i];
    kept_shares[i] = shares[i];
  }
  order->channels = kept_channels;
  order->shares = kept_shares;
  return true;
}

enum err attribution_orders_add(struct attribution_orders *orders, size_t part, const struct paths_names *steps,
                                uint64_t customer, const struct journey *journey, struct bytes id,
                                struct arena *scratch, struct diag *diag) {
  struct attribution_orders_part *into = &orders->parts[part];
  paths_step *numbers = arena_take(scratch, (journey->count + 1) * sizeof *numbers);
  paths_step *channels = arena_take(scratch, (journey->count + 1) * sizeof *channels);
  double *shares = arena_take(scratch, (journey->count + 1) * sizeof *shares);
  if (numbers == NULL || channels == NULL || shares == NULL || !more_orders(into)) return diag_no_memory(diag);
  size_t count = number_steps(orders, steps, journey, numbers);
  struct attribution_order order = {.time_us = journey->conversion->time_us,
                                    .customer = customer,
                                    .ordinal = journey->ordinal,
                                    .value = journey->conversion->value,
                                    .count = markov_path_shares(orders->markov, numbers, count, channels, shares)};
  if (id.size_bytes > 0) order.id = arena_copy(&into->arena, id);
  if (id.size_bytes > 0 && order.id.data == NULL) return diag_no_memory(diag);
  if (!keep_shares(into, channels, shares, &order)) return diag_no_memory(diag);
  into->items[into->count++] = order;
  return ERR_OK;
}

// --- how many --------------------------------------------------------------------------------------------------

static uint64_t count_different(const paths_step *steps, size_t count, size_t *seen_in, size_t stamp) {
  uint64_t different = 0;
  for (size_t i = 0; i < count; i++) {
    different += seen_in[steps[i]] != stamp;
    seen_in[steps[i]] = stamp;
  }
  return different;
}

enum err attribution_orders_fit(const struct paths *paths, int64_t days, struct diag *diag) {
  uint64_t rows = paths->empty.conversions;
  size_t *seen_in = alloc_zero(paths->channels.count + 1, sizeof *seen_in);
  if (seen_in == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < paths->row_count; i++) {
    const struct paths_row *row = &paths->rows[i];
    if (row->conversions > 0)
      rows += row->conversions * count_different(paths_steps(paths, row), row->count, seen_in, i + 1);
  }
  alloc_free(seen_in);
  if (rows <= REPORT_ROWS_MAX) return ERR_OK;
  int64_t fit = (int64_t)((double)days * REPORT_ROWS_MAX / (double)rows);
  diag_set(diag, ERR_LIMIT, "too_large",
           "the table of orders would have %" PRIu64 " rows, and a table has at most %d: narrow the period with "
           "\"from\" and \"to\" to about %" PRId64 " of its %" PRId64 " days, and take one after the other",
           rows, REPORT_ROWS_MAX, fit > 0 ? fit : 1, days);
  diag_in_field(diag, "orders");
  return ERR_LIMIT;
}

// --- the table -------------------------------------------------------------------------------------------------

static int by_time(const void *left, const void *right) {
  const struct attribution_order *a = *(const struct attribution_order *const *)left;
  const struct attribution_order *b = *(const struct attribution_order *const *)right;
  if (a->time_us != b->time_us) return a->time_us < b->time_us ? -1 : 1;
  if (a->customer != b->customer) return a->customer < b->customer ? -1 : 1;
  return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static void write_order(const struct attribution_orders *orders, const struct attribution_order *order,
                        struct report *report) {
  char time[CLOCK_TEXT_BYTES], customer[CUSTOMER_ID_TEXT_BYTES];
  clock_format(order->time_us, time);
  customer_id_format(order->customer, customer);
  for (size_t i = 0; i < order->count || i == 0; i++) {
    double share = order->count > 0 ? order->shares[i] : 1;
    report_text(report, bytes_from_text(time));
    report_text(report, bytes_from_text(customer));
    if (order->id.size_bytes > 0)
      report_text(report, order->id);
    else
      report_none(report);
    report_number(report, order->value);
    if (order->count > 0)
      report_text(report, orders->paths->channels.names[order->channels[i]]);
    else
      report_none(report);
    report_number(report, share);
    report_number(report, share * order->value);
  }
}

enum err attribution_orders_write(const struct attribution_orders *orders, struct report *report, struct diag *diag) {
  static const struct report_column COLUMNS[] = {
      {"time", "Time (UTC)", REPORT_TEXT},      {"customer_id", "Customer", REPORT_TEXT},
      {"order_id", "Order", REPORT_TEXT},       {"order_value", "Value of the order", REPORT_NUMBER},
      {"channel_name", "Channel", REPORT_TEXT}, {"conversions", "Part of the order", REPORT_NUMBER},
      {"value", "Value", REPORT_NUMBER},
  };
  size_t count = 0, found = 0;
  for (size_t i = 0; i < WALK_PARTS; i++) count += orders->parts[i].count;
  const struct attribution_order **sorted = alloc_get((count + 1) * sizeof *sorted);
  if (sorted == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < WALK_PARTS; i++)
    for (size_t k = 0; k < orders->parts[i].count; k++) sorted[found++] = &orders->parts[i].items[k];
  qsort(sorted, count, sizeof *sorted, by_time);
  report_table(report, "orders", "What each order gives its channels, by the Markov model", COLUMNS,
               sizeof COLUMNS / sizeof *COLUMNS);
  for (size_t i = 0; i < count; i++) write_order(orders, sorted[i], report);
  alloc_free(sorted);
  return report_failed(report, diag);
}
