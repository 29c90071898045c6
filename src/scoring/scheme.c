// scheme: a person's document read strictly, through one table of members; the stored one by the same reader.
//
// Members are read in the order of the document; what depends on several (fixed thresholds on method, bins and ranges)
// is read from it when all are known. Invariant: `bounds` has range_count + 1 items, the first of all products.
#include "scoring/scheme.h"

#include <string.h>

#include "base/limits.h"
#include "base/nearest.h"
#include "value/given.h"

static const char *const refresh_words[] = {"never", "daily", "weekly", "monthly"};
enum { REFRESH_COUNT = 4, WINDOW_COUNT_MAX = 10000, WINDOW_BYTES = 32 };

const char *scheme_refresh_name(enum scheme_refresh refresh) {
  return refresh_words[refresh];
}

struct reading {
  const struct names *names;
  struct arena *arena;
  struct scheme *scheme;
  bool stored;
  struct value thresholds;
  struct diag *diag;
};

typedef enum err read_fn(struct reading *reading, struct value value);

static enum err wrong_type(struct reading *reading, const char *expected) {
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

static enum err read_text(struct reading *reading, struct value value, size_t most_bytes, struct bytes *out) {
  struct bytes text;
  enum err err = given_text(value, most_bytes, &text, reading->diag);
  if (err != ERR_OK) return err;
  *out = arena_copy(reading->arena, text);
  return out->data == NULL ? diag_no_memory(reading->diag) : ERR_OK;
}

static enum err read_word(struct reading *reading, struct value value, const char *const *words, size_t count,
                          size_t *position) {
  struct bytes word;
  if (!value_as_text(value, &word)) return wrong_type(reading, "a text");
  if (given_word_find(word, words, count, position)) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "unknown_word", "did you mean \"%s\"?", nearest_word(word, words, count));
}

// --- members -------------------------------------------------------------------------------------------------

static enum err read_id(struct reading *reading, struct value value) {
  struct bytes id;
  if (!value_as_text(value, &id)) return wrong_type(reading, "a text");
  if (!given_id_is_good(id, SCHEME_ID_BYTES))
    return diag_set(reading->diag, ERR_INVALID, "bad_id",
                    "expected at most %d letters (a to z), digits, _ and -, a letter first", SCHEME_ID_BYTES);
  static const char *const taken[] = {"appetence", "orders", "summaries"}; // addresses beside those of scores
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    if (bytes_equal(id, bytes_from_text(taken[i])))
      return diag_set(reading->diag, ERR_INVALID, "bad_id", "\"%s\" is not free; take another id", taken[i]);
  return read_text(reading, value, SCHEME_ID_BYTES, &reading->scheme->id);
}
static enum err read_name(struct reading *reading, struct value value) {
  return read_text(reading, value, LIMIT_NAME_BYTES, &reading->scheme->name);
}
static enum err read_description(struct reading *reading, struct value value) {
  struct bytes text;
  if (value_as_text(value, &text) && text.size_bytes == 0) return ERR_OK;
  return read_text(reading, value, SCHEME_DESCRIPTION_BYTES, &reading->scheme->description);
}

static enum err read_kind(struct reading *reading, struct value value) {
  static const char *const words[] = {"rfm"};
  size_t kind;
  return read_word(reading, value, words, 1, &kind);
}

static enum err read_refresh(struct reading *reading, struct value value) {
  size_t refresh = 0;
  enum err err = read_word(reading, value, refresh_words, REFRESH_COUNT, &refresh);
  if (err == ERR_OK) reading->scheme->refresh = (enum scheme_refresh)refresh;
  return err;
}

static enum err read_method(struct reading *reading, struct value value) {
  const char *words[RFM_FIXED + 1];
  size_t method = 0;
  for (int i = 0; i <= RFM_FIXED; i++) words[i] = rfm_method_name((enum rfm_method)i);
  enum err err = read_word(reading, value, words, RFM_FIXED + 1, &method);
  if (err == ERR_OK) reading->scheme->method = (enum rfm_method)method;
  return err;
}

