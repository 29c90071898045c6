// loyalty_reconcile.c: another programme's balances beside ours.
//
// Read without locks, each customer as of one view. Of a programme that comes into another one, ours is what is left of
// its lots, less what is owed (debt is not any programme's, so it counts in full); of a programme of ours, all of it.
#include "engine/loyalty_external.h"
#include "engine/read.h"

struct reconciling {
  struct member_call call;
  struct engine_view *view;
  const struct loyalty_set *set;
  const struct loyalty_programme *programme;
  struct external external;
  struct json_writer *writer;
  uint64_t compared;
};

static enum err ours_of(const struct reconciling *reconciling, const struct loyalty_wallet *wallet, uint8_t currency,
                        int64_t *amount, struct diag *diag) {
  bool whole = bytes_equal(reconciling->external.name, reconciling->programme->id);
  *amount = loyalty_amount(wallet, currency, LOYALTY_DEBT);
  for (size_t i = 0; i < wallet->lot_count; i++) {
    const struct loyalty_lot *lot = &wallet->lots[i];
    bool counts =
        whole || (lot->rule.campaign == LOYALTY_EXTERNAL && lot->rule.rule == reconciling->external.rule.rule);
    if (lot->currency != currency || !counts) continue;
    if (__builtin_add_overflow(*amount, lot->pending, amount) || __builtin_add_overflow(*amount, lot->active, amount) ||
        __builtin_add_overflow(*amount, lot->held, amount))
      return diag_set(diag, ERR_LIMIT, "overflow", "the balance is more than 2^63 - 1");
  }
  return ERR_OK;
}

static void begin(struct reconciling *reconciling, struct bytes customer, const struct loyalty_currency *currency) {
  json_object_begin(reconciling->writer);
  if (customer.size_bytes > 0) json_member_bytes(reconciling->writer, "customer", customer);
  if (currency != NULL) json_member_bytes(reconciling->writer, "currency", currency->id);
}

static enum err read_ours(struct reconciling *reconciling, uint64_t customer, uint8_t currency, int64_t *ours,
                          struct diag *diag) {
  struct loyalty_wallet *wallets;
  size_t count;
  *ours = 0;
  enum err err = loyalty_wallets_now(reconciling->view, reconciling->set, customer, &reconciling->call.arena, &wallets,
                                     &count, diag);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (wallets[i].programme == reconciling->programme->number)
      err = ours_of(reconciling, &wallets[i], currency, ours, diag);
  return err;
}

static enum err compare(struct reconciling *reconciling, struct bytes *customer,
                        const struct loyalty_currency **currency, struct diag *diag) {
  int64_t theirs, ours, difference;
  uint64_t id = 0;
  enum err err = member_call_text(&reconciling->call, "customer", true, customer, diag);
  if (err == ERR_OK) err = member_call_currency(&reconciling->call, reconciling->programme, currency, diag);
  if (err != ERR_OK) return err;
  struct value said = value_member(reconciling->call.request, reconciling->call.engine->names, BYTES("amount"));
  struct decimal number;
  if (!value_as_number(said, &number) || decimal_to_scaled_i64(number, (*currency)->scale, &theirs) != ERR_OK) {
    diag_set(diag, ERR_INVALID, "bad_amount", "the member \"amount\" must be an amount of the currency");
    diag_in_field(diag, "amount");
    return ERR_INVALID;
  }
  err = engine_find(reconciling->view, *customer, &id, diag);
  if (err == ERR_NOT_FOUND) diag_in_field(diag, "customer");
  if (err == ERR_OK) err = read_ours(reconciling, id, (*currency)->number, &ours, diag);
  if (err == ERR_OK && __builtin_sub_overflow(theirs, ours, &difference))
    err = diag_set(diag, ERR_LIMIT, "overflow", "the difference is more than 2^63 - 1");
  if (err != ERR_OK || difference == 0) return err;
  begin(reconciling, *customer, *currency);
  json_member_scaled(reconciling->writer, "theirs", theirs, (*currency)->scale);
  json_member_scaled(reconciling->writer, "ours", ours, (*currency)->scale);
  json_member_scaled(reconciling->writer, "difference", difference, (*currency)->scale);
  json_object_end(reconciling->writer);
  return ERR_OK;
}

static enum err compare_all(struct reconciling *reconciling, struct value list, struct diag *diag) {
  struct external_iter iter = external_iterate(list);
  enum err err = ERR_OK;
  while (err == ERR_OK && external_next(&iter)) {
    const struct loyalty_currency *currency = NULL;
    struct bytes customer = BYTES("");
    struct diag own;
    diag_init(&own);
    reconciling->call.request = iter.item;
    reconciling->compared++;
    err = compare(reconciling, &customer, &currency, &own);
    arena_clear(&reconciling->call.arena);
    if (err == ERR_OK) continue;
    if (!external_is_refusal(err)) *diag = own;
    if (!external_is_refusal(err)) return err;
    begin(reconciling, customer, currency);
    json_member_text(reconciling->writer, "code", own.code);
    json_member_text(reconciling->writer, "message", own.message);
    if (own.field[0] != 0) json_member_text(reconciling->writer, "field", own.field);
    json_object_end(reconciling->writer);
    err = ERR_OK;
  }
  return err;
}

static enum err run(struct reconciling *reconciling, struct value request, struct diag *diag) {
  struct value list;
  size_t count;
  enum err err = external_list(reconciling->call.engine, request, "balances", &list, &count, diag);
  if (err == ERR_OK)
    err =
        external_read_name(&reconciling->call, reconciling->set, &reconciling->external, &reconciling->programme, diag);
  if (err != ERR_OK) return err;
  err = engine_view_open(reconciling->call.engine, &reconciling->view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  json_object_begin(reconciling->writer);
  json_member_bytes(reconciling->writer, "programme", reconciling->external.name);
  json_name(reconciling->writer, "differences");
  json_array_begin(reconciling->writer);
  err = compare_all(reconciling, list, diag);
  json_array_end(reconciling->writer);
  json_member_u64(reconciling->writer, "compared", reconciling->compared);
  json_object_end(reconciling->writer);
  engine_view_close(reconciling->view);
  return err;
}

enum err engine_loyalty_reconcile(struct engine *engine, struct value request, struct json_writer *writer,
                                  struct diag *diag) {
  struct reconciling reconciling = {.set = loyalty_hold(engine), .writer = writer};
  member_call_open(&reconciling.call, engine, NULL, request, writer);
  enum err err = run(&reconciling, request, diag);
  member_call_close(&reconciling.call);
  if (reconciling.set != NULL) loyalty_set_close(reconciling.set);
  return err;
}
