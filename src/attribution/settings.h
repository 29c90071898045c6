// settings: which events are touches and which are conversions, through which channel a touch came, and how journeys
// are cut.
//
// Layer 5. A document that people write, over a default that fits the Segment protocol's events (settings_default.c): a
// member that is not given is the default's. Expressions are over the event in hand; `exclude` is over the customer.
//   {"touchpoints":[{"event":"Page Viewed","when":"context.campaign.source is not null"},{"event":"Email Clicked"}],
//    "conversions":[{"event":"Order Completed","when":"context.channel != \"test\"","value":"total"}],
//    "milestones":{"lead":[{"event":"Signed Up"}],"opportunity":[{"event":"Checkout Started"}]},
//    "channels":[{"channel":"email","event":"Email Clicked"},
//                {"channel":"paid search","when":"context.campaign.medium = \"cpc\""}],
//    "other":"other","direct":["direct"],"paid":["paid search"],
//    "lookback":"30 days","split":true,"nulls":true,"transforms":["exposure"],"last":20,
//    "half_life":"7 days","position":[40,20,40],"exclude":"in_segment(\"staff\")",
//    "campaign":EXPR,"creative":EXPR,"store":EXPR,"order_id":"order_id",
//    "ranges":{"items":"products","range":"category","amount":"price * quantity"},
//    "online":[{"event":"Product Viewed"}],"visits":[{"event":"Store Visited"}],"product":"sku",
//    "costs":[{"channel":"paid search","from":"2026-01-01","to":"2026-01-31","amount":"1200.00"}]}
// The first of `channels` that fits is a touch's channel, `other` when none does. Channels are numbered in order of the
// document, `other` is the last.
// Memory: everything belongs to the settings, between attribution_settings_open and _close. Read-only once they are
// open: threads share them.
#pragma once

#include "attribution/heuristics.h"
#include "rule/admit.h"
#include "rule/ast.h"
#include "rule/machine.h"
#include "value/value.h"

enum {
  ATTRIBUTION_EVENTS_MAX = 64,    // touchpoints, conversions, milestones of a kind
  ATTRIBUTION_CHANNELS_MAX = 256, // rules
  ATTRIBUTION_TRANSFORMS_MAX = 8,
  ATTRIBUTION_COSTS_MAX = 20000,
  ATTRIBUTION_LAST_MAX = 1000000,
  ATTRIBUTION_LOOKBACK_DAYS_MAX = 3660,
};

// A condition over the event in hand. Of one that says nothing but which channels it is (context.channel, a hot column)
// these are known, by their ids in the dictionary (0: it has no such text).
struct attribution_condition {
  struct rule_program *program; // NULL: always true
  const uint32_t *channels;     // NULL: it says something else
  size_t channel_count;
};

struct attribution_event {
  struct bytes event;
  uint32_t name; // its id; 0: no such event has come yet
  struct attribution_condition when;
  struct rule_program *value; // of a conversion; NULL: it has none
  enum rule_amount amount;    // the value is just this property, which is a hot amount; 0: it is not
};

struct attribution_events {
  const struct attribution_event *items;
  size_t count;
};

struct attribution_channel {
  struct bytes channel;
  paths_step number;
  struct bytes event; // empty: of any
  uint32_t name;
  struct attribution_condition when;
};

struct attribution_cost {
  struct bytes channel;
  int32_t from_day, to_day; // days since 1970-01-01, the last one included
  double amount;            // of all its days together
};

struct attribution_settings {
  struct arena arena;
  struct attribution_events touchpoints, conversions, leads, opportunities;
  struct attribution_events online, visits; // of research online and purchase offline
  struct rule_program *product;             // of an online event; NULL: none
  const struct attribution_channel *channels;
  size_t channel_count;
  const struct bytes *names; // of channels, by number
  size_t name_count;
  paths_step other;          // the channel when no rule fits
  const bool *direct, *paid; // by number
  int64_t lookback_us, half_life_us;
  bool split, nulls;
  enum paths_transform transforms[ATTRIBUTION_TRANSFORMS_MAX];
  size_t transform_count, last; // last 0: all
  double first_weight, last_weight;
  struct rule_program *exclude;                     // NULL: nobody
  struct rule_program *campaign, *creative, *store; // any value; NULL: none
  struct rule_program *order_id;                    // of a conversion: those with one id are one; NULL: none has any
  struct bytes items;                               // the list of an event's lines, a path of properties
  struct rule_program *range, *line_amount;         // over a line
  const struct attribution_cost *costs;
  size_t cost_count;
  struct rule_program **programs; // all of them
  size_t program_count, program_capacity;
};

struct attribution_settings_with {
  const struct names *names;          // of the documents
  const struct names *dictionary;     // of what expressions and events are about
  const struct rule_catalog *catalog; // NULL: everything is known
  const struct rule_zone *zone;
  struct rule_check *warnings; // may be NULL
  struct rule_diag *where;     // of a wrong expression; may be NULL
};

// Appends the default, as JSON that a person would write.
void attribution_settings_default(struct buffer *out);

// Reads `document` (absent: nothing is given) over `base`, the packed default. ERR_INVALID with the member in words:
// codes of expressions, wrong_type, unknown_member, missing_member, unknown_word, unknown_channel, bad_text,
// bad_duration, bad_date, out_of_range, too_long, too_many (these two ERR_LIMIT).
enum err attribution_settings_open(struct attribution_settings **settings, struct value document, struct value base,
                                   const struct attribution_settings_with *with, struct diag *diag);
void attribution_settings_close(struct attribution_settings *settings); // NULL is fine

// The members of the whole document in the order of `base`, into an open object.
void attribution_settings_json(struct json_writer *writer, struct value document, struct value base,
                               const struct names *names);

// The names of the events of journeys that are known, sorted, each once; `names` has room for ATTRIBUTION_NAMES_MAX.
enum { ATTRIBUTION_NAMES_MAX = 4 * ATTRIBUTION_EVENTS_MAX };
size_t attribution_settings_names(const struct attribution_settings *settings, uint32_t *names);
// The same of what research online is about: online events, visits and touchpoints.
size_t attribution_settings_research_names(const struct attribution_settings *settings, uint32_t *names);
