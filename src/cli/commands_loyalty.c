// commands_loyalty: programmes, campaigns and vouchers as documents; members; baskets, orders and returns.
//
// A request file goes to the engine as it is: what is wrong with it is told by whoever reads it, here or on a server.
#include <stdio.h>
#include <string.h>

#include "cli/advice.h"
#include "cli/ask.h"
#include "cli/print_loyalty.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "cli/typed.h"
#include "engine/members.h"

enum { REQUEST_BYTES_MAX = 4 * 1024 * 1024 };

// --- documents -----------------------------------------------------------------------------------------------

enum { PUT, LIST, SHOW, ARCHIVE };
static const struct typed_verb document_verbs[] = {
    [PUT] = {"put", "FILE", 1, 1},
    [LIST] = {"list", "", 0, 0},
    [SHOW] = {"show", "ID", 1, 1},
    [ARCHIVE] = {"archive", "ID", 1, 1},
};

static void warn(struct bytes json) {
  struct print_document document;
  if (print_document_init(&document, json, NULL) == ERR_OK) print_warnings(&document);
  print_document_release(&document);
}

// Calls and shows, without a word about what to do when it fails.
static enum err call(struct cli *cli, const struct target_call *what, bool writes, ask_view_fn *view, bool warns,
                     struct diag *diag) {
  struct buffer json;
  buffer_init(&json);
  enum err err = ask_call(cli, what, writes, &json, diag);
  if (err == ERR_OK && warns) warn(buffer_view(&json));
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), view, diag);
  buffer_release(&json);
  return err;
}

static enum err send_file(struct cli *cli, enum target_op op, const char *path, bool warns, struct diag *diag) {
  struct target_call what = {.op = op};
  struct buffer body;
  buffer_init(&body);
  enum err err = ask_read_file(path, REQUEST_BYTES_MAX, &body, diag);
  what.body = buffer_view(&body);
  if (err == ERR_OK) err = call(cli, &what, true, print_plain, warns, diag);
  buffer_release(&body);
  return err;
}

static enum err documents(struct cli *cli, const char *command, const enum target_op *ops, struct diag *diag) {
  size_t verb;
  enum err err = typed_verb_find(&cli->options, command, document_verbs, 4, &verb, diag);
  if (err != ERR_OK) return err;
  struct target_call what = {.op = ops[verb], .args = {[TARGET_ARG_ID] = cli->options.args[1]}};
  if (verb == PUT)
    err = send_file(cli, ops[PUT], cli->options.args[1], true, diag);
  else
    err = call(cli, &what, verb == ARCHIVE, verb == LIST ? print_loyalty_documents : print_plain, false, diag);
  return advice_add(err, diag);
}

enum err command_loyalty_programme(struct cli *cli, struct diag *diag) {
  static const enum target_op ops[] = {TARGET_PROGRAMME_PUT, TARGET_PROGRAMMES, TARGET_PROGRAMME,
                                       TARGET_PROGRAMME_ARCHIVE};
  return documents(cli, "loyalty programme", ops, diag);
}

enum err command_loyalty_campaign(struct cli *cli, struct diag *diag) {
  static const enum target_op ops[] = {TARGET_CAMPAIGN_PUT, TARGET_CAMPAIGNS, TARGET_CAMPAIGN, TARGET_CAMPAIGN_ARCHIVE};
  return documents(cli, "loyalty campaign", ops, diag);
}

enum err command_loyalty_voucher(struct cli *cli, struct diag *diag) {
  static const enum target_op ops[] = {TARGET_VOUCHER_PUT, TARGET_VOUCHERS, TARGET_VOUCHER, TARGET_VOUCHER_ARCHIVE};
  return documents(cli, "loyalty voucher", ops, diag);
}

// --- members -------------------------------------------------------------------------------------------------

enum err command_loyalty_member(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_MEMBER, .args = {[TARGET_ARG_REF] = cli->options.args[0]}};
  return advice_add(ask(cli, &what, false, print_loyalty_member, diag), diag);
}

