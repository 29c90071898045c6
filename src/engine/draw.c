// draw.c: see draw.h. The best N are kept in a heap with the worst on top while all members go by, so memory is that of
// N. At random means by a hash of the segment and the customer: whoever is drawn once stays while she is a member and
// N others with lower hashes do not come. Customers without a value come last; of equals the older id comes first.
#include "engine/draw.h"

#include <pthread.h>

#include "base/alloc.h"
#include "customer/scan.h"
#include "engine/live.h"

struct draw {
  pthread_mutex_t mutex;
  uint32_t question; // 0: none is kept
  int64_t made_us;   // monotonic
  struct audience *drawn;
};

enum err draw_open(struct draw **draw) {
  struct draw *made = alloc_zero(1, sizeof *made);
  *draw = made;
  if (made == NULL) return ERR_NO_MEMORY;
  pthread_mutex_init(&made->mutex, NULL);
  return ERR_OK;
}

void draw_close(struct draw *draw) {
  if (draw == NULL) return;
  audience_close(draw->drawn);
  pthread_mutex_destroy(&draw->mutex);
  alloc_free(draw);
}

// --- the best N ----------------------------------------------------------------------------------------------

struct ranked {
  struct decimal number;
  uint64_t customer;
  bool has_number;
};

struct ranking {
  struct ranked *heap; // the worst first
  size_t count, limit;
};

static bool is_worse(const struct ranked *a, const struct ranked *b) {
  if (a->has_number != b->has_number) return b->has_number;
  int order = a->has_number ? decimal_compare(a->number, b->number) : 0;
  return order != 0 ? order < 0 : a->customer > b->customer;
}

static void swap(struct ranked *a, struct ranked *b) {
  struct ranked kept = *a;
  *a = *b;
  *b = kept;
}

static void sift_up(struct ranking *ranking, size_t at) {
  for (; at > 0 && is_worse(&ranking->heap[at], &ranking->heap[(at - 1) / 2]); at = (at - 1) / 2)
    swap(&ranking->heap[at], &ranking->heap[(at - 1) / 2]);
}

static void sift_down(struct ranking *ranking) {
  for (size_t at = 0, child = 1; child < ranking->count; at = child, child = at * 2 + 1) {
    if (child + 1 < ranking->count && is_worse(&ranking->heap[child + 1], &ranking->heap[child])) child++;
    if (!is_worse(&ranking->heap[child], &ranking->heap[at])) return;
    swap(&ranking->heap[child], &ranking->heap[at]);
  }
}

static void rank(struct ranking *ranking, const struct ranked *one) {
  if (ranking->count < ranking->limit) {
    ranking->heap[ranking->count++] = *one;
    sift_up(ranking, ranking->count - 1);
  } else if (is_worse(&ranking->heap[0], one)) {
    ranking->heap[0] = *one;
    sift_down(ranking);
  }
}

// --- all members ---------------------------------------------------------------------------------------------

static enum err rank_by_value(struct answers *answers, struct store_snapshot *snapshot, const struct rule_program *by,
                              const struct audience *members, struct ranking *ranking) {
  struct scan_options options = {.snapshot = snapshot,
                                 .sources = answers_sources(answers),
                                 .records = true,
                                 .events = true,
                                 .lookup = answers_lookup,
                                 .lookup_context = answers};
  struct rule_machine *machine;
  struct scan *scan = NULL;
  struct facts *facts;
  enum err err = rule_machine_open(&machine, NULL);
  if (err != ERR_OK) return err;
  err = scan_open(&scan, &options);
  while (err == ERR_OK && (err = scan_next(scan, &facts)) == ERR_OK) {
    struct ranked one = {.customer = facts->id};
    struct rule_answer answer;
    if (!audience_has(members, facts->id)) continue;
    err = rule_run(machine, by, &facts->customer, answers_now_us(answers), false, &answer);
    one.has_number = answer.value.type == RULE_TYPE_NUMBER || answer.value.type == RULE_TYPE_TIME;
    if (answer.value.type == RULE_TYPE_NUMBER) one.number = answer.value.number;
    if (answer.value.type == RULE_TYPE_TIME) one.number = decimal_from_i64(answer.value.time_us);
    if (err == ERR_OK) rank(ranking, &one);
  }
  scan_close(scan);
  rule_machine_close(machine);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// A lower hash is a better place.
static void rank_at_random(struct bytes id, const struct audience *members, struct ranking *ranking) {
  uint64_t customer = 0;
  for (; audience_list(members, customer, &customer, 1) == 1; customer++) {
    struct ranked one = {.customer = customer, .has_number = true};
    one.number = (struct decimal){.coefficient = segment_random_of(id, customer), .negative = true};
    rank(ranking, &one);
  }
}

static enum err draw_anew(struct answers *answers, struct store_snapshot *snapshot,
                          const struct segment_definition *segment, const struct audience *members,
                          struct audience **drawn) {
  const struct rule_program *by = segment_set_limit_by(answers_set(answers), segment->question);
  struct ranking ranking = {.limit = segment->limit};
  uint64_t there = audience_count(members);
  size_t room = there < segment->limit ? (size_t)there : segment->limit;
  enum err err = audience_open(drawn);
  if (err != ERR_OK) return err;
  ranking.heap = alloc_get((room + 1) * sizeof *ranking.heap);
  if (ranking.heap == NULL) err = ERR_NO_MEMORY;
  if (err == ERR_OK && by != NULL) err = rank_by_value(answers, snapshot, by, members, &ranking);
  if (err == ERR_OK && by == NULL) rank_at_random(segment->id, members, &ranking);
  for (size_t i = 0; err == ERR_OK && i < ranking.count; i++) err = audience_add(*drawn, ranking.heap[i].customer);
  alloc_free(ranking.heap);
  if (err == ERR_OK) return ERR_OK;
  audience_close(*drawn);
  *drawn = NULL;
  return err;
}

enum err draw_limit(struct draw *draw, struct answers *answers, struct store_snapshot *snapshot,
                    const struct segment_definition *segment, struct audience *members) {
  enum err err = ERR_OK;
  pthread_mutex_lock(&draw->mutex);
  bool old = clock_monotonic_us() - draw->made_us > DRAW_KEPT_US;
  if (draw->question != segment->question || old) {
    audience_close(draw->drawn);
    draw->drawn = NULL;
    draw->question = 0;
    err = draw_anew(answers, snapshot, segment, members, &draw->drawn);
    if (err == ERR_OK) {
      draw->question = segment->question;
      draw->made_us = clock_monotonic_us();
    }
  }
  if (err == ERR_OK) audience_and(members, draw->drawn);
  pthread_mutex_unlock(&draw->mutex);
  return err;
}
