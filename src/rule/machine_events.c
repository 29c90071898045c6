// machine_events: aggregates.
//
// Three ways, from the fastest: a pass over the columns without a branch (machine_where.c), when the columns alone
// decide; a walk from the newest event back, when only `enough` is asked (exists, count >= K); a walk from the oldest.
// The event in hand is visited alone.
// Until when the answer holds: an aggregate of events that leave a window changes first when the earliest event that
// adds to it leaves; `enough` changes when the K-th newest does; first, last, min and max when the event that holds
// the value does. Where more events could change it, the first one later than now ends it.
#include "rule/machine_private.h"

enum { LIST_MAX = 1000, LIST_FIRST_CAPACITY = 16 };

struct frequency {
  int64_t count;
  uint64_t latest; // how manieth value of all
  struct rule_value value;
};

// What a walk gathers.
struct gathering {
  struct rule_machine *machine;
  const struct rule_gather *gather;
  struct rule_value *stack;
  int64_t time_us;              // of the event at hand
  int64_t count;                // of events or items
  int64_t needed;               // the walk ends at so many; INT64_MAX: never
  int64_t earliest_us, kept_us; // the first event that added something; the one that holds `best`
  struct decimal sum;
  int64_t numbers;
  bool overflowed;
  struct rule_value best;
  struct machine_set set;
  struct rule_value *list; // a ring once it is full
  uint32_t list_capacity;
  uint64_t values; // not null ones
};

// --- one value -----------------------------------------------------------------------------------------------

static void add_number(struct gathering *gathering, const struct rule_value *value) {
  if (value->type != RULE_TYPE_NUMBER) return;
  gathering->numbers++;
  if (gathering->overflowed) return;
  gathering->overflowed = decimal_add(gathering->sum, value->number, &gathering->sum) != ERR_OK;
}

// Numbers come before times, times before texts; others are not ranked.
static int rank_of(enum rule_type type) {
  return type == RULE_TYPE_NUMBER ? 1 : type == RULE_TYPE_TIME ? 2 : type == RULE_TYPE_TEXT ? 3 : 0;
}

static bool is_better(const struct gathering *gathering, const struct rule_value *value) {
  int rank = rank_of(value->type), best_rank = rank_of(gathering->best.type), order = 0;
  if (rank == 0 || best_rank == 0) return rank != 0;
  if (rank != best_rank)
    order = rank - best_rank;
  else
    machine_order(gathering->machine, value, &gathering->best, &order);
  return gathering->gather->aggregator == RULE_MAX ? order > 0 : order < 0;
}

static void keep_best(struct gathering *gathering, const struct rule_value *value) {
  gathering->best = *value;
  gathering->kept_us = gathering->time_us;
}

static bool add_to_list(struct gathering *gathering, const struct rule_value *value) {
  uint64_t index = gathering->values - 1;
  if (index < LIST_MAX && index == gathering->list_capacity) {
    uint32_t capacity = index == 0 ? LIST_FIRST_CAPACITY : (uint32_t)index * 2;
    if (capacity > LIST_MAX) capacity = LIST_MAX;
    struct rule_value *larger = machine_take(gathering->machine, capacity * sizeof *larger);
    if (larger == NULL) return false;
    if (index > 0) memcpy(larger, gathering->list, index * sizeof *larger);
    gathering->list = larger;
    gathering->list_capacity = capacity;
  }
  gathering->list[index % LIST_MAX] = *value;
  return true;
}

static bool add_to_set(struct gathering *gathering, const struct rule_value *value) {
  void *extra;
  if (!machine_set_add(gathering->machine, &gathering->set, value, &extra)) return false;
  if (gathering->gather->aggregator != RULE_MOST_FREQUENT) return true;
  struct frequency *frequency = extra;
  frequency->count++;
  frequency->latest = gathering->values;
  frequency->value = *value;
  return true;
}

