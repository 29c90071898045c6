// rules_try.c: what other identity rules would make of the customers there are.
//
// Three passes over one snapshot. The first reads every row of EDGE and ties together, in a union-find, the customers
// between whom a refusal stands that the new rules might decide otherwise. The second replays the customers that are
// tied to nobody, one by one: only parting can happen to them. The third replays each tied group.
// Cost: time grows with the rows of EDGE and CUSTOMER, about 20 microseconds a customer; memory is that of the largest
// group (REPLAY_IDENTIFIERS_MAX) and TIED_MAX entries of 20 bytes for the tied customers, whatever the size of the
// workspace. Past either, ERR_LIMIT. Writing goes on meanwhile: the snapshot stands still.
#include <stdlib.h>
#include <string.h>

#include "engine/replay.h"

enum { TIED_MAX = 1 << 20, EDGE_KEY_BYTES = 17, RECORD_KEY_BYTES = 9 };

// A refused identifier that belongs to nobody ties those who carried it: it stands in the union-find by a hash, which
// this bit tells from a customer's id.
#define ORPHAN_BIT (UINT64_C(1) << 63)

struct tied {
  uint64_t key;
  uint32_t parent;
};

struct trial {
  struct engine_view *view;
  const struct identity_rules *rules;
  struct arena arena; // cleared after each row or group
  struct tied *tied;
  size_t tied_count, tied_capacity;
  uint32_t *slots; // index + 1
  size_t slot_count;
  struct replay_counts counts;
  struct diag *diag;
};

// --- union-find ----------------------------------------------------------------------------------------------

static size_t first_slot(const struct trial *trial, uint64_t key) {
  return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (trial->slot_count - 1);
}

static uint32_t find_tied(const struct trial *trial, uint64_t key) {
  if (trial->slot_count == 0) return UINT32_MAX;
  for (size_t i = first_slot(trial, key); trial->slots[i] != 0; i = (i + 1) & (trial->slot_count - 1))
    if (trial->tied[trial->slots[i] - 1].key == key) return trial->slots[i] - 1;
  return UINT32_MAX;
}

static void set_slot(struct trial *trial, uint32_t index) {
  size_t i = first_slot(trial, trial->tied[index].key);
  while (trial->slots[i] != 0) i = (i + 1) & (trial->slot_count - 1);
  trial->slots[i] = index + 1;
}

static enum err grow(struct trial *trial) {
  if (trial->tied_count < trial->tied_capacity) return ERR_OK;
  size_t capacity = trial->tied_capacity == 0 ? 256 : trial->tied_capacity * 2;
  struct tied *tied = alloc_resize(trial->tied, capacity * sizeof *tied);
  if (tied == NULL) return ERR_NO_MEMORY;
  trial->tied = tied;
  uint32_t *slots = alloc_zero(capacity * 2, sizeof *slots);
  if (slots == NULL) return ERR_NO_MEMORY;
  alloc_free(trial->slots);
  trial->slots = slots;
  trial->slot_count = capacity * 2;
  trial->tied_capacity = capacity;
  for (uint32_t i = 0; i < trial->tied_count; i++) set_slot(trial, i);
  return ERR_OK;
}

static enum err take_tied(struct trial *trial, uint64_t key, uint32_t *index) {
  *index = find_tied(trial, key);
  if (*index != UINT32_MAX) return ERR_OK;
  if (trial->tied_count == TIED_MAX)
    return diag_set(trial->diag, ERR_LIMIT, "too_many_decisions",
                    "refusals tie more than %d customers and identifiers together; this many cannot be tried",
                    TIED_MAX);
  enum err err = grow(trial);
  if (err != ERR_OK) return err;
  *index = (uint32_t)trial->tied_count++;
  trial->tied[*index] = (struct tied){key, *index};
  set_slot(trial, *index);
  return ERR_OK;
}

static uint32_t root_of(struct trial *trial, uint32_t index) {
  while (trial->tied[index].parent != index) {
    trial->tied[index].parent = trial->tied[trial->tied[index].parent].parent;
    index = trial->tied[index].parent;
  }
  return index;
}

static enum err tie(struct trial *trial, uint64_t a, uint64_t b) {
  uint32_t x, y;
  if (a == b) return ERR_OK;
  enum err err = take_tied(trial, a, &x);
  if (err == ERR_OK) err = take_tied(trial, b, &y);
  if (err != ERR_OK) return err;
  x = root_of(trial, x);
  y = root_of(trial, y);
  if (x < y)
    trial->tied[y].parent = x;
  else
    trial->tied[x].parent = y;
  return ERR_OK;
}

