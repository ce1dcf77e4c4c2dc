// The NATS sink, at least once and in order.
//
// Many messages are under way. Each tells the stream which sequence is the last one before it, and the id of the
// message that went before it when that has no answer yet. So a message is stored only right behind its predecessor:
// when one in the middle is refused, or lost, all behind it are refused too, and nothing has to be undone.
//
// Three things make that expectation wrong. An error ends this sink: the lane builds a new one, which asks the stream
// for its last sequence and sends again from the first batch without an answer. A duplicate (something that came again
// within the stream's window) is not stored, so what follows it expects one too many. Servers from 2.10 on look at the
// sequence before they look for duplicates: a replay would be refused but for one message a round. So after a duplicate
// messages tell only which one went before them, until one is new; then the last sequence is read anew. Somebody else's
// message does the same; after one, for a while, no expectation is told and one message of a subject is under way at a
// time.
//
// Without a stream that captures the subject there is no acknowledgement: what the server has taken counts.
#include "sinks/nats/nats.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/fault_of.h"
#include "encode/slab_lease.h"
#include "net/watcher.h"
#include "obs/log.h"
#include "sinks/nats/classify.h"
#include "sinks/nats/connection.h"
#include "sinks/nats/flight.h"
#include "sinks/nats/message.h"
#include "sinks/nats/plan.h"
#include "sinks/nats/streams.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr std::size_t kWindow = 8;
// After a message of another writer.
constexpr std::chrono::seconds kShared{30};
// The stream may say "not next" so often in a row without taking a single message.
constexpr int kMostInVain = 5;
constexpr std::size_t kDigits = 20;
// Waking for each answer would send the next messages one by one; beyond so many the front batch would wait too long.
constexpr std::size_t kMostAnswers = 256;

class NatsSink final : public Sink {
 public:
  using Config = nats::Config;

  NatsSink(Config config, SinkContext context)
      : config_(std::move(config)), context_(std::move(context)), writer_(config_, context_) {}

  std::optional<Position> open() override;
  std::optional<Position> plan(PlanReport& report) override {
    look_at_server(config_, context_, report);
    return std::nullopt;
  }
  std::size_t window() const override { return kWindow; }
  std::chrono::milliseconds patience() const override {
    return std::chrono::seconds(std::min<std::int64_t>(config_.send_timeout_secs, 5));
  }
  void send(const Delivery&, Receipt) override;
  bool poll() override;

 private:
  struct Next {
    Parcel* parcel;
    std::uint32_t event;
    const Event& row() const { return parcel->batch().event(event); }
  };

  void warn(std::string_view what, std::string_view stream = {}) const;

  std::optional<Next> next();
  void pass(const Next&);
  bool send_some();
  bool send_one(const Next&, Slab&, SteadyTime at);
  bool publish_to(Stream&, const Next&, Slab&, SteadyTime at);
  bool passes_without(const Next&, Reject);
  bool may_go(Stream&, std::uint64_t subject, SteadyTime at);
  std::optional<Reject> too_large(const Next&, const Stream*, std::size_t expectations) const;
  std::size_t expectation_size(const Stream&, bool with_id) const;
  void note_captured();
  void not_captured(const Next&, std::string_view subject);

  void watch();
  void take_answers();
  void take(const Answer&);
  void stored(Sent&, const Answer&);
  void refused(Sent&, const Answer&);
  void begin_again();
  void look_again(Stream&);
  void complete();
  void check_time() const;
  std::string told(const Sent&, std::string_view what) const;
  void give_up(const Fault&);

  static SteadyTime now() { return std::chrono::steady_clock::now(); }

  const Config config_;
  const SinkContext context_;
  MessageWriter writer_;
  std::unique_ptr<Connection> connection_;
  std::optional<Streams> streams_;
  std::optional<net::Watcher> watcher_;  // goes before the connection

