// commands_score_features: `rapport score appetence` of a file: what an analyst has made of customers, learned from and
// scored by what learns from a workspace.
//
// Columns are CUSTOMER,BOUGHT,FEATURE,…. Lines with the same customer are in the same group, whichever lines they are:
// who is learned from, who calibrates and who tests is told by a hash of the name.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "cli/score.h"
#include "cli/stop.h"
#include "cli/table.h"
#include "scoring/appetence.h"
#include "segment/definition.h"

enum { NAME, BOUGHT, FIRST_FEATURE, DECILES = 10, LINES_MAX = 10000000 };

struct line {
  uint32_t customer;
  double probability;
  size_t index; // of the line, among all
  unsigned decile;
};

struct file {
  struct cli *cli;
  struct table_columns columns;
  struct roster customers;
  struct appetence_rows rows; // all lines, in their order
  bool *known;                // whether she bought is
  struct line *lines;
  size_t room;
  struct appetence_model model;
};

static size_t feature_count(const struct file *file) {
  return file->columns.count - FIRST_FEATURE;
}

// --- reading -------------------------------------------------------------------------------------------------

// FNV-1a; the share is made of it by the hash that segments use.
static uint8_t group_of(struct bytes name) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < name.size_bytes; i++) hash = (hash ^ name.data[i]) * UINT64_C(0x100000001b3);
  return (uint8_t)(segment_random_of(BYTES("appetence"), hash) % APPETENCE_GROUPS);
}

static bool grow(struct file *file) {
  size_t room = file->room == 0 ? 1024 : 2 * file->room;
  double *features = alloc_resize(file->rows.features, room * feature_count(file) * sizeof *features);
  if (features != NULL) file->rows.features = features;
  uint8_t *labels = alloc_resize(file->rows.labels, room);
  if (labels != NULL) file->rows.labels = labels;
  uint8_t *groups = alloc_resize(file->rows.groups, room);
  if (groups != NULL) file->rows.groups = groups;
  bool *known = alloc_resize(file->known, room * sizeof *known);
  if (known != NULL) file->known = known;
  struct line *lines = alloc_resize(file->lines, room * sizeof *lines);
  if (lines != NULL) file->lines = lines;
  if (features == NULL || labels == NULL || groups == NULL || known == NULL || lines == NULL) return false;
  file->room = room;
  return true;
}

static enum err read_bought(struct bytes cell, bool *known, uint8_t *label, struct diag *diag) {
  *known = cell.size_bytes > 0;
  *label = bytes_equal(cell, BYTES("1")) || bytes_equal(cell, BYTES("true"));
  if (!*known || *label || bytes_equal(cell, BYTES("0")) || bytes_equal(cell, BYTES("false"))) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "bad_label", "whether she bought is \"%.40s\"; expected 1, 0 or nothing",
                  (const char *)cell.data);
}

static enum err take_line(void *context, uint64_t number, const struct bytes *cells, struct diag *diag) {
  struct file *file = context;
  size_t at = file->rows.count, columns = feature_count(file);
  (void)number;
  if (at == LINES_MAX) return diag_set(diag, ERR_LIMIT, "too_many", "a file has at most %d lines", (int)LINES_MAX);
  if (at == file->room && !grow(file)) return diag_no_memory(diag);
  enum err err = read_bought(cells[BOUGHT], &file->known[at], &file->rows.labels[at], diag);
  for (size_t i = 0; i < columns && err == ERR_OK; i++)
    err = table_number(cells[FIRST_FEATURE + i], file->columns.names[FIRST_FEATURE + i],
                       &file->rows.features[at * columns + i], diag);
  if (err != ERR_OK) return err;
  file->rows.groups[at] = group_of(cells[NAME]);
  file->lines[at] = (struct line){.index = at};
  file->rows.count++;
  return roster_number(&file->customers, cells[NAME], &file->lines[at].customer) == ERR_OK ? ERR_OK
                                                                                           : diag_no_memory(diag);
}

// --- learning and scoring ------------------------------------------------------------------------------------

// Learning puts its rows in another order: it gets its own.
static enum err copy_known(const struct file *file, struct appetence_rows *rows) {
  size_t columns = feature_count(file), count = file->rows.count;
  *rows = (struct appetence_rows){.columns = columns,
                                  .features = alloc_zero(count * columns + 1, sizeof(double)),
                                  .labels = alloc_zero(count + 1, 1),
                                  .groups = alloc_zero(count + 1, 1)};
  if (rows->features == NULL || rows->labels == NULL || rows->groups == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    if (!file->known[i]) continue;
    memcpy(rows->features + rows->count * columns, file->rows.features + i * columns, columns * sizeof(double));
    rows->labels[rows->count] = file->rows.labels[i];
    rows->groups[rows->count++] = file->rows.groups[i];
  }
  return ERR_OK;
}

