// quality_email: the golden table, the isemail vectors under our policy, and running out of memory.
#include "quality_golden.h"

#include "base/alloc.h"
#include "quality/quality.h"

static const char *judge(void *context, struct bytes region, struct bytes input, struct arena *arena,
                         struct bytes *out) {
  (void)context;
  (void)region;
  enum quality_reason reason = QUALITY_REASON_COUNT;
  assert_int_equal(quality_email(input, arena, out, &reason), ERR_OK);
  return quality_reason_name(reason);
}

static void golden_table(void **state) {
  (void)state;
  golden_run(__FILE__, "../golden/quality/email.txt", judge, NULL, 120);
}

static void every_code_point_settles(void **state) {
  (void)state;
  golden_every_code_point(judge, "a", "b@exemple.fr");
  golden_every_code_point(judge, "a@b", "c.fr");
}

// The classes of isemail's diagnoses, and whether an address of that class is accepted here.
struct diagnosis {
  const char *name;
  bool accepted;
};
static const struct diagnosis DIAGNOSES[] = {
    {"valid", true},
    {"dnsWarnNoMXRecord", true}, // the DNS is not asked
    {"dnsWarnNoRecord", true},
    {"rfc5321TLD", false},        // no dot: quality.h refuses it
    {"rfc5321TLDNumeric", false}, // no top-level domain is a number: an IPv4 address or a slip
    {"rfc5321QuotedString", false},
    {"rfc5321AddressLiteral", false},
    {"cfwsComment", false},
    {"cfwsFWS", true}, // white space around the address is trimmed
    {"deprecatedLocalPart", false},
    {"deprecatedFWS", false}, // white space inside
    {"deprecatedQTEXT", false},
    {"deprecatedQP", false},
    {"deprecatedComment", false},
    {"deprecatedCTEXT", false},
    {"deprecatedIPv6", false},
    {"deprecatedCFWSNearAt", false},
    {"rfc5322Domain", false},
    {"rfc5322TooLong", false},
    {"rfc5322LocalTooLong", false},
    {"rfc5322DomainTooLong", false},
    {"rfc5322LabelTooLong", false},
    {"rfc5322DomainLiteral", false},
    {"rfc5322DomainLiteralOBSDText", false},
    {"rfc5322IPv6GroupCount", false},
    {"rfc5322IPv62x2xColon", false},
    {"rfc5322IPv6BadCharacter", false},
    {"rfc5322IPv6MaxGroups", false},
    {"rfc5322IPv6ColonStart", false},
    {"rfc5322IPv6ColonEnd", false},
    {"errExpectingDTEXT", false},
    {"errNoLocalPart", false},
    {"errNoDomain", false},
    {"errConsecutiveDots", false},
    {"errATEXTAfterCFWS", false},
    {"errATEXTAfterQS", false},
    {"errATEXTAfterDomainLiteral", false},
    {"errExpectingQPair", false},
    {"errExpectingATEXT", false},
    {"errExpectingQTEXT", false},
    {"errExpectingCTEXT", false},
    {"errBackslashEnd", false},
    {"errDotStart", false},
    {"errDotEnd", false},
    {"errDomainHyphenStart", false},
    {"errDomainHyphenEnd", false},
    {"errUnclosedQuotedString", false},
    {"errUnclosedComment", false},
    {"errUnclosedDomainLiteral", false},
    {"errFWSCRLFx2", true},  // line ends around the address are white space like any other: trimmed
    {"errFWSCRLFEnd", true}, //
    {"errCRNoLF", true},     //
};

// Single addresses judged otherwise than their class.
struct exception {
  const char *address;
  bool accepted;
  const char *why;
};
static const struct exception EXCEPTIONS[] = {
    {"test@io", false, "a domain without a dot; the class calls it valid because .io had a mail server"},
    {"test@iana.org\n", true, "a line end after the address is trimmed"},
    {"\ntest@iana.org", true, "a line end before the address is trimmed"},
    {"\"test\r\n test\"@iana.org", false, "folded white space inside a quoted local part, not around the address"},
    {"(comment\r\n comment)test@iana.org", false, "folded white space inside a comment"},
    {"\r", false, "nothing but white space"},
    {"\"\r", false, "an open quote"},
    {"(\r", false, "an open comment"},
    {"\"\rtest\"@iana.org", false, "a control character inside"},
    {"(\r)test@iana.org", false, "a control character inside"},
    {"test@iana.org(\r)", false, "a control character inside"},
    {"test@[\r", false, "an open address literal"},
    {"test@[\r\n", false, "an open address literal"},
    {"\r\n \r\n test@iana.org", true, "obsolete folding, but only before the address: trimmed"},
    {"test@iana.org\r\n \r\n ", true, "obsolete folding, but only after the address: trimmed"},
};
enum {
  DIAGNOSES_COUNT = sizeof DIAGNOSES / sizeof DIAGNOSES[0],
  EXCEPTIONS_COUNT = sizeof EXCEPTIONS / sizeof EXCEPTIONS[0],
};

