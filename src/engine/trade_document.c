// trade_document.c: a trade's document, read strictly.
//
// Members are read in the order of the document through one table, which has their defaults too; a name that is not in
// it is refused with the nearest one that is. Each expression is parsed and checked as one with an event in hand and
// compiled at once, so that what was read can be run. Invariant: a property asks for nothing but the event (no other
// events, no trait, no segment), so that an order says the same whatever else is known.
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/nearest.h"
#include "engine/catalog.h"
#include "engine/trade_private.h"
#include "value/given.h"

enum { NAME_BYTES_MAX = 512, CHANNELS_MAX = 64, CHANNEL_BYTES_MAX = 256 };

enum {
  NUMBER = 1 << RULE_TYPE_NUMBER,
  WORD = 1 << RULE_TYPE_TEXT | 1 << RULE_TYPE_NUMBER,
  LIST = 1 << RULE_TYPE_LIST,
};

static const char HOT[] = "coalesce(total, revenue, value)";

static const struct {
  const char *name, *otherwise;
  rule_types types;
  const char *expected; // of its value
  bool of_item, needed;
} PROPERTIES[TRADE_PROPERTIES] = {
    [TRADE_AMOUNT] = {"amount", HOT, NUMBER, "a number", false, true},
    [TRADE_ORDER_ID] = {"order_id", "order_id", WORD, "a text or a number", false, false},
    [TRADE_RETURNED_AMOUNT] = {"returned_amount", HOT, NUMBER, "a number", false, true},
    [TRADE_CHANNEL] = {"channel", "context.channel", WORD, "a text or a number", false, false},
    [TRADE_STORE] = {"store", "store", WORD, "a text or a number", false, false},
    [TRADE_ITEMS] = {"items", "products", LIST, "a list", false, false},
    [TRADE_RANGE] = {"range", "category", WORD, "a text or a number", true, false},
    [TRADE_SKU] = {"sku", "coalesce(sku, product_id)", WORD, "a text or a number", true, false},
    [TRADE_QUANTITY] = {"quantity", "quantity", NUMBER, "a number", true, false},
    [TRADE_ITEM_AMOUNT] = {"item_amount", "price * coalesce(quantity, 1)", NUMBER, "a number", true, true},
};

struct reading {
  struct trade *trade;
  struct rule_catalog *catalog;
  struct rule_check *kept; // warnings; may be NULL
  struct rule_diag *refusal;
  struct diag *diag;
};

// --- one expression ------------------------------------------------------------------------------------------

static enum err refuse(struct reading *reading, enum err err, const struct rule_diag *why) {
  if (err == ERR_NO_MEMORY) return diag_no_memory(reading->diag);
  if (reading->refusal != NULL) *reading->refusal = *why;
  return diag_set(reading->diag, err, why->code, "%s", why->message);
}

static void keep_warnings(struct reading *reading, const struct rule_check *check, const char *member) {
  struct rule_check *kept = reading->kept;
  for (size_t i = 0; kept != NULL && i < check->warning_count && kept->warning_count < RULE_WARNINGS_MAX; i++) {
    struct rule_diag *warning = &kept->warnings[kept->warning_count++];
    struct diag field;
    *warning = check->warnings[i];
    diag_init(&field);
    diag_in_field(&field, "%s", member);
    memcpy(warning->field, field.field, sizeof warning->field);
  }
}

// Into the event or the line: `time` and `item` alone are none.
static bool is_plain_path(const struct rule_node *tree) {
  if (tree->kind != RULE_NODE_PATH || tree->name_count > TRADE_PATH_MAX - 1) return false;
  struct bytes first = tree->names[0];
  if (bytes_equal(first, BYTES("traits")) || bytes_equal(first, BYTES("attributes"))) return false;
  return tree->name_count > 1 || (!bytes_equal(first, BYTES("time")) && !bytes_equal(first, BYTES("item")));
}

// A path in a line begins in the line, else in the properties, but for context and properties themselves.
static void take_path(struct reading *reading, const struct rule_node *tree, bool of_item,
                      struct trade_property *property) {
  const struct names *names = reading->trade->engine->names;
  struct bytes first = tree->names[0];
  bool rooted = bytes_equal(first, BYTES("context")) || bytes_equal(first, BYTES("properties"));
  property->root = of_item && !rooted ? TRADE_FROM_ITEM : TRADE_FROM_MESSAGE;
  if (!of_item && !rooted) property->path[property->path_count++] = names_find(names, BYTES("properties"));
  for (uint32_t i = 0; i < tree->name_count; i++)
    property->path[property->path_count++] = names_find(names, tree->names[i]);
}

