// target_local: each call of target_ops.def on an engine opened here.
//
// A reading call opens one view for the whole answer; a writing call waits for the store before it tells anything.
#include <assert.h>
#include <string.h>

#include "cli/stop.h"
#include "cli/target_answer.h"
#include "engine/attribution.h"
#include "engine/scores.h"
#include "engine/trade.h"
#include "source/source.h"
#include "value/value.h"

enum { SAMPLE_DEFAULT = 10000, OVERLAP_MAX = 100 };

// --- looking -------------------------------------------------------------------------------------------------

enum err local_customer(struct answer *answer) {
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  return err == ERR_OK ? engine_customer_json(answer->view, customer, answer->writer, answer->diag) : err;
}

enum err local_events(struct answer *answer) {
  struct engine_events_query query = {.name = answer_arg(answer, TARGET_ARG_NAME),
                                      .after = answer_arg(answer, TARGET_ARG_AFTER)};
  uint64_t customer;
  query.has_from = clock_parse(answer_arg(answer, TARGET_ARG_FROM), &query.from_us) == ERR_OK;
  query.has_to = clock_parse(answer_arg(answer, TARGET_ARG_TO), &query.to_us) == ERR_OK;
  query.limit = answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS);
  enum err err = answer_find(answer, &customer);
  return err == ERR_OK ? engine_events_json(answer->view, customer, &query, answer->writer, answer->diag) : err;
}

enum err local_identity(struct answer *answer) {
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  return err == ERR_OK ? engine_identity_json(answer->view, customer, answer->writer, answer->diag) : err;
}

enum err local_export(struct answer *answer) {
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  return err == ERR_OK ? engine_export_json(answer->view, customer, answer->writer, answer->diag) : err;
}

enum err local_search(struct answer *answer) {
  size_t limit = answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS);
  return engine_search_json(answer->view, answer_arg(answer, TARGET_ARG_QUERY), limit, answer->writer, answer->diag);
}

enum err local_explain(struct answer *answer) {
  return engine_explain_json(answer->view, answer_arg(answer, TARGET_ARG_A), answer_arg(answer, TARGET_ARG_B),
                             answer->writer, answer->diag);
}

enum err local_schema(struct answer *answer) {
  size_t sample = answer_number(answer, TARGET_ARG_SAMPLE, SAMPLE_DEFAULT);
  return engine_schema_json(answer->view, sample, answer->writer, answer->diag);
}

enum err local_stats(struct answer *answer) {
  return engine_stats_json(answer->engine, answer->writer, answer->diag);
}

// --- changing customers --------------------------------------------------------------------------------------

enum err local_split(struct answer *answer) {
  struct engine_split split = {.identifier = answer_text(answer, "identifier"),
                               .author = answer_author(answer),
                               .reason = answer_text(answer, "reason")};
  struct bytes edge = answer_text(answer, "edge");
  if (bytes_starts_with(edge, BYTES("e"))) edge = bytes_of(edge.data + 1, edge.size_bytes - 1);
  if (edge.size_bytes > 0 && bytes_to_u64(edge, &split.edge) != ERR_OK) {
    return diag_set(answer->diag, ERR_INVALID, "bad_member", "an edge is named as e12; `rapport identity` shows them");
  }
  struct value_iter iter = value_iterate(value_member(answer->body, engine_names(answer->engine), BYTES("apart")));
  for (size_t i = 0; i < 2 && value_next(&iter); i++) value_as_text(iter.item, &split.apart[i]);
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  if (err != ERR_OK) return err;
  return engine_split_customer(answer->engine, customer, &split, answer->writer, &answer->commit, answer->diag);
}

enum err local_correct(struct answer *answer) {
  struct value traits = value_member(answer->body, engine_names(answer->engine), BYTES("traits"));
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  if (err != ERR_OK) return err;
  return engine_correct(answer->engine, customer, traits, answer_author(answer), answer->writer, &answer->commit,
                        answer->diag);
}

enum err local_erase(struct answer *answer) {
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  if (err != ERR_OK) return err;
  bool suppress = bytes_equal(answer_arg(answer, TARGET_ARG_SUPPRESS), BYTES("true"));
  return engine_erase(answer->engine, customer, suppress, answer->writer, &answer->commit, answer->diag);
}

