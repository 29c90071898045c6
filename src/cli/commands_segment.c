// commands_segment: segments, static lists and computed attributes.
//
// A definition that asks something new is computed before it answers. On a data directory this process does that,
// behind a bar where a person looks on; a server does it by itself, and the command only looks. Ctrl-C ends either:
// what was not computed is gone on with when the directory is next served, or by the same command.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "cli/ask.h"
#include "cli/define.h"
#include "cli/progress.h"
#include "cli/stop.h"

enum {
  DEFINITION_BYTES_MAX = 1024 * 1024,
  REFERENCES_MAX = 1000, // of one call
  LINE_BYTES_MAX = 4096,
  ID_BYTES = 128,
  LOOK_EVERY_NS = 100000000,
  FLUSH_BYTES = 64 * 1024,
};

// --- documents -----------------------------------------------------------------------------------------------

static void copy_members(const struct print_document *document, struct value of, const char *const *names,
                         struct json_writer *writer) {
  for (; *names != NULL; names++) {
    struct value value = print_find(document, of, *names);
    if (value_is_absent(value)) continue;
    json_name(writer, *names);
    value_to_json(writer, value, document->names);
  }
}

// The items as a table of these columns.
void print_columns(const struct print_document *document, const char *const *columns, struct buffer *out) {
  struct value_iter items = value_iterate(print_find(document, document->root, "items"));
  struct print_document shown;
  struct json_writer writer;
  struct buffer json;
  buffer_init(&json);
  json_writer_init(&writer, &json);
  json_object_begin(&writer);
  json_name(&writer, "items");
  json_array_begin(&writer);
  while (value_next(&items)) {
    json_object_begin(&writer);
    copy_members(document, items.item, columns, &writer);
    json_object_end(&writer);
  }
  json_array_end(&writer);
  json_object_end(&writer);
  if (!json.failed && print_document_init(&shown, buffer_view(&json), NULL) == ERR_OK) {
    print_plain(&shown, out);
    print_document_release(&shown);
  }
  buffer_release(&json);
}

// --- put -----------------------------------------------------------------------------------------------------

// The workspace, here or there; a directory also works.
struct place {
  struct target *server; // NULL: `local`
  struct target_local local;
};

static enum err place_open(struct place *place, const struct options *options, struct diag *diag) {
  *place = (struct place){.server = NULL};
  return target_is_remote(options) ? target_open(&place->server, options, true, diag)
                                   : target_local_open(&place->local, options, 0, diag);
}

static void place_close(struct place *place) {
  if (place->server != NULL)
    target_close(place->server);
  else
    target_local_close(&place->local);
}

static enum err place_call(struct place *place, const struct target_call *call, struct buffer *json,
                           struct diag *diag) {
  buffer_clear(json);
  return place->server != NULL ? target_call(place->server, call, json, diag)
                               : target_local_call(&place->local, call, json, diag);
}

// Some time passes: a directory is worked at meanwhile.
static enum err place_pass(struct place *place, struct diag *diag) {
  const struct timespec pause = {0, LOOK_EVERY_NS};
  bool idle;
  if (place->server == NULL) return engine_tick(place->local.engine, &idle, diag);
  nanosleep(&pause, NULL);
  return ERR_OK;
}

// What the definition's document says of it.
struct state {
  char id[ID_BYTES];
  bool building;
  uint64_t version, done, total;
};

static enum err read_state(struct bytes json, bool warn, struct state *state, struct diag *diag) {
  struct print_document document;
  enum err err = print_document_init(&document, json, diag);
  if (err == ERR_OK) {
    struct value progress = print_find(&document, document.root, "progress");
    struct value_iter warnings = value_iterate(print_find(&document, document.root, "warnings"));
    snprintf(state->id, sizeof state->id, "%.*s", BYTES_ARG(print_find_text(&document, document.root, "id")));
    state->building = bytes_equal(print_find_text(&document, document.root, "status"), BYTES("building"));
    state->version = print_find_count(&document, document.root, "version");
    state->done = print_find_count(&document, progress, "done");
    state->total = print_find_count(&document, progress, "total");
    while (warn && value_next(&warnings))
      fprintf(stderr, "rapport: warning: %.*s\n", BYTES_ARG(print_find_text(&document, warnings.item, "message")));
  }
  print_document_release(&document);
  return err;
}

