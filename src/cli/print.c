// print: lines and tables from packed documents. Widths count characters, not bytes; a cell is cut at CELL_COLUMNS.
#include "cli/print.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_COLUMNS = 48, TEXT_COLUMNS = 40, SLOT_BYTES = 32, TABLE_COLUMNS_MAX = 10, NAME_COLUMNS = 20 };

enum err print_document_init(struct print_document *document, struct bytes json, struct diag *diag) {
  struct value_parser *parser = NULL;
  *document = (struct print_document){.names = NULL};
  buffer_init(&document->packed);
  if (names_open(&document->names, NULL, NULL) != ERR_OK || value_parser_open(&parser) != ERR_OK) {
    return diag_no_memory(diag);
  }
  enum err err = value_parse_json(parser, json, document->names, &document->packed, diag);
  value_parser_close(parser);
  document->root = (struct value){buffer_view(&document->packed)};
  return err;
}

void print_document_release(struct print_document *document) {
  if (document->names != NULL) names_close(document->names);
  buffer_release(&document->packed);
}

struct value print_find(const struct print_document *document, struct value of, const char *name) {
  return value_member(of, document->names, bytes_from_text(name));
}

struct bytes print_find_text(const struct print_document *document, struct value of, const char *name) {
  struct bytes text = BYTES("");
  value_as_text(print_find(document, of, name), &text);
  return text;
}

uint64_t print_find_count(const struct print_document *document, struct value of, const char *name) {
  struct decimal number;
  int64_t whole = 0;
  if (value_as_number(print_find(document, of, name), &number)) (void)decimal_to_scaled_i64(number, 0, &whole);
  return whole > 0 ? (uint64_t)whole : 0;
}

void print_warnings(const struct print_document *document) {
  struct value_iter iter = value_iterate(print_find(document, document->root, "warnings"));
  struct bytes message;
  while (value_next(&iter))
    if (value_as_text(print_find(document, iter.item, "message"), &message))
      fprintf(stderr, "rapport: warning: %.*s\n", BYTES_ARG(message));
}

// Length in bytes of the character at the front; 1 for what is none.
static size_t character_bytes(struct bytes text) {
  uint8_t first = text.data[0];
  size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return size <= text.size_bytes ? size : 1;
}

// Control characters of both sets, and the marks that turn the direction of writing.
static bool is_control(struct bytes character) {
  const uint8_t *at = character.data;
  if (character.size_bytes == 1) return at[0] < 0x20 || at[0] == 0x7f;
  if (character.size_bytes == 2) return at[0] == 0xc2 && at[1] < 0xa0;
  bool general = character.size_bytes == 3 && at[0] == 0xe2;
  return general &&
         ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) || (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

// Appends at most `columns` characters and returns how many; 0 columns: all.
size_t print_clean(struct buffer *out, struct bytes text, size_t columns) {
  size_t count = 0;
  while (text.size_bytes > 0) {
    struct bytes character = bytes_of(text.data, character_bytes(text));
    if (columns > 0 && count + 1 == columns && text.size_bytes > character.size_bytes) {
      buffer_append_text(out, "…");
      return columns;
    }
    buffer_append_bytes(out, is_control(character) ? BYTES("?") : character);
    text = bytes_of(text.data + character.size_bytes, text.size_bytes - character.size_bytes);
    count++;
  }
  return count;
}

// Text as it is; everything else as JSON. Valid until `scratch` changes.
static struct bytes text_of(const struct print_document *document, struct value value, struct buffer *scratch) {
  struct bytes text;
  struct json_writer writer;
  if (value_as_text(value, &text)) return text;
  buffer_clear(scratch);
  if (value_is_absent(value) || value_type(value) == VALUE_NULL) return BYTES("-");
  json_writer_init(&writer, scratch);
  value_to_json(&writer, value, document->names);
  return buffer_view(scratch);
}

void print_value(struct buffer *out, const struct print_document *document, struct value value, size_t columns,
                 bool pad) {
  struct buffer scratch;
  buffer_init(&scratch);
  size_t used = print_clean(out, text_of(document, value, &scratch), columns);
  if (pad && used < columns) buffer_append_format(out, "%*s", (int)(columns - used), "");
  buffer_release(&scratch);
}

// The member's text, padded to `columns`; 0: as long as it is.
void print_member(struct buffer *out, const struct print_document *document, struct value of, const char *name,
                  size_t columns) {
  print_value(out, document, print_find(document, of, name), columns, columns > 0);
}

// "2026-11-21T09:12:00.000Z" as "2026-11-21 09:12" or "2026-11-21".
void print_time(struct buffer *out, const struct print_document *document, struct value of, const char *name,
                size_t bytes) {
  struct bytes text;
  if (!value_as_text(print_find(document, of, name), &text) || text.size_bytes < bytes) {
    buffer_append_format(out, "%-*s", (int)bytes, "-");
    return;
  }
  for (size_t i = 0; i < bytes; i++) buffer_append_byte(out, text.data[i] == 'T' ? ' ' : text.data[i]);
}

// Appends what a slot says, from behind its brace; returns what follows it.
static const char *print_slot(struct buffer *out, const struct print_document *document, struct value of,
                              const char *slot) {
  char name[SLOT_BYTES];
  size_t size = strcspn(slot, ":}");
  const char *how = slot + size + (slot[size] == ':'), *end = strchr(how, '}');
  assert(size < sizeof name && end != NULL);
  memcpy(name, slot, size);
  name[size] = '\0';
  if (*how == 'd')
    print_time(out, document, of, name, PRINT_DAY_BYTES);
  else if (*how == 'm')
    print_time(out, document, of, name, PRINT_MINUTE_BYTES);
  else if (*how == 't')
    print_clean(out, print_find_text(document, of, name), TEXT_COLUMNS);
  else
    print_member(out, document, of, name, (size_t)strtoul(how, NULL, 10));
  return end + 1;
}

void print_words(struct buffer *out, const struct print_document *document, struct value of, const char *words) {
  while (*words != '\0') {
    size_t plain = strcspn(words, "{");
    buffer_append(out, words, plain);
    words += plain;
    if (*words == '{') words = print_slot(out, document, of, words + 1);
  }
}

static bool is_empty(struct value list) {
  struct value_iter iter = value_iterate(list);
  return !value_next(&iter);
}

// --- any document --------------------------------------------------------------------------------------------

static size_t count_characters(struct bytes text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size_bytes; i++) count += (text.data[i] & 0xc0) != 0x80;
  return count;
}

