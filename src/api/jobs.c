// Backups, checks and simulations of a running server: a POST starts one, GET tells how far it is and what became of
// it.
#include "api/handlers.h"
#include "api/job.h"
#include "api/server.h"

static enum err start(struct request *request, enum job_kind kind, struct bytes name, struct diag *diag) {
  char id[JOB_ID_BYTES];
  enum err err = job_start(request->api->jobs, kind, name, id, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 202);
  return job_json(request->api->jobs, bytes_from_text(id), &writer, diag);
}

enum err jobs_backup(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  struct bytes name;
  enum err err = request_body(request, worker, "name", &document, diag);
  if (!err) err = request_member_text(request, document, "name", &name, diag);
  return err ? err : start(request, JOB_BACKUP, name, diag);
}

enum err jobs_check(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return start(request, JOB_CHECK, BYTES(""), diag);
}

enum err jobs_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  job_list_json(request->api->jobs, &writer);
  return ERR_OK;
}

enum err jobs_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return job_json(request->api->jobs, request->parameters[0], &writer, diag);
}

// --- simulations ---------------------------------------------------------------------------------------------

enum err simulations_start(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_simulation *simulation;
  struct value document;
  char id[JOB_ID_BYTES];
  enum err err = request_body(request, worker, "programmes campaigns vouchers from to where", &document, diag);
  if (!err) err = request_refusal(request, diag);
  if (err) return err;
  err = engine_simulation_open(request->api->engine, document, &simulation, request->refusal, diag);
  if (!err) err = job_start_simulation(request->api->jobs, simulation, id, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 202);
  return job_json(request->api->jobs, bytes_from_text(id), &writer, diag);
}

enum err simulations_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return job_simulation_json(request->api->jobs, request->parameters[0], false, &writer, diag);
}

enum err simulations_stop(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return job_simulation_json(request->api->jobs, request->parameters[0], true, &writer, diag);
}
