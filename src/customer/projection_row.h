// projection_row: the events of one name of one block, as bytes and as columns. Private to customer/.
#pragma once

#include "customer/projection.h"
#include "customer/timeline_row.h"

struct projection_row {
  uint32_t name;
  uint32_t from[PROJECTION_CUSTOMERS + 1]; // events [from[i], from[i + 1]) are those of the i-th customer
  struct timeline_columns columns;         // in `memory`
  void *memory;
};

void projection_row_init(struct projection_row *row, uint32_t name);
void projection_row_release(struct projection_row *row);
// Empties it and keeps its memory.
void projection_row_clear(struct projection_row *row, uint32_t name);
bool projection_row_reserve(struct projection_row *row, size_t extra);

// Appends the form of docs/formats/projection.md. On short memory `out` is failed.
void projection_row_put(const struct projection_row *row, struct buffer *out);
// Replaces the content. `name` is that of the key; `times_only` leaves amounts and channels as they are in memory.
// ERR_CORRUPT, ERR_NO_MEMORY.
enum err projection_row_read(struct bytes bytes, uint32_t name, bool times_only, struct projection_row *row);

void projection_directory_put(const struct projection_directory *directory, const uint32_t *names, size_t count,
                              struct buffer *out);

// The ids on a side, as bits added to `touched`.
void projection_side_read(struct bytes row, uint64_t touched[PROJECTION_BITS]);
