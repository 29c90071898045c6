// reading: objects and lists by table.
//
// 1. Names are looked at first: one that is not in the table is refused with the nearest one that is, before anything
//    else is.
// 2. Members are read in the order of the table, not of the document: what a member needs (the currencies, the time
//    zone, the name of the event) was read before it.
// 3. The path to the member in hand is kept, so that a refusal anywhere names it from the top.
// 4. A member that is null is not there.
#include "loyalty/reading.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "value/given.h"

// --- where we are --------------------------------------------------------------------------------------------

static size_t enter(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Returns what leave() takes. A path that is too long is cut: names of tables are short, those of others are not.
static size_t enter(struct reading *reading, const char *format, ...) {
  size_t before = reading->path_bytes, room = sizeof reading->path - before;
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(reading->path + before, room, format, arguments);
  va_end(arguments);
  if (size > 0) reading->path_bytes = before + ((size_t)size < room ? (size_t)size : room - 1);
  return before;
}

static size_t enter_member(struct reading *reading, struct bytes name) {
  return enter(reading, "%s%.*s", reading->path_bytes == 0 ? "" : ".", BYTES_ARG(name));
}

static void leave(struct reading *reading, size_t before) {
  reading->path_bytes = before;
  reading->path[before] = 0;
}

// A failure is given the place where it was met; it keeps it on the way up.
static enum err placed(struct reading *reading, enum err err) {
  if (err != ERR_OK && reading->diag->field[0] == 0 && reading->path_bytes > 0)
    diag_in_field(reading->diag, "%s", reading->path);
  return err;
}

static enum err refuse(struct reading *reading, const char *code, const char *format, va_list arguments) {
  char message[DIAG_MESSAGE_BYTES];
  vsnprintf(message, sizeof message, format, arguments);
  return placed(reading, diag_set(reading->diag, ERR_INVALID, code, "%s", message));
}

enum err reading_refuse(struct reading *reading, const char *name, const char *code, const char *format, ...) {
  va_list arguments;
  size_t before = reading->path_bytes;
  if (name != NULL) enter_member(reading, bytes_from_text(name));
  va_start(arguments, format);
  enum err err = refuse(reading, code, format, arguments);
  va_end(arguments);
  leave(reading, before);
  return err;
}

enum err reading_refuse_item(struct reading *reading, size_t index, const char *name, const char *code,
                             const char *format, ...) {
  va_list arguments;
  size_t before = enter(reading, "[%zu]", index);
  enter_member(reading, bytes_from_text(name));
  va_start(arguments, format);
  enum err err = refuse(reading, code, format, arguments);
  va_end(arguments);
  leave(reading, before);
  return err;
}

// --- names ---------------------------------------------------------------------------------------------------

static bool is_for_people(const struct member *member) {
  return member->form != FORM_STORED;
}

static enum err unknown_member(struct reading *reading, const struct table *table, struct bytes name) {
  const char *known[READING_MEMBERS_MAX];
  size_t count = 0;
  assert(table->member_count <= READING_MEMBERS_MAX);
  for (size_t i = 0; i < table->member_count; i++)
    if (is_for_people(&table->members[i])) known[count++] = table->members[i].name;
  diag_set(reading->diag, ERR_INVALID, "unknown_member", "%s has no such member; did you mean \"%s\"?", table->what,
           nearest_word(name, known, count));
  size_t before = enter_member(reading, name);
  placed(reading, ERR_INVALID);
  leave(reading, before);
  return ERR_INVALID;
}

// Of the stored form any name is taken: a later version of the program may have written it.
static enum err check_names(struct reading *reading, const struct table *table, struct value value) {
  if (reading_is_stored(reading)) return ERR_OK;
  struct value_iter iter = value_iterate(value);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->names);
    bool known = false;
    for (size_t i = 0; i < table->member_count && !known; i++)
      known = is_for_people(&table->members[i]) && bytes_equal(name, bytes_from_text(table->members[i].name));
    if (!known) return unknown_member(reading, table, name);
  }
  return ERR_OK;
}

