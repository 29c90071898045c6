// engine_kit: an engine over a store in memory, driven by lines a person can write. Used by the scenario and model
// tests.
//
//   event [t=SECONDS] [id=MESSAGE] [source=NAME] [name=EVENT] TYPE:VALUE... [trait.NAME=VALUE...]
//                          an event at that time; with traits it is an identify, else a track. replay: of an import;
//                          code=CODE: its source wants it aside; resent: from there
//   alias PREVIOUS TYPE:VALUE [trusted]
//   same A B | different A B        the two identifiers lead to one customer, or to two
//   customers N | count NAME N      live customers; a counter of engine_counts
//   events A N                      how many events the customer has
//   trait A NAME VALUE | no-trait A NAME
//   nobody A                        the identifier leads to no customer
//   remember A AS | unchanged A AS  the customer's JSON, `trace` and `updated_at` apart
//   split A B | cut A EDGE-OF B C | part A IDENTIFIER | allow A B | erase A | erase! A (suppressed)
//   correct A NAME VALUE           a person corrects a trait, a second after whatever was before
//   rules JSON                      puts rules in force (no spaces in them)
//   rerun MERGED PARTED             what rules_try says of those in force; then the re-run does just that, and once
//                                   more nothing
//   days N                         the clock moves on, and all work that falls due is done
//   step | settle                  one call of engine_tick, or as many as there is work for
//   moving N                       of so many customers events are still to be moved (kit_merge_events)
//   duplicate … | aside … | suppressed …   as event, with that outcome expected
//
// After every line engine_check must find nothing.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"

enum { KIT_WORDS_MAX = 32, KIT_MEMORIES_MAX = 16 };
#define KIT_EPOCH_US ((int64_t)1767225600 * CLOCK_SECOND_US) // 2026-01-01

struct kit {
  struct clock clock;
  struct store *store;
  struct engine *engine;
  struct value_parser *parser;
  unsigned next_message;
  bool check_each; // engine_check after every line
  struct {
    char name[32];
    char *json;
  } memories[KIT_MEMORIES_MAX];
  size_t memory_count;
  char where[256]; // file and line, for messages
};

// How the next engine is opened: how many events a merge moves at once; 0 for the product's own bound.
static uint32_t kit_merge_events;
static int64_t kit_projection_quiet_us; // and when projections are built; 0: as the product does

static inline void kit_fail(const struct kit *kit, const char *what) {
  fail_msg("%s: %s", kit->where, what);
}

// An engine over a store that holds a workspace; both become the kit's.
static inline void kit_open_existing(struct kit *kit, struct store *store) {
  memset(kit, 0, sizeof *kit);
  clock_init(&kit->clock);
  clock_hold(&kit->clock, KIT_EPOCH_US + 300 * CLOCK_DAY_US);
  kit->check_each = true;
  kit->store = store;
  struct engine_options options = {.store = store,
                                   .clock = &kit->clock,
                                   .merge_events = kit_merge_events,
                                   .projection_quiet_us = kit_projection_quiet_us};
  struct diag diag;
  diag_init(&diag);
  if (engine_open(&kit->engine, &options, &diag) != ERR_OK) fail_msg("engine_open: %s", diag.message);
  assert_int_equal(value_parser_open(&kit->parser), ERR_OK);
}

static inline void kit_put_web(struct kit *kit) {
  struct engine_source web = {.name = BYTES_INIT("web"), .kind = ENGINE_SOURCE_BROWSER};
  struct engine_commit commit = {0};
  struct diag diag;
  uint32_t id;
  diag_init(&diag);
  if (engine_source_put(kit->engine, &web, &id, &commit, &diag) != ERR_OK) fail_msg("source: %s", diag.message);
}

// A new workspace in an empty store.
static inline void kit_open_on(struct kit *kit, struct store *store) {
  struct clock clock;
  struct diag diag;
  diag_init(&diag);
  clock_init(&clock);
  clock_hold(&clock, KIT_EPOCH_US + 300 * CLOCK_DAY_US);
  if (engine_create_workspace(store, &clock, &diag) != ERR_OK) fail_msg("engine_create_workspace: %s", diag.message);
  kit_open_existing(kit, store);
  kit_put_web(kit);
}

