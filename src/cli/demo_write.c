// demo_write: a planned event as a message of the Segment protocol.
//
// Written with plain appends: benches are fed by this generator, so it must not be what they measure. Nothing here is
// escaped, because the tables hold no character that JSON escapes.
#include <string.h>

#include "base/clock.h"
#include "cli/demo_data.h"
#include "cli/demo_shop.h"

enum { PRODUCTS_MAX = 4, TILLS = 4 };
#define SHOP_URL "https://www.maison-demo.example"
#define WRONG_CLOCK_US INT64_C(4070908800000000) // 2099-01-01

static const char *const store_names[] = {[DEMO_LYON] = "Lyon", [DEMO_PARIS] = "Paris"};
static const char *const store_codes[] = {[DEMO_LYON] = "LY", [DEMO_PARIS] = "PA"};
static const char *const tablet_ids[] = {
    [DEMO_LYON] = "7ab1e700-0000-4000-8000-000000000069", [DEMO_PARIS] = "7ab1e700-0000-4000-8000-000000000075"};

#define PUT(line, literal) buffer_append(line, literal, sizeof(literal) - 1)

static void put_text(struct buffer *line, const char *text) {
  buffer_append(line, text, strlen(text));
}

static void put_number(struct buffer *line, uint64_t number, int least_digits) {
  char digits[24];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0 || sizeof digits - at < (size_t)least_digits);
  buffer_append(line, digits + at, sizeof digits - at);
}

static void put_hex(struct buffer *line, uint64_t number, int digits) {
  char text[16];
  for (int i = 0; i < digits; i++) text[i] = "0123456789abcdef"[number >> 4 * (digits - 1 - i) & 15];
  buffer_append(line, text, (size_t)digits);
}

static void put_cents(struct buffer *line, uint64_t cents) {
  put_number(line, cents / 100, 1);
  PUT(line, ".");
  put_number(line, cents % 100, 2);
}

static void put_time(struct buffer *line, int64_t time_us) {
  char text[CLOCK_TEXT_BYTES];
  clock_format(time_us - time_us % CLOCK_MS_US, text);
  put_text(line, text);
}

// --- identifiers ---------------------------------------------------------------------------------------------

static const char *ascii_given(const struct shop_person *person) {
  return demo_given_ascii[person->given];
}

static void put_capital(struct buffer *line, const char *text) {
  buffer_append_byte(line, (uint8_t)(text[0] >= 'a' && text[0] <= 'z' ? text[0] - 32 : text[0]));
  put_text(line, text + 1);
}

// The mailbox is the same whatever the writing: cleaning must find that out.
static void put_email(struct shop *shop, struct buffer *line, const struct shop_person *person, struct chance chance) {
  const char *given = ascii_given(person), *family = demo_family_ascii[person->family];
  const char *domain = demo_mail_domains[person->domain];
  bool messy = chance_permille(&chance, 150), gmail = strcmp(domain, "gmail.com") == 0;
  uint32_t way = chance_below(&chance, 3);
  shop->counts->mess[DEMO_MESSY_EMAIL] += messy;
  if (messy && way == 0) PUT(line, " ");
  if (messy && way != 2) {
    put_capital(line, given);
  } else {
    put_text(line, given);
  }
  if (!(messy && gmail)) PUT(line, ".");
  put_text(line, family);
  put_number(line, person->number, 1);
  PUT(line, "@");
  if (messy && way == 2) {
    put_capital(line, domain);
  } else {
    put_text(line, domain);
  }
  if (messy && way == 0) PUT(line, " ");
}

// French mobile numbers: 6, a digit other than 3 and 9, seven digits. Different for 80 million people.
static void put_phone(struct shop *shop, struct buffer *line, const struct shop_person *person, bool national) {
  uint64_t number = (uint64_t)person->phone_of * 7919 % 80000000;
  uint64_t digits = 600000000 + (uint64_t)("01245678"[number / 10000000] - '0') * 10000000 + number % 10000000;
  shop->counts->mess[DEMO_NATIONAL_PHONE] += national;
  if (!national) {
    PUT(line, "+33");
    put_number(line, digits, 9);
    return;
  }
  PUT(line, "0");
  put_number(line, digits / 100000000, 1);
  for (uint64_t divisor = 1000000; divisor > 0; divisor /= 100) {
    PUT(line, " ");
    put_number(line, digits / divisor % 100, 2);
  }
}

static void put_card(struct buffer *line, const struct shop_person *person, bool second) {
  PUT(line, "C");
  put_number(line, (second ? 900000000 : 100000000) + (uint64_t)person->number, 9);
}

static void put_user_id(struct buffer *line, const struct shop_person *person) {
  PUT(line, "u");
  put_number(line, 100000 + (uint64_t)person->number, 6);
}

