// code: the text on the voucher, from the printer to the till and back.
//
// The alphabet has 31 characters: the digits and letters that nobody takes for another one when she reads them aloud or
// off a crumpled slip: without 0 and O, without 1, I and L. 31 is a prime, and that makes the check character strong:
// each character stands for a number below 31, and the numbers, weighted 1, 2, 3… from the right (the check character
// has 1; after 30 it begins anew), add up to a multiple of 31. A wrong character changes the sum by weight times
// difference, two characters that changed places by the difference of their weights times their own; neither factor
// is a multiple of 31, and in a field then the product is none. So every single mistyped character and every two
// exchanged neighbours are found, and of other mistakes all but one in 31. The prefix has no part in it: with a wrong
// prefix the code does not look generated.
//
// Twelve random characters have 59 bits: of a million codes, one guess in 570,000 million is one.
#include "loyalty/code.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { ALPHABET_SIZE = 31, WEIGHTS = ALPHABET_SIZE - 1, TYPED_BYTES_MAX = 4 * LOYALTY_CODE_BYTES };

static const char alphabet[ALPHABET_SIZE + 1] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

// -1: it is not in the alphabet.
static int place_of(uint8_t character) {
  const char *found = character == 0 ? NULL : strchr(alphabet, character);
  return found == NULL ? -1 : (int)(found - alphabet);
}

// Of the character that has `behind` others to its right.
static unsigned weight(size_t behind) {
  return (unsigned)(behind % WEIGHTS) + 1;
}

// Weighted sum of all, the last with weight 1, modulo 31; -1: one of them is not in the alphabet.
static int sum_of(struct bytes text) {
  unsigned sum = 0;
  for (size_t i = 0; i < text.size_bytes; i++) {
    int place = place_of(text.data[i]);
    if (place < 0) return -1;
    sum = (sum + weight(text.size_bytes - 1 - i) * (unsigned)place) % ALPHABET_SIZE;
  }
  return (int)sum;
}

