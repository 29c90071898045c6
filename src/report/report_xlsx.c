// report_xlsx: a workbook, a sheet for each table, through libxlsxwriter.
//
// The library writes files, so it is given one that is in memory alone (its parts lie in temporary files meanwhile,
// which have no names). Texts go in as strings and nothing else; one that a spreadsheet would take for a formula gets
// the same apostrophe as in CSV, because a sheet may be saved as CSV later. The bytes do not tell when they were made:
// the document's date is a constant, and the library dates the parts of its archive the same way.
// Figures are doubles in this format: money beyond 15 digits is rounded there, and exact in JSON and CSV.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "base/csv.h"
#include "report/report_private.h"

enum {
  SHEET_NAME_COLUMNS = 31, // what Excel allows
  STRING_POINTS = 32767,
  EXCEL_EPOCH_DAYS = 25569, // from 1899-12-30 to 1970-01-01
  FIRST_EXCEL_DAY = 60,     // 1900-02-29, which never was: days before are counted differently
  COLUMN_WIDTH_MIN = 10,
  COLUMN_WIDTH_MAX = 40,
  LABEL_WIDTH = 20, // of the first sheet
  TEXT_WIDTH = 80,
  WIDTH_ROWS = 200, // looked at for the width of a column
};
#define CREATED ((time_t)1767225600) // 2026-01-01

struct book {
  lxw_workbook *workbook;
  lxw_format *bold, *formats[REPORT_DAY + 1]; // by kind; NULL: as it is
  struct arena arena;                         // of one string
  lxw_error error;                            // the first
  bool no_memory;
};

static void note_error(struct book *book, lxw_error error) {
  if (book->error == LXW_NO_ERROR) book->error = error;
}

// --- strings -------------------------------------------------------------------------------------------------

// At most `points` characters of the text.
static size_t cut(struct bytes text, size_t points) {
  size_t at = 0;
  for (; at < text.size_bytes; at++)
    if ((text.data[at] & 0xc0) != 0x80 && points-- == 0) break;
  return at;
}

static void put_string(struct book *book, lxw_worksheet *sheet, size_t row, size_t column, struct bytes text,
                       lxw_format *format) {
  const char *guard = csv_is_formula(text) ? "'" : "";
  arena_clear(&book->arena);
  const char *copy =
      arena_format(&book->arena, "%s%.*s", guard, (int)cut(text, STRING_POINTS - 1), (const char *)text.data);
  if (copy == NULL)
    book->no_memory = true;
  else
    note_error(book, worksheet_write_string(sheet, (lxw_row_t)row, (lxw_col_t)column, copy, format));
}

static void put_label(struct book *book, lxw_worksheet *sheet, size_t row, size_t column, const char *text) {
  put_string(book, sheet, row, column, bytes_from_text(text), book->bold);
}

// --- sheets --------------------------------------------------------------------------------------------------

// Letters that Excel refuses are left out; of two sheets with one name the later gets a number.
static lxw_worksheet *add_sheet(struct book *book, const char *title, size_t number) {
  char name[4 * SHEET_NAME_COLUMNS + 16];
  size_t size = 0;
  struct bytes text = bytes_from_text(title);
  text.size_bytes = cut(text, SHEET_NAME_COLUMNS - 4);
  for (size_t i = 0; i < text.size_bytes; i++)
    if (strchr("[]:*?/\\'", text.data[i]) == NULL) name[size++] = (char)text.data[i];
  name[size] = '\0';
  if (size == 0 || workbook_validate_sheet_name(book->workbook, name) != LXW_NO_ERROR)
    snprintf(name + size, sizeof name - size, " %zu", number);
  lxw_worksheet *sheet = workbook_add_worksheet(book->workbook, name);
  if (sheet == NULL) note_error(book, LXW_ERROR_MEMORY_MALLOC_FAILED);
  return sheet;
}

static void put_about(struct book *book, const struct report *report) {
  lxw_worksheet *sheet = add_sheet(book, "About", 0);
  size_t row = 0;
  if (sheet == NULL) return;
  put_label(book, sheet, row++, 0, report->title);
  for (size_t i = 0; i < report->fact_count; i++) {
    put_label(book, sheet, row, 0, report->facts[i].label);
    put_string(book, sheet, row++, 1, report->facts[i].text, NULL);
  }
  for (size_t i = 0; i < report->note_count; i++)
    put_string(book, sheet, row++, 0, bytes_from_text(report->notes[i]), NULL);
  note_error(book, worksheet_set_column(sheet, 0, 0, LABEL_WIDTH, NULL));
  note_error(book, worksheet_set_column(sheet, 1, 1, TEXT_WIDTH, NULL));
}

static double number_of(const struct report_cell *cell) {
  double unit = 1;
  switch (cell->kind) {
  case REPORT_MONEY:
    for (unsigned i = 0; i < cell->scale; i++) unit *= 10;
    return (double)cell->units / unit;
  case REPORT_NUMBER:
  case REPORT_SHARE:
    return cell->number;
  case REPORT_DAY:
    return (double)cell->day + EXCEL_EPOCH_DAYS;
  default:
    return (double)cell->count;
  }
}

