// A pattern is walked against the decoded segments of a path. About fifty patterns are tried one after the other: most
// differ in their first or second segment, and the whole search stays below a microsecond.
#include "api/route.h"

#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "engine/engine.h"

enum {
  ENGINE_SCOPE_NONE = 0,
  ENGINE_SCOPE_TILL_READ = ENGINE_SCOPE_TILL | ENGINE_SCOPE_READ,
  ENGINE_SCOPE_TILL_WRITE = ENGINE_SCOPE_TILL | ENGINE_SCOPE_WRITE,
  COLLECT_FLAGS = ROUTE_COLLECT | ROUTE_CORS
};

static const struct route routes[] = {
#define ROUTE(method, pattern, handler, scope, flags, detail)                                                          \
  {HTTP_##method, pattern, handler, ENGINE_SCOPE_##scope, flags, detail},
#include "api/routes.def"
#undef ROUTE
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

static const char *const method_names[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "OTHER"};

enum http_method http_method_parse(const char *text) {
  for (int i = HTTP_GET; i < HTTP_OTHER; i++) {
    if (strcmp(text, method_names[i]) == 0) return (enum http_method)i;
  }
  return HTTP_OTHER;
}

const char *http_method_name(enum http_method method) {
  return method_names[method];
}

const struct route *route_table(size_t *count) {
  *count = ROUTE_COUNT;
  return routes;
}

static bool matches(const char *pattern, const struct uri *uri, struct bytes parameters[ROUTE_PARAMETERS_MAX]) {
  struct bytes taken[ROUTE_PARAMETERS_MAX] = {{NULL, 0}};
  size_t taken_count = 0;
  for (size_t i = 0; i < uri->segment_count; i++) {
    bool root = i == 0 && uri->segment_count == 1 && uri->segments[0].size_bytes == 0; // "/" is one empty segment
    if (*pattern != '/' || (pattern[1] == 0 && !root)) return false;
    pattern++;
    size_t size = strcspn(pattern, "/");
    if (*pattern == '{') {
      if (uri->segments[i].size_bytes == 0) return false;
      if (taken_count < ROUTE_PARAMETERS_MAX) taken[taken_count++] = uri->segments[i];
    } else if (!bytes_equal(bytes_of(pattern, size), uri->segments[i])) {
      return false;
    }
    pattern += size;
  }
  if (*pattern != 0 && strcmp(pattern, "/") != 0) return false;
  memcpy(parameters, taken, sizeof taken);
  return true;
}

const struct route *route_match(const struct uri *uri, enum http_method method, bool with_test_clock,
                                struct bytes parameters[ROUTE_PARAMETERS_MAX], unsigned *allowed) {
  const struct route *found = NULL;
  struct bytes taken[ROUTE_PARAMETERS_MAX];
  enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
  *allowed = 0;
  for (size_t i = 0; i < ROUTE_COUNT; i++) {
    const struct route *route = &routes[i];
    if (route->flags & ROUTE_TEST_CLOCK && !with_test_clock) continue;
    if (!matches(route->pattern, uri, taken)) continue;
    *allowed |= 1u << route->method | 1u << HTTP_OPTIONS;
    if (route->method == HTTP_GET) *allowed |= 1u << HTTP_HEAD;
    if (route->method == wanted && !found) {
      memcpy(parameters, taken, sizeof taken);
      found = route;
    }
  }
  return found;
}

bool route_is_cors(const struct uri *uri) {
  struct bytes parameters[ROUTE_PARAMETERS_MAX];
  for (size_t i = 0; i < ROUTE_COUNT; i++) {
    if (routes[i].flags & ROUTE_CORS && matches(routes[i].pattern, uri, parameters)) return true;
  }
  return false;
}

void route_allow(unsigned allowed, char *out) {
  size_t size = 0;
  *out = 0;
  for (int i = HTTP_GET; i < HTTP_OTHER; i++) {
    if (!(allowed & 1u << i)) continue;
    size += (size_t)snprintf(out + size, ROUTE_ALLOW_BYTES - size, "%s%s", size ? ", " : "", method_names[i]);
  }
}
