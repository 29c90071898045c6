// reading_form: one value of each form, from a person's document or from the stored one.
//
// Amounts are whole numbers of the smallest unit. People write them as numbers or as texts ("10.00"), exactly: an
// amount that needs more digits than its currency has is refused and not rounded.
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/nearest.h"
#include "loyalty/reading.h"
#include "rule/admit.h"
#include "rule/literal.h"
#include "value/given.h"

const char *const form_window_words[3] = {
    [LOYALTY_WINDOW_CALENDAR] = "calendar_year", [LOYALTY_WINDOW_ANNIVERSARY] = "anniversary"};

static enum err wrong_type(struct reading *reading, const char *expected) {
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

// --- numbers in structs --------------------------------------------------------------------------------------

int64_t form_number(const struct member *member, const void *item) {
  const char *at = (const char *)item + member->at;
  uint32_t middle;
  int64_t large;
  switch (member->size_bytes) {
  case sizeof(uint8_t): // a bool too
    return *(const uint8_t *)at;
  case sizeof middle:
    memcpy(&middle, at, sizeof middle);
    return middle;
  default:
    assert(member->size_bytes == sizeof large);
    memcpy(&large, at, sizeof large);
    return large;
  }
}

void form_set_number(const struct member *member, void *item, int64_t number) {
  char *at = (char *)item + member->at;
  uint32_t middle = (uint32_t)number;
  if (member->size_bytes == sizeof(uint8_t))
    *(uint8_t *)at = (uint8_t)number;
  else if (member->size_bytes == sizeof middle)
    memcpy(at, &middle, sizeof middle);
  else
    memcpy(at, &number, sizeof number);
}

static int64_t most_of_size(const struct member *member) {
  if (member->size_bytes == sizeof(uint8_t)) return UINT8_MAX;
  return member->size_bytes == sizeof(uint32_t) ? UINT32_MAX : INT64_MAX;
}

static struct bytes *text_at(const struct member *member, void *item) {
  return (struct bytes *)(void *)((char *)item + member->at);
}

const char *form_word(const struct member *member, const void *item) {
  size_t position = (size_t)form_number(member, item);
  return position < member->word_count ? member->words[position] : NULL;
}

bool form_is_chosen(const struct table *table, const struct member *member, const void *item) {
  unsigned choice;
  memcpy(&choice, (const char *)item + table->choice_at, sizeof choice);
  return member->choice == 0 || choice == (unsigned)member->choice;
}

// --- texts ---------------------------------------------------------------------------------------------------

static enum err keep(struct reading *reading, const struct member *member, struct bytes text, void *item) {
  text = arena_copy(reading->arena, text);
  if (text.data == NULL) return diag_no_memory(reading->diag);
  *text_at(member, item) = text;
  return ERR_OK;
}

static enum err read_text(struct reading *reading, const struct member *member, struct value value, size_t most_bytes,
                          void *item) {
  struct bytes text;
  enum err err = given_text(value, most_bytes, &text, reading->diag);
  return err == ERR_OK ? keep(reading, member, text, item) : err;
}

// An empty one is as none: that is what forms send.
static enum err read_long(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes text;
  if (value_as_text(value, &text) && text.size_bytes == 0) return ERR_OK;
  return read_text(reading, member, value, LOYALTY_TEXT_BYTES, item);
}

static enum err read_event(struct reading *reading, const struct member *member, struct value value, void *item) {
  enum err err = read_text(reading, member, value, LIMIT_NAME_BYTES, item);
  reading->event = *text_at(member, item);
  return err;
}

static enum err read_id(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes id;
  if (!value_as_text(value, &id)) return wrong_type(reading, "a text");
  if (!loyalty_id_is_good(id))
    return diag_set(reading->diag, ERR_INVALID, "bad_id",
                    "expected at most %d letters (a to z), digits, _ and -, a letter first", LOYALTY_ID_BYTES);
  return keep(reading, member, id, item);
}

// A voucher names its programme, so one of the two is there first: the programme, whose reward waits for the voucher.
static void warn_of_voucher(struct reading *reading, struct bytes id) {
  const struct loyalty_catalog *catalog = reading->catalog;
  struct bytes nearest = catalog->near_voucher == NULL ? BYTES("") : catalog->near_voucher(catalog->context, id);
  char meant[LOYALTY_ID_BYTES + 32] = "";
  struct diag worded;
  if (reading->warnings == NULL || reading->warnings->warning_count == RULE_WARNINGS_MAX) return;
  struct rule_diag *warning = &reading->warnings->warnings[reading->warnings->warning_count++];
  *warning = (struct rule_diag){.code = "unknown_voucher"};
  if (nearest.size_bytes > 0) {
    snprintf(meant, sizeof meant, "; did you mean \"%.*s\"?", BYTES_ARG(nearest));
    snprintf(warning->nearest, sizeof warning->nearest, "%.*s", BYTES_ARG(nearest));
  }
  diag_set(&worded, ERR_INVALID, "", "%s: there is no voucher \"%.*s\" yet, and nothing gives it until there is%s",
           reading->path, BYTES_ARG(id), meant);
  diag_in_field(&worded, "%s", reading->path);
  memcpy(warning->message, worded.message, sizeof warning->message);
  memcpy(warning->field, worded.field, sizeof warning->field);
}

static enum err read_voucher(struct reading *reading, const struct member *member, struct value value, void *item) {
  enum err err = read_id(reading, member, value, item);
  if (err != ERR_OK || reading_is_stored(reading) || reading->catalog->voucher == NULL) return err;
  struct bytes id = *text_at(member, item);
  if (reading->catalog->voucher(reading->catalog->context, id) == 0) warn_of_voucher(reading, id);
  return ERR_OK;
}

static enum err read_zone(struct reading *reading, const struct member *member, struct value value, void *item) {
  enum err err = read_text(reading, member, value, LIMIT_NAME_BYTES, item);
  if (err != ERR_OK || reading_is_stored(reading)) return err;
  reading->zone = reading->catalog->zone(reading->catalog->context, *text_at(member, item));
  if (reading->zone != NULL) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "bad_timezone",
                  "there is no such time zone here: expected an IANA name such as \"Europe/Paris\"");
}

