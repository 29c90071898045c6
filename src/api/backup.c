// The lock on NAME.partial is what tells a backup that another process is making from what a killed one left: the
// kernel takes the lock away with its process. RocksDB copies into db.tmp and renames it to db; FORMAT comes last, so
// that even NAME.partial is no workspace before it is whole.
#include "api/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"

enum { LOOK_CACHE_BYTES = 8 * 1024 * 1024, WALK_DESCRIPTORS = 16 };

static const char PARTIAL[] = ".partial";

// --- names ---------------------------------------------------------------------------------------------------

static bool is_word_byte(uint8_t byte) {
  bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  return letter || (byte >= '0' && byte <= '9');
}

// One component of a path that is neither hidden nor special, and never the name of a copy that is being made.
static bool is_good_name(struct bytes name) {
  struct bytes partial = bytes_from_text(PARTIAL);
  if (name.size_bytes == 0 || name.size_bytes > BACKUP_NAME_BYTES_MAX || !is_word_byte(name.data[0])) return false;
  for (size_t i = 0; i < name.size_bytes; i++) {
    if (!is_word_byte(name.data[i]) && (name.data[i] == 0 || !strchr("-_.", name.data[i]))) return false;
  }
  return name.size_bytes < partial.size_bytes ||
         memcmp(name.data + name.size_bytes - partial.size_bytes, partial.data, partial.size_bytes) != 0;
}

static enum err bad_name(struct diag *diag) {
  diag_set(diag, ERR_INVALID, "bad_name",
           "A backup is named by one word of 1 to %d letters, digits, \"-\", \"_\" and \".\" that begins with a letter "
           "or a digit and does not end in %s, such as 2026-11-22; it is written below the server's backup-dir.",
           BACKUP_NAME_BYTES_MAX, PARTIAL);
  diag_in_field(diag, "name");
  return ERR_INVALID;
}

static enum err no_directory(const char *directory, int error, struct diag *diag) {
  return diag_set(diag, ERR_IO, "backup_dir", "The server cannot write in its backup-dir %.200s: %s.", directory,
                  strerror(error));
}

enum err backup_prepare(struct backup *backup, const char *directory, struct bytes name, struct diag *diag) {
  char resolved[PATH_MAX];
  struct stat status;
  if (!directory) {
    return diag_set(
        diag, ERR_DENIED, "backups_off",
        "This server may write no backups: start it with --backup-dir DIR (RAPPORT_BACKUP_DIR, or backup-dir "
        "in its settings file), the directory they go to.");
  }
  if (!is_good_name(name)) return bad_name(diag);
  if (!realpath(directory, resolved)) return no_directory(directory, errno, diag);
  if (stat(resolved, &status) == 0 && !S_ISDIR(status.st_mode)) return no_directory(directory, ENOTDIR, diag);
  if (access(resolved, W_OK | X_OK) != 0) return no_directory(directory, errno, diag);
  int length = snprintf(backup->partial, sizeof backup->partial, "%s/%.*s%s", resolved, BYTES_ARG(name), PARTIAL);
  if (length < 0 || length >= BACKUP_PATH_BYTES) return no_directory(directory, ENAMETOOLONG, diag);
  memcpy(backup->path, backup->partial, sizeof backup->path);
  backup->path[(size_t)length + 1 - sizeof PARTIAL] = 0;
  if (lstat(backup->path, &status) != 0) return ERR_OK;
  diag_set(diag, ERR_INVALID, "backup_exists", "There is %.*s in the backup-dir already; take another name.",
           BYTES_ARG(name));
  diag_in_field(diag, "name");
  return ERR_INVALID;
}

// --- files ---------------------------------------------------------------------------------------------------

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type;
  return walk->level == 0 ? 0 : remove(path);
}

// Everything below `path`; the directory itself, which may be locked, stays. Links are not followed.
static bool clear_directory(const char *path) {
  return nftw(path, remove_entry, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0;
}

static uint64_t bytes_of_files(const char *path) {
  uint64_t bytes = 0;
  struct stat status;
  DIR *directory = opendir(path);
  if (!directory) return 0;
  for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
    bool file = fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
    if (file) bytes += (uint64_t)status.st_size;
  }
  closedir(directory);
  return bytes;
}

uint64_t backup_bytes(const char *path) {
  static const char *const folders[] = {"", "/db", "/db.tmp"};
  char folder[BACKUP_PATH_BYTES + 8];
  uint64_t bytes = 0;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    snprintf(folder, sizeof folder, "%s%s", path, folders[i]);
    bytes += bytes_of_files(folder);
  }
  return bytes;
}

// A rename is durable when the directory that holds both names is. A file system that cannot say so is no failure.
static void sync_parent(const char *path) {
  char parent[BACKUP_PATH_BYTES];
  snprintf(parent, sizeof parent, "%s", path);
  *strrchr(parent, '/') = 0;
  int fd = open(parent[0] ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

// --- making --------------------------------------------------------------------------------------------------

static enum err cannot(const char *doing, const char *path, struct diag *diag) {
  return diag_set(diag, ERR_IO, "backup_dir", "Cannot %s %.200s: %s.", doing, path, strerror(errno));
}

// Makes NAME.partial, or takes over what a killed process left of it. *fd holds the lock.
static enum err take_partial(const char *partial, int *fd, struct diag *diag) {
  if (mkdir(partial, 0700) != 0 && errno != EEXIST) return cannot("make", partial, diag);
  *fd = open(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (*fd < 0) return cannot("open", partial, diag);
  if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
    close(*fd);
    return diag_set(diag, ERR_BUSY, "backup_running", "Another process is making a backup of this name.");
  }
  if (clear_directory(partial)) return ERR_OK;
  enum err err = cannot("clear", partial, diag);
  close(*fd);
  return err;
}

// A copy that does not open is no backup.
static enum err look_at(const char *path, const struct clock *clock, struct diag *diag) {
  struct store_options wanted = {.path = path, .cache_bytes = LOOK_CACHE_BYTES, .write_buffer_bytes = LOOK_CACHE_BYTES};
  struct engine *engine;
  struct store *store;
  enum err err = store_open_rocksdb(&store, &wanted, diag);
  if (err) return err;
  struct engine_options options = {.store = store, .clock = clock, .read_only = true};
  err = engine_open(&engine, &options, diag);
  if (!err) engine_close(engine);
  store_close(store);
  return err;
}

enum err backup_make(const struct backup *backup, struct store *store, const struct clock *clock, struct diag *diag) {
  int fd = -1;
  enum err err = take_partial(backup->partial, &fd, diag);
  if (err) return err;
  err = store_checkpoint(store, backup->partial, diag);
  if (!err) err = look_at(backup->partial, clock, diag);
  if (!err && rename(backup->partial, backup->path) != 0) err = cannot("make", backup->path, diag);
  if (!err) sync_parent(backup->path);
  if (err && clear_directory(backup->partial)) rmdir(backup->partial);
  close(fd);
  return err;
}
