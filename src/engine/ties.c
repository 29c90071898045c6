// ties.c: see ties.h.
//
// What ties: a refused pair of persons' identifiers, both of types the rules know and neither blocked, unless it was
// refused by a cannot-link (which stands under any rules) or because it could not be read. Pairs that a re-run took
// back stand among the refusals and tie whatever their identifiers are; they are as few as edges. A customer whose
// refusal stands within herself is held as a group of one: there her refusals are read.
#include "engine/ties.h"

#include <stdlib.h>

#include "engine/replay.h"

// A refused identifier that belongs to nobody ties those who carried it: it stands in the union-find by a hash, which
// this bit tells from a customer's id.
#define ORPHAN_BIT (UINT64_C(1) << 63)

void ties_release(struct ties *ties) {
  alloc_free(ties->items);
  alloc_free(ties->slots);
  *ties = (struct ties){0};
}

// --- union-find ----------------------------------------------------------------------------------------------

static size_t first_slot(const struct ties *ties, uint64_t key) {
  return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (ties->slot_count - 1);
}

static uint32_t find_tie(const struct ties *ties, uint64_t key) {
  if (ties->slot_count == 0) return UINT32_MAX;
  for (size_t i = first_slot(ties, key); ties->slots[i] != 0; i = (i + 1) & (ties->slot_count - 1))
    if (ties->items[ties->slots[i] - 1].key == key) return ties->slots[i] - 1;
  return UINT32_MAX;
}

static void set_slot(struct ties *ties, uint32_t index) {
  size_t i = first_slot(ties, ties->items[index].key);
  while (ties->slots[i] != 0) i = (i + 1) & (ties->slot_count - 1);
  ties->slots[i] = index + 1;
}

static enum err grow(struct ties *ties) {
  if (ties->count < ties->capacity) return ERR_OK;
  size_t capacity = ties->capacity == 0 ? 256 : ties->capacity * 2;
  struct tie *items = alloc_resize(ties->items, capacity * sizeof *items);
  if (items == NULL) return ERR_NO_MEMORY;
  ties->items = items;
  uint32_t *slots = alloc_zero(capacity * 2, sizeof *slots);
  if (slots == NULL) return ERR_NO_MEMORY;
  alloc_free(ties->slots);
  ties->slots = slots;
  ties->slot_count = capacity * 2;
  ties->capacity = capacity;
  for (uint32_t i = 0; i < ties->count; i++) set_slot(ties, i);
  return ERR_OK;
}

static enum err take_tie(struct ties *ties, uint64_t key, uint32_t *index, struct diag *diag) {
  *index = find_tie(ties, key);
  if (*index != UINT32_MAX) return ERR_OK;
  if (ties->count == TIES_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_decisions",
                    "refusals tie more than %d customers and identifiers together; this many cannot be run again",
                    TIES_MAX);
  enum err err = grow(ties);
  if (err != ERR_OK) return err;
  *index = (uint32_t)ties->count++;
  ties->items[*index] = (struct tie){key, *index};
  set_slot(ties, *index);
  return ERR_OK;
}

static uint32_t root_of(struct ties *ties, uint32_t index) {
  while (ties->items[index].parent != index) {
    ties->items[index].parent = ties->items[ties->items[index].parent].parent;
    index = ties->items[index].parent;
  }
  return index;
}