static enum err read_money_code(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes code;
  if (!value_as_text(value, &code)) return wrong_type(reading, "a text");
  bool good = code.size_bytes == 3;
  for (size_t i = 0; good && i < 3; i++) good = code.data[i] >= 'A' && code.data[i] <= 'Z';
  if (good) return keep(reading, member, code, item);
  return diag_set(reading->diag, ERR_INVALID, "bad_currency_code",
                  "expected three capital letters (ISO 4217) such as \"EUR\"");
}

static enum err read_prefix(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes prefix;
  enum err err = given_text(value, LOYALTY_PREFIX_BYTES, &prefix, reading->diag);
  for (size_t i = 0; err == ERR_OK && i < prefix.size_bytes; i++) {
    uint8_t byte = prefix.data[i];
    if ((byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '-') continue;
    err = diag_set(reading->diag, ERR_INVALID, "bad_text", "expected capital letters (A to Z), digits and -");
  }
  return err == ERR_OK ? keep(reading, member, prefix, item) : err;
}

static enum err read_programme(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes id;
  if (!value_as_text(value, &id)) return wrong_type(reading, "a text");
  const struct loyalty_catalog *catalog = reading->catalog;
  const struct loyalty_programme *programme =
      loyalty_id_is_good(id) ? catalog->programme(catalog->context, id, 0) : NULL;
  if (programme == NULL)
    return diag_set(reading->diag, ERR_INVALID, "unknown_programme", "there is no programme of this id");
  form_set_number(member, item, programme->number);
  reading->currencies = programme->currencies;
  reading->currency_count = programme->currency_count;
  reading->scale = programme->currencies[0].scale;
  reading->zone = catalog->zone(catalog->context, programme->timezone);
  if (reading->zone != NULL) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "bad_timezone", "the programme's time zone is not here");
}

