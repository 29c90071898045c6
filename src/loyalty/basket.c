// basket: the properties of an order as lines of whole cents.
//
// Numbers are JSON numbers only: the expressions of rules read the same document, and a price that is text is nothing
// to them. Each price is kept to the cent; what a line costs is price times quantity, rounded half-even once. Sums are
// checked as they grow, so that no later sum over a basket can leave 64 bits: lines and shipping together fit, and
// discounts are never more than these.
//
// Without products the whole order is one line. Segment's "total" has the shipping in it, "revenue" has not: of a total
// the line is what remains without the shipping, so that what is due is the total.
#include "loyalty/basket.h"

#include <stdlib.h>

#include "base/limits.h"
#include "loyalty/basket_private.h"
#include "loyalty/exact.h"

// --- members -------------------------------------------------------------------------------------------------

static struct value member(const struct basket_source *source, struct value document, const char *name) {
  return value_member(document, source->names, bytes_from_text(name));
}

static bool is_missing(struct value value) {
  return value_is_absent(value) || value_type(value) == VALUE_NULL;
}

static enum err refuse(const struct basket_source *source, const char *name, enum err err, const char *code,
                       const char *words) {
  diag_set(source->diag, err, code, "%s", words);
  diag_in_field(source->diag, "%s", name);
  return err;
}

size_t basket_items(struct value list) {
  size_t count = 0;
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) count++;
  return count;
}

// A number as an id. 4711.0 is no whole number to the eye, and is refused.
static enum err number_text(const struct basket_source *source, struct decimal number, const char *name,
                            struct bytes *out) {
  char text[DECIMAL_TEXT_BYTES];
  if (number.exponent != 0) return refuse(source, name, ERR_INVALID, "wrong_type", "expected a text");
  *out = arena_copy(source->arena, bytes_of(text, decimal_format(number, text)));
  return out->data == NULL ? diag_no_memory(source->diag) : ERR_OK;
}

enum err basket_text(const struct basket_source *source, struct value document, const char *name, struct bytes *out) {
  struct value value = member(source, document, name);
  struct decimal number;
  struct bytes text;
  *out = bytes_of(NULL, 0);
  if (is_missing(value)) return ERR_OK;
  if (value_as_number(value, &number)) return number_text(source, number, name, out);
  if (!value_as_text(value, &text)) return refuse(source, name, ERR_INVALID, "wrong_type", "expected a text");
  if (text.size_bytes > LIMIT_IDENTIFIER_BYTES)
    return refuse(source, name, ERR_LIMIT, "too_long", "the text is too long");
  if (text.size_bytes == 0) return ERR_OK;
  *out = arena_copy(source->arena, text);
  return out->data == NULL ? diag_no_memory(source->diag) : ERR_OK;
}

enum err basket_quantity(const struct basket_source *source, struct value document, int64_t *quantity, bool *found) {
  struct value value = member(source, document, "quantity");
  struct decimal number;
  *found = !is_missing(value);
  if (!*found) return ERR_OK;
  if (!value_as_number(value, &number))
    return refuse(source, "quantity", ERR_INVALID, "wrong_type", "expected a number");
  enum err err = decimal_to_scaled_i64(number, 3, quantity);
  if (err == ERR_LIMIT && !number.negative)
    return refuse(source, "quantity", ERR_LIMIT, "overflow", "the quantity is too large");
  if (err != ERR_OK || *quantity <= 0)
    return refuse(source, "quantity", ERR_INVALID, "bad_quantity",
                  "expected a number above zero with at most three digits after the point");
  return ERR_OK;
}

// Cents. *found is false when there is none; then *cents is 0.
static enum err read_money(const struct basket_source *source, struct value document, const char *name, int64_t *cents,
                           bool *found) {
  struct value value = member(source, document, name);
  struct decimal number;
  *cents = 0;
  *found = !is_missing(value);
  if (!*found) return ERR_OK;
  if (!value_as_number(value, &number)) return refuse(source, name, ERR_INVALID, "wrong_type", "expected a number");
  if (number.negative && number.coefficient > 0)
    return refuse(source, name, ERR_INVALID, "bad_amount", "expected an amount that is not below zero");
  enum err err = decimal_to_scaled_i64(number, 2, cents);
  if (err == ERR_LIMIT) return refuse(source, name, ERR_LIMIT, "overflow", "the amount is too large");
  if (err != ERR_OK)
    return refuse(source, name, ERR_INVALID, "bad_amount", "expected at most two digits after the point");
  return ERR_OK;
}

