// store_cursor: walks a range in both directions, and ranges that live in memory.
//
// Layer 2, private to this folder.
#pragma once

#include "store/store_backend.h"

// A cursor over `range`, which it closes with itself (also when this fails).
enum err store_cursor_open(struct store_cursor **cursor, struct store_range *range);

// Replaces `range` by its rows with `writes` laid over them, all in memory. `writes` are the changes inside the
// range, in any order; the array is sorted in place. `range` is closed in every case.
enum err store_range_overlay(struct store_range **range, const struct store_write **writes, size_t count);
