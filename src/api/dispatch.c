// The steps of a request, in the order in which they may refuse it: address, method, shutting down, key, size and
// encoding of the body, rate limit, Idempotency-Key, handler. A refusal at any step is a problem body.
#include <stdio.h>
#include <string.h>

#include "api/idempotency.h"
#include "api/pixel.h"
#include "api/problem.h"
#include "api/server.h"
#include "base/log.h"

static enum err find_route(struct request *request, struct diag *diag) {
  enum err err = uri_parse(&request->uri, request->target, &request->arena, diag);
  if (err) return err;
  bool with_clock = request->api->options.test_clock != NULL;
  request->route = route_match(&request->uri, request->method, with_clock, request->parameters, &request->allowed);
  if (request->route || (request->method == HTTP_OPTIONS && request->allowed)) return ERR_OK;
  if (request->allowed == 0) return diag_set(diag, ERR_NOT_FOUND, "no_route", "There is no such address.");
  char allow[ROUTE_ALLOW_BYTES];
  route_allow(request->allowed, allow);
  return diag_set(diag, ERR_INVALID, "method_not_allowed", "This address answers to %s.", allow);
}

void dispatch_begin(struct request *request, const char *method) {
  struct diag diag;
  diag_init(&diag);
  request->method = http_method_parse(method);
  enum err err = find_route(request, &diag);
  if (err) request_refuse(request, err, &diag);
}

size_t dispatch_route_index(const struct request *request) {
  size_t count;
  const struct route *table = route_table(&count);
  return request->route ? (size_t)(request->route - table) : count;
}

// The body's own writeKey counts only when nothing else carries a key.
static enum err find_key(struct request *request, struct worker *worker, struct credential *credential,
                         struct diag *diag) {
  struct credential_input input = {.authorization = request_header(request, "Authorization"),
                                   .x_write_key = request_header(request, "X-Write-Key")};
  bool collects = request->route->scope == ENGINE_SCOPE_COLLECT;
  enum err err = collects ? uri_find(&request->uri, "writeKey", &input.parameter, diag) : ERR_OK;
  if (!err) err = credential_find(&input, &request->arena, credential, diag);
  if (err || credential->count || !(request->route->flags & ROUTE_COLLECT)) return err;
  struct bytes key;
  err = source_body_write_key(worker->reader, request->json, &request->arena, &key, diag);
  if (!err) credential_from_text(key, credential);
  return err;
}

static enum err authorise(struct request *request, struct worker *worker, struct diag *diag) {
  if (request->route->scope == 0) return ERR_OK;
  if (request->route->flags & ROUTE_LOOPBACK && request_is_loopback(request)) return ERR_OK;
  struct credential credential;
  enum err err = find_key(request, worker, &credential, diag);
  return err ? err : request_check_key(request, &credential, request->route->scope, diag);
}

static enum err read_body(struct request *request, struct worker *worker, struct diag *diag) {
  size_t limit = request->api->options.body_bytes_max;
  if (request->upload_over) return body_too_large(limit, diag);
  if (request->upload.failed) return diag_no_memory(diag);
  if (request->route->flags & ROUTE_PIXEL) return pixel_message(request, diag);
  return body_decode(&worker->decoder, buffer_view(&request->upload), request_header(request, "Content-Encoding"),
                     limit, &request->json, diag);
}

static enum err admit(struct request *request, struct diag *diag) {
  if (!(request->route->flags & ROUTE_COLLECT)) return ERR_OK;
  int64_t now_us = clock_monotonic_us();
  if (limiter_admit(request->api->limiter, request->key.id, now_us, &request->retry_after_s)) return ERR_OK;
  return diag_set(diag, ERR_BUSY, "rate_limited",
                  "This key sends more than its %llu events a second; try again in %u s.",
                  (unsigned long long)request->api->options.rate_events_per_s, request->retry_after_s);
}

// --- Idempotency-Key -----------------------------------------------------------------------------------------

static enum err make_key(struct request *request, struct bytes header, struct idempotency_key *key, struct diag *diag) {
  if (header.size_bytes == 0 || header.size_bytes > IDEMPOTENCY_HEADER_BYTES_MAX) {
    return diag_set(diag, ERR_INVALID, "bad_idempotency_key", "The Idempotency-Key must have 1 to %d bytes.",
                    IDEMPOTENCY_HEADER_BYTES_MAX);
  }
  struct idempotency_request parts = {.key_id = request->key.id,
                                      .key_text = request->key_text,
                                      .header = header,
                                      .method = bytes_from_text(http_method_name(request->method)),
                                      .target = request->target,
                                      .body = request->json};
  idempotency_key_make(key, &parts);
  return ERR_OK;
}