// One browser on her computer, one on her phone.
static void put_anonymous_id(struct shop *shop, struct buffer *line, const struct shop_event *event) {
  const struct shop_person *person = &shop->people[event->person];
  if (event->tablet) {
    put_text(line, tablet_ids[person->store]);
    return;
  }
  struct chance chance = {shop->options->seed ^ (uint64_t)person->number << 20 ^ (event->chance % 10 < 7 ? 1 : 2)};
  uint64_t high = chance_next(&chance), low = chance_next(&chance);
  put_hex(line, high >> 32, 8);
  PUT(line, "-");
  put_hex(line, high >> 16, 4);
  PUT(line, "-4");
  put_hex(line, high, 3);
  PUT(line, "-a");
  put_hex(line, low >> 48, 3);
  PUT(line, "-");
  put_hex(line, low, 12);
}

// --- goods ---------------------------------------------------------------------------------------------------

struct basket {
  uint32_t count;
  struct {
    const struct demo_product *product;
    uint32_t quantity;
  } items[PRODUCTS_MAX];
  uint64_t total_cents;
};

static struct basket fill_basket(const struct shop_event *event) {
  struct chance chance = {event->chance};
  struct basket basket = {.count = 1 + chance_below(&chance, PRODUCTS_MAX)};
  for (uint32_t i = 0; i < basket.count; i++) {
    uint32_t other = chance_below(&chance, (uint32_t)demo_product_count);
    basket.items[i].product = &demo_products[i == 0 ? event->product : other];
    basket.items[i].quantity = chance_permille(&chance, 850) ? 1 : 2;
    basket.total_cents += (uint64_t)basket.items[i].product->price_cents * basket.items[i].quantity;
  }
  return basket;
}

static void put_product(struct buffer *line, const struct demo_product *product) {
  PUT(line, "\"product_id\":\"");
  put_text(line, product->id);
  PUT(line, "\",\"name\":\"");
  put_text(line, product->name);
  PUT(line, "\",\"category\":\"");
  put_text(line, product->category);
  PUT(line, "\",\"price\":");
  put_cents(line, product->price_cents);
}

static void put_basket(struct buffer *line, const struct basket *basket) {
  PUT(line, "\"total\":");
  put_cents(line, basket->total_cents);
  PUT(line, ",\"currency\":\"EUR\",\"products\":[");
  for (uint32_t i = 0; i < basket->count; i++) {
    if (i > 0) PUT(line, ",");
    PUT(line, "{");
    put_product(line, basket->items[i].product);
    PUT(line, ",\"quantity\":");
    put_number(line, basket->items[i].quantity, 1);
    PUT(line, "}");
  }
  PUT(line, "]");
}

// --- messages ------------------------------------------------------------------------------------------------

// Of the seed too, so that two shops loaded into one workspace do not pass for repeats of each other.
static void put_message_id(struct shop *shop, struct buffer *line, const struct shop_event *event) {
  uint64_t number = shop->people[event->person].number;
  struct chance chance = {(shop->options->seed * UINT64_C(0xd1342543de82ef95)) ^ number << 24 ^ event->serial};
  PUT(line, ",\"messageId\":\"m-");
  put_hex(line, chance_next(&chance), 16);
  PUT(line, "\"");
}

static void put_timestamp(struct buffer *line, int64_t time_us) {
  PUT(line, ",\"timestamp\":\"");
  put_time(line, time_us);
  PUT(line, "\"");
}

static void put_names(struct buffer *line, const struct shop_person *person) {
  PUT(line, "\"firstName\":\"");
  put_text(line, demo_given_names[person->given]);
  PUT(line, "\",\"lastName\":\"");
  put_text(line, demo_family_names[person->family]);
  PUT(line, "\",\"birthday\":\"");
  put_number(line, person->birthday / 10000, 4);
  PUT(line, "-");
  put_number(line, person->birthday / 100 % 100, 2);
  PUT(line, "-");
  put_number(line, person->birthday % 100, 2);
  PUT(line, "\",\"address\":{\"city\":\"");
  put_text(line, demo_cities[person->city].name);
  PUT(line, "\",\"postalCode\":\"");
  put_text(line, demo_cities[person->city].postcode);
  PUT(line, "\",\"country\":\"FR\"}");
}

// Who is on the web: her browser, and herself once she has signed in, unless the page is the one that says "undefined".
static void put_web_ids(struct shop *shop, struct buffer *line, const struct shop_event *event) {
  struct chance chance = {event->chance ^ 5};
  bool undefined = event->kind == SHOP_PAGE && chance_permille(&chance, 15);
  PUT(line, ",\"anonymousId\":\"");
  put_anonymous_id(shop, line, event);
  PUT(line, "\"");
  shop->counts->mess[DEMO_TABLET] += event->tablet;
  shop->counts->mess[DEMO_USER_ID_UNDEFINED] += undefined;
  if (undefined) {
    PUT(line, ",\"userId\":\"undefined\"");
  } else if (event->known) {
    PUT(line, ",\"userId\":\"");
    put_user_id(line, &shop->people[event->person]);
    PUT(line, "\"");
  }
}

