// idempotency: a write that is asked twice is done once.
//
// Layer 8. A row of the IDEMPOTENCY keyspace a (key, Idempotency-Key): first a claim, then the reply, sealed with a key
// made of the caller's own key and header, so that neither the disk nor a backup shows what was answered (a new secret
// key, a person's data). Rows end after 24 hours, a claim after 60 seconds.
// The claim is a commit of its own; the reply is written in the commit of the change it tells of (idempotency_ride). So
// a crash leaves a claim and no change, which a retry runs after the claim's end, or the change with its reply, which a
// retry gets. What changes nothing (a refusal, a trial) stores its reply afterwards (idempotency_finish).
// Invariant: only the request whose claim is in the row replaces it; one that took longer than its claim, and was
// repeated meanwhile, changes nothing any more.
// Threads: safe; claims of one key are serialised by its lock.
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "store/store.h"

enum {
  IDEMPOTENCY_HEADER_BYTES_MAX = 255,
  IDEMPOTENCY_ROW_KEY_BYTES = 40,
  IDEMPOTENCY_HASH_BYTES = 32,
  IDEMPOTENCY_CLAIM_S = 60,
  IDEMPOTENCY_REPLY_S = 24 * 3600
};

struct idempotency_key {
  uint8_t row[IDEMPOTENCY_ROW_KEY_BYTES];  // key id, hash of the header
  uint8_t request[IDEMPOTENCY_HASH_BYTES]; // hash of method, target and body
  uint8_t seal[IDEMPOTENCY_HASH_BYTES];    // secretbox key
  int64_t claim_end_us;                    // which claim is ours; set by idempotency_claim
};

struct idempotency_request {
  uint64_t key_id;
  struct bytes key_text; // the caller's key as it was sent
  struct bytes header;
  struct bytes method, target, body;
};
void idempotency_key_make(struct idempotency_key *key, const struct idempotency_request *request);

enum idempotency_outcome {
  IDEMPOTENCY_RUN,       // claimed: run the request, then finish or forget
  IDEMPOTENCY_REPLAY,    // *status and *reply are what was answered
  IDEMPOTENCY_MISMATCH,  // the header was used for another request
  IDEMPOTENCY_IN_FLIGHT, // the same request is running, or its process died less than a minute ago
};

// Looks the row up and claims it when it is free. *reply lives in the arena.
enum err idempotency_claim(struct store *store, struct idempotency_key *key, int64_t now_us, struct arena *arena,
                           enum idempotency_outcome *outcome, int *status, struct bytes *reply, struct diag *diag);

// The key that the transaction of a change locks for idempotency_ride; a view of `key`.
struct bytes idempotency_lock(const struct idempotency_key *key);

// Replaces the claim by the reply in the transaction of the change, which holds the lock. ERR_BUSY code
// "idempotency_in_flight" when the claim is over and somebody else's: the change must not be made.
enum err idempotency_ride(struct store_txn *txn, const struct idempotency_key *key, int64_t now_us, int status,
                          struct bytes reply, struct arena *arena, struct diag *diag);

// The same in a commit of its own; nothing when the row is no longer ours.
enum err idempotency_finish(struct store *store, const struct idempotency_key *key, int64_t now_us, int status,
                            struct bytes reply, struct store_mark *mark, struct diag *diag);

// Gives the claim back, if it is still ours: the request may be repeated.
enum err idempotency_forget(struct store *store, const struct idempotency_key *key, struct diag *diag);

// Deletes up to `most` rows whose time has passed; *deleted tells how many.
enum err idempotency_sweep(struct store *store, int64_t now_us, size_t most, size_t *deleted, struct diag *diag);
