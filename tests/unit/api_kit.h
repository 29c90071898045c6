// What the tests of a running server share: a workspace in memory with keys, a server on a free port, requests through
// libcurl.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "api/api.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"
#include "store/store.h"

struct kit {
  struct store *store;
  struct clock clock;
  struct engine *engine;
  struct api *api;
  char write_key[ENGINE_KEY_TEXT_BYTES];  // of the browser source "web"
  char server_key[ENGINE_KEY_TEXT_BYTES]; // of the server source "shop"
  char admin_key[ENGINE_KEY_TEXT_BYTES];  // a secret key with every scope
  char read_key[ENGINE_KEY_TEXT_BYTES];   // a secret key that may only read
};

enum { KIT_SCOPES_ALL = 31 };

static inline void kit_key(struct kit *kit, bool secret, uint32_t scopes, const char *source, char *text) {
  struct engine_key wanted = {.secret = secret, .scopes = scopes, .name = bytes_from_text(source)};
  struct engine_commit commit = {0};
  struct diag diag;
  uint64_t id;
  diag_init(&diag);
  wanted.source = engine_source_find(kit->engine, bytes_from_text(source))->id;
  if (engine_key_create(kit->engine, &wanted, text, &id, &commit, &diag)) fail_msg("%s", diag.message);
}

static inline void kit_source(struct kit *kit, const char *name, enum engine_source_kind kind) {
  struct engine_source wanted = {.name = bytes_from_text(name), .kind = kind, .region = BYTES("FR")};
  struct engine_commit commit = {0};
  struct diag diag;
  uint32_t id;
  diag_init(&diag);
  if (engine_source_put(kit->engine, &wanted, &id, &commit, &diag)) fail_msg("%s", diag.message);
}

// `options` may be NULL; a free port and the kit's clock are filled in.
static inline void kit_open(struct kit *kit, const struct api_options *options) {
  struct api_options wanted = options ? *options : (struct api_options){0};
  struct diag diag;
  diag_init(&diag);
  memset(kit, 0, sizeof *kit);
  curl_global_init(CURL_GLOBAL_ALL);
  log_open(2, LOG_TEXT, LOG_ERROR);
  clock_init(&kit->clock);
  assert_int_equal(store_open_memory(&kit->store), ERR_OK);
  if (engine_create_workspace(kit->store, &kit->clock, &diag)) fail_msg("%s", diag.message);
  struct engine_options engine_options = {.store = kit->store, .clock = &kit->clock};
  if (engine_open(&kit->engine, &engine_options, &diag)) fail_msg("%s", diag.message);
  kit_source(kit, "web", ENGINE_SOURCE_BROWSER);
  kit_source(kit, "shop", ENGINE_SOURCE_SERVER);
  kit_key(kit, false, ENGINE_SCOPE_COLLECT, "web", kit->write_key);
  kit_key(kit, false, ENGINE_SCOPE_COLLECT, "shop", kit->server_key);
  kit_key(kit, true, KIT_SCOPES_ALL, "shop", kit->admin_key);
  kit_key(kit, true, ENGINE_SCOPE_READ, "shop", kit->read_key);
  wanted.listen = "127.0.0.1:0";
  wanted.test_clock = &kit->clock;
  if (api_open(&kit->api, kit->engine, &wanted, &diag)) fail_msg("%s: %s", diag.code, diag.message);
}

static inline void kit_close(struct kit *kit) {
  if (kit->api) api_close(kit->api);
  engine_close(kit->engine);
  store_close(kit->store);
  curl_global_cleanup();
}

// --- requests ------------------------------------------------------------------------------------------------

enum { KIT_HEADERS_MAX = 8 };

struct kit_request {
  const char *method; // NULL: GET, or POST when there is a body
  const char *path;
  const char *key;  // as Bearer; NULL: none
  const char *body; // text
  struct bytes raw; // a body of any bytes
  const char *headers[KIT_HEADERS_MAX];
};

struct kit_reply {
  long status;
  char *body, *headers; // NUL-terminated; freed by kit_reply_release
  size_t body_size, headers_size;
};

static inline size_t kit_append(char **text, size_t *size, const char *data, size_t count) {
  char *grown = realloc(*text, *size + count + 1);
  if (!grown) return 0;
  memcpy(grown + *size, data, count);
  *text = grown;
  *size += count;
  grown[*size] = 0;
  return count;
}

static inline size_t kit_take_body(char *data, size_t one, size_t count, void *context) {
  struct kit_reply *reply = context;
  return kit_append(&reply->body, &reply->body_size, data, one * count);
}

static inline size_t kit_take_header(char *data, size_t one, size_t count, void *context) {
  struct kit_reply *reply = context;
  return kit_append(&reply->headers, &reply->headers_size, data, one * count);
}

static inline struct curl_slist *kit_headers(const struct kit_request *request) {
  struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
  char text[256];
  if (request->key) {
    snprintf(text, sizeof text, "Authorization: Bearer %s", request->key);
    list = curl_slist_append(list, text);
  }
  for (size_t i = 0; i < KIT_HEADERS_MAX && request->headers[i]; i++) {
    list = curl_slist_append(list, request->headers[i]);
  }
  return list;
}

// Sends over `curl` (one handle keeps its connection). False when the server could not be reached.
static inline bool kit_send(CURL *curl, uint16_t port, const struct kit_request *request, struct kit_reply *reply) {
  char url[4096];
  struct curl_slist *headers = kit_headers(request);
  *reply = (struct kit_reply){.body = calloc(1, 1), .headers = calloc(1, 1)};
  if (!reply->body || !reply->headers) abort();
  snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)port, request->path);
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, kit_take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, kit_take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
  struct bytes body = request->body ? bytes_from_text(request->body) : request->raw;
  if (body.data) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.size_bytes);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
  }
  if (request->method) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
  if (request->method && strcmp(request->method, "HEAD") == 0) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  bool sent = curl_easy_perform(curl) == CURLE_OK;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
  curl_slist_free_all(headers);
  return sent;
}

static inline void kit_reply_release(struct kit_reply *reply) {
  free(reply->body);
  free(reply->headers);
}

// Sends on a connection of its own; the reply is to be released.
static inline struct kit_reply kit_ask(const struct kit *kit, struct kit_request request) {
  struct kit_reply reply;
  CURL *curl = curl_easy_init();
  assert_non_null(curl);
  if (!kit_send(curl, api_port(kit->api), &request, &reply)) fail_msg("%s: no answer", request.path);
  curl_easy_cleanup(curl);
  return reply;
}

// Sends and checks the status and that the body holds `words` (NULL: any body).
static inline void kit_expect(const struct kit *kit, struct kit_request request, long status, const char *words) {
  struct kit_reply reply = kit_ask(kit, request);
  if (reply.status != status) fail_msg("%s: %ld instead of %ld: %s", request.path, reply.status, status, reply.body);
  if (words && !strstr(reply.body, words)) fail_msg("%s: no %s in %s", request.path, words, reply.body);
  kit_reply_release(&reply);
}
