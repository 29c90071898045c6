// import_worker: one thread of an import. Claims a block, parses it, reads its messages, has the engine apply them.
//
// Steps of a block, each over all of its messages: split and parse into one buffer (offsets, since it grows); read into
// events; number those without an id; apply. Numbers are given in the order of blocks, so that they do not depend on
// the threads: a block waits for those before it, but only when it has such messages. A block waits only for blocks
// claimed earlier, by threads that never wait for it: no deadlock.
#include <string.h>

#include "base/alloc.h"
#include "source/import_private.h"

// One message of a block.
struct piece {
  size_t offset, size_bytes;                 // in worker->packed; size 0 when it could not be parsed
  size_t context_offset, context_size_bytes; // of the line's own batch context
  uint64_t line;
  struct bytes text;        // a view into the block, or the arena
  const char *code, *words; // why it could not be parsed; NULL when it was
  bool hashed;
  uint8_t hash[16];
};

struct worker {
  struct importing *importing;
  struct source_reader *reader;
  struct source_block block;
  struct arena arena; // of one block
  struct buffer packed;
  struct buffer rejects;
  struct piece *pieces;
  size_t piece_count, piece_capacity; // capacity is kept between blocks
  struct bytes *fields;               // of a CSV line
  struct engine_event *events;        // in the arena
  size_t *places;                     // the piece of each event
  size_t event_count;
  uint64_t line;                      // of the message being parsed
  struct source_import_result counts; // of the block
  struct store_mark mark;
  bool skip; // applied by an earlier run: only numbered
};

// --- claiming and ending -------------------------------------------------------------------------------------

static void fail(struct importing *importing, enum err err, const struct diag *diag) {
  pthread_mutex_lock(&importing->lock);
  if (importing->err == ERR_OK) {
    importing->err = err;
    importing->diag = *diag;
  }
  pthread_cond_broadcast(&importing->changed);
  pthread_mutex_unlock(&importing->lock);
}

static bool must_stop(struct importing *importing) {
  pthread_mutex_lock(&importing->lock);
  bool stop = importing->err != ERR_OK;
  pthread_mutex_unlock(&importing->lock);
  return stop || (importing->import->stop != NULL && *importing->import->stop != 0);
}

// Keeps the distance between the newest block and the oldest unfinished one below the ring's size.
static void wait_for_slot(struct importing *importing, uint64_t index) {
  pthread_mutex_lock(&importing->lock);
  while (index - importing->first_undone >= IMPORT_RING && importing->err == ERR_OK) {
    pthread_cond_wait(&importing->changed, &importing->lock);
  }
  importing->slots[index % IMPORT_RING] = (struct import_slot){0};
  pthread_mutex_unlock(&importing->lock);
}

static enum err claim(struct worker *worker, struct diag *diag) {
  struct importing *importing = worker->importing;
  pthread_mutex_lock(&importing->cutting);
  enum err err = importing->exhausted ? ERR_NOT_FOUND : source_blocks_next(importing->blocks, &worker->block, diag);
  if (err == ERR_NOT_FOUND) {
    importing->exhausted = true;
  } else if (err == ERR_OK) {
    wait_for_slot(importing, worker->block.index);
  }
  pthread_mutex_unlock(&importing->cutting);
  return err;
}

// False when the import failed meanwhile.
static bool wait_for_turn(struct worker *worker) {
  struct importing *importing = worker->importing;
  pthread_mutex_lock(&importing->lock);
  while (importing->first_unpassed != worker->block.index && importing->err == ERR_OK) {
    pthread_cond_wait(&importing->changed, &importing->lock);
  }
  bool mine = importing->err == ERR_OK;
  pthread_mutex_unlock(&importing->lock);
  return mine;
}

static void pass_turn(struct worker *worker) {
  struct importing *importing = worker->importing;
  pthread_mutex_lock(&importing->lock);
  importing->slots[worker->block.index % IMPORT_RING].passed = true;
  while (importing->slots[importing->first_unpassed % IMPORT_RING].passed) {
    importing->slots[importing->first_unpassed++ % IMPORT_RING].passed = false;
  }
  pthread_cond_broadcast(&importing->changed);
  pthread_mutex_unlock(&importing->lock);
}

