// Whole request bodies: envelopes, refusals, repeats, faults of the body itself, what real SDKs sent, and running out
// of memory at every allocation.
#include <dirent.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "source_double.h"

struct bench {
  struct engine engine;
  struct source_reader *reader;
  struct arena arena;
  struct source_report report;
  struct diag diag;
};

static enum err apply_as(struct bench *bench, const char *type, struct bytes body) {
  struct source_envelope envelope = double_envelope(&bench->engine);
  struct store_mark mark;
  envelope.type = bytes_from_text(type);
  arena_clear(&bench->arena);
  diag_init(&bench->diag);
  return source_body_apply(bench->reader, &envelope, body, &bench->arena, &bench->report, &mark, &bench->diag);
}

static enum err apply(struct bench *bench, const char *body) {
  return apply_as(bench, "", bytes_from_text(body));
}

static void assert_counts(const struct bench *bench, size_t taken, size_t duplicates, size_t rejected, size_t aside) {
  assert_int_equal(bench->report.taken, taken);
  assert_int_equal(bench->report.duplicates, duplicates);
  assert_int_equal(bench->report.rejected, rejected);
  assert_int_equal(bench->report.aside, aside);
  assert_int_equal(bench->report.count, taken + duplicates + rejected + aside);
}

static int setup(void **state) {
  struct bench *bench = calloc(1, sizeof *bench);
  assert_non_null(bench);
  double_open(&bench->engine);
  arena_init(&bench->arena, 0);
  assert_int_equal(source_reader_open(&bench->reader, &bench->engine), ERR_OK);
  *state = bench;
  return 0;
}

static int teardown(void **state) {
  struct bench *bench = *state;
  source_reader_close(bench->reader);
  arena_release(&bench->arena);
  double_close(&bench->engine);
  free(bench);
  return 0;
}

static void test_batch(void **state) {
  struct bench *bench = *state;
  static const char body[] = "{\"batch\":[{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"1\"},"
                             "{\"type\":\"track\",\"userId\":\"u\",\"messageId\":\"2\"},7,"
                             "{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"1\"}],\"sentAt\":\"2026-11-22T12:00:"
                             "00Z\",\"writeKey\":\"k\"}";
  assert_int_equal(apply(bench, body), ERR_OK);
  assert_counts(bench, 1, 1, 2, 0);
  assert_int_equal(bench->report.items[0].outcome, SOURCE_TAKEN);
  assert_int_equal(bench->report.items[1].outcome, SOURCE_REJECTED);
  assert_string_equal(bench->report.items[1].code, "missing_event");
  assert_true(strlen(bench->report.items[1].message) > 10);
  assert_string_equal(bench->report.items[2].code, "not_an_object");
  assert_int_equal(bench->report.items[3].outcome, SOURCE_DUPLICATE);
  assert_int_equal(bench->engine.apply_calls, 1);
  buffer_append_byte(&bench->engine.aside_log, 0);
  assert_string_equal((const char *)bench->engine.aside_log.data,
                      "missing_event {\"type\":\"track\",\"userId\":\"u\",\"messageId\":\"2\"}\nnot_an_object 7\n");
}

static void test_array_and_single(void **state) {
  struct bench *bench = *state;
  assert_int_equal(apply(bench, " [{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"1\"}] "), ERR_OK);
  assert_counts(bench, 1, 0, 0, 0);
  assert_int_equal(apply(bench, "[]"), ERR_OK);
  assert_counts(bench, 0, 0, 0, 0);
  assert_int_equal(apply(bench, "{\"batch\":[]}"), ERR_OK);
  assert_counts(bench, 0, 0, 0, 0);
  assert_int_equal(apply_as(bench, "track", BYTES("{\"event\":\"E\",\"userId\":\"u\",\"messageId\":\"2\"}")), ERR_OK);
  assert_counts(bench, 1, 0, 0, 0);
  assert_int_equal(apply_as(bench, "t", BYTES("[1]")), ERR_OK);
  assert_counts(bench, 0, 0, 1, 0);
}

