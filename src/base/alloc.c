// alloc: malloc and free behind one relaxed load.
//
// While nothing is armed, an allocation costs that load and nothing more. Armed, every call takes a ticket from
// one atomic counter: tickets up to `allowed_count` succeed, the next fails, later ones fail when sticky.
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

static _Atomic bool armed;
static _Atomic uint64_t taken_count;
static uint64_t allowed_count;
static bool fails_on;
static _Atomic bool delivered;

static bool must_fail(void) {
  if (!atomic_load_explicit(&armed, memory_order_relaxed)) return false;
  uint64_t ticket = atomic_fetch_add(&taken_count, 1);
  if (ticket < allowed_count || (ticket > allowed_count && !fails_on)) return false;
  atomic_store(&delivered, true);
  return true;
}

// malloc(0) may give NULL, which callers would take for a failure.
static size_t at_least_one(size_t size_bytes) {
  return size_bytes == 0 ? 1 : size_bytes;
}

void *alloc_get(size_t size_bytes) {
  if (must_fail()) return NULL;
  return malloc(at_least_one(size_bytes));
}

void *alloc_zero(size_t count, size_t size_bytes) {
  size_t total;
  if (must_fail() || __builtin_mul_overflow(count, size_bytes, &total)) return NULL;
  return calloc(at_least_one(count), at_least_one(size_bytes));
}

void *alloc_resize(void *block, size_t size_bytes) {
  if (must_fail()) return NULL;
  return realloc(block, at_least_one(size_bytes));
}

void alloc_free(void *block) {
  free(block);
}

void alloc_fail_after(uint64_t allowed, bool sticky) {
  allowed_count = allowed;
  fails_on = sticky;
  atomic_store(&taken_count, 0);
  atomic_store(&delivered, false);
  atomic_store(&armed, true);
}

bool alloc_fail_disarm(void) {
  atomic_store(&armed, false);
  return atomic_exchange(&delivered, false);
}
