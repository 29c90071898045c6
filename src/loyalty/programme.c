// programme: what a programme's document has, the checks between its members, and the numbers of what lies in it.
//
// A currency, level, rule or reward keeps its number as long as its id stands in the document; a number that was given
// once is not given again, also when its id is gone: the programme carries how many there were.
#include "loyalty/exact.h"
#include "loyalty/reading.h"
#include "value/given.h"

// --- currencies ----------------------------------------------------------------------------------------------

static const struct member PENDING_MEMBERS[] = {
    {"after", FORM_DURATION, MEMBER_AT(loyalty_currency, pending_after), .choice = LOYALTY_PENDING_AFTER},
    {"on_event", FORM_NAME, MEMBER_AT(loyalty_currency, pending_event), .choice = LOYALTY_PENDING_ON_EVENT},
};

static enum err finish_pending(struct reading *reading, void *item) {
  if (((struct loyalty_currency *)item)->pending != LOYALTY_PENDING_NONE) return ERR_OK;
  return reading_refuse(reading, NULL, "missing_member", "expected \"after\" or \"on_event\"");
}

static const struct table PENDING_TABLE = {
    "a pending period", TABLE_MEMBERS(PENDING_MEMBERS), .item_bytes = sizeof(struct loyalty_currency),
    .choice_at = offsetof(struct loyalty_currency, pending), .finish = finish_pending};

static const char *const END_WORDS[] = {[LOYALTY_VALID_END_OF_MONTH] = "month", [LOYALTY_VALID_END_OF_YEAR] = "year"};
// `end_of` is no choice of the table's kind, for its word says which; it is read before "sliding", which then meets it.
static const struct member VALIDITY_MEMBERS[] = {
    {"after", FORM_DURATION, MEMBER_AT(loyalty_currency, validity_length), .least = RULE_DAY, .most = 1},
    {"end_of", FORM_WORD, MEMBER_AT(loyalty_currency, validity), MEMBER_WORDS(END_WORDS)},
    {"sliding", FORM_YES, .choice = LOYALTY_VALID_SLIDING},
};

static enum err finish_validity(struct reading *reading, void *item) {
  struct loyalty_currency *currency = item;
  bool by_end = currency->validity == LOYALTY_VALID_END_OF_MONTH || currency->validity == LOYALTY_VALID_END_OF_YEAR;
  if (currency->validity == LOYALTY_VALID_FOREVER) currency->validity = LOYALTY_VALID_AFTER;
  if (!by_end && currency->validity_length.count == 0)
    return reading_refuse(reading, "after", "missing_member",
                          "missing: a length such as \"12 months\", or \"end_of\": \"month\" or \"year\"");
  return ERR_OK;
}

static const struct table VALIDITY_TABLE = {
    "a validity", TABLE_MEMBERS(VALIDITY_MEMBERS), .item_bytes = sizeof(struct loyalty_currency),
    .choice_at = offsetof(struct loyalty_currency, validity), .finish = finish_validity};

static const char *const RETURN_WORDS[] = {[LOYALTY_ONLY_PENDING] = "only_pending",
                                           [LOYALTY_WITHIN_BALANCE] = "within_balance",
                                           [LOYALTY_UNLIMITED] = "unlimited"};
static const struct member CURRENCY_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_currency, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_currency, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_currency, name)},
    {"scale", FORM_WHOLE, MEMBER_AT(loyalty_currency, scale), .least = 0, .most = 2},
    {"pending", FORM_GROUP, .table = &PENDING_TABLE},
    {"validity", FORM_GROUP, .table = &VALIDITY_TABLE},
    {"returns", FORM_WORD, MEMBER_AT(loyalty_currency, returns), MEMBER_WORDS(RETURN_WORDS)},
    {"worth", FORM_MICROS, MEMBER_AT(loyalty_currency, worth_micros), .least = 0},
    {"worth_of_whole", FORM_STORED, MEMBER_AT(loyalty_currency, worth_of_whole)},
    {"breakage", FORM_SHARE, MEMBER_AT(loyalty_currency, breakage)},
};
static const struct loyalty_currency CURRENCY_DEFAULTS = {.returns = LOYALTY_WITHIN_BALANCE};

