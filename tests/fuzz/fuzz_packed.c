// fuzz_packed: any bytes either fail value_check or can be read, walked and printed without harm, and their JSON, when
// our own reader's limits let it in, reads back to an equal value.
#include <stdlib.h>

#include "value/value.h"

static struct names *names;  // what the input may refer to
static struct names *others; // of the copy read back: `names` must not learn the input's inline names
static struct value_parser *parser;
static struct buffer json, again;

static void walk(struct value value) {
  struct value_iter iter = value_iterate(value);
  while (value_next(&iter)) {
    if (iter.is_document && iter.name_id != 0 && value_is_absent(value_member_id(value, iter.name_id))) abort();
    if (iter.is_document && value_is_absent(value_member(value, names, value_iter_name(&iter, names)))) abort();
    walk(iter.item);
  }
}

static void open_all(void) {
  uint32_t id;
  if (names_open(&names, NULL, NULL) != ERR_OK || names_open(&others, NULL, NULL) != ERR_OK ||
      value_parser_open(&parser) != ERR_OK)
    abort();
  if (names_intern(names, BYTES("a"), &id, NULL) != ERR_OK || names_intern(names, BYTES("b"), &id, NULL) != ERR_OK)
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (names == NULL) open_all();
  struct value value = {bytes_of(data, size)};
  struct json_writer writer;
  if (value_check(value.packed, names, NULL) != ERR_OK) return 0;
  walk(value);
  if (!value_equal(value, value)) abort();
  buffer_clear(&json);
  buffer_clear(&again);
  json_writer_init(&writer, &json);
  value_to_json(&writer, value, names);
  // Inline names of the input become ids in the copy, so the packed bytes may differ; the JSON may not.
  if (value_parse_json(parser, buffer_view(&json), others, &again, NULL) != ERR_OK) return 0;
  size_t size_before = json.size_bytes;
  json_writer_init(&writer, &json);
  value_to_json(&writer, (struct value){buffer_view(&again)}, others);
  struct bytes first = bytes_of(json.data, size_before);
  if (!bytes_equal(first, bytes_of(json.data + size_before, json.size_bytes - size_before))) abort();
  return 0;
}
