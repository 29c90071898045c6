// loyalty_explain.c: why each rule did something for a basket, or nothing.
//
// Of every rule for orders, also of those that the index passed over: what it did, else the first reason why not, what
// its condition came to, and what its caps and its campaign's budget leave after this basket. Nothing is computed anew:
// what the booking noted is told, so that an explanation is never another answer.
#include "engine/loyalty.h"

struct explaining {
  struct loyalty_kit *kit;
  const struct loyalty_explanation *explanation;
  struct json_writer *writer;
};

const char *loyalty_reason_words(const char *reason) {
  static const struct {
    const char *code, *words;
  } skips[] = {{"condition_false", "The condition of the rule is not true."},
               {"condition_unknown", "The condition of the rule met a limit, and has no answer."},
               {"once_null", "What the rule is given once for is not there."},
               {"amount_null", "The amount of the rule has no value here."},
               {"amount_unknown", "The amount of the rule met a limit, and has no answer."},
               {"amount_negative", "The amount of the rule is below zero."},
               {"amount_overflow", "The amount of the rule is too large."},
               {"amount_zero", "The amount of the rule is zero."},
               {"ALREADY_EARNED", "The rule was earned for this already."},
               {"not_in_time", "The rule is not in force at the time of the order."},
               {"archived", "The programme or the campaign is archived."}};
  const char *words = loyalty_refusal_words(reason);
  for (size_t i = 0; words == NULL && i < sizeof skips / sizeof *skips; i++)
    if (strcmp(skips[i].code, reason) == 0) words = skips[i].words;
  return words == NULL ? reason : words;
}

// --- what was noted ------------------------------------------------------------------------------------------

static const struct loyalty_outcome *outcome_of(const struct explaining *explaining,
                                                const struct loyalty_live_rule *rule) {
  const struct loyalty_outcomes *outcomes = explaining->explanation->outcomes;
  for (size_t i = 0; i < outcomes->count; i++)
    if (outcomes->items[i].rule == rule) return &outcomes->items[i];
  return NULL;
}

static const struct loyalty_look *look_of(const struct explaining *explaining, const struct loyalty_live_rule *rule) {
  for (size_t i = 0; i < explaining->explanation->look_count; i++)
    if (explaining->explanation->looks[i].rule == rule) return &explaining->explanation->looks[i];
  return NULL;
}

static bool is_in(const struct loyalty_span *span, int64_t at_us) {
  return at_us >= span->from_us && at_us < span->to_us;
}

// Of a rule that nobody looked at.
static const char *passed_over(const struct explaining *explaining, const struct loyalty_programme *programme,
                               const struct loyalty_campaign *campaign, const struct loyalty_rule *rule) {
  int64_t at_us = explaining->explanation->event->at_us;
  if (programme->archived || (campaign != NULL && campaign->archived)) return "archived";
  if (!is_in(&rule->span, at_us) || (campaign != NULL && !is_in(&campaign->span, at_us))) return "not_in_time";
  return "condition_false";
}

// --- limits --------------------------------------------------------------------------------------------------

static enum err write_caps(const struct explaining *explaining, const struct loyalty_live_rule *rule) {
  static const char *const scopes[] = {
      [LOYALTY_CAP_MEMBER] = "member", [LOYALTY_CAP_EVERYBODY] = "everybody", [LOYALTY_CAP_LINE] = "line"};
  struct json_writer *writer = explaining->writer;
  const struct loyalty_currency *currency = loyalty_currency_at(rule->programme, rule->rule->currency);
  struct loyalty_ledger *ledger;
  if (rule->rule->cap_count == 0) return ERR_OK;
  enum err err =
      loyalty_ledger_open(explaining->kit->work, explaining->kit->customer, rule->programme->number, false, &ledger);
  if (err != ERR_OK) return err;
  json_name(writer, "caps");
  json_array_begin(writer);
  for (size_t i = 0; i < rule->rule->cap_count; i++) {
    const struct loyalty_cap *cap = &rule->rule->caps[i];
    int64_t left;
    json_object_begin(writer);
    json_member_text(writer, "scope", scopes[cap->scope]);
    json_member_scaled(writer, "most", cap->most, currency->scale);
    if (loyalty_cap_left(explaining->kit, ledger, rule, i, explaining->explanation->event->at_us, &left))
      json_member_scaled(writer, "left", left < 0 ? 0 : left, currency->scale);
    json_object_end(writer);
  }
  json_array_end(writer);
  return ERR_OK;
}

static void write_budget(const struct explaining *explaining, const struct loyalty_live_rule *rule) {
  static const struct {
    enum loyalty_counter_kind kind;
    const char *name;
  } kinds[] = {{LOYALTY_COUNT_POINTS, "points"}, {LOYALTY_COUNT_CENTS, "money"}, {LOYALTY_COUNT_USES, "uses"}};
  struct work *work = explaining->kit->work;
  if (rule->campaign == NULL) return;
  json_name(explaining->writer, "budget_left");
  json_object_begin(explaining->writer);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    struct loyalty_counter_key key = {.kind = kinds[i].kind, .number = rule->campaign->number};
    if (!loyalty_counter_is_held(work, &key)) continue;
    int64_t left = loyalty_budget_room(work, rule->campaign, kinds[i].kind);
    int scale = kinds[i].kind == LOYALTY_COUNT_CENTS    ? 2
                : kinds[i].kind == LOYALTY_COUNT_POINTS ? rule->programme->currencies[0].scale
                                                        : 0;
    if (left != INT64_MAX) json_member_scaled(explaining->writer, kinds[i].name, left < 0 ? 0 : left, scale);
  }
  json_object_end(explaining->writer);
}

