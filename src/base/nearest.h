// nearest: the known word that somebody probably meant.
//
// Layer 0. Pure. The distance counts insertions, deletions, substitutions and swaps of two neighbours, in bytes; of
// long words only the first 64 bytes are compared.
#pragma once

#include <stddef.h>

#include "base/bytes.h"

size_t nearest_distance(struct bytes a, struct bytes b);

// The candidate with the smallest distance, the first of equals. NULL only when there is none at all.
const char *nearest_word(struct bytes given, const char *const *candidates, size_t count);

// Whether `given` is near enough to `word` to be a slip, without regard to ASCII case: at most one change in three
// letters, and one in a shorter word. *distance: how far it is then.
bool nearest_is_slip(struct bytes given, struct bytes word, size_t *distance);

// The same as nearest_word without regard to ASCII case, and only when `given` is a slip. NULL otherwise.
const char *nearest_slip(struct bytes given, const char *const *candidates, size_t count);
