// Commands as they are typed, one after the other, on a workspace of its own; what they print and how they exit.
#include "cli_kit.h"

// What is wanted may stand in either output.
static void expect(const char *line, int status, const char *wanted) {
  int got = run_split(line, " ");
  if (got != status || (strstr(out, wanted) == NULL && strstr(errors, wanted) == NULL))
    fail_msg("%s: %d, \"%s%s\" lacks \"%s\"", line, got, out, errors, wanted);
}

static void test_usage(void **state) {
  (void)state;
  expect("", 0, "Start");
  expect("--help", 0, "Look at customers");
  expect("custmer x", 2, "did you mean `rapport customer`?");
  expect("rules shwo", 2, "did you mean `rapport rules show`?");
  expect("rules", 2, "rapport help rules");
  expect("help rules", 0, "rules put");
  expect("customer", 2, "customer needs TYPE:VALUE");
  expect("customer a b", 2, "\"b\" is one argument too many");
  expect("customer email:a@b.fr", 2, "--data DIR");
  expect("customer email:a@b.fr --data nowhere", 1, "rapport init --data nowhere");
  expect("customer c1 --limit 3", 2, "unknown flag --limit");
  expect("customer --help", 0, "TYPE:VALUE");
  expect("version", 0, "rapport ");
  expect("init --data w --region france", 2, "two capital letters");
}

static void test_a_workspace(void **state) {
  (void)state;
  write_file("in.ndjson",
             "{\"type\":\"identify\",\"messageId\":\"1\",\"userId\":\"u1\",\"traits\":{\"email\":\"Zoe@Exemple.fr \","
             "\"firstName\":\"Zoé\"},\"timestamp\":\"2026-01-02T03:04:05Z\"}\n"
             "{\"type\":\"track\",\"messageId\":\"2\",\"userId\":\"u1\",\"event\":\"Order Completed\","
             "\"properties\":{\"total\":12.50,\"currency\":\"EUR\"},\"timestamp\":\"2026-01-03T03:04:05Z\"}\n"
             "{broken\n");
  expect("init --data w", 0, "{\"write_key\":\"wk_");
  expect("init --data w", 1, "already");
  expect("import in.ndjson --data w --json", 0, "\"lines\":3,\"taken\":2,\"duplicates\":0,\"rejected\":1");
  expect("import in.ndjson --data w --source nobody", 1, "rapport source list");
  expect("customer email:zoe@exemple.fr --data w", 0, "Zoé, c");
  expect("customer user_id:u1 --json --data w", 0, "{\"id\":\"c");
  expect("customer user_id:u1 --pretty --data w", 0, "{\n  \"id\": \"c");
  expect("customer user_id:u2 --data w", 1, "no customer");
  expect("events user_id:u1 --limit 1 --data w", 0, "12.50 EUR");
  expect("search zoe --data w", 0, "Zo");
  expect("explain user_id:u1 email:zoe@exemple.fr --data w", 0, "user_id:u1 + email:zoe@exemple.fr");
  expect("correct user_id:u1 --set vip=true --set zip=01000 --author ana --data w", 0, "correction");
  expect("customer user_id:u1 --json --data w", 0, "\"vip\":true,\"zip\":\"01000\"");
  expect("correct user_id:u1 --set vip --data w", 2, "expected NAME=VALUE");
  expect("source put till --kind till --data w --json", 0, "\"kind\":\"till\"");
  expect("key create --source till --data w --json", 0, "\"kind\":\"write\"");
  expect("key create --scopes read,write --data w --json", 0, "\"scopes\":[\"read\",\"write\"]");
  expect("key list --data w", 0, "till");
  expect("key revoke one --data w", 2, "rapport key list");
  expect("split user_id:u1 --data w", 2, "--edge ID");
  expect("stats --data w", 0, "customers           1\n");
  expect("check --data w", 0, "everything holds");
  expect("rules show --data w --json", 0, "\"rules\":{");
}

// Needs the workspace of the test before.
static void test_erased_people_stay_erased(void **state) {
  (void)state;
  expect("backup b --data w", 0, "backed up to b");
  expect("backup b --data w", 1, "exists already");
  expect("erase user_id:u1 --yes --json --data w", 0, "\"suppressed\":false");
  expect("customer user_id:u1 --data w", 1, "no customer");
  expect("restore b --data w --json", 0, "\"erased_again\":1");
  expect("customer user_id:u1 --data w", 1, "no customer");
  expect("check --data w", 0, "everything holds");
  expect("restore nothing --data w", 1, "nothing");
  expect("restore b --data fresh", 0, "restored to fresh");
  expect("customer user_id:u1 --data fresh", 0, "Zoé");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_usage),
      cmocka_unit_test(test_a_workspace),
      cmocka_unit_test(test_erased_people_stay_erased),
  };
  return cmocka_run_group_tests(tests, make_root, remove_root);
}
