// till: the sale, and what its commands do to it.
//
// A change is made on a copy first: what the engine refuses never was. The one thing that must not be forgotten is the
// id of an order that was sent and not answered; it is cleared only by an answer, or by a new sale.
#include "cli/till.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/advice.h"
#include "cli/demo_data.h"
#include "cli/print_loyalty.h"
#include "cli/typed.h"

enum { WORDS_MAX = 8 };

struct words {
  const char *at[WORDS_MAX];
  size_t count;
};

void till_init(struct till *till, till_ask_fn *ask, void *context) {
  *till = (struct till){.ask = ask, .context = context};
  buffer_init(&till->member);
  buffer_init(&till->evaluation);
  buffer_init(&till->paper);
}

void till_release(struct till *till) {
  buffer_release(&till->member);
  buffer_release(&till->evaluation);
  buffer_release(&till->paper);
}

// --- notices -------------------------------------------------------------------------------------------------

static bool say(struct till *till, const char *words) {
  snprintf(till->notice, sizeof till->notice, "%s", words);
  till->failed = false;
  return true;
}

static bool complain(struct till *till, const char *words, const char *about) {
  snprintf(till->notice, sizeof till->notice, words, about);
  till->failed = true;
  return false;
}

static bool refuse(struct till *till, enum err err, struct diag *diag) {
  advice_add_code(err, diag);
  snprintf(till->notice, sizeof till->notice, "%s", diag->message[0] != '\0' ? diag->message : err_name(err));
  till->failed = true;
  return false;
}

// --- evaluating ------------------------------------------------------------------------------------------------

static enum err send_sale(struct till *till, enum target_op op, struct buffer *reply, struct diag *diag) {
  struct target_call call = {.op = op};
  struct buffer body;
  buffer_init(&body);
  till_request(&till->sale, &body);
  call.body = buffer_view(&body);
  enum err err = body.failed ? diag_no_memory(diag) : till->ask(till->context, &call, reply, diag);
  buffer_release(&body);
  return err == ERR_OK && reply->failed ? diag_no_memory(diag) : err;
}

static bool evaluate(struct till *till) {
  struct buffer reply;
  struct diag diag;
  bool good = true;
  diag_init(&diag);
  buffer_clear(&till->paper);
  if (till->sale.line_count == 0) {
    buffer_clear(&till->evaluation);
    till->stale = false;
    return true;
  }
  buffer_init(&reply);
  enum err err = send_sale(till, TARGET_EVALUATE, &reply, &diag);
  if (err == ERR_OK) {
    buffer_clear(&till->evaluation);
    buffer_append_bytes(&till->evaluation, buffer_view(&reply));
  } else {
    good = refuse(till, err, &diag);
  }
  till->stale = err == ERR_IO;
  buffer_release(&reply);
  return good;
}

// Evaluates the changed sale; a refusal brings back the one before.
static bool change(struct till *till, const struct till_sale *before, const char *done) {
  bool was_stale = till->stale;
  say(till, done);
  if (evaluate(till)) return true;
  if (till->stale) return false;
  till->sale = *before;
  till->stale = was_stale;
  return false;
}

// --- commands --------------------------------------------------------------------------------------------------

static bool copy_word(char out[TILL_TEXT_BYTES], const char *word) {
  if (strlen(word) >= TILL_TEXT_BYTES || !bytes_is_utf8(bytes_from_text(word))) return false;
  snprintf(out, TILL_TEXT_BYTES, "%s", word);
  return true;
}

static bool is_own_id(const char *word) {
  return word[0] == 'c' && word[1] != '\0' && strspn(word + 1, "0123456789") == strlen(word + 1);
}

// A scanner sends the number alone.
static bool name_card(char out[TILL_TEXT_BYTES], const char *word) {
  char text[TILL_LINE_BYTES + 16];
  bool whole = strchr(word, ':') != NULL || is_own_id(word);
  snprintf(text, sizeof text, "%s%s", whole ? "" : "loyalty_card:", word);
  return copy_word(out, text);
}

