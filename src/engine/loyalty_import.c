// loyalty_import.c: members of other programmes, with their balances and open vouchers.
//
// Each member is an event "Identified" with her identifiers, so that identity decides who she is, and in the same
// transaction her lots and vouchers. What is known of her: row "x" (loyalty_external.h): varints customer, count, then
// currency and amount of each. The same again moves nothing; another amount is a correction of the difference.
// For real, each member is a transaction of her own, and one that is refused leaves the others alone. A dry run is the
// same code without the commit, and those who share an identifier go in one transaction, so that it can be seen who of
// them are one person; it takes as many at once as a transaction may.
// loyalty_import_read.c reads them, loyalty_import_tell.c says what became of them.
#include "engine/loyalty_import.h"

#include <stdlib.h>

#include "base/varint.h"
#include "engine/parts.h"

#define CORRECTION "IMPORT_CORRECTION"

// --- in a transaction ----------------------------------------------------------------------------------------------

// Those of one transaction.
struct group {
  struct import *import;
  struct import_item **items;
  size_t count;
};

static enum err read_known(struct work *work, struct import_item *item, bool *known, struct import_sum before[]) {
  struct bytes row;
  enum err err = external_get(work, &item->external, &row);
  *known = err == ERR_OK && row.data != NULL;
  if (!*known) return err;
  struct varint_reader reader = varint_reader_of(row);
  (void)varint_read(&reader); // whose it was then: she may be another by now
  size_t count = (size_t)varint_read_up_to(&reader, LOYALTY_CURRENCIES_MAX);
  for (size_t i = 0; i < count; i++) {
    before[i].currency = (uint8_t)varint_read_up_to(&reader, UINT8_MAX);
    before[i].amount = varint_read_signed(&reader);
  }
  return reader.failed ? diag_set(work->diag, ERR_CORRUPT, "corrupt", "a member that was imported cannot be read")
                       : ERR_OK;
}

static enum err write_known(struct work *work, const struct import_item *item) {
  uint8_t row[(2 + 2 * LOYALTY_CURRENCIES_MAX) * VARINT_BYTES_MAX], *at = varint_put(row, item->customer);
  at = varint_put(at, item->sum_count);
  for (size_t i = 0; i < item->sum_count; i++) {
    at = varint_put(at, item->sums[i].currency);
    at = varint_put_signed(at, item->sums[i].amount);
  }
  return external_put(work, &item->external, bytes_of(row, (size_t)(at - row)));
}

static struct loyalty_cause cause_of(struct work *work, const struct group *group, const struct import_item *item) {
  return (struct loyalty_cause){
      .reference = item->external.reference,
      .identifier = engine_identifier_text(work->engine, item->event.identifiers[0].identifier, work->arena),
      .author = group->import->call.caller->author,
      .rule = item->external.rule,
      .effective_us = work->now_us};
}

// What the wallet had before stays when it is more.
static void set_standing(struct loyalty_ledger *ledger, const struct import_item *item) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  struct loyalty_wallet *wallet = ledger->wallet;
  if (item->joined_us < wallet->joined_us) wallet->joined_us = item->joined_us;
  for (size_t i = tiers->currency == 0 ? 0 : tiers->level_count; i > 0; i--) {
    if (tiers->levels[i - 1].number == wallet->level) return;
    if (tiers->levels[i - 1].number != item->level) continue;
    wallet->level = item->level;
    wallet->level_since_us = ledger->now_us;
    return;
  }
}

static enum err bring_lots(struct loyalty_ledger *ledger, struct loyalty_cause cause, struct import_item *item) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < item->lot_count; i++) {
    const struct import_lot *lot = &item->lots[i];
    cause.effective_us = lot->earned_us;
    err = loyalty_import(ledger, &cause, lot->currency, lot->amount, lot->earned_us, lot->expires_us, NULL);
  }
  for (size_t i = 0; i < item->sum_count; i++) item->moved[i] = item->sums[i].amount;
  return err;
}

// A currency that is in the file no more is 0 there.
static enum err complete_sums(struct import_item *item, const struct import_sum before[]) {
  for (size_t i = 0; i < LOYALTY_CURRENCIES_MAX && before[i].currency != 0; i++) {
    size_t j = 0;
    while (j < item->sum_count && item->sums[j].currency != before[i].currency) j++;
    if (j == item->sum_count && j < LOYALTY_CURRENCIES_MAX)
      item->sums[item->sum_count++] = (struct import_sum){before[i].currency, 0};
  }
  return ERR_OK;
}

