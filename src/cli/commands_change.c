// commands_change: what changes a customer, the rules, or what was set aside. Bodies are the API's, made here once for
// both kinds of workspace.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/ask.h"
#include "value/value.h"

enum { RULES_BYTES_MAX = 1024 * 1024, ANSWER_BYTES = 16 };

static void member_if_given(struct json_writer *writer, const char *name, const char *text) {
  if (text != NULL) json_member_text(writer, name, text);
}

// Sends `body` and shows the answer.
static enum err change(struct cli *cli, struct target_call *call, struct buffer *body, struct diag *diag) {
  if (body->failed) return diag_no_memory(diag);
  call->body = buffer_view(body);
  return ask(cli, call, true, print_plain, diag);
}

// --- split, allow, correct -----------------------------------------------------------------------------------

static enum err check_split(const struct options *options, struct diag *diag) {
  bool apart = options_given(options, OPTION_APART);
  int ways = (options_text(options, OPTION_EDGE, NULL) != NULL) +
             (options_text(options, OPTION_IDENTIFIER, NULL) != NULL) + apart;
  if (ways != 1) {
    return diag_set(diag, ERR_INVALID, "usage",
                    "split needs one of --edge ID, --identifier TYPE:VALUE and --apart A B");
  }
  if (apart != (options->arg_count == 3) || options->arg_count == 2) {
    return diag_set(diag, ERR_INVALID, "usage",
                    "--apart goes with two identifiers: rapport split TYPE:VALUE --apart TYPE:VALUE TYPE:VALUE");
  }
  return ERR_OK;
}

enum err command_split(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_SPLIT, .args = {[TARGET_ARG_REF] = options->args[0]}};
  struct json_writer writer;
  struct buffer body;
  enum err err = check_split(options, diag);
  if (err != ERR_OK) return err;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  member_if_given(&writer, "edge", options_text(options, OPTION_EDGE, NULL));
  member_if_given(&writer, "identifier", options_text(options, OPTION_IDENTIFIER, NULL));
  if (options->arg_count == 3) {
    json_name(&writer, "apart");
    json_array_begin(&writer);
    json_text(&writer, options->args[1]);
    json_text(&writer, options->args[2]);
    json_array_end(&writer);
  }
  member_if_given(&writer, "author", options_text(options, OPTION_AUTHOR, getenv("USER")));
  member_if_given(&writer, "reason", options_text(options, OPTION_REASON, NULL));
  json_object_end(&writer);
  err = change(cli, &call, &body, diag);
  buffer_release(&body);
  return err;
}

enum err command_allow(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_ALLOW};
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "a", cli->options.args[0]);
  json_member_text(&writer, "b", cli->options.args[1]);
  json_object_end(&writer);
  enum err err = change(cli, &call, &body, diag);
  buffer_release(&body);
  return err;
}

enum err command_correct(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_CORRECT, .args = {[TARGET_ARG_REF] = options->args[0]}};
  struct json_writer writer;
  struct buffer body;
  if (options->set_count == 0) return diag_set(diag, ERR_INVALID, "usage", "correct needs --set NAME=VALUE");
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_name(&writer, "traits");
  enum err err = ask_write_sets(options, &writer, diag);
  member_if_given(&writer, "author", options_text(options, OPTION_AUTHOR, getenv("USER")));
  json_object_end(&writer);
  if (err == ERR_OK && body.failed) err = diag_no_memory(diag);
  call.body = buffer_view(&body);
  if (err == ERR_OK) err = ask(cli, &call, true, print_customer, diag);
  buffer_release(&body);
  return err;
}

// --- export and erase ----------------------------------------------------------------------------------------

static void print_raw(const struct print_document *document, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  value_to_json(&writer, document->root, document->names);
  buffer_append_byte(out, '\n');
}

enum err command_export(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_EXPORT, .args = {[TARGET_ARG_REF] = cli->options.args[0]}};
  return ask(cli, &call, false, print_raw, diag);
}

// A person at a terminal is asked; where nobody can answer, --yes must have been given.
static enum err confirm_erase(const struct options *options, struct diag *diag) {
  char answer[ANSWER_BYTES];
  if (options_given(options, OPTION_YES)) return ERR_OK;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) {
    return diag_set(diag, ERR_INVALID, "usage", "erasing cannot be undone; add --yes to do it without being asked");
  }
  fprintf(stderr, "Erase %s, with all events, for good? Type yes: ", options->args[0]);
  if (fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0) return ERR_OK;
  return diag_set(diag, ERR_STOPPED, "not_confirmed", "nothing was erased");
}

enum err command_erase(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_ERASE, .args = {[TARGET_ARG_REF] = options->args[0]}};
  call.args[TARGET_ARG_SUPPRESS] = options_given(options, OPTION_SUPPRESS) ? "true" : NULL;
  enum err err = confirm_erase(options, diag);
  return err == ERR_OK ? ask(cli, &call, true, print_plain, diag) : err;
}

// --- rules ---------------------------------------------------------------------------------------------------

static void print_rules(const struct print_document *document, struct buffer *out) {
  struct buffer json;
  buffer_init(&json);
  print_raw(document, &json);
  print_pretty(bytes_trim(buffer_view(&json)), out);
  buffer_append_byte(out, '\n');
  buffer_release(&json);
}

