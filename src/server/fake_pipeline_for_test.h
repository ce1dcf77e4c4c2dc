// A pipeline without threads, for tests of the manager and the API.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/components.h"
#include "server/manager.h"
#include "storage/memory_store.h"

namespace deltaforge::server::testing {

// What happened to one pipeline, and what it answers.
struct Script {
  std::vector<std::string> calls;
  pipeline::PipelineStatus status;
  std::mutex mutex;  // of both above
  bool drains = true;
  bool launches = true;
  bool retires = true;
  bool fails_to_start = false;  // the next time
};

class FakePipeline final : public Runnable {
 public:
  explicit FakePipeline(Script& script) : script_(script) {}
  void start(bool) override { become("start", pipeline::Status::running); }
  void end_trial() override {}
  void pause() override { become("pause", pipeline::Status::paused); }
  void resume() override { become("resume", pipeline::Status::running); }
  bool stop(std::chrono::milliseconds) override {
    become("stop", pipeline::Status::stopped);
    return script_.drains;
  }
  pipeline::PipelineStatus status() const override {
    std::lock_guard lock(script_.mutex);
    return script_.status;
  }
  void forget_strangers() override {}
  void forget_sinks(const std::vector<std::string>& ids) override {
    for (const std::string& id : ids) script_.calls.push_back("forget " + id);
  }
  pipeline::Journal* journal() override { return nullptr; }
  std::optional<std::vector<pipeline::Retried>> retry(const pipeline::RetryRequest&) override { return std::nullopt; }
  void reset() override { script_.calls.push_back("reset"); }
  void retire() override {
    if (!script_.retires) throw Error(ErrorKind::unavailable, "connecting to the database: refused");
    script_.calls.push_back("retire");
  }

 private:
  void become(const std::string& call, pipeline::Status status) {
    std::lock_guard lock(script_.mutex);
    script_.calls.push_back(call);
    script_.status.status =
        call == "start" && std::exchange(script_.fails_to_start, false) ? pipeline::Status::failed : status;
  }
  Script& script_;
};

// Scripts by name of the pipeline, and what is kept; they outlive the manager.
class FakeWorld {
 public:
  storage::MemoryStore store;
  SpecStore specs{store, components(), ""};

  Script& operator[](const std::string& name) { return scripts_[name]; }
  Launch launch() {
    return [this](const pipeline::PipelineSpec& spec) {
      if (!scripts_[spec.name].launches)
        throw Error(ErrorKind::storage, "storing the pipeline's uid: disk full", "free some space");
      return std::make_unique<FakePipeline>(scripts_[spec.name]);
    };
  }

 private:
  std::map<std::string, Script> scripts_;
};

inline Document good_document(const std::string& name, const std::string& source_id) {
  Document document;
  document.name = document.fallback_name = name;
  document.file = name + ".yaml";
  document.labels = {{"env", "dev"}, {"team", name}};
  document.echo = R"({"metadata":{"name":")" + name + R"("},"spec":{"source":{"type":"fake"}}})";
  document.spec.emplace();
  document.spec->name = name;
  document.spec->tenant = "acme";
  document.spec->source.id = source_id;
  return document;
}

// One that can be kept and read again: blackhole behind a PostgreSQL that nobody asks.
inline Document real_document(const std::string& name, int max_events = 2000, const std::string& source_id = "pg") {
  return std::move(
      read_request(
          "{metadata: {name: " + name + ", tenant: acme}, spec: {source: {type: postgres, config: {id: " + source_id +
              ", dsn: 'postgres://u:canary@127.0.0.1/x', slot: s, publication: p}}, sinks: " +
              "[{type: blackhole, config: {id: hole}}], batch: {max_events: " + std::to_string(max_events) + "}}}",
          "body", components())
          .at(0));
}

inline Document bad_document(const std::string& name, const std::string& message) {
  Document document;
  document.name = document.fallback_name = name;
  document.file = "bad.yaml";
  document.problems.add(config::Problem{"bad.yaml", {3, 5}, "spec.sinks", message});
  return document;
}

}  // namespace deltaforge::server::testing
