// Runs every file of tests/scenario/identity: one workspace each, line by line (engine_kit.h says what a line can be).
// And again with merges that move no more than one event at once, with the job never run and run after each line.
#include "engine_kit.h"

#include <dirent.h>

static void run_file(const char *path, uint32_t merge_events, bool steps) {
  char line[1024];
  unsigned number = 0;
  struct kit kit;
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  kit_merge_events = merge_events;
  kit_open(&kit);
  while (fgets(line, sizeof line, file) != NULL) {
    snprintf(kit.where, sizeof kit.where, "%s:%u", strrchr(path, '/') + 1, ++number);
    kit_line(&kit, line);
    if (steps) kit_step(&kit);
  }
  kit_close(&kit);
  fclose(file);
}

static void run_scenario(void **state) {
  run_file(*state, 0, false);
  run_file(*state, 1, false);
  run_file(*state, 1, true);
}

enum { FILES_MAX = 256 };

int main(void) {
  static char paths[FILES_MAX][1024];
  static struct CMUnitTest tests[FILES_MAX];
  char folder[400];
  size_t count = 0;
  snprintf(folder, sizeof folder, "%.*s../scenario/identity", (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__);
  DIR *dir = opendir(folder);
  if (dir == NULL) return 1;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < FILES_MAX;) {
    if (strstr(entry->d_name, ".txt") == NULL) continue;
    snprintf(paths[count], sizeof paths[count], "%s/%s", folder, entry->d_name);
    tests[count] = (struct CMUnitTest){
        .name = strrchr(paths[count], '/') + 1, .test_func = run_scenario, .initial_state = paths[count]};
    count++;
  }
  closedir(dir);
  if (count == 0) return 1;
  return _cmocka_run_group_tests("scenarios", tests, count, NULL, NULL);
}
