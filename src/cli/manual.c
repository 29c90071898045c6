// manual: the manual page for man(1), made from the tables as the help is: roff with the macros of man(7).
#include <ctype.h>
#include <string.h>

#include "cli/command.h"

// What roff would take for something else: backslashes, hyphens that are to be typed, a point or a quote at the
// beginning of a line.
static void append_roff(struct buffer *out, const char *text, size_t size) {
  bool begins = true;
  for (size_t i = 0; i < size; i++) {
    if (begins && (text[i] == '.' || text[i] == '\'')) buffer_append_text(out, "\\&");
    if (text[i] == '\\')
      buffer_append_text(out, "\\e");
    else if (text[i] == '-')
      buffer_append_text(out, "\\-");
    else
      buffer_append_byte(out, (uint8_t)text[i]);
    begins = text[i] == '\n';
  }
}

static void append_line(struct buffer *out, const char *text) {
  append_roff(out, text, strlen(text));
  buffer_append_byte(out, '\n');
}

// Lines that begin with two spaces are examples; an empty line parts paragraphs.
static void append_details(struct buffer *out, const char *details) {
  bool example = false;
  while (*details != '\0') {
    size_t size = strcspn(details, "\n");
    bool is_example = strncmp(details, "  ", 2) == 0;
    if (is_example != example) buffer_append_text(out, is_example ? ".nf\n" : ".fi\n");
    example = is_example;
    if (size == 0)
      buffer_append_text(out, ".IP\n");
    else
      append_roff(out, details, size);
    if (size > 0) buffer_append_byte(out, '\n');
    details += size + (details[size] == '\n');
  }
  if (example) buffer_append_text(out, ".fi\n");
}

static void append_command(struct buffer *out, const struct command *command) {
  size_t told = 0;
  buffer_append_text(out, ".TP\n\\fBrapport ");
  append_roff(out, command->words, strlen(command->words));
  buffer_append_text(out, "\\fR ");
  append_line(out, command->args);
  append_roff(out, command->summary, strlen(command->summary));
  buffer_append_text(out, ".\n");
  if (*command->details != '\0') {
    buffer_append_text(out, ".IP\n");
    append_details(out, command->details);
  }
  for (int i = OPTION_SETTING_COUNT; i < OPTION_COUNT; i++) {
    if (!options_has(command->options, (enum option)i)) continue;
    buffer_append_text(out, told++ == 0 ? ".IP\nFlags: " : ", ");
    buffer_append_text(out, "\\-\\-");
    append_roff(out, options_param((enum option)i)->name, strlen(options_param((enum option)i)->name));
  }
  if (told > 0) buffer_append_text(out, ".\n");
}

static void append_option(struct buffer *out, enum option option) {
  const struct param *param = options_param(option);
  buffer_append_text(out, ".TP\n\\fB\\-\\-");
  append_roff(out, param->name, strlen(param->name));
  buffer_append_text(out, "\\fR ");
  append_line(out, param->meta == NULL ? "" : param->meta);
  append_roff(out, param->help, strlen(param->help));
  if (param->type == PARAM_CHOICE) {
    buffer_append_text(out, "; one of ");
    append_roff(out, param->values, strlen(param->values));
  }
  buffer_append_text(out, ".\n");
  if ((int)option >= OPTION_SETTING_COUNT) return;
  buffer_append_text(out, "In the environment \\fBRAPPORT_");
  for (const char *at = param->name; *at != '\0'; at++)
    buffer_append_byte(out, (uint8_t)(*at == '-' ? '_' : toupper((unsigned char)*at)));
  buffer_append_text(out, "\\fR.\n");
}

static void append_options(struct buffer *out, const char *title, int from, int to) {
  buffer_append_format(out, ".SH %s\n", title);
  for (int i = from; i < to; i++) append_option(out, (enum option)i);
}

static void append_commands(struct buffer *out) {
  size_t count;
  const struct command *commands = command_table(&count);
  buffer_append_text(out, ".SH COMMANDS\n");
  for (int group = 0; group < COMMAND_GROUP_COUNT; group++) {
    buffer_append_text(out, ".SS ");
    append_line(out, help_group((enum command_group)group));
    for (size_t i = 0; i < count; i++)
      if ((int)commands[i].group == group) append_command(out, &commands[i]);
  }
}

void manual_page(struct buffer *out) {
  buffer_append_text(out, ".TH RAPPORT 1 \"\" \"rapport " RAPPORT_VERSION "\" \"Rapport\"\n"
                          ".SH NAME\nrapport \\- a customer data platform in one program\n"
                          ".SH SYNOPSIS\n\\fBrapport\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR] [\\fIFLAGS\\fR]\n"
                          ".SH DESCRIPTION\nRapport knows who is who and keeps every customer's whole story. Most "
                          "commands work on a data directory (\\fB\\-\\-data\\fR) or on a running server "
                          "(\\fB\\-\\-url\\fR).\n");
  append_commands(out);
  append_options(out, "FLAGS", OPTION_SETTING_COUNT, OPTION_COUNT);
  append_options(out, "SETTINGS", 0, OPTION_SETTING_COUNT);
  buffer_append_text(out, ".SH EXIT STATUS\n0: it is done. 2: the command line is wrong. 1: anything else.\n");
}

enum err command_manual(struct cli *cli, struct diag *diag) {
  (void)diag;
  manual_page(&cli->out);
  return ERR_OK;
}
