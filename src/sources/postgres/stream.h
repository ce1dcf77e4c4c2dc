// One life of the replication stream: from START_REPLICATION until stop is requested or the link is lost. One thread,
// one wait: in poll() on the socket, the intake's wake fd, release() and the stop signal, until something is due.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>

#include "base/fd.h"
#include "core/source.h"
#include "schema/cache_count.h"
#include "sources/postgres/decoder.h"
#include "sources/postgres/feedback.h"
#include "sources/postgres/pacer.h"
#include "sources/postgres/server.h"
#include "sources/postgres/wal_position.h"
#include "sources/postgres/wire.h"

namespace deltaforge::sources::postgres {

// Shared with the threads that call release() and gauges(). Outlives every stream.
struct Shared {
  // Never goes back.
  void release(Lsn lsn) {
    std::uint64_t known = released.load(std::memory_order_relaxed);
    while (known < number(lsn) && !released.compare_exchange_weak(known, number(lsn), std::memory_order_release)) {
    }
    wake.signal();
  }

  std::atomic<std::uint64_t> released{0};
  std::atomic<std::int64_t> heard_ns{0};                            // steady clock
  std::atomic<std::uint64_t> began{0}, received{0}, server_end{0};  // began: where the first stream did
  std::atomic<std::uint64_t> received_bytes{0};
  schema::CacheCount relations;
  WakeFd wake;  // released moved
};

class Stream final : private Placer {
 public:
  struct Parts {
    Session& session;  // of kind replication, idle
    Intake& intake;
    RelationCache& relations;
    Messages* messages;  // of applications; null: none is wanted
    Shared& shared;
    const ServerFacts& server;
    Decoder::Settings decoder;
    std::string slot;
    std::string publications;  // as START_REPLICATION wants them
    Lsn start{};
    std::function<void()> connected;  // streaming has begun
    std::function<void()> look;       // every 5 s: new tables and the like
    int stop_fd = -1;                 // readable once stop is requested
    std::stop_token stop;
  };
  explicit Stream(Parts parts);
  // Returns when stop is requested, between two messages. Throws Error.
  void run();

 private:
  std::byte* place(char type, Bytes head, std::size_t size) override;
  void start();
  // All whole messages that are held. False: the intake wants no more of them now.
  bool consume();
  void handle(Frame&);
  void copy_data(Frame&);
  void keepalive(Bytes);
  void service(SteadyTime now);
  void send_status(SteadyTime now);
  // `listen`: for the server's messages too, not only for our own threads.
  void wait(bool listen);
  [[noreturn]] void server_failed(Bytes body) const;

  Parts parts_;
  Wire wire_;
  Decoder decoder_;
  Feedback feedback_;
  Pacer pacer_;
  Lsn received_{};          // how far the server has sent
  Lsn idle_{};              // the last keepalive that went into the intake
  std::uint64_t told_ = 0;  // the released position of the last status
  SteadyTime next_look_;
  bool streaming_ = false;
};

}  // namespace deltaforge::sources::postgres
