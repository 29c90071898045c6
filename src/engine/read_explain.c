// read_explain.c: why two identifiers or customer ids are, or are not, one customer.
//
// One customer: the shortest path of accepted pairs between them, with the pairs' own rows. Two customers: what was
// refused and mentions either identifier, and the cannot-links between them. A device is listed by every customer who
// signed in on it; when the other identifier's customer lists it, the question is about that customer. A customer's id
// stands for the identifier that founded it, so that an id that became another's by a merge is explained like any pair.
// The sentence says the one thing that decided: a person's cannot-link before a refusal, a refusal of this very pair
// before another one that stands between the two customers, and "never seen together" when there is none.
#include <inttypes.h>

#include "engine/read.h"

enum { REFUSED_MAX = 100 }; // refusals shown and weighed; a till repeats a pair, but a row is kept once a pair

struct side {
  struct read_target target;
  struct bytes text;      // "type:value", cleaned; or "c42"
  bool by_id;             // asked for as a customer's id; target.identifier is the one that founded it
  struct customer record; // meaningful when `there`
  bool there;
};

struct refusal {
  uint64_t number;
  struct value document;
  enum { MENTIONS_ONE, STANDS_BETWEEN, IS_THE_PAIR } weight;
};

struct explanation {
  struct engine_view *view;
  struct arena *arena;
  struct side a, b;
  bool same;
  size_t *path, path_length;
  struct value *path_rows;
  struct refusal *refusals;
  size_t refusal_count;
  const struct customer_cannot *cannot;
  struct buffer sentence;
};

// --- the two identifiers -------------------------------------------------------------------------------------

// A part of a split may hold no identifier that founded its id: its first one then stands for it.
static struct identifier founder_of(const struct customer *record, uint64_t id) {
  struct identifier founder = {0};
  for (size_t i = 0; i < record->identifier_count; i++)
    if (i == 0 || record->identifiers[i].founded == id) founder = record->identifiers[i].member.identifier;
  return founder;
}

static enum err read_side_by_id(struct engine_view *view, uint64_t id, struct arena *arena, struct side *side) {
  char text[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(id, text);
  side->by_id = true;
  side->text = arena_copy(arena, bytes_from_text(text));
  if (side->text.data == NULL) return ERR_NO_MEMORY;
  enum err err = read_customer_if_there(view, id, arena, &side->record, NULL, &side->there);
  if (err == ERR_OK && side->there) side->target.identifier = founder_of(&side->record, id);
  return err;
}

static enum err read_side(struct engine_view *view, struct bytes reference, struct arena *arena, struct side *side,
                          struct diag *diag) {
  uint64_t id;
  if (customer_id_parse(bytes_trim(reference), &id)) return read_side_by_id(view, id, arena, side);
  enum err err = read_target(view, reference, arena, &side->target, diag);
  if (err != ERR_OK) return err;
  side->text = engine_identifier_text(view->engine, side->target.identifier, arena);
  if (side->text.size_bytes == 0) return ERR_NO_MEMORY;
  if (side->target.customer == 0) return ERR_OK;
  return read_customer_if_there(view, side->target.customer, arena, &side->record, NULL, &side->there);
}

// The device is taken as the other identifier's customer's when that one signed in on it.
static void prefer_customer_of(struct side *device, const struct side *other) {
  if (device->target.device == NULL || !other->there) return;
  if (customer_find_identifier(&other->record, device->target.identifier) < 0) return;
  device->record = other->record;
  device->there = true;
}

// --- one customer --------------------------------------------------------------------------------------------

static enum err read_path_row(struct explanation *why, uint64_t sequence, struct value *row) {
  struct key key;
  engine_edge_key(why->a.record.id, ENGINE_EDGE_LINK, sequence, &key);
  return store_snapshot_get(why->view->snapshot, STORE_EDGE, key_view(&key), why->arena, &row->packed);
}

static enum err find_path(struct explanation *why) {
  const struct customer *record = &why->a.record;
  int a = customer_find_identifier(record, why->a.target.identifier);
  int b = customer_find_identifier(record, why->b.target.identifier);
  if (a < 0 || b < 0 || a == b) return ERR_OK;
  why->path = arena_take(why->arena, (record->edge_count + 1) * sizeof *why->path);
  why->path_rows = arena_take_zero(why->arena, record->edge_count + 1, sizeof *why->path_rows);
  if (why->path == NULL || why->path_rows == NULL) return ERR_NO_MEMORY;
  why->path_length = identity_path(record->identifier_count, record->edges, record->edge_count, (uint16_t)a,
                                   (uint16_t)b, why->arena, why->path);
  if (why->path_length == IDENTITY_PATH_NO_MEMORY) {
    why->path_length = 0;
    return ERR_NO_MEMORY;
  }
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < why->path_length; i++)
    err = read_path_row(why, record->edges[why->path[i]].sequence, &why->path_rows[i]);
  return err;
}

