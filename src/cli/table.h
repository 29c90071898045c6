// table: chosen columns of a file, row by row: comma, semicolon, tab or blanks between them, with or without a header.
//
// Layer 8. Columns are named as the first line names them, or numbered from 1. When all are numbers, the first line is
// a header only if no chosen column of it begins with a digit or a sign. The file is read once, in pieces: "-" is
// standard input. Messages name the file and the line. Threads: one reader at a time (it listens to Ctrl-C).
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "value/decimal.h"

enum { TABLE_COLUMNS_MAX = 34, TABLE_NAME_BYTES = 256 };

struct table_columns {
  size_t count;
  char names[TABLE_COLUMNS_MAX][TABLE_NAME_BYTES];
};

// Takes "CUSTOMER,DATE,AMOUNT" apart: `least` to `most` columns; `expected` says in words what they are. ERR_INVALID
// code "usage".
enum err table_columns_read(struct table_columns *columns, const char *text, size_t least, size_t most,
                            const char *expected, struct diag *diag);
// One more, of a flag of its own. Its position is what `columns->count` was.
enum err table_columns_add(struct table_columns *columns, const char *name, struct diag *diag);

// One row; `cells` are trimmed, as many as there are columns, and valid during the call. An error ends the reading and
// gets the file and the line in front.
typedef enum err table_row_fn(void *context, uint64_t line, const struct bytes *cells, struct diag *diag);

// ERR_NOT_FOUND, ERR_IO: the file; ERR_INVALID code "no_column", "empty_file", "short_row", "bad_csv"; ERR_STOPPED
// after Ctrl-C.
enum err table_read(const char *path, const struct table_columns *columns, table_row_fn *row, void *context,
                    struct diag *diag);

// --- cells ---------------------------------------------------------------------------------------------------

// The day as it is written: 2006-12-31, 2006/12/31, 20061231, or the day of 2006-12-31T23:30:00+01:00. Days since
// 1970-01-01.
enum err table_day(struct bytes cell, int32_t *day, struct diag *diag);
// "2006-12-31"; `out` has 16 bytes.
void table_day_format(int32_t day, char *out);

// 12, 12.50, +3, .5, 1e3, 007. What a decimal holds.
enum err table_decimal(struct bytes cell, const char *what, struct decimal *number, struct diag *diag);
// The same as a double, and as a whole number of 0 or more.
enum err table_number(struct bytes cell, const char *what, double *number, struct diag *diag);
enum err table_count(struct bytes cell, const char *what, uint64_t *number, struct diag *diag);
