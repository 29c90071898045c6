// settings: the document, member by member, each expression compiled as it is met.
//
// Invariants:
//   1. A document has two parts: what was given, and the default under it. Each member is read once, from the former
//      if it is there (null is nothing given), in the order of the table below: channels come before `direct`, `paid`
//      and `costs`, which are about them.
//   2. Every program is in `programs`, which alone closes them. Of a list that was refused none is lost.
// Expressions are checked with the catalogue of the workspace once, when a person stores them, for the warnings; a
// stored document is read again without it.
#include "attribution/settings.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/nearest.h"
#include "base/real.h"
#include "value/given.h"

enum { MEMBERS_MAX = 32, DATE_BYTES = 10 };
#define WEIGHTS_SUM 100.0

struct reading {
  const struct attribution_settings_with *with;
  struct attribution_settings *settings;
  struct diag *diag;
  struct rule_diag where;
};

static enum err wrong_type(struct reading *reading, const char *expected) {
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

static enum err in_member(struct reading *reading, enum err err, const char *name) {
  if (err != ERR_OK) diag_in_field(reading->diag, "%s", name);
  return err;
}

static enum err missing(struct reading *reading, const char *name, const char *what) {
  diag_set(reading->diag, ERR_INVALID, "missing_member", "missing: %s", what);
  return in_member(reading, ERR_INVALID, name);
}

static enum err keep_text(struct reading *reading, struct value value, size_t most_bytes, struct bytes *out) {
  struct bytes text;
  enum err err = given_text(value, most_bytes, &text, reading->diag);
  if (err != ERR_OK) return err;
  *out = arena_copy(&reading->settings->arena, text);
  return out->data == NULL ? diag_no_memory(reading->diag) : ERR_OK;
}

static bool is_given(struct value value) {
  return !value_is_absent(value) && value_type(value) != VALUE_NULL;
}

static struct value member(struct reading *reading, struct value document, const char *name) {
  return value_member(document, reading->with->names, bytes_from_text(name));
}

// Whatever stands in the object must be one of `known`.
static enum err check_members(struct reading *reading, struct value object, const char *const *known, size_t count) {
  if (value_type(object) != VALUE_DOCUMENT) return wrong_type(reading, "an object");
  struct value_iter iter = value_iterate(object);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->with->names);
    size_t place;
    if (given_word_find(name, known, count, &place)) continue;
    diag_set(reading->diag, ERR_INVALID, "unknown_member", "no such member; did you mean \"%s\"?",
             nearest_word(name, known, count));
    diag_in_field(reading->diag, "%.*s", BYTES_ARG(name));
    return ERR_INVALID;
  }
  return ERR_OK;
}

// --- expressions ---------------------------------------------------------------------------------------------

static enum err find_name(void *context, struct bytes name, uint32_t *id) {
  *id = names_find(context, name);
  return ERR_OK;
}

static enum err keep_program(struct reading *reading, struct rule_program *program) {
  struct attribution_settings *settings = reading->settings;
  if (settings->program_count == settings->program_capacity) {
    size_t capacity = settings->program_capacity == 0 ? 32 : 2 * settings->program_capacity;
    struct rule_program **grown = alloc_resize(settings->programs, capacity * sizeof *grown);
    if (grown == NULL) return diag_no_memory(reading->diag);
    settings->programs = grown;
    settings->program_capacity = capacity;
  }
  settings->programs[settings->program_count++] = program;
  return ERR_OK;
}

static bool is_channel(const struct rule_node *node) {
  return node->kind == RULE_NODE_PATH && node->subject == RULE_SUBJECT_EVENT && node->name_count == 2 &&
         bytes_equal(node->names[0], BYTES("context")) && bytes_equal(node->names[1], BYTES("channel"));
}

// context.channel = "store", or in ("store", "till"): the texts by their ids.
static enum err find_channels(struct reading *reading, const struct rule_node *tree,
                              struct attribution_condition *condition) {
  const struct rule_node *const one[] = {tree->right};
  const struct rule_node *const *items = NULL;
  size_t count = 0;
  if (tree->kind == RULE_NODE_BINARY && tree->op == RULE_EQUAL && is_channel(tree->left)) items = one, count = 1;
  if (tree->kind == RULE_NODE_IN && !tree->negated && is_channel(tree->left))
    items = (const struct rule_node *const *)tree->items, count = tree->item_count;
  for (size_t i = 0; i < count; i++)
    if (items[i]->kind != RULE_NODE_TEXT) return ERR_OK;
  if (count == 0) return ERR_OK;
  uint32_t *ids = arena_take(&reading->settings->arena, count * sizeof *ids);
  if (ids == NULL) return diag_no_memory(reading->diag);
  for (size_t i = 0; i < count; i++) ids[i] = names_find(reading->with->dictionary, items[i]->text);
  condition->channels = ids;
  condition->channel_count = count;
  return ERR_OK;
}

