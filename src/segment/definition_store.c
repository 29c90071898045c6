// definition_store: a definition as it is stored, and as people are told it.
//
// Stored is a packed document with the members of the person's own, shares as whole hundredths of a percent, and what
// the workspace gave. It is read back by names: a member that is not there is as it is in an empty definition, so that
// later versions can add some. What could not have been written is ERR_CORRUPT.
#include <string.h>

#include "base/limits.h"
#include "segment/definition.h"
#include "segment/words.h"
#include "value/given.h"

const char *const segment_kind_words[SEGMENT_KINDS] = {[SEGMENT_EXPRESSION] = "segment",
                                                       [SEGMENT_LIST] = "list",
                                                       [SEGMENT_ATTRIBUTE] = "attribute",
                                                       [SEGMENT_SCORE] = "score"};
const char *const segment_status_words[SEGMENT_STATUSES] = {[SEGMENT_BUILDING] = "building",
                                                            [SEGMENT_LIVE] = "live",
                                                            [SEGMENT_REPLACED] = "replaced",
                                                            [SEGMENT_ARCHIVED] = "archived"};

const char *segment_kind_name(enum segment_kind kind) {
  return segment_kind_words[kind];
}
const char *segment_status_name(enum segment_status status) {
  return segment_status_words[status];
}

// --- packed --------------------------------------------------------------------------------------------------

static void put_text(struct value_builder *builder, struct bytes name, struct bytes text) {
  if (text.size_bytes == 0) return;
  value_put_name(builder, name);
  value_put_text(builder, text);
}

static void put_number(struct value_builder *builder, struct bytes name, int64_t number) {
  if (number == 0) return;
  value_put_name(builder, name);
  value_put_i64(builder, number);
}

static void put_exclusions(struct value_builder *builder, const struct segment_definition *definition) {
  if (definition->exclusion_count == 0) return;
  value_put_name(builder, BYTES("exclude"));
  value_list_begin(builder);
  for (size_t i = 0; i < definition->exclusion_count; i++) {
    value_document_begin(builder);
    put_text(builder, BYTES("name"), definition->exclusions[i].name);
    put_text(builder, BYTES("when"), definition->exclusions[i].when);
    value_document_end(builder);
  }
  value_list_end(builder);
}

static void put_variants(struct value_builder *builder, const struct segment_definition *definition) {
  if (definition->variant_count == 0) return;
  value_put_name(builder, BYTES("variants"));
  value_list_begin(builder);
  for (size_t i = 0; i < definition->variant_count; i++) {
    value_document_begin(builder);
    put_text(builder, BYTES("name"), definition->variants[i].name);
    put_number(builder, BYTES("share"), definition->variants[i].share);
    value_document_end(builder);
  }
  value_list_end(builder);
}

void segment_definition_pack(const struct segment_definition *definition, struct value_builder *builder) {
  value_document_begin(builder);
  put_text(builder, BYTES("id"), definition->id);
  put_text(builder, BYTES("name"), definition->name);
  put_text(builder, BYTES("description"), definition->description);
  put_text(builder, BYTES("kind"), bytes_from_text(segment_kind_name(definition->kind)));
  put_text(builder, BYTES("include"), definition->include);
  put_exclusions(builder, definition);
  put_number(builder, BYTES("limit"), definition->limit);
  put_text(builder, BYTES("limit_by"), definition->limit_by);
  put_number(builder, BYTES("control"), definition->control);
  put_variants(builder, definition);
  put_number(builder, BYTES("question"), definition->question);
  put_number(builder, BYTES("version"), definition->version);
  put_text(builder, BYTES("status"), bytes_from_text(segment_status_name(definition->status)));
  put_number(builder, BYTES("created_us"), definition->created_us);
  put_number(builder, BYTES("live_us"), definition->live_us);
  put_number(builder, BYTES("refreshed_us"), definition->refreshed_us);
  put_text(builder, BYTES("author"), definition->author);
  value_document_end(builder);
}

// --- and back ------------------------------------------------------------------------------------------------

// The first failure stays; what is read after it does not matter.
struct unpacking {
  const struct names *names;
  struct arena *arena;
  enum err err;
};

static void fail(struct unpacking *unpacking, enum err err) {
  if (unpacking->err == ERR_OK) unpacking->err = err;
}

