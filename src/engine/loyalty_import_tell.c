// loyalty_import_tell.c: what became of an import, told.
//
// When all is done it is looked up once who each member is by now (merges may have made one of two) and which of her
// codes are left; then the items are told in their order, with totals before them. Invariant: the counts of the report
// are of its items: each is told as what it is counted as.
#include "engine/loyalty_import.h"

#include <stdlib.h>

#include "engine/read.h"

// Those that came later may have made doubles of hers.
static enum err find_codes(struct import *import, struct engine_view *view, struct import_item *item,
                           struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < item->code_count; i++) {
    struct import_code *code = &item->codes[i];
    struct loyalty_code now;
    struct bytes row;
    err = store_snapshot_get(view->snapshot, STORE_VOUCHER, code->code, &import->call.arena, &row);
    if (err == ERR_OK && row.data != NULL) err = loyalty_code_decode(row, code->code, &import->call.arena, &now);
    if (err == ERR_OK && row.data != NULL) code->cancelled = now.state == LOYALTY_CODE_CANCELLED;
  }
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

enum err import_find_final(struct import *import, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(import->call.engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  for (size_t i = 0; err == ERR_OK && i < import->count; i++) {
    char reference[CUSTOMER_ID_TEXT_BYTES];
    struct import_item *item = &import->items[i];
    if (item->status == IMPORT_REFUSED) continue;
    customer_id_format(item->customer, reference);
    err = engine_find(view, bytes_from_text(reference), &item->customer, diag);
    if (err == ERR_NOT_FOUND) err = ERR_OK; // erased meanwhile
    if (err == ERR_OK) err = find_codes(import, view, item, diag);
  }
  engine_view_close(view);
  return err;
}

static int by_customer(const void *a, const void *b) {
  const struct import_item *left = *(struct import_item *const *)a, *right = *(struct import_item *const *)b;
  // In a dry run numbers of new customers are used again by each transaction: with the group they are one.
  if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
  if (left->group != right->group) return left->group < right->group ? -1 : 1;
  return (left > right) - (left < right);
}

static bool is_same(const struct import *import, const struct import_item *a, const struct import_item *b) {
  return a->customer == b->customer && (!import->dry_run || a->there_before || a->group == b->group);
}

enum err import_find_same(struct import *import, struct diag *diag) {
  struct import_item **items = arena_take(&import->call.arena, (import->count + 1) * sizeof(struct import_item *));
  size_t count = 0;
  if (items == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < import->count; i++) {
    import->items[i].same_as = i;
    if (import->items[i].status != IMPORT_REFUSED) items[count++] = &import->items[i];
  }
  if (count > 1) qsort(items, count, sizeof(struct import_item *), by_customer);
  for (size_t i = 1; i < count; i++)
    if (is_same(import, items[i - 1], items[i])) items[i]->same_as = items[i - 1]->same_as;
  return ERR_OK;
}

static const char *const STATUS[] = {"refused", "imported", "corrected", "unchanged"};

static void write_codes(const struct import_item *item, struct json_writer *writer) {
  json_name(writer, "vouchers");
  json_array_begin(writer);
  for (size_t i = 0; i < item->code_count; i++) {
    const struct import_code *code = &item->codes[i];
    json_object_begin(writer);
    json_member_bytes(writer, "code", code->code);
    json_member_bytes(writer, "voucher", code->voucher);
    json_member_text(writer, "state", code->cancelled ? "cancelled" : code->used ? "used" : "kept");
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void write_item(const struct import *import, size_t index, struct json_writer *writer) {
  const struct import_item *item = &import->items[index];
  char customer[CUSTOMER_ID_TEXT_BYTES];
  json_object_begin(writer);
  json_member_u64(writer, "line", index + 1);
  if (item->external.name.size_bytes > 0) json_member_bytes(writer, "programme", item->external.name);
  if (item->external.id.size_bytes > 0) json_member_bytes(writer, "external_id", item->external.id);
  json_member_text(writer, "status", STATUS[item->status]);
  if (item->status == IMPORT_REFUSED) {
    json_member_text(writer, "code", item->diag.code);
    json_member_text(writer, "message", item->diag.message);
    if (item->diag.field[0] != 0) json_member_text(writer, "field", item->diag.field);
  } else {
    customer_id_format(item->customer, customer);
    if (!import->dry_run || item->there_before) json_member_text(writer, "customer", customer);
    if (item->same_as != index) json_member_u64(writer, "same_as", item->same_as + 1);
    if (item->code_count > 0) write_codes(item, writer);
  }
  json_object_end(writer);
}

struct total {
  uint32_t programme;
  uint8_t currency;
  int64_t amount;
};

// What moved, of each currency; a total that is too large is told as large as can be.
static size_t add_totals(const struct import_item *item, struct total *totals, size_t count, size_t room) {
  for (size_t i = 0; i < item->sum_count; i++) {
    size_t at = 0;
    while (at < count &&
           (totals[at].programme != item->external.programme || totals[at].currency != item->sums[i].currency))
      at++;
    if (at == room) continue;
    if (at == count) totals[count++] = (struct total){item->external.programme, item->sums[i].currency, 0};
    if (__builtin_add_overflow(totals[at].amount, item->moved[i], &totals[at].amount)) totals[at].amount = INT64_MAX;
  }
  return count;
}

static void write_points(const struct import *import, struct json_writer *writer) {
  struct total totals[LOYALTY_PROGRAMMES_MAX];
  size_t count = 0;
  for (size_t i = 0; i < import->count; i++)
    if (import->items[i].status != IMPORT_REFUSED)
      count = add_totals(&import->items[i], totals, count, LOYALTY_PROGRAMMES_MAX);
  json_name(writer, "points");
  json_array_begin(writer);
  for (size_t i = 0; i < count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(import->set, totals[i].programme);
    const struct loyalty_currency *currency = loyalty_currency_at(programme, totals[i].currency);
    json_object_begin(writer);
    json_member_bytes(writer, "programme", programme->id);
    json_member_bytes(writer, "currency", currency->id);
    json_member_scaled(writer, "amount", totals[i].amount, currency->scale);
    json_object_end(writer);
  }
  json_array_end(writer);
}

void import_report(const struct import *import, struct json_writer *writer) {
  uint64_t by_status[IMPORT_UNCHANGED + 1] = {0}, there = 0, same = 0, kept = 0, cancelled = 0, used = 0;
  for (size_t i = 0; i < import->count; i++) {
    const struct import_item *item = &import->items[i];
    by_status[item->status]++;
    if (item->status == IMPORT_REFUSED) continue;
    if (item->same_as != i)
      same++;
    else
      there += item->there_before;
    for (size_t j = 0; j < item->code_count; j++) {
      cancelled += item->codes[j].cancelled;
      used += !item->codes[j].cancelled && item->codes[j].used;
      kept += !item->codes[j].cancelled && !item->codes[j].used;
    }
  }
  json_object_begin(writer);
  json_member_bool(writer, "dry_run", import->dry_run);
  json_member_u64(writer, "members", import->count);
  for (size_t i = 0; i <= IMPORT_UNCHANGED; i++) json_member_u64(writer, STATUS[i], by_status[i]);
  json_member_u64(writer, "already_customers", there);
  json_member_u64(writer, "same_people", same);
  write_points(import, writer);
  json_member_u64(writer, "vouchers_kept", kept);
  json_member_u64(writer, "vouchers_used", used);
  json_member_u64(writer, "vouchers_cancelled", cancelled);
  json_name(writer, "items");
  json_array_begin(writer);
  // As in requests: more than one takes are lists of items.
  bool nested = import->count > IMPORT_ITEMS_MAX;
  for (size_t i = 0; i < import->count; i++) {
    if (nested && i % IMPORT_ITEMS_MAX == 0) json_array_begin(writer);
    write_item(import, i, writer);
    if (nested && (i % IMPORT_ITEMS_MAX == IMPORT_ITEMS_MAX - 1 || i + 1 == import->count)) json_array_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}