static enum err learn(struct file *file, struct diag *diag) {
  struct appetence_rows rows;
  enum err err = copy_known(file, &rows);
  if (err != ERR_OK) diag_no_memory(diag);
  if (err == ERR_OK) err = appetence_learn(&rows, NULL, NULL, &file->model, diag);
  alloc_free(rows.features);
  alloc_free(rows.labels);
  alloc_free(rows.groups);
  return err;
}

static int by_probability(const void *left, const void *right) {
  const struct line *a = left, *b = right;
  int order = (a->probability < b->probability) - (a->probability > b->probability);
  return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static int by_index(const void *left, const void *right) {
  const struct line *a = left, *b = right;
  return (a->index > b->index) - (a->index < b->index);
}

static void score(struct file *file) {
  size_t count = file->rows.count;
  for (size_t i = 0; i < count; i++)
    file->lines[i].probability =
        logistic_probability(&file->model.logistic, file->rows.features + i * feature_count(file));
  qsort(file->lines, count, sizeof *file->lines, by_probability);
  for (size_t i = 0; i < count; i++) file->lines[i].decile = (unsigned)(1 + i * DECILES / count);
  qsort(file->lines, count, sizeof *file->lines, by_index);
}

// --- telling it ----------------------------------------------------------------------------------------------

static void write_head(const struct file *file, struct buffer *out) {
  const char *names[LOGISTIC_COLUMNS_MAX];
  struct json_writer writer;
  for (size_t i = 0; i < feature_count(file); i++) names[i] = file->columns.names[FIRST_FEATURE + i];
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_u64(&writer, "customers", file->rows.count);
  appetence_write(&file->model, names, &writer);
  json_object_end(&writer);
  buffer_append_byte(out, '\n');
}

static void put_line(const struct file *file, const struct line *line, bool csv, struct buffer *out) {
  struct bytes name = file->customers.items[line->customer];
  struct json_writer writer;
  if (csv) {
    csv_put_cell(out, name);
    buffer_append_format(out, ",%.6f,%u\n", line->probability, line->decile);
    return;
  }
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_bytes(&writer, "customer_id", name);
  score_put_real(&writer, "probability", line->probability, 6);
  json_member_u64(&writer, "decile", line->decile);
  json_object_end(&writer);
  buffer_append_byte(out, '\n');
}

static enum err write_all(const struct file *file, struct diag *diag) {
  bool csv = score_format_of(file->cli, SCORE_NDJSON) == SCORE_CSV;
  struct buffer *out = &file->cli->out, head;
  enum err err = ERR_OK;
  buffer_init(&head);
  write_head(file, &head);
  if (csv) fprintf(stderr, "%.*s", (int)head.size_bytes, (const char *)head.data);
  if (csv)
    buffer_append_text(out, "customer_id,probability,decile\n");
  else
    buffer_append_bytes(out, buffer_view(&head));
  if (head.failed) err = diag_no_memory(diag);
  buffer_release(&head);
  for (size_t i = 0; i < file->rows.count && err == ERR_OK; i++) {
    put_line(file, &file->lines[i], csv, out);
    err = score_flush(file->cli, diag);
  }
  return err;
}

// --- the command ---------------------------------------------------------------------------------------------

static enum err run(struct file *file, struct diag *diag) {
  const struct options *options = &file->cli->options;
  const char *columns = options_text(options, OPTION_COLUMNS, NULL), *expected = "CUSTOMER,BOUGHT,FEATURE,...";
  if (columns == NULL) return diag_set(diag, ERR_INVALID, "usage", "--columns is needed: %s", expected);
  enum err err = table_columns_read(&file->columns, columns, FIRST_FEATURE + 1, FIRST_FEATURE + LOGISTIC_COLUMNS_MAX,
                                    expected, diag);
  if (err != ERR_OK) return err;
  file->rows.columns = feature_count(file);
  err = table_read(options_text(options, OPTION_CUSTOMER_FILE, NULL), &file->columns, take_line, file, diag);
  stop_at_once();
  if (err == ERR_OK) err = learn(file, diag);
  if (err != ERR_OK) return err;
  score(file);
  return write_all(file, diag);
}

enum err score_appetence_file(struct cli *cli, struct diag *diag) {
  struct file *file = alloc_zero(1, sizeof *file);
  if (file == NULL) return diag_no_memory(diag);
  file->cli = cli;
  roster_init(&file->customers);
  enum err err = run(file, diag);
  roster_release(&file->customers);
  alloc_free(file->rows.features);
  alloc_free(file->rows.labels);
  alloc_free(file->rows.groups);
  alloc_free(file->known);
  alloc_free(file->lines);
  alloc_free(file);
  return err;
}
