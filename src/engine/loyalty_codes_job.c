// loyalty_codes_job.c: codes by the million, made by a job that may be killed at any instant.
//
// The n-th draw of a batch follows from its secret and n alone (loyalty_code_derive). A transaction makes CHUNK codes
// and moves the batch's row on, so that what is made and how far it is are one commit: after a kill the next chunk is
// drawn as if nothing had happened, and no code is made twice or left out. Which codes a batch has need not be written
// down either: a download draws them again. Only the numbers of draws that gave nothing, because there was such a code
// already, are kept, with the chunk; of codes of twelve characters there are none in a lifetime.
//
// Rows of DOCUMENT: "codes", batch: the batch. "codes_running", batch: it is to be worked at; whoever looks what is due
// reads nothing else. "codes_skipped", batch, first draw of a chunk: numbers of draws that gave nothing, each as its
// distance from the one before (a varint).
// Invariants: made = drawn - skipped <= count; a code is drawn once in a batch. Rows are changed under upkeep_mutex.
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/csv.h"
#include "base/varint.h"
#include "engine/loyalty_request.h"

enum {
  CHUNK = 4096,
  DRAWS_PER_CODE = 4, // more, and nearly all codes of this length are there
  LISTED = 100,
  SECRET_TEXT_BYTES = 2 * LOYALTY_CODE_SECRET_BYTES + 1,
  ID_BYTES = 24,
};

enum status { RUNNING, STOPPED, DONE, FAILED, STATUS_COUNT };
static const char *const STATUS_NAMES[] = {"running", "stopped", "done", "failed"};

struct batch {
  uint64_t number;
  enum status status;
  uint8_t secret[LOYALTY_CODE_SECRET_BYTES];
  struct bytes voucher_id, prefix, author, error, detail;    // in the arena
  int64_t voucher, length, count, drawn, made, to_us, value; // to_us 0: as the voucher says
  int64_t started_us, ended_us;
};

static enum err no_batch(struct diag *diag) {
  return diag_set(diag, ERR_NOT_FOUND, "no_batch", "there is no batch with this id");
}

