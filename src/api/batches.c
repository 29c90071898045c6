// Batches of codes: a POST starts one, a GET tells how far it is, and its codes are downloaded as they are needed by
// printers and senders of mail. Whoever may make codes may read them all: the route wants the scope "write".
#include <string.h>

#include "api/download.h"
#include "api/handlers.h"
#include "api/member.h"
#include "api/server.h"
#include "base/alloc.h"

enum { PAGE_CODES = 256, ID_BYTES_MAX = 24 };

enum err batches_start(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, "voucher count valid_to value", &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 202);
  return engine_batch_start(request->api->engine, &caller, document, &writer, request_commit(request, 202, NULL, NULL),
                            diag);
}

enum err batches_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_batches_json(request->api->engine, &writer, diag);
}

enum err batches_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_batch_json(request->api->engine, request->parameters[0], &writer, diag);
}

enum err batches_stop(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_batch_stop(request->api->engine, request->parameters[0], &writer,
                           request_commit(request, 200, NULL, NULL), diag);
}

enum err batches_resume(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 202);
  return engine_batch_resume(request->api->engine, request->parameters[0], &writer,
                             request_commit(request, 202, NULL, NULL), diag);
}

// --- the codes -----------------------------------------------------------------------------------------------

struct reading {
  struct engine *engine;
  enum engine_codes_format format;
  struct engine_codes_range range;
  size_t id_bytes;
  char id[ID_BYTES_MAX];
};

static enum err read_page(void *context, struct buffer *out, bool *more, struct diag *diag) {
  struct reading *reading = context;
  enum err err = engine_batch_codes(reading->engine, bytes_of(reading->id, reading->id_bytes), reading->format,
                                    &reading->range, PAGE_CODES, out, diag);
  *more = reading->range.from < reading->range.to;
  return err;
}

static void close_reading(void *context) {
  alloc_free(context);
}

static enum err read_format(struct request *request, enum engine_codes_format *format, struct diag *diag) {
  struct bytes text = {NULL, 0};
  *format = ENGINE_CODES_NDJSON;
  enum err err = request_parameters(request, "format", diag);
  if (!err) err = uri_find(&request->uri, "format", &text, diag);
  if (err || !text.data || bytes_equal(text, BYTES("ndjson"))) return err;
  *format = ENGINE_CODES_CSV;
  if (bytes_equal(text, BYTES("csv"))) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "bad_parameter", "The parameter \"format\" must be \"csv\" or \"ndjson\".");
}

// Those that are made when it is asked for: they are waited for until they are on the disk. A code's state and uses are
// told as they are when its page is made.
enum err batches_codes(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  enum engine_codes_format format;
  struct bytes id = request->parameters[0];
  enum err err = read_format(request, &format, diag);
  if (err) return err;
  struct reading *reading = alloc_zero(1, sizeof *reading);
  if (!reading) return diag_no_memory(diag);
  reading->engine = request->api->engine;
  reading->format = format;
  reading->range.to = ENGINE_CODES_ALL;
  reading->id_bytes = id.size_bytes < ID_BYTES_MAX ? id.size_bytes : 0; // none is as long
  memcpy(reading->id, id.data, reading->id_bytes);
  const struct download_source source = {read_page, close_reading, reading, &request->api->stopping};
  err = download_open(&request->download, &source, diag);
  if (err) return err;
  request->status = 200;
  request->content_type = format == ENGINE_CODES_CSV ? "text/csv; charset=utf-8" : "application/x-ndjson";
  request->commit.mark = store_mark_now(request->api->store);
  request->marked = true;
  return ERR_OK;
}
