#include "encode/json_member.h"

#include <charconv>
#include <cstdint>

#include "encode/json_items.h"

namespace deltaforge::encode {
namespace {

template <class Put>
bool put_utf8(std::uint32_t code, Put put) {
  const auto byte = [&put](std::uint32_t value) { put(static_cast<char>(value)); };
  if (code >= 0xD800 && code < 0xE000) return false;
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 63));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 63));
    byte(0x80 | (code & 63));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 63));
    byte(0x80 | (code >> 6 & 63));
    byte(0x80 | (code & 63));
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

// Hands out, byte by byte, what stands between the quotes of a JSON string. False: an escape that cannot be written as
// UTF-8.
template <class Put>
bool unescape(std::string_view text, Put put) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      put(text[i]);
      continue;
    }
    switch (const char c = text[++i]; c) {
      case 'b': put('\b'); break;
      case 'f': put('\f'); break;
      case 'n': put('\n'); break;
      case 'r': put('\r'); break;
      case 't': put('\t'); break;
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
        if (!put_utf8(code, put)) return false;
        break;
      }
      default: put(c);
    }
  }
  return true;
}

// Whether the name that is written `raw` says `name`.
bool says(std::string_view raw, std::string_view name) {
  const auto is_escaped = [raw] { return raw.find('\\') != std::string_view::npos; };
  if (raw.size() <= name.size()) return raw == name && !is_escaped();  // escapes are longer than what they say
  if (!is_escaped()) return false;
  std::size_t at = 0;
  bool same = true;
  const bool readable = unescape(raw, [&](char c) {
    same = same && at < name.size() && name[at] == c;
    ++at;
  });
  return readable && same && at == name.size();
}

}  // namespace

std::optional<std::string_view> json_member(std::string_view json, std::string_view name) {
  std::optional<std::string_view> found;
  JsonMembers members(json);
  for (std::string_view key, value; members.next(key, value);)
    if (says(key, name)) found = value;
  return found;
}

bool append_unescaped(std::string_view string, Slab& out) {
  const std::size_t before = out.size();
  if (unescape(string.substr(1, string.size() - 2), [&out](char c) { out.append(c); })) return true;
  out.truncate(before);
  return false;
}

}  // namespace deltaforge::encode
