// Search by name, against looking at every customer; and identifiers by their beginning.
#include "customer_fixture.h"

#include "customer/search.h"
#include "quality/quality.h"

struct bench {
  struct fixture_store fixture;
  struct names *names;
  struct arena arena;
};

static void open_bench(struct bench *bench) {
  fixture_open_store(&bench->fixture, false);
  assert_int_equal(names_open(&bench->names, NULL, NULL), ERR_OK);
  arena_init(&bench->arena, 0);
}

static void close_bench(struct bench *bench) {
  arena_release(&bench->arena);
  names_close(bench->names);
  fixture_close_store(&bench->fixture);
}

static void put_rows(struct bench *bench, enum store_keyspace keyspace, const struct key *keys, size_t count,
                     struct bytes value) {
  struct store_txn *txn;
  struct store_mark mark;
  assert_int_equal(store_begin(bench->fixture.store, &txn), ERR_OK);
  for (size_t i = 0; i < count; i++) assert_int_equal(store_put(txn, keyspace, key_view(&keys[i]), value), ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
}

// --- tokens --------------------------------------------------------------------------------------------------

static void fold(struct bench *bench, struct customer *customer, const char *name, int64_t time_us, const char *text) {
  struct customer_trait trait = {.name = fixture_name(bench->names, name),
                                 .source = (uint32_t)time_us,
                                 .at = {.time_us = time_us},
                                 .value = fixture_text(text, bench->names, &bench->arena)};
  bool changed;
  assert_int_equal(customer_fold_trait(customer, &bench->arena, &trait, &changed), ERR_OK);
}

static void assert_tokens(struct bench *bench, const struct customer *customer, size_t max, const char *expected) {
  struct bytes tokens[CUSTOMER_TOKENS_MAX];
  size_t count;
  assert_int_equal(customer_search_tokens(customer, bench->names, NULL, &bench->arena, tokens, max, &count), ERR_OK);
  struct buffer joined;
  buffer_init(&joined);
  for (size_t i = 0; i < count; i++) buffer_append_format(&joined, "%s%.*s", i == 0 ? "" : " ", BYTES_ARG(tokens[i]));
  buffer_append_byte(&joined, 0);
  assert_string_equal((const char *)joined.data, expected);
  buffer_release(&joined);
}

static void test_tokens_are_the_words_of_names(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer;
  customer_init(&customer, 1);
  assert_tokens(&bench, &customer, CUSTOMER_TOKENS_MAX, "");
  fold(&bench, &customer, "city", 1, "Lyon");
  fold(&bench, &customer, "firstName", 1, "Anne");
  fold(&bench, &customer, "firstName", 2, "Zoé-Anaïs"); // the newest counts
  fold(&bench, &customer, "last_name", 1, "MÜLLER");
  fold(&bench, &customer, "name", 1, "Zoé Müller  Weiß");
  assert_tokens(&bench, &customer, CUSTOMER_TOKENS_MAX, "anais muller weiss zoe");
  assert_tokens(&bench, &customer, 2, "anais zoe");
  close_bench(&bench);
}

static void test_long_words_are_cut_between_characters(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct customer customer;
  customer_init(&customer, 1);
  char text[200] = "x";
  for (int i = 0; i < 60; i++) strcat(text, "\xd0\xb6"); // a two-byte letter: byte 64 is the middle of one
  fold(&bench, &customer, "name", 1, text);
  struct bytes tokens[CUSTOMER_TOKENS_MAX];
  size_t count;
  assert_int_equal(customer_search_tokens(&customer, bench.names, NULL, &bench.arena, tokens, 5, &count), ERR_OK);
  assert_int_equal(count, 1);
  assert_int_equal(tokens[0].size_bytes, CUSTOMER_TOKEN_BYTES - 1);
  assert_true(bytes_is_utf8(tokens[0]));
  close_bench(&bench);
}

static void test_keys_come_back(void **state) {
  (void)state;
  struct key key;
  struct bytes token;
  uint64_t customer;
  customer_search_key(BYTES("zoe"), 0x100, &key);
  assert_true(bytes_equal(key_view(&key), BYTES("zoe\0\0\0\0\0\0\0\1\0")));
  assert_true(customer_search_key_read(key_view(&key), &token, &customer));
  assert_true(bytes_equal(token, BYTES("zoe")) && customer == 0x100);
  assert_false(customer_search_key_read(BYTES("\0\0\0\0\0\0\0\1\0"), &token, &customer));
  assert_false(customer_search_key_read(BYTES("zoe"), &token, &customer));
}

// --- search --------------------------------------------------------------------------------------------------

enum { PEOPLE = 400, WORDS_EACH = 3, WORD_BYTES = 12 };

// Words of few letters, so that near ones abound.
static void random_word(uint64_t *random, char *word) {
  static const char *const parts[] = {"ma", "ri", "e", "jo", "an", "na", "l", "ch", "st"};
  word[0] = '\0';
  size_t count = 1 + fixture_random(random) % 3;
  for (size_t i = 0; i < count; i++) strcat(word, parts[fixture_random(random) % 9]);
}

// How well a word of a name fits one of the query, by its distance; -1 when it does not.
static int plain_match(const char *name, const char *word, bool is_last, bool typos) {
  struct bytes whole = bytes_from_text(name), wanted = bytes_from_text(word);
  if (strcmp(name, word) == 0) return CUSTOMER_MATCH_EXACT;
  if (is_last && bytes_starts_with(whole, wanted)) return CUSTOMER_MATCH_PREFIX;
  if (!typos || wanted.size_bytes < CUSTOMER_TYPO_LETTERS_MIN) return -1;
  for (size_t size = is_last ? 1 : whole.size_bytes; size <= whole.size_bytes; size++)
    if (quality_distance(bytes_of(whole.data, size), wanted, 1) <= 1) return CUSTOMER_MATCH_TYPO;
  return -1;
}

static int plain_person(char names[WORDS_EACH][WORD_BYTES], char words[][WORD_BYTES], size_t word_count, bool typos) {
  int worst = CUSTOMER_MATCH_EXACT;
  for (size_t i = 0; i < word_count; i++) {
    int best = -1;
    for (size_t j = 0; j < WORDS_EACH; j++) {
      int match = plain_match(names[j], words[i], i + 1 == word_count, typos);
      if (match >= 0 && (best < 0 || match < best)) best = match;
    }
    if (best < 0) return -1;
    if (best > worst) worst = best;
  }
  return worst;
}

static size_t plain_search(char people[PEOPLE][WORDS_EACH][WORD_BYTES], char words[][WORD_BYTES], size_t word_count,
                           bool typos, struct customer_hit *hits) {
  size_t count = 0;
  for (int match = CUSTOMER_MATCH_EXACT; match <= CUSTOMER_MATCH_TYPO; match++)
    for (size_t i = 0; i < PEOPLE; i++)
      if (plain_person(people[i], words, word_count, typos) == match)
        hits[count++] = (struct customer_hit){i + 1, (enum customer_match)match};
  return count;
}

static void test_search_finds_what_a_walk_over_all_finds(void **state) {
  (void)state;
  static char people[PEOPLE][WORDS_EACH][WORD_BYTES];
  static struct key keys[PEOPLE * WORDS_EACH];
  struct bench bench;
  uint64_t random = 31;
  open_bench(&bench);
  for (size_t i = 0; i < PEOPLE; i++)
    for (size_t j = 0; j < WORDS_EACH; j++) {
      random_word(&random, people[i][j]);
      customer_search_key(bytes_from_text(people[i][j]), i + 1, &keys[i * WORDS_EACH + j]);
    }
  put_rows(&bench, STORE_SEARCH, keys, PEOPLE * WORDS_EACH, BYTES(""));
  struct store_snapshot *snapshot;
  assert_int_equal(store_snapshot_open(bench.fixture.store, &snapshot), ERR_OK);
  size_t seen[3] = {0};
  for (int round = 0; round < 120; round++) {
    char words[3][WORD_BYTES];
    struct bytes views[3];
    size_t word_count = 1 + fixture_random(&random) % 3, limit = 1 + fixture_random(&random) % 60, count;
    for (size_t i = 0; i < word_count; i++) {
      random_word(&random, words[i]);
      views[i] = bytes_from_text(words[i]);
    }
    struct customer_hit expected[PEOPLE], hits[PEOPLE];
    size_t expected_count = plain_search(people, words, word_count, false, expected);
    if (expected_count < limit) expected_count = plain_search(people, words, word_count, true, expected);
    if (expected_count > limit) expected_count = limit;
    assert_int_equal(customer_search(snapshot, views, word_count, limit, &bench.arena, hits, &count), ERR_OK);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
      assert_int_equal(hits[i].customer, expected[i].customer);
      assert_int_equal(hits[i].match, expected[i].match);
      seen[hits[i].match]++;
    }
    arena_clear(&bench.arena);
  }
  for (int match = 0; match < 3; match++) assert_true(seen[match] > 50);
  store_snapshot_close(snapshot);
  close_bench(&bench);
}

