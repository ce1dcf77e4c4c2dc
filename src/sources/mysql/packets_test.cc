// The byte stream of a server -> packets: in one buffer, in a place of their own, and over several packets.
#include "sources/mysql/packets.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::size_t kBuffer = 256, kEventHeader = 19;

// A body: the status byte, an event's header that tells its size, and anything.
std::vector<std::byte> body(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 1 + kEventHeader; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7);
  for (std::size_t i = 0; i < 4; ++i) bytes[1 + 9 + i] = static_cast<std::byte>((size - 1) >> (8 * i));
  return bytes;
}

struct Sent : Placer {
  std::vector<std::byte> stream;
  std::uint8_t sequence = 1;
  std::vector<std::vector<std::byte>> places;
  bool throws_away = false;

  void packet(Bytes payload) {
    for (int shift : {0, 8, 16}) stream.push_back(static_cast<std::byte>(payload.size() >> shift));
    stream.push_back(static_cast<std::byte>(sequence++));
    stream.insert(stream.end(), payload.begin(), payload.end());
  }

  void event(std::size_t size) {
    const std::vector<std::byte> whole = body(size);
    Bytes left = whole;
    for (; left.size() >= Packets::kMostInOne; left = left.subspan(Packets::kMostInOne))
      packet(left.first(Packets::kMostInOne));
    packet(left);
  }

  std::byte* place(Bytes, std::size_t size) override {
    if (throws_away) return nullptr;
    return places.emplace_back(size).data();
  }

  // Reads as Wire does: until the socket, which gets `at_once` bytes at a time, has no more. The sizes that came.
  std::vector<std::size_t> read(std::size_t at_once) {
    Packets packets(*this, kBuffer);
    std::vector<std::size_t> sizes;
    for (std::size_t at = 0; at < stream.size();) {
      std::size_t in_socket = std::min(at_once, stream.size() - at);
      for (auto space = packets.space(); in_socket > 0 && !space.empty(); space = packets.space()) {
        const std::size_t got = std::min(in_socket, space.size());
        std::copy_n(stream.data() + at, got, space.data());
        packets.filled(got);
        at += got, in_socket -= got;
      }
      while (auto packet = packets.next()) {
        EXPECT_TRUE(std::ranges::equal(packet->body, body(packet->body.size())));
        EXPECT_EQ(packet->placed, packet->body.size() + 4 > kBuffer);
        sizes.push_back(packet->body.size());
      }
    }
    EXPECT_TRUE(packets.empty());
    return sizes;
  }
};

TEST(Packets, SmallOnesAndThoseThatDoNotFitTheBuffer) {
  const std::vector<std::size_t> sizes{20, 100, 252, 253, 20, 5000, 5001, 30, 252, 4096};
  for (std::size_t at_once : {1, 3, 64, 250, 257, 1000, 5005, 100'000}) {
    Sent sent;
    for (std::size_t size : sizes) sent.event(size);
    EXPECT_EQ(sent.read(at_once), sizes) << at_once;
  }
}

TEST(Packets, WhatIsThrownAwayIsReadPast) {
  for (std::size_t at_once : {1, 300, 100'000}) {
    Sent sent;
    sent.throws_away = true;
    for (std::size_t size : {20, 5000, 30, 5000, 5000, 40}) sent.event(size);
    EXPECT_EQ(sent.read(at_once), (std::vector<std::size_t>{20, 30, 40})) << at_once;
  }
}

TEST(Packets, OneThatGoesOnInFurtherPackets) {
  const std::vector<std::size_t> sizes{20, Packets::kMostInOne + 5000, 30, Packets::kMostInOne,
                                       40, Packets::kMostInOne - 1,    50};
  for (std::size_t at_once : {100'000UL, 1UL << 30}) {
    Sent sent;
    for (std::size_t size : sizes) sent.event(size);
    EXPECT_EQ(sent.read(at_once), sizes) << at_once;
  }
}

TEST(Packets, ASequenceThatIsBrokenIsDamage) {
  Sent sent;
  sent.event(20);
  ++sent.sequence;
  sent.event(20);
  EXPECT_THROW(sent.read(1000), Error);
}

}  // namespace
}  // namespace deltaforge::sources::mysql
