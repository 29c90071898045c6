// alloc: the one door to the heap, so that a test can close it.
//
// Layer 0. Every allocation of the product goes through these four calls. In production they are malloc and
// free. A test arms alloc_fail_after(n): the n-th allocation from then on fails (and all after it when
// `sticky`), which is how the fault loop proves that running out of memory leaks nothing and writes no half.
// Threads: the counters are atomic; arming is for single-threaded tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Memory of `size_bytes` bytes, uninitialised, or NULL. Freed with alloc_free.
void *alloc_get(size_t size_bytes) __attribute__((malloc));

// `count` zeroed items of `size_bytes` each, or NULL (also when the product overflows).
void *alloc_zero(size_t count, size_t size_bytes) __attribute__((malloc));

// realloc: on NULL the old block is untouched and still owned by the caller.
void *alloc_resize(void *block, size_t size_bytes);

void alloc_free(void *block);

// Lets `allowed` more allocations succeed, then fails one (`sticky` false) or all that follow (true).
void alloc_fail_after(uint64_t allowed, bool sticky);

// Ends the failing. Returns true when a failure was delivered since it was armed.
bool alloc_fail_disarm(void);

#ifdef __cplusplus
}
#endif