enum err local_allow(struct answer *answer) {
  struct bytes a = answer_text(answer, "a"), b = answer_text(answer, "b");
  enum err err = engine_allow_link(answer->engine, a, b, &answer->commit, answer->diag);
  if (err != ERR_OK) return err;
  json_object_begin(answer->writer);
  json_member_bytes(answer->writer, "a", a);
  json_member_bytes(answer->writer, "b", b);
  json_member_bool(answer->writer, "allowed", true);
  json_object_end(answer->writer);
  return ERR_OK;
}

// --- rules ---------------------------------------------------------------------------------------------------

enum err local_rules_get(struct answer *answer) {
  uint64_t version = answer_number(answer, TARGET_ARG_VERSION, 0);
  return engine_rules_json(answer->engine, version, answer->writer, answer->diag);
}

static struct value rules_of(const struct answer *answer) {
  return value_member(answer->body, engine_names(answer->engine), BYTES("rules"));
}

enum err local_rules_put(struct answer *answer) {
  uint64_t version;
  enum err err = engine_rules_put(answer->engine, rules_of(answer), answer_author(answer), &version, &answer->commit,
                                  answer->diag);
  if (err != ERR_OK) return err;
  json_object_begin(answer->writer);
  json_member_u64(answer->writer, "version", version);
  json_object_end(answer->writer);
  return ERR_OK;
}

enum err local_rules_try(struct answer *answer) {
  return engine_rules_try(answer->engine, rules_of(answer), answer->writer, answer->diag);
}

enum err local_rerun_state(struct answer *answer) {
  return engine_rerun_json(answer->engine, answer->writer, answer->diag);
}

enum err local_rerun_start(struct answer *answer) {
  return engine_rerun_start(answer->engine, answer_author(answer), answer->writer, &answer->commit, answer->diag);
}

enum err local_rerun_stop(struct answer *answer) {
  return engine_rerun_stop(answer->engine, answer->writer, &answer->commit, answer->diag);
}

// --- segments ------------------------------------------------------------------------------------------------

enum err local_segments(struct answer *answer) {
  return engine_segments_json(answer->engine, answer->writer, answer->diag);
}

enum err local_segment(struct answer *answer) {
  return engine_segment_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

enum err local_segment_put(struct answer *answer) {
  return engine_segment_put(answer->engine, answer->body, BYTES("command line"), answer->writer, &answer->commit, NULL,
                            answer->diag);
}

enum err local_segment_archive(struct answer *answer) {
  return engine_segment_archive(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, &answer->commit,
                                answer->diag);
}

enum err local_scores(struct answer *answer) {
  return engine_scores_json(answer->engine, answer->writer, answer->diag);
}

enum err local_score(struct answer *answer) {
  return engine_score_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

static bool goes_on(void *context, uint64_t done, uint64_t total) {
  (void)context, (void)done, (void)total;
  return !stop_is_asked();
}

enum err local_score_put(struct answer *answer) {
  return engine_score_put(answer->engine, answer->body, BYTES("command line"), goes_on, NULL, answer->writer,
                          &answer->commit, answer->diag);
}

enum err local_score_refresh(struct answer *answer) {
  return engine_score_refresh(answer->engine, answer_arg(answer, TARGET_ARG_ID), goes_on, NULL, answer->writer,
                              &answer->commit, answer->diag);
}

enum err local_score_summaries(struct answer *answer) {
  struct engine_score_asked asked = {.range = answer_arg(answer, TARGET_ARG_RANGE), .progress = goes_on};
  struct bytes at = answer_arg(answer, TARGET_ARG_AT);
  int64_t time_us;
  asked.has_day = at.size_bytes > 0 && clock_parse(at, &time_us) == ERR_OK;
  if (asked.has_day) asked.day = time_us / CLOCK_DAY_US;
  return engine_score_summaries(answer->view, &asked, answer->writer->out, answer->diag);
}

enum err local_score_archive(struct answer *answer) {
  return engine_score_archive(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, &answer->commit,
                              answer->diag);
}

enum err local_segment_members(struct answer *answer) {
  return engine_segment_members_json(
      answer->engine, answer_arg(answer, TARGET_ARG_ID), answer_arg(answer, TARGET_ARG_AFTER),
      answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS), answer->writer, answer->diag);
}

enum err local_segment_changes(struct answer *answer) {
  struct bytes segment = answer->call->op == TARGET_CHANGES ? BYTES("") : answer_arg(answer, TARGET_ARG_ID);
  return engine_changes_json(answer->engine, segment, answer_arg(answer, TARGET_ARG_AFTER),
                             answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS), answer->writer, answer->diag);
}

