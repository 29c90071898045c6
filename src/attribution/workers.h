// workers: numbered pieces of work in several threads.
//
// Layer 5. Which thread takes which piece is chance; a piece must not depend on it.
#pragma once

#include <stddef.h>

enum { WORKERS_MAX = 64 };

typedef void workers_fn(void *context, size_t piece);

// Runs work(context, i) for each i < count, in at most `threads` threads of which the caller's is one, and waits. Where
// a thread cannot be had the others do its work.
void workers_run(unsigned threads, size_t count, workers_fn *work, void *context);
