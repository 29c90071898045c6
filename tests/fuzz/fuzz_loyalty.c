// Fuzz target: what the loyalty engine reads of baskets, orders and codes. The first byte chooses: a row of an order,
// of a code, of a redemption, a code as it is typed, or a basket as JSON.
//
// Checked: a row is refused, or it is written and read again as itself, and an order that was read can be returned, in
// one piece or first half of it, with what comes back adding up; a code that is taken is taken again as itself; of a
// basket that is read the lines add up, and discounts take no line below zero.
#include <assert.h>
#include <string.h>

#include "loyalty/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void expect_same(const struct buffer *first, const struct buffer *second) {
  assert(bytes_equal(buffer_view(first), buffer_view(second)));
}

// --- orders --------------------------------------------------------------------------------------------------

static int64_t price_of(const struct loyalty_order *order) {
  int64_t price = order->shipping - order->shipping_discount;
  for (size_t i = 0; i < order->line_count; i++) price += order->lines[i].amount - order->lines[i].discount;
  return price;
}

static int64_t give_back(struct loyalty_order *order, const int64_t *quantities, bool tender_first,
                         struct arena *arena) {
  struct loyalty_returned returned;
  if (loyalty_return_plan(order, quantities, tender_first, NULL, arena, &returned, NULL) != ERR_OK) return 0;
  int64_t sum = returned.money_cents;
  assert(returned.cents >= 0);
  for (size_t i = 0; i < order->line_count; i++) order->lines[i].returned += returned.quantities[i];
  for (size_t i = 0; i < order->tender_count; i++) {
    assert(returned.tender_cents[i] >= 0 && returned.tender_amounts[i] >= 0);
    order->tenders[i].restored += returned.tender_cents[i];
    order->tenders[i].restored_amount += returned.tender_amounts[i];
    assert(order->tenders[i].restored <= order->tenders[i].cents);
    assert(order->tenders[i].restored_amount <= order->tenders[i].amount);
    sum += returned.tender_cents[i];
  }
  assert(sum == returned.cents);
  order->return_count++; // its returns are not looked at any more
  for (size_t i = 0; i < order->posted_count; i++) {
    order->posted[i].taken_back += returned.take_back[i];
    assert(returned.take_back[i] >= 0 && order->posted[i].taken_back <= order->posted[i].amount);
  }
  return returned.cents;
}

// From nothing given back, half of everything, then the rest.
static void return_in_two(struct loyalty_order *order, bool tender_first, struct arena *arena) {
  int64_t *half = arena_take_zero(arena, order->line_count, sizeof *half);
  bool cancelled = order->state == LOYALTY_ORDER_CANCELLED;
  assert(half != NULL);
  order->asked = BYTES(""); // by their returns these are told, which are not looked at any more
  for (size_t i = 0; i < order->line_count; i++) {
    order->lines[i].returned = 0;
    half[i] = order->lines[i].quantity / 2;
  }
  for (size_t i = 0; i < order->tender_count; i++) order->tenders[i].restored = order->tenders[i].restored_amount = 0;
  for (size_t i = 0; i < order->posted_count; i++) order->posted[i].taken_back = 0;
  order->return_count = 0;
  int64_t given = give_back(order, half, tender_first, arena);
  given += give_back(order, NULL, tender_first, arena);
  if (cancelled) return;
  assert(given == price_of(order));
  for (size_t i = 0; i < order->posted_count; i++) assert(order->posted[i].taken_back == order->posted[i].amount);
}

static void try_order(struct bytes row, struct arena *arena) {
  struct loyalty_order order, again;
  struct buffer first, second;
  if (loyalty_order_decode(row, arena, &order) != ERR_OK) return;
  buffer_init(&first);
  buffer_init(&second);
  loyalty_order_encode(&order, &first);
  assert(loyalty_order_decode(buffer_view(&first), arena, &again) == ERR_OK);
  loyalty_order_encode(&again, &second);
  expect_same(&first, &second);
  give_back(&again, NULL, row.size_bytes % 2 == 0, arena);
  return_in_two(&order, row.size_bytes % 2 == 0, arena);
  buffer_release(&first);
  buffer_release(&second);
}

// --- codes ---------------------------------------------------------------------------------------------------

