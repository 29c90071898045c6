// till_terminal: keys in, lines out.
//
// The screen is the terminal's second one, so that the first is there again afterwards. The terminal is put back on
// every way out: leaving, a signal, and the second Ctrl-C while a server does not answer, from the signal's handler
// (tcsetattr and write may be called there). A size that changed is seen at the next look, a quarter of a second at
// most.
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/till.h"

enum { LOOK_EVERY_MS = 250, ESCAPE_MS = 30, ROWS = 24, COLUMNS = 80 };

#define ENTER_SCREEN "\033[?1049h\033[?25l"
#define LEAVE_SCREEN "\033[0m\033[?25h\033[?1049l"

static struct termios terminal_before;
static volatile sig_atomic_t stop_asked, resized;

static void leave_screen(void) {
  ssize_t ignored = write(STDOUT_FILENO, LEAVE_SCREEN, sizeof LEAVE_SCREEN - 1);
  (void)ignored;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_before);
}

static void ask_to_stop(int number) {
  if (stop_asked != 0) {
    leave_screen();
    _exit(128 + number);
  }
  stop_asked = number;
}

static void note_size(int number) {
  (void)number;
  resized = 1;
}

static void abort_cleanly(int number) {
  leave_screen();
  signal(number, SIG_DFL);
  raise(number);
}

