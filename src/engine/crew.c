// crew.c: threads are made for one piece of work and end with it: it lasts long beside the making of a thread.
#include "engine/crew.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

struct member {
  pthread_t thread;
  bool started;
  crew_work_fn *work;
  void *item;
};

static void *run(void *context) {
  const struct member *member = context;
  member->work(member->item);
  return NULL;
}

void crew_run(crew_work_fn *work, void *items, size_t item_bytes, size_t count) {
  struct member members[CREW_MAX];
  assert(count <= CREW_MAX);
  for (size_t i = 1; i < count; i++) {
    members[i] = (struct member){.work = work, .item = (uint8_t *)items + i * item_bytes};
    members[i].started = pthread_create(&members[i].thread, NULL, run, &members[i]) == 0;
  }
  if (count > 0) work(items);
  for (size_t i = 1; i < count; i++) {
    if (members[i].started)
      pthread_join(members[i].thread, NULL);
    else
      work(members[i].item);
  }
}

size_t crew_size(void) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (processors < 1) return 1;
  return processors > CREW_MAX ? CREW_MAX : (size_t)processors;
}
