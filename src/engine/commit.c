// commit.c: what rides in a change's transaction.
//
// Whoever asks for a change may lose the reply and ask again. That the change is done once then needs the reply to be
// stored with it: stored later, a crash between the two leaves a change that nobody remembers. The engine does not know
// what a reply is; it calls the caller back inside the transaction.
#include "engine/audit.h"

enum err engine_ride(const struct engine_commit *commit, struct store_txn *txn, struct diag *diag) {
  return commit->ride == NULL ? ERR_OK : commit->ride(txn, commit->context, diag);
}

struct ridden {
  struct engine *engine;
  store_body_fn *body;
  void *context;
  const struct engine_commit *commit;
};

static enum err ridden_body(struct store_txn *txn, void *context, struct diag *diag) {
  const struct ridden *ridden = context;
  const struct engine_commit *commit = ridden->commit;
  enum err err = ERR_OK;
  if (commit->lock.size_bytes > 0) err = store_lock_many(txn, STORE_LOCK_IDEMPOTENCY, &commit->lock, 1);
  if (err == ERR_OK) err = ridden->body(txn, ridden->context, diag);
  if (err == ERR_OK && commit->entry != NULL)
    err = audit_put(ridden->engine, txn, clock_now_us(ridden->engine->clock), commit->entry, diag);
  return err == ERR_OK ? engine_ride(commit, txn, diag) : err;
}

enum err engine_run(struct engine *engine, store_body_fn *body, void *context, struct engine_commit *commit,
                    struct diag *diag) {
  struct ridden ridden = {engine, body, context, commit};
  return store_run(engine->store, ridden_body, &ridden, &commit->mark, diag);
}
