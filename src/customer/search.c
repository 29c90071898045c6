// search: words to customers.
//
// A query word becomes a set of customers, each with its best match; the sets are intersected. Typos are not searched
// by distance over all words but generated: a word of n letters has about 75 n neighbours at one edit, each one seek of
// the same cursor, and that only when the right spelling gave too few. Letters put in or changed are a to z, the digits
// and the word's own letters: what a keyboard slip gives in Latin script; in others, deletions, swaps and repeated
// letters are still found.
#include "customer/search.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "quality/quality.h"

enum { HITS_FIRST_COUNT = 64, LETTERS_MAX = CUSTOMER_TOKEN_BYTES, LETTER_BYTES_MAX = 4 };

// --- tokens --------------------------------------------------------------------------------------------------

// Traits that hold a person's name, in the writings that SDKs and tills use.
static const struct bytes NAME_TRAITS[] = {
    BYTES_INIT("firstName"),  BYTES_INIT("first_name"), BYTES_INIT("firstname"),   BYTES_INIT("givenName"),
    BYTES_INIT("given_name"), BYTES_INIT("middleName"), BYTES_INIT("middle_name"), BYTES_INIT("lastName"),
    BYTES_INIT("last_name"),  BYTES_INIT("lastname"),   BYTES_INIT("familyName"),  BYTES_INIT("family_name"),
    BYTES_INIT("surname"),    BYTES_INIT("maidenName"), BYTES_INIT("maiden_name"), BYTES_INIT("name"),
    BYTES_INIT("fullName"),   BYTES_INIT("full_name"),  BYTES_INIT("displayName"), BYTES_INIT("nickname"),
};

// At most CUSTOMER_TOKEN_BYTES of the word, and no half character.
static struct bytes cut_word(struct bytes word) {
  if (word.size_bytes <= CUSTOMER_TOKEN_BYTES) return word;
  size_t size = CUSTOMER_TOKEN_BYTES;
  while (size > 0 && (word.data[size] & 0xc0) == 0x80) size--;
  return bytes_of(word.data, size);
}

// Inserts the word where it belongs, unless it is there.
static void add_token(struct bytes *tokens, size_t max, size_t *count, struct bytes word) {
  size_t at = *count;
  while (at > 0 && bytes_compare(tokens[at - 1], word) > 0) at--;
  if ((at > 0 && bytes_equal(tokens[at - 1], word)) || *count == max) return;
  memmove(&tokens[at + 1], &tokens[at], (*count - at) * sizeof *tokens);
  tokens[at] = word;
  ++*count;
}

// The folded words of a text; none when it is not UTF-8.
static enum err fold_words(struct bytes text, struct arena *arena, struct bytes *words, size_t max, size_t *count) {
  struct bytes folded;
  *count = 0;
  enum err err = quality_fold(text, arena, &folded);
  if (err != ERR_OK) return err == ERR_INVALID ? ERR_OK : err;
  size_t kept = 0, all = quality_words(folded, words, max);
  for (size_t i = 0; i < all; i++)
    if (words[i].size_bytes > 0 && memchr(words[i].data, 0, words[i].size_bytes) == NULL)
      words[kept++] = cut_word(words[i]);
  *count = kept;
  return ERR_OK;
}

static bool is_name_trait(const struct customer_trait *trait, const struct names *names) {
  struct bytes text = trait->name == 0 ? trait->inline_name : names_text(names, trait->name);
  for (size_t i = 0; i < sizeof NAME_TRAITS / sizeof *NAME_TRAITS; i++)
    if (bytes_equal(text, NAME_TRAITS[i])) return true;
  return false;
}

static enum err add_tokens(struct bytes text, struct arena *arena, struct bytes *tokens, size_t max, size_t *count) {
  struct bytes words[CUSTOMER_TOKENS_MAX];
  size_t word_count;
  enum err err = fold_words(text, arena, words, CUSTOMER_TOKENS_MAX, &word_count);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < word_count; i++) add_token(tokens, max, count, words[i]);
  return ERR_OK;
}