struct column {
  struct bytes name;
  size_t width;
};

static void widen(struct column *column, const struct print_document *document, struct value row) {
  struct buffer scratch;
  buffer_init(&scratch);
  struct value cell = value_member(row, document->names, column->name);
  size_t width = count_characters(text_of(document, cell, &scratch));
  if (width > CELL_COLUMNS) width = CELL_COLUMNS;
  if (width > column->width) column->width = width;
  buffer_release(&scratch);
}

static bool has_column(const struct column *columns, size_t count, struct bytes name) {
  for (size_t i = 0; i < count; i++)
    if (bytes_equal(columns[i].name, name)) return true;
  return false;
}

// The members of the rows are the columns, in the order they are met, but for documents, which do not fit a cell.
static size_t find_columns(const struct print_document *document, struct value list, struct column *columns) {
  size_t count = 0;
  struct value_iter rows = value_iterate(list);
  while (value_next(&rows)) {
    struct value_iter members = value_iterate(rows.item);
    while (count < TABLE_COLUMNS_MAX && value_next(&members)) {
      struct bytes name = value_iter_name(&members, document->names);
      if (value_type(members.item) == VALUE_DOCUMENT || has_column(columns, count, name)) continue;
      columns[count++] = (struct column){name, name.size_bytes};
    }
  }
  rows = value_iterate(list);
  while (value_next(&rows)) {
    for (size_t i = 0; i < count; i++) widen(&columns[i], document, rows.item);
  }
  return count;
}

void print_table(const struct print_document *document, struct value list, struct buffer *out) {
  struct column columns[TABLE_COLUMNS_MAX];
  size_t count = find_columns(document, list, columns);
  buffer_append_text(out, " ");
  for (size_t i = 0; i < count; i++) {
    buffer_append_text(out, " ");
    size_t used = print_clean(out, columns[i].name, 0);
    if (i + 1 < count) buffer_append_format(out, "%*s", (int)(columns[i].width + 1 - used), "");
  }
  buffer_append_byte(out, '\n');
  struct value_iter rows = value_iterate(list);
  while (value_next(&rows)) {
    buffer_append_text(out, " ");
    for (size_t i = 0; i < count; i++) {
      buffer_append_text(out, " ");
      print_value(out, document, value_member(rows.item, document->names, columns[i].name), columns[i].width,
                  i + 1 < count);
      if (i + 1 < count) buffer_append_byte(out, ' ');
    }
    buffer_append_byte(out, '\n');
  }
}

static bool is_list_of_documents(struct value value) {
  struct value_iter iter = value_iterate(value);
  return value_type(value) == VALUE_LIST && value_next(&iter) && value_type(iter.item) == VALUE_DOCUMENT;
}

