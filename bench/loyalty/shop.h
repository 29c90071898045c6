// shop: the documents, baskets and requests of bench_loyalty.
//
// 10,000 rules in campaigns of 200: in a hundred one for every basket above some total, the others for one product or
// for one store each. 20,000 products, 500 stores and 1,000,000 members or however many there are.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHOP_CAMPAIGN_RULES = 200, SHOP_LINES = 5, SHOP_CODE_BYTES = 32 };

extern const char shop_programme[]; // earns on "Order Completed"; what is earned is valid for a year
extern const char shop_single[];    // a voucher whose codes are used once each
extern const char shop_shared[];    // one whose codes are used a million times

// The campaign of this number, as JSON; the caller frees it. NULL when memory is short.
char *shop_campaign(size_t number);

// What the bodies of a load are drawn from.
struct shop {
  uint64_t random, customers;
  uint64_t run;  // in the names of orders: no other run on this workspace has it
  uint64_t sent; // requests
  const char (*codes)[SHOP_CODE_BYTES];
  size_t code_count;
};

// Bodies (parts/load.h): `context` is a struct shop.
size_t shop_evaluate(void *context, char *body); // five lines, a member; an order has the same body
size_t shop_redeem(void *context, char *body);   // the next code, a member
size_t shop_share(void *context, char *body);    // the first code, a member
size_t shop_burn(void *context, char *body);     // a point, a member
