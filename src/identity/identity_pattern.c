// identity_pattern: `blocked` patterns of identifier types, run by PCRE2 within fixed bounds.
//
// Patterns are written by people and values by anybody, so a match is bounded three ways: steps, depth and memory. No
// JIT: its limits count other things than the interpreter's, and the same value must get the same verdict on every
// machine; values are at most LIMIT_IDENTIFIER_BYTES, where the interpreter needs about a microsecond.
// A match takes its scratch memory from a buffer on the stack, so it can neither fail for memory nor slow others down.
#include "identity/identity_rules.h"

#include <string.h>

enum {
  MATCH_STEPS_MAX = 20000,
  MATCH_HEAP_KIB = 32,
  MATCH_BUFFER_BYTES = 60 * 1024, // PCRE2's first 20 KiB of frames, then once MATCH_HEAP_KIB, and its own structures
  MATCH_ALIGN = 16,
  MESSAGE_BYTES = 200,
};

// Memory given out upwards and taken back all at once.
struct scratch {
  size_t used_bytes;
  _Alignas(MATCH_ALIGN) uint8_t data[MATCH_BUFFER_BYTES];
};

static void *scratch_take(size_t size_bytes, void *context) {
  struct scratch *scratch = context;
  size_t rounded = (size_bytes + MATCH_ALIGN - 1) & ~(size_t)(MATCH_ALIGN - 1);
  if (rounded < size_bytes || rounded > sizeof scratch->data - scratch->used_bytes) return NULL;
  void *taken = scratch->data + scratch->used_bytes;
  scratch->used_bytes += rounded;
  return taken;
}

static void *rules_take(size_t size_bytes, void *context) {
  return arena_take(context, size_bytes);
}

static void keep_all(void *memory, void *context) {
  (void)memory, (void)context;
}

static enum err make_match_context(struct identity_rules *rules, pcre2_general_context *general) {
  rules->match_context = pcre2_match_context_create(general);
  if (rules->match_context == NULL) return ERR_NO_MEMORY;
  pcre2_set_match_limit(rules->match_context, MATCH_STEPS_MAX);
  pcre2_set_depth_limit(rules->match_context, MATCH_STEPS_MAX);
  pcre2_set_heap_limit(rules->match_context, MATCH_HEAP_KIB);
  return ERR_OK;
}

static enum err compile_one(pcre2_compile_context *context, struct bytes text, const pcre2_code **code,
                            struct diag *diag) {
  int error;
  size_t offset;
  *code = pcre2_compile(text.data, text.size_bytes,
                        PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                        context);
  if (*code != NULL) return ERR_OK;
  if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED) return diag_no_memory(diag);
  PCRE2_UCHAR message[MESSAGE_BYTES];
  pcre2_get_error_message(error, message, sizeof message);
  return diag_set(diag, ERR_INVALID, "bad_pattern", "expected a PCRE2 pattern; at character %zu: %s", offset,
                  (const char *)message);
}

enum err identity_patterns_compile(struct identity_rules *rules, const struct bytes *texts, size_t count,
                                   struct identity_patterns *patterns, struct diag *diag) {
  patterns->count = 0;
  if (count == 0) return ERR_OK;
  pcre2_general_context *general = pcre2_general_context_create(rules_take, keep_all, &rules->arena);
  pcre2_compile_context *context = general == NULL ? NULL : pcre2_compile_context_create(general);
  if (context == NULL) return diag_no_memory(diag);
  if (rules->match_context == NULL && make_match_context(rules, general) != ERR_OK) return diag_no_memory(diag);
  for (size_t i = 0; i < count; i++) {
    enum err err = compile_one(context, texts[i], &patterns->codes[i], diag);
    if (err != ERR_OK) {
      diag_in_field(diag, "[%zu]", i);
      return err;
    }
    patterns->count = i + 1;
  }
  return ERR_OK;
}

static bool matches(const struct identity_rules *rules, const pcre2_code *code, struct bytes value) {
  struct scratch scratch;
  scratch.used_bytes = 0;
  pcre2_general_context *general = pcre2_general_context_create(scratch_take, keep_all, &scratch);
  pcre2_match_data *match = general == NULL ? NULL : pcre2_match_data_create(1, general);
  if (match == NULL) return true;
  int result = pcre2_match(code, value.data, value.size_bytes, 0, 0, match, rules->match_context);
  return result != PCRE2_ERROR_NOMATCH;
}

bool identity_patterns_match(const struct identity_rules *rules, const struct identity_patterns *patterns,
                             struct bytes value) {
  for (size_t i = 0; i < patterns->count; i++)
    if (matches(rules, patterns->codes[i], value)) return true;
  return false;
}
