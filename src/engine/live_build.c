// live_build.c: a new version of a segment or attribute is computed for the customers who were there before it.
//
// The version is in force as `building` already: whatever commits evaluates it (live.h). A snapshot taken then is
// walked through, in ranges of ids and several threads; the program is run over each customer as the snapshot has her,
// and those of whom it says anything (she is a member, excluded, has a value, or time may change it) are looked at
// again in a transaction, under their lock and as they are by then; where it says something of nearly everybody they
// are looked at there alone. Of whom the snapshot says nothing and whom nobody
// changed since, nothing is to be written; whom somebody changed, he evaluated. So nothing is missed and nothing
// doubled, and a build that was interrupted begins again without harm.
//
// All versions that are being built when a build begins are built in one walk. When it ends they are put in force as
// live, and those before them as replaced, in one commit: what refers to each other changes at once.
#include "engine/crew.h"
#include "engine/live.h"

#include "customer/scan.h"
#include "engine/segments.h"

enum { CHECK_EVERY = 64, ASK_EVERY = 32, ASKED_KEPT = 1024 };

struct builder {
  struct live_build *build;
  uint64_t from, to, next; // ids; `next` is where the walk goes on
  bool done;
  int64_t until_us;          // monotonic: of this call
  uint64_t met, asked, said; // customers: all, those asked of whom what is said, and those of whom something is
  enum err err;
  struct diag diag;
};

struct live_build {
  struct engine *engine;
  struct store_snapshot *snapshot;
  const struct segment_set *set; // when it was begun
  uint32_t *questions;
  size_t question_count;
  struct builder builders[CREW_MAX];
  size_t builder_count;
};

void live_build_close(struct engine *engine) {
  struct live_build *build = engine->live->build;
  if (build == NULL) return;
  store_snapshot_close(build->snapshot);
  segment_set_close(build->set);
  alloc_free(build->questions);
  alloc_free(build);
  engine->live->build = NULL;
  atomic_store(&engine->live->build_done, 0);
  atomic_store(&engine->live->build_total, 0);
}

// --- one customer --------------------------------------------------------------------------------------------

static enum err read_membership(const struct live_build *build, uint64_t customer, struct arena *arena,
                                struct membership *membership) {
  struct key key;
  struct bytes row;
  customer_key(customer, CUSTOMER_ROW_MEMBERSHIP, &key);
  enum err err = store_snapshot_get(build->snapshot, STORE_CUSTOMER, key_view(&key), arena, &row);
  return err == ERR_OK ? membership_decode(row, arena, membership) : err;
}

// Does the snapshot say anything of her?
static enum err says_something(struct builder *builder, struct rule_machine *machine, struct facts *facts,
                               struct arena *arena, bool *something) {
  const struct live_build *build = builder->build;
  struct membership membership;
  struct segment_evaluation evaluation = {.set = build->set,
                                          .machine = machine,
                                          .facts = facts,
                                          .arena = arena,
                                          .membership = &membership,
                                          .now_us = clock_now_us(build->engine->clock)};
  struct segment_triggers triggers = {.questions = build->questions, .question_count = build->question_count};
  enum err err = read_membership(build, facts->id, arena, &membership); // what the new version may refer to
  if (err == ERR_OK) err = segment_evaluate(&evaluation, &triggers);
  for (size_t i = 0; err == ERR_OK && !*something && i < build->question_count; i++)
    *something = membership_find(&membership, build->questions[i]) != NULL;
  return err;
}

// --- a walk --------------------------------------------------------------------------------------------------

// Those of whom the snapshot says something, up to `next`: the walk goes on from there once they are written, and not
// before, so that a failure leaves nobody out.
struct batch {
  uint64_t customers[LIMIT_TXN_CUSTOMERS];
  size_t count;
  uint64_t next;
};

static enum err write_batch(struct builder *builder, struct batch *batch) {
  const struct live_build *build = builder->build;
  struct live_request request = {.questions = build->questions, .question_count = build->question_count};
  struct work_plan plan = {.customers = batch->customers, .customer_count = batch->count, .live = &request};
  struct store_mark mark;
  enum err err = batch->count == 0 ? ERR_OK : work_run(build->engine, &plan, live_nothing, NULL, &mark, &builder->diag);
  if (err == ERR_OK) builder->next = batch->next;
  batch->count = 0;
  return err;
}

// Of many questions something is said of nearly everybody: then most are not asked here, and evaluated once.
static bool is_asked(struct builder *builder) {
  return builder->met++ % ASK_EVERY == 0 || builder->asked < ASK_EVERY || builder->said * 8 < builder->asked * 7;
}

static enum err ask(struct builder *builder, struct rule_machine *machine, struct facts *facts, struct arena *arena,
                    bool *something) {
  *something = false;
  enum err err = says_something(builder, machine, facts, arena, something);
  arena_clear(arena);
  builder->asked++;
  builder->said += *something;
  if (builder->asked == ASKED_KEPT) { // what is said of later ones weighs more
    builder->asked /= 2;
    builder->said /= 2;
  }
  return err;
}

static enum err look_at(struct builder *builder, struct rule_machine *machine, struct facts *facts, struct arena *arena,
                        struct batch *batch) {
  bool something = true;
  uint64_t id = facts->id;
  enum err err = is_asked(builder) ? ask(builder, machine, facts, arena, &something) : ERR_OK;
  if (err != ERR_OK) return err;
  if (something) batch->customers[batch->count++] = id;
  batch->next = id + 1;
  return batch->count == LIMIT_TXN_CUSTOMERS ? write_batch(builder, batch) : ERR_OK;
}

