// cells.c: see cells.h. Whole numbers up to the last step, so that the same data give the same bits.
#include "engine/cells.h"

void cells_money(struct report *report, int64_t cents) {
  report_decimal(report, cents, 2);
}

void cells_average(struct report *report, int64_t cents, int64_t count) {
  if (count == 0) {
    report_none(report);
    return;
  }
  int64_t whole = cents / count, rest = cents % count, twice = 2 * (rest < 0 ? -rest : rest);
  bool away = twice > count || (twice == count && whole % 2 != 0);
  cells_money(report, whole + (away ? (cents < 0 ? -1 : 1) : 0));
}

void cells_share(struct report *report, int64_t part, int64_t whole) {
  if (whole == 0)
    report_none(report);
  else
    report_number(report, (double)part / (double)whole);
}

void cells_change(struct report *report, int64_t now, int64_t before) {
  cells_share(report, now - before, before < 0 ? -before : before);
}

void cells_count(struct report *report, int64_t count) {
  report_count(report, count < 0 ? 0 : (uint64_t)count);
}

void cells_name(struct report *report, struct bytes name) {
  if (name.size_bytes == 0)
    report_none(report);
  else
    report_text(report, name);
}

void cells_label(struct report *report, const char *label) {
  report_text(report, bytes_from_text(label));
}
