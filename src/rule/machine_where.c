// machine_where: which events count.
//
// Passes over the columns have no branch that depends on the data: each event gives a mask of all ones or none, and
// what it would have added is cut by it. A cell that does not know its amount or channel only raises a flag; the pass
// is then done again the long way, which asks the messages. The flags of a where are constants in each pass, so that
// the compiler makes one loop for each kind.
#include "rule/machine_private.h"

// --- bounds --------------------------------------------------------------------------------------------------

size_t machine_lower_bound(const struct rule_machine *machine, int64_t time_us) {
  const int64_t *times = machine->columns.time_us;
  size_t count = machine->columns.count, first = 0;
  if (count == 0 || time_us <= times[0]) return 0;
  if (time_us > times[count - 1]) return count;
  // No branch on the data: nobody can predict a search.
  while (count > 1) {
    size_t half = count / 2;
    first += times[first + half - 1] < time_us ? half : 0;
    count -= half;
  }
  return first + (times[first] < time_us);
}

struct machine_range machine_range(const struct rule_machine *machine, uint32_t window,
                                   const struct rule_where *where) {
  const struct machine_span *span = &machine->spans[window];
  int64_t from_us = span->from_us > where->from_us ? span->from_us : where->from_us;
  int64_t to_us = span->to_us < where->to_us ? span->to_us : where->to_us;
  struct machine_range range = {(uint32_t)machine_lower_bound(machine, from_us), (uint32_t)machine->past, false};
  if (to_us <= machine->now_us) range.to = (uint32_t)machine_lower_bound(machine, to_us);
  if (range.from > range.to) range.from = range.to;
  if (span->sure_us <= span->from_us) return range;
  while (range.from < range.to && machine_has_left(machine, window, range.from)) range.from++;
  for (size_t i = range.from; i < range.to && machine->columns.time_us[i] < span->sure_us; i++)
    range.ragged = range.ragged || machine_has_left(machine, window, i);
  return range;
}

bool machine_has_left(const struct rule_machine *machine, uint32_t window, size_t event) {
  int64_t time_us = machine->columns.time_us[event];
  return time_us < machine->spans[window].sure_us && machine_expiry(machine, window, time_us) <= machine->now_us;
}

void machine_future(struct rule_machine *machine, uint32_t name, uint32_t window, const struct rule_where *where) {
  const struct rule_columns *columns = &machine->columns;
  const struct machine_span *span = &machine->spans[window];
  if (!machine->want_until || name == 0) return;
  for (size_t i = machine->past; i < columns->count; i++) {
    int64_t time_us = columns->time_us[i];
    if (time_us >= machine->until_us || time_us >= span->to_us) return;
    if (columns->name[i] != name || time_us < span->from_us) continue;
    if (time_us < where->from_us || time_us >= where->to_us) continue;
    machine_until(machine, time_us);
    return;
  }
}

// --- one event -----------------------------------------------------------------------------------------------

// The amount of a message, that no cell knew.
static bool bounds_hold(const struct rule_cells *cells, const struct rule_value *value) {
  if (value->type != RULE_TYPE_NUMBER) return false;
  for (uint32_t i = 0; i < cells->bound_count; i++) {
    int order = decimal_compare(value->number, cells->bounds[i]);
    bool holds = cells->ops[i] == RULE_EQUAL        ? order == 0
                 : cells->ops[i] == RULE_LESS       ? order < 0
                 : cells->ops[i] == RULE_LESS_EQUAL ? order <= 0
                 : cells->ops[i] == RULE_GREATER    ? order > 0
                                                    : order >= 0;
    if (!holds) return false;
  }
  return true;
}

static bool amount_holds(struct rule_machine *machine, const struct rule_cells *cells, bool *holds) {
  const struct rule_columns *columns = &machine->columns;
  size_t event = machine->event;
  uint8_t cell = rule_cell_of[cells->amount - 1][columns->amount_code[event]];
  *holds = columns->amount[event] >= cells->lo[cell] && columns->amount[event] <= cells->hi[cell];
  if (cell != RULE_CELL_ASK) return true;
  struct rule_value value;
  if (!machine_property(machine, &machine->program->paths[cells->path], &value)) return false;
  *holds = bounds_hold(cells, &value);
  return true;
}

bool machine_where_hot(struct rule_machine *machine, const struct rule_where *where, size_t event, bool *holds) {
  int64_t time_us = machine->columns.time_us[event];
  machine->event = event;
  *holds = time_us >= where->from_us && time_us < where->to_us;
  if (*holds && where->cells != NULL && !amount_holds(machine, where->cells, holds)) return false;
  if (*holds && where->channels != RULE_NONE)
    return machine_channel_in(machine, &machine->program->channels[where->channels], holds);
  return true;
}

