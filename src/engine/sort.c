// sort.c: events that change hands with a device, when they are too many for one transaction.
//
// A sign-in, or a device that becomes shared, gives the anonymous events of an interval to somebody else, at once and
// exactly. When there are more than `merge_events` of them (LIMIT_MERGE_EVENTS), the transaction gives up before it has
// written anything, and asks for its work to be prepared: steps, a transaction each, sort the holder's rows into parts,
// under new ids that are pending in her record (moves.c), one part for each customer who is to own events of it and one
// for what she keeps. To a reader nothing changes. Then the transaction runs again: it hands over whole parts, which is
// a change of two records, and has only what came in between to move one by one. The job moves all parts home in time.
// Invariants:
//   1. What a part was sorted for is known to this run of the transaction alone, and never stored. A process that ends
//      leaves pending rows, which the job moves back.
//   2. Which part an event goes to is a function of the event, the device and its runs. When these are others the next
//      time, or the interval is, nothing counts as sorted.
//   3. Only steps put events into sorted parts; whoever takes some out leaves the rest sorted.
// So a part is handed over only when all of its events change hands, whatever happened meanwhile. When steps find
// nothing to sort (what is to be moved was written by the same transaction), it is moved as it is.
#include <string.h>

#include "engine/parts.h"

enum { OWNERS_MAX = IDENTITY_RUNS_MAX + 1, SORTED_MAX = 256, RUNS_MAX = 32 };

struct sorted_part {
  uint64_t id;
  uint64_t stays; // who held what it was sorted from
  uint64_t owner; // who is to get it; 0: the device's own customer
  bool rest;      // it stays
};

struct sorting {
  bool wanted; // the transaction asks for steps
  bool tired;  // they found nothing, or there were enough of them: go on without
  int runs;
  uint64_t holder; // the id whose rows are to be sorted
  uint64_t stays;  // who holds them, in the transaction
  uint32_t type;   // the device
  uint8_t value[LIMIT_IDENTIFIER_BYTES];
  size_t value_bytes;
  struct identity_device owners; // who signed in means nothing here
  struct timeline_choice range;  // without pick
  struct sorted_part parts[SORTED_MAX];
  size_t part_count;
};

static struct identifier device_of(const struct sorting *sorting) {
  return (struct identifier){sorting->type, bytes_of(sorting->value, sorting->value_bytes)};
}

// --- who gets an event ---------------------------------------------------------------------------------------

static bool same_owners(const struct identity_device *a, const struct identity_device *b) {
  if (a->own != b->own || a->shared != b->shared || a->run_count != b->run_count) return false;
  for (size_t i = 0; i < a->run_count; i++)
    if (a->runs[i].customer != b->runs[i].customer ||
        identity_instant_compare(&a->runs[i].start, &b->runs[i].start) != 0)
      return false;
  return true;
}

static bool same_range(const struct timeline_choice *a, const struct timeline_choice *b) {
  return a->has_from == b->has_from && a->has_to == b->has_to &&
         (!a->has_from || identity_instant_compare(&a->from, &b->from) == 0) &&
         (!a->has_to || identity_instant_compare(&a->to, &b->to) == 0);
}

// Were the sorted parts sorted for this?
static bool is_for(const struct sorting *sorting, const struct work_target *device,
                   const struct timeline_choice *range) {
  return sorting != NULL && sorting->part_count > 0 && identifier_equal(device_of(sorting), device->identifier) &&
         same_owners(&sorting->owners, device->device) && same_range(&sorting->range, range);
}

static const struct sorted_part *find_sorted(const struct sorting *sorting, uint64_t stays, uint64_t id) {
  for (size_t i = 0; i < sorting->part_count; i++)
    if (sorting->parts[i].id == id && sorting->parts[i].stays == stays) return &sorting->parts[i];
  return NULL;
}

struct picker {
  const struct sorting *sorting;
  uint64_t owner;
};

static bool pick_owner(void *context, const struct timeline_item *item) {
  const struct picker *picker = context;
  const struct timeline_payload *payload = &item->payload;
  const struct identity_device *owners = &picker->sorting->owners;
  if (payload->identifier_count == 0 || !identifier_equal(payload->identifiers[0], device_of(picker->sorting)))
    return false;
  int run = identity_device_owner(owners, &item->event.at);
  return (run < 0 ? 0 : owners->runs[run].customer) == picker->owner;
}

