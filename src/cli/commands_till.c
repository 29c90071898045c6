// commands_till: the till, on a terminal or by a script.
//
// A script prints each command and what came of it as plain text, and goes on after what was refused; the exit status
// says whether all of it was done.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/till.h"

static enum err ask_target(void *context, const struct target_call *call, struct buffer *out, struct diag *diag) {
  return target_call(context, call, out, diag);
}

// What is worth showing after a command: the paper, else the sale.
static void print_outcome(const struct till *till, bool good, struct buffer *out) {
  if (till->notice[0] != '\0') buffer_append_format(out, "%s%s\n", good ? "" : "! ", till->notice);
  if (!good || till->quit) return;
  if (till->paper.size_bytes > 0)
    buffer_append_bytes(out, buffer_view(&till->paper));
  else if (till->sale.line_count > 0)
    till_print_sale(till, out);
  else if (till->sale.card[0] != '\0') {
    till_print_member(till, out);
    buffer_append_byte(out, '\n');
  }
}

static bool is_nothing(const char *line) {
  line += strspn(line, " \t\r\n");
  return *line == '\0' || *line == '#';
}

static enum err run_script(struct cli *cli, struct till *till, FILE *file, struct diag *diag) {
  char line[TILL_LINE_BYTES];
  size_t failures = 0;
  enum err err = ERR_OK;
  while (err == ERR_OK && !till->quit && fgets(line, sizeof line, file) != NULL) {
    if (is_nothing(line)) continue;
    buffer_append_format(&cli->out, "till: %.*s\n", (int)strcspn(line, "\r\n"), line);
    bool good = till_run(till, line);
    failures += !good;
    print_outcome(till, good, &cli->out);
    err = command_flush(cli, diag);
  }
  if (err != ERR_OK || failures == 0) return err;
  return diag_set(diag, ERR_INVALID, "refused", "%zu %s of the script could not be done", failures,
                  failures == 1 ? "command" : "commands");
}

static enum err run(struct cli *cli, struct till *till, struct diag *diag) {
  const char *path = options_text(&cli->options, OPTION_SCRIPT, NULL);
  bool is_stdin = path == NULL || strcmp(path, "-") == 0;
  if (path == NULL && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) return till_work(till, diag);
  FILE *file = is_stdin ? stdin : fopen(path, "re");
  if (file == NULL) return diag_set(diag, ERR_NOT_FOUND, "usage", "cannot read %.200s: %s", path, strerror(errno));
  enum err err = run_script(cli, till, file, diag);
  if (!is_stdin) fclose(file);
  return err;
}

enum err command_till(struct cli *cli, struct diag *diag) {
  struct target *target = NULL;
  struct till till;
  enum err err = target_open(&target, &cli->options, true, diag);
  if (err != ERR_OK) return err;
  till_init(&till, ask_target, target);
  err = run(cli, &till, diag);
  till_release(&till);
  target_close(target);
  return err;
}