bool machine_where(struct rule_machine *machine, const struct rule_where *where, size_t event, struct rule_value *stack,
                   bool *holds) {
  if (!machine_where_hot(machine, where, event, holds)) return false;
  if (!*holds || where->code == RULE_NONE) return true;
  if (!machine_execute(machine, where->code, stack)) return false;
  *holds = machine_is_true(stack);
  return true;
}

// --- passes --------------------------------------------------------------------------------------------------

// What a pass needs, in one place so that it stays in registers.
struct pass {
  const uint32_t *names, *channel_cells, *ids;
  const uint8_t *codes, *cell_of;
  const int64_t *amounts, *lo, *hi;
  uint32_t name, id_count;
  bool negated, unknown;
};

static struct pass pass_of(const struct rule_machine *machine, const struct rule_where *where, uint32_t name) {
  const struct rule_columns *columns = &machine->columns;
  struct pass pass = {.names = columns->name,
                      .channel_cells = columns->channel,
                      .codes = columns->amount_code,
                      .amounts = columns->amount,
                      .name = name};
  if (where->cells != NULL) {
    pass.cell_of = rule_cell_of[where->cells->amount - 1];
    pass.lo = where->cells->lo;
    pass.hi = where->cells->hi;
  }
  if (where->channels != RULE_NONE) {
    const struct rule_channels *channels = &machine->program->channels[where->channels];
    pass.ids = channels->ids;
    pass.id_count = channels->count;
    pass.negated = channels->negated;
    pass.unknown = channels->unknown;
  }
  return pass;
}

// 1 when the event counts; *ask becomes 1 when it may and its cells do not know.
__attribute__((always_inline)) static inline uint64_t counts(const struct pass *pass, size_t i, bool amounts,
                                                             bool channels, uint64_t *ask) {
  uint64_t is = pass->names[i] == pass->name;
  if (amounts) {
    uint8_t cell = pass->cell_of[pass->codes[i]];
    int64_t amount = pass->amounts[i];
    is &= (uint64_t)(amount >= pass->lo[cell]) & (uint64_t)(amount <= pass->hi[cell]);
    *ask |= (uint64_t)(cell == RULE_CELL_ASK) & is;
  }
  if (channels) {
    uint32_t cell = pass->channel_cells[i];
    uint64_t one_of = 0;
    for (uint32_t k = 0; k < pass->id_count; k++)
      one_of |= (uint64_t)(cell == (pass->ids[k] | RULE_DIM_CONTEXT)) & (uint64_t)(pass->ids[k] != 0);
    *ask |= (uint64_t)((cell & (RULE_DIM_CONTEXT | RULE_DIM_NONE)) == 0) & is;
    is &= (one_of ^ (uint64_t)pass->negated) & (uint64_t)(cell != RULE_DIM_NONE);
  }
  return is;
}

__attribute__((always_inline)) static inline bool count_pass(const struct pass *pass, struct machine_range range,
                                                             bool amounts, bool channels, int64_t *count) {
  uint64_t sum = 0, ask = 0;
  for (size_t i = range.from; i < range.to; i++) sum += counts(pass, i, amounts, channels, &ask);
  *count = (int64_t)sum;
  return ask == 0;
}

bool machine_hot_count(const struct rule_machine *machine, const struct rule_where *where, uint32_t name,
                       struct machine_range range, int64_t *count) {
  struct pass pass = pass_of(machine, where, name);
  if (pass.unknown || range.ragged) return false;
  if (where->channels != RULE_NONE)
    return where->cells == NULL ? count_pass(&pass, range, false, true, count)
                                : count_pass(&pass, range, true, true, count);
  return where->cells == NULL ? count_pass(&pass, range, false, false, count)
                              : count_pass(&pass, range, true, false, count);
}

// --- sums ----------------------------------------------------------------------------------------------------

// Amounts of up to SUM_SCALE digits after the point and below 2^40 are added up as whole numbers of that many digits:
// SUM_EVENTS of them stay below 2^63. Anything larger or finer goes the long way.
enum { SUM_SCALE = 4, SUM_EVENTS = 512, SUM_AMOUNT_BITS = 40 };

