// type: what an expression computes with.
//
// Layer 2, inside rule/; pure. A `struct rule_value` owns nothing: what it points to belongs to the customer's data, to
// the program or to the machine's arena, and lives until the next run.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rule/unit.h"
#include "value/decimal.h"
#include "value/value.h"

enum rule_type {
  RULE_TYPE_NULL,
  RULE_TYPE_BOOL,
  RULE_TYPE_NUMBER,
  RULE_TYPE_TEXT,
  RULE_TYPE_TIME,     // an instant
  RULE_TYPE_DURATION, // exact: microseconds
  RULE_TYPE_CALENDAR, // months, quarters, years: only to be added to a time
  RULE_TYPE_LIST,
  RULE_TYPE_DOCUMENT,
  RULE_TYPE_COUNT
};

// Sets of types: bit 1 << type.
typedef uint16_t rule_types;
enum {
  RULE_TYPES_ANY = (1 << RULE_TYPE_COUNT) - 1,
  // What JSON can bring: traits and properties. A text may read as a time.
  RULE_TYPES_STORED = 1 << RULE_TYPE_NULL | 1 << RULE_TYPE_BOOL | 1 << RULE_TYPE_NUMBER | 1 << RULE_TYPE_TEXT |
                      1 << RULE_TYPE_LIST | 1 << RULE_TYPE_DOCUMENT,
};

struct rule_value {
  enum rule_type type;
  union {
    bool boolean;
    struct decimal number;
    struct bytes text;
    int64_t time_us;               // TIME: since 1970 UTC; DURATION: its length
    struct rule_duration calendar; // CALENDAR
    struct value packed;           // LIST, DOCUMENT
  };
};

const char *rule_type_name(enum rule_type type); // "number"

// A stored value; of an absent one null.
struct rule_value rule_value_of(struct value packed);
// The way back. False, and nothing is put: null, and the types that a document has not (a time, a duration).
bool rule_value_put(struct value_builder *builder, const struct rule_value *value);

enum rule_function {
  RULE_FUNCTION_NONE, // of a node that is no call, or before the check
#define FUNCTION(name, least, most, arguments, result) RULE_FUNCTION_##name,
#define LOOKUP(name, least, most, arguments, result) RULE_FUNCTION_##name,
#include "rule/functions.def"
#undef LOOKUP
#undef FUNCTION
  RULE_FUNCTION_COUNT
};

struct rule_function_info {
  const char *name;
  uint8_t least, most;   // arguments
  const char *arguments; // sets of letters, see functions.def
  rule_types result;
  bool lookup;
};
// Of RULE_FUNCTION_NONE: an empty name.
const struct rule_function_info *rule_function_info(enum rule_function function);
enum rule_function rule_function_find(struct bytes name); // NONE: there is none
// Types that an argument may have (index from 0), null aside. Where a time is wanted, text too.
rule_types rule_function_argument(const struct rule_function_info *info, uint32_t index);

enum rule_aggregator {
  RULE_COUNT,
  RULE_EXISTS,
  RULE_SUM,
  RULE_AVG,
  RULE_MIN,
  RULE_MAX,
  RULE_FIRST,
  RULE_LAST,
  RULE_DISTINCT,
  RULE_MOST_FREQUENT,
  RULE_LIST,
  RULE_AGGREGATOR_COUNT
};
// The word, "most_frequent".
const char *rule_aggregator_name(enum rule_aggregator aggregator);
bool rule_aggregator_find(struct bytes name, enum rule_aggregator *aggregator);
