// commands_score: `rapport score rfm`: orders or customers of a file or a workspace, their scores and segments.
//
// The file is read once into a book (two with --previous, which number customers alike because they get the same rows).
// A workspace gives everybody's summary, and so does the same with less work. Then thresholds are found or read, for
// everybody and for each range, and every customer is scored by them.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "cli/ask.h"
#include "cli/score.h"
#include "cli/stop.h"
#include "cli/table.h"
#include "cli/target.h"

enum { FLUSH_BYTES = 1 << 16, DOCUMENT_BYTES_MAX = 1 << 20, DAY_TEXT = 16 };

// --- shared --------------------------------------------------------------------------------------------------

enum score_format score_format_of(const struct cli *cli, enum score_format otherwise) {
  const struct param_value *given = &cli->options.values[OPTION_SCORE_FORMAT];
  if (given->text != NULL) return (enum score_format)given->number;
  return isatty(STDOUT_FILENO) == 1 ? SCORE_TEXT : otherwise;
}

enum err score_one_file(const struct options *options, enum option a, enum option b, bool *is_a, struct diag *diag) {
  *is_a = options_text(options, a, NULL) != NULL;
  if (*is_a != (options_text(options, b, NULL) != NULL)) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "usage", "%s --%s FILE or --%s FILE, with --columns",
                  *is_a ? "give only one of" : "give", options_param(a)->name, options_param(b)->name);
}

enum err score_flush(struct cli *cli, struct diag *diag) {
  return cli->out.size_bytes < FLUSH_BYTES ? ERR_OK : command_flush(cli, diag);
}

// --- what is being done --------------------------------------------------------------------------------------

struct rfm {
  struct cli *cli;
  struct rfm_book book, before;
  bool has_previous, dates_seen, days_seen, given; // given: thresholds were
  int32_t at_day, previous_day;
  int range_column, order_column; // among the cells; -1: none
  struct table_columns columns;
  struct roster values;      // of --ranges: what makes a range
  uint32_t *value_ranges;    // by value
  struct roster range_names; // by --ranges
  size_t unmapped;           // rows whose value is in no range
  enum rfm_method method;
  struct rfm_segments segments;
  struct rfm_thresholds all;
  struct rfm_thresholds *ranges; // by range of the book
  bool *range_has;               // thresholds of the range are there
  struct rfm_moves moves;
};

static void rfm_init(struct rfm *rfm, struct cli *cli) {
  *rfm = (struct rfm){.cli = cli, .range_column = -1, .order_column = -1};
  roster_init(&rfm->values);
  roster_init(&rfm->range_names);
  rfm_segments_default(&rfm->segments);
}

static void rfm_release(struct rfm *rfm) {
  rfm_book_release(&rfm->book);
  rfm_book_release(&rfm->before);
  roster_release(&rfm->values);
  roster_release(&rfm->range_names);
  alloc_free(rfm->value_ranges);
  alloc_free(rfm->ranges);
  alloc_free(rfm->range_has);
}

// --- documents -----------------------------------------------------------------------------------------------

static enum err read_document(const char *path, struct print_document *document, struct diag *diag) {
  struct buffer text;
  buffer_init(&text);
  enum err err = ask_read_file(path, DOCUMENT_BYTES_MAX, &text, diag);
  *document = (struct print_document){.names = NULL};
  if (err == ERR_OK) err = print_document_init(document, buffer_view(&text), diag);
  buffer_release(&text);
  if (err != ERR_OK && diag->field[0] == '\0' && strcmp(diag->code, "usage") != 0) diag_in_field(diag, "%.100s", path);
  return err;
}

static enum err read_segments(struct rfm *rfm, struct diag *diag) {
  const char *path = options_text(&rfm->cli->options, OPTION_SEGMENTS, NULL);
  struct print_document document;
  if (path == NULL) return ERR_OK;
  enum err err = read_document(path, &document, diag);
  if (err == ERR_OK) {
    err = rfm_segments_read(document.root, document.names, &rfm->segments, diag);
    if (err != ERR_OK && diag->field[0] == '\0') diag_in_field(diag, "%.60s", path);
  }
  print_document_release(&document);
  return err;
}

