// machine_data: the customer's data, asked for when it is needed and at most once a run.
#include "rule/machine_private.h"

#include "base/alloc.h"

// --- columns -------------------------------------------------------------------------------------------------

bool machine_columns(struct rule_machine *machine) {
  if (machine->has_columns) return true;
  machine->columns = (struct rule_columns){0};
  if (machine->wanted.name_count > 0 && machine->customer->columns != NULL) {
    enum err err = machine->customer->columns(machine->customer->context, &machine->wanted, &machine->columns);
    if (err != ERR_OK) return machine_failed(machine, err);
  }
  const struct rule_columns *columns = &machine->columns;
  machine->has_columns = true;
  machine->past = columns->count;
  if (columns->count > 0 && columns->time_us[columns->count - 1] > machine->now_us)
    machine->past = machine_lower_bound(machine, machine->now_us + 1);
  return true;
}

static bool room_for_messages(struct rule_machine *machine) {
  size_t count = machine->columns.count;
  if (count <= machine->message_capacity) return true;
  size_t capacity = count + count / 2;
  struct machine_message *larger = alloc_zero(capacity, sizeof *larger);
  if (larger == NULL) return machine_failed(machine, ERR_NO_MEMORY);
  alloc_free(machine->messages);
  machine->messages = larger;
  machine->message_capacity = capacity;
  return true;
}

bool machine_message(struct rule_machine *machine, size_t event, struct value *message) {
  // Columns come once a run, so the room cannot grow while messages of this run are in it.
  if (!room_for_messages(machine)) return false;
  struct machine_message *kept = &machine->messages[event];
  if (kept->run != machine->run) {
    kept->message = (struct value){0};
    if (machine->customer->message != NULL) {
      enum err err = machine->customer->message(machine->customer->context, event, &kept->message);
      if (err != ERR_OK) return machine_failed(machine, err);
    }
    kept->run = machine->run;
  }
  *message = kept->message;
  return true;
}

// --- paths ---------------------------------------------------------------------------------------------------

static struct value follow(struct value value, const struct rule_path *path, uint32_t from) {
  for (uint32_t i = from; i < path->count && !value_is_absent(value); i++) value = value_member_id(value, path->ids[i]);
  return value;
}

static struct value item_of(const struct rule_machine *machine, const struct rule_path *path) {
  return path->root == RULE_ROOT_SUBJECT_ITEM ? machine->customer->subject_item : machine->item;
}

bool machine_stored(struct rule_machine *machine, const struct rule_path *path, struct value *value) {
  struct value root;
  if (path->root == RULE_ROOT_MESSAGE) {
    if (!machine_message(machine, machine->event, &root)) return false;
  } else {
    root = path->root == RULE_ROOT_SUBJECT ? machine->customer->subject : item_of(machine, path);
  }
  *value = follow(root, path, 0);
  return true;
}

bool machine_property(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value) {
  struct value stored;
  if (!machine_stored(machine, path, &stored)) return false;
  *value = rule_value_of(stored);
  return true;
}

bool machine_item(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value) {
  struct value item = item_of(machine, path);
  *value = rule_value_of(value_type(item) == VALUE_DOCUMENT ? follow(item, path, 0) : item);
  return true;
}

struct rule_value machine_subject_time(const struct rule_machine *machine) {
  const struct rule_customer *customer = machine->customer;
  return value_is_absent(customer->subject) ? machine_null() : machine_time(customer->subject_time_us);
}

struct rule_value machine_member(const struct rule_path *path, const struct rule_value *document) {
  if (document->type != RULE_TYPE_DOCUMENT) return machine_null();
  return rule_value_of(follow(document->packed, path, 0));
}

bool machine_trait(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value) {
  *value = machine_null();
  if (path->slot == RULE_NONE || machine->customer->trait == NULL) return true;
  struct machine_trait *trait = &machine->traits[path->slot];
  if (trait->run != machine->run) {
    struct value stored = {0};
    enum err err = machine->customer->trait(machine->customer->context, path->ids[0], &stored);
    if (err != ERR_OK) return machine_failed(machine, err);
    trait->value = rule_value_of(stored);
    trait->run = machine->run;
  }
  *value = trait->value;
  if (path->count == 1) return true;
  *value = value->type == RULE_TYPE_DOCUMENT ? rule_value_of(follow(value->packed, path, 1)) : machine_null();
  return true;
}

// --- hot cells -----------------------------------------------------------------------------------------------

bool machine_amount(struct rule_machine *machine, enum rule_amount amount, const struct rule_path *path,
                    struct rule_value *value) {
  const struct rule_columns *columns = &machine->columns;
  size_t event = machine->event;
  uint8_t cell = rule_cell_of[amount - 1][columns->amount_code[event]];
  if (cell == RULE_CELL_ASK) return machine_property(machine, path, value);
  *value = machine_null();
  if (cell == RULE_CELL_NULL) return true;
  *value = machine_number(decimal_from_i64(columns->amount[event]));
  value->number.exponent = (int16_t)-cell;
  return true;
}

