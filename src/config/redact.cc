#include "config/redact.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

#include "config/secret.h"

namespace deltaforge::config {
namespace {

constexpr std::array<std::string_view, 13> kSecretWords = {
    "password", "passwd", "passphrase", "secret", "token",      "credential", "jaas",
    "keypem",   "apikey", "accesskey",  "auth",   "privatekey", "cookie"};

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Length of "user:password" in the text after "://", 0 when there is none. Passwords with unescaped `/` or `@` count.
std::size_t user_part(std::string_view text) {
  const std::string_view authority = text.substr(0, text.find_first_of("/?# \t\n"));
  std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) return at;
  const std::size_t colon = authority.find(':');
  if (colon == std::string_view::npos || all_digits(authority.substr(colon + 1))) return 0;
  at = text.rfind('@');
  return at == std::string_view::npos ? 0 : at;
}

std::string mask_urls(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) return out + std::string(text);
    out += text.substr(0, scheme + 3);
    text.remove_prefix(scheme + 3);
    const std::size_t user = user_part(text.substr(0, text.find("://")));
    if (user == 0) continue;
    const std::size_t colon = text.substr(0, user).find(':');
    if (colon != std::string_view::npos) out += text.substr(0, colon + 1);
    out += Secret::kMask;
    text.remove_prefix(user);
  }
}

// Length of the value after `=`: quoted as in a libpq connection string, or up to a separator.
std::size_t value_length(std::string_view text) {
  if (!text.starts_with('\'')) return std::min(text.find_first_of("&;, \t\n"), text.size());
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '\'') {
      return i + 1;
    }
  }
  return text.size();
}

// The name that ends the text, blanks after it left out.
std::string_view name_before(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin > 0 && is_name_char(text[begin - 1])) --begin;
  return text.substr(begin);
}

}  // namespace

bool names_secret(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](std::string_view word) { return folded.find(word) != std::string::npos; });
}

std::string mask_secrets(std::string_view original) {
  const std::string urls_masked = mask_urls(original);
  std::string_view text = urls_masked;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '=' || !names_secret(name_before(text.substr(0, i)))) continue;
    // libpq allows blanks around `=`.
    while (i + 1 < text.size() && text[i + 1] == ' ') out += text[++i];
    out += Secret::kMask;
    i += value_length(text.substr(i + 1));
  }
  return out;
}

}  // namespace deltaforge::config
