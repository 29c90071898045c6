// body: what was uploaded, as the bytes that were meant.
//
// Layer 8. Compression is recognised by its magic bytes, because clients mislabel it: gzip (several members too)
// always, zlib when Content-Encoding says "deflate". A byte order mark is skipped. The limit holds before and after
// unzipping, and unzipping stops as soon as it is passed. Memory: the result is a view into the upload or into the
// decoder, valid until the decoder's next use. Threads: a decoder belongs to one thread at a time.
#pragma once

#include <stdbool.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/diag.h"

struct body_decoder {
  z_stream stream;
  bool opened; // the stream's memory is there
  struct buffer plain;
};

void body_decoder_init(struct body_decoder *decoder);
void body_decoder_release(struct body_decoder *decoder);

// `encoding` is the Content-Encoding header (data NULL: none). ERR_LIMIT code "too_large", ERR_INVALID codes "bad_gzip"
// and "unsupported_encoding", ERR_NO_MEMORY.
enum err body_decode(struct body_decoder *decoder, struct bytes raw, struct bytes encoding, size_t limit_bytes,
                     struct bytes *body, struct diag *diag);

// The refusal of a body over the limit, for the one who counts while reading.
enum err body_too_large(size_t limit_bytes, struct diag *diag);
