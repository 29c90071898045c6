// The server on libmicrohttpd: a few epoll threads, the listeners, read and write HTTP; a crew of runners (runners.h)
// runs what was asked.
//
// The life of a request:
//   first_line   a listener takes it from the pool; it keeps the target
//   answer       called by the listener once when the headers are there, once per piece of the body, and once at the
//                body's end: there the connection is suspended and the request given to the runners
//   run_request  a runner answers it; when the reply is to wait for the disk, the runner leaves it to the store
//   synced       the store says that the disk has it, from its sync thread or at once
//   answer       called once more, after the resume: the reply is queued
//   completed    MHD is done with it, and it goes back to the pool
// What must be answered when all runners are busy, and is cheap, is answered by the listener without a suspension: the
// operations routes, what was refused at the headers, OPTIONS, and everything once a stop has begun.
//
// Who owns it. A listener, until it gives a suspended request to the runners; then the one runner that takes it; from
// store_notify on the store; from MHD_resume_connection on the listener again. Nobody looks at a request that he gave
// away: it may be answered and gone. The queue's lock, the store's and MHD's order what the owners write, so nothing
// in a request is atomic. MHD itself leaves a suspended connection alone, so that a runner may read its headers; it
// sees that a client has gone when the connection is resumed, and then calls `completed` in place of `answer`.
//
// Invariant: MHD aborts the process when it is stopped with suspended connections. So a connection is suspended only
// after it was counted in `suspended`, none is counted once `stopping` is set (both under the lock), and api_close
// waits until `answer` or `completed` has counted all of them down. `syncing` is counted down after the resume has
// returned, so that no resume is under way in a daemon that ends; the runners are joined for the same reason.
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/listen.h"
#include "api/problem.h"
#include "api/reply.h"
#include "api/runners.h"
#include "api/server.h"
#include "api/stream.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"

enum {
  LISTENERS = 2,                       // one is enough for the load; the other reads while it writes a long reply
  CONNECTION_MEMORY_BYTES = 48 * 1024, // request line, headers and the read buffer of one connection
  DRAIN_BYTES_MAX = 64 * 1024 * 1024,  // of a body over the limit, read and dropped so that the refusal is seen
  DEFAULT_CONNECTIONS = 4096,
  DEFAULT_IDLE_S = 75,
  DEFAULT_REQUEST_S = 60,
  DEFAULT_STOP_S = 10,
};

// --- connections ---------------------------------------------------------------------------------------------

static void set_deadline(struct link *link, unsigned seconds) {
  if (link) link->deadline_us = seconds ? clock_monotonic_us() + seconds * (int64_t)CLOCK_SECOND_US : 0;
}

static void link_open(struct api *api, struct MHD_Connection *connection, void **socket_context) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  struct link *link = alloc_zero(1, sizeof *link);
  *socket_context = link;
  if (!link || !info) return;
  link->fd = info->connect_fd;
  set_deadline(link, api->options.idle_timeout_s + api->options.request_timeout_s);
  pthread_mutex_lock(&api->lock);
  link->previous = &api->links;
  link->next = api->links.next;
  link->next->previous = link;
  api->links.next = link;
  api->link_count++;
  pthread_mutex_unlock(&api->lock);
}

static void link_close(struct api *api, struct link *link) {
  if (!link) return;
  pthread_mutex_lock(&api->lock);
  if (link->next) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    api->link_count--;
  }
  pthread_mutex_unlock(&api->lock);
  alloc_free(link);
}

static void connection_changed(void *context, struct MHD_Connection *connection, void **socket_context,
                               enum MHD_ConnectionNotificationCode what) {
  if (what == MHD_CONNECTION_NOTIFY_STARTED) link_open(context, connection, socket_context);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) link_close(context, *socket_context);
}

// --- a request comes in --------------------------------------------------------------------------------------

static void *first_line(void *context, const char *target, struct MHD_Connection *connection) {
  struct api *api = context;
  struct request *request = pool_take_request(api);
  if (!request) return NULL;
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  request->connection = connection;
  request->link = info ? info->socket_context : NULL;
  request->started_us = clock_monotonic_us();
  request->target = arena_copy(&request->arena, bytes_from_text(target));
  set_deadline(request->link, api->options.request_timeout_s);
  if (request->target.data) return request;
  pool_give_request(api, request);
  return NULL;
}

static bool over_declared(const struct request *request) {
  uint64_t length;
  struct bytes header = request_header(request, "Content-Length");
  return header.data && !bytes_to_u64(header, &length) && length > request->api->options.body_bytes_max;
}

// The headers are there. A client that waits for "100 Continue" is refused at once when it is known to be in vain.
static enum MHD_Result begin(struct request *request, const char *method) {
  request->begun = true;
  dispatch_begin(request, method);
  if (!request_header(request, "Expect").data) return MHD_YES;
  if (!request->status && !over_declared(request)) return MHD_YES;
  if (!request->status) {
    struct diag diag;
    diag_init(&diag);
    enum err err = body_too_large(request->api->options.body_bytes_max, &diag);
    request_refuse(request, err, &diag);
  }
  return reply_queue(request);
}