// `condition` may be NULL.
static enum err compile(struct reading *reading, struct bytes text, const struct rule_check *asked,
                        struct rule_program **program, struct attribution_condition *condition) {
  struct rule_check check = {.subject = asked->subject, .condition = asked->condition};
  struct rule_compile with = {
      .zone = reading->with->zone, .name_id = find_name, .context = (void *)(uintptr_t)reading->with->dictionary};
  struct rule_node *tree;
  struct arena scratch;
  arena_init(&scratch, 0);
  *program = NULL;
  enum err err = rule_parse(text, &scratch, &tree, &reading->where);
  if (err == ERR_OK) err = rule_check(tree, &check, &reading->where);
  if (err == ERR_OK && condition != NULL) err = find_channels(reading, tree, condition);
  if (err == ERR_OK) err = rule_compile(tree, &with, program, reading->diag);
  arena_release(&scratch);
  if (err == ERR_OK) err = keep_program(reading, *program);
  if (err == ERR_OK || *program == NULL) return err == ERR_NO_MEMORY ? diag_no_memory(reading->diag) : err;
  rule_program_close(*program);
  *program = NULL;
  return err;
}

// `member` is said in warnings.
static enum err read_expression(struct reading *reading, struct value value, const struct rule_check *asked,
                                const char *member, struct rule_program **program,
                                struct attribution_condition *condition) {
  struct bytes text;
  struct rule_check check = *asked;
  check.catalog = reading->with->catalog;
  *program = NULL;
  if (!is_given(value)) return ERR_OK;
  enum err err = given_text(value, RULE_TEXT_BYTES_MAX, &text, reading->diag);
  if (err == ERR_OK)
    err = rule_admit(text, &check, member, reading->with->warnings, NULL, &reading->where, reading->diag);
  if (err != ERR_OK) {
    if (err == ERR_INVALID && reading->with->where != NULL) *reading->with->where = reading->where;
    return err;
  }
  return compile(reading, text, &check, program, condition);
}

// `event`: of which the paths are, when it is one event alone.
static enum err read_value(struct reading *reading, struct value value, enum rule_subject subject, struct bytes event,
                           const char *member, struct rule_program **program) {
  const struct rule_check asked = {.subject = subject, .subject_event = event};
  return read_expression(reading, value, &asked, member, program, NULL);
}

static enum err read_condition(struct reading *reading, struct value value, struct bytes event,
                               struct attribution_condition *condition) {
  const struct rule_check asked = {.subject = RULE_SUBJECT_EVENT, .subject_event = event, .condition = true};
  return read_expression(reading, value, &asked, "when", &condition->program, condition);
}

// Which hot amount an expression is that says nothing else.
static enum rule_amount amount_of(struct value value) {
  static const struct {
    const char *text;
    enum rule_amount amount;
  } AMOUNTS[] = {{"total", RULE_AMOUNT_TOTAL}, {"revenue", RULE_AMOUNT_REVENUE}, {"value", RULE_AMOUNT_VALUE}};
  struct bytes text;
  if (!value_as_text(value, &text)) return 0;
  for (size_t i = 0; i < sizeof AMOUNTS / sizeof *AMOUNTS; i++)
    if (bytes_equal(bytes_trim(text), bytes_from_text(AMOUNTS[i].text))) return AMOUNTS[i].amount;
  return 0;
}

// --- lists ---------------------------------------------------------------------------------------------------

typedef enum err item_fn(struct reading *reading, void *items, size_t index, struct value value);

