// names: the dictionary that turns a name into a small number and back.
//
// Layer 1. Property names, event names and trait names repeat for ever; a packed document stores their 32-bit
// id. One dictionary per workspace, kept by the store through a callback: a name is on its way to the disk
// before any document that uses it. Ids are dense from 1 in order of first use and never change. After
// LIMIT_NAMES names (a hostile client can invent them) names_intern returns 0 and the document keeps the name's
// bytes inline; reading hides the difference.
// Threads: safe. Lookups take no lock once a name is known.
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/diag.h"

struct names;

// Called under the dictionary's lock for each new name, before its id is handed out. A failure is passed up
// and the name stays unknown.
typedef enum err names_persist_fn(void *context, uint32_t id, struct bytes name, struct diag *diag);

// An empty dictionary. `persist` may be NULL (tests).
enum err names_open(struct names **out, names_persist_fn *persist, void *context);
void names_close(struct names *names);

// Adds a stored name while opening, without calling `persist`. ERR_CORRUPT on a repeated id or name.
enum err names_load(struct names *names, uint32_t id, struct bytes name);

// The id of `name`, made when new. *id is 0 when the dictionary is full. Fails only as `persist` or memory
// fails.
enum err names_intern(struct names *names, struct bytes name, uint32_t *id, struct diag *diag);

// The id of a known name, or 0. Never adds.
uint32_t names_find(const struct names *names, struct bytes name);

// A hash of `name` with this dictionary's random key: for tables of names that clients choose.
uint64_t names_hash(const struct names *names, struct bytes name);

// The name of an id; the empty view for an unknown id. Valid until names_close.
struct bytes names_text(const struct names *names, uint32_t id);

// How many names there are (ids run from 1 to this).
uint32_t names_count(const struct names *names);