static enum err tie(struct ties *ties, uint64_t a, uint64_t b, struct diag *diag) {
  uint32_t x, y;
  enum err err = take_tie(ties, a, &x, diag);
  if (err == ERR_OK) err = take_tie(ties, b, &y, diag);
  if (err != ERR_OK) return err;
  x = root_of(ties, x);
  y = root_of(ties, y);
  if (x < y)
    ties->items[y].parent = x;
  else
    ties->items[x].parent = y;
  return ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

struct scan {
  struct ties *ties;
  struct engine_view *view;
  const struct identity_rules *rules;
  struct arena *arena;
  struct diag *diag;
};

// Whoever the identifier leads to, or the identifier itself when it leads to nobody.
static enum err tie_identifier(const struct scan *scan, uint64_t customer, struct identifier identifier) {
  const struct engine *engine = scan->view->engine;
  struct engine_person_row person;
  struct key key;
  struct bytes row;
  identifier_key(identifier, engine->names, &key);
  enum err err = store_snapshot_get(scan->view->snapshot, STORE_IDENTIFIER, key_view(&key), scan->arena, &row);
  if (err != ERR_OK) return err;
  if (row.data != NULL && !engine_person_decode(row, &person)) return ERR_CORRUPT;
  if (row.data != NULL && person.customer != 0) return tie(scan->ties, customer, person.customer, scan->diag);
  uint8_t hash[32];
  engine_identifier_hash(engine, identifier, hash);
  return tie(scan->ties, customer, key_read_u64(hash) | ORPHAN_BIT, scan->diag);
}

// Would the rules look at this identifier at all? At one that is blocked, or of a type they do not know, only in a pair
// that was accepted once: it decides who stands in for it, and with whom it stays.
static bool is_usable(const struct scan *scan, struct bytes text, bool accepted, struct identifier *identifier) {
  if (!engine_identifier_read(scan->view->engine, text, identifier)) return false;
  const struct identity_type *type = identity_type_by_id(scan->rules, identifier->type);
  if (type == NULL || type->class != IDENTITY_PERSON) return type == NULL && accepted;
  return accepted || !identity_is_blocked(scan->rules, type, identifier->value);
}

static enum err tie_refusal(const struct scan *scan, uint64_t customer, struct value document) {
  const struct engine *engine = scan->view->engine;
  struct identifier a, b;
  bool accepted = read_text(document, engine->id.rule).size_bytes > 0;
  if (replay_stands(engine, document)) return ERR_OK;
  if (!is_usable(scan, read_text(document, engine->id.a), accepted, &a)) return ERR_OK;
  if (!is_usable(scan, read_text(document, engine->id.b), accepted, &b)) return ERR_OK;
  enum err err = tie_identifier(scan, customer, a);
  return err == ERR_OK ? tie_identifier(scan, customer, b) : err;
}

// Refusals may lie under an id that leads to the customer they are of. The rows of one id come one after another.
static enum err live_customer(const struct scan *scan, uint64_t id, uint64_t *live) {
  struct customer record;
  struct bytes row;
  struct key key;
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  enum err err = store_snapshot_get(scan->view->snapshot, STORE_CUSTOMER, key_view(&key), scan->arena, &row);
  if (err == ERR_OK && row.data != NULL) err = customer_decode(row, id, scan->arena, &record);
  if (err == ERR_OK) *live = row.data != NULL && record.merged_into != 0 ? record.merged_into : id;
  return err;
}

enum err ties_scan(struct ties *ties, struct engine_view *view, const struct identity_rules *rules, struct bytes from,
                   size_t rows_max, struct key *next, struct arena *arena, struct diag *diag) {
  struct scan scan = {ties, view, rules, arena, diag};
  uint64_t id = 0, live = 0;
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_scan(view->snapshot, STORE_EDGE, from, BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  bool more = false;
  for (size_t rows = 0; err == ERR_OK && store_cursor_next(cursor, &key, &row); rows++) {
    if (rows == rows_max) {
      key_init(next);
      key_put_raw(next, key);
      more = true;
      break;
    }
    if (key.size_bytes != TIES_KEY_BYTES || key.data[8] != ENGINE_EDGE_REFUSED) continue;
    arena_clear(arena);
    if (key_read_u64(key.data) != id) err = live_customer(&scan, id = key_read_u64(key.data), &live);
    if (err == ERR_OK) err = tie_refusal(&scan, live, (struct value){row});
  }
  if (!more) key_init(next);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err ties_add(struct ties *ties, struct engine_view *view, struct identifier a, struct identifier b,
                  struct arena *arena, struct diag *diag) {
  const struct identifier ends[] = {a, b};
  struct engine_person_row person[2] = {{0, false}, {0, false}};
  for (int i = 0; i < 2; i++) {
    struct key key;
    struct bytes row;
    identifier_key(ends[i], view->engine->names, &key);
    enum err err = store_snapshot_get(view->snapshot, STORE_IDENTIFIER, key_view(&key), arena, &row);
    if (err != ERR_OK) return err;
    if (!engine_person_decode(row, &person[i]) || person[i].customer == 0) return ERR_OK;
  }
  return tie(ties, person[0].customer, person[1].customer, diag);
}

// --- groups --------------------------------------------------------------------------------------------------

bool ties_hold(const struct ties *ties, uint64_t customer) {
  return find_tie(ties, customer) != UINT32_MAX;
}

// By group, customers in order; orphans come last in their group.
static int by_group(const void *left, const void *right) {
  const struct tie *a = left, *b = right;
  if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
  return (a->key > b->key) - (a->key < b->key);
}

void ties_sort(struct ties *ties) {
  for (uint32_t i = 0; i < ties->count; i++) ties->items[i].parent = root_of(ties, i);
  if (ties->count > 1) qsort(ties->items, ties->count, sizeof *ties->items, by_group);
}

enum err ties_next(const struct ties *ties, size_t *position, struct arena *arena, uint64_t **customers,
                   size_t *count) {
  size_t from = *position, end = from;
  *count = 0;
  while (end < ties->count && ties->items[end].parent == ties->items[from].parent) end++;
  *customers = arena_take(arena, (end - from + 1) * sizeof **customers);
  if (*customers == NULL) return ERR_NO_MEMORY;
  for (size_t i = from; i < end && (ties->items[i].key & ORPHAN_BIT) == 0; i++)
    (*customers)[(*count)++] = ties->items[i].key;
  *position = end;
  return ERR_OK;
}