enum err command_rules_show(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_RULES_GET};
  call.args[TARGET_ARG_VERSION] = options_text(&cli->options, OPTION_VERSION, NULL);
  return ask(cli, &call, false, print_rules, diag);
}

// What `rules show --json` prints can be edited and given back: then the rules are its member "rules".
static enum err read_rules(const char *path, const char *author, struct buffer *body, struct diag *diag) {
  struct print_document document;
  struct json_writer writer;
  struct buffer text;
  buffer_init(&text);
  enum err err = ask_read_file(path, RULES_BYTES_MAX, &text, diag);
  if (err == ERR_OK) {
    err = print_document_init(&document, buffer_view(&text), diag);
    struct value rules = value_member(document.root, document.names, BYTES("rules"));
    json_writer_init(&writer, body);
    json_object_begin(&writer);
    json_name(&writer, "rules");
    value_to_json(&writer, value_type(rules) == VALUE_DOCUMENT ? rules : document.root, document.names);
    member_if_given(&writer, "author", author);
    json_object_end(&writer);
    print_document_release(&document);
  }
  if (err == ERR_INVALID) diag_in_field(diag, "%.100s", path);
  buffer_release(&text);
  return err;
}

static enum err send_rules(struct cli *cli, struct target_call *call, bool writes, struct diag *diag) {
  struct buffer body;
  buffer_init(&body);
  const char *author = options_text(&cli->options, OPTION_AUTHOR, getenv("USER"));
  enum err err = read_rules(cli->options.args[0], author, &body, diag);
  if (err == ERR_OK && body.failed) err = diag_no_memory(diag);
  call->body = buffer_view(&body);
  if (err == ERR_OK) err = ask(cli, call, writes, print_plain, diag);
  buffer_release(&body);
  return err;
}

enum err command_rules_try(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_RULES_TRY, .args = {[TARGET_ARG_DRY_RUN] = "true"}};
  return send_rules(cli, &call, true, diag); // its names may be new to the dictionary
}

enum err command_rules_put(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_RULES_PUT};
  return send_rules(cli, &call, true, diag);
}

// --- what was set aside --------------------------------------------------------------------------------------

enum err command_aside_list(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_ASIDE_LIST};
  call.args[TARGET_ARG_CODE] = options_text(&cli->options, OPTION_CODE, NULL);
  call.args[TARGET_ARG_LIMIT] = options_text(&cli->options, OPTION_LIMIT, "50");
  call.args[TARGET_ARG_AFTER] = options_text(&cli->options, OPTION_AFTER, NULL);
  return ask(cli, &call, false, print_plain, diag);
}

enum err command_aside_show(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_ASIDE_GET, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return ask(cli, &call, false, print_plain, diag);
}

enum err command_aside_resend(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_ASIDE_RESEND, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  struct buffer body;
  enum err err = ERR_OK;
  buffer_init(&body);
  if (cli->options.arg_count == 2) err = ask_read_file(cli->options.args[1], LIMIT_ASIDE_BYTES, &body, diag);
  call.body = bytes_trim(buffer_view(&body));
  if (err == ERR_OK) err = ask(cli, &call, true, print_plain, diag);
  buffer_release(&body);
  return err;
}

enum err command_aside_drop(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_ASIDE_DROP, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return ask(cli, &call, true, print_plain, diag);
}

// --- sources and keys ----------------------------------------------------------------------------------------

enum err command_source_list(struct cli *cli, struct diag *diag) {
  return ask(cli, &(struct target_call){.op = TARGET_SOURCES}, false, print_plain, diag);
}

enum err command_source_put(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_SOURCE_PUT};
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "name", options->args[0]);
  member_if_given(&writer, "kind", options_text(options, OPTION_KIND, NULL));
  if (options->origins[OPTION_REGION] != OPTION_DEFAULT) {
    json_member_text(&writer, "region", options->values[OPTION_REGION].text);
  }
  member_if_given(&writer, "user_id_type", options_text(options, OPTION_USER_ID_TYPE, NULL));
  if (options_text(options, OPTION_PRIORITY, NULL) != NULL) {
    json_member_i64(&writer, "priority", options->values[OPTION_PRIORITY].number);
  }
  json_object_end(&writer);
  enum err err = change(cli, &call, &body, diag);
  buffer_release(&body);
  return err;
}

enum err command_key_list(struct cli *cli, struct diag *diag) {
  return ask(cli, &(struct target_call){.op = TARGET_KEYS}, false, print_plain, diag);
}

enum err command_key_create(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_KEY_CREATE};
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "name", options_text(options, OPTION_NAME, "key"));
  bool secret = options_text(options, OPTION_SCOPES, NULL) != NULL;
  json_member_text(&writer, "kind", secret ? "secret" : "write");
  member_if_given(&writer, "source", options_text(options, OPTION_SOURCE, secret ? NULL : "web"));
  member_if_given(&writer, "scopes", options_text(options, OPTION_SCOPES, NULL));
  json_object_end(&writer);
  enum err err = change(cli, &call, &body, diag);
  buffer_release(&body);
  return err;
}

enum err command_key_revoke(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_KEY_REVOKE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  uint64_t id;
  if (bytes_to_u64(bytes_from_text(cli->options.args[0]), &id) != ERR_OK) {
    return diag_set(diag, ERR_INVALID, "usage", "\"%.40s\" is no key's number; `rapport key list` shows them",
                    cli->options.args[0]);
  }
  return ask(cli, &call, true, print_plain, diag);
}
