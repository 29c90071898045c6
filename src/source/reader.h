// reader: what a source reader keeps between messages. Private to source/.
//
// Known member names and the paths of the identity rules are resolved to dictionary ids once, so that a message is read
// by comparing numbers. The rules in force are compared by pointer at each message; new ones are resolved again.
#pragma once

#include "quality/quality.h"
#include "source/source.h"

// Every member that the reader asks for by name, in whatever document it stands.
#define SOURCE_MEMBERS(X)                                                                                              \
  X(TYPE, "type")                                                                                                      \
  X(EVENT, "event")                                                                                                    \
  X(MESSAGE_ID, "messageId")                                                                                           \
  X(PREVIOUS_ID, "previousId")                                                                                         \
  X(TIMESTAMP, "timestamp")                                                                                            \
  X(ORIGINAL_TIMESTAMP, "originalTimestamp")                                                                           \
  X(SENT_AT, "sentAt")                                                                                                 \
  X(WRITE_KEY, "writeKey")                                                                                             \
  X(BATCH, "batch")                                                                                                    \
  X(CONTEXT, "context")                                                                                                \
  X(TRAITS, "traits")                                                                                                  \
  X(PROPERTIES, "properties")                                                                                          \
  X(USER_AGENT, "userAgent")                                                                                           \
  X(DEVICE, "device")                                                                                                  \
  X(EXTERNAL_IDS, "externalIds")                                                                                       \
  X(EXTERNAL_ID, "externalId")                                                                                         \
  X(ID, "id")                                                                                                          \
  X(CHANNEL, "channel")                                                                                                \
  X(TOTAL, "total")                                                                                                    \
  X(REVENUE, "revenue")                                                                                                \
  X(VALUE, "value")                                                                                                    \
  X(PRICE, "price")                                                                                                    \
  X(CURRENCY, "currency")                                                                                              \
  X(AFFILIATION, "affiliation")                                                                                        \
  X(STORE, "store")                                                                                                    \
  X(STORE_ID, "store_id")                                                                                              \
  X(TILL, "till")                                                                                                      \
  X(REGISTER, "register")                                                                                              \
  X(POS_ID, "pos_id")                                                                                                  \
  X(TERMINAL, "terminal")                                                                                              \
  X(TICKET, "ticket")                                                                                                  \
  X(RECEIPT_NUMBER, "receipt_number")                                                                                  \
  X(TICKET_ID, "ticket_id")

enum source_member {
  MEMBER_NONE,
#define X(upper, text) MEMBER_##upper,
  SOURCE_MEMBERS(X)
#undef X
      MEMBER_COUNT
};

// The known members of one document; absent values where it has none.
struct source_fields {
  struct value at[MEMBER_COUNT];
};

// A segment of an identity path ("traits" of "traits.email"); index 0 of the table is the root.
struct source_path {
  uint32_t name; // dictionary id; 0 when the dictionary was full
  struct bytes text;
  uint16_t child, next; // first child and next sibling; 0: none
  int16_t type;         // index into identity_types of the path that ends here; -1: none ends
  bool is_user_id;      // the message's own userId: its type is the source's to say
  bool is_traits;       // top-level traits: a group's describe the group, not the person
};

struct source_reader {
  struct engine *engine;
  struct names *names;
  struct value_parser *parser;
  struct quality_phones *phones;
  const struct identity_rules *rules; // those that `paths` was made of
  const struct identity_type *types;
  struct source_path *paths;
  size_t type_count, path_count;
  uint32_t event_names[ENGINE_CORRECTION]; // of the types whose name is fixed; 0 for track
  struct buffer scratch;                   // documents being built
  uint8_t member_of[LIMIT_NAMES + 1];      // enum source_member by dictionary id
  bool has_inline_members;                 // some known name found the dictionary full

  // Of the message read last: it brought no id, and this is the hash of its content.
  bool content_hashed;
  uint8_t content_hash[16];
};

// Finds the known members of `document` (nothing when it is none).
void source_fields_read(const struct source_reader *reader, struct value document, struct source_fields *fields);

// Takes up the rules in force if they changed since the last call.
enum err source_reader_refresh(struct source_reader *reader, struct diag *diag);

// The text of a text or number, trimmed; empty for anything else. A number's text is made in `arena`; data is NULL only
// when that failed.
struct bytes source_text(struct value value, struct arena *arena);

// A message on its way to an event.
struct source_message {
  struct source_reader *reader;
  const struct source_envelope *envelope;
  const struct engine_source *source;
  struct arena *arena;
  struct engine_event *event;
  struct value packed;
  struct source_fields top, context, properties;
  bool has_original;   // the message says when it happened,
  int64_t original_us; // by its own clock
};

// message.c: gives the event to be kept aside; or refuses it, when that is where it comes from.
enum err source_keep_aside(struct source_message *message, const char *code, const char *words, struct diag *diag);

// message_identifiers.c: fills event->identifiers and previous_id.
enum err source_identifiers_read(struct source_message *message, struct diag *diag);

// message_time.c: fills event->time_us and the message's own time.
enum err source_time_correct(struct source_message *message, struct diag *diag);
// Reads a date as a message may write it: RFC 3339 text, or seconds, milliseconds or microseconds since 1970 as a
// number or its digits. ERR_NOT_FOUND when absent, null or empty, ERR_INVALID when unreadable.
enum err source_time_read(struct value value, int64_t *time_us);

// message_id.c: fills event->message_id.
enum err source_message_id_make(struct source_message *message, uint64_t occurrence, struct diag *diag);
// The id of the `occurrence`-th message with this content hash. Data NULL when memory is short.
struct bytes source_hash_id(const uint8_t hash[16], uint64_t occurrence, struct arena *arena);

// message_bot.c: true when a user agent declares itself a robot.
bool source_is_bot(struct bytes user_agent);