// Upper case of what a code is made of; 0: of this none is. The signs are those of codes that shops invented long ago.
static char code_character(uint8_t byte) {
  if (byte >= 'a' && byte <= 'z') return (char)(byte - 'a' + 'A');
  bool good = (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
  return (good || (byte != 0 && strchr("_.%+!$&", byte) != NULL)) ? (char)byte : 0;
}

static enum err bad_code(struct diag *diag, const char *words) {
  return diag_set(diag, ERR_INVALID, "bad_code", "%s", words);
}

enum err loyalty_code_normalise(struct bytes text, char code[LOYALTY_CODE_BYTES + 1], struct diag *diag) {
  size_t size = 0;
  code[0] = 0;
  if (text.size_bytes > TYPED_BYTES_MAX) return bad_code(diag, "the code is too long");
  for (size_t i = 0; i < text.size_bytes; i++) {
    uint8_t byte = text.data[i];
    if (byte == ' ' || byte == '-') continue;
    char character = code_character(byte);
    if (character == 0 || size == LOYALTY_CODE_BYTES) {
      code[0] = 0;
      return bad_code(diag, character == 0 ? "a code has letters (of ASCII), digits and the signs _.%+!$& only"
                                           : "the code is too long");
    }
    code[size++] = character;
  }
  code[size] = 0;
  return size == 0 ? bad_code(diag, "the code is empty") : ERR_OK;
}

// A prefix may be written with dashes ("NOEL-"); in the code it has none.
static size_t put_prefix(struct bytes prefix, char code[LOYALTY_CODE_BYTES + 1]) {
  code[0] = 0;
  if (prefix.size_bytes > 0) loyalty_code_normalise(prefix, code, NULL);
  return strlen(code);
}

enum { DRAWN_BYTES = 2 * LOYALTY_CODE_BYTES };

// Where the randomness of a code comes from: the kernel, or a secret and the code's number (ChaCha20, the number as its
// nonce), so that a job that draws a million of them need not keep them to know them.
struct spring {
  const uint8_t *secret; // NULL: the kernel
  uint64_t number, block;
};

static void pour(struct spring *spring, uint8_t random[DRAWN_BYTES]) {
  enum { BLOCKS = DRAWN_BYTES / 64 }; // of the cipher
  uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
  if (spring->secret == NULL) {
    randombytes_buf(random, DRAWN_BYTES);
    return;
  }
  for (size_t i = 0; i < sizeof nonce; i++) nonce[i] = (uint8_t)(spring->number >> (8 * i));
  memset(random, 0, DRAWN_BYTES);
  crypto_stream_chacha20_xor_ic(random, random, DRAWN_BYTES, nonce, spring->block, spring->secret);
  spring->block += BLOCKS;
}

// Each as likely as any other; one call for a code, not one for each character.
static void draw(struct spring *spring, char *out, size_t length) {
  const unsigned even = 256 / ALPHABET_SIZE * ALPHABET_SIZE; // a byte from here on would favour the first characters
  uint8_t random[DRAWN_BYTES];
  size_t at = sizeof random;
  for (size_t count = 0; count < length;) {
    if (at == sizeof random) {
      pour(spring, random);
      at = 0;
    }
    uint8_t byte = random[at++];
    if (byte < even) out[count++] = alphabet[byte % ALPHABET_SIZE];
  }
}

static void make(struct bytes prefix, size_t length, struct spring *spring, char code[LOYALTY_CODE_BYTES + 1]) {
  size_t size = put_prefix(prefix, code);
  assert(size < LOYALTY_CODE_BYTES && length > 0 && length < LOYALTY_CODE_BYTES - size);
  draw(spring, code + size, length);
  // With the smallest character (0) in the place of the check character, the sum says what is missing.
  code[size + length] = alphabet[0];
  int sum = sum_of(bytes_of(code + size, length + 1));
  code[size + length] = alphabet[(ALPHABET_SIZE - sum) % ALPHABET_SIZE];
  code[size + length + 1] = 0;
}

void loyalty_code_make(struct bytes prefix, size_t length, char code[LOYALTY_CODE_BYTES + 1]) {
  struct spring spring = {.secret = NULL};
  make(prefix, length, &spring, code);
}

void loyalty_code_derive(struct bytes prefix, size_t length, const uint8_t secret[LOYALTY_CODE_SECRET_BYTES],
                         uint64_t number, char code[LOYALTY_CODE_BYTES + 1]) {
  struct spring spring = {.secret = secret, .number = number};
  make(prefix, length, &spring, code);
}

bool loyalty_code_is_sound(struct bytes code, struct bytes prefix, size_t length) {
  char plain[LOYALTY_CODE_BYTES + 1];
  struct bytes begin = bytes_of(plain, put_prefix(prefix, plain));
  if (!bytes_starts_with(code, begin) || code.size_bytes != begin.size_bytes + length + 1) return true;
  return sum_of(bytes_of(code.data + begin.size_bytes, length + 1)) == 0;
}

// --- may it be redeemed --------------------------------------------------------------------------------------

static bool starts_later(const struct loyalty_code_try *attempt) {
  return attempt->at_us < attempt->voucher->span.from_us || attempt->at_us < attempt->code->span.from_us;
}

static bool is_over(const struct loyalty_code_try *attempt) {
  return attempt->at_us >= attempt->voucher->span.to_us || attempt->at_us >= attempt->code->span.to_us;
}

static bool is_used_up(const struct loyalty_code_try *attempt) {
  const struct loyalty_voucher *voucher = attempt->voucher;
  return (voucher->uses_per_code > 0 && attempt->code->uses >= voucher->uses_per_code) ||
         (voucher->uses_total > 0 && attempt->voucher_uses >= voucher->uses_total);
}

// A limit per customer and a condition over the customer cannot be told of somebody unknown.
static bool lacks_customer(const struct loyalty_code_try *attempt) {
  const struct loyalty_voucher *voucher = attempt->voucher;
  bool needed = voucher->customer_needed || voucher->uses_per_customer > 0 || voucher->recipients.size_bytes > 0;
  return needed && attempt->customer == 0;
}

static bool is_for_another(const struct loyalty_code_try *attempt) {
  const struct loyalty_code *code = attempt->code;
  return (code->customer != 0 && code->customer != attempt->customer) ||
         (attempt->voucher->recipients.size_bytes > 0 && !attempt->recipient);
}

const char *loyalty_code_refusal(const struct loyalty_code_try *attempt) {
  const struct loyalty_voucher *voucher = attempt->voucher;
  const struct loyalty_code *code = attempt->code;
  if (voucher == NULL || code == NULL) return "CouponNotFound";
  bool card = voucher->discount.kind == LOYALTY_CREDIT;
  if (code->state == LOYALTY_CODE_CANCELLED) return card ? "CARD_CANCELLED" : "CouponCancelled";
  if (voucher->archived) return "CouponPartOfNotRunningCampaign";
  if (starts_later(attempt)) return "CouponStartDateInFuture";
  if (is_over(attempt)) return "CouponExpired";
  if (is_used_up(attempt)) return "quantity_exceeded";
  if (lacks_customer(attempt)) return "ProfileRequired";
  if (is_for_another(attempt)) return "CouponRecipientDoesNotMatch";
  if (voucher->uses_per_customer > 0 && attempt->customer_uses >= voucher->uses_per_customer)
    return "CouponLimitReached";
  if (voucher->when.size_bytes > 0 && !attempt->condition) return "CouponRejectedByCondition";
  return card && code->balance <= 0 ? "no_balance" : NULL;
}
