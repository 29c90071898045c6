// document_json: documents as people wrote them, by the tables they were read by.
//
// A member is told when it differs from its default, or when it must always be there: what is told can be put back and
// gives the same struct. Amounts of a currency without digits after the point are numbers, money is text.
#include <string.h>

#include "loyalty/reading.h"

static const void *inner_of(const struct member *member, const void *item) {
  return member->form == FORM_GROUP ? item : (const char *)item + member->at;
}

static struct bytes text_of(const struct member *member, const void *item) {
  struct bytes text;
  memcpy(&text, (const char *)item + member->at, sizeof text);
  return text;
}

static struct rule_duration duration_of(const struct member *member, const void *item) {
  struct rule_duration duration;
  memcpy(&duration, (const char *)item + member->at, sizeof duration);
  return duration;
}

static size_t count_of(const struct member *member, const void *item) {
  size_t count;
  memcpy(&count, (const char *)item + member->also, sizeof count);
  return count;
}

// --- is it as by default -------------------------------------------------------------------------------------

static bool is_default(const struct table *table, const struct member *member, const void *item, const void *defaults);

static bool all_default(const struct table *table, const void *item, const void *defaults) {
  for (size_t i = 0; i < table->member_count; i++)
    if (!is_default(table, &table->members[i], item, defaults)) return false;
  return true;
}

static bool same_duration(const struct member *member, const void *item, const void *defaults) {
  struct rule_duration here = duration_of(member, item), usual = duration_of(member, defaults);
  return here.count == usual.count && (here.unit == usual.unit || here.count == 0);
}

static bool is_default(const struct table *table, const struct member *member, const void *item, const void *defaults) {
  if (member->choice != 0) return !form_is_chosen(table, member, item);
  switch (member->form) {
  case FORM_GROUP:
  case FORM_OBJECT:
    return all_default(member->table, inner_of(member, item), inner_of(member, defaults));
  case FORM_LIST:
    return count_of(member, item) == 0;
  case FORM_DURATION:
    return same_duration(member, item, defaults);
  case FORM_WINDOW: {
    const struct loyalty_tiers *here = item, *usual = defaults;
    return here->window == usual->window && same_duration(member, item, defaults);
  }
  case FORM_STORED:
    return true;
  case FORM_YES:
    return false;
  case FORM_WORD:
    return form_word(member, item) == NULL || form_number(member, item) == form_number(member, defaults);
  default:
    if (member->size_bytes == sizeof(struct bytes))
      return bytes_equal(text_of(member, item), text_of(member, defaults));
    return form_number(member, item) == form_number(member, defaults);
  }
}

// --- values --------------------------------------------------------------------------------------------------

// A number of so many digits after the point: all of them of money, else only those that say something.
static struct bytes print_scaled(int64_t number, int digits, bool all, char text[DECIMAL_TEXT_BYTES]) {
  struct decimal exact = decimal_from_i64(number);
  exact.exponent = (int16_t)-digits;
  while (!all && exact.exponent < 0 && exact.coefficient % 10 == 0) {
    exact.coefficient /= 10;
    exact.exponent++;
  }
  return bytes_of(text, decimal_format(exact, text));
}

static void tell_scaled(struct json_writer *writer, int64_t number, int digits, bool all, bool as_text) {
  char text[DECIMAL_TEXT_BYTES];
  struct bytes digits_text = print_scaled(number, digits, all, text);
  if (as_text)
    json_bytes(writer, digits_text);
  else
    json_raw(writer, digits_text);
}

static void tell_currency(struct telling *telling, uint8_t number) {
  const struct loyalty_currency *currency = loyalty_currency_at(telling->programme, number);
  telling->scale = currency == NULL ? 0 : currency->scale;
  json_bytes(telling->writer, currency == NULL ? BYTES("") : currency->id);
}

static void tell_duration(struct json_writer *writer, struct rule_duration duration) {
  char text[FORM_DURATION_BYTES];
  form_print_duration(duration, text);
  json_text(writer, text);
}

static void tell_window(struct json_writer *writer, const struct loyalty_tiers *tiers) {
  if (tiers->window == LOYALTY_WINDOW_ROLLING)
    tell_duration(writer, tiers->window_length);
  else
    json_text(writer, form_window_words[tiers->window]);
}

