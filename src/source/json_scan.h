// json_scan: where a JSON value ends, without reading what it says. Private to source/.
#pragma once

#include "base/bytes.h"

// The size of the JSON value that `text` begins with; 0 when it does not end inside `text`. A scalar ends before the
// byte that cannot belong to it, or at the end of `text`. Brackets are counted, not matched by kind: whether the value
// is right is the parser's to say.
size_t source_scan_value(struct bytes text);

// How many bytes of white space, commas and brackets of the outer list stand in front of the next value.
size_t source_scan_between(struct bytes text);
