// engine_folder: a test a file. Every *.txt of a folder of tests/ is a test of its own, with the file's name.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { FOLDER_FILES_MAX = 256 };

// `folder` is given from tests/. `run` finds the file's path in *state. Returns what main returns; an empty folder is a
// failure.
static inline int folder_run(const char *group, const char *folder, CMUnitTestFunction run) {
  static char paths[FOLDER_FILES_MAX][1024];
  static struct CMUnitTest tests[FOLDER_FILES_MAX];
  char path[400];
  size_t count = 0;
  snprintf(path, sizeof path, "%.*s../%s", (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__, folder);
  DIR *dir = opendir(path);
  if (dir == NULL) return 1;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < FOLDER_FILES_MAX;) {
    if (strstr(entry->d_name, ".txt") == NULL) continue;
    snprintf(paths[count], sizeof paths[count], "%s/%s", path, entry->d_name);
    tests[count] =
        (struct CMUnitTest){.name = strrchr(paths[count], '/') + 1, .test_func = run, .initial_state = paths[count]};
    count++;
  }
  closedir(dir);
  if (count == 0) return 1;
  return _cmocka_run_group_tests(group, tests, count, NULL, NULL);
}
