// commands_attribute: a file of paths in, credit out. What is computed and how it is written is src/attribution's; here
// are the flags, the file, and the table for people.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribution/comparison.h"
#include "attribution/paths_csv.h"
#include "base/alloc.h"
#include "base/csv.h"
#include "base/nearest.h"
#include "base/real.h"
#include "cli/attribute_workspace.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/stop.h"

enum { PIECE_BYTES = 1 << 20, LIST_BYTES = 64 * 1024, BAR_CELLS = 24, NAME_CELLS = 32, BARS_MODELS_MAX = 1 };
enum format { FORMAT_CSV, FORMAT_JSON, FORMAT_TABLE, FORMAT_TEXT, FORMAT_XLSX }; // text is the table

struct attribution {
  struct cli *cli;
  const struct options *options;
  struct bytes separator;
  struct paths paths;
  bool *direct, *paid; // by channel
  struct comparison_options what;
  struct comparison comparison;
};

// --- the file ------------------------------------------------------------------------------------------------

static enum err read_all(FILE *file, size_t expected, struct buffer *text, const char *path, struct diag *diag) {
  buffer_reserve(text, expected + 1);
  for (;;) {
    if (!buffer_reserve(text, PIECE_BYTES < expected ? 1 : PIECE_BYTES)) return diag_no_memory(diag);
    size_t got = fread(text->data + text->size_bytes, 1, text->capacity_bytes - text->size_bytes, file);
    if (got == 0) break;
    text->size_bytes += got;
  }
  if (ferror(file)) return diag_set(diag, ERR_IO, "io", "cannot read %.200s: %s", path, strerror(errno));
  return ERR_OK;
}

static enum err read_file(const char *path, struct buffer *text, struct diag *diag) {
  bool is_stdin = strcmp(path, "-") == 0;
  FILE *file = is_stdin ? stdin : fopen(path, "re");
  struct stat status;
  if (file == NULL) return diag_set(diag, ERR_NOT_FOUND, "no_file", "cannot read %.200s: %s", path, strerror(errno));
  enum err err = ERR_OK;
  if (fstat(fileno(file), &status) != 0) status = (struct stat){.st_size = 0};
  if (S_ISDIR(status.st_mode))
    err = diag_set(diag, ERR_INVALID, "no_file", "%.200s is a directory; --paths takes a CSV file", path);
  setvbuf(file, NULL, _IONBF, 0);
  if (err == ERR_OK) err = read_all(file, status.st_size > 0 ? (size_t)status.st_size : 0, text, path, diag);
  if (!is_stdin) fclose(file);
  return err;
}

static unsigned thread_count(const struct options *options) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return (unsigned)options_number(options, OPTION_THREADS, cores < 1 ? 1 : cores > 64 ? 64 : cores);
}

// Says which file a failure is in.
static enum err in_file(const char *path, enum err err, struct diag *diag) {
  if (err == ERR_OK || err == ERR_NO_MEMORY) return err;
  const struct diag why = *diag;
  return diag_set(diag, err, why.code, "%.200s%s%s: %s", path, why.field[0] != '\0' ? ", " : "", why.field,
                  why.message);
}

static enum err read_paths(struct attribution *attribution, struct diag *diag) {
  const char *path = options_text(attribution->options, OPTION_PATHS, NULL);
  const struct paths_csv_options how = {attribution->separator, thread_count(attribution->options)};
  struct buffer text;
  if (path == NULL)
    return diag_set(diag, ERR_INVALID, "usage",
                    "attribute needs a workspace or a file of paths: --data DIR, --url URL or --paths FILE.csv");
  buffer_init(&text);
  enum err err = read_file(path, &text, diag);
  if (err == ERR_OK) err = in_file(path, paths_csv_read(buffer_view(&text), &how, &attribution->paths, diag), diag);
  buffer_release(&text);
  return err;
}

// --- flags ---------------------------------------------------------------------------------------------------

// A list with commas between; a name with a comma in it is quoted as in CSV.
typedef enum err list_fn(struct attribution *attribution, struct bytes word, bool *flags, struct diag *diag);

