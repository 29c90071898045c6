// definition: a person's document, read strictly.
//
// The kind is read first, because it says which other members may stand there; then the members in the order of the
// document, through one table. A name that is not in the table is refused with the nearest one that is; one that
// another kind has is refused with what this kind has instead. Expressions are parsed and checked as they are met: a
// definition that was read can be compiled. Shares are kept as whole hundredths of a percent, so that they add up
// exactly. Everything that the definition points to is a copy in the caller's arena.
#include "segment/definition.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "base/nearest.h"
#include "rule/admit.h"
#include "segment/words.h"
#include "value/given.h"

struct reading {
  const struct names *names;
  const struct rule_catalog *catalog;
  struct arena *arena;
  struct segment_definition *definition;
  struct rule_check *warnings; // may be NULL
  struct rule_diag *wrong;     // of an expression
  struct diag *diag;
  // Of the exclusion or variant being read:
  struct segment_exclusion *exclusion;
  struct segment_variant *variant;
  bool has_share;
  struct bytes limit_by;
  int64_t limit_top, limit_random;
};

typedef enum err read_fn(struct reading *reading, struct value value);

// --- plain values --------------------------------------------------------------------------------------------

static enum err wrong_type(struct reading *reading, const char *expected) {
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

static enum err keep(struct reading *reading, struct bytes text, struct bytes *out) {
  *out = arena_copy(reading->arena, text);
  return out->data == NULL ? diag_no_memory(reading->diag) : ERR_OK;
}

static enum err read_text(struct reading *reading, struct value value, size_t most_bytes, struct bytes *out) {
  struct bytes text;
  enum err err = given_text(value, most_bytes, &text, reading->diag);
  return err == ERR_OK ? keep(reading, text, out) : err;
}

static enum err read_share(struct reading *reading, struct value value, uint32_t *share) {
  return given_share(value, SEGMENT_SHARE_DIGITS, share, reading->diag);
}

bool segment_id_is_good(struct bytes id) {
  return given_id_is_good(id, SEGMENT_ID_BYTES);
}

// `member`: of which the expression is, for its warnings; NULL for the main one.
static enum err read_expression(struct reading *reading, struct value value, bool condition, const char *member,
                                struct bytes *out) {
  enum err err = read_text(reading, value, RULE_TEXT_BYTES_MAX, out);
  if (err != ERR_OK) return err;
  struct rule_check check = {.catalog = reading->catalog, .condition = condition};
  return rule_admit(*out, &check, member, reading->warnings, NULL, reading->wrong, reading->diag);
}

// --- objects by table ----------------------------------------------------------------------------------------

enum { MEMBERS_MAX = 24, ALL_KINDS = 7 };

struct member {
  const char *name;
  unsigned kinds; // bit 1 << kind: who may have it
  read_fn *read;
};

// The nearest of the members that this kind has.
static enum err unknown_member(struct reading *reading, struct bytes name, const struct member *members, size_t count) {
  const char *known[MEMBERS_MAX];
  size_t known_count = 0;
  assert(count <= MEMBERS_MAX);
  for (size_t i = 0; i < count; i++)
    if (members[i].kinds & 1U << reading->definition->kind) known[known_count++] = members[i].name;
  const char *near = nearest_word(name, known, known_count);
  for (size_t i = 0; i < count; i++)
    if (bytes_equal(name, bytes_from_text(members[i].name)))
      return diag_set(reading->diag, ERR_INVALID, "unknown_member", "a definition of kind \"%s\" has no such member",
                      segment_kind_name(reading->definition->kind));
  return diag_set(reading->diag, ERR_INVALID, "unknown_member", "no such member; did you mean \"%s\"?", near);
}

static enum err read_members(struct reading *reading, struct value document, const struct member *members,
                             size_t count) {
  if (value_type(document) != VALUE_DOCUMENT) return wrong_type(reading, "an object");
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->names);
    const struct member *member = NULL;
    for (size_t i = 0; i < count && member == NULL; i++)
      if (bytes_equal(name, bytes_from_text(members[i].name))) member = &members[i];
    bool known = member != NULL && (member->kinds & 1U << reading->definition->kind);
    enum err err = known ? member->read(reading, iter.item) : unknown_member(reading, name, members, count);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "%.*s", BYTES_ARG(name));
    return err;
  }
  return ERR_OK;
}

static enum err missing(struct reading *reading, const char *name, const char *what) {
  diag_set(reading->diag, ERR_INVALID, "missing_member", "missing: %s", what);
  diag_in_field(reading->diag, "%s", name);
  return ERR_INVALID;
}

