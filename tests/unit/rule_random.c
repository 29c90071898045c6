// Grammar-directed: one function per type that is wanted, which picks a construct of that type and asks for its parts.
// `inside` says that it stands in a `where` or before `of`, where paths are an event's and aggregates are refused.
// With something in hand, paths outside are of it as often as they are the customer's.
#include "rule_random.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static uint64_t state;

void random_seed(uint64_t seed) {
  state = seed * 0x9e3779b97f4a7c15u + 1;
}

unsigned random_below(unsigned below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(state >> 33) % below;
}

#define PICK(array) (array)[random_below(sizeof(array) / sizeof *(array))]

// --- customers -----------------------------------------------------------------------------------------------

// Of Europe/Paris, where it is not said otherwise.
static const char *const anchors[] = {
    "2026-03-29T00:59:59.999999Z", // the spring gap begins one microsecond later
    "2026-03-28T23:00:00Z",        // midnight before it
    "2026-10-25T00:30:00Z",        // the first of the two half past two
    "2026-10-25T01:30:00Z",        // the second
    "2026-10-24T22:00:00Z",        // midnight before
    "2026-01-31T11:00:00Z",        // a day that the next month does not have
    "2026-02-28T22:59:59.999999Z", // the end of February
    "2024-02-29T12:00:00Z",        // 29 February
    "2025-12-31T23:00:00Z",        // a new year
    "2026-04-30T21:30:00Z",        // the end of a month of 30 days
    "2026-06-10T09:15:30.25Z",     // nothing special
    "2011-12-30T09:59:59.999999Z", // Apia leaves out a day
};

static int64_t offset_us(void) {
  static const int64_t steps[] = {0, 0, 1, -1, 1000000, 60000000};
  static const int64_t spans[] = {CLOCK_HOUR_US,    CLOCK_DAY_US,      2 * CLOCK_DAY_US,
                                  7 * CLOCK_DAY_US, 28 * CLOCK_DAY_US, 31 * CLOCK_DAY_US};
  int64_t offset = PICK(steps);
  if (random_below(3) > 0) offset += ((int64_t)random_below(5) - 2) * PICK(spans);
  if (random_below(6) == 0) offset += (int64_t)random_below(86400) * 1000000;
  return offset;
}

static void print_instant(int64_t time_us, char out[CLOCK_TEXT_BYTES]) {
  clock_format(time_us, out);
}

static const char *stored_time(const struct random_customer *customer, char out[CLOCK_TEXT_BYTES + 2]) {
  static const char *const others[] = {"null",
                                       "\"soon\"",
                                       "5",
                                       "\"2026-03-29\"",
                                       "\"2026-01-31\"",
                                       "\"2008-02-29\"",
                                       "\"1990-12-31\"",
                                       "\"2026-10-25T02:30:00\"",
                                       "\"9999-12-31\"",
                                       "\"9999-12-31T23:59:59.999999Z\"",
                                       "\"0001-01-01\"",
                                       "\"1969-12-31T23:59:59.5Z\""};
  char time[CLOCK_TEXT_BYTES];
  if (random_below(2) == 0) return PICK(others);
  print_instant(customer->anchor_us + offset_us(), time);
  snprintf(out, CLOCK_TEXT_BYTES + 2, "\"%s\"", time);
  return out;
}

static const char *const small_values[] = {"1", "2", "2.0", "0", "-1", "5.50", "null", "true", "\"1\"", "\"x\"", "[1]"};
static const char *const amounts[] = {"10", "10.00", "49.99", "50",     "50.00", "-5",
                                      "0",  "1E+2",  "null",  "\"50\"", "0.1"};
static const char *const kinds[] = {"\"x\"", "\"y\"", "\"X\"", "\"\"", "null", "3"};

static void append_items(char *out, size_t size) {
  static const char *const lists[] = {
      "[{\"p\":1,\"q\":2,\"sku\":\"a\"},{\"p\":2.5,\"sku\":\"b\"}]",
      "[{\"p\":\"1\",\"q\":3,\"sku\":\"a\"}]",
      "[]",
      "null",
      "{\"p\":7,\"q\":1,\"sku\":\"c\"}",
      "[1,\"x\",null,2.0]",
      "\"x\"",
      "[{\"p\":4,\"q\":0,\"sku\":null},{\"sku\":\"a\"},{\"p\":4,\"q\":2}]",
  };
  size_t used = strlen(out);
  snprintf(out + used, size - used, ",\"list\":%s", PICK(lists));
}

