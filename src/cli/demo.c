// demo: plans a block of customers, puts its events in order of arrival, writes them.
//
// Invariants. (1) Everything is drawn from chance seeded by (seed, customer, event): no order of calls, clock or
// address enters, so the same options give the same bytes. (2) An event and its copy differ in arrival alone. (3) Times
// lie in the year before `now`, but for the till with the wrong clock. (4) Arrival is never before the event, nor after
// now.
#include "cli/demo.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/demo_data.h"
#include "cli/demo_shop.h"

enum {
  FAMILY_EVERY = 60, // of this many customers the first three are a family
  FAMILY_SIZE = 3,
  BOT_EVERY = 2500,
};

struct chance demo_chance(uint64_t seed, uint64_t what, uint64_t number) {
  struct chance chance = {seed * UINT64_C(0xd1342543de82ef95) ^ what << 56 ^ number};
  chance_next(&chance);
  return chance;
}

// --- people --------------------------------------------------------------------------------------------------

static enum shop_role choose_role(struct chance *chance, uint32_t number) {
  if (number % BOT_EVERY == BOT_EVERY / 2) return SHOP_ROLE_BOT;
  uint32_t share = chance_below(chance, 100);
  return share < 45 ? SHOP_ROLE_BOTH : share < 70 ? SHOP_ROLE_WEB : share < 92 ? SHOP_ROLE_STORE : SHOP_ROLE_ANONYMOUS;
}

static enum demo_life choose_life(struct chance *chance) {
  uint32_t share = chance_below(chance, 1000);
  if (share < DEMO_LAPSED_PERMILLE) return DEMO_LAPSED;
  share -= DEMO_LAPSED_PERMILLE;
  if (share < DEMO_RETURNED_PERMILLE) return DEMO_RETURNED;
  return share - DEMO_RETURNED_PERMILLE < DEMO_AMBASSADOR_PERMILLE ? DEMO_AMBASSADOR : DEMO_STEADY;
}

static void make_person(struct shop *shop, uint32_t number, struct shop_person *person) {
  struct chance chance = demo_chance(shop->options->seed, 1, number);
  uint32_t place = number % FAMILY_EVERY;
  *person = (struct shop_person){.number = number, .phone_of = number, .signed_in_us = INT64_MAX};
  person->role = choose_role(&chance, number);
  person->given = (uint16_t)chance_below(&chance, (uint32_t)demo_given_name_count);
  person->family = (uint16_t)chance_below(&chance, (uint32_t)demo_family_name_count);
  person->city = (uint16_t)chance_below(&chance, (uint32_t)demo_city_count);
  person->domain = (uint16_t)chance_below(&chance, (uint32_t)demo_mail_domain_count);
  person->store = chance_below(&chance, 2) == 0 ? DEMO_LYON : DEMO_PARIS;
  person->birthday = (1945 + chance_below(&chance, 62)) * 10000 + (1 + chance_below(&chance, 12)) * 100 + 1 +
                     chance_below(&chance, 28);
  bool has_card = person->role == SHOP_ROLE_BOTH || person->role == SHOP_ROLE_STORE;
  person->two_cards = chance_permille(&chance, 30) && has_card;
  person->tablet = chance_permille(&chance, 25) && person->role == SHOP_ROLE_BOTH;
  person->life = (uint8_t)(person->role <= SHOP_ROLE_STORE ? choose_life(&chance) : DEMO_STEADY);
  person->taste = (uint8_t)chance_below(&chance, (uint32_t)demo_range_count);
  if (place >= FAMILY_SIZE || number - place + FAMILY_SIZE > shop->options->customers) return;
  // A family has one name and one phone, and as many given names as members.
  struct chance first = demo_chance(shop->options->seed, 2, number - place);
  uint32_t given = chance_below(&first, (uint32_t)demo_given_name_count) + place * 7;
  person->role = SHOP_ROLE_BOTH;
  person->family_phone = true;
  person->phone_of = number - place;
  person->family = (uint16_t)chance_below(&first, (uint32_t)demo_family_name_count);
  person->given = (uint16_t)(given % demo_given_name_count);
}

static void count_person(struct demo_counts *counts, const struct shop_person *person) {
  counts->mess[DEMO_TWO_CARDS] += person->two_cards;
  counts->mess[DEMO_FAMILY_PHONE] += person->family_phone;
  counts->mess[DEMO_ANONYMOUS] += person->role == SHOP_ROLE_ANONYMOUS;
  if (person->role <= SHOP_ROLE_STORE) counts->planted.lives[person->life]++;
}

// --- blocks --------------------------------------------------------------------------------------------------

// Total, so that every sort gives the same order: a copy always arrives later than its original.
static int compare_arrival(const void *left, const void *right) {
  const struct shop_event *a = left, *b = right;
  if (a->arrival_us != b->arrival_us) return a->arrival_us < b->arrival_us ? -1 : 1;
  if (a->person != b->person) return a->person < b->person ? -1 : 1;
  return a->serial < b->serial ? -1 : a->serial > b->serial;
}

static enum err plan_block(struct shop *shop, uint32_t first, struct diag *diag) {
  shop->event_count = 0;
  for (uint32_t i = 0; i < shop->person_count; i++) {
    make_person(shop, first + i, &shop->people[i]);
    count_person(shop->counts, &shop->people[i]);
    if (!demo_plan_year(shop, i)) return diag_no_memory(diag);
  }
  qsort(shop->events, shop->event_count, sizeof *shop->events, compare_arrival);
  return ERR_OK;
}

enum err demo_generate(const struct demo_options *options, demo_sink_fn *sink, void *context,
                       struct demo_counts *counts, struct diag *diag) {
  struct shop shop = {.options = options, .counts = counts};
  struct buffer line;
  enum err err = ERR_OK;
  buffer_init(&line);
  *counts = (struct demo_counts){.events = 0};
  shop.people = alloc_zero(DEMO_BLOCK_CUSTOMERS, sizeof *shop.people);
  if (shop.people == NULL) err = diag_no_memory(diag);
  for (uint32_t first = 0; first < options->customers && err == ERR_OK; first += DEMO_BLOCK_CUSTOMERS) {
    uint32_t left = options->customers - first;
    shop.person_count = left < DEMO_BLOCK_CUSTOMERS ? left : DEMO_BLOCK_CUSTOMERS;
    err = plan_block(&shop, first, diag);
    for (size_t i = 0; i < shop.event_count && err == ERR_OK; i++) {
      demo_write_event(&shop, &shop.events[i], &line);
      counts->events++;
      err = line.failed ? diag_no_memory(diag)
                        : sink(context, shop.events[i].source, shop.events[i].arrival_us, buffer_view(&line), diag);
    }
  }
  buffer_release(&line);
  alloc_free(shop.events);
  alloc_free(shop.people);
  return err;
}
