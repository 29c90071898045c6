// report_write: JSON and CSV; and the forms by their names.
#include "base/csv.h"
#include "base/nearest.h"
#include "report/report_private.h"

static void write_cell(const struct report_cell *cell, struct json_writer *writer) {
  char text[REPORT_CELL_BYTES];
  size_t size = report_cell_format(cell, text);
  if (cell->kind == REPORT_NONE)
    json_null(writer);
  else if (cell->kind == REPORT_TEXT)
    json_bytes(writer, report_cell_text(cell));
  else if (cell->kind == REPORT_MONEY || cell->kind == REPORT_DAY)
    json_bytes(writer, bytes_of(text, size));
  else
    json_raw(writer, bytes_of(text, size));
}

static void write_table(const struct report_table *table, struct json_writer *writer) {
  size_t rows = report_rows(table);
  json_name(writer, table->id);
  json_array_begin(writer);
  for (size_t row = 0; row < rows; row++) {
    json_object_begin(writer);
    for (size_t i = 0; i < table->column_count; i++) {
      json_name(writer, table->columns[i].key);
      write_cell(&table->cells[row * table->column_count + i], writer);
    }
    json_object_end(writer);
  }
  json_array_end(writer);
}

void report_write_json(const struct report *report, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "report", report->id);
  json_member_text(writer, "title", report->title);
  for (size_t i = 0; i < report->fact_count; i++)
    json_member_bytes(writer, report->facts[i].key, report->facts[i].text);
  json_name(writer, "notes");
  json_array_begin(writer);
  for (size_t i = 0; i < report->note_count; i++) json_text(writer, report->notes[i]);
  json_array_end(writer);
  json_name(writer, "tables");
  json_object_begin(writer);
  for (size_t i = 0; i < report->table_count; i++) write_table(&report->tables[i], writer);
  json_object_end(writer);
  json_object_end(writer);
}

// --- CSV -----------------------------------------------------------------------------------------------------

static enum err no_such_table(const struct report *report, struct bytes wanted, struct diag *diag) {
  const char *known[REPORT_TABLES_MAX];
  struct buffer list;
  buffer_init(&list);
  for (size_t i = 0; i < report->table_count; i++) {
    known[i] = report->tables[i].id;
    buffer_append_format(&list, "%s%s", i > 0 ? ", " : "", known[i]);
  }
  const char *nearest = nearest_slip(wanted, known, report->table_count);
  int size = (int)(wanted.size_bytes < 64 ? wanted.size_bytes : 64);
  enum err err =
      diag_set(diag, ERR_NOT_FOUND, "no_such_table", "the report \"%s\" has no table \"%.*s\"%s%s%s it has %.*s",
               report->id, size, (const char *)wanted.data, nearest != NULL ? "; did you mean \"" : ";",
               nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "", BYTES_ARG(buffer_view(&list)));
  if (list.failed) err = diag_no_memory(diag);
  buffer_release(&list);
  return err;
}

static void put_cell(const struct report_cell *cell, struct buffer *out) {
  char text[REPORT_CELL_BYTES];
  if (cell->kind == REPORT_TEXT)
    csv_put_cell(out, report_cell_text(cell));
  else
    buffer_append(out, text, report_cell_format(cell, text));
}

static void put_table(const struct report_table *table, struct buffer *out) {
  size_t count = report_rows(table) * table->column_count;
  for (size_t i = 0; i < table->column_count; i++) {
    csv_put_cell(out, bytes_from_text(table->columns[i].key));
    buffer_append_byte(out, i + 1 < table->column_count ? ',' : '\n');
  }
  for (size_t i = 0; i < count; i++) {
    put_cell(&table->cells[i], out);
    buffer_append_byte(out, (i + 1) % table->column_count != 0 ? ',' : '\n');
  }
}

enum err report_write_csv(const struct report *report, struct bytes table, struct buffer *out, struct diag *diag) {
  for (size_t i = 0; i < report->table_count; i++) {
    if (table.size_bytes > 0 && !bytes_equal(table, bytes_from_text(report->tables[i].id))) continue;
    put_table(&report->tables[i], out);
    return out->failed ? diag_no_memory(diag) : ERR_OK;
  }
  return no_such_table(report, table, diag);
}

// --- by name -------------------------------------------------------------------------------------------------

const char *const report_form_names[REPORT_FORM_COUNT] = {"text", "json", "csv", "xlsx"};
const char *const report_form_types[REPORT_FORM_COUNT] = {
    "text/plain; charset=utf-8", "application/json", "text/csv; charset=utf-8",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"};

enum err report_write(const struct report *report, enum report_form form, struct bytes table, struct buffer *out,
                      struct diag *diag) {
  struct json_writer writer;
  switch (form) {
  case REPORT_FORM_CSV:
    return report_write_csv(report, table, out, diag);
  case REPORT_FORM_XLSX:
    return report_write_xlsx(report, out, diag);
  case REPORT_FORM_JSON:
    json_writer_init(&writer, out);
    report_write_json(report, &writer);
    buffer_append_byte(out, '\n');
    break;
  default:
    report_write_text(report, REPORT_TEXT_ROWS, true, out);
  }
  return out->failed ? diag_no_memory(diag) : ERR_OK;
}
