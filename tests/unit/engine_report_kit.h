// Reports asked of a workspace in tests: as they are made, as JSON and as CSV; in any number of threads; and with the
// n-th allocation failing.
#pragma once

#include "engine_read_fixture.h"

#include "base/alloc.h"
#include "engine/report.h"

struct asked {
  const char *kind, *options, *table; // table NULL: JSON
  unsigned threads;
  engine_query_progress_fn *progress;
};

// The report is the caller's to close.
static inline enum err asked_make(struct kit *kit, const struct asked *asked, struct report **report,
                                  struct diag *diag) {
  struct engine_report_request request = {.threads = asked->threads, .progress = asked->progress};
  struct engine_view *view;
  struct rule_diag refusal;
  struct buffer packed;
  *report = NULL;
  buffer_init(&packed);
  diag_init(diag);
  enum err err =
      value_parse_json(kit->parser, bytes_from_text(asked->options), engine_names(kit->engine), &packed, diag);
  request.options = (struct value){buffer_view(&packed)};
  if (err == ERR_OK) err = engine_view_open(kit->engine, &view);
  if (err == ERR_OK) {
    err = engine_report(view, bytes_from_text(asked->kind), &request, report, &refusal, diag);
    engine_view_close(view);
  }
  buffer_release(&packed);
  return err;
}

static inline enum err asked_write(struct kit *kit, const struct asked *asked, struct buffer *out, struct diag *diag) {
  struct report *report;
  struct json_writer writer;
  enum err err = asked_make(kit, asked, &report, diag);
  json_writer_init(&writer, out);
  if (err == ERR_OK && asked->table == NULL) report_write_json(report, &writer);
  if (err == ERR_OK && asked->table != NULL) err = report_write_csv(report, bytes_from_text(asked->table), out, diag);
  if (err == ERR_OK && out->failed) err = ERR_NO_MEMORY;
  report_close(report);
  return err;
}

// Its text, the caller's to free.
static inline char *asked_text(struct kit *kit, const struct asked *asked) {
  struct buffer out;
  struct diag diag;
  buffer_init(&out);
  if (asked_write(kit, asked, &out, &diag) != ERR_OK)
    fail_msg("%s %s: %s: %s: %s", asked->kind, asked->options, diag.code, diag.field, diag.message);
  buffer_append_byte(&out, 0);
  char *text = strdup((const char *)out.data);
  buffer_release(&out);
  return text;
}

static inline void asked_refused(struct kit *kit, const struct asked *asked, const char *code, struct diag *diag) {
  struct report *report;
  if (asked_make(kit, asked, &report, diag) == ERR_OK) fail_msg("%s was taken", asked->options);
  assert_null(report);
  if (strcmp(diag->code, code) != 0) fail_msg("%s: %s: %s", asked->options, diag->code, diag->message);
}

static inline void asked_in_threads(struct kit *kit, const struct asked *asked) {
  struct asked other = *asked;
  other.threads = 1;
  char *one = asked_text(kit, &other);
  for (other.threads = 2; other.threads <= 8; other.threads *= 2) {
    char *many = asked_text(kit, &other);
    assert_string_equal(one, many);
    free(many);
  }
  free(one);
}

// Skips the more allocations the more there were: a `share`-th of them.
static inline void asked_short_of_memory(struct kit *kit, const struct asked *asked, uint64_t share) {
  struct asked alone = *asked;
  bool fired = true;
  alone.threads = 1;
  for (uint64_t allowed = 0; fired; allowed += 1 + allowed / share) {
    struct buffer out;
    struct diag diag;
    buffer_init(&out);
    alloc_fail_after(allowed, false);
    enum err err = asked_write(kit, &alone, &out, &diag);
    fired = alloc_fail_disarm();
    assert_true(err == ERR_NO_MEMORY || (err == ERR_OK && !out.failed));
    buffer_release(&out);
  }
}

static inline bool asked_stop(void *context, uint64_t done, uint64_t total) {
  (void)context, (void)done, (void)total;
  return false;
}

static inline void asked_stopped(struct kit *kit, const struct asked *asked) {
  struct asked watched = *asked;
  struct report *report;
  struct diag diag;
  watched.progress = asked_stop;
  assert_int_equal(asked_make(kit, &watched, &report, &diag), ERR_STOPPED);
  assert_string_equal(diag.code, "stopped");
}
