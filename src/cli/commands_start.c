// commands_start: a workspace with its first keys, empty or full of the demo shop, and the server on it.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/demo.h"
#include "cli/demo_documents.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "source/source.h"
#include "value/value.h"

enum { BATCH_EVENTS = 500, CUSTOMERS_DEFAULT = 10000, EVENTS_DEFAULT = 50, EMIT_BYTES = 1 << 20 };

// --- init ----------------------------------------------------------------------------------------------------

static enum err check_region(const char *region, struct diag *diag) {
  bool letters = strlen(region) == 2 && region[0] >= 'A' && region[0] <= 'Z' && region[1] >= 'A' && region[1] <= 'Z';
  if (letters) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "usage", "--region is \"%.20s\"; expected two capital letters, such as FR",
                  region);
}

static enum err put_source(struct engine *engine, const char *name, enum engine_source_kind kind,
                           const char *user_id_type, const char *region, uint32_t *id, struct diag *diag) {
  struct engine_commit commit = {0};
  struct engine_source source = {.name = bytes_from_text(name),
                                 .kind = kind,
                                 .user_id_type = bytes_from_text(user_id_type),
                                 .region = bytes_from_text(region)};
  return engine_source_put(engine, &source, id, &commit, diag);
}

// Makes the two first keys and writes them as the one line that init and demo print.
static enum err make_keys(struct cli *cli, struct target_local *local, uint32_t web, struct diag *diag) {
  enum {
    ALL_SCOPES = ENGINE_SCOPE_COLLECT | ENGINE_SCOPE_READ | ENGINE_SCOPE_WRITE | ENGINE_SCOPE_ERASE | ENGINE_SCOPE_ADMIN
  };
  const struct engine_source *api = engine_source_find(local->engine, BYTES("api"));
  struct engine_key write = {.scopes = ENGINE_SCOPE_COLLECT, .source = web, .name = BYTES("default")};
  struct engine_key secret = {
      .secret = true, .scopes = ALL_SCOPES, .source = api != NULL ? api->id : web, .name = BYTES("default secret")};
  char write_text[ENGINE_KEY_TEXT_BYTES], secret_text[ENGINE_KEY_TEXT_BYTES];
  struct engine_commit commit = {0};
  struct json_writer writer;
  uint64_t id;
  enum err err = engine_key_create(local->engine, &write, write_text, &id, &commit, diag);
  if (err == ERR_OK) err = engine_key_create(local->engine, &secret, secret_text, &id, &commit, diag);
  if (err == ERR_OK) err = store_wait(local->store, store_mark_now(local->store), diag);
  if (err != ERR_OK) return err;
  json_writer_init(&writer, &cli->out);
  json_object_begin(&writer);
  json_member_text(&writer, "write_key", write_text);
  json_member_text(&writer, "secret_key", secret_text);
  json_object_end(&writer);
  buffer_append_byte(&cli->out, '\n');
  return ERR_OK;
}

// National numbers in files and in calls with a secret key are read in the same country.
static enum err set_own_regions(struct engine *engine, const char *region, struct diag *diag) {
  uint32_t id;
  enum err err = put_source(engine, "import", ENGINE_SOURCE_FILE, "user_id", region, &id, diag);
  return err == ERR_OK ? put_source(engine, "api", ENGINE_SOURCE_SERVER, "user_id", region, &id, diag) : err;
}

static enum err put_timezone(const struct options *options, struct engine *engine, struct diag *diag) {
  struct engine_commit commit = {0};
  struct bytes zone = bytes_from_text(options_text(options, OPTION_TIMEZONE, ""));
  return zone.size_bytes == 0 ? ERR_OK : engine_zone_put(engine, zone, BYTES("command line"), &commit, diag);
}

enum err command_init(struct cli *cli, struct diag *diag) {
  struct target_local local;
  uint32_t web;
  const char *region = options_text(&cli->options, OPTION_REGION, "");
  enum err err = check_region(region, diag);
  if (err == ERR_OK) err = target_local_open(&local, &cli->options, TARGET_CREATE, diag);
  if (err != ERR_OK) return err;
  err = put_timezone(&cli->options, local.engine, diag);
  if (err == ERR_OK) err = put_source(local.engine, "web", ENGINE_SOURCE_BROWSER, "user_id", region, &web, diag);
  if (err == ERR_OK) err = set_own_regions(local.engine, region, diag);
  if (err == ERR_OK) err = make_keys(cli, &local, web, diag);
  target_local_close(&local);
  return err;
}

// --- demo ----------------------------------------------------------------------------------------------------

