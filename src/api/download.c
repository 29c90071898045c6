// download.c: see download.h.
#include "api/download.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { BLOCK_BYTES = 16 * 1024 };

struct download {
  struct download_source source;
  struct buffer page;
  size_t sent_bytes; // of it
  bool more;
  _Atomic int64_t *deadline_us;
  int64_t patience_us;
};

static enum err next_page(struct download *download, struct diag *diag) {
  buffer_clear(&download->page);
  download->sent_bytes = 0;
  enum err err = download->source.page(download->source.context, &download->page, &download->more, diag);
  return err == ERR_OK && download->page.failed ? diag_no_memory(diag) : err;
}

void download_close(struct download *download) {
  download->source.close(download->source.context);
  buffer_release(&download->page);
  alloc_free(download);
}

enum err download_open(struct download **download, const struct download_source *source, struct diag *diag) {
  struct download *made = alloc_zero(1, sizeof *made);
  if (!made) {
    source->close(source->context);
    return diag_no_memory(diag);
  }
  made->source = *source;
  buffer_init(&made->page);
  enum err err = next_page(made, diag);
  if (err)
    download_close(made);
  else
    *download = made;
  return err;
}

static ssize_t read_download(void *context, uint64_t position, char *to, size_t most) {
  struct download *download = context;
  struct diag diag;
  (void)position;
  diag_init(&diag);
  while (download->sent_bytes == download->page.size_bytes) {
    if (!download->more) return MHD_CONTENT_READER_END_OF_STREAM;
    if (*download->source.stopping) return MHD_CONTENT_READER_END_WITH_ERROR;
    enum err err = next_page(download, &diag);
    if (!err) continue;
    log_write(LOG_WARN, "a download ended", "err=%s code=%s", err_name(err), diag.code);
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  size_t size = download->page.size_bytes - download->sent_bytes;
  if (size > most) size = most;
  memcpy(to, download->page.data + download->sent_bytes, size);
  download->sent_bytes += size;
  if (download->deadline_us) *download->deadline_us = clock_monotonic_us() + download->patience_us;
  return (ssize_t)size;
}

static void close_download(void *context) {
  download_close(context);
}

struct MHD_Response *download_response(struct download *download, _Atomic int64_t *deadline_us, unsigned patience_s) {
  download->deadline_us = deadline_us;
  download->patience_us = (int64_t)patience_s * CLOCK_SECOND_US;
  return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_download, download, close_download);
}