  std::deque<Parcel> parcels_;  // in order; the front is the oldest without an answer
  std::size_t send_at_ = 0;     // the parcel whose events are sent next
  Flight flight_;
  std::vector<Next> again_;  // refused as not next: these go before what was never sent
  std::size_t again_at_ = 0;
  std::unordered_set<std::uint64_t> busy_;  // subjects under way of streams that are shared
  std::vector<Answer> answers_;
  std::size_t max_payload_ = 0;
  bool captured_ = false;   // a stream has captured a subject of this sink, once
  bool unflushed_ = false;  // what goes to core NATS is not known to be with the server
  bool unsettled_ = false;  // what streams expect is not known: nothing goes until all answers are there
  bool progress_ = true;    // a message was taken since that was so the last time
  int in_vain_ = 0;
  SteadyTime moved_at_{};        // an answer came, or the first message went
  SteadyTime front_moved_at_{};  // the same of the front parcel: one of its messages was stored, or it became the front

  struct Refused {
    const Parcel* parcel;
    Reject row;
  };
  std::optional<Refused> refused_;  // nothing from this row on is sent
  std::optional<Fault> doomed_;     // the next row cannot go; told when all before it are stored
  std::optional<Fault> broken_;     // this sink can do nothing more
  bool blocked_ = false;            // the refused row was told
};

std::optional<Position> NatsSink::open() {
  const Servers servers = config_.servers();
  if (config_.tls && config_.tls->insecure_skip_verify)
    warn("the certificate of NATS is not checked: leave tls.insecure_skip_verify out");
  connection_ = connect(config_, "deltaforge " + context_.pipeline + "." + config_.id);
  if (!connection_->has_tls() && is_remote(servers))
    warn("rows and passwords travel to NATS in plain text: set tls, or write tls:// in `url`");
  streams_.emplace(config_, *connection_);
  captured_ = context_.recall() == config_.subject.text();
  if (streams_->any()) {
    note_captured();
  } else if (captured_) {
    throw not_captured_any_more(config_, connection_->where());
  } else if (!config_.memory->said_core.exchange(true)) {
    warn(
        "no stream captures the subject: events are published to core NATS, at most once; whoever does not listen "
        "misses "
        "them. Create a stream, and name it in `stream`");
  }
  watcher_.emplace(context_.wake, "df-nats");
  watch();
  return std::nullopt;
}

// From here on no event of this subject goes to core NATS, in no later run either.
void NatsSink::note_captured() {
  if (captured_) return;
  context_.remember(config_.subject.text());
  captured_ = true;
}

void NatsSink::warn(std::string_view what, std::string_view stream) const {
  obs::log_limited(obs::Level::warn, config_.id, what,
                   {{"pipeline", context_.pipeline},
                    {"sink", config_.id},
                    {"subject", config_.subject.text()},
                    {"stream", stream.empty() ? config_.stream.value_or("") : stream}});
}

void NatsSink::send(const Delivery& delivery, Receipt receipt) {
  if (broken_) return std::move(receipt).failed(*broken_);
  parcels_.emplace_back(delivery, std::move(receipt));
}

bool NatsSink::poll() {
  if (broken_ || !watcher_) return false;
  try {
    take_answers();
    if (broken_) return false;
    if (blocked_) {
      connection_->write();
      watch();
      return false;
    }
    if (unsettled_ && flight_.waiting() == 0) begin_again();
    const bool more = !unsettled_ && !refused_ && !doomed_ && send_some();
    connection_->write();
    complete();
    if (doomed_ && flight_.waiting() == 0 && !unsettled_) {
      give_up(*doomed_);
      return false;
    }
    check_time();
    if (connection_->has_answers() || (more && !blocked_)) return true;
    connection_->check();
    watch();
  } catch (const Error& error) {
    if (!unflushed_) complete();
    give_up(fault_of(error));
  }
  return false;
}

// Has the lane call again once half of the answers may be there; for their number says when there is room for more.
void NatsSink::watch() {
  connection_->wake_after(std::clamp<std::size_t>(flight_.waiting() / 2, 1, kMostAnswers));
  watcher_->watch(connection_->fd(), connection_->wants_write());
}

// --- sending ---

std::optional<NatsSink::Next> NatsSink::next() {
  if (again_at_ < again_.size()) return again_[again_at_];
  while (send_at_ < parcels_.size() && parcels_[send_at_].unsent.at_end()) ++send_at_;
  if (send_at_ == parcels_.size()) return std::nullopt;
  return Next{&parcels_[send_at_], parcels_[send_at_].unsent.index()};
}

