// loyalty_split.c: a member is parted, and each part has again what came from it.
//
// A posting goes to the part that has the identifier it was booked under, else to the one that the customer became whom
// it was booked on; with it the lots it made, and whatever was taken of them since, in whatever posting: a posting that
// moved lots of two parts is halved (loyalty_rebuild). Orders go by the same rule; codes with the posting that gave
// them, else to whose they were before merges; holds to the part that their id leads to, and are released when they
// took from lots of another. Replies under a reference go to all parts: whoever repeats it may name any of them. What
// was earned once goes with its lot; where there is none it stays earned for all. A voucher that a merge cancelled as a
// double is good again where it is none any more.
#include "engine/loyalty.h"

#include "base/varint.h"

struct side { // of a posting
  uint64_t id;
  uint16_t part, holder; // holder: the part that its customer's id leads to
};

struct splitting {
  struct work *work;
  const struct loyalty_parting *parting;
  uint64_t id; // of the whole
  struct loyalty_row *rows;
  size_t row_count;
  struct loyalty_posting *postings; // ascending by id
  struct side *sides;
  size_t posting_count;
  struct bytes last; // the identifier looked for before, its origin, and what was found
  uint64_t last_origin;
  uint16_t last_part;
  uint16_t part; // being rebuilt
};

// Postings that follow one another mostly name the same identifier.
static enum err part_of(struct splitting *splitting, struct bytes identifier, uint64_t origin, uint16_t *part) {
  const struct loyalty_parting *parting = splitting->parting;
  enum err err = ERR_OK;
  if (splitting->last.data == NULL || splitting->last_origin != origin || !bytes_equal(splitting->last, identifier)) {
    err = parting->part_of(parting->context, identifier, origin, &splitting->last_part);
    splitting->last = identifier;
    splitting->last_origin = origin;
  }
  *part = splitting->last_part;
  return err;
}