struct demo_load {
  struct target_local *local;
  struct source_reader *reader;
  struct arena arena;
  struct progress progress;
  uint64_t sent, expected;
  uint32_t sources[DEMO_SOURCE_COUNT];
  struct {
    struct buffer body; // "{"batch":[" and the events so far
    size_t count;
    int64_t arrival_us; // of the last event
  } batches[DEMO_SOURCE_COUNT];
};

static enum err flush_batch(struct demo_load *load, enum demo_source source, struct diag *diag) {
  struct source_report report;
  struct store_mark mark;
  struct buffer *body = &load->batches[source].body;
  struct source_envelope envelope = {.source = load->sources[source],
                                     .trusted = source != DEMO_WEB,
                                     .received_us = load->batches[source].arrival_us,
                                     .sent_us = INT64_MIN};
  if (load->batches[source].count == 0) return ERR_OK;
  buffer_append_text(body, "]}");
  if (body->failed) return diag_no_memory(diag);
  enum err err = source_body_apply(load->reader, &envelope, buffer_view(body), &load->arena, &report, &mark, diag);
  arena_clear(&load->arena);
  buffer_clear(body);
  load->sent += load->batches[source].count;
  load->batches[source].count = 0;
  progress_show(&load->progress, load->sent, load->expected, load->sent);
  return err;
}

static enum err take_event(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                           struct diag *diag) {
  struct demo_load *load = context;
  struct buffer *body = &load->batches[source].body;
  buffer_append_text(body, load->batches[source].count == 0 ? "{\"batch\":[" : ",");
  buffer_append_bytes(body, line);
  load->batches[source].arrival_us = arrival_us;
  return ++load->batches[source].count == BATCH_EVENTS ? flush_batch(load, source, diag) : ERR_OK;
}

static enum err make_sources(struct demo_load *load, const char *region, struct diag *diag) {
  static const struct {
    const char *name;
    enum engine_source_kind kind;
    const char *user_id_type;
  } sources[DEMO_SOURCE_COUNT] = {
      [DEMO_WEB] = {"web", ENGINE_SOURCE_BROWSER, "user_id"},
      [DEMO_LYON] = {"Lyon", ENGINE_SOURCE_TILL, "pos_id"},
      [DEMO_PARIS] = {"Paris", ENGINE_SOURCE_TILL, "pos_id"},
      [DEMO_MAILING] = {"mailing", ENGINE_SOURCE_SERVER, "user_id"},
  };
  enum err err = demo_put_rules(load->local->engine, diag);
  if (err == ERR_OK) err = set_own_regions(load->local->engine, region, diag);
  for (int i = 0; i < DEMO_SOURCE_COUNT && err == ERR_OK; i++) {
    err = put_source(load->local->engine, sources[i].name, sources[i].kind, sources[i].user_id_type, region,
                     &load->sources[i], diag);
  }
  return err == ERR_OK ? demo_put_club(load->local->engine, diag) : err;
}

static void tell_loaded(void *context) {
  struct demo_load *load = context;
  progress_show(&load->progress, load->sent, load->expected, load->sent);
}

static enum err load_shop(struct demo_load *load, const struct demo_options *demo, struct diag *diag) {
  struct demo_counts counts;
  if (source_reader_open(&load->reader, load->local->engine) != ERR_OK) return diag_no_memory(diag);
  arena_init(&load->arena, 0);
  for (int i = 0; i < DEMO_SOURCE_COUNT; i++) buffer_init(&load->batches[i].body);
  progress_begin(&load->progress);
  load->expected = (uint64_t)demo->customers * demo->events_each;
  enum err err = demo_generate(demo, take_event, load, &counts, diag);
  for (int i = 0; i < DEMO_SOURCE_COUNT && err == ERR_OK; i++) err = flush_batch(load, (enum demo_source)i, diag);
  if (err == ERR_OK) err = demo_put_segments(load->local->engine, tell_loaded, load, diag);
  if (err == ERR_OK) err = store_wait(load->local->store, store_mark_now(load->local->store), diag);
  progress_end(&load->progress);
  if (err == ERR_OK) {
    fprintf(stderr, "%llu events of %u customers in %.1f s\n", (unsigned long long)counts.events, demo->customers,
            progress_seconds(&load->progress));
  }
  for (int i = 0; i < DEMO_SOURCE_COUNT; i++) buffer_release(&load->batches[i].body);
  arena_release(&load->arena);
  source_reader_close(load->reader);
  return err;
}

static enum err emit_event(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                           struct diag *diag) {
  struct cli *cli = context;
  (void)source, (void)arrival_us;
  buffer_append_bytes(&cli->out, line);
  buffer_append_byte(&cli->out, '\n');
  return cli->out.size_bytes < EMIT_BYTES ? ERR_OK : command_flush(cli, diag);
}

