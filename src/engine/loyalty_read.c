// loyalty_read.c: what a member has, what moved it, and what a programme owes.
//
// Read from one snapshot, without locks. Wallets are worked up to now in memory before they are told, as a transaction
// would work them up (loyalty/ledger.h), so that no answer depends on when the timers ran; nothing of it is written.
// What a programme owes is a walk over the wallets of all customers, in ranges of ids and several threads.
#include "engine/loyalty_request.h"

#include <stdio.h>

#include "customer/scan.h"
#include "engine/crew.h"
#include "engine/read.h"

enum { VOUCHERS_MAX = 1000, CLEAR_EVERY = 64, POSTING_ID_BYTES = 24 };

// --- wallets as of now -----------------------------------------------------------------------------------------

// Postings of a trial have numbers of their own: they are thrown away.
static enum err next_trial_id(void *context, uint64_t *id) {
  *id = ++*(uint64_t *)context;
  return ERR_OK;
}

struct now { // one reader's
  const struct loyalty_set *set;
  struct arena *arena;
  int64_t now_us;
  uint64_t ids;
  struct diag *diag;
};

static enum err work_up(struct now *now, uint64_t customer, struct loyalty_wallet *wallet) {
  const struct loyalty_programme *programme = loyalty_set_programme(now->set, wallet->programme);
  const struct rule_zone *zone = loyalty_set_zone(now->set, wallet->programme);
  if (programme == NULL || loyalty_due_us(wallet, programme, zone) > now->now_us) return ERR_OK;
  // A reward that is given by itself is given by a write: until then she has her points.
  struct loyalty_programme looked_at = *programme;
  looked_at.reward_count = 0;
  struct loyalty_ledger ledger = {.programme = &looked_at,
                                  .zone = zone,
                                  .wallet = wallet,
                                  .arena = now->arena,
                                  .customer = customer,
                                  .now_us = now->now_us,
                                  .next_id = next_trial_id,
                                  .context = &now->ids,
                                  .diag = now->diag};
  return loyalty_advance(&ledger, now->now_us);
}

static enum err unpack_wallets(struct now *now, uint64_t customer, struct bytes row, struct loyalty_wallet **wallets,
                               size_t *count) {
  int64_t timer_us;
  enum err err = loyalty_row_decode(row, now->arena, &timer_us, wallets, count);
  if (err == ERR_CORRUPT)
    return diag_set(now->diag, err, "corrupt", "the wallets of a customer cannot be read; run `rapport check`");
  for (size_t i = 0; err == ERR_OK && i < *count; i++) err = work_up(now, customer, &(*wallets)[i]);
  return err;
}

static enum err read_wallets(struct now *now, struct store_snapshot *snapshot, uint64_t customer,
                             struct loyalty_wallet **wallets, size_t *count) {
  struct bytes row;
  struct key key;
  customer_key(customer, CUSTOMER_ROW_WALLET, &key);
  enum err err = store_snapshot_get(snapshot, STORE_CUSTOMER, key_view(&key), now->arena, &row);
  return err == ERR_OK ? unpack_wallets(now, customer, row, wallets, count) : err;
}

enum err loyalty_wallets_at(struct store_snapshot *snapshot, const struct loyalty_set *set, uint64_t customer,
                            int64_t now_us, struct arena *arena, struct loyalty_wallet **wallets, size_t *count) {
  struct diag diag;
  diag_init(&diag);
  struct now now = {.set = set, .arena = arena, .now_us = now_us, .diag = &diag};
  return read_wallets(&now, snapshot, customer, wallets, count);
}

// --- a member --------------------------------------------------------------------------------------------------

static enum err write_wallets(struct engine_view *view, uint64_t customer, struct now *now,
                              struct json_writer *writer) {
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = read_wallets(now, view->snapshot, customer, &wallets, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(now->set, wallets[i].programme);
    if (programme == NULL || wallets[i].guest) continue;
    loyalty_wallet_json(&wallets[i], customer, programme, loyalty_set_zone(now->set, programme->number), writer);
  }
  return err;
}

