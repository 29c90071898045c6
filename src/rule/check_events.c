// check_events: aggregates, windows and sequences.
#include "rule/checker.h"

#include <assert.h>

enum { DAY_S = 86400 };

// --- windows -------------------------------------------------------------------------------------------------

static const int64_t unit_s[] = {
    [RULE_SECOND] = 1, [RULE_MINUTE] = 60, [RULE_HOUR] = 3600, [RULE_DAY] = DAY_S, [RULE_WEEK] = 7 * DAY_S};

// 0: its length is exact.
static int64_t months_of(struct rule_duration duration) {
  return duration.unit < RULE_MONTH      ? 0
         : duration.unit == RULE_MONTH   ? duration.count
         : duration.unit == RULE_QUARTER ? duration.count * 3
                                         : duration.count * 12;
}

static int64_t shortest_s(struct rule_duration duration) {
  int64_t months = months_of(duration);
  if (months > 0) return (months / 12 * 365 + months % 12 * 28) * DAY_S;
  return duration.count * unit_s[duration.unit];
}

static int64_t longest_s(struct rule_duration duration) {
  int64_t months = months_of(duration);
  if (months > 0) return (months / 12 * 366 + months % 12 * 31) * DAY_S;
  return duration.count * unit_s[duration.unit];
}

// Whether a window of `length` is over before `within` is, wherever on the calendar they begin.
static bool never_longer(const struct rule_window *window, struct rule_duration within) {
  enum { CLOCK_CHANGE_S = 2 * 3600 }; // local days can be that much longer
  int64_t months = months_of(window->length), within_months = months_of(within);
  if (months > 0 && within_months > 0) return months <= within_months;
  int64_t more = window->kind == RULE_WINDOW_LAST_DAYS ? CLOCK_CHANGE_S : 0;
  return longest_s(window->length) + more <= shortest_s(within);
}

static void type_moment(struct rule_node *moment) {
  if (moment != NULL) moment->types = CHECK_BIT(TIME);
}

// Walls and instants are compared only when they lie more than a day apart: the zone is not known here.
static bool is_reversed(const struct rule_node *from, const struct rule_node *to) {
  const int64_t day_us = DAY_S * INT64_C(1000000);
  bool alike = from->has_offset == to->has_offset;
  int64_t end_us = to->kind == RULE_NODE_DATE ? to->time_us + day_us : to->time_us;
  return from->time_us - (alike ? 0 : day_us) >= end_us;
}

static bool check_window(struct checker *checker, const struct rule_window *window) {
  struct rule_diag warning = {0};
  type_moment(window->from);
  type_moment(window->to);
  if (window->kind == RULE_WINDOW_LAST_DAYS && window->length.unit < RULE_DAY)
    return check_refuse(checker, window->place, "wrong_window",
                        "`by day` counts whole days: write a number of days, weeks, months, quarters or years");
  if (window->kind == RULE_WINDOW_BETWEEN && is_reversed(window->from, window->to))
    check_warn(checker, &warning, window->place, "never_true",
               "no event is in this window: it ends no later than it begins");
  return true;
}

static bool check_events(struct checker *checker, const struct rule_events *events) {
  check_event_name(checker, events);
  if (events->item_count > 0) check_property(checker, events, events->items, events->item_count, events->place);
  if (events->where != NULL) {
    if (!check_node_of(checker, events, events->where)) return false;
    if (!check_condition(checker, events->where)) return false;
  }
  return check_window(checker, &events->window);
}

// --- aggregates ----------------------------------------------------------------------------------------------

// What can be gathered, and what is given of it.
static rule_types taken(enum rule_aggregator aggregator) {
  const rule_types ranked = CHECK_BIT(NUMBER) | CHECK_BIT(TEXT) | CHECK_BIT(TIME);
  if (aggregator == RULE_SUM || aggregator == RULE_AVG) return CHECK_BIT(NUMBER);
  if (aggregator == RULE_MIN || aggregator == RULE_MAX) return ranked;
  return (rule_types)(RULE_TYPES_ANY & ~(CHECK_BIT(NULL) | CHECK_BIT(CALENDAR)));
}

static rule_types given(enum rule_aggregator aggregator, rule_types types) {
  switch (aggregator) {
  case RULE_COUNT:
  case RULE_DISTINCT:
    return CHECK_BIT(NUMBER);
  case RULE_EXISTS:
    return CHECK_BIT(BOOL);
  case RULE_SUM: // null when it is out of range
    return CHECK_BIT(NUMBER) | CHECK_BIT(NULL);
  case RULE_LIST:
    return CHECK_BIT(LIST);
  default:
    return (types & taken(aggregator)) | CHECK_BIT(NULL);
  }
}

bool check_aggregate(struct checker *checker, struct rule_node *node) {
  enum rule_aggregator aggregator = RULE_COUNT;
  bool found = rule_aggregator_find(node->text, &aggregator);
  assert(found); // the parser knows them
  if (!check_this(checker, node->events)) return false;
  if (node->left != NULL) {
    if (!check_node_of(checker, node->events, node->left)) return false;
    if (!check_wanted(checker, node->left, taken(aggregator))) return false;
  }
  node->types = given(aggregator, node->left == NULL ? 0 : node->left->types);
  return check_events(checker, node->events);
}

// --- sequences -----------------------------------------------------------------------------------------------

static bool check_within(struct checker *checker, const struct rule_node *node) {
  const struct rule_window *window = &node->events->window;
  const struct rule_step *last = &node->steps[node->step_count - 1];
  for (uint32_t i = 0; i + 1 < node->step_count; i++)
    if (node->steps[i].negated && node->steps[i].has_within)
      return check_refuse(checker, node->steps[i].events.place, "wrong_within",
                          "`within` on a `then not` stands on the last step only: before another event, it is that "
                          "event's `within` that counts");
  bool lasting = window->kind == RULE_WINDOW_LAST || window->kind == RULE_WINDOW_LAST_DAYS;
  if (!lasting || !last->negated || !last->has_within || !never_longer(window, last->within)) return true;
  return check_refuse(checker, window->place, "wrong_window",
                      "the window is not longer than the last `within`, after which alone the sequence is true: write "
                      "a longer one");
}

bool check_sequence(struct checker *checker, struct rule_node *node) {
  node->types = CHECK_BIT(BOOL);
  for (uint32_t i = 0; i < node->step_count; i++) {
    const struct rule_events *events = &node->steps[i].events;
    if (!check_events(checker, events)) return false;
    if (node->name_count > 0) check_property(checker, events, node->names, node->name_count, events->place);
  }
  return check_within(checker, node) && check_window(checker, &node->events->window);
}
