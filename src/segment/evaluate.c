// evaluate: one customer's answers, brought up to date.
//
// A customer has few entries, a workspace many questions, an event concerns few of those: what is done grows with the
// entries and with the questions concerned. A bitset by position says what is to be asked; it is worked off from its
// low end, so that whatever an answer asks for was answered before, and an answer that changed adds those who ask for
// it further up. `entry_of` leads from a position to the customer's entry; the entries that were there are changed
// where they are, new ones are gathered beside them, and at the end both are merged into one ascending array, unless
// nothing came or went. Invariants: after a pass at an instant, no entry that could be asked ends at or before it. An
// entry's valid-until is the least of all runs behind it, and these saw the valid-until of the entries they asked for.
#include <stdlib.h>
#include <string.h>

#include "segment/set_private.h"

struct evaluating {
  struct segment_evaluation *out;
  const struct segment_set *set;
  struct membership *membership; // as it came: entries of [0, count)
  struct membership_entry *added;
  size_t added_count, added_room;
  size_t gone;        // entries of the membership that say nothing (any more), or are of questions no longer in the set
  bool strangers;     // there are some of the latter
  uint32_t *entry_of; // by position: index + 1 of the entry; first those of the membership, then the added ones
  uint16_t *position_of; // by entry of the membership; SEGMENT_NOWHERE: no longer in the set
  uint64_t *due;         // bit by position
  const uint64_t *only;  // what may be asked; NULL: all
  size_t words;          // of both
  int64_t least_us;      // no entry that was there ends before
  int64_t at_us;         // the instant of the pass
  uint16_t asking;       // the position of the question whose program runs
  bool met_unknown;      // the run asked for an answer that is not known
  size_t change_room;
  facts_lookup_fn *earlier;
  void *earlier_context;
  struct buffer packed, told; // one value, and its JSON
};

enum { WORD_BITS = 64 };

static bool has_bit(const uint64_t *bits, size_t at) {
  return (bits[at / WORD_BITS] >> at % WORD_BITS & 1) != 0;
}

static void ask(struct evaluating *evaluating, uint16_t position) {
  if (evaluating->only != NULL && !has_bit(evaluating->only, position)) return;
  evaluating->due[position / WORD_BITS] |= UINT64_C(1) << position % WORD_BITS;
}

// --- entries -------------------------------------------------------------------------------------------------

static struct membership_entry *entry_at(const struct evaluating *evaluating, uint16_t position) {
  uint32_t index = evaluating->entry_of[position];
  if (index == 0) return NULL;
  size_t own = evaluating->membership->count;
  return index <= own ? &evaluating->membership->entries[index - 1] : &evaluating->added[index - 1 - own];
}

static struct membership_entry nothing(uint32_t question) {
  return (struct membership_entry){.question = question, .valid_until_us = MEMBERSHIP_FOREVER};
}

static inline bool says_nothing(const struct membership_entry *entry) {
  return entry->valid_until_us == MEMBERSHIP_FOREVER && !entry->member && !entry->unknown && entry->excluded == 0 &&
         value_is_absent(entry->value);
}

static enum err add_entry(struct evaluating *evaluating, uint16_t position, const struct membership_entry *entry) {
  if (evaluating->added_count == evaluating->added_room) {
    size_t room = evaluating->added_room == 0 ? 16 : evaluating->added_room * 2;
    struct membership_entry *more = arena_take(evaluating->out->arena, room * sizeof *more);
    if (more == NULL) return ERR_NO_MEMORY;
    if (evaluating->added_count > 0) memcpy(more, evaluating->added, evaluating->added_count * sizeof *more);
    evaluating->added = more;
    evaluating->added_room = room;
  }
  evaluating->added[evaluating->added_count++] = *entry;
  evaluating->entry_of[position] = (uint32_t)(evaluating->membership->count + evaluating->added_count);
  return ERR_OK;
}

// `there`: what entry_at says.
static enum err set_entry(struct evaluating *evaluating, uint16_t position, struct membership_entry *there,
                          const struct membership_entry *entry) {
  if (there == NULL && says_nothing(entry)) return ERR_OK;
  membership_note(evaluating->membership, entry->question);
  if (there == NULL) return add_entry(evaluating, position, entry);
  evaluating->gone += says_nothing(entry); // counted too often when it comes and goes: it only says where to look
  *there = *entry;
  return ERR_OK;
}

