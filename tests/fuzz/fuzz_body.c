// Fuzz target: whole request bodies. The first byte chooses between a batch and a single message; the rest is the body.
//
// Checked: a fault of the body takes nothing; every item has an outcome and the counts add up; what was taken once is
// a repeat the second time; the write key is found without a crash and lies inside the body.
#include "../unit/source_double.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static struct engine engine;
static struct source_reader *reader;

static void open_once(void) {
  if (reader == NULL) {
    double_open(&engine);
    assert(source_reader_open(&reader, &engine) == ERR_OK);
  }
}

static enum err apply(struct bytes body, struct bytes type, struct arena *arena, struct source_report *report) {
  struct source_envelope envelope = double_envelope(&engine);
  struct store_mark mark;
  struct diag diag;
  diag_init(&diag);
  envelope.type = type;
  enum err err = source_body_apply(reader, &envelope, body, arena, report, &mark, &diag);
  assert((err == ERR_OK) == (diag.code[0] == '\0') || err == ERR_OK);
  return err;
}

static void forget(void) {
  if (engine.applied > engine.seen_capacity / 2 || names_count(engine.names) > LIMIT_NAMES / 2) {
    source_reader_close(reader);
    double_close(&engine);
    reader = NULL;
  }
  buffer_clear(&engine.aside_log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static const struct bytes types[] = {BYTES_INIT(""), BYTES_INIT("track"), BYTES_INIT("i"), BYTES_INIT("alias")};
  struct source_report first, second;
  struct bytes key;
  struct arena arena;
  if (size_bytes == 0) return 0;
  open_once();
  arena_init(&arena, 0);
  struct bytes body = bytes_of(data + 1, size_bytes - 1), type = types[data[0] % 4];
  size_t applied = engine.applied;
  enum err err = apply(body, type, &arena, &first);
  if (err != ERR_OK) {
    assert(engine.applied == applied);
  } else {
    assert(first.taken + first.duplicates + first.rejected + first.aside == first.count);
    assert(engine.applied == applied + first.taken);
    assert(apply(body, type, &arena, &second) == ERR_OK);
    assert(second.taken == 0 && second.rejected == first.rejected);
  }
  assert(source_body_write_key(reader, body, &arena, &key, NULL) == ERR_OK);
  assert(key.size_bytes == 0 || (key.data > body.data && key.data + key.size_bytes < body.data + body.size_bytes));
  arena_release(&arena);
  forget();
  return 0;
}
