// Fuzz target: the rows of segments. The first byte chooses between the row of an audience's block and that of a
// customer's membership; the rest is the row.
//
// Checked: a row either is refused and leaves nothing behind, or it has one folded form, which is read again as itself
// and stays the same however much of the row was folded before; a membership that is read is written and read again
// as itself, when its values are sound.
#include <assert.h>
#include <string.h>

#include "segment/audience.h"
#include "segment/membership.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void fold_again(const struct buffer *folded) {
  struct buffer again;
  buffer_init(&again);
  assert(audience_fold(buffer_view(folded), &again) == ERR_OK);
  assert(bytes_equal(buffer_view(folded), buffer_view(&again)));
  buffer_release(&again);
}

// The first half folded, then the rest as it is. Where the half ends inside a piece, nothing is known.
static void fold_half(struct bytes row, const struct buffer *folded) {
  struct buffer half, again;
  size_t size = row.size_bytes / 2;
  buffer_init(&half);
  buffer_init(&again);
  if (audience_fold(bytes_of(row.data, size), &half) == ERR_OK) {
    buffer_append(&half, row.data + size, row.size_bytes - size);
    assert(audience_fold(buffer_view(&half), &again) == ERR_OK);
    assert(bytes_equal(buffer_view(folded), buffer_view(&again)));
  }
  buffer_release(&half);
  buffer_release(&again);
}

static void try_audience(struct bytes row) {
  struct buffer folded;
  buffer_init(&folded);
  if (audience_fold(row, &folded) == ERR_OK) {
    fold_again(&folded);
    fold_half(row, &folded);
  } else {
    assert(folded.size_bytes == 0);
  }
  buffer_release(&folded);
}

static bool values_are_sound(const struct membership *membership, const struct names *names) {
  for (size_t i = 0; i < membership->count; i++) {
    struct bytes packed = membership->entries[i].value.packed;
    if (packed.size_bytes > 0 && value_check(packed, names, NULL) != ERR_OK) return false;
  }
  return true;
}

// A change written behind the row says the same as the row anew.
static void change_it(struct bytes row, struct membership *membership, struct arena *arena) {
  struct membership again;
  struct buffer changed;
  buffer_init(&changed);
  struct membership_entry entry = {.question = 7, .member = true, .valid_until_us = MEMBERSHIP_FOREVER};
  assert(membership_set(membership, arena, &entry) == ERR_OK);
  membership->timer_us = 7;
  if (membership_encode_change(membership, &changed)) {
    struct buffer piece = changed;
    buffer_init(&changed);
    buffer_append_bytes(&changed, row);
    buffer_append_bytes(&changed, buffer_view(&piece));
    buffer_release(&piece);
  }
  assert(membership_decode(buffer_view(&changed), arena, &again) == ERR_OK);
  assert(again.count == membership->count && again.timer_us == 7);
  for (size_t i = 0; i < again.count; i++)
    assert(again.entries[i].question == membership->entries[i].question &&
           membership_sides(&again.entries[i]) == membership_sides(&membership->entries[i]) &&
           again.entries[i].valid_until_us == membership->entries[i].valid_until_us);
  buffer_release(&changed);
}

static void try_membership(struct bytes row, const struct names *names) {
  struct membership membership, again;
  struct buffer first, second;
  struct arena arena;
  arena_init(&arena, 0);
  buffer_init(&first);
  buffer_init(&second);
  if (membership_decode(row, &arena, &membership) == ERR_OK && values_are_sound(&membership, names)) {
    for (size_t i = 0; i < membership.count; i++)
      assert(membership_find(&membership, membership.entries[i].question) == &membership.entries[i]);
    membership_encode(&membership, &first);
    assert(membership_decode(buffer_view(&first), &arena, &again) == ERR_OK);
    membership_encode(&again, &second);
    assert(bytes_equal(buffer_view(&first), buffer_view(&second)));
    assert(membership_due_us(&again) == membership_due_us(&membership) && again.timer_us == membership.timer_us);
    change_it(row, &membership, &arena);
  }
  buffer_release(&first);
  buffer_release(&second);
  arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static struct names *names;
  if (names == NULL) assert(names_open(&names, NULL, NULL) == ERR_OK);
  if (size_bytes == 0) return 0;
  struct bytes row = bytes_of(data + 1, size_bytes - 1);
  if (data[0] % 2 == 0) {
    try_audience(row);
  } else {
    try_membership(row, names);
  }
  return 0;
}
