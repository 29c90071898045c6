// body: a whole request.
//
// value_parse_batch hands over items before it knows whether the body is sound, so all are collected first (packed
// copies in the arena) and nothing is applied unless the whole was read. Then every item becomes an event or a refusal;
// the events go to the engine in one call, the refusals are kept aside one by one. Clients repeat a request that failed
// half-way; deduplication makes that harmless.
#include <string.h>

#include "loyalty/code.h"
#include "source/occurrences.h"
#include "source/reader.h"

// An item on its way; `fault` is set when it never became a message.
struct item {
  struct value message;
  struct bytes text; // only when it is to be kept aside as it came
  const struct diag *fault;
};

struct items {
  struct arena *arena;
  struct item *data;
  size_t count, capacity;
};

static struct item *grow(struct items *items) {
  if (items->count == items->capacity) {
    size_t capacity = items->capacity == 0 ? 64 : items->capacity * 2;
    struct item *data = arena_take_zero(items->arena, capacity, sizeof *data);
    if (data == NULL) {
      return NULL;
    }
    if (items->count > 0) {
      memcpy(data, items->data, items->count * sizeof *data);
    }
    items->data = data;
    items->capacity = capacity;
  }
  return &items->data[items->count++];
}

static enum err keep_fault(struct items *items, struct item *item, const struct diag *fault, struct bytes text) {
  struct diag *copy = arena_take(items->arena, sizeof *copy);
  if (copy == NULL) {
    return ERR_NO_MEMORY;
  }
  *copy = *fault;
  item->fault = copy;
  item->text = arena_copy(items->arena, text);
  return item->text.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err keep_item(struct items *items, struct value message, struct bytes text, const struct diag *fault) {
  struct item *item = grow(items);
  struct diag too_large;
  if (item == NULL) {
    return ERR_NO_MEMORY;
  }
  *item = (struct item){.message = message};
  if (fault == NULL && text.size_bytes > LIMIT_EVENT_BYTES) {
    diag_init(&too_large);
    diag_set(&too_large, ERR_LIMIT, "too_large", "an event has at most %d bytes of JSON; this one has %zu",
             LIMIT_EVENT_BYTES, text.size_bytes);
    fault = &too_large;
  }
  if (fault != NULL) {
    return keep_fault(items, item, fault, text);
  }
  item->message.packed = arena_copy(items->arena, message.packed);
  return item->message.packed.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// Past the limit items are only counted: the whole body will be refused, with their number.
static enum err take_item(void *context, size_t index, struct value message, struct bytes text,
                          const struct diag *fault) {
  struct items *items = context;
  if (index >= LIMIT_BATCH_EVENTS) {
    items->count = index + 1;
    return ERR_OK;
  }
  return keep_item(items, message, text, fault);
}

// --- reading the body ----------------------------------------------------------------------------------------

// `[…]` is the same as {"batch":[…]}.
static enum err wrap_array(struct bytes *body, struct arena *arena) {
  static const char head[] = "{\"batch\":";
  size_t head_size = sizeof head - 1, size = head_size + body->size_bytes + 1;
  uint8_t *wrapped = arena_take(arena, size);
  if (wrapped == NULL) {
    return ERR_NO_MEMORY;
  }
  memcpy(wrapped, head, head_size);
  memcpy(wrapped + head_size, body->data, body->size_bytes);
  wrapped[size - 1] = '}';
  *body = bytes_of(wrapped, size);
  return ERR_OK;
}

static enum err read_envelope(struct source_reader *reader, struct source_envelope *envelope, struct arena *arena,
                              struct diag *diag) {
  struct source_fields fields;
  struct value others = {arena_copy(arena, buffer_view(&reader->scratch))};
  if (others.packed.data == NULL) {
    return diag_no_memory(diag);
  }
  source_fields_read(reader, others, &fields);
  if (!value_is_absent(fields.at[MEMBER_BATCH])) {
    return diag_set(diag, ERR_INVALID, "no_batch", "\"batch\" must be a list of messages");
  }
  if (source_time_read(fields.at[MEMBER_SENT_AT], &envelope->sent_us) != ERR_OK) {
    envelope->sent_us = INT64_MIN;
  }
  envelope->context = fields.at[MEMBER_CONTEXT];
  return ERR_OK;
}

static enum err read_batch(struct source_reader *reader, struct source_envelope *envelope, struct bytes body,
                           struct items *items, struct diag *diag) {
  if (body.size_bytes > 0 && body.data[0] == '[' && wrap_array(&body, items->arena) != ERR_OK) {
    return diag_no_memory(diag);
  }
  if (body.size_bytes > 0 && memmem(body.data, body.size_bytes, "\"batch\"", 7) == NULL) {
    // Is it JSON at all? Then say what is missing; else the parser's own words are better.
    enum err err = value_parse_json(reader->parser, body, reader->names, &reader->scratch, diag);
    return err != ERR_OK ? err : diag_set(diag, ERR_INVALID, "no_batch", "the body needs a list named \"batch\"");
  }
  enum err err = value_parse_batch(reader->parser, body, BYTES("batch"), LIMIT_BODY_BYTES, reader->names,
                                   &reader->scratch, take_item, items, diag);
  if (err == ERR_NO_MEMORY) {
    return diag_no_memory(diag);
  }
  if (err == ERR_OK && items->count > LIMIT_BATCH_EVENTS) {
    return diag_set(diag, ERR_LIMIT, "too_large", "at most 5,000 events a request; this one has %zu", items->count);
  }
  return err == ERR_OK ? read_envelope(reader, envelope, items->arena, diag) : err;
}

static enum err read_single(struct source_reader *reader, struct bytes body, struct items *items, struct diag *diag) {
  enum err err = value_parse_json(reader->parser, body, reader->names, &reader->scratch, diag);
  if (err != ERR_OK) {
    return err;
  }
  struct value message = {buffer_view(&reader->scratch)};
  return keep_item(items, message, body, NULL) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

// --- items to events -----------------------------------------------------------------------------------------

struct applying {
  struct source_reader *reader;
  const struct source_envelope *envelope;
  struct arena *arena;
  struct items items;
  struct source_report *report;
  struct engine_event *events; // the good ones,
  size_t *places;              // and which item each came from
  size_t event_count;
  struct source_occurrences occurrences;
  struct store_mark *mark;
};

static void cover(struct store_mark *mark, struct store_mark other) {
  if (other.sequence > mark->sequence) {
    *mark = other;
  }
}

static enum err refuse(struct applying *applying, size_t index, const struct diag *fault) {
  struct source_item *item = &applying->report->items[index];
  struct bytes code = arena_copy(applying->arena, bytes_from_text(fault->code));
  item->outcome = SOURCE_REJECTED;
  item->code = (const char *)code.data;
  item->message = fault->field[0] == '\0' ? arena_format(applying->arena, "%s", fault->message)
                                          : arena_format(applying->arena, "%s: %s", fault->field, fault->message);
  return item->code == NULL || item->message == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// Equal messages without ids of one request are different events, as often as they stand there.
static enum err number_repeat(struct applying *applying, struct engine_event *event) {
  uint64_t occurrence;
  if (!applying->reader->content_hashed) {
    return ERR_OK;
  }
  if (source_occurrences_next(&applying->occurrences, applying->reader->content_hash, &occurrence) != ERR_OK) {
    return ERR_NO_MEMORY;
  }
  if (occurrence > 0) {
    event->message_id = source_hash_id(applying->reader->content_hash, occurrence, applying->arena);
  }
  return event->message_id.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err read_item(struct applying *applying, size_t index, struct diag *diag) {
  struct engine_event *event = &applying->events[applying->event_count];
  const struct item *item = &applying->items.data[index];
  struct diag fault;
  if (item->fault != NULL) {
    return refuse(applying, index, item->fault) == ERR_OK ? ERR_OK : diag_no_memory(diag);
  }
  diag_init(&fault);
  enum err err = source_message_read(applying->reader, applying->envelope, item->message, BYTES(""), 0, applying->arena,
                                     event, &fault);
  if (err == ERR_INVALID || err == ERR_LIMIT) {
    return refuse(applying, index, &fault) == ERR_OK ? ERR_OK : diag_no_memory(diag);
  }
  if (err == ERR_OK) {
    err = number_repeat(applying, event);
  }
  if (err == ERR_OK) {
    applying->places[applying->event_count++] = index;
  } else if (diag != NULL) {
    *diag = fault;
  }
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

static void tell(struct source_item *item, const struct engine_event *event, const struct engine_result *result) {
  switch (result->outcome) {
  case ENGINE_APPLIED:
    item->outcome = SOURCE_TAKEN;
    item->code = result->refusal;
    item->message = result->refusal == NULL ? NULL : loyalty_refusal_words(result->refusal);
    break;
  case ENGINE_DUPLICATE:
    item->outcome = SOURCE_DUPLICATE;
    break;
  case ENGINE_ASIDE:
    item->outcome = SOURCE_ASIDE;
    item->code = result->code;
    item->message = event->aside_words != NULL ? event->aside_words : "kept aside for correction; nothing was changed";
    break;
  case ENGINE_SUPPRESSED:
    item->outcome = SOURCE_REJECTED;
    item->code = "suppressed";
    item->message = "this person was erased and asked not to be known again";
    break;
  }
}

static enum err apply_events(struct applying *applying, struct diag *diag) {
  size_t done = 0;
  if (applying->event_count == 0) {
    return ERR_OK;
  }
  struct engine_result *results = arena_take_zero(applying->arena, applying->event_count, sizeof *results);
  if (results == NULL) {
    return diag_no_memory(diag);
  }
  enum err err = engine_apply(applying->reader->engine, applying->events, applying->event_count, results, &done,
                              applying->mark, diag);
  for (size_t i = 0; err == ERR_OK && i < applying->event_count; i++) {
    tell(&applying->report->items[applying->places[i]], &applying->events[i], &results[i]);
  }
  return err;
}

// The JSON of a refused item: as it came, or written again from its packed form.
static enum err refused_text(struct applying *applying, const struct item *item, struct bytes *text) {
  struct buffer *scratch = &applying->reader->scratch;
  struct json_writer writer;
  *text = item->text;
  if (item->fault != NULL) {
    return ERR_OK;
  }
  buffer_clear(scratch);
  json_writer_init(&writer, scratch);
  value_to_json(&writer, item->message, applying->reader->names);
  *text = buffer_view(scratch);
  return scratch->failed ? ERR_NO_MEMORY : ERR_OK;
}

// Those of erased people are not kept: that is what suppression means.
static enum err set_refused_aside(struct applying *applying, struct diag *diag) {
  for (size_t i = 0; i < applying->items.count; i++) {
    const struct source_item *told = &applying->report->items[i];
    struct store_mark mark = {0};
    struct bytes text;
    if (told->outcome != SOURCE_REJECTED || strcmp(told->code, "suppressed") == 0) {
      continue;
    }
    if (refused_text(applying, &applying->items.data[i], &text) != ERR_OK) {
      return diag_no_memory(diag);
    }
    enum err err = engine_set_aside(applying->reader->engine, applying->envelope->source, told->code, told->message,
                                    text, &mark, diag);
    if (err != ERR_OK) {
      return err;
    }
    cover(applying->mark, mark);
  }
  return ERR_OK;
}

static void count_outcomes(struct source_report *report) {
  for (size_t i = 0; i < report->count; i++) {
    report->taken += report->items[i].outcome == SOURCE_TAKEN;
    report->duplicates += report->items[i].outcome == SOURCE_DUPLICATE;
    report->rejected += report->items[i].outcome == SOURCE_REJECTED;
    report->aside += report->items[i].outcome == SOURCE_ASIDE;
  }
}

static enum err apply_items(struct applying *applying, struct diag *diag) {
  size_t count = applying->items.count;
  *applying->report = (struct source_report){.count = count};
  applying->report->items = arena_take_zero(applying->arena, count + 1, sizeof *applying->report->items);
  applying->events = arena_take(applying->arena, (count + 1) * sizeof *applying->events);
  applying->places = arena_take(applying->arena, (count + 1) * sizeof *applying->places);
  if (applying->report->items == NULL || applying->events == NULL || applying->places == NULL) {
    return diag_no_memory(diag);
  }
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    err = read_item(applying, i, diag);
  }
  if (err == ERR_OK) {
    err = apply_events(applying, diag);
  }
  if (err == ERR_OK) {
    err = set_refused_aside(applying, diag);
  }
  count_outcomes(applying->report);
  return err;
}

enum err source_body_apply(struct source_reader *reader, struct source_envelope *envelope, struct bytes body,
                           struct arena *arena, struct source_report *report, struct store_mark *mark,
                           struct diag *diag) {
  struct applying applying = {.reader = reader,
                              .envelope = envelope,
                              .arena = arena,
                              .items = {.arena = arena},
                              .report = report,
                              .mark = mark};
  *report = (struct source_report){0};
  *mark = (struct store_mark){0};
  body = bytes_trim(body);
  buffer_clear(&reader->scratch);
  enum err err = envelope->type.size_bytes > 0 ? read_single(reader, body, &applying.items, diag)
                                               : read_batch(reader, envelope, body, &applying.items, diag);
  if (err != ERR_OK) {
    return err;
  }
  source_occurrences_init(&applying.occurrences);
  err = apply_items(&applying, diag);
  source_occurrences_release(&applying.occurrences);
  return err;
}
