// machine_private: a machine and one run of it, for machine* only.
//
// Layer 2, inside rule/. What can stop a run (a limit met, a callback that failed) returns false, with the reason in
// `stop`; everything above returns false at once.
#pragma once

#include <string.h>

#include "base/arena.h"
#include "rule/program_private.h"

enum machine_stop { MACHINE_GOES_ON, MACHINE_UNKNOWN, MACHINE_FAILED };

// What a window means at `now`: times in [from, to). `boundary_us` is when it moves by itself. Where a clock is set
// back the wall shows an hour twice, and what came later may leave earlier: of the times before `sure_us` each is
// looked at.
struct machine_span {
  int64_t from_us, sure_us, to_us, boundary_us;
};

struct machine_trait {
  uint64_t run;
  struct rule_value value; // of the trait itself
};

struct machine_message {
  uint64_t run;
  struct value message;
};

// What a lookup said in this run.
struct machine_asked {
  enum rule_function function;
  uint32_t count;
  struct bytes arguments[2];
  struct rule_value value;
  int64_t until_us;
};

struct rule_machine {
  struct rule_limits limits;
  struct arena arena; // of the values of one run; its limit is ours

  // Of a program at a `now`, until another comes.
  uint64_t serial;
  int64_t spans_now_us;
  struct machine_span *spans;
  struct rule_value *stack;
  struct machine_trait *traits;
  uint32_t span_capacity, stack_capacity, trait_capacity;
  struct rule_events_wanted wanted;

  // Of one run.
  uint64_t run;
  const struct rule_program *program;
  const struct rule_customer *customer;
  int64_t now_us, until_us;
  bool want_until;
  enum machine_stop stop;
  enum err err;
  uint64_t steps;
  uint32_t faults;
  bool has_columns;
  struct rule_columns columns;
  size_t past; // events up to now: [0, past)
  struct machine_message *messages;
  size_t message_capacity;
  struct machine_asked *asked;
  uint32_t asked_count, asked_capacity;

  // The event and the item that a part of the program is about.
  size_t event;
  struct value item;

  pcre2_general_context *pattern_memory;
  pcre2_match_context *pattern_limits;
  pcre2_match_data *pattern_data;
  uint8_t hash_key[16];
};

// --- machine.c -----------------------------------------------------------------------------------------------

bool machine_unknown(struct rule_machine *machine); // a limit was met; returns false
bool machine_failed(struct rule_machine *machine, enum err err);
// Runs the part at `entry` with `base` as its stack; its value is base[0].
bool machine_execute(struct rule_machine *machine, uint32_t entry, struct rule_value *base);
// Memory until the next run. NULL: stopped.
void *machine_take(struct rule_machine *machine, size_t size_bytes);
static inline bool machine_count(struct rule_machine *machine, uint64_t steps) {
  machine->steps += steps;
  return machine->steps <= machine->limits.steps || machine_unknown(machine);
}
// What comparing a value costs, in steps. Members of documents are looked for one by one when their orders differ.
static inline bool machine_count_value(struct rule_machine *machine, const struct rule_value *value) {
  if (value->type != RULE_TYPE_TEXT && value->type < RULE_TYPE_LIST) return true;
  uint64_t size = value->type == RULE_TYPE_TEXT ? value->text.size_bytes : value->packed.packed.size_bytes;
  uint64_t members = value->type == RULE_TYPE_TEXT ? 0 : size / 16;
  return machine_count(machine, size / 64 + members * members / 64);
}
// The answer can be another from `time_us` on.
static inline void machine_until(struct rule_machine *machine, int64_t time_us) {
  if (time_us < machine->until_us) machine->until_us = time_us;
}
static inline struct rule_value machine_null(void) {
  return (struct rule_value){.type = RULE_TYPE_NULL};
}
static inline struct rule_value machine_bool(bool boolean) {
  return (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = boolean};
}
// Member by member: a whole value that is copied just after a part of it was written stalls the processor.
static inline void machine_set_bool(struct rule_value *value, bool boolean) {
  value->type = RULE_TYPE_BOOL;
  value->boolean = boolean;
}
static inline bool machine_is_true(const struct rule_value *value) {
  return value->type == RULE_TYPE_BOOL && value->boolean;
}
static inline struct rule_value machine_number(struct decimal number) {
  return (struct rule_value){.type = RULE_TYPE_NUMBER, .number = number};
}
static inline struct rule_value machine_time(int64_t time_us) {
  return (struct rule_value){.type = RULE_TYPE_TIME, .time_us = time_us};
}

// --- machine_data.c: the customer's data ---------------------------------------------------------------------

bool machine_columns(struct rule_machine *machine);
bool machine_message(struct rule_machine *machine, size_t event, struct value *message);
bool machine_trait(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value);
// What lies in an event, in the one in hand, or in an item.
bool machine_stored(struct rule_machine *machine, const struct rule_path *path, struct value *value);
bool machine_property(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value);
bool machine_item(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value);
bool machine_amount(struct rule_machine *machine, enum rule_amount amount, const struct rule_path *path,
                    struct rule_value *value);
bool machine_channel_in(struct rule_machine *machine, const struct rule_channels *channels, bool *is);
bool machine_lookup(struct rule_machine *machine, enum rule_function function, struct rule_value *arguments,
                    uint32_t count);