// --- who is tied to whom -------------------------------------------------------------------------------------

// Ties a customer to everybody a device's row names: the device would join them, were it a person's identifier.
static enum err tie_owners(struct trial *trial, uint64_t customer, struct bytes row) {
  struct identity_device *device = arena_take(&trial->arena, sizeof *device);
  if (device == NULL) return ERR_NO_MEMORY;
  enum err err = identity_device_decode(bytes_of(row.data + 1, row.size_bytes - 1), device);
  if (err == ERR_OK && customer == 0) customer = device->run_count > 0 ? device->runs[0].customer : device->own;
  if (err == ERR_OK && device->own != 0) err = tie(trial, customer, device->own);
  for (size_t i = 0; err == ERR_OK && i < device->run_count; i++) err = tie(trial, customer, device->runs[i].customer);
  return err;
}

static enum err tie_identifier(struct trial *trial, uint64_t customer, struct identifier identifier,
                               const struct identity_type *type) {
  const struct engine *engine = trial->view->engine;
  struct engine_person_row person;
  struct key key;
  struct bytes row;
  identifier_key(identifier, engine->names, &key);
  enum err err = store_snapshot_get(trial->view->snapshot, STORE_IDENTIFIER, key_view(&key), &trial->arena, &row);
  if (err != ERR_OK) return err;
  if (row.size_bytes > 0 && row.data[0] == ENGINE_ROW_DEVICE)
    return type->class == IDENTITY_PERSON ? tie_owners(trial, customer, row) : ERR_OK;
  if (row.data != NULL && !engine_person_decode(row, &person)) return ERR_CORRUPT;
  if (row.data != NULL && person.customer != 0) return tie(trial, customer, person.customer);
  uint8_t hash[32];
  engine_identifier_hash(engine, identifier, hash);
  return tie(trial, customer, key_read_u64(hash) | ORPHAN_BIT);
}

// Would the new rules look at this identifier at all?
static const struct identity_type *usable(const struct trial *trial, struct bytes text, struct identifier *identifier) {
  if (!engine_identifier_read(trial->view->engine, text, identifier)) return NULL;
  const struct identity_type *type = identity_type_by_id(trial->rules, identifier->type);
  return type == NULL || identity_is_blocked(trial->rules, type, identifier->value) ? NULL : type;
}

static enum err tie_refusal(struct trial *trial, uint64_t customer, struct value document) {
  const struct engine *engine = trial->view->engine;
  struct identifier a, b;
  if (bytes_equal(read_text(document, engine->id.reason), bytes_from_text(identity_reason_name(IDENTITY_CANNOT_LINK))))
    return ERR_OK; // stands under any rules
  const struct identity_type *type_a = usable(trial, read_text(document, engine->id.a), &a);
  const struct identity_type *type_b = usable(trial, read_text(document, engine->id.b), &b);
  if (type_a == NULL || type_b == NULL) return ERR_OK;
  enum err err = tie_identifier(trial, customer, a, type_a);
  return err == ERR_OK ? tie_identifier(trial, customer, b, type_b) : err;
}

// Refusals may lie under an id that leads to the customer they are of. The rows of one id come one after another.
static enum err live_customer(struct trial *trial, uint64_t id, uint64_t *live) {
  struct customer record;
  struct bytes row;
  struct key key;
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  enum err err = store_snapshot_get(trial->view->snapshot, STORE_CUSTOMER, key_view(&key), &trial->arena, &row);
  if (err == ERR_OK && row.data != NULL) err = customer_decode(row, id, &trial->arena, &record);
  if (err == ERR_OK) *live = row.data != NULL && record.merged_into != 0 ? record.merged_into : id;
  return err;
}

