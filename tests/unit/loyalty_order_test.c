// Orders: returns in parts add up to the whole, tenders and points included; rows come back; damage is found.
#include "loyalty_basket_kit.h"

enum { LINES_MAX = 6, TENDERS_MAX = 4, POSTED_MAX = 2 };

struct trial {
  struct loyalty_order order;
  struct loyalty_order_line lines[LINES_MAX];
  struct loyalty_tender tenders[TENDERS_MAX];
  struct loyalty_posted posted[POSTED_MAX];
};

static void start(struct trial *trial) {
  memset(trial, 0, sizeof *trial);
  trial->order.id = BYTES("o-1");
  trial->order.lines = trial->lines;
  trial->order.tenders = trial->tenders;
  trial->order.posted = trial->posted;
}

static void line(struct trial *trial, const char *id, int64_t units, int64_t amount, int64_t discount) {
  trial->lines[trial->order.line_count++] = (struct loyalty_order_line){.id = bytes_from_text(id),
                                                                        .sku = BYTES("A"),
                                                                        .quantity = units * LOYALTY_QUANTITY_UNIT,
                                                                        .amount = amount,
                                                                        .discount = discount};
}

static void card(struct trial *trial, int64_t cents) {
  trial->tenders[trial->order.tender_count++] =
      (struct loyalty_tender){.kind = LOYALTY_TENDER_CARD, .code = BYTES("CARD"), .amount = cents, .cents = cents};
}

static void points(struct trial *trial, int64_t amount, int64_t cents) {
  trial->tenders[trial->order.tender_count++] =
      (struct loyalty_tender){.kind = LOYALTY_TENDER_POINTS, .currency = 1, .amount = amount, .cents = cents};
}

static void posted(struct trial *trial, int64_t amount) {
  trial->posted[trial->order.posted_count++] = (struct loyalty_posted){.currency = 1, .amount = amount};
}

// Plans a return and notes it in the order, as whoever books it does.
static enum err give_back(struct kit *kit, struct trial *trial, const int64_t *quantities, bool tender_first,
                          struct loyalty_returned *returned) {
  struct loyalty_order *order = &trial->order;
  enum err err = loyalty_return_plan(order, quantities, tender_first, NULL, &kit->arena, returned, &kit->diag);
  if (err != ERR_OK) return err;
  int64_t given = returned->money_cents;
  assert_true(returned->cents >= 0 && returned->money_cents >= 0);
  for (size_t i = 0; i < order->line_count; i++) trial->lines[i].returned += returned->quantities[i];
  for (size_t i = 0; i < order->tender_count; i++) {
    struct loyalty_tender *tender = &trial->tenders[i];
    assert_true(returned->tender_cents[i] >= 0 && returned->tender_amounts[i] >= 0);
    tender->restored += returned->tender_cents[i];
    tender->restored_amount += returned->tender_amounts[i];
    assert_true(tender->restored <= tender->cents && tender->restored_amount <= tender->amount);
    given += returned->tender_cents[i];
  }
  assert_int_equal(given, returned->cents);
  for (size_t i = 0; i < order->posted_count; i++) {
    assert_true(returned->take_back[i] >= 0);
    trial->posted[i].taken_back += returned->take_back[i];
    assert_true(trial->posted[i].taken_back <= trial->posted[i].amount);
  }
  order->return_count++; // `returns` is read by rows alone
  return ERR_OK;
}

// Returns `units` of one line and expects so much back, and so many points taken.
static void expect_return(struct kit *kit, struct trial *trial, size_t index, int64_t units, int64_t cents,
                          int64_t claw) {
  struct loyalty_returned returned;
  int64_t quantities[LINES_MAX] = {0};
  quantities[index] = units * LOYALTY_QUANTITY_UNIT;
  assert_int_equal(give_back(kit, trial, quantities, false, &returned), ERR_OK);
  assert_int_equal(returned.cents, cents);
  assert_int_equal(returned.take_back[0], claw);
}

static void expect_refusal(struct kit *kit, struct trial *trial, const int64_t *quantities, enum err err,
                           const char *code) {
  struct loyalty_returned returned;
  assert_int_equal(give_back(kit, trial, quantities, false, &returned), err);
  kit_expect_code(kit, code);
}

// --- the scenarios -------------------------------------------------------------------------------------------

