// demo_shop: what the planner and the writer of the demo shop share: people, planned events, the generator of chance.
//
// Layer 8, inside cli/demo*.c only. A planned event is 40 bytes and holds the chance its text is made of, so that a
// block can be put in order of arrival before any text is written.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/demo.h"

// splitmix64: small, fast, and the same everywhere.
struct chance {
  uint64_t state;
};
static inline uint64_t chance_next(struct chance *chance) {
  uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}
// 0..below-1; the bias of the multiplication is below 2^-32 here.
static inline uint32_t chance_below(struct chance *chance, uint32_t below) {
  return (uint32_t)((chance_next(chance) >> 32) * below >> 32);
}
static inline bool chance_permille(struct chance *chance, uint32_t permille) {
  return chance_below(chance, 1000) < permille;
}

enum shop_kind {
  SHOP_PAGE,
  SHOP_VIEW,
  SHOP_ADD,
  SHOP_WEB_ORDER,
  SHOP_SIGN_IN,
  SHOP_CARD,
  SHOP_TICKET,
  SHOP_REFUND,
  SHOP_DELIVERED,
  SHOP_OPENED,
  SHOP_CLICKED
};

enum shop_role { SHOP_ROLE_BOTH, SHOP_ROLE_WEB, SHOP_ROLE_STORE, SHOP_ROLE_ANONYMOUS, SHOP_ROLE_BOT };

struct shop_person {
  uint32_t number; // over all blocks, from 0
  enum shop_role role;
  uint16_t given, family, city, domain;
  uint8_t store; // DEMO_LYON or DEMO_PARIS
  uint8_t life;  // enum demo_life
  uint8_t taste; // the range of products she looks at most
  bool two_cards, family_phone, tablet;
  uint32_t phone_of;    // whose number: her own, or that of the family's first
  uint32_t birthday;    // yyyymmdd
  int64_t signed_in_us; // from then on the web shop knows her; INT64_MAX: never
};

struct shop_event {
  int64_t arrival_us, time_us;
  uint64_t chance; // what the text is made of; an order and its return share it
  uint32_t person; // position in the block
  uint32_t serial; // of this person
  uint16_t month;  // of a mailing and what follows from it: since 2000-01
  uint8_t kind, source;
  uint8_t product;  // the one that is looked at, or the first of a basket
  uint8_t landing;  // a page: how the visit began
  bool known;       // web: she had signed in
  bool tablet;      // web: on the store's tablet
  bool wrong_clock; // till: dated 2099
};

struct shop {
  const struct demo_options *options;
  struct shop_person *people; // of this block
  uint32_t person_count;
  struct shop_event *events;
  size_t event_count, event_capacity;
  struct demo_counts *counts;
};

struct chance demo_chance(uint64_t seed, uint64_t what, uint64_t number);
// Plans the events of this person of the block. False: out of memory.
bool demo_plan_year(struct shop *shop, uint32_t index);
// Writes the event's message to `line` (emptied first) and counts the mess it makes.
void demo_write_event(struct shop *shop, const struct shop_event *event, struct buffer *line);
