// options: reading the command line against the table. Values are checked as they are met, left to right.
#include "cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct row {
  struct param param;
  const char *otherwise;
};

static const struct row rows[OPTION_COUNT] = {
#define SETTING(upper, name, type, otherwise, meta, values, help)                                                      \
  [OPTION_##upper] = {{name, type, meta, values, help}, otherwise},
#include "cli/settings.def"
#undef SETTING
#define FLAG(upper, name, type, meta, values, help) [OPTION_##upper] = {{name, type, meta, values, help}, NULL},
#include "cli/flags.def"
#undef FLAG
};

const struct param *options_param(enum option option) {
  return &rows[option].param;
}

const char *options_default(enum option option) {
  return rows[option].otherwise;
}

void options_init(struct options *options) {
  *options = (struct options){.set_count = 0};
  buffer_init(&options->file);
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (rows[i].otherwise == NULL) continue;
    enum err err = param_read(&rows[i].param, rows[i].otherwise, &options->values[i], NULL);
    assert(err == ERR_OK); // the table's own defaults
  }
}

void options_release(struct options *options) {
  buffer_release(&options->file);
}

static enum err unknown_flag(const char *name, const struct option_set *allowed, struct diag *diag) {
  const char *names[OPTION_COUNT];
  size_t count = 0;
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (option_set_has(allowed, i)) names[count++] = rows[i].param.name;
  }
  const char *nearest = param_nearest(name, names, count);
  if (nearest != NULL) {
    return diag_set(diag, ERR_INVALID, "usage", "unknown flag --%.60s; did you mean --%s?", name, nearest);
  }
  return diag_set(diag, ERR_INVALID, "usage", "unknown flag --%.60s; --help lists the flags of this command", name);
}

static int find(const char *name, const struct option_set *allowed) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (option_set_has(allowed, i) && strcmp(rows[i].param.name, name) == 0) return i;
  }
  return -1;
}

static enum err take_value(struct options *options, int index, const char *text, struct diag *diag) {
  enum err err = param_read(&rows[index].param, text, &options->values[index], diag);
  if (err != ERR_OK) {
    struct diag why = *diag;
    return diag_set(diag, err, "usage", "--%s %s", rows[index].param.name, why.message);
  }
  options->origins[index] = OPTION_FLAG;
  if (index != OPTION_SET && index != OPTION_MODEL) return ERR_OK;
  if (options->set_count == OPTION_SETS_MAX) {
    return diag_set(diag, ERR_LIMIT, "usage", "--%s was given more than %d times", rows[index].param.name,
                    OPTION_SETS_MAX);
  }
  options->sets[options->set_count++] = text;
  return ERR_OK;
}

static enum err take_arg(struct options *options, const char *word, struct diag *diag) {
  if (options->arg_count == OPTION_ARGS_MAX) {
    return diag_set(diag, ERR_LIMIT, "usage", "more than %d arguments", OPTION_ARGS_MAX);
  }
  options->args[options->arg_count++] = word;
  return ERR_OK;
}

// `*at` stands on a word that begins with "--"; it is moved over a value of its own.
static enum err take_flag(struct options *options, int count, char *const *words, int *at,
                          const struct option_set *allowed, struct diag *diag) {
  char name[OPTION_NAME_BYTES];
  const char *word = words[*at] + 2;
  size_t size = strcspn(word, "=");
  if (size >= sizeof name) return unknown_flag(word, allowed, diag);
  memcpy(name, word, size);
  name[size] = '\0';
  int index = find(name, allowed);
  if (index < 0) return unknown_flag(name, allowed, diag);
  if (word[size] == '=') return take_value(options, index, word + size + 1, diag);
  if (rows[index].param.type == PARAM_SWITCH) return take_value(options, index, "true", diag);
  if (*at + 1 == count) {
    return diag_set(diag, ERR_INVALID, "usage", "--%s needs a value: --%s %s", name, name, rows[index].param.meta);
  }
  return take_value(options, index, words[++*at], diag);
}

enum err options_read_args(struct options *options, int count, char *const *words, const struct option_set *allowed,
                           struct diag *diag) {
  enum err err = ERR_OK;
  bool flags = true;
  for (int i = 0; i < count && err == ERR_OK; i++) {
    if (flags && strcmp(words[i], "--") == 0) {
      flags = false;
    } else if (flags && strcmp(words[i], "-h") == 0) {
      err = take_value(options, OPTION_HELP, "true", diag);
    } else if (flags && strncmp(words[i], "--", 2) == 0) {
      err = take_flag(options, count, words, &i, allowed, diag);
    } else if (flags && words[i][0] == '-' && words[i][1] != '\0' && !isdigit((unsigned char)words[i][1])) {
      err = diag_set(diag, ERR_INVALID, "usage",
                     "%.60s: flags are long words, such as --data; write -- before an "
                     "argument that begins with a hyphen",
                     words[i]);
    } else {
      err = take_arg(options, words[i], diag);
    }
  }
  return err;
}
