// machine_function: arithmetic, and functions of values alone.
//
// What an argument of a wrong type or null reaches is null. An overflow and a division by zero give null, and count as
// faults.
#include "rule/machine_private.h"

#include <utf8proc.h>

#include "rule/duration.h"

enum { ROUND_DIGITS_MAX = 34 };

// --- arithmetic ----------------------------------------------------------------------------------------------

static void give_number(struct rule_machine *machine, enum err err, struct decimal number, struct rule_value *value) {
  if (err != ERR_OK) machine->faults++;
  *value = err == ERR_OK ? machine_number(number) : machine_null();
}

static void of_numbers(struct rule_machine *machine, enum rule_opcode opcode, struct rule_value *a,
                       const struct rule_value *b) {
  struct decimal out = {0};
  enum err err;
  switch (opcode) {
  case RULE_CODE_ADD:
    err = decimal_add(a->number, b->number, &out);
    break;
  case RULE_CODE_SUBTRACT:
    err = decimal_subtract(a->number, b->number, &out);
    break;
  case RULE_CODE_MULTIPLY:
    err = decimal_multiply(a->number, b->number, &out);
    break;
  case RULE_CODE_DIVIDE:
    err = decimal_divide(a->number, b->number, &out);
    break;
  default:
    err = decimal_remainder(a->number, b->number, &out);
    break;
  }
  give_number(machine, err, out, a);
}

static bool is_length(const struct rule_value *value) {
  return value->type == RULE_TYPE_DURATION || value->type == RULE_TYPE_CALENDAR;
}

// Within the years 1 to 9999: rule_time_add of nothing says whether it is.
static bool moved_exactly(const struct rule_machine *machine, int64_t time_us, int64_t length_us, bool back,
                          int64_t *out) {
  bool over = back ? __builtin_sub_overflow(time_us, length_us, out) : __builtin_add_overflow(time_us, length_us, out);
  return !over && rule_time_add(machine->program->zone, *out, (struct rule_duration){0, RULE_SECOND}, out) == ERR_OK;
}

static struct rule_value moved(const struct rule_machine *machine, int64_t time_us, const struct rule_value *length,
                               bool back) {
  int64_t out;
  bool reached;
  if (length->type == RULE_TYPE_DURATION) {
    reached = moved_exactly(machine, time_us, length->time_us, back, &out);
  } else {
    struct rule_duration duration = length->calendar;
    if (back) duration.count = -duration.count;
    reached = rule_time_add(machine->program->zone, time_us, duration, &out) == ERR_OK;
  }
  return reached ? machine_time(out) : machine_null();
}

static struct rule_value of_lengths(const struct rule_value *a, const struct rule_value *b, bool subtract) {
  struct rule_value out = {.type = RULE_TYPE_DURATION};
  if (a->type != RULE_TYPE_DURATION || b->type != RULE_TYPE_DURATION) return machine_null();
  bool over = subtract ? __builtin_sub_overflow(a->time_us, b->time_us, &out.time_us)
                       : __builtin_add_overflow(a->time_us, b->time_us, &out.time_us);
  return over ? machine_null() : out;
}

static struct rule_value of_times(const struct rule_machine *machine, bool subtract, const struct rule_value *a,
                                  const struct rule_value *b) {
  int64_t left_us, right_us;
  bool one_is_time = a->type == RULE_TYPE_TIME || b->type == RULE_TYPE_TIME;
  if (is_length(a) && is_length(b)) return of_lengths(a, b, subtract);
  if (is_length(b) && machine_as_time(machine, a, &left_us)) return moved(machine, left_us, b, subtract);
  if (is_length(a) && !subtract && machine_as_time(machine, b, &right_us)) return moved(machine, right_us, a, false);
  if (subtract && one_is_time && machine_as_time(machine, a, &left_us) && machine_as_time(machine, b, &right_us))
    return (struct rule_value){.type = RULE_TYPE_DURATION, .time_us = left_us - right_us};
  return machine_null();
}

