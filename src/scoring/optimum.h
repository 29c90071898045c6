// optimum: the least value of a smooth function of a few variables.
//
// Layer 5. Pure and deterministic: the same function and start give the same bits. BFGS with the slope that the
// function gives or with central differences; where that gets stuck, the simplex of Nelder and Mead goes on. Variables
// stay in a box: beyond it the function is taken at the box's side, so that it is never asked for more. A value that is
// not finite counts as worse than any other. Nothing is allocated.
#pragma once

#include <stdbool.h>

enum { OPTIMUM_VARIABLES_MAX = 8 };

// The value at `at`; writes its slope into `slope` unless that is NULL.
typedef double optimum_fn(const void *data, const double *at, double *slope);

struct optimum_task {
  optimum_fn *function;
  const void *data;
  int variables;
  bool has_slope;     // else central differences
  double least, most; // of every variable
  double flat;        // converged when no slope is steeper than this
  int steps_max;
};

struct optimum {
  double at[OPTIMUM_VARIABLES_MAX];
  double value;
  double steepest; // the largest slope that is left, in directions that stay inside the box
  bool converged;  // steepest <= flat
  int steps, evaluations;
};

// Goes down from `start`. `found->value` is infinite when the function has no finite value there or near it.
void optimum_find(const struct optimum_task *task, const double *start, struct optimum *found);
