// definition: what a person says a segment, a static list or a computed attribute is.
//
// Layer 5. Read from JSON with every mistake named, kept as a packed document, told as JSON. A change makes a new
// version with a number of its own, its `question`: whatever is stored of a customer's answers is kept by question, so
// that two versions live side by side while the newer one is being computed.
//
//   {"id":"vip","name":"Good customers","kind":"segment","include":"sum(total of \"Order Completed\") > 500",
//    "exclude":[{"name":"complaint","when":"sequence(\"Ticket Opened\" then not \"Ticket Closed\")"}],
//    "limit":{"top":1000,"by":"attributes.value"}, "control":0.1,"variants":[{"name":"a","share":0.5}, …]}
//   {"id":"value","kind":"attribute","expression":"sum(total of \"Order Completed\")"}
//   {"id":"guests","kind":"list"}
// Exclusions have names, no two alike; so have variants. A list may have variants and a control group, an attribute
// neither. Without "kind" it is a segment; without "name" the id is the name. What the workspace tells of a definition
// beside it ("version", "members"…) may stand in the document and means nothing: what was got can be changed and put.
// Memory: views and arrays live in the arena given.
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "rule/check.h"
#include "value/value.h"

enum {
  SEGMENT_ID_BYTES = 64, // letters (of ASCII), digits, _ and -, begins with a letter
  SEGMENT_DESCRIPTION_BYTES = 4096,
  SEGMENT_EXCLUSIONS_MAX = 16,   // of one segment
  SEGMENT_VARIANTS_MAX = 16,     // of one segment
  SEGMENT_SHARE_UNIT = 10000,    // shares are kept in hundredths of a percent
  SEGMENT_QUESTIONS_MAX = 10000, // live and building, in one workspace
  SEGMENT_LIMIT_MAX = 1000000,   // customers of a limited audience
};

enum segment_kind {
  SEGMENT_EXPRESSION,
  SEGMENT_LIST,
  SEGMENT_ATTRIBUTE,
  SEGMENT_SCORE, // not read here: its `include` is a document of whoever computes it (set.h)
};
enum segment_status {
  SEGMENT_BUILDING, // writers evaluate it, a scan computes what was there before; it answers nothing yet
  SEGMENT_LIVE,
  SEGMENT_REPLACED, // a newer version is live
  SEGMENT_ARCHIVED,
};

struct segment_exclusion {
  struct bytes name, when;
};
struct segment_variant {
  struct bytes name;
  uint32_t share; // of SEGMENT_SHARE_UNIT
};

struct segment_definition {
  struct bytes id, name, description;
  enum segment_kind kind;
  struct bytes include; // the expression: of a segment its include, of an attribute itself
  const struct segment_exclusion *exclusions;
  size_t exclusion_count;
  uint32_t limit;                         // 0: none
  struct bytes limit_by;                  // highest first; empty: at random
  uint32_t control;                       // share of the control group, of SEGMENT_SHARE_UNIT
  const struct segment_variant *variants; // shares of those outside the control group; they add up to at most the
                                          // whole; equal shares when none gives one
  size_t variant_count;
  // Given by the workspace, not by the person:
  uint32_t question; // from 1
  uint32_t version;  // of this id, from 1
  enum segment_status status;
  int64_t created_us, live_us; // live_us 0: not yet
  int64_t refreshed_us;        // of a score: when its thresholds were last looked for
  struct bytes author;
};

// Reads a person's document (packed JSON). ERR_INVALID with the member in words; the code of a wrong expression is that
// of the checker, its place in *where (zero when the mistake is elsewhere) and the member's name in *member.
// Expressions are parsed and checked with `catalog`; warnings go to `warnings` (may be NULL; only its output is used).
// Codes, beside those of expressions: wrong_type, unknown_member, missing_member, unknown_word, bad_id, bad_text,
// too_long, too_many (these two ERR_LIMIT), out_of_range, repeated, too_large (shares).
struct segment_mistake {
  struct bytes member; // "include", "exclude[1].when"; static or in the arena
  struct rule_diag expression;
};
enum err segment_definition_read(struct value document, const struct names *names, const struct rule_catalog *catalog,
                                 struct arena *arena, struct segment_definition *definition,
                                 struct rule_check *warnings, struct segment_mistake *mistake, struct diag *diag);

bool segment_id_is_good(struct bytes id);
const char *segment_kind_name(enum segment_kind kind);       // "segment", "list", "attribute", "score"
const char *segment_status_name(enum segment_status status); // "building", "live", "replaced", "archived"

// The stored form, and back. ERR_CORRUPT, ERR_NO_MEMORY.
void segment_definition_pack(const struct segment_definition *definition, struct value_builder *builder);
enum err segment_definition_unpack(struct value packed, const struct names *names, struct arena *arena,
                                   struct segment_definition *definition);

// The members of the person's document, then "version", "status", "created_at", "live_at", "author". The object stays
// open: the caller adds counts and ends it.
void segment_definition_json(const struct segment_definition *definition, struct json_writer *writer);

// --- stable shares (share.c) ---------------------------------------------------------------------------------

// Which part of a segment a customer is in: always the same for her and this id, whatever else changes, and independent
// of other segments. -1: the control group; else an index into variants; SEGMENT_VARIANTS_MAX: no variant.
int segment_variant_of(const struct segment_definition *definition, uint64_t customer);
// A number that orders customers at random, differently for each segment: the N lowest are N at random.
uint64_t segment_random_of(struct bytes id, uint64_t customer);
