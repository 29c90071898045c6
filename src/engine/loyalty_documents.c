// loyalty_documents.c: programmes, campaigns and vouchers: stored, in force, told.
//
// DOCUMENT rows "loyalty_programme\0<number, version>", and so for campaigns and vouchers, hold one version each; the
// highest version of a number is in force, the others stay for whoever asks what was. One change at a time
// (`changing`): the set that it leads to is compiled before anything is stored, so that what cannot be compiled is
// refused; then its row is committed, then it is put in force, which cannot fail. After a crash between the two,
// opening does the latter.
#include "engine/audit.h"
#include "engine/loyalty.h"

#include <stdio.h>

#include "base/nearest.h"
#include "engine/catalog.h"
#include "engine/open.h"

static const char *const ROWS[] = {"loyalty_programme", "loyalty_campaign", "loyalty_voucher"};
static const char *const WORDS[] = {"programme", "campaign", "voucher"};

void loyalty_document_key(struct key *key, enum loyalty_kind kind, uint32_t number, uint32_t version) {
  engine_number_key(key, ROWS[kind], (uint64_t)number << 32 | version);
}

// All documents in force, in arrays that grow.
struct documents {
  struct arena *arena;
  struct loyalty_programme *programmes;
  struct loyalty_campaign *campaigns;
  struct loyalty_voucher *vouchers;
  size_t counts[3], capacities[3];
  // Of then: those that were in force at that time, and (at that very time or later) those that are pinned.
  bool then;
  int64_t at_us, next_us; // next: the earliest that is left out
  const struct loyalty_pin *pins;
  size_t pin_count;
};

static bool is_of_then(struct documents *documents, enum loyalty_kind kind, uint32_t number, uint32_t version,
                       int64_t created_us) {
  if (!documents->then || created_us < documents->at_us) return true;
  for (size_t i = 0; i < documents->pin_count; i++)
    if (documents->pins[i].kind == kind && documents->pins[i].number == number && documents->pins[i].version >= version)
      return true;
  if (created_us < documents->next_us) documents->next_us = created_us;
  return false;
}

// Room for one more of a kind, or, when `number` is there already, its place.
static void *place_for(struct documents *documents, enum loyalty_kind kind, size_t item_bytes, void **items,
                       size_t known) {
  size_t *count = &documents->counts[kind], *capacity = &documents->capacities[kind];
  if (known < *count) return (uint8_t *)*items + known * item_bytes;
  void *grown = arena_grow(documents->arena, *items, *count, capacity, 16, item_bytes);
  if (grown == NULL) return NULL;
  *items = grown;
  return (uint8_t *)*items + (*count)++ * item_bytes;
}

#define PLACE_OF(documents, kind, array, wanted)                                                                       \
  size_t known = 0;                                                                                                    \
  while (known < (documents)->counts[kind] && (documents)->array[known].number != (wanted)->number) known++;           \
  void *items = (documents)->array;                                                                                    \
  void *place = place_for(documents, kind, sizeof *(wanted), &items, known);                                           \
  (documents)->array = items;                                                                                          \
  if (place == NULL) return ERR_NO_MEMORY;                                                                             \
  memcpy(place, wanted, sizeof *(wanted));                                                                             \
  return ERR_OK

static enum err add_programme(struct documents *documents, const struct loyalty_programme *wanted) {
  PLACE_OF(documents, LOYALTY_KIND_PROGRAMME, programmes, wanted);
}

static enum err add_campaign(struct documents *documents, const struct loyalty_campaign *wanted) {
  PLACE_OF(documents, LOYALTY_KIND_CAMPAIGN, campaigns, wanted);
}

static enum err add_voucher(struct documents *documents, const struct loyalty_voucher *wanted) {
  PLACE_OF(documents, LOYALTY_KIND_VOUCHER, vouchers, wanted);
}

