// till_screen: what the till looks like, as lines of text. What the terminal is does not matter here.
//
// From above: who it is; the basket; what it comes to; what happened or a question; the keys. Of a basket that is too
// long the newest products are shown. Every line is cut to the width, so that the terminal never breaks one.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/demo_data.h"
#include "cli/print.h"
#include "cli/till.h"

enum { HEAD_ROWS = 3, FOOT_ROWS = 5, CATALOGUE_NAME_COLUMNS = 30 };

static const struct till_prompt prompts[] = {
    {'c', "card", "Card", "loyalty_card:123, email:zoe@exemple.fr, c42, or scan it"},
    {'a', "add", "Product", "SKU [quantity] [price]; type to look for one"},
    {'d', "drop", "Take out", "SKU or code"},
    {'v', "code", "Code", "a voucher, a coupon or a gift card"},
    {'b', "burn", "Points to pay with", "how many; 0 for none"},
    {'p', "pay", NULL, NULL},
    {'r', "return", "Order that comes back", "ORDER [SKU=QUANTITY,...]; nothing for the last one"},
    {'m', "member", NULL, NULL},
    {'e', "again", NULL, NULL},
    {'n', "new", NULL, NULL},
    {'h', "help", NULL, NULL},
    {'q', "quit", NULL, NULL},
};

static const char keys_first[] = " C card    A add product   D drop it   V code     B burn points   P pay";
static const char keys_second[] = " R return  M member        N new sale  E again    H help          Q quit";

// For narrow windows.
static const char short_first[] = "C card A add D drop V code B burn P pay";
static const char short_second[] = "R return M who N new E again H help Q quit";
enum { KEYS_COLUMNS = sizeof keys_second - 1 };

const struct till_prompt *till_prompt_of(char key) {
  for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++)
    if (prompts[i].key == tolower((unsigned char)key)) return &prompts[i];
  return NULL;
}

// --- lines -----------------------------------------------------------------------------------------------------

struct canvas {
  struct buffer *out;
  size_t columns, rows; // rows: written so far
};

static void put(struct canvas *canvas, int look, struct bytes text) {
  if (look != 0) buffer_append_byte(canvas->out, (uint8_t)look);
  print_clean(canvas->out, text, canvas->columns);
  buffer_append_byte(canvas->out, '\n');
  canvas->rows++;
}

static void put_text(struct canvas *canvas, int look, const char *text) {
  put(canvas, look, bytes_from_text(text));
}

static void put_rule(struct canvas *canvas) {
  buffer_append_byte(canvas->out, TILL_DIM);
  for (size_t i = 0; i < canvas->columns; i++) buffer_append_text(canvas->out, "─");
  buffer_append_byte(canvas->out, '\n');
  canvas->rows++;
}

static size_t count_lines(struct bytes text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size_bytes; i++) count += text.data[i] == '\n';
  return count;
}

static struct bytes next_line(struct bytes *text) {
  const uint8_t *end = text->size_bytes == 0 ? NULL : memchr(text->data, '\n', text->size_bytes);
  size_t size = end == NULL ? text->size_bytes : (size_t)(end - text->data);
  struct bytes line = bytes_of(text->data, size);
  size_t used = size + (end != NULL);
  *text = bytes_of(text->data + used, text->size_bytes - used);
  return line;
}

// The lines of `text` into `rows` rows: the first of them and a word about the rest.
static void put_lines(struct canvas *canvas, struct bytes text, size_t rows) {
  size_t count = count_lines(text), end = canvas->rows + rows;
  size_t shown = count <= rows ? count : rows - 1;
  for (size_t i = 0; i < shown; i++) {
    struct bytes line = next_line(&text);
    bool important = bytes_starts_with(line, BYTES("To pay")) || bytes_starts_with(line, BYTES("Refund"));
    put(canvas, important ? TILL_BOLD : 0, line);
  }
  if (count > rows && rows > 0) {
    char more[64];
    snprintf(more, sizeof more, "  … and %zu more lines; a larger window shows them", count - shown);
    put_text(canvas, TILL_DIM, more);
  }
  while (canvas->rows < end) put_text(canvas, 0, "");
}

// --- the catalogue ---------------------------------------------------------------------------------------------

static bool contains(const char *text, const char *part, size_t size) {
  for (; strlen(text) >= size; text++)
    if (strncasecmp(text, part, size) == 0) return true;
  return false;
}