static void test_cumulative_rounding(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_returned returned;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 1, 3333, 0);
  line(&trial, "2", 1, 3333, 0);
  line(&trial, "3", 1, 3334, 0);
  posted(&trial, 100);
  expect_return(&kit, &trial, 0, 1, 3333, 34);
  expect_return(&kit, &trial, 1, 1, 3333, 33);
  expect_return(&kit, &trial, 2, 1, 3334, 33);
  assert_int_equal(loyalty_order_remaining(&trial.order), 0);
  start(&trial);
  line(&trial, "1", 1, 4995, 0);
  posted(&trial, 49);
  assert_int_equal(give_back(&kit, &trial, NULL, false, &returned), ERR_OK);
  assert_int_equal(returned.cents, 4995);
  assert_int_equal(returned.take_back[0], 49);
  kit_close(&kit);
}

static void test_shares_come_back(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 1, 10000, 334);
  line(&trial, "2", 1, 10000, 333);
  line(&trial, "3", 1, 10000, 333);
  posted(&trial, 290);
  expect_return(&kit, &trial, 0, 1, 9666, 97);
  expect_return(&kit, &trial, 1, 1, 9667, 97);
  expect_return(&kit, &trial, 2, 1, 9667, 96);
  start(&trial);
  line(&trial, "1", 3, 30000, 3000);
  posted(&trial, 270);
  expect_return(&kit, &trial, 0, 2, 18000, 180);
  assert_int_equal(loyalty_order_remaining(&trial.order), 9000);
  // A line of three in parts: what was not given at first is given later.
  start(&trial);
  line(&trial, "1", 3, 30000, 1000);
  posted(&trial, 290);
  expect_return(&kit, &trial, 0, 1, 9666, 97);
  expect_return(&kit, &trial, 0, 1, 9667, 97);
  expect_return(&kit, &trial, 0, 1, 9667, 96);
  kit_close(&kit);
}

static void test_over_return(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 2, 4000, 0);
  posted(&trial, 40);
  expect_return(&kit, &trial, 0, 1, 2000, 20);
  expect_refusal(&kit, &trial, (int64_t[]){2000}, ERR_DENIED, "RETURN_EXCEEDS_SOLD");
  expect_refusal(&kit, &trial, (int64_t[]){0}, ERR_INVALID, "bad_quantity");
  expect_refusal(&kit, &trial, (int64_t[]){-1}, ERR_INVALID, "bad_quantity");
  expect_return(&kit, &trial, 0, 1, 2000, 20);
  expect_refusal(&kit, &trial, (int64_t[]){1000}, ERR_DENIED, "RETURN_EXCEEDS_SOLD");
  expect_refusal(&kit, &trial, (int64_t[]){0}, ERR_DENIED, "RETURN_EXCEEDS_SOLD");
  expect_refusal(&kit, &trial, NULL, ERR_DENIED, "RETURN_EXCEEDS_SOLD");
  trial.order.state = LOYALTY_ORDER_CANCELLED;
  expect_refusal(&kit, &trial, NULL, ERR_DENIED, "ORDER_CANCELLED");
  kit_close(&kit);
}

static void pay_by_card(bool tender_first, int64_t first_card, int64_t first_money) {
  struct kit kit;
  struct trial trial;
  struct loyalty_returned returned;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 2, 2000, 0);
  card(&trial, 1750);
  posted(&trial, 20);
  assert_int_equal(loyalty_order_paid(&trial.order), 2000);
  assert_int_equal(give_back(&kit, &trial, (int64_t[]){1000}, tender_first, &returned), ERR_OK);
  assert_int_equal(returned.tender_cents[0], first_card);
  assert_int_equal(returned.money_cents, first_money);
  assert_int_equal(returned.take_back[0], 10);
  assert_int_equal(give_back(&kit, &trial, NULL, tender_first, &returned), ERR_OK);
  assert_int_equal(trial.tenders[0].restored, 1750);
  assert_int_equal(trial.tenders[0].restored_amount, 1750);
  kit_close(&kit);
}

static void test_a_card_gets_its_part_back(void **state) {
  (void)state;
  pay_by_card(false, 875, 125);
  pay_by_card(true, 1000, 0);
}

