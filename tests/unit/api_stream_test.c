// The change feed as server-sent events: many readers beside writers, readers that go, stop reading or never come back,
// and a server that stops under them. Each change comes once, in one order.
#include "api_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READERS = 6, WRITERS = 2, BATCHES = 10, BATCH_EVENTS = 20, SLOW_CUSTOMERS = 6000, PATIENCE_S = 30 };

static struct kit kit;

static void pause_ms(long ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

// --- a reader ------------------------------------------------------------------------------------------------

struct reader {
  int fd;
  char *text; // headers and all
  size_t size;
  size_t scanned, count; // events
  unsigned long last;    // cursor
};

static int dial(uint16_t port, int receive_bytes) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct timeval patience = {.tv_sec = PATIENCE_S};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  if (receive_bytes) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

// HTTP/1.0 has no chunks in which an event could be cut.
static void reader_open(struct reader *reader, const char *query, const char *version, int receive_bytes) {
  char request[512];
  *reader = (struct reader){.fd = dial(api_port(kit.api), receive_bytes)};
  int size =
      snprintf(request, sizeof request, "GET /v1/stream%s HTTP/%s\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n",
               query, version, kit.read_key);
  assert_int_equal(send(reader->fd, request, (size_t)size, 0), size);
}

// Looks through the events that came since it last did; their cursors must ascend.
static void reader_scan(struct reader *reader) {
  static const char begin[] = "event: segment\ndata: {\"cursor\":\"";
  const char *at = reader->text ? reader->text + reader->scanned : "", *end;
  while ((at = strstr(at, begin)) != NULL && (end = strstr(at, "}\n\n")) != NULL) {
    unsigned long cursor = strtoul(at + strlen(begin), NULL, 16);
    assert_true(cursor > reader->last);
    reader->last = cursor;
    reader->count++;
    at = end;
    reader->scanned = (size_t)(end - reader->text);
  }
}

// One more piece. False at the end.
static bool reader_take(struct reader *reader) {
  char piece[4096];
  ssize_t got = recv(reader->fd, piece, sizeof piece, 0);
  if (got < 0 && errno != ECONNRESET) fail_msg("a stream is silent");
  if (got > 0) kit_append(&reader->text, &reader->size, piece, (size_t)got);
  reader_scan(reader);
  return got > 0;
}

static void reader_close(struct reader *reader) {
  close(reader->fd);
  free(reader->text);
}

// --- a segment and who enters it -----------------------------------------------------------------------------

static void define(const char *id, const char *event) {
  char body[256], path[64];
  snprintf(body, sizeof body, "{\"id\":\"%s\",\"include\":\"exists(\\\"%s\\\")\"}", id, event);
  snprintf(path, sizeof path, "/v1/segments/%s", id);
  kit_expect(&kit, (struct kit_request){.path = "/v1/segments", .key = kit.admin_key, .body = body}, 200, id);
  for (int i = 0;; i++) {
    struct kit_reply reply = kit_ask(&kit, (struct kit_request){.path = path, .key = kit.admin_key});
    bool live = strstr(reply.body, "\"status\":\"live\"") != NULL;
    kit_reply_release(&reply);
    if (live) return;
    if (i == 1000) fail_msg("%s is not live", id);
    pause_ms(10);
  }
}

static void enter(const char *event, unsigned first, unsigned count) {
  struct buffer body;
  buffer_init(&body);
  buffer_append_text(&body, "{\"batch\":[");
  for (unsigned i = first; i < first + count; i++) {
    buffer_append_format(&body, "%s{\"type\":\"track\",\"event\":\"%s\",\"userId\":\"%s%u\",\"messageId\":\"%s%u\"}",
                         i == first ? "" : ",", event, event, i, event, i);
  }
  buffer_append_text(&body, "]}");
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .key = kit.write_key, .raw = buffer_view(&body)}, 200,
             "\"success\":true");
  buffer_release(&body);
}

static void *write_batches(void *context) {
  unsigned writer = *(unsigned *)context;
  for (unsigned i = 0; i < BATCHES; i++) enter("Clicked", (writer * BATCHES + i) * BATCH_EVENTS, BATCH_EVENTS);
  return NULL;
}

static void *read_all(void *context) {
  struct reader *reader = context;
  while (reader->count < WRITERS * BATCHES * BATCH_EVENTS) {
    if (!reader_take(reader)) fail_msg("a stream ended");
  }
  return NULL;
}

// --- the tests -----------------------------------------------------------------------------------------------

