// quality: what people type, made comparable.
//
// Layer 3. Pure functions over text: each takes raw UTF-8 and gives the normalised value, or a refusal with its
// reason in words. A refusal is data (enum quality_reason), not an error. Nothing here reads the store.
// Threads: safe; the phone cache is per caller.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

// Why a text was refused: constant, API code, words for a person. The order is the order of precedence: when several
// apply, the first is given. Control characters are bytes below 0x20, 0x7f, and Unicode's control and format
// characters; text that is not UTF-8 counts as holding one.
#define QUALITY_REASONS(X)                                                                                             \
  X(QUALITY_OK, "ok", "accepted")                                                                                      \
  X(QUALITY_EMPTY, "empty", "there is nothing but white space")                                                        \
  X(QUALITY_TOO_LONG, "too_long", "it is longer than such an identifier can be")                                       \
  X(QUALITY_CONTROL_CHARACTER, "control_character", "it holds a control or invisible character, or is not UTF-8")      \
  X(QUALITY_NO_AT_SIGN, "no_at_sign", "there is no @")                                                                 \
  X(QUALITY_BAD_LOCAL_PART, "bad_local_part",                                                                          \
    "the part before @ is empty, or has a misplaced dot or a wrong character")                                         \
  X(QUALITY_BAD_DOMAIN, "bad_domain", "the part after @ is not a domain name")                                         \
  X(QUALITY_QUOTED_LOCAL_PART, "quoted_local_part", "the part before @ is in quotes, which is not supported")          \
  X(QUALITY_COMMENT, "comment", "it holds a comment in parentheses, which is not supported")                           \
  X(QUALITY_DOMAIN_LITERAL, "domain_literal", "the part after @ is a network address, which is not supported")         \
  X(QUALITY_NOT_A_NUMBER, "not_a_number", "this is not a telephone number")                                            \
  X(QUALITY_NO_COUNTRY, "no_country", "the number has no country code, and no country was given to read it in")        \
  X(QUALITY_BAD_LENGTH, "bad_length", "the number is too short or too long for its country")                           \
  X(QUALITY_NOT_ASSIGNED, "not_assigned", "the length is right, but no such number range exists")

enum quality_reason {
#define QUALITY_REASON_ENUM(constant, name, text) constant,
  QUALITY_REASONS(QUALITY_REASON_ENUM)
#undef QUALITY_REASON_ENUM
      QUALITY_REASON_COUNT
};
const char *quality_reason_name(enum quality_reason reason); // "bad_domain"
const char *quality_reason_text(enum quality_reason reason); // "the part after @ is not a domain name"

// E-mail: trims, NFC, lower case, IDN to punycode (UTS 46, non-transitional); for providers that ignore them (Gmail
// and Googlemail: dots and +tag, domain made gmail.com; Outlook/Hotmail/Live, iCloud, Fastmail, Proton, Yandex: +tag…
// a table in quality_email_provider.c with its sources) those are removed. *out lives in `arena`, and is empty unless
// *reason is QUALITY_OK. A domain has at least one dot and a last label that is not a number (no such domain exists).
// Here and below: ERR_OK with *reason for any verdict, ERR_NO_MEMORY otherwise; normalising a normalised value gives
// the same bytes.
enum err quality_email(struct bytes raw, struct arena *arena, struct bytes *out, enum quality_reason *reason);

// Phone: E.164 ("+33612345678"). `region` is the ISO 3166 two-letter default ("FR"), or empty: then only numbers
// with a + or 00 prefix can be read. Spaces, dots, dashes, "(0)", "tel:", digits of any script are understood;
// invisible format characters (pasted from address books) and extensions are dropped.
// libphonenumber is 43 us a number: struct quality_phones remembers the verdicts of the last `remembered` ones, some
// 100 bytes each (0: none; over QUALITY_PHONES_MAX: ERR_LIMIT). One thread at a time.
enum { QUALITY_PHONES_MAX = 1 << 20 };
struct quality_phones;
enum err quality_phones_open(struct quality_phones **phones, size_t remembered);
void quality_phones_close(struct quality_phones *phones);
enum err quality_phone(struct quality_phones *phones, struct bytes raw, struct bytes region, struct arena *arena,
                       struct bytes *out, enum quality_reason *reason);

// Any other identifier (user id, card, cookie): trims white space, NFC, keeps case; refuses empty, too long and
// control characters.
enum err quality_identifier(struct bytes raw, struct arena *arena, struct bytes *out, enum quality_reason *reason);

// A name folded for comparison and search: NFKD, accents stripped, lower case, ß to ss (and ø to o, æ to ae…),
// punctuation to one space, trimmed; what keeps its marks (Hangul, kana, Indic vowels) is composed again.
// ERR_INVALID when `raw` is not UTF-8.
enum err quality_fold(struct bytes raw, struct arena *arena, struct bytes *out);

// The words of a folded text: at most `words_max` views into `folded`. Returns how many.
size_t quality_words(struct bytes folded, struct bytes *words, size_t words_max);

// A birth date in any usual writing ("1990-02-28", with or without a time, "28/02/1990", "19900228") as
// year*10000+month*100+day; 0 when it cannot be read, is not a real date, or its year is not in 1800..2199
// (two-digit years and "0001-01-01" placeholders are no dates). dd/mm is read day first. With a time, the date is taken
// as written: no time zone moves it.
int quality_birth_date(struct bytes raw);

// The edit distance of two folded words, with adjacent swaps as one (optimal string alignment), or `most` + 1 as soon
// as it must exceed `most`. Words are at most 64 characters; longer ones count as different.
int quality_distance(struct bytes a, struct bytes b, int most);