static enum err read_member(struct till *till, struct diag *diag) {
  const struct target_call call = {.op = TARGET_MEMBER, .args = {[TARGET_ARG_REF] = till->sale.card}};
  struct buffer reply;
  buffer_init(&reply);
  enum err err = till->ask(till->context, &call, &reply, diag);
  if (err == ERR_OK || err == ERR_NOT_FOUND) buffer_clear(&till->member);
  if (err == ERR_OK) buffer_append_bytes(&till->member, buffer_view(&reply));
  buffer_release(&reply);
  return err;
}

static bool scan_card(struct till *till, const struct words *words) {
  struct till_sale before = till->sale;
  struct diag diag;
  diag_init(&diag);
  if (!name_card(till->sale.card, words->at[1]))
    return complain(till, "\"%.40s\" cannot be a card; type it as loyalty_card:123, email:zoe@exemple.fr or c42",
                    words->at[1]);
  till->sale.burn[0] = '\0';
  enum err err = read_member(till, &diag);
  if (err == ERR_IO) till->stale = true;
  if (err != ERR_OK && err != ERR_NOT_FOUND) {
    if (err != ERR_IO) till->sale = before;
    return refuse(till, err, &diag);
  }
  return change(till, &before, err == ERR_OK ? "" : "nobody has this card yet: the first order makes a customer of it");
}

static const struct demo_product *in_catalogue(const char *sku) {
  for (size_t i = 0; i < demo_product_count; i++)
    if (strcasecmp(demo_products[i].id, sku) == 0) return &demo_products[i];
  return NULL;
}

static bool read_cents(const char *word, int64_t *cents) {
  size_t whole = strspn(word, "0123456789"), digits = 0;
  if (whole == 0 || whole > 9) return false;
  if (word[whole] != '\0') {
    digits = strspn(word + whole + 1, "0123456789");
    if (word[whole] != '.' || digits == 0 || digits > 2 || word[whole + 1 + digits] != '\0') return false;
  }
  *cents = 100 * strtoll(word, NULL, 10);
  if (digits > 0) *cents += (word[whole + 1] - '0') * 10 + (digits > 1 ? word[whole + 2] - '0' : 0);
  return true;
}

static bool read_quantity(const char *word, int64_t *quantity) {
  size_t digits = strspn(word, "0123456789");
  if (digits == 0 || digits > 4 || word[digits] != '\0') return false;
  *quantity = strtoll(word, NULL, 10);
  return *quantity >= 1 && *quantity <= TILL_QUANTITY_MAX;
}

// SKU [QUANTITY] [PRICE]: a number with a point is a price.
static bool read_line(struct till *till, const struct words *words, struct till_line *line) {
  const struct demo_product *known = in_catalogue(words->at[1]);
  bool priced = known != NULL;
  size_t at = 2;
  *line = (struct till_line){.quantity = 1, .price_cents = known == NULL ? 0 : known->price_cents};
  if (!copy_word(line->sku, known == NULL ? words->at[1] : known->id))
    return complain(till, "\"%.40s\" is too long for a product", words->at[1]);
  if (known != NULL) copy_word(line->name, known->name);
  if (at < words->count && strchr(words->at[at], '.') == NULL && !read_quantity(words->at[at++], &line->quantity))
    return complain(till, "\"%.40s\" is no quantity; expected a whole number from 1 to 9999", words->at[at - 1]);
  if (at < words->count) {
    if (!read_cents(words->at[at], &line->price_cents))
      return complain(till, "\"%.40s\" is no price; expected a number such as 49.90", words->at[at]);
    priced = true;
  }
  return priced ||
         complain(till, "%.40s is not in the catalogue: say its price, too, as in \"add A1 2 49.90\"", words->at[1]);
}

