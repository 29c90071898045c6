// loyalty_earn.c: what rules earn for an event, within their caps and budgets; what is withdrawn; what is released.
//
// Rules are judged over the customer as she is with the event on her timeline, and with the memberships she had before
// it. A rule that earns once for each value of something (a message opened, an order line reviewed) has a row of LEDGER
// for each value: "k" campaign, rule, hash of the value: state (1 earned, 2 withdrawn), programme, currency, amount,
// the lot. Withdrawn, it may be earned again. Caps are looked at in their order, then the campaign's budget; an amount
// that is trimmed by one goes on trimmed. What is refused says by what.
#include "engine/loyalty.h"

#include <sodium.h>

#include "engine/live.h"

enum { ONCE_EARNED = 1, ONCE_WITHDRAWN = 2, ONCE_HASH_BYTES = 16 };

// --- facts ---------------------------------------------------------------------------------------------------

static enum err read_membership(struct loyalty_kit *kit) {
  if (kit->membership != NULL) return ERR_OK;
  struct membership *membership = arena_take_zero(kit->work->arena, 1, sizeof *membership);
  if (membership == NULL) return ERR_NO_MEMORY;
  enum err err = membership_decode(kit->customer->membership, kit->work->arena, membership);
  if (err == ERR_OK) kit->membership = membership;
  return err;
}

// As it was before the event: what time alone has changed since is worked out on the spot (segment_answer).
static enum err ask_segment(struct loyalty_kit *kit, enum rule_function function, const struct bytes *arguments,
                            size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  const struct segment_set *set = kit->work->set;
  const struct segment_definition *segment = set == NULL ? NULL : segment_set_live(set, arguments[0]);
  struct membership_entry entry;
  if (segment == NULL) return ERR_OK;
  enum err err = read_membership(kit);
  if (err != ERR_OK) return err;
  struct rule_machine *machine = live_take_machine(kit->work->engine); // the other one is in the middle of a run
  if (machine == NULL) return ERR_NO_MEMORY;
  struct facts facts;
  facts_init(&facts, (struct timeline_reader){.txn = kit->work->txn}, kit->work->arena, &kit->work->sources);
  facts_reset(&facts, kit->customer->record.id, &kit->customer->record, &kit->customer->head);
  struct segment_evaluation evaluation = {.set = set,
                                          .machine = machine,
                                          .facts = &facts,
                                          .arena = kit->work->arena,
                                          .membership = kit->membership,
                                          .now_us = now_us};
  err = segment_answer(&evaluation, segment->question, &entry);
  live_give_machine(kit->work->engine, machine);
  if (err != ERR_OK || entry.unknown) return err;
  if (entry.valid_until_us < *until_us) *until_us = entry.valid_until_us;
  return segment_set_say(set, &entry, function, arguments, count, kit->work->arena, value);
}

static enum err look_up(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct loyalty_kit *kit = context;
  (void)customer;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (count > 0 && segment_is_asked(function))
    return ask_segment(kit, function, arguments, count, now_us, value, until_us);
  return loyalty_lookup(kit->work, kit->customer, function, arguments, count, now_us, value, until_us);
}

enum err loyalty_kit_open(struct loyalty_kit *kit, struct work *work, struct work_customer *customer) {
  *kit = (struct loyalty_kit){.work = work, .customer = customer, .machine = live_take_machine(work->engine)};
  if (kit->machine == NULL) return diag_no_memory(work->diag);
  facts_init(&kit->facts, (struct timeline_reader){.txn = work->txn}, work->arena, &work->sources);
  facts_reset(&kit->facts, customer->record.id, &customer->record, &customer->head);
  kit->facts.lookup = look_up;
  kit->facts.lookup_context = kit;
  return ERR_OK;
}

void loyalty_kit_close(struct loyalty_kit *kit) {
  if (kit->machine != NULL) live_give_machine(kit->work->engine, kit->machine);
  kit->machine = NULL;
}

// --- counters ------------------------------------------------------------------------------------------------

static struct loyalty_counter_key cap_key(const struct loyalty_set *set, const struct loyalty_live_rule *rule,
                                          size_t cap, int64_t at_us) {
  const struct rule_zone *zone = loyalty_set_zone(set, rule->programme->number);
  return (struct loyalty_counter_key){.kind = LOYALTY_COUNT_CAP,
                                      .number = rule->programme->number,
                                      .rule = rule->ref,
                                      .cap = (uint8_t)cap,
                                      .start_day = loyalty_period_start(zone, rule->rule->caps[cap].period, at_us)};
}

