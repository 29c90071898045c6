// server: what all requests of one open server share.
//
// Layer 8. Internal to the folder. Threads: `lock` guards the pools, the links and the counts; everything else is
// constant after api_open or atomic.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "api/cors.h"
#include "api/guesses.h"
#include "api/job.h"
#include "api/limiter.h"
#include "api/metrics.h"
#include "api/request.h"

// One open connection, so that the upkeep thread can end one that dawdles.
struct link {
  struct link *previous, *next;
  int fd;
  _Atomic int64_t deadline_us; // monotonic; 0: none (a handler runs, or a sync is awaited)
};

struct api {
  struct engine *engine;
  struct store *store;
  struct api_options options; // with defaults filled in; `listen` is not kept
  struct cors_policy cors;
  struct limiter *limiter;
  struct guesses *guesses;
  struct metrics *metrics;
  struct job_board *jobs;
  struct stream_board *streams;
  struct runners *runners;
  struct MHD_Daemon *daemon;
  uint16_t port;
  _Atomic bool stopping; // set under the lock

  pthread_mutex_t lock;
  pthread_cond_t changed; // while it stops: a count fell; or the upkeep thread should look
  struct request *requests;
  struct worker *workers;
  size_t request_count; // free ones
  struct link links;    // head of a ring
  size_t link_count;
  size_t running;           // requests between the end of their body and their own end
  size_t suspended;         // of them: with the runners or the store
  size_t syncing;           // those that the store is to call back for
  bool upkeep_due;          // it has work that should not wait
  _Atomic bool upkeep_ends; // it stops; set under the lock
  pthread_t upkeep;
  _Atomic bool timers_end;
  pthread_t timers;
};

// --- pools (pool.c) ------------------------------------------------------------------------------------------

struct request *pool_take_request(struct api *api); // NULL: memory
void pool_give_request(struct api *api, struct request *request);
enum err pool_take_worker(struct api *api, struct worker **worker);
void pool_give_worker(struct api *api, struct worker *worker);
void pool_release(struct api *api);

// --- dispatch (dispatch.c) -----------------------------------------------------------------------------------

// Finds the route of a request whose headers are there.
void dispatch_begin(struct request *request, const char *method);

// Answers a request whose body is there: fills status, reply and mark. Never fails: a failure is a reply too.
void dispatch_run(struct request *request);

// The place of the request's route in the metrics.
size_t dispatch_route_index(const struct request *request);

// --- upkeep (upkeep.c) ---------------------------------------------------------------------------------------

enum err upkeep_start(struct api *api);
void upkeep_stop(struct api *api);

// --- timers (timers.c) ---------------------------------------------------------------------------------------

enum err timers_start(struct api *api);
void timers_stop(struct api *api);
