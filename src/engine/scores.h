// scores: definitions of scores that live on the record, found and refreshed; and everybody's scores as a table.
//
// Layer 6, beside query.h. A score is a question of a segment set (kind SEGMENT_SCORE) with its own document
// (scoring/scheme.h): put, it is computed for everybody and followed with every order and every midnight that changes
// it. Its thresholds are found by a walk over all customers when it is put and whenever it is refreshed; what differs
// is a new version, in force once everybody was computed by it.
#pragma once

#include "engine/query.h"

// Defines or changes a score. The answer is its document as it is then. ERR_INVALID as scheme_read; "other_kind" when
// a segment or attribute has the id. `progress` may be NULL.
enum err engine_score_put(struct engine *engine, struct value document, struct bytes author,
                          engine_query_progress_fn *progress, void *context, struct json_writer *writer,
                          struct engine_commit *commit, struct diag *diag);
// Finds the thresholds anew, by the orders of now. The answer as above. ERR_NOT_FOUND code "no_score" with the nearest;
// ERR_CONFLICT "changed" when the score was put meanwhile. The audit has it as the commit's author's doing.
enum err engine_score_refresh(struct engine *engine, struct bytes id, engine_query_progress_fn *progress, void *context,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// {"id","name","kind","ranges",…,"thresholds","version","status","created_at","live_at","refreshed_at","author"}.
enum err engine_score_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag);
// {"items":[…]}, by id.
enum err engine_scores_json(struct engine *engine, struct json_writer *writer, struct diag *diag);
// ERR_INVALID code "in_use" while others refer to it.
enum err engine_score_archive(struct engine *engine, struct bytes id, struct json_writer *writer,
                              struct engine_commit *commit, struct diag *diag);

// --- everybody's orders, added up ------------------------------------------------------------------------------

struct engine_score_asked {
  bool has_day;
  int64_t day;        // since 1970-01-01, by the workspace's zone; as of its end
  struct bytes range; // of products; empty: all
  engine_query_progress_fn *progress;
  void *context;
};
// Lines "customer_id,recency_days,transaction_count,amount" behind such a first line, appended to `out`, of those who
// had bought, in the order of their ids. ERR_STOPPED.
enum err engine_score_summaries(struct engine_view *view, const struct engine_score_asked *asked, struct buffer *out,
                                struct diag *diag);
