// What the tests of reading share: a workspace whose every answer is the same in every run, and questions as words.
//
//   message TYPE [t=SECONDS] [id=MESSAGE] [source=NAME] [name=EVENT] TYPE:VALUE... {JSON}
//                                       an event with that message; + stands for a space in EVENT
//   source NAME [region=FR] [priority=N]
//   ask customer|identity|export|events|explain|search|schema|find ...
#pragma once

#include "engine_kit.h"

static inline void read_open(struct kit *kit) {
  struct store *store;
  assert_int_equal(store_open_memory(&store), ERR_OK);
  kit_open_fixed(kit, store);
  kit->check_each = false;
}

static inline enum engine_event_type read_type(const char *word) {
  static const char *const names[] = {"identify", "track", "page", "screen", "group", "alias"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], word) == 0) return (enum engine_event_type)i;
  fail_msg("no such type: %s", word);
  return ENGINE_TRACK;
}

static inline uint32_t read_event_name(struct kit *kit, const char *word) {
  char name[128];
  uint32_t id;
  snprintf(name, sizeof name, "%s", word);
  for (char *at = name; *at != '\0'; at++)
    if (*at == '+') *at = ' ';
  assert_int_equal(names_intern(engine_names(kit->engine), bytes_from_text(name), &id, NULL), ERR_OK);
  return id;
}

// The words of a line and, after them, the JSON that begins at the first brace.
static inline size_t read_words(char *line, char **words, char **json) {
  size_t count = 0;
  char *rest = NULL;
  line[strcspn(line, "\r\n")] = '\0';
  *json = strstr(line, " {");
  if (*json != NULL) *(*json)++ = '\0';
  for (char *word = strtok_r(line, " \t", &rest); word != NULL && count < KIT_WORDS_MAX;
       word = strtok_r(NULL, " \t", &rest))
    words[count++] = word;
  return count;
}

static inline void read_message(struct kit *kit, char *line) {
  char *words[KIT_WORDS_MAX], *json, id[32];
  struct buffer packed;
  struct diag diag;
  size_t count = read_words(line, words, &json);
  struct engine_event event = {.amount_code = 255, .received_us = clock_now_us(&kit->clock)};
  const char *at = kit_option(words, count, "t"), *name = kit_option(words, count, "name");
  const char *source = kit_option(words, count, "source"), *message_id = kit_option(words, count, "id");
  event.type = read_type(words[1]);
  event.gives_traits = event.type == ENGINE_IDENTIFY;
  event.name = read_event_name(kit, name != NULL ? name : event.gives_traits ? "Identified" : "Viewed");
  for (size_t i = 2; i < count; i++) {
    if (!kit_is_identifier(words[i])) continue;
    event.identifiers[event.identifier_count].identifier = kit_identifier(kit, words[i]);
    event.identifiers[event.identifier_count++].reason = IDENTITY_OK;
  }
  snprintf(id, sizeof id, "m%u", kit->next_message++);
  event.message_id = bytes_from_text(message_id != NULL ? message_id : id);
  event.time_us = KIT_EPOCH_US + (at == NULL ? kit->next_message : strtoll(at, NULL, 10)) * CLOCK_SECOND_US;
  event.source = engine_source_find(kit->engine, bytes_from_text(source == NULL ? "web" : source))->id;
  buffer_init(&packed);
  if (value_parse_json(kit->parser, bytes_from_text(json == NULL ? "{}" : json), engine_names(kit->engine), &packed,
                       &diag) != ERR_OK)
    fail_msg("%s: %s", kit->where, diag.message);
  event.message = (struct value){buffer_view(&packed)};
  kit_apply(kit, &event, ENGINE_APPLIED);
  buffer_release(&packed);
}

static inline void read_source(struct kit *kit, char *line) {
  char *words[KIT_WORDS_MAX], *json;
  size_t count = read_words(line, words, &json);
  const char *region = kit_option(words, count, "region"), *priority = kit_option(words, count, "priority");
  struct engine_source source = {.name = bytes_from_text(words[1]),
                                 .kind = ENGINE_SOURCE_TILL,
                                 .region = bytes_from_text(region),
                                 .priority = priority == NULL ? 0 : atoi(priority)};
  struct engine_commit commit = {0};
  uint32_t id;
  assert_int_equal(engine_source_put(kit->engine, &source, &id, &commit, NULL), ERR_OK);
}

