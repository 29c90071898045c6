// options: the command line of a benchmark, read from the same table that --help is printed from.
//
// A row says with which word an option begins and, by the one of its four places that is not NULL, what it takes.
//   flag     nothing: it becomes true
//   number   a whole number from 1 to `most`
//   text     a text; of `value`s with '|' in them one of those words
//   words    all that follows, at most `most` words
// A row without a name is for the next word that begins with no dash. `value` stands for what is given in --help;
// `help` says what it means and what is when it is not given. Places keep what they have when their option is not
// given. Nothing is copied: texts and words are those of main.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options_words {
  char *const *items;
  size_t count;
};

struct options_row {
  const char *name, *value, *help;
  bool *flag;
  uint64_t *number;
  const char **text;
  struct options_words *words;
  uint64_t most; // 0: no limit
};

#define OPTIONS_COUNT(rows) (sizeof(rows) / sizeof *(rows))

// Reads the words behind the first, which names the benchmark. Ends the program after --help, and after it has said
// what is wrong: with 0 and 2.
void options_take(const struct options_row *rows, size_t row_count, int argc, char *const *argv);
