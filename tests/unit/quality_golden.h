// quality_golden: reads the tables of tests/golden/quality/ and checks a function against each row.
//
// A row is three columns with tabs between them: what was typed, what it becomes ("-" when refused), the reason code.
// "#" begins a remark, "[FR]" sets the region of the rows that follow ("[]": none). {U+0301} stands for a character
// that cannot be seen, {a*65} for sixty-five a's, {byte ff} for a raw byte, "" for the empty text.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum { GOLDEN_LINE_BYTES = 4096 };

// Judges `input`: the value by *out (empty when refused), the reason code as the result.
typedef const char *golden_fn(void *context, struct bytes region, struct bytes input, struct arena *arena,
                              struct bytes *out);

// The path of `name` beside this source file, so that a test runs from any directory.
static inline void golden_path(char *path, size_t size_bytes, const char *source, const char *name) {
  const char *slash = strrchr(source, '/');
  assert_non_null(slash);
  snprintf(path, size_bytes, "%.*s/%s", (int)(slash - source), source, name);
}

static inline void golden_append_code(struct buffer *out, unsigned long code) {
  if (code < 0x80) {
    buffer_append_byte(out, (uint8_t)code);
  } else if (code < 0x800) {
    buffer_append_byte(out, (uint8_t)(0xc0 | code >> 6));
    buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
  } else {
    if (code < 0x10000) buffer_append_byte(out, (uint8_t)(0xe0 | code >> 12));
    if (code >= 0x10000) buffer_append_byte(out, (uint8_t)(0xf0 | code >> 18));
    if (code >= 0x10000) buffer_append_byte(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
    buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
  }
}

// Appends what the brace at `text` stands for and returns where it ends; NULL when it is a brace like any other.
static inline const char *golden_read_brace(const char *text, struct buffer *out) {
  unsigned long code = 0;
  unsigned times = 0;
  char letter = 0;
  int size = 0;
  if (sscanf(text, "{U+%lx}%n", &code, &size) == 1 && size > 0)
    golden_append_code(out, code);
  else if (sscanf(text, "{byte %lx}%n", &code, &size) == 1 && size > 0)
    buffer_append_byte(out, (uint8_t)code);
  else if (sscanf(text, "{%c*%u}%n", &letter, &times, &size) == 2 && size > 0) {
    for (unsigned i = 0; i < times; i++) buffer_append_byte(out, (uint8_t)letter);
  } else
    return NULL;
  return text + size;
}

static inline void golden_unescape(const char *text, struct buffer *out) {
  buffer_clear(out);
  if (strcmp(text, "\"\"") == 0) return;
  while (*text) {
    const char *end = *text == '{' ? golden_read_brace(text, out) : NULL;
    if (!end) buffer_append_byte(out, (uint8_t)*text);
    text = end ? end : text + 1;
  }
  assert_false(out->failed);
}

struct golden {
  const char *path;
  int line;
  int rows;
  struct bytes region;
  golden_fn *judge;
  void *context;
};

static inline void golden_check_row(struct golden *golden, const char *columns[3]) {
  struct buffer input;
  struct buffer expected;
  struct arena arena;
  struct bytes out = bytes_of(NULL, 0);
  struct bytes again = bytes_of(NULL, 0);
  buffer_init(&input);
  buffer_init(&expected);
  arena_init(&arena, 0);
  golden_unescape(columns[0], &input);
  golden_unescape(strcmp(columns[1], "-") == 0 ? "\"\"" : columns[1], &expected);
  const char *reason = golden->judge(golden->context, golden->region, buffer_view(&input), &arena, &out);
  if (strcmp(reason, columns[2]) != 0 || !bytes_equal(out, buffer_view(&expected))) {
    fail_msg("%s:%d: \"%s\" gives \"%.*s\" (%s), expected \"%s\" (%s)", golden->path, golden->line, columns[0],
             BYTES_ARG(out), reason, columns[1], columns[2]);
  }
  if (out.size_bytes > 0) {
    golden->judge(golden->context, golden->region, out, &arena, &again);
    if (!bytes_equal(out, again)) {
      fail_msg("%s:%d: a second time gives \"%.*s\"", golden->path, golden->line, BYTES_ARG(again));
    }
  }
  buffer_release(&input);
  buffer_release(&expected);
  arena_release(&arena);
  golden->rows++;
}

static inline void golden_check_line(struct golden *golden, char *line, char region[8]) {
  const char *columns[3] = {NULL, NULL, NULL};
  int count = 0;
  char *rest = NULL;
  line[strcspn(line, "\n")] = 0;
  if (line[0] == 0 || line[0] == '#') return;
  if (line[0] == '[' && strchr(line, ']') && !strchr(line, '\t')) {
    snprintf(region, 8, "%.*s", (int)(strchr(line, ']') - line - 1) & 7, line + 1);
    golden->region = bytes_from_text(region);
    return;
  }
  for (char *column = strtok_r(line, "\t", &rest); column; column = strtok_r(NULL, "\t", &rest)) {
    if (count == 3) fail_msg("%s:%d: more than three columns", golden->path, golden->line);
    columns[count++] = column;
  }
  if (count != 3) fail_msg("%s:%d: %d columns, not three", golden->path, golden->line, count);
  golden_check_row(golden, columns);
}

// Checks every row of `name` (relative to the test's source) and that there are at least `rows_min`.
static inline void golden_run(const char *source, const char *name, golden_fn *judge, void *context, int rows_min) {
  char path[GOLDEN_LINE_BYTES];
  char line[GOLDEN_LINE_BYTES];
  char region[8] = "";
  golden_path(path, sizeof path, source, name);
  struct golden golden = {.path = path, .judge = judge, .context = context};
  FILE *file = fopen(path, "r");
  if (!file) fail_msg("cannot read %s", path);
  while (fgets(line, sizeof line, file)) {
    golden.line++;
    golden_check_line(&golden, line, region);
  }
  fclose(file);
  assert_true(golden.rows >= rows_min);
}

// Judges every code point of the first two planes, after and between plain letters: what is accepted must be accepted
// again, unchanged.
static inline void golden_every_code_point(golden_fn *judge, const char *before, const char *after) {
  struct buffer text;
  struct arena arena;
  buffer_init(&text);
  arena_init(&arena, 0);
  for (unsigned long code = 0; code < 0x20000; code++) {
    struct bytes once = bytes_of(NULL, 0);
    struct bytes twice = bytes_of(NULL, 0);
    if (code >= 0xd800 && code < 0xe000) continue;
    buffer_clear(&text);
    buffer_append_text(&text, before);
    golden_append_code(&text, code);
    buffer_append_text(&text, after);
    judge(NULL, bytes_of(NULL, 0), buffer_view(&text), &arena, &once);
    if (once.size_bytes > 0) judge(NULL, bytes_of(NULL, 0), once, &arena, &twice);
    if (!bytes_equal(once, twice))
      fail_msg("U+%04lX: \"%.*s\", then \"%.*s\"", code, BYTES_ARG(once), BYTES_ARG(twice));
    arena_clear(&arena);
  }
  buffer_release(&text);
  arena_release(&arena);
}

// Opens shared test data: under $RAPPORT_SHARED, or ../shared beside the source tree. NULL when there is none; says so.
static inline FILE *golden_open_shared(const char *source, const char *name) {
  char relative[512];
  char path[GOLDEN_LINE_BYTES];
  const char *shared = getenv("RAPPORT_SHARED");
  snprintf(relative, sizeof relative, "../../../shared/%s", name);
  golden_path(path, sizeof path, source, relative);
  if (shared) snprintf(path, sizeof path, "%s/%s", shared, name);
  FILE *file = fopen(path, "r");
  if (!file) print_message("skipped: no %s (set RAPPORT_SHARED to the shared test data)\n", path);
  return file;
}
