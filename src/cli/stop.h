// stop: Ctrl-C while a command works.
//
// Layer 8. One command a process, so one flag.
#pragma once

#include <stdbool.h>

// From now on the first SIGINT, and with `terminate` the first SIGTERM, only asks; a second one ends the process.
void stop_listen(bool terminate);
bool stop_is_asked(void);

// From now on SIGINT ends the process where it stands, with a sentence: of work that leaves nothing behind.
void stop_at_once(void);
