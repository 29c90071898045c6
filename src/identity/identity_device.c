// identity_device: who owns a device, by event time.
//
// The run list is a function of the SET of sign-ins, never of their order of arrival: take them all in order of
// (time, event id), collapse neighbours of one customer, and the starts that remain are the runs. A late sign-in
// therefore changes the list in one place only, and `resumes` tells the one fact that the collapsed list has lost:
// where the person whose run is cut in two signs in again.
//
// Invariants:
//   1. starts ascend strictly; neighbouring runs have different customers;
//   2. `shared` is a function of the runs (see touches_window), or true because of `overflow`;
//   3. overflow: the device changed hands more than IDENTITY_RUNS_MAX times. A sign-in never makes the number of runs
//      smaller, so every order of arrival ends here, and the device is shared for good. Its runs would depend on that
//      order, so they are not stored; those it had stay in memory for whoever takes events away from their owners.
//      Joining the oldest two runs instead would keep a family's tablet tracked, but gives old events to the wrong
//      person, and to another one for another order of arrival.
#include <assert.h>
#include <string.h>

#include "base/varint.h"
#include "identity/identity.h"

enum { FLAG_SHARED = 1, FLAG_OVERFLOW = 2, FLAGS_KNOWN = FLAG_SHARED | FLAG_OVERFLOW };

// A run's stored size without the person's value: time, event id, type, size of the value, customer.
enum { RUN_BYTES_MAX = 4 * VARINT_BYTES_MAX + IDENTITY_EVENT_ID_BYTES };

int identity_instant_compare(const struct identity_instant *a, const struct identity_instant *b) {
  if (a->time_us != b->time_us) return a->time_us < b->time_us ? -1 : 1;
  return memcmp(a->event, b->event, IDENTITY_EVENT_ID_BYTES);
}

// --- the stored form -----------------------------------------------------------------------------------------

static void decode_run(struct varint_reader *reader, struct identity_run *run) {
  run->start.time_us = varint_read_signed(reader);
  struct bytes event = varint_read_raw(reader, IDENTITY_EVENT_ID_BYTES);
  if (event.size_bytes == IDENTITY_EVENT_ID_BYTES) memcpy(run->start.event, event.data, IDENTITY_EVENT_ID_BYTES);
  run->person.type = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  run->person.value = varint_read_bytes(reader);
  run->customer = varint_read(reader);
}

enum err identity_device_decode(struct bytes bytes, struct identity_device *device) {
  struct varint_reader reader = varint_reader_of(bytes);
  uint64_t flags = varint_read_up_to(&reader, FLAGS_KNOWN);
  device->shared = (flags & FLAG_SHARED) != 0;
  device->overflow = (flags & FLAG_OVERFLOW) != 0;
  device->own = varint_read(&reader);
  device->run_count = (size_t)varint_read_up_to(&reader, IDENTITY_RUNS_MAX);
  for (size_t i = 0; i < device->run_count && !reader.failed; i++) {
    decode_run(&reader, &device->runs[i]);
    if (i > 0 && identity_instant_compare(&device->runs[i - 1].start, &device->runs[i].start) >= 0) return ERR_CORRUPT;
  }
  return reader.failed || varint_rest_bytes(&reader) > 0 ? ERR_CORRUPT : ERR_OK;
}

static void encode_run(const struct identity_run *run, struct buffer *out) {
  if (!buffer_reserve(out, RUN_BYTES_MAX + run->person.value.size_bytes)) return;
  uint8_t *at = varint_put_signed(out->data + out->size_bytes, run->start.time_us);
  at = varint_put_raw(at, bytes_of(run->start.event, IDENTITY_EVENT_ID_BYTES));
  at = varint_put(at, run->person.type);
  at = varint_put_bytes(at, run->person.value);
  at = varint_put(at, run->customer);
  out->size_bytes = (size_t)(at - out->data);
}

void identity_device_encode(const struct identity_device *device, struct buffer *out) {
  if (!buffer_reserve(out, 3 * VARINT_BYTES_MAX)) return;
  unsigned flags = (device->shared ? FLAG_SHARED : 0u) | (device->overflow ? FLAG_OVERFLOW : 0u);
  uint8_t *at = varint_put(out->data + out->size_bytes, flags);
  at = varint_put(at, device->own);
  size_t run_count = device->overflow ? 0 : device->run_count;
  at = varint_put(at, run_count);
  out->size_bytes = (size_t)(at - out->data);
  for (size_t i = 0; i < run_count; i++) encode_run(&device->runs[i], out);
}

// --- owners --------------------------------------------------------------------------------------------------

int identity_device_run(const struct identity_device *device, const struct identity_instant *at) {
  size_t from = 0, to = device->run_count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (identity_instant_compare(&device->runs[middle].start, at) <= 0) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return (int)from - 1;
}

int identity_device_owner(const struct identity_device *device, const struct identity_instant *at) {
  if (device->shared || device->run_count == 0) return -1;
  int run = identity_device_run(device, at);
  return run < 0 ? 0 : run;
}

