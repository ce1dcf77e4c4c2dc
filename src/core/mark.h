// A mark: the end of one source transaction in the source's log. Plain data that only the source's PositionAlgebra
// reads; at most 32 bytes (PostgreSQL: commit end LSN, xid, timeline).
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace deltaforge {

class Mark {
 public:
  Mark() = default;
  template <class T>
  static Mark of(const T& value) {
    static_assert(sizeof(T) <= kSize && std::is_trivially_copyable_v<T>);
    Mark mark;
    std::memcpy(mark.data_.data(), &value, sizeof value);
    return mark;
  }
  template <class T>
  T as() const {
    static_assert(sizeof(T) <= kSize && std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, data_.data(), sizeof value);
    return value;
  }

 private:
  static constexpr std::size_t kSize = 32;
  alignas(8) std::array<std::byte, kSize> data_{};
};

}  // namespace deltaforge
