// The record: its row, folding in any order, merging, parting, and its public document.
#include "customer_fixture.h"

struct bench {
  struct names *names;
  struct arena arena;
};

static void open_bench(struct bench *bench) {
  assert_int_equal(names_open(&bench->names, NULL, NULL), ERR_OK);
  arena_init(&bench->arena, 0);
}

static void close_bench(struct bench *bench) {
  arena_release(&bench->arena);
  names_close(bench->names);
}

static struct bytes encoded(const struct customer *customer, struct arena *arena) {
  struct buffer out;
  buffer_init(&out);
  customer_encode(customer, &out);
  assert_false(out.failed);
  struct bytes row = arena_copy(arena, buffer_view(&out));
  buffer_release(&out);
  return row;
}

static size_t add(struct bench *bench, struct customer *customer, const char *type, const char *value,
                  uint64_t sequence, uint64_t founded) {
  struct customer_identifier item = {
      .member = {fixture_identifier(bench->names, type, value), (int64_t)sequence * CLOCK_SECOND_US},
      .founded = founded,
      .sequence = sequence,
      .source = 1};
  size_t index;
  assert_int_equal(customer_add_identifier(customer, &bench->arena, &item, &index), ERR_OK);
  return index;
}

static void fold(struct bench *bench, struct customer *customer, struct customer_trait trait) {
  bool changed;
  assert_int_equal(customer_fold_trait(customer, &bench->arena, &trait, &changed), ERR_OK);
}

static struct customer_trait trait_of(struct bench *bench, const char *name, uint32_t source, int64_t time_us,
                                      uint8_t event, const char *text) {
  struct customer_trait trait = {.name = fixture_name(bench->names, name),
                                 .source = source,
                                 .at = {.time_us = time_us, .event = {event}},
                                 .value = fixture_text(text, bench->names, &bench->arena)};
  return trait;
}

static void make_customer(struct bench *bench, struct customer *customer) {
  customer_init(customer, 42);
  customer->updated_us = 1763769600000000;
  size_t user = add(bench, customer, "user_id", "1881", 5, 42);
  size_t email = add(bench, customer, "email", "zoe@exemple.fr", 6, 0);
  size_t cookie = add(bench, customer, "anonymous_id", "a-1", 9, 57);
  assert_int_equal(customer_add_edge(customer, &bench->arena, email, user, 7), ERR_OK);
  assert_int_equal(customer_add_edge(customer, &bench->arena, user, cookie, 9), ERR_OK);
  struct identity_cannot pair = {fixture_identifier(bench->names, "email", "zoe@exemple.fr"),
                                 fixture_identifier(bench->names, "email", "luc@exemple.fr")};
  assert_int_equal(customer_add_cannot(customer, &bench->arena, pair, 8), ERR_OK);
  fold(bench, customer, trait_of(bench, "lastName", 1, 1000, 1, "Müller"));
  fold(bench, customer, trait_of(bench, "firstName", 1, 1000, 1, "Zoé"));
  fold(bench, customer, trait_of(bench, "firstName", 2, 900, 2, "Zoe"));
  struct customer_trait correction = trait_of(bench, "lastName", 3, 500, 3, "Muller");
  correction.correction = true;
  correction.author = BYTES("desk@exemple.fr");
  fold(bench, customer, correction);
  struct customer_trait inlined = trait_of(bench, "x", 1, 1000, 4, "inline");
  inlined.name = 0;
  inlined.inline_name = BYTES("age group");
  fold(bench, customer, inlined);
}

// --- ids, keys, rows -----------------------------------------------------------------------------------------

static void test_ids(void **state) {
  (void)state;
  char text[CUSTOMER_ID_TEXT_BYTES];
  static const uint64_t ids[] = {1, 42, 10, UINT64_MAX};
  static const char *const texts[] = {"c1", "c42", "c10", "c18446744073709551615"};
  for (size_t i = 0; i < 4; i++) {
    uint64_t id = 0;
    customer_id_format(ids[i], text);
    assert_string_equal(text, texts[i]);
    assert_true(customer_id_parse(bytes_from_text(text), &id) && id == ids[i]);
  }
  static const char *const wrong[] = {"", "c", "42", "c0", "c042", "C42", "c42 ", "c-1", "c18446744073709551616"};
  uint64_t id;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(customer_id_parse(bytes_from_text(wrong[i]), &id));
}

