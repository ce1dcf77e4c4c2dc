// Settings of the JavaScript processor.
#pragma once

#include <cstdint>
#include <string>

#include "config/node.h"
#include "config/report.h"
#include "config/spec.h"
#include "core/processor.h"

namespace deltaforge::processors::javascript {

enum class Clock { wall, commit };

// Of one call.
struct Limits {
  std::int64_t cpu_ms = 50;
  std::int64_t mem_mb = 128;
  std::int64_t timeout_ms = 500;

  static const config::Spec<Limits>& spec();
};

struct Config {
  enum class Type { javascript };

  Type type = Type::javascript;
  std::string id = "javascript";
  std::string script;  // `inline`
  Limits limits;
  OnError on_error = OnError::fail;
  bool needs_journal() const { return on_error == OnError::dlq; }
  Clock clock = Clock::wall;

  static const config::Spec<Config>& spec();
  // Compiles the script and runs its top level, within the limits.
  void check(const config::Node&, config::Report&) const;
};

}  // namespace deltaforge::processors::javascript
