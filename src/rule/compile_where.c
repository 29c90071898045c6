// compile_where: what of a condition the columns alone decide.
//
// A `where` is a chain of `and`. Comparisons of the event's time with a literal become bounds of its time; those of one
// hot amount with literals become a range of whole numbers for each scale, so that a pass over the events compares two
// integers and never a decimal; one comparison of context.channel with literal texts becomes ids. The rest is code.
// Of the event in hand there are no columns: all is code.
// The ranges are exact: amount * 10^-scale >= L holds for the whole numbers from ceil(L * 10^scale) on.
#include "rule/compile_private.h"

#define TWO_FROM(first) (first), (first) + 1
#define FOUR_FROM(first) TWO_FROM(first), TWO_FROM((first) + 2)
#define EIGHT_FROM(first) FOUR_FROM(first), FOUR_FROM((first) + 4)
#define SIXTEEN_FROM(first) EIGHT_FROM(first), EIGHT_FROM((first) + 8)
#define OF_SCALES SIXTEEN_FROM(0), SIXTEEN_FROM(16)
#define TWICE(what) (what), (what)
#define FOUR(what) TWICE(what), TWICE(what)
#define EIGHT(what) FOUR(what), FOUR(what)
#define SIXTEEN(what) EIGHT(what), EIGHT(what)
#define ALL_32(what) SIXTEEN(what), SIXTEEN(what)
#define ASK ALL_32(RULE_CELL_ASK)
#define NONE ALL_32(RULE_CELL_NULL)
// Codes 224 to 255: there is nothing (253), or nothing but perhaps a price (254), or nobody knows.
#define TAIL(without)                                                                                                  \
  SIXTEEN(RULE_CELL_ASK), EIGHT(RULE_CELL_ASK), FOUR(RULE_CELL_ASK), RULE_CELL_ASK, RULE_CELL_NULL, (without),         \
      RULE_CELL_ASK

// A total hides whether there is a revenue, a value or a price; a revenue says that there is no total, and hides a
// value and a price; and so on.
const uint8_t rule_cell_of[RULE_AMOUNT_PRICE][256] = {
    [RULE_AMOUNT_TOTAL - 1] = {ASK, OF_SCALES, NONE, NONE, NONE, ASK, ASK, TAIL(RULE_CELL_NULL)},
    [RULE_AMOUNT_REVENUE - 1] = {ASK, ASK, OF_SCALES, NONE, NONE, ASK, ASK, TAIL(RULE_CELL_NULL)},
    [RULE_AMOUNT_VALUE - 1] = {ASK, ASK, ASK, OF_SCALES, NONE, ASK, ASK, TAIL(RULE_CELL_NULL)},
    [RULE_AMOUNT_PRICE - 1] = {ASK, ASK, ASK, ASK, OF_SCALES, ASK, ASK, TAIL(RULE_CELL_ASK)},
};

// --- amounts -------------------------------------------------------------------------------------------------

// Beyond 64 bits: the end on that side.
static int64_t whole(struct decimal number) {
  int64_t out;
  if (decimal_to_scaled_i64(number, 0, &out) == ERR_OK) return out;
  return number.negative ? INT64_MIN : INT64_MAX;
}

static void narrow(int64_t *lo, int64_t *hi, int64_t from, int64_t to) {
  if (from > *lo) *lo = from;
  if (to < *hi) *hi = to;
}

static bool fits(struct decimal number) {
  int64_t out;
  return decimal_to_scaled_i64(number, 0, &out) == ERR_OK;
}

// Narrows [lo, hi] to the whole numbers on the right side of `number`: from `least` to `most`.
static void narrow_by(int64_t *lo, int64_t *hi, enum rule_op op, struct decimal number) {
  struct decimal floor = decimal_floor(number), ceil = decimal_ceil(number);
  bool is_whole = decimal_compare(floor, ceil) == 0;
  int64_t least = INT64_MIN, most = INT64_MAX;
  bool none = false;
  if (op == RULE_EQUAL || op == RULE_GREATER || op == RULE_GREATER_EQUAL) {
    bool next = op == RULE_GREATER && is_whole; // the first number above it
    least = whole(ceil);
    none = (!fits(ceil) && !number.negative) || (next && least == INT64_MAX);
    if (next && !none && fits(ceil)) least++;
  }
  if (op == RULE_EQUAL || op == RULE_LESS || op == RULE_LESS_EQUAL) {
    bool next = op == RULE_LESS && is_whole;
    most = whole(floor);
    none = none || (!fits(floor) && number.negative) || (next && most == INT64_MIN);
    if (next && !none && fits(floor)) most--;
  }
  narrow(lo, hi, none ? 1 : least, none ? 0 : most);
}

