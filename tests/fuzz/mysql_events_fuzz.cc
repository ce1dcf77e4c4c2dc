// Events of the binary log, one by one. Sizes and checksums are made here, so that the fuzzer gets past them.
//
//   flags u8 | (type u8 | flags of the event u8 | size of the body u16, little-endian | body)*
//
// Bit 7 of `flags`: events carry a checksum. An event with bit 0x40 in its flags has no place in the file.
#include <array>
#include <cstring>

#include <zlib.h>

#include "fuzz.h"
#include "mysql_decoding.h"

namespace {

using deltaforge::fuzz::Input;
using namespace deltaforge::sources::mysql;

constexpr std::uint8_t kChecksums = 0x80, kNowhere = 0x40;

void put(std::byte* to, std::uint32_t number) { std::memcpy(to, &number, sizeof number); }

// timestamp u32 | type u8 | server id u32 | size u32 | log_pos u32 | flags u16, then the body
std::vector<std::byte> next_event(Input& in, bool checksums, std::uint32_t& end) {
  const std::uint8_t type = in.byte(), flags = in.byte();
  const auto body = in.bytes(in.size16());
  std::vector<std::byte> event(EventHeader::kSize);
  event.insert(event.end(), body.begin(), body.end());
  if (checksums) event.resize(event.size() + 4);
  const auto size = static_cast<std::uint32_t>(event.size());
  end += size;
  put(event.data(), type == static_cast<std::uint8_t>(EventType::rotate) ? 0 : 1'700'000'000);
  event[4] = std::byte{type};
  put(event.data() + 5, 1);
  put(event.data() + 9, size);
  put(event.data() + 13, (flags & kNowhere) != 0 ? 0 : end);
  event[17] = std::byte{flags} & ~std::byte{kNowhere};
  if (checksums) {
    const auto sum = ::crc32(0, reinterpret_cast<const Bytef*>(event.data()), size - 4);
    put(event.data() + size - 4, static_cast<std::uint32_t>(sum));
  }
  event.shrink_to_fit();
  return event;
}

// The FORMAT_DESCRIPTION that turns checksums on or off.
std::vector<std::byte> format_description(bool checksums) {
  std::string body(2 + 50 + 4 + 1, '\0');
  body[0] = 4;
  body[56] = 19;
  body += static_cast<char>(checksums ? 1 : 0);
  if (!checksums) body += std::string(4, '\0');  // there is always one; nobody looks at it then
  std::string text{15, kNowhere, static_cast<char>(body.size()), '\0'};
  text += body;
  Input in(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  std::uint32_t end = 0;
  return next_event(in, checksums, end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  Input in(data, size);
  const std::uint8_t flags = in.byte();
  const bool checksums = (flags & kChecksums) != 0;
  fuzz::MysqlDecoding decoding(flags);
  auto first = format_description(checksums);
  decoding.event(first, false);
  std::uint32_t end = 4;
  fuzz::allowed_to_refuse([&] {
    while (!in.empty()) {
      auto event = next_event(in, checksums, end);
      std::vector<std::byte> head{std::byte{0}};
      head.insert(head.end(), event.begin(), event.end());
      decoding.decoder.may_drop(head);
      decoding.event(event, false);
    }
  });
  return 0;
}
