// till: a till in a terminal: one sale at a time, evaluated after each change, paid, returned.
//
// Layer 8. A till is worked by commands in words ("add A1 2 49.90"), which a script holds and which the keys of the
// screen make. What the engine refuses is taken back; what could not be asked (no network) stays, and "again" asks once
// more: an order is sent under the same id until it is answered, so it is never booked twice.
// Memory: a till owns what it was answered, between init and release. Threads: one.
#pragma once

#include "cli/target.h"

enum {
  TILL_LINES_MAX = 100,
  TILL_CODES_MAX = 8,
  TILL_TEXT_BYTES = 96,
  TILL_QUANTITY_MAX = 9999,
  TILL_NOTICE_BYTES = 640,
  TILL_LINE_BYTES = 256, // of a command
};

struct till_line {
  char sku[TILL_TEXT_BYTES], name[TILL_TEXT_BYTES];
  int64_t quantity, price_cents;
};

struct till_sale {
  char card[TILL_TEXT_BYTES]; // empty: nobody known
  struct till_line lines[TILL_LINES_MAX];
  size_t line_count;
  char codes[TILL_CODES_MAX][TILL_TEXT_BYTES];
  size_t code_count;
  char burn[TILL_TEXT_BYTES], programme[TILL_TEXT_BYTES]; // points to pay with; empty: none
  char order[TILL_TEXT_BYTES];                            // set by the first attempt to pay
};

typedef enum err till_ask_fn(void *context, const struct target_call *call, struct buffer *out, struct diag *diag);

struct till {
  till_ask_fn *ask; // target_call, or a test's own
  void *context;
  struct till_sale sale;
  struct buffer member;     // engine_member_json of the card; empty: not known yet
  struct buffer evaluation; // of the basket; empty: nothing is in it
  struct buffer paper;      // what was printed last, as text
  char last_order[TILL_TEXT_BYTES];
  char return_id[TILL_TEXT_BYTES], returned[TILL_LINE_BYTES + 2]; // of a return that was not answered
  char notice[TILL_NOTICE_BYTES];                                 // one line: what happened, or why not
  bool failed;                                                    // the notice says why not
  bool stale; // the network is gone: `evaluation` is of an earlier basket
  bool quit;
};

void till_init(struct till *till, till_ask_fn *ask, void *context);
void till_release(struct till *till);

// Does one command. False when it could not be done; the notice says why. Only short memory is an error.
bool till_run(struct till *till, const char *line);
// The commands, each with what it does.
void till_print_help(struct buffer *out);

// --- till_sale.c ---------------------------------------------------------------------------------------------

// The request of the sale, as engine_evaluate and engine_order take it.
void till_request(const struct till_sale *sale, struct buffer *out);
// The sale as text: lines, discounts, points, what is to be paid. Plain; also without an answer yet.
void till_print_sale(const struct till *till, struct buffer *out);
// Who it is: "c42, premium: 1250 points available, 120 pending".
void till_print_member(const struct till *till, struct buffer *out);
// The answer to an order, as paper.
void till_print_receipt(const struct till_sale *sale, struct bytes reply, struct buffer *out);

// --- till_screen.c -------------------------------------------------------------------------------------------

struct till_prompt {
  char key;
  const char *verb;     // of the command it makes
  const char *question; // "Product"
  const char *hint;     // what may be typed; NULL: the key alone does it
};
// The prompt of a key, NULL when it has none.
const struct till_prompt *till_prompt_of(char key);

enum { TILL_BOLD = 1, TILL_INVERSE = 2, TILL_DIM = 3, TILL_ROWS_LEAST = 12, TILL_COLUMNS_LEAST = 44 };
// Draws exactly `rows` lines of at most `columns` characters, each ended by '\n'; a line may begin with a byte
// TILL_BOLD, TILL_INVERSE or TILL_DIM, which says how it looks. `prompt` NULL: no question is open.
void till_draw(const struct till *till, const struct till_prompt *prompt, const char *typed, size_t rows,
               size_t columns, struct buffer *out);

// --- till_terminal.c -----------------------------------------------------------------------------------------

// Works the till by the keys of the terminal until it is left. The terminal is then as it was.
enum err till_work(struct till *till, struct diag *diag);
