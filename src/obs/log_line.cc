#include "obs/log_line.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <iterator>
#include <variant>

namespace deltaforge::obs {

std::string_view to_string(Level level) {
  switch (level) {
    case Level::trace: return "trace";
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "error";
}

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Size of the well-formed UTF-8 sequence at the front (Unicode table 3-7), or 0.
std::size_t utf8_size(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto tail = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool fits = first == 0xE0 ? second >= 0xA0 : first == 0xED ? second <= 0x9F : true;
    return fits && tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool fits = first == 0xF0 ? second >= 0x90 : first == 0xF4 ? second <= 0x8F : true;
    return fits && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// JSON string rules. DEL and the C1 controls are escaped too: a terminal obeys them.
void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    const unsigned first = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      out += kReplacement;
    } else if (text[0] == '"' || text[0] == '\\') {
      out += '\\';
      out += text[0];
    } else if (text[0] == '\n') {
      out += "\\n";
    } else if (text[0] == '\t') {
      out += "\\t";
    } else if (first < 0x20 || first == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", first);
    } else if (first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(text[1]));
    } else {
      out.append(text, 0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

void append_time(std::string& out, std::int64_t wall_us) {
  const std::time_t seconds = wall_us / 1'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, wall_us % 1'000'000);
}

bool plain(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,;()[]{}";
  return !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos;
}

void append_value(std::string& out, Format format, const Field& field) {
  std::visit(
      [&]<class T>(const T& value) {
        if constexpr (std::is_same_v<T, std::string_view>) {
          if (format == Format::text && plain(value))
            out += value;
          else
            append_quoted(out, value);
        } else if constexpr (std::is_same_v<T, double>) {
          if (std::isfinite(value))
            fmt::format_to(std::back_inserter(out), "{}", value);
          else
            fmt::format_to(std::back_inserter(out), "\"{}\"", value);
        } else {
          fmt::format_to(std::back_inserter(out), "{}", value);
        }
      },
      field.value);
}

}  // namespace

std::string log_line(Format format, std::int64_t wall_us, Level level, std::string_view message,
                     std::span<const Field> fields) {
  std::string out;
  out.reserve(128 + message.size());
  if (format == Format::json) {
    out += R"({"ts":")";
    append_time(out, wall_us);
    out += R"(","level":")";
    out += to_string(level);
    out += R"(","message":)";
    append_quoted(out, message);
    for (const Field& field : fields) {
      out += ',';
      append_quoted(out, field.key);
      out += ':';
      append_value(out, format, field);
    }
    out += '}';
  } else {
    append_time(out, wall_us);
    fmt::format_to(std::back_inserter(out), " {:<5} ", to_string(level));
    append_escaped(out, message);
    for (const Field& field : fields) {
      out += ' ';
      append_escaped(out, field.key);
      out += '=';
      append_value(out, format, field);
    }
  }
  out += '\n';
  return out;
}

}  // namespace deltaforge::obs
