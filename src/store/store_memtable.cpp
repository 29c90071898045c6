// A hashed memtable: a row goes in by one hash, and the order of keys is made when somebody asks for it.
//
// Nearly every row of ours is looked up by its whole key or walked inside one customer; all rows in order are wanted
// once, when the table is written to a file. RocksDB's own hashed tables keep each bucket sorted and make that order by
// inserting everything into a skip list: half of the cost of a flush (7 us of 45 us an event, measured). Here rows are
// appended to lists, and the order is made by sorting an array of (eight bytes of the key, row), which compares
// numbers that lie side by side and touches a row only where eight bytes are equal.
//
// Invariants: 1. there is one writer at a time (allow_concurrent_memtable_write is off), readers are many and take no
// lock: a row is published by a release store of its list's head; 2. rows are inserted in ascending order of sequence
// number, so that a list has the newest version of a key first; 3. rows are never removed or changed.
//
// An entry is what MemTable::Add wrote: the size of the internal key (varint32), user key, tag (64 bits, little endian:
// sequence number and type), size of the value, value. Internal keys are in order of the user key's bytes, then of
// descending tags.
#include "store/store_memtable.h"

#include <rocksdb/memtablerep.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/version.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <vector>

// What RocksDB's C interface keeps behind the name.
struct rocksdb_options_t {
  rocksdb::Options rep;
};

// Both are as the version of Debian 12 has them; the tests of the store fail when they are not.
static_assert(ROCKSDB_MAJOR == 7, "compare struct rocksdb_options_t and class Allocator with this version's");

namespace rocksdb {
// The interface by which an iterator gets its memory from the arena of whoever asks for it: RocksDB does not install
// memory/allocator.h. An Arena is an Allocator before anything else.
class Allocator {
public:
  virtual ~Allocator() {}
  virtual char *Allocate(size_t bytes) = 0;
  virtual char *AllocateAligned(size_t bytes, size_t huge_page_size = 0, Logger *logger = nullptr) = 0;
  virtual size_t BlockSize() const = 0;
};
} // namespace rocksdb

namespace {

using rocksdb::Slice;

constexpr size_t TAG_BYTES = 8;
constexpr size_t WORD_BYTES = 8;
constexpr size_t FEW = 16; // rows sorted by comparing them whole

// --- entries -------------------------------------------------------------------------------------------------

struct Key {
  const char *data;
  size_t size_bytes; // of the user key
};

Key key_of(const char *entry) {
  uint32_t size = 0;
  for (int shift = 0;; shift += 7) {
    auto byte = static_cast<uint8_t>(*entry++);
    size |= static_cast<uint32_t>(byte & 127) << shift;
    if (byte < 128) break;
  }
  return {entry, size - TAG_BYTES};
}

Key key_of_internal(const Slice &internal) {
  return {internal.data(), internal.size() - TAG_BYTES};
}

uint64_t tag_of(Key key) {
  uint64_t tag;
  memcpy(&tag, key.data + key.size_bytes, sizeof tag);
  return tag;
}

bool equal(Key a, Key b) {
  return a.size_bytes == b.size_bytes && memcmp(a.data, b.data, a.size_bytes) == 0;
}

bool before(Key a, Key b) {
  int order = memcmp(a.data, b.data, std::min(a.size_bytes, b.size_bytes));
  if (order != 0) return order < 0;
  if (a.size_bytes != b.size_bytes) return a.size_bytes < b.size_bytes;
  return tag_of(a) > tag_of(b);
}

// --- sorting -------------------------------------------------------------------------------------------------

struct Slot {
  uint64_t word;
  const char *entry;
};

// Eight bytes of the key from `offset` on, so that numbers are in the order of the bytes; zeros after its end.
uint64_t word_at(Key key, size_t offset) {
  uint64_t word = 0;
  if (key.size_bytes > offset) memcpy(&word, key.data + offset, std::min(WORD_BYTES, key.size_bytes - offset));
  return __builtin_bswap64(word);
}

void sort_whole(Slot *from, Slot *to) {
  std::sort(from, to, [](const Slot &a, const Slot &b) { return before(key_of(a.entry), key_of(b.entry)); });
}

// Sorts slots whose keys have the same first `offset` bytes.
void sort_from(Slot *from, Slot *to, size_t offset) {
  if (static_cast<size_t>(to - from) <= FEW) return sort_whole(from, to);
  size_t shortest = SIZE_MAX, longest = 0;
  uint64_t lowest = UINT64_MAX, highest = 0;
  for (Slot *slot = from; slot < to; slot++) {
    Key key = key_of(slot->entry);
    slot->word = word_at(key, offset);
    shortest = std::min(shortest, key.size_bytes);
    longest = std::max(longest, key.size_bytes);
    lowest = std::min(lowest, slot->word);
    highest = std::max(highest, slot->word);
  }
  // A key that ends here and one that goes on with zeros have the same word.
  bool ends = shortest < offset + WORD_BYTES;
  if (ends && (shortest < longest || lowest == highest)) return sort_whole(from, to);
  if (lowest == highest) return sort_from(from, to, offset + WORD_BYTES);
  std::sort(from, to, [](const Slot &a, const Slot &b) { return a.word < b.word; });
  for (Slot *run = from; run < to;) {
    Slot *end = run + 1;
    while (end < to && end->word == run->word) end++;
    if (end - run > 1) ends ? sort_whole(run, end) : sort_from(run, end, offset + WORD_BYTES);
    run = end;
  }
}

// --- the table -----------------------------------------------------------------------------------------------

// Names in an allocated node: its list by whole key, then, with prefixes, its list by prefix, then the entry.
struct Node {
  Node *next_of_key;
};
struct PrefixNode {
  Node node;
  PrefixNode *next_of_prefix;
};

// Lists are chosen by a keyed hash: nobody who chooses identifiers can make them long.
class Hash {
public:
  explicit Hash(uint64_t seed) : seed_(seed | 1) {}

