// sheet: rows of results as CSV or as a JSON array of objects.
//
// Layer 5. Pure: appends to a buffer. Numbers are written with the shortest text that reads back as the same double; a
// name that a spreadsheet would take for a formula is kept from it (csv_put_cell).
#pragma once

#include "base/json_writer.h"

struct sheet {
  struct buffer *out;
  const char *const *columns;
  size_t column_count, next; // next: the column of the next cell
  bool json;
  struct json_writer writer;
};

// `columns` is borrowed until sheet_end.
void sheet_begin(struct sheet *sheet, struct buffer *out, bool json, const char *const *columns, size_t column_count);
void sheet_end(struct sheet *sheet);

// The next cell; behind the last column the next row begins.
void sheet_text(struct sheet *sheet, struct bytes text);
void sheet_number(struct sheet *sheet, double number);
