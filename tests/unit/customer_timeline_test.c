// The timeline against a plain sorted array: random arrivals, repeats, moves, erasure, on every store.
#include "customer_fixture.h"

#include "customer/timeline.h"
#include "store/store_wrap.h"

enum { EVENTS_MAX = 4000, NAMES = 6, CUSTOMERS = 2 };

struct plain {
  size_t count;
  struct timeline_event events[EVENTS_MAX]; // sorted
};

struct bench {
  struct fixture_store fixture;
  struct names *names;
  struct plain plain[CUSTOMERS];
  struct buffer heads[CUSTOMERS]; // their rows, as the engine would store them
  uint64_t random, made;
};

static struct bench *open_bench(bool on_disk) {
  struct bench *bench = calloc(1, sizeof *bench);
  assert_non_null(bench);
  fixture_open_store(&bench->fixture, on_disk);
  store_set_tidy(bench->fixture.store, STORE_TIMELINE, timeline_tidy);
  assert_int_equal(names_open(&bench->names, NULL, NULL), ERR_OK);
  bench->random = 4711;
  return bench;
}

static void close_bench(struct bench *bench) {
  for (size_t i = 0; i < CUSTOMERS; i++) buffer_release(&bench->heads[i]);
  fixture_close_store(&bench->fixture);
  names_close(bench->names);
  free(bench);
}

// Customers 1 and 2 are neighbours in the store: what leaks over shows.
static uint64_t id_of(size_t customer) {
  return 1 + customer;
}

static void load_head(struct bench *bench, size_t customer, struct arena *arena, struct timeline_head *head) {
  struct bytes row = arena_copy(arena, buffer_view(&bench->heads[customer]));
  assert_int_equal(timeline_head_decode(row, arena, head), ERR_OK);
}

static void keep_head(struct bench *bench, size_t customer, const struct timeline_head *head) {
  buffer_clear(&bench->heads[customer]);
  timeline_head_encode(head, &bench->heads[customer]);
  assert_false(bench->heads[customer].failed);
}

static void begin(struct bench *bench, struct store_txn **txn) {
  assert_int_equal(store_begin(bench->fixture.store, txn), ERR_OK);
  struct key keys[CUSTOMERS];
  struct bytes views[CUSTOMERS];
  for (size_t i = 0; i < CUSTOMERS; i++) {
    key_init(&keys[i]);
    key_put_u64(&keys[i], id_of(i));
    views[i] = key_view(&keys[i]);
  }
  assert_int_equal(store_lock_many(*txn, STORE_LOCK_CUSTOMER, views, CUSTOMERS), ERR_OK);
}

static void commit(struct store_txn *txn) {
  struct store_mark mark;
  struct diag diag;
  diag_init(&diag);
  if (store_commit(txn, &mark, &diag) != ERR_OK) fail_msg("%s", diag.message);
}

// --- events --------------------------------------------------------------------------------------------------

static int by_instant(const void *a, const void *b) {
  return identity_instant_compare(&((const struct timeline_event *)a)->at, &((const struct timeline_event *)b)->at);
}

static struct timeline_event random_event(struct bench *bench, int64_t time_us) {
  struct timeline_event event = {.at = {.time_us = time_us},
                                 .name = 1 + (uint32_t)(fixture_random(&bench->random) % NAMES),
                                 .amount = (int64_t)(fixture_random(&bench->random) % 100000) - 50000,
                                 .amount_code = (uint8_t)(fixture_random(&bench->random) % 3),
                                 .currency = (uint16_t)(fixture_random(&bench->random) % 32768),
                                 .dims = {(uint32_t)(fixture_random(&bench->random) % 9), 77}};
  uint64_t id[2] = {fixture_random(&bench->random), ++bench->made};
  memcpy(event.at.event, id, sizeof id);
  return event;
}

static const uint32_t EXCLUDED[] = {300, 7};

