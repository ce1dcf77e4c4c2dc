#include "processors/javascript/vm.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <js/Conversions.h>
#include <js/Date.h>
#include <js/ErrorReport.h>
#include <js/Exception.h>
#include <js/GCAPI.h>
#include <js/Interrupt.h>
#include <js/LocaleSensitive.h>
#include <js/MemoryFunctions.h>
#include <jsapi.h>
#include <jsfriendapi.h>

#include "base/error.h"
#include "obs/log.h"
#include "processors/javascript/engine.h"
#include "processors/javascript/globals.h"

namespace deltaforge::processors::javascript {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kMemoryEvery{100};  // a look at the memory between calls
constexpr int kPrintsPerSecond = 1000;
constexpr std::size_t kLongestText = 4 * 1024;

bool on_interrupt(JSContext* context) { return static_cast<Vm*>(JS_GetContextPrivate(context))->within_limits(); }

double on_clock(double microseconds, JSContext* context) {
  const auto* vm = static_cast<const Vm*>(JS_GetContextPrivate(context));
  return vm == nullptr ? microseconds : vm->now_ms(microseconds / 1000) * 1000;
}

unsigned heap_backstop(std::size_t limit) {
  return static_cast<unsigned>(std::min<std::size_t>(2 * limit + (64 << 20), 0xffff'ffff));
}

}  // namespace

// Its headers have a base class without a virtual destructor; nobody deletes by it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
// Runs what the engine runs outside of any script, such as the jobs of promises. What they throw is nobody's.
class JobRunner final : public js::ScriptEnvironmentPreparer {
 public:
  explicit JobRunner(JSContext* context) : context_(context) {}
  // The library has no type information.
  __attribute__((no_sanitize("vptr"))) void invoke(JS::HandleObject global, Closure& closure) override {
    JSAutoRealm realm(context_, global);
    if (!closure(context_)) JS_ClearPendingException(context_);
  }

 private:
  JSContext* const context_;
};
#pragma GCC diagnostic pop

struct Vm::Roots {
  explicit Roots(JSContext* context) : global(context), memory(context), jobs(context) {}
  JS::PersistentRootedObject global, memory;
  JobRunner jobs;
};

Vm::Vm(const Settings& settings) : settings_(settings) {
  context_ = new_context(heap_backstop(memory_limit()));
  JS_SetContextPrivate(context_, this);
  JS_SetDefaultLocale(JS_GetRuntime(context_), "en-US");  // not that of the host
  JS_AddInterruptCallback(context_, on_interrupt);
  static std::once_flag clock_is_ours;  // of the process
  std::call_once(clock_is_ours, [] { JS::SetReduceMicrosecondTimePrecisionCallback(on_clock); });
  roots_ = std::make_unique<Roots>(context_);
  js::SetScriptEnvironmentPreparer(context_, &roots_->jobs);
  JSObject* global = new_global(context_, settings_.clock);
  if (global != nullptr) {
    roots_->global = global;
    JSAutoRealm realm(context_, global);
    roots_->memory = js::gc::NewMemoryInfoObject(context_);
  }
  if (!roots_->memory) {
    roots_.reset();
    destroy_context(context_);
    throw Error(ErrorKind::internal, "no memory for a JavaScript context");
  }
  watchdog_.emplace(context_, settings_.limits, settings_.stop);
}

Vm::~Vm() {
  watchdog_.reset();
  roots_.reset();
  JS_SetContextPrivate(context_, nullptr);
  destroy_context(context_);
}

std::optional<Failure> Vm::guarded(const std::function<bool(JSContext*)>& body) {
  const auto now = steady_clock::now();
  tripped_.reset();
  running_ = true;
  watchdog_->begin();
  std::optional<Failure> result;
  {
    JSAutoRealm realm(context_, roots_->global);
    if (!body(context_) || tripped_) result = failure();
    js::RunJobs(context_);
    if (!result && tripped_) result = failure();
    if (!result && now - memory_looked_at_ > kMemoryEvery && memory_passed()) {
      tripped_ = Failure::Kind::memory;
      result = failure();
    }
  }
  running_ = false;
  watchdog_->end();
  return result;
}

bool Vm::within_limits() {
  if (!running_) return true;
  if (!tripped_) {
    tripped_ = watchdog_->passed();
    if (!tripped_ && memory_passed()) tripped_ = Failure::Kind::memory;
  }
  if (!tripped_) return true;
  js::StopDrainingJobQueue(context_);
  return false;
}

// The heap, and what its objects hold outside of it: the engine's own maximum sees the first only.
std::size_t Vm::memory() {
  const auto number = [&](JS::HandleObject object, const char* name) {
    JS::RootedValue value(context_);
    const bool read = JS_GetProperty(context_, object, name, &value);
    return read && value.isNumber() ? value.toNumber() : 0;
  };
  JS::RootedObject info(context_, roots_->memory);
  // What is young still counts nowhere; this makes it old.
  { const JS::AutoDisableGenerationalGC old(context_); }
  const double outside = number(info, "mallocBytes");  // of all zones: that of names and symbols, too
  return JS_GetGCParameter(context_, JSGC_BYTES) + static_cast<std::size_t>(outside);
}

bool Vm::memory_passed() {
  memory_looked_at_ = steady_clock::now();
  if (memory() <= memory_limit()) return false;
  JS_GC(context_);
  return memory() > memory_limit();
}

Failure Vm::failure() {
  if (!tripped_) return {Failure::Kind::threw, pending_exception()};
  JS_ClearPendingException(context_);
  const Limits& limits = settings_.limits;
  switch (*tripped_) {
    case Failure::Kind::cpu:
      return {*tripped_, fmt::format("a call took more than {} ms of processor time (limits.cpu_ms)", limits.cpu_ms)};
    case Failure::Kind::wall:
      return {*tripped_, fmt::format("a call took more than {} ms (limits.timeout_ms)", limits.timeout_ms)};
    case Failure::Kind::stopped: return {*tripped_, "the pipeline stops"};
    default: return {*tripped_, fmt::format("it holds more than {} MiB (limits.mem_mb)", limits.mem_mb)};
  }
}

std::string Vm::pending_exception() {
  if (!JS_IsExceptionPending(context_)) return "it was stopped";
  JS::ExceptionStack exception(context_);
  JS::ErrorReportBuilder report(context_);
  if (!JS::StealPendingExceptionStack(context_, &exception) ||
      !report.init(context_, exception, JS::ErrorReportBuilder::NoSideEffects)) {
    JS_ClearPendingException(context_);
    return "it threw something that cannot be shown";
  }
  std::string text = report.toStringResult().c_str();
  if (text.size() > kLongestText) {
    text.resize(kLongestText);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty() && static_cast<signed char>(text.back()) < 0) text.pop_back();
  }
  if (report.report()->lineno > 0)
    text += fmt::format(", in line {}, column {} of the script", report.report()->lineno, report.report()->column + 1);
  return text;
}

void Vm::set_time(std::int64_t ms, std::uint64_t seed) {
  time_ms_ = ms;
  seed_ = seed;
}

// splitmix64: a seed of any kind gives numbers that look unlike each other.
double Vm::random() {
  seed_ += 0x9E3779B97F4A7C15;
  std::uint64_t bits = seed_;
  bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9;
  bits = (bits ^ bits >> 27) * 0x94D049BB133111EB;
  bits ^= bits >> 31;
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

void Vm::print(int level, const std::string& text) {
  const auto now = steady_clock::now();
  if (now - prints_since_ > std::chrono::seconds(1)) {
    prints_since_ = now;
    prints_ = 0;
  }
  if (++prints_ > kPrintsPerSecond) return;
  obs::log(static_cast<obs::Level>(level), "script",
           {{"pipeline", std::string_view(settings_.pipeline)},
            {"processor", std::string_view(settings_.id)},
            {"text", std::string_view(text)}});
}

}  // namespace deltaforge::processors::javascript
