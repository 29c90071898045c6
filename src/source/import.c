// import: a file into the engine.
//
//   cut (one thread at a time) -> parse, read, number (all threads) -> engine_apply (all threads) -> checkpoint (main)
//
// Blocks are applied at the same time by several threads, so events of different blocks are committed in any order;
// within a block they keep the file's. Who is who can depend on the order of commits where guards refuse a join:
// `threads` 1 keeps the order of the file. About once a second the main thread waits until everything up to a point is
// durable and writes that point down; a crash costs what was done since, and deduplication makes that harmless.
// Rejected lines are written before a block counts as done, so a resumed run appends to them and loses none.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "source/import_private.h"

enum { PROGRESS_US = 100 * CLOCK_MS_US, MAP_BYTES = 1024 * 1024 };

// Everything of one import that is opened and closed once.
struct run {
  struct importing importing;
  struct import_progress progress;
  struct arena arena; // the map
  struct buffer map_text;
  pthread_t threads[IMPORT_THREADS_MAX];
  unsigned thread_count;
};

// --- the mapping ---------------------------------------------------------------------------------------------

static enum err read_map_text(struct run *run, struct diag *diag) {
  const char *path = run->importing.import->map_path;
  struct source_input *input;
  size_t got = 0;
  if (path == NULL) {
    return ERR_OK;
  }
  enum err err = source_input_open(&input, path, diag);
  if (err != ERR_OK) {
    return err;
  }
  if (!buffer_reserve(&run->map_text, MAP_BYTES)) {
    err = diag_no_memory(diag);
  } else {
    err = source_input_read(input, run->map_text.data, MAP_BYTES, &got, diag);
  }
  run->map_text.size_bytes = got;
  source_input_close(input);
  return err;
}

static enum err parse_map(struct run *run, struct buffer *packed, struct diag *diag) {
  struct value_parser *parser;
  if (run->map_text.size_bytes == 0) {
    return ERR_OK;
  }
  if (value_parser_open(&parser) != ERR_OK) {
    return diag_no_memory(diag);
  }
  enum err err =
      value_parse_json(parser, buffer_view(&run->map_text), engine_names(run->importing.engine), packed, diag);
  value_parser_close(parser);
  if (err != ERR_OK) {
    diag_in_field(diag, "%s", run->importing.import->map_path);
  }
  return err;
}

static enum err open_map(struct run *run, struct diag *diag) {
  struct importing *importing = &run->importing;
  struct bytes header, *columns = arena_take_zero(&run->arena, CSV_COLUMNS, sizeof *columns);
  struct buffer packed;
  size_t count = 0;
  if (columns == NULL) {
    return diag_no_memory(diag);
  }
  buffer_init(&packed);
  enum err err = source_blocks_header(importing->blocks, &header, &importing->delimiter, diag);
  if (err == ERR_OK) {
    err = csv_fields(header, importing->delimiter, &run->arena, columns, &count, diag);
  }
  if (err == ERR_OK) {
    err = parse_map(run, &packed, diag);
  }
  if (err == ERR_OK) {
    err = source_map_open(&importing->map, (struct value){buffer_view(&packed)}, columns, count, importing->delimiter,
                          engine_names(importing->engine), &run->arena, diag);
  }
  buffer_release(&packed);
  return err;
}

// --- rejects -------------------------------------------------------------------------------------------------

static enum err open_rejects(struct importing *importing, struct diag *diag) {
  const struct source_import *import = importing->import;
  struct buffer path;
  buffer_init(&path);
  if (import->rejects_path != NULL) {
    buffer_append_text(&path, import->rejects_path);
  } else {
    buffer_append_text(&path, strcmp(import->path, "-") == 0 ? "stdin" : import->path);
    buffer_append_text(&path, ".rejects.ndjson");
  }
  buffer_append_byte(&path, 0);
  enum err err = path.failed ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK) {
    int keep = importing->resume_bytes > 0 ? O_APPEND : O_TRUNC;
    importing->rejects_fd = open((const char *)path.data, O_WRONLY | O_CREAT | O_CLOEXEC | keep, 0600);
    if (importing->rejects_fd < 0) {
      err = diag_set(diag, ERR_IO, "write_failed", "cannot write the rejected lines to %s: %s; name another file",
                     (const char *)path.data, strerror(errno));
      diag_in_field(diag, "--rejects");
    }
  }
  buffer_release(&path);
  return err;
}

