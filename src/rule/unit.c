// unit: the words for units of time.
#include "rule/unit.h"

#include <assert.h>
#include <stddef.h>

static const char *const names[] = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"};
enum { UNITS = sizeof names / sizeof names[0] };

const char *rule_unit_name(enum rule_unit unit) {
  assert((unsigned)unit < UNITS);
  return names[unit];
}

bool rule_unit_parse(struct bytes word, enum rule_unit *unit) {
  struct bytes singular = word;
  if (word.size_bytes > 1 && word.data[word.size_bytes - 1] == 's') singular.size_bytes--;
  for (size_t i = 0; i < UNITS; i++) {
    if (!bytes_equal(singular, bytes_from_text(names[i]))) continue;
    *unit = (enum rule_unit)i;
    return true;
  }
  return false;
}
