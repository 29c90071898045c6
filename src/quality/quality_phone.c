// Phone numbers: text is cleaned, looked up among the verdicts remembered, and only then read by libphonenumber.
//
// The memory of verdicts is a table of `slots_count` slots (a power of two). A key's hash names a window of
// WINDOW_SLOTS neighbours; it is there or nowhere. A full window gives up the first slot that was not used since the
// hand last went over it (second chance), so a key costs at most WINDOW_SLOTS comparisons however hostile the input.
// Invariants:
//   1. A slot with key_size_bytes 0 is free; a key is never empty.
//   2. Only texts of at most KEY_BYTES_MAX are remembered: what is longer is no number anyone types twice.
//   3. A failure (no memory) is never remembered.
#include <assert.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "quality/quality.h"
#include "quality/quality_phone_shim.h"
#include "quality/quality_unicode.h"

enum { WINDOW_SLOTS = 8, KEY_BYTES_MAX = 48, REGION_BYTES = 2 };

struct verdict {
  enum quality_reason reason;
  char e164[QUALITY_PHONE_SHIM_E164_BYTES]; // when reason is QUALITY_OK
};

struct slot {
  uint32_t hash;
  uint8_t key_size_bytes;
  bool recent; // used since the hand went by
  char region[REGION_BYTES];
  uint8_t key[KEY_BYTES_MAX];
  struct verdict verdict;
};

struct quality_phones {
  struct slot *slots; // NULL when nothing is to be remembered
  size_t slots_count;
};

// What is asked: cleaned text and a region, "ZZ" for none.
struct question {
  struct bytes text;
  char region[REGION_BYTES + 1];
  uint32_t hash;
};

enum err quality_phones_open(struct quality_phones **phones, size_t remembered) {
  *phones = NULL;
  if (remembered > QUALITY_PHONES_MAX) return ERR_LIMIT;
  struct quality_phones *opened = alloc_zero(1, sizeof *opened);
  if (!opened) return ERR_NO_MEMORY;
  if (remembered > 0) {
    opened->slots_count = WINDOW_SLOTS;
    while (opened->slots_count < remembered) opened->slots_count *= 2;
    opened->slots = alloc_zero(opened->slots_count, sizeof *opened->slots);
  }
  if (remembered > 0 && !opened->slots) {
    alloc_free(opened);
    return ERR_NO_MEMORY;
  }
  *phones = opened;
  return ERR_OK;
}

void quality_phones_close(struct quality_phones *phones) {
  if (!phones) return;
  alloc_free(phones->slots);
  alloc_free(phones);
}

// FNV-1a. A collision costs a slot of the window, never a wrong answer.
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t size_bytes) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size_bytes; i++) hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

static struct slot *window_of(struct quality_phones *phones, uint32_t hash) {
  size_t windows = phones->slots_count / WINDOW_SLOTS;
  return phones->slots + (hash & (windows - 1)) * WINDOW_SLOTS;
}

static bool slot_holds(const struct slot *slot, const struct question *question) {
  return slot->hash == question->hash && slot->key_size_bytes == question->text.size_bytes &&
         memcmp(slot->region, question->region, REGION_BYTES) == 0 &&
         memcmp(slot->key, question->text.data, question->text.size_bytes) == 0;
}

static const struct verdict *recall(struct quality_phones *phones, const struct question *question) {
  if (!phones->slots || question->text.size_bytes > KEY_BYTES_MAX) return NULL;
  struct slot *window = window_of(phones, question->hash);
  for (int i = 0; i < WINDOW_SLOTS; i++) {
    if (!slot_holds(&window[i], question)) continue;
    window[i].recent = true;
    return &window[i].verdict;
  }
  return NULL;
}