static enum err read_list(struct reading *reading, struct value list, size_t most, size_t item_bytes, void **items,
                          size_t *count, item_fn *read) {
  *items = NULL, *count = 0;
  if (!is_given(list)) return ERR_OK;
  if (value_type(list) != VALUE_LIST) return wrong_type(reading, "a list");
  *count = given_item_count(list);
  if (*count > most) return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %zu items", most);
  *items = arena_take_zero(&reading->settings->arena, *count + 1, item_bytes);
  if (*items == NULL) return diag_no_memory(reading->diag);
  struct value_iter iter = value_iterate(list);
  for (size_t i = 0; value_next(&iter); i++) {
    enum err err = read(reading, *items, i, iter.item);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "[%zu]", i);
    return err;
  }
  return ERR_OK;
}

static enum err read_event_name(struct reading *reading, struct value object, struct bytes *event, uint32_t *name) {
  struct value given = member(reading, object, "event");
  if (!is_given(given)) return ERR_OK;
  enum err err = in_member(reading, keep_text(reading, given, LIMIT_NAME_BYTES, event), "event");
  if (err == ERR_OK) *name = names_find(reading->with->dictionary, *event);
  return err;
}

static enum err read_event(struct reading *reading, void *items, size_t index, struct value value, bool has_value) {
  static const char *const KNOWN[] = {"event", "when", "value"};
  struct attribution_event *event = (struct attribution_event *)items + index;
  enum err err = check_members(reading, value, KNOWN, has_value ? 3 : 2);
  if (err == ERR_OK) err = read_event_name(reading, value, &event->event, &event->name);
  if (err != ERR_OK) return err;
  if (event->event.size_bytes == 0) return missing(reading, "event", "the name of the event, \"Order Completed\"");
  err = in_member(reading, read_condition(reading, member(reading, value, "when"), event->event, &event->when), "when");
  if (err != ERR_OK || !has_value) return err;
  event->amount = amount_of(member(reading, value, "value"));
  return in_member(
      reading,
      read_value(reading, member(reading, value, "value"), RULE_SUBJECT_EVENT, event->event, "value", &event->value),
      "value");
}

static enum err read_plain_event(struct reading *reading, void *items, size_t index, struct value value) {
  return read_event(reading, items, index, value, false);
}
static enum err read_valued_event(struct reading *reading, void *items, size_t index, struct value value) {
  return read_event(reading, items, index, value, true);
}

static enum err read_events(struct reading *reading, struct value list, item_fn *read,
                            struct attribution_events *events) {
  void *items;
  enum err err =
      read_list(reading, list, ATTRIBUTION_EVENTS_MAX, sizeof(struct attribution_event), &items, &events->count, read);
  events->items = items;
  return err;
}

static enum err read_touchpoints(struct reading *reading, struct value value) {
  return read_events(reading, value, read_plain_event, &reading->settings->touchpoints);
}

static enum err read_conversions(struct reading *reading, struct value value) {
  enum err err = read_events(reading, value, read_valued_event, &reading->settings->conversions);
  if (err != ERR_OK || reading->settings->conversions.count > 0) return err;
  return diag_set(reading->diag, ERR_INVALID, "missing_member", "without a conversion there is nothing to share out");
}

static enum err read_milestones(struct reading *reading, struct value value) {
  static const char *const KNOWN[] = {"lead", "opportunity"};
  enum err err = check_members(reading, value, KNOWN, 2);
  if (err == ERR_OK)
    err = in_member(reading,
                    read_events(reading, member(reading, value, KNOWN[0]), read_plain_event, &reading->settings->leads),
                    KNOWN[0]);
  if (err != ERR_OK) return err;
  return in_member(
      reading,
      read_events(reading, member(reading, value, KNOWN[1]), read_plain_event, &reading->settings->opportunities),
      KNOWN[1]);
}

// --- channels ------------------------------------------------------------------------------------------------

static int64_t find_channel(const struct attribution_settings *settings, struct bytes name) {
  for (size_t i = 0; i < settings->name_count; i++)
    if (bytes_equal(settings->names[i], name)) return (int64_t)i;
  return -1;
}

static enum err read_channel(struct reading *reading, void *items, size_t index, struct value value) {
  static const char *const KNOWN[] = {"channel", "event", "when"};
  struct attribution_channel *channel = (struct attribution_channel *)items + index;
  struct value name = member(reading, value, "channel");
  enum err err = check_members(reading, value, KNOWN, 3);
  if (err == ERR_OK && !is_given(name)) return missing(reading, "channel", "what the channel is called");
  if (err == ERR_OK) err = in_member(reading, keep_text(reading, name, LIMIT_NAME_BYTES, &channel->channel), "channel");
  if (err == ERR_OK) err = read_event_name(reading, value, &channel->event, &channel->name);
  if (err != ERR_OK) return err;
  return in_member(reading, read_condition(reading, member(reading, value, "when"), channel->event, &channel->when),
                   "when");
}

