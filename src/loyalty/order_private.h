// order_private: what was given back of an order so far.
//
// Layer 5, private to loyalty/.
#pragma once

#include "loyalty/basket.h"

// What the order cost after discounts, whatever it was paid with.
int64_t order_price(const struct loyalty_order *order);

// How much of the price was given back when so much of each line was (NULL: what the order says), shipping included
// when nothing is left to give back.
int64_t order_given(const struct loyalty_order *order, const int64_t *returned);

// How much of it was given back so far.
int64_t order_given_so_far(const struct loyalty_order *order);

// True when nothing is left. An order without lines is left until something was given back.
bool order_is_all_back(const struct loyalty_order *order, const int64_t *returned);