static void handle(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

static enum err enter_screen(struct diag *diag) {
  struct termios raw;
  if (tcgetattr(STDIN_FILENO, &terminal_before) != 0)
    return diag_set(diag, ERR_IO, "io", "the terminal cannot be asked for keys: %s", strerror(errno));
  raw = terminal_before;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;
  stop_asked = 0;
  resized = 1;
  handle(SIGINT, ask_to_stop);
  handle(SIGTERM, ask_to_stop);
  handle(SIGHUP, ask_to_stop);
  handle(SIGWINCH, note_size);
  handle(SIGABRT, abort_cleanly);
  if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
    return diag_set(diag, ERR_IO, "io", "the terminal cannot be asked for keys: %s", strerror(errno));
  ssize_t ignored = write(STDOUT_FILENO, ENTER_SCREEN, sizeof ENTER_SCREEN - 1);
  (void)ignored;
  return ERR_OK;
}

// --- drawing ---------------------------------------------------------------------------------------------------

static void measure(size_t *rows, size_t *columns) {
  struct winsize size;
  bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
  *rows = known ? size.ws_row : ROWS;
  *columns = known ? size.ws_col : COLUMNS;
}

static void append_look(struct buffer *out, uint8_t look) {
  buffer_append_text(out, look == TILL_BOLD ? "\033[1m" : look == TILL_INVERSE ? "\033[7m" : "\033[2m");
}

// An inverse line is filled up to the edge: clearing with the colours on does it.
static void append_line(struct buffer *out, struct bytes line, bool last) {
  uint8_t look = line.size_bytes > 0 && line.data[0] <= TILL_DIM ? line.data[0] : 0;
  if (look != 0) {
    append_look(out, look);
    line = bytes_of(line.data + 1, line.size_bytes - 1);
  }
  buffer_append_text(out, "\033[K");
  buffer_append_bytes(out, line);
  buffer_append_text(out, last ? "\033[0m" : "\033[0m\r\n");
}

static void write_all(struct bytes text) {
  while (text.size_bytes > 0) {
    ssize_t written = write(STDOUT_FILENO, text.data, text.size_bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return; // the terminal is gone; reading says so, too
    text = bytes_of(text.data + written, text.size_bytes - (size_t)written);
  }
}

static void redraw(const struct till *till, const struct till_prompt *prompt, const char *typed) {
  struct buffer lines, out;
  size_t rows, columns;
  buffer_init(&lines);
  buffer_init(&out);
  measure(&rows, &columns);
  till_draw(till, prompt, typed, rows, columns, &lines);
  buffer_append_text(&out, "\033[H");
  struct bytes rest = buffer_view(&lines);
  for (size_t i = 0; i < rows && rest.size_bytes > 0; i++) {
    const uint8_t *end = memchr(rest.data, '\n', rest.size_bytes);
    assert(end != NULL);
    size_t size = (size_t)(end - rest.data);
    append_line(&out, bytes_of(rest.data, size), i + 1 == rows);
    rest = bytes_of(rest.data + size + 1, rest.size_bytes - size - 1);
  }
  if (!out.failed && !lines.failed) write_all(buffer_view(&out));
  buffer_release(&out);
  buffer_release(&lines);
}

// --- keys ------------------------------------------------------------------------------------------------------

struct keyboard {
  struct till *till;
  const struct till_prompt *prompt; // open question
  char typed[TILL_LINE_BYTES - 16];
  bool gone; // the terminal
};

static void work(struct keyboard *keyboard, const char *line) {
  struct till *till = keyboard->till;
  snprintf(till->notice, sizeof till->notice, "one moment ...");
  till->failed = false;
  keyboard->prompt = NULL;
  redraw(till, NULL, "");
  till_run(till, line);
}

static void press(struct keyboard *keyboard, char key) {
  const struct till_prompt *prompt = till_prompt_of(key);
  struct till *till = keyboard->till;
  if (prompt == NULL) {
    // Any other key puts the paper away.
    buffer_clear(&till->paper);
    till->notice[0] = '\0';
    till->failed = false;
  } else if (prompt->hint == NULL) {
    work(keyboard, prompt->verb);
  } else {
    keyboard->prompt = prompt;
    keyboard->typed[0] = '\0';
  }
}

static void erase_character(char *typed) {
  size_t size = strlen(typed);
  while (size > 0 && ((uint8_t)typed[size - 1] & 0xc0) == 0x80) size--;
  typed[size > 0 ? size - 1 : 0] = '\0';
}

static void enter(struct keyboard *keyboard) {
  char line[TILL_LINE_BYTES];
  bool needed = keyboard->prompt->key != 'r';
  if (needed && keyboard->typed[0] == '\0') {
    keyboard->prompt = NULL;
    return;
  }
  snprintf(line, sizeof line, "%s %s", keyboard->prompt->verb, keyboard->typed);
  work(keyboard, line);
}

static void type(struct keyboard *keyboard, char key) {
  size_t size = strlen(keyboard->typed);
  if (key == '\r' || key == '\n') {
    enter(keyboard);
  } else if (key == 0x7f || key == '\b') {
    erase_character(keyboard->typed);
  } else if (key == 0x15) { // Ctrl-U
    keyboard->typed[0] = '\0';
  } else if ((uint8_t)key >= ' ' && size + 1 < sizeof keyboard->typed) {
    keyboard->typed[size] = key;
    keyboard->typed[size + 1] = '\0';
  }
}

static bool waits(int timeout_ms) {
  struct pollfd poll_in = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&poll_in, 1, timeout_ms) > 0;
}

// Escape alone closes the question; what arrow keys send with it is swallowed.
static void escape(struct keyboard *keyboard) {
  char key = 0;
  bool alone = true;
  while (waits(ESCAPE_MS) && read(STDIN_FILENO, &key, 1) == 1) {
    bool opens = alone && (key == '[' || key == 'O');
    alone = false;
    if (!opens && key >= '@' && key <= '~') break;
  }
  if (alone) keyboard->prompt = NULL;
}

static void read_key(struct keyboard *keyboard) {
  char key;
  ssize_t got = read(STDIN_FILENO, &key, 1);
  if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) keyboard->gone = true;
  if (got != 1) return;
  if (key == 4) { // Ctrl-D
    keyboard->till->quit = true;
  } else if (key == '\033') {
    escape(keyboard);
  } else if (keyboard->prompt != NULL) {
    type(keyboard, key);
  } else {
    press(keyboard, key);
  }
}

enum err till_work(struct till *till, struct diag *diag) {
  struct keyboard keyboard = {.till = till};
  enum err err = enter_screen(diag);
  if (err != ERR_OK) return err;
  bool drawn = false;
  while (!till->quit && stop_asked == 0 && !keyboard.gone) {
    if (!drawn || resized != 0) {
      resized = 0;
      redraw(till, keyboard.prompt, keyboard.typed);
    }
    drawn = !waits(LOOK_EVERY_MS);
    // A scanner and a paste send many keys at once: all of them before the next drawing.
    while (!till->quit && stop_asked == 0 && !keyboard.gone && waits(0)) read_key(&keyboard);
  }
  leave_screen();
  return ERR_OK;
}
