// csv: RFC 4180 as it is met: quotes, doubled quotes, line ends of either kind, a byte order mark.
//
// Layer 0. Reading gives views; writing appends to a buffer.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

enum { CSV_COLUMNS = 1024, CSV_FIELD_BYTES = 64 * 1024 };

// The delimiter of a header line: the one of , ; and tab that stands there most often outside quotes.
uint8_t csv_delimiter(struct bytes header);

// The size of the record that `text` begins with, its line end included; 0 when it does not end inside `text` and more
// may come. At the end of the file (`last`) a record needs no line end. A quote that is not closed within a field's
// limit, or not at all, is no quote: the record then ends with its first line.
size_t csv_size(struct bytes text, uint8_t delimiter, bool last);

// Splits one record (as csv_size measured it) into at most CSV_COLUMNS fields. Fields point into
// `record`, or into `arena` where quotes had to be undone. ERR_INVALID code "bad_csv", ERR_LIMIT code "too_large".
enum err csv_fields(struct bytes record, uint8_t delimiter, struct arena *arena, struct bytes *fields, size_t *count,
                    struct diag *diag);

// Appends a cell, in quotes where it needs them. A text that a spreadsheet would take for a formula (=cmd, @sum, and +
// or - before anything but a number or a phone number) gets an apostrophe in front, as OWASP's "CSV Injection" says:
// names come from the web.
void csv_put_cell(struct buffer *out, struct bytes text);

// Whether it is such a text.
bool csv_is_formula(struct bytes text);
