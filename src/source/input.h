// input: the bytes of a file, unzipped. Private to source/.
#pragma once

#include "base/bytes.h"
#include "base/diag.h"

struct source_input;

// "-" is standard input. ERR_NOT_FOUND, ERR_DENIED or ERR_IO with words for a person.
enum err source_input_open(struct source_input **input, const char *path, struct diag *diag);
void source_input_close(struct source_input *input);

// Fills `out` with `wanted` bytes, fewer only at the end. ERR_IO code "read_failed", ERR_INVALID code "bad_gzip".
enum err source_input_read(struct source_input *input, uint8_t *out, size_t wanted, size_t *got, struct diag *diag);

// Bytes of the file read so far, as it stands on the disk, and its size (0 when it has none: a pipe). Reading the
// first while another thread reads the input is safe.
uint64_t source_input_done(const struct source_input *input);
uint64_t source_input_total(const struct source_input *input);