// The slot to give up: a free one, or else the first that is not recent. The hand starts at a place the new key chooses
// and clears what it passes, so it stops within one round and one step.
static struct slot *slot_to_use(struct slot *window, uint32_t hash) {
  for (int i = 0; i < WINDOW_SLOTS; i++) {
    if (window[i].key_size_bytes == 0) return &window[i];
  }
  size_t hand = hash >> 29;
  while (window[hand].recent) {
    window[hand].recent = false;
    hand = (hand + 1) % WINDOW_SLOTS;
  }
  return &window[hand];
}

static void remember(struct quality_phones *phones, const struct question *question, const struct verdict *verdict) {
  if (!phones->slots || question->text.size_bytes > KEY_BYTES_MAX) return;
  struct slot *slot = slot_to_use(window_of(phones, question->hash), question->hash);
  slot->hash = question->hash;
  slot->key_size_bytes = (uint8_t)question->text.size_bytes;
  slot->recent = false;
  memcpy(slot->region, question->region, REGION_BYTES);
  memcpy(slot->key, question->text.data, question->text.size_bytes);
  slot->verdict = *verdict;
}

static char upper(uint8_t letter) {
  return (char)(letter >= 'a' && letter <= 'z' ? letter - 0x20 : letter);
}

// "fr" and "FR" are France; anything but two letters is no region.
static void read_region(struct bytes region, char out[REGION_BYTES + 1]) {
  memcpy(out, "ZZ", REGION_BYTES + 1);
  if (region.size_bytes != REGION_BYTES) return;
  char first = upper(region.data[0]);
  char second = upper(region.data[1]);
  if (first < 'A' || first > 'Z' || second < 'A' || second > 'Z') return;
  out[0] = first;
  out[1] = second;
}

// Copies `text` (UTF-8) to `out` without format characters, and with every kind of space, and the tab, as a plain one
// (libphonenumber does not know the narrow no-break space of French typography). Returns how many bytes.
static size_t copy_visible(struct bytes text, uint8_t *out) {
  size_t used = 0;
  utf8proc_ssize_t size = 0;
  for (size_t at = 0; at < text.size_bytes; at += (size_t)size) {
    int32_t code = 0;
    size = utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &code);
    assert(size > 0);
    utf8proc_category_t category = utf8proc_category(code);
    if (category == UTF8PROC_CATEGORY_CF) continue;
    bool space = code == '\t' || (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
    if (space) {
      out[used++] = ' ';
    } else {
      memcpy(out + used, text.data + at, (size_t)size);
      used += (size_t)size;
    }
  }
  return used;
}

// Text as it is compared and read: visible, trimmed. `clean` has room for LIMIT_IDENTIFIER_BYTES.
static enum quality_reason clean_text(struct bytes raw, uint8_t *clean, struct bytes *out) {
  struct bytes text = quality_unicode_trim(raw);
  if (text.size_bytes == 0) return QUALITY_EMPTY;
  if (text.size_bytes > LIMIT_IDENTIFIER_BYTES) return QUALITY_TOO_LONG;
  if (!bytes_is_utf8(text)) return QUALITY_CONTROL_CHARACTER;
  *out = quality_unicode_trim(bytes_of(clean, copy_visible(text, clean)));
  if (out->size_bytes == 0) return QUALITY_EMPTY;
  return quality_unicode_has_control(*out) ? QUALITY_CONTROL_CHARACTER : QUALITY_OK;
}

static enum err read_number(struct bytes text, const char *region, struct verdict *verdict) {
  static const enum quality_reason REASONS[] = {
      [QUALITY_PHONE_SHIM_VALID] = QUALITY_OK,
      [QUALITY_PHONE_SHIM_NOT_A_NUMBER] = QUALITY_NOT_A_NUMBER,
      [QUALITY_PHONE_SHIM_NO_COUNTRY] = QUALITY_NO_COUNTRY,
      [QUALITY_PHONE_SHIM_BAD_LENGTH] = QUALITY_BAD_LENGTH,
      [QUALITY_PHONE_SHIM_NOT_ASSIGNED] = QUALITY_NOT_ASSIGNED,
  };
  const char *start = (const char *)text.data;
  enum quality_phone_shim_verdict answer = quality_phone_shim_read(start, text.size_bytes, region, verdict->e164);
  if (answer == QUALITY_PHONE_SHIM_NO_MEMORY) return ERR_NO_MEMORY;
  verdict->reason = REASONS[answer];
  return ERR_OK;
}

