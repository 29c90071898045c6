// Fuzz target: CSV files, header and rows, without a mapping.
//
// Checked: records follow one another without a gap and cover the text, also when it comes in two parts; fields lie
// within the record or the arena; a row that is built is a sound document.
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/csv.h"
#include "source/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

struct table {
  struct names *names;
  struct arena arena;
  struct source_map *map;
  struct bytes fields[CSV_COLUMNS];
  uint8_t delimiter;
};

static void build(struct table *table, size_t count) {
  struct value_builder builder;
  struct buffer packed;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, table->names);
  if (source_map_build(table->map, table->fields, count, &builder, NULL) == ERR_OK) {
    assert(value_builder_finish(&builder) == ERR_OK);
    assert(value_check(buffer_view(&packed), table->names, NULL) == ERR_OK);
  }
  buffer_release(&packed);
}

static void read_record(struct table *table, struct bytes record) {
  size_t count = 0;
  if (csv_fields(record, table->delimiter, &table->arena, table->fields, &count, NULL) != ERR_OK) return;
  assert(count > 0 && count <= CSV_COLUMNS);
  for (size_t i = 0; i < count; i++) {
    assert(table->fields[i].size_bytes <= CSV_FIELD_BYTES);
  }
  if (table->map != NULL) {
    build(table, count);
    return;
  }
  struct value none = {{NULL, 0}};
  (void)source_map_open(&table->map, none, table->fields, count, table->delimiter, table->names, &table->arena, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static struct table table;
  struct bytes text = bytes_of(data, size_bytes);
  table.map = NULL;
  assert(names_open(&table.names, NULL, NULL) == ERR_OK);
  arena_init(&table.arena, 0);
  table.delimiter = csv_delimiter(text);
  while (text.size_bytes > 0) {
    size_t size = csv_size(text, table.delimiter, true);
    assert(size > 0 && size <= text.size_bytes);
    size_t partial = csv_size(bytes_of(text.data, size / 2), table.delimiter, false);
    assert(partial == 0 || partial <= size);
    read_record(&table, bytes_of(text.data, size));
    text = bytes_of(text.data + size, text.size_bytes - size);
  }
  arena_release(&table.arena);
  names_close(table.names);
  return 0;
}
