// campaign: rules for a time and a budget.
#include "loyalty/reading.h"

static const struct member BUDGET_MEMBERS[] = {
    {"points", FORM_AMOUNT, MEMBER_AT(loyalty_budget, points), .least = 1},
    {"member_points", FORM_AMOUNT, MEMBER_AT(loyalty_budget, member_points), .least = 1},
    {"money", FORM_CENTS, MEMBER_AT(loyalty_budget, cents), .least = 1},
    {"uses", FORM_WHOLE, MEMBER_AT(loyalty_budget, uses), .least = 1, .most = LOYALTY_AMOUNT_MAX},
    {"over", FORM_WORD, MEMBER_AT(loyalty_budget, over), MEMBER_WORDS(loyalty_over_words)},
};
static const struct table BUDGET_TABLE = {"a campaign's budget", TABLE_MEMBERS(BUDGET_MEMBERS),
                                          .item_bytes = sizeof(struct loyalty_budget)};

static const struct member CAMPAIGN_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_campaign, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_campaign, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_campaign, name)},
    {"programme", FORM_PROGRAMME, MEMBER_AT(loyalty_campaign, programme), .required = true},
    {"from", FORM_FROM, MEMBER_AT(loyalty_campaign, from), MEMBER_ALSO(loyalty_campaign, span.from_us)},
    {"from_us", FORM_STORED, MEMBER_AT(loyalty_campaign, span.from_us)},
    {"to", FORM_TO, MEMBER_AT(loyalty_campaign, to), MEMBER_ALSO(loyalty_campaign, span.to_us)},
    {"to_us", FORM_STORED, MEMBER_AT(loyalty_campaign, span.to_us)},
    {"rules", FORM_LIST, MEMBER_AT(loyalty_campaign, rules), MEMBER_ALSO(loyalty_campaign, rule_count),
     .most = LOYALTY_RULES_MAX, .table = &loyalty_rule_table},
    {"rule_numbers", FORM_STORED, MEMBER_AT(loyalty_campaign, rule_numbers)},
    {"budget", FORM_OBJECT, MEMBER_AT(loyalty_campaign, budget), .table = &BUDGET_TABLE},
    {"version", FORM_TOLD, MEMBER_AT(loyalty_campaign, version)},
    {"created_at", FORM_TOLD_TIME, MEMBER_AT(loyalty_campaign, created_us)},
    {"author", FORM_TOLD_NAME, MEMBER_AT(loyalty_campaign, author)},
    {"archived", FORM_FLAG, MEMBER_AT(loyalty_campaign, archived)},
};
static const struct loyalty_campaign CAMPAIGN_DEFAULTS = {.span = {INT64_MIN, INT64_MAX}};

static enum err finish_campaign(struct reading *reading, void *item) {
  struct loyalty_campaign *campaign = item;
  const struct loyalty_campaign *older = reading->older;
  if (campaign->name.size_bytes == 0) campaign->name = campaign->id;
  if (campaign->span.from_us >= campaign->span.to_us)
    return reading_refuse(reading, "to", "wrong_order", "the campaign ends before it begins");
  if (reading_is_stored(reading)) return ERR_OK;
  campaign->rule_numbers = older == NULL ? 0 : older->rule_numbers;
  return loyalty_rules_number(reading, campaign->rules, campaign->rule_count, older == NULL ? NULL : older->rules,
                              older == NULL ? 0 : older->rule_count, &campaign->rule_numbers);
}

static const struct table CAMPAIGN_TABLE = {"a campaign", TABLE_MEMBERS(CAMPAIGN_MEMBERS),
                                            .item_bytes = sizeof(struct loyalty_campaign),
                                            .defaults = &CAMPAIGN_DEFAULTS, .finish = finish_campaign};

enum err loyalty_campaign_read(struct value document, const struct names *names, const struct loyalty_catalog *catalog,
                               const struct loyalty_campaign *older, struct arena *arena,
                               struct loyalty_campaign *campaign, struct rule_check *warnings, struct rule_diag *where,
                               struct diag *diag) {
  struct reading reading = {.names = names,
                            .catalog = catalog,
                            .arena = arena,
                            .warnings = warnings,
                            .where = where,
                            .diag = diag,
                            .older = older};
  return reading_document(&reading, &CAMPAIGN_TABLE, document, campaign);
}

void loyalty_campaign_json(const struct loyalty_campaign *campaign, const struct loyalty_programme *programme,
                           struct json_writer *writer) {
  document_json(writer, &CAMPAIGN_TABLE, campaign, campaign->archived, programme);
}

void loyalty_campaign_pack(const struct loyalty_campaign *campaign, struct value_builder *builder) {
  document_pack(builder, &CAMPAIGN_TABLE, campaign);
}

enum err loyalty_campaign_unpack(struct value packed, const struct names *names, struct arena *arena,
                                 struct loyalty_campaign *campaign) {
  return reading_stored(packed, names, arena, &CAMPAIGN_TABLE, campaign);
}