void machine_arithmetic(struct rule_machine *machine, enum rule_opcode opcode, struct rule_value *a,
                        const struct rule_value *b) {
  if (a->type == RULE_TYPE_NUMBER && b->type == RULE_TYPE_NUMBER)
    of_numbers(machine, opcode, a, b);
  else if (opcode == RULE_CODE_ADD || opcode == RULE_CODE_SUBTRACT)
    *a = of_times(machine, opcode == RULE_CODE_SUBTRACT, a, b);
  else
    *a = machine_null();
}

void machine_negate(struct rule_machine *machine, struct rule_value *value) {
  (void)machine;
  *value = value->type == RULE_TYPE_NUMBER ? machine_number(decimal_negate(value->number)) : machine_null();
}

// --- texts ---------------------------------------------------------------------------------------------------

// Character by character. What is not ASCII may grow, to no more than twice its bytes.
static bool change_case(struct rule_machine *machine, bool upper, struct rule_value *value) {
  struct bytes text = value->text;
  uint8_t *out = machine_take(machine, 2 * text.size_bytes + 4);
  if (out == NULL || !machine_count(machine, text.size_bytes / 16)) return false;
  size_t size = 0;
  for (size_t at = 0; at < text.size_bytes;) {
    utf8proc_int32_t code;
    utf8proc_ssize_t read = utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &code);
    if (read <= 0) break; // texts are UTF-8 when they are stored
    at += (size_t)read;
    size += (size_t)utf8proc_encode_char(upper ? utf8proc_toupper(code) : utf8proc_tolower(code), out + size);
  }
  value->text = bytes_of(out, size);
  return true;
}

static bool of_text(struct rule_machine *machine, enum rule_function function, struct rule_value *value) {
  if (value->type != RULE_TYPE_TEXT) {
    *value = machine_null();
    return true;
  }
  if (function != RULE_FUNCTION_trim) return change_case(machine, function == RULE_FUNCTION_upper, value);
  value->text = bytes_trim(value->text);
  return true;
}

// What stands between "://" and the path, without a user, a port and the dot at its end.
static struct bytes host_of(struct bytes url) {
  const uint8_t *mark = url.size_bytes > 0 ? memmem(url.data, url.size_bytes, "://", 3) : NULL;
  if (mark == NULL) return BYTES("");
  const uint8_t *from = mark + 3, *end = url.data + url.size_bytes, *to = from;
  while (to < end && *to != '/' && *to != '?' && *to != '#' && *to != '\\') to++;
  for (const uint8_t *at = from; at < to; at++)
    if (*at == '@') from = at + 1;
  const uint8_t *port = memrchr(from, ':', (size_t)(to - from));
  if (port != NULL && memchr(port, ']', (size_t)(to - port)) == NULL) to = port;
  if (to > from && to[-1] == '.') to--;
  return bytes_of(from, (size_t)(to - from));
}

// Of a text that is no URL null. In small letters of ASCII (others are in Punycode there), without "www.".
static bool host(struct rule_machine *machine, struct rule_value *value) {
  static const struct bytes WWW = BYTES_INIT("www.");
  struct bytes found = value->type == RULE_TYPE_TEXT ? host_of(value->text) : BYTES("");
  *value = machine_null();
  if (found.size_bytes == 0) return true;
  uint8_t *out = machine_take(machine, found.size_bytes);
  if (out == NULL || !machine_count(machine, found.size_bytes / 16)) return false;
  for (size_t i = 0; i < found.size_bytes; i++)
    out[i] = found.data[i] >= 'A' && found.data[i] <= 'Z' ? found.data[i] | 0x20 : found.data[i];
  bool www = bytes_starts_with(bytes_of(out, found.size_bytes), WWW) && found.size_bytes > WWW.size_bytes;
  size_t cut = www ? WWW.size_bytes : 0;
  *value = (struct rule_value){.type = RULE_TYPE_TEXT, .text = bytes_of(out + cut, found.size_bytes - cut)};
  return true;
}

