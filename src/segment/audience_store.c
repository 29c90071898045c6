// audience_store: the blocks of questions in the store.
//
// Several questions are walked side by side, block number by block number, with one cursor that jumps between them: so
// memory is one block a question (8 KiB), however many customers there are, and no block is read twice.
// Invariants of a walk: `next[i]` is at most the number of question i's next block; NO_BLOCK: it has none any more.
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "segment/audience_block.h"
#include "value/key.h"

enum { KEY_BYTES = 9, BLOCKS = 65536, NO_BLOCK = BLOCKS, PIECE_BYTES = 3, RUN_MOVES = 64 };

struct walk {
  struct store_cursor *cursor;
  const uint32_t *questions;
  size_t count;
  uint32_t side;
  uint32_t number;               // of the blocks that are here
  uint32_t *next;                // by question
  struct audience_block *blocks; // by question, the memory
  struct audience_block **here;  // by question; NULL: nobody in this block
};

static void put_key(struct key *key, uint32_t question, uint32_t side, uint32_t block) {
  assert(side <= UINT8_MAX);
  key_init(key);
  key_put_u32(key, question);
  key_put_u8(key, (uint8_t)side);
  key_put_u32(key, block);
}

enum err audience_change(struct store_txn *txn, uint32_t question, uint32_t side, uint64_t customer, bool in) {
  return audience_change_many(txn, question, side, &(struct audience_move){customer, in}, 1);
}

// The pieces of as many as are of one block and have room; *count is how many.
static enum err append_run(struct store_txn *txn, uint32_t question, uint32_t side, const struct audience_move *moves,
                           size_t *count) {
  uint8_t pieces[RUN_MOVES * PIECE_BYTES];
  uint64_t block = moves->customer / AUDIENCE_BLOCK_IDS;
  size_t done = 0;
  struct key key;
  if (block >= BLOCKS) return ERR_LIMIT;
  for (; done < *count && done < RUN_MOVES && moves[done].customer / AUDIENCE_BLOCK_IDS == block; done++) {
    uint8_t *piece = pieces + done * PIECE_BYTES;
    piece[0] = moves[done].in ? '+' : '-';
    piece[1] = (uint8_t)moves[done].customer;
    piece[2] = (uint8_t)(moves[done].customer >> 8);
  }
  *count = done;
  put_key(&key, question, side, (uint32_t)block);
  return store_append(txn, STORE_AUDIENCE, key_view(&key), bytes_of(pieces, done * PIECE_BYTES));
}

enum err audience_change_many(struct store_txn *txn, uint32_t question, uint32_t side,
                              const struct audience_move *moves, size_t count) {
  enum err err = ERR_OK;
  for (size_t done = 0; err == ERR_OK && done < count;) {
    size_t run = count - done;
    err = append_run(txn, question, side, moves + done, &run);
    done += run;
  }
  return err;
}

// --- walking -------------------------------------------------------------------------------------------------

static void walk_close(struct walk *walk) {
  if (walk->cursor != NULL) store_cursor_close(walk->cursor);
  alloc_free(walk->next);
  alloc_free(walk->blocks);
  alloc_free(walk->here);
}

static enum err walk_open(struct walk *walk, struct store_snapshot *snapshot, const uint32_t *questions, size_t count,
                          uint32_t side) {
  *walk = (struct walk){.questions = questions, .count = count, .side = side};
  walk->next = alloc_zero(count, sizeof *walk->next);
  walk->blocks = alloc_zero(count, sizeof *walk->blocks);
  walk->here = alloc_zero(count, sizeof(struct audience_block *));
  struct key from, to;
  key_init(&from);
  key_init(&to);
  if (count == 1) { // the store finds what lies within a question; to walk over all it puts new rows in order first
    put_key(&from, questions[0], side, 0);
    put_key(&to, questions[0], side, UINT32_MAX);
  }
  enum err err = ERR_NO_MEMORY;
  if (walk->next != NULL && walk->blocks != NULL && walk->here != NULL)
    err = store_snapshot_scan(snapshot, STORE_AUDIENCE, key_view(&from), key_view(&to), &walk->cursor);
  if (err != ERR_OK) {
    walk->cursor = NULL;
    walk_close(walk);
  }
  return err;
}

// Where the cursor stands: the block's number, or NO_BLOCK when it is past those of question i.
static enum err number_of(const struct key *wanted, struct bytes key, uint32_t *number) {
  *number = NO_BLOCK;
  if (!bytes_starts_with(key, bytes_of(wanted->data, KEY_BYTES - sizeof(uint32_t)))) return ERR_OK;
  if (key.size_bytes != KEY_BYTES) return ERR_CORRUPT;
  *number = key_read_u32(key.data + KEY_BYTES - sizeof(uint32_t));
  return *number < BLOCKS ? ERR_OK : ERR_CORRUPT;
}

