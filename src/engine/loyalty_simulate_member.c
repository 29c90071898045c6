// loyalty_simulate_member.c: the orders of one member, booked again by other documents, in a transaction that is thrown
// away.
//
// The code is that of a booking, so that a simulation never knows other rules than a till. What surrounds an order is
// put back to what it was: events from the period's beginning on are taken off her timeline and come back one by one,
// each before what it causes, so that a condition over her history sees what was to be seen then; her wallets are made
// anew from the postings that were recorded before the period; what she earned once in it can be earned again. Counters
// that members share are the simulation's own (work.trial). The clock of the transaction is the event's.
// Kept as they were: which codes an order used and what it paid with points and cards. Not done again: returns, burns
// and corrections, what other events earned, who was referred.
#include "engine/loyalty_simulate.h"

#include <stdio.h>
#include <string.h>

#include "engine/parts.h"

// Where events wait until they come back: an id no customer has, in a transaction nobody sees.
#define WAITING_BIT ((uint64_t)1 << 62)

struct past_event {
  struct timeline_event event;
  struct timeline_payload payload;
  struct loyalty_order *order; // that it booked; NULL: none that is simulated
};

struct running {
  struct engine_simulation *simulation;
  struct simulate_side *side;
  struct tally *tally, *ledger;
  uint64_t id;
  bool gone;
  // In an attempt:
  struct work *work;
  struct work_customer *customer;
  struct past_event *events;
  size_t event_count, event_capacity, order_count;
  uint32_t *levels; // by programme of the set: her level after the order before
};

