// attribute_workspace: flags to options of the report, costs from CSV, and the journeys as a file of paths.
#include "cli/attribute_workspace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/csv.h"
#include "base/limits.h"
#include "cli/ask.h"
#include "cli/report_ask.h"

// As in --format: csv, json, table, text, xlsx.
static const enum report_form FORMS[] = {REPORT_FORM_CSV, REPORT_FORM_JSON, REPORT_FORM_TEXT, REPORT_FORM_TEXT,
                                         REPORT_FORM_XLSX};

bool attribute_is_of_workspace(const struct options *options) {
  bool data = options_text(options, OPTION_DATA, NULL) != NULL, url = options_text(options, OPTION_URL, NULL) != NULL;
  return options_text(options, OPTION_PATHS, NULL) == NULL && (data || url);
}

static enum report_form form_of(const struct options *options) {
  if (options->values[OPTION_CREDIT_FORMAT].text != NULL) return FORMS[options->values[OPTION_CREDIT_FORMAT].number];
  bool person = options_text(options, OPTION_OUTPUT, NULL) == NULL && isatty(STDOUT_FILENO) == 1;
  return person ? REPORT_FORM_TEXT : REPORT_FORM_CSV;
}

// What says how a file is read is said of a workspace in its settings.
static enum err check_flags(const struct options *options, struct diag *diag) {
  static const struct {
    enum option option;
    const char *name, *member;
  } OF_FILES[] = {
      {OPTION_SEPARATOR, "--separator", NULL},
      {OPTION_WITHOUT_NULL, "--without-null", "\"nulls\": false"},
      {OPTION_TRANSFORM, "--transform", "\"transforms\""},
      {OPTION_LAST_STEPS, "--last", "\"last\""},
      {OPTION_DIRECT, "--direct", "\"direct\""},
      {OPTION_PAID, "--paid", "\"paid\""},
      {OPTION_POSITION_WEIGHTS, "--position-weights", "\"position\""},
      {OPTION_HALF_LIFE, "--half-life", "\"half_life\""},
      {OPTION_TRANSITIONS, "--transitions", NULL},
      {OPTION_PER_PATH, "--per-path", NULL},
      {OPTION_AFFINITY, "--affinity", NULL},
  };
  for (size_t i = 0; i < sizeof OF_FILES / sizeof *OF_FILES; i++) {
    bool given = options_given(options, OF_FILES[i].option) || options_text(options, OF_FILES[i].option, NULL) != NULL;
    if (!given) continue;
    if (OF_FILES[i].member != NULL)
      return diag_set(diag, ERR_INVALID, "usage",
                      "%s is for a file of paths; of a workspace `rapport attribute settings` says it: %s",
                      OF_FILES[i].name, OF_FILES[i].member);
    return diag_set(diag, ERR_INVALID, "usage", "%s is for a file of paths; of a workspace see --table",
                    OF_FILES[i].name);
  }
  return ERR_OK;
}

// --- costs -----------------------------------------------------------------------------------------------------

enum cost_column { COST_CHANNEL, COST_AMOUNT, COST_DAY, COST_FROM, COST_TO, COST_COLUMNS };
static const char *const COST_NAMES[COST_COLUMNS] = {"channel", "amount", "day", "from", "to"};

struct costs {
  const char *path;
  struct bytes rest;
  uint8_t delimiter;
  size_t places[COST_COLUMNS], line; // places: SIZE_MAX, it has no such column
  struct arena arena;
  struct json_writer *writer;
};

