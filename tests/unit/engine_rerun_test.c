// The re-run of identity rules as a job: stopped, started again, overtaken by other rules, failing at every call and
// carried on by another process. What it does to customers is in tests/scenario/identity/rules_*.txt, and on random
// workspaces in engine_model_test.
#include "engine_kit.h"

#include "base/alloc.h"
#include "store/store_wrap.h"

enum { CALLS_MAX = 20000 };

static const char *const workload[] = {
    "event t=1 loyalty_card:999 email:a@x.org phone:+33612345678 trait.firstName=Ann",
    "event t=2 loyalty_card:999 email:b@x.org anonymous_id:d1",
    "event t=3 anonymous_id:d1",
    "event t=4 user_id:u1 email:c@x.org",
    "event t=5 user_id:u2 email:d@x.org",
    "event t=6 user_id:u2 email:c@x.org",
    "event t=7 user_id:u3 phone:+33611111111 trait.firstName=Eve",
    "event t=8 user_id:u4 phone:+33611111111 trait.firstName=Max",
    "event t=9 email:e@x.org",
    "event t=10 user_id:u5 user_id:u6",
};
static const char other_rules[] =
    "rules {\"types\":{\"loyalty_card\":{\"blocked\":[\"999\"]},\"user_id\":{\"limit\":2},"
    "\"phone\":{\"shares\":false}}}";

static void open_workload(struct kit *kit) {
  struct store *inner, *store;
  assert_int_equal(store_open_memory(&inner), ERR_OK);
  assert_int_equal(store_open_fault(&store, inner), ERR_OK);
  kit_open_on(kit, store);
  for (size_t i = 0; i < sizeof workload / sizeof *workload; i++) kit_do(kit, "%s", workload[i]);
}

// As if the process had been killed and another one opened the directory.
static void open_again(struct kit *kit) {
  struct engine_options options = {.store = kit->store, .clock = &kit->clock};
  struct diag diag;
  engine_close(kit->engine);
  assert_int_equal(engine_open(&kit->engine, &options, &diag), ERR_OK);
}

static enum err work(struct kit *kit, struct engine_rerun_progress *progress) {
  struct diag diag;
  diag_init(&diag);
  return engine_rerun_work(kit->engine, 1, progress, &diag);
}

static void finish(struct kit *kit) {
  struct engine_rerun_progress progress = {.running = true};
  while (progress.running) {
    assert_int_equal(work(kit, &progress), ERR_OK);
    kit_check(kit);
  }
}

static void expect_state(struct kit *kit, const char *pattern) {
  struct buffer state;
  buffer_init(&state);
  kit_rerun_state(kit, &state);
  if (strstr((const char *)state.data, pattern) == NULL) fail_msg("no %s in %s", pattern, (const char *)state.data);
  buffer_release(&state);
}

static void expect_outcome(struct kit *kit, const struct kit_trial *trial) {
  char pattern[64];
  struct kit_trial after = kit_try(kit);
  snprintf(pattern, sizeof pattern, "\"merged\":%llu,\"parted\":%llu,\"skipped\":0", (unsigned long long)trial->merge,
           (unsigned long long)trial->part);
  expect_state(kit, "\"status\":\"done\"");
  expect_state(kit, pattern);
  assert_int_equal(after.now, trial->then);
  assert_int_equal(after.merge + after.part, 0);
}

// --- one job at a time ---------------------------------------------------------------------------------------

static void rerun_stop(struct kit *kit) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer out, state;
  buffer_init(&out);
  buffer_init(&state);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_rerun_stop(kit->engine, &writer, &commit, NULL), ERR_OK);
  buffer_append_byte(&out, 0);
  kit_rerun_state(kit, &state);
  assert_string_equal((const char *)out.data, (const char *)state.data);
  buffer_release(&out);
  buffer_release(&state);
}

static void test_never_started(void **state) {
  (void)state;
  struct engine_rerun_progress progress = {.running = true};
  struct kit kit;
  open_workload(&kit);
  expect_state(&kit, "\"status\":\"never\",\"version\":0,\"in_force\":1");
  assert_int_equal(work(&kit, &progress), ERR_OK);
  assert_false(progress.running);
  rerun_stop(&kit);
  expect_state(&kit, "\"status\":\"never\"");
  kit_close(&kit);
}

