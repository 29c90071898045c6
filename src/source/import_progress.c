// import_progress: a document {"bytes": n} under "import", 0, hash; n counts unzipped bytes whose events are durable.
//
// The file is known by its first 64 KiB, its size, its source and the mapping, so that a copy under another name goes
// on where the first one ended and the same file read otherwise begins anew.
#include <sodium.h>

#include "source/import_private.h"

void import_progress_init(struct import_progress *progress, const struct importing *importing, struct bytes beginning,
                          struct bytes map) {
  crypto_generichash_state state;
  uint8_t hash[16];
  uint64_t numbers[4] = {source_input_total(importing->input), importing->import->source, beginning.size_bytes,
                         map.size_bytes};
  crypto_generichash_init(&state, NULL, 0, sizeof hash);
  crypto_generichash_update(&state, (const uint8_t *)numbers, sizeof numbers);
  crypto_generichash_update(&state, beginning.data, beginning.size_bytes);
  crypto_generichash_update(&state, map.data, map.size_bytes);
  crypto_generichash_final(&state, hash, sizeof hash);
  key_init(&progress->key);
  key_put_text(&progress->key, BYTES("import"));
  key_put_raw(&progress->key, bytes_of(hash, sizeof hash));
  progress->kept = numbers[0] > 0;
}

enum err import_progress_load(const struct import_progress *progress, struct engine *engine, uint64_t *bytes,
                              struct diag *diag) {
  struct store_snapshot *snapshot;
  struct arena arena;
  struct bytes row;
  *bytes = 0;
  if (!progress->kept) {
    return ERR_OK;
  }
  if (store_snapshot_open(engine_store(engine), &snapshot) != ERR_OK) {
    return diag_no_memory(diag);
  }
  arena_init(&arena, 0);
  enum err err = store_snapshot_get(snapshot, STORE_DOCUMENT, key_view(&progress->key), &arena, &row);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) {
    diag_set(diag, err, err_name(err), "the progress of earlier imports cannot be read");
  } else if (row.data != NULL && value_check(row, engine_names(engine), NULL) == ERR_OK) {
    struct value_iter iter = value_iterate((struct value){row});
    struct decimal number;
    int64_t whole = 0;
    if (value_next(&iter) && value_as_number(iter.item, &number) &&
        decimal_to_scaled_i64(number, 0, &whole) == ERR_OK && whole > 0) {
      *bytes = (uint64_t)whole;
    }
  }
  arena_release(&arena);
  return err;
}

struct change {
  const struct import_progress *progress;
  struct bytes row; // empty: the row is deleted
};

static enum err write_row(struct store_txn *txn, void *context, struct diag *diag) {
  const struct change *change = context;
  struct bytes key = key_view(&change->progress->key);
  enum err err = change->row.size_bytes == 0 ? store_delete(txn, STORE_DOCUMENT, key)
                                             : store_put(txn, STORE_DOCUMENT, key, change->row);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

enum err import_progress_save(const struct import_progress *progress, struct engine *engine, uint64_t bytes,
                              struct diag *diag) {
  struct store_mark mark;
  struct value_builder builder;
  struct buffer row;
  if (!progress->kept) {
    return ERR_OK;
  }
  buffer_init(&row);
  value_builder_init(&builder, &row, engine_names(engine));
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("bytes"));
  value_put_i64(&builder, (int64_t)bytes);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) {
    struct change change = {progress, buffer_view(&row)};
    err = store_run(engine_store(engine), write_row, &change, &mark, diag);
  } else {
    diag_set(diag, err, err_name(err), "the progress of the import cannot be kept");
  }
  buffer_release(&row);
  return err;
}

enum err import_progress_end(const struct import_progress *progress, struct store *store, struct diag *diag) {
  struct store_mark mark;
  struct change change = {progress, BYTES("")};
  if (!progress->kept) {
    return ERR_OK;
  }
  enum err err = store_run(store, write_row, &change, &mark, diag);
  return err == ERR_OK ? store_wait(store, mark, diag) : err;
}
