// The numbers of a definition come from its index alone, so that every run has the same ones.
#include "segments.h"

#include <stdio.h>

enum {
  NAME_COUNT = 22,
  KIND_COUNT = 20,
  CITY_COUNT = 8,
  DAYS_COUNT = 8,
  EXPRESSION_BYTES = SEGMENTS_DOCUMENT_BYTES / 2
};

static const char *const names[NAME_COUNT] = {
    "Product Viewed",     "Order Completed",   "Product Added",      "Email Opened",         "Store Visited",
    "Checkout Started",   "Email Clicked",     "Cart Viewed",        "Products Searched",    "Order Refunded",
    "Coupon Used",        "Review Written",    "Wishlist Added",     "Push Opened",          "SMS Clicked",
    "Ticket Opened",      "Return Requested",  "Loyalty Card Shown", "Subscription Renewed", "Survey Answered",
    "Appointment Booked", "Gift Card Ordered",
};
static const char *const cities[CITY_COUNT] = {"Lyon", "Paris", "Nantes", "Lille", "Nice", "Rennes", "Tours", "Dijon"};
static const unsigned days[DAYS_COUNT] = {7, 14, 30, 60, 90, 180, 365, 1};

// What is drawn for one definition.
struct draw {
  const char *name, *other, *city;
  unsigned days, count, amount, age, earlier;
};

static struct draw draw_for(size_t index) {
  unsigned n = (unsigned)index, round = n / KIND_COUNT;
  return (struct draw){.name = names[(n * 7 + round) % NAME_COUNT],
                       .other = names[(n * 5 + round * 3 + 11) % NAME_COUNT],
                       .city = cities[(n + round) % CITY_COUNT],
                       .days = days[(n / 3 + round) % DAYS_COUNT],
                       .count = 3 + (n / 2 + round) % 6,
                       .amount = 150 + 50 * (round % 40),
                       .age = 18 + round % 50,
                       .earlier = round * KIND_COUNT};
}

static int write_expression(unsigned kind, const struct draw *d, char *text) {
  size_t size = EXPRESSION_BYTES;
  switch (kind) {
  case 0:
  case 2:
    return snprintf(text, size, "count('%s' in last %u days) >= %u", d->name, d->days, d->count);
  case 1:
    return snprintf(text, size, "count('%s' in last %u days) >= 2 and age(traits.birthday) >= %u", d->name, d->days,
                    d->age);
  case 3:
    return snprintf(text, size, "exists('%s' in last %u days by day) and traits.city = '%s'", d->name, d->days,
                    d->city);
  case 4:
    return snprintf(text, size, "count('%s' in previous 1 month) > %u", d->name, d->count);
  case 5:
  case 6:
    return snprintf(text, size, "sum(total of 'Order Completed' in last %u days) >= %u", d->days, d->amount);
  case 7:
    return snprintf(text, size, "sum(total of 'Order Completed') > %u and count('%s' in last %u days) = 0",
                    400 + 4 * d->amount, d->name, d->days);
  case 8:
    return snprintf(text, size, "sequence('%s' then '%s' within %u days) and traits.city = '%s'", d->name, d->other,
                    d->days, d->city);
  case 9:
    return snprintf(text, size, "sequence('%s' then not 'Order Completed' within %u days) and traits.city = '%s'",
                    d->name, d->days, d->city);
  case 10:
  case 11:
    return snprintf(text, size,
                    "exists('%s' in last %u days) and not exists('%s' in last %u days) and traits.city = '%s'", d->name,
                    d->days, d->other, d->days, d->city);
  case 12:
    return snprintf(text, size, "traits.city = '%s' and age(traits.birthday) >= %u", d->city, d->age);
  case 13:
    return snprintf(text, size, "traits.newsletter and not traits.sms and traits.visits > %u", d->amount % 190);
  case 14:
    return snprintf(text, size, "traits.city = '%s' and exists('%s' in last %u days)", d->city, d->name, d->days);
  case 15:
    return snprintf(text, size, "count('%s' where price > %u in last %u days) >= 2", d->name, 100 + d->amount % 100,
                    d->days);
  case 16:
    return snprintf(text, size, "in_segment('s%u') and traits.city = '%s'", d->earlier, d->city);
  case 17:
    return snprintf(text, size, "in_segment('s%u') and not in_segment('s%u')", d->earlier + 1, d->earlier + 5);
  case 18:
    return snprintf(text, size, "count('%s' in last %u days)", d->name, d->days);
  default:
    return snprintf(text, size, "attributes.s%u >= %u", d->earlier + 18, d->count);
  }
}

void segments_document(size_t index, char document[SEGMENTS_DOCUMENT_BYTES]) {
  char expression[EXPRESSION_BYTES];
  struct draw draw = draw_for(index);
  unsigned kind = (unsigned)(index % KIND_COUNT);
  write_expression(kind, &draw, expression);
  if (kind == 18) {
    snprintf(document, SEGMENTS_DOCUMENT_BYTES, "{\"id\":\"s%zu\",\"kind\":\"attribute\",\"expression\":\"%s\"}", index,
             expression);
  } else if (kind == 2 || kind == 11) {
    snprintf(document, SEGMENTS_DOCUMENT_BYTES,
             "{\"id\":\"s%zu\",\"include\":\"%s\",\"exclude\":[{\"name\":\"refunds\",\"when\":"
             "\"count('Order Refunded' in last %u days) > 1\"},{\"name\":\"complaint\",\"when\":"
             "\"exists('Ticket Opened' in last 14 days)\"}]}",
             index, expression, draw.days);
  } else {
    snprintf(document, SEGMENTS_DOCUMENT_BYTES, "{\"id\":\"s%zu\",\"include\":\"%s\"}", index, expression);
  }
}
