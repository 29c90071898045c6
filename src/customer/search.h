// search: customers by the words of their names, and by the beginning of an identifier.
//
// Layer 4. A SEARCH row says that a word stands in a customer's name: key = folded word, 0 byte, customer id (8 bytes,
// big endian); the value is empty. So all words that begin alike are a range, and a word's customers are in order. The
// engine writes the rows: those of the words after a change that were not there before it, and the reverse.
// Words are folded (quality_fold), so that case, accents and punctuation make no difference.
// Memory: results live in the arena given. Threads: safe with a snapshot and an arena of one's own.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "customer/record.h"
#include "store/store.h"
#include "value/key.h"

enum {
  CUSTOMER_TOKENS_MAX = 32,             // words of one customer
  CUSTOMER_TOKEN_BYTES = 64,            // longer words are cut, between characters
  CUSTOMER_QUERY_WORDS_MAX = 8,         // words of one query that count
  CUSTOMER_SEARCH_ROWS_MAX = 64 * 1024, // rows read for one word of a query; what lies past them is not found
  CUSTOMER_TYPO_LETTERS_MIN = 4,        // shorter words must be spelt right
};

// The distinct words of the winning values of the traits that hold names (firstName, last_name, name…), sorted by their
// bytes, at most `max` (the first ones in the order of the traits). ERR_NO_MEMORY.
enum err customer_search_tokens(const struct customer *customer, const struct names *names,
                                const struct customer_sources *sources, struct arena *arena, struct bytes *tokens,
                                size_t max, size_t *count);

// The key of a row. `token` is at most CUSTOMER_TOKEN_BYTES.
void customer_search_key(struct bytes token, uint64_t customer, struct key *key);
// Reads it back; the token is a view. False when it is none.
bool customer_search_key_read(struct bytes key, struct bytes *token, uint64_t *customer);

// The words of a query, ready for customer_search: folded, cut. At most CUSTOMER_QUERY_WORDS_MAX. ERR_NO_MEMORY.
enum err customer_search_words(struct bytes query, struct arena *arena, struct bytes *words, size_t *count);

// How well a customer fits, the best first. With several words: as well as the worst of them.
enum customer_match { CUSTOMER_MATCH_EXACT, CUSTOMER_MATCH_PREFIX, CUSTOMER_MATCH_TYPO };
struct customer_hit {
  uint64_t customer;
  enum customer_match match;
};

// Customers whose names have all the words: the last one as a beginning, the others whole. When fewer than `limit` fit,
// words of CUSTOMER_TYPO_LETTERS_MIN letters and more may have one typo (a letter too much, too few, another one, or
// two swapped). `hits` has room for `limit`; they are sorted by (match, customer).
enum err customer_search(struct store_snapshot *snapshot, const struct bytes *words, size_t word_count, size_t limit,
                         struct arena *arena, struct customer_hit *hits, size_t *count);

// An IDENTIFIER row whose value begins with what was asked for. `row` is what the engine keeps there.
struct customer_identifier_row {
  struct identifier identifier;
  struct bytes row;
};

// Identifiers of one type by the beginning of their normalised value, in order of value, at most `limit`.
enum err customer_search_identifiers(struct store_snapshot *snapshot, const struct names *names, uint32_t type,
                                     struct bytes prefix, size_t limit, struct arena *arena,
                                     struct customer_identifier_row *rows, size_t *count);
