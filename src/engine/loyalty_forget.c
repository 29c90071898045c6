// loyalty_forget.c: what a person had is ended when she is erased.
//
// The books stay whole: her postings and orders lie under her dead id, a pseudonym that leads nowhere, with amounts,
// dates and rules; what is open ends with the reason ERASED. What names her goes: identifiers, what people wrote about
// her, replies that were kept for callers, what she earned once for this or that. Her codes are cancelled; redemptions
// keep their money and lose the identifier.
#include "engine/audit.h"
#include "engine/loyalty.h"

static enum err end_wallets(struct work *work, struct work_customer *customer) {
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = loyalty_advance_all(work, customer);
  if (err == ERR_OK) err = loyalty_wallets(work, customer, &wallets, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_ledger *ledger;
    err = loyalty_ledger_open(work, customer, wallets[i].programme, false, &ledger);
    if (err != ERR_OK || ledger == NULL) continue;
    struct loyalty_cause cause = {.reason = BYTES(LOYALTY_ERASED), .effective_us = ledger->now_us};
    err = loyalty_erase(ledger, &cause);
  }
  if (err == ERR_OK) err = loyalty_flush(work, customer);
  return err == ERR_OK ? loyalty_leave(work, customer, customer->record.id) : err;
}

static enum err unreadable(struct work *work, enum err err) {
  if (err != ERR_CORRUPT) return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
  return diag_set(work->diag, err, "corrupt", "a row of this member cannot be read; run `rapport check`");
}

// Reasons that the engine gives name nobody; those of people are free text.
static enum err blank_posting(struct work *work, uint64_t customer, const struct loyalty_row *row) {
  struct loyalty_posting posting;
  enum err err = row->rest.size_bytes != sizeof(uint64_t)
                     ? ERR_CORRUPT
                     : loyalty_posting_decode(row->value, key_read_u64(row->rest.data), work->arena, &posting);
  if (err != ERR_OK) return unreadable(work, err);
  if (posting.author.size_bytes > 0) posting.reason = BYTES("");
  posting.identifier = BYTES("");
  return loyalty_posting_write(work, customer, &posting);
}

// Rows of redemptions of others' codes are changed under the locks of those codes.
static enum err blank_redemption(struct work *work, struct bytes code, uint64_t id) {
  struct loyalty_redemption redemption;
  bool there;
  enum err err = loyalty_redemption_read(work, code, id, &redemption, &there);
  if (err != ERR_OK || !there || redemption.identifier.size_bytes == 0) return err;
  redemption.identifier = BYTES("");
  return loyalty_redemption_write(work, &redemption);
}

static enum err blank_order(struct work *work, uint64_t customer, const struct loyalty_row *row) {
  struct loyalty_order order;
  enum err err = unreadable(work, loyalty_order_decode(row->value, work->arena, &order));
  if (err != ERR_OK) return err;
  order.identifier = BYTES("");
  if (order.asked.size_bytes > 0) order.asked = loyalty_asked_nothing();
  for (size_t i = 0; err == ERR_OK && i < order.used_count; i++)
    if (order.used[i].code.size_bytes > 0) err = blank_redemption(work, order.used[i].code, order.used[i].redemption);
  for (size_t i = 0; err == ERR_OK && i < order.tender_count; i++)
    if (order.tenders[i].kind == LOYALTY_TENDER_CARD)
      err = blank_redemption(work, order.tenders[i].code, order.tenders[i].redemption);
  return err == ERR_OK ? loyalty_order_write(work, customer, &order) : err;
}

// --- codes ---------------------------------------------------------------------------------------------------

static size_t codes_of_order(const struct loyalty_order *order, struct bytes *codes, size_t count) {
  for (size_t i = 0; i < order->used_count; i++)
    if (order->used[i].code.size_bytes > 0) codes[count++] = order->used[i].code;
  for (size_t i = 0; i < order->tender_count; i++)
    if (order->tenders[i].kind == LOYALTY_TENDER_CARD) codes[count++] = order->tenders[i].code;
  return count;
}

// Those that her orders used, of whoever they are.
static enum err lock_codes(struct work *work, const struct loyalty_row *rows, size_t row_count) {
  struct bytes *codes = NULL;
  size_t count = 0, capacity = 0;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < row_count; i++) {
    struct loyalty_order order;
    if (rows[i].kind != 'o') continue;
    err = unreadable(work, loyalty_order_decode(rows[i].value, work->arena, &order));
    if (err != ERR_OK) break;
    size_t needed = count + order.used_count + order.tender_count;
    if (codes == NULL || needed > capacity) {
      capacity = needed * 2 + 16;
      struct bytes *larger = arena_take(work->arena, capacity * sizeof *larger);
      if (larger == NULL) return diag_no_memory(work->diag);
      if (count > 0) memcpy(larger, codes, count * sizeof *larger);
      codes = larger;
    }
    count = codes_of_order(&order, codes, count);
  }
  return err == ERR_OK ? loyalty_codes_lock(work, codes, count, NULL, 0) : err;
}

static enum err cancel_codes(struct work *work, uint64_t customer) {
  struct loyalty_code *codes;
  size_t count;
  enum err err = loyalty_codes_of(work, customer, &codes, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    if (codes[i].state == LOYALTY_CODE_CANCELLED) continue;
    codes[i].state = LOYALTY_CODE_CANCELLED;
    codes[i].reason = BYTES(LOYALTY_ERASED);
    err = loyalty_code_write(work, &codes[i]);
  }
  return err;
}

// Of a code of hers every redemption, whoever ordered.
static enum err blank_redemptions(struct work *work, struct bytes code) {
  struct loyalty_redemption *redemptions;
  size_t count;
  enum err err = loyalty_redemptions_of(work, code, &redemptions, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    redemptions[i].identifier = BYTES("");
    err = loyalty_redemption_write(work, &redemptions[i]);
  }
  return err;
}

// What people wrote about her, under whichever id she had then.
static enum err blank_audit(struct work *work, const struct customer *record) {
  uint64_t *ids = arena_take(work->arena, (record->identifier_count + 1) * sizeof *ids);
  size_t count = 0;
  if (ids == NULL) return diag_no_memory(work->diag);
  ids[count++] = record->id;
  for (size_t i = 0; i < record->identifier_count; i++)
    if (record->identifiers[i].founded != 0) ids[count++] = record->identifiers[i].founded;
  enum err err = loyalty_approvals_forget(work, ids, count);
  return err == ERR_OK ? audit_forget(work->txn, ids, count, work->arena, work->diag) : err;
}

enum err loyalty_forget(struct work *work, struct work_customer *customer) {
  uint64_t id = customer->record.id;
  struct loyalty_row *rows;
  size_t count;
  if (work->loyalty == NULL) return ERR_OK;
  enum err err = end_wallets(work, customer);
  if (err == ERR_OK) err = loyalty_rows_of(work, id, &rows, &count);
  if (err == ERR_OK) err = lock_codes(work, rows, count);
  if (err == ERR_OK) err = cancel_codes(work, id);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct loyalty_row *row = &rows[i];
    if (row->kind == 'p') err = blank_posting(work, id, row);
    if (row->kind == 'o') err = blank_order(work, id, row);
    if (row->kind == 'v') err = blank_redemptions(work, row->rest);
    if (row->kind == 'h' || row->kind == 'k' || row->kind == 'n' || row->kind == 'r' || row->kind == 'w')
      err = store_delete(work->txn, STORE_LEDGER, row->key);
  }
  return err == ERR_OK ? blank_audit(work, &customer->record) : err;
}
