// attribution_walk: one pass over the timelines.
//
// Each part of the walk has sums of its own, of which one thread has the hand; they are put together in order of the
// parts (attribution_merge.c). Invariants:
//   1. What is said of an event by its name and its hot amount is decided without its message: a message is read when
//      an expression is asked, and then once.
//   2. Of conversions with one order id the first that lies after journey_begin counts, in whatever walk. Only where a
//      customer has two conversions, or orders are told, are ids looked at, and so messages read.
//   3. Events before journey_begin matter in one way only: a customer who converted then is not new.
#include <stdlib.h>
#include <string.h>

#include "engine/attribution_orders.h"
#include "engine/attribution_pool.h"
#include "engine/read.h"

// What an event of a name can be.
struct role {
  bool touch, conversion, lead, opportunity;
  int32_t channel; // of a touch of this name, when its name alone says it; -1: rules are asked
};

struct run {
  const struct attribution_walk *walk;
  const struct attribution_settings *settings;
  struct journey_options cut;
  int64_t begin_us;
  uint32_t names[ATTRIBUTION_NAMES_MAX];
  struct role roles[ATTRIBUTION_NAMES_MAX];
  size_t name_count;
  uint32_t properties, items;        // ids of names in messages
  bool looks_back;                   // an expression over the event in hand asks for other events
  struct attribution_orders *orders; // of the walk that tells them; NULL: journeys are added up
  struct attribution_part parts[WALK_PARTS];
};

// One customer.
struct looking {
  struct run *run;
  struct attribution_part *part;
  size_t part_index;
  struct attribution_hand hand;
  struct bytes *ids; // of orders, by conversion; NULL: not looked at
  bool is_new_before, in_segment;
  struct arena *arena;
  struct diag *diag;
};

// --- steps ----------------------------------------------------------------------------------------------------

static enum err find_step(struct looking *looking, uint16_t channel, paths_step *step) {
  enum attribution_by by = looking->run->walk->by;
  const struct attribution_settings *settings = looking->run->settings;
  struct bytes label;
  *step = channel;
  if (by != ATTRIBUTION_BY_CAMPAIGN && by != ATTRIBUTION_BY_CREATIVE) return ERR_OK;
  enum err err = hand_label(&looking->hand, by == ATTRIBUTION_BY_CAMPAIGN ? settings->campaign : settings->creative,
                            looking->arena, &label);
  if (err != ERR_OK) return err;
  if (label.size_bytes == 0) {
    const char *text = arena_format(looking->arena, "(%.*s)", BYTES_ARG(settings->names[channel]));
    if (text == NULL) return diag_no_memory(looking->diag);
    label = bytes_from_text(text);
  }
  return paths_channel(&looking->part->steps, label, step, looking->diag);
}

// --- journeys --------------------------------------------------------------------------------------------------

static enum err add_to_group(struct looking *looking, struct bytes name, const struct journey *journey, double value) {
  struct attribution_pool *pool;
  if (name.size_bytes == 0) name = BYTES("(none)");
  enum err err = attribution_group(looking->part, name, &pool, looking->diag);
  return err == ERR_OK ? attribution_pool_add(pool, journey, value, looking->run->settings, looking->diag) : err;
}

// A journey in each range that was bought, with the value of its lines.
static enum err add_to_ranges(struct looking *looking, const struct journey *journey) {
  const struct attribution_settings *settings = looking->run->settings;
  struct range {
    struct bytes name;
    double value;
  } *ranges = NULL;
  size_t count = 0, capacity = 0;
  if (settings->range == NULL) return ERR_OK;
  enum err err = hand_message(&looking->hand);
  if (err != ERR_OK) return err;
  struct value properties = value_member_id(looking->hand.customer.subject, looking->run->properties);
  struct value_iter lines = value_iterate(value_member_id(properties, looking->run->items));
  while (value_next(&lines)) {
    struct bytes name;
    struct rule_answer answer;
    looking->hand.customer.subject_item = lines.item;
    err = hand_label(&looking->hand, settings->range, looking->arena, &name);
    if (err == ERR_OK) err = hand_ask(&looking->hand, settings->line_amount, &answer);
    if (err != ERR_OK) return err;
    size_t at = 0;
    while (at < count && !bytes_equal(ranges[at].name, name)) at++;
    if (at == count) {
      ranges = arena_grow(looking->arena, ranges, count, &capacity, 8, sizeof *ranges);
      if (ranges == NULL) return diag_no_memory(looking->diag);
      ranges[count++] = (struct range){arena_copy(looking->arena, name), 0};
      if (ranges[at].name.data == NULL) return diag_no_memory(looking->diag);
    }
    ranges[at].value += hand_number(&answer);
  }
  for (size_t i = 0; i < count && err == ERR_OK; i++)
    err = add_to_group(looking, ranges[i].name, journey, ranges[i].value);
  return err;
}

