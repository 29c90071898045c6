// attribution: which touch brought the sale, over all customers of a workspace.
//
// Layer 6, beside query.h. The settings (attribution/settings.h) are a document of the workspace: every version stays,
// with who stored it and when. A report of the kind `attribution` (report.h) is one pass over the timelines.
#pragma once

#include "attribution/settings.h"
#include "engine/query.h"

// {"version","changed_at","author",…the members of the settings, those of the default where none was given}. `version`
// 0: the newest. ERR_NOT_FOUND code "no_settings".
enum err engine_attribution_settings_json(struct engine_view *view, uint64_t version, struct json_writer *writer,
                                          struct diag *diag);

// Checks the document with what the workspace knows and stores it as a new version; tells it as above, with
// "warnings". `refusal`, which may be NULL, has the place of a wrong expression. ERR_INVALID as
// attribution_settings_open, "read_only" (ERR_DENIED).
enum err engine_attribution_settings_put(struct engine *engine, struct value document, struct bytes author,
                                         struct json_writer *writer, struct engine_commit *commit,
                                         struct rule_diag *refusal, struct diag *diag);

// --- for the files of engine/ ----------------------------------------------------------------------------------

// What a report goes by: `given` over the default, or, when it is absent, the workspace's; with `costs` instead of its
// own unless they are absent. To be closed with attribution_settings_close.
enum err attribution_settings_find(struct engine_view *view, struct value given, struct value costs,
                                   struct attribution_settings **settings, struct rule_diag *refusal,
                                   struct diag *diag);
