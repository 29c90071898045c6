// set: documents copied, compiled, held and let go.
//
// A set is made in four steps: the documents are copied, by way of their stored form, and sorted by number; their
// expressions are compiled, or their programs taken over from the older set (set_program.c); the rules are put in the
// order of the documents; they are indexed (set_index.c). A set under way is one that can be closed, however far it
// came.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "loyalty/set_program.h"

// --- copies --------------------------------------------------------------------------------------------------

static enum err refuse_copy(struct loyalty_making *making, enum err err) {
  if (err == ERR_NO_MEMORY) return diag_no_memory(making->diag);
  return diag_set(making->diag, err, "not_copied", "a document could not be copied: %s", err_name(err));
}

static void pack(enum loyalty_kind kind, const void *item, struct value_builder *builder) {
  if (kind == LOYALTY_KIND_PROGRAMME)
    loyalty_programme_pack(item, builder);
  else if (kind == LOYALTY_KIND_CAMPAIGN)
    loyalty_campaign_pack(item, builder);
  else
    loyalty_voucher_pack(item, builder);
}

static enum err unpack(struct loyalty_making *making, enum loyalty_kind kind, void *item) {
  struct value packed = {buffer_view(&making->packed)};
  struct names *names = making->with->names;
  struct arena *arena = &making->set->arena;
  if (kind == LOYALTY_KIND_PROGRAMME) return loyalty_programme_unpack(packed, names, arena, item);
  if (kind == LOYALTY_KIND_CAMPAIGN) return loyalty_campaign_unpack(packed, names, arena, item);
  return loyalty_voucher_unpack(packed, names, arena, item);
}

static enum err copy_document(struct loyalty_making *making, enum loyalty_kind kind, const void *from, void *to) {
  struct value_builder builder;
  buffer_clear(&making->packed);
  value_builder_init(&builder, &making->packed, making->with->names);
  pack(kind, from, &builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) err = unpack(making, kind, to);
  return err == ERR_OK ? ERR_OK : refuse_copy(making, err);
}

// --- shelves -------------------------------------------------------------------------------------------------

// All three begin with their number.
static uint32_t number_of(const void *item) {
  uint32_t number;
  memcpy(&number, item, sizeof number);
  return number;
}
_Static_assert(offsetof(struct loyalty_programme, number) == 0, "number_of reads it there");
_Static_assert(offsetof(struct loyalty_campaign, number) == 0, "number_of reads it there");
_Static_assert(offsetof(struct loyalty_voucher, number) == 0, "number_of reads it there");

static int by_number(const void *left, const void *right) {
  uint32_t a = number_of(left), b = number_of(right);
  return (a > b) - (a < b);
}

static int by_id(const void *left, const void *right) {
  const struct loyalty_shelf_id *a = left, *b = right;
  return bytes_compare(a->id, b->id);
}

static const void *shelf_at(const struct loyalty_shelf *shelf, size_t index) {
  return index < shelf->count ? shelf->items + index * shelf->item_bytes : NULL;
}

static const void *shelf_number(const struct loyalty_shelf *shelf, uint32_t number) {
  if (shelf->count == 0) return NULL;
  return bsearch(&number, shelf->items, shelf->count, shelf->item_bytes, by_number);
}

static const void *shelf_find(const struct loyalty_shelf *shelf, struct bytes id) {
  struct loyalty_shelf_id wanted = {id, 0};
  if (shelf->count == 0) return NULL;
  const struct loyalty_shelf_id *found = bsearch(&wanted, shelf->ids, shelf->count, sizeof *shelf->ids, by_id);
  return found == NULL ? NULL : shelf_at(shelf, found->position);
}

static size_t shelf_position(const struct loyalty_shelf *shelf, const void *item) {
  return (size_t)((const char *)item - shelf->items) / shelf->item_bytes;
}

