// rfm_segments: the table of named segments, and who moved between them.
//
// A score of other bins is brought to the table's so that lowest stays lowest and highest highest, the others as near
// as whole numbers allow: ten bins fall on five in pairs.
#include <assert.h>
#include <string.h>

#include "scoring/rfm.h"
#include "value/given.h"

static const char *const measure_names[RFM_MEASURES] = {"recency", "frequency", "monetary"};

void rfm_segments_default(struct rfm_segments *segments) {
  // https://rfm.rsquaredacademy.com, rfm_segment: the table of version 0.3.
  static const struct rfm_segment table[] = {
      {"Champions", {5, 5, 5}, {5, 5, 5}},       {"Potential Loyalist", {3, 3, 2}, {5, 5, 5}},
      {"Loyal Customers", {2, 2, 2}, {4, 4, 4}}, {"Promising", {3, 1, 3}, {4, 3, 5}},
      {"New Customers", {4, 1, 1}, {5, 3, 5}},   {"Can't Lose Them", {1, 3, 4}, {2, 4, 5}},
      {"At Risk", {1, 2, 4}, {2, 5, 5}},         {"Need Attention", {1, 3, 3}, {3, 5, 5}},
      {"About To Sleep", {2, 1, 1}, {3, 3, 4}},  {"Lost", {1, 1, 1}, {1, 5, 5}},
  };
  *segments = (struct rfm_segments){.bins = RFM_BINS, .count = sizeof table / sizeof *table, .others = "Others"};
  memcpy(segments->items, table, sizeof table);
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err read_name(struct value value, char name[RFM_NAME_BYTES + 1], struct diag *diag) {
  struct bytes text;
  enum err err = given_text(value, RFM_NAME_BYTES, &text, diag);
  if (err != ERR_OK) {
    diag_in_field(diag, "name");
    return err;
  }
  memcpy(name, text.data, text.size_bytes);
  name[text.size_bytes] = '\0';
  return ERR_OK;
}

static enum err read_range(struct value range, unsigned bins, uint8_t *least, uint8_t *most, struct diag *diag) {
  int64_t ends[2] = {1, bins};
  struct value_iter iter = value_iterate(range);
  *least = 1;
  *most = (uint8_t)bins;
  if (value_is_absent(range)) return ERR_OK;
  if (value_type(range) != VALUE_LIST || given_item_count(range) != 2)
    return diag_set(diag, ERR_INVALID, "bad_segments", "expected two scores, [lowest, highest]");
  for (int i = 0; i < 2 && value_next(&iter); i++) {
    if (given_whole(iter.item, 1, bins, &ends[i], diag) != ERR_OK)
      return diag_set(diag, ERR_INVALID, "bad_segments", "a score is a whole number from 1 to %u", bins);
  }
  if (ends[0] > ends[1])
    return diag_set(diag, ERR_INVALID, "bad_segments", "the lowest score, %d, is above the highest, %d", (int)ends[0],
                    (int)ends[1]);
  *least = (uint8_t)ends[0];
  *most = (uint8_t)ends[1];
  return ERR_OK;
}

static enum err read_segment(struct value document, const struct names *names, unsigned bins,
                             struct rfm_segment *segment, struct diag *diag) {
  if (value_type(document) != VALUE_DOCUMENT)
    return diag_set(diag, ERR_INVALID, "bad_segments", "expected an object with a name");
  enum err err = read_name(value_member(document, names, BYTES("name")), segment->name, diag);
  for (int measure = 0; measure < RFM_MEASURES && err == ERR_OK; measure++) {
    struct value range = value_member(document, names, bytes_from_text(measure_names[measure]));
    err = read_range(range, bins, &segment->least[measure], &segment->most[measure], diag);
    if (err != ERR_OK) diag_in_field(diag, "%s", measure_names[measure]);
  }
  return err;
}

static enum err check_name(const struct rfm_segments *segments, const char *name, struct diag *diag) {
  for (size_t i = 0; i < segments->count; i++)
    if (strcmp(segments->items[i].name, name) == 0)
      return diag_set(diag, ERR_INVALID, "bad_segments", "\"%s\" is the name of segment %zu too", name, i + 1);
  return ERR_OK;
}

// How many of all scores the segment at `position` gets.
static size_t reached(const struct rfm_segments *segments, size_t position) {
  size_t count = 0;
  for (unsigned r = 1; r <= segments->bins; r++)
    for (unsigned f = 1; f <= segments->bins; f++)
      for (unsigned m = 1; m <= segments->bins; m++)
        count += rfm_segment_of(segments, (struct rfm_scores){r, f, m}, segments->bins) == position;
  return count;
}

static enum err read_list(struct value list, const struct names *names, struct rfm_segments *segments,
                          struct diag *diag) {
  struct value_iter iter = value_iterate(list);
  enum err err = ERR_OK;
  if (value_type(list) != VALUE_LIST || given_item_count(list) == 0 || given_item_count(list) > RFM_SEGMENTS_MAX)
    return diag_set(diag, ERR_INVALID, "bad_segments", "expected a list of 1 to %d segments", RFM_SEGMENTS_MAX);
  while (err == ERR_OK && value_next(&iter)) {
    struct rfm_segment *segment = &segments->items[segments->count];
    err = read_segment(iter.item, names, segments->bins, segment, diag);
    if (err == ERR_OK) err = check_name(segments, segment->name, diag);
    if (err != ERR_OK) diag_in_field(diag, "segments[%zu]", segments->count);
    segments->count++;
  }
  for (size_t i = 0; i < segments->count && err == ERR_OK; i++) {
    if (reached(segments, i) > 0) continue;
    err = diag_set(diag, ERR_INVALID, "bad_segments",
                   "the first segment that matches wins, and those before \"%s\" leave nothing to it; move it up or "
                   "change its ranges",
                   segments->items[i].name);
    diag_in_field(diag, "segments[%zu]", i);
  }
  return err;
}

enum err rfm_segments_read(struct value document, const struct names *names, struct rfm_segments *segments,
                           struct diag *diag) {
  struct value bins = value_member(document, names, BYTES("bins"));
  struct value others = value_member(document, names, BYTES("others"));
  int64_t count = RFM_BINS;
  *segments = (struct rfm_segments){.others = "Others"};
  if (value_type(document) != VALUE_DOCUMENT)
    return diag_set(diag, ERR_INVALID, "bad_segments", "expected an object with \"segments\"");
  if (!value_is_absent(bins) && given_whole(bins, RFM_BINS_MIN, RFM_BINS_MAX, &count, diag) != ERR_OK) {
    diag_in_field(diag, "bins");
    return ERR_INVALID;
  }
  segments->bins = (unsigned)count;
  enum err err = read_list(value_member(document, names, BYTES("segments")), names, segments, diag);
  if (err == ERR_OK && !value_is_absent(others)) err = read_name(others, segments->others, diag);
  return err == ERR_OK ? check_name(segments, segments->others, diag) : err;
}

void rfm_segments_write(struct json_writer *writer, const struct rfm_segments *segments) {
  json_object_begin(writer);
  json_member_u64(writer, "bins", segments->bins);
  json_name(writer, "segments");
  json_array_begin(writer);
  for (size_t i = 0; i < segments->count; i++) {
    const struct rfm_segment *segment = &segments->items[i];
    json_object_begin(writer);
    json_member_text(writer, "name", segment->name);
    for (int measure = 0; measure < RFM_MEASURES; measure++) {
      json_name(writer, measure_names[measure]);
      json_array_begin(writer);
      json_u64(writer, segment->least[measure]);
      json_u64(writer, segment->most[measure]);
      json_array_end(writer);
    }
    json_object_end(writer);
  }
  json_array_end(writer);
  json_member_text(writer, "others", segments->others);
  json_object_end(writer);
}

// --- matching ------------------------------------------------------------------------------------------------

static unsigned brought_to(unsigned score, unsigned bins, unsigned wanted) {
  return 1 + (2 * (score - 1) * (wanted - 1) + bins - 1) / (2 * (bins - 1));
}

size_t rfm_segment_of(const struct rfm_segments *segments, struct rfm_scores scores, unsigned bins) {
  const unsigned given[RFM_MEASURES] = {brought_to(scores.recency, bins, segments->bins),
                                        brought_to(scores.frequency, bins, segments->bins),
                                        brought_to(scores.monetary, bins, segments->bins)};
  for (size_t i = 0; i < segments->count; i++) {
    bool matches = true;
    for (int measure = 0; measure < RFM_MEASURES; measure++)
      matches = matches && given[measure] >= segments->items[i].least[measure] &&
                given[measure] <= segments->items[i].most[measure];
    if (matches) return i;
  }
  return segments->count;
}

const char *rfm_segment_name(const struct rfm_segments *segments, size_t position) {
  return position < segments->count ? segments->items[position].name : segments->others;
}

// --- moves ---------------------------------------------------------------------------------------------------

void rfm_moves_init(struct rfm_moves *moves, const struct rfm_segments *segments) {
  *moves = (struct rfm_moves){.size = segments->count + 2};
}

void rfm_moves_add(struct rfm_moves *moves, size_t before, size_t after) {
  assert(before < moves->size && after < moves->size);
  moves->counts[before * moves->size + after]++;
}
