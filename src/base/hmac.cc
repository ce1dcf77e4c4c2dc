#define OPENSSL_SUPPRESS_DEPRECATED  // the functions that replace these call the heap twice for every sum

#include "base/hmac.h"

#include <algorithm>

#include <openssl/sha.h>

namespace deltaforge {

struct Hmac::State {
  SHA256_CTX inner, outer;  // that have read the key
  SHA256_CTX open;
};

Hmac::Hmac(std::string_view key) : state_(std::make_unique<State>()) {
  std::array<unsigned char, SHA256_CBLOCK> block{};
  if (key.size() <= block.size())
    std::ranges::copy(key, block.begin());
  else
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), block.data());
  const auto begin = [&block](SHA256_CTX& with, unsigned char pad) {
    auto padded = block;
    for (unsigned char& byte : padded) byte ^= pad;
    SHA256_Init(&with);
    SHA256_Update(&with, padded.data(), padded.size());
  };
  begin(state_->inner, 0x36);
  begin(state_->outer, 0x5c);
  state_->open = state_->inner;
}

Hmac::~Hmac() = default;

void Hmac::add(std::string_view text) { SHA256_Update(&state_->open, text.data(), text.size()); }

std::array<unsigned char, 32> Hmac::finish() {
  std::array<unsigned char, 32> sum{};
  SHA256_Final(sum.data(), &state_->open);
  state_->open = state_->outer;
  SHA256_Update(&state_->open, sum.data(), sum.size());
  SHA256_Final(sum.data(), &state_->open);
  state_->open = state_->inner;
  return sum;
}

}  // namespace deltaforge