enum err local_overlap(struct answer *answer) {
  struct bytes text = answer_arg(answer, TARGET_ARG_IDS), ids[OVERLAP_MAX];
  size_t count = 0, begin = 0;
  for (size_t i = 0; i <= text.size_bytes && count < OVERLAP_MAX; i++) {
    if (i < text.size_bytes && text.data[i] != ',') continue;
    ids[count++] = bytes_of(text.data + begin, i - begin);
    begin = i + 1;
  }
  return engine_segments_overlap_json(answer->engine, ids, count, answer->writer, answer->diag);
}

static enum err change_list(struct answer *answer, bool listed) {
  struct value list = value_member(answer->body, engine_names(answer->engine), BYTES("references"));
  struct value_iter iter = value_iterate(list);
  size_t count = 0;
  while (value_next(&iter)) count++;
  struct bytes *references = arena_take_zero(answer->arena, count + 1, sizeof *references);
  if (references == NULL) return diag_no_memory(answer->diag);
  iter = value_iterate(list);
  for (size_t i = 0; value_next(&iter); i++) value_as_text(iter.item, &references[i]);
  return engine_list_change(answer->engine, answer_arg(answer, TARGET_ARG_ID), references, count, listed,
                            answer->writer, &answer->commit.mark, answer->diag);
}

enum err local_list_add(struct answer *answer) {
  return change_list(answer, true);
}

enum err local_list_remove(struct answer *answer) {
  return change_list(answer, false);
}

// --- what was set aside --------------------------------------------------------------------------------------

enum err local_aside_list(struct answer *answer) {
  size_t limit = answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS);
  return engine_aside_json(answer->engine, answer_arg(answer, TARGET_ARG_AFTER), limit,
                           answer_arg(answer, TARGET_ARG_CODE), answer->writer, answer->diag);
}

struct aside {
  struct bytes text;
  uint32_t source;
  int64_t received_us;
};

static enum err get_aside(struct answer *answer, struct aside *aside) {
  return engine_aside_get(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->arena, &aside->text,
                          &aside->source, &aside->received_us, answer->diag);
}

