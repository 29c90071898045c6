// The till: what its commands ask for, what stays and what is taken back, and what stands on the screen.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/till.h"

// A workspace that says what the test tells it, and remembers what it was asked.
struct shop {
  enum target_op op;
  char body[4096], id[128], ref[128];
  size_t asked;
  const char *reply; // NULL: `err`
  const char *member;
  enum err err;
  const char *code;
};

static enum err ask(void *context, const struct target_call *call, struct buffer *out, struct diag *diag) {
  struct shop *shop = context;
  shop->op = call->op;
  shop->asked++;
  snprintf(shop->body, sizeof shop->body, "%.*s", BYTES_ARG(call->body));
  if (call->args[TARGET_ARG_ID] != NULL) snprintf(shop->id, sizeof shop->id, "%s", call->args[TARGET_ARG_ID]);
  if (call->args[TARGET_ARG_REF] != NULL) snprintf(shop->ref, sizeof shop->ref, "%s", call->args[TARGET_ARG_REF]);
  if (call->op == TARGET_MEMBER && shop->member != NULL) {
    buffer_append_text(out, shop->member);
    return ERR_OK;
  }
  if (shop->reply == NULL) return diag_set(diag, shop->err, shop->code, "refused by the shop");
  buffer_append_text(out, shop->reply);
  return ERR_OK;
}

static const char member[] =
    "{\"customer\":\"c42\",\"programmes\":[{\"programme\":\"club\",\"balances\":[{\"currency\":\"points\",\"active\":"
    "1250,\"pending\":120,\"held\":0,\"debt\":0,\"available\":1250,\"spent\":0,\"expired\":0}],\"tier\":{\"level\":"
    "\"premium\",\"since\":\"2026-01-02T00:00:00Z\",\"qualifying\":510},\"lots\":[],\"holds\":[]}],\"vouchers\":[]}";
static const char evaluation[] =
    "{\"customer\":\"c42\",\"effects\":[{\"type\":\"discount\",\"code\":\"WELCOME\",\"amount\":10.00,\"lines\":"
    "[{\"line_id\":\"1\",\"amount\":10.00}]},{\"type\":\"points\",\"programme\":\"club\",\"rule\":\"purchase\","
    "\"currency\":\"points\",\"amount\":89,\"active_at\":\"2026-12-06T00:00:00Z\",\"expires_on\":\"2027-12-06\"},"
    "{\"type\":\"pay\",\"points\":100,\"amount\":1.00}],\"rejected\":[{\"code\":\"OLD\",\"reason\":\"CouponExpired\","
    "\"message\":\"The code has expired.\"}],\"totals\":{\"amount\":99.80,\"discount\":10.00,\"shipping\":0.00,"
    "\"tax\":0.00,\"due\":89.80,\"paid_with_points\":1.00,\"paid_with_cards\":0.00,\"to_pay\":88.80},\"missing\":"
    "[{\"programme\":\"club\",\"tier\":\"vip\",\"amount\":990}]}";

static struct shop shop;
static struct till till;

static int set_up(void **state) {
  (void)state;
  shop = (struct shop){.reply = evaluation, .member = member};
  till_init(&till, ask, &shop);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  till_release(&till);
  return 0;
}

static void expect_body(const char *wanted) {
  assert_string_equal(shop.body, wanted);
}

static void test_request(void **state) {
  (void)state;
  assert_true(till_run(&till, "card loyalty_card:123"));
  assert_string_equal(shop.ref, "loyalty_card:123");
  assert_true(till_run(&till, "add A1 2 49.90"));
  assert_int_equal(shop.op, TARGET_EVALUATE);
  expect_body("{\"customer\":\"loyalty_card:123\",\"cart\":{\"products\":[{\"line_id\":\"1\",\"sku\":\"A1\","
              "\"quantity\":2,\"price\":49.90}]}}");
  assert_true(till_run(&till, "code WELCOME"));
  assert_true(till_run(&till, "burn 100 club"));
  expect_body("{\"customer\":\"loyalty_card:123\",\"cart\":{\"products\":[{\"line_id\":\"1\",\"sku\":\"A1\","
              "\"quantity\":2,\"price\":49.90}]},\"codes\":[\"WELCOME\"],\"pay\":[{\"points\":{\"programme\":\"club\","
              "\"amount\":100}}]}");
  assert_true(till_run(&till, "burn 0"));
  assert_true(till_run(&till, "drop welcome"));
  assert_null(strstr(shop.body, "pay"));
  assert_null(strstr(shop.body, "codes"));
}

