// The crew that runs requests: its order, what slow requests leave to others, a stop; then the same in a running
// server, whose requests are held by a lock on their Idempotency-Key, and whose disk is held by a gate before its sync.
#include "api_kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/idempotency.h"
#include "api/runners.h"
#include "base/alloc.h"
#include "store/store_backend.h"

#define TRACK "{\"type\":\"track\",\"event\":\"Tested\",\"userId\":\"u\",\"messageId\":\"%s\"}"

enum { PATIENCE_MS = 10000, ROUNDS_MAX = 200 };

// --- the crew alone ------------------------------------------------------------------------------------------

enum { CREW_REQUESTS = 8 };

static const struct route slow_route = {.flags = ROUTE_SLOW}, quick_route = {.flags = 0};

// What ran, in order. A slow request waits at the gate.
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool open;
  size_t begun, ended;
  uint64_t order[CREW_REQUESTS];
  pthread_t threads[CREW_REQUESTS];
} stage = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void stage_reset(bool open) {
  pthread_mutex_lock(&stage.lock);
  stage.open = open;
  stage.begun = stage.ended = 0;
  pthread_mutex_unlock(&stage.lock);
}

static void stage_open(void) {
  pthread_mutex_lock(&stage.lock);
  stage.open = true;
  pthread_cond_broadcast(&stage.changed);
  pthread_mutex_unlock(&stage.lock);
}

static void stage_await(const size_t *number, size_t wanted) {
  pthread_mutex_lock(&stage.lock);
  while (*number < wanted) pthread_cond_wait(&stage.changed, &stage.lock);
  pthread_mutex_unlock(&stage.lock);
}

static void perform(struct request *request) {
  pthread_mutex_lock(&stage.lock);
  stage.threads[stage.begun] = pthread_self();
  stage.order[stage.begun++] = (uint64_t)request->claimed_us; // the test's number of it
  pthread_cond_broadcast(&stage.changed);
  while (request->route == &slow_route && !stage.open) pthread_cond_wait(&stage.changed, &stage.lock);
  stage.ended++;
  pthread_cond_broadcast(&stage.changed);
  pthread_mutex_unlock(&stage.lock);
}

static struct request requests[CREW_REQUESTS];

static void add(struct runners *runners, int number, const struct route *route) {
  requests[number] = (struct request){.route = route, .claimed_us = number};
  runners_add(runners, &requests[number]);
}

static void slow_ones_leave_a_runner_to_quick_ones(void **state) {
  struct runners *runners;
  (void)state;
  stage_reset(false);
  assert_int_equal(runners_open(&runners, 3, perform), ERR_OK);
  for (int i = 0; i < 4; i++) add(runners, i, &slow_route);
  stage_await(&stage.begun, 2);
  for (int i = 4; i < 7; i++) add(runners, i, &quick_route);
  stage_await(&stage.ended, 3);
  struct runners_counts counts = runners_get_counts(runners);
  assert_int_equal(counts.queued, 2);
  assert_true(counts.running >= 2);
  assert_int_equal(stage.begun, 5);
  for (size_t i = 2; i < 5; i++) assert_int_equal(stage.order[i], i + 2); // the quick ones, in their order
  stage_open();
  stage_await(&stage.ended, 7);
  assert_int_equal(stage.order[5] + stage.order[6], 2 + 3);
  runners_close(runners);
}

static void one_runner_serves_in_order(void **state) {
  struct runners *runners;
  (void)state;
  stage_reset(false);
  assert_int_equal(runners_open(&runners, 1, perform), ERR_OK);
  for (int i = 0; i < CREW_REQUESTS; i++) add(runners, i, i % 3 ? &quick_route : &slow_route);
  stage_await(&stage.begun, 1);
  stage_open();
  stage_await(&stage.ended, CREW_REQUESTS);
  for (size_t i = 0; i < CREW_REQUESTS; i++) assert_int_equal(stage.order[i], i);
  runners_close(runners);
}

static void *open_after_three(void *context) {
  (void)context;
  stage_await(&stage.ended, 3);
  stage_open();
  return NULL;
}

