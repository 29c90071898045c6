// audience_row: a block's row, as pieces and as a portable Roaring bitmap.
//
// The low 16 bits are one container of that format, with key 0, in one of three forms. Numbers are little endian.
//   array   cookie 12346 (u32), containers 1 (u32), key 0 (u16), count - 1 (u16), offset 16 (u32),
//           up to 4,096 ids (u16), ascending
//   bits    the same 16 bytes, count above 4,096, then 1,024 words (u64)
//   runs    cookie 12347 (u32; its upper half: containers - 1), 1 (u8: the first container is of runs), key 0 (u16),
//           count - 1 (u16), runs (u16), each: first id (u16), how many follow it (u16)
// The reader takes nothing for granted: order, counts and sizes must fit to the byte, and nothing outside is read.
#include <string.h>

#include "segment/audience_block.h"

enum {
  COOKIE = 12346,
  COOKIE_RUNS = 12347,
  HEAD_BYTES = 16,
  HEAD_RUNS_BYTES = 11,
  RUN_BYTES = 4,
  ARRAY_MAX = 4096,
  WORDS_BYTES = AUDIENCE_BLOCK_WORDS * 8,
  PIECE_HEAD_BYTES = 5,   // 'R', size
  PIECE_CHANGE_BYTES = 3, // '+' or '-', id
};

