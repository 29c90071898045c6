// commands_loyalty_points: points spent, held, corrected, passed on; codes made, looked at and used.
//
// A request is written from the words and flags of the command line; the engine judges it.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/advice.h"
#include "cli/ask.h"
#include "cli/print_loyalty.h"
#include "cli/typed.h"
#include "loyalty/image.h"

enum { CART_BYTES_MAX = 1024 * 1024, SVG_SCALE = 8 };

// A request being written.
struct request {
  struct buffer body;
  struct json_writer writer;
  enum err err;
  struct diag *diag;
};

static void request_begin(struct request *request, struct diag *diag) {
  *request = (struct request){.err = ERR_OK, .diag = diag};
  buffer_init(&request->body);
  json_writer_init(&request->writer, &request->body);
  json_object_begin(&request->writer);
}

static void put_text(struct request *request, const char *name, const char *text) {
  if (text == NULL || request->err != ERR_OK) return;
  if (bytes_is_utf8(bytes_from_text(text)))
    json_member_text(&request->writer, name, text);
  else
    request->err = diag_set(request->diag, ERR_INVALID, "usage", "%s is not UTF-8", name);
}

static void put_amount(struct request *request, const char *name, const char *text, bool either) {
  if (text != NULL && request->err == ERR_OK)
    request->err = typed_amount_write(&request->writer, name, text, either, request->diag);
}

static void put_option(struct request *request, const struct options *options, enum option option, const char *name) {
  put_text(request, name, options_text(options, option, NULL));
}

// What most movements of points can be told.
static void put_common(struct request *request, const struct options *options) {
  put_option(request, options, OPTION_PROGRAMME, "programme");
  put_option(request, options, OPTION_CURRENCY, "currency");
  put_option(request, options, OPTION_REFERENCE, "reference");
}

// Of a server the key says who it is.
static void put_why(struct request *request, const struct options *options) {
  put_option(request, options, OPTION_REASON, "reason");
  if (!target_is_remote(options)) put_option(request, options, OPTION_AUTHOR, "author");
}

// Ends the request, asks, shows, and releases it.
static enum err request_send(struct request *request, struct cli *cli, struct target_call *call, bool writes,
                             ask_view_fn *view) {
  enum err err = request->err;
  if (err == ERR_OK) json_object_end(&request->writer);
  if (err == ERR_OK && request->body.failed) err = diag_no_memory(request->diag);
  call->body = buffer_view(&request->body);
  if (err == ERR_OK) err = ask(cli, call, writes, view, request->diag);
  buffer_release(&request->body);
  return advice_add(err, request->diag);
}

// --- points --------------------------------------------------------------------------------------------------

enum err command_loyalty_burn(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_POINTS_BURN};
  struct request request;
  request_begin(&request, diag);
  put_text(&request, "customer", cli->options.args[0]);
  put_amount(&request, "amount", cli->options.args[1], false);
  put_common(&request, &cli->options);
  return request_send(&request, cli, &call, true, print_loyalty_points);
}

enum err command_loyalty_hold(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_POINTS_HOLD};
  struct request request;
  request_begin(&request, diag);
  put_text(&request, "customer", cli->options.args[0]);
  put_amount(&request, "amount", cli->options.args[1], false);
  put_amount(&request, "ttl_s", options_text(&cli->options, OPTION_TTL, NULL), false);
  put_common(&request, &cli->options);
  return request_send(&request, cli, &call, true, print_loyalty_points);
}

enum err command_loyalty_adjust(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_POINTS_ADJUST};
  struct request request;
  if (options_text(&cli->options, OPTION_REASON, NULL) == NULL)
    return diag_set(diag, ERR_INVALID, "usage", "why? give --reason TEXT: it is kept in the statement");
  request_begin(&request, diag);
  put_text(&request, "customer", cli->options.args[0]);
  put_amount(&request, "amount", cli->options.args[1], true);
  put_common(&request, &cli->options);
  put_why(&request, &cli->options);
  return request_send(&request, cli, &call, true, print_loyalty_points);
}

enum err command_loyalty_transfer(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_POINTS_TRANSFER};
  struct request request;
  request_begin(&request, diag);
  put_text(&request, "from", cli->options.args[0]);
  put_text(&request, "to", cli->options.args[1]);
  put_amount(&request, "amount", cli->options.args[2], false);
  put_common(&request, &cli->options);
  put_why(&request, &cli->options);
  return request_send(&request, cli, &call, true, print_loyalty_points);
}