static void everybody_is_told_everything(void **state) {
  struct reader readers[READERS];
  pthread_t reading[READERS], writing[WRITERS];
  unsigned numbers[WRITERS];
  (void)state;
  define("clicked", "Clicked");
  for (int i = 0; i < READERS; i++) {
    reader_open(&readers[i], i % 2 ? "?segment=clicked" : "", "1.0", 0);
    assert_true(reader_take(&readers[i]));
  }
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_create(&reading[i], NULL, read_all, &readers[i]), 0);
  for (unsigned i = 0; i < WRITERS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&writing[i], NULL, write_batches, &numbers[i]), 0);
  }
  for (int i = 0; i < WRITERS; i++) pthread_join(writing[i], NULL);
  for (int i = 0; i < READERS; i++) pthread_join(reading[i], NULL);
  for (int i = 0; i < READERS; i++) {
    assert_int_equal(readers[i].count, WRITERS * BATCHES * BATCH_EVENTS);
    assert_non_null(strstr(readers[i].text, "Content-Type: text/event-stream"));
    reader_close(&readers[i]);
  }
}

static size_t stream_count(void) {
  struct kit_reply reply = kit_ask(&kit, (struct kit_request){.path = "/metrics"});
  const char *line = strstr(reply.body, "\nrapport_streams ");
  assert_non_null(line);
  size_t count = (size_t)strtoul(line + strlen("\nrapport_streams "), NULL, 10);
  kit_reply_release(&reply);
  return count;
}

static void a_reader_that_goes_frees_its_place(void **state) {
  struct reader readers[READERS];
  (void)state;
  for (int i = 0; i < READERS; i++) {
    reader_open(&readers[i], "", "1.1", 0);
    assert_true(reader_take(&readers[i]));
  }
  for (int i = 0; i < READERS; i++) reader_close(&readers[i]);
  for (int i = 0; stream_count() > 0; i++) {
    if (i == 1000) fail_msg("streams of readers who have gone are still there");
    pause_ms(10);
  }
}

// The kernel takes some of it; what it does not take, the server does not keep.
static void a_reader_that_takes_nothing_is_dropped(void **state) {
  struct reader slow;
  char query[64];
  (void)state;
  define("seen", "Seen");
  for (unsigned i = 0; i < SLOW_CUSTOMERS; i += 500) enter("Seen", i, 500);
  reader_open(&slow, "?after=0&segment=seen", "1.0", 2048);
  assert_true(reader_take(&slow));
  for (int i = 0; stream_count() > 0; i++) {
    if (i == 1500) fail_msg("a reader that takes nothing is still there");
    pause_ms(10);
  }
  while (reader_take(&slow)) {
  }
  size_t told = slow.count;
  assert_true(told > 0 && told < SLOW_CUSTOMERS);
  snprintf(query, sizeof query, "?segment=seen&after=%lx", slow.last);
  reader_close(&slow);
  reader_open(&slow, query, "1.0", 0);
  while (told + slow.count < SLOW_CUSTOMERS) assert_true(reader_take(&slow));
  assert_int_equal(told + slow.count, SLOW_CUSTOMERS);
  reader_close(&slow);
}

// Also one whose reader takes nothing.
static void a_stop_ends_streams(void **state) {
  struct reader readers[READERS], slow;
  (void)state;
  reader_open(&slow, "?after=0&segment=seen", "1.0", 2048);
  assert_true(reader_take(&slow));
  for (int i = 0; i < READERS; i++) {
    reader_open(&readers[i], "", "1.1", 0);
    assert_true(reader_take(&readers[i]));
  }
  int64_t begun_us = clock_monotonic_us();
  api_close(kit.api);
  kit.api = NULL;
  assert_true(clock_monotonic_us() - begun_us < 5 * (int64_t)CLOCK_SECOND_US);
  for (int i = 0; i < READERS; i++) {
    while (reader_take(&readers[i])) {
    }
    assert_non_null(strstr(readers[i].text, "\r\n0\r\n\r\n")); // the last chunk: it ended in order
    reader_close(&readers[i]);
  }
  reader_close(&slow);
}

static int setup(void **state) {
  (void)state;
  kit_open(&kit, &(struct api_options){.idle_timeout_s = 2});
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everybody_is_told_everything),
      cmocka_unit_test(a_reader_that_goes_frees_its_place),
      cmocka_unit_test(a_reader_that_takes_nothing_is_dropped),
      cmocka_unit_test(a_stop_ends_streams),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