// --- two customers -------------------------------------------------------------------------------------------

static bool lists(const struct explanation *why, const struct side *side, struct bytes text) {
  struct identifier identifier;
  return side->there && engine_identifier_read(why->view->engine, text, &identifier) &&
         customer_find_identifier(&side->record, identifier) >= 0;
}

// Every refusal that mentions either identifier, or stands between an identifier of one customer and one of the other.
static enum err weigh_refusal(void *context, uint64_t number, struct value document) {
  struct explanation *why = context;
  struct bytes x = read_text(document, why->view->engine->id.a), y = read_text(document, why->view->engine->id.b);
  bool x_asked = bytes_equal(x, why->a.text) || bytes_equal(x, why->b.text);
  bool y_asked = bytes_equal(y, why->a.text) || bytes_equal(y, why->b.text);
  bool between =
      (lists(why, &why->a, x) && lists(why, &why->b, y)) || (lists(why, &why->b, x) && lists(why, &why->a, y));
  if (!x_asked && !y_asked && !between) return ERR_OK;
  if (why->refusal_count == REFUSED_MAX) return ERR_STOPPED;
  struct refusal *refusal = &why->refusals[why->refusal_count++];
  refusal->number = number;
  refusal->document.packed = arena_copy(why->arena, document.packed);
  refusal->weight = x_asked && y_asked ? IS_THE_PAIR : between ? STANDS_BETWEEN : MENTIONS_ONE;
  return refusal->document.packed.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err find_refusals(struct explanation *why) {
  const struct side *sides[] = {&why->a, &why->b};
  enum err err = ERR_OK;
  why->refusals = arena_take(why->arena, REFUSED_MAX * sizeof *why->refusals);
  if (why->refusals == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; err == ERR_OK && i < 2; i++) {
    if (!sides[i]->there || (i == 1 && why->a.there && why->a.record.id == why->b.record.id)) continue;
    err = read_edges(why->view, &sides[i]->record, ENGINE_EDGE_REFUSED, weigh_refusal, why);
    if (err == ERR_STOPPED) err = ERR_OK;
  }
  return err;
}

static const struct customer_cannot *cannot_between(const struct customer *record, const struct customer *other) {
  for (size_t i = 0; i < record->cannot_count; i++)
    if (customer_find_identifier(other, record->cannots[i].pair.other) >= 0) return &record->cannots[i];
  return NULL;
}

static void find_cannot(struct explanation *why) {
  if (!why->a.there || !why->b.there) return;
  why->cannot = cannot_between(&why->a.record, &why->b.record);
  if (why->cannot == NULL) why->cannot = cannot_between(&why->b.record, &why->a.record);
}

static const struct refusal *heaviest(const struct explanation *why) {
  const struct refusal *best = NULL;
  for (size_t i = 0; i < why->refusal_count; i++)
    if (best == NULL || why->refusals[i].weight > best->weight) best = &why->refusals[i];
  return best == NULL || best->weight == MENTIONS_ONE ? NULL : best;
}

// --- the sentence --------------------------------------------------------------------------------------------

static void say(struct explanation *why, const char *text) {
  buffer_append_text(&why->sentence, text);
}

static void say_bytes(struct explanation *why, struct bytes text) {
  buffer_append_bytes(&why->sentence, text);
}

static void say_customer(struct explanation *why, uint64_t id) {
  char text[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(id, text);
  say(why, text);
}

static void say_member(struct explanation *why, const char *before, struct value document, uint32_t name) {
  struct bytes text = read_text(document, name);
  if (text.size_bytes == 0) return;
  say(why, before);
  say_bytes(why, text);
}

static void say_where(struct explanation *why, struct value document) {
  say_member(why, " from ", document, why->view->engine->id.source);
  say_member(why, " at ", document, why->view->engine->id.time);
}

static void say_link(struct explanation *why, struct value document) {
  const struct engine *engine = why->view->engine;
  struct bytes rule = read_text(document, engine->id.rule);
  say_bytes(why, read_text(document, engine->id.a));
  if (bytes_equal(rule, BYTES("sign_in")))
    say(why, " signed in on ");
  else if (bytes_equal(rule, BYTES("alias")))
    say(why, " was declared another name of ");
  else
    say(why, " came in the same event as ");
  say_bytes(why, read_text(document, engine->id.b));
  say_where(why, document);
}

// The id of a customer and the identifier it began with need no path.
static void say_beginning(struct explanation *why, const struct side *id, const struct side *other) {
  if (!id->by_id || other->by_id) return;
  say(why, ": ");
  say_bytes(why, id->text);
  say(why, " began with ");
  say_bytes(why, other->text);
}

static void say_same(struct explanation *why) {
  say(why, "They are one customer, ");
  say_customer(why, why->a.record.id);
  if (identifier_equal(why->a.target.identifier, why->b.target.identifier)) {
    say_beginning(why, &why->a, &why->b);
    say_beginning(why, &why->b, &why->a);
  }
  for (size_t i = 0; i < why->path_length; i++) {
    say(why, i == 0 ? ": " : ", and ");
    say_link(why, why->path_rows[i]);
  }
  say(why, ".");
}

static struct bytes reason_words(struct bytes name) {
  for (int i = 0; i < IDENTITY_REASON_COUNT; i++)
    if (bytes_equal(name, bytes_from_text(identity_reason_name((enum identity_reason)i))))
      return bytes_from_text(identity_reason_text((enum identity_reason)i));
  return name;
}

// A reason is a sentence of its own; here it ends another one.
static void say_reason(struct explanation *why, struct bytes name) {
  struct bytes text = reason_words(name);
  if (text.size_bytes == 0) return;
  uint8_t first = text.data[0];
  size_t end = text.data[text.size_bytes - 1] == '.' ? text.size_bytes - 1 : text.size_bytes;
  buffer_append_byte(&why->sentence, first >= 'A' && first <= 'Z' ? first | 0x20 : first);
  say_bytes(why, bytes_of(text.data + 1, end - 1));
}

static void say_refusal(struct explanation *why, struct value document) {
  const struct engine *engine = why->view->engine;
  say(why, "an event");
  say_where(why, document);
  say(why, " carried ");
  say_bytes(why, read_text(document, engine->id.a));
  say(why, " and ");
  say_bytes(why, read_text(document, engine->id.b));
  say(why, ", but they were not joined: ");
  say_reason(why, read_text(document, engine->id.reason));
}

static void say_identifier(struct explanation *why, struct identifier identifier) {
  struct bytes text = engine_identifier_text(why->view->engine, identifier, why->arena);
  if (text.size_bytes == 0) why->sentence.failed = true;
  say_bytes(why, text);
}

static void say_cannot(struct explanation *why, const struct identity_cannot *pair) {
  say(why, "a person parted ");
  say_identifier(why, pair->own);
  say(why, " from ");
  say_identifier(why, pair->other);
  say(why, ", and no event joins them until that is lifted");
}

static void say_different(struct explanation *why) {
  const struct refusal *refusal = heaviest(why);
  say(why, "They are two customers, ");
  say_customer(why, why->a.record.id);
  say(why, " and ");
  say_customer(why, why->b.record.id);
  say(why, ": ");
  if (why->cannot != NULL)
    say_cannot(why, &why->cannot->pair);
  else if (refusal != NULL)
    say_refusal(why, refusal->document);
  else
    say(why, "no event ever carried identifiers of both");
  say(why, ".");
}

static void say_absence(struct explanation *why, const struct side *side) {
  say_bytes(why, side->text);
  if (side->by_id)
    say(why, " is no customer: the id was never given, or the person was erased.");
  else if (side->target.shared)
    say(why, " is used by several people: it is contact data of each and leads to none of them.");
  else
    say(why, side->target.known ? " leads to no customer." : " has never been seen.");
}

static void say_sentence(struct explanation *why) {
  bool both = why->a.there && why->b.there;
  if (both && why->same && bytes_equal(why->a.text, why->b.text))
    say(why, why->a.by_id ? "They are the same customer." : "They are the same identifier.");
  else if (both && why->same)
    say_same(why);
  else if (both)
    say_different(why);
  if (!why->a.there) say_absence(why, &why->a);
  if (!why->a.there && !why->b.there && !bytes_equal(why->a.text, why->b.text)) say(why, " ");
  if (!why->b.there && !bytes_equal(why->a.text, why->b.text)) say_absence(why, &why->b);
}

// --- the answer ----------------------------------------------------------------------------------------------

static void write_customers(const struct explanation *why, struct json_writer *writer) {
  const struct side *sides[] = {&why->a, &why->b};
  json_name(writer, "customers");
  json_array_begin(writer);
  for (size_t i = 0; i < 2; i++) {
    char text[CUSTOMER_ID_TEXT_BYTES];
    if (!sides[i]->there || (i == 1 && why->same)) continue;
    customer_id_format(sides[i]->record.id, text);
    json_text(writer, text);
  }
  json_array_end(writer);
}

static void write_path(const struct explanation *why, struct json_writer *writer) {
  json_name(writer, "path");
  json_array_begin(writer);
  for (size_t i = 0; i < why->path_length; i++)
    read_write_edge(writer, why->view->engine, ENGINE_EDGE_LINK, why->a.record.edges[why->path[i]].sequence,
                    why->path_rows[i]);
  json_array_end(writer);
}

static void write_explanation(const struct explanation *why, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bytes(writer, "a", why->a.text);
  json_member_bytes(writer, "b", why->b.text);
  json_member_bool(writer, "same", why->same);
  write_customers(why, writer);
  write_path(why, writer);
  json_name(writer, "refused");
  json_array_begin(writer);
  for (size_t i = 0; i < why->refusal_count; i++)
    read_write_edge(writer, why->view->engine, ENGINE_EDGE_REFUSED, why->refusals[i].number, why->refusals[i].document);
  json_array_end(writer);
  json_member_bytes(writer, "sentence", buffer_view(&why->sentence));
  json_object_end(writer);
}

static enum err explain(struct explanation *why, struct json_writer *writer) {
  prefer_customer_of(&why->a, &why->b);
  prefer_customer_of(&why->b, &why->a);
  why->same = why->a.there && why->b.there && why->a.record.id == why->b.record.id;
  enum err err = why->same ? find_path(why) : find_refusals(why);
  if (err != ERR_OK) return err;
  if (!why->same) find_cannot(why);
  say_sentence(why);
  if (why->sentence.failed) return ERR_NO_MEMORY;
  write_explanation(why, writer);
  return ERR_OK;
}

enum err engine_explain_json(struct engine_view *view, struct bytes a, struct bytes b, struct json_writer *writer,
                             struct diag *diag) {
  struct arena arena;
  arena_init(&arena, 0);
  struct explanation why = {.view = view, .arena = &arena};
  buffer_init(&why.sentence);
  enum err err = read_side(view, a, &arena, &why.a, diag);
  if (err == ERR_INVALID) diag_in_field(diag, "a");
  if (err == ERR_OK) {
    err = read_side(view, b, &arena, &why.b, diag);
    if (err == ERR_INVALID) diag_in_field(diag, "b");
  }
  if (err == ERR_OK) err = explain(&why, writer);
  buffer_release(&why.sentence);
  arena_release(&arena);
  return read_end(err, writer, diag);
}