// --- lookups -------------------------------------------------------------------------------------------------

// The version of an id that the question under way refers to.
static uint16_t referred(const struct evaluating *evaluating, struct bytes id) {
  const struct segment_lists *references = &evaluating->set->references;
  uint16_t from = evaluating->asking;
  for (uint32_t i = references->first[from]; i < references->first[from + 1]; i++)
    if (bytes_equal(evaluating->set->questions[references->positions[i]].definition.id, id))
      return references->positions[i];
  return SEGMENT_NOWHERE;
}

static enum err answer_question(struct evaluating *evaluating, enum rule_function function,
                                const struct bytes *arguments, size_t count, struct rule_value *value,
                                int64_t *until_us) {
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  uint16_t position = referred(evaluating, arguments[0]);
  if (position == SEGMENT_NOWHERE) return ERR_OK;
  const struct segment_turn *turn = &evaluating->set->turns[position];
  if (!segment_kind_answers((enum segment_kind)turn->kind, function)) return ERR_OK;
  const struct membership_entry *entry = entry_at(evaluating, position);
  struct membership_entry none = nothing(turn->question);
  if (entry == NULL) entry = &none;
  if (entry->valid_until_us < *until_us) *until_us = entry->valid_until_us;
  evaluating->met_unknown |= entry->unknown;
  return segment_set_say(evaluating->set, entry, function, arguments, count, evaluating->out->arena, value);
}

static enum err look_up(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct evaluating *evaluating = context;
  if (count > 0 && segment_is_asked(function))
    return answer_question(evaluating, function, arguments, count, value, until_us);
  if (evaluating->earlier != NULL)
    return evaluating->earlier(evaluating->earlier_context, customer, function, arguments, count, now_us, value,
                               until_us);
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  return ERR_OK;
}

// --- values of attributes ------------------------------------------------------------------------------------

// Whether the stored value is what was answered, without packing it; of times and durations the text decides.
static bool is_same_value(struct value stored, const struct rule_value *value) {
  struct decimal number;
  struct bytes text;
  bool boolean;
  switch (value->type) {
  case RULE_TYPE_NULL:
    return value_is_absent(stored);
  case RULE_TYPE_BOOL:
    return value_as_bool(stored, &boolean) && boolean == value->boolean;
  case RULE_TYPE_NUMBER:
    return value_as_number(stored, &number) && decimal_compare(number, value->number) == 0;
  case RULE_TYPE_TEXT:
    return value_as_text(stored, &text) && bytes_equal(text, value->text);
  case RULE_TYPE_LIST:
  case RULE_TYPE_DOCUMENT:
    return !value_is_absent(stored) && value_equal(stored, value->packed);
  default:
    return false;
  }
}

// A time or a duration becomes the text that it is told as.
static void put_told(struct evaluating *evaluating, struct value_builder *builder, const struct rule_value *value) {
  struct buffer *told = &evaluating->told;
  struct json_writer writer;
  buffer_clear(told);
  json_writer_init(&writer, told);
  rule_value_to_json(&writer, value, evaluating->set->names);
  if (told->failed || told->size_bytes < 2 || told->data[0] != '"')
    value_put_null(builder);
  else
    value_put_text(builder, bytes_of(told->data + 1, told->size_bytes - 2));
  builder->out->failed |= told->failed;
}

static enum err pack_value(struct evaluating *evaluating, const struct rule_value *value) {
  struct value_builder builder;
  buffer_clear(&evaluating->packed);
  value_builder_init(&builder, &evaluating->packed, evaluating->set->names);
  if (value->type == RULE_TYPE_NULL)
    value_put_null(&builder);
  else if (!rule_value_put(&builder, value))
    put_told(evaluating, &builder, value);
  return value_builder_finish(&builder);
}

