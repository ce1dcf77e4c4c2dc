// One logged-in connection to a Redis server. Owned and called by the lane thread. Constructed it is ready for
// commands; what was sent and not answered is gone with it.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/link.h"
#include "net/tls.h"
#include "sinks/redis/config.h"
#include "sinks/redis/resp.h"

namespace deltaforge::sinks::redis {

class Connection {
 public:
  // Connects, within connect_timeout_secs, and logs in. Throws Error{unavailable, auth, config, unsupported}.
  Connection(const Config&, const Target&);

  Link& link() { return *link_; }
  ReplyReader& replies() { return replies_; }
  int fd() const { return socket_.get(); }

  // The one answer to a command that only reads; nothing when it is refused. Waits like setting().
  std::optional<std::string> look(std::initializer_list<std::string_view> command);
  // A setting of the server; nothing when it does not tell. Waits, within connect_timeout_secs from the constructor.
  std::optional<std::string> setting(std::string_view name);

 private:
  // Sends one command and waits for the first part of its answer, which is valid until the next call.
  Reply ask(std::initializer_list<std::string_view> command);
  Reply next_reply();
  // Throws what an error reply means. `doing` opens the message.
  void expect_no_error(const Reply&, std::string_view doing) const;

  const Target& target_;
  const SteadyTime deadline_;
  Fd socket_;
  std::optional<net::Tls> tls_;  // goes before the socket
  std::optional<Link> link_;
  ReplyReader replies_;
};

}  // namespace deltaforge::sinks::redis
