// E-mail addresses: RFC 5321 dot-atoms with RFC 6531's UTF-8 local parts and internationalised domains.
//
// Steps: trim; lower case and NFC; cut at the last @; check the local part; make the domain ASCII and check it; apply
// the provider's rules. Invariants:
//   1. The local part and the domain are both judged, and the reason that comes first in enum quality_reason is given.
//   2. A domain of plain letters, digits, hyphens and dots never reaches libidn2; one with "xn--" does, because a label
//      may claim to be encoded and not be.
//   3. Whatever leaves here passes every check again, also after a tag was removed ("a.+tag" is refused where "+tag" is
//      cut): so normalising twice changes nothing.
// libidn2 allocates its answer itself (no interface lets it be given the memory); it is copied and freed at once.
#include <assert.h>
#include <idn2.h>
#include <string.h>
#include <utf8proc.h>

#include "base/limits.h"
#include "quality/quality.h"
#include "quality/quality_email_provider.h"
#include "quality/quality_unicode.h"

enum {
  LOCAL_BYTES_MAX = 64,    // RFC 5321 4.5.3.1.1
  DOMAIN_BYTES_MAX = 253,  // RFC 1035: 255 on the wire, with the length of the first label and the root
  LABEL_BYTES_MAX = 63,    // RFC 1035
  ADDRESS_BYTES_MAX = 254, // RFC 5321 4.5.3.1.3: a path of 256 with its angle brackets
};

static_assert((int)ADDRESS_BYTES_MAX <= (int)LIMIT_IDENTIFIER_BYTES, "an address is an identifier");

static enum quality_reason first_of(enum quality_reason a, enum quality_reason b) {
  if (a == QUALITY_OK) return b;
  return b == QUALITY_OK || a < b ? a : b;
}

// RFC 5322 atext, as one bit a byte; a byte above 0x7f is looked at as a code point.
static bool is_atom_byte(uint8_t byte) {
  static const uint64_t ATOM[2] = {0xa3ffacfa00000000, 0x7fffffffc7fffffe}; // !#$%&'*+-/0-9=? A-Z^_`a-z{|}~
  if (byte >= 0x80) return true;
  return ATOM[byte >> 6] >> (byte & 63) & 1;
}

static bool has_separator(struct bytes text) {
  for (size_t at = 0; at < text.size_bytes;) {
    int32_t code = 0;
    utf8proc_ssize_t size = utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &code);
    assert(size > 0);
    utf8proc_category_t category = utf8proc_category(code);
    if (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP) return true;
    at += (size_t)size;
  }
  return false;
}

// True for atoms with single dots between them.
static bool is_dot_atom(struct bytes local) {
  uint8_t before = '.';
  uint8_t all = 0;
  for (size_t i = 0; i < local.size_bytes; i++) {
    uint8_t byte = local.data[i];
    if (byte == '.' ? before == '.' : !is_atom_byte(byte)) return false;
    before = byte;
    all |= byte;
  }
  return before != '.' && (all < 0x80 || !has_separator(local));
}

// True when `local` is one whole quoted string: its first quote is closed by its last byte.
static bool is_quoted(struct bytes local) {
  if (local.size_bytes < 2 || local.data[0] != '"') return false;
  size_t at = 1;
  while (at < local.size_bytes && local.data[at] != '"') at += local.data[at] == '\\' ? 2 : 1;
  return at == local.size_bytes - 1;
}

static bool has_byte(struct bytes text, char byte) {
  return memchr(text.data, byte, text.size_bytes) != NULL;
}

static bool has_comment(struct bytes text) {
  return has_byte(text, '(') && has_byte(text, ')');
}

static enum quality_reason check_local(struct bytes local) {
  if (local.size_bytes > LOCAL_BYTES_MAX) return QUALITY_TOO_LONG;
  if (is_dot_atom(local)) return QUALITY_OK;
  if (local.size_bytes == 0) return QUALITY_BAD_LOCAL_PART;
  if (is_quoted(local)) return QUALITY_QUOTED_LOCAL_PART;
  return has_comment(local) ? QUALITY_COMMENT : QUALITY_BAD_LOCAL_PART;
}

