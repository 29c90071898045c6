// rows.c: the stored forms that only the engine knows: rows of IDENTIFIER for persons, and rows of EDGE.
//
// EDGE rows are packed documents so that the API shows them as they are and new members need no new format. Identifiers
// stand in them as text, "email:zoe@exemple.fr": the row can be read without the rules that were in force.
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "rule/check.h"

void engine_person_encode(const struct engine_person_row *row, uint8_t out[10]) {
  out[0] = ENGINE_ROW_PERSON;
  for (size_t i = 0; i < sizeof row->customer; i++) out[1 + i] = (uint8_t)(row->customer >> (56 - 8 * i));
  out[9] = row->shared;
}

bool engine_person_decode(struct bytes bytes, struct engine_person_row *row) {
  if (bytes.size_bytes != 10 || bytes.data[0] != ENGINE_ROW_PERSON || bytes.data[9] > 1) return false;
  row->customer = key_read_u64(bytes.data + 1);
  row->shared = bytes.data[9] == 1;
  return row->customer != 0 || row->shared;
}

void engine_edge_key(uint64_t customer, enum engine_edge_kind kind, uint64_t number, struct key *key) {
  key_init(key);
  key_put_u64(key, customer);
  key_put_u8(key, (uint8_t)kind);
  key_put_u64(key, number);
}

struct bytes engine_identifier_text(const struct engine *engine, struct identifier identifier, struct arena *arena) {
  struct bytes type = names_text(engine->names, identifier.type);
  uint8_t *text = arena_take(arena, type.size_bytes + 1 + identifier.value.size_bytes + 1);
  if (text == NULL) return BYTES("");
  memcpy(text, type.data, type.size_bytes);
  text[type.size_bytes] = ':';
  memcpy(text + type.size_bytes + 1, identifier.value.data, identifier.value.size_bytes);
  return bytes_of(text, type.size_bytes + 1 + identifier.value.size_bytes);
}

bool engine_identifier_read(const struct engine *engine, struct bytes text, struct identifier *identifier) {
  struct bytes type;
  if (!identifier_split(text, &type, &identifier->value)) return false;
  identifier->type = names_find(engine->names, type);
  return identifier->type != 0;
}

// --- building an edge's document -----------------------------------------------------------------------------

static void put_text(struct value_builder *builder, struct bytes name, struct bytes text) {
  if (text.size_bytes == 0) return;
  value_put_name(builder, name);
  value_put_text(builder, text);
}

static void put_time(struct value_builder *builder, struct bytes name, int64_t time_us) {
  char text[CLOCK_TEXT_BYTES];
  if (time_us == 0) return;
  clock_format(time_us, text);
  put_text(builder, name, bytes_from_text(text));
}

// False when memory is short: a row without its identifiers says nothing.
static bool put_identifier(struct value_builder *builder, const struct engine *engine, struct bytes name,
                           struct identifier identifier, struct arena *arena) {
  if (identifier.type == 0) return true;
  struct bytes text = engine_identifier_text(engine, identifier, arena);
  put_text(builder, name, text);
  return text.size_bytes > 0;
}

static void put_customer(struct value_builder *builder, struct bytes name, uint64_t customer) {
  char text[CUSTOMER_ID_TEXT_BYTES];
  if (customer == 0) return;
  customer_id_format(customer, text);
  put_text(builder, name, bytes_from_text(text));
}

static void put_number(struct value_builder *builder, const char *name, uint64_t number) {
  if (number != 0) engine_put_i64(builder, name, (int64_t)number);
}

static void put_source(struct value_builder *builder, struct engine *engine, uint32_t id) {
  const struct engine_source *source = engine_source(engine, id);
  if (source != NULL) put_text(builder, BYTES("source"), source->name);
}

