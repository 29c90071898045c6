// scan_rows: the rows of TIMELINE in order, for a scan. Private to customer/.
#pragma once

#include "customer/scan.h"

struct scan_rows {
  bool has; // there is a present row
  uint64_t id;
  struct bytes row; // valid until the next one

  struct store_cursor *cursor;
  bool moved; // the cursor stands somewhere; before that any row may be ahead
};

// Opens at the first row. `rows` is zeroed; release it also after a failure.
enum err scan_rows_open(struct scan_rows *rows, const struct scan_options *options);
enum err scan_rows_next(struct scan_rows *rows);
// Goes on to the first row of `id` or a later one.
enum err scan_rows_go(struct scan_rows *rows, uint64_t id);
void scan_rows_release(struct scan_rows *rows);