static void print_members(const struct print_document *document, struct value of, int indent, struct buffer *out) {
  struct value_iter iter = value_iterate(of);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, document->names);
    buffer_append_format(out, "%*s", indent, "");
    size_t used = print_clean(out, name, 0);
    if (is_list_of_documents(iter.item)) {
      buffer_append_byte(out, '\n');
      print_table(document, iter.item, out);
    } else if (value_type(iter.item) == VALUE_DOCUMENT && !is_empty(iter.item)) {
      buffer_append_byte(out, '\n');
      print_members(document, iter.item, indent + 2, out);
    } else {
      buffer_append_format(out, "%*s", used < NAME_COLUMNS ? (int)(NAME_COLUMNS - used) : 1, "");
      print_value(out, document, iter.item, 0, false);
      buffer_append_byte(out, '\n');
    }
  }
}

void print_plain(const struct print_document *document, struct buffer *out) {
  struct value items = print_find(document, document->root, "items");
  if (value_type(document->root) != VALUE_DOCUMENT) {
    print_value(out, document, document->root, 0, false);
    buffer_append_byte(out, '\n');
  } else if (is_empty(document->root)) {
    buffer_append_text(out, "done\n");
  } else if (value_type(items) == VALUE_LIST) {
    if (is_empty(items)) buffer_append_text(out, "nothing found\n");
    if (!is_empty(items)) print_table(document, items, out);
    struct bytes next;
    if (value_as_text(print_find(document, document->root, "next"), &next)) {
      buffer_append_format(out, "more: --after %.*s\n", BYTES_ARG(next));
    }
  } else {
    print_members(document, document->root, 0, out);
  }
}

// --- customers -----------------------------------------------------------------------------------------------

static bool append_name_part(struct buffer *out, const struct print_document *customer, const char *const *names,
                             bool after) {
  struct value traits = print_find(customer, customer->root, "traits");
  for (; *names != NULL; names++) {
    struct bytes text;
    if (!value_as_text(print_find(customer, traits, *names), &text) || text.size_bytes == 0) continue;
    if (after) buffer_append_byte(out, ' ');
    print_clean(out, text, CELL_COLUMNS);
    return true;
  }
  return false;
}

static void print_title(const struct print_document *customer, struct buffer *out) {
  static const char *const given[] = {"firstName", "first_name", "given_name", NULL};
  static const char *const family[] = {"lastName", "last_name", "family_name", NULL};
  static const char *const whole[] = {"name", NULL};
  struct value trace = print_find(customer, customer->root, "trace");
  bool named = append_name_part(out, customer, given, false);
  named = append_name_part(out, customer, family, named) || named;
  if (!named && !append_name_part(out, customer, whole, false)) buffer_append_text(out, "Customer without a name");
  print_words(out, customer, customer->root, ", {id}\n");
  print_words(out, customer, trace, "{events} events, first {first_event_at:day}, last {last_event_at:minute}\n");
}

static void print_identifiers(const struct print_document *customer, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(customer, customer->root, "identifiers"));
  buffer_append_text(out, "\nIdentifiers\n");
  while (value_next(&iter)) {
    print_words(out, customer, iter.item, "  {type:14}  {value:40}  {source:12}  since {first_seen_at:day}\n");
  }
}

static void print_traits(const struct print_document *customer, struct buffer *out) {
  struct value origins = print_find(customer, print_find(customer, customer->root, "trace"), "traits");
  struct value_iter iter = value_iterate(print_find(customer, customer->root, "traits"));
  buffer_append_text(out, "\nTraits\n");
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, customer->names);
    struct value origin = value_member(origins, customer->names, name);
    buffer_append_text(out, "  ");
    size_t used = print_clean(out, name, 14);
    buffer_append_format(out, "%*s", (int)(16 - used), "");
    print_value(out, customer, iter.item, 40, true);
    print_words(out, customer, origin, "  {source:12}  {time:day}\n");
  }
}

void print_customer(const struct print_document *customer, struct buffer *out) {
  print_title(customer, out);
  print_identifiers(customer, out);
  print_traits(customer, out);
}

// What an event was worth, when it says.
static void append_amount(struct buffer *out, const struct print_document *events, struct value event) {
  static const char *const names[] = {"total", "revenue", "value", "price"};
  struct value properties = print_find(events, event, "properties");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct value amount = print_find(events, properties, names[i]);
    if (value_is_absent(amount)) continue;
    print_value(out, events, amount, 0, false);
    buffer_append_byte(out, ' ');
    if (!value_is_absent(print_find(events, properties, "currency")))
      print_member(out, events, properties, "currency", 0);
    return;
  }
}

