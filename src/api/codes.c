// Vouchers, promotion codes and cards: made, looked at, tried, used, given back, cancelled, drawn for a scanner. A key
// that asks for too many codes that are not there has to wait (guesses.h).
#include "api/handlers.h"
#include "api/member.h"
#include "api/server.h"
#include "loyalty/code.h"
#include "loyalty/image.h"

enum { QR_SCALE = 8, BARCODE_SCALE = 2 };

enum err codes_make(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "voucher customer code count valid_to value", engine_codes_make, diag);
}

enum err codes_validate(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, "code customer cart amount cashier", &document, diag);
  if (!err) err = member_admit_codes(request, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return member_count_guesses(request, engine_code_validate(request->api->engine, &caller, document, &writer, diag),
                              diag);
}

enum err codes_redeem(struct request *request, struct worker *worker, struct diag *diag) {
  enum err err = member_admit_codes(request, diag);
  if (err) return err;
  err = member_write(request, worker, "code customer cart order_id amount cashier", engine_code_redeem, diag);
  return member_count_guesses(request, err, diag);
}

enum err codes_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  enum err err = member_admit_codes(request, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return member_count_guesses(request, engine_code_json(request->api->engine, request->parameters[0], &writer, diag),
                              diag);
}

enum err codes_roll_back(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  (void)worker;
  enum err err = member_admit_codes(request, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_code_roll_back(request->api->engine, &caller, request->parameters[0], request->parameters[1], &writer,
                              request_commit(request, 200, NULL, NULL), diag);
  return member_count_guesses(request, err, diag);
}

enum err codes_cancel(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  struct bytes reason = BYTES("");
  enum err err = member_admit_codes(request, diag);
  if (!err) err = member_body(request, worker, "reason", &document, diag);
  if (!err && !value_is_absent(document)) err = request_member_text(request, document, "reason", &reason, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_code_cancel(request->api->engine, &caller, request->parameters[0], reason, &writer,
                           request_commit(request, 200, NULL, NULL), diag);
  return member_count_guesses(request, err, diag);
}

// --- pictures ------------------------------------------------------------------------------------------------

// Only of codes that are there.
static enum err draw(struct request *request, enum loyalty_image_kind kind, uint64_t scale, struct diag *diag) {
  char code[LOYALTY_CODE_BYTES + 1];
  enum err err = request_parameters(request, "scale", diag);
  if (!err) err = request_number(request, "scale", scale, 1, LOYALTY_IMAGE_SCALE_MAX, &scale, diag);
  if (!err) err = member_admit_codes(request, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = member_count_guesses(request, engine_code_json(request->api->engine, request->parameters[0], &writer, diag),
                             diag);
  buffer_clear(&request->reply);
  if (!err) err = loyalty_code_normalise(request->parameters[0], code, diag);
  if (!err) err = loyalty_image_svg(kind, bytes_from_text(code), (unsigned)scale, &request->reply, diag);
  if (!err) request->content_type = "image/svg+xml";
  return err;
}

enum err codes_qr(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return draw(request, LOYALTY_IMAGE_QR, QR_SCALE, diag);
}

enum err codes_barcode(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return draw(request, LOYALTY_IMAGE_CODE128, BARCODE_SCALE, diag);
}
