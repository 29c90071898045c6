// Fuzz target: expressions.
//
// The input is a text and, behind its first NUL, what a customer is drawn from; when those bytes end, or there are
// none, a generator goes on. Checked: a text gives a tree or a refusal with a place inside it; a tree's print is parsed
// again and prints the same; a tree is checked or refused, with places inside the text, whatever is in hand. What is
// checked is compiled, its program printed, and run over the customer under limits of steps and bytes: the answer is
// the same whether an until is wanted or not, and just before that, and a run fails when the data does. Every cell of
// the columns has to be looked up in the messages.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule/check.h"
#include "rule/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { LATER_DAYS = 4000, EVENTS_MAX = 12, NAMES_MAX = 24, ZONE_BYTES_MAX = 16384, DEPTH_MAX = 3 };
static const int64_t DAY_US = INT64_C(86400000000);
static const int64_t NOW_US = INT64_C(1774749600000000); // 2026-03-29T02:00:00Z: an hour after a clock change

struct drawn {
  struct bytes rest, text; // `text`: the expression, pieces of which are texts of the customer's
  uint64_t random;
  struct names *names;
  uint32_t ids[NAMES_MAX]; // that the program asked for
  size_t id_count;
  struct value traits[NAMES_MAX]; // of ids
  struct value messages[EVENTS_MAX];
  struct value in_hand, item;
  struct rule_columns columns;
  int64_t times[EVENTS_MAX], amounts[EVENTS_MAX];
  uint32_t event_names[EVENTS_MAX], channels[EVENTS_MAX];
  uint8_t codes[EVENTS_MAX];
  size_t allowed; // requests before one fails
  struct arena arena;
};

static uint32_t draw(struct drawn *drawn, uint32_t below) {
  uint64_t number;
  if (drawn->rest.size_bytes > 0) {
    number = drawn->rest.data[0];
    drawn->rest = bytes_of(drawn->rest.data + 1, drawn->rest.size_bytes - 1);
  } else {
    drawn->random = drawn->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    number = drawn->random >> 40;
  }
  return (uint32_t)(number % below);
}

// --- checking ------------------------------------------------------------------------------------------------

// Knows names of an even length, and four to choose the nearest from.
static bool known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  (void)context, (void)kind, (void)of;
  return name.size_bytes % 2 == 0;
}

static bool next(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  static const char *const names[] = {"country", "Order Completed", "total", "vip"};
  (void)context, (void)kind, (void)of;
  if (*place == sizeof names / sizeof names[0]) return false;
  *name = bytes_from_text(names[(*place)++]);
  return true;
}

static void check(struct rule_node *tree, size_t size_bytes, bool condition, enum rule_subject subject) {
  static const struct rule_catalog catalog = {NULL, known, next};
  struct rule_check what = {.catalog = &catalog, .condition = condition, .subject = subject};
  if (condition) what.subject_event = BYTES("Page");
  struct rule_diag diag;
  enum err err = rule_check(tree, &what, &diag);
  assert((err == ERR_OK) == (diag.code[0] == '\0'));
  if (err == ERR_OK) assert(tree->types != 0);
  if (err != ERR_OK) assert(diag.place.offset + diag.place.length <= size_bytes);
  assert(what.warning_count <= RULE_WARNINGS_MAX);
  for (size_t i = 0; i < what.warning_count; i++) {
    const struct rule_diag *warning = &what.warnings[i];
    assert(warning->code[0] != '\0' && warning->place.offset + warning->place.length <= size_bytes);
    if (i > 0) assert(warning->place.offset >= what.warnings[i - 1].place.offset);
  }
}

// --- a customer ----------------------------------------------------------------------------------------------

// The dictionary learns what the program asks for, so that the customer has it.
static enum err name_id(void *context, struct bytes name, uint32_t *id) {
  struct drawn *drawn = context;
  struct diag diag;
  enum err err = names_intern(drawn->names, name, id, &diag);
  if (err == ERR_OK && drawn->id_count < NAMES_MAX) drawn->ids[drawn->id_count++] = *id;
  return err;
}

