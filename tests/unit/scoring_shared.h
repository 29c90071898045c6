// Shared test data of scores: under $RAPPORT_SHARED, or ../shared beside the source tree.
#pragma once

#include <stdio.h>
#include <stdlib.h>

// The path of data/NAME; false, and a sentence, when it cannot be read.
static inline int shared_path(const char *name, char *out, size_t room) {
  const char *shared = getenv("RAPPORT_SHARED");
  static const char here[] = __FILE__; // …/tests/unit/scoring_shared.h
  if (shared != NULL)
    snprintf(out, room, "%s/data/%s", shared, name);
  else
    snprintf(out, room, "%.*s../../../shared/data/%s", (int)(sizeof here - sizeof "scoring_shared.h"), here, name);
  FILE *file = fopen(out, "re");
  if (file != NULL) fclose(file);
  if (file == NULL) printf("skipped: no %s (set RAPPORT_SHARED)\n", out);
  return file != NULL;
}