static void test_body_faults(void **state) {
  struct bench *bench = *state;
  static const struct {
    const char *body, *code;
  } faults[] = {
      {"", "invalid_json"},
      {"{", "invalid_json"},
      {"{\"type\":\"page\",\"userId\":\"u\"}", "no_batch"},
      {"7", "no_batch"},
      {"{\"batch\":{}}", "no_batch"},
      {"{\"batch\":[{\"type\":\"page\",\"userId\":\"u\"}", "invalid_json"},
      {"{\"batch\":[{\"type\":\"page\",\"userId\":\"u\"}]} x", "invalid_json"},
  };
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    assert_int_not_equal(apply(bench, faults[i].body), ERR_OK);
    assert_string_equal(bench->diag.code, faults[i].code);
    assert_int_equal(bench->report.count, 0);
  }
  assert_int_equal(apply_as(bench, "track", BYTES("not json")), ERR_INVALID);
  assert_string_equal(bench->diag.code, "invalid_json");
  assert_int_equal(bench->engine.apply_calls, 0);
  assert_int_equal(bench->engine.aside, 0);
}

static void test_faulty_item(void **state) {
  struct bench *bench = *state;
  static const char body[] = "{\"batch\":[{\"type\":\"page\",\"userId\":\"u\",\"userId\":\"v\"},"
                             "{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"1\"}]}";
  assert_int_equal(apply(bench, body), ERR_OK);
  assert_counts(bench, 1, 0, 1, 0);
  assert_string_equal(bench->report.items[0].code, "duplicate_key");
  assert_int_equal(bench->engine.aside, 1);
}

static void test_limits(void **state) {
  struct bench *bench = *state;
  struct buffer body;
  buffer_init(&body);
  for (int count = 5000; count <= 5001; count++) {
    buffer_clear(&body);
    buffer_append_text(&body, "{\"batch\":[");
    for (int i = 0; i < count; i++) {
      buffer_append_format(&body, "%s{\"type\":\"page\",\"userId\":\"u\",\"messageId\":%d}", i == 0 ? "" : ",", i);
    }
    buffer_append_text(&body, "]}");
    enum err err = apply_as(bench, "", buffer_view(&body));
    assert_int_equal(err, count == 5000 ? ERR_OK : ERR_LIMIT);
    if (count == 5000) {
      assert_counts(bench, 5000, 0, 0, 0);
    } else {
      assert_string_equal(bench->diag.code, "too_large");
      assert_non_null(strstr(bench->diag.message, "this one has 5001"));
      assert_int_equal(bench->engine.apply_calls, 1);
    }
  }
  for (int size = LIMIT_EVENT_BYTES; size <= LIMIT_EVENT_BYTES + 1; size++) {
    buffer_clear(&body);
    buffer_append_text(&body, "[{\"type\":\"page\",\"userId\":\"u\",\"x\":\"");
    while (body.size_bytes < (size_t)size - 1) {
      buffer_append_byte(&body, 'x');
    }
    buffer_append_text(&body, "\"}]");
    assert_int_equal(apply_as(bench, "", buffer_view(&body)), ERR_OK);
    assert_counts(bench, size == LIMIT_EVENT_BYTES, 0, size != LIMIT_EVENT_BYTES, 0);
  }
  assert_string_equal(bench->report.items[0].code, "too_large");
  assert_int_equal(bench->engine.aside, 1);
  buffer_release(&body);
}

// Equal messages without ids of one body are as many events; the same body again changes nothing.
static void test_repeats_without_id(void **state) {
  struct bench *bench = *state;
  static const char body[] =
      "[{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u\"},{\"type\":\"page\",\"userId\":\"u\"},"
      "{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u\"}]";
  assert_int_equal(apply(bench, body), ERR_OK);
  assert_counts(bench, 3, 0, 0, 0);
  assert_int_equal(apply(bench, body), ERR_OK);
  assert_counts(bench, 0, 3, 0, 0);
}

static void test_engine_outcomes(void **state) {
  struct bench *bench = *state;
  bench->engine.suppress = "Gone";
  bench->engine.keep_aside = "Later";
  assert_int_equal(apply(bench, "[{\"type\":\"track\",\"event\":\"Gone\",\"userId\":\"u\"},"
                                "{\"type\":\"track\",\"event\":\"Later\",\"userId\":\"u\"},"
                                "{\"type\":\"track\",\"event\":\"Now\",\"userId\":\"u\"}]"),
                   ERR_OK);
  assert_counts(bench, 1, 0, 1, 1);
  assert_string_equal(bench->report.items[0].code, "suppressed");
  assert_int_equal(bench->report.items[1].outcome, SOURCE_ASIDE);
  assert_string_equal(bench->report.items[1].code, "no_identifier");
  assert_int_equal(bench->engine.aside, 0); // the engine did it; and nothing of erased people is kept
  bench->engine.fail_after = 1;
  assert_int_equal(apply(bench, "[{\"type\":\"page\",\"userId\":\"u\"}]"), ERR_IO);
  assert_string_equal(bench->diag.code, "crash");
}

