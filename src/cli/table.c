// table: a window over the file, moved record by record.
//
// Invariant: what is in the window begins with a record. Records end where csv.h says, or with the line when blanks are
// between the columns. A record that is not whole yet makes the window grow, up to WINDOW_MAX.
#include "cli/table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/csv.h"
#include "base/nearest.h"
#include "cli/print.h"

enum { BLOCK_BYTES = 1 << 20, WINDOW_MAX = 64 << 20, SHOWN_BYTES = 40, BLANKS = 0 };

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int number) {
  (void)number;
  stop_asked = 1;
}

// The first Ctrl-C ends a read that waits; the handler is gone then, so that a second one ends the process.
static void listen_to_stop(struct sigaction *before) {
  struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  stop_asked = 0;
  sigaction(SIGINT, &action, before);
}

struct reader {
  const char *path;
  const struct table_columns *columns;
  table_row_fn *row;
  void *context;
  uint8_t delimiter; // BLANKS: any run of blanks and tabs
  bool begun;        // the first record was seen
  size_t places[TABLE_COLUMNS_MAX];
  uint64_t line;
  struct arena arena;
  struct bytes fields[CSV_COLUMNS];
};

// --- which columns -------------------------------------------------------------------------------------------

static bool is_number(const char *name) {
  return name[0] != '\0' && strspn(name, "0123456789") == strlen(name);
}

static enum err add(struct table_columns *columns, struct bytes name, struct diag *diag) {
  name = bytes_trim(name);
  if (name.size_bytes == 0 || name.size_bytes >= TABLE_NAME_BYTES || columns->count == TABLE_COLUMNS_MAX)
    return diag_set(diag, ERR_INVALID, "usage", "a column has a name of 1 to %d bytes, or a number from 1",
                    TABLE_NAME_BYTES - 1);
  memcpy(columns->names[columns->count], name.data, name.size_bytes);
  columns->names[columns->count++][name.size_bytes] = '\0';
  return ERR_OK;
}

enum err table_columns_add(struct table_columns *columns, const char *name, struct diag *diag) {
  return add(columns, bytes_from_text(name), diag);
}

enum err table_columns_read(struct table_columns *columns, const char *text, size_t least, size_t most,
                            const char *expected, struct diag *diag) {
  size_t count = 1;
  columns->count = 0;
  for (const char *at = text; *at != '\0'; at++) count += *at == ',';
  if (count < least || count > most)
    return diag_set(diag, ERR_INVALID, "usage", "--columns is \"%.80s\"; expected %s, as names or numbers", text,
                    expected);
  for (;;) {
    size_t size = strcspn(text, ",");
    enum err err = add(columns, bytes_of(text, size), diag);
    if (err != ERR_OK || text[size] == '\0') return err;
    text += size + 1;
  }
}

// --- the first line ------------------------------------------------------------------------------------------

