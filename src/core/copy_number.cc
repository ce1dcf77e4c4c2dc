#include "core/copy_number.h"

#include <array>

#include "base/bytes.h"
#include "base/hash.h"

namespace deltaforge {

// Of the second processor no two are the same up to some 46,000 copies of a row; others differ by 30 bits of a hash.
std::uint32_t copy_number(std::size_t copiers, std::uint32_t fan_out, std::uint32_t further) {
  if (copiers == 0 && fan_out == 0) return further;
  constexpr std::uint64_t kOfSecond = std::uint64_t{2} << 30, kOfOthers = std::uint64_t{3} << 30, kRoom = 1 << 30;
  const std::uint64_t sum = std::uint64_t{fan_out} + further;
  const std::uint64_t pair = sum < kRoom ? sum * (sum + 1) / 2 + further : kRoom;  // each pair has another one
  if (copiers == 1 && pair < kRoom) return static_cast<std::uint32_t>(kOfSecond | pair);
  std::array<std::byte, 16> all;
  store_big_endian(all.data(), std::uint64_t{copiers});
  store_big_endian(all.data() + 8, std::uint64_t{fan_out} << 32 | further);
  return static_cast<std::uint32_t>(kOfOthers | (xxh3_64(all) & (kRoom - 1)));
}

}  // namespace deltaforge