// What a newsletter is called: its theme and its year.
static void put_newsletter(struct buffer *line, uint16_t month) {
  put_text(line, demo_newsletters[month % 12]);
  PUT(line, "-");
  put_number(line, 2000 + (uint64_t)month / 12, 4);
}

static void put_campaign_name(struct buffer *line, const struct shop_event *event) {
  const struct demo_landing *landing = &demo_landings[event->landing];
  if (landing->campaign != NULL) {
    put_text(line, landing->campaign);
  } else {
    put_newsletter(line, event->month);
  }
}

static void put_campaign(struct buffer *line, const struct shop_event *event) {
  const struct demo_landing *landing = &demo_landings[event->landing];
  PUT(line, ",\"campaign\":{\"source\":\"");
  put_text(line, landing->source);
  PUT(line, "\",\"medium\":\"");
  put_text(line, landing->medium);
  PUT(line, "\",\"name\":\"");
  put_campaign_name(line, event);
  PUT(line, "\"}");
}

// "?utm_source=google&…&gclid=…", or nothing.
static void put_parameters(struct buffer *line, const struct shop_event *event) {
  const struct demo_landing *landing = &demo_landings[event->landing];
  if (landing->source != NULL) {
    PUT(line, "?utm_source=");
    put_text(line, landing->source);
    PUT(line, "&utm_medium=");
    put_text(line, landing->medium);
    PUT(line, "&utm_campaign=");
    put_campaign_name(line, event);
  }
  if (landing->click_id == NULL) return;
  put_text(line, landing->source != NULL ? "&" : "?");
  put_text(line, landing->click_id);
  PUT(line, "=");
  put_hex(line, event->chance, 16);
}

// How the visit began, as a browser's SDK tells it of the page she landed on.
static void put_landing(struct buffer *line, const struct shop_event *event) {
  const struct demo_landing *landing = &demo_landings[event->landing];
  const char *category = demo_products[event->product].category;
  if (landing->source != NULL) put_campaign(line, event);
  PUT(line, ",\"page\":{\"path\":\"/c/");
  put_text(line, category);
  PUT(line, "\",\"referrer\":\"");
  if (landing->referrer != NULL) put_text(line, landing->referrer);
  PUT(line, "\",\"search\":\"");
  put_parameters(line, event);
  PUT(line, "\",\"url\":\"" SHOP_URL "/c/");
  put_text(line, category);
  put_parameters(line, event);
  PUT(line, "\"}");
}

static void put_web_tail(struct shop *shop, struct buffer *line, const struct shop_event *event) {
  bool bot = shop->people[event->person].role == SHOP_ROLE_BOT;
  put_web_ids(shop, line, event);
  put_message_id(shop, line, event);
  put_timestamp(line, event->time_us);
  shop->counts->mess[DEMO_BOT] += bot;
  PUT(line, ",\"context\":{\"channel\":\"web\"");
  if (event->kind == SHOP_PAGE) put_landing(line, event);
  if (bot) {
    PUT(line, ",\"userAgent\":\"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\"}}");
  } else {
    PUT(line, ",\"locale\":\"fr-FR\"}}");
  }
}

static void write_page(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  const char *category = demo_products[event->product].category;
  PUT(line, "{\"type\":\"page\",\"name\":\"Category\",\"properties\":{\"category\":\"");
  put_text(line, category);
  PUT(line, "\",\"path\":\"/c/");
  put_text(line, category);
  PUT(line, "\"}");
  put_web_tail(shop, line, event);
}

static void write_product_event(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  PUT(line, "{\"type\":\"track\",\"event\":\"");
  put_text(line, event->kind == SHOP_ADD ? "Product Added" : "Product Viewed");
  PUT(line, "\",\"properties\":{");
  put_product(line, &demo_products[event->product]);
  PUT(line, ",\"currency\":\"EUR\"}");
  put_web_tail(shop, line, event);
}

static void write_web_order(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  struct basket basket = fill_basket(event);
  PUT(line, "{\"type\":\"track\",\"event\":\"Order Completed\",\"properties\":{\"order_id\":\"W");
  put_number(line, shop->people[event->person].number, 1);
  PUT(line, "-");
  put_number(line, event->serial, 1);
  PUT(line, "\",");
  put_basket(line, &basket);
  PUT(line, "}");
  put_web_tail(shop, line, event);
}

