// rounds: how many rounds a test of random steps runs, and the seed of the first.
//
// RAPPORT_MODEL_ROUNDS and RAPPORT_MODEL_SEED say it for one run: those of a failure are printed.
#pragma once

#include <stdlib.h>

// A sanitizer takes each round five to fifty times as long. It looks for what a round does to memory, which the first
// few show as well as thousands: those run without it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROUNDS_SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { ROUNDS_SANITIZED = 1 };
#else
enum { ROUNDS_SANITIZED = 0 };
#endif
#else
enum { ROUNDS_SANITIZED = 0 };
#endif

static inline unsigned rounds_setting(const char *name, unsigned otherwise) {
  const char *text = getenv(name);
  return text == NULL ? otherwise : (unsigned)strtoul(text, NULL, 10);
}

static inline unsigned rounds_first(void) {
  return rounds_setting("RAPPORT_MODEL_SEED", 1);
}

static inline unsigned rounds_count(unsigned usual) {
  return rounds_setting("RAPPORT_MODEL_ROUNDS", usual);
}
