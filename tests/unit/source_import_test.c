// Files: formats, mappings, rejected lines, equal lines, and an import that ends in the middle and goes on.
#include <unistd.h>
#include <zlib.h>

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
  char folder[64], path[128], map[128], rejects[160];
  struct source_import import;
  struct source_import_result result;
  struct diag diag;
};

static int setup(void **state) {
  struct bench *bench = calloc(1, sizeof *bench);
  assert_non_null(bench);
  double_open(&bench->engine);
  strcpy(bench->folder, "/tmp/rapport-import-XXXXXX");
  assert_non_null(mkdtemp(bench->folder));
  snprintf(bench->path, sizeof bench->path, "%s/events", bench->folder);
  snprintf(bench->map, sizeof bench->map, "%s/map.json", bench->folder);
  snprintf(bench->rejects, sizeof bench->rejects, "%s.rejects.ndjson", bench->path);
  bench->import = (struct source_import){.path = bench->path, .source = 4, .threads = 2};
  *state = bench;
  return 0;
}

static int teardown(void **state) {
  struct bench *bench = *state;
  unlink(bench->path);
  unlink(bench->map);
  unlink(bench->rejects);
  assert_int_equal(rmdir(bench->folder), 0);
  double_close(&bench->engine);
  free(bench);
  return 0;
}

static void write_file(const char *path, struct bytes text) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text.data, 1, text.size_bytes, file), text.size_bytes);
  fclose(file);
}

static enum err import_now(struct bench *bench) {
  diag_init(&bench->diag);
  return source_import_file(&bench->engine, &bench->import, &bench->result, &bench->diag);
}

static void import_text(struct bench *bench, const char *text) {
  write_file(bench->path, bytes_from_text(text));
  unlink(bench->rejects);
  enum err err = import_now(bench);
  if (err != ERR_OK) {
    fail_msg("%s: %s", bench->diag.code, bench->diag.message);
  }
}

static void assert_counts(const struct bench *bench, size_t lines, size_t taken, size_t duplicates, size_t rejected) {
  assert_int_equal(bench->result.lines, lines);
  assert_int_equal(bench->result.taken, taken);
  assert_int_equal(bench->result.duplicates, duplicates);
  assert_int_equal(bench->result.rejected, rejected);
}

static void assert_rejects(const struct bench *bench, const char *expected) {
  struct bytes text = double_read_file(bench->rejects);
  if (text.data == NULL) {
    assert_string_equal(expected, "");
    return;
  }
  char *copy = (char *)(uintptr_t)text.data;
  copy[text.size_bytes] = '\0';
  assert_string_equal(copy, expected);
  free(copy);
}

#define PAGE(id) "{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"" id "\"}"

static void test_ndjson(void **state) {
  struct bench *bench = *state;
  import_text(bench,
              "\xEF\xBB\xBF" PAGE("1") "\r\n\n  " PAGE(
                  "2") "\nnot json\n{\"type\":\"track\",\"userId\":\"u\"}\n"
                       "{\"batch\":[" PAGE("3") "," PAGE("1") ",5]}\n{\"type\":\"page\",\"userId\":\"u\",\"messageId\":"
                                                              "\"4\",\"properties\":{\"batch\":\"B12\"}}");
  assert_counts(bench, 6, 4, 1, 3);
  struct bytes text = double_read_file(bench->rejects);
  char *copy = (char *)(uintptr_t)text.data;
  copy[text.size_bytes] = '\0';
  assert_non_null(strstr(copy, "{\"line\":4,\"code\":\"invalid_json\""));
  assert_non_null(strstr(copy, "\"event\":\"not json\"}"));
  assert_non_null(strstr(copy, "{\"line\":5,\"code\":\"missing_event\""));
  assert_non_null(strstr(copy, "\"event\":{\"type\":\"track\",\"userId\":\"u\"}}\n"));
  assert_non_null(strstr(copy, "{\"line\":6,\"code\":\"not_an_object\""));
  free(copy);
}

static void test_json(void **state) {
  struct bench *bench = *state;
  import_text(bench, "[" PAGE("1") ",\n" PAGE("2") "\n, " PAGE("3") "]\n");
  assert_counts(bench, 3, 3, 0, 0);
  import_text(bench, "{\n  \"batch\": [\n" PAGE("4") ",\n" PAGE("5") "\n]\n}\n");
  assert_counts(bench, 1, 2, 0, 0);
  import_text(bench, "[" PAGE("6") ",\n{\"type\":\"page\",\n\"userId\":");
  assert_counts(bench, 2, 1, 0, 1);
  import_text(bench, "");
  assert_counts(bench, 0, 0, 0, 0);
  assert_rejects(bench, "");
}

