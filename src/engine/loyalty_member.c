// loyalty_member.c: a member in a transaction: her wallets read, her ledgers opened, and what they did written.
//
// Row CUSTOMER_ROW_WALLET: varint, the timer that stands in DUE (zigzag + 1; 0: none), then the wallets
// (loyalty/ledger.h). Invariants:
//   1. Every posting of a wallet has a row, and folding them gives the wallet (loyalty_verify).
//   2. A row of DUE stands at or before the first instant at which something falls due. It may stand too early: then
//      nothing is found and it is set again.
//   3. What happened to a member stands on her timeline, in the order in which it happened.
// A ledger is worked up to now when it is opened, so that nobody ever decides on what should have expired.
#include "engine/loyalty.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"
#include "engine/due.h"
#include "engine/feed.h"

struct loyalty_member {
  struct loyalty_wallet *wallets;
  size_t wallet_count, wallet_capacity;
  struct loyalty_ledger **ledgers; // that were opened
  size_t ledger_count, ledger_capacity;
  int64_t timer_us; // INT64_MAX: none
  bool dirty;
};

void loyalty_row_key(struct key *key, uint64_t customer, char kind, struct bytes rest) {
  key_init(key);
  key_put_u64(key, customer);
  key_put_u8(key, (uint8_t)kind);
  key_put_raw(key, rest);
}

void loyalty_number_row_key(struct key *key, uint64_t customer, char kind, uint64_t number) {
  key_init(key);
  key_put_u64(key, customer);
  key_put_u8(key, (uint8_t)kind);
  key_put_u64(key, number);
}

