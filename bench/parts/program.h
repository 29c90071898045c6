// program: starts and stops the rapport that is measured.
//
// Its child dies with the benchmark, whatever ends the latter. What it says to standard error goes to a file in the
// benchmark's directory, whose end is shown when something fails.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "options.h"

enum { PROGRAM_PATH_BYTES = 4096, PROGRAM_KEY_BYTES = 128, PROGRAM_FLAGS_MAX = 16 };

struct program {
  const char *path;                     // of the executable
  const char *flags[PROGRAM_FLAGS_MAX]; // more words for serve and import
  size_t flag_count;
  char directory[PROGRAM_PATH_BYTES]; // of this run; removed at the end
  char data[PROGRAM_PATH_BYTES];      // the workspace in it
  char log[PROGRAM_PATH_BYTES];
  char keys[PROGRAM_PATH_BYTES];
  char write_key[PROGRAM_KEY_BYTES];
  char secret_key[PROGRAM_KEY_BYTES];
  pid_t pid; // 0: none runs
  int port;  // of serve, on 127.0.0.1
  int input; // of import: the writing end of its standard input
};

// Says which executable it is, and its flags, at most PROGRAM_FLAGS_MAX of them: before anything else.
void program_use(struct program *program, const char *path, struct options_words flags);
// Makes a directory for this run below `parent` and a new workspace in it. False after having said why.
bool program_init(struct program *program, const char *parent);
// Takes a directory that program_release kept instead. False when it cannot be read.
bool program_again(struct program *program, const char *directory);
// Ends the child and removes the directory (unless `keep`).
void program_release(struct program *program, bool keep);

// Starts `serve` and learns its port.
bool program_serve(struct program *program);
// Starts `import -`; NDJSON is to be written to program->input.
bool program_import(struct program *program);

// Waits for the child's end, at most `seconds`, then kills it. `interrupt`: asks it to stop first. True when it ended
// well by itself; *usage is what it took.
bool program_wait(struct program *program, bool interrupt, int seconds, struct rusage *usage);

// Shows the last lines the program wrote to standard error.
void program_show_log(const struct program *program);
