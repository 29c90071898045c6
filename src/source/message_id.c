// message_id: the id by which a repeat of a message is known.
//
// 1. messageId, as the client gave it.
// 2. A till's own numbers: store, till, ticket and the ticket's day, with the event's name, since a ticket may be sold
//    and taken back. Tills begin again at 1 each morning, so without a date there is no natural key.
// 3. A hash of the content, without what differs from one sending to the next (sentAt, writeKey) and an empty
//    messageId. Equal messages of one
//    file or one request are told apart by how many came before, so that reading the same file again repeats the ids.
#include <sodium.h>
#include <string.h>

#include "source/reader.h"

enum { HASH_BYTES = 16, HASH_TEXT_BYTES = 2 * HASH_BYTES + 1 };

static struct bytes first_text(const struct source_message *message, const enum source_member *members, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct bytes text = source_text(message->properties.at[members[i]], message->arena);
    if (text.data == NULL || text.size_bytes > 0) {
      return text;
    }
  }
  return BYTES("");
}

#define FIRST_TEXT(message, ...)                                                                                       \
  first_text(message, (const enum source_member[]){__VA_ARGS__},                                                       \
             sizeof((const enum source_member[]){__VA_ARGS__}) / sizeof(enum source_member))

enum { TICKET_PARTS = 5 };

static void hash_part(crypto_generichash_state *state, struct bytes part) {
  uint64_t size = part.size_bytes;
  crypto_generichash_update(state, (const uint8_t *)&size, sizeof size);
  crypto_generichash_update(state, part.data, part.size_bytes);
}

// Readable when nothing in it can be misread: no part holds the separator and all fit.
static struct bytes ticket_id(const struct bytes *parts, struct arena *arena) {
  size_t size = 0;
  bool readable = true;
  for (int i = 0; i < TICKET_PARTS; i++) {
    size += parts[i].size_bytes + 1;
    readable = readable && memchr(parts[i].data, ':', parts[i].size_bytes) == NULL;
  }
  if (readable && size + sizeof "ticket" <= LIMIT_MESSAGE_ID_BYTES) {
    return bytes_from_text(arena_format(arena, "ticket:%.*s:%.*s:%.*s:%.*s:%.*s", BYTES_ARG(parts[0]),
                                        BYTES_ARG(parts[1]), BYTES_ARG(parts[2]), BYTES_ARG(parts[3]),
                                        BYTES_ARG(parts[4])));
  }
  crypto_generichash_state state;
  uint8_t hash[HASH_BYTES];
  char text[HASH_TEXT_BYTES];
  crypto_generichash_init(&state, NULL, 0, sizeof hash);
  for (int i = 0; i < TICKET_PARTS; i++) {
    hash_part(&state, parts[i]);
  }
  crypto_generichash_final(&state, hash, sizeof hash);
  bytes_to_hex(bytes_of(hash, sizeof hash), text);
  return bytes_from_text(arena_format(arena, "ticket:%s", text));
}

// *made stays false when the message carries no ticket.
static enum err natural_key(const struct source_message *message, bool *made) {
  char day[CLOCK_TEXT_BYTES];
  struct bytes ticket = FIRST_TEXT(message, MEMBER_TICKET, MEMBER_RECEIPT_NUMBER, MEMBER_TICKET_ID);
  if (ticket.size_bytes == 0 || !message->has_original) {
    return ticket.data == NULL ? ERR_NO_MEMORY : ERR_OK;
  }
  struct bytes store = FIRST_TEXT(message, MEMBER_STORE_ID, MEMBER_STORE, MEMBER_AFFILIATION);
  struct bytes till = FIRST_TEXT(message, MEMBER_TILL, MEMBER_REGISTER, MEMBER_POS_ID, MEMBER_TERMINAL);
  if (store.size_bytes == 0 || till.size_bytes == 0) {
    return store.data == NULL || till.data == NULL ? ERR_NO_MEMORY : ERR_OK;
  }
  clock_format(message->original_us, day);
  struct bytes name = message->event->name == 0 ? BYTES("") : names_text(message->reader->names, message->event->name);
  struct bytes parts[TICKET_PARTS] = {store, till, ticket, bytes_of(day, strcspn(day, "T")), name};
  message->event->message_id = ticket_id(parts, message->arena);
  *made = true;
  return message->event->message_id.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static void hash_content(const struct source_message *message, uint8_t hash[HASH_BYTES]) {
  const struct source_fields *top = &message->top;
  crypto_generichash_state state;
  uint8_t type = (uint8_t)message->event->type;
  crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
  crypto_generichash_update(&state, &type, sizeof type);
  struct value_iter iter = value_iterate(message->packed);
  while (value_next(&iter)) {
    const uint8_t *at = iter.item.packed.data;
    if (at == top->at[MEMBER_SENT_AT].packed.data || at == top->at[MEMBER_WRITE_KEY].packed.data ||
        at == top->at[MEMBER_MESSAGE_ID].packed.data) {
      continue;
    }
    hash_part(&state, value_iter_name(&iter, message->reader->names));
    hash_part(&state, iter.item.packed);
  }
  crypto_generichash_final(&state, hash, HASH_BYTES);
}

struct bytes source_hash_id(const uint8_t hash[16], uint64_t occurrence, struct arena *arena) {
  char text[HASH_TEXT_BYTES];
  bytes_to_hex(bytes_of(hash, HASH_BYTES), text);
  return bytes_from_text(occurrence == 0 ? arena_format(arena, "hash:%s", text)
                                         : arena_format(arena, "hash:%s/%llu", text, (unsigned long long)occurrence));
}

static enum err own_id(const struct source_message *message, struct diag *diag) {
  struct value given = message->top.at[MEMBER_MESSAGE_ID];
  enum value_type type = value_type(given);
  struct bytes text = source_text(given, message->arena);
  if (text.data == NULL) {
    return diag_no_memory(diag);
  }
  if (type != VALUE_NULL && type != VALUE_TEXT && type != VALUE_NUMBER) {
    return diag_set(diag, ERR_INVALID, "bad_message_id", "messageId must be text or a number");
  }
  if (text.size_bytes > LIMIT_MESSAGE_ID_BYTES) {
    return diag_set(diag, ERR_INVALID, "bad_message_id", "messageId has %zu bytes; at most %d are taken",
                    text.size_bytes, LIMIT_MESSAGE_ID_BYTES);
  }
  message->event->message_id = text;
  return ERR_OK;
}

enum err source_message_id_make(struct source_message *message, uint64_t occurrence, struct diag *diag) {
  struct source_reader *reader = message->reader;
  bool made = false;
  reader->content_hashed = false;
  enum err err = own_id(message, diag);
  if (err != ERR_OK || message->event->message_id.size_bytes > 0) {
    return err;
  }
  if (natural_key(message, &made) != ERR_OK) {
    return diag_no_memory(diag);
  }
  if (made) {
    return ERR_OK;
  }
  reader->content_hashed = true;
  hash_content(message, reader->content_hash);
  message->event->message_id = source_hash_id(reader->content_hash, occurrence, message->arena);
  return message->event->message_id.data == NULL ? diag_no_memory(diag) : ERR_OK;
}