// Into `next`: the value answered, or the old one when it is the same.
static enum err take_value(struct evaluating *evaluating, const struct membership_entry *old,
                           const struct rule_value *value, struct membership_entry *next) {
  next->value = old->value;
  if (is_same_value(old->value, value)) return ERR_OK;
  next->value = (struct value){{NULL, 0}};
  enum err err = pack_value(evaluating, value);
  if (err != ERR_OK) return err;
  struct value packed = {buffer_view(&evaluating->packed)};
  if (value_type(packed) == VALUE_NULL) return ERR_OK;
  if (!value_is_absent(old->value) && value_equal(old->value, packed)) {
    next->value = old->value;
    return ERR_OK;
  }
  next->unknown = packed.packed.size_bytes > SEGMENT_VALUE_BYTES;
  if (next->unknown) return ERR_OK;
  next->value.packed = arena_copy(evaluating->out->arena, packed.packed);
  return next->value.packed.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// --- one question --------------------------------------------------------------------------------------------

static enum err run(struct evaluating *evaluating, const struct rule_program *program, struct rule_answer *answer,
                    struct membership_entry *next) {
  struct segment_evaluation *out = evaluating->out;
  evaluating->met_unknown = false;
  enum err err = rule_run(out->machine, program, &out->facts->customer, evaluating->at_us, true, answer);
  if (err != ERR_OK) return err;
  out->evaluated++;
  // Whoever asks for what is not known, does not know.
  if (evaluating->met_unknown) answer->status = RULE_UNKNOWN;
  if (answer->valid_until_us < next->valid_until_us) next->valid_until_us = answer->valid_until_us;
  if (next->valid_until_us <= evaluating->at_us) next->valid_until_us = evaluating->at_us + 1;
  return ERR_OK;
}

// All exclusions are asked, so that each can be counted.
static enum err run_exclusions(struct evaluating *evaluating, const struct segment_question *question,
                               struct membership_entry *next) {
  uint16_t unsure = 0;
  for (size_t i = 0; i < question->definition.exclusion_count; i++) {
    struct rule_answer answer;
    enum err err = run(evaluating, question->exclusions[i]->rule, &answer, next);
    if (err != ERR_OK) return err;
    uint16_t bit = (uint16_t)(1U << i);
    if (answer.status == RULE_UNKNOWN) unsure |= bit;
    if (answer.status == RULE_UNKNOWN || rule_is_true(&answer)) next->excluded |= bit;
  }
  next->member = next->excluded == 0;
  next->unknown = !next->member && next->excluded == unsure;
  return ERR_OK;
}

static enum err find_score(struct evaluating *evaluating, const struct segment_score *score,
                           const struct membership_entry *old, struct membership_entry *next) {
  struct segment_evaluation *out = evaluating->out;
  struct value kept = {{NULL, 0}};
  int64_t until_us = MEMBERSHIP_FOREVER;
  if (out->facts->id == 0) return ERR_OK; // nobody (fresh.c) has no orders
  enum err err = score->answer(score, out->facts, out->arena, evaluating->at_us, &kept, &until_us);
  out->evaluated++;
  next->unknown = err == ERR_LIMIT;
  if (err != ERR_OK && err != ERR_LIMIT) return err;
  next->valid_until_us = until_us > evaluating->at_us ? until_us : evaluating->at_us + 1;
  bool same = !value_is_absent(kept) && !value_is_absent(old->value) && bytes_equal(kept.packed, old->value.packed);
  if (!next->unknown) next->value = same ? old->value : kept;
  return ERR_OK;
}

static enum err find_answer(struct evaluating *evaluating, uint16_t position, const struct membership_entry *old,
                            struct membership_entry *next) {
  const struct segment_turn *turn = &evaluating->set->turns[position];
  struct rule_answer answer;
  if (turn->kind == SEGMENT_SCORE)
    return find_score(evaluating, evaluating->set->questions[position].include->score, old, next);
  enum err err = run(evaluating, turn->include, &answer, next);
  if (err != ERR_OK) return err;
  next->unknown = answer.status == RULE_UNKNOWN;
  if (next->unknown) return ERR_OK;
  if (turn->kind == SEGMENT_ATTRIBUTE) return take_value(evaluating, old, &answer.value, next);
  if (!rule_is_true(&answer)) return ERR_OK;
  next->member = true;
  if (turn->excludes) err = run_exclusions(evaluating, &evaluating->set->questions[position], next);
  if (next->member) next->since_us = old->member ? old->since_us : evaluating->at_us;
  return err;
}

static enum err note(struct evaluating *evaluating, enum segment_change_kind kind, const struct membership_entry *old,
                     const struct membership_entry *next) {
  struct segment_evaluation *out = evaluating->out;
  if (out->change_count == evaluating->change_room) {
    size_t room = evaluating->change_room == 0 ? 16 : evaluating->change_room * 2;
    struct segment_change *more = arena_take(out->arena, room * sizeof *more);
    if (more == NULL) return ERR_NO_MEMORY;
    if (out->change_count > 0) memcpy(more, out->changes, out->change_count * sizeof *more);
    out->changes = more;
    evaluating->change_room = room;
  }
  out->changes[out->change_count++] =
      (struct segment_change){next->question, kind, membership_sides(old), membership_sides(next), evaluating->at_us};
  return ERR_OK;
}

// Values that are kept are kept as they are: the same value has the same bytes at the same place.
static bool has_other_value(const struct membership_entry *a, const struct membership_entry *b) {
  return a->value.packed.data != b->value.packed.data || a->value.packed.size_bytes != b->value.packed.size_bytes;
}

static enum err note_change(struct evaluating *evaluating, const struct membership_entry *old,
                            const struct membership_entry *next) {
  if (old->member != next->member) return note(evaluating, next->member ? SEGMENT_ENTERED : SEGMENT_LEFT, old, next);
  if (membership_sides(old) != membership_sides(next)) return note(evaluating, SEGMENT_EXCLUDED, old, next);
  return has_other_value(old, next) ? note(evaluating, SEGMENT_VALUE, old, next) : ERR_OK;
}

static void ask_dependents(struct evaluating *evaluating, uint16_t position) {
  const struct segment_lists *dependents = &evaluating->set->dependents;
  for (uint32_t i = dependents->first[position]; i < dependents->first[position + 1]; i++)
    ask(evaluating, dependents->positions[i]);
}

static enum err answer_again(struct evaluating *evaluating, uint16_t position) {
  const struct segment_turn *turn = &evaluating->set->turns[position];
  evaluating->asking = position;
  if (turn->kind == SEGMENT_LIST) {
    ask_dependents(evaluating, position);
    return ERR_OK;
  }
  static const struct membership_entry nobody = {.valid_until_us = MEMBERSHIP_FOREVER};
  struct membership_entry *there = entry_at(evaluating, position);
  struct membership_entry next = nothing(turn->question);
  const struct membership_entry *old = there == NULL ? &nobody : there;
  enum err err = find_answer(evaluating, position, old, &next);
  if (err != ERR_OK || (there == NULL && says_nothing(&next))) return err; // as of most questions before
  err = note_change(evaluating, old, &next);
  if (err != ERR_OK) return err;
  bool other = old->member != next.member || old->unknown != next.unknown || has_other_value(old, &next);
  if (other || next.valid_until_us < old->valid_until_us) ask_dependents(evaluating, position);
  if (!other && old->excluded == next.excluded && old->valid_until_us == next.valid_until_us) return ERR_OK;
  evaluating->out->touched = true;
  return set_entry(evaluating, position, there, &next);
}

// A thousand programs are more than a processor's caches hold. What runs touch first of each is asked for together, and
// comes together.
static void fetch(const struct evaluating *evaluating) {
  const struct segment_turn *turns = evaluating->set->turns;
  for (int step = 0; step < 2; step++)
    for (size_t word = 0; word < evaluating->words; word++)
      for (uint64_t bits = evaluating->due[word]; bits != 0; bits &= bits - 1) {
        const struct rule_program *program = turns[word * WORD_BITS + (size_t)__builtin_ctzll(bits)].include;
        if (program != NULL) (step == 0 ? rule_program_fetch : rule_program_fetch_code)(program);
      }
}

// Answers whatever is to be asked, at one instant.
static enum err pass(struct evaluating *evaluating, int64_t at_us) {
  evaluating->at_us = at_us;
  fetch(evaluating);
  for (size_t word = 0; word < evaluating->words; word++)
    while (evaluating->due[word] != 0) {
      size_t bit = (size_t)__builtin_ctzll(evaluating->due[word]);
      evaluating->due[word] &= evaluating->due[word] - 1;
      enum err err = answer_again(evaluating, (uint16_t)(word * WORD_BITS + bit));
      if (err != ERR_OK) return err;
    }
  return ERR_OK;
}

// --- what the clock asks for ---------------------------------------------------------------------------------

static bool may_fall_due(const struct evaluating *evaluating, uint16_t position) {
  if (position == SEGMENT_NOWHERE || evaluating->set->turns[position].kind == SEGMENT_LIST) return false;
  return evaluating->only == NULL || has_bit(evaluating->only, position);
}

static int64_t next_due_of(const struct evaluating *evaluating, const struct membership_entry *entries, size_t count,
                           int64_t least_us) {
  for (size_t i = 0; i < count; i++)
    if (entries[i].valid_until_us < least_us &&
        may_fall_due(evaluating, segment_set_position(evaluating->set, entries[i].question)))
      least_us = entries[i].valid_until_us;
  return least_us;
}

static int64_t next_due_us(const struct evaluating *evaluating) {
  const struct membership *own = evaluating->membership;
  int64_t least_us = next_due_of(evaluating, own->entries, own->count, MEMBERSHIP_FOREVER);
  return next_due_of(evaluating, evaluating->added, evaluating->added_count, least_us);
}

static void ask_due_of(struct evaluating *evaluating, const struct membership_entry *entries, size_t count,
                       int64_t at_us) {
  for (size_t i = 0; i < count; i++) {
    if (entries[i].valid_until_us > at_us) continue;
    uint16_t position = segment_set_position(evaluating->set, entries[i].question);
    if (may_fall_due(evaluating, position)) ask(evaluating, position);
  }
}

static void ask_due(struct evaluating *evaluating, int64_t at_us) {
  const struct membership *own = evaluating->membership;
  ask_due_of(evaluating, own->entries, own->count, at_us);
  ask_due_of(evaluating, evaluating->added, evaluating->added_count, at_us);
}

// Up to now, without it. Is there something left that is due by now?
static enum err catch_up(struct evaluating *evaluating, bool *left) {
  int64_t now_us = evaluating->out->now_us;
  for (;;) {
    int64_t at_us = next_due_us(evaluating);
    *left = at_us <= now_us;
    if (at_us >= now_us || evaluating->out->evaluated >= SEGMENT_CATCH_UP_MAX) return ERR_OK;
    ask_due(evaluating, at_us);
    enum err err = pass(evaluating, at_us);
    if (err != ERR_OK) return err;
  }
}

// All that fell due; nearly always nothing did, which begin has seen.
static enum err ask_clock(struct evaluating *evaluating) {
  bool left = false;
  if (evaluating->least_us > evaluating->out->now_us) return ERR_OK;
  enum err err = catch_up(evaluating, &left);
  if (err == ERR_OK && left) ask_due(evaluating, evaluating->out->now_us);
  return err;
}

// --- what happened asks for ----------------------------------------------------------------------------------

static void ask_names(struct evaluating *evaluating, const struct segment_name_index *index, const uint32_t *names,
                      size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct segment_name_slot *slot = segment_name_find(index, names[i]);
    if (slot == NULL) continue;
    for (uint32_t k = 0; k < slot->count; k++) ask(evaluating, index->positions[slot->first + k]);
  }
}

