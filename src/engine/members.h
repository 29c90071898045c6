// members: the loyalty engine as HTTP and the command line see it.
//
// Public. Every call takes its request as a packed document and writes its answer as JSON, so that a till, a web shop
// and a person at a terminal do the same. Writing calls carry a struct engine_commit: the reply rides in the same
// commit. What is refused by the rules of loyalty is ERR_DENIED with a code of the closed list (loyalty/code.h,
// docs/loyalty.md), and the diag's field names the offending member, code or rule; the HTTP status is 422. Natural keys
// (an order, a return, a hold's reference) replay: the second call gets the first one's answer, "replayed": true beside
// it, and changes nothing.
//
// "customer" in a request is a reference as of engine_find ("email:zoe@exemple.fr", "loyalty_card:123", "c42"). Whoever
// names an identifier nobody has makes a new customer of it.
#pragma once

#include "engine/engine.h"

// --- documents (loyalty_documents.c) -------------------------------------------------------------------------

enum engine_loyalty_kind { ENGINE_PROGRAMME, ENGINE_CAMPAIGN, ENGINE_VOUCHER };
// As engine_segment_put: the document as it is then, with "warnings".
enum err engine_loyalty_put(struct engine *engine, enum engine_loyalty_kind kind, struct value document,
                            struct bytes author, struct json_writer *writer, struct engine_commit *commit,
                            struct rule_diag *refusal, struct diag *diag);
enum err engine_loyalty_archive(struct engine *engine, enum engine_loyalty_kind kind, struct bytes id,
                                struct bytes author, struct json_writer *writer, struct engine_commit *commit,
                                struct diag *diag);
// ERR_NOT_FOUND codes "no_programme", "no_campaign", "no_voucher" with the nearest id.
enum err engine_loyalty_document_json(struct engine *engine, enum engine_loyalty_kind kind, struct bytes id,
                                      struct json_writer *writer, struct diag *diag);
enum err engine_loyalty_documents_json(struct engine *engine, enum engine_loyalty_kind kind, struct json_writer *writer,
                                       struct diag *diag);

// --- who asks ------------------------------------------------------------------------------------------------

struct engine_caller {
  uint32_t source;     // of the key
  struct bytes author; // the key's name, or a person's
};

// --- baskets and orders (loyalty_order.c, loyalty_return.c) ---------------------------------------------------

// {"customer"?,"cart":{…as the properties of "Order Completed"…},"codes":["…"],"time"?,
//  "pay":[{"points":{"programme"?,"currency"?,"amount"}},{"card":{"code","amount"?}},{"hold":{"id"}}]}
// -> {"customer","effects":[{"type":"discount","rule"|"code",…,"amount","lines":[{"line_id","amount"}]},
//     {"type":"points","programme","currency","amount","rule","active_at","expires_on"},{"type":"voucher",…},
//     {"type":"pay",…}],"rejected":[{"code"|"rule","reason","message"}],"totals":{"amount","discount","shipping",
//     "due","paid_with_points","paid_with_cards","to_pay"},"missing":[{"programme","tier"|"reward","amount"}]}
// "explain": true adds "explained": every rule for orders, with what it did or why not, what its condition came to, and
// what its caps and budget leave (loyalty_explain.c).
// Nothing is written: the same code as engine_order, without its commit. ERR_INVALID for what cannot be read.
enum err engine_evaluate(struct engine *engine, const struct engine_caller *caller, struct value request,
                         struct json_writer *writer, struct diag *diag);