  uint64_t operator()(const char *data, size_t size_bytes) const {
    uint64_t hash = seed_ ^ size_bytes;
    for (size_t at = 0; at < size_bytes; at += WORD_BYTES) {
      uint64_t word = 0;
      memcpy(&word, data + at, std::min(WORD_BYTES, size_bytes - at));
      hash = mixed(hash ^ word, seed_ ^ at);
    }
    return mixed(hash, seed_);
  }

private:
  // Both halves of a product of 128 bits: each bit of the input reaches most of the output.
  static uint64_t mixed(uint64_t a, uint64_t b) {
    __extension__ using wide = unsigned __int128;
    wide product = static_cast<wide>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd1b54a32d192ed03);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  uint64_t seed_;
};

template <typename T> class Buckets {
public:
  explicit Buckets(size_t count) : mask_(count - 1), heads_(count ? new std::atomic<T *>[count]() : nullptr) {}

  T *first(uint64_t hash) const { return heads_[hash & mask_].load(std::memory_order_acquire); }
  void publish(uint64_t hash, T *node) { heads_[hash & mask_].store(node, std::memory_order_release); }
  size_t size_bytes() const { return heads_ ? (mask_ + 1) * sizeof(T *) : 0; }

  template <typename Take> void each_head(Take take) const {
    for (size_t i = 0; heads_ && i <= mask_; i++)
      if (T *node = heads_[i].load(std::memory_order_acquire)) take(node);
  }

private:
  size_t mask_;
  std::unique_ptr<std::atomic<T *>[]> heads_;
};

class Table : public rocksdb::MemTableRep {
public:
  Table(rocksdb::Allocator *allocator, size_t prefix_bytes, size_t bucket_count, uint64_t seed)
      : MemTableRep(allocator), hash_(seed), keys_(bucket_count), prefixes_(prefix_bytes ? bucket_count : 0),
        prefix_bytes_(prefix_bytes), node_bytes_(prefix_bytes ? sizeof(PrefixNode) : sizeof(Node)) {}

  rocksdb::KeyHandle Allocate(const size_t bytes, char **entry) override {
    void *node = nullptr;
    size_t room = node_bytes_ + bytes + alignof(Node) - 1;
    char *raw = nullptr;
    MemTableRep::Allocate(room, &raw);
    node = raw;
    std::align(alignof(Node), node_bytes_ + bytes, node, room);
    *entry = static_cast<char *>(node) + node_bytes_;
    return node;
  }

