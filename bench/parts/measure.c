// Readings of the clock, of /proc and of the disk.
#include "measure.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock_us(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t measure_now_us(void) {
  return read_clock_us(CLOCK_MONOTONIC);
}

int64_t measure_wall_us(void) {
  return read_clock_us(CLOCK_REALTIME);
}

double measure_clock_s(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

double measure_median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_value);
  return values[count / 2];
}

// --- latencies -----------------------------------------------------------------------------------------------

// Up to 127 us each microsecond has a bucket; above, each power of two has 64.
static size_t bucket_of(uint64_t us) {
  size_t shift = 0;
  while (us >> shift >= 2U << LATENCY_SUB_BITS) shift++;
  size_t bucket = (shift << LATENCY_SUB_BITS) + (size_t)(us >> shift);
  return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

// The lowest latency of a bucket.
static int64_t bucket_us(size_t bucket) {
  size_t shift = bucket >> LATENCY_SUB_BITS;
  if (shift > 0) shift--;
  return (int64_t)(bucket - (shift << LATENCY_SUB_BITS)) << shift;
}

void latency_add(struct latency *latency, int64_t us) {
  latency->buckets[bucket_of(us > 0 ? (uint64_t)us : 0)]++;
  latency->count++;
  if (us > latency->max_us) latency->max_us = us;
}

int64_t latency_share_us(const struct latency *latency, double share) {
  uint64_t wanted = (uint64_t)((double)latency->count * share), seen = 0;
  for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
    seen += latency->buckets[i];
    if (seen > wanted) return bucket_us(i + 1) < latency->max_us ? bucket_us(i + 1) : latency->max_us;
  }
  return latency->max_us;
}

// --- processor and memory ------------------------------------------------------------------------------------

// The beginning of a small file of /proc, as text.
static bool read_text(const char *path, char *text, size_t text_bytes) {
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t size = fread(text, 1, text_bytes - 1, file);
  text[size] = '\0';
  fclose(file);
  return size > 0;
}

static double ticks_s(unsigned long long ticks) {
  return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

double measure_cpu_of_usage_s(const struct rusage *usage) {
  return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
         (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

double measure_cpu_own_s(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return measure_cpu_of_usage_s(&usage);
}

double measure_cpu_of_s(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (!read_text(path, text, sizeof text)) return 0;
  const char *at = strrchr(text, ')'); // ends the second field; user and system time are the 14th and 15th
  for (int field = 2; at && field < 14; field++) at = strchr(at + 1, ' ');
  if (!at) return 0;
  char *end;
  unsigned long long user = strtoull(at, &end, 10);
  return ticks_s(user + strtoull(end, NULL, 10));
}

double measure_cpu_machine_s(void) {
  char text[1024], *at = text + 3; // "cpu"
  unsigned long long busy = 0;
  if (!read_text("/proc/stat", text, sizeof text)) return 0;
  for (int field = 0; field < 7; field++) { // user nice system idle iowait irq softirq
    unsigned long long ticks = strtoull(at, &at, 10);
    if (field != 3 && field != 4) busy += ticks;
  }
  return ticks_s(busy);
}

double measure_memory_mib(pid_t pid, const char *field) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  if (!read_text(path, text, sizeof text)) return 0;
  const char *at = strstr(text, field);
  if (!at) return 0;
  return strtod(at + strlen(field) + 1, NULL) / 1024; // "VmHWM:   123 kB"
}

// --- files ---------------------------------------------------------------------------------------------------

static uint64_t disk_sum_bytes; // nftw hands no context to its callback

static int add_file(const char *path, const struct stat *status, int type, struct FTW *position) {
  (void)path;
  (void)position;
  if (type == FTW_F) disk_sum_bytes += (uint64_t)status->st_blocks * 512;
  return 0;
}

uint64_t measure_disk_bytes(const char *path) {
  disk_sum_bytes = 0;
  nftw(path, add_file, 16, FTW_PHYS);
  return disk_sum_bytes;
}

static int remove_file(const char *path, const struct stat *status, int type, struct FTW *position) {
  (void)status;
  (void)type;
  (void)position;
  return remove(path);
}

void measure_remove(const char *path) {
  nftw(path, remove_file, 16, FTW_DEPTH | FTW_PHYS);
}

double measure_syncs_per_s(const char *directory) {
  static const char block[4096] = "sync";
  char path[4096];
  snprintf(path, sizeof path, "%s/sync-rate", directory);
  int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return 0;
  int64_t start_us = measure_now_us(), elapsed_us = 0;
  uint64_t syncs = 0;
  bool works = true;
  while (works && elapsed_us < 1000000) {
    works = write(fd, block, sizeof block) == (ssize_t)sizeof block && fdatasync(fd) == 0;
    syncs += works;
    elapsed_us = measure_now_us() - start_us;
  }
  close(fd);
  unlink(path);
  return elapsed_us > 0 ? (double)syncs * 1e6 / (double)elapsed_us : 0;
}
