// stop: a handler that sets a flag, once.
#include "cli/stop.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void ask(int number) {
  asked = 1;
  signal(number, SIG_DFL);
}

void stop_listen(bool terminate) {
  asked = 0;
  signal(SIGINT, ask);
  if (terminate) signal(SIGTERM, ask);
}

bool stop_is_asked(void) {
  return asked != 0;
}

// Of signal-safe calls alone.
static void end(int number) {
  static const char words[] = "\nrapport: stopped\n";
  ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
  (void)written;
  signal(number, SIG_DFL);
  raise(number);
}

void stop_at_once(void) {
  signal(SIGINT, end);
}
