// record_json: the record as the public document.
//
// What one event that joined two customers may leave behind (counts, times, aliases, who said what) stands under
// `trace`; everything else is a function of the record alone, so that a split can give the same document back.
#include <stdlib.h>

#include "customer/record.h"

// One trait: the text of its name, and where its values begin.
struct named_trait {
  struct bytes text;
  size_t first;
};

static int by_text(const void *a, const void *b) {
  return bytes_compare(((const struct named_trait *)a)->text, ((const struct named_trait *)b)->text);
}

static struct bytes trait_text(const struct customer_trait *trait, const struct names *names) {
  return trait->name == 0 ? trait->inline_name : names_text(names, trait->name);
}

// All traits in order of their names' text. NULL when memory is short.
static struct named_trait *sort_traits(const struct customer *customer, const struct names *names,
                                       const struct customer_sources *sources, struct arena *arena, size_t *count) {
  struct named_trait *sorted = arena_take(arena, customer->trait_count * sizeof *sorted);
  *count = 0;
  if (sorted == NULL) return NULL;
  for (size_t first = 0, next; first < customer->trait_count; first = next) {
    customer_trait_winner(customer, first, sources, &next);
    sorted[*count] = (struct named_trait){trait_text(&customer->traits[first], names), first};
    ++*count;
  }
  if (*count > 0) qsort(sorted, *count, sizeof *sorted, by_text);
  return sorted;
}

