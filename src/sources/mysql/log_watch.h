// Whether the server's log is still the one that the stream reads. A server whose log is reset goes on to send
// heartbeats out of the file that it deleted, as if nothing were written any more. Source thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "sources/mysql/connection.h"
#include "sources/mysql/place.h"
#include "sources/mysql/server.h"

namespace deltaforge::sources::mysql {

class LogWatch {
 public:
  LogWatch(Session::Options options, const ServerFacts& server, const BinlogPosition& start, std::string& doubted)
      : options_(std::move(options)), server_(server), start_(start), doubted_(doubted) {}

  // A heartbeat: the server says that it has nothing behind `said` (modulo 2^32; 0: it does not say). `read`: our own
  // place. Asks the server on a connection of its own; one that cannot be had is tried again at the next heartbeat.
  void heartbeat(const Place& read, std::uint32_t said);
  // How much of the log lies behind `read`; -1: the server does not say.
  std::int64_t lag_bytes(const Place& read);

 private:
  // What `question` says, on the connection of our own; none: it cannot be had, or is another server's.
  template <class Question>
  auto ask(Question question) -> std::optional<decltype(question(std::declval<Session&>()))>;

  const Session::Options options_;
  const ServerFacts& server_;
  const BinlogPosition start_;
  std::optional<Session> session_;
  SteadyTime asked_{};    // heartbeats that waited for us while we did not listen count as one
  std::string behind_;    // where the server said that nothing follows, and something did
  std::string& doubted_;  // where we connected again for that: once is enough, the checks of the start have the word
};

}  // namespace deltaforge::sources::mysql