static enum err add_to_groups(struct looking *looking, const struct journey *journey, bool is_new, double value) {
  struct bytes label;
  enum err err;
  switch (looking->run->walk->by) {
  case ATTRIBUTION_BY_SEGMENT:
    return add_to_group(looking, looking->in_segment ? BYTES("in the segment") : BYTES("others"), journey, value);
  case ATTRIBUTION_BY_CUSTOMER:
    if (journey->conversion == NULL) return ERR_OK;
    return add_to_group(looking, is_new ? BYTES("new") : BYTES("returning"), journey, value);
  case ATTRIBUTION_BY_STORE:
    if (journey->conversion == NULL) return ERR_OK;
    hand_take(&looking->hand, journey->conversion->event);
    err = hand_label(&looking->hand, looking->run->settings->store, looking->arena, &label);
    return err == ERR_OK ? add_to_group(looking, label, journey, value) : err;
  case ATTRIBUTION_BY_RANGE:
    if (journey->conversion == NULL) return ERR_OK;
    hand_take(&looking->hand, journey->conversion->event);
    return add_to_ranges(looking, journey);
  default:
    return ERR_OK;
  }
}

static void count_lag(struct attribution_part *part, const struct journey *journey) {
  if (journey->count == 0) return;
  size_t days = (size_t)((journey->conversion->time_us - journey->touches[0].time_us) / CLOCK_DAY_US);
  struct attribution_lag *lag = &part->lags[days < part->lag_count ? days : part->lag_count - 1];
  lag->conversions++;
  paths_sum(&lag->value.sum, &lag->value.rest, journey->conversion->value);
}

static enum err add_journey(void *context, const struct journey *journey, struct diag *diag) {
  struct looking *looking = context;
  struct attribution_part *part = looking->part;
  const struct attribution_settings *settings = looking->run->settings;
  if (looking->run->orders != NULL)
    return attribution_orders_add(looking->run->orders, looking->part_index, &part->steps.channels,
                                  looking->hand.facts->id, journey, looking->ids[journey->ordinal], looking->arena,
                                  diag);
  bool converts = journey->conversion != NULL;
  bool is_new = converts && journey->ordinal == 0 && looking->is_new_before;
  double value = converts ? journey->conversion->value : 0;
  part->touches += journey->count;
  if (converts) count_lag(part, journey);
  enum err err = attribution_pool_add(&part->all, journey, value, settings, diag);
  if (err == ERR_OK && is_new && looking->run->walk->fresh)
    err = attribution_pool_add(&part->fresh, journey, value, settings, diag);
  return err == ERR_OK ? add_to_groups(looking, journey, is_new, value) : err;
}

// --- one customer ----------------------------------------------------------------------------------------------

struct gathering {
  struct journey_touch *touches;
  struct journey_conversion *conversions;
  int64_t *leads_us, *opportunities_us;
  struct journey_events events;
};

static bool gathering_init(struct gathering *gathering, size_t count, struct arena *arena) {
  *gathering = (struct gathering){arena_take(arena, (count + 1) * sizeof *gathering->touches),
                                  arena_take(arena, (count + 1) * sizeof *gathering->conversions),
                                  arena_take(arena, (count + 1) * sizeof *gathering->leads_us),
                                  arena_take(arena, (count + 1) * sizeof *gathering->opportunities_us),
                                  {0}};
  gathering->events = (struct journey_events){.touches = gathering->touches,
                                              .conversions = gathering->conversions,
                                              .leads_us = gathering->leads_us,
                                              .opportunities_us = gathering->opportunities_us};
  return gathering->touches != NULL && gathering->conversions != NULL && gathering->leads_us != NULL &&
         gathering->opportunities_us != NULL;
}

