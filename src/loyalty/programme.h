// programme: what a person says a loyalty programme, a campaign and a voucher are.
//
// Layer 5. Three kinds of documents, read from JSON with every mistake named, kept packed with their versions, told as
// JSON. A programme has currencies, tiers and rules that are always there; a campaign adds rules for a time and a
// budget; a voucher says what its codes are worth. Everything that is stored of members names programmes, currencies,
// tiers, rules and vouchers by number: a number belongs to its id for ever, whatever versions come.
//
//   {"id":"club","name":"The club","timezone":"Europe/Paris","money":"EUR",
//    "currencies":[{"id":"points","pending":{"after":"14 days"},"validity":{"after":"12 months"},
//                   "returns":"within_balance","worth":"0.01","breakage":0.2}],
//    "tiers":{"currency":"points","qualifying":"earned_in_window","window":"12 months","grace":"30 days",
//             "downgrade":"one","after_return":"revert",
//             "levels":[{"id":"standard","from":0},{"id":"premium","from":500},{"id":"vip","from":1500,"gift":"VIP"}]},
//    "rules":[{"id":"purchase","on":"Order Completed","earn":"floor(paid)"},
//             {"id":"opened","on":"Email Opened","earn":"1","once_by":"email_id","caps":[{"most":5,"per":"day"}]}],
//    "stacking":{"base":"discounted","order":"list_order","over_basket":"prevent","codes":"all"}}
//   {"id":"may","programme":"club","from":"2026-05-01","to":"2026-05-31","rules":[…],
//    "budget":{"points":10000,"member_points":100,"over":"reject"}}
//   {"id":"WELCOME","programme":"club","discount":{"amount":"10.00"},"uses":{"per_code":1,"per_customer":1},
//    "valid":{"for":"30 days"},"minimum":"50.00","entitlement":{"period":"once"}}
// docs/loyalty.md is the reference of every member. Expressions are those of docs/expressions.md over the customer and
// over the event in hand (rule/check.h: `subject`). Amounts of points are whole; money is text or a number with at most
// two digits after the point, kept in cents.
// Memory: views and arrays live in the arena given.
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "rule/check.h"
#include "rule/duration.h"
#include "value/value.h"

enum {
  LOYALTY_ID_BYTES = 64, // letters (of ASCII), digits, _ and -, begins with a letter
  LOYALTY_TEXT_BYTES = 4096,
  LOYALTY_PROGRAMMES_MAX = 64,
  LOYALTY_CURRENCIES_MAX = 8, // of a programme
  LOYALTY_LEVELS_MAX = 16,
  LOYALTY_RULES_MAX = 200,       // of one document
  LOYALTY_CAPS_MAX = 8,          // of one rule
  LOYALTY_REWARDS_MAX = 32,      // of a programme
  LOYALTY_LIMITS_MAX = 16,       // of a programme
  LOYALTY_ALL_RULES_MAX = 20000, // in force, in one workspace
  LOYALTY_VOUCHERS_MAX = 20000,  // definitions
  LOYALTY_YEARS_MAX = 100,       // of a length of time
  LOYALTY_PREFIX_BYTES = 24,     // of codes
  LOYALTY_RANDOM_LEAST = 6,      // characters of a code, without prefix and check character
  LOYALTY_RANDOM_MOST = 32,
  LOYALTY_SHARE_UNIT = 10000, // shares and percentages are kept in hundredths of a percent
};

// --- when ----------------------------------------------------------------------------------------------------

// A first and a last day or instant, kept as instants: [from, to). A date for the end means the whole day. INT64_MIN,
// INT64_MAX: open.
struct loyalty_span {
  int64_t from_us, to_us;
};

// Local, of the calendar; hours are those of the clock.
enum loyalty_period { LOYALTY_EVER, LOYALTY_DAY, LOYALTY_WEEK, LOYALTY_MONTH, LOYALTY_YEAR, LOYALTY_HOUR };

// --- currencies ----------------------------------------------------------------------------------------------

