// scan_private: what of a scan the rest of customer/ uses. Private to customer/.
#pragma once

#include "customer/scan.h"
#include "customer/timeline_row.h"

// All columns of the present customer of a scan with events. False: the scan has not passed by her rows (pending).
bool scan_columns(struct scan *scan, const struct timeline_columns **columns);