static enum err add_row(struct engine *engine, struct documents *documents, enum loyalty_kind kind, struct bytes row) {
  struct loyalty_programme programme;
  struct loyalty_campaign campaign;
  struct loyalty_voucher voucher;
  struct value packed = {arena_copy(documents->arena, row)};
  if (packed.packed.data == NULL) return ERR_NO_MEMORY;
  enum err err = ERR_OK;
  switch (kind) {
  case LOYALTY_KIND_PROGRAMME:
    err = loyalty_programme_unpack(packed, engine->names, documents->arena, &programme);
    if (err != ERR_OK || !is_of_then(documents, kind, programme.number, programme.version, programme.created_us))
      return err;
    return add_programme(documents, &programme);
  case LOYALTY_KIND_CAMPAIGN:
    err = loyalty_campaign_unpack(packed, engine->names, documents->arena, &campaign);
    if (err != ERR_OK || !is_of_then(documents, kind, campaign.number, campaign.version, campaign.created_us))
      return err;
    return add_campaign(documents, &campaign);
  case LOYALTY_KIND_VOUCHER:
    err = loyalty_voucher_unpack(packed, engine->names, documents->arena, &voucher);
    if (err != ERR_OK || !is_of_then(documents, kind, voucher.number, voucher.version, voucher.created_us)) return err;
    return add_voucher(documents, &voucher);
  }
  return ERR_CORRUPT;
}

// Versions of a number ascend: the last that is read is in force.
static enum err read_kind(struct engine *engine, struct store_snapshot *snapshot, enum loyalty_kind kind,
                          struct documents *documents) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  loyalty_document_key(&from, kind, 0, 0);
  loyalty_document_key(&to, kind, UINT32_MAX, UINT32_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) err = add_row(engine, documents, kind, row);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// --- in force ------------------------------------------------------------------------------------------------

static const struct rule_zone *zone_named(void *context, struct bytes name) {
  return engine_zone_named(context, name);
}

static enum err make_set(struct engine *engine, const struct documents *documents, const struct loyalty_set *older,
                         const struct loyalty_set **set, struct diag *diag) {
  struct loyalty_compile with = {.names = engine->names, .zone = zone_named, .context = engine, .older = older};
  struct loyalty_set *made;
  enum err err = loyalty_set_open(&made, documents->programmes, documents->counts[LOYALTY_KIND_PROGRAMME],
                                  documents->campaigns, documents->counts[LOYALTY_KIND_CAMPAIGN], documents->vouchers,
                                  documents->counts[LOYALTY_KIND_VOUCHER], &with, diag);
  if (err == ERR_OK) *set = made;
  return err;
}

// --- as they were ----------------------------------------------------------------------------------------------

static bool has_pin(const struct documents *then, enum loyalty_kind kind, uint32_t number, uint32_t version) {
  for (size_t i = 0; i < then->pin_count; i++)
    if (then->pins[i].kind == kind && then->pins[i].number == number && then->pins[i].version == version) return true;
  return false;
}

// Nothing has changed since: what is in force was in force.
static bool is_set_of_then(const struct documents *then, const struct loyalty_set *set) {
  for (size_t i = 0; i < loyalty_set_programmes(set); i++) {
    const struct loyalty_programme *one = loyalty_set_programme_at(set, i);
    if (one->created_us >= then->at_us && !has_pin(then, LOYALTY_KIND_PROGRAMME, one->number, one->version))
      return false;
  }
  for (size_t i = 0; i < loyalty_set_campaigns(set); i++) {
    const struct loyalty_campaign *one = loyalty_set_campaign_at(set, i);
    if (one->created_us >= then->at_us && !has_pin(then, LOYALTY_KIND_CAMPAIGN, one->number, one->version))
      return false;
  }
  for (size_t i = 0; i < loyalty_set_vouchers(set); i++) {
    const struct loyalty_voucher *one = loyalty_set_voucher_at(set, i);
    if (one->created_us >= then->at_us && !has_pin(then, LOYALTY_KIND_VOUCHER, one->number, one->version)) return false;
  }
  return true;
}