static void write_id(struct json_writer *writer, const char *name, uint64_t id) {
  char text[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(id, text);
  json_member_text(writer, name, text);
}

static void write_time(struct json_writer *writer, const char *name, bool known, int64_t time_us) {
  json_name(writer, name);
  if (known) {
    json_time(writer, time_us);
  } else {
    json_null(writer);
  }
}

static void write_source(struct json_writer *writer, const struct customer_sources *sources, uint32_t source) {
  json_name(writer, "source");
  if (sources == NULL) {
    json_null(writer);
  } else {
    json_bytes(writer, sources->name(sources->context, source));
  }
}

static void write_pair(struct json_writer *writer, struct identifier identifier, const struct names *names) {
  json_member_bytes(writer, "type", names_text(names, identifier.type));
  json_member_bytes(writer, "value", identifier.value);
}

static void write_identifiers(struct json_writer *writer, const struct customer *customer, const struct names *names,
                              const struct customer_sources *sources) {
  json_name(writer, "identifiers");
  json_array_begin(writer);
  for (size_t i = 0; i < customer->identifier_count; i++) {
    const struct customer_identifier *item = &customer->identifiers[i];
    json_object_begin(writer);
    write_pair(writer, item->member.identifier, names);
    json_member_time(writer, "first_seen_at", item->member.seen_us);
    write_source(writer, sources, item->source);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static int by_id(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

// The ids that lead here: every one that was made for an identifier of this customer, but its own.
static enum err write_aliases(struct json_writer *writer, const struct customer *customer, struct arena *arena) {
  uint64_t *ids = arena_take(arena, customer->identifier_count * sizeof *ids);
  if (ids == NULL) return ERR_NO_MEMORY;
  size_t count = 0;
  for (size_t i = 0; i < customer->identifier_count; i++) {
    uint64_t founded = customer->identifiers[i].founded;
    if (founded != 0 && founded != customer->id) ids[count++] = founded;
  }
  if (count > 0) qsort(ids, count, sizeof *ids, by_id);
  json_name(writer, "aliases");
  json_array_begin(writer);
  for (size_t i = 0; i < count; i++) {
    char text[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(ids[i], text);
    json_text(writer, text);
  }
  json_array_end(writer);
  return ERR_OK;
}

// Who said the value that counts, and what the others said.
static void write_trait_trace(struct json_writer *writer, const struct customer *customer, size_t first,
                              const struct names *names, const struct customer_sources *sources) {
  size_t next;
  const struct customer_trait *winner = customer_trait_winner(customer, first, sources, &next);
  json_object_begin(writer);
  write_source(writer, sources, winner->source);
  json_member_time(writer, "time", winner->at.time_us);
  if (winner->correction) json_member_bytes(writer, "author", winner->author);
  json_name(writer, "others");
  json_array_begin(writer);
  for (size_t i = first; i < next; i++) {
    const struct customer_trait *other = &customer->traits[i];
    if (other == winner) continue;
    json_object_begin(writer);
    json_name(writer, "value");
    value_to_json(writer, other->value, names);
    write_source(writer, sources, other->source);
    json_member_time(writer, "time", other->at.time_us);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

static void write_cannots(struct json_writer *writer, const struct customer *customer, const struct names *names) {
  json_name(writer, "cannot_links");
  json_array_begin(writer);
  for (size_t i = 0; i < customer->cannot_count; i++) {
    const struct identity_cannot *pair = &customer->cannots[i].pair;
    json_object_begin(writer);
    json_name(writer, "own");
    json_object_begin(writer);
    write_pair(writer, pair->own, names);
    json_object_end(writer);
    json_name(writer, "other");
    json_object_begin(writer);
    write_pair(writer, pair->other, names);
    json_object_end(writer);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static enum err write_trace(struct json_writer *writer, const struct customer *customer,
                            const struct customer_trace *trace, const struct names *names,
                            const struct customer_sources *sources, const struct named_trait *sorted, size_t count,
                            struct arena *arena) {
  json_name(writer, "trace");
  json_object_begin(writer);
  enum err err = write_aliases(writer, customer, arena);
  if (err != ERR_OK) return err;
  json_member_u64(writer, "events", trace->event_count);
  json_member_bool(writer, "heavy", trace->heavy);
  write_time(writer, "first_event_at", trace->event_count > 0, trace->first_event_us);
  write_time(writer, "last_event_at", trace->event_count > 0, trace->last_event_us);
  json_name(writer, "traits");
  json_object_begin(writer);
  for (size_t i = 0; i < count; i++) {
    json_name_bytes(writer, sorted[i].text);
    write_trait_trace(writer, customer, sorted[i].first, names, sources);
  }
  json_object_end(writer);
  write_cannots(writer, customer, names);
  json_object_end(writer);
  return ERR_OK;
}

static void write_traits(struct json_writer *writer, const struct customer *customer, const struct names *names,
                         const struct customer_sources *sources, const struct named_trait *sorted, size_t count) {
  json_name(writer, "traits");
  json_object_begin(writer);
  for (size_t i = 0; i < count; i++) {
    size_t next;
    json_name_bytes(writer, sorted[i].text);
    value_to_json(writer, customer_trait_winner(customer, sorted[i].first, sources, &next)->value, names);
  }
  json_object_end(writer);
}

enum err customer_to_json(struct json_writer *writer, const struct customer *customer,
                          const struct customer_trace *trace, const struct names *names,
                          const struct customer_sources *sources, struct arena *arena) {
  size_t count;
  const struct named_trait *sorted = sort_traits(customer, names, sources, arena, &count);
  if (sorted == NULL) return ERR_NO_MEMORY;
  json_object_begin(writer);
  write_id(writer, "id", customer->id);
  if (customer->merged_into != 0) {
    write_id(writer, "merged_into", customer->merged_into);
    json_object_end(writer);
    return writer->out->failed ? ERR_NO_MEMORY : ERR_OK;
  }
  write_time(writer, "created_at", customer->identifier_count > 0, customer_created_us(customer));
  write_time(writer, "updated_at", customer->updated_us != 0, customer->updated_us);
  write_identifiers(writer, customer, names, sources);
  write_traits(writer, customer, names, sources, sorted, count);
  json_name(writer, "consents");
  json_object_begin(writer);
  json_object_end(writer);
  enum err err = write_trace(writer, customer, trace, names, sources, sorted, count, arena);
  if (err != ERR_OK) return err;
  json_object_end(writer);
  return writer->out->failed ? ERR_NO_MEMORY : ERR_OK;
}
