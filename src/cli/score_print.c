// score_print: pictures of scores. Widths are of characters; shades are blocks, behind colours where there are any.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/score.h"

enum { NAME_COLUMNS = 22, CELL_COLUMNS = 9, SHADES = 5 };

static const char *const shades[SHADES] = {" ", "░", "▒", "▓", "█"};
static const int colours[SHADES] = {0, 195, 153, 111, 69}; // of the 256 of terminals, light to dark

static void put_name(struct buffer *out, const char *name) {
  size_t used = print_clean(out, bytes_from_text(name), NAME_COLUMNS);
  buffer_append_format(out, "%*s", (int)(NAME_COLUMNS - used), "");
}

static const char *plural(uint64_t count) {
  return count == 1 ? "" : "s";
}

// --- RFM -----------------------------------------------------------------------------------------------------

static void print_cell(const struct score_rfm_picture *picture, uint64_t count, uint64_t most, struct buffer *out) {
  size_t shade = count == 0 ? 0 : (size_t)(1 + (count - 1) * (SHADES - 1) / most);
  if (picture->colours && shade > 0)
    buffer_append_format(out, "\033[30;48;5;%dm%*llu \033[0m", colours[shade], CELL_COLUMNS - 1,
                         (unsigned long long)count);
  else
    buffer_append_format(out, "%*llu %s", CELL_COLUMNS - 2, (unsigned long long)count, shades[shade]);
}

static void print_grid(const struct score_rfm_picture *picture, struct buffer *out) {
  unsigned bins = picture->thresholds->bins;
  uint64_t most = 1;
  for (unsigned r = 0; r < bins; r++)
    for (unsigned f = 0; f < bins; f++) most = picture->grid[r][f] > most ? picture->grid[r][f] : most;
  buffer_append_text(out, "\nRecency down, frequency across\n    ");
  for (unsigned f = 1; f <= bins; f++) buffer_append_format(out, "%*u  ", CELL_COLUMNS - 2, f);
  buffer_append_byte(out, '\n');
  for (unsigned r = bins; r > 0; r--) {
    buffer_append_format(out, "%4u", r);
    for (unsigned f = 0; f < bins; f++) print_cell(picture, picture->grid[r - 1][f], most, out);
    buffer_append_byte(out, '\n');
  }
}

static void print_segments(const struct score_rfm_picture *picture, struct buffer *out) {
  buffer_append_format(out, "\n%-*s %9s %7s %9s %14s\n", NAME_COLUMNS, "Segment", "customers", "share", "orders",
                       "amount");
  for (size_t i = 0; i <= picture->segments->count; i++) {
    char amount[DECIMAL_TEXT_BYTES];
    decimal_format(picture->amounts[i], amount);
    put_name(out, rfm_segment_name(picture->segments, i));
    buffer_append_format(
        out, " %9llu %6.1f%% %9llu %14s\n", (unsigned long long)picture->customers[i],
        picture->all_customers == 0 ? 0.0 : 100.0 * (double)picture->customers[i] / (double)picture->all_customers,
        (unsigned long long)picture->orders[i], amount);
  }
}

static void print_thresholds(const struct rfm_thresholds *thresholds, struct buffer *out) {
  static const char *const titles[RFM_MEASURES] = {"Recency in days, best first", "Frequency", "Monetary"};
  buffer_append_text(out, "\nA score ends before\n");
  for (int measure = 0; measure < RFM_MEASURES; measure++) {
    buffer_append_format(out, "  %-28s", titles[measure]);
    for (unsigned i = 0; i + 1 < thresholds->bins; i++)
      buffer_append_format(out, "%s%.6g", i == 0 ? "" : ", ", thresholds->bounds[measure][i]);
    buffer_append_byte(out, '\n');
  }
}

