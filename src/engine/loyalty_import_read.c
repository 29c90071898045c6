// loyalty_import_read.c: what a request says of members of other programmes, read.
//
// Each item becomes the event "Identified" that will name her, and the lots and codes that come with her, by the
// documents in force. Nothing is changed here. Invariant: an item is refused by itself, with its field; only what no
// item can help (short memory, a broken store) ends the reading.
#include "engine/loyalty_import.h"

#include <string.h>

#include "engine/parts.h"
#include "engine/read.h"

enum { LOTS_MAX = 256, VOUCHERS_MAX = 256 };

struct value import_member(const struct import *import, struct value document, const char *name) {
  if (value_is_absent(document) || value_type(document) != VALUE_DOCUMENT) return (struct value){{NULL, 0}};
  return value_member(document, import->call.engine->names, bytes_from_text(name));
}

enum err import_bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err list_of(const struct import *import, struct value document, const char *name, size_t most,
                        struct value *list, size_t *count, struct diag *diag) {
  *list = import_member(import, document, name);
  *count = 0;
  if (value_is_absent(*list)) return ERR_OK;
  if (value_type(*list) != VALUE_LIST) return import_bad(name, "wrong_type", "a list", diag);
  struct value_iter iter = value_iterate(*list);
  while (value_next(&iter)) ++*count;
  return *count > most ? diag_set(diag, ERR_LIMIT, "too_many", "a member has at most %zu %s", most, name) : ERR_OK;
}

static enum err add_sum(struct import_item *item, const struct import_lot *lot, struct diag *diag) {
  size_t i = 0;
  while (i < item->sum_count && item->sums[i].currency != lot->currency) i++;
  if (i == item->sum_count) item->sums[item->sum_count++] = (struct import_sum){lot->currency, 0};
  if (__builtin_add_overflow(item->sums[i].amount, lot->amount, &item->sums[i].amount))
    return diag_set(diag, ERR_LIMIT, "overflow", "the balance would be larger than 2^63 - 1");
  return ERR_OK;
}

static enum err read_lot(struct import *import, const struct loyalty_programme *programme, struct value raw,
                         struct import_lot *lot, struct diag *diag) {
  const struct rule_zone *zone = loyalty_set_zone(import->set, programme->number);
  int64_t now_us = clock_now_us(import->call.engine->clock);
  const struct loyalty_currency *currency = NULL;
  import->call.request = raw;
  enum err err = member_call_currency(&import->call, programme, &currency, diag);
  if (err == ERR_OK) err = member_call_amount(&import->call, "amount", currency->scale, false, &lot->amount, diag);
  if (err == ERR_OK) err = external_date(&import->call, "earned_at", zone, false, now_us, &lot->earned_us, diag);
  if (err == ERR_OK) err = external_date(&import->call, "expires_on", zone, true, INT64_MAX, &lot->expires_us, diag);
  if (err != ERR_OK) return err;
  if (lot->earned_us > now_us) return import_bad("earned_at", "out_of_range", "in the past", diag);
  lot->currency = currency->number;
  return ERR_OK;
}

static enum err read_lots(struct import *import, const struct loyalty_programme *programme, struct value member,
                          struct import_item *item, struct diag *diag) {
  struct value list;
  size_t count;
  enum err err = list_of(import, member, "lots", LOTS_MAX, &list, &count, diag);
  if (err != ERR_OK) return err;
  item->lots = arena_take_zero(&import->call.arena, count + 1, sizeof *item->lots);
  if (item->lots == NULL) return diag_no_memory(diag);
  struct value_iter iter = value_iterate(list);
  while (err == ERR_OK && value_next(&iter)) {
    struct import_lot *lot = &item->lots[item->lot_count++];
    err = read_lot(import, programme, iter.item, lot, diag);
    if (err == ERR_OK) err = add_sum(item, lot, diag);
  }
  return err;
}

static enum err read_code(struct import *import, const struct loyalty_programme *programme, struct value raw,
                          struct import_code *code, struct diag *diag) {
  const struct rule_zone *zone = loyalty_set_zone(import->set, programme->number);
  struct value used = import_member(import, raw, "used"), value = import_member(import, raw, "value");
  int64_t to_us;
  import->call.request = raw;
  enum err err = member_call_text(&import->call, "voucher", true, &code->voucher, diag);
  if (err == ERR_OK) err = external_code(&import->call, &code->code, diag);
  if (err == ERR_OK) err = external_date(&import->call, "valid_to", zone, true, 0, &to_us, diag);
  if (err == ERR_OK && !value_is_absent(value))
    err = member_call_amount(&import->call, "value", 2, false, &code->value, diag);
  if (err != ERR_OK) return err;
  if (code->code.size_bytes == 0) return import_bad("code", "missing_member", "said", diag);
  if (!value_is_absent(used) && !value_as_bool(used, &code->used))
    return import_bad("used", "wrong_type", "a boolean", diag);
  if (to_us != 0) code->span = (struct loyalty_span){INT64_MIN, to_us};
  const struct loyalty_voucher *voucher = loyalty_set_voucher_find(import->set, code->voucher);
  if (voucher == NULL || voucher->programme != programme->number) {
    diag_set(diag, ERR_NOT_FOUND, "no_voucher", "the programme has no voucher \"%.*s\"", BYTES_ARG(code->voucher));
    diag_in_field(diag, "voucher");
    return ERR_NOT_FOUND;
  }
  return code->value > 0 && voucher->discount.kind != LOYALTY_CREDIT
             ? import_bad("value", "not_a_card", "left out: this voucher is no card", diag)
             : ERR_OK;
}