static bool length(struct rule_machine *machine, struct rule_value *value) {
  int64_t count = 0;
  if (value->type == RULE_TYPE_TEXT) {
    for (size_t i = 0; i < value->text.size_bytes; i++) count += (value->text.data[i] & 0xc0) != 0x80;
  } else if (value->type == RULE_TYPE_LIST) {
    struct value_iter iter = value_iterate(value->packed);
    while (value_next(&iter)) count++;
  } else {
    *value = machine_null();
    return true;
  }
  *value = machine_number(decimal_from_i64(count));
  return machine_count(machine, (uint64_t)count / 16);
}

static bool to_text(struct rule_machine *machine, struct rule_value *value) {
  char text[MACHINE_TEXT_BYTES];
  if (value->type == RULE_TYPE_TEXT) return true;
  size_t size = machine_text(value, text);
  *value = machine_null();
  if (size == 0) return true;
  uint8_t *copy = machine_take(machine, size);
  if (copy == NULL) return false;
  memcpy(copy, text, size);
  *value = (struct rule_value){.type = RULE_TYPE_TEXT, .text = bytes_of(copy, size)};
  return true;
}

// --- numbers -------------------------------------------------------------------------------------------------

static void to_number(struct rule_value *value) {
  struct decimal number;
  if (value->type == RULE_TYPE_NUMBER) return;
  bool is = value->type == RULE_TYPE_TEXT && decimal_parse(bytes_trim(value->text), &number, NULL) == ERR_OK;
  *value = is ? machine_number(number) : machine_null();
}

static void round_number(struct rule_machine *machine, struct rule_value *arguments, uint32_t count) {
  int64_t digits = 0;
  struct decimal out = {0};
  bool given = count == 1 || (arguments[1].type == RULE_TYPE_NUMBER &&
                              decimal_to_scaled_i64(arguments[1].number, 0, &digits) == ERR_OK);
  if (arguments[0].type != RULE_TYPE_NUMBER || !given || digits > ROUND_DIGITS_MAX || digits < -ROUND_DIGITS_MAX)
    arguments[0] = machine_null();
  else
    give_number(machine, decimal_round(arguments[0].number, (int)digits, &out), out, &arguments[0]);
}

static void of_number(enum rule_function function, struct rule_value *value) {
  if (value->type != RULE_TYPE_NUMBER)
    *value = machine_null();
  else if (function == RULE_FUNCTION_floor)
    value->number = decimal_floor(value->number);
  else if (function == RULE_FUNCTION_ceil)
    value->number = decimal_ceil(value->number);
  else
    value->number = decimal_abs(value->number);
}

// All numbers, all texts or all times; else null.
static void least_or_most(const struct rule_machine *machine, bool most, struct rule_value *arguments, uint32_t count) {
  enum rule_type type = arguments[0].type;
  struct rule_value best = arguments[0];
  bool same = type == RULE_TYPE_NUMBER || type == RULE_TYPE_TEXT || type == RULE_TYPE_TIME;
  for (uint32_t i = 1; same && i < count; i++) {
    int order = 0;
    same = arguments[i].type == type && machine_order(machine, &arguments[i], &best, &order);
    if (most ? order > 0 : order < 0) best = arguments[i];
  }
  arguments[0] = same ? best : machine_null();
}

bool machine_call(struct rule_machine *machine, enum rule_function function, struct rule_value *arguments,
                  uint32_t count) {
  switch (function) {
  case RULE_FUNCTION_lower:
  case RULE_FUNCTION_upper:
  case RULE_FUNCTION_trim:
    return of_text(machine, function, arguments);
  case RULE_FUNCTION_host:
    return host(machine, arguments);
  case RULE_FUNCTION_length:
    return length(machine, arguments);
  case RULE_FUNCTION_text:
    return to_text(machine, arguments);
  case RULE_FUNCTION_number:
    to_number(arguments);
    return true;
  case RULE_FUNCTION_floor:
  case RULE_FUNCTION_ceil:
  case RULE_FUNCTION_abs:
    of_number(function, arguments);
    return true;
  case RULE_FUNCTION_round:
    round_number(machine, arguments, count);
    return true;
  case RULE_FUNCTION_min:
  case RULE_FUNCTION_max:
    least_or_most(machine, function == RULE_FUNCTION_max, arguments, count);
    return true;
  default:
    machine_calendar(machine, function, arguments, count);
    return true;
  }
}
