// audit.c: rows of DOCUMENT "loyalty_audit", number: varints time (zigzag), customer; then, each with its size, author,
// action, programme, subject, reason, before, after. Numbers ascend in the order of the decisions.
#include "engine/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/varint.h"
#include "customer/record.h"
#include "engine/members.h"
#include "engine/read.h"

#define ROWS "loyalty_audit" // eight bytes at least: a transaction scans what begins alike
enum { CODE_SHOWN = 4, ID_BYTES = 32, LOOKS_MAX = 20000 }; // rows looked at for one page

// --- rows ----------------------------------------------------------------------------------------------------

static void put_bytes(struct buffer *out, struct bytes bytes) {
  uint8_t size[VARINT_BYTES_MAX];
  buffer_append(out, size, (size_t)(varint_put(size, bytes.size_bytes) - size));
  buffer_append_bytes(out, bytes);
}

struct row {
  int64_t at_us;
  struct audit_entry entry;
  struct bytes action;
};

static void encode(const struct row *row, struct buffer *out) {
  uint8_t head[2 * VARINT_BYTES_MAX], *at = varint_put_signed(head, row->at_us);
  const struct audit_entry *entry = &row->entry;
  const struct bytes texts[] = {entry->author, row->action,   entry->programme, entry->subject,
                                entry->reason, entry->before, entry->after};
  at = varint_put(at, entry->customer);
  buffer_append(out, head, (size_t)(at - head));
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) put_bytes(out, texts[i]);
}

// Views into the row.
static enum err decode(struct bytes bytes, struct row *row) {
  struct varint_reader reader = varint_reader_of(bytes);
  struct audit_entry *entry = &row->entry;
  *row = (struct row){.at_us = varint_read_signed(&reader)};
  entry->customer = varint_read(&reader);
  struct bytes *const texts[] = {&entry->author, &row->action,   &entry->programme, &entry->subject,
                                 &entry->reason, &entry->before, &entry->after};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) *texts[i] = varint_read_bytes(&reader);
  return reader.failed ? ERR_CORRUPT : ERR_OK;
}

static enum err write_row(struct store_txn *txn, struct bytes key, const struct row *row, struct diag *diag) {
  struct buffer out;
  buffer_init(&out);
  encode(row, &out);
  enum err err = out.failed ? diag_no_memory(diag) : store_put(txn, STORE_DOCUMENT, key, buffer_view(&out));
  buffer_release(&out);
  return err;
}

enum err audit_put(struct engine *engine, struct store_txn *txn, int64_t now_us, const struct audit_entry *entry,
                   struct diag *diag) {
  struct row row = {.at_us = now_us, .entry = *entry, .action = bytes_from_text(entry->action)};
  struct key key;
  uint64_t number;
  enum err err = engine_next(engine, &engine->decisions, &number, diag);
  if (err != ERR_OK) return err;
  engine_number_key(&key, ROWS, number);
  return write_row(txn, key_view(&key), &row, diag);
}

enum err audit_run(struct engine *engine, store_body_fn *body, void *context, const struct audit_entry *entry,
                   struct engine_commit *commit, struct diag *diag) {
  bool changes = entry->author.size_bytes > 0 && !bytes_equal(entry->before, entry->after);
  commit->entry = changes ? entry : NULL;
  enum err err = engine_run(engine, body, context, commit, diag);
  commit->entry = NULL;
  return err;
}

// --- sides ---------------------------------------------------------------------------------------------------

struct json_writer *audit_side_begin(struct audit_side *side) {
  buffer_init(&side->out);
  json_writer_init(&side->writer, &side->out);
  json_object_begin(&side->writer);
  return &side->writer;
}

