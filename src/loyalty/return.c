// return: what goods that come back give and take.
//
// Nothing is computed from a return alone. All of it is a function of how much came back so far, and a return is the
// difference of two such states: so any sequence of returns adds up to what one return of everything gives, and no
// part is below zero.
//
// Where promotions are computed again, what is left has a price that whoever asks brings along. It may be more than
// what was not given back yet (a return that loses a discount of more than it brings back): then nothing is given, and
// the next ones give less. So no refund is below zero, and the last one brings them all to what was paid.
//
// Between several tenders the cents are seats and the tenders are parties. The largest remainder will not do here: with
// three parties it can take a cent back from one as the whole grows, and what was restored to a card cannot be taken
// back. Webster's method gives the seats one by one, the next to whoever has the highest paid / (2 * restored + 1),
// ties to the earlier. So it never takes one back; for two tenders it is the largest remainder; and once everything
// came back, each has what was paid with it.
//
// When returns before were made by the other way (a setting can change meanwhile), the difference could be below zero:
// then this return's cents are shared over what each tender has left, which ends at the same whole.
#include "loyalty/order_private.h"

#include <string.h>

#include "loyalty/basket_private.h"
#include "loyalty/exact.h"

// --- quantities ----------------------------------------------------------------------------------------------

static enum err exceeds(struct diag *diag, size_t line) {
  diag_set(diag, ERR_DENIED, "RETURN_EXCEEDS_SOLD", "more would come back than was sold");
  diag_in_field(diag, "lines[%zu]", line);
  return ERR_DENIED;
}

// What was given back before and what is then, by line.
static enum err add_up(const struct loyalty_order *order, const int64_t *quantities, struct loyalty_returned *returned,
                       int64_t *after, struct diag *diag) {
  bool anything = false;
  for (size_t i = 0; i < order->line_count; i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    int64_t left = line->quantity - line->returned, quantity = quantities != NULL ? quantities[i] : left;
    if (quantity < 0)
      return diag_set(diag, ERR_INVALID, "bad_quantity", "a quantity that comes back is not below zero");
    if (quantity > left) return exceeds(diag, i);
    returned->quantities[i] = quantity;
    after[i] = line->returned + quantity;
    anything = anything || quantity > 0;
  }
  if (anything || (order->line_count == 0 && !order_is_all_back(order, NULL))) return ERR_OK;
  if (order_is_all_back(order, NULL))
    return diag_set(diag, ERR_DENIED, "RETURN_EXCEEDS_SOLD", "everything of this order came back already");
  return diag_set(diag, ERR_INVALID, "bad_quantity", "nothing comes back: all quantities are 0");
}

// --- tenders -------------------------------------------------------------------------------------------------

static void give_tenders_first(const struct loyalty_order *order, struct loyalty_returned *returned) {
  int64_t left = returned->cents;
  for (size_t i = 0; i < order->tender_count; i++) {
    int64_t owed = order->tenders[i].cents - order->tenders[i].restored;
    returned->tender_cents[i] = owed < left ? owed : left;
    left -= returned->tender_cents[i];
  }
}

// Whether the seat after these is rather a's than b's.
static bool goes_before(int64_t paid_a, int64_t seats_a, int64_t paid_b, int64_t seats_b) {
  exact_wide a = (exact_wide)paid_a * (2U * (exact_wide)seats_b + 1U);
  exact_wide b = (exact_wide)paid_b * (2U * (exact_wide)seats_a + 1U);
  return a > b;
}

// `given` cents of `price`, over what was paid with each of `count` (together: the price), by Webster's method. No
// party is further from its exact share than (count + 1) / 2 seats, so that most of the seats need no step.
static void seat(const int64_t *paid, size_t count, int64_t price, int64_t given, int64_t *seats) {
  int64_t left = given;
  for (size_t i = 0; i < count; i++) {
    int64_t share = price > 0 ? exact_floor(given, paid[i], price) : 0;
    seats[i] = share > (int64_t)count ? share - (int64_t)count : 0;
    left -= seats[i];
  }
  for (; left > 0; left--) {
    size_t next = 0;
    for (size_t i = 1; i < count; i++)
      if (goes_before(paid[i], seats[i], paid[next], seats[next])) next = i;
    seats[next]++;
  }
}

