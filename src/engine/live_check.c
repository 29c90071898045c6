// live_check.c: are memberships, audiences and timers what they should be?
//
// Every customer is evaluated afresh, as if nothing were known of her, and compared with her row: what is not past its
// valid-until must say the same. Audiences must hold exactly those whose rows say so, and TIMER exactly the timers that
// are armed. Versions that are being built are left out.
#include "engine/live_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "customer/scan.h"
#include "engine/answers.h"
#include "engine/due.h"
#include "engine/live.h"
#include "segment/audience.h"

enum { WORDS_BYTES = 256 };

struct live_check {
  struct engine *engine;
  struct store_snapshot *snapshot;
  const struct segment_set *set;
  struct rule_machine *machine;
  struct arena arena;          // of one customer
  struct audience **audiences; // by index of the set, MEMBERSHIP_SIDES each; NULL: nobody
  size_t question_count;
  uint64_t timers;
  int64_t now_us;
  live_breach_fn *breach;
  void *context;
};

static void tell(const struct live_check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(const struct live_check *check, const char *format, ...) {
  char words[WORDS_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  check->breach(check->context, words);
}

// --- one customer --------------------------------------------------------------------------------------------

static enum err evaluate_afresh(struct live_check *check, struct facts *facts, const struct membership *stored,
                                struct membership *fresh) {
  struct segment_evaluation evaluation = {.set = check->set,
                                          .machine = check->machine,
                                          .facts = facts,
                                          .arena = &check->arena,
                                          .membership = fresh,
                                          .now_us = check->now_us};
  struct segment_triggers triggers = {.everything = true};
  enum err err = membership_decode(BYTES(""), &check->arena, fresh);
  for (size_t i = 0; err == ERR_OK && i < stored->count; i++) { // a list has no expression to be evaluated
    const struct segment_definition *segment = segment_set_question(check->set, stored->entries[i].question);
    if (segment != NULL && segment->kind == SEGMENT_LIST)
      err = membership_set(fresh, &check->arena, &stored->entries[i]);
  }
  return err == ERR_OK ? segment_evaluate(&evaluation, &triggers) : err;
}

static bool is_same(const struct membership_entry *a, const struct membership_entry *b) {
  static const struct membership_entry nothing;
  if (a == NULL) a = &nothing;
  if (b == NULL) b = &nothing;
  return a->member == b->member && a->unknown == b->unknown && a->excluded == b->excluded &&
         value_is_absent(a->value) == value_is_absent(b->value) &&
         (value_is_absent(a->value) || value_equal(a->value, b->value));
}

static enum err note_sides(struct live_check *check, size_t index, const struct membership_entry *entry,
                           uint64_t customer) {
  enum err err = ERR_OK;
  for (uint32_t sides = membership_sides(entry); err == ERR_OK && sides != 0; sides &= sides - 1) {
    struct audience **audience = &check->audiences[index * MEMBERSHIP_SIDES + (size_t)__builtin_ctz(sides)];
    if (*audience == NULL) err = audience_open(audience);
    if (err == ERR_OK) err = audience_add(*audience, customer);
  }
  return err;
}

static enum err compare(struct live_check *check, uint64_t customer, const struct membership *stored,
                        const struct membership *fresh) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < check->question_count; i++) {
    const struct segment_definition *segment = segment_set_at(check->set, i);
    const struct membership_entry *entry = membership_find(stored, segment->question);
    if (segment->status != SEGMENT_LIVE) continue;
    if (entry != NULL) err = note_sides(check, i, entry, customer);
    if (entry != NULL && entry->valid_until_us <= check->now_us) continue; // the timer has not come to it
    const struct membership_entry *now = membership_find(fresh, segment->question);
    if (!is_same(entry, now))
      tell(check, "c%" PRIu64 " and \"%.*s\": stored %s, evaluated afresh %s", customer, (int)segment->id.size_bytes,
           segment->id.data,
           entry == NULL   ? "nothing"
           : entry->member ? "member"
                           : "no member",
           now == NULL   ? "nothing"
           : now->member ? "member"
                         : "no member");
  }
  return err;
}

static enum err check_timer(struct live_check *check, uint64_t customer, const struct membership *stored) {
  int64_t due_us = membership_due_us(stored);
  struct key key;
  struct bytes row;
  if (due_us < stored->timer_us) tell(check, "c%" PRIu64 " has an answer that ends before her timer", customer);
  if (stored->timer_us == MEMBERSHIP_FOREVER) return ERR_OK;
  check->timers++;
  due_key(&key, stored->timer_us, customer);
  enum err err = store_snapshot_get(check->snapshot, STORE_TIMER, key_view(&key), &check->arena, &row);
  if (err == ERR_OK && row.data == NULL) tell(check, "the timer of c%" PRIu64 " has no row", customer);
  return err;
}

