// segment_kit: questions written as a few texts, and a customer that is plain arrays, for the tests of segment/.
//
// Time is counted in hours from an epoch, so that everything that can change does so at a whole hour. An event has a
// name of one letter and an amount, which stands in the columns as its `total`.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "segment/set_private.h"

enum { KIT_DEFINITIONS = 2000, KIT_EVENTS = 40000, KIT_TRAITS = 4 };
#define KIT_EPOCH_US ((int64_t)1767225600 * CLOCK_SECOND_US) // 2026-01-01T00:00:00Z, a Thursday

static inline int64_t kit_hour(int64_t hours) {
  return KIT_EPOCH_US + hours * CLOCK_HOUR_US;
}

struct kit {
  struct names *names;
  struct rule_zone *zone;
  struct arena texts;   // of definitions
  struct arena scratch; // of one evaluation
  struct arena rows;    // of what is kept between evaluations
  struct rule_machine *machine;
  struct segment_definition definitions[KIT_DEFINITIONS];
  size_t definition_count;
  struct segment_set *set;
  // The customer.
  struct facts facts;
  int64_t time_us[KIT_EVENTS];
  uint32_t name[KIT_EVENTS];
  int64_t amount[KIT_EVENTS];
  uint8_t amount_code[KIT_EVENTS];
  uint32_t channel[KIT_EVENTS];
  size_t event_count;
  uint32_t trait_names[KIT_TRAITS];
  struct value trait_values[KIT_TRAITS];
  size_t trait_count;
  size_t column_calls, trait_calls;
  struct membership membership;
  struct segment_evaluation evaluation;
};

// --- the customer's callbacks --------------------------------------------------------------------------------

static inline enum err kit_columns(void *context, const struct rule_events_wanted *wanted,
                                   struct rule_columns *columns) {
  struct kit *kit = context;
  (void)wanted;
  kit->column_calls++;
  *columns =
      (struct rule_columns){kit->event_count, kit->time_us, kit->name, kit->amount, kit->amount_code, kit->channel};
  return ERR_OK;
}

static inline enum err kit_message(void *context, size_t index, struct value *message) {
  (void)context, (void)index;
  *message = (struct value){{NULL, 0}};
  return ERR_OK;
}

static inline enum err kit_trait(void *context, uint32_t name, struct value *value) {
  struct kit *kit = context;
  kit->trait_calls++;
  *value = (struct value){{NULL, 0}};
  for (size_t i = 0; i < kit->trait_count; i++)
    if (kit->trait_names[i] == name) *value = kit->trait_values[i];
  return ERR_OK;
}

static inline enum err kit_lookup(void *context, enum rule_function function, const struct bytes *arguments,
                                  size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct kit *kit = context;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (kit->facts.lookup == NULL) return ERR_OK;
  return kit->facts.lookup(kit->facts.lookup_context, kit->facts.id, function, arguments, count, now_us, value,
                           until_us);
}

// --- begin and end -------------------------------------------------------------------------------------------

static inline void kit_open_machine(struct kit *kit, const struct rule_limits *limits) {
  rule_machine_close(kit->machine);
  kit->machine = NULL;
  assert_int_equal(rule_machine_open(&kit->machine, limits), ERR_OK);
}

static inline int kit_setup(void **state) {
  struct kit *kit = calloc(1, sizeof *kit);
  assert_non_null(kit);
  assert_int_equal(names_open(&kit->names, NULL, NULL), ERR_OK);
  assert_int_equal(rule_zone_open_utc(&kit->zone), ERR_OK);
  assert_int_equal(rule_machine_open(&kit->machine, NULL), ERR_OK);
  arena_init(&kit->texts, 0);
  arena_init(&kit->scratch, 0);
  arena_init(&kit->rows, 0);
  kit->facts.customer = (struct rule_customer){
      .context = kit, .columns = kit_columns, .message = kit_message, .trait = kit_trait, .lookup = kit_lookup};
  kit->facts.arena = &kit->scratch;
  kit->facts.id = 42;
  kit->membership.timer_us = MEMBERSHIP_FOREVER;
  *state = kit;
  return 0;
}