// The same, committed: the order's event goes on the timeline, codes are used, points spent and earned. Needs
// "cart"."order_id"; "business_time" for sales of tills that were away, within the programme's lateness: else
// ERR_DENIED "TOO_LATE", kept aside for a person. A code that is rejected makes no failure unless codes are all or
// nothing ("rejected" says why). ERR_DENIED "INSUFFICIENT_POINTS", "REDEMPTION_CONFLICT"…
enum err engine_order(struct engine *engine, const struct engine_caller *caller, struct value request,
                      struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
enum err engine_order_json(struct engine *engine, struct bytes order, struct json_writer *writer, struct diag *diag);
// {"return_id","lines":[{"line_id"|"sku","quantity"}]?,"time"?}; without lines: all that is left.
// -> {"order","return_id","refund":{"amount","money","points":[…],"cards":[…]},"points":[{"programme","currency",
//     "taken_back","uncollected"}],"replayed"?}
enum err engine_order_return(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                             struct value request, struct json_writer *writer, struct engine_commit *commit,
                             struct diag *diag);
// Everything is rolled back: points, codes, budgets, uses. Reopening books it again as it was, or ERR_DENIED
// "REDEMPTION_CONFLICT" when a code is used elsewhere meanwhile.
enum err engine_order_cancel(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                             struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
enum err engine_order_reopen(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                             struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// What the order earned and waits for an event becomes active, as if the event had come: {"order","released":[{
// "programme","currency","amount"}]}; nothing when it did before.
enum err engine_order_release(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// Many orders and returns of a till that was away: {"items":[{"order":{…}}|{"return":{"order":…,…}}]} -> {"items":[{
// "status":"booked"|"replayed","reply"} | {"status":"refused","code","message","field"?}]}: each by itself, in their
// order, idempotent by its own id. At most 1,000.
enum err engine_till_batch(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct store_mark *mark, struct diag *diag);

// --- points (loyalty_points.c, loyalty_hold.c, loyalty_approval.c) --------------------------------------------

// {"customer","programme"?,"currency"?,"amount","reference"?}. The programme may be left out when there is only one.
// -> {"id","balance":{…as engine_member_json…}}
enum err engine_points_burn(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// … and "ttl_s" (900 when not said; at most a day) -> {"hold","expires_at","available"}
enum err engine_points_hold(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// `hold`: the id; {"amount"?}. ERR_DENIED "ALREADY_CAPTURED", "ALREADY_VOIDED", "HOLD_EXPIRED".
enum err engine_hold_capture(struct engine *engine, const struct engine_caller *caller, struct bytes hold,
                             struct value request, struct json_writer *writer, struct engine_commit *commit,
                             struct diag *diag);
enum err engine_hold_void(struct engine *engine, const struct engine_caller *caller, struct bytes hold,
                          struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// {"customer",…,"amount" (below zero: less),"reason"}: a person's. Above the programme's limit it waits for another
// person: {"approval":id,"status":"waiting"}, and engine_approve carries it out; its caller's author must be another:
// ERR_DENIED "SAME_PERSON".
enum err engine_points_adjust(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
enum err engine_approve(struct engine *engine, const struct engine_caller *caller, struct bytes approval,
                        struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// Another person says no: {"approval","status":"refused"}. Refused as engine_approve is; both ERR_DENIED
// "APPROVAL_EXPIRED" when the programme's time for it is over.
enum err engine_approval_refuse(struct engine *engine, const struct engine_caller *caller, struct bytes approval,
                                struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// {"items":[{"approval","author","at","expires_at","request"}]}: those that wait.
enum err engine_approvals_json(struct engine *engine, struct json_writer *writer, struct diag *diag);
// {"from","to","programme"?,"currency"?,"amount","reason"?}
enum err engine_points_transfer(struct engine *engine, const struct engine_caller *caller, struct value request,
                                struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// --- codes (loyalty_code.c) ----------------------------------------------------------------------------------

// {"voucher","customer"?,"code"?,"count"?,"valid_to"?,"value"?}: gives one to a customer, makes one of a chosen text,
// or many at once (at most 10,000 here; engine_batch_start for more) -> {"codes":[…]}
enum err engine_codes_make(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// Batches of codes that are nobody's, made by a job that a stop or a crash does not undo (loyalty_codes_job.c):
// {"voucher","count" (to ENGINE_BATCH_CODES_MAX),"valid_to"?,"value"?} -> the batch: {"id":"b17","voucher","status":
// "running"|"stopped"|"done"|"failed","progress":{"done","total"},"author","started_at","ended_at"|null,"valid_to"?,
// "value"?,"error":{"code","detail"}|null}. It is carried out by engine_tick, or by engine_batch_work.
enum { ENGINE_BATCH_CODES_MAX = 10000000 };
enum err engine_batch_start(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// Stops it where it stands, or goes on; codes that were made stay. What is not running cannot be stopped, and what is
// done cannot go on: then nothing changes, and the answer says how it is. ERR_NOT_FOUND code "no_batch".
enum err engine_batch_stop(struct engine *engine, struct bytes id, struct json_writer *writer,
                           struct engine_commit *commit, struct diag *diag);
enum err engine_batch_resume(struct engine *engine, struct bytes id, struct json_writer *writer,
                             struct engine_commit *commit, struct diag *diag);
enum err engine_batch_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag);
// {"items":[…]}: the newest 100, the newest first.
enum err engine_batches_json(struct engine *engine, struct json_writer *writer, struct diag *diag);
// Works at all that run for about budget_us. *more: something is left.
enum err engine_batch_work(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag);

// The codes of a batch that are made, in the order in which they were drawn, a page at a time: `range` begins as {0,
// ENGINE_CODES_ALL}; then it is what is left of those that were made at the first call, and empty at the end. CSV has a
// first line of names, and no field that a spreadsheet would take for a formula; NDJSON has a code's object on each
// line.
enum engine_codes_format { ENGINE_CODES_CSV, ENGINE_CODES_NDJSON };
#define ENGINE_CODES_ALL UINT64_MAX
struct engine_codes_range {
  uint64_t from, to; // draws
};
enum err engine_batch_codes(struct engine *engine, struct bytes id, enum engine_codes_format format,
                            struct engine_codes_range *range, size_t limit, struct buffer *out, struct diag *diag);

enum err engine_code_json(struct engine *engine, struct bytes text, struct json_writer *writer, struct diag *diag);
// {"code","customer"?,"cart"?} -> {"valid":true,"code","voucher","amount","uses","balance" (of a card)} or
// {"valid":false,"code","reason","message"}
enum err engine_code_validate(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct diag *diag);
// {"code","customer"?,"cart"?,"order_id"?,"amount"? (of a card)} -> {"redemption","code","voucher","amount","uses",
// "balance" (of a card)}; ERR_DENIED with the reason.
enum err engine_code_redeem(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// `redemption`: "r17" of the code. Its uses, budgets and balance are given back; again: replayed. ERR_DENIED
// "REDEMPTION_OF_ORDER": it goes back with its order.
enum err engine_code_roll_back(struct engine *engine, const struct engine_caller *caller, struct bytes code,
                               struct bytes redemption, struct json_writer *writer, struct engine_commit *commit,
                               struct diag *diag);
// A card whose sale is refunded: at most what is left is given back, and it is worth nothing from then on.
enum err engine_code_cancel(struct engine *engine, const struct engine_caller *caller, struct bytes code,
                            struct bytes reason, struct json_writer *writer, struct engine_commit *commit,
                            struct diag *diag);

// --- other programmes (loyalty_import.c, loyalty_mirror.c, loyalty_reconcile.c) ---------------------------------

// {"dry_run"?,"items":[{"member":{"programme","external_id","into"?,"customer"|"identifiers":{type:value},"traits"?,
// "joined_at"?,"tier"?,"lots":[{"currency"?,"amount","earned_at"?,"expires_on"?}],"vouchers":[{"code","voucher",
// "valid_to"?,"used"?,"value"?}]}}]}: members of another programme, once each by its name and id: sent again, only what
// differs is corrected. At most 1,000; of a dry run, which writes nothing, 10,000, in lists of items (JSON takes no
// list of more than 4,096), as then in the answer. -> {"dry_run","members","refused",
// "imported","corrected","unchanged","already_customers","same_people","points","vouchers_kept","vouchers_used",
// "vouchers_cancelled","items":[{"line","programme","external_id","status","customer","same_as","vouchers"|"code",
// "message","field"}]}
enum err engine_loyalty_import(struct engine *engine, const struct engine_caller *caller, struct value request,
                               struct json_writer *writer, struct store_mark *mark, struct diag *diag);
// {"items":[{"programme","external_id","into"?,"customer","type":"earn"|"burn"|"expire"|"adjust"|"voucher_issued"|
// "voucher_used"|"voucher_cancelled","currency"?,"amount","effective_at"?,"expires_on"?,"code"?,"voucher"?,
// "caused_by"?}]}: what another programme did, once each by its name and id, in whatever order it comes; at most
// 1,000. "caused_by": the posting of ours ("p17") or the redemption that it carries out over there: nothing is moved.
// -> {"items":[{"external_id","status":"mirrored"|"replayed"|"own","posting"?} | {"status":"refused",…}]}
enum err engine_loyalty_mirror(struct engine *engine, const struct engine_caller *caller, struct value request,
                               struct json_writer *writer, struct store_mark *mark, struct diag *diag);
// {"programme","into"?,"balances":[{"customer","currency"?,"amount"}]} -> {"compared","differences":[{"customer",
// "currency","theirs","ours","difference"}|{"customer","code","message"}]}. Ours is what is left of the lots that came
// from that programme, less what is owed to it; of a programme of ours, the whole balance.
enum err engine_loyalty_reconcile(struct engine *engine, struct value request, struct json_writer *writer,
                                  struct diag *diag);

// --- reading (loyalty_read.c) --------------------------------------------------------------------------------

// {"customer","programmes":[loyalty_wallet_json…],"vouchers":[loyalty_code_json…]} as of now.
enum err engine_member_json(struct engine_view *view, uint64_t customer, struct json_writer *writer, struct diag *diag);
// {"items":[loyalty_posting_json…],"next"}, newest first.
enum err engine_statement_json(struct engine_view *view, uint64_t customer, struct bytes programme, struct bytes after,
                               size_t limit, struct json_writer *writer, struct diag *diag);
// What the programme owes: {"programme","currencies":[{"currency","active","pending","held","debt","money",
// "expected_money" (less breakage),"by_month":[{"month","amount"}],"undated"}],"members"}. A walk over everybody.
enum err engine_liability_json(struct engine *engine, struct bytes programme, struct json_writer *writer,
                               struct diag *diag);
// Enrols: {"customer","programme"?,"referred_by"?}
enum err engine_member_join(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// {"customer","programme"?,"reward","reference"?}: spends what the reward costs and gives its voucher, in one commit ->
// {"id","reward","voucher":{…},"balance":{…}}. ERR_NOT_FOUND "no_reward"; ERR_DENIED "INSUFFICIENT_POINTS". Cancelling
// the code (engine_code_cancel) while nobody used it puts the points back: "points", "currency" in its reply.
enum err engine_reward_buy(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// {"advocate": a reference, or a code that is hers,"friend","programme"?}: the friend joins and gets the programme's
// voucher -> {"programme","friend","advocate","state":"PENDING"|"REWARDED"|"REVERSED","made_at","voucher"?,"order"?,
// "currency"?,"reward"?}. The same again: "replayed". ERR_DENIED "ReferralRecipientIdSameAsAdvocate",
// "ReferralCustomerAlreadyReferred"; ERR_INVALID "no_referral".
enum err engine_referral_make(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// Who changed what by hand, newest first: {"items":[{"id":"u17","at","author","action","programme"?,"customer"?,
// "subject"?,"reason"?,"before","after"}],"next"}. docs/loyalty.md lists the actions.
struct engine_audit_query {
  uint64_t customer;           // whom it concerns, or concerned before she became this one; 0: everybody
  struct bytes author, action; // empty: any
  struct bytes subject;        // an id of what was changed; empty: any
  bool loyalty;                // of loyalty alone
  struct bytes after;          // "next" of the page before; empty: the newest
  size_t limit;
};
enum err engine_audit_json(struct engine_view *view, const struct engine_audit_query *query, struct json_writer *writer,
                           struct diag *diag);

// Works off what fell due for members; call it as engine_timer_tick.
enum err engine_loyalty_tick(struct engine *engine, bool *more, struct diag *diag);
// Members worked off by it since the engine was opened.
uint64_t engine_loyalty_timers(const struct engine *engine);

// Recomputes every balance from the postings: breaches in words (as engine_check, which includes it). `progress` (may
// be NULL) is told how many rows were read so far; false ends it: ERR_STOPPED code "stopped".
typedef bool engine_verify_progress_fn(void *context, uint64_t rows);
enum err engine_loyalty_verify(struct engine *engine, engine_breach_fn *breach, engine_verify_progress_fn *progress,
                               void *context, uint64_t *members, uint64_t *breaches, struct diag *diag);

// --- simulation (loyalty_simulate.c) -------------------------------------------------------------------------

// What changed documents would have given for the orders of a period: {"programmes"?,"campaigns"?,"vouchers"? (lists of
// documents as they would be stored),"from","to" (dates, by the clock of the first programme, or times; "to" is past
// the end),"where"? (a condition over the customer, as she is now)}. Every member's orders are booked again, in order
// of time, by the documents as they are and as they would be, in transactions that are thrown away.
struct engine_simulation;
// ERR_INVALID as engine_loyalty_put and engine_query_open, "bad_period"; ERR_NOT_FOUND "no_programme".
enum err engine_simulation_open(struct engine *engine, struct value request, struct engine_simulation **simulation,
                                struct rule_diag *refusal, struct diag *diag);
void engine_simulation_close(struct engine_simulation *simulation);
// Once. `progress` (may be NULL) is told members done and to be done; false ends it: ERR_STOPPED code "stopped".
// {"from","to","where"?,"orders","members","skipped","programmes":[{"programme","currency","points":{"ledger","as_is","would_be",
// "difference"}}],"discounts":{…},"vouchers":{…},"tiers":{"as_is":{"up","down"},"would_be":{…}},"cost":{…},"rules":[{
// "programme","campaign"?,"rule","currency"?,"points":{…},"discounts":{…},"vouchers":{…},"orders":{…}}],"largest":[{
// "customer","as_is","would_be","difference"}],"notes":[…]}; "ledger" is what the orders gave when they were booked.
enum err engine_simulation_run(struct engine_simulation *simulation,
                               bool (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                               struct json_writer *writer, struct diag *diag);
