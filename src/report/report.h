// report: results as tables of typed cells, and the forms in which people and programs take them: JSON, CSV, XLSX,
// text.
//
// Layer 2. Pure: whoever computes fills a report cell by cell, in the order in which it is to be read, and every form
// is written from that. What is the same is written as the same bytes. Texts come from the web: in CSV and XLSX none
// is taken for a formula (csv_put_cell).
// Memory: names, notes and cells are copied into the report, between report_init and report_release. A failed call is
// remembered: later ones do nothing, and report_failed says so at the end. Threads: one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/json_writer.h"

enum {
  REPORT_TABLES_MAX = 64,
  REPORT_COLUMNS_MAX = 256,
  REPORT_ROWS_MAX = 1000000, // of one table; what an XLSX sheet holds
  REPORT_TEXT_ROWS = 100,    // of each table for a person who did not say how many
};

enum report_kind {
  REPORT_TEXT,
  REPORT_COUNT,  // a whole number
  REPORT_NUMBER, // a double; people are shown it with 2 digits after the point, files have all of them
  REPORT_SHARE,  // a part of 1; people are shown it as a percentage
  REPORT_MONEY,  // an exact decimal
  REPORT_DAYS,   // a whole number of days
  REPORT_DAY,    // a date: days since 1970-01-01
};

struct report_column {
  const char *key;   // "new_customers": stable, of JSON and CSV
  const char *label; // "New customers": of XLSX and the screen
  enum report_kind kind;
};

struct report;

enum err report_open(struct report **report, const char *id, const char *title);
void report_close(struct report *report); // NULL is fine

// One fact about the whole: ("period", "From 2026-01-01 to 2026-03-31"). What a marketer needs to read the tables
// alone: what was counted, of which time, by which definition.
void report_fact(struct report *report, const char *key, const char *label, struct bytes text);
// A sentence that stands below the tables: a warning, what is left out.
void report_note(struct report *report, const char *sentence);

// Begins a table; columns are copied. Cells come row by row, in the order of the columns.
void report_table(struct report *report, const char *id, const char *title, const struct report_column *columns,
                  size_t column_count);
void report_text(struct report *report, struct bytes text);
void report_count(struct report *report, uint64_t count); // of COUNT and DAYS
void report_number(struct report *report, double number); // of NUMBER and SHARE; what is not finite is written as none
void report_decimal(struct report *report, int64_t units, unsigned scale); // of MONEY: units / 10^scale
void report_day(struct report *report, int32_t day);
void report_none(struct report *report); // not known: null, or an empty cell

// ERR_NO_MEMORY, ERR_LIMIT code "too_large" of the first call that failed, or ERR_OK.
enum err report_failed(const struct report *report, struct diag *diag);

// --- forms ---------------------------------------------------------------------------------------------------

// {"report":ID,"title",KEY:…facts,"notes":[…],"tables":{ID:[{column:value,…},…],…}}. Money is text ("12.50"), as
// everywhere; numbers are shortest round-trip doubles.
void report_write_json(const struct report *report, struct json_writer *writer);
// One table with its header line of keys. ERR_NOT_FOUND code "no_such_table" with the tables there are; `table` empty:
// the first.
enum err report_write_csv(const struct report *report, struct bytes table, struct buffer *out, struct diag *diag);
// All tables, a sheet each, the facts and notes on the first sheet ("About"). The bytes do not tell when they were
// made.
enum err report_write_xlsx(const struct report *report, struct buffer *out, struct diag *diag);
// For a terminal: title, facts, tables aligned, small bars for the column "share" where `bars`; at most `rows` of each
// table (0: all).
void report_write_text(const struct report *report, size_t rows, bool bars, struct buffer *out);

enum report_form { REPORT_FORM_TEXT, REPORT_FORM_JSON, REPORT_FORM_CSV, REPORT_FORM_XLSX, REPORT_FORM_COUNT };
extern const char *const report_form_names[REPORT_FORM_COUNT]; // "text", "json", "csv", "xlsx"
extern const char *const report_form_types[REPORT_FORM_COUNT]; // of HTTP
// The report in this form: text with bars and REPORT_TEXT_ROWS, of CSV the table named. ERR_NO_MEMORY, ERR_IO, and
// those of report_write_csv.
enum err report_write(const struct report *report, enum report_form form, struct bytes table, struct buffer *out,
                      struct diag *diag);
