// diag: fixed-size text, so that reporting a failure can never fail itself. Longer text is cut.
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void diag_init(struct diag *diag) {
  *diag = (struct diag){.err = ERR_OK};
}

enum err diag_set(struct diag *diag, enum err err, const char *code, const char *format, ...) {
  if (diag == NULL) return err;
  diag->err = err;
  diag->field[0] = '\0';
  snprintf(diag->code, sizeof diag->code, "%s", code);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(diag->message, sizeof diag->message, format, arguments);
  va_end(arguments);
  return err;
}

void diag_in_field(struct diag *diag, const char *format, ...) {
  if (diag == NULL) return;
  char inner[DIAG_FIELD_BYTES];
  memcpy(inner, diag->field, sizeof inner);
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(diag->field, sizeof diag->field, format, arguments);
  va_end(arguments);
  if (inner[0] == '\0' || length < 0 || (size_t)length >= sizeof diag->field) return;
  const char *joint = inner[0] == '[' ? "" : ".";
  snprintf(diag->field + length, sizeof diag->field - (size_t)length, "%s%s", joint, inner);
}

enum err diag_no_memory(struct diag *diag) {
  return diag_set(diag, ERR_NO_MEMORY, "no_memory", "the server is out of memory; try again later");
}
