// The store on disk: the directory and its errors, copies, kill -9, a disk that gets full.
#include "store_test_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"

static int make_directory(void **state) {
  char *path = calloc(1, 256);
  kit_directory(path);
  *state = path;
  return 0;
}

static int remove_directory(void **state) {
  kit_remove(*state);
  free(*state);
  return 0;
}

static void expect_refusal(const char *path, bool create, enum err err, const char *code) {
  struct store *store = NULL;
  struct diag diag;
  diag_init(&diag);
  struct store_options options = kit_options(path, create);
  assert_int_equal(store_open_rocksdb(&store, &options, &diag), err);
  assert_string_equal(diag.code, code);
  assert_non_null(strstr(diag.message, path));
}

static void expect_text(const char *path, const char *name, const char *expected) {
  char file_path[400], text[64] = "";
  snprintf(file_path, sizeof file_path, "%s/%s", path, name);
  FILE *file = fopen(file_path, "r");
  assert_non_null(file);
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  assert_int_equal(size, strlen(expected));
  assert_string_equal(text, expected);
}

static void write_text(const char *directory, const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void a_directory_is_opened_only_as_what_it_is(void **state) {
  const char *path = *state;
  char below[300];
  expect_refusal(path, false, ERR_NOT_FOUND, "no_workspace");
  snprintf(below, sizeof below, "%s/not/there", path);
  expect_refusal(below, true, ERR_IO, "directory");
  struct store *store = kit_open_rocksdb(path, true);
  kit_put(store, STORE_META, "a", "1");
  expect_refusal(path, true, ERR_BUSY, "exists");
  expect_refusal(path, false, ERR_BUSY, "in_use");
  store_close(store);
  expect_refusal(path, true, ERR_BUSY, "exists");
  store = kit_open_rocksdb(path, false);
  kit_expect_stored(store, STORE_META, "a", "1");
  store_close(store);
  write_text(path, "FORMAT", "rapport 4\n");
  expect_refusal(path, false, ERR_UNSUPPORTED, "format_too_new");
  write_text(path, "FORMAT", "something else\n");
  expect_refusal(path, false, ERR_CORRUPT, "format_unreadable");
  write_text(path, "FORMAT", "rapport 1\n"); // an older format becomes this one
  store_close(kit_open_rocksdb(path, false));
  expect_text(path, "FORMAT", "rapport 3\n");
}

// RocksDB names the path in its messages, and speaks of blocks.
static void damage_is_not_taken_for_a_lock(void **state) {
  char path[300];
  char current[400];
  snprintf(path, sizeof path, "%s/a block here", (char *)*state);
  snprintf(current, sizeof current, "%s/db/CURRENT", path);
  store_close(kit_open_rocksdb(path, true));
  assert_int_equal(unlink(current), 0);
  expect_refusal(path, false, ERR_IO, "store_io");
}

static void opening_without_memory_leaves_nothing(void **state) {
  struct store_options options = kit_options(*state, true);
  bool delivered = true;
  for (uint64_t allowed = 0; delivered; allowed++) {
    struct store *store = NULL;
    kit_remove(*state);
    alloc_fail_after(allowed, true);
    enum err err = store_open_rocksdb(&store, &options, NULL);
    delivered = alloc_fail_disarm();
    assert_int_equal(err, delivered ? ERR_NO_MEMORY : ERR_OK);
    if (err == ERR_OK) store_close(store);
  }
}

static void rows_survive_closing_and_bulk(void **state) {
  struct store *store = NULL;
  struct store_options options = kit_options(*state, true);
  options.bulk = true;
  assert_int_equal(store_open_rocksdb(&store, &options, NULL), ERR_OK);
  for (int i = 0; i < 2000; i++) {
    char key[16];
    snprintf(key, sizeof key, "customer%04d", i);
    struct store_txn *txn = kit_begin(store);
    assert_int_equal(store_append(txn, STORE_TIMELINE, kit_text(key), BYTES("one")), ERR_OK);
    kit_commit(txn);
  }
  store_close(store);
  store = kit_open_rocksdb(*state, false);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_append(txn, STORE_TIMELINE, BYTES("customer1999"), BYTES("two")), ERR_OK);
  kit_commit(txn);
  kit_expect_stored(store, STORE_TIMELINE, "customer0000", "one");
  kit_expect_stored(store, STORE_TIMELINE, "customer1999", "onetwo");
  store_close(store);
}

