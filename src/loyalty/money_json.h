// money_json: cents as people write them.
//
// Layer 5, private to loyalty/. A JSON number with two digits after the point, the form in which baskets have prices:
// 1250 is 12.50.
#pragma once

#include <inttypes.h>
#include <stdio.h>

#include "base/json_writer.h"

static inline void money_json(struct json_writer *writer, const char *name, int64_t cents) {
  char text[32];
  uint64_t size = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;
  snprintf(text, sizeof text, "%s%" PRIu64 ".%02u", cents < 0 ? "-" : "", size / 100, (unsigned)(size % 100));
  json_name(writer, name);
  json_raw(writer, bytes_from_text(text));
}

// A letter and a number: "c17".
static inline void id_json(struct json_writer *writer, const char *name, char letter, uint64_t id) {
  char text[32];
  snprintf(text, sizeof text, "%c%" PRIu64, letter, id);
  json_member_text(writer, name, text);
}