enum err command_loyalty_capture(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_HOLD_CAPTURE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  struct request request;
  request_begin(&request, diag);
  put_amount(&request, "amount", cli->options.args[1], false);
  return request_send(&request, cli, &call, true, print_loyalty_points);
}

enum err command_loyalty_void(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_HOLD_VOID, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &call, true, print_loyalty_points, diag), diag);
}

enum err command_loyalty_approve(struct cli *cli, struct diag *diag) {
  bool one = cli->options.arg_count > 0;
  struct target_call call = {.op = one ? TARGET_APPROVE : TARGET_APPROVALS};
  call.args[TARGET_ARG_ID] = cli->options.args[0];
  return advice_add(ask(cli, &call, one, one ? print_loyalty_points : print_plain, diag), diag);
}

enum err command_loyalty_join(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_MEMBER_JOIN};
  struct request request;
  request_begin(&request, diag);
  put_text(&request, "customer", cli->options.args[0]);
  put_option(&request, &cli->options, OPTION_PROGRAMME, "programme");
  put_option(&request, &cli->options, OPTION_REFERRED_BY, "referred_by");
  return request_send(&request, cli, &call, true, print_loyalty_points);
}

// --- pictures ------------------------------------------------------------------------------------------------

static enum err write_file(const char *path, struct bytes content, struct diag *diag) {
  FILE *file = fopen(path, "we");
  bool written = file != NULL && fwrite(content.data, 1, content.size_bytes, file) == content.size_bytes;
  int error = errno;
  if (file != NULL && fclose(file) != 0 && written) written = false, error = errno;
  return written ? ERR_OK : diag_set(diag, ERR_IO, "io", "cannot write %.200s: %s", path, strerror(error));
}

static enum err write_svg(const struct options *options, struct bytes code, struct diag *diag) {
  const char *path = options_text(options, OPTION_SVG, NULL);
  bool bars = options_given(options, OPTION_BARCODE);
  struct buffer picture;
  if (path == NULL) return ERR_OK;
  buffer_init(&picture);
  enum err err = loyalty_image_svg(bars ? LOYALTY_IMAGE_CODE128 : LOYALTY_IMAGE_QR, code,
                                   bars ? SVG_SCALE / 4 : SVG_SCALE, &picture, diag);
  if (err == ERR_OK) err = write_file(path, buffer_view(&picture), diag);
  buffer_release(&picture);
  return err;
}

// The codes of an answer: a list of texts or of objects, or the one that it is about.
static enum err draw(struct cli *cli, const struct print_document *answer, struct diag *diag) {
  struct value_iter iter = value_iterate(value_member(answer->root, answer->names, BYTES("codes")));
  struct bytes code = BYTES("");
  bool one = value_as_text(value_member(answer->root, answer->names, BYTES("code")), &code), drawn = false;
  enum err err = ERR_OK;
  while (err == ERR_OK && (one || value_next(&iter))) {
    if (!one && !value_as_text(iter.item, &code))
      value_as_text(value_member(iter.item, answer->names, BYTES("code")), &code);
    if (options_given(&cli->options, OPTION_QR)) {
      buffer_append_format(&cli->out, "\n%.*s\n", BYTES_ARG(code));
      err = loyalty_image_blocks(code, isatty(STDOUT_FILENO) != 0, &cli->out, diag);
    }
    if (err == ERR_OK && !drawn) err = write_svg(&cli->options, code, diag);
    drawn = true;
    if (one) break;
  }
  return err;
}

// Shows the answer, then what was asked for of pictures.
static enum err ask_and_draw(struct cli *cli, const struct target_call *call, bool writes, ask_view_fn *view,
                             struct diag *diag) {
  struct print_document answer;
  struct buffer json;
  buffer_init(&json);
  enum err err = ask_call(cli, call, writes, &json, diag);
  if (err == ERR_OK) err = ask_show(cli, buffer_view(&json), view, diag);
  if (err == ERR_OK) {
    err = print_document_init(&answer, buffer_view(&json), diag);
    if (err == ERR_OK) err = draw(cli, &answer, diag);
    print_document_release(&answer);
  }
  buffer_release(&json);
  return err;
}

// --- codes ---------------------------------------------------------------------------------------------------

