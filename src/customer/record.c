// record: the customer in memory, and how decisions and values change it.
//
// Invariants, kept by every function here and checked by none of the readers:
//   1. identifiers are sorted by (sequence, type, value), edges by (sequence, a, b) with a < b, cannot-links by
//      (sequence, own, other), traits by (name, inline_name, correction, source);
//   2. no identifier, edge (as a pair), cannot-link (as a pair) or trait key is there twice;
//   3. folding is a semilattice: commutative, associative, idempotent. So is the union of customer_absorb.
// Arrays grow by doubling in the arena; what they grew out of stays there until the arena ends.
#include "customer/record.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

enum { ARRAY_FIRST_COUNT = 4 };

void customer_init(struct customer *customer, uint64_t id) {
  *customer = (struct customer){.id = id};
}

// A copy of `view` in the arena; the empty view needs none. False when memory is short.
static bool copy_view(struct arena *arena, struct bytes *view) {
  if (view->size_bytes == 0) {
    *view = (struct bytes){NULL, 0};
    return true;
  }
  *view = arena_copy(arena, *view);
  return view->data != NULL;
}

static int order_of(uint64_t a, uint64_t b) {
  return (a > b) - (a < b);
}

static int compare_identifiers(struct identifier a, struct identifier b) {
  return a.type != b.type ? order_of(a.type, b.type) : bytes_compare(a.value, b.value);
}

// --- identifiers ---------------------------------------------------------------------------------------------

static int compare_members(const struct customer_identifier *a, const struct customer_identifier *b) {
  if (a->sequence != b->sequence) return order_of(a->sequence, b->sequence);
  return compare_identifiers(a->member.identifier, b->member.identifier);
}

int customer_find_identifier(const struct customer *customer, struct identifier identifier) {
  for (size_t i = 0; i < customer->identifier_count; i++)
    if (identifier_equal(customer->identifiers[i].member.identifier, identifier)) return (int)i;
  return -1;
}

// Edges point past the new identifier once it stands at `position`.
static void shift_edges(struct customer *customer, size_t position) {
  for (size_t i = 0; i < customer->edge_count; i++) {
    struct identity_edge *edge = &customer->edges[i];
    if (edge->a >= position) edge->a++;
    if (edge->b >= position) edge->b++;
  }
}

enum err customer_add_identifier(struct customer *customer, struct arena *arena,
                                 const struct customer_identifier *identifier, size_t *index) {
  int known = customer_find_identifier(customer, identifier->member.identifier);
  if (known >= 0) {
    *index = (size_t)known;
    return ERR_OK;
  }
  struct customer_identifier added = *identifier;
  size_t count = customer->identifier_count;
  struct customer_identifier *items =
      arena_grow(arena, customer->identifiers, count, &customer->identifier_capacity, ARRAY_FIRST_COUNT, sizeof *items);
  if (items == NULL || !copy_view(arena, &added.member.identifier.value)) return ERR_NO_MEMORY;
  customer->identifiers = items;
  size_t at = count;
  for (; at > 0 && compare_members(&items[at - 1], &added) > 0; at--) items[at] = items[at - 1];
  items[at] = added;
  if (at < count) shift_edges(customer, at);
  customer->identifier_count++;
  *index = at;
  return ERR_OK;
}

int64_t customer_created_us(const struct customer *customer) {
  int64_t created_us = 0;
  for (size_t i = 0; i < customer->identifier_count; i++) {
    int64_t seen_us = customer->identifiers[i].member.seen_us;
    if (i == 0 || seen_us < created_us) created_us = seen_us;
  }
  return created_us;
}

// --- edges and cannot-links ----------------------------------------------------------------------------------

static int compare_edges(const void *left, const void *right) {
  const struct identity_edge *a = left, *b = right;
  if (a->sequence != b->sequence) return order_of(a->sequence, b->sequence);
  return a->a != b->a ? order_of(a->a, b->a) : order_of(a->b, b->b);
}

static struct identity_edge *find_edge(const struct customer *customer, size_t a, size_t b) {
  for (size_t i = 0; i < customer->edge_count; i++) {
    struct identity_edge *edge = &customer->edges[i];
    if ((edge->a == a && edge->b == b) || (edge->a == b && edge->b == a)) return edge;
  }
  return NULL;
}

