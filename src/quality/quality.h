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

// The order is the order of the checks. Names (quality_reason_name) are API codes.
enum quality_reason {
  QUALITY_OK,
  QUALITY_EMPTY,             // nothing but white space
  QUALITY_TOO_LONG,          // over LIMIT_IDENTIFIER_BYTES, or over the protocol's own limit
  QUALITY_CONTROL_CHARACTER, // a byte below 0x20, 0x7f, or a Unicode control or format character
  QUALITY_NO_AT_SIGN,        // e-mail
  QUALITY_BAD_LOCAL_PART,    // e-mail: empty, dot first or last or doubled, a character not allowed
  QUALITY_BAD_DOMAIN,        // e-mail: empty label, bad hyphen, not convertible to ASCII, no dot
  QUALITY_QUOTED_LOCAL_PART, // e-mail: valid by RFC 5321, refused by policy ("a b"@x.org)
  QUALITY_DOMAIN_LITERAL,    // e-mail: user@[192.0.2.1], refused by policy
  QUALITY_NOT_A_NUMBER,      // phone: nothing that could be one
  QUALITY_NO_COUNTRY,        // phone: national format and no region to read it in
  QUALITY_BAD_LENGTH,        // phone: too short or too long for its country
  QUALITY_NOT_ASSIGNED,      // phone: the right length, but no such range
  QUALITY_REASON_COUNT
};
const char *quality_reason_name(enum quality_reason reason); // "bad_domain"
const char *quality_reason_text(enum quality_reason reason); // "the part after @ is not a domain name"

// E-mail: trims, NFC, lower case, IDN to punycode (UTS 46, non-transitional); for providers that ignore them (Gmail
// and Googlemail: dots and +tag, domain made gmail.com; Outlook/Hotmail/Live, iCloud, Fastmail, Proton, Yandex: +tag…
// a table in quality_email.c with its sources) those are removed. *out lives in `arena`.
// ERR_OK with *reason for any verdict; ERR_NO_MEMORY otherwise.
enum err quality_email(struct bytes raw, struct arena *arena, struct bytes *out, enum quality_reason *reason);

// Phone: E.164 ("+33612345678"). `region` is the ISO 3166 two-letter default ("FR"), or empty: then only numbers
// with a + or 00 prefix can be read.
struct quality_phones; // libphonenumber is 43 us a number: this remembers the last ones (bounded)
enum err quality_phones_open(struct quality_phones **phones, size_t remembered);
void quality_phones_close(struct quality_phones *phones);
enum err quality_phone(struct quality_phones *phones, struct bytes raw, struct bytes region, struct arena *arena,
                       struct bytes *out, enum quality_reason *reason);

// Any other identifier (user id, card, cookie): trims white space, NFC, keeps case; refuses empty, too long and
// control characters.
enum err quality_identifier(struct bytes raw, struct arena *arena, struct bytes *out, enum quality_reason *reason);

// A name folded for comparison and search: NFKD, accents stripped, lower case, ß to ss, punctuation to one space,
// trimmed.
enum err quality_fold(struct bytes raw, struct arena *arena, struct bytes *out);

// The words of a folded text: at most `words_max` views into `folded`. Returns how many.
size_t quality_words(struct bytes folded, struct bytes *words, size_t words_max);

// A birth date in any usual writing ("1990-02-28", with or without a time, "28/02/1990", "19900228") as
// year*10000+month*100+day; 0 when it cannot be read or is not a real date. dd/mm is read day first.
int quality_birth_date(struct bytes raw);

// The edit distance of two folded words, with adjacent swaps as one (optimal string alignment), or `most` + 1 as soon
// as it must exceed `most`. Words are at most 64 characters; longer ones count as different.
int quality_distance(struct bytes a, struct bytes b, int most);