// Everybody who owns some of the device's time, but the one who holds the events: hers stay.
static size_t owners_of(const struct sorting *sorting, uint64_t *owners) {
  const struct identity_device *device = &sorting->owners;
  size_t count = 0;
  if (device->own != sorting->stays) owners[count++] = 0;
  for (size_t i = 0; i < device->run_count; i++) {
    bool known = device->runs[i].customer == sorting->stays;
    for (size_t j = 0; j < count; j++) known = known || owners[j] == device->runs[i].customer;
    if (!known) owners[count++] = device->runs[i].customer;
  }
  return count;
}

// --- a step --------------------------------------------------------------------------------------------------

struct sort_step {
  struct sorting *sorting;
  uint64_t customer;
  struct sorted_part made[OWNERS_MAX + 1]; // by this step, known once it is committed
  size_t made_count;
  uint64_t moved;
};

static enum err add_part(struct work *work, struct work_customer *customer, uint64_t id) {
  size_t count = customer->head.part_count;
  struct timeline_part *parts = arena_take_zero(work->arena, count + 1, sizeof *parts);
  if (parts == NULL || customer_add_pending(&customer->record, work->arena, id) != ERR_OK)
    return diag_no_memory(work->diag);
  if (count > 0) memcpy(parts, customer->head.parts, count * sizeof *parts);
  parts[count].customer = id;
  customer->head.parts = parts;
  customer->head.part_count = count + 1;
  customer->record_dirty = true;
  return moves_note(work, customer->record.id);
}

static struct timeline_part *part_of(const struct work_customer *customer, uint64_t id) {
  for (size_t i = 0; i < customer->head.part_count; i++)
    if (customer->head.parts[i].customer == id) return &customer->head.parts[i];
  return NULL;
}

// The part of this customer that takes the events of `owner`; made when there is none.
static enum err part_for(struct work *work, struct sort_step *step, struct work_customer *customer, uint64_t owner,
                         bool rest, uint64_t *id) {
  const struct sorting *sorting = step->sorting;
  for (size_t i = 0; i < sorting->part_count; i++) {
    const struct sorted_part *known = &sorting->parts[i];
    *id = known->id;
    if (known->stays == sorting->stays && known->owner == owner && known->rest == rest &&
        part_of(customer, known->id) != NULL)
      return ERR_OK;
  }
  enum err err = engine_next(work->engine, &work->engine->parts, id, work->diag);
  *id |= ENGINE_PART_BIT;
  if (err == ERR_OK) step->made[step->made_count++] = (struct sorted_part){*id, sorting->stays, owner, rest};
  return err == ERR_OK ? add_part(work, customer, *id) : err;
}

