// commands_query: an expression over a workspace: how many customers, which ones, and what it does.
//
// On a data directory this process walks over the customers, behind a bar where a person looks on, and Ctrl-C ends it.
// A server is asked for a document, of a list for one page after another; both print alike. Data goes to standard
// output, warnings to standard error.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/csv.h"
#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "engine/query.h"

enum { PAGE_ROWS = 1000, FLUSH_BYTES = 64 * 1024 };

// What a walk over a directory needs while it runs.
struct walk {
  struct cli *cli;
  struct progress progress;
};

static bool show_progress(void *context, uint64_t done, uint64_t total) {
  struct walk *walk = context;
  progress_show(&walk->progress, done, total, done);
  return !stop_is_asked();
}

static void walk_begin(struct walk *walk, struct cli *cli) {
  walk->cli = cli;
  progress_begin(&walk->progress);
  walk->progress.unit = "customers";
  stop_listen(false);
}

static void walk_end(struct walk *walk) {
  signal(SIGINT, SIG_DFL);
  progress_end(&walk->progress);
}

// --- on a data directory -------------------------------------------------------------------------------------

struct opened {
  struct target_local local;
  struct engine_view *view;
  struct engine_query *query;
};

static void close_query(struct opened *opened) {
  engine_query_close(opened->query);
  engine_view_close(opened->view);
  target_local_close(&opened->local);
}

static enum err open_query(struct cli *cli, bool any_value, struct opened *opened, struct diag *diag) {
  const struct options *options = &cli->options;
  struct engine_query_options wanted = {.text = bytes_from_text(options->args[0]),
                                        .any_value = any_value,
                                        .has_at = options_text(options, OPTION_AT, NULL) != NULL,
                                        .at_us = options->values[OPTION_AT].number,
                                        .strict = options_given(options, OPTION_STRICT),
                                        .threads = (unsigned)options_number(options, OPTION_QUERY_THREADS, 0)};
  *opened = (struct opened){.view = NULL};
  enum err err = target_local_open(&opened->local, options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = engine_view_open(opened->local.engine, &opened->view);
  if (err == ERR_OK) err = engine_query_open(opened->view, &wanted, &opened->query, NULL, diag);
  if (err != ERR_OK) close_query(opened);
  return err;
}

// --- on a server ---------------------------------------------------------------------------------------------

static void write_fields(const struct options *options, struct json_writer *writer) {
  struct bytes rest = bytes_from_text(options_text(options, OPTION_FIELDS, "")), field;
  if (rest.size_bytes == 0) return;
  json_name(writer, "fields");
  json_array_begin(writer);
  while (engine_query_next_field(&rest, &field)) json_bytes(writer, field);
  json_array_end(writer);
}

static void write_member(struct json_writer *writer, const char *name, const char *text) {
  if (text != NULL) json_member_text(writer, name, text);
}

// The members of a query's body, in an open object.
static void write_query(const struct options *options, const char *at, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "expression", options->args[0]);
  write_member(writer, "at", at);
  if (options_given(options, OPTION_STRICT)) json_member_bool(writer, "strict", true);
}

static enum err call_body(struct target *target, enum target_op op, const struct buffer *body, struct buffer *json,
                          struct diag *diag) {
  const struct target_call call = {.op = op, .body = buffer_view(body)};
  return body->failed ? diag_no_memory(diag) : target_call(target, &call, json, diag);
}

static enum err call_query(struct cli *cli, enum target_op op, struct buffer *json, struct diag *diag) {
  struct target *target = NULL;
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  write_query(&cli->options, options_text(&cli->options, OPTION_AT, NULL), &writer);
  write_member(&writer, "customer", options_text(&cli->options, OPTION_CUSTOMER, NULL));
  json_object_end(&writer);
  enum err err = target_open(&target, &cli->options, false, diag);
  if (err == ERR_OK) err = call_body(target, op, &body, json, diag);
  target_close(target);
  buffer_release(&body);
  return err;
}

// --- counts --------------------------------------------------------------------------------------------------

static void print_unknown(uint64_t unknown) {
  if (unknown > 0)
    fprintf(stderr, "rapport: warning: of %llu customers the answer is not known: a limit was met\n",
            (unsigned long long)unknown);
}

static void print_count(const struct print_document *count, struct buffer *out) {
  print_warnings(count);
  print_unknown(print_find_count(count, count->root, "unknown"));
  buffer_append_format(out, "%llu\n", (unsigned long long)print_find_count(count, count->root, "count"));
}

