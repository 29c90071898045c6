// commands_reports: reports over a workspace, for a person at the terminal, a spreadsheet or a program.
//
// On a data directory this process makes the report, behind a bar where a person looks on, and Ctrl-C ends it; a server
// sends it made. Both give the same bytes. A workbook is not written to a terminal.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/report_ask.h"
#include "cli/stop.h"
#include "engine/report.h"

// --- which there are -----------------------------------------------------------------------------------------

static void print_option(const struct print_document *list, struct value option, struct buffer *out) {
  struct bytes otherwise = print_find_text(list, option, "default");
  buffer_append_text(out, "    ");
  print_member(out, list, option, "name", 15);
  buffer_append_text(out, "  ");
  print_member(out, list, option, "description", 0);
  if (otherwise.size_bytes > 0) buffer_append_format(out, " (%.*s)", BYTES_ARG(otherwise));
  buffer_append_byte(out, '\n');
}

static void print_list(const struct print_document *list, struct buffer *out) {
  struct value_iter reports = value_iterate(print_find(list, list->root, "reports"));
  for (bool first = true; value_next(&reports); first = false) {
    struct value report = reports.item;
    if (!first) buffer_append_byte(out, '\n');
    print_member(out, list, report, "id", 0);
    buffer_append_text(out, "  ");
    print_member(out, list, report, "description", 0);
    buffer_append_byte(out, '\n');
    struct value_iter options = value_iterate(print_find(list, report, "options"));
    while (value_next(&options)) print_option(list, options.item, out);
  }
}

// The program itself knows; a server may be of another version, so it is asked.
static enum err show_list(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_REPORTS};
  struct json_writer writer;
  struct buffer json;
  buffer_init(&json);
  json_writer_init(&writer, &json);
  enum err err = ERR_OK;
  if (target_is_remote(&cli->options))
    err = ask_call(cli, &call, false, &json, diag);
  else
    engine_reports_json(&writer);
  if (err == ERR_OK && json.failed) err = diag_no_memory(diag);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), print_list, diag);
  buffer_release(&json);
  return err;
}

// --- one report ----------------------------------------------------------------------------------------------

static enum report_form form_of(const struct options *options) {
  const struct param_value *given = &options->values[OPTION_REPORT_FORMAT];
  if (given->text != NULL) return (enum report_form)given->number;
  if (options_given(options, OPTION_JSON) || options_given(options, OPTION_PRETTY)) return REPORT_FORM_JSON;
  bool person = options_text(options, OPTION_OUTPUT, NULL) == NULL && isatty(STDOUT_FILENO) == 1;
  return person ? REPORT_FORM_TEXT : REPORT_FORM_JSON;
}

static void write_option(const struct options *options, enum option option, const char *name,
                         struct json_writer *writer) {
  const char *text = options_text(options, option, NULL);
  if (text != NULL) json_member_text(writer, name, text);
}

// The report's options: --from, --to, --at and every --set.
static enum err write_options(const struct options *options, struct buffer *body, struct diag *diag) {
  struct json_writer writer;
  json_writer_init(&writer, body);
  json_object_begin(&writer);
  write_option(options, OPTION_FROM, "from", &writer);
  write_option(options, OPTION_TO, "to", &writer);
  write_option(options, OPTION_AT, "at", &writer);
  enum err err = ask_write_set_members(options, &writer, diag);
  json_object_end(&writer);
  return err == ERR_OK && body->failed ? diag_no_memory(diag) : err;
}

static bool show_progress(void *context, uint64_t done, uint64_t total) {
  progress_show(context, done, total, done);
  return !stop_is_asked();
}

static enum err make_report(const struct cli *cli, struct target_local *local, const struct report_ask *asked,
                            struct report **report, struct diag *diag) {
  struct progress progress;
  struct engine_view *view;
  struct buffer packed;
  buffer_init(&packed);
  enum err err = target_parse_question(local->engine, asked->options, &packed, diag);
  if (err == ERR_OK) err = engine_view_open(local->engine, &view);
  if (err == ERR_OK) {
    const struct engine_report_request request = {.options = {buffer_view(&packed)},
                                                  .threads =
                                                      (unsigned)options_number(&cli->options, OPTION_QUERY_THREADS, 0),
                                                  .progress = show_progress,
                                                  .context = &progress};
    progress_begin(&progress);
    progress.unit = "customers";
    stop_listen(false);
    err = engine_report(view, bytes_from_text(asked->kind), &request, report, NULL, diag);
    signal(SIGINT, SIG_DFL);
    progress_end(&progress);
    engine_view_close(view);
  }
  buffer_release(&packed);
  return err;
}