// "b17"
static bool parse_id(struct bytes id, uint64_t *number) {
  return id.size_bytes >= 2 && id.data[0] == 'b' &&
         bytes_to_u64(bytes_of(id.data + 1, id.size_bytes - 1), number) == ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

struct number {
  const char *name;
  size_t offset;
};
static const struct number NUMBERS[] = {
    {"voucher", offsetof(struct batch, voucher)},   {"length", offsetof(struct batch, length)},
    {"count", offsetof(struct batch, count)},       {"drawn", offsetof(struct batch, drawn)},
    {"made", offsetof(struct batch, made)},         {"to", offsetof(struct batch, to_us)},
    {"value", offsetof(struct batch, value)},       {"started_us", offsetof(struct batch, started_us)},
    {"ended_us", offsetof(struct batch, ended_us)},
};
static const struct number TEXTS[] = {
    {"voucher_id", offsetof(struct batch, voucher_id)}, {"prefix", offsetof(struct batch, prefix)},
    {"author", offsetof(struct batch, author)},         {"error", offsetof(struct batch, error)},
    {"detail", offsetof(struct batch, detail)},
};
enum { NUMBER_COUNT = sizeof NUMBERS / sizeof *NUMBERS, TEXT_COUNT = sizeof TEXTS / sizeof *TEXTS };

static enum err pack(struct engine *engine, const struct batch *batch, struct buffer *row) {
  struct value_builder builder;
  char secret[SECRET_TEXT_BYTES];
  bytes_to_hex(bytes_of(batch->secret, sizeof batch->secret), secret);
  buffer_clear(row);
  value_builder_init(&builder, row, engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "status", bytes_from_text(STATUS_NAMES[batch->status]));
  engine_put_text(&builder, "secret", bytes_from_text(secret));
  for (int i = 0; i < TEXT_COUNT; i++) {
    const struct bytes *text = (const void *)((const char *)batch + TEXTS[i].offset);
    if (text->size_bytes > 0) engine_put_text(&builder, TEXTS[i].name, *text);
  }
  for (int i = 0; i < NUMBER_COUNT; i++) {
    int64_t number;
    memcpy(&number, (const char *)batch + NUMBERS[i].offset, sizeof number);
    engine_put_i64(&builder, NUMBERS[i].name, number);
  }
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

static bool read_secret(struct bytes text, uint8_t secret[LOYALTY_CODE_SECRET_BYTES]) {
  size_t size;
  return sodium_hex2bin(secret, LOYALTY_CODE_SECRET_BYTES, (const char *)text.data, text.size_bytes, NULL, &size,
                        NULL) == 0 &&
         size == LOYALTY_CODE_SECRET_BYTES;
}

// Views into the row.
static enum err read_row(const struct engine *engine, uint64_t number, struct bytes row, struct batch *batch) {
  struct value document = {row};
  struct bytes status = engine_member_text(engine, document, "status");
  *batch = (struct batch){.number = number, .status = STATUS_COUNT};
  for (int i = 0; i < STATUS_COUNT; i++)
    if (bytes_equal(status, bytes_from_text(STATUS_NAMES[i]))) batch->status = (enum status)i;
  for (int i = 0; i < TEXT_COUNT; i++)
    *(struct bytes *)(void *)((char *)batch + TEXTS[i].offset) = engine_member_text(engine, document, TEXTS[i].name);
  for (int i = 0; i < NUMBER_COUNT; i++) {
    int64_t whole = engine_member_i64(engine, document, NUMBERS[i].name);
    memcpy((char *)batch + NUMBERS[i].offset, &whole, sizeof whole);
  }
  bool good = batch->status != STATUS_COUNT && batch->length > 0 && batch->drawn >= 0 && batch->made >= 0 &&
              read_secret(engine_member_text(engine, document, "secret"), batch->secret) &&
              batch->prefix.size_bytes + (size_t)batch->length < LOYALTY_CODE_BYTES;
  return good ? ERR_OK : ERR_CORRUPT;
}

static enum err load(const struct engine *engine, struct store_snapshot *snapshot, uint64_t number, struct arena *arena,
                     struct batch *batch, struct diag *diag) {
  struct bytes row;
  struct key key;
  engine_number_key(&key, "codes", number);
  enum err err = store_snapshot_get(snapshot, STORE_DOCUMENT, key_view(&key), arena, &row);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  if (row.data == NULL) return no_batch(diag);
  if (read_row(engine, number, row, batch) == ERR_OK) return ERR_OK;
  return diag_set(diag, ERR_CORRUPT, "corrupt", "batch b%" PRIu64 " cannot be read; run `rapport check`", number);
}

static enum err load_now(struct engine *engine, uint64_t number, struct arena *arena, struct batch *batch,
                         struct diag *diag) {
  struct store_snapshot *snapshot;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = load(engine, snapshot, number, arena, batch, diag);
  store_snapshot_close(snapshot);
  return err;
}

// The batch's row, and whether it is among those that run.
static enum err put_batch(struct engine *engine, struct store_txn *txn, const struct batch *batch,
                          struct buffer *scratch, struct diag *diag) {
  struct key key, running;
  engine_number_key(&key, "codes", batch->number);
  engine_number_key(&running, "codes_running", batch->number);
  enum err err = pack(engine, batch, scratch);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err == ERR_OK) err = store_put(txn, STORE_DOCUMENT, key_view(&key), buffer_view(scratch));
  if (err != ERR_OK) return err;
  return batch->status == RUNNING ? store_put(txn, STORE_DOCUMENT, key_view(&running), BYTES("1"))
                                  : store_delete(txn, STORE_DOCUMENT, key_view(&running));
}

// --- telling -------------------------------------------------------------------------------------------------

static void write_batch(const struct batch *batch, struct json_writer *writer) {
  char id[ID_BYTES];
  snprintf(id, sizeof id, "b%" PRIu64, batch->number);
  json_object_begin(writer);
  json_member_text(writer, "id", id);
  json_member_bytes(writer, "voucher", batch->voucher_id);
  json_member_text(writer, "status", STATUS_NAMES[batch->status]);
  json_name(writer, "progress");
  json_object_begin(writer);
  json_member_i64(writer, "done", batch->made);
  json_member_i64(writer, "total", batch->count);
  json_object_end(writer);
  json_member_bytes(writer, "author", batch->author);
  json_member_time(writer, "started_at", batch->started_us);
  json_name(writer, "ended_at");
  if (batch->ended_us == 0) json_null(writer);
  if (batch->ended_us != 0) json_time(writer, batch->ended_us);
  if (batch->to_us != 0) json_member_time(writer, "valid_to", batch->to_us);
  if (batch->value != 0) json_member_scaled(writer, "value", batch->value, 2);
  json_name(writer, "error");
  if (batch->status != FAILED) json_null(writer);
  if (batch->status == FAILED) {
    json_object_begin(writer);
    json_member_bytes(writer, "code", batch->error);
    json_member_bytes(writer, "detail", batch->detail);
    json_object_end(writer);
  }
  json_object_end(writer);
}

enum err engine_batch_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag) {
  struct batch batch;
  struct arena arena;
  uint64_t number;
  if (!parse_id(id, &number)) return no_batch(diag);
  arena_init(&arena, 0);
  enum err err = load_now(engine, number, &arena, &batch, diag);
  if (err == ERR_OK) write_batch(&batch, writer);
  arena_release(&arena);
  return err;
}