static enum err finish_currency(struct reading *reading, void *item) {
  struct loyalty_currency *currency = item;
  if (currency->name.size_bytes == 0) currency->name = currency->id;
  // What an older document says of a cent is said of a whole one from here on, and pays what it paid.
  if (reading_is_stored(reading) && currency->worth_of_whole == 0) currency->worth_micros *= loyalty_whole(currency);
  currency->worth_of_whole = 1;
  if (currency->scale != 1) return ERR_OK;
  return reading_refuse(reading, "scale", "out_of_range", "expected 0 (points) or 2 (store credit in cents)");
}

static enum err check_older_currency(struct reading *reading, const struct loyalty_currency *older,
                                     const struct loyalty_currency *currencies, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!bytes_equal(older->id, currencies[i].id)) continue;
    if (older->scale == currencies[i].scale) return ERR_OK;
    return reading_refuse_item(reading, i, "scale", "scale_changed",
                               "expected %d as before: there are amounts of it, and they are kept in it", older->scale);
  }
  return reading_refuse(reading, NULL, "removed", "\"%.*s\" is gone: a currency stays, for members have amounts of it",
                        BYTES_ARG(older->id));
}

static struct numbering numbers_of_currencies(const struct loyalty_currency *items, size_t count) {
  return (struct numbering){count == 0 ? NULL : &items->id, count == 0 ? NULL : &items->number, sizeof *items, count};
}

static enum err number_currencies(struct reading *reading, struct loyalty_currency *currencies, size_t count) {
  const struct loyalty_programme *older = reading->older;
  struct numbering before = numbers_of_currencies(NULL, 0);
  uint32_t given = 0;
  if (older != NULL) before = numbers_of_currencies(older->currencies, older->currency_count);
  for (size_t i = 0; i < before.count; i++) {
    enum err err = check_older_currency(reading, &older->currencies[i], currencies, count);
    if (err != ERR_OK) return err;
    if (older->currencies[i].number > given) given = older->currencies[i].number;
  }
  return reading_number(reading, currencies, numbers_of_currencies(currencies, count), before, sizeof(uint8_t), &given);
}

static enum err finish_currencies(struct reading *reading, void *items, size_t count) {
  struct loyalty_currency *currencies = items;
  enum err err = reading_unique(reading, &currencies->id, sizeof *currencies, count);
  if (err == ERR_OK && !reading_is_stored(reading)) err = number_currencies(reading, currencies, count);
  reading->currencies = currencies;
  reading->currency_count = count;
  reading->scale = currencies[0].scale;
  return err;
}

static const struct table CURRENCY_TABLE = {"a currency",
                                            TABLE_MEMBERS(CURRENCY_MEMBERS),
                                            .item_bytes = sizeof(struct loyalty_currency),
                                            .defaults = &CURRENCY_DEFAULTS,
                                            .finish = finish_currency,
                                            .finish_list = finish_currencies};

// --- tiers ---------------------------------------------------------------------------------------------------

static const struct member LEVEL_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_level, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_level, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_level, name)},
    {"from", FORM_AMOUNT, MEMBER_AT(loyalty_level, from), .least = 0, .required = true},
    {"gift", FORM_VOUCHER, MEMBER_AT(loyalty_level, gift)},
    {"benefits", FORM_LONG, MEMBER_AT(loyalty_level, benefits)},
};
static const struct loyalty_level LEVEL_DEFAULTS = {.from = 0};

static enum err finish_level(struct reading *reading, void *item) {
  struct loyalty_level *level = item;
  (void)reading;
  if (level->name.size_bytes == 0) level->name = level->id;
  return ERR_OK;
}

static enum err finish_levels(struct reading *reading, void *items, size_t count) {
  const struct loyalty_level *levels = items;
  if (levels[0].from != 0)
    return reading_refuse_item(reading, 0, "from", "wrong_order", "the first level is where everybody begins: 0");
  for (size_t i = 1; i < count; i++)
    if (levels[i].from <= levels[i - 1].from)
      return reading_refuse_item(reading, i, "from", "wrong_order", "expected more than the level before has");
  return reading_unique(reading, &levels->id, sizeof *levels, count);
}