enum err loyalty_rows_of(struct work *work, uint64_t customer, struct loyalty_row **rows, size_t *count) {
  struct store_cursor *cursor;
  struct bytes key, value;
  struct key from, to;
  size_t capacity = 0;
  *rows = NULL;
  *count = 0;
  loyalty_row_key(&from, customer, 0, BYTES(""));
  loyalty_row_key(&to, customer, '\x7f', BYTES(""));
  enum err err = store_scan(work->txn, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value)) {
    if (key.size_bytes <= sizeof customer) continue;
    if (*count == capacity) {
      capacity = capacity * 2 + 16;
      struct loyalty_row *larger = arena_take(work->arena, capacity * sizeof *larger);
      if (larger == NULL) err = diag_no_memory(work->diag);
      if (larger == NULL) break;
      if (*count > 0) memcpy(larger, *rows, *count * sizeof *larger);
      *rows = larger;
    }
    struct loyalty_row *row = &(*rows)[*count];
    *row = (struct loyalty_row){.key = arena_copy(work->arena, key), .value = value};
    if (value.size_bytes > 0) row->value = arena_copy(work->arena, value);
    if (row->key.data == NULL || (value.size_bytes > 0 && row->value.data == NULL)) err = diag_no_memory(work->diag);
    if (err != ERR_OK) break;
    row->kind = (char)key.data[sizeof customer];
    row->rest = bytes_of(row->key.data + sizeof customer + 1, key.size_bytes - sizeof customer - 1);
    ++*count;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// --- the row -------------------------------------------------------------------------------------------------

enum err loyalty_row_decode(struct bytes row, struct arena *arena, int64_t *timer_us, struct loyalty_wallet **wallets,
                            size_t *count) {
  *timer_us = INT64_MAX;
  *wallets = NULL;
  *count = 0;
  if (row.size_bytes == 0) return ERR_OK;
  struct varint_reader reader = varint_reader_of(row);
  uint64_t timer = varint_read(&reader);
  if (reader.failed) return ERR_CORRUPT;
  if (timer > 0) *timer_us = varint_unzigzag(timer - 1);
  return loyalty_wallets_decode(
      bytes_of(row.data + (row.size_bytes - varint_rest_bytes(&reader)), varint_rest_bytes(&reader)), arena, wallets,
      count);
}

static enum err read_member(struct work *work, struct work_customer *customer) {
  if (customer->member != NULL) return ERR_OK;
  struct loyalty_member *member = arena_take_zero(work->arena, 1, sizeof *member);
  if (member == NULL) return diag_no_memory(work->diag);
  enum err err =
      loyalty_row_decode(customer->wallet_row, work->arena, &member->timer_us, &member->wallets, &member->wallet_count);
  if (err == ERR_CORRUPT)
    return diag_set(work->diag, err, "corrupt",
                    "the wallets of customer c%" PRIu64 " cannot be read; run `rapport check`", customer->record.id);
  if (err != ERR_OK) return diag_no_memory(work->diag);
  member->wallet_capacity = member->wallet_count;
  customer->member = member;
  return ERR_OK;
}

static enum err write_row(struct work *work, struct work_customer *customer) {
  const struct loyalty_member *member = customer->member;
  uint8_t timer[VARINT_BYTES_MAX];
  struct key key;
  customer_key(customer->record.id, CUSTOMER_ROW_WALLET, &key);
  if (member->wallet_count == 0) return store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
  uint8_t *end = varint_put(timer, member->timer_us == INT64_MAX ? 0 : varint_zigzag(member->timer_us) + 1);
  buffer_clear(work->buffer);
  buffer_append(work->buffer, timer, (size_t)(end - timer));
  loyalty_wallets_encode(member->wallets, member->wallet_count, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_CUSTOMER, key_view(&key), buffer_view(work->buffer));
}

// --- ledgers -------------------------------------------------------------------------------------------------

static enum err next_id(void *context, uint64_t *id) {
  struct work *work = context;
  return engine_next(work->engine, &work->engine->decisions, id, work->diag);
}

static struct loyalty_ledger *opened(const struct loyalty_member *member, uint32_t programme) {
  for (size_t i = 0; i < member->ledger_count; i++)
    if (member->ledgers[i]->programme->number == programme) return member->ledgers[i];
  return NULL;
}

static struct loyalty_wallet *wallet_of(const struct loyalty_member *member, uint32_t programme) {
  for (size_t i = 0; i < member->wallet_count; i++)
    if (member->wallets[i].programme == programme) return &member->wallets[i];
  return NULL;
}

// Ledgers point to wallets: those that are open move along.
static enum err add_wallet(struct work *work, struct loyalty_member *member, struct loyalty_wallet **wallet) {
  if (member->wallet_count == member->wallet_capacity) {
    size_t capacity = member->wallet_capacity * 2 + 2;
    struct loyalty_wallet *wallets = arena_take_zero(work->arena, capacity, sizeof *wallets);
    if (wallets == NULL) return diag_no_memory(work->diag);
    if (member->wallet_count > 0) memcpy(wallets, member->wallets, member->wallet_count * sizeof *wallets);
    member->wallets = wallets;
    member->wallet_capacity = capacity;
    for (size_t i = 0; i < member->ledger_count; i++)
      member->ledgers[i]->wallet = wallet_of(member, member->ledgers[i]->programme->number);
  }
  *wallet = &member->wallets[member->wallet_count++];
  return ERR_OK;
}

static enum err add_ledger(struct work *work, struct loyalty_member *member, struct loyalty_ledger *ledger) {
  if (member->ledger_count == member->ledger_capacity) {
    size_t capacity = member->ledger_capacity * 2 + 2;
    struct loyalty_ledger **ledgers = arena_take_zero(work->arena, capacity, sizeof *ledgers);
    if (ledgers == NULL) return diag_no_memory(work->diag);
    if (member->ledger_count > 0) memcpy(ledgers, member->ledgers, member->ledger_count * sizeof *ledgers);
    member->ledgers = ledgers;
    member->ledger_capacity = capacity;
  }
  member->ledgers[member->ledger_count++] = ledger;
  return ERR_OK;
}

enum err loyalty_ledger_open(struct work *work, struct work_customer *customer, uint32_t programme, bool join,
                             struct loyalty_ledger **ledger) {
  const struct loyalty_programme *document = loyalty_set_programme(work->loyalty, programme);
  *ledger = NULL;
  enum err err = read_member(work, customer);
  if (err != ERR_OK || document == NULL) return err;
  struct loyalty_member *member = customer->member;
  *ledger = opened(member, programme);
  if (*ledger != NULL && !(join && (*ledger)->wallet->guest)) return ERR_OK;
  struct loyalty_wallet *wallet = wallet_of(member, programme);
  if (wallet == NULL && !join) return ERR_OK;
  if (wallet != NULL && join && wallet->guest) {
    wallet->guest = false;
    wallet->joined_us = work->now_us;
    member->dirty = true;
  }
  if (*ledger != NULL) return ERR_OK;
  bool joins = wallet == NULL;
  if (joins) err = add_wallet(work, member, &wallet);
  if (err != ERR_OK) return err;
  if (joins) loyalty_wallet_init(wallet, document, work->now_us);
  struct loyalty_ledger *made = arena_take_zero(work->arena, 1, sizeof *made);
  if (made == NULL) return diag_no_memory(work->diag);
  *made = (struct loyalty_ledger){.programme = document,
                                  .zone = loyalty_set_zone(work->loyalty, programme),
                                  .wallet = wallet,
                                  .arena = work->arena,
                                  .customer = customer->record.id,
                                  .now_us = work->now_us,
                                  .next_id = next_id,
                                  .context = work,
                                  .diag = work->diag};
  err = add_ledger(work, member, made);
  if (err == ERR_OK) err = loyalty_advance(made, work->now_us);
  if (err != ERR_OK) return err;
  member->dirty = true;
  *ledger = made;
  return ERR_OK;
}

enum err loyalty_ledger_of_guest(struct work *work, struct work_customer *customer, uint32_t programme,
                                 struct loyalty_ledger **ledger) {
  enum err err = loyalty_ledger_open(work, customer, programme, false, ledger);
  if (err != ERR_OK || *ledger != NULL) return err;
  err = loyalty_ledger_open(work, customer, programme, true, ledger);
  if (err == ERR_OK && *ledger != NULL)
    (*ledger)->wallet->guest = (*ledger)->programme->enrolment.who != LOYALTY_ENROL_EVERYONE;
  return err;
}

enum err loyalty_wallets(struct work *work, struct work_customer *customer, struct loyalty_wallet **wallets,
                         size_t *count) {
  enum err err = read_member(work, customer);
  if (err != ERR_OK) return err;
  *wallets = customer->member->wallets;
  *count = customer->member->wallet_count;
  return ERR_OK;
}

enum err loyalty_advance_all(struct work *work, struct work_customer *customer) {
  enum err err = read_member(work, customer);
  for (size_t i = 0; err == ERR_OK && i < customer->member->wallet_count; i++) {
    struct loyalty_ledger *ledger;
    err = loyalty_ledger_open(work, customer, customer->member->wallets[i].programme, false, &ledger);
  }
  return err;
}

enum err loyalty_take_timer(struct work *work, struct work_customer *customer, int64_t due_us) {
  struct key key;
  enum err err = read_member(work, customer);
  if (err != ERR_OK) return err;
  if (customer->member->timer_us == due_us) {
    customer->member->timer_us = INT64_MAX;
    customer->member->dirty = true;
  }
  due_key(&key, due_us, customer->record.id);
  return store_delete(work->txn, STORE_DUE, key_view(&key));
}

// --- her own events ------------------------------------------------------------------------------------------

static void put_text(struct value_builder *builder, const char *name, struct bytes text) {
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

// {"type":"track","event":"Points Earned","messageId":…,"properties":{…}}
static enum err pack_event(struct work *work, const char *name, struct bytes message_id, loyalty_tell_fn *put,
                           void *context, struct bytes *packed) {
  struct value_builder builder;
  struct buffer buffer;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, work->engine->names);
  value_document_begin(&builder);
  put_text(&builder, "type", BYTES("track"));
  put_text(&builder, "event", bytes_from_text(name));
  put_text(&builder, "messageId", message_id);
  value_put_name(&builder, BYTES("properties"));
  value_document_begin(&builder);
  put(&builder, context);
  value_document_end(&builder);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) *packed = arena_copy(work->arena, buffer_view(&buffer));
  if (err == ERR_OK && packed->data == NULL) err = ERR_NO_MEMORY;
  buffer_release(&buffer);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

enum err loyalty_tell(struct work *work, struct work_customer *customer, const char *name, int64_t at_us,
                      loyalty_tell_fn *put, void *context) {
  struct timeline_event hot = {.at = {.time_us = at_us}, .amount_code = RULE_AMOUNT_NONE, .dims = {0, RULE_DIM_NONE}};
  struct timeline_payload payload = {
      .source = work->engine->loyalty->source, .received_us = work->now_us, .flags = ENGINE_TRACK << 4};
  char text[48];
  bool added;
  enum err err = names_intern(work->engine->names, bytes_from_text(name), &hot.name, work->diag);
  if (err == ERR_OK) err = engine_next(work->engine, &work->engine->decisions, &payload.sequence, work->diag);
  if (err != ERR_OK) return err;
  int size = snprintf(text, sizeof text, "loyalty-%" PRIu64, payload.sequence);
  struct bytes message_id = bytes_of(text, (size_t)size);
  engine_event_id(work->engine, payload.source, message_id, hot.at.event);
  err = pack_event(work, name, message_id, put, context, &payload.message.packed);
  if (err != ERR_OK) return err;
  customer->head_dirty = true;
  work->delta.events++;
  err = timeline_add(work->txn, customer->record.id, &customer->head, work->arena, &hot, &payload, false, &added);
  return err == ERR_OK ? work_note(work, &customer->added, hot.name) : err;
}

static const char *const NEWS_NAMES[] = {[LOYALTY_NEWS_EARNED] = "Points Earned",
                                         [LOYALTY_NEWS_ACTIVATED] = "Points Activated",
                                         [LOYALTY_NEWS_SPENT] = "Points Spent",
                                         [LOYALTY_NEWS_EXPIRED] = "Points Expired",
                                         [LOYALTY_NEWS_RETURNED] = "Points Returned",
                                         [LOYALTY_NEWS_ADJUSTED] = "Points Adjusted",
                                         [LOYALTY_NEWS_EXPIRY_SOON] = "Points Expiry Soon",
                                         [LOYALTY_NEWS_UPGRADED] = "Tier Upgraded",
                                         [LOYALTY_NEWS_DOWNGRADED] = "Tier Downgraded",
                                         [LOYALTY_NEWS_DOWNGRADE_SOON] = "Tier Downgrade Soon",
                                         [LOYALTY_NEWS_REWARD] = "Reward Granted"};

struct telling {
  const struct work *work;
  const struct loyalty_ledger *ledger;
  const struct loyalty_programme *programme;
  const struct loyalty_news *news;
};

static void put_amount(struct value_builder *builder, const struct loyalty_currency *currency, int64_t amount) {
  struct decimal number = decimal_from_i64(amount);
  number.exponent = (int16_t)-currency->scale;
  value_put_name(builder, BYTES("amount"));
  value_put_number(builder, number);
  put_text(builder, "currency", currency->id);
}

static void put_id(struct value_builder *builder, const char *name, char letter, uint64_t id) {
  char text[32];
  int size = snprintf(text, sizeof text, "%c%" PRIu64, letter, id);
  put_text(builder, name, bytes_of(text, (size_t)size));
}

static bool is_external(struct loyalty_rule_ref rule) {
  return rule.campaign == LOYALTY_EXTERNAL;
}

// What was spent of the lots of other programmes, so that they can be told.
static void put_external_lots(struct value_builder *builder, const struct telling *telling,
                              const struct loyalty_posting *posting, const struct loyalty_currency *currency) {
  const struct names *names = telling->work->engine->names;
  value_put_name(builder, BYTES("lots"));
  value_list_begin(builder);
  for (size_t i = 0; i < posting->entry_count; i++) {
    const struct loyalty_entry *entry = &posting->entries[i];
    if (!is_external(entry->rule) || entry->to != LOYALTY_SPENT || entry->lot == 0) continue;
    value_document_begin(builder);
    put_id(builder, "lot", 'l', entry->lot);
    put_text(builder, "programme", names_text(names, entry->rule.rule));
    put_amount(builder, currency, entry->amount);
    value_document_end(builder);
  }
  value_list_end(builder);
}

static void put_external(struct value_builder *builder, const struct telling *telling,
                         const struct loyalty_currency *currency) {
  const struct loyalty_news *news = telling->news;
  const struct loyalty_ledger *ledger = telling->ledger;
  bool any = false;
  size_t at = 0;
  if (is_external(news->rule)) put_text(builder, "external", names_text(telling->work->engine->names, news->rule.rule));
  if (news->kind != LOYALTY_NEWS_SPENT || currency == NULL) return;
  put_id(builder, "posting", 'p', news->posting);
  while (at < ledger->posting_count && ledger->postings[at].id != news->posting) at++;
  if (at == ledger->posting_count) return;
  const struct loyalty_posting *posting = &ledger->postings[at];
  for (size_t i = 0; i < posting->entry_count; i++) any |= is_external(posting->entries[i].rule);
  if (any) put_external_lots(builder, telling, posting, currency);
}

static bool is_of_tier(enum loyalty_news_kind kind) {
  return kind == LOYALTY_NEWS_UPGRADED || kind == LOYALTY_NEWS_DOWNGRADED || kind == LOYALTY_NEWS_DOWNGRADE_SOON;
}

static bool looks_ahead(enum loyalty_news_kind kind) {
  return kind == LOYALTY_NEWS_EXPIRY_SOON || kind == LOYALTY_NEWS_DOWNGRADE_SOON;
}

static void put_news(struct value_builder *builder, void *context) {
  const struct telling *telling = context;
  const struct loyalty_news *news = telling->news;
  const struct loyalty_programme *programme = telling->programme;
  char text[CLOCK_TEXT_BYTES];
  put_text(builder, "programme", programme->id);
  const struct loyalty_currency *currency = loyalty_currency_at(programme, news->currency);
  if (currency != NULL && !is_of_tier(news->kind)) put_amount(builder, currency, news->amount);
  const struct loyalty_level *level = loyalty_level_at(programme, news->level);
  const struct loyalty_level *before = loyalty_level_at(programme, news->before);
  if (is_of_tier(news->kind) && level != NULL) put_text(builder, "tier", level->id);
  if (is_of_tier(news->kind) && before != NULL) put_text(builder, "from", before->id);
  put_external(builder, telling, currency);
  const struct loyalty_live_rule *rule = news->rule.rule == 0 || is_external(news->rule)
                                             ? NULL
                                             : loyalty_set_rule(telling->work->loyalty, programme->number, news->rule);
  if (rule != NULL) put_text(builder, "rule", rule->rule->id);
  if (rule != NULL && rule->campaign != NULL) put_text(builder, "campaign", rule->campaign->id);
  for (size_t i = 0; news->kind == LOYALTY_NEWS_REWARD && i < programme->reward_count; i++)
    if (programme->rewards[i].number == news->reward) put_text(builder, "reward", programme->rewards[i].id);
  if (!looks_ahead(news->kind)) return;
  clock_format(news->at_us, text);
  put_text(builder, "due_at", bytes_from_text(text));
}

static enum err tell_news(struct work *work, struct work_customer *customer, const struct loyalty_ledger *ledger,
                          const struct loyalty_news *news) {
  struct telling telling = {work, ledger, ledger->programme, news};
  int64_t at_us = looks_ahead(news->kind) ? work->now_us : news->at_us;
  return loyalty_tell(work, customer, NEWS_NAMES[news->kind], at_us, put_news, &telling);
}

// --- writing -------------------------------------------------------------------------------------------------

enum err loyalty_posting_write(struct work *work, uint64_t customer, const struct loyalty_posting *posting) {
  struct key key;
  loyalty_number_row_key(&key, customer, 'p', posting->id);
  buffer_clear(work->buffer);
  loyalty_posting_encode(posting, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), buffer_view(work->buffer));
}

