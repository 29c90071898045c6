// set_ask: what a condition asks of the event in hand before anything else can make it true.
//
// Only what is joined with `and` to the rest is taken, and only where the language's equality is that of hashes: paths
// of the event or of items of one of its lists beside literal texts, numbers and booleans. Whatever is not certain is
// left out: a rule of which nothing is known here is found with every event of its name. Not asked are members that
// loyalty_with_paid writes: rules are looked for with the message as it came, too.
#include "loyalty/set_private.h"
#include "rule/ast.h"

// --- values --------------------------------------------------------------------------------------------------

static uint64_t mix(uint64_t hash) {
  hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
  return hash ^ hash >> 32;
}

static uint64_t number_hash(struct decimal number) {
  while (number.coefficient > 0 && number.coefficient % 10 == 0) {
    number.coefficient /= 10;
    number.exponent++;
  }
  if (number.coefficient == 0) number = (struct decimal){0};
  uint64_t low = (uint64_t)number.coefficient, high = (uint64_t)(number.coefficient >> 64);
  return mix(mix(low) ^ high ^ (uint64_t)(uint16_t)number.exponent << 40 ^ (uint64_t)number.negative << 63);
}

static uint64_t bool_hash(bool boolean) {
  return mix(boolean ? 3 : 2);
}

static uint64_t text_hash(const struct names *names, struct bytes text) {
  return names_hash(names, text.size_bytes == 0 ? BYTES("") : text);
}

bool loyalty_value_hash(const struct names *names, struct value value, uint64_t *hash) {
  struct decimal number;
  struct bytes text;
  bool boolean;
  if (value_as_text(value, &text))
    *hash = text_hash(names, text);
  else if (value_as_number(value, &number))
    *hash = number_hash(number);
  else if (value_as_bool(value, &boolean))
    *hash = bool_hash(boolean);
  else
    return false;
  return true;
}

static bool literal_hash(const struct names *names, const struct rule_node *node, uint64_t *hash) {
  switch (node->kind) {
  case RULE_NODE_TEXT:
    *hash = text_hash(names, node->text);
    return true;
  case RULE_NODE_NUMBER:
    *hash = number_hash(node->number);
    return true;
  case RULE_NODE_NEGATE:
    if (node->left->kind != RULE_NODE_NUMBER) return false;
    *hash = number_hash(decimal_negate(node->left->number));
    return true;
  case RULE_NODE_BOOL:
    *hash = bool_hash(node->boolean);
    return true;
  default: // a date: a text may be equal to it
    return false;
  }
}

// --- paths ---------------------------------------------------------------------------------------------------

struct asking {
  const struct names *names;
  struct arena *arena;
  struct loyalty_ask *asks;
  size_t count;
  bool failed;
  // Inside `where`: over what; NULL outside.
  const struct rule_events *events;
};

struct path {
  struct bytes names[LOYALTY_ASK_NAMES_MAX];
  uint32_t list_count, count;
};

static bool is_one_of(struct bytes name, const char *const *words) {
  for (; *words != NULL; words++)
    if (bytes_equal(name, bytes_from_text(*words))) return true;
  return false;
}

static bool is_from_root(struct bytes first) {
  static const char *const ROOTS[] = {"context", "properties", NULL};
  return is_one_of(first, ROOTS);
}

static bool add_names(struct path *path, const struct bytes *names, uint32_t count) {
  if (count > LOYALTY_ASK_NAMES_MAX - path->count) return false;
  for (uint32_t i = 0; i < count; i++) path->names[path->count++] = names[i];
  return true;
}

static bool add_from_event(struct path *path, const struct bytes *names, uint32_t count) {
  const struct bytes properties = BYTES("properties");
  return (is_from_root(names[0]) || add_names(path, &properties, 1)) && add_names(path, names, count);
}

// What loyalty_with_paid may put there instead of what came.
static bool is_overwritten(const struct path *path) {
  static const char *const OF_ORDER[] = {"paid", "paid_lines", "discount", "total", NULL};
  static const char *const OF_LINE[] = {"paid", "amount", "line_id", NULL};
  if (!bytes_equal(path->names[0], BYTES("properties"))) return false;
  if (path->count < 2 || is_one_of(path->names[1], OF_ORDER)) return true;
  if (!bytes_equal(path->names[1], BYTES("products"))) return false;
  return path->list_count != 2 || is_one_of(path->names[2], OF_LINE);
}

