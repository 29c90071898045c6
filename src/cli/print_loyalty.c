// print_loyalty: columns of a receipt are 80 wide at most; names are cut, amounts never.
#include "cli/print_loyalty.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
  LABEL_COLUMNS = 11,
  AMOUNT_COLUMNS = 10,
  NAME_COLUMNS = 38,
  SKU_COLUMNS = 16,
  TEXT_BYTES = 40,
  ID_COLUMNS = 40,
  SIDE_COLUMNS = 48
};

typedef char amount_text[TEXT_BYTES];

static bool has(const struct print_document *document, struct value of, const char *name) {
  return !value_is_absent(print_find(document, of, name));
}

static bool flag_of(const struct print_document *document, struct value of, const char *name) {
  bool flag = false;
  return value_as_bool(print_find(document, of, name), &flag) && flag;
}

// In units of 10^-scale; 0 for what is no number or too large. Numbers may be written as text.
static int64_t number_of(const struct print_document *document, struct value of, const char *name, int scale) {
  struct value value = print_find(document, of, name);
  struct decimal number;
  struct bytes text;
  int64_t whole = 0;
  bool read =
      value_as_number(value, &number) || (value_as_text(value, &text) && decimal_parse(text, &number, NULL) == ERR_OK);
  return read && decimal_to_scaled_i64(number, scale, &whole) == ERR_OK ? whole : 0;
}

static void format_cents(int64_t cents, amount_text out) {
  uint64_t size = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;
  snprintf(out, sizeof(amount_text), "%s%" PRIu64 ".%02u", cents < 0 ? "-" : "", size / 100, (unsigned)(size % 100));
}

static bool is_empty(struct value list) {
  struct value_iter iter = value_iterate(list);
  return !value_next(&iter);
}

// "Taken off      -10.00  ", what a line of a receipt begins with.
static void begin_line(struct buffer *out, const char *label, const char *amount) {
  buffer_append_format(out, "%-*s %*s  ", LABEL_COLUMNS, label, AMOUNT_COLUMNS, amount);
}

static void begin_points(struct buffer *out, const char *label, const struct print_document *document, struct value of,
                         const char *words) {
  struct buffer amount;
  buffer_init(&amount);
  print_words(&amount, document, of, words);
  buffer_append_byte(&amount, '\0');
  begin_line(out, label, amount.failed ? "" : (const char *)amount.data);
  buffer_release(&amount);
}

static void money_line(struct buffer *out, const char *label, int64_t cents) {
  amount_text text;
  format_cents(cents, text);
  buffer_append_format(out, "%-*s %*s\n", LABEL_COLUMNS, label, AMOUNT_COLUMNS, text);
}

typedef void item_fn(const struct print_document *document, struct value item, struct buffer *out);

static void print_each(const struct print_document *document, struct value list, item_fn *print, struct buffer *out) {
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) print(document, iter.item, out);
}

// A page of items, and how to see the next.
static void print_page(const struct print_document *document, const char *none, item_fn *print, struct buffer *out) {
  struct value items = print_find(document, document->root, "items");
  if (is_empty(items)) buffer_append_text(out, none);
  print_each(document, items, print, out);
  if (print_find_text(document, document->root, "next").size_bytes > 0)
    print_words(out, document, document->root, "  more: --after {next}\n");
}

static void append_text(struct buffer *out, const struct print_document *document, struct value of, const char *name) {
  print_clean(out, print_find_text(document, of, name), ID_COLUMNS);
}

// --- lines of a basket -----------------------------------------------------------------------------------------

// What all discounts together take off a line, in cents.
static int64_t discount_of(const struct print_document *document, struct value reply, struct bytes line) {
  struct value_iter effects = value_iterate(print_find(document, reply, "effects"));
  int64_t cents = 0;
  while (value_next(&effects)) {
    struct value_iter lines = value_iterate(print_find(document, effects.item, "lines"));
    while (value_next(&lines))
      if (bytes_equal(print_find_text(document, lines.item, "line_id"), line))
        cents += number_of(document, lines.item, "amount", 2);
  }
  return cents;
}

// Price times quantity, half up; amounts of a receipt are for reading, the engine's count.
static int64_t line_cents(const struct print_document *document, struct value product) {
  bool counted = has(document, product, "quantity");
  int64_t cents, quantity = counted ? number_of(document, product, "quantity", 3) : 1000;
  if (__builtin_mul_overflow(number_of(document, product, "price", 2), quantity, &cents)) return 0;
  return cents / 1000 + (cents % 1000 >= 500);
}