// A lot that was spent to its end and comes back was forgotten meanwhile: its first posting says from where it came.
static enum err mend_lot(struct work *work, uint64_t customer, struct loyalty_lot *lot) {
  struct loyalty_posting first;
  struct bytes row;
  struct key key;
  if (lot->rule.campaign != 0 || lot->rule.rule != 0) return ERR_OK;
  loyalty_number_row_key(&key, customer, 'p', lot->id >> 8);
  enum err err = store_get(work->txn, STORE_LEDGER, key_view(&key), work->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  err = loyalty_posting_decode(row, lot->id >> 8, work->arena, &first);
  if (err == ERR_CORRUPT) return diag_set(work->diag, err, "corrupt", "a posting cannot be read; run `rapport check`");
  for (size_t i = 0; err == ERR_OK && i < first.entry_count; i++)
    if (first.entries[i].lot == lot->id && is_external(first.entries[i].rule)) lot->rule = first.entries[i].rule;
  return err == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

static enum err mend_lots(struct work *work, uint64_t customer, struct loyalty_ledger *ledger,
                          const struct loyalty_posting *posting) {
  struct loyalty_wallet *wallet = ledger->wallet;
  enum err err = ERR_OK;
  for (size_t i = 0; posting->kind == LOYALTY_ROLL_BACK && i < posting->entry_count; i++)
    for (size_t j = 0; err == ERR_OK && j < wallet->lot_count; j++)
      if (wallet->lots[j].id == posting->entries[i].lot) err = mend_lot(work, customer, &wallet->lots[j]);
  return err;
}

// What follows from what happened may itself make something happen: a gift, a reward's voucher.
static enum err write_ledger(struct work *work, struct work_customer *customer, struct loyalty_ledger *ledger) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < ledger->posting_count; i++) {
    err = loyalty_posting_write(work, customer->record.id, &ledger->postings[i]);
    if (err == ERR_OK) err = feed_note_posting(work, customer->record.id, &ledger->postings[i]);
    if (err == ERR_OK) err = mend_lots(work, customer->record.id, ledger, &ledger->postings[i]);
  }
  for (size_t i = 0; err == ERR_OK && i < ledger->news_count; i++) {
    err = tell_news(work, customer, ledger, &ledger->news[i]);
    if (err == ERR_OK) err = feed_note_news(work, customer->record.id, ledger->programme->number, &ledger->news[i]);
    if (err == ERR_OK) err = loyalty_follow(work, customer, ledger, &ledger->news[i]);
  }
  return err;
}

