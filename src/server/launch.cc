// Pipelines as the manager drives them.
#include <memory>
#include <utility>

#include "pipeline/retire.h"
#include "pipeline/start_positions.h"
#include "server/manager.h"

namespace deltaforge::server {
namespace {

using pipeline::PipelineStatus;

class RealPipeline final : public Runnable {
 public:
  RealPipeline(pipeline::PipelineSpec spec, Store& store) : store_(store), pipeline_(std::move(spec), store) {}
  void start(bool on_trial) override { pipeline_.start(on_trial); }
  void end_trial() override { pipeline_.end_trial(); }
  void pause() override { pipeline_.pause(); }
  void resume() override { pipeline_.resume(); }
  bool stop(std::chrono::milliseconds deadline) override { return pipeline_.stop(deadline); }
  PipelineStatus status() const override { return pipeline_.status(); }
  void reset() override { pipeline::apply_reset(store_, pipeline_.spec().source.id); }
  void retire() override { pipeline::retire(pipeline_.spec(), store_); }
  void forget_sinks(const std::vector<std::string>& ids) override {
    pipeline::forget_sinks(pipeline_.spec(), store_, ids);
  }
  void forget_strangers() override { pipeline::forget_strangers(pipeline_.spec(), store_); }
  pipeline::Journal* journal() override { return pipeline_.journal(); }
  std::optional<std::vector<pipeline::Retried>> retry(const pipeline::RetryRequest& request) override {
    return pipeline_.retry(request);
  }

 private:
  Store& store_;
  pipeline::Pipeline pipeline_;
};

}  // namespace

Launch launch_on(Store& store, const std::string& directory) {
  return [&store, directory](pipeline::PipelineSpec spec) {
    spec.spill_directory = directory;
    return std::make_unique<RealPipeline>(std::move(spec), store);
  };
}

}  // namespace deltaforge::server