// At `time_us`.
static void write_event(const struct random_customer *customer, int64_t time_us, char out[RANDOM_EVENT_BYTES]) {
  static const char *const names[] = {"A", "A", "A", "B", "B", "C"};
  static const char *const contexts[] = {
      "", "", ",{}", ",{\"channel\":\"web\"}", ",{\"channel\":\"store\"}", ",{\"channel\":null}", ",{\"channel\":3}"};
  char time[CLOCK_TEXT_BYTES], due[CLOCK_TEXT_BYTES + 2];
  size_t size = RANDOM_EVENT_BYTES;
  print_instant(time_us, time);
  snprintf(out, size, "[\"%s\",\"%s\",{\"k\":%u", PICK(names), time, random_below(3));
  if (random_below(3) > 0) snprintf(out + strlen(out), size - strlen(out), ",\"v\":%s", PICK(small_values));
  if (random_below(3) > 0) snprintf(out + strlen(out), size - strlen(out), ",\"total\":%s", PICK(amounts));
  if (random_below(4) == 0) snprintf(out + strlen(out), size - strlen(out), ",\"revenue\":%s", PICK(amounts));
  if (random_below(2) == 0) snprintf(out + strlen(out), size - strlen(out), ",\"price\":%s", PICK(amounts));
  if (random_below(3) > 0) snprintf(out + strlen(out), size - strlen(out), ",\"kind\":%s", PICK(kinds));
  if (random_below(2) == 0) snprintf(out + strlen(out), size - strlen(out), ",\"due\":%s", stored_time(customer, due));
  if (random_below(3) == 0) append_items(out, size);
  snprintf(out + strlen(out), size - strlen(out), "}%s]", PICK(contexts));
}

static void random_event(struct random_customer *customer, int index) {
  bool again = index > 0 && random_below(4) == 0;
  customer->times_us[index] = again ? customer->times_us[index - 1] : customer->anchor_us + offset_us();
  write_event(customer, customer->times_us[index], customer->events[index]);
}

static void take_in_hand(struct random_customer *customer) {
  static const char *const items[] = {"{\"p\":2.5,\"q\":2,\"sku\":\"a\",\"item\":1}", "{\"p\":\"1\",\"sku\":null}",
                                      "2.0", "\"x\"", "null"};
  static const enum rule_subject subjects[] = {RULE_SUBJECT_NONE, RULE_SUBJECT_EVENT, RULE_SUBJECT_ITEM};
  char event[RANDOM_EVENT_BYTES] = "null", item[RANDOM_ITEM_BYTES] = "";
  customer->subject = PICK(subjects);
  customer->in_hand[0] = '\0';
  if (customer->subject == RULE_SUBJECT_NONE) return;
  if (random_below(8) > 0) write_event(customer, customer->anchor_us + offset_us(), event);
  if (customer->subject == RULE_SUBJECT_ITEM) snprintf(item, sizeof item, ",\"item\":%s", PICK(items));
  snprintf(customer->in_hand, sizeof customer->in_hand, ",\"this\":%s%s", event, item);
}

void random_customer(struct random_customer *customer) {
  static const char *const zones[] = {"Europe/Paris",     "Europe/Paris", "Europe/Paris",        "UTC",
                                      "America/New_York", "Asia/Beirut",  "Australia/Lord_Howe", "Pacific/Apia"};
  static const char *const lists[] = {"[1,\"x\"]", "[]", "null", "[2.0]", "\"x\""};
  char time[CLOCK_TEXT_BYTES], born[CLOCK_TEXT_BYTES + 2], until[CLOCK_TEXT_BYTES];
  const char *anchor = PICK(anchors);
  clock_parse(bytes_from_text(anchor), &customer->anchor_us);
  print_instant(customer->anchor_us + offset_us(), time);
  print_instant(customer->anchor_us + offset_us(), until);
  snprintf(customer->head, sizeof customer->head,
           "\"zone\":\"%s\",\"traits\":{\"n\":%s,\"s\":%s,\"t\":%s,\"l\":%s},\"segments\":{\"vip\":{\"value\":%s,"
           "\"until\":\"%s\",\"then\":%s}},\"points\":{\"club\":%s},\"attributes\":{\"x\":{\"value\":%s,\"until\":"
           "\"%s\",\"then\":1}}",
           PICK(zones), PICK(small_values), PICK(kinds), stored_time(customer, born), PICK(lists),
           random_below(2) ? "true" : "null", until, random_below(2) ? "true" : "false", PICK(amounts),
           PICK(small_values), time);
  customer->event_count = (int)random_below(RANDOM_EVENTS_MAX + 1);
  for (int i = 0; i < customer->event_count; i++) random_event(customer, i);
  take_in_hand(customer);
}

