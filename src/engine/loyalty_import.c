// loyalty_import.c: members of other programmes, with their balances and open vouchers.
//
// Each member is an event "Identified" with her identifiers, so that identity decides who she is, and in the same
// transaction her lots and vouchers. What is known of her: row "x" (loyalty_external.h): varints customer, count, then
// currency and amount of each. The same again moves nothing; another amount is a correction of the difference.
// For real, each member is a transaction of her own, and one that is refused leaves the others alone. A dry run is the
// same code without the commit, and those who share an identifier go in one transaction, so that it can be seen who of
// them are one person; it takes as many at once as a transaction may.
#include "engine/loyalty_external.h"

#include <stdlib.h>

#include "base/varint.h"
#include "engine/parts.h"
#include "engine/read.h"

#define CORRECTION "IMPORT_CORRECTION"
enum { LOTS_MAX = 256, VOUCHERS_MAX = 256, IMPORT_ITEMS_MAX = 1000 };

struct brought_lot {
  uint8_t currency;
  int64_t amount, earned_us, expires_us;
};

struct brought_code {
  struct bytes code, voucher;
  struct loyalty_span span;
  bool used;
  int64_t value;
  bool cancelled; // as a double
};

struct sum {
  uint8_t currency;
  int64_t amount;
};

enum status { REFUSED, IMPORTED, CORRECTED, UNCHANGED };

struct item {
  struct external external;
  struct engine_event event;
  int64_t joined_us;
  uint8_t level; // 0: not said
  struct brought_lot *lots;
  size_t lot_count;
  struct brought_code *codes;
  size_t code_count;
  struct sum sums[LOYALTY_CURRENCIES_MAX]; // of the lots
  size_t sum_count;
  size_t group; // the first of those with whom it shares an identifier
  // What became of it:
  enum status status;
  uint64_t customer;
  bool there_before;
  size_t same_as;                        // an earlier one; its own index: none
  int64_t moved[LOYALTY_CURRENCIES_MAX]; // of sums
  struct diag diag;
};

struct import {
  struct member_call call; // of the request; its arena is that of the items
  struct item *items;
  size_t count;
  bool dry_run;
  const struct loyalty_set *set;
};

// --- reading -----------------------------------------------------------------------------------------------------

static struct value member_of(const struct import *import, struct value document, const char *name) {
  if (value_is_absent(document) || value_type(document) != VALUE_DOCUMENT) return (struct value){{NULL, 0}};
  return value_member(document, import->call.engine->names, bytes_from_text(name));
}

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err list_of(const struct import *import, struct value document, const char *name, size_t most,
                        struct value *list, size_t *count, struct diag *diag) {
  *list = member_of(import, document, name);
  *count = 0;
  if (value_is_absent(*list)) return ERR_OK;
  if (value_type(*list) != VALUE_LIST) return bad(name, "wrong_type", "a list", diag);
  struct value_iter iter = value_iterate(*list);
  while (value_next(&iter)) ++*count;
  return *count > most ? diag_set(diag, ERR_LIMIT, "too_many", "a member has at most %zu %s", most, name) : ERR_OK;
}

static enum err add_sum(struct item *item, const struct brought_lot *lot, struct diag *diag) {
  size_t i = 0;
  while (i < item->sum_count && item->sums[i].currency != lot->currency) i++;
  if (i == item->sum_count) item->sums[item->sum_count++] = (struct sum){lot->currency, 0};
  if (__builtin_add_overflow(item->sums[i].amount, lot->amount, &item->sums[i].amount))
    return diag_set(diag, ERR_LIMIT, "overflow", "the balance would be larger than 2^63 - 1");
  return ERR_OK;
}

