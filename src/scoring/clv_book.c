// clv_book: orders are sorted once by (customer, day, amount) and read customer by customer; those after the end of
// calibration are only compared with what was expected.
#include "scoring/clv_book.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

void clv_book_release(struct clv_book *book) {
  alloc_free(book->orders);
  alloc_free(book->people);
  *book = (struct clv_book){.orders = NULL};
}

static void *room_for(void *items, size_t *room, size_t count, size_t size_bytes) {
  if (count < *room) return items;
  size_t wanted = *room == 0 ? 1024 : 2 * *room;
  void *grown = alloc_resize(items, wanted * size_bytes);
  if (grown != NULL) *room = wanted;
  return grown;
}

enum err clv_book_order(struct clv_book *book, const struct clv_order *order) {
  struct clv_order *orders = room_for(book->orders, &book->order_room, book->order_count, sizeof *orders);
  if (orders == NULL) return ERR_NO_MEMORY;
  book->orders = orders;
  orders[book->order_count++] = *order;
  return ERR_OK;
}

struct clv_person *clv_book_person(struct clv_book *book) {
  struct clv_person *people = room_for(book->people, &book->person_room, book->person_count, sizeof *people);
  if (people == NULL) return NULL;
  book->people = people;
  people[book->person_count] = (struct clv_person){.history = {.weight = 1}};
  return &people[book->person_count++];
}

int32_t clv_book_last_day(const struct clv_book *book) {
  int32_t last = INT32_MIN;
  for (size_t i = 0; i < book->order_count; i++)
    if (book->orders[i].day > last) last = book->orders[i].day;
  return last;
}

static int by_order(const void *left, const void *right) {
  const struct clv_order *a = left, *b = right;
  int order = (a->customer > b->customer) - (a->customer < b->customer);
  if (order == 0) order = (a->day > b->day) - (a->day < b->day);
  return order != 0 ? order : (a->amount > b->amount) - (a->amount < b->amount);
}

// Orders [begin, end) of one customer, by day.
static enum err gather_customer(struct clv_book *book, size_t begin, size_t end) {
  const struct clv_order *orders = book->orders;
  int32_t first = orders[begin].day, horizon_day = (int32_t)fmin(book->end_day + book->horizon * book->unit, INT32_MAX);
  double amount = 0, last = first;
  if (first > book->end_day) {
    book->newcomers++;
    return ERR_OK;
  }
  struct clv_person *person = clv_book_person(book);
  if (person == NULL) return ERR_NO_MEMORY;
  person->customer = orders[begin].customer;
  for (size_t i = begin; i < end; i++) {
    bool new_day = i > begin && orders[i].day != orders[i - 1].day;
    if (orders[i].day > book->end_day) {
      book->has_holdout = true;
      person->after += new_day && orders[i].day <= horizon_day;
    } else if (orders[i].day > first) {
      person->history.frequency += new_day;
      amount += orders[i].amount;
      last = orders[i].day;
    }
  }
  person->history.recency = (last - first) / book->unit;
  person->history.age = (book->end_day - (double)first) / book->unit;
  bool repeats = book->has_amounts && person->history.frequency > 0;
  person->worth = repeats ? amount / person->history.frequency : 0;
  person->has_worth = person->worth > 0;
  book->worthless += repeats && !person->has_worth;
  return ERR_OK;
}

enum err clv_book_gather(struct clv_book *book) {
  enum err err = ERR_OK;
  if (book->order_count > 0) qsort(book->orders, book->order_count, sizeof *book->orders, by_order);
  for (size_t begin = 0, end = 0; begin < book->order_count && err == ERR_OK; begin = end) {
    while (end < book->order_count && book->orders[end].customer == book->orders[begin].customer) end++;
    err = gather_customer(book, begin, end);
  }
  return err;
}

static enum err fit_spend(struct clv_book *book, struct diag *diag) {
  struct clv_spend *spends = alloc_zero(book->person_count + 1, sizeof *spends);
  size_t count = 0;
  if (spends == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < book->person_count; i++) {
    const struct clv_person *person = &book->people[i];
    if (person->has_worth)
      spends[count++] = (struct clv_spend){person->history.frequency, person->worth, person->history.weight};
  }
  enum err err = count == 0 ? ERR_OK : clv_spend_fit(spends, count, &book->spend, diag);
  book->has_spend = err == ERR_OK && count > 0;
  alloc_free(spends);
  return err;
}

enum err clv_book_fit(struct clv_book *book, struct diag *diag) {
  struct clv_history *histories = alloc_zero(book->person_count + 1, sizeof *histories);
  if (histories == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < book->person_count; i++) histories[i] = book->people[i].history;
  enum err err = clv_fit(book->model, histories, book->person_count, &book->fit, diag);
  alloc_free(histories);
  return err == ERR_OK && book->has_amounts ? fit_spend(book, diag) : err;
}

struct clv_line clv_book_line(const struct clv_book *book, const struct clv_person *person) {
  struct clv_line line = {.alive = clv_alive(&book->fit, &person->history),
                          .orders = clv_orders(&book->fit, &person->history, book->horizon),
                          .worth = NAN,
                          .value = NAN};
  if (!book->has_spend) return line;
  line.worth = clv_spend_expected(&book->spend, person->has_worth ? person->history.frequency : 0, person->worth);
  if (!isnan(line.worth))
    line.value = book->rate == 0 ? line.orders * line.worth
                                 : clv_value(&book->fit, &person->history, line.worth, book->horizon, 1, book->rate);
  return line;
}
