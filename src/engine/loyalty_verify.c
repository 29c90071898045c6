// loyalty_verify.c: does everything that loyalty keeps add up?
//
//   1. Every wallet can be read, is a live customer's, and is what her postings say (loyalty_verify); every posting of
//   a
//      live customer belongs to one of her wallets.
//   2. A timer stands in DUE at or before the first instant at which something of hers falls due.
//   3. Every order's row of ORDERS names a customer who is, or became, the one that has it.
//   4. Every code that is somebody's is listed under her, and the other way round. A code was used as often as there
//   are
//      redemptions of it that stand, and no more than it may be; a card has no more than its worth.
//   5. No budget and no cap for everybody is overdrawn, as the documents are now.
// Reads one snapshot; memory: the postings of one customer.
#include "engine/loyalty_verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/varint.h"
#include "engine/due.h"
#include "engine/loyalty.h"

enum { WORDS_BYTES = 512, ROWS_TOLD = 1000 };

struct verifying {
  struct store_snapshot *snapshot;
  const struct loyalty_set *set;
  struct arena arena; // of one row
  live_breach_fn *breach;
  loyalty_check_fn *progress;
  void *context;
  uint64_t members, rows;
  struct buffer code; // whose redemptions are counted
  int64_t uses, redemptions;
};

