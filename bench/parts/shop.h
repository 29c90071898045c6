// shop: the events of a shop's customers, the same every time.
//
// A customer has 1 to 73 events, 37 on average, in visits of some minutes with days between them, over about two years
// before SHOP_NOW_US. Eight names; an order has a total, a currency and where it was made.
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "customer/timeline.h"

enum { SHOP_EVENTS_MAX = 73, SHOP_NAMES = 8, SHOP_VIEWED = 1, SHOP_ADDED = 2, SHOP_ORDERED = 3 };
#define SHOP_NOW_US INT64_C(1782777600000000) // 2026-06-30T00:00:00Z

extern const char *const shop_names[SHOP_NAMES]; // of ids 1 to 8

// The events of one customer, in order; returns how many.
size_t shop_events(uint64_t customer, struct timeline_event *events);

// Makes a workspace at `path` with customers 1 to `count`: records, heads and rows of TIMELINE as they are once they
// are compacted. Payloads are left out: no query here asks for any.
enum err shop_make(const char *path, uint64_t count, struct diag *diag);

// The same as lines "customer,time_us,name,cents,channel,store"; no cents where there is no total.
enum err shop_write_csv(FILE *file, uint64_t count);
