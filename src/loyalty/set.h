// set: all programmes, campaigns and vouchers of a workspace, compiled, and which rules an event may concern.
//
// Layer 5. A set is read-only once it is made; a change of one document makes a new set that shares the programs of the
// others. Rules are found by the name of the event and then by what they ask of it: of a rule whose condition says
// `store = "Lyon"` (or `in`), or that some line's sku is "A1", and joins that with `and`, only events that say so are
// looked at. So thousands of rules for single products cost an order what its own products have.
#pragma once

#include "customer/facts.h"
#include "loyalty/code.h"

struct loyalty_set;

struct loyalty_compile {
  struct names *names; // names in expressions are interned
  const struct rule_zone *(*zone)(void *context, struct bytes name);
  void *context;
  const struct loyalty_set *older; // its programs are used again where the text is the same; may be NULL
};
// Copies the documents. ERR_INVALID as the checker; ERR_LIMIT code "too_many"; ERR_NO_MEMORY.
enum err loyalty_set_open(struct loyalty_set **set, const struct loyalty_programme *programmes, size_t programme_count,
                          const struct loyalty_campaign *campaigns, size_t campaign_count,
                          const struct loyalty_voucher *vouchers, size_t voucher_count,
                          const struct loyalty_compile *with, struct diag *diag);
void loyalty_set_hold(const struct loyalty_set *set);
void loyalty_set_close(const struct loyalty_set *set);

// Views into the set; in order of their numbers, archived ones too (members may have something of them).
size_t loyalty_set_programmes(const struct loyalty_set *set);
const struct loyalty_programme *loyalty_set_programme_at(const struct loyalty_set *set, size_t index);
const struct loyalty_programme *loyalty_set_programme(const struct loyalty_set *set, uint32_t number); // NULL: none
const struct loyalty_programme *loyalty_set_programme_find(const struct loyalty_set *set, struct bytes id);
int loyalty_set_scale(const struct loyalty_set *set, uint32_t programme, uint8_t currency); // of no currency 0
const struct rule_zone *loyalty_set_zone(const struct loyalty_set *set, uint32_t programme);
size_t loyalty_set_campaigns(const struct loyalty_set *set);
const struct loyalty_campaign *loyalty_set_campaign_at(const struct loyalty_set *set, size_t index);
const struct loyalty_campaign *loyalty_set_campaign(const struct loyalty_set *set, uint32_t number);
const struct loyalty_campaign *loyalty_set_campaign_find(const struct loyalty_set *set, struct bytes id);
size_t loyalty_set_vouchers(const struct loyalty_set *set);
const struct loyalty_voucher *loyalty_set_voucher_at(const struct loyalty_set *set, size_t index);
const struct loyalty_voucher *loyalty_set_voucher(const struct loyalty_set *set, uint32_t number);
const struct loyalty_voucher *loyalty_set_voucher_find(const struct loyalty_set *set, struct bytes id);

// A rule as it is in force.
struct loyalty_live_rule {
  const struct loyalty_programme *programme;
  const struct loyalty_campaign *campaign; // NULL: the programme's own
  const struct loyalty_rule *rule;
  struct loyalty_rule_ref ref;
  const struct rule_program *when, *earn, *lines, *once_by, *discount_lines; // NULL: there is none
  const struct names *names;                                                 // the set's, in which messages are packed
};
const struct loyalty_live_rule *loyalty_set_rule(const struct loyalty_set *set, uint32_t programme,
                                                 struct loyalty_rule_ref ref);

// Does an event of this name concern anything: rules, what they withdraw, pending amounts, orders?
bool loyalty_set_concerns(const struct loyalty_set *set, uint32_t name);

// The rules that an event may concern, in the order of their documents (programmes' own first, then campaigns by
// number): of its name, in time (`at_us`), not archived, and not ruled out by what the index looks at. `message`: the
// packed message. In the arena.
enum err loyalty_set_find(const struct loyalty_set *set, uint32_t name, struct value message, int64_t at_us,
                          struct arena *arena, const struct loyalty_live_rule *const **rules, size_t *count);