static void test_the_tick_carries_it_out(void **state) {
  (void)state;
  struct kit kit;
  open_workload(&kit);
  kit_do(&kit, "%s", other_rules);
  struct kit_trial trial = kit_try(&kit);
  assert_int_equal(trial.merge, 4);
  assert_int_equal(trial.part, 1);
  kit_rerun_start(&kit);
  expect_state(&kit, "\"status\":\"running\",\"version\":2,\"in_force\":2,\"author\":\"ann\"");
  kit_days(&kit, 1);
  expect_outcome(&kit, &trial);
  kit_do(&kit, "same user_id:u1 user_id:u2");
  kit_do(&kit, "same user_id:u5 user_id:u6");
  kit_do(&kit, "same user_id:u3 user_id:u4");
  kit_do(&kit, "different email:a@x.org email:b@x.org");
  kit_do(&kit, "same loyalty_card:999 anonymous_id:d1"); // the sign-in was the card's
  kit_do(&kit, "events loyalty_card:999 1");
  kit_close(&kit);
}

static void test_stopped_and_continued(void **state) {
  (void)state;
  struct engine_rerun_progress progress;
  struct kit kit;
  open_workload(&kit);
  kit_do(&kit, "%s", other_rules);
  struct kit_trial trial = kit_try(&kit);
  kit_rerun_start(&kit);
  for (int i = 0; i < 2; i++) assert_int_equal(work(&kit, &progress), ERR_OK); // the ties, and who is tied to nobody
  rerun_stop(&kit);
  expect_state(&kit, "\"status\":\"stopped\"");
  assert_int_equal(work(&kit, &progress), ERR_OK);
  assert_false(progress.running);
  open_again(&kit);
  expect_state(&kit, "\"status\":\"stopped\"");
  kit_do(&kit, "different user_id:u1 user_id:u2");
  kit_rerun_start(&kit);
  finish(&kit);
  expect_outcome(&kit, &trial);
  kit_close(&kit);
}

static void test_other_rules_begin_it_again(void **state) {
  (void)state;
  struct engine_rerun_progress progress;
  struct kit kit;
  open_workload(&kit);
  kit_do(&kit, "remember email:a@x.org before");
  kit_do(&kit, "%s", other_rules);
  kit_rerun_start(&kit);
  for (int i = 0; i < 2; i++) assert_int_equal(work(&kit, &progress), ERR_OK);
  kit_do(&kit, "different email:a@x.org email:b@x.org");
  kit_do(&kit, "rules {}");
  expect_state(&kit, "\"version\":2,\"in_force\":3");
  finish(&kit);
  expect_state(&kit, "\"status\":\"done\",\"version\":3,\"in_force\":3");
  kit_do(&kit, "unchanged email:a@x.org before");
  struct kit_trial after = kit_try(&kit);
  assert_int_equal(after.merge + after.part, 0);
  kit_close(&kit);
}

static void test_events_go_on_meanwhile(void **state) {
  (void)state;
  struct engine_rerun_progress progress = {.running = true};
  char line[128];
  struct kit kit;
  open_workload(&kit);
  kit_do(&kit, "%s", other_rules);
  kit_rerun_start(&kit);
  for (int i = 0; progress.running; i++) {
    snprintf(line, sizeof line, "event t=%d email:a@x.org loyalty_card:n%d user_id:u%d", 100 + i, i % 2, 7 + i % 2);
    kit_do(&kit, "%s", line);
    assert_int_equal(work(&kit, &progress), ERR_OK);
    kit_check(&kit);
  }
  kit_do(&kit, "rerun");
  kit_close(&kit);
}

static void test_only_looking(void **state) {
  (void)state;
  struct engine_rerun_progress progress;
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct diag diag;
  struct kit kit;
  open_workload(&kit);
  struct engine_options options = {.store = kit.store, .clock = &kit.clock, .read_only = true};
  engine_close(kit.engine);
  assert_int_equal(engine_open(&kit.engine, &options, &diag), ERR_OK);
  assert_int_equal(engine_rerun_start(kit.engine, BYTES(""), &writer, &commit, &diag), ERR_DENIED);
  assert_int_equal(engine_rerun_stop(kit.engine, &writer, &commit, &diag), ERR_DENIED);
  assert_int_equal(engine_rerun_work(kit.engine, 1, &progress, &diag), ERR_DENIED);
  expect_state(&kit, "\"status\":\"never\"");
  kit_close(&kit);
}