// What an amount is multiplied with, and above SUM_SHIFT a bit for its scale, or SUM_FAR: the long way.
enum { SUM_SHIFT = 32 };
#define SUM_FACTOR(factor, scale) ((uint64_t)(factor) | (uint64_t)1 << (SUM_SHIFT + (scale)))
#define SUM_FAR ((uint64_t)1 << 63)
#define FAR_4 SUM_FAR, SUM_FAR, SUM_FAR, SUM_FAR
static const uint64_t sum_cells[RULE_CELLS] = {SUM_FACTOR(10000, 0),
                                               SUM_FACTOR(1000, 1),
                                               SUM_FACTOR(100, 2),
                                               SUM_FACTOR(10, 3),
                                               SUM_FACTOR(1, 4),
                                               SUM_FAR,
                                               SUM_FAR,
                                               SUM_FAR,
                                               FAR_4,
                                               FAR_4,
                                               FAR_4,
                                               FAR_4,
                                               FAR_4,
                                               FAR_4,
                                               [RULE_CELL_NULL] = 0,
                                               [RULE_CELL_ASK] = SUM_FAR};

struct sums {
  int64_t sum, numbers;
  uint64_t ask;
  uint64_t wide;  // all amounts, moved to be positive, or-ed together
  uint64_t cells; // what the cells said, or-ed together
};

// `numbers` is counted only of averages: it has its price.
__attribute__((always_inline)) static inline struct sums sum_pass(const struct pass *pass, const uint8_t *cell_of,
                                                                  size_t from, size_t to, bool amounts, bool channels,
                                                                  bool average) {
  int64_t sum = 0, numbers = 0;
  uint64_t ask = 0, wide = 0, cells = 0;
  for (size_t i = from; i < to; i++) {
    uint64_t mask = 0 - counts(pass, i, amounts, channels, &ask);
    uint64_t cell = sum_cells[cell_of[pass->codes[i]]] & mask;
    int64_t amount = (int64_t)((uint64_t)pass->amounts[i] & mask);
    wide |= (uint64_t)amount + ((uint64_t)1 << SUM_AMOUNT_BITS);
    cells |= cell;
    if (average) numbers += cell != 0;
    sum += (int64_t)((uint64_t)amount * (uint32_t)cell);
  }
  return (struct sums){sum, numbers, ask, wide, cells};
}

static struct sums sum_some(const struct rule_where *where, const struct pass *pass, const uint8_t *cell_of,
                            size_t from, size_t to, bool average) {
  if (average) return sum_pass(pass, cell_of, from, to, where->cells != NULL, where->channels != RULE_NONE, true);
  if (where->channels != RULE_NONE)
    return where->cells == NULL ? sum_pass(pass, cell_of, from, to, false, true, false)
                                : sum_pass(pass, cell_of, from, to, true, true, false);
  return where->cells == NULL ? sum_pass(pass, cell_of, from, to, false, false, false)
                              : sum_pass(pass, cell_of, from, to, true, false, false);
}

// Divided by constants: a division by what is not known costs as much as the pass.
static __int128_t in_scale(__int128_t total, int scale) {
  int64_t small = (int64_t)total;
  if (small != total) return total / (int64_t)decimal_powers_of_ten[SUM_SCALE - scale];
  switch (scale) {
  case 0:
    return small / 10000;
  case 1:
    return small / 1000;
  case 2:
    return small / 100;
  case 3:
    return small / 10;
  default:
    return small;
  }
}

// The finest scale there was is the scale of the sum, as it is of sums of decimals.
static struct decimal sum_of(__int128_t total, uint32_t scales) {
  int scale = scales == 0 ? 0 : 31 - __builtin_clz(scales);
  total = in_scale(total, scale);
  struct decimal sum = {.negative = total < 0, .exponent = (int16_t)-scale};
  sum.coefficient = (decimal_coefficient)(total < 0 ? -total : total);
  return sum;
}

bool machine_hot_sum(const struct rule_machine *machine, const struct rule_where *where, uint32_t name,
                     enum rule_amount amount, struct machine_range range, struct decimal *sum, int64_t *numbers) {
  struct pass pass = pass_of(machine, where, name);
  __int128_t total = 0;
  uint64_t cells = 0;
  if (pass.unknown || range.ragged) return false;
  for (size_t from = range.from; from < range.to; from += SUM_EVENTS) {
    size_t to = range.to - from > SUM_EVENTS ? from + SUM_EVENTS : range.to;
    struct sums some = sum_some(where, &pass, rule_cell_of[amount - 1], from, to, numbers != NULL);
    if (some.ask != 0 || (some.cells & SUM_FAR) != 0 || some.wide >> (SUM_AMOUNT_BITS + 1) != 0) return false;
    total += some.sum;
    cells |= some.cells;
    if (numbers != NULL) *numbers += some.numbers;
  }
  *sum = sum_of(total, (uint32_t)(cells >> SUM_SHIFT));
  return true;
}