static void put_catalogue(struct canvas *canvas, const char *typed, size_t rows) {
  size_t size = strcspn(typed, " "), end = canvas->rows + rows;
  for (size_t i = 0; i < demo_product_count && canvas->rows < end; i++) {
    const struct demo_product *product = &demo_products[i];
    struct buffer line;
    if (!contains(product->id, typed, size) && !contains(product->name, typed, size)) continue;
    buffer_init(&line);
    buffer_append_format(&line, "  %-12s ", product->id);
    size_t used = print_clean(&line, bytes_from_text(product->name), CATALOGUE_NAME_COLUMNS);
    buffer_append_format(&line, "%*s %6u.%02u", (int)(CATALOGUE_NAME_COLUMNS - used), "", product->price_cents / 100,
                         product->price_cents % 100);
    put(canvas, 0, buffer_view(&line));
    buffer_release(&line);
  }
  while (canvas->rows < end) put_text(canvas, 0, "");
}

// --- the screen ------------------------------------------------------------------------------------------------

// The heading, then the basket's first lines make way for what it comes to.
static void put_sale(struct canvas *canvas, const struct till *till, size_t rows) {
  struct buffer text;
  buffer_init(&text);
  till_print_sale(till, &text);
  struct bytes rest = buffer_view(&text);
  size_t count = count_lines(rest), lines = till->sale.line_count;
  if (count > rows && lines > 1) {
    size_t hidden = count - rows + 1 < lines ? count - rows + 1 : lines;
    char above[64];
    for (size_t i = 0; i < hidden; i++) next_line(&rest);
    snprintf(above, sizeof above, "  … %zu more above", hidden - 1);
    put_text(canvas, TILL_DIM, above);
    rows--;
  }
  put_lines(canvas, rest, rows);
  buffer_release(&text);
}

static void put_head(struct canvas *canvas, const struct till *till) {
  struct buffer member;
  buffer_init(&member);
  put_text(canvas, TILL_INVERSE, " Rapport till");
  buffer_append_byte(&member, ' ');
  till_print_member(till, &member);
  put(canvas, TILL_BOLD, buffer_view(&member));
  put_rule(canvas);
  buffer_release(&member);
}

static void put_foot(struct canvas *canvas, const struct till *till, const struct till_prompt *prompt,
                     const char *typed) {
  char line[TILL_NOTICE_BYTES + TILL_LINE_BYTES];
  put_rule(canvas);
  if (prompt != NULL) {
    snprintf(line, sizeof line, " %s: %s_", prompt->question, typed);
    put_text(canvas, TILL_BOLD, line);
    snprintf(line, sizeof line, " %s. Enter: do it. Esc: not now.", prompt->hint);
    put_text(canvas, TILL_DIM, line);
  } else {
    size_t size = strlen(till->notice), cut = canvas->columns > 4 ? canvas->columns - 4 : size;
    // Broken at a blank, so that the reason and what to do about it are both read.
    if (size > cut)
      while (cut > 1 && till->notice[cut] != ' ') cut--;
    else
      cut = size;
    snprintf(line, sizeof line, "%s%.*s", till->failed ? " ! " : " ", (int)cut, till->notice);
    put_text(canvas, till->failed ? TILL_BOLD : 0, line);
    const char *rest = till->notice + cut + (till->notice[cut] == ' ');
    bool paper = *rest == '\0' && !till->failed && till->paper.size_bytes > 0;
    snprintf(line, sizeof line, "%s%s", till->failed ? "   " : " ", paper ? "Space puts this away." : rest);
    put_text(canvas, till->failed ? TILL_BOLD : 0, line);
  }
  bool wide = canvas->columns >= KEYS_COLUMNS;
  put_text(canvas, TILL_INVERSE, wide ? keys_first : short_first);
  put_text(canvas, TILL_INVERSE, wide ? keys_second : short_second);
}

static void put_too_small(struct canvas *canvas, size_t rows) {
  put_text(canvas, 0, "The window is too small: 44 x 12 is the least. Q quit");
  while (canvas->rows < rows) put_text(canvas, 0, "");
}

void till_draw(const struct till *till, const struct till_prompt *prompt, const char *typed, size_t rows,
               size_t columns, struct buffer *out) {
  struct canvas canvas = {.out = out, .columns = columns > 0 ? columns : 1};
  if (rows < TILL_ROWS_LEAST || columns < TILL_COLUMNS_LEAST) {
    put_too_small(&canvas, rows);
    return;
  }
  size_t middle = rows - HEAD_ROWS - FOOT_ROWS;
  put_head(&canvas, till);
  if (prompt != NULL && prompt->key == 'a')
    put_catalogue(&canvas, typed, middle);
  else if (till->paper.size_bytes > 0)
    put_lines(&canvas, buffer_view(&till->paper), middle);
  else
    put_sale(&canvas, till, middle);
  put_foot(&canvas, till, prompt, typed);
}
