// chain_iterate: Gauss-Seidel, upwards from nothing.
//
// Sweeps set each state to what its row says. From 0 they never pass the result; and with each goes the probability
// `open` that, by those same sweeps, it is not decided yet where a path ends: what is missing is at most `open` times
// the most that an end brings. So the distance to the result is known, not guessed.
// Sweeps go through the states forwards and backwards in turn, for chains that lead one way.
#include <math.h>

#include "attribution/chain_private.h"
#include "attribution/workers.h"
#include "base/alloc.h"

enum { SWEEPS_MAX = 4000 };
// Edges and states that the sweeps of one result may look at: some seconds.
static const double SWEEPING_MAX = 4e9;

// What is known of a state, side by side, for an edge asks for all of it.
struct known {
  double conversion, value, open;
};

struct sweeping {
  const struct chain *chain;
  const double *whole; // weight of each row
  // Of states of the group that is removed what they bring is known.
  const double *known_conversion, *known_value;
  size_t group;        // SIZE_MAX: none
  struct known *known; // by state
};

static void sweep_state(const struct sweeping *s, size_t i, bool ends_count) {
  const struct chain *chain = s->chain;
  struct known sum = {ends_count ? chain->converted[i] : 0, ends_count ? chain->value[i] : 0, 0};
  for (size_t e = chain->begin[i]; e < chain->begin[i + 1]; e++) {
    const struct known *to = &s->known[chain->to[e]];
    sum.conversion += chain->weight[e] * to->conversion;
    sum.value += chain->weight[e] * to->value;
    sum.open += chain->weight[e] * to->open;
  }
  s->known[i] = (struct known){sum.conversion / s->whole[i], sum.value / s->whole[i], sum.open / s->whole[i]};
}

static void sweep(const struct sweeping *s, bool backwards) {
  bool removes = s->group != SIZE_MAX;
  for (size_t n = s->chain->state_count, at = 0; at < n; at++) {
    size_t i = backwards ? n - 1 - at : at;
    if (!removes || !chain_touches(s->chain, (uint32_t)i, s->group, s->group + 1)) sweep_state(s, i, !removes);
  }
}

static void begin(const struct sweeping *s) {
  for (size_t i = 0; i < s->chain->state_count; i++) {
    bool known = s->group != SIZE_MAX && chain_touches(s->chain, (uint32_t)i, s->group, s->group + 1);
    s->known[i] = known ? (struct known){s->known_conversion[i], s->known_value[i], 0} : (struct known){0, 0, 1};
  }
}

static double most_open(const struct sweeping *s) {
  double most = 0;
  for (size_t i = 0; i < s->chain->state_count; i++) most = fmax(most, s->known[i].open);
  return most;
}

// What the start makes of it, times all that starts.
static struct known from_start(const struct sweeping *s) {
  struct known sum = {0, 0, 0};
  for (size_t i = 0; i < s->chain->state_count; i++) {
    sum.conversion += s->chain->start[i] * s->known[i].conversion;
    sum.value += s->chain->start[i] * s->known[i].value;
    sum.open += s->chain->start[i] * s->known[i].open;
  }
  return sum;
}

// How little may be open for conversions and value both to be known within CHAIN_GAP: of the probability, and of all
// value whatever its sign. `start_weight` as all that starts, `conversion` the probability as far as it is known.
static double open_enough(const struct chain *chain, double start_weight, double conversion) {
  double all = 0, most = 0;
  for (size_t i = 0; i < chain->state_count; i++) {
    all += fabs(chain->value[i]);
    if (chain->value[i] != 0) most = fmax(most, fabs(chain->value[i]) / (chain->converted[i] + chain->lost[i]));
  }
  double enough = CHAIN_GAP * conversion;
  return most > 0 ? fmin(enough, CHAIN_GAP * all / start_weight / most) : enough;
}

static double *whole_weights(const struct chain *chain) {
  double *whole = alloc_get((chain->state_count + 1) * sizeof *whole);
  for (size_t i = 0; whole != NULL && i < chain->state_count; i++) {
    whole[i] = chain->converted[i] + chain->lost[i];
    for (size_t e = chain->begin[i]; e < chain->begin[i + 1]; e++) whole[i] += chain->weight[e];
  }
  return whole;
}

