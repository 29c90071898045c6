// engine_live_kit: segments over an engine_kit: defining them, letting time pass, asking who is in what.
#pragma once

#include "engine_kit.h"

// Does all work that is due now: builds, timers, moves.
static inline void live_settle(struct kit *kit) {
  struct diag diag;
  bool idle = false, more = true;
  diag_init(&diag);
  while (!idle || more) {
    if (engine_tick(kit->engine, &idle, &diag) != ERR_OK) kit_fail(kit, diag.message);
    if (engine_timer_tick(kit->engine, &more, &diag) != ERR_OK) kit_fail(kit, diag.message);
  }
  if (kit->check_each) kit_check(kit);
}

// An answer under way: what is asked writes into `writer`.
struct live_answer {
  struct buffer out;
  struct json_writer writer;
  struct diag diag;
};

static inline void live_ask(struct live_answer *answer) {
  diag_init(&answer->diag);
  buffer_init(&answer->out);
  json_writer_init(&answer->writer, &answer->out);
}

// The whole answer as text, freed by the caller.
static inline char *live_told(struct kit *kit, struct live_answer *answer, enum err err) {
  if (err != ERR_OK) kit_fail(kit, answer->diag.message);
  buffer_append_byte(&answer->out, 0);
  char *text = strdup((const char *)answer->out.data);
  buffer_release(&answer->out);
  return text;
}

// Puts a definition. The answer's text is freed by the caller; NULL when it was refused.
static inline char *live_put_raw(struct kit *kit, const char *json, struct diag *diag) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  live_ask(&answer);
  enum err err = engine_segment_put(kit->engine, kit_value(kit, json, &packed), BYTES("ann"), &answer.writer, &commit,
                                    NULL, &answer.diag);
  *diag = answer.diag;
  buffer_release(&packed);
  if (err == ERR_OK) return live_told(kit, &answer, err);
  buffer_release(&answer.out);
  return NULL;
}

static inline void live_put(struct kit *kit, const char *json) {
  struct diag diag;
  char *text = live_put_raw(kit, json, &diag);
  if (text == NULL) fail_msg("%s: %s: %s", json, diag.code, diag.message);
  free(text);
}

static inline void live_refused(struct kit *kit, const char *json, const char *code) {
  struct diag diag;
  char *text = live_put_raw(kit, json, &diag);
  bool taken = text != NULL;
  free(text);
  if (taken) fail_msg("taken: %s", json);
  if (strcmp(diag.code, code) != 0) fail_msg("%s: %s: %s", json, diag.code, diag.message);
}

typedef enum err live_about_fn(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                               struct diag *diag);

// What one of the engine's documents says of a customer; freed by the caller.
static inline char *live_about(struct kit *kit, const char *reference, live_about_fn *write) {
  struct live_answer answer;
  struct engine_view *view;
  uint64_t customer = kit_customer(kit, reference);
  if (customer == 0) fail_msg("%s: no such customer", reference);
  live_ask(&answer);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  enum err err = write(view, customer, &answer.writer, &answer.diag);
  engine_view_close(view);
  return live_told(kit, &answer, err);
}

static inline char *live_customer(struct kit *kit, const char *reference) {
  return live_about(kit, reference, engine_customer_segments_json);
}

static inline char *live_changes(struct kit *kit, const char *segment, const char *after, size_t limit) {
  struct live_answer answer;
  live_ask(&answer);
  enum err err = engine_changes_json(kit->engine, bytes_from_text(segment), bytes_from_text(after), limit,
                                     &answer.writer, &answer.diag);
  return live_told(kit, &answer, err);
}

static inline char *live_segment(struct kit *kit, const char *id) {
  struct live_answer answer;
  live_ask(&answer);
  return live_told(kit, &answer, engine_segment_json(kit->engine, bytes_from_text(id), &answer.writer, &answer.diag));
}

static inline char *live_members(struct kit *kit, const char *id) {
  struct live_answer answer;
  live_ask(&answer);
  return live_told(
      kit, &answer,
      engine_segment_members_json(kit->engine, bytes_from_text(id), BYTES(""), 100, &answer.writer, &answer.diag));
}

static inline char *live_list(struct kit *kit, const char *id, const struct bytes *references, size_t count,
                              bool listed) {
  struct live_answer answer;
  struct store_mark mark;
  live_ask(&answer);
  return live_told(kit, &answer,
                   engine_list_change(kit->engine, bytes_from_text(id), references, count, listed, &answer.writer,
                                      &mark, &answer.diag));
}

static inline bool live_is_member(struct kit *kit, const char *reference, const char *id) {
  char pattern[96];
  char *text = live_customer(kit, reference);
  snprintf(pattern, sizeof pattern, "{\"id\":\"%s\"", id);
  bool member = strstr(text, pattern) != NULL;
  free(text);
  return member;
}

static inline void live_in(struct kit *kit, const char *reference, const char *id) {
  if (!live_is_member(kit, reference, id)) fail_msg("%s is not in %s", reference, id);
}
static inline void live_out(struct kit *kit, const char *reference, const char *id) {
  if (live_is_member(kit, reference, id)) fail_msg("%s is in %s", reference, id);
}

static inline void live_contains(char *text, const char *part) {
  if (strstr(text, part) == NULL) fail_msg("no %s in %s", part, text);
  free(text);
}

static inline size_t live_count(const char *text, const char *part) {
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) count++;
  return count;
}