static enum err read_bins(struct reading *reading, struct value value) {
  int64_t bins = 0;
  enum err err = given_whole(value, RFM_BINS_MIN, RFM_BINS_MAX, &bins, reading->diag);
  if (err == ERR_OK) reading->scheme->bins = (unsigned)bins;
  return err;
}

// "24 months".
static enum err read_window(struct reading *reading, struct value value) {
  struct scheme *scheme = reading->scheme;
  if (value_type(value) == VALUE_NULL) return ERR_OK;
  enum err err = read_text(reading, value, WINDOW_BYTES, &scheme->window);
  if (err != ERR_OK) return err;
  struct bytes rest = scheme->window;
  int64_t count = 0;
  while (rest.size_bytes > 0 && *rest.data >= '0' && *rest.data <= '9' && count <= WINDOW_COUNT_MAX) {
    count = 10 * count + (*rest.data - '0');
    rest = bytes_of(rest.data + 1, rest.size_bytes - 1);
  }
  bool spaced = rest.size_bytes > 0 && *rest.data == ' ';
  if (spaced) rest = bytes_of(rest.data + 1, rest.size_bytes - 1);
  scheme->length.count = count;
  if (spaced && count > 0 && count <= WINDOW_COUNT_MAX && rule_unit_parse(rest, &scheme->length.unit) &&
      scheme->length.unit >= RULE_DAY)
    return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "out_of_range",
                  "expected a number and days, weeks, months, quarters or years, as in \"24 months\"");
}

static enum err read_segments(struct reading *reading, struct value value) {
  if (value_type(value) == VALUE_NULL) return ERR_OK;
  reading->scheme->own_segments = true;
  return rfm_segments_read(value, reading->names, &reading->scheme->segments, reading->diag);
}

// --- ranges --------------------------------------------------------------------------------------------------

enum err scheme_make_room(struct scheme *scheme, size_t ranges, struct arena *arena) {
  scheme->range_count = ranges;
  scheme->ranges = arena_take_zero(arena, ranges + 1, sizeof *scheme->ranges);
  scheme->bounds = arena_take_zero(arena, ranges + 1, sizeof *scheme->bounds);
  return scheme->ranges == NULL || scheme->bounds == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err take_range(struct reading *reading, size_t index, struct value value) {
  struct scheme *scheme = reading->scheme;
  enum err err = read_text(reading, value, SCHEME_RANGE_BYTES, &scheme->ranges[index]);
  if (err == ERR_OK && bytes_equal(scheme->ranges[index], BYTES(SCHEME_ALL)))
    err = diag_set(reading->diag, ERR_INVALID, "repeated", "\"%s\" stands for all products", SCHEME_ALL);
  for (size_t i = 0; err == ERR_OK && i < index; i++)
    if (bytes_equal(scheme->ranges[i], scheme->ranges[index]))
      err = diag_set(reading->diag, ERR_INVALID, "repeated", "\"%.*s\" is there twice", BYTES_ARG(scheme->ranges[i]));
  if (err != ERR_OK) diag_in_field(reading->diag, "[%zu]", index);
  return err;
}

static enum err read_ranges(struct reading *reading, struct value value) {
  struct bytes word;
  if (value_as_text(value, &word) && bytes_equal(word, BYTES("auto"))) {
    reading->scheme->automatic = true;
    return ERR_OK;
  }
  if (value_type(value) != VALUE_LIST) return wrong_type(reading, "a list of ranges, or \"auto\"");
  size_t count = given_item_count(value);
  if (count > SCHEME_RANGES_MAX)
    return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %d ranges", SCHEME_RANGES_MAX);
  enum err err = scheme_make_room(reading->scheme, count, reading->arena);
  struct value_iter iter = value_iterate(value);
  for (size_t i = 0; err == ERR_OK && value_next(&iter); i++) err = take_range(reading, i, iter.item);
  return err == ERR_NO_MEMORY ? diag_no_memory(reading->diag) : err;
}

// --- thresholds ----------------------------------------------------------------------------------------------

static enum err keep_thresholds(struct reading *reading, struct value value) {
  reading->thresholds = value;
  return ERR_OK;
}

static enum err read_bounds(struct reading *reading, struct value value, struct rfm_thresholds *bounds) {
  enum err err = rfm_thresholds_read(value, reading->names, bounds, reading->diag);
  if (err != ERR_OK || bounds->bins == reading->scheme->bins) return err;
  return diag_set(reading->diag, ERR_INVALID, "bad_thresholds", "expected %u bounds each, as there are %u bins",
                  reading->scheme->bins - 1, reading->scheme->bins);
}

// Those that were found tell which ranges were seen.
static enum err take_seen(struct reading *reading, struct value ranges) {
  struct scheme *scheme = reading->scheme;
  enum err err = scheme_make_room(scheme, given_item_count(ranges), reading->arena);
  struct value_iter iter = value_iterate(ranges);
  for (size_t i = 0; err == ERR_OK && value_next(&iter); i++) {
    scheme->ranges[i] = arena_copy(reading->arena, value_iter_name(&iter, reading->names));
    if (scheme->ranges[i].data == NULL) err = ERR_NO_MEMORY;
  }
  return err == ERR_NO_MEMORY ? diag_no_memory(reading->diag) : err;
}

static enum err read_range_bounds(struct reading *reading, struct value ranges) {
  struct scheme *scheme = reading->scheme;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < scheme->range_count; i++) {
    struct value value = value_member(ranges, reading->names, scheme->ranges[i]);
    if (value_is_absent(value) && reading->stored) continue;
    if (value_is_absent(value))
      err = diag_set(reading->diag, ERR_INVALID, "bad_thresholds", "there are none of this range");
    else
      err = read_bounds(reading, value, &scheme->bounds[i + 1]);
    if (err != ERR_OK) diag_in_field(reading->diag, "ranges.%.*s", BYTES_ARG(scheme->ranges[i]));
  }
  return err;
}

