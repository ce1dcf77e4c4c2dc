// Cuts the server's byte stream into packets of the client/server protocol, in one fixed buffer. Knows no socket:
// wire.h fills it. Format: docs/formats are the server's own; a packet is
//
//   length u24 | sequence u8 | payload        and a payload of 2^24 - 1 bytes or more goes on in the next packet
//
// In a binary log stream the payload is a status byte (0 event, 0xFE end, 0xFF error) and one event. An event that
// does not fit the buffer never passes through it: a Placer says where it goes, and it is read straight to that place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace deltaforge::sources::mysql {

// The body begins with the status byte. It is valid, and may be rewritten, until the next call.
struct Packet {
  std::span<std::byte> body;
  bool placed = false;  // the body lies where the Placer said
};

class Placer {
 public:
  virtual ~Placer() = default;
  // Memory for a body of `size` bytes that begins with `head`; null to throw it away.
  virtual std::byte* place(Bytes head, std::size_t size) = 0;
};

class Packets {
 public:
  static constexpr std::size_t kBuffer = std::size_t{1024} * 1024;
  static constexpr std::size_t kMostInOne = 0xFF'FFFF;
  // What a Placer sees of a body: the status byte, an event's header and the table id of rows.
  static constexpr std::size_t kHead = 64;

  explicit Packets(Placer& placer, std::size_t buffer = kBuffer) : placer_(placer), buffer_(buffer) {}

  // Where the next bytes go. Empty: next() is due; never so after next() has returned nothing.
  std::span<std::byte> space();
  void filled(std::size_t bytes);
  // The next whole body. Throws Error{undecodable} when lengths or sequence numbers make no sense.
  std::optional<Packet> next();
  // No part of a packet is held.
  bool empty() const { return begin_ == end_ && !giant_; }

 private:
  static constexpr std::size_t kHeader = 4;
  struct Giant {
    std::byte* to;  // null: thrown away
    std::size_t size, have;
    std::size_t left;                         // of the current packet
    bool more;                                // another packet follows it
    std::array<std::byte, kHeader> header{};  // of the packet that follows
    std::size_t header_have = 0;
  };
  void start_giant(Bytes head, std::size_t size, std::size_t in_first);
  void next_packet_of_giant();
  static std::size_t event_size(Bytes head);
  void check_sequence(std::byte sequence);

  Placer& placer_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::optional<Giant> giant_;
  std::uint8_t sequence_ = 1;  // of the answer to a command
};

}  // namespace deltaforge::sources::mysql
