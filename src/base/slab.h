// Encoded bytes. A lane owns a few slabs; its sink fills one with encoded events, hands the bytes to its client and
// gives the slab back when the client no longer reads it. An event larger than a slab makes that slab grow; it
// shrinks again when it is given back.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace deltaforge {

class Slab {
 public:
  static constexpr std::size_t kSize = 4 * 1024 * 1024;

  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab();

  char* data() { return data_; }
  std::size_t size() const { return size_; }
  bool full() const { return size_ >= kSize; }
  std::string_view view(std::size_t from, std::size_t size) const { return {data_ + from, size}; }
  std::string_view view() const { return {data_, size_}; }

  // A writable tail of at least `size` bytes; add() says how many were written. Earlier pointers into the slab die
  // here: keep offsets until the slab is sealed.
  char* room(std::size_t size) {
    if (capacity_ - size_ < size) [[unlikely]]
      grow(size);
    return data_ + size_;
  }
  void add(std::size_t size) { size_ += size; }
  void append(std::string_view text) {
    std::memcpy(room(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  void append(char c) {
    *room(1) = c;
    ++size_;
  }
  // Cuts back to an earlier size, when an event could not be encoded.
  void truncate(std::size_t size) { size_ = size; }
  void clear();

 private:
  void grow(std::size_t more);
  char* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

// Owned by a lane; outlives its sink. take() by the lane thread, give_back() by any thread.
class SlabPool {
 public:
  explicit SlabPool(std::size_t count = 4);
  // An empty slab, or null when all are at the client: try again once the lane is woken.
  Slab* take();
  void give_back(Slab*) noexcept;
  std::size_t available() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Slab>> all_;
  std::vector<Slab*> free_;
};

}  // namespace deltaforge