static int64_t due_of(const struct work *work, const struct loyalty_member *member) {
  int64_t due_us = INT64_MAX;
  for (size_t i = 0; i < member->wallet_count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, member->wallets[i].programme);
    if (programme == NULL) continue;
    int64_t one_us = loyalty_due_us(&member->wallets[i], programme, loyalty_set_zone(work->loyalty, programme->number));
    if (one_us < due_us) due_us = one_us;
  }
  return due_us;
}

// Invariant 2.
static enum err set_timer(struct work *work, struct work_customer *customer) {
  struct loyalty_member *member = customer->member;
  int64_t due_us = due_of(work, member);
  struct key key;
  enum err err = ERR_OK;
  if (due_us <= work->now_us) due_us = work->now_us + 1;
  if (due_us >= member->timer_us && member->timer_us > work->now_us) return ERR_OK;
  if (member->timer_us != INT64_MAX) {
    due_key(&key, member->timer_us, customer->record.id);
    err = store_delete(work->txn, STORE_DUE, key_view(&key));
  }
  member->timer_us = due_us;
  if (err != ERR_OK || due_us == INT64_MAX) return err;
  due_key(&key, due_us, customer->record.id);
  return store_put(work->txn, STORE_DUE, key_view(&key), BYTES(""));
}

enum err loyalty_flush(struct work *work, struct work_customer *customer) {
  struct loyalty_member *member = customer->member;
  enum err err = ERR_OK;
  for (size_t i = 0; member != NULL && err == ERR_OK && i < member->ledger_count; i++) {
    struct loyalty_ledger *ledger = member->ledgers[i];
    customer->loyalty_changed |= ledger->posting_count > 0 || ledger->news_count > 0;
    err = write_ledger(work, customer, ledger);
    ledger->posting_count = ledger->news_count = 0;
  }
  return err;
}