static bool blank(uint8_t byte) {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static enum err split_blanks(struct reader *reader, struct bytes record, size_t *count, struct diag *diag) {
  *count = 0;
  for (size_t at = 0; at < record.size_bytes;) {
    size_t begin = at;
    while (at < record.size_bytes && !blank(record.data[at])) at++;
    if (at > begin && *count == CSV_COLUMNS)
      return diag_set(diag, ERR_LIMIT, "too_large", "a line has more than %d columns", CSV_COLUMNS);
    if (at > begin) reader->fields[(*count)++] = bytes_of(record.data + begin, at - begin);
    while (at < record.size_bytes && blank(record.data[at])) at++;
  }
  return ERR_OK;
}

static enum err split(struct reader *reader, struct bytes record, size_t *count, struct diag *diag) {
  arena_clear(&reader->arena);
  if (reader->delimiter == BLANKS) return split_blanks(reader, record, count, diag);
  return csv_fields(record, reader->delimiter, &reader->arena, reader->fields, count, diag);
}

// Told by the first line that is not empty.
static void find_delimiter(struct reader *reader, struct bytes text) {
  struct bytes line = bytes_trim(text);
  const uint8_t *end = memchr(line.data, '\n', line.size_bytes);
  if (end != NULL) line.size_bytes = (size_t)(end - line.data);
  reader->delimiter = csv_delimiter(line);
  bool found = memchr(line.data, reader->delimiter, line.size_bytes) != NULL;
  if (!found && memchr(bytes_trim(line).data, ' ', bytes_trim(line).size_bytes) != NULL && line.data[0] != '"')
    reader->delimiter = BLANKS;
}

static enum err no_column(struct reader *reader, const char *name, size_t count, struct diag *diag) {
  char list[256] = "";
  const char *known[CSV_COLUMNS];
  size_t used = 0, shown = 0;
  for (size_t i = 0; i < count; i++) {
    struct bytes field = bytes_trim(reader->fields[i]), copy = arena_copy(&reader->arena, field);
    if (copy.data == NULL) return diag_no_memory(diag);
    known[i] = (const char *)copy.data;
    if (used + field.size_bytes + 3 >= sizeof list || shown < i) continue;
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
    shown++;
  }
  const char *nearest = nearest_slip(bytes_from_text(name), known, count);
  return diag_set(diag, ERR_INVALID, "no_column", "%.120s has no column \"%.60s\"%s%.60s%s it has %s%s", reader->path,
                  name, nearest != NULL ? "; did you mean \"" : ";", nearest != NULL ? nearest : "",
                  nearest != NULL ? "\"?" : "", list, shown < count ? " and more" : "");
}

static enum err find_place(struct reader *reader, size_t column, size_t count, bool by_number, struct diag *diag) {
  const char *name = reader->columns->names[column];
  for (size_t i = 0; i < count && !by_number; i++) {
    if (!bytes_equal(bytes_trim(reader->fields[i]), bytes_from_text(name))) continue;
    reader->places[column] = i;
    return ERR_OK;
  }
  if (!is_number(name)) return no_column(reader, name, count, diag);
  unsigned long number = strtoul(name, NULL, 10);
  if (number == 0 || number > count)
    return diag_set(diag, ERR_INVALID, "no_column", "%.120s has no column %.20s: its first line has %zu", reader->path,
                    name, count);
  reader->places[column] = number - 1;
  return ERR_OK;
}

// Whether the first record is a header. All columns by number: only one that looks like none of the data.
static bool is_header(const struct reader *reader, bool by_number) {
  if (!by_number) return true;
  for (size_t i = 0; i < reader->columns->count; i++) {
    struct bytes cell = bytes_trim(reader->fields[reader->places[i]]);
    if (cell.size_bytes > 0 && memchr("0123456789+-.", cell.data[0], 13) != NULL) return false;
  }
  return true;
}

static enum err begin(struct reader *reader, size_t count, bool *header, struct diag *diag) {
  bool by_number = true;
  enum err err = ERR_OK;
  for (size_t i = 0; i < reader->columns->count; i++) by_number = by_number && is_number(reader->columns->names[i]);
  for (size_t i = 0; i < reader->columns->count && err == ERR_OK; i++)
    err = find_place(reader, i, count, by_number, diag);
  reader->begun = true;
  *header = err == ERR_OK && is_header(reader, by_number);
  return err;
}

// --- rows ----------------------------------------------------------------------------------------------------

static enum err take_record(struct reader *reader, struct bytes record, struct diag *diag) {
  struct bytes cells[TABLE_COLUMNS_MAX];
  size_t count = 0;
  bool header = false;
  if (bytes_trim(record).size_bytes == 0) return ERR_OK;
  enum err err = split(reader, record, &count, diag);
  if (err == ERR_OK && !reader->begun) {
    err = begin(reader, count, &header, diag);
    if (err != ERR_OK || header) return err;
  }
  for (size_t i = 0; i < reader->columns->count && err == ERR_OK; i++) {
    if (reader->places[i] < count)
      cells[i] = bytes_trim(reader->fields[reader->places[i]]);
    else
      err = diag_set(diag, ERR_INVALID, "short_row", "the line has %zu columns, and column %zu is asked for", count,
                     reader->places[i] + 1);
  }
  if (err == ERR_OK) err = reader->row(reader->context, reader->line, cells, diag);
  if (err != ERR_OK && diag != NULL)
    diag_in_field(diag, "%.90s line %llu", reader->path, (unsigned long long)reader->line);
  return err;
}

static size_t record_size(const struct reader *reader, struct bytes text, bool last) {
  if (reader->delimiter != BLANKS) return csv_size(text, reader->delimiter, last);
  const uint8_t *end = memchr(text.data, '\n', text.size_bytes);
  return end != NULL ? (size_t)(end - text.data) + 1 : last ? text.size_bytes : 0;
}

// Takes whole records off the window; *used: how many bytes they were.
static enum err take_window(struct reader *reader, struct bytes text, bool last, size_t *used, struct diag *diag) {
  *used = 0;
  for (;;) {
    struct bytes rest = bytes_of(text.data + *used, text.size_bytes - *used);
    size_t size = rest.size_bytes == 0 ? 0 : record_size(reader, rest, last);
    if (size == 0) return ERR_OK;
    struct bytes record = bytes_of(rest.data, size);
    reader->line++;
    enum err err = take_record(reader, record, diag);
    if (err != ERR_OK) return err;
    for (size_t i = 0; i + 1 < size; i++) reader->line += record.data[i] == '\n';
    *used += size;
  }
}

static enum err read_block(FILE *file, const char *path, struct buffer *window, bool *last, struct diag *diag) {
  if (!buffer_reserve(window, BLOCK_BYTES)) return diag_no_memory(diag);
  errno = 0;
  size_t got = fread(window->data + window->size_bytes, 1, BLOCK_BYTES, file);
  window->size_bytes += got;
  *last = feof(file) != 0;
  if (stop_asked) return diag_set(diag, ERR_STOPPED, "stopped", "stopped; nothing was written");
  if (ferror(file) == 0) return ERR_OK;
  return diag_set(diag, ERR_IO, "io", "cannot read %.200s: %s", path, strerror(errno));
}

static enum err read_all(struct reader *reader, FILE *file, struct diag *diag) {
  struct buffer window;
  bool last = false, first = true;
  enum err err = ERR_OK;
  buffer_init(&window);
  while (err == ERR_OK && !last) {
    size_t used = 0, skipped = 0;
    err = read_block(file, reader->path, &window, &last, diag);
    if (err != ERR_OK) break;
    struct bytes text = buffer_view(&window);
    if (first && text.size_bytes > 0) {
      skipped = bytes_starts_with(text, BYTES("\xef\xbb\xbf")) ? 3 : 0;
      text = bytes_of(text.data + skipped, text.size_bytes - skipped);
      find_delimiter(reader, text);
      first = false;
    }
    err = take_window(reader, text, last, &used, diag);
    if (err != ERR_OK) break;
    window.size_bytes -= used + skipped;
    memmove(window.data, window.data + used + skipped, window.size_bytes);
    if (window.size_bytes > WINDOW_MAX)
      err = diag_set(diag, ERR_LIMIT, "too_large", "%.200s: line %llu is longer than %d bytes", reader->path,
                     (unsigned long long)reader->line + 1, WINDOW_MAX);
  }
  buffer_release(&window);
  if (err == ERR_OK && !reader->begun)
    return diag_set(diag, ERR_INVALID, "empty_file", "%.200s is empty", reader->path);
  return err;
}

enum err table_read(const char *path, const struct table_columns *columns, table_row_fn *row, void *context,
                    struct diag *diag) {
  bool is_stdin = strcmp(path, "-") == 0;
  FILE *file = is_stdin ? stdin : fopen(path, "re");
  if (file == NULL)
    return diag_set(diag, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "io", "cannot read %.200s: %s", path,
                    strerror(errno));
  struct sigaction before;
  struct reader *reader = alloc_zero(1, sizeof *reader);
  enum err err = reader == NULL ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK) {
    *reader =
        (struct reader){.path = is_stdin ? "standard input" : path, .columns = columns, .row = row, .context = context};
    arena_init(&reader->arena, 0);
    listen_to_stop(&before);
    err = read_all(reader, file, diag);
    sigaction(SIGINT, &before, NULL);
    arena_release(&reader->arena);
  }
  alloc_free(reader);
  if (!is_stdin) fclose(file);
  return err;
}

