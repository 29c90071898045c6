// query_list.c: the columns of a list, and its rows one after another.
//
// A list is one walk in order of customer id, so that a page can go on after the last id of the one before, and nothing
// is kept but the row being written. In CSV a null is an empty cell, a list or a document its JSON.
#include <string.h>

#include "base/csv.h"
#include "base/nearest.h"
#include "engine/query_private.h"

enum { TELL_EVERY = 128 };

// --- fields --------------------------------------------------------------------------------------------------

bool engine_query_next_field(struct bytes *rest, struct bytes *field) {
  size_t at = 0, depth = 0;
  uint8_t quote = 0;
  if (rest->size_bytes == 0) return false;
  for (; at < rest->size_bytes; at++) {
    uint8_t byte = rest->data[at];
    if (quote != 0 && byte == '\\')
      at++;
    else if (quote != 0)
      quote = byte == quote ? 0 : quote;
    else if (byte == '"' || byte == '\'')
      quote = byte;
    else if (byte == '(')
      depth++;
    else if (byte == ')' && depth > 0)
      depth--;
    else if (byte == ',' && depth == 0)
      break;
  }
  size_t size = at < rest->size_bytes ? at : rest->size_bytes;
  *field = bytes_trim(bytes_of(rest->data, size));
  size_t used = size + (size < rest->size_bytes);
  *rest = bytes_of(rest->data + used, rest->size_bytes - used);
  return true;
}

static size_t word_size(struct bytes text) {
  size_t size = 0;
  for (; size < text.size_bytes; size++) {
    uint8_t byte = text.data[size];
    bool digit = byte >= '0' && byte <= '9';
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
    if (!letter && !(digit && size > 0)) break;
  }
  return size;
}

// "total=sum(…)": the name before a single `=`. False when it has none.
static bool split_name(struct bytes text, struct bytes *name, struct bytes *expression) {
  size_t size = word_size(text), at = size;
  while (at < text.size_bytes && text.data[at] == ' ') at++;
  if (size == 0 || at == text.size_bytes || text.data[at] != '=') return false;
  *name = bytes_of(text.data, size);
  *expression = bytes_trim(bytes_of(text.data + at + 1, text.size_bytes - at - 1));
  return true;
}

static enum err bad_field(const char *what, struct bytes text, struct diag *diag) {
  return diag_set(diag, ERR_INVALID, "bad_field", "field \"%.80s\": %s", (const char *)text.data, what);
}

static const struct identity_type *find_type(const struct engine_query *query, struct bytes name) {
  size_t count;
  const struct identity_type *types = identity_types(engine_rules(query->view->engine), &count);
  for (size_t i = 0; i < count; i++)
    if (bytes_equal(types[i].text, name)) return &types[i];
  return NULL;
}

// A word alone is `id` or the type of an identifier.
static enum err read_word(struct engine_query *query, struct bytes word, struct query_field *field, struct diag *diag) {
  const struct identity_type *type = find_type(query, word);
  field->kind = bytes_equal(word, BYTES("id")) ? QUERY_FIELD_ID : QUERY_FIELD_IDENTIFIER;
  if (field->kind == QUERY_FIELD_ID) return ERR_OK;
  if (type == NULL)
    return bad_field("a word alone is id or the type of an identifier, such as email; a trait is traits.NAME", word,
                     diag);
  field->type = type->name;
  query->records = true;
  if (query->options.has_at) query_note(query, "", word, "");
  return query_put_into_words(query, diag);
}

static enum err read_expression(struct engine_query *query, struct bytes text, struct query_field *field,
                                struct rule_diag *refusal, struct diag *diag) {
  struct rule_node *tree;
  field->kind = QUERY_FIELD_VALUE;
  enum err err = query_compile(query, text, false, &tree, &field->program, refusal, diag);
  if (err == ERR_OK) err = query_note_needs(query, field->program, diag);
  if (err == ERR_OK) return ERR_OK;
  if (field->program != NULL) rule_program_close(field->program);
  diag_in_field(diag, "fields[%zu]", query->field_count);
  return err;
}

