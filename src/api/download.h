// download: a reply too long to be made before it is sent.
//
// Layer 8. Pages are made one at a time, by the thread that sends them, when the one before was taken: never more than
// a page waits for a reader, however slow. A page has to be made in a millisecond or so, for other connections wait
// meanwhile. One that fails after the first ends the connection in the middle of its chunks, so that no reader takes
// what it has for the whole.
// Memory: a download belongs to the request until download_response, then to the response. Threads: one at a time.
#pragma once

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/diag.h"

struct download;

// Appends a page; *more: another one is to be asked for. One without bytes is no end.
typedef enum err download_page_fn(void *context, struct buffer *out, bool *more, struct diag *diag);

struct download_source {
  download_page_fn *page;
  void (*close)(void *context);
  void *context;
  const _Atomic bool *stopping; // of the server: then it ends
};
// Makes the first page, so that what is wrong is a refusal. The context is the download's from then on, also when it
// fails.
enum err download_open(struct download **download, const struct download_source *source, struct diag *diag);
// One that became no response.
void download_close(struct download *download);

// `*deadline_us` is moved on with each piece that is taken. NULL: no memory, and the download stays the caller's.
struct MHD_Response *download_response(struct download *download, _Atomic int64_t *deadline_us, unsigned patience_s);
