// value_json: the shim over simdjson's stage 1 (see value_index.h).
//
// The stage reads the last, short block through a copy of its own, so the text needs no padding. The exception is
// the "fallback" implementation, which may look a few bytes past the end: it is not used, the C reader's own scan is
// as fast.
#include "value/value_index.h"

#include <simdjson.h>

#include <memory>
#include <new>
#include <string>

#include "base/alloc.h"

struct value_index {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
  bool usable;
};

static constexpr size_t capacity_first_bytes = 16 * 1024;

struct value_index *value_index_open(void) {
  void *memory = alloc_get(sizeof(value_index));
  if (memory == nullptr) return nullptr;
  auto *index = new (memory) value_index{nullptr, false};
  const simdjson::implementation *best = simdjson::get_active_implementation();
  simdjson::error_code error = best->create_dom_parser_implementation(capacity_first_bytes, 1, index->stage);
  if (error == simdjson::MEMALLOC) {
    value_index_close(index);
    return nullptr;
  }
  index->usable = error == simdjson::SUCCESS && best->name() != "fallback";
  return index;
}

void value_index_close(struct value_index *index) {
  if (index == nullptr) return;
  index->~value_index();
  alloc_free(index);
}

enum value_index_result value_index_run(struct value_index *index, const uint8_t *json, size_t size_bytes,
                                        const uint32_t **tokens, size_t *count) {
  if (!index->usable) return VALUE_INDEX_FAULT;
  size_t capacity = index->stage->capacity() == 0 ? capacity_first_bytes : index->stage->capacity();
  while (capacity < size_bytes) capacity *= 2;
  if (capacity > index->stage->capacity() && index->stage->set_capacity(capacity) != simdjson::SUCCESS)
    return VALUE_INDEX_NO_MEMORY;
  if (index->stage->stage1(json, size_bytes, simdjson::stage1_mode::regular) != simdjson::SUCCESS)
    return VALUE_INDEX_FAULT;
  *tokens = index->stage->structural_indexes.get();
  *count = index->stage->n_structural_indexes;
  return VALUE_INDEX_OK;
}
