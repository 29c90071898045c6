// What the tests of identity/ share: rules opened from JSON as a person writes it, and the cmocka headers.
#pragma once

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "identity/identity.h"
#include "value/value.h"

// JSON into `packed`; the value is a view of it.
static inline struct value fixture_value(const char *json, struct names *names, struct buffer *packed) {
  struct value_parser *parser;
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  buffer_clear(packed);
  assert_int_equal(value_parse_json(parser, bytes_from_text(json), names, packed, NULL), ERR_OK);
  value_parser_close(parser);
  return (struct value){buffer_view(packed)};
}

// Opens rules from JSON; the error is the caller's to look at.
static inline enum err fixture_open(struct identity_rules **rules, const char *json, struct names *names,
                                    struct diag *diag) {
  struct buffer packed;
  buffer_init(&packed);
  struct value document = fixture_value(json, names, &packed);
  enum err err = identity_rules_open(rules, document, 7, names, diag);
  buffer_release(&packed);
  return err;
}

static inline struct identity_rules *fixture_rules(const char *json, struct names *names) {
  struct identity_rules *rules;
  struct diag diag;
  diag_init(&diag);
  if (fixture_open(&rules, json, names, &diag) != ERR_OK) fail_msg("%s: %s", diag.field, diag.message);
  return rules;
}

static inline struct names *fixture_names(void) {
  struct names *names;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  return names;
}

// A random number generator whose every run is the same (xorshift).
static inline uint64_t fixture_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}