// A list of at most `most` objects, read one by one. The items are gone through twice: to make room, then to read.
static enum err read_list(struct reading *reading, struct value list, size_t most, size_t item_bytes, void **items,
                          size_t *count, enum err (*read)(struct reading *, void *items, size_t index, struct value)) {
  if (value_type(list) != VALUE_LIST) return wrong_type(reading, "a list of objects");
  *count = given_item_count(list);
  if (*count > most) return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %zu items", most);
  *items = *count == 0 ? NULL : arena_take_zero(reading->arena, *count, item_bytes);
  if (*count > 0 && *items == NULL) return diag_no_memory(reading->diag);
  struct value_iter iter = value_iterate(list);
  for (size_t i = 0; value_next(&iter); i++) {
    enum err err = read(reading, *items, i, iter.item);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "[%zu]", i);
    return err;
  }
  return ERR_OK;
}

// --- exclusions ----------------------------------------------------------------------------------------------

static enum err read_exclusion_name(struct reading *reading, struct value value) {
  return read_text(reading, value, LIMIT_NAME_BYTES, &reading->exclusion->name);
}
static enum err read_exclusion_when(struct reading *reading, struct value value) {
  struct segment_exclusion *exclusion = reading->exclusion;
  return read_expression(reading, value, true, "an exclusion", &exclusion->when);
}

static enum err repeated(struct reading *reading, struct bytes name) {
  diag_set(reading->diag, ERR_INVALID, "repeated", "\"%.*s\" is there twice", BYTES_ARG(name));
  diag_in_field(reading->diag, "name");
  return ERR_INVALID;
}

static enum err read_exclusion(struct reading *reading, void *items, size_t index, struct value value) {
  static const struct member MEMBERS[] = {{"name", ALL_KINDS, read_exclusion_name},
                                          {"when", ALL_KINDS, read_exclusion_when}};
  struct segment_exclusion *exclusions = items;
  reading->exclusion = &exclusions[index];
  enum err err = read_members(reading, value, MEMBERS, sizeof MEMBERS / sizeof *MEMBERS);
  if (err != ERR_OK) return err;
  if (exclusions[index].name.size_bytes == 0) return missing(reading, "name", "what this exclusion is called");
  if (exclusions[index].when.size_bytes == 0) return missing(reading, "when", "the expression that excludes");
  for (size_t i = 0; i < index; i++)
    if (bytes_equal(exclusions[i].name, exclusions[index].name)) return repeated(reading, exclusions[i].name);
  return ERR_OK;
}

static enum err read_exclusions(struct reading *reading, struct value value) {
  void *items = NULL;
  struct segment_definition *definition = reading->definition;
  enum err err = read_list(reading, value, SEGMENT_EXCLUSIONS_MAX, sizeof(struct segment_exclusion), &items,
                           &definition->exclusion_count, read_exclusion);
  definition->exclusions = items;
  return err;
}

// --- variants ------------------------------------------------------------------------------------------------

static enum err read_variant_name(struct reading *reading, struct value value) {
  return read_text(reading, value, LIMIT_NAME_BYTES, &reading->variant->name);
}
static enum err read_variant_share(struct reading *reading, struct value value) {
  reading->has_share = true;
  return read_share(reading, value, &reading->variant->share);
}

// What a variant has when no share was said; no share that can be said.
enum { SHARE_UNSAID = SEGMENT_SHARE_UNIT + 1 };

static enum err read_variant(struct reading *reading, void *items, size_t index, struct value value) {
  static const struct member MEMBERS[] = {{"name", ALL_KINDS, read_variant_name},
                                          {"share", ALL_KINDS, read_variant_share}};
  struct segment_variant *variants = items;
  reading->variant = &variants[index];
  reading->has_share = false;
  enum err err = read_members(reading, value, MEMBERS, sizeof MEMBERS / sizeof *MEMBERS);
  if (err != ERR_OK) return err;
  if (!reading->has_share) variants[index].share = SHARE_UNSAID;
  if (variants[index].name.size_bytes == 0) return missing(reading, "name", "what this variant is called");
  if ((variants[index].share == SHARE_UNSAID) != (variants[0].share == SHARE_UNSAID))
    return missing(reading, "share", "either every variant has a share, or none");
  for (size_t i = 0; i < index; i++)
    if (bytes_equal(variants[i].name, variants[index].name)) return repeated(reading, variants[i].name);
  return ERR_OK;
}

// Equal shares that add up to the whole: the first ones have what does not divide.
static void share_equally(struct segment_variant *variants, size_t count) {
  size_t each = SEGMENT_SHARE_UNIT / count, more = SEGMENT_SHARE_UNIT % count;
  for (size_t i = 0; i < count; i++) variants[i].share = (uint32_t)(each + (i < more));
}