// --- one rule ------------------------------------------------------------------------------------------------

static void write_condition(const struct explaining *explaining, const struct loyalty_rule *rule, const char *reason,
                            bool looked_at) {
  struct json_writer *writer = explaining->writer;
  if (rule->when.size_bytes == 0) return;
  json_member_bytes(writer, "when", rule->when);
  bool is_false = reason != NULL && strcmp(reason, "condition_false") == 0;
  if (!looked_at && !is_false) return; // it was never asked
  if (reason != NULL && strcmp(reason, "condition_unknown") == 0) {
    json_name(writer, "condition");
    json_null(writer);
    return;
  }
  json_member_bool(writer, "condition", !is_false);
}

static void write_done(const struct explaining *explaining, const struct loyalty_live_rule *live,
                       const struct loyalty_outcome *outcome, const struct loyalty_look *look) {
  struct json_writer *writer = explaining->writer;
  if (look != NULL && look->reason == NULL) json_member_scaled(writer, "discount", look->cents, 2);
  if (outcome == NULL) return;
  const struct loyalty_currency *currency = loyalty_currency_at(live->programme, live->rule->currency);
  if (outcome->amount > 0 && currency != NULL) {
    json_member_scaled(writer, "points", outcome->amount, currency->scale);
    json_member_bytes(writer, "currency", currency->id);
  }
  if (outcome->trimmed) json_member_text(writer, "trimmed_by", outcome->refusal);
  if (outcome->given.code.size_bytes > 0) json_member_bool(writer, "voucher", true);
}

static enum err write_rule(const struct explaining *explaining, const struct loyalty_programme *programme,
                           const struct loyalty_campaign *campaign, const struct loyalty_rule *rule) {
  struct json_writer *writer = explaining->writer;
  struct loyalty_rule_ref ref = {campaign == NULL ? 0 : campaign->number, rule->number};
  const struct loyalty_live_rule *live = loyalty_set_rule(explaining->kit->work->loyalty, programme->number, ref);
  const struct loyalty_outcome *outcome = live == NULL ? NULL : outcome_of(explaining, live);
  const struct loyalty_look *look = live == NULL ? NULL : look_of(explaining, live);
  bool looked_at = outcome != NULL || look != NULL;
  bool earned = outcome != NULL && (outcome->amount > 0 || outcome->given.code.size_bytes > 0);
  bool applied = earned || (look != NULL && look->reason == NULL);
  const char *reason = outcome != NULL && outcome->refusal != NULL ? outcome->refusal
                       : look != NULL                              ? look->reason
                                                                   : NULL;
  if (!looked_at) reason = passed_over(explaining, programme, campaign, rule);
  json_object_begin(writer);
  json_member_bytes(writer, "programme", programme->id);
  if (campaign != NULL) json_member_bytes(writer, "campaign", campaign->id);
  json_member_bytes(writer, "rule", rule->id);
  json_member_bool(writer, "applied", applied);
  if (reason != NULL && !applied) {
    json_member_text(writer, "reason", reason);
    json_member_text(writer, "message", loyalty_reason_words(reason));
  }
  write_condition(explaining, rule, reason, looked_at);
  enum err err = ERR_OK;
  if (live != NULL) {
    write_done(explaining, live, outcome, look);
    err = write_caps(explaining, live);
    write_budget(explaining, live);
  }
  json_object_end(writer);
  return err;
}

static enum err write_rules(const struct explaining *explaining, const struct loyalty_programme *programme,
                            const struct loyalty_campaign *campaign, const struct loyalty_rule *rules, size_t count) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (bytes_equal(rules[i].on, BYTES("Order Completed")))
      err = write_rule(explaining, programme, campaign, &rules[i]);
  return err;
}

enum err loyalty_explain(struct loyalty_kit *kit, const struct loyalty_explanation *explanation,
                         struct json_writer *writer) {
  struct explaining explaining = {kit, explanation, writer};
  const struct loyalty_set *set = kit->work->loyalty;
  enum err err = ERR_OK;
  json_name(writer, "explained");
  json_array_begin(writer);
  for (size_t i = 0; err == ERR_OK && i < loyalty_set_programmes(set); i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(set, i);
    err = write_rules(&explaining, programme, NULL, programme->rules, programme->rule_count);
  }
  for (size_t i = 0; err == ERR_OK && i < loyalty_set_campaigns(set); i++) {
    const struct loyalty_campaign *campaign = loyalty_set_campaign_at(set, i);
    const struct loyalty_programme *programme = loyalty_set_programme(set, campaign->programme);
    if (programme != NULL) err = write_rules(&explaining, programme, campaign, campaign->rules, campaign->rule_count);
  }
  json_array_end(writer);
  return err;
}
