// quality_unicode: the text steps that e-mail, phone and identifier share. For the files of quality/ only.
//
// Layer 3. Pure functions; nothing is allocated. Threads: safe.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "quality/quality.h"

enum {
  // NFC never makes UTF-8 shorter than a third (Hangul, three jamo to one syllable): what is longer than this is
  // longer than LIMIT_IDENTIFIER_BYTES afterwards too, and is refused unread.
  QUALITY_RAW_BYTES_MAX = 4 * LIMIT_IDENTIFIER_BYTES,
  // Canonical decomposition gives at most 3 code points for 2 bytes (U+0390), and one slot holds the final NUL.
  QUALITY_SCRATCH_CODES = 2 * QUALITY_RAW_BYTES_MAX + 1,
};

// Room for one decomposed text, 8 KiB on the caller's stack.
struct quality_scratch {
  int32_t codes[QUALITY_SCRATCH_CODES];
};

// `text` without leading and trailing white space, ASCII or Unicode (no-break space, ideographic space…).
struct bytes quality_unicode_trim(struct bytes text);

// True when all is ASCII: no Unicode work is needed.
bool quality_unicode_is_ascii(struct bytes text);

// True when `text` (UTF-8) holds a control character, or a format character (invisible joiners, text direction).
bool quality_unicode_has_control(struct bytes text);

// `text` (UTF-8, at most QUALITY_RAW_BYTES_MAX) in NFC, its letters made lower case when asked. A view into `scratch`.
struct bytes quality_unicode_compose(struct bytes text, bool lower, struct quality_scratch *scratch);
