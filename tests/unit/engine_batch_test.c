// Batches of codes: as many as were asked for, all different, with right check characters, whatever stops the job: a
// person, an archived voucher, kill -9. And what a download says.
#include "engine_events.h"
#include "engine_member_kit.h"

#include <signal.h>
#include <sys/wait.h>

#include "loyalty/code.h"

// Under AddressSanitizer the store in memory is some fifty times slower, and so is a fork.
#ifdef __SANITIZE_ADDRESS__
#define MANY_TEXT "9000"
#define KILLED_TEXT "20000"
enum { MANY = 9000, KILLED = 20000 };
#else
#define MANY_TEXT "100000"
#define KILLED_TEXT "60000"
enum { MANY = 100000, KILLED = 60000 };
#endif
enum { SHORT = 6, KILLS_MAX = 400, PAGE_CODES = 1000 };

#define SLIP                                                                                                           \
  "{\"id\":\"slip\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},\"uses\":{\"per_code\":1},"              \
  "\"codes\":{\"prefix\":\"NO-\",\"length\":6}"

static void put_shop(struct kit *kit) {
  member_put(kit, ENGINE_PROGRAMME,
             "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\"}]}");
  member_put(kit, ENGINE_VOUCHER, SLIP "}");
  member_put(kit, ENGINE_VOUCHER, "{\"id\":\"long\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"}}");
  member_put(kit, ENGINE_VOUCHER,
             "{\"id\":\"card\",\"programme\":\"club\",\"discount\":{\"credit\":\"50\"},\"codes\":{\"prefix\":\"G-\"}}");
}

static int setup(void **state) {
  static struct kit kit;
  kit_open(&kit);
  kit.check_each = false;
  put_shop(&kit);
  *state = &kit;
  return 0;
}

static int teardown(void **state) {
  kit_close(*state);
  return 0;
}

// --- asking --------------------------------------------------------------------------------------------------

static void id_of(const char *json, char id[32]) {
  assert_int_equal(sscanf(json, "{\"id\":\"%31[^\"]", id), 1);
}

static void begin(struct kit *kit, const char *request, char id[32]) {
  char *told = member_call(kit, engine_batch_start, "api", request, NULL);
  id_of(told, id);
  free(told);
}

static void refused(struct kit *kit, const char *request, const char *code) {
  char said[DIAG_CODE_BYTES];
  free(member_call(kit, engine_batch_start, "api", request, said));
  assert_string_equal(said, code);
}

static char *told(struct kit *kit, const char *id) {
  struct live_answer answer;
  live_ask(&answer);
  return live_told(kit, &answer, engine_batch_json(kit->engine, bytes_from_text(id), &answer.writer, &answer.diag));
}

static void expect(struct kit *kit, const char *id, const char *part) {
  live_contains(told(kit, id), part);
}

typedef enum err move_fn(struct engine *engine, struct bytes id, struct json_writer *writer,
                         struct engine_commit *commit, struct diag *diag);

static void move(struct kit *kit, move_fn *how, const char *id, const char *part) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  live_contains(live_told(kit, &answer, how(kit->engine, bytes_from_text(id), &answer.writer, &commit, &answer.diag)),
                part);
}

static void work(struct kit *kit, int64_t budget_us, bool expect_more) {
  struct diag diag;
  bool more;
  diag_init(&diag);
  if (engine_batch_work(kit->engine, budget_us, &more, &diag) != ERR_OK) kit_fail(kit, diag.message);
  assert_int_equal(more, expect_more);
}

static void finish(struct kit *kit) {
  work(kit, INT64_MAX / 4, false);
}

// --- what there is -------------------------------------------------------------------------------------------

struct codes {
  char (*items)[LOYALTY_CODE_BYTES + 1];
  size_t count;
};

static void download(struct engine *engine, const char *id, enum engine_codes_format format, struct buffer *out) {
  struct engine_codes_range range = {0, ENGINE_CODES_ALL};
  struct diag diag;
  diag_init(&diag);
  while (range.from < range.to)
    if (engine_batch_codes(engine, bytes_from_text(id), format, &range, PAGE_CODES, out, &diag) != ERR_OK)
      fail_msg("%s", diag.message);
  buffer_append_byte(out, 0);
  assert_false(out->failed);
}

static int by_text(const void *a, const void *b) {
  return strcmp(a, b);
}

// The codes of a CSV download, after those that are there.
static void add_codes(struct codes *codes, const char *csv, const char *prefix, size_t length) {
  const char *line = strchr(csv, '\n') + 1;
  for (; *line != 0; line = strchr(line, '\n') + 1) {
    size_t size = strcspn(line, ",");
    assert_int_equal(size, strlen(prefix) + length + 1);
    assert_memory_equal(line, prefix, strlen(prefix));
    codes->items = realloc(codes->items, (codes->count + 1) * sizeof *codes->items);
    assert_non_null(codes->items);
    char *code = codes->items[codes->count++];
    snprintf(code, LOYALTY_CODE_BYTES + 1, "%.*s", (int)size, line);
    assert_true(loyalty_code_is_sound(bytes_from_text(code), bytes_from_text(prefix), length));
  }
}

