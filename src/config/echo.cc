#include "config/echo.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/redact.h"
#include "config/secret.h"
#include "config/wording.h"

namespace deltaforge::config {

void Echo::separate() {
  if (!first_) text_ += ',';
  first_ = false;
}

void Echo::begin_map() {
  separate();
  text_ += '{';
  first_ = true;
}

void Echo::end_map() {
  text_ += '}';
  first_ = false;
}

void Echo::begin_list() {
  separate();
  text_ += '[';
  first_ = true;
}

void Echo::end_list() {
  text_ += ']';
  first_ = false;
}

void Echo::key(std::string_view name) {
  separate();
  quote(name);
  text_ += ':';
  first_ = true;
}

void Echo::null() {
  separate();
  text_ += "null";
}

void Echo::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
}

void Echo::literal(std::string_view number) {
  separate();
  text_ += number;
}

void Echo::number(std::int64_t value) {
  separate();
  text_ += fmt::to_string(value);
}

void Echo::number(std::uint64_t value) {
  separate();
  text_ += fmt::to_string(value);
}

void Echo::number(double value) {
  separate();
  text_ += fmt::to_string(value);
}

void Echo::string(std::string_view value) {
  separate();
  quote(mask_secrets(value));
}

void Echo::secret(bool empty) {
  separate();
  quote(empty ? "" : Secret::kMask);
}

void Echo::quote(std::string_view value) {
  text_ += '"';
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    const char c = value.front();
    if (length == 0) {
      text_ += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      (text_ += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      text_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      text_ += value.substr(0, length);
    }
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
  text_ += '"';
}

}  // namespace deltaforge::config
