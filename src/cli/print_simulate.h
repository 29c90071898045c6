// print_simulate: the report of a simulation (engine/members.h) as a table with bars.
//
// Layer 8. As print.h.
#pragma once

#include "cli/print.h"

void print_simulation(const struct print_document *report, struct buffer *out);
