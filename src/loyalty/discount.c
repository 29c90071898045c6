// discount: offers laid over a basket, one after another.
//
// Rules' offers come before codes, within both the order is the stacking's; of two alike the earlier of the list comes
// first. For lowest and highest each offer is measured alone against the basket as it was before any was taken. Each
// offer is first measured (what it would take off, line by line), then judged, and only then taken.
//
// What an offer takes off is counted from its base: what earlier offers left, or the prices before any. Either way no
// line gives more than it has left: what does not fit on a line is shared out over the others that the offer is for.
// A percentage is rounded half-even to the cent once, over all of its lines, and then shared out.
//
// Free units are those that cost least, a unit for a unit: one that an earlier offer gave free is not given twice.
//
// Invariants: 1. 0 <= lines[i].discount <= lines[i].amount, and the same of shipping; 2. the shares of an offer add up
// to its cents, and the cents of all that were taken to the basket's discount; 3. a refused offer has zeros everywhere.
#include "loyalty/basket.h"

#include <stdlib.h>

#include "loyalty/exact.h"

struct laying {
  struct loyalty_basket *basket;
  struct loyalty_offer *offers;
  size_t count;
  const struct loyalty_stacking *stacking;
  struct arena *arena;
  bool *taken;        // by offer
  int64_t *weights;   // by line, of the sharing in hand
  int64_t *more;      // by line, of its second round
  int64_t *freed;     // by line: of its quantity, what was given free
  int64_t *picked;    // the same of the offer in hand
  struct unit *units; // by line, the lines of one product
};

struct unit {
  int64_t amount, quantity;
  size_t index;
};

struct turn {
  bool is_code;
  int64_t key; // ascends
  size_t index;
};

static bool is_for(const struct loyalty_offer *offer, size_t line) {
  return offer->lines == NULL || offer->lines[line];
}

static int64_t left_of(const struct loyalty_line *line) {
  return line->amount - line->discount;
}

static int64_t base_of(const struct laying *laying, const struct loyalty_line *line) {
  return laying->stacking->base == LOYALTY_BASE_INITIAL ? line->amount : left_of(line);
}

// Of the lines that the offer is for. Sums of a basket fit 64 bits.
static int64_t sum_of(const struct laying *laying, const struct loyalty_offer *offer, bool base) {
  int64_t sum = 0;
  for (size_t i = 0; i < laying->basket->line_count; i++) {
    const struct loyalty_line *line = &laying->basket->lines[i];
    if (is_for(offer, i)) sum += base ? base_of(laying, line) : left_of(line);
  }
  return sum;
}

// --- measuring -----------------------------------------------------------------------------------------------

// `cents` are at most what the lines have left. Shared by their base; what is more than a line has left goes to others.
static void place(struct laying *laying, struct loyalty_offer *offer, int64_t cents) {
  const struct loyalty_line *lines = laying->basket->lines;
  size_t count = laying->basket->line_count;
  int64_t rest = 0;
  for (size_t i = 0; i < count; i++) laying->weights[i] = is_for(offer, i) ? base_of(laying, &lines[i]) : 0;
  loyalty_share_out(cents, laying->weights, count, offer->shares);
  for (size_t i = 0; i < count; i++) {
    int64_t left = left_of(&lines[i]);
    if (offer->shares[i] > left) {
      rest += offer->shares[i] - left;
      offer->shares[i] = left;
    }
    laying->weights[i] = is_for(offer, i) ? left - offer->shares[i] : 0;
  }
  offer->cents = cents;
  if (rest == 0) return;
  loyalty_share_out(rest, laying->weights, count, laying->more);
  for (size_t i = 0; i < count; i++) offer->shares[i] += laying->more[i];
}

static void measure_amount(struct laying *laying, struct loyalty_offer *offer, int64_t cents) {
  int64_t left = sum_of(laying, offer, false);
  place(laying, offer, cents < left ? cents : left);
}

static void measure_percent(struct laying *laying, struct loyalty_offer *offer) {
  const struct loyalty_discount *discount = offer->discount;
  int64_t cents;
  if (!exact_round(sum_of(laying, offer, true), discount->percent, LOYALTY_SHARE_UNIT, &cents)) cents = INT64_MAX;
  if (discount->most_cents > 0 && cents > discount->most_cents) cents = discount->most_cents;
  measure_amount(laying, offer, cents);
}

// By the price of one, the earlier of two alike.
static int by_price(const void *a, const void *b) {
  const struct unit *left = a, *right = b;
  exact_wide ours = (exact_wide)left->amount * (exact_wide)right->quantity;
  exact_wide theirs = (exact_wide)right->amount * (exact_wide)left->quantity;
  if (ours != theirs) return ours < theirs ? -1 : 1;
  return left->index < right->index ? -1 : 1;
}