void NatsSink::pass(const Next& sent) {
  if (again_at_ < again_.size()) {
    if (++again_at_ == again_.size()) {
      again_.clear();
      again_at_ = 0;
    }
    return;
  }
  sent.parcel->unsent.pass();
}

// True: call again at once.
bool NatsSink::send_some() {
  if (flight_.full() || !next()) return false;
  const encode::SlabLease slab(*context_.slabs);
  if (!slab) return false;
  const SteadyTime at = now();
  if (flight_.waiting() == 0) moved_at_ = front_moved_at_ = at;
  max_payload_ = connection_->max_payload();
  std::size_t bytes = 0;
  bool more = false;
  while (!flight_.full()) {
    const auto row = next();
    if (!row) break;
    if (bytes >= Slab::kSize) {
      more = true;
      break;
    }
    if (!send_one(*row, *slab, at)) break;
    bytes += writer_.size();
    pass(*row);
  }
  if (unflushed_) {
    connection_->flush();
    unflushed_ = false;
  }
  if (bytes > 0) context_.count_bytes(bytes);
  return more;
}

// False: it does not go now.
bool NatsSink::send_one(const Next& row, Slab& slab, SteadyTime at) {
  if (auto refusal = writer_.write(row.parcel->batch(), row.row(), slab)) [[unlikely]]
    return passes_without(row, {row.event, std::string(refusal->kind), std::move(refusal->reason)});
  Stream* stream = streams_->of(writer_.subject(slab));
  if (stream != nullptr) [[likely]]
    return publish_to(*stream, row, slab, at);
  if (config_.stream || streams_->any() || captured_) {
    not_captured(row, writer_.subject(slab));
    return false;
  }
  if (auto reject = too_large(row, nullptr, 0)) [[unlikely]]
    return passes_without(row, std::move(*reject));
  unflushed_ = true;
  connection_->publish(writer_, slab, {}, 0);
  return true;
}

// False: nothing from this row on is sent. One that was sent once is open, and not taken over.
bool NatsSink::passes_without(const Next& row, Reject reject) {
  if (again_at_ == again_.size() && row.parcel->unsent.delivery().set_aside(reject)) return true;
  refused_ = {row.parcel, std::move(reject)};
  return false;
}

bool NatsSink::publish_to(Stream& stream, const Next& row, Slab& slab, SteadyTime at) {
  if (!captured_) [[unlikely]]
    note_captured();
  const std::uint64_t subject = stream.shared ? xxh3_64(as_bytes(writer_.subject(slab))) : 0;
  if (!may_go(stream, subject, at)) return false;
  if (auto reject = too_large(row, &stream, expectation_size(stream, false))) [[unlikely]]
    return passes_without(row, std::move(*reject));
  const bool follows = !stream.shared && stream.in_flight > 0;
  // It fits only without the id of the one before it: that one's answer first.
  if (follows && too_large(row, &stream, expectation_size(stream, true))) [[unlikely]]
    return false;

  Expectation expected;
  if (stream.shared) {
    expected.stream = stream.name;
  } else {
    if (!stream.replaying) expected.last_sequence = stream.next;
    if (follows) expected.last_id = stream.last_id;
  }
  connection_->publish(writer_, slab, expected, flight_.next_number());
  Sent message;
  message.parcel = row.parcel;
  message.event = row.event;
  message.ordered = !stream.shared;
  message.by_chain = stream.replaying;
  message.size = static_cast<std::uint32_t>(writer_.size());
  message.stream = &stream;
  message.expected = stream.next;
  message.subject = subject;
  flight_.add(message);
  if (again_at_ == again_.size()) ++row.parcel->open;  // what goes again is open already
  ++stream.in_flight;
  if (stream.shared) {
    busy_.insert(subject);
  } else {
    ++stream.next;
    stream.last_id = writer_.message_id(slab);
  }
  return true;
}

// Whether a message of this subject may go beside those that are under way.
bool NatsSink::may_go(Stream& stream, std::uint64_t subject, SteadyTime at) {
  if (!stream.shared) [[likely]]
    return true;
  if (at < stream.shared_until) return !busy_.contains(subject);
  if (stream.in_flight > 0) return false;
  stream.shared = false;
  stream.next = stream.known;
  return true;
}

