// demo_documents: JSON as a person would write it, put as a person would put it.
#include "cli/demo_documents.h"

#include <string.h>

#include "cli/target.h"
#include "engine/members.h"
#include "identity/identity_rules.h"
#include "value/value.h"

static const char *const segments[] = {
    "{\"id\": \"buyers_90d\", \"name\": \"Bought in the last 90 days\","
    " \"include\": \"exists(\\\"Order Completed\\\" in last 90 days)\"}",

    "{\"id\": \"looked_then_store\", \"name\": \"Looked on the web, bought in a store\","
    " \"include\": \"sequence(\\\"Product Viewed\\\" then \\\"Order Completed\\\" where context.channel = \\\"store\\\""
    " within 14 days)\"}",

    "{\"id\": \"lapsed\", \"name\": \"Good customers who have not come back\","
    " \"include\": \"sum(total of \\\"Order Completed\\\") >= 500\","
    " \"exclude\": [{\"name\": \"bought lately\", \"when\": \"in_segment(\\\"buyers_90d\\\")\"}]}",

    "{\"id\": \"vips\", \"name\": \"The club's best\", \"include\": \"tier(\\\"club\\\") = \\\"vip\\\"\"}",

    "{\"id\": \"spent_12_months\", \"kind\": \"attribute\","
    " \"expression\": \"sum(total of \\\"Order Completed\\\" in last 12 months)\"}",
};
enum { SEGMENTS = sizeof segments / sizeof *segments };

static const char club[] =
    "{\"id\": \"club\", \"name\": \"The club\", \"timezone\": \"Europe/Paris\", \"money\": \"EUR\","
    " \"currencies\": [{\"id\": \"points\", \"validity\": {\"after\": \"12 months\"}, \"worth\": \"0.01\","
    "   \"returns\": \"within_balance\", \"breakage\": 0.2}],"
    " \"tiers\": {\"currency\": \"points\", \"qualifying\": \"earned_in_window\", \"window\": \"12 months\","
    "   \"grace\": \"30 days\", \"downgrade\": \"one\","
    "   \"levels\": [{\"id\": \"standard\", \"from\": 0}, {\"id\": \"premium\", \"from\": 1000},"
    "     {\"id\": \"vip\", \"from\": 4000}]},"
    " \"rules\": [{\"id\": \"purchase\", \"on\": \"Order Completed\", \"earn\": \"floor(paid)\"},"
    "   {\"id\": \"opened\", \"on\": \"Email Opened\", \"earn\": \"1\", \"caps\": [{\"most\": 1, \"per\": \"day\"}]}]}";

static const char welcome[] =
    "{\"id\": \"WELCOME\", \"programme\": \"club\", \"name\": \"Ten euros to begin with\","
    " \"discount\": {\"amount\": \"10.00\"}, \"minimum\": \"50.00\", \"uses\": {\"per_customer\": 1}}";

// --- putting -------------------------------------------------------------------------------------------------

// Puts a document that was read.
typedef enum err put_fn(struct engine *engine, struct value document, struct json_writer *writer,
                        struct engine_commit *commit, struct diag *diag);

static enum err put_text(struct engine *engine, struct bytes text, put_fn *put, struct diag *diag) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer packed, told;
  buffer_init(&packed);
  buffer_init(&told);
  json_writer_init(&writer, &told);
  enum err err = target_parse(engine, text, &packed, diag);
  if (err == ERR_OK) err = put(engine, (struct value){buffer_view(&packed)}, &writer, &commit, diag);
  buffer_release(&packed);
  buffer_release(&told);
  return err;
}

static enum err put_rules(struct engine *engine, struct value document, struct json_writer *writer,
                          struct engine_commit *commit, struct diag *diag) {
  uint64_t version;
  (void)writer;
  return engine_rules_put(engine, document, BYTES("demo"), &version, commit, diag);
}

static enum err put_programme(struct engine *engine, struct value document, struct json_writer *writer,
                              struct engine_commit *commit, struct diag *diag) {
  return engine_loyalty_put(engine, ENGINE_PROGRAMME, document, BYTES("demo"), writer, commit, NULL, diag);
}

static enum err put_voucher(struct engine *engine, struct value document, struct json_writer *writer,
                            struct engine_commit *commit, struct diag *diag) {
  return engine_loyalty_put(engine, ENGINE_VOUCHER, document, BYTES("demo"), writer, commit, NULL, diag);
}

static enum err put_segment(struct engine *engine, struct value document, struct json_writer *writer,
                            struct engine_commit *commit, struct diag *diag) {
  return engine_segment_put(engine, document, BYTES("demo"), writer, commit, NULL, diag);
}

enum err demo_put_rules(struct engine *engine, struct diag *diag) {
  static const char opening[] = "\"types\": {",
                    type[] = "\"pos_id\": {\"class\": \"person\", \"limit\": 3, \"paths\": []},";
  struct bytes rules = identity_rules_default();
  const uint8_t *at = memmem(rules.data, rules.size_bytes, opening, sizeof opening - 1);
  struct buffer text;
  if (at == NULL) return diag_set(diag, ERR_CORRUPT, "rules", "the default rules of identity have no types");
  size_t before = (size_t)(at - rules.data) + sizeof opening - 1;
  buffer_init(&text);
  buffer_append(&text, rules.data, before);
  buffer_append_text(&text, type);
  buffer_append(&text, rules.data + before, rules.size_bytes - before);
  enum err err = text.failed ? diag_no_memory(diag) : put_text(engine, buffer_view(&text), put_rules, diag);
  buffer_release(&text);
  return err;
}

enum err demo_put_club(struct engine *engine, struct diag *diag) {
  enum err err = put_text(engine, BYTES(club), put_programme, diag);
  return err == ERR_OK ? put_text(engine, BYTES(welcome), put_voucher, diag) : err;
}

enum err demo_put_segments(struct engine *engine, void (*tell)(void *context), void *context, struct diag *diag) {
  enum err err = ERR_OK;
  bool idle = false;
  for (size_t i = 0; err == ERR_OK && i < SEGMENTS; i++)
    err = put_text(engine, bytes_from_text(segments[i]), put_segment, diag);
  while (err == ERR_OK && !idle) {
    err = engine_tick(engine, &idle, diag);
    if (tell != NULL) tell(context);
  }
  return err;
}
