// score.c: one version of a score: opened from its document, asked of a customer, told.
//
// Of a customer a list of numbers is kept: of all products, then of each range of the scheme, in its order; null where
// she has bought nothing, or nobody had when the thresholds were found. The number 543 says r 5, f 4, m 3; the segment
// is a function of the three. So a kept score is a few bytes, and what it is told as is worked out when it is asked
// for. Time alone changes it at the local midnight at which the last order of a range has grown so old that another bin
// holds it, at the end of an order's time in the window, and when an order of the future comes.
#include "engine/score.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/trade_private.h"

enum { DAYS_MAX = 4000000 }; // beyond, no calendar has the day

static void close_score(struct segment_score *base) {
  struct score *score = (struct score *)(void *)base;
  trade_close(score->trade);
  roster_release(&score->ranges);
  arena_release(&score->arena);
  alloc_free(score);
}

// --- asked of a customer ---------------------------------------------------------------------------------------

// When the last order will be so old that a lower score of recency holds.
static void note_midnight(const struct score *score, const struct rfm_thresholds *bounds, const struct score_slot *slot,
                          int64_t recency, int64_t *until_us) {
  int64_t end_us;
  for (unsigned i = 0; i + 1 < bounds->bins; i++) {
    double days = ceil(bounds->bounds[RFM_RECENCY][i]);
    if (days <= (double)recency || days > DAYS_MAX) continue;
    if (rule_time_start(score->zone, slot->last_us, RULE_DAY, (int64_t)days, &end_us) == ERR_OK && end_us < *until_us)
      *until_us = end_us;
    return;
  }
}

static bool put_numbers(const struct score *score, const struct score_slot *slots, int64_t today,
                        struct value_builder *builder, int64_t *until_us) {
  bool some = false;
  value_list_begin(builder);
  for (size_t i = 0; i <= score->scheme.range_count; i++) {
    const struct rfm_thresholds *bounds = &score->scheme.bounds[i];
    if (slots[i].orders == 0 || bounds->bins == 0) {
      value_put_null(builder);
      continue;
    }
    struct rfm_summary summary = score_summary(score->zone, &slots[i], today);
    value_put_i64(builder, rfm_number(rfm_scores_of(&summary, bounds)));
    note_midnight(score, bounds, &slots[i], summary.recency_days, until_us);
    some = true;
  }
  value_list_end(builder);
  return some;
}

static enum err keep(const struct score *score, const struct score_slot *slots, int64_t now_us, struct arena *arena,
                     struct value *kept, int64_t *until_us) {
  struct value_builder builder;
  struct buffer packed;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, score->engine->names);
  bool some = put_numbers(score, slots, score_day(score->zone, now_us), &builder, until_us);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK && some) {
    kept->packed = arena_copy(arena, buffer_view(&packed));
    if (kept->packed.data == NULL) err = ERR_NO_MEMORY;
  }
  buffer_release(&packed);
  return err;
}

static enum err answer(const struct segment_score *base, struct facts *facts, struct arena *arena, int64_t now_us,
                       struct value *kept, int64_t *until_us) {
  const struct score *score = score_of(base);
  const struct trade_order *orders;
  struct score_tally tally = {score->zone, score->scheme.length, &score->ranges};
  struct diag diag;
  size_t count = 0;
  diag_init(&diag);
  enum err err =
      trade_orders(score->trade, facts, INT64_MIN, INT64_MAX, score->ranges.count > 0, arena, &orders, &count, &diag);
  if (err != ERR_OK || count == 0) return err;
  struct score_slot *slots = arena_take_zero(arena, score->ranges.count + 1, sizeof *slots);
  if (slots == NULL) return ERR_NO_MEMORY;
  err = score_add_up(&tally, orders, count, now_us, slots, until_us);
  return err == ERR_OK ? keep(score, slots, now_us, arena, kept, until_us) : err;
}

// --- told ------------------------------------------------------------------------------------------------------

