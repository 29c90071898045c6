// json_scan: bracket counting outside strings, and the two questions that need no more than that.
#include "source/json_scan.h"

#include <string.h>

#include "source/source.h"

static size_t scan_string(struct bytes text) {
  for (size_t at = 1; at < text.size_bytes; at++) {
    if (text.data[at] == '\\') {
      at++;
    } else if (text.data[at] == '"') {
      return at + 1;
    }
  }
  return 0;
}

static size_t scan_container(struct bytes text) {
  size_t depth = 0;
  for (size_t at = 0; at < text.size_bytes;) {
    uint8_t byte = text.data[at];
    size_t step = 1;
    if (byte == '"') {
      step = scan_string(bytes_of(text.data + at, text.size_bytes - at));
      if (step == 0) {
        return 0;
      }
    } else if (byte == '{' || byte == '[') {
      depth++;
    } else if ((byte == '}' || byte == ']') && --depth == 0) {
      return at + 1;
    }
    at += step;
  }
  return 0;
}

static bool is_between(uint8_t byte) {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == ',' || byte == '[' || byte == ']';
}

size_t source_scan_value(struct bytes text) {
  size_t size = 1;
  if (text.size_bytes == 0) {
    return 0;
  }
  if (text.data[0] == '"') {
    return scan_string(text);
  }
  if (text.data[0] == '{' || text.data[0] == '[') {
    return scan_container(text);
  }
  while (size < text.size_bytes && !is_between(text.data[size]) && text.data[size] != '}') {
    size++;
  }
  return size;
}

size_t source_scan_between(struct bytes text) {
  size_t size = 0;
  while (size < text.size_bytes && is_between(text.data[size])) {
    size++;
  }
  return size;
}

// --- the write key of a body ---------------------------------------------------------------------------------

static void skip(struct bytes *text, size_t size) {
  text->data += size;
  text->size_bytes -= size;
}

// White space and one of `marks`.
static void skip_to(struct bytes *text, const char *marks) {
  while (text->size_bytes > 0 && text->data[0] != 0 && strchr(marks, text->data[0]) != NULL) {
    skip(text, 1);
  }
}

// Scanned, not parsed: the sender is not known yet, and parsing would write its names into the dictionary.
enum err source_body_write_key(struct source_reader *reader, struct bytes body, struct arena *arena,
                               struct bytes *write_key, struct diag *diag) {
  (void)reader, (void)arena, (void)diag;
  struct bytes rest = bytes_trim(body);
  *write_key = BYTES("");
  if (rest.size_bytes == 0 || rest.data[0] != '{') {
    return ERR_OK;
  }
  skip(&rest, 1);
  for (;;) {
    skip_to(&rest, " \t\r\n,");
    struct bytes name = bytes_of(rest.data, source_scan_value(rest));
    skip(&rest, name.size_bytes);
    skip_to(&rest, " \t\r\n:");
    struct bytes value = bytes_of(rest.data, source_scan_value(rest));
    skip(&rest, value.size_bytes);
    if (name.size_bytes == 0 || value.size_bytes == 0 || name.data[0] != '"') {
      return ERR_OK;
    }
    if (bytes_equal(name, BYTES("\"writeKey\"")) && value.data[0] == '"' &&
        memchr(value.data, '\\', value.size_bytes) == NULL) {
      *write_key = bytes_of(value.data + 1, value.size_bytes - 2);
      return ERR_OK;
    }
  }
}
