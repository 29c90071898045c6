// paid: an order as rules see it.
//
// What is paid is parted between the lines, all in all, and the shipping, by what is due for each, and the lines' part
// is shared out over them by loyalty_share_out: so everything adds up, and where all that is due is paid by money or
// card each line's share is its amount less its discount.
#include "loyalty/exact.h"
#include "loyalty/set.h"

struct writing {
  struct value_builder *builder;
  const struct names *names;
};

static void put_name(struct writing *writing, const char *name) {
  value_put_name(writing->builder, bytes_from_text(name));
}

static void put_money(struct writing *writing, const char *name, int64_t cents) {
  uint64_t size = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;
  put_name(writing, name);
  value_put_number(writing->builder, (struct decimal){.coefficient = size, .exponent = -2, .negative = cents < 0});
}

static void put_member(struct writing *writing, const struct value_iter *iter, struct value value) {
  value_put_name(writing->builder, value_iter_name(iter, writing->names));
  value_put_value(writing->builder, value);
}

static bool is_one_of(struct bytes name, const char *const *words) {
  for (; *words != NULL; words++)
    if (bytes_equal(name, bytes_from_text(*words))) return true;
  return false;
}

static void put_others(struct writing *writing, struct value document, const char *const *words) {
  if (value_type(document) != VALUE_DOCUMENT) return;
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter))
    if (!is_one_of(value_iter_name(&iter, writing->names), words)) put_member(writing, &iter, iter.item);
}

// What orders and their lines are given, whatever came.
static const char *const OF_ORDER[] = {"paid", "paid_lines", "discount", "products", NULL};
static const char *const OF_LINE[] = {"paid", "amount", "line_id", NULL};

bool loyalty_gives_property(struct bytes event, struct bytes name) {
  return bytes_equal(event, BYTES("Order Completed")) && (is_one_of(name, OF_ORDER) || is_one_of(name, OF_LINE));
}

static void put_line(struct writing *writing, const struct loyalty_line *line, int64_t paid) {
  value_document_begin(writing->builder);
  put_others(writing, line->value, OF_LINE);
  put_name(writing, "line_id");
  value_put_text(writing->builder, line->id);
  put_money(writing, "amount", line->amount);
  put_money(writing, "paid", paid);
  value_document_end(writing->builder);
}

static void put_properties(struct writing *writing, struct value properties, const struct loyalty_basket *basket,
                           int64_t paid, const int64_t *shares) {
  int64_t of_lines = 0;
  for (size_t i = 0; i < basket->line_count; i++) of_lines += shares[i];
  value_document_begin(writing->builder);
  put_others(writing, properties, OF_ORDER);
  put_money(writing, "paid", paid);
  put_money(writing, "paid_lines", of_lines);
  put_money(writing, "discount", basket->discount + basket->shipping_discount);
  if (value_type(properties) != VALUE_DOCUMENT ||
      value_is_absent(value_member(properties, writing->names, BYTES("total"))))
    put_money(writing, "total", loyalty_basket_due(basket));
  put_name(writing, "products");
  value_list_begin(writing->builder);
  for (size_t i = 0; i < basket->line_count; i++) put_line(writing, &basket->lines[i], shares[i]);
  value_list_end(writing->builder);
  value_document_end(writing->builder);
}

static void put_message(struct writing *writing, struct value message, const struct loyalty_basket *basket,
                        int64_t paid, const int64_t *shares) {
  static const char *const OURS[] = {"properties", NULL};
  value_document_begin(writing->builder);
  put_others(writing, message, OURS);
  put_name(writing, "properties");
  put_properties(writing, value_member(message, writing->names, BYTES("properties")), basket, paid, shares);
  value_document_end(writing->builder);
}

static int64_t paid_for_lines(const struct loyalty_basket *basket, int64_t paid) {
  int64_t due = loyalty_basket_due(basket);
  return due == 0 ? 0 : exact_floor(paid, basket->amount - basket->discount, due);
}

static enum err share_paid(const struct loyalty_basket *basket, int64_t paid, struct arena *arena, int64_t **shares) {
  size_t count = basket->line_count;
  int64_t *weights = arena_take_zero(arena, count + 1, sizeof *weights);
  *shares = arena_take_zero(arena, count + 1, sizeof **shares);
  if (weights == NULL || *shares == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) weights[i] = basket->lines[i].amount - basket->lines[i].discount;
  loyalty_share_out(paid_for_lines(basket, paid), weights, count, *shares);
  return ERR_OK;
}

enum err loyalty_with_paid(struct value message, const struct loyalty_basket *basket, int64_t paid, struct names *names,
                           struct arena *arena, struct value *out) {
  struct buffer packed;
  struct value_builder builder;
  struct writing writing = {&builder, names};
  int64_t *shares;
  enum err err = share_paid(basket, paid, arena, &shares);
  if (err != ERR_OK) return err;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, names);
  put_message(&writing, message, basket, paid, shares);
  err = value_builder_finish(&builder);
  if (err == ERR_OK) out->packed = arena_copy(arena, buffer_view(&packed));
  if (err == ERR_OK && out->packed.data == NULL) err = ERR_NO_MEMORY;
  buffer_release(&packed);
  return err;
}
