// A running server: collect routes, refusals, CORS, limits, slow and hostile clients, stopping under load.
#include "api_kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/limits.h"

#define MESSAGE(id, user) "{\"type\":\"track\",\"event\":\"Tested\",\"userId\":\"" user "\",\"messageId\":\"" id "\"}"

static struct kit kit;

static void operations(void **state) {
  (void)state;
  kit_expect(&kit, (struct kit_request){.path = "/healthz"}, 200, "{\"status\":\"ok\"}");
  kit_expect(&kit, (struct kit_request){.path = "/readyz"}, 200, "\"status\":\"ready\"");
  kit_expect(&kit, (struct kit_request){.path = "/metrics"}, 200, "rapport_events_total{outcome=\"taken\"}");
  kit_expect(&kit, (struct kit_request){.path = "/metrics", .headers = {"X-Forwarded-For: 192.0.2.1"}}, 401,
             "missing_key");
  struct kit_reply reply = kit_ask(&kit, (struct kit_request){.path = "/healthz", .method = "HEAD"});
  assert_int_equal(reply.status, 200);
  assert_int_equal(reply.body_size, 0);
  assert_non_null(strstr(reply.headers, "Content-Length: 15"));
  kit_reply_release(&reply);
}

static void unknown_addresses_and_methods(void **state) {
  (void)state;
  kit_expect(&kit, (struct kit_request){.path = "/nowhere"}, 404, "no_route");
  kit_expect(&kit, (struct kit_request){.path = "/v1/nothing", .body = "{}"}, 404, "no_route");
  kit_expect(&kit, (struct kit_request){.path = "/v1/%zz"}, 400, "bad_percent_encoding");
  kit_expect(&kit, (struct kit_request){.path = "/v1/%00"}, 400, "nul_in_path");
  kit_expect(&kit, (struct kit_request){.path = "/v1/%ff"}, 400, "invalid_utf8");
  struct kit_reply reply = kit_ask(&kit, (struct kit_request){.path = "/v1/identity/rules", .method = "PATCH"});
  assert_int_equal(reply.status, 405);
  assert_non_null(strstr(reply.headers, "Allow: GET, PUT, HEAD, OPTIONS"));
  assert_null(strstr(reply.headers, "Access-Control"));
  kit_reply_release(&reply);
}

// --- collect -------------------------------------------------------------------------------------------------

static void a_key_in_every_place(void **state) {
  char text[512], pair[512];
  (void)state;
  kit_expect(&kit, (struct kit_request){.path = "/v1/track", .body = MESSAGE("k1", "u1"), .key = kit.write_key}, 200,
             "{\"success\":true,\"taken\":1,\"duplicates\":0,\"rejected\":[],\"aside\":[]}");
  snprintf(text, sizeof text, "/v1/track?writeKey=%s", kit.write_key);
  kit_expect(&kit, (struct kit_request){.path = text, .body = MESSAGE("k2", "u1")}, 200, "\"taken\":1");
  snprintf(pair, sizeof pair, "X-Write-Key: kid:%s", kit.write_key);
  kit_expect(&kit, (struct kit_request){.path = "/api/s/track", .body = MESSAGE("k3", "u1"), .headers = {pair}}, 200,
             "\"taken\":1");
  snprintf(text, sizeof text,
           "{\"batch\":[{\"type\":\"track\",\"event\":\"Tested\",\"userId\":\"u1\",\"messageId\":\"k4\"}],"
           "\"writeKey\":\"%s\"}",
           kit.write_key);
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .body = text, .headers = {"Content-Type: text/plain"}},
             200, "\"taken\":1");
  kit_expect(&kit, (struct kit_request){.path = "/v1/track", .body = MESSAGE("k4", "u1"), .key = kit.write_key}, 200,
             "\"duplicates\":1");
  kit_expect(&kit, (struct kit_request){.path = "/v1/track", .body = MESSAGE("k5", "u1")}, 401, "missing_key");
  kit_expect(&kit, (struct kit_request){.path = "/v1/track", .body = MESSAGE("k5", "u1"), .key = "wk_no"}, 401,
             "bad_key");
  kit_expect(&kit, (struct kit_request){.path = "/v1/track", .body = MESSAGE("k5", "u1"), .key = kit.read_key}, 403,
             "missing_scope");
  kit_expect(&kit, (struct kit_request){.path = "/v1/stats", .key = kit.write_key}, 403, "missing_scope");
}

