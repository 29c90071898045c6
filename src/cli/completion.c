// completion: scripts for three shells, made from the tables. Each completes commands, their second words, and the
// flags that the command takes; values of choices too.
#include <string.h>

#include "cli/command.h"

static const char *const shells[] = {"bash", "zsh", "fish"};

static bool takes(const struct command *command, int option) {
  struct option_set taken = command_options(command);
  return option_set_has(&taken, option);
}

static void append_flags(struct buffer *out, const struct command *command) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (takes(command, i)) buffer_append_format(out, " --%s", options_param((enum option)i)->name);
  }
}

// Words of a command's arguments that are typed as they stand: "put FILE | list".
static void append_literals(struct buffer *out, const char *args) {
  while (*args != '\0') {
    size_t size = strcspn(args, " |"), small = strspn(args, "abcdefghijklmnopqrstuvwxyz");
    if (size > 0 && small == size) buffer_append_format(out, " %.*s", (int)size, args);
    args += size + (args[size] != '\0');
  }
}

static void append_choices(struct buffer *out, const char *values) {
  for (const char *at = values; *at != '\0'; at++) buffer_append_byte(out, (uint8_t)(*at == '|' ? ' ' : *at));
}

// The first words, each once.
static void append_first_words(struct buffer *out) {
  size_t count;
  const struct command *commands = command_table(&count);
  for (size_t i = 0; i < count; i++) {
    size_t size = strcspn(commands[i].words, " ");
    if (i > 0 && strncmp(commands[i - 1].words, commands[i].words, size) == 0 &&
        commands[i - 1].words[size] == commands[i].words[size])
      continue;
    buffer_append_format(out, " %.*s", (int)size, commands[i].words);
  }
}

static void append_second_words(struct buffer *out, const char *family, size_t size) {
  size_t count;
  const struct command *commands = command_table(&count);
  for (size_t i = 0; i < count; i++) {
    if (strncmp(commands[i].words, family, size + 1) == 0)
      buffer_append_format(out, " %s", commands[i].words + size + 1);
  }
}

// What follows a flag that takes a value: files, or its choices.
static void append_value_cases(struct buffer *out) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    const struct param *param = options_param((enum option)i);
    if (param->type == PARAM_PATH) {
      buffer_append_format(out, "  --%s) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n", param->name);
    } else if (param->type == PARAM_CHOICE) {
      buffer_append_format(out, "  --%s) words=\"", param->name);
      append_choices(out, param->values);
      buffer_append_text(out, "\" ;;\n");
    }
  }
}

// The flags of each command; after the last of a family, the family's second words.
static void append_command_cases(struct buffer *out) {
  size_t count;
  const struct command *commands = command_table(&count);
  for (size_t i = 0; i < count; i++) {
    const char *words = commands[i].words;
    size_t first = strcspn(words, " ");
    bool two = words[first] == ' ';
    buffer_append_format(out, two ? "  \"%s\") words=\"" : "  \"%s \"*) words=\"", words);
    append_literals(out, commands[i].args);
    append_flags(out, &commands[i]);
    buffer_append_text(out, "\" ;;\n");
    if (!two || (i + 1 < count && strncmp(commands[i + 1].words, words, first + 1) == 0)) continue;
    buffer_append_format(out, "  \"%.*s \"*) words=\"", (int)first, words);
    append_second_words(out, words, first);
    buffer_append_text(out, "\" ;;\n");
  }
}

