// Windows event by event, aggregates value by value, sequences by trying every choice of events.
#include "rule_reference_private.h"

#include "rule/duration.h"

enum { LIST_MAX = 1000 };

// --- windows -------------------------------------------------------------------------------------------------

// now < end, where an end past the last year is never reached.
static bool is_before(int64_t now_us, enum err err, int64_t end_us) {
  return err != ERR_OK || now_us < end_us;
}

static bool in_last_days(const struct reference *reference, struct rule_duration length_units, int64_t time_us) {
  const struct rule_zone *zone = reference->sample->zone;
  int64_t start_us = 0, end_us = 0;
  enum err err;
  if (length_units.unit == RULE_DAY || length_units.unit == RULE_WEEK) {
    int64_t days = length_units.count * (length_units.unit == RULE_WEEK ? 7 : 1);
    err = rule_time_start(zone, time_us, RULE_DAY, days, &end_us);
  } else {
    err = rule_time_start(zone, time_us, RULE_DAY, 0, &start_us);
    if (err == ERR_OK) err = rule_time_add(zone, start_us, length_units, &end_us);
  }
  return is_before(reference->now_us, err, end_us);
}

static bool in_previous(const struct reference *reference, struct rule_duration length_units, int64_t time_us) {
  const struct rule_zone *zone = reference->sample->zone;
  int64_t from_us = 0, to_us = 0;
  if (rule_time_start(zone, reference->now_us, length_units.unit, 0, &to_us) != ERR_OK) return false;
  if (rule_time_start(zone, reference->now_us, length_units.unit, -length_units.count, &from_us) != ERR_OK)
    from_us = INT64_MIN;
  return from_us <= time_us && time_us < to_us;
}

static bool before_end(const struct reference *reference, const struct rule_node *to, int64_t time_us) {
  struct rule_value end = reference_moment(reference, to);
  if (end.type == RULE_TYPE_NULL) return false;
  if (to->kind == RULE_NODE_TIME) return time_us < end.time_us;
  int64_t next_us = 0;
  enum err err = rule_time_start(reference->sample->zone, end.time_us, RULE_DAY, 1, &next_us);
  return is_before(time_us, err, next_us);
}

// Whether an event at `time_us` lies in the window, at now.
static bool in_window(const struct reference *reference, const struct rule_window *window, int64_t time_us) {
  struct rule_value from = NOTHING;
  int64_t end_us = 0;
  enum err err;
  if (time_us > reference->now_us) return false;
  switch (window->kind) {
  case RULE_WINDOW_NONE:
    return true;
  case RULE_WINDOW_LAST:
    err = rule_time_add(reference->sample->zone, time_us, window->length, &end_us);
    return is_before(reference->now_us, err, end_us);
  case RULE_WINDOW_LAST_DAYS:
    return in_last_days(reference, window->length, time_us);
  case RULE_WINDOW_PREVIOUS:
    return in_previous(reference, window->length, time_us);
  case RULE_WINDOW_BEFORE:
    from = reference_moment(reference, window->to);
    return from.type == RULE_TYPE_TIME && time_us < from.time_us;
  default:
    from = reference_moment(reference, window->from);
    if (from.type == RULE_TYPE_NULL || time_us < from.time_us) return false;
    return window->kind == RULE_WINDOW_SINCE || before_end(reference, window->to, time_us);
  }
}

// --- aggregates ----------------------------------------------------------------------------------------------

struct values {
  struct rule_value *items;
  size_t count, capacity;
};

static void push(struct reference *reference, struct values *values, struct rule_value value) {
  if (values->count == values->capacity) {
    size_t capacity = values->capacity == 0 ? 8 : 2 * values->capacity;
    struct rule_value *items = arena_take_zero(reference->arena, capacity, sizeof *items);
    assert_non_null(items);
    if (values->count > 0) memcpy(items, values->items, values->count * sizeof *items);
    *values = (struct values){items, values->count, capacity};
  }
  values->items[values->count++] = value;
}

// The value of one event or item, when its `where` holds; true for count and exists.
static void gather_one(struct reference *reference, const struct rule_node *node, const struct scope *scope,
                       struct values *values) {
  const struct rule_node *where = node->events->where;
  if (where != NULL && !is_true(reference_evaluate(reference, scope, where))) return;
  push(reference, values, node->left == NULL ? boolean_of(true) : reference_evaluate(reference, scope, node->left));
}

static void gather_event(struct reference *reference, const struct rule_node *node, const struct sample_event *event,
                         struct values *values) {
  const struct rule_events *events = node->events;
  struct scope scope = {event, false, {{NULL, 0}}};
  if (events->item_count == 0) {
    gather_one(reference, node, &scope, values);
    return;
  }
  struct value items = reference_in_message(reference, event, events->items, events->item_count);
  scope.has_item = true;
  scope.item = items;
  if (value_type(items) == VALUE_NULL) return;
  if (value_type(items) != VALUE_LIST) {
    gather_one(reference, node, &scope, values);
    return;
  }
  for (struct value_iter iter = value_iterate(items); value_next(&iter);) {
    scope.item = iter.item;
    gather_one(reference, node, &scope, values);
  }
}

