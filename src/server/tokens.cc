#include "server/tokens.h"

#include <algorithm>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/ascii.h"
#include "base/error.h"

namespace deltaforge::server {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The token behind "Bearer ", whose letters may be of either case; nothing when the scheme is another.
std::string_view bearer_token(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  header = trimmed(header);
  const bool bearer = header.size() > kScheme.size() && starts_with_ignoring_case(header, kScheme);
  return bearer ? trimmed(header.substr(kScheme.size())) : std::string_view();
}

Error unusable(std::string_view source, const std::string& why) {
  return {ErrorKind::config, std::string(source) + ": " + why,
          "a token is a line of at least " + std::to_string(Tokens::kMinBytes) +
              " letters, digits or signs without blanks; make one with: openssl rand -hex 32"};
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::none: return "none";
    case Role::read: return "read";
    case Role::admin: return "admin";
  }
  return "?";
}

Tokens::Digest Tokens::digest_of(std::string_view token) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

void Tokens::add(Role role, std::string_view lines, std::string_view source) {
  std::size_t before = entries_.size();
  for (std::size_t number = 1; !lines.empty(); ++number) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    std::string_view token = trimmed(line);
    if (token.empty()) continue;
    if (token.size() < kMinBytes)
      throw unusable(source, "the token in line " + std::to_string(number) + " is too short");
    if (!std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; }))
      throw unusable(source,
                     "the token in line " + std::to_string(number) + " holds a byte that is none of ASCII's signs");
    entries_.push_back({digest_of(token), role});
  }
  if (entries_.size() == before) throw unusable(source, "it holds no token");
}

Role Tokens::role_of(std::string_view authorization_header) const {
  Digest given = digest_of(bearer_token(authorization_header));
  Role role = Role::none;
  for (const Entry& entry : entries_)
    if (CRYPTO_memcmp(given.data(), entry.digest.data(), given.size()) == 0) role = std::max(role, entry.role);
  return role;
}

}  // namespace deltaforge::server
