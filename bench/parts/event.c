// What a shop's web site, its mails and its tills send. A mix is a list of templates that an event takes in turn.
//
// In the templates a run of one control character is a slot; the character says what goes in. No other character of
// them is below a space.
#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum slot_kind {
  SLOT_CUSTOMER = 1, // decimal number of the customer
  SLOT_DEVICE,       // hexadecimal, one for each customer
  SLOT_MESSAGE,      // hexadecimal, never the same
  SLOT_TIME,         // ISO 8601 with milliseconds, of the event
  SLOT_DIGITS,       // random digits
  SLOT_NAME,         // a given name, always the same for one customer
  SLOT_SENT_AT,      // like SLOT_TIME, of the request
  SLOT_CITY,         // always the same for one customer
  SLOT_KIND_COUNT
};

enum { TIME_BYTES = 24, NAME_BYTES = 6, NAME_COUNT = 16, VISIT_EVENTS = 5 };

#define CUSTOMER "\1\1\1\1\1\1\1"
#define DEVICE "\2\2\2\2\2\2\2\2\2\2\2\2"
#define MESSAGE "\3\3\3\3\3\3\3\3\3\3\3\3\3\3\3\3"
#define TIME "\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4\4"
#define D1 "\5"
#define D2 "\5\5"
#define D4 "\5\5\5\5"
#define NAME "\6\6\6\6\6\6"
#define SENT_AT "\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7"

#define CONTEXT(page)                                                                                                  \
  "\"context\":{\"library\":{\"name\":\"analytics.js\",\"version\":\"2.11.1\"},\"userAgent\":\"Mozilla/5.0 "           \
  "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36\","             \
  "\"ip\":\"203.0.113." D2 "\",\"locale\":\"fr-FR\",\"page\":{\"path\":\"" page                                        \
  "\",\"title\":\"The shop\",\"url\":\"https://shop.example" page "\"}},"
#define TAIL                                                                                                           \
  "\"messageId\":\"ajs-next-" MESSAGE "\",\"anonymousId\":\"3f2a9c10-7b1e-4d6b-8f0e-" DEVICE                           \
  "\",\"userId\":\"u" CUSTOMER "\",\"timestamp\":\"" TIME "\"}"

#define CITY "\10\10\10\10\10\10"

static const char identify[] =
    "{\"type\":\"identify\",\"traits\":{\"email\":\"client." CUSTOMER "@mail.example\",\"first_name\":\"" NAME
    "\",\"country\":\"FR\",\"newsletter\":true,\"visits\":1" D2 "}," CONTEXT("/account/profile") TAIL;

static const char order[] =
    "{\"type\":\"track\",\"event\":\"Order Completed\",\"properties\":{\"order_id\":\"" D4 "-" D4 "\",\"total\":1" D2
    "." D2 ",\"currency\":\"EUR\",\"coupon\":null,\"products\":[{\"sku\":\"45790-" D2 "\",\"price\":1" D2
    ".00,\"quantity\":1},{\"sku\":\"46493-" D2 "\",\"price\":3.50,\"quantity\":3}]}," CONTEXT("/checkout/done") TAIL;

static const char view[] =
    "{\"type\":\"track\",\"event\":\"Product Viewed\",\"properties\":{\"sku\":\"SKU-" D4 "\",\"name\":\"Case 1" D2
    "\",\"category\":\"Cases\",\"brand\":\"Maison\",\"price\":1" D2 "." D2 ",\"currency\":\"EUR\",\"position\":1" D2
    ",\"list\":\"spring\"}," CONTEXT("/products/case-1") TAIL;

static const char account[] =
    "{\"type\":\"identify\",\"traits\":{\"email\":\"client." CUSTOMER "@mail.example\",\"first_name\":\"" NAME
    "\",\"city\":\"" CITY "\",\"birthday\":\"19" D2 "-06-1" D1 "\",\"newsletter\":true,\"sms\":false,\"visits\":1" D2
    "}," CONTEXT("/account/profile") TAIL;

#define ACTION(name, properties, page)                                                                                 \
  "{\"type\":\"track\",\"event\":\"" name "\",\"properties\":{" properties "}," CONTEXT(page) TAIL
#define PRODUCT                                                                                                        \
  "\"sku\":\"SKU-" D4 "\",\"category\":\"Cases\",\"brand\":\"Maison\",\"price\":1" D2 "." D2 ",\"currency\":\"EUR\""