static enum err fill_shelf(struct loyalty_making *making, enum loyalty_kind kind, const void *items, size_t count,
                           struct loyalty_shelf *shelf) {
  struct arena *arena = &making->set->arena;
  shelf->items = arena_take_zero(arena, count + 1, shelf->item_bytes);
  shelf->ids = arena_take_zero(arena, count + 1, sizeof *shelf->ids);
  if (shelf->items == NULL || shelf->ids == NULL) return diag_no_memory(making->diag);
  for (size_t i = 0; i < count; i++) {
    enum err err =
        copy_document(making, kind, (const char *)items + i * shelf->item_bytes, shelf->items + i * shelf->item_bytes);
    if (err != ERR_OK) return err;
  }
  qsort(shelf->items, count, shelf->item_bytes, by_number);
  for (size_t i = 0; i < count; i++) {
    memcpy(&shelf->ids[i].id, shelf->items + i * shelf->item_bytes + shelf->id_at, sizeof shelf->ids[i].id);
    shelf->ids[i].position = (uint32_t)i;
  }
  qsort(shelf->ids, count, sizeof *shelf->ids, by_id);
  shelf->count = count;
  return ERR_OK;
}

// --- programs ------------------------------------------------------------------------------------------------

static const struct rule_program *rule_of(const struct loyalty_program *program) {
  return program == NULL ? NULL : program->rule;
}

static enum err take(struct loyalty_making *making, const struct table *table, size_t at, const void *item,
                     const struct rule_zone *zone, const struct loyalty_program **program,
                     const struct rule_program **rule) {
  const struct loyalty_program *unread;
  if (program == NULL) program = &unread;
  enum err err = loyalty_program_take(making, table, at, item, zone, program);
  *rule = err == ERR_OK ? rule_of(*program) : NULL;
  return err;
}

static enum err compile_rule(struct loyalty_making *making, const struct rule_zone *zone, size_t index) {
  struct loyalty_live_rule *live = &making->set->rules[index];
  struct loyalty_rule_programs *asked = &making->set->rule_programs[index];
  const struct loyalty_rule *rule = live->rule;
  const struct table *table = &loyalty_rule_table;
  enum err err = take(making, table, offsetof(struct loyalty_rule, when), rule, zone, &asked->when, &live->when);
  if (err == ERR_OK) err = take(making, table, offsetof(struct loyalty_rule, earn), rule, zone, NULL, &live->earn);
  if (err == ERR_OK)
    err = take(making, table, offsetof(struct loyalty_rule, lines), rule, zone, &asked->lines, &live->lines);
  if (err == ERR_OK)
    err = take(making, table, offsetof(struct loyalty_rule, once_by), rule, zone, NULL, &live->once_by);
  if (err == ERR_OK)
    err = take(making, &loyalty_discount_table, offsetof(struct loyalty_discount, lines), &rule->discount, zone,
               &asked->discount_lines, &live->discount_lines);
  if (err != ERR_OK) diag_in_field(making->diag, "%.*s", BYTES_ARG(rule->id));
  return err;
}

static enum err compile_voucher(struct loyalty_making *making, size_t index) {
  const struct loyalty_voucher *voucher = loyalty_set_voucher_at(making->set, index);
  struct loyalty_voucher_programs *programs = &making->set->voucher_programs[index];
  const struct table *table = &loyalty_voucher_table;
  const struct rule_zone *zone = loyalty_set_zone(making->set, voucher->programme);
  enum err err = ERR_OK;
  if (zone == NULL)
    err = diag_set(making->diag, ERR_INVALID, "unknown_programme", "the programme of this voucher is not there");
  if (err == ERR_OK)
    err = take(making, table, offsetof(struct loyalty_voucher, recipients), voucher, zone, NULL, &programs->recipients);
  if (err == ERR_OK)
    err = take(making, table, offsetof(struct loyalty_voucher, when), voucher, zone, NULL, &programs->condition);
  if (err == ERR_OK)
    err = take(making, &loyalty_discount_table, offsetof(struct loyalty_discount, lines), &voucher->discount, zone,
               NULL, &programs->lines);
  if (err != ERR_OK) diag_in_field(making->diag, "%.*s", BYTES_ARG(voucher->id));
  return err;
}

