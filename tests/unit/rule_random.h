// rule_random: expressions and customers by chance, from a seed.
//
// The vocabulary is small, so that names and values meet: events A, B, C (and D, which nobody has), numbers that are
// often equal, traits and properties that are often missing, of another type, or null. Times gather around one moment
// of a customer that the calendar makes difficult: the end of a month, 29 February, a night of a clock change.
#pragma once

#include "base/bytes.h"
#include "rule/ast.h"

enum { RANDOM_EVENTS_MAX = 12, RANDOM_EVENT_BYTES = 512, RANDOM_HEAD_BYTES = 1024, RANDOM_ITEM_BYTES = 64 };

struct random_customer {
  int64_t anchor_us;
  char head[RANDOM_HEAD_BYTES]; // the members beside now and events
  char events[RANDOM_EVENTS_MAX][RANDOM_EVENT_BYTES];
  int64_t times_us[RANDOM_EVENTS_MAX];
  int event_count;
  enum rule_subject subject;
  char in_hand[RANDOM_EVENT_BYTES + RANDOM_ITEM_BYTES]; // its members
};

void random_seed(uint64_t seed);
unsigned random_below(unsigned below);

void random_customer(struct random_customer *customer);
// The line of JSON, NUL-terminated.
void random_customer_print(const struct random_customer *customer, int64_t now_us, struct buffer *out);
// An instant worth asking at: near an event, a boundary of the calendar, or anywhere.
int64_t random_now(const struct random_customer *customer);

// The text of an expression, NUL-terminated, to be asked with `subject` in hand. Few are refused by the checker.
void random_expression(enum rule_subject subject, struct buffer *out);