bool customer_has_edge(const struct customer *customer, size_t a, size_t b) {
  return find_edge(customer, a, b) != NULL;
}

enum err customer_add_edge(struct customer *customer, struct arena *arena, size_t a, size_t b, uint64_t sequence) {
  assert(a != b && a < customer->identifier_count && b < customer->identifier_count);
  if (customer_has_edge(customer, a, b)) return ERR_OK;
  struct identity_edge added = {(uint16_t)(a < b ? a : b), (uint16_t)(a < b ? b : a), sequence};
  size_t at = customer->edge_count;
  struct identity_edge *items =
      arena_grow(arena, customer->edges, at, &customer->edge_capacity, ARRAY_FIRST_COUNT, sizeof *items);
  if (items == NULL) return ERR_NO_MEMORY;
  customer->edges = items;
  for (; at > 0 && compare_edges(&items[at - 1], &added) > 0; at--) items[at] = items[at - 1];
  items[at] = added;
  customer->edge_count++;
  return ERR_OK;
}

static int compare_cannots(const struct customer_cannot *a, const struct customer_cannot *b) {
  if (a->sequence != b->sequence) return order_of(a->sequence, b->sequence);
  int order = compare_identifiers(a->pair.own, b->pair.own);
  return order != 0 ? order : compare_identifiers(a->pair.other, b->pair.other);
}

static bool has_cannot(const struct customer *customer, struct identity_cannot pair) {
  for (size_t i = 0; i < customer->cannot_count; i++) {
    const struct identity_cannot *known = &customer->cannots[i].pair;
    if (identifier_equal(known->own, pair.own) && identifier_equal(known->other, pair.other)) return true;
  }
  return false;
}

enum err customer_add_cannot(struct customer *customer, struct arena *arena, struct identity_cannot pair,
                             uint64_t sequence) {
  if (has_cannot(customer, pair)) return ERR_OK;
  struct customer_cannot added = {pair, sequence};
  size_t at = customer->cannot_count;
  struct customer_cannot *items =
      arena_grow(arena, customer->cannots, at, &customer->cannot_capacity, ARRAY_FIRST_COUNT, sizeof *items);
  if (items == NULL || !copy_view(arena, &added.pair.own.value) || !copy_view(arena, &added.pair.other.value))
    return ERR_NO_MEMORY;
  customer->cannots = items;
  for (; at > 0 && compare_cannots(&items[at - 1], &added) > 0; at--) items[at] = items[at - 1];
  items[at] = added;
  customer->cannot_count++;
  return ERR_OK;
}

// --- traits --------------------------------------------------------------------------------------------------

static int compare_trait_names(const struct customer_trait *a, const struct customer_trait *b) {
  return a->name != b->name ? order_of(a->name, b->name) : bytes_compare(a->inline_name, b->inline_name);
}

static int compare_traits(const struct customer_trait *a, const struct customer_trait *b) {
  int order = compare_trait_names(a, b);
  if (order != 0) return order;
  if (a->correction != b->correction) return a->correction ? 1 : -1;
  return order_of(a->source, b->source);
}