// Names that the dictionary lacks match nothing: a trade adds none.
static enum err find_name(void *context, struct bytes name, uint32_t *id) {
  const struct engine *engine = context;
  *id = names_find(engine->names, name);
  return ERR_OK;
}

static enum err compile(struct reading *reading, const struct rule_node *tree, struct trade_property *property) {
  struct engine *engine = reading->trade->engine;
  struct rule_compile with = {.zone = engine_zone(engine), .name_id = find_name, .context = engine};
  enum err err = rule_compile(tree, &with, &property->program, reading->diag);
  if (err != ERR_OK) return err == ERR_NO_MEMORY ? diag_no_memory(reading->diag) : err;
  return ERR_OK;
}

// Of a trait that nobody has yet a program needs nothing; the check has warned of it.
static bool asks_for_more(const struct rule_check *check, const struct trade_property *property) {
  bool asks = false;
  for (size_t i = 0; i < check->warning_count; i++)
    asks = asks || strcmp(check->warnings[i].code, "unknown_trait") == 0;
  if (property->program == NULL) return asks;
  const struct rule_needs *needs = rule_program_needs(property->program);
  return asks || needs->event_count > 0 || needs->trait_count > 0 || needs->lookup_count > 0;
}

static enum err take_expression(struct reading *reading, enum trade_property_id id, struct bytes text) {
  struct trade_property *property = &reading->trade->properties[id];
  bool of_item = PROPERTIES[id].of_item;
  struct rule_node *tree = NULL;
  struct rule_diag why = {.code = ""};
  struct rule_check check = {.catalog = reading->catalog,
                             .subject = of_item ? RULE_SUBJECT_ITEM : RULE_SUBJECT_EVENT,
                             .subject_event = reading->trade->order};
  enum err err = rule_parse(text, &reading->trade->arena, &tree, &why);
  if (err == ERR_OK) err = rule_check(tree, &check, &why);
  if (err != ERR_OK) return refuse(reading, err, &why);
  if ((tree->types & PROPERTIES[id].types) == 0)
    return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected an expression that gives %s",
                    PROPERTIES[id].expected);
  if (!bytes_equal(text, bytes_from_text(PROPERTIES[id].otherwise)))
    keep_warnings(reading, &check, PROPERTIES[id].name); // of what is there anyhow, nobody is warned
  property->text = text;
  if (is_plain_path(tree))
    take_path(reading, tree, of_item, property);
  else
    err = compile(reading, tree, property);
  if (err != ERR_OK || !asks_for_more(&check, property)) return err;
  return diag_set(reading->diag, ERR_INVALID, "wrong_path",
                  "expected what the order itself says, such as \"total\", and not what else is known of the customer");
}

// --- members -------------------------------------------------------------------------------------------------

