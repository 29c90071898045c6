// loyalty_basket_kit: what the tests of baskets, discounts and orders share.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "loyalty/basket.h"

struct kit {
  struct arena arena;
  struct names *names;
  struct value_parser *parser;
  struct diag diag;
};

static inline void kit_open(struct kit *kit) {
  arena_init(&kit->arena, 0);
  assert_int_equal(names_open(&kit->names, NULL, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&kit->parser), ERR_OK);
  diag_init(&kit->diag);
}

static inline void kit_close(struct kit *kit) {
  value_parser_close(kit->parser);
  names_close(kit->names);
  arena_release(&kit->arena);
}

static inline struct value kit_value(struct kit *kit, const char *json) {
  struct buffer packed;
  buffer_init(&packed);
  assert_int_equal(value_parse_json(kit->parser, bytes_from_text(json), kit->names, &packed, &kit->diag), ERR_OK);
  struct value value = {arena_copy(&kit->arena, buffer_view(&packed))};
  buffer_release(&packed);
  return value;
}

static inline struct loyalty_basket kit_basket(struct kit *kit, const char *json) {
  struct loyalty_basket basket;
  enum err err = loyalty_basket_read(kit_value(kit, json), kit->names, BYTES("EUR"), &kit->arena, &basket, &kit->diag);
  if (err != ERR_OK) fail_msg("%s: %s %s %s", json, kit->diag.code, kit->diag.field, kit->diag.message);
  return basket;
}

static inline void kit_expect_code(const struct kit *kit, const char *code) {
  assert_string_equal(kit->diag.code, code);
}

// A generator of one's own, the same on every machine.
static inline uint64_t kit_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static inline int64_t kit_below(uint64_t *state, int64_t most) {
  return (int64_t)(kit_random(state) % (uint64_t)most);
}
