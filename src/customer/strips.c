// strips: the cache of strips.h.
//
// Ids fall into pages of 2^20, made when an id in them is first changed or kept, each with the marks of its ids and the
// places of its strips. Marks are atomic and alone: they are written by commits and read by scans. Places, and the
// file's end, are under the mutex; bytes are read and written without it, which is why a place has a `version`: it is 0
// while its bytes are being written, and a reader who finds another version after reading drops what it read.
#include "customer/strips.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
  PAGE_IDS = 1 << 20,
  PAGE_STRIPS = PAGE_IDS / STRIPS_CUSTOMERS,
  PAGES = 1 << 12, // four thousand million ids; later ones are not kept
  SPARE_SHARE = 8, // an eighth more room than is needed, for the next time
  BAD_MAX = STRIPS_CUSTOMERS / 8,
};
static const uint32_t CHANGING = UINT32_MAX;

struct place {
  uint64_t offset, version; // version 0: nothing is here
  uint32_t size_bytes, room_bytes;
  uint32_t epoch;
};

struct page {
  struct place places[PAGE_STRIPS];
  _Atomic uint32_t marks[PAGE_IDS];
};

struct strips {
  struct store *store;
  struct store_watcher watcher;
  int file;
  _Atomic uint32_t epoch;
  _Atomic bool broken; // a mark was lost: nothing holds any more
  pthread_mutex_t mutex;
  uint64_t end, versions;
  _Atomic uint32_t generation; // of the store
  uint32_t floor_epoch;        // strips of earlier epochs are void
  _Atomic(struct page *) pages[PAGES];
};

// --- marks ---------------------------------------------------------------------------------------------------

static struct page *find_page(struct strips *strips, uint64_t id) {
  return id / PAGE_IDS < PAGES ? atomic_load_explicit(&strips->pages[id / PAGE_IDS], memory_order_acquire) : NULL;
}

static struct page *make_page(struct strips *strips, uint64_t id) {
  struct page *page = find_page(strips, id), *expected = NULL;
  if (page != NULL || id / PAGE_IDS >= PAGES) return page;
  page = alloc_zero(1, sizeof *page);
  if (page == NULL || atomic_compare_exchange_strong(&strips->pages[id / PAGE_IDS], &expected, page)) return page;
  alloc_free(page);
  return expected;
}

// Locks order the marks of one id: whoever changes a row holds the lock of the customer it belongs to.
static void on_change(void *context, struct bytes key, bool before) {
  struct strips *strips = context;
  uint64_t id = 0;
  for (size_t i = 0; i < sizeof id; i++) id = id << 8 | key.data[i];
  struct page *page = make_page(strips, id);
  if (page == NULL) {
    if (id / PAGE_IDS < PAGES) atomic_store(&strips->broken, true);
    return;
  }
  atomic_store(&page->marks[id % PAGE_IDS], before ? CHANGING : atomic_load(&strips->epoch));
}

// --- open and close ------------------------------------------------------------------------------------------

static int open_file(const char *directory) {
  int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  char path[1024]; // some file systems have no nameless files
  int length = snprintf(path, sizeof path, "%s/strips-XXXXXX", directory);
  if (length < 0 || (size_t)length >= sizeof path) return -1;
  file = mkostemp(path, O_CLOEXEC);
  if (file >= 0) unlink(path);
  return file;
}

enum err strips_open(struct strips **strips, struct store *store, const char *directory) {
  struct strips *made = alloc_zero(1, sizeof *made);
  *strips = NULL;
  if (made == NULL) return ERR_NO_MEMORY;
  made->file = open_file(directory);
  if (made->file < 0) {
    alloc_free(made);
    return ERR_IO;
  }
  made->store = store;
  made->watcher = (struct store_watcher){on_change, made};
  made->generation = store_generation(store);
  pthread_mutex_init(&made->mutex, NULL);
  store_watch(store, STORE_TIMELINE, &made->watcher);
  *strips = made;
  return ERR_OK;
}

void strips_close(struct strips *strips) {
  if (strips == NULL) return;
  store_watch(strips->store, STORE_TIMELINE, NULL);
  for (size_t i = 0; i < PAGES; i++) alloc_free(strips->pages[i]);
  pthread_mutex_destroy(&strips->mutex);
  close(strips->file);
  alloc_free(strips);
}