static enum err explain(struct work *work, enum err err) {
  if (err == ERR_LIMIT && work->diag->err != err)
    return diag_set(work->diag, err, "overflow", "a sum of the simulation leaves 64 bits");
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

// --- what happened -------------------------------------------------------------------------------------------

static enum err read_order(struct running *running, struct past_event *past) {
  struct work *work = running->work;
  struct value properties = value_member_id(past->payload.message, work->engine->id.properties);
  struct bytes id;
  if (past->event.name != names_find(work->engine->names, BYTES("Order Completed"))) return ERR_OK;
  if (!value_as_text(value_member(properties, work->engine->names, BYTES("order_id")), &id) || id.size_bytes == 0)
    return ERR_OK;
  enum err err = loyalty_order_read(work, running->id, id, &past->order);
  // Of several events with one id the first booked it; what was cancelled gave nothing.
  if (past->order != NULL &&
      (past->order->state == LOYALTY_ORDER_CANCELLED || past->order->time_us != past->event.at.time_us))
    past->order = NULL;
  for (size_t i = 0; past->order != NULL && i < running->event_count; i++)
    if (running->events[i].order != NULL && bytes_equal(running->events[i].order->id, past->order->id))
      past->order = NULL;
  running->order_count += past->order != NULL;
  return err;
}

static enum err add_event(struct running *running, const struct timeline_item *item) {
  struct arena *arena = running->work->arena;
  if (running->event_count == running->event_capacity) {
    size_t capacity = running->event_capacity * 2 + 16;
    struct past_event *larger = arena_take(arena, capacity * sizeof *larger);
    if (larger == NULL) return ERR_NO_MEMORY;
    if (running->event_count > 0) memcpy(larger, running->events, running->event_count * sizeof *larger);
    running->events = larger;
    running->event_capacity = capacity;
  }
  struct past_event *past = &running->events[running->event_count];
  struct buffer row;
  buffer_init(&row);
  timeline_payload_encode(&item->payload, &row);
  struct bytes kept = row.failed ? (struct bytes){NULL, 0} : arena_copy(arena, buffer_view(&row));
  buffer_release(&row);
  if (kept.data == NULL) return ERR_NO_MEMORY;
  *past = (struct past_event){.event = item->event};
  enum err err = timeline_payload_decode(kept, arena, &past->payload);
  if (err == ERR_OK) err = read_order(running, past);
  if (err == ERR_OK) running->event_count++;
  return err;
}

// In order of time. The engine's own events tell what loyalty did: it is done again.
static enum err read_events(struct running *running) {
  struct work *work = running->work;
  struct timeline_query query = {.payloads = true,
                                 .has_from = true,
                                 .has_to = true,
                                 .from = {.time_us = running->simulation->from_us},
                                 .to = {.time_us = running->simulation->to_us}};
  struct timeline_cursor *cursor;
  struct timeline_item item;
  struct timeline_reader reader = {.txn = work->txn};
  enum err err = timeline_open(&cursor, reader, running->id, &running->customer->head, &query);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && (err = timeline_next(cursor, &item)) == ERR_OK)
    if (item.payload.source != work->engine->loyalty->source) err = add_event(running, &item);
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// --- as it was before ----------------------------------------------------------------------------------------

static bool all_belong(void *context, const struct loyalty_posting *posting) {
  (void)context;
  (void)posting;
  return true;
}

static enum err next_id(void *context, uint64_t *id) {
  struct work *work = context;
  return engine_next(work->engine, &work->engine->decisions, id, work->diag);
}

struct postings {
  struct loyalty_posting *items; // all, ascending
  size_t count;
};

static enum err read_postings(struct running *running, struct postings *postings) {
  struct work *work = running->work;
  struct loyalty_row *rows;
  size_t count;
  enum err err = loyalty_rows_of(work, running->id, &rows, &count);
  if (err != ERR_OK) return err;
  *postings = (struct postings){.items = arena_take(work->arena, (count + 1) * sizeof *postings->items)};
  if (postings->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (rows[i].kind == 'p' && rows[i].rest.size_bytes == sizeof(uint64_t))
      err = loyalty_posting_decode(rows[i].value, key_read_u64(rows[i].rest.data), work->arena,
                                   &postings->items[postings->count++]);
  return err;
}

// What a rule earned in the period, by what is in the books.
static int64_t earned_since(const struct running *running, const struct postings *postings, uint32_t programme,
                            struct loyalty_rule_ref rule) {
  int64_t sum = 0;
  for (size_t i = 0; i < postings->count; i++) {
    const struct loyalty_posting *posting = &postings->items[i];
    if (posting->programme != programme || posting->kind != LOYALTY_EARN ||
        posting->recorded_us < running->simulation->from_us)
      continue;
    for (size_t j = 0; j < posting->entry_count; j++) {
      const struct loyalty_entry *entry = &posting->entries[j];
      bool same = entry->rule.campaign == rule.campaign && entry->rule.rule == rule.rule;
      if (same && __builtin_add_overflow(sum, entry->amount, &sum)) return INT64_MAX;
    }
  }
  return sum;
}

// Caps: what was used before the period in the periods that reach into it.
static void set_counters_back(const struct running *running, const struct postings *postings,
                              struct loyalty_wallet *wallet, const struct rule_zone *zone) {
  int64_t wall_us =
      running->simulation->from_us + rule_zone_offset(zone, running->simulation->from_us) * INT64_C(1000000);
  int64_t day = wall_us / CLOCK_DAY_US - (wall_us % CLOCK_DAY_US < 0);
  size_t kept = 0;
  for (size_t i = 0; i < wallet->counter_count; i++) {
    struct loyalty_counter counter = wallet->counters[i];
    if (counter.voucher == 0 && counter.start_day > day) continue;
    if (counter.voucher == 0) {
      int64_t since = earned_since(running, postings, wallet->programme, counter.rule);
      counter.used = counter.used > since ? counter.used - since : 0;
    }
    wallet->counters[kept++] = counter;
  }
  wallet->counter_count = kept;
}

static enum err set_wallet_back(struct running *running, const struct postings *all, struct loyalty_wallet *wallet) {
  struct work *work = running->work;
  const struct loyalty_set *as_is = running->simulation->sides[SIDE_AS_IS].set;
  const struct loyalty_programme *programme = loyalty_set_programme(as_is, wallet->programme);
  struct loyalty_posting *before = arena_take(work->arena, (all->count + 1) * sizeof *before), *mine;
  size_t count = 0, mine_count;
  if (before == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < all->count; i++)
    if (all->items[i].programme == wallet->programme && all->items[i].recorded_us < running->simulation->from_us)
      before[count++] = all->items[i];
  set_counters_back(running, all, wallet, loyalty_set_zone(as_is, wallet->programme));
  if (wallet->advanced_us > running->simulation->from_us) wallet->advanced_us = running->simulation->from_us;
  wallet->hold_count = 0;
  wallet->below_since_us = INT64_MAX;
  struct loyalty_ledger ledger = {.programme = programme,
                                  .zone = loyalty_set_zone(as_is, wallet->programme),
                                  .wallet = wallet,
                                  .arena = work->arena,
                                  .customer = running->id,
                                  .now_us = running->simulation->from_us,
                                  .next_id = next_id,
                                  .context = work,
                                  .diag = work->diag};
  return loyalty_rebuild(&ledger, before, count, all_belong, NULL, &mine, &mine_count);
}

// The wallets of a member as her row would hold them.
static enum err put_wallets(struct running *running, const struct loyalty_wallet *wallets, size_t count) {
  struct work *work = running->work;
  buffer_clear(work->buffer);
  buffer_append_byte(work->buffer, 0); // no timer
  loyalty_wallets_encode(wallets, count, work->buffer);
  struct bytes row =
      work->buffer->failed ? (struct bytes){NULL, 0} : arena_copy(work->arena, buffer_view(work->buffer));
  if (row.data == NULL) return ERR_NO_MEMORY;
  running->customer->wallet_row = count == 0 ? BYTES("") : row;
  running->customer->member = NULL;
  return ERR_OK;
}

static enum err set_wallets_back(struct running *running) {
  struct loyalty_wallet *wallets;
  struct postings postings;
  size_t count, kept = 0;
  int64_t timer_us;
  enum err err = loyalty_row_decode(running->customer->wallet_row, running->work->arena, &timer_us, &wallets, &count);
  if (err == ERR_OK) err = read_postings(running, &postings);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_wallet wallet = wallets[i];
    bool known = loyalty_set_programme(running->simulation->sides[SIDE_AS_IS].set, wallet.programme) != NULL;
    if (!known || wallet.joined_us >= running->simulation->from_us) continue;
    err = set_wallet_back(running, &postings, &wallet);
    wallets[kept++] = wallet;
  }
  return err == ERR_OK ? put_wallets(running, wallets, kept) : err;
}

static enum err set_back(struct running *running) {
  struct work *work = running->work;
  struct timeline_choice choice = {.has_from = true, .from = {.time_us = running->simulation->from_us}};
  struct timeline_head waiting = {0};
  uint64_t moved;
  enum err err = set_wallets_back(running);
  if (err == ERR_OK) err = loyalty_once_forget(work, running->id, running->simulation->from_us);
  for (size_t i = 0; err == ERR_OK && i < running->event_count; i++) {
    struct key key;
    if (running->events[i].order == NULL) continue;
    loyalty_row_key(&key, running->id, 'o', running->events[i].order->id);
    err = store_delete(work->txn, STORE_LEDGER, key_view(&key));
  }
  if (err == ERR_OK)
    err = timeline_move(work->txn, running->id, &running->customer->head, running->id | WAITING_BIT, &waiting,
                        work->arena, &choice, &moved);
  return err;
}

// --- codes ---------------------------------------------------------------------------------------------------

static enum err lock_codes(struct running *running) {
  struct work *work = running->work;
  struct bytes *codes;
  size_t count = 0;
  for (size_t i = 0; i < running->event_count; i++)
    if (running->events[i].order != NULL) count += running->events[i].order->used_count;
  codes = arena_take(work->arena, (count + 1) * sizeof *codes);
  if (codes == NULL) return ERR_NO_MEMORY;
  count = 0;
  for (size_t i = 0; i < running->event_count; i++) {
    const struct loyalty_order *order = running->events[i].order;
    for (size_t j = 0; order != NULL && j < order->used_count; j++)
      if (order->used[j].code.size_bytes > 0) codes[count++] = order->used[j].code;
  }
  return loyalty_codes_lock(work, codes, count, NULL, 0);
}

static enum err codes_of(struct work *work, const struct loyalty_order *order, struct loyalty_request *request) {
  struct bytes *codes = arena_take(work->arena, (order->used_count + 1) * sizeof *codes);
  if (codes == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < order->used_count; i++)
    if (order->used[i].code.size_bytes > 0) codes[request->code_count++] = order->used[i].code;
  request->codes = codes;
  return ERR_OK;
}

// --- sums ----------------------------------------------------------------------------------------------------

static enum err sum_order(struct tally *tally, const struct loyalty_order *order) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < order->posted_count; i++)
    err = tally_add_points(tally, order->posted[i].programme, order->posted[i].currency, order->posted[i].amount);
  for (size_t i = 0; err == ERR_OK && i < order->used_count; i++)
    if (__builtin_add_overflow(tally->cents, order->used[i].cents, &tally->cents) ||
        __builtin_add_overflow(tally->cents, order->used[i].shipping_cents, &tally->cents))
      err = ERR_LIMIT;
  tally->orders++;
  return err;
}

