// Cuts the server's byte stream into protocol messages, in one fixed buffer. Knows no socket: wire.h fills it.
//
// A message larger than the buffer never passes through it: a Placer says where it goes, and the rest of it is read
// straight to that place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace deltaforge::sources::postgres {

// A message of the frontend/backend protocol. The body is valid, and may be rewritten, until the next call.
struct Frame {
  char type = 0;
  std::span<std::byte> body;
  bool placed = false;  // the body lies where the Placer said
};

class Placer {
 public:
  virtual ~Placer() = default;
  // Memory for a body of `size` bytes that begins with `head`; null to throw it away.
  virtual std::byte* place(char type, Bytes head, std::size_t size) = 0;
};

class Frames {
 public:
  static constexpr std::size_t kBuffer = 1024 * 1024;
  // What a Placer sees of a message at least.
  static constexpr std::size_t kHead = 64;

  explicit Frames(Placer& placer, std::size_t buffer = kBuffer) : placer_(placer), buffer_(buffer) {}

  // Where the next bytes go; never empty after next() has returned nothing.
  std::span<std::byte> space();
  void filled(std::size_t bytes);
  // The next whole message. Throws Error{undecodable} when the lengths make no sense.
  std::optional<Frame> next();
  // No part of a message is held.
  bool empty() const { return begin_ == end_ && !giant_; }

 private:
  struct Giant {
    char type;
    std::byte* to;  // null: thrown away
    std::size_t size, have;
  };
  void start_giant(char type, std::size_t size);

  Placer& placer_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::optional<Giant> giant_;
};

}  // namespace deltaforge::sources::postgres
