// What the tests of the store share: the kinds of store, directories that go away, short forms.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "store/store.h"
#include "store/store_wrap.h"

// RocksDB is not built for ThreadSanitizer.
#if defined(__SANITIZE_THREAD__)
#define KIT_ROCKSDB 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KIT_ROCKSDB 0
#endif
#endif
#ifndef KIT_ROCKSDB
#define KIT_ROCKSDB 1
#endif

enum kit_kind { KIT_KIND_MEMORY, KIT_KIND_ROCKSDB, KIT_KIND_TRACE, KIT_KIND_FAULT };

static inline int kit_remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk) {
  (void)status;
  (void)flag;
  (void)walk;
  return remove(path);
}

static inline void kit_remove(const char *path) {
  nftw(path, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// A new directory in a static buffer of the caller's.
static inline void kit_directory(char out[256]) {
  const char *base = getenv("TMPDIR");
  snprintf(out, 256, "%s/rapport_store_XXXXXX", base ? base : "/tmp");
  assert_non_null(mkdtemp(out));
}

static inline struct store_options kit_options(const char *path, bool create) {
  return (struct store_options){
      .path = path, .create = create, .cache_bytes = 8 << 20, .write_buffer_bytes = 8 << 20, .reserve_bytes = 1 << 20};
}

static inline struct store *kit_open_rocksdb(const char *path, bool create) {
  struct store *store = NULL;
  struct diag diag;
  diag_init(&diag);
  struct store_options options = kit_options(path, create);
  if (store_open_rocksdb(&store, &options, &diag) != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  return store;
}

// `path` is used by the kind on disk only.
static inline struct store *kit_open(enum kit_kind kind, const char *path) {
  struct store *store = NULL;
  if (kind == KIT_KIND_ROCKSDB) return kit_open_rocksdb(path, true);
  assert_int_equal(store_open_memory(&store), ERR_OK);
  if (kind == KIT_KIND_TRACE) assert_int_equal(store_open_trace(&store, store), ERR_OK);
  if (kind == KIT_KIND_FAULT) assert_int_equal(store_open_fault(&store, store), ERR_OK);
  return store;
}

static inline struct bytes kit_text(const char *text) {
  return bytes_from_text(text);
}

static inline struct store_txn *kit_begin(struct store *store) {
  struct store_txn *txn = NULL;
  assert_int_equal(store_begin(store, &txn), ERR_OK);
  return txn;
}

static inline struct store_mark kit_commit(struct store_txn *txn) {
  struct store_mark mark;
  struct diag diag;
  diag_init(&diag);
  if (store_commit(txn, &mark, &diag) != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  return mark;
}

static inline void kit_put(struct store *store, enum store_keyspace keyspace, const char *key, const char *value) {
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_put(txn, keyspace, kit_text(key), kit_text(value)), ERR_OK);
  kit_commit(txn);
}

static inline void kit_expect(struct bytes found, const char *expected) {
  if (!expected) {
    assert_null(found.data);
    return;
  }
  assert_non_null(found.data);
  assert_int_equal(found.size_bytes, strlen(expected));
  assert_memory_equal(found.data, expected, found.size_bytes);
}

// `expected` NULL: there is no such key.
static inline void kit_expect_in(struct store_txn *txn, enum store_keyspace keyspace, const char *key,
                                 const char *expected) {
  struct arena arena;
  struct bytes value;
  arena_init(&arena, 0);
  assert_int_equal(store_get(txn, keyspace, kit_text(key), &arena, &value), ERR_OK);
  kit_expect(value, expected);
  arena_release(&arena);
}

static inline void kit_expect_stored(struct store *store, enum store_keyspace keyspace, const char *key,
                                     const char *expected) {
  struct store_txn *txn = kit_begin(store);
  kit_expect_in(txn, keyspace, key, expected);
  store_abort(txn);
}

// The rows a cursor has left, as "key=value key=value", forwards or backwards.
static inline void kit_expect_rows(struct store_cursor *cursor, bool backwards, const char *expected) {
  char rows[512] = "";
  size_t length = 0;
  struct bytes key;
  struct bytes value;
  while (backwards ? store_cursor_previous(cursor, &key, &value) : store_cursor_next(cursor, &key, &value)) {
    length += (size_t)snprintf(rows + length, sizeof rows - length, "%s%.*s=%.*s", length ? " " : "", BYTES_ARG(key),
                               BYTES_ARG(value));
    assert_true(length < sizeof rows);
  }
  assert_int_equal(store_cursor_error(cursor), ERR_OK);
  assert_string_equal(rows, expected);
}

// A small file system over `path`; false when this process may not mount one.
static inline bool kit_mount_small(const char *path, const char *size) {
  if (mount("none", path, "tmpfs", 0, size) == 0) return true;
  print_message("skipped: a small file system cannot be mounted here (%s)\n", strerror(errno));
  return false;
}

// Removes what a test filled the small file system with.
static inline void kit_make_room(const char *path) {
  char name[300];
  snprintf(name, sizeof name, "%s/ballast", path);
  unlink(name);
}