static enum err check_customer(struct live_check *check, struct facts *facts) {
  struct membership stored, fresh;
  struct key key;
  struct bytes row;
  arena_clear(&check->arena);
  customer_key(facts->id, CUSTOMER_ROW_MEMBERSHIP, &key);
  enum err err = store_snapshot_get(check->snapshot, STORE_CUSTOMER, key_view(&key), &check->arena, &row);
  if (err == ERR_OK) err = membership_decode(row, &check->arena, &stored);
  if (err == ERR_CORRUPT) {
    tell(check, "the segments of c%" PRIu64 " cannot be read", facts->id);
    return ERR_OK;
  }
  uint64_t id = facts->id;
  if (err == ERR_OK) err = evaluate_afresh(check, facts, &stored, &fresh);
  if (err == ERR_OK) err = compare(check, id, &stored, &fresh);
  return err == ERR_OK ? check_timer(check, id, &stored) : err;
}

static enum err check_customers(struct live_check *check) {
  struct customer_sources sources = engine_sources(check->engine);
  struct answers *answers; // of points and tier
  struct scan *scan = NULL;
  struct facts *facts;
  enum err err = answers_open(&answers, check->engine, check->snapshot);
  if (err != ERR_OK) return err;
  struct scan_options options = {.snapshot = check->snapshot,
                                 .sources = &sources,
                                 .records = true,
                                 .events = true,
                                 .lookup = answers_lookup,
                                 .lookup_context = answers};
  err = scan_open(&scan, &options);
  while (err == ERR_OK && (err = scan_next(scan, &facts)) == ERR_OK) err = check_customer(check, facts);
  scan_close(scan);
  answers_close(answers);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// --- audiences and timers ------------------------------------------------------------------------------------

static enum err check_audience(struct live_check *check, size_t index, uint32_t side) {
  const struct segment_definition *segment = segment_set_at(check->set, index);
  const struct audience *rows = check->audiences[index * MEMBERSHIP_SIDES + side];
  struct audience *stored;
  enum err err = audience_read(&stored, check->snapshot, segment->question, side);
  if (err != ERR_OK) return err;
  uint64_t there = audience_count(stored), told = rows == NULL ? 0 : audience_count(rows);
  uint64_t both = rows == NULL ? 0 : audience_and_count(stored, rows);
  if (both != there || both != told)
    tell(check,
         "the audience %" PRIu32 " of \"%.*s\" has %" PRIu64 " customers, %" PRIu64 " rows say they are in it, %" PRIu64
         " are both",
         side, (int)segment->id.size_bytes, segment->id.data, there, told, both);
  audience_close(stored);
  return ERR_OK;
}

static enum err check_audiences(struct live_check *check) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < check->question_count; i++)
    for (uint32_t side = 0; err == ERR_OK && side < MEMBERSHIP_SIDES; side++)
      if (segment_set_at(check->set, i)->status == SEGMENT_LIVE) err = check_audience(check, i, side);
  return err;
}

static enum err check_timers(struct live_check *check) {
  struct store_cursor *cursor;
  struct bytes key, row;
  uint64_t rows = 0;
  enum err err = store_snapshot_scan(check->snapshot, STORE_TIMER, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  while (store_cursor_next(cursor, &key, &row)) rows++;
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  if (err == ERR_OK && rows != check->timers)
    tell(check, "%" PRIu64 " timers are stored, %" PRIu64 " are armed", rows, check->timers);
  return err;
}

static enum err check_all(struct live_check *check) {
  size_t count = check->question_count * MEMBERSHIP_SIDES;
  check->audiences = alloc_zero(count, sizeof(struct audience *));
  if (check->audiences == NULL) return ERR_NO_MEMORY;
  enum err err = check_customers(check);
  if (err == ERR_OK) err = check_audiences(check);
  if (err == ERR_OK) err = check_timers(check);
  for (size_t i = 0; i < count; i++) audience_close(check->audiences[i]);
  alloc_free(check->audiences);
  return err;
}

enum err live_check(struct engine *engine, struct store_snapshot *snapshot, live_breach_fn *breach, void *context) {
  struct live_check check = {.engine = engine,
                             .snapshot = snapshot,
                             .now_us = clock_now_us(engine->clock),
                             .breach = breach,
                             .context = context};
  enum err err = ERR_OK;
  check.set = live_set(engine);
  check.question_count = check.set == NULL ? 0 : segment_set_count(check.set);
  arena_init(&check.arena, 0);
  if (check.question_count > 0) check.machine = live_take_machine(engine);
  if (check.question_count > 0) err = check.machine == NULL ? ERR_NO_MEMORY : check_all(&check);
  if (check.machine != NULL) live_give_machine(engine, check.machine);
  arena_release(&check.arena);
  if (check.set != NULL) segment_set_close(check.set);
  return err;
}
