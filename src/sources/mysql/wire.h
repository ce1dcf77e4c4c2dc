// The binary log stream, read by ourselves on the socket and TLS session of an authenticated Session: libmariadb would
// copy every packet once more and wait in its own way. Non-blocking; source thread only. A lost link is
// Error{unavailable}.
#pragma once

#include <cstddef>
#include <optional>

#include "base/link.h"
#include "sources/mysql/connection.h"
#include "sources/mysql/packets.h"

namespace deltaforge::sources::mysql {

class Wire {
 public:
  // `session` must be idle, is used for nothing else from now on, and outlives this.
  Wire(Session& session, Placer& placer);

  // Sends one command, which must be less than 16 MB; waits until the socket has taken it.
  void send_command(Bytes command);

  // Reads until the socket has no more or the buffer is full. Returns the bytes read.
  std::size_t fill();
  // The last fill() read all that there was: only now may one poll.
  bool drained() const { return drained_; }
  std::optional<Packet> next() { return packets_.next(); }
  bool holds_part() const { return !packets_.empty(); }

  int fd() const { return link_.fd(); }
  short events() const;

 private:
  Link link_;
  Packets packets_;
  bool drained_ = false;
};

}  // namespace deltaforge::sources::mysql
