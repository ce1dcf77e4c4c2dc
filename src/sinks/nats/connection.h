// One logged-in connection to a NATS server, never made again. Owned and called by the lane thread, or that of `plan`;
// whoever waits for its socket has receive() called then: a server ends a connection that leaves its PINGs unanswered,
// after some four minutes. (So ends that of a lane that has not begun, or is detached; it is then made anew.)
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/link.h"
#include "base/slab.h"
#include "net/tls.h"
#include "sinks/nats/ack.h"
#include "sinks/nats/config.h"
#include "sinks/nats/message.h"
#include "sinks/nats/protocol.h"

namespace deltaforge::sinks::nats {

// What orders a message in its stream. Empty: it is not asked for.
struct Expectation {
  std::optional<std::uint64_t> last_sequence;
  std::string_view last_id, stream;
};

struct Answer {
  std::uint64_t number;  // of the message
  Ack::Kind kind;
  std::uint64_t seq, stream;
  std::uint32_t code;
  std::string text;  // of a refusal
};

class Connection {
 public:
  // Connects and logs in. Throws Error: unavailable, auth, config, unsupported.
  Connection(const Config&, const Servers&, const Server&, const std::string& name);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& where() const { return where_; }
  std::size_t max_payload() const { return info_->max_payload; }
  int fd() const { return socket_.get(); }
  // It has more to write than the socket takes.
  bool wants_write() const { return written_ < out_.size() || link_->wants_write(); }
  bool has_tls() const { return tls_.has_value(); }
  // Answers that receive() would give without reading anything.
  bool has_answers() const { return !answers_.empty(); }
  // Whoever waits for the socket is woken once so many answers may be there, or the end.
  void wake_after(std::size_t answers);

  // What a service of the server answers; nothing: there is no such service. Waits. Throws Error{unavailable} when it
  // is silent, Error{auth} when this user may not ask.
  std::optional<std::string> ask(const std::string& subject, const std::string& request);

  // Takes the message over that the writer holds in `slab`. `number`: of the acknowledgement that it asks for; 0: none.
  void publish(const MessageWriter&, const Slab&, const Expectation&, std::uint64_t number);
  // Writes what the socket takes.
  void write();
  // Waits until the server has taken all of it. Throws Error: unavailable, auth.
  void flush();

  // Reads what has come: `to` is emptied and gets the answers.
  void receive(std::vector<Answer>& to);
  // Throws Error{unavailable, auth} once the connection is of no use any more. Nothing else tells of its end, for the
  // answers before it count.
  void check() const;

 private:
  struct Broken {
    ErrorKind kind;
    std::string what;
  };
  struct Reply {
    bool nobody;
    std::string text;
  };
  void log_in(const Config&, const Servers&, const Server&, const std::string& name, SteadyTime deadline);
  void start_tls(const Config&, const Server&, SteadyTime deadline);
  void append(std::string_view text) { out_.append(text); }
  void wake_after_bytes(int count);
  // Reads and takes what has come; notes the end.
  void read();
  void take(const ServerMessage&);
  void take_answer(const ServerMessage&);
  // The first cause stays, but one that an operator must mend goes before it.
  void end(Broken);
  // Writes and reads until `done`, or this connection ends; false: the time is over.
  template <class Done>
  bool wait(SteadyTime deadline, Done&& done);

  const std::chrono::milliseconds patience_;
  const std::string where_;
  const std::string inbox_;  // prefix of the subjects that answers come to
  Fd socket_;
  std::optional<net::Tls> tls_;  // goes before the socket
  std::optional<Link> link_;
  ServerReader reader_;
  std::optional<ServerInfo> info_;  // what the server said of itself last; there, once this is logged in
  Slab out_;                        // what goes to the socket, from written_ on
  std::size_t written_ = 0;
  std::size_t write_at_ = 0;  // publish() writes once so much waits
  int wake_after_ = 1;
  std::uint64_t pings_ = 0, pongs_ = 0;
  std::uint64_t asked_ = 0;  // the question whose answer is waited for
  std::optional<Reply> reply_;
  std::vector<Answer> answers_;
  std::optional<Broken> broken_;
};

// Tries the servers one after the other, from the one behind that of the last connection on. Throws Error: unavailable,
// auth, config.
std::unique_ptr<Connection> connect(const Config&, const std::string& name);

}  // namespace deltaforge::sinks::nats
