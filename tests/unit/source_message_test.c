// Golden table of messages: tests/golden/source/*.txt. A case is a JSON message on one line, options in lines that
// begin with "@" before it, and the expected event or refusal in one line after it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rule/machine.h"
#include "source_double.h"

static const char *const type_words[] = {"identify", "track", "page", "screen", "group", "alias", "correction"};

static void describe_identifiers(struct buffer *out, const struct engine *engine, const struct engine_event *event) {
  for (size_t i = 0; i < event->identifier_count; i++) {
    const struct engine_identifier *one = &event->identifiers[i];
    buffer_append_format(out, " %s%.*s=%.*s", one->reason == IDENTITY_OK ? "" : "!",
                         BYTES_ARG(names_text(engine->names, one->identifier.type)), BYTES_ARG(one->identifier.value));
  }
}

static void describe_columns(struct buffer *out, const struct engine *engine, const struct engine_event *event) {
  static const char *const dims[] = {"store", "channel"};
  static const char *const amounts[] = {"amount", "total", "revenue", "value", "price"};
  uint32_t channel_bits = event->dims[1] & (RULE_DIM_CONTEXT | RULE_DIM_NONE);
  if (event->amount_code == UINT8_MAX) {
    buffer_append_text(out, " amount elsewhere");
  } else if (event->amount_code != RULE_AMOUNT_NOTHING) {
    buffer_append_format(out, " %s=%lldE-%u", amounts[event->amount_code >> RULE_AMOUNT_SHIFT],
                         (long long)event->amount, event->amount_code & 31U);
  }
  if (event->currency != 0) {
    buffer_append_format(out, " %c%c%c", 'A' - 1 + (event->currency >> 10), 'A' - 1 + (event->currency >> 5 & 31),
                         'A' - 1 + (event->currency & 31));
  }
  for (int i = 0; i < 2; i++) {
    uint32_t id = i == 1 ? event->dims[i] & ~channel_bits : event->dims[i];
    if (id != 0) {
      buffer_append_format(out, " %s=%.*s", dims[i], BYTES_ARG(names_text(engine->names, id)));
    }
  }
  if (channel_bits != RULE_DIM_NONE) {
    buffer_append_text(out, channel_bits == RULE_DIM_CONTEXT ? " (of the context)" : " (see message)");
  }
}

static void describe(struct buffer *out, const struct engine *engine, const struct engine_event *event,
                     bool with_message) {
  char time[CLOCK_TEXT_BYTES];
  struct json_writer writer;
  clock_format(event->time_us, time);
  buffer_append_format(out, "%s \"%.*s\" %s id=%.*s", type_words[event->type],
                       BYTES_ARG(names_text(engine->names, event->name)), time, BYTES_ARG(event->message_id));
  describe_identifiers(out, engine, event);
  if (event->previous_id.size_bytes > 0) {
    buffer_append_format(out, " previous=%.*s", BYTES_ARG(event->previous_id));
  }
  describe_columns(out, engine, event);
  if (event->gives_traits) buffer_append_text(out, " gives_traits");
  if (with_message) {
    buffer_append_text(out, " message=");
    json_writer_init(&writer, out);
    value_to_json(&writer, event->message, engine->names);
  }
}

struct options {
  struct source_envelope envelope;
  char type[32], region[8], user_id_type[32];
  uint64_t occurrence;
  bool with_message;
  char context[256];
};

static void read_option(struct options *options, char *word) {
  char *equals = strchr(word, '=');
  struct bytes text = bytes_from_text(equals == NULL ? "" : equals + 1);
  size_t name = equals == NULL ? strlen(word) : (size_t)(equals - word);
  if (strncmp(word, "type", name) == 0) {
    snprintf(options->type, sizeof options->type, "%.*s", BYTES_ARG(text));
  } else if (strncmp(word, "region", name) == 0) {
    snprintf(options->region, sizeof options->region, "%.*s", BYTES_ARG(text));
  } else if (strncmp(word, "user_id_type", name) == 0) {
    snprintf(options->user_id_type, sizeof options->user_id_type, "%.*s", BYTES_ARG(text));
  } else if (strncmp(word, "sent", name) == 0) {
    assert_int_equal(clock_parse(text, &options->envelope.sent_us), ERR_OK);
  } else if (strncmp(word, "received", name) == 0) {
    assert_int_equal(clock_parse(text, &options->envelope.received_us), ERR_OK);
  } else if (strncmp(word, "occurrence", name) == 0) {
    assert_int_equal(bytes_to_u64(text, &options->occurrence), ERR_OK);
  } else if (strncmp(word, "context", name) == 0) {
    snprintf(options->context, sizeof options->context, "%.*s", BYTES_ARG(text));
  } else if (strcmp(word, "replay") == 0) {
    options->envelope.replay = true;
  } else if (strcmp(word, "message") == 0) {
    options->with_message = true;
  } else {
    fail_msg("unknown option %s", word);
  }
}

