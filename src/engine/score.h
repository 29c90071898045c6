// score: one version of a score, ready to be asked of a customer. Private to engine/.
//
// What an order is stands in the score's own document, as it was when the thresholds were found: bounds and scores are
// of the same orders, and a change of the trade comes with the next refresh.
#pragma once

#include "engine/internal.h"
#include "engine/read.h"
#include "engine/trade.h"
#include "rule/duration.h"
#include "scoring/roster.h"
#include "scoring/scheme.h"
#include "segment/set.h"

struct score {
  struct segment_score base; // first
  struct engine *engine;
  struct arena arena; // of the scheme
  struct scheme scheme;
  struct trade *trade;
  const struct rule_zone *zone;
  struct roster ranges; // by the scheme's index
};

// --- score.c -------------------------------------------------------------------------------------------------

// A segment_score_open_fn; the context is the engine.
enum err score_open(void *context, struct bytes document, struct segment_score **score, struct diag *diag);
static inline const struct score *score_of(const struct segment_score *base) {
  return (const struct score *)(const void *)base;
}
// The document that score_open reads.
void score_write_document(const struct scheme *scheme, const struct trade *trade, struct json_writer *writer);
// The trade in force, with all its names in the dictionary: what comes later is found by them.
enum err score_trade_open(struct engine_view *view, struct trade **trade, struct diag *diag);
// {"all":{"r","f","m","number","segment"},"Phones":{…}} of what is kept of a customer (absent: {}).
void score_write_kept(const struct score *score, struct value kept, struct json_writer *writer);

// --- score_tally.c: a customer's orders, added up --------------------------------------------------------------

struct score_tally {
  const struct rule_zone *zone;
  struct rule_duration window; // count 0: none
  const struct roster *ranges; // others are left out
};
struct score_slot {
  uint64_t orders;
  struct decimal amount;
  int64_t last_us;
  size_t counted; // the last order that counted, + 1
};
// `slots`: of all products, then of each range; zeroed. Orders later than `now_us` and returns do not count; *until_us
// (not NULL) becomes the next instant at which the clock alone changes what counts, if that is sooner. ERR_LIMIT: a sum
// is out of bounds.
enum err score_add_up(const struct score_tally *tally, const struct trade_order *orders, size_t count, int64_t now_us,
                      struct score_slot *slots, int64_t *until_us);
// The day of an instant in the zone, since 1970-01-01.
int64_t score_day(const struct rule_zone *zone, int64_t time_us);
// `today`: that of the question. A slot without orders gives a summary without.
struct rfm_summary score_summary(const struct rule_zone *zone, const struct score_slot *slot, int64_t today);

// --- score_find.c ----------------------------------------------------------------------------------------------

// Finds the thresholds (and of an "auto" the ranges) of the scheme, over the orders up to `at_us`. They live in the
// arena. ERR_STOPPED.
enum err score_find(struct engine_view *view, const struct trade *trade, int64_t at_us,
                    engine_query_progress_fn *progress, void *context, struct arena *arena, struct scheme *scheme,
                    struct diag *diag);

// --- scores.c --------------------------------------------------------------------------------------------------

// A version of the set as engine_score_json tells it, without progress.
void scores_tell(const struct segment_set *set, const struct segment_definition *definition,
                 struct json_writer *writer);
// Refreshes a score that is due, unless engine_set_goes_on ends it. *more: call again.
enum err scores_tick(struct engine *engine, bool *more, struct diag *diag);
