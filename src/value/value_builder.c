// value_builder: packed values written front to back; a container's size is filled in when it ends.
//
// Invariant: `open[0 .. depth)` are the offsets of the size fields of the containers that are open. After the buffer
// failed nothing is written any more and the offsets are not followed.
#include <assert.h>

#include "value/value.h"
#include "value/value_pack.h"

void value_builder_init(struct value_builder *builder, struct buffer *out, struct names *names) {
  builder->out = out;
  builder->names = names;
  builder->err = ERR_OK;
  builder->depth = 0;
}

void value_put_null(struct value_builder *builder) {
  buffer_append_byte(builder->out, PACK_NULL);
}

void value_put_bool(struct value_builder *builder, bool value) {
  buffer_append_byte(builder->out, value ? PACK_TRUE : PACK_FALSE);
}

void value_put_i64(struct value_builder *builder, int64_t number) {
  value_put_number(builder, decimal_from_i64(number));
}

void value_put_number(struct value_builder *builder, struct decimal number) {
  uint8_t packed[PACK_NUMBER_BYTES];
  buffer_append(builder->out, packed, (size_t)(pack_number(packed, number) - packed));
}

void value_put_text(struct value_builder *builder, struct bytes text) {
  uint8_t head[1 + PACK_VARINT_BYTES] = {PACK_TEXT};
  buffer_append(builder->out, head, (size_t)(pack_varint(head + 1, text.size_bytes) - head));
  buffer_append_bytes(builder->out, text);
}

void value_put_value(struct value_builder *builder, struct value value) {
  if (value_is_absent(value)) {
    value_put_null(builder);
  } else {
    buffer_append_bytes(builder->out, value.packed);
  }
}

static void begin(struct value_builder *builder, enum pack_tag tag) {
  assert(builder->depth < JSON_WRITER_DEPTH_MAX);
  buffer_append_byte(builder->out, (uint8_t)tag);
  builder->open[builder->depth++] = builder->out->size_bytes;
  buffer_append(builder->out, (const uint8_t[4]){0}, 4);
}

static void end(struct value_builder *builder) {
  assert(builder->depth > 0);
  size_t at = builder->open[--builder->depth];
  if (builder->out->failed) return;
  size_t size = builder->out->size_bytes - at - 4;
  if (size > UINT32_MAX) {
    builder->err = ERR_LIMIT;
    return;
  }
  pack_size32(builder->out->data + at, (uint32_t)size);
}

void value_list_begin(struct value_builder *builder) {
  begin(builder, PACK_LIST);
}
void value_list_end(struct value_builder *builder) {
  end(builder);
}
void value_document_begin(struct value_builder *builder) {
  begin(builder, PACK_DOCUMENT);
}
void value_document_end(struct value_builder *builder) {
  end(builder);
}

void value_put_name(struct value_builder *builder, struct bytes name) {
  uint32_t id = 0;
  enum err err = names_intern(builder->names, name, &id, NULL);
  if (err != ERR_OK && builder->err == ERR_OK) builder->err = err;
  uint8_t head[PACK_VARINT_BYTES];
  uint64_t key = id != 0 ? (uint64_t)id << 1 : (uint64_t)name.size_bytes << 1 | 1;
  buffer_append(builder->out, head, (size_t)(pack_varint(head, key) - head));
  if (id == 0) buffer_append_bytes(builder->out, name);
}

enum err value_builder_finish(struct value_builder *builder) {
  assert(builder->depth == 0);
  if (builder->err != ERR_OK) return builder->err;
  return builder->out->failed ? ERR_NO_MEMORY : ERR_OK;
}