static enum err read_codes(struct import *import, const struct loyalty_programme *programme, struct value member,
                           struct import_item *item, struct diag *diag) {
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

static enum err add_identifier(struct import *import, struct import_item *item, struct bytes text, struct diag *diag) {
  struct engine_event *event = &item->event;
  if (event->identifier_count == LIMIT_EVENT_IDENTIFIERS)
    return diag_set(diag, ERR_LIMIT, "too_many", "a member has at most %d identifiers", LIMIT_EVENT_IDENTIFIERS);
  enum err err = parts_identifier(import->call.engine, text, &import->call.arena,
                                  &event->identifiers[event->identifier_count].identifier, diag);
  if (err == ERR_OK) event->identifier_count++;
  return err;
}

// "c42": an identifier that leads to her alone stands for her.
static enum err add_customer(struct import *import, struct import_item *item, struct bytes text, struct diag *diag) {
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

static enum err read_identifiers(struct import *import, struct value member, struct import_item *item,
                                 struct diag *diag) {
  struct value all = import_member(import, member, "identifiers");
  struct bytes text;
  import->call.request = member;
  enum err err = member_call_text(&import->call, "customer", false, &text, diag);
  if (err == ERR_OK && text.size_bytes > 0) err = add_customer(import, item, text, diag);
  struct value_iter iter = value_iterate(all);
  while (err == ERR_OK && value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, import->call.engine->names);
    if (value_type(iter.item) == VALUE_NULL) continue;
    if (!value_as_text(iter.item, &text)) return import_bad("identifiers", "wrong_type", "an object of texts", diag);
    const char *pair = arena_format(&import->call.arena, "%.*s:%.*s", BYTES_ARG(name), BYTES_ARG(text));
    err = pair == NULL ? diag_no_memory(diag) : add_identifier(import, item, bytes_from_text(pair), diag);
  }
  if (err != ERR_OK) return err;
  return item->event.identifier_count == 0 ? import_bad("identifiers", "missing_member", "said, or \"customer\"", diag)
                                           : ERR_OK;
}

static enum err build_message(struct import *import, struct value traits, struct import_item *item, struct diag *diag) {
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
static enum err name_message(struct import *import, struct value traits, struct import_item *item, struct diag *diag) {
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

static enum err read_event(struct import *import, struct value member, struct import_item *item, struct diag *diag) {
  struct value traits = import_member(import, member, "traits");
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
    return import_bad("traits", "wrong_type", "an object", diag);
  enum err err = read_identifiers(import, member, item, diag);
  if (err == ERR_OK) err = name_message(import, traits, item, diag);
  return err == ERR_OK ? build_message(import, traits, item, diag) : err;
}

static enum err read_level(struct import *import, const struct loyalty_programme *programme, struct import_item *item,
                           struct diag *diag) {
  struct bytes id;
  enum err err = member_call_text(&import->call, "tier", false, &id, diag);
  if (err != ERR_OK || id.size_bytes == 0) return err;
  for (size_t i = 0; programme->tiers.currency != 0 && i < programme->tiers.level_count; i++)
    if (bytes_equal(programme->tiers.levels[i].id, id)) item->level = programme->tiers.levels[i].number;
  return item->level == 0 ? import_bad("tier", "unknown_tier", "a level of the programme", diag) : ERR_OK;
}

static enum err read_item(struct import *import, struct value raw, struct import_item *item, struct diag *diag) {
  struct value member = import_member(import, raw, "member");
  const struct loyalty_programme *programme = NULL;
  if (value_is_absent(member) || value_type(member) != VALUE_DOCUMENT)
    return import_bad("member", "missing_member", "an object", diag);
  import->call.request = member;
  enum err err = external_read(&import->call, import->set, 'm', &item->external, &programme, diag);
  if (err != ERR_OK) return err;
  const struct rule_zone *zone = loyalty_set_zone(import->set, programme->number);
  int64_t now_us = clock_now_us(import->call.engine->clock);
  err = external_date(&import->call, "joined_at", zone, false, now_us, &item->joined_us, diag);
  if (err == ERR_OK && item->joined_us > now_us) err = import_bad("joined_at", "out_of_range", "in the past", diag);
  if (err == ERR_OK) err = read_level(import, programme, item, diag);
  if (err == ERR_OK) err = read_lots(import, programme, member, item, diag);
  if (err == ERR_OK) err = read_codes(import, programme, member, item, diag);
  return err == ERR_OK ? read_event(import, member, item, diag) : err;
}

enum err import_read(struct import *import, struct value list, struct diag *diag) {
  struct external_iter iter = external_iterate(list);
  import->items = arena_take_zero(&import->call.arena, import->count + 1, sizeof *import->items);
  if (import->items == NULL) return diag_no_memory(diag);
  for (size_t i = 0; external_next(&iter); i++) {
    struct import_item *item = &import->items[i];
    diag_init(&item->diag);
    item->group = i;
    enum err err = read_item(import, iter.item, item, &item->diag);
    if (err == ERR_OK || external_is_refusal(err)) continue;
    *diag = item->diag;
    return err;
  }
  return ERR_OK;
}
