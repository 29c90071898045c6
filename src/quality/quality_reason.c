// The words of enum quality_reason, from the one table in quality.h.
#include "quality/quality.h"

#include <assert.h>

struct reason_words {
  const char *name;
  const char *text;
};

static const struct reason_words WORDS[] = {
#define REASON_WORDS(constant, name, text) {name, text},
    QUALITY_REASONS(REASON_WORDS)
#undef REASON_WORDS
};

const char *quality_reason_name(enum quality_reason reason) {
  assert(reason < QUALITY_REASON_COUNT);
  return WORDS[reason].name;
}

const char *quality_reason_text(enum quality_reason reason) {
  assert(reason < QUALITY_REASON_COUNT);
  return WORDS[reason].text;
}
