// settings: one pass over the file and one over the environment; both write only what nothing stronger has given.
#include "cli/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1024 * 1024 };

static const char prefix[] = "RAPPORT_";

void settings_variable(enum option option, char *out) {
  snprintf(out, OPTION_NAME_BYTES, "%s%s", prefix, options_param(option)->name);
  for (char *at = out; *at != '\0'; at++) *at = (char)(*at == '-' ? '_' : toupper((unsigned char)*at));
}

static enum err take(struct options *options, enum option option, enum option_origin origin, const char *text,
                     struct diag *diag) {
  struct param_value value;
  enum err err = param_read(options_param(option), text, &value, diag);
  if (err != ERR_OK || options->origins[option] > origin) return err;
  options->values[option] = value;
  options->origins[option] = origin;
  return ERR_OK;
}

// --- the file ------------------------------------------------------------------------------------------------

static const char *nearest_setting(const char *name) {
  const char *names[OPTION_SETTING_COUNT];
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) names[i] = options_param((enum option)i)->name;
  return param_nearest(name, names, OPTION_SETTING_COUNT);
}

static int find_setting(const char *name) {
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) {
    if (strcmp(options_param((enum option)i)->name, name) == 0) return i;
  }
  return -1;
}

static enum err unknown_setting(const char *path, int line, const char *name, struct diag *diag) {
  const char *nearest = nearest_setting(name);
  return diag_set(diag, ERR_INVALID, "usage", "%.200s, line %d: unknown setting \"%.60s\"; %s%s%s", path, line, name,
                  nearest != NULL ? "did you mean " : "`rapport settings` lists them", nearest != NULL ? nearest : "",
                  nearest != NULL ? "?" : "");
}

// Ends `text` after its last character that is no white space and gives its first.
static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t size = strlen(text);
  while (size > 0 && isspace((unsigned char)text[size - 1])) size--;
  text[size] = '\0';
  return text;
}

// One line, which is cut up in place. A # begins a comment at the line's start or after white space, so that a value
// may hold one.
static enum err read_line(struct options *options, const char *path, int number, char *line, struct diag *diag) {
  for (char *at = line; *at != '\0'; at++) {
    if (*at == '#' && (at == line || isspace((unsigned char)at[-1]))) *at = '\0';
    if (*at == '\0') break;
  }
  char *name = trim(line);
  if (*name == '\0') return ERR_OK;
  char *equals = strchr(name, '=');
  if (equals == NULL) {
    return diag_set(diag, ERR_INVALID, "usage", "%.200s, line %d: \"%.60s\" is not of the form name = value", path,
                    number, name);
  }
  *equals = '\0';
  name = trim(name);
  for (char *at = name; *at != '\0'; at++) *at = *at == '_' ? '-' : *at;
  int index = find_setting(name);
  if (index < 0) return unknown_setting(path, number, name, diag);
  enum err err = take(options, (enum option)index, OPTION_FILE, trim(equals + 1), diag);
  if (err != ERR_OK) {
    struct diag why = *diag;
    return diag_set(diag, err, "usage", "%.200s, line %d: %s %s", path, number, name, why.message);
  }
  if (options->origins[index] == OPTION_FILE) options->lines[index] = number;
  return ERR_OK;
}

static enum err load(struct buffer *text, const char *path, struct diag *diag) {
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    return diag_set(diag, ERR_NOT_FOUND, "usage", "cannot read the settings file %.200s: %s", path, strerror(errno));
  }
  enum err err = ERR_OK;
  uint8_t block[4096];
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0 && text->size_bytes <= FILE_BYTES_MAX;) {
    buffer_append(text, block, got);
  }
  if (ferror(file)) err = diag_set(diag, ERR_IO, "io", "cannot read %.200s: %s", path, strerror(errno));
  fclose(file);
  buffer_append_byte(text, '\0');
  if (err != ERR_OK) return err;
  if (text->failed) return diag_no_memory(diag);
  if (text->size_bytes > FILE_BYTES_MAX || memchr(text->data, '\0', text->size_bytes - 1) != NULL) {
    return diag_set(diag, ERR_INVALID, "usage", "%.200s is not a settings file: over 1 MiB, or not text", path);
  }
  return ERR_OK;
}

enum err settings_read_file(struct options *options, const char *path, struct diag *diag) {
  enum err err = load(&options->file, path, diag);
  if (err != ERR_OK) return err;
  int number = 1;
  for (char *line = (char *)options->file.data; line != NULL && err == ERR_OK; number++) {
    char *end = strchr(line, '\n');
    if (end != NULL) *end = '\0';
    err = read_line(options, path, number, line, diag);
    line = end != NULL ? end + 1 : NULL;
  }
  return err;
}

// --- the environment -----------------------------------------------------------------------------------------