static struct decimal scaled(struct decimal number, int scale) {
  number.exponent = (int16_t)(number.exponent + scale);
  return number;
}

static void fill_ranges(struct rule_cells *cells) {
  for (int scale = 0; scale < RULE_SCALES; scale++) {
    int64_t *lo = &cells->lo[scale], *hi = &cells->hi[scale];
    *lo = INT64_MIN;
    *hi = INT64_MAX;
    for (uint32_t i = 0; i < cells->bound_count; i++) narrow_by(lo, hi, cells->ops[i], scaled(cells->bounds[i], scale));
    if (*lo > *hi) *lo = 1, *hi = 0;
  }
  cells->lo[RULE_CELL_NULL] = 1;
  cells->hi[RULE_CELL_NULL] = 0;
  cells->lo[RULE_CELL_ASK] = INT64_MIN; // let through, and then asked for
  cells->hi[RULE_CELL_ASK] = INT64_MAX;
}

// --- one operand ---------------------------------------------------------------------------------------------

struct hot {
  struct rule_where *where;
  enum rule_amount amount;
  struct decimal *bounds;
  enum rule_op *ops;
  uint32_t bound_count;
  uint32_t path;
};

// `path op literal` or mirrored, op one of = < <= > >=.
static bool beside_literal(const struct compiler *compiler, const struct rule_node *node, const struct rule_node **path,
                           enum rule_op *op, struct rule_value *literal) {
  if (node->kind != RULE_NODE_BINARY) return false;
  if (node->op != RULE_EQUAL && (node->op < RULE_LESS || node->op > RULE_GREATER_EQUAL)) return false;
  bool mirrored = compile_literal(compiler, node->left, literal);
  if (!mirrored && !compile_literal(compiler, node->right, literal)) return false;
  *path = mirrored ? node->right : node->left;
  *op = mirrored ? rule_op_mirror(node->op) : node->op;
  return true;
}

static bool take_amount(struct compiler *compiler, struct hot *hot, const struct rule_node *path, enum rule_op op,
                        const struct rule_value *literal) {
  enum rule_amount amount = compile_amount(compiler, path);
  void *bounds = hot->bounds, *ops = hot->ops;
  if (amount == 0 || literal->type != RULE_TYPE_NUMBER || (hot->amount != 0 && hot->amount != amount)) return false;
  if (!compile_grow(compiler, &bounds, hot->bound_count, sizeof *hot->bounds)) return true;
  hot->bounds = bounds;
  if (!compile_grow(compiler, &ops, hot->bound_count, sizeof *hot->ops)) return true;
  hot->ops = ops;
  if (hot->amount == 0) hot->path = compile_event_path(compiler, RULE_ROOT_MESSAGE, path->names, path->name_count);
  hot->amount = amount;
  hot->bounds[hot->bound_count] = literal->number;
  hot->ops[hot->bound_count++] = op;
  return true;
}

static bool take_time(const struct compiler *compiler, struct hot *hot, const struct rule_node *path, enum rule_op op,
                      const struct rule_value *literal) {
  struct rule_where *where = hot->where;
  int64_t from = INT64_MIN, to = INT64_MAX, at = literal->time_us;
  if (!compile_is_time(compiler, path) || literal->type != RULE_TYPE_TIME) return false;
  if (op == RULE_GREATER || op == RULE_GREATER_EQUAL || op == RULE_EQUAL) from = at + (op == RULE_GREATER);
  if (op == RULE_LESS || op == RULE_LESS_EQUAL || op == RULE_EQUAL) to = at + (op != RULE_LESS);
  narrow(&where->from_us, &where->to_us, from, to);
  return true;
}