static void print_product(const struct print_document *document, struct value product, int64_t discount,
                          struct buffer *out) {
  struct bytes sku = print_find_text(document, product, "sku"), name = print_find_text(document, product, "name");
  amount_text price, off = "", left;
  if (sku.size_bytes == 0) sku = print_find_text(document, product, "product_id");
  format_cents(number_of(document, product, "price", 2), price);
  format_cents(line_cents(document, product) - discount, left);
  if (discount != 0) format_cents(-discount, off);
  buffer_append_text(out, "  ");
  if (!has(document, product, "quantity"))
    buffer_append_text(out, "1     ");
  else
    print_value(out, document, print_find(document, product, "quantity"), 6, true);
  size_t used = 1 + print_clean(out, sku, SKU_COLUMNS);
  buffer_append_byte(out, ' ');
  used += print_clean(out, name, NAME_COLUMNS - used);
  buffer_append_format(out, "%*s %*s %*s %*s\n", (int)(NAME_COLUMNS - used), "", AMOUNT_COLUMNS, price, AMOUNT_COLUMNS,
                       off, AMOUNT_COLUMNS, left);
}

void print_loyalty_lines(const struct print_document *document, struct value request, struct value reply,
                         struct buffer *out) {
  struct value list = print_find(document, print_find(document, request, "cart"), "products");
  struct value_iter products = value_iterate(list);
  if (!is_empty(list))
    buffer_append_format(out, "  %-6s%-*s %*s %*s %*s\n", "", NAME_COLUMNS, "", AMOUNT_COLUMNS, "price", AMOUNT_COLUMNS,
                         "off", AMOUNT_COLUMNS, "amount");
  for (size_t i = 1; value_next(&products); i++) {
    char number[TEXT_BYTES];
    struct bytes id = print_find_text(document, products.item, "line_id");
    snprintf(number, sizeof number, "%zu", i);
    if (id.size_bytes == 0) id = bytes_from_text(number);
    print_product(document, products.item, discount_of(document, reply, id), out);
  }
}

// --- effects ---------------------------------------------------------------------------------------------------

static bool is_of_type(const struct print_document *document, struct value effect, const char *type) {
  return bytes_equal(print_find_text(document, effect, "type"), bytes_from_text(type));
}

// What it comes from: the code, or the rule with its campaign.
static void append_origin(struct buffer *out, const struct print_document *document, struct value effect) {
  bool code = has(document, effect, "code");
  print_words(out, document, effect, code ? "{code:text}" : "{rule:text}");
  if (!code && has(document, effect, "campaign")) print_words(out, document, effect, " of {campaign:text}");
}

static void print_discount(const struct print_document *document, struct value effect, struct buffer *out) {
  amount_text text;
  format_cents(-number_of(document, effect, "amount", 2), text);
  begin_line(out, "Taken off", text);
  append_origin(out, document, effect);
  int64_t shipping = number_of(document, effect, "shipping", 2);
  if (shipping != 0) {
    format_cents(shipping, text);
    buffer_append_format(out, ", and %s of the shipping", text);
  }
  buffer_append_byte(out, '\n');
}

static void print_payment(const struct print_document *document, struct value effect, struct buffer *out) {
  amount_text text;
  format_cents(-number_of(document, effect, "amount", 2), text);
  begin_line(out, "Paid with", text);
  print_words(out, document, effect, has(document, effect, "card") ? "card {card:text}\n" : "{points} points\n");
}

static void append_day(struct buffer *out, const struct print_document *document, struct value of, const char *name,
                       const char *words) {
  struct bytes text = print_find_text(document, of, name);
  if (text.size_bytes < PRINT_DAY_BYTES) return;
  buffer_append_text(out, words);
  print_clean(out, bytes_of(text.data, PRINT_DAY_BYTES), 0);
}

static void print_earned(const struct print_document *document, struct value effect, struct buffer *out) {
  begin_points(out, "To come", document, effect, "+{amount}");
  print_words(out, document, effect, "{currency:text} for ");
  append_origin(out, document, effect);
  if (!has(document, effect, "active_at")) buffer_append_text(out, ", later");
  append_day(out, document, effect, "active_at", ", from ");
  append_day(out, document, effect, "expires_on", " until ");
  if (has(document, effect, "trimmed_by")) print_words(out, document, effect, ", cut: {trimmed_by:text}");
  buffer_append_byte(out, '\n');
}

