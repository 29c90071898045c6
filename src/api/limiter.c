// Tokens are counted in millionths, so that a rate of one event a second refills exactly at microsecond steps. A table
// of fixed size: keys are few and dense, and two keys that share a slot take turns in owning it (the newcomer starts
// full), which errs on the side of the sender.
#include "api/limiter.h"

#include <pthread.h>

#include "base/alloc.h"

enum { SLOT_COUNT = 4096, TOKEN = 1000000, BURST_SECONDS = 10, WAIT_MAX_S = 3600 };

struct bucket {
  uint64_t key;
  int64_t tokens; // millionths of an event; negative is a debt
  int64_t filled_us;
  bool used;
};

struct limiter {
  uint64_t events_per_s;
  int64_t capacity; // millionths
  pthread_mutex_t locks[64];
  struct bucket buckets[SLOT_COUNT];
};
enum { LOCK_COUNT = 64 };

enum err limiter_open(struct limiter **limiter, uint64_t events_per_s, uint64_t burst_events) {
  const uint64_t most = INT64_MAX / TOKEN / 4;
  struct limiter *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  made->events_per_s = events_per_s < most / BURST_SECONDS ? events_per_s : most / BURST_SECONDS;
  uint64_t burst = burst_events ? burst_events : made->events_per_s * BURST_SECONDS;
  made->capacity = (int64_t)(burst < most ? burst : most) * TOKEN;
  for (size_t i = 0; i < LOCK_COUNT; i++) pthread_mutex_init(&made->locks[i], NULL);
  *limiter = made;
  return ERR_OK;
}

void limiter_close(struct limiter *limiter) {
  if (!limiter) return;
  for (size_t i = 0; i < LOCK_COUNT; i++) pthread_mutex_destroy(&limiter->locks[i]);
  alloc_free(limiter);
}

// The bucket of a key, filled up to now. Called under its lock.
static struct bucket *fill(struct limiter *limiter, uint64_t key, int64_t now_us) {
  struct bucket *bucket = &limiter->buckets[key % SLOT_COUNT];
  if (!bucket->used || bucket->key != key) {
    *bucket = (struct bucket){key, limiter->capacity, now_us, true};
    return bucket;
  }
  int64_t passed_us = now_us - bucket->filled_us;
  if (passed_us <= 0) return bucket;
  int64_t missing = limiter->capacity - bucket->tokens;
  int64_t rate = (int64_t)limiter->events_per_s; // events a second are millionths of an event a microsecond
  bucket->tokens = passed_us > missing / rate ? limiter->capacity : bucket->tokens + passed_us * rate;
  bucket->filled_us = now_us;
  return bucket;
}

bool limiter_admit(struct limiter *limiter, uint64_t key, int64_t now_us, unsigned *wait_s) {
  *wait_s = 0;
  if (limiter->events_per_s == 0) return true;
  pthread_mutex_t *lock = &limiter->locks[key % LOCK_COUNT];
  pthread_mutex_lock(lock);
  int64_t missing = TOKEN - fill(limiter, key, now_us)->tokens;
  pthread_mutex_unlock(lock);
  if (missing <= 0) return true;
  int64_t per_s = (int64_t)limiter->events_per_s * TOKEN;
  int64_t seconds = (missing + per_s - 1) / per_s;
  *wait_s = seconds < 1 ? 1 : seconds > WAIT_MAX_S ? WAIT_MAX_S : (unsigned)seconds;
  return false;
}

void limiter_charge(struct limiter *limiter, uint64_t key, uint64_t events, int64_t now_us) {
  if (limiter->events_per_s == 0) return;
  pthread_mutex_t *lock = &limiter->locks[key % LOCK_COUNT];
  pthread_mutex_lock(lock);
  struct bucket *bucket = fill(limiter, key, now_us);
  // A debt deeper than a full bucket would punish one large batch for longer than it helps.
  int64_t floor = -limiter->capacity;
  int64_t cost = events < (uint64_t)(limiter->capacity / TOKEN) * 2 ? (int64_t)events * TOKEN : limiter->capacity * 2;
  bucket->tokens = bucket->tokens - cost < floor ? floor : bucket->tokens - cost;
  pthread_mutex_unlock(lock);
}
