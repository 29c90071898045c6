// print_simulate: four columns of figures, then pictures of what they come to; 80 columns at most.
#include "cli/print_simulate.h"

#include <inttypes.h>
#include <stdio.h>

enum { LABEL_COLUMNS = 22, FIGURE_COLUMNS = 12, BAR_COLUMNS = 40, RULE_BAR_COLUMNS = 16, TEXT_BYTES = 64 };

static struct value member(const struct print_document *report, struct value of, const char *name) {
  return value_member(of, report->names, bytes_from_text(name));
}

static struct bytes text_of(const struct print_document *report, struct value of, const char *name) {
  struct bytes text = BYTES("");
  value_as_text(member(report, of, name), &text);
  return text;
}

// In hundredths; 0 for what is not there.
static int64_t number_of(const struct print_document *report, struct value of, const char *name) {
  struct decimal number;
  int64_t hundredths = 0;
  if (value_as_number(member(report, of, name), &number)) decimal_to_scaled_i64(number, 2, &hundredths);
  return hundredths;
}

static void put_figure(const struct print_document *report, struct value figures, const char *name, bool sign,
                       struct buffer *out) {
  struct value value = member(report, figures, name);
  char text[TEXT_BYTES] = "";
  struct buffer plain;
  buffer_init(&plain);
  if (!value_is_absent(value)) print_value(&plain, report, value, 0, false);
  if (!plain.failed)
    snprintf(text, sizeof text, "%s%.*s", sign && number_of(report, figures, name) > 0 ? "+" : "",
             BYTES_ARG(buffer_view(&plain)));
  buffer_append_format(out, "%*s", FIGURE_COLUMNS, text);
  buffer_release(&plain);
}

// Nothing is shown of what is 0 on both sides.
static bool is_nothing(const struct print_document *report, struct value figures) {
  return number_of(report, figures, "ledger") == 0 && number_of(report, figures, "as_is") == 0 &&
         number_of(report, figures, "would_be") == 0;
}

static void put_row(const struct print_document *report, const char *label, struct value figures, struct buffer *out) {
  buffer_append_format(out, "  %-*.*s", LABEL_COLUMNS, LABEL_COLUMNS, label);
  put_figure(report, figures, "ledger", false, out);
  put_figure(report, figures, "as_is", false, out);
  put_figure(report, figures, "would_be", false, out);
  put_figure(report, figures, "difference", true, out);
  buffer_append_byte(out, '\n');
}

static void put_bar(int64_t amount, int64_t most, int columns, struct buffer *out) {
  int full = most <= 0 ? 0 : (int)((double)amount / (double)most * columns + 0.5);
  for (int i = 0; i < full; i++) buffer_append_text(out, "█");
}

// --- parts ---------------------------------------------------------------------------------------------------

static void put_heading(const struct print_document *report, struct buffer *out) {
  print_words(out, report, report->root,
              "Orders {orders} of {members} members, from {from:minute} to {to:minute} UTC\n");
  if (number_of(report, report->root, "skipped") > 0) {
    print_words(out, report, report->root, "Left out, because they could not be booked again: {skipped} members\n");
  }
  buffer_append_format(out, "\n  %-*s%*s%*s%*s%*s\n", LABEL_COLUMNS, "", FIGURE_COLUMNS, "booked", FIGURE_COLUMNS,
                       "as it is", FIGURE_COLUMNS, "would be", FIGURE_COLUMNS, "difference");
}

static void put_totals(const struct print_document *report, struct buffer *out) {
  struct value_iter iter = value_iterate(member(report, report->root, "programmes"));
  char label[2 * TEXT_BYTES];
  while (value_next(&iter)) {
    snprintf(label, sizeof label, "%.*s, %.*s", BYTES_ARG(text_of(report, iter.item, "currency")),
             BYTES_ARG(text_of(report, iter.item, "programme")));
    put_row(report, label, member(report, iter.item, "points"), out);
  }
  put_row(report, "discounts", member(report, report->root, "discounts"), out);
  if (!is_nothing(report, member(report, report->root, "vouchers")))
    put_row(report, "vouchers given", member(report, report->root, "vouchers"), out);
  put_row(report, "cost", member(report, report->root, "cost"), out);
}

