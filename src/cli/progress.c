// progress: drawn over itself with a carriage return.
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_COLUMNS = 24, DRAW_EVERY_US = 100000 };

void progress_begin(struct progress *progress) {
  *progress =
      (struct progress){.shown = isatty(STDERR_FILENO) == 1, .unit = "events", .started_us = clock_monotonic_us()};
}

double progress_seconds(const struct progress *progress) {
  int64_t spent_us = clock_monotonic_us() - progress->started_us;
  return (double)(spent_us < 1000 ? 1000 : spent_us) / CLOCK_SECOND_US;
}

static void draw_bar(uint64_t done, uint64_t total) {
  int full = (int)((double)done / (double)total * BAR_COLUMNS);
  fputs(" [", stderr);
  for (int i = 0; i < BAR_COLUMNS; i++) fputs(i < full ? "█" : "·", stderr);
  fprintf(stderr, "] %3.0f %%", 100.0 * (double)done / (double)total);
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t count) {
  int64_t now_us = clock_monotonic_us();
  if (!progress->shown || now_us - progress->drawn_us < DRAW_EVERY_US) return;
  progress->drawn_us = now_us;
  double seconds = progress_seconds(progress);
  fputc('\r', stderr);
  if (total > 0) draw_bar(done < total ? done : total, total);
  fprintf(stderr, "  %" PRIu64 " %s  %.0f/s", count, progress->unit, (double)count / seconds);
  if (total > 0 && done > 0 && done < total) {
    fprintf(stderr, "  %.0f s left", seconds * (double)(total - done) / (double)done);
  }
  fputs("\033[K", stderr);
  fflush(stderr);
}

void progress_end(struct progress *progress) {
  if (progress->shown && progress->drawn_us != 0) fputs("\r\033[K", stderr);
}
