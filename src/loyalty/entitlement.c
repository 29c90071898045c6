// entitlement: doubles among the codes of somebody who was two people.
//
// A definition entitles a customer to so many uses in a period (once for ever, or once a year): one, or its limit per
// customer where that is more. What the customer has used of it counts, whatever became of those codes; of the codes
// that are active and unused, as many stay as the entitlement leaves. Those stay that can be used longest, of two
// alike the one that she has had longer. Whatever was paid for neither counts nor goes.
#include "loyalty/code.h"

static bool is_same_entitlement(const struct loyalty_code *a, const struct loyalty_code *b,
                                enum loyalty_entitlement entitlement) {
  return a->voucher == b->voucher && (entitlement != LOYALTY_ENTITLED_YEAR || a->period == b->period);
}

static int64_t uses_of(const struct loyalty_code *code) {
  if (code->uses > 0) return code->uses;
  return code->balance < code->value ? 1 : 0; // a card in use
}

static bool is_open(const struct loyalty_code *code) {
  return code->state == LOYALTY_CODE_ACTIVE && !code->paid && uses_of(code) == 0;
}

static bool stays_before(const struct loyalty_code *a, const struct loyalty_code *b) {
  if (a->span.to_us != b->span.to_us) return a->span.to_us > b->span.to_us;
  if (a->created_us != b->created_us) return a->created_us < b->created_us;
  return bytes_compare(a->code, b->code) < 0;
}

static bool is_double(const struct loyalty_code *codes, const struct loyalty_voucher *voucher, size_t count,
                      size_t index) {
  int64_t left = voucher->uses_per_customer > 1 ? voucher->uses_per_customer : 1;
  for (size_t i = 0; i < count && left > 0; i++) {
    const struct loyalty_code *other = &codes[i];
    if (i == index || other->paid || !is_same_entitlement(other, &codes[index], voucher->entitlement)) continue;
    int64_t uses = uses_of(other);
    if (uses > 0) left = uses < left ? left - uses : 0;
    if (is_open(other) && stays_before(other, &codes[index])) left--;
  }
  return left == 0;
}

void loyalty_codes_deduplicate(const struct loyalty_code *codes, const struct loyalty_voucher *const *vouchers,
                               size_t count, bool *cancelled) {
  for (size_t i = 0; i < count; i++) {
    bool entitled = vouchers[i] != NULL && vouchers[i]->entitlement != LOYALTY_ENTITLED_EACH;
    cancelled[i] = entitled && is_open(&codes[i]) && is_double(codes, vouchers[i], count, i);
  }
}
