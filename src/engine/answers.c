// answers.c: see answers.h. What is read of a customer is kept until another one is asked about: her row, her facts,
// what she has. The machine is one of the engine's, because whoever looks something up is in the middle of a run of his
// own.
#include "engine/answers.h"

#include "base/alloc.h"
#include "engine/loyalty.h"
#include "engine/segments.h"

struct answers {
  struct engine *engine;
  struct store_snapshot *snapshot;
  const struct segment_set *set;
  struct customer_sources sources;
  struct rule_machine *machine;
  struct arena arena; // of one customer
  uint64_t customer;  // 0: none yet
  struct facts facts;
  struct membership membership;
  const struct loyalty_set *loyalty; // NULL: there never was a programme
  struct loyalty_wallet *wallets;    // of the customer at `wallets_us`; NULL: not read yet
  size_t wallet_count;
  int64_t wallets_us;
};

enum err answers_open(struct answers **answers, struct engine *engine, struct store_snapshot *snapshot) {
  struct answers *made = alloc_zero(1, sizeof *made);
  *answers = made;
  if (made == NULL) return ERR_NO_MEMORY;
  *made = (struct answers){.engine = engine, .snapshot = snapshot, .sources = engine_sources(engine)};
  arena_init(&made->arena, 0);
  made->set = live_set(engine);
  made->loyalty = loyalty_hold(engine);
  made->machine = live_take_machine(engine);
  if (made->machine != NULL) return ERR_OK;
  answers_close(made);
  *answers = NULL;
  return ERR_NO_MEMORY;
}

void answers_close(struct answers *answers) {
  if (answers == NULL) return;
  if (answers->machine != NULL) live_give_machine(answers->engine, answers->machine);
  if (answers->set != NULL) segment_set_close(answers->set);
  if (answers->loyalty != NULL) loyalty_set_close(answers->loyalty);
  arena_release(&answers->arena);
  alloc_free(answers);
}

const struct segment_set *answers_set(const struct answers *answers) {
  return answers->set;
}

const struct customer_sources *answers_sources(const struct answers *answers) {
  return &answers->sources;
}

int64_t answers_now_us(const struct answers *answers) {
  return clock_now_us(answers->engine->clock);
}

static enum err read_customer(struct answers *answers, uint64_t customer) {
  struct key key;
  struct bytes row;
  if (answers->customer == customer) return ERR_OK;
  answers->customer = 0;
  answers->wallets = NULL;
  arena_clear(&answers->arena);
  customer_key(customer, CUSTOMER_ROW_MEMBERSHIP, &key);
  enum err err = store_snapshot_get(answers->snapshot, STORE_CUSTOMER, key_view(&key), &answers->arena, &row);
  if (err == ERR_OK) err = membership_decode(row, &answers->arena, &answers->membership);
  if (err != ERR_OK) return err;
  struct timeline_reader reader = {.snapshot = answers->snapshot};
  facts_init(&answers->facts, reader, &answers->arena, &answers->sources);
  facts_reset(&answers->facts, customer, NULL, NULL);
  answers->facts.lookup = answers_lookup;
  answers->facts.lookup_context = answers;
  answers->customer = customer;
  return ERR_OK;
}

enum err answers_get(struct answers *answers, uint64_t customer, uint32_t question, struct membership_entry *entry) {
  enum err err = read_customer(answers, customer);
  if (err != ERR_OK) return err;
  struct segment_evaluation evaluation = {.set = answers->set,
                                          .machine = answers->machine,
                                          .facts = &answers->facts,
                                          .arena = &answers->arena,
                                          .membership = &answers->membership,
                                          .now_us = answers_now_us(answers)};
  return segment_answer(&evaluation, question, entry);
}

enum err answers_membership(struct answers *answers, uint64_t customer, const struct membership **membership) {
  *membership = &answers->membership;
  return read_customer(answers, customer);
}

// --- by id ---------------------------------------------------------------------------------------------------

const struct segment_definition *answers_find(const struct answers *answers, struct bytes id) {
  return segments_find(answers->set, id);
}

// Points and tier are as of the time of the question.
static enum err look_up_loyalty(struct answers *answers, uint64_t customer, enum rule_function function,
                                const struct bytes *arguments, size_t count, int64_t now_us, struct rule_value *value,
                                int64_t *until_us) {
  if (answers->loyalty == NULL) return ERR_OK;
  enum err err = read_customer(answers, customer);
  if (err == ERR_OK && (answers->wallets == NULL || answers->wallets_us != now_us)) {
    answers->wallets_us = now_us;
    err = loyalty_wallets_at(answers->snapshot, answers->loyalty, customer, now_us, &answers->arena, &answers->wallets,
                             &answers->wallet_count);
  }
  if (err != ERR_OK) return err;
  return loyalty_answer(answers->loyalty, answers->wallets, answers->wallet_count, function, arguments, count, value,
                        until_us);
}

enum err answers_lookup(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct answers *answers = context;
  struct membership_entry entry;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (function == RULE_FUNCTION_points || function == RULE_FUNCTION_tier)
    return look_up_loyalty(answers, customer, function, arguments, count, now_us, value, until_us);
  if (answers->set == NULL || count == 0 || !segment_is_asked(function)) return ERR_OK;
  const struct segment_definition *segment = segment_set_live(answers->set, arguments[0]);
  if (segment == NULL) return ERR_OK;
  enum err err = answers_get(answers, customer, segment->question, &entry);
  if (err != ERR_OK || entry.unknown) return err;
  if (entry.valid_until_us < *until_us) *until_us = entry.valid_until_us;
  return segment_set_say(answers->set, &entry, function, arguments, count, &answers->arena, value);
}