static inline enum err kit_put_secret(struct store_txn *txn, void *context, struct diag *diag) {
  uint8_t secret[32];
  (void)context;
  (void)diag;
  memset(secret, 7, sizeof secret);
  return store_put(txn, STORE_META, BYTES("hash_key"), bytes_of(secret, sizeof secret));
}

// The same with a secret that is no secret: the ids of events, which decide between equal instants, and cursors are the
// same in every run.
static inline void kit_open_fixed(struct kit *kit, struct store *store) {
  struct store_mark mark;
  assert_int_equal(store_run(store, kit_put_secret, NULL, &mark, NULL), ERR_OK);
  kit_open_existing(kit, store);
  kit_put_web(kit);
}

static inline void kit_open(struct kit *kit) {
  struct store *store;
  assert_int_equal(store_open_memory(&store), ERR_OK);
  kit_open_on(kit, store);
}

static inline void kit_close(struct kit *kit) {
  for (size_t i = 0; i < kit->memory_count; i++) free(kit->memories[i].json);
  value_parser_close(kit->parser);
  engine_close(kit->engine);
  store_close(kit->store);
}

// --- words ---------------------------------------------------------------------------------------------------

static inline const char *kit_option(char **words, size_t count, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 1; i < count; i++)
    if (strncmp(words[i], name, length) == 0 && words[i][length] == '=') return words[i] + length + 1;
  return NULL;
}

static inline bool kit_flag(char **words, size_t count, const char *name) {
  for (size_t i = 1; i < count; i++)
    if (strcmp(words[i], name) == 0) return true;
  return false;
}

static inline bool kit_is_identifier(const char *word) {
  return strchr(word, ':') != NULL && strchr(word, '=') == NULL;
}

static inline struct identifier kit_identifier(struct kit *kit, const char *word) {
  struct identifier identifier;
  struct bytes type, value;
  struct diag diag;
  if (!identifier_split(bytes_from_text(word), &type, &value)) kit_fail(kit, "not an identifier");
  assert_int_equal(names_intern(engine_names(kit->engine), type, &identifier.type, &diag), ERR_OK);
  identifier.value = value;
  return identifier;
}

// --- events --------------------------------------------------------------------------------------------------

static inline void kit_message(char **words, size_t count, char *out, size_t out_bytes) {
  size_t used = (size_t)snprintf(out, out_bytes, "{\"type\":\"track\",\"traits\":{");
  const char *comma = "";
  for (size_t i = 1; i < count; i++) {
    const char *equals = strchr(words[i], '=');
    if (strncmp(words[i], "trait.", 6) != 0 || equals == NULL) continue;
    used += (size_t)snprintf(out + used, out_bytes - used, "%s\"%.*s\":\"%s\"", comma, (int)(equals - words[i] - 6),
                             words[i] + 6, equals + 1);
    comma = ",";
  }
  snprintf(out + used, out_bytes - used, "}}");
}

// An event made of words, with what it points to.
struct kit_event {
  struct engine_event event;
  struct buffer packed;
  char id[32];
};

static inline void kit_event_release(struct kit_event *made) {
  buffer_release(&made->packed);
}

// JSON as the engine takes documents; `packed` is released by the caller.
static inline struct value kit_value(struct kit *kit, const char *json, struct buffer *packed) {
  struct diag diag;
  diag_init(&diag);
  buffer_init(packed);
  if (value_parse_json(kit->parser, bytes_from_text(json), engine_names(kit->engine), packed, &diag) != ERR_OK)
    fail_msg("%s: %s", json, diag.message);
  return (struct value){buffer_view(packed)};
}