static bool add_value(struct gathering *gathering, const struct rule_value *value) {
  if (value->type == RULE_TYPE_NULL) return true;
  enum rule_aggregator aggregator = gathering->gather->aggregator;
  bool of_numbers = aggregator == RULE_SUM || aggregator == RULE_AVG;
  if (gathering->values == 0 && !(of_numbers && value->type != RULE_TYPE_NUMBER))
    gathering->earliest_us = gathering->time_us;
  if (!(of_numbers && value->type != RULE_TYPE_NUMBER)) gathering->values++;
  switch (aggregator) {
  case RULE_SUM:
  case RULE_AVG:
    add_number(gathering, value);
    return true;
  case RULE_MIN:
  case RULE_MAX:
    if (is_better(gathering, value)) keep_best(gathering, value);
    return true;
  case RULE_FIRST:
    if (gathering->values == 1) keep_best(gathering, value);
    return true;
  case RULE_LAST:
    keep_best(gathering, value);
    return true;
  case RULE_LIST:
    return add_to_list(gathering, value);
  default:
    return add_to_set(gathering, value);
  }
}

// --- one event -----------------------------------------------------------------------------------------------

static bool gathered_value(struct gathering *gathering, struct rule_value *value) {
  struct rule_machine *machine = gathering->machine;
  const struct rule_gather *gather = gathering->gather;
  switch (gather->gathered) {
  case RULE_GATHER_AMOUNT:
    return machine_amount(machine, gather->amount, &machine->program->paths[gather->value], value);
  case RULE_GATHER_TIME:
    *value = machine_time(gathering->time_us);
    return true;
  default:
    if (!machine_execute(machine, gather->value, gathering->stack)) return false;
    *value = gathering->stack[0];
    return true;
  }
}

// An event or an item that the hot part of its condition has let through.
static bool visit(struct gathering *gathering) {
  const struct rule_gather *gather = gathering->gather;
  if (gather->where.code != RULE_NONE) {
    if (!machine_execute(gathering->machine, gather->where.code, gathering->stack)) return false;
    if (!machine_is_true(gathering->stack)) return true;
  }
  if (gathering->count++ == 0 && gather->gathered == RULE_GATHER_NOTHING) gathering->earliest_us = gathering->time_us;
  if (gather->gathered == RULE_GATHER_NOTHING) return true;
  struct rule_value value;
  return gathered_value(gathering, &value) && add_value(gathering, &value);
}

static bool visit_items(struct gathering *gathering) {
  struct rule_machine *machine = gathering->machine;
  const struct rule_path *path = &machine->program->paths[gathering->gather->items];
  struct value items;
  if (!machine_stored(machine, path, &items)) return false;
  enum value_type type = value_type(items);
  if (type == VALUE_NULL) return true;
  if (type != VALUE_LIST) {
    machine->item = items;
    return visit(gathering);
  }
  struct value_iter iter = value_iterate(items);
  while (value_next(&iter)) {
    machine->item = iter.item;
    if (!machine_count(machine, 1) || !visit(gathering)) return false;
  }
  return true;
}

static bool visit_event(struct gathering *gathering, struct machine_range range, size_t event) {
  bool holds;
  struct rule_machine *machine = gathering->machine;
  if (range.ragged && machine_has_left(machine, gathering->gather->window, event)) return true;
  if (!machine_where_hot(machine, &gathering->gather->where, event, &holds)) return false;
  gathering->time_us = machine->columns.time_us[event];
  if (!holds) return true;
  return gathering->gather->items == RULE_NONE ? visit(gathering) : visit_items(gathering);
}

// The first value ends `first`.
static bool walk(struct gathering *gathering, struct machine_range range) {
  const uint32_t *names = gathering->machine->columns.name;
  uint32_t name = gathering->gather->name;
  bool one = gathering->gather->aggregator == RULE_FIRST;
  for (size_t i = range.from; i < range.to && !(one && gathering->values > 0); i++)
    if (names[i] == name && !visit_event(gathering, range, i)) return false;
  return true;
}