enum loyalty_pending_kind {
  LOYALTY_PENDING_NONE,
  LOYALTY_PENDING_AFTER,    // days and longer by the programme's wall clock, hours and shorter exact
  LOYALTY_PENDING_ON_EVENT, // until an event of this name names the order ("order_id")
};
enum loyalty_validity_kind {
  LOYALTY_VALID_FOREVER,
  LOYALTY_VALID_AFTER,        // through the last second of the day that is `length` after the day of activation
  LOYALTY_VALID_END_OF_MONTH, // of the month that is `length` (may be 0) after activation
  LOYALTY_VALID_END_OF_YEAR,
  LOYALTY_VALID_SLIDING, // as AFTER, and every earning or spending of the member moves all her lots on
};
enum loyalty_return_policy { LOYALTY_ONLY_PENDING, LOYALTY_WITHIN_BALANCE, LOYALTY_UNLIMITED };

// Of any amount or money in a document or a request, in its smallest unit: 10^15.
#define LOYALTY_AMOUNT_MAX INT64_C(1000000000000000)

struct loyalty_currency {
  uint8_t number; // from 1, within the programme
  struct bytes id, name;
  uint8_t scale; // digits after the point: 0 points, 2 store credit in cents
  enum loyalty_pending_kind pending;
  struct rule_duration pending_after;
  struct bytes pending_event;
  enum loyalty_validity_kind validity;
  struct rule_duration validity_length;
  enum loyalty_return_policy returns;
  int64_t worth_micros; // what a whole one (of credit: not a cent of it) is worth when it is paid with, in millionths
                        // of the programme's money; 0: it cannot be paid with
  uint8_t
      worth_of_whole; // stored; 0: of a document from when the worth was that of the smallest unit. Always 1 once read
  uint32_t breakage;  // share expected never to be spent, of LOYALTY_SHARE_UNIT; for the liability report
};

// --- tiers ---------------------------------------------------------------------------------------------------

enum loyalty_qualifying { LOYALTY_EARNED_IN_WINDOW, LOYALTY_ACTIVE_BALANCE };
enum loyalty_window_kind {
  LOYALTY_WINDOW_ROLLING,     // points of day D count until D + length, 00:00 local
  LOYALTY_WINDOW_CALENDAR,    // of the calendar year
  LOYALTY_WINDOW_ANNIVERSARY, // years counted from the day the member joined
};
enum loyalty_downgrade { LOYALTY_DOWNGRADE_NONE, LOYALTY_DOWNGRADE_ONE, LOYALTY_DOWNGRADE_FULL };

struct loyalty_level {
  uint8_t number; // from 1: an id's for ever, says nothing of the order
  struct bytes id, name;
  int64_t from;          // qualifying amount; levels ascend by it, the first is 0
  struct bytes gift;     // voucher given on entry; empty: none
  struct bytes benefits; // for people
};
struct loyalty_tiers {
  uint8_t currency; // number; 0: the programme has no tiers
  enum loyalty_qualifying qualifying;
  enum loyalty_window_kind window;
  struct rule_duration window_length;
  struct rule_duration grace; // below her level for so long before she is moved down; count 0: at once
  enum loyalty_downgrade downgrade;
  bool after_return;           // a return may move her down at once (revert); false: it does not (no_revert)
  struct rule_duration notice; // before a downgrade an event says so; count 0: none
  const struct loyalty_level *levels;
  size_t level_count;
};

// --- rules ---------------------------------------------------------------------------------------------------

enum loyalty_over { LOYALTY_TRIM, LOYALTY_REJECT };
enum loyalty_cap_scope { LOYALTY_CAP_MEMBER, LOYALTY_CAP_EVERYBODY, LOYALTY_CAP_LINE };
struct loyalty_cap {
  int64_t most;
  enum loyalty_cap_scope scope;
  enum loyalty_period period; // LOYALTY_EVER: for all time
  enum loyalty_over over;
};

enum loyalty_discount_kind {
  LOYALTY_NO_DISCOUNT,
  LOYALTY_PERCENT,  // `percent` of the base
  LOYALTY_AMOUNT,   // `cents`
  LOYALTY_FREE,     // `quantity` of the product `sku`, which is in the basket
  LOYALTY_SHIPPING, // the shipping
  LOYALTY_CREDIT,   // a card with a balance: a tender, not a discount
};
struct loyalty_discount {
  enum loyalty_discount_kind kind;
  uint32_t percent;   // of LOYALTY_SHARE_UNIT
  int64_t cents;      // of CREDIT: what a new card holds
  int64_t most_cents; // of PERCENT: at most; 0: no limit
  struct bytes sku;
  int64_t quantity;
  struct bytes lines; // condition over a line of the basket; empty: all of it
};

