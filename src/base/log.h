// log: structured lines for whoever runs the program, without personal data.
//
// Layer 0. One line is one event: logfmt (`ts=… level=info msg="server started" addr=127.0.0.1:8080`), or JSON
// with log_open(LOG_JSON). Never a trait, an identifier, a key or a body: only counts, codes, sizes, durations,
// internal ids. Threads: safe; one line is one write().
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

// Where lines go and which are let through. Defaults: standard error, text, LOG_INFO.
void log_open(int fd, enum log_format format, enum log_level least);

// Writes one line. The pairs after `message` are name, printf-format and arguments folded into one format:
//   log_write(LOG_INFO, "batch taken", "events=%zu rejected=%zu us=%lld", n, r, us);
// `pairs` may be NULL. Values with spaces must be quoted by the format.
void log_write(enum log_level level, const char *message, const char *pairs, ...) __attribute__((format(printf, 3, 4)));