// `last` is in the newest event that has a value; of its items it is the last.
static bool walk_to_last(struct gathering *gathering, struct machine_range range) {
  const uint32_t *names = gathering->machine->columns.name;
  uint32_t name = gathering->gather->name;
  for (size_t i = range.to; i-- > range.from && gathering->values == 0;)
    if (names[i] == name && !visit_event(gathering, range, i)) return false;
  return true;
}

// From the newest on, until there are as many as needed; `time_us` is then that of the last one.
static bool walk_back(struct gathering *gathering, struct machine_range range) {
  const uint32_t *names = gathering->machine->columns.name;
  uint32_t name = gathering->gather->name;
  for (size_t i = range.to; i-- > range.from && gathering->count < gathering->needed;)
    if (names[i] == name && !visit_event(gathering, range, i)) return false;
  return true;
}

// --- results -------------------------------------------------------------------------------------------------

static struct rule_value average(struct gathering *gathering) {
  struct decimal out = {0};
  if (gathering->numbers == 0) return machine_null();
  bool fails =
      gathering->overflowed || decimal_divide(gathering->sum, decimal_from_i64(gathering->numbers), &out) != ERR_OK;
  if (fails) gathering->machine->faults++;
  return fails ? machine_null() : machine_number(out);
}

static struct rule_value total(struct gathering *gathering) {
  if (!gathering->overflowed) return machine_number(gathering->sum);
  gathering->machine->faults++;
  return machine_null();
}

static struct rule_value most_frequent(const struct gathering *gathering) {
  const struct machine_set *set = &gathering->set;
  const struct frequency *best = NULL;
  for (uint32_t i = 0; i < set->count; i++) {
    const struct frequency *frequency = (const struct frequency *)(const void *)(set->extras + i * sizeof *frequency);
    if (best == NULL || frequency->count > best->count ||
        (frequency->count == best->count && frequency->latest > best->latest))
      best = frequency;
  }
  return best == NULL ? machine_null() : best->value;
}

// A time becomes its text, as a packed list has no times.
static void put_value(struct value_builder *builder, const struct rule_value *value) {
  char text[MACHINE_TEXT_BYTES];
  if (!rule_value_put(builder, value)) value_put_text(builder, bytes_of(text, machine_text(value, text)));
}

static bool pack_list(struct gathering *gathering, struct rule_value *out) {
  struct rule_machine *machine = gathering->machine;
  struct buffer buffer;
  struct value_builder builder;
  uint64_t count = gathering->values < LIST_MAX ? gathering->values : LIST_MAX, first = gathering->values - count;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, NULL);
  value_list_begin(&builder);
  for (uint64_t i = 0; i < count && buffer.size_bytes <= machine->limits.bytes; i++)
    put_value(&builder, &gathering->list[(first + i) % LIST_MAX]);
  value_list_end(&builder);
  bool packed = value_builder_finish(&builder) == ERR_OK;
  void *copy = packed ? machine_take(machine, buffer.size_bytes) : NULL;
  if (!packed) machine_failed(machine, ERR_NO_MEMORY);
  if (copy != NULL) {
    memcpy(copy, buffer.data, buffer.size_bytes);
    *out = (struct rule_value){.type = RULE_TYPE_LIST, .packed = {bytes_of(copy, buffer.size_bytes)}};
  }
  buffer_release(&buffer);
  return copy != NULL;
}

static bool result(struct gathering *gathering, struct rule_value *out) {
  switch (gathering->gather->aggregator) {
  case RULE_COUNT:
    *out = machine_number(decimal_from_i64(gathering->count));
    return true;
  case RULE_SUM:
    *out = total(gathering);
    return true;
  case RULE_AVG:
    *out = average(gathering);
    return true;
  case RULE_DISTINCT:
    *out = machine_number(decimal_from_i64(gathering->set.count));
    return true;
  case RULE_MOST_FREQUENT:
    *out = most_frequent(gathering);
    return true;
  case RULE_LIST:
    return pack_list(gathering, out);
  default:
    *out = gathering->best;
    return true;
  }
}

