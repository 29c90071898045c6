// loyalty_import: members of other programmes on their way in, which the files of imports share.
//
// Private to engine/loyalty_import*.c. An import and its items live in the arena of its call.
#pragma once

#include "engine/loyalty_external.h"

enum { IMPORT_ITEMS_MAX = 1000 };

struct import_lot {
  uint8_t currency;
  int64_t amount, earned_us, expires_us;
};

struct import_code {
  struct bytes code, voucher;
  struct loyalty_span span;
  bool used;
  int64_t value;
  bool cancelled; // as a double
};

struct import_sum {
  uint8_t currency;
  int64_t amount;
};

enum import_status { IMPORT_REFUSED, IMPORT_IMPORTED, IMPORT_CORRECTED, IMPORT_UNCHANGED };

struct import_item {
  struct external external;
  struct engine_event event;
  int64_t joined_us;
  uint8_t level; // 0: not said
  struct import_lot *lots;
  size_t lot_count;
  struct import_code *codes;
  size_t code_count;
  struct import_sum sums[LOYALTY_CURRENCIES_MAX]; // of the lots
  size_t sum_count;
  size_t group; // the first of those with whom it shares an identifier
  // What became of it:
  enum import_status status;
  uint64_t customer;
  bool there_before;
  size_t same_as;                        // an earlier one; its own index: none
  int64_t moved[LOYALTY_CURRENCIES_MAX]; // of sums
  struct diag diag;
};

struct import {
  struct member_call call; // of the request; its arena is that of the items
  struct import_item *items;
  size_t count;
  bool dry_run;
  const struct loyalty_set *set;
};

// --- loyalty_import_read.c ---

// Reads all items; what is wrong with one is its own, in its diag, and the others go on.
enum err import_read(struct import *import, struct value list, struct diag *diag);
// A member of a document; absent when that is none.
struct value import_member(const struct import *import, struct value document, const char *name);
// ERR_INVALID: the member must be what is expected.
enum err import_bad(const char *name, const char *code, const char *expected, struct diag *diag);

// --- loyalty_import_tell.c ---

// Merges since then: each as who she is at the end, with what became of her codes.
enum err import_find_final(struct import *import, struct diag *diag);
// Who of them are one person.
enum err import_find_same(struct import *import, struct diag *diag);
void import_report(const struct import *import, struct json_writer *writer);
