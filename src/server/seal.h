// Text that the database alone does not reveal: AES-256-GCM under a key in a file of its own.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace deltaforge::server {

class Seal {
 public:
  // 32 random bytes in `key_file` (0600), made on first need. Without a file the key dies with the process.
  explicit Seal(std::string key_file) : key_file_(std::move(key_file)) {}

  // Base64 of nonce (12 bytes), tag (16) and text. `name` is what it belongs to: it opens under no other. Throws
  // Error{storage} when the key cannot be read, or made where it may be: a second key would hide that one was lost.
  std::string close(std::string_view text, std::string_view name, bool may_make_key = true);
  // Throws Error{storage} when the key is missing or another, or the text was changed.
  std::string open(std::string_view sealed, std::string_view name);

 private:
  using Key = std::array<unsigned char, 32>;
  const Key& key(bool may_make);

  const std::string key_file_;
  Key key_{};
  bool has_key_ = false;
};

}  // namespace deltaforge::server
