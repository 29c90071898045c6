// sheet: a row is open while `next` is not 0.
#include "attribution/sheet.h"

#include "base/csv.h"
#include "base/real.h"

void sheet_begin(struct sheet *sheet, struct buffer *out, bool json, const char *const *columns, size_t column_count) {
  *sheet = (struct sheet){.out = out, .columns = columns, .column_count = column_count, .json = json};
  json_writer_init(&sheet->writer, out);
  if (json) json_array_begin(&sheet->writer);
  for (size_t i = 0; i < column_count && !json; i++) {
    if (i > 0) buffer_append_byte(out, ',');
    csv_put_cell(out, bytes_from_text(columns[i]));
  }
  if (!json) buffer_append_byte(out, '\n');
}

void sheet_end(struct sheet *sheet) {
  if (sheet->json) json_array_end(&sheet->writer);
}

static void begin_cell(struct sheet *sheet) {
  if (sheet->json) {
    if (sheet->next == 0) json_object_begin(&sheet->writer);
    json_name(&sheet->writer, sheet->columns[sheet->next]);
  } else if (sheet->next > 0) {
    buffer_append_byte(sheet->out, ',');
  }
}

static void end_cell(struct sheet *sheet) {
  if (++sheet->next < sheet->column_count) return;
  sheet->next = 0;
  if (sheet->json)
    json_object_end(&sheet->writer);
  else
    buffer_append_byte(sheet->out, '\n');
}

void sheet_text(struct sheet *sheet, struct bytes text) {
  begin_cell(sheet);
  if (sheet->json)
    json_bytes(&sheet->writer, text);
  else
    csv_put_cell(sheet->out, text);
  end_cell(sheet);
}

void sheet_number(struct sheet *sheet, double number) {
  char text[REAL_TEXT_BYTES];
  struct bytes digits = bytes_of(text, real_write(text, number));
  begin_cell(sheet);
  if (sheet->json)
    json_raw(&sheet->writer, digits);
  else
    buffer_append_bytes(sheet->out, digits);
  end_cell(sheet);
}
