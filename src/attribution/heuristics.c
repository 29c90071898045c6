// heuristics: a block of rows has sums of its own for every wanted model and channel; blocks are added in order.
//
// A model that gives everything to one touch adds once. Others share by the places of the touches: their shares depend
// on the number of touches alone, and of short paths they are computed once a block.
#include "attribution/heuristics.h"

#include <math.h>
#include <string.h>

#include "attribution/workers.h"
#include "base/alloc.h"

enum { KEPT_TOUCHES = 32, SHARING_MODELS = 3 };
enum { BLOCK_ROWS = 4096, BLOCKS_MAX = 64, SUMS_BYTES_MAX = 256 << 20 };

void heuristics_defaults(struct heuristics_options *options) {
  *options = (struct heuristics_options){.first_weight = 0.4, .last_weight = 0.4, .half_life = 7, .threads = 1};
}

void heuristics_init(struct heuristics *heuristics) {
  *heuristics = (struct heuristics){.of = {{NULL, NULL}}};
}

void heuristics_release(struct heuristics *heuristics) {
  for (int i = 0; i < HEURISTIC_COUNT; i++) {
    alloc_free(heuristics->of[i].conversions);
    alloc_free(heuristics->of[i].value);
  }
  heuristics_init(heuristics);
}

// --- shares --------------------------------------------------------------------------------------------------

// Makes the sum 1. All zero, as of touches that are infinitely old, becomes even shares.
static void normalise(double *shares, size_t count) {
  double sum = 0, rest = 0;
  for (size_t i = 0; i < count; i++) paths_sum(&sum, &rest, shares[i]);
  sum += rest;
  for (size_t i = 0; i < count; i++) shares[i] = sum > 0 ? shares[i] / sum : 1 / (double)count;
}

void heuristics_decay(const double *ages, size_t count, double half_life, double *shares) {
  double youngest = ages == NULL ? 0 : ages[0];
  for (size_t i = 0; ages != NULL && i < count; i++) youngest = fmin(youngest, ages[i]);
  for (size_t i = 0; i < count; i++) {
    double age = ages == NULL ? (double)(count - 1 - i) : ages[i] - youngest;
    shares[i] = exp2(-age / half_life);
  }
  normalise(shares, count);
}

void heuristics_position(size_t count, double first, double last, double *shares) {
  double between = 1 - first - last;
  if (count <= 2) {
    shares[0] = count == 1 ? 1 : first;
    if (count == 2) shares[1] = last;
  } else {
    for (size_t i = 1; i + 1 < count; i++) shares[i] = between / (double)(count - 2);
    shares[0] = first;
    shares[count - 1] = last;
  }
  // All weight on what the path does not have is shared evenly; else what is there is filled up to 1.
  normalise(shares, count);
}

void heuristics_w(size_t count, size_t lead, size_t close, double *shares) {
  static const double milestone = 0.3, others = 0.1;
  bool even = count == 2 && lead == SIZE_MAX;
  if (close == SIZE_MAX) close = count - 1;
  if (lead == SIZE_MAX) lead = count / 2 < close ? count / 2 : 0;
  size_t heads = 1 + (size_t)(lead != 0) + (size_t)(close != 0 && close != lead), rest = count - heads;
  for (size_t i = 0; i < count; i++) shares[i] = rest > 0 ? others / (double)rest : 0;
  shares[0] = shares[lead] = shares[close] = 0;
  shares[0] += milestone;
  shares[lead] += milestone;
  shares[close] += milestone;
  // Of two touches neither is the middle one more than the other.
  if (even) shares[0] = shares[1] = 0.5;
  normalise(shares, count);
}

// --- a block -------------------------------------------------------------------------------------------------

struct sums {
  double *conversions, *value; // by model and channel
};

struct run {
  const struct paths *paths;
  const struct heuristics_options *options;
  unsigned wanted;
  size_t block_count, longest;
  struct sums *blocks;
  bool *short_of_memory; // by block
};

struct block {
  const struct run *run;
  struct sums sums;
  double *shares; // of a path with many touches
  double kept[SHARING_MODELS][KEPT_TOUCHES + 1][KEPT_TOUCHES];
  bool has_kept[SHARING_MODELS][KEPT_TOUCHES + 1];
  uint32_t *stamps; // by channel: the last row that had it, + 1
};

