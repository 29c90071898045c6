// The data directory and the watch on free space.
//
// The watch: a look is one statvfs. It holds for LOOK_US, or until an eighth of the reserve was written, because others
// may fill the disk meanwhile; between looks every commit subtracts what it writes. For an instant a thread may read a
// new look with an old count of written bytes or the other way round; both only err by what was written within one
// look, which the reserve covers many times over. A refusal always looks afresh.
#include "store/store_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_US = 100 * CLOCK_MS_US, LOOKS_PER_RESERVE = 8, FORMAT_BYTES_MAX = 64 };

#define FORMAT_WORD "rapport "

static enum err diag_system(struct diag *diag, const char *doing, const char *path) {
  return diag_set(diag, ERR_IO, "directory", "Cannot %s %s: %s. Check the path and its permissions.", doing, path,
                  strerror(errno));
}

enum err store_disk_path(char out[STORE_PATH_BYTES], const char *path, const char *name, struct diag *diag) {
  int length = snprintf(out, STORE_PATH_BYTES, "%s/%s", path, name);
  if (length > 0 && length < STORE_PATH_BYTES) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "path_too_long", "The path of the data directory is longer than %d bytes.",
                  STORE_PATH_BYTES - 32);
}

enum err store_disk_create(const char *path, struct diag *diag) {
  char format[STORE_PATH_BYTES];
  enum err err = store_disk_path(format, path, "FORMAT", diag);
  if (err != ERR_OK) return err;
  if (access(format, F_OK) == 0) {
    return diag_set(diag, ERR_BUSY, "exists",
                    "There is a workspace in %s already: open that one, or choose an empty directory.", path);
  }
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return diag_system(diag, "make the directory", path);
  return ERR_OK;
}

// Reads the number after FORMAT_WORD; 0 when there is none.
static uint64_t parse_format(struct bytes text) {
  uint64_t version = 0;
  text = bytes_trim(text);
  if (!bytes_starts_with(text, BYTES(FORMAT_WORD))) return 0;
  size_t word_bytes = sizeof FORMAT_WORD - 1;
  return bytes_to_u64(bytes_of(text.data + word_bytes, text.size_bytes - word_bytes), &version) == ERR_OK ? version : 0;
}

enum err store_disk_check(const char *path, bool *older, struct diag *diag) {
  char format[STORE_PATH_BYTES];
  char text[FORMAT_BYTES_MAX];
  enum err err = store_disk_path(format, path, "FORMAT", diag);
  if (err != ERR_OK) return err;
  int fd = open(format, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return diag_set(diag, ERR_NOT_FOUND, "no_workspace",
                    "There is no workspace in %s: check the path, or make a new workspace there.", path);
  }
  if (fd < 0) return diag_system(diag, "open", format);
  ssize_t size = read(fd, text, sizeof text);
  close(fd);
  if (size < 0) return diag_system(diag, "read", format);
  uint64_t version = parse_format(bytes_of(text, (size_t)size));
  if (version == 0) {
    return diag_set(diag, ERR_CORRUPT, "format_unreadable",
                    "%s does not say \"" FORMAT_WORD "%d\": the directory is damaged or belongs to another program.",
                    format, STORE_FORMAT_VERSION);
  }
  *older = version < STORE_FORMAT_VERSION;
  if (version <= STORE_FORMAT_VERSION) return ERR_OK;
  return diag_set(diag, ERR_UNSUPPORTED, "format_too_new",
                  "The workspace in %s was written in format %llu, and this program knows formats up to %d: "
                  "use a newer version of the program.",
                  path, (unsigned long long)version, STORE_FORMAT_VERSION);
}

static bool sync_path(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) return false;
  bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  size_t size = strlen(text);
  bool written = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
  return close(fd) == 0 && written;
}

enum err store_disk_finish(const char *path, struct diag *diag) {
  char format[STORE_PATH_BYTES];
  char draft[STORE_PATH_BYTES];
  char text[FORMAT_BYTES_MAX];
  enum err err = store_disk_path(format, path, "FORMAT", diag);
  if (err == ERR_OK) err = store_disk_path(draft, path, "FORMAT.new", diag);
  if (err != ERR_OK) return err;
  snprintf(text, sizeof text, FORMAT_WORD "%d\n", STORE_FORMAT_VERSION);
  if (!write_file(draft, text) || rename(draft, format) != 0) return diag_system(diag, "write", format);
  if (!sync_path(path, O_RDONLY | O_DIRECTORY)) return diag_system(diag, "sync", path);
  return ERR_OK;
}

static bool ends_with(const char *name, const char *suffix) {
  size_t name_bytes = strlen(name);
  size_t suffix_bytes = strlen(suffix);
  return name_bytes >= suffix_bytes && memcmp(name + name_bytes - suffix_bytes, suffix, suffix_bytes) == 0;
}

uint64_t store_disk_bytes(const char *path, const char *suffix) {
  uint64_t bytes = 0;
  DIR *directory = opendir(path);
  if (!directory) return 0;
  for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
    struct stat status;
    if (!ends_with(entry->d_name, suffix)) continue;
    if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0) bytes += (uint64_t)status.st_size;
  }
  closedir(directory);
  return bytes;
}

// --- space ---------------------------------------------------------------------------------------------------

uint64_t store_space_free(struct store_space *space) {
  struct statvfs status;
  // A file system that cannot say how full it is must not stop the writes.
  uint64_t free_bytes = UINT64_MAX;
  if (statvfs(space->path, &status) == 0) free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
  atomic_store(&space->looked_us, clock_monotonic_us());
  atomic_store(&space->written_bytes, 0);
  atomic_store(&space->free_bytes, free_bytes);
  return free_bytes;
}

bool store_space_is_enough(struct store_space *space) {
  return store_space_free(space) >= space->reserve_bytes;
}

enum err store_space_diag(struct store_space *space, uint64_t bytes, struct diag *diag) {
  unsigned long long mib = 1024 * 1024;
  unsigned long long free_kib = store_space_free(space) / 1024;
  unsigned long long needed_kib = (space->reserve_bytes + bytes) / 1024;
  bool small = needed_kib * 1024 < 16 * mib;
  unsigned long long scale = small ? 1 : 1024;
  return diag_set(diag, ERR_FULL, "disk_full",
                  "The disk is full: %llu %s are free in %s and writing needs %llu. Make room there; reading goes on, "
                  "and writing resumes by itself.",
                  free_kib / scale, small ? "KiB" : "MiB", space->path, (needed_kib + scale - 1) / scale);
}

enum err store_space_take(struct store_space *space, uint64_t bytes, struct diag *diag) {
  uint64_t written = atomic_fetch_add(&space->written_bytes, bytes) + bytes;
  uint64_t free_bytes = atomic_load(&space->free_bytes);
  bool stale = written > space->reserve_bytes / LOOKS_PER_RESERVE ||
               clock_monotonic_us() - atomic_load(&space->looked_us) > LOOK_US;
  if (!stale && free_bytes >= written && free_bytes - written >= space->reserve_bytes) return ERR_OK;
  free_bytes = store_space_free(space);
  if (free_bytes >= bytes && free_bytes - bytes >= space->reserve_bytes) return ERR_OK;
  return store_space_diag(space, bytes, diag);
}
