// input: read and, when the first two bytes are gzip's, inflate. A gzip file may have several members, one after
// another; whatever follows the last is a fault, as is a file that ends inside a member.
#include "source/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"

enum { RAW_BYTES = 256 * 1024 };

struct source_input {
  int fd;
  bool zipped;
  bool at_end;    // of the file
  bool in_member; // of gzip: begun and not ended
  uint64_t total;
  _Atomic uint64_t done;
  z_stream stream;
  size_t raw_begin, raw_end; // what of `raw` is not used yet
  uint8_t raw[RAW_BYTES];
};

static void *zip_alloc(void *context, unsigned count, unsigned size) {
  (void)context;
  return alloc_zero(count, size);
}

static void zip_free(void *context, void *block) {
  (void)context;
  alloc_free(block);
}

static enum err fill(struct source_input *input, struct diag *diag) {
  ssize_t size;
  do {
    size = read(input->fd, input->raw, sizeof input->raw);
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    return diag_set(diag, ERR_IO, "read_failed", "the file cannot be read: %s", strerror(errno));
  }
  input->raw_begin = 0;
  input->raw_end = (size_t)size;
  input->at_end = size == 0;
  input->done += (uint64_t)size;
  return ERR_OK;
}

static enum err open_file(struct source_input *input, const char *path, struct diag *diag) {
  struct stat status;
  input->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
  if (input->fd < 0) {
    enum err err = errno == ENOENT ? ERR_NOT_FOUND : errno == EACCES ? ERR_DENIED : ERR_IO;
    return diag_set(diag, err, err == ERR_NOT_FOUND ? "no_file" : "read_failed", "%s: %s", path, strerror(errno));
  }
  if (fstat(input->fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    return diag_set(diag, ERR_INVALID, "read_failed", "%s is a directory; name a file in it", path);
  }
  if (fstat(input->fd, &status) == 0 && S_ISREG(status.st_mode)) {
    input->total = (uint64_t)status.st_size;
  }
  return ERR_OK;
}

static enum err begin(struct source_input *input, struct diag *diag) {
  enum err err = fill(input, diag);
  if (err != ERR_OK || input->raw_end < 2 || input->raw[0] != 0x1F || input->raw[1] != 0x8B) {
    return err;
  }
  input->stream.zalloc = zip_alloc;
  input->stream.zfree = zip_free;
  if (inflateInit2(&input->stream, 15 + 16) != Z_OK) {
    return diag_no_memory(diag);
  }
  input->zipped = true;
  return ERR_OK;
}

enum err source_input_open(struct source_input **input, const char *path, struct diag *diag) {
  struct source_input *made = alloc_zero(1, sizeof *made);
  if (made == NULL) {
    return diag_no_memory(diag);
  }
  enum err err = open_file(made, path, diag);
  if (err == ERR_OK) {
    err = begin(made, diag);
  }
  if (err != ERR_OK) {
    source_input_close(made);
    return err;
  }
  *input = made;
  return ERR_OK;
}

void source_input_close(struct source_input *input) {
  if (input == NULL) {
    return;
  }
  if (input->zipped) {
    inflateEnd(&input->stream);
  }
  if (input->fd >= 0) {
    close(input->fd);
  }
  alloc_free(input);
}

static enum err inflate_some(struct source_input *input, uint8_t *out, size_t wanted, size_t *got, struct diag *diag) {
  z_stream *stream = &input->stream;
  if (!input->in_member && inflateReset(stream) != Z_OK) {
    return diag_set(diag, ERR_INVALID, "bad_gzip", "the gzip file cannot be read");
  }
  input->in_member = true;
  stream->next_in = input->raw + input->raw_begin;
  stream->avail_in = (unsigned)(input->raw_end - input->raw_begin);
  stream->next_out = out;
  stream->avail_out = (unsigned)wanted;
  int status = inflate(stream, Z_NO_FLUSH);
  *got = wanted - stream->avail_out;
  input->raw_begin = input->raw_end - stream->avail_in;
  if (status == Z_MEM_ERROR) {
    return diag_no_memory(diag);
  }
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
    return diag_set(diag, ERR_INVALID, "bad_gzip", "the gzip file is damaged");
  }
  input->in_member = status != Z_STREAM_END;
  return ERR_OK;
}

static void copy_some(struct source_input *input, uint8_t *out, size_t wanted, size_t *got) {
  size_t size = input->raw_end - input->raw_begin;
  size = size > wanted ? wanted : size;
  memcpy(out, input->raw + input->raw_begin, size);
  input->raw_begin += size;
  *got = size;
}

enum err source_input_read(struct source_input *input, uint8_t *out, size_t wanted, size_t *got, struct diag *diag) {
  *got = 0;
  while (*got < wanted) {
    size_t size = 0;
    enum err err = ERR_OK;
    if (input->raw_begin == input->raw_end && !input->at_end) {
      err = fill(input, diag);
    }
    if (err == ERR_OK && input->at_end) {
      return input->in_member ? diag_set(diag, ERR_INVALID, "bad_gzip", "the gzip file ends too early") : ERR_OK;
    }
    if (err == ERR_OK && input->zipped) {
      err = inflate_some(input, out + *got, wanted - *got, &size, diag);
    } else if (err == ERR_OK) {
      copy_some(input, out + *got, wanted - *got, &size);
    }
    if (err != ERR_OK) {
      return err;
    }
    *got += size;
  }
  return ERR_OK;
}

uint64_t source_input_done(const struct source_input *input) {
  return input->done;
}

uint64_t source_input_total(const struct source_input *input) {
  return input->total;
}