static const struct table LEVEL_TABLE = {"a level",
                                         TABLE_MEMBERS(LEVEL_MEMBERS),
                                         .item_bytes = sizeof(struct loyalty_level),
                                         .defaults = &LEVEL_DEFAULTS,
                                         .finish = finish_level,
                                         .finish_list = finish_levels};

static const char *const QUALIFYING_WORDS[] = {
    [LOYALTY_EARNED_IN_WINDOW] = "earned_in_window", [LOYALTY_ACTIVE_BALANCE] = "active_balance"};
static const char *const DOWNGRADE_WORDS[] = {
    [LOYALTY_DOWNGRADE_NONE] = "none", [LOYALTY_DOWNGRADE_ONE] = "one", [LOYALTY_DOWNGRADE_FULL] = "full"};
static const char *const AFTER_RETURN_WORDS[] = {[false] = "no_revert", [true] = "revert"};
static const struct member TIERS_MEMBERS[] = {
    {"currency", FORM_CURRENCY, MEMBER_AT(loyalty_tiers, currency)},
    {"qualifying", FORM_WORD, MEMBER_AT(loyalty_tiers, qualifying), MEMBER_WORDS(QUALIFYING_WORDS)},
    {"window", FORM_WINDOW, MEMBER_AT(loyalty_tiers, window_length), .least = RULE_DAY},
    {"grace", FORM_DURATION, MEMBER_AT(loyalty_tiers, grace)},
    {"downgrade", FORM_WORD, MEMBER_AT(loyalty_tiers, downgrade), MEMBER_WORDS(DOWNGRADE_WORDS)},
    {"after_return", FORM_FLAG, MEMBER_AT(loyalty_tiers, after_return), MEMBER_WORDS(AFTER_RETURN_WORDS)},
    {"notice", FORM_DURATION, MEMBER_AT(loyalty_tiers, notice)},
    {"levels", FORM_LIST, MEMBER_AT(loyalty_tiers, levels), MEMBER_ALSO(loyalty_tiers, level_count),
     .most = LOYALTY_LEVELS_MAX, .required = true, .table = &LEVEL_TABLE},
};
static const struct loyalty_tiers TIERS_DEFAULTS = {
    .window_length = {12, RULE_MONTH}, .downgrade = LOYALTY_DOWNGRADE_FULL, .after_return = true};

static enum err finish_tiers(struct reading *reading, void *item) {
  const struct loyalty_tiers *tiers = item;
  if (tiers->level_count > 0) return ERR_OK;
  return reading_refuse(reading, "levels", "missing_member", "expected at least one level, from 0");
}

static const struct table TIERS_TABLE = {"a programme with tiers", TABLE_MEMBERS(TIERS_MEMBERS),
                                         .item_bytes = sizeof(struct loyalty_tiers), .defaults = &TIERS_DEFAULTS,
                                         .finish = finish_tiers};

// --- rewards and referral ------------------------------------------------------------------------------------

static const struct member REWARD_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_reward, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_reward, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_reward, name)},
    {"voucher", FORM_VOUCHER, MEMBER_AT(loyalty_reward, voucher), .required = true},
    {"currency", FORM_CURRENCY, MEMBER_AT(loyalty_reward, currency)},
    {"cost", FORM_AMOUNT, MEMBER_AT(loyalty_reward, cost), .least = 1, .required = true},
    {"automatic", FORM_FLAG, MEMBER_AT(loyalty_reward, automatic)},
};
static const struct loyalty_reward REWARD_DEFAULTS = {.cost = 0};

static enum err finish_reward(struct reading *reading, void *item) {
  struct loyalty_reward *reward = item;
  (void)reading;
  if (reward->name.size_bytes == 0) reward->name = reward->id;
  return ERR_OK;
}

static enum err finish_rewards(struct reading *reading, void *items, size_t count) {
  const struct loyalty_reward *rewards = items;
  return reading_unique(reading, &rewards->id, sizeof *rewards, count);
}

static const struct table REWARD_TABLE = {"a reward",
                                          TABLE_MEMBERS(REWARD_MEMBERS),
                                          .item_bytes = sizeof(struct loyalty_reward),
                                          .defaults = &REWARD_DEFAULTS,
                                          .finish = finish_reward,
                                          .finish_list = finish_rewards};

