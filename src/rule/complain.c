// complain: a diag's place and words, and texts short enough to be shown in them.
#include "rule/complain.h"

#include <stdio.h>

void complain(struct rule_diag *diag, struct rule_place place, const char *code, const char *format,
              va_list arguments) {
  diag->place = place;
  snprintf(diag->code, sizeof diag->code, "%s", code);
  int length = snprintf(diag->message, sizeof diag->message, "line %u, column %u: ", place.line, place.column);
  vsnprintf(diag->message + length, sizeof diag->message - (size_t)length, format, arguments);
}

void complain_cut(struct bytes text, size_t most_bytes, char out[RULE_WORD_BYTES]) {
  size_t size = text.size_bytes;
  const char *cut = "";
  if (size > most_bytes) {
    for (size = most_bytes; (text.data[size] & 0xc0) == 0x80;) size--;
    cut = "...";
  }
  snprintf(out, RULE_WORD_BYTES, "%.*s%s", (int)size, (const char *)text.data, cut);
}
