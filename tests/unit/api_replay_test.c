// What real SDKs put on the wire, sent to a running server: every recorded request is taken, with its own headers,
// compression and way of carrying the key. The recordings are not part of this repository: they are looked for in
// $RAPPORT_SHARED and in ../shared beside the source tree.
#include "api_kit.h"

#include <dirent.h>
#include <zlib.h>

#include "value/value.h"

static struct kit kit;
static struct names *names;
static struct value_parser *parser;

enum { PATH_BYTES = 1024, FILE_BYTES_MAX = 16 * 1024 * 1024 };

static bool find_recordings(const char *name, char path[PATH_BYTES]) {
  const char *shared = getenv("RAPPORT_SHARED");
  if (shared) {
    snprintf(path, PATH_BYTES, "%s/sdk-captures/%s", shared, name);
  } else {
    snprintf(path, PATH_BYTES, "%s", __FILE__);
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
    size_t size = strlen(path);
    snprintf(path + size, PATH_BYTES - size, "/../../../shared/sdk-captures/%s", name);
  }
  DIR *folder = opendir(path);
  if (folder) closedir(folder);
  return folder != NULL;
}

static struct bytes member_text(struct value document, const char *name) {
  struct bytes text = BYTES("");
  value_as_text(value_member(document, names, bytes_from_text(name)), &text);
  return text;
}

// Copies `text` with every recorded key replaced by ours.
static char *with_our_key(struct bytes text) {
  static const char *const recorded[] = {"WK_web_123", "WK_web_rud", "WK_test_123"};
  struct buffer out;
  buffer_init(&out);
  for (size_t i = 0; i < text.size_bytes;) {
    size_t used = 0;
    for (size_t k = 0; k < 3 && !used; k++) {
      struct bytes key = bytes_from_text(recorded[k]), rest = bytes_of(text.data + i, text.size_bytes - i);
      if (!bytes_starts_with(rest, key)) continue;
      buffer_append_text(&out, kit.write_key);
      used = key.size_bytes;
    }
    if (!used) buffer_append_byte(&out, text.data[i]);
    i += used ? used : 1;
  }
  buffer_append_byte(&out, 0);
  assert_false(out.failed);
  char *copy = strdup((char *)out.data);
  buffer_release(&out);
  assert_non_null(copy);
  return copy;
}

static struct bytes gzip(const char *plain) {
  z_stream stream = {0};
  assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  size_t room = deflateBound(&stream, strlen(plain)) + 64;
  uint8_t *out = malloc(room);
  assert_non_null(out);
  stream.next_in = (uint8_t *)(uintptr_t)plain;
  stream.avail_in = (unsigned)strlen(plain);
  stream.next_out = out;
  stream.avail_out = (unsigned)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  deflateEnd(&stream);
  return bytes_of(out, room - stream.avail_out);
}

static char *json_of(struct value value) {
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  value_to_json(&writer, value, names);
  assert_false(out.failed);
  char *text = with_our_key(buffer_view(&out));
  buffer_release(&out);
  return text;
}

static size_t count_events(struct value body) {
  struct value batch = value_member(body, names, BYTES("batch"));
  if (value_is_absent(batch)) return 1;
  struct value_iter iter = value_iterate(batch);
  size_t count = 0;
  while (value_next(&iter)) count++;
  return count;
}

static unsigned long number_after(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

// The headers that decide: where the key is, what the body claims to be.
static void copy_headers(struct value recorded, struct kit_request *request, char lines[4][512]) {
  struct bytes type = member_text(recorded, "content-type"), encoding = member_text(recorded, "content-encoding");
  size_t count = 0;
  if (type.size_bytes) snprintf(lines[count++], 512, "Content-Type: %.*s", BYTES_ARG(type));
  if (encoding.size_bytes) snprintf(lines[count++], 512, "Content-Encoding: %.*s", BYTES_ARG(encoding));
  if (member_text(recorded, "x-write-key").size_bytes) {
    snprintf(lines[count++], 512, "X-Write-Key: kid:%s", kit.write_key);
  }
  if (member_text(recorded, "authorization").size_bytes) request->key = kit.write_key;
  for (size_t i = 0; i < count; i++) request->headers[i] = lines[i];
}

static void replay(const char *file, struct value recorded, unsigned *sent) {
  struct bytes method = member_text(recorded, "method");
  struct value body = value_member(recorded, names, BYTES("body"));
  struct value headers = value_member(recorded, names, BYTES("headers"));
  if (!bytes_equal(method, BYTES("POST")) || value_type(body) != VALUE_DOCUMENT) return;
  char lines[4][512];
  char *path = with_our_key(member_text(recorded, "url")), *json = json_of(body);
  struct kit_request request = {.path = path, .body = json};
  struct bytes zipped = {NULL, 0};
  copy_headers(headers, &request, lines);
  if (member_text(headers, "content-encoding").size_bytes) {
    zipped = gzip(json);
    request.body = NULL;
    request.raw = zipped;
  }
  struct kit_reply reply = kit_ask(&kit, request);
  unsigned long told = number_after(reply.body, "\"taken\":") + number_after(reply.body, "\"duplicates\":");
  if (reply.status != 200 || told + (strstr(reply.body, "too_large") ? 1 : 0) != count_events(body)) {
    fail_msg("%s %s: %ld %.300s for %.300s", file, path, reply.status, reply.body, json);
  }
  ++*sent;
  kit_reply_release(&reply);
  free((void *)(uintptr_t)zipped.data);
  free(path);
  free(json);
}

static void replay_file(const char *folder, const char *name, unsigned *sent) {
  char path[PATH_BYTES + 300];
  struct buffer packed;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char *text = malloc(FILE_BYTES_MAX);
  assert_non_null(text);
  size_t size = fread(text, 1, FILE_BYTES_MAX, file);
  fclose(file);
  buffer_init(&packed);
  assert_int_equal(value_parse_json(parser, bytes_of(text, size), names, &packed, NULL), ERR_OK);
  struct value document = {buffer_view(&packed)};
  struct value_iter iter = value_iterate(value_member(document, names, BYTES("requests")));
  while (value_next(&iter)) replay(name, iter.item, sent);
  buffer_release(&packed);
  free(text);
}

static void replay_folder(const char *name) {
  char path[PATH_BYTES];
  unsigned sent = 0;
  if (!find_recordings(name, path)) {
    print_message("the recordings of %s SDKs are not here: skipped\n", name);
    skip();
  }
  DIR *folder = opendir(path);
  assert_non_null(folder);
  for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
    const char *dot = strrchr(entry->d_name, '.');
    if (dot && strcmp(dot, ".json") == 0) replay_file(path, entry->d_name, &sent);
  }
  closedir(folder);
  print_message("%u recorded requests were taken\n", sent);
  assert_true(sent > 0);
}

static void browser_sdks(void **state) {
  (void)state;
  replay_folder("browser");
}

static void server_sdks(void **state) {
  (void)state;
  replay_folder("node");
}

static int setup(void **state) {
  (void)state;
  kit_open(&kit, NULL);
  return names_open(&names, NULL, NULL) || value_parser_open(&parser);
}

static int teardown(void **state) {
  (void)state;
  value_parser_close(parser);
  names_close(names);
  kit_close(&kit);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(browser_sdks),
      cmocka_unit_test(server_sdks),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
