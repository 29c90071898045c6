// Runs every file of tests/golden/engine: lines that make a workspace (engine_read_fixture.h), and questions ("ask …"),
// each followed by its answer. With RAPPORT_UPDATE_GOLDEN set the answers are written anew, to be read before a commit.
#include "engine_folder.h"
#include "engine_read_fixture.h"

enum { LINE_BYTES = 64 * 1024 };

static void check_answer(struct kit *kit, const char *question, FILE *in, FILE *out) {
  static char expected[LINE_BYTES];
  char *answer = read_answer(kit, question);
  if (answer[0] != '!') {
    struct buffer packed;
    struct diag diag;
    buffer_init(&packed);
    if (value_parse_json(kit->parser, bytes_from_text(answer), engine_names(kit->engine), &packed, &diag) != ERR_OK)
      fail_msg("%s: %s in %s", kit->where, diag.message, answer);
    buffer_release(&packed);
  }
  if (out != NULL) {
    fprintf(out, "%s\n", answer);
  } else {
    assert_non_null(fgets(expected, sizeof expected, in));
    expected[strcspn(expected, "\n")] = '\0';
    if (strcmp(expected, answer) != 0) fail_msg("%s\n expected %s\n      got %s", kit->where, expected, answer);
  }
  free(answer);
}

static bool is_answer(const char *line) {
  return line[0] == '{' || line[0] == '!' || (line[0] >= '0' && line[0] <= '9');
}

static void run_lines(struct kit *kit, const char *name, FILE *in, FILE *out) {
  static char line[LINE_BYTES];
  for (unsigned number = 1; fgets(line, sizeof line, in) != NULL; number++) {
    snprintf(kit->where, sizeof kit->where, "%s:%u", name, number);
    if (out != NULL && is_answer(line)) continue;
    if (out != NULL) fputs(line, out);
    if (strncmp(line, "ask ", 4) == 0) {
      check_answer(kit, line + 4, in, out);
      number += out == NULL;
    } else {
      read_line(kit, line);
    }
  }
}

static void run_golden(void **state) {
  const char *path = *state;
  struct kit kit;
  char *made = NULL;
  size_t made_bytes = 0;
  FILE *in = fopen(path, "r");
  FILE *out = getenv("RAPPORT_UPDATE_GOLDEN") == NULL ? NULL : open_memstream(&made, &made_bytes);
  assert_non_null(in);
  read_open(&kit);
  run_lines(&kit, strrchr(path, '/') + 1, in, out);
  kit_close(&kit);
  fclose(in);
  if (out == NULL) return;
  fclose(out);
  out = fopen(path, "w");
  assert_non_null(out);
  assert_int_equal(fwrite(made, 1, made_bytes, out), made_bytes);
  fclose(out);
  free(made);
}

int main(void) {
  return folder_run("golden", "golden/engine", run_golden);
}