static inline int kit_teardown(void **state) {
  struct kit *kit = *state;
  segment_set_close(kit->set);
  rule_machine_close(kit->machine);
  rule_zone_close(kit->zone);
  names_close(kit->names);
  arena_release(&kit->rows);
  arena_release(&kit->scratch);
  arena_release(&kit->texts);
  free(kit);
  return 0;
}

// --- questions -----------------------------------------------------------------------------------------------

static inline struct segment_definition *kit_define(struct kit *kit, enum segment_kind kind, const char *id,
                                                    const char *include) {
  assert_true(kit->definition_count < KIT_DEFINITIONS);
  struct segment_definition *definition = &kit->definitions[kit->definition_count++];
  *definition = (struct segment_definition){.kind = kind,
                                            .question = (uint32_t)kit->definition_count,
                                            .version = 1,
                                            .status = SEGMENT_LIVE,
                                            .id = arena_copy(&kit->texts, bytes_from_text(id)),
                                            .include = arena_copy(&kit->texts, bytes_from_text(include))};
  return definition;
}

static inline struct segment_definition *kit_segment(struct kit *kit, const char *id, const char *include) {
  return kit_define(kit, SEGMENT_EXPRESSION, id, include);
}

static inline struct segment_definition *kit_attribute(struct kit *kit, const char *id, const char *expression) {
  return kit_define(kit, SEGMENT_ATTRIBUTE, id, expression);
}

// One more exclusion.
static inline void kit_exclude(struct kit *kit, struct segment_definition *definition, const char *when) {
  size_t count = definition->exclusion_count;
  struct segment_exclusion *exclusions = arena_take_zero(&kit->texts, count + 1, sizeof *exclusions);
  for (size_t i = 0; i < count; i++) exclusions[i] = definition->exclusions[i];
  exclusions[count].name = arena_copy(&kit->texts, bytes_from_text(when));
  exclusions[count].when = exclusions[count].name;
  definition->exclusions = exclusions;
  definition->exclusion_count = count + 1;
}

static inline enum err kit_try_open(struct kit *kit, struct segment_set **set, struct diag *diag) {
  struct segment_compile with = {.names = kit->names, .zone = kit->zone, .older = kit->set};
  diag_init(diag);
  return segment_set_open(set, kit->definitions, kit->definition_count, &with, diag);
}

// Replaces the kit's set by one of the definitions as they are now.
static inline void kit_open(struct kit *kit) {
  struct segment_set *set = NULL;
  struct diag diag;
  if (kit_try_open(kit, &set, &diag) != ERR_OK) fail_msg("%s: %s: %s", diag.code, diag.field, diag.message);
  segment_set_close(kit->set);
  kit->set = set;
}

// --- the customer's life -------------------------------------------------------------------------------------

static inline uint32_t kit_name(struct kit *kit, const char *name) {
  uint32_t id = 0;
  assert_int_equal(names_intern(kit->names, bytes_from_text(name), &id, NULL), ERR_OK);
  return id;
}

// Keeps the columns in order of time.
static inline void kit_event(struct kit *kit, const char *name, int64_t hours, int64_t total) {
  assert_true(kit->event_count < KIT_EVENTS);
  size_t at = kit->event_count++;
  for (; at > 0 && kit->time_us[at - 1] > kit_hour(hours); at--) {
    kit->time_us[at] = kit->time_us[at - 1];
    kit->name[at] = kit->name[at - 1];
    kit->amount[at] = kit->amount[at - 1];
  }
  kit->time_us[at] = kit_hour(hours);
  kit->name[at] = kit_name(kit, name);
  kit->amount[at] = total;
  kit->amount_code[kit->event_count - 1] = RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT;
  kit->channel[kit->event_count - 1] = RULE_DIM_NONE;
}

