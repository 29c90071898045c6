// loyalty_code.c: codes in a transaction: read, given, used, given back.
//
// A code that belongs to a customer is changed under her lock, any other under its own (class CODE). Owners are read
// before the locks and looked at again under them: a code that became somebody's meanwhile asks for her. Codes are
// changed in memory and written once (loyalty_codes_emit). Rows of VOUCHER: a code; a code, 0, redemption. Row of
// LEDGER "v" code, under the customer: the code is hers.
// A redemption never goes: rolled back, it says so, and a second rolling back finds that.
#include "engine/feed.h"
#include "engine/loyalty.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { DRAWS_MAX = 32 };

struct loyalty_codes {
  const struct bytes *orders; // whose rows of ORDERS are locked
  size_t order_count;
  size_t count;
  struct loyalty_held_code items[];
};

static void code_key(struct key *key, struct bytes code) {
  key_init(key);
  key_put_raw(key, code);
}

static void redemption_key(struct key *key, struct bytes code, uint64_t redemption) {
  key_init(key);
  key_put_text(key, code);
  key_put_u64(key, redemption);
}

static int by_text(const void *a, const void *b) {
  return bytes_compare(((const struct loyalty_held_code *)a)->text, ((const struct loyalty_held_code *)b)->text);
}

// --- reading ---------------------------------------------------------------------------------------------------

static enum err read_codes(struct work *work, struct loyalty_codes *codes) {
  struct bytes *keys = arena_take(work->arena, (codes->count + 1) * sizeof *keys);
  struct bytes *rows = arena_take(work->arena, (codes->count + 1) * sizeof *rows);
  if (keys == NULL || rows == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < codes->count; i++) keys[i] = codes->items[i].text;
  enum err err = store_get_many(work->txn, STORE_VOUCHER, keys, codes->count, work->arena, rows);
  for (size_t i = 0; err == ERR_OK && i < codes->count; i++) {
    struct loyalty_held_code *held = &codes->items[i];
    held->there = rows[i].data != NULL;
    if (held->there) err = loyalty_code_decode(rows[i], held->text, work->arena, &held->code);
  }
  if (err == ERR_CORRUPT) diag_set(work->diag, err, "corrupt", "a code cannot be read; run `rapport check`");
  return err;
}

// Every owner is locked by this transaction, or asked for.
static bool owners_are_held(struct work *work, const struct loyalty_codes *codes) {
  bool held = true;
  for (size_t i = 0; i < codes->count; i++) {
    uint64_t owner = codes->items[i].there ? codes->items[i].code.customer : 0;
    if (owner != 0 && work_held_customer(work, owner) == NULL && work_customer(work, owner) == NULL) held = false;
  }
  return held;
}

static enum err lock_rows(struct work *work, const struct loyalty_codes *codes, const struct bytes *orders,
                          size_t order_count) {
  struct bytes *keys = arena_take(work->arena, (codes->count + order_count + 1) * sizeof *keys);
  size_t count = 0;
  if (keys == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < codes->count + order_count; i++) {
    bool order = i >= codes->count;
    if (!order && codes->items[i].there && codes->items[i].code.customer != 0) continue;
    struct key key;
    key_init(&key);
    key_put_u8(&key, order ? 'o' : 'c');
    key_put_raw(&key, order ? orders[i - codes->count] : codes->items[i].text);
    keys[count] = arena_copy(work->arena, key_view(&key));
    if (keys[count++].data == NULL) return diag_no_memory(work->diag);
  }
  return count == 0 ? ERR_OK : store_lock_many(work->txn, STORE_LOCK_CODE, keys, count);
}

enum err loyalty_codes_lock(struct work *work, const struct bytes *codes, size_t count, const struct bytes *orders,
                            size_t order_count) {
  assert(work->codes == NULL);
  struct loyalty_codes *held = arena_take_zero(work->arena, 1, sizeof *held + count * sizeof(struct loyalty_held_code));
  if (held == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) held->items[i].text = codes[i];
  if (count > 1) qsort(held->items, count, sizeof *held->items, by_text);
  for (size_t i = 0; i < count; i++)
    if (held->count == 0 || by_text(&held->items[held->count - 1], &held->items[i]) != 0)
      held->items[held->count++] = held->items[i];
  enum err err = read_codes(work, held);
  if (err == ERR_OK && !owners_are_held(work, held)) return ERR_CONFLICT;
  if (err == ERR_OK) err = lock_rows(work, held, orders, order_count);
  if (err == ERR_OK) err = read_codes(work, held); // as they are under their locks
  if (err == ERR_OK && !owners_are_held(work, held)) return ERR_CONFLICT;
  held->orders = orders;
  held->order_count = order_count;
  if (err == ERR_OK) work->codes = held;
  return err;
}

