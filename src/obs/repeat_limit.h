// Lets one of many equal things through in ten seconds. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace deltaforge::obs {

class RepeatLimit {
 public:
  static constexpr std::chrono::seconds kInterval{10};
  static constexpr std::size_t kMaxKeys = 1024;

  explicit RepeatLimit(const Clock& clock) : clock_(clock) {}

  // How many equal ones were held back since the last that passed; nothing: this one is held back, too.
  std::optional<std::uint64_t> admit(std::string_view key, std::string_view message) {
    std::string what;
    what.reserve(key.size() + 1 + message.size());
    what.append(key).append(1, '\0').append(message);
    const SteadyTime now = clock_.now();
    std::lock_guard lock(mutex_);
    auto [at, first] = seen_.try_emplace(std::move(what), Seen{now, 0});
    if (!first && now - at->second.passed < kInterval) {
      ++at->second.held_back;
      return std::nullopt;
    }
    const std::uint64_t held_back = at->second.held_back;
    at->second = {now, 0};
    if (seen_.size() > kMaxKeys) forget_old(now);
    return held_back;
  }

  std::size_t remembered() {
    std::lock_guard lock(mutex_);
    return seen_.size();
  }

 private:
  struct Seen {
    SteadyTime passed;
    std::uint64_t held_back;
  };

  // Texts that differ each time must not fill the memory: what cannot be pruned by age goes as a whole.
  void forget_old(SteadyTime now) {
    std::erase_if(seen_, [&](const auto& entry) { return now - entry.second.passed >= kInterval; });
    if (seen_.size() > kMaxKeys) seen_.clear();
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Seen> seen_;
};

}  // namespace deltaforge::obs
