// identity_rules: opened rules and their look-ups.
//
// A type is found by dictionary id several times an event, so ids have a small open-addressed table: at most a quarter
// full, one probe as a rule. Names are looked up only while messages of a new shape are read: a walk.
#include "identity/identity_rules.h"

#include <string.h>

#include "base/alloc.h"
#include "value/value.h"

static void add_slot(struct identity_rules *rules, size_t position) {
  size_t slot = rules->types[position].name % IDENTITY_SLOTS;
  while (rules->slots[slot] != 0) slot = (slot + 1) % IDENTITY_SLOTS;
  rules->slots[slot] = (uint8_t)(position + 1);
}

static enum err intern_types(struct identity_rules *rules, struct names *names, struct diag *diag) {
  for (size_t i = 0; i < rules->type_count; i++) {
    struct identity_type *type = &rules->types[i];
    enum err err = names_intern(names, type->text, &type->name, diag);
    if (err != ERR_OK) return err;
    if (type->name == 0)
      return diag_set(diag, ERR_LIMIT, "too_many_names", "the dictionary of names is full: no new identifier type");
    add_slot(rules, i);
  }
  return ERR_OK;
}

enum err identity_rules_open(struct identity_rules **rules, struct value document, uint64_t version,
                             struct names *names, struct diag *diag) {
  *rules = NULL;
  struct identity_rules *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  arena_init(&made->arena, 0);
  made->version = version;
  enum err err = identity_document_read(made, document, names, diag);
  if (err == ERR_OK) err = intern_types(made, names, diag);
  if (err != ERR_OK) {
    identity_rules_close(made);
    return err;
  }
  *rules = made;
  return ERR_OK;
}

void identity_rules_close(struct identity_rules *rules) {
  if (rules == NULL) return;
  arena_release(&rules->arena);
  alloc_free(rules);
}

uint64_t identity_rules_version(const struct identity_rules *rules) {
  return rules->version;
}

const struct identity_type *identity_types(const struct identity_rules *rules, size_t *count) {
  *count = rules->type_count;
  return rules->types;
}

const struct identity_type *identity_type_find(const struct identity_rules *rules, struct bytes name) {
  for (size_t i = 0; i < rules->type_count; i++)
    if (bytes_equal(rules->types[i].text, name)) return &rules->types[i];
  return NULL;
}

const struct identity_type *identity_type_by_id(const struct identity_rules *rules, uint32_t name) {
  for (size_t slot = name % IDENTITY_SLOTS; rules->slots[slot] != 0; slot = (slot + 1) % IDENTITY_SLOTS) {
    const struct identity_type *type = &rules->types[rules->slots[slot] - 1];
    if (type->name == name) return type;
  }
  return NULL;
}

uint32_t identity_device_people_max(const struct identity_rules *rules) {
  return rules->device_people_max;
}

int64_t identity_device_window_us(const struct identity_rules *rules) {
  return rules->device_window_us;
}