// A rule that takes off and earns is one line of the report, and the order counts once.
static enum err sum_rules(struct tally *tally, const struct loyalty_simulated *simulated) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < simulated->order.used_count; i++) {
    const struct loyalty_live_rule *rule = simulated->rules[i];
    const struct loyalty_used *used = &simulated->order.used[i];
    if (rule == NULL) continue;
    struct tally_rule sum = {.programme = rule->programme->number,
                             .ref = rule->ref,
                             .cents = used->cents + used->shipping_cents,
                             .orders = 1};
    err = tally_add_rule(tally, &sum);
  }
  for (size_t i = 0; err == ERR_OK && i < simulated->outcomes.count; i++) {
    const struct loyalty_outcome *outcome = &simulated->outcomes.items[i];
    bool gives = outcome->given.code.size_bytes > 0, counted = false;
    if (outcome->amount == 0 && !gives) continue;
    for (size_t j = 0; j < simulated->order.used_count; j++) counted |= simulated->rules[j] == outcome->rule;
    struct tally_rule sum = {.programme = outcome->rule->programme->number,
                             .ref = outcome->rule->ref,
                             .currency = outcome->rule->rule->currency,
                             .amount = outcome->amount,
                             .vouchers = gives,
                             .orders = !counted};
    tally->vouchers += gives;
    err = tally_add_rule(tally, &sum);
  }
  return err;
}