// --- cells ---------------------------------------------------------------------------------------------------

// A cell as a message may show it.
static void show(struct bytes cell, char out[4 * SHOWN_BYTES]) {
  struct buffer clean;
  buffer_init(&clean);
  print_clean(&clean, cell, SHOWN_BYTES);
  snprintf(out, 4 * SHOWN_BYTES, "%.*s", (int)(clean.failed ? 0 : clean.size_bytes), (const char *)clean.data);
  buffer_release(&clean);
}

static bool digits_only(struct bytes text) {
  for (size_t i = 0; i < text.size_bytes; i++)
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  return text.size_bytes > 0;
}

enum err table_day(struct bytes cell, int32_t *day, struct diag *diag) {
  enum { DAY_BYTES = 10, TEXT_BYTES = 40 };
  char text[TEXT_BYTES], shown[4 * SHOWN_BYTES];
  int64_t whole_us, day_us;
  if (cell.size_bytes == 8 && digits_only(cell))
    snprintf(text, sizeof text, "%.4s-%.2s-%.2s", (const char *)cell.data, (const char *)cell.data + 4,
             (const char *)cell.data + 6);
  else
    snprintf(text, sizeof text, "%.*s", (int)(cell.size_bytes < TEXT_BYTES ? cell.size_bytes : 0),
             (const char *)cell.data);
  if (strlen(text) >= DAY_BYTES && text[4] == '/' && text[7] == '/') text[4] = text[7] = '-';
  // The whole is read for what is wrong with it; the day is the one on the writer's wall.
  if (strlen(text) >= DAY_BYTES && clock_parse(bytes_from_text(text), &whole_us) == ERR_OK &&
      clock_parse(bytes_of(text, DAY_BYTES), &day_us) == ERR_OK) {
    *day = (int32_t)(day_us / CLOCK_DAY_US - (day_us % CLOCK_DAY_US < 0));
    return ERR_OK;
  }
  show(cell, shown);
  return diag_set(diag, ERR_INVALID, "bad_date",
                  "\"%s\" is no date; expected 2006-12-31, 20061231 or 2006-12-31T18:30:00Z", shown);
}

