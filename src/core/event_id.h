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

using EventId = std::array<std::uint8_t, 16>;

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
  auto big_endian = [&input](std::size_t at, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) input[at + i] = static_cast<std::byte>(value >> (8 * (width - 1 - i)));
  };
  std::memcpy(input.data(), commit.id_hash.data(), 16);
  big_endian(16, event.schema->name_hash, 8);
  big_endian(24, event.ordinal, 4);
  big_endian(28, event.fan_out, 4);
  Hash128 e = xxh3_128(input);
  auto byte = [&e](std::size_t i) { return std::to_integer<std::uint32_t>(e[i]); };

  // 74 bits of e: 12 behind the version nibble, 62 behind the two variant bits.
  EventId id;
  auto ms = static_cast<std::uint64_t>(commit.ts_us >= 0 ? commit.ts_us / 1000 : 0);
  for (std::size_t i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  id[6] = static_cast<std::uint8_t>(0x70 | byte(0) >> 4);
  id[7] = static_cast<std::uint8_t>(byte(0) << 4 | byte(1) >> 4);
  // The remaining 62 bits start at bit 12 of e.
  std::uint64_t rest = byte(1) & 0x0F;
  for (std::size_t i = 2; i < 9; ++i) rest = rest << 8 | byte(i);  // 4 + 56 = 60 bits
  rest = rest << 2 | byte(9) >> 6;                                 // 62 bits
  rest |= std::uint64_t{2} << 62;
  for (std::size_t i = 0; i < 8; ++i) id[8 + i] = static_cast<std::uint8_t>(rest >> (8 * (7 - i)));
  return id;
}

// The usual 36 characters: 8-4-4-4-12, lower case.
inline void print_event_id(const EventId& id, char* to) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = kHex[id[i] >> 4];
    *to++ = kHex[id[i] & 15];
  }
}

inline std::string to_string(const EventId& id) {
  std::string text(36, '\0');
  print_event_id(id, text.data());
  return text;
}

}  // namespace deltaforge
