#include "processors/javascript/javascript.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "core/event_id.h"

namespace deltaforge::processors::javascript {
namespace {

constexpr std::uint32_t kHintEvery = 4096;

obs::Counter counter(const char* name, const std::string& pipeline, const std::string& id) {
  return obs::Metrics::instance().counter(name, {{"pipeline", pipeline}, {"processor", id}});
}

}  // namespace

JavaScript::JavaScript(Config config, const ProcessorContext& context)
    : config_(std::move(config)),
      pipeline_(context.pipeline),
      copiers_(context.copiers),
      set_aside_(context.set_aside),
      had_letter_(context.had_letter),
      errors_(counter("deltaforge_script_errors_total", pipeline_, config_.id)),
      dropped_(counter("deltaforge_script_failed_events_dropped_total", pipeline_, config_.id)) {}

JavaScript::~JavaScript() {
  worker_.run([this] { script_.reset(); });
}

void JavaScript::process(Batch& batch) {
  if (batch.size() == 0) return;
  worker_.run([&] { all(batch); });
}

void JavaScript::wind_down() noexcept {
  Stop none = Stop::no;
  stop_.compare_exchange_strong(none, Stop::patiently);
}

// The watchdog of a running call sees it at its next tick.
void JavaScript::cancel() noexcept { stop_.store(Stop::now); }

// Outputs that are some of the inputs, in their order, stay where they are. From the first call on that gives back
// something else, all outputs are appended behind the events, and moved over them at the end.
void JavaScript::all(Batch& batch) {
  moved_ = false;
  const std::uint32_t size = batch.size();
  for (Commit& commit : batch.commits()) {
    const std::uint32_t from = commit.first, to = commit.last;
    if (moved_) commit.first = moved_from_ + batch.size() - size;
    for (std::uint32_t i = from; i < to; i += std::min(kPerCall, to - i)) {
      const bool before = moved_;
      chunk(batch, i, i + std::min(kPerCall, to - i));
      if (moved_ && !before) commit.first = from;  // events before this call stay where they are
      if (i % kHintEvery < kPerCall) batch.passed(i);
    }
    if (moved_) commit.last = moved_from_ + batch.size() - size;
  }
  if (!moved_) return;
  const std::uint32_t added = batch.size() - size;
  for (std::uint32_t i = 0; i < added; ++i) batch.event(moved_from_ + i) = batch.event(size + i);
  batch.truncate_events(moved_from_ + added);
}

void JavaScript::chunk(Batch& batch, std::uint32_t first, std::uint32_t last) {
  inputs_.clear();
  for (std::uint32_t i = first; i < last; ++i)
    if (!batch.event(i).dropped) inputs_.push_back(i);
  outputs_.clear();
  // A call that failed before is not made with those that are left of it: they had come alone, and come so again.
  const bool failed = had_letter_ && had_letter_(first, last);
  if (!inputs_.empty() && (failed || !call(batch))) alone(batch);
  const auto same = [&](const Output& each) { return each.event.fan_out == batch.event(each.input).fan_out; };
  const bool in_place = std::ranges::is_sorted(outputs_, std::ranges::less_equal(), &Output::input) &&
                        std::ranges::all_of(outputs_, same);
  if (in_place && !moved_) return put_in_place(batch);
  if (!std::exchange(moved_, true)) moved_from_ = first;
  append(batch, first, last);
}

void JavaScript::put_in_place(Batch& batch) {
  for (const std::uint32_t input : inputs_) batch.event(input).dropped = true;
  for (const Output& each : outputs_) batch.event(each.input) = each.event;
}

// What the call gave back, and behind it what was dropped: it counts as delivered.
void JavaScript::append(Batch& batch, std::uint32_t first, std::uint32_t last) {
  for (const Output& each : outputs_) batch.add_event() = each.event;
  std::ranges::sort(outputs_, {}, &Output::input);
  for (std::uint32_t i = first; i < last; ++i) {
    if (std::ranges::binary_search(outputs_, i, {}, &Output::input)) continue;
    Event& gone = batch.add_event();
    gone = batch.event(i);
    gone.dropped = true;
  }
}

// False: it failed, and its events are to be tried alone.
bool JavaScript::call(Batch& batch) {
  if (stop_.load() == Stop::now) throw Cancelled();
  const auto failure = script().call(batch, inputs_, outputs_);
  if (!failure) return true;
  if (failure->is_limit()) {
    script_.reset();
    if (stop_.load() != Stop::no) throw Cancelled();
  }
  errors_.add(1);
  if (config_.on_error == OnError::fail) fail(batch, *failure);
  failed_ = failure->message;
  return false;
}

void JavaScript::alone(Batch& batch) {
  const std::vector<std::uint32_t> together = std::exchange(inputs_, {});
  std::vector<Output> kept;
  for (const std::uint32_t input : together) {
    if (batch.event(input).dropped) continue;  // it waits behind one that was set aside
    inputs_.assign(1, input);
    outputs_.clear();
    if (call(batch))
      kept.insert(kept.end(), outputs_.begin(), outputs_.end());
    else if (config_.on_error == OnError::dlq)
      set_aside_(batch, input, failed_);
    else
      dropped_.add(1);
  }
  inputs_ = together;
  outputs_ = std::move(kept);
}

Script& JavaScript::script() {
  if (script_) return *script_;
  std::optional<Failure> failure;
  auto made = std::make_unique<Script>(Settings{.pipeline = pipeline_,
                                                .id = config_.id,
                                                .limits = config_.limits,
                                                .clock = config_.clock,
                                                .copiers = copiers_,
                                                .stop = &stop_},
                                       config_.script, failure);
  if (failure && failure->is_limit() && stop_.load() != Stop::no) throw Cancelled();
  if (failure)
    throw Error(failure->is_limit() ? ErrorKind::unavailable : ErrorKind::config,
                fmt::format("processor '{}': the script does not load: {}", config_.id, failure->message));
  script_ = std::move(made);
  return *script_;
}

void JavaScript::fail(const Batch& batch, const Failure& failure) const {
  const Event& first = batch.event(inputs_.front());
  const std::string message =
      fmt::format("processor '{}': the script failed in a call of {} events that begins with event {} of table {}: {}",
                  config_.id, inputs_.size(), to_string(event_id(batch.commits()[first.commit], first)),
                  first.schema->full_name, failure.message);
  switch (failure.kind) {
    case Failure::Kind::threw:
      throw Error(ErrorKind::undecodable, message,
                  "mend the script, or set on_error to dlq, or to drop to lose what fails");
    case Failure::Kind::memory:
      throw Error(ErrorKind::limit, message, "raise limits.mem_mb, or let the script keep less");
    default:
      throw Error(ErrorKind::unavailable, message, "raise the limit, or let the script do less; it is tried again");
  }
}

void add(Catalogue& catalogue) { catalogue.processors.add<JavaScript>("javascript"); }

}  // namespace deltaforge::processors::javascript