static enum err read_lot(struct import *import, const struct loyalty_programme *programme, struct value raw,
                         struct brought_lot *lot, struct diag *diag) {
  const struct rule_zone *zone = loyalty_set_zone(import->set, programme->number);
  int64_t now_us = clock_now_us(import->call.engine->clock);
  const struct loyalty_currency *currency = NULL;
  import->call.request = raw;
  enum err err = member_call_currency(&import->call, programme, &currency, diag);
  if (err == ERR_OK) err = member_call_amount(&import->call, "amount", currency->scale, false, &lot->amount, diag);
  if (err == ERR_OK) err = external_date(&import->call, "earned_at", zone, false, now_us, &lot->earned_us, diag);
  if (err == ERR_OK) err = external_date(&import->call, "expires_on", zone, true, INT64_MAX, &lot->expires_us, diag);
  if (err != ERR_OK) return err;
  if (lot->earned_us > now_us) return bad("earned_at", "out_of_range", "in the past", diag);
  lot->currency = currency->number;
  return ERR_OK;
}

static enum err read_lots(struct import *import, const struct loyalty_programme *programme, struct value member,
                          struct item *item, struct diag *diag) {
  struct value list;
  size_t count;
  enum err err = list_of(import, member, "lots", LOTS_MAX, &list, &count, diag);
  if (err != ERR_OK) return err;
  item->lots = arena_take_zero(&import->call.arena, count + 1, sizeof *item->lots);
  if (item->lots == NULL) return diag_no_memory(diag);
  struct value_iter iter = value_iterate(list);
  while (err == ERR_OK && value_next(&iter)) {
    struct brought_lot *lot = &item->lots[item->lot_count++];
    err = read_lot(import, programme, iter.item, lot, diag);
    if (err == ERR_OK) err = add_sum(item, lot, diag);
  }
  return err;
}

static enum err read_code(struct import *import, const struct loyalty_programme *programme, struct value raw,
                          struct brought_code *code, struct diag *diag) {
  const struct rule_zone *zone = loyalty_set_zone(import->set, programme->number);
  struct value used = member_of(import, raw, "used"), value = member_of(import, raw, "value");
  int64_t to_us;
  import->call.request = raw;
  enum err err = member_call_text(&import->call, "voucher", true, &code->voucher, diag);
  if (err == ERR_OK) err = external_code(&import->call, &code->code, diag);
  if (err == ERR_OK) err = external_date(&import->call, "valid_to", zone, true, 0, &to_us, diag);
  if (err == ERR_OK && !value_is_absent(value))
    err = member_call_amount(&import->call, "value", 2, false, &code->value, diag);
  if (err != ERR_OK) return err;
  if (code->code.size_bytes == 0) return bad("code", "missing_member", "said", diag);
  if (!value_is_absent(used) && !value_as_bool(used, &code->used)) return bad("used", "wrong_type", "a boolean", diag);
  if (to_us != 0) code->span = (struct loyalty_span){INT64_MIN, to_us};
  const struct loyalty_voucher *voucher = loyalty_set_voucher_find(import->set, code->voucher);
  if (voucher == NULL || voucher->programme != programme->number) {
    diag_set(diag, ERR_NOT_FOUND, "no_voucher", "the programme has no voucher \"%.*s\"", BYTES_ARG(code->voucher));
    diag_in_field(diag, "voucher");
    return ERR_NOT_FOUND;
  }
  return code->value > 0 && voucher->discount.kind != LOYALTY_CREDIT
             ? bad("value", "not_a_card", "left out: this voucher is no card", diag)
             : ERR_OK;
}

static enum err read_codes(struct import *import, const struct loyalty_programme *programme, struct value member,
                           struct item *item, struct diag *diag) {
  struct value list;
  size_t count;
  enum err err = list_of(import, member, "vouchers", VOUCHERS_MAX, &list, &count, diag);
  if (err != ERR_OK) return err;
  item->codes = arena_take_zero(&import->call.arena, count + 1, sizeof *item->codes);
  if (item->codes == NULL) return diag_no_memory(diag);
  struct value_iter iter = value_iterate(list);
  while (err == ERR_OK && value_next(&iter))
    err = read_code(import, programme, iter.item, &item->codes[item->code_count++], diag);
  return err;
}