// Orders of one time share what they had; many returns come of a few days. Those with pins are few.
static const struct loyalty_set *kept_set(struct loyalty *loyalty, const struct documents *then) {
  const struct loyalty_set *set = NULL;
  if (then->pin_count > 0) return NULL;
  pthread_mutex_lock(&loyalty->lock);
  if (loyalty->then != NULL && then->at_us >= loyalty->then_from_us && then->at_us <= loyalty->then_to_us) {
    set = loyalty->then;
    loyalty_set_hold(set);
  }
  pthread_mutex_unlock(&loyalty->lock);
  return set;
}

static void keep_set(struct loyalty *loyalty, const struct documents *then, const struct loyalty_set *set) {
  if (then->pin_count > 0) return;
  loyalty_set_hold(set);
  pthread_mutex_lock(&loyalty->lock);
  const struct loyalty_set *before = loyalty->then;
  loyalty->then = set;
  loyalty->then_from_us = then->at_us;
  loyalty->then_to_us = then->next_us;
  pthread_mutex_unlock(&loyalty->lock);
  if (before != NULL) loyalty_set_close(before);
}

static enum err read_set_of_then(struct engine *engine, struct documents *then, const struct loyalty_set *older,
                                 const struct loyalty_set **set, struct diag *diag) {
  struct store_snapshot *snapshot;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  for (int kind = 0; err == ERR_OK && kind <= LOYALTY_KIND_VOUCHER; kind++)
    err = read_kind(engine, snapshot, (enum loyalty_kind)kind, then);
  store_snapshot_close(snapshot);
  return err == ERR_OK ? make_set(engine, then, older, set, diag) : engine_explain_failure(err, diag);
}

enum err loyalty_set_of_then(struct engine *engine, int64_t at_us, const struct loyalty_pin *pins, size_t pin_count,
                             const struct loyalty_set **set, struct diag *diag) {
  struct arena arena;
  struct documents then = {
      .arena = &arena, .then = true, .at_us = at_us, .next_us = INT64_MAX, .pins = pins, .pin_count = pin_count};
  const struct loyalty_set *in_force = loyalty_hold(engine);
  if (is_set_of_then(&then, in_force)) {
    *set = in_force;
    return ERR_OK;
  }
  *set = kept_set(engine->loyalty, &then);
  if (*set != NULL) {
    loyalty_set_close(in_force);
    return ERR_OK;
  }
  arena_init(&arena, 0);
  enum err err = read_set_of_then(engine, &then, in_force, set, diag);
  if (err == ERR_OK) keep_set(engine->loyalty, &then, *set);
  arena_release(&arena);
  loyalty_set_close(in_force);
  return err;
}

enum err loyalty_open(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag) {
  struct loyalty *loyalty = alloc_zero(1, sizeof *loyalty);
  struct arena arena;
  engine->loyalty = loyalty;
  if (loyalty == NULL) return diag_no_memory(diag);
  loyalty->walk.from_us = INT64_MIN;
  pthread_mutex_init(&loyalty->lock, NULL);
  pthread_mutex_init(&loyalty->changing, NULL);
  pthread_mutex_init(&loyalty->ticking, NULL);
  const struct engine_source *source = engine_source_find(engine, bytes_from_text(LOYALTY_SOURCE));
  if (source != NULL) loyalty->source = source->id;
  arena_init(&arena, 0);
  struct documents documents = {.arena = &arena};
  enum err err = ERR_OK;
  for (int kind = 0; err == ERR_OK && kind <= LOYALTY_KIND_VOUCHER; kind++)
    err = read_kind(engine, snapshot, (enum loyalty_kind)kind, &documents);
  if (err == ERR_OK && documents.counts[LOYALTY_KIND_PROGRAMME] > 0)
    err = make_set(engine, &documents, NULL, &loyalty->set, diag);
  arena_release(&arena);
  return err;
}

