// loyalty_document_kit: documents of programmes, campaigns and vouchers in tests: a catalogue that knows the time zones
// of this machine, every voucher but NONE, and the programmes that were read; the three kinds behind one face.
#pragma once

#include <stdlib.h>

#include "base/alloc.h"
#include "loyalty/programme.h"
#include "rule_zoneinfo.h"

enum { KIT_LINE_BYTES = 8192, KIT_ZONES = 8 };

struct kit {
  struct names *names;
  struct value_parser *parser;
  struct arena arena;
  struct buffer packed;
  struct rule_zone *zones[KIT_ZONES];
  size_t zone_count;
  struct loyalty_catalog catalog;
  struct loyalty_programme club; // what "programme": "club" leads to
  struct rule_check warnings;
  struct rule_diag where;
  struct diag diag;
};

union kit_document {
  struct loyalty_programme programme;
  struct loyalty_campaign campaign;
  struct loyalty_voucher voucher;
};

static inline const struct rule_zone *kit_zone(void *context, struct bytes name) {
  struct kit *kit = context;
  static uint8_t file[ZONEINFO_FILE_BYTES];
  char text[64];
  for (size_t i = 0; i < kit->zone_count; i++)
    if (bytes_equal(name, bytes_from_text(rule_zone_name(kit->zones[i])))) return kit->zones[i];
  if (name.size_bytes >= sizeof text || kit->zone_count == KIT_ZONES || memchr(name.data, '.', name.size_bytes) != NULL)
    return NULL;
  snprintf(text, sizeof text, "%.*s", BYTES_ARG(name));
  struct rule_zone *zone = NULL;
  struct bytes tzif = zoneinfo_read(text, file);
  if (tzif.size_bytes == 0 || rule_zone_open(&zone, text, tzif, NULL) != ERR_OK) return NULL;
  return kit->zones[kit->zone_count++] = zone;
}

static inline uint32_t kit_voucher(void *context, struct bytes id) {
  (void)context;
  return bytes_equal(id, BYTES("NONE")) ? 0 : 7;
}

static inline const struct loyalty_programme *kit_programme(void *context, struct bytes id, uint32_t number) {
  struct kit *kit = context;
  bool is_club = id.size_bytes == 0 ? number == kit->club.number : bytes_equal(id, kit->club.id);
  return is_club ? &kit->club : NULL;
}

static inline struct value kit_pack_json(struct kit *kit, const char *json) {
  struct diag diag;
  buffer_clear(&kit->packed);
  enum err err = value_parse_json(kit->parser, bytes_from_text(json), kit->names, &kit->packed, &diag);
  if (err != ERR_OK) fail_msg("%s: %s", json, diag.message);
  return (struct value){buffer_view(&kit->packed)};
}

static inline enum err kit_read_value(struct kit *kit, enum loyalty_kind kind, struct value value, const void *older,
                                      struct arena *arena, union kit_document *out) {
  if (kind == LOYALTY_KIND_PROGRAMME)
    return loyalty_programme_read(value, kit->names, &kit->catalog, older, arena, &out->programme, &kit->warnings,
                                  &kit->where, &kit->diag);
  if (kind == LOYALTY_KIND_CAMPAIGN)
    return loyalty_campaign_read(value, kit->names, &kit->catalog, older, arena, &out->campaign, &kit->warnings,
                                 &kit->where, &kit->diag);
  return loyalty_voucher_read(value, kit->names, &kit->catalog, arena, &out->voucher, &kit->warnings, &kit->where,
                              &kit->diag);
}

static inline enum err kit_try(struct kit *kit, enum loyalty_kind kind, const char *json, const void *older,
                               union kit_document *out) {
  return kit_read_value(kit, kind, kit_pack_json(kit, json), older, &kit->arena, out);
}

