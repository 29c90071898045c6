// Random questions that refer to each other, random lives, random moves of the clock: after every step each entry is
// what a fresh evaluation of all questions at that instant says, and what the clock alone changed is what a fresh
// evaluation at every hour between would have seen change, in that order.
//
// The model knows no validity, no index and no triggers: it evaluates everything, from the first to the last.
#include "segment_kit.h"

enum { QUESTIONS = 14, SEEDS = 60, STEPS = 60, DEPTH_MAX = 2 };

struct model {
  struct kit *kit;
  struct rule_machine *machine;
  struct membership_entry now[QUESTIONS];  // by position: what is true
  struct membership_entry kept[QUESTIONS]; // what was, when the changes were last compared
  int64_t since_us[QUESTIONS];             // of members: when they entered; 0: nobody looked
  struct arena arena;
};

static uint64_t seed;

static uint32_t pick(uint32_t count) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)((seed >> 33) % count);
}

// --- random questions ----------------------------------------------------------------------------------------

static const char *pick_name(void) {
  static const char *const NAMES[] = {"A", "B", "C"};
  return NAMES[pick(3)];
}

static void put_window(struct buffer *text) {
  static const char *const WINDOWS[] = {"",
                                        " in last %u hours",
                                        " in last %u days",
                                        " in last %u days by day",
                                        " in previous %u days",
                                        " in last %u month"};
  uint32_t window = pick(6);
  if (window > 0) buffer_append_format(text, WINDOWS[window], 1 + (unsigned)pick(window == 5 ? 1 : 6)); // NOLINT
}

static void put_number(struct buffer *text, uint32_t earlier) {
  switch (pick(earlier > 0 ? 4 : 3)) {
  case 0:
    buffer_append_format(text, "count(\"%s\"", pick_name());
    break;
  case 1:
    buffer_append_format(text, "sum(total of \"%s\"", pick_name());
    break;
  case 2:
    buffer_append_format(text, "coalesce(last(total of \"%s\"), traits.t, 0)", pick_name());
    return;
  default:
    buffer_append_format(text, "coalesce(attributes.q%u, 1)", (unsigned)pick(earlier) / 2 * 2);
    return;
  }
  put_window(text);
  buffer_append_text(text, ")");
}

static void put_condition(struct buffer *text, uint32_t earlier, int depth) {
  switch (pick(depth < DEPTH_MAX ? 9 : 6)) {
  case 0:
    buffer_append_format(text, "exists(\"%s\"", pick_name());
    put_window(text);
    buffer_append_text(text, ")");
    return;
  case 1:
    put_number(text, earlier);
    buffer_append_format(text, " >= %u", (unsigned)pick(5));
    return;
  case 2:
    buffer_append_format(text, "traits.t = %u", (unsigned)pick(3));
    return;
  case 3:
    if (earlier < 2)
      buffer_append_text(text, "weekday() = 2");
    else
      buffer_append_format(text, "in_segment(\"q%u\")", (unsigned)(pick(earlier / 2) * 2 + 1));
    return;
  case 4:
    buffer_append_format(text, "sequence(\"%s\" then not \"%s\" within %u hours)", pick_name(), pick_name(),
                         1 + (unsigned)pick(40));
    return;
  case 5:
    buffer_append_format(text, "last(time of \"%s\") <= now - %u hours", pick_name(), 1 + (unsigned)pick(60));
    return;
  case 6:
    buffer_append_text(text, "not (");
    put_condition(text, earlier, depth + 1);
    buffer_append_text(text, ")");
    return;
  default:
    buffer_append_text(text, "(");
    put_condition(text, earlier, depth + 1);
    buffer_append_text(text, pick(2) == 0 ? " and " : " or ");
    put_condition(text, earlier, depth + 1);
    buffer_append_text(text, ")");
  }
}

static const char *finish(struct buffer *text) {
  buffer_append_byte(text, 0);
  return (const char *)text->data;
}

