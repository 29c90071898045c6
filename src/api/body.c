// One inflate state is kept and reset between bodies: opening one costs 40 KiB of memory and more time than a small
// event takes to unzip. Output grows by doubling up to one byte over the limit, which is how passing it is seen.
#include "api/body.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_CAPACITY_BYTES = 16 * 1024, KEPT_CAPACITY_BYTES = 256 * 1024, WINDOW_AUTO = 15 + 32 };

static void *zlib_alloc(void *opaque, unsigned items, unsigned size) {
  (void)opaque;
  return alloc_zero(items, size);
}

static void zlib_free(void *opaque, void *block) {
  (void)opaque;
  alloc_free(block);
}

void body_decoder_init(struct body_decoder *decoder) {
  memset(decoder, 0, sizeof *decoder);
  buffer_init(&decoder->plain);
}

void body_decoder_release(struct body_decoder *decoder) {
  if (decoder->opened) inflateEnd(&decoder->stream);
  decoder->opened = false;
  buffer_release(&decoder->plain);
}

enum err body_too_large(size_t limit_bytes, struct diag *diag) {
  return diag_set(
      diag, ERR_LIMIT, "too_large",
      "The body is larger than %zu bytes after unzipping, the most that is taken at once; send it in parts. "
      "Nothing was taken.",
      limit_bytes);
}

static enum err bad_gzip(struct diag *diag) {
  return diag_set(diag, ERR_INVALID, "bad_gzip", "The compressed body is damaged or cut short.");
}

static enum err prepare(struct body_decoder *decoder, struct diag *diag) {
  // What one large body needed is not kept for ever.
  if (decoder->plain.capacity_bytes > KEPT_CAPACITY_BYTES) {
    buffer_release(&decoder->plain);
    buffer_init(&decoder->plain);
  }
  buffer_clear(&decoder->plain);
  if (decoder->opened) return inflateReset2(&decoder->stream, WINDOW_AUTO) == Z_OK ? ERR_OK : bad_gzip(diag);
  decoder->stream = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
  if (inflateInit2(&decoder->stream, WINDOW_AUTO) != Z_OK) return diag_no_memory(diag);
  decoder->opened = true;
  return ERR_OK;
}

// Room for at least one more byte of output, at most one byte over the limit in all.
static enum err make_room(struct body_decoder *decoder, size_t limit_bytes, struct diag *diag) {
  struct buffer *plain = &decoder->plain;
  size_t wanted = plain->size_bytes ? plain->size_bytes : FIRST_CAPACITY_BYTES;
  size_t most = limit_bytes + 1 - plain->size_bytes;
  if (wanted > most) wanted = most;
  if (!buffer_reserve(plain, wanted)) return diag_no_memory(diag);
  decoder->stream.next_out = plain->data + plain->size_bytes;
  decoder->stream.avail_out = (unsigned)wanted;
  return ERR_OK;
}

static enum err unzip(struct body_decoder *decoder, struct bytes raw, size_t limit_bytes, struct diag *diag) {
  enum err err = prepare(decoder, diag);
  if (err) return err;
  z_stream *stream = &decoder->stream;
  stream->next_in = (uint8_t *)(uintptr_t)raw.data;
  stream->avail_in = (unsigned)raw.size_bytes;
  for (;;) {
    err = make_room(decoder, limit_bytes, diag);
    if (err) return err;
    unsigned room = stream->avail_out;
    int result = inflate(stream, Z_NO_FLUSH);
    decoder->plain.size_bytes += room - stream->avail_out;
    if (decoder->plain.size_bytes > limit_bytes) return body_too_large(limit_bytes, diag);
    if (result == Z_MEM_ERROR) return diag_no_memory(diag);
    if (result == Z_STREAM_END) {
      if (stream->avail_in == 0) return ERR_OK;
      if (inflateReset(stream) != Z_OK) return bad_gzip(diag);
    } else if (result != Z_OK || (stream->avail_in == 0 && stream->avail_out != 0)) {
      return bad_gzip(diag);
    }
  }
}

static bool is_gzip(struct bytes raw) {
  return raw.size_bytes >= 2 && raw.data[0] == 0x1f && raw.data[1] == 0x8b;
}

// JSON never begins with 'x', so a zlib header cannot be mistaken for it.
static bool is_zlib(struct bytes raw) {
  return raw.size_bytes >= 2 && raw.data[0] == 0x78 && (raw.data[0] * 256 + raw.data[1]) % 31 == 0;
}

enum err body_decode(struct body_decoder *decoder, struct bytes raw, struct bytes encoding, size_t limit_bytes,
                     struct bytes *body, struct diag *diag) {
  if (raw.size_bytes > limit_bytes) return body_too_large(limit_bytes, diag);
  encoding = bytes_trim(encoding);
  bool deflate = bytes_equal_ascii_case(encoding, BYTES("deflate"));
  bool plain = encoding.size_bytes == 0 || bytes_equal_ascii_case(encoding, BYTES("identity")) || deflate ||
               bytes_equal_ascii_case(encoding, BYTES("gzip")) || bytes_equal_ascii_case(encoding, BYTES("x-gzip"));
  if (!plain) {
    return diag_set(diag, ERR_INVALID, "unsupported_encoding",
                    "The Content-Encoding of the body is not one of gzip, deflate and identity.");
  }
  *body = raw;
  if (is_gzip(raw) || (deflate && is_zlib(raw))) {
    enum err err = unzip(decoder, raw, limit_bytes, diag);
    if (err) return err;
    *body = buffer_view(&decoder->plain);
  }
  if (bytes_starts_with(*body, BYTES("\xef\xbb\xbf"))) *body = bytes_of(body->data + 3, body->size_bytes - 3);
  return ERR_OK;
}
