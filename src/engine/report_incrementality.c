// report_incrementality.c: what the campaigns of a segment brought, by its control group.
//
// Who is compared: whoever was in the segment at the beginning of the period, and whoever entered it in the period,
// from that moment, which is her own beginning; whether she left since does not matter, as leaving may be what the
// campaign did. A customer's timeline has her entries and exits (`Segment Entered`, `Segment Left`), but not what the
// first evaluation of a version found; so she was in it at the beginning when the first thing that happened after it
// was that she left, or when nothing happened and she is in it now. The group is the stable share of her id
// (segment/share.c).
//
// Values are kept by part, in order of customers, and gathered in that order when the walk is over: running means are
// the same bits for any number of threads.
#include <math.h>
#include <stdio.h>

#include "engine/read.h"
#include "engine/report.h"
#include "engine/segments.h"
#include "engine/trade.h"
#include "engine/worth.h"
#include "scoring/lift.h"
#include "scoring/rfm.h"

enum { GROUPS = SEGMENT_VARIANTS_MAX + 2, CONTROL = SEGMENT_VARIANTS_MAX + 1 }; // variants, no variant, control

struct outcome {
  double revenue, before; // less what came back
  uint32_t orders, group;
};

struct part {
  struct outcome *outcomes;
  size_t count, room;
};

struct run {
  struct engine_view *view;
  struct trade *trade;
  const struct segment_definition *segment;
  int64_t from_us, to_us, now_us, length_us; // length 0: to the end of the period
  double confidence, cost;
  uint32_t entered, left, member; // names; 0: the workspace has never seen it
  uint32_t names[2];
  size_t name_count;
  struct part parts[WALK_PARTS];
};

struct group {
  double orders;
  struct lift_group buyers, revenue;
};

// --- one customer --------------------------------------------------------------------------------------------

static enum err is_of_segment(const struct run *run, struct facts *facts, size_t index, bool *is) {
  struct value message = {0};
  struct bytes id;
  enum err err = facts->customer.message(facts->customer.context, index, &message);
  struct value properties = value_member_id(message, run->view->engine->id.properties);
  *is = err == ERR_OK && value_as_text(value_member_id(properties, run->member), &id) &&
        bytes_equal(id, run->segment->id);
  return err;
}

static enum err is_member_now(const struct run *run, const struct facts *facts, bool *is) {
  struct rule_value value = {.type = RULE_TYPE_NULL};
  int64_t until_us = INT64_MAX;
  enum err err = facts->lookup(facts->lookup_context, facts->id, RULE_FUNCTION_in_segment, &run->segment->id, 1,
                               run->now_us, &value, &until_us);
  *is = err == ERR_OK && value.type == RULE_TYPE_BOOL && value.boolean;
  return err;
}

// Her own beginning; INT64_MAX: she was never in it.
static enum err find_begin(const struct run *run, struct facts *facts, int64_t *begin_us) {
  struct rule_columns columns = {.count = 0};
  bool is = false;
  enum err err = ERR_OK;
  *begin_us = INT64_MAX;
  if (run->name_count > 0 && run->member != 0)
    err = walk_events(facts, run->names, run->name_count, run->from_us, INT64_MAX, &columns);
  for (size_t i = 0; i < columns.count && err == ERR_OK; i++) {
    if (columns.time_us[i] < run->from_us) continue;
    err = is_of_segment(run, facts, i, &is);
    if (err != ERR_OK || !is) continue;
    if (columns.name[i] == run->left) *begin_us = run->from_us;
    if (columns.name[i] == run->entered && columns.time_us[i] < run->to_us) *begin_us = columns.time_us[i];
    return ERR_OK;
  }
  if (err == ERR_OK) err = is_member_now(run, facts, &is);
  if (err == ERR_OK && is) *begin_us = run->from_us;
  return err;
}

static enum err add_outcome(struct part *part, const struct outcome *outcome) {
  if (part->count == part->room) {
    size_t room = part->room == 0 ? 256 : 2 * part->room;
    struct outcome *grown = alloc_resize(part->outcomes, room * sizeof *grown);
    if (grown == NULL) return ERR_NO_MEMORY;
    part->outcomes = grown;
    part->room = room;
  }
  part->outcomes[part->count++] = *outcome;
  return ERR_OK;
}