static void put_cell(struct book *book, lxw_worksheet *sheet, size_t row, size_t column,
                     const struct report_cell *cell) {
  char text[REPORT_CELL_BYTES];
  bool old = cell->kind == REPORT_DAY && cell->day + EXCEL_EPOCH_DAYS <= FIRST_EXCEL_DAY;
  if (cell->kind == REPORT_NONE) return;
  if (cell->kind == REPORT_TEXT)
    put_string(book, sheet, row, column, report_cell_text(cell), NULL);
  else if (old)
    put_string(book, sheet, row, column, bytes_of(text, report_cell_format(cell, text)), NULL);
  else
    note_error(book, worksheet_write_number(sheet, (lxw_row_t)row, (lxw_col_t)column, number_of(cell),
                                            book->formats[cell->kind]));
}

static double width_of(const struct report_table *table, size_t column) {
  size_t rows = report_rows(table), widest = cut(bytes_from_text(table->columns[column].label), SIZE_MAX) + 2;
  for (size_t row = 0; row < rows && row < WIDTH_ROWS; row++) {
    const struct report_cell *cell = &table->cells[row * table->column_count + column];
    if (cell->kind == REPORT_TEXT && cell->text_bytes > widest) widest = cell->text_bytes;
  }
  return widest < COLUMN_WIDTH_MIN ? COLUMN_WIDTH_MIN : widest > COLUMN_WIDTH_MAX ? COLUMN_WIDTH_MAX : (double)widest;
}

static void put_table(struct book *book, const struct report_table *table, size_t number) {
  size_t rows = report_rows(table), count = table->column_count;
  lxw_worksheet *sheet = add_sheet(book, table->title, number);
  if (sheet == NULL) return;
  for (size_t i = 0; i < count; i++) {
    put_label(book, sheet, 0, i, table->columns[i].label);
    note_error(book, worksheet_set_column(sheet, (lxw_col_t)i, (lxw_col_t)i, width_of(table, i), NULL));
  }
  worksheet_freeze_panes(sheet, 1, 0);
  for (size_t row = 0; row < rows; row++)
    for (size_t i = 0; i < count; i++) put_cell(book, sheet, row + 1, i, &table->cells[row * count + i]);
}

// --- the book ------------------------------------------------------------------------------------------------

static void make_formats(struct book *book) {
  static const char *const formats[REPORT_DAY + 1] = {
      [REPORT_COUNT] = "#,##0",    [REPORT_NUMBER] = "#,##0.00", [REPORT_SHARE] = "0.0%",
      [REPORT_MONEY] = "#,##0.00", [REPORT_DAYS] = "#,##0",      [REPORT_DAY] = "yyyy-mm-dd"};
  book->bold = workbook_add_format(book->workbook);
  if (book->bold != NULL) format_set_bold(book->bold);
  for (size_t i = 0; i <= REPORT_DAY; i++) {
    if (formats[i] == NULL) continue;
    book->formats[i] = workbook_add_format(book->workbook);
    if (book->formats[i] != NULL) format_set_num_format(book->formats[i], formats[i]);
  }
}

static void fill(struct book *book, const struct report *report) {
  lxw_doc_properties properties = {.title = (char *)report->title, .created = CREATED};
  make_formats(book);
  note_error(book, workbook_set_properties(book->workbook, &properties));
  put_about(book, report);
  for (size_t i = 0; i < report->table_count; i++) put_table(book, &report->tables[i], i + 1);
}

static enum err read_back(int file, struct buffer *out, struct diag *diag) {
  off_t size = lseek(file, 0, SEEK_END);
  if (size < 0 || lseek(file, 0, SEEK_SET) < 0) size = -1;
  if (size >= 0 && !buffer_reserve(out, (size_t)size)) return diag_no_memory(diag);
  for (off_t done = 0; done < size;) {
    ssize_t got = read(file, out->data + out->size_bytes, (size_t)(size - done));
    if (got <= 0) return diag_set(diag, ERR_IO, "io", "the workbook could not be read back: %s", strerror(errno));
    out->size_bytes += (size_t)got;
    done += got;
  }
  return size > 0 ? ERR_OK : diag_set(diag, ERR_IO, "io", "the workbook is empty");
}

static enum err explain(const struct book *book, lxw_error closed, struct diag *diag) {
  lxw_error error = book->error != LXW_NO_ERROR ? book->error : closed;
  if (book->no_memory || error == LXW_ERROR_MEMORY_MALLOC_FAILED) return diag_no_memory(diag);
  if (error == LXW_NO_ERROR) return ERR_OK;
  return diag_set(diag, ERR_IO, "io", "the workbook could not be written: %s%s", lxw_strerror(error),
                  error == LXW_ERROR_CREATING_TMPFILE ? "; the folder for temporary files (/tmp) must be writable"
                                                      : "");
}

static enum err write_to(const struct report *report, const char *path, struct diag *diag) {
  struct book book = {.workbook = workbook_new(path)};
  if (book.workbook == NULL) return diag_no_memory(diag);
  arena_init(&book.arena, 0);
  fill(&book, report);
  lxw_error closed = workbook_close(book.workbook); // also gives its memory back
  arena_release(&book.arena);
  return explain(&book, closed, diag);
}

enum err report_write_xlsx(const struct report *report, struct buffer *out, struct diag *diag) {
  char path[64];
  int file = memfd_create("report.xlsx", MFD_CLOEXEC);
  if (file < 0) return diag_set(diag, ERR_IO, "io", "there is no memory file for the workbook: %s", strerror(errno));
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  enum err err = write_to(report, path, diag);
  if (err == ERR_OK) err = read_back(file, out, diag);
  close(file);
  return err;
}