static void end_block(struct worker *worker) {
  struct importing *importing = worker->importing;
  struct source_import_result *total = &importing->result;
  pthread_mutex_lock(&importing->lock);
  struct import_slot *slot = &importing->slots[worker->block.index % IMPORT_RING];
  slot->done = true;
  slot->end = worker->block.end;
  slot->mark = worker->mark;
  total->lines += worker->counts.lines;
  total->taken += worker->counts.taken;
  total->duplicates += worker->counts.duplicates;
  total->rejected += worker->counts.rejected;
  total->aside += worker->counts.aside;
  total->resumed = total->resumed || worker->skip;
  for (slot = &importing->slots[importing->first_undone % IMPORT_RING]; slot->done;
       slot = &importing->slots[++importing->first_undone % IMPORT_RING]) {
    slot->done = false;
    importing->done_bytes = slot->end;
    if (slot->mark.sequence > importing->done_mark.sequence) {
      importing->done_mark = slot->mark;
    }
  }
  pthread_cond_broadcast(&importing->changed);
  pthread_mutex_unlock(&importing->lock);
}

// --- parsing -------------------------------------------------------------------------------------------------

static struct piece *add_piece(struct worker *worker, struct bytes text) {
  if (worker->piece_count == worker->piece_capacity) {
    size_t capacity = worker->piece_capacity == 0 ? 1024 : worker->piece_capacity * 2;
    struct piece *pieces = alloc_resize(worker->pieces, capacity * sizeof *pieces);
    if (pieces == NULL) {
      return NULL;
    }
    worker->pieces = pieces;
    worker->piece_capacity = capacity;
  }
  struct piece *piece = &worker->pieces[worker->piece_count++];
  *piece = (struct piece){.line = worker->line, .text = text};
  return piece;
}

static const char *fault_words(struct worker *worker, const struct diag *fault) {
  return fault->field[0] == '\0' ? arena_format(&worker->arena, "%s", fault->message)
                                 : arena_format(&worker->arena, "%s: %s", fault->field, fault->message);
}

