// Figures in the order in which they were added.
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "measure.h"

void report_add(struct report *report, const char *name, double value, int digits) {
  if (report->count == REPORT_FIGURES_MAX) abort();
  report->figures[report->count++] = (struct report_figure){.name = name, .value = value, .digits = digits};
}

void report_aim(struct report *report, char direction, double target) {
  struct report_figure *last = &report->figures[report->count - 1];
  last->direction = direction;
  last->target = target;
}

static bool holds(const struct report_figure *figure) {
  return figure->direction == '>' ? figure->value >= figure->target : figure->value <= figure->target;
}

static void print_table(const struct report *report) {
  for (size_t i = 0; i < report->count; i++) {
    const struct report_figure *figure = &report->figures[i];
    printf("%-32s %14.*f", figure->name, figure->digits, figure->value);
    if (figure->direction) {
      printf("   %s %.0f: %s", figure->direction == '>' ? "at least" : "at most", figure->target,
             holds(figure) ? "holds" : "MISSED");
    }
    putchar('\n');
  }
}

static void print_json(const struct report *report, const char *bench, const char *mode, bool quick) {
  struct utsname machine;
  uname(&machine);
  printf("{\"bench\":\"%s\",\"mode\":\"%s\",\"quick\":%s,\"cores\":%ld,\"kernel\":\"%s\"", bench, mode,
         quick ? "true" : "false", sysconf(_SC_NPROCESSORS_ONLN), machine.release);
  for (size_t i = 0; i < report->count; i++) {
    const struct report_figure *figure = &report->figures[i];
    printf(",\"%s\":%.*f", figure->name, figure->digits, figure->value);
  }
  printf(",\"targets\":{");
  const char *comma = "";
  for (size_t i = 0; i < report->count; i++) {
    const struct report_figure *figure = &report->figures[i];
    if (!figure->direction) continue;
    printf("%s\"%s\":%s", comma, figure->name, holds(figure) ? "true" : "false");
    comma = ",";
  }
  printf("}}\n");
}

void report_add_memory(struct report *report, pid_t pid) {
  report_add(report, "memory_peak_mib", measure_memory_mib(pid, "VmHWM"), 1);
  report_aim(report, '<', 512);
}

void report_print(const struct report *report, const char *bench, const char *mode, bool quick) {
  print_table(report);
  print_json(report, bench, mode, quick);
}

// --- processor -----------------------------------------------------------------------------------------------

struct report_processor report_processor_now(pid_t pid) {
  return (struct report_processor){measure_cpu_of_s(pid), measure_cpu_own_s(), measure_cpu_machine_s()};
}

void report_add_processor(struct report *report, struct report_processor from, struct report_processor to,
                          double elapsed_s, double events) {
  double program_s = to.program_s - from.program_s, generator_s = to.generator_s - from.generator_s;
  double others_s = to.machine_s - from.machine_s - program_s - generator_s;
  double cores_s = elapsed_s * (double)sysconf(_SC_NPROCESSORS_ONLN);
  report_add(report, "program_cpu_s", program_s, 2);
  report_add(report, "program_cpu_us_per_event", program_s * 1e6 / events, 2);
  report_add(report, "events_per_s_alone_at_most",
             events * (double)sysconf(_SC_NPROCESSORS_ONLN) / (program_s + generator_s), 0);
  report_add(report, "generator_cpu_s", generator_s, 2);
  report_add(report, "generator_cpu_percent", generator_s * 100 / cores_s, 1);
  report_add(report, "others_cpu_percent", (others_s > 0 ? others_s : 0) * 100 / cores_s, 1);
}