// Names in order of the document, each once; `other` last.
static enum err number_channels(struct reading *reading, struct attribution_channel *channels, size_t count,
                                struct bytes other) {
  struct attribution_settings *settings = reading->settings;
  struct bytes *names = arena_take(&settings->arena, (count + 1) * sizeof *names);
  if (names == NULL) return diag_no_memory(reading->diag);
  settings->names = names;
  for (size_t i = 0; i < count; i++) {
    int64_t known = find_channel(settings, channels[i].channel);
    if (known < 0) names[settings->name_count++] = channels[i].channel;
    channels[i].number = (paths_step)(known < 0 ? (int64_t)settings->name_count - 1 : known);
  }
  if (find_channel(settings, other) < 0) names[settings->name_count++] = other;
  settings->other = (paths_step)find_channel(settings, other);
  return ERR_OK;
}

static enum err read_channels(struct reading *reading, struct value value) {
  void *items;
  struct attribution_settings *settings = reading->settings;
  enum err err = read_list(reading, value, ATTRIBUTION_CHANNELS_MAX, sizeof(struct attribution_channel), &items,
                           &settings->channel_count, read_channel);
  settings->channels = items;
  return err;
}

static enum err read_other(struct reading *reading, struct value value) {
  struct bytes other;
  enum err err = keep_text(reading, value, LIMIT_NAME_BYTES, &other);
  struct attribution_settings *settings = reading->settings;
  // The list lies in our own arena: it is written once more, with its numbers.
  struct attribution_channel *channels = (struct attribution_channel *)(uintptr_t)settings->channels;
  if (err == ERR_OK) err = number_channels(reading, channels, settings->channel_count, other);
  return err;
}

static enum err no_channel(struct reading *reading, struct bytes name) {
  const struct attribution_settings *settings = reading->settings;
  struct bytes nearest = {0};
  size_t least = SIZE_MAX, distance;
  for (size_t i = 0; i < settings->name_count; i++) {
    if (!nearest_is_slip(name, settings->names[i], &distance) || distance >= least) continue;
    least = distance;
    nearest = settings->names[i];
  }
  bool near = nearest.data != NULL;
  return diag_set(reading->diag, ERR_INVALID, "unknown_channel", "no channel is called \"%.*s\"%s%.*s%s",
                  BYTES_ARG(name), near ? "; did you mean \"" : "", BYTES_ARG(nearest), near ? "\"?" : "");
}

static enum err read_flag_of_channel(struct reading *reading, void *items, size_t index, struct value value) {
  (void)index;
  struct bytes name;
  enum err err = given_text(value, LIMIT_NAME_BYTES, &name, reading->diag);
  if (err != ERR_OK) return err;
  int64_t channel = find_channel(reading->settings, name);
  if (channel < 0) return no_channel(reading, name);
  ((bool *)items)[channel] = true;
  return ERR_OK;
}

// The default names channels that a document of other channels need not have.
static enum err read_flags(struct reading *reading, struct value list, const bool **flags) {
  bool *made = arena_take_zero(&reading->settings->arena, reading->settings->name_count + 1, sizeof *made);
  if (made == NULL) return diag_no_memory(reading->diag);
  *flags = made;
  if (value_type(list) != VALUE_LIST) return wrong_type(reading, "a list of channels");
  struct value_iter iter = value_iterate(list);
  for (size_t i = 0; value_next(&iter); i++) {
    enum err err = read_flag_of_channel(reading, made, i, iter.item);
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "[%zu]", i);
    return err;
  }
  return ERR_OK;
}

static enum err read_direct(struct reading *reading, struct value value) {
  return read_flags(reading, value, &reading->settings->direct);
}
static enum err read_paid(struct reading *reading, struct value value) {
  return read_flags(reading, value, &reading->settings->paid);
}

// --- plain members -------------------------------------------------------------------------------------------

