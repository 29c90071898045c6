// loyalty_simulate_tally.c: sums of a simulation: few keys, kept sorted, found by halves.
#include "engine/loyalty_simulate.h"

#include <string.h>

void tally_clear(struct tally *tally) {
  tally->currency_count = tally->rule_count = 0;
  tally->orders = tally->cents = tally->vouchers = tally->ups = tally->downs = 0;
}

void tally_release(struct tally *tally) {
  alloc_free(tally->currencies);
  alloc_free(tally->rules);
  *tally = (struct tally){0};
}

static bool add_to(int64_t *sum, int64_t amount) {
  return !__builtin_add_overflow(*sum, amount, sum);
}

static int compare_u32(uint32_t a, uint32_t b) {
  return (a > b) - (a < b);
}

static int compare_currencies(const struct tally_currency *a, const struct tally_currency *b) {
  int order = compare_u32(a->programme, b->programme);
  return order != 0 ? order : compare_u32(a->currency, b->currency);
}

static int compare_rules(const struct tally_rule *a, const struct tally_rule *b) {
  int order = compare_u32(a->programme, b->programme);
  if (order == 0) order = compare_u32(a->ref.campaign, b->ref.campaign);
  return order != 0 ? order : compare_u32(a->ref.rule, b->ref.rule);
}

// The place of a key among `count` items; its own, or where it would be.
#define FIND(items, count, wanted, compare, at)                                                                        \
  do {                                                                                                                 \
    size_t high_ = (count);                                                                                            \
    (at) = 0;                                                                                                          \
    while ((at) < high_) {                                                                                             \
      size_t middle_ = ((at) + high_) / 2;                                                                             \
      if (compare(&(items)[middle_], wanted) < 0)                                                                      \
        (at) = middle_ + 1;                                                                                            \
      else                                                                                                             \
        high_ = middle_;                                                                                               \
    }                                                                                                                  \
  } while (0)

// Room for one more at a place.
static bool open_place(void **items, size_t *count, size_t *capacity, size_t at, size_t item_bytes) {
  if (*count == *capacity) {
    size_t larger = *capacity * 2 + 8;
    void *moved = alloc_resize(*items, larger * item_bytes);
    if (moved == NULL) return false;
    *items = moved;
    *capacity = larger;
  }
  char *place = (char *)*items + at * item_bytes;
  memmove(place + item_bytes, place, (*count - at) * item_bytes);
  memset(place, 0, item_bytes);
  ++*count;
  return true;
}

enum err tally_add_points(struct tally *tally, uint32_t programme, uint8_t currency, int64_t amount) {
  const struct tally_currency wanted = {.programme = programme, .currency = currency};
  void *items = tally->currencies;
  size_t at;
  FIND(tally->currencies, tally->currency_count, &wanted, compare_currencies, at);
  bool known = at < tally->currency_count && compare_currencies(&tally->currencies[at], &wanted) == 0;
  if (!known && !open_place(&items, &tally->currency_count, &tally->currency_capacity, at, sizeof wanted))
    return ERR_NO_MEMORY;
  tally->currencies = items;
  if (!known) tally->currencies[at] = wanted;
  return add_to(&tally->currencies[at].amount, amount) ? ERR_OK : ERR_LIMIT;
}

enum err tally_add_rule(struct tally *tally, const struct tally_rule *rule) {
  void *items = tally->rules;
  size_t at;
  FIND(tally->rules, tally->rule_count, rule, compare_rules, at);
  bool known = at < tally->rule_count && compare_rules(&tally->rules[at], rule) == 0;
  if (!known && !open_place(&items, &tally->rule_count, &tally->rule_capacity, at, sizeof *rule)) return ERR_NO_MEMORY;
  tally->rules = items;
  struct tally_rule *sum = &tally->rules[at];
  if (!known) {
    *sum = *rule;
    return ERR_OK;
  }
  if (rule->currency != 0) sum->currency = rule->currency;
  bool fits = add_to(&sum->amount, rule->amount) && add_to(&sum->cents, rule->cents) &&
              add_to(&sum->vouchers, rule->vouchers) && add_to(&sum->orders, rule->orders);
  return fits ? ERR_OK : ERR_LIMIT;
}

enum err tally_add(struct tally *to, const struct tally *from) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < from->currency_count; i++)
    err = tally_add_points(to, from->currencies[i].programme, from->currencies[i].currency, from->currencies[i].amount);
  for (size_t i = 0; err == ERR_OK && i < from->rule_count; i++) err = tally_add_rule(to, &from->rules[i]);
  if (err != ERR_OK) return err;
  bool fits = add_to(&to->orders, from->orders) && add_to(&to->cents, from->cents) &&
              add_to(&to->vouchers, from->vouchers) && add_to(&to->ups, from->ups) && add_to(&to->downs, from->downs);
  return fits ? ERR_OK : ERR_LIMIT;
}

enum err tally_cost(const struct tally *tally, const struct loyalty_set *set, int64_t *micros) {
  if (__builtin_mul_overflow(tally->cents, INT64_C(10000), micros)) return ERR_LIMIT;
  for (size_t i = 0; i < tally->currency_count; i++) {
    const struct tally_currency *sum = &tally->currencies[i];
    const struct loyalty_programme *programme = loyalty_set_programme(set, sum->programme);
    const struct loyalty_currency *currency = programme == NULL ? NULL : loyalty_currency_at(programme, sum->currency);
    if (currency == NULL) continue;
    decimal_coefficient worth = (decimal_coefficient)sum->amount * (decimal_coefficient)currency->worth_micros /
                                (decimal_coefficient)loyalty_whole(currency);
    if (worth > INT64_MAX || !add_to(micros, (int64_t)worth)) return ERR_LIMIT;
  }
  return ERR_OK;
}
