// One SpiderMonkey context with one realm, its limits and its watchdog. Lives on one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "processors/javascript/script.h"
#include "processors/javascript/watchdog.h"

struct JSContext;

namespace deltaforge::processors::javascript {

class Objects;

class Vm {
 public:
  explicit Vm(const Settings&);
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;
  ~Vm();

  JSContext* context() { return context_; }
  // What stands behind the objects of events; set once by their owner, who outlives every call.
  Objects* objects() const { return objects_; }
  void set_objects(Objects* objects) { objects_ = objects; }
  const Settings& settings() const { return settings_; }

  // Runs `body` in the realm, within the limits; false from it is a JavaScript exception, or a limit.
  std::optional<Failure> guarded(const std::function<bool(JSContext*)>& body);
  // What clocks show, and seeds of random numbers, until the next one. Only with `clock: commit`.
  void set_time(std::int64_t ms, std::uint64_t seed);
  double now_ms(double wall) const { return settings_.clock == Clock::commit ? static_cast<double>(time_ms_) : wall; }
  double random();
  // A script's line for the log; 1,000 in a second, no more.
  void print(int level, const std::string& text);

  // Called by the engine, between operations of the script. False: stop it.
  bool within_limits();
  std::size_t memory_limit() const { return static_cast<std::size_t>(settings_.limits.mem_mb) << 20; }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Roots;

  std::size_t memory();
  bool memory_passed();
  Failure failure();
  std::string pending_exception();

  const Settings settings_;
  JSContext* context_ = nullptr;
  Objects* objects_ = nullptr;
  std::unique_ptr<Roots> roots_;

  // Of the running call.
  bool running_ = false;
  std::optional<Failure::Kind> tripped_;
  Time memory_looked_at_;

  std::int64_t time_ms_ = 0;
  std::uint64_t seed_ = 0;
  Time prints_since_;
  int prints_ = 0;

  std::optional<Watchdog> watchdog_;
};

}  // namespace deltaforge::processors::javascript