std::size_t NatsSink::expectation_size(const Stream& stream, bool with_id) const {
  if (stream.shared) return kExpectedStream.size() + kHeaderFrame + stream.name.size();
  const std::size_t sequence = kLastSequence.size() + kHeaderFrame + kDigits;
  return sequence + (with_id ? kLastId.size() + kHeaderFrame + stream.last_id.size() : 0);
}

std::optional<Reject> NatsSink::too_large(const Next& row, const Stream* stream, std::size_t expectations) const {
  const std::size_t size = writer_.size() + expectations;
  const auto refuse = [&](std::string reason) { return Reject{row.event, "too_large", std::move(reason)}; };
  if (size > max_payload_)
    return refuse(
        fmt::format("it has {} bytes with its headers, and the server takes {}: raise max_payload of the server", size,
                    max_payload_));
  if (stream != nullptr && stream->max_message && size > *stream->max_message)
    return refuse(fmt::format("it has {} bytes with its headers, and the stream {} takes {}: raise its max_msg_size",
                              size, stream->name, *stream->max_message));
  if (stream != nullptr && writer_.headers_size() + expectations > kLongestHeaders)
    return refuse(
        fmt::format("its headers have {} bytes, and a stream takes {}: shorten the key, or what processors add",
                    writer_.headers_size() + expectations, kLongestHeaders));
  return std::nullopt;
}

void NatsSink::not_captured(const Next& row, std::string_view subject) {
  const std::string& table = row.row().schema->full_name;
  if (config_.stream)
    doomed_ = Fault::retry(fmt::format("stream {} of NATS {} does not capture the subject {} (table {})",
                                       *config_.stream, connection_->where(), subject, table),
                           "add it to the subjects of the stream (nats stream edit), or change `subject`");
  else
    doomed_ = Fault::retry(
        fmt::format("no stream of NATS {} captures the subject {} (table {})", connection_->where(), subject, table),
        "create a stream for it (nats stream add), or change `subject`");
}

// --- answers ---

void NatsSink::take_answers() {
  connection_->write();
  connection_->receive(answers_);
  for (const Answer& answer : answers_) {
    take(answer);
    if (broken_) return;
  }
  connection_->check();
}

void NatsSink::take(const Answer& answer) {
  Sent* message = flight_.find(answer.number);
  if (message == nullptr) return;
  moved_at_ = now();
  switch (answer.kind) {
    case Ack::Kind::stored:
    case Ack::Kind::duplicate: return stored(*message, answer);
    case Ack::Kind::refused: return refused(*message, answer);
    case Ack::Kind::no_responders:
      complete();
      return give_up(
          Fault::retry(told(*message, "nobody takes it: no stream captures the subject, or its servers are away"),
                       "bring the stream's servers back, or create the stream again (nats stream add)"));
    case Ack::Kind::garbled:
      complete();
      return give_up(Fault::retry(told(*message, "the answer is no acknowledgement of JetStream"),
                                  "let nobody but JetStream answer to this subject"));
  }
}

void NatsSink::stored(Sent& message, const Answer& answer) {
  Stream& stream = *message.stream;
  if (answer.stream != stream.hash) {
    complete();
    return give_up(Fault::retry(told(message, "another stream has taken it"),
                                "let one stream capture the subject, and name it in `stream`"));
  }
  --stream.in_flight;
  --message.parcel->open;
  if (message.parcel == &parcels_.front()) front_moved_at_ = moved_at_;
  progress_ = true;
  if (answer.kind == Ack::Kind::duplicate) {
    if (message.ordered && !message.by_chain) stream.duplicates = unsettled_ = true;
  } else {
    if (message.by_chain) unsettled_ = true;  // the replay is over: the sequence is read anew
    if (message.ordered && !message.by_chain && answer.seq != message.expected + 1) stream.refusals = unsettled_ = true;
    if (!message.ordered && answer.seq != stream.known + 1) stream.shared_until = now() + kShared;
    stream.known = std::max(stream.known, answer.seq);
  }
  if (!message.ordered) busy_.erase(message.subject);
  flight_.answer(message, Sent::State::stored);
}