static enum err gather_touch(struct looking *looking, const struct role *role, struct gathering *gathering) {
  const struct attribution_event *found;
  struct journey_touch *touch = &gathering->touches[gathering->events.touch_count];
  enum err err = hand_find(&looking->hand, &looking->run->settings->touchpoints, &found);
  if (err != ERR_OK || found == NULL) return err;
  *touch = (struct journey_touch){.time_us = looking->hand.columns.time_us[looking->hand.index],
                                  .event = (uint32_t)looking->hand.index};
  touch->channel = (uint16_t)role->channel;
  if (role->channel < 0) err = hand_channel(&looking->hand, &touch->channel);
  if (err == ERR_OK) err = find_step(looking, touch->channel, &touch->step);
  gathering->events.touch_count++;
  return err;
}

static enum err gather_conversion(struct looking *looking, struct gathering *gathering) {
  const struct attribution_event *found;
  struct journey_conversion *conversion = &gathering->conversions[gathering->events.conversion_count];
  enum err err = hand_find(&looking->hand, &looking->run->settings->conversions, &found);
  if (err != ERR_OK || found == NULL) return err;
  *conversion = (struct journey_conversion){.time_us = looking->hand.columns.time_us[looking->hand.index],
                                            .event = (uint32_t)looking->hand.index};
  gathering->events.conversion_count++;
  return hand_value(&looking->hand, found, &conversion->value);
}

static enum err gather_milestone(struct looking *looking, const struct attribution_events *events, int64_t *times_us,
                                 size_t *count) {
  const struct attribution_event *found;
  enum err err = hand_find(&looking->hand, events, &found);
  if (err == ERR_OK && found != NULL) times_us[(*count)++] = looking->hand.columns.time_us[looking->hand.index];
  return err;
}

static enum err gather_event(struct looking *looking, struct gathering *gathering) {
  const struct run *run = looking->run;
  uint32_t name = looking->hand.columns.name[looking->hand.index];
  size_t at = 0;
  while (at < run->name_count && run->names[at] != name) at++;
  if (at == run->name_count) return ERR_OK;
  const struct role *role = &run->roles[at];
  enum err err = role->touch ? gather_touch(looking, role, gathering) : ERR_OK;
  if (err == ERR_OK && role->conversion) err = gather_conversion(looking, gathering);
  if (err == ERR_OK && role->lead)
    err = gather_milestone(looking, &run->settings->leads, gathering->leads_us, &gathering->events.lead_count);
  if (err == ERR_OK && role->opportunity)
    err = gather_milestone(looking, &run->settings->opportunities, gathering->opportunities_us,
                           &gathering->events.opportunity_count);
  return err;
}

static bool wants_history(const struct run *run) {
  return run->walk->fresh || run->walk->by == ATTRIBUTION_BY_CUSTOMER;
}

// Whether none of the events before the first that matters is a conversion. *first: that one's index.
static enum err look_before(struct looking *looking, size_t *first) {
  const struct run *run = looking->run;
  const struct rule_columns *columns = &looking->hand.columns;
  const struct attribution_event *found = NULL;
  enum err err = ERR_OK;
  size_t index = 0;
  for (; index < columns->count && columns->time_us[index] <= run->begin_us && err == ERR_OK; index++) {
    if (!wants_history(run) || found != NULL) continue;
    hand_take(&looking->hand, index);
    err = hand_find(&looking->hand, &run->settings->conversions, &found);
  }
  looking->is_new_before = found == NULL;
  *first = index;
  return err;
}

