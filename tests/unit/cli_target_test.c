// Addresses of calls, and what a server's refusal becomes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/target.h"

static void expect_path(const struct target_call *call, const char *wanted) {
  struct buffer path;
  buffer_init(&path);
  target_path(call, &path);
  buffer_append_byte(&path, '\0');
  assert_string_equal((char *)path.data, wanted);
  buffer_release(&path);
}

static void test_paths(void **state) {
  (void)state;
  expect_path(&(struct target_call){.op = TARGET_STATS}, "/v1/stats");
  expect_path(&(struct target_call){.op = TARGET_CUSTOMER, .args = {[TARGET_ARG_REF] = "email:zoé/../x@b.fr"}},
              "/v1/customers/email%3Azo%C3%A9%2F..%2Fx%40b.fr");
  struct target_call events = {.op = TARGET_EVENTS, .args = {[TARGET_ARG_REF] = "c1"}};
  expect_path(&events, "/v1/customers/c1/events");
  events.args[TARGET_ARG_NAME] = "Order Completed&x=1";
  events.args[TARGET_ARG_LIMIT] = "5";
  expect_path(&events, "/v1/customers/c1/events?name=Order%20Completed%26x%3D1&limit=5");
  struct target_call explain = {.op = TARGET_EXPLAIN, .args = {[TARGET_ARG_A] = "a:1", [TARGET_ARG_B] = "b:2"}};
  expect_path(&explain, "/v1/identity/explain?a=a%3A1&b=b%3A2");
  struct target_call back = {.op = TARGET_CODE_ROLL_BACK, .args = {[TARGET_ARG_ID] = "A B", [TARGET_ARG_NAME] = "r17"}};
  expect_path(&back, "/v1/loyalty/codes/A%20B/rollback/r17");
  expect_path(&(struct target_call){.op = TARGET_SEARCH, .args = {[TARGET_ARG_QUERY] = "zo"}}, "/v1/customers?q=zo");
}

static void test_problems(void **state) {
  (void)state;
  struct diag diag;
  struct bytes problem = BYTES("{\"title\":\"Not Found\",\"code\":\"no_customer\",\"detail\":\"There is none.\"}");
  assert_int_equal(target_remote_problem(404, problem, &diag), ERR_NOT_FOUND);
  assert_string_equal(diag.code, "no_customer");
  assert_string_equal(diag.message, "There is none.");
  assert_int_equal(target_remote_problem(401, BYTES("<html>"), &diag), ERR_DENIED);
  assert_non_null(strstr(diag.message, "401"));
  assert_non_null(strstr(diag.message, "RAPPORT_KEY"));
  assert_int_equal(target_remote_problem(409, BYTES("{}"), &diag), ERR_CONFLICT);
  assert_int_equal(target_remote_problem(429, BYTES("{}"), &diag), ERR_BUSY);
  assert_int_equal(target_remote_problem(422, BYTES("{\"code\":\"INSUFFICIENT_POINTS\"}"), &diag), ERR_INVALID);
  assert_int_equal(target_remote_problem(500, BYTES(""), &diag), ERR_IO);
}

static void test_without_a_place(void **state) {
  (void)state;
  struct options options;
  struct target *target;
  struct diag diag;
  options_init(&options);
  diag_init(&diag);
  assert_int_equal(target_open(&target, &options, false, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "usage");
  assert_non_null(strstr(diag.message, "--data DIR"));
  options_release(&options);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_paths),
      cmocka_unit_test(test_problems),
      cmocka_unit_test(test_without_a_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
