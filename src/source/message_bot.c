// message_bot: robots that say so in their user agent.
//
// Only declared robots: the tools with which people's own programs send events (HeadlessChrome, python-requests, curl,
// okhttp, Go-http-client) are none. Tokens are found anywhere, without regard to ASCII case, in one pass over the text
// that looks closer only where a token can begin. A token marked `word` must not be followed by a letter ("bot" of
// "Googlebot/2.1", not of "bottle"), and CUBOT is a maker of telephones.
#include <string.h>
#include <strings.h>

#include "source/reader.h"

enum { USER_AGENT_BYTES = 1024 }; // robots declare themselves early

// In order, so that those of one first letter stand together.
static const struct token {
  const char *text;
  bool word;
} tokens[] = {
    {"apis-google", false},
    {"bingpreview", false},
    {"bot", true},
    {"bots", true},
    {"chatgpt-user", false},
    {"chrome-lighthouse", false},
    {"crawl", true},
    {"crawler", true},
    {"crawlers", true},
    {"embedly", false},
    {"facebookcatalog", false},
    {"facebookexternalhit", false},
    {"feedfetcher", false},
    {"google-inspectiontool", false},
    {"google-read-aloud", false},
    {"google-structured-data-testing-tool", false},
    {"googleother", false},
    {"ia_archiver", false},
    {"mediapartners-google", false},
    {"meta-externalagent", false},
    {"meta-externalfetcher", false},
    {"perplexity-user", false},
    {"pingdom.com", false},
    {"ptst/", false},
    {"quora link preview", false},
    {"screaming frog", false},
    {"slurp", true},
    {"spider", true},
    {"statuscake", false},
};

static bool is_letter(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool token_at(const struct token *token, struct bytes text, size_t at) {
  // The second letter, which all tokens have, tells most apart without a call.
  if (at + 1 >= text.size_bytes || (text.data[at + 1] | 0x20) != token->text[1]) {
    return false;
  }
  size_t size = strlen(token->text);
  if (text.size_bytes - at < size || strncasecmp(token->text, (const char *)text.data + at, size) != 0) {
    return false;
  }
  if (!token->word) {
    return true;
  }
  if (at + size < text.size_bytes && is_letter(text.data[at + size])) {
    return false;
  }
  return at < 2 || strncasecmp((const char *)text.data + at - 2, "cubot", 5) != 0;
}

enum { TOKEN_COUNT = sizeof tokens / sizeof *tokens };

// The tokens of one letter stand together: true when one of them stands at `at`, beginning with tokens[first].
static bool any_token_at(size_t first, struct bytes text, size_t at) {
  for (size_t i = first; i < TOKEN_COUNT && tokens[i].text[0] == tokens[first].text[0]; i++) {
    if (token_at(&tokens[i], text, at)) {
      return true;
    }
  }
  return false;
}

bool source_is_bot(struct bytes user_agent) {
  if (user_agent.size_bytes > USER_AGENT_BYTES) {
    user_agent.size_bytes = USER_AGENT_BYTES;
  }
  uint8_t first_of[32]; // by the low five bits of a letter, where case falls away
  memset(first_of, TOKEN_COUNT, sizeof first_of);
  for (size_t i = TOKEN_COUNT; i-- > 0;) {
    first_of[tokens[i].text[0] & 31] = (uint8_t)i;
  }
  for (size_t at = 0; at < user_agent.size_bytes; at++) {
    uint8_t byte = user_agent.data[at];
    uint8_t first = first_of[byte & 31];
    if (first < TOKEN_COUNT && is_letter(byte) && any_token_at(first, user_agent, at)) {
      return true;
    }
  }
  return false;
}
