// What the tests of customer/ share: cmocka's headers, packed values, random numbers, stores in memory and on disk.
#pragma once

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "customer/record.h"
#include "store/store.h"

// A random number generator whose every run is the same (xorshift).
static inline uint64_t fixture_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

// A packed text, in the arena.
static inline struct value fixture_text(const char *text, struct names *names, struct arena *arena) {
  struct buffer packed;
  struct value_builder builder;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, names);
  value_put_text(&builder, bytes_from_text(text));
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  struct value value = {arena_copy(arena, buffer_view(&packed))};
  buffer_release(&packed);
  return value;
}

static inline uint32_t fixture_name(struct names *names, const char *text) {
  uint32_t id;
  assert_int_equal(names_intern(names, bytes_from_text(text), &id, NULL), ERR_OK);
  return id;
}

static inline struct identifier fixture_identifier(struct names *names, const char *type, const char *value) {
  return (struct identifier){fixture_name(names, type), bytes_from_text(value)};
}

// --- stores --------------------------------------------------------------------------------------------------

struct fixture_store {
  struct store *store;
  char path[64]; // empty: in memory
};

static inline void fixture_open_store(struct fixture_store *fixture, bool on_disk) {
  fixture->path[0] = '\0';
  if (!on_disk) {
    assert_int_equal(store_open_memory(&fixture->store), ERR_OK);
    return;
  }
  strcpy(fixture->path, "/tmp/rapport-customer-XXXXXX");
  assert_non_null(mkdtemp(fixture->path));
  char data[80];
  snprintf(data, sizeof data, "%s/data", fixture->path);
  struct store_options options = {.path = data, .create = true, .reserve_bytes = 1};
  struct diag diag;
  diag_init(&diag);
  if (store_open_rocksdb(&fixture->store, &options, &diag) != ERR_OK) fail_msg("%s", diag.message);
}

static inline void fixture_close_store(struct fixture_store *fixture) {
  store_close(fixture->store);
  if (fixture->path[0] == '\0') return;
  char command[96];
  snprintf(command, sizeof command, "rm -rf '%s'", fixture->path);
  assert_int_equal(system(command), 0);
}
