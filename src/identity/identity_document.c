// identity_document: the rules document, read strictly.
//
// The default rules are read first and the given document over them, by the same code, so that what a person leaves out
// is what the default says and there is one truth about it. Objects are read through tables of members: a name that is
// in no table is refused with the nearest one that is. Drafts of types are gathered, then checked, ranked and copied
// into the rules. Texts are copied into the rules' arena; the scratch arena ends with the reading.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/nearest.h"
#include "identity/identity_rules.h"
#include "value/decimal.h"
#include "value/value.h"

enum {
  PERSON_LIMIT = 5,
  DEVICE_LIMIT = 20,
  BLOCKED_REPEATS_MIN = 2,
  WINDOW_DAYS_MAX = 36500,
};

// A type being read.
struct draft {
  struct identity_type type; // limit 0: not said
  bool exists;
  bool has_paths;
  size_t pattern_count;
  struct bytes patterns[IDENTITY_PATTERNS_MAX];
};

struct reading {
  struct identity_rules *rules;
  const struct names *names;
  struct diag *diag;
  bool is_default; // the default rules are being read
  size_t draft_count;
  struct draft drafts[IDENTITY_TYPES_MAX];
  bool own_priority; // the given document has one; else the default's, less what the document took away
  size_t priority_count;
  struct bytes priority[IDENTITY_TYPES_MAX];
};

// --- plain values --------------------------------------------------------------------------------------------

static enum err wrong_type(struct reading *reading, const char *expected) {
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

static enum err read_whole(struct reading *reading, struct value value, int64_t least_allowed, int64_t most,
                           int64_t *out) {
  struct decimal number;
  if (!value_as_number(value, &number)) return wrong_type(reading, "a whole number");
  int64_t whole;
  if (decimal_to_scaled_i64(number, 0, &whole) != ERR_OK || whole < least_allowed || whole > most)
    return diag_set(reading->diag, ERR_INVALID, "out_of_range", "expected a whole number from %lld to %lld",
                    (long long)least_allowed, (long long)most);
  *out = whole;
  return ERR_OK;
}

// Days as microseconds; null is 0.
static enum err read_days(struct reading *reading, struct value value, int64_t *window_us) {
  *window_us = 0;
  if (value_type(value) == VALUE_NULL) return ERR_OK;
  int64_t days = 0;
  enum err err = read_whole(reading, value, 1, WINDOW_DAYS_MAX, &days);
  if (err == ERR_OK) *window_us = days * CLOCK_DAY_US;
  return err;
}

// One word of a list, as its position.
static enum err read_word(struct reading *reading, struct value value, const char *const *words, size_t count,
                          size_t *position) {
  struct bytes text;
  if (!value_as_text(value, &text)) return wrong_type(reading, "a text");
  for (*position = 0; *position < count; ++*position)
    if (bytes_equal(text, bytes_from_text(words[*position]))) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "unknown_word", "did you mean \"%s\"?", nearest_word(text, words, count));
}

// A text that is not empty, copied into the rules.
static enum err read_text(struct reading *reading, struct value value, struct bytes *out) {
  struct bytes text;
  if (!value_as_text(value, &text) || text.size_bytes == 0) return wrong_type(reading, "a text that is not empty");
  if (text.size_bytes > LIMIT_NAME_BYTES || memchr(text.data, 0, text.size_bytes) != NULL)
    return diag_set(reading->diag, ERR_INVALID, "bad_text", "expected at most %d bytes and no zero byte",
                    LIMIT_NAME_BYTES);
  *out = arena_copy(&reading->rules->arena, text);
  return out->data == NULL ? diag_no_memory(reading->diag) : ERR_OK;
}

