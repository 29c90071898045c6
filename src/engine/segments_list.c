// segments_list.c: static lists: customers put on and taken off by hand.
//
// A list is a question without an expression: the entry in the memberships is all there is of it. Customers are found
// by what identifies them, then changed LIMIT_TXN_CUSTOMERS a commit; a reference that names nobody is told back.
#include "engine/segments.h"

#include <stdlib.h>

struct listing {
  struct engine *engine;
  const struct bytes *references;
  size_t count;
  uint64_t *customers;
  size_t customer_count;
};

static int by_id(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

// Those that name nobody are written into the array that is open.
static enum err find_customers(struct listing *listing, struct json_writer *writer, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(listing->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  for (size_t i = 0; err == ERR_OK && i < listing->count; i++) {
    uint64_t customer;
    err = engine_find(view, listing->references[i], &customer, diag);
    if (err == ERR_OK) listing->customers[listing->customer_count++] = customer;
    if (err == ERR_NOT_FOUND || err == ERR_INVALID) {
      json_bytes(writer, listing->references[i]);
      err = ERR_OK;
    }
  }
  engine_view_close(view);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

static void drop_repeats(struct listing *listing) {
  size_t kept = 0;
  if (listing->customer_count > 0)
    qsort(listing->customers, listing->customer_count, sizeof *listing->customers, by_id);
  for (size_t i = 0; i < listing->customer_count; i++)
    if (kept == 0 || listing->customers[kept - 1] != listing->customers[i])
      listing->customers[kept++] = listing->customers[i];
  listing->customer_count = kept;
}

static enum err change(const struct listing *listing, const struct live_request *request, struct store_mark *mark,
                       struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < listing->customer_count; i += LIMIT_TXN_CUSTOMERS) {
    size_t rest = listing->customer_count - i;
    struct work_plan plan = {.customers = listing->customers + i,
                             .customer_count = rest < LIMIT_TXN_CUSTOMERS ? rest : LIMIT_TXN_CUSTOMERS,
                             .live = request};
    err = work_run(listing->engine, &plan, live_nothing, NULL, mark, diag);
  }
  return err;
}

static enum err find_list(struct engine *engine, struct bytes id, uint32_t *question, struct diag *diag) {
  enum err err = ERR_OK;
  const struct segment_set *set = live_set(engine);
  const struct segment_definition *list = segments_find(set, id);
  if (list == NULL)
    err = segments_no_such(set, id, diag);
  else if (list->kind != SEGMENT_LIST)
    err = diag_set(diag, ERR_INVALID, "not_a_list", "\"%.*s\" has an expression, which alone says who is in it",
                   (int)id.size_bytes, id.data);
  else
    *question = list->question;
  if (set != NULL) segment_set_close(set);
  return err;
}

enum err engine_list_change(struct engine *engine, struct bytes id, const struct bytes *references, size_t count,
                            bool listed, struct json_writer *writer, struct store_mark *mark, struct diag *diag) {
  struct live_request request = {.listed = listed};
  struct listing listing = {.engine = engine, .references = references, .count = count};
  enum err err = find_list(engine, id, &request.list, diag);
  if (err != ERR_OK) return err;
  listing.customers = alloc_get((count + 1) * sizeof *listing.customers);
  if (listing.customers == NULL) return diag_no_memory(diag);
  json_object_begin(writer);
  json_name(writer, "not_found");
  json_array_begin(writer);
  err = find_customers(&listing, writer, diag);
  json_array_end(writer);
  drop_repeats(&listing);
  *mark = store_mark_now(engine->store);
  if (err == ERR_OK) err = change(&listing, &request, mark, diag);
  json_member_u64(writer, "customers", listing.customer_count);
  json_object_end(writer);
  alloc_free(listing.customers);
  return err;
}
