// Jobs of a server on a workspace in memory: what a check finds, what a backup there cannot do, how many are kept.
#include "api_kit.h"

#include <time.h>

#include "api/backup.h"
#include "api/job.h"

static struct kit kit;

static struct kit_request ask(const char *method, const char *path, const char *body) {
  return (struct kit_request){.method = method, .path = path, .key = kit.admin_key, .body = body};
}

static void pause_ms(long ms) {
  struct timespec time = {.tv_nsec = ms * 1000000};
  nanosleep(&time, NULL);
}

// Starts a job and gives back its document when it has ended; freed by the caller.
static char *run_job(const char *path, const char *body) {
  char id[JOB_ID_BYTES], address[64];
  struct kit_reply reply = kit_ask(&kit, ask("POST", path, body));
  if (reply.status != 202) fail_msg("%s: %ld %s", path, reply.status, reply.body);
  const char *at = strstr(reply.body, "\"id\":\"");
  assert_non_null(at);
  snprintf(id, sizeof id, "%.16s", at + 6);
  kit_reply_release(&reply);
  snprintf(address, sizeof address, "/v1/jobs/%s", id);
  for (int tries = 0; tries < 2000; tries++) {
    reply = kit_ask(&kit, ask("GET", address, NULL));
    assert_int_equal(reply.status, 200);
    free(reply.headers);
    if (!strstr(reply.body, "\"state\":\"running\"")) return reply.body;
    free(reply.body);
    pause_ms(5);
  }
  fail_msg("%s: the job does not end", path);
  return NULL;
}

static void collect(const char *body) {
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .key = kit.server_key, .body = body}, 200, "\"taken\":1");
}

static enum err drop_identifier(struct store_txn *txn, void *context, struct diag *diag) {
  (void)context, (void)diag;
  return store_delete(txn, STORE_IDENTIFIER,
                      bytes_of("user_id\0"
                               "42",
                               10));
}

static void a_check_tells_what_is_broken(void **state) {
  struct store_mark mark;
  (void)state;
  collect("{\"batch\":[{\"type\":\"page\",\"userId\":\"42\",\"messageId\":\"m1\"}]}");
  char *job = run_job("/v1/checks", NULL);
  assert_non_null(strstr(job, "\"check\":{\"breaches\":0,\"first\":[]},\"error\":null}"));
  free(job);
  assert_int_equal(store_run(kit.store, drop_identifier, NULL, &mark, NULL), ERR_OK);
  job = run_job("/v1/checks", NULL);
  if (!strstr(job, "\"state\":\"done\"")) fail_msg("%s", job);
  assert_non_null(strstr(job, "\"check\":{\"breaches\":2,\"first\":[\"identifier 0 of customer c"));
  assert_non_null(strstr(job, "\"the counter of identifiers says 1, there are 0\"]}"));
  free(job);
}

static void a_backup_of_what_has_no_files_fails(void **state) {
  (void)state;
  char *job = run_job("/v1/backups", "{\"name\":\"never\"}");
  assert_non_null(strstr(job, "\"state\":\"failed\""));
  assert_non_null(strstr(job, "\"error\":{\"code\":\"unsupported\""));
  assert_non_null(strstr(job, "\"bytes\":null"));
  free(job);
  kit_expect(&kit, ask("POST", "/v1/backups", "{\"name\":\"../never\"}"), 400, "\"field\":\"name\"");
}

static size_t occurrences(const char *text, const char *word) {
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, word)) != NULL; at++) count++;
  return count;
}

static void the_last_jobs_are_kept(void **state) {
  (void)state;
  for (int i = 0; i < JOBS_KEPT + 3; i++) free(run_job("/v1/checks", NULL));
  struct kit_reply reply = kit_ask(&kit, ask("GET", "/v1/jobs", NULL));
  assert_int_equal(occurrences(reply.body, "\"kind\":"), JOBS_KEPT);
  assert_null(strstr(reply.body, "\"backup\""));
  kit_reply_release(&reply);
}

static void names_reach_nothing_else(void **state) {
  static const char *const bad[] = {"", ".", "..", "a/b", "/a", "../a", ".a", "-a", "a b", "a\\b", "a.partial"};
  struct backup backup;
  struct diag diag;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    diag_init(&diag);
    assert_int_equal(backup_prepare(&backup, "/tmp", bytes_from_text(bad[i]), &diag), ERR_INVALID);
    assert_string_equal(diag.code, "bad_name");
  }
  diag_init(&diag);
  assert_int_equal(backup_prepare(&backup, "/tmp", bytes_of("a\0b", 3), &diag), ERR_INVALID);
  assert_int_equal(backup_prepare(&backup, NULL, BYTES("a"), &diag), ERR_DENIED);
  assert_int_equal(backup_prepare(&backup, "/dev/null", BYTES("a"), &diag), ERR_IO);
  assert_int_equal(backup_prepare(&backup, "/nowhere", BYTES("a"), &diag), ERR_IO);
  assert_int_equal(backup_prepare(&backup, "/tmp", BYTES("rapport-test_2026.11"), &diag), ERR_OK);
  assert_string_equal(backup.path, "/tmp/rapport-test_2026.11");
  assert_string_equal(backup.partial, "/tmp/rapport-test_2026.11.partial");
}

static int setup(void **state) {
  (void)state;
  kit_open(&kit, &(struct api_options){.backup_dir = "/tmp"});
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_check_tells_what_is_broken),
      cmocka_unit_test(a_backup_of_what_has_no_files_fails),
      cmocka_unit_test(the_last_jobs_are_kept),
      cmocka_unit_test(names_reach_nothing_else),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
