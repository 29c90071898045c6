// type: the tables behind type.h, one of them from functions.def, and stored values as what expressions compute with.
#include "rule/type.h"

#include <assert.h>
#include <string.h>

// A letter of functions.def as the set of types it means, as a constant.
#define BIT(letter)                                                                                                    \
  ((letter) == 'v'   ? RULE_TYPES_ANY                                                                                  \
   : (letter) == 'z' ? 1 << RULE_TYPE_NULL                                                                             \
   : (letter) == 'b' ? 1 << RULE_TYPE_BOOL                                                                             \
   : (letter) == 'n' ? 1 << RULE_TYPE_NUMBER                                                                           \
   : (letter) == 't' ? 1 << RULE_TYPE_TEXT                                                                             \
   : (letter) == 'i' ? 1 << RULE_TYPE_TIME                                                                             \
   : (letter) == 'd' ? 1 << RULE_TYPE_DURATION                                                                         \
   : (letter) == 'l' ? 1 << RULE_TYPE_LIST                                                                             \
   : (letter) == 'o' ? 1 << RULE_TYPE_DOCUMENT                                                                         \
                     : 0)
#define AT(letters, index) ((letters)[(index) < sizeof(letters) ? (index) : sizeof(letters) - 1])
// Of at most four letters.
#define TYPES(letters) (BIT(AT(letters, 0)) | BIT(AT(letters, 1)) | BIT(AT(letters, 2)) | BIT(AT(letters, 3)))

// --- types ---------------------------------------------------------------------------------------------------

const char *rule_type_name(enum rule_type type) {
  static const char *const names[RULE_TYPE_COUNT] = {
      [RULE_TYPE_NULL] = "null",         [RULE_TYPE_BOOL] = "boolean", [RULE_TYPE_NUMBER] = "number",
      [RULE_TYPE_TEXT] = "text",         [RULE_TYPE_TIME] = "time",    [RULE_TYPE_DURATION] = "duration",
      [RULE_TYPE_CALENDAR] = "calendar", [RULE_TYPE_LIST] = "list",    [RULE_TYPE_DOCUMENT] = "document",
  };
  assert(type < RULE_TYPE_COUNT);
  return names[type];
}

struct rule_value rule_value_of(struct value packed) {
  struct rule_value value = {.type = RULE_TYPE_NULL};
  if (value_is_absent(packed)) return value;
  switch (value_type(packed)) {
  case VALUE_NULL:
    break;
  case VALUE_BOOL:
    value.type = RULE_TYPE_BOOL;
    value_as_bool(packed, &value.boolean);
    break;
  case VALUE_NUMBER:
    value.type = RULE_TYPE_NUMBER;
    value_as_number(packed, &value.number);
    break;
  case VALUE_TEXT:
    value.type = RULE_TYPE_TEXT;
    value_as_text(packed, &value.text);
    break;
  case VALUE_LIST:
    value.type = RULE_TYPE_LIST;
    value.packed = packed;
    break;
  case VALUE_DOCUMENT:
    value.type = RULE_TYPE_DOCUMENT;
    value.packed = packed;
    break;
  }
  return value;
}

bool rule_value_put(struct value_builder *builder, const struct rule_value *value) {
  switch (value->type) {
  case RULE_TYPE_BOOL:
    value_put_bool(builder, value->boolean);
    return true;
  case RULE_TYPE_NUMBER:
    value_put_number(builder, value->number);
    return true;
  case RULE_TYPE_TEXT:
    value_put_text(builder, value->text);
    return true;
  case RULE_TYPE_LIST:
  case RULE_TYPE_DOCUMENT:
    value_put_value(builder, value->packed);
    return true;
  default:
    return false;
  }
}

// --- functions -----------------------------------------------------------------------------------------------

static const struct rule_function_info functions[RULE_FUNCTION_COUNT] = {
    {.name = "", .arguments = ""},
#define FUNCTION(name, least, most, arguments, result) {#name, least, most, arguments, TYPES(result), false},
#define LOOKUP(name, least, most, arguments, result) {#name, least, most, arguments, TYPES(result), true},
#include "rule/functions.def"
#undef LOOKUP
#undef FUNCTION
};

const struct rule_function_info *rule_function_info(enum rule_function function) {
  assert(function < RULE_FUNCTION_COUNT);
  return &functions[function];
}

enum rule_function rule_function_find(struct bytes name) {
  for (int i = RULE_FUNCTION_NONE + 1; i < RULE_FUNCTION_COUNT; i++)
    if (bytes_equal(name, bytes_from_text(functions[i].name))) return (enum rule_function)i;
  return RULE_FUNCTION_NONE;
}

rule_types rule_function_argument(const struct rule_function_info *info, uint32_t index) {
  const char *at = info->arguments;
  for (const char *comma; index > 0 && (comma = strchr(at, ',')) != NULL; index--) at = comma + 1;
  unsigned types = 0;
  for (; *at != '\0' && *at != ','; at++) types |= (unsigned)BIT(*at);
  if (types & 1u << RULE_TYPE_TIME) types |= 1u << RULE_TYPE_TEXT;
  return (rule_types)types;
}

// --- aggregators ---------------------------------------------------------------------------------------------

static const char *const aggregators[RULE_AGGREGATOR_COUNT] = {
    [RULE_COUNT] = "count",
    [RULE_EXISTS] = "exists",
    [RULE_SUM] = "sum",
    [RULE_AVG] = "avg",
    [RULE_MIN] = "min",
    [RULE_MAX] = "max",
    [RULE_FIRST] = "first",
    [RULE_LAST] = "last",
    [RULE_DISTINCT] = "distinct",
    [RULE_LIST] = "list",
    [RULE_MOST_FREQUENT] = "most_frequent",
};

const char *rule_aggregator_name(enum rule_aggregator aggregator) {
  assert(aggregator < RULE_AGGREGATOR_COUNT);
  return aggregators[aggregator];
}

bool rule_aggregator_find(struct bytes name, enum rule_aggregator *aggregator) {
  for (int i = 0; i < RULE_AGGREGATOR_COUNT; i++) {
    if (!bytes_equal(name, bytes_from_text(aggregators[i]))) continue;
    *aggregator = (enum rule_aggregator)i;
    return true;
  }
  return false;
}
