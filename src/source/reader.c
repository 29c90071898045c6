// reader: opening, known names, identity paths.
//
// Known names are put into the dictionary when a reader opens, so before any message of a hostile client can fill it.
// Only when it was full already do members have to be compared by their text (has_inline_members).
#include "source/reader.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"

enum { PHONES_REMEMBERED = 4096 };

static const struct bytes member_names[MEMBER_COUNT] = {[MEMBER_NONE] = {NULL, 0},
#define X(upper, text) [MEMBER_##upper] = BYTES_INIT(text),
                                                        SOURCE_MEMBERS(X)
#undef X
};

static const struct bytes fixed_names[ENGINE_CORRECTION] = {
    [ENGINE_IDENTIFY] = BYTES_INIT("Identified"),  [ENGINE_PAGE] = BYTES_INIT("Page Viewed"),
    [ENGINE_SCREEN] = BYTES_INIT("Screen Viewed"), [ENGINE_GROUP] = BYTES_INIT("Group Joined"),
    [ENGINE_ALIAS] = BYTES_INIT("Aliased"),
};

static enum err resolve_members(struct source_reader *reader) {
  for (int member = MEMBER_NONE + 1; member < MEMBER_COUNT; member++) {
    uint32_t id = 0;
    enum err err = names_intern(reader->names, member_names[member], &id, NULL);
    if (err != ERR_OK) {
      return err;
    }
    if (id == 0) {
      reader->has_inline_members = true;
    }
    reader->member_of[id] = id == 0 ? MEMBER_NONE : (uint8_t)member;
  }
  for (int type = 0; type < ENGINE_CORRECTION; type++) {
    enum err err = ERR_OK;
    if (fixed_names[type].size_bytes > 0) {
      err = names_intern(reader->names, fixed_names[type], &reader->event_names[type], NULL);
    }
    if (err != ERR_OK) {
      return err;
    }
  }
  return ERR_OK;
}

enum err source_reader_open(struct source_reader **reader, struct engine *engine) {
  struct source_reader *made = alloc_zero(1, sizeof *made);
  if (made == NULL) {
    return ERR_NO_MEMORY;
  }
  made->engine = engine;
  made->names = engine_names(engine);
  buffer_init(&made->scratch);
  enum err err = value_parser_open(&made->parser);
  if (err == ERR_OK) {
    err = quality_phones_open(&made->phones, PHONES_REMEMBERED);
  }
  if (err == ERR_OK) {
    err = resolve_members(made);
  }
  if (err == ERR_OK) {
    err = source_reader_refresh(made, NULL);
  }
  if (err != ERR_OK) {
    source_reader_close(made);
    return err;
  }
  *reader = made;
  return ERR_OK;
}

void source_reader_close(struct source_reader *reader) {
  if (reader == NULL) {
    return;
  }
  if (reader->parser != NULL) {
    value_parser_close(reader->parser);
  }
  if (reader->phones != NULL) {
    quality_phones_close(reader->phones);
  }
  buffer_release(&reader->scratch);
  alloc_free(reader->paths);
  alloc_free(reader);
}

static enum source_member member_by_text(struct bytes name) {
  for (int member = MEMBER_NONE + 1; member < MEMBER_COUNT; member++) {
    if (bytes_equal(member_names[member], name)) {
      return (enum source_member)member;
    }
  }
  return MEMBER_NONE;
}

void source_fields_read(const struct source_reader *reader, struct value document, struct source_fields *fields) {
  memset(fields, 0, sizeof *fields);
  if (value_type(document) != VALUE_DOCUMENT) {
    return;
  }
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    enum source_member member = MEMBER_NONE;
    if (iter.name_id != 0 && iter.name_id <= LIMIT_NAMES) {
      member = (enum source_member)reader->member_of[iter.name_id];
    } else if (reader->has_inline_members) {
      member = member_by_text(iter.inline_name);
    }
    if (member != MEMBER_NONE) {
      fields->at[member] = iter.item;
    }
  }
}