// Reads question i's block when it has one of this number; else learns which is its next.
static enum err walk_read(struct walk *walk, size_t i) {
  struct key wanted;
  struct bytes key, row;
  put_key(&wanted, walk->questions[i], walk->side, walk->number);
  store_cursor_seek(walk->cursor, key_view(&wanted));
  if (!store_cursor_next(walk->cursor, &key, &row)) {
    walk->next[i] = NO_BLOCK;
    return store_cursor_error(walk->cursor);
  }
  enum err err = number_of(&wanted, key, &walk->next[i]);
  if (err != ERR_OK || walk->next[i] != walk->number) return err;
  walk->next[i]++;
  err = audience_row_read(row, &walk->blocks[i]);
  if (walk->blocks[i].count > 0) walk->here[i] = &walk->blocks[i];
  return err;
}

// Goes to the next number at which somebody may be. False at the end, or with an error.
static bool walk_step(struct walk *walk, enum err *err) {
  walk->number = NO_BLOCK;
  for (size_t i = 0; i < walk->count; i++) {
    walk->here[i] = NULL;
    if (walk->next[i] < walk->number) walk->number = walk->next[i];
  }
  *err = ERR_OK;
  for (size_t i = 0; walk->number < NO_BLOCK && i < walk->count && *err == ERR_OK; i++)
    if (walk->next[i] == walk->number) *err = walk_read(walk, i);
  return walk->number < NO_BLOCK && *err == ERR_OK;
}

// --- one question --------------------------------------------------------------------------------------------

enum err audience_read(struct audience **audience, struct store_snapshot *snapshot, uint32_t question, uint32_t side) {
  struct walk walk;
  enum err err = audience_open(audience);
  if (err != ERR_OK) return err;
  err = walk_open(&walk, snapshot, &question, 1, side);
  if (err == ERR_OK) {
    while (walk_step(&walk, &err)) {
      if (walk.here[0] != NULL) err = audience_take_block(*audience, walk.number, walk.here[0]);
      if (err != ERR_OK) break;
    }
    walk_close(&walk);
  }
  if (err != ERR_OK) {
    audience_close(*audience);
    *audience = NULL;
  }
  return err;
}

enum err audience_stored_count(struct store_snapshot *snapshot, uint32_t question, uint32_t side, uint64_t *count) {
  struct walk walk;
  *count = 0;
  enum err err = walk_open(&walk, snapshot, &question, 1, side);
  if (err != ERR_OK) return err;
  while (walk_step(&walk, &err))
    if (walk.here[0] != NULL) *count += walk.here[0]->count;
  walk_close(&walk);
  return err;
}

// --- many questions ------------------------------------------------------------------------------------------

// Adds what the blocks that are here have in common, to the lower half of the matrix.
static void add_overlap(const struct walk *walk, uint64_t *cells) {
  for (size_t i = 0; i < walk->count; i++) {
    if (walk->here[i] == NULL) continue;
    cells[i * walk->count + i] += walk->here[i]->count;
    for (size_t j = 0; j < i; j++)
      if (walk->here[j] != NULL) cells[i * walk->count + j] += audience_block_and_count(walk->here[i], walk->here[j]);
  }
}

enum err audience_overlap(struct store_snapshot *snapshot, const uint32_t *questions, size_t count, uint64_t *cells) {
  struct walk walk;
  for (size_t i = 0; i < count * count; i++) cells[i] = 0;
  enum err err = walk_open(&walk, snapshot, questions, count, 0);
  if (err != ERR_OK) return err;
  while (walk_step(&walk, &err)) add_overlap(&walk, cells);
  walk_close(&walk);
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < i; j++) cells[j * count + i] = cells[i * count + j];
  return err;
}

// How many of this number are in any, and how many in all.
static void add_union(const struct walk *walk, uint64_t *any_count, uint64_t *all_count) {
  struct audience_block any, all;
  bool missing = false;
  audience_block_clear(&any);
  memset(all.words, 0xff, sizeof all.words);
  all.count = AUDIENCE_BLOCK_IDS;
  for (size_t i = 0; i < walk->count; i++) {
    missing = missing || walk->here[i] == NULL;
    if (walk->here[i] != NULL) audience_block_or(&any, walk->here[i]);
    if (!missing) audience_block_and(&all, walk->here[i]);
  }
  *any_count += any.count;
  if (!missing) *all_count += all.count;
}

enum err audience_union_count(struct store_snapshot *snapshot, const uint32_t *questions, size_t count, uint64_t *any,
                              uint64_t *all) {
  struct walk walk;
  *any = *all = 0;
  enum err err = walk_open(&walk, snapshot, questions, count, 0);
  if (err != ERR_OK) return err;
  while (walk_step(&walk, &err)) add_union(&walk, any, all);
  walk_close(&walk);
  return err;
}