// Nothing of what is read points into the document: it is overwritten.
static inline void kit_read(struct kit *kit, enum loyalty_kind kind, const char *json, const void *older,
                            union kit_document *out) {
  if (kit_try(kit, kind, json, older, out) != ERR_OK)
    fail_msg("%s\n  %s: %s: %s", json, kit->diag.code, kit->diag.field, kit->diag.message);
  memset(kit->packed.data, 0x55, kit->packed.size_bytes);
}

// The whole JSON, as a C string in the kit's arena.
static inline char *kit_tell(struct kit *kit, enum loyalty_kind kind, const union kit_document *document) {
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (kind == LOYALTY_KIND_PROGRAMME)
    loyalty_programme_json(&document->programme, &writer);
  else if (kind == LOYALTY_KIND_CAMPAIGN)
    loyalty_campaign_json(&document->campaign, &kit->club, &writer);
  else
    loyalty_voucher_json(&document->voucher, &kit->club, &writer);
  json_object_end(&writer);
  assert_false(out.failed);
  char *text = arena_format(&kit->arena, "%.*s", BYTES_ARG(buffer_view(&out)));
  buffer_release(&out);
  assert_non_null(text);
  return text;
}

// The stored form, in `packed` of the caller.
static inline struct value kit_pack(struct kit *kit, enum loyalty_kind kind, const union kit_document *document,
                                    struct buffer *packed) {
  struct value_builder builder;
  buffer_clear(packed);
  value_builder_init(&builder, packed, kit->names);
  if (kind == LOYALTY_KIND_PROGRAMME)
    loyalty_programme_pack(&document->programme, &builder);
  else if (kind == LOYALTY_KIND_CAMPAIGN)
    loyalty_campaign_pack(&document->campaign, &builder);
  else
    loyalty_voucher_pack(&document->voucher, &builder);
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  assert_int_equal(value_check(buffer_view(packed), kit->names, NULL), ERR_OK);
  return (struct value){buffer_view(packed)};
}

static inline enum err kit_unpack(struct kit *kit, enum loyalty_kind kind, struct value packed, struct arena *arena,
                                  union kit_document *out) {
  if (kind == LOYALTY_KIND_PROGRAMME) return loyalty_programme_unpack(packed, kit->names, arena, &out->programme);
  if (kind == LOYALTY_KIND_CAMPAIGN) return loyalty_campaign_unpack(packed, kit->names, arena, &out->campaign);
  return loyalty_voucher_unpack(packed, kit->names, arena, &out->voucher);
}

// JSON -> struct -> stored -> struct -> JSON -> struct -> stored: both stored forms and both texts are the same.
static inline char *kit_round(struct kit *kit, enum loyalty_kind kind, const char *json) {
  union kit_document given, back, again;
  struct buffer first, second;
  buffer_init(&first);
  buffer_init(&second);
  kit_read(kit, kind, json, NULL, &given);
  struct value packed = kit_pack(kit, kind, &given, &first);
  assert_int_equal(kit_unpack(kit, kind, packed, &kit->arena, &back), ERR_OK);
  kit_pack(kit, kind, &back, &second);
  if (!bytes_equal(buffer_view(&first), buffer_view(&second))) fail_msg("stored otherwise the second time: %s", json);
  char *told = kit_tell(kit, kind, &back);
  kit_read(kit, kind, told, NULL, &again);
  kit_pack(kit, kind, &again, &second);
  if (!bytes_equal(buffer_view(&first), buffer_view(&second))) fail_msg("put back otherwise: %s\n  %s", json, told);
  assert_string_equal(kit_tell(kit, kind, &again), told);
  buffer_release(&first);
  buffer_release(&second);
  return told;
}

#define KIT_CLUB                                                                                                       \
  "\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\"},"               \
  "{\"id\":\"credit\",\"scale\":2}]"