static void test_points_are_no_payment(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_returned returned;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 2, 10000, 0);
  points(&trial, 333, 3000);
  posted(&trial, 70);
  assert_int_equal(loyalty_order_paid(&trial.order), 7000);
  assert_int_equal(give_back(&kit, &trial, (int64_t[]){1000}, false, &returned), ERR_OK);
  assert_int_equal(returned.cents, 5000);
  assert_int_equal(returned.tender_cents[0], 1500);
  assert_int_equal(returned.tender_amounts[0], 166);
  assert_int_equal(returned.money_cents, 3500);
  assert_int_equal(returned.take_back[0], 35);
  assert_int_equal(loyalty_order_remaining(&trial.order), 3500);
  assert_int_equal(give_back(&kit, &trial, NULL, false, &returned), ERR_OK);
  assert_int_equal(returned.tender_amounts[0], 167);
  assert_int_equal(returned.take_back[0], 35);
  kit_close(&kit);
}

static void test_shipping_goes_with_the_last_line(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_returned returned;
  kit_open(&kit);
  start(&trial);
  trial.order.shipping = 490;
  trial.order.shipping_discount = 90;
  line(&trial, "1", 1, 1000, 0);
  line(&trial, "2", 1, 600, 0);
  posted(&trial, 20);
  assert_int_equal(loyalty_order_paid(&trial.order), 2000);
  expect_return(&kit, &trial, 0, 1, 1000, 10);
  expect_return(&kit, &trial, 1, 1, 1000, 10);
  // An order of shipping alone.
  start(&trial);
  trial.order.shipping = 490;
  assert_int_equal(give_back(&kit, &trial, NULL, false, &returned), ERR_OK);
  assert_int_equal(returned.cents, 490);
  expect_refusal(&kit, &trial, NULL, ERR_DENIED, "RETURN_EXCEEDS_SOLD");
  kit_close(&kit);
}

// Paid by points alone: nothing earned by money can be in it, but what was earned is kept to the last.
static void test_an_order_without_payment(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 2, 1000, 0);
  points(&trial, 100, 1000);
  posted(&trial, 7);
  expect_return(&kit, &trial, 0, 1, 500, 0);
  expect_return(&kit, &trial, 0, 1, 500, 7);
  kit_close(&kit);
}

// --- any sequence adds up ------------------------------------------------------------------------------------

static void random_order(struct trial *trial, uint64_t *random) {
  static const char *const ids[] = {"1", "2", "3", "4", "5", "6"};
  int64_t price = 0;
  start(trial);
  trial->order.shipping = kit_below(random, 2) * kit_below(random, 900);
  trial->order.shipping_discount = kit_below(random, trial->order.shipping + 1);
  for (int64_t i = kit_below(random, LINES_MAX); i >= 0; i--) {
    int64_t amount = kit_below(random, kit_below(random, 2) ? 40 : 30000);
    line(trial, ids[trial->order.line_count], kit_below(random, 4) + 1, amount, kit_below(random, amount + 1));
  }
  price = loyalty_order_paid(&trial->order);
  for (int64_t i = kit_below(random, TENDERS_MAX + 1); i > 0; i--) {
    int64_t cents = kit_below(random, price + 1);
    price -= cents;
    if (kit_below(random, 2)) {
      card(trial, cents);
    } else {
      points(trial, cents * 3 / 2, cents);
    }
  }
  posted(trial, loyalty_order_paid(&trial->order) / 100);
  posted(trial, kit_below(random, 1000));
}

// Some units of some lines; all that is left when it came out as nothing.
static const int64_t *random_quantities(const struct trial *trial, uint64_t *random, int64_t *quantities) {
  bool any = false;
  for (size_t i = 0; i < trial->order.line_count; i++) {
    int64_t left = trial->lines[i].quantity - trial->lines[i].returned;
    quantities[i] = kit_below(random, 2) ? kit_below(random, left + 1) : 0;
    any = any || quantities[i] > 0;
  }
  return any ? quantities : NULL;
}

static bool is_whole(const struct trial *trial) {
  for (size_t i = 0; i < trial->order.line_count; i++)
    if (trial->lines[i].returned < trial->lines[i].quantity) return false;
  return true;
}

