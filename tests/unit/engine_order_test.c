// Whatever order events arrive in, every event has the same owner in the end: all permutations of sign-ins on one
// device by three people, with anonymous events between them.
#include "engine_kit.h"

enum { LINES_MAX = 5, OWNERS = 5 };

struct scene {
  const char *name;
  const char *lines[LINES_MAX];
  const char *owners; // of each line: its user, or - for the device's own customer; NULL: only the same in all orders
};

static const struct scene scenes[] = {
    {"three people in turn",
     {"event t=10 anonymous_id:d user_id:1", "event t=20 anonymous_id:d", "event t=30 anonymous_id:d user_id:2",
      "event t=40 anonymous_id:d", "event t=50 anonymous_id:d user_id:3"},
     "11223"},
    {"before the first sign-in",
     {"event t=10 anonymous_id:d", "event t=20 anonymous_id:d user_id:1", "event t=30 anonymous_id:d user_id:2",
      "event t=40 anonymous_id:d user_id:3", "event t=50 anonymous_id:d"},
     "11233"},
    {"somebody comes back",
     {"event t=10 anonymous_id:d user_id:1", "event t=20 anonymous_id:d user_id:2", "event t=30 anonymous_id:d",
      "event t=40 anonymous_id:d user_id:1", "event t=50 anonymous_id:d"},
     "12211"},
    {"one within the other",
     {"event t=10 anonymous_id:d user_id:1", "event t=20 anonymous_id:d", "event t=30 anonymous_id:d user_id:2",
      "event t=40 anonymous_id:d user_id:1", "event t=50 anonymous_id:d"},
     "11211"},
    {"too many people for one device",
     {"event t=10 anonymous_id:d user_id:1", "event t=20 anonymous_id:d user_id:2", "event t=30 anonymous_id:d",
      "event t=40 anonymous_id:d user_id:3", "event t=50 anonymous_id:d user_id:4"},
     "12-34"},
    {"traits go with their event",
     {"event t=10 anonymous_id:d user_id:1", "event t=20 anonymous_id:d trait.hat=red",
      "event t=15 anonymous_id:d user_id:2", "event t=30 anonymous_id:d trait.hat=blue",
      "event t=25 anonymous_id:d user_id:3"},
     "12233"},
    {"at one instant, where the event's id decides",
     {"event t=10 anonymous_id:d user_id:1 id=a", "event t=20 anonymous_id:d user_id:2 id=b",
      "event t=20 anonymous_id:d user_id:3 id=c", "event t=20 anonymous_id:d id=e", "event t=30 anonymous_id:d id=f"},
     NULL},
    {"people who turn out to be one",
     {"event t=10 anonymous_id:d user_id:1", "event t=20 anonymous_id:d email:a@x.org", "event t=30 anonymous_id:d",
      "event t=40 anonymous_id:d user_id:2", "event t=50 user_id:1 email:a@x.org"},
     "11121"},
};

static size_t count_lines(const struct scene *scene) {
  size_t count = 0;
  while (count < LINES_MAX && scene->lines[count] != NULL) count++;
  return count;
}

// --- one order -----------------------------------------------------------------------------------------------

static void open_fixed(struct kit *kit) {
  struct store *store;
  assert_int_equal(store_open_memory(&store), ERR_OK);
  kit_open_fixed(kit, store);
}

// How many events the customer has in that second.
static int count_at(struct kit *kit, uint64_t customer, int64_t second) {
  struct engine_events_query query = {.has_from = true,
                                      .has_to = true,
                                      .from_us = KIT_EPOCH_US + second * CLOCK_SECOND_US,
                                      .to_us = KIT_EPOCH_US + (second + 1) * CLOCK_SECOND_US,
                                      .limit = LINES_MAX};
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  int count = 0;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  assert_int_equal(engine_events_json(view, customer, &query, &writer, NULL), ERR_OK);
  engine_view_close(view);
  buffer_append_byte(&out, 0);
  for (const char *at = (const char *)out.data; (at = strstr(at, "\"received_at\"")) != NULL; at++) count++;
  buffer_release(&out);
  return count;
}

