// bench_json: how fast JSON becomes packed values, on one core.
//
// Reads a typical Segment event over and over: alone, then in batches of 500. Prints events/s and MB/s of JSON text,
// and the time of one member look-up. The argument is the number of seconds to measure each (default 2).
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "parts/options.h"
#include "value/value.h"

static const char event[] =
    "{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"ajs-next-1732234567890-4f3c2b1a-0d9e\","
    "\"userId\":\"customer-184467\",\"anonymousId\":\"0b9e6c0e-9a1f-4d6b-8f0e-3d7a5c2b1e4f\","
    "\"timestamp\":\"2026-11-22T00:16:39.018Z\",\"context\":{\"ip\":\"203.0.113.24\",\"locale\":\"fr-FR\","
    "\"page\":{\"path\":\"/checkout/done\",\"url\":\"https://shop.example/checkout/done\"},"
    "\"library\":{\"name\":\"analytics.js\",\"version\":\"2.11.1\"}},\"properties\":{\"order_id\":\"50314b8e\","
    "\"total\":127.50,\"currency\":\"EUR\",\"coupon\":null,\"products\":[{\"sku\":\"45790-32\",\"price\":19.00,"
    "\"quantity\":1},{\"sku\":\"46493-32\",\"price\":3.50,\"quantity\":31}]}}";

enum { BATCH_EVENTS = 500 };

struct run {
  struct value_parser *parser;
  struct names *names;
  struct buffer packed;
  struct buffer batch;
};

static void fail(const char *what) {
  fprintf(stderr, "bench_json: %s\n", what);
  exit(1);
}

static void report(const char *what, uint64_t events, int64_t elapsed_us) {
  double seconds = (double)elapsed_us / 1e6;
  printf("%-14s %10.0f events/s %8.1f MB/s\n", what, (double)events / seconds,
         (double)events * (double)(sizeof event - 1) / 1e6 / seconds);
}

static void bench_single(struct run *run, int64_t for_us) {
  int64_t start_us = clock_monotonic_us(), elapsed_us = 0;
  uint64_t events = 0;
  while (elapsed_us < for_us) {
    for (int i = 0; i < 1000; i++, events++) {
      buffer_clear(&run->packed);
      if (value_parse_json(run->parser, BYTES(event), run->names, &run->packed, NULL) != ERR_OK) fail("single");
    }
    elapsed_us = clock_monotonic_us() - start_us;
  }
  report("single", events, elapsed_us);
}

static enum err take_item(void *context, size_t index, struct value item, struct bytes text, const struct diag *fault) {
  (void)index;
  (void)text;
  (void)fault;
  *(uint64_t *)context += !value_is_absent(item);
  return ERR_OK;
}

static void bench_batch(struct run *run, int64_t for_us) {
  buffer_append_text(&run->batch, "{\"batch\":[");
  for (int i = 0; i < BATCH_EVENTS; i++) {
    if (i > 0) buffer_append_byte(&run->batch, ',');
    buffer_append_text(&run->batch, event);
  }
  buffer_append_text(&run->batch, "],\"sentAt\":\"2026-11-22T00:16:40.000Z\"}");
  int64_t start_us = clock_monotonic_us(), elapsed_us = 0;
  uint64_t events = 0;
  while (elapsed_us < for_us) {
    buffer_clear(&run->packed);
    enum err err = value_parse_batch(run->parser, buffer_view(&run->batch), BYTES("batch"), BATCH_EVENTS, run->names,
                                     &run->packed, take_item, &events, NULL);
    if (err != ERR_OK) fail("batch");
    elapsed_us = clock_monotonic_us() - start_us;
  }
  report("batch of 500", events, elapsed_us);
}

static void bench_member(struct run *run, int64_t for_us) {
  buffer_clear(&run->packed);
  if (value_parse_json(run->parser, BYTES(event), run->names, &run->packed, NULL) != ERR_OK) fail("member");
  struct value document = {buffer_view(&run->packed)};
  uint32_t id = names_find(run->names, BYTES("properties"));
  int64_t start_us = clock_monotonic_us(), elapsed_us = 0;
  uint64_t reads = 0, found = 0;
  while (elapsed_us < for_us) {
    for (int i = 0; i < 100000; i++, reads++) found += !value_is_absent(value_member_id(document, id));
    elapsed_us = clock_monotonic_us() - start_us;
  }
  if (found != reads) fail("member is missing");
  printf("%-14s %10.1f ns (the eighth member)\n", "member by id", (double)elapsed_us * 1e3 / (double)reads);
}

int main(int argc, char **argv) {
  uint64_t seconds = 2;
  const struct options_row rows[] = {
      {"--seconds", "N", "how long each figure is measured (2)", .number = &seconds, .most = UINT32_MAX}};
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  int64_t for_us = (int64_t)seconds * CLOCK_SECOND_US;
  struct run run = {0};
  if (value_parser_open(&run.parser) != ERR_OK || names_open(&run.names, NULL, NULL) != ERR_OK) fail("memory");
  buffer_init(&run.packed);
  buffer_init(&run.batch);
  printf("event of %zu bytes\n", sizeof event - 1);
  bench_single(&run, for_us);
  bench_batch(&run, for_us);
  bench_member(&run, for_us);
  buffer_release(&run.packed);
  buffer_release(&run.batch);
  value_parser_close(run.parser);
  names_close(run.names);
  return 0;
}