enum err customer_search_tokens(const struct customer *customer, const struct names *names,
                                const struct customer_sources *sources, struct arena *arena, struct bytes *tokens,
                                size_t max, size_t *count) {
  *count = 0;
  for (size_t first = 0, next; first < customer->trait_count; first = next) {
    struct bytes text;
    const struct customer_trait *winner = customer_trait_winner(customer, first, sources, &next);
    if (!is_name_trait(winner, names) || !value_as_text(winner->value, &text)) continue;
    enum err err = add_tokens(text, arena, tokens, max, count);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

void customer_search_key(struct bytes token, uint64_t customer, struct key *key) {
  assert(token.size_bytes <= CUSTOMER_TOKEN_BYTES);
  key_init(key);
  key_put_text(key, token);
  key_put_u64(key, customer);
}

bool customer_search_key_read(struct bytes key, struct bytes *token, uint64_t *customer) {
  if (key.size_bytes < 10 || key.data[key.size_bytes - 9] != 0) return false;
  *token = bytes_of(key.data, key.size_bytes - 9);
  *customer = key_read_u64(key.data + key.size_bytes - 8);
  return true;
}

enum err customer_search_words(struct bytes query, struct arena *arena, struct bytes *words, size_t *count) {
  return fold_words(query, arena, words, CUSTOMER_QUERY_WORDS_MAX, count);
}

// --- the customers of one word -------------------------------------------------------------------------------

// The rows found for a word so far.
struct found {
  struct store_cursor *cursor; // over all of SEARCH
  struct arena *arena;
  struct customer_hit *hits;
  size_t count, capacity;
  size_t rows_left;
};

static enum err add_hit(struct found *found, uint64_t customer, enum customer_match match) {
  struct customer_hit *hits =
      arena_grow(found->arena, found->hits, found->count, &found->capacity, HITS_FIRST_COUNT, sizeof *hits);
  if (hits == NULL) return ERR_NO_MEMORY;
  found->hits = hits;
  found->hits[found->count++] = (struct customer_hit){customer, match};
  return ERR_OK;
}

// All rows of words that begin with `word`, or are it. A row of the word itself counts as `whole`, others as `begun`.
static enum err find_rows(struct found *found, struct bytes word, bool as_prefix, enum customer_match whole,
                          enum customer_match begun) {
  struct key from;
  key_init(&from);
  if (as_prefix) {
    key_put_raw(&from, word);
  } else {
    key_put_text(&from, word);
  }
  store_cursor_seek(found->cursor, key_view(&from));
  struct bytes key, value, token;
  while (found->rows_left > 0 && store_cursor_next(found->cursor, &key, &value)) {
    uint64_t customer;
    if (!bytes_starts_with(key, key_view(&from))) return ERR_OK;
    if (!customer_search_key_read(key, &token, &customer)) return ERR_CORRUPT;
    found->rows_left--;
    enum err err = add_hit(found, customer, token.size_bytes == word.size_bytes ? whole : begun);
    if (err != ERR_OK) return err;
  }
  return store_cursor_error(found->cursor);
}

// A word as its characters.
struct letters {
  size_t count;
  struct bytes at[LETTERS_MAX];
};

static void split_letters(struct bytes word, struct letters *letters) {
  letters->count = 0;
  for (size_t i = 0; i < word.size_bytes;) {
    size_t size = 1;
    while (i + size < word.size_bytes && (word.data[i + size] & 0xc0) == 0x80) size++;
    letters->at[letters->count++] = bytes_of(word.data + i, size);
    i += size;
  }
}

// One way to write the word wrongly: letters [0, head), then `put`, then letters from `tail` on.
static enum err try_typo(struct found *found, const struct letters *letters, bool as_prefix, size_t head,
                         const struct bytes *put, size_t put_count, size_t tail) {
  uint8_t text[CUSTOMER_TOKEN_BYTES + 2 * LETTER_BYTES_MAX];
  size_t size = 0;
  for (size_t i = 0; i < head; i++, size += letters->at[i - 1].size_bytes)
    memcpy(text + size, letters->at[i].data, letters->at[i].size_bytes);
  for (size_t i = 0; i < put_count; i++, size += put[i - 1].size_bytes)
    memcpy(text + size, put[i].data, put[i].size_bytes);
  for (size_t i = tail; i < letters->count; i++, size += letters->at[i - 1].size_bytes)
    memcpy(text + size, letters->at[i].data, letters->at[i].size_bytes);
  if (size == 0 || size > CUSTOMER_TOKEN_BYTES) return ERR_OK;
  return find_rows(found, bytes_of(text, size), as_prefix, CUSTOMER_MATCH_TYPO, CUSTOMER_MATCH_TYPO);
}

// The letter put in at every place, and instead of every letter.
static enum err try_letter(struct found *found, const struct letters *letters, bool as_prefix, struct bytes letter) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i <= letters->count; i++) {
    err = try_typo(found, letters, as_prefix, i, &letter, 1, i);
    if (err == ERR_OK && i < letters->count && !bytes_equal(letters->at[i], letter))
      err = try_typo(found, letters, as_prefix, i, &letter, 1, i + 1);
  }
  return err;
}

static enum err find_typos(struct found *found, struct bytes word, bool as_prefix) {
  static const char keyboard[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  struct letters letters;
  split_letters(word, &letters);
  if (letters.count < CUSTOMER_TYPO_LETTERS_MIN) return ERR_OK;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < letters.count; i++) {
    err = try_typo(found, &letters, as_prefix, i, NULL, 0, i + 1);
    if (err != ERR_OK || i + 1 == letters.count) continue;
    const struct bytes swapped[] = {letters.at[i + 1], letters.at[i]};
    err = try_typo(found, &letters, as_prefix, i, swapped, 2, i + 2);
  }
  for (size_t i = 0; err == ERR_OK && i < sizeof keyboard - 1; i++)
    err = try_letter(found, &letters, as_prefix, bytes_of(keyboard + i, 1));
  for (size_t i = 0; err == ERR_OK && i < letters.count; i++)
    if (letters.at[i].size_bytes > 1) err = try_letter(found, &letters, as_prefix, letters.at[i]);
  return err;
}

