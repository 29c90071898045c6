// Children through fork and exec, and a pipe to listen to them or to feed them.
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

enum { START_TIMEOUT_MS = 30000, OUTPUT_BYTES = 4096, ARGUMENTS_MAX = 16 + PROGRAM_FLAGS_MAX, PIPE_BYTES = 1 << 20 };

// In the child: never returns.
static void become(const struct program *program, const char *const *arguments, int from, int to, pid_t parent) {
  int log = open(program->log, O_CREAT | O_APPEND | O_WRONLY, 0600);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127); // it died before it was watched
  if (from >= 0) dup2(from, STDIN_FILENO);
  if (to >= 0) dup2(to, STDOUT_FILENO);
  if (to < 0 && log >= 0) dup2(log, STDOUT_FILENO);
  if (log >= 0) dup2(log, STDERR_FILENO);
  char *words[ARGUMENTS_MAX];
  size_t count = 0;
  while (arguments[count]) {
    words[count] = (char *)(uintptr_t)arguments[count];
    count++;
  }
  words[count] = NULL;
  execv(program->path, words);
  _exit(127);
}

// Starts the program with a pipe from it (`feed` false) or to it; *pipe_end is the benchmark's end.
static bool spawn(struct program *program, const char *const *arguments, bool feed, int *pipe_end) {
  int ends[2];
  pid_t parent = getpid();
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  program->pid = fork();
  if (program->pid == 0) become(program, arguments, feed ? ends[0] : -1, feed ? -1 : ends[1], parent);
  close(feed ? ends[0] : ends[1]);
  *pipe_end = feed ? ends[1] : ends[0];
  if (program->pid > 0) return true;
  program->pid = 0;
  close(*pipe_end);
  return false;
}

