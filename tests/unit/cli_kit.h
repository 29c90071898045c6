// cli_kit: commands as they are typed, one after the other, in a folder of their own.
//
// The working directory is that folder from make_root to remove_root, so that files have short names. What a command
// printed is in `out` and, of standard error, in `errors` until the next one.
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

enum { WORDS_MAX = 32, LINE_BYTES = 1024, OUT_BYTES = 1 << 20, ERRORS_BYTES = 65536 };

static char root[] = "/tmp/rapport-cli-XXXXXX";
static char out[OUT_BYTES], errors[ERRORS_BYTES];

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(path);
}

static inline int make_root(void **state) {
  (void)state;
  if (mkdtemp(root) == NULL) return -1;
  return chdir(root);
}

static inline int remove_root(void **state) {
  (void)state;
  return chdir("/") != 0 || nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0;
}

static inline void write_file(const char *name, const char *text) {
  FILE *file = fopen(name, "we");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

static inline int capture(int fd, int *old) {
  char name[] = "/tmp/rapport-out-XXXXXX";
  int captured = mkstemp(name);
  assert_true(captured >= 0);
  unlink(name);
  *old = dup(fd);
  dup2(captured, fd);
  return captured;
}

static inline void give_back(int fd, int old, int captured, char *text, size_t room) {
  dup2(old, fd);
  close(old);
  ssize_t size = pread(captured, text, room - 1, 0);
  assert_true(size >= 0);
  text[size] = '\0';
  close(captured);
}

// Runs one command line, split at any of `separators`; returns the exit status.
static inline int run_split(const char *line, const char *separators) {
  char copy[LINE_BYTES], *words[WORDS_MAX] = {(char[]){"rapport"}}, *rest = NULL;
  int count = 1, old_out, old_err;
  assert_true(strlen(line) < sizeof copy);
  strcpy(copy, line);
  for (char *word = strtok_r(copy, separators, &rest); word != NULL; word = strtok_r(NULL, separators, &rest)) {
    assert_true(count < WORDS_MAX);
    words[count++] = word;
  }
  fflush(stdout);
  int fd_out = capture(1, &old_out), fd_err = capture(2, &old_err);
  int status = cli_main(count, words, NULL);
  fflush(stdout);
  give_back(1, old_out, fd_out, out, sizeof out);
  give_back(2, old_err, fd_err, errors, sizeof errors);
  return status;
}
