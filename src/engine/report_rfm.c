// report_rfm.c: who the customers are by recency, frequency and amount, and who moved from where to where.
//
// By the thresholds of a score that lives on the record, and by its orders; without one, by quantiles that are found as
// of the day asked for. One walk adds up the orders of each customer as of that day (and, of moves, as of the day
// before it too, by the same thresholds). Each part counts for itself: whole numbers, and sums of decimals, which are
// exact; so no figure depends on who counted what.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/live.h"
#include "engine/report.h"
#include "engine/score.h"
#include "engine/segments.h"
#include "value/given.h"

enum { SEGMENTS = RFM_SEGMENTS_MAX + 1, BINS = RFM_BINS_MAX, DEFAULT_DAYS = 91, OPTION_TEXT_BYTES = 128 };

// Of all products, or of one range.
struct counted {
  uint64_t customers, orders;
  uint64_t matrix[BINS][BINS]; // by recency and frequency, from 0
  struct {
    uint64_t customers, orders;
    struct decimal amount;
  } segments[SEGMENTS];
};

struct tally {
  struct counted *counted; // by slot; NULL: nothing was counted
  struct rfm_moves *moves;
};

struct run {
  struct engine_view *view;
  const struct engine_report_request *request;
  const struct segment_set *set; // that has the score; NULL: there is none
  struct scheme scheme;
  struct trade *own_trade; // NULL: the score's
  const struct trade *trade;
  const struct rule_zone *zone;
  struct roster ranges;
  size_t slot;             // of the range that is asked for; 0: all products
  bool moves;              // of `since_us`, else one day alone
  int64_t at_us, since_us; // the last moments
  struct tally parts[WALK_PARTS];
};

// --- what is asked for ---------------------------------------------------------------------------------------

static enum err read_option(struct run *run, const char *name, struct bytes *text, struct diag *diag) {
  struct value option = engine_report_option(run->view, run->request->options, name);
  *text = BYTES("");
  if (value_is_absent(option)) return ERR_OK;
  enum err err = given_text(option, OPTION_TEXT_BYTES, text, diag);
  if (err != ERR_OK) diag_in_field(diag, "%s", name);
  return err;
}

// The only score there is; NULL: there is none, or more.
static const struct segment_definition *only_score(const struct segment_set *set) {
  const struct segment_definition *found = NULL;
  for (size_t i = 0; set != NULL && i < segment_set_count(set); i++) {
    const struct segment_definition *one = segment_set_at(set, i);
    if (one->kind != SEGMENT_SCORE || one->status != SEGMENT_LIVE) continue;
    if (found != NULL) return NULL;
    found = one;
  }
  return found;
}

static enum err take_score(struct run *run, const struct segment_definition *definition, struct report *report,
                           struct diag *diag) {
  const struct score *score = score_of(segment_set_score(run->set, definition->question));
  char text[SCHEME_ID_BYTES + 32];
  if (score->scheme.bounds[0].bins == 0)
    return diag_set(diag, ERR_INVALID, "no_customers",
                    "the score has no thresholds yet: refresh it once there are orders");
  run->scheme = score->scheme;
  run->trade = score->trade;
  snprintf(text, sizeof text, "%.*s, version %u", BYTES_ARG(definition->id), (unsigned)definition->version);
  report_fact(report, "score", "Score", bytes_from_text(text));
  return ERR_OK;
}

static enum err find_thresholds(struct run *run, struct arena *arena, struct report *report, struct diag *diag) {
  enum err err = trade_open(run->view, &run->own_trade, diag);
  run->trade = run->own_trade;
  run->scheme = (struct scheme){.automatic = true, .method = RFM_QUANTILE, .bins = RFM_BINS};
  rfm_segments_default(&run->scheme.segments);
  if (err == ERR_OK)
    err = score_find(run->view, run->trade, run->at_us, run->request->progress, run->request->context, arena,
                     &run->scheme, diag);
  if (err == ERR_OK && run->scheme.bounds[0].bins == 0)
    err = diag_set(diag, ERR_INVALID, "no_customers", "nobody had bought by then");
  report_fact(report, "score", "Score", BYTES("found for this report: quantiles, 5 bins"));
  return err;
}

static enum err read_score(struct run *run, struct arena *arena, struct report *report, struct diag *diag) {
  struct bytes id;
  enum err err = read_option(run, "score", &id, diag);
  if (err != ERR_OK) return err;
  run->set = live_set(run->view->engine);
  const struct segment_definition *definition =
      id.size_bytes > 0 ? segments_find_score(run->set, id) : only_score(run->set);
  if (definition != NULL) return take_score(run, definition, report, diag);
  return id.size_bytes > 0 ? segments_no_such_score(run->set, id, diag) : find_thresholds(run, arena, report, diag);
}

