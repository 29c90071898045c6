// rfm_book: orders as they come, in any order, become summaries.
//
// Invariants: totals has one entry a customer, parts one a pair; an entry without orders is of a customer whose orders
// are all later than the day of the book, or whose order was counted already.
#include <string.h>

#include "base/alloc.h"
#include "scoring/rfm.h"

void rfm_book_init(struct rfm_book *book, int32_t at_day) {
  *book = (struct rfm_book){.at_day = at_day};
  roster_init(&book->customers);
  roster_init(&book->ranges);
  roster_init(&book->pairs);
  roster_init(&book->orders);
}

void rfm_book_release(struct rfm_book *book) {
  roster_release(&book->customers);
  roster_release(&book->ranges);
  roster_release(&book->pairs);
  roster_release(&book->orders);
  alloc_free(book->totals);
  alloc_free(book->parts);
}

// Room for `count` summaries; new ones are empty.
static bool make_room(struct rfm_summary **summaries, size_t *room, size_t count) {
  if (count <= *room) return true;
  size_t wanted = count < 64 ? 64 : 2 * count;
  struct rfm_summary *grown = alloc_resize(*summaries, wanted * sizeof *grown);
  if (grown == NULL) return false;
  memset(grown + *room, 0, (wanted - *room) * sizeof *grown);
  *summaries = grown;
  *room = wanted;
  return true;
}

static enum err add_to(struct rfm_summary *summary, int64_t recency_days, bool is_new, struct decimal amount,
                       struct diag *diag) {
  if (summary->orders == 0 || recency_days < summary->recency_days) summary->recency_days = recency_days;
  summary->orders += is_new;
  if (decimal_add(summary->amount, amount, &summary->amount) == ERR_OK) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "amount_too_large", "the sum of a customer's amounts is too large");
}

struct pair {
  uint32_t customer, range;
};

// True when no row of this order came before. `range` UINT32_MAX: of the customer, whatever the range.
static enum err note_order(struct rfm_book *book, struct pair pair, struct bytes id, bool *is_new, struct diag *diag) {
  struct buffer key;
  uint32_t number;
  size_t before = book->orders.count;
  *is_new = true;
  if (id.size_bytes == 0) return ERR_OK;
  buffer_init(&key);
  buffer_append(&key, &pair, sizeof pair);
  buffer_append_bytes(&key, id);
  enum err err = key.failed ? ERR_NO_MEMORY : roster_number(&book->orders, buffer_view(&key), &number);
  buffer_release(&key);
  *is_new = book->orders.count > before;
  return err == ERR_NO_MEMORY ? diag_no_memory(diag)
         : err == ERR_LIMIT ? diag_set(diag, ERR_LIMIT, "too_many_orders", "there are more than %d orders", ROSTER_MAX)
                            : ERR_OK;
}

static enum err add_part(struct rfm_book *book, uint32_t customer, const struct rfm_order *order, struct diag *diag) {
  struct pair pair = {.customer = customer};
  uint32_t number;
  bool is_new;
  enum err err = roster_number(&book->ranges, order->range, &pair.range);
  if (err == ERR_OK && book->ranges.count > RFM_RANGES_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_ranges",
                    "there are more than %d ranges of products; is it the right column?", RFM_RANGES_MAX);
  if (err == ERR_OK) err = roster_number(&book->pairs, bytes_of(&pair, sizeof pair), &number);
  if (err != ERR_OK || !make_room(&book->parts, &book->part_room, book->pairs.count)) return diag_no_memory(diag);
  err = note_order(book, pair, order->id, &is_new, diag);
  if (err != ERR_OK) return err;
  return add_to(&book->parts[number], (int64_t)book->at_day - order->day, is_new, order->amount, diag);
}

enum err rfm_book_add(struct rfm_book *book, const struct rfm_order *order, struct diag *diag) {
  uint32_t customer;
  bool is_new;
  if (order->customer.size_bytes == 0) return diag_set(diag, ERR_INVALID, "no_customer", "the customer is empty");
  enum err err = roster_number(&book->customers, order->customer, &customer);
  if (err != ERR_OK || !make_room(&book->totals, &book->total_room, book->customers.count)) return diag_no_memory(diag);
  book->rows++;
  if (order->day > book->at_day) {
    book->late++;
    return ERR_OK;
  }
  err = note_order(book, (struct pair){customer, UINT32_MAX}, order->id, &is_new, diag);
  if (err == ERR_OK)
    err = add_to(&book->totals[customer], (int64_t)book->at_day - order->day, is_new, order->amount, diag);
  return err == ERR_OK && order->range.size_bytes > 0 ? add_part(book, customer, order, diag) : err;
}

enum err rfm_book_put(struct rfm_book *book, struct bytes customer, const struct rfm_summary *summary,
                      struct diag *diag) {
  uint32_t number;
  size_t before = book->customers.count;
  if (customer.size_bytes == 0) return diag_set(diag, ERR_INVALID, "no_customer", "the customer is empty");
  enum err err = roster_number(&book->customers, customer, &number);
  bool again = err == ERR_OK && book->customers.count == before;
  if (again) err = roster_again(&book->customers, customer, &number);
  if (err != ERR_OK || !make_room(&book->totals, &book->total_room, book->customers.count)) return diag_no_memory(diag);
  book->again += again;
  book->rows++;
  if (summary->recency_days < 0)
    book->late++;
  else
    book->totals[number] = *summary;
  return ERR_OK;
}

void rfm_book_pair(const struct rfm_book *book, size_t index, uint32_t *customer, uint32_t *range) {
  struct pair pair;
  memcpy(&pair, book->pairs.items[index].data, sizeof pair);
  *customer = pair.customer;
  *range = pair.range;
}

struct rfm_summary rfm_book_part(const struct rfm_book *book, uint32_t customer, uint32_t range) {
  struct pair pair = {customer, range};
  uint32_t number;
  if (!roster_find(&book->pairs, bytes_of(&pair, sizeof pair), &number)) return (struct rfm_summary){.orders = 0};
  return book->parts[number];
}
