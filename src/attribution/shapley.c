// shapley: the subset game from its dividends (the worth of a set that no smaller set has), which are the conversions
// of the paths with exactly those channels; the rate game by all subsets, whose sums a walk over the channels makes.
#include "attribution/shapley.h"

#include <stdlib.h>

#include "base/alloc.h"

static int by_number(const void *a, const void *b) {
  return (int)*(const paths_step *)a - (int)*(const paths_step *)b;
}

// --- subset --------------------------------------------------------------------------------------------------

// The paths as sets: each channel once, in order of their numbers.
static enum err make_sets(const struct paths *paths, struct paths *sets, struct diag *diag) {
  struct paths firsts;
  paths_init(&firsts);
  enum err err = paths_transform(paths, PATHS_FIRST, NULL, 0, &firsts, diag);
  for (size_t i = 0; i < firsts.row_count && err == ERR_OK; i++) {
    const struct paths_row *row = &firsts.rows[i];
    const struct paths_figures figures = {row->conversions, row->nulls, row->value, row->value_rest};
    qsort(firsts.steps + row->begin, row->count, sizeof *firsts.steps, by_number);
    err = paths_add(sets, paths_steps(&firsts, row), row->count, &figures, diag);
  }
  paths_release(&firsts);
  return err;
}

enum err shapley_subset(const struct paths *paths, double *conversions, double *value, struct diag *diag) {
  struct paths sets;
  paths_init(&sets);
  double *rests = alloc_zero(2 * paths->channels.count + 1, sizeof *rests);
  enum err err = rests == NULL ? diag_no_memory(diag) : make_sets(paths, &sets, diag);
  for (size_t i = 0; i < sets.row_count && err == ERR_OK; i++) {
    const paths_step *steps = paths_steps(&sets, &sets.rows[i]);
    double count = (double)sets.rows[i].count;
    for (size_t j = 0; j < sets.rows[i].count; j++) {
      paths_sum(&conversions[steps[j]], &rests[2 * steps[j]], (double)sets.rows[i].conversions / count);
      paths_sum(&value[steps[j]], &rests[2 * steps[j] + 1], paths_value(&sets.rows[i]) / count);
    }
  }
  for (size_t i = 0; i < paths->channels.count && err == ERR_OK; i++) {
    conversions[i] += rests[2 * i];
    value[i] += rests[2 * i + 1];
  }
  alloc_free(rests);
  paths_release(&sets);
  return err;
}

// --- rate ----------------------------------------------------------------------------------------------------

// By set of channels, each a bit.
struct game {
  size_t players;
  uint8_t *bits;                       // by channel: its bit + 1; 0: on no path
  double *conversions, *value, *whole; // of paths with just these; then of paths with no others
};

static enum err find_players(const struct paths *paths, struct game *game, struct diag *diag) {
  game->bits = alloc_zero(paths->channels.count + 1, sizeof *game->bits);
  if (game->bits == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < paths->step_count; i++) game->bits[paths->steps[i]] = 1;
  for (size_t i = 0; i < paths->channels.count; i++) {
    if (game->bits[i] == 0) continue;
    if (game->players++ < SHAPLEY_RATE_CHANNELS_MAX) game->bits[i] = (uint8_t)game->players;
  }
  if (game->players > SHAPLEY_RATE_CHANNELS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_channels",
                    "there are %zu channels; the conversion-rate game is solved for at most %d (shapley takes any "
                    "number)",
                    game->players, SHAPLEY_RATE_CHANNELS_MAX);
  return ERR_OK;
}

static enum err fill_game(const struct paths *paths, struct game *game, struct diag *diag) {
  size_t sets = (size_t)1 << game->players;
  game->conversions = alloc_zero(3 * sets, sizeof(double));
  if (game->conversions == NULL) return diag_no_memory(diag);
  game->value = game->conversions + sets;
  game->whole = game->value + sets;
  for (size_t i = 0; i < paths->row_count; i++) {
    const struct paths_row *row = &paths->rows[i];
    const paths_step *steps = paths_steps(paths, row);
    size_t set = 0;
    for (size_t j = 0; j < row->count; j++) set |= (size_t)1 << (game->bits[steps[j]] - 1);
    game->conversions[set] += (double)row->conversions;
    game->value[set] += paths_value(row);
    game->whole[set] += (double)(row->conversions + row->nulls);
  }
  for (size_t player = 1; player < sets; player <<= 1) {
    for (size_t set = 0; set < sets; set++) {
      if ((set & player) == 0) continue;
      game->conversions[set] += game->conversions[set ^ player];
      game->value[set] += game->value[set ^ player];
      game->whole[set] += game->whole[set ^ player];
    }
  }
  return ERR_OK;
}

static double worth(const struct game *game, const double *of, size_t set) {
  return game->whole[set] > 0 ? of[set] / game->whole[set] : 0;
}

static double shapley_value(const struct game *game, const double *of, size_t player) {
  size_t sets = (size_t)1 << game->players, n = game->players;
  double chance[SHAPLEY_RATE_CHANNELS_MAX], sum = 0, rest = 0;
  // The chance that just a given set of so many others is there before the player: k! (n - k - 1)! / n!
  chance[0] = 1 / (double)n;
  for (size_t k = 1; k < n; k++) chance[k] = chance[k - 1] * (double)k / (double)(n - k);
  for (size_t set = 0; set < sets; set++) {
    if (set & player) continue;
    double adds = worth(game, of, set | player) - worth(game, of, set);
    paths_sum(&sum, &rest, adds * chance[__builtin_popcountll(set)]);
  }
  return sum + rest;
}

enum err shapley_rate(const struct paths *paths, double *conversions, double *value, struct diag *diag) {
  struct game game = {.players = 0};
  enum err err = find_players(paths, &game, diag);
  if (err == ERR_OK) err = fill_game(paths, &game, diag);
  for (size_t i = 0; i < paths->channels.count && err == ERR_OK; i++) {
    if (game.bits[i] == 0) continue;
    size_t player = (size_t)1 << (game.bits[i] - 1);
    double whole = game.whole[((size_t)1 << game.players) - 1];
    conversions[i] += shapley_value(&game, game.conversions, player) * whole;
    value[i] += shapley_value(&game, game.value, player) * whole;
  }
  alloc_free(game.conversions);
  alloc_free(game.bits);
  return err;
}