static enum err write_all(int fd, struct bytes text, struct diag *diag) {
  while (text.size_bytes > 0) {
    ssize_t size = write(fd, text.data, text.size_bytes);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return diag_set(diag, errno == ENOSPC ? ERR_FULL : ERR_IO, "write_failed", "the rejects file: %s",
                      strerror(errno));
    }
    text = bytes_of(text.data + size, text.size_bytes - (size_t)size);
  }
  return ERR_OK;
}

enum err import_write_rejects(struct importing *importing, struct bytes lines, struct diag *diag) {
  if (lines.size_bytes == 0) {
    return ERR_OK;
  }
  pthread_mutex_lock(&importing->lock);
  enum err err = importing->rejects_fd < 0 ? open_rejects(importing, diag) : ERR_OK;
  if (err == ERR_OK) {
    err = write_all(importing->rejects_fd, lines, diag);
  }
  pthread_mutex_unlock(&importing->lock);
  return err;
}

// --- opening and closing -------------------------------------------------------------------------------------

static enum err open_file(struct run *run, struct diag *diag) {
  struct importing *importing = &run->importing;
  enum err err = source_input_open(&importing->input, importing->import->path, diag);
  if (err == ERR_OK) {
    err = source_blocks_open(&importing->blocks, importing->input, importing->import->path, diag);
  }
  if (err != ERR_OK) {
    return err;
  }
  importing->format = source_blocks_format(importing->blocks);
  import_progress_init(&run->progress, importing, source_blocks_beginning(importing->blocks),
                       buffer_view(&run->map_text));
  if (importing->format == SOURCE_CSV) {
    return open_map(run, diag);
  }
  return importing->import->map_path == NULL
             ? ERR_OK
             : diag_set(diag, ERR_INVALID, "bad_map", "a mapping is for CSV files, and this one is JSON");
}

static void open_run(struct run *run, struct engine *engine, const struct source_import *import) {
  *run = (struct run){.importing = {.engine = engine, .import = import, .rejects_fd = -1}};
  pthread_mutex_init(&run->importing.cutting, NULL);
  pthread_mutex_init(&run->importing.lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&run->importing.changed, &attributes);
  pthread_condattr_destroy(&attributes);
  source_occurrences_init(&run->importing.occurrences);
  arena_init(&run->arena, 0);
  buffer_init(&run->map_text);
}

static void close_run(struct run *run) {
  struct importing *importing = &run->importing;
  if (importing->rejects_fd >= 0) {
    close(importing->rejects_fd);
  }
  source_blocks_close(importing->blocks);
  source_input_close(importing->input);
  source_occurrences_release(&importing->occurrences);
  arena_release(&run->arena);
  buffer_release(&run->map_text);
  pthread_cond_destroy(&importing->changed);
  pthread_mutex_destroy(&importing->cutting);
  pthread_mutex_destroy(&importing->lock);
}

// --- running -------------------------------------------------------------------------------------------------

static void start_threads(struct run *run) {
  struct importing *importing = &run->importing;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = importing->import->threads != 0 ? importing->import->threads : (unsigned)(cores < 1 ? 1 : cores);
  wanted = wanted > IMPORT_THREADS_MAX ? IMPORT_THREADS_MAX : wanted;
  pthread_mutex_lock(&importing->lock);
  for (; run->thread_count < wanted; run->thread_count++) {
    if (pthread_create(&run->threads[run->thread_count], NULL, import_worker_run, importing) != 0) {
      break; // fewer will do
    }
    importing->running++;
  }
  if (run->thread_count == 0) {
    importing->err = diag_set(&importing->diag, ERR_NO_MEMORY, "no_threads", "no thread could be started");
  }
  pthread_mutex_unlock(&importing->lock);
}

static void tell_progress(struct importing *importing) {
  const struct source_import *import = importing->import;
  if (import->progress == NULL) {
    return;
  }
  pthread_mutex_lock(&importing->lock);
  const struct source_import_result result = importing->result;
  pthread_mutex_unlock(&importing->lock);
  import->progress(import->context, source_input_done(importing->input), source_input_total(importing->input),
                   result.taken + result.duplicates + result.rejected + result.aside);
}