void random_customer_print(const struct random_customer *customer, int64_t now_us, struct buffer *out) {
  char now[CLOCK_TEXT_BYTES];
  print_instant(now_us, now);
  buffer_append_format(out, "{\"now\":\"%s\",%s%s,\"events\":[", now, customer->head, customer->in_hand);
  for (int i = 0; i < customer->event_count; i++)
    buffer_append_format(out, "%s%s", i == 0 ? "" : ",", customer->events[i]);
  buffer_append_text(out, "]}");
  buffer_append_byte(out, 0);
}

int64_t random_now(const struct random_customer *customer) {
  int64_t from_us = customer->anchor_us;
  if (customer->event_count > 0 && random_below(4) > 0)
    from_us = customer->times_us[random_below((unsigned)customer->event_count)];
  if (random_below(6) == 0) return customer->anchor_us + (int64_t)random_below(40 * 86400) * 1000000;
  return from_us + offset_us();
}

// --- expressions ---------------------------------------------------------------------------------------------

struct writer {
  struct buffer *out;
  int depth;   // how many levels of constructs are left
  bool inside; // of events
  bool items;  // of their items
  enum rule_subject subject;
};

static void put(struct writer *writer, const char *text) {
  buffer_append_text(writer->out, text);
}

static struct writer deeper(const struct writer *writer) {
  struct writer next = *writer;
  next.depth--;
  return next;
}

// What paths are of: nothing but the customer, an event, an item.
static enum rule_subject paths_of(const struct writer *writer) {
  if (writer->inside) return writer->items ? RULE_SUBJECT_ITEM : RULE_SUBJECT_EVENT;
  return random_below(2) ? writer->subject : RULE_SUBJECT_NONE;
}

// The list that goes with it.
#define PICK_OF(writer)                                                                                                \
  pick_of(paths_of(writer), outside, LENGTH(outside), inside, LENGTH(inside), items, LENGTH(items))
#define LENGTH(array) (unsigned)(sizeof(array) / sizeof *(array))
static const char *pick_of(enum rule_subject of, const char *const *outside, unsigned outside_count,
                           const char *const *inside, unsigned inside_count, const char *const *items,
                           unsigned item_count) {
  if (of == RULE_SUBJECT_ITEM) return items[random_below(item_count)];
  return of == RULE_SUBJECT_EVENT ? inside[random_below(inside_count)] : outside[random_below(outside_count)];
}

static void condition(struct writer *writer);
static void number(struct writer *writer);
static void text(struct writer *writer);
static void moment(struct writer *writer);

static void duration(struct writer *writer) {
  static const char *const durations[] = {"1 hour",    "1 day",   "2 days",    "1 week",   "7 days",
                                          "28 days",   "30 days", "1 month",   "2 months", "1 month",
                                          "1 quarter", "1 year",  "60 seconds"};
  put(writer, PICK(durations));
}

static void instant(struct writer *writer) {
  static const char *const instants[] = {
      "2026-03-29", "2026-03-28T23:30:00Z", "2026-03-29T02:30:00", "2026-10-25", "2026-10-25T02:30:00",    "2026-01-31",
      "2026-02-28", "2026-03-01",           "2024-02-29",          "2026-01-01", "2026-06-10T09:15:30.25Z"};
  put(writer, PICK(instants));
}

static void window(struct writer *writer) {
  static const char *const by_day[] = {"1 day", "2 days", "1 week", "1 month", "1 quarter"};
  static const char *const previous[] = {"1 day", "1 week", "2 weeks", "1 month", "1 quarter", "1 year", "3 hours"};
  switch (random_below(12)) {
  case 0:
  case 1:
  case 2:
    put(writer, " in last ");
    duration(writer);
    break;
  case 3:
    put(writer, " in last ");
    put(writer, PICK(by_day));
    put(writer, " by day");
    break;
  case 4:
    put(writer, " in previous ");
    put(writer, PICK(previous));
    break;
  case 5:
    put(writer, " since ");
    instant(writer);
    break;
  case 6:
    put(writer, " before ");
    instant(writer);
    break;
  case 7:
    put(writer, " between ");
    instant(writer);
    put(writer, " and ");
    instant(writer);
    break;
  default:
    break;
  }
}

