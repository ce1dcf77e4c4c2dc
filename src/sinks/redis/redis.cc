// The sink: one connection, a few chunks under way.
//
// Order holds by when EXEC is sent. A server that refuses a chunk for a while (OOM, READONLY, a failed save) may take
// the very next one, and then the stream would have it first. So only the oldest chunk is executed; the next one is
// sent and queued by the server meanwhile, without its EXEC, and that is lost with the connection.
#include "sinks/redis/redis.h"

#include <array>
#include <charconv>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/fault_of.h"
#include "net/watcher.h"
#include "obs/log.h"
#include "sinks/redis/chunk.h"
#include "sinks/redis/classify.h"
#include "sinks/redis/connection.h"
#include "sinks/redis/entry.h"
#include "sinks/redis/plan.h"

namespace deltaforge::sinks::redis {
namespace {

constexpr std::size_t kWindow = 8;
// One that is executed, one that is sent, one that is encoded.
constexpr std::size_t kChunks = 3;
constexpr std::string_view kMulti = "*1\r\n$5\r\nMULTI\r\n";
constexpr std::string_view kExec = "*1\r\n$4\r\nEXEC\r\n";

class RedisSink final : public Sink {
 public:
  using Config = redis::Config;

  RedisSink(Config config, SinkContext context)
      : config_(std::move(config)),
        context_(std::move(context)),
        target_(config_.target()),
        entries_(config_, context_) {}
  ~RedisSink() override { drop_chunks(); }

  std::optional<Position> open() override;
  std::optional<Position> plan(PlanReport& report) override {
    look_at_server(config_, report);
    return std::nullopt;
  }
  std::size_t window() const override { return kWindow; }
  void send(const Delivery&, Receipt) override;
  bool poll() override;

 private:
  void connect();
  void warn(const std::string& what) const;
  void connect_again_if_closed();

  bool has_work() const { return !refused_ && encode_at_ < parcels_.size(); }
  bool encode_chunk();
  void fill(Chunk&);
  bool closes_before(const Chunk&, const Parcel&) const;
  void write_chunks();
  bool write(Chunk&, std::size_t up_to);

  bool take_replies();
  void take(const Reply&);
  void take_exec(Chunk&, const Reply&);
  void take_exec_part(Chunk&, const Reply&);
  void refused_by_server(Chunk&, std::size_t row, std::string_view text);
  Fault fault(const Chunk&, std::size_t row, std::string_view text) const;
  void finish_chunk();
  void complete(std::size_t parcels, bool refused);
  void check_time();
  void drop_chunks();
  void give_up(const Fault&);

  Chunk& chunk(std::size_t i) { return chunks_[(oldest_ + i) % kChunks]; }
  static SteadyTime now() { return std::chrono::steady_clock::now(); }

  const Config config_;
  const SinkContext context_;
  const Target target_;
  EntryWriter entries_;
  std::optional<Connection> connection_;
  std::optional<net::Watcher> watcher_;  // goes before the connection

