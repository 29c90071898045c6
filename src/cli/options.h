// options: every flag and every setting of the program, as one table, and what was given for each.
//
// Layer 8. settings.def and flags.def are joined into one enum, settings first. A command says which it takes as a set
// of bits; anything else is refused with the nearest that it does take.
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

// A set of options. A table writes its sets as OPTION_BIT(A) | OPTION_BIT(B); it is included once for each word, with
// OPTION_WORD saying which, as no number is wide enough for all.
__extension__ typedef unsigned __int128 option_word;
enum { OPTION_WORD_BITS = 128, OPTION_WORDS = 2 };
_Static_assert((int)OPTION_COUNT <= OPTION_WORDS * OPTION_WORD_BITS, "a set has a bit for every option");
#define OPTION_BIT(upper)                                                                                              \
  ((int)OPTION_##upper / OPTION_WORD_BITS == OPTION_WORD ? (option_word)1 << OPTION_##upper % OPTION_WORD_BITS : 0)

// All settings; they come first.
_Static_assert((int)OPTION_SETTING_COUNT < OPTION_WORD_BITS, "settings are in the first word");
#define OPTION_SETTINGS (OPTION_WORD == 0 ? ((option_word)1 << OPTION_SETTING_COUNT) - 1 : 0)

struct option_set {
  option_word words[OPTION_WORDS];
};
static inline bool option_set_has(const struct option_set *set, int option) {
  return (set->words[option / OPTION_WORD_BITS] >> option % OPTION_WORD_BITS & 1) != 0;
}
static inline void option_set_add(struct option_set *set, enum option option) {
  set->words[option / OPTION_WORD_BITS] |= (option_word)1 << option % OPTION_WORD_BITS;
}

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
// The built-in text of a setting; NULL when it has none, and for flags.
const char *options_default(enum option option);

// Reads `count` words. Flags of `allowed`, as --name VALUE, --name=VALUE or --name; "--" ends them. ERR_INVALID
// "usage".
enum err options_read_args(struct options *options, int count, char *const *words, const struct option_set *allowed,
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
