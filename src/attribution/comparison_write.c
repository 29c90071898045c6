// comparison_write: results as sheets.
#include <stdio.h>
#include <string.h>

#include "attribution/comparison.h"
#include "attribution/pairs.h"
#include "attribution/paths_text.h"
#include "attribution/sheet.h"
#include "base/alloc.h"

enum { COLUMNS_MAX = 2 * COMPARISON_MODEL_COUNT + 2, COLUMN_BYTES = 48 };

// The columns of numbers, each with its name.
struct columns {
  const double *numbers[COLUMNS_MAX];
  char texts[COLUMNS_MAX + 1][COLUMN_BYTES];
  const char *names[COLUMNS_MAX + 1]; // the channel's comes first
  size_t count;                       // of numbers
};

static void add_column(struct columns *columns, const double *numbers, const char *name, const char *end) {
  char *text = columns->texts[columns->count];
  snprintf(text, COLUMN_BYTES, "%s%s", name, end);
  columns->names[columns->count + 1] = text;
  columns->numbers[columns->count++] = numbers;
}

static void choose_columns(const struct comparison *comparison, bool has_value, struct columns *columns) {
  bool alone = comparison->models == 1u << COMPARISON_MARKOV;
  columns->count = 0;
  columns->names[0] = "channel_name";
  for (unsigned i = 0; i < COMPARISON_MODEL_COUNT; i++) {
    if (!(comparison->models >> i & 1)) continue;
    const char *name = alone ? "total" : comparison_column_name(i);
    add_column(columns, comparison->conversions[i], name, "_conversions");
    if (has_value) add_column(columns, comparison->value[i], name, alone ? "_conversion_value" : "_value");
    if (i != COMPARISON_MARKOV) continue;
    add_column(columns, comparison->markov.removal_conversion, "removal_effects_conversion", "");
    if (has_value) add_column(columns, comparison->markov.removal_value, "removal_effects_conversion_value", "");
  }
}

static void write_rows(const struct comparison *comparison, const struct paths *paths, bool json, struct buffer *out) {
  struct columns columns;
  struct sheet sheet;
  choose_columns(comparison, paths->has_value, &columns);
  sheet_begin(&sheet, out, json, columns.names, columns.count + 1);
  for (size_t channel = 0; channel < paths->channels.count; channel++) {
    sheet_text(&sheet, paths->channels.names[channel]);
    for (size_t i = 0; i < columns.count; i++) sheet_number(&sheet, columns.numbers[i][channel]);
  }
  sheet_end(&sheet);
}

void comparison_write_csv(const struct comparison *comparison, const struct paths *paths, struct buffer *out) {
  write_rows(comparison, paths, false, out);
}

// --- JSON ----------------------------------------------------------------------------------------------------

static double all_value(const struct paths *paths) {
  double sum = paths_value(&paths->empty), rest = 0;
  for (size_t i = 0; i < paths->row_count; i++) {
    paths_sum(&sum, &rest, paths->rows[i].value);
    rest += paths->rows[i].value_rest;
  }
  return sum + rest;
}

static void write_markov(struct json_writer *writer, const struct markov *markov, const struct markov_options *options,
                         bool has_nulls) {
  json_name(writer, "markov");
  json_object_begin(writer);
  json_member_u64(writer, "order", options->order);
  json_member_u64(writer, "states", markov->state_count);
  json_member_u64(writer, "transitions", markov->edge_count);
  json_member_bool(writer, "nulls", has_nulls && !options->without_nulls);
  json_member_real(writer, "conversion_probability", markov->conversion);
  json_member_text(writer, "solved_by", markov->iterated ? "iteration" : "elimination");
  json_member_real(writer, "gap", markov->gap);
  json_object_end(writer);
}

void comparison_write_json(const struct comparison *comparison, const struct paths *paths,
                           const struct markov_options *options, struct buffer *out) {
  struct json_writer writer;
  struct buffer rows;
  buffer_init(&rows);
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_u64(&writer, "rows", paths->rows_read);
  json_member_u64(&writer, "paths", paths->row_count);
  json_member_u64(&writer, "conversions", paths->conversions);
  if (paths->has_nulls) json_member_u64(&writer, "nulls", paths->nulls);
  if (paths->has_value) json_member_real(&writer, "value", all_value(paths));
  json_member_u64(&writer, "conversions_without_channel", paths->empty.conversions);
  if (comparison->models >> COMPARISON_MARKOV & 1)
    write_markov(&writer, &comparison->markov, options, paths->has_nulls);
  write_rows(comparison, paths, true, &rows);
  json_name(&writer, "channels");
  json_raw(&writer, buffer_view(&rows));
  json_object_end(&writer);
  out->failed = out->failed || rows.failed;
  buffer_release(&rows);
}

// --- transitions ---------------------------------------------------------------------------------------------