static void print_event_rows(const struct print_document *events, struct buffer *out) {
  struct value items = print_find(events, events->root, "items");
  struct value_iter iter = value_iterate(items);
  if (is_empty(items)) buffer_append_text(out, "  none\n");
  while (value_next(&iter)) {
    print_words(out, events, iter.item, "  {time:minute}  {name:20}  {source:12}  ");
    append_amount(out, events, iter.item);
    buffer_append_byte(out, '\n');
  }
}

void print_events(const struct print_document *events, struct buffer *out) {
  struct bytes next;
  print_event_rows(events, out);
  if (value_as_text(print_find(events, events->root, "next"), &next)) {
    buffer_append_format(out, "  more: --after %.*s\n", BYTES_ARG(next));
  }
}

void print_last_events(const struct print_document *events, struct buffer *out) {
  buffer_append_text(out, "\nLast events\n");
  print_event_rows(events, out);
}

// An identifier is {"type","value"} or already text.
static void append_identifier(struct buffer *out, const struct print_document *document, struct value identifier) {
  struct bytes text;
  if (value_as_text(identifier, &text)) {
    print_clean(out, text, 0);
    return;
  }
  print_words(out, document, identifier, "{type}:{value}");
}

static void print_edges(const struct print_document *document, struct value edges, struct buffer *out) {
  struct value_iter iter = value_iterate(edges);
  if (is_empty(edges)) buffer_append_text(out, "  nothing\n");
  while (value_next(&iter)) {
    buffer_append_text(out, "  ");
    append_identifier(out, document, print_find(document, iter.item, "a"));
    buffer_append_text(out, " + ");
    append_identifier(out, document, print_find(document, iter.item, "b"));
    print_words(out, document, iter.item, "\n    edge {id}, ");
    // Why it was made, or why it was not.
    bool refused = value_is_absent(print_find(document, iter.item, "rule"));
    print_member(out, document, iter.item, refused ? "reason" : "rule", 0);
    print_words(out, document, iter.item, ", from {source}, {time:minute}");
    struct bytes state;
    if (value_as_text(print_find(document, iter.item, "state"), &state) && !bytes_equal(state, BYTES("active"))) {
      buffer_append_text(out, ", ");
      print_clean(out, state, 0);
    }
    buffer_append_byte(out, '\n');
  }
}

// False, and nothing is written, when there is nothing to list.
static bool print_heading(const struct print_document *document, const char *name, const char *title,
                          struct value *list, struct buffer *out) {
  *list = print_find(document, document->root, name);
  if (is_empty(*list)) return false;
  buffer_append_format(out, "\n%s\n", title);
  return true;
}

static void print_refused(const struct print_document *document, struct buffer *out) {
  struct value list;
  if (print_heading(document, "refused", "Not joined", &list, out)) print_edges(document, list, out);
}

// Whose device it was, from when on.
static void print_devices(const struct print_document *document, struct buffer *out) {
  struct value list;
  if (!print_heading(document, "devices", "Devices", &list, out)) return;
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    bool shared = false;
    buffer_append_text(out, "  ");
    append_identifier(out, document, iter.item);
    buffer_append_text(
        out, value_as_bool(print_find(document, iter.item, "shared"), &shared) && shared ? ", used by many\n" : "\n");
    struct value_iter owners = value_iterate(print_find(document, iter.item, "owners"));
    while (value_next(&owners)) {
      print_words(out, document, owners.item, "    {customer}, signed in {signed_in_at:minute} as ");
      append_identifier(out, document, print_find(document, owners.item, "identifier"));
      buffer_append_byte(out, '\n');
    }
  }
}

static void print_parted(const struct print_document *document, struct buffer *out) {
  struct value list;
  if (!print_heading(document, "cannot_links", "Parted", &list, out)) return;
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    buffer_append_text(out, "  ");
    append_identifier(out, document, print_find(document, iter.item, "own"));
    buffer_append_text(out, " is not ");
    append_identifier(out, document, print_find(document, iter.item, "other"));
    buffer_append_byte(out, '\n');
  }
}

void print_identity(const struct print_document *identity, struct buffer *out) {
  struct value history;
  buffer_append_text(out, "\nJoined by\n");
  print_edges(identity, print_find(identity, identity->root, "edges"), out);
  print_devices(identity, out);
  print_refused(identity, out);
  print_parted(identity, out);
  if (print_heading(identity, "history", "History", &history, out)) print_table(identity, history, out);
}

