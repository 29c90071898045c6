// commands_loyalty_unite: files of other programmes: their members, what they did, and their balances.
//
// A file is lines of JSON; they are put into requests of as many as one takes, and the answers are added up. A dry run
// is one request, because it can see only in one who of the file are the same person; a line that is no JSON is refused
// here, since it would make a whole request unreadable. Sending lines twice is harmless: they are known by their ids.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "cli/advice.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/target.h"

enum {
  FILE_BYTES_MAX = 256 * 1024 * 1024,
  BATCH_ITEMS = 1000,
  DRY_RUN_ITEMS = 10000,
  BATCH_BYTES = LIMIT_BODY_BYTES - 2 * LIMIT_EVENT_BYTES
};

struct amount {
  char programme[80], currency[80];
  struct decimal amount;
};

struct sending {
  struct cli *cli;
  struct target *target;
  enum target_op op;
  bool dry_run;
  struct buffer body;   // of the request being filled
  uint64_t items, line; // in it; of the file so far
  uint64_t first_line;  // of it
  struct buffer told;   // the items of all answers, a line each
  uint64_t count[12];
  struct amount amounts[64];
  size_t amount_count;
};

static const char *const COUNTS[] = {"members",       "imported",          "corrected",   "unchanged",
                                     "refused",       "already_customers", "same_people", "vouchers_kept",
                                     "vouchers_used", "vouchers_cancelled"};
enum { COUNT_COUNT = sizeof COUNTS / sizeof *COUNTS, REFUSED = 4 };

// Totals of all answers; amounts are exact, so that cents add up.
static enum err add_amount(struct sending *sending, const struct print_document *document, struct value one,
                           struct diag *diag) {
  struct amount amount = {.programme = "", .currency = ""};
  struct bytes programme = print_find_text(document, one, "programme"),
               currency = print_find_text(document, one, "currency");
  snprintf(amount.programme, sizeof amount.programme, "%.*s", BYTES_ARG(programme));
  snprintf(amount.currency, sizeof amount.currency, "%.*s", BYTES_ARG(currency));
  if (!value_as_number(value_member(one, document->names, BYTES("amount")), &amount.amount)) return ERR_OK;
  for (size_t i = 0; i < sending->amount_count; i++) {
    struct amount *known = &sending->amounts[i];
    int64_t a, b;
    if (strcmp(known->programme, amount.programme) != 0 || strcmp(known->currency, amount.currency) != 0) continue;
    if (decimal_to_scaled_i64(known->amount, 2, &a) != ERR_OK ||
        decimal_to_scaled_i64(amount.amount, 2, &b) != ERR_OK || __builtin_add_overflow(a, b, &a))
      return diag_set(diag, ERR_LIMIT, "overflow", "the amounts of this file are more than can be added up");
    known->amount = decimal_from_i64(a);
    known->amount.exponent = -2;
    return ERR_OK;
  }
  if (sending->amount_count < sizeof sending->amounts / sizeof *sending->amounts)
    sending->amounts[sending->amount_count++] = amount;
  return ERR_OK;
}

// An item of an answer: its line is that of the file.
static void tell_item(struct sending *sending, const struct print_document *document, struct value item,
                      uint64_t line) {
  struct json_writer writer;
  json_writer_init(&writer, &sending->told);
  json_object_begin(&writer);
  json_member_u64(&writer, "line", line);
  struct value_iter iter = value_iterate(item);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, document->names);
    if (bytes_equal(name, BYTES("line"))) continue;
    json_name_bytes(&writer, name);
    if (bytes_equal(name, BYTES("same_as")))
      json_u64(&writer, print_find_count(document, item, "same_as") + sending->first_line - 1);
    else
      value_to_json(&writer, iter.item, document->names);
  }
  json_object_end(&writer);
  buffer_append_byte(&sending->told, '\n');
}

static void count_movement(struct sending *sending, struct bytes status) {
  sending->count[0]++;
  sending->count[bytes_equal(status, BYTES("mirrored")) ? 1 : bytes_equal(status, BYTES("refused")) ? REFUSED : 3]++;
}

