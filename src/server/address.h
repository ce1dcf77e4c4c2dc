// Where a listener of ours stands: "host:port", "[v6]:port".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace deltaforge::server {

struct Address {
  std::string host;
  std::uint16_t port = 0;

  // Nothing when `text` is not an address: host and port are both needed, and the port is a number up to 65535.
  static std::optional<Address> parse(std::string_view text);
  std::string to_string() const;
  // Can only this machine reach it? Names other than localhost count as "no".
  bool loopback() const;
};

// A listening TCP socket. `option` is the flag that set the address; it goes into the Error{unavailable}.
Fd listen_on(const Address&, std::string_view option);
// The port that the kernel chose for port 0.
std::uint16_t local_port(const Fd&);

}  // namespace deltaforge::server
