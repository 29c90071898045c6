// identity_default: the rules every workspace starts with, as a person would write them.
//
// Social handles are named by sources (context.externalIds) only: a trait called "facebook" is most often a link to a
// page. A phone's advertising id is all zeros when its owner forbids tracking, hence the patterns.
#include "identity/identity.h"

static const char DEFAULT_RULES[] =
    "{\n"
    "  \"types\": {\n"
    "    \"user_id\": {\"class\": \"person\", \"form\": \"text\", \"limit\": 1, \"window_days\": null,\n"
    "      \"shares\": false, \"blocked\": [], \"paths\": [\"userId\"]},\n"
    "    \"loyalty_card\": {\"class\": \"person\", \"form\": \"text\", \"limit\": 3, \"window_days\": null,\n"
    "      \"shares\": false, \"blocked\": [], \"paths\": [\"traits.loyalty_card\", \"traits.loyaltyCard\",\n"
    "      \"context.traits.loyalty_card\", \"properties.loyalty_card\"]},\n"
    "    \"email\": {\"class\": \"person\", \"form\": \"email\", \"limit\": 5, \"window_days\": null,\n"
    "      \"shares\": false, \"blocked\": [], \"paths\": [\"traits.email\", \"context.traits.email\"]},\n"
    "    \"phone\": {\"class\": \"person\", \"form\": \"phone\", \"limit\": 5, \"window_days\": null,\n"
    "      \"shares\": true, \"blocked\": [], \"paths\": [\"traits.phone\", \"context.traits.phone\"]},\n"
    "    \"wallet_address\": {\"class\": \"person\", \"form\": \"text\", \"limit\": 5, \"window_days\": null,\n"
    "      \"shares\": false, \"blocked\": [\"^0x0+$\"], \"paths\": [\"traits.wallet_address\",\n"
    "      \"context.traits.wallet_address\", \"properties.wallet_address\"]},\n"
    "    \"facebook\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"instagram\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"line\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"linkedin\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"snapchat\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"telegram\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"tiktok\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"twitter\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"wechat\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"whatsapp\": {\"class\": \"person\", \"limit\": 5, \"paths\": []},\n"
    "    \"anonymous_id\": {\"class\": \"device\", \"form\": \"text\", \"limit\": 20, \"window_days\": null,\n"
    "      \"shares\": false, \"blocked\": [], \"paths\": [\"anonymousId\"]},\n"
    "    \"advertising_id\": {\"class\": \"device\", \"limit\": 20, \"blocked\": [\"^[0-]+$\"],\n"
    "      \"paths\": [\"context.device.advertisingId\"]},\n"
    "    \"cookie\": {\"class\": \"device\", \"limit\": 20, \"paths\": []},\n"
    "    \"device_id\": {\"class\": \"device\", \"limit\": 20, \"blocked\": [\"^[0-]+$\"],\n"
    "      \"paths\": [\"context.device.id\"]}\n"
    "  },\n"
    "  \"priority\": [\"user_id\", \"loyalty_card\", \"email\", \"phone\"],\n"
    "  \"blocked\": [\"null\", \"undefined\", \"none\", \"nan\", \"0\", \"-1\", \"anonymous\", \"guest\", "
    "\"unknown\",\n"
    "    \"[object Object]\"],\n"
    "  \"blocked_repeats\": 6,\n"
    "  \"devices\": {\"people_max\": 3, \"window_days\": 30}\n"
    "}\n";

struct bytes identity_rules_default(void) {
  return bytes_of(DEFAULT_RULES, sizeof DEFAULT_RULES - 1);
}