static enum err wrong_type(struct reading *reading, const char *expected) {
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

static enum err keep(struct reading *reading, struct bytes text, struct bytes *out) {
  *out = arena_copy(&reading->trade->arena, text);
  return out->data == NULL ? diag_no_memory(reading->diag) : ERR_OK;
}

static enum err read_text(struct reading *reading, struct value value, size_t most_bytes, struct bytes *out) {
  struct bytes text;
  enum err err = given_text(value, most_bytes, &text, reading->diag);
  return err == ERR_OK ? keep(reading, text, out) : err;
}

static bool is_null(struct value value) {
  return value_type(value) == VALUE_NULL;
}

static enum err read_property(struct reading *reading, enum trade_property_id id, struct value value) {
  struct bytes text = bytes_from_text(PROPERTIES[id].otherwise);
  if (!value_is_absent(value) && is_null(value)) {
    if (!PROPERTIES[id].needed) return ERR_OK;
    return wrong_type(reading, "an expression: orders without one cannot be added up");
  }
  enum err err = value_is_absent(value) ? ERR_OK : read_text(reading, value, RULE_TEXT_BYTES_MAX, &text);
  return err == ERR_OK ? take_expression(reading, id, text) : err;
}

static enum err read_channels(struct reading *reading, struct value value) {
  struct trade *trade = reading->trade;
  size_t count = value_is_absent(value) ? 1 : given_item_count(value);
  trade->by_store = !value_is_absent(value) && is_null(value);
  if (trade->by_store) return ERR_OK;
  if (!value_is_absent(value) && value_type(value) != VALUE_LIST) return wrong_type(reading, "a list of texts");
  if (count > CHANNELS_MAX)
    return diag_set(reading->diag, ERR_LIMIT, "too_many", "expected at most %d channels", CHANNELS_MAX);
  trade->store_channels = arena_take_zero(&trade->arena, count + 1, sizeof *trade->store_channels);
  if (trade->store_channels == NULL) return diag_no_memory(reading->diag);
  trade->store_channel_count = count;
  if (value_is_absent(value)) trade->store_channels[0] = BYTES("store");
  struct value_iter iter = value_iterate(value);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && !value_is_absent(value) && value_next(&iter); i++)
    err = read_text(reading, iter.item, CHANNEL_BYTES_MAX, &trade->store_channels[i]);
  return err;
}

static enum err read_events(struct reading *reading, struct value order, struct value returned) {
  struct trade *trade = reading->trade;
  trade->order = BYTES("Order Completed");
  trade->returned = BYTES("Order Refunded");
  enum err err = value_is_absent(order) ? ERR_OK : read_text(reading, order, NAME_BYTES_MAX, &trade->order);
  if (err != ERR_OK) {
    diag_in_field(reading->diag, "order");
    return err;
  }
  if (!value_is_absent(returned) && is_null(returned))
    trade->returned = BYTES("");
  else if (!value_is_absent(returned))
    err = read_text(reading, returned, NAME_BYTES_MAX, &trade->returned);
  if (err == ERR_OK && bytes_equal(trade->order, trade->returned))
    err = diag_set(reading->diag, ERR_INVALID, "same_event",
                   "expected another event than that of orders, or null where nothing is ever returned");
  if (err != ERR_OK) diag_in_field(reading->diag, "returned");
  return err;
}

// --- the document --------------------------------------------------------------------------------------------

// Beside the properties. The last three are what the answer adds.
static const char *const OTHERS[] = {"order", "returned", "store_channels", "version", "changed_at", "author"};
enum { OTHER_COUNT = sizeof OTHERS / sizeof *OTHERS };

static enum err check_names(struct reading *reading, struct value document) {
  const char *known[TRADE_PROPERTIES + OTHER_COUNT];
  size_t count = 0, position;
  for (size_t i = 0; i < TRADE_PROPERTIES; i++) known[count++] = PROPERTIES[i].name;
  for (size_t i = 0; i < OTHER_COUNT; i++) known[count++] = OTHERS[i];
  if (value_is_absent(document)) return ERR_OK;
  if (value_type(document) != VALUE_DOCUMENT) return wrong_type(reading, "an object");
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, reading->trade->engine->names);
    if (given_word_find(name, known, count, &position)) continue;
    diag_set(reading->diag, ERR_INVALID, "unknown_member", "no such member; did you mean \"%s\"?",
             nearest_word(name, known, count));
    diag_in_field(reading->diag, "%.*s", BYTES_ARG(name));
    return ERR_INVALID;
  }
  return ERR_OK;
}

static enum err read_document(struct reading *reading, struct value document) {
  struct trade *trade = reading->trade;
  const struct names *names = trade->engine->names;
  enum err err = check_names(reading, document);
  if (err == ERR_OK)
    err = read_events(reading, value_member(document, names, BYTES("order")),
                      value_member(document, names, BYTES("returned")));
  if (err != ERR_OK) return err;
  err = read_channels(reading, value_member(document, names, BYTES("store_channels")));
  if (err != ERR_OK) {
    diag_in_field(reading->diag, "store_channels");
    return err;
  }
  for (enum trade_property_id i = 0; i < TRADE_PROPERTIES; i++) {
    err = read_property(reading, i, value_member(document, names, bytes_from_text(PROPERTIES[i].name)));
    if (err == ERR_OK) continue;
    diag_in_field(reading->diag, "%s", PROPERTIES[i].name);
    return err;
  }
  return ERR_OK;
}