struct bench {
  struct engine engine;
  struct source_reader *reader;
  struct value_parser *parser;
};

static void run_case(struct bench *bench, struct options *options, const char *line, struct buffer *out) {
  struct buffer packed, context;
  struct arena arena;
  struct engine_event event;
  struct diag diag;
  buffer_init(&packed);
  buffer_init(&context);
  arena_init(&arena, 0);
  diag_init(&diag);
  enum err err = value_parse_json(bench->parser, bytes_from_text(line), bench->engine.names, &packed, &diag);
  assert_int_equal(err, ERR_OK);
  if (options->context[0] != '\0') {
    err = value_parse_json(bench->parser, bytes_from_text(options->context), bench->engine.names, &context, &diag);
    assert_int_equal(err, ERR_OK);
  }
  options->envelope.type = bytes_from_text(options->type);
  options->envelope.context.packed = buffer_view(&context);
  bench->engine.source.region = bytes_from_text(options->region);
  bench->engine.source.user_id_type = bytes_from_text(options->user_id_type);
  err = source_message_read(bench->reader, &options->envelope, (struct value){buffer_view(&packed)}, BYTES(""),
                            options->occurrence, &arena, &event, &diag);
  buffer_clear(out);
  if (err == ERR_OK && event.aside_code != NULL) {
    assert_true(event.message_id.size_bytes > 0 && event.aside_words[0] != '\0');
    buffer_append_format(out, "aside %s", event.aside_code);
  } else if (err == ERR_OK) {
    describe(out, &bench->engine, &event, options->with_message);
  } else {
    assert_int_equal(err, ERR_INVALID);
    assert_int_equal(diag.err, ERR_INVALID);
    assert_true(diag.message[0] != '\0');
    buffer_append_format(out, "refused %s", diag.code);
  }
  buffer_append_byte(out, 0);
  arena_release(&arena);
  buffer_release(&packed);
  buffer_release(&context);
}

static void reset(struct bench *bench, struct options *options) {
  *options = (struct options){.envelope = double_envelope(&bench->engine)};
  strcpy(options->region, "FR");
  strcpy(options->user_id_type, "user_id");
}

// "hash:*" stands for any hash: those over nested names depend on the ids of a dictionary.
static bool as_expected(const char *expected, const char *found) {
  const char *star = strstr(expected, "hash:*");
  if (star == NULL) {
    return strcmp(expected, found) == 0;
  }
  size_t before = (size_t)(star - expected) + 5;
  return strncmp(expected, found, before) == 0 && strlen(found) >= before + 32 &&
         strcmp(star + 6, found + before + 32) == 0;
}

static size_t run_file(struct bench *bench, const char *path, size_t *wrong) {
  FILE *file = fopen(path, "r");
  static char line[128 * 1024], expected[128 * 1024];
  struct options options;
  struct buffer out;
  size_t cases = 0;
  assert_non_null(file);
  buffer_init(&out);
  reset(bench, &options);
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '@') {
      for (char *word = strtok(line + 1, " "); word != NULL; word = strtok(NULL, " ")) {
        read_option(&options, word);
      }
    } else if (line[0] != '\0' && line[0] != '#') {
      assert_non_null(fgets(expected, sizeof expected, file));
      expected[strcspn(expected, "\n")] = '\0';
      run_case(bench, &options, line, &out);
      if (!as_expected(expected, (const char *)out.data)) {
        print_message("%s\n%s\n  expected %s\n  found    %s\n", path, line, expected, (const char *)out.data);
        (*wrong)++;
      }
      cases++;
      reset(bench, &options);
    }
  }
  fclose(file);
  buffer_release(&out);
  return cases;
}

