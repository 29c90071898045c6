// nearest: optimal string alignment over three rows of the table; words are short, so no cleverness.
#include "base/nearest.h"

#include <stdint.h>

enum { LETTERS_MAX = 64 };

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

// Whether the letters before a[i] and b[j] are each other's, swapped.
static bool swapped(struct bytes a, size_t i, struct bytes b, size_t j) {
  return i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
}

size_t nearest_distance(struct bytes a, struct bytes b) {
  size_t rows[3][LETTERS_MAX + 1];
  size_t a_size = least(a.size_bytes, LETTERS_MAX), b_size = least(b.size_bytes, LETTERS_MAX);
  for (size_t j = 0; j <= b_size; j++) rows[0][j] = j;
  for (size_t i = 1; i <= a_size; i++) {
    size_t *row = rows[i % 3];
    const size_t *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_size; j++) {
      row[j] = least(above[j - 1] + (a.data[i - 1] != b.data[j - 1]), least(above[j], row[j - 1]) + 1);
      if (swapped(a, i, b, j)) row[j] = least(row[j], second[j - 2] + 1);
    }
  }
  return rows[a_size % 3][b_size];
}

const char *nearest_word(struct bytes given, const char *const *candidates, size_t count) {
  const char *nearest = NULL;
  size_t smallest = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    size_t distance = nearest_distance(given, bytes_from_text(candidates[i]));
    if (distance >= smallest) continue;
    nearest = candidates[i];
    smallest = distance;
  }
  return nearest;
}

// The first letters in lower case; a view of `room`.
static struct bytes lowered(struct bytes text, uint8_t room[LETTERS_MAX]) {
  struct bytes word = {room, least(text.size_bytes, LETTERS_MAX)};
  for (size_t i = 0; i < word.size_bytes; i++) {
    uint8_t letter = text.data[i];
    room[i] = letter >= 'A' && letter <= 'Z' ? (uint8_t)(letter + ('a' - 'A')) : letter;
  }
  return word;
}

bool nearest_is_slip(struct bytes given, struct bytes word, size_t *distance) {
  uint8_t given_room[LETTERS_MAX], word_room[LETTERS_MAX];
  struct bytes lower = lowered(given, given_room);
  *distance = nearest_distance(lower, lowered(word, word_room));
  size_t allowed = lower.size_bytes < 6 ? 1 : lower.size_bytes / 3;
  return lower.size_bytes >= 2 && *distance <= allowed;
}

const char *nearest_slip(struct bytes given, const char *const *candidates, size_t count) {
  const char *nearest = NULL;
  size_t smallest = SIZE_MAX, distance;
  for (size_t i = 0; i < count; i++) {
    if (!nearest_is_slip(given, bytes_from_text(candidates[i]), &distance) || distance >= smallest) continue;
    nearest = candidates[i];
    smallest = distance;
  }
  return nearest;
}
