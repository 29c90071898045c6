// query_explain.c: what an expression is made of, what it asks for, and for one customer the value of each part.
//
// A part is a node of the tree that has a value of the customer; literals and `now` say themselves what they are. Each
// part is compiled and run on its own over the same facts, so that what is shown is what the machine computes. Chains
// such as `a and b and c` are one level: they lean to the left and may be thousands deep, so they are walked in a loop.
#include "engine/query_private.h"

enum { PARTS_MAX = 256 };

struct explain_run {
  struct engine_query *query;
  struct json_writer *writer;
  struct query_asker *asker; // NULL: nobody is looked at
  struct facts facts;        // of whom
  struct buffer text;
  size_t parts;
  struct diag *diag;
};

// --- the tree ------------------------------------------------------------------------------------------------

static bool is_literal(const struct rule_node *node) {
  return node->kind <= RULE_NODE_NOW;
}

static bool holds_now(const struct rule_node *node) {
  if (node->kind == RULE_NODE_NOW) return true;
  bool is_sum = node->kind == RULE_NODE_BINARY && (node->op == RULE_ADD || node->op == RULE_SUBTRACT);
  return is_sum && (node->left->kind == RULE_NODE_NOW || node->right->kind == RULE_NODE_NOW);
}

static bool is_part(const struct rule_node *node) {
  return !is_literal(node) && !holds_now(node);
}

static void write_text(struct explain_run *run, const char *name, const struct rule_node *node) {
  buffer_clear(&run->text);
  rule_print(node, &run->text);
  json_member_bytes(run->writer, name, buffer_view(&run->text));
  if (run->text.failed) run->writer->out->failed = true;
}

static void write_until(struct json_writer *writer, int64_t until_us) {
  json_name(writer, "until");
  if (until_us == INT64_MAX)
    json_null(writer);
  else
    json_time(writer, until_us);
}

static void write_answer(struct explain_run *run, const struct rule_answer *answer) {
  json_name(run->writer, "value");
  rule_value_to_json(run->writer, &answer->value, run->query->view->engine->names);
  json_member_bool(run->writer, "unknown", answer->status == RULE_UNKNOWN);
  write_until(run->writer, answer->valid_until_us);
}

static enum err run_program(struct explain_run *run, const struct rule_program *program, struct rule_answer *answer) {
  return query_asker_run(run->asker, program, &run->facts, true, answer);
}

static enum err run_node(struct explain_run *run, const struct rule_node *node, struct rule_answer *answer) {
  struct rule_program *program;
  enum err err = query_compile_node(run->query, node, &program, run->diag);
  if (err != ERR_OK) return err;
  err = run_program(run, program, answer);
  if (err == ERR_OK) write_answer(run, answer);
  rule_program_close(program);
  return err;
}

// How many events, or items, an aggregate other than count is over.
static enum err write_matched(struct explain_run *run, const struct rule_node *node) {
  struct rule_node count = *node;
  struct rule_program *program;
  struct rule_answer answer;
  if (node->kind != RULE_NODE_AGGREGATE || bytes_equal(node->text, BYTES("count"))) return ERR_OK;
  count.text = BYTES("count");
  count.left = NULL;
  count.types = 1 << RULE_TYPE_NUMBER;
  enum err err = query_compile_node(run->query, &count, &program, run->diag);
  if (err != ERR_OK) return err;
  err = run_program(run, program, &answer);
  if (err == ERR_OK) {
    json_name(run->writer, "matched");
    rule_value_to_json(run->writer, &answer.value, run->query->view->engine->names);
  }
  rule_program_close(program);
  return err;
}

static enum err write_part(struct explain_run *run, const struct rule_node *node, unsigned depth) {
  struct rule_answer answer;
  json_object_begin(run->writer);
  json_member_u64(run->writer, "depth", depth);
  write_text(run, "expression", node);
  enum err err = run->asker == NULL ? ERR_OK : run_node(run, node, &answer);
  if (err == ERR_OK && run->asker != NULL) err = write_matched(run, node);
  if (err == ERR_OK) json_object_end(run->writer);
  return err;
}

