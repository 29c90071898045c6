// map: a tree of members, with a column or a constant at each leaf, walked once a row.
//
// Columns without a place of their own hang under a node `rest` that becomes "traits" or "properties" by the row's
// type. A member that has both (a dotted column traits.x and a plain one y in an identify row) is one document: the
// rest is walked inside the node of its name.
#include "source/map.h"

#include <stdio.h>
#include <string.h>

#include "base/csv.h"
#include "quality/quality.h"
#include "source/reader.h"

enum kind { KIND_TEXT, KIND_NUMBER, KIND_BOOL, KIND_TIME };
enum { NO_COLUMN = -1 };

struct node {
  struct bytes name;
  struct node *child, *last, *next;
  int column; // NO_COLUMN for a container or a constant
  enum kind kind;
  struct value constant;
};

struct source_map {
  struct arena *arena;
  struct node root, rest;
  struct node *type, *event; // leaves; NULL when there are none
  size_t column_count;
  struct bytes *columns;
  bool decimal_comma;
  char date_order[4];
};

static const char *const usual_names[] = {"type",      "event",      "userId",  "anonymousId", "messageId",
                                          "timestamp", "previousId", "groupId", "name",        "sentAt"};

static struct node *child_of(const struct node *parent, struct bytes name) {
  struct node *child = parent->child;
  while (child != NULL && !bytes_equal(child->name, name)) {
    child = child->next;
  }
  return child;
}

static struct node *add_child(struct source_map *map, struct node *parent, struct bytes name) {
  struct node *found = child_of(parent, name);
  if (found != NULL) {
    return found;
  }
  struct node *made = arena_take_zero(map->arena, 1, sizeof *made);
  if (made == NULL || (made->name = arena_copy(map->arena, name)).data == NULL) {
    return NULL;
  }
  made->column = NO_COLUMN;
  if (parent->last == NULL) {
    parent->child = made;
  } else {
    parent->last->next = made;
  }
  parent->last = made;
  return made;
}

// The leaf of a dotted path, made when new.
static struct node *add_path(struct source_map *map, struct bytes path) {
  struct node *node = &map->root;
  while (node != NULL) {
    const uint8_t *dot = path.size_bytes == 0 ? NULL : memchr(path.data, '.', path.size_bytes);
    size_t size = dot == NULL ? path.size_bytes : (size_t)(dot - path.data);
    node = add_child(map, node, bytes_of(path.data, size));
    if (dot == NULL) {
      break;
    }
    path = bytes_of(dot + 1, path.size_bytes - size - 1);
  }
  return node;
}

static enum err check_path(struct bytes path, struct diag *diag) {
  size_t depth = 1, run = 0;
  for (size_t i = 0; i <= path.size_bytes; i++, run++) {
    if (i < path.size_bytes && path.data[i] != '.') {
      continue;
    }
    if (run == 0 || run > LIMIT_NAME_BYTES || depth > 8) {
      return diag_set(diag, ERR_INVALID, "bad_path", "\"%.*s\" is no path like traits.email (at most 8 names)",
                      BYTES_ARG(path));
    }
    depth += i < path.size_bytes;
    run = (size_t)-1;
  }
  return ERR_OK;
}

// --- usual names ---------------------------------------------------------------------------------------------

static bool same_loosely(struct bytes column, const char *name) {
  size_t at = 0;
  for (size_t i = 0; i < column.size_bytes; i++) {
    uint8_t byte = column.data[i];
    if (byte == '_' || byte == '-' || byte == ' ') {
      continue;
    }
    if (name[at] == '\0' || (byte | 0x20) != (name[at] | 0x20)) {
      return false;
    }
    at++;
  }
  return name[at] == '\0';
}

static bool is_dotted(struct bytes column) {
  return bytes_starts_with(column, BYTES("traits.")) || bytes_starts_with(column, BYTES("properties.")) ||
         bytes_starts_with(column, BYTES("context."));
}

static struct node *usual_place(struct source_map *map, struct bytes column) {
  for (size_t i = 0; i < sizeof usual_names / sizeof *usual_names; i++) {
    if (same_loosely(column, usual_names[i])) {
      return add_path(map, bytes_from_text(usual_names[i]));
    }
  }
  return is_dotted(column) && check_path(column, NULL) == ERR_OK ? add_path(map, column)
                                                                 : add_child(map, &map->rest, column);
}

