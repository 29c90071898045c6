// Random events against a naive reference: the same decisions, by plain loops over plain arrays, in the same order.
//
// Each round is one workspace and one seed. After every step the two must agree on which identifiers are one customer
// on how many events each has, and on her name; engine_check must find nothing. Splits and their lifting, corrections,
// erasures, aliases, imports of what came before and repeated messages come at random, and events go on after them.
// RAPPORT_MODEL_ROUNDS sets how many rounds are run, RAPPORT_MODEL_SEED where they begin (one failing round is
// printed).
//
// A twin goes through the same lines and moves the events of every merge at once; the engine under test moves one to
// three, so that something is pending nearly all the time, and takes steps of the job at random. What is exported of a
// customer must be the same of both, byte by byte. Both have computed attributes, which engine_check holds against a
// fresh evaluation after every step of the one under test: whatever moves events about must tell them.
#include "engine_read_fixture.h"

#include "engine_live_kit.h"
#include "rounds.h"

#include <ctype.h>

enum {
  USERS = 5,
  CARDS = 4,
  MAILS = 4,
  PHONES = 3,
  DEVICES = 4,
  PERSONS = USERS + CARDS + MAILS + PHONES,
  IDS = PERSONS + DEVICES,
  STEPS = 50,
  EVENTS_MAX = 2 * STEPS, // aliases are events too
  NONE = -1,
  PEOPLE_MAX = 3,
  RERUNS = 6,
};
#define WINDOW_S (30 * 86400)

struct model_event {
  int time_s;
  int persons[4], person_count; // accepted, highest rank first
  int device;                   // accepted, or NONE
  int name;                     // 0: gives none, 1 Ann, 2 Bob
  bool correction;              // by a person: wins over all that are none
};

struct model {
  int customer[PERSONS]; // NONE: never seen; equal numbers are one customer
  bool shared[PERSONS];
  bool edge[PERSONS][PERSONS];
  int edge_order[PERSONS][PERSONS];
  bool device_edge[PERSONS][DEVICES];
  bool cannot[PERSONS][PERSONS]; // the first one's record says so
  bool erased[PERSONS];          // once: what is imported of her is refused,
  bool suppressed[PERSONS];      // or whatever comes
  bool device_erased[DEVICES];   // it was used by somebody erased: whether it was hers alone is not modelled
  bool taken[STEPS];             // the step's message became an event
  bool ignore_limits;            // of an alias by a trusted source
  int edges;
  struct model_event events[EVENTS_MAX];
  int event_count;
  int next_customer;
};

static uint64_t random_state;
static unsigned roll(unsigned below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(random_state >> 33) % below;
}

static const char *const names[] = {"", "Ann", "Bob"};

// In order of rank: user_id, loyalty_card, email, phone.
static void id_text(int id, char out[64]) {
  if (id < USERS)
    snprintf(out, 64, "user_id:u%d", id);
  else if (id < USERS + CARDS)
    snprintf(out, 64, "loyalty_card:c%d", id - USERS);
  else if (id < USERS + CARDS + MAILS)
    snprintf(out, 64, "email:m%d@x.org", id - USERS - CARDS);
  else if (id < PERSONS)
    snprintf(out, 64, "phone:+3361234567%d", id - USERS - CARDS - MAILS);
  else
    snprintf(out, 64, "anonymous_id:d%d", id - PERSONS);
}

static bool is_phone(int id) {
  return id >= USERS + CARDS + MAILS && id < PERSONS;
}

// --- what the model says of a customer -----------------------------------------------------------------------

static int home(const struct model *model, const struct model_event *event) {
  return event->person_count > 0 ? model->customer[event->persons[0]] : NONE;
}

static int owner_at(const struct model *model, int device, int time_s);

// The newest name given by an event that named nobody else, or by an anonymous one that is hers; of a correction if
// there is any.
static int name_of(const struct model *model, int customer) {
  int newest = NONE, name = 0;
  bool corrected = false;
  for (int i = 0; i < model->event_count; i++) {
    const struct model_event *event = &model->events[i];
    if (event->name == 0 || event->correction < corrected) continue;
    if (event->correction == corrected && event->time_s < newest) continue;
    bool hers = event->person_count > 0 || owner_at(model, event->device, event->time_s) == customer;
    for (int j = 0; j < event->person_count; j++) hers = hers && model->customer[event->persons[j]] == customer;
    if (!hers) continue;
    newest = event->time_s;
    name = event->name;
    corrected = event->correction;
  }
  return name;
}

