// loyalty_merge.c: two members become one.
//
// Both are worked up to now; then wallets are united and every row of LEDGER that was the loser's is the survivor's.
// Ids of postings, lots and holds are the workspace's, so rows come together as they are, with these exceptions: a
// receipt that both booked (by the till and by the web) stays as the first booking, the second is given back whole;
// what both earned once for one thing stays as the first earning; halves of a posting, which a split made, are one
// again; of two referrals by one programme one stays, and one by herself is reversed; of replies under one reference
// the survivor's stays. At last doubles among her vouchers are cancelled. A loser that has no rows any more has nothing
// to give: repeating a merge changes nothing.
#include "engine/loyalty.h"

#include "base/varint.h"

struct merging {
  struct work *work;
  struct work_customer *survivor, *loser;
  uint64_t from, to; // ids
};

static enum err get(const struct merging *merging, const struct loyalty_row *row, struct key *key,
                    struct bytes *known) {
  loyalty_row_key(key, merging->to, row->kind, row->rest);
  return store_get(merging->work->txn, STORE_LEDGER, key_view(key), merging->work->arena, known);
}

// --- wallets -------------------------------------------------------------------------------------------------

static enum err unite_wallets(struct merging *merging) {
  struct work *work = merging->work;
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = loyalty_advance_all(work, merging->loser);
  if (err == ERR_OK) err = loyalty_advance_all(work, merging->survivor);
  if (err == ERR_OK) err = loyalty_flush(work, merging->loser);
  if (err == ERR_OK) err = loyalty_wallets(work, merging->loser, &wallets, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_ledger *ledger;
    err = loyalty_ledger_open(work, merging->survivor, wallets[i].programme, false, &ledger);
    if (err != ERR_OK) break;
    if (ledger == NULL) {
      err = loyalty_adopt(work, merging->survivor, &wallets[i]);
      continue;
    }
    err = loyalty_unite(ledger, &wallets[i]);
    if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
    merging->survivor->loyalty_changed = true;
  }
  return err == ERR_OK ? loyalty_leave(work, merging->loser, merging->from) : err;
}

// --- postings ------------------------------------------------------------------------------------------------

static enum err corrupt(struct work *work) {
  return diag_set(work->diag, ERR_CORRUPT, "corrupt", "a posting cannot be read; run `rapport check`");
}

static enum err decode_posting(struct work *work, const struct loyalty_row *row, struct bytes value,
                               struct loyalty_posting *posting) {
  if (row->rest.size_bytes != sizeof(uint64_t)) return corrupt(work);
  enum err err = loyalty_posting_decode(value, key_read_u64(row->rest.data), work->arena, posting);
  return err == ERR_CORRUPT ? corrupt(work) : err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

static enum err move_posting(struct merging *merging, const struct loyalty_row *row, struct bytes known) {
  struct work *work = merging->work;
  struct loyalty_posting mine, theirs;
  enum err err = decode_posting(work, row, known, &mine);
  if (err == ERR_OK) err = decode_posting(work, row, row->value, &theirs);
  if (err != ERR_OK) return err;
  struct loyalty_entry *entries = arena_take(work->arena, (mine.entry_count + theirs.entry_count) * sizeof *entries);
  if (entries == NULL) return diag_no_memory(work->diag);
  memcpy(entries, mine.entries, mine.entry_count * sizeof *entries);
  memcpy(entries + mine.entry_count, theirs.entries, theirs.entry_count * sizeof *entries);
  mine.entries = entries;
  mine.entry_count += theirs.entry_count;
  return loyalty_posting_write(work, merging->to, &mine);
}

// --- orders --------------------------------------------------------------------------------------------------

static enum err decode_order(struct work *work, struct bytes value, struct loyalty_order *order) {
  enum err err = loyalty_order_decode(value, work->arena, order);
  if (err == ERR_CORRUPT) return diag_set(work->diag, err, "corrupt", "an order cannot be read; run `rapport check`");
  return err == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

// Each reversal under a name of its own: there may be a third one.
static enum err name_reversal(struct work *work, const struct loyalty_order *second, struct bytes *id) {
  const char *text = arena_format(work->arena, LOYALTY_DOUBLE "-%llu", (unsigned long long)second->posting);
  *id = text == NULL ? BYTES("") : bytes_from_text(text);
  return text == NULL ? diag_no_memory(work->diag) : ERR_OK;
}

static bool is_reversal(const struct loyalty_return *given) {
  return given->id.size_bytes > strlen(LOYALTY_DOUBLE) &&
         memcmp(given->id.data, LOYALTY_DOUBLE, strlen(LOYALTY_DOUBLE)) == 0;
}

static bool has_return(const struct loyalty_order *order, struct bytes id) {
  for (size_t i = 0; i < order->return_count; i++)
    if (bytes_equal(order->returns[i].id, id)) return true;
  return false;
}

// Goods of one receipt came back to whoever booked it second: they came back of the first.
static enum err take_returns(struct loyalty_kit *kit, struct loyalty_order *first, const struct loyalty_order *second) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < second->return_count; i++) {
    const struct loyalty_return *given = &second->returns[i];
    if (is_reversal(given) || has_return(first, given->id) || first->line_count != second->line_count) continue;
    err = loyalty_order_give_back(kit, first, given->id, given->quantities, given->time_us, false, NULL);
    if (err == ERR_DENIED || err == ERR_INVALID) err = ERR_OK; // it was given back to both, under two ids
  }
  return err;
}