static void test_the_same_product_is_one_line(void **state) {
  (void)state;
  till_run(&till, "add A1 2 49.90");
  till_run(&till, "add A1 49.90");
  till_run(&till, "add A1 1 10.00");
  assert_int_equal(till.sale.line_count, 2);
  assert_int_equal(till.sale.lines[0].quantity, 3);
  assert_int_equal(till.sale.lines[1].price_cents, 1000);
  assert_true(till_run(&till, "drop a1"));
  assert_int_equal(till.sale.line_count, 1);
}

static void test_a_scanned_number_is_a_card(void **state) {
  (void)state;
  till_run(&till, "card 0042");
  assert_string_equal(shop.ref, "loyalty_card:0042");
  till_run(&till, "card c42");
  assert_string_equal(shop.ref, "c42");
  till_run(&till, "card email:zoe@exemple.fr");
  assert_string_equal(shop.ref, "email:zoe@exemple.fr");
}

static void expect_words(const char *line, const char *words) {
  size_t asked = shop.asked;
  assert_false(till_run(&till, line));
  assert_true(till.failed);
  assert_int_equal(shop.asked, asked);
  if (strstr(till.notice, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", till.notice, words);
}

static void test_mistakes_are_told_in_words(void **state) {
  (void)state;
  expect_words("add", "add SKU [QUANTITY] [PRICE]");
  expect_words("add NOWHERE", "say its price");
  expect_words("add A1 0 1.00", "is no quantity");
  expect_words("add A1 99999 1.00", "is no quantity");
  expect_words("add A1 1 1,00", "is no price");
  expect_words("add A1 1 -1.00", "is no price");
  expect_words("add A1 1 1.005", "is no price");
  expect_words("burn many", "is no amount");
  expect_words("drop A1", "neither a product nor a code");
  expect_words("pay", "the basket is empty");
  expect_words("return", "which order");
  expect_words("member", "scan a card first");
  expect_words("ad A1", "did you mean \"add\"");
  expect_words("xyzzy plugh", "\"help\" lists them");
  till_run(&till, "add A1 1 1.00");
  expect_words("pay", "whose is it?");
}

static void test_what_is_refused_is_taken_back(void **state) {
  (void)state;
  till_run(&till, "card c42");
  till_run(&till, "add A1 1 20.00");
  shop.reply = NULL, shop.err = ERR_DENIED, shop.code = "INSUFFICIENT_POINTS";
  assert_false(till_run(&till, "burn 5000"));
  assert_string_equal(till.sale.burn, "");
  assert_false(till.stale);
  assert_non_null(strstr(till.notice, "(INSUFFICIENT_POINTS)"));
  assert_non_null(till.evaluation.data);
}

static void test_a_dead_network_loses_nothing(void **state) {
  (void)state;
  till_run(&till, "card c42");
  till_run(&till, "add A1 1 20.00");
  shop.reply = NULL, shop.err = ERR_IO, shop.code = "unreachable";
  assert_false(till_run(&till, "add B2 1 5.00"));
  assert_true(till.stale);
  assert_int_equal(till.sale.line_count, 2);
  // A refusal that follows brings back the basket that was not priced, and it is not priced still.
  shop.err = ERR_DENIED, shop.code = "INSUFFICIENT_POINTS";
  assert_false(till_run(&till, "burn 9"));
  assert_int_equal(till.sale.line_count, 2);
  assert_true(till.stale);
  shop.reply = evaluation;
  assert_true(till_run(&till, "again"));
  assert_false(till.stale);
  assert_non_null(strstr(shop.body, "B2"));
}

// An order that was sent and not answered keeps its id, and cannot become another one.
static void test_an_order_is_sent_under_one_id(void **state) {
  (void)state;
  char first[TILL_TEXT_BYTES];
  till_run(&till, "card c42");
  till_run(&till, "add A1 1 20.00");
  shop.reply = NULL, shop.err = ERR_IO, shop.code = "unreachable";
  assert_false(till_run(&till, "pay"));
  snprintf(first, sizeof first, "%s", till.sale.order);
  assert_true(strncmp(first, "till-", 5) == 0);
  assert_false(till_run(&till, "add B2 1 5.00"));
  assert_non_null(strstr(till.notice, "not answered"));
  assert_false(till_run(&till, "pay another"));
  assert_string_equal(till.sale.order, first);
  shop.reply = evaluation;
  assert_true(till_run(&till, "again"));
  assert_int_equal(shop.op, TARGET_ORDER);
  assert_non_null(strstr(shop.body, first));
  assert_string_equal(till.last_order, first);
  assert_int_equal(till.sale.line_count, 0);
  assert_true(till.paper.size_bytes > 0);
}

static void test_a_return_is_sent_under_one_id(void **state) {
  (void)state;
  char first[sizeof shop.body];
  till_run(&till, "card c42");
  till_run(&till, "add A1 1 20.00");
  assert_true(till_run(&till, "pay T-1"));
  shop.reply = NULL, shop.err = ERR_IO, shop.code = "unreachable";
  assert_false(till_run(&till, "return"));
  assert_string_equal(shop.id, "T-1");
  snprintf(first, sizeof first, "%s", shop.body);
  shop.reply = "{\"order\":\"T-1\",\"return_id\":\"x\",\"refund\":{\"amount\":20.00,\"money\":20.00,\"tenders\":[]},"
               "\"points\":[]}";
  assert_true(till_run(&till, "return T-1"));
  assert_string_equal(shop.body, first);
  assert_true(till_run(&till, "return T-1 A1=1,line:2"));
  assert_string_not_equal(shop.body, first);
  assert_non_null(strstr(shop.body, "\"lines\":[{\"sku\":\"A1\",\"quantity\":1},{\"line_id\":\"2\"}]"));
}

static void test_a_new_card_is_no_failure(void **state) {
  (void)state;
  shop.member = NULL, shop.reply = NULL, shop.err = ERR_NOT_FOUND, shop.code = "no_customer";
  assert_true(till_run(&till, "card 777"));
  assert_non_null(strstr(till.notice, "nobody has this card yet"));
  assert_string_equal(till.sale.card, "loyalty_card:777");
}

// Whatever allocation fails, the till goes on with a sale that is whole, and nothing is lost from the memory.
static void test_short_memory(void **state) {
  (void)state;
  bool failed = true;
  for (uint64_t n = 0; failed; n++) {
    struct buffer out;
    struct till poor;
    till_init(&poor, ask, &shop);
    buffer_init(&out);
    alloc_fail_after(n, true);
    till_run(&poor, "card c42");
    till_run(&poor, "add A1 2 49.90");
    till_run(&poor, "burn 5");
    till_draw(&poor, NULL, "", 24, 80, &out);
    till_run(&poor, "pay T-1");
    till_run(&poor, "return A1=1");
    till_run(&poor, "help");
    failed = alloc_fail_disarm();
    assert_true(poor.sale.line_count <= 1);
    buffer_release(&out);
    till_release(&poor);
  }
}

// --- the screen ------------------------------------------------------------------------------------------------

static size_t characters(const char *line, size_t size) {
  size_t count = 0;
  for (size_t i = 0; i < size; i++) count += ((uint8_t)line[i] & 0xc0) != 0x80 && line[i] > TILL_DIM;
  for (size_t i = 0; i < size; i++) count += ((uint8_t)line[i] & 0xc0) == 0xc0;
  return count;
}

// The screen has exactly its rows, none wider than it. Returns it as text, to be released.
static void draw(char key, const char *typed, size_t rows, size_t columns, struct buffer *out) {
  size_t lines = 0;
  buffer_init(out);
  till_draw(&till, key == 0 ? NULL : till_prompt_of(key), typed, rows, columns, out);
  buffer_append_byte(out, '\0');
  for (const char *at = (const char *)out->data; *at != '\0'; lines++) {
    size_t size = strcspn(at, "\n");
    assert_true(characters(at, size) <= columns);
    at += size + 1;
  }
  assert_int_equal(lines, rows);
}

static void expect_on_screen(char key, const char *typed, const char *const *wanted) {
  struct buffer out;
  draw(key, typed, 24, 80, &out);
  for (; *wanted != NULL; wanted++)
    if (strstr((char *)out.data, *wanted) == NULL) fail_msg("\"%s\" is not on\n%s", *wanted, (char *)out.data);
  buffer_release(&out);
}

static void test_screen(void **state) {
  (void)state;
  till_run(&till, "card 123");
  till_run(&till, "add A1 2 49.90");
  expect_on_screen(0, "",
                   (const char *[]){"premium: 1250 points, 120 pending", "2     A1", "49.90", "-10.00",
                                    "Goods            99.80", "Taken off       -10.00  WELCOME",
                                    "Paid with        -1.00  100 points", "To pay           88.80",
                                    "+89  points for purchase, from 2026-12-06 until 2027-12-06",
                                    "OLD: The code has expired. (CouponExpired)", "990 to the tier vip",
                                    "A add product", "Q quit", NULL});
  expect_on_screen('a', "", (const char *[]){"Product: _", "Enter: do it. Esc: not now.", NULL});
}

static void test_the_catalogue_is_looked_through(void **state) {
  (void)state;
  struct buffer all, few;
  draw('a', "", 24, 80, &all);
  draw('a', "zzzz-nothing", 24, 80, &few);
  assert_true(all.size_bytes > few.size_bytes);
  buffer_release(&all);
  buffer_release(&few);
}

static void test_every_size(void **state) {
  (void)state;
  for (int i = 0; i < 30; i++) {
    char line[64];
    snprintf(line, sizeof line, "add SKU-%d-é 1 %d.00", i, i + 1);
    assert_true(till_run(&till, line));
  }
  assert_false(till_run(&till, "add"));
  memset(till.notice, 'x', 300);
  till.notice[300] = '\0';
  for (size_t rows = 1; rows < 40; rows++) {
    for (size_t columns = 1; columns < 130; columns += 13) {
      struct buffer out;
      draw(rows % 2 == 0 ? 0 : 'c', "zoé@exemple.fr", rows, columns, &out);
      buffer_release(&out);
    }
  }
}

static void test_every_key_has_a_command(void **state) {
  (void)state;
  struct buffer help;
  buffer_init(&help);
  till_print_help(&help);
  buffer_append_byte(&help, '\0');
  for (int key = 'a'; key <= 'z'; key++) {
    const struct till_prompt *prompt = till_prompt_of((char)key);
    if (prompt != NULL) assert_non_null(strstr((char *)help.data, prompt->verb));
  }
  buffer_release(&help);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_request),
      TEST(test_the_same_product_is_one_line),
      TEST(test_a_scanned_number_is_a_card),
      TEST(test_mistakes_are_told_in_words),
      TEST(test_what_is_refused_is_taken_back),
      TEST(test_a_dead_network_loses_nothing),
      TEST(test_an_order_is_sent_under_one_id),
      TEST(test_a_return_is_sent_under_one_id),
      TEST(test_a_new_card_is_no_failure),
      TEST(test_short_memory),
      TEST(test_screen),
      TEST(test_the_catalogue_is_looked_through),
      TEST(test_every_size),
      TEST(test_every_key_has_a_command),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
