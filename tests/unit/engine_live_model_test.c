// Random histories under live segments: late and early events, merges, splits, erasures, corrections, a clock that
// moves by hours and by months, definitions changed and archived while events come, timers that run or do not.
//
// After every step engine_check holds every membership that is not past its valid-until against a fresh evaluation,
// audiences and timers with it. At the end, when all that is due was done, three tellings of who is in what must agree:
// a customer's own, the members of each segment, and the feed folded from its beginning. RAPPORT_MODEL_ROUNDS and
// RAPPORT_MODEL_SEED as in engine_model_test.
#include "engine_live_kit.h"
#include "rounds.h"

enum { USERS = 4, MAILS = 3, DEVICES = 2, STEPS = 40, SEGMENTS = 6, PAGE = 7, DEFAULT_ROUNDS = 60 };

static uint64_t random_state;
static unsigned roll(unsigned below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(random_state >> 33) % below;
}

// Each may be given to any segment; those with a reference only to one with a higher number.
static const char *const includes[] = {
    "exists(\\\"Order\\\" in last 7 days)",
    "not exists(\\\"Order\\\" in last 30 days)",
    "count(\\\"Order\\\" in last 2 months) >= 2",
    "sequence(\\\"Viewed\\\" then \\\"Order\\\" within 3 days in last 40 days)",
    "sequence(\\\"Viewed\\\" then not \\\"Order\\\" within 2 days in last 10 days)",
    "traits.city = \\\"Lyon\\\"",
    "count(\\\"Order\\\" in previous 1 month) >= 1",
    "last(time of \\\"Viewed\\\") > now - 5 days",
    "distinct(time of \\\"Viewed\\\") >= 3 and month() != 3",
    "exists(\\\"Viewed\\\" in last 3 days by day) or traits.city is null",
    "in_segment(\\\"list\\\") and not exists(\\\"Order\\\" in last 20 days)",
};
enum { INCLUDES = sizeof includes / sizeof *includes };

enum { CUSTOMERS_MAX = 256 };

// The feed folded: members[s][customer] of the newest version that it tells of.
struct folded {
  bool members[SEGMENTS][CUSTOMERS_MAX];
  uint64_t version[SEGMENTS];
};

struct round {
  struct kit kit;
  struct folded folded;
  char after[32]; // the feed's cursor: old changes are swept, so it is read as it grows
  int now_s;
  bool defined[SEGMENTS];
  bool verbose;
};

static void run_line(struct round *round, const char *text) {
  char copy[256];
  snprintf(copy, sizeof copy, "%s", text);
  if (round->verbose) print_message("%s\n", text);
  kit_line(&round->kit, copy);
}

// --- steps ---------------------------------------------------------------------------------------------------

// Of segments with a higher number only, so that there is no cycle.
static void random_definition(struct round *round) {
  char json[640], include[256], extra[128] = "", exclude[192] = "";
  int segment = (int)roll(SEGMENTS), other = segment + 1 + (int)roll(SEGMENTS);
  if (other < SEGMENTS && round->defined[other] && roll(2) == 0)
    snprintf(extra, sizeof extra, " %s in_segment(\\\"s%d\\\")", roll(2) == 0 ? "or" : "and not", other);
  snprintf(include, sizeof include, "%s%s", includes[roll(INCLUDES)], extra);
  if (roll(3) == 0)
    snprintf(exclude, sizeof exclude, ",\"exclude\":[{\"name\":\"x\",\"when\":\"%s\"}]", includes[roll(INCLUDES)]);
  snprintf(json, sizeof json, "{\"id\":\"s%d\",\"include\":\"%s\"%s}", segment, include, exclude);
  if (round->verbose) print_message("%s\n", json);
  struct diag diag;
  char *text = live_put_raw(&round->kit, json, &diag);
  // What it refers to may still be computed for the first time.
  if (text == NULL && strcmp(diag.code, "unknown_segment") != 0) fail_msg("%s: %s", json, diag.message);
  if (text != NULL) round->defined[segment] = true;
  free(text);
  kit_check(&round->kit);
}

