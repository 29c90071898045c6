// quality_phone_shim: libphonenumber behind a C interface.
//
// Layer 3, for quality_phone.c only. Plain C types, so that both languages can include it; no exception crosses it.
// The library takes its memory by itself, past base/alloc.h, and keeps its tables (some MB) until the program ends.
// Threads: safe.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum quality_phone_shim_verdict {
  QUALITY_PHONE_SHIM_VALID,
  QUALITY_PHONE_SHIM_NOT_A_NUMBER,
  QUALITY_PHONE_SHIM_NO_COUNTRY,
  QUALITY_PHONE_SHIM_BAD_LENGTH,
  QUALITY_PHONE_SHIM_NOT_ASSIGNED,
  QUALITY_PHONE_SHIM_NO_MEMORY,
};

// E.164 allows 15 digits; the library reads up to 17 national ones after a code of 3. With the plus and a NUL.
enum { QUALITY_PHONE_SHIM_E164_BYTES = 24 };

// Reads `size_bytes` bytes of UTF-8 as a number typed in `region` ("FR"; "ZZ" when unknown). On VALID, `e164` holds its
// text, NUL-terminated; else it is untouched.
enum quality_phone_shim_verdict quality_phone_shim_read(const char *text, size_t size_bytes, const char *region,
                                                        char e164[QUALITY_PHONE_SHIM_E164_BYTES]);

#ifdef __cplusplus
}
#endif
