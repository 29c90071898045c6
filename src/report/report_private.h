// report_private: what the forms of a report read.
#pragma once

#include "report/report.h"

enum { REPORT_NONE = 0xff }; // kind of a cell that is not known; else an enum report_kind

struct report_cell {
  union {
    const uint8_t *text; // TEXT, in the arena
    uint64_t count;      // COUNT, DAYS
    double number;       // NUMBER, SHARE: finite
    int64_t units;       // MONEY: units / 10^scale
    int32_t day;
  };
  uint32_t text_bytes;
  uint8_t kind, scale;
};

struct report_table {
  const char *id, *title;
  struct report_column *columns;
  size_t column_count;
  struct report_cell *cells; // row by row
  size_t cell_count, cell_capacity;
};

struct report_fact {
  const char *key, *label;
  struct bytes text;
};

struct report {
  struct arena arena;
  const char *id, *title;
  struct report_fact *facts;
  size_t fact_count, fact_capacity;
  const char **notes;
  size_t note_count, note_capacity;
  struct report_table tables[REPORT_TABLES_MAX];
  size_t table_count;
  enum err err; // the first failure
  struct diag diag;
};

// Whole rows; cells of one that was not finished are not told.
size_t report_rows(const struct report_table *table);
static inline struct bytes report_cell_text(const struct report_cell *cell) {
  return bytes_of(cell->text, cell->text_bytes);
}

enum { REPORT_CELL_BYTES = 48 };
// A cell that is no text, as files have it ("12.50", "2026-01-31", "0.25"); of one that is not known nothing.
// NUL-terminated; returns its size.
size_t report_cell_format(const struct report_cell *cell, char out[REPORT_CELL_BYTES]);
enum { REPORT_DAY_BYTES = 10 };
void report_day_format(int32_t day, char out[REPORT_DAY_BYTES + 1]);