static enum err each_of(struct attribution *attribution, const char *text, list_fn *take, bool *flags,
                        struct diag *diag) {
  struct arena arena;
  arena_init(&arena, 0);
  struct bytes *words = arena_take(&arena, CSV_COLUMNS * sizeof *words);
  size_t count = 0;
  enum err err =
      words == NULL ? diag_no_memory(diag) : csv_fields(bytes_from_text(text), ',', &arena, words, &count, diag);
  for (size_t i = 0; i < count && err == ERR_OK; i++) err = take(attribution, bytes_trim(words[i]), flags, diag);
  arena_release(&arena);
  return err;
}

static const char *nearest_channel(const struct paths *paths, struct bytes word, char out[PATHS_NAME_BYTES + 1]) {
  size_t best = SIZE_MAX, distance;
  for (size_t i = 0; i < paths->channels.count; i++) {
    if (!nearest_is_slip(word, paths->channels.names[i], &distance) || distance >= best) continue;
    best = distance;
    snprintf(out, PATHS_NAME_BYTES + 1, "%.*s", BYTES_ARG(paths->channels.names[i]));
  }
  return best == SIZE_MAX ? NULL : out;
}

static enum err take_channel(struct attribution *attribution, struct bytes word, bool *flags, struct diag *diag) {
  char near[PATHS_NAME_BYTES + 1];
  int64_t channel = paths_channel_find(&attribution->paths, word);
  if (channel >= 0) {
    flags[channel] = true;
    return ERR_OK;
  }
  const char *meant = nearest_channel(&attribution->paths, word, near);
  return diag_set(diag, ERR_INVALID, "usage", "no path has a channel \"%.*s\"%s%.80s%s", BYTES_ARG(word),
                  meant != NULL ? "; did you mean \"" : "", meant != NULL ? meant : "", meant != NULL ? "\"?" : "");
}

// Without --direct the channels that are called so.
static enum err find_direct(struct attribution *attribution, struct diag *diag) {
  const struct paths_names *channels = &attribution->paths.channels;
  const char *text = options_text(attribution->options, OPTION_DIRECT, NULL);
  attribution->direct = alloc_zero(channels->count + 1, sizeof(bool));
  if (attribution->direct == NULL) return diag_no_memory(diag);
  if (text != NULL) return each_of(attribution, text, take_channel, attribution->direct, diag);
  for (size_t i = 0; i < channels->count; i++)
    attribution->direct[i] = bytes_equal_ascii_case(channels->names[i], BYTES("direct"));
  return ERR_OK;
}

static enum err find_paid(struct attribution *attribution, struct diag *diag) {
  const char *text = options_text(attribution->options, OPTION_PAID, NULL);
  if (text == NULL) return ERR_OK;
  attribution->paid = alloc_zero(attribution->paths.channels.count + 1, sizeof(bool));
  if (attribution->paid == NULL) return diag_no_memory(diag);
  return each_of(attribution, text, take_channel, attribution->paid, diag);
}

static enum err take_model(struct attribution *attribution, struct bytes word, bool *flags, struct diag *diag) {
  (void)flags;
  const char *names[COMPARISON_MODEL_COUNT + 2] = {"heuristics", "all"};
  unsigned found = comparison_models_find(word, &attribution->paths, &attribution->what.heuristics);
  attribution->what.models |= found;
  if (found >> HEURISTIC_LAST_PAID & 1 && attribution->paid == NULL)
    return diag_set(diag, ERR_INVALID, "usage", "the model last_paid needs the paid channels: --paid LIST");
  if (found != 0) return ERR_OK;
  for (unsigned i = 0; i < COMPARISON_MODEL_COUNT; i++) names[i + 2] = comparison_model_name(i);
  const char *near = nearest_slip(word, names, COMPARISON_MODEL_COUNT + 2);
  return diag_set(diag, ERR_INVALID, "usage", "there is no model \"%.*s\"%s%s%s; rapport help attribute lists them",
                  word.size_bytes < 60 ? (int)word.size_bytes : 60, (const char *)word.data,
                  near != NULL ? "; did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "");
}

static enum err find_models(struct attribution *attribution, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < attribution->options->set_count && err == ERR_OK; i++)
    err = each_of(attribution, attribution->options->sets[i], take_model, NULL, diag);
  if (attribution->what.models == 0) attribution->what.models = 1u << COMPARISON_MARKOV;
  if (options_given(attribution->options, OPTION_PER_PATH)) attribution->what.models = 1u << COMPARISON_MARKOV;
  return err;
}