// A payload that says which event it is of.
static void payload_of(const struct timeline_event *event, const struct identifier *identifiers, struct value message,
                       struct timeline_payload *payload) {
  *payload = (struct timeline_payload){.source = event->name,
                                       .received_us = event->at.time_us + 5,
                                       .sequence = (uint64_t)event->amount + 100000,
                                       .flags = event->amount_code,
                                       .identifiers = identifiers,
                                       .identifier_count = event->amount_code,
                                       .excluded = EXCLUDED,
                                       .excluded_count = 2u - event->amount_code,
                                       .message = message};
}

static const struct identifier IDENTIFIERS[] = {{3, BYTES_INIT("zoe@exemple.fr")}, {9, BYTES_INIT("a-1")}};

static void assert_same_event(const struct timeline_event *a, const struct timeline_event *b) {
  assert_int_equal(identity_instant_compare(&a->at, &b->at), 0);
  assert_int_equal(a->name, b->name);
  assert_true(a->amount == b->amount);
  assert_int_equal(a->amount_code, b->amount_code);
  assert_int_equal(a->currency, b->currency);
  assert_int_equal(a->dims[0], b->dims[0]);
  assert_int_equal(a->dims[1], b->dims[1]);
}

static void assert_payload_fits(const struct timeline_event *event, const struct timeline_payload *payload,
                                struct value message) {
  struct timeline_payload expected;
  payload_of(event, IDENTIFIERS, message, &expected);
  assert_int_equal(payload->source, expected.source);
  assert_true(payload->received_us == expected.received_us);
  assert_int_equal(payload->sequence, expected.sequence);
  assert_int_equal(payload->flags, expected.flags);
  assert_int_equal(payload->identifier_count, expected.identifier_count);
  for (size_t i = 0; i < expected.identifier_count; i++)
    assert_true(identifier_equal(payload->identifiers[i], IDENTIFIERS[i]));
  assert_int_equal(payload->excluded_count, expected.excluded_count);
  for (size_t i = 0; i < expected.excluded_count; i++) assert_int_equal(payload->excluded[i], EXCLUDED[i]);
  assert_true(value_equal(payload->message, message));
}

// Adds `count` events in one transaction; `spread_us` wide, from `from_us` on.
static void add_events(struct bench *bench, size_t customer, size_t count, int64_t from_us, int64_t step_us,
                       int64_t spread_us) {
  struct arena arena;
  struct store_txn *txn;
  struct timeline_head head;
  struct plain *plain = &bench->plain[customer];
  arena_init(&arena, 0);
  struct value message = fixture_text("the message", bench->names, &arena);
  load_head(bench, customer, &arena, &head);
  begin(bench, &txn);
  for (size_t i = 0; i < count; i++) {
    int64_t late_us = spread_us == 0 ? 0 : (int64_t)(fixture_random(&bench->random) % (uint64_t)spread_us);
    struct timeline_event event = random_event(bench, from_us + (int64_t)i * step_us + late_us);
    struct timeline_payload payload;
    bool added;
    payload_of(&event, IDENTIFIERS, message, &payload);
    assert_int_equal(timeline_add(txn, id_of(customer), &head, &arena, &event, &payload, i % 7 == 0, &added), ERR_OK);
    assert_true(added);
    plain->events[plain->count++] = event;
  }
  commit(txn);
  keep_head(bench, customer, &head);
  arena_release(&arena);
  qsort(plain->events, plain->count, sizeof *plain->events, by_instant);
}

// --- checks --------------------------------------------------------------------------------------------------

static void on_breach(void *context, const char *what) {
  (void)context;
  fail_msg("%s", what);
}

static void count_breach(void *context, const char *what) {
  assert_non_null(strstr(what, "timeline of c1: "));
  ++*(int *)context;
}

static bool matches(const struct timeline_query *query, const struct timeline_event *event) {
  return !(query->has_from && identity_instant_compare(&event->at, &query->from) < 0) &&
         !(query->has_to && identity_instant_compare(&event->at, &query->to) >= 0) &&
         (query->name == 0 || query->name == event->name);
}

