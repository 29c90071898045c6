// commands_score_live: scores that live in a workspace: defined, looked at, refreshed.
#include "cli/ask.h"
#include "cli/define.h"

enum { SCORE_BYTES_MAX = 1024 * 1024 };

enum err command_score_put(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SCORE_PUT};
  struct buffer body;
  buffer_init(&body);
  enum err err = ask_read_file(cli->options.args[0], SCORE_BYTES_MAX, &body, diag);
  call.body = buffer_view(&body);
  if (err == ERR_OK) err = define(cli, &call, TARGET_SCORE, diag);
  buffer_release(&body);
  return err;
}

enum err command_score_refresh(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SCORE_REFRESH, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return define(cli, &call, TARGET_SCORE, diag);
}

static void print_scores(const struct print_document *document, struct buffer *out) {
  static const char *const columns[] = {"id",     "kind",    "status",       "version", "ranges",
                                        "method", "refresh", "refreshed_at", NULL};
  print_columns(document, columns, out);
}

enum err command_score_list(struct cli *cli, struct diag *diag) {
  return ask(cli, &(struct target_call){.op = TARGET_SCORES}, false, print_scores, diag);
}

enum err command_score_show(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SCORE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return ask(cli, &call, false, print_plain, diag);
}

enum err command_score_archive(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_SCORE_ARCHIVE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return ask(cli, &call, true, print_plain, diag);
}