struct loyalty_rule {
  uint32_t number; // from 1, of this id in this document, for ever
  struct bytes id, name;
  struct bytes on;           // name of the event; a basket that is evaluated or ordered is an "Order Completed"
  struct bytes when;         // condition; empty: always
  struct bytes earn;         // amount, a number; rounded down to the currency's scale; empty: it earns nothing
  uint8_t currency;          // number
  struct bytes lines;        // condition over a line: `earn` then is computed line by line; empty: once an event
  bool by_line;              // `earn` is computed line by line
  struct bytes once_by;      // expression over the event: one earning for each of its values; empty: each event earns
  struct bytes withdrawn_by; // name of the event that takes it back, with the same `once_by`; empty: none
  struct loyalty_discount discount;
  struct bytes give;        // voucher that is given; empty: none
  struct loyalty_span span; // of the event's own time
  struct bytes from, to;    // the same as the person wrote it
  const struct loyalty_cap *caps;
  size_t cap_count;
};

// --- documents -----------------------------------------------------------------------------------------------

enum loyalty_base { LOYALTY_BASE_DISCOUNTED, LOYALTY_BASE_INITIAL };
enum loyalty_stack_order { LOYALTY_LIST_ORDER, LOYALTY_LOWEST_DISCOUNT, LOYALTY_HIGHEST_DISCOUNT };
struct loyalty_stacking { // of discounts and codes in one basket
  enum loyalty_base base;
  enum loyalty_stack_order order;
  bool force;   // a code that has nothing left to take off is used all the same (over_basket: force, else prevent)
  bool partial; // codes that are good are taken though others are not (codes: partial, else all or nothing)
};

struct loyalty_offline { // sales of tills that were away
  bool earn_only;        // they cannot burn; else up to `floor_cents`
  int64_t floor_cents;
  struct rule_duration lateness; // later ones are kept for a person
};

// A voucher for points: asked for, or given by itself as soon as the active balance reaches the cost.
struct loyalty_reward {
  uint32_t number; // as of rules
  struct bytes id, name;
  struct bytes voucher; // id
  uint8_t currency;
  int64_t cost;
  bool automatic;
  bool idle; // of a set: its voucher is not there, or archived; nobody gets it by itself
};

struct loyalty_referral {
  struct bytes friend_voucher; // given to the friend; empty: none
  int64_t minimum_cents;       // of the friend's first order
  int64_t reward;              // of `currency`, to the advocate
  uint8_t currency;
};

// --- who is a member -----------------------------------------------------------------------------------------

enum loyalty_enrolment_who {
  LOYALTY_ENROL_EVERYONE,       // whom something of the programme concerns
  LOYALTY_ENROL_EXPLICIT,       // who asked for it (POST /v1/loyalty/members), or was brought from elsewhere
  LOYALTY_ENROL_FIRST_PURCHASE, // from her first order on
};
struct loyalty_enrolment {
  enum loyalty_enrolment_who who;
  int64_t minimum_age;   // in years; 0: none
  struct bytes birthday; // the trait that tells it; empty: "birthday"
  uint8_t currency;      // of `welcome`
  int64_t welcome;       // given to a new member; 0: nothing
  struct bytes gift;     // voucher given to her; empty: none
};

// --- against abuse -------------------------------------------------------------------------------------------

// How often, and how much of a currency, in a period. What is over it is refused. Of a programme there is one of these
// four: they say what it counts, whatever its place in the list.
enum loyalty_limit_of { LOYALTY_OF_MEMBER = 1, LOYALTY_OF_CASHIER, LOYALTY_OF_STAFF }; // STAFF: a member who is staff
enum loyalty_limit_what { LOYALTY_MOVE_EARN = 1, LOYALTY_MOVE_BURN, LOYALTY_MOVE_ADJUST, LOYALTY_MOVE_REDEEM };
struct loyalty_limit {
  enum loyalty_limit_of of;
  enum loyalty_limit_what what;
  enum loyalty_period period; // never EVER
  uint8_t currency;           // 0 of REDEEM: a use of a code has none
  int64_t count, points;      // at most; 0: no limit
};

struct loyalty_staff {
  struct bytes who;    // condition over the customer; empty: nobody is staff
  bool earns_nothing;  // staff earn nothing; else as others do
  bool allow_own_card; // a cashier may book on her own card
};

