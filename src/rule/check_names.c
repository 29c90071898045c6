// check_names: names that the workspace knows, or does not.
//
// What an event or a customer will bring is not known before it comes: an unknown trait, event or property is allowed
// with a warning. Segments, computed attributes and scores are made here: an unknown one is refused.
#include <stdio.h>

#include "base/nearest.h"
#include "rule/checker.h"
#include "rule/complain.h"

// --- the catalogue -------------------------------------------------------------------------------------------

static bool is_known(const struct checker *checker, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  const struct rule_catalog *catalog = checker->check->catalog;
  return catalog == NULL || catalog->known == NULL || catalog->known(catalog->context, kind, of, name);
}

// The known name of which `name` is probably a slip; no text when there is none.
static void find_nearest(const struct checker *checker, enum rule_name_kind kind, struct bytes of, struct bytes name,
                         char out[RULE_WORD_BYTES]) {
  const struct rule_catalog *catalog = checker->check->catalog;
  struct bytes word;
  size_t place = 0, smallest = SIZE_MAX, distance;
  out[0] = '\0';
  if (catalog == NULL || catalog->next == NULL) return;
  while (catalog->next(catalog->context, kind, of, &place, &word)) {
    if (!nearest_is_slip(name, word, &distance) || distance >= smallest) continue;
    smallest = distance;
    complain_cut(word, RULE_WORD_BYTES - 4, out);
  }
}

// The words after the name: what was probably meant.
static void write_hint(const char *nearest, char out[RULE_WORD_BYTES * 2]) {
  out[0] = '\0';
  if (nearest[0] != '\0') snprintf(out, RULE_WORD_BYTES * 2, "; did you mean `%s`?", nearest);
}

static bool refuse_name(struct checker *checker, enum rule_name_kind kind, struct bytes name, struct rule_place place) {
  static const struct {
    const char *code, *words;
  } unknown[] = {[RULE_NAME_SEGMENT] = {"unknown_segment", "segment"},
                 [RULE_NAME_ATTRIBUTE] = {"unknown_attribute", "computed attribute"},
                 [RULE_NAME_SCORE] = {"unknown_score", "score"}};
  struct rule_diag *diag = checker->diag;
  char hint[RULE_WORD_BYTES * 2];
  complain_cut(name, COMPLAIN_FOUND_BYTES, diag->found);
  find_nearest(checker, kind, BYTES(""), name, diag->nearest);
  write_hint(diag->nearest, hint);
  return check_refuse(checker, place, unknown[kind].code, "there is no %s `%s`%s", unknown[kind].words, diag->found,
                      hint);
}

static void warn_name(struct checker *checker, enum rule_name_kind kind, struct bytes of, struct bytes name,
                      struct rule_place place) {
  struct rule_diag warning = {0};
  char hint[RULE_WORD_BYTES * 2], event[RULE_WORD_BYTES];
  complain_cut(name, COMPLAIN_FOUND_BYTES, warning.found);
  complain_cut(of, COMPLAIN_FOUND_BYTES, event);
  find_nearest(checker, kind, of, name, warning.nearest);
  write_hint(warning.nearest, hint);
  if (kind == RULE_NAME_TRAIT)
    check_warn(checker, &warning, place, "unknown_trait", "no customer has had a trait `%s` yet%s", warning.found,
               hint);
  else if (kind == RULE_NAME_EVENT)
    check_warn(checker, &warning, place, "unknown_event", "no event `%s` has come yet%s", warning.found, hint);
  else if (kind == RULE_NAME_RANGE)
    check_warn(checker, &warning, place, "unknown_range", "the score `%s` has no range `%s`%s", event, warning.found,
               hint);
  else
    check_warn(checker, &warning, place, "unknown_property", "no `%s` has had a property `%s` yet%s", event,
               warning.found, hint);
}

// --- events --------------------------------------------------------------------------------------------------

static struct bytes name_of(const struct checker *checker, const struct rule_events *events) {
  return events->subject ? checker->check->subject_event : events->name;
}

bool check_this(struct checker *checker, const struct rule_events *events) {
  if (!events->subject) return true;
  if (checker->check->subject == RULE_SUBJECT_NONE)
    return check_refuse(checker, events->place, "misplaced",
                        "`this` is the event in hand, and here there is none: write the name of an event in quotes, as "
                        "in \"Order Completed\"");
  if (events->window.kind == RULE_WINDOW_NONE) return true;
  return check_refuse(checker, events->window.place, "wrong_window",
                      "`this` is one event and has no window: leave it out, or compare `time` in `where`");
}

void check_event_name(struct checker *checker, const struct rule_events *events) {
  if (events->subject) return; // who asks has named it
  if (!is_known(checker, RULE_NAME_EVENT, BYTES(""), events->name))
    warn_name(checker, RULE_NAME_EVENT, BYTES(""), events->name, events->place);
}

static bool is_of_message(const struct bytes *names) {
  return bytes_equal(names[0], BYTES("context")) || bytes_equal(names[0], BYTES("properties"));
}

void check_property(struct checker *checker, const struct rule_events *events, const struct bytes *names,
                    uint32_t count, struct rule_place place) {
  bool prefixed = bytes_equal(names[0], BYTES("properties"));
  if (bytes_equal(names[0], BYTES("context")) || (prefixed && count == 1)) return;
  struct bytes name = names[prefixed ? 1 : 0], event = name_of(checker, events);
  if (event.size_bytes == 0 || !is_known(checker, RULE_NAME_EVENT, BYTES(""), event)) return; // that was said already
  if (!is_known(checker, RULE_NAME_PROPERTY, event, name)) warn_name(checker, RULE_NAME_PROPERTY, event, name, place);
}