static void print_moves(const struct score_rfm_picture *picture, struct buffer *out) {
  const struct rfm_moves *moves = picture->moves;
  buffer_append_text(out, "\nMoved\n");
  for (size_t from = 0; from < moves->size; from++) {
    for (size_t to = 0; to < moves->size; to++) {
      uint64_t count = moves->counts[from * moves->size + to];
      if (count == 0 || from == to) continue;
      buffer_append_format(out, "  %7llu  ", (unsigned long long)count);
      put_name(out, from + 1 == moves->size ? "(no order yet)" : rfm_segment_name(picture->segments, from));
      buffer_append_text(out, " -> ");
      print_clean(out, bytes_from_text(rfm_segment_name(picture->segments, to)), 0);
      buffer_append_byte(out, '\n');
    }
  }
}

void score_rfm_print(const struct score_rfm_picture *picture, struct buffer *out) {
  buffer_append_format(out, "%llu customer%s%s\n", (unsigned long long)picture->all_customers,
                       plural(picture->all_customers), picture->title);
  print_grid(picture, out);
  print_segments(picture, out);
  print_thresholds(picture->thresholds, out);
  if (picture->moves != NULL) print_moves(picture, out);
}

// --- CLV -----------------------------------------------------------------------------------------------------

static void print_models(const struct score_clv_picture *picture, struct buffer *out) {
  static const char *const outcomes[] = {"converged", "a parameter runs away", "stopped"};
  const struct clv_fit *fit = picture->fit;
  buffer_append_format(out, "%-12s", clv_model_name(fit->model));
  for (int i = 0; i < CLV_PARAMETERS; i++)
    buffer_append_format(out, "%s %.4f  ", clv_parameter_name(fit->model, i), fit->parameters[i]);
  buffer_append_format(out, "log likelihood %.4f (%s)\n", fit->log_likelihood, outcomes[fit->outcome]);
  const struct clv_spend_fit *spend = picture->spend;
  if (spend == NULL) return;
  buffer_append_format(out, "%-12sp %.4f  q %.4f  v %.4f  log likelihood %.4f (%s)\n", "gamma_gamma", spend->p,
                       spend->q, spend->v, spend->log_likelihood, outcomes[spend->outcome]);
  buffer_append_format(out, "%-12scorrelation of how often and how much, taken for 0: %.4f\n", "", spend->correlation);
}

static void print_group(size_t group, struct buffer *out) {
  buffer_append_format(out, "  %zu%-10s", group, group + 1 == SCORE_CLV_GROUPS ? " and more" : "");
}

static void print_seen(const struct score_clv_picture *picture, struct buffer *out) {
  buffer_append_text(out, "\n  Ordered      customers");
  if (picture->has_expected) buffer_append_text(out, "   expected");
  if (picture->has_holdout) buffer_append_text(out, "   then each   expected");
  buffer_append_text(out, "\n  again\n");
  for (size_t i = 0; i < SCORE_CLV_GROUPS; i++) {
    double customers = picture->customers[i];
    print_group(i, out);
    buffer_append_format(out, "  %9.0f", customers);
    if (picture->has_expected) buffer_append_format(out, "  %9.1f", picture->expected[i]);
    if (picture->has_holdout && customers > 0)
      buffer_append_format(out, "  %10.2f  %9.2f", picture->seen_after[i] / customers,
                           picture->expected_after[i] / customers);
    buffer_append_byte(out, '\n');
  }
}

void score_clv_print(const struct score_clv_picture *picture, struct buffer *out) {
  double seen = 0;
  for (size_t i = 0; i < SCORE_CLV_GROUPS; i++) seen += picture->seen_after[i];
  print_models(picture, out);
  print_seen(picture, out);
  buffer_append_format(out, "\n%.0f customers, of whom %.1f are expected to be still there\n", picture->fit->customers,
                       picture->alive);
  buffer_append_format(out, "Within %.6g %ss %.1f orders are expected", picture->horizon, picture->unit,
                       picture->orders);
  if (picture->has_holdout) buffer_append_format(out, "; %.0f came", seen);
  if (picture->spend != NULL) buffer_append_format(out, "; they are worth %.2f", picture->value);
  buffer_append_byte(out, '\n');
}