static bool add(struct till *till, const struct words *words) {
  struct till_sale before = till->sale;
  struct till_line line;
  if (!read_line(till, words, &line)) return false;
  for (size_t i = 0; i < till->sale.line_count; i++) {
    struct till_line *same = &till->sale.lines[i];
    if (strcmp(same->sku, line.sku) != 0 || same->price_cents != line.price_cents) continue;
    if (same->quantity + line.quantity > TILL_QUANTITY_MAX)
      return complain(till, "that is more %s than a line holds", line.sku);
    same->quantity += line.quantity;
    return change(till, &before, "");
  }
  if (till->sale.line_count == TILL_LINES_MAX) return complain(till, "the basket is full: %s", "pay it first");
  till->sale.lines[till->sale.line_count++] = line;
  return change(till, &before, "");
}

// A line by its SKU or a code.
static bool drop(struct till *till, const struct words *words) {
  struct till_sale before = till->sale, *sale = &till->sale;
  const char *what = words->at[1];
  for (size_t i = 0; i < sale->line_count; i++) {
    if (strcasecmp(sale->lines[i].sku, what) != 0) continue;
    memmove(&sale->lines[i], &sale->lines[i + 1], (sale->line_count - i - 1) * sizeof *sale->lines);
    sale->line_count--;
    return change(till, &before, "");
  }
  for (size_t i = 0; i < sale->code_count; i++) {
    if (strcasecmp(sale->codes[i], what) != 0) continue;
    memmove(&sale->codes[i], &sale->codes[i + 1], (sale->code_count - i - 1) * sizeof *sale->codes);
    sale->code_count--;
    return change(till, &before, "");
  }
  return complain(till, "neither a product nor a code of this basket is \"%.40s\"", what);
}

static bool enter_code(struct till *till, const struct words *words) {
  struct till_sale before = till->sale, *sale = &till->sale;
  for (size_t i = 0; i < sale->code_count; i++)
    if (strcasecmp(sale->codes[i], words->at[1]) == 0) return complain(till, "%.40s was entered already", words->at[1]);
  if (sale->code_count == TILL_CODES_MAX)
    return complain(till, "no more codes fit; drop one first, as in \"drop %s\"", sale->codes[0]);
  if (!copy_word(sale->codes[sale->code_count], words->at[1]))
    return complain(till, "\"%.40s\" cannot be a code", words->at[1]);
  sale->code_count++;
  return change(till, &before, sale->line_count == 0 ? "noted; add a product to see what it does" : "");
}

static bool burn(struct till *till, const struct words *words) {
  struct till_sale before = till->sale;
  int64_t amount;
  if (!read_cents(words->at[1], &amount) || !copy_word(till->sale.burn, words->at[1]))
    return complain(till, "\"%.40s\" is no amount; expected a number such as 100, or 0 for none", words->at[1]);
  if (amount == 0) till->sale.burn[0] = '\0';
  if (words->count > 2 && !copy_word(till->sale.programme, words->at[2]))
    return complain(till, "\"%.40s\" cannot be a programme", words->at[2]);
  return change(till, &before, till->sale.line_count == 0 ? "noted; add a product to see what it does" : "");
}

// --- paying and returning ----------------------------------------------------------------------------------------

static void begin_sale(struct till *till) {
  till->sale = (struct till_sale){.line_count = 0};
  buffer_clear(&till->member);
  buffer_clear(&till->evaluation);
  till->stale = false;
}

// A refusal is an answer; anything else may have come after the order was booked.
static bool is_answer(enum err err) {
  return err == ERR_DENIED || err == ERR_INVALID || err == ERR_NOT_FOUND || err == ERR_LIMIT;
}

