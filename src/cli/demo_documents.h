// demo_documents: what the demo shop has set up: its tills' own numbers, a loyalty club, segments.
#pragma once

#include "engine/engine.h"

// The default rules of identity and the tills' own numbers, which are a type of their own. Before the first event.
enum err demo_put_rules(struct engine *engine, struct diag *diag);
// Points for orders and opened e-mails, three tiers, a welcome voucher. Before the first event, so that each counts.
enum err demo_put_club(struct engine *engine, struct diag *diag);
// Segments and a computed attribute, and all that is due by now: members and timers are as after a year of service.
// After the last event. On a large shop the longest part: `tell`, which may be NULL, is called now and then.
enum err demo_put_segments(struct engine *engine, void (*tell)(void *context), void *context, struct diag *diag);
