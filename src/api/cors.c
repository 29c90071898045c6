// The list of headers is what the recorded browser SDKs ask for, and what a client of one's own may reasonably send.
#include "api/cors.h"

#include <string.h>

static const char *const known_headers[] = {
    "accept",
    "anonymousid",
    "authorization",
    "baggage",
    "cache-control",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "sentat",
    "traceparent",
    "tracestate",
    "x-ids",
    "x-jitsu-custom",
    "x-requested-with",
    "x-retry-count",
    "x-write-key",
    // RudderStack's browser SDK sends these with a retry; without them the browser would drop every retried event.
    "rsa-retry-attempt",
    "rsa-retry-reason",
    "rsa-since-first-attempt",
    "rsa-since-last-attempt",
};

void cors_init(struct cors_policy *policy, const char *origins) {
  policy->origins = origins ? origins : "*";
}

// Takes the next item of a comma-separated list, trimmed. False at the end.
static bool next_item(struct bytes *rest, struct bytes *item) {
  if (rest->size_bytes == 0) return false;
  const uint8_t *comma = memchr(rest->data, ',', rest->size_bytes);
  size_t size = comma ? (size_t)(comma - rest->data) : rest->size_bytes;
  *item = bytes_trim(bytes_of(rest->data, size));
  size_t used = comma ? size + 1 : size;
  *rest = bytes_of(rest->data + used, rest->size_bytes - used);
  return true;
}

struct bytes cors_allow_origin(const struct cors_policy *policy, struct bytes origin) {
  struct bytes rest = bytes_from_text(policy->origins), item;
  while (next_item(&rest, &item)) {
    if (bytes_equal(item, BYTES("*"))) return origin.size_bytes ? origin : BYTES("*");
    if (origin.size_bytes && bytes_equal_ascii_case(item, origin)) return origin;
  }
  return BYTES("");
}

static bool is_known(struct bytes name) {
  for (size_t i = 0; i < sizeof known_headers / sizeof *known_headers; i++) {
    if (bytes_equal_ascii_case(name, bytes_from_text(known_headers[i]))) return true;
  }
  return false;
}

void cors_allow_headers(struct bytes asked, char *out) {
  size_t size = 0;
  struct bytes item;
  while (next_item(&asked, &item)) {
    size_t separator = size ? 2 : 0;
    if (!is_known(item) || size + separator + item.size_bytes + 1 > CORS_HEADERS_BYTES) continue;
    memcpy(out + size, ", ", separator);
    memcpy(out + size + separator, item.data, item.size_bytes);
    size += separator + item.size_bytes;
  }
  out[size] = 0;
}
