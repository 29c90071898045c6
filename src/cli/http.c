// http: one easy handle, set up afresh for each request. The key goes into a header, never into the address, so that no
// log between here and the server holds it; redirects are not followed, for the same reason.
#include "cli/http.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"

enum {
  ATTEMPTS_MAX = 8,
  PAUSE_FIRST_MS = 250,
  PAUSE_MOST_MS = 30000,
  CONNECT_TIMEOUT_S = 10,
  REPLY_TIMEOUT_S = 600,
  GZIP_FROM_BYTES = 1024,
  REPLY_BYTES_MAX = 1 << 30,
  KEY_HEADER_BYTES = 600,
  IDEMPOTENCY_BYTES = 16,
};

struct http {
  CURL *curl;
  char *url;
  char authorization[KEY_HEADER_BYTES];
  char error[CURL_ERROR_SIZE];
  struct buffer zipped;
};

void http_reply_init(struct http_reply *reply) {
  reply->status = 0;
  buffer_init(&reply->body);
}

void http_reply_release(struct http_reply *reply) {
  buffer_release(&reply->body);
}

enum err http_open(struct http **http, const char *url, const char *key, struct diag *diag) {
  struct http *opened = alloc_zero(1, sizeof *opened);
  if (opened == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || sodium_init() < 0) {
    alloc_free(opened);
    return diag_no_memory(diag);
  }
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/') size--;
  opened->url = alloc_get(size + 1);
  opened->curl = curl_easy_init();
  buffer_init(&opened->zipped);
  if (opened->url == NULL || opened->curl == NULL) {
    http_close(opened);
    return diag_no_memory(diag);
  }
  memcpy(opened->url, url, size);
  opened->url[size] = '\0';
  if (*key != '\0') snprintf(opened->authorization, sizeof opened->authorization, "Authorization: Bearer %s", key);
  *http = opened;
  return ERR_OK;
}

void http_close(struct http *http) {
  if (http->curl != NULL) curl_easy_cleanup(http->curl);
  explicit_bzero(http->authorization, sizeof http->authorization);
  buffer_release(&http->zipped);
  alloc_free(http->url);
  alloc_free(http);
}

static size_t take_body(char *data, size_t size, size_t count, void *context) {
  struct http_reply *reply = context;
  if (reply->body.size_bytes + size * count > REPLY_BYTES_MAX) return 0;
  buffer_append(&reply->body, data, size * count);
  return reply->body.failed ? 0 : size * count;
}

// gzip of `body` in http->zipped; false when it cannot be made: then it is sent as it is.
static bool zip(struct http *http, struct bytes body) {
  z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)body.data, .avail_in = (uInt)body.size_bytes};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  buffer_clear(&http->zipped);
  bool room = buffer_reserve(&http->zipped, deflateBound(&stream, (uLong)body.size_bytes));
  stream.next_out = http->zipped.data;
  stream.avail_out = (uInt)(http->zipped.capacity_bytes);
  bool ended = room && deflate(&stream, Z_FINISH) == Z_STREAM_END;
  http->zipped.size_bytes = stream.total_out;
  deflateEnd(&stream);
  return ended;
}

static struct curl_slist *add(struct curl_slist *headers, const char *header) {
  struct curl_slist *longer = curl_slist_append(headers, header);
  if (longer == NULL) curl_slist_free_all(headers);
  return longer;
}

// NULL when memory is short. `idempotency` is empty for a request that changes nothing.
static struct curl_slist *make_headers(const struct http *http, const char *idempotency, bool zipped) {
  struct curl_slist *headers = add(NULL, "Content-Type: application/json");
  if (headers != NULL && http->authorization[0] != '\0') headers = add(headers, http->authorization);
  if (headers != NULL && idempotency[0] != '\0') headers = add(headers, idempotency);
  if (headers != NULL && zipped) headers = add(headers, "Content-Encoding: gzip");
  // Without this curl waits a second for "100 Continue" before a large body.
  if (headers != NULL) headers = add(headers, "Expect:");
  return headers;
}

static bool is_worth_again(CURLcode code, unsigned status) {
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
      code == CURLE_GOT_NOTHING)
    return true;
  return code == CURLE_OK && (status == 429 || status == 502 || status == 503 || status == 504);
}

static void pause_before_again(CURL *curl, int attempt) {
  curl_off_t asked_s = 0;
  long wait_ms = (long)PAUSE_FIRST_MS << attempt;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &asked_s);
  if (asked_s * 1000 > wait_ms) wait_ms = (long)asked_s * 1000;
  if (wait_ms > PAUSE_MOST_MS) wait_ms = PAUSE_MOST_MS;
  usleep((useconds_t)wait_ms * 1000);
}

static CURLcode perform(struct http *http, struct http_reply *reply) {
  long status = 0;
  buffer_clear(&reply->body);
  http->error[0] = '\0';
  CURLcode code = curl_easy_perform(http->curl);
  curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
  reply->status = (unsigned)status;
  return code;
}

static void set_up(struct http *http, const char *method, const char *url, struct bytes body,
                   struct curl_slist *headers, struct http_reply *reply) {
  CURL *curl = http->curl;
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REPLY_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "rapport/" RAPPORT_VERSION);
  curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
  if (strcmp(method, "GET") == 0) return;
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size_bytes);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.size_bytes > 0 ? (const char *)body.data : "");
}

static enum err unreachable(const struct http *http, CURLcode code, struct diag *diag) {
  return diag_set(diag, ERR_IO, "unreachable", "cannot reach %.200s: %s; is `rapport serve` running there?", http->url,
                  http->error[0] != '\0' ? http->error : curl_easy_strerror(code));
}

enum err http_send(struct http *http, const char *method, const char *path, struct bytes body, struct http_reply *reply,
                   struct diag *diag) {
  char idempotency[64] = "", hex[2 * IDEMPOTENCY_BYTES + 1];
  uint8_t random[IDEMPOTENCY_BYTES];
  if (strcmp(method, "GET") != 0) {
    randombytes_buf(random, sizeof random);
    bytes_to_hex(bytes_of(random, sizeof random), hex);
    snprintf(idempotency, sizeof idempotency, "Idempotency-Key: %s", hex);
  }
  size_t url_bytes = strlen(http->url) + strlen(path) + 1;
  bool zipped = body.size_bytes >= GZIP_FROM_BYTES && zip(http, body);
  struct curl_slist *headers = make_headers(http, idempotency, zipped);
  char *url = alloc_get(url_bytes);
  CURLcode code = CURLE_OUT_OF_MEMORY;
  if (headers != NULL && url != NULL) {
    snprintf(url, url_bytes, "%s%s", http->url, path);
    set_up(http, method, url, zipped ? buffer_view(&http->zipped) : body, headers, reply);
    code = perform(http, reply);
    for (int i = 0; i + 1 < ATTEMPTS_MAX && is_worth_again(code, reply->status); i++) {
      // A server that is not there at first is a wrong address, far more often than one that is starting.
      if (code == CURLE_COULDNT_CONNECT && i == 2) break;
      pause_before_again(http->curl, i);
      code = perform(http, reply);
    }
  }
  curl_slist_free_all(headers);
  alloc_free(url);
  if (code == CURLE_OUT_OF_MEMORY || reply->body.failed) return diag_no_memory(diag);
  return code == CURLE_OK ? ERR_OK : unreachable(http, code, diag);
}