static struct values gather(struct reference *reference, const struct rule_node *node) {
  struct values values = {NULL, 0, 0};
  if (node->events->subject) {
    const struct sample_event *event = reference_in_hand(reference);
    if (event != NULL) gather_event(reference, node, event, &values);
    return values;
  }
  for (size_t i = 0; i < reference->sample->event_count; i++) {
    const struct sample_event *event = &reference->sample->events[i];
    if (bytes_equal(event->name, node->events->name) && in_window(reference, &node->events->window, event->time_us))
      gather_event(reference, node, event, &values);
  }
  return values;
}

static struct rule_value sum(const struct values *values, bool average) {
  struct rule_value total = whole_of(0);
  int64_t count = 0;
  for (size_t i = 0; i < values->count; i++) {
    if (values->items[i].type != RULE_TYPE_NUMBER) continue;
    count++;
    total = reference_calculate(RULE_ADD, total.number, values->items[i].number);
    if (total.type == RULE_TYPE_NULL) return total;
  }
  if (!average) return total;
  return count == 0 ? NOTHING : reference_calculate(RULE_DIVIDE, total.number, decimal_from_i64(count));
}

static int rank(enum rule_type type) {
  return type == RULE_TYPE_NUMBER ? 1 : type == RULE_TYPE_TIME ? 2 : type == RULE_TYPE_TEXT ? 3 : 0;
}

// The smallest or the largest: numbers, then times, then texts.
static struct rule_value outermost(const struct reference *reference, const struct values *values, int sign) {
  struct rule_value best = NOTHING;
  for (size_t i = 0; i < values->count; i++) {
    struct rule_value value = values->items[i];
    int order = rank(value.type) - rank(best.type);
    if (rank(value.type) == 0) continue;
    if (order == 0) reference_order(reference, value, best, &order);
    if (best.type == RULE_TYPE_NULL || order * sign > 0) best = value;
  }
  return best;
}

static size_t occurrences(const struct reference *reference, const struct values *values, size_t index, size_t end) {
  size_t count = 0;
  for (size_t i = 0; i < end; i++) count += reference_equal(reference, values->items[i], values->items[index]);
  return count;
}

static struct rule_value distinct(const struct reference *reference, const struct values *values) {
  int64_t count = 0;
  for (size_t i = 0; i < values->count; i++)
    count += values->items[i].type != RULE_TYPE_NULL && occurrences(reference, values, i, i) == 0;
  return whole_of(count);
}

// Of equally frequent ones the later wins, so walking forwards the last best is the answer.
static struct rule_value most_frequent(const struct reference *reference, const struct values *values) {
  struct rule_value best = NOTHING;
  size_t most = 0;
  for (size_t i = 0; i < values->count; i++) {
    size_t count = occurrences(reference, values, i, values->count);
    if (count == 0 || count < most) continue;
    most = count;
    best = values->items[i];
  }
  return best;
}

static void put(struct value_builder *builder, struct reference *reference, struct rule_value value) {
  if (value.type == RULE_TYPE_BOOL) value_put_bool(builder, value.boolean);
  if (value.type == RULE_TYPE_NUMBER) value_put_number(builder, value.number);
  if (value.type == RULE_TYPE_LIST || value.type == RULE_TYPE_DOCUMENT) value_put_value(builder, value.packed);
  if (value.type == RULE_TYPE_TEXT || value.type == RULE_TYPE_TIME || value.type == RULE_TYPE_DURATION)
    value_put_text(builder, reference_text(reference, value).text);
}

// Times and durations stand in lists as their texts.
static struct rule_value list(struct reference *reference, const struct values *values) {
  struct buffer out;
  struct value_builder builder;
  size_t found = 0, seen = 0;
  for (size_t i = 0; i < values->count; i++) found += values->items[i].type != RULE_TYPE_NULL;
  buffer_init(&out);
  value_builder_init(&builder, &out, reference->sample->names);
  value_list_begin(&builder);
  for (size_t i = 0; i < values->count; i++) {
    if (values->items[i].type == RULE_TYPE_NULL) continue;
    if (found - seen++ <= LIST_MAX) put(&builder, reference, values->items[i]);
  }
  value_list_end(&builder);
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  struct value packed = {arena_copy(reference->arena, buffer_view(&out))};
  buffer_release(&out);
  return rule_value_of(packed);
}

static struct rule_value end_of(const struct values *values, bool last) {
  struct rule_value found = NOTHING;
  for (size_t i = 0; i < values->count; i++) {
    struct rule_value value = values->items[last ? values->count - 1 - i : i];
    if (found.type == RULE_TYPE_NULL) found = value;
  }
  return found;
}

