// The contract of api/idempotency.h, on a store in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#include "api/idempotency.h"
#include "base/alloc.h"
#include "base/clock.h"

static struct store *store;
static struct arena arena;

static struct idempotency_key key_of(uint64_t id, const char *secret, const char *header, const char *body) {
  struct idempotency_key key;
  struct idempotency_request request = {.key_id = id,
                                        .key_text = bytes_from_text(secret),
                                        .header = bytes_from_text(header),
                                        .method = BYTES("POST"),
                                        .target = BYTES("/v1/keys"),
                                        .body = bytes_from_text(body)};
  idempotency_key_make(&key, &request);
  return key;
}

static enum idempotency_outcome claim(struct idempotency_key *key, int64_t now_us, int *status, struct bytes *reply) {
  enum idempotency_outcome outcome;
  assert_int_equal(idempotency_claim(store, key, now_us, &arena, &outcome, status, reply, NULL), ERR_OK);
  return outcome;
}

static void finish(const struct idempotency_key *key, int64_t now_us, int status, const char *reply) {
  struct store_mark mark;
  assert_int_equal(idempotency_finish(store, key, now_us, status, bytes_from_text(reply), &mark, NULL), ERR_OK);
}

static void the_same_request_gives_the_same_bytes(void **state) {
  struct idempotency_key key = key_of(1, "sk_a", "k1", "{}");
  struct bytes reply;
  int status;
  (void)state;
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(claim(&key, 1, &status, &reply), IDEMPOTENCY_IN_FLIGHT);
  finish(&key, 2, 201, "{\"key\":\"sk_secret\"}");
  assert_int_equal(claim(&key, 3, &status, &reply), IDEMPOTENCY_REPLAY);
  assert_int_equal(status, 201);
  assert_int_equal(reply.size_bytes, 19);
  assert_memory_equal(reply.data, "{\"key\":\"sk_secret\"}", 19);
}

static void an_empty_reply_is_kept_too(void **state) {
  struct idempotency_key key = key_of(1, "sk_a", "k2", "");
  struct bytes reply;
  int status;
  (void)state;
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_RUN);
  finish(&key, 0, 204, "");
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_REPLAY);
  assert_int_equal(status, 204);
  assert_int_equal(reply.size_bytes, 0);
}

static void another_request_is_a_mismatch_and_another_key_is_not(void **state) {
  struct idempotency_key key = key_of(1, "sk_a", "k3", "{\"a\":1}"), other = key_of(1, "sk_a", "k3", "{\"a\":2}"),
                         foreign = key_of(2, "sk_b", "k3", "{\"a\":2}");
  struct bytes reply;
  int status;
  (void)state;
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(claim(&other, 0, &status, &reply), IDEMPOTENCY_MISMATCH);
  finish(&key, 0, 200, "{}");
  assert_int_equal(claim(&other, 0, &status, &reply), IDEMPOTENCY_MISMATCH);
  assert_int_equal(claim(&foreign, 0, &status, &reply), IDEMPOTENCY_RUN);
}

static void parts_do_not_run_into_each_other(void **state) {
  struct idempotency_request request = {
      .header = BYTES("h"), .method = BYTES("PUT"), .target = BYTES("/a"), .body = BYTES("b")};
  struct idempotency_key first, second;
  (void)state;
  idempotency_key_make(&first, &request);
  request.target = BYTES("/ab");
  request.body = BYTES("");
  idempotency_key_make(&second, &request);
  assert_memory_not_equal(first.request, second.request, sizeof first.request);
}

