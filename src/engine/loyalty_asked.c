// loyalty_asked.c: what rules asked of a customer when an order was booked, for when it is looked at again.
//
// A return may change what promotions an order has, not who she was when she bought: a first purchase is none any more
// once it is booked, and whoever has left a segment since has not lost what it gave her. So the answers to whatever was
// asked of her traits, segments, attributes, level and points stay with the order, and her events are those of then:
// later ones are cut off, and neither can change. A question that nobody asked then (another line decides now) is
// answered as of now.
// The row: its format; the documents that were in force and are no older than the booking, whose versions an instant
// cannot tell apart; then each question with its answer, a packed value, of which an empty one is null.
#include "engine/loyalty.h"

#include <string.h>

enum { FORMAT = 1, ANSWERS_MAX = 256, ANSWER_BYTES_MAX = 1024, PIN_BYTES = 3 };

struct answer {
  struct bytes question;
  struct value value;
};

struct loyalty_asked {
  struct rule_customer customer; // as the facts have it
  struct loyalty_kit *kit;
  struct answer *answers;
  size_t count, capacity;
  bool again;                         // they are given, else noted
  int64_t until_us;                   // AGAIN: of events
  const struct loyalty_set *in_force; // AGAIN: who answers what was not asked
};

// --- questions -----------------------------------------------------------------------------------------------

static void put_bytes(struct buffer *out, struct bytes bytes) {
  if (!buffer_reserve(out, VARINT_BYTES_MAX)) return;
  out->size_bytes = (size_t)(varint_put(out->data + out->size_bytes, bytes.size_bytes) - out->data);
  buffer_append_bytes(out, bytes);
}

static enum err keep_question(struct loyalty_asked *asked, struct buffer *packed, struct bytes *question) {
  *question = (struct bytes){0};
  if (!packed->failed) *question = arena_copy(asked->kit->work->arena, buffer_view(packed));
  buffer_release(packed);
  return question->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err question_of_trait(struct loyalty_asked *asked, uint32_t name, struct bytes *question) {
  struct buffer packed;
  buffer_init(&packed);
  buffer_append_byte(&packed, 't');
  put_bytes(&packed, names_text(asked->kit->work->engine->names, name));
  return keep_question(asked, &packed, question);
}

static enum err question_of_lookup(struct loyalty_asked *asked, enum rule_function function,
                                   const struct bytes *arguments, size_t count, struct bytes *question) {
  struct buffer packed;
  buffer_init(&packed);
  buffer_append_byte(&packed, 'f');
  put_bytes(&packed, bytes_from_text(rule_function_info(function)->name));
  for (size_t i = 0; i < count; i++) put_bytes(&packed, arguments[i]);
  return keep_question(asked, &packed, question);
}

static const struct answer *find(const struct loyalty_asked *asked, struct bytes question) {
  for (size_t i = 0; i < asked->count; i++)
    if (bytes_equal(asked->answers[i].question, question)) return &asked->answers[i];
  return NULL;
}

static enum err add(struct loyalty_asked *asked, struct bytes question, struct value value) {
  struct arena *arena = asked->kit->work->arena;
  if (asked->count == ANSWERS_MAX || value.packed.size_bytes > ANSWER_BYTES_MAX) return ERR_OK;
  struct answer *answers = arena_grow(arena, asked->answers, asked->count, &asked->capacity, 8, sizeof *answers);
  if (answers == NULL) return ERR_NO_MEMORY;
  asked->answers = answers;
  struct value kept = {arena_copy(arena, value.packed)};
  if (kept.packed.data == NULL) return ERR_NO_MEMORY;
  answers[asked->count++] = (struct answer){question, kept};
  return ERR_OK;
}

// What a lookup said, packed; *is_kept false: of a kind that none says (a time, a length).
static enum err pack(struct work *work, const struct rule_value *value, struct buffer *out, bool *is_kept) {
  struct value_builder builder;
  *is_kept = true;
  if (value->type == RULE_TYPE_NULL) return ERR_OK;
  value_builder_init(&builder, out, work->engine->names);
  *is_kept = rule_value_put(&builder, value);
  if (!*is_kept) return ERR_OK;
  return value_builder_finish(&builder);
}

// --- what a run asks for -------------------------------------------------------------------------------------

// Columns are in order of time. What is newest is so among those that are seen.
static enum err give_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  struct loyalty_asked *asked = context;
  struct rule_events_wanted seen = *wanted;
  if (asked->again && asked->until_us < seen.now_us) seen.now_us = asked->until_us;
  enum err err = asked->customer.columns(asked->customer.context, &seen, columns);
  if (err != ERR_OK || !asked->again) return err;
  while (columns->count > 0 && columns->time_us[columns->count - 1] > asked->until_us) columns->count--;
  return ERR_OK;
}