static bool pay(struct till *till, const struct words *words) {
  struct buffer reply;
  struct diag diag;
  bool good = false;
  diag_init(&diag);
  if (till->sale.line_count == 0) return complain(till, "the basket is empty%s", "; add a product first");
  if (till->sale.card[0] == '\0')
    return complain(till, "whose is it? Scan a card first%s", ", as in \"card loyalty_card:123\"");
  bool sent = till->sale.order[0] != '\0';
  if (!sent && words->count > 1 && !copy_word(till->sale.order, words->at[1]))
    return complain(till, "\"%.40s\" is too long for an order", words->at[1]);
  if (till->sale.order[0] == '\0') typed_id_make("till-", till->sale.order);
  buffer_init(&reply);
  enum err err = send_sale(till, TARGET_ORDER, &reply, &diag);
  if (err == ERR_OK) {
    buffer_clear(&till->paper);
    till_print_receipt(&till->sale, buffer_view(&reply), &till->paper);
    snprintf(till->last_order, sizeof till->last_order, "%s", till->sale.order);
    begin_sale(till);
    good = say(till, "paid");
  } else {
    till->stale = err == ERR_IO;
    if (is_answer(err)) till->sale.order[0] = '\0';
    refuse(till, err, &diag);
  }
  buffer_release(&reply);
  return good;
}

static bool print_return(struct till *till, struct bytes reply) {
  struct print_document document;
  buffer_clear(&till->paper);
  if (print_document_init(&document, reply, NULL) == ERR_OK) print_loyalty_return(&document, &till->paper);
  print_document_release(&document);
  return say(till, "returned");
}

// The same return that was sent and not answered keeps its id: it is told again, not done again.
static void name_return(struct till *till, const char *order, const char *lines) {
  char what[TILL_LINE_BYTES + 2];
  snprintf(what, sizeof what, "%.120s %.120s", order, lines);
  if (till->return_id[0] == '\0' || strcmp(what, till->returned) != 0) typed_id_make("return-", till->return_id);
  snprintf(till->returned, sizeof till->returned, "%s", what);
}

static bool give_back(struct till *till, const struct words *words) {
  const char *order = words->count > 1 ? words->at[1] : till->last_order, *lines = words->count > 2 ? words->at[2] : "";
  struct json_writer writer;
  struct buffer body, reply;
  struct diag diag;
  enum err err = ERR_OK;
  bool good = false;
  diag_init(&diag);
  if (*order == '\0') return complain(till, "which order%s", "? As in \"return till-5f3a\"");
  buffer_init(&body);
  buffer_init(&reply);
  name_return(till, order, lines);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "return_id", till->return_id);
  if (*lines != '\0') err = typed_lines_write(&writer, lines, &diag);
  if (err == ERR_OK) json_object_end(&writer);
  const struct target_call call = {
      .op = TARGET_ORDER_RETURN, .args = {[TARGET_ARG_ID] = order}, .body = buffer_view(&body)};
  if (err == ERR_OK) err = body.failed ? diag_no_memory(&diag) : till->ask(till->context, &call, &reply, &diag);
  good = err == ERR_OK ? print_return(till, buffer_view(&reply)) : refuse(till, err, &diag);
  if (err == ERR_OK || is_answer(err)) till->return_id[0] = '\0';
  buffer_release(&reply);
  buffer_release(&body);
  return good;
}

// --- other commands ----------------------------------------------------------------------------------------------

static bool again(struct till *till, const struct words *words) {
  struct diag diag;
  (void)words;
  diag_init(&diag);
  if (till->sale.order[0] != '\0') return pay(till, &(struct words){.count = 1});
  say(till, "");
  enum err err = till->sale.card[0] == '\0' ? ERR_OK : read_member(till, &diag);
  if (err != ERR_OK && err != ERR_NOT_FOUND) return refuse(till, err, &diag);
  return evaluate(till);
}

static bool new_sale(struct till *till, const struct words *words) {
  (void)words;
  begin_sale(till);
  buffer_clear(&till->paper);
  return say(till, "a new sale");
}

static bool show_member(struct till *till, const struct words *words) {
  struct print_document document;
  (void)words;
  if (till->member.size_bytes == 0) return complain(till, "nobody is known%s", "; scan a card first");
  buffer_clear(&till->paper);
  if (print_document_init(&document, buffer_view(&till->member), NULL) == ERR_OK)
    print_loyalty_member(&document, &till->paper);
  print_document_release(&document);
  return say(till, "");
}