// Many items come as lists of items.
static void add_items(struct sending *sending, const struct print_document *document, struct value items,
                      uint64_t *line) {
  struct value_iter iter = value_iterate(items);
  while (value_next(&iter)) {
    struct value_iter inner = value_iterate(iter.item);
    if (value_type(iter.item) == VALUE_LIST) {
      while (value_next(&inner)) tell_item(sending, document, inner.item, (*line)++);
      continue;
    }
    if (sending->op == TARGET_LOYALTY_MIRROR) count_movement(sending, print_find_text(document, iter.item, "status"));
    tell_item(sending, document, iter.item, (*line)++);
  }
}

static enum err add_answer(struct sending *sending, struct bytes json, struct diag *diag) {
  struct print_document document;
  uint64_t line = sending->first_line;
  enum err err = print_document_init(&document, json, diag);
  for (size_t i = 0; err == ERR_OK && i < COUNT_COUNT; i++)
    sending->count[i] += print_find_count(&document, document.root, COUNTS[i]);
  if (err == ERR_OK) {
    add_items(sending, &document, value_member(document.root, document.names, BYTES("items")), &line);
    struct value_iter iter = value_iterate(value_member(document.root, document.names, BYTES("points")));
    while (err == ERR_OK && value_next(&iter)) err = add_amount(sending, &document, iter.item, diag);
  }
  print_document_release(&document);
  return err == ERR_OK && sending->told.failed ? diag_no_memory(diag) : err;
}

static void begin(struct sending *sending) {
  buffer_clear(&sending->body);
  buffer_append_text(&sending->body, sending->dry_run ? "{\"dry_run\":true,\"items\":[" : "{\"items\":[");
  sending->items = 0;
  sending->first_line = sending->line + 1;
}

static enum err send(struct sending *sending, struct diag *diag) {
  struct target_call what = {.op = sending->op};
  struct buffer answer;
  if (sending->items == 0) return ERR_OK;
  buffer_append_text(&sending->body, sending->dry_run ? "]]}" : "]}");
  if (sending->body.failed) return diag_no_memory(diag);
  buffer_init(&answer);
  what.body = buffer_view(&sending->body);
  enum err err = target_call(sending->target, &what, &answer, diag);
  if (err == ERR_OK) err = add_answer(sending, buffer_view(&answer), diag);
  buffer_release(&answer);
  begin(sending);
  return err;
}

// What is no JSON becomes an item that says nothing, which is refused in its place.
static enum err add_line(struct sending *sending, struct bytes line, struct diag *diag) {
  struct print_document document;
  bool readable = print_document_init(&document, line, NULL) == ERR_OK;
  print_document_release(&document);
  if (!readable) line = BYTES("{}");
  bool full = sending->items == (sending->dry_run ? DRY_RUN_ITEMS : BATCH_ITEMS) ||
              sending->body.size_bytes + line.size_bytes > BATCH_BYTES;
  if (full && sending->dry_run)
    return diag_set(diag, ERR_LIMIT, "too_many",
                    "a dry run looks at one file of at most %d members and %d MB; cut the file so that people who "
                    "may be the same are in one part",
                    DRY_RUN_ITEMS, BATCH_BYTES >> 20);
  enum err err = full ? send(sending, diag) : ERR_OK;
  bool cuts = sending->dry_run && sending->items % BATCH_ITEMS == 0; // lists of items: none may be too long
  if (cuts && sending->items > 0) buffer_append_byte(&sending->body, ']');
  if (sending->items++ > 0) buffer_append_byte(&sending->body, ',');
  if (cuts) buffer_append_byte(&sending->body, '[');
  buffer_append_bytes(&sending->body, line);
  sending->line++;
  return err;
}

static enum err send_all(struct sending *sending, struct bytes text, struct diag *diag) {
  enum err err = ERR_OK;
  begin(sending);
  while (err == ERR_OK && text.size_bytes > 0) {
    const uint8_t *end = memchr(text.data, '\n', text.size_bytes);
    size_t size = end == NULL ? text.size_bytes : (size_t)(end - text.data);
    struct bytes line = bytes_trim(bytes_of(text.data, size));
    if (end != NULL) size++;
    text = bytes_of(text.data + size, text.size_bytes - size);
    if (line.size_bytes > 0) err = add_line(sending, line, diag);
  }
  return err == ERR_OK ? send(sending, diag) : err;
}

// --- telling -----------------------------------------------------------------------------------------------------