static void print_given(const struct print_document *document, struct value effect, struct buffer *out) {
  begin_line(out, "Voucher", "");
  print_words(out, document, effect, "{code:text} for {rule:text}\n");
}

static void print_of_type(const struct print_document *document, struct value reply, const char *type, item_fn *print,
                          struct buffer *out) {
  struct value_iter effects = value_iterate(print_find(document, reply, "effects"));
  while (value_next(&effects))
    if (is_of_type(document, effects.item, type)) print(document, effects.item, out);
}

static void print_rejected(const struct print_document *document, struct value reply, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, reply, "rejected"));
  while (value_next(&iter)) {
    begin_line(out, "Not taken", "");
    append_origin(out, document, iter.item);
    buffer_append_text(out, ": ");
    print_clean(out, print_find_text(document, iter.item, "message"), 0);
    print_words(out, document, iter.item, " ({reason:text})\n");
  }
}

static void print_missing(const struct print_document *document, struct value reply, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, reply, "missing"));
  while (value_next(&iter)) {
    bool tier = has(document, iter.item, "tier");
    if (number_of(document, iter.item, "amount", 0) <= 0) continue;
    begin_line(out, "Missing", "");
    print_words(out, document, iter.item,
                tier ? "{amount} to the tier {tier:text}\n" : "{amount} to the reward {reward:text}\n");
  }
}

void print_loyalty_effects(const struct print_document *document, struct value reply, struct buffer *out) {
  struct value totals = print_find(document, reply, "totals");
  int64_t shipping = number_of(document, totals, "shipping", 2);
  money_line(out, "Goods", number_of(document, totals, "amount", 2));
  print_of_type(document, reply, "discount", print_discount, out);
  if (shipping != 0) money_line(out, "Shipping", shipping);
  print_of_type(document, reply, "pay", print_payment, out);
  money_line(out, "To pay", number_of(document, totals, "to_pay", 2));
  print_of_type(document, reply, "points", print_earned, out);
  print_of_type(document, reply, "voucher", print_given, out);
  print_rejected(document, reply, out);
  print_missing(document, reply, out);
}

struct value print_loyalty_reply(const struct print_document *document, struct value reply, bool *replayed) {
  bool again = flag_of(document, reply, "replayed");
  struct value inner = print_find(document, reply, "reply");
  if (replayed != NULL) *replayed = again;
  return again && value_type(inner) == VALUE_DOCUMENT ? inner : reply;
}

void print_loyalty_receipt(const struct print_document *document, struct buffer *out) {
  bool replayed;
  struct value reply = print_loyalty_reply(document, print_find(document, document->root, "reply"), &replayed);
  if (flag_of(document, document->root, "booked")) {
    print_words(out, document, reply, "Order {order:text} of {customer:text}");
    buffer_append_text(out, replayed ? ", taken before: this is what was said then\n" : "\n");
  }
  print_loyalty_lines(document, print_find(document, document->root, "request"), reply, out);
  print_loyalty_effects(document, reply, out);
}

// --- returns ---------------------------------------------------------------------------------------------------

static void print_tenders(const struct print_document *document, struct value refund, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, refund, "tenders"));
  while (value_next(&iter)) {
    amount_text text;
    int64_t cents = number_of(document, iter.item, "amount", 2);
    if (cents == 0) continue;
    format_cents(cents, text);
    begin_line(out, "Given back", text);
    bool card = has(document, iter.item, "card");
    print_words(out, document, iter.item, card ? "on card {card:text}\n" : "as {points} points\n");
  }
}

static void print_taken_back(const struct print_document *document, struct value reply, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, reply, "points"));
  while (value_next(&iter)) {
    begin_points(out, "Taken back", document, iter.item, "{taken_back}");
    append_text(out, document, iter.item, "currency");
    if (number_of(document, iter.item, "uncollected", 2) != 0)
      print_words(out, document, iter.item, "; {uncollected} were spent already and could not be");
    buffer_append_byte(out, '\n');
  }
}

void print_loyalty_return(const struct print_document *document, struct buffer *out) {
  bool replayed;
  struct value reply = print_loyalty_reply(document, document->root, &replayed);
  struct value refund = print_find(document, reply, "refund");
  print_words(out, document, reply, "Return {return_id:text} of order {order:text}");
  buffer_append_text(out, replayed ? ", taken before: this is what was said then\n" : "\n");
  money_line(out, "Refund", number_of(document, refund, "amount", 2));
  print_tenders(document, refund, out);
  money_line(out, "In money", number_of(document, refund, "money", 2));
  print_taken_back(document, reply, out);
}

