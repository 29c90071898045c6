// target: chooses between the two, and puts words to a directory that is in use.
#include "cli/target.h"

#include <string.h>

#include "base/alloc.h"
#include "cli/http.h"

struct target {
  struct http *http; // NULL: local
  struct target_local local;
};

bool target_is_remote(const struct options *options) {
  bool url = options_text(options, OPTION_URL, NULL) != NULL, data = options_text(options, OPTION_DATA, NULL) != NULL;
  return url && (!data || options->origins[OPTION_URL] >= options->origins[OPTION_DATA]);
}

enum err target_open(struct target **target, const struct options *options, bool writes, struct diag *diag) {
  enum err err = ERR_OK;
  struct target *opened = alloc_zero(1, sizeof *opened);
  if (opened == NULL) return diag_no_memory(diag);
  if (target_is_remote(options)) {
    err = target_remote_open(&opened->http, options, diag);
  } else {
    err = target_local_open(&opened->local, options, writes ? 0 : TARGET_READ_ONLY, diag);
  }
  if (err != ERR_OK) {
    alloc_free(opened);
    return err;
  }
  *target = opened;
  return ERR_OK;
}

void target_close(struct target *target) {
  if (target == NULL) return;
  if (target->http != NULL) {
    http_close(target->http);
  } else {
    target_local_close(&target->local);
  }
  alloc_free(target);
}

enum err target_call(struct target *target, const struct target_call *call, struct buffer *out, struct diag *diag) {
  enum err err = target->http != NULL ? target_remote_call(target->http, call, out, diag)
                                      : target_local_call(&target->local, call, out, diag);
  if (err == ERR_OK && out->failed) err = diag_no_memory(diag);
  return err;
}
