// message_identifiers: who a message is about.
//
// One walk over the message follows the paths of the identity rules as a tree, so that the cost does not grow with the
// number of types. What cannot be cleaned is kept raw with its reason: the record shows it, and it identifies nobody.
// The order is that of the rules (rank of the type), whatever the order of the members.
#include <string.h>

#include "source/reader.h"

struct found {
  struct source_message *message;
  struct diag *diag;
  size_t ranks[LIMIT_EVENT_IDENTIFIERS]; // of event->identifiers, ascending
};

static enum err too_many(struct diag *diag) {
  return diag_set(diag, ERR_INVALID, "too_many_identifiers", "an event carries at most %d identifiers",
                  LIMIT_EVENT_IDENTIFIERS);
}

static enum err add(struct found *found, size_t rank, struct engine_identifier identifier) {
  struct engine_event *event = found->message->event;
  size_t at = event->identifier_count;
  for (size_t i = 0; i < event->identifier_count; i++) {
    if (identifier_equal(event->identifiers[i].identifier, identifier.identifier)) {
      return ERR_OK;
    }
  }
  if (event->identifier_count == LIMIT_EVENT_IDENTIFIERS) {
    return too_many(found->diag);
  }
  for (; at > 0 && found->ranks[at - 1] > rank; at--) {
    event->identifiers[at] = event->identifiers[at - 1];
    found->ranks[at] = found->ranks[at - 1];
  }
  event->identifiers[at] = identifier;
  found->ranks[at] = rank;
  event->identifier_count++;
  return ERR_OK;
}

// A raw value that could not be cleaned, short enough to be kept: whole characters, and no NUL, which keys end with.
static struct bytes cut(struct bytes raw) {
  const uint8_t *nul = raw.size_bytes == 0 ? NULL : memchr(raw.data, 0, raw.size_bytes);
  size_t size = nul == NULL ? raw.size_bytes : (size_t)(nul - raw.data);
  if (size > LIMIT_IDENTIFIER_BYTES) {
    size = LIMIT_IDENTIFIER_BYTES;
    while (size > 0 && (raw.data[size] & 0xC0) == 0x80) {
      size--;
    }
  }
  return bytes_of(raw.data, size);
}

static enum err take(struct found *found, size_t rank, uint32_t type, enum identity_form form, struct value value) {
  struct source_message *message = found->message;
  struct bytes raw = source_text(value, message->arena);
  struct engine_identifier identifier = {.identifier = {.type = type}, .reason = IDENTITY_OK};
  enum quality_reason reason = QUALITY_OK;
  if (raw.data == NULL) {
    return diag_no_memory(found->diag);
  }
  if (raw.size_bytes == 0) {
    return ERR_OK;
  }
  if (engine_clean(form, message->reader->phones, raw, message->source->region, message->arena,
                   &identifier.identifier.value, &reason) != ERR_OK) {
    return diag_no_memory(found->diag);
  }
  if (reason == QUALITY_EMPTY) {
    return ERR_OK;
  }
  if (reason != QUALITY_OK) {
    identifier.reason = IDENTITY_MALFORMED;
    identifier.identifier.value = cut(raw);
  }
  return identifier.identifier.value.size_bytes == 0 ? ERR_OK : add(found, rank, identifier);
}

static enum err take_type(struct found *found, const struct identity_type *type, struct value value) {
  size_t rank = (size_t)(type - found->message->reader->types);
  return take(found, rank, type->name, type->form, value);
}

// userId is of the type that the source gives its own numbers.
static enum err take_user_id(struct found *found, struct value value, const struct identity_type *usual) {
  struct source_reader *reader = found->message->reader;
  struct bytes wanted = found->message->source->user_id_type;
  if (wanted.size_bytes == 0 || bytes_equal(wanted, usual->text)) {
    return take_type(found, usual, value);
  }
  const struct identity_type *type = identity_type_find(reader->rules, wanted);
  if (type != NULL) {
    return take_type(found, type, value);
  }
  uint32_t name = 0; // not in the rules any more: the engine tells so
  enum err err = names_intern(reader->names, wanted, &name, found->diag);
  return err != ERR_OK ? err : take(found, 0, name, IDENTITY_FORM_TEXT, value);
}

