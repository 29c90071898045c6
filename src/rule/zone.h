// zone: an IANA time zone, from the bytes of its TZif file (RFC 8536, versions 1 to 4, with the footer's POSIX rule for
// times after the last transition).
//
// Layer 2, inside rule/; pure: who reads the file gives its bytes. A zone is read-only and may be shared by threads.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/diag.h"

struct rule_zone;

// Copies what it needs. ERR_CORRUPT code "bad_zone" with what is wrong and where; ERR_NO_MEMORY. `name` is kept for
// messages: "Europe/Paris".
enum err rule_zone_open(struct rule_zone **zone, const char *name, struct bytes tzif, struct diag *diag);
// UTC, which needs no file.
enum err rule_zone_open_utc(struct rule_zone **zone);
void rule_zone_close(struct rule_zone *zone);
const char *rule_zone_name(const struct rule_zone *zone);
// No two zones of a process have the same, from 1: whoever keeps what was worked out with one knows it again.
uint64_t rule_zone_serial(const struct rule_zone *zone);

// Seconds east of Greenwich in force at an instant (microseconds since 1970 UTC).
int32_t rule_zone_offset(const struct rule_zone *zone, int64_t time_us);

// The offsets that a wall clock (microseconds as if it were UTC) can have: 1 outside changes, 2 in an overlap (the
// first one first), 0 in a gap; then *gap_end_us is the instant at which the gap ends.
int rule_zone_offsets_of_wall(const struct rule_zone *zone, int64_t wall_us, int32_t offsets[2], int64_t *gap_end_us);

// The first instant after `time_us` at which the offset changes; INT64_MAX for never.
int64_t rule_zone_next_change(const struct rule_zone *zone, int64_t time_us);