void NatsSink::refused(Sent& message, const Answer& answer) {
  const Verdict verdict = classify(answer.code, answer.text);
  switch (verdict.action) {
    case Verdict::Action::not_next: message.stream->refusals = true; [[fallthrough]];
    case Verdict::Action::too_large:
      --message.stream->in_flight;
      unsettled_ = true;
      return flight_.answer(message, Sent::State::refused);
    case Verdict::Action::retry:
      complete();
      return give_up(Fault::retry(told(message, answer.text), std::string(verdict.hint)));
    case Verdict::Action::stop:
      complete();
      return give_up(Fault::stop(verdict.kind, told(message, answer.text), std::string(verdict.hint)));
  }
}

std::string NatsSink::told(const Sent& message, std::string_view what) const {
  const Event& event = message.parcel->batch().event(message.event);
  return fmt::format("publishing to subject '{}' of NATS {}, stream {}: {} (table {})", writer_.subject_of(event),
                     connection_->where(), message.stream->name, what, event.schema->full_name);
}

// All answers are there: what was refused goes again, before anything else, with what the streams expect now.
void NatsSink::begin_again() {
  if (std::exchange(progress_, false))
    in_vain_ = 0;
  else if (++in_vain_ >= kMostInVain)
    throw Error(
        ErrorKind::unavailable,
        fmt::format("NATS {} refuses the next message again and again, as not the next one", connection_->where()),
        "see who else writes to the stream, and the server's log");
  std::vector<Next> rest;
  flight_.drain_refused([&](const Sent& message) { rest.push_back({message.parcel, message.event}); });
  rest.insert(rest.end(), again_.begin() + static_cast<std::ptrdiff_t>(again_at_), again_.end());
  again_ = std::move(rest);
  again_at_ = 0;
  busy_.clear();
  for (Stream& stream : streams_->all()) look_again(stream);
  refused_.reset();
  doomed_.reset();
  unsettled_ = false;
}

void NatsSink::look_again(Stream& stream) {
  streams_->refresh(stream);
  if (stream.last_sequence < stream.known) {
    warn("the stream's last sequence is lower than it was: it was made anew, or has lost messages", stream.name);
  } else if (stream.refusals && !stream.duplicates && stream.last_sequence > stream.known) {
    stream.shared = true;
    stream.shared_until = now() + kShared;
    warn("another writer publishes to the stream: one message of a subject is under way at a time", stream.name);
  }
  stream.known = stream.next = stream.last_sequence;
  stream.replaying = stream.duplicates;
  stream.duplicates = stream.refusals = false;
}

// --- receipts ---

void NatsSink::complete() {
  while (!parcels_.empty() && !blocked_) {
    Parcel& front = parcels_.front();
    if (refused_ && refused_->parcel == &front) {
      if (flight_.waiting() > 0 || unsettled_) return;
      blocked_ = true;
      return front.take_receipt().delivered_until(refused_->row);
    }
    if (front.open > 0 || !front.unsent.at_end()) return;
    front.take_receipt().delivered();
    parcels_.pop_front();
    send_at_ -= std::min<std::size_t>(send_at_, 1);
    front_moved_at_ = now();
  }
}

void NatsSink::check_time() const {
  if (flight_.waiting() == 0) return;
  const SteadyTime at = now();
  if (at - moved_at_ > std::chrono::seconds(config_.send_timeout_secs))
    throw Error(ErrorKind::unavailable, fmt::format("NATS {}: no acknowledgement within {} s (send_timeout_secs)",
                                                    connection_->where(), config_.send_timeout_secs));
  // A large one may take far longer, as long as it gets nearer.
  if (at - front_moved_at_ > std::chrono::seconds(config_.batch_timeout_secs))
    throw Error(ErrorKind::unavailable,
                fmt::format("NATS {}: no row of the oldest batch was acknowledged within {} s (batch_timeout_secs)",
                            connection_->where(), config_.batch_timeout_secs));
}

// Nothing more can be done with this connection: the lane sends again what has no answer.
void NatsSink::give_up(const Fault& fault) {
  broken_ = fault;
  for (Parcel& parcel : parcels_)
    if (!parcel.answered()) parcel.take_receipt().failed(fault);
}

}  // namespace

void add(Catalogue& catalogue) { catalogue.sinks.add<NatsSink>("nats"); }

}  // namespace deltaforge::sinks::nats