// --- rules ---------------------------------------------------------------------------------------------------

static enum err keep_name(struct loyalty_making *making, struct bytes name) {
  uint32_t id;
  enum err err = name.size_bytes == 0 ? ERR_OK : names_intern(making->with->names, name, &id, NULL);
  return err == ERR_OK ? ERR_OK : refuse_copy(making, err);
}

static struct loyalty_span narrower(struct loyalty_span a, struct loyalty_span b) {
  return (struct loyalty_span){a.from_us > b.from_us ? a.from_us : b.from_us, a.to_us < b.to_us ? a.to_us : b.to_us};
}

static enum err add_rule(struct loyalty_making *making, const struct loyalty_programme *programme,
                         const struct loyalty_campaign *campaign, const struct loyalty_rule *rule) {
  struct loyalty_set *set = making->set;
  size_t index = set->rule_count++;
  bool archived = programme->archived || (campaign != NULL && campaign->archived);
  set->spans[index] = campaign == NULL ? rule->span : narrower(rule->span, campaign->span);
  if (archived) set->spans[index] = (struct loyalty_span){0, 0};
  set->rules[index] = (struct loyalty_live_rule){.programme = programme,
                                                 .campaign = campaign,
                                                 .rule = rule,
                                                 .ref = {campaign == NULL ? 0 : campaign->number, rule->number},
                                                 .names = set->names};
  enum err err = keep_name(making, rule->on);
  if (err == ERR_OK) err = keep_name(making, rule->withdrawn_by);
  return err == ERR_OK ? compile_rule(making, loyalty_set_zone(set, programme->number), index) : err;
}

static enum err add_programme(struct loyalty_making *making, size_t index) {
  struct loyalty_set *set = making->set;
  const struct loyalty_programme *programme = loyalty_set_programme_at(set, index);
  enum err err = ERR_OK;
  set->first_rules[index] = (uint32_t)set->rule_count;
  set->zones[index] = making->with->zone(making->with->context, programme->timezone);
  if (set->zones[index] == NULL)
    err = diag_set(making->diag, ERR_INVALID, "bad_timezone", "the programme's time zone is not here");
  for (size_t i = 0; err == ERR_OK && i < programme->currency_count; i++)
    err = keep_name(making, programme->currencies[i].pending_event);
  for (size_t i = 0; err == ERR_OK && i < programme->rule_count; i++)
    err = add_rule(making, programme, NULL, &programme->rules[i]);
  if (err == ERR_OK)
    err = take(making, &loyalty_staff_table, offsetof(struct loyalty_staff, who), &programme->staff, set->zones[index],
               NULL, &set->programme_programs[index].staff);
  if (err != ERR_OK) diag_in_field(making->diag, "%.*s", BYTES_ARG(programme->id));
  return err;
}

static enum err add_campaign(struct loyalty_making *making, size_t index) {
  struct loyalty_set *set = making->set;
  const struct loyalty_campaign *campaign = loyalty_set_campaign_at(set, index);
  const struct loyalty_programme *programme = loyalty_set_programme(set, campaign->programme);
  enum err err = ERR_OK;
  set->first_rules[set->programmes.count + index] = (uint32_t)set->rule_count;
  if (programme == NULL)
    err = diag_set(making->diag, ERR_INVALID, "unknown_programme", "the programme of this campaign is not there");
  for (size_t i = 0; err == ERR_OK && i < campaign->rule_count; i++)
    err = add_rule(making, programme, campaign, &campaign->rules[i]);
  if (err != ERR_OK) diag_in_field(making->diag, "%.*s", BYTES_ARG(campaign->id));
  return err;
}

