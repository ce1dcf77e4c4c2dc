#include "sources/postgres/stream.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/error.h"
#include "sources/postgres/checks.h"
#include "sources/postgres/errors.h"

namespace deltaforge::sources::postgres {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookInterval = 5s;
constexpr auto kSilentInterval = 1s;  // until the server is heard again
// A wait this long means that the server had nothing to send.
constexpr auto kLongWait = 500us;

constexpr std::size_t kDataHeader = 25;  // 'w', start, end, clock

std::string start_command(const std::string& slot, Lsn start, const std::string& publications, bool messages) {
  std::string names;
  for (char c : publications) names += c == '\'' ? "''" : std::string(1, c);
  return fmt::format("START_REPLICATION SLOT \"{}\" LOGICAL {} (proto_version '1', publication_names '{}'{})", slot,
                     to_string(start), names, messages ? ", messages 'true'" : "");
}

}  // namespace

Stream::Stream(Parts parts)
    : parts_(std::move(parts)),
      wire_(parts_.session, *this),
      decoder_(parts_.decoder, parts_.relations, parts_.intake, parts_.messages),
      feedback_(parts_.server.wal_sender_timeout, std::chrono::steady_clock::now()),
      received_(parts_.start),
      idle_(parts_.start),
      next_look_(std::chrono::steady_clock::now() + kLookInterval) {}

void Stream::run() {
  std::uint64_t none = 0;
  parts_.shared.began.compare_exchange_strong(none, number(parts_.start), std::memory_order_relaxed);
  wire_.send_query(start_command(parts_.slot, parts_.start, parts_.publications, parts_.messages != nullptr));
  while (!parts_.stop.stop_requested()) {
    SteadyTime now = std::chrono::steady_clock::now();
    service(now);
    if (!parts_.intake.room()) {
      feedback_.heard(now);
      wait(false);
      continue;
    }
    std::size_t got = wire_.fill();
    if (got > 0) {
      feedback_.heard(now);
      parts_.shared.received_bytes.fetch_add(got, std::memory_order_relaxed);
      parts_.shared.heard_ns.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    } else if (feedback_.dead(now)) {
      throw Error(ErrorKind::unavailable,
                  "nothing came from the server for the time of its wal_sender_timeout: the "
                  "replication connection is taken for dead");
    }
    if (!consume() || !wire_.drained()) continue;
    if (const auto pause = pacer_.pause_after(got); pause > Pacer::Pause::zero()) {
      const timespec time{0, std::chrono::nanoseconds(pause).count()};
      ::nanosleep(&time, nullptr);
      continue;
    }
    if (!decoder_.in_transaction() && !wire_.holds_part()) parts_.intake.drained();
    wait(true);
  }
  if (streaming_) send_status(std::chrono::steady_clock::now());
  wire_.say_goodbye();
}

// A row of a foreign table, however large, is read past; everything else that is larger than the buffer has to be
// looked at as a whole.
std::byte* Stream::place(char type, Bytes head, std::size_t size) {
  bool is_data = type == 'd' && !head.empty() && static_cast<char>(head[0]) == 'w';
  if (is_data && decoder_.may_drop(head.subspan(kDataHeader))) return nullptr;
  return parts_.intake.pages().allocate(size, 1);
}

bool Stream::consume() {
  while (auto frame = wire_.next()) {
    const std::uint64_t commits = decoder_.commits();
    handle(*frame);
    if (decoder_.commits() != commits && !parts_.intake.room()) return false;
  }
  return true;
}

void Stream::handle(Frame& frame) {
  switch (frame.type) {
    case 'd': return copy_data(frame);
    case 'W':
      streaming_ = true;
      parts_.connected();
      return;
    case 'E': server_failed(frame.body);
    case 'N':
    case 'S':
    case 'A': return;  // notice, changed setting, notification
    case 'c':
    case 'C':
    case 'Z': throw Error(ErrorKind::unavailable, "the server ended the replication stream: it is shutting down");
    default:
      throw Error(ErrorKind::undecodable,
                  fmt::format("reading the replication stream after {}: unknown protocol message type {}",
                              to_string(received_), static_cast<int>(frame.type)));
  }
}

void Stream::copy_data(Frame& frame) {
  char type = frame.body.empty() ? '\0' : static_cast<char>(frame.body[0]);
  if (type == 'k') return keepalive(frame.body);
  if (type != 'w' || frame.body.size() < kDataHeader)
    throw Error(ErrorKind::undecodable,
                fmt::format("reading the replication stream after {}: unknown copy data type {}", to_string(received_),
                            static_cast<int>(type)));
  Lsn at{ByteReader(Bytes(frame.body).subspan(1)).u64()};
  received_ = std::max(received_, at);
  decoder_.message(frame.body.subspan(kDataHeader), frame.placed, at);
  received_ = std::max(received_, decoder_.end());
}