static enum err walk(struct builder *builder, struct scan *scan, struct rule_machine *machine, struct arena *arena) {
  struct batch batch = {.next = builder->next};
  struct facts *facts;
  bool ended = false;
  enum err err = ERR_OK;
  for (uint64_t looked_at = 1; err == ERR_OK; looked_at++) {
    err = scan_next(scan, &facts);
    if (err == ERR_NOT_FOUND) ended = true;
    if (err == ERR_OK) err = look_at(builder, machine, facts, arena, &batch);
    if (err == ERR_OK) atomic_fetch_add_explicit(&builder->build->engine->live->build_done, 1, memory_order_relaxed);
    if (looked_at % CHECK_EVERY == 0 && clock_monotonic_us() >= builder->until_us) break;
  }
  if (err == ERR_OK || ended) err = write_batch(builder, &batch);
  builder->done = ended && err == ERR_OK;
  return err;
}

static void run_builder(void *item) {
  struct builder *builder = item;
  struct engine *engine = builder->build->engine;
  struct customer_sources sources = engine_sources(engine);
  struct scan_options options = {.snapshot = builder->build->snapshot,
                                 .sources = &sources,
                                 .from = builder->next,
                                 .to = builder->to,
                                 .records = true,
                                 .events = true};
  struct scan *scan = NULL;
  struct arena arena;
  if (builder->done) return;
  arena_init(&arena, 0);
  struct rule_machine *machine = live_take_machine(engine);
  builder->err = machine == NULL ? ERR_NO_MEMORY : scan_open(&scan, &options);
  if (builder->err == ERR_OK) builder->err = walk(builder, scan, machine, &arena);
  scan_close(scan);
  if (machine != NULL) live_give_machine(engine, machine);
  arena_release(&arena);
}

// --- a build -------------------------------------------------------------------------------------------------

// Those of the set that wait to be built; *questions is NULL when none does, and the caller's else.
static enum err collect_questions(const struct segment_set *set, uint32_t **questions, size_t *count) {
  *questions = NULL;
  *count = 0;
  for (size_t i = 0; i < segment_set_count(set); i++) {
    if (segment_set_at(set, i)->status != SEGMENT_BUILDING) continue;
    if (*questions == NULL) *questions = alloc_get(segment_set_count(set) * sizeof **questions);
    if (*questions == NULL) return ERR_NO_MEMORY;
    (*questions)[(*count)++] = segment_set_at(set, i)->question;
  }
  return ERR_OK;
}

static enum err begin(struct engine *engine, struct live_build *build) {
  struct engine_counts counts;
  uint64_t from[CREW_MAX];
  enum err err = store_snapshot_open(engine->store, &build->snapshot);
  if (err != ERR_OK) return err;
  err = scan_ranges(build->snapshot, crew_size(), from, &build->builder_count);
  if (err == ERR_OK) err = engine_get_counts(engine, &counts);
  if (err != ERR_OK) {
    store_snapshot_close(build->snapshot);
    return err;
  }
  atomic_store(&engine->live->build_done, 0);
  atomic_store(&engine->live->build_total, counts.customers);
  for (size_t i = 0; i < build->builder_count; i++) {
    uint64_t end = i + 1 < build->builder_count ? from[i + 1] : 0;
    build->builders[i] = (struct builder){.build = build, .from = from[i], .to = end, .next = from[i]};
  }
  return ERR_OK;
}

// Nothing was begun when no version waits.
static enum err open_build(struct engine *engine, struct diag *diag) {
  const struct segment_set *set = live_set(engine);
  uint32_t *questions = NULL;
  size_t count = 0;
  enum err err = set == NULL ? ERR_OK : collect_questions(set, &questions, &count);
  struct live_build *build = count > 0 && err == ERR_OK ? alloc_zero(1, sizeof *build) : NULL;
  if (build != NULL) {
    *build = (struct live_build){.engine = engine, .set = set, .questions = questions, .question_count = count};
    err = begin(engine, build);
    if (err == ERR_OK) {
      engine->live->build = build;
      return ERR_OK;
    }
  } else if (count > 0) {
    err = ERR_NO_MEMORY;
  }
  alloc_free(build);
  alloc_free(questions);
  if (set != NULL) segment_set_close(set);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

static enum err step(struct live_build *build, int64_t budget_us, bool *done, struct diag *diag) {
  for (size_t i = 0; i < build->builder_count; i++) {
    build->builders[i].until_us = clock_monotonic_us() + budget_us;
    build->builders[i].err = ERR_OK;
    diag_init(&build->builders[i].diag);
  }
  crew_run(run_builder, build->builders, sizeof *build->builders, build->builder_count);
  *done = true;
  for (size_t i = 0; i < build->builder_count; i++) {
    const struct builder *builder = &build->builders[i];
    *done = *done && builder->done;
    if (builder->err == ERR_OK) continue;
    if (diag != NULL && builder->diag.err == builder->err) *diag = builder->diag;
    return diag != NULL && diag->err == builder->err ? builder->err : engine_explain_failure(builder->err, diag);
  }
  return ERR_OK;
}

enum err live_build_tick(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag) {
  struct live *live = engine->live;
  bool done = false;
  enum err err = live->build == NULL ? open_build(engine, diag) : ERR_OK;
  *more = live->build != NULL;
  if (err == ERR_OK && live->build != NULL) err = step(live->build, budget_us, &done, diag);
  if (err == ERR_OK && done) err = segments_finish(engine, live->build->questions, live->build->question_count, diag);
  if (err == ERR_OK && done) live_build_close(engine);
  return err;
}