// --- aggregates ----------------------------------------------------------------------------------------------

// The hot part of the condition is all of it, and the events are whole.
static bool is_hot(const struct rule_gather *gather) {
  return gather->where.code == RULE_NONE && gather->items == RULE_NONE;
}

static bool leaves(const struct rule_machine *machine, const struct rule_gather *gather) {
  enum rule_window_kind kind = machine->program->spans[gather->window].kind;
  return machine->want_until && (kind == RULE_WINDOW_LAST || kind == RULE_WINDOW_LAST_DAYS);
}

static void until_leaves(struct rule_machine *machine, const struct rule_gather *gather, int64_t time_us) {
  if (leaves(machine, gather)) machine_until_leaves(machine, gather->window, time_us);
}

// The time of the event with which there are `needed`, from the newest on. There are so many, and the columns know.
static int64_t time_of_newest(struct rule_machine *machine, const struct rule_gather *gather,
                              struct machine_range range, int64_t needed) {
  const uint32_t *names = machine->columns.name;
  size_t i = range.to;
  while (needed > 0 && i > range.from) {
    bool holds = names[--i] == gather->name;
    if (holds) machine_where_hot(machine, &gather->where, i, &holds);
    needed -= holds;
  }
  return machine->columns.time_us[i];
}

// The same as below by a pass alone. False: it needs the walk.
static bool enough_by_pass(struct rule_machine *machine, const struct rule_gather *gather, struct machine_range range,
                           int64_t needed, struct rule_value *out) {
  int64_t count;
  if (!is_hot(gather) || needed <= 0) return false;
  if (!machine_hot_count(machine, &gather->where, gather->name, range, &count)) return false;
  bool enough = count >= needed;
  if (!enough)
    machine_future(machine, gather->name, gather->window, &gather->where);
  else if (leaves(machine, gather))
    machine_until_leaves(machine, gather->window, time_of_newest(machine, gather, range, needed));
  machine_set_bool(out, enough != gather->test_negated);
  return true;
}

// exists, and count beside a number: are there `needed`?
static bool gather_enough(struct gathering *gathering, struct machine_range range, struct rule_value *out) {
  struct rule_machine *machine = gathering->machine;
  const struct rule_gather *gather = gathering->gather;
  if (!walk_back(gathering, range)) return false;
  bool enough = gathering->count >= gathering->needed;
  if (!enough)
    machine_future(machine, gather->name, gather->window, &gather->where);
  else if (gathering->needed > 0)
    until_leaves(machine, gather, gathering->time_us);
  machine_set_bool(out, enough != gather->test_negated);
  return true;
}

// The first event that adds something to what a pass has found.
static void until_earliest(struct rule_machine *machine, const struct rule_gather *gather, struct machine_range range) {
  bool sums = gather->gathered == RULE_GATHER_AMOUNT;
  for (size_t i = range.from; i < range.to; i++) {
    bool holds = machine->columns.name[i] == gather->name;
    if (holds) machine_where_hot(machine, &gather->where, i, &holds);
    if (!holds || (sums && rule_cell_of[gather->amount - 1][machine->columns.amount_code[i]] == RULE_CELL_NULL))
      continue;
    machine_until_leaves(machine, gather->window, machine->columns.time_us[i]);
    return;
  }
}