static void test_batch_context_and_sent_at(void **state) {
  struct bench *bench = *state;
  // A robot by the batch's context; a clock a year ahead put right by the batch's sentAt.
  assert_int_equal(apply(bench, "{\"batch\":[{\"type\":\"page\",\"userId\":\"u\"}],"
                                "\"context\":{\"userAgent\":\"Googlebot/2.1\"}}"),
                   ERR_OK);
  assert_string_equal(bench->report.items[0].code, "bot");
  static const char ahead[] =
      "{\"batch\":[{\"type\":\"page\",\"userId\":\"u\",\"timestamp\":\"2027-11-22T12:00:00Z\"}]%s}";
  char body[256];
  snprintf(body, sizeof body, ahead, "");
  assert_int_equal(apply(bench, body), ERR_OK);
  assert_string_equal(bench->report.items[0].code, "time_in_future");
  snprintf(body, sizeof body, ahead, ",\"sentAt\":\"2027-11-22T12:00:01Z\"");
  assert_int_equal(apply(bench, body), ERR_OK);
  assert_counts(bench, 1, 0, 0, 0);
}

static void test_write_key(void **state) {
  struct bench *bench = *state;
  static const struct {
    const char *body, *key;
  } cases[] = {
      {"{\"batch\":[{\"writeKey\":\"no\"}], \"writeKey\" : \"wk_1\"}", "wk_1"},
      {" {\"writeKey\":\"wk_2\",\"batch\":[", "wk_2"},
      {"{\"a\":\"\\\"writeKey\\\":\\\"x\\\"\",\"b\":{\"writeKey\":\"x\"},\"c\":-1.5,\"d\":null}", ""},
      {"{\"writeKey\":7}", ""},
      {"{\"writeKey\":\"a\\u0062\"}", ""},
      {"[{\"writeKey\":\"x\"}]", ""},
      {"", ""},
      {"{", ""},
      {"{\"writeKey\"", ""},
      {"{\"writeKey\":", ""},
      {"{\"writeKey\":\"", ""},
      {"{,:,:}", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct bytes key;
    uint32_t names = names_count(bench->engine.names);
    enum err err = source_body_write_key(bench->reader, bytes_from_text(cases[i].body), &bench->arena, &key, NULL);
    assert_int_equal(err, ERR_OK);
    assert_true(bytes_equal(key, bytes_from_text(cases[i].key)));
    assert_int_equal(names_count(bench->engine.names), names);
  }
}

// --- what SDKs sent ------------------------------------------------------------------------------------------

static const char *type_of_url(struct bytes url) {
  static const char *const types[] = {"identify", "track", "page", "screen", "group", "alias"};
  const uint8_t *end = memchr(url.data, '?', url.size_bytes);
  size_t size = end == NULL ? url.size_bytes : (size_t)(end - url.data);
  const uint8_t *slash = memrchr(url.data, '/', size);
  if (slash == NULL || (size_t)(slash - url.data) + 1 == size) {
    return "";
  }
  struct bytes last = bytes_of(slash + 1, size - (size_t)(slash + 1 - url.data));
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (bytes_equal(last, bytes_from_text(types[i])) || (last.size_bytes == 1 && last.data[0] == types[i][0])) {
      return types[i];
    }
  }
  return "";
}

struct replay {
  size_t requests, events, too_large;
};

static void replay_request(struct bench *bench, struct value request, struct replay *replay) {
  struct names *names = bench->engine.names;
  struct value body = value_path(request, names, "body");
  struct value batch = value_path(body, names, "batch");
  struct bytes url = BYTES("");
  struct buffer json;
  struct json_writer writer;
  size_t count = value_type(batch) == VALUE_LIST ? 0 : 1;
  if (value_type(body) != VALUE_DOCUMENT) {
    return;
  }
  struct value_iter iter = value_iterate(batch);
  while (value_next(&iter)) {
    count++;
  }
  assert_true(value_as_text(value_path(request, names, "url"), &url));
  buffer_init(&json);
  json_writer_init(&writer, &json);
  value_to_json(&writer, body, names);
  enum err err = apply_as(bench, value_type(batch) == VALUE_LIST ? "" : type_of_url(url), buffer_view(&json));
  assert_int_equal(err, ERR_OK);
  assert_int_equal(bench->report.count, count);
  for (size_t i = 0; i < count; i++) {
    // Only the scenario "big" holds events over 32 KiB.
    bool rejected = bench->report.items[i].outcome == SOURCE_REJECTED;
    if (rejected) {
      assert_string_equal(bench->report.items[i].code, "too_large");
      replay->too_large++;
    }
    assert_int_not_equal(bench->report.items[i].outcome, SOURCE_ASIDE);
  }
  replay->requests++;
  replay->events += count;
  buffer_release(&json);
}

