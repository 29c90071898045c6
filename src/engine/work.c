// work.c: the life of one transaction: lock, read, decide, write, and begin again when more was needed.
//
// Rounds of a transaction that needs nothing more: the rows of its identifiers, then the records and timeline heads of
// their customers (the caller adds the deduplication keys and, rarely, history). One write. The set of locks only grows
// from attempt to attempt, so a transaction ends after as many attempts as it discovers things, at most ATTEMPTS_MAX.
#include "engine/parts.h"

#include <assert.h>
#include <string.h>

#include "customer/search.h"
#include "engine/live.h"
#include "engine/loyalty.h"
#include "engine/projection.h"

enum { ATTEMPTS_MAX = 64, FIRST_CAPACITY = 64 };

// --- hash indexes --------------------------------------------------------------------------------------------

static uint64_t mix(uint64_t x) {
  x ^= x >> 31;
  x *= 0x7fb5d329728ea185ull;
  x ^= x >> 27;
  x *= 0x81dadef4bc2dd44dull;
  return x ^ (x >> 33);
}

static uint64_t identifier_hash(struct identifier identifier) {
  uint64_t hash = 0x9e3779b97f4a7c15ull ^ identifier.type;
  for (size_t i = 0; i < identifier.value.size_bytes; i++) hash = (hash ^ identifier.value.data[i]) * 0x100000001b3ull;
  return mix(hash);
}

struct work_target *work_held_target(const struct work *work, struct identifier identifier) {
  size_t mask = work->target_slot_count - 1;
  if (work->target_slot_count == 0) return NULL;
  for (size_t slot = identifier_hash(identifier) & mask; work->target_slots[slot] != 0; slot = (slot + 1) & mask) {
    struct work_target *target = &work->targets[work->target_slots[slot] - 1];
    if (identifier_equal(target->identifier, identifier)) return target;
  }
  return NULL;
}

struct work_customer *work_held_customer(const struct work *work, uint64_t id) {
  size_t mask = work->customer_slot_count - 1;
  if (work->customer_slot_count == 0) return NULL;
  for (size_t slot = mix(id) & mask; work->customer_slots[slot] != 0; slot = (slot + 1) & mask) {
    struct work_customer *customer = work->customers[work->customer_slots[slot] - 1];
    if (customer->record.id == id) return customer;
  }
  return NULL;
}

static size_t slots_for(size_t capacity) {
  size_t slots = 16;
  while (slots < capacity * 2) slots *= 2;
  return slots;
}

static void index_customer(struct work *work, size_t position) {
  size_t mask = work->customer_slot_count - 1;
  size_t slot = mix(work->customers[position]->record.id) & mask;
  while (work->customer_slots[slot] != 0) slot = (slot + 1) & mask;
  work->customer_slots[slot] = (uint32_t)position + 1;
}

// Makes room for `capacity` customers and indexes those that are there.
static enum err reserve_customers(struct work *work, size_t capacity) {
  struct work_customer **customers = arena_take_zero(work->arena, capacity, sizeof(struct work_customer *));
  size_t slots = slots_for(capacity);
  uint32_t *index = arena_take_zero(work->arena, slots, sizeof *index);
  if (customers == NULL || index == NULL) return diag_no_memory(work->diag);
  if (work->customer_count > 0) memcpy(customers, work->customers, work->customer_count * sizeof *customers);
  work->customers = customers;
  work->customer_capacity = capacity;
  work->customer_slots = index;
  work->customer_slot_count = slots;
  for (size_t i = 0; i < work->customer_count; i++) index_customer(work, i);
  return ERR_OK;
}

static enum err add_customer(struct work *work, struct work_customer *customer) {
  if (work->customer_count == work->customer_capacity) {
    enum err err = reserve_customers(work, work->customer_capacity * 2 + FIRST_CAPACITY);
    if (err != ERR_OK) return err;
  }
  work->customers[work->customer_count] = customer;
  index_customer(work, work->customer_count++);
  return ERR_OK;
}

// --- what was asked for --------------------------------------------------------------------------------------

static void wanted_release(struct work_set *set) {
  for (size_t i = 0; i < set->identifier_count; i++) alloc_free((void *)(uintptr_t)set->identifiers[i].value.data);
  alloc_free(set->identifiers);
  alloc_free(set->customers);
  alloc_free(set->fresh);
  alloc_free(set->merged);
}