static enum err give_message(void *context, size_t index, struct value *message) {
  struct loyalty_asked *asked = context;
  return asked->customer.message(asked->customer.context, index, message);
}

static enum err give_trait(void *context, uint32_t name, struct value *value) {
  struct loyalty_asked *asked = context;
  struct bytes question;
  enum err err = question_of_trait(asked, name, &question);
  const struct answer *known = err == ERR_OK ? find(asked, question) : NULL;
  if (known != NULL) {
    *value = known->value.packed.size_bytes == 0 ? (struct value){{NULL, 0}} : known->value;
    return ERR_OK;
  }
  if (err == ERR_OK) err = asked->customer.trait(asked->customer.context, name, value);
  return err == ERR_OK && !asked->again ? add(asked, question, *value) : err;
}

static enum err note_lookup(struct loyalty_asked *asked, struct bytes question, const struct rule_value *value) {
  struct buffer packed;
  bool is_kept;
  buffer_init(&packed);
  enum err err = pack(asked->kit->work, value, &packed, &is_kept);
  if (err == ERR_OK && is_kept) err = add(asked, question, (struct value){buffer_view(&packed)});
  buffer_release(&packed);
  return err;
}

static enum err give_lookup(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                            int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct loyalty_asked *asked = context;
  struct work *work = asked->kit->work;
  const struct loyalty_set *then = work->loyalty;
  struct bytes question;
  enum err err = question_of_lookup(asked, function, arguments, count, &question);
  const struct answer *known = err == ERR_OK ? find(asked, question) : NULL;
  if (known != NULL && asked->again) {
    *value = rule_value_of(known->value.packed.size_bytes == 0 ? (struct value){{NULL, 0}} : known->value);
    return ERR_OK;
  }
  if (asked->again) work->loyalty = asked->in_force;
  if (err == ERR_OK)
    err = asked->customer.lookup(asked->customer.context, function, arguments, count, now_us, value, until_us);
  work->loyalty = then;
  return err == ERR_OK && !asked->again && known == NULL ? note_lookup(asked, question, value) : err;
}

static struct loyalty_asked *asked_open(struct loyalty_kit *kit) {
  struct loyalty_asked *asked = arena_take_zero(kit->work->arena, 1, sizeof *asked);
  if (asked == NULL) return NULL;
  asked->customer = kit->facts.customer;
  asked->kit = kit;
  kit->answers = asked;
  kit->facts.customer = (struct rule_customer){
      .context = asked, .columns = give_columns, .message = give_message, .trait = give_trait, .lookup = give_lookup};
  return asked;
}

