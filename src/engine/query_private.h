// query_private: what the files of a query share.
#pragma once

#include "customer/scan.h"
#include "engine/query.h"
#include "engine/read.h"

enum query_field_kind { QUERY_FIELD_ID, QUERY_FIELD_IDENTIFIER, QUERY_FIELD_VALUE };

struct query_field {
  struct bytes name;
  enum query_field_kind kind;
  uint32_t type;                // of an IDENTIFIER
  struct rule_program *program; // of a VALUE
};

struct engine_query {
  struct engine_view *view;
  struct arena arena; // the tree, names and sentences
  struct engine_query_options options;
  int64_t at_us;
  struct rule_node *tree;
  struct rule_program *program;
  struct query_field fields[QUERY_FIELDS_MAX];
  size_t field_count;
  struct rule_diag warnings[RULE_WARNINGS_MAX]; // of the expression and its fields
  size_t warning_count;
  struct buffer not_as_of; // "traits.country, in_segment", as of now in a query with `has_at`
  char *not_as_of_words;   // the sentence
  bool records, events;    // what the expression and the fields ask of a scan
};

// Parses, checks and compiles one text; the program is the caller's to close, the tree lives in the query's arena.
enum err query_compile(struct engine_query *query, struct bytes text, bool condition, struct rule_node **tree,
                       struct rule_program **program, struct rule_diag *refusal, struct diag *diag);

// Compiles a part of a checked tree.
enum err query_compile_node(struct engine_query *query, const struct rule_node *node, struct rule_program **program,
                            struct diag *diag);

// Notes what a program asks of a scan, and what of it cannot be as of then. ERR_INVALID "not_as_of" of a strict query.
enum err query_note_needs(struct engine_query *query, const struct rule_program *program, struct diag *diag);

// Notes one thing that is known as of now only, once; then, when all are noted, puts them into words, or refuses.
void query_note(struct engine_query *query, const char *first, struct bytes name, const char *last);
enum err query_put_into_words(struct engine_query *query, struct diag *diag);

// The answer of whoever has no events, when only events are asked for: a boolean, or unknown.
enum err query_run_over_nobody(const struct engine_query *query, struct rule_answer *answer);

// How many customers the snapshot's own counters tell of.
enum err query_total(const struct engine_query *query, uint64_t *total);

// --- query_ask.c ---------------------------------------------------------------------------------------------

// What one thread runs programs with: a machine, and the answers to what they ask about segments and attributes. Values
// of an answer are good until the next run.
struct query_asker;
enum err query_asker_open(struct engine_query *query, struct query_asker **asker);
void query_asker_close(struct query_asker *asker);

// The options of a scan of ids [from, to) whose facts this thread runs programs over.
struct scan_options query_asker_scan(struct query_asker *asker, uint64_t from, uint64_t to);
// The same for facts of one customer.
void query_asker_attach(struct query_asker *asker, struct facts *facts);

// rule_run, as of the query's instant; what is not known of a segment makes the answer unknown.
enum err query_asker_run(struct query_asker *asker, const struct rule_program *program, const struct facts *facts,
                         bool want_until, struct rule_answer *answer);