static bool is_one_of(const struct rule_channels *channels, const struct rule_value *value) {
  if (value->type != RULE_TYPE_TEXT) return value->type != RULE_TYPE_NULL && channels->negated;
  for (uint32_t i = 0; i < channels->count; i++)
    if (bytes_equal(channels->texts[i], value->text)) return !channels->negated;
  return channels->negated;
}

bool machine_channel_in(struct rule_machine *machine, const struct rule_channels *channels, bool *is) {
  uint32_t cell = machine->columns.channel[machine->event];
  if ((cell & RULE_DIM_CONTEXT) != 0) {
    uint32_t id = cell & ~(RULE_DIM_CONTEXT | RULE_DIM_NONE);
    *is = channels->negated;
    for (uint32_t i = 0; i < channels->count; i++)
      if (channels->ids[i] == id && id != 0) *is = !channels->negated;
    if (*is != channels->negated || !channels->unknown) return true;
  }
  struct rule_value value = machine_null();
  if ((cell & RULE_DIM_NONE) == 0 && !machine_property(machine, &machine->program->paths[channels->path], &value))
    return false;
  *is = is_one_of(channels, &value);
  return true;
}

// --- lookups -------------------------------------------------------------------------------------------------

static bool is_same(const struct machine_asked *asked, enum rule_function function, const struct bytes *arguments,
                    uint32_t count) {
  if (asked->function != function || asked->count != count) return false;
  for (uint32_t i = 0; i < count; i++)
    if (!bytes_equal(asked->arguments[i], arguments[i])) return false;
  return true;
}

static bool room_for_asked(struct rule_machine *machine) {
  if (machine->asked_count < machine->asked_capacity) return true;
  uint32_t capacity = machine->asked_capacity == 0 ? 8 : machine->asked_capacity * 2;
  if ((size_t)capacity * sizeof *machine->asked > machine->limits.bytes) return machine_unknown(machine);
  struct machine_asked *larger = alloc_resize(machine->asked, capacity * sizeof *larger);
  if (larger == NULL) return machine_failed(machine, ERR_NO_MEMORY);
  machine->asked = larger;
  machine->asked_capacity = capacity;
  return true;
}

// Arguments are views of the program, of a trait or of a message: they outlive the run.
static bool ask(struct rule_machine *machine, enum rule_function function, const struct bytes *arguments,
                uint32_t count, struct rule_value *value) {
  const struct rule_customer *customer = machine->customer;
  if (!machine_count(machine, machine->asked_count)) return false; // one after another: few are asked
  for (uint32_t i = 0; i < machine->asked_count; i++) {
    if (!is_same(&machine->asked[i], function, arguments, count)) continue;
    *value = machine->asked[i].value;
    machine_until(machine, machine->asked[i].until_us);
    return true;
  }
  if (!room_for_asked(machine)) return false;
  struct machine_asked *asked = &machine->asked[machine->asked_count];
  *asked = (struct machine_asked){.function = function, .count = count, .value = machine_null(), .until_us = INT64_MAX};
  for (uint32_t i = 0; i < count; i++) asked->arguments[i] = arguments[i];
  enum err err =
      customer->lookup(customer->context, function, arguments, count, machine->now_us, &asked->value, &asked->until_us);
  if (err != ERR_OK) return machine_failed(machine, err);
  machine->asked_count++;
  machine_until(machine, asked->until_us);
  *value = asked->value;
  return true;
}

bool machine_lookup(struct rule_machine *machine, enum rule_function function, struct rule_value *arguments,
                    uint32_t count) {
  struct bytes texts[2] = {{NULL, 0}, {NULL, 0}};
  bool all = machine->customer->lookup != NULL && count <= 2;
  for (uint32_t i = 0; all && i < count; i++) {
    all = arguments[i].type == RULE_TYPE_TEXT;
    if (all) texts[i] = arguments[i].text;
  }
  if (all) return ask(machine, function, texts, count, &arguments[0]);
  arguments[0] = machine_null();
  return true;
}

bool machine_attribute(struct rule_machine *machine, const struct rule_path *path, struct rule_value *value) {
  *value = machine_null();
  if (machine->customer->lookup == NULL) return true;
  if (!ask(machine, RULE_FUNCTION_NONE, &path->names[0], 1, value)) return false;
  if (path->count == 1) return true;
  *value = value->type == RULE_TYPE_DOCUMENT ? rule_value_of(follow(value->packed, path, 1)) : machine_null();
  return true;
}
