// preview.c: an include and its exclusions over all customers, or over blocks of ids at random.
//
// The exact walk is that of a count: ranges of about equal work, many more than threads, each taken by the next thread
// that is free. Customers without events are walked only when they may be members, or when records are read anyway.
// The estimate asks for one customer after another by id, in a random order in which each id comes once: a read by key
// costs the same whatever was written lately, and customers are independent, so that the interval is Wilson's.
#include "engine/preview.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crew.h"
#include "engine/preview_tally.h"
#include "engine/query_private.h"

enum { SAMPLE_DEFAULT = 20, RANGES_EACH = 16, TELL_EVERY = 1024, CLOCK_EVERY = 16 };

struct engine_preview {
  struct engine_query *query; // the include
  struct arena arena;
  struct segment_exclusion exclusions[SEGMENT_EXCLUSIONS_MAX];
  struct rule_program *programs[SEGMENT_EXCLUSIONS_MAX];
  size_t exclusion_count;
  struct bytes traits[PREVIEW_TRAITS_MAX];
  size_t trait_count;
  size_t sample;
  bool estimate;
  int64_t within_us;            // of an estimate
  uint64_t customers;           // in all
  bool exact;                   // all were looked at
  uint64_t low, high;           // of members
  struct preview_tally *result; // what was counted
};

// --- the document --------------------------------------------------------------------------------------------

static enum err bad_member(const char *name, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, "bad_member", "The member \"%s\" must be %s.", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err open_include(struct engine_preview *preview, struct engine_view *view, struct value document,
                             struct rule_diag *refusal, struct diag *diag) {
  struct engine_query_options options = {.has_at = false};
  if (!value_as_text(value_member(document, view->engine->names, BYTES("include")), &options.text))
    return bad_member("include", "the expression that is true of the members", diag);
  options.text = arena_copy(&preview->arena, options.text);
  if (options.text.data == NULL) return diag_no_memory(diag);
  enum err err = engine_query_open(view, &options, &preview->query, refusal, diag);
  if (err != ERR_OK) diag_in_field(diag, "include");
  return err;
}

static enum err add_exclusion(struct engine_preview *preview, struct value item, struct rule_diag *refusal,
                              struct diag *diag) {
  const struct names *names = preview->query->view->engine->names;
  size_t index = preview->exclusion_count;
  struct segment_exclusion *exclusion = &preview->exclusions[index];
  struct rule_node *tree;
  if (index == SEGMENT_EXCLUSIONS_MAX || value_type(item) != VALUE_DOCUMENT ||
      !value_as_text(value_member(item, names, BYTES("when")), &exclusion->when))
    return bad_member("exclude", "a list of at most 16 objects {\"name\", \"when\"}", diag);
  if (!value_as_text(value_member(item, names, BYTES("name")), &exclusion->name)) exclusion->name = exclusion->when;
  exclusion->name = arena_copy(&preview->arena, exclusion->name);
  if (exclusion->name.data == NULL) return diag_no_memory(diag);
  enum err err = query_compile(preview->query, exclusion->when, true, &tree, &preview->programs[index], refusal, diag);
  if (err != ERR_OK) {
    diag_in_field(diag, "exclude[%zu].when", index);
    return err;
  }
  preview->exclusion_count++;
  return query_note_needs(preview->query, preview->programs[index], diag);
}

static enum err read_exclusions(struct engine_preview *preview, struct value list, struct rule_diag *refusal,
                                struct diag *diag) {
  struct value_iter iter = value_iterate(list);
  enum err err = ERR_OK;
  if (value_is_absent(list) || value_type(list) == VALUE_NULL) return ERR_OK;
  if (value_type(list) != VALUE_LIST) return bad_member("exclude", "a list of objects {\"name\", \"when\"}", diag);
  while (err == ERR_OK && value_next(&iter)) err = add_exclusion(preview, iter.item, refusal, diag);
  return err;
}

static enum err read_traits(struct engine_preview *preview, struct value list, struct diag *diag) {
  static const char expected[] = "a list of at most 16 names of traits, such as [\"country\"]";
  struct value_iter iter = value_iterate(list);
  struct bytes name;
  if (value_is_absent(list) || value_type(list) == VALUE_NULL) return ERR_OK;
  if (value_type(list) != VALUE_LIST) return bad_member("traits", expected, diag);
  while (value_next(&iter)) {
    if (preview->trait_count == PREVIEW_TRAITS_MAX || !value_as_text(iter.item, &name))
      return bad_member("traits", expected, diag);
    name = arena_copy(&preview->arena, name);
    if (name.data == NULL) return diag_no_memory(diag);
    preview->traits[preview->trait_count++] = name;
  }
  if (preview->trait_count > 0) preview->query->records = true;
  return ERR_OK;
}

static enum err read_whole(struct value member, const char *name, int64_t fallback, int64_t least, int64_t most,
                           int64_t *whole, struct diag *diag) {
  struct decimal number;
  char expected[64];
  *whole = fallback;
  if (value_is_absent(member)) return ERR_OK;
  bool is_whole = value_as_number(member, &number) && decimal_to_scaled_i64(number, 0, whole) == ERR_OK;
  if (is_whole && *whole >= least && *whole <= most) return ERR_OK;
  snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)least, (long long)most);
  return bad_member(name, expected, diag);
}