static struct bytes draw_text(struct drawn *drawn) {
  static const char *const texts[] = {"", "2026-02-28", "2026-03-29T02:30:00", "FR", "a", "\303\211t\303\251", "1.50"};
  enum { TEXTS = sizeof texts / sizeof *texts };
  uint32_t choice = draw(drawn, TEXTS + 3);
  if (choice < TEXTS || drawn->text.size_bytes == 0) return bytes_from_text(texts[choice % TEXTS]);
  size_t from = draw(drawn, (uint32_t)drawn->text.size_bytes), most = drawn->text.size_bytes - from;
  struct bytes piece = bytes_of(drawn->text.data + from, draw(drawn, (uint32_t)most + 1));
  return bytes_is_utf8(piece) ? piece : BYTES("b");
}

static void put_number(struct drawn *drawn, struct value_builder *builder) {
  struct decimal number = decimal_from_i64((int64_t)draw(drawn, 100) - 20);
  uint32_t choice = draw(drawn, 8);
  if (choice == 0) number.exponent = (int16_t)draw(drawn, 250);
  if (choice < 4) number.exponent = (int16_t) - (int)draw(drawn, 4);
  value_put_number(builder, number);
}

static void put_value(struct drawn *drawn, struct value_builder *builder, int depth);

// Each name once at most.
static void put_document(struct drawn *drawn, struct value_builder *builder, int depth) {
  value_document_begin(builder);
  for (size_t i = 0; i < drawn->id_count; i++) {
    bool again = false;
    for (size_t j = 0; j < i; j++) again = again || drawn->ids[j] == drawn->ids[i];
    if (again || draw(drawn, 4) == 0) continue;
    value_put_name(builder, names_text(drawn->names, drawn->ids[i]));
    put_value(drawn, builder, depth + 1);
  }
  value_document_end(builder);
}

static void put_value(struct drawn *drawn, struct value_builder *builder, int depth) {
  switch (draw(drawn, depth < DEPTH_MAX ? 9 : 6)) {
  case 0:
    value_put_null(builder);
    break;
  case 1:
    value_put_bool(builder, draw(drawn, 2) == 1);
    break;
  case 2:
  case 3:
    put_number(drawn, builder);
    break;
  case 6:
    value_list_begin(builder);
    for (uint32_t i = draw(drawn, 4); i > 0; i--) put_value(drawn, builder, depth + 1);
    value_list_end(builder);
    break;
  case 7:
  case 8:
    put_document(drawn, builder, depth);
    break;
  default:
    value_put_text(builder, draw_text(drawn));
  }
}

// Of a message or, unless `document`, of a trait.
static struct value draw_value(struct drawn *drawn, bool document) {
  struct buffer buffer;
  struct value_builder builder;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, drawn->names);
  if (document)
    put_document(drawn, &builder, 0);
  else
    put_value(drawn, &builder, 1);
  assert(value_builder_finish(&builder) == ERR_OK);
  struct value value = {arena_copy(&drawn->arena, buffer_view(&buffer))};
  buffer_release(&buffer);
  return value;
}

// Times stand close to now, equal at times, some of them later. Whatever a cell does not say is in the message.
static void draw_customer(struct drawn *drawn, const struct rule_needs *needs) {
  size_t count = draw(drawn, EVENTS_MAX + 1);
  int64_t time_us = NOW_US - 40 * DAY_US;
  for (size_t i = 0; i < drawn->id_count; i++) drawn->traits[i] = draw_value(drawn, false);
  for (size_t i = 0; i < count; i++) {
    static const int64_t steps_us[] = {0, 1, 60000000, INT64_C(3600000000), INT64_C(86400000000)};
    time_us += steps_us[draw(drawn, 5)] * draw(drawn, 9);
    drawn->times[i] = time_us;
    drawn->event_names[i] = needs->event_count == 0 ? 1 : needs->events[draw(drawn, (uint32_t)needs->event_count)];
    if (draw(drawn, 8) > 0) drawn->messages[i] = draw_value(drawn, true);
  }
  if (draw(drawn, 4) > 0) drawn->in_hand = draw_value(drawn, true);
  if (draw(drawn, 4) > 0) drawn->item = draw_value(drawn, draw(drawn, 2) == 1);
  drawn->columns =
      (struct rule_columns){count, drawn->times, drawn->event_names, drawn->amounts, drawn->codes, drawn->channels};
}

