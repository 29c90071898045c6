// attribution_hand: one event, asked. A value that is not known, or of another type, is none.
#include "engine/attribution_hand.h"

#include "base/alloc.h"
#include "base/real.h"

void hand_begin(struct attribution_hand *hand, struct facts *facts) {
  hand->facts = facts;
  hand->customer = facts->customer;
  hand->columns = (struct rule_columns){0};
  hand->messages = NULL;
  hand->has_message = false;
}

enum err hand_keep_messages(struct attribution_hand *hand, struct arena *arena) {
  if (hand->columns.count == 0) return ERR_OK;
  struct value *messages = arena_take_zero(arena, hand->columns.count, sizeof *messages);
  if (messages == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < hand->columns.count; i++) {
    enum err err = hand->facts->customer.message(hand->facts->customer.context, i, &messages[i]);
    if (err != ERR_OK) return err;
  }
  hand->messages = messages;
  return ERR_OK;
}

void hand_take(struct attribution_hand *hand, size_t index) {
  hand->index = index;
  hand->has_message = false;
}

enum err hand_message(struct attribution_hand *hand) {
  struct value message = {0};
  enum err err = ERR_OK;
  if (hand->has_message) return ERR_OK;
  if (hand->messages != NULL)
    message = hand->messages[hand->index];
  else
    err = hand->facts->customer.message(hand->facts->customer.context, hand->index, &message);
  hand->customer.subject = message;
  hand->customer.subject_item = (struct value){0};
  hand->customer.subject_time_us = hand->columns.time_us[hand->index];
  hand->has_message = err == ERR_OK;
  return err;
}

enum err hand_ask(struct attribution_hand *hand, const struct rule_program *program, struct rule_answer *answer) {
  enum err err = hand_message(hand);
  if (err != ERR_OK) return err;
  return rule_run(hand->machine, program, &hand->customer, hand->now_us, false, answer);
}

// Whether it is one of these channels; false: only the message says.
static bool knows_channel(const struct attribution_hand *hand, const struct attribution_condition *condition,
                          bool *truth) {
  uint32_t channel = hand->columns.channel[hand->index];
  *truth = false;
  if (channel & RULE_DIM_NONE) return true;
  if (!(channel & RULE_DIM_CONTEXT)) return false;
  channel &= ~RULE_DIM_CONTEXT;
  for (size_t i = 0; i < condition->channel_count; i++) *truth = *truth || condition->channels[i] == channel;
  return true;
}

static enum err is_true(struct attribution_hand *hand, const struct attribution_condition *condition, bool *truth) {
  struct rule_answer answer;
  *truth = true;
  if (condition->program == NULL) return ERR_OK;
  if (condition->channels != NULL && knows_channel(hand, condition, truth)) return ERR_OK;
  enum err err = hand_ask(hand, condition->program, &answer);
  if (err == ERR_OK) *truth = rule_is_true(&answer);
  return err;
}

static double real_of(struct decimal number) {
  char text[DECIMAL_TEXT_BYTES];
  double real = 0;
  size_t size = decimal_format(number, text);
  return real_read(bytes_of(text, size), &real) == ERR_OK ? real : 0;
}

double hand_number(const struct rule_answer *answer) {
  if (answer->status != RULE_KNOWN || answer->value.type != RULE_TYPE_NUMBER) return 0;
  return real_of(answer->value.number);
}

// Exact powers: what is divided by them is rounded once.
static double hot_real(int64_t amount, unsigned scale) {
  static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
  if (scale < sizeof POWERS / sizeof *POWERS && amount < INT64_C(1) << 53 && amount > -(INT64_C(1) << 53))
    return (double)amount / POWERS[scale];
  return real_of((struct decimal){amount < 0 ? -(decimal_coefficient)amount : (decimal_coefficient)amount,
                                  (int16_t) - (int)scale, amount < 0});
}

enum err hand_value(struct attribution_hand *hand, const struct attribution_event *event, double *value) {
  struct rule_answer answer;
  uint8_t code = hand->columns.amount_code[hand->index];
  *value = 0;
  if (event->value == NULL || (event->amount != 0 && code == RULE_AMOUNT_NONE)) return ERR_OK;
  if (event->amount != 0 && code >> RULE_AMOUNT_SHIFT == (unsigned)event->amount) {
    *value = hot_real(hand->columns.amount[hand->index], code & ((1U << RULE_AMOUNT_SHIFT) - 1));
    return ERR_OK;
  }
  enum err err = hand_ask(hand, event->value, &answer);
  if (err == ERR_OK) *value = hand_number(&answer);
  return err;
}

enum err hand_find(struct attribution_hand *hand, const struct attribution_events *events,
                   const struct attribution_event **found) {
  uint32_t name = hand->columns.name[hand->index];
  *found = NULL;
  for (size_t i = 0; i < events->count; i++) {
    bool truth;
    if (events->items[i].name != name) continue;
    enum err err = is_true(hand, &events->items[i].when, &truth);
    if (err != ERR_OK || truth) {
      *found = &events->items[i];
      return err;
    }
  }
  return ERR_OK;
}

enum err hand_channel(struct attribution_hand *hand, uint16_t *channel) {
  const struct attribution_settings *settings = hand->settings;
  uint32_t name = hand->columns.name[hand->index];
  for (size_t i = 0; i < settings->channel_count; i++) {
    const struct attribution_channel *rule = &settings->channels[i];
    bool truth;
    if (rule->event.size_bytes > 0 && rule->name != name) continue;
    *channel = rule->number;
    enum err err = is_true(hand, &rule->when, &truth);
    if (err != ERR_OK || truth) return err;
  }
  *channel = settings->other;
  return ERR_OK;
}

// --- labels ----------------------------------------------------------------------------------------------------

// A value as the name of a campaign or a store; what is null or no plain value has none.
static enum err take_label(const struct rule_answer *answer, struct arena *arena, struct bytes *label) {
  char text[DECIMAL_TEXT_BYTES];
  const struct rule_value *value = &answer->value;
  if (answer->status != RULE_KNOWN) return ERR_OK;
  if (value->type == RULE_TYPE_TEXT && value->text.size_bytes <= PATHS_NAME_BYTES) *label = value->text;
  if (value->type != RULE_TYPE_NUMBER) return ERR_OK;
  *label = arena_copy(arena, bytes_of(text, decimal_format(value->number, text)));
  return label->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

enum err hand_label(struct attribution_hand *hand, const struct rule_program *program, struct arena *arena,
                    struct bytes *label) {
  struct rule_answer answer;
  *label = BYTES("");
  if (program == NULL) return ERR_OK;
  enum err err = hand_ask(hand, program, &answer);
  return err == ERR_OK ? take_label(&answer, arena, label) : err;
}
