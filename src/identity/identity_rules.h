// identity_rules: what a rules document becomes. Private to identity/.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "identity/identity.h"

// The compiled `blocked` patterns of one type.
struct identity_patterns {
  size_t count;
  const pcre2_code *codes[IDENTITY_PATTERNS_MAX];
};

enum { IDENTITY_SLOTS = 256 };

// Everything it points to, compiled patterns included, lives in its arena. Immutable once open.
struct identity_rules {
  struct arena arena;
  uint64_t version;
  size_t type_count;
  struct identity_type types[IDENTITY_TYPES_MAX]; // in order of rank
  struct identity_patterns patterns[IDENTITY_TYPES_MAX];
  uint8_t slots[IDENTITY_SLOTS]; // dictionary id to position in types, plus 1: open addressing from id % IDENTITY_SLOTS
  size_t blocked_count;
  struct bytes blocked[IDENTITY_BLOCKED_MAX];
  uint32_t blocked_repeats; // 0: any
  uint32_t device_people_max;
  int64_t device_window_us;
  pcre2_match_context *match_context; // the limits; NULL without patterns
};

// Fills the rules from a document (over the default one), everything but the dictionary's ids.
enum err identity_document_read(struct identity_rules *rules, struct value document, const struct names *names,
                                struct diag *diag);

// Compiles `patterns` (PCRE2 texts) into the rules' arena. ERR_INVALID tells where a pattern is wrong.
enum err identity_patterns_compile(struct identity_rules *rules, const struct bytes *texts, size_t count,
                                   struct identity_patterns *patterns, struct diag *diag);

// True when one of the patterns matches, or cannot be decided within its limits.
bool identity_patterns_match(const struct identity_rules *rules, const struct identity_patterns *patterns,
                             struct bytes value);
