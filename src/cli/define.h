// define: putting what is computed for everybody before it answers.
#pragma once

#include "cli/command.h"
#include "cli/target.h"

struct print_document;

// The "items" of a document as a table of these members; NULL ends them.
void print_columns(const struct print_document *document, const char *const *columns, struct buffer *out);

// Asks `call`, and looks by `look` (with the id that the answer has) until the version is live, behind a bar where a
// person looks on; of a directory this process computes it. Prints the document. Ctrl-C: ERR_STOPPED.
enum err define(struct cli *cli, const struct target_call *call, enum target_op look, struct diag *diag);
