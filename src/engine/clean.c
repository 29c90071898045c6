// clean.c: identifiers are cleaned here, whoever brings them, or what is asked for would not be what was stored.
#include "engine/engine.h"

enum err engine_clean(enum identity_form form, struct quality_phones *phones, struct bytes raw, struct bytes region,
                      struct arena *arena, struct bytes *out, enum quality_reason *reason) {
  switch (form) {
  case IDENTITY_FORM_EMAIL:
    return quality_email(raw, arena, out, reason);
  case IDENTITY_FORM_PHONE:
    return quality_phone(phones, raw, region, arena, out, reason);
  default:
    return quality_identifier(raw, arena, out, reason);
  }
}
