// The contracts of api/body.h and api/limiter.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zlib.h>

#include "api/body.h"
#include "api/limiter.h"
#include "base/alloc.h"

enum { LIMIT = 64 * 1024 };

static struct body_decoder decoder;
static struct diag diag;

// Compresses with zlib's `window`: 31 gzip, 15 zlib. The caller frees.
static struct bytes zip(const void *plain, size_t size, int window) {
  z_stream stream = {0};
  assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
  size_t room = deflateBound(&stream, size) + 64;
  uint8_t *out = malloc(room);
  assert_non_null(out);
  stream.next_in = (uint8_t *)(uintptr_t)plain;
  stream.avail_in = (unsigned)size;
  stream.next_out = out;
  stream.avail_out = (unsigned)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  struct bytes zipped = {out, room - stream.avail_out};
  deflateEnd(&stream);
  return zipped;
}

static void zip_free(struct bytes zipped) {
  free((void *)(uintptr_t)zipped.data);
}

static enum err decode(struct bytes raw, const char *encoding, struct bytes *body) {
  diag_init(&diag);
  return body_decode(&decoder, raw, bytes_from_text(encoding), LIMIT, body, &diag);
}

static void assert_decodes(struct bytes raw, const char *encoding, const char *expected) {
  struct bytes body;
  assert_int_equal(decode(raw, encoding, &body), ERR_OK);
  assert_int_equal(body.size_bytes, strlen(expected));
  if (body.size_bytes) assert_memory_equal(body.data, expected, strlen(expected));
}

static void compression_is_seen_in_the_bytes(void **state) {
  const char *json = "{\"batch\":[{\"type\":\"track\"}]}";
  (void)state;
  struct bytes gzip = zip(json, strlen(json), 31), zlib = zip(json, strlen(json), 15);
  assert_decodes(bytes_from_text(json), "", json);
  assert_decodes(bytes_from_text(json), "gzip", json); // the header lies: some proxy unzipped it
  assert_decodes(gzip, "gzip", json);
  assert_decodes(gzip, "", json);
  assert_decodes(gzip, "identity", json);
  assert_decodes(zlib, "deflate", json);
  assert_decodes(BYTES("\xef\xbb\xbf{}"), "", "{}");
  assert_decodes(BYTES(""), "gzip", "");
  struct bytes body;
  assert_int_equal(decode(bytes_from_text(json), "br", &body), ERR_INVALID);
  assert_string_equal(diag.code, "unsupported_encoding");
  zip_free(gzip);
  zip_free(zlib);
}

static void several_members_are_one_body(void **state) {
  uint8_t both[256];
  (void)state;
  struct bytes a = zip("{\"a\":", 5, 31), b = zip("1}", 2, 31);
  memcpy(both, a.data, a.size_bytes);
  memcpy(both + a.size_bytes, b.data, b.size_bytes);
  assert_decodes(bytes_of(both, a.size_bytes + b.size_bytes), "gzip", "{\"a\":1}");
  zip_free(a);
  zip_free(b);
}

static void the_limit_stops_a_bomb(void **state) {
  static uint8_t zeros[8 * LIMIT];
  struct bytes body;
  (void)state;
  struct bytes exact = zip(zeros, LIMIT, 31), over = zip(zeros, LIMIT + 1, 31), bomb = zip(zeros, sizeof zeros, 31);
  assert_int_equal(decode(exact, "gzip", &body), ERR_OK);
  assert_int_equal(body.size_bytes, LIMIT);
  assert_int_equal(decode(over, "gzip", &body), ERR_LIMIT);
  assert_string_equal(diag.code, "too_large");
  assert_non_null(strstr(diag.message, "65536"));
  assert_int_equal(decode(bomb, "gzip", &body), ERR_LIMIT);
  assert_true(decoder.plain.capacity_bytes <= 4 * LIMIT);
  assert_int_equal(decode(bytes_of(zeros, LIMIT + 1), "", &body), ERR_LIMIT);
  assert_int_equal(decode(bytes_of(zeros, LIMIT), "", &body), ERR_OK);
  zip_free(exact);
  zip_free(over);
  zip_free(bomb);
}