// A newer version is computed while the older one answers: then the older one's document is what is shown until the
// end.
static enum err wait_until_live(struct place *place, enum target_op op, struct state *state, struct buffer *json,
                                struct diag *diag) {
  const struct target_call look = {.op = op, .args = {[TARGET_ARG_ID] = state->id}};
  struct progress progress;
  uint64_t wanted = state->version;
  enum err err = ERR_OK;
  progress_begin(&progress);
  progress.unit = "customers";
  while (err == ERR_OK && (state->building || state->version < wanted) && !stop_is_asked()) {
    err = place_pass(place, diag);
    if (err == ERR_OK) err = place_call(place, &look, json, diag);
    if (err == ERR_OK) err = read_state(buffer_view(json), false, state, diag);
    progress_show(&progress, state->done, state->total, state->done);
  }
  progress_end(&progress);
  return err;
}

static enum err put(struct place *place, const struct target_call *call, enum target_op op, struct buffer *json,
                    struct diag *diag) {
  struct state state;
  bool idle = false;
  enum err err = place_call(place, call, json, diag);
  if (err == ERR_OK) err = read_state(buffer_view(json), true, &state, diag);
  if (err == ERR_OK) err = wait_until_live(place, op, &state, json, diag);
  // What refers to it is computed anew.
  while (err == ERR_OK && place->server == NULL && !idle && !stop_is_asked())
    err = engine_tick(place->local.engine, &idle, diag);
  const struct target_call look = {.op = op, .args = {[TARGET_ARG_ID] = state.id}};
  if (err == ERR_OK) err = place_call(place, &look, json, diag);
  if (err != ERR_OK || place->server != NULL) return err;
  return store_wait(place->local.store, store_mark_now(place->local.store), diag);
}

enum err define(struct cli *cli, const struct target_call *call, enum target_op look, struct diag *diag) {
  struct buffer json;
  struct place place;
  buffer_init(&json);
  stop_listen(false);
  enum err err = place_open(&place, &cli->options, diag);
  if (err == ERR_OK) {
    err = put(&place, call, look, &json, diag);
    place_close(&place);
  }
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), print_plain, diag);
  buffer_release(&json);
  if (err != ERR_OK || !stop_is_asked()) return err;
  return diag_set(diag, ERR_STOPPED, "stopped", "it is defined; the computing goes on when the directory is served");
}

enum err command_segment_put(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SEGMENT_PUT};
  struct buffer body;
  buffer_init(&body);
  enum err err = ask_read_file(cli->options.args[0], DEFINITION_BYTES_MAX, &body, diag);
  call.body = buffer_view(&body);
  if (err == ERR_OK) err = define(cli, &call, TARGET_SEGMENT, diag);
  buffer_release(&body);
  return err;
}

// --- looking -------------------------------------------------------------------------------------------------

static void print_segments(const struct print_document *document, struct buffer *out) {
  static const char *const columns[] = {"id", "kind", "status", "members", "share", "include", "expression", NULL};
  print_columns(document, columns, out);
}

enum err command_segment_list(struct cli *cli, struct diag *diag) {
  return ask(cli, &(struct target_call){.op = TARGET_SEGMENTS}, false, print_segments, diag);
}

enum err command_segment_show(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SEGMENT, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return ask(cli, &call, false, print_plain, diag);
}

enum err command_segment_archive(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SEGMENT_ARCHIVE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return ask(cli, &call, true, print_plain, diag);
}

static void print_changes(const struct print_document *document, struct buffer *out) {
  static const char *const columns[] = {"cursor", "segment", "customer", "change", "at", "backfill", NULL};
  print_columns(document, columns, out);
}

enum err command_segment_changes(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = options->arg_count > 0 ? TARGET_SEGMENT_CHANGES : TARGET_CHANGES};
  call.args[TARGET_ARG_ID] = options->args[0];
  call.args[TARGET_ARG_AFTER] = options_text(options, OPTION_AFTER, NULL);
  call.args[TARGET_ARG_LIMIT] = options_text(options, OPTION_LIMIT, "50");
  return ask(cli, &call, false, print_changes, diag);
}

// A line for each segment: its members, and how many of them are in each of the others too.
static void print_overlap(const struct print_document *document, struct buffer *out) {
  struct value root = document->root, cells = print_find(document, root, "both");
  struct value_iter rows = value_iterate(cells), names = value_iterate(print_find(document, root, "segments"));
  while (value_next(&rows) && value_next(&names)) {
    struct value_iter columns = value_iterate(rows.item);
    struct bytes name = BYTES("");
    value_as_text(names.item, &name);
    buffer_append_format(out, "  %-24.*s", BYTES_ARG(name));
    while (value_next(&columns)) {
      struct decimal number;
      int64_t whole = 0;
      if (value_as_number(columns.item, &number)) decimal_to_scaled_i64(number, 0, &whole);
      buffer_append_format(out, " %10lld", (long long)whole);
    }
    buffer_append_byte(out, '\n');
  }
  buffer_append_format(out, "in any of them %llu, in all %llu\n",
                       (unsigned long long)print_find_count(document, root, "any"),
                       (unsigned long long)print_find_count(document, root, "all"));
}