static enum err read_range(struct run *run, struct report *report, struct diag *diag) {
  struct bytes range;
  uint32_t number;
  enum err err = read_option(run, "range", &range, diag);
  for (size_t i = 0; err == ERR_OK && i < run->scheme.range_count; i++)
    if (roster_number(&run->ranges, run->scheme.ranges[i], &number) != ERR_OK) err = diag_no_memory(diag);
  if (err != ERR_OK) return err;
  report_fact(report, "range", "Products", range.size_bytes > 0 ? range : BYTES("all"));
  if (range.size_bytes == 0) return ERR_OK;
  if (roster_find(&run->ranges, range, &number) && run->scheme.bounds[number + 1].bins > 0) {
    run->slot = (size_t)number + 1;
    return ERR_OK;
  }
  diag_set(diag, ERR_NOT_FOUND, "no_range", "the score has no thresholds of the range \"%.*s\"", BYTES_ARG(range));
  diag_in_field(diag, "range");
  return ERR_NOT_FOUND;
}

static enum err read_since(struct run *run, struct report *report, struct diag *diag) {
  struct value option = engine_report_option(run->view, run->request->options, "since");
  char text[ENGINE_REPORT_TIME_BYTES];
  int64_t end_us;
  enum err err = value_is_absent(option) ? rule_time_start(run->zone, run->at_us, RULE_DAY, 1 - DEFAULT_DAYS, &end_us)
                                         : engine_report_instant(run->view, option, "since", true, &end_us, NULL, diag);
  if (err != ERR_OK) return err;
  run->since_us = end_us - 1;
  if (run->since_us >= run->at_us) {
    diag_set(diag, ERR_INVALID, "out_of_range", "expected a day before \"at\"");
    diag_in_field(diag, "since");
    return ERR_INVALID;
  }
  engine_report_time(run->view, run->since_us, text);
  text[10] = '\0'; // the date alone
  report_fact(report, "since", "Compared with the end of", bytes_from_text(text));
  return ERR_OK;
}

// --- one customer --------------------------------------------------------------------------------------------

static size_t slot_count(const struct run *run) {
  return run->scheme.range_count + 1;
}

static struct rfm_scores scores_at(const struct run *run, const struct score_slot *slot, size_t index, int64_t at_us,
                                   size_t *segment) {
  const struct scheme *scheme = &run->scheme;
  struct rfm_summary summary = score_summary(run->zone, slot, score_day(run->zone, at_us));
  struct rfm_scores scores = rfm_scores_of(&summary, &scheme->bounds[index]);
  *segment = rfm_segment_of(&scheme->segments, scores, scheme->bounds[index].bins);
  return scores;
}

static enum err count_slot(const struct run *run, struct counted *counted, const struct score_slot *slot,
                           size_t index) {
  size_t segment;
  if (slot->orders == 0 || run->scheme.bounds[index].bins == 0) return ERR_OK;
  struct rfm_scores scores = scores_at(run, slot, index, run->at_us, &segment);
  counted->customers++;
  counted->orders += slot->orders;
  counted->matrix[scores.recency - 1][scores.frequency - 1]++;
  counted->segments[segment].customers++;
  counted->segments[segment].orders += slot->orders;
  return decimal_add(counted->segments[segment].amount, slot->amount, &counted->segments[segment].amount);
}

// The segment as of a moment; that of nobody when she had bought nothing that counts.
static size_t segment_at(const struct run *run, const struct score_slot *slots, int64_t at_us) {
  size_t segment = run->scheme.segments.count + 1;
  if (slots[run->slot].orders > 0) scores_at(run, &slots[run->slot], run->slot, at_us, &segment);
  return segment;
}

static enum err add_up(const struct run *run, const struct trade_order *orders, size_t count, int64_t at_us,
                       struct arena *arena, struct score_slot **slots) {
  struct score_tally tally = {run->zone, run->scheme.length, &run->ranges};
  *slots = arena_take_zero(arena, slot_count(run), sizeof **slots);
  return *slots == NULL ? ERR_NO_MEMORY : score_add_up(&tally, orders, count, at_us, *slots, NULL);
}

static enum err count_moves(const struct run *run, struct tally *tally, const struct trade_order *orders, size_t count,
                            struct arena *arena) {
  struct score_slot *now, *before;
  enum err err = add_up(run, orders, count, run->at_us, arena, &now);
  if (err == ERR_OK) err = add_up(run, orders, count, run->since_us, arena, &before);
  if (err != ERR_OK) return err;
  size_t nobody = run->scheme.segments.count + 1, from = segment_at(run, before, run->since_us),
         to = segment_at(run, now, run->at_us);
  if (from != nobody || to != nobody) rfm_moves_add(tally->moves, from, to);
  return ERR_OK;
}

