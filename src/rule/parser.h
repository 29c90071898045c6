// parser: what the two halves of the parser share: expressions (parser.c) and events (parser_events.c).
//
// Layer 2, inside rule/. Every function returns NULL or false when something is wrong; then the diag is filled, the
// token is the end, and so every loop over tokens ends.
#pragma once

#include "rule/lexer.h"
#include "rule/parse.h"

struct parser {
  struct rule_lexer lexer; // behind `token`
  struct rule_token token; // the next one to take
  uint32_t end;            // where the last taken token ended
  struct arena *arena;
  struct rule_diag *diag; // never NULL
  enum err err;
  uint32_t depth, nodes;
};

// --- what is wrong (parser_complain.c) -----------------------------------------------------------------------

// The first refusal stays, later ones are ignored. Returns false.
bool parser_refuse(struct parser *parser, struct rule_place place, enum err err, const char *code, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));
// The next token is not what was expected. A word near to one of `words` gets it as a hint. Returns false.
bool parser_expected(struct parser *parser, const char *expected, const char *const *words, size_t count);
bool parser_no_memory(struct parser *parser);

// --- tokens (parser.c) ---------------------------------------------------------------------------------------

void parser_advance(struct parser *parser);
struct rule_token parser_peek(const struct parser *parser); // the one behind the next
bool parser_at(const struct parser *parser, const char *symbol);
bool parser_at_word(const struct parser *parser, const char *word);
bool parser_take(struct parser *parser, const char *symbol);    // only when it is there
bool parser_take_word(struct parser *parser, const char *word); // only when it is there

// --- pieces --------------------------------------------------------------------------------------------------

struct rule_node *parser_node(struct parser *parser, enum rule_node_kind kind, struct rule_place from);
// The node reaches to the last taken token.
struct rule_node *parser_finish(const struct parser *parser, struct rule_node *node);
// Room for one more in an array of `count` items in the arena, which doubles. False: no memory.
bool parser_grow(struct parser *parser, void **items, uint32_t count, size_t size_bytes);

struct rule_node *parser_expression(struct parser *parser);
// A date or a time.
struct rule_node *parser_moment(struct parser *parser, const char *expected);
// The content of the text at the next token, which it takes.
bool parser_text(struct parser *parser, struct bytes *text);
// The same, to be used as a name: not empty, not too long.
bool parser_name_text(struct parser *parser, struct bytes *name);
// A name or a text as a name, appended.
bool parser_path_part(struct parser *parser, struct bytes **names, uint32_t *count, const char *expected);
// A whole number of at least `least` and its unit.
bool parser_duration(struct parser *parser, int64_t least, const char *expected, struct rule_duration *duration);

bool parser_is_aggregator(struct bytes word);
// At the name, behind which a parenthesis opens.
struct rule_node *parser_aggregate(struct parser *parser);
struct rule_node *parser_sequence(struct parser *parser);
// Inside the arguments of a call something stands that belongs to events.
bool parser_at_events_word(const struct parser *parser);
bool parser_no_aggregator(struct parser *parser, struct rule_token name);
