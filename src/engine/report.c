// report.c: the table of kinds, and what all of them read of their options.
//
// A kind's options are checked by name before it is made, so that a mistyped one is refused and none is passed over.
#include "engine/report.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/read.h"
#include "rule/duration.h"
#include "rule/zone.h"
#include "value/given.h"

enum { OPTION_BYTES_MAX = 64, KIND_BYTES_SHOWN = 64 };

static const struct kind {
  const char *id, *title, *description;
  engine_report_fn *make;
} KINDS[] = {
#define REPORT(id, title, description) {#id, title, description, engine_report_##id},
#define REPORT_OPTION(id, name, description, otherwise)
#include "engine/reports.def"
#undef REPORT
#undef REPORT_OPTION
};

static const struct option {
  const char *kind, *name, *description, *otherwise;
} OPTIONS[] = {
#define REPORT(id, title, description)
#define REPORT_OPTION(id, name, description, otherwise) {#id, name, description, otherwise},
#include "engine/reports.def"
#undef REPORT
#undef REPORT_OPTION
};

enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS, OPTION_COUNT = sizeof OPTIONS / sizeof *OPTIONS };

// --- the list ------------------------------------------------------------------------------------------------

static void write_option(const struct option *option, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "name", option->name);
  json_member_text(writer, "description", option->description);
  json_name(writer, "default");
  if (option->otherwise[0] == '\0')
    json_null(writer);
  else
    json_text(writer, option->otherwise);
  json_object_end(writer);
}

void engine_reports_json(struct json_writer *writer) {
  json_object_begin(writer);
  json_name(writer, "reports");
  json_array_begin(writer);
  for (size_t i = 0; i < KIND_COUNT; i++) {
    json_object_begin(writer);
    json_member_text(writer, "id", KINDS[i].id);
    json_member_text(writer, "title", KINDS[i].title);
    json_member_text(writer, "description", KINDS[i].description);
    json_name(writer, "options");
    json_array_begin(writer);
    for (size_t k = 0; k < OPTION_COUNT; k++)
      if (strcmp(OPTIONS[k].kind, KINDS[i].id) == 0) write_option(&OPTIONS[k], writer);
    json_array_end(writer);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

// --- making one ----------------------------------------------------------------------------------------------

static enum err no_such_report(struct bytes kind, struct diag *diag) {
  const char *known[KIND_COUNT];
  struct buffer list;
  buffer_init(&list);
  for (size_t i = 0; i < KIND_COUNT; i++) {
    known[i] = KINDS[i].id;
    buffer_append_format(&list, "%s%s", i > 0 ? ", " : "", known[i]);
  }
  const char *nearest = nearest_slip(kind, known, KIND_COUNT);
  int size = (int)(kind.size_bytes < KIND_BYTES_SHOWN ? kind.size_bytes : KIND_BYTES_SHOWN);
  enum err err =
      nearest != NULL
          ? diag_set(diag, ERR_NOT_FOUND, "no_such_report", "there is no report \"%.*s\"; did you mean \"%s\"?", size,
                     (const char *)kind.data, nearest)
          : diag_set(diag, ERR_NOT_FOUND, "no_such_report", "there is no report \"%.*s\"; there are %.*s", size,
                     (const char *)kind.data, BYTES_ARG(buffer_view(&list)));
  if (list.failed) err = diag_no_memory(diag);
  buffer_release(&list);
  return err;
}

static enum err unknown_option(const char *kind, struct bytes name, const char *const *known, size_t count,
                               struct diag *diag) {
  if (count == 0)
    diag_set(diag, ERR_INVALID, "unknown_member", "the report \"%s\" has no options", kind);
  else
    diag_set(diag, ERR_INVALID, "unknown_member", "the report \"%s\" has no such option; did you mean \"%s\"?", kind,
             nearest_word(name, known, count));
  int size = (int)(name.size_bytes < OPTION_BYTES_MAX ? name.size_bytes : OPTION_BYTES_MAX);
  diag_in_field(diag, "%.*s", size, (const char *)name.data);
  return ERR_INVALID;
}

static enum err check_options(struct engine_view *view, const char *kind, struct value options, struct diag *diag) {
  const char *known[OPTION_COUNT + 1];
  size_t count = 0, position;
  for (size_t i = 0; i < OPTION_COUNT; i++)
    if (strcmp(OPTIONS[i].kind, kind) == 0) known[count++] = OPTIONS[i].name;
  if (value_is_absent(options)) return ERR_OK;
  if (value_type(options) != VALUE_DOCUMENT)
    return diag_set(diag, ERR_INVALID, "wrong_type", "expected an object of options");
  struct value_iter iter = value_iterate(options);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, view->engine->names);
    if (!given_word_find(name, known, count, &position)) return unknown_option(kind, name, known, count, diag);
  }
  return ERR_OK;
}

