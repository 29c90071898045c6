// fold.c: the traits of a record are a fold of its events.
//
// Each source's newest value of a trait is kept (customer_fold_trait), so that the order in which events are folded
// does not matter, and folding them again from the timeline gives the same record: that is what makes a split exact. A
// message gives `traits`, and, for members not in there, `context.traits` (RudderStack's browser SDK puts them there).
#include <string.h>

#include "engine/work.h"
#include "quality/quality.h"

static bool is_excluded(const uint32_t *excluded, size_t count, uint32_t name) {
  for (size_t i = 0; i < count; i++)
    if (excluded[i] == name) return true;
  return false;
}

static bool has_member(const struct engine *engine, struct value document, const struct value_iter *member) {
  if (member->name_id != 0) return !value_is_absent(value_member_id(document, member->name_id));
  return !value_is_absent(value_member(document, engine->names, member->inline_name));
}

static bool names_somebody(const struct engine *engine, uint32_t name) {
  const uint32_t *ids[] = {&engine->id.firstName, &engine->id.first_name, &engine->id.givenName,
                           &engine->id.given_name};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
    if (*ids[i] == name) return true;
  return false;
}

static enum err fold_one(struct work *work, struct work_customer *customer, const struct value_iter *member,
                         const struct customer_trait *like) {
  struct customer_trait trait = *like;
  bool changed = false;
  trait.name = member->name_id;
  trait.inline_name = member->inline_name;
  trait.value = member->item;
  enum err err = work_take_tokens(work, customer);
  if (err == ERR_OK) err = customer_fold_trait(&customer->record, work->arena, &trait, &changed);
  if (err == ERR_LIMIT) return ERR_OK; // past LIMIT_CUSTOMER_TRAITS names: the event itself keeps the value
  if (changed) customer->record_dirty = true;
  if (changed && err == ERR_OK) err = work_note(work, &customer->changed, member->name_id);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

static enum err fold_document(struct work *work, struct work_customer *customer, struct value document,
                              struct value unless_in, const struct customer_trait *like, const uint32_t *excluded,
                              size_t excluded_count) {
  struct value_iter member = value_iterate(document);
  enum err err = ERR_OK;
  if (value_is_absent(document) || value_type(document) != VALUE_DOCUMENT) return ERR_OK;
  while (err == ERR_OK && value_next(&member)) {
    if (member.name_id != 0 && is_excluded(excluded, excluded_count, member.name_id)) continue;
    if (!value_is_absent(unless_in) && has_member(work->engine, unless_in, &member)) continue;
    err = fold_one(work, customer, &member, like);
  }
  return err;
}

enum err fold_message(struct work *work, struct work_customer *customer, struct value message, uint32_t source,
                      bool correction, const struct identity_instant *at, const uint32_t *excluded,
                      size_t excluded_count) {
  const struct engine *engine = work->engine;
  struct value traits = value_member_id(message, engine->id.traits);
  struct value context = value_member_id(message, engine->id.context);
  struct customer_trait like = {.source = source, .correction = correction, .at = *at};
  if (correction) value_as_text(value_member_id(message, engine->id.author), &like.author);
  enum err err = fold_document(work, customer, traits, (struct value){0}, &like, excluded, excluded_count);
  if (err == ERR_OK)
    err = fold_document(work, customer, value_member_id(context, engine->id.traits), traits, &like, excluded,
                        excluded_count);
  return err;
}

// A value that the rules block now names nobody: it is no person beside this customer, and no trait of hers.
static bool is_nobody(const struct work *work, struct identifier identifier) {
  const struct identity_type *type = identity_type_by_id(work->rules, identifier.type);
  return type != NULL && identity_is_blocked(work->rules, type, identifier.value);
}

// True when every person the event named is still this customer.
static bool names_only(const struct work *work, const struct customer *record, const struct timeline_payload *payload) {
  for (size_t i = 0; i < payload->identifier_count; i++) {
    const struct identity_type *type = identity_type_by_id(work->rules, payload->identifiers[i].type);
    if (type != NULL && type->class == IDENTITY_DEVICE) continue;
    if (customer_find_identifier(record, payload->identifiers[i]) >= 0) continue;
    if (!is_nobody(work, payload->identifiers[i])) return false;
  }
  return true;
}

// The traits that were not taken when the event came, and those whose value names nobody by now.
static enum err find_excluded(struct work *work, const struct customer *record, const struct timeline_payload *payload,
                              uint32_t **excluded, size_t *count) {
  *count = payload->excluded_count;
  *excluded = arena_take(work->arena, (payload->excluded_count + payload->identifier_count + 1) * sizeof **excluded);
  if (*excluded == NULL) return diag_no_memory(work->diag);
  if (*count > 0) memcpy(*excluded, payload->excluded, *count * sizeof **excluded);
  for (size_t i = 0; i < payload->identifier_count; i++) {
    struct identifier identifier = payload->identifiers[i];
    if (customer_find_identifier(record, identifier) < 0 && is_nobody(work, identifier))
      (*excluded)[(*count)++] = identifier.type;
  }
  return ERR_OK;
}

// Folds one event read back, as it was folded when it came.
static enum err fold_item(struct work *work, struct work_customer *customer, const struct timeline_item *item) {
  const struct timeline_payload *payload = &item->payload;
  if ((payload->flags & TIMELINE_TRAITS) == 0 || !names_only(work, &customer->record, payload)) return ERR_OK;
  if (payload->received_us > customer->record.updated_us) customer->record.updated_us = payload->received_us;
  uint32_t *excluded;
  size_t excluded_count;
  enum err err = find_excluded(work, &customer->record, payload, &excluded, &excluded_count);
  if (err != ERR_OK) return err;
  return fold_message(work, customer, payload->message, payload->source, (payload->flags & TIMELINE_CORRECTION) != 0,
                      &item->event.at, excluded, excluded_count);
}

static enum err fold_events(struct work *work, struct work_customer *customer, uint32_t name) {
  struct timeline_query query = {.payloads = true, .name = name};
  struct timeline_cursor *cursor = NULL;
  enum err err =
      timeline_open(&cursor, (struct timeline_reader){.txn = work->txn}, customer->record.id, &customer->head, &query);
  while (err == ERR_OK) {
    struct timeline_item item;
    err = timeline_next(cursor, &item);
    if (err == ERR_OK) err = fold_item(work, customer, &item);
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err fold_again(struct work *work, struct work_customer *customer) {
  enum err err = work_take_tokens(work, customer);
  customer->record.trait_count = 0;
  customer->record_dirty = customer->changed_hands = true;
  if (err == ERR_OK) err = fold_events(work, customer, work->engine->id.identified);
  if (err == ERR_OK) err = fold_events(work, customer, work->engine->id.corrected);
  return err;
}

// --- names, for the guard of shared phones -------------------------------------------------------------------

static enum err read_name(struct work *work, struct value value, struct bytes *given_name) {
  struct bytes text;
  if (given_name->size_bytes > 0 || !value_as_text(value, &text)) return ERR_OK;
  return quality_fold(text, work->arena, given_name);
}

static void read_birth_date(struct value value, int *birth_date) {
  struct bytes text;
  if (*birth_date == 0 && value_as_text(value, &text)) *birth_date = quality_birth_date(text);
}

static bool dates_birth(const struct engine *engine, uint32_t name) {
  return name == engine->id.birthday || name == engine->id.birth_date || name == engine->id.birthdate ||
         name == engine->id.dateOfBirth;
}

static enum err read_member(struct work *work, uint32_t name, struct value value, struct bytes *given_name,
                            int *birth_date) {
  if (dates_birth(work->engine, name)) read_birth_date(value, birth_date);
  return names_somebody(work->engine, name) ? read_name(work, value, given_name) : ERR_OK;
}

enum err fold_names_of_message(struct work *work, struct value message, struct bytes *given_name, int *birth_date) {
  struct value documents[] = {
      value_member_id(message, work->engine->id.traits),
      value_member_id(value_member_id(message, work->engine->id.context), work->engine->id.traits)};
  enum err err = ERR_OK;
  *given_name = BYTES("");
  *birth_date = 0;
  for (size_t i = 0; i < 2; i++) {
    struct value_iter member = value_iterate(documents[i]);
    while (err == ERR_OK && value_next(&member))
      err = read_member(work, member.name_id, member.item, given_name, birth_date);
  }
  return err;
}

enum err fold_names_of_record(struct work *work, const struct customer *record, struct bytes *given_name,
                              int *birth_date) {
  enum err err = ERR_OK;
  *given_name = BYTES("");
  *birth_date = 0;
  for (size_t i = 0; err == ERR_OK && i < record->trait_count;) {
    uint32_t name = record->traits[i].name;
    const struct customer_trait *winner = customer_trait_winner(record, i, &work->sources, &i);
    if (winner != NULL) err = read_member(work, name, winner->value, given_name, birth_date);
  }
  return err;
}
