// rule_reference_private: what the files of the plain interpreter share.
#pragma once

#include "rule_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct reference {
  const struct sample *sample;
  int64_t now_us;
  struct arena *arena;
  bool unknown;
};

// The event (and item) that `where` and `of` speak of; outside of them, what is in hand.
struct scope {
  const struct sample_event *event; // NULL: there is none
  bool has_item;
  struct value item;
};

static const struct rule_value NOTHING = {.type = RULE_TYPE_NULL};

static inline struct rule_value boolean_of(bool boolean) {
  return (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = boolean};
}
static inline struct rule_value number_of(struct decimal number) {
  return (struct rule_value){.type = RULE_TYPE_NUMBER, .number = number};
}
static inline struct rule_value whole_of(int64_t number) {
  return number_of(decimal_from_i64(number));
}
static inline struct rule_value text_of(struct bytes text) {
  return (struct rule_value){.type = RULE_TYPE_TEXT, .text = text};
}
static inline struct rule_value time_of(enum err err, int64_t time_us) {
  return err == ERR_OK ? (struct rule_value){.type = RULE_TYPE_TIME, .time_us = time_us} : NOTHING;
}
static inline struct rule_value duration_of(int64_t length_us) {
  return (struct rule_value){.type = RULE_TYPE_DURATION, .time_us = length_us};
}

static inline bool is_true(struct rule_value value) {
  return value.type == RULE_TYPE_BOOL && value.boolean;
}

struct rule_value reference_evaluate(struct reference *reference, const struct scope *scope,
                                     const struct rule_node *node);

// A time, or a text that reads as one.
bool reference_time(const struct reference *reference, struct rule_value value, int64_t *time_us);
// A date or a time of the text: `2026-01-31` is the beginning of that day.
struct rule_value reference_moment(const struct reference *reference, const struct rule_node *node);
// In the message: from its root, or in its properties.
struct value reference_in_message(const struct reference *reference, const struct sample_event *event,
                                  const struct bytes *path, uint32_t count);
// `=`.
bool reference_equal(const struct reference *reference, struct rule_value a, struct rule_value b);
// Which comes first: negative, 0, positive. False when they have no order.
bool reference_order(const struct reference *reference, struct rule_value a, struct rule_value b, int *order);
// Of two numbers.
struct rule_value reference_calculate(enum rule_op op, struct decimal a, struct decimal b);

// text(value)
struct rule_value reference_text(struct reference *reference, struct rule_value value);
struct rule_value reference_call(struct reference *reference, const struct scope *scope, const struct rule_node *node);

// The event in hand; NULL: there is none.
const struct sample_event *reference_in_hand(const struct reference *reference);
struct rule_value reference_aggregate(struct reference *reference, const struct rule_node *node);
struct rule_value reference_sequence(struct reference *reference, const struct rule_node *node);
