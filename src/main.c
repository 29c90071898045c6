// main: brings the command line and the HTTP server together, which know nothing of each other.
#include "api/api.h"
#include "cli/cli.h"

// jemalloc reads this when the program starts. The C library's allocator kept what any thread once needed: 740 MiB
// under a thousand segments, of which 390 were in use; with fewer heaps its threads waited for each other (6 % of an
// event).
extern const char *malloc_conf;
const char *malloc_conf = "narenas:4,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";

static enum err open_server(void **handle, const struct cli_server_options *options, uint16_t *port,
                            struct diag *diag) {
  struct api *api;
  struct api_options wanted = {.listen = options->listen,
                               .threads = options->threads,
                               .query_threads = options->query_threads,
                               .test_clock = options->test_clock,
                               .backup_dir = options->backup_dir,
                               .cors_origins = options->cors_origins,
                               .rate_events_per_s = options->rate_events_per_s,
                               .body_bytes_max = options->body_bytes_max,
                               .connections_max = options->connections_max,
                               .idle_timeout_s = options->idle_timeout_s,
                               .request_timeout_s = options->request_timeout_s,
                               .stop_timeout_s = options->stop_timeout_s};
  enum err err = api_open(&api, options->engine, &wanted, diag);
  if (err != ERR_OK) return err;
  *handle = api;
  *port = api_port(api);
  return ERR_OK;
}

static void close_server(void *handle) {
  api_close(handle);
}

int main(int argc, char **argv) {
  static const struct cli_server server = {open_server, close_server};
  return cli_main(argc, argv, &server);
}
