// stop: a handler that sets a flag, once.
#include "cli/stop.h"

#include <signal.h>

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
