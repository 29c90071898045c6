// hold: amounts set aside for a checkout, until they are captured, given back, or their time is over.
//
// Invariants: 1. what a lot has in HELD is the sum of the parts that open holds have of it; 2. the parts of a hold are
// in the order in which they were taken, and captured in that order: what is given back is what would be spent last;
// 3. a hold has the id of the posting that opened it.
#include "loyalty/ledger_private.h"

#include <assert.h>
#include <string.h>

enum err ledger_hold_add(struct loyalty_ledger *ledger, const struct loyalty_hold *hold) {
  struct loyalty_wallet *wallet = ledger->wallet;
  void *holds = wallet->holds;
  if (ledger_grow(ledger->arena, &holds, &wallet->hold_capacity, wallet->hold_count, sizeof *hold) != ERR_OK)
    return ERR_NO_MEMORY;
  wallet->holds = holds;
  size_t at = wallet->hold_count++;
  for (; at > 0 && wallet->holds[at - 1].id > hold->id; at--) wallet->holds[at] = wallet->holds[at - 1];
  wallet->holds[at] = *hold;
  return ERR_OK;
}

static void remove_hold(struct loyalty_wallet *wallet, size_t index) {
  wallet->hold_count--;
  memmove(&wallet->holds[index], &wallet->holds[index + 1], (wallet->hold_count - index) * sizeof *wallet->holds);
}

enum err loyalty_hold_open(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                           int64_t amount, int64_t expires_us, uint64_t *hold) {
  struct ledger_mark mark;
  struct ledger_draft draft;
  struct loyalty_hold open = {
      .currency = currency, .amount = amount, .created_us = ledger->now_us, .expires_us = expires_us};
  if (amount <= 0) return ledger_bad_amount(ledger);
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = ledger_draft(ledger, LOYALTY_HOLD, cause, cause->effective_us, &draft);
  if (err == ERR_OK)
    err = ledger_take(ledger, &draft, currency, amount, ledger->now_us, LOYALTY_HELD, &open.parts, &open.part_count);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  open.id = draft.posting.id;
  if (err == ERR_OK) err = ledger_hold_add(ledger, &open);
  if (hold != NULL) *hold = open.id;
  return ledger_end(ledger, &mark, err);
}

// Moves `captured` of the hold's parts to SPENT, in their order, and the rest back.
static enum err settle_parts(struct loyalty_ledger *ledger, struct ledger_draft *draft, const struct loyalty_hold *hold,
                             int64_t captured, struct loyalty_part *parts, size_t *part_count) {
  for (size_t i = 0; i < hold->part_count; i++) {
    struct loyalty_part part = hold->parts[i];
    struct loyalty_lot *lot = ledger_lot_find(ledger->wallet, part.lot);
    assert(lot != NULL && lot->held >= part.amount);
    int64_t spent = part.amount < captured ? part.amount : captured, back = part.amount - spent;
    struct loyalty_entry entry = {.currency = hold->currency, .from = LOYALTY_HELD, .rule = lot->rule};
    captured -= spent;
    entry.to = LOYALTY_SPENT;
    entry.amount = spent;
    enum err err = spent > 0 ? ledger_entry(ledger, draft, lot, entry) : ERR_OK;
    if (err == ERR_OK && spent > 0)
      parts[(*part_count)++] = (struct loyalty_part){lot->id, spent, lot->active_us, lot->expires_us};
    entry.to = LOYALTY_ACTIVE;
    entry.amount = back;
    if (err == ERR_OK && back > 0) err = ledger_entry(ledger, draft, lot, entry);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// Room for parts, also when none will come.
static struct loyalty_part *parts_of(struct loyalty_ledger *ledger, const struct loyalty_hold *hold) {
  return arena_take(ledger->arena, (hold->part_count + 1) * sizeof(struct loyalty_part));
}

enum err ledger_hold_release(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, size_t index,
                             int64_t effective_us) {
  struct loyalty_hold hold = ledger->wallet->holds[index];
  struct loyalty_part *none = parts_of(ledger, &hold);
  struct ledger_draft draft;
  size_t count = 0;
  if (none == NULL) return ERR_NO_MEMORY;
  enum err err = ledger_draft(ledger, LOYALTY_RELEASE, cause, effective_us, &draft);
  if (err == ERR_OK) err = settle_parts(ledger, &draft, &hold, 0, none, &count);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  remove_hold(ledger->wallet, index);
  // What ran out did so then; a person gives back now, whenever it is said to have happened.
  return err == ERR_OK ? ledger_repay(ledger, hold.currency, cause == NULL ? effective_us : ledger->now_us) : err;
}

// ERR_DENIED code "unknown_hold".
static enum err find_hold(struct loyalty_ledger *ledger, uint64_t id, size_t *index) {
  for (*index = 0; *index < ledger->wallet->hold_count; ++*index)
    if (ledger->wallet->holds[*index].id == id) return ERR_OK;
  return ledger_refuse(ledger, "unknown_hold");
}

static enum err capture(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, size_t index, int64_t amount,
                        const struct loyalty_part **parts, size_t *part_count) {
  struct loyalty_hold hold = ledger->wallet->holds[index];
  struct loyalty_part *captured = parts_of(ledger, &hold);
  struct ledger_draft draft;
  size_t count = 0;
  if (captured == NULL) return ERR_NO_MEMORY;
  enum err err = ledger_draft(ledger, LOYALTY_CAPTURE, cause, cause->effective_us, &draft);
  if (err == ERR_OK) err = settle_parts(ledger, &draft, &hold, amount, captured, &count);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  remove_hold(ledger->wallet, index);
  draft.total = amount; // what was given back is no news
  if (err == ERR_OK) err = ledger_tell_of(ledger, &draft, LOYALTY_NEWS_SPENT, hold.currency, cause->rule);
  if (err == ERR_OK) err = ledger_repay(ledger, hold.currency, ledger->now_us);
  if (parts != NULL) *parts = captured;
  if (part_count != NULL) *part_count = count;
  return err == ERR_OK ? ledger_slide(ledger, hold.currency, ledger->now_us) : err;
}

enum err loyalty_hold_capture(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint64_t hold,
                              int64_t amount, const struct loyalty_part **parts, size_t *part_count) {
  struct ledger_mark mark;
  size_t index;
  if (amount < 0) return ledger_bad_amount(ledger);
  enum err err = find_hold(ledger, hold, &index);
  if (err != ERR_OK) return err;
  const struct loyalty_hold *open = &ledger->wallet->holds[index];
  if (ledger->now_us >= open->expires_us) return ledger_refuse(ledger, "HOLD_EXPIRED");
  if (amount > open->amount) return ledger_refuse(ledger, "CAPTURE_EXCEEDS_HOLD");
  if (amount == 0) amount = open->amount;
  err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  return ledger_end(ledger, &mark, capture(ledger, cause, index, amount, parts, part_count));
}

enum err loyalty_hold_void(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint64_t hold) {
  struct ledger_mark mark;
  size_t index;
  enum err err = find_hold(ledger, hold, &index);
  if (err == ERR_OK) err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  return ledger_end(ledger, &mark, ledger_hold_release(ledger, cause, index, cause->effective_us));
}