static enum err read_texts(struct reading *reading, struct value value, struct bytes *out, size_t most, size_t *count) {
  *count = 0;
  if (value_type(value) != VALUE_LIST) return wrong_type(reading, "a list of texts");
  struct value_iter iter = value_iterate(value);
  while (value_next(&iter)) {
    if (*count == most) return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %zu items", most);
    enum err err = read_text(reading, iter.item, &out[*count]);
    if (err != ERR_OK) {
      diag_in_field(reading->diag, "[%zu]", *count);
      return err;
    }
    ++*count;
  }
  return ERR_OK;
}

// --- objects by table ----------------------------------------------------------------------------------------

enum { MEMBERS_MAX = 8 };

struct member {
  const char *name;
  enum err (*read)(struct reading *reading, void *target, struct value value);
};

static enum err unknown_member(struct reading *reading, struct bytes name, const struct member *members, size_t count) {
  const char *known[MEMBERS_MAX];
  assert(count <= MEMBERS_MAX);
  for (size_t i = 0; i < count; i++) known[i] = members[i].name;
  return diag_set(reading->diag, ERR_INVALID, "unknown_member", "no such member; did you mean \"%s\"?",
                  nearest_word(name, known, count));
}

static enum err read_members(struct reading *reading, void *target, struct value document, const struct member *members,
                             size_t count) {
  if (value_type(document) != VALUE_DOCUMENT) return wrong_type(reading, "an object");
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->names);
    size_t i = 0;
    while (i < count && !bytes_equal(name, bytes_from_text(members[i].name))) i++;
    enum err err =
        i < count ? members[i].read(reading, target, iter.item) : unknown_member(reading, name, members, count);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "%.*s", BYTES_ARG(name));
    return err;
  }
  return ERR_OK;
}

// --- one type ------------------------------------------------------------------------------------------------

static enum err read_class(struct reading *reading, void *target, struct value value) {
  static const char *const words[] = {[IDENTITY_PERSON] = "person", [IDENTITY_DEVICE] = "device"};
  struct draft *draft = target;
  size_t position;
  enum err err = read_word(reading, value, words, sizeof words / sizeof *words, &position);
  if (err == ERR_OK) draft->type.class = (enum identity_class)position;
  return err;
}

static enum err read_form(struct reading *reading, void *target, struct value value) {
  static const char *const words[] = {
      [IDENTITY_FORM_TEXT] = "text", [IDENTITY_FORM_EMAIL] = "email", [IDENTITY_FORM_PHONE] = "phone"};
  struct draft *draft = target;
  size_t position;
  enum err err = read_word(reading, value, words, sizeof words / sizeof *words, &position);
  if (err == ERR_OK) draft->type.form = (enum identity_form)position;
  return err;
}

static enum err read_limit(struct reading *reading, void *target, struct value value) {
  struct draft *draft = target;
  int64_t limit = 0;
  enum err err = read_whole(reading, value, 1, LIMIT_CUSTOMER_IDENTIFIERS, &limit);
  if (err == ERR_OK) draft->type.limit = (uint32_t)limit;
  return err;
}

static enum err read_type_window(struct reading *reading, void *target, struct value value) {
  struct draft *draft = target;
  return read_days(reading, value, &draft->type.window_us);
}

static enum err read_shares(struct reading *reading, void *target, struct value value) {
  struct draft *draft = target;
  return value_as_bool(value, &draft->type.shares) ? ERR_OK : wrong_type(reading, "true or false");
}

static enum err read_patterns(struct reading *reading, void *target, struct value value) {
  struct draft *draft = target;
  return read_texts(reading, value, draft->patterns, IDENTITY_PATTERNS_MAX, &draft->pattern_count);
}

static bool is_path(struct bytes path) {
  const uint8_t *data = path.data;
  bool after_dot = true;
  for (size_t i = 0; i < path.size_bytes; i++) {
    if (data[i] == '.' && after_dot) return false;
    after_dot = data[i] == '.';
  }
  return !after_dot;
}

