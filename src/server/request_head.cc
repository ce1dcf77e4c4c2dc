#include "server/request_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"
#include "server/problem.h"

namespace deltaforge::server {

namespace {

constexpr std::size_t kMaxHeaders = 100;

bool control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

// A token of RFC 9110: no space before the colon, among others.
bool is_token(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](char c) {
    const char small = to_lower(c);
    return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || kMarks.find(c) != std::string_view::npos;
  });
}

bool has_encoded_control(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    std::string_view digits = path.substr(at + 1, 2);
    unsigned char byte = 0;
    const char* end = digits.data() + digits.size();
    auto [stop, error] = std::from_chars(digits.data(), end, byte, 16);
    if (digits.size() == 2 && error == std::errc() && stop == end && control(byte)) return true;
  }
  return false;
}

std::string_view flaw_of_target(std::string_view target) {
  if (!target.starts_with('/')) return "the request's target is not a path";
  if (std::ranges::any_of(target, control) || has_encoded_control(target.substr(0, target.find('?'))))
    return "a control byte in the path";
  return {};
}

std::string_view flaw_of_headers(const RequestHead& head) {
  constexpr std::array<std::string_view, 6> kOnce{"host",         "content-length", "transfer-encoding",
                                                  "content-type", "authorization",  "origin"};
  std::array<int, kOnce.size()> seen{};
  for (const auto& [name, value] : head.headers) {
    if (!is_token(name)) return "the name of a header is malformed";
    if (std::ranges::any_of(value, [](char c) { return control(static_cast<unsigned char>(c)) && c != '\t'; }))
      return "a control byte in a header";
    for (std::size_t i = 0; i < kOnce.size(); ++i)
      if (equal_ignoring_case(name, kOnce[i]) && ++seen[i] > 1) return "a header that may stand once stands twice";
  }
  bool length = seen[1] != 0, encoded = seen[2] != 0;
  if (length && encoded) return "Content-Length beside Transfer-Encoding";
  if (encoded && (!equal_ignoring_case(head.header("transfer-encoding"), "chunked") || head.version != "HTTP/1.1"))
    return "Transfer-Encoding other than chunked";
  return {};
}

}  // namespace

std::string_view RequestHead::header(std::string_view name) const {
  auto found =
      std::ranges::find_if(headers, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
  return found == headers.end() ? std::string_view() : found->second;
}

std::optional<Response> refuse(const RequestHead& head) {
  if (head.headers.size() > kMaxHeaders) return problem(431, "HEADERS_TOO_MANY", "more than 100 headers");
  std::string_view flaw = flaw_of_target(head.target);
  if (flaw.empty()) flaw = flaw_of_headers(head);
  if (flaw.empty()) return std::nullopt;
  return problem(400, "BAD_REQUEST", flaw);
}

}  // namespace deltaforge::server