enum err local_aside_get(struct answer *answer) {
  return engine_aside_item_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

static void write_nothing(struct answer *answer) {
  json_object_begin(answer->writer);
  json_object_end(answer->writer);
}

enum err local_aside_drop(struct answer *answer) {
  struct aside aside;
  enum err err = get_aside(answer, &aside);
  if (err == ERR_OK) {
    err = engine_aside_delete(answer->engine, answer_arg(answer, TARGET_ARG_ID), &answer->commit, answer->diag);
  }
  if (err == ERR_OK) write_nothing(answer);
  return err;
}

static void write_text_or_null(struct json_writer *writer, const char *name, const char *text) {
  json_name(writer, name);
  if (text != NULL) {
    json_text(writer, text);
  } else {
    json_null(writer);
  }
}

static void write_outcome(struct answer *answer, const struct source_item *item) {
  static const char *const names[] = {[SOURCE_TAKEN] = "taken",
                                      [SOURCE_DUPLICATE] = "duplicate",
                                      [SOURCE_REJECTED] = "rejected",
                                      [SOURCE_ASIDE] = "aside"};
  json_object_begin(answer->writer);
  json_member_text(answer->writer, "id", answer->call->args[TARGET_ARG_ID]);
  json_member_text(answer->writer, "outcome", names[item->outcome]);
  write_text_or_null(answer->writer, "code", item->code);
  write_text_or_null(answer->writer, "message", item->message);
  json_object_end(answer->writer);
}

// One that would only be set aside again stays where it is.
static enum err try_event(struct answer *answer, struct source_reader *reader, const struct source_envelope *envelope,
                          struct bytes text) {
  struct engine_event *event = arena_take(answer->arena, sizeof *event);
  struct value_parser *parser;
  struct buffer packed;
  if (event == NULL || value_parser_open(&parser) != ERR_OK) return diag_no_memory(answer->diag);
  buffer_init(&packed);
  enum err err = value_parse_json(parser, text, engine_names(answer->engine), &packed, answer->diag);
  if (err == ERR_OK) {
    struct value message = {buffer_view(&packed)};
    err = source_message_read(reader, envelope, message, text, 0, answer->arena, event, answer->diag);
  }
  value_parser_close(parser);
  buffer_release(&packed);
  if (err != ERR_INVALID && err != ERR_LIMIT) return err;
  struct diag why = *answer->diag;
  return diag_set(answer->diag, ERR_INVALID, "still_refused", "the event is still refused (%s): %.300s", why.code,
                  why.message);
}

// A batch of one, so that the message's own type counts.
static enum err apply_event(struct answer *answer, const struct aside *aside, struct bytes text,
                            struct source_report *report) {
  struct source_reader *reader;
  const struct engine_source *source = engine_source(answer->engine, aside->source);
  struct source_envelope envelope = {
      .source = aside->source, .received_us = aside->received_us, .sent_us = INT64_MIN, .resent = true};
  envelope.trusted = source != NULL && (source->kind == ENGINE_SOURCE_SERVER || source->kind == ENGINE_SOURCE_TILL);
  char *body = arena_format(answer->arena, "{\"batch\":[%.*s]}", BYTES_ARG(text));
  if (body == NULL || source_reader_open(&reader, answer->engine) != ERR_OK) return diag_no_memory(answer->diag);
  enum err err = try_event(answer, reader, &envelope, text);
  if (err == ERR_OK) {
    err = source_body_apply(reader, &envelope, bytes_from_text(body), answer->arena, report, &answer->commit.mark,
                            answer->diag);
  }
  source_reader_close(reader);
  return err;
}

// An event that is set aside once more waits under a new id, so the old row goes in every case.
enum err local_aside_resend(struct answer *answer) {
  struct source_report report = {.count = 0};
  struct aside aside;
  enum err err = get_aside(answer, &aside);
  if (err != ERR_OK) return err;
  struct bytes text = answer->call->body.size_bytes > 0 ? answer->call->body : aside.text;
  if (text.size_bytes == 0) {
    return diag_set(answer->diag, ERR_INVALID, "missing_event",
                    "the event was too large to be kept; give it as a file");
  }
  err = apply_event(answer, &aside, text, &report);
  if (err == ERR_OK && report.count != 1) {
    err = diag_set(answer->diag, ERR_INVALID, "not_an_object", "the file must hold one event");
  }
  if (err == ERR_OK) {
    err = engine_aside_delete(answer->engine, answer_arg(answer, TARGET_ARG_ID), &answer->commit, answer->diag);
  }
  if (err == ERR_OK) write_outcome(answer, &report.items[0]);
  return err;
}

// --- sources and keys ----------------------------------------------------------------------------------------

enum err local_sources(struct answer *answer) {
  return engine_sources_json(answer->engine, answer->writer);
}

static const char *const kind_names[] = {[ENGINE_SOURCE_BROWSER] = "browser",
                                         [ENGINE_SOURCE_SERVER] = "server",
                                         [ENGINE_SOURCE_TILL] = "till",
                                         [ENGINE_SOURCE_FILE] = "file",
                                         [ENGINE_SOURCE_PERSON] = "person"};

static void write_source(struct json_writer *writer, const struct engine_source *source) {
  json_object_begin(writer);
  json_member_u64(writer, "id", source->id);
  json_member_bytes(writer, "name", source->name);
  json_member_text(writer, "kind", kind_names[source->kind]);
  json_member_bytes(writer, "region", source->region);
  json_member_bytes(writer, "user_id_type", source->user_id_type);
  json_member_i64(writer, "priority", source->priority);
  json_object_end(writer);
}

// Members that are not given keep what the source has.
enum err local_source_put(struct answer *answer) {
  struct bytes name = answer_text(answer, "name"), kind = answer_text(answer, "kind");
  const struct engine_source *known = engine_source_find(answer->engine, name);
  struct engine_source wanted = known != NULL ? *known : (struct engine_source){.kind = ENGINE_SOURCE_SERVER};
  struct decimal priority;
  int64_t whole;
  uint32_t id;
  wanted.name = name;
  wanted.region = answer_text(answer, "region");
  wanted.user_id_type = answer_text(answer, "user_id_type");
  for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
    if (bytes_equal(kind, bytes_from_text(kind_names[i]))) wanted.kind = (enum engine_source_kind)i;
  }
  struct value given = value_member(answer->body, engine_names(answer->engine), BYTES("priority"));
  if (value_as_number(given, &priority) && decimal_to_scaled_i64(priority, 0, &whole) == ERR_OK) {
    wanted.priority = (int)whole;
  }
  enum err err = engine_source_put(answer->engine, &wanted, &id, &answer->commit, answer->diag);
  if (err == ERR_OK) write_source(answer->writer, engine_source(answer->engine, id));
  return err;
}

enum err local_keys(struct answer *answer) {
  return engine_keys_json(answer->engine, answer->writer);
}

