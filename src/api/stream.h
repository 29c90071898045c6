// stream: the change feed as server-sent events.
//
// Layer 8. One thread, the feeder, reads the feed for all streams, a page each, waits until what it read is on the
// disk, and hands the pages over; the HTTP threads send them. A stream whose page was sent asks for the next, so that
// never more than one page waits for a reader, however slow; one that takes nothing for as long as an idle connection
// may live is ended, and goes on later from the last cursor it was sent.
// Memory: a stream belongs to the request until stream_response, then to the response. Threads: any.
#pragma once

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "engine/engine.h"

enum {
  STREAMS_MAX = 64,        // at once, of one server
  STREAM_PAGE_ROWS = 256,  // changes that may wait for one reader
  STREAM_HEARTBEAT_S = 15, // a comment, when nothing else was sent for so long
};

struct stream_board;

enum err stream_board_open(struct stream_board **board, struct engine *engine);
// Begins to feed. To be called while no other thread uses the engine. ERR_NO_MEMORY.
enum err stream_board_start(struct stream_board *board);
// Ends all streams at their next byte, and each that is opened later. Waits for nobody but the feeder.
void stream_board_stop(struct stream_board *board);
// All streams must be gone, and a board that was started must have been stopped.
void stream_board_close(struct stream_board *board);
size_t stream_board_count(struct stream_board *board);

struct stream;

// What a reader asks for. Texts are copied.
struct stream_wish {
  struct bytes segment; // empty: of all segments
  struct bytes after;   // a cursor; data NULL: from now on
  struct bytes key;     // the stream ends with it
};
// ERR_BUSY code "too_many_streams", ERR_STOPPED "stopping", ERR_INVALID "bad_cursor".
enum err stream_open(struct stream_board *board, const struct stream_wish *wish, struct stream **stream,
                     struct diag *diag);
// One that became no response.
void stream_close(struct stream *stream);

// The stream as the body of a response, which owns it from then on. `*deadline_us` is set while bytes wait to be taken:
// for so long a reader may take nothing. `fd` is the connection's. NULL: no memory, and the stream stays the caller's.
struct MHD_Response *stream_response(struct stream *stream, struct MHD_Connection *connection, int fd,
                                     _Atomic int64_t *deadline_us, unsigned patience_s);
