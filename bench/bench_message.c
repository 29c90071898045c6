// bench_message: how long a packed message takes to become an engine event, on one core.
//
// A typical 600-byte event with two identifiers and its own id, the same without an id (a hash of the content), and a
// page from a browser with a user agent. Then whole bodies of 500, parsed and read, into an engine that does nothing.
// The argument is the number of seconds to measure each (default 1).
#include "../tests/unit/source_double.h"
#include "parts/options.h"

static const char with_id[] =
    "{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"ajs-next-1732234567890-4f3c2b1a-0d9e\","
    "\"userId\":\"customer-184467\",\"anonymousId\":\"0b9e6c0e-9a1f-4d6b-8f0e-3d7a5c2b1e4f\","
    "\"timestamp\":\"2026-11-22T00:16:39.018Z\",\"context\":{\"ip\":\"203.0.113.24\",\"locale\":\"fr-FR\","
    "\"page\":{\"path\":\"/checkout/done\",\"url\":\"https://shop.example/checkout/done\"},"
    "\"library\":{\"name\":\"analytics.js\",\"version\":\"2.11.1\"}},\"properties\":{\"order_id\":\"50314b8e\","
    "\"total\":127.50,\"currency\":\"EUR\",\"coupon\":null,\"products\":[{\"sku\":\"45790-32\",\"price\":19.00,"
    "\"quantity\":1},{\"sku\":\"46493-32\",\"price\":3.50,\"quantity\":31}]}}";

static const char without_id[] =
    "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"customer-184467\","
    "\"timestamp\":\"2026-11-22T00:16:39.018Z\",\"properties\":{\"order_id\":\"50314b8e\",\"total\":127.50,"
    "\"currency\":\"EUR\",\"products\":[{\"sku\":\"45790-32\",\"price\":19.00,\"quantity\":1}]}}";

static const char browser_page[] =
    "{\"type\":\"page\",\"messageId\":\"ajs-next-1795306816500-a58afeab-f432-4af6-8770-60e760431e29\","
    "\"timestamp\":\"2026-11-22T00:20:16.500Z\",\"sentAt\":\"2026-11-22T00:20:16.551Z\",\"userId\":\"user-42\","
    "\"anonymousId\":\"8afeabf4-32aa-4687-b060-e760431e29f3\",\"context\":{\"userAgent\":\"Mozilla/5.0 (X11; Linux "
    "x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\",\"locale\":\"fr-FR\"},"
    "\"properties\":{\"path\":\"/\",\"url\":\"https://shop.example/\",\"title\":\"Accueil\"}}";

enum { BATCH_EVENTS = 500 };

struct run {
  struct engine engine;
  struct source_reader *reader;
  struct value_parser *parser;
  struct arena arena;
  int64_t for_us;
};

static void report(const char *what, uint64_t events, int64_t elapsed_us) {
  printf("%-12s %8.0f ns/event %10.0f events/s\n", what, (double)elapsed_us * 1e3 / (double)events,
         (double)events * 1e6 / (double)elapsed_us);
}

static void bench_message(struct run *run, const char *what, const char *json) {
  struct source_envelope envelope = double_envelope(&run->engine);
  struct buffer packed;
  struct diag diag;
  buffer_init(&packed);
  diag_init(&diag);
  assert(value_parse_json(run->parser, bytes_from_text(json), run->engine.names, &packed, &diag) == ERR_OK);
  int64_t start_us = clock_monotonic_us(), elapsed_us = 0;
  uint64_t events = 0;
  for (; elapsed_us < run->for_us; elapsed_us = clock_monotonic_us() - start_us) {
    for (int i = 0; i < 1000; i++, events++) {
      struct engine_event event;
      arena_clear(&run->arena);
      assert(source_message_read(run->reader, &envelope, (struct value){buffer_view(&packed)}, BYTES(""), 0,
                                 &run->arena, &event, &diag) == ERR_OK);
    }
  }
  report(what, events, elapsed_us);
  buffer_release(&packed);
}

static void bench_body(struct run *run) {
  struct buffer body;
  uint64_t events = 0;
  buffer_init(&body);
  for (int i = 0; i < BATCH_EVENTS; i++) {
    buffer_append_text(&body, i == 0 ? "{\"batch\":[" : ",");
    buffer_append_text(&body, with_id);
  }
  buffer_append_text(&body, "]}");
  int64_t start_us = clock_monotonic_us(), elapsed_us = 0;
  for (; elapsed_us < run->for_us; elapsed_us = clock_monotonic_us() - start_us) {
    struct source_envelope envelope = double_envelope(&run->engine);
    struct source_report told;
    struct store_mark mark;
    arena_clear(&run->arena);
    assert(source_body_apply(run->reader, &envelope, buffer_view(&body), &run->arena, &told, &mark, NULL) == ERR_OK);
    events += told.count;
  }
  report("body of 500", events, elapsed_us);
  buffer_release(&body);
}

int main(int argc, char **argv) {
  static struct run run;
  uint64_t seconds = 1;
  const struct options_row rows[] = {
      {"--seconds", "N", "how long each figure is measured (1)", .number = &seconds, .most = UINT32_MAX}};
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  run.for_us = (int64_t)seconds * CLOCK_SECOND_US;
  double_open(&run.engine);
  arena_init(&run.arena, 0);
  assert(source_reader_open(&run.reader, &run.engine) == ERR_OK);
  assert(value_parser_open(&run.parser) == ERR_OK);
  bench_message(&run, "with id", with_id);
  bench_message(&run, "without id", without_id);
  bench_message(&run, "browser page", browser_page);
  bench_body(&run);
  value_parser_close(run.parser);
  source_reader_close(run.reader);
  arena_release(&run.arena);
  double_close(&run.engine);
  return 0;
}
