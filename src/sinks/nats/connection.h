// One connection to a NATS server, never made again: its end is told to the inbox. Lane thread, or that of `plan`.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/slab.h"
#include "core/sink.h"
#include "sinks/nats/config.h"
#include "sinks/nats/inbox.h"
#include "sinks/nats/message.h"

namespace deltaforge::sinks::nats {

// What orders a message in its stream. Empty: it is not asked for.
struct Expectation {
  std::optional<std::uint64_t> last_sequence;
  const char* last_id = nullptr;
  const char* stream = nullptr;
};

class Connection {
 public:
  // Tries the servers one after the other. Throws Error: unavailable, auth, config.
  Connection(const Config&, const std::string& name, std::shared_ptr<Inbox>);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Does not wait: what is not written yet is dropped, or written by then.
  ~Connection();

  const std::string& where() const { return where_; }
  std::size_t max_payload() const;

  // What a service of the server answers; nothing: there is no such service. Throws Error{unavailable} when it is
  // silent, Error{auth} when this user may not ask.
  std::optional<std::string> ask(const std::string& subject, const std::string& request);

  // Hands the message over that the writer holds in `slab`. `number`: of the acknowledgement that it asks for; 0: none.
  // Throws Error{unavailable}.
  void publish(const MessageWriter&, Slab&, const Expectation&, std::uint64_t number);
  // Waits until the server has taken all of it. Throws Error: unavailable, auth.
  void flush();

 private:
  struct Library;
  [[noreturn]] void lost(std::string_view doing, int status) const;

  const std::chrono::milliseconds patience_;
  const std::shared_ptr<Inbox> inbox_;
  std::unique_ptr<Library> library_;
  std::string where_;
  std::string reply_;  // the prefix of reply subjects
};

}  // namespace deltaforge::sinks::nats