// `mode` 0: in proportion; 1: tender first; 2: it changes from return to return.
static void return_in_parts(struct kit *kit, uint64_t *random, int mode) {
  struct trial trial, at_once;
  struct loyalty_returned returned, reference;
  int64_t sum = 0, quantities[LINES_MAX];
  random_order(&trial, random);
  memcpy(&at_once, &trial, sizeof trial);
  at_once.order.lines = at_once.lines;
  at_once.order.tenders = at_once.tenders;
  at_once.order.posted = at_once.posted;
  int64_t price = trial.order.shipping - trial.order.shipping_discount;
  for (size_t i = 0; i < trial.order.line_count; i++) price += trial.lines[i].amount - trial.lines[i].discount;
  while (!is_whole(&trial)) {
    bool tender_first = mode == 1 || (mode == 2 && kit_below(random, 2) == 0);
    const int64_t *given = random_quantities(&trial, random, quantities);
    assert_int_equal(give_back(kit, &trial, given, tender_first, &returned), ERR_OK);
    sum += returned.cents;
    if (mode == 2) continue;
    // One return of the same gives the same.
    for (size_t i = 0; i < trial.order.line_count; i++) quantities[i] = trial.lines[i].returned;
    assert_int_equal(
        loyalty_return_plan(&at_once.order, quantities, tender_first, NULL, &kit->arena, &reference, &kit->diag),
        ERR_OK);
    assert_int_equal(reference.cents, sum);
    for (size_t i = 0; i < trial.order.tender_count; i++) {
      assert_int_equal(reference.tender_cents[i], trial.tenders[i].restored);
      assert_int_equal(reference.tender_amounts[i], trial.tenders[i].restored_amount);
    }
    for (size_t i = 0; i < trial.order.posted_count; i++)
      assert_int_equal(reference.take_back[i], trial.posted[i].taken_back);
  }
  assert_int_equal(sum, price);
  assert_int_equal(loyalty_order_remaining(&trial.order), 0);
  for (size_t i = 0; i < trial.order.tender_count; i++) {
    assert_int_equal(trial.tenders[i].restored, trial.tenders[i].cents);
    assert_int_equal(trial.tenders[i].restored_amount, trial.tenders[i].amount);
  }
  for (size_t i = 0; i < trial.order.posted_count; i++)
    assert_int_equal(trial.posted[i].taken_back, trial.posted[i].amount);
}

static void test_any_sequence_of_returns_adds_up(void **state) {
  (void)state;
  uint64_t random = 987654321987654321u;
  struct kit kit;
  kit_open(&kit);
  for (int round = 0; round < 6000; round++) {
    return_in_parts(&kit, &random, round % 3);
    arena_clear(&kit.arena);
  }
  kit_close(&kit);
}

// Two cards and money of the same size: the largest remainder would take a cent back from one of them.
static void test_no_tender_loses_a_cent(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_returned returned;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 300, 300, 0);
  card(&trial, 7);
  card(&trial, 146);
  card(&trial, 2);
  for (int i = 0; i < 300; i++) assert_int_equal(give_back(&kit, &trial, (int64_t[]){1000}, false, &returned), ERR_OK);
  assert_int_equal(trial.tenders[0].restored, 7);
  assert_int_equal(trial.tenders[1].restored, 146);
  assert_int_equal(trial.tenders[2].restored, 2);
  kit_close(&kit);
}

static void test_large_amounts(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_returned returned;
  kit_open(&kit);
  start(&trial);
  line(&trial, "1", 3, INT64_MAX, 0);
  card(&trial, INT64_MAX / 2);
  points(&trial, INT64_MAX, INT64_MAX / 3);
  posted(&trial, INT64_MAX);
  for (int i = 0; i < 3; i++) assert_int_equal(give_back(&kit, &trial, (int64_t[]){1000}, false, &returned), ERR_OK);
  assert_int_equal(trial.tenders[0].restored, INT64_MAX / 2);
  assert_int_equal(trial.tenders[1].restored_amount, INT64_MAX);
  assert_int_equal(trial.posted[0].taken_back, INT64_MAX);
  kit_close(&kit);
}

// --- reading returns -----------------------------------------------------------------------------------------

static void two_of_one_sku(struct trial *trial) {
  start(trial);
  line(trial, "a", 2, 2000, 0);
  line(trial, "b", 3, 2400, 0);
  line(trial, "c", 1, 500, 0);
  trial->lines[2].sku = BYTES("B");
  trial->lines[0].returned = 1000;
}

