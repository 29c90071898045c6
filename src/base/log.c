// log: a line is put together on the stack and leaves in one write().
//
// No heap: a line must get out when memory is short. A line longer than LINE_BYTES loses its last pairs, never its
// end: TAIL_BYTES are kept back for the closing brace and the newline. Control characters and bytes that are not
// UTF-8 never reach the output, so no line can pretend to be two.
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

enum { LINE_BYTES = 4096, TAIL_BYTES = 2, PAIRS_BYTES = 2048 };

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_format = LOG_TEXT;
static _Atomic int log_least = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
  size_t size_bytes;
  bool full; // something did not fit: what was begun must be taken back
  char data[LINE_BYTES];
};

void log_open(int fd, enum log_format format, enum log_level least) {
  atomic_store(&log_fd, fd);
  atomic_store(&log_format, (int)format);
  atomic_store(&log_least, (int)least);
}

static void put_bytes(struct line *line, const char *data, size_t size_bytes) {
  if (line->full || size_bytes > LINE_BYTES - TAIL_BYTES - line->size_bytes) {
    line->full = true;
    return;
  }
  memcpy(line->data + line->size_bytes, data, size_bytes);
  line->size_bytes += size_bytes;
}

static void put_text(struct line *line, const char *text) {
  put_bytes(line, text, strlen(text));
}

// Quoted text, escaped the way both logfmt and JSON read it.
static void put_quoted(struct line *line, struct bytes text) {
  bool utf8 = bytes_is_utf8(text);
  put_text(line, "\"");
  for (size_t i = 0; i < text.size_bytes; i++) {
    char escape[8];
    uint8_t byte = text.data[i];
    if (byte == '"' || byte == '\\') {
      put_bytes(line, (const char[]){'\\', (char)byte}, 2);
    } else if (byte < 0x20 || byte == 0x7f) {
      put_bytes(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
    } else {
      char plain = byte >= 0x80 && !utf8 ? '?' : (char)byte;
      put_bytes(line, &plain, 1);
    }
  }
  put_text(line, "\"");
}

// One `name=value` taken from the front of `pairs`; a value in quotes runs to the closing quote.
struct pair {
  struct bytes name, value;
};

static bool take_pair(struct bytes *pairs, struct pair *pair) {
  const uint8_t *at = pairs->data, *end = pairs->data + pairs->size_bytes;
  while (at < end && *at == ' ') at++;
  const uint8_t *name = at;
  while (at < end && *at != '=' && *at != ' ') at++;
  pair->name = bytes_of(name, (size_t)(at - name));
  if (at < end && *at == '=') at++;
  uint8_t stop = ' ';
  if (at < end && *at == '"') stop = *at++;
  const uint8_t *value = at;
  while (at < end && *at != stop) at++;
  pair->value = bytes_of(value, (size_t)(at - value));
  if (at < end) at++;
  *pairs = bytes_of(at, (size_t)(end - at));
  return pair->name.size_bytes > 0;
}

static bool is_plain(struct bytes value) {
  for (size_t i = 0; i < value.size_bytes; i++) {
    uint8_t byte = value.data[i];
    if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7f) return false;
  }
  return value.size_bytes > 0;
}

// A whole number JSON would accept as it stands; everything else is quoted.
static bool is_integer(struct bytes value) {
  size_t sign = value.size_bytes > 0 && value.data[0] == '-' ? 1 : 0;
  struct bytes digits = bytes_of(value.data + sign, value.size_bytes - sign);
  uint64_t number;
  return bytes_to_u64(digits, &number) == ERR_OK && (digits.data[0] != '0' || digits.size_bytes == 1);
}

static void put_pair(struct line *line, enum log_format format, struct pair pair) {
  size_t before = line->size_bytes;
  if (format == LOG_JSON) {
    put_text(line, ",");
    put_quoted(line, pair.name);
    put_text(line, ":");
  } else {
    put_text(line, " ");
    put_bytes(line, (const char *)pair.name.data, pair.name.size_bytes);
    put_text(line, "=");
  }
  if (format == LOG_JSON ? is_integer(pair.value) : is_plain(pair.value)) {
    put_bytes(line, (const char *)pair.value.data, pair.value.size_bytes);
  } else {
    put_quoted(line, pair.value);
  }
  if (line->full) line->size_bytes = before;
}

static void put_pairs(struct line *line, enum log_format format, struct bytes pairs) {
  struct pair pair;
  while (!line->full && take_pair(&pairs, &pair)) put_pair(line, format, pair);
}

// A log line bears the machine's time: it is for whoever runs the machine, held clock or not.
static void put_head(struct line *line, enum log_format format, enum log_level level, const char *message) {
  struct clock machine;
  char time[CLOCK_TEXT_BYTES];
  clock_init(&machine);
  int64_t now_us = clock_now_us(&machine);
  clock_format(now_us - now_us % CLOCK_MS_US, time);
  if (format == LOG_JSON) put_text(line, "{\"ts\":\"");
  if (format == LOG_TEXT) put_text(line, "ts=");
  put_text(line, time);
  put_text(line, format == LOG_JSON ? "\",\"level\":\"" : " level=");
  put_text(line, level_names[level]);
  put_text(line, format == LOG_JSON ? "\",\"msg\":" : " msg=");
  size_t before = line->size_bytes;
  put_quoted(line, bytes_from_text(message));
  if (!line->full) return;
  line->full = false;
  line->size_bytes = before;
  put_text(line, "\"(message too long)\"");
}

void log_write(enum log_level level, const char *message, const char *pairs, ...) {
  if ((int)level < atomic_load_explicit(&log_least, memory_order_relaxed)) return;
  enum log_format format = (enum log_format)atomic_load(&log_format);
  struct line line;
  line.size_bytes = 0;
  line.full = false;
  put_head(&line, format, level, message);
  if (pairs != NULL) {
    char text[PAIRS_BYTES];
    va_list arguments;
    va_start(arguments, pairs);
    int length = vsnprintf(text, sizeof text, pairs, arguments);
    va_end(arguments);
    if (length > 0) put_pairs(&line, format, bytes_from_text(text));
  }
  if (format == LOG_JSON) line.data[line.size_bytes++] = '}';
  line.data[line.size_bytes++] = '\n';
  // A log that cannot be written must not stop the program that it describes.
  ssize_t written = write(atomic_load(&log_fd), line.data, line.size_bytes);
  (void)written;
}
