// json_writer: JSON out, straight into a buffer.
//
// Layer 0. Commas and quoting are the writer's; nesting is the caller's (asserted in order). Strings must be
// UTF-8; a byte that is not is written as U+FFFD, so that the output is always valid JSON. Memory failure sets
// the buffer's `failed`. Threads: one writer, one thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { JSON_WRITER_DEPTH_MAX = 64 };

struct json_writer {
  struct buffer *out;
  uint8_t depth;
  bool after_name;                       // a name was written, its value is due
  bool has_items[JSON_WRITER_DEPTH_MAX]; // by depth: a comma is needed before the next item
};

// Writes into `out` from its present end. `out` stays the caller's.
void json_writer_init(struct json_writer *writer, struct buffer *out);

void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);

// The name of the next value; only inside an object.
void json_name(struct json_writer *writer, const char *name);
void json_name_bytes(struct json_writer *writer, struct bytes name);

void json_text(struct json_writer *writer, const char *text);
void json_bytes(struct json_writer *writer, struct bytes text);
void json_i64(struct json_writer *writer, int64_t number);
void json_u64(struct json_writer *writer, uint64_t number);
void json_real(struct json_writer *writer, double number); // real_write; what is not finite is null
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);

// An instant as RFC 3339 text (clock_format).
void json_time(struct json_writer *writer, int64_t time_us);

// Bytes that are already one JSON value, copied unchanged.
void json_raw(struct json_writer *writer, struct bytes json);

// name and value in one call, for the many flat members.
void json_member_text(struct json_writer *writer, const char *name, const char *text);
void json_member_bytes(struct json_writer *writer, const char *name, struct bytes text);
void json_member_i64(struct json_writer *writer, const char *name, int64_t number);
void json_member_u64(struct json_writer *writer, const char *name, uint64_t number);
// A number of so many digits after the point, at most 18: 1250 with scale 2 is 12.50.
void json_member_scaled(struct json_writer *writer, const char *name, int64_t number, int scale);
void json_member_real(struct json_writer *writer, const char *name, double number);
void json_member_bool(struct json_writer *writer, const char *name, bool value);
void json_member_time(struct json_writer *writer, const char *name, int64_t time_us);
