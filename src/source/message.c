// message: one message of the Segment protocol, and of those who speak it with an accent, to one engine event.
//
// The order of the checks is the order of the refusals: object, type, event name, time, identifiers, message id. What
// can be read but should not be believed, a robot's or of an impossible time, becomes an event to be kept aside.
// Accents: RudderStack keeps traits in context.traits, Jitsu says the type twice (path and body), analytics.js shortens
// paths to one letter, and everybody sends numbers where the specification has text. What a message has is never
// changed: the packed document is the payload; only a batch's context is put in where the message has none.
#include <strings.h>

#include "rule/machine.h"
#include "source/reader.h"

static const struct type_name {
  struct bytes name, letter;
  enum engine_event_type type;
} type_names[] = {
    {BYTES_INIT("identify"), BYTES_INIT("i"), ENGINE_IDENTIFY}, {BYTES_INIT("track"), BYTES_INIT("t"), ENGINE_TRACK},
    {BYTES_INIT("page"), BYTES_INIT("p"), ENGINE_PAGE},         {BYTES_INIT("screen"), BYTES_INIT("s"), ENGINE_SCREEN},
    {BYTES_INIT("group"), BYTES_INIT("g"), ENGINE_GROUP},       {BYTES_INIT("alias"), BYTES_INIT("a"), ENGINE_ALIAS},
};

static const struct type_name *find_type(struct bytes text) {
  for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
    if (bytes_equal_ascii_case(text, type_names[i].name) || bytes_equal_ascii_case(text, type_names[i].letter)) {
      return &type_names[i];
    }
  }
  return NULL;
}

// The message knows best; the path speaks for those that say nothing.
static enum err read_type(struct source_message *message, struct diag *diag) {
  struct bytes own = BYTES("");
  value_as_text(message->top.at[MEMBER_TYPE], &own);
  const struct type_name *found = find_type(bytes_trim(own));
  if (found == NULL) {
    found = find_type(message->envelope->type);
  }
  if (found == NULL) {
    return diag_set(diag, ERR_INVALID, "unknown_type", "type must be identify, track, page, screen, group or alias%s",
                    own.size_bytes == 0 ? "; the message has none" : "");
  }
  message->event->type = found->type;
  return ERR_OK;
}

static enum err read_name(struct source_message *message, struct diag *diag) {
  struct engine_event *event = message->event;
  event->name = message->reader->event_names[event->type];
  if (event->type != ENGINE_TRACK) {
    return ERR_OK;
  }
  struct bytes name = source_text(message->top.at[MEMBER_EVENT], message->arena);
  if (name.data == NULL) {
    return diag_no_memory(diag);
  }
  if (name.size_bytes == 0) {
    return diag_set(diag, ERR_INVALID, "missing_event", "a track message needs the name of its event in \"event\"");
  }
  if (name.size_bytes > LIMIT_NAME_BYTES) {
    return diag_set(diag, ERR_INVALID, "name_too_long", "the event's name has %zu bytes; at most %d are taken",
                    name.size_bytes, LIMIT_NAME_BYTES);
  }
  enum err err = names_intern(message->reader->names, name, &event->name, diag);
  if (err == ERR_OK && event->name == 0) {
    return diag_set(diag, ERR_INVALID, "too_many_names",
                    "this workspace already knows %d names; no new event name fits", LIMIT_NAMES);
  }
  return err;
}

enum err source_keep_aside(struct source_message *message, const char *code, const char *words, struct diag *diag) {
  if (message->envelope->resent) {
    return diag_set(diag, ERR_INVALID, code, "%s", words);
  }
  if (message->event->aside_code == NULL) {
    message->event->aside_code = code;
    message->event->aside_words = words;
  }
  return ERR_OK;
}

static enum err keep_bots_aside(struct source_message *message, struct diag *diag) {
  struct bytes agent = BYTES("");
  if (!value_as_text(message->context.at[MEMBER_USER_AGENT], &agent)) {
    struct source_fields device;
    source_fields_read(message->reader, message->context.at[MEMBER_DEVICE], &device);
    value_as_text(device.at[MEMBER_USER_AGENT], &agent);
  }
  return source_is_bot(agent) ? source_keep_aside(message, "bot", "the user agent declares itself a robot", diag)
                              : ERR_OK;
}