static void a_checkpoint_is_a_workspace(void **state) {
  char copy[300];
  struct diag diag;
  diag_init(&diag);
  snprintf(copy, sizeof copy, "%s/copy", (char *)*state);
  struct store *store = kit_open_rocksdb(*state, true);
  kit_put(store, STORE_CUSTOMER, "customer1", "then");
  kit_put(store, STORE_MESSAGE, "m", "");
  assert_int_equal(store_checkpoint(store, copy, &diag), ERR_OK);
  kit_put(store, STORE_CUSTOMER, "customer1", "now");
  assert_int_equal(store_checkpoint(store, copy, &diag), ERR_BUSY);
  assert_string_equal(diag.code, "exists");
  struct store *copied = kit_open_rocksdb(copy, false); // while the first is open
  kit_expect_stored(copied, STORE_CUSTOMER, "customer1", "then");
  kit_expect_stored(copied, STORE_MESSAGE, "m", "");
  kit_put(copied, STORE_CUSTOMER, "customer1", "elsewhere");
  store_close(copied);
  kit_expect_stored(store, STORE_CUSTOMER, "customer1", "now");
  store_close(store);
}

// True when a file below `path` holds `needle`.
static const char *needle;
static bool found;
static int look_into(const char *path, const struct stat *status, int flag, struct FTW *walk) {
  (void)walk;
  if (flag != FTW_F) return 0;
  char *content = malloc((size_t)status->st_size + 1);
  FILE *file = fopen(path, "r");
  size_t size = fread(content, 1, (size_t)status->st_size, file);
  if (memmem(content, size, needle, strlen(needle))) found = true;
  fclose(file);
  free(content);
  return 0;
}

static bool is_on_disk(const char *path, const char *text) {
  needle = text;
  found = false;
  nftw(path, look_into, 16, FTW_PHYS);
  return found;
}

static void compaction_takes_deleted_bytes_off_the_disk(void **state) {
  struct store *store = kit_open_rocksdb(*state, true);
  kit_put(store, STORE_MESSAGE, "key1", "forget-me-entirely");
  kit_put(store, STORE_MESSAGE, "key2", "stay");
  assert_int_equal(store_compact(store, STORE_MESSAGE, BYTES(""), BYTES(""), NULL), ERR_OK);
  assert_true(is_on_disk(*state, "forget-me-entirely"));
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_delete(txn, STORE_MESSAGE, BYTES("key1")), ERR_OK);
  kit_commit(txn);
  assert_int_equal(store_compact(store, STORE_MESSAGE, BYTES("key1"), BYTES("key2"), NULL), ERR_OK);
  store_close(store);
  assert_false(is_on_disk(*state, "forget-me-entirely"));
  store = kit_open_rocksdb(*state, false);
  kit_expect_stored(store, STORE_MESSAGE, "key2", "stay");
  store_close(store);
}

// --- kill -9 -------------------------------------------------------------------------------------------------

enum { PARTS = 4, KILLS = 10 };

static enum err put_number(struct store_txn *txn, uint64_t number) {
  static const enum store_keyspace keyspaces[PARTS] = {STORE_CUSTOMER, STORE_MESSAGE, STORE_TIMELINE, STORE_PAYLOAD};
  uint8_t key[16] = "customer";
  uint8_t value[300];
  memcpy(key + 8, &number, sizeof number);
  memset(value, (int)(number % 251), sizeof value);
  enum err err = ERR_OK;
  for (int i = 0; i < PARTS && err == ERR_OK; i++) {
    err = store_put(txn, keyspaces[i], bytes_of(key, sizeof key), bytes_of(value, sizeof value));
  }
  return err;
}

// Commits numbers from `number` on and writes each to `fd` once it is durable, until killed.
static void commit_for_ever(const char *path, uint64_t number, int fd) {
  struct store *store = NULL;
  struct store_options options = kit_options(path, false);
  if (store_open_rocksdb(&store, &options, NULL) != ERR_OK) _exit(1);
  for (;; number++) {
    struct store_txn *txn;
    struct store_mark mark;
    if (store_begin(store, &txn) != ERR_OK || put_number(txn, number) != ERR_OK) _exit(2);
    if (store_commit(txn, &mark, NULL) != ERR_OK || store_wait(store, mark, NULL) != ERR_OK) _exit(3);
    if (write(fd, &number, sizeof number) != sizeof number) _exit(4);
  }
}