static const struct member REFERRAL_MEMBERS[] = {
    {"friend", FORM_VOUCHER, MEMBER_AT(loyalty_referral, friend_voucher)},
    {"minimum", FORM_CENTS, MEMBER_AT(loyalty_referral, minimum_cents), .least = 0},
    {"currency", FORM_CURRENCY, MEMBER_AT(loyalty_referral, currency)},
    {"reward", FORM_AMOUNT, MEMBER_AT(loyalty_referral, reward), .least = 1},
};
static const struct loyalty_referral REFERRAL_DEFAULTS = {.reward = 0};

static enum err finish_referral(struct reading *reading, void *item) {
  const struct loyalty_referral *referral = item;
  if (referral->reward > 0 || referral->friend_voucher.size_bytes > 0) return ERR_OK;
  return reading_refuse(reading, NULL, "missing_member",
                        "somebody gets something: expected \"reward\", to the advocate, or \"friend\", a voucher");
}

static const struct table REFERRAL_TABLE = {"a referral", TABLE_MEMBERS(REFERRAL_MEMBERS),
                                            .item_bytes = sizeof(struct loyalty_referral),
                                            .defaults = &REFERRAL_DEFAULTS, .finish = finish_referral};

// --- who is a member -----------------------------------------------------------------------------------------

static const char *const WHO_WORDS[] = {[LOYALTY_ENROL_EVERYONE] = "everyone",
                                        [LOYALTY_ENROL_EXPLICIT] = "explicit",
                                        [LOYALTY_ENROL_FIRST_PURCHASE] = "first_purchase"};
static const struct member ENROLMENT_MEMBERS[] = {
    {"who", FORM_WORD, MEMBER_AT(loyalty_enrolment, who), MEMBER_WORDS(WHO_WORDS)},
    {"minimum_age", FORM_WHOLE, MEMBER_AT(loyalty_enrolment, minimum_age), .least = 1, .most = 120},
    {"birthday", FORM_NAME, MEMBER_AT(loyalty_enrolment, birthday)},
    {"currency", FORM_CURRENCY, MEMBER_AT(loyalty_enrolment, currency)},
    {"welcome", FORM_AMOUNT, MEMBER_AT(loyalty_enrolment, welcome), .least = 1},
    {"gift", FORM_VOUCHER, MEMBER_AT(loyalty_enrolment, gift)},
};
static const struct loyalty_enrolment ENROLMENT_DEFAULTS = {.welcome = 0};

static enum err finish_enrolment(struct reading *reading, void *item) {
  const struct loyalty_enrolment *enrolment = item;
  if (enrolment->birthday.size_bytes == 0 || enrolment->minimum_age > 0) return ERR_OK;
  return reading_refuse(reading, "birthday", "conflict", "it is asked for \"minimum_age\", which is not there");
}

static const struct table ENROLMENT_TABLE = {"a programme's enrolment", TABLE_MEMBERS(ENROLMENT_MEMBERS),
                                             .item_bytes = sizeof(struct loyalty_enrolment),
                                             .defaults = &ENROLMENT_DEFAULTS, .finish = finish_enrolment};

// --- against abuse -------------------------------------------------------------------------------------------

static const char *const OF_WORDS[] = {
    [LOYALTY_OF_MEMBER] = "member", [LOYALTY_OF_CASHIER] = "cashier", [LOYALTY_OF_STAFF] = "staff"};
static const char *const WHAT_WORDS[] = {[LOYALTY_MOVE_EARN] = "earn",
                                         [LOYALTY_MOVE_BURN] = "burn",
                                         [LOYALTY_MOVE_ADJUST] = "adjust",
                                         [LOYALTY_MOVE_REDEEM] = "redeem"};
static const char *const PER_WORDS[] = {[LOYALTY_DAY] = "day",
                                        [LOYALTY_WEEK] = "week",
                                        [LOYALTY_MONTH] = "month",
                                        [LOYALTY_YEAR] = "year",
                                        [LOYALTY_HOUR] = "hour"};