static bool is_host_byte(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-';
}

// One label: letters, digits and inner hyphens (RFC 1123).
static enum quality_reason check_label(struct bytes label) {
  if (label.size_bytes == 0) return QUALITY_BAD_DOMAIN;
  if (label.data[0] == '-' || label.data[label.size_bytes - 1] == '-') return QUALITY_BAD_DOMAIN;
  for (size_t i = 0; i < label.size_bytes; i++) {
    if (!is_host_byte(label.data[i])) return QUALITY_BAD_DOMAIN;
  }
  return label.size_bytes > LABEL_BYTES_MAX ? QUALITY_TOO_LONG : QUALITY_OK;
}

static bool is_number(struct bytes label) {
  for (size_t i = 0; i < label.size_bytes; i++) {
    if (label.data[i] < '0' || label.data[i] > '9') return false;
  }
  return true;
}

static enum quality_reason check_ascii_domain(struct bytes domain) {
  enum quality_reason reason = domain.size_bytes > DOMAIN_BYTES_MAX ? QUALITY_TOO_LONG : QUALITY_OK;
  struct bytes label = domain;
  size_t labels = 0;
  for (const uint8_t *dot = NULL;; label = bytes_of(dot + 1, label.size_bytes)) {
    size_t rest = (size_t)(domain.data + domain.size_bytes - label.data);
    dot = rest > 0 ? memchr(label.data, '.', rest) : NULL;
    label.size_bytes = dot ? (size_t)(dot - label.data) : rest;
    reason = first_of(reason, check_label(label));
    labels++;
    if (!dot) break;
  }
  return first_of(reason, labels < 2 || is_number(label) ? QUALITY_BAD_DOMAIN : QUALITY_OK);
}

static bool needs_idn(struct bytes domain) {
  return !quality_unicode_is_ascii(domain) || memmem(domain.data, domain.size_bytes, "xn--", 4);
}