static void expect_read(const char *json, int64_t a, int64_t b, int64_t c) {
  struct kit kit;
  struct trial trial;
  int64_t *quantities;
  kit_open(&kit);
  two_of_one_sku(&trial);
  enum err err =
      loyalty_return_read(kit_value(&kit, json), kit.names, &trial.order, &kit.arena, &quantities, &kit.diag);
  if (err != ERR_OK) fail_msg("%s: %s %s", json, kit.diag.code, kit.diag.field);
  assert_int_equal(quantities[0], a);
  assert_int_equal(quantities[1], b);
  assert_int_equal(quantities[2], c);
  kit_close(&kit);
}

static void test_a_return_is_read(void **state) {
  (void)state;
  expect_read("{\"lines\":[{\"line_id\":\"b\",\"quantity\":1.5}]}", 0, 1500, 0);
  expect_read("{\"lines\":[{\"line_id\":\"b\"}]}", 0, 3000, 0);
  expect_read("{\"products\":[{\"sku\":\"A\",\"quantity\":3}]}", 1000, 2000, 0);
  expect_read("{\"products\":[{\"sku\":\"A\"},{\"product_id\":\"B\"}]}", 1000, 3000, 1000);
  expect_read("{\"lines\":[{\"line_id\":\"b\",\"quantity\":1},{\"line_id\":\"b\",\"quantity\":1}]}", 0, 2000, 0);
  expect_read("{\"lines\":[],\"products\":[{\"sku\":\"A\"}]}", 0, 0, 0);
  struct kit kit;
  struct trial trial;
  int64_t *quantities;
  kit_open(&kit);
  two_of_one_sku(&trial);
  assert_int_equal(loyalty_return_read(kit_value(&kit, "{\"order_id\":\"o\"}"), kit.names, &trial.order, &kit.arena,
                                       &quantities, &kit.diag),
                   ERR_OK);
  assert_null(quantities);
  assert_int_equal(loyalty_return_read((struct value){0}, kit.names, &trial.order, &kit.arena, &quantities, &kit.diag),
                   ERR_OK);
  assert_null(quantities);
  kit_close(&kit);
}

static void test_wrong_returns_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *json, *code, *field;
    enum err err;
  } wrong[] = {
      {"[]", "wrong_type", "", ERR_INVALID},
      {"{\"lines\":{}}", "wrong_type", "lines", ERR_INVALID},
      {"{\"lines\":[1]}", "wrong_type", "lines[0]", ERR_INVALID},
      {"{\"lines\":[{}]}", "missing_member", "lines[0]", ERR_INVALID},
      {"{\"lines\":[{\"line_id\":\"z\"}]}", "unknown_line", "lines[0]", ERR_INVALID},
      {"{\"products\":[{\"sku\":\"Z\"}]}", "unknown_line", "products[0]", ERR_INVALID},
      {"{\"lines\":[{\"line_id\":\"b\",\"quantity\":0}]}", "bad_quantity", "lines[0].quantity", ERR_INVALID},
      {"{\"lines\":[{\"line_id\":\"b\",\"quantity\":-1}]}", "bad_quantity", "lines[0].quantity", ERR_INVALID},
      {"{\"lines\":[{\"line_id\":\"b\",\"quantity\":1e30}]}", "overflow", "lines[0].quantity", ERR_LIMIT},
      {"{\"lines\":[{\"line_id\":\"b\",\"quantity\":3.001}]}", "RETURN_EXCEEDS_SOLD", "lines[0]", ERR_DENIED},
      {"{\"lines\":[{\"line_id\":\"a\",\"quantity\":2}]}", "RETURN_EXCEEDS_SOLD", "lines[0]", ERR_DENIED},
      {"{\"lines\":[{\"line_id\":\"a\"},{\"line_id\":\"a\"}]}", "RETURN_EXCEEDS_SOLD", "lines[1]", ERR_DENIED},
      {"{\"lines\":[{\"sku\":\"A\",\"quantity\":5}]}", "RETURN_EXCEEDS_SOLD", "lines[0]", ERR_DENIED},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct kit kit;
    struct trial trial;
    int64_t *quantities;
    kit_open(&kit);
    two_of_one_sku(&trial);
    enum err err = loyalty_return_read(kit_value(&kit, wrong[i].json), kit.names, &trial.order, &kit.arena, &quantities,
                                       &kit.diag);
    if (err != wrong[i].err || strcmp(kit.diag.code, wrong[i].code) != 0 || strcmp(kit.diag.field, wrong[i].field) != 0)
      fail_msg("%s: %s %s", wrong[i].json, kit.diag.code, kit.diag.field);
    assert_null(quantities);
    kit_close(&kit);
  }
}

