// print: a document of the API as a person likes to read it.
//
// Layer 8. Views are made from the JSON document alone, so that a local and a remote workspace print alike. Text that
// came from outside loses its control characters: a customer's name must not steer the terminal.
// Memory: a document owns its packed form between init and release. Threads: one document, one thread.
#pragma once

#include "base/bytes.h"
#include "base/diag.h"
#include "value/value.h"

struct print_document {
  struct names *names;
  struct buffer packed;
  struct value root;
};

// Parses `json`. The document is released also after a failure.
enum err print_document_init(struct print_document *document, struct bytes json, struct diag *diag);
void print_document_release(struct print_document *document);

// Any document: members in lines, lists of objects as tables.
void print_plain(const struct print_document *document, struct buffer *out);

void print_customer(const struct print_document *customer, struct buffer *out);
void print_events(const struct print_document *events, struct buffer *out);
// The same under a title, without the cursor to the next page.
void print_last_events(const struct print_document *events, struct buffer *out);
void print_identity(const struct print_document *identity, struct buffer *out);
void print_explain(const struct print_document *explanation, struct buffer *out);

// An expression explained: the answer and the parts of it with their values, what it asks for, its program.
void print_expression(const struct print_document *explanation, struct buffer *out);

// JSON text again with line breaks and an indentation of two spaces.
void print_pretty(struct bytes json, struct buffer *out);

// --- pieces of views -----------------------------------------------------------------------------------------

// The member of an object; absent when there is none. Its text, "" when it is none; its whole number, 0 when it is none
// or below zero.
struct value print_find(const struct print_document *document, struct value of, const char *name);
struct bytes print_find_text(const struct print_document *document, struct value of, const char *name);
uint64_t print_find_count(const struct print_document *document, struct value of, const char *name);
// The document's warnings, to standard error.
void print_warnings(const struct print_document *document);

// Appends at most `columns` characters and returns how many; 0 columns: all.
size_t print_clean(struct buffer *out, struct bytes text, size_t columns);
// Text as it is, everything else as JSON, "-" for nothing; with `pad` filled up with blanks.
void print_value(struct buffer *out, const struct print_document *document, struct value value, size_t columns,
                 bool pad);
// The member's text, padded to `columns`; 0: as long as it is.
void print_member(struct buffer *out, const struct print_document *document, struct value of, const char *name,
                  size_t columns);
enum { PRINT_DAY_BYTES = 10, PRINT_MINUTE_BYTES = 16 };
// The member's time as "2026-11-21 09:12" or "2026-11-21", as many bytes as are said.
void print_time(struct buffer *out, const struct print_document *document, struct value of, const char *name,
                size_t bytes);
// Words with members of `of` in braces: "{id:8} by {author}, {at:minute}\n". {name} and {name:8} are print_member,
// {name:day} and {name:minute} print_time; {name:text} is its text, cut like an id, or nothing.
void print_words(struct buffer *out, const struct print_document *document, struct value of, const char *words);
// A list of documents as a table.
void print_table(const struct print_document *document, struct value list, struct buffer *out);
