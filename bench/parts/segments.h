// segments: what a retailer of some size has defined.
//
// Twenty kinds in turn, over 22 names of events, with other numbers each time: counts and sums in windows of 1 to 365
// days, sequences, "this and not that", traits, exclusions, references to other segments, computed attributes and
// segments over these.
#pragma once

#include <stddef.h>

enum { SEGMENTS_DOCUMENT_BYTES = 1024 };

// The definition of segment `index` as JSON.
void segments_document(size_t index, char document[SEGMENTS_DOCUMENT_BYTES]);
