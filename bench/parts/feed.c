#include "feed.h"

#include <errno.h>
#include <unistd.h>

#include "stop.h"

bool feed_write(int fd, const char *data, size_t size_bytes) {
  while (size_bytes > 0 && !stop_asked) {
    ssize_t written = write(fd, data, size_bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    data += written;
    size_bytes -= (size_t)written;
  }
  return size_bytes == 0;
}

bool feed_events(int fd, struct population *population, enum body_mix mix, uint64_t events, int64_t time_us) {
  struct body lines;
  if (!body_init(&lines, BODY_LINES, mix, 0, FEED_LINES)) return false;
  bool ok = true;
  for (uint64_t sent = 0; ok && sent < events; sent += FEED_LINES) {
    body_fill(&lines, population, time_us, 0, 0);
    ok = feed_write(fd, lines.text, lines.size_bytes);
  }
  body_release(&lines);
  return ok;
}
