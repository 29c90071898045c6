// The examples of docs/loyalty.md: each block marked ```json programme, campaign or voucher is read, told, put back and
// stored.
#include "loyalty_document_kit.h"

static const char *const KINDS[] = {[LOYALTY_KIND_PROGRAMME] = "```json programme\n",
                                    [LOYALTY_KIND_CAMPAIGN] = "```json campaign\n",
                                    [LOYALTY_KIND_VOUCHER] = "```json voucher\n"};

static void read_block(FILE *page, char *json, size_t size_bytes) {
  size_t used = 0;
  while (fgets(json + used, (int)(size_bytes - used), page) != NULL && strcmp(json + used, "```\n") != 0) {
    used += strlen(json + used);
    assert_true(used + 1 < size_bytes);
  }
  json[used] = 0;
}

static void test_examples(void **state) {
  static char path[1024], line[1024], json[KIT_LINE_BYTES];
  const char *slash = strrchr(__FILE__, '/');
  struct kit *kit = *state;
  size_t examples[3] = {0};
  snprintf(path, sizeof path, "%.*s/../../docs/loyalty.md", (int)(slash - __FILE__), __FILE__);
  FILE *page = fopen(path, "r");
  if (page == NULL) fail_msg("cannot read %s", path);
  while (fgets(line, sizeof line, page) != NULL)
    for (unsigned kind = 0; kind < 3; kind++) {
      if (strcmp(line, KINDS[kind]) != 0) continue;
      read_block(page, json, sizeof json);
      kit_round(kit, (enum loyalty_kind)kind, json);
      assert_int_equal(kit->warnings.warning_count, 0);
      examples[kind]++;
    }
  fclose(page);
  assert_true(examples[LOYALTY_KIND_PROGRAMME] >= 3);
  assert_true(examples[LOYALTY_KIND_CAMPAIGN] >= 1);
  assert_true(examples[LOYALTY_KIND_VOUCHER] >= 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_examples, kit_setup, kit_teardown)};
  return cmocka_run_group_tests_name("examples of docs/loyalty.md", tests, NULL, NULL);
}