// Reads the JSON string at *text into `out` and moves past it. False when there is none on this line.
static bool read_json_string(const char **text, struct buffer *out) {
  static const char SHORT_FROM[] = "rnt";
  static const char SHORT_TO[] = "\r\n\t";
  const char *at = strchr(*text, '"');
  buffer_clear(out);
  if (!at) return false;
  for (at++; *at && *at != '"'; at++) {
    unsigned code = (uint8_t)*at;
    if (*at == '\\') {
      at++;
      const char *known = strchr(SHORT_FROM, *at);
      code = known ? (uint8_t)SHORT_TO[known - SHORT_FROM] : (uint8_t)*at;
    }
    if (code == 'u' && at[-1] == '\\') {
      assert_int_equal(sscanf(at + 1, "%4x", &code), 1);
      at += 4;
      golden_append_code(out, code);
    } else {
      buffer_append_byte(out, (uint8_t)code);
    }
  }
  *text = at + 1;
  return true;
}

static int find_diagnosis(struct bytes name) {
  for (int i = 0; i < DIAGNOSES_COUNT; i++) {
    if (bytes_equal(bytes_from_text(DIAGNOSES[i].name), name)) return i;
  }
  fail_msg("no policy for the class %.*s", BYTES_ARG(name));
  return -1;
}

static int find_exception(struct bytes address) {
  for (int i = 0; i < EXCEPTIONS_COUNT; i++) {
    if (bytes_equal(bytes_from_text(EXCEPTIONS[i].address), address)) return i;
  }
  return -1;
}

// Judges one vector. An exception must really differ from its class, and is ticked off.
static void check_vector(struct bytes address, struct bytes class, struct arena *arena, bool *used) {
  struct bytes out;
  bool accepted = DIAGNOSES[find_diagnosis(class)].accepted;
  int exception = find_exception(address);
  if (exception >= 0) {
    assert_true(EXCEPTIONS[exception].accepted != accepted);
    accepted = EXCEPTIONS[exception].accepted;
    used[exception] = true;
  }
  const char *reason = judge(NULL, BYTES(""), address, arena, &out);
  if ((strcmp(reason, "ok") == 0) != accepted) {
    fail_msg("\"%.*s\" (%.*s): %s", BYTES_ARG(address), BYTES_ARG(class), reason);
  }
}

static void isemail_vectors(void **state) {
  (void)state;
  char line[GOLDEN_LINE_BYTES];
  bool used[EXCEPTIONS_COUNT] = {false};
  int vectors = 0;
  struct buffer address;
  struct buffer class;
  struct arena arena;
  FILE *file = golden_open_shared(__FILE__, "data/email/tests.json");
  if (!file) skip();
  buffer_init(&address);
  buffer_init(&class);
  arena_init(&arena, 0);
  while (fgets(line, sizeof line, file)) {
    const char *text = line;
    if (!read_json_string(&text, &address)) continue;
    assert_true(read_json_string(&text, &class));
    check_vector(buffer_view(&address), buffer_view(&class), &arena, used);
    vectors++;
  }
  fclose(file);
  assert_int_equal(vectors, 185);
  for (int i = 0; i < EXCEPTIONS_COUNT; i++) assert_true(used[i]);
  buffer_release(&address);
  buffer_release(&class);
  arena_release(&arena);
}

// Fails the first allocation, then the second, until none fails: never a leak, never half an answer.
static void fault_loop(void **state) {
  (void)state;
  static const char *const ADDRESSES[] = {"jean.dupont@exemple.fr", "Zoé@münchen.de", "a.b+c@googlemail.com"};
  for (size_t i = 0; i < sizeof ADDRESSES / sizeof ADDRESSES[0]; i++) {
    bool failed = true;
    for (uint64_t allowed = 0; failed; allowed++) {
      struct arena arena;
      struct bytes out;
      enum quality_reason reason = QUALITY_REASON_COUNT;
      arena_init(&arena, 0);
      alloc_fail_after(allowed, false);
      enum err err = quality_email(bytes_from_text(ADDRESSES[i]), &arena, &out, &reason);
      failed = alloc_fail_disarm();
      assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
      assert_true(failed == (out.size_bytes == 0));
      arena_release(&arena);
    }
  }
}

static void reasons_have_words(void **state) {
  (void)state;
  for (int i = 0; i < QUALITY_REASON_COUNT; i++) {
    assert_true(strlen(quality_reason_name((enum quality_reason)i)) > 0);
    assert_true(strlen(quality_reason_text((enum quality_reason)i)) > 0);
    for (int j = 0; j < i; j++) {
      assert_string_not_equal(quality_reason_name((enum quality_reason)i), quality_reason_name((enum quality_reason)j));
    }
  }
  assert_string_equal(quality_reason_name(QUALITY_BAD_DOMAIN), "bad_domain");
  assert_string_equal(quality_reason_text(QUALITY_BAD_DOMAIN), "the part after @ is not a domain name");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_table), cmocka_unit_test(every_code_point_settles), cmocka_unit_test(isemail_vectors),
      cmocka_unit_test(fault_loop),   cmocka_unit_test(reasons_have_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