static void event_name(struct writer *writer) {
  static const char *const names[] = {"\"A\"", "\"A\"", "\"A\"", "\"B\"", "\"B\"", "\"C\"", "\"D\""};
  put(writer, PICK(names));
}

static void where(struct writer *writer, bool items) {
  struct writer inside = deeper(writer);
  if (random_below(5) < 3) return;
  inside.inside = true;
  inside.items = items;
  put(writer, " where ");
  condition(&inside);
}

// `of` what: NULL for count and exists.
static void aggregate(struct writer *writer, const char *name, void (*of)(struct writer *)) {
  struct writer inside = deeper(writer);
  bool items = random_below(4) == 0, subject = writer->subject != RULE_SUBJECT_NONE && random_below(3) == 0;
  inside.inside = true;
  inside.items = items;
  put(writer, name);
  put(writer, "(");
  if (of != NULL) {
    of(&inside);
    put(writer, " of ");
  }
  if (subject)
    put(writer, "this");
  else
    event_name(writer);
  if (items) put(writer, ".list");
  where(writer, items);
  if (!subject) window(writer);
  put(writer, ")");
}

static void within(struct writer *writer, unsigned chance) {
  if (random_below(chance) > 0) return;
  put(writer, " within ");
  duration(writer);
}

static void step(struct writer *writer) {
  event_name(writer);
  where(writer, false);
}

static void sequence(struct writer *writer) {
  static const char *const keys[] = {"k", "kind", "context.channel", "properties.v"};
  unsigned positive = 1 + random_below(3), last_nots = positive == 1 ? 1 + random_below(2) : random_below(3);
  bool waits = false;
  put(writer, "sequence(");
  step(writer);
  for (unsigned i = 1; i < positive; i++) {
    for (unsigned nots = random_below(4) < 3 ? random_below(2) : 2; nots > 0; nots--) {
      put(writer, " then not ");
      step(writer);
    }
    put(writer, " then ");
    step(writer);
    within(writer, 2);
  }
  for (; last_nots > 0; last_nots--) {
    put(writer, " then not ");
    step(writer);
    waits = last_nots == 1 && random_below(2) == 0;
    if (waits) within(writer, 1);
  }
  if (!waits || random_below(3) == 0) window(writer);
  if (random_below(4) == 0) {
    put(writer, " by ");
    put(writer, PICK(keys));
  }
  put(writer, ")");
}

static void chosen(struct writer *writer, void (*kind)(struct writer *)) {
  struct writer next = deeper(writer);
  put(writer, "if(");
  condition(&next);
  put(writer, ", ");
  kind(&next);
  put(writer, ", ");
  kind(&next);
  put(writer, ")");
}

static void calendar_call(struct writer *writer) {
  static const char *const calls[] = {"age(", "days_since(", "months_since(", "day(", "weekday(", "hour(", "month("};
  struct writer next = deeper(writer);
  put(writer, PICK(calls));
  moment(&next);
  put(writer, ")");
}

static void function_of_numbers(struct writer *writer) {
  static const char *const calls[] = {"round(", "floor(", "ceil(", "abs(", "number(", "-("};
  static const char *const extremes[] = {"min(", "max("};
  struct writer next = deeper(writer);
  bool several = random_below(3) == 0;
  put(writer, several ? PICK(extremes) : PICK(calls));
  number(&next);
  if (several) {
    put(writer, ", ");
    number(&next);
  }
  put(writer, ")");
}

static void plain_number(struct writer *writer) {
  static const char *const outside[] = {"0",       "1",     "2",         "50",     "traits.n",     "traits.n",
                                        "month()", "day()", "weekday()", "year()", "attributes.x", "points(\"club\")"};
  static const char *const inside[] = {"1",       "2",     "50",       "v", "total", "total", "properties.total",
                                       "revenue", "price", "traits.n", "k"};
  static const char *const items[] = {"1", "2", "p", "q", "item", "properties.total", "p * q"};
  put(writer, PICK_OF(writer));
}

