// schema: what is learnt of named values (traits, properties) while a sample is read.
//
// A catalogue holds at most its limit of names; later ones are not counted, and the answer says so ("truncated").
// Everything lives in the arena given, which outlives the catalogue's use; each name takes a bounded amount of it.
#pragma once

#include "engine/internal.h"

enum {
  SCHEMA_TRAITS_MAX = 2048,    // names of traits
  SCHEMA_EVENTS_MAX = 1024,    // names of events
  SCHEMA_PROPERTIES_MAX = 256, // names of properties of one event
  SCHEMA_EXAMPLES_MAX = 3,
  SCHEMA_EXAMPLE_BYTES = 64,
  SCHEMA_SOURCES_MAX = 32
};

struct schema_field {
  struct bytes name;
  uint64_t filled;                            // in how many records or events it has a value
  unsigned types;                             // bits of 1 << enum value_type
  bool personal;                              // data that points at a person: no examples are kept
  struct bytes examples[SCHEMA_EXAMPLES_MAX]; // JSON text
  size_t example_count;
  uint32_t sources[SCHEMA_SOURCES_MAX]; // sorted
  size_t source_count;
};

struct schema_fields {
  struct schema_field **items; // in the order they were first seen
  size_t count, capacity, limit;
  bool truncated;
};

// Finds or adds a name. NULL: the limit was passed (truncated is set), or memory is short (*err says).
struct schema_field *schema_field(struct schema_fields *fields, struct bytes name, struct arena *arena, enum err *err);

// Counts one value: its type and, when it is neither personal nor known yet, an example.
enum err schema_count(struct schema_field *field, struct value value, const struct names *names, struct arena *arena);

void schema_add_source(struct schema_field *field, uint32_t source);

// Writes {"name","types",("sources",)"fill_rate","examples","personal"} of each, by name; `total` is what `filled` is
// a part of.
void schema_write(struct schema_fields *fields, uint64_t total, struct engine *engine, bool with_sources,
                  struct json_writer *writer);

// Is a name one that usually holds personal data?
bool schema_is_personal_name(struct bytes name);
