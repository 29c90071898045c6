// The contracts of api/uri.h and api/route.h, and that docs/openapi.yaml describes exactly the routes there are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/route.h"
#include "api/uri.h"
#include "base/arena.h"
#include "engine/engine.h"

static struct arena arena;
static struct uri uri;
static struct diag diag;

static enum err parse(const char *target) {
  diag_init(&diag);
  return uri_parse(&uri, bytes_from_text(target), &arena, &diag);
}

static void assert_bytes(struct bytes actual, const char *expected) {
  assert_int_equal(actual.size_bytes, strlen(expected));
  assert_memory_equal(actual.data, expected, strlen(expected));
}

static void segments_are_cut_before_decoding(void **state) {
  (void)state;
  assert_int_equal(parse("/v1/customers/user_id:a%2Fb%20c+d"), ERR_OK);
  assert_int_equal(uri.segment_count, 3);
  assert_bytes(uri.segments[2], "user_id:a/b c+d");
  assert_int_equal(parse("/v1/customers/email:zoe%40exemple.fr/"), ERR_OK);
  assert_int_equal(uri.segment_count, 3);
  assert_bytes(uri.segments[2], "email:zoe@exemple.fr");
  assert_int_equal(parse("http://example.org:80/v1/stats?x"), ERR_OK);
  assert_int_equal(uri.segment_count, 2);
  assert_int_equal(uri.parameter_count, 1);
}