static enum err set_fault(struct worker *worker, struct piece *piece, const struct diag *fault) {
  piece->code = arena_format(&worker->arena, "%s", fault->code);
  piece->words = fault_words(worker, fault);
  return piece->code == NULL || piece->words == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err add_fault(struct worker *worker, struct bytes text, const struct diag *fault) {
  struct piece *piece = add_piece(worker, text);
  return piece == NULL ? ERR_NO_MEMORY : set_fault(worker, piece, fault);
}

static enum err refuse_size(struct worker *worker, struct bytes text) {
  struct diag fault;
  diag_init(&fault);
  if (worker->block.oversize) {
    diag_set(
        &fault, ERR_LIMIT, "too_large",
        "an event has at most %d bytes of JSON, and this line or batch more than %zu; is the file NDJSON, an event a "
        "line?",
        LIMIT_EVENT_BYTES, text.size_bytes);
  } else {
    diag_set(&fault, ERR_LIMIT, "too_large", "an event has at most %d bytes of JSON; this one has %zu",
             LIMIT_EVENT_BYTES, text.size_bytes);
  }
  return add_fault(worker, text, &fault);
}

// A failure that is the line's own becomes its fault; others end the import.
static enum err line_failed(struct worker *worker, enum err err, struct bytes text, const struct diag *fault) {
  return err == ERR_INVALID || err == ERR_LIMIT ? add_fault(worker, text, fault) : err;
}

static enum err take_batch_item(void *context, size_t index, struct value item, struct bytes text,
                                const struct diag *fault) {
  struct worker *worker = context;
  (void)index;
  if (fault == NULL && text.size_bytes > LIMIT_EVENT_BYTES) {
    text = arena_copy(&worker->arena, text);
    return text.data == NULL ? ERR_NO_MEMORY : refuse_size(worker, text);
  }
  struct piece *piece = add_piece(worker, fault == NULL ? BYTES("") : arena_copy(&worker->arena, text));
  if (piece == NULL || piece->text.data == NULL) {
    return ERR_NO_MEMORY;
  }
  if (fault != NULL) {
    return set_fault(worker, piece, fault);
  }
  piece->offset = worker->packed.size_bytes;
  piece->size_bytes = item.packed.size_bytes;
  buffer_append_bytes(&worker->packed, item.packed);
  return worker->packed.failed ? ERR_NO_MEMORY : ERR_OK;
}

// A line {"batch":[…], "context":…}: its items are messages, and its context theirs.
static enum err parse_batch_line(struct worker *worker, struct bytes text, struct diag *fault) {
  struct buffer *others = &worker->reader->scratch;
  size_t first = worker->piece_count, size_before = worker->packed.size_bytes;
  buffer_clear(others);
  enum err err = value_parse_batch(worker->reader->parser, text, BYTES("batch"), LIMIT_BODY_BYTES,
                                   worker->reader->names, others, take_batch_item, worker, fault);
  if (err != ERR_OK) {
    worker->piece_count = first;
    worker->packed.size_bytes = size_before;
    return err;
  }
  struct source_fields fields;
  struct value document = {buffer_view(others)};
  source_fields_read(worker->reader, document, &fields);
  if (worker->piece_count == first && !value_is_absent(fields.at[MEMBER_TYPE])) {
    // "batch" was a word inside a single message.
    return text.size_bytes > LIMIT_EVENT_BYTES ? refuse_size(worker, text)
                                               : take_batch_item(worker, 0, document, text, NULL);
  }
  struct bytes line_context = fields.at[MEMBER_CONTEXT].packed;
  size_t context_offset = worker->packed.size_bytes;
  buffer_append_bytes(&worker->packed, line_context);
  for (size_t i = first; i < worker->piece_count; i++) {
    worker->pieces[i].context_offset = context_offset;
    worker->pieces[i].context_size_bytes = line_context.size_bytes;
  }
  return worker->packed.failed ? ERR_NO_MEMORY : ERR_OK;
}

static enum err parse_json(struct worker *worker, struct bytes text) {
  struct diag fault;
  diag_init(&fault);
  if (memmem(text.data, text.size_bytes, "\"batch\"", 7) != NULL) {
    return line_failed(worker, parse_batch_line(worker, text, &fault), text, &fault);
  }
  if (text.size_bytes > LIMIT_EVENT_BYTES) {
    return refuse_size(worker, text);
  }
  size_t offset = worker->packed.size_bytes;
  enum err err = value_parse_json(worker->reader->parser, text, worker->reader->names, &worker->packed, &fault);
  if (err != ERR_OK) {
    return line_failed(worker, err, text, &fault);
  }
  struct piece *piece = add_piece(worker, text);
  if (piece == NULL) {
    return ERR_NO_MEMORY;
  }
  piece->offset = offset;
  piece->size_bytes = worker->packed.size_bytes - offset;
  return ERR_OK;
}

static enum err parse_row(struct worker *worker, struct bytes text) {
  const struct importing *importing = worker->importing;
  struct value_builder builder;
  struct diag fault;
  size_t count = 0, offset = worker->packed.size_bytes;
  diag_init(&fault);
  enum err err = csv_fields(text, importing->delimiter, &worker->arena, worker->fields, &count, &fault);
  if (err == ERR_OK) {
    value_builder_init(&builder, &worker->packed, worker->reader->names);
    err = source_map_build(importing->map, worker->fields, count, &builder, &fault);
  }
  if (err != ERR_OK) {
    worker->packed.size_bytes = offset;
    return line_failed(worker, err, text, &fault);
  }
  struct piece *piece = add_piece(worker, text);
  if (piece == NULL || value_builder_finish(&builder) != ERR_OK) {
    return ERR_NO_MEMORY;
  }
  piece->offset = offset;
  piece->size_bytes = worker->packed.size_bytes - offset;
  return ERR_OK;
}

static uint64_t count_newlines(struct bytes text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.size_bytes; i++) {
    count += text.data[i] == '\n';
  }
  return count;
}

static enum err parse_message(struct worker *worker, struct bytes text) {
  bool csv = worker->importing->format == SOURCE_CSV;
  struct bytes trimmed = bytes_trim(text);
  if (trimmed.size_bytes == 0) {
    return ERR_OK;
  }
  worker->counts.lines++;
  return csv ? parse_row(worker, text) : parse_json(worker, trimmed);
}

static enum err parse_block(struct worker *worker) {
  const struct importing *importing = worker->importing;
  struct bytes rest = buffer_view(&worker->block.data);
  enum err err = ERR_OK;
  worker->line = worker->block.first_line;
  if (worker->block.oversize) {
    worker->counts.lines++;
    return refuse_size(worker, rest);
  }
  while (err == ERR_OK && rest.size_bytes > 0) {
    size_t skip = 0;
    size_t size = source_format_size(importing->format, importing->delimiter, rest, true, &skip);
    worker->line += count_newlines(bytes_of(rest.data, skip));
    struct bytes text = bytes_of(rest.data + skip, size);
    err = parse_message(worker, text);
    worker->line += count_newlines(text);
    rest = bytes_of(rest.data + skip + size, rest.size_bytes - skip - size);
  }
  return err;
}

