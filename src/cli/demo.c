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
#include "base/clock.h"
#include "cli/demo_data.h"
#include "cli/demo_shop.h"

enum {
  FAMILY_EVERY = 60, // of this many customers the first three are a family
  FAMILY_SIZE = 3,
  BOT_EVERY = 2500,
  YEAR_DAYS = 365,
  LATE_PERMILLE = 40, // of a store's days
};
#define YEAR_US (YEAR_DAYS * CLOCK_DAY_US)

// How many events ten activities of a role give, about.
static const uint32_t events_of_ten[] = {[SHOP_ROLE_BOTH] = 23,
                                         [SHOP_ROLE_WEB] = 27,
                                         [SHOP_ROLE_STORE] = 14,
                                         [SHOP_ROLE_ANONYMOUS] = 38,
                                         [SHOP_ROLE_BOT] = 38};

static struct chance chance_of(uint64_t seed, uint64_t what, uint64_t number) {
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

static void make_person(struct shop *shop, uint32_t number, struct shop_person *person) {
  struct chance chance = chance_of(shop->options->seed, 1, number);
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
  if (place >= FAMILY_SIZE || number - place + FAMILY_SIZE > shop->options->customers) return;
  // A family has one name and one phone, and as many given names as members.
  struct chance first = chance_of(shop->options->seed, 2, number - place);
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
}

// --- a person's year -----------------------------------------------------------------------------------------

struct year {
  struct shop *shop;
  struct chance chance;
  uint32_t person, serial, left; // events still to plan
  bool has_card;                 // the till knows her
};

static bool add_event(struct year *year, struct shop_event event) {
  struct shop *shop = year->shop;
  if (shop->event_count == shop->event_capacity) {
    size_t capacity = shop->event_capacity == 0 ? 65536 : 2 * shop->event_capacity;
    struct shop_event *events = alloc_resize(shop->events, capacity * sizeof *events);
    if (events == NULL) return false;
    shop->events = events;
    shop->event_capacity = capacity;
  }
  event.person = year->person;
  event.serial = year->serial++;
  if (year->left > 0) year->left--;
  if (event.arrival_us > shop->options->now_us) event.arrival_us = shop->options->now_us;
  shop->events[shop->event_count++] = event;
  return true;
}

// Sometimes a sender does not hear the answer and sends again, a minute or an hour later.
static bool add_maybe_twice(struct year *year, struct shop_event event) {
  if (!add_event(year, event)) return false;
  if (!chance_permille(&year->chance, 7)) return true;
  struct shop_event again = event;
  again.arrival_us += CLOCK_MINUTE_US + (int64_t)chance_below(&year->chance, 3600) * CLOCK_SECOND_US;
  uint32_t serial = --year->serial; // the same message
  bool added = add_event(year, again);
  year->serial = serial + 1;
  year->shop->counts->mess[DEMO_DUPLICATE]++;
  return added;
}

static bool add_web(struct year *year, enum shop_kind kind, int64_t time_us, bool tablet) {
  struct shop_person *person = &year->shop->people[year->person];
  return add_maybe_twice(year, (struct shop_event){.time_us = time_us,
                                                   .arrival_us = time_us + 200 * CLOCK_MS_US,
                                                   .chance = chance_next(&year->chance),
                                                   .kind = (uint8_t)kind,
                                                   .source = DEMO_WEB,
                                                   .known = time_us >= person->signed_in_us,
                                                   .tablet = tablet});
}

// A visit to the web shop: pages, goods, perhaps the basket and the checkout.
static bool plan_web_visit(struct year *year, int64_t time_us, bool tablet) {
  struct shop_person *person = &year->shop->people[year->person];
  struct chance *chance = &year->chance;
  bool may_sign_in = person->role == SHOP_ROLE_BOTH || person->role == SHOP_ROLE_WEB;
  uint32_t views = 1 + chance_below(chance, 4);
  bool ok = add_web(year, SHOP_PAGE, time_us, tablet);
  for (uint32_t i = 0; i < views && ok; i++) {
    time_us += (20 + chance_below(chance, 100)) * (int64_t)CLOCK_SECOND_US;
    ok = add_web(year, SHOP_VIEW, time_us, tablet);
  }
  bool first = person->signed_in_us == INT64_MAX;
  if (ok && may_sign_in && (chance_permille(chance, first ? 500 : 120) || tablet)) {
    time_us += 30 * (int64_t)CLOCK_SECOND_US;
    if (first) person->signed_in_us = time_us;
    ok = add_web(year, SHOP_SIGN_IN, time_us, tablet);
  }
  if (!ok || !chance_permille(chance, 350)) return ok;
  time_us += 40 * (int64_t)CLOCK_SECOND_US;
  ok = add_web(year, SHOP_ADD, time_us, tablet);
  if (!ok || time_us < person->signed_in_us || !chance_permille(chance, 600)) return ok;
  return add_web(year, SHOP_WEB_ORDER, time_us + 3 * CLOCK_MINUTE_US, tablet);
}

// Tills send in the night; on some days of a store the line was down, and its tickets come days later.
static int64_t till_arrival(struct shop *shop, uint8_t store, int64_t time_us) {
  int64_t day = time_us / CLOCK_DAY_US;
  struct chance chance = chance_of(shop->options->seed, 8 + store, (uint64_t)day);
  int64_t days = chance_permille(&chance, LATE_PERMILLE) ? 2 + (int64_t)chance_below(&chance, 4) : 1;
  return (day + days) * CLOCK_DAY_US + CLOCK_HOUR_US + (time_us % CLOCK_DAY_US) / 1000;
}

static bool add_till(struct year *year, enum shop_kind kind, int64_t time_us, uint64_t content) {
  struct shop *shop = year->shop;
  struct shop_person *person = &shop->people[year->person];
  struct shop_event event = {.time_us = time_us,
                             .arrival_us = till_arrival(shop, person->store, time_us),
                             .chance = content,
                             .kind = (uint8_t)kind,
                             .source = person->store};
  event.wrong_clock = kind == SHOP_TICKET && person->store == DEMO_PARIS && chance_permille(&year->chance, 4);
  shop->counts->mess[DEMO_WRONG_CLOCK] += event.wrong_clock;
  shop->counts->mess[DEMO_LATE] += event.arrival_us - time_us >= 2 * CLOCK_DAY_US - CLOCK_HOUR_US;
  return add_maybe_twice(year, event);
}

static bool plan_store_visit(struct year *year, int64_t time_us) {
  struct shop *shop = year->shop;
  uint64_t content = chance_next(&year->chance);
  int64_t day = time_us / CLOCK_DAY_US;
  // Shops are open from 9 to 19 h.
  time_us = day * CLOCK_DAY_US + 9 * CLOCK_HOUR_US + (int64_t)chance_below(&year->chance, 36000) * CLOCK_SECOND_US;
  if (time_us >= shop->options->now_us) return true;
  bool ok = true;
  if (!year->has_card || (shop->people[year->person].two_cards && chance_permille(&year->chance, 150))) {
    year->has_card = true;
    ok = add_till(year, SHOP_CARD, time_us - 2 * CLOCK_MINUTE_US, chance_next(&year->chance));
  }
  ok = ok && add_till(year, SHOP_TICKET, time_us, content);
  if (!ok || !chance_permille(&year->chance, 60)) return ok;
  int64_t back_us = time_us + (3 + (int64_t)chance_below(&year->chance, 18)) * CLOCK_DAY_US;
  if (back_us >= shop->options->now_us) return true;
  shop->counts->mess[DEMO_RETURN]++;
  return add_till(year, SHOP_REFUND, back_us, content);
}

static bool add_mail(struct year *year, enum shop_kind kind, int64_t time_us, uint64_t campaign) {
  struct shop_event event = {.time_us = time_us,
                             .arrival_us = time_us + CLOCK_MINUTE_US,
                             .chance = campaign,
                             .kind = (uint8_t)kind,
                             .source = DEMO_MAILING};
  return time_us >= year->shop->options->now_us || add_maybe_twice(year, event);
}

static bool plan_mailing(struct year *year, int64_t time_us) {
  uint64_t campaign = (uint64_t)(time_us / (7 * CLOCK_DAY_US));
  int64_t opened_us = time_us + (5 + (int64_t)chance_below(&year->chance, 600)) * CLOCK_MINUTE_US;
  bool ok = add_mail(year, SHOP_DELIVERED, time_us, campaign);
  if (!ok || !chance_permille(&year->chance, 420)) return ok;
  ok = add_mail(year, SHOP_OPENED, opened_us, campaign);
  if (!ok || !chance_permille(&year->chance, 260)) return ok;
  return add_mail(year, SHOP_CLICKED, opened_us + CLOCK_MINUTE_US, campaign);
}

static bool plan_activity(struct year *year, int64_t time_us) {
  const struct shop_person *person = &year->shop->people[year->person];
  uint32_t share = chance_below(&year->chance, 100);
  bool in_store = person->role == SHOP_ROLE_STORE || (person->role == SHOP_ROLE_BOTH && share >= 55);
  bool can_mail = year->has_card || time_us >= person->signed_in_us;
  if (can_mail && person->role <= SHOP_ROLE_STORE && share % 5 < 2) return plan_mailing(year, time_us);
  if (in_store) return plan_store_visit(year, time_us);
  return plan_web_visit(year, time_us, person->tablet && share % 7 == 0);
}

static bool plan_year(struct shop *shop, uint32_t index) {
  const struct demo_options *options = shop->options;
  struct year year = {.shop = shop, .person = index};
  year.chance = chance_of(options->seed, 3, shop->people[index].number);
  uint32_t target = (uint32_t)((uint64_t)options->events_each * (30 + chance_below(&year.chance, 141)) / 100);
  year.left = target == 0 ? 1 : target;
  int64_t span_us = YEAR_US / 10 * (2 + (int64_t)chance_below(&year.chance, 8));
  int64_t step_us = span_us / (year.left * INT64_C(10) / events_of_ten[shop->people[index].role] + 1);
  int64_t time_us = options->now_us - span_us + (int64_t)(chance_next(&year.chance) % (uint64_t)(step_us + 1));
  while (year.left > 0 && time_us < options->now_us - CLOCK_HOUR_US) {
    if (!plan_activity(&year, time_us)) return false;
    time_us += 1 + step_us / 2 + (int64_t)(chance_next(&year.chance) % (uint64_t)(step_us + 1));
  }
  return true;
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
    if (!plan_year(shop, i)) return diag_no_memory(diag);
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