// --- members ---------------------------------------------------------------------------------------------------

static void append_part(struct buffer *out, const struct print_document *document, struct value of, const char *name,
                        const char *words) {
  if (number_of(document, of, name, 2) == 0) return;
  buffer_append_text(out, ", ");
  print_member(out, document, of, name, 0);
  buffer_append_format(out, " %s", words);
}

static void print_balances(const struct print_document *document, struct value wallet, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, wallet, "balances"));
  while (value_next(&iter)) {
    print_words(out, document, iter.item, "  {currency:12}  {available} available");
    append_part(out, document, iter.item, "pending", "pending");
    append_part(out, document, iter.item, "held", "held");
    append_part(out, document, iter.item, "debt", "owed");
    append_part(out, document, iter.item, "spent", "spent so far");
    append_part(out, document, iter.item, "expired", "expired so far");
    buffer_append_byte(out, '\n');
  }
}

static void print_tier(const struct print_document *document, struct value wallet, struct buffer *out) {
  struct value tier = print_find(document, wallet, "tier");
  if (value_is_absent(tier)) return;
  buffer_append_format(out, "  %-12s  ", "tier");
  append_text(out, document, tier, "level");
  append_day(out, document, tier, "since", " since ");
  print_words(out, document, tier, ", {qualifying} counted");
  if (has(document, tier, "next")) print_words(out, document, tier, "; {missing} more for {next:text}");
  buffer_append_byte(out, '\n');
}

struct dated {
  struct bytes day; // empty: for ever
  struct value lot;
};

static int by_day(const void *a, const void *b) {
  const struct dated *first = a, *second = b;
  if ((first->day.size_bytes == 0) != (second->day.size_bytes == 0)) return first->day.size_bytes == 0 ? 1 : -1;
  return bytes_compare(first->day, second->day);
}

static void print_lot(const struct print_document *document, const struct dated *dated, struct buffer *out) {
  print_words(out, document, dated->lot, "  {left:12}  {currency:text}");
  if (dated->day.size_bytes > 0)
    append_day(out, document, dated->lot, "expires_on", " until ");
  else
    buffer_append_text(out, " for ever");
  append_part(out, document, dated->lot, "pending", "of them pending");
  if (number_of(document, dated->lot, "pending", 2) != 0) append_day(out, document, dated->lot, "active_at", " until ");
  append_part(out, document, dated->lot, "held", "of them held");
  append_day(out, document, dated->lot, "earned_at", ", earned ");
  buffer_append_byte(out, '\n');
}

static void print_lots(const struct print_document *document, struct value wallet, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, wallet, "lots"));
  size_t count = 0, used = 0;
  for (struct value_iter each = iter; value_next(&each);) count++;
  struct dated *lots = count == 0 ? NULL : alloc_get(count * sizeof *lots);
  if (count > 0 && lots == NULL) out->failed = true;
  while (lots != NULL && value_next(&iter))
    if (number_of(document, iter.item, "left", 2) != 0)
      lots[used++] = (struct dated){print_find_text(document, iter.item, "expires_on"), iter.item};
  if (used > 1) qsort(lots, used, sizeof *lots, by_day);
  if (used > 0) buffer_append_text(out, "\nThe next to expire first\n");
  for (size_t i = 0; i < used; i++) print_lot(document, &lots[i], out);
  alloc_free(lots);
}

// By the id that captures it: the customer's number is a part of it.
static void print_hold(const struct print_document *document, struct value hold, struct buffer *out) {
  struct bytes customer = print_find_text(document, document->root, "customer"),
               id = print_find_text(document, hold, "id");
  if (customer.size_bytes < 2 || id.size_bytes < 2) return;
  buffer_append_format(out, "  h%.*s-%.*s  ", (int)customer.size_bytes - 1, (const char *)customer.data + 1,
                       (int)id.size_bytes - 1, (const char *)id.data + 1);
  print_words(out, document, hold, "{amount} {currency:text} until {expires_at:minute} UTC\n");
}

