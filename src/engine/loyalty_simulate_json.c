// loyalty_simulate_json.c: the report of a simulation.
#include "engine/loyalty_simulate.h"

static const int64_t MICROS_PER_CENT = 10000;

static const char *const NOTES[] = {
    "Nobody behaves otherwise: the orders are those that were placed, whatever the changes would have led to.",
    "What was paid with points and cards, and which codes were used, is kept as it was; points are not spent again.",
    "Returns and corrections are not done again, and cancelled orders are left out: an order counts with all it gave.",
    "Points for anything but orders, and for referrals, are in none of the figures.",
    "Budgets and caps for everybody begin unused at the beginning of the period, and are used member by member.",
    "Traits and segments are those of now; a member's history is that of the time of each order.",
    "Vouchers are counted, not valued: what one will take off is not known when it is given.",
};

struct figures {
  int64_t ledger, as_is, would_be;
  bool has_ledger;
};

static void write_figures(struct json_writer *writer, const char *name, const struct figures *figures, int scale) {
  json_name(writer, name);
  json_object_begin(writer);
  if (figures->has_ledger) json_member_scaled(writer, "ledger", figures->ledger, scale);
  json_member_scaled(writer, "as_is", figures->as_is, scale);
  json_member_scaled(writer, "would_be", figures->would_be, scale);
  json_member_scaled(writer, "difference", figures->would_be - figures->as_is, scale);
  json_object_end(writer);
}

static int64_t cents_of(int64_t micros) {
  return micros / MICROS_PER_CENT + (micros % MICROS_PER_CENT >= MICROS_PER_CENT / 2);
}

// --- points --------------------------------------------------------------------------------------------------

static int64_t points_of(const struct tally *tally, uint32_t programme, uint8_t currency) {
  for (size_t i = 0; i < tally->currency_count; i++)
    if (tally->currencies[i].programme == programme && tally->currencies[i].currency == currency)
      return tally->currencies[i].amount;
  return 0;
}

static void write_currency(const struct engine_simulation *simulation, const struct loyalty_programme *programme,
                           const struct loyalty_currency *currency, struct json_writer *writer) {
  uint32_t number = programme->number;
  struct figures figures = {
      .ledger = points_of(&simulation->ledger, number, currency->number),
      .as_is = points_of(&simulation->sides[SIDE_AS_IS].total, number, currency->number),
      .would_be = points_of(&simulation->sides[SIDE_WOULD_BE].total, number, currency->number),
      .has_ledger = true,
  };
  if (figures.ledger == 0 && figures.as_is == 0 && figures.would_be == 0) return;
  json_object_begin(writer);
  json_member_bytes(writer, "programme", programme->id);
  json_member_bytes(writer, "currency", currency->id);
  write_figures(writer, "points", &figures, currency->scale);
  json_object_end(writer);
}

// Every programme of today is in the set that would be, too.
static void write_points(const struct engine_simulation *simulation, struct json_writer *writer) {
  const struct loyalty_set *set = simulation->sides[SIDE_WOULD_BE].set;
  json_name(writer, "programmes");
  json_array_begin(writer);
  for (size_t i = 0; i < loyalty_set_programmes(set); i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(set, i);
    for (size_t j = 0; j < programme->currency_count; j++)
      write_currency(simulation, programme, &programme->currencies[j], writer);
  }
  json_array_end(writer);
}

// --- rules ---------------------------------------------------------------------------------------------------

static const struct tally_rule *rule_of(const struct tally *tally, const struct tally_rule *like) {
  static const struct tally_rule nothing;
  for (size_t i = 0; i < tally->rule_count; i++) {
    const struct tally_rule *rule = &tally->rules[i];
    if (rule->programme == like->programme && rule->ref.campaign == like->ref.campaign &&
        rule->ref.rule == like->ref.rule)
      return rule;
  }
  return &nothing;
}

// A rule that the changed document no longer has is named by the other.
static const struct loyalty_live_rule *live_rule(const struct engine_simulation *simulation,
                                                 const struct tally_rule *rule) {
  const struct loyalty_live_rule *live =
      loyalty_set_rule(simulation->sides[SIDE_WOULD_BE].set, rule->programme, rule->ref);
  return live != NULL ? live : loyalty_set_rule(simulation->sides[SIDE_AS_IS].set, rule->programme, rule->ref);
}

static void write_rule(const struct engine_simulation *simulation, const struct tally_rule *rule,
                       struct json_writer *writer) {
  const struct tally_rule *is = rule_of(&simulation->sides[SIDE_AS_IS].total, rule);
  const struct tally_rule *be = rule_of(&simulation->sides[SIDE_WOULD_BE].total, rule);
  const struct loyalty_live_rule *live = live_rule(simulation, rule);
  const struct loyalty_currency *currency =
      live == NULL ? NULL : loyalty_currency_at(live->programme, be->currency != 0 ? be->currency : is->currency);
  struct figures points = {.as_is = is->amount, .would_be = be->amount};
  struct figures cents = {.as_is = is->cents, .would_be = be->cents};
  struct figures vouchers = {.as_is = is->vouchers, .would_be = be->vouchers};
  struct figures orders = {.as_is = is->orders, .would_be = be->orders};
  if (live == NULL) return;
  json_object_begin(writer);
  json_member_bytes(writer, "programme", live->programme->id);
  if (live->campaign != NULL) json_member_bytes(writer, "campaign", live->campaign->id);
  json_member_bytes(writer, "rule", live->rule->id);
  if (currency != NULL) json_member_bytes(writer, "currency", currency->id);
  write_figures(writer, "points", &points, currency == NULL ? 0 : currency->scale);
  write_figures(writer, "discounts", &cents, 2);
  write_figures(writer, "vouchers", &vouchers, 0);
  write_figures(writer, "orders", &orders, 0);
  json_object_end(writer);
}