static enum err look(void *state, size_t number, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  const struct trade_order *orders = NULL;
  struct outcome outcome = {.revenue = 0};
  int64_t begin_us, end_us;
  size_t count = 0;
  enum err err = find_begin(run, facts, &begin_us);
  if (err != ERR_OK || begin_us == INT64_MAX) return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
  end_us = run->length_us == 0 ? run->to_us : begin_us + run->length_us;
  if (end_us > run->to_us || begin_us >= end_us) return ERR_OK; // her days are not over yet
  int64_t before_us = begin_us - (end_us - begin_us);
  err = trade_orders(run->trade, facts, before_us, end_us, false, arena, &orders, &count, diag);
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    double amount = rfm_double(orders[i].amount);
    *(orders[i].time_us < begin_us ? &outcome.before : &outcome.revenue) += orders[i].returned ? -amount : amount;
    outcome.orders += !orders[i].returned && orders[i].time_us >= begin_us;
  }
  int variant = segment_variant_of(run->segment, facts->id);
  outcome.group = variant < 0 ? CONTROL : (uint32_t)variant;
  if (err == ERR_OK) err = add_outcome(&run->parts[number], &outcome);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// --- options -------------------------------------------------------------------------------------------------

static enum err refuse(const char *field, const char *code, const char *words, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "%s", words);
  diag_in_field(diag, "%s", field);
  return ERR_INVALID;
}

static enum err find_segment(struct run *run, const struct segment_set *set, struct value options, struct diag *diag) {
  struct bytes id;
  enum err err = worth_text_option(run->view, options, "segment", (struct bytes){0}, &id, diag);
  if (err != ERR_OK) return err;
  run->segment = set == NULL ? NULL : segment_set_live(set, id);
  if (run->segment == NULL) return segments_no_such(set, id, diag);
  if (run->segment->kind == SEGMENT_ATTRIBUTE)
    return refuse("segment", "no_control", "it is a computed attribute, which has no control group", diag);
  if (run->segment->limit > 0)
    return refuse("segment", "limited", "a limited audience has no fixed members to be compared", diag);
  if (run->segment->control == 0)
    return refuse("segment", "no_control",
                  "it has no control group: give it one (\"control\":0.1) before a campaign, and leave those alone",
                  diag);
  return ERR_OK;
}

static enum err find_period(struct run *run, struct value options, struct report *report, struct diag *diag) {
  struct value from = engine_report_option(run->view, options, "from"),
               to = engine_report_option(run->view, options, "to");
  enum err err = ERR_OK;
  run->now_us = run->to_us = clock_now_us(run->view->engine->clock);
  run->from_us = run->segment->live_us;
  if (!value_is_absent(from)) err = engine_report_instant(run->view, from, "from", false, &run->from_us, NULL, diag);
  if (err == ERR_OK && !value_is_absent(to))
    err = engine_report_instant(run->view, to, "to", true, &run->to_us, NULL, diag);
  if (err != ERR_OK) return err;
  if (run->from_us < run->segment->live_us) {
    run->from_us = run->segment->live_us;
    report_note(report, "The period begins when this version of the segment went live: nobody is known to have been in "
                        "it before.");
  }
  if (run->to_us > run->now_us) run->to_us = run->now_us;
  if (run->from_us >= run->to_us)
    return refuse("from", "out_of_range", "the period ends before it begins; it begins when the segment went live",
                  diag);
  return ERR_OK;
}

static enum err read_options(struct run *run, const struct segment_set *set, struct value options,
                             struct report *report, struct diag *diag) {
  double days;
  enum err err = find_segment(run, set, options, diag);
  if (err == ERR_OK) err = find_period(run, options, report, diag);
  if (err == ERR_OK) err = worth_number_option(run->view, options, "cost", 0, 0, 1e15, &run->cost, diag);
  if (err == ERR_OK)
    err = worth_number_option(run->view, options, "confidence", 0.95, 0.5, 0.9999, &run->confidence, diag);
  if (err == ERR_OK) err = worth_days_option(run->view, options, "days", 0, &days, diag);
  if (err == ERR_OK) run->length_us = (int64_t)(days * 86400e6);
  return err;
}

static void find_names(struct run *run) {
  const struct names *names = run->view->engine->names;
  run->entered = names_find(names, BYTES("Segment Entered"));
  run->left = names_find(names, BYTES("Segment Left"));
  run->member = names_find(names, BYTES("segment"));
  uint32_t low = run->entered < run->left ? run->entered : run->left,
           high = run->entered < run->left ? run->left : run->entered;
  if (low != 0) run->names[run->name_count++] = low;
  if (high != 0) run->names[run->name_count++] = high;
}

// --- telling it ----------------------------------------------------------------------------------------------

