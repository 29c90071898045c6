// occurrences: how many equal messages came before. Private to source/.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct source_occurrences {
  uint64_t *slots;
  size_t used, capacity;
};

void source_occurrences_init(struct source_occurrences *occurrences);
void source_occurrences_release(struct source_occurrences *occurrences);

// Counts one more message with this content hash: *occurrence is how many there were before. ERR_LIMIT when the table
// or a count is full: then it cannot be told, and nothing was counted.
enum err source_occurrences_next(struct source_occurrences *occurrences, const uint8_t hash[16], uint64_t *occurrence);