static enum err make(const struct kind *kind, struct engine_view *view, const struct engine_report_request *request,
                     struct report **report, struct rule_diag *refusal, struct diag *diag) {
  struct report *made;
  enum err err = check_options(view, kind->id, request->options, diag);
  if (err != ERR_OK) return err;
  if (report_open(&made, kind->id, kind->title) != ERR_OK) return diag_no_memory(diag);
  err = kind->make(view, request, made, refusal, diag);
  if (err == ERR_OK) err = report_failed(made, diag);
  if (err == ERR_OK)
    *report = made;
  else
    report_close(made);
  return err;
}

enum err engine_report(struct engine_view *view, struct bytes kind, const struct engine_report_request *request,
                       struct report **report, struct rule_diag *refusal, struct diag *diag) {
  *report = NULL;
  if (refusal != NULL) refusal->code[0] = '\0';
  for (size_t i = 0; i < KIND_COUNT; i++)
    if (bytes_equal(kind, bytes_from_text(KINDS[i].id))) return make(&KINDS[i], view, request, report, refusal, diag);
  return no_such_report(kind, diag);
}

// --- options -------------------------------------------------------------------------------------------------

struct value engine_report_option(struct engine_view *view, struct value options, const char *name) {
  struct value option = value_member(options, view->engine->names, bytes_from_text(name));
  return value_type(option) == VALUE_NULL ? (struct value){{NULL, 0}} : option;
}

static enum err in_option(const char *name, enum err err, struct diag *diag) {
  diag_in_field(diag, "%s", name);
  return err;
}

enum err engine_report_word(struct engine_view *view, struct value options, const char *name, const char *const *words,
                            size_t count, size_t fallback, size_t *position, struct diag *diag) {
  struct value option = engine_report_option(view, options, name);
  struct bytes word;
  *position = fallback;
  if (value_is_absent(option)) return ERR_OK;
  enum err err = given_text(option, OPTION_BYTES_MAX, &word, diag);
  if (err != ERR_OK) return in_option(name, err, diag);
  if (given_word_find(word, words, count, position)) return ERR_OK;
  diag_set(diag, ERR_INVALID, "unknown_word", "no such word; did you mean \"%s\"?", nearest_word(word, words, count));
  return in_option(name, ERR_INVALID, diag);
}

static bool looks_like_date(struct bytes text) {
  return text.size_bytes == 10 && text.data[4] == '-' && text.data[7] == '-';
}

enum err engine_report_instant(struct engine_view *view, struct value option, const char *name, bool end,
                               int64_t *time_us, bool *is_date, struct diag *diag) {
  struct bytes text;
  int64_t parsed;
  enum err err = given_text(option, OPTION_BYTES_MAX, &text, diag);
  if (err != ERR_OK) return in_option(name, err, diag);
  if (clock_parse(text, &parsed) != ERR_OK) {
    diag_set(diag, ERR_INVALID, "bad_time", "expected a date as 2026-01-31 or a time as 2026-01-31T10:00:00Z");
    return in_option(name, ERR_INVALID, diag);
  }
  bool date = looks_like_date(text);
  if (is_date != NULL) *is_date = date;
  *time_us = parsed;
  if (date) err = rule_time_from_wall(engine_zone(view->engine), parsed + (end ? CLOCK_DAY_US : 0), time_us);
  if (err == ERR_OK) return ERR_OK;
  diag_set(diag, ERR_INVALID, "out_of_range", "expected a date of the years 1 to 9998");
  return in_option(name, ERR_INVALID, diag);
}

void engine_report_time(struct engine_view *view, int64_t time_us, char out[ENGINE_REPORT_TIME_BYTES]) {
  struct rule_civil civil;
  rule_time_civil(engine_zone(view->engine), time_us, &civil);
  int size = snprintf(out, ENGINE_REPORT_TIME_BYTES, "%04d-%02d-%02d", civil.year % 10000, civil.month, civil.day);
  if (civil.hour == 0 && civil.minute == 0 && civil.second == 0) return;
  snprintf(out + size, (size_t)(ENGINE_REPORT_TIME_BYTES - size), " %02d:%02d:%02d", civil.hour, civil.minute,
           civil.second);
}

static void add_zone(struct engine_view *view, struct report *report) {
  report_fact(report, "time_zone", "Time zone", bytes_from_text(rule_zone_name(engine_zone(view->engine))));
}

// The last moment that is looked at: a midnight is the end of the day before it.
static void last_day(struct engine_view *view, int64_t end_us, char out[ENGINE_REPORT_TIME_BYTES]) {
  int64_t start_us;
  bool whole =
      rule_time_start(engine_zone(view->engine), end_us, RULE_DAY, 0, &start_us) == ERR_OK && start_us == end_us;
  engine_report_time(view, whole ? end_us - 1 : end_us, out);
  if (whole) out[10] = '\0'; // the date alone
}

