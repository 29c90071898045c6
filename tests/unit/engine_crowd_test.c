// Events and people that concern more customers than one transaction may change: devices that go from hand to hand for
// years, a kiosk's worth of devices on one person. None of it may stand in the way of what comes after.
#include "engine_kit.h"

enum { OWNERS = 75, DEVICES = 14, PEOPLE_OF_A_DEVICE = 6, DAY_S = 86400 };

// Shared once, so that it has a customer of its own; then no longer; then sold on and on until it overflows, each
// time by somebody known.
static void test_a_device_of_many_hands(void **state) {
  struct kit kit;
  (void)state;
  kit_open(&kit);
  for (int i = 0; i < 4; i++) kit_do(&kit, "event t=%d anonymous_id:pc loyalty_card:p%d", 10 + i * 1000, i);
  kit_do(&kit, "event t=5000 anonymous_id:pc");
  kit_do(&kit, "event t=5001 loyalty_card:p0 loyalty_card:p1");
  kit_do(&kit, "event t=5002 loyalty_card:p1 loyalty_card:p2");
  for (int i = 4; i < OWNERS; i++) {
    int t = i * 31 * DAY_S;
    kit_do(&kit, "event t=%d user_id:p%d", t, i);
    kit_do(&kit, "event t=%d anonymous_id:pc user_id:p%d", t + 10, i);
    kit_do(&kit, "event t=%d anonymous_id:pc", t + 100);
  }
  kit_do(&kit, "count set_aside 0");
  kit_close(&kit);
}

// Every device has a customer of its own and several owners; `user` signed in on all of them.
static void open_crowd(struct kit *kit, int devices) {
  kit_open(kit);
  kit->check_each = false;
  for (int i = 0; i < devices; i++) {
    kit_do(kit, "event t=%d anonymous_id:k%d", i * DAY_S, i);
    for (int j = 0; j < PEOPLE_OF_A_DEVICE; j++)
      kit_do(kit, "event t=%d anonymous_id:k%d user_id:k%dp%d", i * DAY_S + j * 100 + 100, i, i, j);
    kit_do(kit, "event t=%d anonymous_id:k%d", i * DAY_S + 50, i);
    kit_do(kit, "event t=%d anonymous_id:k%d user_id:user email:user@x.org", i * DAY_S + 10000, i);
  }
  kit_check(kit);
}

static void test_a_person_of_many_devices(void **state) {
  struct kit kit;
  (void)state;
  open_crowd(&kit, 20);
  kit.check_each = true;
  kit_do(&kit, "split user_id:user email:user@x.org");
  kit_do(&kit, "event t=1 user_id:user loyalty_card:9");
  kit_do(&kit, "event t=2 loyalty_card:8");
  kit_do(&kit, "event t=3 loyalty_card:8 loyalty_card:9");
  kit_do(&kit, "erase user_id:user");
  kit_do(&kit, "nobody user_id:user");
  kit_close(&kit);
}

// Devices of three people in one month and three later: a fourth of that month makes them all shared at once, and all
// their owners would have to give up events.
static void test_an_event_of_many_devices(void **state) {
  char line[512] = "";
  size_t used = 0;
  struct kit kit;
  (void)state;
  kit_open(&kit);
  kit.check_each = false;
  for (int i = 0; i < DEVICES; i++)
    for (int j = 0; j < PEOPLE_OF_A_DEVICE; j++)
      kit_do(&kit, "event t=%d anonymous_id:k%d user_id:k%dp%d", j < 3 ? j * 100 : j * 40 * DAY_S, i, i, j);
  for (int i = 0; i < DEVICES; i++) used += (size_t)snprintf(line + used, sizeof line - used, " anonymous_id:k%d", i);
  kit_do(&kit, "event t=%d user_id:z%s", 300 * DAY_S, line); // after all of them: nobody else is concerned
  kit_do(&kit, "aside t=500 id=crowd user_id:y%s", line);
  kit_do(&kit, "duplicate t=500 id=crowd user_id:y%s", line);
  kit_do(&kit, "nobody user_id:y");
  kit_do(&kit, "event t=500 user_id:y anonymous_id:k1");
  kit_do(&kit, "events user_id:y 1");
  kit_check(&kit);
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_device_of_many_hands),
      cmocka_unit_test(test_a_person_of_many_devices),
      cmocka_unit_test(test_an_event_of_many_devices),
  };
  return cmocka_run_group_tests_name("engine crowd", tests, NULL, NULL);
}
