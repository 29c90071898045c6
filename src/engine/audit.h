// audit: who changed what, when, how it was before and how it is after.
//
// Private to engine/; engine_audit_json (members.h) tells it. An entry is written in the transaction of the change, so
// there is none without the other. It is never changed, but for what a person wrote about somebody who is erased.
// Nothing secret stands in it: keys are known by their names, codes by their last characters.
#pragma once

#include "engine/internal.h"

struct audit_entry {
  const char *action; // "points.adjusted"
  struct bytes author;
  uint64_t customer;               // whom it concerns; 0: nobody
  struct bytes programme, subject; // ids: of the programme; of what was changed. May be empty
  struct bytes reason;             // as a person gave it; may be empty
  struct bytes before, after;      // JSON; empty: there was nothing, or is nothing left
};
enum err audit_put(struct engine *engine, struct store_txn *txn, int64_t now_us, const struct audit_entry *entry,
                   struct diag *diag);

// As engine_run, with an entry of the audit in the same commit. Without an author, or when both sides are the same,
// there is none.
enum err audit_run(struct engine *engine, store_body_fn *body, void *context, const struct audit_entry *entry,
                   struct engine_commit *commit, struct diag *diag);

// One of the two sides: an open object to be written into.
struct audit_side {
  struct buffer out;
  struct json_writer writer;
};
struct json_writer *audit_side_begin(struct audit_side *side);
// Closes it; the text lies in the arena. Always called once after the beginning. ERR_NO_MEMORY.
enum err audit_side_end(struct audit_side *side, struct arena *arena, struct bytes *text);

// "…7KQ2": enough of a code to know it again, and not to use it.
enum { AUDIT_CODE_BYTES = 16 };
struct bytes audit_code(struct bytes code, char text[AUDIT_CODE_BYTES]);

// What people wrote about these customers is taken out.
enum err audit_forget(struct store_txn *txn, const uint64_t *customers, size_t count, struct arena *arena,
                      struct diag *diag);
