// Two queues, each in the order of arrival. A ticket tells which of two heads came first. Invariants, under the lock:
//   1. `slow_running` <= `slow_most` < the number of runners, unless there is but one.
//   2. When a runner sleeps, nothing is queued that it may take: whoever adds a request, or ends a slow one while
//   others
//      wait, wakes one.
#include "api/runners.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>

#include "api/api.h"
#include "base/alloc.h"

struct queue {
  struct request *first, **end;
};

struct runners {
  runners_fn *run;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct queue quick, slow;
  uint64_t tickets; // given out so far
  struct runners_counts counts;
  unsigned slow_running, slow_most;
  bool stopping;
  unsigned thread_count; // to be joined
  pthread_t threads[API_THREADS_MAX];
};

// --- queues --------------------------------------------------------------------------------------------------

static void queue_init(struct queue *queue) {
  queue->first = NULL;
  queue->end = &queue->first;
}

static void push(struct queue *queue, struct request *request) {
  request->next = NULL;
  *queue->end = request;
  queue->end = &request->next;
}

static struct request *pop(struct queue *queue) {
  struct request *request = queue->first;
  queue->first = request->next;
  if (!queue->first) queue->end = &queue->first;
  request->next = NULL;
  return request;
}

static bool is_slow(const struct request *request) {
  return request->route->flags & ROUTE_SLOW;
}

// The oldest that may run; NULL: none. With the lock held.
static struct request *take(struct runners *runners) {
  const struct request *quick = runners->quick.first, *slow = runners->slow.first;
  if (slow && runners->slow_running == runners->slow_most) slow = NULL;
  if (!quick && !slow) return NULL;
  bool first = slow && (!quick || slow->ticket < quick->ticket);
  runners->counts.queued--;
  return pop(first ? &runners->slow : &runners->quick);
}

// --- running -------------------------------------------------------------------------------------------------

// Gives the lock away meanwhile.
static void run_one(struct runners *runners, struct request *request) {
  bool slow = is_slow(request);
  runners->counts.running++;
  if (slow) runners->slow_running++;
  pthread_mutex_unlock(&runners->lock);
  runners->run(request);
  pthread_mutex_lock(&runners->lock);
  runners->counts.running--;
  if (!slow) return;
  runners->slow_running--;
  // This runner may go on with a quick one that is older.
  if (runners->slow.first) pthread_cond_signal(&runners->changed);
}

static void *work(void *context) {
  struct runners *runners = context;
  pthread_mutex_lock(&runners->lock);
  for (;;) {
    struct request *request = take(runners);
    if (request)
      run_one(runners, request);
    else if (runners->stopping)
      break;
    else
      pthread_cond_wait(&runners->changed, &runners->lock);
  }
  pthread_mutex_unlock(&runners->lock);
  return NULL;
}

void runners_add(struct runners *runners, struct request *request) {
  pthread_mutex_lock(&runners->lock);
  bool taken = !runners->stopping;
  if (taken) {
    request->ticket = runners->tickets++;
    push(is_slow(request) ? &runners->slow : &runners->quick, request);
    runners->counts.queued++;
    pthread_cond_signal(&runners->changed);
  }
  pthread_mutex_unlock(&runners->lock);
  if (!taken) runners->run(request);
}

struct runners_counts runners_get_counts(struct runners *runners) {
  pthread_mutex_lock(&runners->lock);
  struct runners_counts counts = runners->counts;
  pthread_mutex_unlock(&runners->lock);
  return counts;
}

// --- open and close ------------------------------------------------------------------------------------------

enum err runners_open(struct runners **runners, unsigned count, runners_fn *run) {
  struct runners *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  assert(count > 0 && count <= API_THREADS_MAX);
  made->run = run;
  made->slow_most = count > 1 ? count - 1 : 1;
  queue_init(&made->quick);
  queue_init(&made->slow);
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->changed, NULL);
  while (made->thread_count < count && pthread_create(&made->threads[made->thread_count], NULL, work, made) == 0)
    made->thread_count++;
  if (made->thread_count < count) {
    runners_close(made);
    return ERR_NO_MEMORY;
  }
  *runners = made;
  return ERR_OK;
}

void runners_stop(struct runners *runners) {
  pthread_mutex_lock(&runners->lock);
  runners->stopping = true;
  runners->slow_most = UINT_MAX; // so that nothing waits for a slow one that runs
  pthread_cond_broadcast(&runners->changed);
  for (struct request *request = take(runners); request; request = take(runners)) run_one(runners, request);
  pthread_mutex_unlock(&runners->lock);
  for (; runners->thread_count > 0; runners->thread_count--)
    pthread_join(runners->threads[runners->thread_count - 1], NULL);
}

void runners_close(struct runners *runners) {
  if (!runners) return;
  runners_stop(runners);
  pthread_cond_destroy(&runners->changed);
  pthread_mutex_destroy(&runners->lock);
  alloc_free(runners);
}
