// voucher: what the codes of a voucher are worth, and to whom.
#include "loyalty/reading.h"

static const struct member USES_MEMBERS[] = {
    {"total", FORM_WHOLE, MEMBER_AT(loyalty_voucher, uses_total), .least = 1, .most = LOYALTY_AMOUNT_MAX},
    {"per_code", FORM_WHOLE, MEMBER_AT(loyalty_voucher, uses_per_code), .least = 1, .most = LOYALTY_AMOUNT_MAX},
    {"per_customer", FORM_WHOLE, MEMBER_AT(loyalty_voucher, uses_per_customer), .least = 1, .most = LOYALTY_AMOUNT_MAX},
};
static const struct table USES_TABLE = {"a voucher's uses", TABLE_MEMBERS(USES_MEMBERS),
                                        .item_bytes = sizeof(struct loyalty_voucher)};

static const struct member VALID_MEMBERS[] = {
    {"from", FORM_FROM, MEMBER_AT(loyalty_voucher, from), MEMBER_ALSO(loyalty_voucher, span.from_us)},
    {"from_us", FORM_STORED, MEMBER_AT(loyalty_voucher, span.from_us)},
    {"to", FORM_TO, MEMBER_AT(loyalty_voucher, to), MEMBER_ALSO(loyalty_voucher, span.to_us)},
    {"to_us", FORM_STORED, MEMBER_AT(loyalty_voucher, span.to_us)},
    {"for", FORM_DURATION, MEMBER_AT(loyalty_voucher, valid_for)},
};

static enum err finish_valid(struct reading *reading, void *item) {
  const struct loyalty_voucher *voucher = item;
  if (voucher->span.from_us < voucher->span.to_us) return ERR_OK;
  return reading_refuse(reading, "to", "wrong_order", "the voucher ends before it begins");
}

static const struct table VALID_TABLE = {"a voucher's validity", TABLE_MEMBERS(VALID_MEMBERS),
                                         .item_bytes = sizeof(struct loyalty_voucher), .finish = finish_valid};

static const struct member BUDGET_MEMBERS[] = {
    {"money", FORM_CENTS, MEMBER_AT(loyalty_voucher, budget_cents), .least = 1, .required = true},
    {"over", FORM_WORD, MEMBER_AT(loyalty_voucher, over), MEMBER_WORDS(loyalty_over_words)},
};
static const struct table BUDGET_TABLE = {"a voucher's budget", TABLE_MEMBERS(BUDGET_MEMBERS),
                                          .item_bytes = sizeof(struct loyalty_voucher)};

static const char *const ENTITLEMENT_WORDS[] = {
    [LOYALTY_ENTITLED_EACH] = "each", [LOYALTY_ENTITLED_ONCE] = "once", [LOYALTY_ENTITLED_YEAR] = "year"};
static const struct member ENTITLEMENT_MEMBERS[] = {
    {"period", FORM_WORD, MEMBER_AT(loyalty_voucher, entitlement), MEMBER_WORDS(ENTITLEMENT_WORDS), .required = true},
};
static const struct table ENTITLEMENT_TABLE = {"an entitlement", TABLE_MEMBERS(ENTITLEMENT_MEMBERS),
                                               .item_bytes = sizeof(struct loyalty_voucher)};

static const struct member CODES_MEMBERS[] = {
    {"prefix", FORM_PREFIX, MEMBER_AT(loyalty_voucher, prefix)},
    {"length", FORM_WHOLE, MEMBER_AT(loyalty_voucher, code_length), .least = LOYALTY_RANDOM_LEAST,
     .most = LOYALTY_RANDOM_MOST},
};
static const struct table CODES_TABLE = {"a voucher's codes", TABLE_MEMBERS(CODES_MEMBERS),
                                         .item_bytes = sizeof(struct loyalty_voucher)};

static const struct member VOUCHER_MEMBERS[] = {
    {"id", FORM_ID, MEMBER_AT(loyalty_voucher, id), .required = true},
    {"number", FORM_STORED, MEMBER_AT(loyalty_voucher, number)},
    {"name", FORM_NAME, MEMBER_AT(loyalty_voucher, name)},
    {"programme", FORM_PROGRAMME, MEMBER_AT(loyalty_voucher, programme), .required = true},
    {"discount", FORM_OBJECT, MEMBER_AT(loyalty_voucher, discount), .required = true, .table = &loyalty_discount_table},
    {"uses", FORM_GROUP, .table = &USES_TABLE},
    {"valid", FORM_GROUP, .table = &VALID_TABLE},
    {"recipients", FORM_CONDITION, MEMBER_AT(loyalty_voucher, recipients), .over = OVER_CUSTOMER},
    {"when", FORM_CONDITION, MEMBER_AT(loyalty_voucher, when), .over = OVER_EVENT},
    {"customer_needed", FORM_FLAG, MEMBER_AT(loyalty_voucher, customer_needed)},
    {"minimum", FORM_CENTS, MEMBER_AT(loyalty_voucher, minimum_cents), .least = 0},
    {"group", FORM_NAME, MEMBER_AT(loyalty_voucher, group)},
    {"exclusive", FORM_FLAG, MEMBER_AT(loyalty_voucher, exclusive)},
    {"budget", FORM_GROUP, .table = &BUDGET_TABLE},
    {"entitlement", FORM_GROUP, .table = &ENTITLEMENT_TABLE},
    {"codes", FORM_GROUP, .table = &CODES_TABLE},
    {"version", FORM_TOLD, MEMBER_AT(loyalty_voucher, version)},
    {"created_at", FORM_TOLD_TIME, MEMBER_AT(loyalty_voucher, created_us)},
    {"author", FORM_TOLD_NAME, MEMBER_AT(loyalty_voucher, author)},
    {"archived", FORM_FLAG, MEMBER_AT(loyalty_voucher, archived)},
};
static const struct loyalty_voucher VOUCHER_DEFAULTS = {.span = {INT64_MIN, INT64_MAX}};

static enum err finish_voucher(struct reading *reading, void *item) {
  struct loyalty_voucher *voucher = item;
  (void)reading;
  if (voucher->name.size_bytes == 0) voucher->name = voucher->id;
  return ERR_OK;
}

const struct table loyalty_voucher_table = {"a voucher", TABLE_MEMBERS(VOUCHER_MEMBERS),
                                            .item_bytes = sizeof(struct loyalty_voucher), .defaults = &VOUCHER_DEFAULTS,
                                            .finish = finish_voucher};

enum err loyalty_voucher_read(struct value document, const struct names *names, const struct loyalty_catalog *catalog,
                              struct arena *arena, struct loyalty_voucher *voucher, struct rule_check *warnings,
                              struct rule_diag *where, struct diag *diag) {
  struct reading reading = {.names = names,
                            .catalog = catalog,
                            .arena = arena,
                            .warnings = warnings,
                            .where = where,
                            .diag = diag,
                            .event = BYTES("Order Completed")};
  return reading_document(&reading, &loyalty_voucher_table, document, voucher);
}

void loyalty_voucher_json(const struct loyalty_voucher *voucher, const struct loyalty_programme *programme,
                          struct json_writer *writer) {
  document_json(writer, &loyalty_voucher_table, voucher, voucher->archived, programme);
}

void loyalty_voucher_pack(const struct loyalty_voucher *voucher, struct value_builder *builder) {
  document_pack(builder, &loyalty_voucher_table, voucher);
}

enum err loyalty_voucher_unpack(struct value packed, const struct names *names, struct arena *arena,
                                struct loyalty_voucher *voucher) {
  return reading_stored(packed, names, arena, &loyalty_voucher_table, voucher);
}
