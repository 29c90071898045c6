// One thread a load, epoll, edge triggered: on every event a connection sends what it can and reads what there is.
//
// A reply is read whole by its Content-Length; of its body only the two counts near its beginning matter, so no more
// than REPLY_BYTES of it are kept. A request that is refused or whose connection breaks counts as failed and is not
// repeated: a benchmark in which any fail has measured something else, and says so.
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 512, REPLY_BYTES = 8192, FAILED_MAX = 100, SILENCE_S = 60, EVENTS_AT_ONCE = 64 };

struct connection {
  int fd;
  struct body body;
  char head[HEAD_BYTES];
  size_t head_start_size; // of the part that no request changes
  size_t head_size, sent; // `sent` counts head and body
  bool waiting;           // a request is under way
  int64_t start_us;
  char reply[REPLY_BYTES + 1];
  size_t reply_kept, reply_got, reply_size; // reply_size 0: its head is not complete
};

struct loop {
  struct load *load;
  struct connection *connections;
  int epoll;
  size_t waiting; // connections with a request under way
  int64_t until_us;
};

static void to_base64(const char *text, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t size = strlen(text);
  for (size_t i = 0; i < size; i += 3) {
    uint32_t three = (uint32_t)(uint8_t)text[i] << 16;
    if (i + 1 < size) three |= (uint32_t)(uint8_t)text[i + 1] << 8;
    if (i + 2 < size) three |= (uint8_t)text[i + 2];
    *out++ = digits[three >> 18];
    *out++ = digits[three >> 12 & 63];
    *out++ = i + 1 < size ? digits[three >> 6 & 63] : '=';
    *out++ = i + 2 < size ? digits[three & 63] : '=';
  }
  *out = '\0';
}

// --- one connection ------------------------------------------------------------------------------------------

static bool connection_dial(struct loop *loop, struct connection *connection) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)loop->load->port)};
  struct epoll_event watched = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = connection}};
  int on = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) return false;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connect(connection->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
         fcntl(connection->fd, F_SETFL, O_NONBLOCK) == 0 &&
         epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->fd, &watched) == 0;
}

// The part of the head that depends on the body.
static void finish_head(struct connection *connection) {
  size_t at = connection->head_start_size;
  connection->head_size = at + (size_t)snprintf(connection->head + at, sizeof connection->head - at, "%zu\r\n\r\n",
                                                connection->body.size_bytes);
}

static bool make_body(const struct load *load, struct body *body, size_t index) {
  if (!load->fill) return body_init(body, load->kind, load->mix, load->events_each == 1 ? index : 0, load->events_each);
  *body = (struct body){.text = malloc(LOAD_FILL_BYTES)};
  return body->text != NULL;
}

static bool connection_init(struct loop *loop, struct connection *connection, size_t index) {
  char words[HEAD_BYTES / 4], encoded[HEAD_BYTES / 2];
  const struct load *load = loop->load;
  connection->fd = -1;
  if (!make_body(load, &connection->body, index)) return false;
  snprintf(words, sizeof words, "%s:", load->key);
  to_base64(words, encoded);
  connection->head_start_size = (size_t)snprintf(connection->head, sizeof connection->head,
                                                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\n"
                                                 "Content-Type: application/json\r\nContent-Length: ",
                                                 load->path, encoded);
  finish_head(connection);
  return connection_dial(loop, connection);
}

static void connection_release(struct connection *connection) {
  if (connection->fd >= 0) close(connection->fd);
  body_release(&connection->body);
}