// {"global":{…},"ranges":{"Phones":{…}}}.
static enum err read_thresholds(struct reading *reading) {
  struct scheme *scheme = reading->scheme;
  struct value global = value_member(reading->thresholds, reading->names, BYTES("global"));
  struct value ranges = value_member(reading->thresholds, reading->names, BYTES("ranges"));
  enum err err = scheme->automatic ? take_seen(reading, ranges) : ERR_OK;
  if (err == ERR_OK && !(reading->stored && value_is_absent(global))) {
    err = read_bounds(reading, global, &scheme->bounds[0]);
    if (err != ERR_OK) diag_in_field(reading->diag, "global");
  }
  if (err == ERR_OK) err = read_range_bounds(reading, ranges);
  if (err != ERR_OK) diag_in_field(reading->diag, "thresholds");
  return err;
}

// --- the whole -----------------------------------------------------------------------------------------------

// What the workspace tells beside a score.
static enum err skip(struct reading *reading, struct value value) {
  (void)reading, (void)value;
  return ERR_OK;
}

static const struct member {
  const char *name;
  read_fn *read;
} MEMBERS[] = {
    {"id", read_id},
    {"name", read_name},
    {"description", read_description},
    {"kind", read_kind},
    {"ranges", read_ranges},
    {"window", read_window},
    {"method", read_method},
    {"bins", read_bins},
    {"thresholds", keep_thresholds},
    {"segments", read_segments},
    {"refresh", read_refresh},
    {"version", skip},
    {"status", skip},
    {"created_at", skip},
    {"live_at", skip},
    {"refreshed_at", skip},
    {"author", skip},
    {"trade", skip},
    {"progress", skip},
};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS, TOLD_FROM = 11 };

static enum err read_member(struct reading *reading, struct bytes name, struct value value) {
  const char *known[MEMBER_COUNT];
  for (size_t i = 0; i < MEMBER_COUNT; i++) {
    if (bytes_equal(name, bytes_from_text(MEMBERS[i].name))) return MEMBERS[i].read(reading, value);
    known[i] = MEMBERS[i].name;
  }
  return diag_set(reading->diag, ERR_INVALID, "unknown_member", "no such member; did you mean \"%s\"?",
                  nearest_word(name, known, TOLD_FROM));
}