static void give(struct block *block, enum heuristic model, paths_step channel, double conversions, double value) {
  size_t at = (size_t)model * block->run->paths->channels.count + channel;
  block->sums.conversions[at] += conversions;
  block->sums.value[at] += value;
}

// The last touch of which `flags` says `wanted`; without one the last.
static paths_step last_touch(const paths_step *steps, size_t count, const bool *flags, bool wanted) {
  for (size_t i = count; flags != NULL && i-- > 0;)
    if (flags[steps[i]] == wanted) return steps[i];
  return steps[count - 1];
}

static void give_linear(struct block *block, const paths_step *steps, size_t count, double conversions, double value) {
  conversions /= (double)count;
  value /= (double)count;
  for (size_t i = 0; i < count; i++) give(block, HEURISTIC_LINEAR, steps[i], conversions, value);
}

static void give_linear_unique(struct block *block, size_t row, const paths_step *steps, size_t count,
                               double conversions, double value) {
  uint32_t stamp = (uint32_t)row + 1;
  size_t distinct = 0;
  for (size_t i = 0; i < count; i++) {
    distinct += block->stamps[steps[i]] != stamp;
    block->stamps[steps[i]] = stamp;
  }
  conversions /= (double)distinct;
  value /= (double)distinct;
  for (size_t i = 0; i < count; i++) {
    if (block->stamps[steps[i]] != stamp) continue;
    block->stamps[steps[i]] = 0;
    give(block, HEURISTIC_LINEAR_UNIQUE, steps[i], conversions, value);
  }
}

static void find_shares(const struct heuristics_options *options, enum heuristic model, size_t count, double *shares) {
  if (model == HEURISTIC_POSITION)
    heuristics_position(count, options->first_weight, options->last_weight, shares);
  else if (model == HEURISTIC_TIME_DECAY)
    heuristics_decay(NULL, count, options->half_life, shares);
  else
    heuristics_w(count, SIZE_MAX, SIZE_MAX, shares);
}

static const double *shares_of(struct block *block, enum heuristic model, size_t count) {
  int kind = model == HEURISTIC_POSITION ? 0 : model == HEURISTIC_TIME_DECAY ? 1 : 2;
  bool keeps = count <= KEPT_TOUCHES;
  double *shares = keeps ? block->kept[kind][count] : block->shares;
  if (!keeps || !block->has_kept[kind][count]) find_shares(block->run->options, model, count, shares);
  if (keeps) block->has_kept[kind][count] = true;
  return shares;
}

static void give_shares(struct block *block, enum heuristic model, const paths_step *steps, size_t count,
                        double conversions, double value) {
  const double *shares = shares_of(block, model, count);
  for (size_t i = 0; i < count; i++) give(block, model, steps[i], conversions * shares[i], value * shares[i]);
}

static void take_row(struct block *block, size_t index) {
  const struct run *run = block->run;
  const struct paths_row *row = &run->paths->rows[index];
  const paths_step *steps = paths_steps(run->paths, row);
  size_t count = row->count;
  double conversions = (double)row->conversions, value = paths_value(row);
  const struct heuristics_options *options = run->options;
  if (conversions == 0 && value == 0) return;
  for (unsigned left = run->wanted; left != 0; left &= left - 1) {
    enum heuristic model = (enum heuristic)__builtin_ctz(left);
    switch (model) {
    case HEURISTIC_FIRST:
      give(block, model, steps[0], conversions, value);
      break;
    case HEURISTIC_LAST:
      give(block, model, steps[count - 1], conversions, value);
      break;
    case HEURISTIC_LAST_NON_DIRECT:
      give(block, model, last_touch(steps, count, options->direct, false), conversions, value);
      break;
    case HEURISTIC_LAST_PAID:
      give(block, model, last_touch(steps, count, options->paid, true), conversions, value);
      break;
    case HEURISTIC_LINEAR:
      give_linear(block, steps, count, conversions, value);
      break;
    case HEURISTIC_LINEAR_UNIQUE:
      give_linear_unique(block, index, steps, count, conversions, value);
      break;
    default:
      give_shares(block, model, steps, count, conversions, value);
      break;
    }
  }
}