static enum err write_voucher(struct engine_view *view, struct bytes text, struct now *now,
                              struct json_writer *writer) {
  struct loyalty_code code;
  struct bytes row;
  enum err err = store_snapshot_get(view->snapshot, STORE_VOUCHER, text, now->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  err = loyalty_code_decode(row, text, now->arena, &code);
  if (err == ERR_CORRUPT) return diag_set(now->diag, err, "corrupt", "a code cannot be read; run `rapport check`");
  const struct loyalty_voucher *voucher = err == ERR_OK ? loyalty_set_voucher(now->set, code.voucher) : NULL;
  if (voucher == NULL) return err;
  loyalty_code_json(&code, voucher, writer);
  json_object_end(writer);
  return ERR_OK;
}

static enum err write_vouchers(struct engine_view *view, uint64_t customer, struct now *now,
                               struct json_writer *writer) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  loyalty_row_key(&from, customer, 'v', BYTES(""));
  loyalty_row_key(&to, customer, 'w', BYTES(""));
  enum err err = store_snapshot_scan(view->snapshot, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  for (size_t i = 0; err == ERR_OK && i < VOUCHERS_MAX && store_cursor_next(cursor, &key, &row); i++) {
    size_t head = sizeof(uint64_t) + 1;
    struct bytes text = arena_copy(now->arena, bytes_of(key.data + head, key.size_bytes - head));
    err = text.data == NULL ? ERR_NO_MEMORY : write_voucher(view, text, now, writer);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err engine_member_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                            struct diag *diag) {
  const struct loyalty_set *set = loyalty_hold(view->engine);
  struct arena arena;
  arena_init(&arena, 0);
  struct now now = {.set = set, .arena = &arena, .now_us = clock_now_us(view->engine->clock), .diag = diag};
  json_object_begin(writer);
  read_write_id(writer, "customer", customer);
  json_name(writer, "programmes");
  json_array_begin(writer);
  enum err err = set == NULL ? ERR_OK : write_wallets(view, customer, &now, writer);
  json_array_end(writer);
  json_name(writer, "vouchers");
  json_array_begin(writer);
  if (err == ERR_OK && set != NULL) err = write_vouchers(view, customer, &now, writer);
  json_array_end(writer);
  if (err == ERR_OK && set != NULL) err = loyalty_referrals_json(view, customer, set, writer, diag);
  json_object_end(writer);
  arena_release(&arena);
  if (set != NULL) loyalty_set_close(set);
  return read_end(err, writer, diag);
}

enum err loyalty_wallets_now(struct engine_view *view, const struct loyalty_set *set, uint64_t customer,
                             struct arena *arena, struct loyalty_wallet **wallets, size_t *count, struct diag *diag) {
  struct now now = {.set = set, .arena = arena, .now_us = clock_now_us(view->engine->clock), .diag = diag};
  struct bytes row;
  struct key key;
  customer_key(customer, CUSTOMER_ROW_WALLET, &key);
  enum err err = store_snapshot_get(view->snapshot, STORE_CUSTOMER, key_view(&key), arena, &row);
  return err == ERR_OK ? unpack_wallets(&now, customer, row, wallets, count) : engine_explain_failure(err, diag);
}

// --- a statement -----------------------------------------------------------------------------------------------

static enum err read_after(struct bytes after, uint64_t *id, struct diag *diag) {
  *id = UINT64_MAX;
  if (after.size_bytes == 0) return ERR_OK;
  if (after.data[0] == 'p' && bytes_to_u64(bytes_of(after.data + 1, after.size_bytes - 1), id) == ERR_OK) return ERR_OK;
  diag_set(diag, ERR_INVALID, "bad_cursor", "this is not where a page ended; give \"next\" of the page before");
  diag_in_field(diag, "after");
  return ERR_INVALID;
}

struct statement {
  const struct loyalty_set *set;
  uint32_t programme; // 0: all
  size_t limit, count;
  uint64_t last; // told
  bool more;
  struct arena arena;
};

static enum err write_posting(struct statement *statement, uint64_t id, struct bytes row, struct json_writer *writer) {
  struct loyalty_posting posting;
  arena_clear(&statement->arena);
  enum err err = loyalty_posting_decode(row, id, &statement->arena, &posting);
  if (err != ERR_OK || (statement->programme != 0 && posting.programme != statement->programme)) return err;
  const struct loyalty_programme *programme = loyalty_set_programme(statement->set, posting.programme);
  if (programme == NULL) return ERR_OK;
  statement->more = statement->count == statement->limit;
  if (statement->more) return ERR_OK;
  loyalty_posting_json(&posting, programme, writer);
  statement->last = id;
  statement->count++;
  return ERR_OK;
}

static enum err write_postings(struct engine_view *view, uint64_t customer, uint64_t before,
                               struct statement *statement, struct json_writer *writer) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  loyalty_number_row_key(&from, customer, 'p', 0);
  loyalty_number_row_key(&to, customer, 'p', before);
  enum err err = store_snapshot_scan(view->snapshot, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && !statement->more && store_cursor_previous(cursor, &key, &row))
    err = write_posting(statement, key_read_u64(key.data + sizeof(uint64_t) + 1), row, writer);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err no_programme(struct bytes id, struct diag *diag) {
  int size = (int)(id.size_bytes < LOYALTY_ID_BYTES ? id.size_bytes : LOYALTY_ID_BYTES);
  diag_set(diag, ERR_NOT_FOUND, "no_programme", "there is no programme \"%.*s\"", size, (const char *)id.data);
  diag_in_field(diag, "programme");
  return ERR_NOT_FOUND;
}

static void write_next(const struct statement *statement, struct json_writer *writer) {
  char text[POSTING_ID_BYTES];
  json_name(writer, "next");
  if (!statement->more) {
    json_null(writer);
    return;
  }
  snprintf(text, sizeof text, "p%llu", (unsigned long long)statement->last);
  json_text(writer, text);
}

enum err engine_statement_json(struct engine_view *view, uint64_t customer, struct bytes programme, struct bytes after,
                               size_t limit, struct json_writer *writer, struct diag *diag) {
  struct statement statement = {.set = loyalty_hold(view->engine), .limit = limit};
  uint64_t before;
  enum err err = read_after(after, &before, diag);
  const struct loyalty_programme *wanted =
      statement.set == NULL ? NULL : loyalty_set_programme_find(statement.set, programme);
  if (err == ERR_OK && programme.size_bytes > 0 && wanted == NULL) err = no_programme(programme, diag);
  if (programme.size_bytes > 0 && wanted != NULL) statement.programme = wanted->number;
  arena_init(&statement.arena, 0);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  if (err == ERR_OK && statement.set != NULL) err = write_postings(view, customer, before, &statement, writer);
  if (err == ERR_CORRUPT) diag_set(diag, err, "corrupt", "a posting cannot be read; run `rapport check`");
  json_array_end(writer);
  write_next(&statement, writer);
  json_object_end(writer);
  arena_release(&statement.arena);
  if (statement.set != NULL) loyalty_set_close(statement.set);
  return read_end(err, writer, diag);
}

// --- what is owed ----------------------------------------------------------------------------------------------

// Months in which something ends, from January 1970; what ends later counts to the last of them.
enum { FIRST_YEAR = 1970, LAST_YEAR = 2300, MONTHS = (LAST_YEAR - FIRST_YEAR) * 12 };

// An account of a member has 64 bits and there are fewer than 2^64 members: no sum of them passes 128 bits.
__extension__ typedef __int128 sum;
enum { SUM_TEXT_BYTES = 48 };

struct owed { // of one currency
  sum active, pending, held, debt, undated;
  sum by_month[MONTHS];
};

struct counter { // one range of customers
  struct engine *engine;
  struct store_snapshot *snapshot;
  const struct loyalty_set *set;
  const struct loyalty_programme *programme;
  const struct rule_zone *zone;
  int64_t now_us;
  uint64_t from, to; // ids; to 0: to the last
  uint64_t members;
  struct owed *owed; // by currency, in their order
  enum err err;
  struct diag diag;
};

// A day is the last on which an amount can be used.
static sum *month_of(struct owed *owed, const struct rule_zone *zone, int64_t expires_us) {
  struct rule_civil civil;
  if (expires_us == INT64_MAX) return &owed->undated;
  rule_time_civil(zone, expires_us - 1, &civil);
  int month = (civil.year - FIRST_YEAR) * 12 + civil.month - 1;
  return &owed->by_month[month < 0 ? 0 : month >= MONTHS ? MONTHS - 1 : month];
}

static void count_wallet(struct counter *counter, const struct loyalty_wallet *wallet) {
  const struct loyalty_programme *programme = counter->programme;
  counter->members++;
  for (size_t i = 0; i < programme->currency_count; i++) {
    struct owed *owed = &counter->owed[i];
    uint8_t currency = programme->currencies[i].number;
    owed->active += loyalty_amount(wallet, currency, LOYALTY_ACTIVE);
    owed->pending += loyalty_amount(wallet, currency, LOYALTY_PENDING);
    owed->held += loyalty_amount(wallet, currency, LOYALTY_HELD);
    owed->debt += loyalty_amount(wallet, currency, LOYALTY_DEBT);
    for (size_t j = 0; j < wallet->lot_count; j++) {
      const struct loyalty_lot *lot = &wallet->lots[j];
      if (lot->currency != currency) continue;
      *month_of(owed, counter->zone, lot->expires_us) += (sum)lot->pending + lot->active + lot->held;
    }
  }
}

static enum err count_customer(struct counter *counter, uint64_t customer, struct arena *arena) {
  struct now now = {.set = counter->set, .arena = arena, .now_us = counter->now_us, .diag = &counter->diag};
  struct loyalty_wallet *wallets;
  struct bytes row;
  struct key key;
  size_t count;
  customer_key(customer, CUSTOMER_ROW_WALLET, &key);
  enum err err = store_snapshot_get(counter->snapshot, STORE_CUSTOMER, key_view(&key), arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  err = unpack_wallets(&now, customer, row, &wallets, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (wallets[i].programme == counter->programme->number) count_wallet(counter, &wallets[i]);
  return err;
}

static void run_counter(void *item) {
  struct counter *counter = item;
  struct customer_sources sources = engine_sources(counter->engine);
  struct scan_options options = {
      .snapshot = counter->snapshot, .sources = &sources, .from = counter->from, .to = counter->to};
  struct scan *scan = NULL;
  struct facts *facts;
  struct arena arena;
  arena_init(&arena, 0);
  counter->err = scan_open(&scan, &options);
  for (uint64_t i = 1; counter->err == ERR_OK; i++) {
    counter->err = scan_next(scan, &facts);
    if (counter->err == ERR_OK) counter->err = count_customer(counter, facts->id, &arena);
    if (i % CLEAR_EVERY == 0) arena_clear(&arena);
  }
  if (counter->err == ERR_NOT_FOUND) counter->err = ERR_OK;
  scan_close(scan);
  arena_release(&arena);
}

static enum err add_up(struct counter *counters, size_t count) {
  struct counter *all = &counters[0];
  for (size_t i = 0; i < count; i++)
    if (counters[i].err != ERR_OK) return counters[i].err;
  for (size_t i = 1; i < count; i++) {
    all->members += counters[i].members;
    for (size_t j = 0; j < all->programme->currency_count; j++) {
      struct owed *owed = &all->owed[j];
      const struct owed *more = &counters[i].owed[j];
      owed->active += more->active;
      owed->pending += more->pending;
      owed->held += more->held;
      owed->debt += more->debt;
      owed->undated += more->undated;
      for (size_t month = 0; month < MONTHS; month++) owed->by_month[month] += more->by_month[month];
    }
  }
  return ERR_OK;
}

static enum err count_all(struct counter *counters, size_t *count, const struct counter *like, struct arena *arena) {
  uint64_t from[CREW_MAX];
  enum err err = scan_ranges(like->snapshot, crew_size(), from, count);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < *count; i++) {
    counters[i] = *like;
    counters[i].from = from[i];
    counters[i].to = i + 1 < *count ? from[i + 1] : 0;
    counters[i].owed = arena_take_zero(arena, like->programme->currency_count + 1, sizeof *counters[i].owed);
    if (counters[i].owed == NULL) return ERR_NO_MEMORY;
    diag_init(&counters[i].diag);
  }
  crew_run(run_counter, counters, sizeof *counters, *count);
  return add_up(counters, *count);
}

static void write_sum(struct json_writer *writer, const char *name, sum number, int scale) {
  char text[SUM_TEXT_BYTES], *at = text + sizeof text;
  bool negative = number < 0;
  decimal_coefficient rest = negative ? -(decimal_coefficient)number : (decimal_coefficient)number;
  for (int digits = 0; rest > 0 || digits <= scale; digits++, rest /= 10) {
    if (digits == scale && scale > 0) *--at = '.';
    *--at = (char)('0' + (int)(rest % 10));
  }
  if (negative) *--at = '-';
  json_name(writer, name);
  json_raw(writer, bytes_of(at, (size_t)(text + sizeof text - at)));
}

// Half-even.
static decimal_coefficient divide(decimal_coefficient number, uint32_t by) {
  decimal_coefficient whole = number / by, twice = (number % by) * 2;
  return whole + (twice > by || (twice == by && whole % 2 == 1));
}

// What a share of `amount` is worth, to the nearest cent; 0 when the currency has no worth, and null when that passes
// 128 bits: only what 10^8 members have of the largest amounts, each unit worth the largest, comes to so much.
static void write_worth(const struct loyalty_currency *currency, sum amount, uint32_t share, const char *name,
                        struct json_writer *writer) {
  enum { MICROS_OF_A_CENT = 10000 };
  const decimal_coefficient most = ~(decimal_coefficient)0 >> 1;
  decimal_coefficient kept = 0, worth = (decimal_coefficient)currency->worth_micros;
  bool fits = amount >= 0 && (share == 0 || (decimal_coefficient)amount <= most / share);
  if (fits) kept = divide((decimal_coefficient)amount * share, LOYALTY_SHARE_UNIT);
  if (fits && (worth == 0 || kept <= most / worth)) {
    write_sum(writer, name, (sum)divide(kept * worth, MICROS_OF_A_CENT * (uint32_t)loyalty_whole(currency)), 2);
    return;
  }
  json_name(writer, name);
  json_null(writer);
}

static void write_months(const struct owed *owed, int scale, struct json_writer *writer) {
  json_name(writer, "by_month");
  json_array_begin(writer);
  for (int i = 0; i < MONTHS; i++) {
    char month[16];
    if (owed->by_month[i] == 0) continue;
    snprintf(month, sizeof month, "%04d-%02d", FIRST_YEAR + i / 12, i % 12 + 1);
    json_object_begin(writer);
    json_member_text(writer, "month", month);
    write_sum(writer, "amount", owed->by_month[i], scale);
    json_object_end(writer);
  }
  json_array_end(writer);
  write_sum(writer, "undated", owed->undated, scale);
}

static void write_owed(const struct loyalty_currency *currency, const struct owed *owed, struct json_writer *writer) {
  sum all = owed->active + owed->pending + owed->held;
  json_object_begin(writer);
  json_member_bytes(writer, "currency", currency->id);
  write_sum(writer, "active", owed->active, currency->scale);
  write_sum(writer, "pending", owed->pending, currency->scale);
  write_sum(writer, "held", owed->held, currency->scale);
  write_sum(writer, "debt", owed->debt, currency->scale);
  write_worth(currency, all, LOYALTY_SHARE_UNIT, "money", writer);
  write_worth(currency, all, LOYALTY_SHARE_UNIT - currency->breakage, "expected_money", writer);
  write_months(owed, currency->scale, writer);
  json_object_end(writer);
}

static void write_liability(const struct counter *all, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bytes(writer, "programme", all->programme->id);
  json_member_u64(writer, "members", all->members);
  json_name(writer, "currencies");
  json_array_begin(writer);
  for (size_t i = 0; i < all->programme->currency_count; i++)
    write_owed(&all->programme->currencies[i], &all->owed[i], writer);
  json_array_end(writer);
  json_object_end(writer);
}

static enum err liability_in(struct counter *like, struct json_writer *writer, struct diag *diag) {
  struct counter counters[CREW_MAX] = {0};
  struct arena arena;
  size_t count = 0;
  arena_init(&arena, 0);
  enum err err = count_all(counters, &count, like, &arena);
  for (size_t i = 0; err != ERR_OK && i < count; i++)
    if (counters[i].owed != NULL && counters[i].err == err && counters[i].diag.err == err && diag != NULL)
      *diag = counters[i].diag;
  if (err == ERR_OK) write_liability(&counters[0], writer);
  arena_release(&arena);
  return err;
}

enum err engine_liability_json(struct engine *engine, struct bytes programme, struct json_writer *writer,
                               struct diag *diag) {
  const struct loyalty_set *set = loyalty_hold(engine);
  const struct loyalty_programme *wanted = set == NULL ? NULL : loyalty_set_programme_find(set, programme);
  struct counter like = {.engine = engine, .set = set, .programme = wanted, .now_us = clock_now_us(engine->clock)};
  enum err err = wanted == NULL ? no_programme(programme, diag) : store_snapshot_open(engine->store, &like.snapshot);
  if (err == ERR_OK) {
    like.zone = loyalty_set_zone(set, wanted->number);
    err = liability_in(&like, writer, diag);
    store_snapshot_close(like.snapshot);
  }
  if (set != NULL) loyalty_set_close(set);
  return read_end(err, writer, diag);
}
