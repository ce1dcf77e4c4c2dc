// When to tell the server where we are, and what. Status messages go out unprompted, so that the connection lives
// through hours in which nothing is read; the flushed position is what release() said and nothing else, because it
// lets the server throw its log away. Pure: time comes in as an argument. Source thread only.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

#include "base/clock.h"
#include "sources/postgres/lsn.h"

namespace deltaforge::sources::postgres {

using StatusMessage = std::array<std::byte, 34>;

// A "standby status update". `wall_us`: microseconds since the Unix epoch.
StatusMessage status_message(Lsn written, Lsn flushed, std::int64_t wall_us, bool ask_for_reply);

class Feedback {
 public:
  // `timeout`: wal_sender_timeout of the session; zero means that the server never gives up.
  Feedback(std::chrono::milliseconds timeout, SteadyTime now);

  // Something came; or nothing is being read on purpose, so that silence says nothing about the server.
  void heard(SteadyTime now) {
    heard_ = now;
    asked_ = SteadyTime::max();
  }
  void reply_requested() { owed_ = true; }
  // A new position can be told. Not at once, or a busy pipeline would send one per batch.
  void news(SteadyTime now) { due_ = std::min(due_, std::max(now, sent_ + std::chrono::milliseconds(100))); }

  bool must_send(SteadyTime now) const { return owed_ || now >= due_; }
  bool owes_reply() const { return owed_; }
  void sent(SteadyTime now, bool asked_for_reply);
  // When must_send() becomes true by itself.
  SteadyTime due() const { return owed_ ? sent_ : due_; }

  // Long silence: ask for a sign of life with the next status.
  bool quiet(SteadyTime now) const { return now - heard_ >= interval_; }
  // We asked, and nothing came for so long that the link must be dead. To be called after a look at the socket: it may
  // be this process that stood still.
  bool dead(SteadyTime now) const { return now > asked_ && now - asked_ >= timeout_ - interval_; }

 private:
  Duration timeout_, interval_;
  SteadyTime heard_, sent_, due_;
  SteadyTime asked_;  // first question since the server was heard; the start command is one
  bool owed_ = false;
};

}  // namespace deltaforge::sources::postgres
