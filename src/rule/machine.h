// machine: runs programs over one customer's data.
//
// Layer 2. Pure: data comes through callbacks, the time is an argument. A machine has the memory of one thread; runs
// are bounded in steps and bytes. The answer is a value and until when it stays that value, if nothing but time passes.
#pragma once

#include "rule/program.h"

// A customer's events as columns, ascending by (time, event id). The arrays are aligned and have `count` items.
// `amount` is an event's hot amount times ten to the power of its scale. `amount_code` says of which property it is the
// number: code >> 5 is an enum rule_amount, code & 31 the scale; of what is none of these, and not RULE_AMOUNT_NONE or
// RULE_AMOUNT_NOTHING, the number is to be looked up in the message. `channel` is a dictionary id, and in its highest
// bits where it stands: RULE_DIM_CONTEXT, it is exactly the text of context.channel; RULE_DIM_NONE, there is neither
// context.channel nor properties.channel; neither bit: look it up in the message.
struct rule_columns {
  size_t count;
  const int64_t *time_us;
  const uint32_t *name;
  const int64_t *amount;
  const uint8_t *amount_code;
  const uint32_t *channel;
};
#define RULE_DIM_CONTEXT ((uint32_t)1 << 31)
#define RULE_DIM_NONE ((uint32_t)1 << 30)
enum rule_amount {
  RULE_AMOUNT_TOTAL = 1, // properties.total
  RULE_AMOUNT_REVENUE,   // properties.revenue, and there is no total
  RULE_AMOUNT_VALUE,     // properties.value, and there is neither of the two
  RULE_AMOUNT_PRICE,     // properties.price, and there is none of the three
};
enum {
  RULE_AMOUNT_SHIFT = 5,
  RULE_AMOUNT_NOTHING = 253, // none of the four is there
  RULE_AMOUNT_NONE = 254,    // none of the first three is there; nobody looked for a price
};

// Which events a run may look at. Those outside may be left out or given.
struct rule_events_wanted {
  const uint32_t *names; // sorted
  size_t name_count;
  int64_t from_us;  // those before are in no window
  int64_t to_us;    // those from here on come too late for any window; events later than now are wanted all the same,
                    // when valid-until is: the first of them ends the answer
  bool newest_only; // of each name the newest event up to `now_us` decides, and whatever comes later: of two such
                    // names a reader need not put all events in order
  int64_t now_us;
};

// One customer. Callbacks are asked at most once a run for the same thing, and only for what the run needs. What they
// give is read in place, and lives until the next run. Any of them may be NULL: then there is nothing of the kind.
struct rule_customer {
  void *context;
  enum err (*columns)(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns);
  // The packed message of event `index` of the columns. Absent when there is none (erased).
  enum err (*message)(void *context, size_t index, struct value *message);
  // The trait's value that counts; absent when there is none.
  enum err (*trait)(void *context, uint32_t name, struct value *value);
  // in_segment, consent, tier, points, score; RULE_FUNCTION_NONE: the computed attribute `arguments[0]`. NULL, or a
  // value of type null: nobody knows. *until_us (INT64_MAX before the call): the value is good until then.
  enum err (*lookup)(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                     int64_t now_us, struct rule_value *value, int64_t *until_us);
  // The event in hand, of which the program may ask (rule/check.h: `subject`): its packed message and its time, which
  // may be later than now; absent: its paths are null, and `this` holds none. `subject_item`: the item of it.
  struct value subject, subject_item;
  int64_t subject_time_us;
};

enum rule_status {
  RULE_KNOWN,
  RULE_UNKNOWN, // a limit of steps, memory or of a pattern was met: the answer is not known, and it is not the old one
};

struct rule_answer {
  enum rule_status status;
  struct rule_value value; // of UNKNOWN null
  int64_t valid_until_us;  // the value is the same in [now, this), if nothing else happens; INT64_MAX: for ever
  uint64_t steps;
  uint32_t faults; // numbers that overflowed and divisions by zero, which gave null
};

struct rule_limits {
  uint64_t steps; // an instruction, an event looked at and an item are one each
  size_t bytes;   // of lists and sets that are gathered
};
extern const struct rule_limits RULE_LIMITS_DEFAULT; // 4,000,000 steps, 16 MiB

struct rule_machine;
enum err rule_machine_open(struct rule_machine **machine, const struct rule_limits *limits); // NULL: the default
void rule_machine_close(struct rule_machine *machine);

// Evaluates at `now_us`. Fails only as a callback does (ERR_NO_MEMORY included); met limits are an answer. Without
// `want_until` valid_until_us is `now_us` + 1 and nothing is done for it: a count at one instant. What windows mean at
// `now_us` is kept from one run to the next of the same program at the same time.
enum err rule_run(struct rule_machine *machine, const struct rule_program *program,
                  const struct rule_customer *customer, int64_t now_us, bool want_until, struct rule_answer *answer);

// What a condition says: true only when the value is the boolean true.
static inline bool rule_is_true(const struct rule_answer *answer) {
  return answer->status == RULE_KNOWN && answer->value.type == RULE_TYPE_BOOL && answer->value.boolean;
}

// The value as JSON: a time as a text in UTC, a duration in ISO 8601.
void rule_value_to_json(struct json_writer *writer, const struct rule_value *value, const struct names *names);
