// commands_upkeep: checking, copying and bringing back a workspace; the settings.
//
// Restore never touches what it replaces: the backup is copied beside the data directory, gets the erasures of the
// directory in use, is checked, and only then do two renames put it in place. Whatever fails before leaves all as it
// was.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/settings.h"
#include "store/store.h"

enum { PATH_BYTES = 4096, POLL_FIRST_MS = 20, POLL_LAST_MS = 1000, JOB_ID_BYTES = 64 };

// --- jobs of a running server --------------------------------------------------------------------------------

// Asks, and reads the job that is the answer.
static enum err ask_job(struct target *target, const struct target_call *call, struct print_document *job,
                        struct diag *diag) {
  struct buffer json;
  buffer_init(&json);
  enum err err = target_call(target, call, &json, diag);
  if (err == ERR_OK) {
    err = print_document_init(job, buffer_view(&json), diag);
    if (err != ERR_OK) print_document_release(job);
  }
  buffer_release(&json);
  return err;
}

static void sleep_ms(long ms) {
  struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

// Asks until the job has ended. *job is replaced each time, and released by the caller also after a failure.
static enum err wait_for_job(struct target *target, struct print_document *job, struct diag *diag) {
  char id[JOB_ID_BYTES];
  enum err err = ERR_OK;
  snprintf(id, sizeof id, "%.*s", BYTES_ARG(print_find_text(job, job->root, "id")));
  struct target_call call = {.op = TARGET_JOB, .args = {[TARGET_ARG_ID] = id}};
  for (long ms = POLL_FIRST_MS; err == ERR_OK; ms = ms * 2 < POLL_LAST_MS ? ms * 2 : POLL_LAST_MS) {
    struct print_document next;
    if (!bytes_equal(print_find_text(job, job->root, "state"), BYTES("running"))) return ERR_OK;
    sleep_ms(ms);
    err = ask_job(target, &call, &next, diag);
    if (err != ERR_OK) break;
    print_document_release(job);
    *job = next;
  }
  return err;
}

static enum err failure_of(const struct print_document *job, struct diag *diag) {
  struct value error = print_find(job, job->root, "error");
  char code[DIAG_CODE_BYTES];
  if (bytes_equal(print_find_text(job, job->root, "state"), BYTES("done"))) return ERR_OK;
  snprintf(code, sizeof code, "%.*s", BYTES_ARG(print_find_text(job, error, "code")));
  return diag_set(diag, ERR_IO, code, "%.*s", BYTES_ARG(print_find_text(job, error, "detail")));
}

// Has the server do `call` and waits for its end. *job is to be released only after ERR_OK.
static enum err run_job(struct cli *cli, const struct target_call *call, struct print_document *job,
                        struct diag *diag) {
  struct target *target = NULL;
  enum err err = target_open(&target, &cli->options, true, diag);
  if (err != ERR_OK) return err;
  err = ask_job(target, call, job, diag);
  if (err == ERR_OK) {
    err = wait_for_job(target, job, diag);
    if (err == ERR_OK) err = failure_of(job, diag);
    if (err != ERR_OK) print_document_release(job);
  }
  target_close(target);
  return err;
}

// --- check ---------------------------------------------------------------------------------------------------

static void print_breach(void *context, const char *what) {
  (void)context;
  fprintf(stderr, "rapport: %s\n", what);
}

static enum err broken(uint64_t breaches, struct diag *diag) {
  if (breaches == 0) return ERR_OK;
  return diag_set(
      diag, ERR_CORRUPT, "broken",
      "%llu broken invariants; keep this directory, and bring back an earlier backup with `rapport restore`",
      (unsigned long long)breaches);
}

static enum err check(struct target_local *local, struct diag *diag) {
  uint64_t breaches = 0;
  enum err err = engine_check(local->engine, print_breach, NULL, &breaches, diag);
  return err == ERR_OK ? broken(breaches, diag) : err;
}

static enum err check_here(struct cli *cli, struct diag *diag) {
  struct target_local local;
  enum err err = target_local_open(&local, &cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = check(&local, diag);
  target_local_close(&local);
  return err;
}

// A server tells the first breaches in words and counts the others.
static enum err check_there(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_CHECK};
  struct print_document job;
  enum err err = run_job(cli, &call, &job, diag);
  if (err != ERR_OK) return err;
  struct value found = print_find(&job, job.root, "check");
  uint64_t breaches = print_find_count(&job, found, "breaches"), told = 0;
  struct value_iter iter = value_iterate(value_member(found, job.names, BYTES("first")));
  struct bytes words;
  for (; value_next(&iter); told++) {
    if (value_as_text(iter.item, &words)) fprintf(stderr, "rapport: %.*s\n", BYTES_ARG(words));
  }
  if (told < breaches) fprintf(stderr, "rapport: and %llu more\n", (unsigned long long)(breaches - told));
  print_document_release(&job);
  return broken(breaches, diag);
}

enum err command_check(struct cli *cli, struct diag *diag) {
  enum err err = target_is_remote(&cli->options) ? check_there(cli, diag) : check_here(cli, diag);
  bool json = options_given(&cli->options, OPTION_JSON);
  if (err == ERR_OK) buffer_append_text(&cli->out, json ? "{\"breaches\":0}\n" : "everything holds\n");
  return err;
}

// --- backup --------------------------------------------------------------------------------------------------

// Opens the directory `path` with the other options as they are.
static enum err open_at(struct target_local *local, const struct options *options, const char *path, unsigned flags,
                        struct diag *diag) {
  struct options at = *options;
  at.values[OPTION_DATA].text = path;
  return target_local_open(local, &at, flags, diag);
}

static enum err copy(const struct options *options, const char *from, const char *to, struct diag *diag) {
  struct target_local local;
  enum err err = open_at(&local, options, from, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = store_checkpoint(local.store, to, diag);
  target_local_close(&local);
  return err;
}

static enum err refuse_existing(const char *path, struct diag *diag) {
  struct stat there;
  if (stat(path, &there) != 0) return ERR_OK;
  return diag_set(diag, ERR_BUSY, "exists", "%.200s exists already; name a directory that does not", path);
}

static const char *data_directory(const struct options *options, struct diag *diag) {
  const char *path = options_text(options, OPTION_DATA, NULL);
  if (path == NULL) diag_set(diag, ERR_INVALID, "usage", "where is the workspace? give --data DIR or set RAPPORT_DATA");
  return path;
}

static void tell_backup(struct cli *cli, struct bytes path) {
  struct json_writer writer;
  json_writer_init(&writer, &cli->out);
  if (options_given(&cli->options, OPTION_JSON)) {
    json_object_begin(&writer);
    json_member_bytes(&writer, "backup", path);
    json_object_end(&writer);
    buffer_append_byte(&cli->out, '\n');
  } else {
    buffer_append_format(&cli->out, "backed up to %.*s\n", BYTES_ARG(path));
  }
}

static enum err backup_here(struct cli *cli, const char *to, struct diag *diag) {
  struct target_local local;
  const char *from = data_directory(&cli->options, diag);
  if (from == NULL) return ERR_INVALID;
  enum err err = refuse_existing(to, diag);
  if (err == ERR_OK) err = copy(&cli->options, from, to, diag);
  // A copy that does not open is no backup.
  if (err == ERR_OK) err = open_at(&local, &cli->options, to, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  target_local_close(&local);
  tell_backup(cli, bytes_from_text(to));
  return ERR_OK;
}

// The server answers with where it wrote, below its own directory.
static enum err backup_there(struct cli *cli, const char *name, struct diag *diag) {
  struct target_call call = {.op = TARGET_BACKUP};
  struct print_document job;
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "name", name);
  json_object_end(&writer);
  call.body = buffer_view(&body);
  enum err err = body.failed ? diag_no_memory(diag) : run_job(cli, &call, &job, diag);
  if (err == ERR_OK) {
    tell_backup(cli, print_find_text(&job, print_find(&job, job.root, "backup"), "path"));
    print_document_release(&job);
  }
  buffer_release(&body);
  return err;
}

enum err command_backup(struct cli *cli, struct diag *diag) {
  const char *to = cli->options.args[0];
  return target_is_remote(&cli->options) ? backup_there(cli, to, diag) : backup_here(cli, to, diag);
}

// --- restore -------------------------------------------------------------------------------------------------

// The directory's name without slashes at its end, with `suffix`.
static enum err path_beside(const char *path, const char *suffix, char *out, struct diag *diag) {
  size_t size = strlen(path);
  while (size > 1 && path[size - 1] == '/') size--;
  int length = snprintf(out, PATH_BYTES, "%.*s%s", (int)size, path, suffix);
  if (length > 0 && length < PATH_BYTES) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "usage", "the path of --data is too long");
}

// Erases in the copy whoever was erased in `current` since.
static enum err carry_erasures(struct target_local *copied, const struct options *options, const char *current,
                               uint64_t *erased, struct diag *diag) {
  struct target_local old;
  enum err err = open_at(&old, options, current, TARGET_READ_ONLY, diag);
  // A directory without a workspace has erased nobody.
  if (err == ERR_NOT_FOUND) return ERR_OK;
  if (err != ERR_OK) return err;
  err = engine_apply_receipts(copied->engine, old.store, erased, diag);
  target_local_close(&old);
  return err;
}

static enum err prepare(const struct options *options, const char *backup, const char *current, const char *fresh,
                        uint64_t *erased, struct diag *diag) {
  struct target_local copied;
  enum err err = copy(options, backup, fresh, diag);
  if (err == ERR_OK) err = open_at(&copied, options, fresh, 0, diag);
  if (err != ERR_OK) return err;
  if (access(current, F_OK) == 0) err = carry_erasures(&copied, options, current, erased, diag);
  if (err == ERR_OK) err = check(&copied, diag);
  if (err == ERR_OK) err = store_wait(copied.store, store_mark_now(copied.store), diag);
  target_local_close(&copied);
  return err;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(path);
}

// Takes away the copy that could not be put in place; it was made by this command.
static void remove_copy(const char *path) {
  nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// A rename is durable when the directory that holds both names is. A file system that cannot say so is no failure.
static void sync_parent(const char *path) {
  char parent[PATH_BYTES];
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash != NULL) slash[slash == parent ? 1 : 0] = '\0';
  int fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

static enum err swap(const char *current, const char *fresh, const char *aside, struct diag *diag) {
  bool there = access(current, F_OK) == 0;
  if (there && rename(current, aside) != 0) {
    return diag_set(diag, ERR_IO, "io", "cannot move %.200s aside: %s", current, strerror(errno));
  }
  if (rename(fresh, current) == 0) {
    sync_parent(current);
    return ERR_OK;
  }
  int error = errno;
  if (there && rename(aside, current) != 0) error = errno;
  return diag_set(diag, ERR_IO, "io", "cannot put %.200s in place: %s", fresh, strerror(error));
}

static void tell_restored(struct cli *cli, uint64_t erased, const char *current, const char *aside) {
  struct json_writer writer;
  bool moved = access(aside, F_OK) == 0;
  if (options_given(&cli->options, OPTION_JSON)) {
    json_writer_init(&writer, &cli->out);
    json_object_begin(&writer);
    json_member_text(&writer, "restored", current);
    json_member_u64(&writer, "erased_again", erased);
    if (moved) json_member_text(&writer, "moved_aside", aside);
    json_object_end(&writer);
    buffer_append_byte(&cli->out, '\n');
    return;
  }
  buffer_append_format(&cli->out, "restored to %s; people erased since and erased again: %llu\n", current,
                       (unsigned long long)erased);
  if (moved) buffer_append_format(&cli->out, "what was there is now in %s; delete it when you are sure\n", aside);
}

// ".before-2026-11-22T024500.123Z": the machine's time, to a thousandth, without the colons that some tools refuse.
static void name_by_time(char *suffix, size_t suffix_bytes) {
  struct clock machine;
  char text[CLOCK_TEXT_BYTES];
  clock_init(&machine);
  int64_t now_us = clock_now_us(&machine);
  clock_format(now_us - now_us % CLOCK_MS_US, text);
  snprintf(suffix, suffix_bytes, ".before-%.13s%.2s%s", text, text + 14, text + 17);
}

enum err command_restore(struct cli *cli, struct diag *diag) {
  char fresh[PATH_BYTES], aside[PATH_BYTES], current[PATH_BYTES], suffix[64];
  uint64_t erased = 0;
  const char *data = data_directory(&cli->options, diag);
  if (data == NULL) return ERR_INVALID;
  name_by_time(suffix, sizeof suffix);
  enum err err = path_beside(data, "", current, diag);
  if (err == ERR_OK) err = path_beside(data, ".restoring", fresh, diag);
  if (err == ERR_OK) err = path_beside(data, suffix, aside, diag);
  if (err == ERR_OK) err = refuse_existing(fresh, diag);
  if (err == ERR_OK) err = refuse_existing(aside, diag);
  if (err != ERR_OK) return err;
  err = prepare(&cli->options, cli->options.args[0], current, fresh, &erased, diag);
  if (err == ERR_OK) err = swap(current, fresh, aside, diag);
  if (err != ERR_OK) {
    remove_copy(fresh);
    return err;
  }
  tell_restored(cli, erased, current, aside);
  return ERR_OK;
}

// --- the workspace -------------------------------------------------------------------------------------------

enum err command_workspace_show(struct cli *cli, struct diag *diag) {
  const struct target_call call = {.op = TARGET_WORKSPACE_GET};
  return ask(cli, &call, false, print_plain, diag);
}

enum err command_workspace_timezone(struct cli *cli, struct diag *diag) {
  const char *author = options_text(&cli->options, OPTION_AUTHOR, NULL);
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "timezone", cli->options.args[0]);
  if (author != NULL) json_member_text(&writer, "author", author);
  json_object_end(&writer);
  const struct target_call call = {.op = TARGET_WORKSPACE_PUT, .body = buffer_view(&body)};
  enum err err = body.failed ? diag_no_memory(diag) : ask(cli, &call, true, print_plain, diag);
  buffer_release(&body);
  return err;
}

// --- settings ------------------------------------------------------------------------------------------------

enum err command_settings(struct cli *cli, struct diag *diag) {
  struct json_writer writer;
  (void)diag;
  if (options_given(&cli->options, OPTION_MARKDOWN)) {
    settings_document(&cli->out);
  } else if (options_given(&cli->options, OPTION_JSON)) {
    json_writer_init(&writer, &cli->out);
    settings_json(&cli->options, &writer);
    buffer_append_byte(&cli->out, '\n');
  } else {
    settings_print(&cli->options, &cli->out);
  }
  return ERR_OK;
}
