// reading: documents by table. Private to loyalty/.
//
// A table says of each member its name, its form and where in the struct it lies. Four walks go over the same tables,
// so that no member can be read and not told, or stored and not got back:
//   reading_object   a person's document (reading.c, reading_form.c)
//   the same, stored the stored form, which is the same document with plain numbers for amounts and with what people
//                    do not give (numbers of things, instants); nothing is looked up then
//   document_tell    told as JSON (document_json.c): what is as by default is left out
//   document_pack    the stored form (document_pack.c): only what is zero is left out, so that a default that changes
//                    with the program changes no stored document
#pragma once

#include "base/json_writer.h"
#include "loyalty/programme.h"

struct reading;

enum form {
  // Texts: a struct bytes.
  FORM_ID,
  FORM_NAME,
  FORM_LONG,
  FORM_EVENT, // a name: of the event that the expressions after it are over
  FORM_ZONE,
  FORM_MONEY,     // three capital letters
  FORM_PREFIX,    // of codes
  FORM_VOUCHER,   // an id that the catalogue has
  FORM_CONDITION, // expressions, over what `over` says
  FORM_FORMULA,   // a number
  FORM_KEY,       // any text or number
  FORM_FROM,      // as it was written; its instant at `also`
  FORM_TO,
  // Numbers.
  FORM_WHOLE,  // least..most
  FORM_AMOUNT, // of the currency in hand: its scale; least..LOYALTY_AMOUNT_MAX
  FORM_CENTS,
  FORM_MICROS,
  FORM_PERCENT,  // 10 is 10 %: in hundredths of a percent
  FORM_SHARE,    // 0.1 is 10 %: the same
  FORM_CURRENCY, // by its id; the first when there is none
  // Words.
  FORM_WORD, // an enum: its position among `words`
  FORM_FLAG, // a bool: one of two words, or true and false when it has none
  FORM_YES,  // true, which is a choice; false is none
  // Times.
  FORM_DURATION, // days and longer when `least` is RULE_DAY; its count may be 0 when `most` is 1
  FORM_WINDOW,   // of struct loyalty_tiers: a length, "calendar_year" or "anniversary"
  // Containers.
  FORM_GROUP,  // an object whose members lie in the same struct
  FORM_OBJECT, // an object that is a struct of its own
  FORM_LIST,   // of objects; how many at `also`
  // What people do not give.
  FORM_PROGRAMME, // by its id; the number is kept
  FORM_STORED,    // a number: stored, and not told
  FORM_TOLD,      // a number, told
  FORM_TOLD_TIME,
  FORM_TOLD_NAME,
};

enum over {
  OVER_CUSTOMER,
  OVER_EVENT,
  OVER_LINE,
  OVER_RULE
}; // the last: a line if the rule's `by_line`, else an event

struct member {
  const char *name;
  enum form form;
  size_t at, size_bytes; // within the struct
  size_t also;
  int64_t least, most;
  const char *const *words;
  size_t word_count;
  int choice; // not 0: the table's choice becomes this, and no other member may make it something else
  bool required;
  enum over over;
  const struct table *table; // of containers
};

struct table {
  const char *what; // "a rule", in messages
  const struct member *members;
  size_t member_count;
  size_t item_bytes;
  size_t choice_at;     // an enum; only where members make a choice
  const void *defaults; // a struct; NULL: those of what the object stands in
  // Checks between members; it may complete them. Of a list: when all items are there. Both may be NULL.
  enum err (*finish)(struct reading *reading, void *item);
  enum err (*finish_list)(struct reading *reading, void *items, size_t count);
};

#define MEMBER_AT(type, field) .at = offsetof(struct type, field), .size_bytes = sizeof(((struct type *)0)->field)
#define MEMBER_ALSO(type, field) .also = offsetof(struct type, field)
#define MEMBER_WORDS(list) .words = (list), .word_count = sizeof(list) / sizeof *(list)
#define TABLE_MEMBERS(list) .members = (list), .member_count = sizeof(list) / sizeof *(list)

enum { READING_PATH_BYTES = 256, READING_MEMBERS_MAX = 40 };