// A query as it is typed, and the customers it finds, best first.
static const struct {
  const char *query, *expected;
} TYPED[] = {
    {"zoe", "1"},   {"ZOÉ", "1"},    {"zo", "1 3"},  {"zoe mull", "1"},  {"muller zoe", "1"},  {"mueller", "1"},
    {"mxxler", ""}, {"mullre", "1"}, {"muler", "1"}, {"mulller", "1"},   {"miller", "4 1"},    {"жанна", "5"},
    {"жана", "5"},  {"", ""},        {"...", ""},    {"zoe durand", ""}, {"durand zola", "3"}, {"zola dura", "3"},
    {"xoe", ""},    {"мжанна", "5"}, {"анна", ""},
};

static void test_queries_as_they_are_typed(void **state) {
  (void)state;
  static const struct {
    uint64_t customer;
    const char *name;
  } people[] = {{1, "Zoé Müller"}, {2, "Luc"}, {3, "Zola Durand"}, {4, "Ann Miller"}, {5, "Жанна"}};
  struct bench bench;
  open_bench(&bench);
  for (size_t i = 0; i < sizeof people / sizeof *people; i++) {
    struct bytes words[CUSTOMER_QUERY_WORDS_MAX];
    size_t count;
    assert_int_equal(customer_search_words(bytes_from_text(people[i].name), &bench.arena, words, &count), ERR_OK);
    for (size_t j = 0; j < count; j++) {
      struct key key;
      customer_search_key(words[j], people[i].customer, &key);
      put_rows(&bench, STORE_SEARCH, &key, 1, BYTES(""));
    }
  }
  struct store_snapshot *snapshot;
  assert_int_equal(store_snapshot_open(bench.fixture.store, &snapshot), ERR_OK);
  for (size_t i = 0; i < sizeof TYPED / sizeof *TYPED; i++) {
    struct bytes words[CUSTOMER_QUERY_WORDS_MAX];
    struct customer_hit hits[10];
    size_t word_count, count;
    char text[64] = "";
    assert_int_equal(customer_search_words(bytes_from_text(TYPED[i].query), &bench.arena, words, &word_count), ERR_OK);
    assert_int_equal(customer_search(snapshot, words, word_count, 10, &bench.arena, hits, &count), ERR_OK);
    for (size_t j = 0; j < count; j++)
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s%llu", j == 0 ? "" : " ",
               (unsigned long long)hits[j].customer);
    if (strcmp(text, TYPED[i].expected) != 0)
      fail_msg("\"%s\" found \"%s\", not \"%s\"", TYPED[i].query, text, TYPED[i].expected);
  }
  store_snapshot_close(snapshot);
  close_bench(&bench);
}

