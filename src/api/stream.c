// stream.c: the feeder, and the streams it feeds.
//
// A stream is hungry when all it was given was sent. The feeder takes all hungry streams, reads a page for each without
// the lock, waits once for the disk, then hands over. Invariants, all under the board's lock:
//   1. `out`, `rows` and `failed` belong to the feeder while `filling`, else to whoever holds the lock.
//   2. A connection is suspended only by its own thread, with the lock held, when nothing waits to be sent and the
//      stream does not end; whoever changes either resumes it.
//   3. After the board has stopped nothing is suspended any more: MHD aborts otherwise.
//   4. A stream that is closed while it is being filled is released by the feeder.
// The feed wakes the feeder after each commit; a wake that is missed costs a second.
#include "api/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/handlers.h"
#include "api/server.h"
#include "base/alloc.h"
#include "base/log.h"

enum { BLOCK_BYTES = 16 * 1024, SEGMENT_BYTES_MAX = 64, RETRY_MS = 1000, KERNEL_BYTES = 128 * 1024 };

struct stream {
  struct stream_board *board;
  struct stream *previous, *next;
  struct MHD_Connection *connection; // NULL: no response yet
  int fd;
  _Atomic int64_t *deadline_us;
  int64_t patience_us;
  char segment[SEGMENT_BYTES_MAX + 1];
  char key[ENGINE_KEY_TEXT_BYTES];
  char cursor[ENGINE_CURSOR_BYTES]; // all up to it is in `out` or was, or is of other segments
  struct buffer out;
  size_t sent_bytes; // of `out`
  size_t rows;       // of the page being filled
  int64_t fed_us;    // monotonic: when it was last given something
  bool failed;       // to be filled
  bool hungry, filling, suspended, ending, closed;
};

struct stream_board {
  struct engine *engine;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct stream streams; // head of a ring
  _Atomic size_t count;
  _Atomic bool due; // there may be something to read
  bool stopped;
  bool feeding; // the thread was started
  pthread_t feeder;
};

// --- one stream ----------------------------------------------------------------------------------------------

static void discard(struct stream *stream) {
  explicit_bzero(stream->key, sizeof stream->key);
  buffer_release(&stream->out);
  alloc_free(stream);
}

// With the lock held.
static void release(struct stream *stream) {
  stream->previous->next = stream->next;
  stream->next->previous = stream->previous;
  stream->board->count--;
  discard(stream);
}

void stream_close(struct stream *stream) {
  struct stream_board *board = stream->board;
  pthread_mutex_lock(&board->lock);
  if (stream->filling)
    stream->closed = true;
  else
    release(stream);
  pthread_mutex_unlock(&board->lock);
}

static void close_stream(void *context) {
  stream_close(context);
}

// With the lock held.
static void wake_reader(struct stream *stream) {
  if (!stream->suspended) return;
  stream->suspended = false;
  MHD_resume_connection(stream->connection);
}

static void wake_feeder(struct stream_board *board) {
  board->due = true;
  pthread_cond_signal(&board->changed);
}

// With the lock held.
static ssize_t send_some(struct stream *stream, char *to, size_t most) {
  size_t size = stream->out.size_bytes - stream->sent_bytes;
  if (size > most) size = most;
  memcpy(to, stream->out.data + stream->sent_bytes, size);
  stream->sent_bytes += size;
  if (stream->deadline_us) *stream->deadline_us = clock_monotonic_us() + stream->patience_us;
  if (stream->sent_bytes < stream->out.size_bytes) return (ssize_t)size;
  buffer_clear(&stream->out);
  stream->sent_bytes = 0;
  stream->hungry = true;
  wake_feeder(stream->board);
  return (ssize_t)size;
}