static void random_event(struct round *round, int step) {
  static const char *const names[] = {"Order", "Viewed", "Order"};
  char text[256], who[96];
  int at_s = round->now_s - (int)roll(60 * 86400);
  if (roll(3) == 0) at_s = round->now_s - (int)roll(3600);
  if (roll(8) == 0) at_s = round->now_s + (int)roll(40 * 3600); // a clock that is ahead
  int used = 0;
  unsigned kind = roll(10);
  if (kind < 8) used = snprintf(who, sizeof who, " user_id:u%u", roll(USERS));
  if (kind >= 6 && kind < 9) used += snprintf(who + used, sizeof who - (size_t)used, " email:m%u@x.org", roll(MAILS));
  if (kind == 9 || roll(4) == 0) snprintf(who + used, sizeof who - (size_t)used, " anonymous_id:d%u", roll(DEVICES));
  if (roll(6) == 0)
    snprintf(text, sizeof text, "event t=%d id=e%d%s trait.city=%s", at_s, step, who, roll(2) ? "Lyon" : "Nice");
  else
    snprintf(text, sizeof text, "event t=%d id=e%d name=%s%s", at_s, step, names[roll(3)], who);
  run_line(round, text);
}

static void random_change(struct round *round) {
  char a[32], b[32], text[96];
  snprintf(a, sizeof a, "user_id:u%u", roll(USERS));
  snprintf(b, sizeof b, "email:m%u@x.org", roll(MAILS));
  uint64_t left = kit_customer(&round->kit, a), right = kit_customer(&round->kit, b);
  if (left == 0) return;
  unsigned kind = roll(4);
  if (kind == 0 && left == right) {
    snprintf(text, sizeof text, "split %s %s", a, b);
    run_line(round, text);
  } else if (kind == 1) {
    snprintf(text, sizeof text, "erase %s", a);
    run_line(round, text);
  } else if (kind == 2) {
    snprintf(text, sizeof text, "correct %s city %s", a, roll(2) ? "Lyon" : "Brest");
    run_line(round, text);
    round->now_s++;
  }
}

static void random_archive(struct round *round) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  char id[8];
  int segment = (int)roll(SEGMENTS);
  if (!round->defined[segment]) return;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  snprintf(id, sizeof id, "s%d", segment);
  if (round->verbose) print_message("archive %s\n", id);
  enum err err = engine_segment_archive(round->kit.engine, bytes_from_text(id), &writer, &commit, &diag);
  if (err == ERR_OK)
    round->defined[segment] = false;
  else if (strcmp(diag.code, "in_use") != 0)
    fail_msg("%s: %s", id, diag.message);
  buffer_release(&out);
  kit_check(&round->kit);
}

static void random_listing(struct round *round) {
  char text[32];
  snprintf(text, sizeof text, roll(2) == 0 ? "user_id:u%u" : "email:m%u@x.org", roll(MAILS));
  const struct bytes reference = bytes_from_text(text);
  bool listed = roll(3) > 0;
  if (round->verbose) print_message("%s %s the list\n", text, listed ? "on" : "off");
  free(live_list(&round->kit, "list", &reference, 1, listed));
  kit_check(&round->kit);
}

static void random_time(struct round *round) {
  static const int steps_s[] = {1, 3600, 86400, 5 * 86400, 35 * 86400, 100 * 86400};
  int step_s = steps_s[roll(6)];
  if (round->verbose) print_message("%d seconds go by\n", step_s);
  round->now_s += step_s;
  clock_hold(&round->kit.clock, KIT_EPOCH_US + (int64_t)round->now_s * CLOCK_SECOND_US);
  kit_check(&round->kit);
}

static void random_work(struct round *round) {
  struct diag diag;
  bool more;
  diag_init(&diag);
  if (roll(2) == 0) kit_step(&round->kit);
  if (roll(2) == 0 && engine_timer_tick(round->kit.engine, &more, &diag) != ERR_OK) fail_msg("%s", diag.message);
  kit_check(&round->kit);
}

// --- the end -------------------------------------------------------------------------------------------------

static uint64_t number_after(const char *at, const char *name) {
  const char *found = strstr(at, name);
  assert_non_null(found);
  return strtoull(found + strlen(name), NULL, 10);
}

static void fold_change(struct folded *folded, const char *at) {
  uint64_t segment = number_after(at, "\"segment\":\"s"), version = number_after(at, "\"version\":");
  uint64_t customer = number_after(at, "\"customer\":\"c");
  const char *change = strstr(at, "\"change\":\"");
  assert_true(segment < SEGMENTS && customer < CUSTOMERS_MAX && change != NULL);
  bool entered = strncmp(change + strlen("\"change\":\""), "entered", 7) == 0;
  if (version < folded->version[segment]) return; // of one that was replaced meanwhile
  if (version > folded->version[segment]) memset(folded->members[segment], 0, sizeof folded->members[segment]);
  folded->version[segment] = version;
  if (folded->members[segment][customer] == entered)
    fail_msg("s%d v%d: c%d %s twice", (int)segment, (int)version, (int)customer, entered ? "entered" : "left");
  folded->members[segment][customer] = entered;
}

