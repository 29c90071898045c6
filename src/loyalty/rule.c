// rule: rules, their caps and discounts as documents have them; programmes and campaigns have the same.
#include "loyalty/reading.h"

#define ORDER_EVENT BYTES("Order Completed")

const char *const loyalty_over_words[2] = {[LOYALTY_TRIM] = "trim", [LOYALTY_REJECT] = "reject"};
static const char *const PERIOD_WORDS[] = {[LOYALTY_EVER] = "ever",
                                           [LOYALTY_DAY] = "day",
                                           [LOYALTY_WEEK] = "week",
                                           [LOYALTY_MONTH] = "month",
                                           [LOYALTY_YEAR] = "year"};
static const char *const SCOPE_WORDS[] = {
    [LOYALTY_CAP_MEMBER] = "member", [LOYALTY_CAP_EVERYBODY] = "everybody", [LOYALTY_CAP_LINE] = "line"};

// --- caps ----------------------------------------------------------------------------------------------------

static const struct member CAP_MEMBERS[] = {
    {"most", FORM_AMOUNT, MEMBER_AT(loyalty_cap, most), .least = 1, .required = true},
    {"scope", FORM_WORD, MEMBER_AT(loyalty_cap, scope), MEMBER_WORDS(SCOPE_WORDS)},
    {"per", FORM_WORD, MEMBER_AT(loyalty_cap, period), MEMBER_WORDS(PERIOD_WORDS)},
    {"over", FORM_WORD, MEMBER_AT(loyalty_cap, over), MEMBER_WORDS(loyalty_over_words)},
};
static const struct loyalty_cap CAP_DEFAULTS = {0};
static const struct table CAP_TABLE = {"a cap", TABLE_MEMBERS(CAP_MEMBERS), .item_bytes = sizeof(struct loyalty_cap),
                                       .defaults = &CAP_DEFAULTS};

// --- discounts -----------------------------------------------------------------------------------------------

static const struct member FREE_MEMBERS[] = {
    {"sku", FORM_NAME, MEMBER_AT(loyalty_discount, sku), .required = true},
    {"quantity", FORM_WHOLE, MEMBER_AT(loyalty_discount, quantity), .least = 1, .most = 1000000},
};
static const struct table FREE_TABLE = {"a free product", TABLE_MEMBERS(FREE_MEMBERS),
                                        .item_bytes = sizeof(struct loyalty_discount)};

static const struct member DISCOUNT_MEMBERS[] = {
    {"percent", FORM_PERCENT, MEMBER_AT(loyalty_discount, percent), .choice = LOYALTY_PERCENT},
    {"amount", FORM_CENTS, MEMBER_AT(loyalty_discount, cents), .least = 1, .choice = LOYALTY_AMOUNT},
    {"free", FORM_GROUP, .choice = LOYALTY_FREE, .table = &FREE_TABLE},
    {"shipping", FORM_YES, .choice = LOYALTY_SHIPPING},
    {"most", FORM_CENTS, MEMBER_AT(loyalty_discount, most_cents), .least = 1},
    {"lines", FORM_CONDITION, MEMBER_AT(loyalty_discount, lines), .over = OVER_LINE},
    {"credit", FORM_CENTS, MEMBER_AT(loyalty_discount, cents), .least = 1, .choice = LOYALTY_CREDIT},
};
static const struct loyalty_discount DISCOUNT_DEFAULTS = {.quantity = 0};

static enum err finish_discount(struct reading *reading, void *item) {
  struct loyalty_discount *discount = item;
  if (discount->kind == LOYALTY_NO_DISCOUNT)
    return reading_refuse(reading, NULL, "missing_member",
                          "expected \"percent\", \"amount\", \"free\", \"shipping\" or, of a voucher, \"credit\"");
  if (discount->most_cents != 0 && discount->kind != LOYALTY_PERCENT)
    return reading_refuse(reading, "most", "conflict", "only a discount of so many percent has a most");
  if (discount->lines.size_bytes > 0 && discount->kind != LOYALTY_PERCENT && discount->kind != LOYALTY_AMOUNT)
    return reading_refuse(reading, "lines", "conflict", "only \"percent\" and \"amount\" are shared out over lines");
  if (discount->kind == LOYALTY_FREE && discount->quantity == 0) discount->quantity = 1;
  return ERR_OK;
}

const struct table loyalty_discount_table = {"a discount",
                                             TABLE_MEMBERS(DISCOUNT_MEMBERS),
                                             .item_bytes = sizeof(struct loyalty_discount),
                                             .choice_at = offsetof(struct loyalty_discount, kind),
                                             .defaults = &DISCOUNT_DEFAULTS,
                                             .finish = finish_discount};

// --- rules ---------------------------------------------------------------------------------------------------