static enum err make(struct cli *cli, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = TARGET_CODES_MAKE};
  struct request request;
  request_begin(&request, diag);
  put_text(&request, "voucher", options->args[1]);
  put_option(&request, options, OPTION_CUSTOMER, "customer");
  put_option(&request, options, OPTION_CODE, "code");
  put_amount(&request, "count", options_text(options, OPTION_HOW_MANY, NULL), false);
  put_option(&request, options, OPTION_VALID_TO, "valid_to");
  put_amount(&request, "value", options_text(options, OPTION_VALUE, NULL), false);
  enum err err = request.err;
  if (err == ERR_OK) json_object_end(&request.writer);
  if (err == ERR_OK && request.body.failed) err = diag_no_memory(diag);
  call.body = buffer_view(&request.body);
  if (err == ERR_OK) err = ask_and_draw(cli, &call, true, print_loyalty_codes, diag);
  buffer_release(&request.body);
  return advice_add(err, diag);
}

static enum err show(struct cli *cli, struct diag *diag) {
  const struct target_call call = {.op = TARGET_CODE, .args = {[TARGET_ARG_ID] = cli->options.args[1]}};
  return advice_add(ask_and_draw(cli, &call, false, print_plain, diag), diag);
}

static void put_cart(struct request *request, const struct options *options, struct buffer *cart) {
  const char *path = options_text(options, OPTION_CART, NULL);
  if (path == NULL || request->err != ERR_OK) return;
  request->err = ask_read_file(path, CART_BYTES_MAX, cart, request->diag);
  if (request->err != ERR_OK) return;
  json_name(&request->writer, "cart");
  json_raw(&request->writer, buffer_view(cart));
}

static enum err use(struct cli *cli, enum target_op op, struct diag *diag) {
  const struct options *options = &cli->options;
  struct target_call call = {.op = op};
  struct request request;
  struct buffer cart;
  buffer_init(&cart);
  request_begin(&request, diag);
  put_text(&request, "code", options->args[1]);
  put_option(&request, options, OPTION_CUSTOMER, "customer");
  put_cart(&request, options, &cart);
  if (op == TARGET_CODE_REDEEM) {
    put_option(&request, options, OPTION_ORDER, "order_id");
    put_amount(&request, "amount", options_text(options, OPTION_AMOUNT, NULL), false);
  }
  enum err err =
      request_send(&request, cli, &call, true, op == TARGET_CODE_VALIDATE ? print_loyalty_validation : print_plain);
  buffer_release(&cart);
  return err;
}

static enum err roll_back(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_CODE_ROLL_BACK, .args = {[TARGET_ARG_ID] = cli->options.args[1]}};
  call.args[TARGET_ARG_NAME] = cli->options.args[2];
  return advice_add(ask(cli, &call, true, print_plain, diag), diag);
}

static enum err cancel(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_CODE_CANCEL, .args = {[TARGET_ARG_ID] = cli->options.args[1]}};
  struct request request;
  request_begin(&request, diag);
  put_option(&request, &cli->options, OPTION_REASON, "reason");
  return request_send(&request, cli, &call, true, print_plain);
}

enum err command_loyalty_code(struct cli *cli, struct diag *diag) {
  enum { MAKE, SHOW, VALIDATE, REDEEM, ROLLBACK, CANCEL, VERB_COUNT };
  static const struct typed_verb verbs[VERB_COUNT] = {
      [MAKE] = {"make", "VOUCHER", 1, 1},
      [SHOW] = {"show", "CODE", 1, 1},
      [VALIDATE] = {"validate", "CODE", 1, 1},
      [REDEEM] = {"redeem", "CODE", 1, 1},
      [ROLLBACK] = {"rollback", "CODE REDEMPTION", 2, 2},
      [CANCEL] = {"cancel", "CODE", 1, 1},
  };
  size_t verb;
  enum err err = typed_verb_find(&cli->options, "loyalty code", verbs, VERB_COUNT, &verb, diag);
  if (err != ERR_OK) return err;
  switch (verb) {
  case MAKE:
    return make(cli, diag);
  case SHOW:
    return show(cli, diag);
  case VALIDATE:
    return use(cli, TARGET_CODE_VALIDATE, diag);
  case REDEEM:
    return use(cli, TARGET_CODE_REDEEM, diag);
  case ROLLBACK:
    return roll_back(cli, diag);
  default:
    return cancel(cli, diag);
  }
}

enum err command_loyalty_refuse(struct cli *cli, struct diag *diag) {
  struct target_call call = {.op = TARGET_APPROVAL_REFUSE, .args = {[TARGET_ARG_ID] = cli->options.args[0]}};
  return advice_add(ask(cli, &call, true, print_plain, diag), diag);
}