struct parties { // the tenders, then money
  size_t count;
  int64_t *paid, *before, *after;
};

static bool make_parties(const struct loyalty_order *order, struct arena *arena, struct parties *parties) {
  int64_t money = order_price(order);
  *parties = (struct parties){.count = order->tender_count + 1};
  parties->paid = arena_take_zero(arena, parties->count, sizeof *parties->paid);
  parties->before = arena_take_zero(arena, parties->count, sizeof *parties->before);
  parties->after = arena_take_zero(arena, parties->count, sizeof *parties->after);
  if (parties->paid == NULL || parties->before == NULL || parties->after == NULL) return false;
  for (size_t i = 0; i < order->tender_count; i++) {
    parties->paid[i] = order->tenders[i].cents;
    money -= order->tenders[i].cents;
  }
  parties->paid[order->tender_count] = money;
  return true;
}

// Over what each has left.
static void give_by_rest(const struct loyalty_order *order, const struct parties *parties, int64_t given_before,
                         struct loyalty_returned *returned) {
  int64_t *rest = parties->before, money = order_price(order) - given_before;
  for (size_t i = 0; i < order->tender_count; i++) {
    rest[i] = order->tenders[i].cents - order->tenders[i].restored;
    money -= rest[i];
  }
  rest[order->tender_count] = money > 0 ? money : 0;
  loyalty_share_out(returned->cents, rest, parties->count, parties->after);
  memcpy(returned->tender_cents, parties->after, order->tender_count * sizeof *returned->tender_cents);
}

static enum err give_in_proportion(const struct loyalty_order *order, int64_t given_before, struct arena *arena,
                                   struct loyalty_returned *returned, struct diag *diag) {
  struct parties parties;
  int64_t price = order_price(order);
  bool fits = true;
  if (!make_parties(order, arena, &parties)) return diag_no_memory(diag);
  seat(parties.paid, parties.count, price, given_before, parties.before);
  seat(parties.paid, parties.count, price, given_before + returned->cents, parties.after);
  for (size_t i = 0; i < order->tender_count; i++) {
    fits = fits && parties.before[i] == order->tenders[i].restored;
    returned->tender_cents[i] = parties.after[i] - parties.before[i];
  }
  if (!fits) give_by_rest(order, &parties, given_before, returned);
  return ERR_OK;
}

// Points go back as their cents do: of all of them the floor, all in all.
static void give_amounts(const struct loyalty_order *order, bool all_back, struct loyalty_returned *returned) {
  returned->money_cents = returned->cents;
  for (size_t i = 0; i < order->tender_count; i++) {
    const struct loyalty_tender *tender = &order->tenders[i];
    int64_t restored = tender->restored + returned->tender_cents[i], amount = all_back ? tender->amount : 0;
    if (tender->cents > 0) amount = exact_floor(tender->amount, restored, tender->cents);
    returned->tender_amounts[i] = amount > tender->restored_amount ? amount - tender->restored_amount : 0;
    returned->money_cents -= returned->tender_cents[i];
  }
}

// --- what was earned -----------------------------------------------------------------------------------------

// Of what was paid: whatever the tenders' rows say, it lies between nothing and all of it.
int64_t loyalty_return_paid(const struct loyalty_order *order, const struct loyalty_returned *returned) {
  int64_t paid = loyalty_order_paid(order), remaining = loyalty_order_remaining(order) - returned->cents;
  for (size_t i = 0; i < order->tender_count; i++)
    if (order->tenders[i].kind == LOYALTY_TENDER_POINTS) remaining += returned->tender_cents[i];
  if (remaining > paid) return paid;
  return remaining > 0 ? remaining : 0;
}

// An order of which nothing was paid keeps what it earned until the last of it came back.
static void take_back(const struct loyalty_order *order, bool all_back, struct loyalty_returned *returned) {
  int64_t paid = loyalty_order_paid(order), remaining = loyalty_return_paid(order, returned);
  for (size_t i = 0; i < order->posted_count; i++) {
    const struct loyalty_posted *posted = &order->posted[i];
    int64_t kept = all_back ? 0 : posted->amount;
    if (paid > 0 && !all_back) kept = exact_floor(posted->amount, remaining, paid);
    int64_t had = posted->amount - posted->taken_back;
    returned->take_back[i] = had > kept ? had - kept : 0;
  }
}

