#include "sinks/testing/lane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace deltaforge::sinks::testing {

SinkContext Lane::context() {
  SinkContext context;
  context.pipeline = "shop";
  context.slabs = &slabs_;
  context.positions = &codec_;
  context.wake = [this] { wake(); };
  context.count_bytes = [this](std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    bytes_ += bytes;
  };
  context.hold_off = [](SteadyTime) {};
  context.recall = [this] { return note_; };
  context.remember = [this](std::string_view note) { note_ = note; };
  context.trouble = [this](std::string why) {
    std::lock_guard lock(mutex_);
    trouble_ = std::move(why);
  };
  return context;
}

void Lane::wake() {
  std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void Lane::send(Sink& sink, const Delivery& delivery) {
  ++sent_;
  sink.send(delivery, Receipt(*this, 1, delivery.batch->seq));
}

bool Lane::drain(Sink& sink, std::chrono::milliseconds patience) {
  return poll_until(sink, patience, [this] { return all_answered(); });
}

bool Lane::drain_or_block(Sink& sink, std::chrono::milliseconds patience) {
  return poll_until(sink, patience, [this] { return all_answered() || blocked(); });
}

bool Lane::poll_until(Sink& sink, std::chrono::milliseconds patience, const std::function<bool()>& done) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (sink.poll()) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [this] { return woken_ || answers_.size() >= sent_; });
    woken_ = false;
  }
  return true;
}

bool Lane::all_answered() const { return answers().size() >= sent_; }

bool Lane::blocked() const {
  std::lock_guard lock(mutex_);
  return std::any_of(answers_.begin(), answers_.end(), [](const Answer& answer) { return answer.outcome.refused; });
}

Answer Lane::deliver(Sink& sink, const Delivery& delivery) {
  send(sink, delivery);
  if (!drain(sink)) return {delivery.batch->seq, {Fault::retry("no answer in time"), {}}};
  return answers().back();
}

std::vector<Answer> Lane::answers() const {
  std::lock_guard lock(mutex_);
  return answers_;
}

std::uint64_t Lane::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

std::string Lane::trouble() const {
  std::lock_guard lock(mutex_);
  return trouble_;
}

void Lane::complete(std::uint64_t, BatchSeq seq, Outcome&& outcome) noexcept {
  std::lock_guard lock(mutex_);
  answers_.push_back({seq, std::move(outcome)});
  woken_ = true;
  changed_.notify_all();
}

}  // namespace deltaforge::sinks::testing
