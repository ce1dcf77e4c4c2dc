#include "encode/json_member.h"

#include <charconv>
#include <cstdint>

#include "encode/json_items.h"

namespace deltaforge::encode {
namespace {

bool append_utf8(std::uint32_t code, Slab& out) {
  auto put = [&out](std::uint32_t byte) { out.append(static_cast<char>(byte)); };
  if (code >= 0xD800 && code < 0xE000) return false;
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 63));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 63));
    put(0x80 | (code & 63));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 63));
    put(0x80 | (code >> 6 & 63));
    put(0x80 | (code & 63));
  }
  return true;
}

// The four digits of a \u at `at`; a lone surrogate's value when it is none.
std::uint32_t code_unit(std::string_view text, std::size_t at) {
  constexpr std::uint32_t kNone = 0xD800;
  std::uint32_t unit = 0;
  if (at + 4 > text.size()) return kNone;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 4, unit, 16);
  return error == std::errc() && end == text.data() + at + 4 ? unit : kNone;
}

}  // namespace

std::optional<std::string_view> json_member(std::string_view json, std::string_view name) {
  std::optional<std::string_view> found;
  JsonMembers members(json);
  for (std::string_view key, value; members.next(key, value);)
    if (key == name) found = value;
  return found;
}

bool append_unescaped(std::string_view string, Slab& out) {
  const std::size_t before = out.size();
  const std::string_view text = string.substr(1, string.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.append(text[i]);
      continue;
    }
    switch (const char c = text[++i]; c) {
      case 'b': out.append('\b'); break;
      case 'f': out.append('\f'); break;
      case 'n': out.append('\n'); break;
      case 'r': out.append('\r'); break;
      case 't': out.append('\t'); break;
      case 'u': {
        std::uint32_t code = code_unit(text, i + 1);
        i += 4;
        if (code >= 0xD800 && code < 0xDC00 && i + 3 <= text.size() && text.substr(i + 1, 2) == "\\u") {
          const std::uint32_t low = code_unit(text, i + 3);
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
            i += 6;
          }
        }
        if (!append_utf8(code, out)) {
          out.truncate(before);
          return false;
        }
        break;
      }
      default: out.append(c);
    }
  }
  return true;
}

}  // namespace deltaforge::encode
