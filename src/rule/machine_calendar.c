// machine_calendar: what windows and calendar functions mean at `now`, and until when.
//
// An event at t is in `in last N` while now < expiry(t). Expiry is monotone, so at one `now` the window is a suffix of
// the events: all from the smallest t with expiry(t) > now on. Exact lengths give that t by subtraction. On the
// calendar it is guessed by going back N from now; two looks nearly always prove the guess, else it is searched for.
// Only where clocks are set back expiry falls: near a change, at either end, each event is looked at.
#include "rule/machine_private.h"

#include "base/clock.h"
#include "rule/duration.h"

#define NEAR_US (3 * CLOCK_DAY_US) // more than a guess can be off: a clamped month's end and a change of offset

// --- windows -------------------------------------------------------------------------------------------------

static struct rule_duration negated(struct rule_duration duration) {
  duration.count = -duration.count;
  return duration;
}

static int64_t expiry_by_day(const struct rule_zone *zone, struct rule_duration length, int64_t time_us) {
  int64_t out;
  enum err err;
  if (length.unit < RULE_MONTH) {
    err = rule_time_start(zone, time_us, RULE_DAY, length.unit == RULE_WEEK ? 7 * length.count : length.count, &out);
  } else {
    err = rule_time_start(zone, time_us, RULE_DAY, 0, &out);
    if (err == ERR_OK) err = rule_time_add(zone, out, length, &out);
  }
  return err == ERR_OK ? out : INT64_MAX;
}

static int64_t expiry_of(const struct rule_zone *zone, const struct rule_span *span, int64_t time_us) {
  int64_t out;
  if (span->kind == RULE_WINDOW_LAST_DAYS) return expiry_by_day(zone, span->length, time_us);
  if (span->kind != RULE_WINDOW_LAST) return INT64_MAX;
  return rule_time_add(zone, time_us, span->length, &out) == ERR_OK ? out : INT64_MAX;
}

int64_t machine_expiry(const struct rule_machine *machine, uint32_t window, int64_t time_us) {
  return expiry_of(machine->program->zone, &machine->program->spans[window], time_us);
}

// The smallest t whose expiry is after now, somewhere around `guess`.
static int64_t search_first(const struct rule_zone *zone, const struct rule_span *span, int64_t now_us, int64_t guess) {
  int64_t out = guess - NEAR_US, in = guess + NEAR_US;
  while (in < now_us && expiry_of(zone, span, in) <= now_us) in += NEAR_US;
  while (expiry_of(zone, span, out) > now_us) {
    int64_t earlier;
    if (rule_time_add(zone, out, (struct rule_duration){-3, RULE_DAY}, &earlier) != ERR_OK) return INT64_MIN;
    out = earlier;
  }
  while (in - out > 1) {
    int64_t middle = out + (in - out) / 2;
    *(expiry_of(zone, span, middle) > now_us ? &in : &out) = middle;
  }
  return in;
}

static int64_t first_in(const struct rule_zone *zone, const struct rule_span *span, int64_t now_us) {
  int64_t guess;
  bool by_day = span->kind == RULE_WINDOW_LAST_DAYS;
  if (rule_time_add(zone, now_us, negated(span->length), &guess) != ERR_OK) return INT64_MIN;
  if (by_day) { // the day after the one that left
    if (rule_time_start(zone, guess, RULE_DAY, 1, &guess) != ERR_OK) return INT64_MIN;
    guess--;
  }
  if (span->length.unit < RULE_MONTH && !by_day) return guess + 1;
  if (expiry_of(zone, span, guess) <= now_us && expiry_of(zone, span, guess + 1) > now_us) return guess + 1;
  return search_first(zone, span, now_us, guess);
}

// Whether the clocks of the zone change near an instant.
static bool is_near_change(const struct rule_zone *zone, int64_t time_us) {
  return time_us > INT64_MIN + NEAR_US && rule_zone_next_change(zone, time_us - NEAR_US) < time_us + NEAR_US;
}

void machine_until_leaves(struct rule_machine *machine, uint32_t window, int64_t time_us) {
  const struct rule_columns *columns = &machine->columns;
  machine_until(machine, machine_expiry(machine, window, time_us));
  if (!is_near_change(machine->program->zone, time_us)) return;
  for (size_t i = machine_lower_bound(machine, time_us); i < machine->past; i++) {
    if (columns->time_us[i] > time_us + NEAR_US) return;
    if (!machine_has_left(machine, window, i))
      machine_until(machine, machine_expiry(machine, window, columns->time_us[i]));
  }
}

