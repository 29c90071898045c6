// fuzz_json: value_parse_json against simdjson's DOM parser.
//
// Properties: (1) what we accept the DOM accepts; (2) what the DOM accepts we accept, or refuse for one of our
// documented extra reasons; (3) what we accept passes value_check, and its JSON reads back to an equal value and the
// same packed bytes; (4) as an item of a batch it fares the same; (5) any bytes as a batch do no harm.
#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <string>

extern "C" {
#include "value/value.h"
}

static void require(bool holds) {
  if (!holds) abort();
}

static bool is_extra_refusal(const struct diag &diag) {
  static const char *const codes[] = {"duplicate_key", "number_too_long",  "number_out_of_range",
                                      "too_deep",      "too_many_members", "name_too_long"};
  for (const char *code : codes)
    if (strcmp(diag.code, code) == 0) return true;
  return false;
}

// The DOM reads numbers into 64 bits and refuses what overflows a double; and our limit on depth is lower than its.
static bool dom_accepts(const std::string &text, bool *number_refused) {
  static simdjson::dom::parser parser;
  simdjson::dom::element element;
  simdjson::error_code error = parser.parse(simdjson::padded_string(text)).get(element);
  *number_refused = error == simdjson::NUMBER_ERROR;
  return error == simdjson::SUCCESS;
}

struct outcome {
  int calls = 0;
  bool accepted = false;
  struct bytes expected = {nullptr, 0};
};

extern "C" enum err take_item(void *context, size_t, struct value item, struct bytes, const struct diag *fault) {
  auto *outcome = static_cast<struct outcome *>(context);
  outcome->calls++;
  outcome->accepted = fault == nullptr;
  if (fault == nullptr && outcome->expected.data != nullptr) require(bytes_equal(item.packed, outcome->expected));
  return ERR_OK;
}

static struct names *names;
static struct value_parser *parser;
static struct buffer packed, again, json;

static void check_accepted() {
  require(value_check(buffer_view(&packed), names, nullptr) == ERR_OK);
  struct json_writer writer;
  json_writer_init(&writer, &json);
  value_to_json(&writer, value{buffer_view(&packed)}, names);
  require(value_parse_json(parser, buffer_view(&json), names, &again, nullptr) == ERR_OK);
  require(value_equal(value{buffer_view(&packed)}, value{buffer_view(&again)}));
  require(bytes_equal(buffer_view(&packed), buffer_view(&again)));
}

static void check_batch(const std::string &text, bool accepted) {
  struct outcome outcome;
  std::string batch = "{\"batch\":[" + text + "]}";
  if (accepted) outcome.expected = buffer_view(&packed);
  buffer_clear(&again);
  enum err err = value_parse_batch(parser, bytes_of(batch.data(), batch.size()), bytes_from_text("batch"), 100, names,
                                   &again, take_item, &outcome, nullptr);
  if (accepted) require(err == ERR_OK && outcome.calls == 1 && outcome.accepted);
  outcome.expected = {nullptr, 0};
  buffer_clear(&again);
  (void)value_parse_batch(parser, bytes_of(text.data(), text.size()), bytes_from_text("batch"), 100, names, &again,
                          take_item, &outcome, nullptr);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (names == nullptr && (names_open(&names, nullptr, nullptr) != ERR_OK || value_parser_open(&parser) != ERR_OK))
    abort();
  struct diag diag;
  diag_init(&diag);
  buffer_clear(&packed);
  buffer_clear(&again);
  buffer_clear(&json);
  std::string text(reinterpret_cast<const char *>(data), size);
  bool number_refused = false;
  bool by_dom = dom_accepts(text, &number_refused);
  bool by_us = value_parse_json(parser, bytes_of(data, size), names, &packed, &diag) == ERR_OK;
  require(!by_us || by_dom || number_refused);
  require(by_us || !by_dom || is_extra_refusal(diag));
  if (by_us) check_accepted();
  check_batch(text, by_us);
  return 0;
}