static bool is_limited(const struct loyalty_budget *budget, enum loyalty_counter_kind kind) {
  return (kind == LOYALTY_COUNT_POINTS  ? budget->points
          : kind == LOYALTY_COUNT_CENTS ? budget->cents
                                        : budget->uses) > 0;
}

size_t loyalty_rule_counters(const struct loyalty_set *set, const struct loyalty_live_rule *rule, int64_t at_us,
                             struct loyalty_counter_key *keys, size_t room) {
  static const enum loyalty_counter_kind kinds[] = {LOYALTY_COUNT_POINTS, LOYALTY_COUNT_CENTS, LOYALTY_COUNT_USES};
  size_t count = 0;
  for (size_t i = 0; rule->campaign != NULL && i < sizeof kinds / sizeof *kinds; i++) {
    if (!is_limited(&rule->campaign->budget, kinds[i])) continue;
    if (count < room) keys[count] = (struct loyalty_counter_key){.kind = kinds[i], .number = rule->campaign->number};
    count++;
  }
  for (size_t i = 0; i < rule->rule->cap_count; i++) {
    if (rule->rule->caps[i].scope != LOYALTY_CAP_EVERYBODY) continue;
    if (count < room) keys[count] = cap_key(set, rule, i, at_us);
    count++;
  }
  return count;
}

int64_t loyalty_budget_room(struct work *work, const struct loyalty_campaign *campaign,
                            enum loyalty_counter_kind kind) {
  struct loyalty_counter_key key = {.kind = kind, .number = campaign->number};
  const struct loyalty_budget *budget = &campaign->budget;
  if (!is_limited(budget, kind)) return INT64_MAX;
  int64_t most = kind == LOYALTY_COUNT_POINTS  ? budget->points
                 : kind == LOYALTY_COUNT_CENTS ? budget->cents
                                               : budget->uses;
  return most - *loyalty_counter_of(work, &key);
}

// --- what was earned once ------------------------------------------------------------------------------------

// Every programme numbers its rules from 1: what is not the first one's is hashed with the programme. `older`: as rows
// were called that know no programme.
static void once_key(struct key *key, uint64_t customer, uint32_t programme, struct loyalty_rule_ref rule,
                     struct bytes value, bool older) {
  uint8_t hash[ONCE_HASH_BYTES], salt[crypto_generichash_KEYBYTES] = "programme";
  bool salted = rule.campaign == 0 && programme > 1 && !older;
  for (size_t i = 0; i < sizeof programme; i++) salt[sizeof salt - 1 - i] = (uint8_t)(programme >> 8 * i);
  crypto_generichash(hash, sizeof hash, value.data, value.size_bytes, salted ? salt : NULL, salted ? sizeof salt : 0);
  loyalty_row_key(key, customer, 'k', BYTES(""));
  key_put_u32(key, rule.campaign);
  key_put_u32(key, rule.rule);
  key_put_raw(key, bytes_of(hash, sizeof hash));
}

struct once {
  uint64_t state; // 0: there is no row
  uint32_t programme;
  struct loyalty_lot lot;
};

uint8_t *loyalty_lot_row_put(uint8_t *at, const struct loyalty_lot *lot) {
  at = varint_put(at, lot->currency);
  at = varint_put_signed(at, lot->amount);
  at = varint_put(at, lot->id);
  at = varint_put_signed(at, lot->earned_us);
  at = varint_put_signed(at, lot->active_us);
  return varint_put_signed(at, lot->expires_us);
}

void loyalty_lot_row_read(struct varint_reader *reader, struct loyalty_lot *lot) {
  lot->currency = (uint8_t)varint_read_up_to(reader, UINT8_MAX);
  lot->amount = varint_read_signed(reader);
  lot->id = varint_read(reader);
  lot->earned_us = varint_read_signed(reader);
  lot->active_us = varint_read_signed(reader);
  lot->expires_us = varint_read_signed(reader);
}

static enum err once_decode(struct work *work, struct bytes row, struct once *once) {
  *once = (struct once){0};
  struct varint_reader reader = varint_reader_of(row);
  once->state = varint_read_up_to(&reader, ONCE_WITHDRAWN);
  once->programme = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
  loyalty_lot_row_read(&reader, &once->lot);
  return reader.failed || once->state == 0 ? diag_set(work->diag, ERR_CORRUPT, "corrupt",
                                                      "a row of what was earned "
                                                      "once cannot be read")
                                           : ERR_OK;
}