// What `earn` is over is decided by `by_line`, and that by `lines`: they come before it.
static const struct member RULE_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_rule, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_rule, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_rule, name)},
    {"on", FORM_EVENT, MEMBER_AT(loyalty_rule, on), .required = true},
    {"from", FORM_FROM, MEMBER_AT(loyalty_rule, from), MEMBER_ALSO(loyalty_rule, span.from_us)},
    {"from_us", FORM_STORED, MEMBER_AT(loyalty_rule, span.from_us)},
    {"to", FORM_TO, MEMBER_AT(loyalty_rule, to), MEMBER_ALSO(loyalty_rule, span.to_us)},
    {"to_us", FORM_STORED, MEMBER_AT(loyalty_rule, span.to_us)},
    {"when", FORM_CONDITION, MEMBER_AT(loyalty_rule, when), .over = OVER_EVENT},
    {"currency", FORM_CURRENCY, MEMBER_AT(loyalty_rule, currency)},
    {"by_line", FORM_FLAG, MEMBER_AT(loyalty_rule, by_line)},
    {"lines", FORM_CONDITION, MEMBER_AT(loyalty_rule, lines), .over = OVER_LINE},
    {"earn", FORM_FORMULA, MEMBER_AT(loyalty_rule, earn), .over = OVER_RULE},
    {"once_by", FORM_KEY, MEMBER_AT(loyalty_rule, once_by), .over = OVER_EVENT},
    {"withdrawn_by", FORM_NAME, MEMBER_AT(loyalty_rule, withdrawn_by)},
    {"discount", FORM_OBJECT, MEMBER_AT(loyalty_rule, discount), .table = &loyalty_discount_table},
    {"give", FORM_VOUCHER, MEMBER_AT(loyalty_rule, give)},
    {"caps", FORM_LIST, MEMBER_AT(loyalty_rule, caps), MEMBER_ALSO(loyalty_rule, cap_count), .most = LOYALTY_CAPS_MAX,
     .table = &CAP_TABLE},
};
static const struct loyalty_rule RULE_DEFAULTS = {.span = {INT64_MIN, INT64_MAX}};

static enum err check_caps(struct reading *reading, const struct loyalty_rule *rule) {
  for (size_t i = 0; i < rule->cap_count; i++)
    if (rule->caps[i].scope == LOYALTY_CAP_LINE && !rule->by_line)
      return reading_refuse(reading, "by_line", "missing_member",
                            "caps[%zu] is of a line, and the rule earns once an event: expected \"by_line\": true", i);
  return ERR_OK;
}

static enum err finish_rule(struct reading *reading, void *item) {
  struct loyalty_rule *rule = item;
  bool earns = rule->earn.size_bytes > 0, discounts = rule->discount.kind != LOYALTY_NO_DISCOUNT;
  if (rule->name.size_bytes == 0) rule->name = rule->id;
  if (rule->lines.size_bytes > 0) rule->by_line = true;
  if (!earns && !discounts && rule->give.size_bytes == 0)
    return reading_refuse(reading, NULL, "missing_member",
                          "a rule does something: expected \"earn\", \"discount\" or \"give\"");
  if (rule->by_line && !earns)
    return reading_refuse(reading, "earn", "missing_member",
                          "missing: what each line earns; the lines of a discount are in \"discount\"");
  if (discounts && !bytes_equal(rule->on, ORDER_EVENT))
    return reading_refuse(reading, "discount", "conflict", "only a rule on \"Order Completed\" has a discount");
  if (rule->discount.kind == LOYALTY_CREDIT)
    return reading_refuse(reading, "discount.credit", "conflict",
                          "only a voucher is a card: it pays, and takes nothing off");
  if (rule->withdrawn_by.size_bytes > 0 && rule->once_by.size_bytes == 0)
    return reading_refuse(reading, "once_by", "missing_member", "missing: by what an event and its withdrawal meet");
  if (rule->span.from_us >= rule->span.to_us)
    return reading_refuse(reading, "to", "wrong_order", "the rule ends before it begins");
  return check_caps(reading, rule);
}

static enum err finish_rules(struct reading *reading, void *items, size_t count) {
  const struct loyalty_rule *rules = items;
  return reading_unique(reading, &rules->id, sizeof *rules, count);
}

const struct table loyalty_rule_table = {"a rule",
                                         TABLE_MEMBERS(RULE_MEMBERS),
                                         .item_bytes = sizeof(struct loyalty_rule),
                                         .defaults = &RULE_DEFAULTS,
                                         .finish = finish_rule,
                                         .finish_list = finish_rules};

static struct numbering numbers_of_rules(const struct loyalty_rule *rules, size_t count) {
  if (count == 0) return (struct numbering){0};
  return (struct numbering){&rules->id, &rules->number, sizeof *rules, count};
}

enum err loyalty_rules_number(struct reading *reading, const struct loyalty_rule *rules, size_t count,
                              const struct loyalty_rule *older, size_t older_count, uint32_t *given) {
  return reading_number(reading, (void *)rules, numbers_of_rules(rules, count), numbers_of_rules(older, older_count),
                        sizeof(uint32_t), given);
}
