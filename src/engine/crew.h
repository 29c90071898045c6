// crew: the same work in several threads.
#pragma once

#include "base/err.h"

#include <stddef.h>

enum { CREW_MAX = 16 };

// Runs work(items + i * item_bytes) for each i < count, all at once, one of them here, and waits for all. When threads
// cannot be had the rest runs here. `work` keeps its outcome in its item.
typedef void crew_work_fn(void *item);
void crew_run(crew_work_fn *work, void *items, size_t item_bytes, size_t count);

// How many threads work on one thing: the processors, at most CREW_MAX.
size_t crew_size(void);