void loyalty_return_keep(const struct loyalty_order *order, const int64_t *kept, struct loyalty_returned *returned) {
  for (size_t i = 0; i < order->posted_count; i++) {
    int64_t had = order->posted[i].amount - order->posted[i].taken_back;
    returned->take_back[i] = had > kept[i] ? had - kept[i] : 0;
  }
}

bool loyalty_return_is_last(const struct loyalty_order *order, const struct loyalty_returned *returned) {
  for (size_t i = 0; i < order->line_count; i++)
    if (order->lines[i].returned + returned->quantities[i] < order->lines[i].quantity) return false;
  return true;
}

// Of a part of the quantity what is left is what a return in proportion leaves.
static int64_t left_of(int64_t amount, int64_t back, int64_t quantity) {
  return amount - exact_floor(amount, back, quantity);
}

bool loyalty_return_basket(const struct loyalty_order *order, const struct loyalty_returned *returned,
                           struct loyalty_basket *basket) {
  size_t at = 0;
  basket->amount = basket->discount = 0;
  for (size_t i = 0; i < order->line_count; i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    int64_t back = line->returned + returned->quantities[i];
    if (back == line->quantity) continue;
    if (at == basket->line_count) return false;
    struct loyalty_line *left = &basket->lines[at++];
    left->quantity = line->quantity - back;
    left->amount = left_of(line->amount, back, line->quantity);
    left->discount = left->amount - left_of(line->amount - line->discount, back, line->quantity);
    basket->amount += left->amount;
    basket->discount += left->discount;
  }
  basket->shipping = order->shipping;
  basket->shipping_discount = order->shipping_discount;
  return at == basket->line_count;
}

static bool make_room(const struct loyalty_order *order, struct arena *arena, struct loyalty_returned *returned) {
  *returned = (struct loyalty_returned){0};
  returned->quantities = arena_take_zero(arena, order->line_count, sizeof *returned->quantities);
  returned->tender_cents = arena_take_zero(arena, order->tender_count, sizeof *returned->tender_cents);
  returned->tender_amounts = arena_take_zero(arena, order->tender_count, sizeof *returned->tender_amounts);
  returned->take_back = arena_take_zero(arena, order->posted_count, sizeof *returned->take_back);
  return returned->quantities != NULL && returned->tender_cents != NULL && returned->tender_amounts != NULL &&
         returned->take_back != NULL;
}

// Of the price, all in all.
static int64_t given_after(const struct loyalty_order *order, const int64_t *after, bool all_back,
                           const int64_t *left_cents) {
  int64_t price = order_price(order);
  if (all_back) return price;
  if (left_cents == NULL) return order_given(order, after);
  return *left_cents < price ? price - *left_cents : 0;
}

enum err loyalty_return_plan(const struct loyalty_order *order, const int64_t *quantities, bool tender_first,
                             const int64_t *left_cents, struct arena *arena, struct loyalty_returned *returned,
                             struct diag *diag) {
  if (order->state == LOYALTY_ORDER_CANCELLED)
    return diag_set(diag, ERR_DENIED, "ORDER_CANCELLED", "the order was cancelled: nothing of it can come back");
  int64_t *after = arena_take_zero(arena, order->line_count, sizeof *after);
  if (after == NULL || !make_room(order, arena, returned)) return diag_no_memory(diag);
  enum err err = add_up(order, quantities, returned, after, diag);
  if (err != ERR_OK) return err;
  int64_t given_before = order_given_so_far(order);
  bool all_back = order_is_all_back(order, after);
  int64_t given = given_after(order, after, all_back, left_cents);
  returned->cents = given > given_before ? given - given_before : 0;
  if (tender_first) {
    give_tenders_first(order, returned);
  } else {
    err = give_in_proportion(order, given_before, arena, returned, diag);
  }
  if (err != ERR_OK) return err;
  give_amounts(order, all_back, returned);
  take_back(order, all_back, returned);
  return ERR_OK;
}

// --- reading -------------------------------------------------------------------------------------------------

struct wanted {
  struct bytes line_id, sku;
  int64_t quantity;
  bool whole; // everything that is left of it
};

