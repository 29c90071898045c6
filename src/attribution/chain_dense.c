// chain_dense: elimination in a matrix, four states at a time so that the rest of it is read and written once for four.
//
// Taking out state k gives row i the share weights[i][k] / (whole weight of k) of row k. The whole weight of k is the
// sum of what it leads to that is still there, ends included: a self-loop that came about is left out of it, and so out
// of the chain.
#include <assert.h>
#include <string.h>

#include "attribution/chain_private.h"
#include "base/alloc.h"

enum { PANEL = 4, VECTORS = 4 };

enum err chain_dense_init(struct chain_dense *dense, size_t count) {
  *dense = (struct chain_dense){.count = count, .stride = count, .owned = true};
  dense->weights = alloc_zero(count * count + 1, sizeof(double));
  dense->converted = alloc_zero(VECTORS * count + 1, sizeof(double));
  dense->states = alloc_zero(count + 1, sizeof *dense->states);
  if (dense->weights == NULL || dense->converted == NULL || dense->states == NULL) {
    chain_dense_release(dense);
    return ERR_NO_MEMORY;
  }
  dense->lost = dense->converted + count;
  dense->value = dense->lost + count;
  dense->start = dense->value + count;
  return ERR_OK;
}

void chain_dense_release(struct chain_dense *dense) {
  if (dense->owned) {
    alloc_free(dense->weights);
    alloc_free(dense->converted);
    alloc_free(dense->states);
  }
  *dense = (struct chain_dense){.count = 0};
}

// --- elimination ---------------------------------------------------------------------------------------------

static double whole_weight(const struct chain_dense *dense, size_t k) {
  const double *row = dense->weights + k * dense->stride;
  double whole = dense->converted[k] + dense->lost[k];
  for (size_t j = k + 1; j < dense->count; j++) whole += row[j];
  return whole;
}

static void add_ends(struct chain_dense *dense, size_t i, size_t k, double share) {
  dense->converted[i] += share * dense->converted[k];
  dense->lost[i] += share * dense->lost[k];
  dense->value[i] += share * dense->value[k];
}

static void add_row(double *restrict row, const double *restrict from, double share, size_t begin, size_t end) {
  for (size_t j = begin; j < end; j++) row[j] += share * from[j];
}

static void add_four_rows(double *restrict row, const double *restrict from, size_t stride, const double *shares,
                          size_t begin, size_t end) {
  const double *restrict second = from + stride, *restrict third = second + stride, *restrict fourth = third + stride;
  double a = shares[0], b = shares[1], c = shares[2], d = shares[3];
  for (size_t j = begin; j < end; j++) row[j] += (a * from[j] + b * second[j]) + (c * third[j] + d * fourth[j]);
}

// What row i gets of states k … k + size - 1, one after the other; only their own columns of it are brought forward.
static void find_shares(const struct chain_dense *dense, double *row, size_t k, size_t size, const double *whole,
                        double *shares) {
  for (size_t p = 0; p < size; p++) {
    shares[p] = row[k + p] / whole[p];
    add_row(row, dense->weights + (k + p) * dense->stride, shares[p], k + p + 1, k + size);
  }
}

static void give_panel(struct chain_dense *dense, double *row, size_t k, size_t size, const double *shares) {
  const double *from = dense->weights + k * dense->stride;
  if (size == PANEL) {
    add_four_rows(row, from, dense->stride, shares, k + PANEL, dense->count);
    return;
  }
  for (size_t p = 0; p < size; p++) add_row(row, from + p * dense->stride, shares[p], k + size, dense->count);
}

// The states of the panel among themselves: each later one has the earlier ones taken out.
static void make_panel(struct chain_dense *dense, size_t k, size_t size, double *whole) {
  for (size_t p = 0; p < size; p++) {
    double *row = dense->weights + (k + p) * dense->stride;
    for (size_t q = 0; q < p; q++) {
      double share = row[k + q] / whole[q];
      add_row(row, dense->weights + (k + q) * dense->stride, share, k + q + 1, dense->count);
      add_ends(dense, k + p, k + q, share);
    }
    whole[p] = whole_weight(dense, k + p);
    assert(whole[p] > 0);
  }
}

