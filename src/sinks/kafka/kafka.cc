// The Kafka sink, at least once and in order.
//
// A slab is filled with the keys and values of one batch and handed over without a copy; librdkafka retries for ever by
// itself, in order (idempotent producer, no message time-out). An error that it cannot mend ends this client: with its
// gap-less guarantee nothing behind the failed rows is written any more, every receipt says "failed", and the lane
// builds a new sink that sends again from the first batch without an acknowledgement. So the topic's order is the
// source's, also after errors; only repetitions are possible.
//
// Rows go over in rounds: as many as fit into one request for each partition, then nothing until all of them are
// answered. An idempotent librdkafka has one request of more than five messages under way for a partition; given more,
// it would only burn a core on asking the clock. The next slab is encoded meanwhile.
//
// A row that is refused blocks: nothing behind it is sent. So a record that the broker may find too large goes alone,
// when all before it are acknowledged, and nothing follows until its own answer is there.
#include "sinks/kafka/kafka.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "encode/destination.h"
#include "encode/idempotency_key.h"
#include "encode/key_writer.h"
#include "encode/make_encoder.h"
#include "obs/log.h"
#include "sinks/kafka/classify.h"
#include "sinks/kafka/client.h"
#include "sinks/kafka/client_conf.h"
#include "sinks/kafka/config.h"
#include "sinks/kafka/limits.h"
#include "sinks/kafka/plan.h"
#include "sinks/kafka/probe.h"
#include "sinks/kafka/shipment.h"

namespace deltaforge::sinks::kafka {
namespace {

constexpr std::size_t kWindow = 4;
constexpr std::size_t kRowsPerSlab = 32'768;
// After a fatal error of the client: time for the report that tells its cause. It is on its way already.
constexpr std::chrono::milliseconds kLastWords{200};
constexpr std::size_t kEventIdSize = 36;
constexpr std::size_t kHeaderOverhead = 10;  // the lengths of a header's name and value, at most
constexpr char kEventIdHeader[] = "df-event-id", kIdempotencyHeader[] = "df-idempotency-key",
               kTypeHeader[] = "content-type";
// Of all topics together, where events name them.
constexpr std::size_t kUsualPartitions = 8;
// So few messages librdkafka sends in a request of their own, whatever else is under way.
constexpr std::size_t kFew = 5;

class KafkaSink final : public Sink {
 public:
  using Config = kafka::Config;

  KafkaSink(Config config, SinkContext context)
      : config_(std::move(config)),
        context_(std::move(context)),
        encoder_(encode::make_encoder(config_.envelope, config_.encoding, context_.tenant)),
        topic_(config_.topic, context_.tenant, "topic"),
        key_(config_.key, context_, config_.id),
        probe_(context_.pipeline, config_.id) {}

  ~KafkaSink() override {
    client_.reset();  // from here on nobody reads the slabs
    for (auto& shipment : shipments_)
      if (shipment->slab != nullptr) context_.slabs->give_back(shipment->slab);
  }

  std::optional<Position> open() override;
  std::optional<Position> plan(PlanReport& report) override {
    look_at_brokers(config_, context_, report);
    return std::nullopt;
  }
  std::size_t window() const override { return kWindow; }
  std::chrono::milliseconds patience() const override { return kafka::patience(config_); }
  void send(const Delivery&, Receipt) override;
  bool poll() override;

 private:
  void use(const Limits&);
  std::size_t awaited() const;
  bool at_rest() const { return broken_ || (blocked_ && awaited() == 0); }
  bool ship_next();
  void encode_rows(Shipment&, bool quiet);
  std::optional<Reject> encode_row(Shipment::Row&, const Batch&, const Event&, Slab&);
  std::string route(Shipment::Row&, const Event&);
  std::size_t ordinary(const Shipment::Row&) const;
  void hand_over(Shipment&);
  std::size_t fitting(const Shipment&);
  std::size_t produce(Shipment&, std::size_t end);
  bool has_headers(const Shipment::Row& row) const {
    return config_.headers != Headers::none || row.with_headers != nullptr;
  }
  rd_kafka_topic_t* topic_of(const Shipment::Row& row) const {
    return row.topic != nullptr ? row.topic : client_->topic();
  }
  bool produce_plain(Shipment&, std::size_t& begin, std::size_t end);
  rd_kafka_resp_err_t produce_one(Shipment&, const Shipment::Row&);
  void not_taken_yet(rd_kafka_resp_err_t, const Shipment::Row&);