  void Insert(rocksdb::KeyHandle handle) override {
    auto *node = new (handle) Node;
    Key key = key_of(entry_of(node));
    uint64_t hash = hash_(key.data, key.size_bytes);
    if (prefix_bytes_) {
      auto *with_prefix = new (handle) PrefixNode;
      uint64_t prefix_hash = hash_(key.data, prefix_bytes_);
      with_prefix->next_of_prefix = prefixes_.first(prefix_hash);
      node->next_of_key = keys_.first(hash);
      prefixes_.publish(prefix_hash, with_prefix);
    } else {
      node->next_of_key = keys_.first(hash);
    }
    keys_.publish(hash, node);
  }

  bool Contains(const char *entry) const override {
    Key key = key_of(entry);
    const Node *node = newest(key, tag_of(key));
    return node && tag_of(key_of(entry_of(node))) == tag_of(key);
  }

  // RocksDB's own Get asks for an iterator by prefix, seeks and walks: it gets one over the versions of one key.
  void Get(const rocksdb::LookupKey &key, void *context, bool (*take)(void *context, const char *entry)) override {
    is_getting() = true;
    MemTableRep::Get(key, context, take);
  }

  size_t ApproximateMemoryUsage() override { return keys_.size_bytes() + prefixes_.size_bytes(); }

  Iterator *GetIterator(rocksdb::Arena *arena) override;
  Iterator *GetDynamicPrefixIterator(rocksdb::Arena *arena) override;

  size_t prefix_bytes() const { return prefix_bytes_; }

  const char *entry_of(const Node *node) const { return reinterpret_cast<const char *>(node) + node_bytes_; }

  // The newest version of the key that is not newer than the tag; NULL for none.
  const Node *newest(Key key, uint64_t tag) const {
    return newest_from(keys_.first(hash_(key.data, key.size_bytes)), key, tag);
  }

  const Node *newest_from(const Node *node, Key key, uint64_t tag) const {
    for (; node; node = node->next_of_key) {
      Key other = key_of(entry_of(node));
      if (equal(other, key) && tag_of(other) <= tag) return node;
    }
    return nullptr;
  }

  std::vector<Slot> all_sorted() const {
    std::vector<Slot> slots;
    keys_.each_head([&](const Node *node) {
      for (; node; node = node->next_of_key) slots.push_back({0, entry_of(node)});
    });
    sort_from(slots.data(), slots.data() + slots.size(), 0);
    return slots;
  }

  // All of one customer.
  std::vector<Slot> prefix_sorted(const char *prefix) const {
    std::vector<Slot> slots;
    const PrefixNode *node = prefixes_.first(hash_(prefix, prefix_bytes_));
    for (; node; node = node->next_of_prefix) {
      const char *entry = entry_of(&node->node);
      if (memcmp(key_of(entry).data, prefix, prefix_bytes_) == 0) slots.push_back({0, entry});
    }
    sort_from(slots.data(), slots.data() + slots.size(), prefix_bytes_);
    return slots;
  }

private:
  // Between Get and the iterator that it makes, on one thread.
  static bool &is_getting() {
    static thread_local bool getting;
    return getting;
  }

  Hash hash_;
  Buckets<Node> keys_;
  Buckets<PrefixNode> prefixes_;
  size_t prefix_bytes_;
  size_t node_bytes_;
};

// --- iterators -----------------------------------------------------------------------------------------------

// The versions of one key, newest first. Made and thrown away at every look-up, one at a time on a thread.
class Versions : public rocksdb::MemTableRep::Iterator {
public:
  explicit Versions(const Table &table) : table_(table) {}

  static void *operator new(size_t) { return room(); }
  static void operator delete(void *) {}

  bool Valid() const override { return node_ != nullptr; }
  const char *key() const override { return table_.entry_of(node_); }
  void Next() override {
    Key key = key_of(table_.entry_of(node_));
    node_ = table_.newest_from(node_->next_of_key, key, tag_of(key));
  }
  void Seek(const Slice &internal, const char *) override {
    Key key = key_of_internal(internal);
    node_ = table_.newest(key, tag_of(key));
  }
  void Prev() override { node_ = nullptr; }
  void SeekForPrev(const Slice &, const char *) override { node_ = nullptr; }
  void SeekToFirst() override { node_ = nullptr; }
  void SeekToLast() override { node_ = nullptr; }

private:
  static void *room();

  const Table &table_;
  const Node *node_ = nullptr;
};

void *Versions::room() {
  alignas(Versions) static thread_local char bytes[sizeof(Versions)];
  return bytes;
}

class Sorted : public rocksdb::MemTableRep::Iterator {
public:
  explicit Sorted(std::vector<Slot> &&slots) : slots_(std::move(slots)), at_(slots_.size()) {}

