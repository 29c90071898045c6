// change.c: what people change by hand: corrections of traits, and lifting a cannot-link.
#include <sodium.h>
#include <string.h>

#include "engine/parts.h"

enum { CORRECTION_SOURCE = 2, RANDOM_ID_BYTES = 16 };

// --- corrections ---------------------------------------------------------------------------------------------

// {"type":"correction","author":…,"traits":{…}}: kept on the timeline like any event.
static enum err build_message(struct engine *engine, struct value traits, struct bytes author, struct buffer *out) {
  struct value_builder builder;
  value_builder_init(&builder, out, engine->names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("type"));
  value_put_text(&builder, BYTES("correction"));
  value_put_name(&builder, BYTES("author"));
  value_put_text(&builder, author);
  value_put_name(&builder, BYTES("traits"));
  value_put_value(&builder, traits);
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

static enum err apply_correction(struct engine *engine, struct identifier anchor, struct value message,
                                 struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  uint8_t random[RANDOM_ID_BYTES];
  char id[2 * RANDOM_ID_BYTES + 1];
  randombytes_buf(random, sizeof random);
  bytes_to_hex(bytes_of(random, sizeof random), id);
  struct engine_event event = {.type = ENGINE_CORRECTION,
                               .name = engine->id.corrected,
                               .source = CORRECTION_SOURCE,
                               .trusted = true,
                               .gives_traits = true,
                               .time_us = clock_now_us(engine->clock),
                               .received_us = clock_now_us(engine->clock),
                               .message_id = bytes_from_text(id),
                               .identifiers = {{anchor, IDENTITY_OK}},
                               .identifier_count = 1,
                               .message = message,
                               .amount_code = 255};
  return apply_alone(engine, &event, writer, commit, diag);
}

// A correction is an event, and bounded like one.
static enum err check_traits(struct value traits, struct diag *diag) {
  size_t count = 0;
  bool document = !value_is_absent(traits) && value_type(traits) == VALUE_DOCUMENT;
  struct value_iter iter = value_iterate(traits);
  while (document && value_next(&iter)) count++;
  enum err err = ERR_OK;
  if (count == 0)
    err = diag_set(diag, ERR_INVALID, "bad_traits", "traits must be an object of names and values, at least one");
  else if (count > LIMIT_CUSTOMER_TRAITS)
    err = diag_set(diag, ERR_LIMIT, "too_many_traits", "a customer has at most %d traits; these are %zu",
                   LIMIT_CUSTOMER_TRAITS, count);
  else if (traits.packed.size_bytes > LIMIT_EVENT_BYTES)
    err = diag_set(diag, ERR_LIMIT, "too_large", "the traits of a correction take at most %d bytes; these take %zu",
                   LIMIT_EVENT_BYTES, traits.packed.size_bytes);
  if (err != ERR_OK) diag_in_field(diag, "traits");
  return err;
}

enum err engine_correct(struct engine *engine, uint64_t customer, struct value traits, struct bytes author,
                        struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct identifier anchor = {0};
  struct buffer message;
  struct arena arena;
  enum err err = check_traits(traits, diag);
  if (err == ERR_OK && author.size_bytes == 0)
    err = diag_set(diag, ERR_INVALID, "missing_author", "say who corrects: a correction is kept with its author");
  if (err == ERR_OK) err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  buffer_init(&message);
  err = parts_anchor(engine, customer, &arena, &anchor, diag);
  if (err == ERR_OK) err = build_message(engine, traits, author, &message);
  if (err == ERR_OK)
    err = apply_correction(engine, anchor, (struct value){buffer_view(&message)}, writer, commit, diag);
  buffer_release(&message);
  arena_release(&arena);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// --- lifting a cannot-link -----------------------------------------------------------------------------------

static bool same_pair(const struct identity_cannot *pair, struct identifier a, struct identifier b) {
  return (identifier_equal(pair->own, a) && identifier_equal(pair->other, b)) ||
         (identifier_equal(pair->own, b) && identifier_equal(pair->other, a));
}

static size_t lift(struct work_customer *customer, struct identifier a, struct identifier b) {
  struct customer *record = &customer->record;
  size_t kept = 0, before = record->cannot_count;
  for (size_t i = 0; i < before; i++)
    if (!same_pair(&record->cannots[i].pair, a, b)) record->cannots[kept++] = record->cannots[i];
  record->cannot_count = kept;
  return before - kept;
}

static enum err note_lifting(struct work *work, uint64_t customer, struct identifier a, struct identifier b) {
  uint64_t sequence;
  enum err err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  struct engine_edge_row row = {.a = a, .b = b, .rule = "allow", .time_us = work->now_us};
  if (err != ERR_OK) return err;
  return engine_edge_put(work->engine, work->txn, customer, ENGINE_EDGE_HISTORY, sequence, &row, work->arena);
}

// The customer that lists this identifier, if any: a device may be listed by several, of which its row names some.
static enum err lift_from(struct work *work, uint64_t id, struct identifier a, struct identifier b, size_t *lifted) {
  if (id == 0) return ERR_OK;
  struct work_customer *customer = work_customer(work, id);
  if (customer == NULL) return ERR_CONFLICT;
  size_t count = lift(customer, a, b);
  if (count == 0) return ERR_OK;
  *lifted += count;
  work_touch(customer, work->now_us);
  return note_lifting(work, id, a, b);
}

static enum err lift_from_target(struct work *work, const struct work_target *target, struct identifier a,
                                 struct identifier b, size_t *lifted) {
  if (target->device == NULL) return lift_from(work, target->person.customer, a, b, lifted);
  enum err err = lift_from(work, target->device->own, a, b, lifted);
  for (size_t i = 0; err == ERR_OK && i < target->device->run_count; i++)
    err = lift_from(work, target->device->runs[i].customer, a, b, lifted);
  return err;
}

static enum err allow_body(struct work *work, void *context) {
  const struct identifier *pair = context;
  size_t lifted = 0;
  enum err err = ERR_OK;
  for (int i = 0; err == ERR_OK && i < 2; i++) {
    const struct work_target *target = work_target(work, pair[i]);
    if (target == NULL) return ERR_CONFLICT;
    err = lift_from_target(work, target, pair[0], pair[1], &lifted);
  }
  if (err == ERR_OK && lifted == 0)
    return diag_set(work->diag, ERR_NOT_FOUND, "no_cannot_link",
                    "nothing keeps these two identifiers apart; `rapport explain` says why they are not one customer");
  return err;
}

enum err engine_allow_link(struct engine *engine, struct bytes a, struct bytes b, struct engine_commit *commit,
                           struct diag *diag) {
  struct identifier pair[2];
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = parts_identifier(engine, a, &arena, &pair[0], diag);
  if (err == ERR_INVALID) diag_in_field(diag, "a");
  if (err == ERR_OK) {
    err = parts_identifier(engine, b, &arena, &pair[1], diag);
    if (err == ERR_INVALID) diag_in_field(diag, "b");
  }
  struct work_plan plan = {.identifiers = pair, .identifier_count = 2, .commit = commit};
  if (err == ERR_OK) err = work_run(engine, &plan, allow_body, pair, &commit->mark, diag);
  arena_release(&arena);
  return err;
}
