// TRANSACTION_PAYLOAD events: a whole transaction, compressed. Inflated piece by piece, so that memory holds one inner
// event at a time; the scratch stays for the next one.
//
//   (field lenenc | size lenenc | value)*, field 0 ends them | the events, without checksums
//   fields: 1 size of what follows, 2 compression (0 zstd, 255 none), 3 size without compression
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge::sources::mysql {

class Payload {
 public:
  Payload();
  ~Payload();
  Payload(Payload&&) noexcept;
  Payload& operator=(Payload&&) noexcept;

  // Calls with every event in order; the bytes may be rewritten and live until the call returns.
  using OnEvent = std::function<void(std::span<std::byte>)>;
  // A failure that concerns the payload itself. What the callback throws passes through.
  Result<bool> read(Bytes body, const OnEvent&);

 private:
  struct Inflater;
  Result<bool> feed(std::size_t& have, const OnEvent&);
  std::unique_ptr<Inflater> inflater_;
  std::vector<std::byte> scratch_;
};

}  // namespace deltaforge::sources::mysql