static bool grow(void **array, size_t *capacity, size_t count, size_t item_bytes) {
  if (count < *capacity) return true;
  void *larger = alloc_resize(*array, (*capacity * 2 + 16) * item_bytes);
  if (larger == NULL) return false;
  *array = larger;
  *capacity = *capacity * 2 + 16;
  return true;
}

static enum err want_customer(struct work_set *set, uint64_t id) {
  if (!grow((void **)&set->customers, &set->customer_capacity, set->customer_count, sizeof *set->customers))
    return ERR_NO_MEMORY;
  set->customers[set->customer_count++] = id;
  return ERR_OK;
}

static enum err want_identifier(struct work_set *set, struct identifier identifier) {
  if (!grow((void **)&set->identifiers, &set->identifier_capacity, set->identifier_count, sizeof *set->identifiers))
    return ERR_NO_MEMORY;
  uint8_t *copy = alloc_get(identifier.value.size_bytes + 1);
  if (copy == NULL) return ERR_NO_MEMORY;
  memcpy(copy, identifier.value.data, identifier.value.size_bytes);
  set->identifiers[set->identifier_count++] =
      (struct identifier){identifier.type, bytes_of(copy, identifier.value.size_bytes)};
  return ERR_OK;
}

static void asked(struct work *work, enum err err) {
  if (err == ERR_OK)
    work->again = true;
  else
    work->starved = true;
}

struct work_target *work_target(struct work *work, struct identifier identifier) {
  struct work_target *target = work_held_target(work, identifier);
  if (target == NULL) asked(work, want_identifier(work->wanted, identifier));
  return target;
}

bool work_hold_identifiers(struct work *work, const struct customer *record) {
  bool all = true;
  for (size_t i = 0; i < record->identifier_count; i++) {
    struct identifier identifier = record->identifiers[i].member.identifier;
    if (work_target(work, identifier) == NULL) all = false;
  }
  return all;
}

struct work_customer *work_customer(struct work *work, uint64_t id) {
  struct work_customer *customer = work_held_customer(work, id);
  if (customer != NULL && !customer->head_only) return customer;
  asked(work, want_customer(work->wanted, id));
  return NULL;
}

static enum err want_merged(struct work_set *set, uint64_t id) {
  for (size_t i = 0; i < set->merged_count; i++)
    if (set->merged[i] == id) return ERR_OK;
  if (!grow((void **)&set->merged, &set->merged_capacity, set->merged_count, sizeof *set->merged)) return ERR_NO_MEMORY;
  set->merged[set->merged_count++] = id;
  return ERR_OK;
}

void work_want_merge(struct work *work, uint64_t a, uint64_t b) {
  asked(work, want_merged(work->wanted, a));
  asked(work, want_merged(work->wanted, b));
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err unreadable(struct work *work) {
  return diag_set(work->diag, ERR_CORRUPT, "corrupt", "an identifier's row cannot be read; run `rapport check`");
}

// A row tells by itself what it is; where there is none, the rules say.
static bool is_device(const struct work_target *target, struct bytes row) {
  if (row.size_bytes > 0) return row.data[0] == ENGINE_ROW_DEVICE;
  return target->type != NULL && target->type->class == IDENTITY_DEVICE;
}

static enum err decode_target(struct work *work, struct work_target *target, struct bytes row) {
  bool device = is_device(target, row);
  if (target->type != NULL && device != (target->type->class == IDENTITY_DEVICE)) return unreadable(work);
  if (device) {
    target->device = arena_take_zero(work->arena, 1, sizeof *target->device);
    if (target->device == NULL) return diag_no_memory(work->diag);
  }
  target->stored = row.data != NULL;
  if (!target->stored) return ERR_OK;
  if (target->device == NULL && engine_person_decode(row, &target->person)) return ERR_OK;
  if (target->device != NULL && row.size_bytes > 0 && row.data[0] == ENGINE_ROW_DEVICE &&
      identity_device_decode(bytes_of(row.data + 1, row.size_bytes - 1), target->device) == ERR_OK)
    return ERR_OK;
  return unreadable(work);
}

static void index_target(struct work *work, struct identifier identifier, const struct identity_type *type) {
  size_t mask = work->target_slot_count - 1;
  size_t slot = identifier_hash(identifier) & mask;
  while (work->target_slots[slot] != 0) slot = (slot + 1) & mask;
  work->targets[work->target_count] = (struct work_target){.identifier = identifier, .type = type};
  work->target_slots[slot] = (uint32_t)++work->target_count;
}

static void collect_targets(struct work *work, const struct identifier *identifiers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct identity_type *type = identity_type_by_id(work->rules, identifiers[i].type);
    if (work_held_target(work, identifiers[i]) == NULL) index_target(work, identifiers[i], type);
  }
}

