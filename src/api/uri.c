// The target is cut at the first '?', the path at '/', the query at '&' and '='; only then is each piece decoded.
// An empty query piece ("a=1&&b=2") is skipped, as browsers and servers do.
#include "api/uri.h"

#include <string.h>

static int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum err uri_decode(struct bytes text, bool plus, struct arena *arena, struct bytes *out, struct diag *diag) {
  uint8_t *decoded = arena_take(arena, text.size_bytes + 1);
  if (!decoded) return diag_no_memory(diag);
  size_t size = 0;
  for (size_t i = 0; i < text.size_bytes; i++) {
    uint8_t c = text.data[i];
    if (c == '%') {
      int high = i + 2 < text.size_bytes ? hex_digit(text.data[i + 1]) : -1;
      int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
      if (low < 0) {
        return diag_set(diag, ERR_INVALID, "bad_percent_encoding",
                        "A percent sign in the address must be followed by two hexadecimal digits; write %%25 for the "
                        "sign itself.");
      }
      c = (uint8_t)(high << 4 | low);
      i += 2;
    } else if (plus && c == '+') {
      c = ' ';
    }
    if (c == 0) return diag_set(diag, ERR_INVALID, "nul_in_path", "The address holds a NUL character.");
    decoded[size++] = c;
  }
  decoded[size] = 0;
  *out = bytes_of(decoded, size);
  if (!bytes_is_utf8(*out)) return diag_set(diag, ERR_INVALID, "invalid_utf8", "The address is not valid UTF-8.");
  return ERR_OK;
}

// Takes from `rest` what stands before `separator` and moves past it. False when `rest` is used up.
static bool cut(struct bytes *rest, uint8_t separator, struct bytes *piece) {
  if (!rest->data) return false;
  const uint8_t *end = rest->size_bytes ? memchr(rest->data, separator, rest->size_bytes) : NULL;
  if (!end) {
    *piece = *rest;
    *rest = (struct bytes){NULL, 0};
    return true;
  }
  *piece = bytes_of(rest->data, (size_t)(end - rest->data));
  *rest = bytes_of(end + 1, rest->size_bytes - piece->size_bytes - 1);
  return true;
}

static enum err parse_path(struct uri *uri, struct bytes path, struct arena *arena, struct diag *diag) {
  struct bytes rest = bytes_of(path.data + 1, path.size_bytes - 1), piece;
  if (rest.size_bytes && rest.data[rest.size_bytes - 1] == '/') rest.size_bytes--;
  while (cut(&rest, '/', &piece)) {
    if (uri->segment_count == URI_SEGMENTS_MAX) {
      return diag_set(diag, ERR_NOT_FOUND, "no_route", "There is no such address.");
    }
    enum err err = uri_decode(piece, false, arena, &uri->segments[uri->segment_count], diag);
    if (err) return err;
    uri->segment_count++;
  }
  return ERR_OK;
}

static enum err parse_query(struct uri *uri, struct bytes query, struct arena *arena, struct diag *diag) {
  struct bytes rest = query, piece;
  while (cut(&rest, '&', &piece)) {
    if (piece.size_bytes == 0) continue;
    if (uri->parameter_count == URI_PARAMETERS_MAX) {
      return diag_set(diag, ERR_INVALID, "too_many_parameters", "The address has more than %d parameters.",
                      URI_PARAMETERS_MAX);
    }
    struct uri_parameter *parameter = &uri->parameters[uri->parameter_count];
    struct bytes value = piece, name;
    cut(&value, '=', &name);
    if (!value.data) value = BYTES("");
    enum err err = uri_decode(name, true, arena, &parameter->name, diag);
    if (!err) err = uri_decode(value, true, arena, &parameter->value, diag);
    if (err) return err;
    uri->parameter_count++;
  }
  return ERR_OK;
}

// The absolute form "http://host/path" is what proxies send; the authority is not looked at.
static struct bytes skip_authority(struct bytes target) {
  const struct bytes schemes[] = {BYTES("http://"), BYTES("https://")};
  for (size_t i = 0; i < 2; i++) {
    if (!bytes_starts_with(target, schemes[i])) continue;
    struct bytes rest = bytes_of(target.data + schemes[i].size_bytes, target.size_bytes - schemes[i].size_bytes);
    const uint8_t *slash = rest.size_bytes ? memchr(rest.data, '/', rest.size_bytes) : NULL;
    if (slash) return bytes_of(slash, rest.size_bytes - (size_t)(slash - rest.data));
  }
  return target;
}

enum err uri_parse(struct uri *uri, struct bytes target, struct arena *arena, struct diag *diag) {
  uri->segment_count = 0;
  uri->parameter_count = 0;
  if (target.size_bytes > URI_TARGET_BYTES_MAX) {
    return diag_set(diag, ERR_INVALID, "path_too_long", "The address is longer than %d bytes.", URI_TARGET_BYTES_MAX);
  }
  target = skip_authority(target);
  if (target.size_bytes == 0 || target.data[0] != '/') {
    return diag_set(diag, ERR_INVALID, "bad_target", "The address must begin with a slash.");
  }
  struct bytes rest = target, path;
  cut(&rest, '?', &path);
  enum err err = parse_path(uri, path, arena, diag);
  if (!err && rest.data) err = parse_query(uri, rest, arena, diag);
  return err;
}

enum err uri_find(const struct uri *uri, const char *name, struct bytes *value, struct diag *diag) {
  struct bytes wanted = bytes_from_text(name);
  *value = (struct bytes){NULL, 0};
  for (size_t i = 0; i < uri->parameter_count; i++) {
    if (!bytes_equal(uri->parameters[i].name, wanted)) continue;
    if (value->data) {
      diag_set(diag, ERR_INVALID, "duplicate_parameter", "The parameter %s is given twice.", name);
      diag_in_field(diag, "%s", name);
      return ERR_INVALID;
    }
    *value = uri->parameters[i].value;
  }
  return ERR_OK;
}