// Whoever names a currency names that of the programme: nobody converts.
static enum err check_currency(const struct basket_source *source, struct bytes currency) {
  if (currency.size_bytes == 0 || source->currency.size_bytes == 0 ||
      bytes_equal_ascii_case(currency, source->currency))
    return ERR_OK;
  diag_set(source->diag, ERR_INVALID, "currency_mismatch", "expected %.*s, the money of the programme",
           BYTES_ARG(source->currency));
  diag_in_field(source->diag, "currency");
  return ERR_INVALID;
}

// --- lines ---------------------------------------------------------------------------------------------------

static enum err name_line(const struct basket_source *source, struct value product, size_t index,
                          struct loyalty_line *line) {
  enum err err = basket_text(source, product, "line_id", &line->id);
  if (err == ERR_OK) err = basket_text(source, product, "sku", &line->sku);
  if (err == ERR_OK && line->sku.size_bytes == 0) err = basket_text(source, product, "product_id", &line->sku);
  if (err != ERR_OK || line->id.size_bytes > 0) return err;
  char *number = arena_format(source->arena, "%zu", index + 1);
  if (number == NULL) return diag_no_memory(source->diag);
  line->id = bytes_from_text(number);
  return ERR_OK;
}

static enum err read_line(const struct basket_source *source, struct value product, size_t index,
                          struct loyalty_line *line) {
  struct bytes currency;
  int64_t price;
  bool found;
  *line = (struct loyalty_line){.quantity = LOYALTY_QUANTITY_UNIT, .value = product};
  if (value_type(product) != VALUE_DOCUMENT)
    return diag_set(source->diag, ERR_INVALID, "wrong_type", "expected an object");
  enum err err = name_line(source, product, index, line);
  if (err == ERR_OK) err = basket_text(source, product, "currency", &currency);
  if (err == ERR_OK) err = check_currency(source, currency);
  if (err == ERR_OK) err = read_money(source, product, "price", &price, &found);
  if (err != ERR_OK) return err;
  if (!found) return refuse(source, "price", ERR_INVALID, "missing_member", "missing: the price of one");
  err = basket_quantity(source, product, &line->quantity, &found);
  if (err != ERR_OK) return err;
  if (!exact_round(price, line->quantity, LOYALTY_QUANTITY_UNIT, &line->amount))
    return diag_set(source->diag, ERR_LIMIT, "overflow", "price times quantity is too large");
  return ERR_OK;
}

struct named {
  struct bytes id;
  size_t index;
};

static int by_id(const void *a, const void *b) {
  const struct named *left = a, *right = b;
  int order = bytes_compare(left->id, right->id);
  if (order != 0) return order;
  return left->index < right->index ? -1 : 1;
}

// Returns name lines by id: two of one id cannot be told apart.
static enum err check_ids(const struct basket_source *source, const struct loyalty_basket *basket) {
  struct named *named = arena_take_zero(source->arena, basket->line_count, sizeof *named);
  if (named == NULL) return diag_no_memory(source->diag);
  for (size_t i = 0; i < basket->line_count; i++) named[i] = (struct named){basket->lines[i].id, i};
  qsort(named, basket->line_count, sizeof *named, by_id);
  for (size_t i = 1; i < basket->line_count; i++) {
    if (!bytes_equal(named[i].id, named[i - 1].id)) continue;
    diag_set(source->diag, ERR_INVALID, "duplicate_line", "products[%zu] has this id, too", named[i - 1].index);
    diag_in_field(source->diag, "products[%zu].line_id", named[i].index);
    return ERR_INVALID;
  }
  return ERR_OK;
}

static enum err add_line(const struct basket_source *source, struct loyalty_basket *basket, int64_t amount) {
  if (__builtin_add_overflow(basket->amount, amount, &basket->amount))
    return diag_set(source->diag, ERR_LIMIT, "overflow", "the lines add up to too much");
  return ERR_OK;
}