// --- paths ---------------------------------------------------------------------------------------------------

static bool check_trait(struct checker *checker, struct rule_node *node) {
  node->types = RULE_TYPES_STORED;
  if (!is_known(checker, RULE_NAME_TRAIT, BYTES(""), node->names[1]))
    warn_name(checker, RULE_NAME_TRAIT, BYTES(""), node->names[1], node->place);
  return true;
}

static bool check_attribute(struct checker *checker, struct rule_node *node) {
  node->types = (rule_types)(RULE_TYPES_ANY & ~CHECK_BIT(CALENDAR));
  if (node->name_count > 2) node->types = RULE_TYPES_STORED;
  if (is_known(checker, RULE_NAME_ATTRIBUTE, BYTES(""), node->names[1])) return true;
  return refuse_name(checker, RULE_NAME_ATTRIBUTE, node->names[1], node->place);
}

static bool refuse_alone(struct checker *checker, const struct rule_node *node, const char *example) {
  struct rule_diag *diag = checker->diag;
  complain_cut(node->names[0], COMPLAIN_FOUND_BYTES, diag->found);
  return check_refuse(checker, node->place, "wrong_path", "expected a name behind `%s`, as in %s", diag->found,
                      example);
}

// A path that is none of the customer's: `traits.` was mistyped or forgotten, or it is of an event.
static bool refuse_path(struct checker *checker, const struct rule_node *node) {
  static const char *const roots[] = {"traits", "attributes"};
  struct rule_diag *diag = checker->diag;
  char whole[RULE_WORD_BYTES], hint[RULE_WORD_BYTES * 2];
  bool shown = check_print(node, COMPLAIN_FOUND_BYTES, whole);
  const char *nearest = nearest_slip(node->names[0], roots, 2);
  complain_cut(node->names[0], COMPLAIN_FOUND_BYTES, diag->found);
  if (nearest != NULL)
    snprintf(diag->nearest, sizeof diag->nearest, "%s", nearest);
  else if (shown && is_known(checker, RULE_NAME_TRAIT, BYTES(""), node->names[0]))
    snprintf(diag->nearest, sizeof diag->nearest, "traits.%.*s", COMPLAIN_FOUND_BYTES, whole);
  write_hint(diag->nearest, hint);
  return check_refuse(checker, node->place, "wrong_path",
                      "expected a path that begins with traits or attributes, found `%s`%s%s", diag->found, hint,
                      hint[0] != '\0' ? "" : "; what an event has is named in its `where` or before its `of`");
}

// `this.total` where `total` is meant.
static void warn_this(struct checker *checker, const struct rule_node *node) {
  struct rule_diag warning = {.found = "this"};
  bool of_this = node->name_count > 1 && bytes_equal(node->names[0], BYTES("this"));
  if (!of_this || is_known(checker, RULE_NAME_PROPERTY, checker->check->subject_event, node->names[0])) return;
  complain_cut(node->names[1], COMPLAIN_FOUND_BYTES, warning.nearest);
  check_warn(checker, &warning, node->place, "unknown_property",
             "`this` is the event only in count, sum and the like; what it has is named alone: `%s`", warning.nearest);
}

bool check_path(struct checker *checker, struct rule_node *node) {
  const struct rule_events *events = checker->events;
  node->subject = RULE_SUBJECT_NONE;
  bool traits = bytes_equal(node->names[0], BYTES("traits"));
  if (traits || bytes_equal(node->names[0], BYTES("attributes"))) {
    if (node->name_count == 1) return refuse_alone(checker, node, traits ? "traits.country" : "attributes.orders");
    return traits ? check_trait(checker, node) : check_attribute(checker, node);
  }
  if (events == NULL) {
    if (checker->check->subject == RULE_SUBJECT_NONE) return refuse_path(checker, node);
    node->subject = checker->check->subject;
    events = &checker->subject;
    warn_this(checker, node);
  }
  node->types = RULE_TYPES_STORED;
  if (node->name_count == 1 && bytes_equal(node->names[0], BYTES("time"))) {
    node->types = CHECK_BIT(TIME);
    return true;
  }
  bool of_item = events->item_count > 0 && !is_of_message(node->names); // nothing is known of items
  if (!of_item) check_property(checker, events, node->names, node->name_count, node->place);
  return true;
}

bool check_segment(struct checker *checker, const struct rule_node *name) {
  if (name->kind != RULE_NODE_TEXT || is_known(checker, RULE_NAME_SEGMENT, BYTES(""), name->text)) return true;
  return refuse_name(checker, RULE_NAME_SEGMENT, name->text, name->place);
}

bool check_score(struct checker *checker, const struct rule_node *name, const struct rule_node *range) {
  if (name->kind != RULE_NODE_TEXT) return true;
  if (!is_known(checker, RULE_NAME_SCORE, BYTES(""), name->text))
    return refuse_name(checker, RULE_NAME_SCORE, name->text, name->place);
  // What is not bought yet may be bought one day: null until a refresh sees it.
  if (range != NULL && range->kind == RULE_NODE_TEXT && !is_known(checker, RULE_NAME_RANGE, name->text, range->text))
    warn_name(checker, RULE_NAME_RANGE, name->text, range->text, range->place);
  return true;
}
