// A refusal throws away what a handler had written, so that a body is always one whole document.
#include "api/request.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "api/download.h"
#include "api/idempotency.h"
#include "api/problem.h"
#include "api/server.h"
#include "api/stream.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "quality/quality.h"

enum { DEFAULT_ROWS = 100, KEPT_BUFFER_BYTES = 64 * 1024, NEAREST_DISTANCE_MAX = 2, SHOWN_NAME_BYTES = 64 };

enum err worker_open(struct worker **worker, struct engine *engine) {
  struct worker *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  body_decoder_init(&made->decoder);
  buffer_init(&made->packed);
  enum err err = source_reader_open(&made->reader, engine);
  if (!err) err = value_parser_open(&made->parser);
  if (err) {
    worker_close(made);
    return err;
  }
  *worker = made;
  return ERR_OK;
}

void worker_close(struct worker *worker) {
  if (worker->parser) value_parser_close(worker->parser);
  if (worker->reader) source_reader_close(worker->reader);
  body_decoder_release(&worker->decoder);
  buffer_release(&worker->packed);
  alloc_free(worker);
}

enum err request_open(struct request **request) {
  struct request *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  arena_init(&made->arena, 0);
  buffer_init(&made->upload);
  buffer_init(&made->reply);
  *request = made;
  return ERR_OK;
}

void request_close(struct request *request) {
  arena_release(&request->arena);
  buffer_release(&request->upload);
  buffer_release(&request->reply);
  alloc_free(request);
}

static void trim_buffer(struct buffer *buffer) {
  if (buffer->capacity_bytes <= KEPT_BUFFER_BYTES) {
    buffer_clear(buffer);
    return;
  }
  buffer_release(buffer);
  buffer_init(buffer);
}

void request_reset(struct request *request) {
  if (request->stream) stream_close(request->stream);
  if (request->download) download_close(request->download);
  bool large = request->arena.used_bytes > KEPT_BUFFER_BYTES;
  trim_buffer(&request->upload);
  trim_buffer(&request->reply);
  if (large) arena_release(&request->arena);
  if (large) arena_init(&request->arena, 0);
  if (!large) arena_clear(&request->arena);
  struct arena arena = request->arena;
  struct buffer upload = request->upload, reply = request->reply;
  memset(request, 0, sizeof *request);
  request->arena = arena;
  request->upload = upload;
  request->reply = reply;
}

struct bytes request_header(const struct request *request, const char *name) {
  const char *value = NULL;
  size_t size = 0;
  if (MHD_lookup_connection_value_n(request->connection, MHD_HEADER_KIND, name, strlen(name), &value, &size) !=
          MHD_YES ||
      !value) {
    return (struct bytes){NULL, 0};
  }
  return bytes_of(value, size);
}

bool request_is_loopback(const struct request *request) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (!info || !info->client_addr || request_header(request, "X-Forwarded-For").data) return false;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  if (info->client_addr->sa_family == AF_INET) {
    memcpy(&v4, info->client_addr, sizeof v4);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  }
  if (info->client_addr->sa_family != AF_INET6) return false;
  memcpy(&v6, info->client_addr, sizeof v6);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return v6.sin6_addr.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

struct json_writer request_answer(struct request *request, int status) {
  struct json_writer writer;
  request->status = status;
  json_writer_init(&writer, &request->reply);
  return writer;
}

static enum err ride(struct store_txn *txn, void *context, struct diag *diag) {
  struct request *request = context;
  if (request->answer) {
    buffer_clear(&request->reply);
    request->answer(request, request->results);
  }
  if (request->reply.failed) return diag_no_memory(diag);
  if (!request->claim) return ERR_OK;
  request->stored = true;
  return idempotency_ride(txn, request->claim, request->claimed_us, request->status, buffer_view(&request->reply),
                          &request->arena, diag);
}

struct engine_commit *request_commit(struct request *request, int status, request_answer_fn *answer,
                                     const void *results) {
  request->status = status;
  request->answer = answer;
  request->results = results;
  struct bytes author = request->key.name.size_bytes > 0 ? request->key.name : BYTES("api");
  request->commit = (struct engine_commit){.ride = ride, .context = request, .author = author};
  if (request->claim) request->commit.lock = idempotency_lock(request->claim);
  return &request->commit;
}

void request_refuse(struct request *request, enum err err, struct diag *diag) {
  if (diag->err == ERR_OK || diag->code[0] == 0) {
    diag_set(diag, err, err_name(err), "The request could not be completed (%s).", err_name(err));
  }
  const struct rule_diag *refusal = request->refusal && request->refusal->code[0] ? request->refusal : NULL;
  request->status = refusal ? PROBLEM_UNPROCESSABLE : problem_status(diag);
  if (request->retry_after_s == 0) request->retry_after_s = problem_retry_after_s(request->status);
  request->content_type = NULL;
  if (request->stream) stream_close(request->stream);
  request->stream = NULL;
  if (request->download) download_close(request->download);
  request->download = NULL;
  buffer_clear(&request->reply);
  problem_write(&request->reply, request->status, diag, refusal);
}