static enum err count_customer(const struct run *run, struct tally *tally, const struct trade_order *orders,
                               size_t count, struct arena *arena) {
  struct score_slot *slots;
  enum err err = add_up(run, orders, count, run->at_us, arena, &slots);
  for (size_t i = 0; err == ERR_OK && i < slot_count(run); i++) err = count_slot(run, &tally->counted[i], &slots[i], i);
  return err;
}

static enum err make_room(const struct run *run, struct tally *tally) {
  if (run->moves && tally->moves == NULL) {
    tally->moves = alloc_zero(1, sizeof *tally->moves);
    if (tally->moves != NULL) rfm_moves_init(tally->moves, &run->scheme.segments);
  } else if (!run->moves && tally->counted == NULL) {
    tally->counted = alloc_zero(slot_count(run), sizeof *tally->counted);
  }
  return tally->moves == NULL && tally->counted == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err look(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct tally *tally = &run->parts[part];
  const struct trade_order *orders;
  size_t count;
  enum err err =
      trade_orders(run->trade, facts, INT64_MIN, run->at_us + 1, run->ranges.count > 0, arena, &orders, &count, diag);
  if (err != ERR_OK || count == 0) return err;
  if (make_room(run, tally) != ERR_OK) return diag_no_memory(diag);
  err = run->moves ? count_moves(run, tally, orders, count, arena) : count_customer(run, tally, orders, count, arena);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err == ERR_OK) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "amount_too_large", "the sum of all amounts is too large");
}

// --- all parts -----------------------------------------------------------------------------------------------

static enum err add_counted(struct counted *to, const struct counted *from) {
  enum err err = ERR_OK;
  to->customers += from->customers;
  to->orders += from->orders;
  for (size_t i = 0; i < BINS * BINS; i++) to->matrix[i / BINS][i % BINS] += from->matrix[i / BINS][i % BINS];
  for (size_t i = 0; err == ERR_OK && i < SEGMENTS; i++) {
    to->segments[i].customers += from->segments[i].customers;
    to->segments[i].orders += from->segments[i].orders;
    err = decimal_add(to->segments[i].amount, from->segments[i].amount, &to->segments[i].amount);
  }
  return err;
}

static enum err add_part(const struct run *run, struct tally *all, const struct tally *part) {
  enum err err = ERR_OK;
  for (size_t i = 0; part->moves != NULL && i < part->moves->size * part->moves->size; i++)
    all->moves->counts[i] += part->moves->counts[i];
  for (size_t i = 0; err == ERR_OK && part->counted != NULL && i < slot_count(run); i++)
    err = add_counted(&all->counted[i], &part->counted[i]);
  return err;
}

static void release(struct tally *tally) {
  alloc_free(tally->counted);
  alloc_free(tally->moves);
}

static enum err count(struct run *run, struct tally *all, struct diag *diag) {
  struct walk_options options = {.view = run->view,
                                 .threads = run->request->threads,
                                 .progress = run->request->progress,
                                 .context = run->request->context};
  options.name_count = trade_names(run->trade, &options.names);
  enum err err = walk_customers(&options, look, run, diag);
  if (err == ERR_OK && make_room(run, all) != ERR_OK) err = diag_no_memory(diag);
  for (size_t i = 0; err == ERR_OK && i < WALK_PARTS; i++)
    if (add_part(run, all, &run->parts[i]) != ERR_OK)
      err = diag_set(diag, ERR_LIMIT, "amount_too_large", "the sum of all amounts is too large");
  for (size_t i = 0; i < WALK_PARTS; i++) release(&run->parts[i]);
  return err;
}

// --- told ----------------------------------------------------------------------------------------------------

enum { CENTS = 2 };

static void put_money(struct report *report, struct decimal amount) {
  int64_t cents;
  if (decimal_round(amount, CENTS, &amount) != ERR_OK || decimal_to_scaled_i64(amount, CENTS, &cents) != ERR_OK)
    report_none(report);
  else
    report_decimal(report, cents, CENTS);
}

static void put_basket(struct report *report, struct decimal amount, uint64_t orders) {
  if (orders == 0 || decimal_divide(amount, decimal_from_i64((int64_t)orders), &amount) != ERR_OK)
    report_none(report);
  else
    put_money(report, amount);
}

static void put_share(struct report *report, uint64_t part, uint64_t whole) {
  if (whole == 0)
    report_none(report);
  else
    report_number(report, (double)part / (double)whole);
}