static void write_sign_in(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  const struct shop_person *person = &shop->people[event->person];
  struct chance chance = {event->chance ^ 7};
  PUT(line, "{\"type\":\"identify\",\"traits\":{\"email\":\"");
  put_email(shop, line, person, chance);
  PUT(line, "\",");
  put_names(line, person);
  if (chance_permille(&chance, 600)) {
    PUT(line, ",\"phone\":\"");
    put_phone(shop, line, person, false);
    PUT(line, "\"");
  }
  PUT(line, "}");
  put_web_tail(shop, line, event);
}

// What every till message ends with. Tills number their customers themselves; those numbers are told only where each
// till is a source of its own.
static void put_till_tail(struct shop *shop, struct buffer *line, const struct shop_event *event) {
  const struct shop_person *person = &shop->people[event->person];
  if (shop->options->pos_ids) {
    PUT(line, ",\"userId\":\"");
    put_text(line, store_codes[event->source]);
    PUT(line, "-");
    put_number(line, 50000 + (uint64_t)person->number, 6);
    PUT(line, "\"");
  }
  put_timestamp(line, event->wrong_clock ? WRONG_CLOCK_US + event->time_us % CLOCK_DAY_US : event->time_us);
  PUT(line, ",\"context\":{\"channel\":\"store\",\"traits\":{\"loyalty_card\":\"");
  put_card(line, person, person->two_cards && event->chance % 3 == 0);
  PUT(line, "\"}}}");
}

// A ticket's natural key is (store, till, ticket): tills know no message ids.
static void put_ticket(struct shop *shop, struct buffer *line, const struct shop_event *event) {
  const struct shop_person *person = &shop->people[event->person];
  PUT(line, "\"store\":\"");
  put_text(line, store_names[event->source]);
  PUT(line, "\",\"till\":\"");
  put_text(line, store_codes[event->source]);
  put_number(line, 1 + event->chance % TILLS, 1);
  PUT(line, "\",\"ticket\":\"");
  put_number(line, person->number, 6);
  put_number(line, event->serial, 4);
  PUT(line, "\",");
}

static void write_ticket(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  struct basket basket = fill_basket(event);
  PUT(line, "{\"type\":\"track\",\"event\":\"");
  put_text(line, event->kind == SHOP_REFUND ? "Order Refunded" : "Order Completed");
  PUT(line, "\",\"properties\":{");
  put_ticket(shop, line, event);
  PUT(line, "\"order_id\":\"");
  put_text(line, store_codes[event->source]);
  put_hex(line, event->chance >> 16, 12);
  PUT(line, "\",");
  put_basket(line, &basket);
  PUT(line, "}");
  put_till_tail(shop, line, event);
}

static void write_card(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  const struct shop_person *person = &shop->people[event->person];
  struct chance chance = {event->chance ^ 9};
  PUT(line, "{\"type\":\"identify\",\"traits\":{");
  put_names(line, person);
  PUT(line, ",\"phone\":\"");
  put_phone(shop, line, person, chance_permille(&chance, 800));
  if (person->role == SHOP_ROLE_BOTH || chance_permille(&chance, 500)) {
    PUT(line, "\",\"email\":\"");
    put_email(shop, line, person, chance);
  }
  PUT(line, "\"}");
  put_message_id(shop, line, event);
  put_till_tail(shop, line, event);
}

static void write_mail(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  static const char *const names[] = {"Email Delivered", "Email Opened", "Email Clicked"};
  PUT(line, "{\"type\":\"track\",\"event\":\"");
  put_text(line, names[event->kind - SHOP_DELIVERED]);
  PUT(line, "\",\"properties\":{\"campaign\":\"");
  put_newsletter(line, event->month);
  PUT(line, "\"},\"context\":{\"channel\":\"email\",\"traits\":{\"email\":\"");
  put_email(shop, line, &shop->people[event->person], (struct chance){event->chance ^ event->serial});
  PUT(line, "\"}}");
  put_message_id(shop, line, event);
  put_timestamp(line, event->time_us);
  PUT(line, "}");
}

void demo_write_event(struct shop *shop, const struct shop_event *event, struct buffer *line) {
  static void (*const writers[])(struct shop *, const struct shop_event *, struct buffer *) = {
      [SHOP_PAGE] = write_page,           [SHOP_VIEW] = write_product_event, [SHOP_ADD] = write_product_event,
      [SHOP_WEB_ORDER] = write_web_order, [SHOP_SIGN_IN] = write_sign_in,    [SHOP_CARD] = write_card,
      [SHOP_TICKET] = write_ticket,       [SHOP_REFUND] = write_ticket,      [SHOP_DELIVERED] = write_mail,
      [SHOP_OPENED] = write_mail,         [SHOP_CLICKED] = write_mail,
  };
  buffer_clear(line);
  writers[event->kind](shop, event, line);
}
