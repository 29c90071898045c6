// bench_evaluate: what a thousand live segments cost the customer of one event, without the store around it.
//
// The questions are those of bench_live. 1,500 customers have 30 to 60 events of the last 90 days and the traits of an
// account. Events come in slices of 100 customers, as in a transaction: each is added to its timeline first, then the
// slice is measured: membership decoded, questions answered, membership encoded. What an event writes is read by the
// next one of the same customer. Processor time of the thread. `answers` is a sum over all changes of answers, which
// two builds must agree on, `rows` one over what was written, of which valid-until may differ. For instructions:
// valgrind --tool=callgrind --toggle-collect=evaluate_slice bench_evaluate.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "parts/options.h"
#include "parts/segments.h"
#include "segment/set.h"
#include "value/names.h"

enum { CUSTOMERS = 1500, SEGMENTS = 1000, SLICE = 100, SLICES = 150, EVENTS_LEAST = 30, EVENTS_SPREAD = 31 };
enum { TRAITS = 5, TRAIT_VISITS = TRAITS - 1, ROWS_MAX = 8 };
#define NOW_US ((int64_t)1767225600 * CLOCK_SECOND_US + 13 * CLOCK_HOUR_US)

static const char *const history[] = {"Product Viewed", "Order Completed", "Email Opened",    "Product Viewed",
                                      "Product Added",  "Cart Viewed",     "Store Visited",   "Products Searched",
                                      "Email Opened",   "Email Clicked",   "Checkout Started"};
// NULL: who she is, and how often she came.
static const char *const retail[] = {
    "Product Viewed",    "Product Viewed", "Product Viewed", "Email Opened",   "Product Viewed",
    "Products Searched", "Product Viewed", "Product Added",  "Product Viewed", NULL,
    "Checkout Started",  "Product Viewed", "Store Visited",  "Product Viewed", "Order Completed",
    "Product Viewed",    "Product Viewed", "Email Clicked",  "Product Added",  "Cart Viewed"};

struct person {
  struct arena arena;
  struct customer record;
  struct timeline_head head;
  struct buffer membership;
  struct bytes rows[ROWS_MAX]; // of her timeline, in a slice
  uint32_t added, changed;     // what happened to her: an event's name, a trait's; 0 neither
};

struct shop {
  struct store *store;
  struct names *names;
  struct rule_zone *zone;
  struct rule_machine *machine;
  struct value_parser *parser;
  struct segment_set *set;
  struct arena scratch; // of one customer in a slice
  struct buffer packed, row;
  struct store_snapshot *snapshot;
  struct person *persons;
  uint64_t random, events, evaluated, changes, entries, answers, rows;
  uint32_t traits[TRAITS];
  int64_t now_us, cpu_ns;
};

static void must(bool is, const char *what) {
  if (is) return;
  fprintf(stderr, "bench_evaluate: %s\n", what);
  exit(1);
}

static uint64_t next_random(struct shop *shop) {
  shop->random ^= shop->random << 13;
  shop->random ^= shop->random >> 7;
  shop->random ^= shop->random << 17;
  return shop->random;
}

static uint32_t name_of(struct shop *shop, const char *text) {
  uint32_t id;
  must(names_intern(shop->names, bytes_from_text(text), &id, NULL) == ERR_OK, "names");
  return id;
}

static struct value pack(struct shop *shop, const char *json, struct arena *arena) {
  struct diag diag;
  buffer_clear(&shop->packed);
  must(value_parse_json(shop->parser, bytes_from_text(json), shop->names, &shop->packed, &diag) == ERR_OK, json);
  return (struct value){arena_copy(arena, buffer_view(&shop->packed))};
}

// --- questions -----------------------------------------------------------------------------------------------