static enum err no_two(const struct source_map *map, const struct node *leaf, struct bytes column, struct diag *diag) {
  if (leaf == NULL) {
    return diag_no_memory(diag);
  }
  if (leaf->column != NO_COLUMN) {
    return diag_set(diag, ERR_INVALID, "bad_map",
                    "columns \"%.*s\" and \"%.*s\" both give \"%.*s\"; rename one, or send it elsewhere with --map",
                    BYTES_ARG(map->columns[leaf->column]), BYTES_ARG(column), BYTES_ARG(leaf->name));
  }
  return leaf->child == NULL
             ? ERR_OK
             : diag_set(diag, ERR_INVALID, "bad_map", "\"%.*s\" is both a value and a document", BYTES_ARG(leaf->name));
}

static enum err place_rest(struct source_map *map, const bool *placed, struct diag *diag) {
  for (size_t i = 0; i < map->column_count; i++) {
    struct bytes column = map->columns[i];
    if (placed[i] || column.size_bytes == 0) {
      continue;
    }
    if (column.size_bytes > LIMIT_NAME_BYTES || !bytes_is_utf8(column)) {
      return diag_set(diag, ERR_INVALID, "bad_csv",
                      "the name of column %zu is not UTF-8, or has more than %d bytes; is the first line a CSV header?",
                      i + 1, LIMIT_NAME_BYTES);
    }
    struct node *leaf = usual_place(map, column);
    if (leaf != NULL && !value_is_absent(leaf->constant)) {
      continue; // a constant of the mapping stands before a column that nobody named
    }
    enum err err = no_two(map, leaf, column, diag);
    if (err != ERR_OK) {
      return err;
    }
    leaf->column = (int)i;
  }
  return ERR_OK;
}

// --- the mapping's document ----------------------------------------------------------------------------------

static struct bytes nearest_column(const struct source_map *map, struct bytes wanted) {
  struct bytes nearest = BYTES("");
  int least = 1000;
  for (size_t i = 0; i < map->column_count; i++) {
    struct bytes a, b;
    if (quality_fold(wanted, map->arena, &a) != ERR_OK || quality_fold(map->columns[i], map->arena, &b) != ERR_OK) {
      break;
    }
    int distance = quality_distance(a, b, 64);
    if (distance < least) {
      least = distance;
      nearest = map->columns[i];
    }
  }
  return nearest;
}

static enum err find_column(const struct source_map *map, struct bytes wanted, size_t *column, struct diag *diag) {
  for (*column = 0; *column < map->column_count; (*column)++) {
    if (bytes_equal(map->columns[*column], wanted)) {
      return ERR_OK;
    }
  }
  struct bytes nearest = nearest_column(map, wanted);
  return diag_set(diag, ERR_INVALID, "unknown_column", "the file has no column \"%.*s\"; the nearest is \"%.*s\"",
                  BYTES_ARG(wanted), BYTES_ARG(nearest));
}

static enum err read_columns(struct source_map *map, struct value columns, const struct names *names, bool *placed,
                             struct diag *diag) {
  struct value_iter iter = value_iterate(columns);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, names), path = BYTES("");
    size_t column = 0;
    enum err err = find_column(map, name, &column, diag);
    if (err == ERR_OK) {
      value_as_text(iter.item, &path);
      err = check_path(path, diag);
    }
    if (err != ERR_OK) {
      return err;
    }
    struct node *leaf = add_path(map, path);
    err = no_two(map, leaf, name, diag);
    if (err != ERR_OK) {
      return err;
    }
    leaf->column = (int)column;
    placed[column] = true;
  }
  return ERR_OK;
}

static enum err read_constants(struct source_map *map, struct value constants, const struct names *names,
                               struct diag *diag) {
  struct value_iter iter = value_iterate(constants);
  while (value_next(&iter)) {
    struct bytes path = value_iter_name(&iter, names);
    enum err err = check_path(path, diag);
    struct node *leaf = err == ERR_OK ? add_path(map, path) : NULL;
    if (err == ERR_OK) {
      err = no_two(map, leaf, path, diag);
    }
    if (err != ERR_OK) {
      return err;
    }
    leaf->constant.packed = arena_copy(map->arena, iter.item.packed);
    if (leaf->constant.packed.data == NULL) {
      return diag_no_memory(diag);
    }
  }
  return ERR_OK;
}