// Even ones are attributes, odd ones segments; what one refers to is before it, but the set is given them in another
// order.
static void define_questions(struct kit *kit) {
  struct buffer text;
  buffer_init(&text);
  for (uint32_t i = 0; i < QUESTIONS; i++) {
    char id[8];
    snprintf(id, sizeof id, "q%u", (unsigned)i);
    buffer_clear(&text);
    if (i % 2 == 0) {
      put_number(&text, i);
      kit_attribute(kit, id, finish(&text));
      continue;
    }
    put_condition(&text, i - 1, 0);
    struct segment_definition *definition = kit_segment(kit, id, finish(&text));
    for (uint32_t count = pick(3); count > 0; count--) {
      buffer_clear(&text);
      put_condition(&text, i - 1, 0);
      kit_exclude(kit, definition, finish(&text));
    }
  }
  buffer_release(&text);
  for (uint32_t i = QUESTIONS; i > 1; i--) {
    uint32_t other = pick(i);
    struct segment_definition swapped = kit->definitions[i - 1];
    kit->definitions[i - 1] = kit->definitions[other];
    kit->definitions[other] = swapped;
  }
}

// --- the model -----------------------------------------------------------------------------------------------

static enum err model_lookup(void *context, uint64_t customer, enum rule_function function,
                             const struct bytes *arguments, size_t count, int64_t now_us, struct rule_value *value,
                             int64_t *until_us) {
  struct model *model = context;
  (void)customer, (void)now_us, (void)until_us;
  assert_int_equal(count, 1);
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  for (size_t i = 0; i < QUESTIONS; i++) {
    const struct segment_definition *definition = segment_set_at(model->kit->set, i);
    if (!bytes_equal(definition->id, arguments[0])) continue;
    if (function == RULE_FUNCTION_NONE)
      *value = rule_value_of(model->now[i].value);
    else
      *value = (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = model->now[i].member};
  }
  return ERR_OK;
}

static struct rule_answer model_run(struct model *model, const struct segment_program *program, int64_t at_us) {
  struct rule_answer answer;
  assert_int_equal(rule_run(model->machine, program->rule, &model->kit->facts.customer, at_us, false, &answer), ERR_OK);
  assert_int_equal(answer.status, RULE_KNOWN);
  return answer;
}

static void model_value(struct model *model, size_t position, const struct rule_value *value) {
  if (value->type == RULE_TYPE_NULL) return;
  assert_int_equal(value->type, RULE_TYPE_NUMBER);
  struct value_builder builder;
  struct buffer packed;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, model->kit->names);
  value_put_number(&builder, value->number);
  model->now[position].value.packed = arena_copy(&model->arena, buffer_view(&packed));
  buffer_release(&packed);
}

// All answers at an instant, in order.
static void model_answer(struct model *model, int64_t at_us) {
  struct kit *kit = model->kit;
  kit->facts.lookup = model_lookup;
  kit->facts.lookup_context = model;
  for (size_t i = 0; i < QUESTIONS; i++) {
    const struct segment_question *question = &kit->set->questions[i];
    struct rule_answer answer = model_run(model, question->include, at_us);
    struct membership_entry *now = &model->now[i];
    *now = (struct membership_entry){.question = question->definition.question};
    if (question->definition.kind == SEGMENT_ATTRIBUTE) {
      model_value(model, i, &answer.value);
      continue;
    }
    bool included = rule_is_true(&answer);
    for (size_t k = 0; included && k < question->definition.exclusion_count; k++) {
      answer = model_run(model, question->exclusions[k], at_us);
      if (rule_is_true(&answer)) now->excluded |= (uint16_t)(1U << k);
    }
    now->member = included && now->excluded == 0;
  }
  kit->facts.lookup = NULL;
}

static bool same_value(struct value a, struct value b) {
  return value_is_absent(a) || value_is_absent(b) ? value_is_absent(a) == value_is_absent(b) : value_equal(a, b);
}

