// Runs every file of tests/scenario/identity: one workspace each, line by line (engine_kit.h says what a line can be).
// And again with merges that move no more than one event at once, with the job never run and run after each line.
#include "engine_folder.h"
#include "engine_kit.h"

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

int main(void) {
  return folder_run("scenarios", "scenario/identity", run_scenario);
}