static void test_identifiers_by_their_beginning(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  static const char *const values[] = {"ann@x.fr", "anna@x.fr", "bob@x.fr", "an"};
  struct key keys[5];
  for (size_t i = 0; i < 4; i++)
    identifier_key(fixture_identifier(bench.names, "email", values[i]), bench.names, &keys[i]);
  identifier_key(fixture_identifier(bench.names, "phone", "ann"), bench.names, &keys[4]);
  put_rows(&bench, STORE_IDENTIFIER, keys, 5, BYTES("row"));
  struct store_snapshot *snapshot;
  struct customer_identifier_row rows[10];
  size_t count;
  uint32_t email = names_find(bench.names, BYTES("email"));
  assert_int_equal(store_snapshot_open(bench.fixture.store, &snapshot), ERR_OK);
  assert_int_equal(
      customer_search_identifiers(snapshot, bench.names, email, BYTES("ann"), 10, &bench.arena, rows, &count), ERR_OK);
  assert_int_equal(count, 2);
  assert_true(bytes_equal(rows[0].identifier.value, BYTES("ann@x.fr")));
  assert_true(bytes_equal(rows[1].identifier.value, BYTES("anna@x.fr")));
  assert_true(bytes_equal(rows[1].row, BYTES("row")));
  assert_int_equal(customer_search_identifiers(snapshot, bench.names, email, BYTES(""), 3, &bench.arena, rows, &count),
                   ERR_OK);
  assert_int_equal(count, 3);
  assert_true(bytes_equal(rows[0].identifier.value, BYTES("an")));
  store_snapshot_close(snapshot);
  close_bench(&bench);
}

