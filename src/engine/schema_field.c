// schema_field.c: one named value of the catalogue: its types, how often it is there, examples, whether it is personal.
//
// Personal is decided twice: by the name, cut into words ("billingAddress" holds "address"), and by the shape of any
// value seen (an @ before a dot, or digits as a phone number has). Once personal, a field stays so and its
// examples are dropped: an analyst's catalogue must not leak a customer.
#include <stdlib.h>
#include <string.h>

#include "engine/read.h"
#include "engine/schema.h"

enum { PHONE_DIGITS_MIN = 9, WORD_BYTES = 32 };

// --- what is personal ----------------------------------------------------------------------------------------

// Words of a name. "name" alone is a person's in a trait but a product's in a property such as "product_name": the
// catalogue shows fewer examples rather than one too many.
static bool is_personal_word(struct bytes word) {
  static const char *const words[] = {
      "address", "adresse",   "avatar",   "birth",    "birthdate", "birthday", "card",      "cardnumber",
      "dob",     "email",     "facebook", "fax",      "firstname", "forename", "fullname",  "handle",
      "iban",    "instagram", "ip",       "lastname", "lat",       "latitude", "lng",       "login",
      "lon",     "longitude", "mail",     "mobile",   "msisdn",    "name",     "naissance", "nickname",
      "nom",     "passport",  "password", "phone",    "photo",     "postcode", "postal",    "prenom",
      "secret",  "social",    "ssn",      "street",   "surname",   "tel",      "telephone", "telegram",
      "token",   "twitter",   "user",     "userid",   "username",  "whatsapp", "zip"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (bytes_equal(word, bytes_from_text(words[i]))) return true;
  return false;
}

static bool is_upper(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z';
}

static bool is_letter(uint8_t byte) {
  return is_upper(byte) || (byte >= 'a' && byte <= 'z');
}

// A word ends before a capital that follows a small letter, and at anything that is no letter.
bool schema_is_personal_name(struct bytes name) {
  uint8_t word[WORD_BYTES];
  size_t used = 0;
  for (size_t i = 0; i <= name.size_bytes; i++) {
    bool ends = i == name.size_bytes || !is_letter(name.data[i]);
    bool begins = !ends && i > 0 && is_upper(name.data[i]) && !is_upper(name.data[i - 1]);
    if ((ends || begins) && used > 0) {
      if (is_personal_word(bytes_of(word, used))) return true;
      used = 0;
    }
    if (!ends && used < sizeof word) word[used++] = (uint8_t)(name.data[i] | 0x20);
  }
  return false;
}

static bool looks_like_email(struct bytes text) {
  const uint8_t *at = text.size_bytes == 0 ? NULL : memchr(text.data, '@', text.size_bytes);
  if (at == NULL || at == text.data) return false;
  size_t after = text.size_bytes - (size_t)(at - text.data) - 1;
  return after > 0 && memchr(at + 1, '.', after) != NULL;
}

static bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

static bool may_part_digits(uint8_t byte) {
  return byte != '\0' && strchr(" .-()/", byte) != NULL;
}

// "+33 6 12 34 56 78", "call 06.12.34.56.78": a run of digits and the signs between them, with a + or a 0 in front.
static bool looks_like_phone(struct bytes text) {
  size_t digits = 0;
  for (size_t i = 0; i < text.size_bytes; i++) {
    uint8_t byte = text.data[i];
    bool begins = digits == 0 && (byte == '+' || byte == '0');
    if (begins || (digits > 0 && is_digit(byte)))
      digits++;
    else if (digits > 0 && !may_part_digits(byte))
      digits = 0;
    if (digits > PHONE_DIGITS_MIN) return true;
  }
  return false;
}

static bool looks_personal(struct value value) {
  struct bytes text;
  return value_as_text(value, &text) && (looks_like_email(text) || looks_like_phone(text));
}

// A list or document is personal when anything in it is. Depth is bounded by the packed form's own limit.
static bool holds_personal(struct value value, const struct names *names) {
  struct value_iter iter = value_iterate(value);
  if (looks_personal(value)) return true;
  while (value_next(&iter))
    if ((iter.is_document && schema_is_personal_name(value_iter_name(&iter, names))) ||
        holds_personal(iter.item, names))
      return true;
  return false;
}

// --- fields --------------------------------------------------------------------------------------------------

struct schema_field *schema_field(struct schema_fields *fields, struct bytes name, struct arena *arena, enum err *err) {
  for (size_t i = 0; i < fields->count; i++)
    if (bytes_equal(fields->items[i]->name, name)) return fields->items[i];
  fields->truncated = fields->truncated || fields->count == fields->limit;
  if (fields->count == fields->limit) return NULL;
  struct schema_field *field = arena_take_zero(arena, 1, sizeof *field);
  struct schema_field **items =
      arena_grow(arena, fields->items, fields->count, &fields->capacity, 16, sizeof(struct schema_field *));
  struct bytes kept = arena_copy(arena, name);
  if (items != NULL) fields->items = items;
  *err = field == NULL || items == NULL || kept.data == NULL ? ERR_NO_MEMORY : ERR_OK;
  if (*err != ERR_OK) return NULL;
  field->name = kept;
  field->personal = schema_is_personal_name(name);
  fields->items[fields->count++] = field;
  return field;
}

void schema_add_source(struct schema_field *field, uint32_t source) {
  size_t at = 0;
  while (at < field->source_count && field->sources[at] < source) at++;
  if (at < field->source_count && field->sources[at] == source) return;
  if (field->source_count == SCHEMA_SOURCES_MAX) return;
  memmove(&field->sources[at + 1], &field->sources[at], (field->source_count - at) * sizeof *field->sources);
  field->sources[at] = source;
  field->source_count++;
}

// Cuts text to SCHEMA_EXAMPLE_BYTES without cutting a character.
static struct bytes cut(struct bytes text) {
  size_t size_bytes = text.size_bytes;
  if (size_bytes <= SCHEMA_EXAMPLE_BYTES) return text;
  size_bytes = SCHEMA_EXAMPLE_BYTES;
  while (size_bytes > 0 && (text.data[size_bytes] & 0xc0) == 0x80) size_bytes--;
  return bytes_of(text.data, size_bytes);
}

// The example as JSON: text cut, numbers and booleans as they are; lists and documents give none.
static enum err add_example(struct schema_field *field, struct value value, const struct names *names,
                            struct arena *arena) {
  struct json_writer writer;
  struct buffer json;
  struct bytes text;
  enum value_type type = value_type(value);
  enum err err = ERR_OK;
  if (type == VALUE_LIST || type == VALUE_DOCUMENT) return ERR_OK;
  buffer_init(&json);
  json_writer_init(&writer, &json);
  if (value_as_text(value, &text))
    json_bytes(&writer, cut(text));
  else
    value_to_json(&writer, value, names);
  bool known = json.failed;
  for (size_t i = 0; i < field->example_count; i++)
    known = known || bytes_equal(field->examples[i], buffer_view(&json));
  if (!known) {
    struct bytes example = arena_copy(arena, buffer_view(&json));
    if (example.data != NULL) field->examples[field->example_count++] = example;
    if (example.data == NULL) err = ERR_NO_MEMORY;
  }
  if (json.failed) err = ERR_NO_MEMORY;
  buffer_release(&json);
  return err;
}

enum err schema_count(struct schema_field *field, struct value value, const struct names *names, struct arena *arena) {
  enum value_type type = value_type(value);
  if (type == VALUE_NULL) return ERR_OK;
  field->filled++;
  field->types |= 1u << type;
  if (!field->personal && holds_personal(value, names)) field->personal = true;
  if (field->personal) field->example_count = 0;
  if (field->personal || field->example_count == SCHEMA_EXAMPLES_MAX) return ERR_OK;
  return add_example(field, value, names, arena);
}

// --- writing -------------------------------------------------------------------------------------------------

static void write_types(const struct schema_field *field, struct json_writer *writer) {
  static const char *const names[] = {[VALUE_NULL] = "null", [VALUE_BOOL] = "boolean", [VALUE_NUMBER] = "number",
                                      [VALUE_TEXT] = "text", [VALUE_LIST] = "list",    [VALUE_DOCUMENT] = "document"};
  json_name(writer, "types");
  json_array_begin(writer);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (field->types & 1u << i) json_text(writer, names[i]);
  json_array_end(writer);
}

// A share with four digits after the point, half up: 1.0000, 0.3333.
static void write_rate(uint64_t part, uint64_t total, struct json_writer *writer) {
  char text[DECIMAL_TEXT_BYTES];
  uint64_t rate = total == 0 ? 0 : (part * 10000 + total / 2) / total;
  struct decimal number = {.coefficient = rate, .exponent = -4};
  size_t size_bytes = decimal_format(number, text);
  json_name(writer, "fill_rate");
  json_raw(writer, bytes_of(text, size_bytes));
}

static void write_sources(const struct schema_field *field, struct engine *engine, struct json_writer *writer) {
  json_name(writer, "sources");
  json_array_begin(writer);
  for (size_t i = 0; i < field->source_count; i++) json_bytes(writer, read_source_name(engine, field->sources[i]));
  json_array_end(writer);
}

static int by_name(const void *a, const void *b) {
  const struct schema_field *const *x = a, *const *y = b;
  return bytes_compare((*x)->name, (*y)->name);
}

void schema_write(struct schema_fields *fields, uint64_t total, struct engine *engine, bool with_sources,
                  struct json_writer *writer) {
  if (fields->count > 1) qsort(fields->items, fields->count, sizeof(struct schema_field *), by_name);
  json_array_begin(writer);
  for (size_t i = 0; i < fields->count; i++) {
    const struct schema_field *field = fields->items[i];
    json_object_begin(writer);
    json_member_bytes(writer, "name", field->name);
    write_types(field, writer);
    if (with_sources) write_sources(field, engine, writer);
    write_rate(field->filled, total, writer);
    json_name(writer, "examples");
    json_array_begin(writer);
    for (size_t j = 0; j < field->example_count; j++) json_raw(writer, field->examples[j]);
    json_array_end(writer);
    json_member_bool(writer, "personal", field->personal);
    json_object_end(writer);
  }
  json_array_end(writer);
}