// The difference has the dates of the lot that came last.
static enum err correct_one(struct loyalty_ledger *ledger, const struct loyalty_cause *cause,
                            const struct import_item *item, uint8_t currency, int64_t difference) {
  int64_t expires_us = INT64_MAX;
  if (difference < 0) {
    if (difference == INT64_MIN) return diag_set(ledger->diag, ERR_LIMIT, "overflow", "the difference is too large");
    return loyalty_adjust(ledger, cause, currency, -difference, false);
  }
  for (size_t i = 0; i < item->lot_count; i++)
    if (item->lots[i].currency == currency) expires_us = item->lots[i].expires_us;
  return loyalty_import(ledger, cause, currency, difference, cause->effective_us, expires_us, NULL);
}

static enum err correct(struct loyalty_ledger *ledger, struct loyalty_cause cause, struct import_item *item,
                        const struct import_sum before[]) {
  enum err err = complete_sums(item, before);
  cause.reason = BYTES(CORRECTION);
  item->status = IMPORT_UNCHANGED;
  for (size_t i = 0; err == ERR_OK && i < item->sum_count; i++) {
    int64_t was = 0;
    for (size_t j = 0; j < LOYALTY_CURRENCIES_MAX; j++)
      if (before[j].currency == item->sums[i].currency) was = before[j].amount;
    if (__builtin_sub_overflow(item->sums[i].amount, was, &item->moved[i]))
      return diag_set(ledger->diag, ERR_LIMIT, "overflow", "the difference is too large");
    if (item->moved[i] == 0) continue;
    item->status = IMPORT_CORRECTED;
    err = correct_one(ledger, &cause, item, item->sums[i].currency, item->moved[i]);
  }
  return err;
}

static enum err code_taken(struct work *work, struct bytes code) {
  diag_set(work->diag, ERR_DENIED, "code_taken", "%s (%.*s)", loyalty_refusal_words("code_taken"), BYTES_ARG(code));
  diag_in_field(work->diag, "vouchers");
  return ERR_DENIED;
}

static enum err use_code(struct work *work, struct work_customer *customer, const struct group *group,
                         const struct import_item *item, struct loyalty_held_code *held) {
  struct loyalty_cause cause = cause_of(work, group, item);
  return external_redeem(work, customer, held, cause.identifier, group->import->call.caller->source, work->now_us);
}

static enum err bring_code(struct work *work, struct work_customer *customer, const struct group *group,
                           const struct import_item *item, const struct import_code *brought) {
  struct loyalty_held_code *held = loyalty_code_of(work, brought->code);
  const struct loyalty_voucher *voucher = loyalty_set_voucher_find(work->loyalty, brought->voucher);
  enum err err = ERR_OK;
  if (voucher == NULL)
    return diag_set(work->diag, ERR_NOT_FOUND, "no_voucher", "there is no voucher \"%.*s\"",
                    BYTES_ARG(brought->voucher));
  if (held->there && (held->code.customer != customer->record.id || held->code.voucher != voucher->number))
    return code_taken(work, brought->code);
  if (!held->there) {
    struct loyalty_code code = {.code = brought->code,
                                .customer = customer->record.id,
                                .span = brought->span,
                                .balance = brought->value,
                                .value = brought->value};
    err = loyalty_code_issue(work, customer, voucher, &code);
    held->code = code;
    held->there = true;
  }
  bool uses = brought->used && held->code.uses == 0 && held->code.state == LOYALTY_CODE_ACTIVE;
  return err == ERR_OK && uses ? use_code(work, customer, group, item, held) : err;
}

static enum err bring_codes(struct work *work, struct work_customer *customer, const struct group *group,
                            struct import_item *item) {
  enum err err = ERR_OK;
  if (item->code_count == 0) return ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < item->code_count; i++)
    err = bring_code(work, customer, group, item, &item->codes[i]);
  return err == ERR_OK ? external_unite_codes(work, customer) : err;
}

// What later ones change of those before them: who they are, and which of their vouchers are doubles.
static void look_again(struct work *work, const struct group *group, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct import_item *item = group->items[i];
    const struct work_customer *customer = work_held_customer(work, item->customer);
    if (customer != NULL && customer->record.merged_into != 0) item->customer = customer->record.merged_into;
    for (size_t j = 0; j < item->code_count; j++) {
      const struct loyalty_code *code = &loyalty_code_of(work, item->codes[j].code)->code;
      item->codes[j].cancelled = code->state == LOYALTY_CODE_CANCELLED;
    }
  }
}

