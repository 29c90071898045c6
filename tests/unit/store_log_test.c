// The log files of RocksDB on a full disk: what they accepted is never lost, and the sync tells the truth.
#include "store_test_kit.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include "store/store_log.h"

enum { VALUE_BYTES = 100 * 1024, PUTS_MAX = 2000 };

struct fixture {
  char directory[256];
  char db_path[300];
  struct store_log *log;
  rocksdb_options_t *options;
  rocksdb_t *db;
};

static int open_fixture(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  *state = fixture;
  kit_directory(fixture->directory);
  snprintf(fixture->db_path, sizeof fixture->db_path, "%s/db", fixture->directory);
  return 0;
}

static int close_fixture(void **state) {
  struct fixture *fixture = *state;
  umount2(fixture->directory, MNT_DETACH);
  kit_remove(fixture->directory);
  free(fixture);
  return 0;
}

static void database_open(struct fixture *fixture) {
  char *message = NULL;
  assert_int_equal(store_log_open(&fixture->log, fixture->db_path), ERR_OK);
  fixture->options = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(fixture->options, 1);
  rocksdb_options_set_max_total_wal_size(fixture->options, 1 << 20); // so that a log takes its space in small steps
  rocksdb_options_set_env(fixture->options, store_log_env(fixture->log));
  fixture->db = rocksdb_open(fixture->options, fixture->db_path, &message);
  if (message) fail_msg("%s", message);
}

static void database_close(struct fixture *fixture) {
  rocksdb_close(fixture->db);
  rocksdb_options_destroy(fixture->options);
  store_log_close(fixture->log);
}

static void put(struct fixture *fixture, uint32_t number) {
  static char value[VALUE_BYTES];
  char *message = NULL;
  rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
  memset(value, (int)(number % 251), sizeof value);
  rocksdb_put(fixture->db, options, (const char *)&number, sizeof number, value, sizeof value, &message);
  rocksdb_writeoptions_destroy(options);
  if (message) fail_msg("%s", message);
}

static void expect_all(struct fixture *fixture, uint32_t count) {
  rocksdb_readoptions_t *options = rocksdb_readoptions_create();
  for (uint32_t number = 0; number < count; number++) {
    size_t size = 0;
    char *message = NULL;
    char *value = rocksdb_get(fixture->db, options, (const char *)&number, sizeof number, &size, &message);
    assert_null(message);
    assert_int_equal(size, VALUE_BYTES);
    for (size_t i = 0; i < size; i++) assert_int_equal(value[i], (char)(number % 251));
    rocksdb_free(value);
  }
  rocksdb_readoptions_destroy(options);
}

// Takes all that is free, but for what somebody else takes meanwhile.
static void take_all(const char *path) {
  char name[300];
  struct statvfs status;
  assert_int_equal(statvfs(path, &status), 0);
  snprintf(name, sizeof name, "%s/ballast", path);
  int fd = open(name, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  off_t bytes = (off_t)((uint64_t)status.f_bavail * status.f_frsize);
  while (bytes > 0 && posix_fallocate(fd, 0, bytes) != 0) bytes -= 64 * 1024;
  close(fd);
}

// Puts until the log has no room, and a few more.
static uint32_t put_until_full(struct fixture *fixture, uint32_t number) {
  take_all(fixture->directory);
  for (int i = 0; i < PUTS_MAX && !store_log_is_waiting(fixture->log); i++) put(fixture, number++);
  assert_true(store_log_is_waiting(fixture->log));
  for (int i = 0; i < 3; i++) put(fixture, number++);
  return number;
}

static void what_has_no_room_is_kept_and_written_later(void **state) {
  struct fixture *fixture = *state;
  if (!kit_mount_small(fixture->directory, "size=200m")) skip();
  uint32_t count = 0;
  database_open(fixture);
  put(fixture, count++);
  assert_int_equal(store_log_sync(fixture->log), ERR_OK);
  for (int round = 0; round < 8; round++) {
    count = put_until_full(fixture, count);
    assert_int_equal(store_log_sync(fixture->log), ERR_FULL);
    assert_int_equal(store_log_sync(fixture->log), ERR_FULL); // nothing is final
    kit_make_room(fixture->directory);
    assert_true(store_log_is_waiting(fixture->log));
    assert_int_equal(store_log_sync(fixture->log), ERR_OK);
    assert_false(store_log_is_waiting(fixture->log));
    for (int i = 0; i < 3; i++) put(fixture, count++);
    assert_int_equal(store_log_sync(fixture->log), ERR_OK);
  }
  expect_all(fixture, count);
  database_close(fixture);
  database_open(fixture);
  expect_all(fixture, count);
  database_close(fixture);
}

// The torn end is cut off; what was synced is there.
static void closing_on_a_full_disk_keeps_what_was_synced(void **state) {
  struct fixture *fixture = *state;
  if (!kit_mount_small(fixture->directory, "size=200m")) skip();
  uint32_t synced = 0;
  database_open(fixture);
  while (synced < 5) put(fixture, synced++);
  assert_int_equal(store_log_sync(fixture->log), ERR_OK);
  put_until_full(fixture, synced);
  database_close(fixture);
  kit_make_room(fixture->directory);
  database_open(fixture);
  expect_all(fixture, synced);
  database_close(fixture);
}

// A flush that cannot sync the log fails; it neither hangs nor lets files run ahead of the log.
static void a_flush_waits_for_the_log_only_a_while(void **state) {
  struct fixture *fixture = *state;
  if (!kit_mount_small(fixture->directory, "size=200m")) skip();
  char *message = NULL;
  database_open(fixture);
  rocksdb_column_family_handle_t *other =
      rocksdb_create_column_family(fixture->db, fixture->options, "other", &message);
  assert_null(message);
  put_until_full(fixture, 0);
  rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
  rocksdb_flush(fixture->db, options, &message);
  assert_non_null(message);
  rocksdb_free(message);
  rocksdb_flushoptions_destroy(options);
  rocksdb_column_family_handle_destroy(other);
  database_close(fixture);
}

int main(void) {
  if (!KIT_ROCKSDB) return 0;
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_has_no_room_is_kept_and_written_later, open_fixture, close_fixture),
      cmocka_unit_test_setup_teardown(closing_on_a_full_disk_keeps_what_was_synced, open_fixture, close_fixture),
      cmocka_unit_test_setup_teardown(a_flush_waits_for_the_log_only_a_while, open_fixture, close_fixture),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
