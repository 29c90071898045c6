// commands_loyalty_simulate: a simulation, here or as a job of a server; Ctrl-C ends it, and nothing of it is left.
#include <stdio.h>
#include <time.h>

#include "cli/advice.h"
#include "cli/ask.h"
#include "cli/print_simulate.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "cli/target.h"
#include "engine/members.h"

enum { DOCUMENT_BYTES_MAX = 4 * 1024 * 1024, LOOK_EVERY_NS = 200000000, ID_BYTES = 32 };

// --- the request ---------------------------------------------------------------------------------------------

static enum err put_document(struct json_writer *writer, const char *name, const char *path, struct diag *diag) {
  struct buffer document;
  if (path == NULL) return ERR_OK;
  buffer_init(&document);
  enum err err = ask_read_file(path, DOCUMENT_BYTES_MAX, &document, diag);
  if (err == ERR_OK) {
    json_name(writer, name);
    json_array_begin(writer);
    json_raw(writer, buffer_view(&document));
    json_array_end(writer);
  }
  buffer_release(&document);
  return err;
}

static enum err write_request(const struct options *options, struct buffer *body, struct diag *diag) {
  const char *from = options_text(options, OPTION_FROM, NULL), *to = options_text(options, OPTION_TO, NULL);
  const char *where = options_text(options, OPTION_WHERE, NULL);
  struct json_writer writer;
  if (from == NULL || to == NULL)
    return diag_set(diag, ERR_INVALID, "usage", "which orders? give --from TIME and --to TIME");
  json_writer_init(&writer, body);
  json_object_begin(&writer);
  enum err err = put_document(&writer, "programmes", options_text(options, OPTION_PROGRAMME, NULL), diag);
  if (err == ERR_OK) err = put_document(&writer, "campaigns", options_text(options, OPTION_CAMPAIGN, NULL), diag);
  if (err == ERR_OK) err = put_document(&writer, "vouchers", options_text(options, OPTION_VOUCHER, NULL), diag);
  json_member_text(&writer, "from", from);
  json_member_text(&writer, "to", to);
  if (where != NULL) json_member_text(&writer, "where", where);
  json_object_end(&writer);
  return err == ERR_OK && body->failed ? diag_no_memory(diag) : err;
}

static enum err stopped(struct diag *diag) {
  return diag_set(diag, ERR_STOPPED, "stopped", "stopped; nothing of the simulation is left");
}

// --- on a data directory -------------------------------------------------------------------------------------

static bool show_progress(void *context, uint64_t done, uint64_t total) {
  progress_show(context, done, total, done);
  return !stop_is_asked();
}

static enum err run_here(struct cli *cli, struct bytes body, struct progress *progress, struct buffer *json,
                         struct diag *diag) {
  struct engine_simulation *simulation = NULL;
  struct target_local local;
  struct json_writer writer;
  struct buffer packed;
  enum err err = target_local_open(&local, &cli->options, 0, diag);
  if (err != ERR_OK) return err;
  buffer_init(&packed);
  json_writer_init(&writer, json);
  err = target_parse(local.engine, body, &packed, diag);
  if (err == ERR_OK)
    err = engine_simulation_open(local.engine, (struct value){buffer_view(&packed)}, &simulation, NULL, diag);
  if (err == ERR_OK) err = engine_simulation_run(simulation, show_progress, progress, &writer, diag);
  if (simulation != NULL) engine_simulation_close(simulation);
  buffer_release(&packed);
  target_local_close(&local);
  return err;
}

// --- on a server ---------------------------------------------------------------------------------------------

struct job {
  char id[ID_BYTES];
  bool running;
};

// Of a job that has ended: its report, as JSON, in the place of the job.
static enum err take_report(const struct print_document *document, struct buffer *json, struct diag *diag) {
  struct value report = value_member(document->root, document->names, BYTES("simulation"));
  struct value error = value_member(document->root, document->names, BYTES("error"));
  struct bytes code = BYTES("failed"), detail = BYTES("the simulation failed");
  char code_text[DIAG_CODE_BYTES];
  value_as_text(value_member(error, document->names, BYTES("code")), &code);
  value_as_text(value_member(error, document->names, BYTES("detail")), &detail);
  if (value_is_absent(report) || value_type(report) != VALUE_DOCUMENT) {
    snprintf(code_text, sizeof code_text, "%.*s", BYTES_ARG(code));
    return diag_set(diag, ERR_STOPPED, code_text, "%.*s", BYTES_ARG(detail));
  }
  buffer_clear(json);
  print_value(json, document, report, 0, false);
  return json->failed ? diag_no_memory(diag) : ERR_OK;
}

static enum err look_at(struct buffer *json, struct progress *progress, struct job *job, struct diag *diag) {
  struct print_document document;
  enum err err = print_document_init(&document, buffer_view(json), diag);
  if (err == ERR_OK) {
    struct value told = print_find(&document, document.root, "progress");
    struct bytes id = print_find_text(&document, document.root, "id");
    uint64_t done = print_find_count(&document, told, "done");
    snprintf(job->id, sizeof job->id, "%.*s", BYTES_ARG(id));
    job->running = bytes_equal(print_find_text(&document, document.root, "state"), BYTES("running"));
    progress_show(progress, done, print_find_count(&document, told, "total"), done);
    if (!job->running) err = take_report(&document, json, diag);
  }
  print_document_release(&document);
  return err;
}

static enum err run_there(struct cli *cli, struct bytes body, struct progress *progress, struct buffer *json,
                          struct diag *diag) {
  const struct timespec pause = {0, LOOK_EVERY_NS};
  struct job job = {.running = true};
  struct target_call call = {.op = TARGET_SIMULATE, .body = body};
  struct target *target = NULL;
  enum err err = target_open(&target, &cli->options, false, diag);
  while (err == ERR_OK && job.running && !stop_is_asked()) {
    if (call.op != TARGET_SIMULATE) nanosleep(&pause, NULL);
    buffer_clear(json);
    err = target_call(target, &call, json, diag);
    if (err == ERR_OK) err = look_at(json, progress, &job, diag);
    call = (struct target_call){.op = TARGET_SIMULATION, .args = {[TARGET_ARG_ID] = job.id}};
  }
  call.op = TARGET_SIMULATION_STOP;
  if (err == ERR_OK && job.running) err = target_call(target, &call, json, diag);
  target_close(target);
  return err == ERR_OK && job.running ? stopped(diag) : err;
}

// --- the command ---------------------------------------------------------------------------------------------

enum err command_loyalty_simulate(struct cli *cli, struct diag *diag) {
  struct buffer body, json;
  struct progress progress;
  buffer_init(&body);
  buffer_init(&json);
  stop_listen(true);
  progress_begin(&progress);
  progress.unit = "members";
  enum err err = write_request(&cli->options, &body, diag);
  if (err == ERR_OK)
    err = target_is_remote(&cli->options) ? run_there(cli, buffer_view(&body), &progress, &json, diag)
                                          : run_here(cli, buffer_view(&body), &progress, &json, diag);
  progress_end(&progress);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), print_simulation, diag);
  buffer_release(&json);
  buffer_release(&body);
  return advice_add(err, diag);
}
