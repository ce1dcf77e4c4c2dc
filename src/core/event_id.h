// Event ids and idempotency keys: functions of the log position alone, so that every replay on every host gives the
// same ones (contract, amendment "Event ids"; golden vectors in encode/event_id_test.cc).
//
//   h = XXH3-128(source id NUL epoch NUL transaction)                               once per transaction
//   e = XXH3-128(h, XXH3-64(table's full name), ordinal u32, fan-out u32)           32 bytes, big-endian
//   id = UUIDv7: 48 bits of the commit time in ms, then the first 74 bits of e
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "core/batch.h"
#include "core/event.h"

namespace deltaforge {

using EventId = std::array<std::byte, 16>;

// `transaction`: PostgreSQL the commit record's LSN as %X/%X.
inline Hash128 transaction_hash(std::string_view source_id, std::string_view epoch, std::string_view transaction) {
  std::array<char, 512> buffer;
  std::size_t size = source_id.size() + epoch.size() + transaction.size() + 2;
  std::string heap;
  char* to = buffer.data();
  if (size > buffer.size()) {
    heap.resize(size);
    to = heap.data();
  }
  char* at = to;
  auto put = [&at](std::string_view part) {
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  };
  put(source_id);
  *at++ = '\0';
  put(epoch);
  *at++ = '\0';
  put(transaction);
  return xxh3_128(as_bytes({to, size}));
}

inline EventId event_id(const Commit& commit, const Event& event) {
  std::array<std::byte, 32> input;
  std::memcpy(input.data(), commit.id_hash.data(), 16);
  store_big_endian(input.data() + 16, event.schema->name_hash);
  store_big_endian(input.data() + 24, std::uint64_t{event.ordinal} << 32 | event.fan_out);
  const Hash128 e = xxh3_128(input);
  const std::uint64_t high = load_big_endian<std::uint64_t>(e.data()),
                      low = load_big_endian<std::uint64_t>(e.data() + 8);

  // 74 bits of e: 12 behind the version nibble, 62 behind the two variant bits.
  const auto ms = static_cast<std::uint64_t>(commit.ts_us >= 0 ? commit.ts_us / 1000 : 0);
  const std::uint64_t first = ms << 16 | std::uint64_t{7} << 12 | high >> 52;
  const std::uint64_t second = std::uint64_t{2} << 62 | (high << 12 | low >> 52) >> 2;
  EventId id;
  store_big_endian(id.data(), first);
  store_big_endian(id.data() + 8, second);
  return id;
}

// "00" "01" ... "ff".
inline constexpr std::array<char, 512> kHexPairs = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (std::size_t i = 0; i < 256; ++i) {
    pairs[2 * i] = digits[i >> 4];
    pairs[2 * i + 1] = digits[i & 15];
  }
  return pairs;
}();

// The usual 36 characters: 8-4-4-4-12, lower case.
inline void print_event_id(const EventId& id, char* to) {
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    std::memcpy(to, &kHexPairs[2 * std::to_integer<std::size_t>(id[i])], 2);
    to += 2;
  }
}

inline std::string to_string(const EventId& id) {
  std::string text(36, '\0');
  print_event_id(id, text.data());
  return text;
}

}  // namespace deltaforge