static const struct side *side_of(const struct splitting *splitting, uint64_t posting) {
  size_t low = 0, high = splitting->posting_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (splitting->sides[middle].id == posting) return &splitting->sides[middle];
    if (splitting->sides[middle].id < posting)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

// --- postings ------------------------------------------------------------------------------------------------

static enum err read_posting(struct splitting *splitting, const struct loyalty_row *row) {
  struct work *work = splitting->work;
  struct loyalty_posting *posting = &splitting->postings[splitting->posting_count];
  struct side *side = &splitting->sides[splitting->posting_count];
  enum err err = row->rest.size_bytes != sizeof(uint64_t)
                     ? ERR_CORRUPT
                     : loyalty_posting_decode(row->value, key_read_u64(row->rest.data), work->arena, posting);
  if (err == ERR_CORRUPT) return diag_set(work->diag, err, "corrupt", "a posting cannot be read; run `rapport check`");
  if (err != ERR_OK) return diag_no_memory(work->diag);
  splitting->posting_count++;
  side->id = posting->id;
  err = part_of(splitting, posting->identifier, posting->origin, &side->part);
  return err == ERR_OK ? part_of(splitting, BYTES(""), posting->origin, &side->holder) : err;
}

static enum err read_rows(struct splitting *splitting) {
  struct work *work = splitting->work;
  enum err err = loyalty_rows_of(work, splitting->id, &splitting->rows, &splitting->row_count);
  if (err != ERR_OK) return err;
  splitting->posting_count = 0;
  splitting->postings = arena_take(work->arena, (splitting->row_count + 1) * sizeof *splitting->postings);
  splitting->sides = arena_take(work->arena, (splitting->row_count + 1) * sizeof *splitting->sides);
  if (splitting->postings == NULL || splitting->sides == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; err == ERR_OK && i < splitting->row_count; i++)
    if (splitting->rows[i].kind == 'p') err = read_posting(splitting, &splitting->rows[i]);
  return err;
}

// --- holds ---------------------------------------------------------------------------------------------------

// Its id leads to one part: all it took must be there.
static bool is_of_one(const struct splitting *splitting, const struct loyalty_hold *hold) {
  const struct side *own = side_of(splitting, hold->id);
  for (size_t i = 0; own != NULL && i < hold->part_count; i++) {
    const struct side *lot = side_of(splitting, hold->parts[i].lot >> 8);
    if (lot == NULL || lot->part != own->holder) return false;
  }
  return own != NULL;
}

static enum err release_holds(struct splitting *splitting, struct loyalty_ledger *ledger, bool *any) {
  enum err err = ERR_OK;
  for (size_t i = ledger->wallet->hold_count; err == ERR_OK && i-- > 0;) {
    struct loyalty_cause cause = {.reason = BYTES("SPLIT"), .effective_us = ledger->now_us};
    uint64_t id = ledger->wallet->holds[i].id;
    if (is_of_one(splitting, &ledger->wallet->holds[i])) continue;
    *any = true;
    err = loyalty_hold_void(ledger, &cause, id);
    if (err == ERR_OK) err = loyalty_hold_row_void(splitting->work, splitting->id, id);
  }
  return err == ERR_OK && *any ? loyalty_advance(ledger, ledger->now_us) : err;
}

static enum err settle_holds(struct splitting *splitting) {
  struct work *work = splitting->work;
  struct work_customer *whole = splitting->parting->whole;
  struct loyalty_wallet *wallets;
  size_t count;
  bool any = false;
  enum err err = loyalty_wallets(work, whole, &wallets, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_ledger *ledger;
    err = loyalty_ledger_open(work, whole, wallets[i].programme, false, &ledger);
    if (err == ERR_OK && ledger != NULL) err = release_holds(splitting, ledger, &any);
  }
  if (err == ERR_OK) err = loyalty_flush(work, whole);
  return err == ERR_OK && any ? read_rows(splitting) : err;
}

// --- wallets -------------------------------------------------------------------------------------------------

static bool belongs(void *context, const struct loyalty_posting *posting) {
  const struct splitting *splitting = context;
  const struct side *side = side_of(splitting, posting->id);
  return side != NULL && side->part == splitting->part;
}

static enum err postings_of(const struct splitting *splitting, uint32_t programme, struct loyalty_posting **postings,
                            size_t *count) {
  *count = 0;
  *postings = arena_take(splitting->work->arena, (splitting->posting_count + 1) * sizeof **postings);
  if (*postings == NULL) return diag_no_memory(splitting->work->diag);
  for (size_t i = 0; i < splitting->posting_count; i++)
    if (splitting->postings[i].programme == programme) (*postings)[(*count)++] = splitting->postings[i];
  return ERR_OK;
}

static enum err rebuild(struct splitting *splitting, struct work_customer *customer, uint32_t programme,
                        const struct loyalty_posting *postings, size_t count) {
  struct work *work = splitting->work;
  struct loyalty_ledger *ledger;
  struct loyalty_posting *mine;
  size_t mine_count;
  enum err err = loyalty_ledger_open(work, customer, programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  err = loyalty_rebuild(ledger, postings, count, belongs, splitting, &mine, &mine_count);
  for (size_t i = 0; err == ERR_OK && i < mine_count; i++)
    err = loyalty_posting_write(work, customer->record.id, &mine[i]);
  customer->loyalty_changed = true;
  return err;
}

// A part of which nothing was ever booked is no member; the keeper is.
static enum err part_wallet(struct splitting *splitting, const struct loyalty_wallet *wallet, uint16_t part) {
  struct work_customer *customer = splitting->parting->parts[part];
  struct loyalty_posting *postings;
  size_t count;
  bool any = part == splitting->parting->keeper;
  splitting->part = part;
  enum err err = postings_of(splitting, wallet->programme, &postings, &count);
  for (size_t i = 0; i < count && !any; i++) any = belongs(splitting, &postings[i]);
  if (err != ERR_OK || !any) return err;
  if (customer != splitting->parting->whole) err = loyalty_adopt(splitting->work, customer, wallet);
  return err == ERR_OK ? rebuild(splitting, customer, wallet->programme, postings, count) : err;
}

// A debt that came from one part may have been paid with points of another: then that one would be owed something. What
// was paid stays paid.
static enum err settle_debt(struct loyalty_ledger *const *ledgers, size_t count, size_t owed, uint8_t currency) {
  static const struct loyalty_cause split = {.reason = BYTES_INIT("SPLIT")};
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_cause cause = split;
    if (ledgers[i] == NULL || i == owed) continue;
    int64_t rest = loyalty_amount(ledgers[owed]->wallet, currency, LOYALTY_DEBT);
    int64_t debt = -loyalty_amount(ledgers[i]->wallet, currency, LOYALTY_DEBT);
    if (rest <= 0 || debt <= 0) continue;
    cause.effective_us = ledgers[i]->now_us;
    err = loyalty_pass_debt(ledgers[owed], ledgers[i], &cause, currency, rest < debt ? rest : debt);
  }
  return err;
}

static enum err settle_debts(struct loyalty_ledger *const *ledgers, size_t count) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; err == ERR_OK && ledgers[i] != NULL && j < ledgers[i]->programme->currency_count; j++)
      err = settle_debt(ledgers, count, i, ledgers[i]->programme->currencies[j].number);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (ledgers[i] != NULL) err = loyalty_advance(ledgers[i], ledgers[i]->now_us);
  return err;
}