void chain_dense_eliminate(struct chain_dense *dense, size_t count) {
  for (size_t k = 0; k < count;) {
    size_t size = count - k < PANEL ? count - k : PANEL;
    double whole[PANEL], shares[PANEL];
    make_panel(dense, k, size, whole);
    for (size_t i = k + size; i < dense->count; i++) {
      double *row = dense->weights + i * dense->stride;
      find_shares(dense, row, k, size, whole, shares);
      if (size == PANEL && shares[0] == 0 && shares[1] == 0 && shares[2] == 0 && shares[3] == 0) continue;
      give_panel(dense, row, k, size, shares);
      for (size_t p = 0; p < size; p++) add_ends(dense, i, k + p, shares[p]);
    }
    find_shares(dense, dense->start, k, size, whole, shares);
    give_panel(dense, dense->start, k, size, shares);
    for (size_t p = 0; p < size; p++) dense->lost[k + p] = whole[p];
    k += size;
  }
}

void chain_dense_resolve(const struct chain_dense *dense, double *conversion, double *value) {
  for (size_t k = dense->count; k-- > 0;) {
    const double *row = dense->weights + k * dense->stride;
    double converted = dense->converted[k], worth = dense->value[k];
    for (size_t j = k + 1; j < dense->count; j++) {
      converted += row[j] * conversion[dense->states[j]];
      worth += row[j] * value[dense->states[j]];
    }
    conversion[dense->states[k]] = converted / dense->lost[k];
    value[dense->states[k]] = worth / dense->lost[k];
  }
}

// --- removal -------------------------------------------------------------------------------------------------

static void write_group(const struct chain_removal *removal, const struct chain_dense *dense, size_t group) {
  double conversion = 0, value = 0;
  for (size_t i = 0; i < dense->count; i++) {
    conversion += dense->start[i] * removal->conversion[dense->states[i]];
    value += dense->start[i] * removal->value[dense->states[i]];
  }
  removal->result->through_conversion[group] = conversion / removal->start_weight;
  removal->result->through_value[group] = value / removal->start_weight;
}

// `order`: the states of `from` in a new order.
static void copy_in_order(const struct chain_dense *from, const uint32_t *order, struct chain_dense *to) {
  for (size_t i = 0; i < from->count; i++) {
    const double *row = from->weights + order[i] * from->stride;
    double *copy = to->weights + i * to->stride;
    for (size_t j = 0; j < from->count; j++) copy[j] = row[order[j]];
    to->converted[i] = from->converted[order[i]];
    to->lost[i] = from->lost[order[i]];
    to->value[i] = from->value[order[i]];
    to->start[i] = from->start[order[i]];
    to->states[i] = from->states[order[i]];
  }
}

struct chain_dense chain_dense_tail(const struct chain_dense *dense, size_t first) {
  struct chain_dense tail = *dense;
  tail.count -= first;
  tail.weights += first * dense->stride + first;
  tail.converted += first;
  tail.lost += first;
  tail.value += first;
  tail.start += first;
  tail.states += first;
  tail.owned = false;
  return tail;
}

static enum err remove_half(const struct chain_removal *removal, const struct chain_dense *dense, size_t from,
                            size_t to) {
  struct chain_dense copy;
  enum err err = chain_dense_init(&copy, dense->count);
  uint32_t *order = err == ERR_OK ? alloc_get((dense->count + 1) * sizeof *order) : NULL;
  size_t out = 0, at = 0;
  if (err == ERR_OK && order == NULL) err = ERR_NO_MEMORY;
  for (int stays = 0; stays < 2 && err == ERR_OK; stays++) {
    for (size_t i = 0; i < dense->count; i++)
      if (chain_touches(removal->chain, dense->states[i], from, to) == (stays == 1)) order[at++] = (uint32_t)i;
    if (stays == 0) out = at;
  }
  if (err == ERR_OK) {
    copy_in_order(dense, order, &copy);
    chain_dense_eliminate(&copy, out);
    struct chain_dense rest = chain_dense_tail(&copy, out);
    err = chain_dense_remove(removal, &rest, from, to);
  }
  alloc_free(order);
  chain_dense_release(&copy);
  return err;
}

enum err chain_dense_remove(const struct chain_removal *removal, const struct chain_dense *dense, size_t from,
                            size_t to) {
  if (to - from == 1) {
    write_group(removal, dense, from);
    return ERR_OK;
  }
  size_t middle = from + (to - from) / 2;
  enum err err = remove_half(removal, dense, from, middle);
  return err == ERR_OK ? remove_half(removal, dense, middle, to) : err;
}