enum err loyalty_once_lot(struct work *work, struct bytes row, uint64_t *lot) {
  struct once once;
  enum err err = once_decode(work, row, &once);
  *lot = once.lot.id;
  return err;
}

static enum err once_read(struct work *work, const struct key *key, struct once *once) {
  struct bytes row;
  *once = (struct once){0};
  enum err err = store_get(work->txn, STORE_LEDGER, key_view(key), work->arena, &row);
  return err != ERR_OK || row.data == NULL ? err : once_decode(work, row, once);
}

// The row of what a rule earned for a value, and its key: where a row of the older name is the programme's, that one.
static enum err once_find(struct work *work, uint64_t customer, const struct loyalty_live_rule *rule,
                          struct bytes value, struct key *key, struct once *once) {
  struct key older;
  uint32_t programme = rule->programme->number;
  once_key(key, customer, programme, rule->ref, value, false);
  enum err err = once_read(work, key, once);
  if (err != ERR_OK || once->state != 0 || rule->ref.campaign != 0 || programme == 1) return err;
  once_key(&older, customer, programme, rule->ref, value, true);
  err = once_read(work, &older, once);
  if (err == ERR_OK && once->state != 0 && once->programme == programme)
    *key = older;
  else
    *once = (struct once){0};
  return err;
}

enum err loyalty_once_forget(struct work *work, uint64_t customer, int64_t since_us) {
  struct loyalty_row *rows;
  struct once once;
  size_t count;
  enum err err = loyalty_rows_of(work, customer, &rows, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    if (rows[i].kind != 'k') continue;
    err = once_decode(work, rows[i].value, &once);
    if (err == ERR_OK && once.lot.earned_us >= since_us) err = store_delete(work->txn, STORE_LEDGER, rows[i].key);
  }
  return err;
}

static enum err once_write(struct work *work, const struct key *key, const struct once *once) {
  uint8_t row[2 * VARINT_BYTES_MAX + LOYALTY_LOT_ROW_BYTES], *at = varint_put(row, once->state);
  at = varint_put(at, once->programme);
  at = loyalty_lot_row_put(at, &once->lot);
  return store_put(work->txn, STORE_LEDGER, key_view(key), bytes_of(row, (size_t)(at - row)));
}

enum err loyalty_once_keep(struct work *work, uint64_t customer, uint32_t programme, struct loyalty_rule_ref rule,
                           struct bytes value, const struct loyalty_lot *lot) {
  struct once once = {ONCE_EARNED, programme, *lot};
  struct key key;
  once_key(&key, customer, programme, rule, value, false);
  return once_write(work, &key, &once);
}

// --- caps and budgets ----------------------------------------------------------------------------------------

// Lets an amount through as far as there is room.
static void limit(struct loyalty_outcome *outcome, int64_t room, enum loyalty_over over, const char *code) {
  if (outcome->amount <= room) return;
  outcome->refusal = code;
  outcome->trimmed = over == LOYALTY_TRIM && room > 0;
  outcome->amount = outcome->trimmed ? room : 0;
}

static void limit_lines(struct loyalty_outcome *outcome, const struct loyalty_judgement *judgement, size_t lines,
                        const struct loyalty_cap *cap) {
  int64_t amount = 0;
  for (size_t i = 0; i < lines; i++) {
    int64_t line = judgement->by_line[i];
    if (line > cap->most) line = cap->over == LOYALTY_TRIM ? cap->most : 0;
    amount += line;
  }
  if (amount >= outcome->amount) return;
  outcome->refusal = "CAP_REACHED";
  outcome->trimmed = amount > 0;
  outcome->amount = amount;
}

static int64_t cap_room(struct work *work, const struct loyalty_ledger *ledger, const struct loyalty_live_rule *rule,
                        size_t index, int64_t at_us) {
  const struct loyalty_cap *cap = &rule->rule->caps[index];
  if (cap->scope == LOYALTY_CAP_MEMBER)
    return loyalty_cap_room(ledger->wallet, ledger->zone, rule->ref, (uint8_t)index, cap->period, cap->most, at_us);
  struct loyalty_counter_key key = cap_key(work->loyalty, rule, index, at_us);
  return cap->most - *loyalty_counter_of(work, &key);
}