static void test_gzip(void **state) {
  struct bench *bench = *state;
  for (int member = 0; member < 2; member++) {
    gzFile file = gzopen(bench->path, member == 0 ? "wb" : "ab");
    assert_non_null(file);
    gzputs(file, member == 0 ? PAGE("1") "\n" : PAGE("2") "\n");
    gzclose(file);
  }
  assert_int_equal(import_now(bench), ERR_OK);
  assert_counts(bench, 2, 2, 0, 0);
  struct bytes zipped = double_read_file(bench->path);
  write_file(bench->path, bytes_of(zipped.data, zipped.size_bytes - 4));
  assert_int_equal(import_now(bench), ERR_INVALID);
  assert_string_equal(bench->diag.code, "bad_gzip");
  free((void *)(uintptr_t)zipped.data);
}

// A name tells CSV from JSON where the first line is broken or begins with a brace.
static void test_format_by_name(void **state) {
  struct bench *bench = *state;
  const char *plain = bench->import.path;
  char name[160];
  snprintf(name, sizeof name, "%s.ndjson.gz", plain);
  write_file(name, BYTES("broken\n" PAGE("1") "\n"));
  bench->import.path = name;
  bench->import.rejects_path = bench->rejects;
  assert_int_equal(import_now(bench), ERR_OK);
  assert_counts(bench, 2, 1, 0, 1);
  unlink(name);
  snprintf(name, sizeof name, "%s.CSV", plain);
  write_file(name, BYTES("[x],userId\n1,u\n"));
  assert_int_equal(import_now(bench), ERR_OK);
  assert_counts(bench, 1, 1, 0, 0);
  unlink(name);
}

static void test_csv(void **state) {
  struct bench *bench = *state;
  import_text(bench,
              "\xEF\xBB\xBFUser ID;email;First name;note\r\n1;a@b.fr;\"Zo\xC3\xA9 \"\"Z\"\"; x\";\"two\nlines\"\r\n"
              "2;;\r\n;;nobody;\r\n3;a;b;c;d\r\n4;x;\"y\"z;\r\n");
  assert_counts(bench, 5, 2, 0, 3);
  struct bytes text = double_read_file(bench->rejects);
  char *copy = (char *)(uintptr_t)text.data;
  copy[text.size_bytes] = '\0';
  assert_non_null(strstr(copy, "{\"line\":5,\"code\":\"missing_identifier\""));
  assert_non_null(strstr(copy, "\"event\":{\"type\":\"identify\",\"traits\":{\"First name\":\"nobody\"}}}"));
  assert_non_null(
      strstr(copy, "{\"line\":6,\"code\":\"bad_csv\",\"message\":\"the line has 5 fields and the header 4\""));
  assert_non_null(strstr(copy, "{\"line\":7,\"code\":\"bad_csv\""));
  free(copy);
  import_text(bench, "event\tuser_id\ttotal\nOrder Completed\t7\t27.5\n");
  assert_counts(bench, 1, 1, 0, 0);
  import_text(bench, "userId,email\n");
  assert_counts(bench, 0, 0, 0, 0);
}

static void test_map(void **state) {
  struct bench *bench = *state;
  static const char file[] = "Date;Mail;Montant;Magasin;Infos\n28/02/2024 10:05;zoe@exemple.fr;1 234,50;Lyon;oui\n"
                             "01/03/2024;zoe@exemple.fr;douze;Lyon;non\n";
  write_file(bench->map,
             BYTES("{\"columns\":{\"Mail\":\"context.traits.email\",\"Date\":\"timestamp\","
                   "\"Montant\":\"properties.total\",\"Magasin\":\"properties.store\","
                   "\"Infos\":\"properties.news\"},\"constants\":{\"type\":\"track\",\"event\":"
                   "\"Order Completed\",\"properties.currency\":\"EUR\"},\"numbers\":[\"properties.total\"],"
                   "\"booleans\":[\"properties.news\"],\"date_format\":\"dmy\"}"));
  bench->import.map_path = bench->map;
  import_text(bench, file);
  assert_counts(bench, 2, 1, 0, 1);
  struct bytes text = double_read_file(bench->rejects);
  char *copy = (char *)(uintptr_t)text.data;
  copy[text.size_bytes] = '\0';
  assert_non_null(strstr(copy, "\"code\":\"invalid_number\",\"message\":\"column \\\"Montant\\\" (total)"));
  free(copy);
  unlink(bench->rejects);
  // The same row as JSON is the same message: its content hash says so.
  bench->import.map_path = NULL;
  import_text(bench, "{\"context\":{\"traits\":{\"email\":\"zoe@exemple.fr\"}},\"timestamp\":\"2024-02-28T10:05:00\","
                     "\"properties\":{\"total\":1234.50,\"store\":\"Lyon\",\"news\":true,\"currency\":\"EUR\"},"
                     "\"type\":\"track\",\"event\":\"Order Completed\"}\n");
  assert_counts(bench, 1, 0, 1, 0);
}