// --- building ------------------------------------------------------------------------------------------------

// The built document in the reader's scratch, moved into the arena.
static enum err keep_built(struct source_message *message, struct value_builder *builder, struct value *out) {
  enum err err = value_builder_finish(builder);
  if (err == ERR_OK) {
    out->packed = arena_copy(message->arena, buffer_view(&message->reader->scratch));
    err = out->packed.data == NULL ? ERR_NO_MEMORY : ERR_OK;
  }
  return err;
}

static void put_member(struct value_builder *builder, const struct value_iter *iter) {
  value_put_name(builder, value_iter_name(iter, builder->names));
  value_put_value(builder, iter->item);
}

static bool has_members(struct value value) {
  struct value_iter iter = value_iterate(value);
  return value_type(value) == VALUE_DOCUMENT && value_next(&iter);
}

static enum err put_context(struct source_message *message) {
  struct source_reader *reader = message->reader;
  struct value_builder builder;
  buffer_clear(&reader->scratch);
  value_builder_init(&builder, &reader->scratch, reader->names);
  value_document_begin(&builder);
  struct value_iter iter = value_iterate(message->packed);
  while (value_next(&iter)) {
    // A context of null would stand twice.
    if (iter.item.packed.data != message->top.at[MEMBER_CONTEXT].packed.data) {
      put_member(&builder, &iter);
    }
  }
  value_put_name(&builder, BYTES("context"));
  value_put_value(&builder, message->envelope->context);
  value_document_end(&builder);
  return keep_built(message, &builder, &message->packed);
}

// --- hot columns ---------------------------------------------------------------------------------------------

enum { AMOUNT_ELSEWHERE = UINT8_MAX }; // in the message only

static bool is_null(struct value value) {
  return value_type(value) == VALUE_NULL;
}

// The code (rule/machine.h) says for whose property the number may stand: the first of the four that is not null. A
// number behind one that is no number, such as a text, stands for none.
static void read_amount(struct source_message *message) {
  static const enum source_member places[] = {MEMBER_TOTAL, MEMBER_REVENUE, MEMBER_VALUE, MEMBER_PRICE};
  struct engine_event *event = message->event;
  struct decimal number;
  unsigned kind = RULE_AMOUNT_TOTAL;
  event->amount_code = RULE_AMOUNT_NOTHING;
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    struct value value = message->properties.at[places[i]];
    if (is_null(value)) {
      kind += kind != 0;
      continue;
    }
    if (!value_as_number(value, &number)) {
      kind = 0;
      event->amount_code = AMOUNT_ELSEWHERE;
      continue;
    }
    int scale = number.exponent < 0 ? -number.exponent : 0;
    bool fits = scale <= 18 && decimal_to_scaled_i64(number, scale, &event->amount) == ERR_OK;
    event->amount_code = fits ? (uint8_t)(kind << RULE_AMOUNT_SHIFT | (unsigned)scale) : AMOUNT_ELSEWHERE;
    return;
  }
}

// ISO 4217: three letters of five bits, A = 1, the first highest.
static uint16_t pack_currency(struct bytes text) {
  uint32_t packed = 0;
  if (text.size_bytes != 3) {
    return 0;
  }
  for (size_t i = 0; i < 3; i++) {
    uint32_t letter = (text.data[i] | 0x20U) - 'a';
    if (letter >= 26) {
      return 0;
    }
    packed = packed << 5 | (letter + 1);
  }
  return (uint16_t)packed;
}

enum { DIM_BYTES = 64 }; // longer texts are no names of stores or channels, and would fill the dictionary

// The first of `count` values that is a short text or number, as a dictionary id; 0 when there is none.
static enum err read_dim(struct source_message *message, const struct value *places, size_t count, uint32_t *id,
                         struct diag *diag) {
  for (size_t i = 0; i < count; i++) {
    struct bytes text = source_text(places[i], message->arena);
    if (text.data == NULL) {
      return diag_no_memory(diag);
    }
    if (text.size_bytes > 0 && text.size_bytes <= DIM_BYTES) {
      return names_intern(message->reader->names, text, id, diag);
    }
  }
  return ERR_OK;
}