enum err command_segment_overlap(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_OVERLAP};
  struct buffer ids;
  buffer_init(&ids);
  for (size_t i = 0; i < options->arg_count; i++)
    buffer_append_format(&ids, "%s%s", i > 0 ? "," : "", options->args[i]);
  buffer_append_byte(&ids, '\0');
  call.args[TARGET_ARG_IDS] = (const char *)ids.data;
  enum err err = ids.failed ? diag_no_memory(diag) : ask(cli, &call, false, print_overlap, diag);
  buffer_release(&ids);
  return err;
}

// --- members -------------------------------------------------------------------------------------------------

static void append_csv(const struct print_document *page, struct value item, struct buffer *out) {
  struct bytes variant = print_find_text(page, item, "variant");
  bool quoted = memchr(variant.data, ',', variant.size_bytes) != NULL || memchr(variant.data, '"', variant.size_bytes);
  buffer_append_format(out, "%.*s,", BYTES_ARG(print_find_text(page, item, "id")));
  buffer_append_format(out, "%.*s,", BYTES_ARG(print_find_text(page, item, "since")));
  if (quoted) buffer_append_byte(out, '"');
  for (size_t i = 0; i < variant.size_bytes; i++) {
    if (variant.data[i] == '"') buffer_append_byte(out, '"');
    buffer_append_byte(out, variant.data[i]);
  }
  if (quoted) buffer_append_byte(out, '"');
  buffer_append_byte(out, '\n');
}

static void append_ndjson(const struct print_document *page, struct value item, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  value_to_json(&writer, item, page->names);
  buffer_append_byte(out, '\n');
}

struct pages {
  struct cli *cli;
  bool csv;
  uint64_t left; // rows that may still be written; 0: all
  char after[ID_BYTES];
  bool more;
};

static enum err write_page(struct pages *pages, struct bytes json, struct diag *diag) {
  struct print_document page;
  enum err err = print_document_init(&page, json, diag);
  if (err == ERR_OK) {
    struct value_iter items = value_iterate(print_find(&page, page.root, "items"));
    while (value_next(&items)) {
      if (pages->csv)
        append_csv(&page, items.item, &pages->cli->out);
      else
        append_ndjson(&page, items.item, &pages->cli->out);
      if (pages->left > 0 && --pages->left == 0) break;
    }
    struct bytes next = print_find_text(&page, page.root, "next");
    snprintf(pages->after, sizeof pages->after, "%.*s", BYTES_ARG(next));
    pages->more = next.size_bytes > 0;
  }
  print_document_release(&page);
  return err == ERR_OK && pages->cli->out.size_bytes > FLUSH_BYTES ? command_flush(pages->cli, diag) : err;
}

// All of them, or --limit, one page after another.
static enum err write_pages(struct pages *pages, struct target *target, struct target_call *call, struct diag *diag) {
  bool limited = pages->left > 0;
  enum err err = ERR_OK;
  if (pages->csv) buffer_append_text(&pages->cli->out, "id,since,variant\n");
  do {
    struct buffer json;
    buffer_init(&json);
    call->args[TARGET_ARG_LIMIT] = "1000";
    err = target_call(target, call, &json, diag);
    if (err == ERR_OK) err = write_page(pages, buffer_view(&json), diag);
    call->args[TARGET_ARG_AFTER] = pages->after;
    buffer_release(&json);
  } while (err == ERR_OK && pages->more && !(limited && pages->left == 0));
  return err;
}

enum err command_segment_members(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_SEGMENT_MEMBERS, .args = {[TARGET_ARG_ID] = options->args[0]}};
  struct pages pages = {.cli = cli, .left = (uint64_t)options_number(options, OPTION_LIMIT, 0)};
  struct target *target = NULL;
  call.args[TARGET_ARG_AFTER] = options_text(options, OPTION_AFTER, NULL);
  call.args[TARGET_ARG_LIMIT] = options_text(options, OPTION_LIMIT, "50");
  if (options_text(options, OPTION_FORMAT, NULL) == NULL) return ask(cli, &call, false, print_plain, diag);
  pages.csv = options->values[OPTION_FORMAT].number == 1;
  enum err err = target_open(&target, options, false, diag);
  if (err == ERR_OK) err = write_pages(&pages, target, &call, diag);
  target_close(target);
  return err;
}

