// A place in PostgreSQL's write-ahead log, written %X/%X.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace deltaforge::sources::postgres {

enum class Lsn : std::uint64_t {};

inline std::uint64_t number(Lsn lsn) { return static_cast<std::uint64_t>(lsn); }

// "FFFFFFFF/FFFFFFFF" at most. Returns the number of characters.
inline std::size_t print_lsn(Lsn lsn, char (&to)[18]) {
  auto put = [](char* first, char* last, std::uint32_t half) {
    char* end = std::to_chars(first, last, half, 16).ptr;
    for (char* at = first; at < end; ++at)
      if (*at >= 'a') *at = static_cast<char>(*at - 'a' + 'A');
    return end;
  };
  char* end = put(to, to + 8, static_cast<std::uint32_t>(number(lsn) >> 32));
  *end++ = '/';
  end = put(end, to + 18, static_cast<std::uint32_t>(number(lsn)));
  return static_cast<std::size_t>(end - to);
}

inline std::string to_string(Lsn lsn) {
  char text[18];
  return {text, print_lsn(lsn, text)};
}

inline std::optional<Lsn> parse_lsn(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto half = [](std::string_view digits) -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.size() > 8) return std::nullopt;
    return value;
  };
  auto high = half(text.substr(0, slash));
  auto low = half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn{std::uint64_t{*high} << 32 | *low};
}

}  // namespace deltaforge::sources::postgres
