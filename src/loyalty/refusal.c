// refusal: the closed list of refusals.def as a table.
#include "loyalty/code.h"

#include <string.h>

static const struct loyalty_refusal refusals[] = {
#define LOYALTY_REFUSAL(code, words) {#code, words},
#include "loyalty/refusals.def"
#undef LOYALTY_REFUSAL
};

const struct loyalty_refusal *loyalty_refusals(size_t *count) {
  *count = sizeof refusals / sizeof *refusals;
  return refusals;
}

static const struct loyalty_refusal *find(const char *code) {
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
    if (strcmp(refusals[i].code, code) == 0) return &refusals[i];
  return NULL;
}

const char *loyalty_refusal_words(const char *code) {
  const struct loyalty_refusal *refusal = find(code);
  return refusal == NULL ? NULL : refusal->words;
}

const char *loyalty_refusal_code(const char *code) {
  const struct loyalty_refusal *refusal = find(code);
  return refusal == NULL ? NULL : refusal->code;
}