static bool may_ask(struct drawn *drawn) {
  if (drawn->allowed == 0) return false;
  drawn->allowed--;
  return true;
}

static enum err give_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  struct drawn *drawn = context;
  for (size_t i = 1; i < wanted->name_count; i++) assert(wanted->names[i] > wanted->names[i - 1]);
  *columns = drawn->columns;
  return may_ask(drawn) ? ERR_OK : ERR_IO;
}

static enum err give_message(void *context, size_t index, struct value *message) {
  struct drawn *drawn = context;
  assert(index < drawn->columns.count);
  *message = drawn->messages[index];
  return may_ask(drawn) ? ERR_OK : ERR_IO;
}

static enum err give_trait(void *context, uint32_t name, struct value *value) {
  struct drawn *drawn = context;
  for (size_t i = 0; i < drawn->id_count; i++)
    if (drawn->ids[i] == name) *value = drawn->traits[i];
  return may_ask(drawn) ? ERR_OK : ERR_IO;
}

// By the name's size: nobody knows, for ever, or until an instant from which on it is null.
static enum err give_lookup(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                            int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct drawn *drawn = context;
  int64_t end_us = NOW_US + (int64_t)arguments[0].size_bytes * 3600000000;
  assert(count >= 1 && count <= 2 && *until_us == INT64_MAX);
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  bool ends = arguments[0].size_bytes % 3 == 1;
  if (arguments[0].size_bytes % 3 == 0 || (ends && now_us >= end_us)) return may_ask(drawn) ? ERR_OK : ERR_IO;
  if (ends) *until_us = end_us;
  if (function == RULE_FUNCTION_in_segment)
    *value = (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = true};
  else
    *value = rule_value_of(drawn->id_count > 0 ? drawn->traits[0] : (struct value){{NULL, 0}});
  return may_ask(drawn) ? ERR_OK : ERR_IO;
}

// --- runs ----------------------------------------------------------------------------------------------------

// The answer as JSON in `out`; false when it is not known, or the data failed.
static bool run(struct drawn *drawn, struct rule_machine *machine, const struct rule_limits *limits,
                const struct rule_program *program, int64_t now_us, bool want_until, int64_t *until_us,
                struct buffer *out) {
  struct rule_customer customer = {.context = drawn,
                                   .columns = give_columns,
                                   .message = give_message,
                                   .trait = give_trait,
                                   .lookup = give_lookup,
                                   .subject = drawn->in_hand,
                                   .subject_item = drawn->item,
                                   .subject_time_us = NOW_US - DAY_US};
  struct rule_answer answer;
  struct json_writer writer;
  size_t allowed = drawn->allowed;
  enum err err = rule_run(machine, program, &customer, now_us, want_until, &answer);
  assert(err == ERR_OK || (err == ERR_IO && drawn->allowed == 0));
  drawn->allowed = allowed;
  if (err != ERR_OK) return false;
  assert(answer.valid_until_us > now_us && (want_until || answer.valid_until_us == now_us + 1));
  assert(answer.status == RULE_KNOWN || answer.value.type == RULE_TYPE_NULL);
  assert(answer.status == RULE_UNKNOWN || answer.steps <= limits->steps);
  *until_us = answer.valid_until_us;
  buffer_clear(out);
  json_writer_init(&writer, out);
  rule_value_to_json(&writer, &answer.value, drawn->names);
  assert(!out->failed);
  return answer.status == RULE_KNOWN;
}