static size_t find_units(const struct laying *laying, const struct loyalty_offer *offer) {
  size_t count = 0;
  for (size_t i = 0; i < laying->basket->line_count; i++) {
    const struct loyalty_line *line = &laying->basket->lines[i];
    if (is_for(offer, i) && bytes_equal(line->sku, offer->discount->sku))
      laying->units[count++] = (struct unit){line->amount, line->quantity, i};
  }
  if (count > 0) qsort(laying->units, count, sizeof *laying->units, by_price);
  return count;
}

// What so much of a line costs: of what is left of it, those units that were given free have nothing any more. Never
// more than it cost at first, up to the cent by which the last unit of a line differs: a budget may have cut a free
// unit short.
static int64_t worth(const struct laying *laying, const struct loyalty_line *line, size_t index, int64_t quantity) {
  int64_t cents = 0, left = left_of(line), most = exact_ceil(line->amount, quantity, line->quantity);
  bool fits = laying->stacking->base == LOYALTY_BASE_INITIAL
                  ? exact_round(line->amount, quantity, line->quantity, &cents)
                  : exact_round(left, quantity, line->quantity - laying->freed[index], &cents);
  assert(fits);
  if (cents > most) cents = most;
  return cents < left ? cents : left;
}

// False when the product is not there at all.
static bool measure_free(struct laying *laying, struct loyalty_offer *offer) {
  size_t count = find_units(laying, offer);
  int64_t wanted;
  if (__builtin_mul_overflow(offer->discount->quantity, LOYALTY_QUANTITY_UNIT, &wanted)) wanted = INT64_MAX;
  for (size_t i = 0; i < count && wanted > 0; i++) {
    size_t index = laying->units[i].index;
    const struct loyalty_line *line = &laying->basket->lines[index];
    int64_t there = line->quantity - laying->freed[index], quantity = there < wanted ? there : wanted;
    if (quantity == 0) continue;
    laying->picked[index] = quantity;
    offer->shares[index] = worth(laying, line, index, quantity);
    offer->cents += offer->shares[index];
    wanted -= quantity;
  }
  return count > 0;
}

static void forget(struct laying *laying, struct loyalty_offer *offer) {
  offer->cents = offer->shipping_cents = 0;
  for (size_t i = 0; i < laying->basket->line_count; i++) offer->shares[i] = laying->picked[i] = 0;
}

// What the offer takes off the basket as it stands. False: the product is missing.
static bool measure(struct laying *laying, struct loyalty_offer *offer) {
  forget(laying, offer);
  switch (offer->discount->kind) {
  case LOYALTY_PERCENT:
    measure_percent(laying, offer);
    return true;
  case LOYALTY_AMOUNT:
    measure_amount(laying, offer, offer->discount->cents);
    return true;
  case LOYALTY_FREE:
    return measure_free(laying, offer);
  case LOYALTY_SHIPPING:
    offer->shipping_cents = laying->basket->shipping - laying->basket->shipping_discount;
    return true;
  case LOYALTY_NO_DISCOUNT:
    return true;
  case LOYALTY_CREDIT:
    break;
  }
  assert(false); // a card is a tender, not a discount
  return false;
}

// Only one of the two is above zero.
static void trim(struct laying *laying, struct loyalty_offer *offer, int64_t cents) {
  size_t count = laying->basket->line_count;
  if (offer->shipping_cents > 0) {
    offer->shipping_cents = cents;
    return;
  }
  for (size_t i = 0; i < count; i++) laying->weights[i] = offer->shares[i];
  loyalty_share_out(cents, laying->weights, count, offer->shares);
  offer->cents = cents;
}

// --- judging -------------------------------------------------------------------------------------------------

static bool group_is_taken(const struct laying *laying, const struct loyalty_offer *offer) {
  for (size_t i = 0; i < laying->count; i++)
    if (laying->taken[i] && bytes_equal(laying->offers[i].group, offer->group)) return true;
  return false;
}

static bool is_shut_out(const struct laying *laying, const struct loyalty_offer *offer) {
  for (size_t i = 0; i < laying->count; i++) {
    const struct loyalty_offer *other = &laying->offers[i];
    if (laying->taken[i] && other->is_code == offer->is_code && (other->exclusive || offer->exclusive)) return true;
  }
  return false;
}

static const char *judge_amount(struct laying *laying, struct loyalty_offer *offer) {
  int64_t cents = offer->cents + offer->shipping_cents;
  if (cents == 0) {
    bool is_free = offer->discount->kind == LOYALTY_NO_DISCOUNT || (offer->is_code && laying->stacking->force);
    return is_free ? NULL : "over_basket";
  }
  if (cents <= offer->room_cents) return NULL;
  if (offer->over == LOYALTY_REJECT || offer->room_cents <= 0) return "BUDGET_EXHAUSTED";
  trim(laying, offer, offer->room_cents);
  return NULL;
}