static void ask_triggers(struct evaluating *evaluating, const struct segment_triggers *triggers) {
  const struct segment_set *set = evaluating->set;
  if (triggers->everything) {
    for (size_t i = 0; i < set->count; i++) ask(evaluating, (uint16_t)i);
    return;
  }
  ask_names(evaluating, &set->events, triggers->events, triggers->event_count);
  ask_names(evaluating, &set->traits, triggers->traits, triggers->trait_count);
  for (size_t i = 0; triggers->fresh && i < set->fresh_count; i++) ask(evaluating, set->fresh[i]);
  for (size_t i = 0; i < triggers->question_count; i++) {
    uint16_t position = segment_set_position(set, triggers->questions[i]);
    if (position != SEGMENT_NOWHERE) ask(evaluating, position);
  }
  for (size_t i = 0; i < triggers->lookup_count; i++)
    for (size_t k = 0; k < set->lookup_count; k++)
      if (segment_lookup_matches(&set->lookups[k], &triggers->lookups[i])) ask(evaluating, set->lookups[k].position);
}

// --- begin and end -------------------------------------------------------------------------------------------

// Once for each entry and event, so nothing goes through memory that need not.
static void place_entries(struct evaluating *evaluating) {
  const struct segment_set *set = evaluating->set;
  const struct membership_entry *entries = evaluating->membership->entries;
  uint32_t count = (uint32_t)evaluating->membership->count, *entry_of = evaluating->entry_of;
  int64_t least_us = MEMBERSHIP_FOREVER;
  size_t gone = 0, strangers = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint16_t position = segment_set_position(set, entries[i].question);
    if (position == SEGMENT_NOWHERE)
      strangers++;
    else
      entry_of[position] = i + 1;
    if (entries[i].valid_until_us < least_us) least_us = entries[i].valid_until_us;
    if (entries[i].valid_until_us == MEMBERSHIP_FOREVER) gone += says_nothing(&entries[i]);
  }
  evaluating->least_us = least_us;
  evaluating->gone = gone + strangers;
  evaluating->strangers = strangers > 0;
}