static double sweep_work(const struct chain *chain) {
  return (double)(chain->begin[chain->state_count] + chain->state_count);
}

// Every state must be known well, for removal asks for what each brings.
static enum err sweep_until_known(const struct sweeping *s, double start_weight, int *sweeps) {
  const struct chain *chain = s->chain;
  begin(s);
  for (*sweeps = 1; *sweeps <= SWEEPS_MAX && *sweeps * sweep_work(chain) < SWEEPING_MAX; (*sweeps)++) {
    sweep(s, *sweeps % 2 == 1);
    double conversion = from_start(s).conversion / start_weight;
    if (most_open(s) < open_enough(chain, start_weight, conversion)) return ERR_OK;
  }
  return ERR_LIMIT;
}

enum err chain_iterate_resolve(const struct chain_removal *removal, double *conversion, double *value, double *work) {
  const struct chain *chain = removal->chain;
  double *whole = whole_weights(chain);
  struct known *known = alloc_get((chain->state_count + 1) * sizeof *known);
  const struct sweeping s = {chain, whole, NULL, NULL, SIZE_MAX, known};
  int sweeps = 0;
  enum err err = whole == NULL || known == NULL ? ERR_NO_MEMORY : sweep_until_known(&s, removal->start_weight, &sweeps);
  *work = sweeps * sweep_work(chain) * (double)chain->group_count;
  for (size_t i = 0; i < chain->state_count && err == ERR_OK; i++) {
    conversion[i] = known[i].conversion;
    value[i] = known[i].value;
  }
  alloc_free(whole);
  alloc_free(known);
  return err;
}

// --- removal -------------------------------------------------------------------------------------------------

struct removing {
  const struct chain_removal *removal;
  const double *whole;
  double *gaps;   // by group
  enum err *errs; // by group
};

static void remove_group(void *context, size_t group) {
  struct removing *removing = context;
  const struct chain_removal *removal = removing->removal;
  const struct chain *chain = removal->chain;
  struct known *known = alloc_get((chain->state_count + 1) * sizeof *known);
  removing->errs[group] = known == NULL ? ERR_NO_MEMORY : ERR_LIMIT;
  if (known == NULL) return;
  const struct sweeping s = {chain, removing->whole, removal->conversion, removal->value, group, known};
  double enough = open_enough(chain, removal->start_weight, removal->result->conversion);
  struct known found = {0, 0, 1};
  begin(&s);
  for (int i = 0; i < SWEEPS_MAX && removing->errs[group] == ERR_LIMIT; i++) {
    sweep(&s, i % 2 == 0);
    found = from_start(&s);
    if (found.open / removal->start_weight < enough) removing->errs[group] = ERR_OK;
  }
  removing->gaps[group] = found.open / removal->start_weight / removal->result->conversion;
  removal->result->through_conversion[group] = found.conversion / removal->start_weight;
  removal->result->through_value[group] = found.value / removal->start_weight;
  alloc_free(known);
}

enum err chain_iterate_remove(const struct chain_removal *removal, unsigned threads) {
  double *gap = &removal->result->gap;
  size_t groups = removal->chain->group_count;
  double *whole = whole_weights(removal->chain);
  struct removing removing = {removal, whole, alloc_zero(groups + 1, sizeof(double)),
                              alloc_zero(groups + 1, sizeof(enum err))};
  enum err err = whole == NULL || removing.gaps == NULL || removing.errs == NULL ? ERR_NO_MEMORY : ERR_OK;
  if (err == ERR_OK) workers_run(threads, groups, remove_group, &removing);
  for (size_t i = 0; err == ERR_OK && i < groups; i++) {
    err = removing.errs[i];
    *gap = fmax(*gap, removing.gaps[i]);
  }
  alloc_free(whole);
  alloc_free(removing.gaps);
  alloc_free(removing.errs);
  return err;
}
