// rules_try.c: what other identity rules would make of the customers there are.
//
// Three passes over one snapshot. The first reads every row of EDGE and ties together the customers between whom a
// refusal stands that the new rules might decide otherwise (ties.c). The second replays the customers that are tied to
// nobody, one by one: only parting can happen to them. The third replays each tied group. A re-run (rerun.c) makes the
// same passes in the same order, and carries out what comes of them.
// Cost: time grows with the rows of EDGE and CUSTOMER, about 20 microseconds a customer; memory is that of the largest
// group (REPLAY_IDENTIFIERS_MAX) and of the ties (TIES_MAX), whatever the size of the workspace. Past either,
// ERR_LIMIT. Writing goes on meanwhile: the snapshot stands still.
#include "engine/rerun.h"
#include "engine/ties.h"

enum { RECORD_KEY_BYTES = 9 };

struct trial {
  struct engine_view *view;
  struct replay_rules rules;
  struct arena arena; // cleared after each row or group
  struct ties ties;
  struct replay_counts counts;
  struct diag *diag;
};

static enum err replay_alone(struct trial *trial, struct bytes key, struct bytes row) {
  uint64_t id = key_read_u64(key.data);
  struct customer record;
  if (key.size_bytes != RECORD_KEY_BYTES || key.data[RECORD_KEY_BYTES - 1] != CUSTOMER_ROW_RECORD) return ERR_OK;
  if (ties_hold(&trial->ties, id)) return ERR_OK;
  arena_clear(&trial->arena);
  enum err err = customer_decode(row, id, &trial->arena, &record);
  if (err != ERR_OK || record.merged_into != 0) return err;
  return replay_group(trial->view, &trial->rules, &id, 1, false, &trial->arena, &trial->counts, NULL, trial->diag);
}

static enum err replay_untied(struct trial *trial) {
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_scan(trial->view->snapshot, STORE_CUSTOMER, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) err = replay_alone(trial, key, row);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err replay_tied(struct trial *trial) {
  enum err err = ERR_OK;
  ties_sort(&trial->ties);
  for (size_t position = 0; err == ERR_OK && position < trial->ties.count;) {
    uint64_t *customers;
    size_t count;
    arena_clear(&trial->arena);
    err = ties_next(&trial->ties, &position, &trial->arena, &customers, &count);
    if (err == ERR_OK)
      err = replay_group(trial->view, &trial->rules, customers, count, true, &trial->arena, &trial->counts, NULL,
                         trial->diag);
  }
  return err;
}

static enum err run_trial(struct trial *trial) {
  struct key next;
  enum err err =
      ties_scan(&trial->ties, trial->view, trial->rules.rules, BYTES(""), SIZE_MAX, &next, &trial->arena, trial->diag);
  if (err == ERR_OK) err = replay_untied(trial);
  return err == ERR_OK ? replay_tied(trial) : err;
}

// --- the answer ----------------------------------------------------------------------------------------------

static void write_counts(const struct replay_counts *counts, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_u64(writer, "customers_now", counts->customers_now);
  json_member_u64(writer, "customers_then", counts->customers_then);
  json_member_u64(writer, "would_merge", counts->would_merge);
  json_member_u64(writer, "would_part", counts->would_part);
  json_object_end(writer);
}

enum err engine_rules_try(struct engine *engine, struct value document, struct json_writer *writer, struct diag *diag) {
  struct trial trial = {.diag = diag};
  struct identity_rules *rules = NULL;
  struct rerun_eras eras = {0};
  enum err err = identity_rules_open(&rules, document, 0, engine->names, diag);
  if (err != ERR_OK) return err;
  arena_init(&trial.arena, 0);
  err = rules_check_classes(engine, rules, diag);
  if (err == ERR_OK) err = engine_view_open(engine, &trial.view);
  if (err == ERR_OK) err = rerun_eras_open(&eras, trial.view, rules, &trial.rules, diag);
  if (err == ERR_OK) err = run_trial(&trial);
  if (err == ERR_OK) write_counts(&trial.counts, writer);
  rerun_eras_close(&eras);
  engine_view_close(trial.view);
  arena_release(&trial.arena);
  ties_release(&trial.ties);
  identity_rules_close(rules);
  return read_end(err, writer, diag);
}
