// check.c: every invariant of the workspace, one by one, in words when it is broken.
//
//   1. Every record can be read; every redirect leads, in one step, to a live customer that lists an identifier it
//   founded.
//   2. Every identifier of a record has a row that leads to that customer (a device's: that names only live customers
//   that
//      list it); every row's customer lists the identifier.
//   3. Every active edge of a record has its row in EDGE, and the other way round.
//   4. Chunks, payloads and head of every timeline agree (timeline_verify); every event has been counted once.
//      Rows under the id of a customer that went are named as pending by the record of the one she became, who is
//      listed for the job that moves them (moves.c). Those listed as heavy are.
//   5. Counters of customers, events, identifiers and edges equal what is there.
//   6. Search entries are those of the names in the records.
//   7. Memberships are what evaluating afresh gives; audiences and timers say the same (live_check.c).
//   8. What members have adds up (loyalty_verify.c).
// Reads one snapshot, one customer at a time.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "customer/search.h"
#include "engine/internal.h"
#include "engine/live_check.h"
#include "engine/loyalty_verify.h"
#include "engine/projection.h"

enum { WORDS_BYTES = 256, ROWS_A_LOOK = 1000 };

struct check {
  struct engine *engine;
  struct store_snapshot *snapshot;
  struct arena arena; // cleared for each customer
  const struct engine_check_watch *watch;
  uint64_t rows, total;
  uint64_t breaches;
  struct engine_counts found;
  uint64_t tokens;
  uint64_t heads, heads_owned; // rows, and those of them that are a customer's
};

static void tell(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct check *check, const char *format, ...) {
  char words[WORDS_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  check->breaches++;
  check->watch->breach(check->watch->context, words);
}

static enum err load_record(struct check *check, uint64_t id, struct customer *record, bool *there) {
  struct key key;
  struct bytes row;
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  enum err err = store_snapshot_get(check->snapshot, STORE_CUSTOMER, key_view(&key), &check->arena, &row);
  *there = err == ERR_OK && row.data != NULL;
  if (*there && customer_decode(row, id, &check->arena, record) != ERR_OK) *there = false;
  return err;
}

static bool lists(const struct customer *record, struct identifier identifier) {
  return record->merged_into == 0 && customer_find_identifier(record, identifier) >= 0;
}

static enum err check_lists(struct check *check, uint64_t id, struct identifier identifier, const char *what) {
  struct customer record;
  bool there;
  enum err err = load_record(check, id, &record, &there);
  if (err == ERR_OK && (!there || !lists(&record, identifier)))
    tell(check, "%s leads to customer c%llu, which does not list it", what, (unsigned long long)id);
  return err;
}

// --- customers -----------------------------------------------------------------------------------------------

static enum err has_row(struct check *check, enum store_keyspace keyspace, const struct key *key, bool *there) {
  struct bytes row;
  enum err err = store_snapshot_get(check->snapshot, keyspace, key_view(key), &check->arena, &row);
  *there = err == ERR_OK && row.data != NULL;
  return err;
}

static enum err check_nothing_under(struct check *check, uint64_t id) {
  static const enum store_keyspace owned[] = {STORE_TIMELINE, STORE_PAYLOAD, STORE_EDGE};
  struct store_cursor *cursor;
  struct bytes found, row;
  struct key key, end;
  bool there;
  customer_key(id, CUSTOMER_ROW_HEAD, &key);
  enum err err = has_row(check, STORE_CUSTOMER, &key, &there);
  key_init(&key);
  key_put_u64(&key, id);
  key_init(&end);
  key_put_u64(&end, id + 1);
  for (size_t i = 0; err == ERR_OK && !there && i < sizeof owned / sizeof *owned; i++) {
    err = store_snapshot_scan(check->snapshot, owned[i], key_view(&key), key_view(&end), &cursor);
    if (err != ERR_OK) break;
    there = store_cursor_next(cursor, &found, &row);
    err = store_cursor_error(cursor);
    store_cursor_close(cursor);
  }
  if (err == ERR_OK && there)
    tell(check, "rows under c%llu, which was merged, are no customer's", (unsigned long long)id);
  return err;
}

static enum err check_redirect(struct check *check, const struct customer *redirect) {
  struct customer target;
  bool there;
  enum err err = load_record(check, redirect->merged_into, &target, &there);
  if (err != ERR_OK) return err;
  if (!there || target.merged_into != 0) {
    tell(check, "customer c%llu leads to c%llu, which is no live customer", (unsigned long long)redirect->id,
         (unsigned long long)redirect->merged_into);
    return ERR_OK;
  }
  if (!customer_has_pending(&target, redirect->id)) err = check_nothing_under(check, redirect->id);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < target.identifier_count; i++)
    if (target.identifiers[i].founded == redirect->id) return ERR_OK;
  tell(check, "customer c%llu leads to c%llu, which has no identifier founded by it", (unsigned long long)redirect->id,
       (unsigned long long)redirect->merged_into);
  return ERR_OK;
}