void table_day_format(int32_t day, char *out) {
  char text[CLOCK_TEXT_BYTES];
  clock_format((int64_t)day * CLOCK_DAY_US, text);
  snprintf(out, 16, "%.10s", text);
}

// A number as JSON writes it: no plus, a digit before the point, no zeros in front.
static void plain_number(struct bytes cell, char out[4 * SHOWN_BYTES]) {
  bool negative = cell.data[0] == '-';
  size_t at = negative || cell.data[0] == '+' ? 1 : 0;
  while (at + 1 < cell.size_bytes && cell.data[at] == '0' && cell.data[at + 1] >= '0' && cell.data[at + 1] <= '9') at++;
  bool bare = at < cell.size_bytes && cell.data[at] == '.';
  snprintf(out, 4 * SHOWN_BYTES, "%s%s%.*s", negative ? "-" : "", bare ? "0" : "", (int)(cell.size_bytes - at),
           (const char *)cell.data + at);
}

enum err table_decimal(struct bytes cell, const char *what, struct decimal *number, struct diag *diag) {
  char text[4 * SHOWN_BYTES];
  if (cell.size_bytes == 0) return diag_set(diag, ERR_INVALID, "bad_number", "the %s is empty", what);
  if (cell.size_bytes < 2 * SHOWN_BYTES) {
    plain_number(cell, text);
    if (decimal_parse(bytes_from_text(text), number, NULL) == ERR_OK) return ERR_OK;
  }
  bool comma = memchr(cell.data, ',', cell.size_bytes) != NULL;
  show(cell, text);
  return diag_set(diag, ERR_INVALID, "bad_number", "the %s \"%s\" is no number%s", what, text,
                  comma ? "; write 1234.50, with a point and nothing between the digits" : "; expected 12 or 12.50");
}

enum err table_number(struct bytes cell, const char *what, double *number, struct diag *diag) {
  struct decimal exact;
  char text[DECIMAL_TEXT_BYTES];
  enum err err = table_decimal(cell, what, &exact, diag);
  if (err != ERR_OK) return err;
  decimal_format(exact, text);
  *number = strtod(text, NULL);
  if (*number <= 1e300 && *number >= -1e300) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "bad_number", "the %s is too large", what);
}

enum err table_count(struct bytes cell, const char *what, uint64_t *number, struct diag *diag) {
  struct decimal exact;
  int64_t whole;
  enum err err = table_decimal(cell, what, &exact, diag);
  if (err != ERR_OK) return err;
  if (decimal_to_scaled_i64(exact, 0, &whole) != ERR_OK || whole < 0)
    return diag_set(diag, ERR_INVALID, "bad_number", "the %s is a whole number of 0 or more", what);
  *number = (uint64_t)whole;
  return ERR_OK;
}
