#include "sinks/nats/nkey.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <openssl/evp.h>

#include "base/base64.h"
#include "base/check.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kSeedLetters = 58;
constexpr std::uint8_t kSeed = 18 << 3, kUser = 20 << 3;  // "S", "U"
constexpr std::size_t kKeySize = 32;

using Octets = std::vector<std::uint8_t>;

// Base 32 without padding; empty for foreign letters.
Octets decode(std::string_view text) {
  Octets bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = kLetters.find(c);
    if (value == std::string_view::npos) return {};
    bits = bits << 5 | static_cast<std::uint32_t>(value);
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  return bytes;
}

std::string encode(const Octets& bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 5; count -= 5) text += kLetters[bits >> (count - 5) & 31];
  }
  if (count > 0) text += kLetters[bits << (5 - count) & 31];
  return text;
}

// CRC-16/XMODEM.
std::uint16_t checksum(const Octets& bytes, std::size_t size) {
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= std::uint32_t{bytes[i]} << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
  }
  return static_cast<std::uint16_t>(crc);
}

using KeyPair = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Null when the seed is none of a user.
KeyPair key_pair_of(std::string_view seed) {
  const Octets bytes = decode(seed);
  if (seed.size() != kSeedLetters || bytes.size() != 2 + kKeySize + 2) return {nullptr, EVP_PKEY_free};
  const std::uint8_t kind = static_cast<std::uint8_t>(bytes[0] << 5 | bytes[1] >> 3);
  if ((bytes[0] & 0xf8) != kSeed || kind != kUser) return {nullptr, EVP_PKEY_free};
  if (checksum(bytes, bytes.size() - 2) != (bytes[bytes.size() - 1] << 8 | bytes[bytes.size() - 2]))
    return {nullptr, EVP_PKEY_free};
  return {EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes.data() + 2, kKeySize), EVP_PKEY_free};
}

}  // namespace

std::string_view find_seed(std::string_view text) {
  for (std::size_t at = text.find("SU"); at != std::string_view::npos; at = text.find("SU", at + 1)) {
    const std::size_t end = text.find_first_not_of(kLetters, at);
    if ((end == std::string_view::npos ? text.size() : end) - at == kSeedLetters) return text.substr(at, kSeedLetters);
  }
  return {};
}

std::string public_key_of(std::string_view seed) {
  const KeyPair pair = key_pair_of(seed);
  std::array<std::uint8_t, kKeySize> raw{};
  std::size_t size = raw.size();
  if (!pair || EVP_PKEY_get_raw_public_key(pair.get(), raw.data(), &size) != 1) return {};
  Octets key;
  key.reserve(1 + raw.size() + 2);
  key.push_back(kUser);
  key.insert(key.end(), raw.begin(), raw.end());
  const std::uint16_t sum = checksum(key, key.size());
  key.push_back(static_cast<std::uint8_t>(sum));
  key.push_back(static_cast<std::uint8_t>(sum >> 8));
  return encode(key);
}

std::string sign(std::string_view seed, std::string_view text) {
  const KeyPair pair = key_pair_of(seed);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, 64> raw{};
  std::size_t size = raw.size();
  DF_CHECK(pair && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pair.get()) == 1 &&
               EVP_DigestSign(context.get(), raw.data(), &size, reinterpret_cast<const unsigned char*>(text.data()),
                              text.size()) == 1,
           "Ed25519 signs whatever it is given");
  std::string signature(base64_size(size), '\0');
  print_base64({reinterpret_cast<const char*>(raw.data()), size}, signature.data());
  for (char& c : signature) c = c == '+' ? '-' : c == '/' ? '_' : c;
  signature.erase(signature.find_last_not_of('=') + 1);
  return signature;
}

}  // namespace deltaforge::sinks::nats
