// The line is packed once with the product's own parser; everything else is views of it. Messages are built in a second
// buffer whose size is known to suffice before the first view is taken, so that no view ever dangles.
#include "rule_customer.h"

#include "rule_zoneinfo.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "rule/duration.h"
#include "rule/literal.h"

enum { ZONES_MAX = 16 };

static struct {
  char name[64];
  struct rule_zone *zone; // NULL: this machine has no such file
} zones[ZONES_MAX];
static size_t zone_count;

const struct rule_zone *sample_zone(struct bytes name) {
  for (size_t i = 0; i < zone_count; i++)
    if (bytes_equal(bytes_from_text(zones[i].name), name)) return zones[i].zone;
  assert_true(zone_count < ZONES_MAX);
  snprintf(zones[zone_count].name, sizeof zones->name, "%.*s", BYTES_ARG(name));
  struct rule_zone **zone = &zones[zone_count].zone;
  *zone = NULL;
  if (bytes_equal(name, BYTES("UTC")))
    assert_int_equal(rule_zone_open_utc(zone), ERR_OK);
  else
    *zone = zoneinfo_open(zones[zone_count].name);
  zone_count++;
  return *zone;
}

void sample_close_zones(void) {
  for (size_t i = 0; i < zone_count; i++) rule_zone_close(zones[i].zone);
  zone_count = 0;
}

bool sample_time(const struct rule_zone *zone, struct bytes text, int64_t *time_us) {
  struct rule_problem problem;
  int64_t read_us;
  bool has_offset;
  if (rule_literal_time(text, &read_us, &has_offset, &problem) != ERR_OK) return false;
  if (!has_offset) return rule_time_from_wall(zone, read_us, time_us) == ERR_OK;
  *time_us = read_us;
  return true;
}

// --- reading -------------------------------------------------------------------------------------------------

void sample_init(struct sample *sample) {
  *sample = (struct sample){0};
  arena_init(&sample->arena, 0);
  for (size_t i = 0; i < 2; i++) buffer_init(&sample->packed[i]);
  assert_int_equal(names_open(&sample->names, NULL, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&sample->parser), ERR_OK);
}

void sample_release(struct sample *sample) {
  value_parser_close(sample->parser);
  names_close(sample->names);
  for (size_t i = 0; i < 2; i++) buffer_release(&sample->packed[i]);
  arena_release(&sample->arena);
}

static struct value member(const struct sample *sample, struct value document, const char *name) {
  return value_member(document, sample->names, bytes_from_text(name));
}

static bool wrong(char problem[256], const char *what, struct bytes text) {
  snprintf(problem, 256, "%s: %.*s", what, BYTES_ARG(text));
  return false;
}

static bool read_time(const struct sample *sample, struct value value, int64_t *time_us, char problem[256]) {
  struct bytes text = BYTES("");
  if (!value_as_text(value, &text) || !sample_time(sample->zone, text, time_us)) return wrong(problem, "no time", text);
  return true;
}

// The four places of the short form, by the names of the long one.
struct parts {
  struct value name, time, properties, context, erased;
};

static void read_parts(const struct sample *sample, struct value event, struct parts *parts) {
  *parts =
      (struct parts){member(sample, event, "event"), member(sample, event, "time"), member(sample, event, "properties"),
                     member(sample, event, "context"), member(sample, event, "erased")};
  if (value_type(event) != VALUE_LIST) return;
  struct value *places[] = {&parts->name, &parts->time, &parts->properties, &parts->context};
  struct value_iter iter = value_iterate(event);
  for (size_t i = 0; i < 4 && value_next(&iter); i++) *places[i] = iter.item;
}

// {"event", "properties", "context"} at the end of the buffer.
static struct value build_message(struct sample *sample, const struct parts *parts) {
  struct buffer *out = &sample->packed[1];
  size_t from = out->size_bytes, capacity_bytes = out->capacity_bytes;
  struct value_builder builder;
  value_builder_init(&builder, out, sample->names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("event"));
  value_put_value(&builder, parts->name);
  if (!value_is_absent(parts->properties)) {
    value_put_name(&builder, BYTES("properties"));
    value_put_value(&builder, parts->properties);
  }
  if (!value_is_absent(parts->context)) {
    value_put_name(&builder, BYTES("context"));
    value_put_value(&builder, parts->context);
  }
  value_document_end(&builder);
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  assert_true(out->capacity_bytes == capacity_bytes);
  return (struct value){bytes_of(out->data + from, out->size_bytes - from)};
}

