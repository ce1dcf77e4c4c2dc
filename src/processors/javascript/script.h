// A compiled script and the engine that runs it. Belongs to the thread that made it: made, called and destroyed there.
// Knows nothing of threads but its own watchdog. What SpiderMonkey is stays in the .cc files of this folder.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "processors/javascript/config.h"

namespace deltaforge::processors::javascript {

// Why a script could not be compiled, or a call failed. But for `threw` the Script is of no further use.
struct Failure {
  enum class Kind { threw, cpu, wall, memory, stopped };
  Kind kind = Kind::threw;
  std::string message;

  bool is_limit() const { return kind != Kind::threw; }
};

// An event that a call gave back.
struct Output {
  std::uint32_t input;  // index in the batch of the event that it comes from
  Event event;
};

// What those who stop a pipeline want of a running call; only ever more. Any thread.
enum class Stop : std::uint8_t {
  no,
  patiently,  // a call may take kPatience still
  now
};

struct Settings {
  static constexpr std::chrono::milliseconds kPatience{500};

  std::string pipeline;
  std::string id;
  Limits limits;
  Clock clock = Clock::wall;
  std::size_t copiers = 0;                  // see copy_number()
  const std::atomic<Stop>* stop = nullptr;  // null: nobody stops it; outlives the Script
};

class Script {
 public:
  // `failure` is set when it does not compile, runs into a limit, or has no entry.
  Script(Settings, const std::string& source, std::optional<Failure>& failure);
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;
  ~Script();

  // Some events of one transaction, none of them dropped. `out` gets what comes back, in its order; nothing of the
  // batch but its pages is changed.
  std::optional<Failure> call(Batch&, const std::vector<std::uint32_t>& inputs, std::vector<Output>& out);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace deltaforge::processors::javascript