struct rule_value machine_subject_time(const struct rule_machine *machine);
bool machine_attribute(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value);
struct rule_value machine_member(const struct rule_path *path, const struct rule_value *document);

// --- machine_compare.c ---------------------------------------------------------------------------------------

// A time, or a text that reads as one.
bool machine_as_time(const struct rule_machine *machine, const struct rule_value *value, int64_t *time_us);
bool machine_equal(const struct rule_machine *machine, const struct rule_value *a, const struct rule_value *b);
// *order as memcmp. False: they are not to be ordered.
bool machine_order(const struct rule_machine *machine, const struct rule_value *a, const struct rule_value *b,
                   int *order);
bool machine_compare(const struct rule_machine *machine, enum rule_opcode opcode, const struct rule_value *a,
                     const struct rule_value *b);
bool machine_texts(const struct rule_machine *machine, enum rule_opcode opcode, const struct rule_value *a,
                   const struct rule_value *b);
bool machine_in(const struct rule_machine *machine, const struct rule_literals *literals,
                const struct rule_value *value, bool negated);
bool machine_matches(struct rule_machine *machine, uint32_t pattern, struct rule_value *value);
bool machine_order_holds(enum rule_opcode opcode, int order);

// --- machine_function.c --------------------------------------------------------------------------------------

void machine_arithmetic(struct rule_machine *machine, enum rule_opcode opcode, struct rule_value *a,
                        const struct rule_value *b);
void machine_negate(struct rule_machine *machine, struct rule_value *value);
bool machine_call(struct rule_machine *machine, enum rule_function function, struct rule_value *arguments,
                  uint32_t count);

// --- machine_text.c: values as texts -------------------------------------------------------------------------

enum { MACHINE_TEXT_BYTES = 64 };
// The text of a boolean, number, time or duration, NUL-terminated; 0: it has none. Returns the length.
size_t machine_text(const struct rule_value *value, char out[MACHINE_TEXT_BYTES]);

// --- machine_calendar.c --------------------------------------------------------------------------------------

// The spans of the program at `now` and with them which events are wanted.
void machine_set_spans(struct rule_machine *machine);
// When an event in the window at `time_us` leaves it; INT64_MAX: never.
int64_t machine_expiry(const struct rule_machine *machine, uint32_t window, int64_t time_us);
// Until the event at `time_us`, or a later one, leaves the window.
void machine_until_leaves(struct rule_machine *machine, uint32_t window, int64_t time_us);
void machine_calendar(struct rule_machine *machine, enum rule_function function, struct rule_value *arguments,
                      uint32_t count);
void machine_beside_now(struct rule_machine *machine, enum rule_op op, struct rule_duration shift,
                        struct rule_value *value);

// --- machine_where.c -----------------------------------------------------------------------------------------

// Events of the columns that a window and a `where` leave: [from, to).
struct machine_range { // in two registers
  uint32_t from, to;
  bool ragged; // some of them have left the window: ask machine_has_left
};
struct machine_range machine_range(const struct rule_machine *machine, uint32_t window, const struct rule_where *where);
bool machine_has_left(const struct rule_machine *machine, uint32_t window, size_t event);
// Index of the first event at or after `time_us`.
size_t machine_lower_bound(const struct rule_machine *machine, int64_t time_us);
// The first event later than now that the window lets in ends the answer.
void machine_future(struct rule_machine *machine, uint32_t name, uint32_t window, const struct rule_where *where);
// Whether the hot part of `where` holds for `event`.
bool machine_where_hot(struct rule_machine *machine, const struct rule_where *where, size_t event, bool *holds);
// All of it.
bool machine_where(struct rule_machine *machine, const struct rule_where *where, size_t event, struct rule_value *stack,
                   bool *holds);
// How many events of `name` in the range the hot part of `where` lets through. False: some cell does not know, *count
// says nothing.
bool machine_hot_count(const struct rule_machine *machine, const struct rule_where *where, uint32_t name,
                       struct machine_range range, int64_t *count);
// The sum of the hot amounts and, unless `numbers` is NULL, how many there are (added). False: it needs the long way.
bool machine_hot_sum(const struct rule_machine *machine, const struct rule_where *where, uint32_t name,
                     enum rule_amount amount, struct machine_range range, struct decimal *sum, int64_t *numbers);

// --- machine_events.c, machine_funnel.c, machine_sequence.c
// --------------------------------------------------------------------

bool machine_gather(struct rule_machine *machine, const struct rule_gather *gather, struct rule_value *top);
// True: it was one, and *holds is its answer; *first_us, when it is wanted, is when the match began that began latest.
bool machine_funnel(const struct rule_machine *machine, const struct rule_sequence *sequence,
                    struct machine_range range, bool wants_first, bool *holds, int64_t *first_us);
bool machine_sequence(struct rule_machine *machine, const struct rule_sequence *sequence, struct rule_value *top);

// --- machine_set.c: different values, each with bytes of its user's ------------------------------------------

struct machine_set {
  size_t extra_bytes;
  uint32_t count, capacity; // of entries
  uint32_t *slots;          // index + 1; a power of two, at most half full
  uint32_t slot_mask;
  struct rule_value *values;
  uint64_t *hashes;
  uint8_t *extras;
};
// Not null. *extra is zeroed when the value is new, and valid until the next one is added. False: stopped.
bool machine_set_add(struct rule_machine *machine, struct machine_set *set, const struct rule_value *value,
                     void **extra);