// Says which change there was from `kept` to `now`; false for none.
static bool model_change(const struct model *model, size_t position, struct segment_change *change) {
  const struct membership_entry *kept = &model->kept[position], *now = &model->now[position];
  *change = (struct segment_change){now->question, SEGMENT_VALUE, membership_sides(kept), membership_sides(now), 0};
  if (kept->member != now->member)
    change->kind = now->member ? SEGMENT_ENTERED : SEGMENT_LEFT;
  else if (membership_sides(kept) != membership_sides(now))
    change->kind = SEGMENT_EXCLUDED;
  else
    return !same_value(kept->value, now->value);
  return true;
}

static void wrong(const struct model *model, size_t position, const char *what) {
  const struct segment_definition *definition = segment_set_at(model->kit->set, position);
  for (size_t i = 0; i < QUESTIONS; i++) {
    const struct segment_definition *one = segment_set_at(model->kit->set, i);
    print_message("%.*s: %.*s\n", BYTES_ARG(one->id), BYTES_ARG(one->include));
    for (size_t k = 0; k < one->exclusion_count; k++) print_message("  but %.*s\n", BYTES_ARG(one->exclusions[k].when));
  }
  for (size_t i = 0; i < model->kit->event_count; i++)
    print_message("%.*s at %lld\n", BYTES_ARG(names_text(model->kit->names, model->kit->name[i])),
                  (long long)((model->kit->time_us[i] - KIT_EPOCH_US) / CLOCK_HOUR_US));
  fail_msg("%.*s: %s", BYTES_ARG(definition->id), what);
}

// Takes the next of the evaluation's changes for what the model saw at `at_us`.
static void compare_changes(struct model *model, int64_t at_us, size_t *next) {
  const struct segment_evaluation *evaluation = &model->kit->evaluation;
  for (size_t i = 0; i < QUESTIONS; i++) {
    struct segment_change expected;
    if (!model_change(model, i, &expected)) continue;
    if (*next == evaluation->change_count) wrong(model, i, "a change is missing");
    const struct segment_change *found = &evaluation->changes[(*next)++];
    if (found->question != expected.question) wrong(model, i, "another change came first");
    if (found->kind != expected.kind) wrong(model, i, "another kind of change");
    if (found->at_us != at_us) wrong(model, i, "the change has another instant");
    if (expected.kind == SEGMENT_ENTERED) model->since_us[i] = at_us;
    if (found->sides_before != expected.sides_before || found->sides_after != expected.sides_after)
      wrong(model, i, "other audiences");
  }
  memcpy(model->kept, model->now, sizeof model->kept);
}

static void compare_entries(struct model *model) {
  for (size_t i = 0; i < QUESTIONS; i++) {
    const struct membership_entry *now = &model->now[i], *entry = kit_entry(model->kit, now->question);
    struct membership_entry none = {.question = now->question};
    if (entry == NULL) entry = &none;
    if (entry->unknown) wrong(model, i, "unknown");
    if (entry->member != now->member) wrong(model, i, now->member ? "no member" : "a member");
    if (entry->excluded != now->excluded) wrong(model, i, "other audiences");
    if (entry->member && model->since_us[i] != 0 && entry->since_us != model->since_us[i])
      wrong(model, i, "a member since another instant");
    if (!entry->member && entry->since_us != 0) wrong(model, i, "no member, since some time");
    if (!same_value(entry->value, now->value)) wrong(model, i, "another value");
  }
}

// --- a life --------------------------------------------------------------------------------------------------

// The clock alone: every hour between is looked at.
static void move_clock(struct model *model, int64_t from_hours, int64_t to_hours) {
  kit_passes(model->kit, to_hours);
  size_t next = 0;
  for (int64_t hours = from_hours + 1; hours <= to_hours; hours++) {
    model_answer(model, kit_hour(hours));
    compare_changes(model, kit_hour(hours), &next);
  }
  assert_int_equal(next, model->kit->evaluation.change_count);
  compare_entries(model);
}