static void claims_and_replies_end(void **state) {
  struct idempotency_key key = key_of(1, "sk_a", "k4", "{}");
  const int64_t claim_us = IDEMPOTENCY_CLAIM_S * (int64_t)CLOCK_SECOND_US;
  const int64_t reply_us = IDEMPOTENCY_REPLY_S * (int64_t)CLOCK_SECOND_US;
  struct bytes reply;
  int status;
  (void)state;
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(claim(&key, claim_us - 1, &status, &reply), IDEMPOTENCY_IN_FLIGHT);
  assert_int_equal(claim(&key, claim_us, &status, &reply), IDEMPOTENCY_RUN); // its process died
  finish(&key, claim_us, 200, "{}");
  assert_int_equal(claim(&key, claim_us + reply_us - 1, &status, &reply), IDEMPOTENCY_REPLAY);
  assert_int_equal(claim(&key, claim_us + reply_us, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(idempotency_forget(store, &key, NULL), ERR_OK);
  assert_int_equal(claim(&key, claim_us + reply_us, &status, &reply), IDEMPOTENCY_RUN);
}

struct riding {
  const struct idempotency_key *key;
  const char *reply;
};

static enum err ride_body(struct store_txn *txn, void *context, struct diag *diag) {
  const struct riding *riding = context;
  struct bytes lock = idempotency_lock(riding->key);
  enum err err = store_lock_many(txn, STORE_LOCK_IDEMPOTENCY, &lock, 1);
  if (!err) err = store_put(txn, STORE_META, BYTES("change"), bytes_from_text(riding->reply));
  return err ? err : idempotency_ride(txn, riding->key, 0, 200, bytes_from_text(riding->reply), &arena, diag);
}

static enum err ride(const struct idempotency_key *key, const char *reply, struct diag *diag) {
  struct riding riding = {key, reply};
  struct store_mark mark;
  diag_init(diag);
  return store_run(store, ride_body, &riding, &mark, diag);
}

static void a_reply_rides_with_its_change(void **state) {
  struct idempotency_key key = key_of(1, "sk_a", "k6", "{}");
  struct bytes reply;
  struct diag diag;
  int status;
  (void)state;
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(ride(&key, "{\"a\":1}", &diag), ERR_OK);
  assert_int_equal(claim(&key, 1, &status, &reply), IDEMPOTENCY_REPLAY);
  assert_int_equal(status, 200);
  assert_true(bytes_equal(reply, BYTES("{\"a\":1}")));
}

// The first took longer than its claim; the second may finish, the first may change nothing any more.
static void whoever_lost_the_claim_changes_nothing(void **state) {
  const int64_t later_us = IDEMPOTENCY_CLAIM_S * (int64_t)CLOCK_SECOND_US;
  struct idempotency_key slow = key_of(1, "sk_a", "k7", "{}"), quick = slow;
  struct bytes reply;
  struct diag diag;
  size_t deleted;
  int status;
  (void)state;
  assert_int_equal(claim(&slow, 0, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(claim(&quick, later_us, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(ride(&slow, "slow", &diag), ERR_BUSY);
  assert_string_equal(diag.code, "idempotency_in_flight");
  assert_int_equal(idempotency_forget(store, &slow, NULL), ERR_OK);
  finish(&slow, later_us, 200, "slow");
  assert_int_equal(claim(&slow, later_us, &status, &reply), IDEMPOTENCY_IN_FLIGHT);
  assert_int_equal(ride(&quick, "quick", &diag), ERR_OK);
  assert_int_equal(ride(&slow, "slow", &diag), ERR_BUSY);
  assert_int_equal(claim(&slow, later_us, &status, &reply), IDEMPOTENCY_REPLAY);
  assert_true(bytes_equal(reply, BYTES("quick")));

  struct idempotency_key swept = key_of(1, "sk_a", "k8", "{}");
  assert_int_equal(claim(&swept, 0, &status, &reply), IDEMPOTENCY_RUN);
  assert_int_equal(idempotency_sweep(store, later_us, 256, &deleted, NULL), ERR_OK);
  assert_true(deleted > 0);
  assert_int_equal(ride(&swept, "swept", &diag), ERR_OK); // nobody else came
}

static void rows_whose_time_has_passed_are_swept(void **state) {
  const int64_t later_us = 10 * CLOCK_DAY_US;
  struct bytes reply;
  size_t deleted, total = 0;
  int status;
  char header[16];
  (void)state;
  for (int i = 0; i < 300; i++) {
    snprintf(header, sizeof header, "sweep%d", i);
    struct idempotency_key key = key_of(9, "sk_a", header, "{}");
    assert_int_equal(claim(&key, i < 290 ? 0 : later_us, &status, &reply), IDEMPOTENCY_RUN);
  }
  do {
    assert_int_equal(idempotency_sweep(store, later_us, 100, &deleted, NULL), ERR_OK);
    total += deleted;
  } while (deleted);
  assert_true(total >= 290);
  snprintf(header, sizeof header, "sweep%d", 295);
  struct idempotency_key live = key_of(9, "sk_a", header, "{}");
  assert_int_equal(claim(&live, later_us, &status, &reply), IDEMPOTENCY_IN_FLIGHT);
}

// The stored row must not show what was answered.
static void a_reply_is_sealed(void **state) {
  struct idempotency_key key = key_of(1, "sk_a", "k5", "{}"), thief = key_of(1, "sk_wrong", "k5", "{}");
  struct store_txn *txn;
  struct bytes reply, row;
  enum idempotency_outcome outcome;
  int status;
  (void)state;
  assert_int_equal(claim(&key, 0, &status, &reply), IDEMPOTENCY_RUN);
  finish(&key, 0, 201, "sk_shown_once");
  assert_int_equal(store_begin(store, &txn), ERR_OK);
  assert_int_equal(store_get(txn, STORE_IDEMPOTENCY, bytes_of(key.row, sizeof key.row), &arena, &row), ERR_OK);
  store_abort(txn);
  assert_non_null(row.data);
  assert_null(memmem(row.data, row.size_bytes, "shown", 5));
  assert_int_equal(idempotency_claim(store, &thief, 0, &arena, &outcome, &status, &reply, NULL), ERR_CORRUPT);
}

static int setup(void **state) {
  (void)state;
  arena_init(&arena, 0);
  return sodium_init() < 0 || store_open_memory(&store) != ERR_OK;
}

static int teardown(void **state) {
  (void)state;
  store_close(store);
  arena_release(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_request_gives_the_same_bytes),
      cmocka_unit_test(an_empty_reply_is_kept_too),
      cmocka_unit_test(another_request_is_a_mismatch_and_another_key_is_not),
      cmocka_unit_test(parts_do_not_run_into_each_other),
      cmocka_unit_test(claims_and_replies_end),
      cmocka_unit_test(a_reply_rides_with_its_change),
      cmocka_unit_test(whoever_lost_the_claim_changes_nothing),
      cmocka_unit_test(rows_whose_time_has_passed_are_swept),
      cmocka_unit_test(a_reply_is_sealed),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
