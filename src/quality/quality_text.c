// Identifiers, folded names, words and distance.
//
// Folding works on decomposed code points in one arena block: the block is sized by a first call that only counts,
// then squeezed in place (it never grows: every replacement has its room, see RESPELLINGS), then encoded in place.
#include <assert.h>
#include <string.h>
#include <utf8proc.h>

#include "base/limits.h"
#include "quality/quality.h"
#include "quality/quality_unicode.h"

enum err quality_identifier(struct bytes raw, struct arena *arena, struct bytes *out, enum quality_reason *reason) {
  struct quality_scratch scratch;
  *out = bytes_of(NULL, 0);
  struct bytes text = quality_unicode_trim(raw);
  *reason = text.size_bytes == 0                      ? QUALITY_EMPTY
            : text.size_bytes > QUALITY_RAW_BYTES_MAX ? QUALITY_TOO_LONG
                                                      : QUALITY_OK;
  if (*reason != QUALITY_OK) return ERR_OK;
  if (!quality_unicode_is_ascii(text)) {
    *reason = bytes_is_utf8(text) ? QUALITY_OK : QUALITY_CONTROL_CHARACTER;
    if (*reason != QUALITY_OK) return ERR_OK;
    text = quality_unicode_compose(text, false, &scratch);
  }
  if (text.size_bytes > LIMIT_IDENTIFIER_BYTES)
    *reason = QUALITY_TOO_LONG;
  else if (quality_unicode_has_control(text))
    *reason = QUALITY_CONTROL_CHARACTER;
  if (*reason != QUALITY_OK) return ERR_OK;
  *out = arena_copy(arena, text);
  return out->data ? ERR_OK : ERR_NO_MEMORY;
}

// Letters that are one letter to Unicode and a letter with a stroke, or two letters, to a reader. After case folding,
// so only small ones.
struct respelling {
  int32_t code;
  char letters[3];
};
static const struct respelling RESPELLINGS[] = {
    {0x00e6, "ae"}, {0x00f0, "d"}, {0x00f8, "o"},  {0x00fe, "th"}, {0x0111, "d"}, {0x0127, "h"},
    {0x0131, "i"},  {0x0142, "l"}, {0x0153, "oe"}, {0x0167, "t"},  {0x0180, "b"}, {0x0268, "i"},
};
enum { RESPELLINGS_COUNT = sizeof RESPELLINGS / sizeof RESPELLINGS[0], RESPELLING_LETTERS_MAX = 2 };

static const char *respell(int32_t code) {
  for (size_t i = 0; i < RESPELLINGS_COUNT; i++) {
    if (RESPELLINGS[i].code == code) return RESPELLINGS[i].letters;
  }
  return NULL;
}

enum fold_action { FOLD_KEEP, FOLD_DROP, FOLD_SPACE };

// Accents (combining class above 9) go; the marks below are part of the letter itself: nukta, kana voicing, virama,
// and the vowel signs of class 0.
static enum fold_action fold_action(int32_t code) {
  const utf8proc_property_t *property = utf8proc_get_property(code);
  switch (property->category) {
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_ME:
    return property->combining_class > 9 ? FOLD_DROP : FOLD_KEEP;
  case UTF8PROC_CATEGORY_CF:
    return FOLD_DROP;
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
  case UTF8PROC_CATEGORY_PC:
  case UTF8PROC_CATEGORY_PD:
  case UTF8PROC_CATEGORY_PS:
  case UTF8PROC_CATEGORY_PE:
  case UTF8PROC_CATEGORY_PI:
  case UTF8PROC_CATEGORY_PF:
  case UTF8PROC_CATEGORY_PO:
  case UTF8PROC_CATEGORY_SM:
  case UTF8PROC_CATEGORY_SC:
  case UTF8PROC_CATEGORY_SK:
  case UTF8PROC_CATEGORY_SO:
    return FOLD_SPACE;
  default:
    return FOLD_KEEP;
  }
}

// Folds `count` code points of `in` into `out`, which has RESPELLING_LETTERS_MAX times as many. Returns how many.
static size_t fold_codes(const int32_t *in, size_t count, int32_t *out) {
  size_t used = 0;
  bool space_due = false;
  for (size_t i = 0; i < count; i++) {
    enum fold_action action = fold_action(in[i]);
    if (action == FOLD_SPACE) space_due = used > 0;
    if (action != FOLD_KEEP) continue;
    if (space_due) out[used++] = ' ';
    space_due = false;
    const char *letters = respell(in[i]);
    if (!letters) out[used++] = in[i];
    for (; letters && *letters; letters++) out[used++] = *letters;
  }
  return used;
}

static size_t fold_ascii(struct bytes raw, uint8_t *out) {
  size_t used = 0;
  bool space_due = false;
  for (size_t i = 0; i < raw.size_bytes; i++) {
    uint8_t byte = raw.data[i];
    if (byte >= 'A' && byte <= 'Z') byte |= 0x20;
    bool keep = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    if (keep && space_due) out[used++] = ' ';
    if (keep) out[used++] = byte;
    space_due = !keep && used > 0;
  }
  return used;
}

