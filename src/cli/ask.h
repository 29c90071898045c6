// ask: the shape most commands share: one call, then the document or its view.
//
// Layer 8.
#pragma once

#include "cli/command.h"
#include "cli/print.h"
#include "cli/target.h"

typedef void ask_view_fn(const struct print_document *document, struct buffer *out);

// Opens the target, makes the call, prints the answer: with --json as it came, with --pretty indented, else through
// `view`.
enum err ask(struct cli *cli, const struct target_call *call, bool writes, ask_view_fn *view, struct diag *diag);

// Opens the target, makes the call and closes it: the answer is appended to `json`.
enum err ask_call(struct cli *cli, const struct target_call *call, bool writes, struct buffer *json, struct diag *diag);

// Settings of the workspace as `get` tells them; where an argument names a file, those in it are put by `put` first.
enum err ask_settings(struct cli *cli, const struct target_call *get, enum target_op put, struct diag *diag);

// Prints an answer that is there already.
enum err ask_show(struct cli *cli, struct bytes json, ask_view_fn *view, struct diag *diag);

// Reads a whole file, "-" is standard input. ERR_LIMIT past `most_bytes`.
enum err ask_read_file(const char *path, size_t most_bytes, struct buffer *out, struct diag *diag);

// Every --set NAME=VALUE as an object. Values that are JSON stand for themselves, everything else is text. ERR_INVALID
// code "usage".
enum err ask_write_sets(const struct options *options, struct json_writer *writer, struct diag *diag);
// The same as members of an open object.
enum err ask_write_set_members(const struct options *options, struct json_writer *writer, struct diag *diag);