static void write_state(struct buffer *text, const struct paths *paths, const struct markov_graph *graph,
                        uint32_t state, bool ids, struct bytes separator) {
  paths_step channels[MARKOV_ORDER_MAX];
  buffer_clear(text);
  if (state >= MARKOV_NULL) {
    buffer_append_text(text, state == MARKOV_START ? "(start)" : state == MARKOV_NULL ? "(null)" : "(conversion)");
    return;
  }
  size_t count = markov_channels(graph->keys[state], channels);
  if (!ids && count == 1)
    buffer_append_bytes(text, paths->channels.names[channels[0]]);
  else if (!ids)
    paths_text_write(text, paths, channels, count, separator);
  for (size_t i = 0; ids && i < count; i++)
    buffer_append_format(text, "%s%u", i > 0 ? "," : "", (unsigned)channels[i] + 1);
}

static void write_edges(const struct paths *paths, const struct markov_graph *graph, bool ids, struct bytes separator,
                        struct sheet *sheet) {
  struct buffer text;
  buffer_init(&text);
  for (size_t begin = 0, end; begin < graph->edge_count; begin = end) {
    double whole = 0;
    for (end = begin; end < graph->edge_count && graph->edges[end].from == graph->edges[begin].from; end++)
      whole += graph->edges[end].weight;
    for (size_t e = begin; e < end; e++) {
      write_state(&text, paths, graph, graph->edges[e].from, ids, separator);
      sheet_text(sheet, buffer_view(&text));
      write_state(&text, paths, graph, graph->edges[e].to, ids, separator);
      sheet_text(sheet, buffer_view(&text));
      sheet_number(sheet, graph->edges[e].weight / whole);
    }
  }
  sheet->out->failed = sheet->out->failed || text.failed;
  buffer_release(&text);
}

enum err comparison_write_transitions(const struct paths *paths, const struct markov_options *options, bool ids,
                                      struct bytes separator, bool json, struct buffer *out, struct diag *diag) {
  static const char *const columns[] = {"channel_from", "channel_to", "transition_probability"};
  struct markov_graph graph;
  struct sheet sheet;
  markov_graph_init(&graph);
  enum err err = markov_graph_build(paths, options, &graph, diag);
  if (err == ERR_OK) {
    sheet_begin(&sheet, out, json, columns, 3);
    write_edges(paths, &graph, ids, separator, &sheet);
    sheet_end(&sheet);
  }
  markov_graph_release(&graph);
  return err;
}

// --- per path ------------------------------------------------------------------------------------------------

static void write_path(const struct comparison *comparison, const struct paths *paths, const struct paths_row *row,
                       struct bytes text, paths_step *channels, double *shares, struct sheet *sheet) {
  size_t count = markov_path_shares(&comparison->markov, paths_steps(paths, row), row->count, channels, shares);
  for (size_t i = 0; i < count; i++) {
    sheet_text(sheet, text);
    sheet_text(sheet, paths->channels.names[channels[i]]);
    sheet_number(sheet, (double)row->conversions * shares[i]);
    if (paths->has_value) sheet_number(sheet, paths_value(row) * shares[i]);
  }
}

enum err comparison_write_per_path(const struct comparison *comparison, const struct paths *paths,
                                   struct bytes separator, bool json, struct buffer *out, struct diag *diag) {
  static const char *const columns[] = {"path", "channel_name", "total_conversions", "total_conversion_value"};
  struct sheet sheet;
  struct buffer text;
  buffer_init(&text);
  paths_step *channels = alloc_get((paths->channels.count + 1) * sizeof *channels);
  double *shares = alloc_get((paths->channels.count + 1) * sizeof *shares);
  enum err err = channels == NULL || shares == NULL ? diag_no_memory(diag) : ERR_OK;
  sheet_begin(&sheet, out, json, columns, paths->has_value ? 4 : 3);
  for (size_t i = 0; i < paths->row_count && err == ERR_OK; i++) {
    if (paths->rows[i].conversions == 0) continue;
    buffer_clear(&text);
    paths_text_write(&text, paths, paths_steps(paths, &paths->rows[i]), paths->rows[i].count, separator);
    if (text.failed) err = diag_no_memory(diag);
    if (err == ERR_OK) write_path(comparison, paths, &paths->rows[i], buffer_view(&text), channels, shares, &sheet);
  }
  sheet_end(&sheet);
  buffer_release(&text);
  alloc_free(channels);
  alloc_free(shares);
  return err;
}

// --- affinity ------------------------------------------------------------------------------------------------

enum err comparison_write_affinity(const struct paths *paths, bool json, struct buffer *out, struct diag *diag) {
  static const char *const columns[] = {"channel_a", "channel_b", "paths_with_both", "root_log_likelihood_ratio"};
  struct sheet sheet;
  struct pairs pairs;
  pairs_init(&pairs);
  enum err err = pairs_count(paths, &pairs, diag);
  if (err == ERR_OK) {
    sheet_begin(&sheet, out, json, columns, 4);
    for (size_t a = 0; a < pairs.channel_count; a++) {
      for (size_t b = a + 1; b < pairs.channel_count; b++) {
        const struct pairs_count *both = &pairs.of[pairs_place(a, b)];
        if (both->conversions + both->nulls == 0) continue;
        sheet_text(&sheet, paths->channels.names[a]);
        sheet_text(&sheet, paths->channels.names[b]);
        sheet_number(&sheet, (double)(both->conversions + both->nulls));
        sheet_number(&sheet, pairs_affinity(&pairs, a, b));
      }
    }
    sheet_end(&sheet);
  }
  pairs_release(&pairs);
  return err;
}
