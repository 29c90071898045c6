// Free requests and workers wait in two stacks under the server's lock; the last one used is the first reused, while
// its memory is warm. At most POOL_KEPT requests are kept; workers are as many as threads ever ran at once.
#include "api/server.h"

enum { POOL_KEPT = 256 };

struct request *pool_take_request(struct api *api) {
  pthread_mutex_lock(&api->lock);
  struct request *request = api->requests;
  if (request) {
    api->requests = request->next;
    api->request_count--;
  }
  pthread_mutex_unlock(&api->lock);
  if (!request && request_open(&request)) return NULL;
  request->next = NULL;
  request->api = api;
  return request;
}

void pool_give_request(struct api *api, struct request *request) {
  request_reset(request);
  pthread_mutex_lock(&api->lock);
  bool kept = api->request_count < POOL_KEPT;
  if (kept) {
    request->next = api->requests;
    api->requests = request;
    api->request_count++;
  }
  pthread_mutex_unlock(&api->lock);
  if (!kept) request_close(request);
}

enum err pool_take_worker(struct api *api, struct worker **worker) {
  pthread_mutex_lock(&api->lock);
  *worker = api->workers;
  if (*worker) api->workers = (*worker)->next;
  pthread_mutex_unlock(&api->lock);
  return *worker ? ERR_OK : worker_open(worker, api->engine);
}

void pool_give_worker(struct api *api, struct worker *worker) {
  pthread_mutex_lock(&api->lock);
  worker->next = api->workers;
  api->workers = worker;
  pthread_mutex_unlock(&api->lock);
}

void pool_release(struct api *api) {
  while (api->requests) {
    struct request *request = api->requests;
    api->requests = request->next;
    request_close(request);
  }
  while (api->workers) {
    struct worker *worker = api->workers;
    api->workers = worker->next;
    worker_close(worker);
  }
}