enum err engine_query_add_field(struct engine_query *query, struct bytes text, struct rule_diag *refusal,
                                struct diag *diag) {
  struct bytes copy = arena_copy(&query->arena, bytes_trim(text)), expression = copy;
  if (refusal != NULL) refusal->code[0] = '\0';
  if (copy.data == NULL) return diag_no_memory(diag);
  if (copy.size_bytes == 0 || copy.size_bytes > QUERY_FIELD_BYTES_MAX || !bytes_is_utf8(copy))
    return diag_set(diag, ERR_INVALID, "bad_field", "a field is a text of 1 to %d bytes", QUERY_FIELD_BYTES_MAX);
  if (query->field_count == QUERY_FIELDS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_fields", "a list has %d fields at most", QUERY_FIELDS_MAX);
  struct query_field *field = &query->fields[query->field_count];
  *field = (struct query_field){.name = copy};
  if (split_name(copy, &field->name, &expression)) field->name = arena_copy(&query->arena, field->name);
  if (field->name.data == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < query->field_count; i++)
    if (bytes_equal(query->fields[i].name, field->name)) return bad_field("there are two of this name", copy, diag);
  bool is_word = expression.size_bytes > 0 && word_size(expression) == expression.size_bytes;
  enum err err =
      is_word ? read_word(query, expression, field, diag) : read_expression(query, expression, field, refusal, diag);
  query->field_count += err == ERR_OK;
  return err;
}

// --- rows ----------------------------------------------------------------------------------------------------

struct list_run {
  struct engine_query *query;
  struct engine_query_list *list;
  struct query_asker *asker;
  struct rule_machine *cells; // what windows mean is kept for one program, so the fields have a machine of their own
  struct buffer row, cell;
  struct diag *diag;
};

static struct bytes identifier_of(const struct facts *facts, uint32_t type) {
  const struct customer *record = facts->record;
  for (size_t i = record == NULL ? 0 : record->identifier_count; i > 0; i--) {
    struct identifier identifier = record->identifiers[i - 1].member.identifier;
    if (identifier.type == type) return identifier.value;
  }
  return (struct bytes){NULL, 0};
}

static struct rule_value text_or_null(struct bytes text) {
  if (text.data == NULL) return (struct rule_value){.type = RULE_TYPE_NULL};
  return (struct rule_value){.type = RULE_TYPE_TEXT, .text = text};
}

static enum err cell_value(struct list_run *run, const struct query_field *field, const struct facts *facts,
                           char id[CUSTOMER_ID_TEXT_BYTES], struct rule_value *value) {
  struct rule_answer answer;
  if (field->kind == QUERY_FIELD_IDENTIFIER) *value = text_or_null(identifier_of(facts, field->type));
  if (field->kind == QUERY_FIELD_ID) {
    customer_id_format(facts->id, id);
    *value = text_or_null(bytes_from_text(id));
  }
  if (field->kind != QUERY_FIELD_VALUE) return ERR_OK;
  enum err err = rule_run(run->cells, field->program, &facts->customer, run->query->at_us, false, &answer);
  if (err == ERR_OK) *value = answer.value;
  return err;
}

static void put_csv_value(struct list_run *run, const struct rule_value *value) {
  struct json_writer writer;
  if (value->type == RULE_TYPE_NULL) return;
  if (value->type == RULE_TYPE_TEXT) {
    csv_put_cell(&run->row, value->text);
    return;
  }
  buffer_clear(&run->cell);
  json_writer_init(&writer, &run->cell);
  rule_value_to_json(&writer, value, run->query->view->engine->names);
  struct bytes text = buffer_view(&run->cell);
  bool quoted = value->type == RULE_TYPE_TIME || value->type == RULE_TYPE_DURATION || value->type == RULE_TYPE_CALENDAR;
  if (quoted && text.size_bytes >= 2) text = bytes_of(text.data + 1, text.size_bytes - 2);
  csv_put_cell(&run->row, text);
  run->row.failed = run->row.failed || run->cell.failed;
}

static enum err put_json_row(struct list_run *run, const struct facts *facts) {
  const struct engine_query *query = run->query;
  char id[CUSTOMER_ID_TEXT_BYTES];
  struct json_writer writer;
  struct rule_value value;
  enum err err = ERR_OK;
  if (run->list->format == ENGINE_QUERY_ITEMS && run->list->rows > 0) buffer_append_byte(&run->row, ',');
  json_writer_init(&writer, &run->row);
  json_object_begin(&writer);
  for (size_t i = 0; err == ERR_OK && i < query->field_count; i++) {
    err = cell_value(run, &query->fields[i], facts, id, &value);
    if (err != ERR_OK) break;
    json_name_bytes(&writer, query->fields[i].name);
    rule_value_to_json(&writer, &value, query->view->engine->names);
  }
  if (err != ERR_OK) return err;
  json_object_end(&writer);
  if (run->list->format == ENGINE_QUERY_NDJSON) buffer_append_byte(&run->row, '\n');
  return ERR_OK;
}

static enum err put_csv_row(struct list_run *run, const struct facts *facts) {
  const struct engine_query *query = run->query;
  char id[CUSTOMER_ID_TEXT_BYTES];
  struct rule_value value;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < query->field_count; i++) {
    err = cell_value(run, &query->fields[i], facts, id, &value);
    if (err != ERR_OK) break;
    if (i > 0) buffer_append_byte(&run->row, ',');
    put_csv_value(run, &value);
  }
  buffer_append_byte(&run->row, '\n');
  return err;
}

