// The table of mail providers, each rule with its source. A provider that is missing costs a duplicate; a wrong rule
// joins two people: so consumer domains only (an organisation's own domain at the same provider may be configured
// otherwise), and no rule that its provider does not keep to.
//
// Gmail: dots and the two domains, "Dots don't matter in Gmail addresses", support.google.com/mail/answer/7436150;
//   +tag, "Send emails from a different address or alias", support.google.com/mail/answer/22370.
// Microsoft: "Plus addressing in Exchange Online", learn.microsoft.com; on Hotmail, now Outlook.com, since 2013
//   (zdnet.com, "Microsoft adds support for custom '+' email addresses"). The country domains are those Outlook.com
//   opened in April 2013 and its predecessors'. Dots count.
// iCloud: +tag as in RFC 5233 is received, though no help page says so. Not everybody has icloud.com, me.com and
//   mac.com alike (support.apple.com/118230): they stay apart.
// Fastmail: "Plus addressing and subdomain addressing", fastmail.help. A subdomain address is left as it is: user names
//   and an organisation's subdomains look alike.
// Proton: +alias, "Email addresses and aliases", proton.me/support/addresses-and-aliases. That dots, hyphens and
//   underscores do not count is not promised there: they are kept. Its domains are separate addresses.
// Yandex: +tag is received, though no help page says so. "Each mailbox on Yandex Mail has aliases" in the six domains
//   below: yandex.com/support/domain/additional/mailbox-alias. Made yandex.ru, the first of them.
#include "quality/quality_email_provider.h"

#include <string.h>

#define SAME                                                                                                           \
  { NULL, 0 }

