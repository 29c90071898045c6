// csv: a quote opens a field only as its first byte, so 12" pipe is text like any other.
#include "base/csv.h"

#include <string.h>

uint8_t csv_delimiter(struct bytes header) {
  static const uint8_t candidates[] = {',', ';', '\t'};
  size_t counts[3] = {0};
  bool quoted = false;
  for (size_t at = 0; at < header.size_bytes; at++) {
    quoted ^= header.data[at] == '"';
    for (int i = 0; i < 3 && !quoted; i++) {
      counts[i] += header.data[at] == candidates[i];
    }
  }
  int best = 0;
  for (int i = 1; i < 3; i++) {
    best = counts[i] > counts[best] ? i : best;
  }
  return candidates[best];
}

// Where the quoted field that opens at `at` ends: behind its closing quote. 0: not within the limit; *open: because
// `text` ended first.
static size_t quoted_end(struct bytes text, size_t at, bool *open) {
  size_t end = at + 1;
  for (; end < text.size_bytes && end - at <= CSV_FIELD_BYTES; end++) {
    if (text.data[end] != '"') {
      continue;
    }
    if (end + 1 == text.size_bytes || text.data[end + 1] != '"') {
      return end + 1;
    }
    end++;
  }
  *open = end - at <= CSV_FIELD_BYTES;
  return 0;
}

static size_t line_size(struct bytes text, bool last) {
  const uint8_t *end = memchr(text.data, '\n', text.size_bytes);
  return end != NULL ? (size_t)(end - text.data) + 1 : last ? text.size_bytes : 0;
}

size_t csv_size(struct bytes text, uint8_t delimiter, bool last) {
  bool at_start = true;
  for (size_t at = 0; at < text.size_bytes;) {
    uint8_t byte = text.data[at];
    if (byte == '\n') {
      return at + 1;
    }
    if (byte == '"' && at_start) {
      bool open = false;
      size_t end = quoted_end(text, at, &open);
      if (end == 0) {
        return open && !last ? 0 : line_size(text, last);
      }
      at = end;
    } else {
      at++;
    }
    at_start = byte == delimiter;
  }
  return last ? text.size_bytes : 0;
}

// Undoes doubled quotes.
static enum err unquote(struct bytes inner, struct arena *arena, struct bytes *out) {
  *out = inner;
  if (inner.size_bytes == 0 || memchr(inner.data, '"', inner.size_bytes) == NULL) {
    return ERR_OK;
  }
  uint8_t *plain = arena_take(arena, inner.size_bytes);
  size_t size = 0;
  if (plain == NULL) {
    return ERR_NO_MEMORY;
  }
  for (size_t at = 0; at < inner.size_bytes; at++) {
    plain[size++] = inner.data[at];
    at += inner.data[at] == '"';
  }
  *out = bytes_of(plain, size);
  return ERR_OK;
}

// Reads the field at *at and moves behind it, onto the delimiter or the end.
static enum err read_field(struct bytes record, uint8_t delimiter, size_t *at, struct arena *arena, struct bytes *out,
                           struct diag *diag) {
  size_t begin = *at, end;
  if (begin < record.size_bytes && record.data[begin] == '"') {
    bool open = false;
    end = quoted_end(record, begin, &open);
    if (end == 0 || (end < record.size_bytes && record.data[end] != delimiter)) {
      return diag_set(diag, ERR_INVALID, "bad_csv",
                      end == 0 ? "a quote is not closed" : "text follows a closing quote before the next delimiter");
    }
    *at = end;
    return unquote(bytes_of(record.data + begin + 1, end - begin - 2), arena, out) == ERR_OK ? ERR_OK
                                                                                             : diag_no_memory(diag);
  }
  const uint8_t *next =
      begin == record.size_bytes ? NULL : memchr(record.data + begin, delimiter, record.size_bytes - begin);
  end = next == NULL ? record.size_bytes : (size_t)(next - record.data);
  *at = end;
  *out = bytes_of(record.data + begin, end - begin);
  return out->size_bytes <= CSV_FIELD_BYTES
             ? ERR_OK
             : diag_set(diag, ERR_LIMIT, "too_large", "a field has more than %d bytes", CSV_FIELD_BYTES);
}

enum err csv_fields(struct bytes record, uint8_t delimiter, struct arena *arena, struct bytes *fields, size_t *count,
                    struct diag *diag) {
  for (int i = 0; i < 2; i++) {
    uint8_t end = i == 0 ? '\n' : '\r';
    record.size_bytes -= record.size_bytes > 0 && record.data[record.size_bytes - 1] == end;
  }
  *count = 0;
  for (size_t at = 0;; at++) {
    if (*count == CSV_COLUMNS) {
      return diag_set(diag, ERR_LIMIT, "too_large", "a line has more than %d columns", CSV_COLUMNS);
    }
    enum err err = read_field(record, delimiter, &at, arena, &fields[*count], diag);
    if (err != ERR_OK) {
      return err;
    }
    (*count)++;
    if (at >= record.size_bytes) {
      return ERR_OK;
    }
  }
}

// --- writing -------------------------------------------------------------------------------------------------

bool csv_is_formula(struct bytes text) {
  static const char of_numbers[] = "0123456789.,eE-+() ";
  if (text.size_bytes == 0) return false;
  uint8_t first = text.data[0];
  if (first == '=' || first == '@' || first == '\t' || first == '\r') return true;
  if (first != '+' && first != '-') return false;
  for (size_t i = 1; i < text.size_bytes; i++)
    if (memchr(of_numbers, text.data[i], sizeof of_numbers - 1) == NULL) return true;
  return text.size_bytes > 1 && (text.data[1] < '0' || text.data[1] > '9') && text.data[1] != '.';
}

static bool needs_quotes(struct bytes text) {
  for (size_t i = 0; i < text.size_bytes; i++)
    if (memchr("\",;\r\n\t", text.data[i], 6) != NULL) return true;
  return text.size_bytes > 0 && (text.data[0] == ' ' || text.data[text.size_bytes - 1] == ' ');
}

void csv_put_cell(struct buffer *out, struct bytes text) {
  bool quotes = needs_quotes(text);
  if (quotes) buffer_append_byte(out, '"');
  if (csv_is_formula(text)) buffer_append_byte(out, '\'');
  for (size_t i = 0; i < text.size_bytes; i++) {
    if (text.data[i] == '"') buffer_append_byte(out, '"');
    buffer_append_byte(out, text.data[i]);
  }
  if (quotes) buffer_append_byte(out, '"');
}