bool loyalty_cap_left(struct loyalty_kit *kit, const struct loyalty_ledger *ledger,
                      const struct loyalty_live_rule *rule, size_t cap, int64_t at_us, int64_t *left) {
  const struct loyalty_cap *definition = &rule->rule->caps[cap];
  *left = definition->most;
  if (definition->scope == LOYALTY_CAP_LINE) return false;
  if (definition->scope == LOYALTY_CAP_MEMBER && ledger == NULL) return true;
  struct loyalty_counter_key key = cap_key(kit->work->loyalty, rule, cap, at_us);
  if (definition->scope == LOYALTY_CAP_EVERYBODY && !loyalty_counter_is_held(kit->work, &key)) return false;
  *left = cap_room(kit->work, ledger, rule, cap, at_us);
  return true;
}

static const struct loyalty_rule_ref *campaign_ref(const struct loyalty_live_rule *rule, struct loyalty_rule_ref *ref) {
  *ref = (struct loyalty_rule_ref){.campaign = rule->ref.campaign};
  return ref;
}

static void limit_all(struct loyalty_kit *kit, const struct loyalty_ledger *ledger, const struct loyalty_event *event,
                      const struct loyalty_judgement *judgement, struct loyalty_outcome *outcome) {
  const struct loyalty_live_rule *rule = judgement->rule;
  const struct loyalty_campaign *campaign = rule->campaign;
  struct loyalty_rule_ref whole;
  for (size_t i = 0; i < rule->rule->cap_count && outcome->amount > 0; i++) {
    const struct loyalty_cap *cap = &rule->rule->caps[i];
    if (cap->scope == LOYALTY_CAP_LINE && judgement->by_line != NULL)
      limit_lines(outcome, judgement, event->basket->line_count, cap);
    else if (cap->scope != LOYALTY_CAP_LINE)
      limit(outcome, cap_room(kit->work, ledger, rule, i, event->at_us), cap->over, "CAP_REACHED");
  }
  if (campaign == NULL || outcome->amount == 0) return;
  const struct loyalty_budget *budget = &campaign->budget;
  limit(outcome, loyalty_budget_room(kit->work, campaign, LOYALTY_COUNT_POINTS), budget->over,
        "CAMPAIGN_LIMIT_REACHED");
  if (budget->member_points > 0 && outcome->amount > 0)
    limit(outcome,
          loyalty_cap_room(ledger->wallet, ledger->zone, *campaign_ref(rule, &whole), LOYALTY_BUDGET, LOYALTY_EVER,
                           budget->member_points, event->at_us),
          budget->over, "CAMPAIGN_LIMIT_REACHED");
}

// Gives back no more than was counted: a limit may be younger than what is given back. What is given back to a counter
// that is not locked stays counted: only the event that withdraws is known when locks are taken.
static void count_shared(struct work *work, const struct loyalty_counter_key *key, int64_t amount) {
  if (amount < 0 && !loyalty_counter_is_held(work, key)) return;
  int64_t *used = loyalty_counter_of(work, key);
  *used += amount;
  if (amount < 0 && *used < 0) *used = 0;
}

static enum err count_caps(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_live_rule *rule,
                           int64_t at_us, int64_t amount) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < rule->rule->cap_count; i++) {
    const struct loyalty_cap *cap = &rule->rule->caps[i];
    struct loyalty_counter_key key = cap_key(work->loyalty, rule, i, at_us);
    if (cap->scope == LOYALTY_CAP_MEMBER && ledger != NULL)
      err = loyalty_count(ledger, rule->ref, 0, (uint8_t)i, cap->period, at_us, amount);
    if (cap->scope == LOYALTY_CAP_EVERYBODY) count_shared(work, &key, amount);
  }
  return err;
}

static enum err count_budget(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_campaign *campaign,
                             int64_t at_us, int64_t amount) {
  struct loyalty_counter_key key = {.kind = LOYALTY_COUNT_POINTS, .number = campaign->number};
  struct loyalty_rule_ref whole = {.campaign = campaign->number};
  if (is_limited(&campaign->budget, LOYALTY_COUNT_POINTS)) count_shared(work, &key, amount);
  if (campaign->budget.member_points == 0 || ledger == NULL) return ERR_OK;
  return loyalty_count(ledger, whole, 0, LOYALTY_BUDGET, LOYALTY_EVER, at_us, amount);
}

