// The body is handed to MHD without a copy: it stays in the request, which lives until MHD is done with it. The log
// line names the route by its pattern: an address holds identifiers.
#include "api/reply.h"

#include <stdio.h>

#include "api/download.h"
#include "api/server.h"
#include "api/stream.h"
#include "base/log.h"

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
  MHD_add_response_header(response, name, value);
}

static void add_cors(const struct request *request, struct MHD_Response *response) {
  if (request->uri.segment_count == 0 || !route_is_cors(&request->uri)) return;
  struct bytes origin = request_header(request, "Origin");
  struct bytes allowed = cors_allow_origin(&request->api->cors, origin);
  char text[CORS_HEADERS_BYTES];
  add_header(response, "Vary", "Origin");
  if (allowed.size_bytes == 0 || allowed.size_bytes >= sizeof text) return;
  snprintf(text, sizeof text, "%.*s", BYTES_ARG(allowed));
  add_header(response, "Access-Control-Allow-Origin", text);
  if (text[0] != '*') add_header(response, "Access-Control-Allow-Credentials", "true");
  if (request->method != HTTP_OPTIONS) {
    add_header(response, "Access-Control-Expose-Headers", "Retry-After");
    return;
  }
  char allow[ROUTE_ALLOW_BYTES];
  route_allow(request->allowed, allow);
  add_header(response, "Access-Control-Allow-Methods", allow);
  cors_allow_headers(request_header(request, "Access-Control-Request-Headers"), text);
  if (text[0]) add_header(response, "Access-Control-Allow-Headers", text);
  add_header(response, "Access-Control-Max-Age", "86400");
  if (request_header(request, "Access-Control-Request-Private-Network").data) {
    add_header(response, "Access-Control-Allow-Private-Network", "true");
  }
}

static void add_headers(const struct request *request, struct MHD_Response *response) {
  const char *type = request->content_type;
  if (!type) type = request->status >= 400 ? "application/problem+json" : "application/json";
  if (request->status != 204) add_header(response, "Content-Type", type);
  add_header(response, "Cache-Control", "no-store");
  if (request->retry_after_s) {
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", request->retry_after_s);
    add_header(response, "Retry-After", seconds);
  }
  if (request->status == 405 || (request->method == HTTP_OPTIONS && request->status == 204)) {
    char allow[ROUTE_ALLOW_BYTES];
    route_allow(request->allowed, allow);
    add_header(response, "Allow", allow);
  }
  if (request->status == 401) add_header(response, "WWW-Authenticate", "Bearer");
  if (request->replayed) add_header(response, "Idempotency-Hit", "true");
  if (request->api->stopping) add_header(response, "Connection", "close");
  add_cors(request, response);
}

static void account(const struct request *request) {
  int64_t duration_us = clock_monotonic_us() - request->started_us;
  metrics_count_request(request->api->metrics, dispatch_route_index(request), request->status, duration_us);
  // A collect request that went well is one of thousands a second; everything else is worth a line.
  bool routine = request->status < 400 && request->route && request->route->flags & (ROUTE_COLLECT | ROUTE_OPERATIONS);
  enum log_level level = request->status >= 500 ? LOG_WARN : routine ? LOG_DEBUG : LOG_INFO;
  log_write(level, "request", "method=%s route=%s status=%d us=%lld key=%llu", http_method_name(request->method),
            request->route ? request->route->pattern : "none", request->status, (long long)duration_us,
            (unsigned long long)request->key.id);
}

// The stream is the response's from here on.
static struct MHD_Response *respond_with_stream(struct request *request) {
  unsigned patience_s = request->api->options.idle_timeout_s;
  struct link *link = request->link;
  struct MHD_Response *response = stream_response(request->stream, request->connection, link ? link->fd : -1,
                                                  link ? &link->deadline_us : NULL, patience_s);
  if (!response) return NULL;
  request->stream = NULL;
  add_header(response, "X-Accel-Buffering", "no"); // a proxy is not to collect what should arrive at once
  return response;
}

// So is a download.
static struct MHD_Response *respond_with_download(struct request *request) {
  struct link *link = request->link;
  struct MHD_Response *response =
      download_response(request->download, link ? &link->deadline_us : NULL, request->api->options.idle_timeout_s);
  if (response) request->download = NULL;
  return response;
}

static struct MHD_Response *respond(struct request *request) {
  static const char nothing[1] = "";
  struct buffer *body = &request->reply;
  if (request->stream) return respond_with_stream(request);
  if (request->download) return respond_with_download(request);
  void *data = body->size_bytes ? (void *)body->data : (void *)(uintptr_t)nothing;
  return MHD_create_response_from_buffer(body->size_bytes, data, MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result reply_queue(struct request *request) {
  if (request->reply.failed) return MHD_NO;
  struct MHD_Response *response = respond(request);
  if (!response) return MHD_NO;
  add_headers(request, response);
  enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)request->status, response);
  MHD_destroy_response(response);
  request->stage = REQUEST_ANSWERED;
  account(request);
  return result;
}
