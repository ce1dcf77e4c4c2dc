#include "sources/postgres/feedback.h"

#include "sources/postgres/pgoutput.h"

namespace deltaforge::sources::postgres {

using namespace std::chrono_literals;

StatusMessage status_message(Lsn written, Lsn flushed, std::int64_t wall_us, bool ask_for_reply) {
  StatusMessage message{};
  message[0] = std::byte{'r'};
  std::size_t at = 1;
  // Written, flushed, applied, our clock. Applied is what the server shows; the slot follows flushed alone.
  for (std::uint64_t value :
       {number(written), number(flushed), number(flushed), static_cast<std::uint64_t>(wall_us - kPostgresEpochUs)})
    for (int shift = 56; shift >= 0; shift -= 8) message[at++] = static_cast<std::byte>(value >> shift);
  message[at] = std::byte{ask_for_reply};
  return message;
}

Feedback::Feedback(std::chrono::milliseconds timeout, SteadyTime now)
    : timeout_(timeout.count() > 0 ? Duration(timeout) : Duration(60s)),
      interval_(std::min<Duration>(timeout_ / 3, 10s)),
      heard_(now),
      sent_(now),
      due_(now),
      asked_(now) {}

void Feedback::sent(SteadyTime now, bool asked_for_reply) {
  sent_ = now;
  if (asked_for_reply) asked_ = std::min(asked_, now);
  due_ = now + interval_;
  owed_ = false;
}

}  // namespace deltaforge::sources::postgres
