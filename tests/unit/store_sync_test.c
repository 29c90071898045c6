// The sync thread over a backend whose syncs last as long as the test wants.
#include "store_test_kit.h"

#include <stdatomic.h>

#include "store/store_sync.h"

struct slow {
  _Atomic int begun;
  _Atomic bool go;
};

static enum err slow_sync(void *self) {
  struct slow *slow = self;
  atomic_fetch_add(&slow->begun, 1);
  while (!atomic_load(&slow->go)) usleep(1000);
  return ERR_OK;
}

static const struct store_backend_ops slow_ops = {.sync = slow_sync};

static void count_durable(void *context, enum err err) {
  assert_int_equal(err, ERR_OK);
  atomic_fetch_add((_Atomic int *)context, 1);
}

// The second mark asks for a round after the one under way, though nothing was written for it.
static void closing_answers_everybody(void **state) {
  (void)state;
  for (int attempt = 0; attempt < 20; attempt++) {
    struct slow slow = {0};
    struct store_sync *sync = NULL;
    _Atomic int durable = 0;
    assert_int_equal(store_sync_open(&sync, (struct store_backend){&slow_ops, &slow}), ERR_OK);
    store_sync_notify(sync, (struct store_mark){1}, count_durable, &durable);
    while (atomic_load(&slow.begun) == 0) usleep(100);
    store_sync_notify(sync, (struct store_mark){2}, count_durable, &durable);
    atomic_store(&slow.go, true);
    store_sync_close(sync);
    assert_int_equal(atomic_load(&durable), 2);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {cmocka_unit_test(closing_answers_everybody)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
