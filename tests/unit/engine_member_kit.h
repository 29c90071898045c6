// engine_member_kit: members over an engine_kit: documents, orders, points, and what a member has.
#pragma once

#include "engine_live_kit.h"

#include "engine/loyalty.h"
#include "engine/members.h"

enum { MEMBER_TEXT_BYTES = 4096 };

typedef enum err member_call_fn(struct engine *engine, const struct engine_caller *caller, struct value request,
                                struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// A source of that name, made when there is none.
static inline uint32_t member_source(struct kit *kit, const char *name) {
  const struct engine_source *known = engine_source_find(kit->engine, bytes_from_text(name));
  struct engine_source source = {.name = bytes_from_text(name), .kind = ENGINE_SOURCE_SERVER};
  struct engine_commit commit = {0};
  struct diag diag;
  uint32_t id;
  diag_init(&diag);
  if (known != NULL) return known->id;
  if (engine_source_put(kit->engine, &source, &id, &commit, &diag) != ERR_OK) fail_msg("source: %s", diag.message);
  return id;
}

// The document as it was stored, with what it was warned of; freed by the caller.
static inline char *member_put_told(struct kit *kit, enum engine_loyalty_kind kind, const char *json) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  live_ask(&answer);
  enum err err = engine_loyalty_put(kit->engine, kind, kit_value(kit, json, &packed), BYTES("ann"), &answer.writer,
                                    &commit, NULL, &answer.diag);
  if (err != ERR_OK) fail_msg("%s: %s: %s (%s)", json, answer.diag.code, answer.diag.message, answer.diag.field);
  buffer_release(&packed);
  return live_told(kit, &answer, err);
}

static inline void member_put(struct kit *kit, enum engine_loyalty_kind kind, const char *json) {
  free(member_put_told(kit, kind, json));
}

// The reply, freed by the caller; NULL when it was refused: with `code`, when that is not NULL.
static inline char *member_call(struct kit *kit, member_call_fn *call, const char *source, const char *json,
                                char code[DIAG_CODE_BYTES]) {
  struct engine_caller caller = {member_source(kit, source), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  live_ask(&answer);
  enum err err = call(kit->engine, &caller, kit_value(kit, json, &packed), &answer.writer, &commit, &answer.diag);
  buffer_release(&packed);
  if (err != ERR_OK && code == NULL) fail_msg("%s: %s: %s", json, answer.diag.code, answer.diag.message);
  if (code != NULL) snprintf(code, DIAG_CODE_BYTES, "%s", err == ERR_OK ? "" : answer.diag.code);
  if (err == ERR_OK) return live_told(kit, &answer, err);
  buffer_release(&answer.out);
  return NULL;
}

static inline char *member_json(struct kit *kit, const char *reference) {
  return live_about(kit, reference, engine_member_json);
}

// A member of an object or array in the document, up to its end, with its name; freed by the caller.
static inline char *member_part(const char *json, const char *name) {
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\"%s\":", name);
  const char *from = strstr(json, pattern);
  if (from == NULL) fail_msg("no %s in %s", name, json);
  int depth = 0;
  for (const char *at = from + strlen(pattern);; at++) {
    if (*at == '[' || *at == '{') depth++;
    if (*at == ']' || *at == '}') depth--;
    if (depth == 0 || *at == '\0') return strndup(from, (size_t)(at + 1 - from));
  }
}

static inline void member_has(struct kit *kit, const char *reference, const char *part) {
  live_contains(member_json(kit, reference), part);
}

// --- the books -----------------------------------------------------------------------------------------------

static inline void member_breach(void *context, const char *what) {
  const struct kit *kit = context;
  fail_msg("%s: %s", kit->where, what);
}

// Verify finds nothing; how many members there are.
static inline uint64_t member_verify(struct kit *kit) {
  uint64_t members, breaches;
  struct diag diag;
  diag_init(&diag);
  if (engine_loyalty_verify(kit->engine, member_breach, NULL, kit, &members, &breaches, &diag) != ERR_OK)
    kit_fail(kit, diag.message);
  assert_int_equal(breaches, 0);
  return members;
}

// One line of the kit; after it the customers and the books are sound.
static inline void member_line(struct kit *kit, const char *line) {
  kit_do(kit, "%s", line);
  kit_check(kit);
  member_verify(kit);
}

static inline void member_tick(struct kit *kit) {
  struct diag diag;
  bool more = true;
  diag_init(&diag);
  while (more)
    if (engine_loyalty_tick(kit->engine, &more, &diag) != ERR_OK) kit_fail(kit, diag.message);
  live_settle(kit);
}

struct member_totals {
  int64_t accounts[LOYALTY_ACCOUNT_COUNT];
};

static inline void member_add(struct member_totals *totals, const struct loyalty_balance *balance) {
  assert_true(balance->accounts[LOYALTY_DEBT] <= 0);
  for (size_t i = 0; i < LOYALTY_ACCOUNT_COUNT; i++) totals->accounts[i] += balance->accounts[i];
}

// Of everybody who is a member, all currencies together.
static inline struct member_totals member_totals(struct kit *kit) {
  struct member_totals totals = {{0}};
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  struct arena arena;
  arena_init(&arena, 0);
  assert_int_equal(store_snapshot_open(kit->store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_CUSTOMER, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) {
    struct loyalty_wallet *wallets;
    size_t count;
    int64_t timer_us;
    if (key.data[key.size_bytes - 1] != CUSTOMER_ROW_WALLET) continue;
    assert_int_equal(loyalty_row_decode(row, &arena, &timer_us, &wallets, &count), ERR_OK);
    for (size_t i = 0; i < count; i++)
      for (size_t j = 0; j < wallets[i].balance_count; j++) member_add(&totals, &wallets[i].balances[j]);
  }
  assert_int_equal(store_cursor_error(cursor), ERR_OK);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  arena_release(&arena);
  return totals;
}