static void write_amount(struct json_writer *writer, const struct amount *amount) {
  int64_t cents = 0;
  (void)decimal_to_scaled_i64(amount->amount, 2, &cents);
  json_object_begin(writer);
  json_member_text(writer, "programme", amount->programme);
  json_member_text(writer, "currency", amount->currency);
  if (cents % 100 == 0)
    json_member_i64(writer, "amount", cents / 100);
  else
    json_member_scaled(writer, "amount", cents, 2);
  json_object_end(writer);
}

static void write_json(struct sending *sending) {
  struct json_writer writer;
  struct bytes told = buffer_view(&sending->told);
  json_writer_init(&writer, &sending->cli->out);
  json_object_begin(&writer);
  json_member_bool(&writer, "dry_run", sending->dry_run);
  for (size_t i = 0; i < COUNT_COUNT; i++) json_member_u64(&writer, COUNTS[i], sending->count[i]);
  json_name(&writer, "points");
  json_array_begin(&writer);
  for (size_t i = 0; i < sending->amount_count; i++) write_amount(&writer, &sending->amounts[i]);
  json_array_end(&writer);
  json_name(&writer, "items");
  json_array_begin(&writer);
  while (told.size_bytes > 0) {
    const uint8_t *end = memchr(told.data, '\n', told.size_bytes);
    size_t size = (size_t)(end - told.data);
    json_raw(&writer, bytes_of(told.data, size));
    told = bytes_of(told.data + size + 1, told.size_bytes - size - 1);
  }
  json_array_end(&writer);
  json_object_end(&writer);
  buffer_append_byte(&sending->cli->out, '\n');
}

static void write_words(struct sending *sending) {
  struct buffer *out = &sending->cli->out;
  bool members = sending->op == TARGET_LOYALTY_IMPORT;
  if (sending->dry_run) buffer_append_text(out, "nothing was changed; this is what would be:\n");
  for (size_t i = 0; i < COUNT_COUNT; i++) {
    char name[32];
    if (sending->count[i] == 0 && i > 0) continue;
    snprintf(name, sizeof name, "%s", COUNTS[i]);
    for (char *at = name; *at != 0; at++)
      if (*at == '_') *at = ' ';
    if (!members && i <= 3)
      snprintf(name, sizeof name, "%s", i == 0 ? "movements" : i == 1 ? "mirrored" : "known before");
    buffer_append_format(out, "%-20s %" PRIu64 "\n", name, sending->count[i]);
  }
  for (size_t i = 0; i < sending->amount_count; i++) {
    const struct amount *amount = &sending->amounts[i];
    char label[200];
    int64_t cents = 0;
    (void)decimal_to_scaled_i64(amount->amount, 2, &cents);
    snprintf(label, sizeof label, "%s of %s", amount->currency, amount->programme);
    uint64_t size = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;
    buffer_append_format(out, "%-20s %s%" PRIu64, label, cents < 0 ? "-" : "", size / 100);
    if (size % 100 != 0) buffer_append_format(out, ".%02" PRIu64, size % 100);
    buffer_append_byte(out, '\n');
  }
}

static enum err write_report(const struct sending *sending, const char *path, struct diag *diag) {
  struct bytes told = buffer_view(&sending->told);
  FILE *file = path == NULL ? NULL : fopen(path, "wb");
  if (path == NULL) return ERR_OK;
  bool written = file != NULL && fwrite(told.data, 1, told.size_bytes, file) == told.size_bytes;
  if (file != NULL && fclose(file) != 0) written = false;
  return written ? ERR_OK : diag_set(diag, ERR_IO, "cannot_write", "the report %.200s cannot be written", path);
}