static void number(struct writer *writer) {
  static const char *const operators[] = {" + ", " - ", " * ", " / ", " % "};
  static const char *const sums[] = {"sum", "avg", "min", "max", "first", "last", "distinct", "most_frequent"};
  struct writer next = deeper(writer);
  unsigned choice = writer->depth <= 0 ? 0 : random_below(writer->inside ? 8 : 13);
  switch (choice) {
  case 3:
    put(writer, "(");
    number(&next);
    put(writer, PICK(operators));
    number(&next);
    put(writer, ")");
    break;
  case 4:
    put(writer, "coalesce(");
    number(&next);
    put(writer, ", 2)");
    break;
  case 5:
    chosen(writer, number);
    break;
  case 6:
    if (random_below(2))
      calendar_call(writer);
    else
      function_of_numbers(writer);
    break;
  case 7:
    put(writer, random_below(2) ? "length(" : "number(");
    text(&next);
    put(writer, ")");
    break;
  case 8:
  case 9:
    aggregate(writer, "count", NULL);
    break;
  case 10:
  case 11:
  case 12:
    aggregate(writer, PICK(sums), number);
    break;
  default:
    plain_number(writer);
  }
}

static void text(struct writer *writer) {
  static const char *const outside[] = {"\"x\"", "\"y\"", "\"\"", "traits.s", "traits.s"};
  static const char *const inside[] = {"\"x\"",           "\"web\"",         "kind",    "kind",
                                       "context.channel", "context.channel", "traits.s"};
  static const char *const items[] = {"\"a\"", "sku", "sku", "item", "context.channel"};
  static const char *const gathers[] = {"first", "last", "most_frequent", "max", "min"};
  struct writer next = deeper(writer);
  unsigned choice = writer->depth <= 0 ? 0 : random_below(writer->inside ? 6 : 8);
  if (choice == 3) {
    bool of_text = random_below(3) > 0;
    put(writer, !of_text ? "text(" : random_below(2) ? "upper(" : "trim(");
    (of_text ? text : random_below(2) ? number : moment)(&next);
    put(writer, ")");
  } else if (choice == 4) {
    chosen(writer, text);
  } else if (choice == 5) {
    put(writer, "coalesce(");
    text(&next);
    put(writer, ", \"x\")");
  } else if (choice > 5) {
    aggregate(writer, PICK(gathers), text);
  } else {
    put(writer, PICK_OF(writer));
  }
}

static void event_time(struct writer *writer) {
  put(writer, random_below(3) == 0 && !writer->items ? "due" : "time");
}

// At most one length of time is added: so every instant that matters is a stored one plus at most two lengths.
static void moment(struct writer *writer) {
  static const char *const gathers[] = {"first", "last", "last", "max", "min"};
  static const char *const signs[] = {" + ", " - "};
  struct writer next = deeper(writer);
  unsigned choice = random_below(8);
  bool of_event = paths_of(writer) != RULE_SUBJECT_NONE, shallow = !of_event && writer->depth <= 0;
  if (choice == 0) {
    put(writer, "(");
    put(writer, of_event ? (random_below(2) ? "time" : "due") : "traits.t");
    put(writer, PICK(signs));
    duration(writer);
    put(writer, ")");
  } else if (choice == 2) {
    instant(writer);
  } else if (choice == 1 || shallow) {
    put(writer, "traits.t");
  } else if (of_event) {
    event_time(writer);
  } else {
    aggregate(&next, PICK(gathers), event_time);
  }
}

static void beside_now(struct writer *writer) {
  static const char *const operators[] = {" < ", " <= ", " > ", " >= "};
  bool mirrored = random_below(4) == 0;
  struct buffer now;
  struct writer other = *writer;
  buffer_init(&now);
  other.out = &now;
  put(&other, "now");
  if (random_below(4) > 0) {
    put(&other, random_below(3) ? " - " : " + ");
    duration(&other);
  }
  if (mirrored) buffer_append_bytes(writer->out, buffer_view(&now));
  if (!mirrored) moment(writer);
  put(writer, PICK(operators));
  if (!mirrored) buffer_append_bytes(writer->out, buffer_view(&now));
  if (mirrored) moment(writer);
  buffer_release(&now);
}

static void compared(struct writer *writer, void (*kind)(struct writer *)) {
  static const char *const operators[] = {" = ", " != ", " < ", " <= ", " > ", " >= ", " = "};
  struct writer next = deeper(writer);
  put(writer, "(");
  kind(&next);
  put(writer, PICK(operators));
  kind(&next);
  put(writer, ")");
}