// Room for everything that is counted: rules have at most five programs, vouchers three, programmes one.
static enum err take_room(struct loyalty_making *making) {
  struct loyalty_set *set = making->set;
  size_t documents = set->programmes.count + set->campaigns.count, rules = 0;
  for (size_t i = 0; i < set->programmes.count; i++) rules += loyalty_set_programme_at(set, i)->rule_count;
  for (size_t i = 0; i < set->campaigns.count; i++) rules += loyalty_set_campaign_at(set, i)->rule_count;
  set->zones = arena_take_zero(&set->arena, set->programmes.count + 1, sizeof *set->zones);
  set->first_rules = arena_take_zero(&set->arena, documents + 1, sizeof *set->first_rules);
  set->rules = arena_take_zero(&set->arena, rules + 1, sizeof *set->rules);
  set->rule_programs = arena_take_zero(&set->arena, rules + 1, sizeof *set->rule_programs);
  set->spans = arena_take_zero(&set->arena, rules + 1, sizeof *set->spans);
  set->programme_programs = arena_take_zero(&set->arena, set->programmes.count + 1, sizeof *set->programme_programs);
  set->voucher_programs = arena_take_zero(&set->arena, set->vouchers.count + 1, sizeof *set->voucher_programs);
  bool programs = loyalty_programs_open(set, 5 * rules + 3 * set->vouchers.count + set->programmes.count);
  bool all = set->zones != NULL && set->first_rules != NULL && set->rules != NULL && set->rule_programs != NULL &&
             set->spans != NULL && set->programme_programs != NULL && set->voucher_programs != NULL;
  return programs && all ? ERR_OK : diag_no_memory(making->diag);
}

// --- the set -------------------------------------------------------------------------------------------------

// Orders concern whoever has a programme, whatever its rules are on; and what rules ask of lines (set_ask.c) goes by
// names that no program of theirs has.
static enum err keep_names_of_orders(struct loyalty_making *making) {
  const struct bytes names[] = {BYTES("Order Completed"), BYTES("Order Refunded"), BYTES("Order Cancelled"),
                                BYTES("properties"), BYTES("products")};
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < sizeof names / sizeof *names; i++) err = keep_name(making, names[i]);
  return err;
}

// The points of a reward are not taken while its voucher cannot be given.
static enum err judge_rewards(struct loyalty_set *set, struct loyalty_programme *programme) {
  struct loyalty_reward *rewards = arena_take(&set->arena, (programme->reward_count + 1) * sizeof *rewards);
  if (rewards == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < programme->reward_count; i++) {
    rewards[i] = programme->rewards[i];
    const struct loyalty_voucher *voucher = loyalty_set_voucher_find(set, rewards[i].voucher);
    rewards[i].idle = voucher == NULL || voucher->archived;
  }
  programme->rewards = rewards;
  return ERR_OK;
}

static enum err make(struct loyalty_making *making) {
  struct loyalty_set *set = making->set;
  for (size_t i = 0; i < set->programmes.count; i++)
    if (judge_rewards(set, (void *)(set->programmes.items + i * set->programmes.item_bytes)) != ERR_OK)
      return diag_no_memory(making->diag);
  enum err err = take_room(making);
  if (err == ERR_OK) err = keep_names_of_orders(making);
  for (size_t i = 0; err == ERR_OK && i < set->programmes.count; i++) err = add_programme(making, i);
  for (size_t i = 0; err == ERR_OK && i < set->campaigns.count; i++) err = add_campaign(making, i);
  for (size_t i = 0; err == ERR_OK && i < set->vouchers.count; i++) err = compile_voucher(making, i);
  if (err != ERR_OK) return err;
  set->first_rules[set->programmes.count + set->campaigns.count] = (uint32_t)set->rule_count;
  return loyalty_set_index(set, making->diag);
}