// Only the end is looked at.
static void catch_up(struct model *model, int64_t hours) {
  memset(model->since_us, 0, sizeof model->since_us);
  kit_passes(model->kit, hours);
  model_answer(model, kit_hour(hours));
  memcpy(model->kept, model->now, sizeof model->kept);
  compare_entries(model);
}

// Something happens at `hours`, up to which the clock has been followed or not.
static void happen(struct model *model, int64_t hours, bool followed) {
  struct kit *kit = model->kit;
  uint32_t events[3], trait = kit_name(kit, "t");
  struct segment_triggers triggers = {.events = events};
  if (pick(4) == 0) {
    kit_set_trait(kit, "t", pick(3));
    triggers.traits = &trait;
    triggers.trait_count = 1;
  } else {
    for (uint32_t count = 1 + pick(2); count > 0; count--) {
      const char *name = pick_name();
      int64_t shift = pick(3) == 0 ? -(int64_t)pick(100) : pick(8) == 0 ? (int64_t)pick(30) : 0;
      kit_event(kit, name, hours + shift, pick(6));
      events[triggers.event_count++] = kit_name(kit, name);
    }
  }
  kit_evaluate(kit, hours, &triggers);
  model_answer(model, kit_hour(hours));
  size_t next = 0;
  if (followed) {
    compare_changes(model, kit_hour(hours), &next);
    assert_int_equal(next, kit->evaluation.change_count);
  } else {
    memset(model->since_us, 0, sizeof model->since_us);
  }
  memcpy(model->kept, model->now, sizeof model->kept);
  compare_entries(model);
  for (size_t i = 1; i < kit->evaluation.change_count; i++)
    assert_true(kit->evaluation.changes[i - 1].at_us <= kit->evaluation.changes[i].at_us);
}

// A reader at a later instant sees what is true then, whatever was asked before.
static void read_later(struct model *model, int64_t hours) {
  struct kit *kit = model->kit;
  model_answer(model, kit_hour(hours));
  for (int reads = 0; reads < 3; reads++) {
    size_t position = pick(QUESTIONS);
    const struct membership_entry *now = &model->now[position];
    struct membership saved = kit->membership;
    struct membership_entry entries[QUESTIONS], entry;
    if (saved.count > 0) memcpy(entries, saved.entries, saved.count * sizeof *entries);
    kit->membership.entries = entries;
    kit->evaluation.now_us = kit_hour(hours);
    assert_int_equal(segment_answer(&kit->evaluation, now->question, &entry), ERR_OK);
    if (entry.member != now->member || entry.excluded != now->excluded || !same_value(entry.value, now->value))
      wrong(model, position, "a reader is told something else");
    assert_true(entry.valid_until_us > kit_hour(hours));
    kit->membership = saved;
  }
}

static void live(struct model *model) {
  struct kit *kit = model->kit;
  int64_t hours = pick(100);
  define_questions(kit);
  kit_open(kit);
  kit_evaluate(kit, hours, &(struct segment_triggers){.fresh = true});
  model_answer(model, kit_hour(hours));
  compare_entries(model); // what is not fresh says nothing of a new customer
  memcpy(model->kept, model->now, sizeof model->kept);
  for (int step = 0; step < STEPS; step++) {
    int64_t later = hours + (pick(8) == 0 ? pick(1200) : pick(30));
    bool followed = pick(3) != 0;
    if (pick(4) == 0) read_later(model, later);
    if (followed) move_clock(model, hours, later);
    hours = later;
    if (pick(3) != 0)
      happen(model, hours, followed);
    else if (!followed)
      catch_up(model, hours);
  }
}

static void test_model(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= SEEDS; i++) {
    void *kit;
    assert_int_equal(kit_setup(&kit), 0);
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    model->kit = kit;
    arena_init(&model->arena, 0);
    assert_int_equal(rule_machine_open(&model->machine, NULL), ERR_OK);
    seed = i;
    live(model);
    rule_machine_close(model->machine);
    arena_release(&model->arena);
    free(model);
    kit_teardown(&kit);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