static uint32_t rank_of(const struct loyalty_programme *programme, uint8_t level) {
  for (size_t i = 0; i < programme->tiers.level_count; i++)
    if (programme->tiers.levels[i].number == level) return (uint32_t)i + 1;
  return 0;
}

// Her levels against those of before; without `counts` they are only noted.
static enum err note_levels(struct running *running, bool counts) {
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = loyalty_wallets(running->work, running->customer, &wallets, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(running->side->set, wallets[i].programme);
    if (programme == NULL || programme->tiers.level_count == 0) continue;
    uint32_t rank = rank_of(programme, wallets[i].level), *before = &running->levels[programme->number];
    if (counts && *before != 0 && rank > *before) running->tally->ups += rank - *before;
    if (counts && *before != 0 && rank < *before) running->tally->downs += *before - rank;
    // Whoever joins begins at the first level.
    if (counts && *before == 0 && rank > 1) running->tally->ups += rank - 1;
    *before = rank;
  }
  return err;
}

// --- an order ------------------------------------------------------------------------------------------------

static void put_members(struct value_builder *builder, const struct names *names, struct value document,
                        const char *without) {
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    if (bytes_equal(value_iter_name(&iter, names), bytes_from_text(without))) continue;
    value_put_name(builder, value_iter_name(&iter, names));
    value_put_value(builder, iter.item);
  }
}

enum err loyalty_with_total(struct work *work, struct value message, int64_t cents, struct value *out) {
  struct names *names = work->engine->names;
  struct decimal total = decimal_from_i64(cents);
  struct value_builder builder;
  struct buffer packed;
  total.exponent = -2;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, names);
  value_document_begin(&builder);
  put_members(&builder, names, message, "properties");
  value_put_name(&builder, BYTES("properties"));
  value_document_begin(&builder);
  put_members(&builder, names, value_member_id(message, work->engine->id.properties), "total");
  value_put_name(&builder, BYTES("total"));
  value_put_number(&builder, total);
  value_document_end(&builder);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) out->packed = arena_copy(work->arena, buffer_view(&packed));
  if (err == ERR_OK && out->packed.data == NULL) err = ERR_NO_MEMORY;
  buffer_release(&packed);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

static enum err book(struct running *running, const struct past_event *past, struct loyalty_simulated *simulated) {
  struct work *work = running->work;
  struct engine_event event = {.type = ENGINE_TRACK,
                               .name = past->event.name,
                               .source = past->payload.source,
                               .time_us = past->event.at.time_us,
                               .received_us = past->payload.received_us,
                               .message = past->payload.message};
  struct work_event seen = {.event = &event, .at = past->event.at, .sequence = past->order->posting};
  struct loyalty_event in_hand = {.name = event.name, .at_us = event.time_us, .message = event.message};
  struct value properties = value_member_id(event.message, work->engine->id.properties);
  struct loyalty_request request = {.codes = NULL};
  struct loyalty_basket basket;
  struct loyalty_kit kit;
  bool priced = loyalty_order_was_priced(work, past->order->id, past->payload.source, past->event.at.event);
  enum err err = loyalty_basket_read(properties, work->engine->names, loyalty_set_programme_at(work->loyalty, 0)->money,
                                     work->arena, &basket, work->diag);
  if (err == ERR_OK && priced) err = codes_of(work, past->order, &request);
  if (err == ERR_OK && priced)
    err = loyalty_with_total(work, event.message, loyalty_basket_due(&basket), &in_hand.message);
  if (err != ERR_OK) return err;
  in_hand.basket = &basket;
  err = loyalty_kit_open(&kit, work, running->customer);
  kit.simulated = simulated;
  if (err == ERR_OK) err = loyalty_order_book(&kit, &seen, &in_hand, priced ? &request : NULL);
  loyalty_kit_close(&kit);
  return err;
}

