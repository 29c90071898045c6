// Fuzz target: files of the commands of scores, by number and by name, and every kind of cell.
//
// Checked: a row has all of its cells, within the file's size; a day and a number that are read are in range.
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static enum err take(void *context, uint64_t line, const struct bytes *cells, struct diag *diag) {
  size_t size_bytes = *(const size_t *)context;
  struct decimal number;
  double real;
  uint64_t count;
  int32_t day;
  assert(line > 0);
  for (size_t i = 0; i < 3; i++) {
    char text[16];
    assert(cells[i].size_bytes <= size_bytes);
    if (table_day(cells[i], &day, diag) == ERR_OK) table_day_format(day, text);
    if (table_number(cells[i], "number", &real, diag) == ERR_OK) assert(isfinite(real));
    (void)table_decimal(cells[i], "number", &number, diag);
    (void)table_count(cells[i], "number", &count, diag);
  }
  return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static const char *const wanted[] = {"1,2,3", "a,b,c", "3,a,1"};
  struct table_columns columns;
  struct diag diag;
  char path[64];
  int fd = memfd_create("table", MFD_CLOEXEC);
  assert(fd >= 0 && write(fd, data, size_bytes) == (ssize_t)size_bytes);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  for (size_t i = 0; i < 3; i++) {
    diag_init(&diag);
    assert(table_columns_read(&columns, wanted[i], 3, 3, "three", &diag) == ERR_OK);
    (void)table_read(path, &columns, take, &size_bytes, &diag);
  }
  close(fd);
  return 0;
}
