// optimum: BFGS on the inverse Hessian, with backtracking; Nelder and Mead's simplex as what always works.
//
// Invariants: `at` is inside the box; `value` never rises by more than rounding. Next to the least value steps are
// smaller than what rounding lets the value show, so there a step also counts that makes the slope flatter. A step that
// does neither ends the search, and steps have a limit, so it ends.
#include "scoring/optimum.h"

#include <math.h>
#include <string.h>

enum { N_MAX = OPTIMUM_VARIABLES_MAX, HALVINGS = 40, SIMPLEX_STEPS = 2000, ROUNDS = 3 };

static const double DIFFERENCE = 1e-5; // of central differences: the error is its square, rounding over it
static const double ARMIJO = 1e-4;
static const double ROUNDING = 1e-14; // of a value, relative
static const double FURTHEST = 2;     // of one step in one variable: the variables are logarithms

struct search {
  const struct optimum_task *task;
  struct optimum *found;
  double slope[N_MAX];
  double inverse[N_MAX][N_MAX]; // of the Hessian
};

static double boxed(const struct optimum_task *task, double x) {
  return x < task->least ? task->least : x > task->most ? task->most : x;
}

static double value_at(struct search *search, const double *at, double *slope) {
  double inside[N_MAX];
  for (int i = 0; i < search->task->variables; i++) inside[i] = boxed(search->task, at[i]);
  search->found->evaluations++;
  double value = search->task->function(search->task->data, inside, slope);
  return isfinite(value) ? value : INFINITY;
}

static void differences(struct search *search, const double *at, double *slope) {
  double moved[N_MAX];
  memcpy(moved, at, sizeof moved);
  for (int i = 0; i < search->task->variables; i++) {
    moved[i] = at[i] + DIFFERENCE;
    double above = value_at(search, moved, NULL);
    moved[i] = at[i] - DIFFERENCE;
    slope[i] = (above - value_at(search, moved, NULL)) / (2 * DIFFERENCE);
    moved[i] = at[i];
  }
}

static double evaluate(struct search *search, const double *at, double *slope) {
  if (search->task->has_slope) return value_at(search, at, slope);
  double value = value_at(search, at, NULL);
  if (isfinite(value)) differences(search, at, slope);
  return value;
}

// The steepest slope; one that leads out of the box at its side leads nowhere.
static double steepest(const struct search *search) {
  const struct optimum_task *task = search->task;
  double most = 0;
  for (int i = 0; i < task->variables; i++) {
    double x = search->found->at[i], slope = search->slope[i];
    bool out = (x <= task->least && slope > 0) || (x >= task->most && slope < 0);
    if (!out && !(fabs(slope) <= most)) most = fabs(slope);
  }
  return most;
}

static void forget(struct search *search) {
  memset(search->inverse, 0, sizeof search->inverse);
  for (int i = 0; i < search->task->variables; i++) search->inverse[i][i] = 1;
}

static double dot(const double *a, const double *b, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) sum += a[i] * b[i];
  return sum;
}

// Where to go; the slope along it, which is negative.
static double direct(struct search *search, double *way) {
  int n = search->task->variables;
  double longest = 0;
  for (int i = 0; i < n; i++) way[i] = -dot(search->inverse[i], search->slope, n);
  if (!(dot(way, search->slope, n) < 0)) {
    forget(search);
    for (int i = 0; i < n; i++) way[i] = -search->slope[i];
  }
  for (int i = 0; i < n; i++) longest = fabs(way[i]) > longest ? fabs(way[i]) : longest;
  for (int i = 0; i < n && longest > FURTHEST; i++) way[i] *= FURTHEST / longest;
  return dot(way, search->slope, n);
}

// H <- (I - s y'/y's) H (I - y s'/y's) + s s'/y's, left out where the curvature is not positive.
static void learn(struct search *search, const double *moved, const double *changed) {
  int n = search->task->variables;
  double along = dot(moved, changed, n), image[N_MAX];
  if (!(along > 1e-14)) return;
  for (int i = 0; i < n; i++) image[i] = dot(search->inverse[i], changed, n);
  double scale = (1 + dot(changed, image, n) / along) / along;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      search->inverse[i][j] += scale * moved[i] * moved[j] - (image[i] * moved[j] + moved[i] * image[j]) / along;
}