// --- refusals ------------------------------------------------------------------------------------------------

static struct value piece_message(const struct worker *worker, const struct piece *piece) {
  return (struct value){bytes_of(worker->packed.data + piece->offset, piece->size_bytes)};
}

// One line of the rejects file. The event is what was read; a line that could not be is its text, cut.
static void reject(struct worker *worker, const struct piece *piece, const char *code, const char *message) {
  struct json_writer writer;
  struct bytes text = piece->text;
  if (worker->skip) {
    return;
  }
  worker->counts.rejected++;
  json_writer_init(&writer, &worker->rejects);
  json_object_begin(&writer);
  json_member_u64(&writer, "line", piece->line);
  json_member_text(&writer, "code", code);
  json_member_text(&writer, "message", message);
  json_name(&writer, "event");
  if (piece->size_bytes > 0) {
    value_to_json(&writer, piece_message(worker, piece), worker->reader->names);
  } else {
    text.size_bytes = text.size_bytes > LIMIT_EVENT_BYTES ? LIMIT_EVENT_BYTES : text.size_bytes;
    json_bytes(&writer, text);
  }
  json_object_end(&writer);
  buffer_append_byte(&worker->rejects, '\n');
}

// --- reading and applying ------------------------------------------------------------------------------------

static enum err read_piece(struct worker *worker, size_t index, struct source_envelope *envelope, struct diag *diag) {
  struct piece *piece = &worker->pieces[index];
  struct diag fault;
  if (piece->code != NULL) {
    reject(worker, piece, piece->code, piece->words);
    return ERR_OK;
  }
  diag_init(&fault);
  envelope->context.packed = bytes_of(worker->packed.data + piece->context_offset, piece->context_size_bytes);
  enum err err = source_message_read(worker->reader, envelope, piece_message(worker, piece), BYTES(""), 0,
                                     &worker->arena, &worker->events[worker->event_count], &fault);
  if (err == ERR_OK) {
    piece->hashed = worker->reader->content_hashed;
    memcpy(piece->hash, worker->reader->content_hash, sizeof piece->hash);
    worker->places[worker->event_count++] = index;
  } else if (err == ERR_INVALID || err == ERR_LIMIT) {
    const char *words = fault_words(worker, &fault);
    if (words == NULL) {
      return diag_no_memory(diag);
    }
    reject(worker, piece, fault.code, words);
    return ERR_OK;
  }
  *diag = fault;
  return err;
}

static enum err read_block(struct worker *worker, struct diag *diag) {
  struct source_envelope envelope = {.source = worker->importing->import->source,
                                     .trusted = true,
                                     .replay = true,
                                     .received_us = clock_now_us(engine_clock(worker->importing->engine)),
                                     .sent_us = INT64_MIN};
  size_t parsed = 1;
  for (size_t i = 0; i < worker->piece_count; i++) {
    parsed += worker->pieces[i].code == NULL;
  }
  worker->events = arena_take(&worker->arena, parsed * sizeof *worker->events);
  worker->places = arena_take(&worker->arena, parsed * sizeof *worker->places);
  if (worker->events == NULL || worker->places == NULL) {
    return diag_no_memory(diag);
  }
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < worker->piece_count; i++) {
    err = read_piece(worker, i, &envelope, diag);
  }
  return err;
}

