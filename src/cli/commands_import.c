// commands_import: a file into a workspace, or line by line to a running server.
//
// Locally, source_import_file does everything. Remotely, lines are checked one by one before they are put into a batch,
// because one broken line would make the whole body unreadable; the server answers for the rest item by item. A batch
// is sent again until it is answered, and deduplication makes that harmless.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/limits.h"
#include "cli/command.h"
#include "cli/http.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "source/source.h"

enum { BATCH_EVENTS = 500, BATCH_BYTES_MAX = LIMIT_BODY_BYTES - 2 * LIMIT_EVENT_BYTES, PATH_BYTES = 4096 };

static volatile int stop_asked;

static void ask_to_stop(int number) {
  stop_asked = 1;
  // The second Ctrl-C ends the process.
  signal(number, SIG_DFL);
}

// What both ways tell at the end.
struct summary {
  struct source_import_result result;
  bool stopped;
};

static void print_summary(struct cli *cli, const struct summary *summary, double seconds) {
  const struct source_import_result *result = &summary->result;
  struct json_writer writer;
  if (options_given(&cli->options, OPTION_JSON)) {
    json_writer_init(&writer, &cli->out);
    json_object_begin(&writer);
    json_member_u64(&writer, "lines", result->lines);
    json_member_u64(&writer, "taken", result->taken);
    json_member_u64(&writer, "duplicates", result->duplicates);
    json_member_u64(&writer, "rejected", result->rejected);
    json_member_u64(&writer, "aside", result->aside);
    json_member_bool(&writer, "resumed", result->resumed);
    json_member_bool(&writer, "stopped", summary->stopped);
    json_object_end(&writer);
    buffer_append_byte(&cli->out, '\n');
    return;
  }
  buffer_append_format(
      &cli->out, "%llu line%s in %.1f s: %llu taken, %llu taken before, %llu rejected, %llu set aside%s\n",
      (unsigned long long)result->lines, result->lines == 1 ? "" : "s", seconds, (unsigned long long)result->taken,
      (unsigned long long)result->duplicates, (unsigned long long)result->rejected, (unsigned long long)result->aside,
      result->resumed ? "; went on where it had ended" : "");
}

// Where refused lines go when nobody says: beside the file.
static void find_rejects_path(const struct options *options, char out[PATH_BYTES]) {
  const char *path = strcmp(options->args[0], "-") == 0 ? "stdin" : options->args[0];
  const char *given = options_text(options, OPTION_REJECTS, NULL);
  snprintf(out, PATH_BYTES, "%s%s", given != NULL ? given : path, given != NULL ? "" : ".rejects.ndjson");
}

// What to do about lines that were not taken; beside the summary, which programs may read.
static void print_advice(const struct cli *cli, const struct source_import_result *result) {
  char path[PATH_BYTES];
  find_rejects_path(&cli->options, path);
  if (result->rejected > 0) fprintf(stderr, "rapport: why lines were rejected stands in %s\n", path);
  if (result->rejected > 0 && result->rejected == result->lines)
    fprintf(stderr, "rapport: no line of this file could be read; for a CSV file --map says which column is what\n");
  if (result->aside > 0) fprintf(stderr, "rapport: `rapport aside list` shows what was set aside, and why\n");
}

static enum err finish(struct cli *cli, const struct summary *summary, const struct progress *progress, enum err err,
                       struct diag *diag) {
  if (err != ERR_OK && err != ERR_STOPPED) return err;
  print_summary(cli, summary, progress_seconds(progress));
  err = command_flush(cli, diag);
  if (err != ERR_OK) return err;
  print_advice(cli, &summary->result);
  if (!summary->stopped) return ERR_OK;
  return diag_set(diag, ERR_STOPPED, "stopped", "stopped; the same command goes on where this one ended");
}

// --- into a data directory -----------------------------------------------------------------------------------

static void show_progress(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t events) {
  progress_show(context, bytes_done, bytes_total, events);
}

static enum err find_source(struct engine *engine, const char *name, uint32_t *id, struct diag *diag) {
  const struct engine_source *source = engine_source_find(engine, bytes_from_text(name));
  if (source == NULL) {
    return diag_set(diag, ERR_NOT_FOUND, "no_source",
                    "--source is \"%.80s\", which does not exist; make it with `rapport source put`, or see `rapport "
                    "source list`",
                    name);
  }
  *id = source->id;
  return ERR_OK;
}

// Perhaps nobody looks after this workspace soon: what merges of long timelines left is moved now, and what makes
// counts fast is built. A stop leaves it.
static enum err do_what_is_left(struct engine *engine, struct diag *diag) {
  struct engine_loads loads = {.moving = 1};
  bool idle = false;
  enum err err = ERR_OK;
  while (err == ERR_OK && !stop_asked) {
    err = engine_get_loads(engine, &loads);
    if (err != ERR_OK || loads.moving == 0) break;
    err = engine_tick(engine, &idle, diag);
  }
  return err == ERR_OK && !stop_asked ? engine_project_now(engine, diag) : err;
}