static enum err read_rest(struct engine_preview *preview, struct value document, struct diag *diag) {
  const struct names *names = preview->query->view->engine->names;
  struct value estimate = value_member(document, names, BYTES("estimate"));
  int64_t sample, within_ms;
  if (!value_is_absent(estimate) && !value_as_bool(estimate, &preview->estimate))
    return bad_member("estimate", "true or false", diag);
  enum err err = read_whole(value_member(document, names, BYTES("sample")), "sample", SAMPLE_DEFAULT, 0,
                            PREVIEW_SAMPLE_MAX, &sample, diag);
  if (err == ERR_OK)
    err = read_whole(value_member(document, names, BYTES("within_ms")), "within_ms", PREVIEW_ESTIMATE_MS, 1,
                     PREVIEW_ESTIMATE_MS_MAX, &within_ms, diag);
  if (err != ERR_OK) return err;
  preview->sample = (size_t)sample;
  preview->within_us = within_ms * 1000;
  return ERR_OK;
}

enum err engine_preview_open(struct engine_view *view, struct value document, struct engine_preview **preview,
                             struct rule_diag *refusal, struct diag *diag) {
  const struct names *names = view->engine->names;
  struct engine_preview *made = alloc_zero(1, sizeof *made);
  refusal->code[0] = '\0';
  if (made == NULL) return diag_no_memory(diag);
  arena_init(&made->arena, 0);
  enum err err = open_include(made, view, document, refusal, diag);
  if (err == ERR_OK) err = read_exclusions(made, value_member(document, names, BYTES("exclude")), refusal, diag);
  if (err == ERR_OK) err = read_traits(made, value_member(document, names, BYTES("traits")), diag);
  if (err == ERR_OK) err = read_rest(made, document, diag);
  if (err == ERR_OK)
    *preview = made;
  else
    engine_preview_close(made);
  return err;
}

void engine_preview_close(struct engine_preview *preview) {
  if (preview == NULL) return;
  for (size_t i = 0; i < preview->exclusion_count; i++) rule_program_close(preview->programs[i]);
  engine_query_close(preview->query);
  if (preview->result != NULL) preview_tally_release(preview->result);
  alloc_free(preview->result);
  arena_release(&preview->arena);
  alloc_free(preview);
}

// --- one customer --------------------------------------------------------------------------------------------