static const struct member LIMIT_MEMBERS[] = {
    {"of", FORM_WORD, MEMBER_AT(loyalty_limit, of), MEMBER_WORDS(OF_WORDS), .required = true},
    {"what", FORM_WORD, MEMBER_AT(loyalty_limit, what), MEMBER_WORDS(WHAT_WORDS), .required = true},
    {"per", FORM_WORD, MEMBER_AT(loyalty_limit, period), MEMBER_WORDS(PER_WORDS), .required = true},
    {"currency", FORM_CURRENCY, MEMBER_AT(loyalty_limit, currency)},
    {"count", FORM_WHOLE, MEMBER_AT(loyalty_limit, count), .least = 1, .most = LOYALTY_AMOUNT_MAX},
    {"points", FORM_AMOUNT, MEMBER_AT(loyalty_limit, points), .least = 1},
};
static const struct loyalty_limit LIMIT_DEFAULTS = {.count = 0};

static enum err finish_limit(struct reading *reading, void *item) {
  struct loyalty_limit *limit = item;
  bool redeem = limit->what == LOYALTY_MOVE_REDEEM;
  if (redeem && limit->points > 0)
    return reading_refuse(reading, "points", "conflict", "a code that is used moves no points: expected \"count\"");
  if (limit->count == 0 && limit->points == 0)
    return reading_refuse(reading, "count", "missing_member",
                          "a limit says how often, or how much: expected \"count\"%s", redeem ? "" : " or \"points\"");
  if (redeem) limit->currency = 0;
  return ERR_OK;
}

static enum err finish_limits(struct reading *reading, void *items, size_t count) {
  const struct loyalty_limit *limits = items;
  for (size_t i = 1; i < count; i++)
    for (size_t j = 0; j < i; j++)
      if (loyalty_limit_number(&limits[i]) == loyalty_limit_number(&limits[j]))
        return reading_refuse_item(reading, i, "per", "conflict", "limits[%zu] counts the same already", j);
  return ERR_OK;
}

static const struct table LIMIT_TABLE = {"a limit",
                                         TABLE_MEMBERS(LIMIT_MEMBERS),
                                         .item_bytes = sizeof(struct loyalty_limit),
                                         .defaults = &LIMIT_DEFAULTS,
                                         .finish = finish_limit,
                                         .finish_list = finish_limits};

static const char *const STAFF_EARN_WORDS[] = {[false] = "as_others", [true] = "nothing"};
static const char *const OWN_CARD_WORDS[] = {[false] = "refuse", [true] = "allow"};
static const struct member STAFF_MEMBERS[] = {
    {"who", FORM_CONDITION, MEMBER_AT(loyalty_staff, who), .over = OVER_CUSTOMER, .required = true},
    {"earn", FORM_FLAG, MEMBER_AT(loyalty_staff, earns_nothing), MEMBER_WORDS(STAFF_EARN_WORDS)},
    {"own_card", FORM_FLAG, MEMBER_AT(loyalty_staff, allow_own_card), MEMBER_WORDS(OWN_CARD_WORDS)},
};
const struct table loyalty_staff_table = {"a programme's staff", TABLE_MEMBERS(STAFF_MEMBERS),
                                          .item_bytes = sizeof(struct loyalty_staff)};

uint32_t loyalty_limit_number(const struct loyalty_limit *limit) {
  return (uint32_t)limit->of << 24 | (uint32_t)limit->what << 16 | (uint32_t)limit->period << 8 | limit->currency;
}

const char *loyalty_limit_word(const struct loyalty_limit *limit, const char **per) {
  *per = PER_WORDS[limit->period];
  return WHAT_WORDS[limit->what];
}

// --- baskets and tills ---------------------------------------------------------------------------------------

static const char *const BASE_WORDS[] = {[LOYALTY_BASE_DISCOUNTED] = "discounted", [LOYALTY_BASE_INITIAL] = "initial"};
static const char *const ORDER_WORDS[] = {[LOYALTY_LIST_ORDER] = "list_order",
                                          [LOYALTY_LOWEST_DISCOUNT] = "lowest_discount",
                                          [LOYALTY_HIGHEST_DISCOUNT] = "highest_discount"};
