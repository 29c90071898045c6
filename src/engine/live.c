// live.c: what segments say of a customer, computed under her lock in the commit of what changes it.
//
// At the end of a transaction each customer that it changed is looked at once: the names of the events that were added
// and of the traits that changed say which questions are concerned (segment/set.h). Only then are her memberships and
// events read. Invariants:
//   1. Her entries are what a fresh evaluation at the time of the commit gives, until their valid-until.
//   2. A timer stands in TIMER at or before the earliest valid-until. It may stand too early: then it finds nothing due
//      and is set again. So an order that moves an expiry further away writes no timer.
//   3. The audience rows of a question hold exactly the customers whose entries say so.
// The time of a decision is read under her lock, so that it never goes back for one customer.
#include "engine/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/draw.h"
#include "engine/live_rows.h"
#include "engine/loyalty.h"
#include "engine/parts.h"

enum { AHEAD_CHUNKS_MAX = 4 };

// --- opening -------------------------------------------------------------------------------------------------

enum err live_open(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag) {
  pthread_rwlockattr_t attributes;
  struct live *live = alloc_zero(1, sizeof *live);
  engine->live = live;
  if (live == NULL) return diag_no_memory(diag);
  pthread_rwlockattr_init(&attributes);
  // Else a change of definitions would wait for ever behind writers that come one after another.
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&live->lock, &attributes);
  pthread_rwlockattr_destroy(&attributes);
  pthread_mutex_init(&live->changing, NULL);
  pthread_mutex_init(&live->timers_lock, NULL);
  pthread_mutex_init(&live->machines_lock, NULL);
  live->timers_walk.from_us = INT64_MIN;
  const struct engine_source *source = engine_source_find(engine, bytes_from_text(LIVE_SOURCE));
  if (source != NULL) live->source = source->id;
  enum err err = feed_open(&engine->feed, snapshot);
  if (err == ERR_OK) err = draw_open(&live->draw);
  if (err == ERR_OK && !engine->read_only)
    err = names_intern(engine->names, BYTES("Segment Entered"), &live->entered, diag);
  if (err == ERR_OK && !engine->read_only) err = names_intern(engine->names, BYTES("Segment Left"), &live->left, diag);
  return err == ERR_OK ? live_set_read(engine, snapshot, &live->set, diag) : err;
}

void live_close(struct engine *engine) {
  struct live *live = engine->live;
  feed_close(engine->feed);
  if (live == NULL) return;
  live_build_close(engine);
  draw_close(live->draw);
  if (live->set != NULL) segment_set_close(live->set);
  while (live->machines != NULL) {
    struct live_machine *machine = live->machines;
    live->machines = machine->next;
    rule_machine_close(machine->machine);
    alloc_free(machine);
  }
  pthread_rwlock_destroy(&live->lock);
  pthread_mutex_destroy(&live->changing);
  pthread_mutex_destroy(&live->timers_lock);
  pthread_mutex_destroy(&live->machines_lock);
  alloc_free(live);
}

const struct segment_set *live_hold(struct engine *engine) {
  pthread_rwlock_rdlock(&engine->live->lock);
  return engine->live->set;
}

void live_release(struct engine *engine) {
  pthread_rwlock_unlock(&engine->live->lock);
}

const struct segment_set *live_set(struct engine *engine) {
  const struct segment_set *set = live_hold(engine);
  if (set != NULL) segment_set_hold(set);
  live_release(engine);
  return set;
}

void live_changed(struct engine *engine) {
  if (engine->live->wake != NULL) engine->live->wake(engine->live->wake_context);
}

// --- machines ------------------------------------------------------------------------------------------------

struct rule_machine *live_take_machine(struct engine *engine) {
  struct live *live = engine->live;
  struct rule_machine *taken = NULL;
  pthread_mutex_lock(&live->machines_lock);
  struct live_machine *machine = live->machines;
  if (machine != NULL) live->machines = machine->next;
  pthread_mutex_unlock(&live->machines_lock);
  if (machine == NULL) return rule_machine_open(&taken, NULL) == ERR_OK ? taken : NULL;
  taken = machine->machine;
  alloc_free(machine);
  return taken;
}

void live_give_machine(struct engine *engine, struct rule_machine *machine) {
  struct live *live = engine->live;
  struct live_machine *kept = alloc_zero(1, sizeof *kept);
  if (kept == NULL) {
    rule_machine_close(machine);
    return;
  }
  kept->machine = machine;
  pthread_mutex_lock(&live->machines_lock);
  kept->next = live->machines;
  live->machines = kept;
  pthread_mutex_unlock(&live->machines_lock);
}