enum err loyalty_count_earned(struct work *work, struct loyalty_ledger *ledger, uint32_t programme,
                              struct loyalty_rule_ref ref, int64_t at_us, int64_t amount) {
  const struct loyalty_live_rule *rule = ref.rule == 0 ? NULL : loyalty_set_rule(work->loyalty, programme, ref);
  const struct loyalty_campaign *campaign = loyalty_set_campaign(work->loyalty, ref.campaign);
  enum err err = rule == NULL ? ERR_OK : count_caps(work, ledger, rule, at_us, amount);
  return err == ERR_OK && campaign != NULL ? count_budget(work, ledger, campaign, at_us, amount) : err;
}

bool loyalty_earned_has_room(struct work *work, const struct loyalty_ledger *ledger, struct loyalty_rule_ref ref,
                             int64_t at_us, int64_t amount) {
  const struct loyalty_live_rule *rule =
      ref.rule == 0 ? NULL : loyalty_set_rule(work->loyalty, ledger->programme->number, ref);
  const struct loyalty_campaign *campaign = loyalty_set_campaign(work->loyalty, ref.campaign);
  struct loyalty_rule_ref whole = {.campaign = ref.campaign};
  for (size_t i = 0; rule != NULL && i < rule->rule->cap_count; i++)
    if (rule->rule->caps[i].scope != LOYALTY_CAP_LINE && cap_room(work, ledger, rule, i, at_us) < amount) return false;
  if (campaign == NULL) return true;
  return loyalty_budget_room(work, campaign, LOYALTY_COUNT_POINTS) >= amount &&
         (campaign->budget.member_points == 0 ||
          loyalty_cap_room(ledger->wallet, ledger->zone, whole, LOYALTY_BUDGET, LOYALTY_EVER,
                           campaign->budget.member_points, at_us) >= amount);
}

// --- one rule ------------------------------------------------------------------------------------------------

static struct loyalty_lot lot_at(const struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint64_t id,
                                 uint8_t currency, int64_t amount) {
  for (size_t i = 0; i < ledger->wallet->lot_count; i++)
    if (ledger->wallet->lots[i].id == id) return ledger->wallet->lots[i];
  return (struct loyalty_lot){.id = id, // it paid a debt at once
                              .currency = currency,
                              .amount = amount,
                              .rule = cause->rule,
                              .earned_us = cause->effective_us,
                              .active_us = ledger->now_us,
                              .expires_us = INT64_MAX};
}

// Nothing is earned, and why.
static void earn_nothing(struct loyalty_outcome *outcome, const char *refusal) {
  outcome->amount = 0;
  outcome->trimmed = false;
  outcome->refusal = refusal;
}

// An event counts once, however many rules earn for it.
static bool is_first(const struct loyalty_outcomes *outcomes, const struct loyalty_outcome *outcome) {
  for (const struct loyalty_outcome *before = outcomes->items; before < outcome; before++)
    if (before->amount > 0 && before->lot.id != 0 && before->rule->programme == outcome->rule->programme &&
        before->rule->rule->currency == outcome->rule->rule->currency)
      return false;
  return true;
}

// What nobody waits for is not refused: the event stands and earns nothing.
static enum err guard(struct loyalty_kit *kit, struct loyalty_ledger *ledger, struct loyalty_outcome *outcome,
                      const struct loyalty_move *move) {
  struct work *work = kit->work;
  bool is_staff = false;
  enum err err = ERR_OK;
  if (ledger->programme->staff.earns_nothing) err = loyalty_is_staff(work, kit->customer, move->programme, &is_staff);
  if (is_staff) earn_nothing(outcome, "STAFF_EARNS_NOTHING");
  if (err != ERR_OK || is_staff) return err;
  err = loyalty_guard(work, kit->customer, ledger, move);
  if (err != ERR_DENIED || kit->asked) return err;
  const char *code = work->diag == NULL ? "MEMBER_LIMIT_REACHED" : loyalty_refusal_code(work->diag->code);
  earn_nothing(outcome, code);
  return ERR_OK;
}

