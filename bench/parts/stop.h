// stop: Ctrl-C ends a benchmark at the next turn of its loops, so that what it started is ended too; a second one at
// once. A connection that breaks is an answer, not a signal.
#pragma once

#include <signal.h>

extern volatile sig_atomic_t stop_asked;

void stop_on_signals(void);