enum err engine_report_at(struct engine_view *view, struct value options, int64_t fallback_us, struct report *report,
                          int64_t *at_us, struct diag *diag) {
  struct value option = engine_report_option(view, options, "at");
  char text[ENGINE_REPORT_TIME_BYTES];
  enum err err = ERR_OK;
  *at_us = fallback_us;
  if (!value_is_absent(option)) err = engine_report_instant(view, option, "at", true, at_us, NULL, diag);
  if (err != ERR_OK) return err;
  last_day(view, *at_us, text);
  report_fact(report, "at", "Up to", bytes_from_text(text));
  add_zone(view, report);
  return ERR_OK;
}

// --- periods -------------------------------------------------------------------------------------------------

// The beginning of the unit that holds an instant, so many units away.
static enum err start_of(struct engine_view *view, int64_t time_us, enum rule_unit unit, int64_t units, int64_t *out,
                         struct diag *diag) {
  if (rule_time_start(engine_zone(view->engine), time_us, unit, units, out) == ERR_OK) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "out_of_range", "the period lies outside the years 1 to 9998");
}

static enum err find_end(struct engine_view *view, struct value option, int64_t *to_us, struct diag *diag) {
  if (!value_is_absent(option)) return engine_report_instant(view, option, "to", true, to_us, NULL, diag);
  return start_of(view, clock_now_us(view->engine->clock), RULE_DAY, 0, to_us, diag);
}

static enum err find_begin(struct engine_view *view, struct value option, unsigned days, int64_t to_us,
                           int64_t *from_us, struct diag *diag) {
  if (!value_is_absent(option)) return engine_report_instant(view, option, "from", false, from_us, NULL, diag);
  return start_of(view, to_us - 1, RULE_DAY, 1 - (int64_t)days, from_us, diag);
}

// How many whole units lie between two instants that begin one; 0: they do not. A day may have 23 to 25 hours and a
// month 28 to 31 days, so half a unit more or less changes nothing.
static enum err units_between(struct engine_view *view, enum rule_unit unit, int64_t from_us, int64_t to_us,
                              int64_t *units, struct diag *diag) {
  int64_t from_start, to_start = to_us;
  *units = 0;
  enum err err = start_of(view, from_us, unit, 0, &from_start, diag);
  if (err == ERR_OK) err = start_of(view, to_us, unit, 0, &to_start, diag);
  if (err != ERR_OK || from_start != from_us || to_start != to_us) return err;
  if (unit == RULE_DAY)
    *units = (to_us - from_us + CLOCK_DAY_US / 2) / CLOCK_DAY_US;
  else
    *units = rule_months_between(engine_zone(view->engine), from_us, to_us);
  return ERR_OK;
}

static enum err find_previous(struct engine_view *view, struct engine_report_period *period, struct diag *diag) {
  static const enum rule_unit units[] = {RULE_MONTH, RULE_DAY};
  period->previous_us = period->from_us - (period->to_us - period->from_us);
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    int64_t count;
    enum err err = units_between(view, units[i], period->from_us, period->to_us, &count, diag);
    if (err != ERR_OK) return err;
    if (count > 0) return start_of(view, period->from_us, units[i], -count, &period->previous_us, diag);
  }
  return ERR_OK;
}

static void add_time(struct engine_view *view, const char *key, const char *label, int64_t from_us, int64_t to_us,
                     struct report *report) {
  char from[ENGINE_REPORT_TIME_BYTES], to[ENGINE_REPORT_TIME_BYTES], text[3 * ENGINE_REPORT_TIME_BYTES];
  engine_report_time(view, from_us, from);
  last_day(view, to_us, to);
  snprintf(text, sizeof text, "%s to %s", from, to);
  report_fact(report, key, label, bytes_from_text(text));
}

static void add_period(struct engine_view *view, const struct engine_report_period *period, struct report *report) {
  add_time(view, "period", "Period", period->from_us, period->to_us, report);
  add_zone(view, report);
}

void engine_report_previous(struct engine_view *view, const struct engine_report_period *period,
                            struct report *report) {
  add_time(view, "previous", "Compared with", period->previous_us, period->from_us, report);
}

enum err engine_report_period(struct engine_view *view, struct value options, unsigned default_days,
                              struct report *report, struct engine_report_period *period, struct diag *diag) {
  struct value from = engine_report_option(view, options, "from"), to = engine_report_option(view, options, "to");
  enum err err = find_end(view, to, &period->to_us, diag);
  if (err == ERR_OK) err = find_begin(view, from, default_days, period->to_us, &period->from_us, diag);
  if (err != ERR_OK) return err;
  if (value_is_absent(to) && period->from_us >= period->to_us) period->to_us = clock_now_us(view->engine->clock);
  if (period->from_us >= period->to_us) {
    diag_set(diag, ERR_INVALID, "out_of_range", "the period ends before it begins: \"from\" must be before \"to\"");
    return in_option("from", ERR_INVALID, diag);
  }
  err = find_previous(view, period, diag);
  if (err == ERR_OK) add_period(view, period, report);
  return err;
}
