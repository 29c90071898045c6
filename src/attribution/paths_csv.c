// paths_csv: the text is cut at ends of records into chunks of 4 MiB; each becomes a set of its own, and the sets are
// joined in order. Cuts depend on the text alone, so the sums do too, and a channel that is first in a chunk and new to
// all chunks before is the next new one of the file.
//
// Files of paths repeat themselves: in a chunk, a path whose very text was seen before is found by its text, and is not
// taken apart again. That is most of the speed: hashing 50 bytes takes less than reading six names.
#include "attribution/paths_csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attribution/paths_hash.h"
#include "attribution/paths_text.h"
#include "attribution/workers.h"
#include "base/alloc.h"
#include "base/csv.h"
#include "base/nearest.h"
#include "base/real.h"

enum { CHUNK_BYTES = 4 << 20, HEADER_BYTES = 256 * 1024, FIRST_SLOTS = 1024, SHOWN_BYTES = 40 };
enum column { PATH, CONVERSIONS, VALUE, NULLS, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {
    [PATH] = "path",
    [CONVERSIONS] = "total_conversions",
    [VALUE] = "total_conversion_value",
    [NULLS] = "total_null",
};

// What all chunks share.
struct layout {
  struct bytes separator;
  uint8_t delimiter;
  size_t column_count;
  int column_of[CSV_COLUMNS]; // an enum column, or -1
  bool has[COLUMN_COUNT];
};

// Texts of paths that were taken apart, and their rows.
struct seen {
  struct seen_text {
    const uint8_t *data;
    uint32_t size_bytes, hash;
    size_t row; // SIZE_MAX: no steps
  } * texts;
  size_t count, slot_count; // texts has slot_count; data NULL: free
};

struct chunk {
  const struct layout *layout;
  struct bytes text;
  const uint8_t *at, *line_end; // line_end: where the line that `at` is in ends, before its '\n'
  uint64_t lines;               // ends of lines up to `at`
  struct paths paths;
  struct paths_text path_text;
  struct seen seen;
  struct buffer plain; // a field without its doubled quotes
  enum err err;
  struct diag diag;
};

// --- fields --------------------------------------------------------------------------------------------------

static const uint8_t *text_end(const struct chunk *chunk) {
  return chunk->text.data + chunk->text.size_bytes;
}

static const uint8_t *find_line_end(const uint8_t *at, const uint8_t *end) {
  const uint8_t *found = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
  return found != NULL ? found : end;
}

// The quote that closes the one at `open`; NULL when none does.
static const uint8_t *closing_quote(const uint8_t *open, const uint8_t *end, bool *doubled) {
  for (const uint8_t *at = open + 1; at < end; at += 2) {
    at = memchr(at, '"', (size_t)(end - at));
    if (at == NULL) return NULL;
    if (at + 1 == end || at[1] != '"') return at;
    *doubled = true;
  }
  return NULL;
}

struct field {
  struct bytes text;
  bool doubled; // has doubled quotes
  bool last;
};

static enum err read_quoted(struct chunk *chunk, struct field *field) {
  const uint8_t *end = text_end(chunk), *open = chunk->at, *close = closing_quote(open, end, &field->doubled);
  if (close == NULL) return diag_set(&chunk->diag, ERR_INVALID, "bad_csv", "a quote is not closed");
  field->text = bytes_of(open + 1, (size_t)(close - open - 1));
  while (chunk->line_end < close) {
    chunk->lines++;
    chunk->line_end = find_line_end(chunk->line_end + 1, end);
  }
  chunk->at = close + 1;
  if (chunk->at < chunk->line_end && *chunk->at == '\r' && chunk->at + 1 == chunk->line_end) chunk->at++;
  field->last = chunk->at == chunk->line_end;
  if (!field->last && *chunk->at != chunk->layout->delimiter)
    return diag_set(&chunk->diag, ERR_INVALID, "bad_csv", "text follows a closing quote before the next delimiter");
  chunk->at += !field->last;
  return ERR_OK;
}

// Reads the field that begins at chunk->at and moves behind its delimiter, or to the end of the line.
static enum err read_field(struct chunk *chunk, struct field *field) {
  field->doubled = false;
  if (chunk->at < chunk->line_end && *chunk->at == '"') return read_quoted(chunk, field);
  const uint8_t *begin = chunk->at, *end = chunk->line_end;
  const uint8_t *found = begin < end ? memchr(begin, chunk->layout->delimiter, (size_t)(end - begin)) : NULL;
  field->last = found == NULL;
  chunk->at = found != NULL ? found + 1 : end;
  if (found == NULL) found = end > begin && end[-1] == '\r' ? end - 1 : end;
  field->text = bytes_of(begin, (size_t)(found - begin));
  return ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

// A cell as far as it can be shown: without what steers a terminal.
static void show(struct bytes cell, char out[SHOWN_BYTES + 4]) {
  size_t size = 0;
  for (; size < cell.size_bytes && size < SHOWN_BYTES; size++)
    out[size] = (char)(cell.data[size] >= ' ' && cell.data[size] < 0x7f ? cell.data[size] : '?');
  snprintf(out + size, 4, "%s", size < cell.size_bytes ? "..." : "");
}

static enum err bad_number(struct chunk *chunk, enum column column, struct bytes cell, enum err err) {
  char shown[SHOWN_BYTES + 4];
  show(cell, shown);
  const char *expected = column == VALUE ? "a number such as 12.5" : "a whole number from 0, such as 3";
  return diag_set(&chunk->diag, err, err == ERR_LIMIT ? "too_large" : "bad_number",
                  "column %s: \"%s\" is %s; expected %s", column_names[column], shown,
                  err == ERR_LIMIT  ? "too large"
                  : column == VALUE ? "no number"
                                    : "no count",
                  expected);
}

static enum err read_figure(struct chunk *chunk, enum column column, const struct field *field,
                            struct paths_figures *figures) {
  struct bytes cell = field->text;
  if (cell.size_bytes > 0 && (cell.data[0] == ' ' || cell.data[cell.size_bytes - 1] == ' ')) cell = bytes_trim(cell);
  enum err err;
  if (column == VALUE)
    err = real_read(cell, &figures->value);
  else
    err = real_read_count(cell, column == CONVERSIONS ? &figures->conversions : &figures->nulls);
  return err == ERR_OK ? ERR_OK : bad_number(chunk, column, cell, err);
}

static struct seen_text *seen_slot(struct seen *seen, struct bytes text, uint32_t hash) {
  size_t mask = seen->slot_count - 1, at = hash & mask;
  for (; seen->texts[at].data != NULL; at = (at + 1) & mask)
    if (seen->texts[at].hash == hash && seen->texts[at].size_bytes == text.size_bytes &&
        memcmp(seen->texts[at].data, text.data, text.size_bytes) == 0)
      break;
  return &seen->texts[at];
}

static bool more_seen_slots(struct seen *seen) {
  if (seen->count * 2 < seen->slot_count) return true;
  size_t count = seen->slot_count == 0 ? FIRST_SLOTS : seen->slot_count * 4;
  struct seen_text *texts = alloc_zero(count, sizeof *texts);
  if (texts == NULL) return false;
  for (size_t i = 0; i < seen->slot_count; i++) {
    size_t at = seen->texts[i].hash & (count - 1);
    if (seen->texts[i].data == NULL) continue;
    while (texts[at].data != NULL) at = (at + 1) & (count - 1);
    texts[at] = seen->texts[i];
  }
  alloc_free(seen->texts);
  seen->texts = texts;
  seen->slot_count = count;
  return true;
}

// Takes the path apart and adds it; *row: where it went.
static enum err add_new(struct chunk *chunk, struct bytes path, const struct paths_figures *figures, size_t *row) {
  struct paths_text *text = &chunk->path_text;
  enum err err = paths_text_read(text, path, &chunk->paths, &chunk->diag);
  if (err == ERR_OK) err = paths_add(&chunk->paths, text->steps, text->count, figures, &chunk->diag);
  *row = paths_find(&chunk->paths, text->steps, text->count);
  return err;
}

static enum err add_path(struct chunk *chunk, const struct field *field, const struct paths_figures *figures) {
  struct bytes path = field->text;
  size_t row;
  if (field->doubled || path.size_bytes == 0 || path.size_bytes > UINT32_MAX) {
    buffer_clear(&chunk->plain);
    for (size_t i = 0; i < path.size_bytes; i++) {
      buffer_append_byte(&chunk->plain, path.data[i]);
      i += field->doubled && path.data[i] == '"';
    }
    if (chunk->plain.failed) return diag_no_memory(&chunk->diag);
    return add_new(chunk, buffer_view(&chunk->plain), figures, &row);
  }
  if (!more_seen_slots(&chunk->seen)) return diag_no_memory(&chunk->diag);
  uint32_t hash = (uint32_t)paths_hash(path.data, path.size_bytes);
  struct seen_text *slot = seen_slot(&chunk->seen, path, hash);
  if (slot->data != NULL) return paths_add_to(&chunk->paths, slot->row, figures, &chunk->diag);
  enum err err = add_new(chunk, path, figures, &row);
  *slot = (struct seen_text){path.data, (uint32_t)path.size_bytes, hash, row};
  chunk->seen.count++;
  return err;
}

static enum err wrong_count(struct chunk *chunk, size_t count) {
  return diag_set(&chunk->diag, ERR_INVALID, "bad_csv",
                  "the line has %zu columns where the header has %zu; a path with the delimiter in it must be quoted",
                  count, chunk->layout->column_count);
}

static enum err read_row(struct chunk *chunk) {
  const struct layout *layout = chunk->layout;
  struct paths_figures figures = {.conversions = 0};
  struct field path = {.last = false}, field = path;
  size_t count = 0;
  while (!field.last) {
    enum err err = read_field(chunk, &field);
    int column = count < layout->column_count ? layout->column_of[count] : -1;
    count++;
    if (err == ERR_OK && column == PATH) path = field;
    if (err == ERR_OK && column > PATH) err = read_figure(chunk, (enum column)column, &field, &figures);
    if (err != ERR_OK) return err;
  }
  return count == layout->column_count ? add_path(chunk, &path, &figures) : wrong_count(chunk, count);
}

static void read_chunk(void *context, size_t piece) {
  struct chunk *chunk = (struct chunk *)context + piece;
  const uint8_t *end = text_end(chunk);
  chunk->at = chunk->text.data;
  while (chunk->at < end && chunk->err == ERR_OK) {
    chunk->line_end = find_line_end(chunk->at, end);
    size_t size = (size_t)(chunk->line_end - chunk->at);
    if (size > 1 || (size == 1 && *chunk->at != '\r')) chunk->err = read_row(chunk);
    if (chunk->err != ERR_OK) break;
    chunk->lines++;
    chunk->at = chunk->line_end < end ? chunk->line_end + 1 : end;
  }
  alloc_free(chunk->seen.texts);
  chunk->seen = (struct seen){.count = 0};
}

// --- header --------------------------------------------------------------------------------------------------

static enum err no_column(const struct bytes *fields, size_t count, enum column missing, struct diag *diag) {
  char near[SHOWN_BYTES + 4] = "";
  size_t best = SIZE_MAX, distance;
  for (size_t i = 0; i < count; i++) {
    if (nearest_is_slip(fields[i], bytes_from_text(column_names[missing]), &distance) && distance < best) {
      best = distance;
      show(fields[i], near);
    }
  }
  diag_set(diag, ERR_INVALID, "no_column",
           "there is no column \"%s\"%s%s%s; the header must have path and "
           "total_conversions, and may have total_conversion_value and total_null",
           column_names[missing], *near != '\0' ? "; did you mean it by \"" : "", near, *near != '\0' ? "\"?" : "");
  diag_in_field(diag, "line 1");
  return ERR_INVALID;
}

static enum err find_columns(struct layout *layout, const struct bytes *fields, struct diag *diag) {
  for (size_t i = 0; i < layout->column_count; i++) {
    layout->column_of[i] = -1;
    for (int column = 0; column < COLUMN_COUNT; column++) {
      if (!bytes_equal(bytes_trim(fields[i]), bytes_from_text(column_names[column]))) continue;
      if (layout->has[column]) {
        diag_set(diag, ERR_INVALID, "no_column", "there are two columns \"%s\"", column_names[column]);
        diag_in_field(diag, "line 1");
        return ERR_INVALID;
      }
      layout->has[column] = true;
      layout->column_of[i] = column;
    }
  }
  for (int column = PATH; column <= CONVERSIONS; column++)
    if (!layout->has[column]) return no_column(fields, layout->column_count, (enum column)column, diag);
  return ERR_OK;
}

static enum err read_header(struct bytes *text, struct layout *layout, struct diag *diag) {
  struct bytes fields[CSV_COLUMNS];
  struct arena arena;
  if (bytes_starts_with(*text, BYTES("\xef\xbb\xbf"))) *text = bytes_of(text->data + 3, text->size_bytes - 3);
  if (bytes_trim(*text).size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "empty_file",
                    "the file is empty; expected a header such as path,total_conversions,total_conversion_value,"
                    "total_null");
  const uint8_t *end = find_line_end(text->data, text->data + text->size_bytes);
  struct bytes header = bytes_of(text->data, (size_t)(end - text->data));
  if (header.size_bytes > HEADER_BYTES) {
    return diag_set(diag, ERR_LIMIT, "too_large", "line 1 has more than %d bytes; is the file a CSV file of paths?",
                    HEADER_BYTES);
  }
  arena_init(&arena, 0);
  layout->delimiter = csv_delimiter(header);
  enum err err = csv_fields(header, layout->delimiter, &arena, fields, &layout->column_count, diag);
  if (err != ERR_OK) diag_in_field(diag, "line 1");
  if (err == ERR_OK) err = find_columns(layout, fields, diag);
  arena_release(&arena);
  size_t used = header.size_bytes + (end < text->data + text->size_bytes);
  *text = bytes_of(text->data + used, text->size_bytes - used);
  return err;
}

// --- chunks --------------------------------------------------------------------------------------------------

// Behind the record that `at` begins: its end of line, outside quotes.
static const uint8_t *record_end(const uint8_t *at, const uint8_t *end, uint8_t delimiter) {
  const uint8_t *line_end = find_line_end(at, end);
  for (bool starts = true; at < line_end; at++) {
    if (*at == '"' && starts) {
      bool doubled;
      at = closing_quote(at, end, &doubled);
      if (at == NULL) return end;
      if (at > line_end) line_end = find_line_end(at, end);
      starts = false;
      continue;
    }
    starts = *at == delimiter;
  }
  return line_end < end ? line_end + 1 : end;
}

// Where the chunk that begins at `at` ends. With no quote in the whole text every end of a line is one of a record.
static const uint8_t *chunk_end(const uint8_t *at, const uint8_t *end, uint8_t delimiter, bool quotes) {
  if ((size_t)(end - at) <= CHUNK_BYTES) return end;
  const uint8_t *target = at + CHUNK_BYTES;
  if (!quotes) {
    target = find_line_end(target, end);
    return target < end ? target + 1 : end;
  }
  while (at < target) at = record_end(at, end, delimiter);
  return at;
}

static void chunk_init(struct chunk *chunk, const struct layout *layout, struct bytes text) {
  *chunk = (struct chunk){.layout = layout, .text = text};
  paths_init(&chunk->paths);
  paths_text_init(&chunk->path_text, layout->separator);
  buffer_init(&chunk->plain);
  diag_init(&chunk->diag);
}

static void chunk_release(struct chunk *chunk) {
  paths_release(&chunk->paths);
  paths_text_release(&chunk->path_text);
  buffer_release(&chunk->plain);
}

// Adds the chunk's set to the whole. Channels and rows come in the order in which the chunk met them.
static enum err join(struct chunk *chunk, struct paths *paths, struct diag *diag) {
  const struct paths *part = &chunk->paths;
  paths_step *numbers = alloc_get((part->channels.count + 1) * sizeof *numbers);
  enum err err = numbers == NULL ? diag_no_memory(diag) : ERR_OK;
  for (size_t i = 0; i < part->channels.count && err == ERR_OK; i++)
    err = paths_channel(paths, part->channels.names[i], &numbers[i], diag);
  for (size_t i = 0; i < part->step_count && err == ERR_OK; i++) part->steps[i] = numbers[part->steps[i]];
  size_t rows = paths->rows_read + part->rows_read;
  for (size_t i = 0; i < part->row_count && err == ERR_OK; i++) {
    const struct paths_row *row = &part->rows[i];
    const struct paths_figures figures = {row->conversions, row->nulls, row->value, row->value_rest};
    err = paths_add(paths, paths_steps(part, row), row->count, &figures, diag);
  }
  const struct paths_row *empty = &part->empty;
  const struct paths_figures figures = {empty->conversions, empty->nulls, empty->value, empty->value_rest};
  if (err == ERR_OK) err = paths_add_to(paths, SIZE_MAX, &figures, diag);
  paths->rows_read = rows;
  alloc_free(numbers);
  return err;
}

// The first failure in the order of the file, with its line.
static enum err join_all(struct chunk *chunks, size_t count, struct paths *paths, struct diag *diag) {
  uint64_t lines = 1;
  for (size_t i = 0; i < count; i++) {
    enum err err = chunks[i].err;
    if (err != ERR_OK && diag != NULL) {
      *diag = chunks[i].diag;
      diag_in_field(diag, "line %" PRIu64, lines + chunks[i].lines + 1);
    }
    if (err == ERR_OK) err = join(&chunks[i], paths, diag);
    lines += chunks[i].lines;
    chunk_release(&chunks[i]);
    chunk_init(&chunks[i], chunks[i].layout, chunks[i].text);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

static enum err read_rows(struct bytes text, const struct layout *layout, unsigned threads, struct paths *paths,
                          struct diag *diag) {
  const uint8_t *at = text.data, *end = at + text.size_bytes;
  struct chunk *chunks = alloc_zero(text.size_bytes / CHUNK_BYTES + 1, sizeof *chunks);
  bool quotes = text.size_bytes > 0 && memchr(at, '"', text.size_bytes) != NULL;
  size_t count = 0;
  if (chunks == NULL) return diag_no_memory(diag);
  while (at < end) {
    const uint8_t *next = chunk_end(at, end, layout->delimiter, quotes);
    chunk_init(&chunks[count++], layout, bytes_of(at, (size_t)(next - at)));
    at = next;
  }
  workers_run(threads, count, read_chunk, chunks);
  enum err err = join_all(chunks, count, paths, diag);
  for (size_t i = 0; i < count; i++) chunk_release(&chunks[i]);
  alloc_free(chunks);
  return err;
}

enum err paths_csv_read(struct bytes text, const struct paths_csv_options *options, struct paths *paths,
                        struct diag *diag) {
  struct layout layout = {.separator = options->separator.size_bytes > 0 ? options->separator : BYTES(" > ")};
  enum err err = read_header(&text, &layout, diag);
  if (err == ERR_OK) err = read_rows(text, &layout, options->threads, paths, diag);
  paths->has_value = layout.has[VALUE];
  paths->has_nulls = layout.has[NULLS];
  if (err == ERR_OK && paths->rows_read == 0)
    err = diag_set(diag, ERR_INVALID, "no_rows", "the file has a header and no row below it");
  return err;
}
