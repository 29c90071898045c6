// report: the cells, as they are filled in.
//
// Invariants: cells of a table are `column_count` a row, in one array that grows; the kind of a cell is its column's or
// REPORT_NONE. Once a call has failed nothing is added any more, so that what is there is the beginning of what was
// asked for, and nobody shows it.
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/real.h"
#include "report/report_private.h"

enum { FIRST_CELLS = 64, FIRST_FACTS = 8, TEXT_BYTES_MAX = 1 << 20 };

static void fail(struct report *report) {
  if (report->err == ERR_OK) report->err = diag_no_memory(&report->diag);
}

static const char *keep(struct report *report, const char *text) {
  const char *kept = (const char *)arena_copy(&report->arena, bytes_from_text(text)).data;
  if (kept == NULL) fail(report);
  return kept;
}

enum err report_open(struct report **report, const char *id, const char *title) {
  struct report *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return ERR_NO_MEMORY;
  arena_init(&made->arena, 0);
  made->id = keep(made, id);
  made->title = keep(made, title);
  if (made->err != ERR_OK) {
    report_close(made);
    return ERR_NO_MEMORY;
  }
  *report = made;
  return ERR_OK;
}

void report_close(struct report *report) {
  if (report == NULL) return;
  for (size_t i = 0; i < report->table_count; i++) alloc_free(report->tables[i].cells);
  arena_release(&report->arena);
  alloc_free(report);
}

enum err report_failed(const struct report *report, struct diag *diag) {
  if (report->err != ERR_OK && diag != NULL) *diag = report->diag;
  return report->err;
}

void report_fact(struct report *report, const char *key, const char *label, struct bytes text) {
  if (report->err != ERR_OK) return;
  struct report_fact *facts =
      arena_grow(&report->arena, report->facts, report->fact_count, &report->fact_capacity, FIRST_FACTS, sizeof *facts);
  struct report_fact fact = {keep(report, key), keep(report, label), arena_copy(&report->arena, text)};
  if (facts == NULL || fact.text.data == NULL) fail(report);
  if (report->err != ERR_OK) return;
  report->facts = facts;
  facts[report->fact_count++] = fact;
}

void report_note(struct report *report, const char *sentence) {
  if (report->err != ERR_OK) return;
  const char **notes =
      arena_grow(&report->arena, report->notes, report->note_count, &report->note_capacity, FIRST_FACTS, sizeof *notes);
  const char *kept = keep(report, sentence);
  if (notes == NULL) fail(report);
  if (report->err != ERR_OK) return;
  report->notes = notes;
  notes[report->note_count++] = kept;
}

// --- tables --------------------------------------------------------------------------------------------------

static enum err too_large(struct report *report, const char *what, size_t most) {
  report->err = diag_set(&report->diag, ERR_LIMIT, "too_large",
                         "the report has more than %zu %s; ask for a shorter period or for less", most, what);
  return report->err;
}

void report_table(struct report *report, const char *id, const char *title, const struct report_column *columns,
                  size_t column_count) {
  if (report->err != ERR_OK) return;
  assert(column_count > 0);
  if (report->table_count == REPORT_TABLES_MAX) {
    too_large(report, "tables", REPORT_TABLES_MAX);
  } else if (column_count > REPORT_COLUMNS_MAX) {
    too_large(report, "columns", REPORT_COLUMNS_MAX);
  } else {
    struct report_table *table = &report->tables[report->table_count];
    *table = (struct report_table){.id = keep(report, id), .title = keep(report, title), .column_count = column_count};
    table->columns = arena_take(&report->arena, column_count * sizeof *columns);
    if (table->columns == NULL) fail(report);
    for (size_t i = 0; report->err == ERR_OK && i < column_count; i++)
      table->columns[i] =
          (struct report_column){keep(report, columns[i].key), keep(report, columns[i].label), columns[i].kind};
    report->table_count += report->err == ERR_OK;
  }
}

size_t report_rows(const struct report_table *table) {
  return table->cell_count / table->column_count;
}

static bool make_room(struct report *report, struct report_table *table) {
  if (table->cell_count < table->cell_capacity) return true;
  size_t capacity = table->cell_capacity == 0 ? FIRST_CELLS : 2 * table->cell_capacity;
  struct report_cell *grown = alloc_resize(table->cells, capacity * sizeof *grown);
  if (grown == NULL) {
    fail(report);
    return false;
  }
  table->cells = grown;
  table->cell_capacity = capacity;
  return true;
}