static enum err import_local(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_local local;
  struct progress progress;
  struct summary summary = {.stopped = false};
  struct source_import import = {.path = options->args[0],
                                 .map_path = options_text(options, OPTION_MAP, NULL),
                                 .rejects_path = options_text(options, OPTION_REJECTS, NULL),
                                 .threads = (unsigned)options_number(options, OPTION_THREADS, 0),
                                 .progress = show_progress,
                                 .context = &progress,
                                 .stop = &stop_asked};
  enum err err = target_local_open(&local, options, TARGET_BULK, diag);
  if (err != ERR_OK) return err;
  err = find_source(local.engine, options_text(options, OPTION_SOURCE, "import"), &import.source, diag);
  progress_begin(&progress);
  if (err == ERR_OK) err = source_import_file(local.engine, &import, &summary.result, diag);
  if (err == ERR_OK) err = do_what_is_left(local.engine, diag);
  progress_end(&progress);
  summary.stopped = stop_asked != 0;
  target_local_close(&local);
  return finish(cli, &summary, &progress, err, diag);
}

// --- to a server ---------------------------------------------------------------------------------------------

struct sender {
  struct http *http;
  struct value_parser *parser;
  struct names *names; // of checking alone
  struct buffer packed, body;
  FILE *rejects;
  char rejects_path[PATH_BYTES];
  uint64_t lines[BATCH_EVENTS]; // line numbers of the batch
  size_t count;
  struct summary summary;
  struct progress progress;
};

// The file of refused lines is made with the first of them.
static enum err reject(struct sender *sender, uint64_t line, struct bytes code, struct bytes message,
                       struct diag *diag) {
  struct json_writer writer;
  struct buffer text;
  sender->summary.result.rejected++;
  if (sender->rejects == NULL) sender->rejects = fopen(sender->rejects_path, "we");
  if (sender->rejects == NULL) {
    return diag_set(diag, ERR_IO, "io", "cannot write %.200s; name another file with --rejects", sender->rejects_path);
  }
  buffer_init(&text);
  json_writer_init(&writer, &text);
  json_object_begin(&writer);
  json_member_u64(&writer, "line", line);
  json_member_bytes(&writer, "code", code);
  json_member_bytes(&writer, "message", message);
  json_object_end(&writer);
  buffer_append_byte(&text, '\n');
  size_t written = fwrite(text.data, 1, text.size_bytes, sender->rejects);
  bool failed = text.failed || written != text.size_bytes;
  buffer_release(&text);
  return failed ? diag_set(diag, ERR_IO, "io", "cannot write %.200s", sender->rejects_path) : ERR_OK;
}

static enum err take_rejected(struct sender *sender, const struct print_document *reply, struct diag *diag) {
  struct value_iter iter = value_iterate(value_member(reply->root, reply->names, BYTES("rejected")));
  enum err err = ERR_OK;
  while (err == ERR_OK && value_next(&iter)) {
    struct bytes code = BYTES(""), message = BYTES("");
    uint64_t index = print_find_count(reply, iter.item, "index");
    value_as_text(value_member(iter.item, reply->names, BYTES("code")), &code);
    value_as_text(value_member(iter.item, reply->names, BYTES("message")), &message);
    err = reject(sender, index < sender->count ? sender->lines[index] : 0, code, message, diag);
  }
  return err;
}

static enum err take_reply(struct sender *sender, struct bytes json, struct diag *diag) {
  struct print_document reply;
  enum err err = print_document_init(&reply, json, diag);
  if (err == ERR_OK) {
    sender->summary.result.taken += print_find_count(&reply, reply.root, "taken");
    sender->summary.result.duplicates += print_find_count(&reply, reply.root, "duplicates");
    struct value_iter aside = value_iterate(value_member(reply.root, reply.names, BYTES("aside")));
    while (value_next(&aside)) sender->summary.result.aside++;
    err = take_rejected(sender, &reply, diag);
  }
  print_document_release(&reply);
  return err;
}

static enum err send_batch(struct sender *sender, struct diag *diag) {
  struct http_reply reply;
  if (sender->count == 0) return ERR_OK;
  buffer_append_text(&sender->body, "]}");
  if (sender->body.failed) return diag_no_memory(diag);
  http_reply_init(&reply);
  enum err err = http_send(sender->http, "POST", "/v1/import", buffer_view(&sender->body), &reply, diag);
  if (err == ERR_OK && reply.status != 200) {
    err = target_remote_problem(reply.status, buffer_view(&reply.body), diag);
  }
  if (err == ERR_OK) err = take_reply(sender, buffer_view(&reply.body), diag);
  http_reply_release(&reply);
  buffer_clear(&sender->body);
  sender->count = 0;
  return err;
}