// The keeper last: the wallet of the whole is what the others are copied from.
static enum err part_one(struct splitting *splitting, const struct loyalty_wallet *wallet) {
  const struct loyalty_parting *parting = splitting->parting;
  struct loyalty_ledger **ledgers = arena_take_zero(splitting->work->arena, parting->part_count, sizeof *ledgers);
  if (ledgers == NULL) return diag_no_memory(splitting->work->diag);
  enum err err = ERR_OK;
  for (uint16_t part = 0; err == ERR_OK && part < parting->part_count; part++)
    if (part != parting->keeper) err = part_wallet(splitting, wallet, part);
  if (err == ERR_OK) err = part_wallet(splitting, wallet, parting->keeper);
  for (uint16_t part = 0; err == ERR_OK && part < parting->part_count; part++)
    err = loyalty_ledger_open(splitting->work, parting->parts[part], wallet->programme, false, &ledgers[part]);
  return err == ERR_OK ? settle_debts(ledgers, parting->part_count) : err;
}

static enum err part_wallets(struct splitting *splitting) {
  const struct loyalty_parting *parting = splitting->parting;
  struct work *work = splitting->work;
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = loyalty_wallets(work, parting->whole, &wallets, &count);
  struct loyalty_wallet *copies = arena_take(work->arena, (count + 1) * sizeof *copies);
  if (err == ERR_OK && copies == NULL) err = diag_no_memory(work->diag);
  if (err != ERR_OK) return err;
  if (count > 0) memcpy(copies, wallets, count * sizeof *copies);
  for (size_t i = 0; err == ERR_OK && i < splitting->row_count; i++)
    if (splitting->rows[i].kind == 'p') err = store_delete(work->txn, STORE_LEDGER, splitting->rows[i].key);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = part_one(splitting, &copies[i]);
  bool kept = parting->parts[parting->keeper] == parting->whole;
  return err == ERR_OK && !kept ? loyalty_leave(work, parting->whole, splitting->id) : err;
}

// --- rows ----------------------------------------------------------------------------------------------------

static uint64_t id_of(const struct splitting *splitting, uint16_t part) {
  return splitting->parting->parts[part]->record.id;
}

static enum err move_row(struct splitting *splitting, const struct loyalty_row *row, uint16_t part,
                         struct bytes value) {
  struct key key;
  enum err err = store_delete(splitting->work->txn, STORE_LEDGER, row->key);
  loyalty_row_key(&key, id_of(splitting, part), row->kind, row->rest);
  return err == ERR_OK ? store_put(splitting->work->txn, STORE_LEDGER, key_view(&key), value) : err;
}