// {"Phones":["A1","A2"],"Cases":["C1"]}: which value is of which range.
static enum err take_range(struct rfm *rfm, struct bytes name, struct value values, struct diag *diag) {
  struct value_iter iter = value_iterate(values);
  struct bytes text;
  uint32_t range, number;
  if (value_type(values) != VALUE_LIST || name.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "bad_ranges", "expected a list of texts for each range");
  enum err err = roster_number(&rfm->range_names, name, &range);
  while (err == ERR_OK && value_next(&iter)) {
    size_t before = rfm->values.count;
    if (!value_as_text(iter.item, &text))
      return diag_set(diag, ERR_INVALID, "bad_ranges", "the range \"%.60s\" has a value that is no text",
                      (const char *)rfm->range_names.items[range].data);
    err = roster_number(&rfm->values, text, &number);
    if (err == ERR_OK && rfm->values.count == before)
      return diag_set(diag, ERR_INVALID, "bad_ranges", "\"%.60s\" stands in two places; a value has one range",
                      (const char *)rfm->values.items[number].data);
    uint32_t *grown = err != ERR_OK ? NULL : alloc_resize(rfm->value_ranges, rfm->values.count * sizeof *grown);
    if (grown == NULL) return diag_no_memory(diag);
    rfm->value_ranges = grown;
    grown[number] = range;
  }
  return err == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

static enum err read_ranges(struct rfm *rfm, struct diag *diag) {
  const char *path = options_text(&rfm->cli->options, OPTION_RANGES, NULL);
  struct print_document document;
  if (path == NULL) return ERR_OK;
  if (rfm->range_column < 0)
    return diag_set(diag, ERR_INVALID, "usage", "--ranges needs --range COLUMN: the column whose values it maps");
  enum err err = read_document(path, &document, diag);
  if (err == ERR_OK && value_type(document.root) != VALUE_DOCUMENT)
    err = diag_set(diag, ERR_INVALID, "bad_ranges", "expected an object, {\"Phones\":[\"A1\",\"A2\"]}");
  struct value_iter iter = value_iterate(document.root);
  while (err == ERR_OK && value_next(&iter))
    err = take_range(rfm, value_iter_name(&iter, document.names), iter.item, diag);
  if (err != ERR_OK && diag->field[0] == '\0') diag_in_field(diag, "%.100s", path);
  print_document_release(&document);
  return err;
}

// --- reading the file ----------------------------------------------------------------------------------------

static enum err take_order(void *context, uint64_t line, const struct bytes *cells, struct diag *diag) {
  struct rfm *rfm = context;
  struct rfm_order order = {.customer = cells[0]};
  uint32_t value;
  (void)line;
  enum err err = table_day(cells[1], &order.day, diag);
  if (err == ERR_OK) err = table_decimal(cells[2], "amount", &order.amount, diag);
  if (err != ERR_OK) return err;
  if (rfm->order_column >= 0) order.id = cells[rfm->order_column];
  if (rfm->range_column >= 0) order.range = cells[rfm->range_column];
  if (rfm->value_ranges != NULL && roster_find(&rfm->values, order.range, &value)) {
    order.range = rfm->range_names.items[rfm->value_ranges[value]];
  } else if (rfm->value_ranges != NULL) {
    order.range = BYTES("");
    rfm->unmapped++;
  }
  err = rfm_book_add(&rfm->book, &order, diag);
  return err == ERR_OK && rfm->has_previous ? rfm_book_add(&rfm->before, &order, diag) : err;
}

// A number of up to six digits is days; a date has more.
static bool is_days(struct bytes cell) {
  for (size_t i = 0; i < cell.size_bytes; i++)
    if (cell.data[i] < '0' || cell.data[i] > '9') return false;
  return cell.size_bytes > 0 && cell.size_bytes <= 6;
}

static enum err take_customer(void *context, uint64_t line, const struct bytes *cells, struct diag *diag) {
  struct rfm *rfm = context;
  struct rfm_summary summary = {.orders = 0};
  int32_t day;
  uint64_t days;
  (void)line;
  enum err err = ERR_OK;
  if (is_days(cells[1])) {
    err = table_count(cells[1], "recency", &days, diag);
    summary.recency_days = (int64_t)days;
    rfm->days_seen = true;
  } else {
    if (options_text(&rfm->cli->options, OPTION_AT, NULL) == NULL)
      return diag_set(diag, ERR_INVALID, "usage", "--at DATE is needed: the second column holds dates");
    err = table_day(cells[1], &day, diag);
    if (err == ERR_OK) summary.recency_days = (int64_t)rfm->at_day - day;
    rfm->dates_seen = true;
  }
  if (err == ERR_OK && rfm->days_seen && rfm->dates_seen)
    return diag_set(diag, ERR_INVALID, "bad_date",
                    "the second column holds dates and numbers of days; it may hold one of them");
  if (err == ERR_OK) err = table_count(cells[2], "count", &summary.orders, diag);
  if (err == ERR_OK) err = table_decimal(cells[3], "amount", &summary.amount, diag);
  return err == ERR_OK ? rfm_book_put(&rfm->book, cells[0], &summary, diag) : err;
}

// --- reading a workspace -------------------------------------------------------------------------------------

// "c12,35,4,120.50": a customer's summary.
static bool read_line(struct bytes line, struct bytes *customer, struct rfm_summary *summary) {
  struct bytes cells[4];
  size_t count = 0, begin = 0;
  uint64_t days;
  for (size_t i = 0; i <= line.size_bytes && count < 4; i++) {
    if (i < line.size_bytes && line.data[i] != ',') continue;
    cells[count++] = bytes_of(line.data + begin, i - begin);
    begin = i + 1;
  }
  if (count != 4 || bytes_to_u64(cells[1], &days) != ERR_OK || bytes_to_u64(cells[2], &summary->orders) != ERR_OK ||
      decimal_parse(cells[3], &summary->amount, NULL) != ERR_OK)
    return false;
  summary->recency_days = (int64_t)days;
  *customer = cells[0];
  return true;
}

static bool next_line(struct bytes *rest, struct bytes *line) {
  const uint8_t *end = rest->size_bytes == 0 ? NULL : memchr(rest->data, '\n', rest->size_bytes);
  size_t size = end == NULL ? rest->size_bytes : (size_t)(end - rest->data);
  if (rest->size_bytes == 0) return false;
  *line = bytes_of(rest->data, size);
  size_t used = size < rest->size_bytes ? size + 1 : size;
  *rest = bytes_of(rest->data + used, rest->size_bytes - used);
  return true;
}

// The first line has the names.
static bool skip_names(struct bytes *rest) {
  struct bytes names;
  return next_line(rest, &names);
}

static enum err not_summaries(struct diag *diag) {
  return diag_set(diag, ERR_INVALID, "bad_answer", "the workspace answered something else than customers' orders");
}

// Both books have the same customers in one order; whoever had not bought by then is in the one before without orders.
static enum err fill_books(struct rfm *rfm, struct bytes now, struct bytes earlier, struct diag *diag) {
  struct bytes line, customer, before = BYTES("");
  struct rfm_summary summary, had = {.orders = 0};
  bool pending = skip_names(&earlier) && next_line(&earlier, &line) && read_line(line, &before, &had);
  enum err err = skip_names(&now) ? ERR_OK : not_summaries(diag);
  while (err == ERR_OK && next_line(&now, &line)) {
    if (!read_line(line, &customer, &summary)) return not_summaries(diag);
    err = rfm_book_put(&rfm->book, customer, &summary, diag);
    if (err != ERR_OK || !rfm->has_previous) continue;
    bool had_bought = pending && bytes_equal(before, customer);
    err = rfm_book_put(&rfm->before, customer, had_bought ? &had : &(struct rfm_summary){.orders = 0}, diag);
    if (had_bought) pending = next_line(&earlier, &line) && read_line(line, &before, &had);
  }
  return err;
}

static enum err ask_summaries(struct rfm *rfm, struct target *target, const char *at, struct buffer *out,
                              struct diag *diag) {
  struct target_call call = {.op = TARGET_SCORE_SUMMARIES};
  call.args[TARGET_ARG_AT] = at;
  call.args[TARGET_ARG_RANGE] = options_text(&rfm->cli->options, OPTION_RANGE, NULL);
  return target_call(target, &call, out, diag);
}

static enum err read_both(struct rfm *rfm, struct target *target, struct diag *diag) {
  char at[DAY_TEXT], previous[DAY_TEXT];
  struct buffer now, earlier;
  buffer_init(&now);
  buffer_init(&earlier);
  table_day_format(rfm->at_day, at);
  table_day_format(rfm->previous_day, previous);
  enum err err = ask_summaries(rfm, target, at, &now, diag);
  if (err == ERR_OK && rfm->has_previous) err = ask_summaries(rfm, target, previous, &earlier, diag);
  if (err == ERR_OK) err = fill_books(rfm, buffer_view(&now), buffer_view(&earlier), diag);
  buffer_release(&now);
  buffer_release(&earlier);
  return err;
}

static enum err refuse_columns(const struct options *options, struct diag *diag) {
  static const enum option of_files[] = {OPTION_COLUMNS, OPTION_RANGES};
  for (size_t i = 0; i < sizeof of_files / sizeof *of_files; i++)
    if (options_text(options, of_files[i], NULL) != NULL)
      return diag_set(diag, ERR_INVALID, "usage", "--%s is of files: a workspace knows what its orders are",
                      options_param(of_files[i])->name);
  return ERR_OK;
}

static enum err read_day(const struct options *options, enum option option, int32_t *day, bool *given,
                         struct diag *diag) {
  const char *text = options_text(options, option, NULL);
  *given = text != NULL;
  return text == NULL ? ERR_OK : table_day(bytes_from_text(text), day, diag);
}

static enum err read_workspace(struct rfm *rfm, struct diag *diag) {
  const struct options *options = &rfm->cli->options;
  struct target *target;
  bool at_given = false;
  enum err err = refuse_columns(options, diag);
  if (err == ERR_OK) err = read_day(options, OPTION_AT, &rfm->at_day, &at_given, diag);
  if (err == ERR_OK) err = read_day(options, OPTION_PREVIOUS, &rfm->previous_day, &rfm->has_previous, diag);
  if (err != ERR_OK) return err;
  if (!at_given)
    return diag_set(diag, ERR_INVALID, "usage", "--at DATE is needed: the day as of which customers are scored");
  if (rfm->has_previous && rfm->previous_day >= rfm->at_day)
    return diag_set(diag, ERR_INVALID, "usage", "--previous needs a day before --at");
  rfm_book_init(&rfm->book, rfm->at_day);
  rfm_book_init(&rfm->before, rfm->previous_day);
  stop_listen(false);
  err = target_open(&target, options, false, diag);
  if (err != ERR_OK) return err;
  err = read_both(rfm, target, diag);
  target_close(target);
  return err;
}

// Orders in a file, or in a workspace: a file that is named counts.
static bool is_of_workspace(const struct options *options) {
  bool file =
      options_text(options, OPTION_ORDERS, NULL) != NULL || options_text(options, OPTION_CUSTOMER_FILE, NULL) != NULL;
  bool workspace = options_text(options, OPTION_DATA, NULL) != NULL || options_text(options, OPTION_URL, NULL) != NULL;
  return !file && workspace;
}

static enum err read_columns(struct rfm *rfm, bool orders, struct diag *diag) {
  const struct options *options = &rfm->cli->options;
  const char *columns = options_text(options, OPTION_COLUMNS, NULL), *range = options_text(options, OPTION_RANGE, NULL);
  const char *expected =
      orders ? "CUSTOMER,DATE,AMOUNT or CUSTOMER,DATE,AMOUNT,ORDER" : "CUSTOMER,LAST_DATE,COUNT,AMOUNT";
  if (columns == NULL) return diag_set(diag, ERR_INVALID, "usage", "--columns is needed: %s", expected);
  enum err err = table_columns_read(&rfm->columns, columns, orders ? 3 : 4, 4, expected, diag);
  if (err == ERR_OK && orders && rfm->columns.count == 4) rfm->order_column = 3;
  if (err != ERR_OK || range == NULL) return err;
  if (!orders)
    return diag_set(diag, ERR_INVALID, "usage", "--range needs --orders: a line of --customers is of all ranges");
  rfm->range_column = (int)rfm->columns.count;
  return table_columns_add(&rfm->columns, range, diag);
}

static enum err read_file(struct rfm *rfm, struct diag *diag) {
  const struct options *options = &rfm->cli->options;
  bool orders, at_given = false;
  enum err err = score_one_file(options, OPTION_ORDERS, OPTION_CUSTOMER_FILE, &orders, diag);
  if (err == ERR_OK) err = read_columns(rfm, orders, diag);
  if (err == ERR_OK) err = read_ranges(rfm, diag);
  if (err == ERR_OK) err = read_day(options, OPTION_AT, &rfm->at_day, &at_given, diag);
  if (err == ERR_OK) err = read_day(options, OPTION_PREVIOUS, &rfm->previous_day, &rfm->has_previous, diag);
  if (err != ERR_OK) return err;
  if (orders && !at_given)
    return diag_set(diag, ERR_INVALID, "usage", "--at DATE is needed: the day as of which customers are scored");
  if (rfm->has_previous && (!orders || rfm->previous_day >= rfm->at_day))
    return diag_set(diag, ERR_INVALID, "usage", "--previous needs --orders and a day before --at");
  rfm_book_init(&rfm->book, rfm->at_day);
  rfm_book_init(&rfm->before, rfm->previous_day);
  const char *path = options_text(options, orders ? OPTION_ORDERS : OPTION_CUSTOMER_FILE, NULL);
  return table_read(path, &rfm->columns, orders ? take_order : take_customer, rfm, diag);
}

// --- thresholds ----------------------------------------------------------------------------------------------

static enum err allocate_ranges(struct rfm *rfm, struct diag *diag) {
  size_t count = rfm->book.ranges.count;
  rfm->ranges = alloc_zero(count + 1, sizeof *rfm->ranges);
  rfm->range_has = alloc_zero(count + 1, sizeof *rfm->range_has);
  return rfm->ranges == NULL || rfm->range_has == NULL ? diag_no_memory(diag) : ERR_OK;
}

// {"global":{…},"ranges":{"Phones":{…}}} as --save-thresholds writes it, or the global ones alone.
static enum err take_thresholds(struct rfm *rfm, const struct print_document *document, struct diag *diag) {
  struct value global = value_member(document->root, document->names, BYTES("global"));
  struct value_iter iter = value_iterate(value_member(document->root, document->names, BYTES("ranges")));
  enum err err =
      rfm_thresholds_read(value_is_absent(global) ? document->root : global, document->names, &rfm->all, diag);
  while (err == ERR_OK && value_next(&iter)) {
    uint32_t range;
    if (!roster_find(&rfm->book.ranges, value_iter_name(&iter, document->names), &range)) continue;
    err = rfm_thresholds_read(iter.item, document->names, &rfm->ranges[range], diag);
    rfm->range_has[range] = err == ERR_OK;
  }
  return err;
}

static enum err read_thresholds(struct rfm *rfm, const char *path, struct diag *diag) {
  struct print_document document;
  enum err err = read_document(path, &document, diag);
  if (err == ERR_OK) {
    err = take_thresholds(rfm, &document, diag);
    if (err != ERR_OK && diag->field[0] == '\0') diag_in_field(diag, "%.60s", path);
  }
  print_document_release(&document);
  for (size_t i = 0; i < rfm->book.ranges.count && err == ERR_OK; i++)
    if (!rfm->range_has[i])
      err = diag_set(diag, ERR_INVALID, "bad_thresholds", "%.100s has no thresholds of the range \"%.60s\"", path,
                     (const char *)rfm->book.ranges.items[i].data);
  return err;
}

// The summaries of each range side by side, found by counting.
static enum err find_range_thresholds(struct rfm *rfm, unsigned bins, struct diag *diag) {
  size_t pairs = rfm->book.pairs.count, ranges = rfm->book.ranges.count;
  size_t *ends = alloc_zero(ranges + 1, sizeof *ends);
  struct rfm_summary *sorted = alloc_zero(pairs + 1, sizeof *sorted);
  enum err err = ends == NULL || sorted == NULL ? diag_no_memory(diag) : ERR_OK;
  uint32_t customer, range;
  for (size_t i = 0; i < pairs && err == ERR_OK; i++) {
    rfm_book_pair(&rfm->book, i, &customer, &range);
    ends[range]++;
  }
  for (size_t i = 0, sum = 0; i < ranges && err == ERR_OK; i++) {
    size_t here = ends[i];
    ends[i] = sum;
    sum += here;
  }
  for (size_t i = 0; i < pairs && err == ERR_OK; i++) {
    rfm_book_pair(&rfm->book, i, &customer, &range);
    sorted[ends[range]++] = rfm->book.parts[i];
  }
  for (size_t i = 0, begin = 0; i < ranges && err == ERR_OK; begin = ends[i++])
    err = rfm_thresholds_find(rfm->method, bins, sorted + begin, ends[i] - begin, &rfm->ranges[i], diag);
  alloc_free(ends);
  alloc_free(sorted);
  return err;
}

static enum err find_thresholds(struct rfm *rfm, struct diag *diag) {
  const struct options *options = &rfm->cli->options;
  const char *path = options_text(options, OPTION_THRESHOLDS, NULL);
  bool method_given = options_text(options, OPTION_METHOD, NULL) != NULL;
  unsigned bins = (unsigned)options_number(options, OPTION_BINS, RFM_BINS);
  rfm->method = (enum rfm_method)options_number(options, OPTION_METHOD, path == NULL ? RFM_QUANTILE : RFM_FIXED);
  if (path == NULL && rfm->method == RFM_FIXED)
    return diag_set(diag, ERR_INVALID, "usage", "--method fixed needs --thresholds FILE.json");
  if (path != NULL && method_given && rfm->method != RFM_FIXED)
    return diag_set(diag, ERR_INVALID, "usage", "--thresholds are fixed: leave --method out, or say fixed");
  enum err err = allocate_ranges(rfm, diag);
  if (err != ERR_OK) return err;
  if (path == NULL) {
    err = rfm_thresholds_find(rfm->method, bins, rfm->book.totals, rfm->book.customers.count, &rfm->all, diag);
    return err == ERR_OK ? find_range_thresholds(rfm, bins, diag) : err;
  }
  err = read_thresholds(rfm, path, diag);
  if (err == ERR_OK && options_text(options, OPTION_BINS, NULL) != NULL && bins != rfm->all.bins)
    return diag_set(diag, ERR_INVALID, "usage", "--bins is %u, and %.100s is of %u bins", bins, path, rfm->all.bins);
  return err;
}

static void write_thresholds(const struct rfm *rfm, struct json_writer *writer) {
  char day[DAY_TEXT];
  table_day_format(rfm->at_day, day);
  json_object_begin(writer);
  json_member_text(writer, "method", rfm_method_name(rfm->method));
  if (!rfm->days_seen) json_member_text(writer, "at", day);
  json_name(writer, "global");
  rfm_thresholds_write(writer, &rfm->all);
  if (rfm->book.ranges.count > 0) {
    json_name(writer, "ranges");
    json_object_begin(writer);
    for (size_t i = 0; i < rfm->book.ranges.count; i++) {
      json_name_bytes(writer, rfm->book.ranges.items[i]);
      rfm_thresholds_write(writer, &rfm->ranges[i]);
    }
    json_object_end(writer);
  }
  json_object_end(writer);
}

static enum err save_thresholds(const struct rfm *rfm, struct diag *diag) {
  const char *path = options_text(&rfm->cli->options, OPTION_SAVE_THRESHOLDS, NULL);
  struct buffer text;
  struct json_writer writer;
  if (path == NULL) return ERR_OK;
  buffer_init(&text);
  json_writer_init(&writer, &text);
  write_thresholds(rfm, &writer);
  buffer_append_byte(&text, '\n');
  FILE *file = text.failed ? NULL : fopen(path, "we");
  bool written = file != NULL && fwrite(text.data, 1, text.size_bytes, file) == text.size_bytes;
  written = file != NULL && fclose(file) == 0 && written;
  bool failed = text.failed;
  buffer_release(&text);
  if (failed) return diag_no_memory(diag);
  return written ? ERR_OK : diag_set(diag, ERR_IO, "io", "cannot write %.200s", path);
}

// --- rows ----------------------------------------------------------------------------------------------------

struct row {
  struct bytes customer, range; // range without data: of all
  const struct rfm_summary *summary;
  struct rfm_scores scores;
  size_t segment;
  const char *previous; // segment; NULL: not asked for
};

static struct row row_of(const struct rfm *rfm, uint32_t customer, const struct rfm_summary *summary,
                         const struct rfm_thresholds *thresholds) {
  struct row row = {.customer = rfm->book.customers.items[customer], .summary = summary};
  row.scores = rfm_scores_of(summary, thresholds);
  row.segment = rfm_segment_of(&rfm->segments, row.scores, thresholds->bins);
  return row;
}

static void put_csv(struct buffer *out, const struct rfm *rfm, const struct row *row) {
  char amount[DECIMAL_TEXT_BYTES];
  decimal_format(row->summary->amount, amount);
  csv_put_cell(out, row->customer);
  buffer_append_byte(out, ',');
  csv_put_cell(out, bytes_from_text(rfm_segment_name(&rfm->segments, row->segment)));
  buffer_append_format(out, ",%u,%llu,%lld,%s,%u,%u,%u", rfm_number(row->scores),
                       (unsigned long long)row->summary->orders, (long long)row->summary->recency_days, amount,
                       row->scores.recency, row->scores.frequency, row->scores.monetary);
  if (rfm->range_column >= 0) {
    buffer_append_byte(out, ',');
    csv_put_cell(out, row->range);
  }
  if (rfm->has_previous) {
    buffer_append_byte(out, ',');
    csv_put_cell(out, bytes_from_text(row->previous != NULL ? row->previous : ""));
  }
  buffer_append_byte(out, '\n');
}

static void put_json(struct json_writer *writer, const struct rfm *rfm, const struct row *row) {
  char amount[DECIMAL_TEXT_BYTES];
  size_t size = decimal_format(row->summary->amount, amount);
  json_object_begin(writer);
  json_name(writer, "customer_id");
  json_bytes(writer, row->customer);
  json_member_text(writer, "segment", rfm_segment_name(&rfm->segments, row->segment));
  json_member_u64(writer, "rfm_score", rfm_number(row->scores));
  json_member_u64(writer, "transaction_count", row->summary->orders);
  json_member_i64(writer, "recency_days", row->summary->recency_days);
  json_name(writer, "amount");
  json_raw(writer, bytes_of(amount, size));
  json_member_u64(writer, "recency_score", row->scores.recency);
  json_member_u64(writer, "frequency_score", row->scores.frequency);
  json_member_u64(writer, "monetary_score", row->scores.monetary);
  if (rfm->range_column >= 0) {
    json_name(writer, "range");
    row->range.size_bytes > 0 ? json_bytes(writer, row->range) : json_null(writer);
  }
  if (rfm->has_previous) {
    json_name(writer, "previous_segment");
    row->previous != NULL ? json_text(writer, row->previous) : json_null(writer);
  }
  json_object_end(writer);
}

typedef enum err row_fn(void *context, const struct row *row, struct diag *diag);

// Everybody, in the order of the file; then each customer in each range.
static enum err walk(struct rfm *rfm, row_fn *take, void *context, struct diag *diag) {
  enum err err = ERR_OK;
  for (uint32_t i = 0; i < rfm->book.customers.count && err == ERR_OK; i++) {
    if (rfm->book.totals[i].orders == 0) continue;
    struct row row = row_of(rfm, i, &rfm->book.totals[i], &rfm->all);
    if (rfm->has_previous && rfm->before.totals[i].orders > 0)
      row.previous = rfm_segment_name(&rfm->segments, row_of(rfm, i, &rfm->before.totals[i], &rfm->all).segment);
    err = take(context, &row, diag);
  }
  for (size_t i = 0; i < rfm->book.pairs.count && err == ERR_OK; i++) {
    uint32_t customer, range;
    rfm_book_pair(&rfm->book, i, &customer, &range);
    struct row row = row_of(rfm, customer, &rfm->book.parts[i], &rfm->ranges[range]);
    row.range = rfm->book.ranges.items[range];
    err = take(context, &row, diag);
  }
  return err;
}

static enum err write_csv_row(void *context, const struct row *row, struct diag *diag) {
  struct rfm *rfm = context;
  put_csv(&rfm->cli->out, rfm, row);
  return score_flush(rfm->cli, diag);
}

static enum err write_ndjson_row(void *context, const struct row *row, struct diag *diag) {
  struct rfm *rfm = context;
  struct json_writer writer;
  json_writer_init(&writer, &rfm->cli->out);
  put_json(&writer, rfm, row);
  buffer_append_byte(&rfm->cli->out, '\n');
  return score_flush(rfm->cli, diag);
}

struct json_walk {
  struct rfm *rfm;
  struct json_writer writer;
};

static enum err write_json_row(void *context, const struct row *row, struct diag *diag) {
  struct json_walk *walking = context;
  put_json(&walking->writer, walking->rfm, row);
  return score_flush(walking->rfm->cli, diag);
}

static enum err add_to_picture(void *context, const struct row *row, struct diag *diag) {
  struct score_rfm_picture *picture = context;
  (void)diag;
  if (row->range.size_bytes > 0) return ERR_OK;
  picture->grid[row->scores.recency - 1][row->scores.frequency - 1]++;
  picture->customers[row->segment]++;
  picture->orders[row->segment] += row->summary->orders;
  picture->all_customers++;
  return decimal_add(picture->amounts[row->segment], row->summary->amount, &picture->amounts[row->segment]);
}

static void count_moves(struct rfm *rfm) {
  rfm_moves_init(&rfm->moves, &rfm->segments);
  for (uint32_t i = 0; i < rfm->book.customers.count; i++) {
    if (rfm->book.totals[i].orders == 0) continue;
    size_t after = row_of(rfm, i, &rfm->book.totals[i], &rfm->all).segment, before = rfm->segments.count + 1;
    if (rfm->before.totals[i].orders > 0) before = row_of(rfm, i, &rfm->before.totals[i], &rfm->all).segment;
    rfm_moves_add(&rfm->moves, before, after);
  }
}

// --- the whole -----------------------------------------------------------------------------------------------

static void write_segments(const struct score_rfm_picture *picture, struct json_writer *writer) {
  json_name(writer, "segments");
  json_array_begin(writer);
  for (size_t i = 0; i <= picture->segments->count; i++) {
    char amount[DECIMAL_TEXT_BYTES];
    size_t size = decimal_format(picture->amounts[i], amount);
    json_object_begin(writer);
    json_member_text(writer, "segment", rfm_segment_name(picture->segments, i));
    json_member_u64(writer, "customers", picture->customers[i]);
    json_member_u64(writer, "orders", picture->orders[i]);
    json_name(writer, "amount");
    json_raw(writer, bytes_of(amount, size));
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void write_moves(const struct rfm *rfm, struct json_writer *writer) {
  const struct rfm_moves *moves = &rfm->moves;
  json_name(writer, "moves");
  json_array_begin(writer);
  for (size_t i = 0; i < moves->size * moves->size; i++) {
    if (moves->counts[i] == 0) continue;
    size_t from = i / moves->size;
    json_object_begin(writer);
    json_name(writer, "from");
    from + 1 == moves->size ? json_null(writer) : json_text(writer, rfm_segment_name(&rfm->segments, from));
    json_member_text(writer, "to", rfm_segment_name(&rfm->segments, i % moves->size));
    json_member_u64(writer, "customers", moves->counts[i]);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static enum err write_json(struct rfm *rfm, const struct score_rfm_picture *picture, struct diag *diag) {
  struct json_walk walking = {.rfm = rfm};
  json_writer_init(&walking.writer, &rfm->cli->out);
  json_object_begin(&walking.writer);
  json_member_u64(&walking.writer, "customers", picture->all_customers);
  json_name(&walking.writer, "thresholds");
  write_thresholds(rfm, &walking.writer);
  write_segments(picture, &walking.writer);
  if (rfm->has_previous) write_moves(rfm, &walking.writer);
  json_name(&walking.writer, "items");
  json_array_begin(&walking.writer);
  enum err err = walk(rfm, write_json_row, &walking, diag);
  json_array_end(&walking.writer);
  json_object_end(&walking.writer);
  buffer_append_byte(&rfm->cli->out, '\n');
  return err;
}

static enum err write_all(struct rfm *rfm, enum score_format format, struct diag *diag) {
  char title[64] = "", day[DAY_TEXT];
  struct score_rfm_picture picture = {.segments = &rfm->segments, .thresholds = &rfm->all, .title = title};
  if (format == SCORE_CSV)
    buffer_append_format(&rfm->cli->out,
                         "customer_id,segment,rfm_score,transaction_count,recency_days,amount,recency_score,"
                         "frequency_score,monetary_score%s%s\n",
                         rfm->range_column >= 0 ? ",range" : "", rfm->has_previous ? ",previous_segment" : "");
  if (format == SCORE_CSV) return walk(rfm, write_csv_row, rfm, diag);
  if (format == SCORE_NDJSON) return walk(rfm, write_ndjson_row, rfm, diag);
  if (walk(rfm, add_to_picture, &picture, diag) != ERR_OK)
    return diag_set(diag, ERR_LIMIT, "amount_too_large", "the sum of all amounts is too large");
  if (rfm->has_previous) count_moves(rfm);
  if (rfm->has_previous) picture.moves = &rfm->moves;
  if (format == SCORE_JSON) return write_json(rfm, &picture, diag);
  table_day_format(rfm->at_day, day);
  if (!rfm->days_seen) snprintf(title, sizeof title, " on %s", day);
  picture.colours = isatty(STDOUT_FILENO) == 1;
  score_rfm_print(&picture, &rfm->cli->out);
  return ERR_OK;
}

// What was left out, beside the figures.
static void print_left_out(const struct rfm *rfm) {
  uint64_t nobody = 0;
  for (size_t i = 0; i < rfm->book.customers.count; i++) nobody += rfm->book.totals[i].orders == 0;
  if (rfm->book.late > 0)
    fprintf(stderr, "rapport: %llu line%s dated after the analysis date left out\n", (unsigned long long)rfm->book.late,
            rfm->book.late == 1 ? "" : "s");
  if (rfm->book.again > 0)
    fprintf(stderr, "rapport: %llu line%s of a customer who stands above already: scored each by itself\n",
            (unsigned long long)rfm->book.again, rfm->book.again == 1 ? "" : "s");
  if (nobody > 0)
    fprintf(stderr, "rapport: %llu customer%s without an order up to then left out\n", (unsigned long long)nobody,
            nobody == 1 ? "" : "s");
  if (rfm->unmapped > 0)
    fprintf(stderr, "rapport: %zu line%s of no range in --ranges: counted for all products alone\n", rfm->unmapped,
            rfm->unmapped == 1 ? "" : "s");
}

enum err command_score_rfm(struct cli *cli, struct diag *diag) {
  struct rfm *rfm = alloc_zero(1, sizeof *rfm);
  if (rfm == NULL) return diag_no_memory(diag);
  rfm_init(rfm, cli);
  enum err err = read_segments(rfm, diag);
  if (err == ERR_OK) err = is_of_workspace(&cli->options) ? read_workspace(rfm, diag) : read_file(rfm, diag);
  if (err == ERR_OK) print_left_out(rfm);
  if (err == ERR_OK) err = find_thresholds(rfm, diag);
  if (err == ERR_OK) err = save_thresholds(rfm, diag);
  if (err == ERR_OK) err = write_all(rfm, score_format_of(cli, SCORE_CSV), diag);
  rfm_release(rfm);
  alloc_free(rfm);
  return err;
}