// The number behind a leading "00" (also "(00)", "tel:00", in full-width digits), written with a plus; false when there
// is no such prefix. libphonenumber knows the prefix of each region, but 00 is dialled from most of the world and typed
// in all of it.
static bool plus_for_zeros(struct bytes text, uint8_t *out, struct bytes *plus) {
  static const struct bytes ZERO = BYTES_INIT("0");
  static const struct bytes WIDE_ZERO = BYTES_INIT("\xef\xbc\x90");
  static const struct bytes TEL = BYTES_INIT("tel:");
  struct bytes rest = text;
  if (rest.size_bytes >= TEL.size_bytes && bytes_equal_ascii_case(bytes_of(rest.data, TEL.size_bytes), TEL)) {
    rest = quality_unicode_trim(bytes_of(rest.data + TEL.size_bytes, rest.size_bytes - TEL.size_bytes));
  }
  bool bracket = bytes_starts_with(rest, BYTES("("));
  if (bracket) rest = bytes_of(rest.data + 1, rest.size_bytes - 1);
  for (int zeros = 0; zeros < 2; zeros++) {
    size_t size = bytes_starts_with(rest, ZERO) ? 1 : bytes_starts_with(rest, WIDE_ZERO) ? WIDE_ZERO.size_bytes : 0;
    if (size == 0) return false;
    rest = bytes_of(rest.data + size, rest.size_bytes - size);
  }
  if (bracket && !bytes_starts_with(rest, BYTES(")"))) return false;
  if (bracket) rest = bytes_of(rest.data + 1, rest.size_bytes - 1);
  out[0] = '+';
  memcpy(out + 1, rest.data, rest.size_bytes);
  *plus = bytes_of(out, rest.size_bytes + 1);
  return true;
}

// Reads in the region first; a number that is none there may still be one from abroad.
static enum err judge(const struct question *question, struct verdict *verdict) {
  uint8_t space[LIMIT_IDENTIFIER_BYTES];
  struct bytes plus;
  struct verdict abroad = {.reason = QUALITY_OK};
  enum err err = read_number(question->text, question->region, verdict);
  if (err != ERR_OK || verdict->reason == QUALITY_OK || !plus_for_zeros(question->text, space, &plus)) return err;
  err = read_number(plus, question->region, &abroad);
  if (err != ERR_OK) return err;
  if (abroad.reason == QUALITY_OK || verdict->reason == QUALITY_NO_COUNTRY) *verdict = abroad;
  return ERR_OK;
}

enum err quality_phone(struct quality_phones *phones, struct bytes raw, struct bytes region, struct arena *arena,
                       struct bytes *out, enum quality_reason *reason) {
  uint8_t clean[LIMIT_IDENTIFIER_BYTES];
  struct question question;
  struct verdict fresh = {.reason = QUALITY_OK};
  *out = bytes_of(NULL, 0);
  *reason = clean_text(raw, clean, &question.text);
  if (*reason != QUALITY_OK) return ERR_OK;
  read_region(region, question.region);
  question.hash = hash_bytes(2166136261u, question.region, REGION_BYTES);
  question.hash = hash_bytes(question.hash, question.text.data, question.text.size_bytes);
  const struct verdict *verdict = recall(phones, &question);
  if (!verdict) {
    enum err err = judge(&question, &fresh);
    if (err != ERR_OK) return err;
    remember(phones, &question, &fresh);
    verdict = &fresh;
  }
  *reason = verdict->reason;
  if (*reason != QUALITY_OK) return ERR_OK;
  *out = arena_copy(arena, bytes_from_text(verdict->e164));
  return out->data ? ERR_OK : ERR_NO_MEMORY;
}
