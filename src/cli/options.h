// options: every flag and every setting of the program, as one table, and what was given for each.
//
// Layer 8. settings.def and flags.def are joined into one enum, settings first. A command says which it takes as a
// list; anything else is refused with the nearest that it does take.
// Memory: values point into argv, the environment and the text of the settings file, which `struct options` owns.
// Threads: filled once by the main thread, then read only.
#pragma once

#include "base/bytes.h"
#include "cli/param.h"

enum option {
#define SETTING(upper, ...) OPTION_##upper,
#include "cli/settings.def"
#undef SETTING
  OPTION_SETTING_COUNT,
  OPTION_BEFORE_FLAGS = OPTION_SETTING_COUNT - 1,
#define FLAG(upper, ...) OPTION_##upper,
#include "cli/flags.def"
#undef FLAG
  OPTION_COUNT,
};
_Static_assert(OPTION_COUNT <= UINT8_MAX, "an option in a list is a byte");

#define OPTION_LIST(...) ((const uint8_t[]){__VA_ARGS__, OPTION_COUNT}) // of static storage
extern const uint8_t OPTIONS_OF_SETTINGS[];                             // every setting, and how they are shown

enum option_origin { OPTION_DEFAULT, OPTION_FILE, OPTION_ENVIRONMENT, OPTION_FLAG };

enum { OPTION_SETS_MAX = 64, OPTION_ARGS_MAX = 128, OPTION_NAME_BYTES = 64 };

struct options {
  struct param_value values[OPTION_COUNT];
  enum option_origin origins[OPTION_COUNT];
  int lines[OPTION_COUNT];           // of the settings file
  const char *sets[OPTION_SETS_MAX]; // every --set or --model, in order
  size_t set_count;
  const char *args[OPTION_ARGS_MAX]; // what is no flag, in order
  size_t arg_count;
  struct buffer file; // text of the settings file; values point into it
};

void options_init(struct options *options);
void options_release(struct options *options);

const struct param *options_param(enum option option);
bool options_has(const uint8_t *list, enum option option);
// The built-in text of a setting; NULL when it has none, and for flags.
const char *options_default(enum option option);

// Reads `count` words. Flags of the list `allowed`, as --name VALUE, --name=VALUE or --name; "--" ends them.
// ERR_INVALID "usage".
enum err options_read_args(struct options *options, int count, char *const *words, const uint8_t *allowed,
                           struct diag *diag);

// What was given, or `otherwise`.
static inline const char *options_text(const struct options *options, enum option option, const char *otherwise) {
  return options->values[option].text != NULL ? options->values[option].text : otherwise;
}
static inline int64_t options_number(const struct options *options, enum option option, int64_t otherwise) {
  return options->values[option].text != NULL ? options->values[option].number : otherwise;
}
static inline bool options_given(const struct options *options, enum option option) {
  return options->values[option].text != NULL && options->values[option].number != 0;
}