static const char added[] = ACTION("Product Added", PRODUCT ",\"quantity\":1", "/cart");
static const char cart[] = ACTION("Cart Viewed", "\"total\":1" D2 "." D2 ",\"currency\":\"EUR\"", "/cart");
static const char checkout[] = ACTION("Checkout Started", "\"total\":1" D2 "." D2 ",\"currency\":\"EUR\"", "/checkout");
static const char searched[] = ACTION("Products Searched", "\"query\":\"case " D2 "\"", "/search");
static const char visit[] = ACTION("Store Visited", "\"store\":\"S" D2 "\"", "/store");
static const char mail_opened[] = ACTION("Email Opened", "\"campaign\":\"C" D2 "\"", "/mail");
static const char mail_clicked[] = ACTION("Email Clicked", "\"campaign\":\"C" D2 "\",\"link\":\"L" D1 "\"", "/mail");
static const char offer[] = ACTION("Offer Opened", "\"offer\":\"O" D2 "\"", "/offer");

static const char receipt[] =
    ACTION("Order Completed",
           "\"order_id\":\"R-" MESSAGE "\",\"total\":1" D2 "." D2
           ",\"currency\":\"EUR\",\"products\":[{\"sku\":\"45790-" D2 "\",\"price\":1" D2 ".00,\"quantity\":1}]",
           "/checkout/done");

enum { MIX_EVENTS_MAX = 50 };

static const char *const mixes[][MIX_EVENTS_MAX] = {
    [MIX_SHOP] = {identify, view, view, order, view, view, view, order, view, view},
    [MIX_HISTORY] = {account,  view,        order,   mail_opened, view,     added,        cart,         visit,
                     searched, checkout,    account, visit,       view,     mail_opened,  mail_clicked, searched,
                     added,    mail_opened, view,    order,       account,  view,         added,        cart,
                     view,     checkout,    order,   visit,       view,     mail_clicked, account,      order,
                     order,    checkout,    visit,   cart,        added,    view,         searched,     mail_opened,
                     account,  view,        view,    searched,    checkout, cart,         visit,        mail_opened,
                     added,    order},
    [MIX_RETAIL] = {view,     view, view,  mail_opened, view,  searched, view, added,        view,  account,
                    checkout, view, visit, view,        order, view,     view, mail_clicked, added, cart},
    [MIX_OFFER] = {offer},
    [MIX_ORDER] = {receipt},
};

static const char *template_at(enum body_mix mix, size_t event) {
  size_t count = 1;
  while (count < MIX_EVENTS_MAX && mixes[mix][count]) count++;
  return mixes[mix][event % count];
}

// --- laying out ----------------------------------------------------------------------------------------------

struct layout {
  struct body *body;
  size_t text_capacity, slot_capacity;
  bool failed;
};

static bool grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes) {
  if (wanted <= *capacity) return true;
  size_t larger = wanted * 2;
  void *moved = realloc(*items, larger * item_bytes);
  if (!moved) return false;
  *items = moved;
  *capacity = larger;
  return true;
}

static void add_slot(struct layout *layout, uint8_t kind, size_t width, bool first) {
  struct body *body = layout->body;
  void *slots = body->slots;
  if (!grow(&slots, &layout->slot_capacity, body->slot_count + 1, sizeof *body->slots)) layout->failed = true;
  body->slots = slots;
  if (layout->failed) return;
  body->slots[body->slot_count++] = (struct body_slot){(uint32_t)body->size_bytes, kind, (uint8_t)width, first};
}

// Appends a template and notes the slots in it. `is_event` false: they belong to the request.
static void add_text(struct layout *layout, const char *text, bool is_event) {
  struct body *body = layout->body;
  void *grown = body->text;
  size_t size = strlen(text);
  if (!grow(&grown, &layout->text_capacity, body->size_bytes + size, 1)) layout->failed = true;
  body->text = grown;
  bool first = is_event;
  for (size_t i = 0; i < size && !layout->failed;) {
    size_t width = 1;
    if ((uint8_t)text[i] < SLOT_KIND_COUNT) {
      while (text[i + width] == text[i]) width++;
      add_slot(layout, (uint8_t)text[i], width, first);
      first = false;
    }
    memcpy(body->text + body->size_bytes, text + i, width);
    body->size_bytes += width;
    i += width;
  }
}

bool body_init(struct body *body, enum body_kind kind, enum body_mix mix, size_t first, size_t event_count) {
  *body = (struct body){.kind = kind, .event_count = event_count};
  struct layout layout = {.body = body};
  if (kind == BODY_BATCH) add_text(&layout, "{\"batch\":[", false);
  for (size_t i = 0; i < event_count; i++) {
    if (i > 0 && kind == BODY_BATCH) add_text(&layout, ",", false);
    add_text(&layout, kind == BODY_SINGLE && mix == MIX_SHOP ? view : template_at(mix, first + i), true);
    if (kind == BODY_LINES) add_text(&layout, "\n", false);
  }
  if (kind == BODY_BATCH) add_text(&layout, "],\"sentAt\":\"" SENT_AT "\"}", false);
  if (layout.failed) body_release(body);
  return !layout.failed;
}