static inline void kit_set_trait(struct kit *kit, const char *name, int64_t number) {
  uint32_t id = kit_name(kit, name);
  size_t at = 0;
  while (at < kit->trait_count && kit->trait_names[at] != id) at++;
  assert_true(at < KIT_TRAITS);
  if (at == kit->trait_count) kit->trait_count++;
  struct buffer packed;
  struct value_builder builder;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, kit->names);
  value_put_i64(&builder, number);
  kit->trait_names[at] = id;
  kit->trait_values[at] = (struct value){arena_copy(&kit->texts, buffer_view(&packed))};
  buffer_release(&packed);
}

// What a customer's row would keep: the membership is copied into memory of its own, and the evaluation's is emptied.
static inline void kit_keep_membership(struct kit *kit) {
  struct arena rows;
  arena_init(&rows, 0);
  struct membership *membership = &kit->membership;
  struct membership_entry *entries = arena_take_zero(&rows, membership->count + 1, sizeof *entries);
  for (size_t i = 0; i < membership->count; i++) {
    entries[i] = membership->entries[i];
    if (!value_is_absent(entries[i].value)) entries[i].value.packed = arena_copy(&rows, entries[i].value.packed);
  }
  membership->entries = entries;
  membership->capacity = membership->count + 1;
  arena_release(&kit->rows);
  kit->rows = rows;
}

static inline enum err kit_try_evaluate(struct kit *kit, int64_t now_us, const struct segment_triggers *triggers) {
  kit_keep_membership(kit);
  arena_clear(&kit->scratch);
  kit->evaluation = (struct segment_evaluation){.set = kit->set,
                                                .machine = kit->machine,
                                                .facts = &kit->facts,
                                                .arena = &kit->scratch,
                                                .membership = &kit->membership,
                                                .now_us = now_us};
  return segment_evaluate(&kit->evaluation, triggers);
}

static inline void kit_evaluate(struct kit *kit, int64_t hours, const struct segment_triggers *triggers) {
  assert_int_equal(kit_try_evaluate(kit, kit_hour(hours), triggers), ERR_OK);
  for (size_t i = 0; i < kit->membership.count; i++) {
    const struct membership_entry *entry = &kit->membership.entries[i];
    assert_true(entry->valid_until_us > kit_hour(hours));
    assert_true(i == 0 || kit->membership.entries[i - 1].question < entry->question);
  }
}

static inline const struct membership_entry *kit_entry(const struct kit *kit, uint32_t question) {
  for (size_t i = 0; i < kit->membership.count; i++)
    if (kit->membership.entries[i].question == question) return &kit->membership.entries[i];
  return NULL;
}

static inline bool kit_is_member(const struct kit *kit, uint32_t question) {
  const struct membership_entry *entry = kit_entry(kit, question);
  return entry != NULL && entry->member;
}

// An event now, evaluated.
static inline void kit_happens(struct kit *kit, const char *name, int64_t hours, int64_t total) {
  kit_event(kit, name, hours, total);
  uint32_t id = kit_name(kit, name);
  kit_evaluate(kit, hours, &(struct segment_triggers){.events = &id, .event_count = 1});
}

static inline void kit_passes(struct kit *kit, int64_t hours) {
  kit_evaluate(kit, hours, &(struct segment_triggers){0});
}

static inline void kit_assert_change(const struct kit *kit, size_t index, uint32_t question,
                                     enum segment_change_kind kind, int64_t hours) {
  assert_true(index < kit->evaluation.change_count);
  const struct segment_change *change = &kit->evaluation.changes[index];
  if (change->question != question || change->kind != kind || change->at_us != kit_hour(hours))
    fail_msg("change %zu: question %u, kind %d, hour %lld", index, (unsigned)change->question, (int)change->kind,
             (long long)((change->at_us - KIT_EPOCH_US) / CLOCK_HOUR_US));
}
