// param: what a person gave, checked: the types of flags and settings.
//
// Layer 8. A type says how text is read and what is expected, once, for the command line, the environment and the
// settings file. Messages name what was given and what is expected; where it came from is the caller's to add.
// Memory: values point into the text they were read from. Threads: pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

enum param_type {
  PARAM_SWITCH,   // a flag alone is true; in files and the environment true/false, yes/no, on/off, 1/0
  PARAM_TEXT,     // anything that is not empty
  PARAM_SECRET,   // the same, and never shown
  PARAM_PATH,     // a file or a directory
  PARAM_URL,      // http:// or https://
  PARAM_NUMBER,   // a whole number inside `values`, "1..64"
  PARAM_SIZE,     // bytes: 4096, 64KiB, 512MiB, 2GiB (1024) or kB, MB, GB (1000)
  PARAM_DURATION, // 250ms, 10s, 5m, 2h, 7d
  PARAM_TIME,     // RFC 3339 or a date alone
  PARAM_ADDRESS,  // ADDR:PORT, [ADDR]:PORT
  PARAM_CHOICE,   // one of `values`, "debug|info|warn|error"
};

struct param {
  const char *name; // "log-level": the flag --log-level, the variable RAPPORT_LOG_LEVEL, the file's log-level
  enum param_type type;
  const char *meta;   // what stands for the value in help; NULL for a switch
  const char *values; // of numbers and choices; NULL otherwise
  const char *help;
};

struct param_value {
  const char *text; // NULL: not given
  int64_t number;   // switch 0/1, number, size in bytes, duration and time in microseconds, port of an address
};

enum { PARAM_ADDRESS_BYTES = 64 };

// Reads `text` as `param` says. ERR_INVALID code "usage" with "… is "x"; expected …"; the message has no subject.
enum err param_read(const struct param *param, const char *text, struct param_value *value, struct diag *diag);

// What is expected, in words: "a size such as 512MiB". Written to `out`.
void param_expected(const struct param *param, char *out, size_t out_bytes);

// The host of a checked PARAM_ADDRESS, without brackets. `host` has PARAM_ADDRESS_BYTES.
void param_host(const char *address, char *host);
// True when only this machine can reach the host.
bool param_is_loopback(const char *host);

// The one of `count` names that is nearest to `given`, or NULL when none is near enough to be meant.
const char *param_nearest(const char *given, const char *const *names, size_t count);
