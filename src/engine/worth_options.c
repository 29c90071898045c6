// worth_options.c: options of reports as people write them, also on a command line, where every number is a text.
#include <math.h>
#include <string.h>

#include "base/real.h"
#include "engine/report.h"
#include "engine/worth.h"
#include "scoring/rfm.h"
#include "value/given.h"

enum { TEXT_BYTES_MAX = 256 };

static enum err in_option(const char *name, enum err err, struct diag *diag) {
  diag_in_field(diag, "%s", name);
  return err;
}

enum err worth_text_option(struct engine_view *view, struct value options, const char *name, struct bytes otherwise,
                           struct bytes *text, struct diag *diag) {
  struct value option = engine_report_option(view, options, name);
  *text = otherwise;
  if (value_is_absent(option) && otherwise.size_bytes > 0) return ERR_OK;
  if (value_is_absent(option))
    return in_option(name, diag_set(diag, ERR_INVALID, "missing_member", "the report needs \"%s\"", name), diag);
  enum err err = given_text(option, TEXT_BYTES_MAX, text, diag);
  return err == ERR_OK ? ERR_OK : in_option(name, err, diag);
}

// "95%" is 0.95.
static bool read_text(struct bytes text, double *number) {
  bool percent = text.size_bytes > 0 && text.data[text.size_bytes - 1] == '%';
  if (real_read((struct bytes){text.data, text.size_bytes - percent}, number) != ERR_OK) return false;
  if (percent) *number /= 100;
  return true;
}

static bool read_number(struct value option, double *number) {
  struct decimal decimal;
  struct bytes text;
  if (value_as_text(option, &text)) return read_text(text, number);
  if (!value_as_number(option, &decimal)) return false;
  *number = rfm_double(decimal);
  return true;
}

enum err worth_number_option(struct engine_view *view, struct value options, const char *name, double otherwise,
                             double least, double most, double *number, struct diag *diag) {
  struct value option = engine_report_option(view, options, name);
  *number = otherwise;
  if (value_is_absent(option) || (read_number(option, number) && *number >= least && *number <= most)) return ERR_OK;
  diag_set(diag, ERR_INVALID, "out_of_range", "expected a number from %g to %g", least, most);
  return in_option(name, ERR_INVALID, diag);
}

static bool read_days(struct bytes text, double *days) {
  static const struct {
    const char *word;
    double days;
  } units[] = {{"day", 1}, {"week", 7}, {"month", 365.25 / 12}, {"year", 365.25}};
  size_t digits = 0, end = text.size_bytes;
  while (digits < end && (strchr("0123456789.", text.data[digits]) != NULL && text.data[digits] != 0)) digits++;
  size_t word = digits;
  while (word < end && text.data[word] == ' ') word++;
  if (real_read((struct bytes){text.data, digits}, days) != ERR_OK) return false;
  if (word == end) return true;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    size_t size = strlen(units[i].word), left = end - word;
    bool whole = left >= size && memcmp(text.data + word, units[i].word, size) == 0 &&
                 (left == size || (left == size + 1 && text.data[end - 1] == 's'));
    if (!whole && !(left == 1 && text.data[word] == (uint8_t)units[i].word[0])) continue;
    *days *= units[i].days;
    return true;
  }
  return false;
}

enum err worth_days_option(struct engine_view *view, struct value options, const char *name, double otherwise,
                           double *days, struct diag *diag) {
  static const double most = 365250;
  struct value option = engine_report_option(view, options, name);
  struct bytes text;
  *days = otherwise;
  if (value_is_absent(option)) return ERR_OK;
  bool read = value_as_text(option, &text) ? read_days(text, days) : read_number(option, days);
  if (read && *days > 0 && *days <= most) return ERR_OK;
  diag_set(diag, ERR_INVALID, "out_of_range", "expected a time such as \"30days\", \"39weeks\" or \"12months\"");
  return in_option(name, ERR_INVALID, diag);
}

struct worth_how worth_how_of(const struct engine_report_request *request) {
  return (struct worth_how){request->threads, request->progress, request->context};
}