static int count_of(const struct model *model, int customer, int first, int last) {
  int count = 0;
  for (int i = first; i < last; i++) count += model->customer[i] == customer;
  return count;
}

static bool within_limits(const int counts_a[4], const int counts_b[4]) {
  static const int limits[] = {1, 3, 5, 5};
  for (int i = 0; i < 4; i++)
    if (counts_a[i] + counts_b[i] > limits[i] && counts_a[i] > 0 && counts_b[i] > 0) return false;
  return true;
}

static void counts_of(const struct model *model, int customer, int counts[4]) {
  counts[0] = count_of(model, customer, 0, USERS);
  counts[1] = count_of(model, customer, USERS, USERS + CARDS);
  counts[2] = count_of(model, customer, USERS + CARDS, USERS + CARDS + MAILS);
  counts[3] = count_of(model, customer, USERS + CARDS + MAILS, PERSONS);
}

static void counts_of_list(const int *ids, int count, int counts[4]) {
  memset(counts, 0, 4 * sizeof *counts);
  for (int i = 0; i < count; i++)
    counts[ids[i] < USERS ? 0 : ids[i] < USERS + CARDS ? 1 : ids[i] < USERS + CARDS + MAILS ? 2 : 3]++;
}

enum verdict { OK, REFUSED, DIFFERENT };

// May the identifiers of `ids` (a customer's, or newcomers) join the customer `b` through `via`?
static enum verdict may_join(const struct model *model, const int *ids, int count, int name_a, int b, int via) {
  int counts_a[4], counts_b[4];
  bool other = false;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < PERSONS; j++)
      if (model->customer[j] == b && (model->cannot[ids[i]][j] || model->cannot[j][ids[i]])) return REFUSED;
  counts_of_list(ids, count, counts_a);
  counts_of(model, b, counts_b);
  for (int j = 0; j < PERSONS; j++) other = other || (model->customer[j] == b && j != via);
  bool another = false;
  for (int i = 0; i < count; i++) another = another || ids[i] != via;
  int name_b = name_of(model, b);
  if (is_phone(via) && other && another && name_a != 0 && name_b != 0 && name_a != name_b) return DIFFERENT;
  return model->ignore_limits || within_limits(counts_a, counts_b) ? OK : REFUSED;
}

static int members(const struct model *model, int customer, int *ids) {
  int count = 0;
  for (int i = 0; i < PERSONS; i++)
    if (model->customer[i] == customer) ids[count++] = i;
  return count;
}

static void add_edge(struct model *model, int a, int b) {
  if (a == b || model->edge[a][b]) return;
  model->edge[a][b] = model->edge[b][a] = true;
  model->edge_order[a][b] = model->edge_order[b][a] = model->edges++;
}

// --- one event -----------------------------------------------------------------------------------------------

static void accept_id(struct model_event *event, int id) {
  int at = event->person_count++;
  while (at > 0 && event->persons[at - 1] > id) {
    event->persons[at] = event->persons[at - 1];
    at--;
  }
  event->persons[at] = id;
}

static void take_one(struct model *model, struct model_event *event, int anchor, int id) {
  int customer = model->customer[anchor], ids[PERSONS], count;
  if (model->shared[id]) return;
  if (model->customer[id] == customer) {
    accept_id(event, id);
    add_edge(model, anchor, id);
    return;
  }
  enum verdict verdict;
  if (model->customer[id] == NONE) {
    int fresh[1] = {id};
    verdict = may_join(model, fresh, 1, 0, customer, id);
  } else {
    count = members(model, customer, ids);
    int name = name_of(model, customer);
    verdict = may_join(model, ids, count, name != 0 ? name : event->name, model->customer[id], id);
  }
  if (verdict == DIFFERENT) model->shared[id] = true;
  if (verdict != OK) return;
  int old = model->customer[id];
  if (old == NONE) model->customer[id] = customer;
  for (int i = 0; i < PERSONS; i++)
    if (old != NONE && model->customer[i] == old) model->customer[i] = customer;
  accept_id(event, id);
  add_edge(model, anchor, id);
}

