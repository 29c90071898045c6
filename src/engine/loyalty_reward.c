// loyalty_reward.c: a reward that is asked for: points are spent and its voucher is given, in one commit.
//
// Row "w" code of LEDGER, under the member: varints posting, programme, currency, amount, how many parts, and of each
// its lot, amount, and the dates of the lot: what is put back when the code is cancelled while nobody used it. At the
// end 1 when the reward was given by itself: it was no move of hers, and what is put back no such reward takes again.
// The row goes with that, so it is put back once. Who has no row paid before there were rows.
#include "engine/loyalty_request.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"

struct paid { // for a code
  uint64_t posting;
  uint32_t programme;
  uint8_t currency;
  int64_t amount;
  const struct loyalty_part *parts;
  size_t part_count;
  bool automatic;
};

// --- rows ----------------------------------------------------------------------------------------------------

static enum err write_row(struct work *work, uint64_t customer, struct bytes code, const struct paid *paid) {
  uint8_t part[4 * VARINT_BYTES_MAX], head[5 * VARINT_BYTES_MAX], *at = varint_put(head, paid->posting);
  struct key key;
  at = varint_put(at, paid->programme);
  at = varint_put(at, paid->currency);
  at = varint_put_signed(at, paid->amount);
  at = varint_put(at, paid->part_count);
  buffer_clear(work->buffer);
  buffer_append(work->buffer, head, (size_t)(at - head));
  for (size_t i = 0; i < paid->part_count; i++) {
    at = varint_put(part, paid->parts[i].lot);
    at = varint_put_signed(at, paid->parts[i].amount);
    at = varint_put_signed(at, paid->parts[i].active_us);
    at = varint_put_signed(at, paid->parts[i].expires_us);
    buffer_append(work->buffer, part, (size_t)(at - part));
  }
  if (paid->automatic) buffer_append_byte(work->buffer, 1);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  loyalty_row_key(&key, customer, 'w', code);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), buffer_view(work->buffer));
}

static enum err decode(struct work *work, struct bytes row, struct paid *paid) {
  struct varint_reader reader = varint_reader_of(row);
  *paid = (struct paid){.posting = varint_read(&reader)};
  paid->programme = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
  paid->currency = (uint8_t)varint_read_up_to(&reader, UINT8_MAX);
  paid->amount = varint_read_signed(&reader);
  paid->part_count = (size_t)varint_read_up_to(&reader, varint_rest_bytes(&reader));
  struct loyalty_part *parts = arena_take(work->arena, (paid->part_count + 1) * sizeof *parts);
  if (parts == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < paid->part_count; i++) {
    parts[i].lot = varint_read(&reader);
    parts[i].amount = varint_read_signed(&reader);
    parts[i].active_us = varint_read_signed(&reader);
    parts[i].expires_us = varint_read_signed(&reader);
  }
  paid->parts = parts;
  if (varint_rest_bytes(&reader) > 0) paid->automatic = varint_read_up_to(&reader, 1) == 1;
  return reader.failed ? diag_set(work->diag, ERR_CORRUPT, "corrupt", "what a reward cost cannot be read") : ERR_OK;
}

enum err loyalty_reward_lots(struct work *work, struct bytes row, uint64_t *posting, uint64_t **lots, size_t *count) {
  struct paid paid;
  enum err err = decode(work, row, &paid);
  if (err != ERR_OK) return err;
  *posting = paid.posting;
  *count = paid.part_count;
  *lots = arena_take(work->arena, (paid.part_count + 1) * sizeof **lots);
  if (*lots == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < paid.part_count; i++) (*lots)[i] = paid.parts[i].lot;
  return ERR_OK;
}

// --- giving ----------------------------------------------------------------------------------------------------

struct wish {
  uint32_t programme;
  struct bytes reward, reference;
};

static enum err refuse(struct work *work, const char *code, const char *field) {
  diag_set(work->diag, ERR_DENIED, code, "%s", loyalty_refusal_words(code));
  if (field != NULL) diag_in_field(work->diag, "%s", field);
  return ERR_DENIED;
}

static const struct loyalty_reward *find_reward(const struct loyalty_programme *programme, struct bytes id) {
  for (size_t i = 0; programme != NULL && i < programme->reward_count; i++)
    if (bytes_equal(programme->rewards[i].id, id)) return &programme->rewards[i];
  return NULL;
}