static const char *const OVER_BASKET_WORDS[] = {[false] = "prevent", [true] = "force"};
static const char *const CODES_WORDS[] = {[false] = "all", [true] = "partial"};
static const struct member STACKING_MEMBERS[] = {
    {"base", FORM_WORD, MEMBER_AT(loyalty_stacking, base), MEMBER_WORDS(BASE_WORDS)},
    {"order", FORM_WORD, MEMBER_AT(loyalty_stacking, order), MEMBER_WORDS(ORDER_WORDS)},
    {"over_basket", FORM_FLAG, MEMBER_AT(loyalty_stacking, force), MEMBER_WORDS(OVER_BASKET_WORDS)},
    {"codes", FORM_FLAG, MEMBER_AT(loyalty_stacking, partial), MEMBER_WORDS(CODES_WORDS)},
};
static const struct table STACKING_TABLE = {"a programme's stacking", TABLE_MEMBERS(STACKING_MEMBERS),
                                            .item_bytes = sizeof(struct loyalty_stacking)};

static const char *const MODE_WORDS[] = {[false] = "floor_limit", [true] = "earn_only"};
static const struct member OFFLINE_MEMBERS[] = {
    {"mode", FORM_FLAG, MEMBER_AT(loyalty_offline, earn_only), MEMBER_WORDS(MODE_WORDS)},
    {"floor", FORM_CENTS, MEMBER_AT(loyalty_offline, floor_cents), .least = 1},
    {"lateness", FORM_DURATION, MEMBER_AT(loyalty_offline, lateness)},
};

static enum err finish_offline(struct reading *reading, void *item) {
  const struct loyalty_offline *offline = item;
  if (offline->earn_only == (offline->floor_cents == 0)) return ERR_OK;
  if (offline->earn_only)
    return reading_refuse(reading, "floor", "conflict",
                          "a till that only earns has none: expected \"mode\": \"floor_limit\"");
  return reading_refuse(reading, "floor", "missing_member", "missing: up to how much a till may burn on its own");
}

static const struct table OFFLINE_TABLE = {"a programme's offline sales", TABLE_MEMBERS(OFFLINE_MEMBERS),
                                           .item_bytes = sizeof(struct loyalty_offline), .finish = finish_offline};

// --- the whole -----------------------------------------------------------------------------------------------