struct told {
  unsigned number;
  struct rfm_scores scores;
  const char *segment;
};

static bool take_number(const struct score *score, size_t index, struct value item, struct told *told) {
  struct decimal number;
  int64_t whole;
  if (!value_as_number(item, &number) || decimal_to_scaled_i64(number, 0, &whole) != ERR_OK || whole <= 0) return false;
  const struct scheme *scheme = &score->scheme;
  told->number = (unsigned)whole;
  told->scores = rfm_scores_of_number(told->number);
  told->segment =
      rfm_segment_name(&scheme->segments, rfm_segment_of(&scheme->segments, told->scores, scheme->bounds[index].bins));
  return true;
}

static void put_member(struct value_builder *builder, const char *name, unsigned number) {
  value_put_name(builder, bytes_from_text(name));
  value_put_i64(builder, number);
}

static enum err pack(const struct score *score, const struct told *told, struct arena *arena,
                     struct rule_value *value) {
  struct value_builder builder;
  struct buffer packed;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, score->engine->names);
  value_document_begin(&builder);
  put_member(&builder, "r", told->scores.recency);
  put_member(&builder, "f", told->scores.frequency);
  put_member(&builder, "m", told->scores.monetary);
  put_member(&builder, "number", told->number);
  value_put_name(&builder, BYTES("segment"));
  value_put_text(&builder, bytes_from_text(told->segment));
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  struct bytes copy = err == ERR_OK ? arena_copy(arena, buffer_view(&packed)) : bytes_of(NULL, 0);
  buffer_release(&packed);
  if (err != ERR_OK || copy.data == NULL) return err == ERR_OK ? ERR_NO_MEMORY : err;
  *value = (struct rule_value){.type = RULE_TYPE_DOCUMENT, .packed = {copy}};
  return ERR_OK;
}

static enum err tell(const struct segment_score *base, struct value kept, const struct bytes *range,
                     struct arena *arena, struct rule_value *value) {
  const struct score *score = score_of(base);
  struct value_iter iter = value_iterate(kept);
  struct told told;
  uint32_t wanted = 0;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (range != NULL && !roster_find(&score->ranges, *range, &wanted)) return ERR_OK;
  size_t index = range == NULL ? 0 : (size_t)wanted + 1;
  for (size_t i = 0; value_next(&iter); i++)
    if (i == index) return take_number(score, i, iter.item, &told) ? pack(score, &told, arena, value) : ERR_OK;
  return ERR_OK;
}

static bool range_at(const struct segment_score *base, size_t index, struct bytes *name) {
  const struct score *score = score_of(base);
  if (index >= score->scheme.range_count) return false;
  *name = score->scheme.ranges[index];
  return true;
}

void score_write_kept(const struct score *score, struct value kept, struct json_writer *writer) {
  struct value_iter iter = value_iterate(kept);
  struct told told;
  json_object_begin(writer);
  for (size_t i = 0; value_next(&iter) && i <= score->scheme.range_count; i++) {
    if (!take_number(score, i, iter.item, &told)) continue;
    json_name_bytes(writer, i == 0 ? BYTES(SCHEME_ALL) : score->scheme.ranges[i - 1]);
    json_object_begin(writer);
    json_member_u64(writer, "r", told.scores.recency);
    json_member_u64(writer, "f", told.scores.frequency);
    json_member_u64(writer, "m", told.scores.monetary);
    json_member_u64(writer, "number", told.number);
    json_member_text(writer, "segment", told.segment);
    json_object_end(writer);
  }
  json_object_end(writer);
}

// --- opening ---------------------------------------------------------------------------------------------------

void score_write_document(const struct scheme *scheme, const struct trade *trade, struct json_writer *writer) {
  json_object_begin(writer);
  scheme_write(scheme, writer);
  json_name(writer, "trade");
  json_object_begin(writer);
  trade_write(trade, writer);
  json_object_end(writer);
  json_object_end(writer);
}