void print_explain(const struct print_document *explanation, struct buffer *out) {
  print_words(out, explanation, explanation->root, "{sentence}\n");
  struct value path = print_find(explanation, explanation->root, "path");
  if (!is_empty(path)) {
    buffer_append_byte(out, '\n');
    print_edges(explanation, path, out);
  }
  print_refused(explanation, out);
}

// --- JSON ----------------------------------------------------------------------------------------------------

static uint64_t count_of(const struct print_document *document, struct value of, const char *name) {
  struct decimal number;
  int64_t whole = 0;
  if (value_as_number(print_find(document, of, name), &number)) decimal_to_scaled_i64(number, 0, &whole);
  return (uint64_t)whole;
}

// "true until 2026-05-30 09:00"; "unknown" for a limit that was met.
static void append_answer(struct buffer *out, const struct print_document *document, struct value of) {
  bool unknown = false;
  struct bytes until;
  value_as_bool(print_find(document, of, "unknown"), &unknown);
  if (unknown)
    buffer_append_text(out, "unknown: a limit was met");
  else
    print_member(out, document, of, "value", 0);
  if (!value_as_text(print_find(document, of, "until"), &until)) return;
  buffer_append_text(out, " until ");
  print_clean(out, until, 0);
}

static void print_parts(const struct print_document *document, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, document->root, "tree"));
  struct bytes text;
  while (value_next(&iter)) {
    buffer_append_format(out, "%*s", (int)(2 + 2 * count_of(document, iter.item, "depth")), "");
    if (value_as_text(print_find(document, iter.item, "expression"), &text)) print_clean(out, text, 0);
    if (!value_is_absent(print_find(document, iter.item, "value"))) {
      buffer_append_text(out, "  =  ");
      append_answer(out, document, iter.item);
    }
    if (!value_is_absent(print_find(document, iter.item, "matched")))
      buffer_append_format(out, " (of %llu)", (unsigned long long)count_of(document, iter.item, "matched"));
    buffer_append_byte(out, '\n');
  }
}

static void print_program(const struct print_document *document, struct buffer *out) {
  struct bytes rest = BYTES("");
  value_as_text(print_find(document, document->root, "program"), &rest);
  while (rest.size_bytes > 0) {
    const uint8_t *end = memchr(rest.data, '\n', rest.size_bytes);
    size_t size = end == NULL ? rest.size_bytes : (size_t)(end - rest.data);
    buffer_append_text(out, size > 0 ? "  " : "");
    print_clean(out, bytes_of(rest.data, size), 0);
    buffer_append_byte(out, '\n');
    size_t used = size + (end != NULL);
    rest = bytes_of(rest.data + used, rest.size_bytes - used);
  }
}

void print_expression(const struct print_document *explanation, struct buffer *out) {
  struct value needs = print_find(explanation, explanation->root, "needs");
  print_words(out, explanation, explanation->root, "{expression}\n");
  if (!value_is_absent(print_find(explanation, explanation->root, "customer"))) {
    print_words(out, explanation, explanation->root, "{customer}: ");
    append_answer(out, explanation, explanation->root);
    buffer_append_byte(out, '\n');
  }
  buffer_append_text(out, "\nParts\n");
  print_parts(explanation, out);
  buffer_append_text(out, "\nAsks for\n");
  print_members(explanation, needs, 2, out);
  buffer_append_text(out, "\nProgram\n");
  print_program(explanation, out);
}

static void append_line(struct buffer *out, int depth) {
  buffer_append_format(out, "\n%*s", 2 * depth, "");
}

void print_pretty(struct bytes json, struct buffer *out) {
  bool inside = false;
  int depth = 0;
  for (size_t i = 0; i < json.size_bytes; i++) {
    uint8_t byte = json.data[i], next = i + 1 < json.size_bytes ? json.data[i + 1] : 0;
    if (!inside && strchr(" \t\r\n", byte) != NULL && byte != 0) continue;
    if (!inside && (byte == '}' || byte == ']')) append_line(out, --depth);
    buffer_append_byte(out, byte);
    if (inside) {
      if (byte == '\\' && next != 0) buffer_append_byte(out, json.data[++i]);
      if (byte == '"') inside = false;
      continue;
    }
    inside = byte == '"';
    if (byte == ',') append_line(out, depth);
    if (byte == ':') buffer_append_byte(out, ' ');
    if (byte != '{' && byte != '[') continue;
    if (next == '}' || next == ']') {
      buffer_append_byte(out, json.data[++i]);
    } else {
      append_line(out, ++depth);
    }
  }
}