// The fields of the next line that has any. False: there is none, or it failed.
static bool next_line(struct costs *costs, struct bytes **fields, size_t *count, enum err *err, struct diag *diag) {
  while (*err == ERR_OK && costs->rest.size_bytes > 0) {
    size_t size = csv_size(costs->rest, costs->delimiter, true);
    struct bytes line = bytes_of(costs->rest.data, size);
    costs->rest = bytes_of(costs->rest.data + size, costs->rest.size_bytes - size);
    costs->line++;
    if (bytes_trim(line).size_bytes == 0) continue;
    arena_clear(&costs->arena);
    *fields = arena_take(&costs->arena, CSV_COLUMNS * sizeof **fields);
    *err = *fields == NULL ? diag_no_memory(diag)
                           : csv_fields(bytes_trim(line), costs->delimiter, &costs->arena, *fields, count, diag);
    return *err == ERR_OK;
  }
  return false;
}

static enum err read_header(struct costs *costs, struct diag *diag) {
  struct bytes *fields;
  size_t count = 0;
  enum err err = ERR_OK;
  costs->delimiter = csv_delimiter(costs->rest);
  for (size_t i = 0; i < COST_COLUMNS; i++) costs->places[i] = SIZE_MAX;
  if (next_line(costs, &fields, &count, &err, diag))
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < COST_COLUMNS; k++)
        if (bytes_equal_ascii_case(bytes_trim(fields[i]), bytes_from_text(COST_NAMES[k]))) costs->places[k] = i;
  bool days = costs->places[COST_DAY] != SIZE_MAX ||
              (costs->places[COST_FROM] != SIZE_MAX && costs->places[COST_TO] != SIZE_MAX);
  if (err != ERR_OK || (days && costs->places[COST_CHANNEL] != SIZE_MAX && costs->places[COST_AMOUNT] != SIZE_MAX))
    return err;
  return diag_set(diag, ERR_INVALID, "usage",
                  "%.200s: the first line must name the columns channel, amount and either day or from and to",
                  costs->path);
}

static void write_field(struct costs *costs, const char *name, enum cost_column column, const struct bytes *fields) {
  json_member_bytes(costs->writer, name, bytes_trim(fields[costs->places[column]]));
}

static enum err write_cost(struct costs *costs, const struct bytes *fields, size_t count, struct diag *diag) {
  bool by_day = costs->places[COST_DAY] != SIZE_MAX;
  for (size_t i = 0; i < COST_COLUMNS; i++)
    if (costs->places[i] != SIZE_MAX && costs->places[i] >= count)
      return diag_set(diag, ERR_INVALID, "usage", "%.200s, line %zu: there is no %s", costs->path, costs->line,
                      COST_NAMES[i]);
  json_object_begin(costs->writer);
  write_field(costs, "channel", COST_CHANNEL, fields);
  write_field(costs, "from", by_day ? COST_DAY : COST_FROM, fields);
  write_field(costs, "to", by_day ? COST_DAY : COST_TO, fields);
  write_field(costs, "amount", COST_AMOUNT, fields);
  json_object_end(costs->writer);
  return ERR_OK;
}

static enum err write_costs(const char *path, struct json_writer *writer, struct diag *diag) {
  struct costs costs = {.path = path, .writer = writer};
  struct buffer file;
  struct bytes *fields;
  size_t count;
  buffer_init(&file);
  arena_init(&costs.arena, 0);
  enum err err = ask_read_file(path, LIMIT_BODY_BYTES, &file, diag);
  costs.rest = buffer_view(&file);
  if (err == ERR_OK) err = read_header(&costs, diag);
  json_name(writer, "costs");
  json_array_begin(writer);
  while (err == ERR_OK && next_line(&costs, &fields, &count, &err, diag)) err = write_cost(&costs, fields, count, diag);
  json_array_end(writer);
  arena_release(&costs.arena);
  buffer_release(&file);
  return err;
}

// --- options of the report -------------------------------------------------------------------------------------

static void write_text(const struct options *options, enum option option, const char *name,
                       struct json_writer *writer) {
  const char *text = options_text(options, option, NULL);
  if (text != NULL) json_member_text(writer, name, text);
}

