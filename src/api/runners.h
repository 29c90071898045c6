// runners: the threads that run requests.
//
// Layer 8. The threads that read and write HTTP hand each complete request to a crew of runners, so that no request
// waits for a thread while another one is idle, whatever connection it came over. First come, first served, with one
// exception: requests of slow routes (ROUTE_SLOW) never keep all runners busy. One
// runner, of two and more, is left to the quick ones; a slow request waits for another slow one to end meanwhile.
// The queue has no bound of its own: a connection has one request at a time, and connections are bounded.
// Memory: a request that was added belongs to the runner until `run` gives it up. Threads: safe but for open and close.
#pragma once

#include <stddef.h>

#include "api/request.h"
#include "base/err.h"

struct runners;

// Runs a request; afterwards it may be gone.
typedef void runners_fn(struct request *request);

// Starts `count` threads, 1 to API_THREADS_MAX. ERR_NO_MEMORY, also when there are no more threads to have.
enum err runners_open(struct runners **runners, unsigned count, runners_fn *run);

// Takes a request with a route into the queue. After runners_stop has begun: runs it in the calling thread.
void runners_add(struct runners *runners, struct request *request);

// How many requests wait for a runner, and how many run.
struct runners_counts {
  size_t queued, running;
};
struct runners_counts runners_get_counts(struct runners *runners);

// Runs what is queued in the calling thread, which is quick when `run` refuses, and waits for what is running.
void runners_stop(struct runners *runners);

// Stops them when that was not done. NULL is passed over.
void runners_close(struct runners *runners);