bool loyalty_order_is_locked(const struct work *work, struct bytes order) {
  for (size_t i = 0; work->codes != NULL && i < work->codes->order_count; i++)
    if (bytes_equal(work->codes->orders[i], order)) return true;
  return false;
}

static struct loyalty_held_code *find_held(const struct work *work, struct bytes code) {
  struct loyalty_held_code wanted = {.text = code};
  return work->codes == NULL || work->codes->count == 0
             ? NULL
             : bsearch(&wanted, work->codes->items, work->codes->count, sizeof wanted, by_text);
}

struct loyalty_held_code *loyalty_code_of(struct work *work, struct bytes code) {
  struct loyalty_held_code *found = find_held(work, code);
  assert(found != NULL);
  return found;
}

static enum err write_code(struct work *work, struct bytes text, const struct loyalty_code *code) {
  struct key key;
  code_key(&key, text);
  buffer_clear(work->buffer);
  loyalty_code_encode(code, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_VOUCHER, key_view(&key), buffer_view(work->buffer));
}

enum err loyalty_codes_emit(struct work *work) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && work->codes != NULL && i < work->codes->count; i++) {
    const struct loyalty_held_code *held = &work->codes->items[i];
    if (held->dirty) err = write_code(work, held->text, &held->code);
  }
  return err;
}

// --- telling -----------------------------------------------------------------------------------------------------

struct told_code {
  struct bytes code, voucher, programme, order, reason;
  int64_t cents;
};

static void put_member(struct value_builder *builder, const char *name, struct bytes text) {
  if (text.size_bytes == 0) return;
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

static void put_code(struct value_builder *builder, void *context) {
  const struct told_code *told = context;
  put_member(builder, "code", told->code);
  put_member(builder, "voucher", told->voucher);
  put_member(builder, "programme", told->programme);
  put_member(builder, "order_id", told->order);
  put_member(builder, "reason", told->reason);
  if (told->cents == 0) return;
  struct decimal amount = decimal_from_i64(told->cents);
  amount.exponent = -2;
  value_put_name(builder, BYTES("amount"));
  value_put_number(builder, amount);
}

static enum err tell(struct work *work, struct work_customer *customer, const char *name, uint32_t number,
                     struct told_code *told, int64_t at_us) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, number);
  const struct loyalty_programme *programme =
      voucher == NULL ? NULL : loyalty_set_programme(work->loyalty, voucher->programme);
  if (customer == NULL) return ERR_OK;
  if (voucher != NULL) told->voucher = voucher->id;
  if (programme != NULL) told->programme = programme->id;
  if (at_us > work->now_us) at_us = work->now_us;
  enum err err = loyalty_tell(work, customer, name, at_us, put_code, told);
  return err == ERR_OK ? feed_note_code(work, customer->record.id, voucher == NULL ? 0 : voucher->programme, name,
                                        told->code, at_us)
                       : err;
}

// --- giving ------------------------------------------------------------------------------------------------------

// The year of an entitlement, by the programme's clock; 0: once for ever, or each.
static int32_t period_of(const struct work *work, const struct loyalty_voucher *voucher) {
  struct rule_civil civil;
  const struct rule_zone *zone = loyalty_set_zone(work->loyalty, voucher->programme);
  if (voucher->entitlement != LOYALTY_ENTITLED_YEAR || zone == NULL) return 0;
  rule_time_civil(zone, work->now_us, &civil);
  return civil.year;
}

// Through the last second of the day that is so long after it was given.
static enum err own_span(const struct work *work, const struct loyalty_voucher *voucher, struct loyalty_span *span) {
  const struct loyalty_currency like = {.validity = LOYALTY_VALID_AFTER, .validity_length = voucher->valid_for};
  *span = (struct loyalty_span){INT64_MIN, INT64_MAX};
  if (voucher->valid_for.count == 0) return ERR_OK;
  return loyalty_expiry(&like, loyalty_set_zone(work->loyalty, voucher->programme), work->now_us, &span->to_us);
}

