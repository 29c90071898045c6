// Devices: the same sign-ins in every order of arrival give the same owners, those of a plain sort.
#include "identity_fixture.h"

#include <stdlib.h>

#include "base/clock.h"

enum { SIGN_INS_MAX = 80, PERMUTED_MAX = 7 };

struct sign_in {
  struct identity_instant at;
  uint64_t customer;
};

static struct names *names;
static struct identity_rules
    *rules; // people_max 2 in 9 days, a multiple of the days used, so that small sets share devices

static int open_rules(void **state) {
  (void)state;
  names = fixture_names();
  rules = fixture_rules("{\"devices\": {\"people_max\": 2, \"window_days\": 9}}", names);
  return 0;
}

static int close_rules(void **state) {
  (void)state;
  identity_rules_close(rules);
  names_close(names);
  return 0;
}

static struct identifier person_of(uint64_t customer) {
  static const char values[] = "0123456789abcdef";
  return (struct identifier){1, bytes_of(values + customer % 16, 1)};
}

static int by_instant(const void *a, const void *b) {
  return identity_instant_compare(&((const struct sign_in *)a)->at, &((const struct sign_in *)b)->at);
}

// --- the plain way -------------------------------------------------------------------------------------------

// By the words of the header: for every two runs, how many people touch the time between them.
static bool plainly_shared(const struct identity_run *runs, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (size_t j = i; j < count; j++) {
      if (j > i && runs[j].start.time_us - runs[i + 1].start.time_us > identity_device_window_us(rules)) continue;
      uint64_t seen = 0;
      for (size_t k = i; k <= j; k++) seen |= UINT64_C(1) << runs[k].customer;
      if ((uint32_t)__builtin_popcountll(seen) > identity_device_people_max(rules)) return true;
    }
  return false;
}

static void plain_device(const struct sign_in *sign_ins, size_t count, struct identity_device *device) {
  struct sign_in sorted[SIGN_INS_MAX];
  struct identity_run runs[SIGN_INS_MAX];
  size_t run_count = 0;
  memcpy(sorted, sign_ins, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, by_instant);
  for (size_t i = 0; i < count; i++)
    if (run_count == 0 || runs[run_count - 1].customer != sorted[i].customer)
      runs[run_count++] = (struct identity_run){sorted[i].at, person_of(sorted[i].customer), sorted[i].customer};
  memset(device, 0, sizeof *device);
  device->overflow = run_count > IDENTITY_RUNS_MAX;
  device->shared = device->overflow || plainly_shared(runs, run_count);
  if (device->overflow) return;
  device->run_count = run_count;
  memcpy(device->runs, runs, run_count * sizeof *runs);
}

static void assert_same_device(const struct identity_device *a, const struct identity_device *b) {
  struct buffer bytes_a, bytes_b;
  buffer_init(&bytes_a);
  buffer_init(&bytes_b);
  identity_device_encode(a, &bytes_a);
  identity_device_encode(b, &bytes_b);
  assert_true(bytes_equal(buffer_view(&bytes_a), buffer_view(&bytes_b)));
  buffer_release(&bytes_a);
  buffer_release(&bytes_b);
}

// --- arrivals ------------------------------------------------------------------------------------------------

static uint64_t owner(const struct identity_device *device, const struct identity_instant *at) {
  int run = identity_device_owner(device, at);
  return run < 0 ? 0 : device->runs[run].customer;
}

// What the engine looks up: the next sign-in of the run's person inside the run, among those known so far.
static const struct identity_instant *find_resumes(const struct identity_device *device, const struct sign_in *known,
                                                   size_t known_count, const struct identity_instant *at) {
  int run = identity_device_run(device, at);
  if (run < 0) return NULL;
  const struct identity_run *next = (size_t)run + 1 < device->run_count ? &device->runs[run + 1] : NULL;
  const struct identity_instant *resumes = NULL;
  for (size_t i = 0; i < known_count; i++) {
    const struct identity_instant *other = &known[i].at;
    if (known[i].customer != device->runs[run].customer || identity_instant_compare(other, at) <= 0) continue;
    if (next != NULL && identity_instant_compare(other, &next->start) >= 0) continue;
    if (resumes == NULL || identity_instant_compare(other, resumes) < 0) resumes = other;
  }
  return resumes;
}

static bool in_change(const struct identity_change *change, const struct identity_instant *at) {
  return (change->from_start || identity_instant_compare(at, &change->from) >= 0) &&
         (change->to_end || identity_instant_compare(at, &change->to) < 0);
}