static int64_t start_or(const struct rule_zone *zone, int64_t time_us, enum rule_unit unit, int64_t units,
                        int64_t otherwise) {
  int64_t out;
  return rule_time_start(zone, time_us, unit, units, &out) == ERR_OK ? out : otherwise;
}

static struct machine_span span_at(const struct rule_zone *zone, const struct rule_span *span, int64_t now_us) {
  struct machine_span at = {span->from_us, INT64_MIN, span->to_us, INT64_MAX};
  enum rule_unit unit = span->length.unit;
  switch (span->kind) {
  case RULE_WINDOW_LAST:
  case RULE_WINDOW_LAST_DAYS:
    at.from_us = first_in(zone, span, now_us);
    if (unit < RULE_MONTH && span->kind == RULE_WINDOW_LAST) break;
    if (at.from_us == INT64_MIN || !(is_near_change(zone, at.from_us) || is_near_change(zone, now_us))) break;
    at.sure_us = at.from_us + NEAR_US;
    at.from_us -= NEAR_US;
    break;
  case RULE_WINDOW_PREVIOUS:
    at.from_us = start_or(zone, now_us, unit, -span->length.count, INT64_MIN);
    at.to_us = start_or(zone, now_us, unit, 0, INT64_MIN);
    at.boundary_us = start_or(zone, now_us, unit, 1, INT64_MAX);
    break;
  default:
    break;
  }
  return at;
}

// A transaction asks a thousand programs about its customers at one `now`, and their windows are a few: so those that
// move are kept by what they say. That made 110 of the 220 instructions that binding a program took.
static const struct machine_span *moving_span(struct rule_machine *machine, const struct rule_span *span) {
  const struct rule_program *program = machine->program;
  struct machine_kept_span *kept = &machine->kept_spans[span->slot % MACHINE_KEPT_SPANS];
  if (kept->now_us != machine->now_us || kept->zone != program->zone_serial || kept->kind != span->kind ||
      kept->length.count != span->length.count || kept->length.unit != span->length.unit)
    *kept = (struct machine_kept_span){program->zone_serial, machine->now_us, span->kind, span->length,
                                       span_at(program->zone, span, machine->now_us)};
  return &kept->span;
}

void machine_set_spans(struct rule_machine *machine) {
  const struct rule_program *program = machine->program;
  struct rule_events_wanted *wanted = &machine->wanted;
  int64_t from_us = INT64_MAX, to_us = INT64_MIN;
  for (uint32_t i = 0; i < program->span_count; i++) {
    const struct rule_span *span = &program->spans[i];
    struct machine_span *at = &machine->spans[i];
    if (span->moves)
      *at = *moving_span(machine, span);
    else
      *at = (struct machine_span){span->from_us, INT64_MIN, span->to_us, INT64_MAX};
    if (at->from_us < from_us) from_us = at->from_us;
    if (at->to_us > to_us) to_us = at->to_us;
  }
  *wanted = (struct rule_events_wanted){
      program->needs.events, program->needs.event_count, from_us, to_us, program->newest_only, machine->now_us};
  for (uint32_t i = 0; i < program->sequence_count; i++) // what must not follow may lie behind the window
    if (program->sequences[i].has_trailing) wanted->to_us = INT64_MAX;
}

// --- now -----------------------------------------------------------------------------------------------------

// T is on the side of now that `op` says, as long as now has not passed it: from T on, or from just after T on.
void machine_beside_now(struct rule_machine *machine, enum rule_op op, struct rule_duration shift,
                        struct rule_value *value) {
  int64_t time_us;
  bool known = machine_as_time(machine, value, &time_us);
  if (known && shift.count != 0) known = rule_time_add(machine->program->zone, time_us, shift, &time_us) == ERR_OK;
  *value = machine_bool(false);
  if (!known) return;
  bool after_it = op == RULE_GREATER_EQUAL || op == RULE_LESS; // these see a difference only once T is past
  int64_t change_us = time_us + after_it;
  bool passed = machine->now_us >= change_us;
  if (!passed) machine_until(machine, change_us);
  *value = machine_bool(passed == (op == RULE_LESS || op == RULE_LESS_EQUAL));
}

// --- functions of the calendar -------------------------------------------------------------------------------

static void until_next(struct rule_machine *machine, enum rule_unit unit) {
  machine_until(machine, start_or(machine->program->zone, machine->now_us, unit, 1, INT64_MAX));
}

static void give(struct rule_value *value, int64_t number) {
  *value = machine_number(decimal_from_i64(number));
}

