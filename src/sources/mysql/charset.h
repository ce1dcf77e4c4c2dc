// Text in the character set of its column -> UTF-8. What is UTF-8 already is checked and not copied.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/pages.h"

namespace deltaforge::sources::mysql {

struct Charset {
  enum class Form : std::uint8_t { binary, ascii, utf8, single_byte, multi_byte, ucs2, utf16, utf16le, utf32 };
  std::string_view name;
  Form form = Form::binary;
  bool ascii_inside = true;  // a byte below 0x80 that starts a character is ASCII
  std::uint8_t index = 0;    // of its tables
};

// nullptr: no server that we know has a collation of this id. Any thread; the result lives for ever.
const Charset* charset_of(std::uint32_t collation);

// Some are converted by iconv, whose tables are files that a machine may lack (glibc's gconv modules).
bool is_convertible(const Charset&);

inline bool is_ascii(std::string_view text) {
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t seen = 0, eight = 0;
  for (; left >= 8; at += 8, left -= 8) {
    std::memcpy(&eight, at, 8);
    seen |= eight;
  }
  for (; left != 0; ++at, --left) seen |= static_cast<unsigned char>(*at);
  return (seen & 0x8080808080808080) == 0;
}

// Holds open converters: one thread's, for as long as it likes.
class TextConverter {
 public:
  TextConverter() = default;
  TextConverter(const TextConverter&) = delete;
  TextConverter& operator=(const TextConverter&) = delete;
  ~TextConverter();

  // `text` is `bytes` itself where nothing changes, else in `pages`. False: the bytes are not text of that character
  // set; nothing is ever replaced. Binary text must be UTF-8.
  bool to_utf8(const Charset& charset, std::string_view bytes, Pages& pages, std::string_view& text) {
    text = bytes;
    return (charset.ascii_inside && is_ascii(bytes)) || convert(charset, pages, text);
  }

 private:
  bool convert(const Charset&, Pages&, std::string_view& text);
  bool single_byte(const Charset&, Pages&, std::string_view& text);
  bool multi_byte(const Charset&, std::string_view bytes);
  bool through_iconv(const Charset&, std::string_view character);
  bool wide(const Charset&, std::string_view bytes);
  bool append(std::uint32_t code_point);

  static constexpr std::size_t kMultiBytes = 16;
  std::array<void*, kMultiBytes> iconv_{};  // opened when first needed
  std::string out_;                         // keeps its capacity
};

}  // namespace deltaforge::sources::mysql