// MHD has room in the connection.
static ssize_t read_stream(void *context, uint64_t position, char *to, size_t most) {
  struct stream *stream = context;
  struct stream_board *board = stream->board;
  ssize_t size = 0;
  (void)position;
  pthread_mutex_lock(&board->lock);
  bool waits = !stream->filling && stream->out.size_bytes > stream->sent_bytes;
  if (waits) {
    size = send_some(stream, to, most);
  } else if (stream->ending) {
    size = MHD_CONTENT_READER_END_OF_STREAM;
  } else {
    if (stream->deadline_us) *stream->deadline_us = 0;
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
  }
  pthread_mutex_unlock(&board->lock);
  return size;
}

struct MHD_Response *stream_response(struct stream *stream, struct MHD_Connection *connection, int fd,
                                     _Atomic int64_t *deadline_us, unsigned patience_s) {
  int kept_bytes = KERNEL_BYTES;
  stream->fd = fd;
  // Else the kernel would keep megabytes for a reader that takes nothing.
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kept_bytes, sizeof kept_bytes);
  stream->connection = connection;
  stream->deadline_us = deadline_us;
  stream->patience_us = (int64_t)patience_s * CLOCK_SECOND_US;
  return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, close_stream);
}

// --- the feeder ----------------------------------------------------------------------------------------------

static enum err append_change(void *context, struct bytes cursor, struct bytes document) {
  struct stream *stream = context;
  buffer_append_format(&stream->out, "id: %.*s\nevent: %s\ndata: ", BYTES_ARG(cursor),
                       engine_change_is_loyalty(cursor, document) ? "loyalty" : "segment");
  buffer_append_bytes(&stream->out, document);
  buffer_append_text(&stream->out, "\n\n");
  stream->rows++;
  return stream->out.failed ? ERR_NO_MEMORY : ERR_OK;
}

// Without the lock. A stream that cannot be fed ends: its reader comes again with the last cursor it saw.
static bool fill(struct stream *stream) {
  struct diag diag;
  int64_t now_us = clock_monotonic_us();
  diag_init(&diag);
  stream->rows = 0;
  enum err err =
      engine_changes_each(stream->board->engine, bytes_from_text(stream->segment), bytes_from_text(stream->cursor),
                          STREAM_PAGE_ROWS, append_change, stream, stream->cursor, &diag);
  if (err == ERR_OK && stream->rows == 0 && now_us - stream->fed_us >= STREAM_HEARTBEAT_S * (int64_t)CLOCK_SECOND_US)
    buffer_append_text(&stream->out, ":\n\n");
  if (stream->out.size_bytes > 0) stream->fed_us = now_us;
  if (err == ERR_OK && !stream->out.failed) return true;
  log_write(LOG_WARN, "a stream ended", "err=%s code=%s", err_name(err), diag.code);
  return false;
}