// `all_paths`: every path is wanted.
static enum err write_options(const struct options *options, bool all_paths, struct buffer *body, struct diag *diag) {
  struct json_writer writer;
  struct buffer models;
  enum err err = ERR_OK;
  buffer_init(&models);
  json_writer_init(&writer, body);
  json_object_begin(&writer);
  write_text(options, OPTION_FROM, "from", &writer);
  write_text(options, OPTION_TO, "to", &writer);
  write_text(options, OPTION_BY, "by", &writer);
  for (size_t i = 0; i < options->set_count; i++)
    buffer_append_format(&models, "%s%s", i > 0 ? "," : "", options->sets[i]);
  if (options->set_count > 0) json_member_bytes(&writer, "models", buffer_view(&models));
  if (options->values[OPTION_CHAIN_ORDER].text != NULL)
    json_member_u64(&writer, "order", (uint64_t)options->values[OPTION_CHAIN_ORDER].number);
  if (all_paths) json_member_u64(&writer, "paths", 0);
  if (!all_paths && options_given(options, OPTION_PER_ORDER)) json_member_bool(&writer, "orders", true);
  const char *costs = options_text(options, OPTION_COSTS, NULL);
  if (costs != NULL) err = write_costs(costs, &writer, diag);
  json_object_end(&writer);
  bool failed = body->failed || models.failed;
  buffer_release(&models);
  return err == ERR_OK && failed ? diag_no_memory(diag) : err;
}

// --- the command -----------------------------------------------------------------------------------------------

static enum err emit_paths(struct cli *cli, const char *path, struct diag *diag) {
  struct buffer body, text;
  buffer_init(&body);
  buffer_init(&text);
  enum err err = write_options(&cli->options, true, &body, diag);
  const struct report_ask asked = {"attribution", buffer_view(&body), REPORT_FORM_CSV, "paths"};
  if (err == ERR_OK) err = report_ask(cli, &asked, &text, diag);
  if (err == ERR_OK && strcmp(path, "-") == 0)
    buffer_append_bytes(&cli->out, buffer_view(&text));
  else if (err == ERR_OK)
    err = report_write_file(path, &text, diag);
  buffer_release(&body);
  buffer_release(&text);
  return err;
}

// Of CSV, which has one table, --per-order is the one that it adds.
static const char *table_of(const struct options *options, enum report_form form) {
  bool per_order = form == REPORT_FORM_CSV && options_given(options, OPTION_PER_ORDER);
  return options_text(options, OPTION_TABLE, per_order ? "orders" : NULL);
}

static enum err show_report(struct cli *cli, struct diag *diag) {
  enum report_form form = form_of(&cli->options);
  struct buffer body, text;
  buffer_init(&body);
  buffer_init(&text);
  enum err err = report_check_form(cli, form, diag);
  if (err == ERR_OK) err = write_options(&cli->options, false, &body, diag);
  const struct report_ask asked = {"attribution", buffer_view(&body), form, table_of(&cli->options, form)};
  if (err == ERR_OK) err = report_ask(cli, &asked, &text, diag);
  if (err == ERR_OK) err = report_give(cli, form, &text, diag);
  buffer_release(&body);
  buffer_release(&text);
  return err;
}

enum err attribute_workspace(struct cli *cli, struct diag *diag) {
  const char *path = options_text(&cli->options, OPTION_EMIT_PATHS, NULL);
  enum err err = check_flags(&cli->options, diag);
  if (err != ERR_OK) return err;
  return path != NULL ? emit_paths(cli, path, diag) : show_report(cli, diag);
}

// --- settings --------------------------------------------------------------------------------------------------

enum err command_attribute_settings(struct cli *cli, struct diag *diag) {
  const struct target_call get = {
      .op = TARGET_ATTRIBUTION_SETTINGS,
      .args = {[TARGET_ARG_VERSION] = options_text(&cli->options, OPTION_SETTINGS_VERSION, NULL)}};
  return ask_settings(cli, &get, TARGET_ATTRIBUTION_SETTINGS_PUT, diag);
}
