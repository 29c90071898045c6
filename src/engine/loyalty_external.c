// loyalty_external.c: see loyalty_external.h.
#include "engine/loyalty_external.h"

#include "rule/literal.h"

enum { DATE_BYTES = sizeof "2026-05-31" - 1 };

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err find_programme(struct member_call *call, const struct loyalty_set *set, struct bytes name,
                               const struct loyalty_programme **programme, struct diag *diag) {
  struct bytes into;
  enum err err = member_call_text(call, "into", false, &into, diag);
  if (err != ERR_OK) return err;
  if (set == NULL || loyalty_set_programmes(set) == 0)
    return diag_set(diag, ERR_NOT_FOUND, "no_programme", "this workspace has no loyalty programme yet");
  *programme = loyalty_set_programme_find(set, into.size_bytes > 0 ? into : name);
  if (*programme != NULL) return ERR_OK;
  if (into.size_bytes == 0 && loyalty_set_programmes(set) == 1) {
    *programme = loyalty_set_programme_at(set, 0);
    return ERR_OK;
  }
  if (into.size_bytes == 0) return bad("into", "missing_programme", "said, since there are several programmes", diag);
  diag_set(diag, ERR_NOT_FOUND, "no_programme", "there is no programme \"%.*s\"", BYTES_ARG(into));
  diag_in_field(diag, "into");
  return ERR_NOT_FOUND;
}

enum err external_read_name(struct member_call *call, const struct loyalty_set *set, struct external *external,
                            const struct loyalty_programme **programme, struct diag *diag) {
  enum err err = member_call_text(call, "programme", true, &external->name, diag);
  if (err == ERR_OK) err = find_programme(call, set, external->name, programme, diag);
  if (err != ERR_OK) return err;
  external->programme = (*programme)->number;
  external->rule = (struct loyalty_rule_ref){LOYALTY_EXTERNAL, names_find(call->engine->names, external->name)};
  return ERR_OK;
}

enum err external_read(struct member_call *call, const struct loyalty_set *set, char kind, struct external *external,
                       const struct loyalty_programme **programme, struct diag *diag) {
  enum err err = external_read_name(call, set, external, programme, diag);
  if (err == ERR_OK) err = member_call_text(call, "external_id", true, &external->id, diag);
  if (err == ERR_OK) err = names_intern(call->engine->names, external->name, &external->rule.rule, diag);
  if (err != ERR_OK) return err;
  const char *reference = arena_format(&call->arena, "%.*s:%.*s", BYTES_ARG(external->name), BYTES_ARG(external->id));
  // The size of the name keeps "a:b" "c" and "a" "b:c" apart.
  const char *known = arena_format(&call->arena, "external %c %zu %s", kind, external->name.size_bytes,
                                   reference == NULL ? "" : reference);
  if (reference == NULL || known == NULL) return diag_no_memory(diag);
  external->reference = bytes_from_text(reference);
  engine_event_id(call->engine, 0, bytes_from_text(known), external->hash);
  return ERR_OK;
}

enum err external_date(struct member_call *call, const char *name, const struct rule_zone *zone, bool end,
                       int64_t fallback_us, int64_t *time_us, struct diag *diag) {
  struct rule_problem problem;
  struct bytes text;
  bool has_offset;
  *time_us = fallback_us;
  enum err err = member_call_text(call, name, false, &text, diag);
  if (err != ERR_OK || text.size_bytes == 0) return err;
  err = rule_literal_time(text, time_us, &has_offset, &problem);
  if (err == ERR_OK && end && text.size_bytes == DATE_BYTES) *time_us += CLOCK_DAY_US;
  if (err == ERR_OK && !has_offset) err = rule_time_from_wall(zone, *time_us, time_us);
  return err == ERR_OK ? ERR_OK : bad(name, "bad_date", "a date or a time, such as 2026-05-31", diag);
}

enum err external_code(struct member_call *call, struct bytes *code, struct diag *diag) {
  char text[LOYALTY_CODE_BYTES + 1];
  enum err err = member_call_text(call, "code", false, code, diag);
  if (err != ERR_OK || code->size_bytes == 0) return err;
  err = loyalty_code_normalise(*code, text, diag);
  if (err != ERR_OK) {
    diag_in_field(diag, "code");
    return err;
  }
  *code = arena_copy(&call->arena, bytes_from_text(text));
  return code->data == NULL ? diag_no_memory(diag) : ERR_OK;
}

static void row_key(const struct external *external, struct key *key) {
  loyalty_row_key(key, 0, 'x', bytes_of(external->hash, sizeof external->hash));
}

enum err external_get(struct work *work, const struct external *external, struct bytes *row) {
  struct key key;
  row_key(external, &key);
  return store_get(work->txn, STORE_LEDGER, key_view(&key), work->arena, row);
}

enum err external_put(struct work *work, const struct external *external, struct bytes row) {
  struct key key;
  row_key(external, &key);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), row);
}

enum err external_redeem(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                         struct bytes identifier, uint32_t source, int64_t at_us) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, held->code.voucher);
  if (voucher->uses_per_code > 0 && held->code.uses >= voucher->uses_per_code) {
    diag_set(work->diag, ERR_DENIED, "quantity_exceeded", "%s", loyalty_refusal_words("quantity_exceeded"));
    diag_in_field(work->diag, "code");
    return ERR_DENIED;
  }
  struct loyalty_redemption redemption = {.code = held->text,
                                          .order = BYTES(""),
                                          .identifier = identifier,
                                          .voucher = voucher->number,
                                          .cents = held->code.balance,
                                          .time_us = at_us,
                                          .source = source};
  return loyalty_redeem(work, customer, held, &redemption);
}

enum err external_unite_codes(struct work *work, struct work_customer *customer) {
  struct loyalty_code *codes;
  size_t count;
  enum err err = loyalty_codes_of(work, customer->record.id, &codes, &count);
  return err == ERR_OK ? loyalty_codes_unite(work, customer, codes, count, NULL) : err;
}

bool external_is_refusal(enum err err) {
  return err == ERR_DENIED || err == ERR_INVALID || err == ERR_LIMIT || err == ERR_NOT_FOUND;
}

enum err external_list(const struct engine *engine, struct value request, const char *name, struct value *list,
                       size_t *count, struct diag *diag) {
  bool readable = !value_is_absent(request) && value_type(request) == VALUE_DOCUMENT;
  *count = 0;
  if (readable) *list = value_member(request, engine->names, bytes_from_text(name));
  if (!readable || value_is_absent(*list) || value_type(*list) != VALUE_LIST)
    return bad(name, "missing_member", "a list", diag);
  struct external_iter iter = external_iterate(*list);
  while (external_next(&iter)) ++*count;
  if (*count > EXTERNAL_ITEMS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "a request has at most %d items", EXTERNAL_ITEMS_MAX);
  return ERR_OK;
}

struct external_iter external_iterate(struct value list) {
  return (struct external_iter){.outer = value_iterate(list), .inner = value_iterate((struct value){{NULL, 0}})};
}

bool external_next(struct external_iter *iter) {
  for (;;) {
    if (value_next(&iter->inner)) {
      iter->item = iter->inner.item;
      return true;
    }
    if (!value_next(&iter->outer)) return false;
    iter->item = iter->outer.item;
    if (value_type(iter->item) != VALUE_LIST) return true;
    iter->inner = value_iterate(iter->item);
  }
}
