// engine_events: events made by code rather than by words, for tests with many of them and many threads; and stores on
// disk in directories that go away.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"

// RocksDB is not built for ThreadSanitizer.
#if defined(__SANITIZE_THREAD__)
#define EVENTS_ROCKSDB 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EVENTS_ROCKSDB 0
#endif
#endif
#ifndef EVENTS_ROCKSDB
#define EVENTS_ROCKSDB 1
#endif

#define EVENTS_EPOCH_US ((int64_t)1767225600 * CLOCK_SECOND_US) // 2026-01-01
enum { EVENTS_SOURCE = 3, EVENTS_TEXT_BYTES = 32, EVENTS_IDENTIFIERS_MAX = 4 };

// The dictionary ids every event needs, and the one message they share: {"type":"track"}.
struct events {
  struct engine *engine;
  struct buffer packed;
  uint32_t viewed;
};

// An event with the text it points to: it must stay where it is.
struct events_one {
  struct engine_event event;
  char id[EVENTS_TEXT_BYTES];
  char values[EVENTS_IDENTIFIERS_MAX][EVENTS_TEXT_BYTES];
};

static inline uint32_t events_name(struct engine *engine, const char *text) {
  uint32_t id = 0;
  struct diag diag;
  assert_int_equal(names_intern(engine_names(engine), bytes_from_text(text), &id, &diag), ERR_OK);
  return id;
}

static inline void events_init(struct events *events, struct engine *engine) {
  struct value_parser *parser;
  struct diag diag;
  events->engine = engine;
  events->viewed = events_name(engine, "Viewed");
  buffer_init(&events->packed);
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  assert_int_equal(
      value_parse_json(parser, BYTES("{\"type\":\"track\"}"), engine_names(engine), &events->packed, &diag), ERR_OK);
  value_parser_close(parser);
}

static inline void events_release(struct events *events) {
  buffer_release(&events->packed);
}

static inline void events_make(const struct events *events, struct events_one *one, const char *message_id,
                               int64_t time_s) {
  memset(one, 0, sizeof *one);
  snprintf(one->id, sizeof one->id, "%s", message_id);
  one->event = (struct engine_event){.type = ENGINE_TRACK,
                                     .name = events->viewed,
                                     .source = EVENTS_SOURCE,
                                     .time_us = EVENTS_EPOCH_US + time_s * CLOCK_SECOND_US,
                                     .received_us = EVENTS_EPOCH_US + 300 * CLOCK_DAY_US,
                                     .message_id = bytes_from_text(one->id),
                                     .amount_code = 255,
                                     .message = (struct value){buffer_view(&events->packed)}};
}

// The number-th value of a type: "u7", "mail7@x.org".
static inline void events_value(const char *type, unsigned number, char out[EVENTS_TEXT_BYTES]) {
  if (strcmp(type, "email") == 0)
    snprintf(out, EVENTS_TEXT_BYTES, "mail%u@x.org", number);
  else
    snprintf(out, EVENTS_TEXT_BYTES, "%c%u", type[0], number);
}

static inline void events_add(const struct events *events, struct events_one *one, const char *type, unsigned number) {
  size_t index = one->event.identifier_count++;
  assert_true(index < EVENTS_IDENTIFIERS_MAX);
  events_value(type, number, one->values[index]);
  one->event.identifiers[index].identifier =
      (struct identifier){events_name(events->engine, type), bytes_from_text(one->values[index])};
}

// "type:value" of the same, as people write it.
static inline void events_reference(const char *type, unsigned number, char out[64]) {
  char value[EVENTS_TEXT_BYTES];
  events_value(type, number, value);
  snprintf(out, 64, "%s:%s", type, value);
}

// The customer an identifier leads to; 0 for none.
static inline uint64_t events_customer(struct engine *engine, const char *reference) {
  struct engine_view *view;
  struct diag diag;
  uint64_t customer = 0;
  diag_init(&diag);
  assert_int_equal(engine_view_open(engine, &view), ERR_OK);
  enum err err = engine_find(view, bytes_from_text(reference), &customer, &diag);
  engine_view_close(view);
  if (err != ERR_OK && err != ERR_NOT_FOUND) fail_msg("%s: %s", reference, diag.message);
  return err == ERR_OK ? customer : 0;
}

static inline void events_breach(void *context, const char *what) {
  (void)context;
  fprintf(stderr, "breach: %s\n", what);
}

static inline void events_check(struct engine *engine) {
  uint64_t breaches = 0;
  struct diag diag;
  diag_init(&diag);
  if (engine_check(engine, events_breach, NULL, &breaches, &diag) != ERR_OK) fail_msg("%s", diag.message);
  assert_int_equal(breaches, 0);
}

// Calls `each` with every live customer.
typedef void events_customer_fn(void *context, struct engine_view *view, uint64_t customer);
static inline void events_each_customer(struct engine *engine, events_customer_fn *each, void *context) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct engine_view *view;
  struct bytes key, row;
  assert_int_equal(store_snapshot_open(engine_store(engine), &snapshot), ERR_OK);
  assert_int_equal(engine_view_open(engine, &view), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_CUSTOMER, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) {
    char reference[32];
    uint64_t id = 0, leads_to = 0;
    for (size_t i = 0; i < sizeof id; i++) id = id << 8 | key.data[i];
    if (key.data[sizeof id] != 0) continue; // another row of the customer
    snprintf(reference, sizeof reference, "c%llu", (unsigned long long)id);
    assert_int_equal(engine_find(view, bytes_from_text(reference), &leads_to, NULL), ERR_OK);
    if (leads_to == id) each(context, view, id);
  }
  store_cursor_close(cursor);
  engine_view_close(view);
  store_snapshot_close(snapshot);
}

// --- stores on disk ------------------------------------------------------------------------------------------

static inline int events_remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk) {
  (void)status;
  (void)flag;
  (void)walk;
  return remove(path);
}

static inline void events_remove(const char *path) {
  nftw(path, events_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void events_directory(char out[256]) {
  const char *base = getenv("TMPDIR");
  snprintf(out, 256, "%s/rapport_engine_XXXXXX", base ? base : "/tmp");
  assert_non_null(mkdtemp(out));
}

static inline struct store *events_open_disk(const char *path, bool create) {
  struct store_options options = {
      .path = path, .create = create, .cache_bytes = 8 << 20, .write_buffer_bytes = 8 << 20, .reserve_bytes = 1 << 20};
  struct store *store = NULL;
  struct diag diag;
  diag_init(&diag);
  if (store_open_rocksdb(&store, &options, &diag) != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  return store;
}

// How the next engine is opened: how many events a merge moves at once; 0 for the product's own bound.
static uint32_t events_merge_events;

static inline struct engine *events_open_engine(struct store *store, const struct clock *clock) {
  struct engine_options options = {.store = store, .clock = clock, .merge_events = events_merge_events};
  struct engine *engine = NULL;
  struct diag diag;
  diag_init(&diag);
  if (engine_open(&engine, &options, &diag) != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  return engine;
}