static enum err copy_row(struct splitting *splitting, const struct loyalty_row *row) {
  enum err err = ERR_OK;
  for (uint16_t part = 0; err == ERR_OK && part < splitting->parting->part_count; part++)
    err = move_row(splitting, row, part, row->value);
  return err;
}

static enum err part_order(struct splitting *splitting, const struct loyalty_row *row) {
  struct work *work = splitting->work;
  struct loyalty_order order;
  uint16_t part;
  enum err err = loyalty_order_decode(row->value, work->arena, &order);
  if (err == ERR_CORRUPT) return diag_set(work->diag, err, "corrupt", "an order cannot be read; run `rapport check`");
  if (err == ERR_OK) err = part_of(splitting, order.identifier, order.origin, &part);
  if (err == ERR_OK) err = move_row(splitting, row, part, row->value);
  return err == ERR_OK ? loyalty_order_hand_over(work, row->rest, splitting->id, id_of(splitting, part)) : err;
}

static enum err part_hold(struct splitting *splitting, const struct loyalty_row *row) {
  const struct side *side =
      row->rest.size_bytes == sizeof(uint64_t) ? side_of(splitting, key_read_u64(row->rest.data)) : NULL;
  return move_row(splitting, row, side == NULL ? splitting->parting->keeper : side->holder, row->value);
}

static enum err part_once(struct splitting *splitting, const struct loyalty_row *row) {
  uint64_t lot;
  enum err err = loyalty_once_lot(splitting->work, row->value, &lot);
  if (err != ERR_OK) return err;
  const struct side *side = side_of(splitting, lot >> 8);
  return side == NULL ? copy_row(splitting, row) : move_row(splitting, row, side->part, row->value);
}

static enum err part_referral(struct splitting *splitting, const struct loyalty_row *row) {
  struct bytes identifier;
  uint64_t origin;
  uint16_t part = splitting->parting->keeper;
  enum err err = loyalty_referral_origin(splitting->work, row->value, &identifier, &origin);
  if (err == ERR_OK) err = part_of(splitting, identifier, origin, &part);
  return err == ERR_OK ? move_row(splitting, row, part, row->value) : err;
}

// What was paid with lots of several parts is not put back any more: no part has all of it.
static enum err part_reward(struct splitting *splitting, const struct loyalty_row *row) {
  uint64_t posting, *lots;
  size_t count;
  enum err err = loyalty_reward_lots(splitting->work, row->value, &posting, &lots, &count);
  if (err != ERR_OK) return err;
  const struct side *side = side_of(splitting, posting);
  bool whole = side != NULL;
  for (size_t i = 0; i < count && whole; i++) {
    const struct side *lot = side_of(splitting, lots[i] >> 8);
    whole = lot != NULL && lot->part == side->part;
  }
  return whole ? move_row(splitting, row, side->part, row->value)
               : store_delete(splitting->work->txn, STORE_LEDGER, row->key);
}

// --- codes ---------------------------------------------------------------------------------------------------

struct given { // a code and its part
  struct loyalty_code *code;
  uint16_t part;
};

static enum err part_code(struct splitting *splitting, const struct loyalty_row *row, struct given *given) {
  uint64_t origin = splitting->id;
  struct varint_reader reader = varint_reader_of(row->value);
  if (row->value.size_bytes > 0) origin = varint_read(&reader);
  const struct side *side = given->code->cause == 0 ? NULL : side_of(splitting, given->code->cause);
  enum err err = side == NULL ? part_of(splitting, BYTES(""), origin, &given->part) : ERR_OK;
  if (side != NULL) given->part = side->part;
  if (err != ERR_OK) return err;
  given->code->customer = id_of(splitting, given->part);
  if (row->value.size_bytes == 0 && origin != given->code->customer) { // it was given to the whole
    uint8_t value[VARINT_BYTES_MAX];
    size_t size = (size_t)(varint_put(value, origin) - value);
    return move_row(splitting, row, given->part, bytes_of(value, size));
  }
  return move_row(splitting, row, given->part, origin == given->code->customer ? BYTES("") : row->value);
}