static void check_query(struct bench *bench, size_t customer, struct timeline_reader reader,
                        const struct timeline_head *head, const struct timeline_query *query, struct value message) {
  const struct plain *plain = &bench->plain[customer];
  struct timeline_cursor *cursor;
  struct timeline_item item;
  assert_int_equal(timeline_open(&cursor, reader, id_of(customer), head, query), ERR_OK);
  for (size_t i = 0; i < plain->count; i++) {
    const struct timeline_event *expected = &plain->events[query->newest_first ? plain->count - 1 - i : i];
    if (!matches(query, expected)) continue;
    assert_int_equal(timeline_next(cursor, &item), ERR_OK);
    assert_same_event(&item.event, expected);
    if (query->payloads) assert_payload_fits(expected, &item.payload, message);
    if (!query->payloads) assert_int_equal(item.payload.message.packed.size_bytes, 0);
  }
  assert_int_equal(timeline_next(cursor, &item), ERR_NOT_FOUND);
  assert_int_equal(timeline_next(cursor, &item), ERR_NOT_FOUND);
  timeline_close(cursor);
}

static struct identity_instant some_instant(struct bench *bench, const struct plain *plain) {
  struct identity_instant instant = {0};
  if (plain->count > 0) instant = plain->events[fixture_random(&bench->random) % plain->count].at;
  instant.time_us += (int64_t)(fixture_random(&bench->random) % 3) - 1;
  return instant;
}

static void check_customer(struct bench *bench, size_t customer) {
  struct arena arena;
  struct timeline_head head;
  struct timeline_reader reader = {NULL, NULL};
  const struct plain *plain = &bench->plain[customer];
  arena_init(&arena, 0);
  load_head(bench, customer, &arena, &head);
  assert_int_equal(head.count, plain->count);
  struct value message = fixture_text("the message", bench->names, &arena);
  assert_int_equal(store_snapshot_open(bench->fixture.store, &reader.snapshot), ERR_OK);
  assert_int_equal(timeline_verify(reader.snapshot, id_of(customer), &head, on_breach, NULL), ERR_OK);
  for (unsigned kind = 0; kind < 32; kind++) {
    struct timeline_query query = {.newest_first = kind & 1,
                                   .payloads = (kind & 2) != 0,
                                   .has_from = (kind & 4) != 0,
                                   .has_to = (kind & 8) != 0,
                                   .from = some_instant(bench, plain),
                                   .to = some_instant(bench, plain),
                                   .name = kind & 16 ? 1 + kind % (NAMES + 1) : 0};
    check_query(bench, customer, reader, &head, &query, message);
  }
  store_snapshot_close(reader.snapshot);
  arena_release(&arena);
}

// --- what is tried -------------------------------------------------------------------------------------------

static void try_arrivals(bool on_disk) {
  struct bench *bench = open_bench(on_disk);
  check_customer(bench, 0);
  for (int round = 0; round < 12; round++) {
    add_events(bench, 0, 1 + fixture_random(&bench->random) % 200, -400, 0, 900); // any order, many at one time
    add_events(bench, 1, 20, 0, 1, 0);
  }
  check_customer(bench, 0);
  check_customer(bench, 1);
  for (size_t i = 0; i < 900; i += 90) add_events(bench, 0, 90, 1000 + (int64_t)i * 10, 10, 15); // nearly in order
  check_customer(bench, 0);
  check_customer(bench, 1);
  close_bench(bench);
}

static void test_arrivals_in_memory(void **state) {
  (void)state;
  try_arrivals(false);
}
static void test_arrivals_on_disk(void **state) {
  (void)state;
  try_arrivals(true);
}

