// A workspace that an older program wrote opens with this one: tests/fixtures/workspace-N.tar.gz was written in version
// N of the format and is never made again.
//
// When the format changes, one of the present format is made first, and joins the list below:
//   RAPPORT_MAKE_WORKSPACE=directory engine_format_test
//   tar -C directory --exclude=LOG --exclude='OPTIONS-*' --owner=0 --group=0 -czf workspace-N.tar.gz .
#include "engine_kit.h"

#include "engine_events.h"

static const char *const fixtures[] = {"workspace-1.tar.gz", "workspace-2.tar.gz"};

// Something of every keyspace.
static const char *const history[] = {
    "event t=10 id=first user_id:ann email:ann@example.org trait.firstName=Ann trait.city=Lyon",
    "event t=20 anonymous_id:laptop",
    "event t=30 anonymous_id:laptop user_id:ann",
    "event t=40 anonymous_id:laptop user_id:bob trait.firstName=Bob",
    "event t=50 anonymous_id:laptop",
    "event t=60 loyalty_card:77 trait.shoe=40",
    "event t=70 user_id:ann loyalty_card:77",
    "event t=80 user_id:ann user_id:bob",
    "event t=90 email:cleo@example.org phone:+33612345678",
    "event t=100 user_id:cleo email:cleo@example.org",
    "split user_id:cleo email:cleo@example.org",
    "aside t=110 user_id:undefined",
    "event t=120 user_id:dan",
    "erase! user_id:dan",
    "event t=130 id=last user_id:bob trait.city=Nice",
};

// Opening again moves what is in the log into tables; the last line is in the log alone.
static void make_workspace(const char *path) {
  enum { LINES = sizeof history / sizeof *history };
  char line[256];
  struct kit kit;
  kit_open_on(&kit, events_open_disk(path, true));
  for (size_t i = 0; i < LINES; i++) {
    snprintf(line, sizeof line, "%s", history[i]);
    if (i + 1 == LINES) {
      kit_close(&kit);
      kit_open_existing(&kit, events_open_disk(path, false));
    }
    kit_line(&kit, line);
  }
  assert_int_equal(store_wait(kit.store, store_mark_now(kit.store), NULL), ERR_OK);
  kit_close(&kit);
}

static void unpack(const char *fixture, const char *path) {
  char command[1024];
  snprintf(command, sizeof command, "tar -xzf '%.*s../fixtures/%s' -C '%s'",
           (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__, fixture, path);
  if (system(command) != 0) fail_msg("%s", command);
}

// What is there, and what goes on.
static const char *const present[] = {
    "customers 4",
    "count events 11",
    "count merges 2",
    "count splits 1",
    "count erased 1",
    "count set_aside 1",
    "trait user_id:ann firstName Ann",
    "trait user_id:ann shoe 40",
    "trait user_id:bob firstName Bob",
    "same user_id:ann loyalty_card:77",
    "different user_id:ann user_id:bob",
    "different user_id:cleo email:cleo@example.org",
    "nobody user_id:dan",
    "events user_id:ann 6",
    "events user_id:bob 3",
    "trait user_id:bob city Nice",
    "duplicate id=first t=10 user_id:ann",
    "suppressed t=200 id=n1 user_id:dan",
    "event t=210 id=n2 user_id:ann trait.city=Paris",
    "trait user_id:ann city Paris",
    "event t=220 id=n3 user_id:cleo email:cleo@example.org",
    "different user_id:cleo email:cleo@example.org",
    "event t=45 id=n4 anonymous_id:laptop",
    "events user_id:bob 4",
    "event t=230 id=n5 user_id:eve",
    "customers 5",
};

static void run_present(struct kit *kit) {
  char line[256];
  kit_check(kit);
  for (size_t i = 0; i < sizeof present / sizeof *present; i++) {
    snprintf(line, sizeof line, "%s", present[i]);
    snprintf(kit->where, sizeof kit->where, "%s", line);
    kit_line(kit, line);
  }
}

static void test_old_workspace(void **state) {
  char path[256];
  struct kit kit;
  if (!EVENTS_ROCKSDB) {
    print_message("skipped: RocksDB is not built for this sanitizer\n");
    skip();
  }
  events_directory(path);
  unpack(*state, path);
  kit_open_existing(&kit, events_open_disk(path, false));
  run_present(&kit);
  kit_close(&kit);
  kit_open_existing(&kit, events_open_disk(path, false));
  kit_check(&kit);
  assert_int_equal(kit_events(&kit, "user_id:ann"), 7);
  kit_close(&kit);
  events_remove(path);
}

int main(void) {
  enum { FIXTURES = sizeof fixtures / sizeof *fixtures };
  struct CMUnitTest tests[FIXTURES];
  const char *path = getenv("RAPPORT_MAKE_WORKSPACE");
  if (path != NULL) {
    make_workspace(path);
    return 0;
  }
  for (size_t i = 0; i < FIXTURES; i++)
    tests[i] = (struct CMUnitTest){
        .name = fixtures[i], .test_func = test_old_workspace, .initial_state = (void *)(uintptr_t)fixtures[i]};
  return _cmocka_run_group_tests("engine format", tests, FIXTURES, NULL, NULL);
}
