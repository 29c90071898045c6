// Every call of the engine that can fail, failing: for each line of a workload the n-th allocation, or the n-th call of
// the store, fails, n going up until the line passes untouched.
//
// A line that failed says so, leaves nothing half written (engine_check finds nothing), and passes when it is repeated.
// At the end every customer, identity and count is what it is in a run without faults: ids apart, which a failed
// attempt may use up, so they are compared by their order. That run moves the events of a merge at once; those with
// faults move one and leave the others to the job.
#include "engine_kit.h"
#include "rounds.h"

#include "base/alloc.h"
#include "store/store_wrap.h"

// Definitions have no blanks: in their expressions \\t stands for one.
static const char OFTEN[] =
    "segment {\"id\":\"often\",\"include\":\"count(\\\"Viewed\\\")>=2\",\"exclude\":[{\"name\":\"x\",\"when\":"
    "\"traits.city=\\\"Paris\\\"\"}]}";
static const char OLD[] =
    "segment "
    "{\"id\":\"old\",\"include\":\"not\\texists(\\\"Viewed\\\"\\tin\\tlast\\t9\\tdays)\\tor\\tin_segment(\\\"often\\\")"
    "\"}";

static const char *const workload[] = {
    // Segments and attributes, live from here on.
    OFTEN,
    "segment {\"id\":\"city\",\"kind\":\"attribute\",\"expression\":\"traits.city\"}",
    "tick",
    OLD,
    "tick",
    // Two people, found and joined by a third identifier.
    "event t=10 user_id:u1 email:a@x.org trait.firstName=Ann trait.city=Lyon",
    "event t=20 loyalty_card:k1 trait.shoe=40",
    "event t=30 email:a@x.org loyalty_card:k1 trait.firstName=Anna",
    // Sign-ins: anonymous first, taken over, a second person late, and what lies between changes hands.
    "event t=40 anonymous_id:d1",
    "event t=50 anonymous_id:d1 user_id:u1",
    "event t=60 anonymous_id:d1 trait.hat=red",
    "event t=45 anonymous_id:d1 user_id:u2 trait.firstName=Bob",
    // A phone that two people use, and a limit that is kept.
    "event t=70 user_id:u1 phone:+33612345678",
    "event t=71 user_id:u2 phone:+33612345678",
    "event t=72 user_id:u1 user_id:u2",
    "alias u3 user_id:u1",
    "alias u3 user_id:u1 trusted",
    // A tablet that too many people use.
    "event t=100 anonymous_id:tab",
    "event t=101 anonymous_id:tab user_id:t1",
    "event t=102 anonymous_id:tab",
    "event t=103 anonymous_id:tab user_id:t2",
    "event t=104 anonymous_id:tab user_id:t3",
    "event t=105 anonymous_id:tab user_id:t4",
    "event t=106 anonymous_id:tab",
    // What names nobody, what came before, and what could not be read.
    "aside t=110 user_id:undefined",
    "aside! too_large",
    "duplicate id=m0 t=10 user_id:u1",
    // A merge that makes a device change hands less often, then by hand: parted, lifted, joined again, corrected.
    "event t=120 email:b@x.org anonymous_id:d2",
    "event t=121 anonymous_id:d2",
    "event t=122 email:b@x.org loyalty_card:k2",
    "event t=123 user_id:u4 anonymous_id:d2",
    "event t=124 user_id:u4 email:b@x.org",
    "split user_id:u4 email:b@x.org",
    "event t=125 user_id:u4 email:b@x.org",
    "allow user_id:u4 email:b@x.org",
    "event t=126 user_id:u4 email:b@x.org",
    "part user_id:u4 loyalty_card:k2",
    "correct user_id:u4 firstName Dora",
    "correct email:a@x.org city Paris",
    // Gone: one for now, one for good; and the bytes behind them.
    "erase user_id:t1",
    "erase! user_id:u2",
    "suppressed t=130 user_id:u2",
    "suppressed t=50 user_id:t1 replay",
    "event t=131 user_id:t1 email:teo@x.org",
    "aside! teo@x.org",
    "erase user_id:t1",
    "event t=132 user_id:t1",
    "tick",
    "tick",
    "source till",
    "segment {\"id\":\"often\",\"include\":\"count(\\\"Viewed\\\")>=3\"}",
    "event t=145 user_id:t2",
    "tick",
    "event t=25920000 user_id:t2", // at the clock's own time: a window that ends
    "segment {\"id\":\"guests\",\"kind\":\"list\"}",
    "list guests user_id:t2 user_id:t3",
    "timers",
    "archive old",
    // A merge of two who have more than is moved at once; parted and erased while the rest is on its way.
    "event t=150 user_id:m1",
    "event t=151 user_id:m1 anonymous_id:m",
    "event t=152 email:m@x.org trait.city=Nice",
    "event t=153 email:m@x.org",
    "event t=154 email:m@x.org loyalty_card:m",
    "event t=155 email:m@x.org user_id:m2",
    "event t=156 loyalty_card:m user_id:m1",
    "event t=157 loyalty_card:mm",
    "event t=158 loyalty_card:mm",
    "event t=159 loyalty_card:mm loyalty_card:m",
    "tick",
    "event t=152 id=late email:m@x.org trait.city=Metz",
    "tick",
    "split loyalty_card:mm loyalty_card:m",
    "allow loyalty_card:mm loyalty_card:m",
    "event t=160 loyalty_card:mm loyalty_card:m",
    "tick",
    "event t=161 email:n@x.org",
    "event t=162 email:n@x.org",
    "event t=163 loyalty_card:n",
    "event t=164 loyalty_card:n",
    "event t=165 loyalty_card:n email:n@x.org",
    "erase email:n@x.org",
    "tick",
    "event t=140 source=till loyalty_card:k1 email:c@x.org",
};
enum { LINES = sizeof workload / sizeof *workload, CALLS_MAX = 20000 };

