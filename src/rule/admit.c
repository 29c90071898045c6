// admit: the tree is only needed until it was checked; it lives in an arena of its own.
#include "rule/admit.h"

#include <string.h>

#include "rule/ast.h"

static void keep_warnings(struct rule_check *kept, const struct rule_check *check, const char *member) {
  for (size_t i = 0; i < check->warning_count && kept->warning_count < RULE_WARNINGS_MAX; i++) {
    struct rule_diag *warning = &kept->warnings[kept->warning_count++];
    *warning = check->warnings[i];
    if (member == NULL) continue;
    struct diag worded;
    diag_set(&worded, ERR_INVALID, "", "%s: %s", member, check->warnings[i].message);
    memcpy(warning->message, worded.message, sizeof warning->message);
    diag_in_field(&worded, "%s", member);
    memcpy(warning->field, worded.field, sizeof warning->field);
  }
}

enum err rule_admit(struct bytes text, struct rule_check *check, const char *member, struct rule_check *kept,
                    rule_types *types, struct rule_diag *where, struct diag *diag) {
  struct arena scratch;
  struct rule_node *tree = NULL;
  arena_init(&scratch, 0);
  enum err err = rule_parse(text, &scratch, &tree, where);
  if (err == ERR_OK) err = rule_check(tree, check, where);
  if (err == ERR_OK && types != NULL) *types = tree->types;
  arena_release(&scratch);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err != ERR_OK) return diag_set(diag, err, where->code, "%s", where->message);
  if (kept != NULL) keep_warnings(kept, check, member);
  return ERR_OK;
}
