// param: one reader a type, in a table; each reads the whole text or refuses it.
#include "cli/param.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "quality/quality.h"

enum { GIVEN_SHOWN_BYTES = 80, EXPECTED_BYTES = 256, NEAREST_NAME_BYTES = 64 };

struct unit {
  const char *name;
  int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},        {"B", 1},       {"KiB", 1024},   {"MiB", 1024 * 1024},   {"GiB", 1024 * 1024 * 1024},
    {"kB", 1000},   {"KB", 1000},   {"MB", 1000000}, {"GB", 1000 * 1000000}, {"K", 1024},
    {"M", 1 << 20}, {"G", 1 << 30},
};

static const struct unit duration_units[] = {
    {"ms", CLOCK_MS_US},  {"s", CLOCK_SECOND_US}, {"m", 60 * (int64_t)CLOCK_SECOND_US},
    {"h", CLOCK_HOUR_US}, {"d", CLOCK_DAY_US},
};

// A whole number and one of the units, nothing between but spaces.
static bool read_units(const char *text, const struct unit *units, size_t count, int64_t *out) {
  size_t digits = strspn(text, "0123456789");
  uint64_t number;
  if (bytes_to_u64(bytes_of(text, digits), &number) != ERR_OK || number > INT64_MAX) return false;
  const char *name = text + digits + strspn(text + digits, " ");
  for (size_t i = 0; i < count; i++) {
    if (strcmp(units[i].name, name) == 0) return !__builtin_mul_overflow((int64_t)number, units[i].factor, out);
  }
  return false;
}

static bool read_switch(const struct param *param, const char *text, int64_t *out) {
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
  (void)param;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcasecmp(text, words[i]) != 0) continue;
    *out = (int64_t)(i % 2);
    return true;
  }
  return false;
}

static bool read_text(const struct param *param, const char *text, int64_t *out) {
  (void)param, (void)out;
  return *text != '\0' && bytes_is_utf8(bytes_from_text(text));
}

// File names are bytes: they need not be UTF-8.
static bool read_path(const struct param *param, const char *text, int64_t *out) {
  (void)param, (void)out;
  return *text != '\0';
}

static bool read_url(const struct param *param, const char *text, int64_t *out) {
  (void)param, (void)out;
  const char *host = strncmp(text, "https://", 8) == 0 ? text + 8 : strncmp(text, "http://", 7) == 0 ? text + 7 : "";
  return *host != '\0' && *host != '/' && strpbrk(text, " ?#") == NULL;
}

static bool read_number(const struct param *param, const char *text, int64_t *out) {
  uint64_t number, least = 0, most = INT64_MAX;
  if (param->values != NULL && sscanf(param->values, "%" SCNu64 "..%" SCNu64, &least, &most) < 1) return false;
  if (bytes_to_u64(bytes_from_text(text), &number) != ERR_OK || number < least || number > most) return false;
  *out = (int64_t)number;
  return true;
}

static bool read_size(const struct param *param, const char *text, int64_t *out) {
  (void)param;
  return read_units(text, size_units, sizeof size_units / sizeof *size_units, out);
}

static bool read_duration(const struct param *param, const char *text, int64_t *out) {
  (void)param;
  return read_units(text, duration_units, sizeof duration_units / sizeof *duration_units, out);
}

static bool read_time(const struct param *param, const char *text, int64_t *out) {
  (void)param;
  return clock_parse(bytes_from_text(text), out) == ERR_OK;
}

// Splits at the last colon; false when there is none or the host is empty or too long.
static bool split_address(const char *text, char *host, const char **port) {
  const char *colon = strrchr(text, ':');
  if (colon == NULL || colon == text || (size_t)(colon - text) >= PARAM_ADDRESS_BYTES) return false;
  bool bracketed = *text == '[' && colon[-1] == ']';
  if (!bracketed && memchr(text, ':', (size_t)(colon - text)) != NULL) return false;
  size_t from = bracketed ? 1 : 0, size = (size_t)(colon - text) - 2 * from;
  memcpy(host, text + from, size);
  host[size] = '\0';
  *port = colon + 1;
  return size > 0;
}