  void take_events();
  void take_reports(rd_kafka_event_t*);
  void report(Shipment&, const rd_kafka_message_t&);
  void rows_done(Shipment&, std::size_t rows);
  void complete_parcels();
  void refuse(Parcel&, Reject);
  std::string not_sent(std::size_t size, std::string_view topic) const;
  std::string not_taken(std::size_t size, std::string_view topic) const;
  void give_up(const Fault&);

  const Config config_;
  const SinkContext context_;
  const std::unique_ptr<Encoder> encoder_;
  const encode::Destination topic_;
  encode::KeyWriter key_;
  Slab name_;  // of a topic
  Probe probe_;
  std::unique_ptr<Client> client_;
  std::size_t topic_limit_ = 0;  // 0: the brokers do not tell
  Limits limits_;

  std::deque<Parcel> parcels_;  // in order; the front is the oldest without an answer
  std::vector<std::unique_ptr<Shipment>> shipments_;
  Shipment* waiting_ = nullptr;  // encoded, not wholly at the client
  std::size_t at_client_ = 0;    // rows of this round without an answer
  std::size_t round_ = 0;        // bytes that this round has taken so far
  std::size_t round_limit_ = 0;
  std::vector<rd_kafka_message_t> messages_;
  std::vector<rd_kafka_vu_t> parts_;      // of one message
  std::deque<std::string> header_names_;  // of its headers: librdkafka wants them to end
  // The first row of a client goes alone. A broker that has refused the first batch of a producer accepts what follows
  // it, and only later ones must be without a gap.
  bool proven_ = false;
  bool alone_ = false;              // a record that goes alone is next, or on its way
  bool blocked_ = false;            // by a refused row: nothing more is sent
  std::optional<Fault> giving_up_;  // the client is; the report of a row may yet say why
  std::optional<Fault> broken_;     // this sink can do nothing more
};

std::optional<Position> KafkaSink::open() {
  for (const std::string& note : client_conf_notes(config_))
    obs::log_limited(obs::Level::warn, config_.id + note, "client_conf property is not used as it is",
                     {{"pipeline", context_.pipeline}, {"sink", config_.id}, {"note", note}});
  if (plain_over_network(config_))
    obs::log_limited(obs::Level::warn, config_.id,
                     "rows and passwords travel to Kafka in plain text: set tls, or security.protocol in client_conf",
                     {{"pipeline", context_.pipeline}, {"sink", config_.id}});

  const std::size_t wanted = wanted_max_record(config_);
  use(Limits::of(wanted, 0));
  if (topic_limit_ = client_->topic_limit(); topic_limit_ != 0) use(Limits::of(wanted, topic_limit_));
  return std::nullopt;
}

// From here on the client keeps these limits; a new one if the one at hand does not. Only while nothing is at the
// client.
void KafkaSink::use(const Limits& limits) {
  const Limits before = std::exchange(limits_, limits);
  if (client_ && limits.capacity == before.capacity && batch_size(config_, limits) == batch_size(config_, before))
    return;
  client_.reset();
  proven_ = false;
  client_ = std::make_unique<Client>(config_, context_, limits_);
  const std::size_t partitions = client_->connect();
  round_limit_ = std::min(batch_size(config_, limits) * (partitions != 0 ? partitions : kUsualPartitions), Slab::kSize);
}

void KafkaSink::send(const Delivery& delivery, Receipt receipt) {
  if (broken_) return std::move(receipt).failed(*broken_);
  parcels_.emplace_back(delivery, std::move(receipt));
}

bool KafkaSink::poll() {
  if (at_rest()) return false;
  take_events();
  if (waiting_ != nullptr && !broken_) hand_over(*std::exchange(waiting_, nullptr));
  bool more = !broken_ && waiting_ == nullptr && ship_next();
  if (!broken_) complete_parcels();
  return more && !broken_;
}

// Rows that were encoded and have no answer.
std::size_t KafkaSink::awaited() const {
  std::size_t rows = 0;
  for (const Parcel& parcel : parcels_) rows += parcel.open;
  return rows;
}

// Encodes and hands over one slab. False: nothing to encode, or no slab is free, or the answer to a row comes first; a
// report will wake the lane.
bool KafkaSink::ship_next() {
  if (blocked_) return false;
  auto next = std::find_if(parcels_.begin(), parcels_.end(), [](const Parcel& p) { return !p.unsent.at_end(); });
  if (next == parcels_.end()) return false;
  const bool quiet = awaited() == 0;
  if (!quiet && (!proven_ || alone_)) return false;
  Slab* slab = context_.slabs->take();
  if (slab == nullptr) return false;

  auto idle = std::find_if(shipments_.begin(), shipments_.end(), [](const auto& s) { return s->slab == nullptr; });
  if (idle == shipments_.end()) idle = shipments_.insert(idle, std::make_unique<Shipment>());
  Shipment& shipment = **idle;
  shipment.slab = slab;
  shipment.parcel = &*next;
  shipment.rows.clear();
  shipment.handed = 0;
  encode_rows(shipment, quiet);
  if (broken_) return false;
  shipment.open = shipment.rows.size();
  next->open += shipment.open;
  context_.count_bytes(slab->size());
  hand_over(shipment);
  return true;
}

// `quiet`: every row before these is acknowledged.
void KafkaSink::encode_rows(Shipment& shipment, bool quiet) {
  Slab& slab = *shipment.slab;
  Parcel& parcel = *shipment.parcel;
  const std::size_t most = proven_ ? kRowsPerSlab : 1;
  alone_ = false;
  for (; !slab.full() && shipment.rows.size() < most && !parcel.unsent.at_end(); parcel.unsent.pass()) {
    const std::uint32_t index = parcel.unsent.index();
    Shipment::Row row{};
    row.event = index;
    row.key_at = slab.size();
    if (auto refused = encode_row(row, *parcel.batch, parcel.unsent.event(), slab)) [[unlikely]] {
      slab.truncate(row.key_at);
      if (broken_) return;
      if (parcel.unsent.delivery().set_aside(*refused)) continue;
      return refuse(parcel, std::move(*refused));
    }
    if (row.size() > ordinary(row)) [[unlikely]] {
      if (row.size() > limits_.largest) {
        slab.truncate(row.key_at);
        Reject reject{index, "too_large", not_sent(row.size(), topic_.name(parcel.unsent.event()))};
        if (parcel.unsent.delivery().set_aside(reject)) continue;
        return refuse(parcel, std::move(reject));
      }
      alone_ = true;
      if (!quiet || !shipment.rows.empty()) return slab.truncate(row.key_at);
      if (row.size() > limits_.capacity)
        use({limits_.largest, limits_.ordinary, std::min(limits_.largest, 2 * row.size())});
      // Its topic was the old client's.
      if (row.topic != nullptr && !route(row, parcel.unsent.event()).empty()) return;
      shipment.rows.push_back(row);
      return parcel.unsent.pass();
    }
    shipment.rows.push_back(row);
  }
}

std::optional<Reject> KafkaSink::encode_row(Shipment::Row& row, const Batch& batch, const Event& event, Slab& slab) {
  const auto refused = [&row](std::string_view reason) {
    return Reject{row.event, "serialization", std::string(reason)};
  };
  if (!topic_.is_fixed(event)) [[unlikely]]
    if (std::string reason = route(row, event); !reason.empty()) return Reject{row.event, "routing", std::move(reason)};
  if (std::string_view reason = key_.append(event, slab); !reason.empty()) return refused(reason);
  row.value_at = slab.size();
  if (std::string_view reason = encoder_->encode(batch, event, slab); !reason.empty()) return refused(reason);
  row.headers_at = slab.size();
  if (config_.headers == Headers::standard)
    encode::append_idempotency_key(context_.tenant, batch.commits()[event.commit], event, slab);
  row.end = slab.size();
  if (event.extra == nullptr || event.extra->headers.empty()) [[likely]]
    return std::nullopt;
  row.with_headers = &event;
  for (const Header& each : event.extra->headers)
    row.more += static_cast<std::uint32_t>(each.name.size() + each.value.size() + kHeaderOverhead);
  return std::nullopt;
}

// Why it has no topic, or "". A topic that is missing, or may not be used, ends this sink.
std::string KafkaSink::route(Shipment::Row& row, const Event& event) {
  name_.truncate(0);
  if (std::string reason = topic_.append(event, name_); !reason.empty()) return reason;
  if (!is_topic_name(name_.view()))
    return fmt::format("'{}' is no valid topic name: use up to 249 letters, digits, '.', '_' and '-'", name_.view());
  if (name_.view().starts_with("__"))
    return fmt::format("topic '{}' is one of Kafka's own: events do not go there", name_.view());
  try {
    const Client::Routed& routed = client_->topic(name_.view());
    row.topic = routed.topic;
    row.limit = routed.limit;
    return {};
  } catch (const Error& error) {
    const bool retry = error.kind() == ErrorKind::unavailable;
    give_up(retry ? Fault::retry(error.message(), error.hint())
                  : Fault::stop(error.kind(), error.message(), error.hint()));
    return error.message();
  }
}

// What is larger may be too large for its topic.
std::size_t KafkaSink::ordinary(const Shipment::Row& row) const {
  if (row.limit == 0) return limits_.ordinary;
  return std::min(limits_.ordinary, row.limit - std::min(row.limit, kBatchFraming));
}

// Gives the client what it has not taken yet. What this round has no room for stays in waiting_, in order.
void KafkaSink::hand_over(Shipment& shipment) {
  const std::size_t begin = shipment.handed, end = fitting(shipment);
  const std::size_t taken = produce(shipment, end);
  if (broken_) return;
  shipment.handed = taken;
  at_client_ += taken - begin;
  if (taken < shipment.rows.size()) waiting_ = &shipment;
  rows_done(shipment, 0);
}

// The end of the rows that may go to the client now.
std::size_t KafkaSink::fitting(const Shipment& shipment) {
  std::size_t end = shipment.handed;
  if (at_client_ == 0)
    round_ = 0;
  else if (at_client_ + shipment.rows.size() - end > kFew)
    return end;
  for (; end < shipment.rows.size(); ++end) {
    const std::size_t cost = shipment.rows[end].size() + kRecordOverhead;
    if (round_ > 0 && round_ + cost > round_limit_) break;
    round_ += cost;
  }
  return end;
}

// The end of the rows that the client has taken.
std::size_t KafkaSink::produce(Shipment& shipment, std::size_t end) {
  for (std::size_t at = shipment.handed; at < end;) {
    const Shipment::Row& row = shipment.rows[at];
    if (!has_headers(row)) {
      std::size_t until = at + 1;
      while (until < end && shipment.rows[until].topic == row.topic && !has_headers(shipment.rows[until])) ++until;
      if (!produce_plain(shipment, at, until)) return at;
      continue;
    }
    const rd_kafka_resp_err_t error = produce_one(shipment, row);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      not_taken_yet(error, row);
      return at;
    }
    ++at;
  }
  return end;
}

// Rows of one topic, without headers. Moves `begin` behind what was taken. False: that is not all.
bool KafkaSink::produce_plain(Shipment& shipment, std::size_t& begin, std::size_t end) {
  const std::size_t first = begin, count = end - first;
  char* data = shipment.slab->data();
  messages_.resize(std::max(messages_.size(), count));
  for (std::size_t i = 0; i < count; ++i) {
    const Shipment::Row& row = shipment.rows[first + i];
    rd_kafka_message_t& message = messages_[i];
    message.err = RD_KAFKA_RESP_ERR_NO_ERROR;
    message.key = data + row.key_at;
    message.key_len = row.value_at - row.key_at;
    message.payload = data + row.value_at;
    message.len = row.headers_at - row.value_at;
    message._private = &shipment;
  }
  int taken = rd_kafka_produce_batch(topic_of(shipment.rows[first]), RD_KAFKA_PARTITION_UA, 0, messages_.data(),
                                     static_cast<int>(count));
  begin = end;
  if (static_cast<std::size_t>(taken) == count) return true;
  // Once the queue is full librdkafka takes nothing more of the same call, so that order holds.
  for (std::size_t i = 0; i < count; ++i)
    if (messages_[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      begin = first + i;
      not_taken_yet(messages_[i].err, shipment.rows[begin]);
      return false;
    }
  return true;
}

rd_kafka_resp_err_t KafkaSink::produce_one(Shipment& shipment, const Shipment::Row& row) {
  char* data = shipment.slab->data();
  const auto add = [this](rd_kafka_vtype_t type) -> auto& {
    parts_.push_back({});
    parts_.back().vtype = type;
    return parts_.back().u;
  };
  const auto add_header = [&add](std::string_view name, std::string_view value) {
    const char* bytes = value.empty() ? "" : value.data();  // no pointer would be a null
    add(RD_KAFKA_VTYPE_HEADER).header = {name.data(), bytes, static_cast<ssize_t>(value.size())};
  };
  parts_.clear();
  add(RD_KAFKA_VTYPE_RKT).rkt = topic_of(row);
  add(RD_KAFKA_VTYPE_MSGFLAGS).i = 0;  // no copy
  add(RD_KAFKA_VTYPE_KEY).mem = {data + row.key_at, row.value_at - row.key_at};
  add(RD_KAFKA_VTYPE_VALUE).mem = {data + row.value_at, row.headers_at - row.value_at};
  add(RD_KAFKA_VTYPE_OPAQUE).ptr = &shipment;
  const bool standard = config_.headers == Headers::standard;
  bool has_id = false;
  if (row.with_headers != nullptr) {
    for (const Header& each : row.with_headers->extra->headers) {
      // An outbox gives its events the application's own id.
      if (each.name == kEventIdHeader) has_id = true;
      if (standard && (each.name == kIdempotencyHeader || each.name == kTypeHeader)) continue;
      header_names_.emplace_back(each.name);
      add_header(header_names_.back(), each.value);
    }
  }
  if (standard) {
    const std::string_view idempotency(data + row.headers_at, row.end - row.headers_at);
    // It ends with the event id.
    if (!has_id) add_header(kEventIdHeader, idempotency.substr(idempotency.size() - kEventIdSize));
    add_header(kIdempotencyHeader, idempotency);
    const bool raw = row.with_headers != nullptr && row.with_headers->extra->raw_payload;
    add_header(kTypeHeader, raw ? "application/json" : encoder_->content_type());
  }
  rd_kafka_error_t* error = rd_kafka_produceva(client_->handle(), parts_.data(), parts_.size());
  header_names_.clear();
  rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  return code;
}

// A message that the client did not take, for want of room; any other reason ends the client.
void KafkaSink::not_taken_yet(rd_kafka_resp_err_t error, const Shipment::Row& row) {
  if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) give_up(client_->fault(error, "", rd_kafka_topic_name(topic_of(row))));
}

void KafkaSink::take_events() {
  std::chrono::milliseconds wait{0};
  while (rd_kafka_event_t* event = client_->next_event(wait)) {
    switch (rd_kafka_event_type(event)) {
      case RD_KAFKA_EVENT_DR: take_reports(event); break;
      case RD_KAFKA_EVENT_STATS: probe_.statistics(rd_kafka_event_stats(event)); break;
      case RD_KAFKA_EVENT_ERROR:
        if (auto fault = client_->note(event)) giving_up_ = std::move(fault);
        break;
      default: break;
    }
    rd_kafka_event_destroy(event);
    if (at_rest()) return;
    if (giving_up_) wait = kLastWords;
  }
  if (giving_up_) give_up(*giving_up_);
}

void KafkaSink::take_reports(rd_kafka_event_t* event) {
  Shipment* shipment = nullptr;
  std::size_t rows = 0;  // good ones in a row, of this shipment
  bool any = false;
  while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event)) {
    auto* owner = static_cast<Shipment*>(message->_private);
    if (owner != shipment) {
      if (rows > 0) rows_done(*shipment, rows);
      shipment = owner;
      rows = 0;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) [[likely]] {
      ++rows;
      any = true;
    } else {
      if (rows > 0) rows_done(*owner, std::exchange(rows, 0));
      report(*owner, *message);
      if (at_rest()) return;
    }
  }
  if (rows > 0) rows_done(*shipment, rows);
  if (!any) return;
  proven_ = true;
  client_->acknowledged();
}