enum err engine_edge_put(struct engine *engine, struct store_txn *txn, uint64_t customer, enum engine_edge_kind kind,
                         uint64_t number, const struct engine_edge_row *row, struct arena *arena) {
  struct value_builder builder;
  struct buffer buffer;
  struct key key;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, engine->names);
  value_document_begin(&builder);
  bool ok = put_identifier(&builder, engine, BYTES("a"), row->a, arena);
  ok = put_identifier(&builder, engine, BYTES("b"), row->b, arena) && ok;
  put_text(&builder, kind == ENGINE_EDGE_HISTORY ? BYTES("what") : BYTES("rule"), bytes_from_text(row->rule));
  put_customer(&builder, BYTES("customer"), row->customer);
  put_text(&builder, kind == ENGINE_EDGE_REFUSED ? BYTES("reason") : BYTES("state"), bytes_from_text(row->state));
  put_number(&builder, "sequence", row->sequence);
  put_source(&builder, engine, row->source);
  put_text(&builder, BYTES("message_id"), row->message_id);
  put_time(&builder, BYTES("time"), row->time_us);
  put_time(&builder, BYTES("received_at"), row->received_us);
  put_number(&builder, "rules", row->rules);
  put_number(&builder, "different", row->different ? 1 : 0);
  put_number(&builder, "stands_for", row->stands_for);
  ok = put_identifier(&builder, engine, BYTES("anchor"), row->anchor, arena) && ok;
  put_text(&builder, BYTES("author"), row->author);
  if (kind != ENGINE_EDGE_REFUSED) put_text(&builder, BYTES("reason"), row->reason);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK && !ok) err = ERR_NO_MEMORY;
  engine_edge_key(customer, kind, number, &key);
  if (err == ERR_OK) err = store_put(txn, STORE_EDGE, key_view(&key), buffer_view(&buffer));
  buffer_release(&buffer);
  return err;
}

// --- members of small documents ------------------------------------------------------------------------------

void engine_put_text(struct value_builder *builder, const char *name, struct bytes text) {
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

void engine_put_i64(struct value_builder *builder, const char *name, int64_t number) {
  value_put_name(builder, bytes_from_text(name));
  value_put_i64(builder, number);
}

struct bytes engine_member_text(const struct engine *engine, struct value document, const char *name) {
  struct bytes text = BYTES("");
  value_as_text(value_member(document, engine->names, bytes_from_text(name)), &text);
  return text;
}

int64_t engine_member_i64(const struct engine *engine, struct value document, const char *name) {
  struct decimal number;
  int64_t whole = 0;
  if (value_as_number(value_member(document, engine->names, bytes_from_text(name)), &number))
    decimal_to_scaled_i64(number, 0, &whole);
  return whole;
}

enum err engine_check_words(const char *member, struct bytes words, size_t most_bytes, struct diag *diag) {
  char code[DIAG_CODE_BYTES];
  if (words.size_bytes <= most_bytes && bytes_is_utf8(words)) return ERR_OK;
  snprintf(code, sizeof code, "bad_%s", member);
  diag_set(diag, ERR_INVALID, code, "the %s is at most %zu bytes of text; this one has %zu", member, most_bytes,
           words.size_bytes);
  diag_in_field(diag, "%s", member);
  return ERR_INVALID;
}

void engine_warnings_json(const struct rule_check *check, struct json_writer *writer) {
  json_name(writer, "warnings");
  json_array_begin(writer);
  for (size_t i = 0; i < check->warning_count; i++) {
    const struct rule_diag *warning = &check->warnings[i];
    json_object_begin(writer);
    json_member_text(writer, "code", warning->code);
    if (warning->field[0]) json_member_text(writer, "field", warning->field);
    json_member_u64(writer, "line", warning->place.line);
    json_member_u64(writer, "column", warning->place.column);
    json_member_text(writer, "message", warning->message);
    if (warning->nearest[0]) json_member_text(writer, "suggestion", warning->nearest);
    json_object_end(writer);
  }
  json_array_end(writer);
}