static int setup(void **state) {
  struct bench *bench = calloc(1, sizeof *bench);
  assert_non_null(bench);
  double_open(&bench->engine);
  assert_int_equal(source_reader_open(&bench->reader, &bench->engine), ERR_OK);
  assert_int_equal(value_parser_open(&bench->parser), ERR_OK);
  *state = bench;
  return 0;
}

static int teardown(void **state) {
  struct bench *bench = *state;
  source_reader_close(bench->reader);
  value_parser_close(bench->parser);
  double_close(&bench->engine);
  free(bench);
  return 0;
}

static void test_golden(void **state) {
  static const char *const files[] = {"types", "identifiers", "time", "ids", "columns", "traits", "bots", "refusals"};
  size_t cases = 0, wrong = 0;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[64], path[512];
    snprintf(name, sizeof name, "../golden/source/%s.txt", files[i]);
    double_path(path, sizeof path, name);
    cases += run_file(*state, path, &wrong);
  }
  assert_int_equal(wrong, 0);
  assert_true(cases > 60);
}

static void test_too_many_identifiers(void **state) {
  struct bench *bench = *state;
  struct options options;
  struct buffer out, json;
  buffer_init(&out);
  buffer_init(&json);
  for (int count = 16; count <= 17; count++) {
    buffer_clear(&json);
    buffer_append_text(&json, "{\"type\":\"page\",\"messageId\":\"m\",\"context\":{\"externalIds\":[");
    for (int i = 0; i < count; i++) {
      buffer_append_format(&json, "%s{\"type\":\"cookie\",\"id\":\"c%d\"}", i == 0 ? "" : ",", i);
    }
    buffer_append_text(&json, ",{\"type\":\"cookie\",\"id\":\"c1\"}]}}");
    buffer_append_byte(&json, 0);
    reset(bench, &options);
    run_case(bench, &options, (const char *)json.data, &out);
    assert_int_equal(strcmp((const char *)out.data, "refused too_many_identifiers") == 0, count == 17);
  }
  buffer_release(&out);
  buffer_release(&json);
}

static void test_long_texts(void **state) {
  struct bench *bench = *state;
  struct options options;
  struct buffer out, json;
  char name[300];
  buffer_init(&out);
  buffer_init(&json);
  for (int size = 256; size <= 257; size++) {
    memset(name, 'n', sizeof name);
    name[size] = '\0';
    buffer_clear(&json);
    buffer_append_format(&json, "{\"type\":\"track\",\"userId\":\"u\",\"messageId\":\"m\",\"event\":\"%s\"}%c", name,
                         0);
    reset(bench, &options);
    run_case(bench, &options, (const char *)json.data, &out);
    assert_int_equal(strcmp((const char *)out.data, "refused name_too_long") == 0, size == 257);
    buffer_clear(&json);
    buffer_append_format(&json, "{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"%s\"}%c", name, 0);
    reset(bench, &options);
    run_case(bench, &options, (const char *)json.data, &out);
    assert_int_equal(strcmp((const char *)out.data, "refused bad_message_id") == 0, size == 257);
  }
  // A malformed e-mail of three-byte letters is kept to whole letters.
  buffer_clear(&json);
  buffer_append_text(&json,
                     "{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"m\",\"context\":{\"traits\":{\"email\":\"");
  for (int i = 0; i < 100; i++) {
    buffer_append_text(&json, "€");
  }
  buffer_append_text(&json, "\"}}}");
  buffer_append_byte(&json, 0);
  reset(bench, &options);
  run_case(bench, &options, (const char *)json.data, &out);
  const char *kept = strstr((const char *)out.data, "!email=");
  assert_non_null(kept);
  assert_int_equal(strlen(kept) - 7, 255);
  assert_true(bytes_is_utf8(bytes_from_text(kept)));
  buffer_release(&out);
  buffer_release(&json);
}