// Locks the identifiers of the plan and of `wanted` and reads their rows in one round.
static enum err load_targets(struct work *work, const struct work_plan *plan) {
  size_t capacity = plan->identifier_count + work->wanted->identifier_count;
  work->target_slot_count = slots_for(capacity);
  work->target_slots = arena_take_zero(work->arena, work->target_slot_count, sizeof *work->target_slots);
  work->targets = arena_take(work->arena, (capacity + 1) * sizeof *work->targets);
  struct bytes *keys = arena_take(work->arena, (capacity + 1) * sizeof *keys);
  struct bytes *rows = arena_take(work->arena, (capacity + 1) * sizeof *rows);
  if (work->target_slots == NULL || work->targets == NULL || keys == NULL || rows == NULL)
    return diag_no_memory(work->diag);
  collect_targets(work, plan->identifiers, plan->identifier_count);
  collect_targets(work, work->wanted->identifiers, work->wanted->identifier_count);
  for (size_t i = 0; i < work->target_count; i++) {
    struct key key;
    identifier_key(work->targets[i].identifier, work->engine->names, &key);
    keys[i] = arena_copy(work->arena, key_view(&key));
    if (keys[i].data == NULL) return diag_no_memory(work->diag);
  }
  enum err err = store_lock_many(work->txn, STORE_LOCK_IDENTIFIER, keys, work->target_count);
  if (err == ERR_OK) err = store_get_many(work->txn, STORE_IDENTIFIER, keys, work->target_count, work->arena, rows);
  for (size_t i = 0; err == ERR_OK && i < work->target_count; i++)
    err = decode_target(work, &work->targets[i], rows[i]);
  return err;
}

// The customers a transaction will most likely need: owners of its identifiers, and of devices that few share.
enum { DEVICE_OWNERS_READ = 4 };

static size_t customers_of_target(const struct work_target *target, uint64_t *ids) {
  size_t count = 0;
  if (target->device == NULL) {
    if (target->person.customer != 0 && !target->person.shared) ids[count++] = target->person.customer;
    return count;
  }
  if (target->device->own != 0) ids[count++] = target->device->own;
  if (target->device->run_count <= DEVICE_OWNERS_READ)
    for (size_t i = 0; i < target->device->run_count; i++) ids[count++] = target->device->runs[i].customer;
  return count;
}

static enum err plan_customer(struct work *work, uint64_t id) {
  if (work_held_customer(work, id) != NULL) return ERR_OK;
  if (work->customer_count == LIMIT_TXN_CUSTOMERS)
    return diag_set(work->diag, ERR_LIMIT, "too_many_customers", "one transaction may change at most %d customers",
                    LIMIT_TXN_CUSTOMERS);
  struct work_customer *customer = arena_take_zero(work->arena, 1, sizeof *customer);
  if (customer == NULL) return diag_no_memory(work->diag);
  customer_init(&customer->record, id);
  return add_customer(work, customer);
}

// Owners of a device that may wait until the body asks for them are left out when there is no room.
static enum err plan_owners(struct work *work, const struct work_target *target, bool may_wait) {
  uint64_t ids[DEVICE_OWNERS_READ + 1];
  size_t count = customers_of_target(target, ids);
  enum err err = ERR_OK;
  if (may_wait && work->customer_count + count > LIMIT_TXN_CUSTOMERS) return ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = plan_customer(work, ids[i]);
  return err;
}

static enum err plan_customers(struct work *work, const struct work_plan *plan, void *context) {
  enum err err = reserve_customers(work, FIRST_CAPACITY);
  for (size_t i = 0; err == ERR_OK && i < plan->customer_count; i++) err = plan_customer(work, plan->customers[i]);
  for (size_t i = 0; err == ERR_OK && i < work->wanted->customer_count; i++)
    err = plan_customer(work, work->wanted->customers[i]);
  size_t asked_for = work->customer_count;
  for (size_t i = 0; err == ERR_OK && i < work->target_count; i++)
    if (work->targets[i].device == NULL) err = plan_owners(work, &work->targets[i], false);
  bool may_wait = plan->message_count <= 1; // a slice is halved instead, before its body has run
  for (size_t i = 0; err == ERR_OK && i < work->target_count; i++)
    if (work->targets[i].device != NULL) err = plan_owners(work, &work->targets[i], may_wait);
  if (err == ERR_OK && plan->choose_records != NULL) plan->choose_records(work, context);
  for (size_t i = 0; i < asked_for; i++) work->customers[i]->head_only = false;
  return err;
}