static uint16_t read_u16(const uint8_t *at) {
  return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t read_u32(const uint8_t *at) {
  return read_u16(at) | (uint32_t)read_u16(at + 2) << 16;
}

static uint64_t read_u64(const uint8_t *at) {
  return read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
}

static uint8_t *put_u16(uint8_t *at, uint32_t number) {
  *at++ = (uint8_t)number;
  *at++ = (uint8_t)(number >> 8);
  return at;
}

static uint8_t *put_u32(uint8_t *at, uint32_t number) {
  return put_u16(put_u16(at, number), number >> 16);
}

static uint8_t *put_u64(uint8_t *at, uint64_t number) {
  return put_u32(put_u32(at, (uint32_t)number), (uint32_t)(number >> 32));
}

// --- reading -------------------------------------------------------------------------------------------------

static bool read_array(const uint8_t *ids, uint32_t count, struct audience_block *block) {
  for (uint32_t i = 0; i < count; i++) {
    uint16_t id = read_u16(ids + 2 * i);
    if (i > 0 && id <= read_u16(ids + 2 * i - 2)) return false;
    audience_block_set(block, id, true);
  }
  return true;
}

static bool read_words(const uint8_t *words, uint32_t count, struct audience_block *block) {
  for (size_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++) block->words[i] = read_u64(words + 8 * i);
  block->count = audience_block_and_count(block, block);
  return block->count == count;
}

static void set_run(struct audience_block *block, uint32_t first, uint32_t last) {
  for (uint32_t word = first >> 6; word <= last >> 6; word++) {
    uint64_t bits = UINT64_MAX;
    if (word == first >> 6) bits &= UINT64_MAX << (first & 63);
    if (word == last >> 6) bits &= UINT64_MAX >> (63 - (last & 63));
    block->words[word] |= bits;
  }
  block->count += last - first + 1;
}

static bool read_runs(const uint8_t *runs, uint32_t run_count, uint32_t count, struct audience_block *block) {
  uint32_t free_from = 0; // the first id that no run has
  for (uint32_t i = 0; i < run_count; i++) {
    uint32_t first = read_u16(runs + RUN_BYTES * i);
    uint32_t last = first + read_u16(runs + RUN_BYTES * i + 2);
    if (first < free_from || last >= AUDIENCE_BLOCK_IDS) return false;
    set_run(block, first, last);
    free_from = last + 1;
  }
  return block->count == count;
}

static bool read_with_runs(struct bytes bitmap, struct audience_block *block) {
  const uint8_t *at = bitmap.data;
  if (bitmap.size_bytes < HEAD_RUNS_BYTES || at[4] != 1 || read_u16(at + 5) != 0) return false;
  uint32_t count = read_u16(at + 7) + 1u, run_count = read_u16(at + 9);
  if (bitmap.size_bytes != HEAD_RUNS_BYTES + (size_t)run_count * RUN_BYTES) return false;
  return read_runs(at + HEAD_RUNS_BYTES, run_count, count, block);
}

static bool read_without_runs(struct bytes bitmap, struct audience_block *block) {
  const uint8_t *at = bitmap.data;
  if (bitmap.size_bytes < HEAD_BYTES || read_u32(at + 4) != 1 || read_u16(at + 8) != 0) return false;
  uint32_t count = read_u16(at + 10) + 1u;
  size_t rest_bytes = count <= ARRAY_MAX ? (size_t)count * 2 : WORDS_BYTES;
  if (read_u32(at + 12) != HEAD_BYTES || bitmap.size_bytes != HEAD_BYTES + rest_bytes) return false;
  return count <= ARRAY_MAX ? read_array(at + HEAD_BYTES, count, block) : read_words(at + HEAD_BYTES, count, block);
}

static bool read_bitmap(struct bytes bitmap, struct audience_block *block) {
  audience_block_clear(block);
  if (bitmap.size_bytes < 4) return false;
  uint32_t cookie = read_u32(bitmap.data);
  if (cookie == COOKIE_RUNS) return read_with_runs(bitmap, block);
  return cookie == COOKIE && read_without_runs(bitmap, block);
}

// Its size; 0 when it is damaged.
static size_t read_piece(struct bytes rest, struct audience_block *block) {
  const uint8_t *at = rest.data;
  if (*at == '+' || *at == '-') {
    if (rest.size_bytes < PIECE_CHANGE_BYTES) return 0;
    audience_block_set(block, read_u16(at + 1), *at == '+');
    return PIECE_CHANGE_BYTES;
  }
  if (*at != 'R' || rest.size_bytes < PIECE_HEAD_BYTES) return 0;
  size_t size_bytes = read_u32(at + 1);
  if (size_bytes > rest.size_bytes - PIECE_HEAD_BYTES) return 0;
  return read_bitmap(bytes_of(at + PIECE_HEAD_BYTES, size_bytes), block) ? PIECE_HEAD_BYTES + size_bytes : 0;
}

enum err audience_row_read(struct bytes row, struct audience_block *block) {
  audience_block_clear(block);
  while (row.size_bytes > 0) {
    size_t size_bytes = read_piece(row, block);
    if (size_bytes == 0) return ERR_CORRUPT;
    row = bytes_of(row.data + size_bytes, row.size_bytes - size_bytes);
  }
  return ERR_OK;
}

// --- writing -------------------------------------------------------------------------------------------------

// The ids at which a run begins, of one word; `before` is the word below it.
static uint64_t beginnings(uint64_t word, uint64_t before) {
  return word & ~(word << 1 | before >> 63);
}

static uint32_t count_runs(const struct audience_block *block) {
  uint32_t runs = 0;
  for (size_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++)
    runs += (uint32_t)__builtin_popcountll(beginnings(block->words[i], i > 0 ? block->words[i - 1] : 0));
  return runs;
}

static uint8_t *put_array(uint8_t *at, const struct audience_block *block) {
  for (uint32_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++)
    for (uint64_t bits = block->words[i]; bits != 0; bits &= bits - 1)
      at = put_u16(at, i * 64 + (uint32_t)__builtin_ctzll(bits));
  return at;
}

static uint8_t *put_words(uint8_t *at, const struct audience_block *block) {
  for (size_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++) at = put_u64(at, block->words[i]);
  return at;
}

// The last id of the run that `first` is in.
static uint32_t run_last(const struct audience_block *block, uint32_t first) {
  uint32_t word = first >> 6;
  uint64_t absent = ~block->words[word] & UINT64_MAX << (first & 63);
  while (absent == 0 && ++word < AUDIENCE_BLOCK_WORDS) absent = ~block->words[word];
  return absent == 0 ? AUDIENCE_BLOCK_IDS - 1 : word * 64 + (uint32_t)__builtin_ctzll(absent) - 1;
}

static uint8_t *put_runs(uint8_t *at, const struct audience_block *block) {
  for (uint32_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++) {
    uint64_t bits = beginnings(block->words[i], i > 0 ? block->words[i - 1] : 0);
    for (; bits != 0; bits &= bits - 1) {
      uint32_t first = i * 64 + (uint32_t)__builtin_ctzll(bits);
      at = put_u16(put_u16(at, first), run_last(block, first) - first);
    }
  }
  return at;
}

static uint8_t *put_with_runs(uint8_t *at, const struct audience_block *block, uint32_t runs) {
  at = put_u32(at, COOKIE_RUNS);
  *at++ = 1;
  at = put_u16(put_u16(at, 0), block->count - 1);
  return put_runs(put_u16(at, runs), block);
}

static uint8_t *put_without_runs(uint8_t *at, const struct audience_block *block) {
  at = put_u32(put_u32(at, COOKIE), 1);
  at = put_u32(put_u16(put_u16(at, 0), block->count - 1), HEAD_BYTES);
  return block->count <= ARRAY_MAX ? put_array(at, block) : put_words(at, block);
}

void audience_row_write(const struct audience_block *block, struct buffer *out) {
  if (block->count == 0) return;
  uint32_t runs = count_runs(block);
  size_t with_bytes = HEAD_RUNS_BYTES + (size_t)runs * RUN_BYTES;
  size_t without_bytes = HEAD_BYTES + (block->count <= ARRAY_MAX ? (size_t)block->count * 2 : WORDS_BYTES);
  size_t size_bytes = with_bytes < without_bytes ? with_bytes : without_bytes;
  if (!buffer_reserve(out, PIECE_HEAD_BYTES + size_bytes)) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = 'R';
  at = put_u32(at, (uint32_t)size_bytes);
  at = with_bytes < without_bytes ? put_with_runs(at, block, runs) : put_without_runs(at, block);
  out->size_bytes = (size_t)(at - out->data);
}

enum err audience_fold(struct bytes row, struct buffer *out) {
  struct audience_block block;
  enum err err = audience_row_read(row, &block);
  if (err != ERR_OK) return err;
  audience_row_write(&block, out);
  return out->failed ? ERR_NO_MEMORY : ERR_OK;
}

bool audience_tidy(struct bytes row, struct buffer *out) {
  enum { CHANGES_MIN = 16 }; // fewer are not worth the decoding of a block
  size_t before = out->size_bytes, folded_bytes = 0;
  if (row.size_bytes >= PIECE_HEAD_BYTES && row.data[0] == 'R')
    folded_bytes = PIECE_HEAD_BYTES + (size_t)read_u32(row.data + 1);
  if (row.size_bytes < folded_bytes + CHANGES_MIN * PIECE_CHANGE_BYTES) return false;
  if (audience_fold(row, out) != ERR_OK) return false;
  bool shorter = out->size_bytes > before && out->size_bytes - before < row.size_bytes;
  if (!shorter) out->size_bytes = before;
  return shorter;
}