static const char *scope_name(uint32_t scope) {
  if (scope & ENGINE_SCOPE_TILL) return "till";
  switch (scope) {
  case ENGINE_SCOPE_COLLECT:
    return "collect";
  case ENGINE_SCOPE_READ:
    return "read";
  case ENGINE_SCOPE_WRITE:
    return "write";
  case ENGINE_SCOPE_ERASE:
    return "erase";
  default:
    return "admin";
  }
}

enum err request_check_key(struct request *request, const struct credential *credential, uint32_t scope,
                           struct diag *diag) {
  if (credential->count == 0) {
    return diag_set(diag, ERR_DENIED, "missing_key",
                    "This address asks for a key: send it as \"Authorization: Bearer <key>\" or as the user name of "
                    "Basic authentication.");
  }
  enum err err = ERR_DENIED;
  for (size_t i = 0; i < credential->count && err == ERR_DENIED; i++) {
    diag_init(diag);
    err = engine_key_check(request->api->engine, credential->candidates[i], &request->key, diag);
    request->key_text = credential->candidates[i];
  }
  if (err) return err;
  if (request->key.scopes & scope) return ERR_OK;
  return diag_set(diag, ERR_DENIED, "missing_scope", "This key does not have the scope \"%s\" that this address needs.",
                  scope_name(scope));
}

enum err request_document(struct request *request, struct worker *worker, struct value *document, struct diag *diag) {
  buffer_clear(&worker->packed);
  enum err err =
      value_parse_json(worker->parser, request->json, engine_names(request->api->engine), &worker->packed, diag);
  if (err) return err;
  document->packed = buffer_view(&worker->packed);
  if (value_type(*document) == VALUE_DOCUMENT) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "not_an_object", "The body must be a JSON object.");
}

// Takes the next word of `rest`. False at its end.
static bool next_word(struct bytes *rest, struct bytes *word) {
  while (rest->size_bytes && rest->data[0] == ' ') *rest = bytes_of(rest->data + 1, rest->size_bytes - 1);
  size_t size = 0;
  while (size < rest->size_bytes && rest->data[size] != ' ') size++;
  *word = bytes_of(rest->data, size);
  *rest = bytes_of(rest->data + size, rest->size_bytes - size);
  return size > 0;
}

// Whether `name` is one of `known`; if not, the one that is nearest and may be meant (empty: none).
static bool is_known(struct bytes name, const char *known, struct bytes *nearest) {
  struct bytes rest = bytes_from_text(known), word;
  int least = NEAREST_DISTANCE_MAX + 1;
  *nearest = BYTES("");
  while (next_word(&rest, &word)) {
    if (bytes_equal(word, name)) return true;
    int distance = quality_distance(name, word, NEAREST_DISTANCE_MAX);
    if (distance < least) *nearest = word;
    if (distance < least) least = distance;
  }
  return false;
}

static enum err unknown(const char *what, struct bytes name, struct bytes nearest, const char *known,
                        struct diag *diag) {
  char code[DIAG_CODE_BYTES], meant[DIAG_CODE_BYTES] = "";
  int size = (int)(name.size_bytes < SHOWN_NAME_BYTES ? name.size_bytes : SHOWN_NAME_BYTES);
  snprintf(code, sizeof code, "unknown_%s", what);
  if (nearest.size_bytes) snprintf(meant, sizeof meant, " Did you mean \"%.*s\"?", BYTES_ARG(nearest));
  diag_set(diag, ERR_INVALID, code, "This address knows no %s \"%.*s\".%s It takes: %s. Nothing was changed.", what,
           size, (const char *)name.data, meant, known[0] ? known : "none");
  diag_in_field(diag, "%.*s", size, (const char *)name.data);
  return ERR_INVALID;
}

enum err request_body(struct request *request, struct worker *worker, const char *known, struct value *document,
                      struct diag *diag) {
  if (request->json.size_bytes == 0) {
    return diag_set(diag, ERR_INVALID, "missing_body",
                    "This address takes a JSON object as its body, and there is none. Its members are: %s.", known);
  }
  enum err err = request_document(request, worker, document, diag);
  if (err) return err;
  struct value_iter iter = value_iterate(*document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, engine_names(request->api->engine)), nearest;
    if (!is_known(name, known, &nearest)) return unknown("member", name, nearest, known, diag);
  }
  return ERR_OK;
}

enum err request_definition(struct request *request, struct worker *worker, struct value *document, struct diag *diag) {
  if (request->json.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "missing_body",
                    "This address takes a definition as its body, and there is none.");
  enum err err = request_document(request, worker, document, diag);
  return err ? err : request_refusal(request, diag);
}

