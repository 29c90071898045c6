// read: what the reading files of engine/ share. A view is one snapshot; every answer is made of rows of that snapshot.
//
// Answers are written piece by piece into the caller's writer; what is read for a piece lives in an arena that is
// cleared after it. On an error the writer holds a part of an answer, which the caller drops.
#pragma once

#include "engine/internal.h"
#include "quality/quality.h"

struct engine_view {
  struct engine *engine;
  struct store_snapshot *snapshot;
  struct customer_sources sources;
  struct quality_phones *phones; // made when the first phone number is asked for
};

enum {
  READ_HOPS_MAX = 16,        // redirects followed from one id; merges keep chains at one
  READ_REFERENCE_BYTES = 512 // a reference or a query as people type it
};

// --- read.c --------------------------------------------------------------------------------------------------

// The record of a customer, redirects followed, and with it the head of its timeline (NULL: not wanted). ERR_NOT_FOUND
// code "no_customer". Both live in the arena.
enum err read_customer(struct engine_view *view, uint64_t id, struct arena *arena, struct customer *record,
                       struct timeline_head *head, struct diag *diag);

// The same, where no such customer is no failure: *found says. Used where a row may lead to somebody erased since.
enum err read_customer_if_there(struct engine_view *view, uint64_t id, struct arena *arena, struct customer *record,
                                struct timeline_head *head, bool *found);

// The public document of a record.
enum err read_write_record(struct engine_view *view, const struct customer *record, const struct timeline_head *head,
                           struct json_writer *writer, struct arena *arena);

// The same of a record in hand, as a transaction holds it.
enum err read_write_state(struct engine *engine, const struct customer_sources *sources, const struct customer *record,
                          const struct timeline_head *head, struct json_writer *writer, struct arena *arena);

// An error that the store or the arena gave, in words when it is short memory; also when the writer ran short.
enum err read_end(enum err err, const struct json_writer *writer, struct diag *diag);

void read_write_id(struct json_writer *writer, const char *name, uint64_t customer);
void read_write_identifier(struct json_writer *writer, const struct engine *engine, struct identifier identifier);
struct bytes read_source_name(struct engine *engine, uint32_t source);

// A member of a row's document as text; empty when it is none.
struct bytes read_text(struct value document, uint32_t name);

// --- read_find.c ---------------------------------------------------------------------------------------------

// What is known of an identifier that somebody asks for.
struct read_target {
  struct identifier identifier; // cleaned
  const struct identity_type *type;
  bool known;                     // there is a row
  bool shared;                    // used by several people: leads to none
  uint64_t customer;              // whom it leads to now; 0: nobody
  struct identity_device *device; // of a device with a row
};

// Reads "type:value", cleaning the value as events' are. The result lives in the arena. ERR_INVALID "bad_reference".
enum err read_target(struct engine_view *view, struct bytes reference, struct arena *arena, struct read_target *target,
                     struct diag *diag);

// --- read_identity.c -----------------------------------------------------------------------------------------

// Walks the rows of EDGE of one customer and kind, in order of their numbers; `document` is valid during the call.
// Stops when `each` fails.
typedef enum err read_edge_fn(void *context, uint64_t number, struct value document);
enum err read_edges(struct engine_view *view, const struct customer *record, enum engine_edge_kind kind,
                    read_edge_fn *each, void *context);

// One row as an object: its id, then the members of its document.
void read_write_edge(struct json_writer *writer, const struct engine *engine, enum engine_edge_kind kind,
                     uint64_t number, struct value document);

// The identity document. `rows_max` bounds refusals and history, which grow without end; 0: all.
enum err read_write_identity(struct engine_view *view, const struct customer *record, size_t rows_max,
                             struct json_writer *writer, struct arena *arena);

// --- read_events.c -------------------------------------------------------------------------------------------

// Writes events of `query` as items of an open array, at most `limit` (0: all). When there are more, *more is true and
// *last is where the page ended.
enum err read_write_events(struct engine_view *view, uint64_t customer, const struct timeline_head *head,
                           const struct timeline_query *query, size_t limit, struct json_writer *writer, bool *more,
                           struct identity_instant *last);