static enum err add_identifier(struct import *import, struct item *item, struct bytes text, struct diag *diag) {
  struct engine_event *event = &item->event;
  if (event->identifier_count == LIMIT_EVENT_IDENTIFIERS)
    return diag_set(diag, ERR_LIMIT, "too_many", "a member has at most %d identifiers", LIMIT_EVENT_IDENTIFIERS);
  enum err err = parts_identifier(import->call.engine, text, &import->call.arena,
                                  &event->identifiers[event->identifier_count].identifier, diag);
  if (err == ERR_OK) event->identifier_count++;
  return err;
}

// "c42": an identifier that leads to her alone stands for her.
static enum err add_customer(struct import *import, struct item *item, struct bytes text, struct diag *diag) {
  struct engine_view *view;
  uint64_t customer;
  if (memchr(text.data, ':', text.size_bytes) != NULL) return add_identifier(import, item, text, diag);
  enum err err = engine_view_open(import->call.engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = engine_find(view, text, &customer, diag);
  engine_view_close(view);
  if (err == ERR_OK)
    err =
        parts_anchor(import->call.engine, customer, &import->call.arena, &item->event.identifiers[0].identifier, diag);
  if (err == ERR_OK) item->event.identifier_count = 1;
  return err;
}

static enum err read_identifiers(struct import *import, struct value member, struct item *item, struct diag *diag) {
  struct value all = member_of(import, member, "identifiers");
  struct bytes text;
  import->call.request = member;
  enum err err = member_call_text(&import->call, "customer", false, &text, diag);
  if (err == ERR_OK && text.size_bytes > 0) err = add_customer(import, item, text, diag);
  struct value_iter iter = value_iterate(all);
  while (err == ERR_OK && value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, import->call.engine->names);
    if (value_type(iter.item) == VALUE_NULL) continue;
    if (!value_as_text(iter.item, &text)) return bad("identifiers", "wrong_type", "an object of texts", diag);
    const char *pair = arena_format(&import->call.arena, "%.*s:%.*s", BYTES_ARG(name), BYTES_ARG(text));
    err = pair == NULL ? diag_no_memory(diag) : add_identifier(import, item, bytes_from_text(pair), diag);
  }
  if (err != ERR_OK) return err;
  return item->event.identifier_count == 0 ? bad("identifiers", "missing_member", "said, or \"customer\"", diag)
                                           : ERR_OK;
}

static enum err build_message(struct import *import, struct value traits, struct item *item, struct diag *diag) {
  struct value_builder builder;
  struct buffer buffer;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, import->call.engine->names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("type"));
  value_put_text(&builder, BYTES("identify"));
  value_put_name(&builder, BYTES("messageId"));
  value_put_text(&builder, item->event.message_id);
  if (!value_is_absent(traits)) {
    value_put_name(&builder, BYTES("traits"));
    value_put_value(&builder, traits);
  }
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) item->event.message.packed = arena_copy(&import->call.arena, buffer_view(&buffer));
  if (err == ERR_OK && item->event.message.packed.data == NULL) err = ERR_NO_MEMORY;
  buffer_release(&buffer);
  return err == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

static uint64_t mix(uint64_t hash, struct bytes text) {
  for (size_t i = 0; i < text.size_bytes; i++) hash = (hash ^ text.data[i]) * 0x100000001b3ull;
  return (hash ^ 0xff) * 0x100000001b3ull;
}

// Whoever is sent again with other identifiers or traits is told again.
static enum err name_message(struct import *import, struct value traits, struct item *item, struct diag *diag) {
  char hex[EXTERNAL_KEY_BYTES];
  uint64_t said = mix(0xcbf29ce484222325ull, traits.packed);
  for (size_t i = 0; i < item->event.identifier_count; i++) {
    said = (said ^ item->event.identifiers[i].identifier.type) * 0x100000001b3ull;
    said = mix(said, item->event.identifiers[i].identifier.value);
  }
  bytes_to_hex(bytes_of(item->external.hash, sizeof item->external.hash), hex);
  const char *id = arena_format(&import->call.arena, "import:%s:%016llx", hex, (unsigned long long)said);
  if (id == NULL) return diag_no_memory(diag);
  item->event.message_id = bytes_from_text(id);
  return ERR_OK;
}