// Whoever an exclusion cannot be decided for is excluded.
static enum err is_removed(const struct engine_preview *preview, struct query_asker *asker, struct facts *facts,
                           struct preview_tally *tally, bool *removed) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < preview->exclusion_count; i++) {
    struct rule_answer answer;
    err = query_asker_run(asker, preview->programs[i], facts, false, &answer);
    if (err != ERR_OK) break;
    bool excludes = answer.status == RULE_UNKNOWN || rule_is_true(&answer);
    tally->removed[i] += excludes;
    *removed = *removed || excludes;
  }
  return err;
}

static enum err count_member(const struct engine_preview *preview, const struct facts *facts,
                             struct preview_tally *tally) {
  const struct engine *engine = preview->query->view->engine;
  enum err err = ERR_OK;
  tally->members++;
  preview_tally_pick(tally, facts->id);
  for (size_t i = 0; err == ERR_OK && i < preview->trait_count; i++) {
    struct value value =
        customer_trait_value(facts->record, engine->names, preview->traits[i], &preview->query->view->sources);
    err = preview_tally_value(tally, i, value);
  }
  return err;
}

static enum err look_at(const struct engine_preview *preview, struct query_asker *asker, struct facts *facts,
                        struct preview_tally *tally) {
  struct rule_answer answer;
  bool removed = false;
  tally->looked_at++;
  enum err err = query_asker_run(asker, preview->query->program, facts, false, &answer);
  if (err != ERR_OK) return err;
  tally->unknown += answer.status == RULE_UNKNOWN;
  if (!rule_is_true(&answer)) return ERR_OK;
  err = is_removed(preview, asker, facts, tally, &removed);
  return err != ERR_OK || removed ? err : count_member(preview, facts, tally);
}

// --- everybody -----------------------------------------------------------------------------------------------

struct walk {
  struct engine_preview *preview;
  engine_query_progress_fn *progress;
  void *context;
  uint64_t from[CREW_MAX * RANGES_EACH + 1];
  size_t range_count;
  _Atomic size_t next_range;
  _Atomic uint64_t seen;
  _Atomic bool stopping;
};

struct walker {
  struct walk *walk;
  struct preview_tally tally;
  bool tells; // the progress
  enum err err;
};

static enum err tell(struct walker *walker, uint64_t seen) {
  struct walk *walk = walker->walk;
  uint64_t all = atomic_fetch_add(&walk->seen, seen) + seen;
  if (!walker->tells || walk->progress == NULL) return ERR_OK;
  return walk->progress(walk->context, all, walk->preview->customers) ? ERR_OK : ERR_STOPPED;
}

static enum err walk_range(struct walker *walker, struct query_asker *asker, struct scan *scan) {
  struct walk *walk = walker->walk;
  struct facts *facts;
  uint64_t seen = 0;
  enum err err = ERR_OK;
  while (err == ERR_OK && !atomic_load_explicit(&walk->stopping, memory_order_relaxed)) {
    err = scan_next(scan, &facts);
    if (err == ERR_OK) err = look_at(walk->preview, asker, facts, &walker->tally);
    if (err == ERR_OK && ++seen % TELL_EVERY == 0) err = tell(walker, TELL_EVERY);
  }
  return err == ERR_OK || err == ERR_NOT_FOUND ? tell(walker, seen % TELL_EVERY) : err;
}

static enum err walk_ranges(struct walker *walker, struct query_asker *asker) {
  struct walk *walk = walker->walk;
  enum err err = ERR_OK;
  while (err == ERR_OK && !walk->stopping) {
    size_t range = atomic_fetch_add(&walk->next_range, 1);
    struct scan *scan;
    if (range >= walk->range_count) break;
    struct scan_options options = query_asker_scan(asker, walk->from[range], walk->from[range + 1]);
    err = scan_open(&scan, &options);
    if (err != ERR_OK) break;
    err = walk_range(walker, asker, scan);
    scan_close(scan);
  }
  return err;
}