static enum err report_here(struct cli *cli, const struct report_ask *asked, struct buffer *out, struct diag *diag) {
  struct bytes table = bytes_from_text(asked->table);
  struct target_local local;
  struct report *report = NULL;
  enum err err = target_local_open(&local, &cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = make_report(cli, &local, asked, &report, diag);
  if (err == ERR_OK) err = report_write(report, asked->form, table, out, diag);
  report_close(report);
  target_local_close(&local);
  return err;
}

static enum err report_there(struct cli *cli, const struct report_ask *asked, struct buffer *out, struct diag *diag) {
  struct target_call call = {.op = TARGET_REPORT,
                             .args = {[TARGET_ARG_ID] = asked->kind,
                                      [TARGET_ARG_FORMAT] = report_form_names[asked->form],
                                      [TARGET_ARG_TABLE] = asked->table},
                             .body = asked->options};
  enum err err = ask_call(cli, &call, false, out, diag);
  // The white space around a document is not the call's to keep; that at the end of lines is ours.
  if (err == ERR_OK && asked->form != REPORT_FORM_XLSX) buffer_append_byte(out, '\n');
  return err == ERR_OK && out->failed ? diag_no_memory(diag) : err;
}

enum err report_ask(struct cli *cli, const struct report_ask *asked, struct buffer *out, struct diag *diag) {
  return target_is_remote(&cli->options) ? report_there(cli, asked, out, diag) : report_here(cli, asked, out, diag);
}

enum err report_write_file(const char *path, const struct buffer *text, struct diag *diag) {
  FILE *file = fopen(path, "we");
  bool written = file != NULL && fwrite(text->data, 1, text->size_bytes, file) == text->size_bytes;
  int error = errno;
  if (file != NULL && fclose(file) != 0) written = false;
  return written ? ERR_OK : diag_set(diag, ERR_IO, "io", "cannot write %.200s: %s", path, strerror(error));
}

enum err report_give(struct cli *cli, enum report_form form, const struct buffer *text, struct diag *diag) {
  const char *path = options_text(&cli->options, OPTION_OUTPUT, NULL);
  if (path != NULL) return report_write_file(path, text, diag);
  if (options_given(&cli->options, OPTION_PRETTY) && form == REPORT_FORM_JSON) {
    print_pretty(buffer_view(text), &cli->out);
    buffer_append_byte(&cli->out, '\n');
  } else {
    buffer_append_bytes(&cli->out, buffer_view(text));
  }
  return ERR_OK;
}

enum err report_check_form(const struct cli *cli, enum report_form form, struct diag *diag) {
  bool to_file = options_text(&cli->options, OPTION_OUTPUT, NULL) != NULL;
  if (form == REPORT_FORM_XLSX && !to_file && isatty(STDOUT_FILENO) == 1)
    return diag_set(diag, ERR_INVALID, "usage",
                    "a workbook is not for the terminal; name a file: --output report.xlsx");
  if (form != REPORT_FORM_CSV && options_text(&cli->options, OPTION_TABLE, NULL) != NULL)
    return diag_set(diag, ERR_INVALID, "usage",
                    "--table is for --format csv, which has one table; the other formats "
                    "have all of them");
  return ERR_OK;
}

enum err command_report(struct cli *cli, struct diag *diag) {
  if (cli->options.arg_count == 0) return show_list(cli, diag);
  enum report_form form = form_of(&cli->options);
  struct buffer body, text;
  buffer_init(&body);
  buffer_init(&text);
  enum err err = report_check_form(cli, form, diag);
  if (err == ERR_OK) err = write_options(&cli->options, &body, diag);
  const struct report_ask asked = {cli->options.args[0], buffer_view(&body), form,
                                   options_text(&cli->options, OPTION_TABLE, NULL)};
  if (err == ERR_OK) err = report_ask(cli, &asked, &text, diag);
  if (err == ERR_OK) err = report_give(cli, form, &text, diag);
  buffer_release(&body);
  buffer_release(&text);
  return err;
}

// --- settings ------------------------------------------------------------------------------------------------

enum err command_report_settings(struct cli *cli, struct diag *diag) {
  return ask_settings(cli, &(struct target_call){.op = TARGET_REPORT_SETTINGS}, TARGET_REPORT_SETTINGS_PUT, diag);
}
