// bench_attribution: a million paths, from the bytes of the file to credit.
//
// ChannelAttribution's PathData a hundred times over, found through RAPPORT_SHARED (or the file that is the argument);
// without it, paths drawn with the same lengths from twelve channels. And a million paths that hardly ever repeat,
// which is the hard case: nothing is found by its text. Fastest of some rounds each; the physical limit is the time to
// read the same bytes once from memory.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attribution/comparison.h"
#include "attribution/paths_csv.h"
#include "base/alloc.h"
#include "base/clock.h"

enum { ROUNDS = 7, COPIES = 100, ROWS = 1000000, CHANNELS = 12 };

static const char *const channels[CHANNELS] = {"alpha", "beta",  "gamma",  "delta", "epsilon", "zeta",
                                               "eta",   "theta", "lambda", "kappa", "iota",    "mi"};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

// Mostly short, now and then long: 1 to 89 steps, six on average. `apart`: no path as short as to come again.
static void draw(struct buffer *text, bool apart) {
  buffer_append_text(text, "path;total_conversions;total_conversion_value;total_null\n");
  for (int i = 0; i < ROWS; i++) {
    size_t count = apart ? 6 : 1;
    while (count < 89 && random_next() % 6 != 0) count++;
    if (!apart && random_next() % 4 != 0) count = count < 4 ? count : 4;
    for (size_t j = 0; j < count; j++) {
      if (j > 0) buffer_append_text(text, " > ");
      buffer_append_text(text, channels[random_next() % CHANNELS * (random_next() % 3 + 1) / 3]);
    }
    buffer_append_format(text, ";%u;%u.%03u;%u\n", (unsigned)(random_next() % 4), (unsigned)(random_next() % 20),
                         (unsigned)(random_next() % 1000), (unsigned)(random_next() % 9));
  }
}

static bool read_copies(struct buffer *text, const char *path) {
  FILE *file = fopen(path, "re");
  struct buffer once;
  uint8_t block[65536];
  if (file == NULL) return false;
  buffer_init(&once);
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;) buffer_append(&once, block, got);
  fclose(file);
  const uint8_t *header = once.size_bytes > 0 ? memchr(once.data, '\n', once.size_bytes) : NULL;
  size_t begin = header != NULL ? (size_t)(header - once.data) + 1 : once.size_bytes;
  buffer_append(text, once.data, begin);
  for (int i = 0; i < COPIES; i++) {
    buffer_append(text, once.data + begin, once.size_bytes - begin);
    if (once.size_bytes > 0 && once.data[once.size_bytes - 1] != '\n') buffer_append_byte(text, '\n');
  }
  buffer_release(&once);
  return true;
}

struct times {
  double parse, heuristics, markov, together; // milliseconds
};

static double lap(int64_t *since_us) {
  int64_t now_us = clock_monotonic_us();
  double ms = (double)(now_us - *since_us) / 1000;
  *since_us = now_us;
  return ms;
}

static double lesser(double a, double b) {
  return a < b ? a : b;
}

static void run(struct bytes text, unsigned threads, struct times *best, size_t *different) {
  struct paths paths;
  struct comparison comparison;
  struct diag diag;
  struct times times;
  const struct paths_csv_options how = {.threads = threads};
  struct comparison_options what = {.models = (1u << HEURISTIC_COUNT) - 1, .markov = {.order = 1, .threads = threads}};
  heuristics_defaults(&what.heuristics);
  what.heuristics.threads = threads;
  paths_init(&paths);
  comparison_init(&comparison);
  int64_t since_us = clock_monotonic_us();
  enum err err = paths_csv_read(text, &how, &paths, &diag);
  times.parse = lap(&since_us);
  if (err == ERR_OK) err = heuristics_run(&paths, what.models, &what.heuristics, &comparison.heuristics, &diag);
  times.heuristics = lap(&since_us);
  if (err == ERR_OK) err = markov_run(&paths, &what.markov, &comparison.markov, &diag);
  times.markov = lap(&since_us);
  if (err != ERR_OK) {
    fprintf(stderr, "%s: %s\n", diag.field, diag.message);
    exit(1);
  }
  *different = paths.row_count;
  paths_release(&paths);
  comparison_release(&comparison);
  times.together = times.parse + times.heuristics + times.markov;
  best->parse = lesser(best->parse, times.parse);
  best->heuristics = lesser(best->heuristics, times.heuristics);
  best->markov = lesser(best->markov, times.markov);
  best->together = lesser(best->together, times.together);
}

// Milliseconds to read the bytes, eight at a time.
static double read_once(struct bytes text) {
  double best = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    int64_t since_us = clock_monotonic_us();
    uint64_t sums[4] = {0};
    for (size_t at = 0; at + 32 <= text.size_bytes; at += 32)
      for (int i = 0; i < 4; i++) {
        uint64_t word;
        memcpy(&word, text.data + at + 8 * i, 8);
        sums[i] += word;
      }
    volatile uint64_t kept = sums[0] + sums[1] + sums[2] + sums[3];
    (void)kept;
    best = lesser(best, lap(&since_us));
  }
  return best;
}

static void measure(const char *name, struct bytes text) {
  double limit = read_once(text);
  for (unsigned threads = 1; threads <= 2; threads++) {
    struct times best = {1e9, 1e9, 1e9, 1e9};
    size_t different = 0;
    for (int round = 0; round < ROUNDS; round++) run(text, threads, &best, &different);
    printf(
        "%-10s %zu different, %.1f MB, %u thread%s: parse_ms %.1f heuristics_ms %.1f markov_ms %.1f together_ms %.1f "
        "(%.2f GB/s; reading the bytes once takes %.1f ms)\n",
        name, different, (double)text.size_bytes / 1e6, threads, threads > 1 ? "s" : "", best.parse, best.heuristics,
        best.markov, best.together, (double)text.size_bytes / best.together / 1e6, limit);
  }
}

int main(int count, char **arguments) {
  const char *shared = getenv("RAPPORT_SHARED");
  char path[4096];
  struct buffer text;
  buffer_init(&text);
  snprintf(path, sizeof path, "%s/data/channelattribution_pathdata/Data.csv", shared != NULL ? shared : "../shared");
  if (!read_copies(&text, count > 1 ? arguments[1] : path)) {
    printf("%s is not there: drawn paths instead\n", count > 1 ? arguments[1] : path);
    draw(&text, false);
  }
  measure("repeated", buffer_view(&text));
  buffer_clear(&text);
  draw(&text, true);
  measure("different", buffer_view(&text));
  buffer_release(&text);
  return 0;
}