// The first events of some rows that are in the range: window->to is where the next one is, if there are more.
static enum err find_window(struct work *work, uint64_t id, const struct timeline_head *rows,
                            struct timeline_choice *window, uint64_t *count) {
  struct timeline_query query = {
      .has_from = window->has_from, .has_to = window->has_to, .from = window->from, .to = window->to};
  struct timeline_cursor *cursor;
  struct timeline_item item;
  *count = 0;
  enum err err = timeline_open(&cursor, (struct timeline_reader){.txn = work->txn}, id, rows, &query);
  while (err == ERR_OK && *count <= work->engine->merge_events) {
    err = timeline_next(cursor, &item);
    if (err != ERR_OK || ++*count <= work->engine->merge_events) continue;
    window->has_to = true;
    window->to = item.event.at;
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err sort_window(struct work *work, struct sort_step *step, struct work_customer *customer, uint64_t from,
                            struct timeline_head *rows, struct timeline_choice window) {
  uint64_t owners[OWNERS_MAX], ids[OWNERS_MAX + 1], moved;
  size_t count = owners_of(step->sorting, owners);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i <= count; i++)
    err = part_for(work, step, customer, i == count ? 0 : owners[i], i == count, &ids[i]);
  for (size_t i = 0; err == ERR_OK && i <= count; i++) {
    struct picker picker = {step->sorting, i == count ? 0 : owners[i]};
    struct timeline_part *part = part_of(customer, ids[i]);
    window.pick = i == count ? NULL : pick_owner;
    window.context = &picker;
    err = timeline_move(work->txn, from, rows, ids[i], &part->head, work->arena, &window, &moved);
    part->dirty = true;
    step->moved += moved;
  }
  return err;
}

// The next rows of hers that are not sorted: her own, or a part's. A part is looked for by its id, as sorting adds
// parts.
static enum err sort_rows(struct work *work, struct sort_step *step, struct work_customer *customer, uint64_t id) {
  struct timeline_part *part = part_of(customer, id);
  struct timeline_head rows = part == NULL ? customer->head : part->head;
  struct timeline_choice window = step->sorting->range;
  uint64_t count;
  rows.parts = NULL;
  rows.part_count = 0;
  enum err err = find_window(work, id, &rows, &window, &count);
  if (err != ERR_OK || count == 0) return err;
  err = sort_window(work, step, customer, id, &rows, window);
  if (err != ERR_OK) return err;
  customer->head_dirty = true;
  part = part_of(customer, id);
  struct timeline_head *home = part == NULL ? &customer->head : &part->head;
  rows.parts = home->parts;
  rows.part_count = home->part_count;
  *home = rows;
  if (part != NULL) part->dirty = true;
  return ERR_OK;
}

static enum err sort_body(struct work *work, void *context) {
  struct sort_step *step = context;
  struct work_customer *customer = work_customer(work, step->customer);
  step->moved = step->made_count = 0;
  if (customer == NULL) return ERR_CONFLICT;
  if (customer->record.merged_into != 0) { // her rows are another's now
    step->customer = customer->record.merged_into;
    customer = work_customer(work, step->customer);
    if (customer == NULL) return ERR_CONFLICT;
  }
  size_t count = customer->head.part_count;
  enum err err = sort_rows(work, step, customer, customer->record.id);
  for (size_t i = 0; err == ERR_OK && step->moved == 0 && i < count; i++)
    if (find_sorted(step->sorting, step->sorting->stays, customer->head.parts[i].customer) == NULL)
      err = sort_rows(work, step, customer, customer->head.parts[i].customer);
  return err;
}

static void note_made(struct sorting *sorting, const struct sort_step *step) {
  for (size_t i = 0; i < step->made_count; i++) sorting->parts[sorting->part_count++] = step->made[i];
}

bool sort_wanted(const struct sorting *sorting) {
  return sorting != NULL && sorting->wanted;
}

enum err sort_run(struct engine *engine, struct sorting *sorting, struct diag *diag) {
  uint64_t moved = 0;
  enum err err = ERR_OK;
  atomic_fetch_add(&engine->sortings, 1);
  for (bool more = true; err == ERR_OK && more;) {
    struct sort_step step = {.sorting = sorting, .customer = sorting->holder};
    struct work_plan plan = {.customers = &sorting->holder, .customer_count = 1};
    struct store_mark mark;
    if (sorting->part_count + OWNERS_MAX + 1 > SORTED_MAX) break;
    err = work_run(engine, &plan, sort_body, &step, &mark, diag);
    if (err == ERR_OK) note_made(sorting, &step);
    moved += err == ERR_OK ? step.moved : 0;
    more = step.moved > 0;
  }
  atomic_fetch_sub(&engine->sortings, 1);
  sorting->wanted = false;
  sorting->tired = moved == 0 || ++sorting->runs >= RUNS_MAX;
  return err;
}

// --- the transaction -----------------------------------------------------------------------------------------

static enum err ask(struct work *work, const struct work_target *device, const struct work_customer *from,
                    const struct timeline_choice *range, uint64_t holder) {
  if (*work->sorting == NULL) *work->sorting = alloc_zero(1, sizeof **work->sorting);
  struct sorting *sorting = *work->sorting;
  if (sorting == NULL) return diag_no_memory(work->diag);
  if (!is_for(sorting, device, range)) {
    sorting->part_count = 0;
    sorting->type = device->identifier.type;
    sorting->value_bytes = device->identifier.value.size_bytes;
    memcpy(sorting->value, device->identifier.value.data, sorting->value_bytes);
    sorting->owners = *device->device;
    sorting->range = *range;
    sorting->range.pick = NULL;
    sorting->range.context = NULL;
  }
  sorting->holder = holder;
  sorting->stays = from->record.id;
  sorting->wanted = true;
  return ERR_CONFLICT;
}

static bool is_sorted(struct work *work, const struct work_target *device, const struct work_customer *from,
                      const struct timeline_choice *range, uint64_t id) {
  return is_for(*work->sorting, device, range) && find_sorted(*work->sorting, from->record.id, id) != NULL;
}

// What the summaries say of the range, at most.
static uint64_t at_most(const struct timeline_head *rows, const struct timeline_choice *range) {
  uint64_t count = 0;
  for (uint32_t i = 0; i < rows->chunk_count; i++) {
    const struct timeline_chunk *chunk = &rows->chunks[i];
    if (range->has_from && chunk->last_us < range->from.time_us) continue;
    if (range->has_to && chunk->first_us > range->to.time_us) continue;
    count += chunk->count;
  }
  return count;
}

static enum err count_rows(struct work *work, uint64_t id, const struct timeline_head *head,
                           const struct timeline_choice *range, uint64_t *count, uint64_t *holder) {
  struct timeline_choice window = *range;
  struct timeline_head rows = *head;
  uint64_t found = 0;
  rows.parts = NULL;
  rows.part_count = 0;
  enum err err = find_window(work, id, &rows, &window, &found);
  if (found > 0 && *holder == 0) *holder = id;
  *count += found;
  return err;
}

static enum err sort_first(struct work *work, const struct work_target *device, const struct work_customer *from,
                           const struct timeline_choice *range) {
  uint64_t limit = work->engine->merge_events, most = at_most(&from->head, range), count = 0, holder = 0;
  if (work->all_at_once || (*work->sorting != NULL && (*work->sorting)->tired)) return ERR_OK;
  if (device->identifier.value.size_bytes > LIMIT_IDENTIFIER_BYTES) return ERR_OK;
  for (size_t i = 0; i < from->head.part_count; i++) most += at_most(&from->head.parts[i].head, range);
  if (most <= limit) return ERR_OK;
  enum err err = count_rows(work, from->record.id, &from->head, range, &count, &holder);
  for (size_t i = 0; err == ERR_OK && i < from->head.part_count; i++)
    if (!is_sorted(work, device, from, range, from->head.parts[i].customer))
      err = count_rows(work, from->head.parts[i].customer, &from->head.parts[i].head, range, &count, &holder);
  return err == ERR_OK && count > limit ? ask(work, device, from, range, holder) : err;
}

static enum err give_part(struct work *work, struct work_customer *from, struct work_customer *to,
                          const struct timeline_part *part) {
  struct timeline_part given = *part;
  size_t kept = 0;
  for (size_t i = 0; i < from->head.part_count; i++)
    if (from->head.parts[i].customer != given.customer) from->head.parts[kept++] = from->head.parts[i];
  from->head.part_count = kept;
  customer_drop_pending(&from->record, given.customer);
  from->record_dirty = from->head_dirty = to->head_dirty = true;
  from->changed_hands = to->changed_hands = true;
  enum err err = add_part(work, to, given.customer);
  if (err == ERR_OK) *part_of(to, given.customer) = given;
  return err;
}

// The parts that were sorted for `to` are taken out of `from` and given to her.
static enum err give_parts(struct work *work, const struct work_target *device, struct work_customer *from,
                           struct work_customer *to, uint64_t *given) {
  const struct sorting *sorting = *work->sorting;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < sorting->part_count; i++) {
    const struct sorted_part *sorted = &sorting->parts[i];
    const struct timeline_part *part = part_of(from, sorted->id);
    bool hers = sorted->owner == to->record.id || (sorted->owner == 0 && device->device->own == to->record.id);
    if (part == NULL || sorted->stays != from->record.id || sorted->rest || !hers) continue;
    *given += part->head.count;
    err = give_part(work, from, to, part);
  }
  return err;
}