static bool read_event(struct sample *sample, struct value item, struct sample_event *event, char problem[256]) {
  struct parts parts;
  struct diag diag;
  struct bytes channel;
  uint32_t channel_id;
  bool erased = false;
  read_parts(sample, item, &parts);
  if (!value_as_text(parts.name, &event->name)) return wrong(problem, "an event without a name", BYTES("event"));
  if (!read_time(sample, parts.time, &event->time_us, problem)) return false;
  assert_int_equal(names_intern(sample->names, event->name, &event->name_id, &diag), ERR_OK);
  if (value_as_text(member(sample, parts.context, "channel"), &channel) && channel.size_bytes <= LIMIT_NAME_BYTES)
    assert_int_equal(names_intern(sample->names, channel, &channel_id, &diag), ERR_OK);
  value_as_bool(parts.erased, &erased);
  event->message = erased ? (struct value){{NULL, 0}} : build_message(sample, &parts);
  return true;
}

static int compare_events(const void *a, const void *b) {
  const struct sample_event *x = a, *y = b;
  if (x->time_us != y->time_us) return x->time_us < y->time_us ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

// `this` and `item`; null: it is asked of an event, or an item, that is not there.
static bool read_subject(struct sample *sample, struct value in_hand, char problem[256]) {
  sample->item = member(sample, sample->document, "item");
  if (!value_is_absent(in_hand)) sample->subject = RULE_SUBJECT_EVENT;
  if (!value_is_absent(sample->item)) sample->subject = RULE_SUBJECT_ITEM;
  return value_type(in_hand) == VALUE_NULL || read_event(sample, in_hand, &sample->in_hand, problem);
}

static bool read_events(struct sample *sample, char problem[256]) {
  struct value list = member(sample, sample->document, "events"), in_hand = member(sample, sample->document, "this");
  size_t count = 0;
  for (struct value_iter iter = value_iterate(list); value_next(&iter);) count++;
  sample->events = arena_take_zero(&sample->arena, count + 1, sizeof *sample->events);
  assert_non_null(sample->events);
  size_t size_bytes = list.packed.size_bytes + in_hand.packed.size_bytes;
  assert_true(buffer_reserve(&sample->packed[1], size_bytes + 64 * (count + 2)));
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    struct sample_event *event = &sample->events[sample->event_count];
    event->order = sample->event_count++;
    if (!read_event(sample, iter.item, event, problem)) return false;
  }
  qsort(sample->events, sample->event_count, sizeof *sample->events, compare_events);
  return read_subject(sample, in_hand, problem);
}

// A misspelt member would be a fact that silently is not there.
static bool check_members(const struct sample *sample, char problem[256]) {
  static const char *const known[] = {"now",  "zone",   "traits", "attributes", "segments", "consent",
                                      "tier", "points", "score",  "events",     "this",     "item"};
  for (struct value_iter iter = value_iterate(sample->document); value_next(&iter);) {
    struct bytes name = value_iter_name(&iter, sample->names);
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      found = found || bytes_equal(name, bytes_from_text(known[i]));
    if (!found) return wrong(problem, "no such member", name);
  }
  return true;
}

enum sample_read sample_read(struct sample *sample, struct bytes json, char problem[256]) {
  struct diag diag;
  struct bytes zone = BYTES("Europe/Paris");
  problem[0] = '\0';
  if (value_parse_json(sample->parser, json, sample->names, &sample->packed[0], &diag) != ERR_OK) {
    wrong(problem, "no JSON", bytes_from_text(diag.message));
    return SAMPLE_WRONG;
  }
  sample->document = (struct value){buffer_view(&sample->packed[0])};
  sample->traits = member(sample, sample->document, "traits");
  value_as_text(member(sample, sample->document, "zone"), &zone);
  sample->zone = sample_zone(zone);
  if (sample->zone == NULL) return SAMPLE_NO_ZONE;
  bool good = check_members(sample, problem) &&
              read_time(sample, member(sample, sample->document, "now"), &sample->now_us, problem) &&
              read_events(sample, problem);
  return good ? SAMPLE_READ : SAMPLE_WRONG;
}

