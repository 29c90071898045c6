// loyalty_enrol.c: who becomes a member, and what a new member is given.
//
// A programme says who its members are: everyone whom something of it concerns, those who asked for it, or those who
// bought. Whoever may not become one earns nothing, and is told why; what she buys and which codes she uses is as it is
// for anybody. Members who are brought from elsewhere are members already, and are not asked.
// The welcome is earned once: two members who turn out to be one keep one of them (rows "k", as of a rule).
#include "engine/loyalty.h"

#include <string.h>

#include "quality/quality.h"

// --- age -----------------------------------------------------------------------------------------------------

static int64_t years_since(int birthday, const struct rule_civil *today) {
  int64_t years = today->year - birthday / 10000;
  bool before = today->month * 100 + today->day < birthday % 10000;
  return before ? years - 1 : years;
}

static const char *refusal_of_age(struct work *work, const struct work_customer *customer,
                                  const struct loyalty_programme *programme) {
  struct bytes trait = programme->enrolment.birthday, text;
  struct rule_civil today;
  if (programme->enrolment.minimum_age == 0) return NULL;
  if (trait.size_bytes == 0) trait = BYTES("birthday");
  uint32_t name = names_find(work->engine->names, trait);
  if (name == 0) return "AGE_UNKNOWN";
  struct value value = customer_trait_value_of(&customer->record, name, &work->sources);
  int birthday = !value_is_absent(value) && value_as_text(value, &text) ? quality_birth_date(text) : 0;
  if (birthday == 0) return "AGE_UNKNOWN";
  rule_time_civil(loyalty_set_zone(work->loyalty, programme->number), work->now_us, &today);
  return years_since(birthday, &today) < programme->enrolment.minimum_age ? "TOO_YOUNG" : NULL;
}

// --- becoming a member ---------------------------------------------------------------------------------------

static const char *refusal_of(struct work *work, const struct work_customer *customer,
                              const struct loyalty_programme *programme, enum loyalty_enrolling how) {
  enum loyalty_enrolment_who who = programme->enrolment.who;
  if (who == LOYALTY_ENROL_EXPLICIT && how != LOYALTY_BY_REQUEST) return "NOT_A_MEMBER";
  if (who == LOYALTY_ENROL_FIRST_PURCHASE && how == LOYALTY_BY_REQUEST) return "FIRST_PURCHASE_NEEDED";
  if (who == LOYALTY_ENROL_FIRST_PURCHASE && how == LOYALTY_BY_EVENT) return "NOT_A_MEMBER";
  return refusal_of_age(work, customer, programme);
}

static enum err give_points(struct work *work, struct work_customer *customer, struct loyalty_ledger *ledger) {
  const struct loyalty_enrolment *enrolment = &ledger->programme->enrolment;
  struct loyalty_cause cause = {
      .reason = BYTES("WELCOME"), .rule = {.rule = LOYALTY_WELCOME}, .effective_us = ledger->now_us};
  struct loyalty_lot lot = {.currency = enrolment->currency,
                            .amount = enrolment->welcome,
                            .rule = cause.rule,
                            .earned_us = ledger->now_us,
                            .active_us = ledger->now_us,
                            .expires_us = INT64_MAX};
  enum err err = loyalty_earn(ledger, &cause, enrolment->currency, enrolment->welcome, &lot.id);
  for (size_t i = 0; err == ERR_OK && i < ledger->wallet->lot_count; i++)
    if (ledger->wallet->lots[i].id == lot.id) lot = ledger->wallet->lots[i];
  if (err == ERR_OK)
    err = loyalty_once_keep(work, customer->record.id, ledger->programme->number, cause.rule, BYTES("welcome"), &lot);
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

static enum err give_gift(struct work *work, struct work_customer *customer,
                          const struct loyalty_programme *programme) {
  struct bytes id = programme->enrolment.gift;
  const struct loyalty_voucher *gift = loyalty_set_voucher_find(work->loyalty, id);
  struct loyalty_code given;
  if (gift == NULL) return loyalty_skip(work, customer, programme, id, "enrolment", programme->id);
  return loyalty_give(work, customer, gift->number, 0, false, &given);
}

enum err loyalty_enrol(struct work *work, struct work_customer *customer, uint32_t programme,
                       enum loyalty_enrolling how, struct loyalty_ledger **ledger, const char **refusal) {
  enum err err = loyalty_ledger_open(work, customer, programme, false, ledger);
  const struct loyalty_programme *document = loyalty_set_programme(work->loyalty, programme);
  *refusal = NULL;
  if (err != ERR_OK || document == NULL || (*ledger != NULL && !(*ledger)->wallet->guest)) return err;
  *refusal = refusal_of(work, customer, document, how);
  if (*refusal != NULL) {
    *ledger = NULL;
    return ERR_OK;
  }
  err = loyalty_ledger_open(work, customer, programme, true, ledger);
  if (err == ERR_OK && document->enrolment.welcome > 0) err = give_points(work, customer, *ledger);
  return err == ERR_OK && document->enrolment.gift.size_bytes > 0 ? give_gift(work, customer, document) : err;
}

enum err loyalty_enrol_buyer(struct work *work, struct work_customer *customer) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < loyalty_set_programmes(work->loyalty); i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(work->loyalty, i);
    struct loyalty_ledger *ledger;
    const char *refusal;
    if (programme->archived || programme->enrolment.who != LOYALTY_ENROL_FIRST_PURCHASE) continue;
    err = loyalty_enrol(work, customer, programme->number, LOYALTY_BY_PURCHASE, &ledger, &refusal);
  }
  return err;
}