static void expect_distinct(struct codes *codes, size_t count) {
  assert_int_equal(codes->count, count);
  qsort(codes->items, codes->count, sizeof *codes->items, by_text);
  for (size_t i = 1; i < codes->count; i++) assert_string_not_equal(codes->items[i - 1], codes->items[i]);
  free(codes->items);
}

// Rows of VOUCHER: none that no batch tells of.
static size_t rows_of(struct store *store) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  size_t count = 0;
  assert_int_equal(store_snapshot_open(store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_VOUCHER, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) count++;
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return count;
}

// --- tests ---------------------------------------------------------------------------------------------------

// Of 887,503,681 codes of six characters two batches take 200,000: about twenty are drawn that are there already.
static void test_exact(void **state) {
  struct kit *kit = *state;
  struct codes codes = {0};
  char first[32], second[32];
  begin(kit, "{\"voucher\":\"slip\",\"count\":" MANY_TEXT "}", first);
  begin(kit, "{\"voucher\":\"slip\",\"count\":" MANY_TEXT ",\"valid_to\":\"2027-01-31\"}", second);
  expect(kit, second, "\"status\":\"running\",\"progress\":{\"done\":0,\"total\":" MANY_TEXT "}");
  finish(kit);
  const char *ids[] = {first, second};
  for (int i = 0; i < 2; i++) {
    struct buffer csv;
    buffer_init(&csv);
    expect(kit, ids[i], "\"status\":\"done\",\"progress\":{\"done\":" MANY_TEXT ",\"total\":" MANY_TEXT "}");
    download(kit->engine, ids[i], ENGINE_CODES_CSV, &csv);
    add_codes(&codes, (const char *)csv.data, "NO", SHORT);
    assert_true((strstr((const char *)csv.data, ",slip,active,0,2027-01-31T23:00:00.000Z,\r\n") != NULL) == (i == 1));
    buffer_release(&csv);
  }
  expect_distinct(&codes, 2 * (size_t)MANY);
  assert_int_equal(rows_of(kit->store), 2 * MANY);
  assert_int_equal(member_verify(kit), 0);
}

static void test_stop_and_resume(void **state) {
  struct kit *kit = *state;
  char id[32], part[96];
  begin(kit, "{\"voucher\":\"long\",\"count\":20000}", id);
  work(kit, 1, true); // a chunk
  move(kit, engine_batch_stop, id, "\"status\":\"stopped\",\"progress\":{\"done\":4096,");
  work(kit, 1000000, false);
  assert_int_equal(rows_of(kit->store), 4096);
  move(kit, engine_batch_stop, id, "\"status\":\"stopped\"");
  move(kit, engine_batch_resume, id, "\"status\":\"running\"");
  move(kit, engine_batch_resume, id, "\"status\":\"running\"");
  live_settle(kit); // as a server does
  move(kit, engine_batch_resume, id, "\"status\":\"done\",\"progress\":{\"done\":20000,");
  assert_int_equal(rows_of(kit->store), 20000);
  struct live_answer answer;
  live_ask(&answer);
  snprintf(part, sizeof part, "{\"items\":[{\"id\":\"%s\"", id);
  live_contains(live_told(kit, &answer, engine_batches_json(kit->engine, &answer.writer, &answer.diag)), part);
}

static void test_refusals(void **state) {
  struct kit *kit = *state;
  struct live_answer answer;
  refused(kit, "{\"voucher\":\"slip\"}", "missing_member");
  refused(kit, "{\"count\":3}", "missing_member");
  refused(kit, "{\"voucher\":\"nix\",\"count\":3}", "no_voucher");
  refused(kit, "{\"voucher\":\"slip\",\"count\":0}", "out_of_range");
  refused(kit, "{\"voucher\":\"slip\",\"count\":2.5}", "out_of_range");
  refused(kit, "{\"voucher\":\"long\",\"count\":10000001}", "out_of_range");
  refused(kit, "{\"voucher\":\"slip\",\"count\":3,\"value\":5}", "not_a_card");
  refused(kit, "{\"voucher\":\"slip\",\"count\":3,\"valid_to\":\"soon\"}", "bad_date");
  member_put(kit, ENGINE_VOUCHER, SLIP ",\"archived\":true}");
  refused(kit, "{\"voucher\":\"slip\",\"count\":3}", "CouponPartOfNotRunningCampaign");
  static const char *const unknown[] = {"b1", "b", "", "17", "b18446744073709551616"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    live_ask(&answer);
    assert_int_equal(engine_batch_json(kit->engine, bytes_from_text(unknown[i]), &answer.writer, &answer.diag),
                     ERR_NOT_FOUND);
    assert_string_equal(answer.diag.code, "no_batch");
    buffer_release(&answer.out);
  }
  work(kit, 1000000, false);
  assert_int_equal(rows_of(kit->store), 0);
}