// The refusal, NULL when there is none; then the offer is measured.
static const char *judge(struct laying *laying, struct loyalty_offer *offer) {
  if (laying->basket->amount < offer->minimum_cents) return "minimum_not_reached";
  if (offer->group.size_bytes > 0 && group_is_taken(laying, offer)) return "group_taken";
  if (is_shut_out(laying, offer)) return "exclusive";
  if (!measure(laying, offer)) return "product_missing";
  return judge_amount(laying, offer);
}

// --- taking --------------------------------------------------------------------------------------------------

static void lay(struct laying *laying, const struct loyalty_offer *offer, int64_t sign) {
  struct loyalty_basket *basket = laying->basket;
  for (size_t i = 0; i < basket->line_count; i++) basket->lines[i].discount += sign * offer->shares[i];
  basket->discount += sign * offer->cents;
  basket->shipping_discount += sign * offer->shipping_cents;
}

static void take(struct laying *laying, size_t index) {
  struct loyalty_offer *offer = &laying->offers[index];
  offer->refusal = judge(laying, offer);
  if (offer->refusal != NULL) {
    forget(laying, offer);
    return;
  }
  lay(laying, offer, 1);
  for (size_t i = 0; i < laying->basket->line_count; i++) laying->freed[i] += laying->picked[i];
  laying->taken[index] = true;
}

// A code that has nothing left to take off is good, only of no use: it does not spoil the others.
static bool is_spoilt(const struct laying *laying) {
  for (size_t i = 0; i < laying->count; i++) {
    const struct loyalty_offer *offer = &laying->offers[i];
    if (offer->is_code && offer->refusal != NULL && !bytes_equal(bytes_from_text(offer->refusal), BYTES("over_basket")))
      return true;
  }
  return false;
}

static void take_back_codes(struct laying *laying) {
  for (size_t i = 0; i < laying->count; i++) {
    struct loyalty_offer *offer = &laying->offers[i];
    bool useless = offer->refusal != NULL && bytes_equal(bytes_from_text(offer->refusal), BYTES("over_basket"));
    if (!offer->is_code || (offer->refusal != NULL && !useless)) continue;
    lay(laying, offer, -1);
    forget(laying, offer);
    offer->refusal = "not_all_valid";
  }
}

// --- in which order ------------------------------------------------------------------------------------------

static int by_turn(const void *a, const void *b) {
  const struct turn *left = a, *right = b;
  if (left->is_code != right->is_code) return left->is_code ? 1 : -1;
  if (left->key != right->key) return left->key < right->key ? -1 : 1;
  return left->index < right->index ? -1 : 1;
}

static int64_t key_of(struct laying *laying, struct loyalty_offer *offer) {
  if (laying->stacking->order == LOYALTY_LIST_ORDER) return 0;
  bool good = judge(laying, offer) == NULL;
  int64_t cents = good ? offer->cents + offer->shipping_cents : 0;
  return laying->stacking->order == LOYALTY_LOWEST_DISCOUNT ? cents : -cents;
}

static bool make_room(struct laying *laying) {
  size_t lines = laying->basket->line_count;
  laying->taken = arena_take_zero(laying->arena, laying->count, sizeof *laying->taken);
  laying->weights = arena_take_zero(laying->arena, lines, sizeof *laying->weights);
  laying->more = arena_take_zero(laying->arena, lines, sizeof *laying->more);
  laying->freed = arena_take_zero(laying->arena, lines, sizeof *laying->freed);
  laying->picked = arena_take_zero(laying->arena, lines, sizeof *laying->picked);
  laying->units = arena_take_zero(laying->arena, lines, sizeof *laying->units);
  for (size_t i = 0; i < laying->count; i++) {
    laying->offers[i].shares = arena_take_zero(laying->arena, lines, sizeof *laying->offers[i].shares);
    if (laying->offers[i].shares == NULL) return false;
  }
  return laying->taken != NULL && laying->weights != NULL && laying->more != NULL && laying->freed != NULL &&
         laying->picked != NULL && laying->units != NULL;
}

enum err loyalty_discount(struct loyalty_basket *basket, struct loyalty_offer *offers, size_t count,
                          const struct loyalty_stacking *stacking, bool refused, struct arena *arena,
                          struct diag *diag) {
  struct laying laying = {.basket = basket, .offers = offers, .count = count, .stacking = stacking, .arena = arena};
  if (count == 0) return ERR_OK;
  struct turn *turns = arena_take_zero(arena, count, sizeof *turns);
  if (turns == NULL || !make_room(&laying)) return diag_no_memory(diag);
  for (size_t i = 0; i < count; i++) turns[i] = (struct turn){offers[i].is_code, key_of(&laying, &offers[i]), i};
  qsort(turns, count, sizeof *turns, by_turn);
  for (size_t i = 0; i < count; i++) take(&laying, turns[i].index);
  if (!stacking->partial && (refused || is_spoilt(&laying))) take_back_codes(&laying);
  return ERR_OK;
}
