#include "processors/javascript/watchdog.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include <js/GCAPI.h>
#include <js/Interrupt.h>
#include <jsapi.h>

#include "processors/javascript/quiet_threads.h"

namespace deltaforge::processors::javascript {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTick{5};
constexpr int kIdleTicks = 200;                      // then it sleeps until it is woken
constexpr std::int64_t kLookAnyway = 1'000'000'000;  // memory that grows unseen was the process's before
constexpr std::size_t kLeastStep = 1 << 20;

std::int64_t ns(milliseconds time) { return nanoseconds(time).count(); }
std::int64_t wall_ns() { return nanoseconds(steady_clock::now().time_since_epoch()).count(); }
std::int64_t cpu_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Keeps the least in `seen`. True: it is more than that by a step.
bool grew(std::size_t& seen, std::size_t now, std::size_t step) {
  seen = std::min(seen, now);
  return now - seen >= step;
}

}  // namespace

Watchdog::Watchdog(JSContext* context, const Limits& limits, const std::atomic<Stop>* stop)
    : context_(context),
      limits_(limits),
      stop_(stop),
      step_(std::max(kLeastStep, static_cast<std::size_t>(limits.mem_mb) << 14)),  // a 64th of the limit
      statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
  pthread_getcpuclockid(pthread_self(), &cpu_clock_);
  const QuietThreads quiet;
  thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::begin() {
  wall_at_.store(wall_ns() + ns(milliseconds(limits_.timeout_ms)));
  cpu_at_.store(cpu_ns(cpu_clock_) + ns(milliseconds(limits_.cpu_ms)));
  stop_at_.store(kNever);
  in_call_.store(true);
  if (!asleep_.load()) return;
  { const std::lock_guard lock(mutex_); }
  changed_.notify_one();
}

void Watchdog::watch() {
  pthread_setname_np(pthread_self(), "df-watchdog");
  std::unique_lock lock(mutex_);
  for (int idle = 0; !ends_;) {
    if (idle >= kIdleTicks) {
      asleep_.store(true);
      changed_.wait(lock, [&] { return ends_ || in_call_.load(); });
      asleep_.store(false);
      idle = 0;
    }
    changed_.wait_for(lock, kTick, [&] { return ends_; });
    if (ends_) return;
    if (!in_call_.load()) {
      ++idle;
      continue;
    }
    idle = 0;
    if (is_due()) JS_RequestInterruptCallback(context_);
  }
}

bool Watchdog::is_due() { return passed() || has_grown(); }

std::optional<Failure::Kind> Watchdog::passed() {
  const std::int64_t now = wall_ns();
  if (stopped(now)) return Failure::Kind::stopped;
  if (cpu_ns(cpu_clock_) > cpu_at_.load()) return Failure::Kind::cpu;
  if (now > wall_at_.load()) return Failure::Kind::wall;
  return std::nullopt;
}

bool Watchdog::stopped(std::int64_t now) {
  const Stop stop = stop_ == nullptr ? Stop::no : stop_->load();
  if (stop == Stop::no) return false;
  std::int64_t at = kNever;  // it is seen for the first time in this call
  if (stop_at_.compare_exchange_strong(at, now + ns(Settings::kPatience))) at = now + ns(Settings::kPatience);
  return stop == Stop::now || now > at;
}

bool Watchdog::has_grown() {
  const std::int64_t now = wall_ns();
  const Memory memory{JS_GetGCParameter(context_, JSGC_BYTES), process_bytes()};  // which takes the collector's lock
  const bool heap = grew(seen_.heap, memory.heap, step_), process = grew(seen_.process, memory.process, step_);
  if (!heap && !process && now - looked_at_ < kLookAnyway && memory.process != 0) return false;
  seen_ = memory;
  looked_at_ = now;
  return true;
}

// What it has mapped, and what of that is in memory: either may grow alone. 0: nobody knows.
std::size_t Watchdog::process_bytes() const {
  std::array<char, 128> text{};
  const ssize_t size = ::pread(statm_.get(), text.data(), text.size(), 0);
  if (size <= 0) return 0;
  std::size_t mapped = 0, resident = 0;
  const char* const end = text.data() + size;
  const auto [next, error] = std::from_chars(text.data(), end, mapped);
  if (error != std::errc() || next == end) return 0;
  std::from_chars(next + 1, end, resident);
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (mapped + resident) * page;
}

}  // namespace deltaforge::processors::javascript
