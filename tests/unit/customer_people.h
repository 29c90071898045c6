// Customers with records, heads, events and payloads in a store, and what is to be found of them. Some are redirects,
// some have rows pending under other ids.
#pragma once

#include "customer_fixture.h"

#include "customer/facts.h"
#include "customer/timeline.h"

enum { PEOPLE_EVENTS_MAX = 1500, PEOPLE_NAMES = 7, PEOPLE_PARTS_MAX = 2 };

struct person {
  uint64_t id;
  uint64_t merged_into;
  uint64_t parts[PEOPLE_PARTS_MAX]; // pending
  size_t part_count;
  size_t count;
  struct timeline_event events[PEOPLE_EVENTS_MAX]; // in order, all parts
};

struct people {
  struct fixture_store fixture;
  struct names *names;
  uint32_t city, age; // names of traits
  uint64_t random;
};

static inline void people_open(struct people *people, bool on_disk) {
  *people = (struct people){.random = 99};
  fixture_open_store(&people->fixture, on_disk);
  store_set_tidy(people->fixture.store, STORE_TIMELINE, timeline_tidy);
  assert_int_equal(names_open(&people->names, NULL, NULL), ERR_OK);
  people->city = fixture_name(people->names, "city");
  people->age = fixture_name(people->names, "age");
}

static inline void people_close(struct people *people) {
  fixture_close_store(&people->fixture);
  names_close(people->names);
}

static inline int people_by_instant(const void *a, const void *b) {
  return identity_instant_compare(&((const struct timeline_event *)a)->at, &((const struct timeline_event *)b)->at);
}

// Times in milliseconds, few enough that some are equal.
static inline struct timeline_event people_event(struct people *people) {
  static const uint8_t codes[] = {RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | 2, RULE_AMOUNT_REVENUE << RULE_AMOUNT_SHIFT,
                                  RULE_AMOUNT_NONE, RULE_AMOUNT_NONE, 2};
  struct timeline_event event = {.at = {.time_us = (int64_t)(fixture_random(&people->random) % 4000) * 1000},
                                 .name = 1 + (uint32_t)(fixture_random(&people->random) % PEOPLE_NAMES),
                                 .amount_code = codes[fixture_random(&people->random) % 5],
                                 .currency = 77,
                                 .dims = {5, RULE_DIM_CONTEXT | (uint32_t)(fixture_random(&people->random) % 3)}};
  if (event.amount_code != RULE_AMOUNT_NONE) event.amount = (int64_t)(fixture_random(&people->random) % 9000) - 900;
  uint64_t id[2] = {fixture_random(&people->random), fixture_random(&people->random)};
  memcpy(event.at.event, id, sizeof id);
  return event;
}

// The message of an event: a text of its id.
static inline struct value people_message(const struct people *people, const struct timeline_event *event,
                                          struct arena *arena) {
  char text[2 * IDENTITY_EVENT_ID_BYTES + 1];
  bytes_to_hex(bytes_of(event->at.event, IDENTITY_EVENT_ID_BYTES), text);
  return fixture_text(text, people->names, arena);
}

static inline void people_put_row(struct store_txn *txn, uint64_t id, enum customer_row row, struct buffer *buffer) {
  struct key key;
  customer_key(id, row, &key);
  assert_false(buffer->failed);
  assert_int_equal(store_put(txn, STORE_CUSTOMER, key_view(&key), buffer_view(buffer)), ERR_OK);
  buffer_clear(buffer);
}

static inline void people_put_record(const struct people *people, struct store_txn *txn, const struct person *person,
                                     struct arena *arena) {
  struct customer record;
  struct buffer row;
  char city[32];
  bool changed;
  buffer_init(&row);
  customer_init(&record, person->id);
  record.merged_into = person->merged_into;
  snprintf(city, sizeof city, "city of %llu", (unsigned long long)person->id);
  struct customer_trait trait = {.name = people->city, .source = 1, .value = fixture_text(city, people->names, arena)};
  if (person->merged_into == 0) assert_int_equal(customer_fold_trait(&record, arena, &trait, &changed), ERR_OK);
  for (size_t i = 0; i < person->part_count; i++)
    assert_int_equal(customer_add_pending(&record, arena, person->parts[i]), ERR_OK);
  customer_encode(&record, &row);
  people_put_row(txn, person->id, CUSTOMER_ROW_RECORD, &row);
  buffer_release(&row);
  if (person->part_count == 0) return;
  struct key key;
  customer_pending_key(person->id, &key);
  assert_int_equal(store_put(txn, STORE_DOCUMENT, key_view(&key), BYTES("1")), ERR_OK);
}