// --- containers ----------------------------------------------------------------------------------------------

static enum err read_object_member(struct reading *reading, const struct member *member, struct value value,
                                   void *item) {
  void *inner = (char *)item + member->at;
  if (member->table->defaults != NULL && !reading_is_stored(reading))
    memcpy(inner, member->table->defaults, member->table->item_bytes);
  return reading_object(reading, member->table, value, inner);
}

static enum err read_items(struct reading *reading, const struct table *table, struct value list, void *items) {
  struct value_iter iter = value_iterate(list);
  for (size_t i = 0; value_next(&iter); i++) {
    char *item = (char *)items + i * table->item_bytes;
    if (table->defaults != NULL && !reading_is_stored(reading)) memcpy(item, table->defaults, table->item_bytes);
    size_t before = enter(reading, "[%zu]", i);
    enum err err = reading_object(reading, table, iter.item, item);
    leave(reading, before);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

static enum err read_list(struct reading *reading, const struct member *member, struct value list, void *item) {
  const struct table *table = member->table;
  if (value_type(list) != VALUE_LIST)
    return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected a list of objects");
  size_t count = given_item_count(list);
  if (count > (size_t)member->most)
    return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %zu items, found %zu", (size_t)member->most,
                    count);
  if (count == 0) return ERR_OK;
  void *items = arena_take_zero(reading->arena, count, table->item_bytes);
  if (items == NULL) return diag_no_memory(reading->diag);
  enum err err = read_items(reading, table, list, items);
  if (err == ERR_OK && table->finish_list != NULL) err = table->finish_list(reading, items, count);
  memcpy((char *)item + member->at, &(const void *){items}, sizeof(const void *));
  memcpy((char *)item + member->also, &count, sizeof count);
  return err;
}

// --- members -------------------------------------------------------------------------------------------------

static enum err choose(struct reading *reading, const struct table *table, const struct member *member, void *item) {
  unsigned *choice = (unsigned *)(void *)((char *)item + table->choice_at);
  if (*choice != 0)
    return diag_set(reading->diag, ERR_INVALID, "conflict", "%s has one of these and not two: this is beside another",
                    table->what);
  *choice = (unsigned)member->choice;
  return ERR_OK;
}

// `"shipping": false` is no choice.
static bool is_declined(const struct member *member, struct value value) {
  bool yes;
  return member->form == FORM_YES && value_as_bool(value, &yes) && !yes;
}

static enum err read_given(struct reading *reading, const struct table *table, const struct member *member,
                           struct value value, void *item) {
  enum err err = ERR_OK;
  if (is_declined(member, value)) return ERR_OK;
  if (member->choice != 0) err = choose(reading, table, member, item);
  if (err != ERR_OK) return err;
  switch (member->form) {
  case FORM_GROUP:
    return reading_object(reading, member->table, value, item);
  case FORM_OBJECT:
    return read_object_member(reading, member, value, item);
  case FORM_LIST:
    return read_list(reading, member, value, item);
  default:
    return reading_form(reading, member, value, item);
  }
}

static enum err read_member(struct reading *reading, const struct table *table, const struct member *member,
                            struct value document, void *item) {
  struct bytes name = bytes_from_text(member->name);
  struct value value = value_member(document, reading->names, name);
  bool given = value_type(value) != VALUE_NULL;
  size_t before = enter_member(reading, name);
  enum err err = ERR_OK;
  if (given)
    err = read_given(reading, table, member, value, item);
  else if (member->required)
    err = diag_set(reading->diag, ERR_INVALID, "missing_member", "missing: %s must have it", table->what);
  else if (member->form == FORM_CURRENCY)
    reading_default_currency(reading, member, item);
  placed(reading, err);
  leave(reading, before);
  return err;
}

enum err reading_object(struct reading *reading, const struct table *table, struct value value, void *item) {
  if (value_type(value) != VALUE_DOCUMENT)
    return placed(reading, diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected an object"));
  uint8_t scale = reading->scale;
  enum err err = check_names(reading, table, value);
  for (size_t i = 0; err == ERR_OK && i < table->member_count; i++)
    err = read_member(reading, table, &table->members[i], value, item);
  if (err == ERR_OK && table->finish != NULL) err = table->finish(reading, item);
  reading->scale = scale;
  return placed(reading, err);
}

enum err reading_document(const struct reading *reading, const struct table *table, struct value document, void *item) {
  struct reading whole = *reading;
  struct diag unwanted;
  struct rule_diag nowhere;
  assert(reading->catalog != NULL && reading->catalog->zone != NULL);
  if (whole.diag == NULL) whole.diag = &unwanted;
  if (whole.where == NULL) whole.where = &nowhere;
  diag_init(whole.diag);
  *whole.where = (struct rule_diag){0};
  if (whole.warnings != NULL) whole.warnings->warning_count = 0;
  memcpy(item, table->defaults, table->item_bytes);
  return reading_object(&whole, table, document, item);
}

enum err reading_stored(struct value packed, const struct names *names, struct arena *arena, const struct table *table,
                        void *item) {
  struct diag diag;
  struct rule_diag where;
  struct reading reading = {.names = names, .arena = arena, .where = &where, .diag = &diag};
  diag_init(&diag);
  memset(item, 0, table->item_bytes);
  enum err err = reading_object(&reading, table, packed, item);
  return err == ERR_OK || err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
}

// --- lists of things that have ids ---------------------------------------------------------------------------

static const struct bytes *id_at(const struct bytes *ids, size_t stride, size_t index) {
  return (const struct bytes *)(const void *)((const char *)ids + index * stride);
}

// At most LOYALTY_RULES_MAX: comparing each with each is 20,000 comparisons.
enum err reading_unique(struct reading *reading, const struct bytes *ids, size_t stride, size_t count) {
  for (size_t i = 1; i < count; i++)
    for (size_t j = 0; j < i; j++)
      if (bytes_equal(*id_at(ids, stride, i), *id_at(ids, stride, j)))
        return reading_refuse_item(reading, i, "id", "repeated", "\"%.*s\" stands there twice",
                                   BYTES_ARG(*id_at(ids, stride, i)));
  return ERR_OK;
}

static uint32_t number_at(struct numbering of, size_t index, size_t number_bytes) {
  const char *at = (const char *)of.numbers + index * of.stride;
  if (number_bytes == 1) return *(const uint8_t *)at;
  uint32_t number;
  memcpy(&number, at, sizeof number);
  return number;
}

static uint32_t number_before(struct numbering before, struct bytes id, size_t number_bytes) {
  for (size_t i = 0; i < before.count; i++)
    if (bytes_equal(id, *id_at(before.ids, before.stride, i))) return number_at(before, i, number_bytes);
  return 0;
}

enum err reading_number(struct reading *reading, void *items, struct numbering now, struct numbering before,
                        size_t number_bytes, uint32_t *given) {
  size_t at = (size_t)((const char *)now.numbers - (const char *)items);
  uint32_t most = number_bytes == 1 ? UINT8_MAX : UINT32_MAX;
  for (size_t i = 0; i < now.count; i++) {
    uint32_t number = number_before(before, *id_at(now.ids, now.stride, i), number_bytes);
    if (number == 0 && *given == most)
      return diag_set(reading->diag, ERR_LIMIT, "too_many", "over all versions there were %u already", most);
    if (number == 0) number = ++*given;
    char *to = (char *)items + i * now.stride + at;
    if (number_bytes == 1)
      *(uint8_t *)to = (uint8_t)number;
    else
      memcpy(to, &number, sizeof number);
  }
  return ERR_OK;
}
