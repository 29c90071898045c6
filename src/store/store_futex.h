// store_futex: sleeping on a 32-bit word, for locks and marks that are too many for a mutex each.
//
// Layer 2, private to this folder. A wait returns when the word was woken, changed before the call, the time is over,
// or for no reason: callers look again in a loop.
#pragma once

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Sleeps while *word is `seen`, at most `timeout_ms` (0: without limit).
static inline void store_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint32_t timeout_ms) {
  struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, timeout_ms == 0 ? NULL : &timeout, NULL, 0);
}

static inline void store_futex_wake(_Atomic uint32_t *word, int waiters) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, waiters, NULL, NULL, 0);
}

static inline void store_futex_wake_all(_Atomic uint32_t *word) {
  store_futex_wake(word, INT_MAX);
}