static void test_bad_maps(void **state) {
  struct bench *bench = *state;
  static const struct {
    const char *map, *code, *words;
  } cases[] = {
      {"{\"columns\":{\"E-mial\":\"traits.email\"}}", "unknown_column", "the nearest is \"E-mail\""},
      {"{\"columns\":{\"E-mail\":\"traits..email\"}}", "bad_path", "traits..email"},
      {"{\"columns\":{\"E-mail\":7}}", "bad_path", ""},
      {"{\"colums\":{}}", "bad_map", "colums"},
      {"{\"columns\":{\"E-mail\":\"traits.x\",\"id\":\"traits.x\"}}", "bad_map", "both give"},
      {"{\"columns\":{\"E-mail\":\"traits\"}}", "bad_map", "map its members"},
      {"{\"columns\":{\"E-mail\":\"traits.id\"}}", "bad_map", "traits.id"},
      {"{\"date_format\":\"ymd\"}", "bad_map", "dmy"},
      {"[]", "bad_map", "object"},
      {"{", "invalid_json", ""},
  };
  bench->import.map_path = bench->map;
  write_file(bench->path, BYTES("id,E-mail\n1,a@b.fr\n"));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_file(bench->map, bytes_from_text(cases[i].map));
    assert_int_equal(import_now(bench), ERR_INVALID);
    assert_string_equal(bench->diag.code, cases[i].code);
    assert_non_null(strstr(bench->diag.message, cases[i].words));
  }
  bench->import.map_path = "/nowhere/map.json";
  assert_int_equal(import_now(bench), ERR_NOT_FOUND);
  bench->import.map_path = NULL;
  bench->import.path = "/nowhere/file";
  assert_int_equal(import_now(bench), ERR_NOT_FOUND);
  assert_string_equal(bench->diag.code, "no_file");
  bench->import.source = 99;
  assert_int_equal(import_now(bench), ERR_NOT_FOUND);
  assert_string_equal(bench->diag.code, "unknown_source");
}

static void test_long_lines(void **state) {
  struct bench *bench = *state;
  struct buffer text;
  buffer_init(&text);
  buffer_append_text(&text, PAGE("1") "\n{\"type\":\"page\",\"x\":\"");
  for (int i = 0; i < 9 * 1024; i++) {
    buffer_append_format(&text, "%01024d", i);
  }
  buffer_append_text(&text, "\"}\n" PAGE("2") "\n{\"type\":\"page\",\"x\":\"");
  for (int i = 0; i < 40; i++) {
    buffer_append_format(&text, "%01024d", i);
  }
  buffer_append_text(&text, "\"}\n" PAGE("3") "\n");
  write_file(bench->path, buffer_view(&text));
  buffer_release(&text);
  assert_int_equal(import_now(bench), ERR_OK);
  assert_counts(bench, 5, 3, 0, 2);
}

// --- many events ---------------------------------------------------------------------------------------------

enum { MANY = 30000 };

// Every third line has no id, and equal ones stand ten lines apart and in other blocks.
static void write_many(struct bench *bench) {
  struct buffer text;
  buffer_init(&text);
  for (int i = 0; i < MANY; i++) {
    if (i % 3 == 0) {
      buffer_append_format(&text, "{\"type\":\"track\",\"event\":\"Seen\",\"userId\":\"u%d\"}\n", i % 500);
    } else {
      buffer_append_format(&text, "{\"type\":\"page\",\"userId\":\"u%d\",\"messageId\":\"m%d\",\"x\":\"%050d\"}\n",
                           i % 500, i, i);
    }
  }
  write_file(bench->path, buffer_view(&text));
  buffer_release(&text);
}

static void test_same_whatever_the_threads(void **state) {
  struct bench *bench = *state;
  write_many(bench);
  for (unsigned threads = 1; threads <= 5; threads += 2) {
    bench->import.threads = threads;
    assert_int_equal(import_now(bench), ERR_OK);
    assert_counts(bench, MANY, threads == 1 ? MANY : 0, threads == 1 ? 0 : MANY, 0);
    assert_false(bench->result.resumed);
  }
}