// Outside of what the change names, nothing has another owner than before.
static void check_change(const struct identity_device *before, const struct identity_device *after,
                         const struct identity_change *change, const struct sign_in *sign_ins, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (int64_t offset = -1; offset <= 1; offset++) {
      struct identity_instant at = sign_ins[i].at;
      at.time_us += offset;
      if (owner(before, &at) != owner(after, &at)) assert_true(change->changed && in_change(change, &at));
    }
}

static void arrive(const struct sign_in *order, size_t count, struct identity_device *device, bool check) {
  memset(device, 0, sizeof *device);
  for (size_t i = 0; i < count; i++) {
    static struct identity_device before;
    if (check) before = *device;
    const struct identity_instant *resumes = find_resumes(device, order, i, &order[i].at);
    struct identity_change change =
        identity_device_sign_in(device, rules, &order[i].at, person_of(order[i].customer), order[i].customer, resumes);
    if (check) check_change(&before, device, &change, order, count);
  }
}

static void random_set(uint64_t *random, struct sign_in *set, size_t count, uint64_t people) {
  for (size_t i = 0; i < count; i++) {
    memset(&set[i], 0, sizeof set[i]);
    // Few times, so that the event id often decides; never two alike.
    set[i].at.time_us = (int64_t)(fixture_random(random) % 12) * 3 * CLOCK_DAY_US;
    set[i].at.event[0] = (uint8_t)(fixture_random(random) % 256);
    set[i].at.event[IDENTITY_EVENT_ID_BYTES - 1] = (uint8_t)i;
    set[i].customer = 1 + fixture_random(random) % people;
  }
}

// Every permutation of set[from..count), in place.
static size_t permute(struct sign_in *set, size_t from, size_t count, const struct identity_device *expected) {
  static struct identity_device device;
  if (from == count) {
    arrive(set, count, &device, false);
    assert_same_device(&device, expected);
    return 1;
  }
  size_t done = 0;
  for (size_t i = from; i < count; i++) {
    struct sign_in moved = set[from];
    set[from] = set[i];
    set[i] = moved;
    done += permute(set, from + 1, count, expected);
    set[i] = set[from];
    set[from] = moved;
  }
  return done;
}

static void test_every_order_of_arrival_is_the_same(void **state) {
  (void)state;
  static struct identity_device expected;
  uint64_t random = 20260101;
  size_t shared = 0, sets = 0;
  for (size_t count = 1; count <= PERMUTED_MAX; count++) {
    size_t rounds = count == PERMUTED_MAX ? 40 : count == PERMUTED_MAX - 1 ? 40 : 100;
    for (size_t round = 0; round < rounds; round++, sets++) {
      struct sign_in set[PERMUTED_MAX];
      random_set(&random, set, count, 2 + round % 3);
      plain_device(set, count, &expected);
      shared += expected.shared;
      permute(set, 0, count, &expected);
    }
  }
  assert_true(shared > sets / 20 && shared < sets / 2);
}

static void test_changes_name_all_that_moves(void **state) {
  (void)state;
  static struct identity_device device, expected;
  uint64_t random = 99;
  for (int round = 0; round < 2000; round++) {
    struct sign_in set[12];
    random_set(&random, set, 12, 2 + (uint64_t)round % 3);
    arrive(set, 12, &device, true);
    plain_device(set, 12, &expected);
    assert_same_device(&device, &expected);
  }
}

static void test_too_many_hands_in_every_order(void **state) {
  (void)state;
  static struct identity_device device, expected;
  uint64_t random = 5;
  for (int round = 0; round < 60; round++) {
    struct sign_in set[SIGN_INS_MAX];
    size_t count = SIGN_INS_MAX - (size_t)round % 20;
    for (size_t i = 0; i < count; i++) {
      memset(&set[i], 0, sizeof set[i]);
      set[i].at.time_us = (int64_t)i * 40 * CLOCK_DAY_US;
      set[i].customer = 1 + i % 2;
    }
    for (size_t i = count; i-- > 1;) {
      size_t other = fixture_random(&random) % (i + 1);
      struct sign_in moved = set[i];
      set[i] = set[other];
      set[other] = moved;
    }
    plain_device(set, count, &expected);
    arrive(set, count, &device, round % 4 == 0);
    assert_int_equal(device.overflow, count > IDENTITY_RUNS_MAX);
    if (device.overflow)
      assert_true(device.run_count >= IDENTITY_RUNS_MAX - 1); // the owners whose events are to move are still known
    assert_same_device(&device, &expected);
  }
}

// --- by hand -------------------------------------------------------------------------------------------------

static struct identity_instant day(int64_t number) {
  return (struct identity_instant){.time_us = number * CLOCK_DAY_US};
}