static bool take_hot(struct compiler *compiler, struct hot *hot, const struct rule_node *node) {
  const struct rule_node *path;
  enum rule_op op;
  struct rule_value literal;
  if (hot->where->channels == RULE_NONE) {
    hot->where->channels = compile_channels(compiler, node);
    if (hot->where->channels != RULE_NONE) return true;
  }
  return beside_literal(compiler, node, &path, &op, &literal) &&
         (take_amount(compiler, hot, path, op, &literal) || take_time(compiler, hot, path, op, &literal));
}

static uint32_t new_channels(struct compiler *compiler, const struct rule_node *path,
                             const struct rule_node *const *texts, uint32_t count, bool negated) {
  struct rule_program *program = compiler->program;
  uint32_t *ids = arena_take_zero(compiler->arena, count, sizeof *ids);
  struct bytes *copies = arena_take_zero(compiler->arena, count, sizeof *copies);
  void *all = program->channels;
  if (ids == NULL || copies == NULL) {
    if (compiler->err == ERR_OK) compiler->err = diag_no_memory(compiler->diag);
    return 0;
  }
  bool unknown = false;
  for (uint32_t i = 0; i < count; i++) {
    ids[i] = compile_name(compiler, texts[i]->text);
    copies[i] = compile_copy(compiler, texts[i]->text);
    unknown = unknown || ids[i] == 0;
  }
  uint32_t channel = compile_event_path(compiler, RULE_ROOT_MESSAGE, path->names, path->name_count);
  struct rule_channels channels = {ids, copies, count, negated, unknown, channel};
  if (!compile_grow(compiler, &all, program->channels_count, sizeof channels)) return 0;
  program->channels = all;
  program->channels[program->channels_count] = channels;
  return program->channels_count++;
}

uint32_t compile_channels(struct compiler *compiler, const struct rule_node *node) {
  bool binary = node->kind == RULE_NODE_BINARY && (node->op == RULE_EQUAL || node->op == RULE_UNEQUAL);
  if (binary) {
    bool mirrored = compile_is_channel(compiler, node->right);
    const struct rule_node *path = mirrored ? node->right : node->left, *text = mirrored ? node->left : node->right;
    if (!compile_is_channel(compiler, path) || text->kind != RULE_NODE_TEXT) return RULE_NONE;
    return new_channels(compiler, path, &text, 1, node->op == RULE_UNEQUAL);
  }
  if (node->kind != RULE_NODE_IN || !compile_is_channel(compiler, node->left)) return RULE_NONE;
  for (uint32_t i = 0; i < node->item_count; i++)
    if (node->items[i]->kind != RULE_NODE_TEXT) return RULE_NONE;
  return new_channels(compiler, node->left, (const struct rule_node *const *)node->items, node->item_count,
                      node->negated);
}

// --- conditions ----------------------------------------------------------------------------------------------

static void finish_cells(struct compiler *compiler, const struct hot *hot) {
  struct rule_cells *cells = arena_take_zero(compiler->arena, 1, sizeof *cells);
  if (cells == NULL) {
    if (compiler->err == ERR_OK) compiler->err = diag_no_memory(compiler->diag);
    return;
  }
  cells->amount = hot->amount;
  cells->bounds = hot->bounds;
  cells->ops = hot->ops;
  cells->bound_count = hot->bound_count;
  cells->path = hot->path;
  fill_ranges(cells);
  hot->where->cells = cells;
}

void compile_where(struct compiler *compiler, const struct rule_node *node, struct rule_where *where) {
  struct hot hot = {.where = where};
  uint32_t count, left = 0;
  const struct rule_node **operands = compile_operands(compiler, node, RULE_AND, &count);
  if (operands == NULL) return;
  for (uint32_t i = 0; i < count; i++)
    if (compiler->of_subject || !take_hot(compiler, &hot, operands[i])) operands[left++] = operands[i];
  if (hot.bound_count > 0 && compiler->err == ERR_OK) finish_cells(compiler, &hot);
  if (left == 0 || compiler->err != ERR_OK) return;
  where->code = compiler->program->code_count;
  compile_chain(compiler, operands, left, RULE_CODE_AND);
  compile_emit(compiler, RULE_CODE_RETURN, 0, 0);
}