static enum err read_variants(struct reading *reading, struct value value) {
  void *items = NULL;
  struct segment_definition *definition = reading->definition;
  enum err err = read_list(reading, value, SEGMENT_VARIANTS_MAX, sizeof(struct segment_variant), &items,
                           &definition->variant_count, read_variant);
  struct segment_variant *variants = items;
  definition->variants = variants;
  if (err != ERR_OK || variants == NULL) return err;
  if (variants[0].share == SHARE_UNSAID) share_equally(variants, definition->variant_count);
  uint32_t sum = 0;
  for (size_t i = 0; i < definition->variant_count; i++) sum += variants[i].share;
  if (sum <= SEGMENT_SHARE_UNIT) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "too_large", "the shares add up to %u.%02u %%, which is more than all",
                  (unsigned)(sum / 100), (unsigned)(sum % 100));
}

// --- limit ---------------------------------------------------------------------------------------------------

static enum err read_limit_top(struct reading *reading, struct value value) {
  return given_whole(value, 1, SEGMENT_LIMIT_MAX, &reading->limit_top, reading->diag);
}
static enum err read_limit_random(struct reading *reading, struct value value) {
  return given_whole(value, 1, SEGMENT_LIMIT_MAX, &reading->limit_random, reading->diag);
}
static enum err read_limit_by(struct reading *reading, struct value value) {
  return read_expression(reading, value, false, "limit", &reading->definition->limit_by);
}

static enum err read_limit(struct reading *reading, struct value value) {
  static const struct member MEMBERS[] = {
      {"top", ALL_KINDS, read_limit_top}, {"by", ALL_KINDS, read_limit_by}, {"random", ALL_KINDS, read_limit_random}};
  struct segment_definition *definition = reading->definition;
  if (value_type(value) == VALUE_NULL) return ERR_OK;
  enum err err = read_members(reading, value, MEMBERS, sizeof MEMBERS / sizeof *MEMBERS);
  if (err != ERR_OK) return err;
  bool has_by = definition->limit_by.size_bytes > 0;
  if ((reading->limit_top > 0) == (reading->limit_random > 0))
    return diag_set(reading->diag, ERR_INVALID, "missing_member",
                    "expected {\"top\": 1000, \"by\": \"attributes.value\"} or {\"random\": 1000}");
  if (reading->limit_top > 0 && !has_by) return missing(reading, "by", "the expression whose highest are taken");
  if (reading->limit_random > 0 && has_by)
    return diag_set(reading->diag, ERR_INVALID, "unknown_member", "customers taken at random have no \"by\"");
  definition->limit = (uint32_t)(reading->limit_top + reading->limit_random);
  return ERR_OK;
}

// --- the whole -----------------------------------------------------------------------------------------------

static enum err read_id(struct reading *reading, struct value value) {
  struct bytes id;
  if (!value_as_text(value, &id)) return wrong_type(reading, "a text");
  if (!segment_id_is_good(id))
    return diag_set(reading->diag, ERR_INVALID, "bad_id",
                    "expected at most %d letters (a to z), digits, _ and -, a letter first", SEGMENT_ID_BYTES);
  return keep(reading, id, &reading->definition->id);
}
static enum err read_name(struct reading *reading, struct value value) {
  return read_text(reading, value, LIMIT_NAME_BYTES, &reading->definition->name);
}
static enum err read_description(struct reading *reading, struct value value) {
  struct bytes text;
  if (value_as_text(value, &text) && text.size_bytes == 0) return ERR_OK;
  return read_text(reading, value, SEGMENT_DESCRIPTION_BYTES, &reading->definition->description);
}
static enum err read_control(struct reading *reading, struct value value) {
  return read_share(reading, value, &reading->definition->control);
}
static enum err read_include(struct reading *reading, struct value value) {
  return read_expression(reading, value, true, NULL, &reading->definition->include);
}
static enum err read_attribute(struct reading *reading, struct value value) {
  return read_expression(reading, value, false, NULL, &reading->definition->include);
}

static enum err read_kind(struct reading *reading, struct value document) {
  struct value value = value_member(document, reading->names, BYTES("kind"));
  struct bytes word;
  reading->definition->kind = SEGMENT_EXPRESSION;
  if (value_is_absent(value)) return ERR_OK;
  enum err err = wrong_type(reading, "a text");
  if (value_as_text(value, &word)) {
    size_t kind;
    if (given_word_find(word, segment_kind_words, SEGMENT_SCORE, &kind)) { // a score is none of a person's
      reading->definition->kind = (enum segment_kind)kind;
      return ERR_OK;
    }
    err = diag_set(reading->diag, ERR_INVALID, "unknown_word", "did you mean \"%s\"?",
                   nearest_word(word, segment_kind_words, SEGMENT_SCORE));
  }
  diag_in_field(reading->diag, "kind");
  return err;
}

