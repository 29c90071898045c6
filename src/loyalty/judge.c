// judge: what a rule makes of an event.
//
// The condition first, then what the rule earns once by, then its discount, then the amount. Nothing here depends on
// what others earned: caps and budgets are the caller's. A line is the product of the message, which has what was paid
// for it once loyalty_with_paid put it there; a basket that was sent without products has lines all the same, and of
// them everything that was sent is null.
#include "loyalty/basket_private.h"
#include "loyalty/set.h"

struct judging {
  const struct loyalty_live_rule *rule;
  const struct loyalty_event *event; // may be NULL
  struct rule_machine *machine;
  struct facts *facts;
  int64_t now_us;
  struct arena *arena;
  struct loyalty_judgement *judgement;
  struct value *lines; // products by line of the basket
  size_t line_count;
};

// The value in the answer lives until the next run.
static enum err run(const struct judging *judging, const struct rule_program *program, struct value line,
                    struct rule_answer *answer) {
  struct rule_customer *customer = &judging->facts->customer;
  if (judging->event != NULL) {
    customer->subject = judging->event->message;
    customer->subject_item = line;
    customer->subject_time_us = judging->event->at_us;
  }
  enum err err = rule_run(judging->machine, program, customer, judging->now_us, false, answer);
  customer->subject = customer->subject_item = (struct value){0};
  customer->subject_time_us = 0;
  return err;
}

static enum err which_lines(const struct judging *judging, const struct rule_program *program, bool **lines,
                            bool *some) {
  *some = false;
  *lines = arena_take_zero(judging->arena, judging->line_count + 1, sizeof **lines);
  if (*lines == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < judging->line_count; i++) {
    struct rule_answer answer;
    enum err err = run(judging, program, judging->lines[i], &answer);
    if (err != ERR_OK) return err;
    (*lines)[i] = rule_is_true(&answer);
    *some = *some || (*lines)[i];
  }
  return ERR_OK;
}

// --- lines ---------------------------------------------------------------------------------------------------

static enum err lines_as_sent(struct judging *judging) {
  const struct loyalty_basket *basket = judging->event == NULL ? NULL : judging->event->basket;
  judging->line_count = basket == NULL ? 0 : basket->line_count;
  judging->lines = arena_take_zero(judging->arena, judging->line_count + 1, sizeof *judging->lines);
  if (judging->lines == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < judging->line_count; i++) judging->lines[i] = basket->lines[i].value;
  return ERR_OK;
}

static enum err lines_of_message(struct judging *judging) {
  struct value products = value_path(judging->event->message, judging->rule->names, "properties.products");
  enum err err = lines_as_sent(judging);
  if (err != ERR_OK || basket_items(products) != judging->line_count || value_type(products) != VALUE_LIST) return err;
  struct value_iter iter = value_iterate(products);
  for (size_t i = 0; value_next(&iter); i++) judging->lines[i] = iter.item;
  return ERR_OK;
}

// --- once ----------------------------------------------------------------------------------------------------

// Without needless zeros, and plain where its digits allow: 1.0 and 1 are one, and so are 1E+2 and 100.
static struct bytes number_text(struct arena *arena, struct decimal number) {
  char text[DECIMAL_TEXT_BYTES];
  while (number.coefficient > 0 && number.coefficient % 10 == 0) {
    number.coefficient /= 10;
    number.exponent++;
  }
  if (number.coefficient == 0) number = (struct decimal){0};
  while (number.exponent > 0 && decimal_digit_count(number.coefficient) + number.exponent <= 34) {
    number.coefficient *= 10;
    number.exponent--;
  }
  return arena_copy(arena, bytes_of(text, decimal_format(number, text)));
}

