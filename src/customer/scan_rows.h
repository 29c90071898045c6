// scan_rows: the rows of TIMELINE in order, for a scan: out of strips where they hold, else of the store. Private to
// customer/.
#pragma once

#include "customer/scan.h"
#include "customer/timeline_pack.h"

struct scan_rows {
  // The present row. In a strip it is the only one of its id, and there is its pack instead of the row itself.
  bool has, in_strip;
  uint64_t id;
  struct bytes row;
  struct timeline_pack pack; // valid until the next scan_rows_next

  struct store_cursor *cursor;
  struct {
    bool moved, has; // `moved`: the cursor stands somewhere; before that any row may be ahead
    uint64_t id;
    struct bytes row;
  } ahead; // where the cursor stands
  struct strips *strips;
  uint32_t epoch;
  uint64_t from, to;         // of the scan
  uint64_t end;              // no rows from here on
  uint64_t first;            // of the present strip
  bool strip_holds, covered; // the scan sees the whole strip
  struct buffer strip;       // being read, or being made
  struct arena arena;        // of one row being packed
  size_t at;                 // in `strip`
  size_t last;               // where its last entry begins, when it is made
  uint64_t next;             // ids of the strip before this are done
  struct strips_good good;
};

// Opens at the first row. `rows` is zeroed; release it also after a failure.
enum err scan_rows_open(struct scan_rows *rows, const struct scan_options *options);
enum err scan_rows_next(struct scan_rows *rows);
// Goes on to the first row of `id` or a later one. Only without strips.
enum err scan_rows_go(struct scan_rows *rows, uint64_t id);
void scan_rows_release(struct scan_rows *rows);