static void a_stop_runs_the_queue_itself(void **state) {
  struct runners *runners;
  pthread_t opener;
  (void)state;
  stage_reset(false);
  assert_int_equal(runners_open(&runners, 1, perform), ERR_OK);
  add(runners, 0, &slow_route);
  stage_await(&stage.begun, 1);
  for (int i = 1; i < 4; i++) add(runners, i, &quick_route);
  assert_int_equal(pthread_create(&opener, NULL, open_after_three, NULL), 0);
  runners_stop(runners);
  assert_int_equal(stage.ended, 4);
  add(runners, 4, &slow_route); // too late for a runner
  assert_int_equal(stage.ended, 5);
  assert_false(pthread_equal(stage.threads[0], pthread_self()));
  for (size_t i = 1; i < 5; i++) assert_true(pthread_equal(stage.threads[i], pthread_self()));
  pthread_join(opener, NULL);
  runners_close(runners);
}

// --- a server that can be held -------------------------------------------------------------------------------

static pthread_mutex_t sync_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sync_opened = PTHREAD_COND_INITIALIZER;
static bool syncs_held;

struct server {
  struct kit kit;
  struct store *inner;
  struct store_txn *holder;
};

static enum err sync_when_open(void *self) {
  (void)self;
  pthread_mutex_lock(&sync_lock);
  while (syncs_held) pthread_cond_wait(&sync_opened, &sync_lock);
  pthread_mutex_unlock(&sync_lock);
  return ERR_OK;
}

static void hold_syncs(bool held) {
  pthread_mutex_lock(&sync_lock);
  syncs_held = held;
  pthread_cond_broadcast(&sync_opened);
  pthread_mutex_unlock(&sync_lock);
}

static void leave_open(void *self) {
  (void)self;
}

// A second front before a store in memory, which waits at the gate when it syncs.
static void open_store(struct server *server) {
  static struct store_backend_ops ops;
  assert_int_equal(store_open_memory(&server->inner), ERR_OK);
  struct store_backend backend = store_front_backend(server->inner);
  ops = *backend.ops;
  ops.sync = sync_when_open;
  ops.close = leave_open;
  assert_int_equal(store_front_open(&server->kit.store, (struct store_backend){&ops, backend.self}), ERR_OK);
}

static void server_prepare(struct server *server) {
  struct kit *kit = &server->kit;
  struct diag diag;
  diag_init(&diag);
  *server = (struct server){0};
  log_open(2, LOG_TEXT, LOG_ERROR);
  clock_init(&kit->clock);
  open_store(server);
  assert_int_equal(engine_create_workspace(kit->store, &kit->clock, &diag), ERR_OK);
  struct engine_options options = {.store = kit->store, .clock = &kit->clock};
  assert_int_equal(engine_open(&kit->engine, &options, &diag), ERR_OK);
  kit_source(kit, "shop", ENGINE_SOURCE_SERVER);
  kit_key(kit, true, KIT_SCOPES_ALL, "shop", kit->admin_key);
}

static void server_open(struct server *server, unsigned threads) {
  struct api_options options = {.listen = "127.0.0.1:0", .threads = threads};
  struct diag diag;
  diag_init(&diag);
  server_prepare(server);
  if (api_open(&server->kit.api, server->kit.engine, &options, &diag)) fail_msg("%s", diag.message);
}

static void server_close(struct server *server) {
  kit_close(&server->kit);
  store_close(server->inner);
}

// Until `release`, a write with the Idempotency-Key "held" waits in its runner.
static void hold(struct server *server) {
  struct idempotency_request parts = {.header = BYTES("held")};
  struct idempotency_key key;
  struct engine_key caller;
  struct diag diag;
  diag_init(&diag);
  assert_int_equal(engine_key_check(server->kit.engine, bytes_from_text(server->kit.admin_key), &caller, &diag),
                   ERR_OK);
  parts.key_id = caller.id;
  idempotency_key_make(&key, &parts);
  struct bytes row = idempotency_lock(&key);
  assert_int_equal(store_begin(server->kit.store, &server->holder), ERR_OK);
  assert_int_equal(store_lock_many(server->holder, STORE_LOCK_IDEMPOTENCY, &row, 1), ERR_OK);
}

static void release(struct server *server) {
  store_abort(server->holder);
}

static uint64_t gauge(const struct server *server, const char *name) {
  char wanted[64];
  struct kit_reply reply = kit_ask(&server->kit, (struct kit_request){.path = "/metrics"});
  snprintf(wanted, sizeof wanted, "\nrapport_http_%s ", name);
  const char *found = strstr(reply.body, wanted);
  assert_non_null(found);
  uint64_t value = strtoull(found + strlen(wanted), NULL, 10);
  kit_reply_release(&reply);
  return value;
}