static void replay_file(struct bench *bench, const char *path, struct replay *replay) {
  struct bytes text = double_read_file(path);
  struct value_parser *parser;
  struct buffer packed;
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  buffer_init(&packed);
  diag_init(&bench->diag);
  if (value_parse_json(parser, text, bench->engine.names, &packed, &bench->diag) != ERR_OK) {
    fail_msg("%s: %s", path, bench->diag.message);
  }
  struct value document = {buffer_view(&packed)};
  struct value_iter iter = value_iterate(value_path(document, bench->engine.names, "requests"));
  while (value_next(&iter)) {
    replay_request(bench, iter.item, replay);
  }
  buffer_release(&packed);
  value_parser_close(parser);
  free((void *)(uintptr_t)text.data);
}

static void replay_folder(struct bench *bench, const char *shared, const char *folder, struct replay *replay) {
  char path[1024];
  snprintf(path, sizeof path, "%s/sdk-captures/%s", shared, folder);
  DIR *dir = opendir(path);
  if (dir == NULL) {
    return;
  }
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    size_t size = strlen(entry->d_name);
    if (size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0 && strstr(entry->d_name, "summary") == NULL) {
      snprintf(path, sizeof path, "%s/sdk-captures/%s/%s", shared, folder, entry->d_name);
      replay_file(bench, path, replay);
    }
  }
  closedir(dir);
}

static void test_captures(void **state) {
  struct bench *bench = *state;
  struct replay replay = {0};
  char beside[512];
  const char *shared = getenv("RAPPORT_SHARED");
  double_path(beside, sizeof beside, "../../../shared");
  shared = shared == NULL ? beside : shared;
  replay_folder(bench, shared, "node", &replay);
  replay_folder(bench, shared, "browser", &replay);
  if (replay.requests == 0) {
    print_message("no captures of SDKs at %s: this test is skipped\n", shared);
    skip();
  }
  assert_true(replay.events > 500);
  assert_true(replay.too_large > 0);
  assert_true(replay.too_large < 20);
}

// --- memory --------------------------------------------------------------------------------------------------

static void test_no_memory(void **state) {
  (void)state;
  static const char body[] = "{\"batch\":[{\"type\":\"identify\",\"userId\":\"u\",\"traits\":{\"email\":\"a@b.fr\"}},"
                             "{\"type\":\"track\"},{\"a\":1,\"a\":2}],\"context\":{\"traits\":{\"b\":2}}}";
  for (uint64_t allowed = 0;; allowed++) {
    void *fresh = NULL;
    setup(&fresh);
    struct bench *bench = fresh;
    alloc_fail_after(allowed, false);
    enum err err = apply(bench, body);
    bool delivered = alloc_fail_disarm();
    assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && delivered));
    if (err == ERR_OK) {
      assert_counts(bench, 1, 0, 2, 0);
    } else {
      assert_string_equal(bench->diag.code, "no_memory");
    }
    // Repeated by the client, it is taken once.
    assert_int_equal(apply(bench, body), ERR_OK);
    assert_int_equal(bench->engine.applied, 1);
    teardown(&fresh);
    if (!delivered) {
      assert_true(allowed > 2);
      break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
      cmocka_unit_test_setup_teardown(test_array_and_single, setup, teardown),
      cmocka_unit_test_setup_teardown(test_body_faults, setup, teardown),
      cmocka_unit_test_setup_teardown(test_faulty_item, setup, teardown),
      cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
      cmocka_unit_test_setup_teardown(test_repeats_without_id, setup, teardown),
      cmocka_unit_test_setup_teardown(test_engine_outcomes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_batch_context_and_sent_at, setup, teardown),
      cmocka_unit_test_setup_teardown(test_write_key, setup, teardown),
      cmocka_unit_test_setup_teardown(test_captures, setup, teardown),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