static void test_keys_put_the_head_beside_the_record(void **state) {
  (void)state;
  struct key record, head, next;
  customer_key(255, CUSTOMER_ROW_RECORD, &record);
  customer_key(255, CUSTOMER_ROW_HEAD, &head);
  customer_key(256, CUSTOMER_ROW_RECORD, &next);
  assert_int_equal(record.size_bytes, 9);
  assert_true(bytes_compare(key_view(&record), key_view(&head)) < 0);
  assert_true(bytes_compare(key_view(&head), key_view(&next)) < 0);
}

static void test_rows_come_back(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer, back;
  make_customer(&bench, &customer);
  struct bytes row = encoded(&customer, &bench.arena);
  assert_int_equal(customer_decode(row, 42, &bench.arena, &back), ERR_OK);
  assert_int_equal(back.identifier_count, 3);
  assert_int_equal(back.edge_count, 2);
  assert_int_equal(back.cannot_count, 1);
  assert_int_equal(back.trait_count, 5);
  assert_true(back.updated_us == customer.updated_us);
  assert_true(bytes_equal(encoded(&back, &bench.arena), row));
  for (size_t size = 0; size < row.size_bytes; size++)
    assert_int_equal(customer_decode(bytes_of(row.data, size), 42, &bench.arena, &back), ERR_CORRUPT);
  // A decoded record grows like any other.
  assert_int_equal(customer_decode(row, 42, &bench.arena, &back), ERR_OK);
  add(&bench, &back, "phone", "+33612345678", 20, 0);
  assert_int_equal(back.identifier_count, 4);
  close_bench(&bench);
}

// Ids whose rows are pending come in order, go into the row and out of it; without any the row is as if none had been.
static void test_pending_ids(void **state) {
  struct bench bench;
  struct customer customer, loser, back;
  (void)state;
  open_bench(&bench);
  customer_init(&customer, 42);
  customer.updated_us = 7;
  struct bytes before = encoded(&customer, &bench.arena);
  customer_init(&loser, 50);
  assert_int_equal(customer_add_pending(&customer, &bench.arena, 60), ERR_OK);
  assert_int_equal(customer_add_pending(&loser, &bench.arena, UINT64_MAX), ERR_OK);
  assert_int_equal(customer_add_pending(&loser, &bench.arena, 50), ERR_OK);
  assert_int_equal(customer_add_pending(&loser, &bench.arena, 50), ERR_OK);
  assert_int_equal(customer_absorb(&customer, &loser, &bench.arena), ERR_OK);
  struct bytes row = encoded(&customer, &bench.arena);
  assert_int_equal(customer_decode(row, 42, &bench.arena, &back), ERR_OK);
  const uint64_t expected[] = {50, 60, UINT64_MAX};
  assert_int_equal(back.pending_count, 3);
  assert_memory_equal(back.pending, expected, sizeof expected);
  for (size_t size = 0; size < row.size_bytes; size++)
    assert_int_equal(customer_decode(bytes_of(row.data, size), 42, &bench.arena, &back), ERR_CORRUPT);
  assert_true(customer_has_pending(&customer, 60));
  for (size_t i = 0; i < 3; i++) customer_drop_pending(&customer, expected[i]);
  assert_false(customer_has_pending(&customer, 60));
  assert_true(bytes_equal(encoded(&customer, &bench.arena), before));
  close_bench(&bench);
}

static void test_redirects_and_empty_records(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer, back;
  customer_init(&customer, 9);
  assert_int_equal(customer_decode(encoded(&customer, &bench.arena), 9, &bench.arena, &back), ERR_OK);
  assert_int_equal(back.id, 9);
  assert_int_equal(back.identifier_count + back.trait_count + back.merged_into, 0);
  customer.merged_into = 4;
  customer.updated_us = 77;
  struct bytes row = encoded(&customer, &bench.arena);
  assert_true(row.size_bytes < 8);
  assert_int_equal(customer_decode(row, 9, &bench.arena, &back), ERR_OK);
  assert_int_equal(back.merged_into, 4);
  assert_int_equal(back.updated_us, 77);
  close_bench(&bench);
}

