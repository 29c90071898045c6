// The only C++ of quality/: parse, judge, format. See quality_phone_shim.h.
#include "quality/quality_phone_shim.h"

#include <phonenumbers/phonenumber.pb.h>
#include <phonenumbers/phonenumberutil.h>

#include <cstring>
#include <string>

namespace {

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

// INVALID_COUNTRY_CODE_ERROR is given both for a national number without a country and for a code nobody has: the plus,
// in ASCII or full width, tells them apart.
bool is_international(const std::string &text) {
  return text.find('+') != std::string::npos || text.find("\xef\xbc\x8b") != std::string::npos;
}

quality_phone_shim_verdict of_parse_error(PhoneNumberUtil::ErrorType error, const std::string &text) {
  switch (error) {
  case PhoneNumberUtil::NO_PARSING_ERROR:
    return QUALITY_PHONE_SHIM_VALID;
  case PhoneNumberUtil::INVALID_COUNTRY_CODE_ERROR:
    return is_international(text) ? QUALITY_PHONE_SHIM_NOT_ASSIGNED : QUALITY_PHONE_SHIM_NO_COUNTRY;
  case PhoneNumberUtil::TOO_SHORT_AFTER_IDD:
  case PhoneNumberUtil::TOO_SHORT_NSN:
  case PhoneNumberUtil::TOO_LONG_NSN:
    return QUALITY_PHONE_SHIM_BAD_LENGTH;
  default:
    return QUALITY_PHONE_SHIM_NOT_A_NUMBER;
  }
}

quality_phone_shim_verdict of_number(const PhoneNumberUtil &util, const PhoneNumber &number) {
  if (util.IsValidNumber(number)) return QUALITY_PHONE_SHIM_VALID;
  switch (util.IsPossibleNumberWithReason(number)) {
  case PhoneNumberUtil::IS_POSSIBLE:
  case PhoneNumberUtil::INVALID_COUNTRY_CODE:
    return QUALITY_PHONE_SHIM_NOT_ASSIGNED;
  default:
    return QUALITY_PHONE_SHIM_BAD_LENGTH;
  }
}

quality_phone_shim_verdict read(const std::string &text, const std::string &region, char *e164) {
  const PhoneNumberUtil &util = *PhoneNumberUtil::GetInstance();
  PhoneNumber number;
  quality_phone_shim_verdict verdict = of_parse_error(util.Parse(text, region, &number), text);
  if (verdict == QUALITY_PHONE_SHIM_VALID) verdict = of_number(util, number);
  if (verdict != QUALITY_PHONE_SHIM_VALID) return verdict;
  std::string formatted;
  util.Format(number, PhoneNumberUtil::E164, &formatted);
  if (formatted.size() >= QUALITY_PHONE_SHIM_E164_BYTES) return QUALITY_PHONE_SHIM_BAD_LENGTH;
  std::memcpy(e164, formatted.c_str(), formatted.size() + 1);
  return QUALITY_PHONE_SHIM_VALID;
}

} // namespace

// The library throws nothing of its own: what can be caught here is a failed allocation.
extern "C" quality_phone_shim_verdict quality_phone_shim_read(const char *text, size_t size_bytes, const char *region,
                                                              char e164[QUALITY_PHONE_SHIM_E164_BYTES]) {
  try {
    return read(std::string(text, size_bytes), region, e164);
  } catch (...) {
    return QUALITY_PHONE_SHIM_NO_MEMORY;
  }
}
