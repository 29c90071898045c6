// Random expressions over random customers: the machine against the reference.
//
// At each of several instants both must give the same value, from columns and from messages. Until when the machine
// says that it stays must be sound: the reference is asked one microsecond before, at random instants inside, and at
// every instant inside at which a stored time (plus a duration of the expression) lies. It must be one of the instants
// that may be named: a stored time, plus one or two durations, plus the microsecond of <= and >=, or a midnight where
// the expression looks at the calendar. So a walk from one answer's end to the next ends soon.
// RAPPORT_MODEL_ROUNDS sets how many customers are made, RAPPORT_MODEL_SEED where they begin.
#include "rounds.h"
#include "rule_random.h"
#include "rule_trial.h"

#include "rule/duration.h"

enum {
  EXPRESSIONS = 6,
  INSTANTS = 4,
  INSIDE = 24,
  STEPS_MAX = 60,
  BASES_MAX = 128,
  DURATIONS_MAX = 128,
  PROBLEM = 512
};

// Nobody asks later than in the year 9990: at the end of 9999 results leave the calendar, which is not modelled.
#define LAST_NOW_US (2929245 * CLOCK_DAY_US)

static struct { unsigned expressions, refused, answers, steps, changes; } counts;

// --- the instants that may be named --------------------------------------------------------------------------

struct instants {
  const struct rule_zone *zone;
  int64_t bases[BASES_MAX];
  size_t base_count;
  struct rule_duration durations[DURATIONS_MAX]; // each also counted back
  size_t duration_count;
  bool midnights;
  int64_t period_us; // of `in previous N hours` and less; 0: none
};

static void add_base(struct instants *instants, int64_t time_us) {
  int64_t start_us;
  assert_true(instants->base_count + 2 <= BASES_MAX);
  instants->bases[instants->base_count++] = time_us;
  if (rule_time_start(instants->zone, time_us, RULE_DAY, 0, &start_us) == ERR_OK)
    instants->bases[instants->base_count++] = start_us;
}

static void add_duration(struct instants *instants, struct rule_duration duration) {
  assert_true(instants->duration_count + 2 <= DURATIONS_MAX);
  instants->durations[instants->duration_count++] = duration;
  duration.count = -duration.count;
  instants->durations[instants->duration_count++] = duration;
}

static void collect(struct instants *instants, const struct rule_node *node);

static void collect_window(struct instants *instants, const struct rule_window *window) {
  static const int64_t periods[] = {CLOCK_SECOND_US, CLOCK_MINUTE_US, CLOCK_HOUR_US};
  if (window->kind >= RULE_WINDOW_LAST && window->kind <= RULE_WINDOW_PREVIOUS) add_duration(instants, window->length);
  if (window->kind == RULE_WINDOW_LAST_DAYS || window->kind == RULE_WINDOW_PREVIOUS) instants->midnights = true;
  if (window->kind == RULE_WINDOW_PREVIOUS && window->length.unit <= RULE_HOUR)
    instants->period_us = periods[window->length.unit];
}

static void collect_events(struct instants *instants, const struct rule_events *events) {
  if (events->where != NULL) collect(instants, events->where);
  collect_window(instants, &events->window);
}

static void collect(struct instants *instants, const struct rule_node *node) {
  int64_t time_us = node->time_us;
  if (node->kind == RULE_NODE_DURATION) add_duration(instants, node->duration);
  if (node->kind == RULE_NODE_CALL && node->function >= RULE_FUNCTION_today && node->function <= RULE_FUNCTION_hour)
    instants->midnights = true;
  if (node->kind == RULE_NODE_DATE || (node->kind == RULE_NODE_TIME && !node->has_offset))
    assert_int_equal(rule_time_from_wall(instants->zone, time_us, &time_us), ERR_OK);
  if (node->kind == RULE_NODE_DATE || node->kind == RULE_NODE_TIME) add_base(instants, time_us);
  if (node->left != NULL) collect(instants, node->left);
  if (node->right != NULL) collect(instants, node->right);
  for (uint32_t i = 0; i < node->item_count; i++) collect(instants, node->items[i]);
  if (node->events != NULL) collect_events(instants, node->events);
  for (uint32_t i = 0; i < node->step_count; i++) {
    collect_events(instants, &node->steps[i].events);
    if (node->steps[i].has_within) add_duration(instants, node->steps[i].within);
  }
}

