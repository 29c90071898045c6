// bench_loyalty_rules: a set of 10,000 rules on one event, 9,900 of them for one product or one store each.
//
// How long opening it takes, opening it again when one campaign changed, and finding what an order of five products
// concerns; of the last the fastest of several rounds counts.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loyalty/set.h"
#include "parts/options.h"

enum { CAMPAIGNS = 50, RULES = 200, ROUNDS = 20, LOOKS = 20000 };

static struct loyalty_rule rules[CAMPAIGNS][RULES];
static struct loyalty_campaign campaigns[CAMPAIGNS];
static struct arena texts;

static struct bytes text(const char *form, unsigned number) {
  char out[96];
  const char *hole = form;
  while (*hole != '#' && *hole != '\0') hole++;
  snprintf(out, sizeof out, "%.*s%u%s", (int)(hole - form), form, number, *hole == '\0' ? hole : hole + 1);
  return arena_copy(&texts, bytes_from_text(out));
}

static void make_documents(void) {
  const struct loyalty_span always = {INT64_MIN, INT64_MAX};
  for (unsigned i = 0; i < CAMPAIGNS; i++) {
    for (unsigned k = 0; k < RULES; k++) {
      unsigned number = i * RULES + k;
      const char *when = number % 100 == 0 ? "total > #"
                         : number % 2 == 0 ? "exists(this.products where sku = \"P#\")"
                                           : "store = \"S#\" and total > 5";
      rules[i][k] = (struct loyalty_rule){.number = k + 1,
                                          .id = text("r#", number),
                                          .name = text("r#", number),
                                          .on = BYTES("Order Completed"),
                                          .when = text(when, number),
                                          .earn = BYTES("paid"),
                                          .currency = 1,
                                          .span = always};
    }
    campaigns[i] = (struct loyalty_campaign){.number = i + 1,
                                             .version = 1,
                                             .programme = 1,
                                             .id = text("c#", i),
                                             .name = text("c#", i),
                                             .span = always,
                                             .rules = rules[i],
                                             .rule_count = RULES,
                                             .rule_numbers = RULES};
  }
}

static const struct rule_zone *zone_of(void *context, struct bytes name) {
  (void)name;
  return context;
}

static void stop(const char *what, const struct diag *diag) {
  fprintf(stderr, "%s: %s: %s\n", what, diag->field, diag->message);
  exit(EXIT_FAILURE);
}

static struct loyalty_set *open_set(const struct loyalty_compile *with, const char *what) {
  struct loyalty_currency points = {.number = 1, .id = BYTES("points"), .name = BYTES("points")};
  struct loyalty_programme programme = {.number = 1,
                                        .version = 1,
                                        .id = BYTES("club"),
                                        .name = BYTES("club"),
                                        .timezone = BYTES("UTC"),
                                        .money = BYTES("EUR"),
                                        .currencies = &points,
                                        .currency_count = 1};
  struct loyalty_set *set = NULL;
  struct diag diag;
  int64_t from_us = clock_monotonic_us();
  if (loyalty_set_open(&set, &programme, 1, campaigns, CAMPAIGNS, NULL, 0, with, &diag) != ERR_OK) stop(what, &diag);
  printf("%-40s %8.1f ms\n", what, (double)(clock_monotonic_us() - from_us) / 1e3);
  return set;
}

static void look(const struct loyalty_set *set, uint32_t name, struct value message) {
  struct arena arena;
  double best_us = 1e9;
  size_t count = 0;
  arena_init(&arena, 0);
  for (int round = 0; round < ROUNDS; round++) {
    const struct loyalty_live_rule *const *found;
    int64_t from_us = clock_monotonic_us();
    for (int i = 0; i < LOOKS; i++) {
      arena_clear(&arena);
      if (loyalty_set_find(set, name, message, 0, &arena, &found, &count) != ERR_OK) exit(EXIT_FAILURE);
    }
    double us = (double)(clock_monotonic_us() - from_us) / LOOKS;
    if (us < best_us) best_us = us;
  }
  printf("%-40s %8.2f us, %zu rules\n", "an order of five products", best_us, count);
  arena_release(&arena);
}

int main(int argc, char **argv) {
  options_take(NULL, 0, argc, argv);
  static const char ORDER[] =
      "{\"properties\":{\"order_id\":\"o\",\"store\":\"S7\",\"total\":55,\"products\":["
      "{\"sku\":\"P8\",\"price\":5},{\"sku\":\"P10\",\"price\":5},{\"sku\":\"P12\",\"price\":5},"
      "{\"sku\":\"P14\",\"price\":5},{\"sku\":\"X\",\"price\":5}]}}";
  struct names *names;
  struct rule_zone *zone;
  struct value_parser *parser;
  struct buffer packed;
  struct diag diag;
  arena_init(&texts, 0);
  buffer_init(&packed);
  if (names_open(&names, NULL, NULL) != ERR_OK || rule_zone_open_utc(&zone) != ERR_OK ||
      value_parser_open(&parser) != ERR_OK)
    return EXIT_FAILURE;
  make_documents();
  struct loyalty_compile with = {.names = names, .zone = zone_of, .context = zone};
  struct loyalty_set *set = open_set(&with, "opening 10,000 rules");
  rules[3][7].when = BYTES("store = \"another\"");
  with.older = set;
  struct loyalty_set *next = open_set(&with, "opening them when one changed");
  loyalty_set_close(set);
  if (value_parse_json(parser, BYTES(ORDER), names, &packed, &diag) != ERR_OK) stop("order", &diag);
  look(next, names_find(names, BYTES("Order Completed")), (struct value){buffer_view(&packed)});
  loyalty_set_close(next);
  buffer_release(&packed);
  arena_release(&texts);
  value_parser_close(parser);
  rule_zone_close(zone);
  names_close(names);
  return EXIT_SUCCESS;
}