// The kind was read before all others.
static enum err skip(struct reading *reading, struct value value) {
  (void)reading, (void)value;
  return ERR_OK;
}

// What the workspace tells beside a definition is no part of it. One who means something else by such a name is told.
static enum err skip_told(struct reading *reading, bool told) {
  if (told) return ERR_OK;
  return diag_set(
      reading->diag, ERR_INVALID, "unknown_member",
      "this is told of a definition and not given; exclusions are in \"exclude\", customers are put on a list "
      "once it is there");
}
static enum err skip_text(struct reading *reading, struct value value) {
  return skip_told(reading, value_type(value) == VALUE_TEXT || value_type(value) == VALUE_NULL);
}
static enum err skip_number(struct reading *reading, struct value value) {
  return skip_told(reading, value_type(value) == VALUE_NUMBER);
}
static enum err skip_excluded(struct reading *reading, struct value value) {
  struct value_iter iter = value_iterate(value);
  bool told = value_type(value) == VALUE_LIST;
  while (value_next(&iter))
    told = told && value_type(value_member(iter.item, reading->names, BYTES("removed"))) == VALUE_NUMBER;
  return skip_told(reading, told);
}

static enum err check_whole(struct reading *reading) {
  struct segment_definition *definition = reading->definition;
  if (definition->id.size_bytes == 0) return missing(reading, "id", "the id by which others refer to it");
  if (definition->kind == SEGMENT_EXPRESSION && definition->include.size_bytes == 0)
    return missing(reading, "include", "the expression that is true of its members");
  if (definition->kind == SEGMENT_ATTRIBUTE && definition->include.size_bytes == 0)
    return missing(reading, "expression", "the expression whose value it has");
  if (definition->name.size_bytes == 0) definition->name = definition->id;
  return ERR_OK;
}

static enum err read_all(struct reading *reading, struct value document) {
  enum { IN_SEGMENT = 1 << SEGMENT_EXPRESSION, IN_LIST = 1 << SEGMENT_LIST, IN_ATTRIBUTE = 1 << SEGMENT_ATTRIBUTE };
  static const struct member MEMBERS[] = {
      {"id", ALL_KINDS, read_id},
      {"name", ALL_KINDS, read_name},
      {"description", ALL_KINDS, read_description},
      {"kind", ALL_KINDS, skip},
      {"include", IN_SEGMENT, read_include},
      {"exclude", IN_SEGMENT, read_exclusions},
      {"limit", IN_SEGMENT, read_limit},
      {"expression", IN_ATTRIBUTE, read_attribute},
      {"control", IN_SEGMENT | IN_LIST, read_control},
      {"variants", IN_SEGMENT | IN_LIST, read_variants},
      {"version", ALL_KINDS, skip_number},
      {"status", ALL_KINDS, skip_text},
      {"created_at", ALL_KINDS, skip_text},
      {"live_at", ALL_KINDS, skip_text},
      {"author", ALL_KINDS, skip_text},
      {"members", ALL_KINDS, skip_number},
      {"eligible", ALL_KINDS, skip_number},
      {"unknown", ALL_KINDS, skip_number},
      {"share", ALL_KINDS, skip_number},
      {"excluded", ALL_KINDS, skip_excluded},
      {"progress", ALL_KINDS, skip},
      {"warnings", ALL_KINDS, skip},
  };
  if (value_type(document) != VALUE_DOCUMENT) return wrong_type(reading, "an object");
  enum err err = read_kind(reading, document);
  if (err == ERR_OK) err = read_members(reading, document, MEMBERS, sizeof MEMBERS / sizeof *MEMBERS);
  return err == ERR_OK ? check_whole(reading) : err;
}

enum err segment_definition_read(struct value document, const struct names *names, const struct rule_catalog *catalog,
                                 struct arena *arena, struct segment_definition *definition,
                                 struct rule_check *warnings, struct segment_mistake *mistake, struct diag *diag) {
  struct diag unwanted;
  if (diag == NULL) diag = &unwanted;
  diag_init(diag);
  *definition = (struct segment_definition){.status = SEGMENT_BUILDING};
  *mistake = (struct segment_mistake){0};
  if (warnings != NULL) warnings->warning_count = 0;
  struct reading reading = {.names = names,
                            .catalog = catalog,
                            .arena = arena,
                            .definition = definition,
                            .warnings = warnings,
                            .wrong = &mistake->expression,
                            .diag = diag};
  enum err err = read_all(&reading, document);
  if (err == ERR_OK) return ERR_OK;
  mistake->member = arena_copy(arena, bytes_from_text(diag->field));
  if (mistake->member.data == NULL) mistake->member = (struct bytes){NULL, 0};
  return err;
}