static void test_history_in_order_fills_chunks_unread(void **state) {
  (void)state;
  struct bench *bench = open_bench(false);
  struct store *trace;
  struct arena arena;
  struct timeline_head head;
  assert_int_equal(store_open_trace(&trace, bench->fixture.store), ERR_OK);
  bench->fixture.store = trace;
  add_events(bench, 0, 1, 0, 1, 0);
  store_trace_reset(trace);
  struct value message;
  struct store_txn *txn;
  arena_init(&arena, 0);
  message = fixture_text("the message", bench->names, &arena);
  load_head(bench, 0, &arena, &head);
  begin(bench, &txn);
  struct plain *plain = &bench->plain[0];
  for (int i = 1; i < 3 * LIMIT_CHUNK_EVENTS; i++) {
    struct timeline_event event = random_event(bench, i);
    struct timeline_payload payload;
    bool added;
    payload_of(&event, IDENTIFIERS, message, &payload);
    assert_int_equal(timeline_add(txn, id_of(0), &head, &arena, &event, &payload, false, &added), ERR_OK);
    plain->events[plain->count++] = event;
  }
  commit(txn);
  keep_head(bench, 0, &head);
  assert_int_equal(head.chunk_count, 3);
  struct store_trace counts = store_trace_read(trace);
  assert_int_equal(counts.gets + counts.get_manys + counts.scans, 0);
  arena_release(&arena);
  check_customer(bench, 0);
  close_bench(bench);
}

static void try_repeats(bool on_disk) {
  struct bench *bench = open_bench(on_disk);
  add_events(bench, 0, 1500, 0, 0, 3000);
  struct arena arena;
  struct store_txn *txn;
  struct timeline_head head;
  arena_init(&arena, 0);
  struct value message = fixture_text("the message", bench->names, &arena);
  load_head(bench, 0, &arena, &head);
  begin(bench, &txn);
  for (size_t i = 0; i < bench->plain[0].count; i += 3) {
    const struct timeline_event *event = &bench->plain[0].events[i];
    struct timeline_payload payload;
    bool added = true;
    payload_of(event, IDENTIFIERS, message, &payload);
    assert_int_equal(timeline_add(txn, id_of(0), &head, &arena, event, &payload, true, &added), ERR_OK);
    assert_false(added);
  }
  commit(txn);
  keep_head(bench, 0, &head);
  arena_release(&arena);
  check_customer(bench, 0);
  close_bench(bench);
}

static void test_repeats_in_memory(void **state) {
  (void)state;
  try_repeats(false);
}
static void test_repeats_on_disk(void **state) {
  (void)state;
  try_repeats(true);
}

// Which events a move takes: asked once each, in order.
struct choice {
  unsigned of, takes; // amount % of < takes
  struct identity_instant last;
  uint64_t asked;
};

static bool is_chosen(const struct choice *choice, const struct timeline_event *event) {
  return (uint64_t)(event->amount + 100000) % choice->of < choice->takes;
}

static bool pick(void *context, const struct timeline_item *item) {
  struct choice *choice = context;
  if (choice->asked++ > 0) assert_true(identity_instant_compare(&choice->last, &item->event.at) < 0);
  choice->last = item->event.at;
  assert_int_equal(item->payload.source, item->event.name);
  return is_chosen(choice, &item->event);
}

static void plain_move(struct plain *from, struct plain *to, const struct choice *choice) {
  size_t kept = 0;
  for (size_t i = 0; i < from->count; i++) {
    if (choice == NULL || is_chosen(choice, &from->events[i])) {
      to->events[to->count++] = from->events[i];
    } else {
      from->events[kept++] = from->events[i];
    }
  }
  from->count = kept;
  qsort(to->events, to->count, sizeof *to->events, by_instant);
}

static void move_events(struct bench *bench, size_t from, struct choice *choice) {
  size_t to = 1 - from;
  struct arena arena;
  struct store_txn *txn;
  struct timeline_head heads[CUSTOMERS];
  arena_init(&arena, 0);
  for (size_t i = 0; i < CUSTOMERS; i++) load_head(bench, i, &arena, &heads[i]);
  uint64_t before = heads[from].count, moved;
  struct timeline_choice picked = {.pick = pick, .context = choice};
  begin(bench, &txn);
  assert_int_equal(timeline_move(txn, id_of(from), &heads[from], id_of(to), &heads[to], &arena,
                                 choice == NULL ? NULL : &picked, &moved),
                   ERR_OK);
  commit(txn);
  assert_int_equal(moved, before - heads[from].count);
  for (size_t i = 0; i < CUSTOMERS; i++) keep_head(bench, i, &heads[i]);
  arena_release(&arena);
  plain_move(&bench->plain[from], &bench->plain[to], choice);
}

