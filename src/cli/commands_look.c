// commands_look: what only looks. Each is one call and its view, but for customer, which joins three.
#include <string.h>

#include "cli/ask.h"

static enum err look(struct cli *cli, enum target_op op, ask_view_fn *view, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = op};
  call.args[TARGET_ARG_REF] = options->args[0];
  call.args[TARGET_ARG_A] = options->args[0];
  call.args[TARGET_ARG_B] = options->args[1];
  call.args[TARGET_ARG_QUERY] = options->args[0];
  call.args[TARGET_ARG_NAME] = options_text(options, OPTION_NAME, NULL);
  call.args[TARGET_ARG_FROM] = options_text(options, OPTION_FROM, NULL);
  call.args[TARGET_ARG_TO] = options_text(options, OPTION_TO, NULL);
  call.args[TARGET_ARG_LIMIT] = options_text(options, OPTION_LIMIT, "50");
  call.args[TARGET_ARG_AFTER] = options_text(options, OPTION_AFTER, NULL);
  call.args[TARGET_ARG_SAMPLE] = options_text(options, OPTION_SAMPLE, "1000");
  return ask(cli, &call, false, view, diag);
}

// The three documents of a person's view, which stay apart: --json gives the first alone.
static enum err show_customer(struct cli *cli, struct target *target, struct target_call *call, struct diag *diag) {
  static const struct {
    enum target_op op;
    ask_view_fn *view;
  } parts[] = {
      {TARGET_CUSTOMER, print_customer}, {TARGET_EVENTS, print_last_events}, {TARGET_IDENTITY, print_identity}};
  bool only_first = options_given(&cli->options, OPTION_JSON) || options_given(&cli->options, OPTION_PRETTY);
  bool events = strcmp(call->args[TARGET_ARG_LIMIT], "0") != 0;
  enum err err = ERR_OK;
  for (size_t i = 0; i < sizeof parts / sizeof *parts && err == ERR_OK && !(only_first && i > 0); i++) {
    if (parts[i].op == TARGET_EVENTS && !events) continue;
    struct buffer json;
    buffer_init(&json);
    call->op = parts[i].op;
    err = target_call(target, call, &json, diag);
    if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), parts[i].view, diag);
    buffer_release(&json);
  }
  return err;
}

enum err command_customer(struct cli *cli, struct diag *diag) {
  struct target *target = NULL;
  struct target_call call = {.args = {[TARGET_ARG_REF] = cli->options.args[0]}};
  call.args[TARGET_ARG_LIMIT] = options_text(&cli->options, OPTION_EVENTS, "5");
  enum err err = target_open(&target, &cli->options, false, diag);
  if (err == ERR_OK) err = show_customer(cli, target, &call, diag);
  target_close(target);
  return err;
}

enum err command_events(struct cli *cli, struct diag *diag) {
  return look(cli, TARGET_EVENTS, print_events, diag);
}

enum err command_search(struct cli *cli, struct diag *diag) {
  return look(cli, TARGET_SEARCH, print_plain, diag);
}

enum err command_identity(struct cli *cli, struct diag *diag) {
  return look(cli, TARGET_IDENTITY, print_identity, diag);
}

// "email:zoe@exemple.fr": no expression has a colon outside of quotes, but for the times.
static bool is_reference(const char *argument) {
  return strpbrk(argument, " \"'()<=>") == NULL && strchr(argument, ':') != NULL;
}

// Two references are about identity, one argument is an expression.
enum err command_explain(struct cli *cli, struct diag *diag) {
  bool one = cli->options.arg_count == 1;
  if (one && is_reference(cli->options.args[0]))
    return diag_set(diag, ERR_INVALID, "usage", "explain needs a second identifier beside %.100s, or one expression",
                    cli->options.args[0]);
  if (one) return command_explain_expression(cli, diag);
  return look(cli, TARGET_EXPLAIN, print_explain, diag);
}

enum err command_schema(struct cli *cli, struct diag *diag) {
  return look(cli, TARGET_SCHEMA, print_plain, diag);
}

enum err command_stats(struct cli *cli, struct diag *diag) {
  return look(cli, TARGET_STATS, print_plain, diag);
}