// A row that was not delivered.
void KafkaSink::report(Shipment& shipment, const rd_kafka_message_t& message) {
  const std::uint32_t index = shipment.event_at(message.payload);
  const Event& event = shipment.parcel->batch->event(index);
  const Verdict::Action action = classify(message.err).action;
  const std::size_t size = message.len + message.key_len;
  // All before it are acknowledged, nothing is behind it: it alone is refused.
  if (action == Verdict::Action::too_large && awaited() == 1) {
    Reject reject{index, "too_large", not_taken(size, topic_.name(event))};
    if (!shipment.parcel->unsent.delivery().set_aside(reject)) refuse(*shipment.parcel, std::move(reject));
    return rows_done(shipment, 1);
  }
  Fault fault = client_->fault(message.err, "", message.rkt != nullptr ? rd_kafka_topic_name(message.rkt) : "");
  fault.message += fmt::format(" (table {}, {} bytes)", event.schema->full_name, size);
  if (action != Verdict::Action::follow_up) return give_up(fault);
  if (!giving_up_) giving_up_ = std::move(fault);
}

void KafkaSink::rows_done(Shipment& shipment, std::size_t rows) {
  shipment.open -= rows;
  shipment.parcel->open -= rows;
  at_client_ -= rows;
  if (shipment.open > 0 || shipment.handed < shipment.rows.size()) return;
  context_.slabs->give_back(std::exchange(shipment.slab, nullptr));
}

