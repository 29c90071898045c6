// Two small tables (and the list of loyalty's refusals): codes that have a status of their own, and the kinds of `enum
// err`. A SDK stops on 400 and repeats 5xx and 429, so a request that can never succeed is 400 and one that may succeed
// later is never 4xx.
#include "api/problem.h"

#include <string.h>

#include "base/json_writer.h"
#include "loyalty/code.h"

static const struct {
  const char *code;
  int status;
} by_code[] = {
    {"bad_key", 401},
    {"missing_key", 401},
    {"missing_scope", 403},
    {"server_key_needed", 403},
    {"method_not_allowed", 405},
    {"idempotency_in_flight", 409},
    {"job_running", 409},
    {"idempotency_mismatch", 422},
    {"backup_exists", 422},
    {"still_refused", 422},
    {"not_as_of", 422},
    {"cycle", 422},
    {"unknown_segment", 422},
    {"unknown_attribute", 422},
    {"unknown_score", 422},
    {"segment_event", 422},
    {"in_use", 422},
    {"other_kind", 422},
    {"not_a_list", 422},
    {"not_a_segment", 422},
    {"rate_limited", 429},
};

static const struct {
  enum err err;
  int status;
} by_kind[] = {
    {ERR_INVALID, 400}, {ERR_LIMIT, 400},    {ERR_NOT_FOUND, 404}, {ERR_NO_MEMORY, 503},
    {ERR_IO, 503},      {ERR_CONFLICT, 503}, {ERR_FULL, 507},      {ERR_BUSY, 503},
    {ERR_CORRUPT, 500}, {ERR_DENIED, 403},   {ERR_STOPPED, 503},   {ERR_UNSUPPORTED, 501},
};

static const struct {
  int status;
  const char *title;
} titles[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

int problem_status(const struct diag *diag) {
  for (size_t i = 0; i < sizeof by_code / sizeof *by_code; i++) {
    if (strcmp(by_code[i].code, diag->code) == 0) return by_code[i].status;
  }
  // What the rules of loyalty refuse is no matter of keys, and 409 says that a request is still running.
  if (diag->err == ERR_DENIED && loyalty_refusal_words(diag->code) != NULL) return PROBLEM_UNPROCESSABLE;
  for (size_t i = 0; i < sizeof by_kind / sizeof *by_kind; i++) {
    if (by_kind[i].err == diag->err) return by_kind[i].status;
  }
  return 500;
}

const char *problem_title(int status) {
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
    if (titles[i].status == status) return titles[i].title;
  }
  return "Error";
}

unsigned problem_retry_after_s(int status) {
  switch (status) {
  case 409: // a request with the same Idempotency-Key, or another job, is running
  case 429:
  case 503:
    return 1;
  case 507: // somebody must make room first
    return 30;
  default:
    return 0;
  }
}

static void write_refusal(struct json_writer *writer, const struct rule_diag *refusal) {
  json_member_u64(writer, "line", refusal->place.line);
  json_member_u64(writer, "column", refusal->place.column);
  json_member_u64(writer, "length", refusal->place.length);
  if (refusal->expected[0]) json_member_text(writer, "expected", refusal->expected);
  if (refusal->found[0]) json_member_text(writer, "found", refusal->found);
  if (refusal->nearest[0]) json_member_text(writer, "suggestion", refusal->nearest);
}

void problem_write(struct buffer *out, int status, const struct diag *diag, const struct rule_diag *refusal) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_text(&writer, "type", "about:blank");
  json_member_text(&writer, "title", problem_title(status));
  json_member_i64(&writer, "status", status);
  json_member_text(&writer, "code", diag->code[0] ? diag->code : err_name(diag->err));
  json_member_text(&writer, "detail", diag->message);
  if (diag->field[0]) json_member_text(&writer, "field", diag->field);
  if (refusal) write_refusal(&writer, refusal);
  json_object_end(&writer);
}