struct rule_value reference_aggregate(struct reference *reference, const struct rule_node *node) {
  enum rule_aggregator aggregator;
  struct values values = gather(reference, node);
  assert_true(rule_aggregator_find(node->text, &aggregator));
  switch (aggregator) {
  case RULE_COUNT:
    return whole_of((int64_t)values.count);
  case RULE_EXISTS:
    return boolean_of(values.count > 0);
  case RULE_SUM:
  case RULE_AVG:
    return sum(&values, aggregator == RULE_AVG);
  case RULE_MIN:
  case RULE_MAX:
    return outermost(reference, &values, aggregator == RULE_MAX ? 1 : -1);
  case RULE_FIRST:
  case RULE_LAST:
    return end_of(&values, aggregator == RULE_LAST);
  case RULE_DISTINCT:
    return distinct(reference, &values);
  case RULE_MOST_FREQUENT:
    return most_frequent(reference, &values);
  default:
    return list(reference, &values);
  }
}

// --- sequences -----------------------------------------------------------------------------------------------

struct sequence {
  struct reference *reference;
  const struct rule_node *node;
  struct rule_value key; // of the first step's event
};

static struct rule_value key_of(const struct sequence *sequence, const struct sample_event *event) {
  const struct rule_node *node = sequence->node;
  return rule_value_of(reference_in_message(sequence->reference, event, node->names, node->name_count));
}

// An event of the step: its name, its `where`, and the key of the others.
static bool fits(const struct sequence *sequence, const struct rule_step *step, const struct sample_event *event,
                 bool first) {
  struct scope scope = {event, false, {{NULL, 0}}};
  const struct rule_node *where = step->events.where;
  if (!bytes_equal(event->name, step->events.name)) return false;
  if (where != NULL && !is_true(reference_evaluate(sequence->reference, &scope, where))) return false;
  if (sequence->node->name_count == 0 || first) return true;
  return reference_equal(sequence->reference, key_of(sequence, event), sequence->key);
}

// Whether an event of a `then not` lies after `from_us` and up to `to_us`.
static bool is_disturbed(const struct sequence *sequence, uint32_t first, uint32_t end, int64_t from_us,
                         int64_t to_us) {
  const struct sample *sample = sequence->reference->sample;
  for (uint32_t step = first; step < end; step++)
    for (size_t i = 0; i < sample->event_count; i++) {
      int64_t time_us = sample->events[i].time_us;
      if (time_us > from_us && time_us <= to_us &&
          fits(sequence, &sequence->node->steps[step], &sample->events[i], false))
        return true;
    }
  return false;
}

// Nothing but `then not` from step `first` on; the last positive step was at `from_us`.
static bool ends_undisturbed(const struct sequence *sequence, uint32_t first, int64_t from_us) {
  const struct rule_node *node = sequence->node;
  const struct reference *reference = sequence->reference;
  int64_t to_us = reference->now_us;
  if (first == node->step_count) return true;
  const struct rule_step *last = &node->steps[node->step_count - 1];
  if (last->has_within) {
    if (rule_time_add(reference->sample->zone, from_us, last->within, &to_us) != ERR_OK) return false;
    if (to_us > reference->now_us) return false;
  }
  return !is_disturbed(sequence, first, node->step_count, from_us, to_us);
}

// Whether steps `first` and on can be found after the positive step at `from_us`.
static bool goes_on(struct sequence *sequence, uint32_t first, int64_t from_us) {
  const struct rule_node *node = sequence->node;
  const struct sample *sample = sequence->reference->sample;
  uint32_t next = first;
  while (next < node->step_count && node->steps[next].negated) next++;
  if (next == node->step_count) return ends_undisturbed(sequence, first, from_us);
  const struct rule_step *step = &node->steps[next];
  for (size_t i = 0; i < sample->event_count; i++) {
    const struct sample_event *event = &sample->events[i];
    int64_t latest_us = 0;
    if (event->time_us <= from_us || !in_window(sequence->reference, &node->events->window, event->time_us)) continue;
    if (step->has_within && rule_time_add(sample->zone, from_us, step->within, &latest_us) == ERR_OK &&
        event->time_us > latest_us)
      continue;
    if (fits(sequence, step, event, false) && !is_disturbed(sequence, first, next, from_us, event->time_us - 1) &&
        goes_on(sequence, next + 1, event->time_us))
      return true;
  }
  return false;
}

struct rule_value reference_sequence(struct reference *reference, const struct rule_node *node) {
  struct sequence sequence = {reference, node, NOTHING};
  for (size_t i = 0; i < reference->sample->event_count; i++) {
    const struct sample_event *event = &reference->sample->events[i];
    if (!in_window(reference, &node->events->window, event->time_us)) continue;
    if (!fits(&sequence, &node->steps[0], event, true)) continue;
    if (node->name_count > 0) {
      sequence.key = key_of(&sequence, event);
      if (sequence.key.type == RULE_TYPE_NULL) continue;
    }
    if (goes_on(&sequence, 1, event->time_us)) return boolean_of(true);
  }
  return boolean_of(false);
}
