#include "sources/mysql/inflate.h"

#include <libdeflate.h>

#include <memory>

namespace deltaforge::sources::mysql {
namespace {

libdeflate_decompressor* decompressor() {
  struct Free {
    void operator()(libdeflate_decompressor* each) const { libdeflate_free_decompressor(each); }
  };
  thread_local const std::unique_ptr<libdeflate_decompressor, Free> kept(libdeflate_alloc_decompressor());
  return kept.get();
}

// `size` is what the server says; nothing inflates by more than deflate can, so a lie costs little memory.
bool inflate_to(Bytes from, bool raw, std::uint64_t size, Pages& pages, Bytes& result) {
  constexpr std::uint64_t kMostPerByte = 1032;
  if (size == 0 || size > UINT32_MAX || from.size() > UINT32_MAX || size / kMostPerByte > from.size()) return false;
  std::byte* to = pages.allocate(static_cast<std::size_t>(size), 1);
  result = {to, static_cast<std::size_t>(size)};
  const auto inflate = raw ? libdeflate_deflate_decompress_ex : libdeflate_zlib_decompress_ex;
  std::size_t taken = 0;
  return inflate(decompressor(), from.data(), from.size(), to, result.size(), &taken, nullptr) == LIBDEFLATE_SUCCESS &&
         taken == from.size();
}

// A size of 1 to 4 bytes, big-endian, after the byte that says how many. False: there is none.
bool read_size(Bytes& from, std::uint64_t& size) {
  std::size_t width = static_cast<std::size_t>(from[0]) & 0x07;
  if (width < 1 || width > 4 || from.size() <= width) return false;
  size = 0;
  for (std::size_t i = 1; i <= width; ++i) size = size << 8 | static_cast<std::uint64_t>(from[i]);
  from = from.subspan(1 + width);
  return true;
}

}  // namespace

Result<Bytes> inflate_mariadb(Bytes from, Pages& pages) {
  Bytes result;
  std::uint64_t size = 0;
  if (from.empty()) return DecodeFailure{"a compressed event without its compressed part", 0};
  unsigned head = static_cast<unsigned>(from[0]);
  if ((head & 0xF0) != 0x80) return DecodeFailure{"a compressed event of unknown algorithm", 0};
  if (!read_size(from, size) || !inflate_to(from, false, size, pages, result))
    return DecodeFailure{"a compressed event that is damaged", 0};
  return result;
}

bool inflate_column(Bytes from, Pages& pages, Bytes& value) {
  value = from;
  if (from.empty()) return true;
  unsigned head = static_cast<unsigned>(from[0]);
  if (head == 0) {
    value = from.subspan(1);
    return true;
  }
  std::uint64_t size = 0;
  return (head & 0xF0) == 0x80 && read_size(from, size) && inflate_to(from, (head & 0x08) != 0, size, pages, value);
}

}  // namespace deltaforge::sources::mysql