// A melted customer parts into more customers than one commit makes.
static void test_many_parts(void **state) {
  (void)state;
  char line[128];
  struct kit kit;
  open_workload(&kit);
  kit.check_each = false;
  for (int i = 0; i < 100; i++) {
    snprintf(line, sizeof line, "event t=%d loyalty_card:888 email:m%d@x.org", 1000 + i, i);
    if (i < 5) kit_do(&kit, "%s", line);
  }
  kit_do(&kit, "rules {\"types\":{\"email\":{\"limit\":500}}}");
  for (int i = 0; i < 100; i++) {
    snprintf(line, sizeof line, "event t=%d loyalty_card:888 email:m%d@x.org", 2000 + i, i);
    kit_do(&kit, "%s", line);
  }
  kit_do(&kit, "remember loyalty_card:888 melted");
  kit_do(&kit, "rules {\"types\":{\"email\":{\"limit\":500},\"loyalty_card\":{\"blocked\":[\"888\"]}}}");
  kit_do(&kit, "rerun 0 1");
  kit_do(&kit, "events email:m3@x.org 2");
  kit_do(&kit, "events email:m77@x.org 1");
  kit_do(&kit, "rules {\"types\":{\"email\":{\"limit\":500}}}");
  kit_do(&kit, "rerun 101 0");
  kit_do(&kit, "unchanged loyalty_card:888 melted");
  kit_check(&kit);
  kit_close(&kit);
}

// --- faults --------------------------------------------------------------------------------------------------

struct faults {
  bool memory;
  enum err store;
};

// The n-th call fails; then another process goes on. True when no call failed any more.
static bool try_with_fault(const struct faults *faults, uint64_t allowed) {
  struct engine_rerun_progress progress = {.running = true};
  struct kit kit;
  open_workload(&kit);
  kit.check_each = false;
  kit_do(&kit, "%s", other_rules);
  struct kit_trial trial = kit_try(&kit);
  kit_rerun_start(&kit);
  if (faults->memory)
    alloc_fail_after(allowed, false);
  else
    store_fault_after(kit.store, allowed, faults->store, false);
  enum err err = ERR_OK;
  while (err == ERR_OK && progress.running) err = work(&kit, &progress);
  bool met = faults->memory ? alloc_fail_disarm() : store_fault_disarm(kit.store);
  if (err != ERR_OK) {
    kit_check(&kit);
    open_again(&kit);
    finish(&kit);
  }
  kit_check(&kit);
  expect_outcome(&kit, &trial);
  kit_close(&kit);
  return !met;
}

static void run_faults(const struct faults *faults, uint64_t stride) {
  bool untouched = false;
  uint64_t allowed = 0;
  for (; !untouched && allowed < CALLS_MAX; allowed += stride) untouched = try_with_fault(faults, allowed);
  assert_true(untouched);
}

static void test_killed_at_every_call_of_the_store(void **state) {
  (void)state;
  run_faults(&(struct faults){.store = ERR_IO}, 1);
}

static void test_each_allocation_fails(void **state) {
  (void)state;
  run_faults(&(struct faults){.memory = true}, getenv("RAPPORT_TEST_LONG") != NULL ? 1 : 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_never_started),
      cmocka_unit_test(test_the_tick_carries_it_out),
      cmocka_unit_test(test_stopped_and_continued),
      cmocka_unit_test(test_other_rules_begin_it_again),
      cmocka_unit_test(test_events_go_on_meanwhile),
      cmocka_unit_test(test_only_looking),
      cmocka_unit_test(test_many_parts),
      cmocka_unit_test(test_killed_at_every_call_of_the_store),
      cmocka_unit_test(test_each_allocation_fails),
  };
  return cmocka_run_group_tests_name("engine rerun", tests, NULL, NULL);
}