static void run_walker(void *item) {
  struct walker *walker = item;
  struct query_asker *asker = NULL;
  walker->err = query_asker_open(walker->walk->preview->query, &asker);
  if (walker->err == ERR_OK) walker->err = walk_ranges(walker, asker);
  if (walker->err != ERR_OK) walker->walk->stopping = true;
  query_asker_close(asker);
}

// Are those without events members, or unknown, as far as the include says? Then they must be walked too.
static enum err choose_walk(struct engine_query *query) {
  struct rule_answer answer;
  if (query->records || !query->events) return ERR_OK;
  enum err err = query_run_over_nobody(query, &answer);
  query->records = err == ERR_OK && (rule_is_true(&answer) || answer.status == RULE_UNKNOWN);
  return err;
}

static enum err add_up(struct engine_preview *preview, struct walker *walkers, size_t count) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = walkers[i].err;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = preview_tally_add(preview->result, &walkers[i].tally);
  return err;
}

static enum err walk_all(struct engine_preview *preview, unsigned threads, struct walk *walk) {
  struct walker walkers[CREW_MAX];
  size_t wanted = threads == 0 || threads > crew_size() ? crew_size() : threads, count = 0;
  struct store_snapshot *snapshot = preview->query->view->snapshot;
  enum err err = choose_walk(preview->query);
  if (err == ERR_OK) err = scan_ranges(snapshot, wanted * RANGES_EACH, walk->from, &walk->range_count);
  if (err != ERR_OK) return err;
  walk->from[walk->range_count] = 0; // the last one goes on to the end
  for (; err == ERR_OK && count < wanted; count++) {
    walkers[count] = (struct walker){.walk = walk, .tells = count == 0};
    err = preview_tally_init(&walkers[count].tally, preview->sample, preview->trait_count);
  }
  if (err == ERR_OK) crew_run(run_walker, walkers, sizeof *walkers, count);
  if (err == ERR_OK) err = add_up(preview, walkers, count);
  for (size_t i = 0; i < count; i++) preview_tally_release(&walkers[i].tally);
  return err;
}

static enum err count_all(struct engine_preview *preview, unsigned threads, engine_query_progress_fn *progress,
                          void *context) {
  struct walk *walk = alloc_zero(1, sizeof *walk);
  if (walk == NULL) return ERR_NO_MEMORY;
  walk->preview = preview;
  walk->progress = progress;
  walk->context = context;
  enum err err = walk_all(preview, threads, walk);
  preview->exact = true;
  alloc_free(walk);
  return err;
}

// --- a part of them ------------------------------------------------------------------------------------------

// Ids are given out in blocks: none is greater than the end of the last block.
static enum err last_id(const struct engine_view *view, struct arena *arena, uint64_t *last) {
  struct bytes row;
  struct key key;
  engine_text_key(&key, view->engine->customers.name);
  enum err err = store_snapshot_get(view->snapshot, STORE_META, key_view(&key), arena, &row);
  *last = err == ERR_OK && row.size_bytes == sizeof *last ? key_read_u64(row.data) : 0;
  return err;
}

static unsigned bits_for(uint64_t last) {
  unsigned bits = 4;
  while (bits < 63 && last >> bits != 0) bits++;
  return bits;
}

// Each step can be undone, so that every number below 2^bits comes once.
static uint64_t shuffled(uint64_t number, unsigned bits) {
  static const uint64_t odd[] = {0x9e3779b97f4a7c15U, 0xbf58476d1ce4e5b9U, 0x94d049bb133111ebU};
  uint64_t mask = ((uint64_t)1 << bits) - 1;
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    number = ((number + 1) * odd[i]) & mask;
    number ^= number >> (bits / 2 + 1);
  }
  return number;
}

