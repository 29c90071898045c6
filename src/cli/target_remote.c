// target_remote: a call as one HTTP request, a problem document back as a diag.
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/http.h"
#include "cli/target.h"
#include "value/value.h"

enum { KEY_BYTES_MAX_LINE = 512 };

static const struct {
  const char *method, *path;
} ops[TARGET_OP_COUNT] = {
#define OP(upper, method, path, function) [TARGET_##upper] = {method, path},
#include "cli/target_ops.def"
#undef OP
};

static const char *const arg_names[TARGET_ARG_COUNT] = {
#define X(upper, lower) [TARGET_ARG_##upper] = #lower,
    TARGET_ARGS(X)
#undef X
};

static const char *argument(const struct target_call *call, const char *name, size_t size) {
  for (int i = 0; i < TARGET_ARG_COUNT; i++) {
    if (strlen(arg_names[i]) == size && memcmp(arg_names[i], name, size) == 0) return call->args[i];
  }
  assert(false && "a path of target_ops.def names an unknown argument");
  return NULL;
}

// RFC 3986: everything but the unreserved characters.
static void append_escaped(struct buffer *out, const char *text) {
  for (; *text != '\0'; text++) {
    uint8_t byte = (uint8_t)*text;
    if (isalnum(byte) || strchr("-._~", byte) != NULL) {
      buffer_append_byte(out, byte);
    } else {
      buffer_append_format(out, "%%%02X", byte);
    }
  }
}

static void append_query(const struct target_call *call, const char *names, struct buffer *out) {
  char joint = '?';
  while (*names != '\0') {
    size_t size = strcspn(names, "&");
    const char *value = argument(call, names, size);
    if (value != NULL) {
      buffer_append_format(out, "%c%.*s=", joint, (int)size, names);
      append_escaped(out, value);
      joint = '&';
    }
    names += size + (names[size] == '&');
  }
}

void target_path(const struct target_call *call, struct buffer *out) {
  const char *path = ops[call->op].path;
  while (*path != '\0' && *path != '?') {
    size_t plain = strcspn(path, "{?");
    buffer_append(out, path, plain);
    path += plain;
    if (*path != '{') continue;
    size_t size = strcspn(path + 1, "}");
    const char *value = argument(call, path + 1, size);
    assert(value != NULL);
    append_escaped(out, value);
    path += size + 2;
  }
  if (*path == '?') append_query(call, path + 1, out);
}

// Copies the text member `name` of a problem document.
static bool copy_member(struct value document, const struct names *names, const char *name, char *out, size_t bytes) {
  struct bytes text;
  if (!value_as_text(value_member(document, names, bytes_from_text(name)), &text)) return false;
  snprintf(out, bytes, "%.*s", BYTES_ARG(text));
  return true;
}

enum err target_remote_problem(unsigned status, struct bytes body, struct diag *diag) {
  struct names *names = NULL;
  struct value_parser *parser = NULL;
  struct buffer packed;
  char detail[DIAG_MESSAGE_BYTES], code[DIAG_CODE_BYTES] = "http";
  snprintf(detail, sizeof detail, "the server answered %u", status);
  buffer_init(&packed);
  if (names_open(&names, NULL, NULL) == ERR_OK && value_parser_open(&parser) == ERR_OK &&
      value_parse_json(parser, body, names, &packed, NULL) == ERR_OK) {
    struct value document = {buffer_view(&packed)};
    copy_member(document, names, "code", code, sizeof code);
    if (!copy_member(document, names, "detail", detail, sizeof detail)) {
      copy_member(document, names, "title", detail, sizeof detail);
    }
  }
  if (parser != NULL) value_parser_close(parser);
  if (names != NULL) names_close(names);
  buffer_release(&packed);
  enum err err = status == 404                    ? ERR_NOT_FOUND
                 : status == 401 || status == 403 ? ERR_DENIED
                 : status == 409                  ? ERR_CONFLICT
                 : status == 429                  ? ERR_BUSY
                 : status >= 500                  ? ERR_IO
                                                  : ERR_INVALID;
  const char *hint = status == 401 ? " (give the key in RAPPORT_KEY or --key-file)" : "";
  return diag_set(diag, err, code, "%s%s", detail, hint);
}

enum err target_remote_call(struct http *http, const struct target_call *call, struct buffer *out, struct diag *diag) {
  struct buffer path;
  struct http_reply reply;
  buffer_init(&path);
  http_reply_init(&reply);
  target_path(call, &path);
  buffer_append_byte(&path, '\0');
  enum err err = path.failed ? diag_no_memory(diag)
                             : http_send(http, ops[call->op].method, (const char *)path.data, call->body, &reply, diag);
  if (err == ERR_OK && (reply.status < 200 || reply.status > 299)) {
    err = target_remote_problem(reply.status, buffer_view(&reply.body), diag);
  }
  if (err == ERR_OK) {
    struct bytes document = bytes_trim(buffer_view(&reply.body));
    buffer_append_bytes(out, document.size_bytes > 0 ? document : BYTES("{}"));
  }
  http_reply_release(&reply);
  buffer_release(&path);
  return err;
}

// The first line of --key-file, into `key`.
static enum err read_key_file(const char *path, char *key, struct diag *diag) {
  FILE *file = fopen(path, "re");
  bool read = file != NULL && fgets(key, KEY_BYTES_MAX_LINE, file) != NULL;
  int error = errno;
  if (file != NULL) fclose(file);
  if (!read) {
    return diag_set(diag, ERR_NOT_FOUND, "usage", "cannot read a key from --key-file %.200s: %s", path,
                    file == NULL ? strerror(error) : "it is empty");
  }
  key[strcspn(key, " \t\r\n")] = '\0';
  return ERR_OK;
}

enum err target_remote_open(struct http **http, const struct options *options, struct diag *diag) {
  char key[KEY_BYTES_MAX_LINE] = "";
  const char *file = options_text(options, OPTION_KEY_FILE, NULL);
  enum err err = ERR_OK;
  // The stronger origin wins; a key itself over a file that names one.
  bool from_file = file != NULL && (options->values[OPTION_KEY].text == NULL ||
                                    options->origins[OPTION_KEY_FILE] > options->origins[OPTION_KEY]);
  if (from_file) {
    err = read_key_file(file, key, diag);
  } else {
    snprintf(key, sizeof key, "%s", options_text(options, OPTION_KEY, ""));
  }
  if (err == ERR_OK) err = http_open(http, options_text(options, OPTION_URL, ""), key, diag);
  explicit_bzero(key, sizeof key);
  return err;
}