static inline int kit_setup(void **state) {
  struct kit *kit = calloc(1, sizeof *kit);
  union kit_document club;
  assert_non_null(kit);
  assert_int_equal(names_open(&kit->names, NULL, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&kit->parser), ERR_OK);
  arena_init(&kit->arena, 0);
  buffer_init(&kit->packed);
  kit->catalog =
      (struct loyalty_catalog){.context = kit, .programme = kit_programme, .voucher = kit_voucher, .zone = kit_zone};
  *state = kit;
  if (kit_zone(kit, BYTES("Europe/Paris")) == NULL) {
    printf("skipped: there is no " ZONEINFO "Europe/Paris here; Debian's package tzdata has it\n");
    exit(EXIT_SUCCESS);
  }
  kit_read(kit, LOYALTY_KIND_PROGRAMME, "{" KIT_CLUB "}", NULL, &club);
  kit->club = club.programme;
  kit->club.number = 3;
  return 0;
}

static inline int kit_teardown(void **state) {
  struct kit *kit = *state;
  for (size_t i = 0; i < kit->zone_count; i++) rule_zone_close(kit->zones[i]);
  buffer_release(&kit->packed);
  arena_release(&kit->arena);
  value_parser_close(kit->parser);
  names_close(kit->names);
  free(kit);
  return 0;
}

static inline void assert_bytes(struct bytes bytes, const char *text) {
  if (!bytes_equal(bytes, bytes_from_text(text))) fail_msg("\"%.*s\" is not \"%s\"", BYTES_ARG(bytes), text);
}

// --- refusals: tests/golden/loyalty/documents --------------------------------------------------------------------

// A document on one line, `+ ` before members that come to those of `base`; below it, indented, code, field and words
// of its refusal. The environment's RAPPORT_GOLDEN names a file to which what is said now is written.
static inline void kit_refusals(struct kit *kit, enum loyalty_kind kind, const char *name, const char *base,
                                size_t least) {
  static char path[1024], line[KIT_LINE_BYTES], json[2 * KIT_LINE_BYTES], expected[KIT_LINE_BYTES], got[KIT_LINE_BYTES];
  const char *slash = strrchr(__FILE__, '/'), *write = getenv("RAPPORT_GOLDEN");
  snprintf(path, sizeof path, "%.*s/../golden/loyalty/documents/%s.txt", (int)(slash - __FILE__), __FILE__, name);
  FILE *file = fopen(path, "r"), *out = write == NULL ? NULL : fopen(write, "w");
  size_t cases = 0, wrong = 0;
  if (file == NULL) fail_msg("cannot read %s", path);
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    if (line[0] == ' ') continue;
    if (out != NULL) fprintf(out, "%s\n", line);
    if (line[0] == '#' || line[0] == 0) continue;
    if (line[0] == '+')
      snprintf(json, sizeof json, "{%s,%s}", base, line + 2);
    else
      snprintf(json, sizeof json, "%s", line);
    union kit_document document;
    enum err err = kit_try(kit, kind, json, NULL, &document);
    if (err == ERR_OK) fail_msg("%s: taken", json);
    snprintf(got, sizeof got, "  %s %s: %s", kit->diag.code, kit->diag.field, kit->diag.message);
    if (out != NULL) fprintf(out, "%s\n", got);
    cases++;
    if (out != NULL) continue;
    if (fgets(expected, sizeof expected, file) == NULL) expected[0] = 0;
    expected[strcspn(expected, "\n")] = 0;
    if (strcmp(got, expected) != 0) print_error("%s\n  expected %s\n  got      %s\n", line, expected, got), wrong++;
  }
  fclose(file);
  if (out != NULL) fclose(out);
  assert_true(cases >= least);
  assert_int_equal(wrong, 0);
}

// --- what nobody should send -------------------------------------------------------------------------------------

// A copy of `value` in which the `target`-th value (counted from *at) is `other` instead.
static inline void kit_replace(struct kit *kit, struct value_builder *builder, struct value value, size_t target,
                               size_t *at, struct value other) {
  enum value_type type = value_type(value);
  struct value_iter iter = value_iterate(value);
  if ((*at)++ == target || (type != VALUE_LIST && type != VALUE_DOCUMENT)) {
    value_put_value(builder, *at - 1 == target ? other : value);
    return;
  }
  if (type == VALUE_LIST)
    value_list_begin(builder);
  else
    value_document_begin(builder);
  while (value_next(&iter)) {
    if (type == VALUE_DOCUMENT) value_put_name(builder, value_iter_name(&iter, kit->names));
    kit_replace(kit, builder, iter.item, target, at, other);
  }
  if (type == VALUE_LIST)
    value_list_end(builder);
  else
    value_document_end(builder);
}