static void tell_list(struct telling *telling, const struct member *member, const void *item) {
  const struct table *table = member->table;
  const char *items;
  memcpy(&items, (const char *)item + member->at, sizeof items);
  json_array_begin(telling->writer);
  for (size_t i = 0; i < count_of(member, item); i++) {
    uint8_t scale = telling->scale;
    json_object_begin(telling->writer);
    document_tell(telling, table, items + i * table->item_bytes, table->defaults);
    json_object_end(telling->writer);
    telling->scale = scale;
  }
  json_array_end(telling->writer);
}

static void tell_object(struct telling *telling, const struct member *member, const void *item, const void *defaults) {
  const struct table *table = member->table;
  uint8_t scale = telling->scale;
  json_object_begin(telling->writer);
  document_tell(telling, table, inner_of(member, item),
                table->defaults != NULL ? table->defaults : inner_of(member, defaults));
  json_object_end(telling->writer);
  telling->scale = scale;
}

static void tell_number(struct telling *telling, const struct member *member, int64_t number) {
  struct json_writer *writer = telling->writer;
  switch (member->form) {
  case FORM_AMOUNT:
    tell_scaled(writer, number, telling->scale, true, telling->scale > 0);
    return;
  case FORM_CENTS:
    tell_scaled(writer, number, 2, true, true);
    return;
  case FORM_MICROS:
    tell_scaled(writer, number, 6, false, true);
    return;
  case FORM_PERCENT:
    tell_scaled(writer, number, 2, false, false);
    return;
  case FORM_SHARE:
    tell_scaled(writer, number, 4, false, false);
    return;
  case FORM_CURRENCY:
    tell_currency(telling, (uint8_t)number);
    return;
  case FORM_PROGRAMME:
    json_bytes(writer, telling->programme->id);
    return;
  case FORM_TOLD_TIME:
    json_time(writer, number);
    return;
  case FORM_WORD:
    json_text(writer, member->words[number]);
    return;
  case FORM_FLAG:
    if (member->words != NULL)
      json_text(writer, member->words[number]);
    else
      json_bool(writer, number != 0);
    return;
  default:
    json_i64(writer, number);
  }
}

static void tell_value(struct telling *telling, const struct member *member, const void *item, const void *defaults) {
  switch (member->form) {
  case FORM_GROUP:
  case FORM_OBJECT:
    tell_object(telling, member, item, defaults);
    return;
  case FORM_LIST:
    tell_list(telling, member, item);
    return;
  case FORM_DURATION:
    tell_duration(telling->writer, duration_of(member, item));
    return;
  case FORM_WINDOW:
    tell_window(telling->writer, item);
    return;
  case FORM_YES:
    json_bool(telling->writer, true);
    return;
  default:
    if (member->size_bytes == sizeof(struct bytes))
      json_bytes(telling->writer, text_of(member, item));
    else
      tell_number(telling, member, form_number(member, item));
  }
}

// The first currency is meant when none is told; its scale is that of what comes after.
static bool is_first_currency(struct telling *telling, const struct member *member, const void *item) {
  uint8_t number = (uint8_t)form_number(member, item);
  const struct loyalty_currency *first = &telling->programme->currencies[0];
  if (number == first->number) telling->scale = first->scale;
  return number == first->number || number == 0;
}

void document_tell(struct telling *telling, const struct table *table, const void *item, const void *defaults) {
  for (size_t i = 0; i < table->member_count; i++) {
    const struct member *member = &table->members[i];
    if (member->form == FORM_CURRENCY && is_first_currency(telling, member, item)) continue;
    if (!member->required && is_default(table, member, item, defaults)) continue;
    json_name(telling->writer, member->name);
    tell_value(telling, member, item, defaults);
  }
}

void document_json(struct json_writer *writer, const struct table *table, const void *item, bool archived,
                   const struct loyalty_programme *programme) {
  struct telling telling = {writer, programme, programme->currencies[0].scale};
  json_object_begin(writer);
  document_tell(&telling, table, item, table->defaults);
  if (!archived) json_member_bool(writer, "archived", false);
}