static enum err read_weights(const char *text, struct heuristics_options *options, struct diag *diag) {
  double parts[3] = {0}, sum = 0;
  struct bytes rest = bytes_from_text(text);
  for (int i = 0; i < 3; i++) {
    const uint8_t *slash = i < 2 && rest.size_bytes > 0 ? memchr(rest.data, '/', rest.size_bytes) : NULL;
    size_t size = slash != NULL ? (size_t)(slash - rest.data) : rest.size_bytes;
    if ((i < 2 && slash == NULL) || real_read(bytes_of(rest.data, size), &parts[i]) != ERR_OK || parts[i] < 0)
      return diag_set(diag, ERR_INVALID, "usage",
                      "--position-weights is \"%.60s\"; expected three parts such as 40/20/40", text);
    sum += parts[i];
    rest = i < 2 ? bytes_of(slash + 1, rest.size_bytes - size - 1) : rest;
  }
  if (!(fabs(sum - 100) < 1e-9))
    return diag_set(diag, ERR_INVALID, "usage", "--position-weights is \"%.60s\"; its parts must add up to 100", text);
  options->first_weight = parts[0] / 100;
  options->last_weight = parts[2] / 100;
  return ERR_OK;
}

static enum err read_half_life(const char *text, struct heuristics_options *options, struct diag *diag) {
  if (real_read(bytes_from_text(text), &options->half_life) == ERR_OK && options->half_life > 0) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "usage", "--half-life is \"%.60s\"; expected a number of steps above 0", text);
}

// What can be judged before the file is read.
static enum err read_flags(struct attribution *attribution, struct diag *diag) {
  const struct options *options = attribution->options;
  const char *separator = options_text(options, OPTION_SEPARATOR, " > ");
  struct comparison_options *what = &attribution->what;
  heuristics_defaults(&what->heuristics);
  attribution->separator = bytes_from_text(separator);
  if (memchr(separator, '"', strlen(separator)) != NULL || !bytes_is_utf8(attribution->separator))
    return diag_set(diag, ERR_INVALID, "usage", "--separator must be UTF-8 without a quote");
  what->markov = (struct markov_options){(unsigned)options_number(options, OPTION_CHAIN_ORDER, 1),
                                         options_given(options, OPTION_WITHOUT_NULL), thread_count(options)};
  what->heuristics.threads = thread_count(options);
  const char *weights = options_text(options, OPTION_POSITION_WEIGHTS, NULL);
  const char *half_life = options_text(options, OPTION_HALF_LIFE, NULL);
  enum err err = weights != NULL ? read_weights(weights, &what->heuristics, diag) : ERR_OK;
  if (err == ERR_OK && half_life != NULL) err = read_half_life(half_life, &what->heuristics, diag);
  return err;
}

// --- transforms ----------------------------------------------------------------------------------------------

static enum err transform(struct attribution *attribution, enum paths_transform how, struct diag *diag) {
  struct paths out;
  paths_init(&out);
  enum err err = find_direct(attribution, diag);
  size_t last = (size_t)options_number(attribution->options, OPTION_LAST_STEPS, 0);
  if (err == ERR_OK) err = paths_transform(&attribution->paths, how, attribution->direct, last, &out, diag);
  alloc_free(attribution->direct);
  attribution->direct = NULL;
  if (err == ERR_OK) {
    paths_release(&attribution->paths);
    attribution->paths = out;
  } else {
    paths_release(&out);
  }
  return err;
}