// The rules that an event of this name takes back (loyalty_rule.withdrawn_by).
enum err loyalty_set_find_withdrawn(const struct loyalty_set *set, uint32_t name, struct arena *arena,
                                    const struct loyalty_live_rule *const **rules, size_t *count);
// Does the programme have a currency whose pending amounts wait for an event of this name? *currency: of this one
// alone; 0: of any, and it becomes the first such.
bool loyalty_set_releases(const struct loyalty_set *set, uint32_t programme, uint32_t name, uint8_t *currency);

// Who is staff of a programme; NULL: nobody is.
const struct rule_program *loyalty_set_staff(const struct loyalty_set *set, uint32_t programme);
// Programs of vouchers; NULL: it has no such condition.
const struct rule_program *loyalty_set_recipients(const struct loyalty_set *set, uint32_t voucher);
const struct rule_program *loyalty_set_condition(const struct loyalty_set *set, uint32_t voucher);
const struct rule_program *loyalty_set_voucher_lines(const struct loyalty_set *set, uint32_t voucher);

// --- judging (judge.c) ---------------------------------------------------------------------------------------

// One event in hand.
struct loyalty_event {
  uint32_t name;
  int64_t at_us;
  struct value message;                // with `paid` among its properties, when it is an order (loyalty_with_paid)
  const struct loyalty_basket *basket; // NULL: it has none
};

// What a rule makes of an event.
struct loyalty_judgement {
  const struct loyalty_live_rule *rule;
  const char *skipped;    // NULL: it applies; else why not, the first of: "condition_false" (of a rule by line: of all
                          // lines), "condition_unknown", "once_null", "amount_null", "amount_unknown" (a limit of the
                          // machine), "amount_negative", "amount_overflow" (above LOYALTY_AMOUNT_MAX), "amount_zero"
  bool discounts;         // it has a discount, and that is to be offered, whatever becomes of the amount
  int64_t amount;         // to be earned before caps, in the currency's smallest unit
  const int64_t *by_line; // of it, when the rule is computed line by line; NULL
  struct bytes once;      // the value of once_by as text, also of a rule that is skipped; no data: there is none
  const bool *discount_lines; // which lines the rule's discount is for; NULL: all
};
// Runs the rule's programs. A property that is missing makes it skip, never fail; fails only as facts do. Of a rule by
// line each line is rounded down on its own; one whose amount is null or below zero earns nothing, and is the reason
// only when no other line earns.
enum err loyalty_judge(const struct loyalty_live_rule *rule, const struct loyalty_event *event,
                       struct rule_machine *machine, struct facts *facts, int64_t now_us, struct arena *arena,
                       struct loyalty_judgement *judgement);
// A condition over the customer and, when `event` is not NULL, over it. NULL is true.
enum err loyalty_is_true(const struct rule_program *program, const struct loyalty_event *event,
                         struct rule_machine *machine, struct facts *facts, int64_t now_us, bool *is_true);
// Which lines of the basket a condition is true of, as they were sent.
enum err loyalty_lines_where(const struct rule_program *program, const struct loyalty_event *event,
                             struct rule_machine *machine, struct facts *facts, int64_t now_us, struct arena *arena,
                             bool **lines);

// Does loyalty_with_paid put a member of this name into an order or its lines? Then it is known before any order came.
bool loyalty_gives_property(struct bytes event, struct bytes name);
// The message of an order as rules see it: the members of `properties`, and in it "paid" (what is paid by money or
// card, of lines and shipping), "paid_lines" (without shipping), "discount" (what was taken off lines and shipping),
// and each product with "paid", "amount" (before discounts), "line_id". What was sent under these names gives way. What
// is paid is shared out over lines and shipping by what is due for each: where nothing is paid with points, a line's is
// its amount less its discount. In the arena.
enum err loyalty_with_paid(struct value message, const struct loyalty_basket *basket, int64_t paid, struct names *names,
                           struct arena *arena, struct value *out);