static void write_key(struct answer *answer, uint64_t id, const struct engine_key *key, const char *text) {
  static const char *const scopes[] = {"collect", "read", "write", "erase", "admin", "till"};
  json_object_begin(answer->writer);
  json_member_u64(answer->writer, "id", id);
  json_member_text(answer->writer, "key", text);
  json_member_text(answer->writer, "kind", key->secret ? "secret" : "write");
  json_member_bytes(answer->writer, "name", key->name);
  json_member_bytes(answer->writer, "source", engine_source(answer->engine, key->source)->name);
  json_name(answer->writer, "scopes");
  json_array_begin(answer->writer);
  for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
    if (key->scopes >> i & 1) json_text(answer->writer, scopes[i]);
  }
  json_array_end(answer->writer);
  json_object_end(answer->writer);
}

enum err local_key_create(struct answer *answer) {
  struct bytes source = answer_text(answer, "source");
  struct engine_key wanted = {.secret = bytes_equal(answer_text(answer, "kind"), BYTES("secret")),
                              .scopes = ENGINE_SCOPE_COLLECT,
                              .name = answer_text(answer, "name")};
  char text[ENGINE_KEY_TEXT_BYTES];
  uint64_t id;
  enum err err = ERR_OK;
  if (wanted.secret) err = engine_scopes_parse(answer_text(answer, "scopes"), &wanted.scopes, answer->diag);
  if (err != ERR_OK) return err;
  const struct engine_source *known = engine_source_find(answer->engine, source.size_bytes > 0 ? source : BYTES("api"));
  if (known == NULL) {
    return diag_set(answer->diag, ERR_NOT_FOUND, "no_source",
                    "there is no source of that name; `rapport source list` lists them");
  }
  wanted.source = known->id;
  err = engine_key_create(answer->engine, &wanted, text, &id, &answer->commit, answer->diag);
  if (err == ERR_OK) write_key(answer, id, &wanted, text);
  return err;
}

enum err local_key_revoke(struct answer *answer) {
  uint64_t id = answer_number(answer, TARGET_ARG_ID, 0);
  enum err err = engine_key_revoke(answer->engine, id, &answer->commit, answer->diag);
  if (err == ERR_OK) write_nothing(answer);
  return err;
}

enum err local_workspace_get(struct answer *answer) {
  engine_workspace_json(answer->engine, answer->writer);
  return ERR_OK;
}

enum err local_workspace_put(struct answer *answer) {
  struct bytes zone = answer_text(answer, "timezone");
  enum err err = engine_zone_put(answer->engine, zone, answer_author(answer), &answer->commit, answer->diag);
  if (err == ERR_OK) engine_workspace_json(answer->engine, answer->writer);
  return err;
}

enum err local_report_settings(struct answer *answer) {
  return trade_json(answer->view, answer->writer, answer->diag);
}

enum err local_report_settings_put(struct answer *answer) {
  return trade_put(answer->engine, answer->body, answer_author(answer), answer->writer, &answer->commit, NULL,
                   answer->diag);
}

enum err local_attribution_settings(struct answer *answer) {
  uint64_t version = answer_number(answer, TARGET_ARG_VERSION, 0);
  return engine_attribution_settings_json(answer->view, version, answer->writer, answer->diag);
}

enum err local_attribution_settings_put(struct answer *answer) {
  return engine_attribution_settings_put(answer->engine, answer->body, answer_author(answer), answer->writer,
                                         &answer->commit, NULL, answer->diag);
}

// Jobs and queries: on a directory the command itself does the work, and looks on.
enum err local_of_a_server(struct answer *answer) {
  return diag_set(answer->diag, ERR_UNSUPPORTED, "unsupported", "only a running server is asked this");
}

// --- the call ------------------------------------------------------------------------------------------------

static enum err (*const functions[TARGET_OP_COUNT])(struct answer *answer) = {
#define OP(upper, method, path, function) [TARGET_##upper] = local_##function,
#include "cli/target_ops.def"
#undef OP
};

static enum err parse(struct engine *engine, struct bytes json, bool question, struct buffer *packed,
                      struct diag *diag) {
  struct value_parser *parser;
  if (value_parser_open(&parser) != ERR_OK) return diag_no_memory(diag);
  if (question) value_parser_add_no_names(parser);
  enum err err = value_parse_json(parser, json, engine_names(engine), packed, diag);
  value_parser_close(parser);
  return err;
}

enum err target_parse(struct engine *engine, struct bytes json, struct buffer *packed, struct diag *diag) {
  return parse(engine, json, false, packed, diag);
}

