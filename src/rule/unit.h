// unit: lengths of time as people say them.
//
// Layer 2, inside rule/; pure. Seconds to weeks are exact, months, quarters and years are lengths on a calendar.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum rule_unit { RULE_SECOND, RULE_MINUTE, RULE_HOUR, RULE_DAY, RULE_WEEK, RULE_MONTH, RULE_QUARTER, RULE_YEAR };

struct rule_duration {
  int64_t count;
  enum rule_unit unit;
};

// "day", "days": false when it is no unit.
bool rule_unit_parse(struct bytes word, enum rule_unit *unit);
const char *rule_unit_name(enum rule_unit unit); // "day"