static const char *const PROMOTIONS_WORDS[] = {[false] = "keep", [true] = "reevaluate"};
static const char *const TENDER_WORDS[] = {[false] = "proportional", [true] = "tender_first"};
static const char *const MERGE_WORDS[] = {[false] = "dedupe_by_entitlement", [true] = "keep_all"};
static const struct member PROGRAMME_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_programme, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_programme, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_programme, name)},
    {"description", FORM_LONG, MEMBER_AT(loyalty_programme, description)},
    {"timezone", FORM_ZONE, MEMBER_AT(loyalty_programme, timezone), .required = true},
    {"money", FORM_MONEY, MEMBER_AT(loyalty_programme, money), .required = true},
    {"currencies", FORM_LIST, MEMBER_AT(loyalty_programme, currencies), MEMBER_ALSO(loyalty_programme, currency_count),
     .most = LOYALTY_CURRENCIES_MAX, .required = true, .table = &CURRENCY_TABLE},
    {"tiers", FORM_OBJECT, MEMBER_AT(loyalty_programme, tiers), .table = &TIERS_TABLE},
    {"rules", FORM_LIST, MEMBER_AT(loyalty_programme, rules), MEMBER_ALSO(loyalty_programme, rule_count),
     .most = LOYALTY_RULES_MAX, .table = &loyalty_rule_table},
    {"rewards", FORM_LIST, MEMBER_AT(loyalty_programme, rewards), MEMBER_ALSO(loyalty_programme, reward_count),
     .most = LOYALTY_REWARDS_MAX, .table = &REWARD_TABLE},
    {"referral", FORM_OBJECT, MEMBER_AT(loyalty_programme, referral), .table = &REFERRAL_TABLE},
    {"enrolment", FORM_OBJECT, MEMBER_AT(loyalty_programme, enrolment), .table = &ENROLMENT_TABLE},
    {"staff", FORM_OBJECT, MEMBER_AT(loyalty_programme, staff), .table = &loyalty_staff_table},
    {"limits", FORM_LIST, MEMBER_AT(loyalty_programme, limits), MEMBER_ALSO(loyalty_programme, limit_count),
     .most = LOYALTY_LIMITS_MAX, .table = &LIMIT_TABLE},
    {"stacking", FORM_OBJECT, MEMBER_AT(loyalty_programme, stacking), .table = &STACKING_TABLE},
    {"offline", FORM_OBJECT, MEMBER_AT(loyalty_programme, offline), .table = &OFFLINE_TABLE},
    {"expiry_notice", FORM_DURATION, MEMBER_AT(loyalty_programme, expiry_notice)},
    {"promotions_on_return", FORM_FLAG, MEMBER_AT(loyalty_programme, reevaluate_returns),
     MEMBER_WORDS(PROMOTIONS_WORDS)},
    {"mixed_tender_return", FORM_FLAG, MEMBER_AT(loyalty_programme, tender_first), MEMBER_WORDS(TENDER_WORDS)},
    {"vouchers_on_merge", FORM_FLAG, MEMBER_AT(loyalty_programme, keep_all_vouchers), MEMBER_WORDS(MERGE_WORDS)},
    {"approval_above", FORM_AMOUNT, MEMBER_AT(loyalty_programme, approval_above), .least = 1},
    {"approval_expires", FORM_DURATION, MEMBER_AT(loyalty_programme, approval_expires)},
    {"level_numbers", FORM_STORED, MEMBER_AT(loyalty_programme, level_numbers)},
    {"rule_numbers", FORM_STORED, MEMBER_AT(loyalty_programme, rule_numbers)},
    {"reward_numbers", FORM_STORED, MEMBER_AT(loyalty_programme, reward_numbers)},
    {"version", FORM_TOLD, MEMBER_AT(loyalty_programme, version)},
    {"created_at", FORM_TOLD_TIME, MEMBER_AT(loyalty_programme, created_us)},
    {"author", FORM_TOLD_NAME, MEMBER_AT(loyalty_programme, author)},
    {"archived", FORM_FLAG, MEMBER_AT(loyalty_programme, archived)},
};
static const struct loyalty_programme PROGRAMME_DEFAULTS = {.offline = {.earn_only = true, .lateness = {7, RULE_DAY}},
                                                            .approval_expires = {7, RULE_DAY}};

static struct numbering numbers_of_levels(const struct loyalty_programme *programme) {
  const struct loyalty_level *levels = programme->tiers.levels;
  if (programme->tiers.level_count == 0) return (struct numbering){0};
  return (struct numbering){&levels->id, &levels->number, sizeof *levels, programme->tiers.level_count};
}

static struct numbering numbers_of_rewards(const struct loyalty_programme *programme) {
  if (programme->reward_count == 0) return (struct numbering){0};
  return (struct numbering){&programme->rewards->id, &programme->rewards->number, sizeof *programme->rewards,
                            programme->reward_count};
}

static enum err number_all(struct reading *reading, struct loyalty_programme *programme) {
  static const struct loyalty_programme NONE;
  const struct loyalty_programme *older = reading->older == NULL ? &NONE : reading->older;
  programme->level_numbers = older->level_numbers;
  programme->rule_numbers = older->rule_numbers;
  programme->reward_numbers = older->reward_numbers;
  enum err err = reading_number(reading, (void *)programme->tiers.levels, numbers_of_levels(programme),
                                numbers_of_levels(older), sizeof(uint8_t), &programme->level_numbers);
  if (err == ERR_OK)
    err = reading_number(reading, (void *)programme->rewards, numbers_of_rewards(programme), numbers_of_rewards(older),
                         sizeof(uint32_t), &programme->reward_numbers);
  if (err == ERR_OK)
    err = loyalty_rules_number(reading, programme->rules, programme->rule_count, older->rules, older->rule_count,
                               &programme->rule_numbers);
  return err;
}

static enum err check_staff(struct reading *reading, const struct loyalty_programme *programme) {
  for (size_t i = 0; i < programme->limit_count; i++)
    if (programme->limits[i].of == LOYALTY_OF_STAFF && programme->staff.who.size_bytes == 0)
      return reading_refuse(reading, "staff", "missing_member", "limits[%zu] is of staff: say who they are", i);
  return ERR_OK;
}