static int choose_anchor(struct model *model, struct model_event *event, const int *ids, int count) {
  int known = NONE, fresh[4], fresh_count = 0;
  for (int i = 0; i < count && known == NONE; i++)
    if (model->customer[ids[i]] != NONE && !model->shared[ids[i]]) known = i;
  if (known != NONE) {
    for (int i = 0; i < known; i++)
      if (!model->shared[ids[i]]) fresh[fresh_count++] = ids[i];
    enum verdict verdict =
        fresh_count == 0 ? OK
                         : may_join(model, fresh, fresh_count, event->name, model->customer[ids[known]], ids[known]);
    if (verdict == OK) return ids[known];
    if (verdict == DIFFERENT) model->shared[ids[known]] = true;
  }
  for (int i = 0; i < count; i++) {
    if (model->shared[ids[i]]) continue;
    model->customer[ids[i]] = model->next_customer++;
    return ids[i];
  }
  return NONE;
}

static void model_event(struct model *model, const int *ids, int count, int device, int time_s, int name) {
  struct model_event event = {.time_s = time_s, .device = NONE, .name = name};
  int anchor = count > 0 ? choose_anchor(model, &event, ids, count) : NONE;
  if (anchor == NONE) { // only shared identifiers, or none: the device's
    event.device = device;
    if (device != NONE) model->events[model->event_count++] = event;
    return;
  }
  accept_id(&event, anchor);
  for (int i = 0; i < count; i++)
    if (ids[i] != anchor) take_one(model, &event, anchor, ids[i]);
  event.device = device;
  if (device != NONE) model->device_edge[event.persons[0]][device] = true;
  model->events[model->event_count++] = event;
}

// --- devices, from all sign-ins at once ----------------------------------------------------------------------

struct model_run {
  int time_s, customer;
};

static int by_time(const void *a, const void *b) {
  return ((const struct model_run *)a)->time_s - ((const struct model_run *)b)->time_s;
}

static int runs_of(const struct model *model, int device, struct model_run *runs) {
  int count = 0, kept = 0;
  for (int i = 0; i < model->event_count; i++)
    if (model->events[i].device == device && model->events[i].person_count > 0)
      runs[count++] = (struct model_run){model->events[i].time_s, home(model, &model->events[i])};
  qsort(runs, (size_t)count, sizeof *runs, by_time);
  for (int i = 0; i < count; i++)
    if (kept == 0 || runs[kept - 1].customer != runs[i].customer) runs[kept++] = runs[i];
  return kept;
}

static bool is_shared(const struct model_run *runs, int count) {
  for (int i = 0; i < count; i++)
    for (int j = i + 1; j < count; j++) {
      int distinct = 0;
      if (runs[j].time_s - runs[i + 1].time_s > WINDOW_S) continue;
      for (int k = i; k <= j; k++) {
        bool seen = false;
        for (int l = i; l < k; l++) seen = seen || runs[l].customer == runs[k].customer;
        distinct += !seen;
      }
      if (distinct > PEOPLE_MAX) return true;
    }
  return false;
}

// Whose an anonymous event is; NONE for the device's own customer.
static int owner_at(const struct model *model, int device, int time_s) {
  struct model_run runs[EVENTS_MAX];
  int count = runs_of(model, device, runs), owner = NONE;
  if (count == 0 || is_shared(runs, count)) return NONE;
  owner = runs[0].customer;
  for (int i = 0; i < count; i++)
    if (runs[i].time_s <= time_s) owner = runs[i].customer;
  return owner;
}

static int whose(const struct model *model, const struct model_event *event) {
  return event->person_count > 0 ? home(model, event) : owner_at(model, event->device, event->time_s);
}

static int events_of(const struct model *model, int customer) {
  int count = 0;
  for (int i = 0; i < model->event_count; i++) count += whose(model, &model->events[i]) == customer;
  return count;
}

// --- splits --------------------------------------------------------------------------------------------------

static void flood(const struct model *model, int from, bool *reached) {
  reached[from] = true;
  for (int i = 0; i < PERSONS; i++)
    if (model->edge[from][i] && !reached[i]) flood(model, i, reached);
}

// Takes away the newest edge on a path, as long as there is a path: in order of age, the edge that closes it.
static bool model_apart(struct model *model, int a, int b) {
  bool any = false;
  for (;;) {
    struct model grown = {0};
    bool closed = false;
    for (int order = 0; order < model->edges && !closed; order++)
      for (int i = 0; i < PERSONS && !closed; i++)
        for (int j = i + 1; j < PERSONS && !closed; j++) {
          bool reached[PERSONS] = {false};
          if (!model->edge[i][j] || model->edge_order[i][j] != order) continue;
          grown.edge[i][j] = grown.edge[j][i] = true;
          flood(&grown, a, reached);
          if (!reached[b]) continue;
          model->edge[i][j] = model->edge[j][i] = false;
          model->cannot[i][j] = model->cannot[j][i] = true;
          closed = any = true;
        }
    if (!closed) return any;
  }
}