static enum err read_paths(struct reading *reading, void *target, struct value value) {
  struct draft *draft = target;
  struct bytes paths[IDENTITY_PATHS_MAX - 1];
  size_t count;
  enum err err = read_texts(reading, value, paths, IDENTITY_PATHS_MAX - 1, &count);
  if (err != ERR_OK) return err;
  memset(draft->type.paths, 0, sizeof draft->type.paths);
  draft->has_paths = true;
  for (size_t i = 0; i < count; i++) {
    if (!is_path(paths[i])) {
      diag_set(reading->diag, ERR_INVALID, "bad_path", "expected names joined by dots, as in \"traits.email\"");
      diag_in_field(reading->diag, "[%zu]", i);
      return ERR_INVALID;
    }
    draft->type.paths[i] = (const char *)paths[i].data;
  }
  return ERR_OK;
}

static const struct member TYPE_MEMBERS[] = {
    {"class", read_class},   {"form", read_form},        {"limit", read_limit}, {"window_days", read_type_window},
    {"shares", read_shares}, {"blocked", read_patterns}, {"paths", read_paths},
};

static bool is_type_name(struct bytes name) {
  if (name.size_bytes == 0 || name.size_bytes > IDENTITY_TYPE_NAME_BYTES) return false;
  for (size_t i = 0; i < name.size_bytes; i++) {
    uint8_t letter = name.data[i];
    bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
    bool is_other = (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
    if (!is_letter && (i == 0 || !is_other)) return false;
  }
  return true;
}

static struct draft *find_draft(struct reading *reading, struct bytes name) {
  for (size_t i = 0; i < reading->draft_count; i++)
    if (bytes_equal(reading->drafts[i].type.text, name)) return &reading->drafts[i];
  return NULL;
}

static enum err new_draft(struct reading *reading, struct bytes name, struct draft **draft) {
  if (!is_type_name(name))
    return diag_set(reading->diag, ERR_INVALID, "bad_type_name",
                    "expected a letter, then letters, digits, '_' or '-', at most %d in all", IDENTITY_TYPE_NAME_BYTES);
  if (reading->draft_count == IDENTITY_TYPES_MAX)
    return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %d types, the default ones included",
                    IDENTITY_TYPES_MAX);
  struct bytes text = arena_copy(&reading->rules->arena, name);
  if (text.data == NULL) return diag_no_memory(reading->diag);
  *draft = &reading->drafts[reading->draft_count++];
  **draft = (struct draft){.type = {.text = text, .class = IDENTITY_PERSON, .form = IDENTITY_FORM_TEXT}};
  return ERR_OK;
}

static enum err read_type(struct reading *reading, struct bytes name, struct value value) {
  struct draft *draft = find_draft(reading, name);
  enum err err = draft == NULL ? new_draft(reading, name, &draft) : ERR_OK;
  if (err != ERR_OK) return err;
  draft->exists = value_type(value) != VALUE_NULL;
  if (!draft->exists) return ERR_OK;
  return read_members(reading, draft, value, TYPE_MEMBERS, sizeof TYPE_MEMBERS / sizeof *TYPE_MEMBERS);
}

// --- the whole document --------------------------------------------------------------------------------------

static enum err read_types(struct reading *reading, void *target, struct value value) {
  (void)target;
  if (value_type(value) != VALUE_DOCUMENT) return wrong_type(reading, "an object of types by name");
  struct value_iter iter = value_iterate(value);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->names);
    enum err err = read_type(reading, name, iter.item);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "%.*s", BYTES_ARG(name));
    return err;
  }
  return ERR_OK;
}

static enum err read_priority(struct reading *reading, void *target, struct value value) {
  (void)target;
  reading->own_priority = !reading->is_default;
  return read_texts(reading, value, reading->priority, IDENTITY_TYPES_MAX, &reading->priority_count);
}

static enum err read_blocked(struct reading *reading, void *target, struct value value) {
  (void)target;
  struct identity_rules *rules = reading->rules;
  return read_texts(reading, value, rules->blocked, IDENTITY_BLOCKED_MAX, &rules->blocked_count);
}