enum err loyalty_code_add(struct work *work, const struct loyalty_voucher *voucher, struct loyalty_code *code) {
  code->voucher = voucher->number;
  code->created_us = work->now_us;
  code->period = period_of(work, voucher);
  enum err err = code->span.to_us == 0 ? own_span(work, voucher, &code->span) : ERR_OK;
  if (voucher->discount.kind == LOYALTY_CREDIT && code->value == 0)
    code->value = code->balance = voucher->discount.cents;
  if (err == ERR_OK) err = write_code(work, code->code, code);
  if (err != ERR_OK || code->customer == 0) return err;
  struct key key;
  loyalty_row_key(&key, code->customer, 'v', code->code);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), BYTES(""));
}

enum err loyalty_code_issue(struct work *work, struct work_customer *customer, const struct loyalty_voucher *voucher,
                            struct loyalty_code *code) {
  struct told_code told = {.code = code->code};
  enum err err = loyalty_code_add(work, voucher, code);
  return err == ERR_OK ? tell(work, customer, "Voucher Issued", voucher->number, &told, work->now_us) : err;
}

enum err loyalty_code_draw(struct work *work, const struct loyalty_voucher *voucher, struct bytes *code) {
  char text[LOYALTY_CODE_BYTES + 1];
  loyalty_code_make(voucher->prefix, voucher->code_length == 0 ? LOYALTY_CODE_LENGTH : voucher->code_length, text);
  *code = arena_copy(work->arena, bytes_from_text(text));
  return code->data == NULL ? diag_no_memory(work->diag) : ERR_OK;
}

// Short codes of a voucher that gave many may be there already.
static enum err draw_free(struct work *work, const struct loyalty_voucher *voucher, struct bytes *code) {
  struct bytes row;
  for (int tries = 0; tries < DRAWS_MAX; tries++) {
    struct key key;
    enum err err = loyalty_code_draw(work, voucher, code);
    if (err != ERR_OK) return err;
    code_key(&key, *code);
    err = store_get(work->txn, STORE_VOUCHER, key_view(&key), work->arena, &row);
    if (err != ERR_OK || row.data == NULL) return err;
  }
  return diag_set(work->diag, ERR_LIMIT, "too_many", "nearly all codes of this length were given: make them longer");
}

enum err loyalty_give(struct work *work, struct work_customer *customer, uint32_t voucher, uint64_t cause, bool paid,
                      struct loyalty_code *given) {
  const struct loyalty_voucher *document = loyalty_set_voucher(work->loyalty, voucher);
  *given = (struct loyalty_code){0};
  if (document == NULL || document->archived) return ERR_OK;
  struct loyalty_code code = {.customer = customer->record.id, .paid = paid, .cause = cause};
  enum err err = draw_free(work, document, &code.code);
  *given = code;
  return err == ERR_OK ? loyalty_code_issue(work, customer, document, given) : err;
}

// --- using -------------------------------------------------------------------------------------------------------

enum err loyalty_redemption_write(struct work *work, const struct loyalty_redemption *redemption) {
  struct key key;
  redemption_key(&key, redemption->code, redemption->id);
  buffer_clear(work->buffer);
  loyalty_redemption_encode(redemption, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_VOUCHER, key_view(&key), buffer_view(work->buffer));
}

static void count_uses(struct work *work, const struct loyalty_voucher *voucher, int64_t uses, int64_t cents) {
  struct loyalty_counter_key used = {.kind = LOYALTY_COUNT_VOUCHER_USES, .number = voucher->number};
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = voucher->number};
  if (voucher->uses_total > 0 && loyalty_counter_is_held(work, &used)) *loyalty_counter_of(work, &used) += uses;
  if (voucher->budget_cents > 0 && loyalty_counter_is_held(work, &money)) *loyalty_counter_of(work, &money) += cents;
}