// Every text anywhere in the customer that reads as a time.
static void collect_stored(struct instants *instants, struct value value) {
  struct bytes text;
  int64_t time_us;
  if (value_as_text(value, &text) && sample_time(instants->zone, text, &time_us)) add_base(instants, time_us);
  for (struct value_iter iter = value_iterate(value); value_next(&iter);) collect_stored(instants, iter.item);
}

static void instants_init(struct instants *instants, const struct rule_node *tree, const struct sample *sample) {
  *instants = (struct instants){.zone = sample->zone};
  collect(instants, tree);
  collect_stored(instants, sample->document);
}

static bool is_close(int64_t until_us, int64_t time_us) {
  return until_us == time_us || until_us == time_us + 1;
}

// A base and a duration, and another.
static bool is_sum(const struct instants *instants, int64_t until_us, int64_t base_us) {
  int64_t once_us, twice_us;
  for (size_t i = 0; i < instants->duration_count; i++) {
    if (rule_time_add(instants->zone, base_us, instants->durations[i], &once_us) != ERR_OK) continue;
    if (is_close(until_us, once_us)) return true;
    for (size_t j = 0; j < instants->duration_count; j++)
      if (rule_time_add(instants->zone, once_us, instants->durations[j], &twice_us) == ERR_OK &&
          is_close(until_us, twice_us))
        return true;
  }
  return false;
}

static bool may_be_named(const struct instants *instants, int64_t until_us) {
  int64_t start_us = 0;
  if (until_us == INT64_MAX) return true;
  if (instants->midnights && rule_time_start(instants->zone, until_us, RULE_DAY, 0, &start_us) == ERR_OK &&
      start_us == until_us)
    return true;
  if (instants->period_us > 0 && until_us % instants->period_us == 0) return true;
  for (size_t i = 0; i < instants->base_count; i++)
    if (is_close(until_us, instants->bases[i])) return true;
  for (size_t i = 0; i < instants->base_count; i++)
    if (is_sum(instants, until_us, instants->bases[i])) return true;
  return false;
}

// An instant at which something may happen: chosen among the bases and their sums, or just beside.
static int64_t an_instant(const struct instants *instants) {
  int64_t time_us = instants->bases[random_below((unsigned)instants->base_count)];
  if (instants->duration_count > 0 && random_below(3) > 0)
    rule_time_add(instants->zone, time_us, instants->durations[random_below((unsigned)instants->duration_count)],
                  &time_us);
  return time_us + (int64_t)random_below(3) - 1;
}

// --- one question --------------------------------------------------------------------------------------------

struct question {
  struct trial trial;
  struct sample sample;
  struct instants instants;
  struct sample_view views[2];
};

// One machine runs all programs, at one instant after another: what it keeps between runs must be of the right one.
static struct rule_machine *machine;

// False: the checker refuses the expression.
static bool question_open(struct question *question, const char *expression, const char *json) {
  struct rule_diag diag;
  char problem[256];
  sample_init(&question->sample);
  if (sample_read(&question->sample, bytes_from_text(json), problem) == SAMPLE_WRONG) fail_msg("%s: %s", json, problem);
  if (question->sample.zone == NULL) skip();
  if (trial_parse(&question->trial, bytes_from_text(expression), &question->sample, &diag) != ERR_OK) {
    trial_release(&question->trial);
    sample_release(&question->sample);
    if (diag.code[0] == 'w' && strncmp(diag.code, "wrong_", 6) == 0) return false;
    fail_msg("%s: %s", expression, diag.message);
  }
  trial_compile(&question->trial, &question->sample);
  rule_machine_close(question->trial.machine);
  question->trial.machine = machine;
  instants_init(&question->instants, question->trial.tree, &question->sample);
  sample_view_init(&question->views[0], &question->sample, SAMPLE_HOT);
  sample_view_init(&question->views[1], &question->sample, SAMPLE_COLD);
  return true;
}

static void question_close(struct question *question) {
  for (size_t i = 0; i < 2; i++) sample_view_release(&question->views[i]);
  sample_release(&question->sample);
  question->trial.machine = NULL;
  trial_release(&question->trial);
}

static struct reference_answer ask_reference(struct question *question, int64_t now_us) {
  return rule_reference_run(question->trial.tree, &question->sample, now_us, &question->trial.arena);
}

static bool same_answer(const struct reference_answer *a, enum rule_status status, const struct rule_value *value) {
  return a->status == status && (status == RULE_UNKNOWN || rule_reference_same(&a->value, value));
}