// A variable whose name is near to no setting is none of ours; one that is near was mistyped.
static enum err read_variable(struct options *options, const char *variable, size_t size, struct diag *diag) {
  char name[OPTION_NAME_BYTES], nearest_variable[OPTION_NAME_BYTES];
  snprintf(name, sizeof name, "%.*s", (int)(size - (sizeof prefix - 1)), variable + sizeof prefix - 1);
  for (char *at = name; *at != '\0'; at++) *at = (char)(*at == '_' ? '-' : tolower((unsigned char)*at));
  int index = find_setting(name);
  if (index < 0) {
    const char *nearest = strcmp(name, "config") == 0 ? NULL : nearest_setting(name);
    if (nearest == NULL) return ERR_OK;
    settings_variable((enum option)find_setting(nearest), nearest_variable);
    return diag_set(diag, ERR_INVALID, "usage", "the environment variable %.*s is no setting; did you mean %s?",
                    (int)size, variable, nearest_variable);
  }
  enum err err = take(options, (enum option)index, OPTION_ENVIRONMENT, variable + size + 1, diag);
  if (err == ERR_OK) return ERR_OK;
  struct diag why = *diag;
  return diag_set(diag, err, "usage", "the environment variable %.*s %s", (int)size, variable, why.message);
}

enum err settings_read_environment(struct options *options, char *const *environment, struct diag *diag) {
  enum err err = ERR_OK;
  for (char *const *at = environment; *at != NULL && err == ERR_OK; at++) {
    size_t size = strcspn(*at, "=");
    if (strncmp(*at, prefix, sizeof prefix - 1) != 0 || size >= OPTION_NAME_BYTES) continue;
    if ((*at)[size] == '\0' || (*at)[size + 1] == '\0') continue;
    err = read_variable(options, *at, size, diag);
  }
  return err;
}

// --- showing -------------------------------------------------------------------------------------------------

static const char *shown(const struct options *options, enum option option) {
  const char *text = options->values[option].text;
  if (text == NULL) return "-";
  return options_param(option)->type == PARAM_SECRET ? "(set)" : text;
}

static void origin(const struct options *options, enum option option, char *out) {
  char variable[OPTION_NAME_BYTES];
  settings_variable(option, variable);
  switch (options->origins[option]) {
  case OPTION_DEFAULT:
    snprintf(out, OPTION_NAME_BYTES, "%s", options->values[option].text != NULL ? "default" : "not set");
    break;
  case OPTION_FILE:
    snprintf(out, OPTION_NAME_BYTES, "file, line %d", options->lines[option]);
    break;
  case OPTION_ENVIRONMENT:
    snprintf(out, OPTION_NAME_BYTES, "%s", variable);
    break;
  case OPTION_FLAG:
    snprintf(out, OPTION_NAME_BYTES, "--%s", options_param(option)->name);
    break;
  }
}

void settings_print(const struct options *options, struct buffer *out) {
  buffer_append_format(out, "%-16s %-24s %-24s %s\n", "SETTING", "VALUE", "FROM", "WHAT");
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) {
    char from[OPTION_NAME_BYTES];
    const struct param *param = options_param((enum option)i);
    origin(options, (enum option)i, from);
    buffer_append_format(out, "%-16s %-24s %-24s %s\n", param->name, shown(options, (enum option)i), from, param->help);
  }
}

void settings_json(const struct options *options, struct json_writer *writer) {
  json_object_begin(writer);
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) {
    char from[OPTION_NAME_BYTES];
    origin(options, (enum option)i, from);
    json_name(writer, options_param((enum option)i)->name);
    json_object_begin(writer);
    json_name(writer, "value");
    if (options->values[i].text == NULL) {
      json_null(writer);
    } else {
      json_text(writer, shown(options, (enum option)i));
    }
    json_member_text(writer, "from", from);
    json_object_end(writer);
  }
  json_object_end(writer);
}

void settings_document(struct buffer *out) {
  buffer_append_text(out, "# Settings\n\n"
                          "This page is made from `src/cli/settings.def` by `rapport settings --markdown`.\n\n"
                          "A setting is given in a file (`--config FILE`, lines of `name = value`, `#` begins a "
                          "comment), in the environment, or by a flag; a flag wins over the environment, the "
                          "environment over the file, the file over the default. A name or value that is not "
                          "understood stops the program with the line and the nearest name. `rapport settings` shows "
                          "each value in force and where it came from.\n\n"
                          "| name in the file | environment | flag | expected | default | meaning |\n"
                          "|---|---|---|---|---|---|\n");
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) {
    char variable[OPTION_NAME_BYTES], expected[256];
    const struct param *param = options_param((enum option)i);
    const char *otherwise = options_default((enum option)i);
    settings_variable((enum option)i, variable);
    param_expected(param, expected, sizeof expected);
    for (char *at = expected; *at != '\0'; at++) *at = *at == '|' ? '/' : *at;
    buffer_append_format(out, "| `%s` | `%s` | `--%s %s` | %s | %s%s%s | %s |\n", param->name, variable, param->name,
                         param->meta, expected, otherwise != NULL ? "`" : "", otherwise != NULL ? otherwise : "",
                         otherwise != NULL ? "`" : "none", param->help);
  }
}
