// loyalty_release.c: amounts of an order that wait for an event.
//
// The event names the order, or somebody says by the order's id that it came. Only amounts that wait for an event are
// released: those that wait for a day go on waiting. What is active already stays as it is, so a second time is
// harmless.
#include "engine/loyalty.h"

// Is it events of this name for which this currency waits? Whoever names none means whatever waits, also what a version
// of the programme before made wait.
static bool waits(const struct work *work, const struct loyalty_posted *posted, uint32_t name) {
  uint8_t currency = posted->currency;
  return name == 0 || loyalty_set_releases(work->loyalty, posted->programme, name, &currency);
}

static bool is_of(const struct loyalty_posted *posted, uint64_t lot) {
  for (size_t i = 0; i < posted->lot_count; i++)
    if (posted->lots[i].id == lot) return true;
  return false;
}

// What is pending without a day, of what the order posted.
static size_t waiting_lots(const struct loyalty_wallet *wallet, const struct loyalty_posted *posted, uint64_t *lots,
                           int64_t *amount) {
  size_t count = 0;
  *amount = 0;
  for (size_t i = 0; i < wallet->lot_count && count < posted->lot_count; i++) {
    const struct loyalty_lot *lot = &wallet->lots[i];
    if (lot->pending == 0 || lot->active_us != INT64_MAX || !is_of(posted, lot->id)) continue;
    lots[count++] = lot->id;
    *amount += lot->pending; // of one account, so the sum is no larger than it
  }
  return count;
}

static void tell(const struct work *work, const struct loyalty_posted *posted, int64_t amount,
                 struct json_writer *writer) {
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, posted->programme);
  const struct loyalty_currency *currency = loyalty_currency_at(programme, posted->currency);
  json_object_begin(writer);
  json_member_bytes(writer, "programme", programme->id);
  json_member_bytes(writer, "currency", currency->id);
  json_member_scaled(writer, "amount", amount, currency->scale);
  json_object_end(writer);
}

static enum err release_one(struct loyalty_kit *kit, const struct loyalty_order *order,
                            const struct loyalty_posted *posted, int64_t at_us, struct json_writer *writer) {
  struct work *work = kit->work;
  struct loyalty_ledger *ledger;
  int64_t amount;
  enum err err = loyalty_ledger_open(work, kit->customer, posted->programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  uint64_t *lots = arena_take(work->arena, (posted->lot_count + 1) * sizeof *lots);
  if (lots == NULL) return diag_no_memory(work->diag);
  size_t count = waiting_lots(ledger->wallet, posted, lots, &amount);
  if (count == 0) return ERR_OK;
  struct loyalty_cause cause = {.reference = order->id,
                                .effective_us = at_us < ledger->now_us ? at_us : ledger->now_us};
  err = loyalty_release_lots(ledger, &cause, lots, count);
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err == ERR_OK && writer != NULL) tell(work, posted, amount, writer);
  return err;
}

enum err loyalty_order_release(struct loyalty_kit *kit, const struct loyalty_order *order, uint32_t name, int64_t at_us,
                               struct json_writer *writer) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < order->posted_count; i++)
    if (waits(kit->work, &order->posted[i], name)) err = release_one(kit, order, &order->posted[i], at_us, writer);
  return err;
}

bool loyalty_releases(const struct work *work, uint32_t name) {
  for (size_t i = 0; i < loyalty_set_programmes(work->loyalty); i++) {
    uint8_t currency = 0;
    if (loyalty_set_releases(work->loyalty, loyalty_set_programme_at(work->loyalty, i)->number, name, &currency))
      return true;
  }
  return false;
}

enum err loyalty_release_event(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes id,
                               const char **refusal) {
  struct loyalty_order *order;
  enum err err = loyalty_order_read(kit->work, kit->customer->record.id, id, &order);
  if (err == ERR_OK && order == NULL) *refusal = "no_order";
  return err == ERR_OK && order != NULL ? loyalty_order_release(kit, order, event->name, event->at_us, NULL) : err;
}