static void fold_feed(struct round *round) {
  for (bool more = true; more;) {
    char *text = live_changes(&round->kit, "", round->after, PAGE);
    more = live_count(text, "\"cursor\"") == PAGE;
    for (const char *at = text; (at = strstr(at, "{\"cursor\"")) != NULL; at++)
      if (strncmp(strstr(at, "\"segment\":"), "\"segment\":\"list\"", strlen("\"segment\":\"list\"")) != 0)
        fold_change(&round->folded, at);
    const char *next = strstr(text, "\"next\":\"");
    snprintf(round->after, sizeof round->after, "%.*s", (int)strcspn(next + 8, "\""), next + 8);
    free(text);
  }
}

static bool lists_customer(const char *members, uint64_t customer) {
  char pattern[48];
  snprintf(pattern, sizeof pattern, "{\"id\":\"c%llu\"", (unsigned long long)customer);
  return strstr(members, pattern) != NULL;
}

static void compare_segment(struct round *round, int segment) {
  const struct folded *folded = &round->folded;
  char id[8];
  snprintf(id, sizeof id, "s%d", segment);
  char *members = live_members(&round->kit, id), *told = live_segment(&round->kit, id);
  uint64_t version = number_after(told, "\"version\":");
  for (uint64_t customer = 1; customer < CUSTOMERS_MAX; customer++) {
    bool listed = lists_customer(members, customer);
    bool in_feed = folded->version[segment] == version && folded->members[segment][customer];
    if (listed != in_feed)
      fail_msg("%s: c%llu is %s, the feed says %s", id, (unsigned long long)customer, listed ? "listed" : "not listed",
               in_feed ? "in" : "out");
  }
  free(members);
  free(told);
}

static void compare_customer(struct round *round, const char *reference) {
  if (kit_customer(&round->kit, reference) == 0) return;
  for (int segment = 0; segment < SEGMENTS; segment++) {
    char id[8];
    if (!round->defined[segment]) continue;
    snprintf(id, sizeof id, "s%d", segment);
    char *members = live_members(&round->kit, id);
    bool listed = lists_customer(members, kit_customer(&round->kit, reference));
    if (live_is_member(&round->kit, reference, id) != listed) fail_msg("%s and %s", reference, id);
    free(members);
  }
}

static void compare_all(struct round *round) {
  live_settle(&round->kit);
  fold_feed(round);
  for (int segment = 0; segment < SEGMENTS; segment++)
    if (round->defined[segment]) compare_segment(round, segment);
  for (int user = 0; user < USERS; user++) {
    char text[32];
    snprintf(text, sizeof text, "user_id:u%d", user);
    compare_customer(round, text);
  }
}

static void run_round(unsigned seed, bool verbose) {
  static struct round round;
  round = (struct round){.verbose = verbose, .now_s = 300 * 86400};
  random_state = seed * 6007u + 11;
  kit_merge_events = seed % 3 == 0 ? 2 : 0;
  kit_open(&round.kit);
  live_put(&round.kit, "{\"id\":\"list\",\"kind\":\"list\"}");
  for (int step = 0; step < STEPS; step++) {
    snprintf(round.kit.where, sizeof round.kit.where, "seed %u, step %d", seed, step);
    unsigned kind = roll(18);
    if (kind < 2)
      random_definition(&round);
    else if (kind < 9)
      random_event(&round, step);
    else if (kind < 11)
      random_change(&round);
    else if (kind < 13)
      random_time(&round);
    else if (kind < 15)
      random_work(&round);
    else if (kind < 16)
      random_archive(&round);
    else
      random_listing(&round);
    fold_feed(&round);
  }
  snprintf(round.kit.where, sizeof round.kit.where, "seed %u, at the end", seed);
  compare_all(&round);
  kit_close(&round.kit);
}

static void test_rounds(void **state) {
  (void)state;
  unsigned first = rounds_first(), rounds = rounds_count(DEFAULT_ROUNDS);
  for (unsigned i = 0; i < rounds; i++) run_round(first + i, rounds == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
