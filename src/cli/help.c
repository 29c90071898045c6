// help: pages made from the tables. Plain text, 80 columns where words allow it; nothing depends on the terminal.
#include <string.h>

#include "cli/command.h"

enum { PAGE_COLUMNS = 80, NAME_COLUMNS = 18, FLAG_COLUMNS = 28 };

static const char *const group_titles[COMMAND_GROUP_COUNT] = {
    [COMMAND_START] = "Start",
    [COMMAND_DATA] = "Bring events in",
    [COMMAND_LOOK] = "Look at customers",
    [COMMAND_SEGMENT] = "Segments, lists and computed attributes",
    [COMMAND_REPORT] = "Reports",
    [COMMAND_SCORE] = "Score customers of a file, without a workspace",
    [COMMAND_LOYALTY] = "Loyalty: members, baskets, points and codes",
    [COMMAND_ATTRIBUTE] = "Attribute conversions to channels",
    [COMMAND_CHANGE] = "Change customers",
    [COMMAND_UPKEEP] = "Keep it running",
};

// Appends words of `text` from `column` on, broken before the page's edge and indented by `indent`.
static void append_wrapped(struct buffer *out, const char *text, size_t column, size_t indent) {
  bool first = true;
  while (*text != '\0') {
    size_t size = strcspn(text, " ");
    if (!first && column + 1 + size > PAGE_COLUMNS) {
      buffer_append_format(out, "\n%*s", (int)indent, "");
      column = indent;
    } else if (!first) {
      buffer_append_byte(out, ' ');
      column++;
    }
    buffer_append(out, text, size);
    column += size;
    first = false;
    text += size + (text[size] == ' ');
  }
  buffer_append_byte(out, '\n');
}

static void append_row(struct buffer *out, const char *name, const char *text, size_t columns) {
  buffer_append_format(out, "  %-*s", (int)columns, name);
  size_t used = 2 + (strlen(name) > columns ? strlen(name) : columns);
  if (strlen(name) >= columns) {
    buffer_append_format(out, "\n%*s", (int)columns + 2, "");
    used = columns + 2;
  }
  append_wrapped(out, text, used, columns + 2);
}

void help_overview(struct buffer *out) {
  size_t count;
  const struct command *commands = command_table(&count);
  buffer_append_text(out, "Rapport knows who is who and keeps every customer's whole story.\n\n"
                          "  rapport demo --data ./shop          a shop with 10,000 customers, in seconds\n"
                          "  rapport serve --data ./shop         answers on http://127.0.0.1:8080\n"
                          "  rapport search \"camille\" --data ./shop\n"
                          "  rapport customer c1 --data ./shop\n");
  for (int group = 0; group < COMMAND_GROUP_COUNT; group++) {
    buffer_append_format(out, "\n%s\n", group_titles[group]);
    for (size_t i = 0; i < count; i++) {
      if ((int)commands[i].group == group) append_row(out, commands[i].words, commands[i].summary, NAME_COLUMNS);
    }
  }
  buffer_append_text(out, "\n`rapport help COMMAND` says more about each. Most commands work on a data directory\n"
                          "(--data DIR, or RAPPORT_DATA) or on a running server (--url URL with RAPPORT_KEY).\n");
}

static void append_option(struct buffer *out, enum option option) {
  char name[2 * OPTION_NAME_BYTES], text[512];
  const struct param *param = options_param(option);
  const char *otherwise = options_default(option);
  bool choices = param->type == PARAM_CHOICE, range = param->type == PARAM_NUMBER && param->values != NULL;
  snprintf(name, sizeof name, "--%s%s%s", param->name, param->meta != NULL ? " " : "",
           param->meta != NULL ? param->meta : "");
  snprintf(text, sizeof text, "%s%s%s%s%s%s%s", param->help,
           choices ? "; one of "
           : range ? "; "
                   : "",
           choices || range ? param->values : "", otherwise != NULL ? " (" : "", otherwise != NULL ? otherwise : "",
           otherwise != NULL ? ")" : "", "");
  append_row(out, name, text, FLAG_COLUMNS);
}

// Paragraphs are wrapped; lines that begin with two spaces are examples and stay as they are.
static void append_details(struct buffer *out, const char *details) {
  while (*details != '\0') {
    char line[1024];
    size_t size = strcspn(details, "\n");
    snprintf(line, sizeof line, "%.*s", (int)size, details);
    if (strncmp(line, "  ", 2) == 0) {
      buffer_append_format(out, "%s\n", line);
    } else {
      append_wrapped(out, line, 0, 0);
    }
    details += size + (details[size] == '\n');
  }
}

void help_command(const struct command *command, struct buffer *out) {
  buffer_append_format(out, "rapport %s%s%s%s\n\n", command->words, *command->args ? " " : "", command->args,
                       command->options != 0 ? " [FLAGS]" : "");
  buffer_append_format(out, "%s.\n", command->summary);
  if (*command->details != '\0') {
    buffer_append_byte(out, '\n');
    append_details(out, command->details);
  }
  option_set own = command->options | OPTION_BIT(HELP) | (command->options != 0 ? OPTION_BIT(CONFIG) : 0);
  buffer_append_text(out, "\nFlags\n");
  for (int i = OPTION_SETTING_COUNT; i < OPTION_COUNT; i++) {
    if (own >> i & 1) append_option(out, (enum option)i);
  }
  if (command->options == 0) return;
  buffer_append_text(out, "\nSettings (also in the environment, as RAPPORT_…, and in the settings file)\n");
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) {
    if (own >> i & 1) append_option(out, (enum option)i);
  }
}

bool help_family(const char *word, struct buffer *out) {
  size_t count, length = strlen(word), found = 0;
  const struct command *commands = command_table(&count);
  for (size_t i = 0; i < count; i++) {
    if (strncmp(commands[i].words, word, length) != 0 || commands[i].words[length] != ' ') continue;
    append_row(out, commands[i].words, commands[i].summary, NAME_COLUMNS);
    found++;
  }
  return found > 0;
}

enum err command_help(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  size_t used;
  if (options->arg_count == 0) {
    help_overview(&cli->out);
    return ERR_OK;
  }
  char first[OPTION_NAME_BYTES], second[OPTION_NAME_BYTES] = "";
  snprintf(first, sizeof first, "%s", options->args[0]);
  if (options->arg_count > 1) snprintf(second, sizeof second, "%s", options->args[1]);
  char *words[] = {first, second};
  const struct command *command = command_find(options->arg_count, words, &used);
  if (command != NULL) {
    help_command(command, &cli->out);
    return ERR_OK;
  }
  if (help_family(first, &cli->out)) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "usage", "unknown command \"%s\"; `rapport --help` lists them", first);
}

enum err command_version(struct cli *cli, struct diag *diag) {
  (void)diag;
  buffer_append_text(&cli->out, "rapport " RAPPORT_VERSION "\n");
  return ERR_OK;
}