static void put_levels(const struct print_document *report, struct buffer *out) {
  static const char *const words[] = {"as_is", "as it is", "would_be", "would be"};
  struct value tiers = member(report, report->root, "tiers");
  buffer_append_text(out, "\nMoves between levels:");
  for (size_t i = 0; i < 4; i += 2) {
    struct value side = member(report, tiers, words[i]);
    buffer_append_format(out, "%s ", i == 0 ? "" : ",");
    print_words(out, report, side, "{up} up and {down}");
    buffer_append_format(out, " down %s", words[i + 1]);
  }
  buffer_append_byte(out, '\n');
}

static void put_cost(const struct print_document *report, struct buffer *out) {
  static const char *const words[] = {"ledger", "booked", "as_is", "as it is", "would_be", "would be"};
  struct value cost = member(report, report->root, "cost");
  int64_t most = 0;
  for (size_t i = 0; i < 6; i += 2)
    if (number_of(report, cost, words[i]) > most) most = number_of(report, cost, words[i]);
  buffer_append_text(out, "\nCost\n");
  for (size_t i = 0; i < 6; i += 2) {
    buffer_append_format(out, "  %-10s", words[i + 1]);
    put_figure(report, cost, words[i], false, out);
    buffer_append_text(out, "  ");
    put_bar(number_of(report, cost, words[i]), most, BAR_COLUMNS, out);
    buffer_append_byte(out, '\n');
  }
}

// A line for what a rule earns, one for what it takes off, one for what it gives.
static void put_rule(const struct print_document *report, struct value rule, struct buffer *out) {
  static const char *const parts[] = {"points", "discounts", "vouchers"};
  struct bytes campaign = text_of(report, rule, "campaign");
  char label[2 * TEXT_BYTES];
  bool any = false;
  for (size_t i = 0; i < 3; i++) {
    struct value figures = member(report, rule, parts[i]);
    if (is_nothing(report, figures)) continue;
    snprintf(label, sizeof label, "%.*s%s%.*s", BYTES_ARG(campaign), campaign.size_bytes > 0 ? ": " : "",
             BYTES_ARG(text_of(report, rule, "rule")));
    buffer_append_format(out, "  %-*.*s%-*.*s", LABEL_COLUMNS, LABEL_COLUMNS, any ? "" : label, FIGURE_COLUMNS,
                         FIGURE_COLUMNS, parts[i]);
    put_figure(report, figures, "as_is", false, out);
    put_figure(report, figures, "would_be", false, out);
    put_figure(report, figures, "difference", true, out);
    buffer_append_byte(out, '\n');
    any = true;
  }
}

static void put_largest(const struct print_document *report, struct buffer *out) {
  struct value_iter iter = value_iterate(member(report, report->root, "largest"));
  int64_t most = 0;
  while (value_next(&iter)) {
    int64_t difference = number_of(report, iter.item, "difference"), size = difference < 0 ? -difference : difference;
    if (most == 0) buffer_append_text(out, "\nMembers with the largest difference\n");
    if (size > most) most = size;
    print_words(out, report, iter.item, "  {customer:12}");
    put_figure(report, iter.item, "as_is", false, out);
    put_figure(report, iter.item, "would_be", false, out);
    put_figure(report, iter.item, "difference", true, out);
    buffer_append_text(out, "  ");
    put_bar(size, most, RULE_BAR_COLUMNS, out);
    buffer_append_byte(out, '\n');
  }
}

void print_simulation(const struct print_document *report, struct buffer *out) {
  struct value_iter rules = value_iterate(member(report, report->root, "rules"));
  struct value_iter notes = value_iterate(member(report, report->root, "notes"));
  struct bytes note;
  put_heading(report, out);
  put_totals(report, out);
  put_levels(report, out);
  put_cost(report, out);
  buffer_append_text(out, "\nBy rule\n");
  while (value_next(&rules)) put_rule(report, rules.item, out);
  put_largest(report, out);
  buffer_append_text(out, "\nWhat this does not say\n");
  while (value_next(&notes))
    if (value_as_text(notes.item, &note)) buffer_append_format(out, "  - %.*s\n", BYTES_ARG(note));
}