// --- expressions ---------------------------------------------------------------------------------------------

static enum over over_what(const struct member *member, const void *item) {
  if (member->over != OVER_RULE) return member->over;
  const struct loyalty_rule *rule = item;
  return rule->by_line || rule->lines.size_bytes > 0 ? OVER_LINE : OVER_EVENT;
}

enum rule_subject form_subject(const struct member *member, const void *item) {
  static const enum rule_subject SUBJECTS[] = {
      [OVER_CUSTOMER] = RULE_SUBJECT_NONE, [OVER_EVENT] = RULE_SUBJECT_EVENT, [OVER_LINE] = RULE_SUBJECT_ITEM};
  return SUBJECTS[over_what(member, item)];
}

static struct rule_check check_over(const struct reading *reading, enum rule_subject subject, bool condition) {
  return (struct rule_check){.catalog = reading->catalog->rules,
                             .subject = subject,
                             .subject_event = subject == RULE_SUBJECT_NONE ? BYTES("") : reading->event,
                             .condition = condition};
}

static enum err read_expression(struct reading *reading, const struct member *member, struct value value, void *item) {
  enum err err = read_text(reading, member, value, RULE_TEXT_BYTES_MAX, item);
  if (err != ERR_OK || reading_is_stored(reading)) return err;
  struct rule_check check = check_over(reading, form_subject(member, item), member->form == FORM_CONDITION);
  rule_types types = 0;
  err = rule_admit(*text_at(member, item), &check, reading->path, reading->warnings, &types, reading->where,
                   reading->diag);
  if (err != ERR_OK) return err;
  if (member->form == FORM_FORMULA && !(types & 1U << RULE_TYPE_NUMBER))
    return wrong_type(reading, "an expression whose value is a number");
  if (member->form == FORM_KEY && !(types & (1U << RULE_TYPE_NUMBER | 1U << RULE_TYPE_TEXT)))
    return wrong_type(reading, "an expression whose value is a text or a number");
  return ERR_OK;
}

// --- numbers -------------------------------------------------------------------------------------------------

static enum err read_stored_number(struct reading *reading, const struct member *member, struct value value,
                                   int64_t least, int64_t most, void *item) {
  int64_t number;
  int64_t fits = most_of_size(member);
  enum err err = given_whole(value, least, most < fits ? most : fits, &number, reading->diag);
  if (err == ERR_OK) form_set_number(member, item, number);
  return err;
}

static bool read_exact(struct value value, struct decimal *number) {
  struct bytes text;
  if (value_as_number(value, number)) return true;
  return value_as_text(value, &text) && decimal_parse(text, number, NULL) == ERR_OK;
}

// An amount with at most `digits` after the point. A text that is no number is a bad amount too.
static enum err read_amount(struct reading *reading, const struct member *member, struct value value, int digits,
                            void *item) {
  struct decimal exact;
  int64_t amount = 0;
  if (reading_is_stored(reading))
    return read_stored_number(reading, member, value, member->least, LOYALTY_AMOUNT_MAX, item);
  if (value_type(value) != VALUE_NUMBER && value_type(value) != VALUE_TEXT)
    return wrong_type(reading, "an amount: a number, or a text such as \"10.00\"");
  bool good = read_exact(value, &exact) && decimal_to_scaled_i64(exact, digits, &amount) == ERR_OK;
  if (good && amount >= member->least && amount <= LOYALTY_AMOUNT_MAX) {
    form_set_number(member, item, amount);
    return ERR_OK;
  }
  const char *least = member->least > 0 ? "above 0" : "of 0 or more";
  if (digits == 0)
    return diag_set(reading->diag, ERR_INVALID, "bad_amount", "expected a whole number %s, at most 10^15", least);
  return diag_set(reading->diag, ERR_INVALID, "bad_amount",
                  "expected an amount %s with at most %d digits after the point, at most 10^%d", least, digits,
                  15 - digits);
}

