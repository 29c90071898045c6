// Fuzz target: what a stranger can send before any key is checked: the target, the headers that may carry a key, the
// body with its compression, and the JSON that it should be.
//
// The first byte chooses the declared encoding, the second how much of the rest is the target; what follows is the
// body. Checked: a decoded body keeps the limit, a decoded target is UTF-8 without NUL, a refusal has a code.
#include <assert.h>
#include <string.h>

#include "api/body.h"
#include "api/credential.h"
#include "api/uri.h"
#include "value/value.h"

enum { LIMIT_BYTES = 256 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void check_target(struct bytes target, struct arena *arena) {
  struct uri uri;
  struct diag diag;
  diag_init(&diag);
  if (uri_parse(&uri, target, arena, &diag)) {
    assert(diag.code[0] != 0);
    return;
  }
  assert(uri.segment_count <= URI_SEGMENTS_MAX && uri.parameter_count <= URI_PARAMETERS_MAX);
  for (size_t i = 0; i < uri.segment_count; i++) {
    assert(bytes_is_utf8(uri.segments[i]));
    assert(uri.segments[i].size_bytes == 0 || !memchr(uri.segments[i].data, 0, uri.segments[i].size_bytes));
  }
}

static void check_credential(struct bytes text, struct arena *arena) {
  struct credential credential;
  struct credential_input input = {.authorization = text};
  if (credential_find(&input, arena, &credential, NULL) == ERR_OK) assert(credential.count <= 2);
  credential_from_text(text, &credential);
  for (size_t i = 0; i < credential.count; i++) assert(credential.candidates[i].size_bytes <= text.size_bytes);
}

static void check_json(struct bytes body, struct names *names) {
  struct value_parser *parser;
  struct buffer packed;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&packed);
  assert(value_parser_open(&parser) == ERR_OK);
  if (value_parse_json(parser, body, names, &packed, &diag)) assert(diag.code[0] != 0);
  value_parser_close(parser);
  buffer_release(&packed);
}

static void check_body(struct bytes raw, struct bytes encoding, struct names *names) {
  struct body_decoder decoder;
  struct bytes body;
  struct diag diag;
  diag_init(&diag);
  body_decoder_init(&decoder);
  if (body_decode(&decoder, raw, encoding, LIMIT_BYTES, &body, &diag) == ERR_OK) {
    assert(body.size_bytes <= LIMIT_BYTES);
    check_json(body, names);
  } else {
    assert(diag.code[0] != 0);
  }
  body_decoder_release(&decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static const char *const encodings[] = {"", "gzip", "deflate", "identity", "br"};
  static struct names *names;
  if (!names) assert(names_open(&names, NULL, NULL) == ERR_OK);
  if (size_bytes < 2) return 0;
  struct arena arena;
  arena_init(&arena, 0);
  struct bytes rest = bytes_of(data + 2, size_bytes - 2);
  size_t cut = data[1] < rest.size_bytes ? data[1] : rest.size_bytes;
  check_target(bytes_of(rest.data, cut), &arena);
  check_credential(bytes_of(rest.data, cut), &arena);
  check_body(bytes_of(rest.data + cut, rest.size_bytes - cut), bytes_from_text(encodings[data[0] % 5]), names);
  arena_release(&arena);
  return 0;
}
