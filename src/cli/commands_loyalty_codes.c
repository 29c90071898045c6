// commands_loyalty_codes: codes by the million, made here or watched on a server, and downloaded.
//
// On a data directory this process makes them, and Ctrl-C stops where it stands; killed outright, they are as many as
// the batch says, and `codes resume` goes on. A server works by itself: the command only looks.
#include <stdio.h>
#include <time.h>

#include "cli/advice.h"
#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "cli/typed.h"
#include "engine/members.h"

enum { WORK_US = 100000, LOOK_EVERY_NS = 200000000, PAGE_CODES = 4096, ID_BYTES = 32 };

// --- how far it is -------------------------------------------------------------------------------------------

struct watched {
  struct target *target;
  struct progress progress;
  struct buffer json; // the batch as it was told last
  char id[ID_BYTES];
  bool running;
};

static enum err look_at(struct watched *watched, struct diag *diag) {
  struct print_document document;
  enum err err = print_document_init(&document, buffer_view(&watched->json), diag);
  if (err == ERR_OK) {
    struct bytes id = print_find_text(&document, document.root, "id");
    snprintf(watched->id, sizeof watched->id, "%.*s", BYTES_ARG(id));
    watched->running = bytes_equal(print_find_text(&document, document.root, "status"), BYTES("running"));
    struct value progress = print_find(&document, document.root, "progress");
    uint64_t done = print_find_count(&document, progress, "done");
    progress_show(&watched->progress, done, print_find_count(&document, progress, "total"), done);
  }
  print_document_release(&document);
  return err;
}

static enum err call(struct watched *watched, const struct target_call *what, struct diag *diag) {
  buffer_clear(&watched->json);
  enum err err = target_call(watched->target, what, &watched->json, diag);
  return err == ERR_OK ? look_at(watched, diag) : err;
}

static enum err watch(struct watched *watched, struct diag *diag) {
  const struct timespec pause = {0, LOOK_EVERY_NS};
  const struct target_call look = {.op = TARGET_BATCH, .args = {[TARGET_ARG_ID] = watched->id}};
  enum err err = ERR_OK;
  while (err == ERR_OK && watched->running && !stop_is_asked()) {
    nanosleep(&pause, NULL);
    err = call(watched, &look, diag);
  }
  return err;
}

static enum err show_watched(struct cli *cli, struct watched *watched, bool remote, struct diag *diag) {
  enum err err = ask_show(cli, buffer_view(&watched->json), print_plain, diag);
  if (err != ERR_OK || !stop_is_asked()) return err;
  return diag_set(diag, ERR_STOPPED, "stopped",
                  remote ? "the server goes on by itself; `rapport loyalty codes stop %s` stops it"
                         : "stopped; `rapport loyalty codes resume %s` goes on",
                  watched->id);
}

static void begin(struct watched *watched) {
  *watched = (struct watched){.running = false};
  buffer_init(&watched->json);
  stop_listen(true);
  progress_begin(&watched->progress);
  watched->progress.unit = "codes";
}

static enum err run_remote(struct cli *cli, const struct target_call *what, struct diag *diag) {
  struct watched watched;
  begin(&watched);
  enum err err = target_open(&watched.target, &cli->options, true, diag);
  if (err == ERR_OK) err = call(&watched, what, diag);
  if (err == ERR_OK) err = watch(&watched, diag);
  progress_end(&watched.progress);
  target_close(watched.target);
  if (err == ERR_OK) err = show_watched(cli, &watched, true, diag);
  buffer_release(&watched.json);
  return advice_add(err, diag);
}

// --- on a data directory -------------------------------------------------------------------------------------

static enum err call_here(struct watched *watched, struct target_local *local, const struct target_call *what,
                          struct diag *diag) {
  buffer_clear(&watched->json);
  enum err err = target_local_call(local, what, &watched->json, diag);
  return err == ERR_OK ? look_at(watched, diag) : err;
}

// Stopped, not abandoned: a server that opens the directory later does not go on by itself.
static enum err work_here(struct watched *watched, struct target_local *local, const struct target_call *what,
                          struct diag *diag) {
  const struct target_call look = {.op = TARGET_BATCH, .args = {[TARGET_ARG_ID] = watched->id}};
  const struct target_call stop = {.op = TARGET_BATCH_STOP, .args = {[TARGET_ARG_ID] = watched->id}};
  enum err err = call_here(watched, local, what, diag);
  while (err == ERR_OK && watched->running && !stop_is_asked()) {
    bool more;
    err = engine_batch_work(local->engine, WORK_US, &more, diag);
    if (err == ERR_OK) err = call_here(watched, local, &look, diag);
  }
  if (err == ERR_OK && stop_is_asked()) err = call_here(watched, local, &stop, diag);
  return err == ERR_OK ? store_wait(local->store, store_mark_now(local->store), diag) : err;
}