// Months since T become `months` at the smallest t that has them: when the day of T began, plus months, or near it.
static int64_t when_months(const struct rule_zone *zone, int64_t time_us, int64_t now_us, int64_t months) {
  int64_t in = start_or(zone, time_us, RULE_DAY, 0, time_us), out = now_us;
  if (rule_time_add(zone, in, (struct rule_duration){months, RULE_MONTH}, &in) != ERR_OK) return INT64_MAX;
  if (in <= now_us) in = now_us + 1;
  while (rule_months_between(zone, time_us, in) < months) {
    out = in;
    if (rule_time_add(zone, in, (struct rule_duration){1, RULE_DAY}, &in) != ERR_OK) return INT64_MAX;
  }
  if (rule_months_between(zone, time_us, in - 1) < months) return in;
  if (out == now_us && in - NEAR_US > now_us && rule_months_between(zone, time_us, in - NEAR_US) < months)
    out = in - NEAR_US;
  while (in - out > 1) {
    int64_t middle = out + (in - out) / 2;
    *(rule_months_between(zone, time_us, middle) >= months ? &in : &out) = middle;
  }
  return in;
}

// A hundred questions ask for the age of one customer, so the last answer is kept: 1,100 instructions each.
static void months_since(struct rule_machine *machine, int64_t time_us, int64_t unit_months, struct rule_value *value) {
  const struct rule_program *program = machine->program;
  struct machine_months *kept = &machine->months;
  bool same = kept->zone == program->zone_serial && kept->now_us == machine->now_us && kept->time_us == time_us &&
              kept->unit_months == unit_months && (kept->has_until || !machine->want_until);
  if (!same) {
    int64_t units = rule_months_between(program->zone, time_us, machine->now_us) / unit_months;
    *kept = (struct machine_months){program->zone_serial, machine->now_us, time_us, unit_months, units,
                                    machine->want_until,  INT64_MAX};
    if (machine->want_until)
      kept->until_us = when_months(program->zone, time_us, machine->now_us, (units + 1) * unit_months);
  }
  if (machine->want_until) machine_until(machine, kept->until_us);
  give(value, kept->units);
}

static int64_t local_day(const struct rule_zone *zone, int64_t time_us) {
  int64_t wall_us = time_us + rule_zone_offset(zone, time_us) * (int64_t)CLOCK_SECOND_US;
  return wall_us / CLOCK_DAY_US - (wall_us % CLOCK_DAY_US < 0);
}

static void since(struct rule_machine *machine, enum rule_function function, struct rule_value *value) {
  const struct rule_zone *zone = machine->program->zone;
  int64_t time_us;
  if (!machine_as_time(machine, value, &time_us)) {
    *value = machine_null();
  } else if (time_us > machine->now_us) {
    machine_until(machine, time_us);
    *value = machine_null();
  } else if (function == RULE_FUNCTION_days_since) {
    until_next(machine, RULE_DAY);
    give(value, local_day(zone, machine->now_us) - local_day(zone, time_us));
  } else {
    months_since(machine, time_us, function == RULE_FUNCTION_age ? 12 : 1, value);
  }
}

static void part_of(struct rule_machine *machine, enum rule_function function, int64_t time_us,
                    struct rule_value *value) {
  struct rule_civil civil;
  rule_time_civil(machine->program->zone, time_us, &civil);
  give(value, function == RULE_FUNCTION_year      ? civil.year
              : function == RULE_FUNCTION_month   ? civil.month
              : function == RULE_FUNCTION_day     ? civil.day
              : function == RULE_FUNCTION_weekday ? civil.weekday
                                                  : civil.hour);
}

static void part_of_now(struct rule_machine *machine, enum rule_function function, struct rule_value *value) {
  until_next(machine, function == RULE_FUNCTION_year    ? RULE_YEAR
                      : function == RULE_FUNCTION_month ? RULE_MONTH
                                                        : RULE_DAY);
  part_of(machine, function, machine->now_us, value);
}

void machine_calendar(struct rule_machine *machine, enum rule_function function, struct rule_value *arguments,
                      uint32_t count) {
  int64_t time_us;
  switch (function) {
  case RULE_FUNCTION_today:
    until_next(machine, RULE_DAY);
    arguments[0] = machine_time(start_or(machine->program->zone, machine->now_us, RULE_DAY, 0, machine->now_us));
    break;
  case RULE_FUNCTION_age:
  case RULE_FUNCTION_days_since:
  case RULE_FUNCTION_months_since:
    since(machine, function, arguments);
    break;
  default:
    if (count == 0)
      part_of_now(machine, function, arguments);
    else if (machine_as_time(machine, arguments, &time_us))
      part_of(machine, function, time_us, arguments);
    else
      arguments[0] = machine_null();
    break;
  }
}
