// err: one table, so that a code and its word cannot drift apart.
#include "base/err.h"

#include <stddef.h>

static const char *const err_names[] = {
    "ok",   "invalid", "limit",   "not_found", "no_memory", "io",          "conflict",
    "full", "busy",    "corrupt", "denied",    "stopped",   "unsupported",
};

const char *err_name(enum err err) {
  int index = -(int)err;
  if (index < 0 || (size_t)index >= sizeof err_names / sizeof err_names[0]) return "unknown";
  return err_names[index];
}
