// settings: the file and the environment, below the command line.
//
// Layer 8. Precedence rises: built-in default, settings file, environment, flag. Every setting can be given in each.
#pragma once

#include "base/json_writer.h"
#include "cli/options.h"

// Reads the settings file `path` into `options`; what a flag or the environment gave stays. ERR_INVALID "usage" with
// file, line, what was found and the nearest known name.
enum err settings_read_file(struct options *options, const char *path, struct diag *diag);

// Reads RAPPORT_… variables; what a flag gave stays. An empty variable counts as not set; a RAPPORT_ variable that
// names no setting is refused with the nearest. `environment` is NULL-terminated.
enum err settings_read_environment(struct options *options, char *const *environment, struct diag *diag);

// The variable of a setting: "RAPPORT_LOG_LEVEL". `out` has OPTION_NAME_BYTES.
void settings_variable(enum option option, char *out);

// Appends the table with each value in force and where it came from; secrets are not shown.
void settings_print(const struct options *options, struct buffer *out);
void settings_json(const struct options *options, struct json_writer *writer);

// Appends docs/settings.md.
void settings_document(struct buffer *out);
