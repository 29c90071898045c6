// guesses: keys that try out codes are made to wait.
//
// Layer 8. A code that nobody has is a slip of the fingers, or a guess. More than GUESSES_MAX of them within a minute
// from one key close the routes of codes to that key for a minute. In memory: a restart forgets.
// Threads: safe.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct guesses;

enum { GUESSES_MAX = 20, GUESSES_PERIOD_S = 60 };

enum err guesses_open(struct guesses **guesses);
void guesses_close(struct guesses *guesses);

// May this key ask for codes now? Otherwise *wait_s is the whole number of seconds, at least 1, after which it may.
// `now_us` is monotonic, also below.
bool guesses_admit(struct guesses *guesses, uint64_t key, int64_t now_us, unsigned *wait_s);

// `count` codes that it asked for were not there.
void guesses_note(struct guesses *guesses, uint64_t key, size_t count, int64_t now_us);
