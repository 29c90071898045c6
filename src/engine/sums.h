// sums: exact sums by name: so much revenue in this store, so many orders through that channel.
//
// Layer 6. Private to engine/. Whole numbers, checked: what would not fit is told, never wrapped round. Parts of a walk
// each fill their own and are then added up, in any order, to the same.
// Memory: names are copied; a table owns them until sums_release. Threads: one at a time.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

enum { SUMS_NAMES_MAX = 1000000 }; // what a table of a report holds

struct sums_row {
  struct bytes name; // empty: that of what has none
  int64_t *numbers;  // `width` of them
};

struct sums {
  struct arena arena;
  size_t width; // numbers of a row
  struct sums_row *rows;
  size_t count, capacity;
  uint32_t *slots; // row + 1 by hash; 0: free
  size_t slot_count;
};

void sums_init(struct sums *sums, size_t width);
void sums_release(struct sums *sums);

// The row of this name, made with zeros where there is none; good until the next call. ERR_NO_MEMORY; ERR_LIMIT code
// "too_large".
enum err sums_row(struct sums *sums, struct bytes name, int64_t **numbers, struct diag *diag);

// Adds all rows of `from`. ERR_LIMIT code "overflow".
enum err sums_add(struct sums *sums, const struct sums *from, struct diag *diag);

// Puts rows in order: largest of `numbers[by]` first, then by name. Afterwards no row may be asked for.
void sums_sort(struct sums *sums, size_t by);

// *to += number. ERR_LIMIT code "overflow".
enum err sums_count(int64_t *to, int64_t number, struct diag *diag);