static struct bytes get_text(struct unpacking *unpacking, struct value document, struct bytes name) {
  struct value value = value_member(document, unpacking->names, name);
  struct bytes text = {NULL, 0};
  if (value_is_absent(value)) return text;
  if (!value_as_text(value, &text)) {
    fail(unpacking, ERR_CORRUPT);
    return text;
  }
  text = arena_copy(unpacking->arena, text);
  if (text.data == NULL) fail(unpacking, ERR_NO_MEMORY);
  return text;
}

static int64_t get_number(struct unpacking *unpacking, struct value document, struct bytes name, int64_t least,
                          int64_t most) {
  struct value value = value_member(document, unpacking->names, name);
  struct decimal number;
  int64_t whole = 0;
  bool good =
      value_is_absent(value) || (value_as_number(value, &number) && decimal_to_scaled_i64(number, 0, &whole) == ERR_OK);
  if (good && whole >= least && whole <= most) return whole;
  fail(unpacking, ERR_CORRUPT);
  return least;
}

static size_t get_word(struct unpacking *unpacking, struct value document, struct bytes name, const char *const *words,
                       size_t count) {
  struct bytes word;
  size_t position = 0;
  struct value value = value_member(document, unpacking->names, name);
  if (value_as_text(value, &word) && given_word_find(word, words, count, &position)) return position;
  fail(unpacking, ERR_CORRUPT);
  return 0;
}

// Room for the items of a list member; how many there are.
static void *get_list(struct unpacking *unpacking, struct value list, size_t most, size_t item_bytes, size_t *count) {
  *count = 0;
  if (value_is_absent(list)) return NULL;
  *count = given_item_count(list);
  if (value_type(list) != VALUE_LIST || *count == 0 || *count > most) {
    fail(unpacking, ERR_CORRUPT);
    *count = 0;
    return NULL;
  }
  void *items = arena_take_zero(unpacking->arena, *count, item_bytes);
  if (items == NULL) {
    fail(unpacking, ERR_NO_MEMORY);
    *count = 0;
  }
  return items;
}

static void get_exclusions(struct unpacking *unpacking, struct value document, struct segment_definition *definition) {
  struct value list = value_member(document, unpacking->names, BYTES("exclude"));
  struct segment_exclusion *exclusions =
      get_list(unpacking, list, SEGMENT_EXCLUSIONS_MAX, sizeof *exclusions, &definition->exclusion_count);
  struct value_iter iter = value_iterate(list);
  for (size_t i = 0; i < definition->exclusion_count && value_next(&iter); i++) {
    exclusions[i].name = get_text(unpacking, iter.item, BYTES("name"));
    exclusions[i].when = get_text(unpacking, iter.item, BYTES("when"));
    if (exclusions[i].when.size_bytes == 0) fail(unpacking, ERR_CORRUPT);
  }
  definition->exclusions = exclusions;
}

static void get_variants(struct unpacking *unpacking, struct value document, struct segment_definition *definition) {
  struct value list = value_member(document, unpacking->names, BYTES("variants"));
  struct segment_variant *variants =
      get_list(unpacking, list, SEGMENT_VARIANTS_MAX, sizeof *variants, &definition->variant_count);
  struct value_iter iter = value_iterate(list);
  int64_t sum = 0;
  for (size_t i = 0; i < definition->variant_count && value_next(&iter); i++) {
    variants[i].name = get_text(unpacking, iter.item, BYTES("name"));
    variants[i].share = (uint32_t)get_number(unpacking, iter.item, BYTES("share"), 0, SEGMENT_SHARE_UNIT);
    sum += variants[i].share;
  }
  if (sum > SEGMENT_SHARE_UNIT) fail(unpacking, ERR_CORRUPT);
  definition->variants = variants;
}