static void tell_facts(const struct run *run, struct report *report) {
  char from[ENGINE_REPORT_TIME_BYTES], to[ENGINE_REPORT_TIME_BYTES], text[160];
  engine_report_time(run->view, run->from_us, from);
  engine_report_time(run->view, run->to_us, to);
  report_fact(report, "segment", "Segment", run->segment->name);
  snprintf(text, sizeof text, "%s to %s", from, to);
  report_fact(report, "period", "Period", bytes_from_text(text));
  report_fact(report, "time_zone", "Time zone", bytes_from_text(rule_zone_name(engine_zone(run->view->engine))));
  if (run->length_us > 0)
    snprintf(text, sizeof text, "%g days from the day a customer was in the segment; those whose days are over",
             (double)run->length_us / 86400e6);
  else
    snprintf(text, sizeof text, "From the moment a customer was in the segment to the end of the period");
  report_fact(report, "counted", "Counted", bytes_from_text(text));
  snprintf(text, sizeof text, "%g%%", 100 * run->confidence);
  report_fact(report, "confidence", "Confidence", bytes_from_text(text));
}

static void tell_group(struct report *report, struct bytes name, const struct group *group) {
  double customers = group->buyers.customers;
  report_text(report, name);
  report_count(report, (uint64_t)customers);
  report_count(report, (uint64_t)(group->buyers.mean * customers + 0.5));
  report_number(report, customers > 0 ? group->buyers.mean : NAN);
  report_count(report, (uint64_t)group->orders);
  report_number(report, customers > 0 ? group->revenue.mean * customers : NAN);
  report_number(report, customers > 0 ? group->revenue.mean : NAN);
  report_number(report, customers > 0 ? group->revenue.before_mean : NAN);
}

static void tell_groups(const struct run *run, struct report *report, const struct group *groups,
                        const struct group *treated) {
  static const struct report_column columns[] = {{"group", "Group", REPORT_TEXT},
                                                 {"customers", "Customers", REPORT_COUNT},
                                                 {"buyers", "Buyers", REPORT_COUNT},
                                                 {"rate", "Conversion rate", REPORT_SHARE},
                                                 {"orders", "Orders", REPORT_COUNT},
                                                 {"revenue", "Revenue", REPORT_NUMBER},
                                                 {"revenue_per_customer", "Revenue per customer", REPORT_NUMBER},
                                                 {"before_per_customer", "The same before", REPORT_NUMBER}};
  report_table(report, "groups", "Groups by assignment", columns, 8);
  tell_group(report, BYTES("Treated"), treated);
  tell_group(report, BYTES("Control"), &groups[CONTROL]);
  for (size_t i = 0; i < run->segment->variant_count; i++)
    tell_group(report, run->segment->variants[i].name, &groups[i]);
}

static void tell_lift(struct report *report, const struct lift *lift, double customers) {
  report_number(report, lift->treated_mean);
  report_number(report, lift->control_mean);
  report_number(report, lift->difference);
  report_number(report, lift->low);
  report_number(report, lift->high);
  report_number(report, lift->relative);
  report_number(report, lift->p_value);
  report_number(report, lift->incremental);
  report_number(report, lift->low * customers);
  report_number(report, lift->high * customers);
}

static void tell_buyers(struct report *report, const struct lift *lift, double customers) {
  static const struct report_column columns[] = {{"treated", "Treated", REPORT_SHARE},
                                                 {"control", "Control", REPORT_SHARE},
                                                 {"difference", "Difference", REPORT_SHARE},
                                                 {"low", "At least", REPORT_SHARE},
                                                 {"high", "At most", REPORT_SHARE},
                                                 {"lift", "Lift", REPORT_SHARE},
                                                 {"p_value", "By chance", REPORT_NUMBER},
                                                 {"incremental", "Buyers won", REPORT_NUMBER},
                                                 {"incremental_low", "At least", REPORT_NUMBER},
                                                 {"incremental_high", "At most", REPORT_NUMBER}};
  report_table(report, "conversion", "Conversion rate", columns, sizeof columns / sizeof *columns);
  tell_lift(report, lift, customers);
}

static void tell_revenue(struct report *report, const struct lift *plain, const struct lift *adjusted,
                         double customers) {
  static const struct report_column columns[] = {{"method", "Method", REPORT_TEXT},
                                                 {"treated", "Treated", REPORT_NUMBER},
                                                 {"control", "Control", REPORT_NUMBER},
                                                 {"difference", "Difference", REPORT_NUMBER},
                                                 {"low", "At least", REPORT_NUMBER},
                                                 {"high", "At most", REPORT_NUMBER},
                                                 {"lift", "Lift", REPORT_SHARE},
                                                 {"p_value", "By chance", REPORT_NUMBER},
                                                 {"incremental", "Incremental revenue", REPORT_NUMBER},
                                                 {"incremental_low", "At least", REPORT_NUMBER},
                                                 {"incremental_high", "At most", REPORT_NUMBER}};
  report_table(report, "revenue", "Revenue per customer", columns, sizeof columns / sizeof *columns);
  report_text(report, BYTES("As it is"));
  tell_lift(report, plain, customers);
  report_text(report, BYTES("Less what differed before (CUPED)"));
  tell_lift(report, adjusted, customers);
}

