// blocks: a file cut into runs of whole messages. Private to source/.
#pragma once

#include "base/csv.h"
#include "source/input.h"

enum source_format { SOURCE_NDJSON, SOURCE_JSON, SOURCE_CSV };

enum { SOURCE_BLOCK_BYTES = 256 * 1024, SOURCE_MESSAGE_BYTES = 4 * 1024 * 1024 };

struct source_block {
  struct buffer data;
  uint64_t index;      // from 0, in the order of the file
  uint64_t end;        // offset in the unzipped file behind its last byte
  uint64_t first_line; // the line that it begins with, from 1
  bool oversize;       // the beginning of one message that is too long to be read; the rest of it was left out
};
void source_block_init(struct source_block *block);
void source_block_release(struct source_block *block);

// Cuts one input. A name that ends in .csv, .json, .jsonl or .ndjson (a .gz after it is overlooked) says whether it is
// CSV or JSON, else the content does. JSON whose first line is whole is NDJSON; any other is a run of values: an array,
// or one after another. CSV has a header. Threads: one at a time.
struct source_blocks;
enum err source_blocks_open(struct source_blocks **blocks, struct source_input *input, const char *name,
                            struct diag *diag);
void source_blocks_close(struct source_blocks *blocks);

enum source_format source_blocks_format(const struct source_blocks *blocks);
// Takes the header record of a CSV file out of the blocks. Valid until close. Once, before source_blocks_next.
enum err source_blocks_header(struct source_blocks *blocks, struct bytes *header, uint8_t *delimiter,
                              struct diag *diag);
// The first bytes of the unzipped file, at most 64 KiB: what it is known by. Before anything else is asked.
struct bytes source_blocks_beginning(const struct source_blocks *blocks);

// The next block. ERR_NOT_FOUND at the end.
enum err source_blocks_next(struct source_blocks *blocks, struct source_block *block, struct diag *diag);

// The size of the message that `text` begins with, with what separates it from the next in *skip before it; 0 when it
// does not end inside `text`.
size_t source_format_size(enum source_format format, uint8_t delimiter, struct bytes text, bool last, size_t *skip);