static enum err read_event(struct import *import, struct value member, struct item *item, struct diag *diag) {
  struct value traits = member_of(import, member, "traits");
  int64_t now_us = clock_now_us(import->call.engine->clock);
  item->event = (struct engine_event){.type = ENGINE_IDENTIFY,
                                      .source = import->call.caller->source,
                                      .trusted = true,
                                      .replay = true,
                                      .time_us = now_us,
                                      .received_us = now_us,
                                      .gives_traits = !value_is_absent(traits),
                                      .amount_code = RULE_AMOUNT_NONE,
                                      .name = import->call.engine->id.identified};
  if (!value_is_absent(traits) && value_type(traits) != VALUE_DOCUMENT)
    return bad("traits", "wrong_type", "an object", diag);
  enum err err = read_identifiers(import, member, item, diag);
  if (err == ERR_OK) err = name_message(import, traits, item, diag);
  return err == ERR_OK ? build_message(import, traits, item, diag) : err;
}

static enum err read_level(struct import *import, const struct loyalty_programme *programme, struct item *item,
                           struct diag *diag) {
  struct bytes id;
  enum err err = member_call_text(&import->call, "tier", false, &id, diag);
  if (err != ERR_OK || id.size_bytes == 0) return err;
  for (size_t i = 0; programme->tiers.currency != 0 && i < programme->tiers.level_count; i++)
    if (bytes_equal(programme->tiers.levels[i].id, id)) item->level = programme->tiers.levels[i].number;
  return item->level == 0 ? bad("tier", "unknown_tier", "a level of the programme", diag) : ERR_OK;
}

static enum err read_item(struct import *import, struct value raw, struct item *item, struct diag *diag) {
  struct value member = member_of(import, raw, "member");
  const struct loyalty_programme *programme = NULL;
  if (value_is_absent(member) || value_type(member) != VALUE_DOCUMENT)
    return bad("member", "missing_member", "an object", diag);
  import->call.request = member;
  enum err err = external_read(&import->call, import->set, 'm', &item->external, &programme, diag);
  if (err != ERR_OK) return err;
  const struct rule_zone *zone = loyalty_set_zone(import->set, programme->number);
  int64_t now_us = clock_now_us(import->call.engine->clock);
  err = external_date(&import->call, "joined_at", zone, false, now_us, &item->joined_us, diag);
  if (err == ERR_OK && item->joined_us > now_us) err = bad("joined_at", "out_of_range", "in the past", diag);
  if (err == ERR_OK) err = read_level(import, programme, item, diag);
  if (err == ERR_OK) err = read_lots(import, programme, member, item, diag);
  if (err == ERR_OK) err = read_codes(import, programme, member, item, diag);
  return err == ERR_OK ? read_event(import, member, item, diag) : err;
}

// --- in a transaction ----------------------------------------------------------------------------------------------

// Those of one transaction.
struct group {
  struct import *import;
  struct item **items;
  size_t count;
};

static enum err read_known(struct work *work, struct item *item, bool *known, struct sum before[]) {
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

static enum err write_known(struct work *work, const struct item *item) {
  uint8_t row[(2 + 2 * LOYALTY_CURRENCIES_MAX) * VARINT_BYTES_MAX], *at = varint_put(row, item->customer);
  at = varint_put(at, item->sum_count);
  for (size_t i = 0; i < item->sum_count; i++) {
    at = varint_put(at, item->sums[i].currency);
    at = varint_put_signed(at, item->sums[i].amount);
  }
  return external_put(work, &item->external, bytes_of(row, (size_t)(at - row)));
}

static struct loyalty_cause cause_of(struct work *work, const struct group *group, const struct item *item) {
  return (struct loyalty_cause){
      .reference = item->external.reference,
      .identifier = engine_identifier_text(work->engine, item->event.identifiers[0].identifier, work->arena),
      .author = group->import->call.caller->author,
      .rule = item->external.rule,
      .effective_us = work->now_us};
}

// What the wallet had before stays when it is more.
static void set_standing(struct loyalty_ledger *ledger, const struct item *item) {
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

static enum err bring_lots(struct loyalty_ledger *ledger, struct loyalty_cause cause, struct item *item) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < item->lot_count; i++) {
    const struct brought_lot *lot = &item->lots[i];
    cause.effective_us = lot->earned_us;
    err = loyalty_import(ledger, &cause, lot->currency, lot->amount, lot->earned_us, lot->expires_us, NULL);
  }
  for (size_t i = 0; i < item->sum_count; i++) item->moved[i] = item->sums[i].amount;
  return err;
}