struct loyalty_programme {
  uint32_t number, version;
  struct bytes id, name, description;
  struct bytes timezone; // IANA
  struct bytes money;    // ISO 4217, of all baskets
  const struct loyalty_currency *currencies;
  size_t currency_count;
  struct loyalty_tiers tiers;
  const struct loyalty_rule *rules;
  size_t rule_count;
  const struct loyalty_reward *rewards;
  size_t reward_count;
  struct loyalty_stacking stacking;
  struct loyalty_offline offline;
  struct loyalty_referral referral;
  struct loyalty_enrolment enrolment;
  struct loyalty_staff staff;
  const struct loyalty_limit *limits;
  size_t limit_count;
  struct rule_duration expiry_notice; // before points expire an event says so; count 0: none
  bool reevaluate_returns;            // promotions are computed again on a return (reevaluate), else they stay (keep)
  bool tender_first;                  // a return is paid back to points and cards first, else in proportion
  bool keep_all_vouchers;             // on a merge (keep_all), else doubles are cancelled (dedupe_by_entitlement)
  int64_t approval_above;             // adjustments above need a second person; 0: none does
  struct rule_duration approval_expires;                // so long one waits
  uint32_t level_numbers, rule_numbers, reward_numbers; // how many were ever given: none is given twice
  bool archived;
  int64_t created_us;
  struct bytes author;
};

struct loyalty_budget {
  int64_t points, member_points; // 0: no limit
  int64_t cents, uses;
  enum loyalty_over over;
};
struct loyalty_campaign {
  uint32_t number, version;
  uint32_t programme; // number
  struct bytes id, name;
  struct loyalty_span span;
  struct bytes from, to; // the same as the person wrote it
  const struct loyalty_rule *rules;
  size_t rule_count;
  uint32_t rule_numbers; // how many were ever given
  struct loyalty_budget budget;
  bool archived;
  int64_t created_us;
  struct bytes author;
};

enum loyalty_entitlement { LOYALTY_ENTITLED_EACH, LOYALTY_ENTITLED_ONCE, LOYALTY_ENTITLED_YEAR };
struct loyalty_voucher {
  uint32_t number, version;
  uint32_t programme;
  struct bytes id, name;
  struct loyalty_discount discount;
  int64_t uses_total, uses_per_code, uses_per_customer; // 0: no limit
  struct loyalty_span span;
  struct bytes from, to;          // the same as the person wrote it
  struct rule_duration valid_for; // after it was given; count 0: as long as `span`
  struct bytes recipients;        // condition over the customer; empty: everybody
  struct bytes when;              // condition over the basket
  bool customer_needed;           // a basket without a known customer is refused: ProfileRequired
  int64_t minimum_cents;          // of the basket before discounts
  struct bytes group;             // of these at most one a basket; empty: no group
  bool exclusive;                 // no other code beside it
  int64_t budget_cents;           // 0: no limit
  enum loyalty_over over;
  enum loyalty_entitlement entitlement; // how often a customer is entitled to one, for doubles after a merge
  struct bytes prefix;                  // of codes
  uint8_t code_length;                  // without prefix and check character; 0: 12
  bool archived;
  int64_t created_us;
  struct bytes author;
};

// --- reading and telling -------------------------------------------------------------------------------------

// What references in a document may lead to. `voucher` gives the number of an id, 0: there is none; it may be NULL,
// then all are known. `programme` is asked by campaigns and vouchers alone.
enum loyalty_kind { LOYALTY_KIND_PROGRAMME, LOYALTY_KIND_CAMPAIGN, LOYALTY_KIND_VOUCHER };
struct loyalty_catalog {
  const struct rule_catalog *rules; // of expressions
  void *context;
  // The programme of this id or number (id empty), as it is in force; NULL: there is none.
  const struct loyalty_programme *(*programme)(void *context, struct bytes id, uint32_t number);
  // Its number; 0: there is none, which is a warning. The nearest id that is there, empty when none is near.
  uint32_t (*voucher)(void *context, struct bytes id);
  struct bytes (*near_voucher)(void *context, struct bytes id);      // may be NULL
  const struct rule_zone *(*zone)(void *context, struct bytes name); // NULL: no such zone here
};