// --- static lists --------------------------------------------------------------------------------------------

// References gathered for one call.
struct gathering {
  struct target *target;
  enum target_op op;
  const char *id;
  struct buffer body;
  struct json_writer writer;
  size_t count;
  uint64_t customers;
  uint64_t not_found;
};

static void begin_body(struct gathering *gathering) {
  buffer_clear(&gathering->body);
  json_writer_init(&gathering->writer, &gathering->body);
  json_object_begin(&gathering->writer);
  json_name(&gathering->writer, "references");
  json_array_begin(&gathering->writer);
  gathering->count = 0;
}

static enum err take_answer(struct gathering *gathering, struct bytes json, struct diag *diag) {
  struct print_document answer;
  enum err err = print_document_init(&answer, json, diag);
  if (err == ERR_OK) {
    struct value_iter missing = value_iterate(print_find(&answer, answer.root, "not_found"));
    gathering->customers += print_find_count(&answer, answer.root, "customers");
    for (; value_next(&missing); gathering->not_found++) {
      struct bytes reference = BYTES("");
      value_as_text(missing.item, &reference);
      fprintf(stderr, "rapport: nobody has %.*s\n", BYTES_ARG(reference));
    }
  }
  print_document_release(&answer);
  return err;
}

static enum err send_body(struct gathering *gathering, struct diag *diag) {
  struct buffer json;
  if (gathering->count == 0) return ERR_OK;
  json_array_end(&gathering->writer);
  json_object_end(&gathering->writer);
  const struct target_call call = {
      .op = gathering->op, .args = {[TARGET_ARG_ID] = gathering->id}, .body = buffer_view(&gathering->body)};
  buffer_init(&json);
  enum err err = gathering->body.failed ? diag_no_memory(diag) : target_call(gathering->target, &call, &json, diag);
  if (err == ERR_OK) err = take_answer(gathering, buffer_view(&json), diag);
  buffer_release(&json);
  begin_body(gathering);
  return err;
}

static enum err take_reference(struct gathering *gathering, struct bytes reference, struct diag *diag) {
  reference = bytes_trim(reference);
  if (reference.size_bytes == 0) return ERR_OK;
  if (!bytes_is_utf8(reference))
    return diag_set(diag, ERR_INVALID, "invalid_utf8", "a line is not UTF-8; nothing from there on was taken");
  json_bytes(&gathering->writer, reference);
  return ++gathering->count == REFERENCES_MAX ? send_body(gathering, diag) : ERR_OK;
}

static enum err take_lines(struct gathering *gathering, struct diag *diag) {
  static char line[LINE_BYTES_MAX];
  enum err err = ERR_OK;
  while (err == ERR_OK && fgets(line, sizeof line, stdin) != NULL)
    err = take_reference(gathering, bytes_from_text(line), diag);
  return err;
}

static enum err change_list(struct cli *cli, enum target_op op, const char *done, struct diag *diag) {
  const struct options *options = &cli->options;
  struct gathering gathering = {.op = op, .id = options->args[0]};
  bool from_lines = options->arg_count == 2 && strcmp(options->args[1], "-") == 0;
  buffer_init(&gathering.body);
  begin_body(&gathering);
  enum err err = target_open(&gathering.target, options, true, diag);
  if (err == ERR_OK && from_lines) err = take_lines(&gathering, diag);
  for (size_t i = 1; err == ERR_OK && !from_lines && i < options->arg_count; i++)
    err = take_reference(&gathering, bytes_from_text(options->args[i]), diag);
  if (err == ERR_OK) err = send_body(&gathering, diag);
  target_close(gathering.target);
  buffer_release(&gathering.body);
  buffer_append_format(&cli->out, "%llu %s", (unsigned long long)gathering.customers, done);
  if (gathering.not_found > 0)
    buffer_append_format(&cli->out, ", %llu not found", (unsigned long long)gathering.not_found);
  buffer_append_byte(&cli->out, '\n');
  return err;
}

enum err command_segment_add(struct cli *cli, struct diag *diag) {
  return change_list(cli, TARGET_LIST_ADD, "on the list", diag);
}

enum err command_segment_remove(struct cli *cli, struct diag *diag) {
  return change_list(cli, TARGET_LIST_REMOVE, "off the list", diag);
}