static enum err write_row(struct list_run *run) {
  if (run->row.failed) return diag_no_memory(run->diag);
  return run->list->write(run->list->context, buffer_view(&run->row), run->diag);
}

static enum err write_header(struct list_run *run) {
  if (run->list->format != ENGINE_QUERY_CSV) return ERR_OK;
  for (size_t i = 0; i < run->query->field_count; i++) {
    if (i > 0) buffer_append_byte(&run->row, ',');
    csv_put_cell(&run->row, run->query->fields[i].name);
  }
  buffer_append_byte(&run->row, '\n');
  return write_row(run);
}

static enum err take_member(struct list_run *run, const struct facts *facts) {
  struct engine_query_list *list = run->list;
  if (list->limit > 0 && list->rows == list->limit) {
    list->more = true;
    return ERR_OK;
  }
  buffer_clear(&run->row);
  enum err err = list->format == ENGINE_QUERY_CSV ? put_csv_row(run, facts) : put_json_row(run, facts);
  if (err == ERR_OK) err = write_row(run);
  list->rows++;
  list->last = facts->id;
  return err;
}

static enum err look_on(struct list_run *run, uint64_t seen, uint64_t total) {
  struct engine_query_list *list = run->list;
  if (seen % TELL_EVERY != 0 || list->progress == NULL || list->progress(list->context, seen, total)) return ERR_OK;
  return diag_set(run->diag, ERR_STOPPED, "stopped", "the list was stopped");
}

static enum err write_rows(struct list_run *run, struct scan *scan, uint64_t total) {
  const struct engine_query *query = run->query;
  struct rule_answer answer;
  struct facts *facts;
  uint64_t unknown = 0; // since the last row: of a page that ends there they are the next one's
  enum err err = ERR_OK;
  for (uint64_t seen = 1; err == ERR_OK && !run->list->more; seen++) {
    err = scan_next(scan, &facts);
    if (err == ERR_OK) err = query_asker_run(run->asker, query->program, facts, false, &answer);
    if (err != ERR_OK) break;
    unknown += answer.status == RULE_UNKNOWN;
    if (rule_is_true(&answer)) err = take_member(run, facts);
    if (rule_is_true(&answer) && !run->list->more) {
      run->list->unknown += unknown;
      unknown = 0;
    }
    if (err == ERR_OK) err = look_on(run, seen, total);
  }
  if (!run->list->more) run->list->unknown += unknown;
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err walk(struct list_run *run) {
  struct engine_query *query = run->query;
  struct rule_answer answer;
  struct scan *scan;
  uint64_t total;
  enum err err = query_total(query, &total);
  // Those without events are in the records only.
  if (err == ERR_OK && !query->records && query->events) {
    err = query_run_over_nobody(query, &answer);
    query->records = err == ERR_OK && (rule_is_true(&answer) || answer.status == RULE_UNKNOWN);
  }
  if (err != ERR_OK) return err;
  struct scan_options options = query_asker_scan(run->asker, run->list->after + 1, 0);
  err = scan_open(&scan, &options);
  if (err != ERR_OK) return err;
  err = write_rows(run, scan, total);
  scan_close(scan);
  return err;
}

enum err engine_query_list(struct engine_query *query, struct engine_query_list *list, struct diag *diag) {
  struct list_run run = {.query = query, .list = list, .diag = diag};
  list->rows = list->unknown = 0;
  list->more = false;
  if (query->field_count == 0) {
    enum err err = engine_query_add_field(query, BYTES("id"), NULL, diag);
    if (err != ERR_OK) return err;
  }
  buffer_init(&run.row);
  buffer_init(&run.cell);
  diag->err = ERR_OK;
  enum err err = query_asker_open(query, &run.asker);
  if (err == ERR_OK) err = rule_machine_open(&run.cells, NULL);
  if (err == ERR_OK) err = write_header(&run);
  if (err == ERR_OK) err = walk(&run);
  query_asker_close(run.asker);
  if (run.cells != NULL) rule_machine_close(run.cells);
  buffer_release(&run.row);
  buffer_release(&run.cell);
  // What a callback has said is not said over.
  return err == ERR_OK || diag->err == err ? err : engine_explain_failure(err, diag);
}

void engine_query_write_fields(const struct engine_query *query, struct json_writer *writer) {
  json_array_begin(writer);
  for (size_t i = 0; i < query->field_count; i++) json_bytes(writer, query->fields[i].name);
  json_array_end(writer);
}
