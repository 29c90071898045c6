// ask: call, then show.
#include "cli/ask.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"

enum err ask_show(struct cli *cli, struct bytes json, ask_view_fn *view, struct diag *diag) {
  struct print_document document;
  enum err err = ERR_OK;
  if (options_given(&cli->options, OPTION_PRETTY)) {
    print_pretty(json, &cli->out);
    buffer_append_byte(&cli->out, '\n');
  } else if (options_given(&cli->options, OPTION_JSON)) {
    buffer_append_bytes(&cli->out, json);
    buffer_append_byte(&cli->out, '\n');
  } else {
    err = print_document_init(&document, json, diag);
    if (err == ERR_OK) view(&document, &cli->out);
    print_document_release(&document);
  }
  return err;
}

enum err ask_call(struct cli *cli, const struct target_call *call, bool writes, struct buffer *json,
                  struct diag *diag) {
  struct target *target = NULL;
  enum err err = target_open(&target, &cli->options, writes, diag);
  if (err == ERR_OK) err = target_call(target, call, json, diag);
  target_close(target);
  return err;
}

enum err ask(struct cli *cli, const struct target_call *call, bool writes, ask_view_fn *view, struct diag *diag) {
  struct buffer json;
  buffer_init(&json);
  enum err err = ask_call(cli, call, writes, &json, diag);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), view, diag);
  buffer_release(&json);
  return err;
}

static void print_settings(const struct print_document *settings, struct buffer *out) {
  print_warnings(settings);
  print_plain(settings, out);
}

enum err ask_settings(struct cli *cli, const struct target_call *get, enum target_op put, struct diag *diag) {
  struct target_call call = *get;
  struct buffer file;
  bool writes = cli->options.arg_count > 0;
  buffer_init(&file);
  enum err err = writes ? ask_read_file(cli->options.args[0], LIMIT_BODY_BYTES, &file, diag) : ERR_OK;
  if (writes) call.op = put;
  call.body = buffer_view(&file);
  if (err == ERR_OK) err = ask(cli, &call, writes, print_settings, diag);
  buffer_release(&file);
  return err;
}

enum err ask_read_file(const char *path, size_t most_bytes, struct buffer *out, struct diag *diag) {
  bool is_stdin = strcmp(path, "-") == 0;
  FILE *file = is_stdin ? stdin : fopen(path, "re");
  if (file == NULL) return diag_set(diag, ERR_NOT_FOUND, "usage", "cannot read %.200s: %s", path, strerror(errno));
  uint8_t block[16384];
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0 && out->size_bytes <= most_bytes;) {
    buffer_append(out, block, got);
  }
  bool failed = ferror(file) != 0;
  int error = errno;
  if (!is_stdin) fclose(file);
  if (failed) return diag_set(diag, ERR_IO, "io", "cannot read %.200s: %s", path, strerror(error));
  if (out->failed) return diag_no_memory(diag);
  if (out->size_bytes > most_bytes) {
    return diag_set(diag, ERR_LIMIT, "too_large", "%.200s is larger than %zu bytes", path, most_bytes);
  }
  return ERR_OK;
}

// --- NAME=VALUE ----------------------------------------------------------------------------------------------

// Numbers, booleans, null, lists and objects stand for themselves; everything else is text. A number with a leading
// zero or a plus sign is no JSON and so stays text, as a postcode and a phone must.
static void write_set(struct json_writer *writer, struct value_parser *parser, struct names *names, const char *set) {
  struct buffer packed;
  const char *equals = strchr(set, '=');
  struct bytes value = bytes_from_text(equals + 1);
  buffer_init(&packed);
  json_name_bytes(writer, bytes_of(set, (size_t)(equals - set)));
  if (value_parse_json(parser, value, names, &packed, NULL) == ERR_OK) {
    value_to_json(writer, (struct value){buffer_view(&packed)}, names);
  } else {
    json_bytes(writer, value);
  }
  buffer_release(&packed);
}

enum err ask_write_set_members(const struct options *options, struct json_writer *writer, struct diag *diag) {
  struct value_parser *parser = NULL;
  struct names *names = NULL;
  enum err err = names_open(&names, NULL, NULL);
  if (err == ERR_OK) err = value_parser_open(&parser);
  for (size_t i = 0; i < options->set_count && err == ERR_OK; i++) {
    const char *equals = strchr(options->sets[i], '=');
    if (equals == NULL || equals == options->sets[i]) {
      err = diag_set(diag, ERR_INVALID, "usage", "--set is \"%.80s\"; expected NAME=VALUE", options->sets[i]);
    } else {
      write_set(writer, parser, names, options->sets[i]);
    }
  }
  if (parser != NULL) value_parser_close(parser);
  if (names != NULL) names_close(names);
  return err;
}

enum err ask_write_sets(const struct options *options, struct json_writer *writer, struct diag *diag) {
  json_object_begin(writer);
  enum err err = ask_write_set_members(options, writer, diag);
  json_object_end(writer);
  return err;
}