static bool complain(char problem[PROBLEM], const char *what, int64_t at_us) {
  char time[CLOCK_TEXT_BYTES];
  snprintf(problem, PROBLEM, "%s (%s)", what, trial_time(at_us, time));
  return false;
}

// Both values as text behind what is wrong.
static bool complain_values(char problem[PROBLEM], const char *what, const struct question *question,
                            const struct reference_answer *expected, const struct rule_answer *got) {
  struct buffer texts[2];
  for (size_t i = 0; i < 2; i++) buffer_init(&texts[i]);
  rule_reference_print(&expected->value, question->sample.names, &texts[0]);
  rule_reference_print(&got->value, question->sample.names, &texts[1]);
  snprintf(problem, PROBLEM, "%s: expected %.*s, got %.*s%s", what, BYTES_ARG(buffer_view(&texts[0])),
           BYTES_ARG(buffer_view(&texts[1])), got->status == RULE_UNKNOWN ? " (unknown)" : "");
  for (size_t i = 0; i < 2; i++) buffer_release(&texts[i]);
  return false;
}

// The value at now is the value at every instant tried before `until_us`.
static bool stays(struct question *question, int64_t now_us, int64_t until_us, char problem[PROBLEM]) {
  struct reference_answer first = ask_reference(question, now_us);
  int64_t end_us = until_us == INT64_MAX ? now_us + 800 * CLOCK_DAY_US : until_us;
  if (end_us > LAST_NOW_US) end_us = LAST_NOW_US;
  for (int i = 0; i < INSIDE; i++) {
    int64_t at_us = i == 0 ? end_us - 1 : an_instant(&question->instants);
    if (i % 6 == 1) at_us = now_us + (int64_t)random_below(1u << 30) * ((end_us - now_us) >> 30);
    if (at_us <= now_us || at_us >= end_us) continue;
    struct reference_answer then = ask_reference(question, at_us);
    if (!same_answer(&first, then.status, &then.value)) {
      char until[CLOCK_TEXT_BYTES], at[CLOCK_TEXT_BYTES];
      snprintf(problem, PROBLEM, "it is to stay until %s, and is another at %s", trial_time(until_us, until),
               trial_time(at_us, at));
      return false;
    }
  }
  return true;
}

// Whether all is well at `now_us`; else `problem`. *until_us is the end of the answer.
static bool check_at(struct question *question, int64_t now_us, int64_t *until_us, char problem[PROBLEM]) {
  static const char *const who[] = {"with columns", "with messages"};
  struct reference_answer expected = ask_reference(question, now_us);
  struct rule_answer answer;
  for (size_t i = 0; i < 4; i++) {
    bool want_until = i < 2;
    const char *wrong = trial_run(&question->trial, &question->views[i % 2], now_us, want_until, &answer);
    if (wrong != NULL) return complain(problem, wrong, now_us);
    if (!same_answer(&expected, answer.status, &answer.value))
      return complain_values(problem, want_until ? who[i % 2] : "without until", question, &expected, &answer);
    if (!want_until) continue;
    if (i == 0) *until_us = answer.valid_until_us;
    if (!may_be_named(&question->instants, answer.valid_until_us))
      return complain(problem, "an end that nothing explains", answer.valid_until_us);
    if (!stays(question, now_us, answer.valid_until_us, problem)) return false;
  }
  counts.answers++;
  return true;
}

// From one end to the next. *at_us is where it was when something is wrong.
static bool check_walk(struct question *question, int64_t *at_us, char problem[PROBLEM]) {
  int64_t until_us = 0, now_us = *at_us;
  for (int step = 0; step < STEPS_MAX; step++) {
    *at_us = now_us;
    if (!check_at(question, now_us, &until_us, problem)) return false;
    if (until_us > LAST_NOW_US) return true;
    counts.steps++;
    struct reference_answer before = ask_reference(question, now_us), after = ask_reference(question, until_us);
    counts.changes += !same_answer(&before, after.status, &after.value);
    now_us = until_us;
  }
  // What is left are boundaries of the calendar, which come for ever; stored times do not.
  if (question->instants.midnights || question->instants.period_us > 0) return true;
  size_t distinct = 2 * question->instants.base_count * (1 + question->instants.duration_count);
  return distinct > STEPS_MAX ? true : complain(problem, "the walk does not end", now_us);
}

