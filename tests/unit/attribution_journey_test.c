// Journeys cut from touches and conversions at every boundary, written as lines; and random ones held against a naive
// builder that asks of each touch and each conversion what docs/methods.md says.
#include "attribution_kit.h"

#include "attribution/journey.h"

enum { EVENTS_MAX = 64, CHANNELS = 4, DIRECT = 3, RANDOM_ROUNDS = 3000 };

// A touch is a letter (its channel, a to d; d is direct) and its time, a conversion a capital C, a lead L, an
// opportunity O.
struct case_events {
  struct journey_touch touches[EVENTS_MAX];
  struct journey_conversion conversions[EVENTS_MAX];
  int64_t leads[EVENTS_MAX], opportunities[EVENTS_MAX];
  struct journey_events events;
};

static void read_events(const char *text, struct case_events *made) {
  *made = (struct case_events){.events = {.touch_count = 0}};
  struct journey_events *events = &made->events;
  for (const char *at = text; *at != '\0';) {
    char kind = *at++, *end;
    int64_t time = strtoll(at, &end, 10);
    at = *end == ' ' ? end + 1 : end;
    if (kind == 'C')
      made->conversions[events->conversion_count++] = (struct journey_conversion){time, (double)time, 0};
    else if (kind == 'L')
      made->leads[events->lead_count++] = time;
    else if (kind == 'O')
      made->opportunities[events->opportunity_count++] = time;
    else
      made->touches[events->touch_count++] =
          (struct journey_touch){time, (paths_step)(kind - 'a'), (uint16_t)(kind - 'a'), 0};
  }
  events->touches = made->touches;
  events->conversions = made->conversions;
  events->leads_us = made->leads;
  events->opportunities_us = made->opportunities;
}

// "ab>C9": touches a and b, a conversion at 9; "a>-": without one; [a] made the lead, (b) the opportunity.
static enum err write_journey(void *context, const struct journey *journey, struct diag *diag) {
  struct buffer *out = context;
  (void)diag;
  if (out->size_bytes > 0) buffer_append_byte(out, ' ');
  for (size_t i = 0; i < journey->count; i++)
    buffer_append_format(out,
                         i == journey->lead    ? "[%c]"
                         : i == journey->close ? "(%c)"
                                               : "%c",
                         'a' + journey->touches[i].step);
  if (journey->conversion != NULL)
    buffer_append_format(out, ">C%lld", (long long)journey->conversion->time_us);
  else
    buffer_append_text(out, ">-");
  return ERR_OK;
}

static void cut(const struct journey_options *options, const struct journey_events *events, struct buffer *out) {
  struct arena arena;
  struct diag diag;
  arena_init(&arena, 0);
  assert_int_equal(journey_cut(options, events, &arena, write_journey, out, &diag), ERR_OK);
  buffer_append_byte(out, '\0');
  arena_release(&arena);
}

static const bool direct[CHANNELS] = {[DIRECT] = true};

static struct journey_options plain(void) {
  return (struct journey_options){
      .lookback_us = 10, .from_us = 0, .to_us = 1000, .split = true, .nulls = true, .direct = direct};
}

static void expect(const struct journey_options *options, const char *events, const char *wanted) {
  struct case_events made;
  struct buffer out;
  buffer_init(&out);
  read_events(events, &made);
  cut(options, &made.events, &out);
  assert_string_equal((const char *)out.data, wanted);
  buffer_release(&out);
}

static void lookback_is_open_at_its_far_end(void **state) {
  (void)state;
  struct journey_options options = plain();
  expect(&options, "a100 b101 C110", "b>C110 a>-");
  expect(&options, "a101 b110 C110", "ab>C110");
  expect(&options, "a110 C110 b111", "a>C110 b>-");
  expect(&options, "C110", ">C110");
  expect(&options, "", "");
}

static void conversions_split(void **state) {
  (void)state;
  struct journey_options options = plain();
  expect(&options, "a1 C2 b3 C4", "a>C2 b>C4");
  expect(&options, "a1 C2 C3", "a>C2 >C3");
  expect(&options, "a2 b2 C2 C2", "ab>C2 >C2");
  expect(&options, "a1 C2 b2 C3", "ab>C2 >C3");
  options.split = false;
  expect(&options, "a1 C2 b3 C4", "a>C2 ab>C4");
  expect(&options, "a2 C2 C2 C12", "a>C2 a>C2 >C12");
}

static void without_conversion(void **state) {
  (void)state;
  struct journey_options options = plain();
  expect(&options, "a1 b5 c10", "abc>-");
  expect(&options, "a1 b11", "b>- a>-");
  expect(&options, "a1 b10 c12", "bc>- a>-");
  expect(&options, "a1 C12 b13", ">C12 b>- a>-"); // never on both sides of a conversion
  options.nulls = false;
  expect(&options, "a1 C2 b5", "a>C2");
}

static void the_period(void **state) {
  (void)state;
  struct journey_options options = plain();
  options.from_us = 100;
  options.to_us = 200;
  expect(&options, "a95 C99 b99 C100", ">C100"); // both touches are those of the sale before the period
  expect(&options, "a95 C100 b199 C200", "a>C100 b>-");
  expect(&options, "a99", "");
  expect(&options, "a95 b100", "ab>-");
  expect(&options, "a199 b200 C201", "a>-");
}