static enum err read_percent(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct decimal exact;
  int64_t parts = 0;
  if (reading_is_stored(reading)) return read_stored_number(reading, member, value, 1, LOYALTY_SHARE_UNIT, item);
  if (!value_as_number(value, &exact)) return wrong_type(reading, "a number of percent");
  if (decimal_to_scaled_i64(exact, 2, &parts) != ERR_OK || parts < 1 || parts > LOYALTY_SHARE_UNIT)
    return diag_set(reading->diag, ERR_INVALID, "out_of_range",
                    "expected a percentage above 0, at most 100, with at most 2 digits after the point");
  form_set_number(member, item, parts);
  return ERR_OK;
}

static enum err read_share(struct reading *reading, const struct member *member, struct value value, void *item) {
  uint32_t parts;
  if (reading_is_stored(reading)) return read_stored_number(reading, member, value, 0, LOYALTY_SHARE_UNIT, item);
  enum err err = given_share(value, 4, &parts, reading->diag);
  if (err == ERR_OK) form_set_number(member, item, parts);
  return err;
}

void reading_default_currency(struct reading *reading, const struct member *member, void *item) {
  if (reading_is_stored(reading)) return;
  assert(reading->currency_count > 0);
  form_set_number(member, item, reading->currencies[0].number);
  reading->scale = reading->currencies[0].scale;
}

static enum err read_currency(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes id;
  const char *known[LOYALTY_CURRENCIES_MAX];
  if (reading_is_stored(reading)) return read_stored_number(reading, member, value, 1, UINT8_MAX, item);
  if (!value_as_text(value, &id)) return wrong_type(reading, "a text");
  for (size_t i = 0; i < reading->currency_count; i++) {
    const struct loyalty_currency *currency = &reading->currencies[i];
    known[i] = (const char *)currency->id.data; // a copy in an arena: a zero follows it
    if (!bytes_equal(id, currency->id)) continue;
    form_set_number(member, item, currency->number);
    reading->scale = currency->scale;
    return ERR_OK;
  }
  return diag_set(reading->diag, ERR_INVALID, "unknown_currency",
                  "the programme has no such currency; did you mean \"%s\"?",
                  nearest_word(id, known, reading->currency_count));
}

// --- words ---------------------------------------------------------------------------------------------------

// All words that may stand there, and the one that was probably meant.
static enum err unknown_word(struct reading *reading, const struct member *member, struct bytes word) {
  const char *known[READING_MEMBERS_MAX];
  char list[DIAG_MESSAGE_BYTES / 2] = "";
  size_t count = 0, size = 0;
  for (size_t i = 0; i < member->word_count; i++) {
    if (member->words[i] == NULL) continue;
    int more = snprintf(list + size, sizeof list - size, "%s\"%s\"", count == 0 ? "" : ", ", member->words[i]);
    if (more > 0 && (size_t)more < sizeof list - size) size += (size_t)more;
    known[count++] = member->words[i];
  }
  if (word.size_bytes == 0) return diag_set(reading->diag, ERR_INVALID, "wrong_type", "expected one of %s", list);
  return diag_set(reading->diag, ERR_INVALID, "unknown_word", "expected one of %s; did you mean \"%s\"?", list,
                  nearest_word(word, known, count));
}

static enum err read_word(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes word = {NULL, 0};
  size_t position;
  value_as_text(value, &word);
  if (!given_word_find(word, member->words, member->word_count, &position)) return unknown_word(reading, member, word);
  form_set_number(member, item, (int64_t)position);
  return ERR_OK;
}

static enum err read_flag(struct reading *reading, const struct member *member, struct value value, void *item) {
  bool yes;
  if (member->words != NULL) return read_word(reading, member, value, item);
  if (!value_as_bool(value, &yes)) return wrong_type(reading, "true or false");
  if (member->form == FORM_FLAG) form_set_number(member, item, yes);
  return ERR_OK;
}

