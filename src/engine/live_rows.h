// live_rows: what segments write of the customers of one transaction, gathered and written in order of keys.
//
// Layer 6. Appends to audiences and changes of timers fall where the keys lie, and all over their tables when they are
// written customer by customer. Gathered, a block of an audience is appended to once a transaction, and one key is
// found from the one before.
#pragma once

#include "engine/work.h"

struct live_side {
  uint64_t audience, customer; // question and side
  uint32_t number;             // in the order in which they came
  bool in;
};

struct live_timer {
  int64_t due_us;
  uint64_t customer;
  uint32_t number;
  bool set; // else deleted
};

struct live_rows {
  struct live_side *sides;
  size_t side_count, side_capacity;
  struct live_timer *timers;
  size_t timer_count, timer_capacity;
};

enum err live_rows_side(struct work *work, uint32_t question, uint32_t side, uint64_t customer, bool in);
enum err live_rows_timer(struct work *work, uint64_t customer, int64_t due_us, bool set);
// Writes what was gathered.
enum err live_rows_write(struct work *work);