static void tell_return(const struct run *run, struct report *report, const struct lift *revenue, double customers) {
  static const struct report_column columns[] = {{"cost", "Cost", REPORT_NUMBER},
                                                 {"incremental_revenue", "Incremental revenue", REPORT_NUMBER},
                                                 {"iroas", "iROAS", REPORT_NUMBER},
                                                 {"iroas_low", "At least", REPORT_NUMBER},
                                                 {"iroas_high", "At most", REPORT_NUMBER}};
  report_table(report, "return", "What came back of the cost", columns, 5);
  report_number(report, run->cost);
  report_number(report, revenue->incremental);
  report_number(report, revenue->incremental / run->cost);
  report_number(report, revenue->low * customers / run->cost);
  report_number(report, revenue->high * customers / run->cost);
}

static enum err tell_lifts(const struct run *run, struct report *report, const struct group *treated,
                           const struct group *control, struct diag *diag) {
  struct lift buyers, revenue, adjusted;
  double customers = treated->buyers.customers;
  enum err err = lift_compare(&treated->buyers, &control->buyers, run->confidence, false, &buyers, diag);
  if (err == ERR_OK) err = lift_compare(&treated->revenue, &control->revenue, run->confidence, false, &revenue, diag);
  if (err == ERR_OK) err = lift_compare(&treated->revenue, &control->revenue, run->confidence, true, &adjusted, diag);
  if (err != ERR_OK) return err;
  tell_buyers(report, &buyers, customers);
  tell_revenue(report, &revenue, &adjusted, customers);
  if (run->cost > 0) tell_return(run, report, &adjusted, customers);
  report_note(report, adjusted.p_value < 1 - run->confidence
                          ? "The difference in revenue is more than chance would bring."
                          : "The difference in revenue may be chance: its interval has 0 in it.");
  return ERR_OK;
}

static void add_to_group(struct group *group, const struct outcome *outcome) {
  group->orders += outcome->orders;
  lift_add(&group->buyers, outcome->orders > 0, 0);
  lift_add(&group->revenue, outcome->revenue, outcome->before);
}

static enum err tell(const struct run *run, struct report *report, struct diag *diag) {
  struct group *groups = alloc_zero(GROUPS, sizeof *groups), treated = {0};
  if (groups == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < WALK_PARTS; i++)
    for (size_t k = 0; k < run->parts[i].count; k++) {
      const struct outcome *outcome = &run->parts[i].outcomes[k];
      add_to_group(&groups[outcome->group], outcome);
      if (outcome->group != CONTROL) add_to_group(&treated, outcome);
    }
  const struct group *control = &groups[CONTROL];
  enum err err = ERR_OK;
  tell_facts(run, report);
  tell_groups(run, report, groups, &treated);
  if (treated.buyers.customers >= 2 && control->buyers.customers >= 2)
    err = tell_lifts(run, report, &treated, control, diag);
  else
    report_note(report, "Each side needs two customers or more to be compared.");
  alloc_free(groups);
  return err;
}

// --- the report ----------------------------------------------------------------------------------------------

static enum err walk(struct run *run, const struct engine_report_request *request, struct diag *diag) {
  const struct walk_options options = {.view = run->view,
                                       .records = true,
                                       .threads = request->threads,
                                       .progress = request->progress,
                                       .context = request->context};
  find_names(run);
  enum err err = trade_open(run->view, &run->trade, diag);
  if (err == ERR_OK) err = walk_customers(&options, look, run, diag);
  trade_close(run->trade);
  return err;
}

enum err engine_report_incrementality(struct engine_view *view, const struct engine_report_request *request,
                                      struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct run *run = alloc_zero(1, sizeof *run);
  (void)refusal;
  if (run == NULL) return diag_no_memory(diag);
  const struct segment_set *set = live_set(view->engine);
  run->view = view;
  enum err err = read_options(run, set, request->options, report, diag);
  if (err == ERR_OK) err = walk(run, request, diag);
  if (err == ERR_OK) err = tell(run, report, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) alloc_free(run->parts[i].outcomes);
  if (set != NULL) segment_set_close(set);
  alloc_free(run);
  return err;
}