static void test_crash_and_resume(void **state) {
  struct bench *bench = *state;
  write_many(bench);
  uint64_t before = 0;
  int crashes = 0;
  for (;; crashes++) {
    bench->engine.fail_after = bench->engine.applied + 7000;
    enum err err = import_now(bench);
    if (err == ERR_OK) {
      break;
    }
    assert_int_equal(err, ERR_IO);
    assert_string_equal(bench->diag.code, "crash");
    assert_true(bench->engine.applied > before);
    before = bench->engine.applied;
  }
  assert_true(crashes >= 3);
  assert_true(bench->result.resumed);
  assert_int_equal(bench->engine.applied, MANY);
  // Ended: the next run begins at the beginning and changes nothing.
  bench->engine.fail_after = 0;
  assert_int_equal(import_now(bench), ERR_OK);
  assert_false(bench->result.resumed);
  assert_counts(bench, MANY, 0, MANY, 0);
}

// What should not be believed waits aside, known by its id: a second run keeps nothing twice.
static void test_set_aside(void **state) {
  struct bench *bench = *state;
  for (int run = 0; run < 2; run++) {
    import_text(bench, "{\"type\":\"page\",\"userId\":\"u\",\"timestamp\":\"2099-01-01T00:00:00Z\"}\n"
                       "{\"type\":\"page\",\"userId\":\"u\",\"timestamp\":\"2099-01-01T00:00:00Z\"}\n"
                       "{\"type\":\"page\",\"userId\":\"u\",\"timestamp\":\"1901-01-01T00:00:00Z\"}\n"
                       "{\"type\":\"page\",\"userId\":\"u\",\"context\":{\"userAgent\":\"Googlebot/2.1\"}}\n");
    assert_counts(bench, 4, 0, run == 0 ? 0 : 4, 0);
    assert_int_equal(bench->result.aside, run == 0 ? 4 : 0);
    assert_rejects(bench, "");
  }
}

static volatile int stop_now;
static uint64_t told_events, told_bytes, told_total;

static void on_progress(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t events) {
  (void)context;
  told_events = events;
  told_bytes = bytes_done;
  told_total = bytes_total;
}

static void test_stop_and_progress(void **state) {
  struct bench *bench = *state;
  write_many(bench);
  stop_now = 1;
  bench->import.stop = &stop_now;
  bench->import.progress = on_progress;
  assert_int_equal(import_now(bench), ERR_STOPPED);
  assert_int_equal(bench->engine.applied, 0);
  stop_now = 0;
  assert_int_equal(import_now(bench), ERR_OK);
  assert_int_equal(told_events, MANY);
  assert_true(told_total > 0);
  assert_int_equal(told_bytes, told_total);
  assert_int_equal(bench->engine.applied, MANY);
}

static void test_no_memory(void **state) {
  struct bench *bench = *state;
  static const char file[] = "id,E-mail\n1,a@b.fr\n,\n1,a@b.fr\n";
  write_file(bench->path, bytes_from_text(file));
  write_file(bench->map, BYTES("{\"columns\":{\"id\":\"userId\"}}"));
  bench->import.map_path = bench->map;
  bench->import.threads = 1;
  for (uint64_t allowed = 0;; allowed++) {
    alloc_fail_after(allowed, false);
    enum err err = import_now(bench);
    bool delivered = alloc_fail_disarm();
    assert_true(err == ERR_OK || delivered);
    if (!delivered) {
      assert_int_equal(bench->result.taken + bench->result.duplicates, 2);
      assert_true(allowed > 20);
      break;
    }
  }
  assert_int_equal(bench->engine.applied, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_ndjson, setup, teardown),
      cmocka_unit_test_setup_teardown(test_json, setup, teardown),
      cmocka_unit_test_setup_teardown(test_gzip, setup, teardown),
      cmocka_unit_test_setup_teardown(test_format_by_name, setup, teardown),
      cmocka_unit_test_setup_teardown(test_csv, setup, teardown),
      cmocka_unit_test_setup_teardown(test_map, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bad_maps, setup, teardown),
      cmocka_unit_test_setup_teardown(test_long_lines, setup, teardown),
      cmocka_unit_test_setup_teardown(test_same_whatever_the_threads, setup, teardown),
      cmocka_unit_test_setup_teardown(test_set_aside, setup, teardown),
      cmocka_unit_test_setup_teardown(test_crash_and_resume, setup, teardown),
      cmocka_unit_test_setup_teardown(test_stop_and_progress, setup, teardown),
      cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