// Wilson's interval for a share, at 95 %.
static void find_interval(struct engine_preview *preview) {
  double customers = (double)preview->customers, z = 1.959964;
  double size = (double)preview->result->looked_at, members = (double)preview->result->members;
  preview->low = 0;
  preview->high = preview->customers;
  if (size <= 0) return;
  double p = members / size, zz = z * z / size;
  double middle = (p + zz / 2) / (1 + zz);
  double half = z / (1 + zz) * sqrt(p * (1 - p) / size + zz / (4 * size));
  preview->low = (uint64_t)floor(fmax(0, middle - half) * customers);
  preview->high = (uint64_t)ceil(fmin(1, middle + half) * customers);
}

// A customer who is one no more is passed by.
static enum err look_up(struct engine_preview *preview, struct query_asker *asker, struct facts *facts, uint64_t id) {
  struct customer record;
  bool found;
  arena_clear(facts->arena);
  enum err err = read_customer_if_there(preview->query->view, id, facts->arena, &record, NULL, &found);
  if (err != ERR_OK || !found || record.id != id) return err;
  facts_reset(facts, id, &record, NULL);
  return look_at(preview, asker, facts, preview->result);
}

static enum err look_around(struct engine_preview *preview, struct query_asker *asker, struct facts *facts) {
  int64_t until_us = clock_monotonic_us() + preview->within_us;
  uint64_t last, turn = 0;
  enum err err = last_id(preview->query->view, facts->arena, &last);
  unsigned bits = bits_for(last);
  for (; err == ERR_OK && turn >> bits == 0; turn++) {
    if (turn % CLOCK_EVERY == 0 && clock_monotonic_us() >= until_us) break;
    uint64_t id = shuffled(turn, bits);
    if (id != 0 && id <= last) err = look_up(preview, asker, facts, id);
  }
  preview->exact = turn >> bits != 0;
  return err;
}

static enum err estimate(struct engine_preview *preview) {
  struct engine_view *view = preview->query->view;
  struct query_asker *asker;
  struct facts facts;
  struct arena arena;
  enum err err = query_asker_open(preview->query, &asker);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  facts_init(&facts, (struct timeline_reader){.snapshot = view->snapshot}, &arena, &view->sources);
  query_asker_attach(asker, &facts);
  err = look_around(preview, asker, &facts);
  if (err == ERR_OK) find_interval(preview);
  query_asker_close(asker);
  arena_release(&arena);
  return err;
}

// --- the answer ----------------------------------------------------------------------------------------------

// Of those looked at, as a number of all customers.
static uint64_t scaled(const struct engine_preview *preview, uint64_t number) {
  uint64_t looked_at = preview->result->looked_at;
  if (preview->exact || looked_at == 0) return number;
  return (uint64_t)llround((double)number * (double)preview->customers / (double)looked_at);
}

static void write_share(struct json_writer *writer, uint64_t part, uint64_t whole) {
  char text[32];
  snprintf(text, sizeof text, "%.4f", whole == 0 ? 0.0 : (double)part / (double)whole);
  json_name(writer, "share");
  json_raw(writer, bytes_from_text(text));
}

static void write_counts(const struct engine_preview *preview, struct json_writer *writer) {
  const struct preview_tally *result = preview->result;
  json_member_bool(writer, "exact", preview->exact);
  json_member_time(writer, "at", preview->query->at_us);
  json_member_u64(writer, "customers", preview->customers);
  json_member_u64(writer, "looked_at", preview->exact ? preview->customers : result->looked_at);
  json_member_u64(writer, "members", scaled(preview, result->members));
  write_share(writer, result->members, preview->exact ? preview->customers : result->looked_at);
  json_name(writer, "interval");
  if (preview->exact) {
    json_null(writer);
  } else {
    json_object_begin(writer);
    json_member_u64(writer, "low", preview->low);
    json_member_u64(writer, "high", preview->high);
    json_object_end(writer);
  }
  json_member_u64(writer, "unknown", scaled(preview, result->unknown));
  json_name(writer, "excluded");
  json_array_begin(writer);
  for (size_t i = 0; i < preview->exclusion_count; i++) {
    json_object_begin(writer);
    json_member_bytes(writer, "name", preview->exclusions[i].name);
    json_member_u64(writer, "removed", scaled(preview, result->removed[i]));
    json_object_end(writer);
  }
  json_array_end(writer);
}