static bool show(struct till *till, const struct words *words) {
  (void)words;
  buffer_clear(&till->paper);
  return say(till, "");
}

static bool help(struct till *till, const struct words *words) {
  (void)words;
  buffer_clear(&till->paper);
  till_print_help(&till->paper);
  return say(till, "");
}

static bool quit(struct till *till, const struct words *words) {
  (void)words;
  till->quit = true;
  return say(till, "");
}

static const struct {
  const char *word, *args;
  size_t least, most; // words after it
  bool changes;       // the sale
  bool (*run)(struct till *till, const struct words *words);
  const char *help;
} commands[] = {
    {"card", "CARD", 1, 1, true, scan_card,
     "whose sale it is: loyalty_card:123, email:zoe@exemple.fr, c42, or a card's number"},
    {"add", "SKU [QUANTITY] [PRICE]", 1, 3, true, add, "a product; what the catalogue has needs no price"},
    {"drop", "SKU|CODE", 1, 1, true, drop, "take a product or a code out again"},
    {"code", "CODE", 1, 1, true, enter_code, "a voucher, a coupon or a gift card"},
    {"burn", "AMOUNT [PROGRAMME]", 1, 2, true, burn, "pay with so many points; 0: with none"},
    {"pay", "[ORDER]", 0, 1, false, pay, "book the sale, under an order number of your own if you give one"},
    {"return", "[ORDER] [SKU=QUANTITY,...]", 0, 2, false, give_back,
     "take an order back, whole or in part; the last one if you name none"},
    {"member", "", 0, 0, false, show_member, "balances, tier and vouchers of the card"},
    {"show", "", 0, 0, false, show, "the basket"},
    {"again", "", 0, 0, false, again, "ask once more after the network was gone"},
    {"new", "", 0, 0, false, new_sale, "forget this sale"},
    {"help", "", 0, 0, false, help, "this list"},
    {"quit", "", 0, 0, false, quit, "leave"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

void till_print_help(struct buffer *out) {
  char name[TILL_TEXT_BYTES];
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    snprintf(name, sizeof name, "%s %s", commands[i].word, commands[i].args);
    buffer_append_format(out, "%s\n      %s\n", name, commands[i].help);
  }
}

static bool unknown(struct till *till, const char *word) {
  const char *names[COMMAND_COUNT];
  for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i].word;
  const char *nearest = param_nearest(word, names, COMMAND_COUNT);
  if (nearest == NULL) return complain(till, "there is no command \"%.40s\"; \"help\" lists them", word);
  snprintf(till->notice, sizeof till->notice, "there is no command \"%.40s\"; did you mean \"%s\"?", word, nearest);
  till->failed = true;
  return false;
}

static bool run_words(struct till *till, const struct words *words) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (strcasecmp(commands[i].word, words->at[0]) != 0) continue;
    if (commands[i].changes && till->sale.order[0] != '\0')
      return complain(till, "this sale was sent and not answered: \"again\" asks for the answer, \"new\" forgets it%s",
                      "");
    if (words->count - 1 >= commands[i].least && words->count - 1 <= commands[i].most)
      return commands[i].run(till, words);
    snprintf(till->notice, sizeof till->notice, "it is: %s %s", commands[i].word, commands[i].args);
    till->failed = true;
    return false;
  }
  return unknown(till, words->at[0]);
}

bool till_run(struct till *till, const char *line) {
  char text[TILL_LINE_BYTES];
  struct words words = {.count = 0};
  if (strlen(line) >= sizeof text) return complain(till, "the line is too long%s", "");
  snprintf(text, sizeof text, "%s", line);
  for (char *rest = NULL, *word = strtok_r(text, " \t\r\n", &rest); word != NULL;
       word = strtok_r(NULL, " \t\r\n", &rest)) {
    if (words.count == WORDS_MAX) return complain(till, "there are too many words in this%s", "");
    words.at[words.count++] = word;
  }
  if (words.count == 0 || words.at[0][0] == '#') return say(till, "");
  return run_words(till, &words);
}