// MHD does not look at a connection that is suspended: one whose reader has gone is seen here, so that its place is
// free before a heartbeat would fail.
static bool is_deserted(const struct stream *stream) {
  char byte;
  return stream->suspended && recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool has_lost_its_key(const struct stream *stream) {
  struct engine_key key;
  return engine_key_check(stream->board->engine, bytes_from_text(stream->key), &key, NULL) == ERR_DENIED;
}

// With the lock held.
static void end_unwanted(struct stream_board *board) {
  for (struct stream *stream = board->streams.next; stream != &board->streams; stream = stream->next) {
    if (!is_deserted(stream) && !has_lost_its_key(stream)) continue;
    stream->ending = true;
    wake_reader(stream);
  }
}

static size_t take_hungry(struct stream_board *board, struct stream *taken[STREAMS_MAX]) {
  size_t count = 0;
  for (struct stream *stream = board->streams.next; stream != &board->streams; stream = stream->next) {
    if (!stream->hungry || stream->ending) continue;
    stream->filling = true;
    taken[count++] = stream;
  }
  return count;
}

// With the lock held.
static void hand_over(struct stream *stream) {
  stream->filling = false;
  if (stream->closed) {
    release(stream);
    return;
  }
  if (stream->failed) {
    buffer_clear(&stream->out);
    stream->ending = true;
  }
  stream->hungry = stream->out.size_bytes == 0;
  if (!stream->hungry || stream->ending) wake_reader(stream);
}

// Without the lock.
static void feed(struct stream_board *board, struct stream *const *taken, size_t count) {
  struct store *store = engine_store(board->engine);
  struct diag diag;
  bool found = false;
  diag_init(&diag);
  for (size_t i = 0; i < count; i++) {
    taken[i]->failed = !fill(taken[i]);
    found = found || taken[i]->rows > 0;
  }
  if (!found || store_wait(store, store_mark_now(store), &diag) == ERR_OK) return;
  for (size_t i = 0; i < count; i++) taken[i]->failed = true;
}

static void sleep_until_due(struct stream_board *board) {
  struct timespec until;
  int result = 0;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec++;
  while (!board->stopped && !board->due && result != ETIMEDOUT)
    result = pthread_cond_timedwait(&board->changed, &board->lock, &until);
  board->due = false;
}

static void *run(void *context) {
  struct stream_board *board = context;
  struct stream *taken[STREAMS_MAX];
  int64_t looked_us = 0;
  pthread_mutex_lock(&board->lock);
  for (sleep_until_due(board); !board->stopped; sleep_until_due(board)) {
    int64_t now_us = clock_monotonic_us();
    if (now_us - looked_us >= (int64_t)CLOCK_SECOND_US) {
      end_unwanted(board);
      looked_us = now_us;
    }
    size_t count = take_hungry(board, taken);
    pthread_mutex_unlock(&board->lock);
    feed(board, taken, count);
    pthread_mutex_lock(&board->lock);
    for (size_t i = 0; i < count; i++) hand_over(taken[i]);
  }
  pthread_mutex_unlock(&board->lock);
  return NULL;
}

// From any thread, after a commit.
static void changed(void *context) {
  struct stream_board *board = context;
  if (board->count == 0 || atomic_exchange(&board->due, true)) return;
  pthread_mutex_lock(&board->lock);
  pthread_cond_signal(&board->changed);
  pthread_mutex_unlock(&board->lock);
}

// --- the board -----------------------------------------------------------------------------------------------

enum err stream_board_open(struct stream_board **board, struct engine *engine) {
  struct stream_board *made = alloc_zero(1, sizeof *made);
  pthread_condattr_t attributes;
  if (!made) return ERR_NO_MEMORY;
  made->engine = engine;
  made->streams.previous = made->streams.next = &made->streams;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  *board = made;
  return ERR_OK;
}

enum err stream_board_start(struct stream_board *board) {
  engine_set_feed_wake(board->engine, changed, board);
  board->feeding = pthread_create(&board->feeder, NULL, run, board) == 0;
  if (board->feeding) return ERR_OK;
  engine_set_feed_wake(board->engine, NULL, NULL);
  return ERR_NO_MEMORY;
}

void stream_board_stop(struct stream_board *board) {
  pthread_mutex_lock(&board->lock);
  board->stopped = true;
  pthread_cond_signal(&board->changed);
  pthread_mutex_unlock(&board->lock);
  if (board->feeding) pthread_join(board->feeder, NULL);
  pthread_mutex_lock(&board->lock);
  for (struct stream *stream = board->streams.next; stream != &board->streams; stream = stream->next) {
    stream->ending = true;
    // One that takes nothing is not waited for.
    if (stream->deadline_us) *stream->deadline_us = clock_monotonic_us() + (int64_t)CLOCK_SECOND_US;
    wake_reader(stream);
  }
  pthread_mutex_unlock(&board->lock);
}

void stream_board_close(struct stream_board *board) {
  if (!board) return;
  if (board->feeding) engine_set_feed_wake(board->engine, NULL, NULL);
  pthread_cond_destroy(&board->changed);
  pthread_mutex_destroy(&board->lock);
  alloc_free(board);
}

size_t stream_board_count(struct stream_board *board) {
  return board->count;
}

// --- opening -------------------------------------------------------------------------------------------------

// Where it begins, and what it says first: how soon to come again, and the cursor to come again with.
static enum err begin(struct stream *stream, struct bytes after, struct diag *diag) {
  struct engine *engine = stream->board->engine;
  if (!after.data) {
    enum err err = engine_changes_present(engine, stream->cursor, diag);
    if (err) return err;
  } else {
    snprintf(stream->cursor, sizeof stream->cursor, "%.*s", BYTES_ARG(after));
    if (after.size_bytes >= sizeof stream->cursor) stream->cursor[0] = '-'; // no cursor is as long
    char next[ENGINE_CURSOR_BYTES];
    // Read once, so that a wrong cursor is refused now.
    enum err err =
        engine_changes_each(engine, BYTES(""), bytes_from_text(stream->cursor), 1, append_change, stream, next, diag);
    buffer_clear(&stream->out);
    if (err) return err;
    snprintf(stream->cursor, sizeof stream->cursor, "%.*s", BYTES_ARG(after));
  }
  buffer_append_format(&stream->out, "retry: %d\n", RETRY_MS);
  if (stream->cursor[0]) buffer_append_format(&stream->out, "id: %s\n", stream->cursor);
  buffer_append_text(&stream->out, "\n");
  return stream->out.failed ? diag_no_memory(diag) : ERR_OK;
}

static enum err join(struct stream *stream, struct diag *diag) {
  struct stream_board *board = stream->board;
  enum err err = ERR_OK;
  pthread_mutex_lock(&board->lock);
  if (board->stopped) {
    err = diag_set(diag, ERR_STOPPED, "stopping", "The server is shutting down; try again in a moment.");
  } else if (board->count == STREAMS_MAX) {
    err = diag_set(diag, ERR_BUSY, "too_many_streams",
                   "The server feeds %d streams already; end one, or ask GET "
                   "/v1/changes now and then.",
                   STREAMS_MAX);
  } else {
    board->count++;
    stream->previous = &board->streams;
    stream->next = board->streams.next;
    stream->next->previous = stream->previous->next = stream;
  }
  pthread_mutex_unlock(&board->lock);
  return err;
}

enum err stream_open(struct stream_board *board, const struct stream_wish *wish, struct stream **stream,
                     struct diag *diag) {
  struct stream *made = alloc_zero(1, sizeof *made);
  if (!made) return diag_no_memory(diag);
  made->board = board;
  made->fed_us = clock_monotonic_us();
  buffer_init(&made->out);
  snprintf(made->segment, sizeof made->segment, "%.*s", BYTES_ARG(wish->segment));
  snprintf(made->key, sizeof made->key, "%.*s", BYTES_ARG(wish->key));
  enum err err = begin(made, wish->after, diag);
  if (!err) err = join(made, diag);
  if (err)
    discard(made);
  else
    *stream = made;
  return err;
}

enum err stream_get(struct request *request, struct worker *worker, struct diag *diag) {
  struct stream_wish wish = {.key = request->key_text};
  (void)worker;
  enum err err = request_parameters(request, "segment after", diag);
  if (!err) err = uri_find(&request->uri, "segment", &wish.segment, diag);
  if (!err) err = uri_find(&request->uri, "after", &wish.after, diag);
  if (err) return err;
  struct bytes last = request_header(request, "Last-Event-ID");
  if (last.data) wish.after = last;
  if (wish.segment.size_bytes > SEGMENT_BYTES_MAX)
    return diag_set(diag, ERR_INVALID, "bad_parameter", "The parameter \"segment\" must be the id of a segment.");
  err = stream_open(request->api->streams, &wish, &request->stream, diag);
  if (err) return err;
  request->status = 200;
  request->content_type = "text/event-stream";
  return ERR_OK;
}
