// attribution_hand: one event of a customer in hand, and what the settings of attribution say of it.
//
// Layer 6, private to the files of attribution. What an event's name and hot amount tell is told without its message,
// which is read when an expression is asked, and then once.
#pragma once

#include "attribution/settings.h"
#include "customer/facts.h"

struct attribution_hand {
  const struct attribution_settings *settings;
  struct rule_machine *machine;
  int64_t now_us; // as of when expressions are asked
  struct facts *facts;
  struct rule_customer customer;
  struct rule_columns columns;
  struct value *messages; // by event, kept; NULL: each is read when it is asked for
  size_t index;           // of the event in hand
  bool has_message;
};

// The customer whose events `columns` are.
void hand_begin(struct attribution_hand *hand, struct facts *facts);
// Reads all messages at once: needed where an expression looks at other events, which makes the columns anew.
enum err hand_keep_messages(struct attribution_hand *hand, struct arena *arena);

void hand_take(struct attribution_hand *hand, size_t index);
enum err hand_message(struct attribution_hand *hand);
enum err hand_ask(struct attribution_hand *hand, const struct rule_program *program, struct rule_answer *answer);

// The first of these events that the one in hand is; NULL: none.
enum err hand_find(struct attribution_hand *hand, const struct attribution_events *events,
                   const struct attribution_event **found);
// The value of a conversion; 0: it has none.
enum err hand_value(struct attribution_hand *hand, const struct attribution_event *event, double *value);
// The channel of a touch, by its number.
enum err hand_channel(struct attribution_hand *hand, uint16_t *channel);
// A text or a number as a name (PATHS_NAME_BYTES at most); empty: none. It may lie in the arena.
enum err hand_label(struct attribution_hand *hand, const struct rule_program *program, struct arena *arena,
                    struct bytes *label);
double hand_number(const struct rule_answer *answer); // 0: it is none
