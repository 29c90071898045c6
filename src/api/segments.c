// Segments, static lists and computed attributes: definitions, members, changes. Every answer is a document the engine
// writes.
#include "api/handlers.h"
#include "api/server.h"
#include "base/limits.h"
#include "engine/preview.h"

enum { OVERLAP_MAX = 100, REFERENCES_MAX = 10000 };

// --- definitions ---------------------------------------------------------------------------------------------

enum err segments_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_segments_json(request->api->engine, &writer, diag);
}

enum err segments_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_segment_json(request->api->engine, request->parameters[0], &writer, diag);
}

enum err segments_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  enum err err = request_definition(request, worker, &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_segment_put(request->api->engine, document, request_key_name(request), &writer,
                            request_commit(request, 200, NULL, NULL), request->refusal, diag);
}

enum err segments_archive(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_segment_archive(request->api->engine, request->parameters[0], &writer,
                                request_commit(request, 200, NULL, NULL), diag);
}

// --- members and changes -------------------------------------------------------------------------------------

enum err segments_members(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes after;
  uint64_t limit;
  (void)worker;
  enum err err = request_page(request, &after, &limit, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_segment_members_json(request->api->engine, request->parameters[0], after, (size_t)limit, &writer, diag);
}

// Of one segment where the address names one.
enum err segments_changes(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes after;
  uint64_t limit;
  (void)worker;
  enum err err = request_page(request, &after, &limit, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_changes_json(request->api->engine, request->parameters[0], after, (size_t)limit, &writer, diag);
}

// --- static lists --------------------------------------------------------------------------------------------

static enum err read_references(struct request *request, struct worker *worker, struct bytes **references,
                                size_t *count, struct diag *diag) {
  static const char expected[] = "a list of 1 to 10000 references, such as [\"email:zoe@exemple.fr\", \"c42\"]";
  struct value document;
  enum err err = request_body(request, worker, "references", &document, diag);
  if (err) return err;
  struct value list = value_member(document, engine_names(request->api->engine), BYTES("references"));
  if (value_type(list) != VALUE_LIST) return request_bad_member("references", expected, diag);
  *references = arena_take(&request->arena, REFERENCES_MAX * sizeof **references);
  if (!*references) return diag_no_memory(diag);
  struct value_iter iter = value_iterate(list);
  for (*count = 0; value_next(&iter); ++*count) {
    if (*count == REFERENCES_MAX || !value_as_text(iter.item, &(*references)[*count]))
      return request_bad_member("references", expected, diag);
  }
  return *count ? ERR_OK : request_bad_member("references", expected, diag);
}

static enum err change_list(struct request *request, struct worker *worker, bool listed, struct diag *diag) {
  struct bytes *references = NULL;
  size_t count = 0;
  enum err err = read_references(request, worker, &references, &count, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_list_change(request->api->engine, request->parameters[0], references, count, listed, &writer,
                           &request->commit.mark, diag);
  if (!err) request->marked = true;
  return err;
}

enum err segments_add(struct request *request, struct worker *worker, struct diag *diag) {
  return change_list(request, worker, true, diag);
}

enum err segments_remove(struct request *request, struct worker *worker, struct diag *diag) {
  return change_list(request, worker, false, diag);
}

// --- several segments, one customer --------------------------------------------------------------------------

// "vip,loyal": ids have no commas.
static size_t split_ids(struct bytes text, struct bytes ids[OVERLAP_MAX + 1]) {
  size_t count = 0, begin = 0;
  for (size_t i = 0; i <= text.size_bytes && count <= OVERLAP_MAX; i++) {
    if (i < text.size_bytes && text.data[i] != ',') continue;
    ids[count++] = bytes_trim(bytes_of(text.data + begin, i - begin));
    begin = i + 1;
  }
  return count;
}

enum err segments_overlap(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes text, ids[OVERLAP_MAX + 1];
  (void)worker;
  enum err err = request_required(request, "ids", &text, diag);
  if (err) return err;
  size_t count = split_ids(text, ids);
  struct json_writer writer = request_answer(request, 200);
  return engine_segments_overlap_json(request->api->engine, ids, count, &writer, diag);
}

static enum err answer_segments(struct request *request, struct engine_view *view, uint64_t customer,
                                struct json_writer *writer, struct diag *diag) {
  (void)request;
  return engine_customer_segments_json(view, customer, writer, diag);
}

enum err segments_of_customer(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_segments, diag);
}

// --- previews ------------------------------------------------------------------------------------------------

static enum err preview_in(struct request *request, struct engine_view *view, struct value document,
                           struct diag *diag) {
  struct engine_preview *preview;
  enum err err = engine_preview_open(view, document, &preview, request->refusal, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_preview_json(preview, request->api->options.query_threads, request_goes_on, request, &writer, diag);
  engine_preview_close(preview);
  return err;
}

enum err segments_preview(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  struct value document;
  enum err err = request_refusal(request, diag);
  if (!err) err = request_body(request, worker, "include exclude traits sample estimate within_ms", &document, diag);
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  err = preview_in(request, view, document, diag);
  engine_view_close(view);
  return err;
}
