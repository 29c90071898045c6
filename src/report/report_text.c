// report_text: for a person at a terminal.
//
// Columns are as wide as their widest cell among the rows that are shown; texts are cut at CELL_COLUMNS, and lose their
// control characters: a name must not steer the terminal. Widths are counted in cells of the terminal.
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "report/report_private.h"

enum { CELL_COLUMNS = 40, BAR_COLUMNS = 20, SHOWN_BYTES = 4 * CELL_COLUMNS + 8 };

// A cell as it is shown.
struct shown {
  char text[SHOWN_BYTES];
  size_t size_bytes, columns;
};

// --- cells ---------------------------------------------------------------------------------------------------

static bool is_control(utf8proc_int32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
         (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static void show_text(struct bytes text, struct shown *shown) {
  *shown = (struct shown){0};
  for (size_t at = 0; at < text.size_bytes;) {
    utf8proc_int32_t point;
    utf8proc_ssize_t size = utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &point);
    if (size <= 0) {
      at++;
      continue;
    }
    size_t columns = (size_t)utf8proc_charwidth(point);
    if (!is_control(point) && shown->columns + columns > CELL_COLUMNS - 1 && at + (size_t)size < text.size_bytes) {
      memcpy(shown->text + shown->size_bytes, "…", 3);
      shown->size_bytes += 3;
      shown->columns++;
      return;
    }
    // Marks that take no room are bounded by the text's own bytes.
    if (!is_control(point) && shown->size_bytes + (size_t)size + 4 < SHOWN_BYTES) {
      memcpy(shown->text + shown->size_bytes, text.data + at, (size_t)size);
      shown->size_bytes += (size_t)size;
      shown->columns += columns;
    }
    at += (size_t)size;
  }
}

// The whole text, without control characters.
static void put_clean(struct buffer *out, struct bytes text) {
  for (size_t at = 0; at < text.size_bytes;) {
    utf8proc_int32_t point;
    utf8proc_ssize_t size = utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &point);
    if (size > 0 && !is_control(point)) buffer_append(out, text.data + at, (size_t)size);
    at += size > 0 ? (size_t)size : 1;
  }
}

// "1234567.50" as "1,234,567.50".
static void group_digits(const char *plain, struct shown *shown) {
  size_t sign = plain[0] == '-', digits = strspn(plain + sign, "0123456789"), at = 0;
  if (sign > 0) shown->text[at++] = '-';
  for (size_t i = 0; i < digits; i++) {
    if (i > 0 && (digits - i) % 3 == 0) shown->text[at++] = ',';
    shown->text[at++] = plain[sign + i];
  }
  shown->size_bytes = at + (size_t)snprintf(shown->text + at, SHOWN_BYTES - at, "%s", plain + sign + digits);
  shown->columns = shown->size_bytes;
}

static void show_plain(const char *text, struct shown *shown) {
  shown->size_bytes = (size_t)snprintf(shown->text, SHOWN_BYTES, "%s", text);
  shown->columns = shown->size_bytes;
}

static void show_cell(const struct report_cell *cell, struct shown *shown) {
  char text[400]; // of a double with two digits after the point
  *shown = (struct shown){0};
  switch (cell->kind) {
  case REPORT_TEXT:
    show_text(report_cell_text(cell), shown);
    break;
  case REPORT_NUMBER:
    snprintf(text, sizeof text, cell->number > -1e15 && cell->number < 1e15 ? "%.2f" : "%g", cell->number);
    group_digits(text, shown);
    break;
  case REPORT_SHARE:
    snprintf(text, sizeof text, "%.1f %%", cell->number * 100);
    show_plain(text, shown);
    break;
  case REPORT_COUNT:
  case REPORT_MONEY:
    report_cell_format(cell, text);
    group_digits(text, shown);
    break;
  case REPORT_NONE:
    show_plain("-", shown);
    break;
  default:
    report_cell_format(cell, text);
    show_plain(text, shown);
  }
}

// --- bars ----------------------------------------------------------------------------------------------------

// Which column has bars: the one called "share", because what changed, and a matrix of shares, are no parts of one
// whole. column_count: none.
static size_t bar_column(const struct report_table *table) {
  size_t at = 0;
  while (at < table->column_count &&
         (table->columns[at].kind != REPORT_SHARE || strcmp(table->columns[at].key, "share") != 0))
    at++;
  return at;
}