// --- rounds --------------------------------------------------------------------------------------------------

// Whether the question goes wrong at this instant, for this customer.
static bool goes_wrong(const struct random_customer *customer, const char *expression, int64_t now_us,
                       char problem[PROBLEM]) {
  struct question question;
  struct buffer json;
  int64_t until_us = 0;
  buffer_init(&json);
  random_customer_print(customer, now_us, &json);
  bool wrong = question_open(&question, expression, (const char *)json.data);
  if (wrong) {
    wrong = !check_at(&question, now_us, &until_us, problem);
    question_close(&question);
  }
  buffer_release(&json);
  return wrong;
}

// Leaves out what is not needed for the failure, event by event.
static void shrink(struct random_customer *customer, const char *expression, int64_t now_us, char problem[PROBLEM]) {
  for (int i = 0; i < customer->event_count;) {
    struct random_customer less = *customer;
    char other[PROBLEM];
    less.event_count--;
    for (int j = i; j < less.event_count; j++) {
      memcpy(less.events[j], customer->events[j + 1], RANDOM_EVENT_BYTES);
      less.times_us[j] = customer->times_us[j + 1];
    }
    bool wrong = false;
    for (int again = 0; again < 8 && !wrong; again++) wrong = goes_wrong(&less, expression, now_us, other);
    if (!wrong) {
      i++;
      continue;
    }
    *customer = less;
    memcpy(problem, other, PROBLEM);
  }
}

static void report(unsigned seed, struct random_customer *customer, const struct rule_node *tree, int64_t now_us,
                   char problem[PROBLEM]) {
  struct buffer expression, json;
  buffer_init(&expression);
  buffer_init(&json);
  rule_print(tree, &expression);
  buffer_append_byte(&expression, 0);
  shrink(customer, (const char *)expression.data, now_us, problem);
  random_customer_print(customer, now_us, &json);
  fprintf(stderr, "seed %u: %s\n  %s\n  %s\n", seed, problem, (const char *)expression.data, (const char *)json.data);
  buffer_release(&expression);
  buffer_release(&json);
}

static bool check_expression(unsigned seed, const struct random_customer *customer, int64_t now_us,
                             const char *expression) {
  struct question question;
  struct buffer json;
  char problem[PROBLEM];
  bool good = true;
  buffer_init(&json);
  random_customer_print(customer, now_us, &json);
  counts.expressions++;
  if (!question_open(&question, expression, (const char *)json.data)) {
    counts.refused++;
    buffer_release(&json);
    return true;
  }
  for (int i = 0; i < INSTANTS && good; i++) {
    int64_t until_us = 0;
    if (i > 0) now_us = random_now(customer);
    good = i == 0 ? check_walk(&question, &now_us, problem) : check_at(&question, now_us, &until_us, problem);
  }
  if (!good) {
    struct random_customer copy = *customer;
    report(seed, &copy, question.trial.tree, now_us, problem);
  }
  question_close(&question);
  buffer_release(&json);
  return good;
}

static void machine_and_reference_agree(void **state) {
  (void)state;
  unsigned usual = getenv("RAPPORT_TEST_LONG") != NULL ? 50000 : 10000;
  unsigned rounds = rounds_count(ROUNDS_SANITIZED ? usual / 5 : usual), first = rounds_first(), failures = 0;
  struct random_customer customer;
  assert_int_equal(rule_machine_open(&machine, NULL), ERR_OK);
  for (unsigned seed = first; seed < first + rounds && failures < 10; seed++) {
    random_seed(seed);
    random_customer(&customer);
    int64_t now_us = random_now(&customer);
    for (int i = 0; i < EXPRESSIONS && failures < 10; i++) {
      struct buffer expression;
      buffer_init(&expression);
      random_expression(customer.subject, &expression);
      failures += !check_expression(seed, &customer, now_us, (const char *)expression.data);
      buffer_release(&expression);
    }
  }
  rule_machine_close(machine);
  print_message("%u expressions, %u refused; %u answers; %u ends, the value changed at %u\n", counts.expressions,
                counts.refused, counts.answers, counts.steps, counts.changes);
  assert_int_equal(failures, 0);
  if (rounds > 100) assert_true(counts.refused < counts.expressions / 3);
}

static int close_zones(void **state) {
  (void)state;
  sample_close_zones();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(machine_and_reference_agree)};
  return cmocka_run_group_tests_name("rule model", tests, NULL, close_zones);
}