static void print_wallet(const struct print_document *document, struct value wallet, struct buffer *out) {
  struct value holds = print_find(document, wallet, "holds");
  print_words(out, document, wallet, "\nProgramme {programme:text}\n");
  print_balances(document, wallet, out);
  print_tier(document, wallet, out);
  print_lots(document, wallet, out);
  if (is_empty(holds)) return;
  buffer_append_text(out, "\nHeld\n");
  print_each(document, holds, print_hold, out);
}

static void print_code_row(const struct print_document *document, struct value code, struct buffer *out) {
  amount_text text;
  print_words(out, document, code, "  {code:22}  {voucher:14}  {state:text}");
  if (has(document, code, "reason")) print_words(out, document, code, ": {reason:text}");
  if (has(document, code, "balance")) {
    format_cents(number_of(document, code, "balance", 2), text);
    buffer_append_format(out, ", %s left", text);
  } else if (number_of(document, code, "uses", 0) != 0) {
    print_words(out, document, code, ", used {uses}");
    buffer_append_text(out, number_of(document, code, "uses", 0) == 1 ? " time" : " times");
  }
  append_day(out, document, code, "valid_to", ", until ");
  buffer_append_byte(out, '\n');
}

void print_loyalty_member(const struct print_document *document, struct buffer *out) {
  struct value programmes = print_find(document, document->root, "programmes");
  struct value vouchers = print_find(document, document->root, "vouchers");
  append_text(out, document, document->root, "customer");
  buffer_append_text(out, is_empty(programmes) ? " is in no programme yet: a first order makes a member\n" : "\n");
  print_each(document, programmes, print_wallet, out);
  if (is_empty(vouchers)) return;
  buffer_append_text(out, "\nVouchers\n");
  print_each(document, vouchers, print_code_row, out);
}

static void print_posting(const struct print_document *document, struct value posting, struct buffer *out) {
  struct value_iter entries = value_iterate(print_find(document, posting, "entries"));
  while (value_next(&entries)) {
    print_words(out, document, posting, "  {effective_at:minute}  {id:8}{kind:12}");
    print_words(out, document, entries.item, "{amount:9}{currency:10}{from} -> {to}");
    static const char *const why[] = {"reference", "rule", "author", "reason"};
    for (size_t i = 0; i < sizeof why / sizeof *why; i++) {
      if (!has(document, posting, why[i])) continue;
      buffer_append_format(out, i == 0 ? ", " : ", %s ", why[i]);
      print_value(out, document, print_find(document, posting, why[i]), ID_COLUMNS, false);
    }
    buffer_append_byte(out, '\n');
  }
}

// What of a side is not the same on the other; whole values, shortened.
static void print_side(const struct print_document *document, struct value side, struct value other, const char *word,
                       struct buffer *out) {
  if (value_is_absent(side) || value_type(side) != VALUE_DOCUMENT) return;
  bool compares = !value_is_absent(other) && value_type(other) == VALUE_DOCUMENT;
  struct value_iter iter = value_iterate(side);
  size_t told = 0;
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, document->names);
    struct value same = compares ? value_member(other, document->names, name) : (struct value){{NULL, 0}};
    if (!value_is_absent(same) && bytes_equal(same.packed, iter.item.packed)) continue;
    buffer_append_format(out, told == 0 ? "    %-7s" : "%s", told == 0 ? word : ", ");
    told++;
    print_clean(out, name, 0);
    buffer_append_byte(out, ' ');
    print_value(out, document, iter.item, SIDE_COLUMNS, false);
  }
  if (told > 0) buffer_append_byte(out, '\n');
}

static void print_change(const struct print_document *document, struct value change, struct buffer *out) {
  struct value before = print_find(document, change, "before"), after = print_find(document, change, "after");
  static const char *const more[] = {"programme", "customer", "reason"};
  print_words(out, document, change, "{at:minute}  {action:24}{subject} by {author}");
  for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
    if (!has(document, change, more[i])) continue;
    buffer_append_format(out, ", %s ", more[i]);
    print_value(out, document, print_find(document, change, more[i]), SIDE_COLUMNS, false);
  }
  buffer_append_byte(out, '\n');
  print_side(document, before, after, "before", out);
  print_side(document, after, before, "after", out);
}

void print_loyalty_audit(const struct print_document *document, struct buffer *out) {
  print_page(document, "nothing was changed yet\n", print_change, out);
}

void print_loyalty_statement(const struct print_document *document, struct buffer *out) {
  print_page(document, "nothing was posted yet\n", print_posting, out);
}

// --- points and codes --------------------------------------------------------------------------------------------

