// preview: what a segment would be, before it is one; nothing is stored.
//
// Layer 6, beside query.h. A preview is one expression with exclusions, asked of everybody or of a random part: how
// many, which share, whom each exclusion removes, some members with their traits, and how chosen traits are
// distributed. Exact: one walk over all customers in several threads. An estimate looks at customers in a random order
// that is always the same, until its time is over, and tells the interval in which the number of members lies in 95 of
// 100 such cases; where all were seen in time it is exact.
// Memory: a preview owns what it compiled, and must be closed before its view. Threads: one preview, one thread.
#pragma once

#include "engine/query.h"

enum {
  PREVIEW_SAMPLE_MAX = 100,
  PREVIEW_TRAITS_MAX = 16,
  PREVIEW_VALUES_MAX = 1000, // of one trait, counted one by one; later ones count as "other"
  PREVIEW_VALUES_SHOWN = 20,
  PREVIEW_ESTIMATE_MS = 150,
  PREVIEW_ESTIMATE_MS_MAX = 10000,
};

// {"include","exclude":[{"name"?,"when"}]?,"traits":["country",…]?,"sample":20?,"estimate":false?,"within_ms":150?}:
// the last is the time of an estimate. ERR_INVALID with the code and field of a wrong expression, and its place in
// `refusal`, whose code is else empty; "bad_member" otherwise.
struct engine_preview;
enum err engine_preview_open(struct engine_view *view, struct value document, struct engine_preview **preview,
                             struct rule_diag *refusal, struct diag *diag);
void engine_preview_close(struct engine_preview *preview);

// {"exact","at","customers","looked_at","members","share","interval":{"low","high"}|null,"unknown",
// "excluded":[{"name","removed"}],"sample":[{"id","traits":{…}}],"traits":[{"name","values":[{"value","members",
// "share"}],"other","missing"}],"warnings":[…]}. Numbers of an estimate are scaled to all customers. `threads` and
// `progress` as of a count.
enum err engine_preview_json(struct engine_preview *preview, unsigned threads, engine_query_progress_fn *progress,
                             void *context, struct json_writer *writer, struct diag *diag);