static enum err read_repeats(struct reading *reading, void *target, struct value value) {
  (void)target;
  int64_t repeats = 0;
  enum err err = read_whole(reading, value, 0, LIMIT_IDENTIFIER_BYTES, &repeats);
  if (err != ERR_OK) return err;
  if (repeats != 0 && repeats < BLOCKED_REPEATS_MIN)
    return diag_set(reading->diag, ERR_INVALID, "out_of_range", "expected 0 (off) or %d and more", BLOCKED_REPEATS_MIN);
  reading->rules->blocked_repeats = (uint32_t)repeats;
  return ERR_OK;
}

static enum err read_people_max(struct reading *reading, void *target, struct value value) {
  (void)target;
  int64_t people = 0;
  enum err err = read_whole(reading, value, 1, IDENTITY_RUNS_MAX - 1, &people);
  if (err == ERR_OK) reading->rules->device_people_max = (uint32_t)people;
  return err;
}

static enum err read_device_window(struct reading *reading, void *target, struct value value) {
  (void)target;
  if (value_type(value) == VALUE_NULL) return wrong_type(reading, "a whole number of days");
  return read_days(reading, value, &reading->rules->device_window_us);
}

static enum err read_devices(struct reading *reading, void *target, struct value value) {
  static const struct member members[] = {{"people_max", read_people_max}, {"window_days", read_device_window}};
  return read_members(reading, target, value, members, sizeof members / sizeof *members);
}

static enum err read_document(struct reading *reading, struct value document) {
  static const struct member members[] = {{"types", read_types},
                                          {"priority", read_priority},
                                          {"blocked", read_blocked},
                                          {"blocked_repeats", read_repeats},
                                          {"devices", read_devices}};
  return read_members(reading, NULL, document, members, sizeof members / sizeof *members);
}

// --- ranks ---------------------------------------------------------------------------------------------------

// The place of a type in the order of ranks: the priority list, other persons, anonymous_id, other devices.
static size_t group_of(const struct reading *reading, const struct draft *draft) {
  enum { PERSONS = IDENTITY_TYPES_MAX, ANONYMOUS, DEVICES, NOWHERE };
  if (!draft->exists) return NOWHERE;
  if (draft->type.class == IDENTITY_DEVICE)
    return bytes_equal(draft->type.text, BYTES("anonymous_id")) ? ANONYMOUS : DEVICES;
  for (size_t i = 0; i < reading->priority_count; i++)
    if (bytes_equal(reading->priority[i], draft->type.text)) return i;
  return PERSONS;
}

static enum err check_priority_item(struct reading *reading, size_t position) {
  struct bytes name = reading->priority[position];
  for (size_t i = 0; i < position; i++)
    if (bytes_equal(reading->priority[i], name))
      return diag_set(reading->diag, ERR_INVALID, "repeated", "the type is in the list already");
  const struct draft *draft = find_draft(reading, name);
  if (draft != NULL && draft->exists && draft->type.class == IDENTITY_PERSON) return ERR_OK;
  const char *known[IDENTITY_TYPES_MAX];
  size_t count = 0;
  for (size_t i = 0; i < reading->draft_count; i++) {
    const struct draft *other = &reading->drafts[i];
    if (other->exists && other->type.class == IDENTITY_PERSON) known[count++] = (const char *)other->type.text.data;
  }
  const char *nearest = nearest_word(name, known, count);
  return diag_set(reading->diag, ERR_INVALID, "unknown_type", "no such type of a person; did you mean \"%s\"?",
                  nearest == NULL ? "" : nearest);
}

static enum err check_priority(struct reading *reading) {
  for (size_t i = 0; reading->own_priority && i < reading->priority_count; i++) {
    if (check_priority_item(reading, i) == ERR_OK) continue;
    diag_in_field(reading->diag, "priority[%zu]", i);
    return ERR_INVALID;
  }
  return ERR_OK;
}