enum err target_parse_question(struct engine *engine, struct bytes json, struct buffer *packed, struct diag *diag) {
  return parse(engine, json, true, packed, diag);
}

// The body of a resend stays text: the reader of events parses it.
static enum err parse_body(struct answer *answer, struct buffer *packed) {
  if (answer->call->body.size_bytes == 0 || answer->call->op == TARGET_ASIDE_RESEND) return ERR_OK;
  enum err err = target_parse(answer->engine, answer->call->body, packed, answer->diag);
  answer->body = (struct value){buffer_view(packed)};
  return err;
}

enum err target_local_call(struct target_local *local, const struct target_call *call, struct buffer *out,
                           struct diag *diag) {
  struct json_writer writer;
  struct arena arena;
  struct buffer packed;
  struct answer answer = {.engine = local->engine, .call = call, .writer = &writer, .arena = &arena, .diag = diag};
  arena_init(&arena, 0);
  buffer_init(&packed);
  json_writer_init(&writer, out);
  enum err err = engine_view_open(local->engine, &answer.view);
  if (err == ERR_OK) err = parse_body(&answer, &packed);
  if (err == ERR_OK) err = functions[call->op](&answer);
  if (answer.view != NULL) engine_view_close(answer.view);
  if (err == ERR_OK) err = store_wait(local->store, answer.commit.mark, diag);
  buffer_release(&packed);
  arena_release(&arena);
  return err;
}

// --- opening -------------------------------------------------------------------------------------------------

void target_clock(struct clock *clock, const struct options *options) {
  clock_init(clock);
  const struct param_value *held = &options->values[OPTION_TEST_CLOCK];
  if (held->text != NULL) clock_hold(clock, held->number);
}

// Says in terms of the command line what the store says in its own.
static enum err cannot_open(const char *path, enum err err, struct diag *diag) {
  if (strcmp(diag->code, "in_use") == 0) {
    return diag_set(diag, err, "in_use",
                    "%.200s is in use by another process; if that is `rapport serve`, ask it instead: --url "
                    "http://127.0.0.1:8080 with RAPPORT_KEY",
                    path);
  }
  if (strcmp(diag->code, "no_workspace") == 0) {
    return diag_set(diag, err, "no_workspace",
                    "there is no workspace in %.200s; make one with `rapport init --data %.200s`", path, path);
  }
  if (strcmp(diag->code, "exists") == 0) {
    return diag_set(diag, err, "exists", "there is a workspace in %.200s already; use it, or choose another directory",
                    path);
  }
  return err;
}

enum err target_local_open(struct target_local *local, const struct options *options, unsigned flags,
                           struct diag *diag) {
  const char *path = options_text(options, OPTION_DATA, NULL);
  *local = (struct target_local){.store = NULL};
  if (path == NULL) {
    return diag_set(diag, ERR_INVALID, "usage", "where is the workspace? give --data DIR or set RAPPORT_DATA%s",
                    (flags & TARGET_CREATE) != 0 ? "" : ", or --url for a running server");
  }
  struct store_options wanted = {.path = path,
                                 .create = (flags & TARGET_CREATE) != 0,
                                 .cache_bytes = (size_t)options->values[OPTION_CACHE_SIZE].number,
                                 .write_buffer_bytes = (size_t)options->values[OPTION_WRITE_BUFFER].number,
                                 .reserve_bytes = (uint64_t)options_number(options, OPTION_DISK_RESERVE, 0),
                                 .bulk = (flags & TARGET_BULK) != 0};
  struct diag why;
  diag_init(&why);
  enum err err = store_open_rocksdb(&local->store, &wanted, &why);
  if (err != ERR_OK) {
    *diag = why;
    return cannot_open(path, err, diag);
  }
  target_clock(&local->clock, options);
  struct engine_options engine = {.store = local->store,
                                  .clock = &local->clock,
                                  .message_days = (uint32_t)options->values[OPTION_MESSAGE_DAYS].number,
                                  .read_only = (flags & TARGET_READ_ONLY) != 0};
  if ((flags & TARGET_CREATE) != 0) err = engine_create_workspace(local->store, &local->clock, diag);
  if (err == ERR_OK) err = engine_open(&local->engine, &engine, diag);
  if (err != ERR_OK) target_local_close(local);
  return err;
}

void target_local_close(struct target_local *local) {
  if (local->engine != NULL) engine_close(local->engine);
  if (local->store != NULL) store_close(local->store);
  *local = (struct target_local){.store = NULL};
}