static enum err cut_customer(struct looking *looking) {
  struct run *run = looking->run;
  struct gathering gathering;
  size_t index;
  if (!gathering_init(&gathering, looking->hand.columns.count, looking->arena)) return diag_no_memory(looking->diag);
  enum err err = run->looks_back ? hand_keep_messages(&looking->hand, looking->arena) : ERR_OK;
  if (err == ERR_OK) err = look_before(looking, &index);
  for (; err == ERR_OK && index < looking->hand.columns.count; index++) {
    hand_take(&looking->hand, index);
    err = gather_event(looking, &gathering);
  }
  if (err == ERR_OK)
    err = attribution_orders_once(&looking->hand, run->orders != NULL, gathering.conversions,
                                  &gathering.events.conversion_count, looking->arena, &looking->ids);
  if (err != ERR_OK) return err;
  return journey_cut(&run->cut, &gathering.events, looking->arena, add_journey, looking, looking->diag);
}

static enum err of_customer(struct looking *looking, const struct rule_program *program, bool *truth) {
  struct rule_answer answer;
  *truth = false;
  if (program == NULL) return ERR_OK;
  enum err err =
      rule_run(looking->part->machine, program, &looking->hand.facts->customer, looking->hand.now_us, false, &answer);
  if (err == ERR_OK) *truth = rule_is_true(&answer);
  return err;
}

static enum err look(void *state, size_t index, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct attribution_part *part = &run->parts[index];
  struct looking looking = {.run = run, .part = part, .part_index = index, .arena = arena, .diag = diag};
  bool excluded;
  enum err err = part->machine == NULL ? attribution_part_open(part, run->walk, diag) : ERR_OK;
  looking.hand =
      (struct attribution_hand){.settings = run->settings, .machine = part->machine, .now_us = run->walk->to_us - 1};
  hand_begin(&looking.hand, facts);
  if (err == ERR_OK) err = of_customer(&looking, run->settings->exclude, &excluded);
  if (err == ERR_OK) err = of_customer(&looking, run->walk->segment, &looking.in_segment);
  if (err != ERR_OK || excluded) return err;
  int64_t from_us = wants_history(run) ? INT64_MIN : run->begin_us;
  err = walk_events(facts, run->names, run->name_count, from_us, run->walk->to_us, &looking.hand.columns);
  if (err != ERR_OK) return err;
  part->customers++;
  return looking.hand.columns.count > 0 ? cut_customer(&looking) : ERR_OK;
}

// --- the walk --------------------------------------------------------------------------------------------------

static bool has_name(const struct attribution_events *events, uint32_t name) {
  for (size_t i = 0; i < events->count; i++)
    if (events->items[i].name == name) return true;
  return false;
}

// The channel that the name alone says: of the first rule that can be its own, when that asks for nothing else.
static int32_t channel_of_name(const struct attribution_settings *settings, uint32_t name) {
  for (size_t i = 0; i < settings->channel_count; i++) {
    const struct attribution_channel *rule = &settings->channels[i];
    if (rule->event.size_bytes > 0 && rule->name != name) continue;
    return rule->when.program == NULL ? rule->number : -1;
  }
  return settings->other;
}

static void find_roles(struct run *run) {
  const struct attribution_settings *settings = run->settings;
  run->name_count = attribution_settings_names(settings, run->names);
  for (size_t i = 0; i < run->name_count; i++)
    run->roles[i] =
        (struct role){has_name(&settings->touchpoints, run->names[i]), has_name(&settings->conversions, run->names[i]),
                      has_name(&settings->leads, run->names[i]), has_name(&settings->opportunities, run->names[i]),
                      channel_of_name(settings, run->names[i])};
}

// Everything that expressions want besides, as the walk is told it.
struct wants {
  uint32_t *names;
  size_t name_count;
  bool records;
};

static enum err add_needs(struct wants *wants, const struct rule_program *program) {
  const struct rule_needs *needs = rule_program_needs(program);
  wants->records = wants->records || needs->trait_count > 0 || needs->lookup_count > 0;
  uint32_t *grown = alloc_resize(wants->names, (wants->name_count + needs->event_count + 1) * sizeof *grown);
  if (grown == NULL) return ERR_NO_MEMORY;
  wants->names = grown;
  for (size_t i = 0; i < needs->event_count; i++) wants->names[wants->name_count++] = needs->events[i];
  return ERR_OK;
}