static enum err take_path(struct found *found, const struct source_path *path, struct value value) {
  const struct identity_type *type = &found->message->reader->types[path->type];
  return path->is_user_id ? take_user_id(found, value, type) : take_type(found, type, value);
}

static const struct source_path *child_of(const struct source_reader *reader, const struct source_path *parent,
                                          const struct value_iter *iter) {
  for (uint16_t child = parent->child; child != 0; child = reader->paths[child].next) {
    const struct source_path *path = &reader->paths[child];
    if (iter->name_id != 0 ? path->name == iter->name_id : bytes_equal(path->text, iter->inline_name)) {
      return path;
    }
  }
  return NULL;
}

// As deep as the longest path of the rules, and never deeper than LIMIT_JSON_DEPTH.
static enum err walk(struct found *found, const struct source_path *parent, struct value document) {
  const struct source_reader *reader = found->message->reader;
  struct value_iter iter = value_iterate(document);
  enum err err = ERR_OK;
  while (err == ERR_OK && value_next(&iter)) {
    const struct source_path *path = child_of(reader, parent, &iter);
    if (path == NULL || (path->is_traits && found->message->event->type == ENGINE_GROUP)) {
      continue;
    }
    if (path->type >= 0) {
      err = take_path(found, path, iter.item);
    }
    if (err == ERR_OK && path->child != 0 && value_type(iter.item) == VALUE_DOCUMENT) {
      err = walk(found, path, iter.item);
    }
  }
  return err;
}

// context.externalIds: [{"id", "type"}]. A type that the rules do not know says nothing about who it is; the message
// keeps it.
static enum err take_external(struct found *found, struct value list) {
  struct source_reader *reader = found->message->reader;
  if (value_type(list) != VALUE_LIST) {
    return ERR_OK;
  }
  struct value_iter iter = value_iterate(list);
  enum err err = ERR_OK;
  while (err == ERR_OK && value_next(&iter)) {
    struct source_fields fields;
    struct bytes name;
    source_fields_read(reader, iter.item, &fields);
    if (!value_as_text(fields.at[MEMBER_TYPE], &name)) {
      continue;
    }
    const struct identity_type *type = identity_type_find(reader->rules, bytes_trim(name));
    if (type != NULL) {
      err = take_type(found, type, fields.at[MEMBER_ID]);
    }
  }
  return err;
}

static enum err read_previous_id(struct source_message *message, struct diag *diag) {
  struct bytes raw = source_text(message->top.at[MEMBER_PREVIOUS_ID], message->arena);
  enum quality_reason reason = QUALITY_EMPTY;
  if (raw.data == NULL || quality_identifier(raw, message->arena, &message->event->previous_id, &reason) != ERR_OK) {
    return diag_no_memory(diag);
  }
  if (reason != QUALITY_OK) {
    return diag_set(diag, ERR_INVALID, "missing_previous_id", "an alias needs previousId: %s",
                    quality_reason_text(reason));
  }
  return ERR_OK;
}

enum err source_identifiers_read(struct source_message *message, struct diag *diag) {
  struct found found = {.message = message, .diag = diag};
  enum err err = walk(&found, &message->reader->paths[0], message->packed);
  if (err == ERR_OK) {
    err = take_external(&found, message->context.at[MEMBER_EXTERNAL_IDS]);
  }
  if (err == ERR_OK) {
    err = take_external(&found, message->context.at[MEMBER_EXTERNAL_ID]);
  }
  if (err == ERR_OK && message->event->identifier_count == 0) {
    err =
        diag_set(diag, ERR_INVALID, "missing_identifier",
                 "the message says nothing about who it is: give userId, anonymousId, or another identifier where the "
                 "identity rules look for it");
  }
  if (err == ERR_OK && message->event->type == ENGINE_ALIAS) {
    err = read_previous_id(message, diag);
  }
  return err;
}
