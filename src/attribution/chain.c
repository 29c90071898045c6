// chain: which of the two ways is taken.
//
// A small chain is eliminated. Of a larger one the sweeps for the whole of it tell what iteration would take;
// elimination gets an eighth of that for each of its graphs, of which there are several, and goes first. Where
// iteration does not get there, because paths are very long, elimination may take as long as it is bearable.
#include "attribution/chain.h"

#include "attribution/chain_private.h"
#include "base/alloc.h"

enum { SMALL_STATES = 256 };
static const uint64_t ELIMINATION_MAX = UINT64_C(20000000000); // additions: some tens of seconds
static const double ITERATION_MAX = 2e11;                      // edges and states looked at: minutes

static double sum_of(const double *numbers, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += numbers[i];
  return sum;
}

static void finish(const struct chain_removal *removal) {
  const struct chain *chain = removal->chain;
  double conversion = 0, value = 0;
  for (size_t i = 0; i < chain->state_count; i++) {
    conversion += chain->start[i] * removal->conversion[i];
    value += chain->start[i] * removal->value[i];
  }
  removal->result->conversion = conversion / removal->start_weight;
  removal->result->value = value / removal->start_weight;
}

// Leaves `conversion` and `value` as they are when it fails with ERR_LIMIT before it has an answer for all states.
static enum err eliminate(const struct chain_removal *removal, double *conversion, double *value, unsigned threads) {
  enum err err = chain_sparse_resolve(removal, conversion, value);
  if (err != ERR_OK) return err;
  finish(removal);
  return removal->chain->group_count == 0 ? ERR_OK : chain_sparse_remove(removal, threads);
}

static enum err iterate(const struct chain_removal *removal, unsigned threads) {
  removal->result->iterated = true;
  removal->result->gap = CHAIN_GAP;
  finish(removal);
  return chain_iterate_remove(removal, threads);
}

static enum err choose(struct chain_removal *removal, double *conversion, double *value, unsigned threads) {
  double work;
  removal->work_max = ELIMINATION_MAX;
  if (removal->chain->state_count <= SMALL_STATES) return eliminate(removal, conversion, value, threads);
  enum err err = chain_iterate_resolve(removal, conversion, value, &work);
  if (err == ERR_NO_MEMORY) return err;
  bool can_iterate = err == ERR_OK && work < ITERATION_MAX;
  if (can_iterate && work / 8 < (double)ELIMINATION_MAX) removal->work_max = (uint64_t)(work / 8);
  err = eliminate(removal, conversion, value, threads);
  return err == ERR_LIMIT && can_iterate ? iterate(removal, threads) : err;
}

enum err chain_solve(const struct chain *chain, unsigned threads, struct chain_result *result, struct diag *diag) {
  double *conversion = alloc_zero(chain->state_count + 1, sizeof *conversion);
  double *value = alloc_zero(chain->state_count + 1, sizeof *value);
  struct chain_removal removal = {.chain = chain,
                                  .conversion = conversion,
                                  .value = value,
                                  .start_weight = sum_of(chain->start, chain->state_count),
                                  .result = result};
  enum err err = conversion == NULL || value == NULL ? ERR_NO_MEMORY : ERR_OK;
  result->iterated = false;
  result->gap = 0;
  if (err == ERR_OK) err = choose(&removal, conversion, value, threads);
  alloc_free(conversion);
  alloc_free(value);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err == ERR_LIMIT)
    return diag_set(diag, ERR_LIMIT, "too_hard",
                    "the chain of %zu states could not be solved within bounds: its paths are long and go everywhere; "
                    "a smaller order has fewer states",
                    chain->state_count);
  return err;
}
