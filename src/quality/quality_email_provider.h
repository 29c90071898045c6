// quality_email_provider: which mail providers give one mailbox many spellings. For the files of quality/ only.
//
// Layer 3. A constant table; nothing is allocated. Threads: safe.
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

struct quality_email_provider {
  struct bytes domain;
  bool ignores_dots;    // a.b@ and ab@ are one mailbox; all of these providers ignore "+tag"
  struct bytes becomes; // the domain of the normalised address; empty: the same
};

// The provider of a normalised domain, or NULL: then an address is kept as it is. Static storage.
const struct quality_email_provider *quality_email_provider_find(struct bytes domain);