static bool read_path(const struct asking *asking, const struct rule_node *node, struct path *path) {
  static const char *const OF_CUSTOMER[] = {"traits", "attributes", NULL};
  static const char *const ALONE[] = {"time", "item", NULL}; // no members
  static const struct bytes LINES[] = {BYTES_INIT("properties"), BYTES_INIT("products")};
  const struct rule_events *events = asking->events;
  *path = (struct path){.count = 0};
  if (node->kind != RULE_NODE_PATH || is_one_of(node->names[0], OF_CUSTOMER)) return false;
  if (node->name_count == 1 && is_one_of(node->names[0], ALONE)) return false;
  if (events == NULL && node->subject == RULE_SUBJECT_NONE) return false;
  bool of_item = events == NULL ? node->subject == RULE_SUBJECT_ITEM : events->item_count > 0;
  if (is_from_root(node->names[0])) of_item = false;
  if (!of_item) return add_from_event(path, node->names, node->name_count) && !is_overwritten(path);
  bool added = events == NULL ? add_names(path, LINES, 2) : add_from_event(path, events->items, events->item_count);
  path->list_count = path->count;
  return added && add_names(path, node->names, node->name_count) && !is_overwritten(path);
}

// --- asks ----------------------------------------------------------------------------------------------------

// No id: the program found none either, and what it asks for is nowhere.
static const uint32_t *ids_of(struct asking *asking, const struct path *path) {
  uint32_t *ids = arena_take_zero(asking->arena, path->count, sizeof *ids);
  if (ids == NULL) asking->failed = true;
  for (uint32_t i = 0; ids != NULL && i < path->count; i++) {
    ids[i] = names_find(asking->names, path->names[i]);
    if (ids[i] == 0) return NULL;
  }
  return ids;
}

// One of `literals` lies at the path.
static void ask(struct asking *asking, const struct rule_node *node, struct rule_node *const *literals,
                uint32_t count) {
  struct path path;
  if (asking->count == LOYALTY_ASKS_MAX || !read_path(asking, node, &path)) return;
  uint64_t *values = arena_take_zero(asking->arena, count, sizeof *values);
  if (values == NULL) asking->failed = true;
  uint32_t kept = 0;
  for (uint32_t i = 0; values != NULL && i < count; i++) {
    if (literals[i]->kind == RULE_NODE_NULL) continue; // equal to nothing
    if (!literal_hash(asking->names, literals[i], &values[kept++])) return;
  }
  const uint32_t *ids = values == NULL ? NULL : ids_of(asking, &path);
  if (ids == NULL) return;
  asking->asks[asking->count++] = (struct loyalty_ask){ids, path.list_count, path.count, values, kept};
}

static void ask_all(struct asking *asking, const struct rule_node *node);

static void ask_where(struct asking *asking, const struct rule_node *aggregate) {
  const struct rule_events *events = aggregate->events;
  if (asking->events != NULL || !events->subject || events->where == NULL) return;
  asking->events = events;
  ask_all(asking, events->where);
  asking->events = NULL;
}

static bool is_aggregate(const struct rule_node *node, const char *name) {
  return node->kind == RULE_NODE_AGGREGATE && bytes_equal(node->text, bytes_from_text(name));
}

// count(…) or sum(…) of more than nothing: some event or item counts.
static void ask_enough(struct asking *asking, const struct rule_node *aggregate, enum rule_op op,
                       const struct rule_node *number) {
  if (!is_aggregate(aggregate, "count") && !is_aggregate(aggregate, "sum")) return;
  if (number->kind != RULE_NODE_NUMBER || number->number.negative) return;
  bool above = op == RULE_GREATER, from = op == RULE_GREATER_EQUAL || op == RULE_EQUAL;
  if (above || (from && number->number.coefficient > 0)) ask_where(asking, aggregate);
}

static void ask_binary(struct asking *asking, const struct rule_node *node) {
  struct rule_node *left = node->left, *right = node->right;
  if (node->op == RULE_EQUAL) {
    ask(asking, left, &right, 1);
    ask(asking, right, &left, 1);
  }
  ask_enough(asking, left, node->op, right);
  ask_enough(asking, right, rule_op_mirror(node->op), left);
}

// A chain leans to the left; what stands beside it is at most RULE_DEPTH_MAX deep.
static void ask_all(struct asking *asking, const struct rule_node *node) {
  for (; node->kind == RULE_NODE_BINARY && node->op == RULE_AND; node = node->left) ask_all(asking, node->right);
  if (node->kind == RULE_NODE_BINARY)
    ask_binary(asking, node);
  else if (node->kind == RULE_NODE_IN && !node->negated)
    ask(asking, node->left, node->items, node->item_count);
  else if (is_aggregate(node, "exists"))
    ask_where(asking, node);
}

bool loyalty_asks_of(const struct rule_node *tree, const struct names *names, struct arena *arena,
                     struct loyalty_ask asks[LOYALTY_ASKS_MAX], size_t *count) {
  struct asking asking = {.names = names, .arena = arena, .asks = asks};
  ask_all(&asking, tree);
  *count = asking.count;
  return !asking.failed;
}