// One step down. False when there is none.
static bool descend(struct search *search) {
  struct optimum *found = search->found;
  int n = search->task->variables;
  double way[N_MAX], next[N_MAX] = {0}, slope[N_MAX] = {0}, moved[N_MAX], changed[N_MAX], length;
  double along = direct(search, way);
  for (int i = 0; i < HALVINGS; i++) {
    length = ldexp(1, -i);
    for (int j = 0; j < n; j++) next[j] = boxed(search->task, found->at[j] + length * way[j]);
    double value = evaluate(search, next, slope);
    bool lower = value <= found->value + ARMIJO * length * along && value < found->value;
    bool flatter = value <= found->value + ROUNDING * fabs(found->value) &&
                   dot(slope, slope, n) < dot(search->slope, search->slope, n) / 4;
    if (!lower && !flatter) continue;
    for (int j = 0; j < n; j++) {
      moved[j] = next[j] - found->at[j];
      changed[j] = slope[j] - search->slope[j];
    }
    found->value = value;
    memcpy(found->at, next, sizeof found->at);
    memcpy(search->slope, slope, sizeof slope);
    learn(search, moved, changed);
    return true;
  }
  return false;
}

static void bfgs(struct search *search) {
  struct optimum *found = search->found;
  bool fresh = true;
  found->value = evaluate(search, found->at, search->slope);
  if (!isfinite(found->value)) return;
  forget(search);
  for (;;) {
    found->steepest = steepest(search);
    if (found->steepest <= search->task->flat || found->steps >= search->task->steps_max) break;
    found->steps++;
    bool down = descend(search);
    if (!down && fresh) break;
    if (!down) forget(search); // what was learned misleads: once more along the slope
    fresh = !down;
  }
  found->converged = found->steepest <= search->task->flat;
}

// --- the simplex ---------------------------------------------------------------------------------------------

struct corner {
  double at[N_MAX], value;
};

// By value, the best first; equal ones stay in their order.
static void sort_corners(struct corner *corners, int count) {
  for (int i = 1; i < count; i++) {
    struct corner corner = corners[i];
    int j = i;
    for (; j > 0 && corners[j - 1].value > corner.value; j--) corners[j] = corners[j - 1];
    corners[j] = corner;
  }
}

// The worst corner through the middle of the others, `by` times as far: -1 the mirror, 0.5 half of the way in.
static struct corner moved_corner(struct search *search, const struct corner *corners, double by) {
  int n = search->task->variables;
  struct corner corner = {.value = 0};
  for (int i = 0; i < n; i++) {
    double middle = 0;
    for (int j = 0; j < n; j++) middle += corners[j].at[i] / n;
    corner.at[i] = boxed(search->task, middle + by * (corners[n].at[i] - middle));
  }
  corner.value = value_at(search, corner.at, NULL);
  return corner;
}

static void shrink(struct search *search, struct corner *corners) {
  int n = search->task->variables;
  for (int i = 1; i <= n; i++) {
    for (int j = 0; j < n; j++) corners[i].at[j] = (corners[0].at[j] + corners[i].at[j]) / 2;
    corners[i].value = value_at(search, corners[i].at, NULL);
  }
}

static void simplex_step(struct search *search, struct corner *corners) {
  int n = search->task->variables;
  struct corner mirror = moved_corner(search, corners, -1);
  if (mirror.value < corners[0].value) {
    struct corner further = moved_corner(search, corners, -2);
    corners[n] = further.value < mirror.value ? further : mirror;
  } else if (mirror.value < corners[n - 1].value) {
    corners[n] = mirror;
  } else {
    struct corner nearer = moved_corner(search, corners, mirror.value < corners[n].value ? -0.5 : 0.5);
    if (nearer.value < corners[n].value && nearer.value <= mirror.value)
      corners[n] = nearer;
    else
      shrink(search, corners);
  }
  sort_corners(corners, n + 1);
}

static void simplex(struct search *search) {
  struct optimum *found = search->found;
  int n = search->task->variables;
  struct corner corners[N_MAX + 1];
  for (int i = 0; i <= n; i++) {
    memcpy(corners[i].at, found->at, sizeof corners[i].at);
    if (i > 0) corners[i].at[i - 1] = boxed(search->task, found->at[i - 1] + 0.5);
    corners[i].value = value_at(search, corners[i].at, NULL);
  }
  sort_corners(corners, n + 1);
  for (int i = 0; i < SIMPLEX_STEPS && corners[n].value - corners[0].value > 1e-15 * fabs(corners[0].value); i++)
    simplex_step(search, corners);
  if (corners[0].value < found->value) {
    memcpy(found->at, corners[0].at, sizeof found->at);
    found->value = corners[0].value;
  }
}

void optimum_find(const struct optimum_task *task, const double *start, struct optimum *found) {
  struct search search = {.task = task, .found = found};
  *found = (struct optimum){.value = INFINITY};
  for (int i = 0; i < task->variables; i++) found->at[i] = boxed(task, start[i]);
  for (int round = 0; round < ROUNDS && !found->converged; round++) {
    if (round > 0) simplex(&search);
    bfgs(&search);
  }
}
