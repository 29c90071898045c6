// given: plain values of documents that people write, read strictly.
//
// Layer 1. Pure. What is wrong is said in `diag` with one of the codes wrong_type, too_long (ERR_LIMIT), bad_text,
// out_of_range; the caller adds the member's name. Texts are views into the document.
#pragma once

#include "base/diag.h"
#include "value/value.h"

// A text that is not empty, without a zero character.
enum err given_text(struct value value, size_t most_bytes, struct bytes *text, struct diag *diag);
enum err given_whole(struct value value, int64_t least, int64_t most, int64_t *number, struct diag *diag);
// A number from 0 to 1 as a whole number of parts of 10^digits.
enum err given_share(struct value value, int digits, uint32_t *parts, struct diag *diag);

// Letters of ASCII, digits, _ and -, a letter first.
bool given_id_is_good(struct bytes id, size_t most_bytes);

// The position of `word` among `words` (some may be NULL); false when it is none of them.
bool given_word_find(struct bytes word, const char *const *words, size_t count, size_t *position);

// How many items a list or members a document has.
size_t given_item_count(struct value container);
