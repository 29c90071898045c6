// The contracts of api/credential.h, api/cors.h and api/problem.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/cors.h"
#include "api/credential.h"
#include "api/problem.h"
#include "base/arena.h"

static struct arena arena;

static struct bytes text_or_absent(const char *text) {
  return text ? bytes_from_text(text) : (struct bytes){NULL, 0};
}

static enum err find(const char *authorization, const char *x_write_key, const char *parameter,
                     struct credential *credential) {
  struct credential_input input = {text_or_absent(authorization), text_or_absent(x_write_key),
                                   text_or_absent(parameter)};
  return credential_find(&input, &arena, credential, NULL);
}

static void assert_candidate(const struct credential *credential, size_t index, const char *expected) {
  assert_true(index < credential->count);
  assert_int_equal(credential->candidates[index].size_bytes, strlen(expected));
  assert_memory_equal(credential->candidates[index].data, expected, strlen(expected));
}

static void keys_are_found_where_sdks_put_them(void **state) {
  static const struct {
    const char *authorization, *x_write_key, *parameter;
    const char *first, *second; // NULL: none
  } cases[] = {
      {"Basic V0tfdGVzdF8xMjM6", NULL, NULL, "WK_test_123", NULL},
      {"basic  V0tfdGVzdF8xMjM6 ", "other", "other", "WK_test_123", NULL},
      {"Basic V0tfdGVzdF8xMjM", NULL, NULL, "WK_test_123", NULL}, // no password and no colon
      {"Basic dXNlcjpzZWNyZXQ=", NULL, NULL, "user", NULL},
      {"Basic OnNlY3JldA==", NULL, NULL, "secret", NULL}, // an empty user
      {"Basic Og==", NULL, NULL, NULL, NULL},
      {"Bearer sk_abc", "other", NULL, "sk_abc", NULL},
      {NULL, "kid:ksecret", NULL, "ksecret", "kid:ksecret"},
      {NULL, "wk_abc", "other", "wk_abc", NULL},
      {NULL, "wk_abc:", NULL, "wk_abc:", NULL},
      {NULL, NULL, "wk_abc", "wk_abc", NULL},
      {NULL, "", "wk_abc", "wk_abc", NULL},
      {NULL, NULL, NULL, NULL, NULL},
      {"", NULL, "wk_abc", "wk_abc", NULL},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct credential credential;
    assert_int_equal(find(cases[i].authorization, cases[i].x_write_key, cases[i].parameter, &credential), ERR_OK);
    assert_int_equal(credential.count, (cases[i].first != NULL) + (cases[i].second != NULL));
    if (cases[i].first) assert_candidate(&credential, 0, cases[i].first);
    if (cases[i].second) assert_candidate(&credential, 1, cases[i].second);
  }
}

static void an_unreadable_header_is_not_passed_over(void **state) {
  static const char *const headers[] = {"Digest abc", "Basic ***", "Basic a", "Bearer", "Basic"};
  (void)state;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    struct credential credential;
    struct diag diag;
    struct credential_input input = {bytes_from_text(headers[i]), BYTES("wk_a"), BYTES("wk_b")};
    diag_init(&diag);
    assert_int_equal(credential_find(&input, &arena, &credential, &diag), ERR_INVALID);
    assert_string_equal(diag.code, "bad_authorization");
  }
}

static void base64_of_both_alphabets(void **state) {
  struct bytes out;
  (void)state;
  assert_true(credential_base64(BYTES("-_8="), &arena, &out));
  assert_int_equal(out.size_bytes, 2);
  assert_memory_equal(out.data, "\xfb\xff", 2);
  assert_true(credential_base64(BYTES("+/8"), &arena, &out));
  assert_memory_equal(out.data, "\xfb\xff", 2);
  assert_true(credential_base64(BYTES(""), &arena, &out));
  assert_int_equal(out.size_bytes, 0);
  assert_false(credential_base64(BYTES("a"), &arena, &out));
  assert_false(credential_base64(BYTES("ab c"), &arena, &out));
}

// --- CORS ----------------------------------------------------------------------------------------------------