static void take_block(void *context, size_t piece) {
  struct run *run = context;
  size_t rows = run->paths->row_count, channels = run->paths->channels.count;
  struct block block;
  block.run = run;
  memset(block.has_kept, 0, sizeof block.has_kept);
  block.sums.conversions = alloc_zero(channels * HEURISTIC_COUNT + 1, sizeof(double));
  block.sums.value = alloc_zero(channels * HEURISTIC_COUNT + 1, sizeof(double));
  block.shares = alloc_get(run->longest * sizeof(double));
  block.stamps = alloc_zero(channels + 1, sizeof *block.stamps);
  run->blocks[piece] = block.sums;
  run->short_of_memory[piece] =
      block.sums.conversions == NULL || block.sums.value == NULL || block.shares == NULL || block.stamps == NULL;
  size_t begin = rows / run->block_count * piece + (piece < rows % run->block_count ? piece : rows % run->block_count);
  size_t size = rows / run->block_count + (piece < rows % run->block_count);
  for (size_t i = begin; i < begin + size && !run->short_of_memory[piece]; i++) take_row(&block, i);
  alloc_free(block.shares);
  alloc_free(block.stamps);
}

// --- all blocks ----------------------------------------------------------------------------------------------

static enum err add_up(const struct run *run, enum heuristic model, struct heuristics_credit *credit,
                       struct diag *diag) {
  size_t channels = run->paths->channels.count;
  credit->conversions = alloc_zero(channels + 1, sizeof(double));
  credit->value = alloc_zero(channels + 1, sizeof(double));
  if (credit->conversions == NULL || credit->value == NULL) return diag_no_memory(diag);
  for (size_t channel = 0; channel < channels; channel++) {
    double conversions_rest = 0, value_rest = 0;
    for (size_t block = 0; block < run->block_count; block++) {
      size_t at = (size_t)model * channels + channel;
      paths_sum(&credit->conversions[channel], &conversions_rest, run->blocks[block].conversions[at]);
      paths_sum(&credit->value[channel], &value_rest, run->blocks[block].value[at]);
    }
    credit->conversions[channel] += conversions_rest;
    credit->value[channel] += value_rest;
  }
  return ERR_OK;
}

// A function of the set alone.
static size_t count_blocks(const struct paths *paths) {
  size_t one = (paths->channels.count + 1) * HEURISTIC_COUNT * 2 * sizeof(double);
  size_t most = SUMS_BYTES_MAX / one, count = paths->row_count / BLOCK_ROWS + 1;
  if (most > BLOCKS_MAX) most = BLOCKS_MAX;
  if (count > most) count = most;
  return count > 0 ? count : 1;
}

enum err heuristics_run(const struct paths *paths, unsigned wanted, const struct heuristics_options *options,
                        struct heuristics *heuristics, struct diag *diag) {
  struct run run = {.paths = paths, .options = options, .wanted = wanted, .block_count = count_blocks(paths)};
  run.blocks = alloc_zero(run.block_count, sizeof *run.blocks);
  run.short_of_memory = alloc_zero(run.block_count, sizeof *run.short_of_memory);
  run.longest = 2;
  for (size_t i = 0; i < paths->row_count; i++)
    run.longest = paths->rows[i].count > run.longest ? paths->rows[i].count : run.longest;
  enum err err = run.blocks == NULL || run.short_of_memory == NULL ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK) workers_run(options->threads, run.block_count, take_block, &run);
  for (size_t i = 0; err == ERR_OK && i < run.block_count; i++)
    if (run.short_of_memory[i]) err = diag_no_memory(diag);
  for (int model = 0; err == ERR_OK && model < HEURISTIC_COUNT; model++)
    if (wanted >> model & 1) err = add_up(&run, (enum heuristic)model, &heuristics->of[model], diag);
  for (size_t i = 0; run.blocks != NULL && i < run.block_count; i++) {
    alloc_free(run.blocks[i].conversions);
    alloc_free(run.blocks[i].value);
  }
  alloc_free(run.blocks);
  alloc_free(run.short_of_memory);
  return err;
}