static int64_t midnight_us(const struct options *options) {
  struct clock clock;
  target_clock(&clock, options);
  int64_t now_us = clock_now_us(&clock);
  return now_us - now_us % CLOCK_DAY_US;
}

enum err command_demo(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct demo_options demo = {.customers = (uint32_t)options_number(options, OPTION_CUSTOMERS, CUSTOMERS_DEFAULT),
                              .events_each = (uint32_t)options_number(options, OPTION_EVENTS_EACH, EVENTS_DEFAULT),
                              .seed = (uint64_t)options_number(options, OPTION_SEED, 1),
                              .now_us = options_number(options, OPTION_NOW, midnight_us(options))};
  struct target_local local;
  struct demo_load load = {.local = &local};
  struct demo_counts counts;
  const char *region = options_text(options, OPTION_REGION, "");
  if (options_given(options, OPTION_EMIT)) return demo_generate(&demo, emit_event, cli, &counts, diag);
  demo.pos_ids = true;
  enum err err = check_region(region, diag);
  if (err == ERR_OK) err = target_local_open(&local, options, TARGET_CREATE | TARGET_BULK, diag);
  if (err != ERR_OK) return err;
  err = make_sources(&load, region, diag);
  if (err == ERR_OK) err = load_shop(&load, &demo, diag);
  if (err == ERR_OK) err = make_keys(cli, &local, load.sources[DEMO_WEB], diag);
  target_local_close(&local);
  return err;
}

// --- serve ---------------------------------------------------------------------------------------------------

static unsigned seconds(const struct options *options, enum option option) {
  int64_t s = (options->values[option].number + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US;
  return s > INT32_MAX ? INT32_MAX : (unsigned)s;
}

static struct cli_server_options server_options(const struct options *options, struct target_local *local) {
  return (struct cli_server_options){
      .engine = local->engine,
      .listen = options_text(options, OPTION_LISTEN, NULL),
      .test_clock = options_text(options, OPTION_TEST_CLOCK, NULL) != NULL ? &local->clock : NULL,
      .backup_dir = options_text(options, OPTION_BACKUP_DIR, NULL),
      .cors_origins = options_text(options, OPTION_CORS_ORIGINS, NULL),
      .rate_events_per_s = (uint64_t)options_number(options, OPTION_KEY_RATE, 0),
      .body_bytes_max = (size_t)options_number(options, OPTION_BODY_SIZE, 0),
      .threads = (unsigned)options_number(options, OPTION_HTTP_THREADS, 0),
      .query_threads = (unsigned)options_number(options, OPTION_QUERY_THREADS, 0),
      .connections_max = (unsigned)options_number(options, OPTION_CONNECTIONS, 0),
      .idle_timeout_s = seconds(options, OPTION_IDLE_TIMEOUT),
      .request_timeout_s = seconds(options, OPTION_REQUEST_TIMEOUT),
      .stop_timeout_s = seconds(options, OPTION_STOP_TIMEOUT),
  };
}

static enum err announce(struct cli *cli, uint16_t port, struct diag *diag) {
  char host[PARAM_ADDRESS_BYTES];
  param_host(options_text(&cli->options, OPTION_LISTEN, ""), host);
  const char *open = strchr(host, ':') != NULL ? "[" : "", *close = *open != '\0' ? "]" : "";
  if (!param_is_loopback(host)) {
    log_write(LOG_WARN, "listening beyond this machine without encryption: put a proxy with TLS in front", "host=%s",
              host);
  }
  buffer_append_format(&cli->out, "listening on http://%s%s%s:%u\n", open, host, close, (unsigned)port);
  return command_flush(cli, diag);
}

// Until the first SIGINT or SIGTERM, which all threads were told to leave to this one. The second ends the process by
// its default action: what was acknowledged is on the disk.
static void wait_for_signal(const sigset_t *signals) {
  int number;
  while (sigwait(signals, &number) != 0) continue;
  log_write(LOG_INFO, "stopping; a second signal stops at once", "signal=%d", number);
  pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

enum err command_serve(struct cli *cli, struct diag *diag) {
  struct target_local local;
  uint16_t port;
  void *handle;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  enum err err = target_local_open(&local, &cli->options, 0, diag);
  if (err != ERR_OK) return err;
  struct cli_server_options options = server_options(&cli->options, &local);
  err = cli->server->open(&handle, &options, &port, diag);
  if (err == ERR_OK) {
    err = announce(cli, port, diag);
    if (err == ERR_OK) wait_for_signal(&signals);
    cli->server->close(handle);
  }
  target_local_close(&local);
  if (err == ERR_OK) log_write(LOG_INFO, "stopped", NULL);
  return err;
}