// Moves what is picked of the rows that were not sorted.
static enum err move_unsorted(struct work *work, const struct work_target *device, struct work_customer *from,
                              struct work_customer *to, const struct timeline_choice *choice, uint64_t *moved) {
  struct timeline_head rows = from->head;
  size_t count = 0;
  rows.parts = arena_take(work->arena, (from->head.part_count + 1) * sizeof *rows.parts);
  if (rows.parts == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < from->head.part_count; i++)
    if (!is_sorted(work, device, from, choice, from->head.parts[i].customer)) rows.parts[count++] = from->head.parts[i];
  rows.part_count = count;
  enum err err = timeline_move(work->txn, from->record.id, &rows, to->record.id, &to->head, work->arena, choice, moved);
  for (size_t i = 0; i < count; i++) *part_of(from, rows.parts[i].customer) = rows.parts[i];
  rows.parts = from->head.parts;
  rows.part_count = from->head.part_count;
  from->head = rows;
  return err;
}

enum err sort_move(struct work *work, const struct work_target *device, struct work_customer *from,
                   struct work_customer *to, const struct timeline_choice *choice, uint64_t *moved) {
  uint64_t given = 0;
  *moved = 0;
  enum err err = sort_first(work, device, from, choice);
  if (err == ERR_OK && is_for(*work->sorting, device, choice)) err = give_parts(work, device, from, to, &given);
  if (err == ERR_OK) err = move_unsorted(work, device, from, to, choice, moved);
  *moved += given;
  return err;
}
