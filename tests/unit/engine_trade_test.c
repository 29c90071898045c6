// What an order is: the default, which fits Segment's events, and documents that say otherwise; orders that came twice,
// what came back, lines; what a document may not say, each in words; versions; and all of it with the n-th allocation
// failing.
#include "engine_read_fixture.h"

#include "base/alloc.h"
#include "engine/trade.h"

static struct kit kit;

static const char *const lines[] = {
    "message track t=100 user_id:u1 name=Order+Completed {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"A\",\"total\":27.50,\"store\":\"Lyon\",\"products\":[{\"sku\":\"p1\",\"category\":\"Phones\","
    "\"price\":10.25,\"quantity\":2},{\"product_id\":7,\"category\":\"Cases\",\"price\":7}]}}",
    "message track t=200 user_id:u1 name=Order+Completed {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"A\",\"total\":27.50,\"store\":\"Lyon\"}}",
    "message track t=300 user_id:u1 name=Order+Completed {\"context\":{\"channel\":\"web\"},\"properties\":"
    "{\"order_id\":12,\"revenue\":5,\"products\":[{\"sku\":\"w\",\"price\":2.5,\"quantity\":0.8},"
    "{\"sku\":\"x\"}]}}",
    "message track t=400 user_id:u1 name=Order+Refunded {\"properties\":{\"order_id\":\"A\",\"total\":-10.25,"
    "\"products\":[{\"sku\":\"p1\",\"category\":\"Phones\",\"price\":10.25,\"quantity\":-1}]}}",
    "message track t=500 user_id:u1 name=Order+Refunded {\"properties\":{\"order_id\":\"A\",\"total\":1}}",
    "message track t=600 user_id:u1 name=Order+Completed {\"properties\":{\"note\":\"no amount, no id\"}}",
    "message track t=700 user_id:u1 name=Ticket {\"properties\":{\"paid\":{\"cents\":1250},\"shop\":3}}",
    "message track t=100 user_id:u2 name=Product+Viewed {\"properties\":{\"total\":99}}",
};

static int set_up(void **state) {
  return read_set_up(state, &kit, lines, sizeof lines / sizeof *lines);
}

// --- orders as text ------------------------------------------------------------------------------------------

struct told {
  const struct trade *trade;
  int64_t from_us, to_us;
  bool items;
  struct buffer out;
};

static void tell_number(struct buffer *out, struct decimal number) {
  char text[DECIMAL_TEXT_BYTES];
  buffer_append_bytes(out, bytes_of(text, decimal_format(number, text)));
}

static void tell_order(struct buffer *out, const struct trade_order *order) {
  buffer_append_format(out, "%lld%s ", (long long)((order->time_us - KIT_EPOCH_US) / CLOCK_SECOND_US),
                       order->returned ? " back" : "");
  tell_number(out, order->amount);
  buffer_append_format(out, " %.*s/%.*s%s", BYTES_ARG(order->channel), BYTES_ARG(order->store),
                       order->in_store ? " in store" : "");
  for (size_t i = 0; i < order->item_count; i++) {
    const struct trade_item *item = &order->items[i];
    buffer_append_format(out, " [%.*s %.*s %lld ", BYTES_ARG(item->range), BYTES_ARG(item->sku),
                         (long long)item->quantity);
    tell_number(out, item->amount);
    buffer_append_text(out, "]");
  }
  buffer_append_text(out, "\n");
}

static enum err tell_customer(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct told *told = state;
  const struct trade_order *orders;
  size_t count;
  (void)part;
  enum err err =
      trade_orders(told->trade, facts, told->from_us, told->to_us, told->items, arena, &orders, &count, diag);
  for (size_t i = 0; err == ERR_OK && i < count; i++) tell_order(&told->out, &orders[i]);
  return err == ERR_OK && told->out.failed ? diag_no_memory(diag) : err;
}