static void test_short_memory_leaks_nothing(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench);
  struct key keys[3];
  customer_search_key(BYTES("zoe"), 1, &keys[0]);
  customer_search_key(BYTES("muller"), 1, &keys[1]);
  identifier_key(fixture_identifier(bench.names, "email", "zoe@x.fr"), bench.names, &keys[2]);
  put_rows(&bench, STORE_SEARCH, keys, 2, BYTES(""));
  put_rows(&bench, STORE_IDENTIFIER, keys + 2, 1, BYTES("row"));
  struct store_snapshot *snapshot;
  assert_int_equal(store_snapshot_open(bench.fixture.store, &snapshot), ERR_OK);
  enum err err = ERR_NO_MEMORY;
  for (uint64_t allowed = 0; err != ERR_OK && allowed < 1000; allowed++) {
    struct arena arena;
    struct bytes words[CUSTOMER_QUERY_WORDS_MAX];
    struct customer_hit hits[4];
    struct customer_identifier_row rows[4];
    size_t word_count = 0, count = 0;
    arena_init(&arena, 0);
    alloc_fail_after(allowed, false);
    err = customer_search_words(BYTES("Zoé Mulller"), &arena, words, &word_count);
    if (err == ERR_OK) err = customer_search(snapshot, words, word_count, 4, &arena, hits, &count);
    if (err == ERR_OK)
      err = customer_search_identifiers(snapshot, bench.names, names_find(bench.names, BYTES("email")), BYTES("z"), 4,
                                        &arena, rows, &count);
    bool failed = alloc_fail_disarm();
    assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && failed));
    if (err == ERR_OK) assert_int_equal(count, 1);
    arena_release(&arena);
  }
  assert_int_equal(err, ERR_OK);
  store_snapshot_close(snapshot);
  close_bench(&bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tokens_are_the_words_of_names),
      cmocka_unit_test(test_long_words_are_cut_between_characters),
      cmocka_unit_test(test_keys_come_back),
      cmocka_unit_test(test_search_finds_what_a_walk_over_all_finds),
      cmocka_unit_test(test_queries_as_they_are_typed),
      cmocka_unit_test(test_identifiers_by_their_beginning),
      cmocka_unit_test(test_short_memory_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