static void define(struct shop *shop) {
  char text[SEGMENTS_DOCUMENT_BYTES];
  struct arena arena;
  struct diag diag;
  arena_init(&arena, 0);
  struct segment_definition *all = arena_take_zero(&arena, SEGMENTS, sizeof *all);
  must(all != NULL, "memory");
  for (size_t i = 0; i < SEGMENTS; i++) {
    struct segment_mistake mistake;
    segments_document(i, text);
    struct value document = pack(shop, text, &arena);
    must(segment_definition_read(document, shop->names, NULL, &arena, &all[i], NULL, &mistake, &diag) == ERR_OK, text);
    all[i].question = (uint32_t)i + 1;
    all[i].version = 1;
    all[i].status = SEGMENT_LIVE;
  }
  struct segment_compile with = {.names = shop->names, .zone = shop->zone};
  must(segment_set_open(&shop->set, all, SEGMENTS, &with, &diag) == ERR_OK, diag.message);
  arena_release(&arena);
}

// --- what happens --------------------------------------------------------------------------------------------

// False: it is no event with an amount.
static bool has_total(const char *name) {
  return strcmp(name, "Order Completed") == 0 || strcmp(name, "Cart Viewed") == 0 ||
         strcmp(name, "Checkout Started") == 0;
}

static void happen(struct shop *shop, struct store_txn *txn, struct person *person, const char *name, int64_t at_us) {
  char json[256];
  bool added, total = has_total(name);
  unsigned cents = (unsigned)(10000 + next_random(shop) % 10000);
  snprintf(json, sizeof json, "{\"type\":\"track\",\"event\":\"%s\",\"properties\":{\"sku\":\"SKU-1\",\"%s\":%u.%02u}}",
           name, total ? "total" : "price", cents / 100, cents % 100);
  struct timeline_event event = {.at = {.time_us = at_us},
                                 .name = name_of(shop, name),
                                 .amount = total ? cents : 0,
                                 .amount_code = total ? RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | 2 : RULE_AMOUNT_NONE,
                                 .dims = {0, RULE_DIM_NONE}};
  struct timeline_payload payload = {.source = 1, .message = pack(shop, json, &shop->scratch)};
  uint64_t number = ++shop->events;
  memcpy(event.at.event, &number, sizeof number);
  must(timeline_add(txn, person->record.id, &person->head, &person->arena, &event, &payload, false, &added) == ERR_OK,
       "timeline_add");
  person->added = event.name;
}

static void set_trait(struct shop *shop, struct person *person, uint32_t name, const char *json) {
  bool changed;
  uint64_t number = ++shop->events;
  struct customer_trait trait = {
      .name = name, .source = 1, .at = {.time_us = shop->now_us}, .value = pack(shop, json, &shop->scratch)};
  memcpy(trait.at.event, &number, sizeof number);
  must(customer_fold_trait(&person->record, &person->arena, &trait, &changed) == ERR_OK, "customer_fold_trait");
  person->changed = name;
}

static void set_visits(struct shop *shop, struct person *person) {
  char json[16];
  snprintf(json, sizeof json, "%u", (unsigned)(100 + next_random(shop) % 100));
  set_trait(shop, person, shop->traits[TRAIT_VISITS], json);
}

static void make_person(struct shop *shop, struct store_txn *txn, size_t index) {
  static const char *const cities[] = {"\"Lyon\"", "\"Paris\"",  "\"Nantes\"", "\"Lille\"",
                                       "\"Nice\"", "\"Rennes\"", "\"Tours\"",  "\"Dijon\""};
  struct person *person = &shop->persons[index];
  char birthday[16];
  size_t events = EVENTS_LEAST + next_random(shop) % EVENTS_SPREAD;
  arena_init(&person->arena, 0);
  buffer_init(&person->membership);
  customer_init(&person->record, index + 1);
  must(timeline_head_decode(bytes_of(NULL, 0), &person->arena, &person->head) == ERR_OK, "memory");
  for (size_t i = 0; i < events; i++)
    happen(shop, txn, person, history[next_random(shop) % (sizeof history / sizeof *history)],
           shop->now_us - (int64_t)(next_random(shop) % (uint64_t)(90 * CLOCK_DAY_US)) - CLOCK_SECOND_US);
  snprintf(birthday, sizeof birthday, "\"19%02u-06-1%u\"", (unsigned)(next_random(shop) % 100),
           (unsigned)(next_random(shop) % 10));
  const char *values[] = {cities[next_random(shop) % 8], birthday, "true", "false"};
  for (size_t i = 0; i < TRAIT_VISITS; i++) set_trait(shop, person, shop->traits[i], values[i]);
  set_visits(shop, person);
}

