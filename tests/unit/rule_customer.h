// rule_customer: a customer written as one line of JSON, for the tests of rule/.
//
// tests/golden/rule/answers/README.md has the form. A sample is plain arrays in memory; sample_customer shows it
// through the callbacks that a program is run with. Memory: everything lives in the sample until sample_release; zones
// until sample_close_zones.
#pragma once

#include "base/arena.h"
#include "rule/machine.h"
#include "value/value.h"

struct sample_event {
  int64_t time_us;
  size_t order; // where it stood in the line; among events of one instant it is the event id
  struct bytes name;
  uint32_t name_id;
  struct value message; // absent: erased
};

struct sample {
  struct arena arena;
  struct names *names;
  struct value_parser *parser;
  struct buffer packed[2]; // the line, the messages; never grown once views were taken
  const struct rule_zone *zone;
  int64_t now_us;
  struct value document, traits;
  struct sample_event *events; // ascending by (time, order)
  size_t event_count;
  enum rule_subject subject; // what is in hand
  struct sample_event in_hand;
  struct value item; // of it, when the subject is an item
};

void sample_init(struct sample *sample);
void sample_release(struct sample *sample);

enum sample_read { SAMPLE_READ, SAMPLE_NO_ZONE, SAMPLE_WRONG };
// `json`: the line. NO_ZONE: this machine has no such time zone. WRONG: `problem` says what.
enum sample_read sample_read(struct sample *sample, struct bytes json, char problem[256]);

// NULL: this machine has none. The caller ends all of them at once.
const struct rule_zone *sample_zone(struct bytes name);
void sample_close_zones(void);

// "2026-01-31", "2026-01-31T10:00:00" (both in the zone) or with an offset. False for what expressions do not read.
bool sample_time(const struct rule_zone *zone, struct bytes text, int64_t *time_us);

// What other parts of Rapport know: the value at `now_us`, and until when. Absent: nothing is known.
struct value sample_lookup(const struct sample *sample, enum rule_function function, const struct bytes *arguments,
                           size_t count, int64_t now_us, int64_t *until_us);

// --- as a program sees it ------------------------------------------------------------------------------------

enum sample_manner {
  SAMPLE_HOT,  // all events, with all that columns can say of them
  SAMPLE_COLD, // only the events that are wanted, and for every cell the message has to be asked
};

// One run's view of a sample. `wrong` is set when the run asks for the same thing twice, or for what is not there.
struct sample_view {
  const struct sample *sample;
  enum sample_manner manner;
  struct rule_columns columns;
  size_t *indexes; // of the columns' events in the sample
  bool *asked;     // the messages
  bool has_columns;
  const char *wrong; // NULL: nothing
  struct arena arena;
};
void sample_view_init(struct sample_view *view, const struct sample *sample, enum sample_manner manner);
void sample_view_release(struct sample_view *view);
// Before each run: nothing was asked yet.
void sample_view_reset(struct sample_view *view);
struct rule_customer sample_customer(struct sample_view *view);

// For rule_compile: the ids of a dictionary (`context`), which learns no names.
enum err sample_name_id(void *context, struct bytes name, uint32_t *id);