static enum err count_customer(struct work *work, struct work_customer *customer, const struct loyalty_voucher *voucher,
                               int64_t uses) {
  static const struct loyalty_rule_ref none;
  struct loyalty_ledger *ledger;
  if (customer == NULL || voucher->uses_per_customer == 0) return ERR_OK;
  enum err err = loyalty_ledger_of_guest(work, customer, voucher->programme, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  return loyalty_count(ledger, none, voucher->number, 0, LOYALTY_EVER, work->now_us, uses);
}

// A use of a code, or one less, to the limits of the time it was used at.
static enum err count_limits(struct work *work, struct work_customer *customer, const struct loyalty_voucher *voucher,
                             const struct loyalty_redemption *redemption, int64_t uses) {
  struct loyalty_ledger *ledger = NULL;
  struct loyalty_move move = {.programme = voucher->programme,
                              .what = LOYALTY_MOVE_REDEEM,
                              .cashier = redemption->cashier,
                              .count = uses,
                              .at_us = redemption->time_us};
  enum err err = customer == NULL ? ERR_OK : loyalty_ledger_open(work, customer, voucher->programme, false, &ledger);
  return err == ERR_OK ? loyalty_guard_count(work, ledger, &move) : err;
}

enum err loyalty_redeem(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                        struct loyalty_redemption *redemption) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, held->code.voucher);
  enum err err = engine_next(work->engine, &work->engine->decisions, &redemption->id, work->diag);
  if (err != ERR_OK) return err;
  redemption->customer = customer == NULL ? 0 : customer->record.id;
  redemption->recorded_us = work->now_us;
  held->code.uses++;
  if (voucher->discount.kind == LOYALTY_CREDIT) held->code.balance -= redemption->cents;
  held->dirty = true;
  count_uses(work, voucher, 1, redemption->cents);
  err = count_customer(work, customer, voucher, 1);
  if (err == ERR_OK) err = count_limits(work, customer, voucher, redemption, 1);
  if (err == ERR_OK) err = loyalty_redemption_write(work, redemption);
  struct told_code told = {.code = held->text, .order = redemption->order, .cents = redemption->cents};
  return err == ERR_OK ? tell(work, customer, "Voucher Redeemed", voucher->number, &told, redemption->time_us) : err;
}

enum err loyalty_redemption_read(struct work *work, struct bytes code, uint64_t id,
                                 struct loyalty_redemption *redemption, bool *there) {
  struct bytes row;
  struct key key;
  redemption_key(&key, code, id);
  enum err err = store_get(work->txn, STORE_VOUCHER, key_view(&key), work->arena, &row);
  *there = err == ERR_OK && row.data != NULL;
  if (!*there) return err;
  err = loyalty_redemption_decode(row, work->arena, redemption);
  redemption->id = id;
  redemption->code = code;
  return err == ERR_CORRUPT ? diag_set(work->diag, err, "corrupt", "a redemption cannot be read; run `rapport check`")
                            : err;
}

static enum err add_redemption(struct work *work, struct bytes code, struct bytes key, struct bytes row,
                               struct loyalty_redemption **redemptions, size_t *count, size_t *capacity) {
  if (*count == *capacity) {
    *capacity = *capacity * 2 + 16;
    struct loyalty_redemption *larger = arena_take(work->arena, *capacity * sizeof *larger);
    if (larger == NULL) return ERR_NO_MEMORY;
    if (*count > 0) memcpy(larger, *redemptions, *count * sizeof *larger);
    *redemptions = larger;
  }
  struct loyalty_redemption *redemption = &(*redemptions)[*count];
  enum err err = loyalty_redemption_decode(row, work->arena, redemption);
  if (err != ERR_OK) return err;
  redemption->code = code;
  redemption->id = key_read_u64(key.data + key.size_bytes - sizeof(uint64_t));
  ++*count;
  return ERR_OK;
}

enum err loyalty_redemptions_of(struct work *work, struct bytes code, struct loyalty_redemption **redemptions,
                                size_t *count) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  size_t capacity = 0;
  cursor = NULL;
  *redemptions = NULL;
  *count = 0;
  redemption_key(&from, code, 0);
  redemption_key(&to, code, UINT64_MAX);
  enum err err = store_snapshot_open(work->engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, work->diag);
  err = store_snapshot_scan(snapshot, STORE_VOUCHER, key_view(&from), key_view(&to), &cursor);
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row))
    err = add_redemption(work, code, key, row, redemptions, count, &capacity);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  if (err == ERR_CORRUPT)
    return diag_set(work->diag, err, "corrupt", "a redemption cannot be read; run `rapport check`");
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

enum err loyalty_unredeem(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                          struct loyalty_redemption *redemption) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, redemption->voucher);
  struct loyalty_redemption stored;
  bool there;
  enum err err = loyalty_redemption_read(work, held->text, redemption->id, &stored, &there);
  if (err != ERR_OK || !there || stored.rolled_back || voucher == NULL) return err;
  stored.rolled_back = true;
  stored.rolled_back_us = work->now_us;
  if (held->code.uses > 0) held->code.uses--;
  if (voucher->discount.kind == LOYALTY_CREDIT) held->code.balance += stored.cents;
  held->dirty = true;
  count_uses(work, voucher, -1, -stored.cents);
  // Whoever used it may be another customer by now: the caller found her.
  if (stored.customer != 0) err = count_customer(work, customer, voucher, -1);
  if (err == ERR_OK) err = count_limits(work, stored.customer == 0 ? NULL : customer, voucher, &stored, -1);
  if (err == ERR_OK) err = loyalty_redemption_write(work, &stored);
  *redemption = stored;
  struct told_code told = {.code = held->text, .order = stored.order, .cents = stored.cents};
  return err == ERR_OK ? tell(work, customer, "Voucher Rolled Back", voucher->number, &told, work->now_us) : err;
}

