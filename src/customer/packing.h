// packing: what packed segments and projections have in common: units of time, and indexes into dictionaries.
//
// Layer 4. Both store times as distances in the coarsest unit that keeps them, and a column of few different values as
// a dictionary and an index an event: of no bytes, four bits or eight, as the dictionary has one entry, at most
// PACKING_NIBBLE_ENTRIES, or more. Private to timeline_pack.c and projection_row.c. Threads: reads constants alone.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PACKING_NIBBLE_ENTRIES = 16 };

// A row tells its unit as the index into these: the order never changes.
static const int64_t packing_units_us[] = {1, 1000, 1000000};
enum { PACKING_UNITS = sizeof packing_units_us / sizeof *packing_units_us };

// Bytes that the indexes of `count` events take.
static inline size_t packing_index_bytes(size_t entries, size_t count) {
  if (entries <= 1) return 0;
  return entries <= PACKING_NIBBLE_ENTRIES ? (count + 1) / 2 : count;
}