// A currency that is in the file no more is 0 there.
static enum err complete_sums(struct item *item, const struct sum before[]) {
  for (size_t i = 0; i < LOYALTY_CURRENCIES_MAX && before[i].currency != 0; i++) {
    size_t j = 0;
    while (j < item->sum_count && item->sums[j].currency != before[i].currency) j++;
    if (j == item->sum_count && j < LOYALTY_CURRENCIES_MAX)
      item->sums[item->sum_count++] = (struct sum){before[i].currency, 0};
  }
  return ERR_OK;
}

// The difference has the dates of the lot that came last.
static enum err correct_one(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, const struct item *item,
                            uint8_t currency, int64_t difference) {
  int64_t expires_us = INT64_MAX;
  if (difference < 0) {
    if (difference == INT64_MIN) return diag_set(ledger->diag, ERR_LIMIT, "overflow", "the difference is too large");
    return loyalty_adjust(ledger, cause, currency, -difference, false);
  }
  for (size_t i = 0; i < item->lot_count; i++)
    if (item->lots[i].currency == currency) expires_us = item->lots[i].expires_us;
  return loyalty_import(ledger, cause, currency, difference, cause->effective_us, expires_us, NULL);
}

static enum err correct(struct loyalty_ledger *ledger, struct loyalty_cause cause, struct item *item,
                        const struct sum before[]) {
  enum err err = complete_sums(item, before);
  cause.reason = BYTES(CORRECTION);
  item->status = UNCHANGED;
  for (size_t i = 0; err == ERR_OK && i < item->sum_count; i++) {
    int64_t was = 0;
    for (size_t j = 0; j < LOYALTY_CURRENCIES_MAX; j++)
      if (before[j].currency == item->sums[i].currency) was = before[j].amount;
    if (__builtin_sub_overflow(item->sums[i].amount, was, &item->moved[i]))
      return diag_set(ledger->diag, ERR_LIMIT, "overflow", "the difference is too large");
    if (item->moved[i] == 0) continue;
    item->status = CORRECTED;
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
                         const struct item *item, struct loyalty_held_code *held) {
  struct loyalty_cause cause = cause_of(work, group, item);
  return external_redeem(work, customer, held, cause.identifier, group->import->call.caller->source, work->now_us);
}

static enum err bring_code(struct work *work, struct work_customer *customer, const struct group *group,
                           const struct item *item, const struct brought_code *brought) {
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
                            struct item *item) {
  enum err err = ERR_OK;
  if (item->code_count == 0) return ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < item->code_count; i++)
    err = bring_code(work, customer, group, item, &item->codes[i]);
  return err == ERR_OK ? external_unite_codes(work, customer) : err;
}