static enum err emit_member(struct work *work, struct work_customer *customer) {
  enum err err = loyalty_flush(work, customer);
  if (err == ERR_OK) err = set_timer(work, customer);
  return err == ERR_OK ? write_row(work, customer) : err;
}

enum err loyalty_adopt(struct work *work, struct work_customer *customer, const struct loyalty_wallet *wallet) {
  struct loyalty_wallet *place;
  enum err err = read_member(work, customer);
  if (err == ERR_OK) err = add_wallet(work, customer->member, &place);
  if (err != ERR_OK) return err;
  *place = *wallet;
  customer->member->dirty = customer->loyalty_changed = true;
  return ERR_OK;
}

enum err loyalty_leave(struct work *work, struct work_customer *customer, uint64_t id) {
  struct loyalty_member *none = arena_take_zero(work->arena, 1, sizeof *none);
  struct key key;
  enum err err = none == NULL ? diag_no_memory(work->diag) : read_member(work, customer);
  if (err == ERR_OK && customer->member->timer_us != INT64_MAX) {
    due_key(&key, customer->member->timer_us, id);
    err = store_delete(work->txn, STORE_DUE, key_view(&key));
  }
  if (err != ERR_OK) return err;
  none->timer_us = INT64_MAX;
  customer->member = none;
  customer->loyalty_changed = true;
  customer_key(id, CUSTOMER_ROW_WALLET, &key);
  return store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
}