static void damage_is_an_error_and_the_decoder_lives_on(void **state) {
  const char *json = "{\"batch\":[{\"type\":\"track\",\"event\":\"Order Completed\"}]}";
  struct bytes body;
  (void)state;
  struct bytes gzip = zip(json, strlen(json), 31);
  for (size_t cut = 2; cut < gzip.size_bytes; cut++) {
    assert_int_equal(decode(bytes_of(gzip.data, cut), "gzip", &body), ERR_INVALID);
    assert_string_equal(diag.code, "bad_gzip");
  }
  uint8_t *bent = malloc(gzip.size_bytes);
  assert_non_null(bent);
  for (size_t at = 3; at < gzip.size_bytes; at++) {
    memcpy(bent, gzip.data, gzip.size_bytes);
    bent[at] ^= 0x55;
    decode(bytes_of(bent, gzip.size_bytes), "gzip", &body);
  }
  free(bent);
  assert_decodes(gzip, "gzip", json);
  zip_free(gzip);
}

static void running_out_of_memory_is_said(void **state) {
  struct bytes gzip = zip("{}", 2, 31), body;
  bool failed = true;
  (void)state;
  for (uint64_t n = 0; failed; n++) {
    body_decoder_release(&decoder);
    body_decoder_init(&decoder);
    alloc_fail_after(n, true);
    enum err err = decode(gzip, "gzip", &body);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
  }
  zip_free(gzip);
}

// --- the rate limit ------------------------------------------------------------------------------------------

static struct limiter *open_limiter(uint64_t rate, uint64_t burst) {
  struct limiter *limiter;
  assert_int_equal(limiter_open(&limiter, rate, burst), ERR_OK);
  return limiter;
}

static void a_bucket_empties_and_fills(void **state) {
  struct limiter *limiter = open_limiter(2, 3);
  unsigned wait_s;
  (void)state;
  for (int i = 0; i < 3; i++) {
    assert_true(limiter_admit(limiter, 7, 0, &wait_s));
    limiter_charge(limiter, 7, 1, 0);
  }
  assert_false(limiter_admit(limiter, 7, 0, &wait_s));
  assert_int_equal(wait_s, 1);
  assert_true(limiter_admit(limiter, 8, 0, &wait_s)); // another key has its own
  assert_false(limiter_admit(limiter, 7, 499999, &wait_s));
  assert_true(limiter_admit(limiter, 7, 500000, &wait_s));
  limiter_charge(limiter, 7, 1, 500000);
  assert_false(limiter_admit(limiter, 7, 500000, &wait_s));
  assert_true(limiter_admit(limiter, 7, INT64_MAX / 2, &wait_s)); // a very long pause fills it, no more
  limiter_charge(limiter, 7, 3, INT64_MAX / 2);
  assert_false(limiter_admit(limiter, 7, INT64_MAX / 2, &wait_s));
  limiter_close(limiter);
}

static void a_large_batch_is_a_debt(void **state) {
  struct limiter *limiter = open_limiter(10, 20);
  unsigned wait_s;
  (void)state;
  assert_true(limiter_admit(limiter, 1, 0, &wait_s));
  limiter_charge(limiter, 1, 500, 0);
  assert_false(limiter_admit(limiter, 1, 0, &wait_s));
  assert_int_equal(wait_s, 3); // never deeper than one bucket: 20 events and one more at 10 a second
  assert_true(limiter_admit(limiter, 1, 2100000, &wait_s));
  limiter_close(limiter);
}

static void no_rate_is_no_limit(void **state) {
  struct limiter *limiter = open_limiter(0, 0);
  unsigned wait_s;
  (void)state;
  limiter_charge(limiter, 1, UINT64_MAX, 0);
  assert_true(limiter_admit(limiter, 1, 0, &wait_s));
  limiter_close(limiter);
  limiter = open_limiter(UINT64_MAX, UINT64_MAX);
  limiter_charge(limiter, 1, UINT64_MAX, 0);
  limiter_admit(limiter, 1, INT64_MAX, &wait_s);
  limiter_close(limiter);
}

static int setup(void **state) {
  (void)state;
  body_decoder_init(&decoder);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  body_decoder_release(&decoder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compression_is_seen_in_the_bytes), cmocka_unit_test(several_members_are_one_body),
      cmocka_unit_test(the_limit_stops_a_bomb),           cmocka_unit_test(damage_is_an_error_and_the_decoder_lives_on),
      cmocka_unit_test(running_out_of_memory_is_said),    cmocka_unit_test(a_bucket_empties_and_fills),
      cmocka_unit_test(a_large_batch_is_a_debt),          cmocka_unit_test(no_rate_is_no_limit),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