struct reading {
  const struct names *names;
  const struct loyalty_catalog *catalog; // NULL: it is the stored form
  struct arena *arena;
  struct rule_check *warnings;
  struct rule_diag *where;
  struct diag *diag;
  const void *older; // the document before; NULL: none
  // What was read so far, for what comes after it:
  const struct rule_zone *zone;
  const struct loyalty_currency *currencies;
  size_t currency_count;
  uint8_t scale;      // of the currency in hand
  struct bytes event; // in hand
  char path[READING_PATH_BYTES];
  size_t path_bytes;
};

static inline bool reading_is_stored(const struct reading *reading) {
  return reading->catalog == NULL;
}

// --- reading.c ---

// `item` has its defaults already.
enum err reading_object(struct reading *reading, const struct table *table, struct value value, void *item);
// A refusal of the member `name` of the object in hand (NULL: of the object itself). Returns ERR_INVALID.
enum err reading_refuse(struct reading *reading, const char *name, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum err reading_refuse_item(struct reading *reading, size_t index, const char *name, const char *code,
                             const char *format, ...) __attribute__((format(printf, 5, 6)));
// Reads a person's document into `item`, which becomes the defaults first. Of what the public functions say may be NULL
// in `reading` anything may be.
enum err reading_document(const struct reading *reading, const struct table *table, struct value document, void *item);
// Reads the stored form of a document into `item`, which becomes zero first. ERR_CORRUPT, ERR_NO_MEMORY.
enum err reading_stored(struct value packed, const struct names *names, struct arena *arena, const struct table *table,
                        void *item);
// No two ids of a list are alike; `stride` bytes lie between them.
enum err reading_unique(struct reading *reading, const struct bytes *ids, size_t stride, size_t count);

// Makes numbers for the items of a list: of an id that `before` has too the same, else the next that was never given.
struct numbering {
  const struct bytes *ids;
  const void *numbers; // uint8_t or uint32_t, by number_bytes
  size_t stride, count;
};
enum err reading_number(struct reading *reading, void *items, struct numbering now, struct numbering before,
                        size_t number_bytes, uint32_t *given);

// --- reading_form.c ---

// One value that is no container, at its place in `item`.
enum err reading_form(struct reading *reading, const struct member *member, struct value value, void *item);
// The currency that is meant when none is given.
void reading_default_currency(struct reading *reading, const struct member *member, void *item);

// The word of an enum; NULL: this one is not said by this member.
const char *form_word(const struct member *member, const void *item);
int64_t form_number(const struct member *member, const void *item); // of 1, 4 or 8 bytes
void form_set_number(const struct member *member, void *item, int64_t number);
// Whether the member stands there at all, as far as a choice decides it.
bool form_is_chosen(const struct table *table, const struct member *member, const void *item);

// The one place that says to the checker what the paths of an expression are about: once when a person's document is
// read, and again when it is compiled.
enum rule_subject form_subject(const struct member *member, const void *item);

// "14 days"; "" of a length of none.
enum { FORM_DURATION_BYTES = 48 };
void form_print_duration(struct rule_duration duration, char text[FORM_DURATION_BYTES]);
extern const char *const form_window_words[3]; // by enum loyalty_window_kind; the first is NULL: a length

// --- document_json.c, document_pack.c ---

struct telling {
  struct json_writer *writer;
  const struct loyalty_programme *programme; // whose currencies are meant
  uint8_t scale;
};
// The members of `item`, into an object that is open.
void document_tell(struct telling *telling, const struct table *table, const void *item, const void *defaults);
// Opens an object and tells a whole document into it; `archived` is told either way. The caller closes it.
void document_json(struct json_writer *writer, const struct table *table, const void *item, bool archived,
                   const struct loyalty_programme *programme);
void document_pack(struct value_builder *builder, const struct table *table, const void *item);

// --- tables ---

extern const struct table loyalty_rule_table;     // rule.c: a struct loyalty_rule
extern const struct table loyalty_discount_table; // rule.c: a struct loyalty_discount
extern const struct table loyalty_staff_table;    // programme.c: a struct loyalty_staff
extern const struct table loyalty_voucher_table;  // voucher.c: a struct loyalty_voucher
extern const char *const loyalty_over_words[2];
enum err loyalty_rules_number(struct reading *reading, const struct loyalty_rule *rules, size_t count,
                              const struct loyalty_rule *older, size_t older_count, uint32_t *given);