// Runs a child that commits, kills it after `pause_us`; returns the last number it has acknowledged.
static uint64_t run_and_kill(const char *path, uint64_t next, useconds_t pause_us) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(ends[0]);
    commit_for_ever(path, next, ends[1]);
  }
  close(ends[1]);
  struct pollfd first = {.fd = ends[0], .events = POLLIN};
  poll(&first, 1, 10000); // the clock runs from the first acknowledgement
  usleep(pause_us);
  kill(child, SIGKILL);
  int status = 0;
  uint64_t acknowledged = next - 1;
  uint64_t number;
  while (read(ends[0], &number, sizeof number) == sizeof number) acknowledged = number;
  close(ends[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return acknowledged;
}

// How many of the parts of `number` are there.
static int count_parts(struct store *store, uint64_t number) {
  static const enum store_keyspace keyspaces[PARTS] = {STORE_CUSTOMER, STORE_MESSAGE, STORE_TIMELINE, STORE_PAYLOAD};
  uint8_t key[16] = "customer";
  struct arena arena;
  int parts = 0;
  arena_init(&arena, 0);
  memcpy(key + 8, &number, sizeof number);
  struct store_txn *txn = kit_begin(store);
  for (int i = 0; i < PARTS; i++) {
    struct bytes value;
    assert_int_equal(store_get(txn, keyspaces[i], bytes_of(key, sizeof key), &arena, &value), ERR_OK);
    if (value.data) parts++;
  }
  store_abort(txn);
  arena_release(&arena);
  return parts;
}

static void kill_loses_no_acknowledged_commit(void **state) {
  uint64_t next = 1;
  srand(7);
  // Made by a child as well: a process with threads of RocksDB cannot fork.
  pid_t child = fork();
  if (child == 0) {
    struct store *store = NULL;
    struct store_options options = kit_options(*state, true);
    _exit(store_open_rocksdb(&store, &options, NULL) == ERR_OK ? 0 : 1);
  }
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  uint64_t acknowledged[KILLS];
  uint64_t begun[KILLS];
  for (int i = 0; i < KILLS; i++) {
    begun[i] = next;
    acknowledged[i] = run_and_kill(*state, next, (useconds_t)(rand() % 60000));
    next = acknowledged[i] + 1000; // beyond what the killed one may have begun
  }
  struct store *store = kit_open_rocksdb(*state, false);
  for (int i = 0; i < KILLS; i++) {
    for (uint64_t number = begun[i]; number <= acknowledged[i]; number++) {
      assert_int_equal(count_parts(store, number), PARTS);
    }
    for (uint64_t number = acknowledged[i] + 1; number < acknowledged[i] + 5; number++) {
      int parts = count_parts(store, number);
      assert_true(parts == 0 || parts == PARTS);
    }
  }
  assert_true(acknowledged[KILLS - 1] >= begun[KILLS - 1]);
  store_close(store);
}

// --- a full disk ---------------------------------------------------------------------------------------------

// Fills the file system but for `left_bytes`.
static void fill(const char *path, off_t left_bytes) {
  static uint8_t zeros[65536];
  char name[300];
  snprintf(name, sizeof name, "%s/ballast", path);
  int fd = open(name, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  while (write(fd, zeros, sizeof zeros) > 0) continue;
  struct stat status;
  assert_int_equal(fstat(fd, &status), 0);
  assert_int_equal(ftruncate(fd, status.st_size > left_bytes ? status.st_size - left_bytes : 0), 0);
  close(fd);
}

static enum err put_large(struct store *store, uint32_t number, struct diag *diag) {
  static uint8_t value[100 * 1024];
  uint32_t seed = number;
  for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)(rand_r(&seed) >> 8);
  struct store_txn *txn = kit_begin(store);
  struct store_mark mark;
  assert_int_equal(store_put(txn, STORE_ASIDE, bytes_of(&number, sizeof number), bytes_of(value, sizeof value)),
                   ERR_OK);
  enum err err = store_commit(txn, &mark, diag);
  return err == ERR_OK ? store_wait(store, mark, diag) : err;
}

static enum err put_until_allowed(struct store *store, uint32_t number) {
  enum err err = ERR_FULL;
  for (int tries = 0; tries < 200 && err != ERR_OK; tries++) {
    err = put_large(store, number, NULL);
    if (err != ERR_OK) usleep(50000);
  }
  return err;
}

static void a_full_disk_refuses_writes_until_there_is_room(void **state) {
  if (!kit_mount_small(*state, "size=96m")) skip();
  char path[300];
  struct diag diag;
  struct store *store = NULL;
  struct store_stats stats;
  snprintf(path, sizeof path, "%s/data", (char *)*state);
  struct store_options options = kit_options(path, true);
  options.write_buffer_bytes = 2 << 20;
  options.reserve_bytes = 16 << 20;
  assert_int_equal(store_open_rocksdb(&store, &options, NULL), ERR_OK);
  kit_put(store, STORE_META, "a", "kept");
  for (uint32_t round = 0; round < 3; round++) {
    fill(*state, 20 << 20); // between commits, from outside
    enum err err = ERR_OK;
    uint32_t number = 0;
    for (; number < 1000 && err == ERR_OK; number++) err = put_large(store, round << 16 | number, &diag);
    assert_int_equal(err, ERR_FULL);
    assert_string_equal(diag.code, "disk_full");
    assert_non_null(strstr(diag.message, path));
    kit_expect_stored(store, STORE_META, "a", "kept");
    assert_int_equal(store_get_stats(store, &stats), ERR_OK);
    err = ERR_OK;
    for (int tries = 0; tries < 20 && err == ERR_OK; tries++) { // a merge may delete files meanwhile
      fill(*state, 0);                                          // and now nothing at all is left
      err = put_large(store, 1, &diag);
    }
    assert_int_equal(err, ERR_FULL);
    assert_int_equal(store_checkpoint(store, "/nowhere", &diag), ERR_FULL);
    kit_expect_stored(store, STORE_META, "a", "kept");
    assert_int_equal(store_get_stats(store, &stats), ERR_OK);
    assert_false(stats.writable);
    kit_make_room(*state);
    assert_int_equal(put_until_allowed(store, 0), ERR_OK);
    for (number = 0; number < 20; number++) { // what was written goes again, the disk is small
      struct store_txn *txn = kit_begin(store);
      uint32_t key = round << 16 | number;
      assert_int_equal(store_delete(txn, STORE_ASIDE, bytes_of(&key, sizeof key)), ERR_OK);
      kit_commit(txn);
    }
  }
  store_close(store);
  umount2(*state, MNT_DETACH);
}

// With next to no reserve the flush meets the full disk: RocksDB itself stops writing then.
static void a_flush_without_room_is_recovered_from(void **state) {
  if (!kit_mount_small(*state, "size=96m")) skip();
  char path[300];
  struct store *store = NULL;
  struct store_stats stats;
  enum err err = ERR_OK;
  snprintf(path, sizeof path, "%s/data", (char *)*state);
  struct store_options options = kit_options(path, true);
  options.reserve_bytes = 1;
  assert_int_equal(store_open_rocksdb(&store, &options, NULL), ERR_OK);
  for (uint32_t number = 0; number < 12; number++) assert_int_equal(put_large(store, number, NULL), ERR_OK);
  fill(*state, 256 * 1024);
  assert_int_not_equal(store_compact(store, STORE_ASIDE, BYTES(""), BYTES(""), NULL), ERR_OK);
  kit_expect_stored(store, STORE_META, "a", NULL); // reads go on
  struct store_txn *txn = kit_begin(store);
  struct store_mark mark;
  assert_int_equal(store_put(txn, STORE_META, BYTES("a"), BYTES("b")), ERR_OK);
  err = store_commit(txn, &mark, NULL);
  print_message("the commit after the failed flush: %s\n", err_name(err));
  kit_make_room(*state);
  assert_int_equal(put_until_allowed(store, 99), ERR_OK);
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_true(stats.writable);
  for (uint32_t number = 0; number < 12; number++) {
    struct arena arena;
    struct bytes value;
    arena_init(&arena, 0);
    txn = kit_begin(store);
    assert_int_equal(store_get(txn, STORE_ASIDE, bytes_of(&number, sizeof number), &arena, &value), ERR_OK);
    assert_int_equal(value.size_bytes, 100 * 1024);
    store_abort(txn);
    arena_release(&arena);
  }
  store_close(store);
  umount2(*state, MNT_DETACH);
}

// An erasure must not be told done when the files could not be rewritten.
static void a_compaction_without_room_says_so(void **state) {
  if (!kit_mount_small(*state, "size=96m")) skip();
  char path[300];
  struct store *store = NULL;
  snprintf(path, sizeof path, "%s/data", (char *)*state);
  struct store_options options = kit_options(path, true);
  options.reserve_bytes = 1;
  assert_int_equal(store_open_rocksdb(&store, &options, NULL), ERR_OK);
  for (uint32_t number = 0; number < 12; number++) assert_int_equal(put_large(store, number, NULL), ERR_OK);
  assert_int_equal(store_compact(store, STORE_ASIDE, BYTES(""), BYTES(""), NULL), ERR_OK); // nothing left to flush
  fill(*state, 256 * 1024);
  assert_int_not_equal(store_compact(store, STORE_ASIDE, BYTES(""), BYTES(""), NULL), ERR_OK);
  kit_make_room(*state);
  assert_int_equal(put_until_allowed(store, 99), ERR_OK);
  assert_int_equal(store_compact(store, STORE_ASIDE, BYTES(""), BYTES(""), NULL), ERR_OK);
  store_close(store);
  umount2(*state, MNT_DETACH);
}

// --- a disk that others fill while commits run ---------------------------------------------------------------

enum { STORM_WRITERS = 4, STORM_VALUE_BYTES = 3000, STORM_KEYS = 4096 };

struct storm {
  struct store *store;
  _Atomic bool stop;
  _Atomic uint64_t acknowledged[STORM_WRITERS + 1][STORM_KEYS]; // the newest value of each key that was acknowledged
  _Atomic uint64_t refused;
  _Atomic uint64_t failed;
};

struct storm_writer {
  struct storm *storm;
  uint32_t index;
  pthread_t thread;
};

static struct bytes storm_key(uint8_t out[16], uint32_t writer, uint32_t key) {
  memcpy(out, "customer", 8);
  memcpy(out + 8, &writer, 4);
  memcpy(out + 12, &key, 4);
  return bytes_of(out, 16);
}

// One durable commit of `number` under a key of the writer's; values are noise, so that files do not shrink.
static enum err storm_put(struct storm *storm, uint32_t writer, uint64_t number) {
  uint8_t key[16];
  uint8_t value[STORM_VALUE_BYTES];
  struct store_mark mark;
  uint32_t seed = (uint32_t)number;
  for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)(rand_r(&seed) >> 8);
  memcpy(value, &number, sizeof number);
  struct store_txn *txn = kit_begin(storm->store);
  enum store_keyspace keyspace = number % 2 ? STORE_CUSTOMER : STORE_PAYLOAD;
  struct bytes name = storm_key(key, writer, (uint32_t)(number % STORM_KEYS));
  assert_int_equal(store_put(txn, keyspace, name, bytes_of(value, sizeof value)), ERR_OK);
  enum err err = store_commit(txn, &mark, NULL);
  if (err == ERR_OK) err = store_wait(storm->store, mark, NULL);
  if (err == ERR_OK) atomic_store(&storm->acknowledged[writer][number % STORM_KEYS], number);
  return err;
}