static void model_split(struct model *model, int a, int b) {
  bool done[PERSONS] = {false};
  int whole = model->customer[a];
  model_apart(model, a, b);
  for (int i = 0; i < PERSONS; i++) {
    bool reached[PERSONS] = {false};
    if (model->customer[i] != whole || done[i]) continue;
    flood(model, i, reached);
    int number = model->next_customer++;
    for (int j = 0; j < PERSONS; j++)
      if (reached[j] && !done[j]) {
        model->customer[j] = number;
        done[j] = true;
      }
  }
  // Only edges whose ends came apart keep their ends apart.
  for (int i = 0; i < PERSONS; i++)
    for (int j = 0; j < PERSONS; j++)
      if (model->cannot[i][j] && model->customer[i] == model->customer[j]) model->cannot[i][j] = false;
}

// --- rounds --------------------------------------------------------------------------------------------------

// What both sides say of one customer, for whoever looks into a failure.
static void tell_difference(struct kit *kit, const struct model *model, int id, const char *text) {
  struct engine_events_query query = {.limit = STEPS};
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  for (int i = 0; i < model->event_count; i++) {
    const struct model_event *event = &model->events[i];
    if (whose(model, event) == model->customer[id])
      print_message("model: t=%d device=%d persons=%d\n", event->time_s, event->device, event->person_count);
  }
  for (int device = 0; device < DEVICES; device++) {
    struct model_run runs[EVENTS_MAX];
    int count = runs_of(model, device, runs);
    print_message("model: d%d%s:", device, is_shared(runs, count) ? " shared" : "");
    for (int i = 0; i < count; i++) print_message(" %d@%d", runs[i].customer, runs[i].time_s);
    print_message("\n");
  }
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  engine_events_json(view, kit_customer(kit, text), &query, &writer, &diag);
  json_writer_init(&writer, &out);
  engine_identity_json(view, kit_customer(kit, text), &writer, &diag);
  engine_view_close(view);
  fprintf(stderr, "engine: %.*s\n", (int)out.size_bytes, (const char *)out.data);
  buffer_release(&out);
}

static void compare_name(struct kit *kit, const char *text, int name) {
  char expected[32] = "\"firstName\":";
  char *json = kit_stripped(kit, text);
  const char *traits = strstr(json, "\"traits\":");
  if (name != 0) snprintf(expected, sizeof expected, "\"firstName\":\"%s\"", names[name]);
  if (traits == NULL || (strstr(traits, expected) != NULL) != (name != 0))
    fail_msg("%s: %s is called %s in\n%s", kit->where, text, names[name], json);
  free(json);
}

// Numbers of decisions, "e12", "h13", "sequence":14 and so on, are used up by a transaction that begins again: only
// their order is the same. A pair that a re-run took back, "r12", has its edge's.
static void hide_decisions(struct buffer *out) {
  static const char *const before[] = {"\"e", "\"h", "\"r", "\"sequence\":", "\"stands_for\":"};
  for (size_t i = 0; i < out->size_bytes; i++) {
    for (size_t j = 0; out->data[i] == '"' && j < sizeof before / sizeof before[0]; j++) {
      size_t from = i + strlen(before[j]), digits = 0;
      if (from >= out->size_bytes || memcmp(out->data + i, before[j], strlen(before[j])) != 0) continue;
      while (from + digits < out->size_bytes && isdigit(out->data[from + digits])) digits++;
      bool whole = from + digits < out->size_bytes && strchr("\",", out->data[from + digits]) != NULL;
      if (!whole) continue; // an event's id
      memmove(out->data + from, out->data + from + digits, out->size_bytes - from - digits);
      out->size_bytes -= digits;
    }
  }
}