static bool read_address(const struct param *param, const char *text, int64_t *out) {
  (void)param;
  char host[PARAM_ADDRESS_BYTES];
  const char *port;
  uint64_t number;
  uint8_t binary[16];
  if (!split_address(text, host, &port)) return false;
  if (inet_pton(AF_INET, host, binary) != 1 && inet_pton(AF_INET6, host, binary) != 1 && strcmp(host, "localhost") != 0)
    return false;
  if (bytes_to_u64(bytes_from_text(port), &number) != ERR_OK || number > 65535) return false;
  *out = (int64_t)number;
  return true;
}

static bool read_choice(const struct param *param, const char *text, int64_t *out) {
  int64_t index = 0;
  for (const char *at = param->values; *at != '\0'; index++) {
    size_t size = strcspn(at, "|");
    if (strlen(text) == size && memcmp(at, text, size) == 0) {
      *out = index;
      return true;
    }
    at += size + (at[size] == '|');
  }
  return false;
}

static const struct {
  bool (*read)(const struct param *param, const char *text, int64_t *out);
  const char *expected;
} types[] = {
    [PARAM_SWITCH] = {read_switch, "true or false"},
    [PARAM_TEXT] = {read_text, "text that is not empty, in UTF-8"},
    [PARAM_SECRET] = {read_text, "text that is not empty"},
    [PARAM_PATH] = {read_path, "a path"},
    [PARAM_URL] = {read_url, "an address such as http://127.0.0.1:8080"},
    [PARAM_NUMBER] = {read_number, "a whole number"},
    [PARAM_SIZE] = {read_size, "a size such as 512MiB, 2GiB or 65536"},
    [PARAM_DURATION] = {read_duration, "a duration such as 250ms, 10s, 5m, 2h or 7d"},
    [PARAM_TIME] = {read_time, "a time such as 2026-11-22T00:16:39Z, or a date such as 2026-11-22"},
    [PARAM_ADDRESS] = {read_address, "ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080 (port 0 to 65535)"},
    [PARAM_CHOICE] = {read_choice, "one of "},
};

void param_expected(const struct param *param, char *out, size_t out_bytes) {
  const char *values = "", *joint = "";
  if (param->type == PARAM_NUMBER && param->values != NULL) joint = " in ", values = param->values;
  if (param->type == PARAM_CHOICE) values = param->values;
  snprintf(out, out_bytes, "%s%s%s", types[param->type].expected, joint, values);
}

enum err param_read(const struct param *param, const char *text, struct param_value *value, struct diag *diag) {
  struct param_value read = {.text = text, .number = 0};
  if (types[param->type].read(param, text, &read.number)) {
    *value = read;
    return ERR_OK;
  }
  char expected[EXPECTED_BYTES];
  param_expected(param, expected, sizeof expected);
  if (param->type == PARAM_SECRET) return diag_set(diag, ERR_INVALID, "usage", "cannot be read; expected %s", expected);
  return diag_set(diag, ERR_INVALID, "usage", "is \"%.*s\"; expected %s", GIVEN_SHOWN_BYTES, text, expected);
}

void param_host(const char *address, char *host) {
  const char *port;
  if (!split_address(address, host, &port)) host[0] = '\0';
}

bool param_is_loopback(const char *host) {
  return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

// Half of the letters may be wrong at most, and never more than three: a farther name would only mislead.
const char *param_nearest(const char *given, const char *const *names, size_t count) {
  size_t length = strlen(given);
  int most = length < 4 ? 1 : length < 8 ? 2 : 3;
  const char *nearest = NULL;
  if (length > NEAREST_NAME_BYTES) return NULL;
  for (size_t i = 0; i < count; i++) {
    int distance = quality_distance(bytes_from_text(given), bytes_from_text(names[i]), most);
    if (distance > most) continue;
    nearest = names[i];
    most = distance - 1;
    if (distance == 0) break;
  }
  // A word begun rightly is meant, however much is missing: "cust" is customer.
  for (size_t i = 0; nearest == NULL && length >= 3 && i < count; i++) {
    if (strncmp(names[i], given, length) == 0) nearest = names[i];
  }
  return nearest;
}