// --- rows ----------------------------------------------------------------------------------------------------

static const struct loyalty_part parts[] = {{.lot = 4352, .amount = 60, .active_us = 5, .expires_us = INT64_MAX},
                                            {.lot = 17, .amount = 40, .active_us = INT64_MIN, .expires_us = 9}};
static const struct loyalty_lot lots[] = {{.id = 4353,
                                           .currency = 1,
                                           .earned_us = 1772355600000000,
                                           .active_us = INT64_MAX,
                                           .expires_us = INT64_MAX,
                                           .amount = 25,
                                           .pending = 25,
                                           .origin = 3,
                                           .rule = {1, 2}}};
static const int64_t first_return[] = {1000, 0};

static void full_order(struct trial *trial, struct loyalty_used *used, struct loyalty_return *returns) {
  start(trial);
  struct loyalty_order *order = &trial->order;
  order->posting = 17;
  order->origin = 3;
  order->identifier = BYTES("loyalty_card:C-0042");
  order->time_us = 1772355600000000;
  order->recorded_us = 1772355600000001;
  order->source = 2;
  order->shipping = 490;
  order->shipping_discount = 490;
  order->tax = 1234;
  line(trial, "1", 2, 5000, 500);
  line(trial, "2", 1, 333, 0);
  trial->lines[0].returned = 1000;
  trial->lines[1].sku = bytes_of(NULL, 0);
  card(trial, 1000);
  points(trial, 100, 1000);
  trial->tenders[1].parts = parts;
  trial->tenders[1].part_count = 2;
  trial->tenders[1].restored = 400;
  trial->tenders[1].restored_amount = 40;
  trial->tenders[0].redemption = 77;
  posted(trial, 25);
  trial->posted[0].lots = lots;
  trial->posted[0].lot_count = 1;
  trial->posted[0].taken_back = 12;
  *used = (struct loyalty_used){.code = BYTES("SUMMER26"),
                                .voucher = 4,
                                .cents = 500,
                                .shipping_cents = 490,
                                .redemption = 9,
                                .rolled_back = true};
  *returns = (struct loyalty_return){.id = BYTES("r-1"),
                                     .time_us = 1772355700000000,
                                     .cents = 2250,
                                     .points = 12,
                                     .quantities = first_return,
                                     .reply = BYTES("{\"refund\":22.50}")};
  order->used = used;
  order->used_count = 1;
  order->returns = returns;
  order->return_count = 1;
  order->reply = BYTES("{\"order_id\":\"o-1\"}");
}

static struct bytes encoded(struct kit *kit, const struct loyalty_order *order) {
  struct buffer out;
  buffer_init(&out);
  loyalty_order_encode(order, &out);
  assert_false(out.failed);
  struct bytes row = arena_copy(&kit->arena, buffer_view(&out));
  buffer_release(&out);
  return row;
}

static void expect_told(const struct loyalty_order *order, const char *json) {
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  loyalty_order_json(order, NULL, &writer);
  json_object_end(&writer);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data, json);
  buffer_release(&out);
}

// Of an order whose promotions are computed again what its returns gave is never more than its price.
static void expect_asked(struct kit *kit, struct trial *trial, struct loyalty_return *returns) {
  struct loyalty_order back;
  trial->order.asked = BYTES("?");
  assert_int_equal(loyalty_order_decode(encoded(kit, &trial->order), &kit->arena, &back), ERR_OK);
  assert_true(bytes_equal(back.asked, BYTES("?")) && bytes_equal(back.cashier, trial->order.cashier));
  assert_int_equal(loyalty_order_remaining(&back), loyalty_order_paid(&back) + 400 - returns->cents);
  int64_t cents = returns->cents;
  returns->cents = 4834;
  assert_int_equal(loyalty_order_decode(encoded(kit, &trial->order), &kit->arena, &back), ERR_CORRUPT);
  returns->cents = cents;
  trial->order.cashier = BYTES("");
  assert_int_equal(loyalty_order_decode(encoded(kit, &trial->order), &kit->arena, &back), ERR_OK);
  assert_int_equal(back.cashier.size_bytes, 0);
  trial->order.asked = BYTES("");
}