static enum err earn(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes reference,
                     struct bytes identifier, const struct loyalty_judgement *judgement,
                     const struct loyalty_outcomes *outcomes, struct loyalty_outcome *outcome) {
  const struct loyalty_live_rule *rule = judgement->rule;
  struct loyalty_ledger *ledger;
  uint64_t lot;
  const char *refusal = NULL;
  enum err err = ERR_OK;
  if (kit->nobody || kit->simulated != NULL) // who is nobody yet, or was a member when it happened
    err = loyalty_ledger_open(kit->work, kit->customer, rule->programme->number, true, &ledger);
  else
    err = loyalty_enrol(kit->work, kit->customer, rule->programme->number,
                        event->basket != NULL ? LOYALTY_BY_PURCHASE : LOYALTY_BY_EVENT, &ledger, &refusal);
  if (err != ERR_OK) return err;
  if (refusal != NULL) {
    earn_nothing(outcome, refusal);
    return ERR_OK;
  }
  if (ledger->wallet->blocked) {
    earn_nothing(outcome, "MEMBER_BLOCKED");
    return ERR_OK;
  }
  limit_all(kit, ledger, event, judgement, outcome);
  if (outcome->amount == 0) return ERR_OK;
  struct loyalty_move move = {.programme = rule->programme->number,
                              .what = LOYALTY_MOVE_EARN,
                              .currency = rule->rule->currency,
                              .cashier = kit->work->cashier,
                              .count = is_first(outcomes, outcome) ? 1 : 0,
                              .points = outcome->amount,
                              .at_us = event->at_us};
  err = guard(kit, ledger, outcome, &move);
  if (err != ERR_OK || outcome->amount == 0) return err;
  struct loyalty_cause cause = {.reference = reference,
                                .identifier = identifier,
                                .rule = rule->ref,
                                .effective_us = event->at_us < ledger->now_us ? event->at_us : ledger->now_us};
  err = loyalty_earn(ledger, &cause, rule->rule->currency, outcome->amount, &lot);
  if (err == ERR_OK)
    err = loyalty_count_earned(kit->work, ledger, rule->programme->number, rule->ref, event->at_us, outcome->amount);
  if (err == ERR_OK) err = loyalty_guard_count(kit->work, ledger, &move);
  if (err == ERR_OK) outcome->lot = lot_at(ledger, &cause, lot, rule->rule->currency, outcome->amount);
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

static enum err apply_rule(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes reference,
                           struct bytes identifier, const struct loyalty_judgement *judgement,
                           const struct loyalty_outcomes *outcomes, struct loyalty_outcome *outcome) {
  const struct loyalty_live_rule *rule = judgement->rule;
  uint64_t customer = kit->customer->record.id;
  struct once once = {0};
  struct key key;
  enum err err = ERR_OK;
  outcome->rule = rule;
  outcome->refusal = judgement->skipped;
  if (judgement->skipped != NULL) return ERR_OK;
  if (rule->rule->give.size_bytes > 0 && loyalty_set_voucher_find(kit->work->loyalty, rule->rule->give) == NULL) {
    outcome->refusal = "unknown_voucher";
    return loyalty_skip(kit->work, kit->customer, rule->programme, rule->rule->give, "rule", rule->rule->id);
  }
  if (judgement->once.data != NULL) {
    err = once_find(kit->work, customer, rule, judgement->once, &key, &once);
    if (err == ERR_OK && once.state == ONCE_EARNED) outcome->refusal = "ALREADY_EARNED";
    if (err != ERR_OK || outcome->refusal != NULL) return err;
  }
  outcome->amount = judgement->amount;
  if (rule->earn != NULL) err = earn(kit, event, reference, identifier, judgement, outcomes, outcome);
  if (err != ERR_OK || (rule->earn != NULL && outcome->amount == 0)) return err;
  if (rule->rule->give.size_bytes > 0) {
    const struct loyalty_voucher *voucher = loyalty_set_voucher_find(kit->work->loyalty, rule->rule->give);
    if (voucher != NULL)
      err = loyalty_give(kit->work, kit->customer, voucher->number, outcome->lot.id >> 8, false, &outcome->given);
  }
  if (err != ERR_OK || judgement->once.data == NULL) return err;
  once = (struct once){ONCE_EARNED, rule->programme->number, outcome->lot};
  once.lot.currency = rule->rule->currency;
  once.lot.amount = outcome->amount;
  return once_write(kit->work, &key, &once);
}

static enum err add_outcome(struct work *work, struct loyalty_outcomes *outcomes, struct loyalty_outcome **outcome) {
  struct loyalty_outcome *items =
      arena_grow(work->arena, outcomes->items, outcomes->count, &outcomes->capacity, 16, sizeof *items);
  if (items == NULL) return diag_no_memory(work->diag);
  outcomes->items = items;
  *outcome = &items[outcomes->count++];
  **outcome = (struct loyalty_outcome){0};
  return ERR_OK;
}

// All before the first of them earns: the member and her level are the same for all rules of one event, whatever their
// order.
static enum err judge_all(struct loyalty_kit *kit, const struct loyalty_event *event,
                          const struct loyalty_live_rule *const *rules, size_t count,
                          struct loyalty_judgement *judgements, size_t *judged) {
  enum err err = ERR_OK;
  *judged = 0;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    if (rules[i]->earn == NULL && rules[i]->rule->give.size_bytes == 0) continue;
    err = loyalty_judge(rules[i], event, kit->machine, &kit->facts, kit->work->now_us, kit->work->arena,
                        &judgements[(*judged)++]);
  }
  return err;
}