static enum err tell(struct told *told, struct diag *diag) {
  struct engine_view *view;
  struct trade *trade = NULL;
  buffer_init(&told->out);
  enum err err = engine_view_open(kit.engine, &view);
  if (err != ERR_OK) return err;
  err = trade_open(view, &trade, diag);
  if (err == ERR_OK) {
    struct walk_options options = {.view = view, .threads = 1};
    told->trade = trade;
    options.name_count = trade_names(trade, &options.names);
    err = walk_customers(&options, tell_customer, told, diag);
  }
  trade_close(trade);
  engine_view_close(view);
  return err;
}

static void expect(int64_t from_s, int64_t to_s, bool items, const char *expected) {
  struct told told = {.from_us = from_s == 0 ? INT64_MIN : KIT_EPOCH_US + from_s * CLOCK_SECOND_US,
                      .to_us = to_s == 0 ? INT64_MAX : KIT_EPOCH_US + to_s * CLOCK_SECOND_US,
                      .items = items};
  struct diag diag;
  diag_init(&diag);
  if (tell(&told, &diag) != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  buffer_append_byte(&told.out, 0);
  assert_string_equal((const char *)told.out.data, expected);
  buffer_release(&told.out);
}

static void test_the_default_fits_segments_events(void **state) {
  (void)state;
  expect(0, 0, false, "100 27.50 store/Lyon in store\n300 5 web/\n400 back 10.25 /\n500 back 1 /\n600 0 /\n");
  expect(0, 0, true,
         "100 27.50 store/Lyon in store [Phones p1 2 20.50] [Cases 7 1 7]\n"
         "300 5 web/ [ w 1 2.00] [ x 1 0]\n"
         "400 back 10.25 / [Phones p1 1 10.25]\n500 back 1 /\n600 0 /\n");
}

static void test_times_are_half_open(void **state) {
  (void)state;
  expect(200, 400, false, "200 27.50 store/Lyon in store\n300 5 web/\n");
  expect(700, 0, false, "");
}

// --- documents -----------------------------------------------------------------------------------------------

static enum err put(const char *json, struct buffer *told, struct rule_diag *refusal, struct diag *diag) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer packed;
  buffer_init(&packed);
  buffer_init(told);
  json_writer_init(&writer, told);
  diag_init(diag);
  enum err err = value_parse_json(kit.parser, bytes_from_text(json), engine_names(kit.engine), &packed, diag);
  if (err == ERR_OK)
    err = trade_put(kit.engine, (struct value){buffer_view(&packed)}, BYTES("ann"), &writer, &commit, refusal, diag);
  buffer_release(&packed);
  return err;
}