void loyalty_close(struct engine *engine) {
  struct loyalty *loyalty = engine->loyalty;
  if (loyalty == NULL) return;
  if (loyalty->set != NULL) loyalty_set_close(loyalty->set);
  if (loyalty->then != NULL) loyalty_set_close(loyalty->then);
  pthread_mutex_destroy(&loyalty->lock);
  pthread_mutex_destroy(&loyalty->changing);
  pthread_mutex_destroy(&loyalty->ticking);
  alloc_free(loyalty);
}

const struct loyalty_set *loyalty_hold(struct engine *engine) {
  pthread_mutex_lock(&engine->loyalty->lock);
  const struct loyalty_set *set = engine->loyalty->set;
  if (set != NULL) loyalty_set_hold(set);
  pthread_mutex_unlock(&engine->loyalty->lock);
  return set;
}

static void put_in_force(struct engine *engine, const struct loyalty_set *set) {
  pthread_mutex_lock(&engine->loyalty->lock);
  const struct loyalty_set *before = engine->loyalty->set;
  engine->loyalty->set = set;
  pthread_mutex_unlock(&engine->loyalty->lock);
  if (before != NULL) loyalty_set_close(before);
}

// --- a change ------------------------------------------------------------------------------------------------

// One document of any kind.
struct document {
  enum loyalty_kind kind;
  uint32_t number, version;
  struct bytes id;
  union {
    struct loyalty_programme programme;
    struct loyalty_campaign campaign;
    struct loyalty_voucher voucher;
  };
};

struct change {
  struct engine *engine;
  struct arena arena;
  const struct loyalty_set *before; // held; NULL: there was none
  struct document wanted;
  struct bytes author;
};

static void change_open(struct change *change, struct engine *engine, enum loyalty_kind kind) {
  *change = (struct change){.engine = engine, .before = loyalty_hold(engine), .wanted = {.kind = kind}};
  arena_init(&change->arena, 0);
}

static void change_close(struct change *change) {
  if (change->before != NULL) loyalty_set_close(change->before);
  arena_release(&change->arena);
}

static size_t count_of(const struct loyalty_set *set, enum loyalty_kind kind) {
  if (set == NULL) return 0;
  return kind == LOYALTY_KIND_PROGRAMME  ? loyalty_set_programmes(set)
         : kind == LOYALTY_KIND_CAMPAIGN ? loyalty_set_campaigns(set)
                                         : loyalty_set_vouchers(set);
}

static struct document document_at(const struct loyalty_set *set, enum loyalty_kind kind, size_t index) {
  struct document found = {.kind = kind};
  if (kind == LOYALTY_KIND_PROGRAMME) {
    found.programme = *loyalty_set_programme_at(set, index);
    found.number = found.programme.number, found.version = found.programme.version, found.id = found.programme.id;
  } else if (kind == LOYALTY_KIND_CAMPAIGN) {
    found.campaign = *loyalty_set_campaign_at(set, index);
    found.number = found.campaign.number, found.version = found.campaign.version, found.id = found.campaign.id;
  } else {
    found.voucher = *loyalty_set_voucher_at(set, index);
    found.number = found.voucher.number, found.version = found.voucher.version, found.id = found.voucher.id;
  }
  return found;
}

static bool find_document(const struct loyalty_set *set, enum loyalty_kind kind, struct bytes id,
                          struct document *found) {
  for (size_t i = 0; i < count_of(set, kind); i++) {
    *found = document_at(set, kind, i);
    if (bytes_equal(found->id, id)) return true;
  }
  return false;
}

// The id that was probably meant; no data: none.
static struct bytes near_id(const struct loyalty_set *set, enum loyalty_kind kind, struct bytes id) {
  struct bytes nearest = {0};
  size_t least = SIZE_MAX, distance;
  for (size_t i = 0; i < count_of(set, kind); i++) {
    struct document one = document_at(set, kind, i);
    if (!nearest_is_slip(id, one.id, &distance) || distance >= least) continue;
    least = distance;
    nearest = one.id;
  }
  return nearest;
}