// What columns can decide alone.
static void hot_condition(struct writer *writer) {
  static const char *const hot[] = {"total >= 50",
                                    "total > 10",
                                    "50 = total",
                                    "total != 50.00",
                                    "total < 49.995",
                                    "revenue <= 50",
                                    "total is null",
                                    "total is not null",
                                    "value > 0",
                                    "context.channel = \"web\"",
                                    "\"store\" = context.channel",
                                    "context.channel != \"web\"",
                                    "context.channel in (\"web\", \"store\")",
                                    "context.channel not in (\"web\")",
                                    "context.channel is null",
                                    "context.channel is not null",
                                    "channel = \"web\"",
                                    "total in (50, 10)",
                                    "time >= 2026-03-29",
                                    "time < 2026-10-25T02:30:00",
                                    "hour(time) < 12",
                                    "weekday(time) = weekday()",
                                    "day(time) = day()",
                                    "time < traits.t",
                                    "total > traits.n",
                                    "properties.total * 2 >= 100",
                                    "total = revenue",
                                    "price > 10",
                                    "price <= 50",
                                    "price is null",
                                    "age(due) is null"};
  put(writer, PICK(hot));
  if (random_below(3) > 0) return;
  put(writer, random_below(3) ? " and " : " or ");
  put(writer, PICK(hot));
}

static void joined(struct writer *writer) {
  struct writer next = deeper(writer);
  put(writer, "(");
  condition(&next);
  put(writer, random_below(2) ? " and " : " or ");
  condition(&next);
  put(writer, ")");
}

static void about_text(struct writer *writer) {
  static const char *const ends[] = {
      " contains \"x\"", " starts with \"w\"", " ends with \"e\"", " in (\"x\", \"web\")",
      " not in (\"x\")", " matches \"^[xw]\"", " is null",         " is not null"};
  struct writer next = deeper(writer);
  text(&next);
  put(writer, PICK(ends));
}

static void about_number(struct writer *writer) {
  static const char *const ends[] = {" in (1, 2, 50)", " not in (1, 2)", " is null", " is not null", " >= 2"};
  struct writer next = deeper(writer);
  number(&next);
  if (random_below(4) == 0) {
    put(writer, random_below(2) ? " in (" : " not in (");
    number(&next);
    put(writer, ", 1, ");
    number(&next);
    put(writer, ")");
    return;
  }
  put(writer, PICK(ends));
}

static void condition(struct writer *writer) {
  static const char *const others[] = {"in_segment(\"vip\")",
                                       "in_segment(\"vip\")",
                                       "in_segment(traits.s)",
                                       "traits.l contains 2",
                                       "tier(\"club\") is null",
                                       "today() >= traits.t",
                                       "traits.t in (2026-01-31, 2026-03-29)",
                                       "traits.t != 2026-03-29"};
  struct writer next = deeper(writer);
  if (random_below(3) == 0 && paths_of(writer) != RULE_SUBJECT_NONE) {
    hot_condition(writer);
    return;
  }
  unsigned choice = random_below(writer->depth <= 0 ? 5 : writer->inside ? 9 : 14);
  switch (choice) {
  case 0:
  case 1:
    compared(writer, number);
    break;
  case 2:
    about_text(writer);
    break;
  case 3:
    about_number(writer);
    break;
  case 4:
    put(writer, PICK(others));
    break;
  case 5:
    joined(writer);
    break;
  case 6:
    put(writer, "not ");
    condition(&next);
    break;
  case 7:
    beside_now(writer);
    break;
  case 8:
    compared(writer, random_below(2) ? moment : text);
    break;
  case 9:
  case 10:
    aggregate(writer, "exists", NULL);
    break;
  case 11:
    beside_now(writer);
    break;
  default:
    sequence(writer);
  }
}

void random_expression(enum rule_subject subject, struct buffer *out) {
  struct writer writer = {out, (int)random_below(4), false, false, subject};
  switch (random_below(12)) {
  case 0:
  case 1:
    number(&writer);
    break;
  case 2:
    text(&writer);
    break;
  case 3:
    moment(&writer);
    break;
  case 4:
    aggregate(&writer, random_below(3) ? "list" : "distinct",
              random_below(3) == 0 ? moment
              : random_below(2)    ? number
                                   : text);
    break;
  case 5:
  case 6:
    writer.depth = 2;
    sequence(&writer);
    break;
  default:
    condition(&writer);
  }
  buffer_append_byte(out, 0);
}