static enum err check_counts(const struct loyalty_programme *programmes, size_t programme_count,
                             const struct loyalty_campaign *campaigns, size_t campaign_count, size_t voucher_count,
                             struct diag *diag) {
  size_t rules = 0;
  for (size_t i = 0; i < programme_count; i++) rules += programmes[i].archived ? 0 : programmes[i].rule_count;
  for (size_t i = 0; i < campaign_count; i++) rules += campaigns[i].archived ? 0 : campaigns[i].rule_count;
  if (programme_count > LOYALTY_PROGRAMMES_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "a workspace has at most %d programmes", LOYALTY_PROGRAMMES_MAX);
  if (rules > LOYALTY_ALL_RULES_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "a workspace has at most %d rules in force: archive some",
                    LOYALTY_ALL_RULES_MAX);
  if (voucher_count > LOYALTY_VOUCHERS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "a workspace has at most %d vouchers", LOYALTY_VOUCHERS_MAX);
  return ERR_OK;
}

static struct loyalty_set *set_new(struct names *names) {
  struct loyalty_set *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return NULL;
  atomic_init(&made->holders, 1);
  arena_init(&made->arena, 0);
  made->names = names;
  made->programmes.item_bytes = sizeof(struct loyalty_programme);
  made->programmes.id_at = offsetof(struct loyalty_programme, id);
  made->campaigns.item_bytes = sizeof(struct loyalty_campaign);
  made->campaigns.id_at = offsetof(struct loyalty_campaign, id);
  made->vouchers.item_bytes = sizeof(struct loyalty_voucher);
  made->vouchers.id_at = offsetof(struct loyalty_voucher, id);
  return made;
}

enum err loyalty_set_open(struct loyalty_set **set, const struct loyalty_programme *programmes, size_t programme_count,
                          const struct loyalty_campaign *campaigns, size_t campaign_count,
                          const struct loyalty_voucher *vouchers, size_t voucher_count,
                          const struct loyalty_compile *with, struct diag *diag) {
  struct diag unread;
  if (diag == NULL) diag = &unread;
  enum err err = check_counts(programmes, programme_count, campaigns, campaign_count, voucher_count, diag);
  if (err != ERR_OK) return err;
  struct loyalty_set *made = set_new(with->names);
  if (made == NULL) return diag_no_memory(diag);
  struct loyalty_making making = {.set = made, .with = with, .diag = diag};
  arena_init(&making.scratch, 0);
  buffer_init(&making.packed);
  err = fill_shelf(&making, LOYALTY_KIND_PROGRAMME, programmes, programme_count, &made->programmes);
  if (err == ERR_OK) err = fill_shelf(&making, LOYALTY_KIND_CAMPAIGN, campaigns, campaign_count, &made->campaigns);
  if (err == ERR_OK) err = fill_shelf(&making, LOYALTY_KIND_VOUCHER, vouchers, voucher_count, &made->vouchers);
  if (err == ERR_OK) err = make(&making);
  buffer_release(&making.packed);
  arena_release(&making.scratch);
  if (err == ERR_OK)
    *set = made;
  else
    loyalty_set_close(made);
  return err;
}

// Holding and letting go change nothing that a reader of the set can see.
static struct loyalty_set *own(const struct loyalty_set *set) {
  return (struct loyalty_set *)(uintptr_t)set;
}

void loyalty_set_hold(const struct loyalty_set *set) {
  atomic_fetch_add(&own(set)->holders, 1);
}

void loyalty_set_close(const struct loyalty_set *set) {
  if (set == NULL || atomic_fetch_sub(&own(set)->holders, 1) > 1) return;
  loyalty_programs_close(own(set));
  arena_release(&own(set)->arena);
  alloc_free(own(set));
}

// --- asked ---------------------------------------------------------------------------------------------------

size_t loyalty_set_programmes(const struct loyalty_set *set) {
  return set->programmes.count;
}

const struct loyalty_programme *loyalty_set_programme_at(const struct loyalty_set *set, size_t index) {
  return shelf_at(&set->programmes, index);
}

