// value_to_json: a packed value as JSON text, members in the order in which they are stored.
#include "value/value.h"

static void write_number(struct json_writer *writer, struct value value) {
  struct decimal number;
  char text[DECIMAL_TEXT_BYTES];
  if (!value_as_number(value, &number)) return;
  size_t size = decimal_format(number, text);
  json_raw(writer, bytes_of(text, size));
}

static void write_items(struct json_writer *writer, struct value value, const struct names *names) {
  struct value_iter iter = value_iterate(value);
  while (value_next(&iter)) {
    if (iter.is_document) json_name_bytes(writer, value_iter_name(&iter, names));
    value_to_json(writer, iter.item, names);
  }
}

// Recursion is bounded by VALUE_DEPTH_MAX.
void value_to_json(struct json_writer *writer, struct value value, const struct names *names) {
  bool flag = false;
  struct bytes text = {0};
  switch (value_type(value)) {
  case VALUE_NULL:
    json_null(writer);
    break;
  case VALUE_BOOL:
    value_as_bool(value, &flag);
    json_bool(writer, flag);
    break;
  case VALUE_NUMBER:
    write_number(writer, value);
    break;
  case VALUE_TEXT:
    value_as_text(value, &text);
    json_bytes(writer, text);
    break;
  case VALUE_LIST:
    json_array_begin(writer);
    write_items(writer, value, names);
    json_array_end(writer);
    break;
  case VALUE_DOCUMENT:
    json_object_begin(writer);
    write_items(writer, value, names);
    json_object_end(writer);
    break;
  }
}