// What the child writes until its first newline.
static bool read_line(int fd, char *text) {
  struct pollfd waiting = {.fd = fd, .events = POLLIN};
  size_t size = 0;
  text[0] = '\0';
  while (!strchr(text, '\n') && size < OUTPUT_BYTES - 1 && poll(&waiting, 1, START_TIMEOUT_MS) > 0) {
    ssize_t got = read(fd, text + size, OUTPUT_BYTES - 1 - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += (size_t)got;
    text[size] = '\0';
  }
  return strchr(text, '\n') != NULL;
}

static bool take_member(const char *json, const char *opening, char *out, size_t out_bytes) {
  const char *at = strstr(json, opening);
  if (!at) return false;
  at += strlen(opening);
  size_t size = strcspn(at, "\"");
  if (size >= out_bytes) return false;
  memcpy(out, at, size);
  out[size] = '\0';
  return true;
}

static bool fail(const struct program *program, const char *what) {
  fprintf(stderr, "bench: %s %s\n", program->path, what);
  program_show_log(program);
  return false;
}

static bool make_workspace(struct program *program) {
  const char *arguments[] = {program->path, "init", "--data", program->data, NULL};
  char line[OUTPUT_BYTES];
  struct rusage usage;
  int output;
  if (!spawn(program, arguments, false, &output)) return fail(program, "cannot be started");
  bool ok = read_line(output, line) && take_member(line, "\"write_key\":\"", program->write_key, PROGRAM_KEY_BYTES) &&
            take_member(line, "\"secret_key\":\"", program->secret_key, PROGRAM_KEY_BYTES);
  close(output);
  ok = program_wait(program, false, START_TIMEOUT_MS / 1000, &usage) && ok;
  return ok ? true : fail(program, "init failed");
}

static void set_directory(struct program *program, const char *path) {
  snprintf(program->directory, sizeof program->directory, "%s", path);
  snprintf(program->data, sizeof program->data, "%s/data", path);
  snprintf(program->log, sizeof program->log, "%s/program.log", path);
  snprintf(program->keys, sizeof program->keys, "%s/keys", path);
}

static bool write_keys(const struct program *program) {
  FILE *file = fopen(program->keys, "we");
  if (!file) return false;
  fprintf(file, "%s\n%s\n", program->write_key, program->secret_key);
  return fclose(file) == 0;
}

void program_use(struct program *program, const char *path, struct options_words flags) {
  program->path = path;
  program->flag_count = flags.count;
  for (size_t i = 0; i < flags.count; i++) program->flags[i] = flags.items[i];
}

bool program_again(struct program *program, const char *directory) {
  char path[PROGRAM_PATH_BYTES / 2];
  snprintf(path, sizeof path, "%s", directory);
  set_directory(program, path);
  FILE *file = fopen(program->keys, "re");
  bool ok = file && fscanf(file, "%127s %127s", program->write_key, program->secret_key) == 2;
  if (file) fclose(file);
  return ok ? true : fail(program, "was not kept there");
}

bool program_init(struct program *program, const char *parent) {
  char path[PROGRAM_PATH_BYTES / 2];
  snprintf(path, sizeof path, "%s/run-XXXXXX", parent);
  if (mkdir(parent, 0700) != 0 && errno != EEXIST) return fail(program, "has nowhere to put its data");
  if (!mkdtemp(path)) return fail(program, "has nowhere to put its data");
  set_directory(program, path);
  return make_workspace(program) && write_keys(program);
}

void program_release(struct program *program, bool keep) {
  struct rusage usage;
  if (program->pid > 0) program_wait(program, true, 30, &usage);
  if (program->directory[0] == '\0') return;
  if (keep)
    fprintf(stderr, "kept: %s\n", program->directory);
  else
    measure_remove(program->directory);
}

static void add_flags(const struct program *program, const char **arguments, size_t count) {
  for (size_t i = 0; i < program->flag_count; i++) arguments[count++] = program->flags[i];
  arguments[count] = NULL;
}

bool program_serve(struct program *program) {
  const char *arguments[ARGUMENTS_MAX] = {program->path, "serve",       "--data",      program->data,
                                          "--listen",    "127.0.0.1:0", "--log-level", "warn"};
  char line[OUTPUT_BYTES];
  int output;
  add_flags(program, arguments, 8);
  if (!spawn(program, arguments, false, &output)) return fail(program, "cannot be started");
  bool ok = read_line(output, line);
  close(output);
  const char *port = ok ? strrchr(line, ':') : NULL;
  program->port = port ? (int)strtol(port + 1, NULL, 10) : 0;
  if (program->port <= 0) return fail(program, "serve does not answer");
  fprintf(stderr, "serving, pid %d\n", (int)program->pid);
  return true;
}

bool program_import(struct program *program) {
  char rejects[PROGRAM_PATH_BYTES + 16];
  snprintf(rejects, sizeof rejects, "%s.rejects", program->log);
  const char *arguments[ARGUMENTS_MAX] = {program->path, "import",    "-",     "--data",
                                          program->data, "--rejects", rejects, "--json"};
  add_flags(program, arguments, 8);
  if (!spawn(program, arguments, true, &program->input)) return fail(program, "cannot be started");
  fcntl(program->input, F_SETPIPE_SZ, PIPE_BYTES);
  return true;
}

bool program_wait(struct program *program, bool interrupt, int seconds, struct rusage *usage) {
  int64_t until_us = measure_now_us() + (int64_t)seconds * 1000000;
  int status = 0;
  pid_t ended = 0;
  if (interrupt) kill(program->pid, SIGTERM);
  while ((ended = wait4(program->pid, &status, WNOHANG, usage)) == 0 && measure_now_us() < until_us) usleep(2000);
  bool in_time = ended > 0;
  if (!in_time) {
    kill(program->pid, SIGKILL);
    wait4(program->pid, &status, 0, usage);
  }
  program->pid = 0;
  return in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void program_show_log(const struct program *program) {
  char text[2048];
  FILE *file = fopen(program->log, "re");
  if (!file) return;
  if (fseek(file, -(long)(sizeof text - 1), SEEK_END) != 0) rewind(file);
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  fprintf(stderr, "%.*s\n", (int)size, text);
}
