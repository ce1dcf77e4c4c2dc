#include "sinks/http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace deltaforge::sinks::http {
namespace {

struct Range4 {
  std::uint32_t first;
  int bits;
};

// IANA's special-purpose registry, as far as nobody but the own network answers there; and multicast.
constexpr auto kNotPublic4 = std::to_array<Range4>({
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // a provider's own
    {0x7F000000, 8},   // loopback
    {0xA83F8110, 32},  // a cloud's platform: metadata
    {0xA9FE0000, 16},  // link-local; metadata services
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relays
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarks
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
});

bool is_public4(std::uint32_t address) {
  return std::none_of(kNotPublic4.begin(), kNotPublic4.end(),
                      [&](Range4 range) { return (address ^ range.first) >> (32 - range.bits) == 0; });
}

using Bytes16 = std::array<std::uint8_t, 16>;

std::uint32_t number4(const Bytes16& bytes, std::size_t at) {
  return load_big_endian<std::uint32_t>(reinterpret_cast<const std::byte*>(bytes.data() + at));
}

bool begins_with(const Bytes16& bytes, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

bool is_public6(const Bytes16& bytes) {
  if (begins_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})) return is_public4(number4(bytes, 12));  // mapped
  if (begins_with(bytes, {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0}))
    return is_public4(number4(bytes, 12));                                     // NAT64
  if (begins_with(bytes, {0x20, 0x02})) return is_public4(number4(bytes, 2));  // 6to4
  if (begins_with(bytes, {0x20, 0x01}) && bytes[2] < 2) return false;          // Teredo and other protocols
  if (begins_with(bytes, {0x20, 0x01, 0x0D, 0xB8}) || begins_with(bytes, {0x3F, 0xFF})) return false;  // documentation
  return bytes[0] >> 5 == 1;  // 2000::/3, all that is given to anybody
}

}  // namespace

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, &address, sizeof four);
    return is_public4(ntohl(four.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 six;
  std::memcpy(&six, &address, sizeof six);
  Bytes16 bytes;
  std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
  return is_public6(bytes);
}

std::string to_text(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = nullptr;
  sockaddr_in four;
  sockaddr_in6 six;
  if (address.sa_family == AF_INET) {
    std::memcpy(&four, &address, sizeof four);
    raw = &four.sin_addr;
  } else if (address.sa_family == AF_INET6) {
    std::memcpy(&six, &address, sizeof six);
    raw = &six.sin6_addr;
  }
  if (raw == nullptr || ::inet_ntop(address.sa_family, raw, text.data(), text.size()) == nullptr)
    return "no IP address";
  return text.data();
}

}  // namespace deltaforge::sinks::http
