// loyalty_guard.c: who may do it, how often and how much: limits of members, staff and cashiers, and nobody's own card.
//
// What a member did is counted in her wallet, beside the caps of rules (loyalty/cap.c), so it survives a merge and is
// given back with an order. What a cashier did is counted in rows of COUNTER, one for each limit and period: "l"
// programme, number of the limit, count or points, hash of the cashier, start of the period. A row of a new period
// takes those with it from which nothing can be given back any more. A till names its cashier; who names none is
// nobody's, and no cashier's limit counts it.
#include "engine/loyalty.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "engine/parts.h"

static bool concerns(const struct loyalty_limit *limit, const struct loyalty_move *move) {
  return limit->what == move->what && (limit->currency == move->currency || move->what == LOYALTY_MOVE_REDEEM);
}

// How much it lets through of one of the two; 0: it does not limit that, and nothing is counted.
static int64_t most_of(const struct loyalty_limit *limit, uint8_t which) {
  return which == LOYALTY_LIMIT_COUNT ? limit->count : limit->points;
}

static struct loyalty_rule_ref ref_of(const struct loyalty_limit *limit) {
  return (struct loyalty_rule_ref){LOYALTY_LIMITS, loyalty_limit_number(limit)};
}

// --- a cashier's counters ------------------------------------------------------------------------------------

static struct loyalty_counter_key counter_key(const struct loyalty_set *set, uint32_t programme,
                                              const struct loyalty_limit *limit, uint8_t which, struct bytes cashier,
                                              int64_t at_us) {
  const struct rule_zone *zone = loyalty_set_zone(set, programme);
  struct loyalty_counter_key key = {.kind = LOYALTY_COUNT_CASHIER,
                                    .number = programme,
                                    .rule = ref_of(limit),
                                    .cap = which,
                                    .start_day = loyalty_period_start(zone, limit->period, at_us)};
  crypto_generichash(key.cashier, sizeof key.cashier, cashier.data, cashier.size_bytes, NULL, 0);
  return key;
}

size_t loyalty_cashier_counters(const struct loyalty_set *set, struct bytes cashier, int64_t at_us,
                                struct loyalty_counter_key *keys, size_t room) {
  size_t count = 0;
  if (cashier.size_bytes == 0 || set == NULL) return 0;
  for (size_t i = 0; i < loyalty_set_programmes(set); i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(set, i);
    for (size_t j = 0; j < 2 * programme->limit_count; j++) {
      const struct loyalty_limit *limit = &programme->limits[j / 2];
      uint8_t which = j % 2 == 0 ? LOYALTY_LIMIT_COUNT : LOYALTY_LIMIT_POINTS;
      if (limit->of != LOYALTY_OF_CASHIER || most_of(limit, which) == 0) continue;
      if (count < room) keys[count] = counter_key(set, programme->number, limit, which, cashier, at_us);
      count++;
    }
  }
  return count;
}

enum err loyalty_cashier_lock(struct work *work) {
  size_t count = loyalty_cashier_counters(work->loyalty, work->cashier, work->now_us, NULL, 0);
  if (count == 0) return ERR_OK;
  struct loyalty_counter_key *keys = arena_take(work->arena, count * sizeof *keys);
  if (keys == NULL) return diag_no_memory(work->diag);
  loyalty_cashier_counters(work->loyalty, work->cashier, work->now_us, keys, count);
  return loyalty_counters_lock(work, keys, count);
}

// --- counting ------------------------------------------------------------------------------------------------

static int64_t used_of(struct work *work, const struct loyalty_ledger *ledger, const struct loyalty_limit *limit,
                       uint8_t which, const struct loyalty_move *move) {
  if (limit->of == LOYALTY_OF_CASHIER) {
    struct loyalty_counter_key key =
        counter_key(work->loyalty, move->programme, limit, which, move->cashier, move->at_us);
    bool named = move->cashier.size_bytes > 0 && loyalty_counter_is_held(work, &key);
    return named ? *loyalty_counter_of(work, &key) : 0;
  }
  if (ledger == NULL) return 0;
  return INT64_MAX -
         loyalty_cap_room(ledger->wallet, ledger->zone, ref_of(limit), which, limit->period, INT64_MAX, move->at_us);
}

