// commands_rerun: the re-run of identity rules, here or watched on a server.
//
// On a data directory this process does the work, and Ctrl-C stops it where it stands. A server works by itself: the
// command only looks, and Ctrl-C only ends the looking.
#include <stdlib.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "cli/target.h"
#include "value/value.h"

enum { WORK_US = 50000, LOOK_EVERY_NS = 200000000 };

// --- on a data directory -------------------------------------------------------------------------------------

static enum err work(struct engine *engine, struct progress *progress, struct diag *diag) {
  struct engine_rerun_progress state = {.running = true};
  enum err err = ERR_OK;
  while (err == ERR_OK && state.running && !stop_is_asked()) {
    err = engine_rerun_work(engine, WORK_US, &state, diag);
    progress_show(progress, state.done, state.total, state.done);
  }
  return err;
}

// Stopped, not abandoned: a server that opens the directory later does not go on by itself.
static enum err rerun_local(struct engine *engine, struct bytes author, struct progress *progress,
                            struct json_writer *writer, struct diag *diag) {
  struct engine_commit commit = {0};
  enum err err = engine_rerun_start(engine, author, writer, &commit, diag);
  if (err == ERR_OK) err = work(engine, progress, diag);
  if (err == ERR_OK && stop_is_asked()) err = engine_rerun_stop(engine, writer, &commit, diag);
  if (err == ERR_OK) err = store_wait(engine_store(engine), store_mark_now(engine_store(engine)), diag);
  if (err != ERR_OK) return err;
  buffer_clear(writer->out); // now the end of it
  json_writer_init(writer, writer->out);
  return engine_rerun_json(engine, writer, diag);
}

static enum err run_local(struct cli *cli, struct bytes author, struct progress *progress, struct buffer *json,
                          struct diag *diag) {
  struct target_local local;
  struct json_writer writer;
  json_writer_init(&writer, json);
  enum err err = target_local_open(&local, &cli->options, 0, diag);
  if (err != ERR_OK) return err;
  err = rerun_local(local.engine, author, progress, &writer, diag);
  target_local_close(&local);
  return err;
}

// --- on a server ---------------------------------------------------------------------------------------------

static enum err show_state(struct bytes json, struct progress *progress, bool *running, struct diag *diag) {
  struct print_document document;
  struct bytes status = BYTES("");
  enum err err = print_document_init(&document, json, diag);
  if (err == ERR_OK) {
    value_as_text(value_member(document.root, document.names, BYTES("status")), &status);
    *running = bytes_equal(status, BYTES("running"));
    uint64_t done = print_find_count(&document, document.root, "done");
    progress_show(progress, done, print_find_count(&document, document.root, "customers"), done);
  }
  print_document_release(&document);
  return err;
}

static enum err watch(struct target *target, const struct target_call *start, struct progress *progress,
                      struct buffer *json, struct diag *diag) {
  const struct timespec pause = {0, LOOK_EVERY_NS};
  const struct target_call look = {.op = TARGET_RERUN_STATE};
  bool running = false;
  enum err err = target_call(target, start, json, diag);
  if (err == ERR_OK) err = show_state(buffer_view(json), progress, &running, diag);
  while (err == ERR_OK && running && !stop_is_asked()) {
    nanosleep(&pause, NULL);
    buffer_clear(json);
    err = target_call(target, &look, json, diag);
    if (err == ERR_OK) err = show_state(buffer_view(json), progress, &running, diag);
  }
  return err;
}

static enum err run_remote(struct cli *cli, const char *author, struct progress *progress, struct buffer *json,
                           struct diag *diag) {
  struct target *target = NULL;
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  if (author != NULL) json_member_text(&writer, "author", author);
  json_object_end(&writer);
  struct target_call start = {.op = TARGET_RERUN_START, .body = buffer_view(&body)};
  enum err err = body.failed ? diag_no_memory(diag) : target_open(&target, &cli->options, true, diag);
  if (err == ERR_OK) err = watch(target, &start, progress, json, diag);
  target_close(target);
  buffer_release(&body);
  return err;
}

// --- the commands --------------------------------------------------------------------------------------------

enum err command_rules_rerun(struct cli *cli, struct diag *diag) {
  const char *author = options_text(&cli->options, OPTION_AUTHOR, getenv("USER"));
  bool remote = target_is_remote(&cli->options);
  struct progress progress;
  struct buffer json;
  buffer_init(&json);
  stop_listen(true);
  progress_begin(&progress);
  progress.unit = "customers";
  enum err err = remote ? run_remote(cli, author, &progress, &json, diag)
                        : run_local(cli, bytes_from_text(author), &progress, &json, diag);
  progress_end(&progress);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), print_plain, diag);
  buffer_release(&json);
  if (err != ERR_OK || !stop_is_asked()) return err;
  return diag_set(diag, ERR_STOPPED, "stopped",
                  remote ? "the server goes on by itself; `rapport rules stop` stops it"
                         : "stopped; the same command goes on where this one ended");
}

enum err command_rules_status(struct cli *cli, struct diag *diag) {
  return ask(cli, &(struct target_call){.op = TARGET_RERUN_STATE}, false, print_plain, diag);
}

enum err command_rules_stop(struct cli *cli, struct diag *diag) {
  return ask(cli, &(struct target_call){.op = TARGET_RERUN_STOP}, true, print_plain, diag);
}