struct telling {
  const struct loyalty_programme *programme;
  const struct loyalty_reward *reward;
};

static void put_text(struct value_builder *builder, const char *name, struct bytes text) {
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

// As of a reward that is given by itself (loyalty_member.c).
static void put_reward(struct value_builder *builder, void *context) {
  const struct telling *telling = context;
  const struct loyalty_currency *currency = loyalty_currency_at(telling->programme, telling->reward->currency);
  struct decimal amount = decimal_from_i64(telling->reward->cost);
  amount.exponent = (int16_t)-currency->scale;
  put_text(builder, "programme", telling->programme->id);
  value_put_name(builder, BYTES("amount"));
  value_put_number(builder, amount);
  put_text(builder, "currency", currency->id);
  put_text(builder, "reward", telling->reward->id);
}

static void write_reply(struct member_call *call, const struct loyalty_ledger *ledger, const struct paid *paid,
                        const struct loyalty_reward *reward, const struct loyalty_code *code,
                        const struct loyalty_voucher *voucher) {
  char id[32];
  snprintf(id, sizeof id, "p%" PRIu64, paid->posting);
  json_object_begin(call->writer);
  json_member_text(call->writer, "id", id);
  json_member_bytes(call->writer, "reward", reward->id);
  json_name(call->writer, "voucher");
  loyalty_code_json(code, voucher, call->writer);
  json_object_end(call->writer);
  json_name(call->writer, "balance");
  loyalty_wallet_json(ledger->wallet, ledger->customer, ledger->programme, ledger->zone, call->writer);
  json_object_end(call->writer);
}

// A reward is bought: so much is burned. Of one that is cancelled the member's limits are free again; who sold it is
// not kept with the code, and hers stay as they are.
static struct loyalty_move move_of(const struct paid *paid, struct bytes cashier, int64_t count, int64_t at_us) {
  return (struct loyalty_move){.programme = paid->programme,
                               .what = LOYALTY_MOVE_BURN,
                               .currency = paid->currency,
                               .cashier = cashier,
                               .count = count,
                               .points = count * paid->amount,
                               .at_us = at_us};
}

static enum err buy(struct member_call *call, struct loyalty_ledger *ledger, const struct wish *wish,
                    const struct loyalty_reward *reward, const struct loyalty_voucher *voucher) {
  struct work *work = call->work;
  struct work_customer *member = call->members[0];
  struct telling telling = {ledger->programme, reward};
  struct paid paid = {.programme = wish->programme, .currency = reward->currency, .amount = reward->cost};
  struct loyalty_cause cause = {.reference = wish->reference.size_bytes > 0 ? wish->reference : reward->id,
                                .identifier = call->identifiers[0],
                                .author = call->caller->author,
                                .effective_us = work->now_us};
  struct loyalty_code code;
  struct loyalty_move move = move_of(&paid, call->cashier, 1, work->now_us);
  enum err err = loyalty_cashier_lock(work);
  if (err == ERR_OK) err = loyalty_guard(work, member, ledger, &move);
  if (err == ERR_OK) err = loyalty_guard_count(work, ledger, &move);
  if (err == ERR_OK) err = loyalty_spend(ledger, &cause, reward->currency, reward->cost, &paid.parts, &paid.part_count);
  if (err != ERR_OK) return err;
  paid.posting = ledger->postings[ledger->posting_count - 1].id;
  err = loyalty_give(work, member, voucher->number, paid.posting, true, &code);
  if (err == ERR_OK) err = write_row(work, member->record.id, code.code, &paid);
  if (err == ERR_OK) err = loyalty_tell(work, member, "Reward Granted", work->now_us, put_reward, &telling);
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err != ERR_OK) return err;
  write_reply(call, ledger, &paid, reward, &code, voucher);
  return member_call_keep(call, 'w', wish->reference);
}