enum err request_settings(struct request *request, struct worker *worker, struct value *document, struct bytes *author,
                          struct diag *diag) {
  if (request->json.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "missing_body",
                    "This address takes the settings as its body, and there are none.");
  enum err err = request_document(request, worker, document, diag);
  if (!err) err = request_author(request, *document, author, diag);
  return err ? err : request_refusal(request, diag);
}

enum err request_refusal(struct request *request, struct diag *diag) {
  request->refusal = arena_take_zero(&request->arena, 1, sizeof *request->refusal);
  return request->refusal ? ERR_OK : diag_no_memory(diag);
}

enum err request_parameters(const struct request *request, const char *known, struct diag *diag) {
  for (size_t i = 0; i < request->uri.parameter_count; i++) {
    struct bytes name = request->uri.parameters[i].name, nearest;
    if (!is_known(name, known, &nearest)) return unknown("parameter", name, nearest, known, diag);
  }
  return ERR_OK;
}

enum err request_member_text(struct request *request, struct value document, const char *name, struct bytes *text,
                             struct diag *diag) {
  struct value member = value_member(document, engine_names(request->api->engine), bytes_from_text(name));
  *text = (struct bytes){NULL, 0};
  if (value_is_absent(member) || value_type(member) == VALUE_NULL || value_as_text(member, text)) return ERR_OK;
  diag_set(diag, ERR_INVALID, "not_text", "The member \"%s\" must be a text.", name);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

enum err request_bad_member(const char *name, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, "bad_member", "The member \"%s\" must be %s.", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err bad_parameter(const char *name, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, "bad_parameter", "The parameter \"%s\" must be %s.", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

enum err request_number(const struct request *request, const char *name, uint64_t fallback, uint64_t least,
                        uint64_t most, uint64_t *number, struct diag *diag) {
  struct bytes text;
  *number = fallback;
  enum err err = uri_find(&request->uri, name, &text, diag);
  if (err || !text.data) return err;
  if (bytes_to_u64(text, number) == ERR_OK && *number >= least && *number <= most) return ERR_OK;
  char expected[96];
  snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)least,
           (unsigned long long)most);
  return bad_parameter(name, expected, diag);
}

enum err request_page(const struct request *request, struct bytes *after, uint64_t *limit, struct diag *diag) {
  enum err err = request_parameters(request, "after limit", diag);
  if (!err) err = uri_find(&request->uri, "after", after, diag);
  return err ? err : request_number(request, "limit", DEFAULT_ROWS, 1, LIMIT_PAGE_ROWS, limit, diag);
}

enum err request_flag(const struct request *request, const char *name, bool *flag, struct diag *diag) {
  struct bytes text;
  *flag = false;
  enum err err = uri_find(&request->uri, name, &text, diag);
  if (err || !text.data) return err;
  *flag = bytes_equal(text, BYTES("true"));
  if (*flag || bytes_equal(text, BYTES("false"))) return ERR_OK;
  return bad_parameter(name, "true or false", diag);
}

enum err request_time(const struct request *request, const char *name, bool *given, int64_t *time_us,
                      struct diag *diag) {
  struct bytes text;
  *given = false;
  enum err err = uri_find(&request->uri, name, &text, diag);
  if (err || !text.data) return err;
  if (clock_parse(text, time_us)) return bad_parameter(name, "a time such as 2026-11-22T00:16:39Z", diag);
  *given = true;
  return ERR_OK;
}

enum err request_required(const struct request *request, const char *name, struct bytes *text, struct diag *diag) {
  enum err err = uri_find(&request->uri, name, text, diag);
  if (err || text->size_bytes) return err;
  diag_set(diag, ERR_INVALID, "missing_parameter", "The parameter \"%s\" is missing.", name);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

enum err request_author(struct request *request, struct value document, struct bytes *author, struct diag *diag) {
  enum err err = request_member_text(request, document, "author", author, diag);
  if (err || author->size_bytes) return err;
  *author = request_key_name(request);
  return ERR_OK;
}

struct bytes request_key_name(const struct request *request) {
  return request->key.name.size_bytes ? request->key.name : BYTES("api");
}

enum err request_find(struct request *request, struct engine_view *view, uint64_t *customer, struct diag *diag) {
  enum err err = engine_find(view, request->parameters[0], customer, diag);
  if (err == ERR_INVALID) diag_in_field(diag, "ref");
  return err;
}

enum err request_customer(struct request *request, request_customer_fn *answer, struct diag *diag) {
  struct engine_view *view;
  uint64_t customer;
  enum err err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  err = request_find(request, view, &customer, diag);
  if (!err) {
    struct json_writer writer = request_answer(request, 200);
    err = answer(request, view, customer, &writer, diag);
  }
  engine_view_close(view);
  return err;
}

bool request_goes_on(void *context, uint64_t done, uint64_t total) {
  const struct request *request = context;
  (void)done, (void)total;
  return !request->api->stopping;
}