static void await_gauge(const struct server *server, const char *name, uint64_t wanted) {
  for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
    if (gauge(server, name) == wanted) return;
    usleep(5000);
  }
  fail_msg("%s never became %d", name, (int)wanted);
}

static uint64_t events_of(const struct server *server) {
  struct engine_counts counts;
  assert_int_equal(engine_get_counts(server->kit.engine, &counts), ERR_OK);
  return counts.events;
}

// --- requests under way --------------------------------------------------------------------------------------

// One request in a thread of its own.
struct sender {
  pthread_t thread;
  uint16_t port;
  struct kit_request request;
  char body[256];
  struct kit_reply reply;
  bool sent;
};

static void *send_one(void *context) {
  struct sender *sender = context;
  CURL *curl = curl_easy_init();
  sender->sent = curl && kit_send(curl, sender->port, &sender->request, &sender->reply);
  curl_easy_cleanup(curl);
  return NULL;
}

static void sender_begin(struct sender *sender, const struct server *server, struct kit_request request) {
  sender->port = api_port(server->kit.api);
  sender->request = request;
  sender->request.key = server->kit.admin_key;
  assert_int_equal(pthread_create(&sender->thread, NULL, send_one, sender), 0);
}

static void sender_expect(struct sender *sender, long status, const char *words) {
  pthread_join(sender->thread, NULL);
  assert_true(sender->sent);
  if (sender->reply.status != status) fail_msg("%ld: %s", sender->reply.status, sender->reply.body);
  assert_non_null(strstr(sender->reply.body, words));
  kit_reply_release(&sender->reply);
}

static void begin_track(struct sender *sender, const struct server *server, const char *id) {
  snprintf(sender->body, sizeof sender->body, TRACK, id);
  sender_begin(sender, server, (struct kit_request){.path = "/v1/track", .body = sender->body});
}

static const struct kit_request held_slow = {
    .path = "/v1/identity/rules?dry_run=true", .method = "PUT", .body = "{}", .headers = {"Idempotency-Key: held"}};
static const struct kit_request held_quick = {.path = "/v1/sources",
                                              .method = "PUT",
                                              .body = "{\"name\":\"held\",\"kind\":\"till\"}",
                                              .headers = {"Idempotency-Key: held"}};

static void a_server_full_of_slow_requests_takes_events(void **state) {
  struct sender slow[3], quick, event = {0};
  struct server server;
  (void)state;
  server_open(&server, 2);
  hold(&server);
  for (int i = 0; i < 3; i++) sender_begin(&slow[i], &server, held_slow);
  await_gauge(&server, "requests_queued", 2);
  assert_int_equal(gauge(&server, "requests_running"), 1);
  begin_track(&event, &server, "e1");
  sender_expect(&event, 200, "\"taken\":1");
  // With the last runner held too, what asks for no runner is still answered.
  sender_begin(&quick, &server, held_quick);
  await_gauge(&server, "requests_running", 2);
  kit_expect(&server.kit, (struct kit_request){.path = "/readyz"}, 200, "ready");
  kit_expect(&server.kit, (struct kit_request){.path = "/nowhere"}, 404, "no_route");
  kit_expect(&server.kit, (struct kit_request){.path = "/v1/track", .method = "OPTIONS"}, 204, NULL);
  release(&server);
  int answered = 0;
  for (int i = 0; i < 3; i++) {
    pthread_join(slow[i].thread, NULL);
    answered += slow[i].sent && slow[i].reply.status >= 200;
    kit_reply_release(&slow[i].reply);
  }
  assert_int_equal(answered, 3);
  pthread_join(quick.thread, NULL);
  assert_true(quick.sent);
  kit_reply_release(&quick.reply);
  server_close(&server);
}

static void *close_api(void *context) {
  struct server *server = context;
  api_close(server->kit.api);
  return NULL;
}