static void *storm_main(void *argument) {
  struct storm_writer *writer = argument;
  struct storm *storm = writer->storm;
  for (uint64_t number = 1; !atomic_load(&storm->stop); number++) {
    enum err err = storm_put(storm, writer->index, number);
    if (err == ERR_FULL) atomic_fetch_add(&storm->refused, 1);
    if (err != ERR_OK && err != ERR_FULL) atomic_fetch_add(&storm->failed, 1);
    if (err != ERR_OK) usleep(500);
  }
  return NULL;
}

// Every key holds what was acknowledged last, or a later value whose fate was not told.
static void storm_expect(struct storm *storm) {
  for (uint32_t writer = 0; writer <= STORM_WRITERS; writer++) {
    for (uint32_t at = 0; at < STORM_KEYS; at++) {
      uint64_t expected = atomic_load(&storm->acknowledged[writer][at]);
      uint8_t key[16];
      struct arena arena;
      struct bytes value;
      uint64_t number = 0;
      if (expected == 0) continue;
      arena_init(&arena, 0);
      struct store_txn *txn = kit_begin(storm->store);
      enum store_keyspace keyspace = at % 2 ? STORE_CUSTOMER : STORE_PAYLOAD;
      assert_int_equal(store_get(txn, keyspace, storm_key(key, writer, at), &arena, &value), ERR_OK);
      assert_int_equal(value.size_bytes, STORM_VALUE_BYTES);
      memcpy(&number, value.data, sizeof number);
      assert_true(number >= expected && number % STORM_KEYS == at);
      store_abort(txn);
      arena_release(&arena);
    }
  }
}

