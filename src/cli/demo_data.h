// demo_data: the names, towns and goods of the demo shop. Invented people; French names with their accents.
//
// Layer 8. Static tables.
#pragma once

#include <stddef.h>

struct demo_product {
  const char *id, *name, *category;
  unsigned price_cents;
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