static void try_moves(bool on_disk) {
  struct bench *bench = open_bench(on_disk);
  add_events(bench, 0, 1100, 0, 0, 5000);
  add_events(bench, 1, 400, 2000, 0, 5000);
  for (unsigned round = 0; round < 12; round++) {
    struct choice choice = {.of = 2 + round % 5, .takes = 1 + round % 2};
    move_events(bench, round % 2, &choice);
    check_customer(bench, 0);
    check_customer(bench, 1);
    add_events(bench, round % 2, 30, 0, 0, 5000);
  }
  move_events(bench, 0, NULL);
  assert_int_equal(bench->plain[0].count, 0);
  check_customer(bench, 0);
  check_customer(bench, 1);
  add_events(bench, 0, 10, 100, 0, 50); // an emptied timeline begins anew
  check_customer(bench, 0);
  close_bench(bench);
}

static void test_moves_in_memory(void **state) {
  (void)state;
  try_moves(false);
}
static void test_moves_on_disk(void **state) {
  (void)state;
  try_moves(true);
}

static void erase(struct bench *bench, size_t customer) {
  struct arena arena;
  struct store_txn *txn;
  struct timeline_head head;
  arena_init(&arena, 0);
  load_head(bench, customer, &arena, &head);
  begin(bench, &txn);
  assert_int_equal(timeline_erase(txn, id_of(customer), &head), ERR_OK);
  commit(txn);
  keep_head(bench, customer, &head);
  bench->plain[customer].count = 0;
  arena_release(&arena);
}

static void try_erasure(bool on_disk) {
  struct bench *bench = open_bench(on_disk);
  add_events(bench, 0, 700, 0, 0, 5000);
  add_events(bench, 1, 300, 0, 0, 5000);
  erase(bench, 0);
  check_customer(bench, 0);
  check_customer(bench, 1);
  erase(bench, 0);
  add_events(bench, 0, 5, 0, 1, 0);
  check_customer(bench, 0);
  close_bench(bench);
}

static void test_erasure_in_memory(void **state) {
  (void)state;
  try_erasure(false);
}
static void test_erasure_on_disk(void **state) {
  (void)state;
  try_erasure(true);
}

// Inside one transaction, a reader sees what the transaction wrote.
static void test_reading_in_the_transaction_that_writes(void **state) {
  (void)state;
  struct bench *bench = open_bench(false);
  add_events(bench, 0, 250, 0, 0, 1000);
  struct arena arena;
  struct timeline_head head;
  struct timeline_reader reader = {NULL, NULL};
  arena_init(&arena, 0);
  struct value message = fixture_text("the message", bench->names, &arena);
  load_head(bench, 0, &arena, &head);
  begin(bench, &reader.txn);
  for (int i = 0; i < 100; i++) {
    struct timeline_event event = random_event(bench, i * 7);
    struct timeline_payload payload;
    bool added;
    payload_of(&event, IDENTIFIERS, message, &payload);
    assert_int_equal(timeline_add(reader.txn, id_of(0), &head, &arena, &event, &payload, false, &added), ERR_OK);
    bench->plain[0].events[bench->plain[0].count++] = event;
  }
  qsort(bench->plain[0].events, bench->plain[0].count, sizeof *bench->plain[0].events, by_instant);
  struct timeline_query query = {.payloads = true};
  check_query(bench, 0, reader, &head, &query, message);
  store_abort(reader.txn);
  arena_release(&arena);
  close_bench(bench);
}

// --- payloads, heads, breaches, memory -----------------------------------------------------------------------

