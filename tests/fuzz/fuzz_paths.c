// Fuzz target: files of paths.
//
// The input is the file; its first two bytes choose the separator and the threads. Checked: what is read has channels
// in UTF-8, each once, rows that differ and whose counts add up; a path written as text reads back as the same steps;
// transforms keep all counts; every model whose shares add up to 1 gives away every conversion, and a small chain is
// solved to removal effects between 0 and 1.
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "attribution/comparison.h"
#include "attribution/paths_csv.h"
#include "attribution/paths_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { ROWS_MAX = 64, STATES_MAX = 400 };

static void check_text(const struct paths *paths, struct bytes separator) {
  struct paths_text text;
  struct paths again;
  struct buffer written;
  paths_init(&again);
  paths_text_init(&text, separator);
  buffer_init(&written);
  for (size_t i = 0; i < paths->channels.count; i++) {
    paths_step same;
    assert(bytes_is_utf8(paths->channels.names[i]) && paths->channels.names[i].size_bytes > 0);
    assert(paths_channel(&again, paths->channels.names[i], &same, NULL) == ERR_OK && same == i);
  }
  for (size_t i = 0; i < paths->row_count && i < ROWS_MAX; i++) {
    const struct paths_row *row = &paths->rows[i];
    buffer_clear(&written);
    paths_text_write(&written, paths, paths_steps(paths, row), row->count, separator);
    assert(paths_text_read(&text, buffer_view(&written), &again, NULL) == ERR_OK);
    assert(text.count == row->count && again.channels.count == paths->channels.count);
    assert(memcmp(text.steps, paths_steps(paths, row), row->count * sizeof *text.steps) == 0);
    assert(paths_find(paths, text.steps, text.count) == i);
  }
  paths_text_release(&text);
  paths_release(&again);
  buffer_release(&written);
}

static void check_transforms(const struct paths *paths) {
  bool removed[1 + PATHS_CHANNELS_MAX];
  for (size_t i = 0; i < paths->channels.count; i++) removed[i] = i % 2 == 0;
  for (int i = 0; i < PATHS_TRANSFORM_COUNT; i++) {
    struct paths out;
    paths_init(&out);
    enum err err = paths_transform(paths, (enum paths_transform)i, removed, 2, &out, NULL);
    assert(err == ERR_OK || i == PATHS_FREQUENCY); // whose names can be too long
    if (err == ERR_OK) assert(out.conversions == paths->conversions && out.nulls == paths->nulls);
    paths_release(&out);
  }
}

static void check_models(const struct paths *paths, unsigned order) {
  struct comparison comparison;
  struct comparison_options options = {.models = (1u << COMPARISON_SHAPLEY_RATE) - 1, .markov = {.order = order}};
  double wanted = (double)(paths->conversions - paths->empty.conversions);
  heuristics_defaults(&options.heuristics);
  comparison_init(&comparison);
  assert(comparison_run(paths, &options, &comparison, NULL) == ERR_OK);
  for (unsigned model = 0; model < COMPARISON_SHAPLEY_RATE; model++) {
    double sum = 0;
    for (size_t i = 0; i < paths->channels.count; i++) sum += comparison.conversions[model][i];
    assert(fabs(sum - wanted) <= wanted * 1e-9);
  }
  for (size_t i = 0; i < paths->channels.count; i++)
    assert(comparison.markov.removal_conversion[i] >= 0 && comparison.markov.removal_conversion[i] <= 1 + 1e-9);
  comparison_release(&comparison);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static const char *const separators[] = {" > ", "->", "|", "\xe2\x86\x92"};
  struct paths paths;
  if (size_bytes < 2) return 0;
  const struct bytes separator = bytes_from_text(separators[data[0] % 4]);
  const struct paths_csv_options options = {separator, 1 + data[1] % 2u};
  paths_init(&paths);
  if (paths_csv_read(bytes_of(data + 2, size_bytes - 2), &options, &paths, NULL) == ERR_OK) {
    assert(paths.rows_read > 0 && paths.conversions + paths.nulls <= PATHS_WEIGHT_MAX);
    check_text(&paths, separator);
    check_transforms(&paths);
    if (paths.step_count < STATES_MAX) check_models(&paths, 1 + data[1] / 2 % 4u);
  }
  paths_release(&paths);
  return 0;
}