static enum err no_such(const struct loyalty_set *set, enum loyalty_kind kind, struct bytes id, struct diag *diag) {
  struct bytes nearest = near_id(set, kind, id);
  char code[32];
  snprintf(code, sizeof code, "no_%s", WORDS[kind]);
  int size = (int)(id.size_bytes < LOYALTY_ID_BYTES ? id.size_bytes : LOYALTY_ID_BYTES);
  if (nearest.data == NULL)
    return diag_set(diag, ERR_NOT_FOUND, code, "there is no %s \"%.*s\"", WORDS[kind], size, id.data);
  return diag_set(diag, ERR_NOT_FOUND, code, "there is no %s \"%.*s\"; did you mean \"%.*s\"?", WORDS[kind], size,
                  id.data, BYTES_ARG(nearest));
}

// What the references of documents lead to.
static const struct loyalty_programme *find_programme(void *context, struct bytes id, uint32_t number) {
  const struct loyalty_set *set = ((const struct change *)context)->before;
  if (set == NULL) return NULL;
  return id.size_bytes > 0 ? loyalty_set_programme_find(set, id) : loyalty_set_programme(set, number);
}

static uint32_t find_voucher(void *context, struct bytes id) {
  const struct loyalty_set *set = ((const struct change *)context)->before;
  const struct loyalty_voucher *voucher = set == NULL ? NULL : loyalty_set_voucher_find(set, id);
  return voucher == NULL ? 0 : voucher->number;
}

static struct bytes near_voucher(void *context, struct bytes id) {
  return near_id(((const struct change *)context)->before, LOYALTY_KIND_VOUCHER, id);
}

static const struct rule_zone *find_zone(void *context, struct bytes name) {
  return engine_zone_named(((const struct change *)context)->engine, name);
}

// What rules find in an order is known before the first order came.
static bool is_known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  const struct catalog *catalog = context;
  return (kind == RULE_NAME_PROPERTY && loyalty_gives_property(of, name)) ||
         catalog->names.known(catalog->names.context, kind, of, name);
}

static struct bytes id_of(const struct engine *engine, struct value document) {
  struct bytes id = {0};
  value_as_text(value_member(document, engine->names, BYTES("id")), &id);
  return id;
}

static enum err read_document(struct change *change, struct value from, struct rule_check *check,
                              struct rule_diag *refusal, struct diag *diag) {
  struct engine *engine = change->engine;
  struct document *wanted = &change->wanted;
  struct document older;
  struct catalog catalog;
  bool there = find_document(change->before, wanted->kind, id_of(engine, from), &older);
  catalog_open(&catalog, engine);
  struct rule_catalog rules = {&catalog, is_known, catalog.names.next};
  struct loyalty_catalog known = {.rules = &rules,
                                  .context = change,
                                  .programme = find_programme,
                                  .voucher = find_voucher,
                                  .near_voucher = near_voucher,
                                  .zone = find_zone};
  enum err err = ERR_OK;
  if (wanted->kind == LOYALTY_KIND_PROGRAMME) {
    err = loyalty_programme_read(from, engine->names, &known, there ? &older.programme : NULL, &change->arena,
                                 &wanted->programme, check, refusal, diag);
    wanted->id = wanted->programme.id;
  } else if (wanted->kind == LOYALTY_KIND_CAMPAIGN) {
    err = loyalty_campaign_read(from, engine->names, &known, there ? &older.campaign : NULL, &change->arena,
                                &wanted->campaign, check, refusal, diag);
    wanted->id = wanted->campaign.id;
  } else {
    err = loyalty_voucher_read(from, engine->names, &known, &change->arena, &wanted->voucher, check, refusal, diag);
    wanted->id = wanted->voucher.id;
  }
  catalog_close(&catalog);
  wanted->number = there ? older.number : 0;
  wanted->version = there ? older.version : 0;
  return err;
}