  bool Valid() const override { return at_ < slots_.size(); }
  const char *key() const override { return slots_[at_].entry; }
  void Next() override { at_++; }
  void Prev() override { at_ = at_ > 0 ? at_ - 1 : slots_.size(); }
  void Seek(const Slice &internal, const char *) override {
    auto found = std::lower_bound(slots_.begin(), slots_.end(), key_of_internal(internal),
                                  [](const Slot &slot, Key key) { return before(key_of(slot.entry), key); });
    at_ = static_cast<size_t>(found - slots_.begin());
  }
  void SeekForPrev(const Slice &internal, const char *) override {
    auto after = std::upper_bound(slots_.begin(), slots_.end(), key_of_internal(internal),
                                  [](Key key, const Slot &slot) { return before(key, key_of(slot.entry)); });
    at_ = static_cast<size_t>(after - slots_.begin());
    Prev();
  }
  void SeekToFirst() override { at_ = 0; }
  void SeekToLast() override {
    at_ = slots_.size();
    Prev();
  }

protected:
  std::vector<Slot> slots_;
  size_t at_; // slots_.size(): nowhere
};

// The rows of the customer that was sought last. Rows inserted since are newer than whoever reads.
class OfCustomer : public Sorted {
public:
  explicit OfCustomer(const Table &table) : Sorted({}), table_(table) {}

  void Seek(const Slice &internal, const char *entry) override {
    gather(internal);
    Sorted::Seek(internal, entry);
  }
  void SeekForPrev(const Slice &internal, const char *entry) override {
    gather(internal);
    Sorted::SeekForPrev(internal, entry);
  }

private:
  void gather(const Slice &internal) {
    Slice prefix(internal.data(), table_.prefix_bytes());
    if (gathered_ && prefix == Slice(prefix_)) return;
    prefix_ = prefix.ToString();
    gathered_ = true;
    slots_ = table_.prefix_sorted(prefix_.data());
  }

  const Table &table_;
  std::string prefix_;
  bool gathered_ = false;
};

template <typename T, typename... Arguments>
rocksdb::MemTableRep::Iterator *make(rocksdb::Arena *arena, Arguments &&...arguments) {
  if (!arena) return new T(std::forward<Arguments>(arguments)...);
  auto *allocator = reinterpret_cast<rocksdb::Allocator *>(arena);
  return new (allocator->AllocateAligned(sizeof(T))) T(std::forward<Arguments>(arguments)...);
}

rocksdb::MemTableRep::Iterator *Table::GetIterator(rocksdb::Arena *arena) {
  return make<Sorted>(arena, all_sorted());
}

rocksdb::MemTableRep::Iterator *Table::GetDynamicPrefixIterator(rocksdb::Arena *arena) {
  bool getting = is_getting();
  is_getting() = false;
  if (getting) return new Versions(*this);
  return prefix_bytes_ ? make<OfCustomer>(arena, *this) : GetIterator(arena);
}

// --- the factory ---------------------------------------------------------------------------------------------

class Factory : public rocksdb::MemTableRepFactory {
public:
  Factory(size_t prefix_bytes, size_t bucket_count) : prefix_bytes_(prefix_bytes), bucket_count_(bucket_count) {
    std::random_device random;
    seed_ = static_cast<uint64_t>(random()) << 32 | random();
  }

  using MemTableRepFactory::CreateMemTableRep;
  rocksdb::MemTableRep *CreateMemTableRep(const rocksdb::MemTableRep::KeyComparator &, rocksdb::Allocator *allocator,
                                          const rocksdb::SliceTransform *, rocksdb::Logger *) override {
    return new Table(allocator, prefix_bytes_, bucket_count_, seed_);
  }

  const char *Name() const override { return "rapport.hashed"; }

private:
  size_t prefix_bytes_;
  size_t bucket_count_;
  uint64_t seed_;
};

} // namespace

void store_memtable_set(rocksdb_options_t *family, size_t prefix_bytes, size_t bucket_count) {
  family->rep.memtable_factory = std::make_shared<Factory>(prefix_bytes, bucket_count);
}

void store_memtable_follow(rocksdb_options_t *family, size_t prefix_bytes) {
  family->rep.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(prefix_bytes));
}