static enum err take_transform(struct attribution *attribution, struct bytes word, bool *flags, struct diag *diag) {
  (void)flags;
  const char *names[PATHS_TRANSFORM_COUNT];
  char plain[40];
  snprintf(plain, sizeof plain, "%.*s", (int)(word.size_bytes < sizeof plain ? word.size_bytes : 0),
           (const char *)word.data);
  for (char *at = plain; *at != '\0'; at++)
    if (*at == '-') *at = '_';
  for (unsigned i = 0; i < PATHS_LAST; i++) {
    names[i] = paths_transform_name((enum paths_transform)i);
    if (strcmp(plain, names[i]) == 0) return transform(attribution, (enum paths_transform)i, diag);
  }
  const char *near = nearest_slip(bytes_from_text(plain), names, PATHS_LAST);
  return diag_set(diag, ERR_INVALID, "usage",
                  "there is no transform \"%.60s\"%s%s%s; rapport help attribute lists them", plain,
                  near != NULL ? "; did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "");
}

static enum err transform_all(struct attribution *attribution, struct diag *diag) {
  const char *list = options_text(attribution->options, OPTION_TRANSFORM, NULL);
  enum err err = list != NULL ? each_of(attribution, list, take_transform, NULL, diag) : ERR_OK;
  if (err == ERR_OK && options_text(attribution->options, OPTION_LAST_STEPS, NULL) != NULL)
    err = transform(attribution, PATHS_LAST, diag);
  return err;
}

// --- the table -----------------------------------------------------------------------------------------------

static double sum_of(const double *numbers, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += numbers[i];
  return sum;
}

// Of one model: conversions, their part of all, value, the removal effect; bars compare channels.
static void show_model(const struct comparison *comparison, const struct paths *paths, unsigned model,
                       struct buffer *out) {
  const double *conversions = comparison->conversions[model], *value = comparison->value[model];
  double all = sum_of(conversions, paths->channels.count), most = 0;
  bool markov = model == COMPARISON_MARKOV;
  for (size_t i = 0; i < paths->channels.count; i++) most = fmax(most, conversions[i]);
  buffer_append_format(out, "%-*s %14s %7s%s%s\n", NAME_CELLS, comparison_model_name(model), "conversions", "share",
                       paths->has_value ? "          value" : "", markov ? "  removal" : "");
  for (size_t i = 0; i < paths->channels.count; i++) {
    size_t cells = print_clean(out, paths->channels.names[i], NAME_CELLS);
    buffer_append_format(out, "%*s %14.2f %6.1f%%", (int)(NAME_CELLS - cells), "", conversions[i],
                         all != 0 ? 100 * conversions[i] / all : 0);
    if (paths->has_value) buffer_append_format(out, " %14.2f", value[i]);
    if (markov) buffer_append_format(out, " %7.2f%%", 100 * comparison->markov.removal_conversion[i]);
    buffer_append_text(out, conversions[i] > 0 ? "  " : "");
    for (int cell = 0; most > 0 && cell < (int)lround(BAR_CELLS * conversions[i] / most); cell++)
      buffer_append_text(out, "█");
    buffer_append_byte(out, '\n');
  }
}

// Of several: their conversions side by side.
static void show_models(const struct comparison *comparison, const struct paths *paths, struct buffer *out) {
  buffer_append_format(out, "%-*s", NAME_CELLS, "conversions");
  for (unsigned model = 0; model < COMPARISON_MODEL_COUNT; model++)
    if (comparison->models >> model & 1) buffer_append_format(out, " %15s", comparison_model_name(model));
  for (size_t i = 0; i < paths->channels.count; i++) {
    buffer_append_byte(out, '\n');
    size_t cells = print_clean(out, paths->channels.names[i], NAME_CELLS);
    buffer_append_format(out, "%*s", (int)(NAME_CELLS - cells), "");
    for (unsigned model = 0; model < COMPARISON_MODEL_COUNT; model++)
      if (comparison->models >> model & 1) buffer_append_format(out, " %15.2f", comparison->conversions[model][i]);
  }
  buffer_append_byte(out, '\n');
}

static void show_table(const struct attribution *attribution, struct buffer *out) {
  const struct comparison *comparison = &attribution->comparison;
  const struct paths *paths = &attribution->paths;
  buffer_append_format(out, "%zu rows, %zu different paths, %zu channels, %llu conversions", paths->rows_read,
                       paths->row_count, paths->channels.count, (unsigned long long)paths->conversions);
  if (paths->has_nulls) buffer_append_format(out, ", %llu without", (unsigned long long)paths->nulls);
  if (comparison->models >> COMPARISON_MARKOV & 1)
    buffer_append_format(out, "; Markov chain of order %u with %zu states, conversion probability %.2f%%",
                         attribution->what.markov.order, comparison->markov.state_count,
                         100 * comparison->markov.conversion);
  buffer_append_text(out, "\n\n");
  if (__builtin_popcount(comparison->models) > BARS_MODELS_MAX)
    show_models(comparison, paths, out);
  else
    show_model(comparison, paths, (unsigned)__builtin_ctz(comparison->models), out);
}

// --- the command ---------------------------------------------------------------------------------------------

static enum format find_format(const struct options *options) {
  enum format given = (enum format)options->values[OPTION_CREDIT_FORMAT].number;
  if (options->values[OPTION_CREDIT_FORMAT].text != NULL) return given == FORMAT_TEXT ? FORMAT_TABLE : given;
  return isatty(STDOUT_FILENO) == 1 ? FORMAT_TABLE : FORMAT_CSV;
}

static void print_notes(const struct paths *paths) {
  if (paths->conversions == 0)
    fprintf(stderr, "rapport: warning: no row has a conversion: there is nothing to share out\n");
  if (paths->empty.conversions > 0)
    fprintf(stderr, "rapport: warning: %llu conversions are on paths without a channel; nothing has credit for them\n",
            (unsigned long long)paths->empty.conversions);
}

// What was asked for besides the models: a sheet of its own instead of theirs. False: nothing was.
static bool write_other(struct attribution *attribution, bool json, enum err *err, struct diag *diag) {
  const struct options *options = attribution->options;
  const struct paths *paths = &attribution->paths;
  struct buffer *out = &attribution->cli->out;
  if (options_text(options, OPTION_TRANSITIONS, NULL) != NULL)
    *err =
        comparison_write_transitions(paths, &attribution->what.markov, options->values[OPTION_TRANSITIONS].number == 1,
                                     attribution->separator, json, out, diag);
  else if (options_given(options, OPTION_AFFINITY))
    *err = comparison_write_affinity(paths, json, out, diag);
  else
    return false;
  return true;
}

static enum err write_models(struct attribution *attribution, enum format format, struct diag *diag) {
  struct buffer *out = &attribution->cli->out;
  const struct paths *paths = &attribution->paths;
  enum err err = comparison_run(paths, &attribution->what, &attribution->comparison, diag);
  if (err != ERR_OK) return err;
  if (options_given(attribution->options, OPTION_PER_PATH))
    return comparison_write_per_path(&attribution->comparison, paths, attribution->separator, format == FORMAT_JSON,
                                     out, diag);
  if (format == FORMAT_TABLE)
    show_table(attribution, out);
  else if (format == FORMAT_JSON)
    comparison_write_json(&attribution->comparison, paths, &attribution->what.markov, out);
  else
    comparison_write_csv(&attribution->comparison, paths, out);
  return ERR_OK;
}

static enum err run(struct attribution *attribution, struct diag *diag) {
  enum format format = find_format(attribution->options);
  if (format == FORMAT_XLSX)
    return diag_set(diag, ERR_INVALID, "usage",
                    "a file of paths is answered as csv, json or table; xlsx is of a workspace");
  if (options_given(attribution->options, OPTION_PER_ORDER))
    return diag_set(diag, ERR_INVALID, "usage",
                    "a file of paths knows no orders: --per-order is of a workspace (--data or --url); see --per-path");
  enum err err = read_flags(attribution, diag);
  if (err == ERR_OK) err = read_paths(attribution, diag);
  if (err == ERR_OK) err = transform_all(attribution, diag);
  if (err == ERR_OK) err = find_direct(attribution, diag);
  if (err == ERR_OK) err = find_paid(attribution, diag);
  attribution->what.heuristics.direct = attribution->direct;
  attribution->what.heuristics.paid = attribution->paid;
  if (err == ERR_OK) err = find_models(attribution, diag);
  if (err != ERR_OK) return err;
  print_notes(&attribution->paths);
  if (!write_other(attribution, format == FORMAT_JSON, &err, diag)) err = write_models(attribution, format, diag);
  if (err == ERR_OK && format == FORMAT_JSON) buffer_append_byte(&attribution->cli->out, '\n');
  return err;
}

enum err command_attribute(struct cli *cli, struct diag *diag) {
  if (attribute_is_of_workspace(&cli->options)) return attribute_workspace(cli, diag);
  struct attribution attribution = {.cli = cli, .options = &cli->options};
  paths_init(&attribution.paths);
  comparison_init(&attribution.comparison);
  stop_at_once(); // a file is read and figures are written: nothing is left half done
  enum err err = run(&attribution, diag);
  paths_release(&attribution.paths);
  comparison_release(&attribution.comparison);
  alloc_free(attribution.direct);
  alloc_free(attribution.paid);
  return err;
}
