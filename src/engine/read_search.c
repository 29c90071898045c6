// read_search.c: find customers by what a person remembers: a name, the beginning of an e-mail, a number.
//
// Identifiers come first, in order of their types' rank, then names by how well they fit (customer/search.h). A
// customer stands in the answer once, with what matched first. A search is a look, not an identification: an identifier
// that several people use leads to the customer it was first seen with.
#include <string.h>

#include "base/limits.h"
#include "customer/search.h"
#include "engine/read.h"

enum { QUERY_LETTERS_MIN = 2, HITS_MAX = LIMIT_PAGE_ROWS };

struct search {
  struct engine_view *view;
  struct arena kept, passing; // of the whole answer; of one candidate
  struct json_writer *writer;
  uint64_t *shown; // ids that are in the answer
  size_t shown_count, limit;
};

// --- one item ------------------------------------------------------------------------------------------------

static struct bytes trait(const struct search *search, const struct customer *record, const char *name) {
  struct bytes text = BYTES("");
  value_as_text(
      customer_trait_value(record, search->view->engine->names, bytes_from_text(name), &search->view->sources), &text);
  return text;
}

static struct bytes first_trait(const struct search *search, const struct customer *record, const char *const *names) {
  struct bytes text = BYTES("");
  for (; *names != NULL && text.size_bytes == 0; names++) text = trait(search, record, *names);
  return text;
}

static void write_text_or_null(struct json_writer *writer, const char *name, struct bytes text) {
  json_name(writer, name);
  if (text.size_bytes == 0)
    json_null(writer);
  else
    json_bytes(writer, text);
}

static enum err write_full_name(struct search *search, const struct customer *record) {
  static const char *const whole[] = {"name", "fullName", "full_name", "displayName", NULL};
  static const char *const given[] = {"firstName", "first_name", "givenName", "given_name", "firstname", NULL};
  static const char *const family[] = {"lastName", "last_name", "familyName", "family_name", "lastname", NULL};
  struct bytes name = first_trait(search, record, whole);
  struct bytes first = first_trait(search, record, given), last = first_trait(search, record, family);
  if (name.size_bytes == 0 && first.size_bytes > 0 && last.size_bytes > 0) {
    name = bytes_from_text(arena_format(&search->passing, "%.*s %.*s", BYTES_ARG(first), BYTES_ARG(last)));
    if (name.size_bytes == 0) return ERR_NO_MEMORY;
  }
  if (name.size_bytes == 0) name = first.size_bytes > 0 ? first : last;
  write_text_or_null(search->writer, "name", name);
  return ERR_OK;
}

static void write_contact(struct search *search, const struct customer *record, const char *name,
                          enum identity_form form) {
  const struct identity_rules *rules = engine_rules(search->view->engine);
  struct bytes value = BYTES("");
  for (size_t i = 0; i < record->identifier_count && value.size_bytes == 0; i++) {
    struct identifier identifier = record->identifiers[i].member.identifier;
    const struct identity_type *type = identity_type_by_id(rules, identifier.type);
    if (type != NULL && type->form == form) value = identifier.value;
  }
  if (value.size_bytes == 0) value = trait(search, record, name);
  write_text_or_null(search->writer, name, value);
}

static enum err write_item(struct search *search, const struct customer *record, struct bytes matched) {
  json_object_begin(search->writer);
  read_write_id(search->writer, "id", record->id);
  enum err err = write_full_name(search, record);
  if (err != ERR_OK) return err;
  write_contact(search, record, "email", IDENTITY_FORM_EMAIL);
  write_contact(search, record, "phone", IDENTITY_FORM_PHONE);
  json_member_u64(search->writer, "identifiers", record->identifier_count);
  json_member_bytes(search->writer, "matched", matched);
  json_object_end(search->writer);
  return ERR_OK;
}

static bool is_full(const struct search *search) {
  return search->shown_count == search->limit;
}

// Shows the customer `id` leads to, unless she is there already.
static enum err show(struct search *search, uint64_t id, struct bytes matched) {
  struct customer record;
  bool found;
  if (id == 0 || is_full(search)) return ERR_OK;
  arena_clear(&search->passing);
  enum err err = read_customer_if_there(search->view, id, &search->passing, &record, NULL, &found);
  if (err != ERR_OK || !found) return err;
  for (size_t i = 0; i < search->shown_count; i++)
    if (search->shown[i] == record.id) return ERR_OK;
  search->shown[search->shown_count++] = record.id;
  return write_item(search, &record, matched);
}

// --- identifiers ---------------------------------------------------------------------------------------------

// A prefix of a normalised number: "+33 6 12", "0033612"; empty when it does not begin like one.
static struct bytes phone_prefix(struct bytes query, uint8_t out[READ_REFERENCE_BYTES + 1]) {
  size_t used = 0, from = 0;
  if (bytes_starts_with(query, BYTES("+")))
    from = 1;
  else if (bytes_starts_with(query, BYTES("00")))
    from = 2;
  else
    return BYTES("");
  out[used++] = '+';
  for (size_t i = from; i < query.size_bytes; i++) {
    if (query.data[i] >= '0' && query.data[i] <= '9')
      out[used++] = query.data[i];
    else if (query.data[i] == '\0' || strchr(" .-()/", query.data[i]) == NULL)
      return BYTES("");
  }
  return used > 1 ? bytes_of(out, used) : BYTES("");
}