// --- one line, as often as it takes --------------------------------------------------------------------------

// A line read: everything but the call itself is done before faults are armed.
struct step {
  char text[512];
  char *words[KIT_WORDS_MAX];
  size_t count;
  bool is_event;
  enum engine_outcome expected;
  struct kit_event event;
  struct buffer traits;
  uint64_t customer;
};

static void step_read(struct step *step, const char *line) {
  char *rest = NULL;
  memset(step, 0, sizeof *step);
  snprintf(step->text, sizeof step->text, "%s", line);
  for (char *word = strtok_r(step->text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
    step->words[step->count++] = word;
}

static void step_init(struct kit *kit, struct step *step, const char *line) {
  static const char *const outcomes[] = {"event", "duplicate", "aside", "suppressed"};
  step_read(step, line);
  buffer_init(&step->traits);
  for (size_t i = 0; i < 4; i++) {
    if (strcmp(step->words[0], outcomes[i]) != 0) continue;
    step->is_event = true;
    step->expected = (enum engine_outcome)i;
    kit_event_init(kit, step->words, step->count, &step->event);
  }
  if (strcmp(step->words[0], "alias") == 0) {
    step->is_event = true;
    kit_alias_init(kit, step->words, step->count, &step->event);
  }
  if (strcmp(step->words[0], "segment") == 0) kit_value(kit, step->words[1], &step->traits);
  bool names_nobody = strcmp(step->words[0], "allow") == 0 || strcmp(step->words[0], "segment") == 0;
  if (step->is_event || step->count < 2 || strchr(step->words[1], ':') == NULL || names_nobody) return;
  step->customer = kit_customer(kit, step->words[1]);
  if (strcmp(step->words[0], "correct") != 0) return;
  char json[128];
  snprintf(json, sizeof json, "{\"%s\":\"%s\"}", step->words[2], step->words[3]);
  kit_value(kit, json, &step->traits);
}

static void step_release(struct step *step) {
  if (step->is_event) kit_event_release(&step->event);
  buffer_release(&step->traits);
}

static enum err apply(struct kit *kit, struct step *step, struct store_mark *mark, struct diag *diag) {
  struct engine_result result = {.outcome = ENGINE_APPLIED};
  size_t done = 9;
  enum err err = engine_apply(kit->engine, &step->event.event, 1, &result, &done, mark, diag);
  assert_int_equal(done, err == ERR_OK);
  if (err == ERR_OK && result.outcome != step->expected) kit_fail(kit, "another outcome than expected");
  return err;
}

static enum err call_engine(struct kit *kit, struct step *step, struct engine_commit *commit,
                            struct json_writer *writer, struct diag *diag) {
  const char *verb = step->words[0];
  struct engine_split split = {.author = BYTES("ann")};
  bool idle;
  if (step->is_event) return apply(kit, step, &commit->mark, diag);
  if (strcmp(verb, "aside!") == 0)
    return engine_set_aside(kit->engine, 1, "too_large", "it is too large", bytes_from_text(step->words[1]),
                            &commit->mark, diag);
  if (strcmp(verb, "split") == 0) {
    split.apart[0] = bytes_from_text(step->words[1]);
    split.apart[1] = bytes_from_text(step->words[2]);
    return engine_split_customer(kit->engine, step->customer, &split, writer, commit, diag);
  }
  if (strcmp(verb, "part") == 0) {
    split.identifier = bytes_from_text(step->words[2]);
    return engine_split_customer(kit->engine, step->customer, &split, writer, commit, diag);
  }
  if (strcmp(verb, "allow") == 0)
    return engine_allow_link(kit->engine, bytes_from_text(step->words[1]), bytes_from_text(step->words[2]), commit,
                             diag);
  if (strcmp(verb, "correct") == 0)
    return engine_correct(kit->engine, step->customer, (struct value){buffer_view(&step->traits)}, BYTES("ann"), writer,
                          commit, diag);
  if (strcmp(verb, "segment") == 0)
    return engine_segment_put(kit->engine, (struct value){buffer_view(&step->traits)}, BYTES("ann"), writer, commit,
                              NULL, diag);
  if (strcmp(verb, "archive") == 0)
    return engine_segment_archive(kit->engine, bytes_from_text(step->words[1]), writer, commit, diag);
  if (strcmp(verb, "list") == 0) {
    const struct bytes references[] = {bytes_from_text(step->words[2]), bytes_from_text(step->words[3])};
    return engine_list_change(kit->engine, bytes_from_text(step->words[1]), references, 2, true, writer, &commit->mark,
                              diag);
  }
  if (strcmp(verb, "timers") == 0) return engine_timer_tick(kit->engine, &idle, diag);
  if (strcmp(verb, "tick") == 0) return engine_tick(kit->engine, &idle, diag);
  if (strcmp(verb, "source") == 0) {
    struct engine_source source = {.name = bytes_from_text(step->words[1]), .kind = ENGINE_SOURCE_TILL};
    uint32_t id;
    return engine_source_put(kit->engine, &source, &id, commit, diag);
  }
  assert_true(strncmp(verb, "erase", 5) == 0);
  return engine_erase(kit->engine, step->customer, verb[5] == '!', writer, commit, diag);
}

// The kinds of faults. ERR_OK: none is armed.
struct faults {
  enum err store; // what the n-th call of the store gives
  bool memory;    // the n-th allocation fails
  bool sticky;    // and all after it
};

static void arm(struct kit *kit, const struct faults *faults, uint64_t allowed) {
  if (faults->memory) alloc_fail_after(allowed, faults->sticky);
  if (faults->store != ERR_OK) store_fault_after(kit->store, allowed, faults->store, faults->sticky);
}

static bool disarm(struct kit *kit, const struct faults *faults) {
  bool memory = faults->memory && alloc_fail_disarm();
  return (faults->store != ERR_OK && store_fault_disarm(kit->store)) || memory;
}

// One try with `allowed` calls that succeed. True when the line is done; *untouched when no fault met it.
static bool try_step(struct kit *kit, struct step *step, const struct faults *faults, uint64_t allowed,
                     bool *untouched) {
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  arm(kit, faults, allowed);
  enum err err = call_engine(kit, step, &commit, &writer, &diag);
  *untouched = !disarm(kit, faults);
  // Within a transaction the engine runs the body again by itself.
  bool repeats = faults->store == ERR_CONFLICT && (step->is_event || (step->customer != 0 && step->words[0][0] != 'e'));
  if (*untouched || repeats) {
    if (err != ERR_OK) fail_msg("%s, %d: %s: %s", kit->where, (int)allowed, diag.code, diag.message);
  } else if (err != ERR_OK) {
    assert_int_equal(err, faults->memory ? ERR_NO_MEMORY : faults->store);
    bool explained = diag.code[0] != 0 || (faults->store != ERR_OK && faults->store != ERR_IO);
    if (!explained) fail_msg("%s: the failure has no code", kit->where);
  }
  buffer_release(&out);
  return err == ERR_OK;
}

static void open_faulty(struct kit *kit);

// A line that went through in spite of a fault is done and cannot be tried again: in a workspace of its own it can.
static void begin_again(struct kit *kit, size_t line) {
  bool untouched;
  struct step step;
  kit_close(kit);
  open_faulty(kit);
  for (size_t i = 0; i < line; i++) {
    step_init(kit, &step, workload[i]);
    assert_true(try_step(kit, &step, &(struct faults){0}, 0, &untouched));
    step_release(&step);
  }
}

// That a failure left nothing behind is looked at after each; under a sanitizer, which makes that nine tenths of the
// time and looks for something else, after the line went through.
static void run_line(struct kit *kit, size_t line, const struct faults *faults) {
  bool done = false, untouched = false;
  struct step step;
  for (uint64_t allowed = 0; !untouched; allowed++) {
    assert_true(allowed < CALLS_MAX);
    if (done) begin_again(kit, line);
    if (done || allowed == 0) step_init(kit, &step, workload[line]);
    snprintf(kit->where, sizeof kit->where, "%s, after %d", workload[line], (int)allowed);
    done = try_step(kit, &step, faults, allowed, &untouched);
    bool faulty = faults->memory || faults->store != ERR_OK;
    if (faulty && (done || !ROUNDS_SANITIZED)) kit_check(kit);
    if (done) step_release(&step);
  }
}

// --- what came of it -----------------------------------------------------------------------------------------

struct tokens {
  unsigned long long numbers[4096];
  size_t count;
};

// Finds the next number that stands behind `prefix`; *length covers both.
static const char *next_token(const char *at, const char *prefix, unsigned long long *number, size_t *length) {
  for (size_t size = strlen(prefix); (at = strstr(at, prefix)) != NULL; at += size) {
    char *end;
    if (at[size] < '0' || at[size] > '9') continue;
    *number = strtoull(at + size, &end, 10);
    *length = (size_t)(end - at);
    if (*end == '"' || *end == ',') return at;
  }
  return NULL;
}

static int by_number(const void *a, const void *b) {
  unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;
  return x < y ? -1 : x > y;
}

static size_t rank_of(const struct tokens *tokens, unsigned long long number) {
  size_t rank = 0;
  for (size_t i = 0; i < tokens->count && tokens->numbers[i] < number; i++)
    rank += i == 0 || tokens->numbers[i] != tokens->numbers[i - 1];
  return rank;
}

// Numbers behind `prefix` become their ranks; the text is freed and replaced.
static char *rank_numbers(char *text, const char *prefix) {
  static struct tokens tokens;
  unsigned long long number;
  struct buffer out;
  size_t length;
  char rank[32];
  tokens.count = 0;
  for (const char *at = text; (at = next_token(at, prefix, &number, &length)) != NULL; at += length) {
    assert_true(tokens.count < 4096);
    tokens.numbers[tokens.count++] = number;
  }
  qsort(tokens.numbers, tokens.count, sizeof *tokens.numbers, by_number);
  buffer_init(&out);
  const char *rest = text;
  for (const char *at; (at = next_token(rest, prefix, &number, &length)) != NULL; rest = at + length) {
    buffer_append(&out, rest, (size_t)(at - rest) + strlen(prefix));
    snprintf(rank, sizeof rank, "%zu", rank_of(&tokens, number));
    buffer_append(&out, rank, strlen(rank));
  }
  buffer_append(&out, rest, strlen(rest) + 1);
  free(text);
  char *ranked = strdup((const char *)out.data);
  buffer_release(&out);
  return ranked;
}

static void dump_customer(struct kit *kit, struct engine_view *view, uint64_t customer, struct buffer *out) {
  struct json_writer writer;
  struct diag diag;
  diag_init(&diag);
  json_writer_init(&writer, out);
  if (engine_customer_json(view, customer, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  json_writer_init(&writer, out);
  if (engine_identity_json(view, customer, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  json_writer_init(&writer, out);
  if (engine_customer_segments_json(view, customer, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  buffer_append(out, "\n", 1);
}

static void dump_customers(struct kit *kit, struct engine_view *view, struct buffer *out) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  assert_int_equal(store_snapshot_open(kit->store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_CUSTOMER, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) {
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof id; i++) id = id << 8 | key.data[i];
    if (key.data[sizeof id] == 0) dump_customer(kit, view, id, out); // a redirect shows where it leads
  }
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
}

// How many times each text was set aside and is still there.
static void dump_asides(struct kit *kit, struct buffer *out) {
  struct json_writer writer;
  struct buffer page;
  buffer_init(&page);
  json_writer_init(&writer, &page);
  assert_int_equal(engine_aside_json(kit->engine, BYTES(""), 100, BYTES(""), &writer, NULL), ERR_OK);
  buffer_append_byte(&page, 0);
  for (const char *at = (const char *)page.data; (at = strstr(at, "\"code\":\"")) != NULL; at++)
    buffer_append_format(out, "\naside %.12s", at + 8);
  buffer_release(&page);
}

// Everything the workspace says, in an order that does not depend on the numbers given out.
static char *dump(struct kit *kit) {
  struct engine_counts counts;
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  char line[256];
  buffer_init(&out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  dump_customers(kit, view, &out);
  engine_view_close(view);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_sources_json(kit->engine, &writer), ERR_OK);
  dump_asides(kit, &out);
  engine_get_counts(kit->engine, &counts);
  snprintf(line, sizeof line, "\n%d customers %d events %d identifiers %d edges %d merges %d splits %d aside %d %d",
           (int)counts.customers, (int)counts.events, (int)counts.identifiers, (int)counts.edges, (int)counts.merges,
           (int)counts.splits, (int)counts.set_aside, (int)counts.duplicates, (int)counts.erased);
  buffer_append(&out, line, strlen(line) + 1);
  char *text = strdup((const char *)out.data);
  buffer_release(&out);
  static const char *const prefixes[] = {"\"c", "\"e", "\"h", "\"sequence\":"};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) text = rank_numbers(text, prefixes[i]);
  return text;
}

// --- runs ----------------------------------------------------------------------------------------------------

// Every order that ids of events decide is the same in every run.
static void open_faulty(struct kit *kit) {
  struct store *inner, *store;
  assert_int_equal(store_open_memory(&inner), ERR_OK);
  assert_int_equal(store_open_fault(&store, inner), ERR_OK);
  kit_open_fixed(kit, store);
}

static char *run_workload(const struct faults *faults) {
  struct kit kit;
  open_faulty(&kit);
  for (size_t i = 0; i < LINES; i++) run_line(&kit, i, faults);
  kit_check(&kit);
  char *text = dump(&kit);
  kit_close(&kit);
  return text;
}

static char *expected;

static void expect_same(const struct faults *faults, const char *what) {
  char *text = run_workload(faults);
  size_t same = 0;
  while (text[same] != '\0' && text[same] == expected[same]) same++;
  if (text[same] != expected[same])
    fail_msg("%s:\n...%.300s\nis not\n...%.300s", what, text + (same < 150 ? 0 : same - 150),
             expected + (same < 150 ? 0 : same - 150));
  free(text);
}

static int run_without_faults(void **state) {
  (void)state;
  expected = run_workload(&(struct faults){0});
  kit_merge_events = 1; // from now on merges leave nearly everything to the job
  return 0;
}

static int forget(void **state) {
  (void)state;
  free(expected);
  return 0;
}

static void test_two_runs_are_the_same(void **state) {
  (void)state;
  expect_same(&(struct faults){0}, "again");
  assert_non_null(strstr(expected, "\"firstName\":\"Dora\""));
}

static void test_each_allocation_fails(void **state) {
  (void)state;
  expect_same(&(struct faults){.memory = true}, "memory");
}

static void test_memory_is_gone(void **state) {
  (void)state;
  expect_same(&(struct faults){.memory = true, .sticky = true}, "memory for good");
}

static void test_each_call_of_the_store_fails(void **state) {
  (void)state;
  expect_same(&(struct faults){.store = ERR_IO}, "input and output");
  expect_same(&(struct faults){.store = ERR_FULL}, "disk full");
}

static void test_the_store_is_gone(void **state) {
  (void)state;
  expect_same(&(struct faults){.store = ERR_IO, .sticky = true}, "input and output for good");
}

static void test_each_call_of_the_store_conflicts(void **state) {
  (void)state;
  expect_same(&(struct faults){.store = ERR_CONFLICT}, "conflicts");
}

// --- a batch of several slices -------------------------------------------------------------------------------

enum { BATCH = 100, FIRST_SLICE = 64 };

struct batch {
  struct kit_event made[BATCH];
  struct engine_event events[BATCH];
  struct engine_result results[BATCH];
  char texts[BATCH][32];
};

static void batch_init(struct kit *kit, struct batch *batch) {
  for (int i = 0; i < BATCH; i++) {
    char *words[] = {"event", batch->texts[i]};
    snprintf(batch->texts[i], sizeof batch->texts[i], "user_id:b%d", i % 20);
    kit_event_init(kit, words, 2, &batch->made[i]);
    batch->events[i] = batch->made[i].event;
  }
}

// Repeated, what was done before comes out as duplicates.
static void expect_repeatable(struct kit *kit, struct batch *batch, size_t done_before) {
  struct engine_counts counts;
  struct store_mark mark;
  size_t done;
  assert_int_equal(engine_apply(kit->engine, batch->events, BATCH, batch->results, &done, &mark, NULL), ERR_OK);
  for (size_t i = 0; i < BATCH; i++)
    assert_int_equal(batch->results[i].outcome, i < done_before ? ENGINE_DUPLICATE : ENGINE_APPLIED);
  engine_get_counts(kit->engine, &counts);
  assert_int_equal(counts.events, BATCH);
  kit_check(kit);
}

// One try in a workspace of its own; true when no fault met it.
static bool try_batch(uint64_t allowed, size_t *done) {
  static struct batch batch;
  struct store_mark mark;
  struct kit kit;
  open_faulty(&kit);
  batch_init(&kit, &batch);
  store_fault_after(kit.store, allowed, ERR_IO, false);
  enum err err = engine_apply(kit.engine, batch.events, BATCH, batch.results, done, &mark, NULL);
  bool untouched = !store_fault_disarm(kit.store);
  assert_int_equal(err, untouched ? ERR_OK : ERR_IO);
  assert_true(*done == BATCH ? untouched : *done == 0 || *done == FIRST_SLICE);
  for (size_t i = 0; i < *done; i++) assert_int_equal(batch.results[i].outcome, ENGINE_APPLIED);
  expect_repeatable(&kit, &batch, *done);
  for (int i = 0; i < BATCH; i++) kit_event_release(&batch.made[i]);
  kit_close(&kit);
  return untouched;
}

static void test_a_batch_fails_between_slices(void **state) {
  bool between = false;
  size_t done = 0;
  (void)state;
  for (uint64_t allowed = 0; !try_batch(allowed, &done); allowed++) between = between || done == FIRST_SLICE;
  assert_true(between);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_two_runs_are_the_same),
      cmocka_unit_test(test_each_allocation_fails),
      cmocka_unit_test(test_memory_is_gone),
      cmocka_unit_test(test_each_call_of_the_store_fails),
      cmocka_unit_test(test_the_store_is_gone),
      cmocka_unit_test(test_each_call_of_the_store_conflicts),
      cmocka_unit_test(test_a_batch_fails_between_slices),
  };
  return cmocka_run_group_tests_name("engine faults", tests, run_without_faults, forget);
}