struct bytes source_text(struct value value, struct arena *arena) {
  struct bytes text = BYTES("");
  struct decimal number;
  if (value_as_text(value, &text)) {
    return bytes_trim(text);
  }
  if (!value_as_number(value, &number)) {
    return text;
  }
  char digits[DECIMAL_TEXT_BYTES];
  return arena_copy(arena, bytes_of(digits, decimal_format(number, digits)));
}

// --- identity paths ------------------------------------------------------------------------------------------

static size_t count_segments(const struct identity_type *types, size_t type_count) {
  size_t count = 1;
  for (size_t type = 0; type < type_count; type++) {
    for (int i = 0; i < IDENTITY_PATHS_MAX && types[type].paths[i] != NULL; i++) {
      for (const char *at = types[type].paths[i]; at != NULL; at = strchr(at + 1, '.')) {
        count++;
      }
    }
  }
  return count;
}

// The child of `parent` called `text`, made when new. Children keep the order in which they came.
static enum err path_child(struct source_reader *reader, uint16_t parent, struct bytes text, uint16_t *child,
                           struct diag *diag) {
  uint16_t *link = &reader->paths[parent].child;
  while (*link != 0 && !bytes_equal(reader->paths[*link].text, text)) {
    link = &reader->paths[*link].next;
  }
  if (*link == 0) {
    struct source_path made = {.text = text, .type = -1};
    enum err err = names_intern(reader->names, text, &made.name, diag);
    if (err != ERR_OK) {
      return err;
    }
    made.is_user_id = parent == 0 && bytes_equal(text, BYTES("userId"));
    made.is_traits = parent == 0 && bytes_equal(text, BYTES("traits"));
    *link = (uint16_t)reader->path_count;
    reader->paths[reader->path_count++] = made;
  }
  *child = *link;
  return ERR_OK;
}

// Two types that name the same path: the one of higher rank, which comes first, keeps it.
static enum err path_add(struct source_reader *reader, const char *path, int16_t type, struct diag *diag) {
  uint16_t node = 0;
  for (const char *at = path; at != NULL;) {
    const char *dot = strchr(at, '.');
    struct bytes segment = dot == NULL ? bytes_from_text(at) : bytes_of(at, (size_t)(dot - at));
    enum err err = path_child(reader, node, segment, &node, diag);
    if (err != ERR_OK) {
      return err;
    }
    at = dot == NULL ? NULL : dot + 1;
  }
  if (reader->paths[node].type < 0) {
    reader->paths[node].type = type;
  }
  return ERR_OK;
}

enum err source_reader_refresh(struct source_reader *reader, struct diag *diag) {
  const struct identity_rules *rules = engine_rules(reader->engine);
  if (rules == reader->rules) {
    return ERR_OK;
  }
  size_t type_count = 0;
  const struct identity_type *types = identity_types(rules, &type_count);
  size_t segments = count_segments(types, type_count);
  assert(segments < UINT16_MAX);
  struct source_path *paths = alloc_zero(segments, sizeof *paths);
  if (paths == NULL) {
    return diag_no_memory(diag);
  }
  alloc_free(reader->paths);
  reader->rules = NULL; // until all paths are there: a failure half-way is mended by the next call
  reader->types = types;
  reader->type_count = type_count;
  reader->paths = paths;
  reader->paths[0] = (struct source_path){.type = -1};
  reader->path_count = 1;
  for (size_t type = 0; type < type_count; type++) {
    for (int i = 0; i < IDENTITY_PATHS_MAX && types[type].paths[i] != NULL; i++) {
      enum err err = path_add(reader, types[type].paths[i], (int16_t)type, diag);
      if (err != ERR_OK) {
        return err;
      }
    }
  }
  reader->rules = rules;
  return ERR_OK;
}
