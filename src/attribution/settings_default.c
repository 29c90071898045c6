// settings_default: the settings every workspace starts with, as a person would write them.
//
// Events are those of the Segment protocol and of mailing tools. A page is a touch when it says where it was come from:
// a campaign, the identifier of a click, another site, or nothing at all (a referrer that is empty, not one that is
// missing), which is direct. Channels follow the grouping that web analytics shares: e-mail, affiliates and paid
// channels by their medium, then search and social sites by the source or the referrer. Webmail comes before search,
// because a mail that is read at mail.google.com was no search. An fbclid proves a click on Facebook and not that it
// was paid for. "cpm" of a search or social site is paid search or paid social, of any other display.
#include "attribution/settings.h"

// In pieces, for a literal may not be longer than 4,095 bytes.
static const char *const PIECES[] = {
    "{\"touchpoints\": [\n"
    "  {\"event\": \"Page Viewed\", \"when\": \"context.campaign.source is not null or "
    "context.campaign.name is not null or context.page.url matches "
    "\\\"[?&](gclid|gbraid|wbraid|dclid|msclkid|fbclid|ttclid|twclid|li_fat_id|ScCid|epik)=\\\" or "
    "context.page.referrer = \\\"\\\" or coalesce(host(context.page.referrer), \\\"\\\") not in (\\\"\\\", "
    "coalesce(host(context.page.url), \\\"\\\"))\"},\n"
    "  {\"event\": \"Email Clicked\"},\n"
    "  {\"event\": \"Email Link Clicked\"},\n"
    "  {\"event\": \"SMS Clicked\"},\n"
    "  {\"event\": \"Push Notification Tapped\"},\n"
    "  {\"event\": \"Store Visited\"},\n"
    "  {\"event\": \"Call Received\"}],\n"
    " \"conversions\": [{\"event\": \"Order Completed\", \"value\": \"total\"}],\n"
    " \"milestones\": {\"lead\": [{\"event\": \"Signed Up\"}], \"opportunity\": [{\"event\": \"Checkout "
    "Started\"}]},\n",
    " \"channels\": [\n"
    "  {\"channel\": \"store\", \"event\": \"Store Visited\"},\n"
    "  {\"channel\": \"call\", \"event\": \"Call Received\"},\n"
    "  {\"channel\": \"email\", \"event\": \"Email Clicked\"},\n"
    "  {\"channel\": \"email\", \"event\": \"Email Link Clicked\"},\n"
    "  {\"channel\": \"sms\", \"event\": \"SMS Clicked\"},\n"
    "  {\"channel\": \"push\", \"event\": \"Push Notification Tapped\"},\n"
    "  {\"channel\": \"email\", \"when\": \"context.campaign.medium matches \\\"(?i)^e[-_ ]?mail$\\\" or "
    "context.campaign.source matches \\\"(?i)^(e[-_ ]?mail|newsletter)$\\\" or "
    "host(context.page.referrer) matches \\\"^(mail|webmail|outlook|messagerie)[.]\\\"\"},\n"
    "  {\"channel\": \"sms\", \"when\": \"context.campaign.medium matches \\\"(?i)^sms$\\\"\"},\n"
    "  {\"channel\": \"affiliate\", \"when\": \"context.campaign.medium matches "
    "\\\"(?i)^(affiliates?|affiliation|partner)$\\\"\"},\n"
    "  {\"channel\": \"paid social\", \"when\": \"context.campaign.medium matches "
    "\\\"(?i)^(.*cp[acmv].*|ppc|retargeting|paid.*)$\\\" and context.campaign.source matches "
    "\\\"(?i)(^|[.])(facebook|fb|instagram|ig|linkedin|lnkd|twitter|pinterest|tiktok|snapchat|red"
    "dit|youtube|threads|bsky|whatsapp)([.]|$)|^(t[.]co|x[.]com|x)$\\\" or context.page.url "
    "matches \\\"[?&](ttclid|twclid|li_fat_id|ScCid|epik)=\\\"\"},\n"
    "  {\"channel\": \"paid search\", \"when\": \"context.campaign.medium matches "
    "\\\"(?i)^(.*cp[acmv].*|ppc|retargeting|paid.*)$\\\" and context.campaign.source matches "
    "\\\"(?i)(^|[.])(google|bing|yahoo|duckduckgo|ecosia|qwant|baidu|yandex|naver|startpage|brave"
    "|aol)([.]|$)\\\" or context.page.url matches \\\"[?&](gclid|gbraid|wbraid|msclkid)=\\\"\"},\n",
    "  {\"channel\": \"display\", \"when\": \"context.campaign.medium matches "
    "\\\"(?i)^(display|banner|cpm|expandable|interstitial|native|programmatic)$\\\" or "
    "context.page.url matches \\\"[?&]dclid=\\\"\"},\n"
    "  {\"channel\": \"other paid\", \"when\": \"context.campaign.medium matches "
    "\\\"(?i)^(.*cp[acmv].*|ppc|retargeting|paid.*)$\\\"\"},\n"
    "  {\"channel\": \"organic search\", \"when\": \"context.campaign.medium matches "
    "\\\"(?i)^organic$\\\" or host(context.page.referrer) matches "
    "\\\"(?i)(^|[.])(google|bing|yahoo|duckduckgo|ecosia|qwant|baidu|yandex|naver|startpage|brave"
    "|aol)([.]|$)\\\"\"},\n"
    "  {\"channel\": \"social\", \"when\": \"context.campaign.medium matches \\\"(?i)^(social|social[-_ "
    "]network|social[-_ ]media|sm)$\\\" or context.campaign.source matches "
    "\\\"(?i)(^|[.])(facebook|fb|instagram|ig|linkedin|lnkd|twitter|pinterest|tiktok|snapchat|red"
    "dit|youtube|threads|bsky|whatsapp)([.]|$)|^(t[.]co|x[.]com|x)$\\\" or "
    "host(context.page.referrer) matches "
    "\\\"(?i)(^|[.])(facebook|fb|instagram|ig|linkedin|lnkd|twitter|pinterest|tiktok|snapchat|red"
    "dit|youtube|threads|bsky|whatsapp)([.]|$)|^(t[.]co|x[.]com|x)$\\\" or context.page.url "
    "matches \\\"[?&]fbclid=\\\"\"},\n"
    "  {\"channel\": \"referral\", \"when\": \"coalesce(host(context.page.referrer), \\\"\\\") not in "
    "(\\\"\\\", coalesce(host(context.page.url), \\\"\\\")) or context.campaign.medium matches "
    "\\\"(?i)^(referral|link|app)$\\\"\"},\n"
    "  {\"channel\": \"direct\", \"event\": \"Page Viewed\", \"when\": \"context.campaign.source is null "
    "and context.campaign.name is null\"}],\n",
    " \"other\": \"other\", \"direct\": [\"direct\"],\n"
    " \"paid\": [\"paid search\", \"paid social\", \"display\", \"affiliate\", \"other paid\"],\n"
    " \"lookback\": \"30 days\", \"split\": true, \"nulls\": true, \"transforms\": [], \"last\": null,\n"
    " \"half_life\": \"7 days\", \"position\": [40, 20, 40], \"exclude\": null,\n"
    " \"campaign\": \"context.campaign.name\", \"creative\": \"context.campaign.content\",\n"
    " \"store\": \"coalesce(store, context.store)\", \"order_id\": \"order_id\",\n"
    " \"ranges\": {\"items\": \"products\", \"range\": \"category\", \"amount\": \"price * "
    "coalesce(quantity, 1)\"},\n"
    " \"online\": [\n"
    "  {\"event\": \"Page Viewed\"}, {\"event\": \"Product Viewed\"}, {\"event\": \"Product List Viewed\"},\n"
    "  {\"event\": \"Products Searched\"}, {\"event\": \"Product Added\"}, {\"event\": \"Email Clicked\"},\n"
    "  {\"event\": \"Email Link Clicked\"}],\n"
    " \"visits\": [{\"event\": \"Store Visited\"}],\n"
    " \"product\": \"coalesce(sku, product_id)\",\n"
    " \"costs\": []}\n",
};

void attribution_settings_default(struct buffer *out) {
  for (size_t i = 0; i < sizeof PIECES / sizeof *PIECES; i++) buffer_append_text(out, PIECES[i]);
}