enum err loyalty_reward_given(struct work *work, struct work_customer *member, const struct loyalty_ledger *ledger,
                              const struct loyalty_news *news) {
  const struct loyalty_programme *programme = ledger->programme;
  const struct loyalty_voucher *voucher = NULL;
  struct paid paid = {.posting = news->posting,
                      .programme = programme->number,
                      .currency = news->currency,
                      .amount = news->amount,
                      .parts = news->parts,
                      .part_count = news->part_count,
                      .automatic = true};
  struct loyalty_code code;
  for (size_t i = 0; i < programme->reward_count; i++)
    if (programme->rewards[i].number == news->reward)
      voucher = loyalty_set_voucher_find(work->loyalty, programme->rewards[i].voucher);
  if (voucher == NULL) return ERR_OK;
  enum err err = loyalty_give(work, member, voucher->number, news->posting, true, &code);
  if (err != ERR_OK || code.code.size_bytes == 0) return err;
  return write_row(work, member->record.id, code.code, &paid);
}

static enum err give(struct member_call *call, void *context) {
  const struct wish *wish = context;
  struct work *work = call->work;
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, wish->programme);
  const struct loyalty_reward *reward = find_reward(programme, wish->reward);
  const struct loyalty_voucher *voucher =
      reward == NULL ? NULL : loyalty_set_voucher_find(work->loyalty, reward->voucher);
  struct loyalty_ledger *ledger;
  bool replayed;
  enum err err = member_call_replay(call, 'w', wish->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  if (reward == NULL) {
    diag_set(work->diag, ERR_NOT_FOUND, "no_reward", "the programme has no reward \"%.*s\"", BYTES_ARG(wish->reward));
    diag_in_field(work->diag, "reward");
    return ERR_NOT_FOUND;
  }
  if (voucher == NULL) return refuse(work, "unknown_voucher", "reward");
  if (voucher->archived) return refuse(work, "CouponPartOfNotRunningCampaign", "reward");
  err = loyalty_ledger_open(work, call->members[0], wish->programme, false, &ledger);
  if (err != ERR_OK) return err;
  if (ledger == NULL) return refuse(work, "NOT_A_MEMBER", NULL);
  if (ledger->wallet->blocked) return refuse(work, "MEMBER_BLOCKED", NULL);
  return buy(call, ledger, wish, reward, voucher);
}

static const char *const CUSTOMER[] = {"customer"};

enum err engine_reward_buy(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  const struct loyalty_programme *programme = NULL;
  const struct loyalty_set *set = loyalty_hold(engine);
  struct wish wish = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = member_call_programme(&call, set, &programme, diag);
  if (err == ERR_OK) wish.programme = programme->number;
  if (set != NULL) loyalty_set_close(set);
  if (err == ERR_OK) err = member_call_text(&call, "reward", true, &wish.reward, diag);
  if (err == ERR_OK) err = member_call_text(&call, "reference", false, &wish.reference, diag);
  if (err == ERR_OK) err = member_call_run(&call, CUSTOMER, 1, give, &wish, commit, diag);
  member_call_close(&call);
  return err;
}

// --- taking back -----------------------------------------------------------------------------------------------

enum err loyalty_reward_cancel(struct work *work, struct work_customer *member, const struct loyalty_code *code,
                               struct json_writer *writer) {
  struct loyalty_ledger *ledger = NULL;
  struct paid paid;
  struct bytes row;
  struct key key;
  loyalty_row_key(&key, member->record.id, 'w', code->code);
  enum err err = store_get(work->txn, STORE_LEDGER, key_view(&key), work->arena, &row);
  if (err != ERR_OK || row.data == NULL || code->uses > 0) return err;
  err = decode(work, row, &paid);
  if (err == ERR_OK) err = loyalty_ledger_open(work, member, paid.programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  struct loyalty_cause cause = {.reference = code->code, .effective_us = ledger->now_us};
  struct loyalty_move move = move_of(&paid, BYTES(""), -1, code->created_us);
  err = paid.automatic ? ERR_OK : loyalty_guard_count(work, ledger, &move);
  if (err == ERR_OK) err = loyalty_roll_back(ledger, &cause, paid.currency, paid.amount, paid.parts, paid.part_count);
  if (err == ERR_OK && paid.automatic) err = loyalty_withhold(ledger, paid.currency, paid.amount);
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err == ERR_OK) err = store_delete(work->txn, STORE_LEDGER, key_view(&key));
  if (err != ERR_OK) return err;
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, paid.currency);
  json_member_bytes(writer, "currency", currency->id);
  json_member_scaled(writer, "points", paid.amount, currency->scale);
  return ERR_OK;
}