static enum MHD_Result take_upload(struct request *request, const char *data, size_t *size) {
  size_t limit = request->api->options.body_bytes_max;
  bool wanted = !request->status && !request->upload_over;
  if (wanted && request->upload.size_bytes + *size <= limit) {
    buffer_append(&request->upload, data, *size);
  } else {
    request->upload_over = true;
    request->dropped_bytes += *size;
  }
  *size = 0;
  return request->dropped_bytes > DRAIN_BYTES_MAX ? MHD_NO : MHD_YES;
}

// --- running -------------------------------------------------------------------------------------------------

// What a stop waits for. Nobody else waits for it, so nobody is woken before one has begun.
static void count(struct api *api, int running, int suspended, int syncing) {
  pthread_mutex_lock(&api->lock);
  api->running += (size_t)running;
  api->suspended += (size_t)suspended;
  api->syncing += (size_t)syncing;
  if (api->stopping) pthread_cond_broadcast(&api->changed);
  pthread_mutex_unlock(&api->lock);
}

static void synced(void *context, enum err err) {
  struct request *request = context;
  struct api *api = request->api;
  request->sync_err = err;
  MHD_resume_connection(request->connection);
  count(api, 0, 0, -1);
}

// In a runner; in the thread that stops them, or in a listener, when a stop has begun. The connection is suspended.
static void run_request(struct request *request) {
  dispatch_run(request);
  if (!request->marked) {
    MHD_resume_connection(request->connection);
    return;
  }
  count(request->api, 0, 0, 1);
  store_notify(request->api->store, request->commit.mark, synced, request);
}

static enum MHD_Result send_reply(struct request *request) {
  if (request->sync_err) {
    struct diag diag;
    diag_init(&diag);
    diag_set(&diag, ERR_IO, "not_durable", "The disk refuses to keep what was written; nothing is promised.");
    request_refuse(request, ERR_IO, &diag);
  }
  // A slow reader is given as long as a slow sender.
  set_deadline(request->link, request->api->options.idle_timeout_s + request->api->options.request_timeout_s);
  return reply_queue(request);
}

static bool is_answered_here(const struct request *request) {
  return request->status || !request->route || request->route->flags & ROUTE_OPERATIONS;
}

// Counts a request among those that a stop waits for. True when it is to be suspended.
static bool enter(struct request *request) {
  struct api *api = request->api;
  request->running = true;
  pthread_mutex_lock(&api->lock);
  bool suspends = !is_answered_here(request) && !api->stopping;
  api->running++;
  if (suspends) api->suspended++;
  pthread_mutex_unlock(&api->lock);
  return suspends;
}

static enum MHD_Result run(struct request *request) {
  set_deadline(request->link, 0);
  if (!enter(request)) {
    dispatch_run(request);
    return send_reply(request);
  }
  request->stage = REQUEST_SUSPENDED;
  MHD_suspend_connection(request->connection);
  runners_add(request->api->runners, request);
  return MHD_YES;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **request_context) {
  struct request *request = *request_context;
  (void)context, (void)connection, (void)url, (void)version;
  if (!request) return MHD_NO;
  if (!request->begun) return begin(request, method);
  if (*upload_size) return take_upload(request, upload, upload_size);
  if (request->stage == REQUEST_READING) return run(request);
  if (request->stage == REQUEST_ANSWERED) return MHD_YES;
  request->stage = REQUEST_READING;
  count(request->api, 0, -1, 0);
  return send_reply(request);
}

static void completed(void *context, struct MHD_Connection *connection, void **request_context,
                      enum MHD_RequestTerminationCode why) {
  struct api *api = context;
  struct request *request = *request_context;
  (void)connection, (void)why;
  if (!request) return;
  set_deadline(request->link, api->options.idle_timeout_s + api->options.request_timeout_s);
  int running = request->running ? -1 : 0;
  int suspended = request->stage == REQUEST_SUSPENDED ? -1 : 0;
  pool_give_request(api, request);
  if (running || suspended) count(api, running, suspended, 0);
  *request_context = NULL;
}

// The target is decoded by uri.c, strictly; MHD's own decoding is put out of action.
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
  (void)context, (void)connection;
  return strlen(text);
}

static void mhd_log(void *context, const char *format, va_list arguments) {
  char text[256];
  (void)context;
  vsnprintf(text, sizeof text, format, arguments);
  text[strcspn(text, "\n\"")] = 0;
  log_write(LOG_DEBUG, "http library", "text=\"%s\"", text);
}

// --- open and close ------------------------------------------------------------------------------------------

static unsigned default_threads(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = cores > 0 ? (unsigned)cores * 2 : 4;
  return wanted > API_THREADS_MAX ? API_THREADS_MAX : wanted;
}

static unsigned or_default(unsigned given, unsigned fallback, unsigned most) {
  unsigned wanted = given ? given : fallback;
  return wanted > most ? most : wanted;
}