enum err command_loyalty_statement(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call what = {.op = TARGET_STATEMENT, .args = {[TARGET_ARG_REF] = options->args[0]}};
  what.args[TARGET_ARG_PROGRAMME] = options_text(options, OPTION_PROGRAMME, NULL);
  what.args[TARGET_ARG_AFTER] = options_text(options, OPTION_AFTER, NULL);
  what.args[TARGET_ARG_LIMIT] = options_text(options, OPTION_LIMIT, "50");
  return advice_add(ask(cli, &what, false, print_loyalty_statement, diag), diag);
}

static enum err list_changes(struct cli *cli, enum target_op op, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call what = {.op = op, .args = {[TARGET_ARG_CUSTOMER] = options->args[0]}};
  what.args[TARGET_ARG_AUTHOR] = options_text(options, OPTION_AUTHOR, NULL);
  what.args[TARGET_ARG_AFTER] = options_text(options, OPTION_AFTER, NULL);
  what.args[TARGET_ARG_LIMIT] = options_text(options, OPTION_LIMIT, "50");
  return advice_add(ask(cli, &what, false, print_loyalty_audit, diag), diag);
}

enum err command_loyalty_audit(struct cli *cli, struct diag *diag) {
  return list_changes(cli, TARGET_LOYALTY_AUDIT, diag);
}

enum err command_audit(struct cli *cli, struct diag *diag) {
  return list_changes(cli, TARGET_AUDIT, diag);
}

// --- baskets -------------------------------------------------------------------------------------------------

// A receipt needs what was asked, too: the names of the products are in it alone.
static enum err show_receipt(struct cli *cli, struct bytes request, struct bytes reply, bool booked,
                             struct diag *diag) {
  struct print_document document;
  struct buffer both;
  if (options_given(&cli->options, OPTION_JSON) || options_given(&cli->options, OPTION_PRETTY))
    return ask_show(cli, reply, print_plain, diag);
  buffer_init(&both);
  buffer_append_format(&both, "{\"booked\":%s,\"request\":", booked ? "true" : "false");
  buffer_append_bytes(&both, request);
  buffer_append_text(&both, ",\"reply\":");
  buffer_append_bytes(&both, reply);
  buffer_append_byte(&both, '}');
  enum err err = both.failed ? diag_no_memory(diag) : print_document_init(&document, buffer_view(&both), diag);
  if (err == ERR_OK) print_loyalty_receipt(&document, &cli->out);
  if (!both.failed) print_document_release(&document);
  buffer_release(&both);
  return err;
}

static enum err basket(struct cli *cli, enum target_op op, struct diag *diag) {
  struct target_call what = {.op = op};
  struct target *target = NULL;
  struct buffer body, json;
  buffer_init(&body);
  buffer_init(&json);
  enum err err = ask_read_file(cli->options.args[0], REQUEST_BYTES_MAX, &body, diag);
  what.body = buffer_view(&body);
  if (err == ERR_OK) err = target_open(&target, &cli->options, true, diag);
  if (err == ERR_OK) err = target_call(target, &what, &json, diag);
  target_close(target);
  if (err == ERR_OK) err = show_receipt(cli, buffer_view(&body), buffer_view(&json), op == TARGET_ORDER, diag);
  buffer_release(&json);
  buffer_release(&body);
  return advice_add(err, diag);
}

enum err command_loyalty_evaluate(struct cli *cli, struct diag *diag) {
  return basket(cli, TARGET_EVALUATE, diag);
}

enum err command_loyalty_order(struct cli *cli, struct diag *diag) {
  return basket(cli, TARGET_ORDER, diag);
}

enum err command_loyalty_receipt(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_ORDER_SHOW, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &what, true, print_plain, diag), diag);
}

enum err command_loyalty_batch(struct cli *cli, struct diag *diag) {
  return advice_add(send_file(cli, TARGET_TILL_BATCH, cli->options.args[0], false, diag), diag);
}

