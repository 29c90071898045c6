// basket_private: what reading a basket and reading a return have in common.
//
// Layer 5, private to loyalty/.
#pragma once

#include "loyalty/basket.h"

struct basket_source {
  const struct names *names;
  struct arena *arena;
  struct diag *diag;
  struct bytes currency; // of all amounts; empty: any
};

// The member of this name as a text: a text or a whole number ("4711" and 4711 are the same), copied into the arena.
// Absent and null read as the empty view. ERR_INVALID wrong_type, ERR_LIMIT too_long; the diag names the field.
enum err basket_text(const struct basket_source *source, struct value document, const char *name, struct bytes *out);

// Thousandths, above zero. *found is false when there is none. ERR_INVALID wrong_type, bad_quantity; ERR_LIMIT
// overflow.
enum err basket_quantity(const struct basket_source *source, struct value document, int64_t *quantity, bool *found);

// How many items a list has.
size_t basket_items(struct value list);