static inline void kit_parse(struct kit *kit, const char *message, struct kit_event *made) {
  made->event.message = kit_value(kit, message, &made->packed);
  made->event.amount_code = 255;
  made->event.received_us = clock_now_us(&kit->clock);
  snprintf(made->id, sizeof made->id, "m%u", kit->next_message++);
  made->event.message_id = bytes_from_text(made->id);
  made->event.time_us = KIT_EPOCH_US + kit->next_message * (int64_t)CLOCK_SECOND_US;
}

static inline void kit_name(struct kit *kit, const char *name, struct kit_event *made) {
  assert_int_equal(names_intern(engine_names(kit->engine), bytes_from_text(name), &made->event.name, NULL), ERR_OK);
}

static inline void kit_event_init(struct kit *kit, char **words, size_t count, struct kit_event *made) {
  char message[2048];
  const char *at = kit_option(words, count, "t"), *name = kit_option(words, count, "name");
  const char *source = kit_option(words, count, "source"), *id = kit_option(words, count, "id");
  struct engine_event *event = &made->event;
  memset(made, 0, sizeof *made);
  kit_message(words, count, message, sizeof message);
  kit_parse(kit, message, made);
  event->type = ENGINE_TRACK;
  for (size_t i = 1; i < count; i++) {
    if (strncmp(words[i], "trait.", 6) == 0) event->gives_traits = true;
    if (!kit_is_identifier(words[i])) continue;
    event->identifiers[event->identifier_count].identifier = kit_identifier(kit, words[i]);
    event->identifiers[event->identifier_count++].reason = IDENTITY_OK;
  }
  if (event->gives_traits) event->type = ENGINE_IDENTIFY;
  kit_name(kit, event->gives_traits ? "Identified" : name == NULL ? "Viewed" : name, made);
  if (id != NULL) event->message_id = bytes_from_text(id);
  if (at != NULL) event->time_us = KIT_EPOCH_US + strtoll(at, NULL, 10) * CLOCK_SECOND_US;
  event->source = engine_source_find(kit->engine, bytes_from_text(source == NULL ? "web" : source))->id;
  event->replay = kit_flag(words, count, "replay");
  event->resent = kit_flag(words, count, "resent");
  event->aside_code = kit_option(words, count, "code");
  event->aside_words = event->aside_code;
}

static inline void kit_alias_init(struct kit *kit, char **words, size_t count, struct kit_event *made) {
  memset(made, 0, sizeof *made);
  kit_parse(kit, "{\"type\":\"alias\"}", made);
  kit_name(kit, "Aliased", made);
  made->event.type = ENGINE_ALIAS;
  made->event.previous_id = bytes_from_text(words[1]);
  made->event.identifiers[0].identifier = kit_identifier(kit, words[2]);
  made->event.identifier_count = 1;
  made->event.trusted = kit_flag(words, count, "trusted");
  made->event.source = 3;
}

static inline void kit_apply(struct kit *kit, struct engine_event *event, enum engine_outcome expected) {
  struct engine_result result;
  struct store_mark mark;
  struct diag diag;
  size_t done;
  diag_init(&diag);
  if (engine_apply(kit->engine, event, 1, &result, &done, &mark, &diag) != ERR_OK) kit_fail(kit, diag.message);
  if (result.outcome != expected) kit_fail(kit, "another outcome than expected");
}

static inline void kit_event(struct kit *kit, char **words, size_t count, enum engine_outcome expected) {
  struct kit_event made;
  kit_event_init(kit, words, count, &made);
  kit_apply(kit, &made.event, expected);
  kit_event_release(&made);
}

static inline void kit_alias(struct kit *kit, char **words, size_t count) {
  struct kit_event made;
  kit_alias_init(kit, words, count, &made);
  kit_apply(kit, &made.event, ENGINE_APPLIED);
  kit_event_release(&made);
}

// --- questions -----------------------------------------------------------------------------------------------

