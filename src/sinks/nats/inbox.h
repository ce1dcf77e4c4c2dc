// What the client library's threads bring: acknowledgements, refusals, the end of the connection. They find an inbox by
// its number only, so that what comes after its end goes nowhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "sinks/nats/ack.h"

namespace deltaforge::sinks::nats {

struct Answer {
  std::uint64_t number;  // of the message
  Ack::Kind kind;
  std::uint64_t seq, stream;
  std::uint32_t code;
  std::string text;  // of a refusal
};

// Why the connection is of no use any more.
struct Broken {
  ErrorKind kind;
  std::string what;
};

class Inbox {
 public:
  // `wake` is called by the library's threads.
  static std::shared_ptr<Inbox> make(std::function<void()> wake);
  // Null: it is closed.
  static std::shared_ptr<Inbox> find(std::uint64_t id);

  std::uint64_t id() const { return id_; }

  // The library's threads.
  void take(Answer&&);
  void end(Broken);  // the first one counts, but a cause that stops the sink goes before any other

  // Lane thread: what has come since, in order; `to` is emptied first.
  void collect(std::vector<Answer>& to);
  // Lane thread: not to be woken before so many have come, or one that is no acknowledgement.
  void wake_after(std::size_t answers);
  std::optional<Broken> broken() const;
  // From here on nobody is woken.
  void close();

 private:
  explicit Inbox(std::function<void()> wake);

  const std::uint64_t id_;
  mutable std::mutex mutex_;  // guards what follows
  std::function<void()> wake_;
  std::vector<Answer> answers_;
  std::size_t enough_ = 1;
  std::optional<Broken> broken_;
};

}  // namespace deltaforge::sinks::nats