// What follows from it is done as in a commit: gifts of levels, vouchers of rewards. Then her wallets are as they would
// be read for the next.
static enum err settle(struct running *running) {
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = loyalty_flush(running->work, running->customer);
  if (err == ERR_OK) err = loyalty_wallets(running->work, running->customer, &wallets, &count);
  return err == ERR_OK ? put_wallets(running, wallets, count) : err;
}

static enum err simulate_order(struct running *running, const struct past_event *past) {
  struct loyalty_simulated simulated = {.was = past->order};
  enum err err = book(running, past, &simulated);
  if (err == ERR_OK) err = settle(running);
  if (err == ERR_OK) err = note_levels(running, true);
  if (err == ERR_OK) err = sum_order(running->tally, &simulated.order);
  if (err == ERR_OK) err = sum_rules(running->tally, &simulated);
  return err == ERR_OK && running->ledger != NULL ? sum_order(running->ledger, past->order) : err;
}

static enum err go_through(struct running *running) {
  struct work *work = running->work;
  enum err err = note_levels(running, false);
  for (size_t i = 0; err == ERR_OK && i < running->event_count; i++) {
    const struct past_event *past = &running->events[i];
    bool added;
    work->now_us = past->event.at.time_us;
    err = timeline_add(work->txn, running->id, &running->customer->head, work->arena, &past->event, &past->payload,
                       false, &added);
    if (err == ERR_OK && past->order != NULL) err = simulate_order(running, past);
  }
  // What falls due by the clock until the period's end.
  work->now_us = running->simulation->to_us;
  if (err == ERR_OK) err = loyalty_advance_all(work, running->customer);
  return err == ERR_OK ? note_levels(running, true) : err;
}

static enum err simulate(struct running *running) {
  struct work *work = running->work;
  uint32_t most = 0;
  for (size_t i = 0; i < loyalty_set_programmes(running->side->set); i++) {
    uint32_t number = loyalty_set_programme_at(running->side->set, i)->number;
    if (number > most) most = number;
  }
  running->levels = arena_take_zero(work->arena, most + 1, sizeof *running->levels);
  if (running->levels == NULL) return ERR_NO_MEMORY;
  enum err err = read_events(running);
  if (err != ERR_OK || running->order_count == 0) return err;
  err = lock_codes(running);
  if (err == ERR_OK) err = set_back(running);
  if (err == ERR_OK) err = go_through(running);
  return err == ERR_OK && running->side->counters.failed ? ERR_NO_MEMORY : err;
}

static enum err body(struct work *work, void *context) {
  struct running *running = context;
  const struct loyalty_set *in_force = work->loyalty;
  *running = (struct running){.simulation = running->simulation,
                              .side = running->side,
                              .tally = running->tally,
                              .ledger = running->ledger,
                              .id = running->id,
                              .work = work};
  tally_clear(running->tally);
  if (running->ledger != NULL) tally_clear(running->ledger);
  running->customer = work_customer(work, running->id);
  if (running->customer == NULL) return ERR_CONFLICT;
  enum err err = parts_check_live(work, running->customer);
  running->gone = err == ERR_NOT_FOUND;
  if (err != ERR_OK) return err;
  loyalty_trial_begin(&running->side->counters);
  work->loyalty = running->side->set;
  work->trial = &running->side->counters;
  err = explain(work, simulate(running));
  work->loyalty = in_force;
  work->trial = NULL;
  return err;
}

enum err simulate_member(struct engine_simulation *simulation, struct simulate_side *side, uint64_t customer,
                         struct tally *tally, struct tally *ledger, struct diag *diag) {
  struct running running = {.simulation = simulation, .side = side, .tally = tally, .ledger = ledger, .id = customer};
  const struct work_plan plan = {.customers = &customer, .customer_count = 1, .dry_run = true};
  struct store_mark mark;
  enum err err = work_run(simulation->engine, &plan, body, &running, &mark, diag);
  if (err == ERR_OK) loyalty_trial_keep(&side->counters);
  if (!running.gone) return err;
  tally_clear(tally);
  if (ledger != NULL) tally_clear(ledger);
  return ERR_OK;
}
