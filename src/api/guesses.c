// A table of fixed size, as of the limiter: keys are few and dense; of two that share a slot the later one owns it.
#include "api/guesses.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { SLOT_COUNT = 4096 };
static const int64_t PERIOD_US = GUESSES_PERIOD_S * (int64_t)CLOCK_SECOND_US;

struct slot {
  uint64_t key;
  int64_t since_us, until_us; // its first guess of the period; closed up to then
  size_t count;
};

struct guesses {
  pthread_mutex_t lock;
  struct slot slots[SLOT_COUNT];
};

enum err guesses_open(struct guesses **guesses) {
  struct guesses *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  pthread_mutex_init(&made->lock, NULL);
  *guesses = made;
  return ERR_OK;
}

void guesses_close(struct guesses *guesses) {
  if (!guesses) return;
  pthread_mutex_destroy(&guesses->lock);
  alloc_free(guesses);
}

bool guesses_admit(struct guesses *guesses, uint64_t key, int64_t now_us, unsigned *wait_s) {
  *wait_s = 0;
  pthread_mutex_lock(&guesses->lock);
  const struct slot *slot = &guesses->slots[key % SLOT_COUNT];
  int64_t left_us = slot->key == key ? slot->until_us - now_us : 0;
  pthread_mutex_unlock(&guesses->lock);
  if (left_us <= 0) return true;
  *wait_s = (unsigned)((left_us + (int64_t)CLOCK_SECOND_US - 1) / (int64_t)CLOCK_SECOND_US);
  return false;
}

void guesses_note(struct guesses *guesses, uint64_t key, size_t count, int64_t now_us) {
  if (count == 0) return;
  pthread_mutex_lock(&guesses->lock);
  struct slot *slot = &guesses->slots[key % SLOT_COUNT];
  if (slot->key != key || now_us - slot->since_us >= PERIOD_US)
    *slot = (struct slot){.key = key, .since_us = now_us, .until_us = slot->key == key ? slot->until_us : 0};
  slot->count += count;
  if (slot->count > GUESSES_MAX) {
    slot->until_us = now_us + PERIOD_US;
    slot->count = 0;
  }
  pthread_mutex_unlock(&guesses->lock);
}
