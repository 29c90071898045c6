// ledger: wallets, and the making of postings.
//
// Invariants: 1. the accounts of a currency add up to nothing, always: they change in ledger_shift alone; 2. PENDING,
// ACTIVE and HELD are what the lots have of each, because an entry changes both; 3. lots ascend by id and have
// something left whenever an operation is over; 4. an operation that fails has changed nothing: the wallet was copied
// before. The copy costs less than what every check in front of every change would: a wallet has ten lots.
#include "loyalty/ledger_private.h"

#include <assert.h>
#include <string.h>

#include "loyalty/code.h"

enum { FIRST_CAPACITY = 8 };

const char *loyalty_account_name(enum loyalty_account account) {
  static const char *const NAMES[] = {"pending", "active",   "held",     "debt",        "issued", "spent",
                                      "expired", "returned", "adjusted", "transferred", "erased"};
  return NAMES[account];
}

const char *loyalty_posting_kind_name(enum loyalty_posting_kind kind) {
  static const char *const NAMES[] = {"earn",   "activate", "repay",     "spend",  "hold",     "capture", "release",
                                      "expire", "return",   "roll_back", "adjust", "transfer", "import",  "erase"};
  return NAMES[kind];
}

void loyalty_wallet_init(struct loyalty_wallet *wallet, const struct loyalty_programme *programme, int64_t joined_us) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  *wallet = (struct loyalty_wallet){
      .programme = programme->number,
      .joined_us = joined_us,
      .advanced_us = joined_us,
      .level = tiers->currency != 0 && tiers->level_count > 0 ? tiers->levels[0].number : 0,
      .level_since_us = joined_us,
      .below_since_us = INT64_MAX,
      .expiry_noticed_us = INT64_MIN,
      .downgrade_noticed_us = INT64_MIN,
  };
}

// --- refusals ------------------------------------------------------------------------------------------------

enum err ledger_refuse(struct loyalty_ledger *ledger, const char *code) {
  const char *words = loyalty_refusal_words(code);
  return diag_set(ledger->diag, ERR_DENIED, code, "%s", words == NULL ? code : words);
}

enum err ledger_overflow(struct loyalty_ledger *ledger) {
  return diag_set(ledger->diag, ERR_LIMIT, "overflow", "the balance would be larger than 2^63 - 1");
}

enum err ledger_bad_amount(struct loyalty_ledger *ledger) {
  return diag_set(ledger->diag, ERR_INVALID, "bad_amount", "an amount must be greater than 0");
}

// --- all or nothing ------------------------------------------------------------------------------------------

static enum err copy_items(struct arena *arena, const void *items, size_t count, size_t item_bytes, void **copy) {
  *copy = NULL;
  if (count == 0) return ERR_OK;
  *copy = arena_take(arena, count * item_bytes);
  if (*copy == NULL) return ERR_NO_MEMORY;
  memcpy(*copy, items, count * item_bytes);
  return ERR_OK;
}

static enum err copy_wallet(struct arena *arena, const struct loyalty_wallet *from, struct loyalty_wallet *to) {
  void *balances, *lots, *holds, *days, *counters;
  if (copy_items(arena, from->balances, from->balance_count, sizeof *from->balances, &balances) != ERR_OK ||
      copy_items(arena, from->lots, from->lot_count, sizeof *from->lots, &lots) != ERR_OK ||
      copy_items(arena, from->holds, from->hold_count, sizeof *from->holds, &holds) != ERR_OK ||
      copy_items(arena, from->days, from->day_count, sizeof *from->days, &days) != ERR_OK ||
      copy_items(arena, from->counters, from->counter_count, sizeof *from->counters, &counters) != ERR_OK)
    return ERR_NO_MEMORY;
  *to = *from;
  to->balances = balances;
  to->lots = lots;
  to->lot_capacity = from->lot_count;
  to->holds = holds;
  to->hold_capacity = from->hold_count;
  to->days = days;
  to->day_capacity = from->day_count;
  to->counters = counters;
  to->counter_capacity = from->counter_count;
  return ERR_OK;
}

enum err ledger_mark(struct loyalty_ledger *ledger, struct ledger_mark *mark) {
  mark->posting_count = ledger->posting_count;
  mark->news_count = ledger->news_count;
  if (copy_wallet(ledger->arena, ledger->wallet, &mark->wallet) != ERR_OK) return diag_no_memory(ledger->diag);
  return ERR_OK;
}

static void forget_empty_lots(struct loyalty_wallet *wallet) {
  size_t kept = 0;
  for (size_t i = 0; i < wallet->lot_count; i++) {
    const struct loyalty_lot *lot = &wallet->lots[i];
    if (lot->pending == 0 && lot->active == 0 && lot->held == 0) continue;
    if (kept != i) wallet->lots[kept] = *lot;
    kept++;
  }
  wallet->lot_count = kept;
}

