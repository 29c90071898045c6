// report: the figures of one run, as a table for people and one line of JSON for programs.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { REPORT_FIGURES_MAX = 128 };

// One line of the table and one member of the JSON.
struct report_figure {
  const char *name; // static
  double value;
  int digits;     // behind the point
  char direction; // '>': at least `target`, '<': at most, 0: no target
  double target;
};

struct report {
  struct report_figure figures[REPORT_FIGURES_MAX];
  size_t count;
};

void report_add(struct report *report, const char *name, double value, int digits);
// A target for the figure that was added last.
void report_aim(struct report *report, char direction, double target);

// Processor seconds: of the program, of the benchmark, of the whole machine.
struct report_processor {
  double program_s, generator_s, machine_s;
};
struct report_processor report_processor_now(pid_t pid);
void report_add_processor(struct report *report, struct report_processor from, struct report_processor to,
                          double elapsed_s, double events);

// The most memory the program had, for which there is a target.
void report_add_memory(struct report *report, pid_t pid);

void report_print(const struct report *report, const char *bench, const char *mode, bool quick);