// Past what can be counted the line's number makes the id: unique in this file, and the same when it is read again.
static enum err number_event(struct worker *worker, size_t index) {
  const struct piece *piece = &worker->pieces[worker->places[index]];
  uint64_t occurrence;
  enum err err = source_occurrences_next(&worker->importing->occurrences, piece->hash, &occurrence);
  if (err == ERR_LIMIT) {
    occurrence = (UINT64_C(1) << 32) + piece->line;
  } else if (err != ERR_OK) {
    return err;
  }
  if (occurrence > 0) {
    worker->events[index].message_id = source_hash_id(piece->hash, occurrence, &worker->arena);
  }
  return worker->events[index].message_id.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err number_block(struct worker *worker, struct diag *diag) {
  enum err err = ERR_OK;
  bool waited = false;
  for (size_t i = 0; err == ERR_OK && i < worker->event_count; i++) {
    if (!worker->pieces[worker->places[i]].hashed) {
      continue;
    }
    if (!waited && !wait_for_turn(worker)) {
      return ERR_STOPPED;
    }
    waited = true;
    err = number_event(worker, i);
  }
  pass_turn(worker);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

static void count_result(struct worker *worker, const struct piece *piece, const struct engine_result *result) {
  switch (result->outcome) {
  case ENGINE_APPLIED:
    worker->counts.taken++;
    break;
  case ENGINE_DUPLICATE:
    worker->counts.duplicates++;
    break;
  case ENGINE_ASIDE:
    worker->counts.aside++;
    break;
  case ENGINE_SUPPRESSED:
    reject(worker, piece, "suppressed", "this person was erased and asked not to be known again");
    break;
  }
}

static enum err apply_block(struct worker *worker, struct diag *diag) {
  size_t done = 0;
  if (worker->event_count == 0 || worker->skip) {
    return ERR_OK;
  }
  struct engine_result *results = arena_take_zero(&worker->arena, worker->event_count, sizeof *results);
  if (results == NULL) {
    return diag_no_memory(diag);
  }
  enum err err =
      engine_apply(worker->importing->engine, worker->events, worker->event_count, results, &done, &worker->mark, diag);
  for (size_t i = 0; err == ERR_OK && i < worker->event_count; i++) {
    count_result(worker, &worker->pieces[worker->places[i]], &results[i]);
  }
  return err;
}

static enum err process_block(struct worker *worker, struct diag *diag) {
  worker->skip = worker->block.end <= worker->importing->resume_bytes;
  worker->piece_count = worker->event_count = 0;
  worker->counts = (struct source_import_result){0};
  worker->mark = (struct store_mark){0};
  arena_clear(&worker->arena);
  buffer_clear(&worker->packed);
  buffer_clear(&worker->rejects);
  enum err err = parse_block(worker);
  if (err != ERR_OK) {
    return diag_set(diag, err, err_name(err), "line %llu could not be read", (unsigned long long)worker->line);
  }
  err = read_block(worker, diag);
  if (err == ERR_OK) {
    err = number_block(worker, diag);
  }
  if (err == ERR_OK) {
    err = apply_block(worker, diag);
  }
  if (err == ERR_OK && worker->rejects.failed) {
    err = diag_no_memory(diag);
  }
  return err == ERR_OK ? import_write_rejects(worker->importing, buffer_view(&worker->rejects), diag) : err;
}

// --- the thread ----------------------------------------------------------------------------------------------

static enum err open_worker(struct worker *worker, struct diag *diag) {
  source_block_init(&worker->block);
  arena_init(&worker->arena, 0);
  buffer_init(&worker->packed);
  buffer_init(&worker->rejects);
  worker->fields = alloc_zero(CSV_COLUMNS, sizeof *worker->fields);
  enum err err = source_reader_open(&worker->reader, worker->importing->engine);
  if (err == ERR_OK && worker->fields == NULL) {
    err = ERR_NO_MEMORY;
  }
  return err == ERR_OK ? ERR_OK : diag_set(diag, err, err_name(err), "a thread of the import could not begin");
}

static void close_worker(struct worker *worker) {
  source_reader_close(worker->reader);
  source_block_release(&worker->block);
  arena_release(&worker->arena);
  buffer_release(&worker->packed);
  buffer_release(&worker->rejects);
  alloc_free(worker->pieces);
  alloc_free(worker->fields);
}

void *import_worker_run(void *context) {
  struct importing *importing = context;
  struct worker worker = {.importing = importing};
  struct diag diag;
  diag_init(&diag);
  enum err err = open_worker(&worker, &diag);
  while (err == ERR_OK && !must_stop(importing)) {
    err = claim(&worker, &diag);
    if (err == ERR_OK) {
      err = process_block(&worker, &diag);
    }
    if (err == ERR_OK) {
      end_block(&worker);
    }
  }
  if (err != ERR_OK && err != ERR_NOT_FOUND) {
    fail(importing, err, &diag);
  }
  close_worker(&worker);
  pthread_mutex_lock(&importing->lock);
  importing->running--;
  pthread_cond_broadcast(&importing->changed);
  pthread_mutex_unlock(&importing->lock);
  return NULL;
}
