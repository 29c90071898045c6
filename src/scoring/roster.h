// roster: texts numbered from 0 in the order in which they first come.
//
// Layer 5. Pure. Texts are copied; a view is good until release. Made for files that their owner reads: hashes have no
// secret key, so whoever chooses texts for their hashes can make it slow. Threads: one roster, one thread.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

struct roster {
  struct arena texts;
  struct bytes *items; // by number
  uint32_t *slots;     // number + 1; 0: free
  size_t count, room, slot_count;
};

enum { ROSTER_MAX = 1 << 30 };

void roster_init(struct roster *roster);
void roster_release(struct roster *roster);

// The number of `text`, given to it now if it has none. ERR_NO_MEMORY, ERR_LIMIT past ROSTER_MAX.
enum err roster_number(struct roster *roster, struct bytes text, uint32_t *number);

// A number of its own for a text that has one already; the text is found by its first number or by this one.
enum err roster_again(struct roster *roster, struct bytes text, uint32_t *number);

// False when it has none.
bool roster_find(const struct roster *roster, struct bytes text, uint32_t *number);