// Everything up to here was sent to us. Between two transactions that makes it a position, by which a slot advances
// over what other databases write.
void Stream::keepalive(Bytes body) {
  ByteReader in(body.subspan(1));
  Lsn end{in.u64()};
  in.u64();  // the server's clock
  bool wants_reply = in.u8() != 0;
  if (!in.ok()) throw Error(ErrorKind::undecodable, "reading the replication stream: a keepalive ends early");
  received_ = std::max(received_, end);
  if (!decoder_.in_transaction() && end > std::max(idle_, decoder_.end())) {
    idle_ = end;
    parts_.intake.idle(Mark::of(WalMark{end, 0, parts_.server.timeline}));
  }
  if (wants_reply) feedback_.reply_requested();
}

void Stream::service(SteadyTime now) {
  parts_.shared.wake.clear();
  parts_.shared.received.store(number(received_), std::memory_order_relaxed);
  if (!streaming_) return;
  if (parts_.shared.released.load(std::memory_order_acquire) > told_) feedback_.news(now);
  if (feedback_.must_send(now)) send_status(now);
  if (now < next_look_) return;
  // A question to a server that has gone silent would only hide from us that the link is dead.
  bool silent = feedback_.quiet(now);
  if (!silent) parts_.look();
  next_look_ = std::chrono::steady_clock::now() + (silent ? kSilentInterval : kLookInterval);
}

void Stream::send_status(SteadyTime now) {
  // The meet may have been ahead of what this connection was sent so far.
  Lsn flushed{parts_.shared.released.load(std::memory_order_acquire)};
  received_ = std::max(received_, flushed);
  std::int64_t wall = Clock::system().wall_us();
  bool owed = feedback_.owes_reply();
  bool ask = !owed && feedback_.quiet(now);
  wire_.send_copy_data(status_message(received_, flushed, wall, ask));
  // We speak unprompted, so a server that asks is one that wants to shut down and waits until it has nothing to send
  // us any more. Without a flushed position it goes by the written one; the slot stays where it is.
  if (owed && flushed < received_ && !decoder_.in_transaction() && !wire_.holds_part())
    wire_.send_copy_data(status_message(received_, Lsn{}, wall, false));
  told_ = number(flushed);
  feedback_.sent(now, ask);
}

void Stream::wait(bool listen) {
  SteadyTime now = std::chrono::steady_clock::now();
  SteadyTime until = std::min({parts_.intake.deadline(), feedback_.due(), next_look_});
  auto left = std::max<Duration>(until - now, Duration::zero());
  auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  timespec timeout{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
  // Without listening the socket still reports a link that broke.
  short events = listen ? wire_.events() : static_cast<short>(wire_.events() & POLLOUT);
  std::array<pollfd, 4> fds{{{wire_.fd(), events, 0},
                             {parts_.intake.wake_fd(), POLLIN, 0},
                             {parts_.shared.wake.fd(), POLLIN, 0},
                             {parts_.stop_fd, POLLIN, 0}}};
  if (::ppoll(fds.data(), fds.size(), &timeout, nullptr) < 0 && errno != EINTR)
    throw Error(ErrorKind::unavailable, "waiting for the server failed");
  if ((fds[0].revents & POLLOUT) != 0) wire_.flush();
  if (!listen && (fds[0].revents & (POLLERR | POLLHUP)) != 0)
    throw Error(ErrorKind::unavailable, "the replication connection was lost while nothing could be read");
  if (std::chrono::steady_clock::now() - now >= kLongWait) pacer_.waited();
}

void Stream::server_failed(Bytes body) const {
  ServerError error = read_server_error(body);
  std::string doing =
      streaming_ ? "streaming after " + to_string(received_)
                 : fmt::format("starting replication from slot {} at {}", parts_.slot, to_string(parts_.start));
  std::string place = to_string(received_);
  if (error.sqlstate == "42704" && error.message.find("publication") != std::string::npos)
    throw position_lost(fmt::format("the log after {} was written while the publication did not exist, it cannot be "
                                    "read with a later one ({})",
                                    place, error.message),
                        parts_.slot);
  if (error.sqlstate == "42704" || error.sqlstate == "58P01")
    throw position_lost(fmt::format("the server cannot send the changes after {}: {}", place, error.message),
                        parts_.slot);
  // Failures to decode or to send a change come again at every attempt. Nothing is skipped.
  bool permanent = streaming_ && (error.sqlstate.starts_with("22") || error.sqlstate.starts_with("42") ||
                                  error.sqlstate.starts_with("54") || error.sqlstate.starts_with("XX"));
  if (permanent && error.sqlstate != "42501")
    throw Error(ErrorKind::undecodable, fmt::format("{}: {} [{}]", doing, error.message, error.sqlstate), error.hint);
  throw to_error(doing, error);
}

}  // namespace deltaforge::sources::postgres