// For each line and each owner a digit: how many events of that second are the owner's.
static void tell_owners(struct kit *kit, const struct scene *scene, size_t count, char *told) {
  static const char *const references[OWNERS] = {"user_id:1", "user_id:2", "user_id:3", "user_id:4", "anonymous_id:d"};
  uint64_t customers[OWNERS];
  for (size_t j = 0; j < OWNERS; j++) {
    customers[j] = kit_customer(kit, references[j]);
    // The device leads to its owner of now, if it has one: then it has no customer of its own here.
    for (size_t k = 0; k < j; k++)
      if (customers[j] == customers[k]) customers[j] = 0;
  }
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < OWNERS; j++) {
      int64_t second = strtoll(strstr(scene->lines[i], "t=") + 2, NULL, 10);
      *told++ = (char)('0' + (customers[j] == 0 ? 0 : count_at(kit, customers[j], second)));
    }
  *told = '\0';
}

static void run_order(const struct scene *scene, const size_t *order, size_t count, char *told) {
  char line[128];
  struct kit kit;
  size_t used = 0;
  open_fixed(&kit);
  kit.check_each = false;
  used += (size_t)snprintf(kit.where, sizeof kit.where, "%s, order", scene->name);
  for (size_t i = 0; i < count; i++)
    used += (size_t)snprintf(kit.where + used, sizeof kit.where - used, " %zu", order[i] + 1);
  for (size_t i = 0; i < count; i++) {
    snprintf(line, sizeof line, "%s", scene->lines[order[i]]);
    kit_line(&kit, line);
  }
  kit_check(&kit);
  tell_owners(&kit, scene, count, told);
  kit_close(&kit);
}

// --- all orders ----------------------------------------------------------------------------------------------

static bool next_order(size_t *order, size_t count) {
  size_t i = count - 1, j = count - 1;
  while (i > 0 && order[i - 1] > order[i]) i--;
  if (i == 0) return false;
  while (order[j] < order[i - 1]) j--;
  size_t swap = order[i - 1];
  order[i - 1] = order[j];
  order[j] = swap;
  for (j = count - 1; i < j; i++, j--) {
    swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  return true;
}

static void expect_owners(const struct scene *scene, size_t count, const char *told) {
  for (size_t i = 0; scene->owners != NULL && i < count; i++)
    for (size_t j = 0; j < OWNERS; j++) {
      char owner = j + 1 == OWNERS ? '-' : (char)('1' + j);
      if ((told[i * OWNERS + j] == '1') != (scene->owners[i] == owner))
        fail_msg("%s: line %zu: %.5s, expected %c", scene->name, i + 1, told + i * OWNERS, scene->owners[i]);
    }
}

static void run_scene(void **state) {
  const struct scene *scene = *state;
  size_t order[LINES_MAX] = {0}, count = count_lines(scene), orders = 0;
  char first[LINES_MAX * OWNERS + 1], told[LINES_MAX * OWNERS + 1];
  for (size_t i = 0; i < count; i++) order[i] = i;
  run_order(scene, order, count, first);
  expect_owners(scene, count, first);
  do {
    run_order(scene, order, count, told);
    orders++;
    if (strcmp(first, told) == 0) continue;
    for (size_t i = 0; i < count; i++) print_message("%s\n", scene->lines[order[i]]);
    fail_msg("%s: owners %s, in the order written %s", scene->name, told, first);
  } while (next_order(order, count));
  print_message("%zu orders\n", orders);
}

int main(void) {
  enum { SCENES = sizeof scenes / sizeof *scenes };
  struct CMUnitTest tests[SCENES];
  for (size_t i = 0; i < SCENES; i++)
    tests[i] = (struct CMUnitTest){
        .name = scenes[i].name, .test_func = run_scene, .initial_state = (void *)(uintptr_t)&scenes[i]};
  return _cmocka_run_group_tests("engine order", tests, SCENES, NULL, NULL);
}
