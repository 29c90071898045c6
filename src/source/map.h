// map: columns of a CSV file to the members of messages. Private to source/.
//
// A mapping is a JSON document:
//   {"columns":   {"Mail": "traits.email", "Date": "timestamp", "Montant": "properties.total"},
//    "constants": {"type": "track", "event": "Order Completed"},
//    "numbers":   ["properties.total"],       paths whose text is a number,
//    "booleans":  ["traits.newsletter"],      or true/false, yes/no, oui/non, 1/0
//    "date_format": "dmy"}                    how dates in `timestamp` are written: "iso" (default), "dmy", "mdy"
// Columns that it does not name are taken by their usual names, as all are without a mapping: type, event, userId,
// anonymousId, previousId, groupId, messageId, timestamp (without regard to case, blanks, - and _), dotted paths that
// begin with traits, properties or context, and all others as traits (identify, group) or properties (the rest).
#pragma once

#include "base/arena.h"
#include "value/value.h"

struct source_map;

// `document` may be absent. `arena` holds the map and must live as long; fields are copied. ERR_INVALID names the
// column that the file does not have and the nearest one that it has.
enum err source_map_open(struct source_map **map, struct value document, const struct bytes *columns, size_t count,
                         uint8_t delimiter, struct names *names, struct arena *arena, struct diag *diag);

// Writes the message of one row. Empty fields are left out. ERR_INVALID codes "bad_csv" (more fields than columns),
// "invalid_number", "invalid_boolean", "bad_timestamp", "invalid_utf8".
enum err source_map_build(const struct source_map *map, const struct bytes *fields, size_t count,
                          struct value_builder *builder, struct diag *diag);
