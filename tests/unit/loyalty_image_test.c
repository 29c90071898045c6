// Pictures of codes: what is drawn is what the libraries say, and a barcode adds up by its own checksum.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "loyalty/image.h"

enum { SIDE_MAX = 1400 };

// The modules of a picture, read back from its path.
struct picture {
  unsigned width, height;
  uint8_t dark[SIDE_MAX * 200];
};

static void draw(enum loyalty_image_kind kind, const char *text, struct buffer *out) {
  struct diag diag;
  if (loyalty_image_svg(kind, bytes_from_text(text), 3, out, &diag) != ERR_OK) fail_msg("%s", diag.message);
  buffer_append_byte(out, 0);
}

static unsigned number(const char **at) {
  char *end;
  unsigned value = (unsigned)strtoul(*at, &end, 10);
  assert_true(end > *at);
  *at = end;
  return value;
}

static void expect_text(const char **at, const char *text) {
  assert_int_equal(strncmp(*at, text, strlen(text)), 0);
  *at += strlen(text);
}

static void read_run(struct picture *picture, const char **at) {
  expect_text(at, "M");
  unsigned x = number(at);
  expect_text(at, " ");
  unsigned y = number(at);
  expect_text(at, "h");
  unsigned width = number(at);
  expect_text(at, "v");
  unsigned height = number(at);
  expect_text(at, "h-");
  assert_int_equal(number(at), width);
  expect_text(at, "z");
  assert_true(width > 0 && x + width <= picture->width && y + height <= picture->height);
  for (unsigned row = y; row < y + height; row++) memset(picture->dark + row * picture->width + x, 1, width);
}

static void read_picture(const char *svg, struct picture *picture) {
  const char *at = strstr(svg, "viewBox=\"0 0 ");
  assert_non_null(at);
  memset(picture, 0, sizeof *picture);
  at += strlen("viewBox=\"0 0 ");
  picture->width = number(&at);
  picture->height = number(&at);
  assert_true((size_t)picture->width * picture->height <= sizeof picture->dark);
  char size[64];
  snprintf(size, sizeof size, "width=\"%u\" height=\"%u\"", picture->width * 3, picture->height * 3);
  assert_non_null(strstr(svg, size));
  at = strstr(at, "<path d=\"");
  assert_non_null(at);
  at += strlen("<path d=\"");
  while (*at != '"') read_run(picture, &at);
  assert_string_equal(at, "\"/></svg>\n");
}

// --- QR ------------------------------------------------------------------------------------------------------

static void expect_qr(const char *text) {
  static struct picture picture;
  struct buffer svg;
  buffer_init(&svg);
  draw(LOYALTY_IMAGE_QR, text, &svg);
  read_picture((const char *)svg.data, &picture);
  QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
  assert_non_null(code);
  unsigned side = (unsigned)code->width, quiet = LOYALTY_IMAGE_QR_QUIET;
  assert_int_equal(picture.width, side + 2 * quiet);
  assert_int_equal(picture.height, side + 2 * quiet);
  for (unsigned y = 0; y < picture.height; y++) {
    for (unsigned x = 0; x < picture.width; x++) {
      bool inside = x >= quiet && y >= quiet && x < quiet + side && y < quiet + side;
      int dark = inside ? code->data[(y - quiet) * side + x - quiet] & 1 : 0;
      assert_int_equal(picture.dark[y * picture.width + x], dark);
    }
  }
  QRcode_free(code);
  buffer_release(&svg);
}

