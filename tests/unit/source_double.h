// source_double: an engine that only remembers. It stands in for the engine's own objects in the tests, fuzz targets
// and benchmarks of source/: it gives a dictionary, the default rules, one source and a store in memory, drops repeats
// of a message id, and counts.
#pragma once

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "source/source.h"

struct engine {
  struct names *names;
  struct store *store;
  struct clock clock;
  struct identity_rules *rules;
  struct engine_source source;
  pthread_mutex_t lock;
  uint64_t *seen; // hashes of the message ids applied; 0 is a free slot
  size_t seen_capacity;
  size_t applied, duplicates, aside, apply_calls;
  struct buffer aside_log; // "code text\n"
  uint64_t fail_after;     // applied events after which engine_apply fails; 0: never
  const char *suppress;    // an event name whose events are of an erased person
  const char *keep_aside;  // an event name whose events the engine keeps aside
};

struct names *engine_names(struct engine *engine) {
  return engine->names;
}
struct store *engine_store(struct engine *engine) {
  return engine->store;
}
const struct clock *engine_clock(struct engine *engine) {
  return &engine->clock;
}
const struct identity_rules *engine_rules(struct engine *engine) {
  return engine->rules;
}
const struct engine_source *engine_source(struct engine *engine, uint32_t id) {
  return id == engine->source.id ? &engine->source : NULL;
}

static uint64_t double_hash(struct bytes text) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < text.size_bytes; i++) {
    hash = (hash ^ text.data[i]) * UINT64_C(1099511628211);
  }
  return hash == 0 ? 1 : hash;
}

// True when the id is new. What waits aside is remembered apart: it can still be taken.
static bool double_remember(struct engine *engine, struct bytes id, bool aside) {
  uint64_t hash = double_hash(id) ^ (aside ? UINT64_C(0x9e3779b97f4a7c15) : 0);
  size_t at = (size_t)(hash >> 20) & (engine->seen_capacity - 1);
  while (engine->seen[at] != 0 && engine->seen[at] != hash) {
    at = (at + 1) & (engine->seen_capacity - 1);
  }
  bool is_new = engine->seen[at] == 0;
  engine->seen[at] = hash;
  return is_new;
}

static enum engine_outcome double_judge(struct engine *engine, const struct engine_event *event, const char **code) {
  struct bytes name = names_text(engine->names, event->name);
  if (engine->suppress != NULL && bytes_equal(name, bytes_from_text(engine->suppress))) {
    return ENGINE_SUPPRESSED;
  }
  if (event->aside_code != NULL) {
    *code = event->aside_code;
    return double_remember(engine, event->message_id, true) ? ENGINE_ASIDE : ENGINE_DUPLICATE;
  }
  if (engine->keep_aside != NULL && bytes_equal(name, bytes_from_text(engine->keep_aside))) {
    *code = "no_identifier";
    return ENGINE_ASIDE;
  }
  return double_remember(engine, event->message_id, false) ? ENGINE_APPLIED : ENGINE_DUPLICATE;
}

enum err engine_apply(struct engine *engine, const struct engine_event *events, size_t count,
                      struct engine_result *results, size_t *done, struct store_mark *mark, struct diag *diag) {
  pthread_mutex_lock(&engine->lock);
  engine->apply_calls++;
  for (*done = 0; *done < count; (*done)++) {
    if (engine->fail_after != 0 && engine->applied >= engine->fail_after) {
      pthread_mutex_unlock(&engine->lock);
      return diag_set(diag, ERR_IO, "crash", "the test ends here");
    }
    assert(events[*done].message_id.size_bytes > 0);
    assert(events[*done].name != 0);
    assert(events[*done].identifier_count > 0);
    assert(value_check(events[*done].message.packed, engine->names, NULL) == ERR_OK);
    results[*done] = (struct engine_result){.customer = 1};
    results[*done].outcome = double_judge(engine, &events[*done], &results[*done].code);
    engine->applied += results[*done].outcome == ENGINE_APPLIED;
    engine->duplicates += results[*done].outcome == ENGINE_DUPLICATE;
  }
  *mark = store_mark_now(engine->store);
  pthread_mutex_unlock(&engine->lock);
  return ERR_OK;
}

enum err engine_set_aside(struct engine *engine, uint32_t source, const char *code, const char *message,
                          struct bytes text, struct store_mark *mark, struct diag *diag) {
  (void)source;
  assert(message != NULL);
  pthread_mutex_lock(&engine->lock);
  engine->aside++;
  text.size_bytes = text.size_bytes > 80 ? 80 : text.size_bytes;
  buffer_append_format(&engine->aside_log, "%s %.*s\n", code, BYTES_ARG(text));
  bool failed = engine->aside_log.failed;
  engine->aside_log.failed = false;
  *mark = store_mark_now(engine->store);
  pthread_mutex_unlock(&engine->lock);
  return failed ? diag_no_memory(diag) : ERR_OK;
}

static inline void double_open(struct engine *engine) {
  struct value_parser *parser;
  struct buffer packed;
  struct diag diag;
  *engine = (struct engine){.seen_capacity = 1 << 19};
  diag_init(&diag);
  pthread_mutex_init(&engine->lock, NULL);
  buffer_init(&engine->aside_log);
  clock_init(&engine->clock);
  int64_t now_us;
  assert(clock_parse(BYTES("2026-11-22T12:00:00Z"), &now_us) == ERR_OK);
  clock_hold(&engine->clock, now_us);
  engine->seen = calloc(engine->seen_capacity, sizeof *engine->seen);
  assert(engine->seen != NULL);
  assert(names_open(&engine->names, NULL, NULL) == ERR_OK);
  assert(store_open_memory(&engine->store) == ERR_OK);
  assert(value_parser_open(&parser) == ERR_OK);
  buffer_init(&packed);
  assert(value_parse_json(parser, identity_rules_default(), engine->names, &packed, &diag) == ERR_OK);
  assert(identity_rules_open(&engine->rules, (struct value){buffer_view(&packed)}, 1, engine->names, &diag) == ERR_OK);
  buffer_release(&packed);
  value_parser_close(parser);
  engine->source = (struct engine_source){.id = 4,
                                          .name = BYTES("shop"),
                                          .kind = ENGINE_SOURCE_SERVER,
                                          .region = BYTES("FR"),
                                          .user_id_type = BYTES("user_id")};
}

static inline void double_close(struct engine *engine) {
  identity_rules_close(engine->rules);
  store_close(engine->store);
  names_close(engine->names);
  buffer_release(&engine->aside_log);
  pthread_mutex_destroy(&engine->lock);
  free(engine->seen);
}

static inline struct source_envelope double_envelope(struct engine *engine) {
  return (struct source_envelope){
      .source = engine->source.id, .trusted = true, .received_us = clock_now_us(&engine->clock), .sent_us = INT64_MIN};
}

// Whole files of the source tree and of the shared data, found from this file's place.
static inline struct bytes double_read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    return (struct bytes){NULL, 0};
  }
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  uint8_t *data = malloc((size_t)size + 1);
  assert(data != NULL);
  assert(fread(data, 1, (size_t)size, file) == (size_t)size);
  fclose(file);
  return bytes_of(data, (size_t)size);
}

// `from` is a path beside tests/unit.
static inline void double_path(char *out, size_t size, const char *from) {
  const char *slash = strrchr(__FILE__, '/');
  snprintf(out, size, "%.*s/%s", slash == NULL ? 1 : (int)(slash - __FILE__), slash == NULL ? "." : __FILE__, from);
}