static void parameters(void **state) {
  struct bytes value;
  (void)state;
  assert_int_equal(parse("/v1/customers?q=zo%C3%A9+d&&empty=&bare&q2=a=b"), ERR_OK);
  assert_int_equal(uri.parameter_count, 4);
  assert_int_equal(uri_find(&uri, "q", &value, &diag), ERR_OK);
  assert_bytes(value, "zoé d");
  assert_int_equal(uri_find(&uri, "empty", &value, &diag), ERR_OK);
  assert_non_null(value.data);
  assert_int_equal(value.size_bytes, 0);
  assert_int_equal(uri_find(&uri, "bare", &value, &diag), ERR_OK);
  assert_non_null(value.data);
  assert_int_equal(uri_find(&uri, "q2", &value, &diag), ERR_OK);
  assert_bytes(value, "a=b");
  assert_int_equal(uri_find(&uri, "absent", &value, &diag), ERR_OK);
  assert_null(value.data);
  assert_int_equal(parse("/?a=1&a=2"), ERR_OK);
  assert_int_equal(uri_find(&uri, "a", &value, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "duplicate_parameter");
  assert_string_equal(diag.field, "a");
}

static void hostile_targets_are_refused_with_a_code(void **state) {
  static const struct {
    const char *target, *code;
  } cases[] = {
      {"/v1/%", "bad_percent_encoding"},
      {"/v1/%4", "bad_percent_encoding"},
      {"/v1/%zz", "bad_percent_encoding"},
      {"/v1/?a=%g0", "bad_percent_encoding"},
      {"/v1/a%00b", "nul_in_path"},
      {"/v1/?%00=1", "nul_in_path"},
      {"/v1/%ff", "invalid_utf8"},
      {"/v1/%c0%af", "invalid_utf8"},
      {"/v1/?a=%ed%a0%80", "invalid_utf8"},
      {"", "bad_target"},
      {"*", "bad_target"},
      {"v1/track", "bad_target"},
      {"/1/2/3/4/5/6/7/8/9", "no_route"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_not_equal(parse(cases[i].target), ERR_OK);
    assert_string_equal(diag.code, cases[i].code);
  }
  char *many = malloc(16 * 1024);
  assert_non_null(many);
  strcpy(many, "/?");
  for (int i = 0; i < URI_PARAMETERS_MAX; i++) strcat(many, "a=1&");
  assert_int_equal(parse(many), ERR_OK);
  strcat(many, "b=1");
  assert_int_equal(parse(many), ERR_INVALID);
  assert_string_equal(diag.code, "too_many_parameters");
  memset(many, 'a', 16 * 1024 - 1);
  many[0] = '/';
  many[16 * 1024 - 1] = 0;
  assert_int_equal(parse(many), ERR_INVALID);
  assert_string_equal(diag.code, "path_too_long");
  free(many);
}

// --- the table -----------------------------------------------------------------------------------------------

static const struct route *match(enum http_method method, const char *target, struct bytes *parameter,
                                 unsigned *allowed) {
  struct bytes parameters[ROUTE_PARAMETERS_MAX];
  assert_int_equal(parse(target), ERR_OK);
  const struct route *route = route_match(&uri, method, false, parameters, allowed);
  if (route) *parameter = parameters[0];
  return route;
}

static void methods_and_paths(void **state) {
  struct bytes parameter = BYTES("");
  unsigned allowed;
  char allow[ROUTE_ALLOW_BYTES];
  (void)state;
  const struct route *route = match(HTTP_GET, "/v1/customers/c42/events?limit=3", &parameter, &allowed);
  assert_non_null(route);
  assert_string_equal(route->pattern, "/v1/customers/{ref}/events");
  assert_bytes(parameter, "c42");
  assert_int_equal(route->scope, ENGINE_SCOPE_READ);
  assert_ptr_equal(match(HTTP_HEAD, "/v1/customers/c42/events", &parameter, &allowed), route);

  assert_null(match(HTTP_PUT, "/v1/customers/c42", &parameter, &allowed));
  route_allow(allowed, allow);
  assert_string_equal(allow, "GET, DELETE, HEAD, OPTIONS");
  assert_null(match(HTTP_GET, "/v1/customers/c42/nothing", &parameter, &allowed));
  assert_int_equal(allowed, 0);
  assert_null(match(HTTP_GET, "/v1/customers//events", &parameter, &allowed));
  assert_int_equal(allowed, 0);
  assert_non_null(match(HTTP_GET, "/", &parameter, &allowed));

  route = match(HTTP_POST, "/api/s/s2s/track", &parameter, &allowed);
  assert_string_equal(route->pattern, "/api/s/s2s/{type}");
  assert_bytes(parameter, "track");
  assert_non_null(match(HTTP_GET, "/sourceConfig/", &parameter, &allowed));
  assert_non_null(match(HTTP_GET, "/sourceConfig", &parameter, &allowed));
}

static void the_test_clock_exists_only_when_asked_for(void **state) {
  struct bytes parameters[ROUTE_PARAMETERS_MAX];
  unsigned allowed;
  (void)state;
  assert_int_equal(parse("/v1/clock"), ERR_OK);
  assert_null(route_match(&uri, HTTP_POST, false, parameters, &allowed));
  assert_int_equal(allowed, 0);
  assert_non_null(route_match(&uri, HTTP_POST, true, parameters, &allowed));
}

static void every_route_says_who_may_ask(void **state) {
  size_t count;
  const struct route *table = route_table(&count);
  (void)state;
  for (size_t i = 0; i < count; i++) {
    const struct route *route = &table[i];
    bool open = route->flags & ROUTE_OPERATIONS || strstr(route->pattern, "/v1/projects/");
    if (!open) assert_int_not_equal(route->scope, 0);
    if (route->flags & ROUTE_IDEMPOTENT) assert_int_not_equal(route->method, HTTP_GET);
    // A question that has a body is a POST too, and needs no more than the scope of looking.
    bool writes = route->method != HTTP_GET && !(route->flags & (ROUTE_COLLECT | ROUTE_OPERATIONS)) &&
                  !(route->scope & ENGINE_SCOPE_READ);
    if (writes) assert_true(route->flags & ROUTE_IDEMPOTENT);
    // Only routes for browsers of any origin are open to them.
    assert_int_equal(!!(route->flags & ROUTE_CORS),
                     route->scope == ENGINE_SCOPE_COLLECT || strstr(route->pattern, "/v1/projects/"));
  }
}

// --- the description -----------------------------------------------------------------------------------------

// Walks the lines "  /path:" and "    method:" of the description: it is ours, so its layout is known.
static size_t described(const char *text, char found[][96], size_t most) {
  static const char *const methods[] = {"get", "post", "put", "delete"};
  static const char *const upper[] = {"GET", "POST", "PUT", "DELETE"};
  char path[80] = "", line[256];
  size_t count = 0;
  const char *at = strstr(text, "\npaths:\n");
  assert_non_null(at);
  for (at += 8; *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : at + strlen(at)) {
    size_t size = strcspn(at, "\n");
    if (size == 0 || size >= sizeof line) continue;
    snprintf(line, sizeof line, "%.*s", (int)size, at);
    if (line[0] != ' ') break;
    if (strncmp(line, "  /", 3) == 0) snprintf(path, sizeof path, "%.*s", (int)(size - 3), line + 2);
    for (size_t m = 0; m < 4; m++) {
      char wanted[16];
      snprintf(wanted, sizeof wanted, "    %s:", methods[m]);
      if (strcmp(line, wanted) != 0) continue;
      assert_true(count < most);
      snprintf(found[count++], 96, "%s %s", upper[m], path);
    }
  }
  return count;
}

static char *read_description(void) {
  char path[1024];
  snprintf(path, sizeof path, "%s", __FILE__);
  char *slash = strrchr(path, '/');
  if (slash) *slash = 0;
  strncat(path, "/../../docs/openapi.yaml", sizeof path - strlen(path) - 1);
  FILE *file = fopen(path, "r");
  if (!file) return NULL;
  char *text = calloc(1, 1 << 20);
  assert_non_null(text);
  size_t size = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  assert_true(size > 0 && size < (1 << 20) - 1);
  return text;
}

static void the_description_has_exactly_these_routes(void **state) {
  static char found[256][96];
  size_t count;
  const struct route *table = route_table(&count);
  (void)state;
  char *text = read_description();
  if (!text) {
    print_message("docs/openapi.yaml is not beside the sources: skipped\n");
    skip();
  }
  size_t described_count = described(text, found, 256);
  free(text);
  for (size_t i = 0; i < count; i++) {
    char wanted[96];
    bool known = false;
    snprintf(wanted, sizeof wanted, "%s %s", http_method_name(table[i].method), table[i].pattern);
    for (size_t j = 0; j < described_count; j++) known = known || strcmp(found[j], wanted) == 0;
    if (!known) fail_msg("docs/openapi.yaml lacks %s", wanted);
  }
  assert_int_equal(described_count, count);
}

static int teardown(void **state) {
  (void)state;
  arena_release(&arena);
  return 0;
}

int main(void) {
  arena_init(&arena, 0);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(segments_are_cut_before_decoding),          cmocka_unit_test(parameters),
      cmocka_unit_test(hostile_targets_are_refused_with_a_code),   cmocka_unit_test(methods_and_paths),
      cmocka_unit_test(the_test_clock_exists_only_when_asked_for), cmocka_unit_test(every_route_says_who_may_ask),
      cmocka_unit_test(the_description_has_exactly_these_routes),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
