#include "shop.h"

#include <inttypes.h>
#include <stdlib.h>

#include "customer/record.h"
#include "customer/timeline_row.h"
#include "rule/machine.h"

enum { COMMIT_CUSTOMERS = 500, FIRST_DICTIONARY_ID = 100, STORES = 20, EUR = 5 << 10 | 21 << 5 | 18 };

static const int64_t MINUTE_US = 60000000, DAY_US = INT64_C(86400000000);

const char *const shop_names[SHOP_NAMES] = {"Product Viewed", "Product Added", "Order Completed", "Page Viewed",
                                            "Email Opened",   "Email Clicked", "Cart Viewed",     "Checkout Started"};

static uint64_t next(uint64_t *state) {
  uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ mixed >> 31;
}

static uint32_t some_name(uint64_t random) {
  static const uint8_t shares[SHOP_NAMES] = {40, 14, 9, 15, 8, 4, 6, 4}; // of a hundred
  unsigned at = (unsigned)(random % 100), name = 0;
  while (at >= shares[name]) at -= shares[name++];
  return name + 1;
}

// A total as JSON has it: without zeros at its end.
static void put_total(struct timeline_event *event, uint64_t random) {
  int64_t cents = 300 + (int64_t)(random % 15000);
  unsigned scale = 2;
  if (random >> 32 & 1) cents = cents / 100 * 100 + 99;
  for (event->amount = cents; scale > 0 && event->amount % 10 == 0; scale--) event->amount /= 10;
  event->amount_code = (uint8_t)(RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | scale);
  event->currency = EUR;
}

static void make_event(uint64_t *random, struct timeline_event *event) {
  uint64_t id[2] = {next(random), next(random)}, place = next(random);
  *event = (struct timeline_event){.name = some_name(next(random)), .amount_code = RULE_AMOUNT_NONE};
  memcpy(event->at.event, id, sizeof id);
  if (event->name == SHOP_ORDERED) put_total(event, next(random));
  uint32_t channel = (uint32_t)(place % 3);
  event->dims[1] = RULE_DIM_CONTEXT | (FIRST_DICTIONARY_ID + channel);
  if (channel == 2) event->dims[0] = FIRST_DICTIONARY_ID + 3 + (uint32_t)(place / 3 % STORES);
}

size_t shop_events(uint64_t customer, struct timeline_event *events) {
  uint64_t random = customer * UINT64_C(0x2545f4914f6cdd1d);
  size_t count = 1 + (size_t)(next(&random) % SHOP_EVENTS_MAX);
  int64_t time_us = SHOP_NOW_US - (int64_t)(next(&random) % (uint64_t)(300 * DAY_US));
  for (size_t i = count; i > 0; i--) {
    uint64_t gap = next(&random);
    make_event(&random, &events[i - 1]);
    events[i - 1].at.time_us = time_us / 1000 * 1000;
    int64_t most_us = gap % 10 < 8 ? 10 * MINUTE_US : 40 * DAY_US;
    time_us -= 1000 + (int64_t)(gap / 10 % (uint64_t)most_us);
  }
  return count;
}

static enum err fill_chunk(struct timeline_head *head, struct arena *arena, const struct timeline_event *events,
                           size_t count) {
  struct timeline_chunk *chunk = arena_take_zero(arena, 1, sizeof *chunk);
  struct timeline_name_count *names = arena_take_zero(arena, SHOP_NAMES, sizeof *names);
  if (chunk == NULL || names == NULL) return ERR_NO_MEMORY;
  *chunk = (struct timeline_chunk){.first = true,
                                   .count = (uint32_t)count,
                                   .first_us = events[0].at.time_us,
                                   .last_us = events[count - 1].at.time_us,
                                   .names = names};
  for (uint32_t name = 1; name <= SHOP_NAMES; name++) {
    struct timeline_name_count found = {.name = name};
    for (size_t i = 0; i < count; i++) found.count += events[i].name == name;
    if (found.count > 0) names[chunk->name_count++] = found;
  }
  *head = (struct timeline_head){.count = count, .chunks = chunk, .chunk_count = 1};
  return ERR_OK;
}