static enum err count_one(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_limit *limit,
                          uint8_t which, const struct loyalty_move *move) {
  int64_t amount = which == LOYALTY_LIMIT_COUNT ? move->count : move->points;
  if (amount == 0 || most_of(limit, which) == 0) return ERR_OK;
  if (limit->of != LOYALTY_OF_CASHIER)
    return ledger == NULL ? ERR_OK : loyalty_count(ledger, ref_of(limit), 0, which, limit->period, move->at_us, amount);
  struct loyalty_counter_key key =
      counter_key(work->loyalty, move->programme, limit, which, move->cashier, move->at_us);
  if (move->cashier.size_bytes == 0 || !loyalty_counter_is_held(work, &key)) return ERR_OK;
  int64_t *used = loyalty_counter_of(work, &key);
  if (__builtin_add_overflow(*used, amount, used))
    return diag_set(work->diag, ERR_LIMIT, "overflow", "this is too large an amount to be counted");
  if (*used < 0) *used = 0; // the limit is younger than what is given back
  return ERR_OK;
}

enum err loyalty_guard_count(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_move *move) {
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, move->programme);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && programme != NULL && i < programme->limit_count; i++) {
    if (!concerns(&programme->limits[i], move)) continue;
    err = count_one(work, ledger, &programme->limits[i], LOYALTY_LIMIT_COUNT, move);
    if (err == ERR_OK) err = count_one(work, ledger, &programme->limits[i], LOYALTY_LIMIT_POINTS, move);
  }
  return err;
}

// --- refusing ------------------------------------------------------------------------------------------------

enum err loyalty_is_staff(struct work *work, struct work_customer *customer, uint32_t programme, bool *is_staff) {
  const struct rule_program *who = loyalty_set_staff(work->loyalty, programme);
  struct loyalty_kit kit;
  *is_staff = false;
  if (who == NULL || customer == NULL) return ERR_OK;
  enum err err = loyalty_kit_open(&kit, work, customer);
  if (err == ERR_OK) err = loyalty_is_true(who, NULL, kit.machine, &kit.facts, work->now_us, is_staff);
  loyalty_kit_close(&kit);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

// By her id, by one of her identifiers, or by the value of one: "c42", "employee_id:17", "17".
static bool is_own_card(struct work *work, const struct work_customer *customer, struct bytes cashier) {
  char id[CUSTOMER_ID_TEXT_BYTES];
  struct identifier named;
  if (customer == NULL || cashier.size_bytes == 0) return false;
  customer_id_format(customer->record.id, id);
  if (bytes_equal(cashier, bytes_from_text(id))) return true;
  for (size_t i = 0; i < customer->record.identifier_count; i++)
    if (bytes_equal(customer->record.identifiers[i].member.identifier.value, cashier)) return true;
  return memchr(cashier.data, ':', cashier.size_bytes) != NULL &&
         parts_identifier(work->engine, cashier, work->arena, &named, NULL) == ERR_OK &&
         customer_find_identifier(&customer->record, named) >= 0;
}

static enum err check_own_card(struct work *work, const struct work_customer *customer,
                               const struct loyalty_programme *programme, struct bytes cashier) {
  if (programme->staff.who.size_bytes == 0 || programme->staff.allow_own_card) return ERR_OK;
  if (!is_own_card(work, customer, cashier)) return ERR_OK;
  diag_set(work->diag, ERR_DENIED, "OWN_CARD", "%s", loyalty_refusal_words("OWN_CARD"));
  diag_in_field(work->diag, "cashier");
  return ERR_DENIED;
}

enum err loyalty_guard_basket(struct work *work, const struct work_customer *customer) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < loyalty_set_programmes(work->loyalty); i++)
    if (!loyalty_set_programme_at(work->loyalty, i)->archived)
      err = check_own_card(work, customer, loyalty_set_programme_at(work->loyalty, i), work->cashier);
  return err;
}

static void print_amount(int64_t amount, int scale, char *text, size_t room) {
  int64_t unit = scale == 2 ? 100 : 1;
  if (scale == 2)
    snprintf(text, room, "%" PRId64 ".%02" PRId64, amount / unit, amount % unit);
  else
    snprintf(text, room, "%" PRId64, amount);
}

struct reached {
  const struct loyalty_programme *programme;
  size_t index; // of the limit
  uint8_t which;
  int64_t used, at_us;
};