// Every value of `json` is replaced by values of every type: each time it is taken, or refused with a code and words.
// The stored form likewise.
static inline void kit_wrong_types(struct kit *kit, enum loyalty_kind kind, const char *json) {
  static const char *const OTHERS[] = {"null",
                                       "true",
                                       "0",
                                       "-1",
                                       "1",
                                       "1e30",
                                       "0.123456789",
                                       "\"\"",
                                       "\"a\"",
                                       "\"\\u0000\"",
                                       "\"99999999999999999999 days\"",
                                       "\"9999-12-31\"",
                                       "[]",
                                       "[[]]",
                                       "[{}]",
                                       "{}",
                                       "{\"a\":{\"b\":[1]}}"};
  struct buffer base, other, made, stored;
  struct arena arena;
  union kit_document document, back;
  buffer_init(&base);
  buffer_init(&other);
  buffer_init(&made);
  buffer_init(&stored);
  arena_init(&arena, 0);
  buffer_append_bytes(&base, kit_pack_json(kit, json).packed);
  kit_read(kit, kind, json, NULL, &document);
  kit_pack(kit, kind, &document, &stored);
  for (int is_stored = 0; is_stored < 2; is_stored++)
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
      struct value whole = {buffer_view(is_stored ? &stored : &base)};
      buffer_clear(&other);
      buffer_append_bytes(&other, kit_pack_json(kit, OTHERS[i]).packed);
      for (size_t target = 0, count = 1; target < count; target++) {
        struct value_builder builder;
        buffer_clear(&made);
        count = 0;
        value_builder_init(&builder, &made, kit->names);
        kit_replace(kit, &builder, whole, target, &count, (struct value){buffer_view(&other)});
        assert_int_equal(value_builder_finish(&builder), ERR_OK);
        struct value value = {buffer_view(&made)};
        enum err err = is_stored ? kit_unpack(kit, kind, value, &arena, &back)
                                 : kit_read_value(kit, kind, value, NULL, &arena, &back);
        if (is_stored && err != ERR_OK && err != ERR_CORRUPT) fail_msg("stored: %d", err);
        if (!is_stored && err != ERR_OK && err != ERR_INVALID && err != ERR_LIMIT) fail_msg("%d", err);
        if (!is_stored && err != ERR_OK && (kit->diag.code[0] == 0 || (target > 0 && kit->diag.field[0] == 0)))
          fail_msg("%s at %zu: no words: %s", OTHERS[i], target, kit->diag.message);
        arena_clear(&arena);
      }
    }
  arena_release(&arena);
  buffer_release(&base);
  buffer_release(&other);
  buffer_release(&made);
  buffer_release(&stored);
}

// Every allocation of reading and of unpacking fails in its turn.
static inline void kit_out_of_memory(struct kit *kit, enum loyalty_kind kind, const char *json) {
  union kit_document document, back;
  struct buffer stored;
  buffer_init(&stored);
  kit_read(kit, kind, json, NULL, &document);
  struct value packed = kit_pack(kit, kind, &document, &stored), value = kit_pack_json(kit, json);
  for (int is_stored = 0; is_stored < 2; is_stored++)
    for (uint64_t allowed = 0, failed = 1; failed; allowed++) {
      struct arena arena;
      arena_init(&arena, 0);
      alloc_fail_after(allowed, true);
      enum err err = is_stored ? kit_unpack(kit, kind, packed, &arena, &back)
                               : kit_read_value(kit, kind, value, NULL, &arena, &back);
      failed = alloc_fail_disarm();
      assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
      arena_release(&arena);
      assert_true(allowed < 5000);
    }
  buffer_release(&stored);
}