static const struct report_column OF_SEGMENT[] = {
    {"segment", "Segment", REPORT_TEXT},  {"customers", "Customers", REPORT_COUNT},
    {"share", "Share", REPORT_SHARE},     {"orders", "Orders", REPORT_COUNT},
    {"revenue", "Revenue", REPORT_MONEY}, {"average_basket", "Average basket", REPORT_MONEY},
};
enum { SEGMENT_COLUMNS = sizeof OF_SEGMENT / sizeof *OF_SEGMENT };

static void put_segment(struct report *report, const struct run *run, const struct counted *counted, size_t segment) {
  report_text(report, bytes_from_text(rfm_segment_name(&run->scheme.segments, segment)));
  report_count(report, counted->segments[segment].customers);
  put_share(report, counted->segments[segment].customers, counted->customers);
  report_count(report, counted->segments[segment].orders);
  put_money(report, counted->segments[segment].amount);
  put_basket(report, counted->segments[segment].amount, counted->segments[segment].orders);
}

static void tell_segments(struct report *report, const struct run *run, const struct counted *counted) {
  report_table(report, "segments", "Segments", OF_SEGMENT, SEGMENT_COLUMNS);
  for (size_t i = 0; i <= run->scheme.segments.count; i++) put_segment(report, run, counted, i);
}

// Recency down, the most recent first; frequency across.
static void tell_matrix(struct report *report, const struct run *run, const struct counted *counted) {
  struct report_column columns[BINS + 1] = {{"recency", "Recency score", REPORT_COUNT}};
  char keys[BINS][8], labels[BINS][24];
  unsigned bins = run->scheme.bounds[run->slot].bins;
  for (unsigned i = 0; i < bins; i++) {
    snprintf(keys[i], sizeof keys[i], "f%u", i + 1);
    snprintf(labels[i], sizeof labels[i], "Frequency %u", i + 1);
    columns[i + 1] = (struct report_column){keys[i], labels[i], REPORT_COUNT};
  }
  report_table(report, "matrix", "Customers by recency and frequency", columns, bins + 1);
  for (unsigned r = bins; r > 0; r--) {
    report_count(report, r);
    for (unsigned f = 0; f < bins; f++) report_count(report, counted->matrix[r - 1][f]);
  }
}

static void tell_ranges(struct report *report, const struct run *run, const struct tally *all) {
  struct report_column columns[SEGMENT_COLUMNS + 1] = {{"range", "Product range", REPORT_TEXT}};
  memcpy(columns + 1, OF_SEGMENT, sizeof OF_SEGMENT);
  if (run->scheme.range_count == 0) return;
  report_table(report, "ranges", "Segments of each product range", columns, SEGMENT_COLUMNS + 1);
  for (size_t i = 1; i < slot_count(run); i++)
    for (size_t k = 0; k <= run->scheme.segments.count; k++) {
      if (all->counted[i].segments[k].customers == 0) continue;
      report_text(report, run->scheme.ranges[i - 1]);
      put_segment(report, run, &all->counted[i], k);
    }
}

static void put_bounds(struct report *report, struct bytes range, const struct rfm_thresholds *bounds) {
  if (bounds->bins == 0) return;
  report_text(report, range);
  for (int measure = 0; measure < RFM_MEASURES; measure++) {
    struct buffer text;
    buffer_init(&text);
    for (unsigned i = 0; i + 1 < bounds->bins; i++)
      buffer_append_format(&text, "%s%.6g", i > 0 ? ", " : "", bounds->bounds[measure][i]);
    report_text(report, buffer_view(&text));
    buffer_release(&text);
  }
}

static void tell_thresholds(struct report *report, const struct run *run) {
  static const struct report_column columns[] = {{"range", "Products", REPORT_TEXT},
                                                 {"recency", "Recency in days", REPORT_TEXT},
                                                 {"frequency", "Frequency", REPORT_TEXT},
                                                 {"monetary", "Amount", REPORT_TEXT}};
  report_table(report, "thresholds", "Where a score ends and the next begins", columns,
               sizeof columns / sizeof *columns);
  put_bounds(report, BYTES(SCHEME_ALL), &run->scheme.bounds[0]);
  for (size_t i = 1; i < slot_count(run); i++) put_bounds(report, run->scheme.ranges[i - 1], &run->scheme.bounds[i]);
}

static void tell_rfm(struct report *report, const struct run *run, const struct tally *all) {
  tell_segments(report, run, &all->counted[run->slot]);
  tell_matrix(report, run, &all->counted[run->slot]);
  if (run->slot == 0) tell_ranges(report, run, all);
  tell_thresholds(report, run);
  report_note(report, "The highest score is the most recent, the most frequent, the most spent. Returns are not taken "
                      "off. The revenue of a range is that of its lines.");
}

