// The binary log stream of one connection: asks for it, waits in one place, hands every event to the decoder. Source
// thread only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "core/source.h"
#include "schema/cache_count.h"
#include "sources/mysql/decoder.h"
#include "sources/mysql/server.h"
#include "sources/mysql/wire.h"

namespace deltaforge::sources::mysql {

// Between the stream and other threads: gauges() and release().
struct Shared {
  std::atomic<std::int64_t> heard_ns{0};  // steady clock, of the last bytes from the server
  std::atomic<std::uint64_t> received_bytes{0};
  std::atomic<std::int64_t> log_lag_bytes{-1};  // -1: not known
  schema::CacheCount tables;

  void release(const Position& position) {
    std::lock_guard lock(mutex);
    released = position;
  }
  std::mutex mutex;
  Position released;  // every sink has what it covers
};

class Stream final : private Placer {
 public:
  struct Parts {
    Session& session;
    Intake& intake;
    TableCache& tables;
    BinlogAlgebra& algebra;
    SourceState& state;
    Shared& shared;
    Decoder::Settings decoder;
    BinlogPosition start;
    std::uint32_t server_id;  // ours
    std::function<void()> connected;
    std::function<void(const Place&, std::uint32_t)> on_heartbeat;
    std::function<void(const Place&)> look;  // every 5 s: how far the log has grown
    int stop_fd;
    std::stop_token stop;
  };
  explicit Stream(Parts);

  // Until stop is requested. Throws Error.
  void run();

 private:
  std::byte* place(Bytes head, std::size_t size) override;
  bool ready();
  bool consume();
  void handle(Packet&);
  void wait(bool listen);
  void look(SteadyTime now);
  void tell_released();
  std::vector<std::byte> dump_command() const;

  Parts parts_;
  Wire wire_;
  Decoder decoder_;
  SteadyTime heard_;
  bool streaming_ = false;
  SteadyTime told_{}, look_at_{};
};

// Settings of the session that the stream takes over: heartbeats, checksums, who we are, where a MariaDB begins.
void prepare_session(Session&, const ServerFacts&, const BinlogPosition& start, const std::string& uuid);

}  // namespace deltaforge::sources::mysql