static struct identity_change sign_in(struct identity_device *device, int64_t number, uint64_t customer,
                                      const struct identity_instant *resumes) {
  struct identity_instant at = day(number);
  return identity_device_sign_in(device, rules, &at, person_of(customer), customer, resumes);
}

static void test_owners_by_time(void **state) {
  (void)state;
  static struct identity_device device;
  memset(&device, 0, sizeof device);
  struct identity_instant at = day(5);
  assert_int_equal(identity_device_owner(&device, &at), -1);
  struct identity_change change = sign_in(&device, 10, 1, NULL);
  assert_true(change.changed && change.from_start && change.to_end);
  assert_int_equal(owner(&device, &at), 1); // before the first sign-in it is the first one's
  change = sign_in(&device, 20, 2, NULL);
  assert_true(change.changed && !change.from_start && change.to_end);
  assert_true(change.from.time_us == 20 * CLOCK_DAY_US);
  at = day(20);
  assert_int_equal(owner(&device, &at), 2);
  at.time_us--;
  assert_int_equal(owner(&device, &at), 1);
  change = sign_in(&device, 25, 2, NULL); // again, in her own run
  assert_false(change.changed);
  change = sign_in(&device, 5, 1, NULL); // the first run starts earlier: nobody's events move
  assert_true(change.changed && !change.from_start && !change.to_end);
  assert_int_equal(identity_instant_compare(&change.from, &change.to), 0);
  assert_true(device.runs[0].start.time_us == 5 * CLOCK_DAY_US);
  change = sign_in(&device, 15, 2, NULL); // the second run starts earlier
  assert_true(change.from.time_us == 15 * CLOCK_DAY_US && change.to.time_us == 20 * CLOCK_DAY_US);
  assert_int_equal(device.run_count, 2);
  sign_in(&device, 20, 1, NULL); // inside; not the start of a run any more
  assert_int_equal(device.run_count, 3);
  change = sign_in(&device, 20, 2, NULL); // an instant that is taken
  assert_false(change.changed);
}

static void test_sharing_ends_when_two_turn_out_to_be_one(void **state) {
  (void)state;
  static struct identity_device device;
  memset(&device, 0, sizeof device);
  sign_in(&device, 1, 1, NULL);
  sign_in(&device, 2, 2, NULL);
  assert_false(device.shared);
  struct identity_change change = sign_in(&device, 3, 3, NULL);
  assert_true(device.shared && change.from_start && change.to_end);
  struct identity_instant at = day(2);
  assert_int_equal(identity_device_owner(&device, &at), -1);
  change = sign_in(&device, 4, 1, NULL);
  assert_true(change.changed && !change.from_start && !change.to_end);
  device.runs[2].customer = 2; // 3 was merged into 2
  identity_device_normalise(&device, rules);
  assert_int_equal(device.run_count, 3);
  assert_false(device.shared);
}

static void test_stored_form_comes_back(void **state) {
  (void)state;
  static struct identity_device device, back;
  memset(&device, 0, sizeof device);
  device.own = 77;
  for (int64_t i = 0; i < 20; i++) sign_in(&device, i * 400 - 3000, (uint64_t)(1 + i % 3), NULL);
  struct buffer bytes;
  buffer_init(&bytes);
  identity_device_encode(&device, &bytes);
  assert_int_equal(identity_device_decode(buffer_view(&bytes), &back), ERR_OK);
  assert_int_equal(back.own, 77);
  assert_int_equal(back.run_count, 20);
  assert_same_device(&device, &back);
  for (size_t size = 0; size < bytes.size_bytes; size++)
    assert_int_equal(identity_device_decode(bytes_of(bytes.data, size), &back), ERR_CORRUPT);
  buffer_append_byte(&bytes, 0);
  assert_int_equal(identity_device_decode(buffer_view(&bytes), &back), ERR_CORRUPT);
  uint64_t random = 3;
  for (int round = 0; round < 20000; round++) { // no bytes make it read past the end
    uint8_t noise[64];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(fixture_random(&random) % (i < 3 ? 4 : 256));
    identity_device_decode(bytes_of(noise, sizeof noise), &back);
  }
  buffer_release(&bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_order_of_arrival_is_the_same),
      cmocka_unit_test(test_changes_name_all_that_moves),
      cmocka_unit_test(test_too_many_hands_in_every_order),
      cmocka_unit_test(test_owners_by_time),
      cmocka_unit_test(test_sharing_ends_when_two_turn_out_to_be_one),
      cmocka_unit_test(test_stored_form_comes_back),
  };
  return cmocka_run_group_tests(tests, open_rules, close_rules);
}
