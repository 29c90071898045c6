// blocks: reads ahead and cuts behind the last whole message of the first SOURCE_BLOCK_BYTES.
//
// Invariants: the same file gives the same blocks whatever the threads, since reads are filled up; a block holds whole
// messages only, or the beginning of one over SOURCE_MESSAGE_BYTES (then `oversize`); offsets count unzipped bytes.
#include "source/blocks.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "source/json_scan.h"

enum { BEGINNING_BYTES = 64 * 1024 };

struct source_blocks {
  struct source_input *input;
  enum source_format format;
  uint8_t delimiter;
  struct buffer header;
  struct buffer ahead; // read and not given out yet
  bool at_end;
  bool in_oversize; // the rest of a line that is too long is being left out
  uint64_t offset, line, index;
};

void source_block_init(struct source_block *block) {
  *block = (struct source_block){0};
  buffer_init(&block->data);
}

void source_block_release(struct source_block *block) {
  buffer_release(&block->data);
}

// Reads until `wanted` bytes are ahead or the file ends.
static enum err read_ahead(struct source_blocks *blocks, size_t wanted, struct diag *diag) {
  struct buffer *ahead = &blocks->ahead;
  size_t got = 0;
  if (ahead->size_bytes >= wanted || blocks->at_end) {
    return ERR_OK;
  }
  size_t missing = wanted - ahead->size_bytes;
  if (!buffer_reserve(ahead, missing)) {
    ahead->failed = false;
    return diag_no_memory(diag);
  }
  enum err err = source_input_read(blocks->input, ahead->data + ahead->size_bytes, missing, &got, diag);
  ahead->size_bytes += got;
  blocks->at_end = err == ERR_OK && got < missing;
  return err;
}

static uint64_t count_lines(struct bytes text) {
  uint64_t count = 0;
  const uint8_t *at = text.data, *end = text.data + text.size_bytes;
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
    count++;
    at++;
  }
  return count;
}

static void consume(struct source_blocks *blocks, size_t size) {
  struct buffer *ahead = &blocks->ahead;
  blocks->offset += size;
  blocks->line += count_lines(bytes_of(ahead->data, size));
  memmove(ahead->data, ahead->data + size, ahead->size_bytes - size);
  ahead->size_bytes -= size;
}

// --- what kind of file it is ---------------------------------------------------------------------------------

// True when the name, without .gz, ends in `suffix`.
static bool is_named(const char *name, const char *suffix) {
  size_t size = strlen(name), suffix_size = strlen(suffix);
  if (size > 3 && strcasecmp(name + size - 3, ".gz") == 0) {
    size -= 3;
  }
  return size > suffix_size && strncasecmp(name + size - suffix_size, suffix, suffix_size) == 0;
}

// A line that is whole, or a text that is broken anyway: then every line is judged alone.
static bool is_by_lines(struct bytes text) {
  const uint8_t *newline = text.size_bytes == 0 ? NULL : memchr(text.data, '\n', text.size_bytes);
  if (newline == NULL || text.data[0] != '{') {
    return true;
  }
  return source_scan_value(bytes_of(text.data, (size_t)(newline - text.data))) != 0 || source_scan_value(text) == 0;
}

static void find_format(struct source_blocks *blocks, const char *name) {
  struct bytes text = bytes_trim(buffer_view(&blocks->ahead));
  uint8_t first = text.size_bytes == 0 ? '{' : text.data[0];
  bool json = is_named(name, ".ndjson") || is_named(name, ".jsonl") || is_named(name, ".json");
  if (is_named(name, ".csv") || (!json && first != '[' && first != '{')) {
    blocks->format = SOURCE_CSV;
  } else {
    blocks->format = first != '[' && is_by_lines(text) ? SOURCE_NDJSON : SOURCE_JSON;
  }
}

static enum err take_header(struct source_blocks *blocks, struct diag *diag) {
  struct bytes text = buffer_view(&blocks->ahead);
  const uint8_t *newline = memchr(text.data, '\n', text.size_bytes);
  size_t line = newline == NULL ? text.size_bytes : (size_t)(newline - text.data);
  blocks->delimiter = csv_delimiter(bytes_of(text.data, line));
  size_t size = csv_size(text, blocks->delimiter, true);
  buffer_append(&blocks->header, text.data, size);
  consume(blocks, size);
  return blocks->header.failed ? diag_no_memory(diag) : ERR_OK;
}

enum err source_blocks_open(struct source_blocks **blocks, struct source_input *input, const char *name,
                            struct diag *diag) {
  static const struct bytes mark = BYTES_INIT("\xEF\xBB\xBF");
  struct source_blocks *made = alloc_zero(1, sizeof *made);
  if (made == NULL) {
    return diag_no_memory(diag);
  }
  made->input = input;
  made->line = 1;
  buffer_init(&made->header);
  buffer_init(&made->ahead);
  enum err err = read_ahead(made, SOURCE_BLOCK_BYTES, diag);
  if (err == ERR_OK && bytes_starts_with(buffer_view(&made->ahead), mark)) {
    consume(made, mark.size_bytes);
  }
  if (err == ERR_OK) {
    find_format(made, name);
  }
  if (err != ERR_OK) {
    source_blocks_close(made);
    return err;
  }
  *blocks = made;
  return ERR_OK;
}