// `count` events under `id`, of which the person is told.
static inline void people_add(struct people *people, struct store_txn *txn, struct person *person, uint64_t id,
                              size_t count, struct arena *arena) {
  struct timeline_head head = {0};
  struct buffer row;
  for (size_t i = 0; i < count; i++) {
    struct timeline_event event = people_event(people);
    struct timeline_payload payload = {.source = 1, .message = people_message(people, &event, arena)};
    bool added;
    assert_int_equal(timeline_add(txn, id, &head, arena, &event, &payload, false, &added), ERR_OK);
    person->events[person->count++] = event;
    assert_true(person->count <= PEOPLE_EVENTS_MAX);
  }
  buffer_init(&row);
  timeline_head_encode(&head, &row);
  if (count > 0) people_put_row(txn, id, CUSTOMER_ROW_HEAD, &row);
  buffer_release(&row);
}

// Writes a customer whose parts are named; `count` events under each id.
static inline void people_write(struct people *people, struct person *person, size_t count) {
  struct store_txn *txn;
  struct store_mark mark;
  struct arena arena;
  arena_init(&arena, 0);
  assert_int_equal(store_begin(people->fixture.store, &txn), ERR_OK);
  if (person->merged_into == 0) people_add(people, txn, person, person->id, count, &arena);
  for (size_t i = 0; i < person->part_count; i++) people_add(people, txn, person, person->parts[i], count, &arena);
  people_put_record(people, txn, person, &arena);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  qsort(person->events, person->count, sizeof *person->events, people_by_instant);
  arena_release(&arena);
}

// --- what is found -------------------------------------------------------------------------------------------

static inline enum err people_columns(struct facts *facts, const uint32_t *names, size_t count, int64_t from_us,
                                      int64_t to_us, struct rule_columns *columns) {
  struct rule_events_wanted wanted = {.names = names, .name_count = count, .from_us = from_us, .to_us = to_us};
  return facts->customer.columns(facts->customer.context, &wanted, columns);
}

static inline enum err people_all_columns(struct facts *facts, struct rule_columns *columns) {
  static const uint32_t names[] = {1, 2, 3, 4, 5, 6, 7};
  return people_columns(facts, names, PEOPLE_NAMES, INT64_MIN, INT64_MAX, columns);
}

static inline void people_check_event(const struct rule_columns *columns, size_t index,
                                      const struct timeline_event *event) {
  assert_true(columns->time_us[index] == event->at.time_us);
  assert_int_equal(columns->name[index], event->name);
  assert_true(columns->amount[index] == event->amount);
  assert_int_equal(columns->amount_code[index], event->amount_code);
  assert_int_equal(columns->channel[index], event->dims[1]);
}

static inline void people_check_columns(struct facts *facts, const struct person *person) {
  struct rule_columns columns;
  assert_int_equal(people_all_columns(facts, &columns), ERR_OK);
  assert_int_equal(columns.count, person->count);
  for (size_t i = 0; i < person->count; i++) people_check_event(&columns, i, &person->events[i]);
}

static inline void people_check_message(const struct people *people, struct facts *facts, size_t index,
                                        const struct timeline_event *event) {
  struct arena arena;
  struct value message = {{NULL, 0}};
  arena_init(&arena, 0);
  assert_int_equal(facts->customer.message(facts->customer.context, index, &message), ERR_OK);
  assert_true(value_equal(message, people_message(people, event, &arena)));
  arena_release(&arena);
}

static inline void people_check_trait(const struct people *people, struct facts *facts, const struct person *person) {
  struct value value = {{NULL, 0}};
  struct bytes text = BYTES("");
  char city[32];
  assert_int_equal(facts->customer.trait(facts->customer.context, people->age, &value), ERR_OK);
  assert_true(value_is_absent(value));
  assert_int_equal(facts->customer.trait(facts->customer.context, people->city, &value), ERR_OK);
  assert_true(value_as_text(value, &text));
  snprintf(city, sizeof city, "city of %llu", (unsigned long long)person->id);
  assert_true(bytes_equal(text, bytes_from_text(city)));
}

// --- a crowd -------------------------------------------------------------------------------------------------

enum { CROWD_IDS = 600 };

struct crowd {
  struct people people;
  struct person *persons[CROWD_IDS]; // by id; NULL: no such customer
  struct store_snapshot *snapshot;
};

static inline struct person *add_person(struct crowd *crowd, uint64_t id) {
  struct person *person = calloc(1, sizeof *person);
  assert_non_null(person);
  person->id = id;
  crowd->persons[id] = person;
  return person;
}

static inline void close_crowd(struct crowd *crowd) {
  store_snapshot_close(crowd->snapshot);
  for (size_t i = 0; i < CROWD_IDS; i++) free(crowd->persons[i]);
  people_close(&crowd->people);
}