static enum err fill_customer(struct store_txn *txn, uint64_t id, struct arena *arena, struct buffer *buffer) {
  struct timeline_event events[SHOP_EVENTS_MAX];
  struct timeline_head head;
  struct customer record;
  struct key key;
  uint8_t row[TIMELINE_ROW_KEY_BYTES + SHOP_EVENTS_MAX * 64];
  size_t count = shop_events(id, events);
  arena_clear(arena);
  customer_init(&record, id);
  buffer_clear(buffer);
  customer_encode(&record, buffer);
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  enum err err = store_put(txn, STORE_CUSTOMER, key_view(&key), buffer_view(buffer));
  if (err == ERR_OK) err = fill_chunk(&head, arena, events, count);
  if (err != ERR_OK) return err;
  buffer_clear(buffer);
  timeline_head_encode(&head, buffer);
  customer_key(id, CUSTOMER_ROW_HEAD, &key);
  err = store_put(txn, STORE_CUSTOMER, key_view(&key), buffer_view(buffer));
  timeline_row_chunk_key(id, &head.chunks[0], &key);
  size_t size = (size_t)(timeline_row_put(events, count, row) - row);
  return err == ERR_OK ? store_put(txn, STORE_TIMELINE, key_view(&key), bytes_of(row, size)) : err;
}

static enum err fill_store(struct store *store, uint64_t count, struct diag *diag) {
  struct arena arena;
  struct buffer buffer;
  struct store_mark mark;
  enum err err = ERR_OK;
  arena_init(&arena, 0);
  buffer_init(&buffer);
  for (uint64_t id = 1; err == ERR_OK && id <= count;) {
    struct store_txn *txn;
    err = store_begin(store, &txn);
    if (err != ERR_OK) break;
    for (int i = 0; err == ERR_OK && i < COMMIT_CUSTOMERS && id <= count; i++)
      err = fill_customer(txn, id++, &arena, &buffer);
    if (err == ERR_OK)
      err = store_commit(txn, &mark, diag);
    else
      store_abort(txn);
  }
  if (err == ERR_OK) err = store_compact(store, STORE_TIMELINE, (struct bytes){NULL, 0}, (struct bytes){NULL, 0}, diag);
  if (err == ERR_OK) err = store_compact(store, STORE_CUSTOMER, (struct bytes){NULL, 0}, (struct bytes){NULL, 0}, diag);
  buffer_release(&buffer);
  arena_release(&arena);
  return err;
}

enum err shop_make(const char *path, uint64_t count, struct diag *diag) {
  struct store_options options = {.path = path, .create = true, .bulk = true};
  struct store *store;
  enum err err = store_open_rocksdb(&store, &options, diag);
  if (err != ERR_OK) return err;
  store_set_tidy(store, STORE_TIMELINE, timeline_tidy);
  err = fill_store(store, count, diag);
  store_close(store);
  return err;
}

static int64_t cents_of(const struct timeline_event *event) {
  int64_t cents = event->amount;
  for (int scale = event->amount_code & 31; scale < 2; scale++) cents *= 10;
  return cents;
}

enum err shop_write_csv(FILE *file, uint64_t count) {
  struct timeline_event events[SHOP_EVENTS_MAX];
  for (uint64_t id = 1; id <= count; id++) {
    size_t found = shop_events(id, events);
    for (size_t i = 0; i < found; i++) {
      const struct timeline_event *event = &events[i];
      fprintf(file, "%" PRIu64 ",%" PRId64 ",%u,", id, event->at.time_us, event->name);
      if (event->amount_code != RULE_AMOUNT_NONE) fprintf(file, "%" PRId64, cents_of(event));
      fprintf(file, ",%u,%u\n", event->dims[1] & 255, event->dims[0]);
    }
  }
  return ferror(file) ? ERR_IO : ERR_OK;
}