enum err loyalty_asked_keep(struct loyalty_kit *kit) {
  return asked_open(kit) == NULL ? diag_no_memory(kit->work->diag) : ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

static void put_number(struct buffer *out, uint64_t number) {
  if (!buffer_reserve(out, VARINT_BYTES_MAX)) return;
  out->size_bytes = (size_t)(varint_put(out->data + out->size_bytes, number) - out->data);
}

static void put_pin(struct buffer *out, uint8_t kind, uint32_t number, uint32_t version) {
  put_number(out, kind);
  put_number(out, number);
  put_number(out, version);
}

static void put_pins(const struct loyalty_set *set, int64_t now_us, struct buffer *out) {
  for (size_t i = 0; i < loyalty_set_programmes(set); i++) {
    const struct loyalty_programme *one = loyalty_set_programme_at(set, i);
    if (one->created_us >= now_us) put_pin(out, LOYALTY_KIND_PROGRAMME, one->number, one->version);
  }
  for (size_t i = 0; i < loyalty_set_campaigns(set); i++) {
    const struct loyalty_campaign *one = loyalty_set_campaign_at(set, i);
    if (one->created_us >= now_us) put_pin(out, LOYALTY_KIND_CAMPAIGN, one->number, one->version);
  }
  for (size_t i = 0; i < loyalty_set_vouchers(set); i++) {
    const struct loyalty_voucher *one = loyalty_set_voucher_at(set, i);
    if (one->created_us >= now_us) put_pin(out, LOYALTY_KIND_VOUCHER, one->number, one->version);
  }
}

struct bytes loyalty_asked_nothing(void) {
  static const uint8_t NOTHING[] = {FORMAT, 0};
  return bytes_of(NOTHING, sizeof NOTHING);
}

enum err loyalty_asked_row(const struct loyalty_kit *kit, struct bytes *row) {
  struct work *work = kit->work;
  struct buffer pins, out;
  buffer_init(&pins);
  buffer_init(&out);
  buffer_append_byte(&out, FORMAT);
  put_pins(work->loyalty, work->now_us, &pins);
  put_bytes(&out, buffer_view(&pins));
  for (size_t i = 0; i < kit->answers->count; i++) {
    put_bytes(&out, kit->answers->answers[i].question);
    put_bytes(&out, kit->answers->answers[i].value.packed);
  }
  *row = pins.failed || out.failed ? (struct bytes){NULL, 0} : arena_copy(work->arena, buffer_view(&out));
  buffer_release(&pins);
  buffer_release(&out);
  return row->data == NULL ? diag_no_memory(work->diag) : ERR_OK;
}

static enum err corrupt(struct work *work) {
  return diag_set(work->diag, ERR_CORRUPT, "corrupt", "what an order asked of its customer cannot be read");
}

enum err loyalty_asked_pins(struct work *work, struct bytes row, struct loyalty_pin **pins, size_t *count) {
  struct varint_reader reader = varint_reader_of(row);
  if (varint_read_byte(&reader) != FORMAT) return corrupt(work);
  struct bytes packed = varint_read_bytes(&reader);
  struct varint_reader each = varint_reader_of(packed);
  *count = 0;
  *pins = arena_take(work->arena, (packed.size_bytes / PIN_BYTES + 1) * sizeof **pins);
  if (*pins == NULL) return diag_no_memory(work->diag);
  while (!reader.failed && !each.failed && varint_rest_bytes(&each) >= PIN_BYTES) {
    struct loyalty_pin *pin = &(*pins)[(*count)++];
    pin->kind = (uint8_t)varint_read_up_to(&each, LOYALTY_KIND_VOUCHER);
    pin->number = (uint32_t)varint_read_up_to(&each, UINT32_MAX);
    pin->version = (uint32_t)varint_read_up_to(&each, UINT32_MAX);
  }
  return reader.failed || each.failed || varint_rest_bytes(&each) > 0 ? corrupt(work) : ERR_OK;
}

enum err loyalty_asked_again(struct loyalty_kit *kit, struct bytes row, int64_t until_us,
                             const struct loyalty_set *in_force) {
  struct varint_reader reader = varint_reader_of(row);
  struct loyalty_asked *asked = asked_open(kit);
  enum err err = ERR_OK;
  if (asked == NULL) return diag_no_memory(kit->work->diag);
  if (varint_read_byte(&reader) != FORMAT) return corrupt(kit->work);
  varint_read_bytes(&reader); // the pins
  while (err == ERR_OK && !reader.failed && varint_rest_bytes(&reader) > 0) {
    struct bytes question = varint_read_bytes(&reader);
    struct value value = {varint_read_bytes(&reader)};
    if (!reader.failed) err = add(asked, question, value);
  }
  asked->again = true;
  asked->until_us = until_us;
  asked->in_force = in_force;
  if (err != ERR_OK) return diag_no_memory(kit->work->diag);
  return reader.failed ? corrupt(kit->work) : ERR_OK;
}
