// set_program: programs that sets share.
//
// Layer 5, private to loyalty/. A program is known by its text, its zone and what it is over; a set has each once,
// however many rules say the same, and takes over those of the older set.
#pragma once

#include "loyalty/reading.h"
#include "loyalty/set_private.h"

struct loyalty_making {
  struct loyalty_set *set;
  const struct loyalty_compile *with;
  struct arena scratch; // of one expression
  struct buffer packed; // of one document
  struct diag *diag;
};

// Room for `count` programs in the set under way.
bool loyalty_programs_open(struct loyalty_set *set, size_t count);
void loyalty_programs_close(struct loyalty_set *set);

// The program of the expression that lies at `at` in an item of `table`. *program is NULL where there is none. As
// loyalty_set_open; the member is the diag's field.
enum err loyalty_program_take(struct loyalty_making *making, const struct table *table, size_t at, const void *item,
                              const struct rule_zone *zone, const struct loyalty_program **program);