enum err ledger_end(struct loyalty_ledger *ledger, const struct ledger_mark *mark, enum err err) {
  if (err == ERR_OK) {
    forget_empty_lots(ledger->wallet);
    return ERR_OK;
  }
  *ledger->wallet = mark->wallet;
  ledger->posting_count = mark->posting_count;
  ledger->news_count = mark->news_count;
  return err == ERR_NO_MEMORY ? diag_no_memory(ledger->diag) : err;
}

enum err ledger_grow(struct arena *arena, void **items, size_t *capacity, size_t count, size_t item_bytes) {
  if (count < *capacity) return ERR_OK;
  size_t room = *capacity < FIRST_CAPACITY ? FIRST_CAPACITY : *capacity * 2;
  void *grown = arena_take(arena, room * item_bytes);
  if (grown == NULL) return ERR_NO_MEMORY;
  if (count > 0) memcpy(grown, *items, count * item_bytes);
  *items = grown;
  *capacity = room;
  return ERR_OK;
}

// --- what a wallet has ---------------------------------------------------------------------------------------

const struct loyalty_currency *ledger_currency(const struct loyalty_programme *programme, uint8_t number) {
  for (size_t i = 0; i < programme->currency_count; i++)
    if (programme->currencies[i].number == number) return &programme->currencies[i];
  return NULL;
}

struct loyalty_balance *ledger_balance_find(const struct loyalty_wallet *wallet, uint8_t currency) {
  for (size_t i = 0; i < wallet->balance_count; i++)
    if (wallet->balances[i].currency == currency) return &wallet->balances[i];
  return NULL;
}

// Currencies are few, so the array is made anew for each that is new to her.
enum err ledger_balance(struct loyalty_wallet *wallet, struct arena *arena, uint8_t currency,
                        struct loyalty_balance **balance) {
  *balance = ledger_balance_find(wallet, currency);
  if (*balance != NULL) return ERR_OK;
  struct loyalty_balance *balances = arena_take(arena, (wallet->balance_count + 1) * sizeof *balances);
  if (balances == NULL) return ERR_NO_MEMORY;
  size_t at = 0;
  while (at < wallet->balance_count && wallet->balances[at].currency < currency) at++;
  if (at > 0) memcpy(balances, wallet->balances, at * sizeof *balances);
  if (at < wallet->balance_count)
    memcpy(&balances[at + 1], &wallet->balances[at], (wallet->balance_count - at) * sizeof *balances);
  balances[at] = (struct loyalty_balance){.currency = currency};
  wallet->balances = balances;
  wallet->balance_count++;
  *balance = &balances[at];
  return ERR_OK;
}

int64_t loyalty_amount(const struct loyalty_wallet *wallet, uint8_t currency, enum loyalty_account account) {
  const struct loyalty_balance *balance = ledger_balance_find(wallet, currency);
  return balance == NULL ? 0 : balance->accounts[account];
}