static bool is_wanted(const struct loyalty_order_line *line, const struct wanted *wanted) {
  return wanted->line_id.size_bytes > 0 ? bytes_equal(line->id, wanted->line_id) : bytes_equal(line->sku, wanted->sku);
}

// Of several lines with one product the earlier give first.
static enum err pick(const struct loyalty_order *order, struct wanted *wanted, int64_t *quantities, struct diag *diag) {
  bool known = false, picked = false;
  for (size_t i = 0; i < order->line_count && (wanted->whole || wanted->quantity > 0); i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    if (!is_wanted(line, wanted)) continue;
    int64_t left = line->quantity - line->returned - quantities[i];
    int64_t quantity = wanted->whole || left < wanted->quantity ? left : wanted->quantity;
    known = true;
    picked = picked || quantity > 0;
    quantities[i] += quantity;
    wanted->quantity -= quantity;
  }
  if (!known) return diag_set(diag, ERR_INVALID, "unknown_line", "the order has no such line");
  if (!picked || (!wanted->whole && wanted->quantity > 0))
    return diag_set(diag, ERR_DENIED, "RETURN_EXCEEDS_SOLD", "more would come back than was sold");
  return ERR_OK;
}

static enum err read_line(const struct basket_source *source, struct value value, const struct loyalty_order *order,
                          int64_t *quantities) {
  struct wanted wanted = {0};
  bool found;
  if (value_type(value) != VALUE_DOCUMENT)
    return diag_set(source->diag, ERR_INVALID, "wrong_type", "expected an object");
  enum err err = basket_text(source, value, "line_id", &wanted.line_id);
  if (err == ERR_OK) err = basket_text(source, value, "sku", &wanted.sku);
  if (err == ERR_OK && wanted.sku.size_bytes == 0) err = basket_text(source, value, "product_id", &wanted.sku);
  if (err == ERR_OK) err = basket_quantity(source, value, &wanted.quantity, &found);
  if (err != ERR_OK) return err;
  wanted.whole = !found;
  if (wanted.line_id.size_bytes == 0 && wanted.sku.size_bytes == 0)
    return diag_set(source->diag, ERR_INVALID, "missing_member", "missing: \"line_id\" or \"sku\"");
  return pick(order, &wanted, quantities, source->diag);
}

static enum err read_lines(const struct basket_source *source, struct value list, const struct loyalty_order *order,
                           int64_t *quantities) {
  if (value_type(list) != VALUE_LIST)
    return diag_set(source->diag, ERR_INVALID, "wrong_type", "expected a list of objects");
  if (basket_items(list) > LOYALTY_LINES_MAX)
    return diag_set(source->diag, ERR_LIMIT, "too_many", "expected at most %d lines", LOYALTY_LINES_MAX);
  struct value_iter iter = value_iterate(list);
  for (size_t i = 0; value_next(&iter); i++) {
    enum err err = read_line(source, iter.item, order, quantities);
    if (err == ERR_OK) continue;
    diag_in_field(source->diag, "[%zu]", i);
    return err;
  }
  return ERR_OK;
}

enum err loyalty_return_read(struct value value, const struct names *names, const struct loyalty_order *order,
                             struct arena *arena, int64_t **quantities, struct diag *diag) {
  struct basket_source source = {.names = names, .arena = arena, .diag = diag};
  const char *name = "lines";
  *quantities = NULL;
  if (value_type(value) == VALUE_NULL) return ERR_OK;
  if (value_type(value) != VALUE_DOCUMENT) return diag_set(diag, ERR_INVALID, "wrong_type", "expected an object");
  struct value list = value_member(value, names, bytes_from_text(name));
  if (value_type(list) == VALUE_NULL) list = value_member(value, names, bytes_from_text(name = "products"));
  if (value_type(list) == VALUE_NULL) return ERR_OK;
  int64_t *wanted = arena_take_zero(arena, order->line_count, sizeof *wanted);
  if (wanted == NULL) return diag_no_memory(diag);
  enum err err = read_lines(&source, list, order, wanted);
  if (err != ERR_OK) diag_in_field(diag, "%s", name);
  if (err == ERR_OK) *quantities = wanted;
  return err;
}
