// live: segments and attributes evaluated in the commit of what changes them, and by the clock.
//
// The definitions of a workspace are a set in memory, replaced whole. Every attempt of a transaction reads it under a
// lock for reading from begin to end; a new set is put in force under the lock for writing, which therefore waits for
// all transactions begun before. That is what makes a build exact: once a version is in force as `building`, whatever
// commits later evaluates it, and a snapshot taken then has whatever committed before.
#pragma once

#include "engine/due.h"
#include "engine/feed.h"
#include "segment/set.h"

#define LIVE_SOURCE "segments" // the source of the events that segments write

struct live_machine {
  struct rule_machine *machine;
  struct live_machine *next;
};

struct live {
  pthread_rwlock_t lock;         // see above
  const struct segment_set *set; // the definitions in force; NULL: there never was one
  pthread_mutex_t changing;      // one change of definitions at a time
  pthread_mutex_t machines_lock;
  struct live_machine *machines; // those not in use
  uint32_t source;               // of the events that segments write; 0: there is none yet
  uint32_t entered, left;        // names of these events
  pthread_mutex_t timers_lock;   // one look at the timers at a time
  struct due_walk timers_walk;
  struct draw *draw;                        // of limited audiences (draw.h)
  struct live_build *build;                 // under way; NULL: none (live_build.c)
  _Atomic uint64_t build_done, build_total; // customers, of the build under way
  _Atomic int64_t lag_us;                   // how late the timers are
  _Atomic uint64_t evaluated, transitions, timers;
  engine_wake_fn *wake; // changes were committed; NULL: nobody wants to know
  void *wake_context;
};

// What is asked of the customers of a plan, beside what their events ask for.
struct live_request {
  const int64_t *timers_us;  // the instants at which their timers fired, by customer of the plan; NULL: none did
  const uint32_t *questions; // to be evaluated, whatever they depend on
  size_t question_count;
  uint32_t list; // a static list of which they become members, or are none any more; 0: none
  bool listed;
};

// live.c
enum err live_open(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void live_close(struct engine *engine);
const struct segment_set *live_hold(struct engine *engine); // for the length of an attempt only: others wait for it
void live_release(struct engine *engine);
const struct segment_set *live_set(struct engine *engine); // held; the caller's to close. NULL: there never was one
// Does an event of this name ask for some question?
bool live_concerns_event(const struct work *work, uint32_t name);
// Evaluates what a transaction's changes and its plan's request ask for, and writes memberships, audiences, timers and
// the customers' own events. The changes are left in `work` for the feed.
enum err live_evaluate(struct work *work, const struct work_plan *plan);
// The body of a transaction that does nothing but that.
enum err live_nothing(struct work *work, void *context);
struct rule_machine *live_take_machine(struct engine *engine); // NULL: no memory
void live_give_machine(struct engine *engine, struct rule_machine *machine);
void live_changed(struct engine *engine); // changes were committed

// live_set.c: the definitions of a snapshot compiled; *set stays when there never was one.
enum err live_set_read(struct engine *engine, struct store_snapshot *snapshot, const struct segment_set **set,
                       struct diag *diag);
// Those of a change, before it is committed: putting them in force afterwards cannot fail. They are copied.
enum err live_set_make(struct engine *engine, const struct segment_definition *definitions, size_t count,
                       const struct segment_set **set, struct diag *diag);
// Puts a set in force and lets go of the one before, once every transaction that was begun under it has ended. The
// caller holds `changing`, and gives the set away.
void live_set_put(struct engine *engine, const struct segment_set *set);
void live_definition_key(struct key *key, uint32_t question);

// live_build.c: goes on with computing the versions that are being built, for about budget_us.
enum err live_build_tick(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag);
void live_build_close(struct engine *engine);