static bool is_heavy(const struct work_customer *customer) {
  return timeline_count(&customer->head) > LIMIT_HEAVY_EVENTS;
}

static enum err decode_customer(struct work *work, struct work_customer *customer, struct bytes record,
                                struct bytes head) {
  enum err err = ERR_OK;
  if (!customer->head_only) {
    if (record.data == NULL) return ERR_OK; // not there: the body decides what that means
    err = customer_decode(record, customer->record.id, work->arena, &customer->record);
    customer->was_apart = customer->record.merged_into != 0 || customer->record.pending_count > 0;
  }
  bool gone = customer->record.merged_into != 0; // a head under its id is a part of somebody else's
  if (err == ERR_OK && !gone) err = timeline_head_decode(head, work->arena, &customer->head);
  if (err == ERR_CORRUPT)
    return diag_set(work->diag, err, "corrupt", "customer c%llu cannot be read; run `rapport check`",
                    (unsigned long long)customer->record.id);
  return err == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

// The heads of a customer's pending rows, in one round. Few customers have any, and not for long.
static enum err load_parts(struct work *work, struct work_customer *customer) {
  size_t count = customer->record.pending_count;
  if (count == 0) return ERR_OK;
  struct timeline_part *parts = arena_take_zero(work->arena, count, sizeof *parts);
  struct bytes *keys = arena_take(work->arena, count * sizeof *keys);
  struct bytes *rows = arena_take(work->arena, count * sizeof *rows);
  if (parts == NULL || keys == NULL || rows == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) {
    struct key key;
    parts[i].customer = customer->record.pending[i];
    customer_key(parts[i].customer, CUSTOMER_ROW_HEAD, &key);
    keys[i] = arena_copy(work->arena, key_view(&key));
    if (keys[i].data == NULL) return diag_no_memory(work->diag);
  }
  enum err err = store_get_many(work->txn, STORE_CUSTOMER, keys, count, work->arena, rows);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = timeline_head_decode(rows[i], work->arena, &parts[i].head);
  customer->head.parts = parts;
  customer->head.part_count = count;
  return err;
}

enum { ROWS_MAX = CUSTOMER_ROW_WALLET + 1 };

static bool is_row_wanted(const struct work *work, const struct work_customer *customer, enum customer_row row) {
  if (row == CUSTOMER_ROW_RECORD) return !customer->head_only;
  if (row == CUSTOMER_ROW_MEMBERSHIP) return work->set != NULL;
  return row == CUSTOMER_ROW_WALLET ? work->loyalty != NULL : true;
}

// Locks the customers and reads record, head, memberships and wallets of each in one round.
static enum err load_customers(struct work *work, const struct work_plan *plan, void *context) {
  enum err err = plan_customers(work, plan, context);
  size_t count = work->customer_count, row_count = 0;
  if (err != ERR_OK || count == 0) return err;
  struct bytes *keys = arena_take(work->arena, ROWS_MAX * count * sizeof *keys);
  struct bytes *rows = arena_take(work->arena, ROWS_MAX * count * sizeof *rows);
  struct bytes *locks = arena_take(work->arena, count * sizeof *locks);
  if (keys == NULL || rows == NULL || locks == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) {
    struct key key;
    for (int row = CUSTOMER_ROW_RECORD; row < ROWS_MAX; row++) {
      if (!is_row_wanted(work, work->customers[i], (enum customer_row)row)) continue;
      customer_key(work->customers[i]->record.id, (enum customer_row)row, &key);
      keys[row_count] = arena_copy(work->arena, key_view(&key));
      if (keys[row_count++].data == NULL) return diag_no_memory(work->diag);
    }
    locks[i] = bytes_of(keys[row_count - 1].data, sizeof(uint64_t));
  }
  err = store_lock_many(work->txn, STORE_LOCK_CUSTOMER, locks, count);
  if (err == ERR_OK) err = store_get_many(work->txn, STORE_CUSTOMER, keys, row_count, work->arena, rows);
  const struct bytes *row = rows;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct bytes record = {0};
    if (!work->customers[i]->head_only) record = *row++;
    err = decode_customer(work, work->customers[i], record, *row++);
    if (work->set != NULL) work->customers[i]->membership = *row++;
    if (work->loyalty != NULL) work->customers[i]->wallet_row = *row++;
  }
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = load_parts(work, work->customers[i]);
  for (size_t i = 0; err == ERR_OK && i < count; i++) work->customers[i]->was_heavy = is_heavy(work->customers[i]);
  return err;
}