// The first one remembers that there was another: nothing of it was given back by that.
static enum err note_double(struct merging *merging, struct loyalty_order *first, const struct loyalty_order *second) {
  struct work *work = merging->work;
  const struct loyalty_return *reversal = &second->returns[second->return_count - 1];
  struct loyalty_return *returns = arena_take_zero(work->arena, first->return_count + 1, sizeof *returns);
  int64_t *none = arena_take_zero(work->arena, first->line_count + 1, sizeof *none);
  if (returns == NULL || none == NULL) return diag_no_memory(work->diag);
  if (first->return_count > 0) memcpy(returns, first->returns, first->return_count * sizeof *returns);
  returns[first->return_count] = (struct loyalty_return){.id = reversal->id,
                                                         .time_us = work->now_us,
                                                         .points = reversal->points,
                                                         .quantities = none,
                                                         .reply = reversal->reply};
  first->returns = returns;
  first->return_count++;
  return ERR_OK;
}

static enum err reverse(struct merging *merging, struct loyalty_order *first, struct loyalty_order *second) {
  struct loyalty_kit kit = {.work = merging->work, .customer = merging->survivor, .reason = BYTES(LOYALTY_DOUBLE)};
  struct bytes id;
  enum err err = name_reversal(merging->work, second, &id);
  if (err == ERR_OK) err = take_returns(&kit, first, second);
  if (err == ERR_OK && second->state != LOYALTY_ORDER_CANCELLED) {
    err = loyalty_order_give_back(&kit, second, id, NULL, merging->work->now_us, true, NULL);
    if (err == ERR_OK) err = note_double(merging, first, second);
    if (err == ERR_DENIED) err = ERR_OK; // everything of it came back already
  }
  return err == ERR_OK ? loyalty_order_write(merging->work, merging->to, first) : err;
}

static enum err move_order(struct merging *merging, const struct loyalty_row *row, struct bytes known) {
  struct work *work = merging->work;
  struct loyalty_order mine, theirs;
  enum err err = loyalty_order_hand_over(work, row->rest, merging->from, merging->to);
  if (err != ERR_OK || known.data == NULL) return err;
  err = decode_order(work, known, &mine);
  if (err == ERR_OK) err = decode_order(work, row->value, &theirs);
  if (err != ERR_OK) return err;
  bool swapped = theirs.posting < mine.posting;
  return reverse(merging, swapped ? &theirs : &mine, swapped ? &mine : &theirs);
}