enum err loyalty_earn_rules(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes reference,
                            struct bytes identifier, struct loyalty_outcomes *outcomes) {
  struct work *work = kit->work;
  const struct loyalty_live_rule *const *rules;
  size_t count, judged;
  enum err err =
      loyalty_set_find(work->loyalty, event->name, event->message, event->at_us, work->arena, &rules, &count);
  if (err != ERR_OK) return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
  struct loyalty_judgement *judgements = arena_take(work->arena, (count + 1) * sizeof *judgements);
  if (judgements == NULL) return diag_no_memory(work->diag);
  err = judge_all(kit, event, rules, count, judgements, &judged);
  for (size_t i = 0; err == ERR_OK && i < judged; i++) {
    struct loyalty_outcome *outcome = NULL;
    err = add_outcome(work, outcomes, &outcome);
    if (err == ERR_OK) err = apply_rule(kit, event, reference, identifier, &judgements[i], outcomes, outcome);
  }
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

// --- looked at again -----------------------------------------------------------------------------------------

// What a rule earned when it was booked.
static int64_t earned_then(const struct loyalty_posted *posted, struct loyalty_rule_ref rule) {
  int64_t amount = 0;
  for (size_t i = 0; i < posted->lot_count; i++)
    if (posted->lots[i].rule.campaign == rule.campaign && posted->lots[i].rule.rule == rule.rule)
      amount += posted->lots[i].amount;
  return amount;
}

// What was counted meanwhile, by this order too, is no measure of what it would have earned.
static bool is_bounded(const struct loyalty_live_rule *rule) {
  bool bounded = rule->once_by != NULL;
  for (size_t i = 0; i < rule->rule->cap_count; i++) bounded = bounded || rule->rule->caps[i].scope != LOYALTY_CAP_LINE;
  const struct loyalty_budget *budget = rule->campaign == NULL ? NULL : &rule->campaign->budget;
  return bounded || (budget != NULL && (budget->points > 0 || budget->member_points > 0));
}

static int64_t amount_again(const struct loyalty_judgement *judgement, const struct loyalty_posted *posted,
                            size_t lines) {
  const struct loyalty_live_rule *rule = judgement->rule;
  struct loyalty_outcome outcome = {.amount = judgement->amount};
  for (size_t i = 0; judgement->by_line != NULL && i < rule->rule->cap_count; i++)
    if (rule->rule->caps[i].scope == LOYALTY_CAP_LINE) limit_lines(&outcome, judgement, lines, &rule->rule->caps[i]);
  int64_t then = is_bounded(rule) ? earned_then(posted, rule->ref) : posted->amount;
  return outcome.amount < then ? outcome.amount : then;
}

enum err loyalty_earn_again(struct loyalty_kit *kit, const struct loyalty_event *event,
                            const struct loyalty_order *order, int64_t *earned) {
  struct work *work = kit->work;
  const struct loyalty_live_rule *const *rules;
  size_t count, judged;
  enum err err =
      loyalty_set_find(work->loyalty, event->name, event->message, event->at_us, work->arena, &rules, &count);
  if (err != ERR_OK) return err;
  struct loyalty_judgement *judgements = arena_take(work->arena, (count + 1) * sizeof *judgements);
  if (judgements == NULL) return ERR_NO_MEMORY;
  err = judge_all(kit, event, rules, count, judgements, &judged);
  for (size_t i = 0; err == ERR_OK && i < judged; i++) {
    const struct loyalty_live_rule *rule = judgements[i].rule;
    if (judgements[i].skipped != NULL || rule->earn == NULL) continue;
    for (size_t j = 0; j < order->posted_count; j++) {
      const struct loyalty_posted *posted = &order->posted[j];
      if (posted->programme != rule->programme->number || posted->currency != rule->rule->currency) continue;
      int64_t left = posted->amount - earned[j];
      int64_t amount = amount_again(&judgements[i], posted, event->basket->line_count);
      earned[j] += amount < left ? amount : left;
    }
  }
  return err;
}

// --- what is withdrawn -----------------------------------------------------------------------------

static enum err uncount(struct work *work, struct loyalty_ledger *ledger, const struct once *once) {
  struct loyalty_move move = {.programme = once->programme,
                              .what = LOYALTY_MOVE_EARN,
                              .currency = once->lot.currency,
                              .count = -1,
                              .points = -once->lot.amount,
                              .at_us = once->lot.earned_us};
  return once->lot.amount == 0 ? ERR_OK : loyalty_guard_count(work, ledger, &move);
}

static enum err withdraw_one(struct loyalty_kit *kit, const struct loyalty_live_rule *rule,
                             const struct loyalty_event *event, struct bytes reference) {
  struct loyalty_judgement judgement;
  struct loyalty_ledger *ledger;
  struct once once;
  struct key key;
  int64_t uncollected;
  enum err err = loyalty_judge(rule, event, kit->machine, &kit->facts, kit->work->now_us, kit->work->arena, &judgement);
  if (err != ERR_OK || judgement.once.data == NULL) return err;
  err = once_find(kit->work, kit->customer->record.id, rule, judgement.once, &key, &once);
  if (err != ERR_OK || once.state != ONCE_EARNED) return err;
  err = loyalty_ledger_open(kit->work, kit->customer, once.programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  struct loyalty_cause cause = {.reference = reference, .rule = rule->ref, .effective_us = ledger->now_us};
  if (once.lot.amount > 0)
    err = loyalty_take_back_given(kit->work, ledger, &cause, once.lot.currency, once.lot.amount, &once.lot, 1,
                                  &uncollected, NULL);
  if (err == ERR_OK)
    err = loyalty_count_earned(kit->work, ledger, once.programme, rule->ref, once.lot.earned_us, -once.lot.amount);
  if (err == ERR_OK) err = uncount(kit->work, ledger, &once);
  once.state = ONCE_WITHDRAWN;
  return err == ERR_OK ? once_write(kit->work, &key, &once) : err;
}

static enum err take_second(struct work *work, struct work_customer *survivor, struct loyalty_rule_ref ref,
                            const struct once *second) {
  struct loyalty_ledger *ledger;
  int64_t uncollected;
  enum err err = loyalty_ledger_open(work, survivor, second->programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL || second->lot.amount == 0) return err;
  struct loyalty_cause cause = {.reason = BYTES(LOYALTY_DOUBLE), .rule = ref, .effective_us = ledger->now_us};
  err = loyalty_take_back_given(work, ledger, &cause, second->lot.currency, second->lot.amount, &second->lot, 1,
                                &uncollected, NULL);
  if (err == ERR_OK)
    err = loyalty_count_earned(work, ledger, second->programme, ref, second->lot.earned_us, -second->lot.amount);
  if (err == ERR_OK) err = uncount(work, ledger, second);
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

enum err loyalty_once_unite(struct work *work, struct work_customer *survivor, struct bytes rest, struct bytes mine,
                            struct bytes theirs, struct bytes *united) {
  struct once first, second;
  enum err err = once_decode(work, mine, &first);
  if (err == ERR_OK) err = once_decode(work, theirs, &second);
  if (err != ERR_OK) return err;
  *united = first.state == ONCE_EARNED ? mine : theirs;
  if (first.state != ONCE_EARNED || second.state != ONCE_EARNED) return ERR_OK;
  struct loyalty_rule_ref ref = {key_read_u32(rest.data), key_read_u32(rest.data + sizeof(uint32_t))};
  bool swapped = second.lot.id < first.lot.id;
  *united = swapped ? theirs : mine;
  return take_second(work, survivor, ref, swapped ? &first : &second);
}

enum err loyalty_withdraw(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes reference) {
  const struct loyalty_live_rule *const *rules;
  size_t count;
  enum err err = loyalty_set_find_withdrawn(kit->work->loyalty, event->name, kit->work->arena, &rules, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = withdraw_one(kit, rules[i], event, reference);
  return err;
}
