// message_time: when an event happened.
//
// A device's clock may be wrong by years, but the difference between two of its readings is right. So the distance
// between `sentAt` and the event's own time is taken back from the moment of receipt, as Segment's specification says.
// Two cases keep the message's time as it is:
//   - an import: the message was sent long before it is received now;
//   - both `timestamp` and `originalTimestamp`: the second is the device's clock when the call was made, the first is
//     the time that the caller gave (RudderStack's server SDKs) or one already corrected (Segment's exports).
#include "source/reader.h"

static const int64_t future_us = 48 * CLOCK_HOUR_US;

// A number to `scale` digits after the point; more digits are cut off.
static enum err scaled(struct decimal number, int scale, int64_t *out) {
  while (number.exponent < -scale && number.coefficient != 0) {
    number.coefficient /= 10;
    number.exponent++;
  }
  if (number.coefficient == 0) {
    *out = 0;
    return ERR_OK;
  }
  return decimal_to_scaled_i64(number, scale, out);
}

// Seconds until the year 5138, milliseconds from 1973 on, microseconds above: the ranges in use do not meet.
static enum err time_from_number(struct decimal number, int64_t *time_us) {
  struct decimal magnitude = number;
  magnitude.negative = false;
  int scale = 6;
  if (decimal_compare(magnitude, decimal_from_i64(INT64_C(100000000000))) >= 0) {
    scale = 3;
  }
  if (decimal_compare(magnitude, decimal_from_i64(INT64_C(100000000000000))) >= 0) {
    scale = 0;
  }
  if (decimal_compare(magnitude, decimal_from_i64(INT64_C(100000000000000000))) >= 0) {
    return ERR_INVALID;
  }
  return scaled(number, scale, time_us) == ERR_OK ? ERR_OK : ERR_INVALID;
}

enum err source_time_read(struct value value, int64_t *time_us) {
  struct bytes text;
  struct decimal number;
  if (value_type(value) == VALUE_NULL) {
    return ERR_NOT_FOUND;
  }
  if (value_as_number(value, &number)) {
    return time_from_number(number, time_us);
  }
  if (!value_as_text(value, &text)) {
    return ERR_INVALID;
  }
  text = bytes_trim(text);
  if (text.size_bytes == 0) {
    return ERR_NOT_FOUND;
  }
  uint64_t digits;
  if (text.size_bytes >= 9 && bytes_to_u64(text, &digits) == ERR_OK && digits <= INT64_MAX) {
    return time_from_number(decimal_from_i64((int64_t)digits), time_us);
  }
  return clock_parse(text, time_us) == ERR_OK ? ERR_OK : ERR_INVALID;
}

static enum err read_own_time(struct value value, const char *name, bool *has, int64_t *time_us, struct diag *diag) {
  enum err err = source_time_read(value, time_us);
  *has = err == ERR_OK;
  if (err != ERR_INVALID) {
    return ERR_OK;
  }
  diag_set(diag, ERR_INVALID, "bad_timestamp",
           "not a date: give ISO 8601 with its offset (2026-11-22T00:16:39Z), or seconds or milliseconds since 1970");
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err check_range(struct source_message *message, struct diag *diag) {
  int64_t time_us = message->event->time_us;
  if (time_us > message->envelope->received_us + future_us) {
    return source_keep_aside(message, "time_in_future", "the event happens more than 48 hours after it was received",
                             diag);
  }
  if (time_us < 0) {
    return source_keep_aside(message, "time_before_1970", "the event happened before 1970: is its unit right?", diag);
  }
  return ERR_OK;
}

enum err source_time_correct(struct source_message *message, struct diag *diag) {
  const struct source_envelope *envelope = message->envelope;
  const struct source_fields *top = &message->top;
  bool has_timestamp, has_original;
  int64_t timestamp_us = 0, original_us = 0, sent_us = envelope->sent_us;
  enum err err = read_own_time(top->at[MEMBER_TIMESTAMP], "timestamp", &has_timestamp, &timestamp_us, diag);
  if (err == ERR_OK) {
    err = read_own_time(top->at[MEMBER_ORIGINAL_TIMESTAMP], "originalTimestamp", &has_original, &original_us, diag);
  }
  if (err != ERR_OK) {
    return err;
  }
  message->has_original = has_timestamp || has_original;
  message->original_us = has_timestamp ? timestamp_us : original_us;
  if (!message->has_original) {
    message->event->time_us = envelope->received_us;
    return ERR_OK;
  }
  // An unreadable sentAt only means that nothing can be corrected by it.
  if (source_time_read(top->at[MEMBER_SENT_AT], &sent_us) != ERR_OK) {
    sent_us = envelope->sent_us;
  }
  bool as_it_is = envelope->replay || sent_us == INT64_MIN || (has_timestamp && has_original);
  message->event->time_us = as_it_is ? message->original_us : envelope->received_us - (sent_us - message->original_us);
  return check_range(message, diag);
}