// Runs a line of the kit or of this file.
static inline void read_line(struct kit *kit, char *line) {
  if (strncmp(line, "message ", 8) == 0)
    read_message(kit, line);
  else if (strncmp(line, "source ", 7) == 0)
    read_source(kit, line);
  else
    kit_line(kit, line);
}

static inline void read_lines(struct kit *kit, const char *const *lines, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char line[4096];
    snprintf(line, sizeof line, "%s", lines[i]);
    snprintf(kit->where, sizeof kit->where, "line %zu", i + 1);
    read_line(kit, line);
  }
}

// Of a test: a workspace with those lines in it, and its end.
static inline int read_set_up(void **state, struct kit *kit, const char *const *lines, size_t count) {
  *state = kit;
  read_open(kit);
  read_lines(kit, lines, count);
  return 0;
}

static inline int read_tear_down(void **state) {
  kit_close(*state);
  return 0;
}

// --- questions -----------------------------------------------------------------------------------------------

static inline struct bytes read_word(char **words, size_t count, size_t index) {
  return index < count ? bytes_from_text(words[index]) : BYTES("");
}

static inline enum err read_ask_events(struct engine_view *view, uint64_t customer, char **words, size_t count,
                                       struct json_writer *writer, struct diag *diag) {
  char name[128] = "";
  const char *limit = kit_option(words, count, "limit"), *after = kit_option(words, count, "after");
  const char *from = kit_option(words, count, "from"), *to = kit_option(words, count, "to");
  struct engine_events_query query = {.limit = limit == NULL ? 100 : strtoul(limit, NULL, 10),
                                      .after = bytes_from_text(after),
                                      .has_from = from != NULL,
                                      .has_to = to != NULL};
  if (from != NULL) query.from_us = KIT_EPOCH_US + strtoll(from, NULL, 10) * CLOCK_SECOND_US;
  if (to != NULL) query.to_us = KIT_EPOCH_US + strtoll(to, NULL, 10) * CLOCK_SECOND_US;
  if (kit_option(words, count, "name") != NULL) snprintf(name, sizeof name, "%s", kit_option(words, count, "name"));
  for (char *at = name; *at != '\0'; at++)
    if (*at == '+') *at = ' ';
  query.name = bytes_from_text(name);
  return engine_events_json(view, customer, &query, writer, diag);
}

// Asks in words: the verb, then what it needs. The writer's buffer holds the answer.
static inline enum err read_ask(struct engine_view *view, char **words, size_t count, struct json_writer *writer,
                                struct diag *diag) {
  const char *verb = words[0];
  uint64_t customer = 0;
  if (strcmp(verb, "explain") == 0)
    return engine_explain_json(view, read_word(words, count, 1), read_word(words, count, 2), writer, diag);
  if (strcmp(verb, "schema") == 0) return engine_schema_json(view, strtoul(words[1], NULL, 10), writer, diag);
  if (strcmp(verb, "search") == 0) {
    char query[256];
    snprintf(query, sizeof query, "%s", words[2]);
    for (char *at = query; *at != '\0'; at++)
      if (*at == '_') *at = ' ';
    return engine_search_json(view, bytes_from_text(query), strtoul(words[1], NULL, 10), writer, diag);
  }
  enum err err = engine_find(view, read_word(words, count, 1), &customer, diag);
  if (err != ERR_OK) return err;
  if (strcmp(verb, "find") == 0) {
    json_u64(writer, customer);
    return writer->out->failed ? ERR_NO_MEMORY : ERR_OK;
  }
  if (strcmp(verb, "customer") == 0) return engine_customer_json(view, customer, writer, diag);
  if (strcmp(verb, "identity") == 0) return engine_identity_json(view, customer, writer, diag);
  if (strcmp(verb, "export") == 0) return engine_export_json(view, customer, writer, diag);
  if (strcmp(verb, "events") == 0) return read_ask_events(view, customer, words, count, writer, diag);
  return ERR_OK;
}

// The answer to a question as a line of text: JSON, or "! code: message". Freed by the caller.
static inline char *read_answer(struct kit *kit, const char *question) {
  char *line = strdup(question), *words[KIT_WORDS_MAX], *json, *answer;
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  size_t count = read_words(line, words, &json);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  diag_init(&diag);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  if (read_ask(view, words, count, &writer, &diag) != ERR_OK) {
    buffer_clear(&out);
    buffer_append_format(&out, "! %s %s: %s", err_name(diag.err), diag.code, diag.message);
  }
  engine_view_close(view);
  buffer_append_byte(&out, 0);
  answer = strdup((const char *)out.data);
  buffer_release(&out);
  free(line);
  return answer;
}
