// measure: what a benchmark reads off the machine.
//
// Latencies in a histogram of fixed size, processor time and memory of a process from /proc, bytes of a directory, and
// how fast this disk syncs. Linux only. Figures that cannot be read are 0.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

int64_t measure_now_us(void);  // monotonic
int64_t measure_wall_us(void); // since 1970
double measure_clock_s(clockid_t clock);
double measure_median(double *values, size_t count); // sorts them

// Latencies in buckets at most 1.6 % wide, up to an hour.
enum { LATENCY_SUB_BITS = 6, LATENCY_BUCKETS = 27 << LATENCY_SUB_BITS };
struct latency {
  uint64_t buckets[LATENCY_BUCKETS];
  uint64_t count;
  int64_t max_us;
};
void latency_add(struct latency *latency, int64_t us);
// The latency that `share` (0.99) of all did not pass.
int64_t latency_share_us(const struct latency *latency, double share);

double measure_cpu_own_s(void);
double measure_cpu_of_usage_s(const struct rusage *usage);
double measure_cpu_of_s(pid_t pid);                      // of a running process
double measure_cpu_machine_s(void);                      // of everything on this machine since it started
double measure_memory_mib(pid_t pid, const char *field); // "VmHWM" or "VmRSS"

uint64_t measure_disk_bytes(const char *path); // blocks taken by all files below
void measure_remove(const char *path);         // a directory and what is in it

// Appends of 4 KiB, each with fdatasync, a second long, in a file of `directory`: what one writer gets from this disk.
double measure_syncs_per_s(const char *directory);