static enum err write_customer(const struct engine_preview *preview, uint64_t id, struct arena *arena,
                               struct json_writer *writer) {
  struct engine_view *view = preview->query->view;
  struct customer record;
  bool found;
  enum err err = read_customer_if_there(view, id, arena, &record, NULL, &found);
  if (err != ERR_OK || !found) return err;
  json_object_begin(writer);
  read_write_id(writer, "id", record.id);
  json_name(writer, "traits");
  json_object_begin(writer);
  for (size_t first = 0, next; first < record.trait_count; first = next) {
    const struct customer_trait *trait = customer_trait_winner(&record, first, &view->sources, &next);
    json_name_bytes(writer, trait->name != 0 ? names_text(view->engine->names, trait->name) : trait->inline_name);
    value_to_json(writer, trait->value, view->engine->names);
  }
  json_object_end(writer);
  json_object_end(writer);
  return ERR_OK;
}

static enum err write_sample(const struct engine_preview *preview, struct json_writer *writer) {
  struct arena arena;
  enum err err = ERR_OK;
  arena_init(&arena, 0);
  json_name(writer, "sample");
  json_array_begin(writer);
  for (size_t i = 0; err == ERR_OK && i < preview->result->pick_count; i++) {
    arena_clear(&arena);
    err = write_customer(preview, preview->result->picks[i].customer, &arena, writer);
  }
  json_array_end(writer);
  arena_release(&arena);
  return err;
}

static void write_trait(const struct engine_preview *preview, size_t index, struct json_writer *writer) {
  const struct preview_values *values = &preview->result->values[index];
  const struct preview_value *top[PREVIEW_VALUES_SHOWN];
  size_t count = preview_tally_top(values, top);
  uint64_t other = preview->result->members - values->missing;
  json_object_begin(writer);
  json_member_bytes(writer, "name", preview->traits[index]);
  json_name(writer, "values");
  json_array_begin(writer);
  for (size_t i = 0; i < count; i++) {
    json_object_begin(writer);
    json_name(writer, "value");
    value_to_json(writer, (struct value){top[i]->packed}, preview->query->view->engine->names);
    json_member_u64(writer, "members", scaled(preview, top[i]->members));
    write_share(writer, top[i]->members, preview->result->members);
    json_object_end(writer);
    other -= top[i]->members;
  }
  json_array_end(writer);
  json_member_u64(writer, "other", scaled(preview, other));
  json_member_u64(writer, "missing", scaled(preview, values->missing));
  json_object_end(writer);
}

static enum err write_answer(const struct engine_preview *preview, struct json_writer *writer) {
  json_object_begin(writer);
  write_counts(preview, writer);
  enum err err = write_sample(preview, writer);
  json_name(writer, "traits");
  json_array_begin(writer);
  for (size_t i = 0; i < preview->trait_count; i++) write_trait(preview, i, writer);
  json_array_end(writer);
  engine_query_write_warnings(preview->query, writer);
  json_object_end(writer);
  return err;
}

enum err engine_preview_json(struct engine_preview *preview, unsigned threads, engine_query_progress_fn *progress,
                             void *context, struct json_writer *writer, struct diag *diag) {
  preview->result = alloc_zero(1, sizeof *preview->result);
  enum err err = preview->result == NULL ? ERR_NO_MEMORY : ERR_OK;
  if (err == ERR_OK) err = preview_tally_init(preview->result, preview->sample, preview->trait_count);
  if (err == ERR_OK) err = query_total(preview->query, &preview->customers);
  if (err == ERR_OK) err = preview->estimate ? estimate(preview) : count_all(preview, threads, progress, context);
  if (err == ERR_OK) err = write_answer(preview, writer);
  if (err == ERR_STOPPED) return diag_set(diag, err, "stopped", "the preview was stopped");
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}