static enum err begin(struct evaluating *evaluating, struct segment_evaluation *out) {
  const struct segment_set *set = out->set;
  struct membership *membership = out->membership;
  size_t words = set->count / WORD_BITS + 1;
  *evaluating = (struct evaluating){.out = out, .set = set, .membership = membership, .words = words};
  out->changes = NULL;
  out->change_count = 0;
  out->evaluated = 0;
  out->touched = false;
  evaluating->entry_of = arena_take_zero(out->arena, set->count + 1, sizeof *evaluating->entry_of);
  evaluating->due = arena_take_zero(out->arena, words, sizeof *evaluating->due);
  if (evaluating->entry_of == NULL || evaluating->due == NULL) return ERR_NO_MEMORY;
  place_entries(evaluating);
  buffer_init(&evaluating->packed);
  buffer_init(&evaluating->told);
  evaluating->earlier = out->facts->lookup;
  evaluating->earlier_context = out->facts->lookup_context;
  out->facts->lookup = look_up;
  out->facts->lookup_context = evaluating;
  return ERR_OK;
}

static void end(struct evaluating *evaluating) {
  evaluating->out->facts->lookup = evaluating->earlier;
  evaluating->out->facts->lookup_context = evaluating->earlier_context;
  buffer_release(&evaluating->packed);
  buffer_release(&evaluating->told);
}