// count, sum and avg by a pass alone. False: they need the walk.
static bool all_by_pass(struct rule_machine *machine, const struct rule_gather *gather, struct machine_range range,
                        struct rule_value *out) {
  int64_t count = 0;
  struct decimal sum = {0};
  bool averages = gather->aggregator == RULE_AVG, sums = averages || gather->aggregator == RULE_SUM;
  if (!is_hot(gather) || !(sums ? gather->gathered == RULE_GATHER_AMOUNT : gather->aggregator == RULE_COUNT))
    return false;
  bool known = sums ? machine_hot_sum(machine, &gather->where, gather->name, gather->amount, range, &sum,
                                      averages ? &count : NULL)
                    : machine_hot_count(machine, &gather->where, gather->name, range, &count);
  if (!known) return false;
  if (leaves(machine, gather)) until_earliest(machine, gather, range);
  machine_future(machine, gather->name, gather->window, &gather->where);
  out->type = averages && count == 0 ? RULE_TYPE_NULL : RULE_TYPE_NUMBER;
  if (gather->aggregator == RULE_COUNT) sum = decimal_from_i64(count);
  out->number = sum;
  if (averages && count > 0 && decimal_divide(sum, decimal_from_i64(count), &out->number) != ERR_OK) {
    machine->faults++;
    out->type = RULE_TYPE_NULL;
  }
  return true;
}

static bool gather_all(struct gathering *gathering, struct machine_range range, struct rule_value *out) {
  struct rule_machine *machine = gathering->machine;
  const struct rule_gather *gather = gathering->gather;
  enum rule_aggregator aggregator = gather->aggregator;
  bool by_one = aggregator == RULE_MIN || aggregator == RULE_MAX || aggregator == RULE_LAST;
  if (!(aggregator == RULE_LAST ? walk_to_last : walk)(gathering, range)) return false;
  int64_t time_us = by_one ? gathering->kept_us : gathering->earliest_us;
  if (time_us != INT64_MAX) until_leaves(machine, gather, time_us);
  machine_future(machine, gather->name, gather->window, &gather->where);
  return result(gathering, out);
}

static void init(struct gathering *gathering, struct rule_machine *machine, const struct rule_gather *gather,
                 int64_t needed, struct rule_value *stack) {
  memset(gathering, 0, sizeof *gathering);
  gathering->machine = machine;
  gathering->gather = gather;
  gathering->stack = stack;
  gathering->needed = needed;
  gathering->earliest_us = gathering->kept_us = INT64_MAX;
  if (gather->aggregator == RULE_MOST_FREQUENT) gathering->set.extra_bytes = sizeof(struct frequency);
}

// The event in hand stays what it is: it sets no end to the answer.
static bool gather_subject(struct gathering *gathering, bool asks_enough, struct rule_value *out) {
  const struct rule_gather *gather = gathering->gather;
  const struct rule_customer *customer = gathering->machine->customer;
  gathering->time_us = customer->subject_time_us;
  if (!value_is_absent(customer->subject)) {
    if (!machine_count(gathering->machine, 1)) return false;
    if (!(gather->items == RULE_NONE ? visit : visit_items)(gathering)) return false;
  }
  if (!asks_enough) return result(gathering, out);
  machine_set_bool(out, (gathering->count >= gathering->needed) != gather->test_negated);
  return true;
}

bool machine_gather(struct rule_machine *machine, const struct rule_gather *gather, struct rule_value *top) {
  bool asks_enough = gather->tested || gather->aggregator == RULE_EXISTS;
  int64_t needed = gather->tested ? gather->at_least : 1;
  struct machine_range range = {0, 0, false};
  struct gathering gathering;
  if (gather->subject) {
    init(&gathering, machine, gather, needed, top + 1);
    return gather_subject(&gathering, asks_enough, top);
  }
  if (gather->name != 0) {
    if (!machine_columns(machine)) return false;
    range = machine_range(machine, gather->window, &gather->where);
    machine_until(machine, machine->spans[gather->window].boundary_us);
  }
  if (!machine_count(machine, range.to - range.from)) return false;
  if (asks_enough ? enough_by_pass(machine, gather, range, needed, top) : all_by_pass(machine, gather, range, top))
    return true;
  init(&gathering, machine, gather, asks_enough ? needed : INT64_MAX, top + 1);
  return asks_enough ? gather_enough(&gathering, range, top) : gather_all(&gathering, range, top);
}