// Readers need not look into the message when the dictionary's text is exactly what context.channel says, or when
// nothing says a channel.
static uint32_t channel_bits(const struct source_message *message, uint32_t id) {
  struct value own = message->context.at[MEMBER_CHANNEL];
  struct bytes text;
  if (is_null(own)) {
    return is_null(message->properties.at[MEMBER_CHANNEL]) ? RULE_DIM_NONE : 0;
  }
  bool exact = id != 0 && value_as_text(own, &text) && bytes_equal(text, names_text(message->reader->names, id));
  return exact ? RULE_DIM_CONTEXT : 0;
}

static enum err read_columns(struct source_message *message, struct diag *diag) {
  const struct source_fields *properties = &message->properties;
  struct bytes currency = BYTES("");
  struct value stores[] = {properties->at[MEMBER_AFFILIATION], properties->at[MEMBER_STORE],
                           properties->at[MEMBER_STORE_ID]};
  struct value channels[] = {message->context.at[MEMBER_CHANNEL], properties->at[MEMBER_CHANNEL]};
  read_amount(message);
  if (value_as_text(properties->at[MEMBER_CURRENCY], &currency)) {
    message->event->currency = pack_currency(bytes_trim(currency));
  }
  enum err err = read_dim(message, stores, 3, &message->event->dims[0], diag);
  if (err == ERR_OK) {
    err = read_dim(message, channels, 2, &message->event->dims[1], diag);
  }
  if (err == ERR_OK) {
    message->event->dims[1] |= channel_bits(message, message->event->dims[1]);
  }
  return err;
}

// --- the whole -----------------------------------------------------------------------------------------------

static enum err read_fields(struct source_message *message, struct diag *diag) {
  const struct source_reader *reader = message->reader;
  source_fields_read(reader, message->packed, &message->top);
  if (value_type(message->top.at[MEMBER_CONTEXT]) == VALUE_NULL && has_members(message->envelope->context)) {
    if (put_context(message) != ERR_OK) {
      return diag_no_memory(diag);
    }
    source_fields_read(reader, message->packed, &message->top);
  }
  source_fields_read(reader, message->top.at[MEMBER_CONTEXT], &message->context);
  source_fields_read(reader, message->top.at[MEMBER_PROPERTIES], &message->properties);
  return ERR_OK;
}

// Everything but the id: what a message says.
static enum err read_content(struct source_message *message, struct diag *diag) {
  enum err err = read_type(message, diag);
  if (err == ERR_OK) {
    err = read_name(message, diag);
  }
  if (err == ERR_OK) {
    err = keep_bots_aside(message, diag);
  }
  if (err == ERR_OK) {
    err = source_time_correct(message, diag);
  }
  if (err == ERR_OK) {
    err = source_identifiers_read(message, diag);
  }
  message->event->gives_traits = message->event->type == ENGINE_IDENTIFY;
  return err == ERR_OK ? read_columns(message, diag) : err;
}

enum err source_message_read(struct source_reader *reader, const struct source_envelope *envelope, struct value message,
                             struct bytes text, uint64_t occurrence, struct arena *arena, struct engine_event *event,
                             struct diag *diag) {
  struct source_message reading = {
      .reader = reader, .envelope = envelope, .arena = arena, .event = event, .packed = message};
  if (value_type(message) != VALUE_DOCUMENT) {
    return diag_set(diag, ERR_INVALID, "not_an_object", "a message is a JSON object");
  }
  reading.source = engine_source(reader->engine, envelope->source);
  if (reading.source == NULL) {
    return diag_set(diag, ERR_NOT_FOUND, "unknown_source", "there is no source %u", envelope->source);
  }
  enum err err = source_reader_refresh(reader, diag);
  if (err == ERR_OK) {
    err = read_fields(&reading, diag);
  }
  if (err != ERR_OK) {
    return err;
  }
  *event = (struct engine_event){.source = envelope->source,
                                 .trusted = envelope->trusted,
                                 .replay = envelope->replay,
                                 .received_us = envelope->received_us,
                                 .resent = envelope->resent,
                                 .message = reading.packed,
                                 .text = text};
  err = read_content(&reading, diag);
  return err == ERR_OK ? source_message_id_make(&reading, occurrence, diag) : err;
}