static enum err read_kinds(struct source_map *map, struct value paths, enum kind kind, struct diag *diag) {
  struct value_iter iter = value_iterate(paths);
  while (value_next(&iter)) {
    struct bytes path = BYTES("");
    value_as_text(iter.item, &path);
    enum err err = check_path(path, diag);
    struct node *leaf = err == ERR_OK ? add_path(map, path) : NULL;
    if (err != ERR_OK || leaf == NULL) {
      return err != ERR_OK ? err : diag_no_memory(diag);
    }
    leaf->kind = kind;
  }
  return ERR_OK;
}

static enum err read_date_format(struct source_map *map, struct value given, struct diag *diag) {
  struct bytes text = BYTES("iso");
  value_as_text(given, &text);
  if (!bytes_equal(text, BYTES("iso")) && !bytes_equal(text, BYTES("dmy")) && !bytes_equal(text, BYTES("mdy"))) {
    return diag_set(diag, ERR_INVALID, "bad_map", "date_format must be \"iso\", \"dmy\" or \"mdy\"");
  }
  memcpy(map->date_order, text.data, 3);
  return ERR_OK;
}

// No member may be given twice: neither traits.x and a plain x, nor traits as a whole and a column inside it.
static enum err check_rest(const struct source_map *map, struct diag *diag) {
  static const char *const homes[] = {"traits", "properties"};
  for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
    const struct node *home = child_of(&map->root, bytes_from_text(homes[i]));
    if (home != NULL && (home->column != NO_COLUMN || !value_is_absent(home->constant))) {
      return diag_set(diag, ERR_INVALID, "bad_map", "\"%s\" is a document: map its members", homes[i]);
    }
    for (const struct node *child = map->rest.child; home != NULL && child != NULL; child = child->next) {
      if (child_of(home, child->name) != NULL) {
        return diag_set(diag, ERR_INVALID, "bad_map", "two columns or constants give \"%s.%.*s\"", homes[i],
                        BYTES_ARG(child->name));
      }
    }
  }
  return ERR_OK;
}

static enum err check_members(struct value document, const struct names *names, struct diag *diag) {
  static const char *const known[] = {"columns", "constants", "numbers", "booleans", "date_format"};
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, names);
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      found = found || bytes_equal(name, bytes_from_text(known[i]));
    }
    if (!found) {
      return diag_set(diag, ERR_INVALID, "bad_map",
                      "a mapping has columns, constants, numbers, booleans and date_format; not \"%.*s\"",
                      BYTES_ARG(name));
    }
  }
  return ERR_OK;
}

static enum err read_document(struct source_map *map, struct value document, const struct names *names, bool *placed,
                              struct diag *diag) {
  if (!value_is_absent(document) && value_type(document) != VALUE_DOCUMENT) {
    return diag_set(diag, ERR_INVALID, "bad_map", "a mapping is a JSON object");
  }
  enum err err = check_members(document, names, diag);
  if (err == ERR_OK) {
    err = read_columns(map, value_path(document, names, "columns"), names, placed, diag);
  }
  if (err == ERR_OK) {
    err = read_constants(map, value_path(document, names, "constants"), names, diag);
  }
  if (err == ERR_OK) {
    err = place_rest(map, placed, diag);
  }
  if (err == ERR_OK) {
    err = check_rest(map, diag);
  }
  if (err == ERR_OK) {
    err = read_kinds(map, value_path(document, names, "numbers"), KIND_NUMBER, diag);
  }
  if (err == ERR_OK) {
    err = read_kinds(map, value_path(document, names, "booleans"), KIND_BOOL, diag);
  }
  return err == ERR_OK ? read_date_format(map, value_path(document, names, "date_format"), diag) : err;
}