// --- changing ------------------------------------------------------------------------------------------------

// An attempt's new customers have the ids they had in the attempt before, so that what was prepared for them is theirs.
static enum err fresh_id(struct work *work, uint64_t *id) {
  struct work_set *set = work->wanted;
  if (work->fresh_used == set->fresh_count) {
    if (!grow((void **)&set->fresh, &set->fresh_capacity, set->fresh_count, sizeof *set->fresh))
      return diag_no_memory(work->diag);
    enum err err = engine_next(work->engine, &work->engine->customers, &set->fresh[set->fresh_count], work->diag);
    if (err != ERR_OK) return err;
    set->fresh_count++;
  }
  *id = set->fresh[work->fresh_used++];
  return ERR_OK;
}

enum err work_customer_new(struct work *work, struct work_customer **out) {
  uint64_t id = 0;
  enum err err = fresh_id(work, &id);
  if (err != ERR_OK) return err;
  struct work_customer *customer = arena_take_zero(work->arena, 1, sizeof *customer);
  if (customer == NULL) return diag_no_memory(work->diag);
  customer_init(&customer->record, id);
  customer->fresh = customer->record_dirty = customer->tokens_taken = true;
  work->delta.customers++;
  *out = customer;
  return add_customer(work, customer);
}

enum err work_take_tokens(struct work *work, struct work_customer *customer) {
  if (customer->tokens_taken) return ERR_OK;
  customer->tokens = arena_take(work->arena, CUSTOMER_TOKENS_MAX * sizeof *customer->tokens);
  if (customer->tokens == NULL) return diag_no_memory(work->diag);
  customer->tokens_taken = true;
  return customer_search_tokens(&customer->record, work->engine->names, &work->sources, work->arena, customer->tokens,
                                CUSTOMER_TOKENS_MAX, &customer->token_count);
}

enum err work_note(struct work *work, struct work_names *names, uint32_t name) {
  if (work->set == NULL) return ERR_OK;
  for (size_t i = 0; i < names->count; i++)
    if (names->items[i] == name) return ERR_OK;
  uint32_t *items = arena_grow(work->arena, names->items, names->count, &names->capacity, 8, sizeof *items);
  if (items == NULL) return diag_no_memory(work->diag);
  names->items = items;
  names->items[names->count++] = name;
  return ERR_OK;
}

void work_touch(struct work_customer *customer, int64_t received_us) {
  customer->record_dirty = true;
  if (received_us > customer->record.updated_us) customer->record.updated_us = received_us;
}

// --- writing -------------------------------------------------------------------------------------------------

static bool has_token(const struct bytes *tokens, size_t count, struct bytes token) {
  for (size_t i = 0; i < count; i++)
    if (bytes_equal(tokens[i], token)) return true;
  return false;
}

// Writes only the difference between what the search knew and what the record says now.
static enum err emit_tokens(struct work *work, struct work_customer *customer) {
  if (!customer->tokens_taken) return ERR_OK;
  struct bytes now[CUSTOMER_TOKENS_MAX];
  size_t count = 0;
  enum err err = ERR_OK;
  if (!customer->erased && customer->record.merged_into == 0)
    err = customer_search_tokens(&customer->record, work->engine->names, &work->sources, work->arena, now,
                                 CUSTOMER_TOKENS_MAX, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    if (has_token(customer->tokens, customer->token_count, now[i])) continue;
    struct key key;
    customer_search_key(now[i], customer->record.id, &key);
    err = store_put(work->txn, STORE_SEARCH, key_view(&key), BYTES(""));
  }
  for (size_t i = 0; err == ERR_OK && i < customer->token_count; i++) {
    if (has_token(now, count, customer->tokens[i])) continue;
    struct key key;
    customer_search_key(customer->tokens[i], customer->record.id, &key);
    err = store_delete(work->txn, STORE_SEARCH, key_view(&key));
  }
  return err;
}