// The next cell of the table at hand; NULL when nothing is added any more. A kind that is not the column's is a bug.
static struct report_cell *next_cell(struct report *report, unsigned kinds) {
  if (report->err != ERR_OK) return NULL;
  assert(report->table_count > 0);
  struct report_table *table = &report->tables[report->table_count - 1];
  enum report_kind kind = table->columns[table->cell_count % table->column_count].kind;
  assert(kinds & 1U << kind);
  if (report_rows(table) == REPORT_ROWS_MAX) {
    too_large(report, "rows in one table", REPORT_ROWS_MAX);
    return NULL;
  }
  if (!make_room(report, table)) return NULL;
  struct report_cell *cell = &table->cells[table->cell_count++];
  *cell = (struct report_cell){.kind = (uint8_t)kind};
  return cell;
}

void report_text(struct report *report, struct bytes text) {
  struct report_cell *cell = next_cell(report, 1U << REPORT_TEXT);
  if (cell == NULL) return;
  if (text.size_bytes > TEXT_BYTES_MAX) text.size_bytes = TEXT_BYTES_MAX;
  cell->text = arena_copy(&report->arena, text).data;
  cell->text_bytes = (uint32_t)text.size_bytes;
  if (cell->text == NULL) fail(report);
}

void report_count(struct report *report, uint64_t count) {
  struct report_cell *cell = next_cell(report, 1U << REPORT_COUNT | 1U << REPORT_DAYS);
  if (cell != NULL) cell->count = count;
}

void report_number(struct report *report, double number) {
  struct report_cell *cell = next_cell(report, 1U << REPORT_NUMBER | 1U << REPORT_SHARE);
  if (cell == NULL) return;
  cell->number = number;
  if (!isfinite(number)) cell->kind = REPORT_NONE;
}

void report_decimal(struct report *report, int64_t units, unsigned scale) {
  struct report_cell *cell = next_cell(report, 1U << REPORT_MONEY);
  assert(scale <= 18);
  if (cell == NULL) return;
  cell->units = units;
  cell->scale = (uint8_t)scale;
}

void report_day(struct report *report, int32_t day) {
  struct report_cell *cell = next_cell(report, 1U << REPORT_DAY);
  if (cell != NULL) cell->day = day;
}

void report_none(struct report *report) {
  struct report_cell *cell = next_cell(report, ~0U);
  if (cell != NULL) cell->kind = REPORT_NONE;
}

// --- cells as text -------------------------------------------------------------------------------------------

void report_day_format(int32_t day, char out[REPORT_DAY_BYTES + 1]) {
  char text[CLOCK_TEXT_BYTES];
  clock_format(day * CLOCK_DAY_US, text);
  memcpy(out, text, REPORT_DAY_BYTES);
  out[REPORT_DAY_BYTES] = '\0';
}

static size_t format_money(const struct report_cell *cell, char out[REPORT_CELL_BYTES]) {
  uint64_t magnitude = cell->units < 0 ? 0 - (uint64_t)cell->units : (uint64_t)cell->units, unit = 1;
  const char *sign = cell->units < 0 ? "-" : "";
  for (unsigned i = 0; i < cell->scale; i++) unit *= 10;
  if (cell->scale == 0) return (size_t)snprintf(out, REPORT_CELL_BYTES, "%s%llu", sign, (unsigned long long)magnitude);
  return (size_t)snprintf(out, REPORT_CELL_BYTES, "%s%llu.%0*llu", sign, (unsigned long long)(magnitude / unit),
                          (int)cell->scale, (unsigned long long)(magnitude % unit));
}

size_t report_cell_format(const struct report_cell *cell, char out[REPORT_CELL_BYTES]) {
  out[0] = '\0';
  switch (cell->kind) {
  case REPORT_COUNT:
  case REPORT_DAYS:
    return (size_t)snprintf(out, REPORT_CELL_BYTES, "%llu", (unsigned long long)cell->count);
  case REPORT_NUMBER:
  case REPORT_SHARE:
    return real_write(out, cell->number == 0 ? 0 : cell->number); // no -0
  case REPORT_MONEY:
    return format_money(cell, out);
  case REPORT_DAY:
    report_day_format(cell->day, out);
    return REPORT_DAY_BYTES;
  default:
    return 0;
  }
}