static void run_all(struct drawn *drawn, const struct rule_program *program, const struct rule_limits *limits) {
  struct rule_machine *machine;
  struct buffer first, second;
  int64_t until_us = 0, ignored_us;
  buffer_init(&first);
  buffer_init(&second);
  assert(rule_machine_open(&machine, limits) == ERR_OK);
  bool is_known = run(drawn, machine, limits, program, NOW_US, true, &until_us, &first);
  if (run(drawn, machine, limits, program, NOW_US, false, &ignored_us, &second) && is_known)
    assert(bytes_equal(buffer_view(&first), buffer_view(&second)));
  int64_t later_us = until_us - 1 < NOW_US + LATER_DAYS * DAY_US ? until_us - 1 : NOW_US + LATER_DAYS * DAY_US;
  if (is_known && run(drawn, machine, limits, program, later_us, true, &ignored_us, &second))
    assert(bytes_equal(buffer_view(&first), buffer_view(&second)));
  drawn->allowed = draw(drawn, 16);
  run(drawn, machine, limits, program, NOW_US, true, &ignored_us, &second);
  drawn->allowed = SIZE_MAX;
  rule_machine_close(machine);
  buffer_release(&second);
  buffer_release(&first);
}

// One with clock changes where this machine has it.
static const struct rule_zone *zone(void) {
  static struct rule_zone *opened;
  static uint8_t content[ZONE_BYTES_MAX];
  if (opened != NULL) return opened;
  FILE *file = fopen("/usr/share/zoneinfo/Europe/Paris", "rb");
  size_t size = file == NULL ? 0 : fread(content, 1, sizeof content, file);
  struct diag diag;
  if (file != NULL) fclose(file);
  if (size == 0 || rule_zone_open(&opened, "Europe/Paris", bytes_of(content, size), &diag) != ERR_OK)
    assert(rule_zone_open_utc(&opened) == ERR_OK);
  return opened;
}

static void compile(struct rule_node *tree, struct bytes text, struct bytes rest) {
  static const struct rule_limits small = {200, 1024}, larger = {50000, (size_t)256 << 10};
  struct drawn drawn = {.text = text, .rest = rest, .random = text.size_bytes, .allowed = SIZE_MAX};
  struct rule_check what = {.subject = (enum rule_subject)draw(&drawn, RULE_SUBJECT_ITEM + 1)};
  struct rule_program *program;
  struct rule_diag refusal;
  struct diag diag;
  struct buffer print;
  if (rule_check(tree, &what, &refusal) != ERR_OK) return;
  struct rule_compile with = {zone(), name_id, &drawn};
  assert(names_open(&drawn.names, NULL, NULL) == ERR_OK);
  arena_init(&drawn.arena, 0);
  buffer_init(&print);
  enum err err = rule_compile(tree, &with, &program, &diag);
  assert(err == ERR_OK || err == ERR_LIMIT);
  if (err == ERR_OK) {
    rule_program_print(program, &print);
    assert(!print.failed && print.size_bytes > 0);
    draw_customer(&drawn, rule_program_needs(program));
    run_all(&drawn, program, &small);
    run_all(&drawn, program, &larger);
    rule_program_close(program);
  }
  buffer_release(&print);
  arena_release(&drawn.arena);
  names_close(drawn.names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  struct buffer first, second;
  const uint8_t *nul = size_bytes == 0 ? NULL : memchr(data, 0, size_bytes);
  struct bytes text = bytes_of(data, nul == NULL ? size_bytes : (size_t)(nul - data));
  struct bytes rest = nul == NULL ? BYTES("") : bytes_of(nul + 1, size_bytes - text.size_bytes - 1);
  arena_init(&arena, 0);
  buffer_init(&first);
  buffer_init(&second);
  if (rule_parse(text, &arena, &tree, &diag) != ERR_OK) {
    assert(tree == NULL && diag.code[0] != '\0' && diag.place.offset + diag.place.length <= text.size_bytes);
  } else {
    rule_print(tree, &first);
    assert(!first.failed);
    for (int subject = RULE_SUBJECT_NONE; subject <= RULE_SUBJECT_ITEM; subject++) {
      check(tree, text.size_bytes, false, (enum rule_subject)subject);
      check(tree, text.size_bytes, true, (enum rule_subject)subject);
    }
    compile(tree, text, rest);
    if (first.size_bytes <= RULE_TEXT_BYTES_MAX) {
      assert(rule_parse(buffer_view(&first), &arena, &tree, &diag) == ERR_OK);
      rule_print(tree, &second);
      assert(bytes_equal(buffer_view(&first), buffer_view(&second)));
    }
  }
  buffer_release(&second);
  buffer_release(&first);
  arena_release(&arena);
  return 0;
}