static void append_bash(struct buffer *out) {
  buffer_append_text(out, "_rapport() {\n"
                          "  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                          "  COMPREPLY=()\n"
                          "  case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n");
  append_value_cases(out);
  buffer_append_text(out, "  *) case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
  append_command_cases(out);
  buffer_append_text(out, "  esac ;;\n  esac\n  if [ \"$COMP_CWORD\" = 1 ]; then words=\"");
  append_first_words(out);
  buffer_append_text(out, "\"; fi\n"
                          "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                          "  if [ ${#COMPREPLY[@]} = 0 ]; then COMPREPLY=($(compgen -f -- \"$current\")); fi\n"
                          "}\n"
                          "complete -F _rapport rapport\n");
}

static void append_zsh(struct buffer *out) {
  buffer_append_text(out, "autoload -U +X compinit && compinit\n"
                          "autoload -U +X bashcompinit && bashcompinit\n");
  append_bash(out);
}

// Text inside single quotes, as fish reads it.
static void append_fish_text(struct buffer *out, const char *text) {
  buffer_append_byte(out, '\'');
  for (; *text != '\0'; text++) {
    if (*text == '\'' || *text == '\\') buffer_append_byte(out, '\\');
    buffer_append_byte(out, (uint8_t)*text);
  }
  buffer_append_byte(out, '\'');
}

static void append_fish_flags(struct buffer *out, const struct command *command) {
  size_t first = strcspn(command->words, " ");
  struct buffer literals;
  buffer_init(&literals);
  append_literals(&literals, command->args);
  if (literals.size_bytes > 0) {
    buffer_append_format(out, "complete -c rapport -n '__fish_seen_subcommand_from %.*s", (int)first, command->words);
    if (command->words[first] == ' ')
      buffer_append_format(out, "; and __fish_seen_subcommand_from %s", command->words + first + 1);
    buffer_append_format(out, "' -a '%.*s'\n", BYTES_ARG(buffer_view(&literals)));
  }
  buffer_release(&literals);
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (!takes(command, i)) continue;
    const struct param *param = options_param((enum option)i);
    buffer_append_format(out, "complete -c rapport -n '__fish_seen_subcommand_from %.*s", (int)first, command->words);
    if (command->words[first] == ' ') {
      buffer_append_format(out, "; and __fish_seen_subcommand_from %s", command->words + first + 1);
    }
    buffer_append_format(out, "' -l %s%s -d ", param->name, param->type == PARAM_SWITCH ? "" : " -r");
    append_fish_text(out, param->help);
    if (param->type == PARAM_CHOICE) {
      buffer_append_text(out, " -a '");
      append_choices(out, param->values);
      buffer_append_byte(out, '\'');
    }
    buffer_append_byte(out, '\n');
  }
}

static void append_fish(struct buffer *out) {
  size_t count;
  const struct command *commands = command_table(&count);
  buffer_append_text(out, "complete -c rapport -n __fish_use_subcommand -a '");
  append_first_words(out);
  buffer_append_text(out, "'\n");
  for (size_t i = 0; i < count; i++) {
    size_t first = strcspn(commands[i].words, " ");
    if (commands[i].words[first] == ' ') {
      buffer_append_format(out, "complete -c rapport -n '__fish_seen_subcommand_from %.*s' -a %s -d ", (int)first,
                           commands[i].words, commands[i].words + first + 1);
    } else {
      buffer_append_format(out, "complete -c rapport -n __fish_use_subcommand -a %s -d ", commands[i].words);
    }
    append_fish_text(out, commands[i].summary);
    buffer_append_byte(out, '\n');
    append_fish_flags(out, &commands[i]);
  }
}

bool completion_script(const char *shell, struct buffer *out) {
  static void (*const scripts[])(struct buffer *) = {append_bash, append_zsh, append_fish};
  for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
    if (strcmp(shell, shells[i]) != 0) continue;
    scripts[i](out);
    return true;
  }
  return false;
}

enum err command_completion(struct cli *cli, struct diag *diag) {
  const char *shell = cli->options.args[0];
  if (completion_script(shell, &cli->out)) return ERR_OK;
  const char *nearest = param_nearest(shell, shells, sizeof shells / sizeof *shells);
  return diag_set(diag, ERR_INVALID, "usage", "no completions for \"%.40s\"; %s%s%s", shell,
                  nearest != NULL ? "did you mean " : "there are bash, zsh and fish", nearest != NULL ? nearest : "",
                  nearest != NULL ? "?" : "");
}