static void test_an_order_comes_back_from_its_row(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_used used;
  struct loyalty_return returns;
  struct loyalty_order back;
  kit_open(&kit);
  full_order(&trial, &used, &returns);
  struct bytes row = encoded(&kit, &trial.order);
  assert_true(row.size_bytes < 260);
  assert_int_equal(loyalty_order_decode(row, &kit.arena, &back), ERR_OK);
  assert_true(bytes_equal(encoded(&kit, &back), row));
  assert_true(bytes_equal(back.identifier, trial.order.identifier));
  assert_true(bytes_equal(back.reply, trial.order.reply));
  assert_int_equal(back.cashier.size_bytes, 0); // rows from before there were cashiers end there
  trial.order.cashier = BYTES("anna");
  assert_int_equal(loyalty_order_decode(encoded(&kit, &trial.order), &kit.arena, &back), ERR_OK);
  assert_true(bytes_equal(back.cashier, trial.order.cashier));
  assert_true(bytes_equal(back.returns[0].reply, returns.reply));
  assert_int_equal(back.returns[0].quantities[0], 1000);
  assert_int_equal(back.tenders[1].parts[0].expires_us, INT64_MAX);
  assert_true(back.tenders[1].parts[1].active_us == INT64_MIN);
  assert_int_equal(back.posted[0].lots[0].active_us, INT64_MAX);
  assert_int_equal(back.posted[0].lots[0].rule.rule, 2);
  assert_true(back.used[0].rolled_back);
  expect_asked(&kit, &trial, &returns);
  expect_told(&back,
              "{\"order_id\":\"o-1\",\"state\":\"placed\",\"customer\":\"c3\",\"cashier\":\"anna\",\"time\":\"2026-03-"
              "01T09:00:00.000Z\","
              "\"recorded_at\":\"2026-03-01T09:00:00.000001Z\",\"amount\":48.33,\"paid\":38.33,\"remaining\":19.83,"
              "\"shipping\":4.90,\"shipping_discount\":4.90,\"tax\":12.34,\"lines\":[{\"line_id\":\"1\",\"sku\":\"A\","
              "\"quantity\":2,\"amount\":50.00,\"discount\":5.00,\"returned\":1},{\"line_id\":\"2\",\"quantity\":1,"
              "\"amount\":3.33,\"discount\":0.00,\"returned\":0}],\"tenders\":[{\"kind\":\"card\",\"code\":\"CARD\","
              "\"amount\":10.00,\"restored\":0.00},{\"kind\":\"points\",\"programme\":0,\"currency\":1,\"points\":100,"
              "\"points_restored\":40,"
              "\"amount\":10.00,\"restored\":4.00}],\"earned\":[{\"programme\":0,\"currency\":1,\"amount\":25,"
              "\"taken_back\":12}],\"discounts\":[{\"code\":\"SUMMER26\",\"amount\":5.00,\"shipping\":4.90,"
              "\"redemption\":\"r9\",\"rolled_back\":true}],\"returns\":[{\"id\":\"r-1\","
              "\"time\":\"2026-03-01T09:01:40.000Z\",\"amount\":22.50,\"points\":12,\"lines\":[{\"line_id\":\"1\","
              "\"quantity\":1}]}]}");
  kit_close(&kit);
}

static void test_parts_of_units_are_told(void **state) {
  (void)state;
  struct trial trial;
  start(&trial);
  line(&trial, "1", 2, 5, 0);
  trial.lines[0].quantity = 1250;
  trial.lines[0].returned = 5;
  trial.order.state = LOYALTY_ORDER_CANCELLED;
  expect_told(&trial.order,
              "{\"order_id\":\"o-1\",\"state\":\"cancelled\",\"customer\":\"c0\",\"time\":\"1970-01-01T00:00:00.000Z\","
              "\"recorded_at\":\"1970-01-01T00:00:00.000Z\",\"amount\":0.05,\"paid\":0.05,\"remaining\":0.05,"
              "\"shipping\":0.00,\"shipping_discount\":0.00,\"tax\":0.00,\"lines\":[{\"line_id\":\"1\",\"sku\":\"A\","
              "\"quantity\":1.25,\"amount\":0.05,\"discount\":0.00,\"returned\":0.005}],\"tenders\":[],\"earned\":[],"
              "\"discounts\":[],\"returns\":[]}");
}