// Everything before *bytes is durable when this returns ERR_OK.
static enum err settle(struct run *run, uint64_t *bytes, struct diag *diag) {
  struct importing *importing = &run->importing;
  pthread_mutex_lock(&importing->lock);
  struct store_mark mark = importing->done_mark;
  *bytes = importing->done_bytes;
  pthread_mutex_unlock(&importing->lock);
  return store_wait(engine_store(importing->engine), mark, diag);
}

static enum err checkpoint(struct run *run, uint64_t *saved, struct diag *diag) {
  uint64_t bytes;
  enum err err = settle(run, &bytes, diag);
  if (err == ERR_OK && bytes > *saved && bytes > run->importing.resume_bytes) {
    err = import_progress_save(&run->progress, run->importing.engine, bytes, diag);
    *saved = bytes;
  }
  return err;
}

// Sleeps for a tenth of a second, or until a worker ends. False when none runs any more.
static bool wait_a_little(struct importing *importing) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += PROGRESS_US * 1000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&importing->lock);
  int status = 0;
  while (importing->running > 0 && status == 0) {
    status = pthread_cond_timedwait(&importing->changed, &importing->lock, &until);
  }
  bool running = importing->running > 0;
  pthread_mutex_unlock(&importing->lock);
  return running;
}

static void watch(struct run *run) {
  struct importing *importing = &run->importing;
  int64_t checkpoint_us = clock_monotonic_us() + CLOCK_SECOND_US;
  uint64_t saved = 0;
  struct diag diag;
  diag_init(&diag);
  while (wait_a_little(importing)) {
    tell_progress(importing);
    if (clock_monotonic_us() < checkpoint_us) {
      continue;
    }
    checkpoint_us = clock_monotonic_us() + CLOCK_SECOND_US;
    enum err err = checkpoint(run, &saved, &diag);
    pthread_mutex_lock(&importing->lock);
    if (err != ERR_OK && importing->err == ERR_OK) {
      importing->err = err;
      importing->diag = diag;
      pthread_cond_broadcast(&importing->changed);
    }
    pthread_mutex_unlock(&importing->lock);
  }
  for (unsigned i = 0; i < run->thread_count; i++) {
    pthread_join(run->threads[i], NULL);
  }
  tell_progress(importing);
}

// After the last worker. What was applied before a failure or a stop is kept, and so is how far it went.
static enum err finish(struct run *run, struct diag *diag) {
  struct importing *importing = &run->importing;
  uint64_t saved = 0;
  bool whole = importing->err == ERR_OK && importing->exhausted;
  if (whole) {
    uint64_t bytes;
    enum err err = settle(run, &bytes, diag);
    return err == ERR_OK ? import_progress_end(&run->progress, engine_store(importing->engine), diag) : err;
  }
  enum err err = checkpoint(run, &saved, diag);
  if (importing->err != ERR_OK) {
    if (diag != NULL) {
      *diag = importing->diag;
    }
    return importing->err;
  }
  return err != ERR_OK
             ? err
             : diag_set(diag, ERR_STOPPED, "stopped", "the import was stopped; run it again to go on where it ended");
}

static enum err run_import(struct run *run, struct diag *diag) {
  struct importing *importing = &run->importing;
  enum err err = read_map_text(run, diag);
  if (err == ERR_OK) {
    err = open_file(run, diag);
  }
  if (err == ERR_OK) {
    err = import_progress_load(&run->progress, importing->engine, &importing->resume_bytes, diag);
  }
  if (err != ERR_OK) {
    return err;
  }
  start_threads(run);
  watch(run);
  return finish(run, diag);
}

enum err source_import_file(struct engine *engine, const struct source_import *import,
                            struct source_import_result *result, struct diag *diag) {
  *result = (struct source_import_result){0};
  if (engine_source(engine, import->source) == NULL) {
    return diag_set(diag, ERR_NOT_FOUND, "unknown_source", "there is no source %u", import->source);
  }
  struct run *run = alloc_zero(1, sizeof *run);
  if (run == NULL) {
    return diag_no_memory(diag);
  }
  open_run(run, engine, import);
  enum err err = run_import(run, diag);
  *result = run->importing.result;
  close_run(run);
  alloc_free(run);
  return err;
}
