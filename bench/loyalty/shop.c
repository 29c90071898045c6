// Carts, rules and codes by number; the same seed gives the same ones.
#include "shop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../parts/load.h"

enum { PRODUCTS = 20000, STORES = 500, RULE_BYTES = 256, GENERAL = 100 };

const char shop_programme[] =
    "{\"id\":\"club\",\"timezone\":\"UTC\",\"money\":\"EUR\","
    "\"currencies\":[{\"id\":\"points\",\"worth\":\"0.01\",\"validity\":{\"after\":\"1 year\"}}],"
    "\"rules\":[{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"}]}";
const char shop_single[] = "{\"id\":\"SINGLE\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},"
                           "\"uses\":{\"per_code\":1}}";
const char shop_shared[] = "{\"id\":\"SHARED\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},"
                           "\"uses\":{\"per_code\":1000000,\"total\":1000000000}}";

// --- rules ---------------------------------------------------------------------------------------------------

// A total of 250 passes a quarter of the general ones.
static size_t put_rule(char *out, size_t number) {
  int size = snprintf(out, RULE_BYTES, "{\"id\":\"r%zu\",\"on\":\"Order Completed\",\"when\":\"", number);
  char *at = out + size;
  size_t room = RULE_BYTES - (size_t)size;
  if (number % GENERAL == 0)
    size += snprintf(at, room, "total > %zu\",\"earn\":\"1\"}", number / GENERAL % GENERAL * 10);
  else if (number % 2 == 0)
    size += snprintf(at, room, "exists(this.products where sku = \\\"P%zu\\\")\",\"earn\":\"floor(paid)\"}", number);
  else
    size += snprintf(at, room, "store = \\\"S%zu\\\" and total > %zu\",\"discount\":{\"percent\":1}}", number % STORES,
                     number / STORES * 20);
  return (size_t)size;
}

char *shop_campaign(size_t number) {
  char *text = malloc(RULE_BYTES * (SHOP_CAMPAIGN_RULES + 1));
  if (!text) return NULL;
  size_t size = (size_t)snprintf(text, RULE_BYTES, "{\"id\":\"c%zu\",\"programme\":\"club\",\"rules\":[", number);
  for (size_t i = 0; i < SHOP_CAMPAIGN_RULES; i++) {
    if (i > 0) text[size++] = ',';
    size += put_rule(text + size, number * SHOP_CAMPAIGN_RULES + i);
  }
  snprintf(text + size, RULE_BYTES, "]}");
  return text;
}

// --- requests ------------------------------------------------------------------------------------------------

static uint64_t draw(struct shop *shop, uint64_t below) {
  shop->random += 0x9e3779b97f4a7c15;
  uint64_t number = (shop->random ^ shop->random >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return (number ^ number >> 31) % below;
}

static size_t put(char *body, size_t size, const char *form, ...) __attribute__((format(printf, 3, 4)));
static size_t put(char *body, size_t size, const char *form, ...) {
  va_list arguments;
  va_start(arguments, form);
  int added = vsnprintf(body + size, LOAD_FILL_BYTES - size, form, arguments);
  va_end(arguments);
  return size + (size_t)added;
}

static size_t put_member(struct shop *shop, char *body) {
  shop->sent++;
  return put(body, 0, "{\"customer\":\"user_id:u%07llu\"", (unsigned long long)draw(shop, shop->customers));
}

static size_t put_cart(struct shop *shop, char *body) {
  size_t size = put_member(shop, body);
  size = put(body, size, ",\"cart\":{\"order_id\":\"B-%llx-%llu\",\"store\":\"S%llu\",\"products\":[",
             (unsigned long long)shop->run, (unsigned long long)shop->sent, (unsigned long long)draw(shop, STORES));
  for (int i = 0; i < SHOP_LINES; i++) {
    uint64_t price = 100 + draw(shop, 9900), quantity = 1 + draw(shop, 2);
    size = put(body, size, "%s{\"sku\":\"P%llu\",\"category\":\"Cases\",\"price\":%llu.%02llu,\"quantity\":%llu}",
               i > 0 ? "," : "", (unsigned long long)draw(shop, PRODUCTS), (unsigned long long)(price / 100),
               (unsigned long long)(price % 100), (unsigned long long)quantity);
  }
  return put(body, size, "]");
}

size_t shop_evaluate(void *context, char *body) {
  return put(body, put_cart(context, body), "}}");
}

static size_t put_code(struct shop *shop, char *body, const char *code) {
  return put(body, put_member(shop, body), ",\"code\":\"%s\"}", code);
}

size_t shop_redeem(void *context, char *body) {
  struct shop *shop = context;
  return put_code(shop, body, shop->codes[shop->sent % shop->code_count]);
}

size_t shop_share(void *context, char *body) {
  struct shop *shop = context;
  return put_code(shop, body, shop->codes[0]);
}

size_t shop_burn(void *context, char *body) {
  return put(body, put_member(context, body), ",\"amount\":1}");
}