static void expect_corrupt(struct kit *kit, const struct trial *trial) {
  struct loyalty_order back;
  assert_int_equal(loyalty_order_decode(encoded(kit, &trial->order), &kit->arena, &back), ERR_CORRUPT);
}

static void test_a_damaged_row_is_found(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_used used;
  struct loyalty_return returns;
  struct loyalty_order back;
  kit_open(&kit);
  full_order(&trial, &used, &returns);
  struct bytes row = encoded(&kit, &trial.order);
  for (size_t size = 0; size < row.size_bytes; size++)
    assert_int_equal(loyalty_order_decode(bytes_of(row.data, size), &kit.arena, &back), ERR_CORRUPT);
  uint8_t *longer = arena_take(&kit.arena, row.size_bytes + 1);
  memcpy(longer, row.data, row.size_bytes);
  longer[row.size_bytes] = 0;
  assert_int_equal(loyalty_order_decode(bytes_of(longer, row.size_bytes + 1), &kit.arena, &back), ERR_CORRUPT);
  longer[0] = 2;
  assert_int_equal(loyalty_order_decode(bytes_of(longer, row.size_bytes), &kit.arena, &back), ERR_CORRUPT);
  // What no order can be.
  trial.lines[1].discount = 334;
  expect_corrupt(&kit, &trial);
  full_order(&trial, &used, &returns);
  trial.lines[0].returned = 2001;
  expect_corrupt(&kit, &trial);
  full_order(&trial, &used, &returns);
  trial.lines[0].amount = INT64_MAX;
  expect_corrupt(&kit, &trial);
  full_order(&trial, &used, &returns);
  trial.tenders[0].cents = trial.tenders[0].amount = 4000;
  expect_corrupt(&kit, &trial);
  full_order(&trial, &used, &returns);
  trial.posted[0].taken_back = 26;
  expect_corrupt(&kit, &trial);
  kit_close(&kit);
}

static void test_short_memory_is_told(void **state) {
  (void)state;
  struct kit kit;
  struct trial trial;
  struct loyalty_used used;
  struct loyalty_return returns;
  struct loyalty_order back;
  struct loyalty_returned returned;
  int64_t *quantities;
  kit_open(&kit);
  full_order(&trial, &used, &returns);
  struct bytes row = encoded(&kit, &trial.order);
  struct value value = kit_value(&kit, "{\"lines\":[{\"line_id\":\"2\"}]}");
  for (uint64_t allowed = 0;; allowed++) {
    struct arena arena;
    arena_init(&arena, 0);
    alloc_fail_after(allowed, true);
    enum err err = loyalty_order_decode(row, &arena, &back);
    if (err == ERR_OK) err = loyalty_return_read(value, kit.names, &back, &arena, &quantities, NULL);
    if (err == ERR_OK) err = loyalty_return_plan(&back, quantities, false, NULL, &arena, &returned, NULL);
    bool failed = alloc_fail_disarm();
    arena_release(&arena);
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    if (!failed) break;
  }
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cumulative_rounding),
      cmocka_unit_test(test_shares_come_back),
      cmocka_unit_test(test_over_return),
      cmocka_unit_test(test_a_card_gets_its_part_back),
      cmocka_unit_test(test_points_are_no_payment),
      cmocka_unit_test(test_shipping_goes_with_the_last_line),
      cmocka_unit_test(test_an_order_without_payment),
      cmocka_unit_test(test_any_sequence_of_returns_adds_up),
      cmocka_unit_test(test_no_tender_loses_a_cent),
      cmocka_unit_test(test_large_amounts),
      cmocka_unit_test(test_a_return_is_read),
      cmocka_unit_test(test_wrong_returns_are_refused),
      cmocka_unit_test(test_an_order_comes_back_from_its_row),
      cmocka_unit_test(test_parts_of_units_are_told),
      cmocka_unit_test(test_a_damaged_row_is_found),
      cmocka_unit_test(test_short_memory_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