static enum err bring(struct work *work, struct work_customer *customer, size_t index, void *context) {
  const struct group *group = context;
  struct import_item *item = group->items[index];
  struct import_sum before[LOYALTY_CURRENCIES_MAX] = {{0, 0}};
  struct loyalty_ledger *ledger;
  bool known;
  if (customer == NULL)
    return diag_set(work->diag, ERR_DENIED, "suppressed", "this person was erased and is not to come back");
  item->customer = customer->record.id;
  item->there_before = !customer->fresh;
  enum err err = read_known(work, item, &known, before);
  if (err == ERR_OK) err = loyalty_ledger_open(work, customer, item->external.programme, true, &ledger);
  if (err != ERR_OK) return err;
  if (ledger == NULL) return diag_set(work->diag, ERR_NOT_FOUND, "no_programme", "the programme is gone");
  struct loyalty_cause cause = cause_of(work, group, item);
  item->status = IMPORT_IMPORTED;
  set_standing(ledger, item);
  err = known ? correct(ledger, cause, item, before) : bring_lots(ledger, cause, item);
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err == ERR_OK) err = bring_codes(work, customer, group, item);
  if (err == ERR_OK) err = write_known(work, item);
  if (err == ERR_OK) look_again(work, group, index + 1);
  return err;
}

static enum err refuse_unapplied(struct group *group, const struct engine_result *results) {
  for (size_t i = 0; i < group->count; i++) {
    const struct engine_result *result = &results[i];
    struct import_item *item = group->items[i];
    if (result->outcome == ENGINE_ASIDE)
      diag_set(&item->diag, ERR_INVALID, result->code, "no identifier of this member names anybody");
    if (result->outcome == ENGINE_SUPPRESSED)
      diag_set(&item->diag, ERR_DENIED, "suppressed", "this person was erased and is not to come back");
    if (result->outcome == ENGINE_ASIDE || result->outcome == ENGINE_SUPPRESSED) item->status = IMPORT_REFUSED;
  }
  return ERR_OK;
}

static enum err run_group(struct group *group, struct store_mark *mark, struct diag *diag) {
  struct engine_event events[LIMIT_TXN_CUSTOMERS];
  struct engine_result results[LIMIT_TXN_CUSTOMERS];
  struct import *import = group->import;
  size_t codes = 0, count = 0;
  for (size_t i = 0; i < group->count; i++) codes += group->items[i]->code_count;
  struct bytes *texts = arena_take(&import->call.arena, (codes + group->count + 1) * sizeof *texts);
  if (texts == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < group->count; i++)
    for (size_t j = 0; j < group->items[i]->code_count; j++) texts[count++] = group->items[i]->codes[j].code;
  for (size_t i = 0; i < group->count; i++) texts[codes + i] = group->items[i]->external.reference;
  for (size_t i = 0; i < group->count; i++) events[i] = group->items[i]->event;
  struct loyalty_request request = {.codes = texts,
                                    .code_count = codes,
                                    .references = texts + codes,
                                    .reference_count = group->count,
                                    .bring = bring,
                                    .context = group};
  enum err err =
      apply_members(import->call.engine, events, group->count, &request, import->dry_run, results, mark, diag);
  return err == ERR_OK ? refuse_unapplied(group, results) : err;
}

static enum err run_alone(struct import *import, struct import_item *item, struct store_mark *mark, struct diag *diag) {
  struct group group = {import, &item, 1};
  diag_init(&item->diag);
  enum err err = run_group(&group, mark, &item->diag);
  if (err == ERR_OK) return ERR_OK;
  item->status = IMPORT_REFUSED;
  if (external_is_refusal(err)) return ERR_OK;
  *diag = item->diag;
  return err;
}

// --- who shares an identifier ----------------------------------------------------------------------------------------

struct holder {
  const struct identifier *identifier;
  size_t item;
};

static int by_identifier(const void *a, const void *b) {
  const struct holder *left = a, *right = b;
  if (left->identifier->type != right->identifier->type)
    return left->identifier->type < right->identifier->type ? -1 : 1;
  int order = bytes_compare(left->identifier->value, right->identifier->value);
  return order != 0 ? order : (left->item > right->item) - (left->item < right->item);
}

static size_t root_of(struct import_item *items, size_t index) {
  while (items[index].group != index) index = items[index].group = items[items[index].group].group;
  return index;
}

static void join(struct import_item *items, size_t a, size_t b) {
  a = root_of(items, a);
  b = root_of(items, b);
  if (a < b)
    items[b].group = a;
  else
    items[a].group = b;
}

