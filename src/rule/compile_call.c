// compile_call: functions, lookups, members of what they give, and patterns.
//
// if and coalesce are jumps, so that only what is chosen is evaluated. A pattern is compiled once, with the program,
// and with PCRE2's just-in-time compiler where that knows the machine.
#include "rule/compile_private.h"

#include "base/alloc.h"

// --- calls ---------------------------------------------------------------------------------------------------

static void compile_if(struct compiler *compiler, const struct rule_node *node) {
  compile_node(compiler, node->items[0]);
  uint32_t otherwise = compile_emit(compiler, RULE_CODE_UNLESS, 0, 0);
  compile_node(compiler, node->items[1]);
  uint32_t end = compile_emit(compiler, RULE_CODE_JUMP, 0, 0);
  compile_land(compiler, otherwise);
  if (compiler->err == ERR_OK) compiler->depth--; // the other value takes the place of this one
  compile_node(compiler, node->items[2]);
  compile_land(compiler, end);
}

static void compile_coalesce(struct compiler *compiler, const struct rule_node *node) {
  uint32_t last = RULE_NONE;
  for (uint32_t i = 0; i < node->item_count; i++) {
    compile_node(compiler, node->items[i]);
    if (i + 1 < node->item_count) last = compile_emit(compiler, RULE_CODE_COALESCE, 0, last);
  }
  while (compiler->err == ERR_OK && last != RULE_NONE) {
    uint32_t before = compiler->program->code[last].arg;
    compile_land(compiler, last);
    last = before;
  }
}

static bool is_of_now(enum rule_function function, uint32_t arguments) {
  switch (function) {
  case RULE_FUNCTION_today:
  case RULE_FUNCTION_age:
  case RULE_FUNCTION_days_since:
  case RULE_FUNCTION_months_since:
    return true;
  case RULE_FUNCTION_year:
  case RULE_FUNCTION_month:
  case RULE_FUNCTION_day:
  case RULE_FUNCTION_weekday:
    return arguments == 0;
  default:
    return false;
  }
}

void compile_call(struct compiler *compiler, const struct rule_node *node) {
  enum rule_function function = node->function;
  if (function == RULE_FUNCTION_NONE) function = rule_function_find(node->text);
  const struct rule_function_info *info = rule_function_info(function);
  if (function == RULE_FUNCTION_NONE || node->item_count < info->least || node->item_count > info->most) {
    compile_fail(compiler, ERR_INVALID, "unknown_function", "a function that does not exist was called");
    return;
  }
  if (function == RULE_FUNCTION_if) {
    compile_if(compiler, node);
  } else if (function == RULE_FUNCTION_coalesce) {
    compile_coalesce(compiler, node);
  } else {
    for (uint32_t i = 0; i < node->item_count; i++) compile_node(compiler, node->items[i]);
    if (info->lookup) {
      bool literal = node->items[0]->kind == RULE_NODE_TEXT;
      compile_need_lookup(compiler, function, literal ? node->items[0]->text : bytes_of(NULL, 0));
    }
    if (is_of_now(function, node->item_count)) compiler->program->needs.time = true;
    compile_emit(compiler, info->lookup ? RULE_CODE_LOOKUP : RULE_CODE_CALL, (uint8_t)node->item_count,
                 (uint32_t)function);
  }
}

// score("rfm").f.of.something: all members at once.
void compile_member(struct compiler *compiler, const struct rule_node *node) {
  uint32_t count = 0;
  const struct rule_node *root = node;
  for (; root->kind == RULE_NODE_MEMBER; root = root->left) count++;
  struct bytes *names = arena_take_zero(compiler->arena, count, sizeof *names);
  if (names == NULL) {
    if (compiler->err == ERR_OK) compiler->err = diag_no_memory(compiler->diag);
    return;
  }
  uint32_t at = count;
  for (const struct rule_node *member = node; member != root; member = member->left) names[--at] = member->text;
  compile_node(compiler, root);
  compile_emit(compiler, RULE_CODE_MEMBER, 0,
               compile_path(compiler, RULE_ROOT_CUSTOMER, bytes_of(NULL, 0), names, count));
}

// --- patterns ------------------------------------------------------------------------------------------------

static void *take_pattern_memory(size_t size_bytes, void *context) {
  (void)context;
  return alloc_get(size_bytes);
}

static void free_pattern_memory(void *block, void *context) {
  (void)context;
  alloc_free(block);
}

pcre2_general_context *rule_pattern_memory(void) {
  return pcre2_general_context_create(take_pattern_memory, free_pattern_memory, NULL);
}

static pcre2_code *open_pattern(struct compiler *compiler, struct bytes text) {
  struct rule_program *program = compiler->program;
  int problem = 0;
  PCRE2_SIZE place = 0;
  if (program->pattern_memory == NULL) program->pattern_memory = rule_pattern_memory();
  pcre2_compile_context *context =
      program->pattern_memory == NULL ? NULL : pcre2_compile_context_create(program->pattern_memory);
  if (context == NULL) {
    compiler->err = diag_no_memory(compiler->diag);
    return NULL;
  }
  pcre2_code *pattern = pcre2_compile(text.data, text.size_bytes, PCRE2_UTF, &problem, &place, context);
  pcre2_compile_context_free(context);
  if (pattern == NULL && problem == PCRE2_ERROR_HEAP_FAILED)
    compiler->err = diag_no_memory(compiler->diag);
  else if (pattern == NULL)
    compile_fail(compiler, ERR_INVALID, "bad_pattern", "the pattern is none that PCRE2 understands");
  else
    (void)pcre2_jit_compile(pattern, PCRE2_JIT_COMPLETE); // without it patterns are interpreted
  return pattern;
}

void compile_matches(struct compiler *compiler, const struct rule_node *node) {
  struct rule_program *program = compiler->program;
  compile_node(compiler, node->left);
  void *patterns = program->patterns;
  if (!compile_grow(compiler, &patterns, program->pattern_count, sizeof *program->patterns)) return;
  program->patterns = patterns;
  pcre2_code *pattern = open_pattern(compiler, node->text);
  if (pattern == NULL) return;
  program->patterns[program->pattern_count] = pattern;
  compile_emit(compiler, RULE_CODE_MATCHES, 0, program->pattern_count++);
}