enum err segment_definition_unpack(struct value packed, const struct names *names, struct arena *arena,
                                   struct segment_definition *definition) {
  struct unpacking unpacking = {names, arena, ERR_OK};
  struct unpacking *from = &unpacking;
  *definition = (struct segment_definition){
      .id = get_text(from, packed, BYTES("id")),
      .name = get_text(from, packed, BYTES("name")),
      .description = get_text(from, packed, BYTES("description")),
      .kind = (enum segment_kind)get_word(from, packed, BYTES("kind"), segment_kind_words, SEGMENT_KINDS),
      .include = get_text(from, packed, BYTES("include")),
      .limit = (uint32_t)get_number(from, packed, BYTES("limit"), 0, SEGMENT_LIMIT_MAX),
      .limit_by = get_text(from, packed, BYTES("limit_by")),
      .control = (uint32_t)get_number(from, packed, BYTES("control"), 0, SEGMENT_SHARE_UNIT),
      .question = (uint32_t)get_number(from, packed, BYTES("question"), 0, UINT32_MAX),
      .version = (uint32_t)get_number(from, packed, BYTES("version"), 0, UINT32_MAX),
      .status = (enum segment_status)get_word(from, packed, BYTES("status"), segment_status_words, SEGMENT_STATUSES),
      .created_us = get_number(from, packed, BYTES("created_us"), INT64_MIN, INT64_MAX),
      .live_us = get_number(from, packed, BYTES("live_us"), INT64_MIN, INT64_MAX),
      .refreshed_us = get_number(from, packed, BYTES("refreshed_us"), INT64_MIN, INT64_MAX),
      .author = get_text(from, packed, BYTES("author")),
  };
  get_exclusions(from, packed, definition);
  get_variants(from, packed, definition);
  bool has_expression = definition->include.size_bytes > 0;
  if (!segment_id_is_good(definition->id) || has_expression == (definition->kind == SEGMENT_LIST))
    fail(from, ERR_CORRUPT);
  return unpacking.err;
}

// --- told ----------------------------------------------------------------------------------------------------

static void tell_text(struct json_writer *writer, const char *name, struct bytes text) {
  if (text.size_bytes > 0) json_member_bytes(writer, name, text);
}

// A share as a number from 0 to 1.
static void tell_share(struct json_writer *writer, const char *name, uint32_t share) {
  struct decimal exact = {.coefficient = share, .exponent = -SEGMENT_SHARE_DIGITS};
  while (exact.exponent < 0 && exact.coefficient % 10 == 0) {
    exact.coefficient /= 10;
    exact.exponent++;
  }
  char text[DECIMAL_TEXT_BYTES];
  size_t size = decimal_format(exact, text);
  json_name(writer, name);
  json_raw(writer, bytes_of(text, size));
}

static void tell_exclusions(struct json_writer *writer, const struct segment_definition *definition) {
  if (definition->exclusion_count == 0) return;
  json_name(writer, "exclude");
  json_array_begin(writer);
  for (size_t i = 0; i < definition->exclusion_count; i++) {
    json_object_begin(writer);
    json_member_bytes(writer, "name", definition->exclusions[i].name);
    json_member_bytes(writer, "when", definition->exclusions[i].when);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void tell_limit(struct json_writer *writer, const struct segment_definition *definition) {
  if (definition->limit == 0) return;
  json_name(writer, "limit");
  json_object_begin(writer);
  if (definition->limit_by.size_bytes == 0) {
    json_member_u64(writer, "random", definition->limit);
  } else {
    json_member_u64(writer, "top", definition->limit);
    json_member_bytes(writer, "by", definition->limit_by);
  }
  json_object_end(writer);
}

static void tell_variants(struct json_writer *writer, const struct segment_definition *definition) {
  if (definition->variant_count == 0) return;
  json_name(writer, "variants");
  json_array_begin(writer);
  for (size_t i = 0; i < definition->variant_count; i++) {
    json_object_begin(writer);
    json_member_bytes(writer, "name", definition->variants[i].name);
    tell_share(writer, "share", definition->variants[i].share);
    json_object_end(writer);
  }
  json_array_end(writer);
}

void segment_definition_json(const struct segment_definition *definition, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bytes(writer, "id", definition->id);
  tell_text(writer, "name", definition->name);
  tell_text(writer, "description", definition->description);
  json_member_text(writer, "kind", segment_kind_name(definition->kind));
  tell_text(writer, definition->kind == SEGMENT_ATTRIBUTE ? "expression" : "include", definition->include);
  tell_exclusions(writer, definition);
  tell_limit(writer, definition);
  if (definition->control > 0) tell_share(writer, "control", definition->control);
  tell_variants(writer, definition);
  json_member_u64(writer, "version", definition->version);
  json_member_text(writer, "status", segment_status_name(definition->status));
  if (definition->created_us != 0) json_member_time(writer, "created_at", definition->created_us);
  if (definition->live_us != 0) json_member_time(writer, "live_at", definition->live_us);
  tell_text(writer, "author", definition->author);
}