// What a merge cancelled may be good again.
static enum err restore_codes(struct splitting *splitting, const struct given *given, size_t count, uint16_t part) {
  struct work *work = splitting->work;
  struct loyalty_code *codes = arena_take(work->arena, (count + 1) * sizeof *codes);
  bool *restored = arena_take_zero(work->arena, count + 1, sizeof *restored);
  size_t own = 0;
  if (codes == NULL || restored == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) {
    if (given[i].part != part) continue;
    struct loyalty_code *code = &codes[own];
    *code = *given[i].code;
    restored[own] = code->state == LOYALTY_CODE_CANCELLED && bytes_equal(code->reason, BYTES(LOYALTY_DUPLICATE));
    if (restored[own++]) {
      code->state = LOYALTY_CODE_ACTIVE;
      code->reason = BYTES("");
    }
  }
  return loyalty_codes_unite(work, splitting->parting->parts[part], codes, own, restored);
}

static enum err part_codes(struct splitting *splitting) {
  struct work *work = splitting->work;
  struct loyalty_code *codes;
  size_t count, done = 0;
  enum err err = loyalty_codes_of(work, splitting->id, &codes, &count);
  struct given *given = arena_take(work->arena, (count + 1) * sizeof *given);
  if (err == ERR_OK && given == NULL) err = diag_no_memory(work->diag);
  for (size_t i = 0; err == ERR_OK && i < splitting->row_count; i++) {
    if (splitting->rows[i].kind != 'v' || done == count) continue;
    given[done].code = &codes[done];
    err = part_code(splitting, &splitting->rows[i], &given[done]);
    if (err == ERR_OK) err = loyalty_code_write(work, given[done].code);
    done++;
  }
  for (uint16_t part = 0; err == ERR_OK && part < splitting->parting->part_count; part++)
    err = restore_codes(splitting, given, count, part);
  return err;
}

static enum err lock_orders(struct splitting *splitting) {
  struct work *work = splitting->work;
  struct bytes *orders = arena_take(work->arena, (splitting->row_count + 1) * sizeof *orders);
  size_t count = 0;
  if (orders == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < splitting->row_count; i++)
    if (splitting->rows[i].kind == 'o') orders[count++] = splitting->rows[i].rest;
  return loyalty_codes_lock(work, NULL, 0, orders, count);
}

static enum err part_rows(struct splitting *splitting) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < splitting->row_count; i++) {
    const struct loyalty_row *row = &splitting->rows[i];
    if (row->kind == 'o') err = part_order(splitting, row);
    if (row->kind == 'h') err = part_hold(splitting, row);
    if (row->kind == 'k') err = part_once(splitting, row);
    if (row->kind == 'n') err = copy_row(splitting, row);
    if (row->kind == 'r') err = part_referral(splitting, row);
    if (row->kind == 'w') err = part_reward(splitting, row);
  }
  return err;
}

enum err loyalty_split(struct work *work, const struct loyalty_parting *parting) {
  struct splitting splitting = {.work = work, .parting = parting, .id = parting->whole->record.id};
  if (work->loyalty == NULL) return ERR_OK;
  enum err err = loyalty_advance_all(work, parting->whole);
  if (err == ERR_OK) err = loyalty_flush(work, parting->whole);
  if (err == ERR_OK) err = read_rows(&splitting);
  if (err == ERR_OK) err = settle_holds(&splitting);
  if (err == ERR_OK) err = lock_orders(&splitting);
  if (err == ERR_OK) err = part_codes(&splitting);
  if (err == ERR_OK) err = part_rows(&splitting);
  return err == ERR_OK ? part_wallets(&splitting) : err;
}