uint32_t strips_begin(struct strips *strips) {
  uint32_t epoch = atomic_fetch_add(&strips->epoch, 1) + 1, generation = store_generation(strips->store);
  pthread_mutex_lock(&strips->mutex);
  if (generation != strips->generation) strips->floor_epoch = epoch; // commits may have been lost
  strips->generation = generation;
  pthread_mutex_unlock(&strips->mutex);
  return epoch;
}

// --- strips --------------------------------------------------------------------------------------------------

static struct place place_of(struct strips *strips, const struct page *page, uint64_t id) {
  pthread_mutex_lock(&strips->mutex);
  struct place place = page->places[id % PAGE_IDS / STRIPS_CUSTOMERS];
  if (place.epoch < strips->floor_epoch) place.version = 0;
  pthread_mutex_unlock(&strips->mutex);
  return place;
}

static bool read_place(const struct strips *strips, const struct place *place, struct buffer *out) {
  if (!buffer_reserve(out, place->size_bytes)) return false;
  uint8_t *at = out->data + out->size_bytes;
  if (pread(strips->file, at, place->size_bytes, (off_t)place->offset) != (ssize_t)place->size_bytes) return false;
  out->size_bytes += place->size_bytes;
  return true;
}

// How many ids of the strip it does not hold for.
static size_t judge(const struct page *page, uint64_t first, uint32_t epoch, struct strips_good *good) {
  size_t bad = 0;
  for (size_t i = 0; i < STRIPS_CUSTOMERS; i++) {
    bool holds = atomic_load_explicit(&page->marks[first % PAGE_IDS + i], memory_order_acquire) < epoch;
    good->bits[i / 64] = (i % 64 == 0 ? 0 : good->bits[i / 64]) | (uint64_t)holds << i % 64;
    bad += !holds;
  }
  return bad;
}

bool strips_read(struct strips *strips, uint64_t id, uint32_t epoch, struct buffer *out, struct strips_good *good) {
  const struct page *page = find_page(strips, id);
  if (page == NULL || atomic_load(&strips->broken)) return false;
  if (store_generation(strips->store) != atomic_load(&strips->generation)) return false;
  struct place place = place_of(strips, page, id);
  if (place.version == 0) return false;
  uint32_t least = place.epoch < epoch ? place.epoch : epoch;
  if (judge(page, id / STRIPS_CUSTOMERS * STRIPS_CUSTOMERS, least, good) > BAD_MAX) return false;
  return read_place(strips, &place, out) && place_of(strips, page, id).version == place.version;
}

// Takes the place for writing; room at the end of the file when it is too small. False: somebody else is at it, or has
// kept a newer one.
static bool take_place(struct strips *strips, struct place *place, uint32_t epoch, size_t size) {
  bool writing = place->version == 0 && place->room_bytes > 0, newer = place->version != 0 && place->epoch >= epoch;
  if (writing || newer || size > UINT32_MAX / 2) return false;
  if (place->room_bytes < size) {
    if (place->room_bytes > 0) // what was there need not stay on the disk; where that cannot be told, it does
      (void)!fallocate(strips->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)place->offset,
                       place->room_bytes);
    place->offset = strips->end;
    place->room_bytes = (uint32_t)(size + size / SPARE_SHARE + 1);
    strips->end += place->room_bytes;
  }
  place->version = 0;
  return true;
}

void strips_keep(struct strips *strips, uint64_t id, uint32_t epoch, struct bytes strip) {
  struct page *page = make_page(strips, id);
  if (page == NULL) return;
  struct place *place = &page->places[id % PAGE_IDS / STRIPS_CUSTOMERS];
  pthread_mutex_lock(&strips->mutex);
  bool taken = epoch >= strips->floor_epoch && take_place(strips, place, epoch, strip.size_bytes);
  uint64_t offset = place->offset;
  pthread_mutex_unlock(&strips->mutex);
  if (!taken) return;
  bool written = pwrite(strips->file, strip.data, strip.size_bytes, (off_t)offset) == (ssize_t)strip.size_bytes;
  pthread_mutex_lock(&strips->mutex);
  place->size_bytes = (uint32_t)strip.size_bytes;
  place->epoch = epoch;
  if (written)
    place->version = ++strips->versions;
  else
    place->room_bytes = 0; // free to be tried again
  pthread_mutex_unlock(&strips->mutex);
}