static void test_damaged_rows_are_refused_not_followed(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer, back;
  make_customer(&bench, &customer);
  struct bytes row = encoded(&customer, &bench.arena);
  uint64_t random = 11;
  struct arena scratch;
  arena_init(&scratch, 0);
  for (int round = 0; round < 20000; round++) {
    struct bytes damaged = arena_copy(&scratch, row);
    ((uint8_t *)(uintptr_t)damaged.data)[fixture_random(&random) % row.size_bytes] = (uint8_t)fixture_random(&random);
    enum err err = customer_decode(damaged, 42, &scratch, &back);
    assert_true(err == ERR_OK || err == ERR_CORRUPT);
    if (round % 100 == 0) arena_clear(&scratch);
  }
  arena_release(&scratch);
  close_bench(&bench);
}

// --- traits --------------------------------------------------------------------------------------------------

enum { FOLDED_MAX = 40 };

static void test_folding_in_any_order_gives_the_same_bytes(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  static const char *const names[] = {"city", "country", "firstName", "x"};
  static const char *const texts[] = {"a", "b", "cc", "dd"};
  uint64_t random = 8;
  for (int round = 0; round < 300; round++) {
    struct customer_trait traits[FOLDED_MAX];
    size_t count = 1 + fixture_random(&random) % FOLDED_MAX;
    for (size_t i = 0; i < count; i++) {
      traits[i] = trait_of(&bench, names[fixture_random(&random) % 4], 1 + (uint32_t)(fixture_random(&random) % 3),
                           (int64_t)(fixture_random(&random) % 5), (uint8_t)(fixture_random(&random) % 3),
                           texts[fixture_random(&random) % 4]);
      traits[i].correction = fixture_random(&random) % 4 == 0;
      if (traits[i].correction) traits[i].author = fixture_random(&random) % 2 == 0 ? BYTES("ann") : BYTES("bob");
      if (fixture_random(&random) % 5 == 0) {
        traits[i].name = 0;
        traits[i].inline_name = fixture_random(&random) % 2 == 0 ? BYTES("p") : BYTES("pq");
      }
    }
    struct bytes first = {NULL, 0};
    for (int order = 0; order < 4; order++) {
      struct customer customer;
      customer_init(&customer, 1);
      for (size_t i = 0; i < count; i++) fold(&bench, &customer, traits[i]);
      for (size_t i = 0; i < count / 3; i++) fold(&bench, &customer, traits[i]); // idempotent
      struct bytes row = encoded(&customer, &bench.arena);
      if (order == 0) first = row;
      assert_true(bytes_equal(first, row));
      for (size_t i = count; i-- > 1;) {
        size_t other = fixture_random(&random) % (i + 1);
        struct customer_trait moved = traits[i];
        traits[i] = traits[other];
        traits[other] = moved;
      }
    }
    arena_clear(&bench.arena);
  }
  close_bench(&bench);
}

static int source_priority(void *context, uint32_t source) {
  (void)context;
  return source == 2 ? 10 : 0;
}
static struct bytes source_name(void *context, uint32_t source) {
  (void)context;
  return source == 1 ? BYTES("web shop") : source == 2 ? BYTES("till") : BYTES("correction");
}
static const struct customer_sources SOURCES = {source_priority, source_name, NULL};

// Two values of one trait; which one counts.
static const struct {
  uint32_t source_a, source_b;
  bool correction_a, correction_b;
  int64_t time_a, time_b;
  uint8_t event_a, event_b;
  const char *expected;
} WINNERS[] = {
    {1, 3, false, false, 10, 20, 9, 1, "b"}, // the newest
    {1, 2, false, false, 20, 20, 9, 1, "b"}, // at one time: the source of higher priority
    {1, 3, false, false, 20, 20, 9, 1, "a"}, // of equal priority: the event id
    {1, 3, true, false, 10, 90, 1, 1, "a"},  // a correction, however old
    {1, 3, true, true, 10, 20, 9, 1, "b"},   // the newest correction
};

static void test_winners(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof WINNERS / sizeof *WINNERS; i++) {
    struct bench bench;
    open_bench(&bench);
    struct customer customer;
    customer_init(&customer, 1);
    struct customer_trait a = trait_of(&bench, "city", WINNERS[i].source_a, WINNERS[i].time_a, WINNERS[i].event_a, "a");
    struct customer_trait b = trait_of(&bench, "city", WINNERS[i].source_b, WINNERS[i].time_b, WINNERS[i].event_b, "b");
    a.correction = WINNERS[i].correction_a;
    b.correction = WINNERS[i].correction_b;
    fold(&bench, &customer, trait_of(&bench, "country", 1, 1, 1, "x"));
    fold(&bench, &customer, a);
    fold(&bench, &customer, b);
    struct bytes text;
    assert_true(value_as_text(customer_trait_value(&customer, bench.names, BYTES("city"), &SOURCES), &text));
    assert_true(bytes_equal(text, bytes_from_text(WINNERS[i].expected)));
    assert_true(value_is_absent(customer_trait_value(&customer, bench.names, BYTES("town"), &SOURCES)));
    close_bench(&bench);
  }
}

