// A pipeline without threads, for tests of the manager and the API.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/manager.h"

namespace deltaforge::server::testing {

// What happened to one pipeline, and what it answers.
struct Script {
  std::vector<std::string> calls;
  pipeline::PipelineStatus status;
  bool drains = true;
  bool launches = true;
};

class FakePipeline final : public Runnable {
 public:
  explicit FakePipeline(Script& script) : script_(script) {}
  void start() override { become("start", pipeline::Status::running); }
  void pause() override { become("pause", pipeline::Status::paused); }
  void resume() override { become("resume", pipeline::Status::running); }
  bool stop(std::chrono::milliseconds) override {
    become("stop", pipeline::Status::stopped);
    return script_.drains;
  }
  pipeline::PipelineStatus status() const override { return script_.status; }

 private:
  void become(const std::string& call, pipeline::Status status) {
    script_.calls.push_back(call);
    script_.status.status = status;
  }
  Script& script_;
};

// Scripts by name of the pipeline; they outlive the manager.
class FakeWorld {
 public:
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

inline Document bad_document(const std::string& name, const std::string& message) {
  Document document;
  document.name = document.fallback_name = name;
  document.file = "bad.yaml";
  document.problems.add(config::Problem{"bad.yaml", {3, 5}, "spec.sinks", message});
  return document;
}

}  // namespace deltaforge::server::testing