// --- what follows ------------------------------------------------------------------------------------------------

// As it is in this transaction.
static enum err read_own(struct work *work, struct bytes text, struct bytes row, struct loyalty_code *code) {
  const struct loyalty_held_code *held = find_held(work, text);
  if (held == NULL || !held->dirty)
    return row.data == NULL ? ERR_CORRUPT : loyalty_code_decode(row, text, work->arena, code);
  *code = held->code;
  code->code = text;
  return ERR_OK;
}

enum err loyalty_codes_of(struct work *work, uint64_t customer, struct loyalty_code **codes, size_t *count) {
  struct store_cursor *cursor;
  struct bytes key, row, *keys = NULL, *rows;
  struct key from, to;
  size_t capacity = 0;
  *count = 0;
  loyalty_row_key(&from, customer, 'v', BYTES(""));
  loyalty_row_key(&to, customer, 'w', BYTES(""));
  enum err err = store_scan(work->txn, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    if (*count == capacity) {
      struct bytes *larger = arena_take(work->arena, (capacity * 2 + 16) * sizeof *larger);
      if (larger == NULL) err = diag_no_memory(work->diag);
      if (larger == NULL) break;
      if (*count > 0) memcpy(larger, keys, *count * sizeof *larger);
      keys = larger;
      capacity = capacity * 2 + 16;
    }
    keys[*count] =
        arena_copy(work->arena, bytes_of(key.data + sizeof(uint64_t) + 1, key.size_bytes - sizeof(uint64_t) - 1));
    if (keys[(*count)++].data == NULL) err = diag_no_memory(work->diag);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  rows = arena_take(work->arena, (*count + 1) * sizeof *rows);
  *codes = arena_take_zero(work->arena, *count + 1, sizeof **codes);
  if (rows == NULL || *codes == NULL) return diag_no_memory(work->diag);
  if (err == ERR_OK) err = store_get_many(work->txn, STORE_VOUCHER, keys, *count, work->arena, rows);
  for (size_t i = 0; err == ERR_OK && i < *count; i++) err = read_own(work, keys[i], rows[i], &(*codes)[i]);
  return err == ERR_CORRUPT ? diag_set(work->diag, err, "corrupt", "a code cannot be read; run `rapport check`") : err;
}

// One of hers changes: where this transaction holds it already, there.
enum err loyalty_code_write(struct work *work, const struct loyalty_code *code) {
  struct loyalty_held_code *held = find_held(work, code->code);
  if (held == NULL) return write_code(work, code->code, code);
  held->code = *code;
  held->dirty = true;
  return ERR_OK;
}

enum err loyalty_code_end(struct work *work, struct work_customer *customer, struct loyalty_code *code,
                          struct bytes reason) {
  struct told_code told = {.code = code->code, .reason = reason};
  if (code->state == LOYALTY_CODE_CANCELLED) return ERR_OK;
  if (code->uses > 0) {
    code->flagged = true;
    return loyalty_code_write(work, code);
  }
  code->state = LOYALTY_CODE_CANCELLED;
  code->reason = reason;
  enum err err = loyalty_code_write(work, code);
  return err == ERR_OK ? tell(work, customer, "Voucher Cancelled", code->voucher, &told, work->now_us) : err;
}

enum err loyalty_code_tell(struct work *work, struct work_customer *customer, const char *name,
                           const struct loyalty_code *code) {
  struct told_code told = {.code = code->code, .reason = code->reason};
  return tell(work, customer, name, code->voucher, &told, work->now_us);
}

// What a programme leaves alone has no entitlement.
static const struct loyalty_voucher *entitling(const struct work *work, const struct loyalty_code *code) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, code->voucher);
  const struct loyalty_programme *programme =
      voucher == NULL ? NULL : loyalty_set_programme(work->loyalty, voucher->programme);
  return programme != NULL && programme->keep_all_vouchers ? NULL : voucher;
}

