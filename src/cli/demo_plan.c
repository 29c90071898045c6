// demo_plan: what one customer of the demo shop does in a year.
//
// She does something every so many days: gets an e-mail, walks into the store, or looks for something to buy on the
// web. A search is planned as a whole, its visits, their channels and how it ends, because the channels that took part
// make the end (demo.h). Invariant: what is counted as planted was planned with a time in the year.
#include "base/alloc.h"
#include "base/clock.h"
#include "cli/demo_data.h"
#include "cli/demo_shop.h"

enum {
  YEAR_DAYS = 365,
  LATE_PERMILLE = 40,   // of a store's days
  TASTE_PERMILLE = 600, // of what is looked at
};
#define YEAR_US (YEAR_DAYS * CLOCK_DAY_US)

// How many events ten activities of a role give, about.
static const uint32_t events_of_ten[] = {[SHOP_ROLE_BOTH] = 45,
                                         [SHOP_ROLE_WEB] = 52,
                                         [SHOP_ROLE_STORE] = 16,
                                         [SHOP_ROLE_ANONYMOUS] = 60,
                                         [SHOP_ROLE_BOT] = 39};

struct year {
  struct shop *shop;
  struct shop_person *person;
  struct chance chance;
  uint32_t index, serial;
  int64_t step_us; // between activities, about
  int64_t busy_us; // until then she does nothing else
  bool has_card;   // the till knows her
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
  event.person = year->index;
  event.serial = year->serial++;
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

static uint8_t choose_product(struct year *year) {
  const struct demo_range *range = &demo_ranges[year->person->taste];
  if (!chance_permille(&year->chance, TASTE_PERMILLE))
    return (uint8_t)chance_below(&year->chance, (uint32_t)demo_product_count);
  return (uint8_t)(range->first + chance_below(&year->chance, range->count));
}

// --- the web shop --------------------------------------------------------------------------------------------

struct visit {
  int64_t time_us;
  uint8_t landing, wanted;
  uint16_t month; // of the newsletter that brought her
  bool tablet, checkout;
};

static bool add_web(struct year *year, const struct visit *visit, enum shop_kind kind, int64_t time_us) {
  bool wanted = kind == SHOP_WEB_ORDER || kind == SHOP_PAGE || chance_permille(&year->chance, 400);
  uint8_t product = wanted ? visit->wanted : choose_product(year);
  return add_maybe_twice(year, (struct shop_event){.time_us = time_us,
                                                   .arrival_us = time_us + 200 * CLOCK_MS_US,
                                                   .chance = chance_next(&year->chance),
                                                   .kind = (uint8_t)kind,
                                                   .source = DEMO_WEB,
                                                   .product = product,
                                                   .landing = visit->landing,
                                                   .month = visit->month,
                                                   .known = time_us >= year->person->signed_in_us,
                                                   .tablet = visit->tablet});
}

// Pages, goods, perhaps the basket and the checkout, at which everybody has to sign in.
static bool plan_visit(struct year *year, const struct visit *visit) {
  struct shop_person *person = year->person;
  struct chance *chance = &year->chance;
  int64_t time_us = visit->time_us;
  bool may_sign_in = person->role == SHOP_ROLE_BOTH || person->role == SHOP_ROLE_WEB;
  bool first = time_us < person->signed_in_us;
  uint32_t views = 1 + chance_below(chance, 4);
  bool ok = add_web(year, visit, SHOP_PAGE, time_us);
  for (uint32_t i = 0; i < views && ok; i++) {
    time_us += (20 + chance_below(chance, 100)) * (int64_t)CLOCK_SECOND_US;
    ok = add_web(year, visit, SHOP_VIEW, time_us);
  }
  bool signs_in = chance_permille(chance, first ? 500 : 120) || visit->tablet || (visit->checkout && first);
  if (ok && may_sign_in && signs_in) {
    time_us += 30 * (int64_t)CLOCK_SECOND_US;
    if (time_us < person->signed_in_us) person->signed_in_us = time_us;
    ok = add_web(year, visit, SHOP_SIGN_IN, time_us);
  }
  if (!ok || (!visit->checkout && !chance_permille(chance, 200))) return ok;
  time_us += 40 * (int64_t)CLOCK_SECOND_US;
  ok = add_web(year, visit, SHOP_ADD, time_us);
  if (!ok || !visit->checkout) return ok;
  return add_web(year, visit, SHOP_WEB_ORDER, time_us + 3 * CLOCK_MINUTE_US);
}

// --- stores --------------------------------------------------------------------------------------------------

// Tills send in the night; on some days of a store the line was down, and its tickets come days later.
static int64_t till_arrival(struct shop *shop, uint8_t store, int64_t time_us) {
  int64_t day = time_us / CLOCK_DAY_US;
  struct chance chance = demo_chance(shop->options->seed, 8 + store, (uint64_t)day);
  int64_t days = chance_permille(&chance, LATE_PERMILLE) ? 2 + (int64_t)chance_below(&chance, 4) : 1;
  return (day + days) * CLOCK_DAY_US + CLOCK_HOUR_US + (time_us % CLOCK_DAY_US) / 1000;
}

static bool add_till(struct year *year, enum shop_kind kind, int64_t time_us, uint64_t content, uint8_t product) {
  struct shop *shop = year->shop;
  uint8_t store = year->person->store;
  struct shop_event event = {.time_us = time_us,
                             .arrival_us = till_arrival(shop, store, time_us),
                             .chance = content,
                             .kind = (uint8_t)kind,
                             .product = product,
                             .source = store};
  event.wrong_clock = kind == SHOP_TICKET && store == DEMO_PARIS && chance_permille(&year->chance, 4);
  shop->counts->mess[DEMO_WRONG_CLOCK] += event.wrong_clock;
  shop->counts->mess[DEMO_LATE] += event.arrival_us - time_us >= 2 * CLOCK_DAY_US - CLOCK_HOUR_US;
  return add_maybe_twice(year, event);
}

// Stores are open from 9 to 19 h.
static int64_t store_time(struct year *year, int64_t time_us) {
  return time_us / CLOCK_DAY_US * CLOCK_DAY_US + 9 * CLOCK_HOUR_US +
         (int64_t)chance_below(&year->chance, 36000) * CLOCK_SECOND_US;
}

static bool plan_ticket(struct year *year, int64_t time_us, uint8_t product) {
  struct shop *shop = year->shop;
  uint64_t content = chance_next(&year->chance);
  bool ok = true;
  if (!year->has_card || (year->person->two_cards && chance_permille(&year->chance, 150))) {
    year->has_card = true;
    ok = add_till(year, SHOP_CARD, time_us - 2 * CLOCK_MINUTE_US, chance_next(&year->chance), 0);
  }
  ok = ok && add_till(year, SHOP_TICKET, time_us, content, product);
  shop->counts->planted.tickets++;
  if (!ok || !chance_permille(&year->chance, 60)) return ok;
  int64_t back_us = time_us + (3 + (int64_t)chance_below(&year->chance, 18)) * CLOCK_DAY_US;
  if (back_us >= shop->options->now_us) return true;
  shop->counts->mess[DEMO_RETURN]++;
  return add_till(year, SHOP_REFUND, back_us, content, product);
}

static bool plan_store_visit(struct year *year, int64_t time_us) {
  time_us = store_time(year, time_us);
  return time_us >= year->shop->options->now_us || plan_ticket(year, time_us, choose_product(year));
}

// --- a search ------------------------------------------------------------------------------------------------

struct search {
  struct visit visits[DEMO_SEARCH_VISITS_MAX];
  uint32_t count;
  uint32_t channels; // a bit for each that took part
  int64_t ticket_us; // bought in the store; 0: no
  bool bought;
};

static enum demo_channel choose_channel(struct chance *chance, bool opens) {
  uint32_t share = chance_below(chance, 1000);
  for (int i = 0; i < DEMO_CHANNEL_COUNT; i++) {
    const struct demo_channel_truth *truth = &demo_channel_truths[i];
    uint32_t permille = opens ? truth->opens_permille : truth->returns_permille;
    if (share < permille) return (enum demo_channel)i;
    share -= permille;
  }
  return DEMO_DIRECT;
}

static uint8_t choose_landing(struct chance *chance, enum demo_channel channel) {
  uint32_t first = 0, count = 0;
  while (demo_landings[first].channel != channel) first++;
  while (first + count < demo_landing_count && demo_landings[first + count].channel == channel) count++;
  return (uint8_t)(first + chance_below(chance, count));
}

// The months of the year that ends at `now` are 12 or 13; a newsletter is clicked in the month it was sent in.
static uint16_t month_of(int64_t time_us) {
  char text[CLOCK_TEXT_BYTES];
  clock_format(time_us, text);
  return (uint16_t)(((text[2] - '0') * 10 + text[3] - '0') * 12 + (text[5] - '0') * 10 + text[6] - '0' - 1);
}

// Its visits as far as the year goes. `month` not 0: opened by that newsletter.
static void draw_visits(struct year *year, struct search *search, int64_t time_us, uint16_t month) {
  struct chance *chance = &year->chance;
  int64_t end_us = year->shop->options->now_us - CLOCK_HOUR_US;
  int64_t gap_us = year->step_us < 6 * CLOCK_DAY_US ? year->step_us : 6 * CLOCK_DAY_US;
  uint8_t wanted = choose_product(year);
  do {
    enum demo_channel channel =
        month != 0 && search->count == 0 ? DEMO_EMAIL : choose_channel(chance, search->count == 0);
    uint16_t sent = month != 0 && search->count == 0 ? month : month_of(time_us);
    search->visits[search->count++] =
        (struct visit){.time_us = time_us, .landing = choose_landing(chance, channel), .wanted = wanted, .month = sent};
    search->channels |= UINT32_C(1) << channel;
    time_us += 3 * CLOCK_HOUR_US + (int64_t)(chance_next(chance) % (uint64_t)(gap_us + 1));
  } while (search->count < DEMO_SEARCH_VISITS_MAX && time_us < end_us &&
           chance_permille(chance, DEMO_RETURNS_PERMILLE));
}

static bool draw_purchase(struct year *year, const struct search *search) {
  uint32_t permille = DEMO_BUYS_PERMILLE;
  if (year->person->life == DEMO_AMBASSADOR) permille += DEMO_AMBASSADOR_BUYS_PERMILLE;
  for (int i = 0; i < DEMO_CHANNEL_COUNT; i++)
    permille += search->channels >> i & 1 ? demo_channel_truths[i].effect_permille : 0;
  return chance_permille(&year->chance, permille);
}

// A store purchase that would lie after the year's end is none.
static void draw_end(struct year *year, struct search *search) {
  struct visit *last = &search->visits[search->count - 1];
  search->bought = draw_purchase(year, search);
  if (!search->bought) return;
  if (year->person->role == SHOP_ROLE_BOTH && chance_permille(&year->chance, DEMO_ROPO_PERMILLE)) {
    uint32_t one = chance_below(&year->chance, DEMO_ROPO_DAYS - 1),
             other = chance_below(&year->chance, DEMO_ROPO_DAYS - 1);
    search->ticket_us = store_time(year, last->time_us + (1 + (one < other ? one : other)) * CLOCK_DAY_US);
    search->bought = search->ticket_us < year->shop->options->now_us;
  } else {
    last->checkout = true;
  }
}

static void count_search(struct demo_planted *planted, const struct search *search) {
  planted->searches++;
  planted->bought += search->bought;
  planted->searched_tickets += search->bought && search->ticket_us != 0;
  for (int i = 0; i < DEMO_CHANNEL_COUNT; i++) {
    planted->searches_of[i] += search->channels >> i & 1;
    planted->bought_of[i] += search->bought && search->channels >> i & 1;
  }
}

static bool plan_search(struct year *year, int64_t time_us, uint16_t month) {
  struct search search = {.count = 0};
  bool may_buy = year->person->role == SHOP_ROLE_BOTH || year->person->role == SHOP_ROLE_WEB, ok = true;
  draw_visits(year, &search, time_us, month);
  if (may_buy) {
    draw_end(year, &search);
    count_search(&year->shop->counts->planted, &search);
  }
  for (uint32_t i = 0; i < search.count && ok; i++) ok = plan_visit(year, &search.visits[i]);
  int64_t pause_us = (int64_t)(chance_next(&year->chance) % (uint64_t)(year->step_us / 4 + 1));
  year->busy_us = search.visits[search.count - 1].time_us + CLOCK_HOUR_US + pause_us;
  return ok && search.bought && search.ticket_us != 0 ? plan_ticket(year, search.ticket_us, search.visits[0].wanted)
                                                      : ok;
}

// The store's own tablet, in the hands of one customer after the other.
static bool plan_tablet(struct year *year, int64_t time_us) {
  struct visit visit = {.time_us = time_us, .tablet = true, .wanted = choose_product(year)};
  visit.checkout = chance_permille(&year->chance, DEMO_BUYS_PERMILLE);
  return plan_visit(year, &visit);
}

// A crawler's or a stranger's visit leads to nothing.
static bool plan_bot(struct year *year, int64_t time_us) {
  struct visit visit = {.time_us = time_us, .wanted = choose_product(year)};
  return plan_visit(year, &visit);
}

// --- e-mail --------------------------------------------------------------------------------------------------

static bool add_mail(struct year *year, enum shop_kind kind, int64_t time_us, uint16_t month) {
  struct shop_event event = {.time_us = time_us,
                             .arrival_us = time_us + CLOCK_MINUTE_US,
                             .chance = chance_next(&year->chance),
                             .month = month,
                             .kind = (uint8_t)kind,
                             .source = DEMO_MAILING};
  return time_us >= year->shop->options->now_us || add_maybe_twice(year, event);
}

// A click brings those who use the web shop into it, a minute later.
static bool plan_mailing(struct year *year, int64_t time_us) {
  uint16_t month = month_of(time_us);
  int64_t opened_us = time_us + (5 + (int64_t)chance_below(&year->chance, 600)) * CLOCK_MINUTE_US;
  bool ok = add_mail(year, SHOP_DELIVERED, time_us, month);
  if (!ok || !chance_permille(&year->chance, 420)) return ok;
  ok = add_mail(year, SHOP_OPENED, opened_us, month);
  if (!ok || !chance_permille(&year->chance, 260)) return ok;
  ok = add_mail(year, SHOP_CLICKED, opened_us + CLOCK_MINUTE_US, month);
  int64_t landed_us = opened_us + 2 * CLOCK_MINUTE_US;
  if (year->person->role == SHOP_ROLE_STORE || landed_us >= year->shop->options->now_us - CLOCK_HOUR_US) return ok;
  return ok && plan_search(year, landed_us, month);
}

// --- the year ------------------------------------------------------------------------------------------------

static bool plan_activity(struct year *year, int64_t time_us) {
  const struct shop_person *person = year->person;
  uint32_t share = chance_below(&year->chance, 100);
  bool in_store = person->role == SHOP_ROLE_STORE || (person->role == SHOP_ROLE_BOTH && share >= 85);
  bool mail = person->role == SHOP_ROLE_STORE ? share % 5 < 4 : share % 5 < 2;
  bool can_mail = year->has_card || time_us >= person->signed_in_us;
  if (person->role == SHOP_ROLE_BOT) return plan_bot(year, time_us);
  if (can_mail && person->role <= SHOP_ROLE_STORE && mail) return plan_mailing(year, time_us);
  if (in_store) return plan_store_visit(year, time_us);
  return person->tablet && share % 7 == 0 ? plan_tablet(year, time_us) : plan_search(year, time_us, 0);
}

// When she is active: from start_us on for active_us, but for a silence.
struct life {
  int64_t start_us, active_us;
  int64_t silent_after_us, silence_us; // of active_us
  uint64_t events_permille;            // of what others do
};

static struct life draw_life(struct year *year) {
  struct chance *chance = &year->chance;
  enum demo_life kind = (enum demo_life)year->person->life;
  bool silent = kind == DEMO_LAPSED || kind == DEMO_RETURNED;
  // How long ago she came, of the year: some have just come. Who fell silent had to be there before.
  uint32_t permille = silent ? 700 + chance_below(chance, 251) : 40 + chance_below(chance, 911);
  int64_t span_us = YEAR_US / 1000 * (int64_t)permille, random_us = (int64_t)chance_below(chance, 50) * CLOCK_DAY_US;
  struct life life = {.start_us = year->shop->options->now_us - span_us, .active_us = span_us, .events_permille = 1000};
  if (!silent) {
    life.events_permille = (300 + permille) * 1000 / 800; // who came lately did less
    return life;
  }
  // Time for what was begun before: a search, its ticket, and that ticket's return.
  life.silence_us = (DEMO_SILENCE_DAYS + 48) * CLOCK_DAY_US;
  if (kind == DEMO_LAPSED) life.silence_us += random_us;
  life.active_us -= life.silence_us;
  life.silent_after_us = kind == DEMO_LAPSED ? life.active_us : life.active_us - 20 * CLOCK_DAY_US - random_us;
  return life;
}

static int64_t life_time(const struct life *life, int64_t active_us) {
  return life->start_us + active_us + (active_us >= life->silent_after_us ? life->silence_us : 0);
}

bool demo_plan_year(struct shop *shop, uint32_t index) {
  const struct demo_options *options = shop->options;
  struct year year = {.shop = shop, .person = &shop->people[index], .index = index};
  year.chance = demo_chance(options->seed, 3, year.person->number);
  uint64_t target = (uint64_t)options->events_each * (30 + chance_below(&year.chance, 141)) / 100;
  struct life life = draw_life(&year);
  // Twice as much for 8 of 100, and the rest for the others.
  target = (year.person->life == DEMO_AMBASSADOR ? 2 * target : target * 913 / 1000) * life.events_permille / 1000;
  int64_t activities = (int64_t)(target * 10 / events_of_ten[year.person->role]);
  if (activities == 0) activities = 1;
  year.step_us = 2 * life.active_us / (2 * activities + 1);
  int64_t end_us = options->now_us - CLOCK_HOUR_US;
  for (int64_t active_us = (int64_t)(chance_next(&year.chance) % (uint64_t)(year.step_us + 1));
       active_us < life.active_us && life_time(&life, active_us) < end_us;) {
    int64_t time_us = life_time(&life, active_us);
    if (!plan_activity(&year, time_us)) return false;
    active_us += 1 + year.step_us / 2 + (int64_t)(chance_next(&year.chance) % (uint64_t)(year.step_us + 1));
    int64_t idle_us = year.busy_us - life_time(&life, active_us);
    if (idle_us > 0) active_us += idle_us;
  }
  return true;
}