// --- slices --------------------------------------------------------------------------------------------------

static uint64_t hash(uint64_t seed, struct bytes bytes) {
  for (size_t i = 0; i < bytes.size_bytes; i++) seed = (seed ^ bytes.data[i]) * UINT64_C(0x100000001b3);
  return seed;
}

static void add_change(struct shop *shop, const struct segment_change *change) {
  uint64_t parts[] = {change->question, change->kind, change->sides_before, change->sides_after,
                      (uint64_t)change->at_us};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    shop->answers = (shop->answers ^ parts[i]) * UINT64_C(0x100000001b3);
}

static void answer(struct shop *shop, struct person *person, bool everything) {
  struct facts facts;
  struct membership membership;
  arena_clear(&shop->scratch);
  facts_init(&facts, (struct timeline_reader){.snapshot = shop->snapshot}, &shop->scratch, NULL);
  facts_reset(&facts, person->record.id, &person->record, &person->head);
  facts.rows = person->rows;
  struct segment_evaluation evaluation = {.set = shop->set,
                                          .machine = shop->machine,
                                          .facts = &facts,
                                          .arena = &shop->scratch,
                                          .membership = &membership,
                                          .now_us = shop->now_us};
  struct segment_triggers triggers = {.events = &person->added,
                                      .event_count = person->added != 0,
                                      .traits = &person->changed,
                                      .trait_count = person->changed != 0,
                                      .everything = everything};
  must(membership_decode(buffer_view(&person->membership), &shop->scratch, &membership) == ERR_OK, "decode");
  must(segment_evaluate(&evaluation, &triggers) == ERR_OK, "evaluate");
  buffer_clear(&shop->row);
  membership_encode(&membership, &shop->row);
  must(!shop->row.failed, "memory");
  shop->evaluated += evaluation.evaluated;
  shop->changes += evaluation.change_count;
  shop->entries += membership.count;
  for (size_t i = 0; i < evaluation.change_count; i++) add_change(shop, &evaluation.changes[i]);
  // Values are views into the row that was read, so the new one takes its place only now.
  struct buffer before = person->membership;
  person->membership = shop->row;
  shop->row = before;
}

// What is measured.
__attribute__((noinline)) static void evaluate_slice(struct shop *shop, size_t first) {
  for (size_t i = first; i < first + SLICE; i++) answer(shop, &shop->persons[i], false);
}

// What a build does.
__attribute__((noinline)) static void evaluate_all(struct shop *shop, size_t first) {
  for (size_t i = first; i < first + SLICE; i++) answer(shop, &shop->persons[i], true);
}

static void read_rows(struct shop *shop, struct arena *arena, struct person *person) {
  must(person->head.chunk_count <= ROWS_MAX, "a timeline is longer than was thought");
  for (size_t i = 0; i < person->head.chunk_count; i++) {
    struct key key;
    facts_chunk_key(person->record.id, &person->head, i, &key);
    must(store_snapshot_get(shop->snapshot, STORE_TIMELINE, key_view(&key), arena, &person->rows[i]) == ERR_OK, "rows");
  }
}

static int64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void measure_slice(struct shop *shop, size_t first, void (*evaluate)(struct shop *shop, size_t first)) {
  struct arena rows;
  arena_init(&rows, 0);
  must(store_snapshot_open(shop->store, &shop->snapshot) == ERR_OK, "snapshot");
  for (size_t i = first; i < first + SLICE; i++) read_rows(shop, &rows, &shop->persons[i]);
  int64_t start_ns = cpu_ns();
  evaluate(shop, first);
  shop->cpu_ns += cpu_ns() - start_ns;
  for (size_t i = first; i < first + SLICE; i++)
    shop->rows = hash(shop->rows, buffer_view(&shop->persons[i].membership));
  store_snapshot_close(shop->snapshot);
  arena_release(&rows);
}

