// Who may use the API: bearer tokens, each with a role.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace deltaforge::server {

// In rising order: an admin may what a reader may.
enum class Role { none, read, admin };

std::string_view to_string(Role);

// Keeps digests only. Built before the first request, then read by any thread.
class Tokens {
 public:
  static constexpr std::size_t kMinBytes = 16;

  // One token a line; blank lines, and blanks around a token, do not count. Several are valid at once, so that one can
  // be replaced by another without a gap. `source` is the option or environment variable that gave them; it opens the
  // Error{config} for a token that is too short or holds what no header can carry, and for no token at all.
  void add(Role, std::string_view lines, std::string_view source);
  bool empty() const { return entries_.empty(); }

  // The role of who sent "Bearer <token>"; none for anything else. Takes the same time whichever token it is, or nearly
  // is.
  Role role_of(std::string_view authorization_header) const;

 private:
  using Digest = std::array<unsigned char, 32>;  // SHA-256
  struct Entry {
    Digest digest;
    Role role;
  };
  static Digest digest_of(std::string_view token);

  std::vector<Entry> entries_;
};

}  // namespace deltaforge::server
