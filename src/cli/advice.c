// advice: a table of codes. The words of a refusal are the engine's (loyalty/refusals.def); what to do at a terminal is
// told here.
#include "cli/advice.h"

#include <stdio.h>
#include <string.h>

#include "loyalty/code.h"

static const struct {
  const char *code, *words;
} advices[] = {
    {"INSUFFICIENT_POINTS", "`rapport loyalty member` shows what can be spent now and what is still pending"},
    {"INSUFFICIENT_BALANCE", "`rapport loyalty code show` tells what is left; leave the amount out to use all of it"},
    {"NOT_A_MEMBER", "a first order or a first event that earns makes her one"},
    {"ProfileRequired", "name the customer, as in \"customer\": \"loyalty_card:123\""},
    {"missing_programme", "there are several programmes: say which with --programme"},
    {"no_programme", "`rapport loyalty programme list` lists them"},
    {"no_campaign", "`rapport loyalty campaign list` lists them"},
    {"no_voucher", "`rapport loyalty voucher list` lists them"},
    {"unknown_programme", "`rapport loyalty programme list` lists them"},
    {"unknown_voucher", "`rapport loyalty voucher list` lists them"},
    {"CouponNotFound", "look for a typing error: letters and digits that look alike are never in a generated code"},
    {"REDEMPTION_CONFLICT", "price the basket again: `rapport loyalty evaluate`"},
    {"RETURN_EXCEEDS_SOLD", "name what comes back with --lines, or nothing at all for what is left"},
    {"HOLD_EXPIRED", "hold the points again: `rapport loyalty hold`"},
    {"TOO_LATE", "`rapport aside list --code TOO_LATE` shows it"},
    {"APPROVAL_NEEDED", "ask a second person to agree"},
    {"currency_mismatch", "a basket's \"currency\" is the programme's \"money\""},
};

const char *advice_for(const char *code) {
  for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
    if (strcmp(advices[i].code, code) == 0) return advices[i].words;
  return NULL;
}

static int size_without_stop(const char *text) {
  size_t size = strlen(text);
  return (int)(size > 0 && text[size - 1] == '.' ? size - 1 : size);
}

static enum err add(enum err err, struct diag *diag, const char *words) {
  bool refusal = err != ERR_OK && loyalty_refusal_words(diag->code) != NULL;
  if (words == NULL && !refusal) return err;
  struct diag why = *diag;
  // What only names the code is told in its words.
  if (refusal && strstr(why.message, why.code) != NULL)
    snprintf(why.message, sizeof why.message, "%s", loyalty_refusal_words(why.code));
  // It says already what was meant.
  if (!refusal && strchr(why.message, '?') != NULL) return err;
  int size = size_without_stop(why.message);
  if (refusal)
    diag_set(diag, err, why.code, "%.*s (%s)%s%s", size, why.message, why.code, words != NULL ? "; " : "",
             words != NULL ? words : "");
  else
    diag_set(diag, err, why.code, "%.*s; %s", size, why.message, words);
  diag_in_field(diag, "%s", why.field);
  return err;
}

enum err advice_add(enum err err, struct diag *diag) {
  return add(err, diag, err == ERR_OK ? NULL : advice_for(diag->code));
}

enum err advice_add_code(enum err err, struct diag *diag) {
  return add(err, diag, NULL);
}