static enum err take_line(struct sender *sender, struct bytes line, struct diag *diag) {
  struct diag why;
  uint64_t number = ++sender->summary.result.lines;
  line = bytes_trim(line);
  if (line.size_bytes == 0) return ERR_OK;
  diag_init(&why);
  buffer_clear(&sender->packed);
  enum err err = line.size_bytes > LIMIT_EVENT_BYTES
                     ? diag_set(&why, ERR_LIMIT, "too_large", "an event has at most %d bytes", LIMIT_EVENT_BYTES)
                     : value_parse_json(sender->parser, line, sender->names, &sender->packed, &why);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err != ERR_OK) return reject(sender, number, bytes_from_text(why.code), bytes_from_text(why.message), diag);
  buffer_append_text(&sender->body, sender->count == 0 ? "{\"batch\":[" : ",");
  buffer_append_bytes(&sender->body, line);
  sender->lines[sender->count++] = number;
  bool full = sender->count == BATCH_EVENTS || sender->body.size_bytes > BATCH_BYTES_MAX;
  return full ? send_batch(sender, diag) : ERR_OK;
}

// zlib reads plain files as they are. A line longer than any event is read to its end and refused.
static enum err send_lines(struct sender *sender, gzFile file, struct diag *diag) {
  static char piece[1 << 16];
  struct buffer line;
  enum err err = ERR_OK;
  buffer_init(&line);
  while (err == ERR_OK && stop_asked == 0 && gzgets(file, piece, sizeof piece) != NULL) {
    size_t size = strlen(piece);
    if (line.size_bytes <= LIMIT_EVENT_BYTES) buffer_append(&line, piece, size);
    if (line.failed) err = diag_no_memory(diag);
    if (size == 0 || (piece[size - 1] != '\n' && !gzeof(file))) continue;
    if (err == ERR_OK) err = take_line(sender, buffer_view(&line), diag);
    buffer_clear(&line);
    progress_show(&sender->progress, 0, 0, sender->summary.result.lines);
  }
  int failed = Z_OK;
  const char *words = gzerror(file, &failed);
  if (err == ERR_OK && failed < 0) err = diag_set(diag, ERR_IO, "io", "cannot read the file: %s", words);
  buffer_release(&line);
  if (err == ERR_OK) err = send_batch(sender, diag);
  return err;
}

static bool ends_with(const char *text, const char *end) {
  size_t size = strlen(text), end_size = strlen(end);
  return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

static enum err open_sender(struct sender *sender, const struct options *options, struct diag *diag) {
  const char *path = options->args[0];
  if (ends_with(path, ".csv") || ends_with(path, ".csv.gz")) {
    return diag_set(diag, ERR_INVALID, "usage", "%.200s: a server takes NDJSON; a CSV file is loaded with --data",
                    path);
  }
  if (options_text(options, OPTION_MAP, NULL) != NULL || options_text(options, OPTION_SOURCE, NULL) != NULL) {
    return diag_set(diag, ERR_INVALID, "usage",
                    "--map and --source go with --data; a server takes NDJSON, and the key says the source");
  }
  find_rejects_path(options, sender->rejects_path);
  if (names_open(&sender->names, NULL, NULL) != ERR_OK || value_parser_open(&sender->parser) != ERR_OK) {
    return diag_no_memory(diag);
  }
  return target_remote_open(&sender->http, options, diag);
}

static void close_sender(struct sender *sender) {
  if (sender->http != NULL) http_close(sender->http);
  if (sender->parser != NULL) value_parser_close(sender->parser);
  if (sender->names != NULL) names_close(sender->names);
  if (sender->rejects != NULL) fclose(sender->rejects);
  buffer_release(&sender->packed);
  buffer_release(&sender->body);
}

static enum err import_remote(struct cli *cli, struct diag *diag) {
  const char *path = cli->options.args[0];
  struct sender sender = {.count = 0};
  buffer_init(&sender.packed);
  buffer_init(&sender.body);
  progress_begin(&sender.progress);
  enum err err = open_sender(&sender, &cli->options, diag);
  if (err == ERR_OK) {
    gzFile file = strcmp(path, "-") == 0 ? gzdopen(0, "rb") : gzopen(path, "rb");
    err = file == NULL ? diag_set(diag, ERR_NOT_FOUND, "no_file", "cannot read %.200s: %s", path, strerror(errno))
                       : send_lines(&sender, file, diag);
    if (file != NULL) gzclose(file);
  }
  progress_end(&sender.progress);
  sender.summary.stopped = stop_asked != 0;
  close_sender(&sender);
  return finish(cli, &sender.summary, &sender.progress, err, diag);
}

enum err command_import(struct cli *cli, struct diag *diag) {
  struct sigaction action = {.sa_handler = ask_to_stop};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return target_is_remote(&cli->options) ? import_remote(cli, diag) : import_local(cli, diag);
}