// Nobody chose the message id of a correction, so its event id is another one in each workspace.
static void hide_corrections(struct buffer *out) {
  static const char id[] = "\"id\":\"", name[] = "\",\"name\":\"Corrected\"";
  enum { HEX = 2 * IDENTITY_EVENT_ID_BYTES };
  size_t bytes = strlen(id) + HEX + strlen(name);
  for (size_t i = 0; i + bytes <= out->size_bytes; i++) {
    uint8_t *hex = out->data + i + strlen(id);
    if (out->data[i] != '"') continue;
    if (memcmp(out->data + i, id, strlen(id)) == 0 && memcmp(hex + HEX, name, strlen(name)) == 0) memset(hex, '0', HEX);
  }
}

static void export(struct kit *kit, uint64_t customer, struct buffer *out) {
  struct engine_view *view;
  struct json_writer writer;
  struct diag diag;
  diag_init(&diag);
  buffer_clear(out);
  json_writer_init(&writer, out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  if (engine_export_json(view, customer, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  engine_view_close(view);
  hide_corrections(out);
  hide_decisions(out);
}

// A pending id's events are read as if they were where they belong.
static void compare_twins(struct kit *kit, struct kit *twin, uint64_t customer) {
  struct buffer ours, theirs;
  buffer_init(&ours);
  buffer_init(&theirs);
  export(kit, customer, &ours);
  export(twin, customer, &theirs);
  if (!bytes_equal(buffer_view(&ours), buffer_view(&theirs))) {
    fprintf(stderr, "%.*s\n%.*s\n", (int)ours.size_bytes, (const char *)ours.data, (int)theirs.size_bytes,
            (const char *)theirs.data);
    fail_msg("%s: customer c%llu is not the same in both", kit->where, (unsigned long long)customer);
  }
  buffer_release(&ours);
  buffer_release(&theirs);
}

static void compare(struct kit *kit, struct kit *twin, const struct model *model) {
  uint64_t customers[PERSONS];
  char text[64];
  for (int i = 0; i < PERSONS; i++) {
    id_text(i, text);
    customers[i] = model->shared[i] ? 0 : kit_customer(kit, text);
    if ((customers[i] == 0) != (model->customer[i] == NONE || model->shared[i])) fail_msg("%s: %s", kit->where, text);
  }
  for (int i = 0; i < PERSONS; i++) {
    bool seen = customers[i] == 0;
    for (int j = 0; j < i; j++) seen = seen || customers[i] == customers[j];
    if (!seen) compare_twins(kit, twin, customers[i]);
  }
  for (int i = 0; i < PERSONS; i++)
    for (int j = 0; j < i; j++) {
      if (customers[i] == 0 || customers[j] == 0) continue;
      bool same = model->customer[i] == model->customer[j];
      if (same != (customers[i] == customers[j])) {
        char other[64];
        id_text(i, text);
        id_text(j, other);
        fail_msg("%s: %s and %s should be %s", kit->where, text, other, same ? "one" : "two");
      }
    }
  for (int i = 0; i < PERSONS; i++) {
    if (customers[i] == 0) continue;
    id_text(i, text);
    int expected = events_of(model, model->customer[i]);
    compare_name(kit, text, name_of(model, model->customer[i]));
    if (kit_events(kit, text) == (uint64_t)expected) continue;
    tell_difference(kit, model, i, text);
    fail_msg("%s: %s has %llu events, not %d", kit->where, text, (unsigned long long)kit_events(kit, text), expected);
  }
}

// The same line for both; it is cut up.
static void both(struct kit *kit, struct kit *twin, char *line) {
  char copy[600];
  snprintf(copy, sizeof copy, "%s", line);
  snprintf(twin->where, sizeof twin->where, "twin of %.200s", kit->where);
  kit_line(kit, line);
  kit_line(twin, copy);
}

static int pick_ids(int *ids) {
  int count = 0, wanted = (int)roll(4);
  for (int i = 0; i < PERSONS && wanted > 0; i++) {
    if ((int)roll((unsigned)(PERSONS - i)) >= wanted) continue;
    ids[count++] = i;
    wanted--;
  }
  return count;
}

// Runs an `event` line of which this is expected.
static void both_outcome(struct kit *kit, struct kit *twin, const char *outcome, const char *line) {
  char expected[600];
  snprintf(expected, sizeof expected, "%s%s", outcome, line + strlen("event"));
  both(kit, twin, expected);
}

static void random_event(struct kit *kit, struct kit *twin, struct model *model, const int *times, int step,
                         bool verbose) {
  char line[512] = "event", text[64];
  int ids[PERSONS], count = pick_ids(ids), device = roll(2) == 0 || count == 0 ? (int)roll(DEVICES) : NONE;
  int name = count > 0 && roll(3) == 0 ? 1 + (int)roll(2) : 0;
  size_t used = strlen(line);
  for (int i = 0; i < count; i++) {
    id_text(ids[i], text);
    used += (size_t)snprintf(line + used, sizeof line - used, " %s", text);
  }
  if (device != NONE) {
    id_text(PERSONS + device, text);
    used += (size_t)snprintf(line + used, sizeof line - used, " %s", text);
  }
  bool replay = roll(4) == 0 && (device == NONE || !model->device_erased[device]);
  used +=
      (size_t)snprintf(line + used, sizeof line - used, " t=%d id=e%d%s", times[step], step, replay ? " replay" : "");
  if (name != 0) snprintf(line + used, sizeof line - used, " trait.firstName=%s", names[name]);
  bool all_shared = device == NONE, suppressed = false;
  for (int i = 0; i < count; i++) all_shared = all_shared && model->shared[ids[i]];
  for (int i = 0; i < count; i++)
    suppressed = suppressed || model->suppressed[ids[i]] || (replay && model->erased[ids[i]]);
  if (!suppressed) model_event(model, ids, count, device, times[step], name);
  model->taken[step] = !suppressed && !all_shared;
  if (verbose) print_message("%s\n", line);
  both_outcome(kit, twin, suppressed ? "suppressed" : all_shared ? "aside" : "event", line);
}

static void random_split(struct kit *kit, struct kit *twin, struct model *model, bool verbose) {
  char line[160], a[64], b[64];
  int i = (int)roll(PERSONS), j = (int)roll(PERSONS);
  if (i == j || model->customer[i] == NONE || model->customer[i] != model->customer[j]) return;
  if (model->shared[i] || model->shared[j]) return;
  id_text(i, a);
  id_text(j, b);
  snprintf(line, sizeof line, "split %s %s", a, b);
  if (verbose) print_message("%s\n", line);
  model_split(model, i, j);
  both(kit, twin, line);
}

// --- erasures, aliases, repeats ------------------------------------------------------------------------------

static bool uses_devices(const struct model *model, int customer) {
  for (int i = 0; i < model->event_count; i++)
    if (model->events[i].device != NONE && whose(model, &model->events[i]) == customer) return true;
  for (int i = 0; i < PERSONS; i++)
    for (int j = 0; j < DEVICES; j++)
      if (model->customer[i] == customer && model->device_edge[i][j]) return true;
  return false;
}

static void model_erase(struct model *model, int customer, bool suppress) {
  int kept = 0;
  bool gone[EVENTS_MAX];
  for (int i = 0; i < model->event_count; i++) gone[i] = whose(model, &model->events[i]) == customer;
  for (int i = 0; i < model->event_count; i++)
    if (gone[i] && model->events[i].device != NONE) model->device_erased[model->events[i].device] = true;
  for (int i = 0; i < PERSONS; i++)
    for (int j = 0; j < DEVICES; j++)
      if (model->customer[i] == customer && model->device_edge[i][j]) model->device_erased[j] = true;
  for (int i = 0; i < model->event_count; i++)
    if (!gone[i]) model->events[kept++] = model->events[i];
  model->event_count = kept;
  for (int i = 0; i < PERSONS; i++) {
    if (model->customer[i] != customer) continue;
    model->customer[i] = NONE;
    model->shared[i] = false;
    model->erased[i] = true;
    model->suppressed[i] = suppress;
    for (int j = 0; j < PERSONS; j++) model->edge[i][j] = model->edge[j][i] = model->cannot[i][j] = false;
  }
}

static void random_erasure(struct kit *kit, struct kit *twin, struct model *model, bool verbose) {
  char line[96], text[64];
  int i = (int)roll(PERSONS);
  if (model->customer[i] == NONE || model->shared[i]) return;
  id_text(i, text);
  bool suppress = roll(3) == 0 && !uses_devices(model, model->customer[i]);
  snprintf(line, sizeof line, "erase%s %s", suppress ? "!" : "", text);
  if (verbose) print_message("%s\n", line);
  model_erase(model, model->customer[i], suppress);
  both(kit, twin, line);
}

// --- what people do ------------------------------------------------------------------------------------------

enum { CORRECTED_S = 300 * 86400 }; // after every event: the clock's own time

static void random_correction(struct kit *kit, struct kit *twin, struct model *model, int step, bool verbose) {
  char line[96], text[64];
  int i = (int)roll(PERSONS), name = 1 + (int)roll(2), anchor = 0;
  if (model->customer[i] == NONE || model->shared[i]) return;
  while (model->customer[anchor] != model->customer[i] || model->shared[anchor]) anchor++;
  struct model_event event = {.time_s = CORRECTED_S + step, .device = NONE, .name = name, .correction = true};
  accept_id(&event, anchor);
  model->events[model->event_count++] = event;
  id_text(i, text);
  snprintf(line, sizeof line, "correct %s firstName %s", text, names[name]);
  if (verbose) print_message("%s\n", line);
  both(kit, twin, line);
}

// Somebody who parted two lets them be joined again; the next event that carries both may.
static void random_lifting(struct kit *kit, struct kit *twin, struct model *model, bool verbose) {
  char line[160], a[64], b[64];
  int pairs = 0, chosen_a = NONE, chosen_b = NONE;
  for (int i = 0; i < PERSONS; i++)
    for (int j = 0; j < i; j++) {
      if (!model->cannot[i][j] && !model->cannot[j][i]) continue;
      if (roll((unsigned)++pairs) != 0) continue;
      chosen_a = i;
      chosen_b = j;
    }
  if (pairs == 0) return;
  model->cannot[chosen_a][chosen_b] = model->cannot[chosen_b][chosen_a] = false;
  id_text(chosen_a, a);
  id_text(chosen_b, b);
  snprintf(line, sizeof line, "allow %s %s", a, b);
  if (verbose) print_message("%s\n", line);
  both(kit, twin, line);
}

static void random_alias(struct kit *kit, struct kit *twin, struct model *model, bool verbose) {
  char line[96];
  int ids[2] = {(int)roll(USERS), (int)roll(USERS)};
  bool trusted = roll(2) == 0;
  if (ids[0] == ids[1] || model->suppressed[ids[0]] || model->suppressed[ids[1]]) return;
  snprintf(line, sizeof line, "alias u%d user_id:u%d%s", ids[1], ids[0], trusted ? " trusted" : "");
  if (verbose) print_message("%s\n", line);
  model->ignore_limits = trusted;
  model_event(model, ids, 2, NONE, 0, 0);
  model->ignore_limits = false;
  both(kit, twin, line);
}

// A message that came before comes again: nothing happens, whatever has happened since.
static void random_repeat(struct kit *kit, struct kit *twin, const struct model *model, int steps, bool verbose) {
  char line[32];
  int step = (int)roll((unsigned)steps + 1), user = (int)roll(USERS);
  if (!model->taken[step]) return;
  snprintf(line, sizeof line, "duplicate id=e%d user_id:u%d", step, user);
  if (verbose) print_message("%s\n", line);
  both(kit, twin, line);
}

// --- other rules ---------------------------------------------------------------------------------------------

static const char *const other_rules[] = {
    "rules {}",
    "rules {\"types\":{\"email\":{\"limit\":1}}}",
    "rules {\"types\":{\"user_id\":{\"limit\":3}}}",
    "rules {\"types\":{\"loyalty_card\":{\"limit\":1},\"email\":{\"limit\":2}}}",
    "rules {\"types\":{\"email\":{\"blocked\":[\"^m1@\"]}}}",
    "rules {\"types\":{\"loyalty_card\":{\"blocked\":[\"c[02]\"]},\"user_id\":{\"limit\":2}}}",
    "rules {\"types\":{\"email\":{\"shares\":true}}}",
    "rules {\"types\":{\"phone\":{\"shares\":false}}}",
    "rules {\"types\":{\"phone\":null}}",
    "rules {\"types\":{\"anonymous_id\":{\"limit\":1}}}",
    "rules {\"types\":{\"user_id\":{\"shares\":true,\"limit\":9},\"phone\":{\"limit\":1}}}",
};

// Nobody is found by a phone while the rules have no such type.
static void compare_customers(struct kit *kit, struct kit *twin, bool phones) {
  for (int i = 0; i < PERSONS; i++) {
    char text[64];
    id_text(i, text);
    if (!phones && strncmp(text, "phone:", strlen("phone:")) == 0) continue;
    uint64_t customer = kit_customer(kit, text);
    if (customer != kit_customer(twin, text)) fail_msg("%s: %s is another one in the twin", kit->where, text);
    if (customer != 0) compare_twins(kit, twin, customer);
  }
}

// A re-run under random rules does what was predicted, and again nothing; what is pending meanwhile makes no
// difference.
static void rerun_rules(struct kit *kit, struct kit *twin, unsigned seed, bool verbose) {
  char line[256];
  kit->check_each = twin->check_each = false;
  for (int i = 0; i < RERUNS; i++) {
    const char *rules = i % 2 == 0 ? other_rules[0] : other_rules[roll(sizeof other_rules / sizeof *other_rules)];
    snprintf(kit->where, sizeof kit->where, "seed %u, %s", seed, rules);
    if (verbose) print_message("%s\n", rules);
    snprintf(line, sizeof line, "%s", rules);
    both(kit, twin, line);
    snprintf(line, sizeof line, "rerun");
    both(kit, twin, line);
    kit_check(kit);
    compare_customers(kit, twin, strstr(rules, "\"phone\":null") == NULL);
  }
}

static void define_attributes(struct kit *kit) {
  static const char *const expressions[] = {
      "traits.firstName",
      "count(\\\"Viewed\\\")",
      "last(time of \\\"Viewed\\\" in last 280 days)",
      "exists(\\\"Identified\\\") and attributes.a1 > 1",
      "sequence(\\\"Identified\\\" then \\\"Viewed\\\" within 10 days)",
  };
  for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
    char json[256];
    snprintf(json, sizeof json, "{\"id\":\"a%zu\",\"kind\":\"attribute\",\"expression\":\"%s\"}", i, expressions[i]);
    live_put(kit, json);
    live_settle(kit);
  }
}

// *pending counts the steps after which some customer's events were still to be moved.
static void run_round(unsigned seed, bool verbose, unsigned *pending) {
  struct engine_loads loads;
  static struct model model;
  int times[STEPS];
  struct kit kit, twin;
  random_state = seed * 7919u + 1;
  memset(&model, 0, sizeof model);
  for (int i = 0; i < PERSONS; i++) model.customer[i] = NONE;
  for (int i = 0; i < STEPS; i++) times[i] = i * 86400 * 2;
  for (int i = STEPS - 1; i > 0; i--) {
    int j = (int)roll((unsigned)i + 1), swap = times[i];
    times[i] = times[j];
    times[j] = swap;
  }
  kit_merge_events = 0;
  read_open(&twin);
  kit_merge_events = 1 + seed % 3;
  read_open(&kit);
  kit.check_each = true;
  define_attributes(&kit);
  define_attributes(&twin);
  for (int step = 0; step < STEPS; step++) {
    snprintf(kit.where, sizeof kit.where, "seed %u, step %d", seed, step);
    random_event(&kit, &twin, &model, times, step, verbose);
    assert_int_equal(engine_get_loads(kit.engine, &loads), ERR_OK);
    *pending += loads.moving > 0;
    compare(&kit, &twin, &model);
    switch (roll(24)) {
    case 0:
    case 1:
    case 2:
      random_split(&kit, &twin, &model, verbose);
      break;
    case 3:
      random_erasure(&kit, &twin, &model, verbose);
      break;
    case 4:
      random_alias(&kit, &twin, &model, verbose);
      break;
    case 5:
      random_repeat(&kit, &twin, &model, step, verbose);
      break;
    case 6:
    case 7:
      random_correction(&kit, &twin, &model, step, verbose);
      break;
    case 8:
      random_lifting(&kit, &twin, &model, verbose);
      break;
    case 9:
    case 10:
    case 11:
      kit_step(&kit);
      kit_check(&kit);
      break;
    default:
      continue;
    }
    compare(&kit, &twin, &model);
  }
  rerun_rules(&kit, &twin, seed, verbose);
  kit_close(&kit);
  kit_close(&twin);
}

static void test_rounds(void **state) {
  (void)state;
  unsigned usual = getenv("RAPPORT_TEST_LONG") != NULL ? 5000 : 60;
  unsigned rounds = rounds_count(ROUNDS_SANITIZED ? usual / 2 : usual);
  unsigned pending = 0, first = rounds_first();
  for (unsigned seed = first; seed < first + rounds; seed++) run_round(seed, rounds == 1, &pending);
  print_message("events were pending after %u of %u steps\n", pending, rounds * STEPS);
  if (rounds > 1) assert_true(pending > rounds * STEPS / 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds)};
  return cmocka_run_group_tests_name("engine model", tests, NULL, NULL);
}