static void test_payload_rows_come_back_or_are_refused(void **state) {
  (void)state;
  struct arena arena;
  struct buffer row;
  arena_init(&arena, 0);
  buffer_init(&row);
  struct timeline_event event = {.at = {.time_us = -5}, .name = 4, .amount = 9, .amount_code = 1};
  struct timeline_payload payload, back;
  payload_of(&event, IDENTIFIERS, (struct value){{NULL, 0}}, &payload);
  timeline_payload_encode(&payload, &row);
  assert_int_equal(timeline_payload_decode(buffer_view(&row), &arena, &back), ERR_OK);
  assert_payload_fits(&event, &back, (struct value){{NULL, 0}});
  for (size_t size = 0; size < row.size_bytes; size++) // without a message, every byte counts
    assert_int_equal(timeline_payload_decode(arena_copy(&arena, bytes_of(row.data, size)), &arena, &back), ERR_CORRUPT);
  buffer_release(&row);
  arena_release(&arena);
}

static void test_damaged_heads_are_refused(void **state) {
  (void)state;
  struct bench *bench = open_bench(false);
  add_events(bench, 0, 600, 0, 0, 1000);
  struct arena arena;
  struct timeline_head head;
  arena_init(&arena, 0);
  struct bytes row = arena_copy(&arena, buffer_view(&bench->heads[0]));
  for (size_t size = 1; size < row.size_bytes; size++) {
    struct bytes cut = arena_copy(&arena, bytes_of(row.data, size));
    assert_int_equal(timeline_head_decode(cut, &arena, &head), ERR_CORRUPT);
  }
  assert_int_equal(timeline_head_decode((struct bytes){NULL, 0}, &arena, &head), ERR_OK);
  assert_int_equal(head.count + head.chunk_count, 0);
  arena_release(&arena);
  close_bench(bench);
}

static int breaches_of(struct bench *bench, const struct timeline_head *head) {
  struct store_snapshot *snapshot;
  int breaches = 0;
  assert_int_equal(store_snapshot_open(bench->fixture.store, &snapshot), ERR_OK);
  assert_int_equal(timeline_verify(snapshot, id_of(0), head, count_breach, &breaches), ERR_OK);
  store_snapshot_close(snapshot);
  return breaches;
}

static void test_breaches_are_told(void **state) {
  (void)state;
  struct bench *bench = open_bench(false);
  add_events(bench, 0, 600, 0, 0, 1000);
  struct arena arena;
  struct timeline_head head;
  arena_init(&arena, 0);
  load_head(bench, 0, &arena, &head);
  assert_int_equal(breaches_of(bench, &head), 0);
  head.chunks[1].count++;
  assert_true(breaches_of(bench, &head) >= 2); // the count, and the sum of the names
  head.chunks[1].count--;
  head.chunks[0].last_us++;
  assert_int_equal(breaches_of(bench, &head), 1);
  head.chunks[0].last_us--;
  head.chunks[1].bound.time_us += 100;
  assert_true(breaches_of(bench, &head) >= 1);
  head.chunks[1].bound.time_us -= 100;
  head.chunk_count--;
  assert_true(breaches_of(bench, &head) >= 2); // a stray chunk, stray payloads
  head.chunk_count++;
  struct store_txn *txn;
  struct key key;
  begin(bench, &txn);
  key_init(&key);
  key_put_u64(&key, id_of(0));
  key_put_i64(&key, bench->plain[0].events[5].at.time_us);
  key_put_raw(&key, bytes_of(bench->plain[0].events[5].at.event, IDENTITY_EVENT_ID_BYTES));
  assert_int_equal(store_delete(txn, STORE_PAYLOAD, key_view(&key)), ERR_OK);
  commit(txn);
  assert_int_equal(breaches_of(bench, &head), 2); // an event without payload, and fewer payloads than events
  arena_release(&arena);
  close_bench(bench);
}