static void items_are_refused_alone_and_envelopes_whole(void **state) {
  (void)state;
  kit_expect(&kit,
             (struct kit_request){
                 .path = "/v1/batch",
                 .body = "{\"batch\":[" MESSAGE("i1", "u2") ",{\"type\":\"dance\"},7," MESSAGE("i2", "u2") "]}",
                 .key = kit.write_key},
             200, "\"taken\":2");
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .body = "{\"batch\":[", .key = kit.write_key}, 400,
             "code");
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .body = "", .key = kit.write_key}, 400, "code");
  kit_expect(&kit, (struct kit_request){.path = "/v1/import", .body = "{\"batch\":[]}", .key = kit.write_key}, 403,
             "server_key_needed");
  kit_expect(&kit,
             (struct kit_request){
                 .path = "/v1/import", .body = "{\"batch\":[" MESSAGE("i3", "u2") "]}", .key = kit.server_key},
             200, "\"taken\":1");
}

static struct bytes gzip(const void *plain, size_t size) {
  z_stream stream = {0};
  assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  size_t room = deflateBound(&stream, size) + 64;
  uint8_t *out = malloc(room);
  assert_non_null(out);
  stream.next_in = (uint8_t *)(uintptr_t)plain;
  stream.avail_in = (unsigned)size;
  stream.next_out = out;
  stream.avail_out = (unsigned)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  deflateEnd(&stream);
  return bytes_of(out, room - stream.avail_out);
}

static void bodies_at_and_over_the_limit(void **state) {
  const char *json = "{\"batch\":[" MESSAGE("z1", "u3") "]}";
  uint8_t *large = calloc(1, LIMIT_BODY_BYTES + 1);
  (void)state;
  assert_non_null(large);
  struct bytes small = gzip(json, strlen(json)), bomb = gzip(large, LIMIT_BODY_BYTES + 1);
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .raw = small, .key = kit.write_key}, 200, "\"taken\":1");
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .raw = bomb, .key = kit.write_key}, 400, "too_large");
  struct bytes over = bytes_of(large, LIMIT_BODY_BYTES + 1);
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .raw = over, .key = kit.write_key}, 400, "too_large");
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .raw = over, .key = kit.write_key, .headers = {"Expect:"}},
             400, "4194304");
  free((void *)(uintptr_t)small.data);
  free((void *)(uintptr_t)bomb.data);
  free(large);
}

static void a_pixel(void **state) {
  char path[512];
  (void)state;
  snprintf(path, sizeof path, "/v1/pixel.gif?event=Opened&userId=pixel&mail=n%%C3%%A9ws&writeKey=%s", kit.write_key);
  for (int i = 0; i < 2; i++) { // the same address twice is two openings
    struct kit_reply reply = kit_ask(&kit, (struct kit_request){.path = path});
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_size, 43);
    assert_memory_equal(reply.body, "GIF89a", 6);
    assert_non_null(strstr(reply.headers, "Content-Type: image/gif"));
    assert_non_null(strstr(reply.headers, "Cache-Control: no-store"));
    kit_reply_release(&reply);
  }
  // {"type":"track","event":"Opened","userId":"pixel","messageId":"p1"}
  snprintf(path, sizeof path,
           "/v1/pixel.gif?data=eyJ0eXBlIjoidHJhY2siLCJldmVudCI6Ik9wZW5lZCIsInVzZXJJZCI6InBpeGVsIiwibWVzc2FnZUlkIjoicDEi"
           "fQ%%3D%%3D&writeKey=%s",
           kit.write_key);
  kit_expect(&kit, (struct kit_request){.path = path}, 200, NULL);
  kit_expect(&kit, (struct kit_request){.path = "/v1/customers/user_id:pixel/events?name=Opened", .key = kit.admin_key},
             200, "\"next\":null");
  kit_expect(&kit, (struct kit_request){.path = "/v1/customers/user_id:pixel", .key = kit.admin_key}, 200,
             "\"events\":3");
  kit_expect(&kit, (struct kit_request){.path = "/v1/pixel.gif?event=Opened&userId=pixel"}, 401, "missing_key");
}