static enum err emit_row(struct work *work, uint64_t id, enum customer_row row, struct bytes value) {
  struct key key;
  customer_key(id, row, &key);
  return value.size_bytes == 0 ? store_delete(work->txn, STORE_CUSTOMER, key_view(&key))
                               : store_put(work->txn, STORE_CUSTOMER, key_view(&key), value);
}

static enum err emit_head(struct work *work, uint64_t id, const struct timeline_head *head) {
  buffer_clear(work->buffer);
  if (head->count > 0) timeline_head_encode(head, work->buffer);
  return work->buffer->failed ? diag_no_memory(work->diag)
                              : emit_row(work, id, CUSTOMER_ROW_HEAD, buffer_view(work->buffer));
}

static enum err emit_heads(struct work *work, const struct work_customer *customer) {
  enum err err = emit_head(work, customer->record.id, &customer->head);
  for (size_t i = 0; err == ERR_OK && i < customer->head.part_count; i++) {
    const struct timeline_part *part = &customer->head.parts[i];
    if (part->dirty) err = emit_head(work, part->customer, &part->head);
  }
  return err;
}

// Heavy customers are listed in DOCUMENT. The row is put with each event, so that the list is whole also where an older
// program wrote.
static enum err emit_heavy(struct work *work, const struct work_customer *customer) {
  struct key key;
  engine_number_key(&key, "heavy", customer->record.id);
  if (is_heavy(customer)) return store_put(work->txn, STORE_DOCUMENT, key_view(&key), BYTES("1"));
  return customer->was_heavy ? store_delete(work->txn, STORE_DOCUMENT, key_view(&key)) : ERR_OK;
}

static enum err emit_customer(struct work *work, struct work_customer *customer) {
  assert(!customer->head_only || !customer->record_dirty);
  enum err err = emit_tokens(work, customer);
  if (err == ERR_OK && customer->record_dirty) {
    buffer_clear(work->buffer);
    if (!customer->erased) customer_encode(&customer->record, work->buffer);
    err = work->buffer->failed ? diag_no_memory(work->diag)
                               : emit_row(work, customer->record.id, CUSTOMER_ROW_RECORD, buffer_view(work->buffer));
  }
  if (err == ERR_OK && customer->head_dirty) err = emit_heads(work, customer);
  if (err == ERR_OK && (customer->head_dirty || customer->was_heavy)) err = emit_heavy(work, customer);
  return err;
}

static enum err emit_target(struct work *work, const struct work_target *target) {
  struct key key;
  identifier_key(target->identifier, work->engine->names, &key);
  if (target->gone) return store_delete(work->txn, STORE_IDENTIFIER, key_view(&key));
  if (target->device == NULL) {
    uint8_t row[10];
    engine_person_encode(&target->person, row);
    return store_put(work->txn, STORE_IDENTIFIER, key_view(&key), bytes_of(row, sizeof row));
  }
  buffer_clear(work->buffer);
  buffer_append_byte(work->buffer, ENGINE_ROW_DEVICE);
  identity_device_encode(target->device, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_IDENTIFIER, key_view(&key), buffer_view(work->buffer));
}

static enum err work_emit(struct work *work) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < work->customer_count; i++) err = emit_customer(work, work->customers[i]);
  for (size_t i = 0; err == ERR_OK && i < work->target_count; i++) {
    const struct work_target *target = &work->targets[i];
    if (!target->dirty) continue;
    if (!target->stored && !target->gone) work->delta.identifiers++;
    if (target->stored && target->gone) work->delta.identifiers--;
    err = emit_target(work, target);
  }
  return err;
}

// --- the transaction -----------------------------------------------------------------------------------------

// All locks of a class are taken in one call: the messages' and that of what rides.
static enum err lock_messages(struct work *work, const struct work_plan *plan) {
  const struct bytes *keys = plan->message_keys;
  size_t count = plan->message_count;
  if (plan->commit != NULL && plan->commit->lock.size_bytes > 0) {
    struct bytes *all = arena_take(work->arena, (count + 1) * sizeof *all);
    if (all == NULL) return diag_no_memory(work->diag);
    if (count > 0) memcpy(all, keys, count * sizeof *all);
    all[count++] = plan->commit->lock;
    keys = all;
  }
  return count == 0 ? ERR_OK : store_lock_many(work->txn, STORE_LOCK_IDEMPOTENCY, keys, count);
}