void print_loyalty_points(const struct print_document *document, struct buffer *out) {
  bool replayed;
  struct value reply = print_loyalty_reply(document, document->root, &replayed);
  if (has(document, reply, "approval")) {
    print_words(out, document, reply, "waits for a second person, as {approval:text}\n");
    return;
  }
  bool hold = has(document, reply, "hold");
  if (replayed) buffer_append_text(out, "done before: this is what was said then\n");
  bool joined = !has(document, reply, "id");
  append_text(out, document, reply, hold ? "hold" : joined ? "customer" : "id");
  if (hold) print_words(out, document, reply, " {status:text} {amount}");
  if (hold && bytes_equal(print_find_text(document, reply, "status"), BYTES("held")))
    print_words(out, document, reply, " until {expires_at:minute} UTC");
  buffer_append_byte(out, '\n');
  print_balances(document, print_find(document, reply, "balance"), out);
}

void print_loyalty_codes(const struct print_document *document, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(document, document->root, "codes"));
  while (value_next(&iter)) {
    struct bytes text;
    if (value_as_text(iter.item, &text))
      print_clean(out, text, 0);
    else
      append_text(out, document, iter.item, "code");
    buffer_append_byte(out, '\n');
  }
}

void print_loyalty_validation(const struct print_document *document, struct buffer *out) {
  if (flag_of(document, document->root, "valid")) {
    buffer_append_text(out, "good\n");
    return;
  }
  buffer_append_text(out, "not good: ");
  print_clean(out, print_find_text(document, document->root, "message"), 0);
  print_words(out, document, document->root, " ({reason:text})\n");
}

// --- programmes --------------------------------------------------------------------------------------------------

// Sums of everybody may pass 64 bits; null is worth more than can be told.
static void append_sum(struct buffer *out, const struct print_document *document, struct value of, const char *name) {
  struct value value = print_find(document, of, name);
  char text[DECIMAL_TEXT_BYTES];
  struct decimal number;
  if (value_as_number(value, &number)) {
    decimal_format(number, text);
    buffer_append_text(out, text);
  } else {
    buffer_append_text(out, "more than can be told");
  }
}

static void append_worth(struct buffer *out, const struct print_document *document, struct value of, const char *name) {
  struct decimal number;
  amount_text money;
  int64_t cents;
  bool fits =
      value_as_number(print_find(document, of, name), &number) && decimal_to_scaled_i64(number, 2, &cents) == ERR_OK;
  if (fits) format_cents(cents, money);
  if (fits)
    buffer_append_text(out, money);
  else
    append_sum(out, document, of, name);
}

static void print_owed(const struct print_document *document, struct value currency, struct buffer *out) {
  struct decimal undated;
  print_words(out, document, currency, "\n{currency:text}: worth ");
  append_worth(out, document, currency, "money");
  buffer_append_text(out, ", of which ");
  append_worth(out, document, currency, "expected_money");
  buffer_append_text(out, " is expected to be spent\n");
  static const char *const parts[] = {"active", "pending", "held", "debt"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    buffer_append_format(out, "  %-14s", parts[i]);
    print_member(out, document, currency, parts[i], 0);
    buffer_append_byte(out, '\n');
  }
  struct value_iter months = value_iterate(print_find(document, currency, "by_month"));
  buffer_append_text(out, "  expires in\n");
  while (value_next(&months)) print_words(out, document, months.item, "    {month:12}{amount}\n");
  if (!value_as_number(print_find(document, currency, "undated"), &undated) || undated.coefficient == 0) return;
  buffer_append_format(out, "    %-12s", "never");
  print_words(out, document, currency, "{undated}\n");
}

void print_loyalty_liability(const struct print_document *document, struct buffer *out) {
  print_words(out, document, document->root, "Programme {programme:text}, {members}");
  buffer_append_text(out, number_of(document, document->root, "members", 0) == 1 ? " member\n" : " members\n");
  print_each(document, print_find(document, document->root, "currencies"), print_owed, out);
}

static void print_document_row(const struct print_document *document, struct value item, struct buffer *out) {
  print_words(out, document, item, "  {id:18} version {version:4}{name:text}");
  if (has(document, item, "programme")) print_words(out, document, item, ", of {programme:text}");
  buffer_append_text(out, flag_of(document, item, "archived") ? ", archived\n" : "\n");
}

void print_loyalty_documents(const struct print_document *document, struct buffer *out) {
  print_page(document, "nothing found\n", print_document_row, out);
}