// --- lookups -------------------------------------------------------------------------------------------------

// {"value": x, "until": time, "then": y} changes at that time; anything else stays as it is.
static struct value value_at(const struct sample *sample, struct value stored, int64_t now_us, int64_t *until_us) {
  struct value until = member(sample, stored, "until");
  struct bytes text;
  int64_t at_us;
  if (!value_as_text(until, &text) || !sample_time(sample->zone, text, &at_us)) return stored;
  if (now_us >= at_us) return member(sample, stored, "then");
  *until_us = at_us;
  return member(sample, stored, "value");
}

struct value sample_lookup(const struct sample *sample, enum rule_function function, const struct bytes *arguments,
                           size_t count, int64_t now_us, int64_t *until_us) {
  char key[LIMIT_NAME_BYTES * 2 + 2];
  const char *section = "attributes";
  if (function == RULE_FUNCTION_in_segment) section = "segments";
  if (function == RULE_FUNCTION_consent) section = "consent";
  if (function == RULE_FUNCTION_tier) section = "tier";
  if (function == RULE_FUNCTION_points) section = "points";
  if (function == RULE_FUNCTION_score) section = "score";
  struct bytes second = count > 1 ? arguments[1] : BYTES("");
  snprintf(key, sizeof key, "%.*s%s%.*s", BYTES_ARG(arguments[0]), count > 1 ? "/" : "", BYTES_ARG(second));
  struct value stored = member(sample, member(sample, sample->document, section), key);
  return value_at(sample, stored, now_us, until_us);
}

// --- columns -------------------------------------------------------------------------------------------------

// The number as the column holds it; the code of "look it up" when it does not fit exactly.
static uint8_t amount_of(struct value value, enum rule_amount kind, int64_t *amount) {
  struct decimal number;
  if (!value_as_number(value, &number) || number.exponent > 0 || number.exponent < -31) return 0;
  if (number.coefficient > INT64_MAX || (number.negative && number.coefficient == 0)) return 0;
  *amount = number.negative ? -(int64_t)number.coefficient : (int64_t)number.coefficient;
  return (uint8_t)((unsigned)kind << RULE_AMOUNT_SHIFT | (unsigned)-number.exponent);
}

static uint8_t amount_code(const struct sample *sample, struct value message, int64_t *amount) {
  static const char *const names[] = {"total", "revenue", "value", "price"};
  struct value properties = member(sample, message, "properties");
  *amount = 0;
  for (size_t i = 0; i < 4; i++) {
    struct value found = member(sample, properties, names[i]);
    // Of an event from before prices had a place in the column nobody knows whether there is one.
    if (i == 3 && !value_is_absent(member(sample, properties, "v"))) return RULE_AMOUNT_NONE;
    if (!value_is_absent(found)) return amount_of(found, (enum rule_amount)(RULE_AMOUNT_TOTAL + i), amount);
  }
  return RULE_AMOUNT_NOTHING;
}

// Where events are stored, the text of a channel is in the dictionary before any program asks for it.
static uint32_t channel_of(const struct sample *sample, struct value message) {
  struct value in_context = member(sample, member(sample, message, "context"), "channel");
  struct value in_properties = member(sample, member(sample, message, "properties"), "channel");
  struct bytes text;
  if (value_is_absent(in_context) && value_is_absent(in_properties)) return RULE_DIM_NONE;
  uint32_t id = value_as_text(in_context, &text) ? names_find(sample->names, text) : 0;
  return id == 0 ? 0 : id | RULE_DIM_CONTEXT;
}

static bool is_wanted(const struct sample_event *event, const struct rule_events_wanted *wanted) {
  if (event->time_us < wanted->from_us || event->time_us >= wanted->to_us) return false;
  for (size_t i = 0; i < wanted->name_count; i++)
    if (wanted->names[i] == event->name_id) return true;
  return false;
}

// Of a program to which the newest one alone matters, an older one of its name.
static bool is_outdone(const struct sample *sample, size_t event, const struct rule_events_wanted *wanted) {
  if (!wanted->newest_only) return false;
  for (size_t i = event + 1; i < sample->event_count && sample->events[i].time_us <= wanted->now_us; i++)
    if (sample->events[i].name_id == sample->events[event].name_id) return true;
  return false;
}