  std::deque<Parcel> parcels_;  // in order; the front is the oldest without an answer
  std::size_t encode_at_ = 0;   // the parcel that is encoded next
  std::array<Chunk, kChunks> chunks_;
  std::size_t oldest_ = 0, used_ = 0;  // a ring
  bool socket_full_ = false;
  bool reconnected_ = false;       // while replies were read
  SteadyTime moved_at_{};          // bytes went or came
  std::optional<Reject> refused_;  // nothing from this row on is sent
  struct TooLarge {
    const Parcel* parcel;
    Reject row;
  };
  std::optional<TooLarge> too_large_;  // what the server has refused; becomes refused_ once all before it is sent
  std::optional<Fault> broken_;        // this sink can do nothing more
};

std::optional<Position> RedisSink::open() {
  if (!target_.tls && !is_loopback(target_.host))
    warn("rows and the password travel to Redis in plain text: use rediss:// in `uri`");
  if (target_.tls && config_.tls && config_.tls->insecure_skip_verify)
    warn("the certificate of Redis is not checked: leave tls.insecure_skip_verify out");
  connect();
  if (connection_->setting("maxmemory-policy").value_or("").starts_with("allkeys-") &&
      connection_->setting("maxmemory").value_or("0") != "0")
    warn("Redis may evict the stream: set maxmemory-policy to noeviction, or to one of volatile-*");
  watcher_.emplace(context_.wake, "df-redis");
  return std::nullopt;
}

void RedisSink::connect() {
  connection_.reset();
  connection_.emplace(config_, target_);
  std::size_t largest = 0;
  const std::string text = connection_->setting("proto-max-bulk-len").value_or("");
  std::from_chars(text.data(), text.data() + text.size(), largest);
  entries_.limit_values(largest != 0 ? largest : EntryWriter::kUsualLargestValue);
  socket_full_ = false;
  moved_at_ = now();
}

void RedisSink::warn(const std::string& what) const {
  obs::log_limited(obs::Level::warn, config_.id, what, {{"pipeline", context_.pipeline}, {"sink", config_.id}});
}

void RedisSink::send(const Delivery& delivery, Receipt receipt) {
  if (broken_) return std::move(receipt).failed(*broken_);
  parcels_.emplace_back(delivery, std::move(receipt));
}

bool RedisSink::poll() {
  if (broken_ || !watcher_) return false;
  try {
    if (used_ == 0 && has_work()) connect_again_if_closed();
    if (used_ > 0) take_replies();
    if (broken_) return false;
    const bool encoded = used_ < kChunks && has_work() && encode_chunk();
    write_chunks();
    if (broken_) return false;
    if (encoded && used_ < kChunks && has_work()) return true;
    if (used_ == 0) return has_work();
    check_time();
    watcher_->watch(connection_->fd(), socket_full_ || connection_->link().wants_write());
  } catch (const Error& error) {
    give_up(fault_of(error));
  }
  return false;
}

// A server may close a connection that is not used for long: no reason to trouble anybody.
void RedisSink::connect_again_if_closed() {
  try {
    Connection& connection = *connection_;
    const std::size_t got = connection.link().read(connection.replies().space());
    connection.replies().filled(got);
    if (got == 0) return;
  } catch (const Error&) {
  }
  connect();
}

// Encodes one chunk. False: no slab is free; an answer will wake the lane.
bool RedisSink::encode_chunk() {
  Slab* slab = context_.slabs->take();
  if (slab == nullptr) return false;
  Chunk& next = chunk(used_);
  next.reset(slab, parcels_[encode_at_].unsent.place());
  slab->append(kMulti);
  fill(next);
  if (!next.rows.empty()) {
    slab->append(kExec);
    if (used_++ == 0) next.since = moved_at_ = now();
    return true;
  }
  context_.slabs->give_back(std::exchange(next.slab, nullptr));
  if (used_ == 0) {
    complete(next.parcels_done, next.ends_refused);
  } else {
    chunk(used_ - 1).parcels_done += next.parcels_done;
    chunk(used_ - 1).ends_refused = next.ends_refused;
  }
  return true;
}

void RedisSink::fill(Chunk& to) {
  Slab& slab = *to.slab;
  // The transaction that is being encoded.
  const Parcel* parcel_of = nullptr;
  std::uint32_t commit = 0;
  EventCursor::Place first;
  std::size_t first_size = 0, first_rows = 0;

  for (; encode_at_ < parcels_.size(); ++encode_at_, ++to.parcels_done) {
    Parcel& parcel = parcels_[encode_at_];
    for (; !parcel.unsent.at_end(); parcel.unsent.pass()) {
      const Event& event = parcel.unsent.event();
      const std::uint32_t index = parcel.unsent.index();
      if (&parcel != parcel_of || event.commit != commit) {
        if (closes_before(to, parcel)) return;
        parcel_of = &parcel;
        commit = event.commit;
        first = parcel.unsent.place();
        first_size = slab.size();
        first_rows = to.rows.size();
      }
      if (to.rows.size() == Chunk::kRows || slab.full()) {
        if (first_rows == 0) return;  // it is larger than a chunk
        parcel.unsent.go_back(first);
        slab.truncate(first_size);
        to.rows.resize(first_rows);
        return;
      }
      std::optional<Reject> reject;
      if (too_large_ && too_large_->parcel == &parcel && too_large_->row.event == index)
        reject = too_large_->row;
      else if (auto refusal = entries_.append(parcel.batch(), event, slab))
        reject = Reject{index, std::string(refusal->kind), std::move(refusal->reason)};
      if (reject) [[unlikely]] {
        if (parcel.unsent.delivery().set_aside(*reject)) continue;
        refused_ = std::move(reject);
        to.ends_refused = true;
        return;
      }
      to.rows.push_back({&parcel, index});
    }
  }
}

// The transaction that begins with the next event does not join the ones before it.
bool RedisSink::closes_before(const Chunk& to, const Parcel& parcel) const {
  if (to.rows.empty()) return false;
  return to.slab->size() >= Chunk::kJoinBytes || to.rows.size() + parcel.left_of_transaction() > Chunk::kRows;
}

void RedisSink::write_chunks() {
  socket_full_ = false;
  try {
    if (used_ > 0 && write(chunk(0), chunk(0).slab->size()) && used_ > 1)
      write(chunk(1), chunk(1).slab->size() - kExec.size());
  } catch (const Error&) {
    // The server may have said why before it hung up.
    if (!take_replies()) throw;
  }
}

// True: all of it is at the socket.
bool RedisSink::write(Chunk& from, std::size_t up_to) {
  while (from.written < up_to) {
    const std::size_t taken = connection_->link().write(as_bytes(from.slab->view(from.written, up_to - from.written)));
    if (taken == 0) {
      socket_full_ = true;
      return false;
    }
    from.written += taken;
    moved_at_ = now();
  }
  return true;
}

// True: they have ended the connection or this sink.
bool RedisSink::take_replies() {
  Connection& connection = *connection_;
  reconnected_ = false;
  for (;;) {
    const std::size_t got = connection.link().read(connection.replies().space());
    if (got == 0) return false;
    connection.replies().filled(got);
    moved_at_ = now();
    while (auto reply = connection.replies().next()) {
      take(*reply);
      if (broken_ || reconnected_) return true;
    }
    if (!connection.replies().failure().empty())
      connection.link().lost(fmt::format("its answer is not understood: {}", connection.replies().failure()));
  }
}

void RedisSink::take(const Reply& reply) {
  if (used_ == 0) connection_->link().lost("it answers what was not asked");
  Chunk& oldest = chunk(0);
  if (oldest.exec_left > 0) return take_exec_part(oldest, reply);
  const std::size_t number = oldest.answers++;
  if (number > oldest.rows.size()) return take_exec(oldest, reply);
  if (reply.type == Reply::Type::error) return refused_by_server(oldest, number == 0 ? 0 : number - 1, reply.text);
  if (reply.type != Reply::Type::status || reply.text != (number == 0 ? "OK" : "QUEUED"))
    connection_->link().lost("its answer to XADD in MULTI is not understood");
}

void RedisSink::take_exec(Chunk& oldest, const Reply& reply) {
  if (reply.type == Reply::Type::error) return give_up(fault(oldest, 0, reply.text));
  if (reply.type != Reply::Type::array || reply.number != static_cast<std::int64_t>(oldest.rows.size()))
    connection_->link().lost("its answer to EXEC is not understood");
  oldest.exec_left = oldest.rows.size();
}

// Each command inside EXEC may be refused, and that does not undo the others.
void RedisSink::take_exec_part(Chunk& oldest, const Reply& reply) {
  const std::size_t row = oldest.rows.size() - oldest.exec_left--;
  if (reply.type != Reply::Type::bulk && oldest.refused_rows++ == 0) {
    oldest.first_refused = row;
    oldest.refusal = reply.type == Reply::Type::error ? reply.text : "XADD was answered with no id";
  }
  if (oldest.exec_left > 0) return;
  if (oldest.refused_rows == 0) return finish_chunk();
  Fault why = fault(oldest, oldest.first_refused, oldest.refusal);
  why.message += fmt::format("; {} of {} entries of this EXEC were refused, the others are written and will come again",
                             oldest.refused_rows, oldest.rows.size());
  give_up(why);
}

// Before EXEC: nothing of the chunk is written.
void RedisSink::refused_by_server(Chunk& oldest, std::size_t row, std::string_view text) {
  const Verdict verdict = classify(text);
  if (verdict.action != Verdict::Action::too_large) return give_up(fault(oldest, row, text));
  const Chunk::Row refused = oldest.rows[row];
  too_large_ = {refused.parcel,
                {refused.event, "too_large", fmt::format("the server refuses it: {}: {}", text, verdict.hint)}};
  // What stands before it is sent again, up to it.
  parcels_.front().unsent.go_back(oldest.begin);
  for (std::size_t i = 1; i < parcels_.size(); ++i) parcels_[i].unsent.begin_again();
  encode_at_ = 0;
  refused_.reset();
  drop_chunks();
  connect();
  reconnected_ = true;
}

Fault RedisSink::fault(const Chunk& of, std::size_t row, std::string_view text) const {
  const Event& event = of.rows[row].parcel->batch().event(of.rows[row].event);
  const Verdict verdict = classify(text);
  std::string message =
      fmt::format("appending to stream '{}' of Redis {}: {} (table {})", entries_.stream_of(event), target_.where(),
                  quotable(text, target_.password.reveal()), event.schema->full_name);
  if (verdict.action == Verdict::Action::stop)
    return Fault::stop(verdict.kind, std::move(message), std::string(verdict.hint));
  return Fault::retry(std::move(message), std::string(verdict.hint));
}

void RedisSink::finish_chunk() {
  Chunk& done = chunk(0);
  context_.count_bytes(done.slab->size());
  context_.slabs->give_back(std::exchange(done.slab, nullptr));
  oldest_ = (oldest_ + 1) % kChunks;
  --used_;
  if (used_ > 0) chunk(0).since = now();
  complete(done.parcels_done, done.ends_refused);
}

void RedisSink::complete(std::size_t parcels, bool refused) {
  for (; parcels > 0; --parcels, --encode_at_) {
    parcels_.front().take_receipt().delivered();
    parcels_.pop_front();
  }
  if (refused) parcels_.front().take_receipt().delivered_until(*refused_);
}

void RedisSink::check_time() {
  const SteadyTime at = now();
  if (at - moved_at_ > std::chrono::seconds(config_.send_timeout_secs))
    connection_->link().lost(fmt::format("no answer within {} s (send_timeout_secs)", config_.send_timeout_secs));
  if (at - chunk(0).since > std::chrono::seconds(config_.batch_timeout_secs))
    connection_->link().lost(
        fmt::format("a MULTI/EXEC was not done within {} s (batch_timeout_secs)", config_.batch_timeout_secs));
}

void RedisSink::drop_chunks() {
  for (Chunk& each : chunks_)
    if (each.slab != nullptr) context_.slabs->give_back(std::exchange(each.slab, nullptr));
  used_ = 0;
}

// Nothing more can be done with this connection: the lane sends again what has no answer.
void RedisSink::give_up(const Fault& fault) {
  broken_ = fault;
  drop_chunks();
  for (Parcel& parcel : parcels_)
    if (!parcel.answered()) parcel.take_receipt().failed(fault);
}

}  // namespace

void add(Catalogue& catalogue) { catalogue.sinks.add<RedisSink>("redis"); }

}  // namespace deltaforge::sinks::redis