// The rules may change while a reader is open.
static void test_new_rules(void **state) {
  struct bench *bench = *state;
  static const char rules[] = "{\"types\":{\"user_id\":{\"class\":\"person\",\"form\":\"text\",\"limit\":1,\"paths\":"
                              "[\"who.number\"]}},\"priority\":[\"user_id\"]}";
  struct identity_rules *before = bench->engine.rules;
  struct buffer packed, out;
  struct options options;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&packed);
  buffer_init(&out);
  assert_int_equal(value_parse_json(bench->parser, bytes_from_text(rules), bench->engine.names, &packed, &diag), 0);
  assert_int_equal(
      identity_rules_open(&bench->engine.rules, (struct value){buffer_view(&packed)}, 2, bench->engine.names, &diag),
      ERR_OK);
  reset(bench, &options);
  run_case(bench, &options, "{\"type\":\"page\",\"userId\":\"no\",\"messageId\":1,\"who\":{\"number\":42}}", &out);
  assert_non_null(strstr((const char *)out.data, " id=1 user_id=42"));
  identity_rules_close(bench->engine.rules);
  bench->engine.rules = before;
  reset(bench, &options);
  run_case(bench, &options, "{\"type\":\"page\",\"userId\":\"yes\",\"messageId\":1}", &out);
  assert_non_null(strstr((const char *)out.data, " user_id=yes"));
  buffer_release(&packed);
  buffer_release(&out);
}

// When clients have filled the dictionary, names stand in messages as text and are found all the same.
static void test_full_dictionary(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct options options;
  struct buffer out;
  char name[32];
  uint32_t id = 1;
  buffer_init(&out);
  double_open(&bench->engine);
  assert_int_equal(value_parser_open(&bench->parser), ERR_OK);
  names_intern(bench->engine.names, BYTES("Page Viewed"), &id, NULL);
  for (int i = 0; id != 0; i++) {
    snprintf(name, sizeof name, "hostile%d", i);
    assert_int_equal(names_intern(bench->engine.names, bytes_from_text(name), &id, NULL), ERR_OK);
  }
  assert_int_equal(source_reader_open(&bench->reader, &bench->engine), ERR_OK);
  reset(bench, &options);
  run_case(bench, &options,
           "{\"type\":\"page\",\"messageId\":\"m\",\"userId\":\"u\",\"context\":{\"traits\":{\"email\":\"a@b.fr\"}}}",
           &out);
  assert_non_null(strstr((const char *)out.data, "id=m user_id=u email=a@b.fr"));
  reset(bench, &options);
  run_case(bench, &options, "{\"type\":\"track\",\"event\":\"New\",\"userId\":\"u\"}", &out);
  assert_string_equal((const char *)out.data, "refused too_many_names");
  buffer_release(&out);
  void *again = bench;
  teardown(&again);
}

static void test_no_memory(void **state) {
  struct bench *bench = *state;
  static const char json[] =
      "{\"type\":\"identify\",\"userId\":42,\"traits\":{\"email\":\"Zoe@Exemple.fr\",\"phone\":\"06 12 34 56 78\"},"
      "\"context\":{\"traits\":{\"a\":1}}}";
  struct buffer packed;
  buffer_init(&packed);
  assert_int_equal(value_parse_json(bench->parser, bytes_from_text(json), bench->engine.names, &packed, NULL), ERR_OK);
  for (uint64_t allowed = 0;; allowed++) {
    struct source_envelope envelope = double_envelope(&bench->engine);
    struct source_reader *reader = NULL;
    struct engine_event event;
    struct arena arena;
    struct diag diag;
    arena_init(&arena, 0);
    diag_init(&diag);
    alloc_fail_after(allowed, false);
    enum err err = source_reader_open(&reader, &bench->engine);
    if (err == ERR_OK) {
      err = source_message_read(reader, &envelope, (struct value){buffer_view(&packed)}, BYTES(""), 1, &arena, &event,
                                &diag);
    }
    bool delivered = alloc_fail_disarm();
    assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && delivered));
    source_reader_close(reader);
    arena_release(&arena);
    if (!delivered) {
      assert_int_equal(err, ERR_OK);
      assert_true(allowed > 5);
      break;
    }
  }
  buffer_release(&packed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
      cmocka_unit_test_setup_teardown(test_too_many_identifiers, setup, teardown),
      cmocka_unit_test_setup_teardown(test_long_texts, setup, teardown),
      cmocka_unit_test_setup_teardown(test_new_rules, setup, teardown),
      cmocka_unit_test(test_full_dictionary),
      cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