enum err audit_side_end(struct audit_side *side, struct arena *arena, struct bytes *text) {
  json_object_end(&side->writer);
  *text = (struct bytes){NULL, 0};
  if (!side->out.failed) *text = arena_copy(arena, buffer_view(&side->out));
  buffer_release(&side->out);
  return text->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// Short codes show less: never more than a third of them.
struct bytes audit_code(struct bytes code, char text[AUDIT_CODE_BYTES]) {
  size_t shown = code.size_bytes / 3 < CODE_SHOWN ? code.size_bytes / 3 : CODE_SHOWN;
  int size = snprintf(text, AUDIT_CODE_BYTES, "…%.*s", (int)shown, (const char *)code.data + (code.size_bytes - shown));
  return bytes_of(text, (size_t)size);
}

// --- forgetting ----------------------------------------------------------------------------------------------

static bool is_among(uint64_t customer, const uint64_t *customers, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (customers[i] == customer) return true;
  return false;
}

struct kept_row {
  struct kept_row *next;
  struct bytes key;
  struct row row;
};

// Keeps a row that is to be written without what was said in it.
static enum err keep_row(struct bytes key, struct bytes bytes, struct arena *arena, struct kept_row **rows) {
  struct kept_row *kept = arena_take_zero(arena, 1, sizeof *kept);
  struct bytes own = arena_copy(arena, bytes);
  if (kept == NULL || own.data == NULL) return ERR_NO_MEMORY;
  kept->key = arena_copy(arena, key);
  if (kept->key.data == NULL || decode(own, &kept->row) != ERR_OK) return ERR_NO_MEMORY;
  kept->row.entry.reason = BYTES("");
  kept->next = *rows;
  *rows = kept;
  return ERR_OK;
}

static enum err find_rows(struct store_cursor *cursor, const uint64_t *customers, size_t count, struct arena *arena,
                          struct kept_row **rows, struct diag *diag) {
  struct bytes key, bytes;
  struct row row;
  while (store_cursor_next(cursor, &key, &bytes)) {
    if (decode(bytes, &row) != ERR_OK)
      return diag_set(diag, ERR_CORRUPT, "corrupt", "a row of the audit cannot be read");
    if (row.entry.reason.size_bytes == 0 || !is_among(row.entry.customer, customers, count)) continue;
    if (keep_row(key, bytes, arena, rows) != ERR_OK) return diag_no_memory(diag);
  }
  return store_cursor_error(cursor);
}

enum err audit_forget(struct store_txn *txn, const uint64_t *customers, size_t count, struct arena *arena,
                      struct diag *diag) {
  struct kept_row *rows = NULL;
  struct store_cursor *cursor;
  struct key from, to;
  engine_number_key(&from, ROWS, 0);
  engine_number_key(&to, ROWS, UINT64_MAX);
  enum err err = store_scan(txn, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  err = find_rows(cursor, customers, count, arena, &rows, diag);
  store_cursor_close(cursor);
  for (; err == ERR_OK && rows != NULL; rows = rows->next) err = write_row(txn, rows->key, &rows->row, diag);
  return err;
}

// --- telling -------------------------------------------------------------------------------------------------

static enum err read_after(struct bytes after, uint64_t *number, struct diag *diag) {
  *number = UINT64_MAX;
  if (after.size_bytes == 0) return ERR_OK;
  if (after.data[0] == 'u' && bytes_to_u64(bytes_of(after.data + 1, after.size_bytes - 1), number) == ERR_OK)
    return ERR_OK;
  diag_set(diag, ERR_INVALID, "bad_cursor", "this is not where a page ended; give \"next\" of the page before");
  diag_in_field(diag, "after");
  return ERR_INVALID;
}

static void write_id(struct json_writer *writer, const char *name, uint64_t number) {
  char text[ID_BYTES];
  snprintf(text, sizeof text, "u%" PRIu64, number);
  json_member_text(writer, name, text);
}

static void write_text(struct json_writer *writer, const char *name, struct bytes text) {
  if (text.size_bytes > 0) json_member_bytes(writer, name, text);
}

static void write_side(struct json_writer *writer, const char *name, struct bytes json) {
  json_name(writer, name);
  if (json.size_bytes > 0)
    json_raw(writer, json);
  else
    json_null(writer);
}

static void write_entry(struct json_writer *writer, uint64_t number, const struct row *row) {
  const struct audit_entry *entry = &row->entry;
  char customer[CUSTOMER_ID_TEXT_BYTES];
  json_object_begin(writer);
  write_id(writer, "id", number);
  json_member_time(writer, "at", row->at_us);
  json_member_bytes(writer, "author", entry->author);
  json_member_bytes(writer, "action", row->action);
  write_text(writer, "programme", entry->programme);
  if (entry->customer != 0) {
    customer_id_format(entry->customer, customer);
    json_member_text(writer, "customer", customer);
  }
  write_text(writer, "subject", entry->subject);
  write_text(writer, "reason", entry->reason);
  write_side(writer, "before", entry->before);
  write_side(writer, "after", entry->after);
  json_object_end(writer);
}

// Also what was changed of somebody who became her since.
static bool is_of(struct engine_view *view, uint64_t then, uint64_t customer) {
  char reference[CUSTOMER_ID_TEXT_BYTES];
  uint64_t now;
  if (then == 0 || then == customer) return then == customer;
  customer_id_format(then, reference);
  return engine_find(view, bytes_from_text(reference), &now, NULL) == ERR_OK && now == customer;
}

// Every action of loyalty begins with what it is of; these are the others.
static bool is_loyalty(struct bytes action) {
  static const char *const others[] = {"segment.", "score.", "appetence.", "settings.",
                                       "rules.",   "key.",   "source.",    "workspace."};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (bytes_starts_with(action, bytes_from_text(others[i]))) return false;
  return true;
}

static bool is_wanted(struct engine_view *view, const struct row *row, const struct engine_audit_query *query) {
  if (query->loyalty && !is_loyalty(row->action)) return false;
  if (query->subject.size_bytes > 0 && !bytes_equal(row->entry.subject, query->subject)) return false;
  if (query->customer != 0 && !is_of(view, row->entry.customer, query->customer)) return false;
  if (query->author.size_bytes > 0 && !bytes_equal(row->entry.author, query->author)) return false;
  return query->action.size_bytes == 0 || bytes_equal(row->action, query->action);
}

struct page {
  const struct engine_audit_query *query;
  size_t looks, count;
  uint64_t last; // that was looked at
  bool more;
};

static enum err write_page(struct engine_view *view, struct store_cursor *cursor, struct page *page,
                           struct json_writer *writer) {
  struct bytes key, bytes;
  struct row row;
  while (store_cursor_previous(cursor, &key, &bytes)) {
    page->more = page->count == page->query->limit || page->looks == LOOKS_MAX;
    if (page->more) return ERR_OK;
    if (decode(bytes, &row) != ERR_OK) return ERR_CORRUPT;
    page->looks++;
    page->last = key_read_u64(key.data + key.size_bytes - sizeof(uint64_t));
    if (!is_wanted(view, &row, page->query)) continue;
    write_entry(writer, page->last, &row);
    page->count++;
  }
  return store_cursor_error(cursor);
}

enum err engine_audit_json(struct engine_view *view, const struct engine_audit_query *query, struct json_writer *writer,
                           struct diag *diag) {
  struct page page = {.query = query};
  struct store_cursor *cursor;
  struct key from, to;
  uint64_t before;
  enum err err = read_after(query->after, &before, diag);
  if (err != ERR_OK) return err;
  engine_number_key(&from, ROWS, 0);
  engine_number_key(&to, ROWS, before);
  err = store_snapshot_scan(view->snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  err = write_page(view, cursor, &page, writer);
  store_cursor_close(cursor);
  json_array_end(writer);
  if (page.more) write_id(writer, "next", page.last);
  if (!page.more) write_side(writer, "next", BYTES(""));
  json_object_end(writer);
  if (err == ERR_CORRUPT) return diag_set(diag, err, "corrupt", "a row of the audit cannot be read");
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}