static enum err parse(struct engine *engine, struct bytes document, struct arena *arena, struct value *value,
                      struct diag *diag) {
  struct value_parser *parser;
  struct buffer packed;
  enum err err = value_parser_open(&parser);
  if (err != ERR_OK) return diag_no_memory(diag);
  buffer_init(&packed);
  err = value_parse_json(parser, document, engine->names, &packed, diag);
  if (err == ERR_OK) value->packed = arena_copy(arena, buffer_view(&packed));
  if (err == ERR_OK && value->packed.data == NULL) err = diag_no_memory(diag);
  buffer_release(&packed);
  value_parser_close(parser);
  return err;
}

static enum err read_document(struct score *score, struct bytes document, struct diag *diag) {
  struct engine *engine = score->engine;
  struct value value;
  uint32_t number;
  enum err err = parse(engine, document, &score->arena, &value, diag);
  if (err != ERR_OK) return err;
  err = scheme_read_stored(value, engine->names, &score->arena, &score->scheme);
  if (err == ERR_CORRUPT)
    return diag_set(diag, err, "corrupt", "the document of a score cannot be read; run `rapport check`");
  for (size_t i = 0; err == ERR_OK && i < score->scheme.range_count; i++)
    err = roster_number(&score->ranges, score->scheme.ranges[i], &number);
  if (err != ERR_OK) return diag_no_memory(diag);
  return trade_make(engine, value_member(value, engine->names, BYTES("trade")), NULL, &score->trade, NULL, diag);
}

enum err score_open(void *context, struct bytes document, struct segment_score **score, struct diag *diag) {
  struct engine *engine = context;
  struct score *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  *made = (struct score){.base = {.answer = answer, .tell = tell, .range = range_at, .close = close_score},
                         .engine = engine,
                         .zone = engine_zone(engine)};
  arena_init(&made->arena, 0);
  roster_init(&made->ranges);
  enum err err = read_document(made, document, diag);
  if (err != ERR_OK) {
    close_score(&made->base);
    return err;
  }
  made->base.event_count = trade_names(made->trade, &made->base.events);
  *score = &made->base;
  return ERR_OK;
}

// Letters, digits and what else a name without quotes is made of.
static bool is_of_name(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
         byte == '$' || byte >= 0x80;
}

// Each word of an expression: names among them are then known, what else there is harms nobody.
static enum err intern_words(struct names *names, struct bytes text, struct diag *diag) {
  uint32_t id;
  for (size_t at = 0; at < text.size_bytes;) {
    size_t end = at;
    while (end < text.size_bytes && is_of_name(text.data[end])) end++;
    enum err err = end == at ? ERR_OK : names_intern(names, bytes_of(text.data + at, end - at), &id, diag);
    if (err != ERR_OK) return err;
    at = end == at ? at + 1 : end;
  }
  return ERR_OK;
}

static enum err intern_names(struct names *names, const struct trade *trade, struct diag *diag) {
  static const char *const told[] = {"properties", "r", "f", "m", "number", "segment"};
  uint32_t id;
  enum err err = names_intern(names, trade->order, &id, diag);
  if (err == ERR_OK && trade->returned.size_bytes > 0) err = names_intern(names, trade->returned, &id, diag);
  for (size_t i = 0; err == ERR_OK && i < sizeof told / sizeof *told; i++)
    err = names_intern(names, bytes_from_text(told[i]), &id, diag);
  for (size_t i = 0; err == ERR_OK && i < TRADE_PROPERTIES; i++)
    err = intern_words(names, trade->properties[i].text, diag);
  return err;
}

enum err score_trade_open(struct engine_view *view, struct trade **trade, struct diag *diag) {
  struct trade *first = NULL;
  enum err err = trade_open(view, &first, diag);
  if (err == ERR_OK) err = intern_names(view->engine->names, first, diag);
  trade_close(first);
  return err == ERR_OK ? trade_open(view, trade, diag) : err;
}