static int by_customer(const void *left, const void *right) {
  const struct customer_hit *a = left, *b = right;
  if (a->customer != b->customer) return a->customer < b->customer ? -1 : 1;
  return (int)a->match - (int)b->match;
}

static int by_match(const void *left, const void *right) {
  const struct customer_hit *a = left, *b = right;
  return a->match != b->match ? (int)a->match - (int)b->match : by_customer(a, b);
}

// Sorted by customer, each once with its best match.
static void settle_hits(struct found *found) {
  if (found->count > 0) qsort(found->hits, found->count, sizeof *found->hits, by_customer);
  size_t kept = 0;
  for (size_t i = 0; i < found->count; i++)
    if (kept == 0 || found->hits[kept - 1].customer != found->hits[i].customer) found->hits[kept++] = found->hits[i];
  found->count = kept;
}

static enum err find_word(struct found *found, struct bytes word, bool is_last, bool typos) {
  found->hits = NULL;
  found->count = found->capacity = 0;
  found->rows_left = CUSTOMER_SEARCH_ROWS_MAX;
  enum err err = find_rows(found, word, is_last, CUSTOMER_MATCH_EXACT, CUSTOMER_MATCH_PREFIX);
  if (err == ERR_OK && typos) err = find_typos(found, word, is_last);
  if (err == ERR_OK) settle_hits(found);
  return err;
}

// --- all words -----------------------------------------------------------------------------------------------

// Keeps of `all` what is in `found` too, each with the worse of its matches. Both are sorted by customer.
static size_t intersect(struct customer_hit *all, size_t count, const struct found *found) {
  size_t kept = 0, j = 0;
  for (size_t i = 0; i < count; i++) {
    while (j < found->count && found->hits[j].customer < all[i].customer) j++;
    if (j == found->count) break;
    if (found->hits[j].customer != all[i].customer) continue;
    enum customer_match match = found->hits[j].match > all[i].match ? found->hits[j].match : all[i].match;
    all[kept++] = (struct customer_hit){all[i].customer, match};
  }
  return kept;
}

static enum err find_all(struct found *found, const struct bytes *words, size_t word_count, bool typos,
                         struct customer_hit **all, size_t *count) {
  for (size_t i = 0; i < word_count; i++) {
    enum err err = find_word(found, words[i], i + 1 == word_count, typos);
    if (err != ERR_OK) return err;
    if (i == 0) {
      *all = found->hits;
      *count = found->count;
    } else {
      *count = intersect(*all, *count, found);
    }
    if (*count == 0) return ERR_OK;
  }
  return ERR_OK;
}

enum err customer_search(struct store_snapshot *snapshot, const struct bytes *words, size_t word_count, size_t limit,
                         struct arena *arena, struct customer_hit *hits, size_t *count) {
  *count = 0;
  if (word_count == 0 || limit == 0) return ERR_OK;
  struct found found = {.arena = arena};
  const struct bytes all_keys = {NULL, 0};
  enum err err = store_snapshot_scan(snapshot, STORE_SEARCH, all_keys, all_keys, &found.cursor);
  if (err != ERR_OK) return err;
  struct customer_hit *all = NULL;
  size_t all_count = 0;
  err = find_all(&found, words, word_count, false, &all, &all_count);
  if (err == ERR_OK && all_count < limit) err = find_all(&found, words, word_count, true, &all, &all_count);
  store_cursor_close(found.cursor);
  if (err != ERR_OK) return err;
  if (all_count > 0) qsort(all, all_count, sizeof *all, by_match);
  *count = all_count < limit ? all_count : limit;
  if (*count > 0) memcpy(hits, all, *count * sizeof *hits);
  return ERR_OK;
}

// --- identifiers ---------------------------------------------------------------------------------------------

// The first key after all that begin with `from`; the empty key (the end of the keyspace) when there is none.
static void range_end(const struct key *from, struct key *to) {
  *to = *from;
  if (!key_to_range_end(to)) key_init(to);
}

enum err customer_search_identifiers(struct store_snapshot *snapshot, const struct names *names, uint32_t type,
                                     struct bytes prefix, size_t limit, struct arena *arena,
                                     struct customer_identifier_row *rows, size_t *count) {
  *count = 0;
  if (prefix.size_bytes > LIMIT_IDENTIFIER_BYTES) return ERR_OK;
  struct key from, to;
  identifier_key((struct identifier){type, prefix}, names, &from);
  range_end(&from, &to);
  struct store_cursor *cursor;
  enum err err = store_snapshot_scan(snapshot, STORE_IDENTIFIER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  struct bytes key, value;
  while (err == ERR_OK && *count < limit && store_cursor_next(cursor, &key, &value)) {
    struct customer_identifier_row *row = &rows[*count];
    struct bytes kept = arena_copy(arena, key);
    row->row = arena_copy(arena, value);
    if (kept.data == NULL || row->row.data == NULL) {
      err = ERR_NO_MEMORY;
    } else if (identifier_from_key(kept, names, &row->identifier)) {
      ++*count;
    }
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}