static void try_code(struct bytes row, struct arena *arena) {
  struct loyalty_code code, again;
  struct buffer first, second;
  if (loyalty_code_decode(row, BYTES("A"), arena, &code) != ERR_OK) return;
  buffer_init(&first);
  buffer_init(&second);
  loyalty_code_encode(&code, &first);
  assert(loyalty_code_decode(buffer_view(&first), BYTES("A"), arena, &again) == ERR_OK);
  loyalty_code_encode(&again, &second);
  expect_same(&first, &second);
  buffer_release(&first);
  buffer_release(&second);
}

static void try_redemption(struct bytes row, struct arena *arena) {
  struct loyalty_redemption redemption, again;
  struct buffer first, second;
  if (loyalty_redemption_decode(row, arena, &redemption) != ERR_OK) return;
  buffer_init(&first);
  buffer_init(&second);
  loyalty_redemption_encode(&redemption, &first);
  assert(loyalty_redemption_decode(buffer_view(&first), arena, &again) == ERR_OK);
  loyalty_redemption_encode(&again, &second);
  expect_same(&first, &second);
  buffer_release(&first);
  buffer_release(&second);
}

static void try_typed(struct bytes typed) {
  char code[LOYALTY_CODE_BYTES + 1], again[LOYALTY_CODE_BYTES + 1];
  if (loyalty_code_normalise(typed, code, NULL) != ERR_OK) return;
  assert(loyalty_code_normalise(bytes_from_text(code), again, NULL) == ERR_OK && strcmp(code, again) == 0);
  loyalty_code_is_sound(bytes_from_text(code), bytes_of(NULL, 0), strlen(code) - 1);
}

// --- baskets -------------------------------------------------------------------------------------------------

static void discount(struct loyalty_basket *basket, uint8_t choice, struct arena *arena) {
  struct loyalty_discount kinds[] = {{.kind = LOYALTY_PERCENT, .percent = 3333},
                                     {.kind = LOYALTY_AMOUNT, .cents = 1001},
                                     {.kind = LOYALTY_FREE, .sku = BYTES("A"), .quantity = 1},
                                     {.kind = LOYALTY_SHIPPING}};
  struct loyalty_offer offers[4] = {0};
  struct loyalty_stacking stacking = {.base = (choice & 1) ? LOYALTY_BASE_INITIAL : LOYALTY_BASE_DISCOUNTED,
                                      .order = (enum loyalty_stack_order)(choice / 2 % 3),
                                      .partial = true};
  for (size_t i = 0; i < 4; i++)
    offers[i] = (struct loyalty_offer){.discount = &kinds[i], .is_code = i % 2 == 0, .room_cents = INT64_MAX};
  assert(loyalty_discount(basket, offers, 4, &stacking, false, arena, NULL) == ERR_OK);
}

static void try_basket(uint8_t choice, struct bytes json, struct names *names, struct value_parser *parser,
                       struct arena *arena) {
  struct loyalty_basket basket;
  struct buffer packed;
  int64_t amount = 0;
  buffer_init(&packed);
  if (value_parse_json(parser, json, names, &packed, NULL) == ERR_OK &&
      loyalty_basket_read((struct value){buffer_view(&packed)}, names, BYTES("EUR"), arena, &basket, NULL) == ERR_OK) {
    discount(&basket, choice, arena);
    for (size_t i = 0; i < basket.line_count; i++) {
      assert(basket.lines[i].discount >= 0 && basket.lines[i].discount <= basket.lines[i].amount);
      amount += basket.lines[i].amount;
    }
    assert(amount == basket.amount && loyalty_basket_due(&basket) >= 0);
  }
  buffer_release(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static struct names *names;
  static struct value_parser *parser;
  struct arena arena;
  if (names == NULL) assert(names_open(&names, NULL, NULL) == ERR_OK && value_parser_open(&parser) == ERR_OK);
  if (size_bytes == 0) return 0;
  struct bytes rest = bytes_of(data + 1, size_bytes - 1);
  arena_init(&arena, 0);
  switch (data[0] % 5) {
  case 0:
    try_order(rest, &arena);
    break;
  case 1:
    try_code(rest, &arena);
    break;
  case 2:
    try_redemption(rest, &arena);
    break;
  case 3:
    try_typed(rest);
    break;
  default:
    try_basket(data[0] / 5, rest, names, parser, &arena);
  }
  arena_release(&arena);
  return 0;
}
