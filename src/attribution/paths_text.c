// paths_text: one walk over the bytes; a name is looked up where it ends.
#include "attribution/paths_text.h"

#include <string.h>

#include "base/alloc.h"

void paths_text_init(struct paths_text *text, struct bytes separator) {
  struct bytes bare = bytes_trim(separator);
  *text = (struct paths_text){.separator = bare.size_bytes > 0 ? bare : separator};
  buffer_init(&text->name);
}

void paths_text_release(struct paths_text *text) {
  alloc_free(text->steps);
  buffer_release(&text->name);
}

static bool is_blank(uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool at_separator(const struct paths_text *text, const uint8_t *at, const uint8_t *end) {
  size_t size = text->separator.size_bytes;
  return at < end && *at == text->separator.data[0] && (size_t)(end - at) >= size &&
         memcmp(at, text->separator.data, size) == 0;
}

static enum err add_step(struct paths_text *text, struct bytes name, struct paths *paths, struct diag *diag) {
  if (text->count == text->capacity) {
    size_t capacity = text->capacity == 0 ? 64 : text->capacity * 2;
    if (text->count >= PATHS_STEPS_MAX)
      return diag_set(diag, ERR_LIMIT, "too_large", "a path has more than %d steps", PATHS_STEPS_MAX);
    paths_step *steps = alloc_resize(text->steps, capacity * sizeof *steps);
    if (steps == NULL) return diag_no_memory(diag);
    text->steps = steps;
    text->capacity = capacity;
  }
  return paths_channel(paths, name, &text->steps[text->count++], diag);
}

// The step in quotes that begins at *at. False: there is none, the quote is text. Else text->name holds it, and *at
// stands behind it on a separator or the end.
static bool read_quoted(struct paths_text *text, const uint8_t **at, const uint8_t *end) {
  const uint8_t *next = *at + 1;
  buffer_clear(&text->name);
  for (;; next++) {
    if (next >= end) return false;
    if (*next == '"' && (++next >= end || *next != '"')) break;
    buffer_append_byte(&text->name, *next);
  }
  // A separator of blanks must not be taken for the blanks around the step.
  while (next < end && is_blank(*next) && !at_separator(text, next, end)) next++;
  if (next < end && !at_separator(text, next, end)) return false;
  *at = next;
  return true;
}

static struct bytes read_plain(const struct paths_text *text, const uint8_t **at, const uint8_t *end) {
  const uint8_t *begin = *at, *next = begin;
  while (next < end && !at_separator(text, next, end)) next++;
  *at = next;
  while (next > begin && is_blank(next[-1])) next--;
  return bytes_of(begin, (size_t)(next - begin));
}

enum err paths_text_read(struct paths_text *text, struct bytes path, struct paths *paths, struct diag *diag) {
  const uint8_t *at = path.data, *end = at + path.size_bytes;
  enum err err = ERR_OK;
  text->count = 0;
  while (at < end && err == ERR_OK) {
    while (at < end && is_blank(*at) && !at_separator(text, at, end)) at++;
    struct bytes name = {NULL, 0};
    if (at < end && *at == '"' && read_quoted(text, &at, end))
      name = buffer_view(&text->name);
    else
      name = read_plain(text, &at, end);
    if (text->name.failed) return diag_no_memory(diag);
    if (name.size_bytes > 0) err = add_step(text, name, paths, diag);
    if (at < end) at += text->separator.size_bytes;
  }
  return err;
}

// Whether a name stands for itself between separators.
static bool is_plain(struct bytes name, struct bytes separator) {
  struct bytes bare = bytes_trim(separator);
  if (bare.size_bytes == 0) bare = separator;
  if (name.data[0] == '"' || is_blank(name.data[0]) || is_blank(name.data[name.size_bytes - 1])) return false;
  return memmem(name.data, name.size_bytes, bare.data, bare.size_bytes) == NULL;
}

void paths_text_write(struct buffer *out, const struct paths *paths, const paths_step *steps, size_t count,
                      struct bytes separator) {
  for (size_t i = 0; i < count; i++) {
    struct bytes name = paths->channels.names[steps[i]];
    if (i > 0) buffer_append_bytes(out, separator);
    if (is_plain(name, separator)) {
      buffer_append_bytes(out, name);
      continue;
    }
    buffer_append_byte(out, '"');
    for (size_t j = 0; j < name.size_bytes; j++) {
      if (name.data[j] == '"') buffer_append_byte(out, '"');
      buffer_append_byte(out, name.data[j]);
    }
    buffer_append_byte(out, '"');
  }
}