static enum err run_handler(struct request *request, struct worker *worker, struct diag *diag) {
  enum err err = request->route->handler(request, worker, diag);
  if (!err && request->commit.ride) request->marked = true;
  if (!err && request->reply.failed) err = diag_no_memory(diag);
  if (err) request_refuse(request, err, diag);
  return ERR_OK;
}

// The reply of a change was stored with it. Of the rest, what may succeed when repeated is not kept as the answer.
static enum err keep_reply(struct request *request, const struct idempotency_key *key, struct diag *diag) {
  if (request->stored && request->status < 400) return ERR_OK;
  if (request->retry_after_s || request->status >= 500) return idempotency_forget(request->api->store, key, diag);
  struct store_mark mark;
  enum err err = idempotency_finish(request->api->store, key, request->claimed_us, request->status,
                                    buffer_view(&request->reply), &mark, diag);
  // Nothing was changed, so a reply that is not stored may be made again: it is logged and given.
  if (err) log_write(LOG_WARN, "idempotency reply not stored", "code=%s", diag->code);
  if (!err) request->commit.mark = mark;
  if (!err) request->marked = true;
  return ERR_OK;
}

static enum err replay(struct request *request, int status, struct bytes reply) {
  request->status = status;
  request->replayed = true;
  buffer_append_bytes(&request->reply, reply);
  return ERR_OK;
}

static enum err run_once(struct request *request, struct worker *worker, struct bytes header, struct diag *diag) {
  struct idempotency_key key;
  enum idempotency_outcome outcome;
  int status;
  struct bytes reply;
  int64_t now_us = clock_now_us(engine_clock(request->api->engine));
  enum err err = make_key(request, header, &key, diag);
  if (!err) {
    err = idempotency_claim(request->api->store, &key, now_us, &request->arena, &outcome, &status, &reply, diag);
  }
  if (err) return err;
  switch (outcome) {
  case IDEMPOTENCY_REPLAY:
    return replay(request, status, reply);
  case IDEMPOTENCY_MISMATCH:
    return diag_set(diag, ERR_INVALID, "idempotency_mismatch",
                    "This Idempotency-Key was used for another request; take a new one.");
  case IDEMPOTENCY_IN_FLIGHT:
    return diag_set(diag, ERR_BUSY, "idempotency_in_flight",
                    "A request with this Idempotency-Key is running; ask again in a moment.");
  case IDEMPOTENCY_RUN:
    break;
  }
  request->claim = &key;
  request->claimed_us = now_us;
  run_handler(request, worker, diag);
  request->claim = NULL;
  return keep_reply(request, &key, diag);
}

// --- the steps -----------------------------------------------------------------------------------------------

// Before a worker is taken: what was queued when a stop began costs nothing.
static enum err check_running(const struct request *request, struct diag *diag) {
  if (!request->api->stopping || request->route->flags & ROUTE_OPERATIONS) return ERR_OK;
  return diag_set(diag, ERR_STOPPED, "stopping", "The server is shutting down; try again in a moment.");
}

static enum err run_steps(struct request *request, struct worker *worker, struct diag *diag) {
  // Without a key of its own in the headers a collect request must be read before it can be known; all others are
  // refused before their body is looked at.
  enum err err = ERR_OK;
  bool collects = request->route->flags & ROUTE_COLLECT;
  if (collects) err = read_body(request, worker, diag);
  if (!err) err = authorise(request, worker, diag);
  if (!err && !collects) err = read_body(request, worker, diag);
  if (!err) err = admit(request, diag);
  if (err) return err;
  // A mistyped parameter of a write is not passed over: "dryrun" would put rules in force that were to be tried.
  if (request->route->flags & ROUTE_IDEMPOTENT) err = request_parameters(request, request->route->detail, diag);
  if (err) return err;
  struct bytes header = request_header(request, "Idempotency-Key");
  if (header.data && request->route->flags & ROUTE_IDEMPOTENT) return run_once(request, worker, header, diag);
  return run_handler(request, worker, diag);
}

void dispatch_run(struct request *request) {
  if (request->status) return;
  if (!request->route) { // OPTIONS of a known path
    request->status = 204;
    return;
  }
  struct diag diag;
  diag_init(&diag);
  struct worker *worker = NULL;
  enum err err = check_running(request, &diag);
  if (!err) err = pool_take_worker(request->api, &worker);
  if (worker) {
    err = run_steps(request, worker, &diag);
    pool_give_worker(request->api, worker);
  }
  if (err) request_refuse(request, err, &diag);
  // Refusals and reads wait for what they have seen; a write has set its own mark.
  if (request->marked || request->route->flags & ROUTE_OPERATIONS || err == ERR_STOPPED) return;
  request->commit.mark = store_mark_now(request->api->store);
  request->marked = true;
}