// "30 days": of units that are exact.
static enum err read_length(struct reading *reading, struct value value, int64_t *length_us) {
  static const int64_t SIZES[] = {[RULE_SECOND] = CLOCK_SECOND_US,
                                  [RULE_MINUTE] = CLOCK_MINUTE_US,
                                  [RULE_HOUR] = CLOCK_HOUR_US,
                                  [RULE_DAY] = CLOCK_DAY_US,
                                  [RULE_WEEK] = 7 * CLOCK_DAY_US};
  struct bytes text;
  enum rule_unit unit;
  uint64_t count;
  enum err err = given_text(value, LIMIT_NAME_BYTES, &text, reading->diag);
  if (err != ERR_OK) return err;
  const uint8_t *blank = memchr(text.data, ' ', text.size_bytes);
  size_t size = blank != NULL ? (size_t)(blank - text.data) : 0;
  struct bytes word = blank != NULL ? bytes_of(blank + 1, text.size_bytes - size - 1) : BYTES("");
  if (bytes_to_u64(bytes_of(text.data, size), &count) != ERR_OK || !rule_unit_parse(word, &unit) || unit > RULE_WEEK)
    return diag_set(reading->diag, ERR_INVALID, "bad_duration", "expected hours, days or weeks, such as \"30 days\"");
  uint64_t most = (uint64_t)ATTRIBUTION_LOOKBACK_DAYS_MAX * (uint64_t)CLOCK_DAY_US / (uint64_t)SIZES[unit];
  if (count == 0 || count > most)
    return diag_set(reading->diag, ERR_INVALID, "out_of_range", "expected more than nothing, and at most %d days",
                    ATTRIBUTION_LOOKBACK_DAYS_MAX);
  *length_us = (int64_t)count * SIZES[unit];
  return ERR_OK;
}

static enum err read_lookback(struct reading *reading, struct value value) {
  return read_length(reading, value, &reading->settings->lookback_us);
}
static enum err read_half_life(struct reading *reading, struct value value) {
  return read_length(reading, value, &reading->settings->half_life_us);
}

static enum err read_flag(struct reading *reading, struct value value, bool *flag) {
  return value_as_bool(value, flag) ? ERR_OK : wrong_type(reading, "true or false");
}
static enum err read_split(struct reading *reading, struct value value) {
  return read_flag(reading, value, &reading->settings->split);
}
static enum err read_nulls(struct reading *reading, struct value value) {
  return read_flag(reading, value, &reading->settings->nulls);
}

static enum err read_transform(struct reading *reading, void *items, size_t index, struct value value) {
  (void)items;
  const char *words[PATHS_LAST];
  struct bytes word;
  size_t found;
  for (unsigned i = 0; i < PATHS_LAST; i++) {
    words[i] = paths_transform_name((enum paths_transform)i);
    if (i == PATHS_FREQUENCY) words[i] = NULL; // it renames channels, which then have no rules and no costs
  }
  enum err err = given_text(value, LIMIT_NAME_BYTES, &word, reading->diag);
  if (err != ERR_OK) return err;
  if (!given_word_find(word, words, PATHS_LAST, &found))
    return diag_set(reading->diag, ERR_INVALID, "unknown_word",
                    "expected unique, exposure, first, remove_if_not_all or remove_if_last_and_not_all");
  reading->settings->transforms[index] = (enum paths_transform)found;
  return ERR_OK;
}

static enum err read_transforms(struct reading *reading, struct value value) {
  void *items;
  return read_list(reading, value, ATTRIBUTION_TRANSFORMS_MAX, 1, &items, &reading->settings->transform_count,
                   read_transform);
}

static enum err read_last(struct reading *reading, struct value value) {
  int64_t last = 0;
  if (!is_given(value)) return ERR_OK;
  enum err err = given_whole(value, 1, ATTRIBUTION_LAST_MAX, &last, reading->diag);
  reading->settings->last = (size_t)last;
  return err;
}

static bool read_real(struct value value, double *out) {
  struct decimal number;
  char text[DECIMAL_TEXT_BYTES];
  struct bytes given;
  if (value_as_number(value, &number))
    given = bytes_of(text, decimal_format(number, text));
  else if (!value_as_text(value, &given))
    return false;
  return real_read(given, out) == ERR_OK;
}

static enum err read_weight(struct reading *reading, void *items, size_t index, struct value value) {
  double *weight = (double *)items + index;
  return read_real(value, weight) && *weight >= 0 ? ERR_OK : wrong_type(reading, "a number from 0");
}

