// typed: an amount goes on as it was typed, so that nothing is rounded on the way.
#include "cli/typed.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { VERBS_MAX = 16, AMOUNT_BYTES_MAX = 24, RANDOM_BYTES = 8 };

enum err typed_verb_find(const struct options *options, const char *command, const struct typed_verb *verbs,
                         size_t count, size_t *index, struct diag *diag) {
  const char *names[VERBS_MAX], *given = options->args[0];
  for (size_t i = 0; i < count && i < VERBS_MAX; i++) names[i] = verbs[i].word;
  for (size_t i = 0; i < count; i++) {
    size_t rest = options->arg_count - 1;
    if (strcmp(verbs[i].word, given) != 0) continue;
    *index = i;
    if (rest >= verbs[i].least && rest <= verbs[i].most) return ERR_OK;
    return diag_set(diag, ERR_INVALID, "usage", "usage: rapport %s %s%s%s", command, verbs[i].word,
                    *verbs[i].args != '\0' ? " " : "", verbs[i].args);
  }
  const char *nearest = param_nearest(given, names, count);
  if (nearest != NULL)
    return diag_set(diag, ERR_INVALID, "usage", "%s has no \"%.40s\"; did you mean `rapport %s %s`?", command, given,
                    command, nearest);
  return diag_set(diag, ERR_INVALID, "usage", "%s has no \"%.40s\"; `rapport help %s` lists what there is", command,
                  given, command);
}

// One to fifteen digits, and up to two after a point.
static bool is_amount(const char *text, bool either) {
  size_t size = strlen(text), whole, digits;
  if (size > AMOUNT_BYTES_MAX) return false;
  if (*text == '-' && either) text++;
  whole = strspn(text, "0123456789");
  if (whole == 0 || whole > 15 || (whole > 1 && text[0] == '0')) return false;
  if (text[whole] == '\0') return true;
  digits = strspn(text + whole + 1, "0123456789");
  return text[whole] == '.' && digits >= 1 && digits <= 2 && text[whole + 1 + digits] == '\0';
}

enum err typed_amount_write(struct json_writer *writer, const char *name, const char *text, bool either,
                            struct diag *diag) {
  if (!is_amount(text, either))
    return diag_set(diag, ERR_INVALID, "usage", "\"%.40s\" is no amount; expected a number such as 100 or 12.50%s",
                    text, either ? ", or -100 to take away" : "");
  json_name(writer, name);
  json_raw(writer, bytes_from_text(text));
  return ERR_OK;
}

static bool is_quantity(struct bytes text) {
  bool digits = text.size_bytes > 0 && text.size_bytes < 12 && isdigit(text.data[0]);
  for (size_t i = 0, points = 0; digits && i < text.size_bytes; i++) {
    points += text.data[i] == '.';
    digits = (isdigit(text.data[i]) || text.data[i] == '.') && points < 2;
  }
  return digits && text.data[text.size_bytes - 1] != '.' &&
         (text.data[0] != '0' || text.size_bytes == 1 || text.data[1] == '.');
}

static enum err write_line(struct json_writer *writer, struct bytes part, struct diag *diag) {
  const uint8_t *equals = part.size_bytes == 0 ? NULL : memchr(part.data, '=', part.size_bytes);
  struct bytes name = equals == NULL ? part : bytes_of(part.data, (size_t)(equals - part.data));
  bool line = bytes_starts_with(name, BYTES("line:"));
  if (line) name = bytes_of(name.data + 5, name.size_bytes - 5);
  if (name.size_bytes == 0 || !bytes_is_utf8(name))
    return diag_set(diag, ERR_INVALID, "usage", "--lines takes SKU=QUANTITY or line:ID=QUANTITY, with commas between");
  json_object_begin(writer);
  json_member_bytes(writer, line ? "line_id" : "sku", name);
  if (equals != NULL) {
    struct bytes quantity = bytes_of(equals + 1, part.size_bytes - (size_t)(equals - part.data) - 1);
    if (!is_quantity(quantity))
      return diag_set(diag, ERR_INVALID, "usage", "\"%.*s\" is no quantity; expected a number such as 1",
                      quantity.size_bytes > 40 ? 40 : (int)quantity.size_bytes, (const char *)quantity.data);
    json_name(writer, "quantity");
    json_raw(writer, quantity);
  }
  json_object_end(writer);
  return ERR_OK;
}

enum err typed_lines_write(struct json_writer *writer, const char *text, struct diag *diag) {
  enum err err = ERR_OK;
  json_name(writer, "lines");
  json_array_begin(writer);
  while (err == ERR_OK) {
    size_t size = strcspn(text, ",");
    err = write_line(writer, bytes_trim(bytes_of(text, size)), diag);
    if (text[size] == '\0') break;
    text += size + 1;
  }
  if (err == ERR_OK) json_array_end(writer);
  return err;
}

void typed_id_make(const char *prefix, char id[TYPED_ID_BYTES]) {
  uint8_t random[RANDOM_BYTES];
  char hex[2 * RANDOM_BYTES + 1];
  randombytes_buf(random, sizeof random);
  bytes_to_hex(bytes_of(random, sizeof random), hex);
  snprintf(id, TYPED_ID_BYTES, "%s%s", prefix, hex);
}