static enum err count_here(struct cli *cli, struct buffer *json, struct diag *diag) {
  struct opened opened;
  struct json_writer writer;
  struct walk walk;
  enum err err = open_query(cli, false, &opened, diag);
  if (err != ERR_OK) return err;
  json_writer_init(&writer, json);
  walk_begin(&walk, cli);
  err = engine_query_count_json(opened.query, show_progress, &walk, &writer, diag);
  walk_end(&walk);
  close_query(&opened);
  return err;
}

enum err command_count(struct cli *cli, struct diag *diag) {
  struct buffer json;
  buffer_init(&json);
  enum err err =
      target_is_remote(&cli->options) ? call_query(cli, TARGET_QUERY_COUNT, &json, diag) : count_here(cli, &json, diag);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), print_count, diag);
  buffer_release(&json);
  return err;
}

// --- lists ---------------------------------------------------------------------------------------------------

static bool is_csv(const struct cli *cli) {
  return cli->options.values[OPTION_FORMAT].text != NULL && cli->options.values[OPTION_FORMAT].number == 1;
}

static enum err flush_when_full(struct cli *cli, struct diag *diag) {
  return cli->out.size_bytes < FLUSH_BYTES ? ERR_OK : command_flush(cli, diag);
}

static enum err take_rows(void *context, struct bytes text, struct diag *diag) {
  struct walk *walk = context;
  buffer_append_bytes(&walk->cli->out, text);
  return flush_when_full(walk->cli, diag);
}

static enum err add_fields(struct cli *cli, struct engine_query *query, struct diag *diag) {
  struct bytes rest = bytes_from_text(options_text(&cli->options, OPTION_FIELDS, "")), field;
  enum err err = ERR_OK;
  while (err == ERR_OK && engine_query_next_field(&rest, &field))
    err = engine_query_add_field(query, field, NULL, diag);
  return err;
}

static void print_notes(const struct engine_query *query) {
  struct engine_query_notes notes = engine_query_notes(query);
  for (size_t i = 0; i < notes.warning_count; i++) fprintf(stderr, "rapport: warning: %s\n", notes.warnings[i].message);
  if (notes.not_as_of != NULL) fprintf(stderr, "rapport: warning: %s\n", notes.not_as_of);
}

static enum err list_here(struct cli *cli, struct diag *diag) {
  struct opened opened;
  struct walk walk;
  enum err err = open_query(cli, false, &opened, diag);
  if (err != ERR_OK) return err;
  walk_begin(&walk, cli);
  if (isatty(STDOUT_FILENO) == 1) walk.progress.shown = false; // the rows themselves are seen to come
  struct engine_query_list list = {.format = is_csv(cli) ? ENGINE_QUERY_CSV : ENGINE_QUERY_NDJSON,
                                   .write = take_rows,
                                   .progress = show_progress,
                                   .context = &walk};
  err = add_fields(cli, opened.query, diag);
  if (err == ERR_OK) print_notes(opened.query);
  if (err == ERR_OK) err = engine_query_list(opened.query, &list, diag);
  walk_end(&walk);
  print_unknown(list.unknown);
  close_query(&opened);
  return err;
}

// Of a server: where the list is, as of when.
struct pages {
  char at[CLOCK_TEXT_BYTES], after[64]; // empty before the first page
  uint64_t unknown;
};

static void put_cell(struct buffer *out, const struct print_document *page, struct value value) {
  struct json_writer writer;
  struct buffer json;
  struct bytes text;
  if (value_is_absent(value) || value_type(value) == VALUE_NULL) return;
  buffer_init(&json);
  json_writer_init(&writer, &json);
  if (!value_as_text(value, &text)) {
    value_to_json(&writer, value, page->names);
    text = buffer_view(&json);
  }
  csv_put_cell(out, text);
  out->failed = out->failed || json.failed;
  buffer_release(&json);
}

// The items of a list or the values of an object as one line.
static void put_csv_line(struct buffer *out, const struct print_document *page, struct value of) {
  struct value_iter iter = value_iterate(of);
  for (bool first = true; value_next(&iter); first = false) {
    if (!first) buffer_append_byte(out, ',');
    put_cell(out, page, iter.item);
  }
  buffer_append_byte(out, '\n');
}