// Those of both sides in the order of their documents; those of one of them alone among them.
static void write_rules(const struct engine_simulation *simulation, struct json_writer *writer) {
  const struct tally *is = &simulation->sides[SIDE_AS_IS].total, *be = &simulation->sides[SIDE_WOULD_BE].total;
  json_name(writer, "rules");
  json_array_begin(writer);
  for (size_t i = 0; i < be->rule_count; i++) write_rule(simulation, &be->rules[i], writer);
  for (size_t i = 0; i < is->rule_count; i++)
    if (rule_of(be, &is->rules[i])->ref.rule == 0) write_rule(simulation, &is->rules[i], writer);
  json_array_end(writer);
}

// --- the rest ------------------------------------------------------------------------------------------------

static void write_tiers(const struct engine_simulation *simulation, struct json_writer *writer) {
  static const char *const names[] = {"as_is", "would_be"};
  json_name(writer, "tiers");
  json_object_begin(writer);
  for (size_t i = 0; i < SIDE_COUNT; i++) {
    json_name(writer, names[i]);
    json_object_begin(writer);
    json_member_i64(writer, "up", simulation->sides[i].total.ups);
    json_member_i64(writer, "down", simulation->sides[i].total.downs);
    json_object_end(writer);
  }
  json_object_end(writer);
}

static void write_largest(const struct engine_simulation *simulation, struct json_writer *writer) {
  json_name(writer, "largest");
  json_array_begin(writer);
  for (size_t i = 0; i < simulation->largest_count; i++) {
    const struct simulate_largest *one = &simulation->largest[i];
    int64_t is = cents_of(one->micros[SIDE_AS_IS]), be = cents_of(one->micros[SIDE_WOULD_BE]);
    char id[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(one->customer, id);
    json_object_begin(writer);
    json_member_text(writer, "customer", id);
    json_member_scaled(writer, "as_is", is, 2);
    json_member_scaled(writer, "would_be", be, 2);
    json_member_scaled(writer, "difference", be - is, 2);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void write_notes(struct json_writer *writer) {
  json_name(writer, "notes");
  json_array_begin(writer);
  for (size_t i = 0; i < sizeof NOTES / sizeof *NOTES; i++) json_text(writer, NOTES[i]);
  json_array_end(writer);
}

static enum err costs(const struct engine_simulation *simulation, struct figures *cost) {
  const struct loyalty_set *as_is = simulation->sides[SIDE_AS_IS].set;
  int64_t micros[3];
  enum err err = tally_cost(&simulation->ledger, as_is, &micros[0]);
  if (err == ERR_OK) err = tally_cost(&simulation->sides[SIDE_AS_IS].total, as_is, &micros[1]);
  if (err == ERR_OK)
    err = tally_cost(&simulation->sides[SIDE_WOULD_BE].total, simulation->sides[SIDE_WOULD_BE].set, &micros[2]);
  if (err == ERR_OK) *cost = (struct figures){cents_of(micros[0]), cents_of(micros[1]), cents_of(micros[2]), true};
  return err;
}

enum err simulate_json(const struct engine_simulation *simulation, struct json_writer *writer, struct diag *diag) {
  const struct tally *is = &simulation->sides[SIDE_AS_IS].total, *be = &simulation->sides[SIDE_WOULD_BE].total;
  struct figures discounts = {simulation->ledger.cents, is->cents, be->cents, true};
  struct figures vouchers = {.as_is = is->vouchers, .would_be = be->vouchers};
  struct figures cost;
  if (costs(simulation, &cost) != ERR_OK)
    return diag_set(diag, ERR_LIMIT, "overflow", "a sum of the simulation leaves 64 bits");
  json_object_begin(writer);
  json_member_time(writer, "from", simulation->from_us);
  json_member_time(writer, "to", simulation->to_us);
  if (simulation->where.size_bytes > 0) json_member_bytes(writer, "where", simulation->where);
  json_member_i64(writer, "orders", is->orders);
  json_member_u64(writer, "members", simulation->members);
  json_member_u64(writer, "skipped", simulation->skipped);
  write_points(simulation, writer);
  write_figures(writer, "discounts", &discounts, 2);
  write_figures(writer, "vouchers", &vouchers, 0);
  write_tiers(simulation, writer);
  write_figures(writer, "cost", &cost, 2);
  write_rules(simulation, writer);
  write_largest(simulation, writer);
  write_notes(writer);
  json_object_end(writer);
  return writer->out->failed ? diag_no_memory(diag) : ERR_OK;
}