static enum err finish_programme(struct reading *reading, void *item) {
  struct loyalty_programme *programme = item;
  if (programme->currency_count == 0)
    return reading_refuse(reading, "currencies", "missing_member", "expected at least one currency");
  if (programme->name.size_bytes == 0) programme->name = programme->id;
  if (reading_is_stored(reading)) return ERR_OK;
  enum err err = check_staff(reading, programme);
  return err == ERR_OK ? number_all(reading, programme) : err;
}

static const struct table PROGRAMME_TABLE = {"a programme", TABLE_MEMBERS(PROGRAMME_MEMBERS),
                                             .item_bytes = sizeof(struct loyalty_programme),
                                             .defaults = &PROGRAMME_DEFAULTS, .finish = finish_programme};

enum err loyalty_programme_read(struct value document, const struct names *names, const struct loyalty_catalog *catalog,
                                const struct loyalty_programme *older, struct arena *arena,
                                struct loyalty_programme *programme, struct rule_check *warnings,
                                struct rule_diag *where, struct diag *diag) {
  struct reading reading = {.names = names,
                            .catalog = catalog,
                            .arena = arena,
                            .warnings = warnings,
                            .where = where,
                            .diag = diag,
                            .older = older};
  return reading_document(&reading, &PROGRAMME_TABLE, document, programme);
}

void loyalty_programme_json(const struct loyalty_programme *programme, struct json_writer *writer) {
  document_json(writer, &PROGRAMME_TABLE, programme, programme->archived, programme);
}

void loyalty_programme_pack(const struct loyalty_programme *programme, struct value_builder *builder) {
  document_pack(builder, &PROGRAMME_TABLE, programme);
}

enum err loyalty_programme_unpack(struct value packed, const struct names *names, struct arena *arena,
                                  struct loyalty_programme *programme) {
  return reading_stored(packed, names, arena, &PROGRAMME_TABLE, programme);
}

// --- worth -------------------------------------------------------------------------------------------------------

static const int64_t MICROS_PER_CENT = 10000;

static bool fits(exact_wide number, int64_t *out) {
  *out = number <= INT64_MAX ? (int64_t)number : INT64_MAX;
  return number <= INT64_MAX;
}

// What a cent is in the currency's smallest unit, in millionths.
static exact_wide micros_of(const struct loyalty_currency *currency) {
  return (uint64_t)(loyalty_whole(currency) * MICROS_PER_CENT);
}

bool loyalty_worth_cents(const struct loyalty_currency *currency, int64_t amount, int64_t *cents) {
  exact_wide micros = (exact_wide)(uint64_t)amount * (uint64_t)currency->worth_micros;
  return fits(micros / micros_of(currency), cents);
}

bool loyalty_worth_amount(const struct loyalty_currency *currency, int64_t cents, int64_t *amount) {
  exact_wide micros = (exact_wide)(uint64_t)cents * micros_of(currency), worth = (uint64_t)currency->worth_micros;
  exact_wide amounts = micros / worth;
  if (amounts * worth < micros) amounts++;
  return fits(amounts, amount);
}

// --- looking up ----------------------------------------------------------------------------------------------

bool loyalty_id_is_good(struct bytes id) {
  return given_id_is_good(id, LOYALTY_ID_BYTES);
}

const struct loyalty_currency *loyalty_currency_find(const struct loyalty_programme *programme, struct bytes id) {
  for (size_t i = 0; i < programme->currency_count; i++)
    if (bytes_equal(programme->currencies[i].id, id)) return &programme->currencies[i];
  return NULL;
}

const struct loyalty_currency *loyalty_currency_at(const struct loyalty_programme *programme, uint8_t number) {
  for (size_t i = 0; i < programme->currency_count; i++)
    if (programme->currencies[i].number == number) return &programme->currencies[i];
  return NULL;
}

const struct loyalty_level *loyalty_level_at(const struct loyalty_programme *programme, uint8_t number) {
  for (size_t i = 0; i < programme->tiers.level_count; i++)
    if (programme->tiers.levels[i].number == number) return &programme->tiers.levels[i];
  return NULL;
}