static enum err judge_once(struct judging *judging) {
  struct rule_answer answer;
  struct bytes *once = &judging->judgement->once;
  if (judging->rule->once_by == NULL) return ERR_OK;
  enum err err = run(judging, judging->rule->once_by, (struct value){0}, &answer);
  if (err != ERR_OK) return err;
  bool is_number = answer.status == RULE_KNOWN && answer.value.type == RULE_TYPE_NUMBER;
  bool is_text = answer.status == RULE_KNOWN && answer.value.type == RULE_TYPE_TEXT;
  if (!is_number && !is_text) return ERR_OK;
  *once = is_number ? number_text(judging->arena, answer.value.number) : arena_copy(judging->arena, answer.value.text);
  return once->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// --- conditions ----------------------------------------------------------------------------------------------

static enum err judge_condition(struct judging *judging) {
  struct rule_answer answer;
  if (judging->rule->when == NULL) return ERR_OK;
  enum err err = run(judging, judging->rule->when, (struct value){0}, &answer);
  if (err == ERR_OK && !rule_is_true(&answer))
    judging->judgement->skipped = answer.status == RULE_UNKNOWN ? "condition_unknown" : "condition_false";
  return err;
}

// A discount for lines of which there are none is no discount; where the rule does nothing else it is no rule.
static enum err judge_discount(struct judging *judging) {
  const struct loyalty_live_rule *rule = judging->rule;
  bool *lines, some;
  judging->judgement->discounts = rule->rule->discount.kind != LOYALTY_NO_DISCOUNT;
  if (rule->discount_lines == NULL) return ERR_OK;
  enum err err = which_lines(judging, rule->discount_lines, &lines, &some);
  if (err != ERR_OK) return err;
  judging->judgement->discount_lines = lines;
  judging->judgement->discounts = some;
  bool nothing_else = rule->earn == NULL && rule->rule->give.size_bytes == 0;
  if (!some && nothing_else) judging->judgement->skipped = "condition_false";
  return ERR_OK;
}

// --- amounts -------------------------------------------------------------------------------------------------

// Rounded down to the currency's scale. The reason why it is none, else NULL.
static const char *amount_of(const struct judging *judging, const struct rule_answer *answer, int64_t *amount) {
  const struct loyalty_live_rule *rule = judging->rule;
  const struct loyalty_currency *currency = loyalty_currency_at(rule->programme, rule->rule->currency);
  int64_t whole;
  if (answer->status == RULE_UNKNOWN) return "amount_unknown";
  if (answer->value.type != RULE_TYPE_NUMBER) return "amount_null";
  struct decimal number = answer->value.number;
  if (number.negative && number.coefficient > 0) return "amount_negative";
  number.exponent = (int16_t)(number.exponent + (currency == NULL ? 0 : currency->scale));
  if (decimal_to_scaled_i64(decimal_floor(number), 0, &whole) != ERR_OK || whole > LOYALTY_AMOUNT_MAX)
    return "amount_overflow";
  *amount = whole;
  return NULL;
}

static enum err judge_whole(struct judging *judging) {
  struct rule_answer answer;
  struct loyalty_judgement *judgement = judging->judgement;
  enum err err = run(judging, judging->rule->earn, (struct value){0}, &answer);
  if (err != ERR_OK) return err;
  judgement->skipped = amount_of(judging, &answer, &judgement->amount);
  if (judgement->skipped == NULL && judgement->amount == 0) judgement->skipped = "amount_zero";
  return ERR_OK;
}

// At most LOYALTY_LINES_MAX lines of LOYALTY_AMOUNT_MAX each: the sum has 63 bits.
static enum err add_lines(struct judging *judging, const bool *lines, int64_t *by_line, const char **reason) {
  struct loyalty_judgement *judgement = judging->judgement;
  for (size_t i = 0; i < judging->line_count; i++) {
    struct rule_answer answer;
    if (lines != NULL && !lines[i]) continue;
    enum err err = run(judging, judging->rule->earn, judging->lines[i], &answer);
    if (err != ERR_OK) return err;
    const char *why = amount_of(judging, &answer, &by_line[i]);
    if (*reason == NULL) *reason = why;
    judgement->amount += by_line[i];
  }
  return ERR_OK;
}

static enum err judge_by_line(struct judging *judging) {
  struct loyalty_judgement *judgement = judging->judgement;
  bool *lines = NULL, some = true;
  const char *reason = NULL;
  int64_t *by_line = arena_take_zero(judging->arena, judging->line_count + 1, sizeof *by_line);
  if (by_line == NULL) return ERR_NO_MEMORY;
  enum err err = judging->rule->lines == NULL ? ERR_OK : which_lines(judging, judging->rule->lines, &lines, &some);
  if (err == ERR_OK) err = add_lines(judging, lines, by_line, &reason);
  if (err != ERR_OK) return err;
  if (!some)
    judgement->skipped = "condition_false";
  else if (judgement->amount > LOYALTY_AMOUNT_MAX)
    judgement->skipped = "amount_overflow";
  else if (judgement->amount == 0)
    judgement->skipped = reason == NULL ? "amount_zero" : reason;
  if (judgement->skipped == NULL) judgement->by_line = by_line;
  return ERR_OK;
}

static enum err judge_amount(struct judging *judging) {
  struct loyalty_judgement *judgement = judging->judgement;
  if (judging->rule->once_by != NULL && judgement->once.data == NULL) judgement->skipped = "once_null";
  if (judgement->skipped != NULL || judging->rule->earn == NULL) return ERR_OK;
  enum err err = judging->rule->rule->by_line ? judge_by_line(judging) : judge_whole(judging);
  if (judgement->skipped != NULL) judgement->amount = 0;
  return err;
}

// --- asked ---------------------------------------------------------------------------------------------------

enum err loyalty_judge(const struct loyalty_live_rule *rule, const struct loyalty_event *event,
                       struct rule_machine *machine, struct facts *facts, int64_t now_us, struct arena *arena,
                       struct loyalty_judgement *judgement) {
  *judgement = (struct loyalty_judgement){.rule = rule};
  struct judging judging = {rule, event, machine, facts, now_us, arena, judgement, NULL, 0};
  bool needs_lines = rule->discount_lines != NULL || (rule->earn != NULL && rule->rule->by_line);
  enum err err = judge_once(&judging);
  if (err == ERR_OK) err = judge_condition(&judging);
  if (err != ERR_OK || judgement->skipped != NULL) return err;
  if (needs_lines) err = lines_of_message(&judging);
  if (err == ERR_OK) err = judge_discount(&judging);
  return err == ERR_OK && judgement->skipped == NULL ? judge_amount(&judging) : err;
}

enum err loyalty_is_true(const struct rule_program *program, const struct loyalty_event *event,
                         struct rule_machine *machine, struct facts *facts, int64_t now_us, bool *is_true) {
  struct judging judging = {.event = event, .machine = machine, .facts = facts, .now_us = now_us};
  struct rule_answer answer;
  *is_true = true;
  if (program == NULL) return ERR_OK;
  enum err err = run(&judging, program, (struct value){0}, &answer);
  *is_true = err == ERR_OK && rule_is_true(&answer);
  return err;
}

enum err loyalty_lines_where(const struct rule_program *program, const struct loyalty_event *event,
                             struct rule_machine *machine, struct facts *facts, int64_t now_us, struct arena *arena,
                             bool **lines) {
  struct judging judging = {.event = event, .machine = machine, .facts = facts, .now_us = now_us, .arena = arena};
  bool some;
  enum err err = lines_as_sent(&judging);
  return err == ERR_OK ? which_lines(&judging, program, lines, &some) : err;
}