// The customer an identifier leads to; 0 for none.
static inline uint64_t kit_customer(struct kit *kit, const char *reference) {
  struct engine_view *view;
  struct diag diag;
  uint64_t customer = 0;
  diag_init(&diag);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  enum err err = engine_find(view, bytes_from_text(reference), &customer, &diag);
  engine_view_close(view);
  if (err != ERR_OK && err != ERR_NOT_FOUND) kit_fail(kit, diag.message);
  return err == ERR_OK ? customer : 0;
}

// The customer's document; freed by the caller.
static inline char *kit_json(struct kit *kit, uint64_t customer) {
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  if (engine_customer_json(view, customer, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  engine_view_close(view);
  buffer_append_byte(&out, 0);
  char *json = strdup((const char *)out.data);
  buffer_release(&out);
  return json;
}

// Cuts "updated_at" and "trace" out of a document, in place: they tell what happened, not who she is.
static inline void kit_strip(char *json) {
  char *trace = strstr(json, ",\"trace\":");
  if (trace != NULL) *trace = '\0';
  char *updated = strstr(json, "\"updated_at\":\"");
  if (updated != NULL) memset(updated + strlen("\"updated_at\":\""), '-', 20);
}

static inline char *kit_stripped(struct kit *kit, const char *reference) {
  uint64_t customer = kit_customer(kit, reference);
  if (customer == 0) kit_fail(kit, "no such customer");
  char *json = kit_json(kit, customer);
  kit_strip(json);
  return json;
}

// The number in a customer's trace.
static inline uint64_t kit_events(struct kit *kit, const char *reference) {
  uint64_t customer = kit_customer(kit, reference);
  if (customer == 0) kit_fail(kit, "no such customer");
  char *json = kit_json(kit, customer);
  const char *events = strstr(json, "\"events\":");
  uint64_t count = events == NULL ? 0 : strtoull(events + strlen("\"events\":"), NULL, 10);
  free(json);
  return count;
}

static inline void kit_trait(struct kit *kit, char **words, bool wanted) {
  char pattern[256];
  char *json = kit_stripped(kit, words[1]);
  snprintf(pattern, sizeof pattern, wanted ? "\"%s\":\"%s\"" : "\"%s\":", words[2], words[3]);
  const char *traits = strstr(json, "\"traits\":");
  bool there = traits != NULL && strstr(traits, pattern) != NULL;
  if (there != wanted) fail_msg("%s: traits are %s", kit->where, traits);
  free(json);
}

static inline void kit_count(struct kit *kit, const char *name, uint64_t expected) {
  struct engine_counts counts;
  engine_get_counts(kit->engine, &counts);
  const struct {
    const char *name;
    uint64_t value;
  } all[] = {{"customers", counts.customers}, {"events", counts.events},         {"identifiers", counts.identifiers},
             {"edges", counts.edges},         {"merges", counts.merges},         {"splits", counts.splits},
             {"set_aside", counts.set_aside}, {"duplicates", counts.duplicates}, {"erased", counts.erased}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (strcmp(all[i].name, name) != 0) continue;
    if (all[i].value != expected)
      fail_msg("%s: %s is %llu, not %llu", kit->where, name, (unsigned long long)all[i].value,
               (unsigned long long)expected);
    return;
  }
  kit_fail(kit, "no such counter");
}

// --- changes -------------------------------------------------------------------------------------------------

static inline void kit_split(struct kit *kit, const struct engine_split *split, const char *reference) {
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  uint64_t customer = kit_customer(kit, reference);
  if (customer == 0) kit_fail(kit, "no such customer");
  if (engine_split_customer(kit->engine, customer, split, &writer, &commit, &diag) != ERR_OK)
    kit_fail(kit, diag.message);
  buffer_release(&out);
}

static inline void kit_erase(struct kit *kit, const char *reference, bool suppress) {
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (engine_erase(kit->engine, kit_customer(kit, reference), suppress, &writer, &commit, &diag) != ERR_OK)
    kit_fail(kit, diag.message);
  buffer_release(&out);
}

static inline void kit_allow(struct kit *kit, char **words) {
  struct engine_commit commit = {0};
  struct diag diag;
  diag_init(&diag);
  if (engine_allow_link(kit->engine, bytes_from_text(words[1]), bytes_from_text(words[2]), &commit, &diag) != ERR_OK)
    kit_fail(kit, diag.message);
}

static inline void kit_correct(struct kit *kit, char **words) {
  struct engine_commit commit = {0};
  struct buffer packed;
  struct diag diag;
  char traits[256];
  diag_init(&diag);
  snprintf(traits, sizeof traits, "{\"%s\":\"%s\"}", words[2], words[3]);
  struct value given = kit_value(kit, traits, &packed);
  clock_hold(&kit->clock, clock_now_us(&kit->clock) + CLOCK_SECOND_US);
  if (engine_correct(kit->engine, kit_customer(kit, words[1]), given, BYTES("clerk"), NULL, &commit, &diag) != ERR_OK)
    kit_fail(kit, diag.message);
  buffer_release(&packed);
}

static inline void kit_remember(struct kit *kit, char **words, bool compare) {
  char *json = kit_stripped(kit, words[1]);
  for (size_t i = 0; compare && i < kit->memory_count; i++) {
    if (strcmp(kit->memories[i].name, words[2]) != 0) continue;
    if (strcmp(kit->memories[i].json, json) != 0)
      fail_msg("%s:\n was %s\n  is %s", kit->where, kit->memories[i].json, json);
    free(json);
    return;
  }
  if (compare || kit->memory_count == KIT_MEMORIES_MAX) kit_fail(kit, "nothing was remembered under this name");
  snprintf(kit->memories[kit->memory_count].name, sizeof kit->memories[0].name, "%s", words[2]);
  kit->memories[kit->memory_count++].json = json;
}

// --- lines ---------------------------------------------------------------------------------------------------

static inline void kit_breach(void *context, const char *what) {
  fprintf(stderr, "%s: breach: %s\n", ((const struct kit *)context)->where, what);
}

static inline void kit_check(struct kit *kit) {
  uint64_t breaches = 0;
  struct diag diag;
  diag_init(&diag);
  if (engine_check(kit->engine, kit_breach, kit, &breaches, &diag) != ERR_OK) kit_fail(kit, diag.message);
  if (breaches != 0) kit_fail(kit, "the workspace breaks an invariant");
}

static inline void kit_relation(struct kit *kit, char **words, bool same) {
  uint64_t a = kit_customer(kit, words[1]), b = kit_customer(kit, words[2]);
  if (a == 0 || b == 0) kit_fail(kit, "one of the two leads to nobody");
  if ((a == b) != same) kit_fail(kit, same ? "they are two customers" : "they are one customer");
}

static inline void kit_days(struct kit *kit, int64_t days) {
  struct diag diag;
  bool idle = false;
  diag_init(&diag);
  clock_hold(&kit->clock, clock_now_us(&kit->clock) + days * CLOCK_DAY_US);
  while (!idle)
    if (engine_tick(kit->engine, &idle, &diag) != ERR_OK) kit_fail(kit, diag.message);
}

static inline bool kit_step(struct kit *kit) {
  struct diag diag;
  bool idle = false;
  diag_init(&diag);
  if (engine_tick(kit->engine, &idle, &diag) != ERR_OK) kit_fail(kit, diag.message);
  return !idle;
}

static inline void kit_moving(struct kit *kit, uint64_t expected) {
  struct engine_loads loads;
  assert_int_equal(engine_get_loads(kit->engine, &loads), ERR_OK);
  if (loads.moving != expected) fail_msg("%s: %llu are moving", kit->where, (unsigned long long)loads.moving);
}

// --- rules ---------------------------------------------------------------------------------------------------

static inline void kit_rules(struct kit *kit, const char *json) {
  struct buffer packed;
  struct engine_commit commit = {0};
  struct diag diag;
  uint64_t version;
  diag_init(&diag);
  if (engine_rules_put(kit->engine, kit_value(kit, json, &packed), BYTES("ann"), &version, &commit, &diag) != ERR_OK)
    kit_fail(kit, diag.message);
  buffer_release(&packed);
}

static inline uint64_t kit_number(const struct buffer *json, const char *name) {
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\"%s\":", name);
  const char *at = strstr((const char *)json->data, pattern);
  assert_non_null(at);
  return strtoull(at + strlen(pattern), NULL, 10);
}

struct kit_trial {
  uint64_t now, then, merge, part;
};

// What the rules in force would make of the workspace.
static inline struct kit_trial kit_try(struct kit *kit) {
  struct json_writer writer;
  struct buffer out, document, packed;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  buffer_init(&document);
  buffer_init(&packed);
  json_writer_init(&writer, &document);
  assert_int_equal(engine_rules_json(kit->engine, 0, &writer, &diag), ERR_OK);
  assert_int_equal(value_parse_json(kit->parser, buffer_view(&document), engine_names(kit->engine), &packed, &diag),
                   ERR_OK);
  struct value rules = value_member((struct value){buffer_view(&packed)}, engine_names(kit->engine), BYTES("rules"));
  json_writer_init(&writer, &out);
  if (engine_rules_try(kit->engine, rules, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  buffer_append_byte(&out, 0);
  struct kit_trial trial = {kit_number(&out, "customers_now"), kit_number(&out, "customers_then"),
                            kit_number(&out, "would_merge"), kit_number(&out, "would_part")};
  buffer_release(&out);
  buffer_release(&document);
  buffer_release(&packed);
  return trial;
}

static inline void kit_rerun_state(struct kit *kit, struct buffer *out) {
  struct json_writer writer;
  struct diag diag;
  diag_init(&diag);
  buffer_clear(out);
  json_writer_init(&writer, out);
  if (engine_rerun_json(kit->engine, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  buffer_append_byte(out, 0);
}

static inline void kit_rerun_start(struct kit *kit) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (engine_rerun_start(kit->engine, BYTES("ann"), &writer, &commit, &diag) != ERR_OK) kit_fail(kit, diag.message);
  buffer_release(&out);
}

// Carries a re-run out, step by step, and holds it against what was predicted.
static inline void kit_rerun_as(struct kit *kit, const struct kit_trial *trial) {
  struct engine_rerun_progress progress = {.running = true};
  struct buffer state;
  struct diag diag;
  buffer_init(&state);
  kit_rerun_start(kit);
  while (progress.running) {
    diag_init(&diag);
    if (engine_rerun_work(kit->engine, 1, &progress, &diag) != ERR_OK) kit_fail(kit, diag.message);
    if (kit->check_each) kit_check(kit);
  }
  kit_rerun_state(kit, &state);
  if (kit_number(&state, "merged") != trial->merge || kit_number(&state, "parted") != trial->part ||
      kit_number(&state, "skipped") != 0)
    fail_msg("%s: predicted %llu merged, %llu parted; %s", kit->where, (unsigned long long)trial->merge,
             (unsigned long long)trial->part, (const char *)state.data);
  buffer_release(&state);
}

static inline void kit_rerun(struct kit *kit, char **words, size_t count) {
  struct kit_trial trial = kit_try(kit);
  if (count == 3 && (trial.merge != strtoull(words[1], NULL, 10) || trial.part != strtoull(words[2], NULL, 10)))
    fail_msg("%s: would merge %llu and part %llu", kit->where, (unsigned long long)trial.merge,
             (unsigned long long)trial.part);
  kit_rerun_as(kit, &trial);
  struct kit_trial after = kit_try(kit);
  if (after.merge != 0 || after.part != 0 || after.now != trial.then || after.then != trial.then)
    fail_msg("%s: %llu customers, not %llu; another re-run would merge %llu and part %llu", kit->where,
             (unsigned long long)after.now, (unsigned long long)trial.then, (unsigned long long)after.merge,
             (unsigned long long)after.part);
  kit_rerun_as(kit, &after);
}

static inline void kit_run(struct kit *kit, char **words, size_t count) {
  const char *verb = words[0];
  if (strcmp(verb, "event") == 0)
    kit_event(kit, words, count, ENGINE_APPLIED);
  else if (strcmp(verb, "duplicate") == 0)
    kit_event(kit, words, count, ENGINE_DUPLICATE);
  else if (strcmp(verb, "aside") == 0)
    kit_event(kit, words, count, ENGINE_ASIDE);
  else if (strcmp(verb, "suppressed") == 0)
    kit_event(kit, words, count, ENGINE_SUPPRESSED);
  else if (strcmp(verb, "alias") == 0)
    kit_alias(kit, words, count);
  else if (strcmp(verb, "same") == 0)
    kit_relation(kit, words, true);
  else if (strcmp(verb, "different") == 0)
    kit_relation(kit, words, false);
  else if (strcmp(verb, "customers") == 0)
    kit_count(kit, "customers", strtoull(words[1], NULL, 10));
  else if (strcmp(verb, "count") == 0)
    kit_count(kit, words[1], strtoull(words[2], NULL, 10));
  else if (strcmp(verb, "events") == 0) {
    if (kit_events(kit, words[1]) != strtoull(words[2], NULL, 10))
      fail_msg("%s: %llu events", kit->where, (unsigned long long)kit_events(kit, words[1]));
  } else if (strcmp(verb, "trait") == 0)
    kit_trait(kit, words, true);
  else if (strcmp(verb, "no-trait") == 0)
    kit_trait(kit, words, false);
  else if (strcmp(verb, "nobody") == 0) {
    if (kit_customer(kit, words[1]) != 0) kit_fail(kit, "it leads to a customer");
  } else if (strcmp(verb, "remember") == 0)
    kit_remember(kit, words, false);
  else if (strcmp(verb, "unchanged") == 0)
    kit_remember(kit, words, true);
  else if (strcmp(verb, "split") == 0) {
    struct engine_split split = {.apart = {bytes_from_text(words[1]), bytes_from_text(words[2])}};
    kit_split(kit, &split, words[1]);
  } else if (strcmp(verb, "part") == 0) {
    struct engine_split split = {.identifier = bytes_from_text(words[2])};
    kit_split(kit, &split, words[1]);
  } else if (strcmp(verb, "allow") == 0)
    kit_allow(kit, words);
  else if (strcmp(verb, "correct") == 0)
    kit_correct(kit, words);
  else if (strcmp(verb, "erase") == 0)
    kit_erase(kit, words[1], false);
  else if (strcmp(verb, "days") == 0)
    kit_days(kit, strtoll(words[1], NULL, 10));
  else if (strcmp(verb, "rules") == 0)
    kit_rules(kit, words[1]);
  else if (strcmp(verb, "rerun") == 0)
    kit_rerun(kit, words, count);
  else if (strcmp(verb, "step") == 0)
    kit_step(kit);
  else if (strcmp(verb, "settle") == 0)
    while (kit_step(kit)) continue;
  else if (strcmp(verb, "moving") == 0)
    kit_moving(kit, strtoull(words[1], NULL, 10));
  else if (strcmp(verb, "erase!") == 0)
    kit_erase(kit, words[1], true);
  else
    kit_fail(kit, "no such verb");
  if (kit->check_each) kit_check(kit);
}

// Runs one line; blank lines and those that begin with # are nothing. The line is cut up.
static inline void kit_line(struct kit *kit, char *line) {
  char *words[KIT_WORDS_MAX], *rest = NULL;
  size_t count = 0;
  line[strcspn(line, "#\r\n")] = '\0';
  for (char *word = strtok_r(line, " \t", &rest); word != NULL && count < KIT_WORDS_MAX;
       word = strtok_r(NULL, " \t", &rest))
    words[count++] = word;
  if (count > 0) kit_run(kit, words, count);
}

// Runs one line that is put together, and says it when something fails.
static inline void kit_do(struct kit *kit, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void kit_do(struct kit *kit, const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  snprintf(kit->where, sizeof kit->where, "%.200s", line);
  kit_line(kit, line);
}
