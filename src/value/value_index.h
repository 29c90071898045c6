// value_index: where the tokens of a JSON text begin, found by simdjson's first stage.
//
// Layer 1, private to value/. The only C++ of the JSON reader: the grammar, the numbers and the packing are C
// (value_parse.c) and walk the token offsets found here. simdjson's public interfaces were not used because they
// stop at the first fault; with the offsets in hand one bad item of a batch can be stepped over.
// Threads: an index belongs to one thread at a time. Memory: simdjson's own (operator new), kept between texts.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct value_index;

enum value_index_result {
  VALUE_INDEX_OK,    // every text is closed, is UTF-8 and holds no bare control character
  VALUE_INDEX_FAULT, // one of these does not hold, or this machine has no vector unit simdjson knows
  VALUE_INDEX_NO_MEMORY,
};

// NULL when memory is short.
struct value_index *value_index_open(void);
void value_index_close(struct value_index *index);

// On VALUE_INDEX_OK (*tokens)[0 .. *count] are the offsets at which a bracket, brace, comma, colon, text (its
// opening quote) or other scalar begins, in order; (*tokens)[*count] is `size_bytes`. Valid until the next run.
enum value_index_result value_index_run(struct value_index *index, const uint8_t *json, size_t size_bytes,
                                        const uint32_t **tokens, size_t *count);

#ifdef __cplusplus
}
#endif