static void number_document(struct document *document, struct bytes author, int64_t now_us) {
  if (document->kind == LOYALTY_KIND_PROGRAMME) {
    document->programme.number = document->number, document->programme.version = document->version;
    document->programme.author = author, document->programme.created_us = now_us;
  } else if (document->kind == LOYALTY_KIND_CAMPAIGN) {
    document->campaign.number = document->number, document->campaign.version = document->version;
    document->campaign.author = author, document->campaign.created_us = now_us;
  } else {
    document->voucher.number = document->number, document->voucher.version = document->version;
    document->voucher.author = author, document->voucher.created_us = now_us;
  }
}

// The next version of what is there; a new id gets the next number of its kind: numbers ascend without gaps, since
// nothing is ever deleted.
static void take_number(struct change *change, struct bytes author) {
  struct document *wanted = &change->wanted;
  if (wanted->number == 0) wanted->number = (uint32_t)count_of(change->before, wanted->kind) + 1;
  wanted->version++;
  change->author = author;
  number_document(wanted, author, clock_now_us(change->engine->clock));
}

static enum err gather(struct change *change, struct documents *documents) {
  enum err err = ERR_OK;
  for (int kind = 0; kind <= LOYALTY_KIND_VOUCHER; kind++) {
    for (size_t i = 0; err == ERR_OK && i < count_of(change->before, (enum loyalty_kind)kind); i++) {
      struct document one = document_at(change->before, (enum loyalty_kind)kind, i);
      err = kind == LOYALTY_KIND_PROGRAMME  ? add_programme(documents, &one.programme)
            : kind == LOYALTY_KIND_CAMPAIGN ? add_campaign(documents, &one.campaign)
                                            : add_voucher(documents, &one.voucher);
    }
  }
  const struct document *wanted = &change->wanted;
  if (err != ERR_OK) return err;
  return wanted->kind == LOYALTY_KIND_PROGRAMME  ? add_programme(documents, &wanted->programme)
         : wanted->kind == LOYALTY_KIND_CAMPAIGN ? add_campaign(documents, &wanted->campaign)
                                                 : add_voucher(documents, &wanted->voucher);
}

static void write_document(const struct loyalty_set *set, const struct document *document,
                           const struct loyalty_programme *own, struct json_writer *writer);

static enum err document_side(struct change *change, const struct document *document, struct bytes *text) {
  struct json_writer writer;
  struct buffer out;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  write_document(change->before, document, NULL, &writer);
  json_object_end(&writer);
  *text = (struct bytes){NULL, 0};
  if (!out.failed) *text = arena_copy(&change->arena, buffer_view(&out));
  buffer_release(&out);
  return text->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static bool is_archived(const struct document *document) {
  return document->kind == LOYALTY_KIND_PROGRAMME  ? document->programme.archived
         : document->kind == LOYALTY_KIND_CAMPAIGN ? document->campaign.archived
                                                   : document->voucher.archived;
}

// The whole document, before and after.
static enum err note_change(struct change *change, struct store_txn *txn, struct diag *diag) {
  static const char *const actions[][2] = {[LOYALTY_KIND_PROGRAMME] = {"programme.put", "programme.archived"},
                                           [LOYALTY_KIND_CAMPAIGN] = {"campaign.put", "campaign.archived"},
                                           [LOYALTY_KIND_VOUCHER] = {"voucher.put", "voucher.archived"}};
  const struct document *wanted = &change->wanted;
  struct document older;
  bool there = find_document(change->before, wanted->kind, wanted->id, &older);
  bool archives = is_archived(wanted) && !(there && is_archived(&older));
  struct audit_entry entry = {
      .action = actions[wanted->kind][archives], .author = change->author, .subject = wanted->id};
  enum err err = there ? document_side(change, &older, &entry.before) : ERR_OK;
  if (err == ERR_OK) err = document_side(change, wanted, &entry.after);
  if (err != ERR_OK) return diag_no_memory(diag);
  return audit_put(change->engine, txn, clock_now_us(change->engine->clock), &entry, diag);
}

static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  struct change *change = context;
  const struct document *wanted = &change->wanted;
  struct value_builder builder;
  struct buffer row;
  struct key key;
  buffer_init(&row);
  value_builder_init(&builder, &row, change->engine->names);
  if (wanted->kind == LOYALTY_KIND_PROGRAMME)
    loyalty_programme_pack(&wanted->programme, &builder);
  else if (wanted->kind == LOYALTY_KIND_CAMPAIGN)
    loyalty_campaign_pack(&wanted->campaign, &builder);
  else
    loyalty_voucher_pack(&wanted->voucher, &builder);
  enum err err = value_builder_finish(&builder);
  loyalty_document_key(&key, wanted->kind, wanted->number, wanted->version);
  if (err == ERR_OK) err = store_put(txn, STORE_DOCUMENT, key_view(&key), buffer_view(&row));
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  buffer_release(&row);
  return err == ERR_OK ? note_change(change, txn, diag) : err;
}

