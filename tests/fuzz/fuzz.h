// What the targets share. A target is LLVMFuzzerTestOneInput in a file of its own: libFuzzer calls it with bytes that
// it makes up, and whatever ends the process is a finding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge::fuzz {

// Must hold for every input.
inline void require(bool holds, const char* what, std::string_view detail = {}) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "does not hold: %s %s\n", what, std::string(detail).c_str());
  std::abort();
}

// Runs what may refuse its input. Only an Error may leave it: anything else would reach the pipeline as "an exception
// that nobody expected". False: it was refused.
template <class Work>
bool allowed_to_refuse(const Work& work) {
  try {
    work();
    return true;
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::internal && !error.message().empty(), "an Error says what is wrong");
    return false;
  } catch (const std::exception& other) {
    require(false, "only an Error leaves a parser of foreign bytes, not", other.what());
    return false;
  }
}

// Takes the input apart from its front. What is missing is zero.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }
  std::uint16_t size16() {
    const std::uint8_t low = byte();
    return static_cast<std::uint16_t>(low | byte() << 8);
  }
  bool empty() const { return left_.empty(); }
  std::size_t left() const { return left_.size(); }

  // A copy of exactly that size on the heap, so that the sanitizer sees a read past its end. At most what is left.
  std::vector<std::byte> bytes(std::size_t size) {
    const auto part = std::as_bytes(left_.first(std::min(size, left_.size())));
    left_ = left_.subspan(part.size());
    return {part.begin(), part.end()};
  }
  std::vector<std::byte> rest() { return bytes(left_.size()); }
  std::string text() {
    const auto all = rest();
    return std::string(as_text(all));
  }
  // Up to a line feed, which is skipped.
  std::string line() {
    std::string out;
    while (!left_.empty()) {
      const char c = static_cast<char>(byte());
      if (c == '\n') break;
      out += c;
    }
    return out;
  }

 private:
  std::span<const std::uint8_t> left_;
};

// What stands between the socket and a framer: at most `piece` bytes at a time; `each` gets what is whole. Ends where a
// framer that does not throw has failed.
template <class Framer, class Each>
void feed(Framer& framer, Bytes bytes, std::size_t piece, const Each& each) {
  while (!bytes.empty()) {
    const auto space = framer.space();
    require(!space.empty(), "there is space after next() has returned nothing");
    const std::size_t count = std::min({space.size(), bytes.size(), piece});
    std::memcpy(space.data(), bytes.data(), count);
    bytes = bytes.subspan(count);
    framer.filled(count);
    while (auto whole = framer.next()) each(*whole);
    if constexpr (requires { framer.failure(); })
      if (!framer.failure().empty()) return;
  }
}

}  // namespace deltaforge::fuzz