static enum err read_position(struct reading *reading, struct value value) {
  void *items;
  size_t count;
  enum err err = read_list(reading, value, 3, sizeof(double), &items, &count, read_weight);
  if (err != ERR_OK) return err;
  const double *weights = items;
  double off = count == 3 ? weights[0] + weights[1] + weights[2] - WEIGHTS_SUM : 1;
  if (!(off < 1e-9 && off > -1e-9))
    return diag_set(reading->diag, ERR_INVALID, "out_of_range", "expected three parts of 100, such as [40, 20, 40]");
  reading->settings->first_weight = weights[0] / WEIGHTS_SUM;
  reading->settings->last_weight = weights[2] / WEIGHTS_SUM;
  return ERR_OK;
}

static enum err read_exclude(struct reading *reading, struct value value) {
  const struct rule_check asked = {.condition = true};
  return read_expression(reading, value, &asked, "exclude", &reading->settings->exclude, NULL);
}
static enum err read_campaign(struct reading *reading, struct value value) {
  return read_value(reading, value, RULE_SUBJECT_EVENT, BYTES(""), "campaign", &reading->settings->campaign);
}
static enum err read_creative(struct reading *reading, struct value value) {
  return read_value(reading, value, RULE_SUBJECT_EVENT, BYTES(""), "creative", &reading->settings->creative);
}
static enum err read_store(struct reading *reading, struct value value) {
  return read_value(reading, value, RULE_SUBJECT_EVENT, BYTES(""), "store", &reading->settings->store);
}

static enum err read_order_id(struct reading *reading, struct value value) {
  return read_value(reading, value, RULE_SUBJECT_EVENT, BYTES(""), "order_id", &reading->settings->order_id);
}

static enum err read_ranges(struct reading *reading, struct value value) {
  static const char *const KNOWN[] = {"items", "range", "amount"};
  struct attribution_settings *settings = reading->settings;
  if (!is_given(value)) return ERR_OK;
  enum err err = check_members(reading, value, KNOWN, 3);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < 3; i++)
    if (!is_given(member(reading, value, KNOWN[i])))
      return missing(reading, KNOWN[i], "\"items\" is the list of lines, \"range\" and \"amount\" are of a line");
  err = in_member(reading, keep_text(reading, member(reading, value, "items"), LIMIT_NAME_BYTES, &settings->items),
                  "items");
  if (err == ERR_OK)
    err = in_member(
        reading,
        read_value(reading, member(reading, value, "range"), RULE_SUBJECT_ITEM, BYTES(""), "range", &settings->range),
        "range");
  if (err != ERR_OK) return err;
  return in_member(reading,
                   read_value(reading, member(reading, value, "amount"), RULE_SUBJECT_ITEM, BYTES(""), "amount",
                              &settings->line_amount),
                   "amount");
}

static enum err read_online(struct reading *reading, struct value value) {
  return read_events(reading, value, read_plain_event, &reading->settings->online);
}
static enum err read_visits(struct reading *reading, struct value value) {
  return read_events(reading, value, read_plain_event, &reading->settings->visits);
}
static enum err read_product(struct reading *reading, struct value value) {
  return read_value(reading, value, RULE_SUBJECT_EVENT, BYTES(""), "product", &reading->settings->product);
}

// --- costs ---------------------------------------------------------------------------------------------------

static enum err read_day(struct reading *reading, struct value object, const char *name, int32_t *day) {
  struct bytes text;
  int64_t time_us;
  enum err err =
      in_member(reading, given_text(member(reading, object, name), LIMIT_NAME_BYTES, &text, reading->diag), name);
  if (err != ERR_OK) return err;
  bool good = text.size_bytes == DATE_BYTES && clock_parse(text, &time_us) == ERR_OK;
  if (!good) {
    diag_set(reading->diag, ERR_INVALID, "bad_date", "expected a date such as \"2026-01-31\"");
    return in_member(reading, ERR_INVALID, name);
  }
  *day = (int32_t)(time_us / CLOCK_DAY_US - (time_us % CLOCK_DAY_US < 0));
  return ERR_OK;
}

