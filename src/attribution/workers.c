// workers: each thread takes the next piece until there is none.
#include "attribution/workers.h"

#include <pthread.h>
#include <stdatomic.h>

struct crew {
  workers_fn *work;
  void *context;
  size_t count;
  atomic_size_t next;
};

static void *run(void *argument) {
  struct crew *crew = argument;
  for (size_t piece; (piece = atomic_fetch_add(&crew->next, 1)) < crew->count;) crew->work(crew->context, piece);
  return NULL;
}

void workers_run(unsigned threads, size_t count, workers_fn *work, void *context) {
  struct crew crew = {.work = work, .context = context, .count = count};
  pthread_t others[WORKERS_MAX];
  unsigned started = 0;
  while (started + 1 < threads && started + 1 < WORKERS_MAX && started + 1 < count &&
         pthread_create(&others[started], NULL, run, &crew) == 0)
    started++;
  run(&crew);
  for (unsigned i = 0; i < started; i++) pthread_join(others[i], NULL);
}