static enum err run_here(struct cli *cli, const struct target_call *what, struct diag *diag) {
  struct target_local local;
  struct watched watched;
  begin(&watched);
  enum err err = target_local_open(&local, &cli->options, 0, diag);
  if (err == ERR_OK) {
    err = work_here(&watched, &local, what, diag);
    target_local_close(&local);
  }
  progress_end(&watched.progress);
  if (err == ERR_OK) err = show_watched(cli, &watched, false, diag);
  buffer_release(&watched.json);
  return advice_add(err, diag);
}

static enum err run(struct cli *cli, const struct target_call *what, struct diag *diag) {
  return target_is_remote(&cli->options) ? run_remote(cli, what, diag) : run_here(cli, what, diag);
}

// --- making --------------------------------------------------------------------------------------------------

static enum err write_request(const struct options *options, struct buffer *body, struct diag *diag) {
  const char *to = options_text(options, OPTION_VALID_TO, NULL), *value = options_text(options, OPTION_VALUE, NULL);
  const char *count = options_text(options, OPTION_HOW_MANY, NULL);
  struct json_writer writer;
  if (count == NULL) return diag_set(diag, ERR_INVALID, "usage", "how many? give --count N");
  json_writer_init(&writer, body);
  json_object_begin(&writer);
  json_member_text(&writer, "voucher", options->args[1]);
  enum err err = typed_amount_write(&writer, "count", count, false, diag);
  if (err == ERR_OK && to != NULL) json_member_text(&writer, "valid_to", to);
  if (err == ERR_OK && value != NULL) err = typed_amount_write(&writer, "value", value, false, diag);
  json_object_end(&writer);
  return err == ERR_OK && body->failed ? diag_no_memory(diag) : err;
}

static enum err make(struct cli *cli, struct diag *diag) {
  struct target_call what = {.op = TARGET_BATCH_START};
  struct buffer body;
  buffer_init(&body);
  enum err err = write_request(&cli->options, &body, diag);
  what.body = buffer_view(&body);
  if (err == ERR_OK) err = run(cli, &what, diag);
  buffer_release(&body);
  return err;
}

// --- the codes -----------------------------------------------------------------------------------------------

static enum err download_here(struct cli *cli, enum engine_codes_format format, struct diag *diag) {
  struct engine_codes_range range = {0, ENGINE_CODES_ALL};
  struct target_local local;
  enum err err = target_local_open(&local, &cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && range.from < range.to) {
    err = engine_batch_codes(local.engine, bytes_from_text(cli->options.args[1]), format, &range, PAGE_CODES, &cli->out,
                             diag);
    if (err == ERR_OK) err = command_flush(cli, diag);
  }
  target_local_close(&local);
  return advice_add(err, diag);
}

static enum err download(struct cli *cli, struct diag *diag) {
  const char *format = options_text(&cli->options, OPTION_FORMAT, "ndjson");
  struct target_call what = {.op = TARGET_BATCH_CODES, .args = {[TARGET_ARG_ID] = cli->options.args[1]}};
  struct target *target = NULL;
  what.args[TARGET_ARG_FORMAT] = format;
  if (!target_is_remote(&cli->options))
    return download_here(cli, format[0] == 'c' ? ENGINE_CODES_CSV : ENGINE_CODES_NDJSON, diag);
  enum err err = target_open(&target, &cli->options, false, diag);
  if (err == ERR_OK) err = target_call(target, &what, &cli->out, diag);
  if (err == ERR_OK) buffer_append_text(&cli->out, format[0] == 'c' ? "\r\n" : "\n");
  target_close(target);
  return advice_add(err, diag);
}

// --- the command ---------------------------------------------------------------------------------------------

enum err command_loyalty_codes(struct cli *cli, struct diag *diag) {
  enum { MAKE, LIST, SHOW, RESUME, STOP, DOWNLOAD, VERB_COUNT };
  static const struct typed_verb verbs[VERB_COUNT] = {
      [MAKE] = {"make", "VOUCHER", 1, 1},   [LIST] = {"list", "", 0, 0},      [SHOW] = {"show", "BATCH", 1, 1},
      [RESUME] = {"resume", "BATCH", 1, 1}, [STOP] = {"stop", "BATCH", 1, 1}, [DOWNLOAD] = {"download", "BATCH", 1, 1},
  };
  static const enum target_op ops[VERB_COUNT] = {
      [LIST] = TARGET_BATCHES, [SHOW] = TARGET_BATCH, [RESUME] = TARGET_BATCH_RESUME, [STOP] = TARGET_BATCH_STOP};
  size_t verb;
  enum err err = typed_verb_find(&cli->options, "loyalty codes", verbs, VERB_COUNT, &verb, diag);
  if (err != ERR_OK) return err;
  const struct target_call what = {.op = ops[verb], .args = {[TARGET_ARG_ID] = cli->options.args[1]}};
  if (verb == MAKE) return make(cli, diag);
  if (verb == RESUME) return run(cli, &what, diag);
  if (verb == DOWNLOAD) return download(cli, diag);
  return advice_add(ask(cli, &what, verb == STOP, print_plain, diag), diag);
}
