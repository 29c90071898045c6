// set: all live questions of a workspace, compiled, and what asks for which of them.
//
// Layer 5. A set is read-only once it is made; a change of one definition makes a new set that shares the programs of
// the others. Evaluation is pure over one customer's facts and membership; the caller holds her lock and writes what
// changed. Questions are evaluated in an order in which whatever one refers to comes before it (no cycles).
#pragma once

#include "customer/facts.h"
#include "segment/definition.h"
#include "segment/membership.h"

struct segment_set;

// What one version of a score is computed by: whoever opens it knows orders, which this layer does not. Read-only once
// made; threads share it.
struct segment_score {
  const uint32_t *events; // names of the events that change it
  size_t event_count;
  // What is kept of a customer as of now (absent: nothing is known), and until when the clock alone leaves it so. In
  // the arena. Fails as facts do; ERR_LIMIT: it is not known, because a sum went out of bounds.
  enum err (*answer)(const struct segment_score *score, struct facts *facts, struct arena *arena, int64_t now_us,
                     struct value *kept, int64_t *until_us);
  // What score("id") or score("id", "range") says by what is kept: a document in the arena, or null.
  enum err (*tell)(const struct segment_score *score, struct value kept, const struct bytes *range, struct arena *arena,
                   struct rule_value *value);
  // One after another from index 0 on; false at the end.
  bool (*range)(const struct segment_score *score, size_t index, struct bytes *name);
  void (*close)(struct segment_score *score);
};
// From the `include` of a definition.
typedef enum err segment_score_open_fn(void *context, struct bytes document, struct segment_score **score,
                                       struct diag *diag);

// What making a set needs beside the definitions.
struct segment_compile {
  struct names *names; // names in expressions are interned, so that they match what comes later
  const struct rule_zone *zone;
  const struct segment_set *older;   // its programs are used again where question and text are the same; may be NULL
  segment_score_open_fn *open_score; // NULL: no definition is a score
  void *context;
};

// `definitions`: of status BUILDING and LIVE. A set has no more of the older set than it took from it. ERR_INVALID
// codes "cycle" (the message names the way round: vip -> loyal -> vip), "unknown_segment", "unknown_attribute";
// "segment_event" for an expression over the events that segments themselves write ("Segment Entered", "Segment Left"),
// "limited" for a reference to a limited audience, "wrong_arguments" for an in_segment whose id is computed, "repeated"
// for two live versions of an id; those of expressions, which were checked when they were read; ERR_LIMIT "too_many".
// The id is diag's field. References go by id: of a live version to the live one; of one that is being built to the one
// that is being built, where there is one, because they go live together, else to the live one. Cycles are looked for
// among ids, whatever the version. A score that is not there is null: the checker refuses its name before.
enum err segment_set_open(struct segment_set **set, const struct segment_definition *definitions, size_t count,
                          const struct segment_compile *with, struct diag *diag);
void segment_set_hold(const struct segment_set *set);  // one more holder
void segment_set_close(const struct segment_set *set); // one less

size_t segment_set_count(const struct segment_set *set);
// Views into the set. NULL: not in it.
const struct segment_definition *segment_set_at(const struct segment_set *set, size_t index); // in order of evaluation
enum segment_kind segment_set_kind(const struct segment_set *set, size_t index); // without a look at the definition
size_t segment_set_place(const struct segment_set *set, uint32_t question);      // SIZE_MAX: not in it
const struct segment_definition *segment_set_question(const struct segment_set *set, uint32_t question);
const struct segment_definition *segment_set_live(const struct segment_set *set, struct bytes id);
// What orders the customers of a limited audience; NULL when nothing does.
const struct rule_program *segment_set_limit_by(const struct segment_set *set, uint32_t question);

// What a score is computed by; NULL: the question is none.
const struct segment_score *segment_set_score(const struct segment_set *set, uint32_t question);

// What in_segment("id"), attributes.id or score("id", …) says by an entry of a question of that id; null when the
// question is of another kind. `function` and `arguments` as of struct rule_customer; a document lies in the arena.
bool segment_is_asked(enum rule_function function); // one of the three
enum err segment_set_say(const struct segment_set *set, const struct membership_entry *entry,
                         enum rule_function function, const struct bytes *arguments, size_t count, struct arena *arena,
                         struct rule_value *value);

// Does a question refer to the segment, attribute or score of this id?
bool segment_set_refers(const struct segment_set *set, uint32_t question, struct bytes id);

// What happened to a customer.
struct segment_triggers {
  const uint32_t *events; // names of events added; repeats do not matter
  size_t event_count;
  const uint32_t *traits; // names of traits that changed
  size_t trait_count;
  bool fresh;                // she is new: what is true of nobody in particular is true of her
  bool everything;           // her events or identifiers changed hands: all questions
  const uint32_t *questions; // these too (a build; a list in which she was put or from which she was taken: then what
                             // depends on it is asked); in any order, those not in the set do not matter
  size_t question_count;
  const struct rule_need_lookup *lookups; // what else changed of her: a consent, tier or points; without a name every
                                          // one of its kind
  size_t lookup_count;
};

// True when something of the triggers asks for some question at all: then facts and membership are needed. And whether
// those may read her record (traits) — without reading anything.
bool segment_set_concerns(const struct segment_set *set, const struct segment_triggers *triggers, bool *reads_record);

// One change of an answer, in the order in which it came about.
struct segment_change {
  uint32_t question;
  enum segment_change_kind { SEGMENT_ENTERED, SEGMENT_LEFT, SEGMENT_EXCLUDED, SEGMENT_VALUE } kind;
  // EXCLUDED: which exclusions remove her changed, or whether the answer is known; VALUE: an attribute's value did
  uint32_t sides_before, sides_after; // membership_sides
  int64_t at_us;                      // the instant at which it became so: of the clock alone its valid-until, else now
};

struct segment_evaluation {
  const struct segment_set *set;
  struct rule_machine *machine;
  struct facts *facts; // its lookup is answered here for in_segment and attributes, and passed on for the rest
  struct arena *arena;
  struct membership *membership; // changed in place; values in the arena
  int64_t now_us;
  struct segment_change *changes; // out, in the arena
  size_t change_count;
  uint64_t evaluated; // out: how many programs ran
  bool touched;       // out: some entry changed, if only its valid-until: the row is to be written
};

// First whatever fell due up to now by the clock alone, instant by instant in their order (a restart after a week down
// catches up so), then what the triggers ask for, at now. Whoever asked for an answer that changed, or that may change
// sooner than it was to, is asked again. A membership entry of a question that is no longer in the set is dropped.
// Afterwards every entry is valid at now. Entries of lists are the caller's, and are kept.
// An exclusion that is not known excludes; whatever asks for an answer that is not known is itself not known. An
// attribute of more than SEGMENT_VALUE_BYTES is not known.
// The past costs at most SEGMENT_CATCH_UP_MAX runs of programs: what is due beyond is answered at now alone.
// Fails as facts do; then the membership is not to be used.
enum { SEGMENT_CATCH_UP_MAX = 20000, SEGMENT_VALUE_BYTES = 64 * 1024 };
enum err segment_evaluate(struct segment_evaluation *evaluation, const struct segment_triggers *triggers);

// The same for a reader: the entry as it is at now, evaluated on the spot (with what it depends on) when it is past its
// valid-until; nothing is written. `membership` is changed in memory. ERR_NOT_FOUND: the question is not in the set.
// Out of a lookup it wants a machine of its own: the other one is in the middle of a run.
enum err segment_answer(struct segment_evaluation *evaluation, uint32_t question, struct membership_entry *entry);