static unsigned level_of(enum rule_op op) {
  if (op == RULE_ADD || op == RULE_SUBTRACT) return RULE_ADD;
  return op == RULE_MULTIPLY || op == RULE_DIVIDE || op == RULE_REMAINDER ? RULE_MULTIPLY : op;
}

static enum err explain_node(struct explain_run *run, const struct rule_node *node, unsigned depth);

static bool goes_on(const struct rule_node *node, unsigned level) {
  return node->kind == RULE_NODE_BINARY && level_of(node->op) == level;
}

// The operands of a chain from left to right.
static enum err explain_chain(struct explain_run *run, const struct rule_node *node, unsigned depth) {
  unsigned level = level_of(node->op);
  size_t length = 1, count = 0;
  for (const struct rule_node *at = node; goes_on(at, level); at = at->left) length++;
  const struct rule_node **operands = arena_take(&run->query->arena, length * sizeof(struct rule_node *));
  if (operands == NULL) return ERR_NO_MEMORY;
  for (; goes_on(node, level); node = node->left) operands[count++] = node->right;
  operands[count++] = node;
  enum err err = ERR_OK;
  while (err == ERR_OK && count > 0) err = explain_node(run, operands[--count], depth);
  return err;
}

static enum err explain_parts(struct explain_run *run, const struct rule_node *node, unsigned depth) {
  while (node->kind == RULE_NODE_MEMBER) node = node->left;
  if (node->kind == RULE_NODE_AGGREGATE || node->kind == RULE_NODE_SEQUENCE) return ERR_OK;
  if (node->kind == RULE_NODE_BINARY) return explain_chain(run, node, depth);
  enum err err = node->left == NULL ? ERR_OK : explain_node(run, node->left, depth);
  for (uint32_t i = 0; err == ERR_OK && i < node->item_count; i++) err = explain_node(run, node->items[i], depth);
  return err;
}

static enum err explain_node(struct explain_run *run, const struct rule_node *node, unsigned depth) {
  if (!is_part(node) || run->parts == PARTS_MAX) return ERR_OK;
  run->parts++;
  enum err err = write_part(run, node, depth);
  return err == ERR_OK ? explain_parts(run, node, depth + 1) : err;
}

// --- what it asks for ----------------------------------------------------------------------------------------

static void write_names(struct json_writer *writer, const char *member, const struct names *names, const uint32_t *ids,
                        size_t count) {
  json_name(writer, member);
  json_array_begin(writer);
  for (size_t i = 0; i < count; i++)
    if (ids[i] != 0) json_bytes(writer, names_text(names, ids[i]));
  json_array_end(writer);
}

static void write_lookup(struct json_writer *writer, const struct rule_need_lookup *lookup) {
  bool is_attribute = lookup->function == RULE_FUNCTION_NONE;
  json_object_begin(writer);
  json_member_text(writer, "of", is_attribute ? "attributes" : rule_function_info(lookup->function)->name);
  json_name(writer, "name");
  if (lookup->name.size_bytes > 0)
    json_bytes(writer, lookup->name);
  else
    json_null(writer);
  json_object_end(writer);
}

static void write_needs(struct explain_run *run) {
  const struct rule_needs *needs = rule_program_needs(run->query->program);
  const struct names *names = run->query->view->engine->names;
  struct json_writer *writer = run->writer;
  json_name(writer, "needs");
  json_object_begin(writer);
  write_names(writer, "events", names, needs->events, needs->event_count);
  write_names(writer, "traits", names, needs->traits, needs->trait_count);
  json_name(writer, "lookups");
  json_array_begin(writer);
  for (size_t i = 0; i < needs->lookup_count; i++) write_lookup(writer, &needs->lookups[i]);
  json_array_end(writer);
  json_member_bool(writer, "payloads", needs->payloads);
  json_member_bool(writer, "time", needs->time);
  json_object_end(writer);
}