static size_t lot_place(const struct loyalty_wallet *wallet, uint64_t id) {
  size_t low = 0, high = wallet->lot_count;
  if (high > 0 && wallet->lots[high - 1].id < id) return high; // a new one
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (wallet->lots[middle].id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

struct loyalty_lot *ledger_lot_find(const struct loyalty_wallet *wallet, uint64_t id) {
  size_t i = lot_place(wallet, id);
  return i < wallet->lot_count && wallet->lots[i].id == id ? &wallet->lots[i] : NULL;
}

enum err ledger_lot_add(struct loyalty_wallet *wallet, struct arena *arena, const struct loyalty_lot *lot,
                        struct loyalty_lot **placed) {
  struct loyalty_lot added = *lot; // may be one of those that move
  size_t i = lot_place(wallet, added.id);
  void *lots = wallet->lots;
  if (ledger_grow(arena, &lots, &wallet->lot_capacity, wallet->lot_count, sizeof *wallet->lots) != ERR_OK)
    return ERR_NO_MEMORY;
  wallet->lots = lots;
  memmove(&wallet->lots[i + 1], &wallet->lots[i], (wallet->lot_count - i) * sizeof *wallet->lots);
  wallet->lots[i] = added;
  wallet->lot_count++;
  *placed = &wallet->lots[i];
  return ERR_OK;
}

// --- postings ------------------------------------------------------------------------------------------------

static bool copy_text(struct arena *arena, struct bytes *text) {
  if (text->size_bytes == 0) {
    *text = bytes_of(NULL, 0);
    return true;
  }
  *text = arena_copy(arena, *text);
  return text->data != NULL;
}

enum err ledger_draft(struct loyalty_ledger *ledger, enum loyalty_posting_kind kind, const struct loyalty_cause *cause,
                      int64_t effective_us, struct ledger_draft *draft) {
  *draft = (struct ledger_draft){.posting = {.programme = ledger->wallet->programme,
                                             .kind = kind,
                                             .origin = ledger->customer,
                                             .effective_us = effective_us,
                                             .recorded_us = ledger->now_us}};
  struct loyalty_posting *posting = &draft->posting;
  if (cause != NULL) {
    posting->reference = cause->reference;
    posting->identifier = cause->identifier;
    posting->author = cause->author;
    posting->reason = cause->reason;
  }
  if (!copy_text(ledger->arena, &posting->reference) || !copy_text(ledger->arena, &posting->identifier) ||
      !copy_text(ledger->arena, &posting->author) || !copy_text(ledger->arena, &posting->reason))
    return ERR_NO_MEMORY;
  return ledger->next_id(ledger->context, &posting->id);
}

bool ledger_shift(int64_t accounts[LOYALTY_ACCOUNT_COUNT], enum loyalty_account from, enum loyalty_account to,
                  int64_t amount) {
  int64_t less, more;
  if (from == to) return true;
  if (__builtin_sub_overflow(accounts[from], amount, &less) || less == INT64_MIN) return false;
  if (__builtin_add_overflow(accounts[to], amount, &more)) return false;
  accounts[from] = less;
  accounts[to] = more;
  return true;
}

int64_t *ledger_part_of(struct loyalty_lot *lot, enum loyalty_account account) {
  switch (account) {
  case LOYALTY_PENDING:
    return &lot->pending;
  case LOYALTY_ACTIVE:
    return &lot->active;
  case LOYALTY_HELD:
    return &lot->held;
  default:
    return NULL;
  }
}

// The parts of a lot are less than its account: they overflow only together.
static void shift_lot(struct loyalty_lot *lot, const struct loyalty_entry *entry) {
  int64_t *from = ledger_part_of(lot, entry->from), *to = ledger_part_of(lot, entry->to);
  if (from != NULL) *from -= entry->amount;
  if (to != NULL) *to += entry->amount;
  assert(from == NULL || *from >= 0);
}

enum err ledger_entry(struct loyalty_ledger *ledger, struct ledger_draft *draft, struct loyalty_lot *lot,
                      struct loyalty_entry entry) {
  struct loyalty_balance *balance;
  void *entries = draft->entries;
  assert(entry.amount > 0);
  if (ledger_grow(ledger->arena, &entries, &draft->capacity, draft->posting.entry_count, sizeof entry) != ERR_OK ||
      ledger_balance(ledger->wallet, ledger->arena, entry.currency, &balance) != ERR_OK)
    return ERR_NO_MEMORY;
  draft->entries = entries;
  if (lot != NULL) entry.lot = lot->id;
  if (!ledger_shift(balance->accounts, entry.from, entry.to, entry.amount)) return ledger_overflow(ledger);
  if (lot != NULL) shift_lot(lot, &entry);
  draft->entries[draft->posting.entry_count++] = entry;
  if (entry.from != entry.to && __builtin_add_overflow(draft->total, entry.amount, &draft->total))
    return ledger_overflow(ledger);
  return ERR_OK;
}

enum err ledger_post(struct loyalty_ledger *ledger, struct ledger_draft *draft) {
  void *postings = ledger->postings;
  if (draft->posting.entry_count == 0) return ERR_OK;
  if (ledger_grow(ledger->arena, &postings, &ledger->posting_capacity, ledger->posting_count,
                  sizeof *ledger->postings) != ERR_OK)
    return ERR_NO_MEMORY;
  ledger->postings = postings;
  draft->posting.entries = draft->entries;
  ledger->postings[ledger->posting_count++] = draft->posting;
  return ERR_OK;
}

enum err ledger_tell(struct loyalty_ledger *ledger, struct loyalty_news news) {
  void *items = ledger->news;
  if (ledger_grow(ledger->arena, &items, &ledger->news_capacity, ledger->news_count, sizeof news) != ERR_OK)
    return ERR_NO_MEMORY;
  ledger->news = items;
  news.programme = ledger->wallet->programme;
  ledger->news[ledger->news_count++] = news;
  return ERR_OK;
}

enum err ledger_tell_of(struct loyalty_ledger *ledger, const struct ledger_draft *draft, enum loyalty_news_kind kind,
                        uint8_t currency, struct loyalty_rule_ref rule) {
  if (draft->total == 0) return ERR_OK;
  return ledger_tell(ledger, (struct loyalty_news){.kind = kind,
                                                   .currency = currency,
                                                   .amount = draft->total,
                                                   .at_us = draft->posting.effective_us,
                                                   .posting = draft->posting.id,
                                                   .rule = rule});
}