static struct bytes prefix_of(const struct identity_type *type, struct bytes query,
                              uint8_t out[READ_REFERENCE_BYTES + 1]) {
  if (type->form == IDENTITY_FORM_PHONE) return phone_prefix(query, out);
  if (type->form != IDENTITY_FORM_EMAIL) return query;
  for (size_t i = 0; i < query.size_bytes; i++)
    out[i] = query.data[i] >= 'A' && query.data[i] <= 'Z' ? query.data[i] | 0x20 : query.data[i];
  return bytes_of(out, query.size_bytes);
}

static enum err show_prefix(struct search *search, const struct identity_type *type, struct bytes query) {
  struct engine_view *view = search->view;
  uint8_t text[READ_REFERENCE_BYTES + 1];
  struct bytes prefix = prefix_of(type, query, text);
  size_t count = 0;
  if (prefix.size_bytes == 0) return ERR_OK;
  struct customer_identifier_row *rows = arena_take(&search->kept, search->limit * sizeof *rows);
  if (rows == NULL) return ERR_NO_MEMORY;
  enum err err = customer_search_identifiers(view->snapshot, view->engine->names, type->name, prefix, search->limit,
                                             &search->kept, rows, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct engine_person_row row;
    if (engine_person_decode(rows[i].row, &row)) err = show(search, row.customer, type->text);
  }
  return err;
}

// The whole value, cleaned: "06 12 34 56 78", "Zoe+shop@gmail.com" are found as they were stored.
static enum err show_whole(struct search *search, const struct identity_type *type, struct bytes query) {
  struct read_target target;
  char *reference = arena_format(&search->kept, "%.*s:%.*s", BYTES_ARG(type->text), BYTES_ARG(query));
  if (reference == NULL) return ERR_NO_MEMORY;
  enum err err = read_target(search->view, bytes_from_text(reference), &search->kept, &target, NULL);
  if (err == ERR_INVALID) return ERR_OK; // no value of this type
  return err == ERR_OK ? show(search, target.customer, type->text) : err;
}

static enum err show_identifiers(struct search *search, struct bytes query) {
  size_t count;
  const struct identity_type *types = identity_types(engine_rules(search->view->engine), &count);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count && !is_full(search); i++) {
    if (types[i].class != IDENTITY_PERSON) continue;
    err = show_whole(search, &types[i], query);
    if (err == ERR_OK && !is_full(search)) err = show_prefix(search, &types[i], query);
  }
  return err;
}

// --- names ---------------------------------------------------------------------------------------------------

static enum err show_names(struct search *search, struct bytes query) {
  struct bytes words[CUSTOMER_QUERY_WORDS_MAX];
  size_t word_count = 0, count = 0;
  struct customer_hit *hits = arena_take(&search->kept, search->limit * sizeof *hits);
  if (hits == NULL) return ERR_NO_MEMORY;
  enum err err = customer_search_words(query, &search->kept, words, &word_count);
  if (err == ERR_OK && word_count > 0)
    err = customer_search(search->view->snapshot, words, word_count, search->limit, &search->kept, hits, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    err = show(search, hits[i].customer, hits[i].match == CUSTOMER_MATCH_TYPO ? BYTES("similar_name") : BYTES("name"));
  return err;
}

// --- the answer ----------------------------------------------------------------------------------------------

static enum err check_query(struct bytes query, size_t limit, struct diag *diag) {
  size_t letters = 0;
  for (size_t i = 0; i < query.size_bytes; i++) letters += (query.data[i] & 0xc0) != 0x80;
  if (limit == 0 || limit > HITS_MAX)
    return diag_set(diag, ERR_INVALID, "bad_limit", "a search gives 1 to %d customers", HITS_MAX);
  if (query.size_bytes > READ_REFERENCE_BYTES || !bytes_is_utf8(query))
    return diag_set(diag, ERR_INVALID, "bad_query", "a search is at most %d bytes of text", READ_REFERENCE_BYTES);
  if (letters < QUERY_LETTERS_MIN)
    return diag_set(diag, ERR_INVALID, "query_too_short", "write at least %d characters to search for",
                    QUERY_LETTERS_MIN);
  return ERR_OK;
}

static enum err run(struct search *search, struct bytes query) {
  uint64_t id = 0;
  enum err err = ERR_OK;
  json_object_begin(search->writer);
  json_name(search->writer, "items");
  json_array_begin(search->writer);
  if (customer_id_parse(query, &id)) err = show(search, id, BYTES("id"));
  if (err == ERR_OK) err = show_identifiers(search, query);
  if (err == ERR_OK && !is_full(search)) err = show_names(search, query);
  if (err != ERR_OK) return err;
  json_array_end(search->writer);
  json_object_end(search->writer);
  return ERR_OK;
}

enum err engine_search_json(struct engine_view *view, struct bytes query, size_t limit, struct json_writer *writer,
                            struct diag *diag) {
  struct search search = {.view = view, .writer = writer, .limit = limit};
  query = bytes_trim(query);
  enum err err = check_query(query, limit, diag);
  if (err != ERR_OK) return err;
  arena_init(&search.kept, 0);
  arena_init(&search.passing, 0);
  search.shown = arena_take(&search.kept, limit * sizeof *search.shown);
  err = search.shown == NULL ? ERR_NO_MEMORY : run(&search, query);
  arena_release(&search.kept);
  arena_release(&search.passing);
  return read_end(err, writer, diag);
}