static enum err read_cost(struct reading *reading, void *items, size_t index, struct value value) {
  static const char *const KNOWN[] = {"channel", "from", "to", "amount"};
  struct attribution_cost *cost = (struct attribution_cost *)items + index;
  enum err err = check_members(reading, value, KNOWN, 4);
  if (err != ERR_OK) return err;
  if (!is_given(member(reading, value, "channel"))) return missing(reading, "channel", "the channel that it paid for");
  err = in_member(reading, keep_text(reading, member(reading, value, "channel"), LIMIT_NAME_BYTES, &cost->channel),
                  "channel");
  if (err == ERR_OK && find_channel(reading->settings, cost->channel) < 0)
    err = in_member(reading, no_channel(reading, cost->channel), "channel");
  if (err == ERR_OK) err = read_day(reading, value, "from", &cost->from_day);
  if (err == ERR_OK) err = read_day(reading, value, "to", &cost->to_day);
  if (err != ERR_OK) return err;
  if (cost->to_day < cost->from_day)
    return diag_set(reading->diag, ERR_INVALID, "out_of_range", "\"to\" lies before \"from\"");
  if (read_real(member(reading, value, "amount"), &cost->amount) && cost->amount >= 0) return ERR_OK;
  diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected an amount such as \"1200.00\"");
  return in_member(reading, ERR_INVALID, "amount");
}

static enum err read_costs(struct reading *reading, struct value value) {
  void *items;
  enum err err = read_list(reading, value, ATTRIBUTION_COSTS_MAX, sizeof(struct attribution_cost), &items,
                           &reading->settings->cost_count, read_cost);
  reading->settings->costs = items;
  return err;
}

// --- the whole -----------------------------------------------------------------------------------------------

// Of what follows from other members: the default may name channels that a document has not.
enum { OF_CHANNELS = 1, NULLABLE = 2 };

static const struct {
  const char *name;
  unsigned about;
  enum err (*read)(struct reading *reading, struct value value);
} MEMBERS[] = {
    {"touchpoints", 0, read_touchpoints},
    {"conversions", 0, read_conversions},
    {"milestones", 0, read_milestones},
    {"channels", 0, read_channels},
    {"other", 0, read_other},
    {"direct", OF_CHANNELS, read_direct},
    {"paid", OF_CHANNELS, read_paid},
    {"lookback", 0, read_lookback},
    {"split", 0, read_split},
    {"nulls", 0, read_nulls},
    {"transforms", 0, read_transforms},
    {"last", NULLABLE, read_last},
    {"half_life", 0, read_half_life},
    {"position", 0, read_position},
    {"exclude", NULLABLE, read_exclude},
    {"campaign", NULLABLE, read_campaign},
    {"creative", NULLABLE, read_creative},
    {"store", NULLABLE, read_store},
    {"order_id", NULLABLE, read_order_id},
    {"ranges", NULLABLE, read_ranges},
    {"online", 0, read_online},
    {"visits", 0, read_visits},
    {"product", NULLABLE, read_product},
    {"costs", 0, read_costs},
};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS };

// What the workspace tells beside the document may stand in it, and means nothing.
static const char *const TOLD[] = {"version", "changed_at", "author", "warnings"};
enum { TOLD_COUNT = sizeof TOLD / sizeof *TOLD };

static enum err check_whole(struct reading *reading, struct value document) {
  const char *known[MEMBER_COUNT + TOLD_COUNT];
  for (size_t i = 0; i < MEMBER_COUNT; i++) known[i] = MEMBERS[i].name;
  for (size_t i = 0; i < TOLD_COUNT; i++) known[MEMBER_COUNT + i] = TOLD[i];
  return check_members(reading, document, known, MEMBER_COUNT + TOLD_COUNT);
}

// A document with channels of its own has of the default's direct and paid ones those that it has too.
static bool is_default_of_others(struct reading *reading, struct value document, size_t index) {
  return MEMBERS[index].about == OF_CHANNELS && is_given(member(reading, document, "channels"));
}

static enum err take_known_flags(struct reading *reading, struct value list, size_t index) {
  struct attribution_settings *settings = reading->settings;
  bool *flags = arena_take_zero(&settings->arena, settings->name_count + 1, sizeof *flags);
  if (flags == NULL) return diag_no_memory(reading->diag);
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    struct bytes name = {0};
    value_as_text(iter.item, &name);
    int64_t channel = find_channel(settings, name);
    if (channel >= 0) flags[channel] = true;
  }
  if (MEMBERS[index].read == read_direct)
    settings->direct = flags;
  else
    settings->paid = flags;
  return ERR_OK;
}

