// The replication stream, read and written by ourselves on the socket and TLS session of an authenticated Session.
// libpq would allocate per message, and may hold bytes back once it has read any of the stream: so the start command
// is sent from here too. Non-blocking; source thread only. A lost link is Error{unavailable}.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/link.h"
#include "sources/postgres/connection.h"
#include "sources/postgres/frames.h"

namespace deltaforge::sources::postgres {

class Wire {
 public:
  // `session` must be idle, is used for nothing else from now on, and outlives this.
  Wire(Session& session, Placer& placer);

  // Sends a simple query; its answer comes through next().
  void send_query(std::string_view sql);
  void send_copy_data(Bytes body);
  // Ends the session politely, as far as the socket takes it at once.
  void say_goodbye() noexcept;

  // Reads until the socket has no more or the buffer is full. Returns the bytes read.
  std::size_t fill();
  // The last fill() read all that there was: only now may one poll.
  bool drained() const { return drained_; }
  std::optional<Frame> next() { return frames_.next(); }
  bool holds_part() const { return !frames_.empty(); }

  int fd() const { return link_.fd(); }
  // For poll(): readable, and writable while something waits to be sent.
  short events() const;
  // Sends what waits. Called when poll() says writable.
  void flush();

 private:
  void queue(char type, Bytes body);

  Link link_;
  Frames frames_;
  std::string unsent_;
  bool drained_ = false;
};

}  // namespace deltaforge::sources::postgres