// What later ones change of those before them: who they are, and which of their vouchers are doubles.
static void look_again(struct work *work, const struct group *group, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct item *item = group->items[i];
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
  struct item *item = group->items[index];
  struct sum before[LOYALTY_CURRENCIES_MAX] = {{0, 0}};
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
  item->status = IMPORTED;
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
    struct item *item = group->items[i];
    if (result->outcome == ENGINE_ASIDE)
      diag_set(&item->diag, ERR_INVALID, result->code, "no identifier of this member names anybody");
    if (result->outcome == ENGINE_SUPPRESSED)
      diag_set(&item->diag, ERR_DENIED, "suppressed", "this person was erased and is not to come back");
    if (result->outcome == ENGINE_ASIDE || result->outcome == ENGINE_SUPPRESSED) item->status = REFUSED;
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

static enum err run_alone(struct import *import, struct item *item, struct store_mark *mark, struct diag *diag) {
  struct group group = {import, &item, 1};
  diag_init(&item->diag);
  enum err err = run_group(&group, mark, &item->diag);
  if (err == ERR_OK) return ERR_OK;
  item->status = REFUSED;
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

static size_t root_of(struct item *items, size_t index) {
  while (items[index].group != index) index = items[index].group = items[items[index].group].group;
  return index;
}

static void join(struct item *items, size_t a, size_t b) {
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
    struct item *item = &import->items[i];
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
  const struct item *left = *(struct item *const *)a, *right = *(struct item *const *)b;
  if (left->group != right->group) return left->group < right->group ? -1 : 1;
  return (left > right) - (left < right);
}

// One that is refused refuses all of a transaction: then each is tried by itself.
static enum err try_group(struct import *import, struct item **items, size_t count, struct store_mark *mark,
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
  struct item **items = arena_take(&import->call.arena, (import->count + 1) * sizeof(struct item *));
  size_t count = 0;
  if (items == NULL) return diag_no_memory(diag);
  enum err err = find_groups(import, diag);
  for (size_t i = 0; i < import->count; i++)
    if (import->items[i].diag.err == ERR_OK) items[count++] = &import->items[i];
  if (count > 1) qsort(items, count, sizeof(struct item *), by_group);
  for (size_t i = 0; err == ERR_OK && i < count;) {
    size_t end = i + 1;
    while (end < count && items[end]->group == items[i]->group) end++;
    err = try_group(import, items + i, end - i, mark, diag);
    i = end;
  }
  return err;
}

// --- telling
// -----------------------------------------------------------------------------------------------------------

// Those that came later may have made doubles of hers.
static enum err find_codes(struct import *import, struct engine_view *view, struct item *item, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < item->code_count; i++) {
    struct brought_code *code = &item->codes[i];
    struct loyalty_code now;
    struct bytes row;
    err = store_snapshot_get(view->snapshot, STORE_VOUCHER, code->code, &import->call.arena, &row);
    if (err == ERR_OK && row.data != NULL) err = loyalty_code_decode(row, code->code, &import->call.arena, &now);
    if (err == ERR_OK && row.data != NULL) code->cancelled = now.state == LOYALTY_CODE_CANCELLED;
  }
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

// Merges since then: each as who she is at the end.
static enum err find_final(struct import *import, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(import->call.engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  for (size_t i = 0; err == ERR_OK && i < import->count; i++) {
    char reference[CUSTOMER_ID_TEXT_BYTES];
    struct item *item = &import->items[i];
    if (item->status == REFUSED) continue;
    customer_id_format(item->customer, reference);
    err = engine_find(view, bytes_from_text(reference), &item->customer, diag);
    if (err == ERR_NOT_FOUND) err = ERR_OK; // erased meanwhile
    if (err == ERR_OK) err = find_codes(import, view, item, diag);
  }
  engine_view_close(view);
  return err;
}

static int by_customer(const void *a, const void *b) {
  const struct item *left = *(struct item *const *)a, *right = *(struct item *const *)b;
  // In a dry run numbers of new customers are used again by each transaction: with the group they are one.
  if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
  if (left->group != right->group) return left->group < right->group ? -1 : 1;
  return (left > right) - (left < right);
}

static bool is_same(const struct import *import, const struct item *a, const struct item *b) {
  return a->customer == b->customer && (!import->dry_run || a->there_before || a->group == b->group);
}

static enum err find_same(struct import *import, struct diag *diag) {
  struct item **items = arena_take(&import->call.arena, (import->count + 1) * sizeof(struct item *));
  size_t count = 0;
  if (items == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < import->count; i++) {
    import->items[i].same_as = i;
    if (import->items[i].status != REFUSED) items[count++] = &import->items[i];
  }
  if (count > 1) qsort(items, count, sizeof(struct item *), by_customer);
  for (size_t i = 1; i < count; i++)
    if (is_same(import, items[i - 1], items[i])) items[i]->same_as = items[i - 1]->same_as;
  return ERR_OK;
}

static const char *const STATUS[] = {"refused", "imported", "corrected", "unchanged"};

static void write_codes(const struct item *item, struct json_writer *writer) {
  json_name(writer, "vouchers");
  json_array_begin(writer);
  for (size_t i = 0; i < item->code_count; i++) {
    const struct brought_code *code = &item->codes[i];
    json_object_begin(writer);
    json_member_bytes(writer, "code", code->code);
    json_member_bytes(writer, "voucher", code->voucher);
    json_member_text(writer, "state", code->cancelled ? "cancelled" : code->used ? "used" : "kept");
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void write_item(const struct import *import, size_t index, struct json_writer *writer) {
  const struct item *item = &import->items[index];
  char customer[CUSTOMER_ID_TEXT_BYTES];
  json_object_begin(writer);
  json_member_u64(writer, "line", index + 1);
  if (item->external.name.size_bytes > 0) json_member_bytes(writer, "programme", item->external.name);
  if (item->external.id.size_bytes > 0) json_member_bytes(writer, "external_id", item->external.id);
  json_member_text(writer, "status", STATUS[item->status]);
  if (item->status == REFUSED) {
    json_member_text(writer, "code", item->diag.code);
    json_member_text(writer, "message", item->diag.message);
    if (item->diag.field[0] != 0) json_member_text(writer, "field", item->diag.field);
  } else {
    customer_id_format(item->customer, customer);
    if (!import->dry_run || item->there_before) json_member_text(writer, "customer", customer);
    if (item->same_as != index) json_member_u64(writer, "same_as", item->same_as + 1);
    if (item->code_count > 0) write_codes(item, writer);
  }
  json_object_end(writer);
}

struct total {
  uint32_t programme;
  uint8_t currency;
  int64_t amount;
};

// What moved, of each currency; a total that is too large is told as large as can be.
static size_t add_totals(const struct item *item, struct total *totals, size_t count, size_t room) {
  for (size_t i = 0; i < item->sum_count; i++) {
    size_t at = 0;
    while (at < count &&
           (totals[at].programme != item->external.programme || totals[at].currency != item->sums[i].currency))
      at++;
    if (at == room) continue;
    if (at == count) totals[count++] = (struct total){item->external.programme, item->sums[i].currency, 0};
    if (__builtin_add_overflow(totals[at].amount, item->moved[i], &totals[at].amount)) totals[at].amount = INT64_MAX;
  }
  return count;
}

static void write_points(const struct import *import, struct json_writer *writer) {
  struct total totals[LOYALTY_PROGRAMMES_MAX];
  size_t count = 0;
  for (size_t i = 0; i < import->count; i++)
    if (import->items[i].status != REFUSED)
      count = add_totals(&import->items[i], totals, count, LOYALTY_PROGRAMMES_MAX);
  json_name(writer, "points");
  json_array_begin(writer);
  for (size_t i = 0; i < count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(import->set, totals[i].programme);
    const struct loyalty_currency *currency = loyalty_currency_at(programme, totals[i].currency);
    json_object_begin(writer);
    json_member_bytes(writer, "programme", programme->id);
    json_member_bytes(writer, "currency", currency->id);
    json_member_scaled(writer, "amount", totals[i].amount, currency->scale);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void write_report(const struct import *import, struct json_writer *writer) {
  uint64_t by_status[UNCHANGED + 1] = {0}, there = 0, same = 0, kept = 0, cancelled = 0, used = 0;
  for (size_t i = 0; i < import->count; i++) {
    const struct item *item = &import->items[i];
    by_status[item->status]++;
    if (item->status == REFUSED) continue;
    if (item->same_as != i)
      same++;
    else
      there += item->there_before;
    for (size_t j = 0; j < item->code_count; j++) {
      cancelled += item->codes[j].cancelled;
      used += !item->codes[j].cancelled && item->codes[j].used;
      kept += !item->codes[j].cancelled && !item->codes[j].used;
    }
  }
  json_object_begin(writer);
  json_member_bool(writer, "dry_run", import->dry_run);
  json_member_u64(writer, "members", import->count);
  for (size_t i = 0; i <= UNCHANGED; i++) json_member_u64(writer, STATUS[i], by_status[i]);
  json_member_u64(writer, "already_customers", there);
  json_member_u64(writer, "same_people", same);
  write_points(import, writer);
  json_member_u64(writer, "vouchers_kept", kept);
  json_member_u64(writer, "vouchers_used", used);
  json_member_u64(writer, "vouchers_cancelled", cancelled);
  json_name(writer, "items");
  json_array_begin(writer);
  // As in requests: more than one takes are lists of items.
  bool nested = import->count > IMPORT_ITEMS_MAX;
  for (size_t i = 0; i < import->count; i++) {
    if (nested && i % IMPORT_ITEMS_MAX == 0) json_array_begin(writer);
    write_item(import, i, writer);
    if (nested && (i % IMPORT_ITEMS_MAX == IMPORT_ITEMS_MAX - 1 || i + 1 == import->count)) json_array_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

// --- the call
// ------------------------------------------------------------------------------------------------------------

static enum err read_all(struct import *import, struct value list, struct diag *diag) {
  struct external_iter iter = external_iterate(list);
  import->items = arena_take_zero(&import->call.arena, import->count + 1, sizeof *import->items);
  if (import->items == NULL) return diag_no_memory(diag);
  for (size_t i = 0; external_next(&iter); i++) {
    struct item *item = &import->items[i];
    diag_init(&item->diag);
    item->group = i;
    enum err err = read_item(import, iter.item, item, &item->diag);
    if (err == ERR_OK || external_is_refusal(err)) continue;
    *diag = item->diag;
    return err;
  }
  return ERR_OK;
}

static enum err run(struct import *import, struct value list, struct json_writer *writer, struct store_mark *mark,
                    struct diag *diag) {
  enum err err = read_all(import, list, diag);
  if (err == ERR_OK && import->dry_run) err = try_all(import, mark, diag);
  for (size_t i = 0; err == ERR_OK && !import->dry_run && i < import->count; i++)
    if (import->items[i].diag.err == ERR_OK) err = run_alone(import, &import->items[i], mark, diag);
  if (err == ERR_OK && !import->dry_run) err = find_final(import, diag);
  if (err == ERR_OK) err = find_same(import, diag);
  if (err == ERR_OK) write_report(import, writer);
  return err;
}

enum err engine_loyalty_import(struct engine *engine, const struct engine_caller *caller, struct value request,
                               struct json_writer *writer, struct store_mark *mark, struct diag *diag) {
  struct import import = {0};
  struct value list, dry_run;
  enum err err = external_list(engine, request, "items", &list, &import.count, diag);
  if (err != ERR_OK) return err;
  member_call_open(&import.call, engine, caller, request, writer);
  dry_run = member_of(&import, request, "dry_run");
  if (!value_is_absent(dry_run) && !value_as_bool(dry_run, &import.dry_run))
    err = bad("dry_run", "wrong_type", "a boolean", diag);
  if (err == ERR_OK && !import.dry_run && import.count > IMPORT_ITEMS_MAX)
    err = diag_set(diag, ERR_LIMIT, "too_many", "at most %d members are imported at once", IMPORT_ITEMS_MAX);
  *mark = store_mark_now(engine->store);
  import.set = loyalty_hold(engine);
  if (err == ERR_OK) err = run(&import, list, writer, mark, diag);
  if (import.set != NULL) loyalty_set_close(import.set);
  member_call_close(&import.call);
  return err;
}