enum err engine_batches_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  engine_number_key(&from, "codes", 0);
  engine_number_key(&to, "codes", UINT64_MAX);
  err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (int i = 0; err == ERR_OK && i < LISTED && store_cursor_previous(cursor, &key, &row); i++) {
    struct batch batch;
    if (read_row(engine, key_read_u64(key.data + key.size_bytes - sizeof(uint64_t)), row, &batch) == ERR_OK)
      write_batch(&batch, writer);
  }
  json_array_end(writer);
  json_object_end(writer);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  if (cursor != NULL) store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

// --- beginning, stopping, going on ---------------------------------------------------------------------------

struct change {
  struct engine *engine;
  struct batch batch;
  bool changed;
  struct json_writer *writer;
  struct buffer scratch;
};

static enum err change_body(struct store_txn *txn, void *context, struct diag *diag) {
  struct change *change = context;
  struct buffer *out = change->writer->out;
  buffer_clear(out);
  json_writer_init(change->writer, out);
  write_batch(&change->batch, change->writer);
  if (out->failed) return diag_no_memory(diag);
  return change->changed ? put_batch(change->engine, txn, &change->batch, &change->scratch, diag) : ERR_OK;
}

static enum err run_change(struct change *change, struct engine_commit *commit, struct diag *diag) {
  buffer_init(&change->scratch);
  enum err err = engine_run(change->engine, change_body, change, commit, diag);
  buffer_release(&change->scratch);
  return err;
}

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static bool has(const struct member_call *call, const char *name) {
  return !value_is_absent(value_member(call->request, call->engine->names, bytes_from_text(name)));
}

static enum err read_count(struct member_call *call, int64_t *count, struct diag *diag) {
  struct value member = value_member(call->request, call->engine->names, BYTES("count"));
  struct decimal number;
  if (value_is_absent(member)) return bad("count", "missing_member", "said", diag);
  if (!value_as_number(member, &number) || decimal_to_scaled_i64(number, 0, count) != ERR_OK || *count < 1 ||
      *count > ENGINE_BATCH_CODES_MAX)
    return bad("count", "out_of_range", "a number from 1 to 10000000", diag);
  return ERR_OK;
}

static enum err refuse(const char *code, const char *field, struct diag *diag) {
  diag_set(diag, ERR_DENIED, code, "%s", loyalty_refusal_words(code));
  diag_in_field(diag, "%s", field);
  return ERR_DENIED;
}

static enum err check_voucher(const struct loyalty_voucher *voucher, struct batch *batch, struct diag *diag) {
  if (voucher == NULL) {
    diag_set(diag, ERR_NOT_FOUND, "no_voucher", "there is no voucher \"%.*s\"", BYTES_ARG(batch->voucher_id));
    diag_in_field(diag, "voucher");
    return ERR_NOT_FOUND;
  }
  if (voucher->archived) return refuse("CouponPartOfNotRunningCampaign", "voucher", diag);
  if (batch->value > 0 && voucher->discount.kind != LOYALTY_CREDIT) return refuse("not_a_card", "value", diag);
  batch->voucher = voucher->number;
  batch->prefix = voucher->prefix;
  batch->length = voucher->code_length == 0 ? LOYALTY_CODE_LENGTH : voucher->code_length;
  return ERR_OK;
}

