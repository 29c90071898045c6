// cli: from words to a command. The order is: find the command, read its flags, then the settings below them, so that a
// mistyped command is told before a broken settings file.
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/settings.h"

static const struct command commands[] = {
#define COMMAND(function, words, group, args, least, most, options, summary, details)                                  \
  {words, group, args, least, most, summary, details, command_##function},
#include "cli/commands.def"
#undef COMMAND
};

// A reader that has seen enough, such as head, is no failure to talk about.
static const char reader_gone[] = "reader_gone";

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

// What each takes, a word of the sets after the other.
static const option_word taken[OPTION_WORDS][COMMAND_COUNT] = {
    {
#define COMMAND(function, words, group, args, least, most, options, summary, details) options,
#define OPTION_WORD 0
#include "cli/commands.def"
#undef OPTION_WORD
    },
    {
#define OPTION_WORD 1
#include "cli/commands.def"
#undef OPTION_WORD
#undef COMMAND
    },
};

bool command_has_options(const struct command *command) {
  for (int i = 0; i < OPTION_WORDS; i++)
    if (taken[i][command - commands] != 0) return true;
  return false;
}

struct option_set command_options(const struct command *command) {
  struct option_set set;
  for (int i = 0; i < OPTION_WORDS; i++) set.words[i] = taken[i][command - commands];
  option_set_add(&set, OPTION_HELP);
  if (command_has_options(command)) option_set_add(&set, OPTION_CONFIG);
  return set;
}

const struct command *command_table(size_t *count) {
  *count = COMMAND_COUNT;
  return commands;
}

// How many of the words spell this command; 0 when they do not.
static size_t matches(const struct command *command, size_t count, char *const *words) {
  const char *space = strchr(command->words, ' ');
  size_t first = space != NULL ? (size_t)(space - command->words) : strlen(command->words);
  if (count < 1 || strlen(words[0]) != first || memcmp(words[0], command->words, first) != 0) return 0;
  if (space == NULL) return 1;
  return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

const struct command *command_find(size_t count, char *const *words, size_t *used) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    *used = matches(&commands[i], count, words);
    if (*used > 0) return &commands[i];
  }
  return NULL;
}

enum err command_flush(struct cli *cli, struct diag *diag) {
  if (cli->out.failed) return diag_no_memory(diag);
  size_t written = cli->out.size_bytes == 0 ? 0 : fwrite(cli->out.data, 1, cli->out.size_bytes, stdout);
  bool failed = written != cli->out.size_bytes || fflush(stdout) != 0;
  int error = errno;
  buffer_clear(&cli->out);
  if (!failed) return ERR_OK;
  return diag_set(diag, ERR_IO, error == EPIPE ? reader_gone : "io", "cannot write to standard output: %s",
                  strerror(error));
}

// The second word of a two-word command was left out or is wrong: its siblings are the candidates.
static enum err unknown_command(int count, char *const *words, struct diag *diag) {
  const char *names[COMMAND_COUNT], *nearest;
  char given[160], firsts[COMMAND_COUNT][OPTION_NAME_BYTES];
  struct buffer family;
  buffer_init(&family);
  bool known = help_family(words[0], &family);
  buffer_release(&family);
  snprintf(given, sizeof given, "%.60s%s%.60s", words[0], known && count > 1 ? " " : "",
           known && count > 1 ? words[1] : "");
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    snprintf(firsts[i], sizeof firsts[i], "%.*s", (int)strcspn(commands[i].words, " "), commands[i].words);
    names[i] = known ? commands[i].words : firsts[i];
  }
  nearest = param_nearest(given, names, COMMAND_COUNT);
  if (known && (count == 1 || nearest == NULL)) {
    return diag_set(diag, ERR_INVALID, "usage", "%s is several commands; `rapport help %s` lists them", words[0],
                    words[0]);
  }
  if (nearest == NULL) {
    return diag_set(diag, ERR_INVALID, "usage", "unknown command \"%s\"; `rapport --help` lists them", given);
  }
  return diag_set(diag, ERR_INVALID, "usage", "unknown command \"%s\"; did you mean `rapport %s`?", given, nearest);
}

static enum err check_arguments(const struct command *command, const struct options *options, struct diag *diag) {
  if (options->arg_count >= command->least && options->arg_count <= command->most) return ERR_OK;
  if (options->arg_count > command->most) {
    return diag_set(diag, ERR_INVALID, "usage", "%s: \"%.80s\" is one argument too many; usage: rapport %s%s%s",
                    command->words, options->args[command->most], command->words, *command->args ? " " : "",
                    command->args);
  }
  return diag_set(diag, ERR_INVALID, "usage", "%s needs %s; usage: rapport %s %s", command->words, command->args,
                  command->words, command->args);
}

static enum err read_settings(struct options *options, struct diag *diag) {
  extern char **environ;
  enum err err = settings_read_environment(options, environ, diag);
  const char *variable = getenv("RAPPORT_CONFIG");
  const char *path = options_text(options, OPTION_CONFIG, variable != NULL && *variable != '\0' ? variable : NULL);
  if (err == ERR_OK && path != NULL) err = settings_read_file(options, path, diag);
  if (err != ERR_OK) return err;
  enum log_level level = (enum log_level)options->values[OPTION_LOG_LEVEL].number;
  log_open(2, options->values[OPTION_LOG_FORMAT].number == 1 ? LOG_JSON : LOG_TEXT, level);
  return ERR_OK;
}

static enum err run(struct cli *cli, int count, char *const *words, struct diag *diag) {
  if (count == 0 || strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0) {
    help_overview(&cli->out);
    return ERR_OK;
  }
  if (strcmp(words[0], "--version") == 0) return command_version(cli, diag);
  size_t used;
  const struct command *command = command_find((size_t)count, words, &used);
  if (command == NULL && count == 2 && strcmp(words[1], "--help") == 0 && help_family(words[0], &cli->out))
    return ERR_OK;
  if (command == NULL) return unknown_command(count, words, diag);
  struct option_set allowed = command_options(command);
  option_set_add(&allowed, OPTION_CONFIG);
  enum err err = options_read_args(&cli->options, count - (int)used, words + used, &allowed, diag);
  if (err == ERR_OK && options_given(&cli->options, OPTION_HELP)) {
    help_command(command, &cli->out);
    return ERR_OK;
  }
  if (err == ERR_OK) err = check_arguments(command, &cli->options, diag);
  if (err == ERR_OK && command_has_options(command)) err = read_settings(&cli->options, diag);
  return err == ERR_OK ? command->run(cli, diag) : err;
}

int cli_main(int argc, char **argv, const struct cli_server *server) {
  struct cli cli = {.server = server};
  struct diag diag;
  diag_init(&diag);
  // A reader that went away is seen as a failed write.
  signal(SIGPIPE, SIG_IGN);
  options_init(&cli.options);
  buffer_init(&cli.out);
  enum err err = run(&cli, argc - 1, argv + 1, &diag);
  // What was found before a failure is still worth seeing.
  enum err flushed = command_flush(&cli, err == ERR_OK ? &diag : NULL);
  if (err == ERR_OK) err = flushed;
  if (err != ERR_OK && strcmp(diag.code, reader_gone) != 0) {
    fprintf(stderr, "rapport: %s%s%s\n", diag.field, diag.field[0] != '\0' ? ": " : "",
            diag.message[0] != '\0' ? diag.message : err_name(err));
  }
  buffer_release(&cli.out);
  options_release(&cli.options);
  return err == ERR_OK ? 0 : strcmp(diag.code, "usage") == 0 ? 2 : 1;
}