static void expect_put(const char *json, const char *part) {
  struct rule_diag refusal;
  struct diag diag;
  struct buffer told;
  if (put(json, &told, &refusal, &diag) != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  buffer_append_byte(&told, 0);
  if (strstr((const char *)told.data, part) == NULL) fail_msg("%s", (const char *)told.data);
  buffer_release(&told);
}

static void expect_refused(const char *json, const char *code, const char *field, const char *words) {
  struct rule_diag refusal;
  struct diag diag;
  struct buffer told;
  enum err err = put(json, &told, &refusal, &diag);
  if (err == ERR_OK) fail_msg("%s was taken", json);
  assert_string_equal(diag.code, code);
  assert_string_equal(diag.field, field);
  if (strstr(diag.message, words) == NULL) fail_msg("%s: %s", json, diag.message);
  buffer_release(&told);
}

static void json_of(struct buffer *out) {
  struct engine_view *view;
  struct json_writer writer;
  struct diag diag;
  buffer_init(out);
  json_writer_init(&writer, out);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  assert_int_equal(trade_json(view, &writer, &diag), ERR_OK);
  engine_view_close(view);
  buffer_append_byte(out, 0);
}

static void test_the_document_of_nobody(void **state) {
  (void)state;
  struct buffer out;
  json_of(&out);
  assert_string_equal(
      (const char *)out.data,
      "{\"order\":\"Order Completed\",\"amount\":\"coalesce(total, revenue, value)\",\"order_id\":\"order_id\","
      "\"returned\":\"Order Refunded\",\"returned_amount\":\"coalesce(total, revenue, value)\","
      "\"channel\":\"context.channel\",\"store\":\"store\",\"store_channels\":[\"store\"],\"items\":\"products\","
      "\"range\":\"category\",\"sku\":\"coalesce(sku, product_id)\",\"quantity\":\"quantity\","
      "\"item_amount\":\"price * coalesce(quantity, 1)\",\"version\":0,\"changed_at\":null,\"author\":\"default\"}");
  buffer_release(&out);
}

static void test_a_document_of_ones_own(void **state) {
  (void)state;
  struct buffer first, again;
  expect_put("{\"order\":\"Ticket\",\"amount\":\"paid.cents / 100\",\"store\":\"shop\",\"returned\":null,"
             "\"store_channels\":null,\"items\":null,\"channel\":\"if(shop = 3, upper(\\\"till\\\"), \\\"web\\\")\"}",
             "\"version\":1");
  expect(0, 0, true, "700 12.5 TILL/3 in store\n");
  json_of(&first);
  assert_non_null(strstr((const char *)first.data, "\"returned\":null"));
  assert_non_null(strstr((const char *)first.data, "\"author\":\"ann\"}"));
  expect_put((const char *)first.data, "\"version\":2"); // as it was told
  expect(0, 0, true, "700 12.5 TILL/3 in store\n");
  json_of(&again);
  assert_non_null(strstr((const char *)again.data, "\"amount\":\"paid.cents / 100\""));
  buffer_release(&first);
  buffer_release(&again);
  expect_put("{\"channel\":\"chanel\"}", "unknown_property");
  expect_put("{}", "\"version\":4");
  expect_put("{\"order\":\"Never Seen\",\"returned\":null}", "\"version\":5");
  expect(0, 0, true, "");
}

static void test_what_a_document_may_not_say(void **state) {
  (void)state;
  expect_refused("[]", "wrong_type", "", "an object");
  expect_refused("{\"ordre\":\"Ticket\"}", "unknown_member", "ordre", "did you mean \"order\"");
  expect_refused("{\"order\":7}", "wrong_type", "order", "a text");
  expect_refused("{\"order\":\"Order Refunded\"}", "same_event", "returned", "another event");
  expect_refused("{\"amount\":null}", "wrong_type", "amount", "an expression");
  expect_refused("{\"amount\":\"total +\"}", "unfinished", "amount", "");
  expect_refused("{\"amount\":\"lower(\\\"A\\\")\"}", "wrong_type", "amount", "gives a number");
  expect_refused("{\"amount\":\"traits.spent\"}", "wrong_path", "amount", "what the order itself says");
  expect_refused("{\"amount\":\"count(\\\"Order Completed\\\")\"}", "wrong_path", "amount", "itself");
  expect_refused("{\"items\":\"length(\\\"a\\\")\"}", "wrong_type", "items", "gives a list");
  expect_refused("{\"store_channels\":\"store\"}", "wrong_type", "store_channels", "a list");
  expect_refused("{\"store_channels\":[1]}", "wrong_type", "store_channels", "a text");
}

// --- failures ------------------------------------------------------------------------------------------------

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  bool fired = true;
  for (uint64_t n = 1; fired; n += 1 + n / 24) {
    struct told told = {.from_us = INT64_MIN, .to_us = INT64_MAX, .items = true};
    struct diag diag;
    diag_init(&diag);
    alloc_fail_after(n, false);
    enum err err = tell(&told, &diag);
    fired = alloc_fail_disarm();
    assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
    buffer_release(&told.out);
  }
}

static void test_every_allocation_of_a_change_may_fail(void **state) {
  (void)state;
  bool fired = true;
  for (uint64_t n = 1; fired; n += 1 + n / 24) {
    struct rule_diag refusal;
    struct diag diag;
    struct buffer told;
    alloc_fail_after(n, false);
    enum err err = put("{\"order\":\"Order Completed\",\"amount\":\"total * 2\"}", &told, &refusal, &diag);
    fired = alloc_fail_disarm();
    assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
    buffer_release(&told);
  }
  expect(600, 0, false, "600 0 /\n");
  expect(300, 400, false, "300 0 web/\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_the_default_fits_segments_events, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_times_are_half_open, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_the_document_of_nobody, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_a_document_of_ones_own, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_what_a_document_may_not_say, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_every_allocation_of_a_change_may_fail, set_up, read_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