static void fill_options(struct api_options *options) {
  options->listen = NULL;
  options->threads = or_default(options->threads, default_threads(), API_THREADS_MAX);
  options->connections_max = or_default(options->connections_max, DEFAULT_CONNECTIONS, API_CONNECTIONS_MAX);
  options->idle_timeout_s = or_default(options->idle_timeout_s, DEFAULT_IDLE_S, 24 * 3600);
  options->request_timeout_s = or_default(options->request_timeout_s, DEFAULT_REQUEST_S, 24 * 3600);
  options->stop_timeout_s = or_default(options->stop_timeout_s, DEFAULT_STOP_S, 24 * 3600);
  if (options->body_bytes_max == 0 || options->body_bytes_max > LIMIT_BODY_BYTES) {
    options->body_bytes_max = LIMIT_BODY_BYTES;
  }
}

static enum err start_daemon(struct api *api, int fd, struct diag *diag) {
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  // MHD divides the limit among its threads.
  unsigned connections = api->options.connections_max;
  if (connections < LISTENERS) connections = LISTENERS;
  api->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, api, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, LISTENERS,
                                 MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
                                 api->options.idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_URI_LOG_CALLBACK, first_line, api,
                                 MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                                 completed, api, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, api, MHD_OPTION_END);
  if (api->daemon) return ERR_OK;
  return diag_set(diag, ERR_IO, "cannot_listen", "The HTTP server could not be started (out of threads or memory).");
}

static void release(struct api *api) {
  runners_close(api->runners);
  pool_release(api);
  stream_board_close(api->streams);
  job_board_close(api->jobs);
  metrics_close(api->metrics);
  limiter_close(api->limiter);
  guesses_close(api->guesses);
  pthread_cond_destroy(&api->changed);
  pthread_mutex_destroy(&api->lock);
  alloc_free(api);
}

static struct api *make(struct engine *engine, const struct api_options *options) {
  struct api *api = alloc_zero(1, sizeof *api);
  if (!api) return NULL;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&api->lock, NULL);
  pthread_cond_init(&api->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  api->engine = engine;
  api->store = engine_store(engine);
  api->options = *options;
  fill_options(&api->options);
  api->links.previous = api->links.next = &api->links;
  cors_init(&api->cors, options->cors_origins);
  if (limiter_open(&api->limiter, options->rate_events_per_s, options->rate_burst_events) ||
      guesses_open(&api->guesses) || metrics_open(&api->metrics) ||
      job_board_open(&api->jobs, engine, options->backup_dir) || stream_board_open(&api->streams, engine) ||
      runners_open(&api->runners, api->options.threads, run_request)) {
    release(api);
    return NULL;
  }
  return api;
}

static enum err start_threads(struct api *api) {
  enum err err = stream_board_start(api->streams);
  if (err) return err;
  err = upkeep_start(api);
  if (!err) {
    err = timers_start(api);
    if (err) upkeep_stop(api);
  }
  if (err) stream_board_stop(api->streams);
  return err;
}

enum err api_open(struct api **api, struct engine *engine, const struct api_options *options, struct diag *diag) {
  int fd = -1;
  if (sodium_init() < 0) return diag_set(diag, ERR_IO, "no_random", "The system has no source of random numbers.");
  struct api *made = make(engine, options);
  if (!made) return diag_no_memory(diag);
  enum err err = listen_open(options->listen ? options->listen : "127.0.0.1:8080", &fd, &made->port, diag);
  if (err) {
    release(made);
    return err;
  }
  err = start_threads(made);
  if (err) {
    diag_no_memory(diag);
    close(fd);
    release(made);
    return err;
  }
  err = start_daemon(made, fd, diag);
  if (err) {
    stream_board_stop(made->streams);
    timers_stop(made);
    upkeep_stop(made);
    close(fd);
    release(made);
    return err;
  }
  *api = made;
  log_write(LOG_INFO, "server started", "port=%u threads=%u", (unsigned)made->port, made->options.threads);
  return ERR_OK;
}

uint16_t api_port(const struct api *api) {
  return api->port;
}

// Replies get their time to be read; a sync is waited for as long as it takes, because its callback holds the request.
static void drain(struct api *api, const struct timespec *until) {
  int result = 0;
  pthread_mutex_lock(&api->lock);
  while (api->running && result != ETIMEDOUT) result = pthread_cond_timedwait(&api->changed, &api->lock, until);
  while (api->suspended || api->syncing) pthread_cond_wait(&api->changed, &api->lock);
  pthread_mutex_unlock(&api->lock);
}

// Whoever connects meanwhile is told "stopping". MHD_quiesce_daemon would turn them away, but a thread of MHD that
// wakes up beside it takes the socket out of its set too, and who comes second ends the process ("Failed to remove
// listen FD", libmicrohttpd 0.9.75).
void api_close(struct api *api) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)api->options.stop_timeout_s;
  pthread_mutex_lock(&api->lock);
  api->stopping = true;
  pthread_mutex_unlock(&api->lock);
  stream_board_stop(api->streams);
  runners_stop(api->runners); // what is queued is refused: "stopping"
  drain(api, &until);
  MHD_stop_daemon(api->daemon); // closes the listening socket
  timers_stop(api);
  upkeep_stop(api);
  log_write(LOG_INFO, "server stopped", NULL);
  release(api);
}
