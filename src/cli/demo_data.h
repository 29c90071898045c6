// demo_data: the names, towns and goods of the demo shop. Invented people; French names with their accents.
//
// Layer 8. Static tables.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct demo_product {
  const char *id, *name, *category;
  unsigned price_cents;
};

// Products of a category, which stand together.
struct demo_range {
  uint8_t first, count;
};

// What the address of a landing page and its referrer say of a visit; NULL: nothing. `click_id` names a parameter.
struct demo_landing {
  uint8_t channel;
  const char *source, *medium, *campaign, *click_id, *referrer;
};

struct demo_city {
  const char *name, *postcode;
};

extern const char *const demo_given_names[];
extern const size_t demo_given_name_count;
// Without accents, in the same order: what an e-mail address is made of.
extern const char *const demo_given_ascii[];
extern const char *const demo_family_names[];
extern const size_t demo_family_name_count;
extern const char *const demo_family_ascii[];
extern const char *const demo_mail_domains[];
extern const size_t demo_mail_domain_count;
extern const struct demo_city demo_cities[];
extern const size_t demo_city_count;
extern const struct demo_product demo_products[];
extern const size_t demo_product_count;
extern const struct demo_range demo_ranges[];
extern const size_t demo_range_count;
// In the order of enum demo_channel.
extern const struct demo_landing demo_landings[];
extern const size_t demo_landing_count;
// The newsletter of each month, from January.
extern const char *const demo_newsletters[12];
