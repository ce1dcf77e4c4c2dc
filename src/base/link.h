// A connected socket with or without TLS, read and written without ever blocking. Owns neither: both belong to
// whoever logged in. One thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge {

// A host that is this machine itself.
inline bool is_loopback(std::string_view host) {
  return host == "localhost" || host.starts_with("127.") || host == "::1";
}

class Link {
 public:
  // `name` opens the message of the Error{unavailable} that a lost link throws: "the connection to db:3306".
  // `tls` is an SSL*, or null.
  Link(int fd, void* tls, std::string name) : fd_(fd), tls_(tls), name_(std::move(name)) {}

  // Bytes read; 0 when there are none just now.
  std::size_t read(std::span<std::byte>);
  // Reads into a framer, which has space() for bytes and is told how many have filled() it, until that is full or, then
  // `drained`, there are no more just now. Returns how many came.
  template <class Framer>
  std::size_t fill(Framer& framer, bool& drained) {
    std::size_t total = 0;
    drained = false;
    for (;;) {
      std::span<std::byte> space = framer.space();
      if (space.empty()) return total;
      std::size_t got = 0;
      try {
        got = read(space);
      } catch (const Error&) {
        // The server's last word, why it hangs up, came before the end. Asked again, read() says the same.
        if (total == 0) throw;
        return total;
      }
      if (got > 0) framer.filled(got);
      total += got;
      // TLS hands out one record at a time; a short read of a plain socket says that there is no more.
      drained = got == 0 || (!has_tls() && got < space.size());
      if (drained) return total;
    }
  }
  // Bytes taken; 0 when the socket is full.
  std::size_t write(Bytes);

  int fd() const { return fd_; }
  bool has_tls() const { return tls_ != nullptr; }
  // The last read() can go on only when the socket is writable.
  bool wants_write() const { return wants_write_; }
  [[noreturn]] void lost(const std::string& why) const;

 private:
  std::size_t read_tls(std::span<std::byte>);
  std::size_t write_tls(Bytes);

  int fd_;
  void* tls_;
  std::string name_;
  bool wants_write_ = false;
};

}  // namespace deltaforge