static int by_number(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static enum err find_wants(struct run *run, struct wants *wants) {
  const struct attribution_settings *settings = run->settings;
  *wants = (struct wants){alloc_get((run->name_count + 1) * sizeof *wants->names), run->name_count, false};
  if (wants->names == NULL) return ERR_NO_MEMORY;
  memcpy(wants->names, run->names, run->name_count * sizeof *run->names);
  enum err err = ERR_OK;
  for (size_t i = 0; i < settings->program_count && err == ERR_OK; i++) {
    err = add_needs(wants, settings->programs[i]);
    if (settings->programs[i] == settings->exclude) continue;
    run->looks_back = run->looks_back || rule_program_needs(settings->programs[i])->event_count > 0;
  }
  if (err == ERR_OK && run->walk->segment != NULL) err = add_needs(wants, run->walk->segment);
  qsort(wants->names, wants->name_count, sizeof *wants->names, by_number);
  size_t kept = 0;
  for (size_t i = 0; i < wants->name_count; i++)
    if (kept == 0 || wants->names[kept - 1] != wants->names[i]) wants->names[kept++] = wants->names[i];
  wants->name_count = kept;
  return err;
}

static enum err run_walk(struct run *run, struct diag *diag) {
  struct wants wants;
  enum err err = find_wants(run, &wants);
  struct walk_options options = {.view = run->walk->view,
                                 .records = wants.records,
                                 .names = wants.names,
                                 .name_count = wants.name_count,
                                 .threads = run->walk->threads,
                                 .progress = run->walk->progress,
                                 .context = run->walk->context};
  err = err == ERR_OK ? walk_customers(&options, look, run, diag) : diag_no_memory(diag);
  alloc_free(wants.names);
  return err;
}

static struct run *run_open(const struct attribution_walk *walk) {
  const struct attribution_settings *settings = walk->settings;
  const struct names *names = walk->view->engine->names;
  struct run *run = alloc_zero(1, sizeof *run);
  if (run == NULL) return NULL;
  run->walk = walk;
  run->settings = settings;
  run->begin_us = journey_begin(walk->from_us, settings->lookback_us);
  run->properties = names_find(names, BYTES("properties"));
  run->items = names_find(names, settings->items);
  run->cut = (struct journey_options){.lookback_us = settings->lookback_us,
                                      .from_us = walk->from_us,
                                      .to_us = walk->to_us,
                                      .split = settings->split,
                                      .nulls = settings->nulls,
                                      .direct = settings->direct,
                                      .transform_count = settings->transform_count,
                                      .last = settings->last};
  memcpy(run->cut.transforms, settings->transforms, sizeof run->cut.transforms);
  find_roles(run);
  return run;
}

enum err attribution_walk(const struct attribution_walk *walk, struct attribution_journeys *journeys,
                          struct diag *diag) {
  struct run *run = run_open(walk);
  *journeys = (struct attribution_journeys){0};
  arena_init(&journeys->arena, 0);
  paths_init(&journeys->all.paths);
  paths_init(&journeys->fresh.paths);
  if (run == NULL) return diag_no_memory(diag);
  enum err err = run_walk(run, diag);
  if (err == ERR_OK) err = attribution_merge(run->parts, walk, journeys, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) attribution_part_release(&run->parts[i]);
  alloc_free(run);
  return err;
}

enum err attribution_walk_orders(const struct attribution_walk *walk, struct attribution_orders *orders,
                                 struct diag *diag) {
  struct attribution_walk asked = *walk;
  bool by_label = walk->by == ATTRIBUTION_BY_CAMPAIGN || walk->by == ATTRIBUTION_BY_CREATIVE;
  if (!by_label) asked.by = ATTRIBUTION_BY_CHANNEL;
  asked.fresh = false;
  asked.segment = NULL;
  struct run *run = run_open(&asked);
  if (run == NULL) return diag_no_memory(diag);
  run->orders = orders;
  run->cut.nulls = false;
  enum err err = run_walk(run, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) attribution_part_release(&run->parts[i]);
  alloc_free(run);
  return err;
}