static const char *name_at(const struct run *run, size_t position) {
  const struct rfm_segments *segments = &run->scheme.segments;
  return position == segments->count + 1 ? "No order" : rfm_segment_name(segments, position);
}

static void tell_balance(struct report *report, const struct run *run, const struct rfm_moves *moves) {
  static const struct report_column columns[] = {{"segment", "Segment", REPORT_TEXT},
                                                 {"before", "Customers before", REPORT_COUNT},
                                                 {"left", "Left", REPORT_COUNT},
                                                 {"entered", "Entered", REPORT_COUNT},
                                                 {"after", "Customers after", REPORT_COUNT}};
  report_table(report, "segments", "Who left and who entered", columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < moves->size; i++) {
    uint64_t left = 0, entered = 0, stayed = moves->counts[i * moves->size + i];
    for (size_t k = 0; k < moves->size; k++) {
      left += k == i ? 0 : moves->counts[i * moves->size + k];
      entered += k == i ? 0 : moves->counts[k * moves->size + i];
    }
    report_text(report, bytes_from_text(name_at(run, i)));
    report_count(report, stayed + left);
    report_count(report, left);
    report_count(report, entered);
    report_count(report, stayed + entered);
  }
}

static void tell_moves(struct report *report, const struct run *run, const struct rfm_moves *moves) {
  static const struct report_column columns[] = {{"from", "From", REPORT_TEXT},
                                                 {"to", "To", REPORT_TEXT},
                                                 {"customers", "Customers", REPORT_COUNT},
                                                 {"share", "Share of those before", REPORT_SHARE}};
  tell_balance(report, run, moves);
  report_table(report, "moves", "From where to where", columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < moves->size; i++) {
    uint64_t before = 0;
    for (size_t k = 0; k < moves->size; k++) before += moves->counts[i * moves->size + k];
    for (size_t k = 0; k < moves->size; k++) {
      if (moves->counts[i * moves->size + k] == 0) continue;
      report_text(report, bytes_from_text(name_at(run, i)));
      report_text(report, bytes_from_text(name_at(run, k)));
      report_count(report, moves->counts[i * moves->size + k]);
      put_share(report, moves->counts[i * moves->size + k], before);
    }
  }
  report_note(report, "Both days are scored by the same thresholds: who moved did so by what she bought, or did not.");
}

// --- making it -----------------------------------------------------------------------------------------------

static enum err make(struct run *run, struct arena *arena, struct report *report, struct diag *diag) {
  struct tally all = {0};
  int64_t end_us;
  enum err err =
      engine_report_at(run->view, run->request->options, clock_now_us(run->view->engine->clock), report, &end_us, diag);
  if (err != ERR_OK) return err;
  run->at_us = end_us - 1;
  if (run->moves) err = read_since(run, report, diag);
  if (err == ERR_OK) err = read_score(run, arena, report, diag);
  if (err == ERR_OK) err = read_range(run, report, diag);
  if (err == ERR_OK) trade_fact(run->trade, report);
  if (err == ERR_OK) err = count(run, &all, diag);
  if (err == ERR_OK && run->moves) tell_moves(report, run, all.moves);
  if (err == ERR_OK && !run->moves) tell_rfm(report, run, &all);
  release(&all);
  return err;
}

static enum err make_one(struct engine_view *view, const struct engine_report_request *request, bool moves,
                         struct report *report, struct diag *diag) {
  struct arena arena;
  struct run *run = alloc_zero(1, sizeof *run);
  if (run == NULL) return diag_no_memory(diag);
  *run = (struct run){.view = view, .request = request, .zone = engine_zone(view->engine), .moves = moves};
  arena_init(&arena, 0);
  roster_init(&run->ranges);
  enum err err = make(run, &arena, report, diag);
  roster_release(&run->ranges);
  trade_close(run->own_trade);
  if (run->set != NULL) segment_set_close(run->set);
  arena_release(&arena);
  alloc_free(run);
  return err;
}

enum err engine_report_rfm(struct engine_view *view, const struct engine_report_request *request, struct report *report,
                           struct rule_diag *refusal, struct diag *diag) {
  (void)refusal;
  return make_one(view, request, false, report, diag);
}

enum err engine_report_rfm_moves(struct engine_view *view, const struct engine_report_request *request,
                                 struct report *report, struct rule_diag *refusal, struct diag *diag) {
  (void)refusal;
  return make_one(view, request, true, report, diag);
}
