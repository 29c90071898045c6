// cells: figures that many reports tell, as cells of a report: money, shares, changes, averages.
//
// Layer 6. Private to engine/. Money is in hundredths (trade_cents). Each writes one cell.
#pragma once

#include "report/report.h"

void cells_money(struct report *report, int64_t cents);
// The nearest hundredth, a half to the even one; none of nothing.
void cells_average(struct report *report, int64_t cents, int64_t count);
// part / whole; none when the whole is 0.
void cells_share(struct report *report, int64_t part, int64_t whole);
// (now - before) / |before|; none when before is 0.
void cells_change(struct report *report, int64_t now, int64_t before);
// 0 when it is below.
void cells_count(struct report *report, int64_t count);
// None when it is empty.
void cells_name(struct report *report, struct bytes name);
void cells_label(struct report *report, const char *label);
