// clv_book: orders made into histories, the models fitted to them, and what they say of each customer.
//
// Layer 5. Pure. Customers are numbers, given by the owner in the order in which they are to be told; what a customer
// ordered on one day is one order. Deterministic: the same orders, in whatever order they came, give the same bits.
// Memory: the book's, until release. Threads: one.
#pragma once

#include <stdint.h>

#include "scoring/clv.h"

struct clv_order {
  uint32_t customer;
  int32_t day; // since 1970-01-01
  double amount;
};

struct clv_person {
  struct clv_history history;
  double worth; // mean of the orders after the first; meaningful when has_worth
  double after; // orders seen after the end of calibration, within the horizon
  uint32_t customer;
  bool has_worth;
};

struct clv_book {
  struct clv_order *orders;
  size_t order_count, order_room;
  struct clv_person *people;
  size_t person_count, person_room;
  // Set by the owner:
  enum clv_model model;
  bool has_amounts;
  double unit;    // in days
  double horizon; // in units
  double rate;    // discount of a unit
  int32_t end_day;
  // Found:
  bool has_holdout;   // there are orders after the end
  uint64_t newcomers; // customers whose first order is after the end
  uint64_t worthless; // repeat customers whose mean is not above 0
  struct clv_fit fit;
  struct clv_spend_fit spend;
  bool has_spend; // false after fitting amounts: nobody ordered again for an amount above 0
};

void clv_book_release(struct clv_book *book); // of a zeroed one, too

// ERR_NO_MEMORY.
enum err clv_book_order(struct clv_book *book, const struct clv_order *order);
// A person without orders, of a summary; NULL: no memory. The weight is 1.
struct clv_person *clv_book_person(struct clv_book *book);

// The day of the last order; INT32_MIN without any.
int32_t clv_book_last_day(const struct clv_book *book);

// Makes people of the orders up to end_day, in order of their numbers. ERR_NO_MEMORY.
enum err clv_book_gather(struct clv_book *book);

// Fits the model and, where there are amounts, Gamma-Gamma. Errors as of clv_fit.
enum err clv_book_fit(struct clv_book *book, struct diag *diag);

struct clv_line {
  double alive, orders;
  double worth, value; // NaN: no model says
};
struct clv_line clv_book_line(const struct clv_book *book, const struct clv_person *person);