static void test_a_qr_code_is_what_the_library_says(void **state) {
  (void)state;
  char longest[LOYALTY_IMAGE_TEXT_BYTES + 1];
  memset(longest, '~', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  expect_qr("A");
  expect_qr("CARD4H7KX2MNPQ9");
  expect_qr("https://shop.example/v?code=4H7KX2MNPQ9R&x=<\">");
  expect_qr(longest);
}

// --- Code 128 ------------------------------------------------------------------------------------------------

enum { START_A = 103, START_B = 104, START_C = 105, STOP = 106, SYMBOLS_MAX = 128 };

// Widths of bars and spaces by value, of ISO/IEC 15417.
static const char *const widths[] = {
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212", "221213", "221312",
    "231212", "112232", "122132", "122231", "113222", "123122", "123221", "223211", "221132", "221231", "213212",
    "223112", "312131", "311222", "321122", "321221", "312212", "322112", "322211", "212123", "212321", "232121",
    "111323", "131123", "131321", "112313", "132113", "132311", "211313", "231113", "231311", "112133", "112331",
    "132131", "113123", "113321", "133121", "313121", "211331", "231131", "213113", "213311", "213131", "311123",
    "311321", "331121", "312113", "312311", "332111", "314111", "221411", "431111", "111224", "111422", "121124",
    "121421", "141122", "141221", "112214", "112412", "122114", "122411", "142112", "142211", "241211", "221114",
    "413111", "241112", "134111", "111242", "121142", "121241", "114212", "124112", "124211", "411212", "421112",
    "421211", "212141", "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311",
    "113141", "114131", "311141", "411131", "211412", "211214", "211232"};

static int value_of(const char *run) {
  for (int value = 0; value < STOP; value++)
    if (memcmp(widths[value], run, 6) == 0) return value;
  fail_msg("no symbol has the widths %.6s", run);
  return -1;
}

// Values from start to checksum; every row of the picture must be the same.
static size_t read_bars(const struct picture *picture, int *values) {
  unsigned quiet = LOYALTY_IMAGE_BARCODE_QUIET, end = picture->width - quiet;
  char runs[SIDE_MAX + 1];
  size_t count = 0;
  assert_int_equal(picture->height, LOYALTY_IMAGE_BARCODE_HEIGHT + 2 * quiet);
  const uint8_t *row = picture->dark + quiet * picture->width;
  for (unsigned y = quiet; y < picture->height - quiet; y++)
    assert_memory_equal(picture->dark + y * picture->width, row, picture->width);
  for (unsigned x = 0; x < quiet; x++) assert_true(row[x] == 0 && row[end + x] == 0);
  for (unsigned x = quiet, from = quiet; x < end; x++) {
    if (x + 1 < end && row[x + 1] == row[x]) continue;
    runs[count++] = (char)('0' + (x + 1 - from));
    from = x + 1;
  }
  runs[count] = 0;
  assert_true(count % 6 == 1 && count > 12);
  assert_string_equal(runs + count - 7, "2331112");
  for (size_t i = 0; i + 7 < count; i += 6) values[i / 6] = value_of(runs + i);
  return (count - 7) / 6;
}

static int checksum(const int *values, size_t count) {
  int sum = values[0];
  for (size_t i = 1; i < count; i++) sum += (int)i * values[i];
  return sum % 103;
}

// Printable ASCII is the same in sets A and B but for the small letters, which A has not.
static void decode(const int *values, size_t count, char *text) {
  int set = values[0];
  for (size_t i = 1; i < count; i++) {
    int value = values[i];
    if (set == START_C && value < 100) {
      text += sprintf(text, "%02d", value);
    } else if (value == 99 && set != START_C) {
      set = START_C;
    } else if (value == 100) {
      set = START_B;
    } else if (value == 101) {
      set = START_A;
    } else {
      assert_true(value < (set == START_B ? 95 : 64));
      *text++ = (char)(value + ' ');
    }
  }
  *text = 0;
}

static int expect_barcode(const char *text) {
  static struct picture picture;
  int values[SYMBOLS_MAX] = {0};
  char decoded[2 * SYMBOLS_MAX + 1];
  struct buffer svg;
  buffer_init(&svg);
  draw(LOYALTY_IMAGE_CODE128, text, &svg);
  read_picture((const char *)svg.data, &picture);
  size_t count = read_bars(&picture, values);
  assert_int_equal(values[count - 1], checksum(values, count - 1));
  decode(values, count - 1, decoded);
  assert_string_equal(decoded, text);
  buffer_release(&svg);
  return values[count - 1];
}

static void test_a_barcode_reads_back(void **state) {
  (void)state;
  expect_barcode("A");
  expect_barcode("CARD4H7KX2MNPQ9");
  expect_barcode("summer-26 ~!\"#");
  expect_barcode("0123456789012345678901234567890123456789012345678901234567890123");
  expect_barcode("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH");
}

// 104 + 1*48 + 2*42 + 3*42 + 4*17 + 5*18 + 6*19 + 7*35 = 879, and 879 mod 103 = 55.
static void test_known_checksums(void **state) {
  (void)state;
  assert_int_equal(expect_barcode("PJJ123C"), 55);
  assert_int_equal(expect_barcode("A"), (104 + 33) % 103);
  assert_int_equal(expect_barcode("123456"), (105 + 1 * 12 + 2 * 34 + 3 * 56) % 103);
}

// --- refused -------------------------------------------------------------------------------------------------

static void expect_refused(enum loyalty_image_kind kind, struct bytes text, unsigned scale, enum err err,
                           const char *code) {
  struct diag diag;
  struct buffer out;
  buffer_init(&out);
  assert_int_equal(loyalty_image_svg(kind, text, scale, &out, &diag), err);
  assert_string_equal(diag.code, code);
  assert_int_equal(out.size_bytes, 0);
  buffer_release(&out);
}

static void test_what_cannot_be_drawn(void **state) {
  (void)state;
  char text[LOYALTY_IMAGE_TEXT_BYTES + 1];
  memset(text, 'z', sizeof text);
  expect_refused(LOYALTY_IMAGE_QR, BYTES(""), 1, ERR_INVALID, "bad_text");
  expect_refused(LOYALTY_IMAGE_QR, BYTES("a\nb"), 1, ERR_INVALID, "bad_text");
  expect_refused(LOYALTY_IMAGE_QR, BYTES("a\0b"), 1, ERR_INVALID, "bad_text");
  expect_refused(LOYALTY_IMAGE_CODE128, BYTES("\xC3\xA9"), 1, ERR_INVALID, "bad_text");
  expect_refused(LOYALTY_IMAGE_QR, bytes_of(text, sizeof text), 1, ERR_LIMIT, "too_long");
  expect_refused(LOYALTY_IMAGE_CODE128, bytes_of(text, LOYALTY_IMAGE_BARCODE_BYTES + 1), 1, ERR_LIMIT, "too_long");
  expect_refused(LOYALTY_IMAGE_QR, BYTES("A"), 0, ERR_INVALID, "out_of_range");
  expect_refused(LOYALTY_IMAGE_QR, BYTES("A"), LOYALTY_IMAGE_SCALE_MAX + 1, ERR_INVALID, "out_of_range");
}

static void test_short_memory_is_told(void **state) {
  (void)state;
  for (int kind = LOYALTY_IMAGE_QR; kind <= LOYALTY_IMAGE_CODE128; kind++) {
    for (uint64_t allowed = 0;; allowed++) {
      struct buffer out;
      buffer_init(&out);
      alloc_fail_after(allowed, true);
      enum err err = loyalty_image_svg((enum loyalty_image_kind)kind, BYTES("CARD4H7K"), 1, &out, NULL);
      bool failed = alloc_fail_disarm();
      assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
      buffer_release(&out);
      if (!failed) break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_qr_code_is_what_the_library_says),
      cmocka_unit_test(test_a_barcode_reads_back),
      cmocka_unit_test(test_known_checksums),
      cmocka_unit_test(test_what_cannot_be_drawn),
      cmocka_unit_test(test_short_memory_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