static void what_browser_sdks_ask_for_first(void **state) {
  char path[256], host[64];
  (void)state;
  snprintf(path, sizeof path, "/v1/projects/%s/settings", kit.write_key);
  snprintf(host, sizeof host, "\"apiHost\":\"127.0.0.1:%u/v1\",\"protocol\":\"http\"", (unsigned)api_port(kit.api));
  kit_expect(&kit, (struct kit_request){.path = path}, 200, host);
  kit_expect(&kit, (struct kit_request){.path = path, .headers = {"X-Forwarded-Proto: https", "Host: cdp.example"}},
             200, "\"apiHost\":\"cdp.example/v1\",\"protocol\":\"https\"");
  kit_expect(&kit, (struct kit_request){.path = path, .headers = {"Host: \"<x>"}}, 400, "code");
  kit_expect(&kit, (struct kit_request){.path = "/v1/projects/wk_no/settings"}, 401, "bad_key");
  kit_expect(&kit, (struct kit_request){.path = "/sourceConfig/?p=npm", .key = kit.write_key}, 200,
             "\"destinations\":[]");
}

static void browsers_of_other_origins(void **state) {
  (void)state;
  struct kit_reply reply = kit_ask(
      &kit, (struct kit_request){.path = "/v1/t",
                                 .method = "OPTIONS",
                                 .headers = {"Origin: https://shop.example", "Access-Control-Request-Method: POST",
                                             "Access-Control-Request-Headers: authorization,x-retry-count,x-evil"}});
  assert_int_equal(reply.status, 204);
  assert_non_null(strstr(reply.headers, "Access-Control-Allow-Origin: https://shop.example"));
  assert_non_null(strstr(reply.headers, "Access-Control-Allow-Methods: POST"));
  assert_non_null(strstr(reply.headers, "Access-Control-Allow-Headers: authorization, x-retry-count\r"));
  assert_non_null(strstr(reply.headers, "Access-Control-Max-Age: "));
  kit_reply_release(&reply);
  reply =
      kit_ask(&kit, (struct kit_request){.path = "/v1/t", .body = "{}", .headers = {"Origin: https://shop.example"}});
  assert_int_equal(reply.status, 401); // a refusal must be readable too
  assert_non_null(strstr(reply.headers, "Access-Control-Allow-Origin: https://shop.example"));
  assert_non_null(strstr(reply.headers, "Access-Control-Expose-Headers: Retry-After"));
  kit_reply_release(&reply);
  reply = kit_ask(&kit, (struct kit_request){.path = "/v1/stats", .headers = {"Origin: https://shop.example"}});
  assert_null(strstr(reply.headers, "Access-Control"));
  kit_reply_release(&reply);
}

static void one_connection_serves_many_requests(void **state) {
  CURL *curl = curl_easy_init();
  long connects = 0, total = 0;
  (void)state;
  assert_non_null(curl);
  for (int i = 0; i < 20; i++) {
    struct kit_reply reply;
    struct kit_request request = {.path = i % 3 ? "/v1/nothing" : "/v1/track", .body = "{}"};
    assert_true(kit_send(curl, api_port(kit.api), &request, &reply));
    assert_int_equal(reply.status, i % 3 ? 404 : 401);
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
    total += connects;
    kit_reply_release(&reply);
  }
  assert_int_equal(total, 1); // refusals keep the connection
  curl_easy_cleanup(curl);
}

