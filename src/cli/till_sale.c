// till_sale: a sale as a request, and as text.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/print_loyalty.h"
#include "cli/till.h"

// --- the request -----------------------------------------------------------------------------------------------

static void put_money(struct json_writer *writer, const char *name, int64_t cents) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64 ".%02d", cents / 100, (int)(cents % 100));
  json_name(writer, name);
  json_raw(writer, bytes_from_text(text));
}

static void put_products(const struct till_sale *sale, struct json_writer *writer) {
  json_name(writer, "products");
  json_array_begin(writer);
  for (size_t i = 0; i < sale->line_count; i++) {
    const struct till_line *line = &sale->lines[i];
    char id[16];
    snprintf(id, sizeof id, "%zu", i + 1);
    json_object_begin(writer);
    json_member_text(writer, "line_id", id);
    json_member_text(writer, "sku", line->sku);
    if (line->name[0] != '\0') json_member_text(writer, "name", line->name);
    json_member_i64(writer, "quantity", line->quantity);
    put_money(writer, "price", line->price_cents);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void put_pay(const struct till_sale *sale, struct json_writer *writer) {
  if (sale->burn[0] == '\0') return;
  json_name(writer, "pay");
  json_array_begin(writer);
  json_object_begin(writer);
  json_name(writer, "points");
  json_object_begin(writer);
  if (sale->programme[0] != '\0') json_member_text(writer, "programme", sale->programme);
  json_name(writer, "amount");
  json_raw(writer, bytes_from_text(sale->burn));
  json_object_end(writer);
  json_object_end(writer);
  json_array_end(writer);
}

void till_request(const struct till_sale *sale, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  if (sale->card[0] != '\0') json_member_text(&writer, "customer", sale->card);
  json_name(&writer, "cart");
  json_object_begin(&writer);
  if (sale->order[0] != '\0') json_member_text(&writer, "order_id", sale->order);
  put_products(sale, &writer);
  json_object_end(&writer);
  if (sale->code_count > 0) {
    json_name(&writer, "codes");
    json_array_begin(&writer);
    for (size_t i = 0; i < sale->code_count; i++) json_text(&writer, sale->codes[i]);
    json_array_end(&writer);
  }
  put_pay(sale, &writer);
  json_object_end(&writer);
}

// --- text --------------------------------------------------------------------------------------------------------

// The names of the products are in the request alone.
static enum err read_both(const struct till_sale *sale, struct bytes reply, struct print_document *document) {
  struct buffer both;
  buffer_init(&both);
  buffer_append_text(&both, "{\"booked\":true,\"request\":");
  till_request(sale, &both);
  buffer_append_text(&both, ",\"reply\":");
  buffer_append_bytes(&both, reply);
  buffer_append_byte(&both, '}');
  enum err err = print_document_init(document, both.failed ? BYTES("") : buffer_view(&both), NULL);
  buffer_release(&both);
  return err;
}

void till_print_sale(const struct till *till, struct buffer *out) {
  struct print_document document;
  if (till->sale.line_count == 0) {
    buffer_append_text(out, "the basket is empty\n");
    return;
  }
  struct bytes evaluation =
      till->evaluation.size_bytes == 0 || till->stale ? BYTES("{}") : buffer_view(&till->evaluation);
  if (read_both(&till->sale, evaluation, &document) == ERR_OK) {
    struct value reply = value_member(document.root, document.names, BYTES("reply"));
    print_loyalty_lines(&document, value_member(document.root, document.names, BYTES("request")), reply, out);
    if (till->stale)
      buffer_append_text(out, "What it comes to is not known: nobody could be asked. \"again\" asks once more.\n");
    else if (till->evaluation.size_bytes > 0)
      print_loyalty_effects(&document, reply, out);
  }
  print_document_release(&document);
}

void till_print_receipt(const struct till_sale *sale, struct bytes reply, struct buffer *out) {
  struct print_document document;
  if (read_both(sale, reply, &document) == ERR_OK) print_loyalty_receipt(&document, out);
  print_document_release(&document);
}

static void print_first_wallet(const struct print_document *document, struct value wallet, struct buffer *out) {
  struct value_iter balances = value_iterate(value_member(wallet, document->names, BYTES("balances")));
  struct value tier = value_member(wallet, document->names, BYTES("tier"));
  if (!value_is_absent(tier)) {
    print_words(out, document, tier, ", {level}");
  }
  while (value_next(&balances)) {
    print_words(out, document, balances.item, ": {available} {currency}, {pending} pending");
  }
}

void till_print_member(const struct till *till, struct buffer *out) {
  struct print_document document;
  if (till->sale.card[0] == '\0') {
    buffer_append_text(out, "nobody known");
    return;
  }
  print_clean(out, bytes_from_text(till->sale.card), 0);
  if (till->member.size_bytes == 0) return;
  if (print_document_init(&document, buffer_view(&till->member), NULL) == ERR_OK) {
    struct value_iter programmes = value_iterate(value_member(document.root, document.names, BYTES("programmes")));
    buffer_append_text(out, "  ");
    print_member(out, &document, document.root, "customer", 0);
    if (value_next(&programmes)) print_first_wallet(&document, programmes.item, out);
  }
  print_document_release(&document);
}
