// route: which handler answers a method and a path.
//
// Layer 8. The table is routes.def; the order of its lines is the order of `enum` indexes in the metrics. Where two
// patterns match one path and method, the first is taken: a fixed word stands before a {parameter}.
// Threads: everything is constant.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/uri.h"
#include "base/diag.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_HEAD, HTTP_OPTIONS, HTTP_OTHER };
enum http_method http_method_parse(const char *text);
const char *http_method_name(enum http_method method);

enum route_flag {
  ROUTE_COLLECT = 1,     // events in: the key may stand in the body, the rate limit holds
  ROUTE_CORS = 2,        // browsers of other origins may ask
  ROUTE_IDEMPOTENT = 4,  // a management write that honours Idempotency-Key
  ROUTE_TEST_CLOCK = 8,  // exists only with a test clock
  ROUTE_OPERATIONS = 16, // about the process: reads nothing that a crash could take back, so waits for no sync
  ROUTE_LOOPBACK = 32,   // the scope is asked only of peers that are not on this machine
  ROUTE_PIXEL = 64,      // the message is in the parameters
  ROUTE_SLOW = 128,      // reads many customers, or all events of one: never keeps all runners busy (runners.h)
};

struct request;
struct worker;

// Answers a request: fills the reply, or returns an error whose diag becomes the problem body.
typedef enum err route_handler(struct request *request, struct worker *worker, struct diag *diag);

enum { ROUTE_PARAMETERS_MAX = 2, ROUTE_ALLOW_BYTES = 64 };

struct route {
  enum http_method method;
  const char *pattern; // "/v1/customers/{ref}"
  route_handler *handler;
  uint32_t scope; // bits of enum engine_scope of which a key needs one; 0: open
  unsigned flags;
  const char *detail; // the message type of a collect route; the parameters of a management write
};

// All routes, in the order of routes.def.
const struct route *route_table(size_t *count);

// Finds the route. *allowed gets one bit for each method (1 << enum http_method) that the path knows; 0 means that the
// path does not exist. NULL when the method is not among them. A HEAD takes the route of GET. `parameters` gets the
// segments that stand for {…}, in order.
const struct route *route_match(const struct uri *uri, enum http_method method, bool with_test_clock,
                                struct bytes parameters[ROUTE_PARAMETERS_MAX], unsigned *allowed);

// True when any route of this path may be asked by browsers of other origins.
bool route_is_cors(const struct uri *uri);

// The value of an Allow header: "GET, HEAD, OPTIONS". `out` has ROUTE_ALLOW_BYTES.
void route_allow(unsigned allowed, char *out);