// Writes until nothing is left, `step_bytes` at a time; every other round only to the last page.
static void storm_fill(const char *path, size_t step_bytes, off_t left_bytes) {
  static uint8_t zeros[8 << 20];
  char name[300];
  snprintf(name, sizeof name, "%s/ballast", path);
  int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
  assert_true(fd >= 0);
  while (write(fd, zeros, step_bytes) > 0) continue;
  if (left_bytes > 0) {
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(ftruncate(fd, status.st_size > left_bytes ? status.st_size - left_bytes : 0), 0);
    while (write(fd, zeros, 4096) > 0) continue;
  }
  close(fd);
}

static void storm_round(struct storm *storm, const char *path, uint32_t round) {
  static const size_t steps_bytes[] = {4096, 8 << 20, 64 * 1024, 1 << 20};
  usleep((useconds_t)(rand() % 60000));
  storm_fill(path, steps_bytes[round % 4], (off_t)(round % 3) * 65536);
  usleep((useconds_t)(rand() % 60000));
  kit_expect_stored(storm->store, STORE_META, "a", "kept"); // reads go on
  kit_make_room(path);
  enum err err = ERR_FULL;
  for (int tries = 0; tries < 3000 && err != ERR_OK; tries++) {
    err = storm_put(storm, STORM_WRITERS, round + 1);
    if (err != ERR_OK) usleep(10000);
  }
  assert_int_equal(err, ERR_OK); // writes work again by themselves
}

