// scheme: what a person says a score of customers is, and the thresholds that were found for it.
//
// Layer 5. Pure. Read from JSON with every mistake named, told as JSON, stored as the same JSON: what was found stands
// beside what was said, so that a version of a score is one document.
//
//   {"id":"rfm","kind":"rfm","ranges":["Phones","Cases"],"window":"24 months","method":"quantile","bins":5,
//    "refresh":"monthly","segments":{…},"thresholds":{"global":{…},"ranges":{"Phones":{…}}}}
// Without "ranges" it is of all products alone; "auto": also of each range that was seen. Without "segments" they are
// those of R's package rfm. "thresholds" are given for the method "fixed"; else they are found, told, and mean nothing
// in what a person puts.
// Memory: views and arrays live in the arena given.
#pragma once

#include "rule/unit.h"
#include "scoring/rfm.h"

enum {
  SCHEME_ID_BYTES = 64,
  SCHEME_DESCRIPTION_BYTES = 4096,
  SCHEME_RANGES_MAX = 64,
  SCHEME_RANGE_BYTES = 128, // longer ones are not seen by "auto"
};

#define SCHEME_ALL "all" // what no range is called: it is beside them in what is told of a customer

enum scheme_refresh { SCHEME_NEVER, SCHEME_DAILY, SCHEME_WEEKLY, SCHEME_MONTHLY };

struct scheme {
  struct bytes id, name, description;
  bool automatic;      // ranges are those that were seen
  struct bytes window; // "24 months"; empty: all orders there ever were
  struct rule_duration length;
  enum rfm_method method;
  unsigned bins;
  enum scheme_refresh refresh;
  bool own_segments; // `segments` were given
  struct rfm_segments segments;
  struct bytes *ranges;          // no two alike
  struct rfm_thresholds *bounds; // of all products, then of each range; `bins` 0: nobody had bought
  size_t range_count;
};

const char *scheme_refresh_name(enum scheme_refresh refresh); // "monthly"

// A person's document. ERR_INVALID, ERR_LIMIT with the member in words: codes bad_id, wrong_type, unknown_member,
// missing_member, unknown_word, out_of_range, repeated, bad_text, too_long, too_many, and those of rfm.h.
enum err scheme_read(struct value document, const struct names *names, struct arena *arena, struct scheme *scheme,
                     struct diag *diag);

// What scheme_write wrote. ERR_CORRUPT, ERR_NO_MEMORY.
enum err scheme_read_stored(struct value document, const struct names *names, struct arena *arena,
                            struct scheme *scheme);

// Room for the thresholds of `ranges` ranges: none found yet. ERR_NO_MEMORY.
enum err scheme_make_room(struct scheme *scheme, size_t ranges, struct arena *arena);

// All members but "id", "name" and "description", into an open object.
void scheme_write(const struct scheme *scheme, struct json_writer *writer);