static enum err read_request(struct member_call *call, const struct loyalty_set *set, struct batch *batch,
                             struct diag *diag) {
  struct loyalty_span span;
  struct bytes to;
  enum err err = member_call_text(call, "voucher", true, &batch->voucher_id, diag);
  if (err == ERR_OK) err = member_call_text(call, "valid_to", false, &to, diag);
  if (err == ERR_OK) err = read_count(call, &batch->count, diag);
  if (err == ERR_OK && has(call, "value")) err = member_call_amount(call, "value", 2, false, &batch->value, diag);
  if (err != ERR_OK) return err;
  const struct loyalty_voucher *voucher = set == NULL ? NULL : loyalty_set_voucher_find(set, batch->voucher_id);
  err = check_voucher(voucher, batch, diag);
  if (err == ERR_OK) err = loyalty_code_end_read(set, voucher, to, &span, diag);
  if (err == ERR_OK) batch->to_us = span.to_us;
  return err;
}

static void wake(const struct engine *engine) {
  if (engine->wake != NULL) engine->wake(engine->wake_context);
}

enum err engine_batch_start(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct change change = {.engine = engine, .writer = writer, .changed = true};
  struct batch *batch = &change.batch;
  struct member_call call;
  enum err err = engine_check_words("author", caller->author, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  const struct loyalty_set *set = loyalty_hold(engine);
  member_call_open(&call, engine, caller, request, writer);
  batch->author = caller->author;
  batch->started_us = clock_now_us(engine->clock);
  randombytes_buf(batch->secret, sizeof batch->secret);
  err = read_request(&call, set, batch, diag);
  if (err == ERR_OK) err = engine_next(engine, &engine->decisions, &batch->number, diag);
  if (err == ERR_OK) err = run_change(&change, commit, diag);
  member_call_close(&call);
  if (set != NULL) loyalty_set_close(set);
  explicit_bzero(batch->secret, sizeof batch->secret);
  if (err == ERR_OK) wake(engine);
  return err;
}

// A batch that failed may go on, too: its voucher may be in force again.
static bool moves(const struct batch *batch, enum status to) {
  return to == RUNNING ? batch->status == STOPPED || batch->status == FAILED : batch->status == RUNNING;
}

static enum err move(struct engine *engine, struct bytes id, enum status to, struct json_writer *writer,
                     struct engine_commit *commit, struct diag *diag) {
  struct change change = {.engine = engine, .writer = writer};
  struct arena arena;
  uint64_t number;
  if (!parse_id(id, &number)) return no_batch(diag);
  arena_init(&arena, 0);
  pthread_mutex_lock(&engine->upkeep_mutex);
  enum err err = load_now(engine, number, &arena, &change.batch, diag);
  change.changed = err == ERR_OK && moves(&change.batch, to);
  if (change.changed) change.batch.status = to;
  if (change.changed) change.batch.ended_us = to == RUNNING ? 0 : clock_now_us(engine->clock);
  if (err == ERR_OK) err = run_change(&change, commit, diag);
  pthread_mutex_unlock(&engine->upkeep_mutex);
  arena_release(&arena);
  if (err == ERR_OK && to == RUNNING) wake(engine);
  return err;
}

enum err engine_batch_stop(struct engine *engine, struct bytes id, struct json_writer *writer,
                           struct engine_commit *commit, struct diag *diag) {
  return move(engine, id, STOPPED, writer, commit, diag);
}

enum err engine_batch_resume(struct engine *engine, struct bytes id, struct json_writer *writer,
                             struct engine_commit *commit, struct diag *diag) {
  return move(engine, id, RUNNING, writer, commit, diag);
}

// --- one chunk -----------------------------------------------------------------------------------------------

struct chunk {
  struct engine *engine;
  struct batch batch; // as it will be
  const struct batch *before;
  size_t count; // draws
};

static enum err draw(struct work *work, const struct batch *batch, struct bytes *codes, size_t count) {
  char text[LOYALTY_CODE_BYTES + 1];
  for (size_t i = 0; i < count; i++) {
    loyalty_code_derive(batch->prefix, (size_t)batch->length, batch->secret, (uint64_t)batch->drawn + i, text);
    codes[i] = arena_copy(work->arena, bytes_from_text(text));
    if (codes[i].data == NULL) return diag_no_memory(work->diag);
  }
  return ERR_OK;
}

static enum err put_skipped(struct work *work, const struct batch *before, const struct buffer *skipped) {
  struct key key;
  if (skipped->failed) return diag_no_memory(work->diag);
  if (skipped->size_bytes == 0) return ERR_OK;
  engine_number_key(&key, "codes_skipped", before->number);
  key_put_u64(&key, (uint64_t)before->drawn);
  return store_put(work->txn, STORE_DOCUMENT, key_view(&key), buffer_view(skipped));
}

static enum err issue(struct work *work, struct chunk *chunk, const struct loyalty_voucher *voucher,
                      const struct bytes *codes, struct buffer *skipped) {
  struct batch *batch = &chunk->batch;
  size_t last = 0;
  for (size_t i = 0; i < chunk->count; i++) {
    struct loyalty_held_code *held = loyalty_code_of(work, codes[i]);
    if (held->there) {
      uint8_t distance[VARINT_BYTES_MAX], *end = varint_put(distance, i - last);
      buffer_append(skipped, distance, (size_t)(end - distance));
      last = i;
      continue;
    }
    struct loyalty_code code = {
        .code = codes[i], .balance = batch->value, .value = batch->value, .paid = batch->value > 0};
    if (batch->to_us != 0) code.span = (struct loyalty_span){INT64_MIN, batch->to_us};
    enum err err = loyalty_code_issue(work, NULL, voucher, &code);
    if (err != ERR_OK) return err;
    held->there = true; // drawn twice, it is one
    batch->made++;
  }
  batch->drawn += (int64_t)chunk->count;
  return ERR_OK;
}

static enum err make_codes(struct work *work, struct chunk *chunk, const struct loyalty_voucher *voucher,
                           struct buffer *skipped) {
  struct bytes *codes = arena_take(work->arena, chunk->count * sizeof *codes);
  if (codes == NULL) return diag_no_memory(work->diag);
  enum err err = draw(work, chunk->before, codes, chunk->count);
  if (err == ERR_OK) err = loyalty_codes_lock(work, codes, chunk->count, NULL, 0);
  if (err == ERR_OK) err = issue(work, chunk, voucher, codes, skipped);
  return err == ERR_OK ? put_skipped(work, chunk->before, skipped) : err;
}

static enum err chunk_body(struct work *work, void *context) {
  struct chunk *chunk = context;
  struct buffer skipped;
  chunk->batch = *chunk->before;
  const struct loyalty_voucher *voucher =
      work->loyalty == NULL ? NULL : loyalty_set_voucher(work->loyalty, (uint32_t)chunk->before->voucher);
  if (voucher == NULL || voucher->archived) return refuse("CouponPartOfNotRunningCampaign", "voucher", work->diag);
  if (chunk->before->drawn / DRAWS_PER_CODE > chunk->before->count)
    return diag_set(work->diag, ERR_LIMIT, "too_many", "nearly all codes of this length were given: make them longer");
  buffer_init(&skipped);
  enum err err = make_codes(work, chunk, voucher, &skipped);
  buffer_release(&skipped);
  if (err != ERR_OK) return err;
  if (chunk->batch.made == chunk->batch.count) {
    chunk->batch.status = DONE;
    chunk->batch.ended_us = work->now_us;
  }
  return put_batch(work->engine, work->txn, &chunk->batch, work->buffer, work->diag);
}

static enum err fail_body(struct store_txn *txn, void *context, struct diag *diag) {
  struct change *change = context;
  return put_batch(change->engine, txn, &change->batch, &change->scratch, diag);
}

// What the rules say ends it; a full disk or short memory does not: it is tried again.
static enum err give_up(struct engine *engine, const struct batch *batch, enum err err, const struct diag *why,
                        struct diag *diag) {
  struct change change = {.engine = engine, .batch = *batch};
  struct store_mark mark;
  if (err != ERR_DENIED && err != ERR_LIMIT && err != ERR_INVALID && err != ERR_NOT_FOUND) {
    *diag = *why;
    return err;
  }
  change.batch.status = FAILED;
  change.batch.ended_us = clock_now_us(engine->clock);
  change.batch.error = bytes_from_text(why->code);
  change.batch.detail = bytes_from_text(why->message);
  buffer_init(&change.scratch);
  err = store_run(engine->store, fail_body, &change, &mark, diag);
  buffer_release(&change.scratch);
  return err;
}

static enum err work_chunk(struct engine *engine, const struct batch *batch, struct diag *diag) {
  int64_t left = batch->count - batch->made;
  struct chunk chunk = {.engine = engine, .before = batch, .count = left < CHUNK ? (size_t)left : CHUNK};
  const struct work_plan plan = {.customers = NULL};
  struct store_mark mark;
  struct diag why;
  diag_init(&why);
  enum err err = work_run(engine, &plan, chunk_body, &chunk, &mark, &why);
  return err == ERR_OK ? ERR_OK : give_up(engine, batch, err, &why, diag);
}

// --- the job -------------------------------------------------------------------------------------------------

// The oldest that is to be worked at; 0: none.
static enum err next_running(struct store_snapshot *snapshot, uint64_t *number) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  *number = 0;
  engine_number_key(&from, "codes_running", 0);
  engine_number_key(&to, "codes_running", UINT64_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_next(cursor, &key, &row)) *number = key_read_u64(key.data + key.size_bytes - sizeof *number);
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err step(struct engine *engine, bool *more, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct batch batch;
  struct arena arena;
  uint64_t number;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  err = next_running(snapshot, &number);
  *more = err == ERR_OK && number != 0;
  if (*more) err = load(engine, snapshot, number, &arena, &batch, diag);
  store_snapshot_close(snapshot);
  if (err == ERR_OK && *more) err = work_chunk(engine, &batch, diag);
  arena_release(&arena);
  return err;
}

enum err codes_job_tick(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag) {
  int64_t until_us = clock_monotonic_us() + budget_us;
  enum err err;
  *more = true;
  do err = step(engine, more, diag); // at least one: a job that is never in time still comes to its end
  while (err == ERR_OK && *more && clock_monotonic_us() < until_us);
  return err;
}

enum err engine_batch_work(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag) {
  pthread_mutex_lock(&engine->upkeep_mutex);
  enum err err = codes_job_tick(engine, budget_us, more, diag);
  pthread_mutex_unlock(&engine->upkeep_mutex);
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}

// --- the codes of a batch ------------------------------------------------------------------------------------

struct page {
  struct engine *engine;
  struct store_snapshot *snapshot;
  const struct loyalty_set *set;
  struct arena arena;
  struct batch batch;
  uint64_t from, count; // draws
  bool *skipped;
};

// The rows of chunks that begin before the end of the page; one that begins before the page reaches into it.
static enum err read_skipped(struct page *page) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  page->skipped = arena_take_zero(&page->arena, page->count + 1, sizeof *page->skipped);
  if (page->skipped == NULL) return ERR_NO_MEMORY;
  engine_number_key(&from, "codes_skipped", page->batch.number);
  key_put_u64(&from, page->from < CHUNK ? 0 : page->from - CHUNK);
  engine_number_key(&to, "codes_skipped", page->batch.number);
  key_put_u64(&to, page->from + page->count);
  enum err err = store_snapshot_scan(page->snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (store_cursor_next(cursor, &key, &row)) {
    uint64_t at = key_read_u64(key.data + key.size_bytes - sizeof at);
    struct varint_reader reader = varint_reader_of(row);
    while (varint_rest_bytes(&reader) > 0 && !reader.failed) {
      at += varint_read(&reader);
      if (at >= page->from && at < page->from + page->count) page->skipped[at - page->from] = true;
    }
  }
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err read_codes(struct page *page, struct bytes *codes, struct bytes *rows, size_t *count) {
  char text[LOYALTY_CODE_BYTES + 1];
  *count = 0;
  for (size_t i = 0; i < page->count; i++) {
    if (page->skipped[i]) continue;
    loyalty_code_derive(page->batch.prefix, (size_t)page->batch.length, page->batch.secret, page->from + i, text);
    codes[*count] = arena_copy(&page->arena, bytes_from_text(text));
    if (codes[(*count)++].data == NULL) return ERR_NO_MEMORY;
  }
  return store_snapshot_get_many(page->snapshot, STORE_VOUCHER, codes, *count, &page->arena, rows);
}

static void put_csv(const struct loyalty_code *code, const struct loyalty_voucher *voucher, struct buffer *out) {
  char to[CLOCK_TEXT_BYTES] = "";
  int64_t to_us = voucher->span.to_us < code->span.to_us ? voucher->span.to_us : code->span.to_us;
  if (to_us != INT64_MAX) clock_format(to_us, to);
  csv_put_cell(out, code->code);
  buffer_append_byte(out, ',');
  csv_put_cell(out, voucher->id);
  buffer_append_format(out, ",%s,%" PRIi64 ",%s", code->state == LOYALTY_CODE_CANCELLED ? "cancelled" : "active",
                       code->uses, to);
  if (voucher->discount.kind == LOYALTY_CREDIT)
    buffer_append_format(out, ",%" PRIi64 ".%02" PRIi64, code->balance / 100, code->balance % 100);
  else
    buffer_append_byte(out, ',');
  buffer_append_text(out, "\r\n");
}

static void put_line(const struct loyalty_code *code, const struct loyalty_voucher *voucher, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  loyalty_code_json(code, voucher, &writer);
  json_object_end(&writer);
  buffer_append_byte(out, '\n');
}

static enum err put_page(struct page *page, enum engine_codes_format format, struct buffer *out) {
  struct bytes *codes = arena_take(&page->arena, (page->count + 1) * sizeof *codes);
  struct bytes *rows = arena_take(&page->arena, (page->count + 1) * sizeof *rows);
  const struct loyalty_voucher *voucher =
      page->set == NULL ? NULL : loyalty_set_voucher(page->set, (uint32_t)page->batch.voucher);
  size_t count;
  if (codes == NULL || rows == NULL) return ERR_NO_MEMORY;
  enum err err = read_skipped(page);
  if (err == ERR_OK) err = read_codes(page, codes, rows, &count);
  for (size_t i = 0; err == ERR_OK && voucher != NULL && i < count; i++) {
    struct loyalty_code code;
    if (rows[i].data == NULL) return ERR_CORRUPT;
    err = loyalty_code_decode(rows[i], codes[i], &page->arena, &code);
    if (err != ERR_OK) break;
    if (format == ENGINE_CODES_CSV) put_csv(&code, voucher, out);
    if (format == ENGINE_CODES_NDJSON) put_line(&code, voucher, out);
  }
  return err == ERR_OK && out->failed ? ERR_NO_MEMORY : err;
}

static enum err page_of(struct page *page, struct bytes id, enum engine_codes_format format,
                        struct engine_codes_range *range, size_t limit, struct buffer *out, struct diag *diag) {
  uint64_t number;
  if (!parse_id(id, &number)) return no_batch(diag);
  enum err err = load(page->engine, page->snapshot, number, &page->arena, &page->batch, diag);
  if (err != ERR_OK) return err;
  if (range->from == 0 && range->to == ENGINE_CODES_ALL && format == ENGINE_CODES_CSV)
    buffer_append_text(out, "code,voucher,state,uses,valid_to,balance\r\n");
  if (range->to > (uint64_t)page->batch.drawn) range->to = (uint64_t)page->batch.drawn;
  page->from = range->from < range->to ? range->from : range->to;
  page->count = range->to - page->from < limit ? range->to - page->from : limit;
  range->from = page->from + page->count;
  err = put_page(page, format, out);
  if (err == ERR_CORRUPT)
    return diag_set(diag, err, "corrupt", "a code of the batch cannot be read; run `rapport check`");
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

enum err engine_batch_codes(struct engine *engine, struct bytes id, enum engine_codes_format format,
                            struct engine_codes_range *range, size_t limit, struct buffer *out, struct diag *diag) {
  struct page page = {.engine = engine};
  enum err err = store_snapshot_open(engine->store, &page.snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  page.set = loyalty_hold(engine);
  arena_init(&page.arena, 0);
  err = page_of(&page, id, format, range, limit, out, diag);
  arena_release(&page.arena);
  if (page.set != NULL) loyalty_set_close(page.set);
  store_snapshot_close(page.snapshot);
  return err;
}
