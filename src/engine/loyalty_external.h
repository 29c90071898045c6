// loyalty_external: what comes from another programme, and how it is known again.
//
// Private to engine/. Another programme has a name ("web", "till-club") and an id of its own for each thing it tells.
// Row 0 "x" hash of LEDGER: what was made of it; the hash is keyed, so the row names nobody once she is erased. Lots
// that come from it carry its name in place of a rule (LOYALTY_EXTERNAL), through merges, splits and spending.
#pragma once

#include "engine/loyalty_request.h"

enum { EXTERNAL_KEY_BYTES = 2 * IDENTITY_EVENT_ID_BYTES + 1, EXTERNAL_ITEMS_MAX = 10000 };

struct external {
  struct bytes name, id;        // of the other programme, and its id of this
  uint32_t programme;           // number of the programme it comes into
  struct loyalty_rule_ref rule; // {LOYALTY_EXTERNAL, number of the name}
  uint8_t hash[IDENTITY_EVENT_ID_BYTES];
  struct bytes reference; // "web:T-17": of postings, and of the lock
};

// "programme", "external_id" and "into" of an item: the programme of ours it comes into; left out, the one that is
// called like the other, else the only one. `kind` keeps ids of members and of movements apart. The texts live in the
// call's arena. ERR_INVALID, ERR_NOT_FOUND with the field.
enum err external_read(struct member_call *call, const struct loyalty_set *set, char kind, struct external *external,
                       const struct loyalty_programme **programme, struct diag *diag);
// The same without an id, for who only looks: a name that never came has no number.
enum err external_read_name(struct member_call *call, const struct loyalty_set *set, struct external *external,
                            const struct loyalty_programme **programme, struct diag *diag);
// A date or a time by the programme's clock; as an end, a date is the whole day.
enum err external_date(struct member_call *call, const char *name, const struct rule_zone *zone, bool end,
                       int64_t fallback_us, int64_t *time_us, struct diag *diag);
// A code of the call's item, normalised, in the call's arena; empty when it is not said.
enum err external_code(struct member_call *call, struct bytes *code, struct diag *diag);

// Its row; data NULL: it never came.
enum err external_get(struct work *work, const struct external *external, struct bytes *row);
enum err external_put(struct work *work, const struct external *external, struct bytes row);

// Notes that a code was used elsewhere: a redemption without an order; a card is empty then. ERR_DENIED code
// "quantity_exceeded": it was used as often as it may be.
enum err external_redeem(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                         struct bytes identifier, uint32_t source, int64_t at_us);
// Cancels the doubles among her codes, after some came.
enum err external_unite_codes(struct work *work, struct work_customer *customer);

// Is a failure about the item alone, so that the others go on?
bool external_is_refusal(enum err err);
// A list of a request, which has at most EXTERNAL_ITEMS_MAX items. JSON takes no list of more than 4,096, so that its
// items may be lists of items; *count is of all.
enum err external_list(const struct engine *engine, struct value request, const char *name, struct value *list,
                       size_t *count, struct diag *diag);
// A walk over all of them.
struct external_iter {
  struct value_iter outer, inner;
  struct value item;
};
struct external_iter external_iterate(struct value list);
bool external_next(struct external_iter *iter);