static enum err send_file(struct cli *cli, enum target_op op, struct diag *diag) {
  struct sending *sending = alloc_zero(1, sizeof *sending);
  struct buffer file;
  if (sending == NULL) return diag_no_memory(diag);
  sending->cli = cli;
  sending->op = op;
  sending->dry_run = options_given(&cli->options, OPTION_DRY_RUN);
  buffer_init(&file);
  buffer_init(&sending->body);
  buffer_init(&sending->told);
  enum err err = ask_read_file(cli->options.args[0], FILE_BYTES_MAX, &file, diag);
  if (err == ERR_OK) err = target_open(&sending->target, &cli->options, true, diag);
  if (err == ERR_OK) err = send_all(sending, buffer_view(&file), diag);
  target_close(sending->target);
  if (err == ERR_OK) err = write_report(sending, options_text(&cli->options, OPTION_REPORT, NULL), diag);
  if (err == ERR_OK) (options_given(&cli->options, OPTION_JSON) ? write_json : write_words)(sending);
  if (err == ERR_OK && sending->count[REFUSED] > 0 && options_text(&cli->options, OPTION_REPORT, NULL) == NULL)
    fprintf(stderr, "rapport: --report FILE tells why lines were refused\n");
  buffer_release(&sending->told);
  buffer_release(&sending->body);
  buffer_release(&file);
  alloc_free(sending);
  return advice_add(err, diag);
}

enum err command_loyalty_import(struct cli *cli, struct diag *diag) {
  return send_file(cli, TARGET_LOYALTY_IMPORT, diag);
}

enum err command_loyalty_mirror(struct cli *cli, struct diag *diag) {
  return send_file(cli, TARGET_LOYALTY_MIRROR, diag);
}

// --- balances ----------------------------------------------------------------------------------------------------

static void write_difference(struct buffer *out, const struct print_document *document, struct value one) {
  struct bytes code = print_find_text(document, one, "code"), customer = print_find_text(document, one, "customer");
  if (code.size_bytes > 0) {
    struct bytes message = print_find_text(document, one, "message");
    buffer_append_format(out, "%.*s: %.*s\n", BYTES_ARG(customer), BYTES_ARG(message));
    return;
  }
  static const char *const NAMES[] = {"theirs", "ours", "difference"};
  struct bytes currency = print_find_text(document, one, "currency");
  buffer_append_format(out, "%.*s %.*s:", BYTES_ARG(customer), BYTES_ARG(currency));
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    struct json_writer writer;
    buffer_append_format(out, "%s %s ", i == 0 ? "" : ",", NAMES[i]);
    json_writer_init(&writer, out);
    value_to_json(&writer, value_member(one, document->names, bytes_from_text(NAMES[i])), document->names);
  }
  buffer_append_byte(out, '\n');
}

static enum err write_differences(struct cli *cli, struct bytes json, uint64_t *differences, struct diag *diag) {
  struct print_document document;
  enum err err = print_document_init(&document, json, diag);
  *differences = 0;
  struct value_iter iter = value_iterate(
      err == ERR_OK ? value_member(document.root, document.names, BYTES("differences")) : (struct value){{NULL, 0}});
  bool words = !options_given(&cli->options, OPTION_JSON);
  while (err == ERR_OK && value_next(&iter)) {
    ++*differences;
    if (words) write_difference(&cli->out, &document, iter.item);
  }
  if (err == ERR_OK && words)
    buffer_append_format(&cli->out, "%" PRIu64 " balances compared, %" PRIu64 " differ\n",
                         print_find_count(&document, document.root, "compared"), *differences);
  if (err == ERR_OK && !words) {
    buffer_append_bytes(&cli->out, json);
    buffer_append_byte(&cli->out, '\n');
  }
  print_document_release(&document);
  return err;
}

enum err command_loyalty_reconcile(struct cli *cli, struct diag *diag) {
  struct target_call what = {.op = TARGET_LOYALTY_RECONCILE};
  struct target *target = NULL;
  struct buffer body, answer;
  uint64_t differences = 0;
  buffer_init(&body);
  buffer_init(&answer);
  enum err err = ask_read_file(cli->options.args[0], LIMIT_BODY_BYTES, &body, diag);
  what.body = buffer_view(&body);
  if (err == ERR_OK) err = target_open(&target, &cli->options, true, diag); // names of the request are noted
  if (err == ERR_OK) err = target_call(target, &what, &answer, diag);
  target_close(target);
  if (err == ERR_OK) err = write_differences(cli, buffer_view(&answer), &differences, diag);
  if (err == ERR_OK) err = command_flush(cli, diag);
  if (err == ERR_OK && differences > 0)
    err = diag_set(diag, ERR_DENIED, "balances_differ", "%" PRIu64 " balances differ", differences);
  buffer_release(&answer);
  buffer_release(&body);
  return advice_add(err, diag);
}