static enum err scan_refusals(struct trial *trial) {
  uint64_t id = 0, live = 0;
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_scan(trial->view->snapshot, STORE_EDGE, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    if (key.size_bytes != EDGE_KEY_BYTES || key.data[8] != ENGINE_EDGE_REFUSED) continue;
    arena_clear(&trial->arena);
    if (key_read_u64(key.data) != id) err = live_customer(trial, id = key_read_u64(key.data), &live);
    if (err == ERR_OK) err = tie_refusal(trial, live, (struct value){row});
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// A type of devices that becomes one of persons joins whoever shared such a device.
static enum err scan_devices(struct trial *trial, const struct identity_type *type) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  identifier_key((struct identifier){type->name, BYTES("")}, trial->view->engine->names, &from);
  to = from;
  if (!key_to_range_end(&to)) key_init(&to);
  enum err err = store_snapshot_scan(trial->view->snapshot, STORE_IDENTIFIER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    arena_clear(&trial->arena);
    if (row.size_bytes > 0 && row.data[0] == ENGINE_ROW_DEVICE) err = tie_owners(trial, 0, row);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err scan_new_persons(struct trial *trial) {
  size_t count;
  const struct identity_type *types = identity_types(trial->rules, &count);
  const struct identity_rules *now = engine_rules(trial->view->engine);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct identity_type *old = identity_type_by_id(now, types[i].name);
    if (old != NULL && old->class == IDENTITY_DEVICE && types[i].class == IDENTITY_PERSON)
      err = scan_devices(trial, &types[i]);
  }
  return err;
}

// --- replaying -----------------------------------------------------------------------------------------------

static enum err replay_alone(struct trial *trial, struct bytes key, struct bytes row) {
  uint64_t id = key_read_u64(key.data);
  struct customer record;
  if (key.size_bytes != RECORD_KEY_BYTES || key.data[RECORD_KEY_BYTES - 1] != CUSTOMER_ROW_RECORD) return ERR_OK;
  if (find_tied(trial, id) != UINT32_MAX) return ERR_OK;
  arena_clear(&trial->arena);
  enum err err = customer_decode(row, id, &trial->arena, &record);
  if (err != ERR_OK || record.merged_into != 0) return err;
  return replay_group(trial->view, trial->rules, &id, 1, &trial->arena, &trial->counts, trial->diag);
}

static enum err replay_untied(struct trial *trial) {
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_scan(trial->view->snapshot, STORE_CUSTOMER, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) err = replay_alone(trial, key, row);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// By group, customers in order; orphans come last in their group.
static int by_group(const void *left, const void *right) {
  const struct tied *a = left, *b = right;
  if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
  return (a->key > b->key) - (a->key < b->key);
}

static enum err replay_one_group(struct trial *trial, const struct tied *group, size_t count) {
  arena_clear(&trial->arena);
  uint64_t *customers = arena_take(&trial->arena, count * sizeof *customers);
  size_t customer_count = 0;
  if (customers == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count && (group[i].key & ORPHAN_BIT) == 0; i++) customers[customer_count++] = group[i].key;
  return replay_group(trial->view, trial->rules, customers, customer_count, &trial->arena, &trial->counts, trial->diag);
}

// Ends the union-find: entries point straight at their group and are sorted by it.
static enum err replay_tied(struct trial *trial) {
  enum err err = ERR_OK;
  for (uint32_t i = 0; i < trial->tied_count; i++) trial->tied[i].parent = root_of(trial, i);
  if (trial->tied_count > 1) qsort(trial->tied, trial->tied_count, sizeof *trial->tied, by_group);
  for (size_t i = 0, end; err == ERR_OK && i < trial->tied_count; i = end) {
    for (end = i + 1; end < trial->tied_count && trial->tied[end].parent == trial->tied[i].parent;) end++;
    err = replay_one_group(trial, trial->tied + i, end - i);
  }
  return err;
}

// --- the answer ----------------------------------------------------------------------------------------------

static void write_counts(const struct replay_counts *counts, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_u64(writer, "customers_now", counts->customers_now);
  json_member_u64(writer, "customers_then", counts->customers_then);
  json_member_u64(writer, "would_merge", counts->would_merge);
  json_member_u64(writer, "would_part", counts->would_part);
  json_object_end(writer);
}

enum err engine_rules_try(struct engine *engine, struct value document, struct json_writer *writer, struct diag *diag) {
  struct trial trial = {.diag = diag};
  struct identity_rules *rules = NULL;
  enum err err = identity_rules_open(&rules, document, 0, engine->names, diag);
  if (err != ERR_OK) return err;
  arena_init(&trial.arena, 0);
  trial.rules = rules;
  err = engine_view_open(engine, &trial.view);
  if (err == ERR_OK) err = scan_refusals(&trial);
  if (err == ERR_OK) err = scan_new_persons(&trial);
  if (err == ERR_OK) err = replay_untied(&trial);
  if (err == ERR_OK) err = replay_tied(&trial);
  if (err == ERR_OK) write_counts(&trial.counts, writer);
  engine_view_close(trial.view);
  arena_release(&trial.arena);
  alloc_free(trial.tied);
  alloc_free(trial.slots);
  identity_rules_close(rules);
  return read_end(err, writer, diag);
}