static void write_warning(const struct rule_diag *warning, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "code", warning->code);
  json_member_text(writer, "message", warning->message);
  json_member_u64(writer, "line", warning->place.line);
  json_member_u64(writer, "column", warning->place.column);
  json_name(writer, "suggestion");
  if (warning->nearest[0] != '\0')
    json_text(writer, warning->nearest);
  else
    json_null(writer);
  json_object_end(writer);
}

static void write_not_as_of(const char *words, struct json_writer *writer) {
  static const char *const nowhere[] = {"line", "column", "suggestion"};
  json_object_begin(writer);
  json_member_text(writer, "code", "not_as_of");
  json_member_text(writer, "message", words);
  for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
    json_name(writer, nowhere[i]);
    json_null(writer);
  }
  json_object_end(writer);
}

void engine_query_write_warnings(const struct engine_query *query, struct json_writer *writer) {
  json_name(writer, "warnings");
  json_array_begin(writer);
  for (size_t i = 0; i < query->warning_count; i++) write_warning(&query->warnings[i], writer);
  if (query->not_as_of_words != NULL) write_not_as_of(query->not_as_of_words, writer);
  json_array_end(writer);
}

// --- the answer ----------------------------------------------------------------------------------------------

static enum err write_whole(struct explain_run *run) {
  struct rule_answer answer;
  enum err err = run_program(run, run->query->program, &answer);
  if (err != ERR_OK) return err;
  read_write_id(run->writer, "customer", run->facts.id);
  write_answer(run, &answer);
  json_member_u64(run->writer, "steps", answer.steps);
  json_member_u64(run->writer, "faults", answer.faults);
  return ERR_OK;
}

static enum err write_explanation(struct explain_run *run) {
  struct json_writer *writer = run->writer;
  enum err err = ERR_OK;
  json_object_begin(writer);
  write_text(run, "expression", run->query->tree);
  json_member_time(writer, "at", run->query->at_us);
  if (run->asker != NULL) err = write_whole(run);
  if (err != ERR_OK) return err;
  json_name(writer, "tree");
  json_array_begin(writer);
  err = explain_node(run, run->query->tree, 0);
  if (err != ERR_OK) return err;
  json_array_end(writer);
  json_member_bool(writer, "truncated", run->parts == PARTS_MAX);
  buffer_clear(&run->text);
  rule_program_print(run->query->program, &run->text);
  json_member_bytes(writer, "program", buffer_view(&run->text));
  write_needs(run);
  engine_query_write_warnings(run->query, writer);
  json_object_end(writer);
  return run->text.failed ? ERR_NO_MEMORY : ERR_OK;
}

static enum err explain_customer(struct explain_run *run, uint64_t id) {
  struct engine_view *view = run->query->view;
  struct timeline_head head;
  struct customer record;
  struct arena rows, arena;
  arena_init(&rows, 0);
  arena_init(&arena, 0);
  enum err err = read_customer(view, id, &rows, &record, &head, run->diag);
  if (err == ERR_OK) err = query_asker_open(run->query, &run->asker);
  if (err == ERR_OK) {
    facts_init(&run->facts, (struct timeline_reader){.snapshot = view->snapshot}, &arena, &view->sources);
    query_asker_attach(run->asker, &run->facts);
    facts_reset(&run->facts, record.id, &record, &head);
    err = write_explanation(run);
  }
  query_asker_close(run->asker);
  arena_release(&arena);
  arena_release(&rows);
  return err;
}

enum err engine_query_explain(struct engine_query *query, uint64_t customer, struct json_writer *writer,
                              struct diag *diag) {
  struct explain_run run = {.query = query, .writer = writer, .diag = diag};
  buffer_init(&run.text);
  enum err err = customer == 0 ? write_explanation(&run) : explain_customer(&run, customer);
  buffer_release(&run.text);
  return read_end(err, writer, diag);
}