static int by_question(const void *left, const void *right) {
  const struct membership_entry *a = left, *b = right;
  return (a->question > b->question) - (a->question < b->question);
}

static bool is_kept(const struct evaluating *evaluating, size_t index, bool drop) {
  const struct membership_entry *entry = &evaluating->membership->entries[index];
  return !says_nothing(entry) && !(drop && segment_set_position(evaluating->set, entry->question) == SEGMENT_NOWHERE);
}

// Those of [from, to) that are kept, behind `into`. Mostly all are: nobody counts them one by one.
static struct membership_entry *copy_kept(const struct evaluating *evaluating, size_t from, size_t to, bool drop,
                                          struct membership_entry *into) {
  const struct membership_entry *entries = evaluating->membership->entries;
  if (evaluating->gone == 0) {
    if (to > from) memcpy(into, entries + from, (to - from) * sizeof *into);
    return into + (to - from);
  }
  for (size_t i = from; i < to; i++) {
    if (is_kept(evaluating, i, drop))
      *into++ = entries[i];
    else
      membership_note(evaluating->membership, entries[i].question);
  }
  return into;
}

// The index of the first entry behind `question`.
static size_t upper_bound(const struct membership *membership, uint32_t question) {
  size_t low = 0, high = membership->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (membership->entries[middle].question <= question)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Nothing came: what goes is taken out where it is. Mostly one of hundreds of entries goes.
static void drop_gone(struct evaluating *evaluating, bool drop) {
  struct membership *membership = evaluating->membership;
  struct membership_entry *entries = membership->entries;
  size_t kept = 0, from = 0; // those of [from, i) are kept and not moved yet
  for (size_t i = 0; i <= membership->count; i++) {
    if (i < membership->count && is_kept(evaluating, i, drop)) continue;
    if (kept < from) memmove(entries + kept, entries + from, (i - from) * sizeof *entries);
    kept += i - from;
    from = i + 1;
    if (i < membership->count) membership_note(membership, entries[i].question);
  }
  if (kept < membership->count) evaluating->out->touched = true;
  membership->count = kept;
}

// One array by question, without entries that say nothing and, to `drop`, without those of questions that are gone.
static enum err merge_entries(struct evaluating *evaluating, bool drop) {
  struct membership *membership = evaluating->membership;
  drop = drop && evaluating->strangers; // nobody asks hundreds for their places then
  if (evaluating->added_count == 0) {
    if (evaluating->gone > 0) drop_gone(evaluating, drop);
    return ERR_OK;
  }
  evaluating->out->touched = true;
  size_t room = membership->count + evaluating->added_count + 1, from = 0;
  struct membership_entry *merged = arena_take(evaluating->out->arena, room * sizeof *merged), *into = merged;
  if (merged == NULL) return ERR_NO_MEMORY;
  if (evaluating->added_count > 1) qsort(evaluating->added, evaluating->added_count, sizeof *merged, by_question);
  for (size_t i = 0; i < evaluating->added_count; i++) {
    const struct membership_entry *added = &evaluating->added[i];
    if (says_nothing(added)) continue;
    size_t to = upper_bound(membership, added->question);
    into = copy_kept(evaluating, from, to, drop, into);
    *into++ = *added;
    from = to;
  }
  into = copy_kept(evaluating, from, membership->count, drop, into);
  membership->entries = merged;
  membership->count = (size_t)(into - merged);
  membership->capacity = room;
  return ERR_OK;
}

enum err segment_evaluate(struct segment_evaluation *evaluation, const struct segment_triggers *triggers) {
  struct evaluating evaluating;
  enum err err = begin(&evaluating, evaluation);
  if (err != ERR_OK) return err;
  err = ask_clock(&evaluating);
  if (err == ERR_OK) {
    ask_triggers(&evaluating, triggers);
    err = pass(&evaluating, evaluation->now_us);
  }
  end(&evaluating);
  return err == ERR_OK ? merge_entries(&evaluating, true) : err;
}

// --- one answer ----------------------------------------------------------------------------------------------

// The question and whatever its answer comes from. References lie at lower positions.
static uint64_t *find_sources(const struct segment_set *set, uint16_t position, struct arena *arena) {
  uint64_t *bits = arena_take_zero(arena, set->count / WORD_BITS + 1, sizeof *bits);
  if (bits == NULL) return NULL;
  bits[position / WORD_BITS] |= UINT64_C(1) << position % WORD_BITS;
  for (size_t at = (size_t)position + 1; at-- > 0;) {
    if (!has_bit(bits, at)) continue;
    for (uint32_t i = set->references.first[at]; i < set->references.first[at + 1]; i++) {
      uint16_t source = set->references.positions[i];
      bits[source / WORD_BITS] |= UINT64_C(1) << source % WORD_BITS;
    }
  }
  return bits;
}

static enum err answer_stale(struct segment_evaluation *evaluation, uint16_t position) {
  struct evaluating evaluating;
  const uint64_t *sources = find_sources(evaluation->set, position, evaluation->arena);
  if (sources == NULL) return ERR_NO_MEMORY;
  enum err err = begin(&evaluating, evaluation);
  if (err != ERR_OK) return err;
  evaluating.only = sources;
  err = ask_clock(&evaluating);
  if (err == ERR_OK) err = pass(&evaluating, evaluation->now_us);
  end(&evaluating);
  return err == ERR_OK ? merge_entries(&evaluating, false) : err;
}

static const struct membership_entry *find_entry(const struct membership *membership, uint32_t question) {
  const struct membership_entry wanted = {.question = question};
  if (membership->count == 0) return NULL;
  return bsearch(&wanted, membership->entries, membership->count, sizeof wanted, by_question);
}

enum err segment_answer(struct segment_evaluation *evaluation, uint32_t question, struct membership_entry *entry) {
  uint16_t position = segment_set_position(evaluation->set, question);
  if (position == SEGMENT_NOWHERE) return ERR_NOT_FOUND;
  const struct membership_entry *there = find_entry(evaluation->membership, question);
  bool is_list = evaluation->set->turns[position].kind == SEGMENT_LIST;
  if (there != NULL && there->valid_until_us <= evaluation->now_us && !is_list) {
    enum err err = answer_stale(evaluation, position);
    if (err != ERR_OK) return err;
    there = find_entry(evaluation->membership, question);
  }
  *entry = there == NULL ? nothing(question) : *there;
  return ERR_OK;
}