// --- writing what changed ------------------------------------------------------------------------------------

static void put_text(struct value_builder *builder, const char *name, struct bytes text) {
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

// {"type":"track","event":"Segment Entered","messageId":…,"properties":{"segment":"vip","version":2}}, in work->buffer.
static enum err pack_event(struct work *work, const struct live_change *change, struct bytes message_id,
                           struct bytes *packed) {
  struct value_builder builder;
  buffer_clear(work->buffer);
  value_builder_init(&builder, work->buffer, work->engine->names);
  value_document_begin(&builder);
  put_text(&builder, "type", BYTES("track"));
  put_text(&builder, "event", change->entered ? BYTES("Segment Entered") : BYTES("Segment Left"));
  put_text(&builder, "messageId", message_id);
  value_put_name(&builder, BYTES("properties"));
  value_document_begin(&builder);
  put_text(&builder, "segment", change->segment->id);
  value_put_name(&builder, BYTES("version"));
  value_put_i64(&builder, change->segment->version);
  value_document_end(&builder);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  *packed = buffer_view(work->buffer);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

// The change stands on her timeline like an event.
static enum err add_event(struct work *work, struct work_customer *customer, const struct live_change *change) {
  struct live *live = work->engine->live;
  struct timeline_event hot = {.at = {.time_us = change->at_us},
                               .name = change->entered ? live->entered : live->left,
                               .amount_code = RULE_AMOUNT_NONE,
                               .dims = {0, RULE_DIM_NONE}};
  struct timeline_payload payload = {.source = live->source, .received_us = work->now_us, .flags = ENGINE_TRACK << 4};
  char text[80];
  bool added;
  enum err err = engine_next(work->engine, &work->engine->decisions, &payload.sequence, work->diag);
  if (err != ERR_OK) return err;
  int size = snprintf(text, sizeof text, "segment-%" PRIu32 "-%" PRIu64, change->segment->question, payload.sequence);
  struct bytes message_id = bytes_of(text, (size_t)size);
  engine_event_id(work->engine, live->source, message_id, hot.at.event);
  err = pack_event(work, change, message_id, &payload.message.packed);
  if (err != ERR_OK) return err;
  customer->head_dirty = true;
  work->delta.events++;
  return timeline_add(work->txn, customer->record.id, &customer->head, work->arena, &hot, &payload, false, &added);
}

static enum err write_sides(struct work *work, uint64_t customer, uint32_t question, uint32_t before, uint32_t after) {
  enum err err = ERR_OK;
  for (uint32_t differs = before ^ after; err == ERR_OK && differs != 0; differs &= differs - 1) {
    uint32_t side = (uint32_t)__builtin_ctz(differs);
    err = live_rows_side(work, question, side, customer, (after >> side & 1) != 0);
  }
  return err;
}

static enum err write_change(struct work *work, struct work_customer *customer, const struct segment_change *change) {
  const struct segment_definition *segment = segment_set_question(work->set, change->question);
  uint64_t id = customer->record.id;
  enum err err = write_sides(work, id, change->question, change->sides_before, change->sides_after);
  if (err != ERR_OK || (change->kind != SEGMENT_ENTERED && change->kind != SEGMENT_LEFT)) return err;
  struct live_change told = {.customer = id,
                             .segment = segment,
                             .entered = change->kind == SEGMENT_ENTERED,
                             .backfill = segment->status == SEGMENT_BUILDING,
                             .at_us = change->at_us};
  err = feed_note(work, &told);
  if (err == ERR_OK && !told.backfill) err = add_event(work, customer, &told);
  return err;
}

// The row that was read is brought up to date, mostly by what changed of it; `anew`: it is written as a whole.
static enum err write_row(struct work *work, uint64_t customer, struct membership *membership, bool anew) {
  struct key key;
  bool piece = false;
  customer_key(customer, CUSTOMER_ROW_MEMBERSHIP, &key);
  buffer_clear(work->buffer);
  if (anew)
    membership_encode(membership, work->buffer);
  else
    piece = membership_encode_change(membership, work->buffer);
  struct bytes written = buffer_view(work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  if (piece) return store_append(work->txn, STORE_CUSTOMER, key_view(&key), written);
  if (written.size_bytes == 0) return store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
  return store_put(work->txn, STORE_CUSTOMER, key_view(&key), written);
}

// --- timers --------------------------------------------------------------------------------------------------

// Invariant 2. *touched when the row has to say so.
static enum err set_timer(struct work *work, uint64_t customer, struct membership *membership, bool *touched) {
  int64_t due_us = membership_due_us(membership);
  enum err err = ERR_OK;
  if (due_us >= membership->timer_us && membership->timer_us > work->now_us) return ERR_OK;
  if (due_us == membership->timer_us) return ERR_OK;
  if (membership->timer_us != MEMBERSHIP_FOREVER) err = live_rows_timer(work, customer, membership->timer_us, false);
  membership->timer_us = due_us;
  *touched = true;
  if (err != ERR_OK || due_us == MEMBERSHIP_FOREVER) return err;
  return live_rows_timer(work, customer, due_us, true);
}

// A timer that fired is gone, whatever the row says of it.
static enum err take_timer(struct work *work, uint64_t customer, int64_t fired_us, struct membership *membership,
                           bool *touched) {
  if (membership->timer_us == fired_us) {
    membership->timer_us = MEMBERSHIP_FOREVER;
    *touched = true;
  }
  return live_rows_timer(work, customer, fired_us, false);
}

// What looks at one customer after the other. Entries, facts and changes of one are some 30 kB: each lies where the one
// before lay, in the processor's cache, and those of 64 are not memory to be got from the system and given back.
struct looking {
  struct rule_machine *machine;
  struct arena arena; // of one customer: nothing of it is kept in `work`
};

// --- one customer --------------------------------------------------------------------------------------------

static enum err read_membership(struct work *work, const struct work_customer *customer, struct arena *arena,
                                struct membership *membership) {
  enum err err = membership_decode(customer->membership, arena, membership);
  if (err == ERR_CORRUPT)
    return diag_set(work->diag, err, "corrupt",
                    "the segments of customer c%" PRIu64 " cannot be read; run `rapport check`", customer->record.id);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

// A static list has no expression: its entry is set by hand.
static enum err set_listed(struct work *work, struct work_customer *customer, struct arena *arena,
                           struct membership *membership, uint32_t question, bool listed, bool *touched) {
  const struct membership_entry *known = membership_find(membership, question);
  bool was = known != NULL && known->member;
  struct membership_entry entry = {
      .question = question, .member = listed, .since_us = work->now_us, .valid_until_us = MEMBERSHIP_FOREVER};
  struct segment_change change = {.question = question,
                                  .kind = listed ? SEGMENT_ENTERED : SEGMENT_LEFT,
                                  .sides_before = was,
                                  .sides_after = listed,
                                  .at_us = work->now_us};
  if (was == listed) return ERR_OK;
  *touched = true;
  enum err err = membership_set(membership, arena, &entry);
  return err == ERR_OK ? write_change(work, customer, &change) : diag_no_memory(work->diag);
}

// Points and tier are those that the transaction leaves her with.
struct looking_up {
  struct work *work;
  struct work_customer *customer;
};

static enum err look_up(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  const struct looking_up *looking_up = context;
  (void)customer;
  return loyalty_lookup(looking_up->work, looking_up->customer, function, arguments, count, now_us, value, until_us);
}

static enum err evaluate(struct work *work, struct looking *looking, struct work_customer *customer,
                         struct membership *membership, const struct segment_triggers *triggers, bool *touched) {
  struct facts facts;
  struct segment_evaluation evaluation = {.set = work->set,
                                          .machine = looking->machine,
                                          .facts = &facts,
                                          .arena = &looking->arena,
                                          .membership = membership,
                                          .now_us = work->now_us};
  facts_init(&facts, (struct timeline_reader){.txn = work->txn}, &looking->arena, &work->sources);
  facts_reset(&facts, customer->record.id, &customer->record, &customer->head);
  struct looking_up looking_up = {work, customer};
  facts.lookup = look_up;
  facts.lookup_context = &looking_up;
  if (customer->chunk_count == customer->head.chunk_count) facts.rows = customer->chunks; // else one was split since
  enum err err = segment_evaluate(&evaluation, triggers);
  *touched |= evaluation.touched;
  atomic_fetch_add_explicit(&work->engine->live->evaluated, evaluation.evaluated, memory_order_relaxed);
  for (size_t i = 0; err == ERR_OK && i < evaluation.change_count; i++)
    err = write_change(work, customer, &evaluation.changes[i]);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

static const struct live_request *request_for(const struct work_plan *plan, size_t index) {
  static const struct live_request nothing;
  return plan->live != NULL && index < plan->customer_count ? plan->live : &nothing;
}

static const struct rule_need_lookup OF_LOYALTY[] = {{.function = RULE_FUNCTION_points},
                                                     {.function = RULE_FUNCTION_tier}};
enum { OF_LOYALTY_COUNT = sizeof OF_LOYALTY / sizeof *OF_LOYALTY };

static struct segment_triggers triggers_for(const struct work_customer *customer, const struct live_request *request) {
  return (struct segment_triggers){.events = customer->added.items,
                                   .event_count = customer->added.count,
                                   .traits = customer->changed.items,
                                   .trait_count = customer->changed.count,
                                   .fresh = customer->fresh,
                                   .everything = customer->changed_hands,
                                   // A list has no expression; what refers to it has.
                                   .questions = request->list != 0 ? &request->list : request->questions,
                                   .question_count = request->list != 0 ? 1 : request->question_count,
                                   .lookups = OF_LOYALTY,
                                   .lookup_count = customer->loyalty_changed ? OF_LOYALTY_COUNT : 0};
}

static enum err look_at(struct work *work, struct looking *looking, const struct work_plan *plan, size_t index) {
  struct work_customer *customer = work->customers[index];
  const struct live_request *request = request_for(plan, index);
  struct segment_triggers triggers = triggers_for(customer, request);
  struct membership membership;
  bool touched = false;
  if (!customer->concerned) return ERR_OK;
  // Without her record nobody knows whether rows of hers lie elsewhere.
  if (customer->head_only && work_customer(work, customer->record.id) == NULL) return ERR_CONFLICT;
  arena_clear(&looking->arena);
  enum err err = read_membership(work, customer, &looking->arena, &membership);
  if (err == ERR_OK && request->timers_us != NULL)
    err = take_timer(work, customer->record.id, request->timers_us[index], &membership, &touched);
  if (err == ERR_OK && request->list != 0)
    err = set_listed(work, customer, &looking->arena, &membership, request->list, request->listed, &touched);
  if (err == ERR_OK) err = evaluate(work, looking, customer, &membership, &triggers, &touched);
  if (err == ERR_OK) err = set_timer(work, customer->record.id, &membership, &touched);
  return err == ERR_OK && touched ? write_row(work, customer->record.id, &membership, false) : err;
}

// --- customers that are gone ---------------------------------------------------------------------------------

// She has become another one, or was erased: she leaves all segments. Static lists she stood on pass to who she became.
static enum err forget(struct work *work, struct work_customer *customer) {
  struct work_customer *heir = work_held_customer(work, customer->record.merged_into);
  struct membership membership, inherited;
  bool touched = false;
  if (customer->membership.size_bytes == 0) return ERR_OK;
  enum err err = read_membership(work, customer, work->arena, &membership);
  if (err == ERR_OK && heir != NULL) err = read_membership(work, heir, work->arena, &inherited);
  for (size_t i = 0; err == ERR_OK && i < membership.count; i++) {
    const struct membership_entry *entry = &membership.entries[i];
    const struct segment_definition *segment = segment_set_question(work->set, entry->question);
    if (segment == NULL) continue;
    struct live_change left = {.customer = customer->record.id,
                               .segment = segment,
                               .backfill = segment->status == SEGMENT_BUILDING,
                               .at_us = work->now_us};
    err = write_sides(work, customer->record.id, entry->question, membership_sides(entry), 0);
    if (err == ERR_OK && entry->member) err = feed_note(work, &left);
    if (err == ERR_OK && entry->member && segment->kind == SEGMENT_LIST && heir != NULL)
      err = set_listed(work, heir, work->arena, &inherited, entry->question, true, &touched);
  }
  if (err == ERR_OK && membership.timer_us != MEMBERSHIP_FOREVER)
    err = live_rows_timer(work, customer->record.id, membership.timer_us, false);
  struct key key;
  customer_key(customer->record.id, CUSTOMER_ROW_MEMBERSHIP, &key);
  if (err == ERR_OK) err = store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
  if (err != ERR_OK || !touched) return err;
  err = write_row(work, heir->record.id, &inherited, true);
  if (err != ERR_OK) return err;
  heir->membership = arena_copy(work->arena, buffer_view(work->buffer)); // looked at after this, with what she inherits
  heir->changed_hands = true;
  return heir->membership.data != NULL ? ERR_OK : diag_no_memory(work->diag);
}

static bool is_gone(const struct work_customer *customer) {
  return customer->erased || customer->record.merged_into != 0;
}

static bool is_there(const struct work_customer *customer) {
  return !is_gone(customer) && (customer->record.identifier_count > 0 || customer->head_only);
}

// --- timelines, in one round ---------------------------------------------------------------------------------

// Is there anything to be asked about her?
static bool is_concerned(const struct work *work, const struct work_plan *plan, size_t index) {
  const struct work_customer *customer = work->customers[index];
  const struct live_request *request = request_for(plan, index);
  struct segment_triggers triggers = triggers_for(customer, request);
  bool reads_record;
  return is_there(customer) && (request->timers_us != NULL || request->question_count > 0 || request->list != 0 ||
                                segment_set_concerns(work->set, &triggers, &reads_record));
}

// How many rows of hers are read ahead: of a long timeline, whose summaries spare most rows, none.
static size_t rows_ahead(const struct work_customer *customer) {
  return customer->concerned && customer->head.chunk_count <= AHEAD_CHUNKS_MAX ? customer->head.chunk_count : 0;
}

static enum err put_keys(struct work *work, const struct work_customer *customer, struct bytes *keys) {
  for (size_t i = 0; i < customer->head.chunk_count; i++) {
    struct key key;
    facts_chunk_key(customer->record.id, &customer->head, i, &key);
    keys[i] = arena_copy(work->arena, key_view(&key));
    if (keys[i].data == NULL) return diag_no_memory(work->diag);
  }
  return ERR_OK;
}

// The timelines of all customers that are concerned: one round for a slice of events, and one look at each block of the
// store. What this transaction writes of the timelines later is events of segments, which no question asks for.
static enum err read_ahead(struct work *work) {
  size_t count = 0, at = 0;
  for (size_t i = 0; i < work->customer_count; i++) count += rows_ahead(work->customers[i]);
  if (count == 0) return ERR_OK;
  struct bytes *keys = arena_take(work->arena, count * sizeof *keys);
  struct bytes *rows = arena_take(work->arena, count * sizeof *rows);
  if (keys == NULL || rows == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < work->customer_count; i++) {
    size_t ahead = rows_ahead(work->customers[i]);
    if (ahead == 0) continue;
    enum err err = put_keys(work, work->customers[i], keys + at);
    if (err != ERR_OK) return err;
    work->customers[i]->chunks = rows + at;
    work->customers[i]->chunk_count = ahead;
    at += ahead;
  }
  return store_get_many(work->txn, STORE_TIMELINE, keys, count, work->arena, rows);
}

static enum err look_at_all(struct work *work, const struct work_plan *plan) {
  struct looking looking = {.machine = live_take_machine(work->engine)};
  enum err err = looking.machine == NULL ? diag_no_memory(work->diag) : ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < work->customer_count; i++) {
    bool fired = plan->live != NULL && plan->live->timers_us != NULL && i < plan->customer_count;
    if (is_there(work->customers[i]))
      err = look_at(work, &looking, plan, i);
    else if (fired) // a timer that nobody took away with her
      err = live_rows_timer(work, work->customers[i]->record.id, plan->live->timers_us[i], false);
  }
  arena_release(&looking.arena);
  if (looking.machine != NULL) live_give_machine(work->engine, looking.machine);
  return err;
}

enum err live_evaluate(struct work *work, const struct work_plan *plan) {
  struct live_rows rows = {0};
  size_t before = work->change_count; // of loyalty
  enum err err = ERR_OK;
  if (work->set == NULL || work->engine->read_only) return ERR_OK;
  work->rows = &rows;
  work->now_us = clock_now_us(work->engine->clock);
  for (size_t i = 0; err == ERR_OK && i < work->customer_count; i++)
    if (is_gone(work->customers[i])) err = forget(work, work->customers[i]);
  for (size_t i = 0; i < work->customer_count; i++) work->customers[i]->concerned = is_concerned(work, plan, i);
  if (err == ERR_OK) err = read_ahead(work);
  if (err == ERR_OK) err = look_at_all(work, plan);
  if (err == ERR_OK) err = live_rows_write(work);
  work->rows = NULL;
  atomic_fetch_add_explicit(&work->engine->live->transitions, work->change_count - before, memory_order_relaxed);
  return err;
}

bool live_concerns_event(const struct work *work, uint32_t name) {
  struct segment_triggers triggers = {.events = &name, .event_count = 1};
  bool reads_record;
  return work->set != NULL && segment_set_concerns(work->set, &triggers, &reads_record);
}

enum err live_nothing(struct work *work, void *context) {
  (void)work;
  (void)context;
  return ERR_OK;
}

void engine_set_feed_wake(struct engine *engine, engine_wake_fn *wake, void *context) {
  engine->live->wake = wake;
  engine->live->wake_context = context;
}