// The first position whose trait is not before `trait`.
static size_t trait_position(const struct customer *customer, const struct customer_trait *trait) {
  size_t from = 0, to = customer->trait_count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (compare_traits(&customer->traits[middle], trait) < 0) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

static bool is_newer(const struct customer_trait *a, const struct customer_trait *b) {
  int order = identity_instant_compare(&a->at, &b->at);
  if (order == 0) order = bytes_compare(a->value.packed, b->value.packed);
  if (order == 0) order = bytes_compare(a->author, b->author);
  return order > 0;
}

static bool stands_beside(const struct customer *customer, size_t position, const struct customer_trait *trait) {
  return (position > 0 && compare_trait_names(&customer->traits[position - 1], trait) == 0) ||
         (position < customer->trait_count && compare_trait_names(&customer->traits[position], trait) == 0);
}

// True when the trait would be one name too many. Names are counted only when there could be too many.
static bool is_one_too_many(const struct customer *customer, size_t position, const struct customer_trait *trait) {
  if (customer->trait_count < LIMIT_CUSTOMER_TRAITS || stands_beside(customer, position, trait)) return false;
  size_t names = 1;
  for (size_t i = 1; i < customer->trait_count; i++)
    names += compare_trait_names(&customer->traits[i - 1], &customer->traits[i]) != 0;
  return names >= LIMIT_CUSTOMER_TRAITS;
}

static enum err insert_trait(struct customer *customer, struct arena *arena, size_t position,
                             struct customer_trait trait) {
  size_t count = customer->trait_count;
  struct customer_trait *items =
      arena_grow(arena, customer->traits, count, &customer->trait_capacity, ARRAY_FIRST_COUNT, sizeof *items);
  if (items == NULL || !copy_view(arena, &trait.inline_name)) return ERR_NO_MEMORY;
  customer->traits = items;
  memmove(&items[position + 1], &items[position], (count - position) * sizeof *items);
  items[position] = trait;
  customer->trait_count++;
  return ERR_OK;
}

enum err customer_fold_trait(struct customer *customer, struct arena *arena, const struct customer_trait *trait,
                             bool *changed) {
  *changed = false;
  size_t position = trait_position(customer, trait);
  bool known = position < customer->trait_count && compare_traits(&customer->traits[position], trait) == 0;
  if (known && !is_newer(trait, &customer->traits[position])) return ERR_OK;
  if (!known && is_one_too_many(customer, position, trait)) return ERR_LIMIT;
  struct customer_trait kept = *trait;
  if (!copy_view(arena, &kept.value.packed) || !copy_view(arena, &kept.author)) return ERR_NO_MEMORY;
  if (known) {
    kept.inline_name = customer->traits[position].inline_name;
    customer->traits[position] = kept;
  } else {
    enum err err = insert_trait(customer, arena, position, kept);
    if (err != ERR_OK) return err;
  }
  *changed = true;
  return ERR_OK;
}

static int priority_of(const struct customer_sources *sources, uint32_t source) {
  return sources == NULL ? 0 : sources->priority(sources->context, source);
}

static bool wins(const struct customer_trait *a, const struct customer_trait *b,
                 const struct customer_sources *sources) {
  if (a->correction != b->correction) return a->correction;
  if (a->correction) return is_newer(a, b);
  if (a->at.time_us != b->at.time_us) return a->at.time_us > b->at.time_us;
  int priority_a = priority_of(sources, a->source), priority_b = priority_of(sources, b->source);
  return priority_a != priority_b ? priority_a > priority_b : is_newer(a, b);
}

const struct customer_trait *customer_trait_winner(const struct customer *customer, size_t first,
                                                   const struct customer_sources *sources, size_t *next) {
  assert(first < customer->trait_count);
  const struct customer_trait *winner = &customer->traits[first];
  size_t at = first + 1;
  for (; at < customer->trait_count && compare_trait_names(&customer->traits[first], &customer->traits[at]) == 0; at++)
    if (wins(&customer->traits[at], winner, sources)) winner = &customer->traits[at];
  *next = at;
  return winner;
}

static struct value value_of(const struct customer *customer, const struct customer_trait *wanted,
                             const struct customer_sources *sources) {
  size_t first = trait_position(customer, wanted), next;
  if (first == customer->trait_count || compare_trait_names(&customer->traits[first], wanted) != 0)
    return (struct value){{NULL, 0}};
  return customer_trait_winner(customer, first, sources, &next)->value;
}

struct value customer_trait_value_of(const struct customer *customer, uint32_t name,
                                     const struct customer_sources *sources) {
  struct customer_trait wanted = {.name = name};
  return value_of(customer, &wanted, sources);
}

struct value customer_trait_value(const struct customer *customer, const struct names *names, struct bytes name,
                                  const struct customer_sources *sources) {
  struct customer_trait wanted = {.name = names_find(names, name)};
  if (wanted.name == 0) wanted.inline_name = name;
  return value_of(customer, &wanted, sources);
}

// --- rows under other ids -------------------------------------------------------------------------------------

bool customer_has_pending(const struct customer *customer, uint64_t id) {
  for (size_t i = 0; i < customer->pending_count; i++)
    if (customer->pending[i] == id) return true;
  return false;
}

enum err customer_add_pending(struct customer *customer, struct arena *arena, uint64_t id) {
  if (customer_has_pending(customer, id)) return ERR_OK;
  uint64_t *ids = arena_take(arena, (customer->pending_count + 1) * sizeof *ids);
  if (ids == NULL) return ERR_NO_MEMORY;
  size_t at = customer->pending_count;
  if (at > 0) memcpy(ids, customer->pending, at * sizeof *ids);
  for (; at > 0 && ids[at - 1] > id; at--) ids[at] = ids[at - 1];
  ids[at] = id;
  customer->pending = ids;
  customer->pending_count++;
  return ERR_OK;
}

void customer_drop_pending(struct customer *customer, uint64_t id) {
  size_t kept = 0;
  for (size_t i = 0; i < customer->pending_count; i++)
    if (customer->pending[i] != id) customer->pending[kept++] = customer->pending[i];
  customer->pending_count = kept;
}

// --- merge and split -----------------------------------------------------------------------------------------

// An identifier that both sides hold: what each decision about it said first.
static void unite_identifier(struct customer_identifier *kept, const struct customer_identifier *other) {
  if (other->member.seen_us < kept->member.seen_us) kept->member.seen_us = other->member.seen_us;
  if (kept->founded == 0 || (other->founded != 0 && other->founded < kept->founded)) kept->founded = other->founded;
  if (other->sequence > kept->sequence) return;
  if (other->sequence < kept->sequence || other->source < kept->source) kept->source = other->source;
  kept->sequence = other->sequence;
}

// Adds the loser's identifiers at the end, unsorted; place[i] is where its i-th went.
static enum err append_identifiers(struct customer *survivor, const struct customer *loser, struct arena *arena,
                                   uint16_t *place) {
  for (size_t i = 0; i < loser->identifier_count; i++) {
    struct customer_identifier added = loser->identifiers[i];
    int known = customer_find_identifier(survivor, added.member.identifier);
    if (known >= 0) {
      unite_identifier(&survivor->identifiers[known], &added);
      place[i] = (uint16_t)known;
      continue;
    }
    size_t count = survivor->identifier_count;
    struct customer_identifier *items = arena_grow(arena, survivor->identifiers, count, &survivor->identifier_capacity,
                                                   ARRAY_FIRST_COUNT, sizeof *items);
    if (items == NULL || !copy_view(arena, &added.member.identifier.value)) return ERR_NO_MEMORY;
    survivor->identifiers = items;
    items[count] = added;
    place[i] = (uint16_t)count;
    survivor->identifier_count++;
  }
  return ERR_OK;
}

static enum err absorb_edges(struct customer *survivor, const struct customer *loser, struct arena *arena,
                             const uint16_t *place) {
  for (size_t i = 0; i < loser->edge_count; i++) {
    const struct identity_edge *edge = &loser->edges[i];
    struct identity_edge *known = find_edge(survivor, place[edge->a], place[edge->b]);
    if (known != NULL) {
      if (edge->sequence < known->sequence) known->sequence = edge->sequence;
      continue;
    }
    enum err err = customer_add_edge(survivor, arena, place[edge->a], place[edge->b], edge->sequence);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// Sorts identifiers, and leads edges to where their ends stand then.
static enum err sort_identifiers(struct customer *customer, struct arena *arena) {
  size_t count = customer->identifier_count;
  uint16_t *order = arena_take(arena, count * sizeof *order), *rank = arena_take(arena, count * sizeof *rank);
  struct customer_identifier *sorted = arena_take(arena, count * sizeof *sorted);
  if (order == NULL || rank == NULL || sorted == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    size_t at = i;
    for (; at > 0 && compare_members(&customer->identifiers[order[at - 1]], &customer->identifiers[i]) > 0; at--)
      order[at] = order[at - 1];
    order[at] = (uint16_t)i;
  }
  for (size_t i = 0; i < count; i++) {
    sorted[i] = customer->identifiers[order[i]];
    rank[order[i]] = (uint16_t)i;
  }
  customer->identifiers = sorted;
  customer->identifier_capacity = count;
  for (size_t i = 0; i < customer->edge_count; i++) {
    struct identity_edge *edge = &customer->edges[i];
    uint16_t a = rank[edge->a], b = rank[edge->b];
    edge->a = a < b ? a : b;
    edge->b = a < b ? b : a;
  }
  if (customer->edge_count > 0) qsort(customer->edges, customer->edge_count, sizeof *customer->edges, compare_edges);
  return ERR_OK;
}

static enum err absorb_cannots(struct customer *survivor, const struct customer *loser, struct arena *arena) {
  for (size_t i = 0; i < loser->cannot_count; i++) {
    enum err err = customer_add_cannot(survivor, arena, loser->cannots[i].pair, loser->cannots[i].sequence);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

static enum err absorb_traits(struct customer *survivor, const struct customer *loser, struct arena *arena) {
  for (size_t i = 0; i < loser->trait_count; i++) {
    bool changed;
    enum err err = customer_fold_trait(survivor, arena, &loser->traits[i], &changed);
    if (err != ERR_OK && err != ERR_LIMIT) return err;
  }
  return ERR_OK;
}

enum err customer_absorb(struct customer *survivor, const struct customer *loser, struct arena *arena) {
  uint16_t *place = arena_take(arena, loser->identifier_count * sizeof *place);
  if (place == NULL) return ERR_NO_MEMORY;
  enum err err = append_identifiers(survivor, loser, arena, place);
  if (err == ERR_OK) err = absorb_edges(survivor, loser, arena, place);
  if (err == ERR_OK) err = sort_identifiers(survivor, arena);
  if (err == ERR_OK) err = absorb_cannots(survivor, loser, arena);
  if (err == ERR_OK) err = absorb_traits(survivor, loser, arena);
  for (size_t i = 0; err == ERR_OK && i < loser->pending_count; i++)
    err = customer_add_pending(survivor, arena, loser->pending[i]);
  if (loser->updated_us > survivor->updated_us) survivor->updated_us = loser->updated_us;
  return err;
}

// Room for the part; never more than `in` has.
static enum err take_part_arrays(struct customer *out, const struct customer *in, struct arena *arena) {
  out->identifiers = arena_take(arena, in->identifier_count * sizeof *out->identifiers);
  out->edges = arena_take(arena, in->edge_count * sizeof *out->edges);
  out->cannots = arena_take(arena, in->cannot_count * sizeof *out->cannots);
  if (out->identifiers == NULL || out->edges == NULL || out->cannots == NULL) return ERR_NO_MEMORY;
  out->identifier_capacity = in->identifier_count;
  out->edge_capacity = in->edge_count;
  out->cannot_capacity = in->cannot_count;
  return ERR_OK;
}

enum err customer_copy_part(struct customer *out, const struct customer *in, const uint16_t *component, uint16_t which,
                            struct arena *arena) {
  customer_init(out, 0);
  out->updated_us = in->updated_us;
  uint16_t *place = arena_take(arena, in->identifier_count * sizeof *place);
  if (place == NULL || take_part_arrays(out, in, arena) != ERR_OK) return ERR_NO_MEMORY;
  for (size_t i = 0; i < in->identifier_count; i++) {
    if (component[i] != which) continue;
    uint64_t founded = in->identifiers[i].founded;
    if (founded != 0 && (out->id == 0 || founded < out->id)) out->id = founded;
    place[i] = (uint16_t)out->identifier_count;
    out->identifiers[out->identifier_count++] = in->identifiers[i];
  }
  for (size_t i = 0; i < in->edge_count; i++) {
    struct identity_edge edge = in->edges[i];
    if (component[edge.a] != which || component[edge.b] != which) continue;
    out->edges[out->edge_count++] = (struct identity_edge){place[edge.a], place[edge.b], edge.sequence};
  }
  for (size_t i = 0; i < in->cannot_count; i++)
    if (customer_find_identifier(out, in->cannots[i].pair.own) >= 0) out->cannots[out->cannot_count++] = in->cannots[i];
  return ERR_OK;
}
