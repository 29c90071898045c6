// share: an amount over lines, to the cent.
//
// Every line first gets its exact share rounded down. What is left over is less than one cent a line; those lines get
// it whose share was cut by most, the earlier of two alike.
// Invariants: 1. the shares add up to the amount; 2. a line without weight has no share; 3. no share is above its
// weight when the amount is not above the sum of the weights: only a line that was cut gets a cent more.
#include "loyalty/basket.h"

#include <stdlib.h>

#include "loyalty/exact.h"

struct cut {
  exact_wide rest; // of the division by the sum of the weights
  size_t index;
};

static int by_rest(const void *a, const void *b) {
  const struct cut *left = a, *right = b;
  if (left->rest != right->rest) return left->rest > right->rest ? -1 : 1;
  return left->index < right->index ? -1 : 1;
}

void loyalty_share_out(int64_t amount, const int64_t *weights, size_t count, int64_t *shares) {
  struct cut cuts[LOYALTY_LINES_MAX];
  exact_wide sum = 0;
  assert(amount >= 0 && count <= LOYALTY_LINES_MAX);
  for (size_t i = 0; i < count; i++) {
    assert(weights[i] >= 0);
    shares[i] = 0;
    sum += (uint64_t)weights[i];
  }
  if (sum == 0) return;
  int64_t left = amount;
  for (size_t i = 0; i < count; i++) {
    exact_wide product = (exact_wide)amount * (exact_wide)weights[i];
    shares[i] = (int64_t)(product / sum);
    cuts[i] = (struct cut){product % sum, i};
    left -= shares[i];
  }
  if (left == 0) return;
  qsort(cuts, count, sizeof *cuts, by_rest);
  for (size_t i = 0; i < (size_t)left; i++) shares[cuts[i].index]++;
}