const struct loyalty_programme *loyalty_set_programme(const struct loyalty_set *set, uint32_t number) {
  return shelf_number(&set->programmes, number);
}

const struct loyalty_programme *loyalty_set_programme_find(const struct loyalty_set *set, struct bytes id) {
  return shelf_find(&set->programmes, id);
}

const struct rule_zone *loyalty_set_zone(const struct loyalty_set *set, uint32_t programme) {
  const void *found = shelf_number(&set->programmes, programme);
  return found == NULL ? NULL : set->zones[shelf_position(&set->programmes, found)];
}

int loyalty_set_scale(const struct loyalty_set *set, uint32_t programme, uint8_t currency) {
  const struct loyalty_programme *document = loyalty_set_programme(set, programme);
  const struct loyalty_currency *found = document == NULL ? NULL : loyalty_currency_at(document, currency);
  return found == NULL ? 0 : found->scale;
}

size_t loyalty_set_campaigns(const struct loyalty_set *set) {
  return set->campaigns.count;
}

const struct loyalty_campaign *loyalty_set_campaign_at(const struct loyalty_set *set, size_t index) {
  return shelf_at(&set->campaigns, index);
}

const struct loyalty_campaign *loyalty_set_campaign(const struct loyalty_set *set, uint32_t number) {
  return shelf_number(&set->campaigns, number);
}

const struct loyalty_campaign *loyalty_set_campaign_find(const struct loyalty_set *set, struct bytes id) {
  return shelf_find(&set->campaigns, id);
}

size_t loyalty_set_vouchers(const struct loyalty_set *set) {
  return set->vouchers.count;
}

const struct loyalty_voucher *loyalty_set_voucher_at(const struct loyalty_set *set, size_t index) {
  return shelf_at(&set->vouchers, index);
}

const struct loyalty_voucher *loyalty_set_voucher(const struct loyalty_set *set, uint32_t number) {
  return shelf_number(&set->vouchers, number);
}

const struct loyalty_voucher *loyalty_set_voucher_find(const struct loyalty_set *set, struct bytes id) {
  return shelf_find(&set->vouchers, id);
}

const struct loyalty_live_rule *loyalty_set_rule(const struct loyalty_set *set, uint32_t programme,
                                                 struct loyalty_rule_ref ref) {
  const struct loyalty_shelf *shelf = ref.campaign == 0 ? &set->programmes : &set->campaigns;
  const void *document = shelf_number(shelf, ref.campaign == 0 ? programme : ref.campaign);
  if (document == NULL) return NULL;
  size_t position = shelf_position(shelf, document) + (ref.campaign == 0 ? 0 : set->programmes.count);
  for (uint32_t i = set->first_rules[position]; i < set->first_rules[position + 1]; i++)
    if (set->rules[i].ref.rule == ref.rule && set->rules[i].programme->number == programme) return &set->rules[i];
  return NULL;
}

const struct rule_program *loyalty_set_staff(const struct loyalty_set *set, uint32_t programme) {
  const void *found = shelf_number(&set->programmes, programme);
  return found == NULL ? NULL : set->programme_programs[shelf_position(&set->programmes, found)].staff;
}

static const struct loyalty_voucher_programs *programs_of(const struct loyalty_set *set, uint32_t voucher) {
  static const struct loyalty_voucher_programs NONE;
  const void *found = shelf_number(&set->vouchers, voucher);
  return found == NULL ? &NONE : &set->voucher_programs[shelf_position(&set->vouchers, found)];
}

const struct rule_program *loyalty_set_recipients(const struct loyalty_set *set, uint32_t voucher) {
  return programs_of(set, voucher)->recipients;
}

const struct rule_program *loyalty_set_condition(const struct loyalty_set *set, uint32_t voucher) {
  return programs_of(set, voucher)->condition;
}

const struct rule_program *loyalty_set_voucher_lines(const struct loyalty_set *set, uint32_t voucher) {
  return programs_of(set, voucher)->lines;
}
