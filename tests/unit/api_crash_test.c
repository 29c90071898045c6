// A change that was committed and whose reply was never sent: asked again under the same Idempotency-Key after the
// store was opened anew, it gives its reply and is not made again. The crash is put before each call of the store in
// turn: from there on every call fails, so nothing that comes after is on the disk.
#include "api_kit.h"

#include <ftw.h>

#include "api/idempotency.h"
#include "store/store_wrap.h"

enum { ROUNDS_MAX = 100 };

static char directory[64];
static struct kit kit;

static void open_store(bool create) {
  struct store_options options = {.path = directory, .create = create, .cache_bytes = 1 << 20, .reserve_bytes = 1};
  struct store *inner;
  struct diag diag;
  diag_init(&diag);
  if (store_open_rocksdb(&inner, &options, &diag)) fail_msg("%s: %s", diag.code, diag.message);
  assert_int_equal(store_open_fault(&kit.store, inner), ERR_OK);
  if (create && engine_create_workspace(kit.store, &kit.clock, &diag)) fail_msg("%s", diag.message);
  struct engine_options engine = {.store = kit.store, .clock = &kit.clock};
  if (engine_open(&kit.engine, &engine, &diag)) fail_msg("%s", diag.message);
}

static void open_server(void) {
  struct api_options options = {.listen = "127.0.0.1:0", .threads = 1};
  struct diag diag;
  diag_init(&diag);
  if (api_open(&kit.api, kit.engine, &options, &diag)) fail_msg("%s: %s", diag.code, diag.message);
}

// As after a crash: what was claimed then is over.
static void reopen(void) {
  kit_close(&kit);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + (IDEMPOTENCY_CLAIM_S + 1) * (int64_t)CLOCK_SECOND_US);
  open_store(false);
  open_server();
}

static void collect(unsigned number) {
  char body[256];
  snprintf(body, sizeof body,
           "{\"batch\":[{\"type\":\"identify\",\"userId\":\"u%u\",\"messageId\":\"m%u\",\"traits\":{\"email\":"
           "\"e%u@exemple.fr\",\"firstName\":\"Zoé\"}}]}",
           number, number, number);
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .key = kit.server_key, .body = body}, 200, "\"taken\":1");
}

static size_t occurrences(const char *text, const char *word) {
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, word)) != NULL; at++) count++;
  return count;
}

// --- the changes ---------------------------------------------------------------------------------------------

// `how_often` of an answer: the word that counts, or the member whose number grows with each change.
struct change {
  const char *method, *path, *body; // with the number of the round
  const char *look, *word, *member;
};

static const struct change changes[] = {
    {"POST", "/v1/customers/user_id:u%u/corrections", "{\"traits\":{\"city\":\"Lyon\"},\"author\":\"ana\"}",
     "/v1/customers/user_id:u%u/events", "\"name\":\"Corrected\"", NULL},
    {"POST", "/v1/customers/user_id:u%u/split", "{\"apart\":[\"user_id:u%u\",\"email:e%u@exemple.fr\"]}", "/v1/stats",
     NULL, "\"splits\":"},
    {"DELETE", "/v1/customers/user_id:u%u", NULL, "/v1/stats", NULL, "\"erased\":"},
    {"POST", "/v1/keys", "{\"kind\":\"secret\",\"scopes\":\"read\",\"name\":\"key-%u.\"}", "/v1/keys",
     "\"name\":\"key-%u.\"", NULL},
    {"PUT", "/v1/identity/rules", "{\"rules\":{\"types\":{\"badge%u\":{}}}}", "/v1/identity/rules", NULL,
     "\"version\":"},
};

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static const char *numbered(const char *format, unsigned number, char out[256]) {
  if (!format) return NULL;
  snprintf(out, 256, format, number, number);
  return out;
}

static unsigned long how_often(const struct change *change, unsigned number) {
  char path[256], word[256];
  struct kit_reply reply =
      kit_ask(&kit, (struct kit_request){.path = numbered(change->look, number, path), .key = kit.admin_key});
  assert_int_equal(reply.status, 200);
  unsigned long count;
  if (change->word) {
    count = occurrences(reply.body, numbered(change->word, number, word));
  } else {
    const char *at = strstr(reply.body, change->member);
    assert_non_null(at);
    count = strtoul(at + strlen(change->member), NULL, 10);
  }
  kit_reply_release(&reply);
  return count;
}