struct cells {
  int64_t *time_us, *amount;
  uint32_t *name, *channel;
  uint8_t *code;
};

// False: short of memory, which a test may have arranged.
static bool take_cells(struct sample_view *view, size_t count, struct cells *cells) {
  *cells = (struct cells){arena_take_zero(&view->arena, count, 8), arena_take_zero(&view->arena, count, 8),
                          arena_take_zero(&view->arena, count, 4), arena_take_zero(&view->arena, count, 4),
                          arena_take_zero(&view->arena, count, 1)};
  view->indexes = arena_take_zero(&view->arena, count, sizeof *view->indexes);
  view->asked = arena_take_zero(&view->arena, count, sizeof *view->asked);
  return cells->time_us != NULL && cells->amount != NULL && cells->name != NULL && cells->channel != NULL &&
         cells->code != NULL && view->indexes != NULL && view->asked != NULL;
}

static enum err give_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  struct sample_view *view = context;
  const struct sample *sample = view->sample;
  struct cells cells;
  size_t count = 0;
  if (view->has_columns) view->wrong = "the columns were asked for twice";
  for (size_t i = 1; i < wanted->name_count; i++)
    if (wanted->names[i] <= wanted->names[i - 1]) view->wrong = "the wanted names are not sorted";
  view->has_columns = true;
  if (!take_cells(view, sample->event_count + 1, &cells)) return ERR_NO_MEMORY;
  for (size_t i = 0; i < sample->event_count; i++) {
    const struct sample_event *event = &sample->events[i];
    if (view->manner == SAMPLE_COLD && (!is_wanted(event, wanted) || is_outdone(sample, i, wanted))) continue;
    cells.time_us[count] = event->time_us;
    cells.name[count] = event->name_id;
    if (view->manner == SAMPLE_HOT) {
      cells.code[count] = amount_code(sample, event->message, &cells.amount[count]);
      cells.channel[count] = channel_of(sample, event->message);
    }
    view->indexes[count++] = i;
  }
  view->columns = (struct rule_columns){count, cells.time_us, cells.name, cells.amount, cells.code, cells.channel};
  *columns = view->columns;
  return ERR_OK;
}

static enum err give_message(void *context, size_t index, struct value *message) {
  struct sample_view *view = context;
  if (!view->has_columns || index >= view->columns.count) {
    view->wrong = "the message of no event was asked for";
    return ERR_INVALID;
  }
  if (view->asked[index]) view->wrong = "a message was asked for twice";
  view->asked[index] = true;
  *message = view->sample->events[view->indexes[index]].message;
  return ERR_OK;
}

static enum err give_trait(void *context, uint32_t name, struct value *value) {
  struct sample_view *view = context;
  if (name == 0) view->wrong = "a trait without a name was asked for";
  *value = value_member_id(view->sample->traits, name);
  return ERR_OK;
}

static enum err give_lookup(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                            int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct sample_view *view = context;
  if (count < 1 || count > 2) view->wrong = "a lookup was asked for with no or too many arguments";
  if (*until_us != INT64_MAX) view->wrong = "a lookup was asked for with an until";
  *value = rule_value_of(sample_lookup(view->sample, function, arguments, count, now_us, until_us));
  return ERR_OK;
}

void sample_view_init(struct sample_view *view, const struct sample *sample, enum sample_manner manner) {
  *view = (struct sample_view){.sample = sample, .manner = manner};
  arena_init(&view->arena, 0);
}

void sample_view_release(struct sample_view *view) {
  arena_release(&view->arena);
}

void sample_view_reset(struct sample_view *view) {
  arena_clear(&view->arena);
  view->has_columns = false;
  view->wrong = NULL;
}

struct rule_customer sample_customer(struct sample_view *view) {
  return (struct rule_customer){.context = view,
                                .columns = give_columns,
                                .message = give_message,
                                .trait = give_trait,
                                .lookup = give_lookup,
                                .subject = view->sample->in_hand.message,
                                .subject_item = view->sample->item,
                                .subject_time_us = view->sample->in_hand.time_us};
}

enum err sample_name_id(void *context, struct bytes name, uint32_t *id) {
  *id = names_find(context, name);
  return ERR_OK;
}