// What the engine's own events are made of, so that none of them waits for a name to be stored.
static enum err ensure_source(struct engine *engine, struct diag *diag) {
  struct engine_source wanted = {
      .name = bytes_from_text(LOYALTY_SOURCE), .kind = ENGINE_SOURCE_SERVER, .priority = -1000};
  struct engine_commit commit = {0};
  uint32_t id;
  if (engine->loyalty->source != 0) return ERR_OK;
  enum err err = engine_source_put(engine, &wanted, &id, &commit, diag);
  if (err == ERR_OK) engine->loyalty->source = id; // nobody reads it before a programme is in force
  return err;
}

static enum err carry_out(struct change *change, struct engine_commit *commit, struct diag *diag) {
  struct documents documents = {.arena = &change->arena};
  const struct loyalty_set *next = NULL;
  enum err err = ensure_source(change->engine, diag);
  if (err == ERR_OK) err = gather(change, &documents);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err == ERR_OK) err = make_set(change->engine, &documents, change->before, &next, diag);
  if (err == ERR_OK) err = engine_run(change->engine, put_row, change, commit, diag);
  if (err == ERR_OK)
    put_in_force(change->engine, next);
  else if (next != NULL)
    loyalty_set_close(next);
  return err;
}

// --- telling -------------------------------------------------------------------------------------------------

static void write_document(const struct loyalty_set *set, const struct document *document,
                           const struct loyalty_programme *own, struct json_writer *writer) {
  const struct loyalty_programme *programme = own;
  if (document->kind == LOYALTY_KIND_PROGRAMME) {
    loyalty_programme_json(&document->programme, writer);
    return;
  }
  uint32_t number =
      document->kind == LOYALTY_KIND_CAMPAIGN ? document->campaign.programme : document->voucher.programme;
  if (programme == NULL) programme = loyalty_set_programme(set, number);
  if (document->kind == LOYALTY_KIND_CAMPAIGN)
    loyalty_campaign_json(&document->campaign, programme, writer);
  else
    loyalty_voucher_json(&document->voucher, programme, writer);
}

