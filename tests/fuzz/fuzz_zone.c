// fuzz_zone: any bytes either are refused as a time zone or make one whose answers agree with each other.
#include <stdlib.h>

#include "rule/zone.h"

enum { STEPS_MAX = 200 };

// The offset is the same from one change to just before the next, and each instant's wall clock leads back.
static void walk(const struct rule_zone *zone, int64_t time_us) {
  for (int step = 0; step < STEPS_MAX && time_us < INT64_MAX / 2; step++) {
    int64_t next_us = rule_zone_next_change(zone, time_us);
    int32_t offset_s = rule_zone_offset(zone, time_us);
    int32_t offsets[2] = {0, 0};
    int64_t gap_end_us = time_us;
    if (next_us <= time_us) abort();
    if (rule_zone_offset(zone, next_us - 1) != offset_s && next_us != INT64_MAX) abort();
    int count = rule_zone_offsets_of_wall(zone, time_us + offset_s * INT64_C(1000000), offsets, &gap_end_us);
    if (count == 0 || (count == 1 && offsets[0] != offset_s)) abort();
    time_us = next_us;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rule_zone *zone;
  struct diag diag;
  enum err err = rule_zone_open(&zone, "fuzz", bytes_of(data, size), &diag);
  if (err != ERR_OK) return err == ERR_CORRUPT ? 0 : (abort(), 0);
  static const int64_t FROM_US[] = {INT64_MIN / 2, -62135596800000000, 0, 2000000000000000, 253402300799000000};
  for (size_t i = 0; i < sizeof FROM_US / sizeof *FROM_US; i++) walk(zone, FROM_US[i]);
  rule_zone_close(zone);
  return 0;
}