static struct value effective(struct value document, struct value base, const struct names *names, size_t index,
                              bool *given) {
  struct bytes name = bytes_from_text(MEMBERS[index].name);
  struct value value = value_member(document, names, name);
  bool nothing = MEMBERS[index].about == NULLABLE ? value_is_absent(value) : !is_given(value);
  *given = !nothing;
  return nothing ? value_member(base, names, name) : value;
}

static enum err read_all(struct reading *reading, struct value document, struct value base) {
  enum err err = value_is_absent(document) ? ERR_OK : check_whole(reading, document);
  for (size_t i = 0; i < MEMBER_COUNT && err == ERR_OK; i++) {
    bool given;
    struct value value = effective(document, base, reading->with->names, i, &given);
    if (!given && is_default_of_others(reading, document, i))
      err = take_known_flags(reading, value, i);
    else
      err = in_member(reading, MEMBERS[i].read(reading, value), MEMBERS[i].name);
  }
  return err;
}

enum err attribution_settings_open(struct attribution_settings **settings, struct value document, struct value base,
                                   const struct attribution_settings_with *with, struct diag *diag) {
  struct diag unwanted;
  if (diag == NULL) diag = &unwanted;
  diag_init(diag);
  if (with->where != NULL) with->where->code[0] = '\0';
  struct attribution_settings *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  arena_init(&made->arena, 0);
  struct reading reading = {.with = with, .settings = made, .diag = diag};
  enum err err = read_all(&reading, document, base);
  if (err == ERR_OK)
    *settings = made;
  else
    attribution_settings_close(made);
  return err;
}

void attribution_settings_close(struct attribution_settings *settings) {
  if (settings == NULL) return;
  for (size_t i = 0; i < settings->program_count; i++) rule_program_close(settings->programs[i]);
  alloc_free(settings->programs);
  arena_release(&settings->arena);
  alloc_free(settings);
}

static void write_known(struct json_writer *writer, struct value list, struct value channels, struct bytes other,
                        const struct names *names) {
  struct value_iter iter = value_iterate(list);
  json_array_begin(writer);
  while (value_next(&iter)) {
    struct bytes name = {0}, known = {0};
    value_as_text(iter.item, &name);
    bool is_known = bytes_equal(name, other);
    struct value_iter channel = value_iterate(channels);
    while (!is_known && value_next(&channel))
      is_known = value_as_text(value_member(channel.item, names, BYTES("channel")), &known) && bytes_equal(known, name);
    if (is_known) json_bytes(writer, name);
  }
  json_array_end(writer);
}

void attribution_settings_json(struct json_writer *writer, struct value document, struct value base,
                               const struct names *names) {
  struct value channels = value_member(document, names, BYTES("channels"));
  struct bytes other = {0};
  for (size_t i = 0; i < MEMBER_COUNT; i++) {
    bool given;
    struct value value = effective(document, base, names, i, &given);
    if (MEMBERS[i].read == read_other) value_as_text(value, &other);
    json_name(writer, MEMBERS[i].name);
    if (!given && MEMBERS[i].about == OF_CHANNELS && is_given(channels))
      write_known(writer, value, channels, other, names);
    else
      value_to_json(writer, value, names);
  }
}

static size_t add_names(const struct attribution_events *events, uint32_t *names, size_t count) {
  for (size_t i = 0; i < events->count; i++) {
    uint32_t name = events->items[i].name;
    size_t at = 0;
    while (at < count && names[at] < name) at++;
    if (name == 0 || (at < count && names[at] == name)) continue;
    memmove(names + at + 1, names + at, (count - at) * sizeof *names);
    names[at] = name;
    count++;
  }
  return count;
}

size_t attribution_settings_names(const struct attribution_settings *settings, uint32_t *names) {
  size_t count = add_names(&settings->touchpoints, names, 0);
  count = add_names(&settings->conversions, names, count);
  count = add_names(&settings->leads, names, count);
  return add_names(&settings->opportunities, names, count);
}

size_t attribution_settings_research_names(const struct attribution_settings *settings, uint32_t *names) {
  size_t count = add_names(&settings->touchpoints, names, 0);
  count = add_names(&settings->online, names, count);
  return add_names(&settings->visits, names, count);
}
