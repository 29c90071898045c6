// request: one HTTP request from its first line to its reply, and what a thread needs to answer it.
//
// Layer 8. A request is taken from the server's pool when its first line arrives and goes back when MHD is done with
// it; its arena and buffers are kept for the next. A worker holds the parsers: one is taken while a handler runs.
// Memory: views in a request live until it goes back. Threads: a request belongs to one thread at a time; server.c
// tells to which.
#pragma once

#include <microhttpd.h>

#include "api/body.h"
#include "api/credential.h"
#include "api/route.h"
#include "api/uri.h"
#include "base/arena.h"
#include "base/json_writer.h"
#include "engine/engine.h"
#include "rule/parse.h"
#include "source/source.h"
#include "store/store.h"

struct api;
struct link;
struct idempotency_key;
struct stream;
struct download;

// Writes the reply of a change from its results, in the transaction of the change; it may be called several times.
typedef void request_answer_fn(struct request *request, const void *results);

// What one running handler needs of memory-hungry things.
struct worker {
  struct worker *next;
  struct source_reader *reader;
  struct value_parser *parser;
  struct body_decoder decoder;
  struct buffer packed;
};
enum err worker_open(struct worker **worker, struct engine *engine);
void worker_close(struct worker *worker);

// SUSPENDED: with the runners, or waiting for the disk; see server.c.
enum request_stage { REQUEST_READING, REQUEST_SUSPENDED, REQUEST_ANSWERED };

struct request {
  struct api *api;
  struct MHD_Connection *connection;
  struct link *link;
  struct request *next; // in the pool, or in the queue of the runners
  uint64_t ticket;      // its place in the queue
  enum request_stage stage;
  bool begun;   // the headers were looked at
  bool running; // counted among those that a stop waits for
  enum err sync_err;
  int64_t started_us; // monotonic
  struct arena arena;

  // What came in.
  struct bytes target;
  struct uri uri;
  enum http_method method;
  const struct route *route; // NULL: none
  unsigned allowed;          // of the path
  struct bytes parameters[ROUTE_PARAMETERS_MAX];
  struct buffer upload;
  bool upload_over; // larger than the limit: the rest is read and dropped
  uint64_t dropped_bytes;
  struct bytes json; // the decoded body
  struct engine_key key;
  struct bytes key_text;

  // What goes out.
  int status;
  struct buffer reply;
  const char *content_type; // NULL: by status, JSON or problem JSON
  unsigned retry_after_s;
  struct rule_diag *refusal; // the place in an expression that was refused; NULL, or without a code: none was
  bool replayed;             // Idempotency-Hit
  struct stream *stream;     // the reply goes on for ever; NULL: it is `reply`
  struct download *download; // the reply is made page by page while it is sent; NULL: it is `reply`
  bool marked;               // the reply waits for `commit.mark`

  // A change: what is committed with it.
  struct engine_commit commit;
  request_answer_fn *answer;
  const void *results;
  struct idempotency_key *claim; // its reply is to be stored under this key; NULL: under none
  int64_t claimed_us;
  bool stored; // it was, in a transaction that may still have failed
};

enum err request_open(struct request **request);
void request_close(struct request *request);
// Forgets everything but memory worth keeping.
void request_reset(struct request *request);

// The value of a header; data NULL when absent.
struct bytes request_header(const struct request *request, const char *name);

// True when the peer is on this machine and no proxy says otherwise.
bool request_is_loopback(const struct request *request);

// A writer into the reply; sets the status.
struct json_writer request_answer(struct request *request, int status);

// What a handler gives to the engine's call that changes something: the reply, and its stored copy when there is an
// Idempotency-Key, ride in the same commit. `answer` (NULL: the engine writes the reply itself, or there is none)
// writes the reply from `results`, which the call has set by then and which outlive it. `status` is that of success;
// the reply waits for the commit then.
struct engine_commit *request_commit(struct request *request, int status, request_answer_fn *answer,
                                     const void *results);

// Replaces whatever the reply holds by a problem body. A failure that came without words gets some.
void request_refuse(struct request *request, enum err err, struct diag *diag);

// Checks candidates of a key and that it has `scope`, or one of several. ERR_DENIED codes "missing_key", "bad_key",
// "missing_scope".
enum err request_check_key(struct request *request, const struct credential *credential, uint32_t scope,
                           struct diag *diag);

// Parses the body into `worker->packed`. ERR_INVALID code "not_an_object" when it is no document.
enum err request_document(struct request *request, struct worker *worker, struct value *document, struct diag *diag);

// The same of a management write: ERR_INVALID codes "missing_body", and "unknown_member" for a member that is not among
// `known` (names with spaces between): a mistyped one must not be passed over.
enum err request_body(struct request *request, struct worker *worker, const char *known, struct value *document,
                      struct diag *diag);

// The same of a definition, a document whose members the engine checks; an expression in it may be refused.
enum err request_definition(struct request *request, struct worker *worker, struct value *document, struct diag *diag);

// The same of the settings of reports or attribution, with the author of the change.
enum err request_settings(struct request *request, struct worker *worker, struct value *document, struct bytes *author,
                          struct diag *diag);

// Makes `request->refusal`, for calls that read expressions.
enum err request_refusal(struct request *request, struct diag *diag);

// ERR_INVALID code "unknown_parameter" for a parameter that is not among `known`.
enum err request_parameters(const struct request *request, const char *known, struct diag *diag);

// A text member of a document; absent or null: *text has data NULL. ERR_INVALID code "not_text" otherwise.
enum err request_member_text(struct request *request, struct value document, const char *name, struct bytes *text,
                             struct diag *diag);

// ERR_INVALID code "bad_member": `expected` follows "must be".
enum err request_bad_member(const char *name, const char *expected, struct diag *diag);

// Parameters with their ranges. Absent: the fallback. ERR_INVALID code "bad_parameter" with the range in words.
enum err request_number(const struct request *request, const char *name, uint64_t fallback, uint64_t least,
                        uint64_t most, uint64_t *number, struct diag *diag);
// `after` and `limit` (100), where there are no other parameters.
enum err request_page(const struct request *request, struct bytes *after, uint64_t *limit, struct diag *diag);
enum err request_flag(const struct request *request, const char *name, bool *flag, struct diag *diag);
enum err request_time(const struct request *request, const char *name, bool *given, int64_t *time_us,
                      struct diag *diag);
// ERR_INVALID code "missing_parameter" when absent or empty.
enum err request_required(const struct request *request, const char *name, struct bytes *text, struct diag *diag);

// The author of a change: the member `author`, else the name of the key.
enum err request_author(struct request *request, struct value document, struct bytes *author, struct diag *diag);
struct bytes request_key_name(const struct request *request);

// The customer of {ref}, the first parameter of the address.
enum err request_find(struct request *request, struct engine_view *view, uint64_t *customer, struct diag *diag);
// Writes 200 and the answer about her.
typedef enum err request_customer_fn(struct request *request, struct engine_view *view, uint64_t customer,
                                     struct json_writer *writer, struct diag *diag);
enum err request_customer(struct request *request, request_customer_fn *answer, struct diag *diag);

// For the engine's walks over everybody, whose context is the request: they end when the server does.
bool request_goes_on(void *context, uint64_t done, uint64_t total);