static void assert_origin(const char *origins, const char *origin, const char *expected) {
  struct cors_policy policy;
  cors_init(&policy, origins);
  struct bytes allowed = cors_allow_origin(&policy, text_or_absent(origin));
  assert_int_equal(allowed.size_bytes, strlen(expected));
  assert_memory_equal(allowed.data, expected, strlen(expected));
}

static void origins(void **state) {
  (void)state;
  assert_origin(NULL, "https://shop.example", "https://shop.example");
  assert_origin("*", NULL, "*");
  assert_origin("https://a.fr, https://b.fr", "https://b.fr", "https://b.fr");
  assert_origin("https://a.fr,https://b.fr", "https://c.fr", "");
  assert_origin("https://a.fr", "https://a.fr.evil.example", "");
  assert_origin("https://a.fr", NULL, "");
}

static void asked_headers_are_echoed_when_known(void **state) {
  char out[CORS_HEADERS_BYTES];
  (void)state;
  cors_allow_headers(BYTES("anonymousid,authorization,content-type,sentat"), out);
  assert_string_equal(out, "anonymousid, authorization, content-type, sentat");
  cors_allow_headers(BYTES("X-Retry-Count , x-evil,X-Write-Key"), out);
  assert_string_equal(out, "X-Retry-Count, X-Write-Key");
  cors_allow_headers(BYTES(""), out);
  assert_string_equal(out, "");
  char many[4096] = "";
  for (int i = 0; i < 200; i++) strcat(many, "content-type,");
  cors_allow_headers(bytes_from_text(many), out);
  assert_true(strlen(out) < sizeof out);
}

// --- problems ------------------------------------------------------------------------------------------------

static int status_of(enum err err, const char *code) {
  struct diag diag;
  diag_init(&diag);
  diag_set(&diag, err, code, "Words.");
  return problem_status(&diag);
}

static void failures_have_their_status(void **state) {
  (void)state;
  assert_int_equal(status_of(ERR_INVALID, "invalid_json"), 400);
  assert_int_equal(status_of(ERR_LIMIT, "too_large"), 400);
  assert_int_equal(status_of(ERR_DENIED, "bad_key"), 401);
  assert_int_equal(status_of(ERR_DENIED, "missing_key"), 401);
  assert_int_equal(status_of(ERR_DENIED, "missing_scope"), 403);
  assert_int_equal(status_of(ERR_NOT_FOUND, "no_customer"), 404);
  assert_int_equal(status_of(ERR_BUSY, "rate_limited"), 429);
  assert_int_equal(status_of(ERR_NO_MEMORY, "no_memory"), 503);
  assert_int_equal(status_of(ERR_CONFLICT, "conflict"), 503);
  assert_int_equal(status_of(ERR_FULL, "disk_full"), 507);
  assert_int_equal(status_of(ERR_CORRUPT, "corrupt"), 500);
  for (int err = ERR_INVALID; err >= ERR_UNSUPPORTED; err--) {
    int status = status_of((enum err)err, "x");
    assert_string_not_equal(problem_title(status), "Error");
    // Whatever a client should repeat tells it when.
    if (status == 503 || status == 507) assert_true(problem_retry_after_s(status) >= 1);
  }
}

static void the_body_of_a_problem(void **state) {
  struct buffer out;
  struct diag diag;
  (void)state;
  buffer_init(&out);
  diag_init(&diag);
  diag_set(&diag, ERR_INVALID, "bad_parameter", "The parameter \"limit\" is wrong.");
  diag_in_field(&diag, "limit");
  problem_write(&out, 400, &diag, NULL);
  buffer_append_byte(&out, 0);
  assert_string_equal(out.data, "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"code\":"
                                "\"bad_parameter\",\"detail\":\"The parameter \\\"limit\\\" is wrong.\",\"field\":"
                                "\"limit\"}");
  buffer_release(&out);
}

static int teardown(void **state) {
  (void)state;
  arena_release(&arena);
  return 0;
}

int main(void) {
  arena_init(&arena, 0);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_found_where_sdks_put_them),
      cmocka_unit_test(an_unreadable_header_is_not_passed_over),
      cmocka_unit_test(base64_of_both_alphabets),
      cmocka_unit_test(origins),
      cmocka_unit_test(asked_headers_are_echoed_when_known),
      cmocka_unit_test(failures_have_their_status),
      cmocka_unit_test(the_body_of_a_problem),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