// Which limit, what is counted so far, and when it begins anew.
static enum err refuse(struct work *work, const struct reached *reached) {
  static const char *const CODES[] = {[LOYALTY_OF_MEMBER] = "MEMBER_LIMIT_REACHED",
                                      [LOYALTY_OF_CASHIER] = "CASHIER_LIMIT_REACHED",
                                      [LOYALTY_OF_STAFF] = "STAFF_LIMIT_REACHED"};
  const struct loyalty_limit *limit = &reached->programme->limits[reached->index];
  const struct loyalty_currency *currency = loyalty_currency_at(reached->programme, limit->currency);
  bool points = reached->which == LOYALTY_LIMIT_POINTS;
  int scale = points && currency != NULL ? currency->scale : 0;
  const char *per, *what = loyalty_limit_word(limit, &per);
  char most[32], used[32], end[CLOCK_TEXT_BYTES] = "never";
  print_amount(points ? limit->points : limit->count, scale, most, sizeof most);
  print_amount(reached->used, scale, used, sizeof used);
  int64_t end_us =
      loyalty_period_end(loyalty_set_zone(work->loyalty, reached->programme->number), limit->period, reached->at_us);
  if (end_us != INT64_MAX) clock_format(end_us, end);
  diag_set(work->diag, ERR_DENIED, CODES[limit->of], "%s %s: at most %s%s %s %s, %s so far; free again from %s.",
           loyalty_refusal_words(CODES[limit->of]), what, most, points ? "" : " times",
           limit->period == LOYALTY_HOUR ? "an" : "a", per, used, end);
  diag_in_field(work->diag, "limits[%zu]", reached->index);
  return ERR_DENIED;
}

static bool is_over(int64_t used, int64_t more, int64_t most) {
  int64_t sum;
  return most > 0 && more > 0 && (__builtin_add_overflow(used, more, &sum) || sum > most);
}

static enum err check_limit(struct work *work, const struct loyalty_ledger *ledger,
                            const struct loyalty_programme *programme, size_t index, const struct loyalty_move *move) {
  const struct loyalty_limit *limit = &programme->limits[index];
  struct reached reached = {.programme = programme, .index = index, .at_us = move->at_us};
  reached.used = used_of(work, ledger, limit, LOYALTY_LIMIT_COUNT, move);
  if (is_over(reached.used, move->count, limit->count)) return refuse(work, &reached);
  reached.which = LOYALTY_LIMIT_POINTS;
  reached.used = used_of(work, ledger, limit, LOYALTY_LIMIT_POINTS, move);
  return is_over(reached.used, move->points, limit->points) ? refuse(work, &reached) : ERR_OK;
}

// All of one kind before the next, in the order of the refusals.
static enum err check_limits(struct work *work, const struct loyalty_ledger *ledger,
                             const struct loyalty_programme *programme, enum loyalty_limit_of of,
                             const struct loyalty_move *move) {
  enum err err = ERR_OK;
  if (of == LOYALTY_OF_CASHIER && move->cashier.size_bytes == 0) return ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < programme->limit_count; i++)
    if (programme->limits[i].of == of && concerns(&programme->limits[i], move))
      err = check_limit(work, ledger, programme, i, move);
  return err;
}

static bool has_staff_limit(const struct loyalty_programme *programme, const struct loyalty_move *move) {
  for (size_t i = 0; i < programme->limit_count; i++)
    if (programme->limits[i].of == LOYALTY_OF_STAFF && concerns(&programme->limits[i], move)) return true;
  return false;
}

enum err loyalty_guard(struct work *work, struct work_customer *customer, const struct loyalty_ledger *ledger,
                       const struct loyalty_move *move) {
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, move->programme);
  bool is_staff = false;
  if (programme == NULL) return ERR_OK;
  enum err err = check_own_card(work, customer, programme, move->cashier);
  if (err == ERR_OK) err = check_limits(work, ledger, programme, LOYALTY_OF_MEMBER, move);
  if (err == ERR_OK) err = check_limits(work, ledger, programme, LOYALTY_OF_CASHIER, move);
  if (err == ERR_OK && has_staff_limit(programme, move))
    err = loyalty_is_staff(work, customer, programme->number, &is_staff);
  return err == ERR_OK && is_staff ? check_limits(work, ledger, programme, LOYALTY_OF_STAFF, move) : err;
}