// What its voucher's end stops can go on when the voucher does.
static void test_failed(void **state) {
  struct kit *kit = *state;
  char id[32];
  begin(kit, "{\"voucher\":\"slip\",\"count\":10000}", id);
  work(kit, 1, true);
  member_put(kit, ENGINE_VOUCHER, SLIP ",\"archived\":true}");
  finish(kit);
  expect(kit, id, "\"status\":\"failed\",\"progress\":{\"done\":4");
  expect(kit, id, "\"error\":{\"code\":\"CouponPartOfNotRunningCampaign\",\"detail\":\"");
  member_put(kit, ENGINE_VOUCHER, SLIP "}");
  move(kit, engine_batch_resume, id, "\"status\":\"running\"");
  finish(kit);
  expect(kit, id, "\"status\":\"done\",\"progress\":{\"done\":10000,");
  expect(kit, id, "\"error\":null");
  assert_int_equal(rows_of(kit->store), 10000);
}

// A code is used as any other, and the download says so.
static void test_download(void **state) {
  struct kit *kit = *state;
  struct buffer out;
  char id[32], code[LOYALTY_CODE_BYTES + 1], request[160];
  begin(kit, "{\"voucher\":\"card\",\"count\":3,\"value\":30}", id);
  finish(kit);
  buffer_init(&out);
  download(kit->engine, id, ENGINE_CODES_CSV, &out);
  const char *csv = (const char *)out.data;
  assert_int_equal(strncmp(csv, "code,voucher,state,uses,valid_to,balance\r\nG", 43), 0);
  assert_int_equal(sscanf(csv + 42, "%64[^,]", code), 1);
  snprintf(request, sizeof request, "{\"code\":\"%s\",\"amount\":12.5}", code);
  free(member_call(kit, engine_code_redeem, "api", request, NULL));
  buffer_clear(&out);
  download(kit->engine, id, ENGINE_CODES_CSV, &out);
  assert_non_null(strstr((const char *)out.data, ",card,active,1,,17.50\r\n"));
  assert_non_null(strstr((const char *)out.data, ",card,active,0,,30.00\r\n"));
  buffer_clear(&out);
  download(kit->engine, id, ENGINE_CODES_NDJSON, &out);
  assert_non_null(strstr((const char *)out.data, "\"uses\":1,\"balance\":17.50,\"value\":30.00}\n"));
  buffer_release(&out);
}

// --- kill -9 -------------------------------------------------------------------------------------------------

static void make_until_killed(const char *path) {
  static struct clock clock;
  clock_init(&clock);
  struct engine *engine = events_open_engine(events_open_disk(path, false), &clock);
  struct diag diag;
  bool more = true;
  diag_init(&diag);
  while (more)
    if (engine_batch_work(engine, 10000, &more, &diag) != ERR_OK) _exit(3);
  if (store_wait(engine_store(engine), store_mark_now(engine_store(engine)), &diag) != ERR_OK) _exit(3);
  _exit(0);
}

// False: it ended by itself, with all of it made.
static bool kill_after(const char *path, unsigned wait_us) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) make_until_killed(path);
  usleep(wait_us);
  kill(child, SIGKILL);
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) return true;
  assert_int_equal(WEXITSTATUS(status), 0);
  return false;
}

static void test_kill(void **state) {
  char path[256], id[32];
  struct codes codes = {0};
  struct buffer csv;
  struct kit kit;
  unsigned kills = 0;
  (void)state;
  if (!EVENTS_ROCKSDB) skip();
  events_directory(path);
  kit_open_on(&kit, events_open_disk(path, true));
  put_shop(&kit);
  begin(&kit, "{\"voucher\":\"long\",\"count\":" KILLED_TEXT "}", id);
  kit_close(&kit);
  while (kills < KILLS_MAX && kill_after(path, 20000 + 13000 * (kills % 13) + 2000 * kills)) kills++;
  kit_open_existing(&kit, events_open_disk(path, false));
  expect(&kit, id, "\"status\":\"done\",\"progress\":{\"done\":" KILLED_TEXT ",\"total\":" KILLED_TEXT "}");
  buffer_init(&csv);
  download(kit.engine, id, ENGINE_CODES_CSV, &csv);
  add_codes(&codes, (const char *)csv.data, "", LOYALTY_CODE_LENGTH);
  expect_distinct(&codes, KILLED);
  assert_int_equal(rows_of(kit.store), KILLED);
  print_message("%u kills\n", kills);
  assert_true(kills > 0);
  buffer_release(&csv);
  kit_close(&kit);
  events_remove(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
      cmocka_unit_test_setup_teardown(test_stop_and_resume, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(test_failed, setup, teardown),
      cmocka_unit_test_setup_teardown(test_download, setup, teardown),
      cmocka_unit_test(test_kill),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