static enum err fold_unicode(struct bytes raw, struct arena *arena, struct bytes *out) {
  const utf8proc_option_t options = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STABLE;
  if (!bytes_is_utf8(raw)) return ERR_INVALID;
  utf8proc_ssize_t size = (utf8proc_ssize_t)raw.size_bytes;
  utf8proc_ssize_t count = utf8proc_decompose(raw.data, size, NULL, 0, options);
  if (count < 0) return ERR_NO_MEMORY; // the sum of the sizes does not fit
  size_t room = (size_t)count;
  int32_t *codes = (int32_t *)arena_take(arena, (room + 1) * sizeof *codes);
  int32_t *folded = (int32_t *)arena_take(arena, (room * (RESPELLING_LETTERS_MAX + 1) + 1) * sizeof *folded);
  if (!codes || !folded) return ERR_NO_MEMORY;
  count = utf8proc_decompose(raw.data, size, codes, count, options);
  assert(count >= 0 && (size_t)count == room);
  size_t used = fold_codes(codes, room, folded);
  size = utf8proc_reencode(folded, (utf8proc_ssize_t)used, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  assert(size >= 0);
  *out = bytes_of(folded, (size_t)size);
  return ERR_OK;
}

enum err quality_fold(struct bytes raw, struct arena *arena, struct bytes *out) {
  *out = bytes_of(NULL, 0);
  if (!quality_unicode_is_ascii(raw)) return fold_unicode(raw, arena, out);
  uint8_t *text = (uint8_t *)arena_take(arena, raw.size_bytes + 1);
  if (!text) return ERR_NO_MEMORY;
  *out = bytes_of(text, fold_ascii(raw, text));
  return ERR_OK;
}

size_t quality_words(struct bytes folded, struct bytes *words, size_t words_max) {
  size_t count = 0;
  size_t start = 0;
  for (size_t at = 0; at <= folded.size_bytes && count < words_max; at++) {
    if (at < folded.size_bytes && folded.data[at] != ' ') continue;
    if (at > start) words[count++] = bytes_of(folded.data + start, at - start);
    start = at + 1;
  }
  return count;
}

enum { DISTANCE_CHARACTERS_MAX = 64 };

// The code points of `word`; -1 when there are more than DISTANCE_CHARACTERS_MAX or the text is not UTF-8.
static int read_codes(struct bytes word, int32_t *codes) {
  int count = 0;
  for (size_t at = 0; at < word.size_bytes; count++) {
    if (count == DISTANCE_CHARACTERS_MAX) return -1;
    utf8proc_ssize_t rest = (utf8proc_ssize_t)(word.size_bytes - at);
    utf8proc_ssize_t size = utf8proc_iterate(word.data + at, rest, &codes[count]);
    if (size <= 0) return -1;
    at += (size_t)size;
  }
  return count;
}

static int least(int a, int b) {
  return a < b ? a : b;
}

// One row of the table of distances of prefixes: `rows[i % 3]`, from the two rows before. Returns its smallest number.
static int distance_row(int i, const int32_t *a, const int32_t *b, int b_count,
                        int rows[3][DISTANCE_CHARACTERS_MAX + 1]) {
  int *row = rows[i % 3];
  const int *up = rows[(i + 2) % 3];
  const int *up_twice = rows[(i + 1) % 3];
  row[0] = i;
  int smallest = i;
  for (int j = 1; j <= b_count; j++) {
    row[j] = least(least(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
    bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
    if (swapped) row[j] = least(row[j], up_twice[j - 2] + 1);
    smallest = least(smallest, row[j]);
  }
  return smallest;
}

// A row's smallest number is at most one above that of the row before, and a swap reaches back two rows and adds one:
// so once a whole row is above `most`, all later ones are.
int quality_distance(struct bytes a, struct bytes b, int most) {
  assert(most >= 0 && most < INT32_MAX);
  int32_t a_codes[DISTANCE_CHARACTERS_MAX];
  int32_t b_codes[DISTANCE_CHARACTERS_MAX];
  int rows[3][DISTANCE_CHARACTERS_MAX + 1];
  int a_count = read_codes(a, a_codes);
  int b_count = read_codes(b, b_codes);
  if (a_count < 0 || b_count < 0) return most + 1;
  int longer_by = a_count > b_count ? a_count - b_count : b_count - a_count;
  if (longer_by > most) return most + 1;
  for (int j = 0; j <= b_count; j++) rows[0][j] = j;
  for (int i = 1; i <= a_count; i++) {
    if (distance_row(i, a_codes, b_codes, b_count, rows) > most) return most + 1;
  }
  return least(rows[a_count % 3][b_count], most + 1);
}