static void tell(struct verifying *verifying, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct verifying *verifying, const char *format, ...) {
  char words[WORDS_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  verifying->breach(verifying->context, words);
}

typedef enum err row_fn(struct verifying *verifying, struct bytes key, struct bytes row);

static enum err walk(struct verifying *verifying, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                     row_fn *look) {
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_scan(verifying->snapshot, keyspace, from, to, &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    bool goes_on = ++verifying->rows % ROWS_TOLD != 0 || verifying->progress == NULL ||
                   verifying->progress(verifying->context, verifying->rows);
    err = goes_on ? look(verifying, key, row) : ERR_STOPPED;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err get(struct verifying *verifying, enum store_keyspace keyspace, const struct key *key,
                    struct bytes *row) {
  return store_snapshot_get(verifying->snapshot, keyspace, key_view(key), &verifying->arena, row);
}

// Who she is now; 0: nobody.
static enum err live_id(struct verifying *verifying, uint64_t id, uint64_t *live) {
  struct customer record;
  struct bytes row;
  struct key key;
  *live = 0;
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  enum err err = get(verifying, STORE_CUSTOMER, &key, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  err = customer_decode(row, id, &verifying->arena, &record);
  if (err == ERR_CORRUPT) return ERR_OK; // told elsewhere
  if (err == ERR_OK) *live = record.merged_into != 0 ? record.merged_into : id;
  return err;
}

// --- members -------------------------------------------------------------------------------------------------

struct postings {
  struct loyalty_posting *items;
  size_t count, capacity;
};

static enum err add_posting(struct verifying *verifying, struct postings *postings, struct bytes key,
                            struct bytes row) {
  struct loyalty_posting *items =
      arena_grow(&verifying->arena, postings->items, postings->count, &postings->capacity, 64, sizeof *items);
  if (items == NULL) return ERR_NO_MEMORY;
  postings->items = items;
  uint64_t customer = key_read_u64(key.data), id = key_read_u64(key.data + key.size_bytes - sizeof id);
  struct bytes kept = arena_copy(&verifying->arena, row);
  if (kept.data == NULL) return ERR_NO_MEMORY;
  enum err err = loyalty_posting_decode(kept, id, &verifying->arena, &postings->items[postings->count]);
  if (err == ERR_OK) postings->count++;
  if (err != ERR_CORRUPT) return err;
  tell(verifying, "posting p%" PRIu64 " of customer c%" PRIu64 " cannot be read", id, customer);
  return ERR_OK;
}

static enum err read_postings(struct verifying *verifying, uint64_t customer, struct postings *postings) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  loyalty_row_key(&from, customer, 'p', BYTES(""));
  loyalty_row_key(&to, customer, 'q', BYTES(""));
  enum err err = store_snapshot_scan(verifying->snapshot, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) err = add_posting(verifying, postings, key, row);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err check_wallet(struct verifying *verifying, uint64_t customer, const struct loyalty_wallet *wallet,
                             const struct postings *all) {
  const struct loyalty_programme *programme = loyalty_set_programme(verifying->set, wallet->programme);
  struct postings own = {.items = arena_take(&verifying->arena, (all->count + 1) * sizeof *own.items)};
  const char *breach;
  if (own.items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < all->count; i++)
    if (all->items[i].programme == wallet->programme) own.items[own.count++] = all->items[i];
  if (programme == NULL)
    tell(verifying, "customer c%" PRIu64 " has a wallet of programme %u, which there is not", customer,
         (unsigned)wallet->programme);
  enum err err = loyalty_verify(wallet, own.items, own.count, &verifying->arena, &breach);
  if (err == ERR_OK && breach != NULL && programme != NULL)
    tell(verifying, "customer c%" PRIu64 ", programme %.*s: %s", customer, (int)programme->id.size_bytes,
         (const char *)programme->id.data, breach);
  return err;
}

static enum err check_timer(struct verifying *verifying, uint64_t customer, const struct loyalty_wallet *wallets,
                            size_t count, int64_t timer_us) {
  struct bytes row = {NULL, 0};
  struct key key;
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(verifying->set, wallets[i].programme);
    if (programme == NULL) continue;
    int64_t due_us = loyalty_due_us(&wallets[i], programme, loyalty_set_zone(verifying->set, programme->number));
    // What was due when the row was written is done at the next instant.
    if (due_us < timer_us && timer_us > wallets[i].advanced_us + 1)
      tell(verifying, "something of customer c%" PRIu64 " falls due before her timer", customer);
  }
  if (timer_us == INT64_MAX) return ERR_OK;
  due_key(&key, timer_us, customer);
  err = get(verifying, STORE_DUE, &key, &row);
  if (err == ERR_OK && row.data == NULL) tell(verifying, "the timer of customer c%" PRIu64 " does not stand", customer);
  return err;
}

static bool has_programme(const struct loyalty_wallet *wallets, size_t count, uint32_t programme) {
  for (size_t i = 0; i < count; i++)
    if (wallets[i].programme == programme) return true;
  return false;
}

static enum err check_member(struct verifying *verifying, struct bytes key, struct bytes row) {
  struct loyalty_wallet *wallets;
  struct postings postings = {0};
  int64_t timer_us;
  uint64_t live;
  size_t count;
  if (key.size_bytes != sizeof(uint64_t) + 1 || key.data[sizeof(uint64_t)] != CUSTOMER_ROW_WALLET) return ERR_OK;
  uint64_t customer = key_read_u64(key.data);
  arena_clear(&verifying->arena);
  verifying->members++;
  enum err err = loyalty_row_decode(row, &verifying->arena, &timer_us, &wallets, &count);
  if (err == ERR_CORRUPT) {
    tell(verifying, "the wallets of customer c%" PRIu64 " cannot be read", customer);
    return ERR_OK;
  }
  if (err == ERR_OK) err = live_id(verifying, customer, &live);
  if (err == ERR_OK && live != customer) tell(verifying, "c%" PRIu64 " has wallets and is no live customer", customer);
  if (err == ERR_OK) err = read_postings(verifying, customer, &postings);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = check_wallet(verifying, customer, &wallets[i], &postings);
  for (size_t i = 0; err == ERR_OK && i < postings.count; i++)
    if (!has_programme(wallets, count, postings.items[i].programme))
      tell(verifying, "posting p%" PRIu64 " of customer c%" PRIu64 " is of no wallet of hers", postings.items[i].id,
           customer);
  return err == ERR_OK ? check_timer(verifying, customer, wallets, count, timer_us) : err;
}

// --- what else lies under a member ---------------------------------------------------------------------------

static enum err check_order(struct verifying *verifying, uint64_t customer, struct bytes id, struct bytes row) {
  struct loyalty_order order;
  struct bytes owners = {NULL, 0};
  struct key key;
  bool named = false;
  enum err err = loyalty_order_decode(row, &verifying->arena, &order);
  if (err == ERR_CORRUPT) {
    tell(verifying, "an order of customer c%" PRIu64 " cannot be read", customer);
    return ERR_OK;
  }
  key_init(&key);
  key_put_raw(&key, id);
  if (err == ERR_OK) err = get(verifying, STORE_ORDERS, &key, &owners);
  struct varint_reader reader = varint_reader_of(owners);
  while (err == ERR_OK && !named && varint_rest_bytes(&reader) > 0) {
    uint64_t owner = varint_read(&reader), live;
    named = owner == customer;
    if (!named) err = live_id(verifying, owner, &live);
    if (err == ERR_OK && !named) named = live == customer;
  }
  if (err == ERR_OK && !named)
    tell(verifying, "order %.*s of customer c%" PRIu64 " does not lead to her", (int)id.size_bytes,
         (const char *)id.data, customer);
  return err;
}

static enum err check_listed_code(struct verifying *verifying, uint64_t customer, struct bytes text) {
  struct loyalty_code code = {0};
  struct bytes row;
  struct key key;
  key_init(&key);
  key_put_raw(&key, text);
  enum err err = get(verifying, STORE_VOUCHER, &key, &row);
  if (err == ERR_OK && row.data != NULL) err = loyalty_code_decode(row, text, &verifying->arena, &code);
  if (err == ERR_CORRUPT) return ERR_OK; // told where codes are read
  if (err == ERR_OK && code.customer != customer)
    tell(verifying, "code %.*s is listed under customer c%" PRIu64 " and is not hers", (int)text.size_bytes,
         (const char *)text.data, customer);
  return err;
}

static enum err check_ledger_row(struct verifying *verifying, struct bytes key, struct bytes row) {
  if (key.size_bytes <= sizeof(uint64_t) + 1) {
    tell(verifying, "a row of keyspace ledger has a key of %zu bytes", key.size_bytes);
    return ERR_OK;
  }
  uint64_t customer = key_read_u64(key.data);
  struct bytes rest = bytes_of(key.data + sizeof customer + 1, key.size_bytes - sizeof customer - 1);
  arena_clear(&verifying->arena);
  if (key.data[sizeof customer] == 'o') return check_order(verifying, customer, rest, row);
  return key.data[sizeof customer] == 'v' ? check_listed_code(verifying, customer, rest) : ERR_OK;
}

// --- codes ---------------------------------------------------------------------------------------------------

static void end_code(struct verifying *verifying) {
  if (verifying->code.size_bytes > 0 && verifying->uses != verifying->redemptions)
    tell(verifying, "code %.*s was used %" PRIi64 " times and has %" PRIi64 " redemptions",
         (int)verifying->code.size_bytes, (const char *)verifying->code.data, verifying->uses, verifying->redemptions);
  buffer_clear(&verifying->code);
  verifying->uses = verifying->redemptions = 0;
}

static enum err check_redemption(struct verifying *verifying, struct bytes row) {
  struct loyalty_redemption redemption;
  enum err err = loyalty_redemption_decode(row, &verifying->arena, &redemption);
  if (err == ERR_CORRUPT) tell(verifying, "a redemption cannot be read");
  if (err == ERR_OK && !redemption.rolled_back) verifying->redemptions++;
  return err == ERR_CORRUPT ? ERR_OK : err;
}

static enum err check_owner(struct verifying *verifying, const struct loyalty_code *code) {
  struct bytes row;
  struct key key;
  if (code->customer == 0) return ERR_OK;
  loyalty_row_key(&key, code->customer, 'v', code->code);
  enum err err = get(verifying, STORE_LEDGER, &key, &row);
  if (err == ERR_OK && row.data == NULL)
    tell(verifying, "code %.*s is customer c%" PRIu64 "'s and is not listed under her", (int)code->code.size_bytes,
         (const char *)code->code.data, code->customer);
  return err;
}

// A code's own row, then those of its redemptions, whose keys have a 0 after the code.
static enum err check_code(struct verifying *verifying, struct bytes key, struct bytes row) {
  struct loyalty_code code;
  arena_clear(&verifying->arena);
  if (memchr(key.data, 0, key.size_bytes) != NULL) return check_redemption(verifying, row);
  end_code(verifying);
  enum err err = loyalty_code_decode(row, key, &verifying->arena, &code);
  if (err == ERR_CORRUPT) {
    tell(verifying, "code %.*s cannot be read", (int)key.size_bytes, (const char *)key.data);
    return ERR_OK;
  }
  if (err != ERR_OK) return err;
  const struct loyalty_voucher *voucher = loyalty_set_voucher(verifying->set, code.voucher);
  if (voucher == NULL) {
    tell(verifying, "code %.*s is of a voucher that there is not", (int)key.size_bytes, (const char *)key.data);
    return ERR_OK;
  }
  if (voucher->uses_per_code > 0 && code.uses > voucher->uses_per_code)
    tell(verifying, "code %.*s was used %" PRIi64 " times, of %" PRIi64, (int)key.size_bytes, (const char *)key.data,
         code.uses, voucher->uses_per_code);
  if (code.balance < 0 || code.balance > code.value)
    tell(verifying, "code %.*s has a balance of %" PRIi64 " cents, of %" PRIi64, (int)key.size_bytes,
         (const char *)key.data, code.balance, code.value);
  buffer_append_bytes(&verifying->code, key);
  verifying->uses = code.uses;
  return verifying->code.failed ? ERR_NO_MEMORY : check_owner(verifying, &code);
}

// --- counters ------------------------------------------------------------------------------------------------

static int64_t or_none(int64_t limit) {
  return limit > 0 ? limit : INT64_MAX;
}

static int64_t cap_of(const struct verifying *verifying, uint32_t programme, struct bytes key) {
  const uint8_t *at = key.data + 1 + sizeof(uint32_t);
  if (key.size_bytes < 1 + 3 * sizeof(uint32_t) + 1) return INT64_MAX;
  struct loyalty_rule_ref ref = {key_read_u32(at), key_read_u32(at + sizeof(uint32_t))};
  const struct loyalty_live_rule *rule = loyalty_set_rule(verifying->set, programme, ref);
  uint8_t cap = at[2 * sizeof(uint32_t)];
  return rule == NULL || cap >= rule->rule->cap_count ? INT64_MAX : rule->rule->caps[cap].most;
}

static int64_t limit_of(const struct verifying *verifying, struct bytes key) {
  uint32_t number = key_read_u32(key.data + 1);
  const struct loyalty_campaign *campaign = loyalty_set_campaign(verifying->set, number);
  const struct loyalty_voucher *voucher = loyalty_set_voucher(verifying->set, number);
  switch ((enum loyalty_counter_kind)key.data[0]) {
  case LOYALTY_COUNT_POINTS:
    return campaign == NULL ? INT64_MAX : or_none(campaign->budget.points);
  case LOYALTY_COUNT_CENTS:
    return campaign == NULL ? INT64_MAX : or_none(campaign->budget.cents);
  case LOYALTY_COUNT_USES:
    return campaign == NULL ? INT64_MAX : or_none(campaign->budget.uses);
  case LOYALTY_COUNT_VOUCHER_USES:
    return voucher == NULL ? INT64_MAX : or_none(voucher->uses_total);
  case LOYALTY_COUNT_VOUCHER_CENTS:
    return voucher == NULL ? INT64_MAX : or_none(voucher->budget_cents);
  case LOYALTY_COUNT_CAP:
    return cap_of(verifying, number, key);
  case LOYALTY_COUNT_CASHIER: // a limit may become smaller, and an order that is opened again counts again
    break;
  }
  return INT64_MAX;
}

static enum err check_counter(struct verifying *verifying, struct bytes key, struct bytes row) {
  struct varint_reader reader = varint_reader_of(row);
  if (key.size_bytes < 1 + sizeof(uint32_t)) return ERR_OK;
  int64_t used = varint_read_signed(&reader), limit = limit_of(verifying, key);
  if (reader.failed) tell(verifying, "a counter cannot be read");
  if (!reader.failed && used > limit)
    tell(verifying, "counter %c%u says %" PRIi64 ", of %" PRIi64, key.data[0], (unsigned)key_read_u32(key.data + 1),
         used, limit);
  return ERR_OK;
}

// --- all of it -----------------------------------------------------------------------------------------------

enum err loyalty_check(struct engine *engine, struct store_snapshot *snapshot, live_breach_fn *breach,
                       loyalty_check_fn *progress, void *context, uint64_t *members) {
  struct verifying verifying = {
      .snapshot = snapshot, .set = loyalty_hold(engine), .breach = breach, .progress = progress, .context = context};
  *members = 0;
  if (verifying.set == NULL) return ERR_OK;
  arena_init(&verifying.arena, 0);
  buffer_init(&verifying.code);
  enum err err = walk(&verifying, STORE_CUSTOMER, BYTES(""), BYTES(""), check_member);
  if (err == ERR_OK) err = walk(&verifying, STORE_LEDGER, BYTES(""), BYTES(""), check_ledger_row);
  if (err == ERR_OK) err = walk(&verifying, STORE_VOUCHER, BYTES(""), BYTES(""), check_code);
  if (err == ERR_OK) end_code(&verifying);
  if (err == ERR_OK) err = walk(&verifying, STORE_COUNTER, BYTES(""), BYTES(""), check_counter);
  *members = verifying.members;
  buffer_release(&verifying.code);
  arena_release(&verifying.arena);
  loyalty_set_close(verifying.set);
  return err;
}

struct telling {
  engine_breach_fn *breach;
  engine_verify_progress_fn *progress;
  void *context;
  uint64_t breaches;
};

static void count_breach(void *context, const char *words) {
  struct telling *telling = context;
  telling->breaches++;
  if (telling->breach != NULL) telling->breach(telling->context, words);
}

static bool tell_progress(void *context, uint64_t rows) {
  struct telling *telling = context;
  return telling->progress == NULL || telling->progress(telling->context, rows);
}

enum err engine_loyalty_verify(struct engine *engine, engine_breach_fn *breach, engine_verify_progress_fn *progress,
                               void *context, uint64_t *members, uint64_t *breaches, struct diag *diag) {
  struct telling telling = {breach, progress, context, 0};
  struct store_snapshot *snapshot;
  *members = *breaches = 0;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return diag_set(diag, err, "cannot_read", "the workspace cannot be read");
  err = loyalty_check(engine, snapshot, count_breach, tell_progress, &telling, members);
  store_snapshot_close(snapshot);
  *breaches = telling.breaches;
  if (err == ERR_STOPPED) return diag_set(diag, err, "stopped", "it was stopped; nothing was changed");
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}