// --- times ---------------------------------------------------------------------------------------------------

// How many of each unit LOYALTY_YEARS_MAX years have, leap days aside.
static int64_t most_of_unit(enum rule_unit unit) {
  static const int64_t A_YEAR[] = {[RULE_SECOND] = 365 * 86400,
                                   [RULE_MINUTE] = 365 * 1440,
                                   [RULE_HOUR] = 365 * 24,
                                   [RULE_DAY] = 365,
                                   [RULE_WEEK] = 52,
                                   [RULE_MONTH] = 12,
                                   [RULE_QUARTER] = 4,
                                   [RULE_YEAR] = 1};
  return A_YEAR[unit] * LOYALTY_YEARS_MAX;
}

// "14 days": digits, one space, a unit.
static bool parse_duration(struct bytes text, struct rule_duration *duration) {
  size_t digits = 0;
  int64_t count = 0;
  while (digits < text.size_bytes && digits < 12 && text.data[digits] >= '0' && text.data[digits] <= '9')
    count = count * 10 + (text.data[digits++] - '0');
  if (digits == 0 || digits == text.size_bytes || text.data[digits] != ' ') return false;
  struct bytes word = bytes_of(text.data + digits + 1, text.size_bytes - digits - 1);
  if (!rule_unit_parse(word, &duration->unit)) return false;
  duration->count = count;
  return count <= most_of_unit(duration->unit);
}

static enum err read_duration(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes text;
  struct rule_duration duration;
  if (!value_as_text(value, &text)) return wrong_type(reading, "a text such as \"14 days\"");
  bool zero_is_good = member->most == 1;
  if (!parse_duration(text, &duration) || (duration.count == 0 && !zero_is_good))
    return diag_set(reading->diag, ERR_INVALID, "bad_duration",
                    "expected a length such as \"14 days\" or \"12 months\", %sat most %d years",
                    zero_is_good ? "" : "above 0, ", LOYALTY_YEARS_MAX);
  if ((int64_t)duration.unit < member->least)
    return diag_set(reading->diag, ERR_INVALID, "bad_duration", "expected days or longer: it ends with a day");
  memcpy((char *)item + member->at, &duration, sizeof duration);
  return ERR_OK;
}

static enum err read_window(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct loyalty_tiers *tiers = item;
  struct bytes text;
  size_t position;
  if (value_as_text(value, &text) && given_word_find(text, form_window_words, 3, &position)) {
    tiers->window = (enum loyalty_window_kind)position;
    tiers->window_length = (struct rule_duration){0, RULE_SECOND};
    return ERR_OK;
  }
  tiers->window = LOYALTY_WINDOW_ROLLING;
  if (read_duration(reading, member, value, item) == ERR_OK) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "bad_duration",
                  "expected a length of days or longer such as \"12 months\", or \"calendar_year\" or \"anniversary\"");
}

// A day that ends something is meant as a whole: the instant is the beginning of the next.
static enum err read_instant(struct reading *reading, const struct member *member, struct value value, void *item) {
  struct bytes text;
  struct rule_problem problem;
  bool has_offset;
  int64_t instant_us;
  if (!value_as_text(value, &text)) return wrong_type(reading, "a date or a time as a text, \"2026-05-31\"");
  enum err err = read_text(reading, member, value, CLOCK_TEXT_BYTES + 8, item);
  if (err != ERR_OK || reading_is_stored(reading)) return err;
  if (rule_literal_time(text, &instant_us, &has_offset, &problem) != ERR_OK)
    return diag_set(reading->diag, ERR_INVALID, "bad_date", "%s", problem.message);
  bool is_date = text.size_bytes == sizeof "2026-05-31" - 1;
  if (is_date && member->form == FORM_TO) instant_us += CLOCK_DAY_US;
  if (!has_offset && rule_time_from_wall(reading->zone, instant_us, &instant_us) != ERR_OK)
    return diag_set(reading->diag, ERR_INVALID, "bad_date", "expected a time from year 1 to year 9999");
  memcpy((char *)item + member->also, &instant_us, sizeof instant_us);
  return ERR_OK;
}

