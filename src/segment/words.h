// words: the words of definitions, as people and the store write them. Private to segment/.
#pragma once

#include <stddef.h>

#include "base/bytes.h"

enum { SEGMENT_KINDS = 4, SEGMENT_STATUSES = 4, SEGMENT_SHARE_DIGITS = 4 };

extern const char *const segment_kind_words[SEGMENT_KINDS];      // by enum segment_kind
extern const char *const segment_status_words[SEGMENT_STATUSES]; // by enum segment_status
