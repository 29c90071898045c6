#include "stop.h"

volatile sig_atomic_t stop_asked;

static void ask_to_stop(int number) {
  stop_asked = 1;
  signal(number, SIG_DFL);
}

void stop_on_signals(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, ask_to_stop);
  signal(SIGTERM, ask_to_stop);
}