static void write_slice(struct shop *shop, size_t first, size_t number) {
  struct store_txn *txn;
  struct store_mark mark;
  must(store_begin(shop->store, &txn) == ERR_OK, "store_begin");
  for (size_t i = first; i < first + SLICE; i++) {
    const char *name = retail[(i + number) % (sizeof retail / sizeof *retail)];
    struct person *person = &shop->persons[i];
    person->added = person->changed = 0;
    arena_clear(&shop->scratch);
    if (name == NULL)
      set_visits(shop, person);
    else
      happen(shop, txn, person, name, shop->now_us - (int64_t)(next_random(shop) % (uint64_t)CLOCK_SECOND_US));
  }
  must(store_commit(txn, &mark, NULL) == ERR_OK, "store_commit");
}

// --- the shop ------------------------------------------------------------------------------------------------

static void open_shop(struct shop *shop) {
  static const char *const traits[TRAITS] = {"city", "birthday", "newsletter", "sms", "visits"};
  struct store_txn *txn;
  struct store_mark mark;
  *shop = (struct shop){.random = 88172645463325252u, .now_us = NOW_US};
  shop->persons = alloc_zero(CUSTOMERS, sizeof *shop->persons);
  must(shop->persons != NULL && names_open(&shop->names, NULL, NULL) == ERR_OK &&
           store_open_memory(&shop->store) == ERR_OK && rule_zone_open_utc(&shop->zone) == ERR_OK &&
           rule_machine_open(&shop->machine, NULL) == ERR_OK && value_parser_open(&shop->parser) == ERR_OK,
       "nothing to measure with");
  store_set_tidy(shop->store, STORE_TIMELINE, timeline_tidy);
  arena_init(&shop->scratch, 0);
  buffer_init(&shop->packed);
  buffer_init(&shop->row);
  for (size_t i = 0; i < TRAITS; i++) shop->traits[i] = name_of(shop, traits[i]);
  must(store_begin(shop->store, &txn) == ERR_OK, "store_begin");
  for (size_t i = 0; i < CUSTOMERS; i++) {
    make_person(shop, txn, i);
    arena_clear(&shop->scratch);
  }
  must(store_commit(txn, &mark, NULL) == ERR_OK, "store_commit");
  define(shop);
}

static void close_shop(struct shop *shop) {
  for (size_t i = 0; i < CUSTOMERS; i++) {
    buffer_release(&shop->persons[i].membership);
    arena_release(&shop->persons[i].arena);
  }
  alloc_free(shop->persons);
  segment_set_close(shop->set);
  buffer_release(&shop->row);
  buffer_release(&shop->packed);
  arena_release(&shop->scratch);
  value_parser_close(shop->parser);
  rule_machine_close(shop->machine);
  rule_zone_close(shop->zone);
  store_close(shop->store);
  names_close(shop->names);
}

static void report(struct shop *shop, const char *what, uint64_t events) {
  printf("%-6s %6llu events: %6.1f evaluations, %5.2f changes, %5.1f entries; %7.0f ns an event, %5.1f ns an "
         "evaluation; answers %016llx, rows %016llx\n",
         what, (unsigned long long)events, (double)shop->evaluated / (double)events,
         (double)shop->changes / (double)events, (double)shop->entries / (double)events,
         (double)shop->cpu_ns / (double)events, (double)shop->cpu_ns / (double)shop->evaluated,
         (unsigned long long)shop->answers, (unsigned long long)shop->rows);
  shop->entries = 0;
  shop->evaluated = shop->changes = 0;
  shop->cpu_ns = 0;
}

int main(int count, char **arguments) {
  static struct shop shop;
  uint64_t slices = SLICES;
  const struct options_row rows[] = {
      {"--slices", "N", "how many times a hundred customers get an event each (150)", .number = &slices}};
  options_take(rows, OPTIONS_COUNT(rows), count, arguments);
  open_shop(&shop);
  for (size_t i = 0; i < CUSTOMERS; i += SLICE) measure_slice(&shop, i, evaluate_all);
  report(&shop, "build", CUSTOMERS);
  for (size_t i = 0; i < slices; i++) {
    size_t first = i * SLICE % CUSTOMERS;
    shop.now_us += CLOCK_SECOND_US;
    write_slice(&shop, first, i * SLICE / CUSTOMERS);
    measure_slice(&shop, first, evaluate_slice);
  }
  report(&shop, "live", slices * SLICE);
  close_shop(&shop);
  return 0;
}
