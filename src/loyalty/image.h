// image: a code as something that a till's scanner reads, a QR code or a Code 128 barcode, as SVG.
//
// Layer 5. Pure. libqrencode and libzint say which modules are dark; the drawing is ours, one path of dark runs, so
// that it is the same bytes on every machine and prints at any size. The quiet zone that scanners ask for is in the
// picture. Memory: the libraries' own for the length of the call; the picture is appended to `out`, whose failure is
// the buffer's. Threads: any.
#pragma once

#include "base/bytes.h"
#include "base/diag.h"

enum loyalty_image_kind { LOYALTY_IMAGE_QR, LOYALTY_IMAGE_CODE128 };

enum {
  LOYALTY_IMAGE_TEXT_BYTES = 256,   // of a QR code, which may be an address that has the code in it
  LOYALTY_IMAGE_BARCODE_BYTES = 64, // of a barcode: a longer one fits no slip
  LOYALTY_IMAGE_SCALE_MAX = 32,
  LOYALTY_IMAGE_QR_QUIET = 4, // light modules on each side
  LOYALTY_IMAGE_BARCODE_QUIET = 10,
  LOYALTY_IMAGE_BARCODE_HEIGHT = 50, // modules
};

// Appends the picture of `text`, printable ASCII, with `scale` (1 to LOYALTY_IMAGE_SCALE_MAX) pixels a module.
// ERR_INVALID code "bad_text" (empty, or another character), "out_of_range" (scale); ERR_LIMIT "too_long";
// ERR_NO_MEMORY. `out` is as it was then, but for short memory.
enum err loyalty_image_svg(enum loyalty_image_kind kind, struct bytes text, unsigned scale, struct buffer *out,
                           struct diag *diag);

// Appends a QR code of `text` for a terminal, two rows of modules a line in half blocks. `coloured`: dark on white
// whatever the terminal's colours are; else the dark modules as characters, for dark text on a light page. Errors as
// above.
enum err loyalty_image_blocks(struct bytes text, bool coloured, struct buffer *out, struct diag *diag);
