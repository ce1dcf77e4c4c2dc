// Runs a script over the events of each source transaction, at most kPerCall of them a call, counted from the
// transaction's first: what it gets does not depend on where batches were cut. The engine is bound to one thread, and
// processors are made, called and destroyed on several: it has a thread of its own, which the transform thread waits
// for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/component.h"
#include "obs/metrics.h"
#include "processors/javascript/config.h"
#include "processors/javascript/script.h"
#include "processors/javascript/worker.h"

namespace deltaforge::processors::javascript {

class JavaScript final : public Processor {
 public:
  using Config = javascript::Config;
  static constexpr std::uint32_t kPerCall = 1'000;

  JavaScript(Config, const ProcessorContext&);
  ~JavaScript() override;

  // Throws Error{undecodable} when a script fails, Error{limit} or, for time, Error{unavailable} when it takes too
  // much.
  void process(Batch&) override;
  bool copies() const override { return true; }
  // A call that takes longer than Settings::kPatience from now on, or runs into a limit, is cancelled.
  void wind_down() noexcept override;
  void cancel() noexcept override;

 private:
  void all(Batch&);
  void chunk(Batch&, std::uint32_t first, std::uint32_t last);
  bool call(Batch&);
  void alone(Batch&);
  void put_in_place(Batch&);
  void append(Batch&, std::uint32_t first, std::uint32_t last);
  Script& script();
  [[noreturn]] void fail(const Batch&, const Failure&) const;

  const Config config_;
  const std::string pipeline_;
  const std::size_t copiers_;
  const decltype(ProcessorContext::set_aside) set_aside_;
  const decltype(ProcessorContext::had_letter) had_letter_;
  obs::Counter errors_, dropped_;
  std::atomic<Stop> stop_{Stop::no};
  // Of the worker's thread.
  std::unique_ptr<Script> script_;
  std::vector<std::uint32_t> inputs_;  // of the call
  std::vector<Output> outputs_;
  std::string failed_;            // why the last call did
  std::uint32_t moved_from_ = 0;  // events from here on are replaced by those behind the batch's first ones
  bool moved_ = false;

  Worker worker_;
};

void add(Catalogue&);

}  // namespace deltaforge::processors::javascript
