#include "processors/javascript/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "processors/javascript/script.h"
#include "processors/javascript/worker.h"

namespace deltaforge::processors::javascript {
namespace {

// As it was written: variables of the environment look like parts of JavaScript's template texts.
void read_script(const config::Node& node, std::string& to, config::Report& report) {
  if (!node.is_scalar() || node.text().empty())
    return report.add(node, "write the script as text, for example behind `inline: |`");
  to = node.text();
}

// A look at the script is short, whatever its calls may take.
Settings loading(const Config& config) {
  Limits limits = config.limits;
  limits.cpu_ms = std::clamp<std::int64_t>(limits.cpu_ms, 1'000, 2'000);
  limits.timeout_ms = std::clamp<std::int64_t>(limits.timeout_ms, 5'000, 10'000);
  limits.mem_mb = std::min<std::int64_t>(limits.mem_mb, 512);
  return {.pipeline = {}, .id = config.id, .limits = limits, .clock = config.clock};
}

}  // namespace

const config::Spec<Limits>& Limits::spec() {
  static const auto s = [] {
    config::Spec<Limits> spec("limits", "What one call of the script may take; it is stopped when it takes more.");
    spec.field("cpu_ms", &Limits::cpu_ms, "Milliseconds of processor time.", {.min = 1, .max = 60'000})
        .field("mem_mb", &Limits::mem_mb, "MiB that the script holds, what it keeps between calls included.",
               {.min = 8, .max = 4'095})
        .field("timeout_ms", &Limits::timeout_ms, "Milliseconds that may pass.", {.min = 1, .max = 600'000});
    return spec;
  }();
  return s;
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("javascript", "Runs a script over the events of each transaction.");
    spec.choice("type", &Config::type, "`javascript`.", {{"javascript", Type::javascript}}, {.required = true})
        .field("id", &Config::id, "Name in metrics and messages, and in `synthetic` of new events.", {.min = 1})
        .custom("inline", &Config::script,
                "The script: `function processBatch(events)`, or `(event) => [event]` at its end. `${...}` in it is "
                "JavaScript's own.",
                read_script, {.required = true})
        .shaped({.type = "string"})
        .nested("limits", &Config::limits, "What one call may take.")
        .choice("on_error", &Config::on_error,
                "What becomes of a failed call: `fail` stops the pipeline before it; `dlq` and `drop` repeat it event "
                "by event, and those that fail alone become dead letters or are dropped.",
                {{"fail", OnError::fail}, {"dlq", OnError::dlq}, {"drop", OnError::drop}})
        .choice("clock", &Config::clock,
                "What `Date` shows: the time, or that of the commit; then `Math.random()` follows from the event too.",
                {{"wall", Clock::wall}, {"commit", Clock::commit}});
    return spec;
  }();
  return s;
}

void Config::check(const config::Node& node, config::Report& report) const {
  if (script.empty()) return;
  try {
    std::optional<Failure> failure;
    Worker worker;  // whoever checks may have a small stack
    worker.run([&] { const Script compiled(loading(*this), script, failure); });
    if (failure) report.add(node, "inline", fmt::format("the script does not load: {}", failure->message));
  } catch (const Error& error) {
    report.add(node, "inline", error.what());
  }
}

}  // namespace deltaforge::processors::javascript
