// replay_names.c: who the events of a customer say she is.
//
// Only events that name persons count: whose an anonymous one is depends on its device, and devices are not run again.
#include <string.h>

#include "engine/replay.h"
#include "engine/work.h"

struct reading {
  struct engine_view *view;
  const struct identity_rules *rules;
  struct arena *arena;
  replay_said_fn *each;
  void *context;
  struct diag *diag;
};

static bool is_person(const struct reading *reading, struct identifier identifier) {
  const struct identity_type *type = identity_type_by_id(reading->rules, identifier.type);
  return type != NULL && type->class == IDENTITY_PERSON && !identity_is_blocked(reading->rules, type, identifier.value);
}

static enum err copy_persons(const struct reading *reading, const struct timeline_payload *payload,
                             struct replay_said *said) {
  struct identifier *persons = arena_take(reading->arena, (payload->identifier_count + 1) * sizeof *persons);
  if (persons == NULL) return ERR_NO_MEMORY;
  said->persons = persons;
  for (size_t i = 0; i < payload->identifier_count; i++) {
    if (!is_person(reading, payload->identifiers[i])) continue;
    struct identifier *person = &persons[said->person_count++];
    *person = payload->identifiers[i];
    person->value = arena_copy(reading->arena, person->value);
    if (person->value.data == NULL) return ERR_NO_MEMORY;
  }
  return ERR_OK;
}

static enum err take_item(const struct reading *reading, const struct timeline_item *item) {
  const struct timeline_payload *payload = &item->payload;
  struct work work = {.engine = reading->view->engine, .arena = reading->arena, .diag = reading->diag};
  struct replay_said said = {.sequence = payload->sequence,
                             .received_us = payload->received_us,
                             .at = item->event.at,
                             .correction = (payload->flags & TIMELINE_CORRECTION) != 0};
  memcpy(&said.event, item->event.at.event, sizeof said.event);
  if ((payload->flags & TIMELINE_TRAITS) == 0) return ERR_OK;
  enum err err = fold_names_of_message(&work, payload->message, &said.given_name, &said.birth_date);
  if (err != ERR_OK || (said.given_name.size_bytes == 0 && said.birth_date == 0)) return err;
  err = copy_persons(reading, payload, &said);
  return err == ERR_OK && said.person_count > 0 ? reading->each(reading->context, &said) : err;
}

static enum err read_named(const struct reading *reading, uint64_t customer, const struct timeline_head *head,
                           uint32_t name) {
  struct timeline_query query = {.payloads = true, .name = name};
  struct timeline_cursor *cursor = NULL;
  enum err err =
      timeline_open(&cursor, (struct timeline_reader){.snapshot = reading->view->snapshot}, customer, head, &query);
  while (err == ERR_OK) {
    struct timeline_item item;
    err = timeline_next(cursor, &item);
    if (err == ERR_OK) err = take_item(reading, &item);
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err replay_names(struct engine_view *view, const struct identity_rules *rules, uint64_t customer,
                      struct arena *arena, replay_said_fn *each, void *context, struct diag *diag) {
  struct reading reading = {view, rules, arena, each, context, diag};
  struct timeline_head head = {0};
  struct customer *record = arena_take(arena, sizeof *record);
  bool found;
  if (record == NULL) return ERR_NO_MEMORY;
  enum err err = read_customer_if_there(view, customer, arena, record, &head, &found);
  if (err != ERR_OK || !found || record->id != customer) return err;
  err = read_named(&reading, customer, &head, view->engine->id.identified);
  return err == ERR_OK ? read_named(&reading, customer, &head, view->engine->id.corrected) : err;
}