static enum err add_and_read(struct bench *bench, struct store_txn *txn) {
  struct arena arena;
  struct timeline_head head, other;
  arena_init(&arena, 0);
  struct timeline_payload payload = {.source = 1};
  struct timeline_cursor *cursor = NULL;
  struct timeline_item item;
  uint64_t moved;
  bool added;
  enum err err = timeline_head_decode(buffer_view(&bench->heads[0]), &arena, &head);
  for (int64_t i = 0; err == ERR_OK && i < 40; i++) {
    struct timeline_event event = {.at = {.time_us = i * 20, .event = {(uint8_t)i, 1}}, .name = (uint32_t)(50 + i)};
    err = timeline_add(txn, id_of(0), &head, &arena, &event, &payload, i % 2 == 0, &added);
  }
  struct timeline_query query = {.payloads = true};
  if (err == ERR_OK) err = timeline_open(&cursor, (struct timeline_reader){.txn = txn}, id_of(0), &head, &query);
  while (err == ERR_OK) err = timeline_next(cursor, &item);
  timeline_close(cursor);
  if (err == ERR_NOT_FOUND) err = timeline_head_decode((struct bytes){NULL, 0}, &arena, &other);
  if (err == ERR_OK) err = timeline_move(txn, id_of(0), &head, id_of(1), &other, &arena, NULL, &moved);
  if (err == ERR_OK) err = timeline_erase(txn, id_of(1), &other);
  arena_release(&arena);
  return err;
}

static void test_short_memory_leaks_nothing(void **state) {
  (void)state;
  struct bench *bench = open_bench(false);
  add_events(bench, 0, 200, 0, 0, 1000);
  enum err err = ERR_NO_MEMORY;
  uint64_t allowed = 0;
  for (; err != ERR_OK && allowed < 20000; allowed += 1 + allowed / 40) {
    struct store_txn *txn;
    begin(bench, &txn);
    alloc_fail_after(allowed, false);
    err = add_and_read(bench, txn);
    bool failed = alloc_fail_disarm();
    assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && failed));
    store_abort(txn);
  }
  assert_int_equal(err, ERR_OK);
  check_customer(bench, 0); // nothing was half written
  close_bench(bench);
}

// Every read of the store fails once: the error comes out, and the stored timeline stays whole.
static void test_failing_reads_are_passed_on(void **state) {
  (void)state;
  struct bench *bench = open_bench(false);
  assert_int_equal(store_open_fault(&bench->fixture.store, bench->fixture.store), ERR_OK);
  add_events(bench, 0, 200, 0, 0, 1000);
  enum err err = ERR_IO;
  for (uint64_t allowed = 0; err != ERR_OK && allowed < 1000; allowed++) {
    struct store_txn *txn;
    begin(bench, &txn);
    store_fault_after(bench->fixture.store, allowed, ERR_IO, false);
    err = add_and_read(bench, txn);
    bool failed = store_fault_disarm(bench->fixture.store);
    assert_true(failed ? err == ERR_IO : err == ERR_OK);
    store_abort(txn);
  }
  assert_int_equal(err, ERR_OK);
  check_customer(bench, 0);
  close_bench(bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arrivals_in_memory),
      cmocka_unit_test(test_arrivals_on_disk),
      cmocka_unit_test(test_history_in_order_fills_chunks_unread),
      cmocka_unit_test(test_repeats_in_memory),
      cmocka_unit_test(test_repeats_on_disk),
      cmocka_unit_test(test_moves_in_memory),
      cmocka_unit_test(test_moves_on_disk),
      cmocka_unit_test(test_erasure_in_memory),
      cmocka_unit_test(test_erasure_on_disk),
      cmocka_unit_test(test_reading_in_the_transaction_that_writes),
      cmocka_unit_test(test_payload_rows_come_back_or_are_refused),
      cmocka_unit_test(test_damaged_heads_are_refused),
      cmocka_unit_test(test_breaches_are_told),
      cmocka_unit_test(test_short_memory_leaks_nothing),
      cmocka_unit_test(test_failing_reads_are_passed_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