// Reads a person's document (packed JSON). `older`, the version before (NULL: none), gives the numbers of currencies,
// levels and rules that stay; new ones get numbers never used in it. A currency, once there, stays. The document's own
// number, version, created_us and author are the caller's. ERR_INVALID with the member in words in the diag's field; of
// a wrong expression its place in *where (may be NULL; zero when the mistake is elsewhere). Codes as of
// segment/definition.h, and: unknown_programme, unknown_currency, bad_timezone, bad_currency_code,
// bad_date, bad_duration, bad_amount, wrong_order (levels that do not ascend, an end before its beginning), removed (a
// currency that is gone), scale_changed, conflict (two members of which only one may stand there).
// What is told beside a document ("version", "created_at"…) may stand in it and means nothing, but for "archived".
// Warnings, of expressions and (unknown_voucher) of vouchers that are not there yet, go to `warnings` (may be NULL).
enum err loyalty_programme_read(struct value document, const struct names *names, const struct loyalty_catalog *catalog,
                                const struct loyalty_programme *older, struct arena *arena,
                                struct loyalty_programme *programme, struct rule_check *warnings,
                                struct rule_diag *where, struct diag *diag);
enum err loyalty_campaign_read(struct value document, const struct names *names, const struct loyalty_catalog *catalog,
                               const struct loyalty_campaign *older, struct arena *arena,
                               struct loyalty_campaign *campaign, struct rule_check *warnings, struct rule_diag *where,
                               struct diag *diag);
enum err loyalty_voucher_read(struct value document, const struct names *names, const struct loyalty_catalog *catalog,
                              struct arena *arena, struct loyalty_voucher *voucher, struct rule_check *warnings,
                              struct rule_diag *where, struct diag *diag);

// The person's document again, then "version", "created_at", "author", "archived". The object stays open.
void loyalty_programme_json(const struct loyalty_programme *programme, struct json_writer *writer);
void loyalty_campaign_json(const struct loyalty_campaign *campaign, const struct loyalty_programme *programme,
                           struct json_writer *writer);
void loyalty_voucher_json(const struct loyalty_voucher *voucher, const struct loyalty_programme *programme,
                          struct json_writer *writer);

// The stored form, and back: a packed document with every field, numbers included. ERR_CORRUPT, ERR_NO_MEMORY.
void loyalty_programme_pack(const struct loyalty_programme *programme, struct value_builder *builder);
enum err loyalty_programme_unpack(struct value packed, const struct names *names, struct arena *arena,
                                  struct loyalty_programme *programme);
void loyalty_campaign_pack(const struct loyalty_campaign *campaign, struct value_builder *builder);
enum err loyalty_campaign_unpack(struct value packed, const struct names *names, struct arena *arena,
                                 struct loyalty_campaign *campaign);
void loyalty_voucher_pack(const struct loyalty_voucher *voucher, struct value_builder *builder);
enum err loyalty_voucher_unpack(struct value packed, const struct names *names, struct arena *arena,
                                struct loyalty_voucher *voucher);

// What a limit counts, as a number: of, what, per and the currency; the same for ever.
uint32_t loyalty_limit_number(const struct loyalty_limit *limit);
// "earn"; *per becomes "day".
const char *loyalty_limit_word(const struct loyalty_limit *limit, const char **per);
bool loyalty_id_is_good(struct bytes id);
const struct loyalty_currency *loyalty_currency_find(const struct loyalty_programme *programme, struct bytes id);
// How many of its smallest unit are a whole one.
static inline int64_t loyalty_whole(const struct loyalty_currency *currency) {
  return currency->scale == 2 ? 100 : 1;
}
// What an amount pays, in cents, rounded down; false: it passes 64 bits. The currency has a worth.
bool loyalty_worth_cents(const struct loyalty_currency *currency, int64_t amount, int64_t *cents);
// The least amount that pays so many cents; false: it passes 64 bits.
bool loyalty_worth_amount(const struct loyalty_currency *currency, int64_t cents, int64_t *amount);
const struct loyalty_currency *loyalty_currency_at(const struct loyalty_programme *programme, uint8_t number);
const struct loyalty_level *loyalty_level_at(const struct loyalty_programme *programme, uint8_t number);

// When an amount that becomes active at `active_us` ceases to be usable (exclusive; INT64_MAX: never), and when an
// amount earned at `earned_us` becomes active (of ON_EVENT: INT64_MAX). ERR_LIMIT: out of the calendar.
enum err loyalty_expiry(const struct loyalty_currency *currency, const struct rule_zone *zone, int64_t active_us,
                        int64_t *expires_us);
enum err loyalty_activation(const struct loyalty_currency *currency, const struct rule_zone *zone, int64_t earned_us,
                            int64_t *active_us);