static enum err read_members(struct reading *reading, struct value document) {
  if (value_type(document) != VALUE_DOCUMENT) return wrong_type(reading, "an object");
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->names);
    enum err err = read_member(reading, name, iter.item);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "%.*s", BYTES_ARG(name));
    return err;
  }
  return ERR_OK;
}

static enum err check_whole(struct reading *reading) {
  struct scheme *scheme = reading->scheme;
  enum err err = ERR_OK;
  if (!reading->stored && scheme->id.size_bytes == 0) {
    err = diag_set(reading->diag, ERR_INVALID, "missing_member", "missing: the id by which score(\"…\") names it");
    diag_in_field(reading->diag, "id");
    return err;
  }
  if (scheme->name.size_bytes == 0) scheme->name = scheme->id;
  if (scheme->bounds == NULL) err = scheme_make_room(scheme, 0, reading->arena);
  if (err != ERR_OK) return diag_no_memory(reading->diag);
  bool given = scheme->method == RFM_FIXED;
  if (given && value_is_absent(reading->thresholds)) {
    diag_set(reading->diag, ERR_INVALID, "missing_member", "missing: the bounds by which a fixed method scores");
    diag_in_field(reading->diag, "thresholds");
    return ERR_INVALID;
  }
  return given || (reading->stored && !value_is_absent(reading->thresholds)) ? read_thresholds(reading) : ERR_OK;
}

static enum err read_all(struct reading *reading, struct value document) {
  *reading->scheme = (struct scheme){.bins = RFM_BINS, .refresh = SCHEME_MONTHLY};
  rfm_segments_default(&reading->scheme->segments);
  enum err err = read_members(reading, document);
  return err == ERR_OK ? check_whole(reading) : err;
}

enum err scheme_read(struct value document, const struct names *names, struct arena *arena, struct scheme *scheme,
                     struct diag *diag) {
  struct diag unwanted;
  struct reading reading = {.names = names, .arena = arena, .scheme = scheme};
  reading.diag = diag == NULL ? &unwanted : diag;
  diag_init(reading.diag);
  return read_all(&reading, document);
}

enum err scheme_read_stored(struct value document, const struct names *names, struct arena *arena,
                            struct scheme *scheme) {
  struct diag diag;
  struct reading reading = {.names = names, .arena = arena, .scheme = scheme, .stored = true, .diag = &diag};
  diag_init(&diag);
  enum err err = read_all(&reading, document);
  return err == ERR_OK || err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
}

// --- told ----------------------------------------------------------------------------------------------------

static void write_ranges(const struct scheme *scheme, struct json_writer *writer) {
  json_name(writer, "ranges");
  if (scheme->automatic) {
    json_text(writer, "auto");
    return;
  }
  json_array_begin(writer);
  for (size_t i = 0; i < scheme->range_count; i++) json_bytes(writer, scheme->ranges[i]);
  json_array_end(writer);
}

static void write_thresholds(const struct scheme *scheme, struct json_writer *writer) {
  json_name(writer, "thresholds");
  json_object_begin(writer);
  if (scheme->bounds[0].bins > 0) {
    json_name(writer, "global");
    rfm_thresholds_write(writer, &scheme->bounds[0]);
  }
  json_name(writer, "ranges");
  json_object_begin(writer);
  for (size_t i = 0; i < scheme->range_count; i++) {
    if (scheme->bounds[i + 1].bins == 0) continue;
    json_name_bytes(writer, scheme->ranges[i]);
    rfm_thresholds_write(writer, &scheme->bounds[i + 1]);
  }
  json_object_end(writer);
  json_object_end(writer);
}

void scheme_write(const struct scheme *scheme, struct json_writer *writer) {
  json_member_text(writer, "kind", "rfm");
  write_ranges(scheme, writer);
  if (scheme->window.size_bytes > 0) json_member_bytes(writer, "window", scheme->window);
  json_member_text(writer, "method", rfm_method_name(scheme->method));
  json_member_u64(writer, "bins", scheme->bins);
  json_member_text(writer, "refresh", scheme_refresh_name(scheme->refresh));
  if (scheme->own_segments) {
    json_name(writer, "segments");
    rfm_segments_write(writer, &scheme->segments);
  }
  write_thresholds(scheme, writer);
}
