// Runs every file of tests/scenario/identity: one workspace each, line by line (engine_kit.h says what a line can be).
#include "engine_folder.h"
#include "engine_kit.h"

static void run_file(const char *path) {
  char line[1024];
  unsigned number = 0;
  struct kit kit;
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  kit_open(&kit);
  while (fgets(line, sizeof line, file) != NULL) {
    snprintf(kit.where, sizeof kit.where, "%s:%u", strrchr(path, '/') + 1, ++number);
    kit_line(&kit, line);
  }
  kit_close(&kit);
  fclose(file);
}

static void run_scenario(void **state) {
  run_file(*state);
}

int main(void) {
  return folder_run("scenarios", "scenario/identity", run_scenario);
}