enum err command_loyalty_return(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  const char *lines = options_text(options, OPTION_LINES, NULL);
  char id[TYPED_ID_BYTES];
  struct json_writer writer;
  struct buffer body;
  enum err err = ERR_OK;
  buffer_init(&body);
  typed_id_make("return-", id);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_text(&writer, "return_id", options_text(options, OPTION_RETURN_ID, id));
  if (lines != NULL) err = typed_lines_write(&writer, lines, diag);
  if (err == ERR_OK) json_object_end(&writer);
  if (err == ERR_OK && body.failed) err = diag_no_memory(diag);
  struct target_call what = {.op = TARGET_ORDER_RETURN, .args = {[TARGET_ARG_ID] = options->args[0]}};
  what.body = buffer_view(&body);
  if (err == ERR_OK) err = ask(cli, &what, true, print_loyalty_return, diag);
  buffer_release(&body);
  return advice_add(err, diag);
}

enum err command_loyalty_cancel(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_ORDER_CANCEL, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &what, true, print_loyalty_return, diag), diag);
}

enum err command_loyalty_reopen(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_ORDER_REOPEN, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &what, true, print_plain, diag), diag);
}

enum err command_loyalty_release(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_ORDER_RELEASE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &what, true, print_plain, diag), diag);
}

// --- programmes as a whole -------------------------------------------------------------------------------------

enum err command_loyalty_liability(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_LIABILITY, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &what, false, print_loyalty_liability, diag), diag);
}

static void print_refusals(const struct print_document *document, struct buffer *out) {
  struct value_iter iter = value_iterate(value_member(document->root, document->names, BYTES("items")));
  while (value_next(&iter)) {
    buffer_append_text(out, "  ");
    print_member(out, document, iter.item, "code", 34);
    buffer_append_byte(out, ' ');
    print_member(out, document, iter.item, "message", 0);
    buffer_append_byte(out, '\n');
  }
}

enum err command_loyalty_refusals(struct cli *cli, struct diag *diag) {
  const struct target_call what = {.op = TARGET_REFUSALS};
  return ask(cli, &what, false, print_refusals, diag);
}

static void print_breach(void *context, const char *what) {
  struct progress *progress = context;
  progress_end(progress);
  fprintf(stderr, "rapport: %s\n", what);
}

static bool show_rows(void *context, uint64_t rows) {
  progress_show(context, 0, 0, rows);
  return !stop_is_asked();
}

static enum err verify_here(struct cli *cli, struct diag *diag) {
  struct target_local local;
  struct progress progress;
  uint64_t members = 0, breaches = 0;
  enum err err = target_local_open(&local, &cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  progress_begin(&progress);
  progress.unit = "rows";
  stop_listen(false);
  err = engine_loyalty_verify(local.engine, print_breach, show_rows, &progress, &members, &breaches, diag);
  progress_end(&progress);
  target_local_close(&local);
  if (err != ERR_OK) return err;
  if (options_given(&cli->options, OPTION_JSON))
    buffer_append_format(&cli->out, "{\"members\":%llu,\"breaches\":%llu}\n", (unsigned long long)members,
                         (unsigned long long)breaches);
  else
    buffer_append_format(&cli->out, "%llu member%s, %llu differences\n", (unsigned long long)members,
                         members == 1 ? "" : "s", (unsigned long long)breaches);
  if (breaches == 0) return ERR_OK;
  return diag_set(diag, ERR_CORRUPT, "broken",
                  "%llu balances are not what their entries say; keep this directory, and bring back an earlier backup "
                  "with `rapport restore`",
                  (unsigned long long)breaches);
}

// A server's check recomputes the balances among all else.
enum err command_loyalty_verify(struct cli *cli, struct diag *diag) {
  return target_is_remote(&cli->options) ? command_check(cli, diag) : verify_here(cli, diag);
}