static enum err find_groups(struct import *import, struct diag *diag) {
  size_t count = 0, capacity = 0;
  for (size_t i = 0; i < import->count; i++) capacity += import->items[i].event.identifier_count;
  struct holder *holders = arena_take(&import->call.arena, (capacity + 1) * sizeof *holders);
  if (holders == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < import->count; i++) {
    struct import_item *item = &import->items[i];
    for (size_t j = 0; item->diag.err == ERR_OK && j < item->event.identifier_count; j++)
      holders[count++] = (struct holder){&item->event.identifiers[j].identifier, i};
  }
  if (count > 1) qsort(holders, count, sizeof *holders, by_identifier);
  for (size_t i = 1; i < count; i++)
    if (identifier_equal(*holders[i - 1].identifier, *holders[i].identifier))
      join(import->items, holders[i - 1].item, holders[i].item);
  for (size_t i = 0; i < import->count; i++) import->items[i].group = root_of(import->items, i);
  return ERR_OK;
}

static int by_group(const void *a, const void *b) {
  const struct import_item *left = *(struct import_item *const *)a, *right = *(struct import_item *const *)b;
  if (left->group != right->group) return left->group < right->group ? -1 : 1;
  return (left > right) - (left < right);
}

// One that is refused refuses all of a transaction: then each is tried by itself.
static enum err try_group(struct import *import, struct import_item **items, size_t count, struct store_mark *mark,
                          struct diag *diag) {
  struct group group = {import, items, count};
  struct diag own;
  diag_init(&own);
  enum err err = count <= LIMIT_TXN_CUSTOMERS / 4 ? run_group(&group, mark, &own) : ERR_LIMIT;
  if (err != ERR_OK && !external_is_refusal(err)) *diag = own;
  if (err == ERR_OK || !external_is_refusal(err)) return err;
  err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = run_alone(import, items[i], mark, diag);
  return err;
}

static enum err try_all(struct import *import, struct store_mark *mark, struct diag *diag) {
  struct import_item **items = arena_take(&import->call.arena, (import->count + 1) * sizeof(struct import_item *));
  size_t count = 0;
  if (items == NULL) return diag_no_memory(diag);
  enum err err = find_groups(import, diag);
  for (size_t i = 0; i < import->count; i++)
    if (import->items[i].diag.err == ERR_OK) items[count++] = &import->items[i];
  if (count > 1) qsort(items, count, sizeof(struct import_item *), by_group);
  for (size_t i = 0; err == ERR_OK && i < count;) {
    size_t end = i + 1;
    while (end < count && items[end]->group == items[i]->group) end++;
    err = try_group(import, items + i, end - i, mark, diag);
    i = end;
  }
  return err;
}

// --- the call ----------------------------------------------------------------------------------------------------

static enum err run(struct import *import, struct value list, struct json_writer *writer, struct store_mark *mark,
                    struct diag *diag) {
  enum err err = import_read(import, list, diag);
  if (err == ERR_OK && import->dry_run) err = try_all(import, mark, diag);
  for (size_t i = 0; err == ERR_OK && !import->dry_run && i < import->count; i++)
    if (import->items[i].diag.err == ERR_OK) err = run_alone(import, &import->items[i], mark, diag);
  if (err == ERR_OK && !import->dry_run) err = import_find_final(import, diag);
  if (err == ERR_OK) err = import_find_same(import, diag);
  if (err == ERR_OK) import_report(import, writer);
  return err;
}

enum err engine_loyalty_import(struct engine *engine, const struct engine_caller *caller, struct value request,
                               struct json_writer *writer, struct store_mark *mark, struct diag *diag) {
  struct import import = {0};
  struct value list, dry_run;
  enum err err = external_list(engine, request, "items", &list, &import.count, diag);
  if (err != ERR_OK) return err;
  member_call_open(&import.call, engine, caller, request, writer);
  dry_run = import_member(&import, request, "dry_run");
  if (!value_is_absent(dry_run) && !value_as_bool(dry_run, &import.dry_run))
    err = import_bad("dry_run", "wrong_type", "a boolean", diag);
  if (err == ERR_OK && !import.dry_run && import.count > IMPORT_ITEMS_MAX)
    err = diag_set(diag, ERR_LIMIT, "too_many", "at most %d members are imported at once", IMPORT_ITEMS_MAX);
  *mark = store_mark_now(engine->store);
  import.set = loyalty_hold(engine);
  if (err == ERR_OK) err = run(&import, list, writer, mark, diag);
  if (import.set != NULL) loyalty_set_close(import.set);
  member_call_close(&import.call);
  return err;
}