enum err engine_loyalty_put(struct engine *engine, enum engine_loyalty_kind kind, struct value document,
                            struct bytes author, struct json_writer *writer, struct engine_commit *commit,
                            struct rule_diag *refusal, struct diag *diag) {
  struct change change;
  struct rule_check check = {0};
  if (engine->read_only)
    return diag_set(diag, ERR_DENIED, "read_only", "this command only looks at the workspace and cannot change it");
  enum err err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  pthread_mutex_lock(&engine->loyalty->changing);
  change_open(&change, engine, (enum loyalty_kind)kind);
  err = read_document(&change, document, &check, refusal, diag);
  if (err == ERR_OK) {
    take_number(&change, author);
    write_document(change.before, &change.wanted, NULL, writer);
    engine_warnings_json(&check, writer);
    json_object_end(writer);
    err = carry_out(&change, commit, diag);
  }
  change_close(&change);
  pthread_mutex_unlock(&engine->loyalty->changing);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

// One after the other: a later one may name an earlier one.
static enum err add_as_if(struct engine *engine, enum loyalty_kind kind, struct value document,
                          const struct loyalty_set **set, struct rule_diag *refusal, struct diag *diag) {
  struct change change = {.engine = engine, .before = *set, .wanted = {.kind = kind}};
  struct rule_check check = {0};
  const struct loyalty_set *next = NULL;
  arena_init(&change.arena, 0);
  struct documents documents = {.arena = &change.arena};
  enum err err = read_document(&change, document, &check, refusal, diag);
  if (err == ERR_OK) take_number(&change, BYTES(""));
  if (err == ERR_OK) err = gather(&change, &documents);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  if (err == ERR_OK) err = make_set(engine, &documents, change.before, &next, diag);
  change.before = NULL;
  change_close(&change);
  if (err != ERR_OK) return err;
  if (*set != NULL) loyalty_set_close(*set);
  *set = next;
  return ERR_OK;
}

enum err loyalty_set_as_if(struct engine *engine, const struct value documents[LOYALTY_KIND_VOUCHER + 1],
                           const struct loyalty_set **set, struct rule_diag *refusal, struct diag *diag) {
  const struct loyalty_set *made = loyalty_hold(engine);
  enum err err = ERR_OK;
  for (int kind = 0; err == ERR_OK && kind <= LOYALTY_KIND_VOUCHER; kind++) {
    struct value_iter iter = value_iterate(documents[kind]);
    if (value_is_absent(documents[kind])) continue;
    while (err == ERR_OK && value_next(&iter))
      err = add_as_if(engine, (enum loyalty_kind)kind, iter.item, &made, refusal, diag);
  }
  if (err == ERR_OK)
    *set = made;
  else if (made != NULL)
    loyalty_set_close(made);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

enum err engine_loyalty_archive(struct engine *engine, enum engine_loyalty_kind kind, struct bytes id,
                                struct bytes author, struct json_writer *writer, struct engine_commit *commit,
                                struct diag *diag) {
  struct change change;
  enum err err = ERR_OK;
  pthread_mutex_lock(&engine->loyalty->changing);
  change_open(&change, engine, (enum loyalty_kind)kind);
  if (!find_document(change.before, (enum loyalty_kind)kind, id, &change.wanted)) {
    err = no_such(change.before, (enum loyalty_kind)kind, id, diag);
  } else {
    take_number(&change, author);
    change.wanted.kind == LOYALTY_KIND_PROGRAMME  ? (change.wanted.programme.archived = true)
    : change.wanted.kind == LOYALTY_KIND_CAMPAIGN ? (change.wanted.campaign.archived = true)
                                                  : (change.wanted.voucher.archived = true);
    write_document(change.before, &change.wanted, NULL, writer);
    json_object_end(writer);
    err = carry_out(&change, commit, diag);
  }
  change_close(&change);
  pthread_mutex_unlock(&engine->loyalty->changing);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

enum err engine_loyalty_document_json(struct engine *engine, enum engine_loyalty_kind kind, struct bytes id,
                                      struct json_writer *writer, struct diag *diag) {
  const struct loyalty_set *set = loyalty_hold(engine);
  struct document found;
  enum err err = ERR_OK;
  if (find_document(set, (enum loyalty_kind)kind, id, &found)) {
    write_document(set, &found, NULL, writer);
    json_object_end(writer);
  } else {
    err = no_such(set, (enum loyalty_kind)kind, id, diag);
  }
  if (set != NULL) loyalty_set_close(set);
  return err;
}

enum err engine_loyalty_documents_json(struct engine *engine, enum engine_loyalty_kind kind, struct json_writer *writer,
                                       struct diag *diag) {
  const struct loyalty_set *set = loyalty_hold(engine);
  (void)diag;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (size_t i = 0; i < count_of(set, (enum loyalty_kind)kind); i++) {
    struct document one = document_at(set, (enum loyalty_kind)kind, i);
    write_document(set, &one, NULL, writer);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
  if (set != NULL) loyalty_set_close(set);
  return ERR_OK;
}