// --- many at once --------------------------------------------------------------------------------------------

struct sender {
  pthread_t thread;
  const struct kit *kit;
  int number, count;
  _Atomic int taken, refused;
};

static void *send_many(void *context) {
  struct sender *sender = context;
  CURL *curl = curl_easy_init();
  char body[256];
  uint16_t port = api_port(sender->kit->api);
  for (int i = 0; curl && i < sender->count; i++) {
    struct kit_reply reply;
    struct kit_request request = {.path = "/v1/track", .body = body, .key = sender->kit->write_key};
    snprintf(body, sizeof body,
             "{\"type\":\"track\",\"event\":\"Loaded\",\"userId\":\"load-%d\",\"messageId\":\"load-%d-%d\"}",
             sender->number, sender->number, i);
    bool sent = kit_send(curl, port, &request, &reply);
    bool taken = sent && reply.status == 200 && strstr(reply.body, "\"taken\":1");
    if (taken) sender->taken++;
    if (!taken) sender->refused++;
    kit_reply_release(&reply);
    if (!sent) break;
  }
  curl_easy_cleanup(curl);
  return NULL;
}

enum { SENDERS = 8 };

static int run_senders(struct kit *served, int count, bool close) {
  static struct sender senders[SENDERS];
  int taken = 0;
  for (int i = 0; i < SENDERS; i++) {
    senders[i] = (struct sender){.kit = served, .number = i, .count = count};
    assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
  }
  if (close) {
    usleep(200 * 1000);
    struct kit copy = *served;
    api_close(copy.api);
  }
  for (int i = 0; i < SENDERS; i++) {
    pthread_join(senders[i].thread, NULL);
    taken += senders[i].taken;
    if (!close) assert_int_equal(senders[i].refused, 0);
  }
  return taken;
}

static void many_connections_at_once(void **state) {
  struct engine_counts before, now;
  (void)state;
  assert_int_equal(engine_get_counts(kit.engine, &before), ERR_OK);
  int taken = run_senders(&kit, 40, false);
  assert_int_equal(taken, SENDERS * 40);
  assert_int_equal(engine_get_counts(kit.engine, &now), ERR_OK);
  assert_int_equal(now.events - before.events, taken);
}

// --- limits and hostile clients ------------------------------------------------------------------------------

static void a_rate_is_kept(void **state) {
  struct api_options options = {.rate_events_per_s = 1, .rate_burst_events = 2};
  struct kit limited;
  (void)state;
  kit_open(&limited, &options);
  kit_expect(&limited, (struct kit_request){.path = "/v1/track", .body = MESSAGE("r1", "u"), .key = limited.write_key},
             200, NULL);
  kit_expect(&limited, (struct kit_request){.path = "/v1/track", .body = MESSAGE("r2", "u"), .key = limited.write_key},
             200, NULL);
  struct kit_reply reply = kit_ask(
      &limited, (struct kit_request){.path = "/v1/track", .body = MESSAGE("r3", "u"), .key = limited.write_key});
  assert_int_equal(reply.status, 429);
  assert_non_null(strstr(reply.body, "\"code\":\"rate_limited\""));
  assert_non_null(strstr(reply.headers, "Retry-After: 1\r"));
  kit_reply_release(&reply);
  kit_expect(&limited, (struct kit_request){.path = "/v1/track", .body = MESSAGE("r3", "u"), .key = limited.server_key},
             200, NULL);
  kit_close(&limited);
}