static void a_stop_with_requests_everywhere(void **state) {
  struct sender syncing = {0}, running, queued[2];
  struct server server;
  pthread_t closer;
  (void)state;
  server_open(&server, 1);
  hold(&server);
  hold_syncs(true);
  begin_track(&syncing, &server, "s1");
  await_gauge(&server, "requests_awaiting_sync", 1); // and holds no runner:
  sender_begin(&running, &server, held_quick);
  await_gauge(&server, "requests_running", 1);
  for (int i = 0; i < 2; i++) begin_track(&queued[i], &server, i ? "q1" : "q2");
  await_gauge(&server, "requests_queued", 2);
  assert_int_equal(pthread_create(&closer, NULL, close_api, &server), 0);
  for (int i = 0; i < 2; i++) sender_expect(&queued[i], 503, "\"code\":\"stopping\"");
  release(&server);
  usleep(50 * 1000); // the stop now waits for the disk
  hold_syncs(false);
  sender_expect(&syncing, 200, "\"taken\":1");
  sender_expect(&running, 200, "\"kind\":\"till\"");
  pthread_join(closer, NULL);
  server.kit.api = NULL;
  assert_int_equal(events_of(&server), 1);
  server_close(&server);
}

// --- clients that go away ------------------------------------------------------------------------------------

static int dial(const struct server *server) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(api_port(server->kit.api)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static int send_raw(const struct server *server, const char *line, const char *header, const char *body) {
  char text[1024];
  int fd = dial(server);
  int size = snprintf(text, sizeof text,
                      "%s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n%sContent-Length: %zu\r\n\r\n%s", line,
                      server->kit.admin_key, header, strlen(body), body);
  assert_int_equal(write(fd, text, (size_t)size), size);
  return fd;
}

static int send_raw_track(const struct server *server, const char *id) {
  char body[256];
  snprintf(body, sizeof body, TRACK, id);
  return send_raw(server, "POST /v1/track", "", body);
}

// Closes so that the server is told with a reset, as of a machine that crashed.
static void vanish(int fd) {
  struct linger at_once = {.l_onoff = 1};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

// What they asked is done all the same: nobody can tell that they did not see the answer.
static void clients_that_go_away(void **state) {
  struct server server;
  int fds[4];
  (void)state;
  server_open(&server, 1);
  hold(&server);
  hold_syncs(true);
  fds[0] = send_raw_track(&server, "g0");
  await_gauge(&server, "requests_awaiting_sync", 1);
  fds[1] = send_raw(&server, "PUT /v1/sources", "Idempotency-Key: held\r\n", held_quick.body);
  await_gauge(&server, "requests_running", 1);
  fds[2] = send_raw_track(&server, "g2");
  fds[3] = send_raw_track(&server, "g3");
  await_gauge(&server, "requests_queued", 2);
  for (int i = 0; i < 4; i++) {
    if (i % 2) vanish(fds[i]);
    if (i % 2 == 0) close(fds[i]);
  }
  release(&server);
  await_gauge(&server, "requests_awaiting_sync", 4);
  hold_syncs(false);
  await_gauge(&server, "requests_awaiting_sync", 0);
  await_gauge(&server, "connections", 1); // that of the question
  assert_int_equal(events_of(&server), 3);
  server_close(&server);
}

// --- memory --------------------------------------------------------------------------------------------------

// A server opens whole or leaves nothing behind; what it was asked meanwhile is in api_fault_test.
static void memory_runs_out(void **state) {
  struct api_options options = {.listen = "127.0.0.1:0", .threads = 4};
  struct server server;
  struct diag diag;
  bool failed = true;
  unsigned refused = 0;
  (void)state;
  server_prepare(&server);
  for (unsigned n = 0; failed && n < ROUNDS_MAX; n++) {
    struct api *api = NULL;
    diag_init(&diag);
    alloc_fail_after(n, false);
    enum err err = api_open(&api, server.kit.engine, &options, &diag);
    failed = alloc_fail_disarm();
    if (err) assert_int_equal(err, ERR_NO_MEMORY);
    if (err) refused++;
    if (api) api_close(api);
  }
  assert_true(refused > 0);
  assert_false(failed);
  server_close(&server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slow_ones_leave_a_runner_to_quick_ones),
      cmocka_unit_test(one_runner_serves_in_order),
      cmocka_unit_test(a_stop_runs_the_queue_itself),
      cmocka_unit_test(a_server_full_of_slow_requests_takes_events),
      cmocka_unit_test(a_stop_with_requests_everywhere),
      cmocka_unit_test(clients_that_go_away),
      cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
