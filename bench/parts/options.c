// A word is looked for among the rows in their order, so every row can be told by its name alone.
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_COLUMNS = 32 };

struct reading {
  const struct options_row *rows;
  size_t row_count, places; // rows without a name that were given
  const char *benchmark;    // its name
};

// --- help ----------------------------------------------------------------------------------------------------

static void print_row(const struct options_row *row, FILE *out) {
  char head[128];
  const char *value = row->value == NULL ? "" : row->value;
  const char *name = row->name == NULL ? "" : row->name;
  snprintf(head, sizeof head, "%s%s%s", name, name[0] != '\0' && value[0] != '\0' ? " " : "", value);
  fprintf(out, "  %-*s  %s\n", OPTION_COLUMNS, head, row->help);
}

static void print_help(const struct reading *reading, FILE *out) {
  bool named = false;
  fprintf(out, "%s", reading->benchmark);
  for (size_t i = 0; i < reading->row_count; i++) {
    named = named || reading->rows[i].name != NULL;
    if (reading->rows[i].name == NULL) fprintf(out, " [%s]", reading->rows[i].value);
  }
  fprintf(out, "%s\n", named ? " [options]" : "");
  for (size_t i = 0; i < reading->row_count; i++) print_row(&reading->rows[i], out);
}

static void refuse(const struct reading *reading, const char *word, const char *why) {
  fprintf(stderr, "%s: %s: %s\n", reading->benchmark, word, why);
  print_help(reading, stderr);
  exit(2);
}

// --- values --------------------------------------------------------------------------------------------------

static bool read_number(const char *text, uint64_t most, uint64_t *number) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || value == 0) return false;
  *number = value;
  return most == 0 || value <= most;
}

// Whether `text` is one of "this|that".
static bool is_one_of(const char *words, const char *text) {
  size_t size = strlen(text);
  for (;; words++) {
    size_t word = strcspn(words, "|");
    if (word == size && memcmp(words, text, size) == 0) return true;
    words += word;
    if (*words == '\0') return false;
  }
}

static void take_value(const struct reading *reading, const struct options_row *row, const char *value) {
  if (row->number != NULL) {
    if (!read_number(value, row->most, row->number)) refuse(reading, value, "is no number that can be here");
    return;
  }
  if (row->value != NULL && strchr(row->value, '|') != NULL && !is_one_of(row->value, value))
    refuse(reading, value, "is none of the words that can be here");
  *row->text = value;
}

static void take_words(const struct reading *reading, const struct options_row *row, char *const *words, size_t count) {
  if (row->most > 0 && count > row->most) refuse(reading, words[row->most], "is a word too many");
  *row->words = (struct options_words){words, count};
}

// --- the whole -----------------------------------------------------------------------------------------------

static const struct options_row *find(struct reading *reading, const char *word) {
  size_t place = 0;
  for (size_t i = 0; i < reading->row_count; i++) {
    const struct options_row *row = &reading->rows[i];
    if (row->name != NULL && strcmp(row->name, word) == 0) return row;
    if (row->name == NULL && word[0] != '-' && place++ == reading->places) {
      reading->places++;
      return row;
    }
  }
  return NULL;
}

void options_take(const struct options_row *rows, size_t row_count, int argc, char *const *argv) {
  const char *slash = strrchr(argv[0], '/');
  struct reading reading = {.rows = rows, .row_count = row_count, .benchmark = slash == NULL ? argv[0] : slash + 1};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      print_help(&reading, stdout);
      exit(0);
    }
    const struct options_row *row = find(&reading, argv[i]);
    if (row == NULL) {
      refuse(&reading, argv[i], "there is no such option");
    } else if (row->flag != NULL) {
      *row->flag = true;
    } else if (row->words != NULL) {
      i += row->name != NULL;
      take_words(&reading, row, argv + i, (size_t)(argc - i));
      return;
    } else if (row->name == NULL) {
      take_value(&reading, row, argv[i]);
    } else if (i + 1 == argc) {
      refuse(&reading, argv[i], "needs a value");
    } else {
      take_value(&reading, row, argv[++i]);
    }
  }
}
