#include "sinks/nats/subject.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "encode/destination.h"

namespace deltaforge::sinks::nats {
namespace {

// First tokens that are the server's or a client's own.
constexpr auto kInternalTokens =
    std::to_array<std::string_view>({"$JS", "$SYS", "$SRV", "$NRG", "_INBOX", "_R_", "_GR_"});

bool is_internal(std::string_view subject) {
  if (subject.empty() || (subject[0] != '$' && subject[0] != '_')) [[likely]]
    return false;
  return std::ranges::find(kInternalTokens, subject.substr(0, subject.find('.'))) != kInternalTokens.end();
}

std::string_view next_token(std::string_view& rest) {
  const std::size_t dot = rest.find('.');
  const std::string_view token = rest.substr(0, dot);
  rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  return token;
}

}  // namespace

std::string_view server_problem(std::string_view subject) {
  if (subject.size() > kLongestSubject) return "it is longer than 1024 bytes";
  return is_internal(subject) ? "it belongs to the server" : std::string_view();
}

std::string template_problem(const config::Template& text) {
  std::string_view problem = encode::template_problem(text);
  if (problem.empty()) problem = server_problem(encode::shape_of(text));
  return problem.empty() ? std::string()
                         : fmt::format("nothing can be published to the subject '{}': {}", text.text(), problem);
}

bool captures(std::string_view pattern, std::string_view subject) {
  while (!pattern.empty() && !subject.empty()) {
    const std::string_view wanted = next_token(pattern), token = next_token(subject);
    if (wanted == ">") return true;
    if (wanted != "*" && wanted != token) return false;
  }
  return pattern.empty() && subject.empty();
}

std::string cover(const config::Template& text) {
  if (text.is_static()) return text.parts().empty() ? std::string() : text.parts()[0].text;
  const auto& first = text.parts()[0];
  const std::string head = first.what == config::Template::What::literal ? first.text : std::string();
  const std::size_t dot = head.rfind('.');
  return (dot == std::string::npos ? std::string() : head.substr(0, dot + 1)) + ">";
}

}  // namespace deltaforge::sinks::nats