enum err loyalty_codes_unite(struct work *work, struct work_customer *customer, struct loyalty_code *codes,
                             size_t count, const bool *restored) {
  const struct loyalty_voucher **vouchers = arena_take(work->arena, (count + 1) * sizeof *vouchers);
  bool *cancelled = arena_take_zero(work->arena, count + 1, sizeof *cancelled);
  enum err err = ERR_OK;
  if (vouchers == NULL || cancelled == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) vouchers[i] = entitling(work, &codes[i]);
  loyalty_codes_deduplicate(codes, vouchers, count, cancelled);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    bool was_cancelled = restored != NULL && restored[i];
    if (cancelled[i] && restored == NULL) err = loyalty_code_end(work, customer, &codes[i], BYTES(LOYALTY_DUPLICATE));
    if (!was_cancelled || err != ERR_OK) continue;
    if (cancelled[i]) {
      codes[i].state = LOYALTY_CODE_CANCELLED;
      codes[i].reason = BYTES(LOYALTY_DUPLICATE);
    }
    err = loyalty_code_write(work, &codes[i]);
    if (err == ERR_OK && !cancelled[i]) err = loyalty_code_tell(work, customer, "Voucher Restored", &codes[i]);
  }
  return err;
}

enum err loyalty_code_void(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                           struct bytes reason) {
  struct told_code told = {.code = held->text, .reason = reason, .cents = held->code.balance};
  held->code.state = LOYALTY_CODE_CANCELLED;
  held->code.reason = reason;
  held->code.balance = 0;
  held->dirty = true;
  return tell(work, customer, "Voucher Cancelled", held->code.voucher, &told, work->now_us);
}

// The gift of a level that a return took away: an unused one goes, a used one is marked.
static enum err take_gift_back(struct work *work, struct work_customer *customer, struct bytes gift) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher_find(work->loyalty, gift);
  struct loyalty_code *codes, *newest = NULL;
  size_t count;
  if (voucher == NULL) return ERR_OK;
  enum err err = loyalty_codes_of(work, customer->record.id, &codes, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (codes[i].voucher == voucher->number && !codes[i].paid && codes[i].state == LOYALTY_CODE_ACTIVE &&
        !codes[i].flagged && (newest == NULL || codes[i].created_us >= newest->created_us))
      newest = &codes[i];
  return err == ERR_OK && newest != NULL ? loyalty_code_end(work, customer, newest, BYTES("TIER_LOST")) : err;
}

struct skipped {
  const struct loyalty_programme *programme;
  struct bytes voucher, by;
  const char *by_name;
};

static void put_skipped(struct value_builder *builder, void *context) {
  const struct skipped *skipped = context;
  put_member(builder, "programme", skipped->programme->id);
  put_member(builder, "voucher", skipped->voucher);
  put_member(builder, "reason", BYTES("unknown_voucher"));
  put_member(builder, skipped->by_name, skipped->by);
}

enum err loyalty_skip(struct work *work, struct work_customer *customer, const struct loyalty_programme *programme,
                      struct bytes voucher, const char *by_name, struct bytes by) {
  struct skipped skipped = {programme, voucher, by, by_name};
  return loyalty_tell(work, customer, "Voucher Skipped", work->now_us, put_skipped, &skipped);
}

static enum err give_gift(struct work *work, struct work_customer *customer, const struct loyalty_programme *programme,
                          const struct loyalty_level *level, uint64_t cause) {
  const struct loyalty_voucher *voucher =
      level->gift.size_bytes == 0 ? NULL : loyalty_set_voucher_find(work->loyalty, level->gift);
  struct loyalty_code given;
  if (level->gift.size_bytes == 0) return ERR_OK;
  if (voucher == NULL) return loyalty_skip(work, customer, programme, level->gift, "tier", level->id);
  return loyalty_give(work, customer, voucher->number, cause, false, &given);
}

enum err loyalty_follow(struct work *work, struct work_customer *customer, struct loyalty_ledger *ledger,
                        const struct loyalty_news *news) {
  const struct loyalty_programme *programme = ledger->programme;
  const struct loyalty_level *level = loyalty_level_at(programme, news->level);
  const struct loyalty_level *before = loyalty_level_at(programme, news->before);
  if (news->kind == LOYALTY_NEWS_UPGRADED && level != NULL)
    return give_gift(work, customer, programme, level, news->posting);
  if (news->kind == LOYALTY_NEWS_DOWNGRADED && news->by_return && before != NULL && before->gift.size_bytes > 0)
    return take_gift_back(work, customer, before->gift);
  return news->kind == LOYALTY_NEWS_REWARD ? loyalty_reward_given(work, customer, ledger, news) : ERR_OK;
}
