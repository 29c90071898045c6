// limiter: how many events each key may send.
//
// Layer 8. A token bucket a key, in memory: a restart fills all. A request is admitted while its bucket holds at least
// one token and is charged afterwards for the events it brought, so a batch larger than the bucket is not refused for
// ever: it takes the bucket below zero and the key waits that debt out.
// Threads: safe; buckets are spread over locks.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct limiter;

// `events_per_s` 0: nothing is ever limited. `burst_events` 0: ten seconds of the rate.
enum err limiter_open(struct limiter **limiter, uint64_t events_per_s, uint64_t burst_events);
void limiter_close(struct limiter *limiter);

// May this key send now? Otherwise *wait_s is the whole number of seconds, at least 1, after which it may. `now_us` is
// monotonic.
bool limiter_admit(struct limiter *limiter, uint64_t key, int64_t now_us, unsigned *wait_s);

// Takes the tokens of `events`.
void limiter_charge(struct limiter *limiter, uint64_t key, uint64_t events, int64_t now_us);