static void test_trait_names_are_limited(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer;
  customer_init(&customer, 1);
  bool changed;
  for (int i = 0; i < LIMIT_CUSTOMER_TRAITS; i++) {
    char name[16];
    snprintf(name, sizeof name, "t%d", i);
    fold(&bench, &customer, trait_of(&bench, name, 1, 1, 1, "v"));
  }
  struct customer_trait more = trait_of(&bench, "more", 1, 1, 1, "v");
  assert_int_equal(customer_fold_trait(&customer, &bench.arena, &more, &changed), ERR_LIMIT);
  assert_false(changed);
  fold(&bench, &customer, trait_of(&bench, "t7", 2, 1, 1, "v")); // another source of a name that is there
  fold(&bench, &customer, trait_of(&bench, "t511", 1, 2, 1, "w"));
  assert_int_equal(customer_fold_trait(&customer, &bench.arena, &more, &changed), ERR_LIMIT);
  assert_int_equal(customer.trait_count, LIMIT_CUSTOMER_TRAITS + 1);
  close_bench(&bench);
}

// --- merge and split -----------------------------------------------------------------------------------------

static void test_identifiers_stay_in_order_of_sequence(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer;
  customer_init(&customer, 1);
  size_t b = add(&bench, &customer, "email", "b@x.fr", 20, 0);
  size_t c = add(&bench, &customer, "email", "c@x.fr", 30, 0);
  assert_int_equal(customer_add_edge(&customer, &bench.arena, c, b, 31), ERR_OK);
  assert_int_equal(add(&bench, &customer, "email", "a@x.fr", 10, 1), 0); // an earlier decision: all others move
  assert_true(customer_has_edge(&customer, 1, 2) && customer_has_edge(&customer, 2, 1));
  assert_false(customer_has_edge(&customer, 0, 1));
  assert_int_equal(add(&bench, &customer, "email", "b@x.fr", 99, 0), 1); // known already
  assert_int_equal(customer.identifier_count, 3);
  assert_int_equal(customer_find_identifier(&customer, fixture_identifier(bench.names, "email", "c@x.fr")), 2);
  assert_int_equal(customer_find_identifier(&customer, fixture_identifier(bench.names, "email", "d@x.fr")), -1);
  assert_true(customer_created_us(&customer) == 10 * CLOCK_SECOND_US);
  close_bench(&bench);
}

static void make_pair(struct bench *bench, struct customer *a, struct customer *b) {
  customer_init(a, 1);
  customer_init(b, 2);
  size_t a_user = add(bench, a, "user_id", "1", 10, 1), a_cookie = add(bench, a, "cookie", "k", 40, 0);
  size_t b_cookie = add(bench, b, "cookie", "k", 20, 2), b_email = add(bench, b, "email", "z@x.fr", 30, 0);
  assert_int_equal(customer_add_edge(a, &bench->arena, a_user, a_cookie, 41), ERR_OK);
  assert_int_equal(customer_add_edge(b, &bench->arena, b_cookie, b_email, 31), ERR_OK);
  struct identity_cannot pair = {fixture_identifier(bench->names, "email", "z@x.fr"),
                                 fixture_identifier(bench->names, "email", "y@x.fr")};
  assert_int_equal(customer_add_cannot(b, &bench->arena, pair, 50), ERR_OK);
  fold(bench, a, trait_of(bench, "city", 1, 1, 1, "Lyon"));
  fold(bench, b, trait_of(bench, "city", 1, 2, 1, "Paris"));
  fold(bench, b, trait_of(bench, "zip", 1, 2, 1, "75001"));
}

