// HMAC-SHA-256 (RFC 2104) with one key. Allocates at construction only. One thread.
#pragma once

#include <array>
#include <memory>
#include <string_view>

namespace deltaforge {

class Hmac {
 public:
  explicit Hmac(std::string_view key);
  ~Hmac();

  void add(std::string_view text);
  // Of all that was added; then it begins anew.
  std::array<unsigned char, 32> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deltaforge
