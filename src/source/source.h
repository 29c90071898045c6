// source: events in. Reads what SDKs, tills and files send and makes cleaned engine events of it.
//
// Layer 7. One reader knows the Segment protocol (source_message_read); everything that brings events, HTTP bodies,
// files, what was set aside and is sent again, goes through it, so that a message means the same wherever it came from.
// Memory: results live in the arena given. Threads: a `struct source_reader` belongs to one thread.
#pragma once

#include "base/arena.h"
#include "engine/engine.h"

// Per thread: the JSON parser and the phone cache.
struct source_reader;
enum err source_reader_open(struct source_reader **reader, struct engine *engine);
void source_reader_close(struct source_reader *reader);

// What surrounds a message.
struct source_envelope {
  uint32_t source;
  bool trusted; // a server key
  bool replay;  // an import
  int64_t received_us;
  int64_t sent_us;      // the batch's sentAt; INT64_MIN when it had none
  struct bytes type;    // from the path ("track"); empty: the message says
  struct value context; // the batch's own context, for messages without one; may be absent
  bool resent;          // it was set aside and is sent again: what would be set aside once more is refused
};

// Reads one packed message into an event. Normalises identifiers (paths of the identity rules), corrects the time by
// sentAt as Segment's specification says (time = received - (sent - original); not in a replay, and not when a message
// has both timestamp and originalTimestamp: then timestamp is what the caller meant), finds the hot amount, currency,
// store and channel, and makes a message id where there is none: a till's natural key (store, till, ticket), else a
// hash of the content and `occurrence` (how many equal messages came before it in the same file or request). A refusal
// is ERR_INVALID with code: "not_an_object", "unknown_type", "missing_event", "missing_identifier", "bad_timestamp",
// "bad_message_id", "name_too_long", … The caller reports it. A message that can be read but should not be believed as
// it stands becomes an event for the engine to keep aside (event->aside_code): "time_in_future" (over 48 h after
// receipt), "time_before_1970", "bot". With its id it is known when it comes again.
enum err source_message_read(struct source_reader *reader, const struct source_envelope *envelope, struct value message,
                             struct bytes text, uint64_t occurrence, struct arena *arena, struct engine_event *event,
                             struct diag *diag);

// What became of each item of a request.
struct source_item {
  enum { SOURCE_TAKEN, SOURCE_DUPLICATE, SOURCE_REJECTED, SOURCE_ASIDE } outcome;
  const char *code;    // of REJECTED and ASIDE; of TAKEN: what loyalty cannot do for it, NULL: nothing. Static storage
                       // or in the arena
  const char *message; // words for it
};
struct source_report {
  size_t count, taken, duplicates, rejected, aside;
  struct source_item *items; // `count` of them, in order
};

// A whole request body, already unzipped: a batch ({"batch":[…]} with shared writeKey, sentAt, context) or, when
// envelope->type is set, one message. Everything that can be taken is applied; an item over LIMIT_EVENT_BYTES or
// unreadable is rejected alone (and kept aside). The body's own faults (not JSON, no batch, over LIMIT_BATCH_EVENTS)
// take nothing. envelope->sent_us and context are read from the body.
enum err source_body_apply(struct source_reader *reader, struct source_envelope *envelope, struct bytes body,
                           struct arena *arena, struct source_report *report, struct store_mark *mark,
                           struct diag *diag);

// The writeKey member of a body, found without applying it (for clients that put it only there): a view into `body`,
// which is scanned only, so that an unknown sender leaves no names in the dictionary. Empty when there is none.
enum err source_body_write_key(struct source_reader *reader, struct bytes body, struct arena *arena,
                               struct bytes *write_key, struct diag *diag);

// --- files (source/import.c) ---------------------------------------------------------------------------------

struct source_import {
  const char *path;         // .ndjson .json .jsonl .csv, or any of them with .gz; "-" is standard input
  const char *map_path;     // a mapping for CSV columns; NULL: columns are taken by their usual names
  const char *rejects_path; // where refused lines go, as NDJSON {"line","code","message","event"}; NULL: path +
                            // ".rejects.ndjson" ("stdin.rejects.ndjson" for "-"). Made when a line is refused
  uint32_t source;
  unsigned threads; // 0: as many as cores; 1 also keeps the order of the file, which more do not
  // Called about ten times a second and at the end.
  void (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t events);
  void *context;
  const volatile int *stop; // becomes not 0 on Ctrl-C: what was read is finished, the rest can be resumed
};
struct source_import_result {
  uint64_t lines, taken, duplicates, rejected, aside;
  bool resumed; // a part of the file was taken before a crash and skipped now
};
// Loads a file. Resumable: progress is kept in the workspace under a hash of the file's beginning and size; a second
// run goes on where the first ended, and deduplication makes any overlap harmless. Ends with everything durable; a file
// that was taken whole begins anew, and then changes nothing. A failure and a stop (ERR_STOPPED, code "stopped") keep
// what was applied; *result tells it in every case. The progress of a pipe is not kept. A mapping is described in
// map.h.
enum err source_import_file(struct engine *engine, const struct source_import *import,
                            struct source_import_result *result, struct diag *diag);