// Small requests go out in one call, so that they are one packet.
static void push(struct connection *connection) {
  size_t size = connection->body.size_bytes;
  while (connection->waiting && connection->sent < connection->head_size + size) {
    struct iovec parts[2] = {{connection->head, connection->head_size}, {connection->body.text, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (connection->sent >= connection->head_size) {
      size_t at = connection->sent - connection->head_size;
      parts[0] = (struct iovec){connection->body.text + at, size - at};
      message.msg_iovlen = 1;
    } else {
      parts[0].iov_base = connection->head + connection->sent;
      parts[0].iov_len -= connection->sent;
    }
    ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    if (sent < 0) return; // full, or broken: then reading will tell
    connection->sent += (size_t)sent;
  }
}

static void fill_body(struct load *load, struct connection *connection) {
  if (load->fill) {
    connection->body.size_bytes = load->fill(load->context, connection->body.text);
    finish_head(connection);
    return;
  }
  int64_t time_us = measure_wall_us();
  if (load->first_us != 0) time_us = load->first_us + (int64_t)load->population.messages * load->step_us;
  body_fill(&connection->body, &load->population, time_us, load->step_us, measure_wall_us());
}

static void start_next(struct loop *loop, struct connection *connection) {
  struct load *load = loop->load;
  if (load->sent >= load->requests || *load->stop || measure_now_us() >= loop->until_us) return;
  fill_body(load, connection);
  connection->sent = connection->reply_kept = connection->reply_got = connection->reply_size = 0;
  connection->waiting = true;
  connection->start_us = measure_now_us();
  load->sent++;
  loop->waiting++;
  push(connection);
}

static uint64_t count_in(const char *reply, const char *member) {
  const char *at = strstr(reply, member);
  return at ? strtoull(at + strlen(member), NULL, 10) : 0;
}

static void finish(struct loop *loop, struct connection *connection, bool answered) {
  struct load *load = loop->load;
  bool ok = answered && strncmp(connection->reply, "HTTP/1.1 200", 12) == 0;
  connection->waiting = false;
  loop->waiting--;
  if (ok) {
    latency_add(&load->latency, measure_now_us() - connection->start_us);
    load->answered++;
    load->taken += count_in(connection->reply, "\"taken\":");
    load->duplicates += count_in(connection->reply, "\"duplicates\":");
  } else if (load->failed++ == 0) {
    connection->reply[connection->reply_kept] = '\0';
    fprintf(stderr, "bench: a request failed: %.600s\n", answered ? connection->reply : "connection lost");
  }
}

static void look_at_head(struct connection *connection) {
  connection->reply[connection->reply_kept] = '\0';
  const char *end = strstr(connection->reply, "\r\n\r\n");
  const char *length = strcasestr(connection->reply, "\r\nContent-Length:");
  if (!end || !length || length > end) return;
  size_t body_size = strtoull(length + 17, NULL, 10);
  connection->reply_size = (size_t)(end + 4 - connection->reply) + body_size;
}

// Reads until the reply is whole. False when the connection is over.
static bool pull(struct loop *loop, struct connection *connection) {
  static _Thread_local char rest[64 * 1024]; // of a long reply, of no interest
  while (connection->waiting) {
    size_t room = REPLY_BYTES - connection->reply_kept;
    char *at = room > 0 ? connection->reply + connection->reply_kept : rest;
    ssize_t got = recv(connection->fd, at, room > 0 ? room : sizeof rest, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return false;
    if (room > 0) connection->reply_kept += (size_t)got;
    connection->reply_got += (size_t)got;
    if (connection->reply_size == 0) look_at_head(connection);
    if (connection->reply_size > 0 && connection->reply_got >= connection->reply_size) finish(loop, connection, true);
  }
  return true;
}

static bool serve_event(struct loop *loop, struct connection *connection) {
  push(connection);
  bool alive = pull(loop, connection);
  if (!alive) {
    if (connection->waiting) finish(loop, connection, false);
    close(connection->fd);
    if (!connection_dial(loop, connection)) return false;
  }
  if (!connection->waiting) start_next(loop, connection);
  return true;
}

// --- all of them ---------------------------------------------------------------------------------------------

static bool fail(const char *what) {
  fprintf(stderr, "bench: %s\n", what);
  return false;
}

static bool turn(struct loop *loop) {
  struct epoll_event events[EVENTS_AT_ONCE];
  int64_t silent_since_us = measure_now_us();
  while (loop->waiting > 0) {
    int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, 1000);
    int64_t now_us = measure_now_us();
    if (count > 0) silent_since_us = now_us;
    if (now_us - silent_since_us > (int64_t)SILENCE_S * 1000000) return fail("the server has stopped answering");
    for (int i = 0; i < count; i++) {
      if (!serve_event(loop, events[i].data.ptr)) return fail("the server is gone");
    }
    if (loop->load->failed > FAILED_MAX) return fail("too many requests failed");
  }
  return true;
}

bool load_run(struct load *load) {
  struct loop loop = {.load = load, .epoll = epoll_create1(EPOLL_CLOEXEC)};
  bool ok = true;
  loop.connections = calloc(load->connections, sizeof *loop.connections);
  if (!loop.connections || loop.epoll < 0) {
    free(loop.connections);
    return fail("no memory");
  }
  for (size_t i = 0; i < load->connections; i++) ok = connection_init(&loop, &loop.connections[i], i) && ok;
  load->body_bytes = loop.connections[0].body.size_bytes;
  int64_t start_us = measure_now_us();
  loop.until_us = start_us + load->seconds * 1000000;
  if (!ok) fail("the server cannot be reached");
  for (size_t i = 0; i < load->connections && ok; i++) start_next(&loop, &loop.connections[i]);
  ok = ok && turn(&loop);
  load->elapsed_us = measure_now_us() - start_us;
  for (size_t i = 0; i < load->connections; i++) connection_release(&loop.connections[i]);
  free(loop.connections);
  close(loop.epoll);
  return ok;
}
