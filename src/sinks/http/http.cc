// The sink: up to kRequests requests at once, one for a key, and those of other keys beside it.
//
// What can be tried again is tried again here, for ever, with back-off: a new sink would send again what other keys
// have had answered since. Only what nobody can mend from here ends the sink: wrong credentials, an untrusted
// certificate.
//
// A refused event blocks. From then on only what stands before it is started; when that is done and nothing is under
// way any more, it is reported. Events behind it may have been taken by then: they come again, under the same
// Idempotency-Key. A new sink therefore begins with a single request, so that an event that is still refused is offered
// alone.
#include "sinks/http/http.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/backoff.h"
#include "obs/log.h"
#include "sinks/http/classify.h"
#include "sinks/http/cutter.h"
#include "sinks/http/exchange.h"
#include "sinks/http/plan.h"
#include "sinks/http/request_writer.h"
#include "sinks/http/transport.h"

namespace deltaforge::sinks::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kWindow = 8;
constexpr std::size_t kRequests = 64;
constexpr std::size_t kMostBytes = 32 * 1024 * 1024;           // of bodies under way
constexpr std::size_t kKeptBuffer = 1024 * 1024;               // of an idle exchange
constexpr milliseconds kFirstWait{100}, kLongestWait{10'000};  // before the same request goes again
constexpr milliseconds kFirstArrayWait{200}, kLongestArrayWait{15'000};

class HttpSink final : public Sink {
 public:
  using Config = http::Config;

  HttpSink(Config config, SinkContext context)
      : config_(std::move(config)),
        context_(std::move(context)),
        fixed_host_(has_fixed_host(config_.url.text)),
        writer_(config_, context_),
        cutter_(config_.batch_mode, writer_),
        away_(kFirstWait, kLongestWait) {}
  ~HttpSink() override { drop_requests(); }

  std::optional<Position> open() override;
  std::optional<Position> plan(PlanReport& report) override {
    look_at_server(config_, report);
    return std::nullopt;
  }
  bool wants_same_deliveries() const override { return config_.batch_mode; }
  std::size_t window() const override { return kWindow; }
  void send(const Delivery&, Receipt) override;
  bool poll() override;

 private:
  void warn(const std::string& what) const;
  static SteadyTime now() { return std::chrono::steady_clock::now(); }

  bool take_answers();
  bool start_requests(SteadyTime at);
  bool may_start(SteadyTime at) const;
  Unit* next_unit(SteadyTime at);
  void push_ready(Unit*);
  void start(Unit&);
  Exchange& take_exchange();
  void put_back(Exchange&);

  void take_answer(Exchange&, int code);
  void taken(Unit&);
  void try_again(Unit&, const Exchange::Answer&, Verdict, const std::string& what);
  void not_taken(Unit&, const std::string& what, Verdict, long status);
  void refuse(Unit&, Reject);
  milliseconds wait_of(Unit&);

  void complete();
  bool is_before_refused(const Unit& unit) const { return !refused_ || unit.next() < refused_->place; }
  bool is_done_before_refused();
  void drop_requests();
  void give_up(const Fault&);

  const Config config_;
  const SinkContext context_;
  const bool fixed_host_;
  RequestWriter writer_;
  std::deque<Parcel> parcels_;  // in order; the front is the oldest without an answer
  std::uint64_t parcels_sent_ = 0;
  Cutter cutter_;
  std::optional<Transport> transport_;

  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<Exchange*> idle_;
  std::size_t under_way_ = 0, bytes_under_way_ = 0;

  std::vector<Unit*> ready_;  // heap: the first in order on top
  std::vector<Unit*> freed_;  // on their way into it
  struct Later {
    SteadyTime at;
    Unit* unit;
    bool operator>(const Later& other) const { return at > other.at; }
  };
  std::vector<Later> later_;  // heap: the earliest on top
  SteadyTime pause_until_{};  // nothing is started before
  Backoff away_;              // of connections, to a fixed host
  bool proven_ = false;       // the server has taken something since the sink was made, or was away
  bool troubled_ = false;
  std::minstd_rand random_{std::random_device{}()};

  struct Refused {
    Place place;
    Reject reject;
  };
  std::optional<Refused> refused_;  // the first of them
  bool blocked_ = false;            // and it was reported: nothing more is sent
  std::optional<Fault> broken_;     // this sink can do nothing more
};

bool is_later(const Unit* a, const Unit* b) { return b->before(*a); }

std::optional<Position> HttpSink::open() {
  check_files(config_);
  if (const std::string text = plain_text_warning(config_); !text.empty()) warn(text + ": write https:// in `url`");
  if (const std::string text = no_check_warning(config_); !text.empty())
    warn(text + ": leave tls.insecure_skip_verify out");
  transport_.emplace(context_.wake, kRequests);
  return std::nullopt;
}

void HttpSink::warn(const std::string& what) const {
  obs::log_limited(obs::Level::warn, config_.id, what, {{"pipeline", context_.pipeline}, {"sink", config_.id}});
}

void HttpSink::send(const Delivery& delivery, Receipt receipt) {
  if (broken_) return std::move(receipt).failed(*broken_);
  parcels_.emplace_back(delivery, std::move(receipt), parcels_sent_++);
}

bool HttpSink::poll() {
  if (!transport_ || broken_ || blocked_) return false;
  transport_->run();
  bool moved = take_answers();
  if (broken_) return false;
  const SteadyTime at = now();
  moved = start_requests(at) || moved;
  complete();
  if (blocked_) return false;
  if (moved) return true;
  // Nothing is started before the pause ends, nor before there is room; then an answer wakes the lane.
  SteadyTime due = SteadyTime::max();
  if (pause_until_ > at)
    due = pause_until_;
  else if (!later_.empty() && may_start(at))
    due = later_.front().at;
  if (under_way_ > 0 || due != SteadyTime::max()) transport_->watch(due);
  return false;
}

bool HttpSink::take_answers() {
  bool any = false;
  while (!broken_) {
    const auto ended = transport_->next_ended();
    if (!ended) break;
    take_answer(Exchange::of(ended->easy), ended->code);
    any = true;
  }
  return any;
}

bool HttpSink::start_requests(SteadyTime at) {
  bool any = false;
  while (may_start(at)) {
    if (Unit* unit = next_unit(at)) {
      start(*unit);
      any = true;
    } else if (refused_ || !cutter_.cut(parcels_, freed_)) {
      break;
    }
  }
  return any;
}

bool HttpSink::may_start(SteadyTime at) const {
  if (at < pause_until_ || under_way_ == kRequests) return false;
  return under_way_ == 0 || (proven_ && bytes_under_way_ < kMostBytes);
}

void HttpSink::push_ready(Unit* unit) {
  ready_.push_back(unit);
  std::push_heap(ready_.begin(), ready_.end(), is_later);
}

// The first in order of those that may be sent now.
Unit* HttpSink::next_unit(SteadyTime at) {
  while (!later_.empty() && later_.front().at <= at) {
    freed_.push_back(later_.front().unit);
    std::pop_heap(later_.begin(), later_.end(), std::greater<>());
    later_.pop_back();
  }
  for (; !freed_.empty(); freed_.pop_back()) push_ready(freed_.back());
  while (!ready_.empty()) {
    Unit* unit = ready_.front();
    std::pop_heap(ready_.begin(), ready_.end(), is_later);
    ready_.pop_back();
    if (is_before_refused(*unit)) return unit;
    cutter_.step_aside(*unit, freed_);  // nobody waits for what is not sent
    for (; !freed_.empty(); freed_.pop_back()) push_ready(freed_.back());
  }
  return nullptr;
}

void HttpSink::start(Unit& unit) {
  if (refused_) {  // what stands behind it is left out of an array
    const auto first = unit.events.begin() + static_cast<std::ptrdiff_t>(unit.done);
    const auto end = std::find_if(first, unit.events.end(), [&](std::uint32_t event) {
      return !(Place{unit.parcel->number, event} < refused_->place);
    });
    unit.at_once = std::min(unit.at_once, static_cast<std::size_t>(end - first));
  }
  Exchange& exchange = take_exchange();
  if (auto refusal = writer_.write(unit, exchange)) {
    put_back(exchange);
    return refuse(unit, {unit.events[unit.done], std::string(refusal->kind), std::move(refusal->reason)});
  }
  exchange.unit = &unit;
  ++under_way_;
  bytes_under_way_ += exchange.body.size();
  exchange.begin();
  transport_->start(exchange.handle());
}

Exchange& HttpSink::take_exchange() {
  if (idle_.empty()) {
    exchanges_.push_back(std::make_unique<Exchange>(config_));
    idle_.push_back(exchanges_.back().get());
  }
  Exchange& exchange = *idle_.back();
  idle_.pop_back();
  return exchange;
}

void HttpSink::put_back(Exchange& exchange) {
  if (exchange.body.capacity() > kKeptBuffer) std::string().swap(exchange.body);
  exchange.unit = nullptr;
  idle_.push_back(&exchange);
}

void HttpSink::take_answer(Exchange& exchange, int code) {
  Unit& unit = *exchange.unit;
  const Exchange::Answer answer = exchange.answer(code);
  // Where the host is the same for all, it is not the event that is wrong.
  const Verdict::Action guarded = fixed_host_ ? Verdict::Action::retry : Verdict::Action::refused;
  const Verdict verdict = answer.private_address ? Verdict{guarded, ErrorKind::config, "name the host in `allow_hosts`"}
                          : answer.failure != 0  ? classify_failure(answer.failure, answer.sent)
                                                 : classify_status(answer.status);
  const std::string what =
      verdict.action == Verdict::Action::delivered
          ? std::string()
          : fmt::format("{} {}: {}", to_string(config_.method), without_query(exchange.url), answer.text);
  const std::size_t bytes = exchange.body.size();
  --under_way_;
  bytes_under_way_ -= bytes;
  put_back(exchange);
  switch (verdict.action) {
    case Verdict::Action::delivered: context_.count_bytes(bytes); return taken(unit);
    case Verdict::Action::retry:
    case Verdict::Action::away: return try_again(unit, answer, verdict, what);
    case Verdict::Action::stop: return give_up(Fault::stop(verdict.kind, what, std::string(verdict.hint)));
    case Verdict::Action::refused: return not_taken(unit, what, verdict, answer.status);
  }
}

void HttpSink::taken(Unit& unit) {
  proven_ = true;
  away_.reset();
  if (troubled_ && later_.empty()) {
    troubled_ = false;
    context_.trouble({});
  }
  unit.attempts = 0;
  unit.done += unit.sent;
  if (unit.done == unit.events.size()) return cutter_.finish(unit, freed_);
  // Of an array that is sent in parts: half of it was refused, or it was too large.
  unit.at_once = 2 * unit.sent;
  freed_.push_back(&unit);
}

void HttpSink::try_again(Unit& unit, const Exchange::Answer& answer, Verdict verdict, const std::string& what) {
  // Whatever becomes of this sink: a refused event ends it long before that time.
  if (fixed_host_ && answer.retry_after.count() > 0) context_.hold_off(now() + answer.retry_after);
  if (!is_before_refused(unit)) return freed_.push_back(&unit);  // it is not sent again
  milliseconds wait = wait_of(unit);
  // Then nothing would be gained by asking it about others, either.
  const bool all_wait = fixed_host_ && (verdict.action == Verdict::Action::away || answer.status == 429 ||
                                        (answer.status == 503 && answer.retry_after.count() > 0));
  if (fixed_host_ && verdict.action == Verdict::Action::away) {
    proven_ = false;
    if (now() >= pause_until_) wait = away_.next();  // else another one has just found out
  }
  wait = std::max<milliseconds>(wait, answer.retry_after);
  const SteadyTime at = now() + wait;
  if (all_wait) pause_until_ = std::max(pause_until_, at);
  later_.push_back({at, &unit});
  std::push_heap(later_.begin(), later_.end(), std::greater<>());

  const std::string hint = verdict.hint.empty() ? std::string() : fmt::format(" ({})", verdict.hint);
  context_.trouble(fmt::format("{}{}; again in {:.1f} s", what, hint, static_cast<double>(wait.count()) / 1000));
  troubled_ = true;
  obs::log_limited(obs::Level::warn, config_.id, "a request is tried again",
                   {{"pipeline", context_.pipeline}, {"sink", config_.id}, {"error", what + hint}});
}

milliseconds HttpSink::wait_of(Unit& unit) {
  const milliseconds first = config_.batch_mode ? kFirstArrayWait : kFirstWait;
  const milliseconds longest = config_.batch_mode ? kLongestArrayWait : kLongestWait;
  const milliseconds base = std::min(longest, first * (1U << std::min(unit.attempts++, 10U)));
  std::uniform_real_distribution<double> jitter(0.8, 1.2);
  return milliseconds(static_cast<std::int64_t>(static_cast<double>(base.count()) * jitter(random_)));
}

// Of an array it may be any of the events: parts of it are sent, until it is known which.
void HttpSink::not_taken(Unit& unit, const std::string& what, Verdict verdict, long status) {
  if (unit.sent > 1) {
    unit.at_once = proven_ ? unit.sent / 2 : 1;
    unit.attempts = 0;
    freed_.push_back(&unit);
    return;
  }
  const std::string_view kind = verdict.kind == ErrorKind::config ? "routing"
                                : status == 413                   ? "too_large"
                                                                  : "rejected";
  refuse(unit, {unit.events[unit.done], std::string(kind), fmt::format("{} ({})", what, verdict.hint)});
}

void HttpSink::refuse(Unit& unit, Reject reject) {
  if (unit.parcel->uncut.delivery().set_aside(reject)) {
    unit.attempts = 0;
    if (++unit.done == unit.events.size()) return cutter_.finish(unit, freed_);
    return freed_.push_back(&unit);
  }
  const Place place = unit.next();
  if (!refused_ || place < refused_->place) refused_ = {place, std::move(reject)};
  freed_.push_back(&unit);
  const auto kept =
      std::partition(later_.begin(), later_.end(), [&](const Later& each) { return is_before_refused(*each.unit); });
  for (auto each = kept; each != later_.end(); ++each) freed_.push_back(each->unit);
  later_.erase(kept, later_.end());
  std::make_heap(later_.begin(), later_.end(), std::greater<>());
}

// Answers what is done, in order.
void HttpSink::complete() {
  while (!parcels_.empty()) {
    Parcel& front = parcels_.front();
    if (front.open > 0 || !front.uncut.at_end()) break;
    if (refused_ && front.number == refused_->place.parcel) break;
    front.take_receipt().delivered();
    parcels_.pop_front();
  }
  if (!refused_ || under_way_ > 0 || !is_done_before_refused()) return;
  blocked_ = true;
  parcels_.front().take_receipt().delivered_until(refused_->reject);
}

bool HttpSink::is_done_before_refused() {
  bool done = true;
  cutter_.for_each_live([&](const Unit& unit) { done = done && !(unit.next() < refused_->place); });
  return done;
}

void HttpSink::drop_requests() {
  for (const auto& exchange : exchanges_)
    if (exchange->unit != nullptr) transport_->stop(exchange->handle());
  exchanges_.clear();
  idle_.clear();
  under_way_ = bytes_under_way_ = 0;
}

// Nothing more can be done with this sink: the lane sends again what has no answer.
void HttpSink::give_up(const Fault& fault) {
  broken_ = fault;
  drop_requests();
  for (Parcel& parcel : parcels_)
    if (parcel.receipt) parcel.take_receipt().failed(fault);
}

}  // namespace

void add(Catalogue& catalogue) { catalogue.sinks.add<HttpSink>("http"); }

}  // namespace deltaforge::sinks::http