static enum err read_lines(const struct basket_source *source, struct value products, struct loyalty_basket *basket) {
  size_t count = basket_items(products);
  if (count > LOYALTY_LINES_MAX) {
    diag_set(source->diag, ERR_LIMIT, "too_many", "expected at most %d lines", LOYALTY_LINES_MAX);
    diag_in_field(source->diag, "products");
    return ERR_LIMIT;
  }
  basket->lines = arena_take_zero(source->arena, count, sizeof *basket->lines);
  if (basket->lines == NULL) return diag_no_memory(source->diag);
  struct value_iter iter = value_iterate(products);
  for (size_t i = 0; value_next(&iter); i++) {
    enum err err = read_line(source, iter.item, i, &basket->lines[i]);
    if (err == ERR_OK) err = add_line(source, basket, basket->lines[i].amount);
    if (err == ERR_OK) continue;
    diag_in_field(source->diag, "products[%zu]", i);
    return err;
  }
  basket->line_count = count;
  return check_ids(source, basket);
}

// One line of what the order comes to. *found: there is such a sum.
static enum err read_sum(const struct basket_source *source, struct value value, struct loyalty_basket *basket,
                         bool *found) {
  int64_t amount;
  enum err err = read_money(source, value, "total", &amount, found);
  if (err != ERR_OK) return err;
  if (*found && amount < basket->shipping)
    return refuse(source, "total", ERR_INVALID, "bad_amount", "the total is less than the shipping that is in it");
  if (*found) {
    amount -= basket->shipping;
  } else {
    err = read_money(source, value, "revenue", &amount, found);
  }
  if (err != ERR_OK || !*found) return err;
  basket->lines = arena_take_zero(source->arena, 1, sizeof *basket->lines);
  if (basket->lines == NULL) return diag_no_memory(source->diag);
  basket->lines[0] = (struct loyalty_line){.id = BYTES("1"), .quantity = LOYALTY_QUANTITY_UNIT, .amount = amount};
  basket->line_count = 1;
  return add_line(source, basket, amount);
}

static enum err read_products(const struct basket_source *source, struct value value, struct loyalty_basket *basket) {
  struct value products = member(source, value, "products");
  bool listed = !is_missing(products), found = false;
  if (listed && value_type(products) != VALUE_LIST)
    return refuse(source, "products", ERR_INVALID, "wrong_type", "expected a list of objects");
  if (listed && basket_items(products) > 0) return read_lines(source, products, basket);
  enum err err = read_sum(source, value, basket, &found);
  if (err == ERR_OK && !found && !listed)
    return refuse(source, "products", ERR_INVALID, "missing_member", "missing: the products, or a total");
  return err;
}

// --- the whole -----------------------------------------------------------------------------------------------

static enum err read_head(const struct basket_source *source, struct value value, struct loyalty_basket *basket) {
  bool found;
  enum err err = basket_text(source, value, "order_id", &basket->order);
  if (err == ERR_OK) err = basket_text(source, value, "currency", &basket->currency);
  if (err == ERR_OK) err = check_currency(source, basket->currency);
  if (err == ERR_OK) err = read_money(source, value, "shipping", &basket->shipping, &found);
  return err == ERR_OK ? read_money(source, value, "tax", &basket->tax, &found) : err;
}

enum err loyalty_basket_read(struct value value, const struct names *names, struct bytes currency, struct arena *arena,
                             struct loyalty_basket *basket, struct diag *diag) {
  struct basket_source source = {names, arena, diag, currency};
  int64_t whole;
  *basket = (struct loyalty_basket){.value = value};
  if (value_type(value) != VALUE_DOCUMENT) return diag_set(diag, ERR_INVALID, "wrong_type", "expected an object");
  enum err err = read_head(&source, value, basket);
  if (err == ERR_OK) err = read_products(&source, value, basket);
  if (err != ERR_OK) return err;
  if (__builtin_add_overflow(basket->amount, basket->shipping, &whole))
    return diag_set(diag, ERR_LIMIT, "overflow", "lines and shipping add up to too much");
  return ERR_OK;
}

int64_t loyalty_basket_due(const struct loyalty_basket *basket) {
  return basket->amount - basket->discount + (basket->shipping - basket->shipping_discount);
}
