// paths_csv: the file of paths that everybody shares (R's ChannelAttribution among them), read in several threads.
//
// Layer 5. Pure: the caller gives the bytes. A header names the columns: `path` and `total_conversions` must be there,
// `total_conversion_value` and `total_null` may; others are passed over. The delimiter is the one of , ; and tab that
// the header has most of. Fields may be quoted (RFC 4180) and as long as the file; lines without a byte are passed
// over. Counts are whole numbers from 0, values numbers with a decimal point. The result does not depend on the
// threads.
#pragma once

#include "attribution/paths.h"

struct paths_csv_options {
  struct bytes separator; // of steps; empty: " > "
  unsigned threads;       // 0: one
};

// Fills the empty set. ERR_INVALID codes "empty_file", "no_rows", "no_column", "bad_csv", "bad_number", "invalid_utf8";
// ERR_LIMIT "too_large", "too_many_channels". The message names line and column.
enum err paths_csv_read(struct bytes text, const struct paths_csv_options *options, struct paths *paths,
                        struct diag *diag);