static void put_bar(const struct report_cell *cell, struct buffer *out) {
  static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (cell->kind != REPORT_SHARE || cell->number <= 0) return;
  double share = cell->number > 1 ? 1 : cell->number;
  unsigned eighths = (unsigned)(share * BAR_COLUMNS * 8 + 0.5);
  if (eighths == 0) return;
  buffer_append_text(out, "  ");
  for (unsigned i = 0; i < eighths / 8; i++) buffer_append_text(out, "█");
  buffer_append_text(out, parts[eighths % 8]);
}

// --- tables --------------------------------------------------------------------------------------------------

static void put_blanks(struct buffer *out, size_t count) {
  for (size_t i = 0; i < count; i++) buffer_append_byte(out, ' ');
}

// Texts to the left, figures to the right.
static void put_shown(struct buffer *out, const struct shown *shown, size_t width, bool left, bool last) {
  buffer_append_text(out, "  ");
  if (!left) put_blanks(out, width - shown->columns);
  buffer_append(out, shown->text, shown->size_bytes);
  if (left && !last) put_blanks(out, width - shown->columns);
}

static bool is_left(const struct report_column *column) {
  return column->kind == REPORT_TEXT || column->kind == REPORT_DAY;
}

static void put_rows(const struct report_table *table, size_t rows, bool bars, const size_t *widths,
                     struct buffer *out) {
  size_t with_bar = bars ? bar_column(table) : table->column_count, count = table->column_count;
  struct shown shown;
  for (size_t row = 0; row < rows; row++) {
    const struct report_cell *cells = &table->cells[row * count];
    for (size_t i = 0; i < count; i++) {
      show_cell(&cells[i], &shown);
      put_shown(out, &shown, widths[i], is_left(&table->columns[i]), i + 1 == count);
    }
    if (with_bar < count) put_bar(&cells[with_bar], out);
    buffer_append_byte(out, '\n');
  }
}

static void put_table(const struct report_table *table, size_t most, bool bars, struct buffer *out) {
  size_t widths[REPORT_COLUMNS_MAX], all = report_rows(table), rows = most == 0 || all < most ? all : most;
  struct shown shown;
  for (size_t i = 0; i < table->column_count; i++) {
    show_text(bytes_from_text(table->columns[i].label), &shown);
    widths[i] = shown.columns;
    for (size_t row = 0; row < rows; row++) {
      show_cell(&table->cells[row * table->column_count + i], &shown);
      if (shown.columns > widths[i]) widths[i] = shown.columns;
    }
  }
  buffer_append_format(out, "\n%s\n", table->title);
  for (size_t i = 0; i < table->column_count; i++) {
    show_text(bytes_from_text(table->columns[i].label), &shown);
    put_shown(out, &shown, widths[i], is_left(&table->columns[i]), i + 1 == table->column_count);
  }
  buffer_append_byte(out, '\n');
  put_rows(table, rows, bars, widths, out);
  if (all == 0) buffer_append_text(out, "  (none)\n");
  if (rows < all) buffer_append_format(out, "  (%zu more)\n", all - rows);
}

// --- the whole -----------------------------------------------------------------------------------------------

static void put_facts(const struct report *report, struct buffer *out) {
  size_t width = 0;
  struct shown shown;
  for (size_t i = 0; i < report->fact_count; i++) {
    show_text(bytes_from_text(report->facts[i].label), &shown);
    if (shown.columns > width) width = shown.columns;
  }
  for (size_t i = 0; i < report->fact_count; i++) {
    show_text(bytes_from_text(report->facts[i].label), &shown);
    put_shown(out, &shown, width, true, false);
    buffer_append_text(out, "  ");
    put_clean(out, report->facts[i].text); // it may be long, and hold what somebody has called something
    buffer_append_byte(out, '\n');
  }
}

void report_write_text(const struct report *report, size_t rows, bool bars, struct buffer *out) {
  buffer_append_format(out, "%s\n", report->title);
  put_facts(report, out);
  for (size_t i = 0; i < report->table_count; i++) put_table(&report->tables[i], rows, bars, out);
  for (size_t i = 0; i < report->note_count; i++)
    buffer_append_format(out, "%s%s\n", i == 0 ? "\n" : "", report->notes[i]);
}