// The A-labels of `domain` into `ascii`; *out views them. Punycode keeps ASCII characters as they are, so what must not
// be in a host name (UTS 46's UseSTD3ASCIIRules) is seen by check_ascii_domain afterwards, mapped full-width forms
// included. libidn2's flag of that name is not used: it drops such characters from the label, and "é_b.fr" would become
// somebody else's domain.
static enum err domain_to_ascii(struct bytes domain, char ascii[DOMAIN_BYTES_MAX + 1], struct bytes *out,
                                enum quality_reason *reason) {
  char text[QUALITY_SCRATCH_CODES * sizeof(int32_t)];
  uint8_t *made = NULL;
  assert(domain.size_bytes < sizeof text);
  memcpy(text, domain.data, domain.size_bytes);
  text[domain.size_bytes] = 0;
  int result = idn2_lookup_u8((const uint8_t *)text, &made, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (result == IDN2_MALLOC) return ERR_NO_MEMORY;
  bool too_big = result == IDN2_TOO_BIG_DOMAIN || result == IDN2_TOO_BIG_LABEL;
  *reason = result == IDN2_OK ? QUALITY_OK : too_big ? QUALITY_TOO_LONG : QUALITY_BAD_DOMAIN;
  if (result != IDN2_OK) return ERR_OK;
  size_t size = strlen((const char *)made);
  if (size > DOMAIN_BYTES_MAX)
    *reason = QUALITY_TOO_LONG;
  else
    *out = bytes_of(memcpy(ascii, made, size), size);
  idn2_free(made);
  return ERR_OK;
}

// Judges *domain, and makes it a view of `ascii` when it had to be encoded.
static enum err check_domain(struct bytes *domain, char ascii[DOMAIN_BYTES_MAX + 1], enum quality_reason *reason) {
  *reason = QUALITY_OK;
  if (domain->size_bytes == 0)
    *reason = QUALITY_BAD_DOMAIN;
  else if (has_comment(*domain))
    *reason = QUALITY_COMMENT;
  else if (domain->data[0] == '[' && domain->data[domain->size_bytes - 1] == ']')
    *reason = QUALITY_DOMAIN_LITERAL;
  if (*reason != QUALITY_OK) return ERR_OK;
  if (needs_idn(*domain)) {
    enum err err = domain_to_ascii(*domain, ascii, domain, reason);
    if (err != ERR_OK || *reason != QUALITY_OK) return err;
  }
  *reason = check_ascii_domain(*domain);
  return ERR_OK;
}

// Applies `provider` to a local part in place; returns what is left of it.
static struct bytes strip_local(const struct quality_email_provider *provider, uint8_t *local, size_t size_bytes) {
  size_t used = 0;
  for (size_t i = 0; i < size_bytes && local[i] != '+'; i++) {
    if (local[i] != '.' || !provider->ignores_dots) local[used++] = local[i];
  }
  return bytes_of(local, used);
}

static enum err join(struct bytes local, struct bytes domain, struct arena *arena, struct bytes *out) {
  size_t size = local.size_bytes + 1 + domain.size_bytes;
  uint8_t *text = arena_take(arena, size + 1);
  if (!text) return ERR_NO_MEMORY;
  memcpy(text, local.data, local.size_bytes);
  text[local.size_bytes] = '@';
  memcpy(text + local.size_bytes + 1, domain.data, domain.size_bytes);
  text[size] = 0;
  *out = bytes_of(text, size);
  return ERR_OK;
}

// `text` in lower case and NFC, in `scratch`.
static enum quality_reason prepare(struct bytes text, struct quality_scratch *scratch, struct bytes *out) {
  if (text.size_bytes == 0) return QUALITY_EMPTY;
  if (text.size_bytes > QUALITY_RAW_BYTES_MAX) return QUALITY_TOO_LONG;
  if (quality_unicode_is_ascii(text)) {
    if (text.size_bytes > LIMIT_IDENTIFIER_BYTES) return QUALITY_TOO_LONG;
    uint8_t *lower = (uint8_t *)scratch->codes;
    for (size_t i = 0; i < text.size_bytes; i++) {
      uint8_t byte = text.data[i];
      lower[i] = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
    }
    *out = bytes_of(lower, text.size_bytes);
  } else {
    if (!bytes_is_utf8(text)) return QUALITY_CONTROL_CHARACTER;
    *out = quality_unicode_compose(text, true, scratch);
  }
  return quality_unicode_has_control(*out) ? QUALITY_CONTROL_CHARACTER : QUALITY_OK;
}

enum err quality_email(struct bytes raw, struct arena *arena, struct bytes *out, enum quality_reason *reason) {
  struct quality_scratch scratch;
  char ascii[DOMAIN_BYTES_MAX + 1];
  struct bytes text = bytes_of(NULL, 0);
  *out = text;
  *reason = prepare(quality_unicode_trim(raw), &scratch, &text);
  if (*reason != QUALITY_OK) return ERR_OK;
  const uint8_t *at = memrchr(text.data, '@', text.size_bytes);
  if (!at) *reason = QUALITY_NO_AT_SIGN;
  if (!at) return ERR_OK;
  struct bytes local = bytes_of(text.data, (size_t)(at - text.data));
  struct bytes domain = bytes_of(at + 1, text.size_bytes - local.size_bytes - 1);
  enum err err = check_domain(&domain, ascii, reason);
  if (err != ERR_OK) return err;
  *reason = first_of(*reason, check_local(local));
  if (local.size_bytes + 1 + domain.size_bytes > ADDRESS_BYTES_MAX) *reason = QUALITY_TOO_LONG;
  if (*reason != QUALITY_OK) return ERR_OK;
  const struct quality_email_provider *provider = quality_email_provider_find(domain);
  if (provider) {
    local = strip_local(provider, (uint8_t *)scratch.codes, local.size_bytes);
    if (provider->becomes.size_bytes > 0) domain = provider->becomes;
    *reason = check_local(local);
    if (*reason != QUALITY_OK) return ERR_OK;
  }
  return join(local, domain, arena, out);
}