// True when more than people_max customers own the device within one window that ends as run `last` begins. Run i is
// left when run i + 1 starts, so it touches that window when start[last] - start[i + 1] <= window.
static bool touches_window(const struct identity_device *device, size_t last, uint32_t people_max, int64_t window_us) {
  uint64_t people[IDENTITY_RUNS_MAX];
  size_t people_count = 0;
  const struct identity_run *runs = device->runs;
  for (size_t i = last + 1; i-- > 0;) {
    int64_t gap_us;
    bool overflow = i < last && __builtin_sub_overflow(runs[last].start.time_us, runs[i + 1].start.time_us, &gap_us);
    if (i < last && (overflow || gap_us > window_us)) return false;
    size_t known = 0;
    while (known < people_count && people[known] != runs[i].customer) known++;
    if (known < people_count) continue;
    people[people_count++] = runs[i].customer;
    if (people_count > people_max) return true;
  }
  return false;
}

static bool is_shared(const struct identity_device *device, const struct identity_rules *rules) {
  uint32_t people_max = identity_device_people_max(rules);
  int64_t window_us = identity_device_window_us(rules);
  for (size_t last = people_max; last < device->run_count; last++)
    if (touches_window(device, last, people_max, window_us)) return true;
  return false;
}

// --- sign-ins ------------------------------------------------------------------------------------------------

// True when `count` more runs fit; else the device overflows.
static bool make_room(struct identity_device *device, size_t count) {
  device->overflow = device->run_count + count > IDENTITY_RUNS_MAX;
  return !device->overflow;
}

static void insert_run(struct identity_device *device, size_t position, struct identity_run run) {
  struct identity_run *at = &device->runs[position];
  memmove(at + 1, at, (device->run_count - position) * sizeof *at);
  *at = run;
  device->run_count++;
}

// A sign-in before every other one.
static struct identity_change sign_in_first(struct identity_device *device, struct identity_run run) {
  struct identity_change change = {.changed = true, .from = run.start, .to = run.start};
  if (device->run_count > 0 && device->runs[0].customer == run.customer) {
    device->runs[0] = run;
    return change;
  }
  change.from_start = true;
  change.to_end = device->run_count == 0;
  if (device->run_count > 0) change.to = device->runs[0].start;
  if (make_room(device, 1)) insert_run(device, 0, run);
  return change;
}

// A sign-in inside another person's run, which goes on at `resumes`.
static struct identity_change sign_in_between(struct identity_device *device, size_t cut, struct identity_run run,
                                              const struct identity_instant *resumes) {
  size_t next = cut + 1;
  bool is_last = next == device->run_count;
  struct identity_run rest = device->runs[cut];
  struct identity_change change = {.changed = true, .from = run.start, .to = run.start};
  if (resumes != NULL) {
    assert(identity_instant_compare(&run.start, resumes) < 0);
    assert(is_last || identity_instant_compare(resumes, &device->runs[next].start) < 0);
    change.to = rest.start = *resumes;
    if (make_room(device, 2)) {
      insert_run(device, next, rest);
      insert_run(device, next, run);
    }
  } else {
    change.to_end = is_last;
    if (!is_last) change.to = device->runs[next].start;
    if (!is_last && device->runs[next].customer == run.customer) {
      device->runs[next] = run;
    } else if (make_room(device, 1)) {
      insert_run(device, next, run);
    }
  }
  return change;
}

// Ownership of what `change` names moves only while the device has owners before and after; when sharing begins or
// ends, everything moves; while it lasts, nothing does.
static void settle_shared(struct identity_device *device, const struct identity_rules *rules,
                          struct identity_change *change) {
  bool was_shared = device->shared;
  device->shared = device->overflow || is_shared(device, rules);
  if (device->shared != was_shared) {
    change->from_start = change->to_end = true;
  } else if (device->shared) {
    change->from_start = change->to_end = false;
    change->to = change->from;
  }
}

struct identity_change identity_device_sign_in(struct identity_device *device, const struct identity_rules *rules,
                                               const struct identity_instant *at, struct identifier person,
                                               uint64_t customer, const struct identity_instant *resumes) {
  struct identity_change change = {.from = *at, .to = *at};
  if (device->overflow) return change;
  struct identity_run run = {.start = *at, .person = person, .customer = customer};
  int position = identity_device_run(device, at);
  if (position < 0) {
    change = sign_in_first(device, run);
  } else {
    const struct identity_run *current = &device->runs[position];
    if (current->customer == customer || identity_instant_compare(&current->start, at) == 0) return change;
    change = sign_in_between(device, (size_t)position, run, resumes);
  }
  settle_shared(device, rules, &change);
  return change;
}

void identity_device_normalise(struct identity_device *device, const struct identity_rules *rules) {
  size_t kept = 0;
  for (size_t i = 0; i < device->run_count; i++)
    if (kept == 0 || device->runs[kept - 1].customer != device->runs[i].customer)
      device->runs[kept++] = device->runs[i];
  device->run_count = kept;
  device->shared = device->overflow || is_shared(device, rules);
}
