// command: the table of commands, and what each is run with.
//
// Layer 8. commands.def makes the dispatch, the help and the completions, so that they cannot disagree.
// A command fills `cli->out`, which is printed when it succeeds; long output is flushed on the way by command_flush.
// Errors: ERR_INVALID with code "usage" exits with 2, everything else with 1.
#pragma once

#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"

struct cli {
  struct options options;
  const struct cli_server *server;
  struct buffer out;
};

typedef enum err command_fn(struct cli *cli, struct diag *diag);

enum command_group {
  COMMAND_START,
  COMMAND_DATA,
  COMMAND_LOOK,
  COMMAND_SEGMENT,
  COMMAND_REPORT,
  COMMAND_SCORE,
  COMMAND_LOYALTY,
  COMMAND_ATTRIBUTE,
  COMMAND_CHANGE,
  COMMAND_UPKEEP,
  COMMAND_GROUP_COUNT
};

struct command {
  const char *words; // "rules show"
  enum command_group group;
  const char *args;    // "TYPE:VALUE"; empty for none
  size_t least, most;  // how many arguments
  const char *summary; // one line
  const char *details; // paragraphs and examples; may be empty
  command_fn *run;
};

// In the order of the help.
const struct command *command_table(size_t *count);

// What a command of the table takes: with --help, and with --config when it has settings or flags of its own.
struct option_set command_options(const struct command *command);
// Whether it has any of its own.
bool command_has_options(const struct command *command);

// The command that begins `words`, and how many of them are its name. NULL when there is none.
const struct command *command_find(size_t count, char *const *words, size_t *used);

// Writes what is in `out` to standard output and empties it. ERR_IO when that cannot be.
enum err command_flush(struct cli *cli, struct diag *diag);

#define COMMAND(function, ...) command_fn command_##function;
#include "cli/commands.def"
#undef COMMAND

// --- commands_query.c ----------------------------------------------------------------------------------------

// `explain` of one argument, which is an expression.
enum err command_explain_expression(struct cli *cli, struct diag *diag);

// --- help.c and completion.c ---------------------------------------------------------------------------------

void help_overview(struct buffer *out);
void help_command(const struct command *command, struct buffer *out);
// Every command whose first word is `word`; false when there is none.
bool help_family(const char *word, struct buffer *out);

bool completion_script(const char *shell, struct buffer *out);