enum err loyalty_emit(struct work *work) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < work->customer_count; i++) {
    struct work_customer *customer = work->customers[i];
    if (customer->member != NULL && customer->member->dirty) err = emit_member(work, customer);
  }
  if (err == ERR_OK) err = loyalty_codes_emit(work);
  return err == ERR_OK ? loyalty_counters_emit(work) : err;
}

// --- what expressions ask ------------------------------------------------------------------------------------

// The programme an expression names; without a name there is only one.
static const struct loyalty_programme *asked_programme(const struct loyalty_set *set, const struct bytes *arguments,
                                                       size_t count) {
  return count > 0 ? loyalty_set_programme_find(set, arguments[0]) : NULL;
}

static const struct loyalty_currency *asked_currency(const struct loyalty_programme *programme,
                                                     const struct bytes *arguments, size_t count) {
  return count > 1 ? loyalty_currency_find(programme, arguments[1]) : &programme->currencies[0];
}

enum err loyalty_answer(const struct loyalty_set *set, const struct loyalty_wallet *wallets, size_t wallet_count,
                        enum rule_function function, const struct bytes *arguments, size_t count,
                        struct rule_value *value, int64_t *until_us) {
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  const struct loyalty_programme *programme = asked_programme(set, arguments, count);
  if (programme == NULL) return ERR_OK;
  const struct loyalty_wallet *wallet = NULL;
  for (size_t i = 0; wallet == NULL && i < wallet_count; i++)
    if (wallets[i].programme == programme->number) wallet = &wallets[i];
  if (wallet == NULL || wallet->guest) return ERR_OK;
  int64_t due_us = loyalty_due_us(wallet, programme, loyalty_set_zone(set, programme->number));
  if (due_us < *until_us) *until_us = due_us;
  if (function == RULE_FUNCTION_tier) {
    const struct loyalty_level *level = loyalty_level_at(programme, wallet->level);
    if (level != NULL) *value = (struct rule_value){.type = RULE_TYPE_TEXT, .text = level->id};
    return ERR_OK;
  }
  const struct loyalty_currency *currency = asked_currency(programme, arguments, count);
  if (currency == NULL) return ERR_OK;
  struct decimal number = decimal_from_i64(loyalty_amount(wallet, currency->number, LOYALTY_ACTIVE) +
                                           loyalty_amount(wallet, currency->number, LOYALTY_DEBT));
  number.exponent = (int16_t)-currency->scale;
  *value = (struct rule_value){.type = RULE_TYPE_NUMBER, .number = number};
  return ERR_OK;
}

enum err loyalty_lookup(struct work *work, struct work_customer *customer, enum rule_function function,
                        const struct bytes *arguments, size_t count, int64_t now_us, struct rule_value *value,
                        int64_t *until_us) {
  (void)now_us;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (work->loyalty == NULL || (function != RULE_FUNCTION_points && function != RULE_FUNCTION_tier)) return ERR_OK;
  enum err err = loyalty_advance_all(work, customer);
  if (err != ERR_OK) return err;
  return loyalty_answer(work->loyalty, customer->member->wallets, customer->member->wallet_count, function, arguments,
                        count, value, until_us);
}