static void test_absorbing_unites(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer a, b, other_a, other_b;
  make_pair(&bench, &a, &b);
  make_pair(&bench, &other_a, &other_b);
  assert_int_equal(customer_absorb(&a, &b, &bench.arena), ERR_OK);
  assert_int_equal(a.identifier_count, 3);
  const char *const values[] = {"1", "k", "z@x.fr"};
  for (size_t i = 0; i < 3; i++)
    assert_true(bytes_equal(a.identifiers[i].member.identifier.value, bytes_from_text(values[i])));
  assert_int_equal(a.identifiers[1].sequence, 20); // the shared cookie: the earlier decision, the id it founded
  assert_int_equal(a.identifiers[1].founded, 2);
  assert_true(a.identifiers[1].member.seen_us == 20 * CLOCK_SECOND_US);
  assert_int_equal(a.edge_count, 2);
  assert_true(customer_has_edge(&a, 0, 1) && customer_has_edge(&a, 1, 2));
  assert_int_equal(a.edges[0].sequence, 31);
  assert_int_equal(a.cannot_count, 1);
  assert_int_equal(a.trait_count, 2);
  // The other way round gives the same row.
  assert_int_equal(customer_absorb(&other_b, &other_a, &bench.arena), ERR_OK);
  assert_true(bytes_equal(encoded(&a, &bench.arena), encoded(&other_b, &bench.arena)));
  // Once more changes nothing.
  struct bytes row = encoded(&a, &bench.arena);
  assert_int_equal(customer_absorb(&a, &b, &bench.arena), ERR_OK);
  assert_true(bytes_equal(encoded(&a, &bench.arena), row));
  close_bench(&bench);
}

static void test_parts(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer a, b, part;
  make_pair(&bench, &a, &b);
  assert_int_equal(customer_absorb(&a, &b, &bench.arena), ERR_OK);
  const uint16_t component[] = {0, 1, 1};
  assert_int_equal(customer_copy_part(&part, &a, component, 0, &bench.arena), ERR_OK);
  assert_int_equal(part.id, 1);
  assert_int_equal(part.identifier_count, 1);
  assert_int_equal(part.edge_count + part.cannot_count + part.trait_count, 0);
  assert_int_equal(customer_copy_part(&part, &a, component, 1, &bench.arena), ERR_OK);
  assert_int_equal(part.id, 2);
  assert_int_equal(part.identifier_count, 2);
  assert_int_equal(part.edge_count, 1);
  assert_true(customer_has_edge(&part, 0, 1));
  assert_int_equal(part.cannot_count, 1);
  add(&bench, &part, "phone", "+33612345678", 90, 0); // a part lives on
  assert_int_equal(part.identifier_count, 3);
  close_bench(&bench);
}

// --- memory --------------------------------------------------------------------------------------------------

static enum err build_and_merge(struct bench *bench, struct arena *arena, struct bytes row_a, struct bytes row_b,
                                struct buffer *out) {
  struct customer a, b, part;
  enum err err = customer_decode(row_a, 1, arena, &a);
  if (err == ERR_OK) err = customer_decode(row_b, 2, arena, &b);
  if (err == ERR_OK) err = customer_absorb(&a, &b, arena);
  const uint16_t component[] = {0, 1, 1};
  if (err == ERR_OK) err = customer_copy_part(&part, &a, component, 1, arena);
  if (err != ERR_OK) return err;
  struct json_writer writer;
  struct customer_trace trace = {0};
  json_writer_init(&writer, out);
  err = customer_to_json(&writer, &a, &trace, bench->names, &SOURCES, arena);
  customer_encode(&a, out);
  return err == ERR_OK && out->failed ? ERR_NO_MEMORY : err;
}

static void test_short_memory_leaks_nothing(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer a, b;
  make_pair(&bench, &a, &b);
  struct bytes row_a = encoded(&a, &bench.arena), row_b = encoded(&b, &bench.arena);
  enum err err = ERR_NO_MEMORY;
  uint64_t allowed = 0;
  for (; err != ERR_OK && allowed < 1000; allowed++) {
    struct arena arena;
    struct buffer out;
    arena_init(&arena, 0);
    buffer_init(&out);
    alloc_fail_after(allowed, false);
    err = build_and_merge(&bench, &arena, row_a, row_b, &out);
    bool failed = alloc_fail_disarm();
    assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && failed));
    buffer_release(&out);
    arena_release(&arena);
  }
  assert_int_equal(err, ERR_OK);
  assert_true(allowed > 2);
  close_bench(&bench);
}

// --- the document --------------------------------------------------------------------------------------------

