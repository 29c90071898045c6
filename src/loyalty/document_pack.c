// document_pack: the stored form. The same members by the same names, amounts as whole numbers of the smallest unit,
// things by their numbers, words as words: an enum may be put in another order. What is zero is left out.
#include <string.h>

#include "loyalty/reading.h"

static void put_bytes(struct value_builder *builder, const struct member *member, struct bytes text) {
  if (text.size_bytes == 0) return;
  value_put_name(builder, bytes_from_text(member->name));
  value_put_text(builder, text);
}

static void put_word(struct value_builder *builder, const struct member *member, const char *word) {
  if (word != NULL) put_bytes(builder, member, bytes_from_text(word));
}

static void put_duration(struct value_builder *builder, const struct member *member, const void *item) {
  struct rule_duration duration;
  char text[FORM_DURATION_BYTES];
  memcpy(&duration, (const char *)item + member->at, sizeof duration);
  if (duration.count == 0) return;
  form_print_duration(duration, text);
  put_word(builder, member, text);
}

static void put_window(struct value_builder *builder, const struct member *member, const struct loyalty_tiers *tiers) {
  if (tiers->window == LOYALTY_WINDOW_ROLLING)
    put_duration(builder, member, tiers);
  else
    put_word(builder, member, form_window_words[tiers->window]);
}

static void put_number(struct value_builder *builder, const struct member *member, int64_t number) {
  if (number == 0 && !member->required) return;
  value_put_name(builder, bytes_from_text(member->name));
  value_put_i64(builder, number);
}

static void put_flag(struct value_builder *builder, const struct member *member, bool yes) {
  if (!yes) return;
  value_put_name(builder, bytes_from_text(member->name));
  value_put_bool(builder, true);
}

static void put_list(struct value_builder *builder, const struct member *member, const void *item) {
  size_t count;
  const char *items;
  memcpy(&count, (const char *)item + member->also, sizeof count);
  memcpy(&items, (const char *)item + member->at, sizeof items);
  if (count == 0) return;
  value_put_name(builder, bytes_from_text(member->name));
  value_list_begin(builder);
  for (size_t i = 0; i < count; i++) document_pack(builder, member->table, items + i * member->table->item_bytes);
  value_list_end(builder);
}

static bool has_something(const struct table *table, const void *item);

// Whether anything of it would be stored.
static bool is_something(const struct table *table, const struct member *member, const void *item) {
  size_t count;
  if (member->choice != 0) return form_is_chosen(table, member, item);
  if (member->form == FORM_GROUP) return has_something(member->table, item);
  if (member->form == FORM_OBJECT) return has_something(member->table, (const char *)item + member->at);
  if (member->form == FORM_WINDOW && ((const struct loyalty_tiers *)item)->window != LOYALTY_WINDOW_ROLLING)
    return true;
  if (member->form == FORM_LIST) {
    memcpy(&count, (const char *)item + member->also, sizeof count);
    return count > 0;
  }
  if (member->size_bytes == sizeof(struct bytes)) { // a length of time is as large; its count comes first
    struct rule_duration duration;
    struct bytes text;
    bool is_length = member->form == FORM_DURATION || member->form == FORM_WINDOW;
    memcpy(&duration, (const char *)item + member->at, sizeof duration);
    memcpy(&text, (const char *)item + member->at, sizeof text);
    return is_length ? duration.count != 0 : text.size_bytes > 0;
  }
  return form_number(member, item) != 0;
}

static bool has_something(const struct table *table, const void *item) {
  for (size_t i = 0; i < table->member_count; i++)
    if (is_something(table, &table->members[i], item)) return true;
  return false;
}

static void put_object(struct value_builder *builder, const struct table *table, const struct member *member,
                       const void *item) {
  if (!is_something(table, member, item)) return;
  value_put_name(builder, bytes_from_text(member->name));
  document_pack(builder, member->table, member->form == FORM_GROUP ? item : (const char *)item + member->at);
}

static void put_plain(struct value_builder *builder, const struct member *member, const void *item) {
  struct bytes text;
  if (member->size_bytes != sizeof text) {
    put_number(builder, member, form_number(member, item));
    return;
  }
  memcpy(&text, (const char *)item + member->at, sizeof text);
  put_bytes(builder, member, text);
}

static void put_member(struct value_builder *builder, const struct table *table, const struct member *member,
                       const void *item) {
  switch (member->form) {
  case FORM_GROUP:
  case FORM_OBJECT:
    put_object(builder, table, member, item);
    return;
  case FORM_LIST:
    put_list(builder, member, item);
    return;
  case FORM_DURATION:
    put_duration(builder, member, item);
    return;
  case FORM_WINDOW:
    put_window(builder, member, item);
    return;
  case FORM_WORD:
    put_word(builder, member, form_word(member, item));
    return;
  case FORM_FLAG:
    if (member->words != NULL)
      put_word(builder, member, form_word(member, item));
    else
      put_flag(builder, member, form_number(member, item) != 0);
    return;
  case FORM_YES:
    put_flag(builder, member, true);
    return;
  default:
    put_plain(builder, member, item);
  }
}

void document_pack(struct value_builder *builder, const struct table *table, const void *item) {
  value_document_begin(builder);
  for (size_t i = 0; i < table->member_count; i++)
    if (form_is_chosen(table, &table->members[i], item)) put_member(builder, table, &table->members[i], item);
  value_document_end(builder);
}