enum err source_map_open(struct source_map **map, struct value document, const struct bytes *columns, size_t count,
                         uint8_t delimiter, struct names *names, struct arena *arena, struct diag *diag) {
  struct source_map *made = arena_take_zero(arena, 1, sizeof *made);
  bool *placed = arena_take_zero(arena, count + 1, sizeof *placed);
  if (made == NULL || placed == NULL) {
    return diag_no_memory(diag);
  }
  made->arena = arena;
  made->column_count = count;
  made->decimal_comma = delimiter == ';';
  made->columns = arena_take_zero(arena, count + 1, sizeof *made->columns);
  for (size_t i = 0; i < count; i++) {
    if (made->columns == NULL || (made->columns[i] = arena_copy(arena, bytes_trim(columns[i]))).data == NULL) {
      return diag_no_memory(diag);
    }
  }
  enum err err = made->columns == NULL ? diag_no_memory(diag) : read_document(made, document, names, placed, diag);
  if (err != ERR_OK) {
    return err;
  }
  made->type = child_of(&made->root, BYTES("type"));
  made->event = child_of(&made->root, BYTES("event"));
  struct node *timestamp = child_of(&made->root, BYTES("timestamp"));
  if (timestamp != NULL && timestamp->kind == KIND_TEXT) {
    timestamp->kind = KIND_TIME;
  }
  *map = made;
  return ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

struct row {
  const struct source_map *map;
  const struct bytes *fields;
  size_t count;
  const struct node *rest_in; // the node that the rest becomes a part of; NULL when there is none in the tree
  struct value_builder *builder;
  struct diag *diag;
};

static struct bytes cell(const struct row *row, const struct node *node) {
  if (node->column == NO_COLUMN || (size_t)node->column >= row->count) {
    return BYTES("");
  }
  return bytes_trim(row->fields[node->column]);
}

static bool has_content(const struct row *row, const struct node *node) {
  if (!value_is_absent(node->constant) || cell(row, node).size_bytes > 0) {
    return true;
  }
  for (const struct node *child = node->child; child != NULL; child = child->next) {
    if (has_content(row, child)) {
      return true;
    }
  }
  return node == row->rest_in && has_content(row, &row->map->rest);
}

static enum err refuse_cell(const struct row *row, const struct node *node, const char *code, const char *words) {
  return diag_set(row->diag, ERR_INVALID, code, "column \"%.*s\" (%.*s) %s", BYTES_ARG(row->map->columns[node->column]),
                  BYTES_ARG(node->name), words);
}

// A number as people write it, as JSON wants it: no plus sign, no blanks between thousands, a point, a digit on either
// side of it.
static size_t plain_number(struct bytes text, bool decimal_comma, char *out) {
  size_t size = 0, at = 0;
  bool negative = text.data[0] == '-';
  at += negative || text.data[0] == '+';
  while (at + 1 < text.size_bytes && text.data[at] == '0' && text.data[at + 1] >= '0' && text.data[at + 1] <= '9') {
    at++;
  }
  if (negative) {
    out[size++] = '-';
  }
  if (at < text.size_bytes && (text.data[at] == '.' || (decimal_comma && text.data[at] == ','))) {
    out[size++] = '0';
  }
  for (; at < text.size_bytes; at++) {
    uint8_t byte = text.data[at];
    size_t left = text.size_bytes - at;
    if (byte == ' ' || (left >= 2 && memcmp(text.data + at, "\xC2\xA0", 2) == 0)) {
      at += byte != ' ';
    } else if (left >= 3 && memcmp(text.data + at, "\xE2\x80\xAF", 3) == 0) {
      at += 2;
    } else {
      out[size++] = decimal_comma && byte == ',' ? '.' : (char)byte;
    }
  }
  return size;
}

static enum err put_number(const struct row *row, const struct node *node, struct bytes text) {
  char plain[128];
  struct decimal number;
  if (text.size_bytes + 2 > sizeof plain ||
      decimal_parse(bytes_of(plain, plain_number(text, row->map->decimal_comma, plain)), &number, NULL) != ERR_OK) {
    return refuse_cell(row, node, "invalid_number", "is not a number");
  }
  value_put_number(row->builder, number);
  return ERR_OK;
}

static enum err put_bool(const struct row *row, const struct node *node, struct bytes text) {
  static const char *const words[2][6] = {{"false", "no", "non", "0", "n", "f"}, {"true", "yes", "oui", "1", "y", "t"}};
  for (int answer = 0; answer < 2; answer++) {
    for (int i = 0; i < 6; i++) {
      if (bytes_equal_ascii_case(text, bytes_from_text(words[answer][i]))) {
        value_put_bool(row->builder, answer == 1);
        return ERR_OK;
      }
    }
  }
  return refuse_cell(row, node, "invalid_boolean", "is neither true nor false");
}

static enum err put_text(const struct row *row, const struct node *node, struct bytes text) {
  if (!bytes_is_utf8(text)) {
    return refuse_cell(row, node, "invalid_utf8", "is not UTF-8: save the file in that encoding");
  }
  value_put_text(row->builder, text);
  return ERR_OK;
}

// "28/02/2024[ 10:00[:00]]" as ISO 8601; other texts stay as they are, for the reader to judge.
static enum err put_time(const struct row *row, const struct node *node, struct bytes text) {
  char copy[64], iso[96], rest[40] = "";
  int first, second, year;
  if (row->map->date_order[0] == 'i' || text.size_bytes >= sizeof copy) {
    return put_text(row, node, text);
  }
  memcpy(copy, text.data, text.size_bytes);
  copy[text.size_bytes] = '\0';
  if (sscanf(copy, "%2d%*1[/.-]%2d%*1[/.-]%4d%39[^\n]", &first, &second, &year, rest) < 3) {
    return put_text(row, node, text);
  }
  bool day_first = row->map->date_order[0] == 'd';
  const char *clock = rest;
  clock += strspn(clock, " T");
  bool minutes_only = strlen(clock) == 5;
  snprintf(iso, sizeof iso, "%04d-%02d-%02d%s%s%s", year, day_first ? second : first, day_first ? first : second,
           *clock == '\0' ? "" : "T", clock, minutes_only ? ":00" : "");
  return put_text(row, node, bytes_from_text(iso));
}

static enum err put_cell(const struct row *row, const struct node *node) {
  struct bytes text = cell(row, node);
  if (!value_is_absent(node->constant)) {
    value_put_value(row->builder, node->constant);
    return ERR_OK;
  }
  switch (node->kind) {
  case KIND_NUMBER:
    return put_number(row, node, text);
  case KIND_BOOL:
    return put_bool(row, node, text);
  case KIND_TIME:
    return put_time(row, node, text);
  case KIND_TEXT:
    break;
  }
  return put_text(row, node, text);
}

static enum err put_children(const struct row *row, const struct node *node);

static enum err put_node(const struct row *row, const struct node *node) {
  if (!has_content(row, node)) {
    return ERR_OK;
  }
  value_put_name(row->builder, node->name);
  if (node->child == NULL && node != row->rest_in) {
    return put_cell(row, node);
  }
  value_document_begin(row->builder);
  enum err err = put_children(row, node);
  if (err == ERR_OK && node == row->rest_in) {
    err = put_children(row, &row->map->rest);
  }
  value_document_end(row->builder);
  return err;
}

static enum err put_children(const struct row *row, const struct node *node) {
  enum err err = ERR_OK;
  for (const struct node *child = node->child; err == ERR_OK && child != NULL; child = child->next) {
    err = put_node(row, child);
  }
  return err;
}

// The row's type: its own, or track where it has an event, else identify.
static struct bytes row_type(const struct row *row) {
  const struct source_map *map = row->map;
  struct bytes type = BYTES("");
  if (map->type != NULL && !value_as_text(map->type->constant, &type)) {
    type = cell(row, map->type);
  }
  if (type.size_bytes > 0) {
    return type;
  }
  return map->event != NULL && has_content(row, map->event) ? BYTES("track") : BYTES("identify");
}

enum err source_map_build(const struct source_map *map, const struct bytes *fields, size_t count,
                          struct value_builder *builder, struct diag *diag) {
  struct row row = {.map = map, .fields = fields, .count = count, .builder = builder, .diag = diag};
  if (count > map->column_count) {
    return diag_set(diag, ERR_INVALID, "bad_csv", "the line has %zu fields and the header %zu", count,
                    map->column_count);
  }
  struct bytes type = row_type(&row);
  bool traits = bytes_equal_ascii_case(type, BYTES("identify")) || bytes_equal_ascii_case(type, BYTES("group"));
  struct node alone = {.name = traits ? BYTES("traits") : BYTES("properties"), .column = NO_COLUMN};
  row.rest_in = child_of(&map->root, alone.name);
  value_document_begin(builder);
  enum err err = ERR_OK;
  if (map->type == NULL || !has_content(&row, map->type)) {
    value_put_name(builder, BYTES("type"));
    value_put_text(builder, type);
  }
  err = put_children(&row, &map->root);
  if (err == ERR_OK && row.rest_in == NULL) {
    row.rest_in = &alone;
    err = put_node(&row, &alone);
  }
  value_document_end(builder);
  return err;
}
