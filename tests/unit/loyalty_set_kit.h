// loyalty_set_kit: a set of programmes, campaigns and vouchers that were read from JSON, a customer who is two traits,
// and orders in hand.
#pragma once

#include "base/clock.h"
#include "loyalty/set.h"
#include "loyalty_document_kit.h"

enum { SHOP_DOCUMENTS = 128, SHOP_CLUB = 3 };
#define SHOP_NOW_US (20600 * CLOCK_DAY_US) // 2026-05-27

struct shop {
  struct kit *kit;
  struct loyalty_programme programmes[SHOP_DOCUMENTS];
  struct loyalty_campaign campaigns[SHOP_DOCUMENTS];
  struct loyalty_voucher vouchers[SHOP_DOCUMENTS];
  size_t programme_count, campaign_count, voucher_count;
  struct loyalty_set *set;
  struct rule_machine *machine;
  struct facts facts;
  enum err facts_fail;
  struct arena arena; // of what is asked
  struct diag diag;
};

static inline enum err shop_trait(void *context, uint32_t name, struct value *value) {
  struct shop *shop = context;
  static const uint8_t FRANCE[] = {6, 2, 'F', 'R'};
  *value = (struct value){{NULL, 0}};
  if (bytes_equal(names_text(shop->kit->names, name), BYTES("country")))
    *value = (struct value){bytes_of(FRANCE, sizeof FRANCE)};
  return shop->facts_fail;
}

static inline int shop_setup(void **state) {
  struct shop *shop = calloc(1, sizeof *shop);
  void *kit = NULL;
  assert_non_null(shop);
  assert_int_equal(kit_setup(&kit), 0);
  shop->kit = kit;
  arena_init(&shop->arena, 0);
  assert_int_equal(rule_machine_open(&shop->machine, NULL), ERR_OK);
  shop->facts.customer = (struct rule_customer){.context = shop, .trait = shop_trait};
  *state = shop;
  return 0;
}

static inline int shop_teardown(void **state) {
  struct shop *shop = *state;
  void *kit = shop->kit;
  loyalty_set_close(shop->set);
  rule_machine_close(shop->machine);
  arena_release(&shop->arena);
  kit_teardown(&kit);
  free(shop);
  return 0;
}

// --- documents -----------------------------------------------------------------------------------------------

// `members` come to those of the club, each with a comma in front.
static inline struct loyalty_programme *shop_programme(struct shop *shop, const char *members) {
  union kit_document document;
  char *json = arena_format(&shop->kit->arena, "{" KIT_CLUB "%s}", members);
  kit_read(shop->kit, LOYALTY_KIND_PROGRAMME, json, NULL, &document);
  document.programme.number = SHOP_CLUB + (uint32_t)shop->programme_count;
  shop->programmes[shop->programme_count] = document.programme;
  return &shop->programmes[shop->programme_count++];
}

static inline struct loyalty_campaign *shop_campaign(struct shop *shop, const char *id, const char *members) {
  union kit_document document;
  char *json = arena_format(&shop->kit->arena, "{\"id\":\"%s\",\"programme\":\"club\"%s}", id, members);
  kit_read(shop->kit, LOYALTY_KIND_CAMPAIGN, json, NULL, &document);
  document.campaign.number = 1 + (uint32_t)shop->campaign_count;
  shop->campaigns[shop->campaign_count] = document.campaign;
  return &shop->campaigns[shop->campaign_count++];
}

static inline struct loyalty_voucher *shop_voucher(struct shop *shop, const char *id, const char *members) {
  union kit_document document;
  char *json = arena_format(&shop->kit->arena, "{\"id\":\"%s\",\"programme\":\"club\"%s}", id, members);
  kit_read(shop->kit, LOYALTY_KIND_VOUCHER, json, NULL, &document);
  document.voucher.number = 1 + (uint32_t)shop->voucher_count;
  shop->vouchers[shop->voucher_count] = document.voucher;
  return &shop->vouchers[shop->voucher_count++];
}

static inline enum err shop_try_open(struct shop *shop, struct loyalty_set **set) {
  struct loyalty_compile with = {.names = shop->kit->names, .zone = kit_zone, .context = shop->kit, .older = shop->set};
  diag_init(&shop->diag);
  return loyalty_set_open(set, shop->programmes, shop->programme_count, shop->campaigns, shop->campaign_count,
                          shop->vouchers, shop->voucher_count, &with, &shop->diag);
}

// Replaces the shop's set by one of the documents as they are now.
static inline void shop_open(struct shop *shop) {
  struct loyalty_set *set = NULL;
  if (shop_try_open(shop, &set) != ERR_OK)
    fail_msg("%s: %s: %s", shop->diag.code, shop->diag.field, shop->diag.message);
  loyalty_set_close(shop->set);
  shop->set = set;
}

static inline void shop_forget(struct shop *shop) {
  shop->programme_count = shop->campaign_count = shop->voucher_count = 0;
}

// --- events --------------------------------------------------------------------------------------------------

static inline uint32_t shop_name(struct shop *shop, const char *name) {
  uint32_t id = 0;
  assert_int_equal(names_intern(shop->kit->names, bytes_from_text(name), &id, NULL), ERR_OK);
  return id;
}

static inline struct value shop_value(struct shop *shop, const char *json) {
  return (struct value){arena_copy(&shop->arena, kit_pack_json(shop->kit, json).packed)};
}

static inline struct value shop_message(struct shop *shop, const char *properties) {
  return shop_value(shop, arena_format(&shop->arena, "{\"properties\":%s}", properties));
}

static inline struct loyalty_event shop_event(struct shop *shop, const char *name, const char *properties) {
  return (struct loyalty_event){
      .name = shop_name(shop, name), .at_us = SHOP_NOW_US, .message = shop_message(shop, properties)};
}

// With a basket of the properties.
static inline struct loyalty_event shop_order(struct shop *shop, const char *properties) {
  struct loyalty_event event = shop_event(shop, "Order Completed", properties);
  struct loyalty_basket *basket = arena_take_zero(&shop->arena, 1, sizeof *basket);
  struct value value = value_member(event.message, shop->kit->names, BYTES("properties"));
  if (loyalty_basket_read(value, shop->kit->names, BYTES("EUR"), &shop->arena, basket, &shop->diag) != ERR_OK)
    fail_msg("%s: %s", properties, shop->diag.message);
  event.basket = basket;
  return event;
}

static inline const struct loyalty_live_rule *shop_rule(const struct shop *shop, uint32_t campaign, uint32_t rule) {
  return loyalty_set_rule(shop->set, SHOP_CLUB, (struct loyalty_rule_ref){campaign, rule});
}

// The ids of the rules that are found, with a blank behind each.
static inline const char *shop_found(struct shop *shop, const struct loyalty_event *event) {
  const struct loyalty_live_rule *const *rules;
  size_t count;
  assert_int_equal(loyalty_set_find(shop->set, event->name, event->message, event->at_us, &shop->arena, &rules, &count),
                   ERR_OK);
  char *text = arena_format(&shop->arena, "%s", "");
  for (size_t i = 0; i < count; i++) text = arena_format(&shop->arena, "%s%.*s ", text, BYTES_ARG(rules[i]->rule->id));
  return text;
}

static inline struct loyalty_judgement shop_judge(struct shop *shop, const struct loyalty_live_rule *rule,
                                                  const struct loyalty_event *event) {
  struct loyalty_judgement judgement;
  assert_non_null(rule);
  assert_int_equal(loyalty_judge(rule, event, shop->machine, &shop->facts, SHOP_NOW_US, &shop->arena, &judgement),
                   ERR_OK);
  return judgement;
}
