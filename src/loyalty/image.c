// image: dark modules as one path.
//
// Both kinds are drawn from rows of modules: each run of dark modules is a rectangle one row high, "M x y h n v 1 h -n
// z". A barcode is one row, as high as a scanner's line needs to cross it all.
#include "loyalty/image.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>
#include <zint.h>

struct drawing {
  struct buffer *out;
  unsigned quiet, height; // of modules: on each side, of each row
};

static enum err check_text(enum loyalty_image_kind kind, struct bytes text, struct diag *diag) {
  size_t most = kind == LOYALTY_IMAGE_QR ? LOYALTY_IMAGE_TEXT_BYTES : LOYALTY_IMAGE_BARCODE_BYTES;
  if (text.size_bytes == 0) return diag_set(diag, ERR_INVALID, "bad_text", "there is no text to draw");
  if (text.size_bytes > most)
    return diag_set(diag, ERR_LIMIT, "too_long", "expected at most %zu characters, found %zu", most, text.size_bytes);
  for (size_t i = 0; i < text.size_bytes; i++)
    if (text.data[i] < ' ' || text.data[i] > '~')
      return diag_set(diag, ERR_INVALID, "bad_text", "expected printable characters of ASCII only");
  return ERR_OK;
}

static void begin(struct drawing *drawing, unsigned columns, unsigned rows, unsigned scale) {
  unsigned width = columns + 2 * drawing->quiet, height = rows * drawing->height + 2 * drawing->quiet;
  buffer_append_format(drawing->out,
                       "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" "
                       "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%uv%uh-%uz\"/><path d=\"",
                       width * scale, height * scale, width, height, width, height, width);
}

static void end(struct drawing *drawing) {
  buffer_append_text(drawing->out, "\"/></svg>\n");
}

static void draw_run(struct drawing *drawing, unsigned row, unsigned from, unsigned to) {
  if (to == from) return;
  buffer_append_format(drawing->out, "M%u %uh%uv%uh-%uz", from + drawing->quiet, row * drawing->height + drawing->quiet,
                       to - from, drawing->height, to - from);
}

// A failure of a library is one of memory, or the text does not fit: that it may fail is checked before.
static enum err failure(bool memory, struct diag *diag) {
  if (memory) return diag_no_memory(diag);
  return diag_set(diag, ERR_LIMIT, "too_long", "the text does not fit into such a picture");
}

static void draw_qr(struct drawing *drawing, const QRcode *code, unsigned scale) {
  unsigned width = (unsigned)code->width;
  begin(drawing, width, width, scale);
  for (unsigned y = 0; y < width; y++) {
    unsigned from = 0;
    for (unsigned x = 0; x <= width; x++) {
      if (x < width && (code->data[y * width + x] & 1)) continue;
      draw_run(drawing, y, from, x);
      from = x + 1;
    }
  }
  end(drawing);
}

// --- for terminals -------------------------------------------------------------------------------------------

static bool is_dark(const QRcode *code, int x, int y) {
  bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;
  return inside && (code->data[y * code->width + x] & 1) != 0;
}

// The quiet zone is of two modules: more than that is the terminal's own background.
static void draw_blocks(const QRcode *code, bool coloured, struct buffer *out) {
  static const char *const halves[] = {" ", "▄", "▀", "█"}; // dark above is 2, below 1
  const int quiet = LOYALTY_IMAGE_QR_QUIET / 2;
  for (int y = -quiet; y < code->width + quiet; y += 2) {
    if (coloured) buffer_append_text(out, "\033[30;107m");
    for (int x = -quiet; x < code->width + quiet; x++)
      buffer_append_text(out, halves[2 * is_dark(code, x, y) + is_dark(code, x, y + 1)]);
    buffer_append_text(out, coloured ? "\033[0m\n" : "\n");
  }
}

enum err loyalty_image_blocks(struct bytes text, bool coloured, struct buffer *out, struct diag *diag) {
  char copy[LOYALTY_IMAGE_TEXT_BYTES + 1];
  enum err err = check_text(LOYALTY_IMAGE_QR, text, diag);
  if (err != ERR_OK) return err;
  memcpy(copy, text.data, text.size_bytes);
  copy[text.size_bytes] = 0;
  errno = 0;
  QRcode *code = QRcode_encodeString(copy, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
  if (code == NULL) return failure(errno == ENOMEM, diag);
  draw_blocks(code, coloured, out);
  QRcode_free(code);
  return out->failed ? diag_no_memory(diag) : ERR_OK;
}

// --- pictures ------------------------------------------------------------------------------------------------

// Level M: a seventh of the picture may be dirt.
static enum err qr(const char *text, unsigned scale, struct buffer *out, struct diag *diag) {
  struct drawing drawing = {.out = out, .quiet = LOYALTY_IMAGE_QR_QUIET, .height = 1};
  errno = 0;
  QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
  if (code == NULL) return failure(errno == ENOMEM, diag);
  draw_qr(&drawing, code, scale);
  QRcode_free(code);
  return ERR_OK;
}

static void draw_bars(struct drawing *drawing, const struct zint_symbol *symbol, unsigned scale) {
  unsigned width = (unsigned)symbol->width, from = 0;
  begin(drawing, width, 1, scale);
  for (unsigned x = 0; x <= width; x++) {
    if (x < width && (symbol->encoded_data[0][x / 8] >> x % 8 & 1)) continue;
    draw_run(drawing, 0, from, x);
    from = x + 1;
  }
  end(drawing);
}

static enum err code128(const char *text, unsigned scale, struct buffer *out, struct diag *diag) {
  struct drawing drawing = {.out = out, .quiet = LOYALTY_IMAGE_BARCODE_QUIET, .height = LOYALTY_IMAGE_BARCODE_HEIGHT};
  struct zint_symbol *symbol = ZBarcode_Create();
  if (symbol == NULL) return failure(true, diag);
  symbol->symbology = BARCODE_CODE128;
  int result = ZBarcode_Encode(symbol, (const unsigned char *)text, (int)strlen(text));
  if (result < ZINT_ERROR) draw_bars(&drawing, symbol, scale);
  ZBarcode_Delete(symbol);
  return result < ZINT_ERROR ? ERR_OK : failure(result == ZINT_ERROR_MEMORY, diag);
}

enum err loyalty_image_svg(enum loyalty_image_kind kind, struct bytes text, unsigned scale, struct buffer *out,
                           struct diag *diag) {
  char copy[LOYALTY_IMAGE_TEXT_BYTES + 1];
  enum err err = check_text(kind, text, diag);
  if (err != ERR_OK) return err;
  if (scale < 1 || scale > LOYALTY_IMAGE_SCALE_MAX)
    return diag_set(diag, ERR_INVALID, "out_of_range", "expected a scale from 1 to %d", LOYALTY_IMAGE_SCALE_MAX);
  memcpy(copy, text.data, text.size_bytes);
  copy[text.size_bytes] = 0;
  err = kind == LOYALTY_IMAGE_QR ? qr(copy, scale, out, diag) : code128(copy, scale, out, diag);
  if (err == ERR_OK && out->failed) return diag_no_memory(diag);
  return err;
}