// By insertion; the order of drafts is the order of the document, which says nothing.
static void sort_drafts(const struct reading *reading, const struct draft **sorted) {
  for (size_t i = 0; i < reading->draft_count; i++) {
    const struct draft *draft = &reading->drafts[i];
    size_t at = i, group = group_of(reading, draft);
    for (; at > 0; at--) {
      size_t before = group_of(reading, sorted[at - 1]);
      if (before < group) break;
      if (before == group && bytes_compare(sorted[at - 1]->type.text, draft->type.text) <= 0) break;
      sorted[at] = sorted[at - 1];
    }
    sorted[at] = draft;
  }
}

// Where a type without paths is looked for.
static enum err default_paths(struct reading *reading, struct identity_type *type) {
  static const char *const places[] = {"traits", "context.traits", "properties"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    type->paths[i] = arena_format(&reading->rules->arena, "%s.%.*s", places[i], BYTES_ARG(type->text));
    if (type->paths[i] == NULL) return diag_no_memory(reading->diag);
  }
  return ERR_OK;
}

static enum err accept_draft(struct reading *reading, const struct draft *draft) {
  struct identity_rules *rules = reading->rules;
  size_t position = rules->type_count++;
  struct identity_type *type = &rules->types[position];
  *type = draft->type;
  type->rank = (int)position;
  if (type->limit == 0) type->limit = type->class == IDENTITY_DEVICE ? DEVICE_LIMIT : PERSON_LIMIT;
  enum err err = draft->has_paths ? ERR_OK : default_paths(reading, type);
  if (err != ERR_OK) return err;
  err = identity_patterns_compile(rules, draft->patterns, draft->pattern_count, &rules->patterns[position],
                                  reading->diag);
  if (err != ERR_OK) diag_in_field(reading->diag, "types.%.*s.blocked", BYTES_ARG(type->text));
  return err;
}

static enum err accept_drafts(struct reading *reading) {
  const struct draft *sorted[IDENTITY_TYPES_MAX];
  sort_drafts(reading, sorted);
  for (size_t i = 0; i < reading->draft_count; i++) {
    if (!sorted[i]->exists) continue;
    enum err err = accept_draft(reading, sorted[i]);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// --- opening -------------------------------------------------------------------------------------------------

// The default rules, through a dictionary of their own: the workspace's need not know these words.
static enum err read_default(struct reading *reading) {
  struct names *names = NULL;
  struct value_parser *parser = NULL;
  struct buffer packed;
  buffer_init(&packed);
  enum err err = names_open(&names, NULL, NULL);
  if (err == ERR_OK) err = value_parser_open(&parser);
  if (err == ERR_OK) err = value_parse_json(parser, identity_rules_default(), names, &packed, reading->diag);
  if (err == ERR_OK) {
    reading->names = names;
    err = read_document(reading, (struct value){buffer_view(&packed)});
  }
  assert(err == ERR_OK || err == ERR_NO_MEMORY);
  if (parser != NULL) value_parser_close(parser);
  if (names != NULL) names_close(names);
  buffer_release(&packed);
  return err == ERR_OK ? ERR_OK : diag_no_memory(reading->diag);
}

enum err identity_document_read(struct identity_rules *rules, struct value document, const struct names *names,
                                struct diag *diag) {
  struct arena scratch;
  arena_init(&scratch, 0);
  struct reading *reading = arena_take_zero(&scratch, 1, sizeof *reading);
  enum err err = reading == NULL ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK) {
    reading->rules = rules;
    reading->diag = diag;
    reading->is_default = true;
    err = read_default(reading);
  }
  if (err == ERR_OK && value_type(document) != VALUE_NULL) {
    reading->is_default = false;
    reading->names = names;
    err = read_document(reading, document);
  }
  if (err == ERR_OK) err = check_priority(reading);
  if (err == ERR_OK) err = accept_drafts(reading);
  arena_release(&scratch);
  return err;
}