static void transforms(void **state) {
  (void)state;
  struct journey_options options = plain();
  options.transforms[0] = PATHS_EXPOSURE;
  options.transform_count = 1;
  expect(&options, "a1 a2 b3 a4 C5", "aba>C5");
  options.transforms[0] = PATHS_FIRST;
  expect(&options, "a1 a2 b3 a4 C5", "ab>C5");
  options.transforms[0] = PATHS_REMOVE_IF_NOT_ALL;
  expect(&options, "d1 a2 d3 C5", "a>C5");
  expect(&options, "d1 d3 C5", "dd>C5");
  options.transforms[0] = PATHS_REMOVE_IF_LAST_AND_NOT_ALL;
  expect(&options, "d1 a2 d3 d4 C5", "da>C5");
  options.transforms[1] = PATHS_FIRST;
  options.transform_count = 2;
  options.last = 1;
  expect(&options, "d1 a2 b3 d4 C5", "b>C5");
  options.transform_count = 0;
  options.last = 2;
  expect(&options, "a1 b2 c3 C5 a6 b7 c8", "bc>C5 bc>-");
  options.last = 3;
  expect(&options, "a1 b2 c3 C5", "abc>C5");
}

static void milestones(void **state) {
  (void)state;
  struct journey_options options = plain();
  expect(&options, "a1 b3 L3 c4 O5 C6", "a[b](c)>C6");
  expect(&options, "L1 a2 b3 C6", "ab>C6");               // a lead before the first touch is nobody's
  expect(&options, "a1 L2 C3 b4 L5 C6", "[a]>C3 [b]>C6"); // each journey has its own
  expect(&options, "a1 L9 C6", "a>C6");
}

// --- against a naive builder -----------------------------------------------------------------------------------

static uint64_t random_state = 42;

static uint64_t random_next(uint64_t bound) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (random_state >> 33) % bound;
}

static bool in_path(const struct journey_options *options, const struct journey_events *events, size_t touch,
                    size_t conversion) {
  int64_t time = events->touches[touch].time_us, sale = events->conversions[conversion].time_us;
  if (time > sale || time <= sale - options->lookback_us) return false;
  if (!options->split || conversion == 0) return true;
  return time > events->conversions[conversion - 1].time_us;
}

static void naive_end(struct buffer *out, const char *path, const char *end) {
  buffer_append_format(out, "%s%s>%s", out->size_bytes > 0 ? " " : "", path, end);
}

static void naive(const struct journey_options *options, const struct journey_events *events, struct buffer *out) {
  bool used[EVENTS_MAX] = {false};
  char path[EVENTS_MAX + 1], end[32];
  for (size_t c = 0; c < events->conversion_count; c++) {
    size_t count = 0;
    if (events->conversions[c].time_us >= options->to_us) continue;
    for (size_t t = 0; t < events->touch_count; t++) {
      if (!in_path(options, events, t, c)) continue;
      used[t] = true;
      path[count++] = (char)('a' + events->touches[t].step);
    }
    path[count] = '\0';
    snprintf(end, sizeof end, "C%lld", (long long)events->conversions[c].time_us);
    if (events->conversions[c].time_us >= options->from_us) naive_end(out, path, end);
  }
  for (size_t last = events->touch_count; last-- > 0;) {
    size_t count = 0;
    int64_t time = events->touches[last].time_us;
    if (used[last] || time >= options->to_us || time < options->from_us) continue;
    for (size_t t = 0; t <= last; t++) {
      if (used[t] || events->touches[t].time_us <= time - options->lookback_us) continue;
      used[t] = true;
      path[count++] = (char)('a' + events->touches[t].step);
    }
    path[count] = '\0';
    naive_end(out, path, "-");
  }
  buffer_append_byte(out, '\0');
}

static void random_timelines(void **state) {
  (void)state;
  for (int round = 0; round < RANDOM_ROUNDS; round++) {
    struct case_events made = {.events = {.touch_count = 0}};
    struct journey_options options = plain();
    struct buffer got, wanted;
    int64_t time = 0;
    for (uint64_t i = random_next(40); i > 0; i--) {
      time += (int64_t)random_next(6);
      if (random_next(4) == 0)
        made.conversions[made.events.conversion_count++] = (struct journey_conversion){time, 1, 0};
      else
        made.touches[made.events.touch_count++] = (struct journey_touch){time, (paths_step)random_next(CHANNELS), 0, 0};
    }
    made.events.touches = made.touches;
    made.events.conversions = made.conversions;
    options.split = random_next(2) == 0;
    options.from_us = (int64_t)random_next(60);
    options.to_us = options.from_us + (int64_t)random_next(80);
    options.lookback_us = 1 + (int64_t)random_next(20);
    buffer_init(&got);
    buffer_init(&wanted);
    cut(&options, &made.events, &got);
    naive(&options, &made.events, &wanted);
    assert_string_equal((const char *)got.data, (const char *)wanted.data);
    buffer_release(&got);
    buffer_release(&wanted);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lookback_is_open_at_its_far_end),
      cmocka_unit_test(conversions_split),
      cmocka_unit_test(without_conversion),
      cmocka_unit_test(the_period),
      cmocka_unit_test(transforms),
      cmocka_unit_test(milestones),
      cmocka_unit_test(random_timelines),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
