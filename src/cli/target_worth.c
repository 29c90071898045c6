// target_worth: models of appetence on an engine opened here.
#include "cli/stop.h"
#include "cli/target_answer.h"
#include "engine/appetence.h"
#include "value/given.h"

static bool goes_on(void *context, uint64_t done, uint64_t total) {
  (void)context, (void)done, (void)total;
  return !stop_is_asked();
}

enum err local_appetence_put(struct answer *answer) {
  const struct worth_how how = {.progress = goes_on};
  double days;
  enum err err = worth_days_option(answer->view, answer->body, "horizon", 30, &days, answer->diag);
  if (err != ERR_OK) return err;
  stop_listen(false);
  return engine_appetence_put(answer->engine, answer_text(answer, "range"), (int64_t)(days * 86400e6), &how,
                              answer_author(answer), answer->writer, &answer->commit, answer->diag);
}

enum err local_appetence_models(struct answer *answer) {
  return engine_appetence_models_json(answer->view, answer->writer, answer->diag);
}
