// job: long work that one request starts and others ask about.
//
// Layer 8. One at a time, in a thread of its own: a backup, a check of the workspace, or a simulation of loyalty. What
// became of the last JOBS_KEPT is remembered until the server ends; a job that the server's end cut short is forgotten
// with it, and may be started again.
// {"id","kind":"backup"|"check"|"simulation","state":"running"|"done"|"failed","started_at","ended_at"|null,
// "progress":{"done","total"},"backup":{"name","path","bytes"|null} or "check":{"breaches","first":[words]} or
// "simulation": the report|null,
// "error":{"code","detail"}|null}. The progress of a backup is in bytes, that of a check in rows, that of a simulation
// in members; the total is an
// estimate while it runs.
// Memory: the board owns its jobs. Threads: safe.
#pragma once

#include "base/json_writer.h"
#include "engine/members.h"

enum job_kind { JOB_BACKUP, JOB_CHECK, JOB_SIMULATION };

enum { JOBS_KEPT = 16, JOB_ID_BYTES = 17, JOB_BREACHES_KEPT = 100 };

struct job_board;

// `backup_dir` may be NULL; it and the engine outlive the board.
enum err job_board_open(struct job_board **board, struct engine *engine, const char *backup_dir);

// Ends a check or a simulation; waits for a backup, which cannot be cut short.
void job_board_close(struct job_board *board);

// Starts a job; `name` is a backup's. `id` has JOB_ID_BYTES; NUL-terminated. ERR_BUSY code "job_running" while another
// one runs, and what backup_prepare refuses.
enum err job_start(struct job_board *board, enum job_kind kind, struct bytes name, char *id, struct diag *diag);

// The simulation is the job's, also when it is refused.
enum err job_start_simulation(struct job_board *board, struct engine_simulation *simulation, char *id,
                              struct diag *diag);

// The document of a job that is a simulation; any other is not found. `stop`: it ends soon, with code "stopped".
enum err job_simulation_json(struct job_board *board, struct bytes id, bool stop, struct json_writer *writer,
                             struct diag *diag);

// The document of one job. ERR_NOT_FOUND code "no_job".
enum err job_json(struct job_board *board, struct bytes id, struct json_writer *writer, struct diag *diag);

// {"items":[…]}, the newest first.
void job_list_json(struct job_board *board, struct json_writer *writer);