void form_print_duration(struct rule_duration duration, char text[FORM_DURATION_BYTES]) {
  snprintf(text, FORM_DURATION_BYTES, "%lld %s%s", (long long)duration.count, rule_unit_name(duration.unit),
           duration.count == 1 ? "" : "s");
}

// --- what is told beside a document --------------------------------------------------------------------------

static enum err skip_told(struct reading *reading, bool told) {
  if (told) return ERR_OK;
  return diag_set(reading->diag, ERR_INVALID, "wrong_type", "this is told of a document and not given: leave it out");
}

static enum err read_told(struct reading *reading, const struct member *member, struct value value, void *item) {
  if (!reading_is_stored(reading))
    return skip_told(reading, value_type(value) == (member->form == FORM_TOLD ? VALUE_NUMBER : VALUE_TEXT));
  if (member->form == FORM_TOLD_NAME) return read_text(reading, member, value, LOYALTY_TEXT_BYTES, item);
  return read_stored_number(reading, member, value, member->form == FORM_TOLD_TIME ? INT64_MIN : 0, INT64_MAX, item);
}

// --- all forms -----------------------------------------------------------------------------------------------

static enum err read_number(struct reading *reading, const struct member *member, struct value value, void *item) {
  switch (member->form) {
  case FORM_AMOUNT:
    return read_amount(reading, member, value, reading->scale, item);
  case FORM_CENTS:
    return read_amount(reading, member, value, 2, item);
  case FORM_MICROS:
    return read_amount(reading, member, value, 6, item);
  case FORM_PERCENT:
    return read_percent(reading, member, value, item);
  case FORM_SHARE:
    return read_share(reading, member, value, item);
  case FORM_CURRENCY:
    return read_currency(reading, member, value, item);
  case FORM_PROGRAMME:
    if (!reading_is_stored(reading)) return read_programme(reading, member, value, item);
    return read_stored_number(reading, member, value, 1, UINT32_MAX, item);
  case FORM_STORED:
    return read_stored_number(reading, member, value, member->size_bytes < sizeof(int64_t) ? 0 : INT64_MIN, INT64_MAX,
                              item);
  default:
    return read_stored_number(reading, member, value, member->least, member->most, item);
  }
}

enum err reading_form(struct reading *reading, const struct member *member, struct value value, void *item) {
  switch (member->form) {
  case FORM_ID:
    return read_id(reading, member, value, item);
  case FORM_NAME:
    return read_text(reading, member, value, LIMIT_NAME_BYTES, item);
  case FORM_EVENT:
    return read_event(reading, member, value, item);
  case FORM_LONG:
    return read_long(reading, member, value, item);
  case FORM_ZONE:
    return read_zone(reading, member, value, item);
  case FORM_MONEY:
    return read_money_code(reading, member, value, item);
  case FORM_PREFIX:
    return read_prefix(reading, member, value, item);
  case FORM_VOUCHER:
    return read_voucher(reading, member, value, item);
  case FORM_CONDITION:
  case FORM_FORMULA:
  case FORM_KEY:
    return read_expression(reading, member, value, item);
  case FORM_FROM:
  case FORM_TO:
    return read_instant(reading, member, value, item);
  case FORM_WORD:
    return read_word(reading, member, value, item);
  case FORM_FLAG:
  case FORM_YES:
    return read_flag(reading, member, value, item);
  case FORM_DURATION:
    return read_duration(reading, member, value, item);
  case FORM_WINDOW:
    return read_window(reading, member, value, item);
  case FORM_TOLD:
  case FORM_TOLD_TIME:
  case FORM_TOLD_NAME:
    return read_told(reading, member, value, item);
  default:
    return read_number(reading, member, value, item);
  }
}
