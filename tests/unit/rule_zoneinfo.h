// rule_zoneinfo: the machine's time zone files (Debian: tzdata), for the tests of rule/.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rule/zone.h"

#define ZONEINFO "/usr/share/zoneinfo/"
enum { ZONEINFO_FILE_BYTES = 16384 };

// The bytes of the zone `name` in `file`; empty when this machine has no such file.
static inline struct bytes zoneinfo_read(const char *name, uint8_t file[ZONEINFO_FILE_BYTES]) {
  char path[256];
  snprintf(path, sizeof path, ZONEINFO "%s", name);
  FILE *stream = fopen(path, "rb");
  if (stream == NULL) return bytes_of(NULL, 0);
  size_t size = fread(file, 1, ZONEINFO_FILE_BYTES, stream);
  fclose(stream);
  assert_true(size > 0 && size < ZONEINFO_FILE_BYTES);
  return bytes_of(file, size);
}

// NULL, with a sentence, when this machine has no such file. Closed by the caller.
static inline struct rule_zone *zoneinfo_open(const char *name) {
  static uint8_t file[ZONEINFO_FILE_BYTES];
  struct rule_zone *zone;
  struct diag diag = {.message = ""};
  struct bytes tzif = zoneinfo_read(name, file);
  if (tzif.size_bytes == 0) {
    printf("skipped: there is no " ZONEINFO "%s here; Debian's package tzdata has it\n", name);
    return NULL;
  }
  if (rule_zone_open(&zone, name, tzif, &diag) != ERR_OK) fail_msg("%s", diag.message);
  return zone;
}