void source_blocks_close(struct source_blocks *blocks) {
  if (blocks == NULL) {
    return;
  }
  buffer_release(&blocks->header);
  buffer_release(&blocks->ahead);
  alloc_free(blocks);
}

enum source_format source_blocks_format(const struct source_blocks *blocks) {
  return blocks->format;
}

struct bytes source_blocks_beginning(const struct source_blocks *blocks) {
  struct bytes text = buffer_view(&blocks->ahead);
  text.size_bytes = text.size_bytes > BEGINNING_BYTES ? BEGINNING_BYTES : text.size_bytes;
  return text;
}

enum err source_blocks_header(struct source_blocks *blocks, struct bytes *header, uint8_t *delimiter,
                              struct diag *diag) {
  enum err err = take_header(blocks, diag);
  *header = buffer_view(&blocks->header);
  *delimiter = blocks->delimiter;
  return err;
}

// --- cutting -------------------------------------------------------------------------------------------------

size_t source_format_size(enum source_format format, uint8_t delimiter, struct bytes text, bool last, size_t *skip) {
  *skip = 0;
  if (format == SOURCE_CSV) {
    return csv_size(text, delimiter, last);
  }
  if (format == SOURCE_NDJSON) {
    const uint8_t *newline = text.size_bytes == 0 ? NULL : memchr(text.data, '\n', text.size_bytes);
    return newline != NULL ? (size_t)(newline - text.data) + 1 : last ? text.size_bytes : 0;
  }
  *skip = source_scan_between(text);
  struct bytes rest = bytes_of(text.data + *skip, text.size_bytes - *skip);
  size_t size = source_scan_value(rest);
  // A scalar at the end of what was read may go on.
  if (size == rest.size_bytes && !last && size > 0 && rest.data[0] != '{' && rest.data[0] != '[') {
    size = 0;
  }
  return size == 0 && last ? rest.size_bytes : size;
}

// How many bytes of what is ahead are whole messages.
static size_t whole_bytes(const struct source_blocks *blocks) {
  struct bytes text = buffer_view(&blocks->ahead);
  size_t at = 0, skip = 0;
  if (blocks->format == SOURCE_NDJSON && text.size_bytes > 0) {
    const uint8_t *newline = memrchr(text.data, '\n', text.size_bytes);
    return blocks->at_end ? text.size_bytes : newline == NULL ? 0 : (size_t)(newline - text.data) + 1;
  }
  while (at < text.size_bytes) {
    struct bytes rest = bytes_of(text.data + at, text.size_bytes - at);
    size_t size = source_format_size(blocks->format, blocks->delimiter, rest, blocks->at_end, &skip);
    if (size == 0) {
      break;
    }
    at += skip + size;
  }
  return blocks->at_end ? text.size_bytes : at;
}

static enum err give_out(struct source_blocks *blocks, struct source_block *block, size_t size, struct diag *diag) {
  buffer_clear(&block->data);
  buffer_append(&block->data, blocks->ahead.data, size);
  if (block->data.failed) {
    return diag_no_memory(diag);
  }
  block->first_line = blocks->line;
  block->index = blocks->index++;
  consume(blocks, size);
  block->end = blocks->offset;
  return ERR_OK;
}

// The rest of a line that is too long, up to its end, is nobody's.
static enum err leave_out_rest(struct source_blocks *blocks, struct diag *diag) {
  while (blocks->in_oversize) {
    struct bytes text = buffer_view(&blocks->ahead);
    const uint8_t *newline = text.size_bytes == 0 ? NULL : memchr(text.data, '\n', text.size_bytes);
    consume(blocks, newline == NULL ? text.size_bytes : (size_t)(newline - text.data) + 1);
    blocks->in_oversize = newline == NULL && !blocks->at_end;
    enum err err = read_ahead(blocks, SOURCE_BLOCK_BYTES, diag);
    if (err != ERR_OK) {
      return err;
    }
  }
  return ERR_OK;
}

enum err source_blocks_next(struct source_blocks *blocks, struct source_block *block, struct diag *diag) {
  enum err err = leave_out_rest(blocks, diag);
  size_t size = 0;
  for (size_t wanted = SOURCE_BLOCK_BYTES; err == ERR_OK && size == 0; wanted *= 2) {
    err = read_ahead(blocks, wanted, diag);
    size = err == ERR_OK ? whole_bytes(blocks) : 0;
    if (blocks->at_end || wanted >= SOURCE_MESSAGE_BYTES) {
      break;
    }
  }
  if (err != ERR_OK) {
    return err;
  }
  if (size == 0 && blocks->at_end) {
    return ERR_NOT_FOUND;
  }
  block->oversize = size == 0;
  if (size == 0) {
    blocks->in_oversize = true;
    size = blocks->ahead.size_bytes;
  }
  return give_out(blocks, block, size, diag);
}