static enum err load(struct work *work, const struct work_plan *plan, void *context) {
  enum err err = lock_messages(work, plan);
  if (err == ERR_OK) err = load_targets(work, plan);
  if (err == ERR_OK && !plan->no_customers) err = load_customers(work, plan, context);
  return err;
}

static enum err finish(struct work *work, const struct work_plan *plan, struct store_mark *mark) {
  const struct engine_commit *commit = plan->commit;
  struct engine_count count = {0};
  struct feed_claim claim = {0};
  enum err err = loyalty_emit(work);
  if (err == ERR_OK) err = live_evaluate(work, plan);
  if (err == ERR_OK) err = work_emit(work);
  if (err == ERR_OK) err = projections_note(work);
  if (err == ERR_OK) err = feed_write(work, &claim);
  if (err == ERR_OK && commit != NULL) err = engine_ride(commit, work->txn, work->diag);
  if (err == ERR_OK) err = engine_count(work->engine, work->txn, &work->delta, &count);
  if (err == ERR_OK)
    err = store_commit(work->txn, mark, work->diag);
  else
    store_abort(work->txn);
  if (err == ERR_OK) projections_committed(work);
  engine_count_end(work->engine, &count, err);
  feed_release(work->engine, &claim, err == ERR_OK);
  return err;
}

static enum err attempt_under(struct work *work, const struct work_plan *plan, work_body_fn *body, void *context,
                              struct store_mark *mark) {
  enum err err = store_begin(work->engine->store, &work->txn);
  if (err != ERR_OK) return err;
  err = load(work, plan, context);
  if (err == ERR_OK) err = body(work, context);
  if (err == ERR_OK && !plan->dry_run) return finish(work, plan, mark);
  store_abort(work->txn);
  if (err == ERR_OK) *mark = store_mark_now(work->engine->store);
  return err;
}

// Under one set of live questions from begin to end: a set that is put in force waits for every attempt under the one
// before.
static enum err attempt(struct work *work, const struct work_plan *plan, work_body_fn *body, void *context,
                        struct store_mark *mark) {
  work->set = live_hold(work->engine);
  work->loyalty = loyalty_hold(work->engine);
  unsigned ticket = projections_enter(work->engine);
  enum err err = attempt_under(work, plan, body, context, mark);
  projections_leave(work->engine, ticket);
  if (work->loyalty != NULL) loyalty_set_close(work->loyalty);
  live_release(work->engine);
  return err;
}

enum err work_run(struct engine *engine, const struct work_plan *plan, work_body_fn *body, void *context,
                  struct store_mark *mark, struct diag *diag) {
  struct work_set wanted = {0};
  struct sorting *sorting = NULL;
  struct buffer buffer;
  struct arena arena;
  enum err err = ERR_CONFLICT;
  buffer_init(&buffer);
  arena_init(&arena, 0);
  if (diag != NULL) diag_init(diag);
  for (int tries = 0; err == ERR_CONFLICT && tries < ATTEMPTS_MAX; tries++) {
    arena_clear(&arena);
    struct work work = {.engine = engine,
                        .rules = engine_rules(engine),
                        .sources = engine_sources(engine),
                        .arena = &arena,
                        .buffer = &buffer,
                        .now_us = clock_now_us(engine->clock),
                        .wanted = &wanted,
                        .sorting = &sorting,
                        .diag = diag};
    err = attempt(&work, plan, body, context, mark);
    if (err == ERR_CONFLICT && work.starved) err = ERR_NO_MEMORY;
    if (err == ERR_CONFLICT && sort_wanted(sorting)) {
      err = sort_run(engine, sorting, diag);
      if (err == ERR_OK) err = ERR_CONFLICT; // now again
    }
    if (err == ERR_OK && work.moves_wait && engine->wake != NULL) engine->wake(engine->wake_context);
    if (err == ERR_CONFLICT && !work.again && tries + 1 < ATTEMPTS_MAX) continue; // the store asks to run it again
  }
  if (err == ERR_CONFLICT)
    diag_set(diag, err, "conflict", "the customers kept changing under this write; send it again");
  arena_release(&arena);
  buffer_release(&buffer);
  wanted_release(&wanted);
  alloc_free(sorting);
  bool explained = err == ERR_OK || diag == NULL || diag->err == err;
  return explained ? err : engine_explain_failure(err, diag);
}