void body_release(struct body *body) {
  free(body->text);
  free(body->slots);
  *body = (struct body){0};
}

// --- filling in ----------------------------------------------------------------------------------------------

// splitmix64: as good as it needs to be, and one multiplication away from a hash.
static uint64_t mixed(uint64_t number) {
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

static uint64_t next_random(struct population *population) {
  population->random += 0x9e3779b97f4a7c15;
  return mixed(population->random);
}

static void put_decimal(char *at, size_t width, uint64_t number) {
  while (width-- > 0) {
    at[width] = (char)('0' + number % 10);
    number /= 10;
  }
}

static void put_hexadecimal(char *at, size_t width, uint64_t number) {
  while (width-- > 0) {
    at[width] = "0123456789abcdef"[number & 15];
    number >>= 4;
  }
}

// The text of a second is kept: breaking a time down is the dearest part of filling in.
struct time_text {
  int64_t second;
  char text[TIME_BYTES + 40];
};

static void put_time(char *at, struct time_text *kept, int64_t time_us) {
  int64_t second = time_us / 1000000;
  if (second != kept->second) {
    struct tm parts;
    time_t unix_second = (time_t)second;
    gmtime_r(&unix_second, &parts);
    strftime(kept->text, sizeof kept->text, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
    kept->second = second;
  }
  memcpy(at, kept->text, TIME_BYTES);
  put_decimal(at + 20, 3, (uint64_t)(time_us / 1000 % 1000));
}

static void put_name(char *at, uint64_t customer) {
  static const char names[NAME_COUNT][NAME_BYTES + 1] = {"Amelie", "Victor", "Louise", "Arthur", "Marion", "Hugues",
                                                         "Sophie", "Adrien", "Claire", "Robert", "Jeanne", "Thomas",
                                                         "Helene", "Gaston", "Manuel", "Carine"};
  memcpy(at, names[customer % NAME_COUNT], NAME_BYTES);
}

// Whose the next event is, and when.
static uint64_t next_visitor(struct population *population) {
  uint64_t place = next_random(population) % population->visitors;
  uint64_t round = (population->messages + VISIT_EVENTS * place) / (VISIT_EVENTS * population->visitors);
  return mixed(mixed(round) + place) % population->customers;
}

static uint64_t next_customer(struct population *population) {
  if (population->visitors != 0) return next_visitor(population);
  if (population->in_turn == 0) return next_random(population) % population->customers;
  return population->messages / population->in_turn % population->customers;
}

static int64_t next_spread_us(struct population *population) {
  return population->spread_us == 0 ? 0 : (int64_t)(next_random(population) % (uint64_t)population->spread_us);
}

static void put_city(char *at, uint64_t customer) {
  static const char cities[8][NAME_BYTES + 1] = {"Lyon  ", "Paris ", "Nantes", "Lille ",
                                                 "Nice  ", "Rennes", "Tours ", "Dijon "};
  memcpy(at, cities[mixed(customer) % 8], NAME_BYTES);
}

void body_fill(struct body *body, struct population *population, int64_t time_us, int64_t step_us, int64_t sent_us) {
  struct time_text kept = {.second = -1};
  uint64_t customer = 0, message = 0;
  int64_t event_us = time_us - step_us, spread_us = 0;
  for (size_t i = 0; i < body->slot_count; i++) {
    const struct body_slot *slot = &body->slots[i];
    char *at = body->text + slot->offset;
    if (slot->first) {
      customer = next_customer(population);
      message = population->messages++;
      event_us += step_us;
      spread_us = next_spread_us(population);
    }
    switch ((enum slot_kind)slot->kind) {
    case SLOT_CUSTOMER:
      put_decimal(at, slot->width, customer);
      break;
    case SLOT_DEVICE:
      put_hexadecimal(at, slot->width, mixed(customer + 1));
      break;
    case SLOT_MESSAGE:
      put_hexadecimal(at, slot->width, mixed(message + 1)); // mixed is one to one
      break;
    case SLOT_TIME:
      put_time(at, &kept, event_us - spread_us);
      break;
    case SLOT_SENT_AT:
      put_time(at, &kept, sent_us);
      break;
    case SLOT_CITY:
      put_city(at, customer);
      break;
    case SLOT_DIGITS:
      put_decimal(at, slot->width, next_random(population));
      break;
    case SLOT_NAME:
      put_name(at, customer);
      break;
    case SLOT_KIND_COUNT:
      break;
    }
  }
}