// --- codes ---------------------------------------------------------------------------------------------------

static enum err move_code(struct merging *merging, const struct loyalty_code *code) {
  struct loyalty_code moved = *code;
  moved.customer = merging->to;
  return loyalty_code_write(merging->work, &moved);
}

static enum err move_codes(struct merging *merging) {
  struct loyalty_code *codes;
  size_t count;
  enum err err = loyalty_codes_of(merging->work, merging->from, &codes, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = move_code(merging, &codes[i]);
  return err;
}

// Whose it was before: a split gives it back.
static enum err move_code_row(struct merging *merging, const struct loyalty_row *row, const struct key *key) {
  uint8_t origin[VARINT_BYTES_MAX];
  struct bytes value = bytes_of(origin, (size_t)(varint_put(origin, merging->from) - origin));
  if (row->value.size_bytes > 0) value = row->value;
  return store_put(merging->work->txn, STORE_LEDGER, key_view(key), value);
}

static enum err unite_codes(struct merging *merging) {
  struct loyalty_code *codes;
  size_t count;
  enum err err = loyalty_codes_of(merging->work, merging->to, &codes, &count);
  return err == ERR_OK ? loyalty_codes_unite(merging->work, merging->survivor, codes, count, NULL) : err;
}

// --- rows ----------------------------------------------------------------------------------------------------

static enum err move_row(struct merging *merging, const struct loyalty_row *row) {
  struct work *work = merging->work;
  struct bytes known, united;
  struct key key;
  enum err err = get(merging, row, &key, &known);
  if (err != ERR_OK) return err;
  if (row->kind == 'o') err = move_order(merging, row, known);
  if (row->kind == 'v') err = move_code_row(merging, row, &key);
  if (row->kind == 'p' && known.data != NULL) err = move_posting(merging, row, known);
  if (row->kind == 'k' && known.data != NULL) {
    err = loyalty_once_unite(work, merging->survivor, row->rest, known, row->value, &united);
    if (err == ERR_OK) err = store_put(work->txn, STORE_LEDGER, key_view(&key), united);
  }
  if (err == ERR_OK && row->kind == 'r' && known.data != NULL)
    err = store_put(work->txn, STORE_LEDGER, key_view(&key), loyalty_referral_unite(known, row->value));
  if (err == ERR_OK && known.data == NULL && row->kind != 'v')
    err = store_put(work->txn, STORE_LEDGER, key_view(&key), row->value);
  return err == ERR_OK ? store_delete(work->txn, STORE_LEDGER, row->key) : err;
}

// Rows of ORDERS are changed under locks that come before those of counters.
static bool orders_are_locked(const struct work *work, const struct loyalty_row *rows, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (rows[i].kind == 'o' && !loyalty_order_is_locked(work, rows[i].rest)) return false;
  return true;
}

enum err loyalty_merge(struct work *work, struct work_customer *survivor, struct work_customer *loser) {
  struct merging merging = {work, survivor, loser, loser->record.id, survivor->record.id};
  struct loyalty_row *rows;
  size_t count;
  if (work->loyalty == NULL) return ERR_OK;
  enum err err = loyalty_rows_of(work, merging.from, &rows, &count);
  if (err != ERR_OK) return err;
  if (!orders_are_locked(work, rows, count)) {
    work_want_merge(work, merging.to, merging.from);
    return ERR_CONFLICT;
  }
  err = unite_wallets(&merging);
  if (err == ERR_OK) err = loyalty_rows_of(work, merging.from, &rows, &count); // with what was written just now
  if (err == ERR_OK) err = move_codes(&merging);
  bool codes = false;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    codes = codes || rows[i].kind == 'v';
    err = move_row(&merging, &rows[i]);
  }
  if (err == ERR_OK && codes) err = unite_codes(&merging);
  return err == ERR_OK ? loyalty_referrals_merge(work, survivor, merging.from) : err;
}