static void find_names(struct trade *trade) {
  const struct names *names = trade->engine->names;
  trade->order_name = names_find(names, trade->order);
  trade->returned_name = trade->returned.size_bytes == 0 ? 0 : names_find(names, trade->returned);
  if (trade->order_name != 0) trade->names[trade->name_count++] = trade->order_name;
  if (trade->returned_name != 0) trade->names[trade->name_count++] = trade->returned_name;
  if (trade->name_count == 2 && trade->names[0] > trade->names[1]) {
    trade->names[0] = trade->returned_name < trade->order_name ? trade->returned_name : trade->order_name;
    trade->names[1] = trade->returned_name < trade->order_name ? trade->order_name : trade->returned_name;
  }
}

enum err trade_make(struct engine *engine, struct value document, struct rule_check *check, struct trade **trade,
                    struct rule_diag *refusal, struct diag *diag) {
  struct trade *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  struct catalog catalog;
  made->engine = engine;
  arena_init(&made->arena, 0);
  pthread_mutex_init(&made->mutex, NULL);
  catalog_open(&catalog, engine);
  struct reading reading = {.trade = made, .catalog = &catalog.names, .kept = check, .refusal = refusal, .diag = diag};
  enum err err = read_document(&reading, document);
  catalog_close(&catalog);
  if (err != ERR_OK) {
    trade_close(made);
    return err;
  }
  find_names(made);
  made->hot_amounts = bytes_equal(made->properties[TRADE_AMOUNT].text, bytes_from_text(HOT));
  made->hot_returned = bytes_equal(made->properties[TRADE_RETURNED_AMOUNT].text, bytes_from_text(HOT));
  *trade = made;
  return ERR_OK;
}

void trade_close(struct trade *trade) {
  if (trade == NULL) return;
  for (size_t i = 0; i < TRADE_PROPERTIES; i++)
    if (trade->properties[i].program != NULL) rule_program_close(trade->properties[i].program);
  for (size_t i = 0; i < trade->machine_count; i++) rule_machine_close(trade->machines[i]);
  pthread_mutex_destroy(&trade->mutex);
  arena_release(&trade->arena);
  alloc_free(trade);
}

size_t trade_names(const struct trade *trade, const uint32_t **names) {
  *names = trade->names;
  return trade->name_count;
}

uint32_t trade_order_name(const struct trade *trade) {
  return trade->order_name;
}

void trade_fact(const struct trade *trade, struct report *report) {
  struct buffer text;
  buffer_init(&text);
  buffer_append_format(&text, "events \"%.*s\"", BYTES_ARG(trade->order));
  if (trade->returned.size_bytes > 0) buffer_append_format(&text, ", returns \"%.*s\"", BYTES_ARG(trade->returned));
  report_fact(report, "orders", "Orders", buffer_view(&text)); // of short memory a part, as of any fact
  buffer_release(&text);
}

// --- telling it ----------------------------------------------------------------------------------------------

static void write_or_null(struct json_writer *writer, const char *name, struct bytes text) {
  json_name(writer, name);
  if (text.size_bytes == 0)
    json_null(writer);
  else
    json_bytes(writer, text);
}

static void write_property(const struct trade *trade, enum trade_property_id id, struct json_writer *writer) {
  write_or_null(writer, PROPERTIES[id].name, trade->properties[id].text);
}

void trade_write(const struct trade *trade, struct json_writer *writer) {
  json_member_bytes(writer, "order", trade->order);
  write_property(trade, TRADE_AMOUNT, writer);
  write_property(trade, TRADE_ORDER_ID, writer);
  write_or_null(writer, "returned", trade->returned);
  for (enum trade_property_id i = TRADE_RETURNED_AMOUNT; i <= TRADE_STORE; i++) write_property(trade, i, writer);
  json_name(writer, "store_channels");
  if (trade->by_store) json_null(writer);
  if (!trade->by_store) json_array_begin(writer);
  for (size_t i = 0; i < trade->store_channel_count; i++) json_bytes(writer, trade->store_channels[i]);
  if (!trade->by_store) json_array_end(writer);
  for (enum trade_property_id i = TRADE_ITEMS; i < TRADE_PROPERTIES; i++) write_property(trade, i, writer);
}