static int dial(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval patience = {.tv_sec = 10};
  assert_true(fd >= 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static void raw_bytes_never_hurt(void **state) {
  static const char *const attempts[] = {
      "GET /healthz HTTP/1.1\r\nHost: a\r\nX: \x01\x02\xff\r\n\r\n",
      "\r\n\r\n\r\n",
      "POST /v1/track HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
      "POST /v1/track HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
      "POST /v1/track HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
      "BREW /coffee HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /v1/customers/\xc3( HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET",
  };
  char answer[1024];
  (void)state;
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
    int fd = dial(api_port(kit.api));
    assert_true(write(fd, attempts[i], strlen(attempts[i])) > 0);
    shutdown(fd, SHUT_WR);
    while (read(fd, answer, sizeof answer) > 0) continue;
    close(fd);
  }
  char *huge = malloc(300000);
  assert_non_null(huge);
  memset(huge, 'a', 300000);
  memcpy(huge, "GET /", 5);
  int fd = dial(api_port(kit.api));
  for (int sent = 0; sent < 300000;) {
    ssize_t count = send(fd, huge + sent, (size_t)(300000 - sent), MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += (int)count;
  }
  close(fd);
  free(huge);
  kit_expect(&kit, (struct kit_request){.path = "/healthz"}, 200, NULL);
}

// A client that sends one byte now and then keeps its connection only as long as a request may take.
static void dawdlers_are_sent_away(void **state) {
  struct api_options options = {.request_timeout_s = 1, .idle_timeout_s = 1};
  struct kit hasty;
  char byte;
  (void)state;
  kit_open(&hasty, &options);
  int fd = dial(api_port(hasty.api));
  const char *head = "POST /v1/track HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
  assert_true(write(fd, head, strlen(head)) > 0);
  bool ended = false;
  for (int i = 0; i < 100 && !ended; i++) {
    usleep(50 * 1000);
    if (send(fd, "x", 1, MSG_NOSIGNAL) < 0) ended = true;
    if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0) ended = true;
  }
  assert_true(ended);
  close(fd);
  kit_close(&hasty);
}

// Everything that was answered 200 is there; nothing hangs.
static void stopping_under_load_loses_nothing(void **state) {
  struct engine_counts counts;
  struct kit busy;
  (void)state;
  kit_open(&busy, NULL);
  int taken = run_senders(&busy, 100000, true);
  busy.api = NULL;
  assert_int_equal(engine_get_counts(busy.engine, &counts), ERR_OK);
  assert_true(taken > 0);
  assert_true(counts.events >= (uint64_t)taken);
  kit_close(&busy);
}

static void an_address_that_cannot_be(void **state) {
  static const char *const wrong[] = {
      "",       "8080",  "127.0.0.1", "127.0.0.1:",        "127.0.0.1:x", "127.0.0.1:70000",
      "::1:80", "[::1]", ":80",       "300.300.300.300:80"};
  struct diag diag;
  struct api *api;
  char taken[64];
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    diag_init(&diag);
    struct api_options options = {.listen = wrong[i]};
    assert_int_equal(api_open(&api, kit.engine, &options, &diag), ERR_INVALID);
    assert_string_equal(diag.code, "bad_address");
  }
  snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)api_port(kit.api));
  struct api_options options = {.listen = taken};
  assert_int_equal(api_open(&api, kit.engine, &options, &diag), ERR_BUSY);
  assert_string_equal(diag.code, "address_in_use");
}

static int setup(void **state) {
  (void)state;
  kit_open(&kit, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operations),
      cmocka_unit_test(unknown_addresses_and_methods),
      cmocka_unit_test(a_key_in_every_place),
      cmocka_unit_test(items_are_refused_alone_and_envelopes_whole),
      cmocka_unit_test(bodies_at_and_over_the_limit),
      cmocka_unit_test(a_pixel),
      cmocka_unit_test(what_browser_sdks_ask_for_first),
      cmocka_unit_test(browsers_of_other_origins),
      cmocka_unit_test(one_connection_serves_many_requests),
      cmocka_unit_test(many_connections_at_once),
      cmocka_unit_test(a_rate_is_kept),
      cmocka_unit_test(raw_bytes_never_hurt),
      cmocka_unit_test(dawdlers_are_sent_away),
      cmocka_unit_test(stopping_under_load_loses_nothing),
      cmocka_unit_test(an_address_that_cannot_be),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
