// code: vouchers, promotion codes and cards: what is printed, what is stored, what may be redeemed.
//
// Layer 5. Pure, but for random numbers. A code is a text of an alphabet of 31 characters that nobody takes for another
// (no 0 and O, no 1, I and L: see code.c), with a check character, so that a typing error is told from a code that does
// not exist. Case, spaces and dashes do not matter. Memory: the arena given.
#pragma once

#include "loyalty/basket.h"

enum { LOYALTY_CODE_BYTES = 64, LOYALTY_CODE_LENGTH = 12 };

// As it is stored and looked for: upper case, without spaces and dashes. ERR_INVALID code "bad_code" for what no code
// can be: other than letters of ASCII, digits and _.%+!$&, nothing at all, more than LOYALTY_CODE_BYTES.
enum err loyalty_code_normalise(struct bytes text, char code[LOYALTY_CODE_BYTES + 1], struct diag *diag);
// A new one: prefix, `length` random characters (of a generator fit for secrets), check character; grouped by fours
// when printed, not here. Dashes of the prefix are left out; both together leave room for the check character.
void loyalty_code_make(struct bytes prefix, size_t length, char code[LOYALTY_CODE_BYTES + 1]);
// False when a generated code was mistyped. Codes that people chose ("SUMMER26") have no check character: only what
// looks generated is judged, by prefix and length.
bool loyalty_code_is_sound(struct bytes code, struct bytes prefix, size_t length);

// --- rows ----------------------------------------------------------------------------------------------------

enum loyalty_code_state { LOYALTY_CODE_ACTIVE, LOYALTY_CODE_CANCELLED };
struct loyalty_code {
  struct bytes code;
  uint32_t voucher; // number of its definition
  enum loyalty_code_state state;
  struct bytes reason;      // of the cancellation: "DUPLICATE_ON_MERGE", "CARD_CANCELLED", "TIER_LOST"…
  uint64_t customer;        // whose it is; 0: anybody's
  struct loyalty_span span; // of its own, beside the definition's
  int64_t created_us;
  int64_t uses;
  int64_t balance, value; // of cards: cents left, and at first
  int32_t period;         // of its entitlement: 0, or the year
  bool paid;              // with points or money: a merge leaves it
  bool flagged;           // used, and what it was given for is gone (a tier after a return)
  uint64_t cause;         // posting or order that gave it; 0: none
};
void loyalty_code_encode(const struct loyalty_code *code, struct buffer *out); // without `code`: it is the key
enum err loyalty_code_decode(struct bytes row, struct bytes code, struct arena *arena, struct loyalty_code *out);
// {"code","voucher","state","reason","customer","valid_from","valid_to","uses","balance","value"}; the object stays
// open.
void loyalty_code_json(const struct loyalty_code *code, const struct loyalty_voucher *voucher,
                       struct json_writer *writer);

struct loyalty_redemption {
  uint64_t id;
  struct bytes code, order, identifier;
  uint32_t voucher;
  uint64_t customer;
  int64_t cents, time_us, recorded_us;
  uint32_t source;
  bool rolled_back;
  int64_t rolled_back_us;
  struct bytes cashier; // who took it; empty: nobody was named
};
void loyalty_redemption_encode(const struct loyalty_redemption *redemption, struct buffer *out);
enum err loyalty_redemption_decode(struct bytes row, struct arena *arena, struct loyalty_redemption *out);
void loyalty_redemption_json(const struct loyalty_redemption *redemption, struct json_writer *writer);

// --- may it be redeemed --------------------------------------------------------------------------------------

struct loyalty_code_try {
  const struct loyalty_voucher *voucher;
  const struct loyalty_code *code; // NULL: there is none
  uint64_t customer;               // 0: nobody known
  int64_t at_us;                   // when it is used
  int64_t voucher_uses;            // of all codes of the definition
  int64_t customer_uses;           // by this customer
  bool recipient;                  // the condition over the customer is true
  bool condition;                  // the condition over the basket is true
};
// NULL: it may; else the refusal, the first of this order: "CouponNotFound", "CARD_CANCELLED" / "CouponCancelled",
// "CouponPartOfNotRunningCampaign" (archived), "CouponStartDateInFuture", "CouponExpired", "quantity_exceeded",
// "ProfileRequired", "CouponRecipientDoesNotMatch", "CouponLimitReached" (per customer),
// "CouponRejectedByCondition", "no_balance" (a card that is empty).
// A profile is required by the voucher's setting, by a limit per customer and by a condition over the customer.
const char *loyalty_code_refusal(const struct loyalty_code_try *attempt);

// Every refusal of the loyalty engine with its words for people, in the order in which they are looked for.
struct loyalty_refusal {
  const char *code, *words;
};
const struct loyalty_refusal *loyalty_refusals(size_t *count);
const char *loyalty_refusal_words(const char *code); // NULL: there is no such code
const char *loyalty_refusal_code(const char *code);  // the same code, of static storage; NULL: there is no such code

// Which of a customer's codes are doubles of each other after a merge (loyalty_voucher.entitlement): cancelled[i] is
// set for each that is to go. One that was used leaves none; what was paid for stays.
void loyalty_codes_deduplicate(const struct loyalty_code *codes, const struct loyalty_voucher *const *vouchers,
                               size_t count, bool *cancelled);