static void test_document(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer;
  make_customer(&bench, &customer);
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  struct customer_trace trace = {.event_count = 3, .first_event_us = 0, .last_event_us = CLOCK_SECOND_US};
  assert_int_equal(customer_to_json(&writer, &customer, &trace, bench.names, &SOURCES, &bench.arena), ERR_OK);
  buffer_append_byte(&out, 0);
  assert_string_equal(
      (const char *)out.data,
      "{\"id\":\"c42\",\"created_at\":\"1970-01-01T00:00:05.000Z\",\"updated_at\":\"2025-11-22T00:00:00.000Z\","
      "\"identifiers\":["
      "{\"type\":\"user_id\",\"value\":\"1881\",\"first_seen_at\":\"1970-01-01T00:00:05.000Z\",\"source\":\"web "
      "shop\"},"
      "{\"type\":\"email\",\"value\":\"zoe@exemple.fr\",\"first_seen_at\":\"1970-01-01T00:00:06.000Z\","
      "\"source\":\"web shop\"},"
      "{\"type\":\"anonymous_id\",\"value\":\"a-1\",\"first_seen_at\":\"1970-01-01T00:00:09.000Z\","
      "\"source\":\"web shop\"}],"
      "\"traits\":{\"age group\":\"inline\",\"firstName\":\"Zoé\",\"lastName\":\"Muller\"},\"consents\":{},"
      "\"trace\":{\"aliases\":[\"c57\"],\"events\":3,\"heavy\":false,\"first_event_at\":\"1970-01-01T00:00:00.000Z\","
      "\"last_event_at\":\"1970-01-01T00:00:01.000Z\",\"traits\":{"
      "\"age group\":{\"source\":\"web shop\",\"time\":\"1970-01-01T00:00:00.001Z\",\"others\":[]},"
      "\"firstName\":{\"source\":\"web shop\",\"time\":\"1970-01-01T00:00:00.001Z\",\"others\":["
      "{\"value\":\"Zoe\",\"source\":\"till\",\"time\":\"1970-01-01T00:00:00.000900Z\"}]},"
      "\"lastName\":{\"source\":\"correction\",\"time\":\"1970-01-01T00:00:00.000500Z\","
      "\"author\":\"desk@exemple.fr\",\"others\":["
      "{\"value\":\"Müller\",\"source\":\"web shop\",\"time\":\"1970-01-01T00:00:00.001Z\"}]}},"
      "\"cannot_links\":[{\"own\":{\"type\":\"email\",\"value\":\"zoe@exemple.fr\"},"
      "\"other\":{\"type\":\"email\",\"value\":\"luc@exemple.fr\"}}]}}");
  buffer_release(&out);
  close_bench(&bench);
}

static void test_documents_of_little(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer;
  struct customer_trace trace = {0};
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  customer_init(&customer, 7);
  json_writer_init(&writer, &out);
  assert_int_equal(customer_to_json(&writer, &customer, &trace, bench.names, NULL, &bench.arena), ERR_OK);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data,
                      "{\"id\":\"c7\",\"created_at\":null,\"updated_at\":null,\"identifiers\":[],\"traits\":{},"
                      "\"consents\":{},\"trace\":{\"aliases\":[],\"events\":0,\"heavy\":false,\"first_event_at\":null,"
                      "\"last_event_at\":null,\"traits\":{},\"cannot_links\":[]}}");
  buffer_clear(&out);
  customer.merged_into = 3;
  json_writer_init(&writer, &out);
  assert_int_equal(customer_to_json(&writer, &customer, &trace, bench.names, NULL, &bench.arena), ERR_OK);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data, "{\"id\":\"c7\",\"merged_into\":\"c3\"}");
  buffer_release(&out);
  close_bench(&bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ids),
      cmocka_unit_test(test_keys_put_the_head_beside_the_record),
      cmocka_unit_test(test_rows_come_back),
      cmocka_unit_test(test_pending_ids),
      cmocka_unit_test(test_redirects_and_empty_records),
      cmocka_unit_test(test_damaged_rows_are_refused_not_followed),
      cmocka_unit_test(test_folding_in_any_order_gives_the_same_bytes),
      cmocka_unit_test(test_winners),
      cmocka_unit_test(test_trait_names_are_limited),
      cmocka_unit_test(test_identifiers_stay_in_order_of_sequence),
      cmocka_unit_test(test_absorbing_unites),
      cmocka_unit_test(test_parts),
      cmocka_unit_test(test_short_memory_leaks_nothing),
      cmocka_unit_test(test_document),
      cmocka_unit_test(test_documents_of_little),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