static void others_fill_the_disk_while_commits_run(void **state) {
  if (!kit_mount_small(*state, "size=160m")) skip();
  uint32_t rounds = getenv("RAPPORT_TEST_LONG") ? 200 : 8;
  static struct storm storm;
  struct storm_writer writers[STORM_WRITERS];
  char path[300];
  memset(&storm, 0, sizeof storm);
  snprintf(path, sizeof path, "%s/data", (char *)*state);
  struct store_options options = kit_options(path, true);
  options.write_buffer_bytes = 4 << 20;
  assert_int_equal(store_open_rocksdb(&storm.store, &options, NULL), ERR_OK);
  kit_put(storm.store, STORE_META, "a", "kept");
  for (uint32_t i = 0; i < STORM_WRITERS; i++) {
    writers[i] = (struct storm_writer){.storm = &storm, .index = i};
    assert_int_equal(pthread_create(&writers[i].thread, NULL, storm_main, &writers[i]), 0);
  }
  for (uint32_t round = 0; round < rounds; round++) storm_round(&storm, *state, round);
  atomic_store(&storm.stop, true);
  for (uint32_t i = 0; i < STORM_WRITERS; i++) pthread_join(writers[i].thread, NULL);
  print_message("%u rounds: %llu commits refused, %llu of unknown fate\n", rounds,
                (unsigned long long)atomic_load(&storm.refused), (unsigned long long)atomic_load(&storm.failed));
  storm_expect(&storm);
  store_close(storm.store);
  storm.store = NULL;
  options.create = false;
  assert_int_equal(store_open_rocksdb(&storm.store, &options, NULL), ERR_OK);
  storm_expect(&storm);
  store_close(storm.store);
  umount2(*state, MNT_DETACH);
}

static int unmount_and_remove(void **state) {
  umount2(*state, MNT_DETACH); // after a failed assertion
  return remove_directory(state);
}

int main(void) {
  if (!KIT_ROCKSDB) return 0;
  static const struct CMUnitTest tests[] = {
      // first: its children are forked
      cmocka_unit_test_setup_teardown(kill_loses_no_acknowledged_commit, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(a_directory_is_opened_only_as_what_it_is, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(damage_is_not_taken_for_a_lock, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(opening_without_memory_leaves_nothing, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(rows_survive_closing_and_bulk, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(a_checkpoint_is_a_workspace, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(compaction_takes_deleted_bytes_off_the_disk, make_directory, remove_directory),
      cmocka_unit_test_setup_teardown(a_full_disk_refuses_writes_until_there_is_room, make_directory,
                                      unmount_and_remove),
      cmocka_unit_test_setup_teardown(a_flush_without_room_is_recovered_from, make_directory, unmount_and_remove),
      cmocka_unit_test_setup_teardown(a_compaction_without_room_says_so, make_directory, unmount_and_remove),
      cmocka_unit_test_setup_teardown(others_fill_the_disk_while_commits_run, make_directory, unmount_and_remove),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