static enum err put_page(struct cli *cli, const struct print_document *page, struct diag *diag) {
  struct value_iter iter = value_iterate(print_find(page, page->root, "items"));
  struct json_writer writer;
  enum err err = ERR_OK;
  while (err == ERR_OK && value_next(&iter)) {
    if (is_csv(cli)) {
      put_csv_line(&cli->out, page, iter.item);
    } else {
      json_writer_init(&writer, &cli->out);
      value_to_json(&writer, iter.item, page->names);
      buffer_append_byte(&cli->out, '\n');
    }
    err = flush_when_full(cli, diag);
  }
  return err;
}

// Keeps what the next page is asked with. False: that was the last one.
static bool turn(const struct print_document *page, struct pages *pages) {
  struct bytes at, next;
  pages->unknown += print_find_count(page, page->root, "unknown");
  if (!value_as_text(print_find(page, page->root, "at"), &at)) return false;
  if (!value_as_text(print_find(page, page->root, "next"), &next)) return false;
  snprintf(pages->at, sizeof pages->at, "%.*s", BYTES_ARG(at));
  snprintf(pages->after, sizeof pages->after, "%.*s", BYTES_ARG(next));
  return true;
}

// All pages are as of the time of the first.
static enum err ask_page(struct cli *cli, struct target *target, const struct pages *pages, struct buffer *json,
                         struct diag *diag) {
  bool first = pages->after[0] == '\0';
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  write_query(&cli->options, first ? options_text(&cli->options, OPTION_AT, NULL) : pages->at, &writer);
  write_fields(&cli->options, &writer);
  if (!first) json_member_text(&writer, "after", pages->after);
  json_member_u64(&writer, "limit", PAGE_ROWS);
  json_object_end(&writer);
  buffer_clear(json);
  enum err err = call_body(target, TARGET_QUERY_LIST, &body, json, diag);
  buffer_release(&body);
  return err;
}

static enum err take_page(struct cli *cli, struct bytes json, struct pages *pages, bool *more, struct diag *diag) {
  struct print_document page;
  bool first = pages->after[0] == '\0';
  enum err err = print_document_init(&page, json, diag);
  if (err == ERR_OK && first) print_warnings(&page);
  if (err == ERR_OK && first && is_csv(cli)) put_csv_line(&cli->out, &page, print_find(&page, page.root, "fields"));
  if (err == ERR_OK) err = put_page(cli, &page, diag);
  *more = err == ERR_OK && turn(&page, pages);
  print_document_release(&page);
  return err;
}

static enum err list_there(struct cli *cli, struct diag *diag) {
  struct target *target = NULL;
  struct pages pages = {.at = ""};
  struct buffer json;
  bool more = true;
  buffer_init(&json);
  enum err err = target_open(&target, &cli->options, false, diag);
  while (err == ERR_OK && more) {
    err = ask_page(cli, target, &pages, &json, diag);
    if (err == ERR_OK) err = take_page(cli, buffer_view(&json), &pages, &more, diag);
  }
  print_unknown(pages.unknown);
  target_close(target);
  buffer_release(&json);
  return err;
}

enum err command_list(struct cli *cli, struct diag *diag) {
  return target_is_remote(&cli->options) ? list_there(cli, diag) : list_here(cli, diag);
}

// --- explanations --------------------------------------------------------------------------------------------

static void print_explanation(const struct print_document *explanation, struct buffer *out) {
  print_warnings(explanation);
  print_expression(explanation, out);
}

static enum err explain_here(struct cli *cli, struct buffer *json, struct diag *diag) {
  const char *reference = options_text(&cli->options, OPTION_CUSTOMER, NULL);
  struct opened opened;
  struct json_writer writer;
  uint64_t customer = 0;
  enum err err = open_query(cli, true, &opened, diag);
  if (err != ERR_OK) return err;
  json_writer_init(&writer, json);
  if (reference != NULL) err = engine_find(opened.view, bytes_from_text(reference), &customer, diag);
  if (err == ERR_OK) err = engine_query_explain(opened.query, customer, &writer, diag);
  close_query(&opened);
  return err;
}

enum err command_explain_expression(struct cli *cli, struct diag *diag) {
  struct buffer json;
  buffer_init(&json);
  enum err err = target_is_remote(&cli->options) ? call_query(cli, TARGET_QUERY_EXPLAIN, &json, diag)
                                                 : explain_here(cli, &json, diag);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), print_explanation, diag);
  buffer_release(&json);
  return err;
}
