#include "sources/mysql/stream.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/error.h"
#include "sources/mysql/errors.h"

namespace deltaforge::sources::mysql {
namespace {

using namespace std::chrono_literals;

// The server speaks when it has had nothing to say for so long. Three silences in a row: the link is dead.
constexpr auto kHeartbeat = 5s;
constexpr auto kSilence = 15s;
// A server that must seek the place to begin at sends nothing meanwhile.
constexpr auto kSeekTime = 120s;
constexpr auto kTellInterval = 1s;
constexpr auto kLookInterval = 5s;

constexpr std::byte kDump{0x12}, kDumpGtid{0x1E};

void put(std::vector<std::byte>& to, std::uint64_t number, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) to.push_back(static_cast<std::byte>(number >> (8 * i)));
}

void put(std::vector<std::byte>& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

}  // namespace

void prepare_session(Session& session, const ServerFacts& server, const BinlogPosition& start,
                     const std::string& uuid) {
  const auto period = std::chrono::nanoseconds(kHeartbeat).count();
  const bool mariadb = server.flavor == Flavor::mariadb;
  // Both spellings: the new one since MySQL 8.0.26, the old one everywhere else.
  std::string sql = fmt::format(
      "SET @master_heartbeat_period = {0}, @source_heartbeat_period = {0},"
      " @master_binlog_checksum = @@GLOBAL.binlog_checksum, @source_binlog_checksum = @@GLOBAL.binlog_checksum,"
      " @slave_uuid = '{1}', @replica_uuid = '{1}'",
      period, uuid);
  if (mariadb) {
    sql += ", @mariadb_slave_capability = 4";
    if (start.mode == BinlogPosition::Mode::mariadb_gtid)
      sql +=
          fmt::format(", @slave_connect_state = '{}', @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0",
                      to_string(start.mariadb));
  }
  session.query("preparing to read the binary log", sql);
  // While we are held back the server waits in a write. It would give up after a minute.
  session.query("preparing to read the binary log",
                "SET SESSION net_write_timeout = 31536000, SESSION net_read_timeout = 31536000");
}

Stream::Stream(Parts parts)
    : parts_(std::move(parts)),
      wire_(parts_.session, *this),
      decoder_(parts_.decoder, parts_.tables, parts_.algebra.names(), parts_.intake, parts_.state),
      heard_(std::chrono::steady_clock::now()) {
  decoder_.on_heartbeat = parts_.on_heartbeat;
}

// COM_BINLOG_DUMP_GTID: flags u16 | server id u32 | size of the file name u32 | file | offset u64 | size u32 | set
// COM_BINLOG_DUMP:      offset u32 | flags u16 | server id u32 | file
std::vector<std::byte> Stream::dump_command() const {
  using Mode = BinlogPosition::Mode;
  constexpr std::uint16_t kThroughGtid = 4;
  constexpr std::uint64_t kFileStart = 4;
  const BinlogPosition& start = parts_.start;
  std::vector<std::byte> command;
  if (start.mode == Mode::mysql_gtid) {
    const std::vector<std::byte> set = start.gtids.encode();
    command.push_back(kDumpGtid);
    put(command, kThroughGtid, 2);
    put(command, parts_.server_id, 4);
    put(command, 0, 4);
    put(command, kFileStart, 8);
    put(command, set.size(), 4);
    put(command, set);
    return command;
  }
  const bool by_file = start.mode == Mode::file;
  // An offset past 4 GiB cannot be asked for: the file is read from its start, and the lanes skip what they have.
  const bool reachable = by_file && start.pos <= 0xFFFF'FFFF;
  command.push_back(kDump);
  put(command, reachable ? start.pos : kFileStart, 4);
  put(command, 0, 2);
  put(command, parts_.server_id, 4);
  if (by_file) put(command, as_bytes(start.file));
  return command;
}

void Stream::run() {
  wire_.send_command(dump_command());
  while (!parts_.stop.stop_requested()) {
    if (!ready()) {
      heard_ = std::chrono::steady_clock::now();  // we did not listen
      wait(false);
      continue;
    }
    SteadyTime now = std::chrono::steady_clock::now();
    if (now - told_ >= kTellInterval) {
      told_ = now;
      tell_released();
    }
    if (std::size_t got = wire_.fill(); got > 0) {
      heard_ = now;
      parts_.shared.received_bytes.fetch_add(got, std::memory_order_relaxed);
      parts_.shared.heard_ns.store(now.time_since_epoch().count(), std::memory_order_relaxed);
      look(now);
    } else if (now - heard_ > (streaming_ ? Duration(kSilence) : Duration(kSeekTime))) {
      throw Error(ErrorKind::unavailable,
                  fmt::format("nothing came from the server for {} s, not even a heartbeat: the connection is dead",
                              std::chrono::duration_cast<std::chrono::seconds>(now - heard_).count()));
    }
    if (!consume() || !wire_.drained()) continue;
    if (!decoder_.in_transaction() && !wire_.holds_part()) parts_.intake.drained();
    wait(true);
  }
}

// Only of a server that has just been heard: a question to a silent one would hide that the link is dead.
void Stream::look(SteadyTime now) {
  if (!streaming_ || now < look_at_) return;
  parts_.look(decoder_.place());
  heard_ = std::chrono::steady_clock::now();                                   // we did not listen
  look_at_ = heard_ + std::max<Duration>(kLookInterval, 20 * (heard_ - now));  // what takes long is done seldom
}

void Stream::tell_released() {
  std::lock_guard lock(parts_.shared.mutex);
  if (!parts_.shared.released.empty()) decoder_.released(parts_.algebra, parts_.shared.released);
}

bool Stream::ready() {
  if (!parts_.intake.room()) return false;
  while (decoder_.owes()) {
    decoder_.pay();
    if (!parts_.intake.room()) return false;
  }
  return true;
}

// An event of a foreign table, however large, is read past; everything else that is larger than the buffer has to be
// looked at as a whole.
std::byte* Stream::place(Bytes head, std::size_t size) {
  if (decoder_.may_drop(head)) {
    decoder_.dropped(head);
    return nullptr;
  }
  return parts_.intake.pages().allocate(size, 1);
}

bool Stream::consume() {
  while (auto packet = wire_.next()) {
    const std::uint64_t before = decoder_.ends();
    handle(*packet);
    if (decoder_.ends() != before && !ready()) return false;
  }
  return true;
}

// status u8: 0 an event follows, 0xFE the end of the stream, 0xFF error number u16 | '#' | SQLSTATE 5 | text
void Stream::handle(Packet& packet) {
  const int status = packet.body.empty() ? -1 : std::to_integer<int>(packet.body[0]);
  if (status == 0) {
    if (!streaming_) {
      streaming_ = true;
      parts_.connected();
    }
    return decoder_.event(packet.body.subspan(1), packet.placed);
  }
  const Place& at = decoder_.place();
  const std::string place = at.file().empty() ? "the start" : fmt::format("{}:{}", at.file(), at.end());
  if (status == 0xFF) {
    Reader in(Bytes(packet.body).subspan(1));
    ServerError error;
    error.number = in.u16();
    std::string_view text = as_text(in.rest());
    if (text.starts_with('#') && text.size() >= 6) text.remove_prefix(6);
    error.message = text;
    throw stream_error(error, place);
  }
  if (status == 0xFE)
    throw Error(ErrorKind::unavailable,
                "the server ended the binary log stream after " + place + ": it is shutting down");
  throw Error(ErrorKind::undecodable,
              fmt::format("reading the binary log stream after {}: unknown status {}", place, status));
}

void Stream::wait(bool listen) {
  SteadyTime now = std::chrono::steady_clock::now();
  SteadyTime until = std::min<SteadyTime>(parts_.intake.deadline(), heard_ + kSilence);
  auto left = std::max<Duration>(until - now, Duration::zero());
  auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  timespec timeout{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
  // Without listening the socket still reports a link that broke.
  std::array<pollfd, 3> fds{{{wire_.fd(), listen ? wire_.events() : short{0}, 0},
                             {parts_.intake.wake_fd(), POLLIN, 0},
                             {parts_.stop_fd, POLLIN, 0}}};
  if (::ppoll(fds.data(), fds.size(), &timeout, nullptr) < 0 && errno != EINTR)
    throw Error(ErrorKind::unavailable, "waiting for the server failed");
  if (!listen && (fds[0].revents & (POLLERR | POLLHUP)) != 0)
    throw Error(ErrorKind::unavailable, "the connection to the server was lost while nothing could be read");
}

}  // namespace deltaforge::sources::mysql