static const struct quality_email_provider PROVIDERS[] = {
    {BYTES_INIT("gmail.com"), true, SAME},
    {BYTES_INIT("googlemail.com"), true, BYTES_INIT("gmail.com")},
    {BYTES_INIT("outlook.com"), false, SAME},
    {BYTES_INIT("outlook.at"), false, SAME},
    {BYTES_INIT("outlook.be"), false, SAME},
    {BYTES_INIT("outlook.cl"), false, SAME},
    {BYTES_INIT("outlook.co.id"), false, SAME},
    {BYTES_INIT("outlook.co.il"), false, SAME},
    {BYTES_INIT("outlook.co.th"), false, SAME},
    {BYTES_INIT("outlook.com.ar"), false, SAME},
    {BYTES_INIT("outlook.com.au"), false, SAME},
    {BYTES_INIT("outlook.com.br"), false, SAME},
    {BYTES_INIT("outlook.com.gr"), false, SAME},
    {BYTES_INIT("outlook.com.tr"), false, SAME},
    {BYTES_INIT("outlook.com.vn"), false, SAME},
    {BYTES_INIT("outlook.cz"), false, SAME},
    {BYTES_INIT("outlook.de"), false, SAME},
    {BYTES_INIT("outlook.dk"), false, SAME},
    {BYTES_INIT("outlook.es"), false, SAME},
    {BYTES_INIT("outlook.fr"), false, SAME},
    {BYTES_INIT("outlook.hu"), false, SAME},
    {BYTES_INIT("outlook.ie"), false, SAME},
    {BYTES_INIT("outlook.in"), false, SAME},
    {BYTES_INIT("outlook.it"), false, SAME},
    {BYTES_INIT("outlook.jp"), false, SAME},
    {BYTES_INIT("outlook.kr"), false, SAME},
    {BYTES_INIT("outlook.lv"), false, SAME},
    {BYTES_INIT("outlook.my"), false, SAME},
    {BYTES_INIT("outlook.ph"), false, SAME},
    {BYTES_INIT("outlook.pt"), false, SAME},
    {BYTES_INIT("outlook.sa"), false, SAME},
    {BYTES_INIT("outlook.sg"), false, SAME},
    {BYTES_INIT("outlook.sk"), false, SAME},
    {BYTES_INIT("hotmail.com"), false, SAME},
    {BYTES_INIT("hotmail.be"), false, SAME},
    {BYTES_INIT("hotmail.ca"), false, SAME},
    {BYTES_INIT("hotmail.ch"), false, SAME},
    {BYTES_INIT("hotmail.co.il"), false, SAME},
    {BYTES_INIT("hotmail.co.jp"), false, SAME},
    {BYTES_INIT("hotmail.co.nz"), false, SAME},
    {BYTES_INIT("hotmail.co.th"), false, SAME},
    {BYTES_INIT("hotmail.co.uk"), false, SAME},
    {BYTES_INIT("hotmail.com.ar"), false, SAME},
    {BYTES_INIT("hotmail.com.au"), false, SAME},
    {BYTES_INIT("hotmail.com.br"), false, SAME},
    {BYTES_INIT("hotmail.com.tr"), false, SAME},
    {BYTES_INIT("hotmail.de"), false, SAME},
    {BYTES_INIT("hotmail.dk"), false, SAME},
    {BYTES_INIT("hotmail.es"), false, SAME},
    {BYTES_INIT("hotmail.fi"), false, SAME},
    {BYTES_INIT("hotmail.fr"), false, SAME},
    {BYTES_INIT("hotmail.gr"), false, SAME},
    {BYTES_INIT("hotmail.it"), false, SAME},
    {BYTES_INIT("hotmail.nl"), false, SAME},
    {BYTES_INIT("hotmail.no"), false, SAME},
    {BYTES_INIT("hotmail.se"), false, SAME},
    {BYTES_INIT("live.com"), false, SAME},
    {BYTES_INIT("live.be"), false, SAME},
    {BYTES_INIT("live.ca"), false, SAME},
    {BYTES_INIT("live.cl"), false, SAME},
    {BYTES_INIT("live.cn"), false, SAME},
    {BYTES_INIT("live.co.uk"), false, SAME},
    {BYTES_INIT("live.co.za"), false, SAME},
    {BYTES_INIT("live.com.ar"), false, SAME},
    {BYTES_INIT("live.com.au"), false, SAME},
    {BYTES_INIT("live.com.mx"), false, SAME},
    {BYTES_INIT("live.com.pt"), false, SAME},
    {BYTES_INIT("live.de"), false, SAME},
    {BYTES_INIT("live.dk"), false, SAME},
    {BYTES_INIT("live.fr"), false, SAME},
    {BYTES_INIT("live.ie"), false, SAME},
    {BYTES_INIT("live.in"), false, SAME},
    {BYTES_INIT("live.it"), false, SAME},
    {BYTES_INIT("live.jp"), false, SAME},
    {BYTES_INIT("live.nl"), false, SAME},
    {BYTES_INIT("live.no"), false, SAME},
    {BYTES_INIT("live.ru"), false, SAME},
    {BYTES_INIT("live.se"), false, SAME},
    {BYTES_INIT("msn.com"), false, SAME},
    {BYTES_INIT("icloud.com"), false, SAME},
    {BYTES_INIT("me.com"), false, SAME},
    {BYTES_INIT("mac.com"), false, SAME},
    {BYTES_INIT("fastmail.com"), false, SAME},
    {BYTES_INIT("fastmail.fm"), false, SAME},
    {BYTES_INIT("proton.me"), false, SAME},
    {BYTES_INIT("protonmail.com"), false, SAME},
    {BYTES_INIT("protonmail.ch"), false, SAME},
    {BYTES_INIT("pm.me"), false, SAME},
    {BYTES_INIT("yandex.ru"), false, SAME},
    {BYTES_INIT("ya.ru"), false, BYTES_INIT("yandex.ru")},
    {BYTES_INIT("yandex.com"), false, BYTES_INIT("yandex.ru")},
    {BYTES_INIT("yandex.by"), false, BYTES_INIT("yandex.ru")},
    {BYTES_INIT("yandex.kz"), false, BYTES_INIT("yandex.ru")},
    {BYTES_INIT("yandex.ua"), false, BYTES_INIT("yandex.ru")},
};
#undef SAME

// A walk of the whole table: nearly all are passed over by the size or the first letter, some 40 ns together.
const struct quality_email_provider *quality_email_provider_find(struct bytes domain) {
  for (size_t i = 0; i < sizeof PROVIDERS / sizeof PROVIDERS[0]; i++) {
    struct bytes known = PROVIDERS[i].domain;
    if (known.size_bytes != domain.size_bytes || known.data[0] != domain.data[0]) continue;
    if (memcmp(known.data, domain.data, known.size_bytes) == 0) return &PROVIDERS[i];
  }
  return NULL;
}
