// pairs: a triangle of counts, filled path by path from its distinct channels.
#include "attribution/pairs.h"

#include <math.h>

#include "base/alloc.h"

void pairs_init(struct pairs *pairs) {
  *pairs = (struct pairs){.channel_count = 0};
}

void pairs_release(struct pairs *pairs) {
  alloc_free(pairs->of);
  pairs_init(pairs);
}

// The distinct channels of a path, in order of first appearance. `stamps` holds, by channel, the last path it was in.
struct distinct {
  uint32_t *stamps;
  paths_step *channels;
  size_t count;
};

static bool distinct_init(struct distinct *distinct, size_t channels) {
  *distinct = (struct distinct){.stamps = alloc_zero(channels + 1, sizeof *distinct->stamps),
                                .channels = alloc_get((channels + 1) * sizeof *distinct->channels)};
  return distinct->stamps != NULL && distinct->channels != NULL;
}

static void distinct_release(struct distinct *distinct) {
  alloc_free(distinct->stamps);
  alloc_free(distinct->channels);
}

static void distinct_find(struct distinct *distinct, const struct paths *paths, size_t row) {
  const paths_step *steps = paths_steps(paths, &paths->rows[row]);
  uint32_t stamp = (uint32_t)row + 1;
  distinct->count = 0;
  for (size_t i = 0; i < paths->rows[row].count; i++) {
    if (distinct->stamps[steps[i]] == stamp) continue;
    distinct->stamps[steps[i]] = stamp;
    distinct->channels[distinct->count++] = steps[i];
  }
}

static void add(struct pairs_count *to, const struct paths_row *row) {
  to->conversions += row->conversions;
  to->nulls += row->nulls;
}

enum err pairs_count(const struct paths *paths, struct pairs *pairs, struct diag *diag) {
  struct distinct distinct;
  size_t channels = paths->channels.count;
  if (channels > PAIRS_CHANNELS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_channels",
                    "there are %zu channels; pairs of them are counted up to %d channels", channels,
                    PAIRS_CHANNELS_MAX);
  pairs->channel_count = channels;
  pairs->of = alloc_zero(channels * (channels + 1) / 2 + 1, sizeof *pairs->of);
  bool ready = distinct_init(&distinct, channels) && pairs->of != NULL;
  for (size_t row = 0; ready && row < paths->row_count; row++) {
    distinct_find(&distinct, paths, row);
    add(&pairs->all, &paths->rows[row]);
    for (size_t i = 0; i < distinct.count; i++)
      for (size_t j = 0; j <= i; j++)
        add(&pairs->of[pairs_place(distinct.channels[i], distinct.channels[j])], &paths->rows[row]);
  }
  distinct_release(&distinct);
  return ready ? ERR_OK : diag_no_memory(diag);
}

// --- affinity ------------------------------------------------------------------------------------------------

// x log x, of which 0 is 0.
static double term(double count) {
  return count > 0 ? count * log(count) : 0;
}

double pairs_log_likelihood(double both, double a_only, double b_only, double neither) {
  double all = both + a_only + b_only + neither;
  double cells = term(both) + term(a_only) + term(b_only) + term(neither);
  double rows = term(both + a_only) + term(b_only + neither), columns = term(both + b_only) + term(a_only + neither);
  // Rounding must not make a little less than nothing of independent events.
  return fmax(0, 2 * (cells - rows - columns + term(all)));
}

double pairs_root_log_likelihood(double both, double a_only, double b_only, double neither) {
  double root = sqrt(pairs_log_likelihood(both, a_only, b_only, neither));
  double with = both + a_only, without = b_only + neither;
  return with > 0 && without > 0 && both / with < b_only / without ? -root : root;
}

static double whole(struct pairs_count count) {
  return (double)(count.conversions + count.nulls);
}

double pairs_affinity(const struct pairs *pairs, size_t a, size_t b) {
  double both = whole(pairs->of[pairs_place(a, b)]), with_a = whole(pairs->of[pairs_place(a, a)]);
  double with_b = whole(pairs->of[pairs_place(b, b)]), all = whole(pairs->all);
  return pairs_root_log_likelihood(both, with_a - both, with_b - both, all - with_a - with_b + both);
}

// --- Shao ----------------------------------------------------------------------------------------------------

static double rate(const struct pairs *pairs, size_t a, size_t b) {
  struct pairs_count count = pairs->of[pairs_place(a, b)];
  return whole(count) > 0 ? (double)count.conversions / whole(count) : 0;
}

static double contribution(const struct pairs *pairs, const struct distinct *distinct, size_t i) {
  size_t channel = distinct->channels[i];
  double own = rate(pairs, channel, channel), sum = 0;
  for (size_t j = 0; j < distinct->count; j++) {
    size_t other = distinct->channels[j];
    if (j != i) sum += rate(pairs, channel, other) - own - rate(pairs, other, other);
  }
  return distinct->count == 1 ? own : own + sum / (2 * (double)(distinct->count - 1));
}

enum err pairs_shao(const struct pairs *pairs, const struct paths *paths, double *conversions, double *value,
                    struct diag *diag) {
  struct distinct distinct;
  bool ready = distinct_init(&distinct, pairs->channel_count);
  for (size_t row = 0; ready && row < paths->row_count; row++) {
    if (paths->rows[row].conversions == 0) continue;
    distinct_find(&distinct, paths, row);
    for (size_t i = 0; i < distinct.count; i++) {
      double share = contribution(pairs, &distinct, i);
      conversions[distinct.channels[i]] += share * (double)paths->rows[row].conversions;
      value[distinct.channels[i]] += share * paths_value(&paths->rows[row]);
    }
  }
  distinct_release(&distinct);
  return ready ? ERR_OK : diag_no_memory(diag);
}