static struct kit_reply ask(const struct change *change, unsigned number) {
  char path[256], body[256], header[64];
  snprintf(header, sizeof header, "Idempotency-Key: round-%u", number);
  return kit_ask(&kit, (struct kit_request){.method = change->method,
                                            .path = numbered(change->path, number, path),
                                            .key = kit.admin_key,
                                            .body = numbered(change->body, number, body),
                                            .headers = {header}});
}

static bool is_hit(const struct kit_reply *reply) {
  return strstr(reply->headers, "Idempotency-Hit: true") != NULL;
}

struct outcome {
  bool answered;  // the first request was, although calls failed after it or none did
  bool untouched; // no call failed
  bool stored;    // the change was committed: asking again gave its reply
};

// One change whose process loses its disk after `allowed` calls.
static struct outcome crash_after(const struct change *change, uint64_t allowed, unsigned number) {
  collect(number);
  unsigned long before = how_often(change, number);
  store_fault_after(kit.store, allowed, ERR_IO, true);
  struct kit_reply first = ask(change, number);
  struct outcome outcome = {.answered = first.status < 300, .untouched = !store_fault_disarm(kit.store)};
  reopen();
  struct kit_reply second = ask(change, number), third = ask(change, number);
  outcome.stored = is_hit(&second);
  if (second.status >= 300) fail_msg("%s, %u: %ld %s", change->path, (unsigned)allowed, second.status, second.body);
  if (outcome.answered) assert_true(outcome.stored);
  if (outcome.answered) assert_string_equal(second.body, first.body);
  assert_true(is_hit(&third));
  assert_int_equal(third.status, second.status);
  assert_string_equal(third.body, second.body);
  unsigned long times = how_often(change, number) - before;
  if (times != 1) fail_msg("%s, %u: done %lu times", change->path, (unsigned)allowed, times);
  kit_reply_release(&first);
  kit_reply_release(&second);
  kit_reply_release(&third);
  return outcome;
}

static void every_crash_leaves_the_change_and_its_reply_or_neither(void **state) {
  const struct change *change = *state;
  static unsigned number;
  unsigned unanswered = 0, undone = 0;
  struct outcome outcome = {0};
  for (uint64_t allowed = 0; !outcome.untouched; allowed++) {
    assert_in_range(allowed, 0, ROUNDS_MAX);
    outcome = crash_after(change, allowed, ++number);
    undone += !outcome.stored;
    unanswered += outcome.stored && !outcome.answered;
  }
  assert_true(outcome.answered);
  assert_true(undone > 0);
  // The window itself: committed, and nobody was told.
  assert_true(unanswered > 0);
}

// --- one directory for all -----------------------------------------------------------------------------------

static int setup(void **state) {
  (void)state;
  const char *parent = getenv("TMPDIR");
  curl_global_init(CURL_GLOBAL_ALL);
  log_open(2, LOG_TEXT, LOG_ERROR);
  snprintf(directory, sizeof directory, "%.30s/rapport-test-XXXXXX", parent ? parent : "/tmp");
  if (!mkdtemp(directory)) return 1;
  clock_init(&kit.clock);
  clock_hold(&kit.clock, 1800000000 * (int64_t)CLOCK_SECOND_US);
  open_store(true);
  kit_source(&kit, "shop", ENGINE_SOURCE_SERVER);
  kit_key(&kit, false, ENGINE_SCOPE_COLLECT, "shop", kit.server_key);
  kit_key(&kit, true, KIT_SCOPES_ALL, "shop", kit.admin_key);
  open_server();
  return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(path);
}

static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#define CASE(name, index)                                                                                              \
  { name, every_crash_leaves_the_change_and_its_reply_or_neither, NULL, NULL, (void *)(uintptr_t)&changes[index] }

int main(void) {
  const struct CMUnitTest tests[] = {CASE("correct", 0), CASE("split", 1), CASE("erase", 2), CASE("key", 3),
                                     CASE("rules", 4)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