static enum err check_identifier(struct check *check, const struct customer *record, size_t index) {
  struct identifier identifier = record->identifiers[index].member.identifier;
  struct engine_person_row person;
  struct key key;
  struct bytes row;
  identifier_key(identifier, check->engine->names, &key);
  enum err err = store_snapshot_get(check->snapshot, STORE_IDENTIFIER, key_view(&key), &check->arena, &row);
  if (err != ERR_OK) return err;
  if (row.data == NULL)
    tell(check, "identifier %zu of customer c%llu has no row", index, (unsigned long long)record->id);
  else if (row.data[0] == ENGINE_ROW_PERSON && engine_person_decode(row, &person) && !person.shared &&
           person.customer != record->id)
    tell(check, "identifier %zu of customer c%llu leads to c%llu", index, (unsigned long long)record->id,
         (unsigned long long)person.customer);
  return ERR_OK;
}

static enum err check_edge_rows(struct check *check, const struct customer *record) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  size_t active = 0;
  engine_edge_key(record->id, ENGINE_EDGE_LINK, 0, &from);
  engine_edge_key(record->id, ENGINE_EDGE_LINK, UINT64_MAX, &to);
  enum err err = store_snapshot_scan(check->snapshot, STORE_EDGE, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (store_cursor_next(cursor, &key, &row)) {
    struct bytes state = BYTES("");
    bool known = false;
    uint64_t sequence = key_read_u64(key.data + key.size_bytes - sizeof sequence);
    value_as_text(value_member_id((struct value){row}, check->engine->id.state), &state);
    if (!bytes_equal(state, BYTES("active"))) continue;
    active++;
    for (size_t i = 0; i < record->edge_count; i++) known = known || record->edges[i].sequence == sequence;
    if (!known)
      tell(check, "edge e%llu of customer c%llu is active, but its record does not have it",
           (unsigned long long)sequence, (unsigned long long)record->id);
  }
  if (active < record->edge_count)
    tell(check, "customer c%llu has %zu edges, but only %zu active rows tell where they come from",
         (unsigned long long)record->id, record->edge_count, active);
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

struct timeline_context {
  struct check *check;
  uint64_t customer;
};

static void timeline_breach(void *context, const char *what) {
  const struct timeline_context *timeline = context;
  tell(timeline->check, "timeline of customer c%llu: %s", (unsigned long long)timeline->customer, what);
}

// The rows under one id: the customer's own, or one whose rows are hers.
static enum err check_timeline(struct check *check, uint64_t id, uint64_t *events) {
  struct timeline_context context = {check, id};
  struct timeline_head head = {0};
  struct key key;
  struct bytes row;
  customer_key(id, CUSTOMER_ROW_HEAD, &key);
  enum err err = store_snapshot_get(check->snapshot, STORE_CUSTOMER, key_view(&key), &check->arena, &row);
  if (err != ERR_OK) return err;
  if (row.data != NULL && timeline_head_decode(row, &check->arena, &head) != ERR_OK) {
    tell(check, "the timeline head of customer c%llu cannot be read", (unsigned long long)id);
    return ERR_OK;
  }
  check->heads_owned += row.data != NULL;
  *events += head.count;
  return timeline_verify(check->snapshot, id, &head, timeline_breach, &context);
}

static enum err check_pending(struct check *check, const struct customer *record, uint64_t id, uint64_t *events) {
  struct customer redirect;
  struct key key;
  bool there;
  enum err err = load_record(check, id, &redirect, &there);
  bool made = (id & ENGINE_PART_BIT) != 0; // for the purpose: there is no customer behind it
  if (err == ERR_OK && (made ? there : !there || redirect.merged_into != record->id))
    tell(check, "customer c%llu names c%llu as pending, which is not hers", (unsigned long long)record->id,
         (unsigned long long)id);
  customer_pending_key(record->id, &key);
  if (err == ERR_OK) err = has_row(check, STORE_DOCUMENT, &key, &there);
  if (err == ERR_OK && !there)
    tell(check, "nobody will move what is pending of customer c%llu", (unsigned long long)record->id);
  return err == ERR_OK ? check_timeline(check, id, events) : err;
}

static enum err check_timelines(struct check *check, const struct customer *record) {
  struct key key;
  uint64_t events = 0;
  bool listed;
  enum err err = check_timeline(check, record->id, &events);
  for (size_t i = 0; err == ERR_OK && i < record->pending_count; i++)
    err = check_pending(check, record, record->pending[i], &events);
  check->found.events += events;
  engine_number_key(&key, "heavy", record->id);
  if (err == ERR_OK) err = has_row(check, STORE_DOCUMENT, &key, &listed);
  if (err == ERR_OK && listed && events <= LIMIT_HEAVY_EVENTS)
    tell(check, "customer c%llu is listed as heavy and has %llu events", (unsigned long long)record->id,
         (unsigned long long)events);
  return err;
}

static enum err check_tokens(struct check *check, const struct customer *record) {
  struct customer_sources sources = engine_sources(check->engine);
  struct bytes tokens[CUSTOMER_TOKENS_MAX];
  size_t count = 0;
  enum err err = customer_search_tokens(record, check->engine->names, &sources, &check->arena, tokens,
                                        CUSTOMER_TOKENS_MAX, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct key key;
    struct bytes row;
    customer_search_key(tokens[i], record->id, &key);
    err = store_snapshot_get(check->snapshot, STORE_SEARCH, key_view(&key), &check->arena, &row);
    if (err == ERR_OK && row.data == NULL)
      tell(check, "a name of customer c%llu is not in the search", (unsigned long long)record->id);
  }
  check->tokens += count;
  return err;
}

static enum err check_customer(struct check *check, uint64_t id, struct bytes row) {
  struct customer record;
  arena_clear(&check->arena);
  enum err err = customer_decode(row, id, &check->arena, &record);
  if (err == ERR_CORRUPT) {
    tell(check, "the record of customer c%llu cannot be read", (unsigned long long)id);
    return ERR_OK;
  }
  if (err != ERR_OK) return err;
  if (record.merged_into != 0) return check_redirect(check, &record);
  check->found.customers++;
  check->found.edges += record.edge_count;
  if (record.identifier_count == 0) tell(check, "customer c%llu has no identifier", (unsigned long long)id);
  for (size_t i = 0; err == ERR_OK && i < record.identifier_count; i++) err = check_identifier(check, &record, i);
  if (err == ERR_OK) err = check_edge_rows(check, &record);
  if (err == ERR_OK) err = check_timelines(check, &record);
  return err == ERR_OK ? check_tokens(check, &record) : err;
}

// --- the rows of a keyspace ----------------------------------------------------------------------------------

typedef enum err row_fn(struct check *check, struct bytes key, struct bytes row);

static enum err count_row(struct check *check) {
  if (++check->rows % ROWS_A_LOOK != 0 || check->watch->progress == NULL) return ERR_OK;
  return check->watch->progress(check->watch->context, check->rows, check->total) ? ERR_OK : ERR_STOPPED;
}

static enum err check_rows(struct check *check, enum store_keyspace keyspace, row_fn *check_row) {
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_scan(check->snapshot, keyspace, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    err = check_row(check, key, row);
    if (err == ERR_OK) err = count_row(check);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err check_customer_row(struct check *check, struct bytes key, struct bytes row) {
  if (key.size_bytes != sizeof(uint64_t) + 1) {
    tell(check, "a row of keyspace customer has a key of %zu bytes", key.size_bytes);
    return ERR_OK;
  }
  check->heads += key.data[sizeof(uint64_t)] == CUSTOMER_ROW_HEAD;
  if (key.data[sizeof(uint64_t)] != CUSTOMER_ROW_RECORD) return ERR_OK;
  return check_customer(check, key_read_u64(key.data), row);
}

static enum err check_device(struct check *check, struct identifier identifier, struct bytes row) {
  struct identity_device device;
  if (identity_device_decode(bytes_of(row.data + 1, row.size_bytes - 1), &device) != ERR_OK) {
    tell(check, "a device's row cannot be read");
    return ERR_OK;
  }
  enum err err = device.own == 0 ? ERR_OK : check_lists(check, device.own, identifier, "a device's own customer");
  for (size_t i = 0; err == ERR_OK && i < device.run_count; i++)
    err = check_lists(check, device.runs[i].customer, identifier, "an owner of a device");
  return err;
}

static enum err check_identifier_row(struct check *check, struct bytes key, struct bytes row) {
  struct engine_person_row person;
  struct identifier identifier;
  arena_clear(&check->arena);
  check->found.identifiers++;
  if (!identifier_from_key(key, check->engine->names, &identifier) || row.size_bytes == 0) {
    tell(check, "a row of keyspace identifier cannot be read");
    return ERR_OK;
  }
  if (row.data[0] == ENGINE_ROW_DEVICE) return check_device(check, identifier, row);
  if (!engine_person_decode(row, &person)) {
    tell(check, "a person's identifier row cannot be read");
    return ERR_OK;
  }
  return person.shared ? ERR_OK : check_lists(check, person.customer, identifier, "an identifier");
}

static enum err check_search_row(struct check *check, struct bytes key, struct bytes row) {
  (void)row;
  if (key.size_bytes <= sizeof(uint64_t)) tell(check, "a row of keyspace search cannot be read");
  if (check->tokens == 0)
    tell(check, "the search has an entry that no record has");
  else
    check->tokens--;
  return ERR_OK;
}

static void check_count(struct check *check, const char *what, uint64_t counted, uint64_t there) {
  if (counted != there)
    tell(check, "the counter of %s says %llu, there are %llu", what, (unsigned long long)counted,
         (unsigned long long)there);
}

static void check_counts(struct check *check, const struct engine_counts *counted) {
  check_count(check, "customers", counted->customers, check->found.customers);
  check_count(check, "events", counted->events, check->found.events);
  check_count(check, "identifiers", counted->identifiers, check->found.identifiers);
  check_count(check, "edges", counted->edges, check->found.edges);
}

static void tell_live(void *context, const char *words) {
  tell(context, "%s", words);
}

static enum err check_all(struct check *check) {
  struct engine_counts counted;
  struct store_stats stats;
  enum err err = store_get_stats(check->engine->store, &stats);
  if (err == ERR_OK) err = engine_counts_at(check->snapshot, &check->arena, &counted);
  if (err != ERR_OK) return err;
  check->total =
      stats.keys_estimate[STORE_CUSTOMER] + stats.keys_estimate[STORE_IDENTIFIER] + stats.keys_estimate[STORE_SEARCH];
  err = check_rows(check, STORE_CUSTOMER, check_customer_row);
  if (err == ERR_OK) err = check_rows(check, STORE_IDENTIFIER, check_identifier_row);
  if (err == ERR_OK) err = check_rows(check, STORE_SEARCH, check_search_row);
  if (err != ERR_OK) return err;
  check_counts(check, &counted);
  if (check->heads != check->heads_owned)
    tell(check, "%llu heads of timelines are stored, %llu of them are customers'", (unsigned long long)check->heads,
         (unsigned long long)check->heads_owned);
  uint64_t members;
  err = live_check(check->engine, check->snapshot, tell_live, check);
  if (err == ERR_OK) err = loyalty_check(check->engine, check->snapshot, tell_live, NULL, check, &members);
  if (err == ERR_OK) err = projections_check(check->snapshot, tell_live, check);
  if (err == ERR_OK && check->watch->progress != NULL)
    check->watch->progress(check->watch->context, check->rows, check->rows);
  return err;
}

enum err engine_check_watched(struct engine *engine, const struct engine_check_watch *watch, uint64_t *breaches,
                              struct diag *diag) {
  struct check check = {.engine = engine, .watch = watch};
  enum err err = store_snapshot_open(engine->store, &check.snapshot);
  if (err != ERR_OK) return diag_set(diag, err, "cannot_read", "the workspace cannot be read");
  arena_init(&check.arena, 0);
  err = check_all(&check);
  *breaches = check.breaches;
  arena_release(&check.arena);
  store_snapshot_close(check.snapshot);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err == ERR_STOPPED) return diag_set(diag, err, "stopped", "the check was ended before it had read everything");
  return err == ERR_OK ? ERR_OK : diag_set(diag, err, "cannot_read", "the workspace could not be read to its end");
}

enum err engine_check(struct engine *engine, engine_breach_fn *breach, void *context, uint64_t *breaches,
                      struct diag *diag) {
  struct engine_check_watch watch = {.breach = breach, .context = context};
  return engine_check_watched(engine, &watch, breaches, diag);
}