void KafkaSink::complete_parcels() {
  for (Parcel& parcel : parcels_)
    if (parcel.receipt && parcel.done()) parcel.complete();
  while (!parcels_.empty() && !parcels_.front().receipt) parcels_.pop_front();
}

void KafkaSink::refuse(Parcel& parcel, Reject row) {
  parcel.refused = std::move(row);
  blocked_ = true;
}

std::string KafkaSink::not_sent(std::size_t size, std::string_view topic) const {
  if (wanted_max_record(config_) != 0)
    return fmt::format(
        "the record of {} bytes is larger than message.max.bytes in client_conf, which is {}: raise it and, where it "
        "is smaller, max.message.bytes of topic '{}'",
        size, limits_.largest, topic);
  return fmt::format(
      "the record of {} bytes is larger than the {} bytes that a broker usually takes in one request: raise "
      "socket.request.max.bytes of the brokers and set message.max.bytes in client_conf",
      size, limits_.largest);
}

std::string KafkaSink::not_taken(std::size_t size, std::string_view topic) const {
  return fmt::format(
      "the broker refuses the record of {} bytes as larger than topic '{}' takes{}: raise "
      "max.message.bytes of the topic",
      size, topic, topic_limit_ != 0 ? fmt::format(" ({} bytes, compressed)", topic_limit_) : "");
}

// Nothing more can be done with this client: the lane sends again what has no answer.
void KafkaSink::give_up(const Fault& fault) {
  broken_ = fault;
  complete_parcels();
  for (Parcel& parcel : parcels_)
    if (parcel.receipt) std::move(*std::exchange(parcel.receipt, std::nullopt)).failed(fault);
}

}  // namespace

void add(Catalogue& catalogue) { catalogue.sinks.add<KafkaSink>("kafka"); }

}  // namespace deltaforge::sinks::kafka
